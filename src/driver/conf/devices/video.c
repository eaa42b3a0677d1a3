/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* video.c - <video>: what says that there is none */
#include <glib/gi18n.h>

#include "driver/conf/devices/video.h"
#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"

/* A second one is left for the general check. */
void domain_parse_video(XmlWalk *walk, xmlNode *devices, DomainDef *def)
{
	xmlNode *video = xml_walk_next(walk, devices, NULL, "video");
	xmlNode *model = xml_walk_child(walk, video, "model");

	if (!video)
		return;
	if (!domain_parse_only(walk, model, "type", "none"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'devices/video' is not supported yet"));
	def->says |= DOMAIN_SAYS_NO_VIDEO;
}

void domain_format_video(XmlWriter *writer, const DomainDef *def)
{
	if (!(def->says & DOMAIN_SAYS_NO_VIDEO))
		return;
	xml_writer_start(writer, "video");
	xml_writer_element_with(writer, "model", "type", "none");
	xml_writer_end(writer);
}
