/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * two-sided-test.c - the memory engine with two-sided memory, with plain threads and no KVM
 *
 * Theory of operation
 *
 * Guest memory is a memfd instead of a guest_memfd, which is mapped here all the time, as the guest
 * sees it. Attributes are an array. A vCPU is a thread that passes a gate and then looks at a
 * page's attribute for each access: private goes to that mapping, shared to the memslot's userspace
 * address. A courier is a copy from or to that mapping, which insists on pages that are private
 * as long as it takes.
 *
 * So what is tested is the engine's own part: who waits for whom while pages change state, vCPUs
 * use them, and devices read and write them. Where that goes wrong counts are lost, and
 * ThreadSanitizer sees accesses that nothing keeps apart.
 *
 * It needs a userfaultfd, as root or with vm.unprivileged_userfaultfd; else everything is skipped.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "tests/unit/dma-device.h"
#include "vmm/memory/engine.h"

#define RAM_SIZE (16ull << 20)
#define GROUND	 (2ull << 20)
#define PAGE	 GUEST_PAGE_SIZE
#define VCPUS	 4
#define PAGES	 4
#define CHANNELS 32

/* Where in a page the counts are: not at its first byte, which the host's touches read. */
#define COUNTS 64

/* What stands for the VM's descriptor. */
#define VM_FD 0x7fff0000

/* A ring that is lost is emptied while its device uses it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:^empty$\n";
}

/* A VM as far as the memory engine asks for one: see vm.h. */
struct KvmVm {
	guint n_memslots;
	guint n_guest_memfds;
	gboolean is_set_up;
};

#include "tests/unit/memslots.h"

/* As the guest sees it, where it is private; and the attributes, from VM_FD's point of view. */
static guint8 *guest_memory;
static gint is_private[RAM_SIZE / PAGE];

static gboolean is_private_page(guint64 gpa)
{
	return g_atomic_int_get(&is_private[gpa / PAGE]);
}

/* All but the attributes of this test's VM is the kernel's. */
int ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_memory_attributes *attributes;
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (fd != VM_FD)
		return (int)syscall(SYS_ioctl, fd, request, argument);
	attributes = argument;
	g_assert_cmpuint(request, ==, KVM_SET_MEMORY_ATTRIBUTES);
	for (guint64 i = 0; i < attributes->size / PAGE; i++) {
		guint64 page = attributes->address / PAGE + i;

		if (page < G_N_ELEMENTS(is_private))
			g_atomic_int_set(&is_private[page], attributes->attributes != 0);
	}
	return 0;
}

int kvm_vm_fd(const KvmVm *vm)
{
	(void)vm;
	return VM_FD;
}

int kvm_vm_kvm_fd(const KvmVm *vm)
{
	return vm->is_set_up ? -1 : VM_FD;
}

KvmMemoryKind kvm_vm_memory_kind(const KvmVm *vm)
{
	(void)vm;
	return KVM_MEMORY_TWO_SIDED;
}

int kvm_vm_create_guest_memfd(KvmVm *vm, guint64 size, guint64 flags, GError **error)
{
	const guint64 gpas[] = { 0, MEMORY_VGA_HOLE_END, 1 << 20 };
	int fd = memfd_create("guest", MFD_CLOEXEC);
	void *mapping;

	(void)error;
	g_assert_cmpuint(flags, ==, 0);
	g_assert_cmpuint(vm->n_guest_memfds, <, G_N_ELEMENTS(gpas));
	g_assert_cmpint(ftruncate(fd, size), ==, 0);
	mapping = mmap(guest_memory + gpas[vm->n_guest_memfds++], size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, 0);
	g_assert_true(mapping != MAP_FAILED);
	return fd;
}

/* ---- Couriers: see courier.h --------------------------------------------------------------- */

struct Courier {
	guint64 base;
	guint64 size;
	guint id;
	guint8 *staging;
	guint64 staging_size;
	CourierCounter counter;
	gint is_away;
};

/* The next trip of any of them fails. */
static gint is_trip_to_fail;

void courier_attach_thread(int task_folder)
{
	(void)task_folder;
}

Courier *courier_new(KvmVm *vm, guint64 base, guint64 staging_size, guint vcpu_id,
		     CourierStuck stuck, gpointer opaque, GError **error)
{
	Courier *courier = g_new0(Courier, 1);

	(void)stuck;
	(void)opaque;
	(void)error;
	g_assert_false(vm->is_set_up);
	courier->base = base;
	courier->size = COURIER_WINDOW_SIZE(staging_size);
	courier->id = vcpu_id;
	courier->staging = g_malloc0(staging_size);
	courier->staging_size = staging_size;
	return courier;
}

void courier_free(Courier *courier)
{
	for (guint64 i = 0; courier && i < courier->staging_size; i++)
		g_assert_cmpint(courier->staging[i], ==, 0);
	g_free(courier->staging);
	g_free(courier);
}

guint8 *courier_staging(Courier *courier)
{
	return courier->staging;
}

void courier_wipe(Courier *courier, guint64 size)
{
	memset(courier->staging, 0, size);
}

const CourierCounter *courier_counter(const Courier *courier)
{
	return &courier->counter;
}

static void assert_private(const CourierPiece *piece)
{
	for (guint64 gpa = piece->gpa; gpa < piece->gpa + piece->size; gpa++)
		g_assert_true(is_private_page(gpa));
}

/* One at a time, with what it may carry, of pages that stay private meanwhile. */
static gboolean make_trip(Courier *courier, const CourierPiece *pieces, guint count,
			  gboolean is_fetch, GError **error)
{
	g_assert_cmpint(g_atomic_int_add(&courier->is_away, 1), ==, 0);
	g_assert_cmpuint(count, >, 0);
	g_assert_cmpuint(count, <=, COURIER_PIECES_MAX);
	for (guint i = 0; i < count; i++) {
		const CourierPiece *piece = &pieces[i];
		guint8 *here = courier->staging + piece->offset;
		guint8 *there = guest_memory + piece->gpa;

		g_assert_cmpuint(piece->offset + piece->size, <=, courier->staging_size);
		assert_private(piece);
		memcpy(is_fetch ? here : there, is_fetch ? there : here, piece->size);
		assert_private(piece);
		courier->counter.bytes += piece->size;
	}
	courier->counter.trips++;
	g_atomic_int_set(&courier->is_away, 0);
	if (!g_atomic_int_compare_and_exchange(&is_trip_to_fail, TRUE, FALSE))
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST, "for a test");
	return FALSE;
}

gboolean courier_fetch(Courier *courier, const CourierPiece *pieces, guint count, GError **error)
{
	return make_trip(courier, pieces, count, TRUE, error);
}

gboolean courier_store(Courier *courier, const CourierPiece *pieces, guint count, GError **error)
{
	return make_trip(courier, pieces, count, FALSE, error);
}

/* ---- A machine's memory -------------------------------------------------------------------- */

typedef struct {
	KvmVm vm;
	Memory *memory;
	int userfaultfd_device;
	gint failures;
} Fixture;

static void on_host_touch(void *opaque, const HostTouch *touch)
{
	(void)opaque;
	(void)touch;
	g_assert_not_reached();
}

static void on_failed(void *opaque, const GError *error)
{
	Fixture *fixture = opaque;

	g_test_message("failed: %s", error->message);
	g_atomic_int_inc(&fixture->failures);
}

static const MemoryListener listener = { on_host_touch, on_failed };

/* Return: FALSE where the test is to be skipped. */
static gboolean set_up_with(Fixture *fixture, MemoryPolicy policy)
{
	g_autoptr(GError) error = NULL;
	MemoryConfig config = {
		.size = RAM_SIZE,
		.policy = policy,
		.listener = &listener,
		.opaque = fixture,
		.pagemap_fd = -1,
		/* Its last id is 250, and 5 and 7 of each 8 are nobody's. */
		.topology = { .sockets = 32, .dies = 1, .cores = 3, .threads = 2 },
		.vcpus = 32 * 6,
	};

	*fixture = (Fixture){
		.userfaultfd_device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC),
	};
	config.userfaultfd_device = fixture->userfaultfd_device;
	guest_memory = mmap(NULL, RAM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g_assert_true(guest_memory != MAP_FAILED);
	fixture->memory = memory_new(&fixture->vm, &config, &error);
	if (!fixture->memory && strstr(error->message, "userfaultfd")) {
		g_test_skip(error->message);
		return FALSE;
	}
	g_assert_no_error(error);
	return TRUE;
}

static gboolean set_up(Fixture *fixture)
{
	return set_up_with(fixture, MEMORY_POLICY_ON_DEMAND);
}

static void tear_down(Fixture *fixture)
{
	if (fixture->memory)
		memory_free(fixture->memory);
	munmap(guest_memory, RAM_SIZE);
	if (fixture->userfaultfd_device >= 0)
		close(fixture->userfaultfd_device);
}

static guint8 *host_address(Fixture *fixture, guint64 gpa)
{
	RamRun run;

	g_assert_true(ram_find(&fixture->memory->ram, gpa, PAGE, &run));
	return ram_run_userspace(&run);
}

#include "tests/unit/pinned.h"

static guint8 *guest_address(Fixture *fixture, guint64 gpa)
{
	return is_private_page(gpa) ? guest_memory + gpa : host_address(fixture, gpa);
}

#include "tests/unit/released.h"

static gboolean is_populated(Fixture *fixture, guint64 gpa)
{
	gboolean populated;
	RamRun run;

	fair_lock_lock(&fixture->memory->lock);
	g_assert_true(ram_find(&fixture->memory->ram, gpa, PAGE, &run));
	populated = bitmap_get(run.block->populated, run.first);
	fair_lock_unlock(&fixture->memory->lock);
	return populated;
}

static void convert(Fixture *fixture, guint64 gpa, guint64 pages, gboolean to_private)
{
	MapGpaRange range;

	memory_map_gpa_range_begin(fixture->memory, gpa, pages,
				   to_private ? KVM_MAP_GPA_RANGE_ENC_STAT(1) : 0, &range);
	while (!range.is_done)
		memory_map_gpa_range_slice(fixture->memory, &range);
	g_assert_cmpint(range.result, ==, 0);
}

static void reclaim(Fixture *fixture, guint64 gpa, guint64 size)
{
	g_autoptr(GError) error = NULL;
	guint64 reclaimed;

	memory_reclaim(fixture->memory, gpa, size, &reclaimed, &error);
	g_assert_no_error(error);
}

static void touch(Fixture *fixture, guint64 gpa)
{
	g_autoptr(GError) error = NULL;

	memory_touch(fixture->memory, gpa, 1, &error);
	g_assert_no_error(error);
}

static guint64 trips(Fixture *fixture)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	return statistics.courier.trips;
}

/* What devices have moved by a way. */
static void assert_moved(Fixture *fixture, DmaWay way, guint64 count, guint64 bytes)
{
	MemoryStatistics statistics;

	memory_statistics(fixture->memory, &statistics);
	g_assert_cmpuint(statistics.transfers[way].count, ==, count);
	g_assert_cmpuint(statistics.transfers[way].bytes, ==, bytes);
}

static DmaChannel *new_channel(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	DmaChannel *channel = dma_channel_new(fixture->memory, &error);

	g_assert_no_error(error);
	return channel;
}

/* ---- One at a time ------------------------------------------------------------------------- */

/* Each byte of a pattern differs from those a page away. */
static void fill(guint8 *data, gsize size, guint seed)
{
	for (gsize i = 0; i < size; i++)
		data[i] = i * 7 + i / PAGE + seed;
}

/* Pages of GROUND: private, shared and there, shared and absent, private. */
static void prepare_states(Fixture *fixture)
{
	convert(fixture, GROUND, 4, TRUE);
	convert(fixture, GROUND + PAGE, 2, FALSE);
	*host_address(fixture, GROUND + PAGE) = 1;
	/* Its neighbour came along. */
	convert(fixture, GROUND + 2 * PAGE, 1, TRUE);
	convert(fixture, GROUND + 2 * PAGE, 1, FALSE);
	g_assert_true(is_populated(fixture, GROUND + PAGE));
	g_assert_false(is_populated(fixture, GROUND + 2 * PAGE));
}

static void test_each_state(void)
{
	const gsize size = 4 * PAGE - 200;
	const DmaPiece piece = { GROUND + 100, size };
	Fixture fixture;

	if (set_up(&fixture)) {
		g_autofree guint8 *out = g_malloc(size), *in = g_malloc0(size);
		DmaChannel *channel = new_channel(&fixture);
		g_autoptr(GError) error = NULL;
		guint64 before;

		fill(out, size, 3);
		prepare_states(&fixture);
		/* What is absent is zeroes, and stays absent. */
		memset(in, 0xff, size);
		dma_channel_read(channel, &piece, 1, in, &error);
		g_assert_no_error(error);
		for (gsize i = 2 * PAGE - 100; i < 3 * PAGE - 100; i++)
			g_assert_cmpint(in[i], ==, 0);
		g_assert_false(is_populated(&fixture, GROUND + 2 * PAGE));

		dma_channel_write(channel, &piece, 1, out, &error);
		g_assert_no_error(error);
		g_assert_true(is_populated(&fixture, GROUND + 2 * PAGE));
		g_assert_cmpmem(guest_memory + GROUND + 100, PAGE - 100, out, PAGE - 100);
		g_assert_cmpmem(host_address(&fixture, GROUND + PAGE), PAGE, out + PAGE - 100,
				PAGE);
		g_assert_cmpmem(host_address(&fixture, GROUND + 2 * PAGE), PAGE,
				out + 2 * PAGE - 100, PAGE);
		g_assert_cmpmem(guest_memory + GROUND + 3 * PAGE, PAGE - 100, out + 3 * PAGE - 100,
				PAGE - 100);
		/* Nobody's state has changed for it. */
		g_assert_true(is_private_page(GROUND));
		g_assert_false(is_private_page(GROUND + PAGE));

		before = trips(&fixture);
		dma_channel_read(channel, &piece, 1, in, &error);
		g_assert_no_error(error);
		g_assert_cmpmem(in, size, out, size);
		g_assert_cmpuint(trips(&fixture) - before, ==, 1);
		/* Each time a piece in each state, of which the absent one goes by a request. */
		assert_moved(&fixture, DMA_WAY_COURIER, 6, 3 * (2 * PAGE - 200));
		assert_moved(&fixture, DMA_WAY_PLAIN, 5, 3 * 2 * PAGE);
		assert_moved(&fixture, DMA_WAY_WINDOW, 0, 0);
		dma_channel_free(channel);
	}
	tear_down(&fixture);
}

/* A chain is one trip, as far as one goes. */
static void test_chain(void)
{
	const guint counts[] = { 1, 2, COURIER_PIECES_MAX, COURIER_PIECES_MAX + 1, 1000 };
	Fixture fixture;

	if (set_up(&fixture)) {
		DmaChannel *channel = new_channel(&fixture);

		for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
			guint count = counts[i];
			g_autofree DmaPiece *pieces = g_new(DmaPiece, count);
			g_autofree guint8 *out = g_malloc(count * 8), *in = g_malloc0(count * 8);
			g_autoptr(GError) error = NULL;
			guint64 before = trips(&fixture);
			guint wanted = (count + COURIER_PIECES_MAX - 1) / COURIER_PIECES_MAX;

			fill(out, count * 8, i);
			/* Backwards, and from the end of one page to the next. */
			for (guint j = 0; j < count; j++)
				pieces[j] = (DmaPiece){ GROUND + (count - j) * PAGE - 3, 8 };
			dma_channel_write(channel, pieces, count, out, &error);
			g_assert_no_error(error);
			g_assert_cmpuint(trips(&fixture) - before, ==, wanted);
			dma_channel_read(channel, pieces, count, in, &error);
			g_assert_no_error(error);
			g_assert_cmpmem(in, count * 8, out, count * 8);
			g_assert_cmpmem(guest_memory + pieces[count - 1].gpa, 8,
					out + (count - 1) * 8, 8);
		}
		dma_channel_free(channel);
	}
	tear_down(&fixture);
}

/* More than one part; what is no RAM; what is before it. */
static void test_ends(void)
{
	const gsize size = 2 * DMA_CHANNEL_PART + 10;
	const DmaPiece over_the_end[] = { { GROUND, 4 }, { RAM_SIZE - 2, 4 } };
	Fixture fixture;

	if (set_up(&fixture)) {
		g_autofree guint8 *out = g_malloc(size), *in = g_malloc0(size);
		DmaChannel *channel = new_channel(&fixture);
		g_autoptr(GError) error = NULL;
		guint64 before = trips(&fixture);

		fill(out, size, 9);
		g_assert_true(dma_device_write(channel, GROUND + 1, out, size, &error));
		g_assert_cmpuint(trips(&fixture) - before, ==, 3);
		g_assert_true(dma_device_read(channel, GROUND + 1, in, size, &error));
		g_assert_cmpmem(in, size, out, size);

		g_assert_false(dma_channel_write(channel, over_the_end, 2, out, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		g_assert_cmpmem(guest_memory + RAM_SIZE - 2, 2, out + 4, 2);
		g_clear_error(&error);
		g_assert_false(dma_device_read(channel, MEMORY_WINDOW_START, in, 8, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		g_clear_error(&error);
		g_assert_false(dma_device_read(channel, G_MAXUINT64 - 3, in, 8, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 0);
		dma_channel_free(channel);
	}
	tear_down(&fixture);
}

static gboolean is_id_of_topology(guint id)
{
	return id <= 250 && id % 8 != 6 && id % 8 != 7;
}

/* The first bring couriers, each with what no other has; there are more channels than those. */
static void test_channels(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		GPtrArray *all = fixture.memory->couriers.all;
		DmaChannel *channels[CHANNELS];

		for (guint i = 0; i < CHANNELS; i++)
			channels[i] = new_channel(&fixture);
		g_assert_cmpuint(all->len, ==, 1 + COURIERS_MAX);
		for (guint i = 0; i < all->len; i++) {
			const Courier *one = g_ptr_array_index(all, i);

			g_assert_false(is_id_of_topology(one->id));
			g_assert_cmpuint(one->id, <=, 254);
			g_assert_cmpuint(one->base, >=, MEMORY_WINDOW_START);
			g_assert_cmpuint(one->base + one->size, <=, MEMORY_WINDOW_END);
			for (guint j = 0; j < i; j++) {
				const Courier *other = g_ptr_array_index(all, j);

				g_assert_cmpuint(one->id, !=, other->id);
				g_assert_true(one->base >= other->base + other->size ||
					      other->base >= one->base + one->size);
			}
		}
		/* Also while the guest runs; and none is made where they are enough. */
		fixture.vm.is_set_up = TRUE;
		for (guint i = 0; i < CHANNELS; i++)
			dma_channel_free(channels[i]);
		for (guint i = 0; i < CHANNELS; i++)
			channels[i] = new_channel(&fixture);
		for (guint i = 0; i < CHANNELS; i++)
			dma_channel_free(channels[i]);
		g_assert_cmpuint(all->len, ==, 1 + COURIERS_MAX);
		g_assert_cmpuint(fixture.memory->couriers.idle->len, ==, COURIERS_MAX);
	}
	tear_down(&fixture);
}

/* One that is made and given up again leaves its courier to the next. */
static void test_one_after_the_other(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		for (guint i = 0; i < 10; i++)
			dma_channel_free(new_channel(&fixture));
		g_assert_cmpuint(fixture.memory->couriers.all->len, ==, 2);
	}
	tear_down(&fixture);
}

/* More devices than couriers, of which one alone is made at first: each gets on. */
static void test_many_devices(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		DmaDevice devices[CHANNELS];

		for (guint i = 0; i < CHANNELS; i++) {
			devices[i] = (DmaDevice){
				.gpa = GROUND,
				.pages = PAGES,
				.offset = (i + 1) * 64,
			};
			dma_device_start(&devices[i], fixture.memory);
			fixture.vm.is_set_up = TRUE;
		}
		g_assert_cmpuint(fixture.memory->couriers.all->len, ==, 2);
		for (guint round = 0; round < 50; round++) {
			touch(&fixture, GROUND);
			reclaim(&fixture, GROUND, PAGES * PAGE);
		}
		for (guint i = 0; i < CHANNELS; i++) {
			while (!g_atomic_int_get(&devices[i].has_begun))
				g_thread_yield();
			dma_device_end(&devices[i]);
			g_assert_cmpuint(devices[i].wrong, ==, 0);
		}
		g_assert_cmpuint(fixture.memory->couriers.idle->len, ==, 1);
	}
	tear_down(&fixture);
}

/* Private pages are in no mapping that io_uring could be told of. */
static void test_nothing_is_direct(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		g_autoptr(GError) error = NULL;
		DirectMemory *direct = direct_memory_new(fixture.memory, 0, 8, NULL, NULL, &error);
		DirectUse use;

		g_assert_no_error(error);
		g_assert_false(memory_can_be_direct(fixture.memory));
		for (guint i = 0; i < 1000; i++)
			g_assert_false(direct_memory_begin(direct, GROUND, PAGE, &use));
		direct_memory_free(direct);
	}
	tear_down(&fixture);
}

static void test_too_late(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		g_autoptr(GError) error = NULL;

		fixture.vm.is_set_up = TRUE;
		g_assert_null(dma_channel_new(fixture.memory, &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
	}
	tear_down(&fixture);
}

static void test_failure(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		DmaChannel *channel = new_channel(&fixture), *other = new_channel(&fixture);
		g_autoptr(GError) error = NULL;
		guint8 data[8] = { 0 };

		g_atomic_int_set(&is_trip_to_fail, TRUE);
		g_assert_false(dma_device_write(channel, GROUND, data, sizeof(data), &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_GUEST);
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 1);
		g_clear_error(&error);
		g_assert_false(dma_device_read(other, GROUND, data, sizeof(data), &error));
		g_assert_error(error, KVM_ERROR, KVM_ERROR_SYSTEM);
		dma_channel_free(other);
		dma_channel_free(channel);
		g_assert_cmpuint(fixture.memory->couriers.idle->len, ==, 2);
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
	guint64 added[PAGES]; /* its own */
} Vcpu;

struct Crowd {
	Fixture fixture;
	GateSet *gates;
	Vcpu vcpus[VCPUS];
	GThread *converter;
	gint is_over;
};

static void kick(gpointer opaque, guint index)
{
	Crowd *crowd = opaque;

	g_atomic_int_set(&crowd->vcpus[index].is_kicked, TRUE);
}

/* Where the attribute says; nothing changes it while a vCPU is inside that is no event's. */
static void add(Vcpu *vcpu, guint page)
{
	guint64 gpa = GROUND + page * PAGE;
	guint8 *content = is_private_page(gpa) ? guest_memory + gpa :
						 host_address(&vcpu->crowd->fixture, gpa);

	content += COUNTS;
	__atomic_fetch_add((guint64 *)content, 1, __ATOMIC_RELAXED);
	((volatile guint64 *)content)[1 + vcpu->index]++;
	vcpu->added[page]++;
}

static gpointer run_vcpu(gpointer data)
{
	Vcpu *vcpu = data;
	Crowd *crowd = vcpu->crowd;

	gate_attach(crowd->gates, vcpu->index);
	for (;;) {
		guint page = 0;

		g_atomic_int_set(&vcpu->is_kicked, FALSE);
		if (!gate_enter(crowd->gates, vcpu->index))
			return NULL;
		while (!g_atomic_int_get(&vcpu->is_kicked))
			add(vcpu, page++ % PAGES);
		gate_leave(crowd->gates, vcpu->index);
	}
}

/* Beside the pages that are counted in: a vCPU that is outside, and does nothing but convert. */
static gpointer run_converter(gpointer data)
{
	Crowd *crowd = data;

	while (!g_atomic_int_get(&crowd->is_over)) {
		convert(&crowd->fixture, GROUND + PAGES * PAGE, PAGES, FALSE);
		convert(&crowd->fixture, GROUND + PAGES * PAGE, PAGES, TRUE);
	}
	return NULL;
}

static void start(Crowd *crowd)
{
	crowd->gates = gate_set_new(VCPUS, kick, crowd);
	for (guint i = 0; i < VCPUS; i++) {
		Vcpu *vcpu = &crowd->vcpus[i];

		*vcpu = (Vcpu){ .crowd = crowd, .index = i };
		vcpu->thread = g_thread_new("vcpu", run_vcpu, vcpu);
		gate_await_attached(crowd->gates, i);
	}
	memory_set_gates(crowd->fixture.memory, crowd->gates);
	crowd->converter = g_thread_new("converter", run_converter, crowd);
	gate_set_open(crowd->gates, GATE_PAUSE);
}

static void check_counts(Crowd *crowd)
{
	for (guint page = 0; page < PAGES; page++) {
		const guint64 *words =
			(const guint64 *)(guest_memory + GROUND + page * PAGE + COUNTS);
		guint64 sum = 0;

		for (guint i = 0; i < VCPUS; i++) {
			g_assert_cmpuint(words[1 + i], ==, crowd->vcpus[i].added[page]);
			sum += crowd->vcpus[i].added[page];
		}
		g_assert_cmpuint(words[0], ==, sum);
	}
}

static void end(Crowd *crowd)
{
	gate_set_close(crowd->gates, GATE_STOP);
	memory_set_gates(crowd->fixture.memory, NULL);
	for (guint i = 0; i < VCPUS; i++)
		g_thread_join(crowd->vcpus[i].thread);
	gate_set_free(crowd->gates);
}

/*
 * Four vCPUs count in the same pages, while these are shown and taken back, pinned and given back,
 * and three devices read and write: two beside the counts, one in pages that change state under it.
 */
static void test_nothing_is_lost(void)
{
	Crowd crowd = { .is_over = FALSE };

	if (set_up(&crowd.fixture)) {
		DmaDevice devices[] = {
			{ .gpa = GROUND, .pages = PAGES, .offset = 2048 },
			{ .gpa = GROUND, .pages = PAGES, .offset = 3072 },
			{ .gpa = GROUND + PAGES * PAGE, .pages = PAGES, .offset = 1024 },
		};
		MemoryStatistics statistics;

		start(&crowd);
		for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
			dma_device_start(&devices[i], crowd.fixture.memory);
		for (guint round = 0; round < 300; round++) {
			for (guint page = 0; page < PAGES; page++)
				touch(&crowd.fixture, GROUND + page * PAGE);
			reclaim(&crowd.fixture, GROUND, PAGES * PAGE);
			if (round % 3 == 0)
				memory_unpin(pin(&crowd.fixture, GROUND, PAGES * PAGE, NULL));
			if (round % 50 == 0) {
				gate_set_pause(crowd.gates);
				gate_set_open(crowd.gates, GATE_PAUSE);
			}
		}
		for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
			dma_device_end(&devices[i]);
			g_assert_cmpuint(devices[i].rounds, >, 0);
		}
		g_assert_cmpuint(devices[0].wrong + devices[1].wrong, ==, 0);
		g_atomic_int_set(&crowd.is_over, TRUE);
		g_thread_join(crowd.converter);
		gate_set_pause(crowd.gates);
		reclaim(&crowd.fixture, GROUND, PAGES * PAGE);
		check_counts(&crowd);
		memory_statistics(crowd.fixture.memory, &statistics);
		g_assert_cmpuint(
			statistics.conversions[CONVERSION_TO_PRIVATE][CONVERSION_RECLAIM].count, >,
			100);
		g_assert_cmpint(g_atomic_int_get(&crowd.fixture.failures), ==, 0);
		end(&crowd);
	}
	tear_down(&crowd.fixture);
}

/* As a machine does it that is reset: everybody is paused but a device. */
static void test_reset_under_a_device(void)
{
	Fixture fixture;

	if (set_up(&fixture)) {
		DmaDevice device = { .gpa = GROUND, .pages = PAGES };
		g_autoptr(GError) error = NULL;

		dma_device_start(&device, fixture.memory);
		for (guint round = 0; round < 200 || !g_atomic_int_get(&device.has_begun);
		     round++) {
			convert(&fixture, GROUND, 2, FALSE);
			g_assert_true(memory_release_touches(fixture.memory, &error));
			g_assert_true(memory_discard(fixture.memory, &error));
		}
		dma_device_end(&device);
		g_assert_cmpuint(device.rounds, >, 0);
		g_assert_true(memory_discard(fixture.memory, &error));
		for (guint page = 0; page < PAGES; page++) {
			g_assert_true(is_private_page(GROUND + page * PAGE));
			g_assert_cmpint(guest_memory[GROUND + page * PAGE], ==, 0);
		}
		g_assert_cmpint(g_atomic_int_get(&fixture.failures), ==, 0);
	}
	tear_down(&fixture);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/two-sided/each-state", test_each_state);
	g_test_add_func("/two-sided/chain", test_chain);
	g_test_add_func("/two-sided/ends", test_ends);
	g_test_add_func("/two-sided/channels", test_channels);
	g_test_add_func("/two-sided/one-after-the-other", test_one_after_the_other);
	g_test_add_func("/two-sided/many-devices", test_many_devices);
	g_test_add_func("/two-sided/nothing-is-direct", test_nothing_is_direct);
	g_test_add_func("/two-sided/too-late", test_too_late);
	g_test_add_func("/two-sided/failure", test_failure);
	g_test_add_func("/two-sided/nothing-is-lost", test_nothing_is_lost);
	g_test_add_func("/two-sided/reset-under-a-device", test_reset_under_a_device);
	add_pinned_tests("/two-sided");
	add_released_tests("/two-sided");
	return g_test_run();
}
