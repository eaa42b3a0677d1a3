/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storage-nodes.h - a disk as QEMU's storage daemon is told of it
 *
 * Theory of operation
 *
 * Each image of a disk is one node or two: a file, named "vda-0-file", "vda-1-file" and so on from
 * the disk's own image on, and where its format is not raw "vda-0", which reads it. What is behind
 * an image is said, or that nothing is: what a header says is not asked for. The export is named as
 * the disk's target is.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "driver/conf/domain-def.h"

/* "vda-0": what a file of a disk's chain is handed over as, for g_free(). */
char *storage_node_file(const DomainDisk *disk, guint index);

/*
 * Arguments of blockdev-add, for json_object_unref().
 * @chain: of image_chain_open()
 * @index: in it; those behind it are there
 */
JsonObject *storage_describe_file(const DomainDisk *disk, const GPtrArray *chain, guint index);

/* NULL where the format is raw. */
JsonObject *storage_describe_format(const DomainDisk *disk, const GPtrArray *chain, guint index);

/* Arguments of block-export-add. */
JsonObject *storage_describe_export(const DomainDisk *disk);

/* The nodes of a disk in the order in which they can be taken away, for g_strfreev(). */
GStrv storage_node_names(const DomainDisk *disk);
