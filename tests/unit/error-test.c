/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error-test.c - errors of libvirt's kind, and UUIDs
 */
#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "driver/conf/uuid.h"
#include "driver/error.h"

static void test_words_of_libvirt(void)
{
	static const struct {
		virErrorNumber code;
		const char *message;
	} cases[] = {
		{ VIR_ERR_CONFIG_UNSUPPORTED, "unsupported configuration: x" },
		{ VIR_ERR_XML_ERROR, "XML error: x" },
		{ VIR_ERR_NO_DOMAIN, "Domain not found: x" },
		{ VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: x" },
		{ VIR_ERR_DOM_EXIST, "domain x exists already" },
		{ VIR_ERR_NO_SUPPORT,
		  "this function is not supported by the connection driver: x" },
		{ VIR_ERR_SYSTEM_ERROR, "x" },
		{ VIR_ERR_RPC, "x" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(driver_error(&error, cases[i].code, "%s", "x"));
		g_assert_error(error, DRIVER_ERROR, (int)cases[i].code);
		g_assert_cmpstr(error->message, ==, cases[i].message);
	}
}

static void test_nobody_wants_to_know(void)
{
	g_assert_false(driver_error(NULL, VIR_ERR_XML_ERROR, "x"));
}

static void test_message_is_utf8(void)
{
	g_autoptr(GError) error = NULL;

	driver_error(&error, VIR_ERR_XML_ERROR, "a\xff%s", "b");
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void test_cause_of_another_domain(void)
{
	g_autoptr(GError) cause = g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no file");
	g_autoptr(GError) error = NULL;

	driver_error_from(&error, VIR_ERR_OPERATION_FAILED, cause, "starting %s: %s", "guest",
			  driver_error_detail(cause));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_cmpstr(error->message, ==, "operation failed: starting guest: no file");
	g_clear_error(&error);

	driver_error_from(&error, VIR_ERR_OPERATION_FAILED, cause, NULL);
	g_assert_cmpstr(error->message, ==, "operation failed: no file");
}

static void test_cause_of_ours_keeps_its_code(void)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) exists = NULL;

	driver_error(&cause, VIR_ERR_XML_ERROR, "element 'name' is empty");
	driver_error_from(&error, VIR_ERR_OPERATION_FAILED, cause, "reading %s: %s", "f",
			  driver_error_detail(cause));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_XML_ERROR);
	g_assert_cmpstr(error->message, ==, "XML error: reading f: element 'name' is empty");

	g_clear_error(&cause);
	driver_error(&cause, VIR_ERR_DOM_EXIST, "'a'");
	driver_error_from(&exists, VIR_ERR_OPERATION_FAILED, cause, NULL);
	g_assert_cmpstr(exists->message, ==, "domain 'a' exists already");
}

static void test_detail_is_copied_with_the_error(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) copy = NULL;

	driver_error(&error, VIR_ERR_XML_ERROR, "element 'name' is empty");
	g_assert_cmpint(driver_error_origin(error), ==, VIR_FROM_DOMAIN);
	driver_error_set_origin(&error, VIR_FROM_STORAGE);
	copy = g_error_copy(error);
	g_assert_cmpint(driver_error_origin(copy), ==, VIR_FROM_STORAGE);
	g_assert_cmpstr(copy->message, ==, "XML error: element 'name' is empty");
	g_assert_cmpstr(driver_error_detail(copy), ==, "element 'name' is empty");
}

static void test_uuid_text(void)
{
	static const char canonical[] = "6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01";
	static const char *const accepted[] = {
		"6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01",
		"6A0F3C52-3C6D-4C1B-9A54-1D1D3B1F0C01",
		"6a0f3c523c6d4c1b9a541d1d3b1f0c01",
		"  6a0f3c52 3c6d 4c1b 9a54 1d1d3b1f0c01\n",
	};
	static const char *const refused[] = {
		"",
		"6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c0",
		"6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c011",
		"6-a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01",
		"6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c0x",
		"{6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01}",
	};
	guint8 uuid[VIR_UUID_BUFLEN];
	char text[VIR_UUID_STRING_BUFLEN];

	for (gsize i = 0; i < G_N_ELEMENTS(accepted); i++) {
		g_assert_true(uuid_parse(accepted[i], uuid));
		uuid_format(uuid, text);
		g_assert_cmpstr(text, ==, canonical);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++)
		g_assert_false(uuid_parse(refused[i], uuid));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/error/words-of-libvirt", test_words_of_libvirt);
	g_test_add_func("/error/nobody-wants-to-know", test_nobody_wants_to_know);
	g_test_add_func("/error/message-is-utf8", test_message_is_utf8);
	g_test_add_func("/error/cause-of-another-domain", test_cause_of_another_domain);
	g_test_add_func("/error/cause-of-ours-keeps-its-code", test_cause_of_ours_keeps_its_code);
	g_test_add_func("/error/detail-is-copied-with-the-error",
			test_detail_is_copied_with_the_error);
	g_test_add_func("/uuid/text", test_uuid_text);

	return g_test_run();
}
