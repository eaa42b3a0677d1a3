/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * node.h - the host machine: processors, memory, NUMA nodes
 *
 * Theory of operation
 *
 * Everything comes from sysfs and procfs, below a root folder that tests replace. What a host
 * does not tell (a container without NUMA nodes, say) is filled with the smallest answer that
 * is true: one node with every online processor.
 */
#pragma once

#include <glib.h>

typedef struct {
	guint id;
	guint64 memory_kib;
	guint64 free_kib;
	GArray *cpus;	   /* guint, online ones only, ascending */
	GArray *distances; /* guint, one for each node, in the order of their ids; may be empty */
} NodeCell;

typedef struct {
	guint id;
	gboolean online;
	guint socket;
	guint die;
	guint cluster;
	guint core;
	char *siblings; /* list of the threads of this core, "0,4" or "0-1" */
} NodeCpu;

typedef struct {
	char model[32]; /* "x86_64" */
	guint64 memory_kib;
	guint cpus; /* online */
	guint mhz;  /* current speed of the first processor; 0: unknown */
	/* nodes * sockets * cores * threads is the number of processors, as libvirt says
	 * of virNodeInfo; where the host is not that regular, 1, 1, cpus, 1. */
	guint nodes;
	guint sockets;
	guint cores;
	guint threads;

	char *vendor;	     /* "AMD", "Intel", or what CPUID says; NULL: unknown */
	GPtrArray *cells;    /* NodeCell, one at least */
	GPtrArray *cpu_list; /* NodeCpu, present ones, ascending by id */
} NodeInfo;

/*
 * node_info_read - read it all
 * @root: "/" ; tests give a folder with a proc and a sys
 *
 * Return: NULL and DRIVER_ERROR (VIR_ERR_INTERNAL_ERROR) where procfs or sysfs is missing.
 */
NodeInfo *node_info_read(const char *root, GError **error);
void node_info_free(NodeInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeInfo, node_info_free)

/*
 * node_cpu_map - virNodeGetCPUMap's answer
 * @map:    bitmap, bit n of byte n / 8: processor n is online; for g_free()
 * @length: bytes in @map
 * @online: number of bits set
 *
 * Return: one more than the highest number of a processor that is present.
 */
guint node_cpu_map(const NodeInfo *info, guint8 **map, gsize *length, guint *online);

/* Free memory of the whole host in bytes: MemFree. */
gboolean node_free_memory(const char *root, guint64 *bytes, GError **error);

/*
 * node_memory_stats - virNodeGetMemoryStats' numbers in KiB
 * @cell: a node's id, or -1 for the host
 * @total, @free_kib, @buffers, @cached: each NULL when not wanted; the last two are left alone
 *        for a node, which has no such numbers
 */
gboolean node_memory_stats(const char *root, int cell, guint64 *total, guint64 *free_kib,
			   guint64 *buffers, guint64 *cached, GError **error);
