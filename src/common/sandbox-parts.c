/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox-parts.c - parts of the sandbox that a host may lack, by name */
#include "common/sandbox-parts.h"

#include <string.h>

static const char *const names[SANDBOX_N_PARTS] = {
	[SANDBOX_PART_NAMESPACES] = "namespaces",
	[SANDBOX_PART_SECCOMP] = "seccomp",
	[SANDBOX_PART_CGROUP] = "cgroup",
};

const char *sandbox_part_name(SandboxPart part)
{
	return names[part];
}

gboolean sandbox_part_parse(const char *name, SandboxPart *part)
{
	for (*part = 0; *part < SANDBOX_N_PARTS; (*part)++)
		if (strcmp(name, names[*part]) == 0)
			return TRUE;
	return FALSE;
}

gboolean sandbox_parts_parse(const char *list, guint *parts)
{
	g_auto(GStrv) found = g_strsplit(list ? list : "", ",", -1);
	SandboxPart part;

	*parts = 0;
	for (char **name = found; *name; name++) {
		if (!sandbox_part_parse(*name, &part) ||
		    !(SANDBOX_PART_BIT(part) & SANDBOX_PARTS_OF_PROGRAMS))
			return FALSE;
		*parts |= SANDBOX_PART_BIT(part);
	}
	return TRUE;
}

char *sandbox_parts_format(guint parts)
{
	const char *found[SANDBOX_N_PARTS + 1] = { NULL };
	guint n_found = 0;

	for (SandboxPart part = 0; part < SANDBOX_N_PARTS; part++)
		if (parts & SANDBOX_PARTS_OF_PROGRAMS & SANDBOX_PART_BIT(part))
			found[n_found++] = names[part];
	return n_found > 0 ? g_strjoinv(",", (char **)found) : NULL;
}
