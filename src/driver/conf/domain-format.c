/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-format.c - from the model to <domain>
 *
 * The order of elements, the quotes and the indentation are libvirt's, so that the output
 * compares well with what people know. Each function is the inverse of the one of that name in
 * a domain-parse file; what describes the machine is in domain-format-machine.c.
 */
#include "driver/conf/domain-format.h"

static void format_identity(XmlWriter *writer, const DomainDef *def)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	uuid_format(def->uuid, uuid);
	xml_writer_element_text(writer, "name", def->name);
	xml_writer_element_text(writer, "uuid", uuid);
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

static void format_memory_size(XmlWriter *writer, const char *name, guint64 kib)
{
	g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, kib);

	xml_writer_start(writer, name);
	xml_writer_attribute(writer, "unit", "KiB");
	xml_writer_text(writer, number);
	xml_writer_end(writer);
}

static void format_conversion(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_element_with(writer, "conversion", "policy",
				def->policy == DOMAIN_POLICY_GUEST_ONLY ? "guest-only" :
									  "on-demand");
}

static void format_memory_backing(XmlWriter *writer, const DomainDef *def)
{
	if (!def->memory_private && !(def->says & DOMAIN_SAYS_PRIVATE_ACCESS))
		return;

	xml_writer_start(writer, "memoryBacking");
	if (def->says & DOMAIN_SAYS_PRIVATE_ACCESS)
		xml_writer_element_with(writer, "access", "mode", "private");
	if (def->memory_private) {
		xml_writer_start(writer, "private");
		if (!def->sw_protected)
			format_conversion(writer, def);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
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

static void format_chardev_source(XmlWriter *writer, const DomainSerial *serial, gboolean live)
{
	switch (serial->type) {
	case DOMAIN_CHARDEV_NULL:
		return;
	case DOMAIN_CHARDEV_PTY:
		if (live && serial->path)
			xml_writer_element_with(writer, "source", "path", serial->path);
		return;
	case DOMAIN_CHARDEV_FILE:
		xml_writer_start(writer, "source");
		xml_writer_attribute(writer, "path", serial->path);
		if (serial->append)
			xml_writer_attribute(writer, "append", "on");
		xml_writer_end(writer);
		return;
	}
}

static void format_chardev_log(XmlWriter *writer, const DomainSerial *serial)
{
	if (!serial->log_path)
		return;
	xml_writer_start(writer, "log");
	xml_writer_attribute(writer, "file", serial->log_path);
	xml_writer_attribute(writer, "append", serial->log_append ? "on" : "off");
	xml_writer_end(writer);
}

static const char *chardev_type(const DomainSerial *serial)
{
	static const char *const names[] = {
		[DOMAIN_CHARDEV_PTY] = "pty",
		[DOMAIN_CHARDEV_FILE] = "file",
		[DOMAIN_CHARDEV_NULL] = "null",
	};

	return names[serial->type];
}

static void attribute_hex(XmlWriter *writer, const char *name, guint value, int digits)
{
	g_autofree char *text = g_strdup_printf("0x%0*x", digits, value);

	xml_writer_attribute(writer, name, text);
}

static void format_serial(XmlWriter *writer, const DomainSerial *serial, gboolean is_debug_console,
			  gboolean live)
{
	xml_writer_start(writer, "serial");
	xml_writer_attribute(writer, "type", chardev_type(serial));
	format_chardev_source(writer, serial, live);
	format_chardev_log(writer, serial);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", is_debug_console ? "isa-debug" : "isa-serial");
	xml_writer_attribute_number(writer, "port", serial->port);
	xml_writer_element_with(writer, "model", "name",
				is_debug_console ? "isa-debugcon" : "isa-serial");
	xml_writer_end(writer);
	if (live && serial->alias)
		xml_writer_element_with(writer, "alias", "name", serial->alias);
	if (is_debug_console) {
		xml_writer_start(writer, "address");
		xml_writer_attribute(writer, "type", "isa");
		attribute_hex(writer, "iobase", DOMAIN_DEBUG_CONSOLE_PORT, 3);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static void format_console(XmlWriter *writer, const DomainSerial *serial, gboolean live)
{
	xml_writer_start(writer, "console");
	xml_writer_attribute(writer, "type", chardev_type(serial));
	if (live && serial->type == DOMAIN_CHARDEV_PTY)
		xml_writer_attribute(writer, "tty", serial->path);
	format_chardev_source(writer, serial, live);
	format_chardev_log(writer, serial);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", "serial");
	xml_writer_attribute_number(writer, "port", serial->port);
	xml_writer_end(writer);
	if (live && serial->alias)
		xml_writer_element_with(writer, "alias", "name", serial->alias);
	xml_writer_end(writer);
}

static void format_pci_address(XmlWriter *writer, const DomainPciAddress *address)
{
	xml_writer_start(writer, "address");
	xml_writer_attribute(writer, "type", "pci");
	attribute_hex(writer, "domain", 0, 4);
	attribute_hex(writer, "bus", address->bus, 2);
	attribute_hex(writer, "slot", address->slot, 2);
	attribute_hex(writer, "function", address->function, 1);
	domain_format_switch(writer, "multifunction", address->multifunction, "off", "on");
	xml_writer_end(writer);
}

static void format_pci_controller(XmlWriter *writer, const DomainPciController *controller,
				  gboolean live)
{
	xml_writer_start(writer, "controller");
	xml_writer_attribute(writer, "type", "pci");
	xml_writer_attribute_number(writer, "index", controller->index);
	xml_writer_attribute(writer, "model", controller->is_root ? "pcie-root" : "pcie-root-port");
	if (!controller->is_root) {
		xml_writer_element_with(writer, "model", "name", controller->model_name);
		xml_writer_start(writer, "target");
		xml_writer_attribute_number(writer, "chassis", controller->chassis);
		attribute_hex(writer, "port", controller->port, 1);
		domain_format_switch(writer, "hotplug", controller->hotplug, "off", "on");
		xml_writer_end(writer);
	}
	if (live) {
		g_autofree char *alias = g_strdup_printf(controller->is_root ? "pcie.%u" : "pci.%u",
							 controller->index);

		xml_writer_element_with(writer, "alias", "name", alias);
	}
	if (!controller->is_root)
		format_pci_address(writer, &controller->address);
	xml_writer_end(writer);
}

static void format_absent_devices(XmlWriter *writer, const DomainDef *def)
{
	if (def->says & DOMAIN_SAYS_NO_AUDIO) {
		xml_writer_start(writer, "audio");
		xml_writer_attribute(writer, "id", "1");
		xml_writer_attribute(writer, "type", "none");
		xml_writer_end(writer);
	}
	if (def->says & DOMAIN_SAYS_NO_VIDEO) {
		xml_writer_start(writer, "video");
		xml_writer_element_with(writer, "model", "type", "none");
		xml_writer_end(writer);
	}
	if (def->says & DOMAIN_SAYS_NO_MEMBALLOON)
		xml_writer_element_with(writer, "memballoon", "model", "none");
}

static void format_devices(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	xml_writer_start(writer, "devices");
	xml_writer_element_text(writer, "emulator", def->emulator);
	if (def->says & DOMAIN_SAYS_NO_USB) {
		xml_writer_start(writer, "controller");
		xml_writer_attribute(writer, "type", "usb");
		xml_writer_attribute(writer, "index", "0");
		xml_writer_attribute(writer, "model", "none");
		xml_writer_end(writer);
	}
	for (guint i = 0; i < def->pci_controllers->len; i++)
		format_pci_controller(writer, def->pci_controllers->pdata[i], live);
	for (guint i = 0; i < def->n_serials; i++)
		format_serial(writer, &def->serials[i], FALSE, live);
	if (def->debug_console)
		format_serial(writer, def->debug_console, TRUE, live);
	if (def->console_present && def->n_serials > 0)
		format_console(writer, &def->serials[0], live);
	format_absent_devices(writer, def);
	xml_writer_end(writer);
}

/* Who the VMM runs as is this run's alone, unless the definition says it. */
static void format_seclabel(XmlWriter *writer, const DomainDef *def, DomainFormatFlags flags,
			    gboolean live)
{
	static const char *const types[] = { "dynamic", "dynamic", "static", "none" };
	const gboolean is_static = def->seclabel_type == DOMAIN_SECLABEL_STATIC;
	const char *label = is_static || live ? def->seclabel_label : NULL;

	/* A state file has who it is besides, and is to be read back as it was. */
	if (def->seclabel_type == DOMAIN_SECLABEL_ABSENT &&
	    (!label || (flags & DOMAIN_FORMAT_STATUS)))
		return;

	xml_writer_start(writer, "seclabel");
	xml_writer_attribute(writer, "type", types[def->seclabel_type]);
	xml_writer_attribute(writer, "model", "dac");
	if (def->seclabel_type != DOMAIN_SECLABEL_NONE)
		xml_writer_attribute(writer, "relabel", def->seclabel_relabel ? "yes" : "no");
	xml_writer_element_text(writer, "label", label);
	if (live && def->seclabel_relabel)
		xml_writer_element_text(writer, "imagelabel", label);
	xml_writer_end(writer);
}

static void format_launch_security(XmlWriter *writer, const DomainDef *def)
{
	if (!def->sw_protected)
		return;

	xml_writer_start(writer, "launchSecurity");
	xml_writer_attribute(writer, "type", "sw-protected");
	format_conversion(writer, def);
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
	format_memory_size(writer, "memory", def->memory_kib);
	format_memory_size(writer, "currentMemory", def->current_memory_kib);
	format_memory_backing(writer, def);
	format_vcpus(writer, def);
	domain_format_sysinfo(writer, def);
	domain_format_os(writer, def);
	domain_format_features(writer, def);
	domain_format_cpu(writer, def);
	domain_format_clock(writer, def);
	format_lifecycle(writer, def);
	format_pm(writer, def);
	format_devices(writer, def, live);
	format_seclabel(writer, def, flags, live);
	format_launch_security(writer, def);

	xml_writer_end(writer);

	return xml_writer_finish(writer);
}
