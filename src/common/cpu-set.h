/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu-set.h - a set of processors by their numbers, a domain's or its host's; all zeroes is the
 * empty set */
#pragma once

#include <glib.h>

#include "common/domain-limits.h"

/* As many of a host's processors as libvirt's definitions can name. */
#define CPU_SET_SIZE  1024u
#define CPU_SET_WORDS (CPU_SET_SIZE / 64)

G_STATIC_ASSERT(LIMIT_VCPUS <= CPU_SET_SIZE);

typedef struct {
	guint64 words[CPU_SET_WORDS];
} CpuSet;

/* @cpu is below CPU_SET_SIZE; another is a bug of the caller, and aborts. */
gboolean cpu_set_has(const CpuSet *set, guint cpu);
void cpu_set_add(CpuSet *set, guint cpu);
void cpu_set_remove(CpuSet *set, guint cpu);

gboolean cpu_set_is_empty(const CpuSet *set);

/* Return: how many processors are in it. */
guint cpu_set_count(const CpuSet *set);

/* Whether a processor is in both. */
gboolean cpu_set_intersects(const CpuSet *set, const CpuSet *other);

/* Adds all of @other. */
void cpu_set_unite(CpuSet *set, const CpuSet *other);

/* Return: the first processor from 0 on that is not in the set; CPU_SET_SIZE where all are. */
guint cpu_set_first_missing(const CpuSet *set);

/* Return: one more than the last processor of the set; 0 where it is empty. */
guint cpu_set_end(const CpuSet *set);

/* Appends the set to @text: runs such as 0-2, in order, with @separator between them. */
void cpu_set_append(GString *text, const CpuSet *set, char separator);

/*
 * cpu_set_parse - read a set as definitions have it: "0-3,^2,5", ranges and single ones taken out
 * again
 * @limit: one more than the highest number that there may be, CPU_SET_SIZE at most
 *
 * Return: FALSE for anything else, blanks among it. The set may be empty.
 */
gboolean cpu_set_parse(const char *text, guint limit, CpuSet *set);
