/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* panic.h - <panic>: a port by which the guest's kernel says that it has failed */
#pragma once

#include "driver/conf/devices/device.h"

typedef struct {
	guint port; /* <address type='isa' iobase=>, or 0 */
	char *alias;
} DomainPanic;

DomainPanic *domain_panic_copy(const DomainPanic *panic);
void domain_panic_free(DomainPanic *panic);

/* One that stands on its own: @def becomes as if its document had this element. */
void domain_parse_one_panic(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainDef *def);

/* At most one. */
void domain_parse_panic(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def);
void domain_format_panic(XmlWriter *writer, const DomainDef *def, gboolean live);

/* Changes of a definition by the device of @part, which has nothing else. */
gboolean domain_attach_panic(DomainDef *def, const DomainDef *part, GError **error);
gboolean domain_detach_panic(DomainDef *def, const DomainDef *part, GError **error);
