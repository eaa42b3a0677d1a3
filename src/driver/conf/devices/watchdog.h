/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watchdog.h - <watchdog>: what is done to a guest that does not say in time that it is alive */
#pragma once

#include "driver/conf/devices/device.h"

/* The machine has at most one of the first kind: it is in its chipset. */
typedef enum {
	DOMAIN_WATCHDOG_ITCO,
	DOMAIN_WATCHDOG_I6300ESB,
} DomainWatchdogModel;

typedef struct {
	DomainWatchdogModel model;
	int action;	       /* VIR_DOMAIN_EVENT_WATCHDOG_*, which says it to clients */
	DomainDeviceInfo info; /* an iTCO has an alias alone */
} DomainWatchdog;

DomainWatchdog *domain_watchdog_copy(const DomainWatchdog *watchdog);
void domain_watchdog_free(DomainWatchdog *watchdog);

DomainWatchdog *domain_parse_watchdog(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_watchdog(XmlWriter *writer, const DomainWatchdog *watchdog, gboolean live);

/* Adds the one that the chipset has, where the document has none: libvirt shows it, too. */
void domain_complete_watchdogs(DomainDef *def);

gboolean domain_check_watchdogs(const DomainDef *def, GError **error);

/* "reset", "none", …: as documents and the VMM have it. */
const char *domain_watchdog_action_name(int action);

/* Return: VIR_DOMAIN_EVENT_WATCHDOG_*, or -1. */
int domain_watchdog_action(const char *name);
