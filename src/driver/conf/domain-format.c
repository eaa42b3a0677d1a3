/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-format.c - from the model to <domain>
 *
 * The order of elements, the quotes and the indentation are libvirt's, so that the output
 * compares well with what people know. Each function is the inverse of the one of that name in
 * domain-parse.c.
 */
#include <libxml/xmlwriter.h>
#include <string.h>

#include "driver/conf/domain-private.h"

/* Writing to memory fails only when memory ends, which GLib's allocations do not survive. */
static void check(int written)
{
	g_assert(written >= 0);
}

static void start(xmlTextWriter *writer, const char *name)
{
	check(xmlTextWriterStartElement(writer, (const xmlChar *)name));
}

static void end(xmlTextWriter *writer)
{
	check(xmlTextWriterEndElement(writer));
}

/* libxml2 escapes double quotes in an attribute's value, and those only, whichever it uses
 * around it. */
static void attribute(xmlTextWriter *writer, const char *name, const char *value)
{
	if (!value)
		return;
	check(xmlTextWriterSetQuoteChar(writer, strchr(value, '\'') ? '"' : '\''));
	check(xmlTextWriterWriteAttribute(writer, (const xmlChar *)name, (const xmlChar *)value));
}

static void attribute_number(xmlTextWriter *writer, const char *name, guint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

	attribute(writer, name, text);
}

static void attribute_switch(xmlTextWriter *writer, const char *name, DomainSwitch value,
			     const char *no, const char *yes)
{
	if (value != DOMAIN_SWITCH_ABSENT)
		attribute(writer, name, value == DOMAIN_SWITCH_YES ? yes : no);
}

static void text(xmlTextWriter *writer, const char *value)
{
	check(xmlTextWriterWriteString(writer, (const xmlChar *)value));
}

static void element_text(xmlTextWriter *writer, const char *name, const char *value)
{
	if (!value)
		return;
	start(writer, name);
	text(writer, value);
	end(writer);
}

static void element_empty(xmlTextWriter *writer, const char *name)
{
	start(writer, name);
	end(writer);
}

/* <name attribute='value'/> */
static void element_with(xmlTextWriter *writer, const char *name, const char *attribute_name,
			 const char *value)
{
	start(writer, name);
	attribute(writer, attribute_name, value);
	end(writer);
}

static void format_identity(xmlTextWriter *writer, const DomainDef *def)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	uuid_format(def->uuid, uuid);
	element_text(writer, "name", def->name);
	element_text(writer, "uuid", uuid);
	element_text(writer, "title", def->title);
	element_text(writer, "description", def->description);
}

/* Kept as text, so it goes out as text: the writer's own indentation ends before it. */
static void format_metadata(xmlTextWriter *writer, const DomainDef *def)
{
	g_autofree char *line = NULL;

	if (!def->metadata)
		return;
	line = g_strdup_printf("  %s\n", def->metadata);
	check(xmlTextWriterWriteRaw(writer, (const xmlChar *)line));
}

static void format_memory_size(xmlTextWriter *writer, const char *name, guint64 kib)
{
	g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, kib);

	start(writer, name);
	attribute(writer, "unit", "KiB");
	text(writer, number);
	end(writer);
}

static void format_memory_backing(xmlTextWriter *writer, const DomainDef *def)
{
	if (!def->memory_private && !(def->says & DOMAIN_SAYS_PRIVATE_ACCESS))
		return;

	start(writer, "memoryBacking");
	if (def->says & DOMAIN_SAYS_PRIVATE_ACCESS)
		element_with(writer, "access", "mode", "private");
	if (def->memory_private)
		element_empty(writer, "private");
	end(writer);
}

static void format_vcpus(xmlTextWriter *writer, const DomainDef *def)
{
	g_autofree char *number = g_strdup_printf("%u", def->vcpus);

	start(writer, "vcpu");
	attribute(writer, "placement", "static");
	text(writer, number);
	end(writer);
}

static void format_os(xmlTextWriter *writer, const DomainDef *def)
{
	start(writer, "os");
	start(writer, "type");
	attribute(writer, "arch", "x86_64");
	attribute(writer, "machine", def->machine);
	text(writer, "hvm");
	end(writer);
	element_text(writer, "kernel", def->kernel);
	element_text(writer, "initrd", def->initrd);
	element_text(writer, "cmdline", def->cmdline);
	end(writer);
}

static void format_features(xmlTextWriter *writer, const DomainDef *def)
{
	start(writer, "features");
	if (def->acpi)
		element_empty(writer, "acpi");
	if (def->apic)
		element_empty(writer, "apic");
	if (def->says & DOMAIN_SAYS_PAE)
		element_empty(writer, "pae");
	if (def->says & DOMAIN_SAYS_NO_VMPORT)
		element_with(writer, "vmport", "state", "off");
	if (def->says & DOMAIN_SAYS_NO_SMM)
		element_with(writer, "smm", "state", "off");
	end(writer);
}

static void format_cpu(xmlTextWriter *writer, const DomainDef *def)
{
	if (!def->cpu_host_passthrough)
		return;

	start(writer, "cpu");
	attribute(writer, "mode", "host-passthrough");
	attribute(writer, "check", "none");
	attribute_switch(writer, "migratable", def->cpu_migratable, "off", "on");
	end(writer);
}

static void format_timer(xmlTextWriter *writer, const char *name, const char *present)
{
	start(writer, "timer");
	attribute(writer, "name", name);
	attribute(writer, "present", present);
	end(writer);
}

static void format_clock(xmlTextWriter *writer, const DomainDef *def)
{
	start(writer, "clock");
	attribute(writer, "offset", "utc");
	if (def->says & DOMAIN_SAYS_NO_HPET)
		format_timer(writer, "hpet", "no");
	if (def->says & DOMAIN_SAYS_KVMCLOCK)
		format_timer(writer, "kvmclock", "yes");
	end(writer);
}

static void format_lifecycle(xmlTextWriter *writer, const DomainDef *def)
{
	static const char *const names[] = {
		[DOMAIN_ACTION_DESTROY] = "destroy",
		[DOMAIN_ACTION_RESTART] = "restart",
		[DOMAIN_ACTION_PRESERVE] = "preserve",
	};

	element_text(writer, "on_poweroff", names[def->on_poweroff]);
	element_text(writer, "on_reboot", names[def->on_reboot]);
	element_text(writer, "on_crash", names[def->on_crash]);
}

static void format_suspend(xmlTextWriter *writer, const char *name, DomainSwitch enabled)
{
	if (enabled == DOMAIN_SWITCH_ABSENT)
		return;
	start(writer, name);
	attribute_switch(writer, "enabled", enabled, "no", "yes");
	end(writer);
}

static void format_pm(xmlTextWriter *writer, const DomainDef *def)
{
	if (def->suspend_to_mem == DOMAIN_SWITCH_ABSENT &&
	    def->suspend_to_disk == DOMAIN_SWITCH_ABSENT)
		return;

	start(writer, "pm");
	format_suspend(writer, "suspend-to-mem", def->suspend_to_mem);
	format_suspend(writer, "suspend-to-disk", def->suspend_to_disk);
	end(writer);
}

static void format_chardev_source(xmlTextWriter *writer, const DomainSerial *serial, gboolean live)
{
	switch (serial->type) {
	case DOMAIN_CHARDEV_NULL:
		return;
	case DOMAIN_CHARDEV_PTY:
		if (live && serial->path)
			element_with(writer, "source", "path", serial->path);
		return;
	case DOMAIN_CHARDEV_FILE:
		start(writer, "source");
		attribute(writer, "path", serial->path);
		if (serial->append)
			attribute(writer, "append", "on");
		end(writer);
		return;
	case DOMAIN_CHARDEV_UNIX:
		start(writer, "source");
		attribute(writer, "mode", "bind");
		attribute(writer, "path", serial->path);
		end(writer);
		return;
	}
}

static void format_chardev_log(xmlTextWriter *writer, const DomainSerial *serial)
{
	if (!serial->log_path)
		return;
	start(writer, "log");
	attribute(writer, "file", serial->log_path);
	attribute(writer, "append", serial->log_append ? "on" : "off");
	end(writer);
}

static const char *chardev_type(const DomainSerial *serial)
{
	static const char *const names[] = {
		[DOMAIN_CHARDEV_PTY] = "pty",
		[DOMAIN_CHARDEV_FILE] = "file",
		[DOMAIN_CHARDEV_UNIX] = "unix",
		[DOMAIN_CHARDEV_NULL] = "null",
	};

	return names[serial->type];
}

static void format_serial(xmlTextWriter *writer, const DomainSerial *serial, gboolean live)
{
	start(writer, "serial");
	attribute(writer, "type", chardev_type(serial));
	format_chardev_source(writer, serial, live);
	format_chardev_log(writer, serial);
	start(writer, "target");
	attribute(writer, "type", "isa-serial");
	attribute_number(writer, "port", serial->port);
	element_with(writer, "model", "name", "isa-serial");
	end(writer);
	if (live && serial->alias)
		element_with(writer, "alias", "name", serial->alias);
	end(writer);
}

static void format_console(xmlTextWriter *writer, const DomainSerial *serial, gboolean live)
{
	start(writer, "console");
	attribute(writer, "type", chardev_type(serial));
	if (live && serial->type == DOMAIN_CHARDEV_PTY)
		attribute(writer, "tty", serial->path);
	format_chardev_source(writer, serial, live);
	format_chardev_log(writer, serial);
	start(writer, "target");
	attribute(writer, "type", "serial");
	attribute_number(writer, "port", serial->port);
	end(writer);
	if (live && serial->alias)
		element_with(writer, "alias", "name", serial->alias);
	end(writer);
}

static void format_absent_devices(xmlTextWriter *writer, const DomainDef *def)
{
	if (def->says & DOMAIN_SAYS_NO_AUDIO) {
		start(writer, "audio");
		attribute(writer, "id", "1");
		attribute(writer, "type", "none");
		end(writer);
	}
	if (def->says & DOMAIN_SAYS_NO_VIDEO) {
		start(writer, "video");
		element_with(writer, "model", "type", "none");
		end(writer);
	}
	if (def->says & DOMAIN_SAYS_NO_MEMBALLOON)
		element_with(writer, "memballoon", "model", "none");
}

static void format_devices(xmlTextWriter *writer, const DomainDef *def, gboolean live)
{
	start(writer, "devices");
	element_text(writer, "emulator", def->emulator);
	if (def->says & DOMAIN_SAYS_NO_USB) {
		start(writer, "controller");
		attribute(writer, "type", "usb");
		attribute(writer, "index", "0");
		attribute(writer, "model", "none");
		end(writer);
	}
	for (guint i = 0; i < def->n_serials; i++)
		format_serial(writer, &def->serials[i], live);
	if (def->console_present && def->n_serials > 0)
		format_console(writer, &def->serials[0], live);
	format_absent_devices(writer, def);
	end(writer);
}

static void format_launch_security(xmlTextWriter *writer, const DomainDef *def)
{
	if (!def->sw_protected)
		return;

	start(writer, "launchSecurity");
	attribute(writer, "type", "sw-protected");
	element_with(writer, "conversion", "policy",
		     def->policy == DOMAIN_POLICY_GUEST_ONLY ? "guest-only" : "on-demand");
	end(writer);
}

char *domain_def_format(const DomainDef *def, DomainFormatFlags flags)
{
	const gboolean live = !(flags & DOMAIN_FORMAT_INACTIVE) &&
			      (def->id >= 0 || (flags & DOMAIN_FORMAT_STATUS));
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	char *result = NULL;

	g_assert(writer);
	check(xmlTextWriterSetIndent(writer, 1));
	check(xmlTextWriterSetIndentString(writer, (const xmlChar *)"  "));

	start(writer, "domain");
	attribute(writer, "type", "kvm");
	if (live && def->id >= 0)
		attribute_number(writer, "id", (guint64)def->id);

	format_identity(writer, def);
	format_metadata(writer, def);
	format_memory_size(writer, "memory", def->memory_kib);
	format_memory_size(writer, "currentMemory", def->current_memory_kib);
	format_memory_backing(writer, def);
	format_vcpus(writer, def);
	format_os(writer, def);
	format_features(writer, def);
	format_cpu(writer, def);
	format_clock(writer, def);
	format_lifecycle(writer, def);
	format_pm(writer, def);
	format_devices(writer, def, live);
	if (def->says & DOMAIN_SAYS_NO_SECLABEL)
		element_with(writer, "seclabel", "type", "none");
	format_launch_security(writer, def);

	end(writer);
	xmlFreeTextWriter(writer);

	result = g_strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return result;
}
