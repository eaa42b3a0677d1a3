/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run-state.c - what of a run is the guest's to change */
#include "driver/conf/run-state.h"

static void keep_channels(DomainDef *def, const DomainDef *live)
{
	for (guint i = 0; i < live->channels->len; i++) {
		const DomainPort *port = live->channels->pdata[i];
		DomainPort *kept = domain_find_port(def, port->alias);

		if (kept && !kept->is_console)
			kept->state = port->state;
	}
}

static void keep_trays(DomainDef *def, const DomainDef *live)
{
	for (guint i = 0; i < live->disks->len; i++) {
		const DomainDisk *disk = live->disks->pdata[i];
		DomainDisk *kept = domain_find_disk_alias(def, disk->info.alias);

		if (kept)
			kept->is_tray_open = disk->is_tray_open;
	}
}

void domain_def_keep_state(DomainDef *def, const DomainDef *live)
{
	def->current_memory_kib = live->current_memory_kib;
	keep_channels(def, live);
	keep_trays(def, live);
}
