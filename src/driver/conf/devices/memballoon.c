/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memballoon.c - <memballoon>: a way for the guest to give memory back */
#include "driver/conf/devices/memballoon.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

DomainMemballoon *domain_memballoon_copy(const DomainMemballoon *memballoon)
{
	DomainMemballoon *copy;

	if (!memballoon)
		return NULL;
	copy = g_memdup2(memballoon, sizeof(*memballoon));
	domain_device_info_copy(&copy->info, &memballoon->info);
	return copy;
}

void domain_memballoon_free(DomainMemballoon *memballoon)
{
	if (!memballoon)
		return;
	domain_device_info_clear(&memballoon->info);
	g_free(memballoon);
}

static void parse_virtio(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			 DomainMemballoon *memballoon)
{
	memballoon->autodeflate = domain_parse_switch(walk, node, "autodeflate", "off", "on");
	memballoon->free_page_reporting = domain_parse_switch(walk, node, "freePageReporting",
							      "off", "on");
	domain_parse_number(walk, xml_walk_child(walk, node, "stats"), "period", G_MAXINT,
			    &memballoon->period);
	domain_parse_virtio_options(walk, xml_walk_child(walk, node, "driver"),
				    &memballoon->virtio);
	domain_parse_device_info(walk, node, flags, FALSE, &memballoon->info);
}

void domain_parse_one_memballoon(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainDef *def)
{
	const char *model = xml_walk_attribute_required(walk, node, "model");

	if (model && strcmp(model, "none") == 0) {
		def->says |= DOMAIN_SAYS_NO_MEMBALLOON;
	} else if (model && strcmp(model, "virtio") == 0) {
		def->memballoon = g_new0(DomainMemballoon, 1);
		parse_virtio(walk, node, flags, def->memballoon);
	} else if (model) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'model' of element '%s' is '%s': supported are "
				 "'virtio' and 'none'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, model));
	}
}

void domain_parse_memballoon(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			     DomainDef *def)
{
	xmlNode *node = xml_walk_child(walk, devices, "memballoon");

	if (node)
		domain_parse_one_memballoon(walk, node, flags, def);
	else
		def->memballoon = g_new0(DomainMemballoon, 1);
}

void domain_format_memballoon(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	const DomainMemballoon *memballoon = def->memballoon;

	if (def->says & DOMAIN_SAYS_NO_MEMBALLOON)
		xml_writer_element_with(writer, "memballoon", "model", "none");
	if (!memballoon)
		return;
	xml_writer_start(writer, "memballoon");
	xml_writer_attribute(writer, "model", "virtio");
	domain_format_switch(writer, "autodeflate", memballoon->autodeflate, "off", "on");
	domain_format_switch(writer, "freePageReporting", memballoon->free_page_reporting, "off",
			     "on");
	if (memballoon->period > 0) {
		xml_writer_start(writer, "stats");
		xml_writer_attribute_number(writer, "period", memballoon->period);
		xml_writer_end(writer);
	}
	if (domain_virtio_options_are_set(&memballoon->virtio)) {
		xml_writer_start(writer, "driver");
		domain_format_virtio_options(writer, &memballoon->virtio);
		xml_writer_end(writer);
	}
	domain_format_device_info(writer, &memballoon->info, live);
	xml_writer_end(writer);
}

/* The one that a change is about. Return: NULL with @error. */
static const DomainMemballoon *wanted_of(const DomainDef *part, GError **error)
{
	if (!part->memballoon)
		driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			     _("device 'memballoon' of model 'none' is no device"));
	return part->memballoon;
}

gboolean domain_attach_memballoon(DomainDef *def, const DomainDef *part, GError **error)
{
	const DomainMemballoon *wanted = wanted_of(part, error);

	if (!wanted)
		return FALSE;
	if (def->memballoon)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain already has a device '%s'"), "memballoon");
	def->memballoon = domain_memballoon_copy(wanted);
	def->says &= ~(guint)DOMAIN_SAYS_NO_MEMBALLOON;
	return TRUE;
}

static gboolean find(const DomainDef *def, const DomainMemballoon *wanted, GError **error)
{
	return (def->memballoon &&
		domain_device_info_may_be(&def->memballoon->info, &wanted->info)) ||
	       driver_error(error, VIR_ERR_DEVICE_MISSING,
			    _("no device '%s' is as the document says"), "memballoon");
}

gboolean domain_detach_memballoon(DomainDef *def, const DomainDef *part, GError **error)
{
	const DomainMemballoon *wanted = wanted_of(part, error);

	if (!wanted || !find(def, wanted, error))
		return FALSE;
	g_clear_pointer(&def->memballoon, domain_memballoon_free);
	def->says |= DOMAIN_SAYS_NO_MEMBALLOON;
	return TRUE;
}

gboolean domain_update_memballoon(DomainDef *def, const DomainDef *part, GError **error)
{
	const DomainMemballoon *wanted = wanted_of(part, error);
	DomainMemballoon *updated;

	if (!wanted || !find(def, wanted, error))
		return FALSE;
	updated = domain_memballoon_copy(wanted);
	domain_device_info_keep(&updated->info, &def->memballoon->info);
	domain_memballoon_free(def->memballoon);
	def->memballoon = updated;
	return TRUE;
}

static gboolean check_update(const DomainMemballoon *balloon, const DomainMemballoon *wanted,
			     GError **error)
{
	const struct {
		const char *name;
		DomainSwitch is;
		DomainSwitch wanted;
	} switches[] = {
		{ "autodeflate", balloon->autodeflate, wanted->autodeflate },
		{ "freePageReporting", balloon->free_page_reporting, wanted->free_page_reporting },
		{ "iommu", balloon->virtio.iommu, wanted->virtio.iommu },
		{ "packed", balloon->virtio.packed, wanted->virtio.packed },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(switches); i++)
		if (switches[i].wanted != DOMAIN_SWITCH_ABSENT &&
		    switches[i].wanted != switches[i].is)
			return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
					    _("'%s' of device '%s' cannot be changed while the "
					      "domain runs"),
					    switches[i].name, "memballoon");
	return TRUE;
}

gboolean domain_check_memballoon_update(const DomainDef *live, const DomainDef *part,
					GError **error)
{
	const DomainMemballoon *wanted = wanted_of(part, error);

	return wanted && find(live, wanted, error) && check_update(live->memballoon, wanted, error);
}
