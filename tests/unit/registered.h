/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registered.h - what holds of guest memory that an io_uring knows; for windows-test.c
 *
 * A file of known content is read into guest memory. It needs an io_uring; else it is skipped.
 */
#pragma once

#include <errno.h>
#include <liburing.h>

#define BUFFERS	     2u
#define FIRST_BUFFER 1u
#define PIECE_A	     GROUND
#define PIECE_B	     (GROUND + DIRECT_PIECE_SIZE)
#define PIECE_C	     (GROUND + 2 * DIRECT_PIECE_SIZE)

/* How often a piece has to be asked for at most. */
#define OFTEN 64

typedef struct {
	Fixture fixture;
	struct io_uring ring;
	gint is_refusing; /* the kernel */
	gint is_keeping;  /* the same, and forgets nothing */
	gint sets;
	DirectMemory *direct;
	int file;
} Disk;

static gboolean set_buffer(void *opaque, guint buffer, void *address, gsize size)
{
	struct iovec iovec = { address, size };
	Disk *disk = opaque;

	g_assert_cmpuint(buffer, >=, FIRST_BUFFER);
	g_assert_cmpuint(buffer, <, FIRST_BUFFER + BUFFERS);
	if (address && g_atomic_int_get(&disk->is_refusing))
		return FALSE;
	if (!address && g_atomic_int_get(&disk->is_keeping))
		return FALSE;
	if (address)
		g_atomic_int_inc(&disk->sets);
	return io_uring_register_buffers_update_tag(&disk->ring, buffer, &iovec, NULL, 1) == 1;
}

static void make_file(Disk *disk)
{
	guint8 content[2 * PAGE];

	memset(content, 0xd1, PAGE);
	memset(content + PAGE, 0xd2, PAGE);
	disk->file = memfd_create("disk", MFD_CLOEXEC);
	g_assert_cmpint(write(disk->file, content, sizeof(content)), ==, sizeof(content));
}

/* Return: FALSE where the test is to be skipped. */
static gboolean set_up_disk(Disk *disk)
{
	g_autoptr(GError) error = NULL;
	int result;

	*disk = (Disk){ .file = -1 };
	if (!set_up(&disk->fixture, MEMORY_POLICY_ON_DEMAND))
		return FALSE;
	result = io_uring_queue_init(8, &disk->ring, 0);
	if (result == 0)
		result = io_uring_register_buffers_sparse(&disk->ring, FIRST_BUFFER + BUFFERS);
	if (result < 0) {
		g_test_skip(g_strerror(-result));
		return FALSE;
	}
	make_file(disk);
	g_assert_true(memory_can_be_direct(disk->fixture.memory));
	disk->direct = direct_memory_new(disk->fixture.memory, FIRST_BUFFER, BUFFERS, set_buffer,
					 disk, &error);
	g_assert_no_error(error);
	return TRUE;
}

static void tear_down_disk(Disk *disk)
{
	direct_memory_free(disk->direct);
	if (disk->file >= 0) {
		close(disk->file);
		io_uring_queue_exit(&disk->ring);
	}
	tear_down(&disk->fixture);
}

static guint64 registered_bytes(Fixture *fixture)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	return statistics.registered_bytes;
}

/* What devices have moved by a way. */
static void assert_moved(Fixture *fixture, DmaWay way, guint64 count, guint64 bytes)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	g_assert_cmpuint(statistics.transfers[way].count, ==, count);
	g_assert_cmpuint(statistics.transfers[way].bytes, ==, bytes);
}

/* Return: whether it is, having been asked for often. */
static gboolean begin(Disk *disk, guint64 gpa, guint64 size, DirectUse *use)
{
	for (guint i = 0; i < OFTEN; i++) {
		if (direct_memory_begin(disk->direct, gpa, size, use))
			return TRUE;
	}
	return FALSE;
}

/* One page of the file. Return: as read(2), or a negative errno. */
static int read_into(Disk *disk, const DirectUse *use, guint page)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&disk->ring);
	struct io_uring_cqe *completion;
	int result;

	io_uring_prep_read_fixed(entry, disk->file, use->address, PAGE, page * PAGE, use->buffer);
	g_assert_cmpint(io_uring_submit_and_wait(&disk->ring, 1), ==, 1);
	g_assert_cmpint(io_uring_wait_cqe(&disk->ring, &completion), ==, 0);
	result = completion->res;
	io_uring_cqe_seen(&disk->ring, completion);
	return result;
}

/* Whether this process could read there. */
static gboolean is_mapped(const void *address)
{
	int copy = memfd_create("copy", MFD_CLOEXEC);
	gboolean is_readable = write(copy, address, 1) == 1;

	close(copy);
	return is_readable;
}

/* It lands in the guest's pages, which nobody has mapped, and which stay private. */
static void test_registered(void)
{
	DirectUse use, other;
	Disk disk;

	if (set_up_disk(&disk)) {
		MemoryStatistics statistics;

		g_assert_false(direct_memory_begin(disk.direct, PIECE_A, PAGE, &use));
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 0);
		g_assert_true(begin(&disk, PIECE_A + 5 * PAGE, PAGE, &use));
		g_assert_cmpuint(use.size, ==, PAGE);
		g_assert_false(is_mapped(use.address));
		g_assert_cmpint(read_into(&disk, &use, 1), ==, PAGE);
		g_assert_cmpint(disk.fixture.guest[5 * PAGE], ==, 0xd2);
		g_assert_cmpint(disk.fixture.guest[4 * PAGE], ==, 0);
		direct_memory_end(disk.direct, &use, TRUE);
		memory_statistics(disk.fixture.memory, &statistics);
		g_assert_cmpuint(statistics.registered_bytes, ==, DIRECT_PIECE_SIZE);
		g_assert_cmpuint(statistics.shared_bytes, ==, 0);
		/* At once from now on; up to the piece's end. */
		g_assert_true(direct_memory_begin(disk.direct, PIECE_B - PAGE, 3 * PAGE, &other));
		g_assert_cmpuint(other.size, ==, PAGE);
		g_assert_cmpint(read_into(&disk, &other, 0), ==, PAGE);
		g_assert_cmpint(disk.fixture.guest[DIRECT_PIECE_SIZE - PAGE], ==, 0xd1);
		direct_memory_end(disk.direct, &other, TRUE);
		g_assert_cmpint(g_atomic_int_get(&disk.sets), ==, 1);
		assert_moved(&disk.fixture, DMA_WAY_REGISTERED, 2, 2 * PAGE);
		/* What the kernel has not done was not moved. */
		g_assert_true(direct_memory_begin(disk.direct, PIECE_A, PAGE, &use));
		direct_memory_end(disk.direct, &use, FALSE);
		assert_moved(&disk.fixture, DMA_WAY_REGISTERED, 2, 2 * PAGE);
		assert_moved(&disk.fixture, DMA_WAY_WINDOW, 0, 0);
	}
	tear_down_disk(&disk);
}

/* What the guest takes away is given up before it goes; and so at a reset. */
static void test_registered_dropped(void)
{
	Disk disk;

	if (set_up_disk(&disk)) {
		g_autoptr(GError) error = NULL;
		DirectUse use;

		g_assert_true(begin(&disk, PIECE_A, PAGE, &use));
		g_assert_cmpint(hypercall(&disk.fixture, PIECE_A + PAGE, 1, FALSE), ==, 0);
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 0);
		g_assert_cmpint(read_into(&disk, &use, 0), ==, -EFAULT);
		g_assert_cmpint(disk.fixture.guest[0], ==, 0);
		/* Its slot is nobody's until the use has ended: the other one is for all. */
		for (guint i = 0; i < 3; i++) {
			DirectUse later;

			g_assert_true(begin(&disk, i % 2 ? PIECE_C : PIECE_B, PAGE, &later));
			g_assert_cmpint(later.buffer, !=, use.buffer);
			g_assert_cmpint(read_into(&disk, &use, 0), ==, -EFAULT);
			direct_memory_end(disk.direct, &later, TRUE);
		}
		direct_memory_end(disk.direct, &use, TRUE);
		g_assert_true(begin(&disk, PIECE_A, PAGE, &use));
		g_assert_cmpint(read_into(&disk, &use, 0), ==, PAGE);
		g_assert_cmpint(disk.fixture.guest[0], ==, 0xd1);
		direct_memory_end(disk.direct, &use, TRUE);
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 2 * DIRECT_PIECE_SIZE);

		g_assert_true(memory_release_touches(disk.fixture.memory, &error));
		g_assert_true(memory_discard(disk.fixture.memory, &error));
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 0);
		g_assert_cmpint(disk.fixture.guest[0], ==, 0);
	}
	tear_down_disk(&disk);
}

/* A page that the guest gives back is forgotten by the ring, and not held by it. */
static void test_registered_released(void)
{
	Disk disk;

	if (set_up_disk(&disk)) {
		g_autoptr(GError) error = NULL;
		DirectUse use;

		g_assert_true(begin(&disk, PIECE_A, PAGE, &use));
		g_assert_cmpint(read_into(&disk, &use, 0), ==, PAGE);
		g_assert_true(memory_release(disk.fixture.memory, PIECE_A, PAGE, &error));
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 0);
		g_assert_cmpint(read_into(&disk, &use, 0), ==, -EFAULT);
		g_assert_cmpint(disk.fixture.guest[0], ==, 0);
		direct_memory_end(disk.direct, &use, TRUE);
	}
	tear_down_disk(&disk);
}

/* The one that was not used for longest makes room, unless it is in use. */
static void test_registered_bound(void)
{
	DirectUse a, b, c;
	Disk disk;

	if (set_up_disk(&disk)) {
		g_assert_true(begin(&disk, PIECE_A, PAGE, &a));
		direct_memory_end(disk.direct, &a, TRUE);
		g_assert_true(begin(&disk, PIECE_B, PAGE, &b));
		direct_memory_end(disk.direct, &b, TRUE);
		g_assert_true(direct_memory_begin(disk.direct, PIECE_A, PAGE, &a));
		direct_memory_end(disk.direct, &a, TRUE);
		g_assert_true(begin(&disk, PIECE_C, PAGE, &c));
		g_assert_cmpint(c.buffer, ==, b.buffer);
		g_assert_true(direct_memory_begin(disk.direct, PIECE_A, PAGE, &a));
		g_assert_false(begin(&disk, PIECE_B, PAGE, &b));
		direct_memory_end(disk.direct, &a, TRUE);
		direct_memory_end(disk.direct, &c, TRUE);
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 2 * DIRECT_PIECE_SIZE);

		/* As many as the kernel lets it have. */
		g_atomic_int_set(&disk.is_refusing, TRUE);
		g_assert_false(begin(&disk, PIECE_B, PAGE, &b));
		g_atomic_int_set(&disk.is_refusing, FALSE);
		for (guint i = 0; i < 4; i++) {
			g_assert_true(begin(&disk, i % 2 ? PIECE_B : PIECE_C, PAGE, &b));
			direct_memory_end(disk.direct, &b, TRUE);
			g_assert_cmpuint(registered_bytes(&disk.fixture), ==, DIRECT_PIECE_SIZE);
		}
	}
	tear_down_disk(&disk);
}

/* What is no RAM, all of a piece of it, is never direct. */
static void test_registered_bad(void)
{
	const guint64 bad[] = {
		RAM_SIZE, MEMORY_VGA_HOLE_START - PAGE, RAM_SEGMENTS_START, 4ull << 30, 1ull << 52,
	};
	DirectUse use;
	Disk disk;

	if (set_up_disk(&disk)) {
		for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
			g_assert_false(begin(&disk, bad[i], PAGE, &use));
		g_assert_false(begin(&disk, PIECE_A, 0, &use));
		g_assert_false(begin(&disk, PIECE_A, G_MAXUINT64 - PIECE_A + 1, &use));
		g_assert_cmpint(g_atomic_int_get(&disk.sets), ==, 0);
	}
	tear_down_disk(&disk);
}

/* A kernel that forgets nothing: no other piece takes the slot, and no page goes away. */
static void test_registered_kept(void)
{
	Disk disk;

	if (set_up_disk(&disk)) {
		DirectUse a, b, c;

		g_assert_true(begin(&disk, PIECE_A, PAGE, &a));
		g_assert_true(begin(&disk, PIECE_B, PAGE, &b));
		direct_memory_end(disk.direct, &a, TRUE);
		direct_memory_end(disk.direct, &b, TRUE);
		g_atomic_int_set(&disk.is_keeping, TRUE);
		g_assert_false(begin(&disk, PIECE_C, PAGE, &c));
		g_assert_cmpuint(registered_bytes(&disk.fixture), ==, 2 * DIRECT_PIECE_SIZE);
		g_assert_cmpint(g_atomic_int_get(&disk.fixture.failures), ==, 0);
		disk.fixture.guest[0] = 0x77;
		g_assert_cmpint(hypercall(&disk.fixture, PIECE_A, 1, FALSE), !=, 0);
		g_assert_cmpint(g_atomic_int_get(&disk.fixture.failures), ==, 1);
		g_assert_cmpint(disk.fixture.guest[0], ==, 0x77);
		g_atomic_int_set(&disk.is_keeping, FALSE);
	}
	tear_down_disk(&disk);
}

typedef struct {
	Disk *disk;
	gint is_over;
	guint64 read; /* its own */
} Reader;

static gpointer keep_reading(gpointer data)
{
	Reader *reader = data;

	for (guint i = 0; !g_atomic_int_get(&reader->is_over); i++) {
		DirectUse use;
		int result;

		if (!direct_memory_begin(reader->disk->direct, GROUND + i % 3 * DIRECT_PIECE_SIZE,
					 PAGE, &use))
			continue;
		result = read_into(reader->disk, &use, 0);
		g_assert_true(result == PAGE || result == -EFAULT);
		reader->read += result == PAGE;
		direct_memory_end(reader->disk->direct, &use, TRUE);
	}
	return NULL;
}

/* A disk is read while pages go away. */
static void test_registered_under_fire(void)
{
	Disk disk;

	if (set_up_disk(&disk)) {
		Reader reader = { .disk = &disk };
		GThread *thread = g_thread_new("disk", keep_reading, &reader);
		g_autoptr(GError) error = NULL;

		for (guint round = 0; round < 500; round++) {
			hypercall(&disk.fixture, GROUND + round % 200 * PAGE, 3, round % 2);
			if (round % 50 == 0) {
				g_assert_true(memory_release_touches(disk.fixture.memory, &error));
				g_assert_true(memory_discard(disk.fixture.memory, &error));
			}
		}
		g_atomic_int_set(&reader.is_over, TRUE);
		g_thread_join(thread);
		g_test_message("%" G_GUINT64_FORMAT " pages read", reader.read);
		g_assert_cmpuint(reader.read, >, 0);
		g_assert_cmpint(g_atomic_int_get(&disk.fixture.failures), ==, 0);
	}
	tear_down_disk(&disk);
}

static void add_registered_tests(void)
{
	g_test_add_func("/windows/registered/read", test_registered);
	g_test_add_func("/windows/registered/dropped", test_registered_dropped);
	g_test_add_func("/windows/registered/released", test_registered_released);
	g_test_add_func("/windows/registered/bound", test_registered_bound);
	g_test_add_func("/windows/registered/bad", test_registered_bad);
	g_test_add_func("/windows/registered/kept", test_registered_kept);
	g_test_add_func("/windows/registered/under-fire", test_registered_under_fire);
}
