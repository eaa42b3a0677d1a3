/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine.h - one virtual machine as a whole: what it is made of, its state, its events
 *
 * Theory of operation
 *
 * A Machine puts VM, memory, vCPUs, chipset and boot together in the order that each needs,
 * and owns the run state. Only the main thread changes the run state. vCPU threads and the
 * memory thread that want it changed (guest reset, power-off, triple fault, host touch) post
 * a request to the main context and hold their vCPU meanwhile.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/memory/memory.h"

/* QEMU's RunState, as far as this machine has it. */
typedef enum {
	RUN_STATE_PRELAUNCH, /* made, never run */
	RUN_STATE_RUNNING,
	RUN_STATE_PAUSED,	  /* by "stop", or by a host touch under guest-only */
	RUN_STATE_SHUTDOWN,	  /* the guest is off and --no-shutdown keeps the process */
	RUN_STATE_INTERNAL_ERROR, /* a vCPU or the memory engine cannot go on */
} RunState;

/* "prelaunch", "running", … as QMP's query-status prints it. */
const char *run_state_name(RunState state);

typedef enum {
	MACHINE_EVENT_STOP,
	MACHINE_EVENT_RESUME,
	MACHINE_EVENT_RESET,	      /* reason: "guest-reset" or "host-qmp-system-reset" */
	MACHINE_EVENT_POWERDOWN,      /* power button pressed */
	MACHINE_EVENT_SHUTDOWN,	      /* reason: "guest-shutdown", "guest-reset", "host-qmp-quit",
					 "host-signal" */
	MACHINE_EVENT_HOST_TOUCH,     /* touch is set; the machine is paused */
	MACHINE_EVENT_INTERNAL_ERROR, /* message is set; the machine is paused */
} MachineEventType;

typedef struct {
	MachineEventType type;
	gboolean guest;		/* RESET and SHUTDOWN: the guest asked for it */
	const char *reason;	/* RESET and SHUTDOWN, QMP's ShutdownCause */
	const char *message;	/* INTERNAL_ERROR */
	const HostTouch *touch; /* HOST_TOUCH */
} MachineEvent;

/* Called on the main thread; what @event points to is only lent. */
typedef void (*MachineListener)(const MachineEvent *event, void *opaque);

/* What a guest's triple fault, reset or power-off leads to. */
typedef enum {
	MACHINE_ACTION_RESET,
	MACHINE_ACTION_SHUTDOWN, /* end the process, or keep it in RUN_STATE_SHUTDOWN */
} MachineAction;

typedef struct {
	KvmVmType vm_type;
	MemoryPolicy policy;
	guint64 memory_size;	/* bytes */
	guint vcpus;		/* 1 to VCPU_MAX */
	int kvm_fd;		/* open; the machine takes it over on success */
	int userfaultfd_device; /* open /dev/userfaultfd or -1; taken over on success */
	int kernel_fd;		/* bzImage; stays the caller's, read again at each reset */
	int initrd_fd;		/* or -1 */
	int payload_fd;		/* a flat payload for tests instead of a kernel, or -1 */
	const char *command_line;
	int console_fd;	      /* where the first serial port writes, or -1; the caller's */
	int console_input_fd; /* where it reads: may be console_fd, or -1; the caller's */
	int console_log_fd;   /* where it writes too, or -1; the caller's */
	int debug_exit_port;  /* port of isa-debug-exit, or -1 */
	MachineAction on_reboot;
	gboolean keep_after_shutdown; /* --no-shutdown */
} MachineConfig;

typedef struct Machine Machine;

/* Makes the machine, in RUN_STATE_PRELAUNCH, with its content populated. */
Machine *machine_new(const MachineConfig *config, MachineListener listener, void *opaque,
		     GError **error);
void machine_free(Machine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)

RunState machine_run_state(const Machine *machine);
Memory *machine_memory(Machine *machine);
VcpuSet *machine_vcpus(Machine *machine);

/*
 * All on the main thread. machine_resume() starts a prelaunch machine too; an error says
 * why the state does not allow it.
 */
gboolean machine_pause(Machine *machine, GError **error);
gboolean machine_resume(Machine *machine, GError **error);
gboolean machine_reset(Machine *machine, gboolean guest, GError **error);

/* Presses the ACPI power button. */
gboolean machine_power_down(Machine *machine, GError **error);

/*
 * Runs the main context until the machine has ended (guest power-off without
 * keep_after_shutdown, or machine_quit()).
 *
 * Return: the exit status for the process: 0; 1 after an internal error; or what the guest
 * wrote to the debug-exit port, as QEMU computes it: (value << 1) | 1.
 */
int machine_run(Machine *machine);
void machine_quit(Machine *machine, const char *reason);
