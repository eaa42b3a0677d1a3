/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * language-test.c - what a program takes from its environment's language, and what not
 *
 * The language is made for the test, so that it is there on each machine that knows what German
 * is (Debian: package locales). It separates decimals by a comma.
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "common/words.h"
#include "config.h"
#include "driver/vmm/vmm-process.h"
#include "support.h"

#define LANGUAGE "de_DE"
#define LOCALE	 LANGUAGE ".UTF-8"

/* Return: whether there is such a language in the folder now. */
static gboolean make_locale(const char *folder)
{
	g_autofree char *locale = g_build_filename(folder, LOCALE, NULL);
	const char *const argv[] = { "localedef", "-i", LANGUAGE, "-f", "UTF-8", locale, NULL };
	int status = -1;

	return g_spawn_sync(NULL, (char **)argv, NULL,
			    G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
				    G_SPAWN_STDERR_TO_DEV_NULL,
			    NULL, NULL, NULL, NULL, &status, NULL) &&
	       g_spawn_check_wait_status(status, NULL);
}

static gboolean has_locale(void)
{
	if (g_getenv("LOCPATH"))
		return TRUE;
	g_test_skip("this machine cannot make a German locale");
	return FALSE;
}

static void test_messages(void)
{
	if (!has_locale())
		return;
	words_init();
	g_assert_cmpstr(_("Print the version"), ==, "Die Version ausgeben");
	g_assert_cmpstr(ngettext("%u call has not begun", "%u calls have not begun", 1), ==,
			"%u Aufruf hat nicht begonnen");
	g_assert_cmpstr(ngettext("%u call has not begun", "%u calls have not begun", 2), ==,
			"%u Aufrufe haben nicht begonnen");
	/* A format of <inttypes.h> is what it is on this machine. */
	g_assert_cmpstr(_("clock adjustment %" PRId64 " is out of range"), ==,
			"die Verstellung %" PRId64 " der Uhr liegt außerhalb des Bereichs");
	g_assert_cmpstr(_("in no catalogue"), ==, "in no catalogue");
}

/* They go into XML and JSON. */
static void test_numbers(void)
{
	g_autofree char *text = NULL;

	if (!has_locale())
		return;
	words_init();
	text = g_strdup_printf("%.1f", 1.5);
	g_assert_cmpstr(text, ==, "1.5");
	/* So that the language would make a difference. */
	g_assert_nonnull(setlocale(LC_NUMERIC, ""));
	g_assert_cmpstr(localeconv()->decimal_point, ==, ",");
	(void)setlocale(LC_NUMERIC, "C");
}

static void test_utf8_in_each_encoding(void)
{
	if (!has_locale())
		return;
	words_init();
	(void)setlocale(LC_CTYPE, "C");
	g_assert_cmpstr(_("Print the version"), ==, "Die Version ausgeben");
	g_assert_cmpstr(_("SECONDS"), ==, "SEKUNDEN");
	g_assert_cmpstr(_("element '%s' is empty"), ==, "Element »%s« ist leer");
}

/* A VMM speaks its daemon's language. */
static void test_children(void)
{
	static const char *const argv[] = { "/usr/bin/env", NULL };
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	g_autoptr(VmmProcess) process = NULL;
	g_autoptr(GError) error = NULL;
	JailProgram program = { .argv = argv };
	Jail jail;

	jail_init(&jail, geteuid(), getegid(), SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
	program.output = g_file_open_tmp("language-test-XXXXXX", &path, &error);
	g_assert_no_error(error);
	g_setenv("LC_MESSAGES", LOCALE, TRUE);
	process = vmm_process_spawn(&jail, &program, &error);
	g_assert_no_error(error);
	g_assert_true(vmm_process_wait(process, 60));
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "LC_MESSAGES=" LOCALE "\n"));
	g_unsetenv("LC_MESSAGES");
	close(program.output);
	g_unlink(path);
}

int main(int argc, char **argv)
{
	g_autofree char *folder = g_dir_make_tmp("language-test-XXXXXX", NULL);
	int status;

	g_test_init(&argc, &argv, NULL);
	g_assert_nonnull(folder);
	g_unsetenv("LANGUAGE");
	g_setenv("LC_ALL", LOCALE, TRUE);
	if (make_locale(folder))
		g_setenv("LOCPATH", folder, TRUE);
	else
		g_unsetenv("LOCPATH");

	g_test_add_func("/language/messages", test_messages);
	g_test_add_func("/language/numbers", test_numbers);
	g_test_add_func("/language/utf8-in-each-encoding", test_utf8_in_each_encoding);
	g_test_add_func("/language/children", test_children);

	status = g_test_run();
	remove_tree(folder);
	return status;
}
