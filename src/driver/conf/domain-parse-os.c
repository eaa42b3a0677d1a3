/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse-os.c - <os>: firmware, kernel, and what the firmware is told
 *
 * Which firmware a descriptor of the host's stands for is not known here: with <os firmware=>
 * the model has what the document has, and driver/host completes it. So does it with the file
 * of variables that <nvram> does not name.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parse.h"

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
	static const char *const names[] = {
		[DOMAIN_BOOT_FLOPPY] = "fd",
		[DOMAIN_BOOT_CDROM] = "cdrom",
		[DOMAIN_BOOT_DISK] = "hd",
		[DOMAIN_BOOT_NETWORK] = "network",
		NULL,
	};
	xmlNode *boot = NULL;
	guint given = 0;

	while ((boot = xml_walk_next(walk, os, boot, "boot"))) {
		int device = -1;

		if (!xml_walk_attribute_required(walk, boot, "dev"))
			return;
		device = domain_parse_choice(walk, boot, "dev", names);
		if (device < 0)
			return;
		if (given & (1u << device)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element 'os/boot' with dev '%s' appears more than once"),
				       names[device]);
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
