/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keys-test.c - the keys of a keyboard, in each set of numbers */
#include <linux/input-event-codes.h>

#include "common/keys.h"

static const KeySet sets[] = {
	KEY_SET_LINUX, KEY_SET_QEMU, KEY_SET_SCAN_CODE_1, KEY_SET_XT_KBD, KEY_SET_USB,
};

static void assert_key(KeySet set, guint code, guint linux_code)
{
	const Key *key = key_find(set, code);

	g_assert_nonnull(key);
	g_assert_cmpuint(key->linux_code, ==, linux_code);
}

static void test_sets(void)
{
	assert_key(KEY_SET_LINUX, KEY_A, KEY_A);
	assert_key(KEY_SET_QEMU, 0x1e, KEY_A);
	assert_key(KEY_SET_SCAN_CODE_1, 0x1e, KEY_A);
	assert_key(KEY_SET_XT_KBD, 0x1e, KEY_A);
	assert_key(KEY_SET_USB, 4, KEY_A);

	assert_key(KEY_SET_QEMU, 0x9d, KEY_RIGHTCTRL);
	assert_key(KEY_SET_SCAN_CODE_1, 0xe01d, KEY_RIGHTCTRL);
	assert_key(KEY_SET_XT_KBD, 0x11d, KEY_RIGHTCTRL);
	assert_key(KEY_SET_USB, 228, KEY_RIGHTCTRL);

	assert_key(KEY_SET_QEMU, 0x54, KEY_SYSRQ);
	assert_key(KEY_SET_QEMU, 0xd3, KEY_DELETE);
	g_assert_cmpuint(key_find_name("ctrl_r")->linux_code, ==, KEY_RIGHTCTRL);
	g_assert_cmpuint(key_find_name("ret")->linux_code, ==, KEY_ENTER);
}

static void test_what_is_no_key(void)
{
	static const guint codes[] = { 0, 0xff, 0x100, 0xe000, 0xffff, G_MAXUINT };

	for (gsize i = 0; i < G_N_ELEMENTS(sets); i++)
		for (gsize j = 0; j < G_N_ELEMENTS(codes); j++)
			g_assert_null(key_find(sets[i], codes[j]));
	g_assert_null(key_find_name(""));
	g_assert_null(key_find_name("KEY_A"));
}

/* A number is one key's; a name is one row's; those on the first page of scan codes are Linux'. */
static void test_table(void)
{
	const Key *key;

	for (guint i = 0; (key = key_nth(i)); i++) {
		g_assert_true(key_find_name(key->name) == key);
		g_assert_cmpuint(key_find(KEY_SET_LINUX, key->linux_code)->qemu, ==, key->qemu);
		assert_key(KEY_SET_QEMU, key->qemu, key->linux_code);
		if (key->usage)
			assert_key(KEY_SET_USB, key->usage, key->linux_code);
		if (key->linux_code <= KEY_KPDOT)
			g_assert_cmpuint(key->qemu, ==, key->linux_code);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/keys/sets", test_sets);
	g_test_add_func("/keys/what-is-no-key", test_what_is_no_key);
	g_test_add_func("/keys/table", test_table);
	return g_test_run();
}
