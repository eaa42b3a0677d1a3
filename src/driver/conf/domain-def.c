/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-def.c - the life of a domain's configuration
 */
#include "driver/conf/domain-def.h"

DomainDef *domain_def_copy(const DomainDef *def)
{
	DomainDef *copy = g_memdup2(def, sizeof(*def));

	copy->name = g_strdup(def->name);
	copy->title = g_strdup(def->title);
	copy->description = g_strdup(def->description);
	copy->metadata = g_strdup(def->metadata);
	copy->machine = g_strdup(def->machine);
	copy->kernel = g_strdup(def->kernel);
	copy->initrd = g_strdup(def->initrd);
	copy->cmdline = g_strdup(def->cmdline);
	copy->emulator = g_strdup(def->emulator);

	copy->serials = g_memdup2(def->serials, def->n_serials * sizeof(*def->serials));
	for (guint i = 0; i < def->n_serials; i++) {
		copy->serials[i].path = g_strdup(def->serials[i].path);
		copy->serials[i].log_path = g_strdup(def->serials[i].log_path);
		copy->serials[i].alias = g_strdup(def->serials[i].alias);
	}

	return copy;
}

void domain_def_free(DomainDef *def)
{
	if (!def)
		return;

	for (guint i = 0; i < def->n_serials; i++) {
		g_free(def->serials[i].path);
		g_free(def->serials[i].log_path);
		g_free(def->serials[i].alias);
	}
	g_free(def->serials);

	g_free(def->emulator);
	g_free(def->cmdline);
	g_free(def->initrd);
	g_free(def->kernel);
	g_free(def->machine);
	g_free(def->metadata);
	g_free(def->description);
	g_free(def->title);
	g_free(def->name);
	g_free(def);
}
