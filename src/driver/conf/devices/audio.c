/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* audio.c - <audio>: what says that there is none */
#include <glib/gi18n.h>

#include "driver/conf/devices/audio.h"
#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"

/* A second one is left for the general check. */
void domain_parse_audio(XmlWalk *walk, xmlNode *devices, DomainDef *def)
{
	xmlNode *audio = xml_walk_next(walk, devices, NULL, "audio");

	if (!audio)
		return;
	domain_parse_only(walk, audio, "id", "1");
	if (!domain_parse_only(walk, audio, "type", "none"))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute 'type' of element 'devices/audio' is missing"));
	def->says |= DOMAIN_SAYS_NO_AUDIO;
}

void domain_format_audio(XmlWriter *writer, const DomainDef *def)
{
	if (!(def->says & DOMAIN_SAYS_NO_AUDIO))
		return;
	xml_writer_start(writer, "audio");
	xml_writer_attribute(writer, "id", "1");
	xml_writer_attribute(writer, "type", "none");
	xml_writer_end(writer);
}
