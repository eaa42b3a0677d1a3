/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * os.c - <os>: firmware, kernel, and what the firmware is told
 *
 * Which firmware a descriptor of the host's stands for is not known here: with <os firmware=>
 * the model has what the document has, and driver/host completes it. So does it with the file
 * of variables that <nvram> does not name.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static const char *const boot_names[] = {
	[DOMAIN_BOOT_FLOPPY] = "fd",
	[DOMAIN_BOOT_CDROM] = "cdrom",
	[DOMAIN_BOOT_DISK] = "hd",
	[DOMAIN_BOOT_NETWORK] = "network",
	NULL,
};

static void parse_type(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	xmlNode *type = xml_walk_child(walk, os, "type");
	const char *name = xml_walk_text(walk, type);
	const char *machine = NULL;

	if (!type) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'os/type' is missing"));
		return;
	}

	if (name && strcmp(name, "hvm") != 0)
		xml_walk_error(walk, VIR_ERR_OS_TYPE,
			       _("'%s' in element 'os/type': only 'hvm' is supported"),
			       xml_walk_quote(walk, name));

	domain_parse_only(walk, type, "arch", "x86_64");

	machine = xml_walk_attribute(walk, type, "machine");
	if (machine && strcmp(machine, "q35") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'machine' of element 'os/type' is '%s': only 'q35' is "
				 "supported"),
			       xml_walk_quote(walk, machine));
	def->machine = g_strdup("q35");
}

/* <firmware><feature>: what the descriptor that is chosen must or must not have. */
static void parse_firmware_feature(XmlWalk *walk, xmlNode *feature, DomainDef *def)
{
	static const char *const names[] = { "enrolled-keys", "secure-boot", NULL };
	DomainSwitch *const values[] = { &def->firmware_enrolled_keys, &def->firmware_secure_boot };
	int found = -1;
	DomainSwitch enabled = DOMAIN_SWITCH_ABSENT;

	if (!xml_walk_attribute_required(walk, feature, "name") ||
	    !xml_walk_attribute_required(walk, feature, "enabled"))
		return;

	found = domain_parse_choice(walk, feature, "name", names);
	enabled = domain_parse_switch(walk, feature, "enabled", "no", "yes");
	if (walk->error || found < 0)
		return;

	if (*values[found] != DOMAIN_SWITCH_ABSENT)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("element 'os/firmware/feature' with name '%s' appears more than once"),
			names[found]);
	*values[found] = enabled;
}

static void parse_firmware(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	static const char *const names[] = {
		[DOMAIN_FIRMWARE_BIOS - 1] = "bios",
		[DOMAIN_FIRMWARE_EFI - 1] = "efi",
		NULL,
	};
	const int chosen = domain_parse_choice(walk, os, "firmware", names);
	xmlNode *firmware = xml_walk_child(walk, os, "firmware");
	xmlNode *feature = NULL;

	if (chosen >= 0)
		def->firmware = (DomainFirmware)(chosen + 1);
	while ((feature = xml_walk_next(walk, firmware, feature, "feature")))
		parse_firmware_feature(walk, feature, def);

	if (def->firmware_secure_boot == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/firmware/feature' with 'secure-boot' enabled: such "
				 "firmware needs SMM, which a protected domain cannot have"));
}

/* A path, or NULL when there is nothing between the tags. */
static char *dup_path(XmlWalk *walk, xmlNode *node)
{
	const char *text = xml_walk_text(walk, node);

	return text && *text ? g_strdup(text) : NULL;
}

static void parse_loader(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	static const char *const types[] = {
		[DOMAIN_LOADER_ROM - 1] = "rom",
		[DOMAIN_LOADER_PFLASH - 1] = "pflash",
		NULL,
	};
	xmlNode *loader = xml_walk_child(walk, os, "loader");
	const int type = domain_parse_choice(walk, loader, "type", types);

	if (!loader)
		return;

	/* What a file without a type is, its firmware descriptor may know. */
	def->loader = dup_path(walk, loader);
	if (type >= 0)
		def->loader_type = (DomainLoaderType)(type + 1);

	def->loader_readonly = domain_parse_switch(walk, loader, "readonly", "no", "yes");
	def->loader_secure = domain_parse_switch(walk, loader, "secure", "no", "yes");
	def->loader_stateless = domain_parse_switch(walk, loader, "stateless", "no", "yes");
	/* libvirt 9.2 and newer print it; older ones do not know it, and neither print we. */
	domain_parse_only(walk, loader, "format", "raw");

	if (def->loader_secure == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/loader' with secure='yes': such firmware needs SMM, "
				 "which a protected domain cannot have"));
	if (def->loader_readonly == DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/loader' with readonly='no': the firmware's code is "
				 "never written, its variables are in 'os/nvram'"));
	if (def->loader_stateless == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/loader' with stateless='yes': firmware without a "
				 "file for its variables is not supported yet"));
}

static void parse_nvram(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	xmlNode *nvram = xml_walk_child(walk, os, "nvram");
	xmlNode *source = xml_walk_child(walk, nvram, "source");
	gboolean has_type = FALSE;

	if (!nvram)
		return;

	def->nvram_template = g_strdup(xml_walk_attribute(walk, nvram, "template"));
	domain_parse_only(walk, nvram, "templateFormat", "raw");
	domain_parse_only(walk, nvram, "format", "raw");

	has_type = domain_parse_only(walk, nvram, "type", "file");
	if (!has_type && !source) {
		def->nvram = dup_path(walk, nvram);
		return;
	}

	if (!source)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'os/nvram/source' is missing"));
	def->nvram = g_strdup(xml_walk_attribute_required(walk, source, "file"));
	def->nvram_as_source = TRUE;
}

/* Applications name the devices whatever there are; without one the order means nothing. */
static void parse_boot_devices(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	xmlNode *boot = NULL;
	guint given = 0;

	while ((boot = xml_walk_next(walk, os, boot, "boot"))) {
		int device = -1;

		if (!xml_walk_attribute_required(walk, boot, "dev"))
			return;
		device = domain_parse_choice(walk, boot, "dev", boot_names);
		if (device < 0)
			return;
		if (given & (1u << device)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element 'os/boot' with dev '%s' appears more than once"),
				       boot_names[device]);
			return;
		}
		given |= 1u << device;
		def->boot_devices[def->n_boot_devices++] = (DomainBootDevice)device;
	}
}

static void parse_boot_menu(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	xmlNode *menu = xml_walk_child(walk, os, "bootmenu");
	DomainSwitch enabled = DOMAIN_SWITCH_ABSENT;

	if (!xml_walk_attribute_required(walk, menu, "enable"))
		return;
	enabled = domain_parse_switch(walk, menu, "enable", "no", "yes");
	if (enabled == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/bootmenu' with enable='yes' is not supported yet: "
				 "there is no device to choose"));
	def->says |= DOMAIN_SAYS_NO_BOOT_MENU;
}

static void parse_smbios(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	static const char *const modes[] = { "emulate", "sysinfo", "host", NULL };
	xmlNode *smbios = xml_walk_child(walk, os, "smbios");

	if (!xml_walk_attribute_required(walk, smbios, "mode"))
		return;

	switch (domain_parse_choice(walk, smbios, "mode", modes)) {
	case 0:
		def->says |= DOMAIN_SAYS_SMBIOS_EMULATE;
		break;
	case 1:
		def->smbios_sysinfo = TRUE;
		break;
	case 2:
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'os/smbios' with mode 'host': a protected domain is not "
				 "given the host's tables, name what it needs in 'sysinfo'"));
		break;
	default:
		break;
	}
}

void domain_parse_os(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *os = xml_walk_child(walk, root, "os");
	xmlNode *bios = xml_walk_child(walk, os, "bios");

	if (!os) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'os' is missing"));
		return;
	}

	parse_type(walk, os, def);
	parse_firmware(walk, os, def);
	parse_loader(walk, os, def);
	parse_nvram(walk, os, def);
	def->kernel = g_strdup(xml_walk_child_text(walk, os, "kernel"));
	def->initrd = g_strdup(xml_walk_child_text(walk, os, "initrd"));
	def->cmdline = g_strdup(xml_walk_child_text(walk, os, "cmdline"));
	parse_boot_devices(walk, os, def);
	parse_boot_menu(walk, os, def);
	def->bios_useserial = domain_parse_switch(walk, bios, "useserial", "no", "yes");
	parse_smbios(walk, os, def);
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
	for (guint i = 0; i < def->n_boot_devices; i++)
		xml_writer_element_with(writer, "boot", "dev", boot_names[def->boot_devices[i]]);
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

static gboolean check_firmware(const DomainDef *def, GError **error)
{
	const gboolean is_chosen = def->firmware != DOMAIN_FIRMWARE_MANUAL;
	const gboolean has_features = def->firmware_secure_boot != DOMAIN_SWITCH_ABSENT ||
				      def->firmware_enrolled_keys != DOMAIN_SWITCH_ABSENT;

	if (has_features && def->firmware != DOMAIN_FIRMWARE_EFI)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/firmware' needs <os firmware='efi'>"));
	if (def->firmware_enrolled_keys == DOMAIN_SWITCH_YES &&
	    def->firmware_secure_boot == DOMAIN_SWITCH_NO)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/firmware/feature': 'enrolled-keys' cannot be "
				      "enabled while 'secure-boot' is not"));
	if (def->loader_type == DOMAIN_LOADER_PFLASH && def->firmware == DOMAIN_FIRMWARE_BIOS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'os/loader' with type 'pflash': a BIOS, which <os "
				      "firmware='bios'> asks for, is of type 'rom'"));
	if (!def->loader && !is_chosen &&
	    (def->loader_type != DOMAIN_LOADER_NONE ||
	     def->loader_readonly != DOMAIN_SWITCH_ABSENT ||
	     def->loader_secure != DOMAIN_SWITCH_ABSENT ||
	     def->loader_stateless != DOMAIN_SWITCH_ABSENT))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/loader' names no file: name one or let it be "
				      "chosen, with <os firmware='efi'>"));

	return domain_check_path("os/loader", def->loader, error);
}

static gboolean check_nvram(const DomainDef *def, GError **error)
{
	if (!def->nvram && !def->nvram_template)
		return TRUE;

	if (def->loader_type != DOMAIN_LOADER_PFLASH &&
	    (def->loader_type == DOMAIN_LOADER_ROM || def->firmware != DOMAIN_FIRMWARE_EFI))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/nvram' needs <loader type='pflash'> or <os "
				      "firmware='efi'>"));
	return domain_check_path("os/nvram", def->nvram, error) &&
	       domain_check_path("os/nvram/template", def->nvram_template, error);
}

static gboolean check_kernel(const DomainDef *def, GError **error)
{
	if (!def->kernel && (def->initrd || def->cmdline))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/%s' without 'os/kernel'"),
				    def->initrd ? "initrd" : "cmdline");

	return domain_check_path("os/kernel", def->kernel, error) &&
	       domain_check_path("os/initrd", def->initrd, error);
}

gboolean domain_check_os(const DomainDef *def, GError **error)
{
	return check_firmware(def, error) && check_nvram(def, error) && check_kernel(def, error);
}
