/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* courier.c - a vCPU of our own that reads and writes private memory */
#include "vmm/memory/courier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/kvm-uapi.h"
#include "vmm/kvm/vcpu-state.h"

/* The window, in bytes from its base. */
#define PML4_OFFSET    0x0000ull
#define PDPT_OFFSET    0x1000ull
#define STAGING_OFFSET 0x2000ull
#define TABLES_SIZE    (STAGING_OFFSET + COURIER_STAGING_SIZE)
#define CODE_OFFSET    TABLES_SIZE
#define CODE_SIZE      0x1000ull

G_STATIC_ASSERT(CODE_OFFSET + CODE_SIZE == COURIER_WINDOW_SIZE);

/* One PML4 entry's reach, which one-to-one page tables of two pages cover. */
#define REACH_SHIFT		 39

#define PTE_PRESENT		 (1ull << 0)
#define PTE_WRITE		 (1ull << 1)
#define PTE_ACCESSED		 (1ull << 5)
#define PTE_DIRTY		 (1ull << 6)
#define PTE_LARGE		 (1ull << 7)

#define APIC_BASE_ENABLE	 (1ull << 11)

#define AMD_FEATURES_LEAF	 0x80000001u
#define AMD_FEATURES_EDX_PAGE1GB (1u << 26)

/* Where the loop reports that a trip is over; nobody else sees this port. */
#define DONE_PORT	 0xe9

#define SYNCED_REGISTERS (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)

/* Far beyond what a trip takes on the slowest of hosts. */
#define STUCK_AFTER_SECONDS 10

/* rep movsb; out %al, %dx */
static const guint8 copy_loop[] = { 0xf3, 0xa4, 0xee };

struct Courier {
	KvmVm *vm;
	int fd;
	struct kvm_run *run;
	gsize run_size;
	guint64 base;
	guint8 *window;
	struct kvm_sregs sregs; /* as every trip starts */
	guint64 trips;
	guint64 bytes;

	timer_t watchdog;
	gboolean has_watchdog;
	CourierStuck stuck;
	gpointer opaque;
	pthread_t thread; /* that makes the trip */
	gint is_stuck;	  /* atomic */
};

static gboolean set_errno_error(GError **error, const char *what)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "courier: %s: %s", what, g_strerror(errno));
	return FALSE;
}

static void on_watchdog(union sigval value)
{
	Courier *courier = value.sival_ptr;

	g_atomic_int_set(&courier->is_stuck, TRUE);
	courier->stuck(courier->opaque);
	courier->run->immediate_exit = 1;
	pthread_kill(courier->thread, SIGUSR1);
}

static gboolean create_watchdog(Courier *courier, GError **error)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = on_watchdog,
		.sigev_value.sival_ptr = courier,
	};

	if (timer_create(CLOCK_MONOTONIC, &event, &courier->watchdog) < 0)
		return set_errno_error(error, "timer_create");
	courier->has_watchdog = TRUE;
	return TRUE;
}

static void set_watchdog(Courier *courier, time_t seconds)
{
	struct itimerspec when = { .it_value.tv_sec = seconds };

	timer_settime(courier->watchdog, 0, &when, NULL);
}

static gboolean add_window(Courier *courier, GError **error)
{
	const KvmMemslot tables = {
		.gpa = courier->base,
		.size = TABLES_SIZE,
		.userspace = courier->window,
		.guest_memfd = -1,
	};
	const KvmMemslot code = {
		.gpa = courier->base + CODE_OFFSET,
		.size = CODE_SIZE,
		.userspace = courier->window + CODE_OFFSET,
		.readonly = TRUE,
		.guest_memfd = -1,
	};

	return kvm_vm_add_memslot(courier->vm, &tables, error) &&
	       kvm_vm_add_memslot(courier->vm, &code, error);
}

/* Expected entries; accessed and dirty are set from the start, so that none ever changes. */
static guint64 pml4_entry(const Courier *courier)
{
	return (courier->base + PDPT_OFFSET) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
}

static guint64 pdpt_entry(guint64 index)
{
	return index << 30 | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_LARGE;
}

static void fill_window(Courier *courier)
{
	guint64 *pml4 = (guint64 *)(courier->window + PML4_OFFSET);
	guint64 *pdpt = (guint64 *)(courier->window + PDPT_OFFSET);

	pml4[0] = pml4_entry(courier);
	for (guint64 i = 0; i < 512; i++)
		pdpt[i] = pdpt_entry(i);
	memcpy(courier->window + CODE_OFFSET, copy_loop, sizeof(copy_loop));
}

/* Whether the entry that maps @gpa is still what it was; the guest may write at any time. */
static gboolean is_mapping_intact(const Courier *courier, guint64 gpa)
{
	const volatile guint64 *pml4 = (const guint64 *)(courier->window + PML4_OFFSET);
	const volatile guint64 *pdpt = (const guint64 *)(courier->window + PDPT_OFFSET);
	guint64 index = gpa >> 30;

	return pml4[0] == pml4_entry(courier) && pdpt[index] == pdpt_entry(index);
}

static gboolean check_processor(struct kvm_cpuid2 *cpuid, GError **error)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, AMD_FEATURES_LEAF, 0);

	if (entry && entry->edx & AMD_FEATURES_EDX_PAGE1GB)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		    "this host's processor has no 1 GiB pages (CPUID 0x80000001 EDX bit 26), "
		    "which software-protected domains need");
	return FALSE;
}

static gboolean create_vcpu(Courier *courier, guint vcpu_id, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_supported(courier->vm, error);
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int run_size = ioctl(kvm_vm_kvm_fd(courier->vm), KVM_GET_VCPU_MMAP_SIZE, 0);
	int synced = ioctl(kvm_vm_fd(courier->vm), KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	void *run;

	if (!cpuid || !check_processor(cpuid, error))
		return FALSE;
	if (run_size < 0)
		return set_errno_error(error, "KVM_GET_VCPU_MMAP_SIZE");
	if (synced < 0 || (synced & SYNCED_REGISTERS) != SYNCED_REGISTERS) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    "this host's KVM lacks KVM_CAP_SYNC_REGS");
		return FALSE;
	}
	courier->fd = ioctl(kvm_vm_fd(courier->vm), KVM_CREATE_VCPU, vcpu_id);
	if (courier->fd < 0)
		return set_errno_error(error, "KVM_CREATE_VCPU");
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, courier->fd, 0);
	if (run == MAP_FAILED)
		return set_errno_error(error, "mapping struct kvm_run");
	courier->run = run;
	courier->run_size = run_size;
	if (ioctl(courier->fd, KVM_SET_CPUID2, cpuid) < 0)
		return set_errno_error(error, "KVM_SET_CPUID2");
	if (ioctl(courier->fd, KVM_SET_MP_STATE, &runnable) < 0)
		return set_errno_error(error, "KVM_SET_MP_STATE");
	if (ioctl(courier->fd, KVM_GET_SREGS, &courier->sregs) < 0)
		return set_errno_error(error, "KVM_GET_SREGS");
	vcpu_state_set_long_mode(&courier->sregs, courier->base + PML4_OFFSET, 8, 16);
	courier->sregs.apic_base &= ~APIC_BASE_ENABLE;
	/*
	 * Not with the first trip: the guest may run before that, and an INIT that reaches an
	 * APIC which is still enabled waits in it and resets the courier when it runs.
	 */
	if (ioctl(courier->fd, KVM_SET_SREGS, &courier->sregs) < 0)
		return set_errno_error(error, "KVM_SET_SREGS");
	return TRUE;
}

Courier *courier_new(KvmVm *vm, guint64 base, guint vcpu_id, CourierStuck stuck, gpointer opaque,
		     GError **error)
{
	g_autoptr(Courier) courier = g_new0(Courier, 1);
	void *window;

	g_return_val_if_fail((base + COURIER_WINDOW_SIZE) >> REACH_SHIFT == 0, NULL);

	courier->vm = vm;
	courier->fd = -1;
	courier->base = base;
	courier->stuck = stuck;
	courier->opaque = opaque;
	window = mmap(NULL, COURIER_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (window == MAP_FAILED) {
		set_errno_error(error, "mapping the window");
		return NULL;
	}
	courier->window = window;
	madvise(window, COURIER_WINDOW_SIZE, MADV_DONTDUMP);
	/* Content of guest memory passes through here; a fault while it does is no option. */
	memset(window, 0, COURIER_WINDOW_SIZE);
	fill_window(courier);
	if (!add_window(courier, error) || !create_vcpu(courier, vcpu_id, error) ||
	    !create_watchdog(courier, error))
		return NULL;
	return g_steal_pointer(&courier);
}

void courier_free(Courier *courier)
{
	if (!courier)
		return;
	if (courier->has_watchdog)
		timer_delete(courier->watchdog);
	if (courier->run)
		munmap(courier->run, courier->run_size);
	if (courier->fd >= 0)
		close(courier->fd);
	if (courier->window)
		munmap(courier->window, COURIER_WINDOW_SIZE);
	g_free(courier);
}

guint8 *courier_staging(Courier *courier)
{
	return courier->window + STAGING_OFFSET;
}

void courier_wipe(Courier *courier, guint64 size)
{
	memset(courier_staging(courier), 0, size);
}

guint64 courier_trips(const Courier *courier)
{
	return courier->trips;
}

guint64 courier_bytes(const Courier *courier)
{
	return courier->bytes;
}

static void set_registers(Courier *courier, guint64 destination, guint64 source, guint64 size)
{
	struct kvm_run *run = courier->run;

	run->s.regs.regs = (struct kvm_regs){
		.rip = courier->base + CODE_OFFSET,
		.rsi = source,
		.rdi = destination,
		.rcx = size,
		.rdx = DONE_PORT,
		.rflags = 2, /* bit 1 is always set; direction is up, interrupts are off */
	};
	run->s.regs.sregs = courier->sregs;
	run->kvm_dirty_regs = SYNCED_REGISTERS;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

/* Runs until an exit that is none of a signal's; the registers are set once. */
static int run_to_exit(Courier *courier)
{
	int result;

	do {
		result = ioctl(courier->fd, KVM_RUN, 0) < 0 ? -errno : 0;
	} while (result == -EINTR && !g_atomic_int_get(&courier->is_stuck));
	return result;
}

/* Whether the loop came to its end, having copied all. */
static gboolean is_trip_complete(const Courier *courier, guint64 destination, guint64 source,
				 guint64 size)
{
	const struct kvm_run *run = courier->run;
	const struct kvm_regs *regs = &run->s.regs.regs;

	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       run->io.port == DONE_PORT && regs->rcx == 0 && regs->rsi == source + size &&
	       regs->rdi == destination + size;
}

static gboolean make_trip(Courier *courier, guint64 gpa, guint64 destination, guint64 source,
			  guint64 size, GError **error)
{
	int result;

	if (!is_mapping_intact(courier, gpa) || !is_mapping_intact(courier, gpa + size - 1) ||
	    !is_mapping_intact(courier, courier->base)) {
		g_set_error(
			error, KVM_ERROR, KVM_ERROR_GUEST,
			"the guest wrote to the courier's page tables at gpa %#" G_GINT64_MODIFIER
			"x",
			courier->base);
		return FALSE;
	}
	set_registers(courier, destination, source, size);
	courier->thread = pthread_self();
	set_watchdog(courier, STUCK_AFTER_SECONDS);
	result = run_to_exit(courier);
	set_watchdog(courier, 0);
	if (result < 0 || !is_trip_complete(courier, destination, source, size)) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
			    "the courier did not come back from gpa %#" G_GINT64_MODIFIER
			    "x (%" G_GUINT64_FORMAT " bytes): KVM_RUN: %s, exit reason %u%s",
			    gpa, size, result < 0 ? g_strerror(-result) : "success",
			    courier->run->exit_reason,
			    g_atomic_int_get(&courier->is_stuck) ? ", after too long a time" : "");
		return FALSE;
	}
	courier->trips++;
	courier->bytes += size;
	return TRUE;
}

gboolean courier_fetch(Courier *courier, guint64 gpa, guint64 size, GError **error)
{
	return make_trip(courier, gpa, courier->base + STAGING_OFFSET, gpa, size, error);
}

gboolean courier_store(Courier *courier, guint64 gpa, guint64 size, GError **error)
{
	return make_trip(courier, gpa, gpa, courier->base + STAGING_OFFSET, size, error);
}
