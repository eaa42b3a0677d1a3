/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-validate.c - what a complete configuration must meet
 *
 * The parser refuses what the model cannot say (another machine, hugepages); here is what
 * depends on a value, or on two elements together.
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "common/cpu-topology.h"
#include "driver/conf/domain-private.h"
#include "driver/error.h"

/* File systems take 255 bytes. The longest name of a domain's files is that of its variables,
 * NAME_VARS.fd, with the ".XXXXXX" that it has while it is written. */
#define NAME_MAX_BYTES 240

#define KIB_PER_PAGE   4

/* Of SMBIOS strings: half of what the table's length, 16 bits in its 32-bit entry point, can
 * say, so that the other structures have room. */
#define SYSINFO_MAX_BYTES 32768

static gboolean check_name(const char *name, GError **error)
{
	if (!name)
		return driver_error(error, VIR_ERR_XML_ERROR, _("element 'name' is missing"));
	if (!*name || strspn(name, " \t\r\n") == strlen(name))
		return driver_error(error, VIR_ERR_XML_ERROR, _("element 'name' is empty"));
	if (strlen(name) > NAME_MAX_BYTES)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    ngettext("element 'name' is longer than %d byte",
					     "element 'name' is longer than %d bytes",
					     NAME_MAX_BYTES),
				    NAME_MAX_BYTES);
	if (strchr(name, '/'))
		return driver_error(error, VIR_ERR_XML_ERROR, _("name %s cannot contain '/'"),
				    name);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'name' is '%s', which names a folder"), name);

	for (const char *at = name; *at; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)))
			return driver_error(
				error, VIR_ERR_XML_ERROR,
				_("element 'name' contains the control character U+%04X"),
				g_utf8_get_char(at));

	return TRUE;
}

static gboolean check_memory(const DomainDef *def, GError **error)
{
	if (def->memory_kib < DOMAIN_MIN_MEMORY_KIB || def->memory_kib > DOMAIN_MAX_MEMORY_KIB)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'memory' is %" PRIu64 " KiB: a domain has 1 MiB to 4 TiB"),
			def->memory_kib);
	if (def->memory_kib % KIB_PER_PAGE)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'memory' is %" PRIu64
				      " KiB: not a multiple of the page size, 4 KiB"),
				    def->memory_kib);

	return TRUE;
}

static gboolean check_path(const char *element, const char *path, GError **error)
{
	if (!path || g_path_is_absolute(path))
		return TRUE;
	return driver_error(error, VIR_ERR_XML_ERROR,
			    _("element '%s': '%s' is not an absolute path"), element, path);
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

	return check_path("os/loader", def->loader, error);
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
	return check_path("os/nvram", def->nvram, error) &&
	       check_path("os/nvram/template", def->nvram_template, error);
}

static gboolean check_kernel(const DomainDef *def, GError **error)
{
	if (!def->kernel && (def->initrd || def->cmdline))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'os/%s' without 'os/kernel'"),
				    def->initrd ? "initrd" : "cmdline");

	return check_path("os/kernel", def->kernel, error) &&
	       check_path("os/initrd", def->initrd, error);
}

static gboolean has_control_character(const char *text)
{
	for (const char *at = text; *at; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)))
			return TRUE;
	return FALSE;
}

/* The forms that SMBIOS has for a BIOS's date and release (3.6, section 7.1). */
static gboolean check_bios_entry(const DomainSysinfoEntry *entry, GError **error)
{
	const gboolean is_date = strcmp(entry->name, "date") == 0;

	if (is_date && !g_regex_match_simple("^(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])/"
					     "([0-9]{2}|[0-9]{4})$",
					     entry->value, G_REGEX_DOLLAR_ENDONLY, 0))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'sysinfo/bios/entry' with name 'date' is '%.80s', "
				      "not a date as 'mm/dd/yyyy'"),
				    entry->value);
	if (strcmp(entry->name, "release") == 0 &&
	    !g_regex_match_simple("^(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\."
				  "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$",
				  entry->value, G_REGEX_DOLLAR_ENDONLY, 0))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'sysinfo/bios/entry' with name 'release' is "
				      "'%.80s', not two numbers up to 255 as '4.2'"),
				    entry->value);
	return TRUE;
}

static gboolean check_sysinfo(const DomainDef *def, GError **error)
{
	gsize total = 0;

	if (def->smbios_sysinfo && !def->sysinfo)
		return driver_error(
			error, VIR_ERR_XML_ERROR,
			_("element 'os/smbios' with mode 'sysinfo' needs <sysinfo type='smbios'>"));

	for (guint i = 0; def->sysinfo && i < def->sysinfo->len; i++) {
		const DomainSysinfoEntry *entry = def->sysinfo->pdata[i];

		if (has_control_character(entry->value))
			return driver_error(
				error, VIR_ERR_XML_ERROR,
				_("element 'sysinfo/%s/entry' contains a control character"),
				entry->block);
		if (strcmp(entry->block, "bios") == 0 && !check_bios_entry(entry, error))
			return FALSE;
		total += strlen(entry->value) + 1;
	}
	if (total > SYSINFO_MAX_BYTES)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    ngettext("element 'sysinfo' has %zu byte of text: the guest's "
					     "tables take %d",
					     "element 'sysinfo' has %zu bytes of text: the guest's "
					     "tables take %d",
					     total),
				    total, SYSINFO_MAX_BYTES);
	return TRUE;
}

static gboolean check_topology(const DomainDef *def, GError **error)
{
	const guint64 factors[] = { def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				    def->cpu_threads };
	const CpuTopology topology = { def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				       def->cpu_threads };
	guint64 product = 1;
	guint32 last;

	if (def->cpu_cores == 0)
		return TRUE;

	for (gsize i = 0; i < G_N_ELEMENTS(factors); i++)
		if (!g_uint64_checked_mul(&product, product, factors[i]))
			product = G_MAXUINT64;
	if (product != def->vcpus)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/topology': sockets, dies, cores and threads "
				      "make %u * %u * %u * %u vCPUs, and 'vcpu' is %u"),
				    def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				    def->cpu_threads, def->vcpus);
	last = cpu_topology_apic_id(&topology, def->vcpus - 1);
	if (last > CPU_TOPOLOGY_MAX_APIC_ID)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'cpu/topology': the last vCPU would have APIC id "
			  "%u, and %d is the most; numbers that are powers of two leave "
			  "no id out"),
			last, CPU_TOPOLOGY_MAX_APIC_ID);
	return TRUE;
}

static gboolean check_numa_cpus(const DomainDef *def, GError **error)
{
	CpuSet seen = { 0 };
	guint missing;

	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		if (cpu_set_intersects(&cell->cpus, &seen))
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("element 'cpu/numa/cell' with id '%u' has a vCPU "
					      "that another has, too"),
					    i);
		if (cpu_set_end(&cell->cpus) > def->vcpus) {
			g_autoptr(GString) cpus = g_string_new(NULL);

			cpu_set_append(cpus, &cell->cpus, ',');
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("element 'cpu/numa/cell' with id '%u' has the vCPUs "
					      "'%s', and 'vcpu' is %u"),
					    i, cpus->str, def->vcpus);
		}
		cpu_set_unite(&seen, &cell->cpus);
	}
	missing = cpu_set_first_missing(&seen);
	if (missing < def->vcpus)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/numa': no cell has vCPU %u"), missing);
	return TRUE;
}

static gboolean check_numa(const DomainDef *def, GError **error)
{
	guint64 total = 0;

	if (!def->numa_cells)
		return TRUE;

	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		if (cell->memory_kib == 0 || cell->memory_kib % KIB_PER_PAGE)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("element 'cpu/numa/cell' with id '%u' has %" PRIu64
					      " KiB: a cell has some memory, in pages of 4 KiB"),
					    i, cell->memory_kib);
		if (!g_uint64_checked_add(&total, total, cell->memory_kib))
			total = G_MAXUINT64;
	}
	if (total != def->memory_kib)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/numa': the cells have %" PRIu64
				      " KiB together and 'memory' is %" PRIu64 " KiB"),
				    total, def->memory_kib);
	return check_numa_cpus(def, error);
}

static gboolean check_serial(const DomainSerial *serial, GError **error)
{
	return check_path("devices/serial/source", serial->path, error) &&
	       check_path("devices/serial/log", serial->log_path, error);
}

gboolean domain_def_validate(const DomainDef *def, GError **error)
{
	if (!check_name(def->name, error))
		return FALSE;
	if (def->title && strpbrk(def->title, "\r\n"))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'title' contains a line break"));
	if (!check_memory(def, error))
		return FALSE;
	if (def->vcpus < 1 || def->vcpus > DOMAIN_MAX_VCPUS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'vcpu' is %u: a domain has 1 to %d"), def->vcpus,
				    DOMAIN_MAX_VCPUS);
	if (!check_topology(def, error) || !check_numa(def, error))
		return FALSE;
	if (!check_firmware(def, error) || !check_nvram(def, error) || !check_kernel(def, error) ||
	    !check_sysinfo(def, error) || !check_path("devices/emulator", def->emulator, error))
		return FALSE;

	for (guint i = 0; i < def->n_serials; i++)
		if (!check_serial(&def->serials[i], error))
			return FALSE;

	return !def->debug_console || check_serial(def->debug_console, error);
}
