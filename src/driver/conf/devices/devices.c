/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices.c - <devices>: each kind by the file of its name */
#include "driver/conf/devices/audio.h"
#include "driver/conf/devices/controller.h"
#include "driver/conf/devices/memballoon.h"
#include "driver/conf/devices/serial.h"
#include "driver/conf/devices/video.h"
#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"

void domain_parse_devices(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *devices = xml_walk_child(walk, root, "devices");

	if (!devices)
		return;

	def->emulator = g_strdup(xml_walk_child_text(walk, devices, "emulator"));
	domain_parse_controllers(walk, devices, def);
	domain_parse_audio(walk, devices, def);
	domain_parse_video(walk, devices, def);
	domain_parse_memballoon(walk, devices, def);
	domain_parse_serials(walk, devices, flags, def);
}

void domain_format_devices(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	xml_writer_start(writer, "devices");
	xml_writer_element_text(writer, "emulator", def->emulator);
	domain_format_controllers(writer, def, live);
	domain_format_serials(writer, def, live);
	domain_format_audio(writer, def);
	domain_format_video(writer, def);
	domain_format_memballoon(writer, def);
	xml_writer_end(writer);
}

gboolean domain_check_devices(const DomainDef *def, GError **error)
{
	return domain_check_path("devices/emulator", def->emulator, error) &&
	       domain_check_serials(def, error);
}
