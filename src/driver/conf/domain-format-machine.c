/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-format-machine.c - <sysinfo>, <os>, <features>, <cpu> and <clock> from the model
 */
#include "driver/conf/domain-format.h"

void domain_format_switch(XmlWriter *writer, const char *name, DomainSwitch value, const char *no,
			  const char *yes)
{
	if (value != DOMAIN_SWITCH_ABSENT)
		xml_writer_attribute(writer, name, value == DOMAIN_SWITCH_YES ? yes : no);
}

/* Entries of one block follow each other: the parser has put them in order. */
void domain_format_sysinfo(XmlWriter *writer, const DomainDef *def)
{
	const char *block = NULL;

	if (!def->sysinfo)
		return;

	xml_writer_start(writer, "sysinfo");
	xml_writer_attribute(writer, "type", "smbios");
	for (guint i = 0; i < def->sysinfo->len; i++) {
		const DomainSysinfoEntry *entry = def->sysinfo->pdata[i];

		if (g_strcmp0(block, entry->block) != 0) {
			if (block)
				xml_writer_end(writer);
			xml_writer_start(writer, entry->block);
			block = entry->block;
		}
		xml_writer_start(writer, "entry");
		xml_writer_attribute(writer, "name", entry->name);
		xml_writer_text(writer, entry->value);
		xml_writer_end(writer);
	}
	if (block)
		xml_writer_end(writer);
	xml_writer_end(writer);
}

static void format_firmware_feature(XmlWriter *writer, const char *name, DomainSwitch enabled)
{
	if (enabled == DOMAIN_SWITCH_ABSENT)
		return;
	xml_writer_start(writer, "feature");
	domain_format_switch(writer, "enabled", enabled, "no", "yes");
	xml_writer_attribute(writer, "name", name);
	xml_writer_end(writer);
}

static void format_firmware(XmlWriter *writer, const DomainDef *def)
{
	if (def->firmware_enrolled_keys == DOMAIN_SWITCH_ABSENT &&
	    def->firmware_secure_boot == DOMAIN_SWITCH_ABSENT)
		return;

	xml_writer_start(writer, "firmware");
	format_firmware_feature(writer, "enrolled-keys", def->firmware_enrolled_keys);
	format_firmware_feature(writer, "secure-boot", def->firmware_secure_boot);
	xml_writer_end(writer);
}

static void format_loader(XmlWriter *writer, const DomainDef *def)
{
	if (!def->loader && def->loader_type == DOMAIN_LOADER_NONE &&
	    def->loader_readonly == DOMAIN_SWITCH_ABSENT &&
	    def->loader_secure == DOMAIN_SWITCH_ABSENT &&
	    def->loader_stateless == DOMAIN_SWITCH_ABSENT)
		return;

	xml_writer_start(writer, "loader");
	domain_format_switch(writer, "readonly", def->loader_readonly, "no", "yes");
	domain_format_switch(writer, "secure", def->loader_secure, "no", "yes");
	if (def->loader_type != DOMAIN_LOADER_NONE)
		xml_writer_attribute(writer, "type",
				     def->loader_type == DOMAIN_LOADER_ROM ? "rom" : "pflash");
	domain_format_switch(writer, "stateless", def->loader_stateless, "no", "yes");
	if (def->loader)
		xml_writer_text(writer, def->loader);
	xml_writer_end(writer);
}

static void format_nvram(XmlWriter *writer, const DomainDef *def)
{
	if (!def->nvram && !def->nvram_template)
		return;

	xml_writer_start(writer, "nvram");
	xml_writer_attribute(writer, "template", def->nvram_template);
	if (def->nvram && def->nvram_as_source) {
		xml_writer_attribute(writer, "type", "file");
		xml_writer_element_with(writer, "source", "file", def->nvram);
	} else if (def->nvram) {
		xml_writer_text(writer, def->nvram);
	}
	xml_writer_end(writer);
}

static void format_boot(XmlWriter *writer, const DomainDef *def)
{
	static const char *const names[] = {
		[DOMAIN_BOOT_FLOPPY] = "fd",
		[DOMAIN_BOOT_CDROM] = "cdrom",
		[DOMAIN_BOOT_DISK] = "hd",
		[DOMAIN_BOOT_NETWORK] = "network",
	};

	for (guint i = 0; i < def->n_boot_devices; i++)
		xml_writer_element_with(writer, "boot", "dev", names[def->boot_devices[i]]);
	if (def->says & DOMAIN_SAYS_NO_BOOT_MENU)
		xml_writer_element_with(writer, "bootmenu", "enable", "no");
	if (def->bios_useserial != DOMAIN_SWITCH_ABSENT) {
		xml_writer_start(writer, "bios");
		domain_format_switch(writer, "useserial", def->bios_useserial, "no", "yes");
		xml_writer_end(writer);
	}
	if (def->smbios_sysinfo)
		xml_writer_element_with(writer, "smbios", "mode", "sysinfo");
	else if (def->says & DOMAIN_SAYS_SMBIOS_EMULATE)
		xml_writer_element_with(writer, "smbios", "mode", "emulate");
}

void domain_format_os(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "os");
	if (def->firmware != DOMAIN_FIRMWARE_MANUAL)
		xml_writer_attribute(writer, "firmware",
				     def->firmware == DOMAIN_FIRMWARE_EFI ? "efi" : "bios");
	xml_writer_start(writer, "type");
	xml_writer_attribute(writer, "arch", "x86_64");
	xml_writer_attribute(writer, "machine", def->machine);
	xml_writer_text(writer, "hvm");
	xml_writer_end(writer);
	format_firmware(writer, def);
	format_loader(writer, def);
	format_nvram(writer, def);
	xml_writer_element_text(writer, "kernel", def->kernel);
	xml_writer_element_text(writer, "initrd", def->initrd);
	xml_writer_element_text(writer, "cmdline", def->cmdline);
	format_boot(writer, def);
	xml_writer_end(writer);
}

static void format_state(XmlWriter *writer, const char *name, DomainSwitch state)
{
	if (state == DOMAIN_SWITCH_ABSENT)
		return;
	xml_writer_start(writer, name);
	domain_format_switch(writer, "state", state, "off", "on");
	xml_writer_end(writer);
}

void domain_format_features(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "features");
	if (def->acpi)
		xml_writer_element_empty(writer, "acpi");
	if (def->apic)
		xml_writer_element_empty(writer, "apic");
	if (def->says & DOMAIN_SAYS_PAE)
		xml_writer_element_empty(writer, "pae");
	format_state(writer, "pmu", def->pmu);
	if (def->says & DOMAIN_SAYS_NO_VMPORT)
		xml_writer_element_with(writer, "vmport", "state", "off");
	if (def->says & DOMAIN_SAYS_NO_SMM)
		xml_writer_element_with(writer, "smm", "state", "off");
	xml_writer_end(writer);
}

static void format_topology(XmlWriter *writer, const DomainDef *def)
{
	if (def->cpu_cores == 0)
		return;
	xml_writer_start(writer, "topology");
	xml_writer_attribute_number(writer, "sockets", def->cpu_sockets);
	xml_writer_attribute_number(writer, "dies", def->cpu_dies);
	xml_writer_attribute_number(writer, "cores", def->cpu_cores);
	xml_writer_attribute_number(writer, "threads", def->cpu_threads);
	xml_writer_end(writer);
}

static void format_cpu_features(XmlWriter *writer, const DomainDef *def)
{
	for (guint i = 0; def->cpu_features && i < def->cpu_features->len; i++) {
		const DomainCpuFeature *feature = def->cpu_features->pdata[i];

		xml_writer_start(writer, "feature");
		xml_writer_attribute(writer, "policy", feature->policy);
		xml_writer_attribute(writer, "name", feature->name);
		xml_writer_end(writer);
	}
}

static void format_distances(XmlWriter *writer, const DomainNumaCell *cell)
{
	gboolean is_open = FALSE;

	for (guint i = 0; i < G_N_ELEMENTS(cell->distances); i++) {
		if (!cell->distances[i])
			continue;
		if (!is_open)
			xml_writer_start(writer, "distances");
		is_open = TRUE;
		xml_writer_start(writer, "sibling");
		xml_writer_attribute_number(writer, "id", i);
		xml_writer_attribute_number(writer, "value", cell->distances[i]);
		xml_writer_end(writer);
	}
	if (is_open)
		xml_writer_end(writer);
}

static void format_numa(XmlWriter *writer, const DomainDef *def)
{
	if (!def->numa_cells)
		return;

	xml_writer_start(writer, "numa");
	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		xml_writer_start(writer, "cell");
		xml_writer_attribute_number(writer, "id", i);
		if (!cpu_set_is_empty(&cell->cpus)) {
			g_autoptr(GString) cpus = g_string_new(NULL);

			cpu_set_append(cpus, &cell->cpus, ',');
			xml_writer_attribute(writer, "cpus", cpus->str);
		}
		xml_writer_attribute_number(writer, "memory", cell->memory_kib);
		xml_writer_attribute(writer, "unit", "KiB");
		if (cell->says_private_access)
			xml_writer_attribute(writer, "memAccess", "private");
		format_distances(writer, cell);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

void domain_format_cpu(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "cpu");
	xml_writer_attribute(writer, "mode",
			     def->cpu_host_passthrough ? "host-passthrough" : "host-model");
	xml_writer_attribute(writer, "check", def->cpu_host_passthrough ? "none" : "partial");
	domain_format_switch(writer, "migratable", def->cpu_migratable, "off", "on");
	format_topology(writer, def);
	format_cpu_features(writer, def);
	format_numa(writer, def);
	xml_writer_end(writer);
}

static void attribute_signed(XmlWriter *writer, const char *name, gint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

	xml_writer_attribute(writer, name, text);
}

static void format_offset(XmlWriter *writer, const DomainDef *def)
{
	static const char *const names[] = {
		[DOMAIN_CLOCK_UTC] = "utc",	      [DOMAIN_CLOCK_LOCALTIME] = "localtime",
		[DOMAIN_CLOCK_TIMEZONE] = "timezone", [DOMAIN_CLOCK_VARIABLE] = "variable",
		[DOMAIN_CLOCK_ABSOLUTE] = "absolute",
	};

	xml_writer_attribute(writer, "offset", names[def->clock_offset]);
	switch (def->clock_offset) {
	case DOMAIN_CLOCK_UTC:
	case DOMAIN_CLOCK_LOCALTIME:
		if (def->says & DOMAIN_SAYS_CLOCK_RESET)
			xml_writer_attribute(writer, "adjustment", "reset");
		return;
	case DOMAIN_CLOCK_TIMEZONE:
		xml_writer_attribute(writer, "timezone", def->clock_timezone);
		return;
	case DOMAIN_CLOCK_VARIABLE:
		attribute_signed(writer, "adjustment", def->clock_adjustment);
		xml_writer_attribute(writer, "basis",
				     def->clock_basis_localtime ? "localtime" : "utc");
		return;
	case DOMAIN_CLOCK_ABSOLUTE:
		attribute_signed(writer, "start", def->clock_start);
		return;
	}
}

static void format_timer(XmlWriter *writer, const char *name, const char *attribute,
			 const char *value)
{
	xml_writer_start(writer, "timer");
	xml_writer_attribute(writer, "name", name);
	xml_writer_attribute(writer, attribute, value);
	xml_writer_end(writer);
}

static void format_presence(XmlWriter *writer, const char *name, DomainSwitch present)
{
	if (present != DOMAIN_SWITCH_ABSENT)
		format_timer(writer, name, "present", present == DOMAIN_SWITCH_YES ? "yes" : "no");
}

void domain_format_clock(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "clock");
	format_offset(writer, def);
	if (def->says_timer_rtc)
		format_timer(writer, "rtc", "tickpolicy", def->timer_rtc_tickpolicy);
	if (def->says_timer_pit)
		format_timer(writer, "pit", "tickpolicy", def->timer_pit_tickpolicy);
	format_presence(writer, "hpet", def->timer_hpet);
	format_presence(writer, "kvmclock", def->timer_kvmclock);
	if (def->says_timer_tsc) {
		xml_writer_start(writer, "timer");
		xml_writer_attribute(writer, "name", "tsc");
		if (def->timer_tsc_frequency)
			xml_writer_attribute_number(writer, "frequency", def->timer_tsc_frequency);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}
