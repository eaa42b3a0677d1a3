/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pinned.h - what holds of pins with each kind of memory that has states
 *
 * Who includes it has a Fixture with a memory and a count of failures, and the functions that are
 * declared here. Pages of GROUND and behind it are used, and each test leaves nothing.
 */
#pragma once

#include <string.h>

#include "vmm/memory/engine.h"

/* Return: FALSE where the test is to be skipped. */
static gboolean set_up_with(Fixture *fixture, MemoryPolicy policy);

/* Where the guest finds an address now. */
static guint8 *guest_address(Fixture *fixture, guint64 gpa);

/* As the guest asks for it. */
static void pinned_convert(Fixture *fixture, guint64 gpa, guint64 pages, gboolean to_private)
{
	MapGpaRange range;

	memory_map_gpa_range_begin(fixture->memory, gpa, pages,
				   to_private ? KVM_MAP_GPA_RANGE_ENC_STAT(1) : 0, &range);
	while (!range.is_done)
		memory_map_gpa_range_slice(fixture->memory, &range);
	g_assert_cmpint(range.result, ==, 0);
}

static gboolean is_shared_page(Fixture *fixture, guint64 gpa)
{
	gboolean is_shared;
	RamRun run;

	fair_lock_lock(&fixture->memory->lock);
	g_assert_true(ram_find(&fixture->memory->ram, gpa, PAGE, &run));
	is_shared = bitmap_get(run.block->shared, run.first);
	fair_lock_unlock(&fixture->memory->lock);
	return is_shared;
}

static void pinned_reclaim(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	guint64 reclaimed;

	memory_reclaim(fixture->memory, 0, RAM_SIZE, &reclaimed, &error);
	g_assert_no_error(error);
}

static const ConversionCounter *ring_counter(const MemoryStatistics *statistics,
					     ConversionDirection direction)
{
	return &statistics->conversions[direction][CONVERSION_RING];
}

/* What is shared, pinned and was counted, in pages. */
static void check_rings(Fixture *fixture, guint64 shared, guint64 pinned, guint64 to_shared,
			guint64 to_private)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	g_assert_cmpuint(statistics.shared_bytes, ==, shared * PAGE);
	g_assert_cmpuint(statistics.pinned_bytes, ==, pinned * PAGE);
	g_assert_cmpuint(ring_counter(&statistics, CONVERSION_TO_SHARED)->bytes, ==,
			 to_shared * PAGE);
	g_assert_cmpuint(ring_counter(&statistics, CONVERSION_TO_PRIVATE)->bytes, ==,
			 to_private * PAGE);
	g_assert_cmpint(g_atomic_int_get(&fixture->failures), ==, 0);
}

static void on_lost(void *opaque)
{
	g_atomic_int_inc((gint *)opaque);
}

static MemoryPin *pin(Fixture *fixture, guint64 gpa, guint64 size, gint *lost)
{
	g_autoptr(GError) error = NULL;
	MemoryPin *result = memory_pin(fixture->memory, gpa, size, lost ? on_lost : NULL, lost,
				       &error);

	g_assert_no_error(error);
	return result;
}

static void fill_guest(Fixture *fixture, guint64 pages)
{
	for (guint64 i = 0; i < pages; i++)
		memset(guest_address(fixture, GROUND + i * PAGE), (int)i + 1, PAGE);
}

static void check_guest(Fixture *fixture, guint64 first, guint64 pages)
{
	for (guint64 i = first; i < first + pages; i++)
		g_assert_cmpint(*guest_address(fixture, GROUND + i * PAGE), ==, (int)i + 1);
}

/* It is one page for both, stays while it is pinned, and goes back with its content. */
static void test_pinned(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		gint lost = 0;
		MemoryPin *one, *other;
		guint8 *address;

		fill_guest(&fixture, 4);
		one = pin(&fixture, GROUND + 100, 2 * PAGE, &lost);
		address = memory_pin_address(one);
		g_assert_cmpint(address[0], ==, 1);
		g_assert_cmpint(address[PAGE], ==, 2);
		g_assert_cmpint(address[2 * PAGE - 1], ==, 3);
		check_rings(&fixture, 3, 3, 3, 0);
		address[0] = 0x66;
		g_assert_cmpint(guest_address(&fixture, GROUND)[100], ==, 0x66);
		guest_address(&fixture, GROUND)[100] = 0x67;
		g_assert_cmpint(address[0], ==, 0x67);

		pinned_reclaim(&fixture);
		check_rings(&fixture, 3, 3, 3, 0);
		other = pin(&fixture, GROUND + 2 * PAGE, 2 * PAGE, &lost);
		check_rings(&fixture, 4, 4, 4, 0);
		g_assert_cmpint(*(guint8 *)memory_pin_address(other), ==, 3);
		memory_unpin(one);
		check_rings(&fixture, 2, 2, 4, 2);
		g_assert_cmpint(*(guint8 *)memory_pin_address(other), ==, 3);
		memory_unpin(other);
		check_rings(&fixture, 0, 0, 4, 4);
		check_guest(&fixture, 0, 4);
		g_assert_cmpint(g_atomic_int_get(&lost), ==, 0);
	}
	tear_down(&fixture);
}

/* In the middle of another one, and around it. */
static void test_pinned_overlap(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		MemoryPin *inner, *outer;

		fill_guest(&fixture, 100);
		inner = pin(&fixture, GROUND + 40 * PAGE, 8, NULL);
		outer = pin(&fixture, GROUND, 100 * PAGE, NULL);
		check_rings(&fixture, 100, 100, 100, 0);
		g_assert_cmpint(((guint8 *)memory_pin_address(outer))[99 * PAGE], ==, 100);
		memory_unpin(outer);
		check_rings(&fixture, 1, 1, 100, 99);
		g_assert_true(is_shared_page(&fixture, GROUND + 40 * PAGE));
		memory_unpin(inner);
		check_rings(&fixture, 0, 0, 100, 100);
		check_guest(&fixture, 0, 100);
	}
	tear_down(&fixture);
}

/* What the guest has shared stays so; what the host was lent goes back. */
static void test_pinned_shared(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = NULL;
		MemoryPin *one;

		/* Before, and while it is pinned. */
		pinned_convert(&fixture, GROUND, 1, FALSE);
		one = pin(&fixture, GROUND, 3 * PAGE, NULL);
		g_assert_cmpint(*(guint8 *)memory_pin_address(one), ==, 0);
		*(guint8 *)memory_pin_address(one) = 7;
		g_assert_cmpint(*guest_address(&fixture, GROUND), ==, 7);
		check_rings(&fixture, 3, 3, 2, 0);
		pinned_convert(&fixture, GROUND + PAGE, 1, FALSE);
		memory_unpin(one);
		check_rings(&fixture, 2, 0, 2, 1);
		g_assert_cmpint(*guest_address(&fixture, GROUND), ==, 7);

		g_assert_true(memory_touch(fixture.memory, GROUND + 8 * PAGE, 1, &error));
		one = pin(&fixture, GROUND + 8 * PAGE, 1, NULL);
		check_rings(&fixture, 3, 1, 2, 1);
		memory_unpin(one);
		check_rings(&fixture, 2, 0, 2, 2);
	}
	tear_down(&fixture);
}

/* The guest makes a page of it private: what it has there is not seen, and nobody waits. */
static void test_pinned_lost(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		gint lost = 0;
		MemoryPin *one, *other;
		guint8 *address;

		fill_guest(&fixture, 3);
		one = pin(&fixture, GROUND, 3 * PAGE, &lost);
		address = memory_pin_address(one);
		pinned_convert(&fixture, GROUND + PAGE, 1, TRUE);
		g_assert_cmpint(g_atomic_int_get(&lost), ==, 1);
		g_assert_cmpint(*guest_address(&fixture, GROUND + PAGE), ==, 0);
		*guest_address(&fixture, GROUND + PAGE) = 0x77;
		g_assert_cmpint(address[PAGE], ==, 0);
		address[PAGE] = 0x78;
		g_assert_cmpint(*guest_address(&fixture, GROUND + PAGE), ==, 0x77);
		g_assert_false(is_shared_page(&fixture, GROUND + PAGE));

		/* Once. What the guest shares again is zeroes for it, and another's ring. */
		pinned_convert(&fixture, GROUND + PAGE, 1, FALSE);
		g_assert_cmpint(*guest_address(&fixture, GROUND + PAGE), ==, 0);
		pinned_convert(&fixture, GROUND, 2, TRUE);
		g_assert_cmpint(g_atomic_int_get(&lost), ==, 1);
		*guest_address(&fixture, GROUND) = 0x79;
		other = pin(&fixture, GROUND, PAGE, &lost);
		g_assert_cmpint(*(guint8 *)memory_pin_address(other), ==, 0x79);
		memory_unpin(one);
		g_assert_cmpint(*(guint8 *)memory_pin_address(other), ==, 0x79);
		memory_unpin(other);
		check_rings(&fixture, 0, 0, 4, 2);
		g_assert_cmpint(*guest_address(&fixture, GROUND), ==, 0x79);
		check_guest(&fixture, 2, 1);
	}
	tear_down(&fixture);
}

/* A touch of what was lost is one of a page that is private, when it has been given back. */
static void test_pinned_touched(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = NULL;
		MemoryPin *one = pin(&fixture, GROUND + 2 * PAGE, PAGE, NULL);
		RamRun run;

		pinned_convert(&fixture, GROUND + 2 * PAGE, 1, TRUE);
		*guest_address(&fixture, GROUND + 2 * PAGE) = 0x33;
		/* Runs of pages are shown on the way; it is left out. */
		for (guint64 i = 0; i < 8; i++)
			g_assert_true(memory_touch(fixture.memory, GROUND + i * PAGE, 1, &error));
		pinned_reclaim(&fixture);
		memory_unpin(one);
		pinned_reclaim(&fixture);
		g_assert_cmpint(*guest_address(&fixture, GROUND + 2 * PAGE), ==, 0x33);
		g_assert_true(ram_find(&fixture.memory->ram, GROUND + 2 * PAGE, PAGE, &run));
		g_assert_cmpint(*ram_run_userspace(&run), ==, 0x33);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 0);
	}
	tear_down(&fixture);
}

/* A reset takes everything, whoever has pinned it. */
static void test_pinned_reset(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = NULL;
		gint lost = 0;
		MemoryPin *one;

		fill_guest(&fixture, 2);
		one = pin(&fixture, GROUND, 2 * PAGE, &lost);
		g_assert_true(memory_release_touches(fixture.memory, &error));
		g_assert_true(memory_discard(fixture.memory, &error));
		g_assert_cmpint(g_atomic_int_get(&lost), ==, 1);
		check_rings(&fixture, 0, 2, 2, 0);
		*guest_address(&fixture, GROUND) = 0x55;
		g_assert_cmpint(*(guint8 *)memory_pin_address(one), ==, 0);
		memory_unpin(one);
		check_rings(&fixture, 0, 0, 2, 0);
		g_assert_cmpint(*guest_address(&fixture, GROUND), ==, 0x55);
	}
	tear_down(&fixture);
}

static void check_no_pin(Fixture *fixture, guint64 gpa, guint64 size, gint code)
{
	g_autofree char *name = g_strdup_printf("%#" G_GINT64_MODIFIER "x", gpa);
	g_autoptr(GError) error = NULL;

	g_assert_null(memory_pin(fixture->memory, gpa, size, NULL, NULL, &error));
	g_assert_error(error, KVM_ERROR, code);
	g_assert_nonnull(strstr(error->message, name));
}

static void test_pinned_bad(void)
{
	const struct {
		guint64 gpa;
		guint64 size;
	} bad[] = {
		{ RAM_SIZE - 1, 2 },
		{ RAM_SIZE, 1 },
		{ GROUND, 0 },
		{ MEMORY_VGA_HOLE_START - 1, 2 },
		{ MEMORY_VGA_HOLE_START, PAGE },
		{ MEMORY_VGA_HOLE_END - 1, 2 },
		{ (1 << 20) - PAGE, 2 * PAGE },
		{ MEMORY_WINDOW_START, 8 },
		{ G_MAXUINT64, 1 },
		{ GROUND, G_MAXUINT64 - GROUND + 1 },
		{ 1ull << 52, 1 },
	};
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = NULL;
		MemoryPin *shown;

		for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
			check_no_pin(&fixture, bad[i].gpa, bad[i].size, KVM_ERROR_UNSUPPORTED);
		/* A segment that is hidden, and what reaches into it. */
		shown = pin(&fixture, RAM_SEGMENTS_START, PAGE, NULL);
		g_assert_true(memory_show_segments(fixture.memory, 2, &error));
		check_no_pin(&fixture, RAM_SEGMENTS_START, PAGE, KVM_ERROR_UNSUPPORTED);
		check_no_pin(&fixture, RAM_SEGMENTS_START + RAM_SEGMENT_SIZE, RAM_SEGMENT_SIZE + 1,
			     KVM_ERROR_UNSUPPORTED);
		memory_unpin(pin(&fixture, RAM_SEGMENTS_START + RAM_SEGMENT_SIZE, RAM_SEGMENT_SIZE,
				 NULL));
		/* One that was hidden under a pin is taken back when it is shown again. */
		memory_unpin(shown);
		check_rings(&fixture, 1, 0, 5, 4);
		g_assert_true(memory_show_segments(fixture.memory, MEMORY_SEGMENTS_ALL, &error));
		pinned_reclaim(&fixture);
		check_rings(&fixture, 0, 0, 5, 4);
	}
	tear_down(&fixture);
}

/* Nothing but what the guest has shared. */
static void test_pinned_guest_only(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_GUEST_ONLY)) {
		pinned_convert(&fixture, GROUND, 2, FALSE);
		check_no_pin(&fixture, GROUND, 2 * PAGE + 1, KVM_ERROR_GUEST);
		check_rings(&fixture, 2, 0, 0, 0);
		memory_unpin(pin(&fixture, GROUND, 2 * PAGE, NULL));
		check_rings(&fixture, 2, 0, 0, 0);
	}
	tear_down(&fixture);
}

/* When the engine fails, pins stay good until they are given up. */
static void test_pinned_failure(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = g_error_new(KVM_ERROR, KVM_ERROR_SYSTEM, "for a test");
		MemoryPin *one = pin(&fixture, GROUND, PAGE, NULL);

		*(guint8 *)memory_pin_address(one) = 3;
		fair_lock_lock(&fixture.memory->lock);
		engine_fail(fixture.memory, error);
		fair_lock_unlock(&fixture.memory->lock);
		g_assert_cmpint(*(guint8 *)memory_pin_address(one), ==, 3);
		g_assert_null(memory_pin(fixture.memory, GROUND, PAGE, NULL, NULL, NULL));
		memory_unpin(one);
		one = NULL;
		memory_unpin(one);
	}
	tear_down(&fixture);
}

typedef struct {
	Fixture *fixture;
	gint lost;
	gint is_over;
	gint rounds;
} RingUser;

/* A device with a ring: it uses it until it hears that it has lost it, and for a while after. */
static gpointer use_ring(gpointer data)
{
	RingUser *user = data;

	for (; !g_atomic_int_get(&user->is_over); g_atomic_int_inc(&user->rounds)) {
		MemoryPin *one = pin(user->fixture, GROUND + 64, PAGE, &user->lost);
		guint64 *words = memory_pin_address(one);

		g_atomic_int_set(&user->lost, 0);
		for (guint i = 0; i < 1000; i++) {
			__atomic_fetch_add(&words[0], 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(&words[PAGE / 8 - 1], 1, __ATOMIC_RELAXED);
		}
		memory_unpin(one);
	}
	return NULL;
}

/* Devices pin, use and give back, while the guest takes pages away and all is reset. */
static void test_pinned_under_fire(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		RingUser users[] = { { .fixture = &fixture }, { .fixture = &fixture } };
		GThread *threads[G_N_ELEMENTS(users)];
		g_autoptr(GError) error = NULL;

		for (guint i = 0; i < G_N_ELEMENTS(users); i++)
			threads[i] = g_thread_new("ring", use_ring, &users[i]);
		/* On a busy machine a thread may be slow to begin. */
		for (guint round = 0; round < 400 || !g_atomic_int_get(&users[0].rounds) ||
				      !g_atomic_int_get(&users[1].rounds);
		     round++) {
			pinned_convert(&fixture, GROUND, 1, round % 3 != 0);
			if (round % 7 == 0)
				g_assert_true(
					memory_touch(fixture.memory, GROUND, 4 * PAGE, &error));
			if (round % 20 == 0) {
				g_assert_true(memory_release_touches(fixture.memory, &error));
				g_assert_true(memory_discard(fixture.memory, &error));
			}
			pinned_reclaim(&fixture);
		}
		for (guint i = 0; i < G_N_ELEMENTS(users); i++) {
			g_atomic_int_set(&users[i].is_over, TRUE);
			g_thread_join(threads[i]);
		}
		pinned_convert(&fixture, GROUND, 2, TRUE);
		pinned_reclaim(&fixture);
		g_assert_cmpuint(fixture.memory->pins->len, ==, 0);
		g_assert_cmpuint(fixture.memory->statistics.pinned_bytes, ==, 0);
		g_assert_cmpuint(fixture.memory->statistics.shared_bytes, ==, 0);
		g_assert_cmpuint(fixture.memory->statistics.shared_allocated_bytes, ==, 0);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 0);
	}
	tear_down(&fixture);
}

/* @prefix: such as "/windows" */
static void add_pinned_tests(const char *prefix)
{
	static const struct {
		const char *name;
		GTestFunc run;
	} tests[] = {
		{ "pinned", test_pinned },	    { "overlap", test_pinned_overlap },
		{ "shared", test_pinned_shared },   { "lost", test_pinned_lost },
		{ "touched", test_pinned_touched }, { "reset", test_pinned_reset },
		{ "bad", test_pinned_bad },	    { "guest-only", test_pinned_guest_only },
		{ "failure", test_pinned_failure }, { "under-fire", test_pinned_under_fire },
	};

	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("%s/pins/%s", prefix, tests[i].name);

		g_test_add_func(path, tests[i].run);
	}
}
