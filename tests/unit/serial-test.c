/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial-test.c - the 16550A UART against its data sheet
 *
 * Section names are those of the PC16550D data sheet (SNLS378).
 */
#include <string.h>

#include "device-bench.h"
#include "vmm/chipset/serial.h"

#define BASE 0x3f8

enum { RBR = BASE, THR = BASE, DLL = BASE, IER = BASE + 1, DLM = BASE + 1 };
enum { IIR = BASE + 2, FCR = BASE + 2, LCR = BASE + 3, MCR = BASE + 4 };
enum { LSR = BASE + 5, MSR = BASE + 6, SCR = BASE + 7 };

/* LSR */
enum { DR = 0x01, OE = 0x02, THRE = 0x20, TEMT = 0x40 };

/* MCR */
enum { DTR = 0x01, RTS = 0x02, OUT1 = 0x04, OUT2 = 0x08, LOOP = 0x10 };

/* IIR by priority, without the FIFO bits */
enum {
	LINE_STATUS = 0x06,
	RECEIVED = 0x04,
	TIME_OUT = 0x0c,
	EMPTY = 0x02,
	MODEM = 0x00,
	NONE = 0x01
};

typedef struct {
	Bench bench;
	Serial *serial;
	GString *sent;
	guint n_room; /* how often the receiver has said that it has room again */
} Fixture;

static void on_transmit(void *opaque, guint8 byte)
{
	g_string_append_c(((Fixture *)opaque)->sent, (char)byte);
}

static void on_receive_room(void *opaque)
{
	((Fixture *)opaque)->n_room++;
}

static const SerialBackend backend = {
	.transmit = on_transmit,
	.receive_room = on_receive_room,
};

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	InterruptLine line;

	bench_start(&fixture->bench);
	line = bench_line(&fixture->bench, 4);
	fixture->sent = g_string_new(NULL);
	fixture->serial = serial_new(&line, &backend, fixture);
	bus_add(fixture->bench.bus, BASE, SERIAL_PORTS, "serial", &serial_operations,
		fixture->serial);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	serial_free(fixture->serial);
	bench_end(&fixture->bench);
	g_string_free(fixture->sent, TRUE);
}

static guint8 in(Fixture *fixture, guint port)
{
	return bench_in(&fixture->bench, port);
}

static void out(Fixture *fixture, guint port, guint8 value)
{
	bench_out(&fixture->bench, port, value);
}

static void receive(Fixture *fixture, const char *bytes)
{
	g_assert_cmpuint(serial_receive_room(fixture->serial), >=, strlen(bytes));
	serial_receive(fixture->serial, (const guint8 *)bytes, strlen(bytes));
}

static void assert_read(Fixture *fixture, const char *bytes)
{
	for (; *bytes; bytes++) {
		g_assert_true(in(fixture, LSR) & DR);
		g_assert_cmpint(in(fixture, RBR), ==, *bytes);
	}
	g_assert_false(in(fixture, LSR) & DR);
}

/* The interrupt that is pending, and whether the line says so. */
static void assert_interrupt(Fixture *fixture, guint8 source)
{
	g_assert_cmpint(fixture->bench.level, ==, source != NONE);
	g_assert_cmphex(in(fixture, IIR) & 0x0f, ==, source);
}

static void use_fifos(Fixture *fixture, guint8 trigger)
{
	out(fixture, FCR, 0x01 | trigger);
}

static void test_reset_values(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(in(fixture, IER), ==, 0);
	g_assert_cmphex(in(fixture, IIR), ==, NONE);
	g_assert_cmphex(in(fixture, LCR), ==, 0);
	g_assert_cmphex(in(fixture, MCR), ==, 0);
	g_assert_cmphex(in(fixture, LSR), ==, THRE | TEMT);
	g_assert_cmphex(in(fixture, MSR), ==, 0xb0); /* CTS, DSR, DCD */
	g_assert_false(fixture->bench.level);
}

static void test_reset_takes_everything_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use_fifos(fixture, 0);
	out(fixture, MCR, OUT2);
	out(fixture, IER, 0x0f);
	receive(fixture, "abc");
	g_assert_true(fixture->bench.level);
	out(fixture, LCR, 0x83);
	out(fixture, DLL, 1);
	serial_reset(fixture->serial);
	g_assert_false(fixture->bench.level);
	test_reset_values(fixture, NULL);
	g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 1);
}

static void test_registers_that_keep(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint value = 0; value < 256; value++) {
		out(fixture, SCR, value);
		g_assert_cmphex(in(fixture, SCR), ==, value);
		out(fixture, LCR, value);
		g_assert_cmphex(in(fixture, LCR), ==, value);
		out(fixture, LCR, 0);
		/* The bits above are permanently 0. */
		out(fixture, IER, value);
		g_assert_cmphex(in(fixture, IER), ==, value & 0x0f);
		out(fixture, MCR, value);
		g_assert_cmphex(in(fixture, MCR), ==, value & 0x1f);
	}
}

static void test_divisor_latch(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, IER, 0x05);
	out(fixture, LCR, 0x80);
	out(fixture, DLL, 0x34);
	out(fixture, DLM, 0x12);
	g_assert_cmphex(in(fixture, DLL), ==, 0x34);
	g_assert_cmphex(in(fixture, DLM), ==, 0x12);
	/* None of that was sent, or enabled an interrupt. */
	out(fixture, LCR, 0x03);
	g_assert_cmphex(in(fixture, IER), ==, 0x05);
	g_assert_cmpuint(fixture->sent->len, ==, 0);
	g_assert_cmpint(in(fixture, RBR), ==, 0);
}

static void test_transmit(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (const char *byte = "hello\n"; *byte; byte++) {
		g_assert_cmphex(in(fixture, LSR), ==, THRE | TEMT);
		out(fixture, THR, *byte);
	}
	g_assert_cmpstr(fixture->sent->str, ==, "hello\n");
}

/* A string instruction of a wide access meets eight registers of one byte. */
static void test_wide_access(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bus_write(fixture->bench.bus, THR, 2, 0x0f41);
	g_assert_cmpstr(fixture->sent->str, ==, "A");
	g_assert_cmphex(in(fixture, IER), ==, 0x0f);
	bus_write(fixture->bench.bus, SCR, 4, 0x11223344);
	g_assert_cmphex(bus_read(fixture->bench.bus, SCR, 4), ==, 0xffffff44);
}

/* Receiver */

static void test_one_byte_without_fifos(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 1);
	receive(fixture, "a");
	g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 0);
	g_assert_cmpuint(fixture->n_room, ==, 0);
	assert_read(fixture, "a");
	g_assert_cmpuint(fixture->n_room, ==, 1);
	/* It asked once, and was told once. */
	in(fixture, RBR);
	g_assert_cmpuint(fixture->n_room, ==, 1);
}

static void test_sixteen_bytes_with_fifos(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use_fifos(fixture, 0);
	for (guint round = 0; round < 3; round++) {
		g_assert_cmpuint(serial_receive_room(fixture->serial), ==, SERIAL_FIFO_SIZE);
		receive(fixture, "0123456789");
		g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 6);
		receive(fixture, "abcdef");
		g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 0);
		assert_read(fixture, "0123456789abcdef");
		g_assert_cmpuint(fixture->n_room, ==, round + 1);
	}
}

static void test_fifos_are_cleared(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use_fifos(fixture, 0);
	receive(fixture, "abc");
	out(fixture, FCR, 0x01);
	assert_read(fixture, "abc");
	receive(fixture, "abc");
	out(fixture, FCR, 0x03);
	assert_read(fixture, "");
	/* The transmitter's has nothing in it to clear. */
	receive(fixture, "abc");
	out(fixture, FCR, 0x05);
	assert_read(fixture, "abc");
	/* Going from one mode to the other clears them, too. */
	receive(fixture, "abc");
	out(fixture, FCR, 0);
	assert_read(fixture, "");
	receive(fixture, "d");
	out(fixture, FCR, 0x01);
	assert_read(fixture, "");
}

/* "FIFO Control Register", bit 0: the other bits are not programmed without it. */
static void test_fifo_bits_need_the_enabling_one(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	receive(fixture, "a");
	out(fixture, FCR, 0xc2);
	assert_read(fixture, "a");
	g_assert_cmphex(in(fixture, IIR) & 0xc0, ==, 0);
}

static void test_fifos_are_identified(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use_fifos(fixture, 0);
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | NONE);
	out(fixture, FCR, 0);
	g_assert_cmphex(in(fixture, IIR), ==, NONE);
}

/* Interrupts */

static void test_trigger_levels(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint levels[] = { 1, 4, 8, 14 };

	out(fixture, MCR, OUT2);
	out(fixture, IER, 0x01);
	for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
		use_fifos(fixture, i << 6 | 0x02);
		assert_interrupt(fixture, NONE);
		for (guint level = 1; level <= SERIAL_FIFO_SIZE; level++) {
			receive(fixture, "x");
			assert_interrupt(fixture, level < levels[i] ? TIME_OUT : RECEIVED);
		}
		for (guint level = SERIAL_FIFO_SIZE; level > 0; level--) {
			assert_interrupt(fixture, level < levels[i] ? TIME_OUT : RECEIVED);
			in(fixture, RBR);
		}
		assert_interrupt(fixture, NONE);
	}
}

static void test_out2_wires_the_line(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, IER, 0x01);
	receive(fixture, "x");
	g_assert_false(fixture->bench.level);
	g_assert_cmphex(in(fixture, IIR), ==, RECEIVED);
	out(fixture, MCR, OUT2);
	g_assert_true(fixture->bench.level);
	out(fixture, MCR, OUT2 | LOOP);
	g_assert_false(fixture->bench.level);
	out(fixture, MCR, OUT2);
	g_assert_true(fixture->bench.level);
	out(fixture, IER, 0);
	g_assert_false(fixture->bench.level);
}

static void test_transmitter_empty(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, MCR, OUT2);
	out(fixture, IER, 0x02);
	/* Raised by being enabled, and gone by being read. */
	assert_interrupt(fixture, EMPTY);
	assert_interrupt(fixture, NONE);
	out(fixture, THR, 'a');
	assert_interrupt(fixture, EMPTY);
	assert_interrupt(fixture, NONE);
	/* Enabled it is already: writing that again changes nothing. */
	out(fixture, IER, 0x02);
	assert_interrupt(fixture, NONE);
	out(fixture, IER, 0);
	out(fixture, IER, 0x02);
	assert_interrupt(fixture, EMPTY);
}

/* What is not the source that is read stays pending. */
static void test_priorities(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, IER, 0x0f);
	use_fifos(fixture, 0);
	/* All four at once: 17 bytes looped back, and modem lines that change. */
	out(fixture, MCR, LOOP | RTS);
	for (guint i = 0; i <= SERIAL_FIFO_SIZE; i++)
		out(fixture, THR, 'a' + i);

	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | LINE_STATUS);
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | LINE_STATUS);
	g_assert_cmphex(in(fixture, LSR), ==, DR | OE | THRE | TEMT);
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | RECEIVED);
	/* The byte that found no room is lost; those before it are not. */
	assert_read(fixture, "abcdefghijklmnop");
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | EMPTY);
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | MODEM);
	g_assert_cmphex(in(fixture, MSR) & 0x0f, !=, 0);
	g_assert_cmphex(in(fixture, IIR), ==, 0xc0 | NONE);
}

static void test_interrupts_that_are_not_enabled(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, MCR, OUT2);
	receive(fixture, "x");
	out(fixture, THR, 'a');
	assert_interrupt(fixture, NONE);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 0);
}

/* Loop-back */

static void test_loop_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use_fifos(fixture, 0);
	out(fixture, MCR, LOOP);
	for (const char *byte = "loop"; *byte; byte++)
		out(fixture, THR, *byte);
	/* The line sees nothing of it, and is not heard. */
	g_assert_cmpuint(fixture->sent->len, ==, 0);
	g_assert_cmpuint(serial_receive_room(fixture->serial), ==, 0);
	assert_read(fixture, "loop");
	out(fixture, MCR, 0);
	g_assert_cmpuint(fixture->n_room, ==, 1);
	g_assert_cmpuint(serial_receive_room(fixture->serial), ==, SERIAL_FIFO_SIZE);
}

/* "Line Status Register", bit 1: the character that was not read is destroyed. */
static void test_overrun_without_fifos(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, MCR, LOOP);
	out(fixture, THR, 'a');
	out(fixture, THR, 'b');
	g_assert_cmphex(in(fixture, LSR), ==, DR | OE | THRE | TEMT);
	/* Reading it has cleared it. */
	g_assert_cmphex(in(fixture, LSR), ==, DR | THRE | TEMT);
	assert_read(fixture, "b");
}

static void test_modem_lines_in_loop_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint8 mcr, msr;
	} lines[] = { { RTS, 0x10 }, { DTR, 0x20 }, { OUT1, 0x40 }, { OUT2, 0x80 } };

	out(fixture, MCR, LOOP);
	in(fixture, MSR);
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		guint8 rises = lines[i].mcr == OUT1 ? 0 : lines[i].msr >> 4;

		out(fixture, MCR, LOOP | lines[i].mcr);
		g_assert_cmphex(in(fixture, MSR), ==, lines[i].msr | rises);
		g_assert_cmphex(in(fixture, MSR), ==, lines[i].msr);
		/* The ring indicator's bit tells of its trailing edge alone. */
		out(fixture, MCR, LOOP);
		g_assert_cmphex(in(fixture, MSR), ==, lines[i].msr >> 4);
		g_assert_cmphex(in(fixture, MSR), ==, 0);
	}
}

/* As Linux finds out whether there is a UART at all. */
static void test_probe(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, IER, 0);
	g_assert_cmphex(in(fixture, IER) & 0x0f, ==, 0);
	out(fixture, IER, 0x0f);
	g_assert_cmphex(in(fixture, IER) & 0x0f, ==, 0x0f);
	out(fixture, IER, 0);
	out(fixture, MCR, LOOP | 0x0a);
	g_assert_cmphex(in(fixture, MSR) & 0xf0, ==, 0x90);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/serial/reset-values", test_reset_values);
	add("/serial/reset-takes-everything-back", test_reset_takes_everything_back);
	add("/serial/registers-that-keep", test_registers_that_keep);
	add("/serial/divisor-latch", test_divisor_latch);
	add("/serial/transmit", test_transmit);
	add("/serial/wide-access", test_wide_access);
	add("/serial/receiver/one-byte-without-fifos", test_one_byte_without_fifos);
	add("/serial/receiver/sixteen-bytes-with-fifos", test_sixteen_bytes_with_fifos);
	add("/serial/receiver/fifos-are-cleared", test_fifos_are_cleared);
	add("/serial/receiver/fifo-bits-need-the-enabling-one",
	    test_fifo_bits_need_the_enabling_one);
	add("/serial/receiver/fifos-are-identified", test_fifos_are_identified);
	add("/serial/interrupt/trigger-levels", test_trigger_levels);
	add("/serial/interrupt/out2-wires-the-line", test_out2_wires_the_line);
	add("/serial/interrupt/transmitter-empty", test_transmitter_empty);
	add("/serial/interrupt/priorities", test_priorities);
	add("/serial/interrupt/not-enabled", test_interrupts_that_are_not_enabled);
	add("/serial/loop-back/bytes", test_loop_back);
	add("/serial/loop-back/overrun-without-fifos", test_overrun_without_fifos);
	add("/serial/loop-back/modem-lines", test_modem_lines_in_loop_back);
	add("/serial/loop-back/probe", test_probe);

	return g_test_run();
}
