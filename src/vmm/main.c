/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - gmem-vmm: from the command line to a running machine, and to its end
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/confinement.h"
#include "common/words.h"
#include "vmm/backend/guest-copy.h"
#include "vmm/backend/io-ring.h"
#include "vmm/log.h"
#include "vmm/machine/devices.h"
#include "vmm/machine/machine.h"
#include "vmm/monitor/monitor.h"
#include "vmm/options.h"
#include "vmm/sandbox/sandbox.h"

typedef struct {
	Machine *machine;
	Monitor *monitor;	 /* or NULL */
	struct termios terminal; /* as it was */
	gboolean is_terminal_raw;
	gboolean is_stuck; /* the machine waits for a monitor, and there is none */
} Program;

static void on_machine_event(const MachineEvent *event, void *opaque)
{
	static LogLimit touches, shortages;
	Program *program = opaque;

	/* Of an internal error the machine has said so itself. */
	if (event->type == MACHINE_EVENT_HOST_TOUCH)
		log_limited(&touches, "memory",
			    _("warning: paused: %s touched gpa %#" PRIx64
			      ", which policy guest-only does not convert (thread %d, vCPU %d)"),
			    conversion_cause_name(event->touch->cause), event->touch->gpa,
			    (int)event->touch->thread_id, event->touch->vcpu);
	else if (event->type == MACHINE_EVENT_NO_MEMORY)
		log_limited(&shortages, "memory",
			    _("warning: paused: the host has no memory for the guest: %s"),
			    event->message);
	if (program->monitor) {
		monitor_send_event(program->monitor, event);
	} else if (event->type == MACHINE_EVENT_HOST_TOUCH ||
		   event->type == MACHINE_EVENT_NO_MEMORY ||
		   event->type == MACHINE_EVENT_INTERNAL_ERROR) {
		/* Nobody could let it go on, or reset it. */
		program->is_stuck = TRUE;
		machine_quit(program->machine, "host-error");
	}
}

static gboolean on_end_signal(gpointer opaque)
{
	const Program *program = opaque;

	machine_quit(program->machine, "host-signal");
	return G_SOURCE_CONTINUE;
}

/*
 * Keys go to the guest as they are typed, and come back as the guest's echo. Ctrl-C still
 * ends the machine.
 */
static void make_terminal_raw(Program *program)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &program->terminal) < 0)
		return;
	raw = program->terminal;
	raw.c_iflag &= ~(ICRNL | IXON);
	raw.c_lflag &= ~(ICANON | ECHO);
	program->is_terminal_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore_terminal(const Program *program)
{
	if (program->is_terminal_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &program->terminal);
}

/* Return: FALSE with @error set where the monitor cannot be served. */
static gboolean start_monitor(Program *program, const Options *options, GError **error)
{
	g_autoptr(GSocket) listener = NULL;
	int fd;

	if (options->monitor_fd < 0)
		return TRUE;
	fd = dup(options->monitor_fd);
	listener = g_socket_new_from_fd(fd, error);
	if (!listener) {
		close(fd);
		return FALSE;
	}
	program->monitor = monitor_new(listener, program->machine);
	return TRUE;
}

/* Runs the machine to its end; the process's exit status. */
static int run(Program *program, const Options *options, GError **error)
{
	int status;

	if (!start_monitor(program, options, error))
		return EXIT_FAILURE;
	g_unix_signal_add(SIGTERM, on_end_signal, program);
	g_unix_signal_add(SIGINT, on_end_signal, program);
	g_unix_signal_add(SIGHUP, on_end_signal, program);
	if (options->console_is_terminal)
		make_terminal_raw(program);
	if (!options->is_paused && !machine_resume(program->machine, error))
		return EXIT_FAILURE;
	status = machine_run(program->machine);
	return program->is_stuck ? EXIT_FAILURE : status;
}

static void close_device(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What is in /proc, while there is one, and that the machine takes to be set up or to run. */
static gboolean look_into_proc(MachineConfig *machine, GError **error)
{
	machine->task_folder = open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return machine->memory_kind != KVM_MEMORY_WINDOWS ||
	       kvm_support_count_windows(KVM_SUPPORT_MAX_MAP_COUNT, &machine->windows_max, error);
}

/* All is open, and nothing has been looked at yet. */
static gboolean enter_sandbox(Options *options, GError **error)
{
	g_autoptr(GArray) open = options_descriptors(options);

	options->sandbox.has_terminal = options->console_is_terminal;
	options->sandbox.has_monitor_path = options->monitor_path != NULL;
	return sandbox_enter(&options->sandbox, options->machine.memory_kind,
			     (const int *)open->data, open->len, error);
}

/* The machine has descriptors of its own: when those end, their peers are to see it. */
static void close_serial(MachineSerial *serial)
{
	if (serial->input_fd == serial->fd)
		serial->input_fd = -1;
	close_device(&serial->fd);
	close_device(&serial->input_fd);
	close_device(&serial->log_fd);
}

/*
 * With some of these one makes more of the kind; what there is to be is there. Of firmware's files
 * the machine has descriptors of its own; fw_cfg reads kernel, initrd and option ROM when asked.
 */
static void close_done_with(MachineConfig *machine)
{
	close_device(&machine->kvm_fd);
	close_device(&machine->userfaultfd_device);
	close_device(&machine->task_folder);
	if (machine->memory_kind != KVM_MEMORY_WINDOWS)
		close_device(&machine->pagemap_fd);
	close_device(&machine->pflash_code_fd);
	close_device(&machine->pflash_vars_fd);
	close_device(&machine->bios_fd);
	for (guint i = 0; i < MACHINE_SERIALS; i++)
		close_serial(&machine->serials[i]);
	close_device(&machine->debug_console_fd);
	close_device(&machine->debug_console_log_fd);
}

/* The most that are made for copies ahead of devices: two for a network card, one for another. */
#define SPARE_COPIES_MAX 16u

/* For disks that are plugged in; without one, a disk is refused. And for copies of what is. */
static void keep_rings(const MachineConfig *machine)
{
	const guint n_late = machine->devices ? devices_count_late(machine->devices) : 0;
	const gboolean has_windows = machine->memory_kind == KVM_MEMORY_WINDOWS;

	(void)io_ring_keep_spares(n_late, NULL);
	guest_copy_keep_spares(has_windows ? MIN(2 * n_late, SPARE_COPIES_MAX) : 0);
}

int main(int argc, char **argv)
{
	g_auto(Options) options = { .monitor_fd = -1 };
	g_autoptr(GError) error = NULL;
	Program program = { 0 };
	int pagemap_fd, status;
	gboolean is_busy;

	(void)argc;
	/*
	 * First, as long as files can be opened. The C library has a catalogue of its own, with the
	 * words of errno, and reads it when it is first asked.
	 */
	words_init();
	(void)strerror(EPERM);
	log_take_over_glib();
	/* A process that hides cannot open it any more, unless it is root's. */
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!confinement_hide_process(&error)) {
		log_error("sandbox", "%s", error->message);
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow any more is an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	if (!options_parse(&options, argv, &error)) {
		if (!error)
			return EXIT_SUCCESS;
		log_error("options", "%s", error->message);
		return EXIT_FAILURE;
	}
	log_set_traces(options.traces);
	options.machine.pagemap_fd = pagemap_fd;
	if (!look_into_proc(&options.machine, &error) || !enter_sandbox(&options, &error)) {
		log_error("sandbox", "%s", error->message);
		return EXIT_FAILURE;
	}
	program.machine = machine_new(&options.machine, on_machine_event, &program, &error);
	if (!program.machine) {
		log_error("start", "%s", error->message);
		return EXIT_FAILURE;
	}
	close_done_with(&options.machine);
	keep_rings(&options.machine);
	sandbox_enter_thread(SANDBOX_THREAD_MAIN);

	status = run(&program, &options, &error);
	if (error)
		log_error("start", "%s", error->message);
	restore_terminal(&program);
	is_busy = program.monitor && monitor_is_busy(program.monitor);
	g_clear_pointer(&program.monitor, monitor_free);
	/* A worker may still wait inside the memory engine; then the process's end is the end. */
	if (is_busy)
		_exit(status);
	machine_free(program.machine);
	return status;
}
