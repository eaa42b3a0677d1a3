/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * break-out.c - tries to leave the sandbox of a VMM, from each kind of its threads, and a logger's
 *
 * Theory of operation
 *
 * The program starts itself again for each attempt, by jail_spawn() as virtgmemd starts a VMM, as
 * a user of its own. That process goes through gmem-vmm's own stages, becomes a thread of a kind,
 * or goes through gmem-logger's, makes one system call that the program does not need, and says by
 * its exit status what came of it.
 * It must not have got through: it is killed, or is told that it may not.
 *
 * To be of use the attempts have to be able to succeed. Some of them are made without a sandbox
 * first, and have to; and what is allowed has to be, in the sandbox. Filters refuse most of
 * them before anything else can: those that the other stages are for are made without filters, too.
 *
 * Writes TAP, a line for each attempt from each kind of thread with what came of it. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/confinement.h"
#include "driver/jail/jail.h"
#include "logger/system-calls.h"
#include "vmm/sandbox/sandbox.h"

/* A user that nobody is, as a domain has one of its own. */
#define SOMEBODY 4242

/* Threads that it may have, as a VMM of few processors. */
#define THREADS_MAX 64

/* As vmm-launch.c has it, roughly. */
#define FILE_SIZE_MAX (64 << 20)

/* Exit statuses of an attempt; between them is the errno of what was refused. */
#define GOT_THROUGH  0
#define NOT_IN_PLACE 200

/* What the attempts have open. */
enum {
	FD_VICTIM = 3, /* a pidfd */
	FD_FILE,       /* a file that may be written to */
	FD_FOLDER,     /* the host's root */
	FD_KVM,	       /* or something else, where there is none */
	FD_SOCKET,     /* one that listens */
	FD_TERMINAL,   /* a pseudo-terminal's master */
	N_FDS,
};

typedef struct {
	const char *name;
	long number;
	long arguments[6];
} Attempt;

static struct sockaddr_un socket_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	return address;
}

/* More threads than there may be: one system call at least fails. */
static G_GNUC_NORETURN void *sleep_for_ever(void *data)
{
	(void)data;
	for (;;)
		pause();
}

static long make_many_threads(void)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (int i = 0; i < 2 * THREADS_MAX; i++) {
		pthread_t thread;
		const int code = pthread_create(&thread, &attributes, sleep_for_ever, NULL);

		if (code != 0) {
			errno = code;
			return -1;
		}
	}
	return 0;
}

/* By the entry of 32-bit programs, whose numbers are others: getpid(). */
static long call_32_bit(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return result;
}

/* Of the blocks that give_memory_back() has: each from the allocator's areas, not of its own
 * mapping. */
#define FREED_BLOCKS	 64
#define FREED_BLOCK_SIZE 65536

/* So much that the C library gives what is free to the system, too, which threads other than the
 * first do their own way. */
static long give_memory_back(void)
{
	void *blocks[FREED_BLOCKS];

	for (int i = 0; i < FREED_BLOCKS; i++) {
		blocks[i] = malloc(FREED_BLOCK_SIZE);
		if (!blocks[i])
			return -1;
		memset(blocks[i], 1, FREED_BLOCK_SIZE);
	}
	for (int i = FREED_BLOCKS; i > 0; i--)
		free(blocks[i - 1]);
	return 0;
}

/* Those that are not one system call by number. */
#define MANY_THREADS (-1L)
#define CALL_32_BIT  (-2L)
#define CORE_DUMP    (-3L)
#define FREE_MEMORY  (-4L)

static long make_call(const Attempt *attempt)
{
	const long *a = attempt->arguments;

	switch (attempt->number) {
	case MANY_THREADS:
		return make_many_threads();
	case CALL_32_BIT:
		return call_32_bit();
	case CORE_DUMP:
		return syscall(SYS_tgkill, getpid(), gettid(), SIGSEGV);
	case FREE_MEMORY:
		return give_memory_back();
	default:
		return syscall(attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

/* How many have to succeed; those are the first in the list. */
#define N_ALLOWED     2

#define P(pointer)    ((long)(pointer))
#define SIZED(object) P(&(object)), sizeof(object)

/*
 * attempts_list - all attempts, whose arguments live as long as the program
 * @victim: another process of the same user
 */
static const Attempt *attempts_list(long victim, gsize *count)
{
	static char buffer[4096];
	static struct iovec local, remote;
	static struct sockaddr_un daemon_socket, abstract_socket;
	static struct perf_event_attr perf = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(perf) };
	static struct io_uring_params ring;
	static union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	static struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	static struct open_how {
		guint64 flags, mode, resolve;
	} how = { O_RDONLY, 0, 0 };
	static struct clone_args {
		guint64 values[11];
	} fork_arguments = { { [4] = SIGCHLD } };
	static struct landlock_ruleset_attr ruleset = { .handled_access_fs =
								LANDLOCK_ACCESS_FS_EXECUTE };
	static struct timespec now = { 1, 0 };
	static struct sigevent event = { .sigev_notify = SIGEV_NONE };
	static struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	static struct sock_fprog allow_all = { 1, &allow };
	static struct msghdr message;
	static const char *arguments[] = { "/bin/true", NULL };
	static int pipe_ends[2];
	static Attempt *list;
	const Attempt attempts[] = {
		/* What is allowed: N_ALLOWED. */
		{ "know its own process id, as it may", SYS_getpid, { 0 } },
		{ "give memory back, as it may", FREE_MEMORY, { 0 } },

		/* Files. */
		{ "open a file", SYS_openat, { AT_FDCWD, P("/etc/passwd"), O_RDONLY } },
		{ "open a file, the old way", SYS_open, { P("/etc/passwd"), O_RDONLY } },
		{ "open a file, the new way",
		  SYS_openat2,
		  { AT_FDCWD, P("/etc/passwd"), P(&how), sizeof(how) } },
		{ "open a file below a folder that is open",
		  SYS_openat,
		  { FD_FOLDER, P("etc/passwd"), O_RDONLY | O_CLOEXEC } },
		{ "open /dev/kvm again", SYS_openat, { AT_FDCWD, P("/dev/kvm"), O_RDWR } },
		{ "open the memory of another VMM",
		  SYS_openat,
		  { AT_FDCWD, P("/proc/1/mem"), O_RDWR } },
		{ "open a file by its handle", SYS_open_by_handle_at, { FD_FOLDER, P(buffer), 0 } },
		{ "ask for a file's handle",
		  SYS_name_to_handle_at,
		  { AT_FDCWD, P("/"), P(buffer), P(buffer + 128), 0 } },
		{ "make a file", SYS_creat, { P("/tmp/x"), 0600 } },
		{ "read a folder", SYS_getdents64, { FD_FOLDER, P(buffer), sizeof(buffer) } },
		{ "look whether a file is there", SYS_access, { P("/etc/passwd"), R_OK } },
		{ "look at a file",
		  SYS_statx,
		  { AT_FDCWD, P("/etc/passwd"), 0, 0xfff, P(buffer) } },
		{ "look at a file below a folder",
		  SYS_newfstatat,
		  { FD_FOLDER, P("etc/passwd"), P(buffer), 0 } },
		{ "read a link", SYS_readlink, { P("/proc/self/exe"), P(buffer), sizeof(buffer) } },
		{ "remove a file", SYS_unlink, { P("/etc/passwd") } },
		{ "rename a file", SYS_rename, { P("/etc/passwd"), P("/etc/x") } },
		{ "link a file", SYS_linkat, { FD_FOLDER, P("etc/passwd"), AT_FDCWD, P("/x"), 0 } },
		{ "make a symbolic link", SYS_symlink, { P("/etc"), P("/x") } },
		{ "make a folder", SYS_mkdir, { P("/x"), 0700 } },
		{ "make a device", SYS_mknod, { P("/x"), 0600 | S_IFCHR, 0x103 } },
		{ "change a file's mode", SYS_fchmod, { FD_FILE, 06777 } },
		{ "change a file's owner", SYS_fchown, { FD_FILE, 0, 0 } },
		{ "give a file attributes", SYS_fsetxattr, { FD_FILE, P("user.x"), P("x"), 1, 0 } },
		{ "change the size of a file", SYS_ftruncate, { FD_FILE, 1L << 40 } },
		{ "make a huge file by writing",
		  SYS_pwrite64,
		  { FD_FILE, P("x"), 1, FILE_SIZE_MAX + 1L } },
		{ "make a huge file by reserving",
		  SYS_fallocate,
		  { FD_FILE, 0, 0, FILE_SIZE_MAX + 1L } },
		{ "change the folder", SYS_fchdir, { FD_FOLDER } },
		{ "change the root", SYS_chroot, { P("/") } },
		{ "copy between files", SYS_copy_file_range, { FD_FOLDER, 0, FD_FILE, 0, 1, 0 } },
		{ "follow changes of files", SYS_inotify_init1, { 0 } },
		{ "follow all changes of files", SYS_fanotify_init, { 0, 0 } },

		/* What mounts, and what is mounted. */
		{ "mount", SYS_mount, { P("proc"), P("/"), P("proc"), 0, 0 } },
		{ "unmount", SYS_umount2, { P("/"), MNT_DETACH } },
		{ "change what is the root", SYS_pivot_root, { P("."), P(".") } },
		{ "take a part of the mounts", SYS_open_tree, { FD_FOLDER, P(""), 0x1001 } },
		{ "move a mount", SYS_move_mount, { FD_FOLDER, P(""), AT_FDCWD, P("/"), 4 } },
		{ "open a file system", SYS_fsopen, { P("proc"), 0 } },
		{ "change a mount",
		  SYS_mount_setattr,
		  { FD_FOLDER, P(""), 0x1000, P(buffer), 32 } },

		/* Sockets. */
		{ "make a socket to the host's network", SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
		{ "make a raw socket", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
		{ "make a socket to the kernel", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 } },
		{ "make a socket to the host of guests", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "make a local socket", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
		{ "make two local sockets",
		  SYS_socketpair,
		  { AF_UNIX, SOCK_STREAM, 0, P(pipe_ends) } },
		{ "connect to the daemon's socket",
		  SYS_connect,
		  { FD_SOCKET, SIZED(daemon_socket) } },
		{ "send to somebody's socket",
		  SYS_sendto,
		  { FD_SOCKET, P("x"), 1, 0, SIZED(abstract_socket) } },
		{ "take a descriptor from a socket",
		  SYS_recvmsg,
		  { FD_SOCKET, P(&message), MSG_DONTWAIT } },
		{ "send a descriptor to a socket", SYS_sendmsg, { FD_SOCKET, P(&message), 0 } },
		{ "bind a socket", SYS_bind, { FD_SOCKET, SIZED(abstract_socket) } },

		/* Other processes. */
		{ "read another process's memory",
		  SYS_process_vm_readv,
		  { victim, P(&local), 1, P(&remote), 1, 0 } },
		{ "write another process's memory",
		  SYS_process_vm_writev,
		  { victim, P(&local), 1, P(&remote), 1, 0 } },
		{ "trace another process", SYS_ptrace, { PTRACE_SEIZE, victim, 0, 0 } },
		{ "be traced", SYS_ptrace, { PTRACE_TRACEME, 0, 0, 0 } },
		{ "take hold of another process", SYS_pidfd_open, { victim, 0 } },
		{ "take a descriptor of another process", SYS_pidfd_getfd, { FD_VICTIM, 0, 0 } },
		{ "signal another process", SYS_kill, { victim, 0 } },
		{ "signal another process's thread", SYS_tgkill, { victim, victim, 0 } },
		{ "signal another process's thread, the old way", SYS_tkill, { victim, 0 } },
		{ "signal by a descriptor", SYS_pidfd_send_signal, { FD_VICTIM, 0, 0, 0 } },
		{ "signal everybody", SYS_kill, { -1, 0 } },
		{ "queue a signal", SYS_rt_sigqueueinfo, { victim, SIGUSR1, P(buffer) } },
		{ "change another process's limits",
		  SYS_prlimit64,
		  { victim, RLIMIT_CORE, 0, P(buffer) } },
		{ "change another process's priority",
		  SYS_setpriority,
		  { PRIO_PROCESS, victim, 19 } },
		{ "change another process's processors",
		  SYS_sched_setaffinity,
		  { victim, sizeof(buffer), P(buffer) } },
		{ "change another process's scheduling",
		  SYS_sched_setscheduler,
		  { victim, SCHED_OTHER, P(buffer) } },
		{ "move another process's pages", SYS_move_pages, { victim, 0, 0, 0, 0, 0 } },
		{ "advise on another process's memory",
		  SYS_process_madvise,
		  { FD_VICTIM, P(&remote), 1, MADV_PAGEOUT, 0 } },
		{ "compare with another process", SYS_kcmp, { getpid(), victim, 0, 0, 0 } },

		/* New processes. */
		{ "fork", SYS_fork, { 0 } },
		{ "fork, the other way", SYS_clone, { SIGCHLD } },
		{ "fork, sharing memory", SYS_clone, { CLONE_VM | SIGCHLD } },
		{ "fork, the new way", SYS_clone3, { SIZED(fork_arguments) } },
		{ "execute a program", SYS_execve, { P("/bin/true"), P(arguments), 0 } },
		{ "execute what is open",
		  SYS_execveat,
		  { FD_FILE, P(""), P(arguments), 0, AT_EMPTY_PATH } },
		{ "make many threads", MANY_THREADS, { 0 } },

		/* Namespaces and privileges. */
		{ "make a user namespace", SYS_unshare, { CLONE_NEWUSER } },
		{ "make a process in a user namespace", SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
		{ "make a mount namespace", SYS_unshare, { CLONE_NEWNS } },
		{ "enter another process's namespaces", SYS_setns, { FD_VICTIM, CLONE_NEWNET } },
		{ "become root", SYS_setuid, { 0 } },
		{ "become root's group", SYS_setgid, { 0 } },
		{ "enter groups", SYS_setgroups, { 0, 0 } },
		{ "take capabilities", SYS_capset, { P(buffer), P(buffer) } },
		{ "take capabilities for programs",
		  SYS_prctl,
		  { PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0 } },
		{ "unlock the secure bits", SYS_prctl, { PR_SET_SECUREBITS, 0, 0, 0, 0 } },
		{ "be dumpable again", SYS_prctl, { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
		{ "let others trace it",
		  SYS_prctl,
		  { 0x59616d61 /* PR_SET_PTRACER */, -1, 0, 0, 0 } },
		{ "change its own limits", SYS_setrlimit, { RLIMIT_CORE, P(&unlimited) } },
		{ "leave a core dump", CORE_DUMP, { 0 } },
		{ "let a filter's calls be decided",
		  SYS_seccomp,
		  { SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | 1L << 40,
		    P(&allow_all) } },
		{ "make rules of its own", SYS_landlock_create_ruleset, { SIZED(ruleset), 0 } },

		/* What the kernel has had most trouble with. */
		{ "add a key", SYS_add_key, { P("user"), P("x"), P("x"), 1, -3 } },
		{ "ask for a key", SYS_request_key, { P("user"), P("x"), 0, -3 } },
		{ "use a keyring", SYS_keyctl, { KEYCTL_GET_KEYRING_ID, -3, 1 } },
		{ "make a userfaultfd", SYS_userfaultfd, { O_CLOEXEC | 1 } },
		{ "make an io_uring", SYS_io_uring_setup, { 8, P(&ring) } },
		{ "measure performance", SYS_perf_event_open, { P(&perf), 0, -1, -1, 0 } },
		{ "measure another process's performance",
		  SYS_perf_event_open,
		  { P(&perf), victim, -1, -1, 0 } },
		{ "make a BPF map", SYS_bpf, { BPF_MAP_CREATE, SIZED(map) } },
		{ "load a module", SYS_init_module, { P(buffer), sizeof(buffer), P("") } },
		{ "load a kernel", SYS_kexec_load, { 0, 0, 0, 0 } },
		{ "restart the host", SYS_reboot, { 0, 0, 0, 0 } },
		{ "read the kernel's log", SYS_syslog, { 3, P(buffer), sizeof(buffer) } },
		{ "set the clock", SYS_clock_settime, { CLOCK_REALTIME, P(&now) } },
		{ "set the host's name", SYS_sethostname, { P("x"), 1 } },
		{ "reach ports", SYS_ioperm, { 0x70, 2, 1 } },
		{ "change the segments", SYS_modify_ldt, { 1, P(buffer), 16 } },
		{ "act as another system", SYS_personality, { 0x0400000 } },
		{ "swap", SYS_swapoff, { P("/x") } },
		{ "count its work", SYS_acct, { 0 } },
		{ "page out by splicing", SYS_vmsplice, { FD_FILE, P(&local), 1, 0 } },
		{ "send a file", SYS_sendfile, { FD_FILE, FD_FOLDER, 0, 1 } },

		/* Memory that is executed or shared. */
		{ "map memory to execute",
		  SYS_mmap,
		  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ "make memory executable",
		  SYS_mprotect,
		  { P(buffer) & ~4095L, 4096, PROT_READ | PROT_EXEC } },
		{ "make memory executable with a key",
		  SYS_pkey_mprotect,
		  { P(buffer) & ~4095L, 4096, PROT_READ | PROT_EXEC, -1 } },
		{ "make a file without a name", SYS_memfd_create, { P("x"), 0 } },
		{ "share memory", SYS_shmget, { 0, 4096, 01600 } },
		{ "make a queue of messages", SYS_msgget, { 0, 01600 } },
		{ "make semaphores", SYS_semget, { 0, 1, 01600 } },
		{ "have its memory merged with others'",
		  SYS_madvise,
		  { P(buffer) & ~4095L, 4096, MADV_MERGEABLE } },
		{ "lock all memory", SYS_mlockall, { MCL_FUTURE } },

		/* Descriptors that it has. */
		{ "make another virtual machine", SYS_ioctl, { FD_KVM, KVM_CREATE_VM, 0 } },
		{ "make a device of KVM", SYS_ioctl, { FD_KVM, KVM_CREATE_DEVICE, P(buffer) } },
		{ "type into a terminal", SYS_ioctl, { FD_TERMINAL, TIOCSTI, P("x") } },
		{ "open a terminal's other end", SYS_ioctl, { FD_TERMINAL, TIOCGPTPEER, O_RDWR } },
		{ "have signals sent by a file", SYS_fcntl, { FD_SOCKET, F_SETOWN, victim } },
		{ "hold a file back", SYS_fcntl, { FD_FILE, F_SETLEASE, F_WRLCK } },
		{ "change a file's flags", SYS_ioctl, { FD_FILE, FS_IOC_SETFLAGS, P(buffer) } },
		{ "have a timer signal others",
		  SYS_timer_create,
		  { CLOCK_MONOTONIC | 1L << 31, P(&event), P(buffer) } },

		/* Other ways to make a call. */
		{ "call by x32's numbers", 0x40000000 | SYS_getpid, { 0 } },
		{ "call by the 32-bit entry", CALL_32_BIT, { 0 } },
		{ "call what there is not", 100000, { 0 } },
	};

	if (!list) {
		daemon_socket = socket_address("/run/libvirt/virtgmemd-sock-ro");
		abstract_socket = socket_address("");
		memcpy(abstract_socket.sun_path + 1, "gmem", 4);
		local = (struct iovec){ buffer, 8 };
		/* At the same place there, since it is the same program. */
		remote = local;
		list = g_memdup2(attempts, sizeof(attempts));
	}
	*count = G_N_ELEMENTS(attempts);
	return list;
}

/*
 * The process that attempts.
 */

/* Beside the kinds of threads. */
#define NO_SANDBOX SANDBOX_N_THREADS
#define NO_FILTERS (SANDBOX_N_THREADS + 1)
#define IN_LOGGER  (SANDBOX_N_THREADS + 2)

typedef struct {
	guint kind;
	const Attempt *attempt;
} Attacker;

static const char *const thread_names[SANDBOX_N_THREADS] = {
	[SANDBOX_THREAD_MAIN] = "main",		[SANDBOX_THREAD_VCPU] = "vcpu",
	[SANDBOX_THREAD_MEMORY] = "memory",	[SANDBOX_THREAD_CLOSER] = "closer",
	[SANDBOX_THREAD_WORKER] = "worker",	[SANDBOX_THREAD_IO] = "io",
	[SANDBOX_THREAD_WATCHDOG] = "watchdog",
};

static void *attack(void *data)
{
	const Attacker *attacker = data;
	long result;

	if (attacker->kind < SANDBOX_N_THREADS)
		sandbox_enter_thread((SandboxThread)attacker->kind);
	errno = 0;
	result = make_call(attacker->attempt);
	_exit(result == -1 ? errno : GOT_THROUGH);
}

static gboolean enter(guint kind, KvmMemoryKind memory_kind, GError **error)
{
	static const int descriptors[] = { FD_VICTIM, FD_FILE,	 FD_FOLDER,
					   FD_KVM,    FD_SOCKET, FD_TERMINAL };
	const SandboxConfig config = { .level = SANDBOX_FULL };

	if (kind == NO_SANDBOX)
		return TRUE;
	if (!confinement_hide_process(error))
		return FALSE;
	if (kind < SANDBOX_N_THREADS)
		return sandbox_enter(&config, memory_kind, descriptors, G_N_ELEMENTS(descriptors),
				     error);
	return confinement_close_others(descriptors, G_N_ELEMENTS(descriptors), error) &&
	       confinement_leave_files(error) && confinement_refuse_privileges(error) &&
	       confinement_drop_capabilities(0, error) &&
	       (kind != IN_LOGGER || logger_system_calls_confine(error));
}

/* A worker comes from main's thread, the others from one that sets up. */
static void G_GNUC_NORETURN run_attacker(guint kind, KvmMemoryKind memory_kind,
					 const Attempt *attempt)
{
	Attacker attacker = { .kind = kind, .attempt = attempt };
	g_autoptr(GError) error = NULL;
	pthread_t thread;

	if (!enter(kind, memory_kind, &error)) {
		g_printerr("%s\n", error->message);
		_exit(NOT_IN_PLACE);
	}
	if (kind == SANDBOX_THREAD_MAIN || kind >= SANDBOX_N_THREADS)
		attack(&attacker);
	if (kind == SANDBOX_THREAD_WORKER)
		sandbox_enter_thread(SANDBOX_THREAD_MAIN);
	if (pthread_create(&thread, NULL, attack, &attacker) == 0)
		pthread_join(thread, NULL);
	_exit(NOT_IN_PLACE);
}

/*
 * The judge.
 */

typedef struct {
	char *folder;
	char *program; /* a copy, where everybody may reach it */
	pid_t victim;
	int fds[N_FDS];
	guint number;
	guint failures;
} Judge;

/* Another process of the same user, which waits for its end. */
static pid_t start_victim(void)
{
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setresgid(SOMEBODY, SOMEBODY, SOMEBODY) < 0 ||
	    setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
		_exit(EXIT_FAILURE);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	for (;;)
		pause();
}

static gboolean copy_program(Judge *judge)
{
	g_autofree char *content = NULL;
	gsize size;

	judge->folder = g_dir_make_tmp("break-out-XXXXXX", NULL);
	if (!judge->folder || chmod(judge->folder, 0755) < 0)
		return FALSE;
	judge->program = g_build_filename(judge->folder, "break-out", NULL);
	return g_file_get_contents("/proc/self/exe", &content, &size, NULL) &&
	       g_file_set_contents(judge->program, content, (gssize)size, NULL) &&
	       chmod(judge->program, 0755) == 0;
}

static int make_socket(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* An address of the kernel's choice. */
	if (fd >= 0 &&
	    (bind(fd, (const struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
	     listen(fd, 1) < 0))
		return -1;
	return fd;
}

static gboolean prepare(Judge *judge)
{
	g_autofree char *file = NULL;
	gboolean is_complete = TRUE;

	if (!copy_program(judge))
		return FALSE;
	file = g_build_filename(judge->folder, "file", NULL);
	judge->victim = start_victim();
	judge->fds[FD_VICTIM] = (int)syscall(SYS_pidfd_open, judge->victim, 0);
	judge->fds[FD_FILE] = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	judge->fds[FD_FOLDER] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	judge->fds[FD_KVM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (judge->fds[FD_KVM] < 0)
		judge->fds[FD_KVM] = open("/dev/null", O_RDWR | O_CLOEXEC);
	judge->fds[FD_SOCKET] = make_socket();
	judge->fds[FD_TERMINAL] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (int i = FD_VICTIM; i < N_FDS; i++)
		is_complete = is_complete && judge->fds[i] >= 0;
	return is_complete && fchown(judge->fds[FD_FILE], SOMEBODY, SOMEBODY) == 0 &&
	       unlockpt(judge->fds[FD_TERMINAL]) == 0;
}

static void put_away(Judge *judge)
{
	g_autofree char *file = g_build_filename(judge->folder, "file", NULL);

	if (judge->victim > 0) {
		(void)kill(judge->victim, SIGKILL);
		(void)waitpid(judge->victim, NULL, 0);
	}
	(void)g_unlink(file);
	(void)g_unlink(judge->program);
	(void)g_rmdir(judge->folder);
	g_free(judge->program);
	g_free(judge->folder);
}

/* Return: the status of waitpid(), or -1 where the jail itself failed. */
static int run_attempt(Judge *judge, guint kind, KvmMemoryKind memory_kind, gsize index)
{
	g_autofree char *arguments = g_strdup_printf("%u:%d:%zu:%d", kind, memory_kind, index,
						     (int)judge->victim);
	const char *argv[] = { judge->program, arguments, NULL };
	JailDescriptor descriptors[N_FDS - FD_VICTIM];
	const JailProgram program = {
		.argv = argv,
		.descriptors = descriptors,
		.n_descriptors = G_N_ELEMENTS(descriptors),
		.output = STDERR_FILENO,
	};
	g_autoptr(GError) error = NULL;
	int status = -1;
	pid_t pid;
	Jail jail;

	for (int i = FD_VICTIM; i < N_FDS; i++)
		descriptors[i - FD_VICTIM] = (JailDescriptor){ judge->fds[i], i };
	jail_init(&jail, SOMEBODY, SOMEBODY, 0);
	jail_limit(&jail, RLIMIT_FSIZE, FILE_SIZE_MAX);
	jail_limit(&jail, RLIMIT_NPROC, THREADS_MAX);
	pid = jail_spawn(&jail, &program, &error);
	if (pid < 0)
		g_printerr("%s\n", error->message);
	else
		(void)waitpid(pid, &status, 0);
	return status;
}

static gboolean got_through(int status)
{
	return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == GOT_THROUGH;
}

/* Return: whether the attempt was refused; @words: what came of it, for g_free() */
static gboolean judge_status(int status, char **words)
{
	if (status == -1) {
		*words = g_strdup("was not made");
		return FALSE;
	}
	if (WIFSIGNALED(status)) {
		*words = g_strdup_printf("ended by signal %d (%s)%s", WTERMSIG(status),
					 g_strsignal(WTERMSIG(status)),
					 WCOREDUMP(status) ? ", with a core dump" : "");
		return !WCOREDUMP(status);
	}
	if (WEXITSTATUS(status) == GOT_THROUGH)
		*words = g_strdup("got through");
	else if (WEXITSTATUS(status) == NOT_IN_PLACE)
		*words = g_strdup("was not made");
	else
		*words = g_strdup(g_strerror(WEXITSTATUS(status)));
	return WEXITSTATUS(status) != GOT_THROUGH && WEXITSTATUS(status) != NOT_IN_PLACE;
}

static void report(Judge *judge, gboolean is_right, const char *where, const char *name,
		   const char *words)
{
	g_print("%s %u - %s: %s: %s\n", is_right ? "ok" : "not ok", ++judge->number, where, name,
		words);
	judge->failures += is_right ? 0 : 1;
}

static void try_all(Judge *judge, KvmMemoryKind memory_kind, guint kind, const char *where)
{
	gsize count;
	const Attempt *attempts = attempts_list(0, &count);

	for (gsize i = 0; i < count; i++) {
		g_autofree char *words = NULL;
		const int status = run_attempt(judge, kind, memory_kind, i);
		const gboolean is_refused = judge_status(status, &words);

		report(judge, i < N_ALLOWED ? got_through(status) : is_refused, where,
		       attempts[i].name, words);
	}
}

static void try_thread(Judge *judge, KvmMemoryKind memory_kind, SandboxThread kind)
{
	g_autofree char *where = g_strdup_printf("%s, %s", kvm_memory_kind_name(memory_kind),
						 thread_names[kind]);

	try_all(judge, memory_kind, kind, where);
}

/* Makes those attempts that have such a name. @has_to_succeed: or else to be refused */
static void try_some(Judge *judge, guint kind, const char *where, const char *const *names,
		     gboolean has_to_succeed)
{
	gsize count;
	const Attempt *attempts = attempts_list(0, &count);

	for (; *names; names++) {
		g_autofree char *words = NULL;
		gboolean is_refused;
		gsize i = 0;
		int status;

		while (i < count && strcmp(attempts[i].name, *names) != 0)
			i++;
		g_assert(i < count);
		status = run_attempt(judge, kind, KVM_MEMORY_WINDOWS, i);
		is_refused = judge_status(status, &words);
		report(judge, has_to_succeed ? got_through(status) : is_refused, where, *names,
		       words);
	}
}

static const char *const succeed_without_sandbox[] = {
	"open a file",
	"make a local socket",
	"fork, the other way",
	"signal another process",
	"execute a program",
	"make a file without a name",
	"map memory to execute",
	"call by the 32-bit entry",
	NULL,
};

/* What an empty root, no capability, no network and limits refuse by themselves. */
static const char *const fail_without_filters[] = {
	"open a file",
	"open /dev/kvm again",
	"open the memory of another VMM",
	"make a file",
	"remove a file",
	"make a folder",
	"make a device",
	"make a huge file by writing",
	"change the root",
	"mount",
	"unmount",
	"change what is the root",
	"open a file system",
	"make a raw socket",
	"execute a program",
	"make many threads",
	"enter another process's namespaces",
	"become root",
	"become root's group",
	"enter groups",
	"take capabilities for programs",
	"unlock the secure bits",
	"change its own limits",
	"leave a core dump",
	"load a module",
	"restart the host",
	"set the clock",
	"set the host's name",
	"reach ports",
	NULL,
};

static int be_judge(void)
{
	Judge judge = { 0 };

	if (geteuid() != 0) {
		g_print("1..0 # SKIP needs root\n");
		return EXIT_SUCCESS;
	}
	if (!prepare(&judge)) {
		g_print("Bail out! what the attempts are made at cannot be made: %s\n",
			g_strerror(errno));
		return EXIT_FAILURE;
	}
	try_some(&judge, NO_SANDBOX, "no sandbox", succeed_without_sandbox, TRUE);
	try_some(&judge, NO_FILTERS, "no filters", fail_without_filters, FALSE);
	for (SandboxThread kind = SANDBOX_THREAD_MAIN; kind < SANDBOX_THREAD_WATCHDOG; kind++)
		try_thread(&judge, KVM_MEMORY_WINDOWS, kind);
	/* Those that may do more with that kind of memory, or are only there with it. */
	try_thread(&judge, KVM_MEMORY_TWO_SIDED, SANDBOX_THREAD_VCPU);
	try_thread(&judge, KVM_MEMORY_TWO_SIDED, SANDBOX_THREAD_MEMORY);
	try_thread(&judge, KVM_MEMORY_TWO_SIDED, SANDBOX_THREAD_IO);
	try_thread(&judge, KVM_MEMORY_TWO_SIDED, SANDBOX_THREAD_WATCHDOG);
	try_all(&judge, KVM_MEMORY_WINDOWS, IN_LOGGER, "logger");
	g_print("1..%u\n", judge.number);
	put_away(&judge);
	return judge.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	int memory_kind, victim;
	guint kind;
	gsize index, count;
	const Attempt *attempts;

	if (argc < 2 || sscanf(argv[1], "%u:%d:%zu:%d", &kind, &memory_kind, &index, &victim) != 4)
		return be_judge();
	attempts = attempts_list(victim, &count);
	g_assert(index < count);
	run_attacker(kind, (KvmMemoryKind)memory_kind, &attempts[index]);
}
