/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-xml-fuzz.c - libFuzzer target: any text as a domain's XML, or as a device's
 *
 * What is accepted must print, be accepted again, and print the same; what is refused must
 * come with an error of ours that is valid UTF-8 in one line. What is counted in a text before
 * libxml2 sees it is no less than what libxml2 then finds in it, well formed or not. A device that
 * is read and attached to a domain makes another domain, or an error.
 *
 *     domain-xml-fuzz -dict=domain-xml.dict CORPUS tests/xml/accepted tests/xml/refused
 */
#include <glib.h>
#include <libxml/parser.h>
#include <stdint.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/domain-device.h"
#include "driver/conf/xml-limits.h"
#include "driver/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const GError *error)
{
	g_assert_nonnull(error);
	g_assert_true(error->domain == DRIVER_ERROR);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void check_round_trip(const DomainDef *def, DomainParseFlags parse_flags,
			     DomainFormatFlags format_flags)
{
	g_autofree char *printed = domain_def_format(def, format_flags);
	g_autoptr(GError) error = NULL;
	g_autoptr(DomainDef) again = domain_def_parse(printed, parse_flags, &error);
	g_autoptr(DomainDef) copy = NULL;
	g_autofree char *printed_again = NULL;
	g_autofree char *printed_copy = NULL;

	if (!again)
		g_error("refused what was printed: %s\n%s", error->message, printed);
	printed_again = domain_def_format(again, format_flags);
	g_assert_cmpstr(printed, ==, printed_again);

	copy = domain_def_copy(again);
	printed_copy = domain_def_format(copy, format_flags);
	g_assert_cmpstr(printed, ==, printed_copy);
}

static void count_element(void *context, const xmlChar *name G_GNUC_UNUSED,
			  const xmlChar *prefix G_GNUC_UNUSED, const xmlChar *uri G_GNUC_UNUSED,
			  int n_namespaces, const xmlChar **namespaces G_GNUC_UNUSED,
			  int n_attributes, int n_defaulted G_GNUC_UNUSED,
			  const xmlChar **attributes G_GNUC_UNUSED)
{
	const xmlParserCtxt *parser = context;
	XmlCounts *counts = parser->_private;
	const guint all = (guint)(n_namespaces + n_attributes);

	counts->nodes++;
	counts->attributes += all;
	counts->namespaces += (guint)n_namespaces;
	counts->most_attributes = MAX(counts->most_attributes, all);
}

/* What libxml2 finds when it goes on after errors, as it does where it reports no more of it. */
static void check_counts(const char *xml)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
			    XML_PARSE_IGNORE_ENC | XML_PARSE_RECOVER;
	XmlCounts counted, found = { 0 };
	xmlParserCtxt *parser = NULL;

	/* What a document type declares is refused unseen. */
	if (!g_utf8_validate(xml, -1, NULL) || strstr(xml, "<!DOCTYPE"))
		return;

	xml_limits_count(xml, &counted);
	parser = xmlNewParserCtxt();
	memset(parser->sax, 0, sizeof(*parser->sax));
	parser->sax->initialized = XML_SAX2_MAGIC;
	parser->sax->startElementNs = count_element;
	parser->_private = &found;
	xmlFreeDoc(xmlCtxtReadMemory(parser, xml, (int)strlen(xml), NULL, "UTF-8", options));
	xmlFreeParserCtxt(parser);

	g_assert_cmpuint(found.nodes, <=, counted.nodes);
	g_assert_cmpuint(found.attributes, <=, counted.attributes);
	g_assert_cmpuint(found.namespaces, <=, counted.namespaces);
	g_assert_cmpuint(found.most_attributes, <=, counted.most_attributes);
}

static DomainDef *plain_domain(void)
{
	return domain_def_parse("<domain type='kvm'><name>plain</name><memory>65536</memory>"
				"<memoryBacking><private/></memoryBacking>"
				"<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>",
				DOMAIN_PARSE_INACTIVE, NULL);
}

/* Whether a definition may have no use for one, or for its change, that is said well. */
static gboolean may_be_refused(DomainDeviceKind kind)
{
	switch (kind) {
	case DOMAIN_DEVICE_WATCHDOG:
	case DOMAIN_DEVICE_MEMBALLOON:
	case DOMAIN_DEVICE_SERIAL:
	case DOMAIN_DEVICE_PANIC:
	case DOMAIN_DEVICE_CONTROLLER:
		return TRUE;
	default:
		return FALSE;
	}
}

/* One that is done, or is refused as it may be. */
static gboolean check_change(gboolean (*change)(DomainDef *def, const DomainDevice *device,
						GError **error),
			     DomainDef *def, const DomainDevice *device)
{
	g_autoptr(GError) error = NULL;

	if (change(def, device, &error))
		return TRUE;
	g_assert_true(may_be_refused(device->kind));
	check_error(error);
	return FALSE;
}

static void check_device(const char *xml)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DomainDevice) device = domain_device_parse(xml, DOMAIN_PARSE_INACTIVE, &error);
	g_autoptr(DomainDef) def = NULL;
	g_autoptr(DomainDef) complete = NULL;

	if (!device) {
		check_error(error);
		return;
	}
	def = plain_domain();
	if (!check_change(domain_def_attach, def, device))
		return;
	complete = domain_def_complete_change(def, &error);
	if (!complete) {
		check_error(error);
		return;
	}
	check_round_trip(complete, DOMAIN_PARSE_INACTIVE, DOMAIN_FORMAT_INACTIVE);
	/* Ports cannot be updated at all. */
	if (device->kind != DOMAIN_DEVICE_CHANNEL && device->kind != DOMAIN_DEVICE_CONSOLE)
		(void)check_change(domain_def_update, complete, device);
	(void)check_change(domain_def_detach, complete, device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *xml = g_strndup((const char *)data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) live_error = NULL;
	g_autoptr(DomainDef) def = domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, &error);
	g_autoptr(DomainDef) live = domain_def_parse(xml, 0, &live_error);

	if (def)
		check_round_trip(def, DOMAIN_PARSE_INACTIVE, DOMAIN_FORMAT_INACTIVE);
	else
		check_error(error);

	if (live)
		check_round_trip(live, 0, DOMAIN_FORMAT_STATUS);
	else
		check_error(live_error);

	check_counts(xml);
	check_device(xml);
	return 0;
}
