/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-xml-fuzz.c - libFuzzer target: any text as a domain's XML
 *
 * What is accepted must print, be accepted again, and print the same; what is refused must
 * come with an error of ours that is valid UTF-8 in one line.
 *
 *     domain-xml-fuzz -dict=domain-xml.dict CORPUS tests/xml/accepted tests/xml/refused
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "driver/conf/domain-def.h"
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

	return 0;
}
