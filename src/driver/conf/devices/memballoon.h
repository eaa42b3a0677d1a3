/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memballoon.h - <memballoon>: a way for the guest to give memory back
 *
 * As in libvirt a domain has one unless it says that it has none.
 */
#pragma once

#include "driver/conf/devices/device.h"

typedef struct {
	DomainSwitch autodeflate;
	DomainSwitch free_page_reporting;
	guint period; /* <stats period=> in seconds, or 0 */
	DomainVirtioOptions virtio;
	DomainDeviceInfo info;
} DomainMemballoon;

DomainMemballoon *domain_memballoon_copy(const DomainMemballoon *memballoon);
void domain_memballoon_free(DomainMemballoon *memballoon);

/* At most one. */
void domain_parse_memballoon(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			     DomainDef *def);
void domain_format_memballoon(XmlWriter *writer, const DomainDef *def, gboolean live);
