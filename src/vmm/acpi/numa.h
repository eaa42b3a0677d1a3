/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numa.h - the cells that a machine's processors and memory are divided into */
#pragma once

#include <glib.h>

#include "common/cpu-set.h"

/* Distances as ACPI's SLIT has them. */
#define NUMA_DISTANCE_LOCAL  10
#define NUMA_DISTANCE_REMOTE 20

typedef struct {
	CpuSet vcpus;
	guint64 memory; /* bytes; cells take RAM in their order, lowest address first */
} NumaCell;

typedef struct {
	guint n_cells; /* 0: the machine has no NUMA */
	const NumaCell *cells;
	const guint8 *distances; /* [from * n_cells + to], or NULL: the defaults above */
} NumaTopology;
