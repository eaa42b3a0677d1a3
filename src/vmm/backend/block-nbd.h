/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block-nbd.h - an export of an NBD server as a disk: what QEMU's storage daemon makes of an image
 *
 * Theory of operation
 *
 * The server is at the other end of a socket that somebody has connected. The library (libnbd)
 * keeps the protocol; its descriptor is in the I/O thread's context. A server that goes away, or
 * says what is no NBD, is an I/O error for what is under way and for all that comes.
 *
 * The library calls back with its lock held, so that ends are told later.
 */
#pragma once

#include "vmm/backend/block.h"

/*
 * block_nbd_new - use an export as a disk
 * @fd:     a connected socket; taken if this succeeds
 * @export: its name
 *
 * Waits for the server's answers. Return: a backend, or NULL with @error set.
 */
BlockBackend *block_nbd_new(int fd, const char *export, const BlockConfig *config, GError **error);
