/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* system-calls.c - which system calls each kind of thread may make, and with which arguments */
#include "vmm/sandbox/system-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/kvm-uapi.h"
#include "common/system-call-filter.h"

/* Of newer headers than Debian 12's. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Kinds of threads. */
#define SET_UP	 FILTER_KIND(SANDBOX_THREAD_SET_UP)
#define MAIN	 FILTER_KIND(SANDBOX_THREAD_MAIN)
#define VCPU	 FILTER_KIND(SANDBOX_THREAD_VCPU)
#define MEMORY	 FILTER_KIND(SANDBOX_THREAD_MEMORY)
#define CLOSER	 FILTER_KIND(SANDBOX_THREAD_CLOSER)
#define WORKER	 FILTER_KIND(SANDBOX_THREAD_WORKER)
#define IO	 FILTER_KIND(SANDBOX_THREAD_IO)
#define WATCHDOG FILTER_KIND(SANDBOX_THREAD_WATCHDOG)
#define ALL	 (MAIN | VCPU | MEMORY | CLOSER | WORKER | IO | WATCHDOG)

/* Those that make a courier's trips. */
#define CARRIERS (MAIN | VCPU | MEMORY | IO)

/* Conditions of the machine; a row with some holds only for machines that meet one of them. */
#define TWO_SIDED    FILTER_CONDITION(0)
#define WINDOWS	     FILTER_CONDITION(1)
#define ORDINARY     FILTER_CONDITION(2)
#define TERMINAL     FILTER_CONDITION(3)
#define MONITOR_PATH FILTER_CONDITION(4)

/* Calls whose arguments say nothing that would matter. docs/sandbox.md has a reason for each. */
static const FilterCall calls[] = {
	/* Memory and time of every thread; how it waits, is signalled and ends. */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
	{ SCMP_SYS(futex), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(getrandom), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(read), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(rseq), ALL },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(set_robust_list), ALL },
	{ SCMP_SYS(write), ALL },

	/* A realloc() of much; the closer's way to close a window. */
	{ SCMP_SYS(mremap), ALL },

	/* Devices and the files behind them. */
	{ SCMP_SYS(close), MAIN | VCPU | MEMORY | WORKER | IO },
	{ SCMP_SYS(poll), MAIN | VCPU | MEMORY | WORKER | IO },
	{ SCMP_SYS(ppoll), MAIN | VCPU | MEMORY | WORKER | IO },
	{ SCMP_SYS(pread64), MAIN | VCPU | MEMORY | WORKER | WATCHDOG },
	{ SCMP_SYS(pwrite64), MAIN | VCPU },
	{ SCMP_SYS(fdatasync), MAIN | VCPU },
	{ SCMP_SYS(fstat), MAIN },
	{ SCMP_SYS(lseek), MAIN | IO },
	{ SCMP_SYS(io_uring_enter), MAIN | IO },
	{ SCMP_SYS(io_uring_register), SET_UP },
	{ SCMP_SYS(io_uring_setup), SET_UP },
	{ SCMP_SYS(memfd_create), SET_UP | WINDOWS },
	{ SCMP_SYS(ftruncate), SET_UP | WINDOWS },
	{ SCMP_SYS(pipe2), SET_UP | WINDOWS },
	{ SCMP_SYS(timerfd_create), MAIN },
	{ SCMP_SYS(timerfd_settime), MAIN | VCPU },
	{ SCMP_SYS(fallocate), MAIN | MEMORY },
	{ SCMP_SYS(fallocate), VCPU | TWO_SIDED },
	{ SCMP_SYS(fallocate), IO | TWO_SIDED | WINDOWS },

	/* The monitor; what it waits with. */
	{ SCMP_SYS(accept), MAIN },
	{ SCMP_SYS(accept4), MAIN },
	{ SCMP_SYS(dup), MAIN },
	{ SCMP_SYS(eventfd2), MAIN },
	{ SCMP_SYS(getpeername), MAIN },
	{ SCMP_SYS(getsockname), MAIN },
	{ SCMP_SYS(getsockopt), MAIN },
	{ SCMP_SYS(shutdown), MAIN | IO },
	{ SCMP_SYS(unlink), MAIN | MONITOR_PATH },

	/* Threads, and signals that are for the process. */
	{ SCMP_SYS(rt_sigaction), MAIN },
	{ SCMP_SYS(sched_getaffinity), MAIN },

	/* Couriers: what their deadlines and watchdogs take, and memory that is not to be swapped.
	 */
	{ SCMP_SYS(mlock), SET_UP | TWO_SIDED },
	{ SCMP_SYS(rt_sigtimedwait), WATCHDOG | TWO_SIDED },
	{ SCMP_SYS(timer_create), CARRIERS | WATCHDOG | TWO_SIDED },
	{ SCMP_SYS(timer_delete), CARRIERS | TWO_SIDED },
	{ SCMP_SYS(timer_settime), CARRIERS | TWO_SIDED },

	/* Where there is no device for it. */
	{ SCMP_SYS(userfaultfd), SET_UP | TWO_SIDED | WINDOWS },
};

/* What pthread_create() asks of clone(2), and nothing that would make a process or a namespace. */
#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* Calls where an argument has to have a value. */
static const FilterCheckedCall checked_calls[] = {
	/* No memory that can be written to and executed, nor any new one to execute. */
	{ SCMP_SYS(mmap), 2, NO_BITS(PROT_EXEC), ALL },
	{ SCMP_SYS(mprotect), 2, NO_BITS(PROT_EXEC), ALL },

	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_DONTNEED), ALL },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_DONTDUMP), ALL },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_DONTFORK), ALL },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_HUGEPAGE), SET_UP },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_NOHUGEPAGE), ALL },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_GUARD_INSTALL), ALL },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_GUARD_REMOVE), ALL },

	/* A thread. */
	{ SCMP_SYS(clone), 0, EXACTLY(THREAD_FLAGS), MAIN },
	{ SCMP_SYS(clone), 0, EXACTLY(THREAD_FLAGS), WATCHDOG | TWO_SIDED },
	{ SCMP_SYS(prctl), 0, EXACTLY_32(PR_SET_NAME), MAIN },
	/* What a ring knows of the memory that disks are read into, and of guest memory, where that
	 * is direct: for its thread, and for those that change memory. */
	{ SCMP_SYS(io_uring_register), 1, EXACTLY_32(IORING_REGISTER_BUFFERS_UPDATE), MAIN },
	{ SCMP_SYS(io_uring_register), 1, EXACTLY_32(IORING_REGISTER_BUFFERS_UPDATE),
	  IO | MEMORY | WINDOWS },
	/* Without flags: one more filter, and nobody who is asked about a call. */
	{ SCMP_SYS(seccomp), 1, EXACTLY(0), MAIN },

	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_GETFL), MAIN | VCPU },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_SETFL), MAIN | VCPU },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_GETFD), MAIN },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_SETFD), MAIN },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_DUPFD_CLOEXEC), MAIN },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_OFD_GETLK), MAIN },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_OFD_SETLK), MAIN },
	{ SCMP_SYS(fcntl), 1, EXACTLY_32(F_SETPIPE_SZ), SET_UP | WINDOWS },

	/* Who connects to a console or to a port; nobody asks where from. */
	{ SCMP_SYS(accept4), 1, EXACTLY(0), IO },

	/* What is open, not what has that name; without an address: nobody else's socket. */
	{ SCMP_SYS(newfstatat), 3, EXACTLY_32(AT_EMPTY_PATH), MAIN },
	{ SCMP_SYS(statx), 2, EXACTLY_32(AT_EMPTY_PATH), MAIN },
	{ SCMP_SYS(recvfrom), 4, EXACTLY(0), MAIN | VCPU | IO },
	{ SCMP_SYS(sendto), 4, EXACTLY(0), MAIN | VCPU | IO },
	/* The monitor's client hands over what devices are plugged in with. */
	{ SCMP_SYS(recvmsg), 2, EXACTLY_32(MSG_DONTWAIT | MSG_CMSG_CLOEXEC), MAIN },

	/* GLib 2.84 does that to each socket; those of the monitor have no TCP. */
	{ SCMP_SYS(setsockopt), 1, EXACTLY_32(IPPROTO_TCP), MAIN },

	/* The state of threads that make a courier's trips, which its watchdog looks at. */
	{ SCMP_SYS(openat), 2, EXACTLY_32(O_RDONLY | O_CLOEXEC), SET_UP | TWO_SIDED },
};

typedef struct {
	guint32 request;
	guint who;
} Request;

/* Requests of ioctl(2). While the machine is set up, all of KVM's and of userfaultfd's. */
static const Request requests[] = {
	{ KVM_RUN, VCPU | MAIN },
	{ KVM_RUN, MEMORY | IO | TWO_SIDED },
	{ KVM_IRQ_LINE, VCPU | MAIN },
	{ KVM_SIGNAL_MSI, VCPU | MAIN },
	{ KVM_SET_GSI_ROUTING, VCPU | MAIN },
	{ KVM_IOEVENTFD, VCPU | MAIN },
	{ KVM_IRQFD, MAIN },

	/* A change of the memory's map, for flash and PAM; windows leave it to the memory thread.
	 */
	{ KVM_SET_USER_MEMORY_REGION2, MEMORY | MAIN },
	{ KVM_SET_USER_MEMORY_REGION2, VCPU | TWO_SIDED | ORDINARY },
	{ KVM_SET_MEMORY_ATTRIBUTES, VCPU | MEMORY | MAIN | TWO_SIDED },
	{ UFFDIO_COPY, VCPU | MEMORY | MAIN | TWO_SIDED },
	{ UFFDIO_ZEROPAGE, VCPU | MEMORY | MAIN | TWO_SIDED },
	{ UFFDIO_REGISTER, MEMORY | MAIN },
	{ UFFDIO_WAKE, VCPU | MEMORY | MAIN },
	{ UFFDIO_UNREGISTER, VCPU | MEMORY | MAIN },
	{ UFFDIO_UNREGISTER, WATCHDOG | TWO_SIDED },

	/* A reset. */
	{ KVM_GET_SREGS, MAIN },
	{ KVM_SET_DEBUGREGS, MAIN },
	{ KVM_SET_IRQCHIP, MAIN },
	{ KVM_SET_LAPIC, MAIN },
	{ KVM_SET_MP_STATE, MAIN },
	{ KVM_SET_MSRS, MAIN },
	{ KVM_SET_PIT2, MAIN },
	{ KVM_REINJECT_CONTROL, MAIN },
	{ KVM_SET_REGS, MAIN },
	{ KVM_SET_SREGS, MAIN },
	{ KVM_SET_VCPU_EVENTS, MAIN },
	{ KVM_SET_XCRS, MAIN },
	{ KVM_SET_XSAVE, MAIN },

	{ KVM_GET_STATS_FD, MAIN },

	/* Blocks of a device that is a disk. */
	{ BLKPBSZGET, MAIN },
	{ BLKSSZGET, MAIN },

	/* What a tap device is, and what its guest can do without. */
	{ TUNGETIFF, MAIN | IO },
	{ TUNSETOFFLOAD, MAIN | IO },
	{ TUNSETQUEUE, MAIN | IO },
	{ TUNSETVNETHDRSZ, MAIN },

	{ TCGETS, MAIN },
	{ TCSETS, MAIN | TERMINAL },
};

/* Libraries ask for these, and go another way where there is no such call. */
static const FilterDeniedCall denied_calls[] = {
	/* glibc, which then takes clone(2), whose flags can be seen. */
	{ SCMP_SYS(clone3), ENOSYS, ALL },
	/* GLib, for threads of the same priority: it has a thread start them instead. */
	{ SCMP_SYS(sched_getattr), EPERM, MAIN },
	{ SCMP_SYS(sched_setattr), EPERM, MAIN },
};

/* What is made from the tables. */
static struct sock_fprog programs[SANDBOX_N_THREADS];

/*
 * What a filter is made for. Each thread has the one for setting up below its own, so that this one
 * has all rows.
 */
static guint scope_of(SandboxThread thread, guint conditions)
{
	return conditions | (thread == SANDBOX_THREAD_SET_UP ? FILTER_KINDS : FILTER_KIND(thread));
}

/* Returns 0 or a negative errno, as libseccomp does. */
static int add_requests(scmp_filter_ctx filter, SandboxThread thread, guint scope)
{
	const guint32 type_mask = _IOC_TYPEMASK << _IOC_TYPESHIFT;
	int result = 0;

	if (thread == SANDBOX_THREAD_SET_UP) {
		result = filter_add_requests(filter, type_mask, KVMIO << _IOC_TYPESHIFT);
		if (result == 0)
			result = filter_add_requests(filter, type_mask, UFFDIO << _IOC_TYPESHIFT);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(requests) && result == 0; i++)
		if (filter_row_applies(requests[i].who, scope))
			result = filter_add_requests(filter, G_MAXUINT32, requests[i].request);
	return result;
}

/*
 * What a filter begins with: KVM_RUN is made more often than all other calls together, so it does
 * not go through the list. Jumps are over so many instructions.
 */
static const struct sock_filter run_first[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static gboolean may_run_vcpus(guint scope)
{
	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
		if (requests[i].request == KVM_RUN && filter_row_applies(requests[i].who, scope))
			return TRUE;
	return FALSE;
}

static int add_rows(scmp_filter_ctx filter, SandboxThread thread, guint scope)
{
	int result = filter_add_calls(filter, calls, G_N_ELEMENTS(calls), scope);

	if (result == 0)
		result = filter_add_checked_calls(filter, checked_calls,
						  G_N_ELEMENTS(checked_calls), scope);
	if (result == 0)
		result = add_requests(filter, thread, scope);
	if (result == 0)
		result = filter_add_denied_calls(filter, denied_calls, G_N_ELEMENTS(denied_calls),
						 scope);
	return result == 0 ? filter_add_own_signals(filter) : result;
}

static gboolean make_program(SandboxThread thread, guint conditions, GError **error)
{
	const guint scope = scope_of(thread, conditions);
	const gsize n_first = may_run_vcpus(scope) ? G_N_ELEMENTS(run_first) : 0;
	scmp_filter_ctx filter = filter_new();

	return filter_finish(filter, add_rows(filter, thread, scope), run_first, n_first,
			     &programs[thread], error);
}

static guint conditions_of(const SandboxConfig *config, KvmMemoryKind memory_kind)
{
	guint conditions = 0;

	switch (memory_kind) {
	case KVM_MEMORY_TWO_SIDED:
		conditions = TWO_SIDED;
		break;
	case KVM_MEMORY_WINDOWS:
		conditions = WINDOWS;
		break;
	case KVM_MEMORY_ORDINARY:
		conditions = ORDINARY;
		break;
	}
	if (config->has_terminal)
		conditions |= TERMINAL;
	if (config->has_monitor_path)
		conditions |= MONITOR_PATH;
	return conditions;
}

gboolean system_calls_prepare(const SandboxConfig *config, KvmMemoryKind memory_kind,
			      GError **error)
{
	const guint conditions = conditions_of(config, memory_kind);

	if (!filter_is_built())
		return TRUE;
	for (SandboxThread thread = 0; thread < SANDBOX_N_THREADS; thread++)
		if (!make_program(thread, conditions, error))
			return FALSE;
	if (filter_install(&programs[SANDBOX_THREAD_SET_UP], error))
		return TRUE;
	for (SandboxThread thread = 0; thread < SANDBOX_N_THREADS; thread++)
		g_clear_pointer(&programs[thread].filter, g_free);
	return FALSE;
}

void system_calls_confine(SandboxThread thread)
{
	static _Thread_local guint installed;
	g_autoptr(GError) error = NULL;

	if (!programs[thread].filter || (installed & 1u << thread))
		return;
	if (!filter_install(&programs[thread], &error))
		g_error("%s", error->message);
	installed |= 1u << thread;
}
