/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-format.c - from the model to <domain>
 *
 * The order of elements, the quotes and the indentation are libvirt's, so that the output
 * compares well with what people know. Each function is the inverse of the one of that name that
 * parses; what stands directly below <domain> and needs no file of its own is here.
 */
#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"

static void format_identity(XmlWriter *writer, const DomainDef *def)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	uuid_format(def->uuid, uuid);
	xml_writer_element_text(writer, "name", def->name);
	xml_writer_element_text(writer, "uuid", uuid);
	if (def->has_genid) {
		uuid_format(def->genid, uuid);
		xml_writer_element_text(writer, "genid", uuid);
	}
	xml_writer_element_text(writer, "title", def->title);
	xml_writer_element_text(writer, "description", def->description);
}

/* Kept as text, so it goes out as text: the writer's own indentation ends before it. */
static void format_metadata(XmlWriter *writer, const DomainDef *def)
{
	g_autofree char *line = NULL;

	if (!def->metadata)
		return;
	line = g_strdup_printf("  %s\n", def->metadata);
	xml_writer_raw(writer, line);
}

static void format_vcpus(XmlWriter *writer, const DomainDef *def)
{
	g_autofree char *number = g_strdup_printf("%u", def->vcpus);

	xml_writer_start(writer, "vcpu");
	xml_writer_attribute(writer, "placement", "static");
	xml_writer_text(writer, number);
	xml_writer_end(writer);
}

static void format_lifecycle(XmlWriter *writer, const DomainDef *def)
{
	static const char *const names[] = {
		[DOMAIN_ACTION_DESTROY] = "destroy",
		[DOMAIN_ACTION_RESTART] = "restart",
		[DOMAIN_ACTION_PRESERVE] = "preserve",
	};

	xml_writer_element_text(writer, "on_poweroff", names[def->on_poweroff]);
	xml_writer_element_text(writer, "on_reboot", names[def->on_reboot]);
	xml_writer_element_text(writer, "on_crash", names[def->on_crash]);
}

static void format_suspend(XmlWriter *writer, const char *name, DomainSwitch enabled)
{
	if (enabled == DOMAIN_SWITCH_ABSENT)
		return;
	xml_writer_start(writer, name);
	domain_format_switch(writer, "enabled", enabled, "no", "yes");
	xml_writer_end(writer);
}

static void format_pm(XmlWriter *writer, const DomainDef *def)
{
	if (def->suspend_to_mem == DOMAIN_SWITCH_ABSENT &&
	    def->suspend_to_disk == DOMAIN_SWITCH_ABSENT)
		return;

	xml_writer_start(writer, "pm");
	format_suspend(writer, "suspend-to-mem", def->suspend_to_mem);
	format_suspend(writer, "suspend-to-disk", def->suspend_to_disk);
	xml_writer_end(writer);
}

char *domain_def_format(const DomainDef *def, DomainFormatFlags flags)
{
	const gboolean live = !(flags & DOMAIN_FORMAT_INACTIVE) &&
			      (def->id >= 0 || (flags & DOMAIN_FORMAT_STATUS));
	XmlWriter whole = { 0 };
	XmlWriter *writer = &whole;

	xml_writer_init(writer);
	xml_writer_start(writer, "domain");
	xml_writer_attribute(writer, "type", "kvm");
	if (live && def->id >= 0)
		xml_writer_attribute_number(writer, "id", (guint64)def->id);

	format_identity(writer, def);
	format_metadata(writer, def);
	domain_format_memory_size(writer, "memory", def->memory_kib);
	domain_format_memory_size(writer, "currentMemory", def->current_memory_kib);
	domain_format_memory_backing(writer, def);
	format_vcpus(writer, def);
	domain_format_iothreads(writer, def);
	domain_format_tune(writer, def);
	domain_format_sysinfo(writer, def);
	domain_format_os(writer, def);
	domain_format_features(writer, def);
	domain_format_cpu(writer, def);
	domain_format_clock(writer, def);
	format_lifecycle(writer, def);
	format_pm(writer, def);
	domain_format_devices(writer, def, live);
	domain_format_seclabel(writer, def, flags, live);
	domain_format_launch_security(writer, def);

	xml_writer_end(writer);

	return xml_writer_finish(writer);
}
