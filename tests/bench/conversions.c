/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conversions.c - a payload that converts memory on command, and times that
 *
 * Theory of operation
 *
 * A command is a line on the serial port: three decimal numbers, PAGES COUNT USE. COUNT times
 * PAGES pages from BASE on are written to, made shared, written to again where USE is not 0, and
 * made private. Each time answers with a line of two numbers: what the hypercall to shared and
 * the one to private took, in ticks of the TSC. With no pages the hypercall is one that the VMM
 * refuses, which shows what the way there and back takes. A line "done" ends the answer; one
 * "failed" ends it early.
 *
 * There is no SSE, no IDT and no interrupt here; see "Payload" in docs/machine.md.
 */
#include <stddef.h>
#include <stdint.h>

#include "guest.h"

#define BASE 0x1000000ull /* 2 MiB aligned */
static int is_intel;

/* Ordered against what is timed: nothing moves across it. */
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void print_number(uint64_t number)
{
	char digits[21];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do {
		digits[--i] = '0' + number % 10;
		number /= 10;
	} while (number);
	guest_print(digits + i);
}

/* The number up to the next character that is no digit. */
static uint64_t read_number(void)
{
	uint64_t number = 0;
	char digit;

	while ((digit = guest_read_character()) >= '0' && digit <= '9')
		number = number * 10 + (digit - '0');
	return number;
}

static void write_pages(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		*(volatile uint8_t *)(uintptr_t)(BASE + i * GUEST_PAGE_SIZE) = 0x5a;
}

/* Return: the ticks that it took, or 0 where the VMM did not do as it should. */
static uint64_t convert(uint64_t pages, uint64_t attributes)
{
	uint64_t start = ticks();
	int64_t result = guest_map(is_intel, BASE, pages, attributes);
	uint64_t taken = ticks() - start;

	return (result == 0) == (pages != 0) ? taken : 0;
}

static void run_command(uint64_t pages, uint64_t count, uint64_t use)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t to_shared, to_private;

		write_pages(pages);
		to_shared = convert(pages, GUEST_MAP_SHARED);
		if (use)
			write_pages(pages);
		to_private = convert(pages, GUEST_MAP_PRIVATE);
		if (!to_shared || !to_private) {
			guest_print("failed\n");
			return;
		}
		print_number(to_shared);
		guest_print(" ");
		print_number(to_private);
		guest_print("\n");
	}
	guest_print("done\n");
}

__attribute__((section(".text.start"), noreturn)) void _start(void);

void _start(void)
{
	is_intel = guest_is_intel();
	guest_print("ready\n");
	for (;;) {
		uint64_t pages = read_number();
		uint64_t count = read_number();
		uint64_t use = read_number();

		run_command(pages, count, use);
	}
}
