/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox-parts.h - parts of the sandbox that a host may lack, by name */
#pragma once

#include <glib.h>

typedef enum {
	SANDBOX_PART_NAMESPACES,
	SANDBOX_PART_SECCOMP,
	SANDBOX_PART_CGROUP,
	SANDBOX_N_PARTS,
} SandboxPart;

/* Sets of parts have a bit for each. */
#define SANDBOX_PART_BIT(part) (1u << (part))

/* What a program does to itself; the rest is the daemon's. */
#define SANDBOX_PARTS_OF_PROGRAMS \
	(SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES) | SANDBOX_PART_BIT(SANDBOX_PART_SECCOMP))

/* As the configuration, options and errors have it. */
const char *sandbox_part_name(SandboxPart part);

/* Return: FALSE where no part has such a name. */
gboolean sandbox_part_parse(const char *name, SandboxPart *part);

/*
 * sandbox_parts_parse - a program's list of parts that may be lacking
 * @list: names with commas between them; NULL and "" are the empty list
 *
 * Return: FALSE where something in it is no part that a program makes itself.
 */
gboolean sandbox_parts_parse(const char *list, guint *parts);

/* The other way: a list for g_free(); NULL where a program makes none of these parts itself. */
char *sandbox_parts_format(guint parts);
