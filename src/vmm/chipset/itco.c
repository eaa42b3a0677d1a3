/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * itco.c - the chipset's watchdog, where a machine is to have it
 *
 * It is in the PM block, and NO_REBOOT of the LPC bridge's registers keeps it from doing anything.
 * A machine without one has a watchdog that cannot be started.
 */
#include "vmm/chipset/itco.h"

#include <glib/gi18n.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/watchdog/tco.h"
#include "vmm/watchdog/watchdog.h"

typedef struct {
	Tco *tco;
	Ich9Lpc *lpc;
	guint action; /* WatchdogAction */
	void (*watchdog_expired)(void *opaque, guint action);
	void *opaque;
} Itco;

static gboolean may_act(void *opaque)
{
	const Itco *itco = opaque;

	return ich9_lpc_may_reboot(itco->lpc);
}

static void act(void *opaque)
{
	const Itco *itco = opaque;

	itco->watchdog_expired(itco->opaque, itco->action);
}

static void on_expired(void *device)
{
	tco_expired(((Itco *)device)->tco);
}

static void reset_device(void *device)
{
	tco_reset(((Itco *)device)->tco);
}

static void pause_device(void *device)
{
	countdown_pause(tco_countdown(((Itco *)device)->tco));
}

static void resume_device(void *device)
{
	countdown_resume(tco_countdown(((Itco *)device)->tco));
}

static void free_device(void *device)
{
	Itco *itco = device;

	tco_free(itco->tco);
	g_free(itco);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.pause = pause_device,
	.resume = resume_device,
	.free = free_device,
};

typedef struct {
	guint action;
} ItcoDescription;

static const JsonField fields[] = {
	{ .name = "action",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(ItcoDescription, action),
	  .value = WATCHDOG_RESET,
	  .choices = watchdog_action_names },
	{ .name = NULL },
};

static Itco *itco_new(const DeviceContext *context, AcpiPm *pm, guint action, GError **error)
{
	const DeviceSurroundings *surroundings = context->surroundings;
	Itco *itco = g_new0(Itco, 1);
	const TcoHost host = { .may_act = may_act, .act = act, .opaque = itco };

	itco->tco = tco_new(&host);
	if (!countdown_init(tco_countdown(itco->tco), surroundings, on_expired, itco, error)) {
		free_device(itco);
		return NULL;
	}
	itco->lpc = acpi_pm_lpc(pm);
	itco->action = action;
	itco->watchdog_expired = surroundings->host->watchdog_expired;
	itco->opaque = surroundings->opaque;
	tco_reset(itco->tco);
	return itco;
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const ItcoDescription *description = opaque;
	const DeviceSurroundings *surroundings = context->surroundings;
	AcpiPm *pm = acpi_pm_find(surroundings->registry);
	Itco *itco;

	if (!device_context_board(context, error))
		return FALSE;
	if (!pm || acpi_pm_has_watchdog(pm))
		return json_fields_refuse(error, context->owner, "driver",
					  pm ? _("the machine has one already") :
					       _("the machine has no chipset"));
	itco = itco_new(context, pm, description->action, error);
	if (!itco)
		return FALSE;
	acpi_pm_connect_watchdog(pm, itco->tco);
	ich9_lpc_allow_reboot(itco->lpc);
	device_registry_add(surroundings->registry, context->id, &device_operations, itco);
	return TRUE;
}

const DeviceType itco_type = {
	.name = "itco",
	.fields = fields,
	.description_size = sizeof(ItcoDescription),
	.create = create,
};
