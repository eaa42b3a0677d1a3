/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs share that measure bare calls. */
#pragma once

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE	  4096ull
#define PAGES_MAX 512ull
#define RAM_SIZE  (PAGES_MAX * PAGE)

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* A moment in nanoseconds and in ticks of the TSC. */
typedef struct {
	uint64_t ns;
	uint64_t ticks;
} Moment;

static inline Moment moment_now(void)
{
	return (Moment){ .ns = now_ns(), .ticks = __builtin_ia32_rdtsc() };
}

/* Prints the line by which ticks of the TSC become time. */
static inline void print_ticks(const Moment *since)
{
	const Moment now = moment_now();

	printf("ticks %lu ns %lu\n", now.ticks - since->ticks, now.ns - since->ns);
}

/* A number of the command line; ends the program where it is none, or not from @least to @most. */
static inline uint64_t number(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end || value < least || value > most)
		errx(2, "'%s': a number from %lu to %lu is wanted", text, least, most);
	return value;
}
