/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numa.h - the cells that a machine's processors and memory are divided into */
#pragma once

#include <glib.h>

#define NUMA_MAX_CELLS 64

/* Distances as ACPI's SLIT has them. */
#define NUMA_DISTANCE_LOCAL  10
#define NUMA_DISTANCE_REMOTE 20

typedef struct {
	guint64 vcpus;	/* bit n is vCPU n */
	guint64 memory; /* bytes; cells take RAM in their order, lowest address first */
} NumaCell;

typedef struct {
	guint n_cells; /* 0: the machine has no NUMA */
	const NumaCell *cells;
	const guint8 *distances; /* [from * n_cells + to], or NULL: the defaults above */
} NumaTopology;
