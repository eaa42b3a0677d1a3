/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * schema-test.c - validation without a schema that can be used, and then with one
 *
 * A schema that was read is kept for the life of the process, so that this is one test, in a
 * program of its own.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/error.h"

static const char xml[] = "<domain type='kvm'><name>guest</name><memory unit='MiB'>512</memory>"
			  "<os><type>hvm</type><kernel>/boot/vmlinuz</kernel></os>"
			  "<launchSecurity type='sw-protected'/></domain>";

static void assert_cannot_validate(const char *mentions)
{
	g_autoptr(GError) error = NULL;
	DomainDef *def = domain_def_parse(xml, DOMAIN_PARSE_VALIDATE, &error);

	g_assert_null(def);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	g_assert_nonnull(strstr(error->message, mentions));
}

static void test_schema_comes_late(void)
{
	g_autofree char *good = g_strdup(g_getenv("LIBVIRT_GMEM_SCHEMADIR"));
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = g_dir_make_tmp("schema-test-XXXXXX", &error);
	g_autofree char *broken = g_build_filename(folder, "domain.rng", NULL);
	g_autoptr(DomainDef) def = NULL;

	g_assert_no_error(error);
	g_assert_nonnull(good);

	/* No such file. */
	g_setenv("LIBVIRT_GMEM_SCHEMADIR", folder, TRUE);
	assert_cannot_validate(broken);

	/* Not XML; and a grammar that includes one which is not there. */
	g_assert_true(g_file_set_contents(broken, "hello", -1, NULL));
	assert_cannot_validate(broken);
	g_assert_true(g_file_set_contents(broken,
					  "<grammar xmlns='http://relaxng.org/ns/structure/1.0'>"
					  "<include href='nothing.rng'/></grammar>",
					  -1, NULL));
	assert_cannot_validate(broken);
	g_remove(broken);
	g_rmdir(folder);

	/* Without --validate none is needed. */
	def = domain_def_parse(xml, 0, &error);
	g_assert_no_error(error);
	g_clear_pointer(&def, domain_def_free);

	if (!g_file_test(LIBVIRT_SCHEMADIR "/domaincommon.rng", G_FILE_TEST_EXISTS)) {
		g_test_skip("no " LIBVIRT_SCHEMADIR "/domaincommon.rng");
		return;
	}
	g_setenv("LIBVIRT_GMEM_SCHEMADIR", good, TRUE);
	def = domain_def_parse(xml, DOMAIN_PARSE_VALIDATE, &error);
	g_assert_no_error(error);
	g_assert_nonnull(def);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/schema/comes-late", test_schema_comes_late);
	return g_test_run();
}
