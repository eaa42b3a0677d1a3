/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * released.h - what holds of pages that a guest gives back, with each kind of memory with states
 *
 * Who includes it has included pinned.h before. Guest memory is a memfd, which says how much of it
 * there is.
 */
#pragma once

#include <sys/stat.h>

/* Where the guest's private content is: pages that there are. */
static guint64 allocated_pages(Fixture *fixture, guint64 gpa)
{
	struct stat status;
	RamRun run;

	g_assert_true(ram_find(&fixture->memory->ram, gpa, PAGE, &run));
	g_assert_cmpint(fstat(run.block->guest_memfd, &status), ==, 0);
	return (guint64)status.st_blocks * 512 / PAGE;
}

static void release_pages(Fixture *fixture, guint64 gpa, guint64 pages)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(memory_release(fixture->memory, gpa, pages * PAGE, &error));
	g_assert_no_error(error);
}

/* In pages: of private ones, shared ones, and those that were left alone. */
static void check_released(Fixture *fixture, guint64 from_private, guint64 from_shared,
			   guint64 pinned)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	g_assert_cmpuint(statistics.released.private_bytes, ==, from_private * PAGE);
	g_assert_cmpuint(statistics.released.shared_bytes, ==, from_shared * PAGE);
	g_assert_cmpuint(statistics.released.pinned_bytes, ==, pinned * PAGE);
	g_assert_cmpint(g_atomic_int_get(&fixture->failures), ==, 0);
}

static void test_released_private(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		guint64 before;

		fill_guest(&fixture, 8);
		before = allocated_pages(&fixture, GROUND);
		release_pages(&fixture, GROUND + 2 * PAGE, 3);
		g_assert_cmpuint(allocated_pages(&fixture, GROUND), ==, before - 3);
		for (guint i = 2; i < 5; i++) {
			g_assert_false(is_shared_page(&fixture, GROUND + i * PAGE));
			g_assert_cmpint(*guest_address(&fixture, GROUND + i * PAGE), ==, 0);
		}
		check_guest(&fixture, 0, 2);
		check_guest(&fixture, 5, 3);
		/* It is used again, by the host too; the engine's lock comes between. */
		*guest_address(&fixture, GROUND + 2 * PAGE) = 0x42;
		check_released(&fixture, 3, 0, 0);
		g_assert_true(memory_touch(fixture.memory, GROUND + 2 * PAGE, 1, NULL));
		g_assert_cmpint(*guest_address(&fixture, GROUND + 2 * PAGE), ==, 0x42);
		/* Once more, over what is not there. */
		release_pages(&fixture, GROUND + 3 * PAGE, 2);
		check_released(&fixture, 5, 0, 0);
	}
	tear_down(&fixture);
}

/* What the guest has shared stays so; what the host was lent goes back when it is due. */
static void test_released_shared(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		MemoryStatistics statistics;

		fill_guest(&fixture, 6);
		pinned_convert(&fixture, GROUND + PAGE, 2, FALSE);
		g_assert_true(memory_touch(fixture.memory, GROUND + PAGE, 4 * PAGE, NULL));
		fill_guest(&fixture, 6);
		release_pages(&fixture, GROUND, 6);
		check_released(&fixture, 2, 4, 0);
		for (guint i = 0; i < 6; i++)
			g_assert_cmpint(is_shared_page(&fixture, GROUND + i * PAGE), ==,
					i >= 1 && i <= 4);
		for (guint i = 0; i < 6; i++)
			g_assert_cmpint(*guest_address(&fixture, GROUND + i * PAGE), ==, 0);
		g_assert_true(memory_touch(fixture.memory, GROUND + PAGE, 4 * PAGE, NULL));
		fill_guest(&fixture, 6);
		pinned_reclaim(&fixture);
		check_guest(&fixture, 0, 6);
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_bytes, ==, 0);
	}
	tear_down(&fixture);
}

static void test_released_pinned(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		gint lost = 0;
		MemoryPin *one;
		guint8 *address;

		fill_guest(&fixture, 6);
		one = pin(&fixture, GROUND + PAGE, 2 * PAGE, &lost);
		address = memory_pin_address(one);
		release_pages(&fixture, GROUND, 6);
		check_released(&fixture, 4, 0, 2);
		g_assert_cmpint(address[0], ==, 2);
		g_assert_cmpint(address[2 * PAGE - 1], ==, 3);
		check_guest(&fixture, 1, 2);
		g_assert_cmpint(*guest_address(&fixture, GROUND), ==, 0);
		g_assert_cmpint(g_atomic_int_get(&lost), ==, 0);
		/* Lost ones, too, as long as somebody has an address of them. */
		pinned_convert(&fixture, GROUND + PAGE, 1, TRUE);
		*guest_address(&fixture, GROUND + PAGE) = 0x51;
		release_pages(&fixture, GROUND + PAGE, 2);
		check_released(&fixture, 4, 0, 4);
		g_assert_cmpint(*guest_address(&fixture, GROUND + PAGE), ==, 0x51);
		memory_unpin(one);
		release_pages(&fixture, GROUND + PAGE, 2);
		check_released(&fixture, 6, 0, 4);
		g_assert_cmpint(*guest_address(&fixture, GROUND + PAGE), ==, 0);
	}
	tear_down(&fixture);
}

static void test_released_bad(void)
{
	const struct {
		guint64 gpa;
		guint64 size;
	} bad[] = {
		{ GROUND + 1, PAGE },
		{ GROUND, PAGE - 1 },
		{ GROUND, G_MAXUINT64 - GROUND + 1 },
		{ G_MAXUINT64 - PAGE + 1, 2 * PAGE },
	};
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		const guint64 segments = (RAM_SEGMENTS_END - RAM_SEGMENTS_START) / PAGE;
		const guint64 pages = (RAM_SIZE - MEMORY_VGA_HOLE_END + MEMORY_VGA_HOLE_START) /
				      PAGE;
		g_autoptr(GError) error = NULL;

		fill_guest(&fixture, 1);
		for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
			g_assert_false(
				memory_release(fixture.memory, bad[i].gpa, bad[i].size, &error));
			g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
			g_clear_error(&error);
		}
		/* What is no RAM is left out: holes, what is behind the end, hidden segments. */
		release_pages(&fixture, MEMORY_VGA_HOLE_START, 1);
		release_pages(&fixture, RAM_SIZE, 1);
		release_pages(&fixture, 1ull << 51, 1ull << 39);
		release_pages(&fixture, GROUND, 0);
		check_released(&fixture, 0, 0, 0);
		check_guest(&fixture, 0, 1);
		g_assert_true(memory_show_segments(fixture.memory, 0, &error));
		release_pages(&fixture, 0, (1ull << 40) / PAGE);
		check_released(&fixture, pages - segments, 0, 0);
		g_assert_cmpuint(allocated_pages(&fixture, GROUND), ==, 0);
		g_assert_true(memory_show_segments(fixture.memory, MEMORY_SEGMENTS_ALL, &error));
	}
	tear_down(&fixture);
}

#define FIRE_FIRST 8u
#define FIRE_PAGES 64u

typedef struct {
	Fixture *fixture;
	gint is_over;
	guint64 rounds; /* its own */
} Giver;

static gpointer keep_giving(gpointer data)
{
	Giver *giver = data;
	guint i = 0;

	while (!g_atomic_int_get(&giver->is_over)) {
		guint first = i++ * 7 % FIRE_PAGES, pages = 1 + i % 5;

		release_pages(giver->fixture, GROUND + (FIRE_FIRST + first) * PAGE, pages);
		giver->rounds++;
	}
	return NULL;
}

/* Pages go while they are touched, taken back, converted, pinned and used; others do not. */
static void test_released_under_fire(void)
{
	Fixture fixture;

	if (set_up_with(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		DmaDevice device = { .gpa = GROUND, .pages = 4 };
		Giver giver = { .fixture = &fixture };
		MemoryStatistics statistics;
		GThread *thread;

		dma_device_start(&device, fixture.memory);
		thread = g_thread_new("giver", keep_giving, &giver);
		for (guint round = 0; round < 500; round++) {
			const guint64 gpa = GROUND + (FIRE_FIRST + round % FIRE_PAGES) * PAGE;

			g_assert_true(memory_touch(fixture.memory, gpa, 4 * PAGE, NULL));
			if (round % 4 == 0)
				pinned_convert(&fixture, gpa, 3, round % 8 == 0);
			if (round % 16 == 0)
				memory_unpin(pin(&fixture, gpa + PAGE, 2 * PAGE, NULL));
			if (round % 32 == 0)
				pinned_reclaim(&fixture);
		}
		g_atomic_int_set(&giver.is_over, TRUE);
		g_thread_join(thread);
		dma_device_end(&device);
		g_assert_cmpuint(device.wrong, ==, 0);
		g_assert_cmpuint(giver.rounds, >, 0);
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_bytes + statistics.private_bytes, ==,
				 RAM_SIZE - (MEMORY_VGA_HOLE_END - MEMORY_VGA_HOLE_START));
		g_assert_cmpuint(statistics.released.private_bytes, >, 0);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 0);
	}
	tear_down(&fixture);
}

static void add_released_tests(const char *prefix)
{
	const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "private", test_released_private },	    { "shared", test_released_shared },
		{ "pinned", test_released_pinned },	    { "bad", test_released_bad },
		{ "under-fire", test_released_under_fire },
	};

	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("%s/released/%s", prefix, tests[i].name);

		g_test_add_func(path, tests[i].run);
	}
}
