/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dma.c - what it takes to carry content to and from guest memory, and from a file to it
 *
 * Theory of operation
 *
 * The memory engine itself, with a VM that has no processors of its guest's. All ways are timed in
 * turn, of one page and of 64:
 *
 *   read, write      a channel's transfer of neighbouring pages
 *   scattered        the same of pages that are no neighbours, one piece each; a read
 *   two              a read while another channel does the same on another thread
 *   pin              pages are pinned, as the rings of a queue, and given back
 *   file-buffer      a file is read into a buffer of this process's
 *   file-channel     the same, and written to guest memory by a channel
 *
 * and where guest memory can be mapped:
 *
 *   file-window      a file is read into a window elsewhere, which is made for it and goes again
 *   ring-buffer      a file is read into a plain buffer that io_uring has registered
 *   ring-guest       the same of guest memory, with no window open: the engine has registered it
 *   ring-scattered   a file of memory is read into registered pages that are no neighbours, all in
 *                    one system call
 *   ring-gathered    registered pages that are no neighbours go into a pipe in one system call, and
 *                    are read from there
 *   register         a piece of guest memory is registered, in the place of another
 *
 *   KIND COUNT
 *
 * Prints a line a time, COUNT rounds of all: WAY PAGES NANOSECONDS, of one transfer. What was read
 * is compared with the file at the end, for each way, and what a pin shows with what a channel
 * reads.
 */
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <liburing.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "tests/bench/bare.h"
#include "vmm/memory/dma.h"
#include "vmm/memory/engine.h"

#define MEMORY_SIZE (64ull << 20)
#define TIMES	    64 /* a value is the median of so many */
#define LARGE	    64ull
#define STRIDE	    (LARGE * 2 * PAGE)
#define PLACES	    32

/* Pieces that io_uring can know of. */
#define PIECES (PLACES * STRIDE / DIRECT_PIECE_SIZE)

/* As many runs of windows, pins among them. */
#define WINDOWS_MAX 1024

/* What files are read to, all of the ways alike; it takes PLACES strides. */
#define GROUND (16ull << 20)

typedef struct {
	KvmVm *vm;
	Memory *memory;
	DmaChannel *channel;
	DmaChannel *other;
	int file;
	int carrier;	 /* a file of memory, as large as the largest transfer */
	int pipe[2];	 /* that takes the largest transfer */
	guint8 *content; /* of the file */
	guint8 *buffer;	 /* as large as the largest transfer */
	guint8 *plain;	 /* as large as what is used of guest memory, in pages of the same size */
	struct io_uring ring;
	DirectMemory *direct; /* with room for all that is used */
	DirectMemory *narrow; /* with room for one piece */
} Bench;

static void check(gboolean is_done, GError *error)
{
	if (!is_done)
		errx(1, "%s", error ? error->message : "failed");
}

static void on_host_touch(void *opaque, const HostTouch *touch)
{
	(void)opaque;
	(void)touch;
}

static void on_failed(void *opaque, const GError *error)
{
	(void)opaque;
	errx(1, "the engine failed: %s", error->message);
}

static void make_memory(Bench *bench, KvmMemoryKind kind)
{
	static const MemoryListener listener = { on_host_touch, on_failed };
	const MemoryConfig config = {
		.size = MEMORY_SIZE,
		.listener = &listener,
		.userfaultfd_device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC),
		.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
		.windows_max = WINDOWS_MAX,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	GError *error = NULL;

	if (kvm < 0)
		err(1, "/dev/kvm");
	bench->vm = kvm_vm_new(kvm, kind, &error);
	check(bench->vm && kvm_vm_create_interrupt_controllers(bench->vm, &error), error);
	bench->memory = memory_new(bench->vm, &config, &error);
	check(bench->memory != NULL, error);
	bench->channel = dma_channel_new(bench->memory, &error);
	check(bench->channel != NULL, error);
	bench->other = dma_channel_new(bench->memory, &error);
	check(bench->other != NULL, error);
}

/* In the page cache, so that the way is what is measured, not the disk. */
static void make_file(Bench *bench)
{
	char path[] = "/var/tmp/gmem-bench.XXXXXX";
	gsize size = LARGE * PAGE;

	bench->content = g_malloc(size);
	bench->buffer = g_malloc(size);
	bench->plain = mmap(NULL, PLACES * STRIDE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bench->plain == MAP_FAILED)
		err(1, "mmap");
	madvise(bench->plain, PLACES * STRIDE, MADV_NOHUGEPAGE);
	memset(bench->plain, 1, PLACES * STRIDE);
	for (gsize i = 0; i < size; i++)
		bench->content[i] = i * 7 + i / PAGE;
	bench->file = mkstemp(path);
	if (bench->file < 0 || unlink(path) < 0 ||
	    write(bench->file, bench->content, size) != (gssize)size)
		err(1, "%s", path);
	bench->carrier = memfd_create("carrier", MFD_CLOEXEC);
	if (bench->carrier < 0 || ftruncate(bench->carrier, (off_t)size) < 0 ||
	    fcntl(bench->carrier, F_SETFL, O_NONBLOCK) < 0)
		err(1, "memfd_create");
	if (pipe2(bench->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(bench->pipe[1], F_SETPIPE_SZ, (int)size) < 0)
		err(1, "pipe2");
}

/* Each place's pages hold something: their first use would be another measurement. */
static void fill_memory(Bench *bench)
{
	for (guint i = 0; i < PLACES; i++) {
		const DmaPiece pieces[] = {
			{ GROUND + i * STRIDE, LARGE * PAGE },
			{ GROUND + i * STRIDE + LARGE * PAGE, LARGE * PAGE },
		};
		GError *error = NULL;

		memset(bench->buffer, 1, LARGE * PAGE);
		check(dma_channel_write(bench->channel, &pieces[0], 1, bench->buffer, &error) &&
			      dma_channel_write(bench->channel, &pieces[1], 1, bench->buffer,
						&error),
		      error);
	}
}

static int guest_memfd(const Bench *bench)
{
	RamRun run;

	if (!ram_find(&bench->memory->ram, GROUND, PAGE, &run))
		errx(1, "no guest RAM");
	return run.block->guest_memfd;
}

static guint8 *map_guest(const Bench *bench, guint64 gpa, gsize size)
{
	RamRun run;
	void *window;

	if (!ram_find(&bench->memory->ram, gpa, size, &run))
		errx(1, "no guest RAM");
	window = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      run.block->guest_memfd, run.first << PAGE_SHIFT);
	if (window == MAP_FAILED)
		err(1, "mmap of guest_memfd");
	return window;
}

static gboolean set_buffer(void *opaque, guint buffer, void *address, gsize size)
{
	struct iovec iovec = { address, size };
	Bench *bench = opaque;

	return io_uring_register_buffers_update_tag(&bench->ring, buffer, &iovec, NULL, 1) == 1;
}

/* The plain buffer is the first, guest memory has those behind it. */
static void register_buffers(Bench *bench)
{
	struct iovec buffer = { bench->plain, PLACES * STRIDE };
	int result = io_uring_queue_init(LARGE, &bench->ring, 0);
	GError *error = NULL;

	if (result == 0)
		result = io_uring_register_buffers_sparse(&bench->ring, 2 + PIECES);
	if (result == 0)
		result = io_uring_register_buffers_update_tag(&bench->ring, 0, &buffer, NULL, 1);
	if (result < 0)
		errx(1, "io_uring: %s", g_strerror(-result));
	bench->direct = direct_memory_new(bench->memory, 1, PIECES, set_buffer, bench, &error);
	check(bench->direct != NULL, error);
	bench->narrow = direct_memory_new(bench->memory, 1 + PIECES, 1, set_buffer, bench, &error);
	check(bench->narrow != NULL, error);
}

/* ---- The ways ------------------------------------------------------------------------------ */

static void read_by(DmaChannel *channel, guint64 gpa, guint64 pages, guint8 *data)
{
	const DmaPiece piece = { gpa, pages * PAGE };
	GError *error = NULL;

	check(dma_channel_read(channel, &piece, 1, data, &error), error);
}

static void by_read(Bench *bench, guint64 gpa, guint64 pages)
{
	read_by(bench->channel, gpa, pages, bench->buffer);
}

static void by_write(Bench *bench, guint64 gpa, guint64 pages)
{
	const DmaPiece piece = { gpa, pages * PAGE };
	GError *error = NULL;

	check(dma_channel_write(bench->channel, &piece, 1, bench->buffer, &error), error);
}

static void by_scattered(Bench *bench, guint64 gpa, guint64 pages)
{
	DmaPiece pieces[LARGE];
	GError *error = NULL;

	for (guint64 i = 0; i < pages; i++)
		pieces[i] = (DmaPiece){ gpa + i * 2 * PAGE, PAGE };
	check(dma_channel_read(bench->channel, pieces, pages, bench->buffer, &error), error);
}

static void by_pin(Bench *bench, guint64 gpa, guint64 pages)
{
	GError *error = NULL;
	MemoryPin *pin = memory_pin(bench->memory, gpa, pages * PAGE, NULL, NULL, &error);

	check(pin != NULL, error);
	memory_unpin(pin);
}

static void from_file(Bench *bench, guint8 *buffer, gsize size)
{
	if (pread(bench->file, buffer, size, 0) != (gssize)size)
		err(1, "reading the file");
}

static void by_file_buffer(Bench *bench, guint64 gpa, guint64 pages)
{
	from_file(bench, bench->plain + (gpa - GROUND), pages * PAGE);
}

static void by_file_channel(Bench *bench, guint64 gpa, guint64 pages)
{
	from_file(bench, bench->buffer, pages * PAGE);
	by_write(bench, gpa, pages);
}

static void by_file_window(Bench *bench, guint64 gpa, guint64 pages)
{
	guint8 *window = map_guest(bench, gpa, pages * PAGE);

	from_file(bench, window, pages * PAGE);
	munmap(window, pages * PAGE);
}

/* What is prepared, @count requests that end with @size bytes each. */
static void finish_ring(Bench *bench, guint count, gsize size)
{
	struct io_uring_cqe *completion;

	if (io_uring_submit_and_wait(&bench->ring, count) < 0)
		errx(1, "io_uring");
	for (guint i = 0; i < count; i++) {
		int result;

		if (io_uring_wait_cqe(&bench->ring, &completion) < 0)
			errx(1, "io_uring");
		result = completion->res;
		io_uring_cqe_seen(&bench->ring, completion);
		if (result != (int)size)
			errx(1, "a transfer by io_uring: %d", result);
	}
}

static void by_ring(Bench *bench, guint8 *buffer, guint64 pages, int index)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&bench->ring);

	io_uring_prep_read_fixed(entry, bench->file, buffer, pages * PAGE, 0, index);
	finish_ring(bench, 1, pages * PAGE);
}

static void by_ring_buffer(Bench *bench, guint64 gpa, guint64 pages)
{
	by_ring(bench, bench->plain + (gpa - GROUND), pages, 0);
}

static void by_ring_guest(Bench *bench, guint64 gpa, guint64 pages)
{
	DirectUse use;

	while (!direct_memory_begin(bench->direct, gpa, pages * PAGE, &use))
		;
	by_ring(bench, use.address, pages, use.buffer);
	direct_memory_end(bench->direct, &use, TRUE);
}

/* One request for each of pages that are no neighbours, all in one system call. */
static void by_ring_apart(Bench *bench, guint64 gpa, guint64 pages,
			  void (*prepare)(const Bench *bench, struct io_uring_sqe *entry,
					  const DirectUse *use, guint64 offset))
{
	DirectUse uses[LARGE];

	for (guint64 i = 0; i < pages; i++) {
		while (!direct_memory_begin(bench->direct, gpa + i * 2 * PAGE, PAGE, &uses[i]))
			;
		prepare(bench, io_uring_get_sqe(&bench->ring), &uses[i], i * PAGE);
	}
	finish_ring(bench, pages, PAGE);
	for (guint64 i = 0; i < pages; i++)
		direct_memory_end(bench->direct, &uses[i], TRUE);
}

static void prepare_scatter(const Bench *bench, struct io_uring_sqe *entry, const DirectUse *use,
			    guint64 offset)
{
	io_uring_prep_read_fixed(entry, bench->carrier, use->address, PAGE, offset, use->buffer);
}

static void by_ring_scattered(Bench *bench, guint64 gpa, guint64 pages)
{
	by_ring_apart(bench, gpa, pages, prepare_scatter);
}

static void prepare_gather(const Bench *bench, struct io_uring_sqe *entry, const DirectUse *use,
			   guint64 offset)
{
	(void)offset;
	io_uring_prep_write_fixed(entry, bench->pipe[1], use->address, PAGE, 0, use->buffer);
}

static void by_ring_gathered(Bench *bench, guint64 gpa, guint64 pages)
{
	by_ring_apart(bench, gpa, pages, prepare_gather);
	if (read(bench->pipe[0], bench->buffer, pages * PAGE) != (gssize)(pages * PAGE))
		err(1, "reading the pipe");
}

static void by_register(Bench *bench, guint64 gpa, guint64 pages)
{
	DirectUse use;

	while (!direct_memory_begin(bench->narrow, gpa, pages * PAGE, &use))
		;
	direct_memory_end(bench->narrow, &use, TRUE);
}

/* ---- Times --------------------------------------------------------------------------------- */

typedef struct {
	Bench *bench;
	guint64 pages;
	gint is_over;
} Neighbour;

static gpointer be_neighbour(gpointer data)
{
	Neighbour *neighbour = data;
	g_autofree guint8 *buffer = g_malloc(LARGE * PAGE);

	while (!g_atomic_int_get(&neighbour->is_over))
		read_by(neighbour->bench->other, GROUND, neighbour->pages, buffer);
	return NULL;
}

typedef struct {
	const char *name;
	void (*carry)(Bench *bench, guint64 gpa, guint64 pages);
	gboolean has_neighbour;
	gboolean maps;	/* guest memory; where that can be */
	gboolean fills; /* guest memory, from the file */
} Way;

static const Way ways[] = {
	{ .name = "read", .carry = by_read },
	{ .name = "write", .carry = by_write },
	{ .name = "scattered", .carry = by_scattered },
	{ .name = "two", .carry = by_read, .has_neighbour = TRUE },
	{ .name = "pin", .carry = by_pin },
	{ .name = "file-buffer", .carry = by_file_buffer },
	{ .name = "file-channel", .carry = by_file_channel, .fills = TRUE },
	{ .name = "file-window", .carry = by_file_window, .maps = TRUE, .fills = TRUE },
	{ .name = "ring-buffer", .carry = by_ring_buffer, .maps = TRUE },
	{ .name = "ring-guest", .carry = by_ring_guest, .maps = TRUE, .fills = TRUE },
	{ .name = "ring-scattered", .carry = by_ring_scattered, .maps = TRUE },
	{ .name = "ring-gathered", .carry = by_ring_gathered, .maps = TRUE },
	{ .name = "register", .carry = by_register, .maps = TRUE },
};

static int compare(const void *one, const void *other)
{
	const guint64 a = *(const guint64 *)one, b = *(const guint64 *)other;

	return (a > b) - (a < b);
}

static void time_way(Bench *bench, const Way *way, guint64 pages)
{
	Neighbour neighbour = { .bench = bench, .pages = pages };
	GThread *thread = way->has_neighbour ? g_thread_new("neighbour", be_neighbour, &neighbour) :
					       NULL;
	guint64 times[TIMES];

	for (guint i = 0; i < TIMES; i++) {
		guint64 start = now_ns();

		way->carry(bench, GROUND + i % PLACES * STRIDE, pages);
		times[i] = now_ns() - start;
	}
	qsort(times, TIMES, sizeof(times[0]), compare);
	printf("%s %" PRIu64 " %" PRIu64 "\n", way->name, pages, times[TIMES / 2]);
	g_atomic_int_set(&neighbour.is_over, TRUE);
	if (thread)
		g_thread_join(thread);
}

/* What a way that fills guest memory has brought there. */
static void check_way(Bench *bench, const Way *way)
{
	memset(bench->buffer, 0, LARGE * PAGE);
	by_write(bench, GROUND, LARGE);
	way->carry(bench, GROUND, LARGE);
	memset(bench->buffer, 0, LARGE * PAGE);
	by_read(bench, GROUND, LARGE);
	if (memcmp(bench->buffer, bench->content, LARGE * PAGE) != 0)
		errx(1, "%s: guest memory has not what the file has", way->name);
}

/* What pages that are no neighbours have got from the file, as a channel reads them. */
static void check_scattered(Bench *bench)
{
	if (pwrite(bench->carrier, bench->content, LARGE * PAGE, 0) != (gssize)(LARGE * PAGE))
		err(1, "writing to the file of memory");
	by_ring_scattered(bench, GROUND, LARGE);
	by_scattered(bench, GROUND, LARGE);
	if (memcmp(bench->content, bench->buffer, LARGE * PAGE) != 0)
		errx(1, "ring-scattered: guest memory has not what the file has");
}

static void convert(Bench *bench, guint64 gpa)
{
	MapGpaRange range;

	memory_map_gpa_range_begin(bench->memory, gpa, 1, KVM_MAP_GPA_RANGE_ENC_STAT(1), &range);
	while (!range.is_done)
		memory_map_gpa_range_slice(bench->memory, &range);
}

static void check_same(Bench *bench, const guint8 *shown, const char *when)
{
	by_read(bench, GROUND, 1);
	if (memcmp(bench->buffer, shown, PAGE) != 0)
		errx(1, "a pin shows what no channel reads: %s", when);
}

/* It shows the guest's page, either way; when that becomes private it shows nothing. */
static void check_pin(Bench *bench, gboolean has_states)
{
	static const guint8 zeroes[PAGE];
	GError *error = NULL;
	MemoryPin *pin = memory_pin(bench->memory, GROUND, PAGE, NULL, NULL, &error);
	guint8 *shown;

	check(pin != NULL, error);
	shown = memory_pin_address(pin);
	check_same(bench, shown, "pinned");
	memset(shown, 3, PAGE);
	check_same(bench, shown, "written");
	memset(bench->buffer, 4, PAGE);
	by_write(bench, GROUND, 1);
	check_same(bench, shown, "written by a channel");
	if (has_states) {
		convert(bench, GROUND);
		check_same(bench, zeroes, "private");
		memset(bench->buffer, 5, PAGE);
		by_write(bench, GROUND, 1);
		if (memcmp(shown, zeroes, PAGE) != 0)
			errx(1, "a pin shows what is private");
	}
	memory_unpin(pin);
}

int main(int argc, char **argv)
{
	Bench bench = { 0 };
	KvmMemoryKind kind;
	gboolean can_map;
	guint64 count;

	if (argc != 3 || !kvm_memory_kind_parse(argv[1], &kind))
		errx(2, "Usage: dma KIND COUNT");
	count = number(argv[2], 1, 1000000);
	make_memory(&bench, kind);
	make_file(&bench);
	fill_memory(&bench);
	can_map = kind == KVM_MEMORY_WINDOWS && guest_memfd(&bench) >= 0;
	if (can_map)
		register_buffers(&bench);
	for (guint64 round = 0; round < count; round++) {
		for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
			if (ways[i].maps && !can_map)
				continue;
			time_way(&bench, &ways[i], 1);
			time_way(&bench, &ways[i], LARGE);
		}
	}
	for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
		if (ways[i].fills && (can_map || !ways[i].maps))
			check_way(&bench, &ways[i]);
	}
	if (can_map)
		check_scattered(&bench);
	check_pin(&bench, kind != KVM_MEMORY_ORDINARY);
	direct_memory_free(bench.narrow);
	direct_memory_free(bench.direct);
	if (can_map)
		io_uring_queue_exit(&bench.ring);
	dma_channel_free(bench.other);
	dma_channel_free(bench.channel);
	memory_free(bench.memory);
	kvm_vm_free(bench.vm);
	munmap(bench.plain, PLACES * STRIDE);
	g_free(bench.buffer);
	g_free(bench.content);
	close(bench.carrier);
	close(bench.file);
	return 0;
}
