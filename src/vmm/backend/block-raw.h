/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block-raw.h - a file or a block device as a disk
 *
 * Theory of operation
 *
 * What is at offset x of the disk is at offset x of the file. Everything is done by io_uring. What
 * the kernel did only a part of is continued; what a file system or device cannot do (holes,
 * ranges of zeroes) is done another way, and not tried again.
 *
 * The disk has the file's size, up to a whole sector: what is missing of that sector reads as
 * zeroes. A guest's write never makes a file longer: there, it may be zeroes again, and all else is
 * an error. A file that somebody has made shorter meanwhile is an I/O error where it is missing.
 *
 * Without the host's page cache (direct) the kernel takes only whole blocks in memory that is
 * aligned. Requests that are not so go through memory of their own; a write does first read what
 * is around it, and so that no other one is lost, has no other write beside it. A file to be
 * written whose last block is not whole is used with the cache instead, and one that has become
 * larger up to its last whole block.
 *
 * A discard of a block device is what fallocate() makes of a hole: the kernel asks the device to
 * give the blocks up if they then read as zeroes. BLKDISCARD would not promise that, and is an
 * ioctl(), which no ring does.
 */
#pragma once

#include "vmm/backend/block.h"

/*
 * block_raw_new - use an open file as a disk
 * @fd:        a regular file or a block device, open for reading, and for writing if it is not to
 *             be read-only; taken if this succeeds
 * @is_direct: without the host's page cache, where that can be
 *
 * Return: a backend, or NULL with @error set, which names the file.
 */
BlockBackend *block_raw_new(int fd, gboolean is_direct, const BlockConfig *config, GError **error);
