/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pflash-test.c - a unit of flash memory on its file
 *
 * The command set is JEP137's, the sequences are those of OVMF's driver and of Linux's. A
 * "guest" writes through the bus; what is durable is what the file has.
 */
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device-bench.h"
#include "support.h"
#include "vmm/chipset/pflash-file.h"
#include "vmm/chipset/pflash.h"

#define BASE	0xffc00000ull
#define BLOCK	PFLASH_BLOCK_SIZE
#define BLOCKS	5u
#define SIZE	(BLOCKS * BLOCK)
#define PATTERN 0xa5

/* Status bits */
enum { READY = 0x80, ERASE_ERROR = 0x20, PROGRAM_ERROR = 0x10, LOCKED = 0x02 };

typedef struct {
	Bench bench;
	char *folder;
	char *path;
	PflashFile *file;
	Pflash *pflash;
	gboolean is_array;
	gboolean is_broken; /* the file cannot be written */
	guint n_modes;
	guint n_stores;
	guint64 stored_offset;
	gsize stored_size;
} Fixture;

static void set_readable(void *opaque, gboolean is_array)
{
	Fixture *fixture = opaque;

	/* Changing a memslot costs a stop of the machine. */
	g_assert_cmpint(is_array, !=, fixture->is_array);
	fixture->is_array = is_array;
	fixture->n_modes++;
}

static gboolean store(void *opaque, guint64 offset, gsize size)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(size, >, 0);
	g_assert_cmpuint(offset / BLOCK, ==, (offset + size - 1) / BLOCK);
	fixture->n_stores++;
	fixture->stored_offset = offset;
	fixture->stored_size = size;
	return !fixture->is_broken && pflash_file_store(fixture->file, offset, size, NULL);
}

static const PflashHost host = { .set_readable = set_readable, .store = store };

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static void start(Fixture *fixture, gconstpointer is_readonly)
{
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *content = g_malloc(SIZE);

	memset(content, PATTERN, SIZE);
	fixture->folder = g_dir_make_tmp("pflash-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->path = g_build_filename(fixture->folder, "vars.fd", NULL);
	g_file_set_contents(fixture->path, (char *)content, SIZE, &error);
	g_assert_no_error(error);
	fixture->file = pflash_file_new(open_file(fixture->path, O_RDWR), "vars.fd",
					is_readonly != NULL, PFLASH_TOTAL_SIZE, &error);
	g_assert_no_error(error);
	fixture->pflash = pflash_new(pflash_file_content(fixture->file),
				     pflash_file_size(fixture->file), is_readonly != NULL, &host,
				     fixture);
	fixture->is_array = TRUE;
	bench_start(&fixture->bench);
	bus_add(fixture->bench.bus, BASE, SIZE, "flash", &pflash_operations, fixture->pflash);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bench_end(&fixture->bench);
	pflash_free(fixture->pflash);
	pflash_file_free(fixture->file);
	remove_tree(fixture->folder);
	g_free(fixture->path);
	g_free(fixture->folder);
}

static void out(Fixture *fixture, guint64 offset, guint8 value)
{
	bus_write(fixture->bench.bus, BASE + offset, 1, value);
}

static guint8 in(Fixture *fixture, guint64 offset)
{
	return bus_read(fixture->bench.bus, BASE + offset, 1);
}

static guint8 status(Fixture *fixture)
{
	out(fixture, 0, 0x70);
	return in(fixture, 0);
}

/* The content of a file, freed by the caller. */
static guint8 *durable(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	char *content;
	gsize size;

	g_file_get_contents(fixture->path, &content, &size, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(size, ==, SIZE);
	return (guint8 *)content;
}

static guint8 durable_byte(Fixture *fixture, guint64 offset)
{
	g_autofree guint8 *content = durable(fixture);

	return content[offset];
}

/* As OVMF does it. */
static void program(Fixture *fixture, guint64 offset, const guint8 *data, gsize size)
{
	for (gsize i = 0; i < size; i++) {
		out(fixture, offset + i, 0x10);
		out(fixture, offset + i, data[i]);
	}
	out(fixture, offset + size - 1, 0xff);
}

static void erase(Fixture *fixture, guint64 offset)
{
	out(fixture, offset, 0x20);
	out(fixture, offset, 0xd0);
}

/* Modes */

static void test_array(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pflash_file_content(fixture->file)[BLOCK] = 0x12;
	g_assert_cmphex(in(fixture, 0), ==, PATTERN);
	g_assert_cmphex(bus_read(fixture->bench.bus, BASE + BLOCK - 1, 8), ==, 0xa5a5a5a5a5a512a5);
	/* Commands of no meaning leave it so, with no change of a memslot. */
	out(fixture, 0, 0x00);
	out(fixture, 0, 0xf0);
	out(fixture, 0, 0xff);
	out(fixture, 0, 0xaa);
	g_assert_cmpuint(fixture->n_modes, ==, 0);
}

/* OVMF's test for flash: ROM does not change, RAM shows what was written, flash shows 0. */
static void test_detection(Fixture *fixture, gconstpointer is_readonly)
{
	guint8 before = in(fixture, 0x20);

	out(fixture, 0x20, 0x50);
	g_assert_cmphex(in(fixture, 0x20), ==, before);
	out(fixture, 0x20, 0x70);
	g_assert_cmphex(in(fixture, 0x20), ==, 0);
	out(fixture, 0x20, 0x10);
	out(fixture, 0x20, before);
	out(fixture, 0x20, 0x70);
	g_assert_cmphex(in(fixture, 0x20) & PROGRAM_ERROR, ==, is_readonly ? PROGRAM_ERROR : 0);
	out(fixture, 0x20, 0xff);
	g_assert_cmphex(in(fixture, 0x20), ==, before);
	g_assert_true(fixture->is_array);
	g_assert_cmpuint(fixture->n_modes, ==, 2);
	/* Nothing changed: each boot would wear a disk otherwise. */
	g_assert_cmpuint(fixture->n_stores, ==, 0);
}

static void test_identifiers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 0, 0x90);
	g_assert_false(fixture->is_array);
	for (guint i = 0; i < 4; i++)
		g_assert_cmphex(in(fixture, i), ==, 0);
	out(fixture, 0, 0xff);
	g_assert_cmphex(in(fixture, 0), ==, PATTERN);
}

static void test_cfi(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 0x55, 0x98);
	g_assert_cmphex(bus_read(fixture->bench.bus, BASE + 0x10, 4), ==, 0x01595251);
	g_assert_cmphex(bus_read(fixture->bench.bus, BASE + 0x31, 4), ==, 0x31495250);
	/* 20 KiB: the next power of two is 32 KiB. */
	g_assert_cmpuint(in(fixture, 0x27), ==, 15);
	g_assert_cmpuint(in(fixture, 0x2a), ==, 8);
	/* One region of blocks: their number less one, their size in units of 256. */
	g_assert_cmpuint(in(fixture, 0x2c), ==, 1);
	g_assert_cmphex(bus_read(fixture->bench.bus, BASE + 0x2d, 4), ==, 0x00100004);
	g_assert_cmphex(in(fixture, 0x40), ==, 0);
	g_assert_cmphex(in(fixture, BLOCK + 0x110), ==, 'Q');
	/* Any command leaves it. */
	g_assert_cmphex(status(fixture), ==, READY);
}

static void test_locks(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 seconds[] = { 0x01, 0x2f, 0xd0 };

	for (guint i = 0; i < G_N_ELEMENTS(seconds); i++) {
		out(fixture, 0, 0x60);
		out(fixture, 0, seconds[i]);
		g_assert_cmphex(in(fixture, 0), ==, READY);
	}
	out(fixture, 0, 0x60);
	out(fixture, 0, 0x77);
	g_assert_cmphex(in(fixture, 0), ==, READY | ERASE_ERROR | PROGRAM_ERROR);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 7, 0x40);
	out(fixture, 7, 0);
	out(fixture, 0, 0x40);
	pflash_reset(fixture->pflash);
	g_assert_true(fixture->is_array);
	g_assert_cmphex(durable_byte(fixture, 7), ==, 0);
	/* The cycle that was open is forgotten. */
	out(fixture, 0, 0x70);
	g_assert_cmphex(in(fixture, 0), ==, READY);
}

/* Programming and erasing */

static void test_program(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 bytes[] = { 0x00, 0xff, 0x10, 0x40, 0x5a };
	g_autofree guint8 *content = NULL;

	program(fixture, BLOCK - 2, bytes, sizeof(bytes));
	/* Two blocks: two stores, whatever the number of bytes; one way there, one back. */
	g_assert_cmpuint(fixture->n_stores, ==, 2);
	g_assert_cmpuint(fixture->n_modes, ==, 2);
	content = durable(fixture);
	g_assert_cmpmem(content + BLOCK - 2, sizeof(bytes), bytes, sizeof(bytes));
	g_assert_cmphex(content[BLOCK - 3], ==, PATTERN);
	g_assert_cmphex(content[BLOCK + 3], ==, PATTERN);
	for (guint i = 0; i < sizeof(bytes); i++)
		g_assert_cmphex(in(fixture, BLOCK - 2 + i), ==, bytes[i]);
}

static void test_program_wide(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *content = NULL;

	out(fixture, 0, 0x40);
	bus_write(fixture->bench.bus, BASE + BLOCK - 4, 8, 0x8877665544332211);
	out(fixture, SIZE - 2, 0x40);
	bus_write(fixture->bench.bus, BASE + SIZE - 2, 4, 0xccddeeff);
	g_assert_cmphex(status(fixture), ==, READY);
	content = durable(fixture);
	g_assert_cmpmem(content + BLOCK - 4, 8, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	g_assert_cmpmem(content + SIZE - 2, 2, "\xff\xee", 2);
}

static void test_program_is_stored_before_it_is_told(Fixture *fixture,
						     gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 5, 0x40);
	out(fixture, 5, 1);
	out(fixture, 9, 0x40);
	out(fixture, 9, 2);
	g_assert_cmpuint(fixture->n_stores, ==, 0);
	g_assert_cmphex(in(fixture, 0), ==, READY);
	g_assert_cmpuint(fixture->n_stores, ==, 1);
	g_assert_cmpuint(fixture->stored_offset, ==, 5);
	g_assert_cmpuint(fixture->stored_size, ==, 5);
	g_assert_cmphex(durable_byte(fixture, 9), ==, 2);

	out(fixture, 5, 0x40);
	out(fixture, 5, 3);
	pflash_flush(fixture->pflash);
	g_assert_cmphex(durable_byte(fixture, 5), ==, 3);
	g_assert_cmpuint(fixture->n_stores, ==, 2);
}

static void test_blocks_are_stored_in_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint blocks[] = { 3, 1, 3 };

	for (guint i = 0; i < G_N_ELEMENTS(blocks); i++) {
		g_assert_cmpuint(fixture->n_stores, ==, MAX(i, 1) - 1);
		out(fixture, blocks[i] * BLOCK, 0x40);
		out(fixture, blocks[i] * BLOCK, i);
		if (i > 0)
			g_assert_cmpuint(fixture->stored_offset, ==, blocks[i - 1] * BLOCK);
	}
	out(fixture, 0, 0xff);
	g_assert_cmpuint(fixture->n_stores, ==, 3);
}

static void test_erase(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *content = NULL;

	erase(fixture, BLOCK + 77);
	g_assert_cmpuint(fixture->n_stores, ==, 1);
	g_assert_cmphex(in(fixture, 0), ==, READY);
	content = durable(fixture);
	for (guint i = 0; i < BLOCK; i++)
		g_assert_cmphex(content[BLOCK + i], ==, 0xff);
	g_assert_cmphex(content[BLOCK - 1], ==, PATTERN);
	g_assert_cmphex(content[2 * BLOCK], ==, PATTERN);
}

static void test_erase_wants_to_be_confirmed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 0, 0x20);
	out(fixture, 0, 0xff);
	g_assert_true(fixture->is_array);
	g_assert_cmphex(status(fixture), ==, READY);
	out(fixture, 0, 0x20);
	out(fixture, 0, 0x20);
	g_assert_cmphex(in(fixture, 0), ==, READY | ERASE_ERROR | PROGRAM_ERROR);
	g_assert_cmpuint(fixture->n_stores, ==, 0);
	out(fixture, 0, 0x50);
	g_assert_cmphex(in(fixture, 0), ==, PATTERN);
	g_assert_cmphex(status(fixture), ==, 0);
}

static void test_buffer(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *content = NULL;

	out(fixture, 0x100, 0xe8);
	g_assert_cmphex(in(fixture, 0x100), ==, READY);
	out(fixture, 0x100, 3);
	for (guint i = 0; i < 4; i++)
		out(fixture, 0x1fc + i, 0x10 + i);
	g_assert_cmphex(pflash_file_content(fixture->file)[0x1fc], ==, PATTERN);
	out(fixture, 0x100, 0xd0);
	g_assert_cmpuint(fixture->n_stores, ==, 1);
	g_assert_cmphex(in(fixture, 0), ==, READY);
	content = durable(fixture);
	g_assert_cmpmem(content + 0x1fb, 6, "\xa5\x10\x11\x12\x13\xa5", 6);
}

static void test_buffer_is_full(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *content = NULL;

	out(fixture, SIZE - 256, 0xe8);
	out(fixture, SIZE - 256, 255);
	for (guint i = 0; i < 256; i++)
		out(fixture, SIZE - 256 + i, i);
	out(fixture, SIZE - 256, 0xd0);
	content = durable(fixture);
	for (guint i = 0; i < 256; i++)
		g_assert_cmphex(content[SIZE - 256 + i], ==, i);
}

static void test_buffer_is_missed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint64 misses[] = { 0x0ff, 0x200, SIZE - 1, 0x1fe };

	for (guint i = 0; i < G_N_ELEMENTS(misses); i++) {
		out(fixture, 0x100, 0xe8);
		out(fixture, 0x100, 1);
		out(fixture, 0x100, 0);
		bus_write(fixture->bench.bus, BASE + misses[i], 4, 0);
		out(fixture, 0x100, 0xd0);
		g_assert_cmphex(in(fixture, 0), ==, READY | PROGRAM_ERROR);
		out(fixture, 0, 0x50);
	}
	/* Not confirmed. */
	out(fixture, 0x100, 0xe8);
	out(fixture, 0x100, 0);
	out(fixture, 0x100, 0);
	out(fixture, 0x100, 0xff);
	g_assert_true(fixture->is_array);
	g_assert_cmphex(in(fixture, 0x100), ==, PATTERN);
	g_assert_cmpuint(fixture->n_stores, ==, 0);
}

static void test_readonly(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	out(fixture, 0, 0x40);
	out(fixture, 0, 0);
	g_assert_cmphex(in(fixture, 0), ==, READY | PROGRAM_ERROR | LOCKED);
	out(fixture, 0, 0x50);
	erase(fixture, 0);
	g_assert_cmphex(in(fixture, 0), ==, READY | ERASE_ERROR | LOCKED);
	out(fixture, 0, 0x50);
	out(fixture, 0, 0xe8);
	out(fixture, 0, 0);
	out(fixture, 0, 0);
	out(fixture, 0, 0xd0);
	g_assert_cmphex(in(fixture, 0), ==, READY | PROGRAM_ERROR | LOCKED);
	out(fixture, 0, 0xff);
	g_assert_cmphex(in(fixture, 0), ==, PATTERN);
	g_assert_cmpuint(fixture->n_stores, ==, 0);
}

/* Nothing that comes after a store that failed is stored: the file keeps a state that was. */
static void test_failed_store(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 bytes[] = { 1, 2, 3 };

	program(fixture, 0, bytes, 1);
	fixture->is_broken = TRUE;
	program(fixture, 0, bytes + 1, 1);
	g_assert_cmphex(in(fixture, 0), ==, 1);
	fixture->is_broken = FALSE;
	program(fixture, 0, bytes + 2, 1);
	erase(fixture, BLOCK);
	g_assert_cmphex(status(fixture), ==, READY | PROGRAM_ERROR | ERASE_ERROR);
	out(fixture, 0, 0xff);
	g_assert_cmphex(in(fixture, 0), ==, 1);
	g_assert_cmphex(durable_byte(fixture, 0), ==, 1);
	g_assert_cmphex(durable_byte(fixture, BLOCK), ==, PATTERN);

	out(fixture, 0, 0x50);
	program(fixture, 0, bytes + 2, 1);
	g_assert_cmphex(durable_byte(fixture, 0), ==, 3);
	fixture->is_broken = TRUE;
	erase(fixture, BLOCK);
	g_assert_cmphex(in(fixture, 0), ==, READY | PROGRAM_ERROR | ERASE_ERROR);
	pflash_reset(fixture->pflash);
	g_assert_cmphex(in(fixture, BLOCK), ==, PATTERN);
	fixture->is_broken = FALSE;
	erase(fixture, BLOCK);
	g_assert_cmphex(durable_byte(fixture, BLOCK), ==, 0xff);
}

/* A failure that the guest has not read cannot be cleared. */
static void test_failure_not_seen(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->is_broken = TRUE;
	out(fixture, 0, 0x40);
	out(fixture, 0, 1);
	out(fixture, 0, 0x50);
	fixture->is_broken = FALSE;
	out(fixture, 1, 0x40);
	out(fixture, 1, 2);
	g_assert_cmphex(in(fixture, 0), ==, READY | PROGRAM_ERROR);
	g_assert_cmphex(durable_byte(fixture, 1), ==, PATTERN);
	out(fixture, 0, 0x50);
	g_assert_cmphex(status(fixture), ==, 0);
	out(fixture, 1, 0x40);
	out(fixture, 1, 2);
	g_assert_cmphex(in(fixture, 0), ==, READY);
	g_assert_cmphex(durable_byte(fixture, 1), ==, 2);
}

/* Files */

static void refuse(int fd, gboolean is_readonly, gsize max_size, const char *message)
{
	g_autoptr(GError) error = NULL;
	guint before = count_fds();

	g_assert_null(pflash_file_new(fd, "test.fd", is_readonly, max_size, &error));
	g_assert_nonnull(error);
	g_assert_cmpstr(error->message, ==, message);
	/* The descriptor is closed. */
	g_assert_cmpuint(count_fds(), ==, before - 1);
}

static void test_file_in_use(Fixture *fixture, gconstpointer is_readonly)
{
	g_autoptr(PflashFile) other = NULL;
	const char *message = "flash file test.fd is in use by another domain";

	refuse(open_file(fixture->path, O_RDWR), FALSE, SIZE, message);
	if (!is_readonly) {
		refuse(open_file(fixture->path, O_RDONLY), TRUE, SIZE, message);
		g_clear_pointer(&fixture->file, pflash_file_free);
		other = pflash_file_new(open_file(fixture->path, O_RDWR), "again", FALSE, SIZE,
					NULL);
	} else {
		other = pflash_file_new(open_file(fixture->path, O_RDONLY), "again", TRUE, SIZE,
					NULL);
	}
	g_assert_nonnull(other);
}

static void test_file_access(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	refuse(open_file(fixture->path, O_RDONLY), FALSE, SIZE,
	       "flash file test.fd was opened for reading only: a writable unit writes to it");
	refuse(open_file(fixture->path, O_WRONLY), FALSE, SIZE,
	       "flash file test.fd was not opened for reading");
	refuse(open_file("/dev/zero", O_RDWR), FALSE, SIZE,
	       "flash file test.fd is not a regular file");
}

static int file_of(Fixture *fixture, guint64 size)
{
	g_autofree char *path = g_build_filename(fixture->folder, "other.fd", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ftruncate(fd, size), ==, 0);
	return fd;
}

static void test_file_size(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PflashFile *file;

	refuse(file_of(fixture, 0), FALSE, SIZE, "flash file test.fd is empty");
	refuse(file_of(fixture, BLOCK + 1), FALSE, SIZE,
	       "flash file test.fd has 4097 bytes: not a multiple of 4096");
	refuse(file_of(fixture, 1ull << 40), FALSE, PFLASH_TOTAL_SIZE,
	       "flash file test.fd has 1099511627776 bytes: all flash together has room for 8 "
	       "MiB, of which 8388608 bytes are left");
	refuse(file_of(fixture, 2 * BLOCK), FALSE, BLOCK,
	       "flash file test.fd has 8192 bytes: all flash together has room for 8 MiB, of "
	       "which 4096 bytes are left");
	file = pflash_file_new(file_of(fixture, PFLASH_TOTAL_SIZE), "x", FALSE, PFLASH_TOTAL_SIZE,
			       NULL);
	g_assert_nonnull(file);
	g_assert_cmpuint(pflash_file_size(file), ==, PFLASH_TOTAL_SIZE);
	g_assert_cmpuint((guintptr)pflash_file_content(file) % sysconf(_SC_PAGESIZE), ==, 0);
	pflash_file_free(file);
}

/* Only what the guest changed reaches the file, in blocks, and of those it did. */
static void test_file_store(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *content = NULL;

	memset(pflash_file_content(fixture->file), 1, SIZE);
	g_assert_true(pflash_file_store(fixture->file, 2 * BLOCK - 1, 2, NULL));
	content = durable(fixture);
	g_assert_cmphex(content[BLOCK - 1], ==, PATTERN);
	g_assert_cmphex(content[BLOCK], ==, 1);
	g_assert_cmphex(content[3 * BLOCK - 1], ==, 1);
	g_assert_cmphex(content[3 * BLOCK], ==, PATTERN);
	g_assert_true(pflash_file_store(fixture->file, SIZE - 1, 1, NULL));
	g_assert_cmphex(durable_byte(fixture, SIZE - 1), ==, 1);
}

/* A limit on the size of files is the failure that a test can have without a full disk. */
static void test_file_cannot_be_written(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	struct rlimit before, limit;

	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = BLOCK;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	g_assert_false(pflash_file_store(fixture->file, BLOCK, 1, &error));
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
	g_assert_cmpstr(error->message, ==, "flash file vars.fd cannot be written: File too large");
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

static void add_readonly(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, "readonly", start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/pflash/mode/array", test_array);
	add("/pflash/mode/detection", test_detection);
	add_readonly("/pflash/mode/detection-readonly", test_detection);
	add("/pflash/mode/identifiers", test_identifiers);
	add("/pflash/mode/cfi", test_cfi);
	add("/pflash/mode/locks", test_locks);
	add("/pflash/mode/reset", test_reset);
	add("/pflash/program", test_program);
	add("/pflash/program-wide", test_program_wide);
	add("/pflash/program-is-stored-before-it-is-told",
	    test_program_is_stored_before_it_is_told);
	add("/pflash/blocks-are-stored-in-order", test_blocks_are_stored_in_order);
	add("/pflash/erase", test_erase);
	add("/pflash/erase-wants-to-be-confirmed", test_erase_wants_to_be_confirmed);
	add("/pflash/buffer/part", test_buffer);
	add("/pflash/buffer/full", test_buffer_is_full);
	add("/pflash/buffer/missed", test_buffer_is_missed);
	add_readonly("/pflash/readonly", test_readonly);
	add("/pflash/failed-store", test_failed_store);
	add("/pflash/failure-not-seen", test_failure_not_seen);
	add("/pflash/file/in-use", test_file_in_use);
	add_readonly("/pflash/file/shared", test_file_in_use);
	add("/pflash/file/access", test_file_access);
	add("/pflash/file/size", test_file_size);
	add("/pflash/file/store", test_file_store);
	add("/pflash/file/cannot-be-written", test_file_cannot_be_written);

	return g_test_run();
}
