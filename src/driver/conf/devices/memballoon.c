/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memballoon.c - <memballoon>: what says that there is none */
#include <glib/gi18n.h>

#include "driver/conf/devices/memballoon.h"
#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"

void domain_parse_memballoon(XmlWalk *walk, xmlNode *devices, DomainDef *def)
{
	xmlNode *memballoon = xml_walk_child(walk, devices, "memballoon");

	if (!memballoon)
		return;
	if (!domain_parse_only(walk, memballoon, "model", "none"))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute 'model' of element 'devices/memballoon' is missing"));
	def->says |= DOMAIN_SAYS_NO_MEMBALLOON;
}

void domain_format_memballoon(XmlWriter *writer, const DomainDef *def)
{
	if (def->says & DOMAIN_SAYS_NO_MEMBALLOON)
		xml_writer_element_with(writer, "memballoon", "model", "none");
}
