/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-validate.c - what a complete configuration must meet
 *
 * The parser refuses what the model cannot say (another machine, hugepages); here is what
 * depends on a value, or on two elements together.
 */
#include <string.h>

#include "driver/conf/domain-private.h"
#include "driver/error.h"

/* A domain's files are NAME.xml and NAME.log, written through a temporary name beside them;
 * file systems take 255 bytes. */
#define NAME_MAX_BYTES 240

#define KIB_PER_PAGE   4

static gboolean check_name(const char *name, GError **error)
{
	if (!name)
		return driver_error(error, VIR_ERR_XML_ERROR, "element 'name' is missing");
	if (!*name || strspn(name, " \t\r\n") == strlen(name))
		return driver_error(error, VIR_ERR_XML_ERROR, "element 'name' is empty");
	if (strlen(name) > NAME_MAX_BYTES)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    "element 'name' is longer than %d bytes", NAME_MAX_BYTES);
	if (strchr(name, '/'))
		return driver_error(error, VIR_ERR_XML_ERROR, "name %s cannot contain '/'", name);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    "element 'name' is '%s', which names a folder", name);

	for (const char *at = name; *at; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)))
			return driver_error(error, VIR_ERR_XML_ERROR,
					    "element 'name' contains the control character U+%04X",
					    g_utf8_get_char(at));

	return TRUE;
}

static gboolean check_memory(const DomainDef *def, GError **error)
{
	if (def->memory_kib < DOMAIN_MIN_MEMORY_KIB || def->memory_kib > DOMAIN_MAX_MEMORY_KIB)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'memory' is %" G_GUINT64_FORMAT
				    " KiB: a domain has 1 MiB to 64 GiB",
				    def->memory_kib);
	if (def->memory_kib % KIB_PER_PAGE)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'memory' is %" G_GUINT64_FORMAT
				    " KiB: not a multiple of the page size, 4 KiB",
				    def->memory_kib);
	if (def->current_memory_kib != def->memory_kib)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'currentMemory' is %" G_GUINT64_FORMAT
				    " KiB and 'memory' %" G_GUINT64_FORMAT
				    " KiB: they must be equal, there is no balloon",
				    def->current_memory_kib, def->memory_kib);

	return TRUE;
}

static gboolean check_protection(const DomainDef *def, GError **error)
{
	if (def->sw_protected)
		return TRUE;

	if (def->memory_private)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'memoryBacking/private' needs "
				    "<launchSecurity type='sw-protected'/>");

	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    "element 'launchSecurity' is missing: this driver runs protected "
			    "domains only, add <launchSecurity type='sw-protected'/>");
}

static gboolean check_path(const char *element, const char *path, GError **error)
{
	if (!path || g_path_is_absolute(path))
		return TRUE;
	return driver_error(error, VIR_ERR_XML_ERROR, "element '%s': '%s' is not an absolute path",
			    element, path);
}

static gboolean check_boot(const DomainDef *def, GError **error)
{
	if (!def->kernel) {
		if (def->initrd || def->cmdline)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    "element 'os/%s' without 'os/kernel'",
					    def->initrd ? "initrd" : "cmdline");
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'os/kernel' is missing: domains boot a kernel "
				    "directly, firmware is not supported yet");
	}

	return check_path("os/kernel", def->kernel, error) &&
	       check_path("os/initrd", def->initrd, error);
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
				    "element 'title' contains a line break");
	if (!check_protection(def, error) || !check_memory(def, error))
		return FALSE;
	if (def->vcpus < 1 || def->vcpus > DOMAIN_MAX_VCPUS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'vcpu' is %u: a domain has 1 to %d", def->vcpus,
				    DOMAIN_MAX_VCPUS);
	if (def->cpu_cores > 0 && def->cpu_cores != def->vcpus)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'cpu/topology' has %u cores and 'vcpu' is %u: the "
				    "machine has one socket with a core for each vCPU",
				    def->cpu_cores, def->vcpus);
	if (!check_boot(def, error) || !check_path("devices/emulator", def->emulator, error))
		return FALSE;

	for (guint i = 0; i < def->n_serials; i++)
		if (!check_serial(&def->serials[i], error))
			return FALSE;

	return TRUE;
}
