/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-raw-test.c - disks that are files, with real ones: short, full, read-only, locked */
#include <gio/gio.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/unit/block-world.h"
#include "vmm/backend/block-raw.h"
#include "vmm/backend/image-lock.h"
#include "vmm/backend/staging.h"

#define MIB (1u << 20)

typedef struct {
	GMainContext *context;
	IoRing *ring;
	char *path;
	int fd; /* the test's own */
	BlockBackend *backend;
} Fixture;

/* Return: FALSE where this machine has no io_uring; the test is skipped then. */
static gboolean set_up(Fixture *fixture, guint64 size, gboolean is_direct,
		       const BlockConfig *config)
{
	g_autoptr(GError) error = NULL;
	int fd;

	*fixture = (Fixture){ .fd = -1 };
	fixture->ring = io_ring_new(&error);
	if (!fixture->ring) {
		g_test_skip(error->message);
		return FALSE;
	}
	fixture->context = g_main_context_new();
	io_ring_attach(fixture->ring, fixture->context);
	fixture->fd = image_new(&fixture->path, size);
	fd = open(fixture->path, (config->is_readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	fixture->backend = block_raw_new(fd, is_direct, config, &error);
	if (!fixture->backend && is_direct) {
		close(fd);
		g_test_skip(error->message);
		return FALSE;
	}
	g_assert_no_error(error);
	block_backend_attach(fixture->backend, fixture->context, fixture->ring);
	return TRUE;
}

static void tear_down(Fixture *fixture)
{
	block_backend_free(fixture->backend);
	io_ring_free(fixture->ring);
	if (fixture->context)
		g_main_context_unref(fixture->context);
	if (fixture->fd >= 0)
		close(fixture->fd);
	if (fixture->path)
		g_assert_cmpint(g_remove(fixture->path), ==, 0);
	g_free(fixture->path);
}

static int run(Fixture *fixture, BlockOperation operation, guint64 offset, void *data, guint64 size)
{
	return do_request(fixture->backend, fixture->context, operation, offset, data, size);
}

static const BlockConfig plain = { .name = "test" };
static const BlockConfig unmapping = { .name = "test", .discard = BLOCK_DISCARD_UNMAP };

#define MODEL_SIZE   (256u << 10)
#define MODEL_ROUNDS 400u

static guint64 random_size(guint64 offset)
{
	const guint64 size = (guint64)g_test_rand_int_range(1, 20000);

	return MIN(size, MODEL_SIZE - offset);
}

/* What is read is what was written last, whatever else goes on and however it is aligned. */
static void check_model(gboolean is_direct, guint step)
{
	g_autofree guint8 *model = g_malloc0(MODEL_SIZE);
	Fixture fixture;
	guint8 *data;

	if (!set_up(&fixture, MODEL_SIZE, is_direct, &unmapping)) {
		tear_down(&fixture);
		return;
	}
	data = staging_take(io_ring_staging(fixture.ring), MODEL_SIZE);
	for (guint round = 0; round < MODEL_ROUNDS; round++) {
		const guint64 offset = (guint64)g_test_rand_int_range(0, MODEL_SIZE) / step * step;
		const guint64 size = MAX(random_size(offset) / step * step, step);
		const guint shift = round % 3 == 0 ? 0 : round % 7;

		switch (g_test_rand_int_range(0, 4)) {
		case 0:
			memset(data + shift, (int)round + 1, size);
			memset(model + offset, (int)round + 1, size);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE, offset, data + shift, size), ==,
					0);
			break;
		case 1:
			memset(model + offset, 0, size);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, offset, NULL, size), ==,
					0);
			break;
		default:
			g_assert_cmpint(run(&fixture, BLOCK_READ, offset, data + shift, size), ==,
					0);
			g_assert_cmpmem(data + shift, size, model + offset, size);
		}
	}
	g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
	g_assert_cmpint(pread(fixture.fd, data, MODEL_SIZE, 0), ==, MODEL_SIZE);
	g_assert_cmpmem(data, MODEL_SIZE, model, MODEL_SIZE);
	tear_down(&fixture);
}

static void test_model(void)
{
	check_model(FALSE, 512);
	check_model(FALSE, 1);
}

static void test_model_direct(void)
{
	check_model(TRUE, 4096);
	check_model(TRUE, 512);
}

/* Writes into the same block at the same time: each of them is there in the end. */
static void test_neighbours(void)
{
	enum { COUNT = 64, SIZE = 512 };
	TestRequest requests[COUNT];
	guint8 data[COUNT][SIZE], seen[COUNT * SIZE];
	Fixture fixture;

	if (set_up(&fixture, MIB, TRUE, &plain)) {
		for (guint i = 0; i < COUNT; i++) {
			memset(data[i], (int)i + 1, SIZE);
			test_request_init(&requests[i], BLOCK_WRITE, (guint64)i * SIZE, data[i],
					  SIZE);
			block_submit(fixture.backend, &requests[i].request);
		}
		for (guint i = 0; i < COUNT; i++)
			g_assert_cmpint(test_request_wait(&requests[i], fixture.context), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, seen, sizeof(seen)), ==, 0);
		g_assert_cmpmem(seen, sizeof(seen), data, sizeof(data));
	}
	tear_down(&fixture);
}

/* More at once than the ring has room for, each in several pieces. */
static void test_many(void)
{
	enum { COUNT = 1000 };
	g_autofree TestRequest *requests = g_new(TestRequest, COUNT);
	g_autofree guint32 *data = g_new(guint32, COUNT * 128);
	struct iovec pieces[COUNT][2];
	g_autofree guint32 *seen = g_new(guint32, COUNT * 128);
	Fixture fixture;

	if (set_up(&fixture, MIB, FALSE, &plain)) {
		for (guint i = 0; i < COUNT; i++) {
			guint32 *sector = data + i * 128;

			for (guint j = 0; j < 128; j++)
				sector[j] = i * 1000 + j;
			pieces[i][0] = (struct iovec){ sector, 12 };
			pieces[i][1] = (struct iovec){ sector + 3, 500 };
			test_request_init(&requests[i], BLOCK_WRITE, i * 512ull, sector, 512);
			requests[i].request.iovec = pieces[i];
			requests[i].request.n_iovec = 2;
			block_submit(fixture.backend, &requests[i].request);
		}
		for (guint i = 0; i < COUNT; i++)
			g_assert_cmpint(test_request_wait(&requests[i], fixture.context), ==, 0);
		g_assert_cmpint(pread(fixture.fd, seen, COUNT * 512, 0), ==, COUNT * 512);
		g_assert_cmpmem(seen, COUNT * 512, data, COUNT * 512);
	}
	tear_down(&fixture);
}

static void test_range(void)
{
	guint8 data[1024] = { 0 };
	Fixture fixture;

	if (set_up(&fixture, 4096, FALSE, &plain)) {
		g_assert_cmpint(run(&fixture, BLOCK_READ, 4096, data, 512), ==, EINVAL);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 3584, data, 1024), ==, EINVAL);
		g_assert_cmpint(run(&fixture, BLOCK_READ, G_MAXUINT64 - 511, data, 1024), ==,
				EINVAL);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 512, NULL, 1ull << 40), ==,
				EINVAL);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 3584, data, 512), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, NULL, 0), ==, 0);
	}
	tear_down(&fixture);
}

static void test_shrunk(void)
{
	guint8 data[8192];
	Fixture fixture;

	for (gboolean is_direct = FALSE; is_direct <= TRUE; is_direct++) {
		if (set_up(&fixture, 64 << 10, is_direct, &plain)) {
			g_assert_cmpint(ftruncate(fixture.fd, 10000), ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 8192), ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_READ, 4096, data, 8192), ==, EIO);
			g_assert_cmpint(run(&fixture, BLOCK_READ, 32768, data, 4096), ==, EIO);
		}
		tear_down(&fixture);
	}
}

static guint64 file_size(const Fixture *fixture)
{
	struct stat status;

	g_assert_cmpint(fstat(fixture->fd, &status), ==, 0);
	return (guint64)status.st_size;
}

/*
 * A file that is no whole number of sectors: the last one is there, and ends with zeroes. The file
 * stays as long as it is, whatever is written.
 */
static void test_tail(void)
{
	for (gboolean is_direct = FALSE; is_direct <= TRUE; is_direct++) {
		guint8 data[1024];
		Fixture fixture;

		if (set_up(&fixture, 1000, is_direct, &plain)) {
			g_assert_cmpuint(block_backend_limits(fixture.backend)->size, ==, 1024);
			g_assert_cmpint(pwrite(fixture.fd, "end", 3, 997), ==, 3);
			memset(data, 1, sizeof(data));
			g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 1024), ==, 0);
			g_assert_cmpmem(data + 997, 5, "end\0\0", 5);
			memset(data, 7, sizeof(data));
			g_assert_cmpint(run(&fixture, BLOCK_WRITE, 512, data, 512), ==, EIO);
			memset(data + 488, 0, 24);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE, 512, data, 512), ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 1024), ==, 0);
			g_assert_cmpuint(data[511], ==, 0);
			g_assert_cmpuint(data[512], ==, 7);
			g_assert_cmpuint(data[999], ==, 7);
			g_assert_cmpuint(data[1000], ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 0, NULL, 1024), ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 1024), ==, 0);
			g_assert_cmpuint(data[512] | data[999], ==, 0);
			g_assert_cmpuint(file_size(&fixture), ==, 1000);
		}
		tear_down(&fixture);
	}
}

/* Nor does one that is whole sectors, but no whole blocks of those that O_DIRECT takes. */
static void test_length(void)
{
	static const guint64 sizes[] = { 512, 4096 + 512, 3 * 4096 - 512, 4096 };

	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		const guint64 last = sizes[i] - 512;
		guint8 data[512], seen[512];
		Fixture fixture;

		memset(data, 5, sizeof(data));
		if (set_up(&fixture, sizes[i], TRUE, &plain)) {
			g_assert_cmpint(run(&fixture, BLOCK_WRITE, last, data, 512), ==, 0);
			g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
			g_assert_cmpuint(file_size(&fixture), ==, sizes[i]);
			g_assert_cmpint(run(&fixture, BLOCK_READ, last, seen, 512), ==, 0);
			g_assert_cmpmem(seen, 512, data, 512);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, last, NULL, 512), ==, 0);
			g_assert_cmpuint(file_size(&fixture), ==, sizes[i]);
		}
		tear_down(&fixture);
	}
}

/* What a file has got since then that is no whole block is not there for a disk without cache. */
static void test_grown_direct(void)
{
	guint8 data[512] = { 0 };
	Fixture fixture;

	if (set_up(&fixture, 4096, TRUE, &plain)) {
		const guint32 alignment = block_backend_limits(fixture.backend)->alignment;

		g_assert_cmpint(ftruncate(fixture.fd, 8192 + 512), ==, 0);
		g_assert_true(block_backend_poll_size(fixture.backend));
		g_assert_cmpuint(block_backend_limits(fixture.backend)->size, ==,
				 (8192 + 512) / alignment * alignment);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 8192 - 512, data, 512), ==, 0);
		g_assert_cmpuint(file_size(&fixture), ==, 8192 + 512);
	}
	tear_down(&fixture);
}

static void test_grown(void)
{
	guint8 data[512];
	Fixture fixture;

	if (set_up(&fixture, 4096, FALSE, &plain)) {
		g_assert_false(block_backend_poll_size(fixture.backend));
		g_assert_cmpint(ftruncate(fixture.fd, 8192), ==, 0);
		g_assert_true(block_backend_poll_size(fixture.backend));
		g_assert_cmpuint(block_backend_limits(fixture.backend)->size, ==, 8192);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 7680, data, 512), ==, 0);
	}
	tear_down(&fixture);
}

static void test_readonly(void)
{
	static const BlockConfig config = { .name = "test", .is_readonly = TRUE };
	g_autoptr(GError) error = NULL;
	guint8 data[512];
	Fixture fixture;

	if (set_up(&fixture, 4096, FALSE, &config)) {
		int fd = open(fixture.path, O_RDONLY | O_CLOEXEC);

		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 512), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, 512), ==, EROFS);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 0, NULL, 512), ==, EROFS);
		g_assert_cmpint(run(&fixture, BLOCK_DISCARD, 0, NULL, 512), ==, EROFS);
		g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
		g_assert_null(block_raw_new(fd, FALSE, &plain, &error));
		g_assert_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
		close(fd);
	}
	tear_down(&fixture);
}

static void test_no_file(void)
{
	g_autoptr(GError) error = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	g_assert_null(block_raw_new(fd, FALSE, &plain, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
	close(fd);
}

static guint64 used_bytes(const Fixture *fixture)
{
	struct stat status;

	g_assert_cmpint(fstat(fixture->fd, &status), ==, 0);
	return (guint64)status.st_blocks * 512;
}

/* Two buffers with addresses of their own, at which nothing is; what is there otherwise. */
#define DIRECT_SIZE (64u << 10)

typedef struct {
	guint8 *places;
	guint8 *memory; /* the test's view of what is registered */
} Direct;

static void set_up_direct(Fixture *fixture, Direct *direct)
{
	const int fd = memfd_create("guest", MFD_CLOEXEC);
	const gsize size = 2 * DIRECT_SIZE;

	g_assert_cmpint(ftruncate(fd, size), ==, 0);
	direct->places = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	direct->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	g_assert_true(direct->places != MAP_FAILED && direct->memory != MAP_FAILED);
	for (guint i = 0; i < 2; i++)
		g_assert_true(io_ring_set_buffer(fixture->ring, IO_RING_FIRST_DIRECT + i,
						 direct->places + i * DIRECT_SIZE, DIRECT_SIZE));
	g_assert_true(mmap(direct->places, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			   -1, 0) != MAP_FAILED);
	close(fd);
}

static void tear_down_direct(Direct *direct)
{
	munmap(direct->places, 2 * DIRECT_SIZE);
	munmap(direct->memory, 2 * DIRECT_SIZE);
}

/* @offset: in the direct memory too, from where on so many pieces follow each other. */
static int run_direct(Fixture *fixture, const Direct *direct, BlockOperation operation,
		      guint64 offset, guint pieces, gsize size)
{
	struct iovec iovecs[8];
	TestRequest request;

	test_request_init(&request, operation, offset, NULL, pieces * size);
	for (guint i = 0; i < pieces; i++)
		iovecs[i] = (struct iovec){ direct->places + offset + i * size, size };
	request.request.iovec = iovecs;
	request.request.n_iovec = pieces;
	request.request.is_direct = TRUE;
	block_submit(fixture->backend, &request.request);
	return test_request_wait(&request, fixture->context);
}

/* Memory that this process cannot touch, of several buffers at once. */
static void test_direct(void)
{
	Fixture fixture;

	for (gboolean is_direct = FALSE; is_direct <= TRUE; is_direct++) {
		if (set_up(&fixture, 2 * DIRECT_SIZE, is_direct, &plain)) {
			g_autofree guint8 *content = g_malloc(2 * DIRECT_SIZE);
			const gsize from = DIRECT_SIZE - 8192;
			Direct direct;

			set_up_direct(&fixture, &direct);
			for (guint i = 0; i < 2 * DIRECT_SIZE; i++)
				content[i] = (guint8)(i * 3 + i / 4096);
			memcpy(direct.memory + from, content + from, 4 * 4096);
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_WRITE, from, 4, 4096),
					==, 0);
			memset(direct.memory, 0, 2 * DIRECT_SIZE);
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_READ, from, 4, 4096),
					==, 0);
			g_assert_cmpmem(direct.memory + from, 4 * 4096, content + from, 4 * 4096);
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_READ, from, 1, 4096),
					==, 0);
			/* What is not whole blocks is not for memory that only the kernel has. */
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_READ, 7, 1, 4096), ==,
					is_direct ? EFAULT : 0);
			/* Nor is what the kernel has forgotten. */
			g_assert_true(io_ring_set_buffer(fixture.ring, IO_RING_FIRST_DIRECT + 1,
							 NULL, 0));
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_READ, from, 4, 4096),
					==, EFAULT);
			/* Nor is what the file does not have. */
			g_assert_cmpint(ftruncate(fixture.fd, 4096), ==, 0);
			g_assert_cmpint(run_direct(&fixture, &direct, BLOCK_READ, 0, 2, 4096), ==,
					EFAULT);
			tear_down_direct(&direct);
		}
		tear_down(&fixture);
	}
}

static void test_discard(void)
{
	g_autofree guint8 *data = g_malloc(MIB);
	Fixture fixture;

	memset(data, 1, MIB);
	if (set_up(&fixture, MIB, FALSE, &unmapping)) {
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), >=, MIB);
		g_assert_cmpint(run(&fixture, BLOCK_DISCARD, 0, NULL, MIB), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), <, MIB / 2);
	}
	tear_down(&fixture);
	if (set_up(&fixture, MIB, FALSE, &plain)) {
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_DISCARD, 0, NULL, MIB), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), >=, MIB);
	}
	tear_down(&fixture);
}

static void test_detect_zeroes(void)
{
	static const BlockConfig config = {
		.name = "test",
		.discard = BLOCK_DISCARD_UNMAP,
		.detect_zeroes = BLOCK_DETECT_ZEROES_UNMAP,
	};
	g_autofree guint8 *data = g_malloc(MIB);
	Fixture fixture;

	memset(data, 1, MIB);
	if (set_up(&fixture, MIB, FALSE, &config)) {
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), >=, MIB);
		memset(data, 0, MIB);
		data[MIB - 1] = 1;
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), >=, MIB);
		data[MIB - 1] = 0;
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB), ==, 0);
		g_assert_cmpuint(used_bytes(&fixture), <, MIB / 2);
		memset(data, 1, MIB);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, MIB), ==, 0);
		g_assert_cmpuint(data[0] | data[MIB - 1], ==, 0);
	}
	tear_down(&fixture);
}

static void test_write_through(void)
{
	guint8 data[5000] = { 1 };
	Fixture fixture;

	if (set_up(&fixture, MIB, FALSE, &unmapping)) {
		block_backend_set_write_cache(fixture.backend, FALSE);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 100, data, sizeof(data)), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 512, NULL, 4096), ==, 0);
	}
	tear_down(&fixture);
}

/* A file system with little room, which has holes, too, but no ranges of zeroes. */
static void test_full(void)
{
	g_autofree char *folder = g_dir_make_tmp("libvirt-gmem-full-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "image", NULL);
	g_autofree guint8 *data = g_malloc(MIB);
	g_autoptr(GError) error = NULL;
	Fixture fixture;
	int fd;

	if (mount("tmpfs", folder, "tmpfs", 0, "size=1m") < 0) {
		g_test_skip("only root can mount a file system that is full");
		g_rmdir(folder);
		return;
	}
	memset(data, 1, MIB);
	if (set_up(&fixture, 512, FALSE, &unmapping)) {
		block_backend_free(fixture.backend);
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		g_assert_cmpint(ftruncate(fd, 4 * MIB), ==, 0);
		fixture.backend = block_raw_new(fd, FALSE, &unmapping, &error);
		g_assert_no_error(error);
		block_backend_attach(fixture.backend, fixture.context, fixture.ring);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, MIB / 2), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, MIB, data, MIB), ==, ENOSPC);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 2 * MIB, NULL, 2 * MIB), ==,
				ENOSPC);
		g_assert_cmpint(run(&fixture, BLOCK_DISCARD, 0, NULL, 4 * MIB), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE, MIB, data, MIB / 2), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, MIB, NULL, MIB / 2), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_READ, MIB, data, MIB / 2), ==, 0);
		g_assert_cmpuint(data[0] | data[MIB / 2 - 1], ==, 0);
	}
	tear_down(&fixture);
	g_assert_cmpint(umount2(folder, MNT_DETACH), ==, 0);
	g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* What is no business of disks, the kernel refuses this ring. */
static void test_restricted(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(IoRing) ring = io_ring_new(&error);
	int files[1] = { 0 };

	if (!ring) {
		g_test_skip(error->message);
		return;
	}
	g_assert_cmpint(
		syscall(SYS_io_uring_register, io_ring_fd(ring), IORING_REGISTER_FILES, files, 1),
		==, -1);
	g_assert_cmpint(errno, ==, EACCES);
}

static void wake(void *opaque)
{
	(*(guint *)opaque)++;
}

static void test_staging(void)
{
	g_autoptr(GError) error = NULL;
	Staging *staging = staging_new(64 << 10, &error);
	guint woken = 0;
	StagingWaiter waiter = { .wake = wake, .opaque = &woken };
	guint8 *first, *second, *third;

	g_assert_no_error(error);
	first = staging_take(staging, 32 << 10);
	second = staging_take(staging, 1);
	third = staging_take(staging, (28 << 10) - 1);
	g_assert_true(first && second && third);
	g_assert_true(second == first + (32 << 10) && third == second + 4096);
	g_assert_null(staging_take(staging, 1));
	staging_wait(staging, &waiter);
	staging_wait(staging, &waiter);
	staging_give(staging, second, 1);
	g_assert_cmpuint(woken, ==, 1);
	g_assert_null(staging_take(staging, 4097));
	g_assert_true(staging_take(staging, 4096) == second);
	staging_wait(staging, &waiter);
	staging_wait_no_more(staging, &waiter);
	staging_give(staging, first, 32 << 10);
	g_assert_cmpuint(woken, ==, 1);
	staging_free(staging);
}

/* Two disks, and what each of them has of the other. */
static void check_locks(ImageLockFlags one, ImageLockFlags two, gboolean get_along)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	int fd = image_new(&path, 4096);
	int other = open(path, O_RDWR | O_CLOEXEC);

	g_assert_true(image_lock(fd, path, one, &error));
	g_assert_no_error(error);
	g_assert_cmpint(image_lock(other, path, two, &error), ==, get_along);
	if (!get_along) {
		g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BUSY);
		g_assert_nonnull(strstr(error->message, path));
		g_clear_error(&error);
	}
	close(fd);
	g_assert_true(image_lock(other, path, two, &error));
	close(other);
	g_remove(path);
}

static void test_locks(void)
{
	check_locks(0, 0, FALSE);
	check_locks(0, IMAGE_READ_ONLY, FALSE);
	check_locks(IMAGE_READ_ONLY, 0, FALSE);
	check_locks(IMAGE_READ_ONLY, IMAGE_READ_ONLY, TRUE);
	check_locks(IMAGE_SHAREABLE, IMAGE_SHAREABLE, TRUE);
	check_locks(IMAGE_SHAREABLE, 0, FALSE);
	check_locks(0, IMAGE_SHAREABLE, FALSE);
	check_locks(IMAGE_SHAREABLE, IMAGE_SHAREABLE | IMAGE_READ_ONLY, TRUE);
	check_locks(IMAGE_SHAREABLE, IMAGE_READ_ONLY, FALSE);
}

/* QEMU's own tool does not write to what is a domain's. */
static void test_locks_qemu(void)
{
	g_autofree char *qemu_io = g_find_program_in_path("qemu-io");
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	const char *argv[] = { qemu_io, "-f", "raw", "-c", "write 0 512", NULL, NULL };
	int status;
	int fd;

	if (!qemu_io) {
		g_test_skip("qemu-io is not installed (qemu-utils)");
		return;
	}
	fd = image_new(&path, 4096);
	argv[5] = path;
	for (guint round = 0; round < 2; round++) {
		g_autofree char *errors = NULL;

		if (round == 0)
			g_assert_true(image_lock(fd, path, 0, &error));
		g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
					   NULL, NULL, NULL, &errors, &status, &error));
		g_assert_cmpint(strstr(errors, "lock") != NULL, ==, round == 0);
		if (round == 0)
			close(fd);
	}
	g_remove(path);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-raw/model", test_model);
	g_test_add_func("/block-raw/model-direct", test_model_direct);
	g_test_add_func("/block-raw/neighbours", test_neighbours);
	g_test_add_func("/block-raw/many", test_many);
	g_test_add_func("/block-raw/range", test_range);
	g_test_add_func("/block-raw/shrunk", test_shrunk);
	g_test_add_func("/block-raw/tail", test_tail);
	g_test_add_func("/block-raw/length", test_length);
	g_test_add_func("/block-raw/grown", test_grown);
	g_test_add_func("/block-raw/grown-direct", test_grown_direct);
	g_test_add_func("/block-raw/readonly", test_readonly);
	g_test_add_func("/block-raw/no-file", test_no_file);
	g_test_add_func("/block-raw/guest-memory", test_direct);
	g_test_add_func("/block-raw/discard", test_discard);
	g_test_add_func("/block-raw/detect-zeroes", test_detect_zeroes);
	g_test_add_func("/block-raw/write-through", test_write_through);
	g_test_add_func("/block-raw/full", test_full);
	g_test_add_func("/io-ring/restricted", test_restricted);
	g_test_add_func("/staging/all", test_staging);
	g_test_add_func("/image-lock/users", test_locks);
	g_test_add_func("/image-lock/qemu", test_locks_qemu);
	return g_test_run();
}
