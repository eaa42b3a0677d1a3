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

/* One that stands on its own: @def becomes as if its document had this element. */
void domain_parse_one_memballoon(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainDef *def);

/* At most one. */
void domain_parse_memballoon(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			     DomainDef *def);
void domain_format_memballoon(XmlWriter *writer, const DomainDef *def, gboolean live);

/*
 * Changes of a definition by the balloon of @part, which has nothing else. As domain_def_attach()
 * and what is beside it. A domain whose balloon goes says that it has none.
 */
gboolean domain_attach_memballoon(DomainDef *def, const DomainDef *part, GError **error);
gboolean domain_detach_memballoon(DomainDef *def, const DomainDef *part, GError **error);
gboolean domain_update_memballoon(DomainDef *def, const DomainDef *part, GError **error);

/*
 * domain_check_memballoon_update - whether a balloon can become another one while it is used
 *
 * Its period can change. What @part does not say is no change.
 *
 * Return: FALSE with VIR_ERR_DEVICE_MISSING, or with VIR_ERR_OPERATION_UNSUPPORTED that names what
 * cannot change.
 */
gboolean domain_check_memballoon_update(const DomainDef *live, const DomainDef *part,
					GError **error);
