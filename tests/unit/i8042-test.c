/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i8042-test.c - keyboard controller, keyboard and mouse as drivers meet them
 *
 * The sequences are those with which Linux, SeaBIOS and OVMF find and set up the three.
 */
#include "device-bench.h"
#include "vmm/chipset/i8042.h"

#define DATA	I8042_DATA_PORT
#define COMMAND I8042_COMMAND_PORT
#define CONTROL I8042_SYSTEM_CONTROL_PORT

/* Status */
enum { OBF = 0x01, IBF = 0x02, SYS = 0x04, CMD = 0x08, UNLOCKED = 0x10, AUX = 0x20 };

/* Command byte */
enum { KBD_INT = 0x01, AUX_INT = 0x02, KBD_OFF = 0x10, AUX_OFF = 0x20, XLATE = 0x40 };

typedef struct {
	Bench bench; /* its line is the keyboard's */
	Bench mouse; /* only its line is used */
	I8042 *i8042;
	guint n_resets;
} Fixture;

static void on_reset(void *opaque)
{
	((Fixture *)opaque)->n_resets++;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	InterruptLine keyboard, mouse;

	bench_start(&fixture->bench);
	bench_start(&fixture->mouse);
	keyboard = bench_line(&fixture->bench, I8042_KEYBOARD_IRQ);
	mouse = bench_line(&fixture->mouse, I8042_MOUSE_IRQ);
	fixture->i8042 = i8042_new(&keyboard, &mouse, on_reset, fixture);
	bus_add(fixture->bench.bus, DATA, 1, "data", &i8042_data_operations, fixture->i8042);
	bus_add(fixture->bench.bus, COMMAND, 1, "command", &i8042_command_operations,
		fixture->i8042);
	bus_add(fixture->bench.bus, CONTROL, 1, "control", &i8042_system_control_operations,
		fixture->i8042);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	i8042_free(fixture->i8042);
	bench_end(&fixture->bench);
	bench_end(&fixture->mouse);
}

static void command(Fixture *fixture, guint8 value)
{
	bench_out(&fixture->bench, COMMAND, value);
}

static void write_data(Fixture *fixture, guint8 value)
{
	bench_out(&fixture->bench, DATA, value);
}

static guint8 status(Fixture *fixture)
{
	return bench_in(&fixture->bench, COMMAND);
}

/* Takes one byte, which has to be there and of the keyboard's side or the mouse's. */
static guint8 take(Fixture *fixture, guint8 side)
{
	g_assert_cmphex(status(fixture) & (OBF | IBF | AUX), ==, OBF | side);
	return bench_in(&fixture->bench, DATA);
}

static void expect(Fixture *fixture, guint8 side, const char *bytes, gsize size)
{
	for (gsize i = 0; i < size; i++)
		g_assert_cmphex(take(fixture, side), ==, (guint8)bytes[i]);
	g_assert_cmphex(status(fixture) & OBF, ==, 0);
}

static void set_mode(Fixture *fixture, guint8 mode)
{
	command(fixture, 0x60);
	write_data(fixture, mode);
}

static guint8 get_mode(Fixture *fixture)
{
	command(fixture, 0x20);
	return take(fixture, 0);
}

static void keyboard(Fixture *fixture, guint8 value, const char *answer, gsize size)
{
	write_data(fixture, value);
	expect(fixture, 0, answer, size);
}

static void mouse(Fixture *fixture, guint8 value, const char *answer, gsize size)
{
	command(fixture, 0xd4);
	write_data(fixture, value);
	expect(fixture, AUX, answer, size);
}

#define KEYBOARD(value, answer) keyboard(fixture, value, answer, sizeof(answer) - 1)
#define MOUSE(value, answer)	mouse(fixture, value, answer, sizeof(answer) - 1)

/* The controller */

static void test_power_on(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(status(fixture), ==, UNLOCKED | CMD);
	g_assert_cmphex(get_mode(fixture), ==, KBD_INT | AUX_INT);
	g_assert_cmphex(bench_in(&fixture->bench, CONTROL), ==, 0x02);
}

static void test_self_test(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	command(fixture, 0xaa);
	g_assert_cmphex(take(fixture, 0), ==, 0x55);
	g_assert_cmphex(status(fixture) & SYS, ==, SYS);
	command(fixture, 0xab);
	g_assert_cmphex(take(fixture, 0), ==, 0);
	command(fixture, 0xa9);
	g_assert_cmphex(take(fixture, 0), ==, 0);
	command(fixture, 0xc0);
	g_assert_cmphex(take(fixture, 0), ==, 0x80);
	/* Reading what is not there gives what was. */
	g_assert_cmphex(bench_in(&fixture->bench, DATA), ==, 0x80);
}

static void test_command_byte(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_mode(fixture, 0xff);
	g_assert_cmphex(get_mode(fixture), ==, 0x77);
	g_assert_cmphex(status(fixture) & (SYS | CMD), ==, SYS | CMD);
	set_mode(fixture, 0);
	g_assert_cmphex(status(fixture) & (SYS | CMD), ==, 0);
	command(fixture, 0xa7);
	command(fixture, 0xad);
	g_assert_cmphex(get_mode(fixture), ==, KBD_OFF | AUX_OFF);
	command(fixture, 0xa8);
	command(fixture, 0xae);
	g_assert_cmphex(get_mode(fixture), ==, 0);
	/* A command takes the place of one that waits for its parameter. */
	command(fixture, 0x60);
	command(fixture, 0xa7);
	write_data(fixture, 0xee);
	expect(fixture, 0, "\xee", 1);
	g_assert_cmphex(get_mode(fixture), ==, AUX_OFF);
}

/* As Linux finds the mouse's side, and finds that it is no multiplexer. */
static void test_loops(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 values[] = { 0x5a, 0xf0, 0x56, 0xa4 };

	set_mode(fixture, KBD_OFF | AUX_OFF);
	for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
		command(fixture, 0xd3);
		write_data(fixture, values[i]);
		g_assert_cmphex(take(fixture, AUX), ==, values[i]);
	}
	command(fixture, 0xd2);
	write_data(fixture, 0x1c);
	g_assert_cmphex(take(fixture, 0), ==, 0x1c);
}

static void test_reset_commands(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint value = 0xf0; value <= 0xff; value++) {
		fixture->n_resets = 0;
		command(fixture, value);
		g_assert_cmpuint(fixture->n_resets, ==, value % 2 == 0);
	}
	fixture->n_resets = 0;
	command(fixture, 0xd1);
	write_data(fixture, 0x03);
	g_assert_cmpuint(fixture->n_resets, ==, 0);
	command(fixture, 0xd1);
	write_data(fixture, 0x02);
	g_assert_cmpuint(fixture->n_resets, ==, 1);
}

static void test_system_control(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bench_out(&fixture->bench, CONTROL, 0xfe);
	g_assert_cmphex(bench_in(&fixture->bench, CONTROL), ==, 0x02);
	g_assert_cmpuint(fixture->n_resets, ==, 0);
	bench_out(&fixture->bench, CONTROL, 0x01);
	bench_out(&fixture->bench, CONTROL, 0x01);
	g_assert_cmpuint(fixture->n_resets, ==, 1);
	bench_out(&fixture->bench, CONTROL, 0x00);
	bench_out(&fixture->bench, CONTROL, 0x03);
	g_assert_cmpuint(fixture->n_resets, ==, 2);
}

/* One line, two places to see and change it. */
static void test_a20(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	command(fixture, 0xdd);
	g_assert_cmphex(bench_in(&fixture->bench, CONTROL), ==, 0);
	command(fixture, 0xd0);
	g_assert_cmphex(take(fixture, 0), ==, 0x01);
	bench_out(&fixture->bench, CONTROL, 0x02);
	command(fixture, 0xd0);
	g_assert_cmphex(take(fixture, 0), ==, 0x03);
	command(fixture, 0xd1);
	write_data(fixture, 0x01);
	g_assert_cmphex(bench_in(&fixture->bench, CONTROL), ==, 0);
	command(fixture, 0xdf);
	g_assert_cmphex(bench_in(&fixture->bench, CONTROL), ==, 0x02);
}

static void test_interrupts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	/* Each byte is an edge. */
	write_data(fixture, 0xff);
	g_assert_true(fixture->bench.level);
	g_assert_cmphex(take(fixture, 0), ==, 0xfa);
	g_assert_true(fixture->bench.level);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 2);
	g_assert_cmphex(take(fixture, 0), ==, 0xaa);
	g_assert_false(fixture->bench.level);
	g_assert_false(fixture->mouse.level);

	command(fixture, 0xd4);
	write_data(fixture, 0xf4);
	g_assert_true(fixture->mouse.level);
	g_assert_false(fixture->bench.level);
	command(fixture, 0xd0); /* waits until the mouse's byte is taken */
	g_assert_cmphex(take(fixture, AUX), ==, 0xfa);
	g_assert_false(fixture->mouse.level);
	g_assert_true(fixture->bench.level);
	set_mode(fixture, 0);
	g_assert_false(fixture->bench.level);
	set_mode(fixture, KBD_INT);
	g_assert_true(fixture->bench.level);
	/* A keyboard that is disabled interrupts nobody, as on QEMU. */
	set_mode(fixture, KBD_INT | KBD_OFF);
	g_assert_false(fixture->bench.level);
	take(fixture, 0);
}

static void test_disabled_devices_wait(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	write_data(fixture, 0xf2);
	command(fixture, 0xad);
	/* What is in the output buffer is out. */
	g_assert_cmphex(take(fixture, 0), ==, 0xfa);
	g_assert_cmphex(status(fixture) & OBF, ==, 0);
	command(fixture, 0xae);
	expect(fixture, 0, "\xab\x83", 2);
	/* Writing to a device enables it. */
	set_mode(fixture, KBD_OFF | AUX_OFF);
	KEYBOARD(0xee, "\xee");
	g_assert_cmphex(get_mode(fixture), ==, AUX_OFF);
	MOUSE(0xf2, "\xfa\x00");
	g_assert_cmphex(get_mode(fixture), ==, 0);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_mode(fixture, XLATE | KBD_INT);
	write_data(fixture, 0xed);
	command(fixture, 0xdd);
	command(fixture, 0xd0); /* its reply waits behind the keyboard's answer */
	command(fixture, 0xd4);
	i8042_reset(fixture->i8042);
	g_assert_false(fixture->bench.level);
	test_power_on(fixture, NULL);
	/* Neither the controller nor the keyboard waits for a parameter. */
	KEYBOARD(0xf4, "\xfa");
}

/* The keyboard */

static void test_keyboard(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	KEYBOARD(0xff, "\xfa\xaa");
	KEYBOARD(0xf2, "\xfa\xab\x83");
	KEYBOARD(0xed, "\xfa");
	KEYBOARD(0x07, "\xfa");
	KEYBOARD(0xf3, "\xfa");
	KEYBOARD(0x00, "\xfa");
	KEYBOARD(0xf5, "\xfa");
	KEYBOARD(0xf4, "\xfa");
	KEYBOARD(0xf6, "\xfa");
	KEYBOARD(0xfa, "\xfa");
	KEYBOARD(0xee, "\xee");
	KEYBOARD(0xfe, "\xee");
	KEYBOARD(0x05, "\xfe");
}

static void test_scan_code_sets(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	KEYBOARD(0xf0, "\xfa");
	KEYBOARD(0, "\xfa\x02");
	KEYBOARD(0xf0, "\xfa");
	KEYBOARD(3, "\xfa");
	KEYBOARD(0xf0, "\xfa");
	KEYBOARD(0, "\xfa\x03");
	KEYBOARD(0xf0, "\xfa");
	KEYBOARD(4, "\xfe");
	KEYBOARD(0xff, "\xfa\xaa");
	set_mode(fixture, XLATE);
	KEYBOARD(0xf0, "\xfa");
	KEYBOARD(0, "\xfa\x41");
	KEYBOARD(0xf2, "\xfa\xab\x41");
}

static void test_new_command_drops_the_old_answer(Fixture *fixture,
						  gconstpointer data G_GNUC_UNUSED)
{
	write_data(fixture, 0xf2);
	for (guint i = 0; i < 100; i++)
		write_data(fixture, 0xf2);
	/* The first byte had left. */
	expect(fixture, 0, "\xfa\xfa\xab\x83", 4);
}

/* The mouse */

static void test_mouse(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	MOUSE(0xff, "\xfa\xaa\x00");
	MOUSE(0xf2, "\xfa\x00");
	MOUSE(0xe9, "\xfa\x00\x02\x64");
	MOUSE(0xe7, "\xfa");
	MOUSE(0xf4, "\xfa");
	MOUSE(0xf0, "\xfa");
	MOUSE(0xe8, "\xfa");
	MOUSE(0x03, "\xfa");
	MOUSE(0xf3, "\xfa");
	MOUSE(0xc8, "\xfa");
	MOUSE(0xe9, "\xfa\x70\x03\xc8");
	MOUSE(0xe6, "\xfa");
	MOUSE(0xf5, "\xfa");
	MOUSE(0xea, "\xfa");
	MOUSE(0xe9, "\xfa\x00\x03\xc8");
	MOUSE(0xeb, "\xfa\x08\x00\x00");
	MOUSE(0xf6, "\xfa");
	MOUSE(0xe9, "\xfa\x00\x02\x64");
	MOUSE(0xfe, "\x64");
	/* What makes are asked for by commands that this one does not have. */
	MOUSE(0xe1, "\xfe");
}

static void test_mouse_wraps(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	MOUSE(0xee, "\xfa");
	MOUSE(0xf2, "\xf2");
	MOUSE(0x55, "\x55");
	MOUSE(0xec, "\xfa");
	MOUSE(0xf2, "\xfa\x00");
	MOUSE(0xee, "\xfa");
	MOUSE(0xff, "\xfa\xaa\x00");
	MOUSE(0xf2, "\xfa\x00");
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/i8042/power-on", test_power_on);
	add("/i8042/self-test", test_self_test);
	add("/i8042/command-byte", test_command_byte);
	add("/i8042/loops", test_loops);
	add("/i8042/reset-commands", test_reset_commands);
	add("/i8042/system-control", test_system_control);
	add("/i8042/a20", test_a20);
	add("/i8042/interrupts", test_interrupts);
	add("/i8042/disabled-devices-wait", test_disabled_devices_wait);
	add("/i8042/reset", test_reset);
	add("/i8042/keyboard/commands", test_keyboard);
	add("/i8042/keyboard/scan-code-sets", test_scan_code_sets);
	add("/i8042/keyboard/new-command-drops-the-old-answer",
	    test_new_command_drops_the_old_answer);
	add("/i8042/mouse/commands", test_mouse);
	add("/i8042/mouse/wraps", test_mouse_wraps);

	return g_test_run();
}
