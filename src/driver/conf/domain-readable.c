/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-readable.c - whether what is written and shown of a domain can be read again */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-private.h"
#include "driver/error.h"

static gsize length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

/* Of devices that a document has any number of: the board's are few. */
static guint count_aliases(const DomainDef *def)
{
	g_auto(DomainDeviceList) list = { 0 };
	guint n = 0;

	domain_device_list_init(&list, def);
	for (guint i = 0; i < list.count; i++)
		n += !(list.entries[i].info->is_off_pci &&
		       strcmp(list.entries[i].kind, "watchdog") == 0);
	return n;
}

static gboolean check_length(const DomainDef *def, GError **error)
{
	const DomainFormatFlags flags = DOMAIN_FORMAT_STATUS | DOMAIN_FORMAT_SECURE;
	g_autofree char *live = domain_def_format(def, flags);
	const gsize length = strlen(live);
	const guint ports = def->consoles->len + def->channels->len;
	const guint most = DOMAIN_XML_MAX_PRINTED - count_aliases(def) * DOMAIN_XML_ALIAS_BYTES -
			   ports * DOMAIN_XML_PORT_BYTES;

	return length <= most ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    ngettext("domain '%s' has %zu byte of XML where special characters are "
				     "escaped, and %u are the most that can be shown: its title, "
				     "description or metadata has to be shorter",
				     "domain '%s' has %zu bytes of XML where special characters "
				     "are escaped, and %u are the most that can be shown: its "
				     "title, description or metadata has to be shorter",
				     length),
			    def->name, length, most);
}

static gboolean check_reading(const DomainDef *def, GError **error)
{
	const DomainFormatFlags flags = DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE;
	g_autofree char *written = domain_def_format(def, flags);
	g_autoptr(GError) cause = NULL;
	g_autoptr(DomainDef)
		again = domain_def_parse_in_turn(written, DOMAIN_PARSE_INACTIVE, &cause);
	g_autofree char *written_again = again ? domain_def_format(again, flags) : NULL;

	if (written_again && strcmp(written, written_again) == 0)
		return TRUE;
	if (cause)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("domain '%s' could not be read again as it would be written: %s"),
			def->name, cause->message);
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("domain '%s' could not be read again as it would be written: it "
			      "would be another"),
			    def->name);
}

gboolean domain_def_check_readable(const DomainDef *def, GError **error)
{
	const gsize bytes = length_of(def->title) + length_of(def->description) +
			    length_of(def->metadata);
	g_auto(DomainTurn) turn = { 0 };

	return domain_turn_take(&turn, bytes, FALSE, error) && check_length(def, error) &&
	       check_reading(def, error);
}
