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

#include "common/cpu-set.h"
#include "vmm/ata/drive-type.h"
#include "vmm/backend/block.h"
#include "vmm/chipset/chipset.h"
#include "vmm/chipset/rtc.h"
#include "vmm/device/descriptors.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/memory/memory.h"
#include "vmm/virtio/virtio-balloon.h"
#include "vmm/virtio/virtio-input.h"

/* QEMU's RunState, as far as this machine has it. */
typedef enum {
	RUN_STATE_PRELAUNCH, /* made, never run */
	RUN_STATE_RUNNING,
	RUN_STATE_PAUSED,	  /* by "stop", a host touch under guest-only, or no memory */
	RUN_STATE_IO_ERROR,	  /* by an error of a disk; what failed is tried again at "cont" */
	RUN_STATE_WATCHDOG,	  /* by a watchdog whose action is to pause */
	RUN_STATE_GUEST_PANICKED, /* the guest says that it has failed */
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
	MACHINE_EVENT_SHUTDOWN,	      /* reason: "guest-shutdown", "guest-reset", "guest-panic",
					 "host-qmp-quit", "host-signal" */
	MACHINE_EVENT_HOST_TOUCH,     /* touch is set; the machine is paused */
	MACHINE_EVENT_WATCHDOG,	      /* action is set: the name of a WatchdogAction */
	MACHINE_EVENT_PANICKED,	      /* the guest has failed; action: "pause" or "poweroff" */
	MACHINE_EVENT_CRASH_LOADED,   /* it has, and goes on with another kernel */
	MACHINE_EVENT_NO_MEMORY,      /* message is set; the machine is paused, and can go on */
	MACHINE_EVENT_DISK_ERROR,     /* disk_error is set */
	MACHINE_EVENT_INTERNAL_ERROR, /* message is set; the machine is paused */
	MACHINE_EVENT_DEVICE_DELETED, /* device is set: it is gone */
	MACHINE_EVENT_DEVICE_KEPT,    /* device is set: the guest does not let go of it */
	MACHINE_EVENT_BALLOON_CHANGE, /* actual is set */
	MACHINE_EVENT_PORT_CHANGED,   /* device and is_open are set */
	MACHINE_EVENT_TRAY_MOVED,     /* device and is_open are set */
} MachineEventType;

typedef struct {
	MachineEventType type;
	gboolean guest;	     /* RESET and SHUTDOWN: the guest asked for it */
	const char *action;  /* WATCHDOG, PANICKED: what happens because of it, as QEMU says it */
	const char *reason;  /* RESET and SHUTDOWN, QMP's ShutdownCause */
	const char *message; /* NO_MEMORY, INTERNAL_ERROR */
	const HostTouch *touch;	     /* HOST_TOUCH */
	const DiskError *disk_error; /* DISK_ERROR */
	guint64 actual;		     /* BALLOON_CHANGE: bytes of RAM that the guest has */
	const char *device; /* DEVICE_DELETED, DEVICE_KEPT, PORT_CHANGED, TRAY_MOVED: its id */
	gboolean is_open;   /* PORT_CHANGED: the guest has the port open; TRAY_MOVED */
} MachineEvent;

/* Called on the main thread; what @event points to is only lent. */
typedef void (*MachineListener)(const MachineEvent *event, void *opaque);

/* What a guest's triple fault, reset or power-off leads to. */
typedef enum {
	MACHINE_ACTION_RESET,
	MACHINE_ACTION_SHUTDOWN, /* end the process, or keep it in RUN_STATE_SHUTDOWN */
} MachineAction;

#define MACHINE_SERIALS CHIPSET_SERIALS

/* What a serial port is connected to. The machine has descriptors of its own. */
typedef struct {
	gboolean is_present; /* the guest finds the port; always so with the first */
	int fd;		     /* where it writes, or -1; a socket may listen for who reads */
	int input_fd;	     /* where it reads: may be fd, or -1 */
	int log_fd;	     /* where it writes too, or -1 */
} MachineSerial;

/* A node of the guest's memory; node n of the tables is element n of the array. */
typedef struct {
	CpuSet cpus;
	guint64 memory_size;		    /* bytes, whole pages; RAM is dealt out in order */
	guint8 distances[LIMIT_NUMA_CELLS]; /* to node n, as ACPI's SLIT has them */
} MachineNumaCell;

/*
 * Exactly one of these says what runs: a payload; firmware, in flash or as a BIOS, which
 * boots the kernel if there is one; or a kernel alone, which is entered directly.
 */
typedef struct {
	KvmMemoryKind memory_kind;
	MemoryPolicy policy;
	guint64 memory_size;	/* bytes */
	guint vcpus;		/* 1 to VCPU_MAX */
	guint reclaim_seconds;	/* as MemoryConfig has it */
	int kvm_fd;		/* open /dev/kvm; only lent to machine_new() */
	int pagemap_fd;		/* open /proc/self/pagemap, or -1; stays open */
	int task_folder;	/* open /proc/self/task, or -1; only lent to machine_new() */
	guint64 windows_max;	/* of memory in windows, as kvm_support_count_windows() has it */
	int userfaultfd_device; /* open /dev/userfaultfd or -1; the same */

	/*
	 * Files, each -1 where absent. They stay the caller's, as long as the machine but for
	 * firmware's, of which it has descriptors of its own. Kernel and initrd are read when
	 * firmware asks for them; without firmware, as a payload, at each reset.
	 */
	int kernel_fd; /* bzImage */
	int initrd_fd;
	int payload_fd;	      /* a flat payload for tests */
	int pflash_code_fd;   /* ends at 4 GiB; never written to */
	int pflash_vars_fd;   /* right below it, open for reading and writing */
	int bios_fd;	      /* a BIOS ROM that ends at 4 GiB */
	int linuxboot_rom_fd; /* option ROM with which a BIOS boots the kernel */
	/* Those of firmware by their names, for messages. */
	const char *pflash_code_name;
	const char *pflash_vars_name;
	const char *bios_name;
	int debug_console_fd; /* where what is written to port 0x402 goes; any kind of file */
	const char *command_line;

	/* Where what is written to port 0x402 goes, too; or -1. */
	int debug_console_log_fd;

	MachineSerial serials[MACHINE_SERIALS];
	gboolean sercon;     /* SeaBIOS shows itself on the first serial port */
	int debug_exit_port; /* port of isa-debug-exit, or -1 */

	CpuModel cpu;	   /* its topology has exactly vcpus processors */
	gint64 rtc_offset; /* seconds that the RTC starts ahead of the host's UTC */
	RtcTickPolicy rtc_tick_policy;
	gboolean discard_pit_ticks; /* one whose time comes while another waits is lost */
	guint tsc_khz;		    /* frequency of the guest's TSC; 0: the host's */
	gboolean hpet;
	gboolean has_uuid;
	guint8 uuid[16];	      /* in the order of its text */
	const GPtrArray *smbios;      /* of SmbiosString, in order */
	const GArray *numa_cells;     /* of MachineNumaCell; empty: no NUMA */
	gboolean has_numa_distances;  /* at least one cell had some; else 10 and 20 */
	const GPtrArray *devices;     /* of JsonObject that devices_check() takes, in order */
	DescriptorTable *descriptors; /* what they name; lent for the machine's life */

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

/* How the processors are arranged; as long as the machine. */
const CpuTopology *machine_cpu_topology(const Machine *machine);

/*
 * All on the main thread. machine_resume() starts a prelaunch machine too; an error says
 * why the state does not allow it.
 */
gboolean machine_pause(Machine *machine, GError **error);
gboolean machine_resume(Machine *machine, GError **error);
gboolean machine_reset(Machine *machine, gboolean guest, GError **error);

/*
 * machine_add_device - make a device
 * @description: as devices_create() takes it
 *
 * Before the guest runs, or again after a reset, it is there as if it had always been. Later a PCI
 * device goes behind a root port, and the guest is told.
 */
gboolean machine_add_device(Machine *machine, JsonObject *description, GError **error);

/*
 * machine_remove_device - ask the guest to let go of a device
 *
 * An event follows, now or later: that it is gone, or that the guest keeps it; or none, where the
 * guest does not answer. Then it goes with the next reset.
 */
gboolean machine_remove_device(Machine *machine, const char *id, GError **error);

/* Calls @function for each device that was described. */
void machine_foreach_device(Machine *machine,
			    void (*function)(const char *id, const char *type, void *opaque),
			    void *opaque);

/* One disk, or CD-ROM drive. */
typedef struct {
	BlockBackend *backend; /* NULL: a drive that is empty */
	const AtaTray *tray;   /* NULL: it has none */
} MachineDisk;

/* Calls @function for each disk. */
void machine_foreach_disk(Machine *machine,
			  void (*function)(const char *id, const MachineDisk *disk, void *opaque),
			  void *opaque);

/*
 * machine_foreach_chardev - all that has a character backend
 *
 * Calls @function for each serial line, "serial0" and on, the debug console and each port of
 * virtio-serial, with whether the guest has it open.
 */
void machine_foreach_chardev(Machine *machine,
			     void (*function)(const char *label, gboolean is_open, void *opaque),
			     void *opaque);

/* Calls @function for each I/O thread that was described, with the number of the thread. */
void machine_foreach_io_thread(Machine *machine,
			       void (*function)(const char *id, pid_t thread, void *opaque),
			       void *opaque);

/*
 * machine_change_medium - put another medium into a CD-ROM drive
 * @blockdev:  what it is; NULL: the tray is opened, and the medium taken out
 * @may_force: also where the guest has locked the tray, which is asked to eject otherwise
 */
gboolean machine_change_medium(Machine *machine, const char *id, JsonObject *blockdev,
			       gboolean may_force, GError **error);

/* Changes a disk's limits. Return: FALSE with @error set where there is no such disk. */
gboolean machine_set_disk_limits(Machine *machine, const char *id, const ThrottleConfig *config,
				 GError **error);

/*
 * machine_resize_disk - have a disk, and its guest, see the size that its image has got
 * @size: bytes
 *
 * Return: FALSE with @error set where there is no such disk, or where the image is not of that
 * size.
 */
gboolean machine_resize_disk(Machine *machine, const char *id, guint64 size, GError **error);

/* Plugs the cable of a network card in, or out. */
gboolean machine_set_link(Machine *machine, const char *id, gboolean is_up, GError **error);

/* The device by which the guest gives memory back; NULL where it has none. */
VirtioBalloon *machine_balloon(Machine *machine);

/* The device that is to have an event; see virtio_input_find(). */
VirtioInput *machine_input(Machine *machine, guint16 type, guint16 code);

/* What descriptions of devices name. */
DescriptorTable *machine_descriptors(Machine *machine);

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
