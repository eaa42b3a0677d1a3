/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-validate.c - what a complete configuration must meet
 *
 * The parser refuses what the model cannot say (another machine, hugepages); what depends on a
 * value, or on two elements together, each part of the model checks.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/error.h"

/* File systems take 255 bytes. The longest name of a domain's files is that of its variables,
 * NAME_VARS.fd, with the ".XXXXXX" that it has while it is written. */
#define NAME_MAX_BYTES 240

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

gboolean domain_def_validate(const DomainDef *def, GError **error)
{
	if (!check_name(def->name, error))
		return FALSE;
	if (def->title && strpbrk(def->title, "\r\n"))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'title' contains a line break"));
	if (!domain_check_memory(def, error))
		return FALSE;
	if (def->vcpus < 1 || def->vcpus > DOMAIN_MAX_VCPUS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'vcpu' is %u: a domain has 1 to %d"), def->vcpus,
				    DOMAIN_MAX_VCPUS);

	return domain_check_cpu(def, error) && domain_check_numa(def, error) &&
	       domain_check_os(def, error) && domain_check_features(def, error) &&
	       domain_check_sysinfo(def, error) && domain_check_devices(def, error) &&
	       domain_check_iothreads(def, error);
}
