/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu-set.c - a set of processors by their numbers, a domain's or its host's */
#include "common/cpu-set.h"

#define WORD_BITS 64u

static guint64 bit(guint cpu)
{
	g_assert(cpu < CPU_SET_SIZE);
	return G_GUINT64_CONSTANT(1) << cpu % WORD_BITS;
}

gboolean cpu_set_has(const CpuSet *set, guint cpu)
{
	const guint64 mask = bit(cpu);

	return (set->words[cpu / WORD_BITS] & mask) != 0;
}

void cpu_set_add(CpuSet *set, guint cpu)
{
	const guint64 mask = bit(cpu);

	set->words[cpu / WORD_BITS] |= mask;
}

void cpu_set_remove(CpuSet *set, guint cpu)
{
	const guint64 mask = bit(cpu);

	set->words[cpu / WORD_BITS] &= ~mask;
}

gboolean cpu_set_is_empty(const CpuSet *set)
{
	return cpu_set_end(set) == 0;
}

gboolean cpu_set_intersects(const CpuSet *set, const CpuSet *other)
{
	for (guint i = 0; i < CPU_SET_WORDS; i++) {
		if (set->words[i] & other->words[i])
			return TRUE;
	}
	return FALSE;
}

void cpu_set_unite(CpuSet *set, const CpuSet *other)
{
	for (guint i = 0; i < CPU_SET_WORDS; i++)
		set->words[i] |= other->words[i];
}

guint cpu_set_count(const CpuSet *set)
{
	guint count = 0;

	for (guint i = 0; i < CPU_SET_WORDS; i++)
		count += (guint)__builtin_popcountll(set->words[i]);
	return count;
}

guint cpu_set_first_missing(const CpuSet *set)
{
	guint cpu = 0;

	while (cpu < CPU_SET_SIZE && cpu_set_has(set, cpu))
		cpu++;
	return cpu;
}

guint cpu_set_end(const CpuSet *set)
{
	guint end = CPU_SET_SIZE;

	while (end > 0 && !cpu_set_has(set, end - 1))
		end--;
	return end;
}

void cpu_set_append(GString *text, const CpuSet *set, char separator)
{
	const guint end = cpu_set_end(set);
	gboolean is_first = TRUE;

	for (guint first = 0; first < end; first++) {
		guint last = first;

		if (!cpu_set_has(set, first))
			continue;
		while (last + 1 < end && cpu_set_has(set, last + 1))
			last++;
		if (!is_first)
			g_string_append_c(text, separator);
		g_string_append_printf(text, "%u", first);
		if (last > first)
			g_string_append_printf(text, "-%u", last);
		is_first = FALSE;
		first = last;
	}
}

/* Reads a number without anything around it and steps over it. */
static gboolean read_cpu(const char **at, guint limit, guint *cpu)
{
	guint value = 0;
	guint digits = 0;

	for (; g_ascii_isdigit(**at); (*at)++, digits++) {
		value = value * 10 + (guint)(**at - '0');
		if (value >= limit)
			return FALSE;
	}
	*cpu = value;
	return digits > 0;
}

gboolean cpu_set_parse(const char *text, guint limit, CpuSet *set)
{
	const char *at = text;

	*set = (CpuSet){ 0 };
	for (;;) {
		const gboolean take_out = *at == '^';
		guint first = 0;
		guint last = 0;

		if (take_out)
			at++;
		if (!read_cpu(&at, limit, &first))
			return FALSE;
		last = first;
		if (!take_out && *at == '-') {
			at++;
			if (!read_cpu(&at, limit, &last) || last < first)
				return FALSE;
		}

		for (guint cpu = first; cpu <= last; cpu++) {
			if (take_out)
				cpu_set_remove(set, cpu);
			else
				cpu_set_add(set, cpu);
		}

		if (*at == '\0')
			return TRUE;
		if (*at++ != ',')
			return FALSE;
	}
}
