/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watchdog.c - <watchdog>: what is done to a guest that does not say in time that it is alive */
#include "driver/conf/devices/watchdog.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static const char *const model_names[] = {
	[DOMAIN_WATCHDOG_ITCO] = "itco",
	[DOMAIN_WATCHDOG_I6300ESB] = "i6300esb",
};

/* What libvirt knows besides, "dump", takes memory that can be read. */
static const struct {
	const char *name;
	int action;
} actions[] = {
	{ "reset", VIR_DOMAIN_EVENT_WATCHDOG_RESET },
	{ "shutdown", VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN },
	{ "poweroff", VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF },
	{ "pause", VIR_DOMAIN_EVENT_WATCHDOG_PAUSE },
	{ "none", VIR_DOMAIN_EVENT_WATCHDOG_NONE },
	{ "inject-nmi", VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI },
};

const char *domain_watchdog_action_name(int action)
{
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
		if (actions[i].action == action)
			return actions[i].name;
	return NULL;
}

int domain_watchdog_action(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return actions[i].action;
	return -1;
}

DomainWatchdog *domain_watchdog_copy(const DomainWatchdog *watchdog)
{
	DomainWatchdog *copy = g_memdup2(watchdog, sizeof(*watchdog));

	domain_device_info_copy(&copy->info, &watchdog->info);
	return copy;
}

void domain_watchdog_free(DomainWatchdog *watchdog)
{
	if (!watchdog)
		return;
	domain_device_info_clear(&watchdog->info);
	g_free(watchdog);
}

static void parse_model(XmlWalk *walk, xmlNode *node, DomainWatchdog *watchdog)
{
	const char *model = xml_walk_attribute_required(walk, node, "model");

	if (!model)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(model_names); i++) {
		if (strcmp(model_names[i], model) != 0)
			continue;
		watchdog->model = (DomainWatchdogModel)i;
		return;
	}
	xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
		       _("attribute 'model' of element '%s' is '%s': supported are 'itco' and "
			 "'i6300esb'"),
		       xml_walk_path(walk, node), xml_walk_quote(walk, model));
}

static void parse_action(XmlWalk *walk, xmlNode *node, DomainWatchdog *watchdog)
{
	const char *action = xml_walk_attribute(walk, node, "action");

	watchdog->action = action ? domain_watchdog_action(action) :
				    VIR_DOMAIN_EVENT_WATCHDOG_RESET;
	if (watchdog->action >= 0)
		return;
	if (strcmp(action, "dump") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'action' of element '%s' is 'dump': guest memory is "
				 "private, and is not dumped"),
			       xml_walk_path(walk, node));
	else
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute 'action' of element '%s' is '%s', not 'reset', "
				 "'shutdown', 'poweroff', 'pause', 'none' or 'inject-nmi'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, action));
}

DomainWatchdog *domain_parse_watchdog(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainWatchdog *watchdog = g_new0(DomainWatchdog, 1);

	parse_model(walk, node, watchdog);
	parse_action(walk, node, watchdog);
	watchdog->info.is_off_pci = watchdog->model == DOMAIN_WATCHDOG_ITCO;
	if (watchdog->info.is_off_pci)
		watchdog->info.alias = domain_parse_alias(walk, node, flags);
	else
		domain_parse_device_info(walk, node, flags, FALSE, &watchdog->info);
	return watchdog;
}

void domain_format_watchdog(XmlWriter *writer, const DomainWatchdog *watchdog, gboolean live)
{
	xml_writer_start(writer, "watchdog");
	xml_writer_attribute(writer, "model", model_names[watchdog->model]);
	xml_writer_attribute(writer, "action", domain_watchdog_action_name(watchdog->action));
	domain_format_device_info(writer, &watchdog->info, live);
	xml_writer_end(writer);
}

static guint count(const DomainDef *def, DomainWatchdogModel model)
{
	guint n = 0;

	for (guint i = 0; i < def->watchdogs->len; i++) {
		const DomainWatchdog *watchdog = def->watchdogs->pdata[i];

		n += watchdog->model == model;
	}
	return n;
}

void domain_complete_watchdogs(DomainDef *def)
{
	const DomainWatchdog *first = def->watchdogs->len > 0 ? def->watchdogs->pdata[0] : NULL;
	DomainWatchdog *watchdog;

	if (count(def, DOMAIN_WATCHDOG_ITCO) > 0)
		return;
	watchdog = g_new0(DomainWatchdog, 1);
	watchdog->model = DOMAIN_WATCHDOG_ITCO;
	watchdog->info.is_off_pci = TRUE;
	watchdog->action = first ? first->action : VIR_DOMAIN_EVENT_WATCHDOG_RESET;
	g_ptr_array_add(def->watchdogs, watchdog);
}

/* As with libvirt's QEMU driver, where one action is for all. */
gboolean domain_check_watchdogs(const DomainDef *def, GError **error)
{
	for (guint i = 1; i < def->watchdogs->len; i++) {
		const DomainWatchdog *first = def->watchdogs->pdata[0];
		const DomainWatchdog *watchdog = def->watchdogs->pdata[i];

		if (watchdog->action != first->action)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("elements 'devices/watchdog' have the actions '%s' "
					      "and '%s': all are to have the same"),
					    domain_watchdog_action_name(first->action),
					    domain_watchdog_action_name(watchdog->action));
	}
	return count(def, DOMAIN_WATCHDOG_ITCO) <= 1 ||
	       driver_error(error, VIR_ERR_XML_ERROR,
			    _("two elements 'devices/watchdog' have the model 'itco': the "
			      "chipset has one"));
}
