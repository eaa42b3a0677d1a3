/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu-set.h - a set of a domain's vCPUs, by their numbers; all zeroes is the empty set */
#pragma once

#include <glib.h>

#include "common/domain-limits.h"

#define CPU_SET_WORDS ((LIMIT_VCPUS + 63) / 64)

typedef struct {
	guint64 words[CPU_SET_WORDS];
} CpuSet;

/* @cpu is below LIMIT_VCPUS; another is a bug of the caller, and aborts. */
gboolean cpu_set_has(const CpuSet *set, guint cpu);
void cpu_set_add(CpuSet *set, guint cpu);
void cpu_set_remove(CpuSet *set, guint cpu);

gboolean cpu_set_is_empty(const CpuSet *set);

/* Return: how many vCPUs are in it. */
guint cpu_set_count(const CpuSet *set);

/* Whether a vCPU is in both. */
gboolean cpu_set_intersects(const CpuSet *set, const CpuSet *other);

/* Adds all of @other. */
void cpu_set_unite(CpuSet *set, const CpuSet *other);

/* Return: the first vCPU from 0 on that is not in the set; LIMIT_VCPUS where all are. */
guint cpu_set_first_missing(const CpuSet *set);

/* Return: one more than the last vCPU of the set; 0 where it is empty. */
guint cpu_set_end(const CpuSet *set);

/* Appends the set to @text: runs such as 0-2, in order, with @separator between them. */
void cpu_set_append(GString *text, const CpuSet *set, char separator);
