/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * relay: carries one command's standard input, output, error and exit status
 * between the machine and the test host.
 *
 * Theory of Operation
 * ===================
 *
 * The same program runs at both ends of one virtio-serial port. The host's end
 * starts QEMU with one half of a socket pair as that port's character device;
 * the guest's end is the test host's first process and starts the command with
 * three pipes. Both exchange frames: a kind, a length, that many bytes.
 *
 *      caller           relay host         QEMU          relay guest     command
 *      stdin  --------> FRAME_INPUT  ---> socket ---> port ---> pipe --> stdin
 *      stdout <-------- FRAME_OUTPUT <--- pair   <--- port <--- pipe <-- stdout
 *      stderr <-------- FRAME_ERROR  <---        <---      <--- pipe <-- stderr
 *      outcome <------- FRAME_EXIT   <---        <---      <--- waitpid()
 *
 * Why frames and not one port for each stream: a guest cannot learn when the
 * host has taken what it wrote to a port, so that a guest that powers off after
 * the last write may lose it. Here the exit status comes behind all output on
 * the same port, and the host ends the test host only when it has read it:
 * nothing is lost, and nobody waits for a shutdown. Why pipes in the guest: a
 * port can be opened once only, which breaks whoever opens /dev/stderr.
 *
 * When the command ends, the guest kills what the command left running, as the
 * end of a container does; the pipes then end, whoever held them.
 *
 * Before the command starts, the guest says so (FRAME_BEGUN). The host's end keeps the input until
 * then: whoever called can boot another host when one has died before, and nothing is lost.
 *
 * The limit is an alarm, so that it holds wherever the host's end is blocked,
 * for example writing to a caller who does not read.
 *
 * Usage:
 *      relay host OUTCOME LIMIT QEMU [ARGUMENT...]
 *              starts QEMU with the port's socket as descriptor 3 and its own
 *              messages on descriptor 4. Exits 0 and writes to the file OUTCOME
 *              "exited STATUS", "failed MESSAGE" (the guest could not start the
 *              command), "limit" (LIMIT seconds went by), "died" (QEMU ended) or
 *              "unborn" (the same, before the command began).
 *      relay guest KIND PORT COMMAND [ARGUMENT...]
 *              runs COMMAND, if KVM is of this KIND; never returns.
 *      relay check-kvm KIND
 *              exits 0 if this machine's KVM is of this KIND, else says why not and
 *              exits 1: "sw-protected" makes software-protected virtual machines,
 *              "guest-memfd" gives ordinary ones guest_memfd that can be mapped.
 *      relay tsc-khz
 *              prints how fast this machine's TSC counts, which is what QEMU's TCG
 *              gives the test host; nothing where it has none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

/* Headers of Linux 6.1 (Debian 12) do not have these. */
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#define GUEST_MEMFD_FLAG_MMAP	  (1ULL << 0)
#endif

enum frame_kind {
	FRAME_INPUT = 'i',  /* to the guest; of length 0: end of input */
	FRAME_BEGUN = 'b',  /* from the guest, the first one: the command starts */
	FRAME_OUTPUT = 'o', /* from the guest: standard output */
	FRAME_ERROR = 'e',  /* from the guest: standard error */
	FRAME_EXIT = 'x',   /* from the guest, the last one: exit status, one byte */
	FRAME_FAILED = 'f', /* from the guest, the last one: why there is no command */
};

struct frame_header {
	uint32_t kind;
	uint32_t length;
};

/* As much as the kernel's virtio_console driver takes in one write. */
#define FRAME_PAYLOAD_MAX (32 * 1024 - sizeof(struct frame_header))

struct frame {
	struct frame_header header;
	char payload[FRAME_PAYLOAD_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

/**
 * write_all() - Write a buffer, whether the descriptor blocks or not
 * @fd:    Descriptor
 * @data:  Bytes
 * @size:  How many
 *
 * Return: whether all was written; errno says why not
 */
static bool write_all(int fd, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		ssize_t n = write(fd, next, size);

		if (n >= 0) {
			next += n;
			size -= n;
		} else if (errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/**
 * read_all() - Read exactly so many bytes
 * @fd:    Descriptor, blocking
 * @data:  Where to
 * @size:  How many
 *
 * Return: false at the end of file or on an error
 */
static bool read_all(int fd, void *data, size_t size)
{
	char *next = data;

	while (size > 0) {
		ssize_t n = read(fd, next, size);

		if (n > 0) {
			next += n;
			size -= n;
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool send_frame(int fd, enum frame_kind kind, const void *data, size_t size)
{
	struct frame frame = { .header = { .kind = kind, .length = size } };

	memcpy(frame.payload, data, size);
	return write_all(fd, &frame, sizeof(frame.header) + size);
}

static bool receive_frame(int fd, struct frame *frame)
{
	return read_all(fd, &frame->header, sizeof(frame->header)) &&
	       frame->header.length <= sizeof(frame->payload) &&
	       read_all(fd, frame->payload, frame->header.length);
}

__attribute__((format(printf, 1, 2))) static const char *problem_of(const char *format, ...)
{
	static char reason[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	return reason;
}

static const char *sw_protected_problem(int kvm)
{
	int types = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES), vm;

	if (types < 0 || !(types & (1 << KVM_X86_SW_PROTECTED_VM)))
		return problem_of(
			"KVM_CAP_VM_TYPES is %d: bit %d (KVM_X86_SW_PROTECTED_VM) is not set",
			types, KVM_X86_SW_PROTECTED_VM);
	vm = ioctl(kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM);
	if (vm < 0)
		return problem_of("KVM_CREATE_VM of type %d: %s", KVM_X86_SW_PROTECTED_VM,
				  strerror(errno));
	close(vm);
	return NULL;
}

static const char *guest_memfd_problem(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), flags;

	if (vm < 0)
		return problem_of("KVM_CREATE_VM: %s", strerror(errno));
	flags = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	close(vm);
	if (flags < 0 || !(flags & GUEST_MEMFD_FLAG_MMAP))
		return problem_of(
			"KVM_CAP_GUEST_MEMFD_FLAGS is %d: GUEST_MEMFD_FLAG_MMAP is not set", flags);
	return NULL;
}

/**
 * kvm_problem() - Why KVM here is not of a kind
 * @kind: "sw-protected" or "guest-memfd"
 *
 * Return: NULL if it is, else the reason
 */
static const char *kvm_problem(const char *kind)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const char *problem;

	if (kvm < 0)
		return problem_of("/dev/kvm: %s", strerror(errno));
	problem = strcmp(kind, "guest-memfd") == 0 ? guest_memfd_problem(kvm) :
						     sw_protected_problem(kvm);
	close(kvm);
	return problem;
}

/* ---- The host's end ------------------------------------------------------------------- */

static struct {
	int outcome;
	pid_t qemu;
} host;

static void __attribute__((noreturn, format(printf, 1, 2))) finish(const char *format, ...)
{
	va_list args;

	kill(host.qemu, SIGKILL);
	waitpid(host.qemu, NULL, 0);
	va_start(args, format);
	vdprintf(host.outcome, format, args);
	va_end(args);
	exit(0);
}

static void limit_reached(int number)
{
	static const char outcome[] = "limit\n";

	(void)number;
	kill(host.qemu, SIGKILL);
	waitpid(host.qemu, NULL, 0);
	_exit(write(host.outcome, outcome, sizeof(outcome) - 1) < 0);
}

static void start_qemu(int port, char **command)
{
	pid_t parent = getpid();

	host.qemu = fork();
	if (host.qemu < 0)
		die("fork");
	if (host.qemu > 0)
		return;
	/* No test host outlives its command, even if this process is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(4, 1);
	dup2(4, 2);
	if (dup2(port, 3) < 0)
		_exit(1);
	execvp(command[0], command);
	die(command[0]);
}

static void host_main(const char *outcome, unsigned int limit, char **command)
{
	struct sigaction alarm_action = { .sa_handler = limit_reached };
	struct frame from, to;
	size_t to_send = 0, sent = 0;
	bool input_open = true, begun = false;
	int pair[2];

	host.outcome = open(outcome, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (host.outcome < 0)
		die(outcome);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");

	/* A shell that starts this in the background has it ignore them. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);

	start_qemu(pair[1], command);
	close(pair[1]);
	sigaction(SIGALRM, &alarm_action, NULL);
	alarm(limit);

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = pair[0], .events = POLLIN | (sent < to_send ? POLLOUT : 0) },
			{ .fd = begun && input_open && sent == to_send ? 0 : -1, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents) {
			ssize_t n = read(0, to.payload, sizeof(to.payload));

			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			input_open = n > 0;
			to.header = (struct frame_header){ .kind = FRAME_INPUT,
							   .length = n > 0 ? n : 0 };
			to_send = sizeof(to.header) + to.header.length;
			sent = 0;
		}
		if (sent < to_send) {
			ssize_t n = send(pair[0], (char *)&to + sent, to_send - sent,
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			if (n > 0)
				sent += n;
		}
		if (!(fds[0].revents & (POLLIN | POLLHUP)))
			continue;
		if (!receive_frame(pair[0], &from))
			finish(begun ? "died\n" : "unborn\n");
		switch (from.header.kind) {
		case FRAME_BEGUN:
			begun = true;
			break;
		case FRAME_OUTPUT:
		case FRAME_ERROR:
			if (!write_all(from.header.kind == FRAME_OUTPUT ? 1 : 2, from.payload,
				       from.header.length))
				die("the command's output");
			break;
		case FRAME_EXIT:
			finish("exited %d\n", (unsigned char)from.payload[0]);
		case FRAME_FAILED:
			finish("failed %.*s\n", (int)from.header.length, from.payload);
		default:
			finish("died\n");
		}
	}
}

/* ---- The guest's end ------------------------------------------------------------------ */

/**
 * open_port() - Open the virtio-serial port, which may appear only later
 * @path:  Device node
 *
 * Return: descriptor
 */
static int open_port(const char *path)
{
	int fd, watch = inotify_init1(IN_CLOEXEC);

	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE | IN_ATTRIB) < 0)
		die("inotify on /dev");
	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
		char event[sizeof(struct inotify_event) + NAME_MAX + 1];

		if (errno != ENOENT && errno != ENXIO)
			die(path);
		if (read(watch, event, sizeof(event)) < 0 && errno != EINTR)
			die("inotify on /dev");
	}
	close(watch);
	return fd;
}

static pid_t start_command(char **command, const int input[2], const int output[2],
			   const int error[2])
{
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0 || dup2(error[1], 2) < 0)
		_exit(126);
	execvp(command[0], command);
	fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/**
 * reap() - Collect ended processes; the first process gets every orphan
 * @command:  Process id of the command
 * @status:   Where its exit status goes, as a shell would have it
 *
 * Return: whether the command is among those that ended
 */
static bool reap(pid_t command, unsigned char *status)
{
	bool ended = false;
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		*status = WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
		ended = true;
	}
	return ended;
}

/**
 * forward() - Pass on what a pipe of the command's holds
 * @pipe:  Its reading end, readable or ended; set to -1 at its end
 * @port:  The port
 * @kind:  FRAME_OUTPUT or FRAME_ERROR
 */
static void forward(int *pipe, int port, enum frame_kind kind)
{
	char data[FRAME_PAYLOAD_MAX];
	ssize_t n = read(*pipe, data, sizeof(data));

	if (n > 0) {
		send_frame(port, kind, data, n);
	} else if (n == 0 || errno != EINTR) {
		close(*pipe);
		*pipe = -1;
	}
}

static void guest_main(const char *kind, const char *port_path, char **command)
{
	int input[2], output[2], error[2];
	int port = open_port(port_path), signals;
	const char *problem = kvm_problem(kind);
	struct frame from = { .header = { .length = 0 } };
	size_t passed = 0;
	unsigned char status = 0;
	sigset_t child;
	pid_t pid;

	if (problem) {
		send_frame(port, FRAME_FAILED, problem, strlen(problem));
		goto idle;
	}

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (signals < 0 || pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0 ||
	    pipe2(error, O_CLOEXEC) < 0)
		die("pipes");
	send_frame(port, FRAME_BEGUN, "", 0);
	pid = start_command(command, input, output, error);
	if (pid < 0)
		die("fork");
	close(input[0]);
	close(output[1]);
	close(error[1]);
	/* Only this side of the pipe: the command's own reads block as they should. */
	fcntl(input[1], F_SETFL, O_NONBLOCK);

	while (output[0] >= 0 || error[0] >= 0 || signals >= 0) {
		bool pending = passed < from.header.length;
		struct pollfd fds[] = {
			{ .fd = output[0], .events = POLLIN },
			{ .fd = error[0], .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
			{ .fd = input[1] < 0 || pending ? -1 : port, .events = POLLIN },
			{ .fd = pending ? input[1] : -1, .events = POLLOUT },
		};

		if (poll(fds, 5, -1) < 0)
			continue;
		if (fds[0].revents)
			forward(&output[0], port, FRAME_OUTPUT);
		if (fds[1].revents)
			forward(&error[0], port, FRAME_ERROR);
		if (fds[2].revents) {
			struct signalfd_siginfo ignored;

			if (read(signals, &ignored, sizeof(ignored)) > 0 && reap(pid, &status)) {
				kill(-1, SIGKILL);
				close(signals);
				signals = -1;
			}
		}
		if (fds[3].revents) {
			if (!receive_frame(port, &from))
				die(port_path);
			passed = 0;
		}
		if (fds[3].revents || fds[4].revents) {
			ssize_t n = write(input[1], from.payload + passed,
					  from.header.length - passed);

			if (n > 0)
				passed += n;
			if (from.header.length == 0 || (n < 0 && errno != EAGAIN)) {
				/* The input ended, or nobody reads it any more. */
				close(input[1]);
				input[1] = -1;
				passed = from.header.length;
			}
		}
	}
	/* What went to shared folders through mappings is to be there for the host. */
	sync();
	send_frame(port, FRAME_EXIT, &status, 1);
idle:
	/* The first process must not end: the host ends the test host. */
	for (;;)
		pause();
}

#ifdef __x86_64__
/* A moment on both clocks. */
struct moment {
	uint64_t ticks;
	int64_t nanoseconds;
};

/* Of many readings the one that took least: nothing interrupted it. */
static struct moment read_moment(void)
{
	struct moment best = { 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		struct timespec now;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best.ticks = before + shortest / 2;
		best.nanoseconds = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	}
	return best;
}

static void print_tsc_khz(void)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	struct moment first = read_moment(), last;

	nanosleep(&pause, NULL);
	last = read_moment();
	printf("%.0f\n", (double)(last.ticks - first.ticks) * 1e6 /
				 (double)(last.nanoseconds - first.nanoseconds));
}
#else
static void print_tsc_khz(void)
{
}
#endif

int main(int argc, char **argv)
{
	if (argc > 4 && strcmp(argv[1], "host") == 0) {
		host_main(argv[2], strtoul(argv[3], NULL, 10), argv + 4);
	} else if (argc > 4 && strcmp(argv[1], "guest") == 0) {
		guest_main(argv[2], argv[3], argv + 4);
	} else if (argc == 3 && strcmp(argv[1], "check-kvm") == 0) {
		const char *problem = kvm_problem(argv[2]);

		if (!problem)
			return 0;
		printf("%s\n", problem);
		return 1;
	} else if (argc == 2 && strcmp(argv[1], "tsc-khz") == 0) {
		print_tsc_khz();
		return 0;
	}
	fprintf(stderr, "relay: see the head of relay.c for its arguments\n");
	return 2;
}
