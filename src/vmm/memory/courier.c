/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* courier.c - a vCPU of our own that reads and writes private memory */
#include "vmm/memory/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/kick.h"
#include "vmm/kvm/vcpu-state.h"
#include "vmm/sandbox/sandbox.h"

/* The window, in bytes from its base. The page of code is behind the staging area. */
#define PML4_OFFSET    0x0000ull
#define PDPT_OFFSET    0x1000ull
#define STAGING_OFFSET (PDPT_OFFSET + COURIER_REACH_TABLES * PAGE_SIZE)
#define CODE_SIZE      0x1000ull
#define PAGE_SIZE      0x1000ull

G_STATIC_ASSERT(STAGING_OFFSET + CODE_SIZE == COURIER_WINDOW_SIZE(0));

/* Where in the page of code the list is: away from the code, which is not written to. */
#define LIST_OFFSET 0x400ull

/* What an entry of each level of the one-to-one page tables covers. */
#define PML4_SHIFT   39
#define PDPT_SHIFT   30

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7)

/* What it says of the tables' caching does not matter; that it changes does. */
#define CR3_WRITE_THROUGH	 (1ull << 3)

#define APIC_BASE_ENABLE	 (1ull << 11)

#define AMD_FEATURES_LEAF	 0x80000001u
#define AMD_FEATURES_EDX_PAGE1GB (1u << 26)

/* Where the loop reports that a trip is over; nobody else sees this port. */
#define DONE_PORT	 0xe9

#define SYNCED_REGISTERS (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)

/* Processor time after which an attempt is interrupted, and looked at. */
#define ATTEMPT_NS 1000000

/* How many attempts of a trip may bring less than a page. */
#define USELESS_ATTEMPTS_MAX 25

/*
 * What one attempt never takes: to be found asleep this many times, a second apart, or so much
 * processor time after the first look, though the deadline has kicked it long before.
 */
#define ASLEEP_MAX    3
#define STUCK_CPU_NS  250000000

#define NS_PER_SECOND G_GINT64_CONSTANT(1000000000)

/* glibc has it by this name since 2.38 only. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Takes what is to be copied from %r8 on, where it is listed up to %r9. */
static const guint8 copy_loop[] = {
	0x49, 0x8b, 0x30,	/* mov (%r8), %rsi */
	0x49, 0x8b, 0x78, 0x08, /* mov 8(%r8), %rdi */
	0x49, 0x8b, 0x48, 0x10, /* mov 16(%r8), %rcx */
	0xf3, 0xa4,		/* rep movsb */
	0x49, 0x83, 0xc0, 0x18, /* add $24, %r8 */
	0x4d, 0x39, 0xc8,	/* cmp %r9, %r8 */
	0x75, 0xea,		/* jne to the first */
	0xee,			/* out %al, %dx */
};

/* Offsets of its instructions. */
enum {
	LOOP_SOURCE = 0,
	LOOP_DESTINATION = 3,
	LOOP_SIZE = 7,
	LOOP_COPY = 11,
	LOOP_ADVANCE = 13,
	LOOP_COMPARE = 17,
	LOOP_BRANCH = 20,
	LOOP_OUT = 22,
};

G_STATIC_ASSERT(sizeof(copy_loop) == LOOP_OUT + 1);

/* What is to be copied; an entry of the list, as the loop reads it. */
typedef struct {
	guint64 source;
	guint64 destination;
	guint64 size;
} Load;

G_STATIC_ASSERT(sizeof(Load) == 24);
G_STATIC_ASSERT(sizeof(copy_loop) <= LIST_OFFSET);
G_STATIC_ASSERT(LIST_OFFSET + COURIER_PIECES_MAX * sizeof(Load) <= CODE_SIZE);

/* How far an attempt has come in a list. */
typedef struct {
	guint loads;   /* that are copied */
	guint64 bytes; /* of the next */
} Progress;

struct Courier {
	KvmVm *vm;
	int fd;
	struct kvm_run *run;
	gsize run_size;
	guint64 base;
	guint64 staging_size;
	guint8 *window;
	struct kvm_sregs sregs; /* as every trip starts */
	CourierCounter counter;
	Load loads[COURIER_PIECES_MAX]; /* of the trip under way */

	/* Timers: one of the processor time of who made the last trip, one of time. */
	pid_t thread_id; /* of that thread; 0 before the first trip */
	int stat_fd;	 /* of it, as courier_attach_thread() has opened it; or -1 */
	pthread_t thread;
	clockid_t cpu_clock;
	timer_t deadline;
	timer_t watchdog;
	gboolean has_deadline;
	gboolean has_watchdog;
	CourierStuck stuck;
	gpointer opaque;

	GMutex lock; /* guards what the watchdog needs to know of the attempt under way */
	gboolean is_inside;
	guint looks;		/* at the attempt under way */
	guint asleep;		/* how many of them, without one between, found it asleep */
	gint64 cpu_at_first_ns; /* processor time at the first of them */
	gboolean is_stuck;
};

static guint64 code_offset(const Courier *courier)
{
	return STAGING_OFFSET + courier->staging_size;
}

static guint64 window_size(const Courier *courier)
{
	return COURIER_WINDOW_SIZE(courier->staging_size);
}

static guint64 code_gpa(const Courier *courier)
{
	return courier->base + code_offset(courier);
}

static gboolean set_errno_error(GError **error, const char *what)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, _("courier: %s: %s"), what,
		    g_strerror(errno));
	return FALSE;
}

static gint64 cpu_now_ns(const Courier *courier)
{
	struct timespec now;

	clock_gettime(courier->cpu_clock, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* A descriptor and 1, so that 0 is none. */
static void close_stat(gpointer stat)
{
	close(GPOINTER_TO_INT(stat) - 1);
}

/* The calling thread's /proc/PID/stat. */
static GPrivate own_stat = G_PRIVATE_INIT(close_stat);

void courier_attach_thread(int task_folder)
{
	g_autofree char *path = g_strdup_printf("%d/stat", (int)gettid());
	const int fd = openat(task_folder, path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		g_private_replace(&own_stat, GINT_TO_POINTER(fd + 1));
}

/*
 * Whether the thread sleeps, rather than waits for a processor. The third field of
 * /proc/PID/stat, proc(5), follows a name that may hold anything, but is not long.
 */
static gboolean is_thread_asleep(const Courier *courier)
{
	char stat[128];
	const char *end_of_name;
	const ssize_t size = pread(courier->stat_fd, stat, sizeof(stat) - 1, 0);

	if (size < 0)
		return TRUE;
	stat[size] = '\0';
	end_of_name = strrchr(stat, ')');
	return !end_of_name || strncmp(end_of_name, ") R", 3) != 0;
}

/*
 * Whether the attempt under way sleeps, with nobody to wake it, or uses the processor and does
 * not come back for the kick that the deadline was. One that only waits for a processor is let
 * be. With the lock held.
 */
static gboolean is_attempt_stuck(Courier *courier)
{
	if (!courier->is_inside)
		return FALSE;
	if (courier->looks++ == 0)
		courier->cpu_at_first_ns = cpu_now_ns(courier);
	courier->asleep = is_thread_asleep(courier) ? courier->asleep + 1 : 0;
	return courier->asleep >= ASLEEP_MAX ||
	       cpu_now_ns(courier) - courier->cpu_at_first_ns > STUCK_CPU_NS;
}

/* Once a second while a trip is under way, on a thread of its own. */
static void on_watchdog(union sigval value)
{
	Courier *courier = value.sival_ptr;
	gboolean is_new = FALSE;

	g_mutex_lock(&courier->lock);
	if (!courier->is_stuck && is_attempt_stuck(courier))
		is_new = courier->is_stuck = TRUE;
	g_mutex_unlock(&courier->lock);
	if (!is_new)
		return;
	courier->stuck(courier->opaque);
	courier->run->immediate_exit = 1;
	pthread_kill(courier->thread, KICK_SIGNAL);
}

/*
 * The C library makes a thread for timers that call functions when it makes the first, which has
 * what the thread has given up that makes it. So that is one that does nothing else.
 */
static gpointer run_create_watchdog(gpointer data)
{
	Courier *courier = data;
	struct sigevent call = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = on_watchdog,
		.sigev_value.sival_ptr = courier,
	};

	sandbox_enter_thread(SANDBOX_THREAD_WATCHDOG);
	courier->has_watchdog = timer_create(CLOCK_MONOTONIC, &call, &courier->watchdog) == 0;
	return GINT_TO_POINTER(errno);
}

static gboolean create_watchdog(Courier *courier, GError **error)
{
	GThread *thread = g_thread_try_new("watchdog", run_create_watchdog, courier, error);

	if (!thread)
		return FALSE;
	errno = GPOINTER_TO_INT(g_thread_join(thread));
	return courier->has_watchdog || set_errno_error(error, "timer_create(CLOCK_MONOTONIC)");
}

static void delete_deadline(Courier *courier)
{
	if (courier->has_deadline)
		timer_delete(courier->deadline);
	courier->has_deadline = FALSE;
}

/* The thread that is about to make a trip has not made the last: its processor time counts now. */
static gboolean adopt_thread(Courier *courier, GError **error)
{
	struct sigevent kick = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = KICK_SIGNAL,
	};
	gboolean has_clock;

	delete_deadline(courier);
	/* The watchdog may be about to look, though there is nothing to see. */
	g_mutex_lock(&courier->lock);
	courier->thread = pthread_self();
	courier->thread_id = gettid();
	courier->stat_fd = GPOINTER_TO_INT(g_private_get(&own_stat)) - 1;
	has_clock = pthread_getcpuclockid(courier->thread, &courier->cpu_clock) == 0;
	g_mutex_unlock(&courier->lock);
	kick.sigev_notify_thread_id = courier->thread_id;
	if (!has_clock || timer_create(CLOCK_THREAD_CPUTIME_ID, &kick, &courier->deadline) < 0)
		return set_errno_error(error, "timer_create(CLOCK_THREAD_CPUTIME_ID)");
	courier->has_deadline = TRUE;
	return TRUE;
}

/* It repeats: the first kick may come just before KVM_RUN. */
static void set_deadline(Courier *courier, long ns)
{
	const struct itimerspec when = {
		.it_value.tv_nsec = ns,
		.it_interval.tv_nsec = ns,
	};

	timer_settime(courier->deadline, 0, &when, NULL);
}

static void set_watchdog(Courier *courier, time_t seconds)
{
	const struct itimerspec when = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_sec = seconds,
	};

	timer_settime(courier->watchdog, 0, &when, NULL);
}

static gboolean add_window(Courier *courier, GError **error)
{
	const KvmMemslot tables = {
		.gpa = courier->base,
		.size = code_offset(courier),
		.userspace = courier->window,
		.guest_memfd = -1,
	};
	const KvmMemslot code = {
		.gpa = code_gpa(courier),
		.size = CODE_SIZE,
		.userspace = courier->window + code_offset(courier),
		.readonly = TRUE,
		.guest_memfd = -1,
	};

	return kvm_vm_add_memslot(courier->vm, &tables, error) &&
	       kvm_vm_add_memslot(courier->vm, &code, error);
}

/* Expected entries; accessed and dirty are set from the start, so that none ever changes. */
static guint64 pml4_entry(const Courier *courier, guint64 index)
{
	return (courier->base + PDPT_OFFSET + index * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE |
	       PTE_ACCESSED;
}

/* @index: in all tables, which follow each other */
static guint64 pdpt_entry(guint64 index)
{
	return index << PDPT_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_LARGE;
}

static void fill_window(Courier *courier)
{
	guint64 *pml4 = (guint64 *)(courier->window + PML4_OFFSET);
	guint64 *pdpt = (guint64 *)(courier->window + PDPT_OFFSET);

	for (guint64 i = 0; i < COURIER_REACH_TABLES; i++)
		pml4[i] = pml4_entry(courier, i);
	for (guint64 i = 0; i < COURIER_REACH >> PDPT_SHIFT; i++)
		pdpt[i] = pdpt_entry(i);
	memcpy(courier->window + code_offset(courier), copy_loop, sizeof(copy_loop));
}

/* Whether the entries that map @gpa are still what they were; the guest may write at any time. */
static gboolean is_mapping_intact(const Courier *courier, guint64 gpa)
{
	const volatile guint64 *pml4 = (const guint64 *)(courier->window + PML4_OFFSET);
	const volatile guint64 *pdpt = (const guint64 *)(courier->window + PDPT_OFFSET);
	guint64 table = gpa >> PML4_SHIFT, page = gpa >> PDPT_SHIFT;

	return pml4[table] == pml4_entry(courier, table) && pdpt[page] == pdpt_entry(page);
}

static gboolean check_processor(struct kvm_cpuid2 *cpuid, GError **error)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, AMD_FEATURES_LEAF, 0);

	if (entry && entry->edx & AMD_FEATURES_EDX_PAGE1GB)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		    _("this host's processor has no 1 GiB pages (CPUID 0x80000001 EDX bit 26), "
		      "which software-protected domains need"));
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
			    _("this host's KVM lacks KVM_CAP_SYNC_REGS"));
		return FALSE;
	}
	courier->fd = ioctl(kvm_vm_fd(courier->vm), KVM_CREATE_VCPU, vcpu_id);
	if (courier->fd < 0)
		return set_errno_error(error, "KVM_CREATE_VCPU");
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, courier->fd, 0);
	if (run == MAP_FAILED)
		return set_errno_error(error, "mmap(struct kvm_run)");
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

Courier *courier_new(KvmVm *vm, guint64 base, guint64 staging_size, guint vcpu_id,
		     CourierStuck stuck, gpointer opaque, GError **error)
{
	const guint64 size = COURIER_WINDOW_SIZE(staging_size);
	g_autoptr(Courier) courier = g_new0(Courier, 1);
	void *window;

	g_return_val_if_fail(base + size <= COURIER_REACH, NULL);

	g_mutex_init(&courier->lock);
	kick_install_handler();
	courier->vm = vm;
	courier->fd = -1;
	courier->stat_fd = -1;
	courier->base = base;
	courier->staging_size = staging_size;
	courier->stuck = stuck;
	courier->opaque = opaque;
	window = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (window == MAP_FAILED) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("courier: mapping the window: %s"), g_strerror(errno));
		return NULL;
	}
	courier->window = window;
	madvise(window, size, MADV_DONTDUMP);
	/* Content of guest memory passes through here; a fault while it does is no option. */
	memset(window, 0, size);
	/* Nor is swap, if the process may lock so much. */
	(void)mlock(window, size);
	fill_window(courier);
	if (!create_watchdog(courier, error) || !create_vcpu(courier, vcpu_id, error) ||
	    !add_window(courier, error))
		return NULL;
	return g_steal_pointer(&courier);
}

void courier_free(Courier *courier)
{
	if (!courier)
		return;
	if (courier->has_watchdog)
		timer_delete(courier->watchdog);
	delete_deadline(courier);
	if (courier->run)
		munmap(courier->run, courier->run_size);
	if (courier->fd >= 0)
		close(courier->fd);
	if (courier->window)
		munmap(courier->window, window_size(courier));
	g_mutex_clear(&courier->lock);
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

const CourierCounter *courier_counter(const Courier *courier)
{
	return &courier->counter;
}

/*
 * KVM drops the translations that a processor has cached when CR3 changes, and only then. One
 * that the guest's entry of a moment ago has left would be used past what was compared.
 */
static void set_registers(Courier *courier, guint count)
{
	const guint64 list = code_gpa(courier) + LIST_OFFSET;
	struct kvm_run *run = courier->run;

	courier->sregs.cr3 ^= CR3_WRITE_THROUGH;
	run->s.regs.regs = (struct kvm_regs){
		.rip = code_gpa(courier) + LOOP_SOURCE,
		.rdx = DONE_PORT,
		.r8 = list,
		.r9 = list + count * sizeof(Load),
		.rflags = 2, /* bit 1 is always set; direction is up, interrupts are off */
	};
	run->s.regs.sregs = courier->sregs;
	run->kvm_dirty_regs = SYNCED_REGISTERS;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

/* Whether the registers say that so much of a load is copied. */
static gboolean has_copied_of(const struct kvm_regs *regs, const Load *load, guint64 copied)
{
	return regs->rcx == load->size - copied && regs->rsi == load->source + copied &&
	       regs->rdi == load->destination + copied;
}

/* Whether the registers are those of the loop on its way through a list. */
static gboolean find_progress(const Courier *courier, const Load *loads, guint count,
			      Progress *progress)
{
	const struct kvm_regs *regs = &courier->run->s.regs.regs;
	const guint64 list = code_gpa(courier) + LIST_OFFSET, at = regs->r8 - list;
	const guint64 index = at / sizeof(Load);

	if (regs->r9 != list + count * sizeof(Load) || at % sizeof(Load) != 0 || index > count)
		return FALSE;
	*progress = (Progress){ .loads = index };
	switch (regs->rip - code_gpa(courier)) {
	case LOOP_SOURCE:
	case LOOP_DESTINATION:
	case LOOP_SIZE:
		return index < count;
	case LOOP_COPY:
		if (index == count || regs->rcx > loads[index].size)
			return FALSE;
		progress->bytes = loads[index].size - regs->rcx;
		return has_copied_of(regs, &loads[index], progress->bytes);
	case LOOP_ADVANCE:
		progress->loads++;
		return index < count && has_copied_of(regs, &loads[index], loads[index].size);
	case LOOP_COMPARE:
	case LOOP_BRANCH:
		return index > 0;
	case LOOP_OUT:
		return index == count;
	}
	return FALSE;
}

/* Whether the loop came to its end, having copied all. */
static gboolean is_complete(const Courier *courier, const Load *loads, guint count)
{
	const struct kvm_run *run = courier->run;
	const struct kvm_regs *regs = &run->s.regs.regs;
	const guint64 end = code_gpa(courier) + LIST_OFFSET + count * sizeof(Load);
	const Load *last = &loads[count - 1];

	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       run->io.port == DONE_PORT && regs->r8 == end && regs->r9 == end &&
	       has_copied_of(regs, last, last->size);
}

/* One KVM_RUN, with the watchdog watching. Return: 0 or a negative errno. */
static int run_once(Courier *courier, gboolean *is_stuck)
{
	int result;

	g_mutex_lock(&courier->lock);
	courier->is_inside = TRUE;
	courier->looks = 0;
	courier->asleep = 0;
	g_mutex_unlock(&courier->lock);
	set_deadline(courier, ATTEMPT_NS);
	result = ioctl(courier->fd, KVM_RUN, 0) < 0 ? -errno : 0;
	set_deadline(courier, 0);
	g_mutex_lock(&courier->lock);
	courier->is_inside = FALSE;
	*is_stuck = courier->is_stuck;
	g_mutex_unlock(&courier->lock);
	return result;
}

static gboolean check_mapping(const Courier *courier, guint64 gpa, GError **error)
{
	if (is_mapping_intact(courier, gpa))
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
		    _("the guest wrote to the courier's page tables at gpa %#" PRIx64),
		    courier->base);
	return FALSE;
}

/* No load is larger than what an entry covers. */
static gboolean check_mappings(const Courier *courier, const Load *loads, guint count,
			       GError **error)
{
	for (guint i = 0; i < count; i++) {
		const Load *load = &loads[i];

		if (!check_mapping(courier, load->source, error) ||
		    !check_mapping(courier, load->source + load->size - 1, error) ||
		    !check_mapping(courier, load->destination, error) ||
		    !check_mapping(courier, load->destination + load->size - 1, error))
			return FALSE;
	}
	return check_mapping(courier, code_gpa(courier), error);
}

/*
 * Runs the loop until it has copied a list, or until the deadline; whatever else it was that
 * ended it is an error.
 */
static gboolean attempt(Courier *courier, const Load *loads, guint count, Progress *progress,
			GError **error)
{
	gboolean is_stuck;
	int result;

	if (!check_mappings(courier, loads, count, error))
		return FALSE;
	memcpy(courier->window + code_offset(courier) + LIST_OFFSET, loads, count * sizeof(Load));
	set_registers(courier, count);
	result = run_once(courier, &is_stuck);
	*progress = (Progress){ .loads = count };
	if (!is_stuck && result == 0 && is_complete(courier, loads, count))
		return TRUE;
	if (!is_stuck && result == -EINTR && find_progress(courier, loads, count, progress))
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
		    is_stuck ? _("KVM_RUN: %s, exit reason %u, at %#" PRIx64
				 ", after too long a time") :
			       _("KVM_RUN: %s, exit reason %u, at %#" PRIx64),
		    g_strerror(-result), courier->run->exit_reason,
		    (guint64)courier->run->s.regs.regs.rip);
	return FALSE;
}

static guint64 sum_of(const Load *loads, guint count)
{
	guint64 sum = 0;

	for (guint i = 0; i < count; i++)
		sum += loads[i].size;
	return sum;
}

/* As many attempts as a list takes, as long as they are worth it. */
static gboolean carry(Courier *courier, guint count, GError **error)
{
	Load *loads = courier->loads;
	guint useless = 0;

	while (count > 0) {
		guint64 left = sum_of(loads, count);
		Progress progress;

		if (!attempt(courier, loads, count, &progress, error))
			return FALSE;
		if (sum_of(loads, progress.loads) + progress.bytes < MIN(left, PAGE_SIZE) &&
		    ++useless > USELESS_ATTEMPTS_MAX) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
				    ngettext("%u attempt copied less than a page",
					     "%u attempts copied less than a page each", useless),
				    useless);
			return FALSE;
		}
		loads += progress.loads;
		count -= progress.loads;
		if (count == 0)
			break;
		loads->source += progress.bytes;
		loads->destination += progress.bytes;
		loads->size -= progress.bytes;
	}
	return TRUE;
}

/* Of the list that is in @loads. */
static gboolean make_trip(Courier *courier, guint64 gpa, guint count, GError **error)
{
	const guint64 size = sum_of(courier->loads, count);
	const gint64 start_ns = statistics_now_ns();
	g_autoptr(GError) cause = NULL;
	gboolean is_done;

	if (courier->thread_id != gettid() && !adopt_thread(courier, error))
		return FALSE;
	set_watchdog(courier, 1);
	is_done = carry(courier, count, &cause);
	set_watchdog(courier, 0);
	if (!is_done) {
		g_set_error(error, cause->domain, cause->code,
			    ngettext("the courier did not come back from gpa %#" PRIx64 " (%" PRIu64
				     " byte): %s",
				     "the courier did not come back from gpa %#" PRIx64 " (%" PRIu64
				     " bytes): %s",
				     size),
			    gpa, size, cause->message);
		return FALSE;
	}
	courier->counter.trips++;
	courier->counter.bytes += size;
	courier->counter.time_ns += statistics_now_ns() - start_ns;
	return TRUE;
}

gboolean courier_fetch(Courier *courier, const CourierPiece *pieces, guint count, GError **error)
{
	g_return_val_if_fail(count > 0 && count <= COURIER_PIECES_MAX, FALSE);
	for (guint i = 0; i < count; i++) {
		courier->loads[i] = (Load){
			.source = pieces[i].gpa,
			.destination = courier->base + STAGING_OFFSET + pieces[i].offset,
			.size = pieces[i].size,
		};
	}
	return make_trip(courier, pieces->gpa, count, error);
}

gboolean courier_store(Courier *courier, const CourierPiece *pieces, guint count, GError **error)
{
	g_return_val_if_fail(count > 0 && count <= COURIER_PIECES_MAX, FALSE);
	for (guint i = 0; i < count; i++) {
		courier->loads[i] = (Load){
			.source = courier->base + STAGING_OFFSET + pieces[i].offset,
			.destination = pieces[i].gpa,
			.size = pieces[i].size,
		};
	}
	return make_trip(courier, pieces->gpa, count, error);
}
