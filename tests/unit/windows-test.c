/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * windows-test.c - the memory engine with windows, with plain threads and no KVM
 *
 * Theory of operation
 *
 * Guest memory is a memfd instead of a guest_memfd: it is mapped and punched alike. What KVM does
 * at a memslot's userspace address, threads do here: they pass gates as vCPUs do, and touch. What
 * the guest does, another thread does in a mapping of the whole memfd. Neither waits for the
 * other, so that a window that is closed at the wrong moment loses what they count.
 *
 * It needs a userfaultfd, as root or with vm.unprivileged_userfaultfd; else everything is skipped.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "tests/unit/dma-device.h"
#include "vmm/memory/engine.h"

#define RAM_SIZE (16ull << 20)
#define GROUND	 (2ull << 20)
#define PAGE	 GUEST_PAGE_SIZE
#define TOUCHERS 3
#define PAGES	 4

/*
 * For ThreadSanitizer, to map is to write to all of a range, and nothing comes between that and
 * the touch which was waiting for it. A ring that is lost is mapped over while its device uses it.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:map_guest_memfd\nrace:lose_pin\n";
}

/* A VM as far as the memory engine asks for one: see vm.h. */
struct KvmVm {
	guint n_memslots;
};

#include "tests/unit/memslots.h"

int kvm_vm_fd(const KvmVm *vm)
{
	(void)vm;
	return -1;
}

int kvm_vm_kvm_fd(const KvmVm *vm)
{
	(void)vm;
	return -1;
}

KvmMemoryKind kvm_vm_memory_kind(const KvmVm *vm)
{
	(void)vm;
	return KVM_MEMORY_WINDOWS;
}

int kvm_vm_create_guest_memfd(KvmVm *vm, guint64 size, guint64 flags, GError **error)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	(void)vm;
	(void)error;
	g_assert_cmpuint(flags, ==, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	g_assert_cmpint(ftruncate(fd, size), ==, 0);
	return fd;
}

typedef struct {
	KvmVm vm;
	Memory *memory;
	int pagemap_fd;
	int userfaultfd_device;
	guint8 *guest; /* what the guest sees from GROUND on */
	gint host_touches;
	gint failures;
} Fixture;

static void on_host_touch(void *opaque, const HostTouch *touch)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(touch->gpa % PAGE, ==, 0);
	g_atomic_int_inc(&fixture->host_touches);
}

static void on_failed(void *opaque, const GError *error)
{
	Fixture *fixture = opaque;

	g_test_message("failed: %s", error->message);
	g_atomic_int_inc(&fixture->failures);
}

static const MemoryListener listener = { on_host_touch, on_failed };

static RamRun find(Fixture *fixture, guint64 gpa)
{
	RamRun run;

	g_assert_true(ram_find(&fixture->memory->ram, gpa, PAGE, &run));
	return run;
}

static guint8 *host_address(Fixture *fixture, guint64 gpa)
{
	const RamRun run = find(fixture, gpa);

	return ram_run_userspace(&run);
}

/* Return: FALSE where the test is to be skipped. */
static gboolean set_up(Fixture *fixture, MemoryPolicy policy)
{
	g_autoptr(GError) error = NULL;
	MemoryConfig config = {
		.size = RAM_SIZE,
		.policy = policy,
		.listener = &listener,
		.opaque = fixture,
	};
	RamRun run;

	*fixture = (Fixture){
		.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
		.userfaultfd_device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC),
	};
	config.pagemap_fd = fixture->pagemap_fd;
	g_assert_true(
		kvm_support_count_windows(KVM_SUPPORT_MAX_MAP_COUNT, &config.windows_max, NULL));
	config.userfaultfd_device = fixture->userfaultfd_device;
	fixture->memory = memory_new(&fixture->vm, &config, &error);
	if (!fixture->memory && strstr(error->message, "userfaultfd")) {
		g_test_skip(error->message);
		return FALSE;
	}
	g_assert_no_error(error);
	run = find(fixture, GROUND);
	fixture->guest = mmap(NULL, RAM_SIZE - GROUND, PROT_READ | PROT_WRITE, MAP_SHARED,
			      run.block->guest_memfd, run.first << PAGE_SHIFT);
	g_assert_true(fixture->guest != MAP_FAILED);
	return TRUE;
}

static void tear_down(Fixture *fixture)
{
	if (fixture->memory)
		memory_free(fixture->memory);
	if (fixture->guest)
		munmap(fixture->guest, RAM_SIZE - GROUND);
	close(fixture->pagemap_fd);
	if (fixture->userfaultfd_device >= 0)
		close(fixture->userfaultfd_device);
}

static gboolean is_open(Fixture *fixture, guint64 gpa)
{
	const RamRun run = find(fixture, gpa);
	gboolean open_now;

	fair_lock_lock(&fixture->memory->lock);
	open_now = bitmap_get(run.block->populated, run.first);
	fair_lock_unlock(&fixture->memory->lock);
	return open_now;
}

static guint64 runs(Fixture *fixture)
{
	guint64 count;

	fair_lock_lock(&fixture->memory->lock);
	count = fixture->memory->windows->runs;
	fair_lock_unlock(&fixture->memory->lock);
	return count;
}

static guint64 lent(Fixture *fixture, guint64 gpa)
{
	const RamRun run = find(fixture, gpa);
	guint64 count;

	fair_lock_lock(&fixture->memory->lock);
	count = lent_pages_count(run.block->lent);
	fair_lock_unlock(&fixture->memory->lock);
	return count;
}

#include "tests/unit/pinned.h"

static gboolean set_up_with(Fixture *fixture, MemoryPolicy policy)
{
	return set_up(fixture, policy);
}

static guint8 *guest_address(Fixture *fixture, guint64 gpa)
{
	return fixture->guest + (gpa - GROUND);
}

static gint64 hypercall(Fixture *fixture, guint64 gpa, guint64 pages, gboolean to_private)
{
	MapGpaRange range;

	memory_map_gpa_range_begin(fixture->memory, gpa, pages,
				   to_private ? KVM_MAP_GPA_RANGE_ENC_STAT(1) : 0, &range);
	while (!range.is_done)
		memory_map_gpa_range_slice(fixture->memory, &range);
	return range.result;
}

#include "tests/unit/registered.h"
#include "tests/unit/released.h"
/* Uses what registered.h names. */
#include "tests/unit/copied.h"

static guint64 reclaim(Fixture *fixture, guint64 gpa, guint64 size)
{
	g_autoptr(GError) error = NULL;
	guint64 reclaimed;

	memory_reclaim(fixture->memory, gpa, size, &reclaimed, &error);
	g_assert_no_error(error);
	return reclaimed;
}

static void touch(Fixture *fixture, guint64 gpa, guint64 size)
{
	g_autoptr(GError) error = NULL;

	memory_touch(fixture->memory, gpa, size, &error);
	g_assert_no_error(error);
}

static void test_shown_and_hidden(void)
{
	Fixture fixture;
	MemoryStatistics statistics;

	if (set_up(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		memset(fixture.guest, 0x5a, 4 * PAGE);
		g_assert_false(is_open(&fixture, GROUND));
		touch(&fixture, GROUND, 4 * PAGE);
		g_assert_true(is_open(&fixture, GROUND));
		for (guint64 i = 0; i < 4; i++)
			g_assert_cmpint(*host_address(&fixture, GROUND + i * PAGE), ==, 0x5a);
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_bytes, ==, 4 * PAGE);
		g_assert_cmpuint(statistics.shared_allocated_bytes, ==, 4 * PAGE);
		g_assert_cmpuint(statistics.shared_bytes + statistics.private_bytes, ==,
				 RAM_SIZE - (MEMORY_VGA_HOLE_END - MEMORY_VGA_HOLE_START));

		/* It is one page: what either writes, the other sees. */
		*host_address(&fixture, GROUND) = 0x11;
		g_assert_cmpint(fixture.guest[0], ==, 0x11);
		g_assert_cmpuint(reclaim(&fixture, GROUND, 16 * PAGE), ==, 4 * PAGE);
		g_assert_false(is_open(&fixture, GROUND));
		g_assert_cmpint(fixture.guest[0], ==, 0x11);
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_bytes, ==, 0);
		g_assert_cmpuint(statistics.shared_bytes_peak, ==, 4 * PAGE);
		g_assert_cmpuint(
			statistics.conversions[CONVERSION_TO_PRIVATE][CONVERSION_RECLAIM].bytes, ==,
			4 * PAGE);
		g_assert_cmpuint(runs(&fixture), ==, 0);
		/* Also where the host touches it again. */
		g_assert_cmpint(*host_address(&fixture, GROUND), ==, 0x11);
	}
	tear_down(&fixture);
}

static void test_hypercall(void)
{
	MemoryStatistics statistics;
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		memset(fixture.guest, 0x5a, 3 * PAGE);
		g_assert_cmpint(hypercall(&fixture, GROUND + PAGE, 1, FALSE), ==, 0);
		/* What changes state reads as zeroes, its neighbours do not. */
		g_assert_cmpint(fixture.guest[PAGE], ==, 0);
		g_assert_cmpint(fixture.guest[0], ==, 0x5a);
		g_assert_cmpint(fixture.guest[2 * PAGE], ==, 0x5a);
		/* What is shared already keeps its content; it is there when it is touched. */
		fixture.guest[PAGE] = 0x77;
		g_assert_cmpint(hypercall(&fixture, GROUND + PAGE, 1, FALSE), ==, 0);
		g_assert_false(is_open(&fixture, GROUND + PAGE));
		g_assert_cmpint(*host_address(&fixture, GROUND + PAGE), ==, 0x77);
		g_assert_true(is_open(&fixture, GROUND + PAGE));
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_bytes, ==, PAGE);
		g_assert_cmpint(hypercall(&fixture, GROUND, 3, TRUE), ==, 0);
		g_assert_false(is_open(&fixture, GROUND + PAGE));
		g_assert_cmpint(fixture.guest[PAGE], ==, 0);
		g_assert_cmpint(fixture.guest[0], ==, 0x5a);

		/* What the host was lent is the guest's gift from then on. */
		touch(&fixture, GROUND, PAGE);
		g_assert_cmpuint(lent(&fixture, GROUND), ==, 1);
		g_assert_cmpint(hypercall(&fixture, GROUND, 1, FALSE), ==, 0);
		g_assert_cmpuint(lent(&fixture, GROUND), ==, 0);
		g_assert_cmpint(fixture.guest[0], ==, 0x5a);

		/* More than a slice, over the hole for video memory. */
		g_assert_cmpint(hypercall(&fixture, 0, RAM_SIZE >> PAGE_SHIFT, FALSE), ==, 0);
		touch(&fixture, 0, RAM_SIZE);
		g_assert_cmpint(hypercall(&fixture, 0, RAM_SIZE >> PAGE_SHIFT, TRUE), ==, 0);
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.shared_allocated_bytes, ==, 0);
		g_assert_cmpuint(statistics.shared_bytes, ==, 0);
		g_assert_cmpint(hypercall(&fixture, GROUND + 1, 1, TRUE), ==, -KVM_EINVAL);
		g_assert_cmpint(hypercall(&fixture, 4ull << 30, 1, TRUE), ==, -KVM_EINVAL);
	}
	tear_down(&fixture);
}

/* Pieces of any alignment, over other pages' ends, one of them empty. */
static void check_chain(Fixture *fixture, DmaChannel *channel)
{
	const DmaPiece pieces[] = {
		{ GROUND + 5 * PAGE + 4095, 3 },
		{ 0, 0 },
		{ GROUND + 9 * PAGE, 2 * PAGE },
		{ GROUND, 1 },
	};
	g_autofree guint8 *out = g_malloc(2 * PAGE + 4), *in = g_malloc0(2 * PAGE + 4);
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < 2 * PAGE + 4; i++)
		out[i] = i * 5 + 1;
	dma_channel_write(channel, pieces, G_N_ELEMENTS(pieces), out, &error);
	g_assert_no_error(error);
	g_assert_cmpmem(fixture->guest + 5 * PAGE + 4095, 3, out, 3);
	g_assert_cmpmem(fixture->guest + 9 * PAGE, 2 * PAGE, out + 3, 2 * PAGE);
	g_assert_cmpint(fixture->guest[0], ==, out[2 * PAGE + 3]);
	dma_channel_read(channel, pieces, G_N_ELEMENTS(pieces), in, &error);
	g_assert_no_error(error);
	g_assert_cmpmem(in, 2 * PAGE + 4, out, 2 * PAGE + 4);
}

/* What comes before the part that cannot be is there; nothing fails but the transfer. */
static void check_bad_pieces(Fixture *fixture, DmaChannel *channel)
{
	const DmaPiece bad[] = {
		{ RAM_SIZE - 1, 2 },
		{ RAM_SIZE, 1 },
		{ MEMORY_VGA_HOLE_START - 1, 2 },
		{ MEMORY_WINDOW_START, 8 },
		{ G_MAXUINT64, 1 },
		{ GROUND, G_MAXUINT64 - GROUND + 1 },
		{ 1ull << 52, 1 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		const DmaPiece pieces[] = { { GROUND + i, 1 }, bad[i] };
		g_autoptr(GError) error = NULL;
		guint8 out[16] = { 0xc0 + i }, in[16];

		g_assert_false(dma_channel_write(channel, pieces, 2, out, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		g_clear_error(&error);
		g_assert_false(dma_channel_read(channel, &bad[i], 1, in, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		/* A range that wraps is no range, and nothing is moved for its sake. */
		if (bad[i].gpa + bad[i].size > bad[i].gpa)
			g_assert_cmpint(fixture->guest[i], ==, 0xc0 + i);
	}
	g_assert_cmpint(g_atomic_int_get(&fixture->failures), ==, 0);
}

static void test_dma(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_GUEST_ONLY)) {
		const gsize size = 300 * PAGE;
		g_autofree guint8 *out = g_malloc(size);
		g_autofree guint8 *in = g_malloc0(size);
		g_autoptr(GError) error = NULL;
		DmaChannel *channel = dma_channel_new(fixture.memory, &error);
		MemoryStatistics statistics;

		for (gsize i = 0; i < size; i++)
			out[i] = i * 7 + i / PAGE;
		g_assert_true(dma_device_write(channel, GROUND + 100, out, size, &error));
		g_assert_cmpmem(fixture.guest + 100, size, out, size);
		g_assert_true(dma_device_read(channel, GROUND + 100, in, size, &error));
		g_assert_cmpmem(in, size, out, size);
		g_assert_false(is_open(&fixture, GROUND));
		memory_statistics(fixture.memory, &statistics);
		g_assert_cmpuint(statistics.transfers[DMA_WAY_WINDOW].bytes, ==, 2 * size);
		g_assert_cmpuint(statistics.transfers[DMA_WAY_REGISTERED].count, ==, 0);
		g_assert_cmpuint(statistics.transfers[DMA_WAY_COURIER].count, ==, 0);
		check_chain(&fixture, channel);
		check_bad_pieces(&fixture, channel);
		dma_channel_free(channel);
		/* It is no touch, whatever the policy. */
		g_assert_cmpint(g_atomic_int_get(&fixture.host_touches), ==, 0);
	}
	tear_down(&fixture);
}

/* When there would be too many mappings, all go, and content stays. */
typedef struct {
	DmaChannel *channel;
	guint8 out[PAGE];
} Transfer;

static gpointer transfer_page(gpointer data)
{
	Transfer *transfer = data;
	g_autoptr(GError) error = NULL;

	g_assert_true(dma_device_write(transfer->channel, GROUND, transfer->out, PAGE, &error));
	return NULL;
}

/* A channel's transfer goes on while another channel is at a part of its own, which is what shares
 * the lock. */
static void test_beside_another_channel(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_GUEST_ONLY)) {
		Transfer transfer = { dma_channel_new(fixture.memory, NULL), { 1, 2, 3 } };
		GThread *thread;

		fair_lock_lock_shared(&fixture.memory->lock);
		thread = g_thread_new("transfer", transfer_page, &transfer);
		g_thread_join(thread);
		fair_lock_unlock_shared(&fixture.memory->lock);
		g_assert_cmpmem(fixture.guest, PAGE, transfer.out, PAGE);
		dma_channel_free(transfer.channel);
	}
	tear_down(&fixture);
}

static void test_bound(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		fair_lock_lock(&fixture.memory->lock);
		fixture.memory->windows->runs_max = 16;
		fair_lock_unlock(&fixture.memory->lock);
		for (guint64 i = 0; i < 200; i += 2) {
			fixture.guest[i * PAGE] = i + 1;
			g_assert_cmpint(*host_address(&fixture, GROUND + i * PAGE), ==,
					(guint8)(i + 1));
			g_assert_cmpuint(runs(&fixture), <=, 16);
		}
		for (guint64 i = 0; i < 200; i += 2)
			g_assert_cmpint(*host_address(&fixture, GROUND + i * PAGE), ==,
					(guint8)(i + 1));
		reclaim(&fixture, 0, RAM_SIZE);
		g_assert_cmpuint(runs(&fixture), ==, 0);
	}
	tear_down(&fixture);
}

/* Pins are of the same mappings, and have half of them at most. */
static void test_bound_of_pins(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		MemoryPin *pins[8];
		g_autoptr(GError) error = NULL;

		fair_lock_lock(&fixture.memory->lock);
		fixture.memory->windows->runs_max = 16;
		fair_lock_unlock(&fixture.memory->lock);
		for (guint64 i = 0; i < 8; i++)
			pins[i] = pin(&fixture, GROUND + 2 * i * PAGE, PAGE, NULL);
		g_assert_null(memory_pin(fixture.memory, GROUND + PAGE, PAGE, NULL, NULL, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		g_assert_nonnull(strstr(error->message, "max_map_count"));
		for (guint64 i = 0; i < 40; i += 2) {
			touch(&fixture, GROUND + (100 + i) * PAGE, 1);
			g_assert_cmpuint(runs(&fixture), <=, 8);
		}
		for (guint64 i = 0; i < 8; i++)
			memory_unpin(pins[i]);
		memory_unpin(pin(&fixture, GROUND + PAGE, PAGE, NULL));
	}
	tear_down(&fixture);
}

static void test_discard(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_ON_DEMAND)) {
		g_autoptr(GError) error = NULL;
		MemoryStatistics statistics;

		for (guint round = 0; round < 3; round++) {
			memset(fixture.guest, 0x33, 600 * PAGE);
			touch(&fixture, GROUND, 600 * PAGE);
			hypercall(&fixture, GROUND, 8, FALSE);
			g_assert_true(memory_release_touches(fixture.memory, &error));
			g_assert_true(memory_discard(fixture.memory, &error));
			memory_statistics(fixture.memory, &statistics);
			g_assert_cmpuint(statistics.shared_bytes, ==, 0);
			g_assert_cmpuint(statistics.shared_allocated_bytes, ==, 0);
			g_assert_cmpint(fixture.guest[500 * PAGE], ==, 0);
			g_assert_cmpint(*host_address(&fixture, GROUND), ==, 0);
		}
	}
	tear_down(&fixture);
}

static gpointer read_byte(gpointer address)
{
	return GINT_TO_POINTER((gint) * (volatile guint8 *)address);
}

static void await_touches(Fixture *fixture, gint count)
{
	while (g_atomic_int_get(&fixture->host_touches) < count)
		g_thread_yield();
}

/* Under guest-only a touch waits: until the guest shares the page, or for a reset. */
static void test_guest_only(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_GUEST_ONLY)) {
		g_autoptr(GError) error = NULL;
		GThread *thread;

		memset(fixture.guest, 0x44, PAGE);
		thread = g_thread_new("toucher", read_byte, host_address(&fixture, GROUND));
		await_touches(&fixture, 1);
		g_assert_cmpuint(memory_count_stalled_touches(fixture.memory), ==, 1);
		g_assert_false(is_open(&fixture, GROUND));
		/* It is told again when it is still private. */
		memory_retry_host_touches(fixture.memory, 1);
		await_touches(&fixture, 2);
		hypercall(&fixture, GROUND, 1, FALSE);
		fixture.guest[0] = 0x45;
		while (memory_count_stalled_touches(fixture.memory) < 1)
			g_thread_yield();
		memory_retry_host_touches(fixture.memory, 1);
		g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, 0x45);

		thread = g_thread_new("toucher", read_byte, host_address(&fixture, GROUND + PAGE));
		await_touches(&fixture, 3);
		while (memory_count_stalled_touches(fixture.memory) < 1)
			g_thread_yield();
		g_assert_true(memory_release_touches(fixture.memory, &error));
		g_thread_join(thread);
		g_assert_true(memory_discard(fixture.memory, &error));
		g_assert_false(is_open(&fixture, GROUND + PAGE));
	}
	tear_down(&fixture);
}

/* When the engine fails, who waits goes on; and so does who touches later. */
static void test_failure(void)
{
	Fixture fixture;

	if (set_up(&fixture, MEMORY_POLICY_GUEST_ONLY)) {
		g_autoptr(GError) error = g_error_new(KVM_ERROR, KVM_ERROR_SYSTEM, "for a test");
		GThread *thread;

		hypercall(&fixture, GROUND + 8 * PAGE, 1, FALSE);
		touch(&fixture, GROUND + 8 * PAGE, 1);
		memset(fixture.guest, 0x44, PAGE);
		thread = g_thread_new("toucher", read_byte, host_address(&fixture, GROUND));
		await_touches(&fixture, 1);
		fair_lock_lock(&fixture.memory->lock);
		engine_fail(fixture.memory, error);
		fair_lock_unlock(&fixture.memory->lock);
		g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, 0);
		g_assert_cmpint(*host_address(&fixture, GROUND + PAGE), ==, 0);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 1);
	}
	tear_down(&fixture);
}

/* ---- Everybody at once --------------------------------------------------------------------- */

typedef struct Crowd Crowd;

typedef struct {
	Crowd *crowd;
	guint index;
	GThread *thread;
	gint is_kicked;
	guint64 added; /* its own */
} Toucher;

struct Crowd {
	Fixture fixture;
	GateSet *gates;
	Toucher touchers[TOUCHERS];
	GThread *guest;
	guint64 guest_added; /* its own */
	gint is_over;
};

static void kick(gpointer opaque, guint index)
{
	Crowd *crowd = opaque;

	g_atomic_int_set(&crowd->touchers[index].is_kicked, TRUE);
}

static void add(guint8 *page, guint index)
{
	__atomic_fetch_add((guint64 *)page, 1, __ATOMIC_RELAXED);
	/* A word of its own, with no lock. */
	((volatile guint64 *)page)[1 + index]++;
}

static gpointer pass_and_touch(gpointer data)
{
	Toucher *toucher = data;
	Crowd *crowd = toucher->crowd;
	guint8 *pages = host_address(&crowd->fixture, GROUND);

	gate_attach(crowd->gates, toucher->index);
	for (;;) {
		g_atomic_int_set(&toucher->is_kicked, FALSE);
		if (!gate_enter(crowd->gates, toucher->index))
			return NULL;
		do {
			for (guint64 i = 0; i < PAGES; i++)
				add(pages + i * PAGE, toucher->index);
			toucher->added++;
		} while (!g_atomic_int_get(&toucher->is_kicked));
		gate_leave(crowd->gates, toucher->index);
	}
}

static gpointer be_guest(gpointer data)
{
	Crowd *crowd = data;

	while (!g_atomic_int_get(&crowd->is_over)) {
		for (guint64 i = 0; i < PAGES; i++)
			add(crowd->fixture.guest + i * PAGE, TOUCHERS);
		crowd->guest_added++;
	}
	return NULL;
}

static void start(Crowd *crowd)
{
	crowd->gates = gate_set_new(TOUCHERS, kick, crowd);
	for (guint i = 0; i < TOUCHERS; i++) {
		Toucher *toucher = &crowd->touchers[i];

		*toucher = (Toucher){ .crowd = crowd, .index = i };
		toucher->thread = g_thread_new("toucher", pass_and_touch, toucher);
		gate_await_attached(crowd->gates, i);
	}
	memory_set_gates(crowd->fixture.memory, crowd->gates);
	crowd->guest = g_thread_new("guest", be_guest, crowd);
	gate_set_open(crowd->gates, GATE_PAUSE);
}

static void check_counts(Crowd *crowd)
{
	guint64 sum = crowd->guest_added;

	for (guint i = 0; i < TOUCHERS; i++) {
		g_assert_cmpuint(crowd->touchers[i].added, >, 0);
		sum += crowd->touchers[i].added;
	}
	for (guint64 page = 0; page < PAGES; page++) {
		const guint64 *words = (const guint64 *)(crowd->fixture.guest + page * PAGE);

		g_assert_cmpuint(words[0], ==, sum);
		for (guint i = 0; i < TOUCHERS; i++)
			g_assert_cmpuint(words[1 + i], ==, crowd->touchers[i].added);
		g_assert_cmpuint(words[1 + TOUCHERS], ==, crowd->guest_added);
	}
}

/*
 * Touchers and the guest count in the same pages, while windows are closed, devices read and
 * write elsewhere in the pages, these are pinned, memslots change and everything is paused now and
 * then.
 */
static void test_nothing_is_lost(void)
{
	g_autoptr(GError) error = NULL;
	Crowd crowd = { .is_over = FALSE };

	if (set_up(&crowd.fixture, MEMORY_POLICY_ON_DEMAND)) {
		Memory *memory = crowd.fixture.memory;
		DmaDevice devices[] = {
			{ .gpa = GROUND, .pages = PAGES, .offset = 2048 },
			{ .gpa = GROUND, .pages = PAGES, .offset = 3072 },
		};
		guint64 closed = 0;

		start(&crowd);
		for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
			dma_device_start(&devices[i], memory);
		for (guint round = 0; round < 3000; round++) {
			closed += reclaim(&crowd.fixture, GROUND, PAGES * PAGE) / PAGE;
			if (round % 10 == 0)
				memory_unpin(pin(&crowd.fixture, GROUND, PAGES * PAGE, NULL));
			if (round % 50 == 0)
				g_assert_true(memory_show_segments(
					memory, round % 100 ? MEMORY_SEGMENTS_ALL : 0, &error));
			if (round % 500 == 0) {
				gate_set_pause(crowd.gates);
				gate_set_open(crowd.gates, GATE_PAUSE);
			}
		}
		for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
			dma_device_end(&devices[i]);
			g_assert_cmpuint(devices[i].rounds, >, 0);
			g_assert_cmpuint(devices[i].wrong, ==, 0);
		}
		gate_set_pause(crowd.gates);
		g_atomic_int_set(&crowd.is_over, TRUE);
		g_thread_join(crowd.guest);
		check_counts(&crowd);
		g_test_message("%" G_GUINT64_FORMAT " windows closed", closed);
		g_assert_cmpuint(closed, >, 1000);
		g_assert_cmpint(g_atomic_int_get(&crowd.fixture.failures), ==, 0);
		gate_set_close(crowd.gates, GATE_STOP);
		memory_set_gates(memory, NULL);
		for (guint i = 0; i < TOUCHERS; i++)
			g_thread_join(crowd.touchers[i].thread);
		gate_set_free(crowd.gates);
	}
	tear_down(&crowd.fixture);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/windows/shown-and-hidden", test_shown_and_hidden);
	g_test_add_func("/windows/hypercall", test_hypercall);
	g_test_add_func("/windows/dma", test_dma);
	g_test_add_func("/windows/beside-another-channel", test_beside_another_channel);
	g_test_add_func("/windows/bound", test_bound);
	g_test_add_func("/windows/bound-of-pins", test_bound_of_pins);
	g_test_add_func("/windows/discard", test_discard);
	g_test_add_func("/windows/guest-only", test_guest_only);
	g_test_add_func("/windows/failure", test_failure);
	g_test_add_func("/windows/nothing-is-lost", test_nothing_is_lost);
	add_pinned_tests("/windows");
	add_released_tests("/windows");
	add_registered_tests();
	add_copied_tests();
	return g_test_run();
}
