/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.c - one virtual machine as a whole: what it is made of, its state, its events */
#include "vmm/machine/machine.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/ata/drive-type.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/layout.h"
#include "vmm/chipset/chipset.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/kvm/ioeventfd.h"
#include "vmm/kvm/irqfd.h"
#include "vmm/log.h"
#include "vmm/machine/acpi-description.h"
#include "vmm/machine/console.h"
#include "vmm/machine/devices.h"
#include "vmm/machine/dma-memory.h"
#include "vmm/machine/firmware.h"
#include "vmm/machine/host-signal.h"
#include "vmm/machine/host-timer.h"
#include "vmm/machine/hot-plug.h"
#include "vmm/machine/requests.h"
#include "vmm/machine/wake-source.h"
#include "vmm/pci/pci-host.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio-blk.h"
#include "vmm/virtio/virtio-net.h"
#include "vmm/virtio/virtio-port.h"
#include "vmm/watchdog/watchdog.h"

/* A message to the processor whose APIC id is in bits 12 to 19, and one that is an NMI. */
#define MSI_ADDRESS  0xfee00000u
#define MSI_DATA_NMI 0x400u

struct Machine {
	MachineListener listener;
	void *opaque;
	GMainContext *context;
	RequestQueue *requests;

	KvmVm *vm;
	Memory *memory;
	VcpuSet *vcpus;
	CpuTopology cpu_topology;

	GMutex device_lock; /* guards everything of the devices */
	DeviceSurroundings devices;
	KvmIrqfds *irqfds;
	DeviceDoorbells doorbells;
	DeviceBoard board;	      /* of the devices of the start */
	DescriptorTable *descriptors; /* the caller's */
	BootOrder *boot_order;	      /* of the devices that there are */
	GSource *slot_changes;	      /* its ready time is 0 while there are any */
	gboolean are_devices_paused;
	Chipset *chipset;
	guint32 ram_segments; /* those below 1 MiB that show RAM */

	AcpiDescription acpi;
	gboolean has_firmware; /* and if not: */
	BootConfig boot;
	char *command_line;
	GByteArray *acpi_tables;

	LogLimit triple_faults;

	RunState state;
	MachineAction on_reboot;
	gboolean keep_after_shutdown;
	GMainLoop *loop; /* while machine_run() runs */
	gboolean has_ended;
	int exit_status;
};

const char *run_state_name(RunState state)
{
	static const char *const names[] = {
		[RUN_STATE_PRELAUNCH] = "prelaunch", [RUN_STATE_RUNNING] = "running",
		[RUN_STATE_PAUSED] = "paused",	     [RUN_STATE_IO_ERROR] = "io-error",
		[RUN_STATE_WATCHDOG] = "watchdog",   [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
		[RUN_STATE_SHUTDOWN] = "shutdown",   [RUN_STATE_INTERNAL_ERROR] = "internal-error",
	};

	return names[state];
}

static void emit(Machine *machine, const MachineEvent *event)
{
	if (machine->listener)
		machine->listener(event, machine->opaque);
}

static void emit_type(Machine *machine, MachineEventType type)
{
	const MachineEvent event = { .type = type };

	emit(machine, &event);
}

/*
 * Requests. What a guest asks for takes effect before its processors do anything else: the
 * gates are closed by the thread that posts, in one step with that.
 */

static void on_posting(void *opaque)
{
	Machine *machine = opaque;

	if (machine->vcpus)
		vcpu_set_request_pause(machine->vcpus);
}

static void on_guest_reset(void *opaque)
{
	Machine *machine = opaque;

	request_queue_post(machine->requests, REQUEST_RESET);
}

static void on_guest_power_off(void *opaque)
{
	Machine *machine = opaque;

	request_queue_post(machine->requests, REQUEST_POWER_OFF);
}

static void on_debug_exit(void *opaque, guint32 value)
{
	Machine *machine = opaque;

	request_queue_post_debug_exit(machine->requests, value);
}

static void on_panicked(void *opaque, gboolean is_crash_loaded)
{
	Machine *machine = opaque;

	request_queue_post(machine->requests,
			   is_crash_loaded ? REQUEST_CRASH_LOADED : REQUEST_PANIC);
}

static void on_watchdog_expired(void *opaque, guint action)
{
	Machine *machine = opaque;

	request_queue_post_watchdog(machine->requests, action);
}

static void on_disk_failed(void *opaque, const DiskError *error)
{
	Machine *machine = opaque;

	request_queue_post_disk_error(machine->requests, error);
}

static void on_balloon_changed(void *opaque, guint64 actual)
{
	const MachineEvent event = { .type = MACHINE_EVENT_BALLOON_CHANGE, .actual = actual };

	emit(opaque, &event);
}

/* The device lock is held: to say it, and no more. */
static void emit_open(Machine *machine, MachineEventType type, const char *id, gboolean is_open)
{
	const MachineEvent event = { .type = type, .device = id, .is_open = is_open };

	emit(machine, &event);
}

static void on_port_changed(void *opaque, const char *id, gboolean is_open)
{
	emit_open(opaque, MACHINE_EVENT_PORT_CHANGED, id, is_open);
}

static void on_tray_moved(void *opaque, const char *id, gboolean is_open)
{
	emit_open(opaque, MACHINE_EVENT_TRAY_MOVED, id, is_open);
}

static void on_set_interrupt(void *opaque, guint gsi, gboolean level)
{
	Machine *machine = opaque;

	kvm_vm_set_interrupt(machine->vm, gsi, level);
}

static void on_send_msi(void *opaque, guint64 address, guint32 data)
{
	Machine *machine = opaque;

	kvm_vm_send_msi(machine->vm, address, data);
}

/* A failure ends the memory engine, which says so. */
static void on_set_ram_segments(void *opaque, guint32 ram)
{
	Machine *machine = opaque;

	machine->ram_segments = ram;
	(void)memory_show_segments(machine->memory, ram, NULL);
}

static gboolean on_make_timer(void *opaque, DeviceClock clock, void (*expired)(void *device),
			      void *device, DeviceTimer *timer, GError **error)
{
	Machine *machine = opaque;
	HostTimer *host_timer =
		host_timer_new(clock == DEVICE_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC,
			       machine->context, &machine->device_lock, expired, device, error);

	if (!host_timer)
		return FALSE;
	*timer = host_timer_device(host_timer);
	return TRUE;
}

static gboolean on_make_signal(void *opaque, void (*received)(void *device), void *device,
			       DeviceSignal *signal, GError **error)
{
	Machine *machine = opaque;

	return host_signal_new(machine->context, &machine->device_lock, received, device, signal,
			       error);
}

static gboolean on_make_memory(void *opaque, DeviceMemory *memory, GError **error)
{
	Machine *machine = opaque;

	return dma_memory_new(machine->memory, memory, error);
}

static gboolean on_add_rom(void *opaque, guint64 gpa, guint8 *content, gsize size,
			   gboolean is_image, guint *rom, GError **error)
{
	Machine *machine = opaque;

	return memory_add_rom(machine->memory, gpa, content, size, is_image, rom, error);
}

/* A failure ends the memory engine here, too. */
static void on_show_rom(void *opaque, guint rom, gboolean is_shown)
{
	Machine *machine = opaque;

	(void)memory_show_rom(machine->memory, rom, is_shown, NULL);
}

/* On a vCPU's thread: to take a device away is the main thread's. */
static void on_slot_changed(void *opaque)
{
	Machine *machine = opaque;

	g_source_set_ready_time(machine->slot_changes, 0);
}

static const DeviceHost device_host = {
	.make_timer = on_make_timer,
	.make_signal = on_make_signal,
	.make_memory = on_make_memory,
	.add_rom = on_add_rom,
	.show_rom = on_show_rom,
	.set_interrupt = on_set_interrupt,
	.send_msi = on_send_msi,
	.set_ram_segments = on_set_ram_segments,
	.slot_changed = on_slot_changed,
	.reset = on_guest_reset,
	.power_off = on_guest_power_off,
	.debug_exit = on_debug_exit,
	.panicked = on_panicked,
	.watchdog_expired = on_watchdog_expired,
	.disk_failed = on_disk_failed,
	.balloon_changed = on_balloon_changed,
	.port_changed = on_port_changed,
	.tray_moved = on_tray_moved,
};

static int on_open_message(void *opaque, guint *number, GError **error)
{
	Machine *machine = opaque;

	return kvm_irqfds_add(machine->irqfds, number, error);
}

static void on_aim_message(void *opaque, guint number, guint64 address, guint32 data)
{
	Machine *machine = opaque;

	kvm_irqfds_aim(machine->irqfds, number, address, data);
}

static void on_close_message(void *opaque, guint number)
{
	Machine *machine = opaque;

	kvm_irqfds_remove(machine->irqfds, number);
}

static gboolean on_watch_doorbell(void *opaque, guint64 gpa, int fd)
{
	Machine *machine = opaque;

	return kvm_ioeventfd_add(machine->vm, gpa, fd);
}

static void on_unwatch_doorbell(void *opaque, guint64 gpa, int fd)
{
	Machine *machine = opaque;

	kvm_ioeventfd_remove(machine->vm, gpa, fd);
}

/*
 * Under a policy that lets touches wait there are no doorbells: KVM would let who adds one wait
 * for them, with the device lock.
 */
static void connect_devices(Machine *machine)
{
	machine->irqfds = kvm_irqfds_new(machine->vm);
	machine->devices.messages = (DeviceMessages){ on_open_message, on_aim_message,
						      on_close_message, machine };
	machine->doorbells = (DeviceDoorbells){ on_watch_doorbell, on_unwatch_doorbell, machine };
	if (memory_policy(machine->memory) == MEMORY_POLICY_ON_DEMAND)
		machine->devices.doorbells = &machine->doorbells;
}

/* Under the memory engine's lock: post, and no more. */
static void on_host_touch(void *opaque, const HostTouch *touch)
{
	Machine *machine = opaque;

	request_queue_post_host_touch(machine->requests, touch);
}

static void on_memory_failed(void *opaque, const GError *error)
{
	Machine *machine = opaque;

	request_queue_post_failure(machine->requests, error);
}

static const MemoryListener memory_listener = {
	.host_touch = on_host_touch,
	.failed = on_memory_failed,
};

static void on_port(void *opaque, gboolean is_write, guint16 port, guint size, guint count,
		    guint8 *data)
{
	Machine *machine = opaque;
	Bus *ports = machine->devices.ports;

	g_mutex_lock(&machine->device_lock);
	for (guint i = 0; i < count; i++, data += size) {
		guint64 value = 0;

		if (is_write) {
			memcpy(&value, data, size);
			bus_write(ports, port, size, value);
		} else {
			value = bus_read(ports, port, size);
			memcpy(data, &value, size);
		}
	}
	g_mutex_unlock(&machine->device_lock);
}

static void on_mmio(void *opaque, gboolean is_write, guint64 gpa, guint size, guint8 *data)
{
	Machine *machine = opaque;
	Bus *mmio = machine->devices.mmio;
	guint64 value = 0;

	g_mutex_lock(&machine->device_lock);
	if (is_write) {
		memcpy(&value, data, size);
		bus_write(mmio, gpa, size, value);
	} else {
		value = bus_read(mmio, gpa, size);
		memcpy(data, &value, size);
	}
	g_mutex_unlock(&machine->device_lock);
}

/* A PC's chipset answers a processor's shutdown cycle with a reset. */
static void on_vcpu_shutdown(void *opaque, guint index)
{
	Machine *machine = opaque;

	log_limited(&machine->triple_faults, "machine",
		    _("vCPU %u shut down (triple fault): reset"), index);
	on_guest_reset(machine);
}

static void on_vcpu_failed(void *opaque, guint index, const GError *error)
{
	Machine *machine = opaque;

	(void)index;
	request_queue_post_failure(machine->requests, error);
}

static void on_vcpu_no_memory(void *opaque, guint index, const GError *error)
{
	Machine *machine = opaque;

	(void)index;
	request_queue_post_no_memory(machine->requests, error);
}

static const VcpuHandlers vcpu_handlers = {
	.port = on_port,
	.mmio = on_mmio,
	.shutdown = on_vcpu_shutdown,
	.failed = on_vcpu_failed,
	.no_memory = on_vcpu_no_memory,
};

/* Devices pause while the guest does not run, once each time. */
static void pause_devices(Machine *machine)
{
	if (machine->are_devices_paused)
		return;
	machine->are_devices_paused = TRUE;
	device_registry_pause(machine->devices.registry);
}

static void resume_devices(Machine *machine)
{
	if (!machine->are_devices_paused)
		return;
	machine->are_devices_paused = FALSE;
	device_registry_resume(machine->devices.registry);
}

/*
 * Opens the gates, unless something was posted that closed them: then serve_requests() has
 * yet to decide. Whoever posts after the look closes the gates after it, too.
 */
static void resume_vcpus(Machine *machine)
{
	resume_devices(machine);
	vcpu_set_resume(machine->vcpus);
	if (!request_queue_is_empty(machine->requests))
		vcpu_set_request_pause(machine->vcpus);
}

static void stop_in_state(Machine *machine, RunState state)
{
	gboolean was_running = machine->state == RUN_STATE_RUNNING;

	vcpu_set_pause(machine->vcpus);
	pause_devices(machine);
	machine->state = state;
	if (was_running)
		emit_type(machine, MACHINE_EVENT_STOP);
}

static void end(Machine *machine, int exit_status)
{
	vcpu_set_pause(machine->vcpus);
	pause_devices(machine);
	machine->has_ended = TRUE;
	machine->exit_status = exit_status;
	if (machine->loop)
		g_main_loop_quit(machine->loop);
}

static void fail(Machine *machine, const char *message)
{
	const MachineEvent event = { .type = MACHINE_EVENT_INTERNAL_ERROR, .message = message };

	log_error("machine", "%s", message);
	machine->exit_status = 1;
	stop_in_state(machine, RUN_STATE_INTERNAL_ERROR);
	emit(machine, &event);
}

static void guest_shutdown(Machine *machine, const char *reason)
{
	const MachineEvent event = {
		.type = MACHINE_EVENT_SHUTDOWN,
		.guest = TRUE,
		.reason = reason,
	};

	emit(machine, &event);
	if (machine->keep_after_shutdown)
		stop_in_state(machine, RUN_STATE_SHUTDOWN);
	else
		end(machine, 0);
}

static void guest_reset(Machine *machine)
{
	/* A reset that fails has said so, and has left the machine in RUN_STATE_INTERNAL_ERROR. */
	if (machine->on_reboot == MACHINE_ACTION_SHUTDOWN)
		guest_shutdown(machine, "guest-reset");
	else
		machine_reset(machine, TRUE, NULL);
}

/* To the first processor, as the chipset does where Linux has it listen to it. */
static void inject_nmi(Machine *machine)
{
	kvm_vm_send_msi(machine->vm,
			MSI_ADDRESS | cpu_topology_apic_id(&machine->cpu_topology, 0) << 12,
			MSI_DATA_NMI);
}

/* Return: what the guest would have had to ask for, as RequestType bits. */
static guint do_watchdog_action(Machine *machine, WatchdogAction action)
{
	const MachineEvent event = {
		.type = MACHINE_EVENT_WATCHDOG,
		.action = watchdog_action_names[action],
	};

	emit(machine, &event);
	switch (action) {
	case WATCHDOG_RESET:
		return REQUEST_RESET;
	case WATCHDOG_POWEROFF:
		return REQUEST_POWER_OFF;
	case WATCHDOG_SHUTDOWN:
		(void)machine_power_down(machine, NULL);
		break;
	case WATCHDOG_PAUSE:
		if (machine->state == RUN_STATE_RUNNING)
			stop_in_state(machine, RUN_STATE_WATCHDOG);
		break;
	case WATCHDOG_INJECT_NMI:
		inject_nmi(machine);
		break;
	default:
		break;
	}
	return 0;
}

static guint do_watchdog_actions(Machine *machine, guint actions)
{
	guint requests = 0;

	for (guint action = 0; action < WATCHDOG_N_ACTIONS; action++)
		if (actions & 1u << action)
			requests |= do_watchdog_action(machine, (WatchdogAction)action);
	return requests;
}

/*
 * As with QEMU, a machine that is kept is not off, so that it can be looked at. One that has to be
 * reset before it can run stays so, whatever its guest has said last.
 */
static void guest_panicked(Machine *machine)
{
	const MachineEvent event = {
		.type = MACHINE_EVENT_PANICKED,
		.action = machine->keep_after_shutdown ? "pause" : "poweroff",
	};

	if (machine->state == RUN_STATE_SHUTDOWN || machine->state == RUN_STATE_INTERNAL_ERROR)
		return;
	emit(machine, &event);
	if (machine->keep_after_shutdown)
		stop_in_state(machine, RUN_STATE_GUEST_PANICKED);
	else
		guest_shutdown(machine, "guest-panic");
}

static void report_touches(Machine *machine, const GArray *touches)
{
	for (guint i = 0; i < touches->len; i++) {
		const MachineEvent event = {
			.type = MACHINE_EVENT_HOST_TOUCH,
			.touch = &g_array_index(touches, HostTouch, i),
		};

		emit(machine, &event);
	}
	if (machine->state == RUN_STATE_RUNNING)
		stop_in_state(machine, RUN_STATE_PAUSED);
}

/* Where several disks stop the machine, the first one has. */
static void report_disk_errors(Machine *machine, const GArray *errors)
{
	gboolean stops = FALSE;

	for (guint i = 0; i < errors->len; i++) {
		const DiskError *error = &g_array_index(errors, DiskError, i);
		const MachineEvent event = {
			.type = MACHINE_EVENT_DISK_ERROR,
			.disk_error = error,
		};

		emit(machine, &event);
		stops = stops || error->action == DISK_ERROR_STOP;
	}
	if (stops && machine->state == RUN_STATE_RUNNING)
		stop_in_state(machine, RUN_STATE_IO_ERROR);
}

/* Who let it go on tries once more; so there is one of these each time. */
static void report_shortage(Machine *machine, const char *message)
{
	const MachineEvent event = { .type = MACHINE_EVENT_NO_MEMORY, .message = message };

	if (machine->state != RUN_STATE_RUNNING)
		return;
	emit(machine, &event);
	stop_in_state(machine, RUN_STATE_PAUSED);
}

/* Serves everything that was posted, what ends the machine first. */
static void serve_requests(void *opaque)
{
	Machine *machine = opaque;
	g_auto(Requests) requests = { 0 };

	request_queue_take(machine->requests, &requests);
	if (machine->has_ended)
		return;
	if (requests.types & REQUEST_FAILURE) {
		fail(machine, requests.failure);
		return;
	}
	if (requests.types & REQUEST_DEBUG_EXIT) {
		const MachineEvent event = {
			.type = MACHINE_EVENT_SHUTDOWN,
			.guest = TRUE,
			.reason = "guest-shutdown",
		};

		emit(machine, &event);
		end(machine, (int)(requests.exit_value << 1 | 1));
		return;
	}
	if (requests.types & REQUEST_HOST_TOUCH)
		report_touches(machine, requests.touches);
	if (requests.types & REQUEST_DISK_ERROR)
		report_disk_errors(machine, requests.disk_errors);
	if (requests.types & REQUEST_NO_MEMORY)
		report_shortage(machine, requests.shortage);
	if (requests.types & REQUEST_WATCHDOG)
		requests.types |= do_watchdog_actions(machine, requests.watchdogs);
	if (requests.types & REQUEST_CRASH_LOADED)
		emit_type(machine, MACHINE_EVENT_CRASH_LOADED);
	if (requests.types & REQUEST_PANIC)
		guest_panicked(machine);
	else if (requests.types & REQUEST_POWER_OFF)
		guest_shutdown(machine, "guest-shutdown");
	else if (requests.types & REQUEST_RESET)
		guest_reset(machine);
	/* Who posted closed the gates; nothing above left them closed for good. */
	if (!machine->has_ended && machine->state == RUN_STATE_RUNNING)
		resume_vcpus(machine);
}

/* RAM that the guest's processors cannot address would be there for nobody. */
static gboolean check_addresses(KvmVm *vm, guint64 memory_size, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_supported(vm, error);
	guint64 end = memory_high_end_of(memory_size);
	guint bits;

	if (!cpuid)
		return FALSE;
	bits = cpuid_physical_bits(cpuid);
	/* Without RAM above 4 GiB nothing is there. */
	if (end == MEMORY_HIGH_BASE || bits >= 64 || end <= 1ull << bits)
		return TRUE;
	g_set_error(
		error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		_("%" PRIu64 " MiB of guest RAM end at address %#" PRIx64
		  ": this host's processors have guests use %u bits of address, up to %#" PRIx64),
		memory_size >> 20, end, bits, (guint64)1 << bits);
	return FALSE;
}

static gboolean make_core(Machine *machine, const MachineConfig *config, GError **error)
{
	const MemoryConfig memory = {
		.size = config->memory_size,
		.policy = config->policy,
		.userfaultfd_device = config->userfaultfd_device,
		.reclaim_seconds = config->reclaim_seconds,
		.pagemap_fd = config->pagemap_fd,
		.topology = config->cpu.topology,
		.vcpus = config->vcpus,
		.windows_max = config->windows_max,
		.task_folder = config->task_folder,
		.listener = &memory_listener,
		.opaque = machine,
	};
	const VcpuConfig vcpus = {
		.count = config->vcpus,
		.cpu = &config->cpu,
		.handlers = &vcpu_handlers,
		.opaque = machine,
	};

	machine->vm = kvm_vm_new(config->kvm_fd, config->memory_kind, error);
	if (!machine->vm || !kvm_vm_create_interrupt_controllers(machine->vm, error))
		return FALSE;
	if (config->discard_pit_ticks && !kvm_vm_discard_pit_ticks(machine->vm, error))
		return FALSE;
	if (config->cpu.no_pmu && !kvm_vm_disable_pmu(machine->vm, error))
		return FALSE;
	if (config->tsc_khz && !kvm_vm_set_tsc_frequency(machine->vm, config->tsc_khz, error))
		return FALSE;
	if (!vcpu_check_limits(machine->vm, &vcpus, error) ||
	    !check_addresses(machine->vm, config->memory_size, error))
		return FALSE;
	machine->vcpus = vcpu_set_new(machine->vm, &vcpus, error);
	if (!machine->vcpus)
		return FALSE;
	machine->memory = memory_new(machine->vm, &memory, error);
	return machine->memory && vcpu_set_start(machine->vcpus, machine->memory, error);
}

/* The other end of a line; one without is not there. */
static gboolean make_console(Machine *machine, const char *area, int fd, int input_fd, int log_fd,
			     ChipsetLine *line, GError **error)
{
	line->opaque = console_create(machine->devices.registry, area, fd, input_fd, log_fd,
				      machine->context, &machine->device_lock, error);
	line->backend = line->opaque ? &console_serial_backend : NULL;
	return line->opaque != NULL;
}

/* As the options are called that say where they go. */
static const char *const serial_areas[MACHINE_SERIALS] = { "console", "serial2" };
#define DEBUG_CONSOLE_AREA "debug-console"

static gboolean make_consoles(Machine *machine, const MachineConfig *config, ChipsetConfig *chipset,
			      GError **error)
{
	for (guint i = 0; i < MACHINE_SERIALS; i++) {
		const MachineSerial *serial = &config->serials[i];

		if (serial->is_present &&
		    !make_console(machine, serial_areas[i], serial->fd, serial->input_fd,
				  serial->log_fd, &chipset->serials[i], error))
			return FALSE;
	}
	if (config->debug_console_fd < 0 && config->debug_console_log_fd < 0)
		return TRUE;
	return make_console(machine, DEBUG_CONSOLE_AREA, config->debug_console_fd, -1,
			    config->debug_console_log_fd, &chipset->debug_console, error);
}

/* With the device lock held. */
static void describe_acpi(void *opaque, AcpiConfig *acpi)
{
	Machine *machine = opaque;
	guint64 ecam_size;

	*acpi = machine->acpi.config;
	chipset_find_ecam(machine->chipset, &acpi->ecam_base, &ecam_size);
	acpi->ecam_buses = ecam_size / PCI_ECAM_BUS_SIZE;
}

static gboolean make_firmware(Machine *machine, const MachineConfig *config, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new(machine->vm, &config->cpu, 0, error);
	FirmwareConfig firmware = {
		.machine = config,
		.surroundings = &machine->devices,
		.memory = machine->memory,
		.boot_order = machine->boot_order,
		.board = &machine->board,
		.describe_acpi = describe_acpi,
		.opaque = machine,
	};

	if (!cpuid)
		return FALSE;
	firmware.processor_id = cpuid_processor_id(cpuid);
	machine->has_firmware = TRUE;
	return firmware_create(&firmware, error);
}

static DeviceShop make_shop(Machine *machine)
{
	return (DeviceShop){
		.surroundings = &machine->devices,
		.descriptors = machine->descriptors,
		.memory = machine->memory,
		.boot_order = machine->boot_order,
	};
}

/* With the device lock held, as when a device comes later. */
static gboolean make_devices(Machine *machine, const MachineConfig *config, GError **error)
{
	ChipsetConfig chipset = {
		.rtc = {
			.offset = config->rtc_offset,
			.tick_policy = config->rtc_tick_policy,
			.ram_low_end = memory_low_end(machine->memory),
			.ram_high_end = memory_high_end(machine->memory),
		},
		.has_hpet = config->hpet,
		.debug_exit_port = config->debug_exit_port,
	};
	const DeviceShop shop = make_shop(machine);
	gboolean is_made;

	device_surroundings_init(&machine->devices, &device_host, machine);
	connect_devices(machine);
	if (!make_consoles(machine, config, &chipset, error))
		return FALSE;
	machine->chipset = chipset_new(&machine->devices, &chipset, error);
	machine->board.has_fw_cfg = firmware_is_configured(config);
	machine->devices.board = &machine->board;
	is_made = machine->chipset && devices_create_all(&shop, config->devices, error);
	machine->devices.board = NULL;
	return is_made &&
	       acpi_description_init(&machine->acpi, config, machine->memory, machine->vm,
				     &machine->board, error) &&
	       (!firmware_is_configured(config) || make_firmware(machine, config, error));
}

/* The tables that a machine without firmware finds in memory. */
static void make_acpi_tables(Machine *machine)
{
	g_autoptr(AcpiImage) image = NULL;
	AcpiConfig acpi;

	describe_acpi(machine, &acpi);
	image = acpi_tables_new(&acpi);
	machine->acpi_tables = acpi_image_link(image, BOOT_ACPI_GPA);
	machine->boot.acpi_tables = machine->acpi_tables;
}

/*
 * What the processors start with. Firmware is where they start anyway; without it, the
 * chipset is set up and a kernel or payload put into memory as firmware would.
 */
static gboolean boot(Machine *machine, GError **error)
{
	VcpuBootState state;

	if (machine->has_firmware)
		return memory_show_segments(machine->memory, machine->ram_segments, error);
	g_mutex_lock(&machine->device_lock);
	chipset_set_up(machine->chipset);
	if (!machine->acpi_tables)
		make_acpi_tables(machine);
	g_mutex_unlock(&machine->device_lock);
	return memory_show_segments(machine->memory, machine->ram_segments, error) &&
	       boot_populate(machine->memory, &machine->boot, &state, error) &&
	       vcpu_set_boot(machine->vcpus, &state, error);
}

/* Hot-plug */

/* @ids: of char * */
static void emit_devices(Machine *machine, MachineEventType type, const GPtrArray *ids)
{
	for (guint i = 0; i < ids->len; i++) {
		const MachineEvent event = { .type = type, .device = g_ptr_array_index(ids, i) };

		emit(machine, &event);
	}
}

static gboolean serve_slots(gpointer data)
{
	Machine *machine = data;
	g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
	const DeviceShop shop = make_shop(machine);

	g_mutex_lock(&machine->device_lock);
	hot_plug_serve(&shop, gone, kept);
	g_mutex_unlock(&machine->device_lock);
	emit_devices(machine, MACHINE_EVENT_DEVICE_DELETED, gone);
	emit_devices(machine, MACHINE_EVENT_DEVICE_KEPT, kept);
	return G_SOURCE_CONTINUE;
}

gboolean machine_add_device(Machine *machine, JsonObject *description, GError **error)
{
	const DeviceShop shop = make_shop(machine);
	gboolean is_made;

	g_mutex_lock(&machine->device_lock);
	is_made = devices_create(&shop, description, machine->state != RUN_STATE_PRELAUNCH, error);
	g_mutex_unlock(&machine->device_lock);
	if (is_made && machine->are_devices_paused)
		device_registry_pause_one(machine->devices.registry,
					  json_object_get_string_member(description, "id"));
	return is_made;
}

gboolean machine_remove_device(Machine *machine, const char *id, GError **error)
{
	g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
	const DeviceShop shop = make_shop(machine);
	gboolean is_asked;

	g_mutex_lock(&machine->device_lock);
	is_asked = hot_plug_ask(&shop, id, machine->state != RUN_STATE_PRELAUNCH, gone, error);
	g_mutex_unlock(&machine->device_lock);
	emit_devices(machine, MACHINE_EVENT_DEVICE_DELETED, gone);
	return is_asked;
}

void machine_foreach_device(Machine *machine,
			    void (*function)(const char *id, const char *type, void *opaque),
			    void *opaque)
{
	device_registry_foreach_named(machine->devices.registry, function, opaque);
}

typedef struct {
	const DeviceRegistry *registry;
	void (*function)(const char *id, const MachineDisk *disk, void *opaque);
	void *opaque;
} DiskWalk;

static void visit_virtio(const char *id, void *device, void *opaque)
{
	const DiskWalk *walk = opaque;
	const VirtioBlk *blk = virtio_pci_find(walk->registry, id, &virtio_blk_operations);
	const MachineDisk disk = { .backend = blk ? virtio_blk_backend(blk) : NULL };

	(void)device;
	if (blk)
		walk->function(id, &disk, walk->opaque);
}

static void visit_drive(const char *id, void *device, void *opaque)
{
	const DiskWalk *walk = opaque;
	AtaTray tray;
	const gboolean has_tray = ata_drive_look_at_tray(device, &tray);
	const MachineDisk disk = { ata_drive_backend(device), has_tray ? &tray : NULL };

	walk->function(id, &disk, walk->opaque);
}

void machine_foreach_disk(Machine *machine,
			  void (*function)(const char *id, const MachineDisk *disk, void *opaque),
			  void *opaque)
{
	DiskWalk walk = { machine->devices.registry, function, opaque };

	g_mutex_lock(&machine->device_lock);
	device_registry_foreach(walk.registry, &virtio_pci_device_operations, visit_virtio, &walk);
	device_registry_foreach(walk.registry, &ata_drive_device_operations, visit_drive, &walk);
	g_mutex_unlock(&machine->device_lock);
}

typedef struct {
	void (*function)(const char *label, gboolean is_open, void *opaque);
	void *opaque;
} ChardevWalk;

static void visit_port(const char *id, void *device, void *opaque)
{
	const ChardevWalk *walk = opaque;

	walk->function(id, virtio_port_is_guest_open(device), walk->opaque);
}

/* A line is there for the guest, whether it knows of it or not. */
void machine_foreach_chardev(Machine *machine,
			     void (*function)(const char *label, gboolean is_open, void *opaque),
			     void *opaque)
{
	const DeviceRegistry *registry = machine->devices.registry;
	ChardevWalk walk = { function, opaque };

	for (guint i = 0; i < MACHINE_SERIALS; i++) {
		g_autofree char *label = g_strdup_printf("serial%u", i);

		if (console_exists(registry, serial_areas[i]))
			function(label, TRUE, opaque);
	}
	if (console_exists(registry, DEBUG_CONSOLE_AREA))
		function(DEBUG_CONSOLE_AREA, TRUE, opaque);
	device_registry_foreach(registry, &virtio_port_device_operations, visit_port, &walk);
}

typedef struct {
	void (*function)(const char *id, pid_t thread, void *opaque);
	void *opaque;
} ThreadWalk;

static void visit_thread(const char *id, void *device, void *opaque)
{
	const ThreadWalk *walk = opaque;

	walk->function(id, io_thread_id(device), walk->opaque);
}

void machine_foreach_io_thread(Machine *machine,
			       void (*function)(const char *id, pid_t thread, void *opaque),
			       void *opaque)
{
	ThreadWalk walk = { function, opaque };

	device_registry_foreach(machine->devices.registry, &io_thread_device_operations,
				visit_thread, &walk);
}

gboolean machine_change_medium(Machine *machine, const char *id, JsonObject *blockdev,
			       gboolean may_force, GError **error)
{
	const DeviceShop shop = make_shop(machine);
	gboolean is_changed;

	g_mutex_lock(&machine->device_lock);
	is_changed = devices_change_medium(&shop, id, blockdev, may_force, error);
	g_mutex_unlock(&machine->device_lock);
	return is_changed;
}

/* A disk of either kind. */
typedef struct {
	VirtioBlk *blk;	  /* or NULL: */
	DiskQueue *drive; /* of a SATA disk */
} Disk;

/* With the device lock. */
static gboolean find_disk(const Machine *machine, const char *id, Disk *disk, GError **error)
{
	const DeviceRegistry *registry = machine->devices.registry;
	void *drive = device_registry_find(registry, id, &ata_drive_device_operations);

	*disk = (Disk){
		.blk = virtio_pci_find(registry, id, &virtio_blk_operations),
		.drive = drive ? ata_drive_disk_queue(drive) : NULL,
	};
	if (disk->blk || disk->drive)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no disk '%s'"), id);
	return FALSE;
}

gboolean machine_set_disk_limits(Machine *machine, const char *id, const ThrottleConfig *config,
				 GError **error)
{
	gboolean is_found;
	Disk disk;

	g_mutex_lock(&machine->device_lock);
	is_found = find_disk(machine, id, &disk, error);
	if (is_found && disk.blk)
		virtio_blk_set_limits(disk.blk, config);
	else if (is_found)
		disk_queue_set_limits(disk.drive, config);
	g_mutex_unlock(&machine->device_lock);
	return is_found;
}

/* Return: bytes. */
static guint64 poll_size(const Disk *disk)
{
	if (!disk->blk)
		return disk_queue_poll_size(disk->drive);
	virtio_blk_poll_size(disk->blk);
	return block_backend_limits(virtio_blk_backend(disk->blk))->size;
}

gboolean machine_resize_disk(Machine *machine, const char *id, guint64 size, GError **error)
{
	guint64 is = size;
	gboolean is_found;
	Disk disk;

	g_mutex_lock(&machine->device_lock);
	is_found = find_disk(machine, id, &disk, error);
	if (is_found)
		is = poll_size(&disk);
	g_mutex_unlock(&machine->device_lock);
	if (is != size)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("disk '%s' has an image of %" PRIu64 " bytes, not %" PRIu64), id, is,
			    size);
	return is_found && is == size;
}

gboolean machine_set_link(Machine *machine, const char *id, gboolean is_up, GError **error)
{
	VirtioNet *net;

	g_mutex_lock(&machine->device_lock);
	net = virtio_pci_find(machine->devices.registry, id, &virtio_net_operations);
	if (net)
		virtio_net_set_link(net, is_up);
	g_mutex_unlock(&machine->device_lock);
	if (net)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no network card '%s'"),
		    id);
	return FALSE;
}

VirtioBalloon *machine_balloon(Machine *machine)
{
	return virtio_balloon_find(machine->devices.registry);
}

VirtioInput *machine_input(Machine *machine, guint16 type, guint16 code)
{
	return virtio_input_find(machine->devices.registry, type, code);
}

DescriptorTable *machine_descriptors(Machine *machine)
{
	return machine->descriptors;
}

/*
 * With two-sided memory a thread that makes a courier's trips has to open what the courier's
 * watchdog reads, which it cannot do any more when the machine is set up: devices that come later
 * share a thread.
 */
static gboolean make_late_io_thread(Machine *machine, const MachineConfig *config, GError **error)
{
	if (kvm_vm_memory_kind(machine->vm) != KVM_MEMORY_TWO_SIDED || config->devices->len == 0)
		return TRUE;
	machine->devices.late_io_thread = io_thread_new("io-late", machine->memory, error);
	return machine->devices.late_io_thread != NULL;
}

Machine *machine_new(const MachineConfig *config, MachineListener listener, void *opaque,
		     GError **error)
{
	g_autoptr(Machine) machine = g_new0(Machine, 1);
	gboolean has_devices;

	machine->listener = listener;
	machine->opaque = opaque;
	machine->context = g_main_context_ref_thread_default();
	machine->requests = request_queue_new(machine->context, on_posting, serve_requests,
					      machine);
	g_mutex_init(&machine->device_lock);
	machine->on_reboot = config->on_reboot;
	machine->keep_after_shutdown = config->keep_after_shutdown;
	machine->cpu_topology = config->cpu.topology;
	machine->descriptors = config->descriptors;
	machine->boot_order = boot_order_new();
	machine->slot_changes = wake_source_new(machine->context, serve_slots, machine);

	if (config->vcpus < 1 || config->vcpus > VCPU_MAX) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    ngettext("%u vCPU: from 1 to %u are possible",
				     "%u vCPUs: from 1 to %u are possible", config->vcpus),
			    config->vcpus, VCPU_MAX);
		return NULL;
	}
	if (!make_core(machine, config, error))
		return NULL;
	g_mutex_lock(&machine->device_lock);
	has_devices = make_devices(machine, config, error);
	g_mutex_unlock(&machine->device_lock);
	if (!has_devices)
		return NULL;

	machine->command_line = g_strdup(config->command_line);
	machine->boot = (BootConfig){
		.kernel_fd = config->kernel_fd,
		.initrd_fd = config->initrd_fd,
		.payload_fd = config->payload_fd,
		.command_line = machine->command_line,
		.vcpus = config->vcpus,
	};
	if (!boot(machine, error))
		return NULL;
	if (!make_late_io_thread(machine, config, error))
		return NULL;
	kvm_vm_end_setup(machine->vm);
	return g_steal_pointer(&machine);
}

void machine_free(Machine *machine)
{
	if (!machine)
		return;
	/* First those who call into the rest, and who do so until they have ended. */
	vcpu_set_free(machine->vcpus);
	device_surroundings_clear(&machine->devices);
	g_clear_pointer(&machine->boot_order, boot_order_free);
	g_clear_pointer(&machine->devices.late_io_thread, io_thread_unref);
	g_clear_pointer(&machine->irqfds, kvm_irqfds_free);
	g_clear_pointer(&machine->chipset, chipset_free);
	acpi_description_clear(&machine->acpi);
	g_clear_pointer(&machine->memory, memory_free);
	g_clear_pointer(&machine->vm, kvm_vm_free);
	g_clear_pointer(&machine->acpi_tables, g_byte_array_unref);
	g_free(machine->command_line);
	g_mutex_clear(&machine->device_lock);
	g_source_destroy(machine->slot_changes);
	g_source_unref(machine->slot_changes);
	request_queue_free(machine->requests);
	g_main_context_unref(machine->context);
	g_free(machine);
}

RunState machine_run_state(const Machine *machine)
{
	return machine->state;
}

Memory *machine_memory(Machine *machine)
{
	return machine->memory;
}

VcpuSet *machine_vcpus(Machine *machine)
{
	return machine->vcpus;
}

const CpuTopology *machine_cpu_topology(const Machine *machine)
{
	return &machine->cpu_topology;
}

gboolean machine_pause(Machine *machine, GError **error)
{
	(void)error;
	if (machine->state == RUN_STATE_RUNNING)
		stop_in_state(machine, RUN_STATE_PAUSED);
	return TRUE;
}

static void forget_failure(const char *id, const MachineDisk *disk, void *opaque)
{
	(void)id;
	(void)opaque;
	if (disk->backend)
		block_backend_note_failure(disk->backend, 0);
}

gboolean machine_resume(Machine *machine, GError **error)
{
	switch (machine->state) {
	case RUN_STATE_RUNNING:
		return TRUE;
	case RUN_STATE_PRELAUNCH:
	case RUN_STATE_PAUSED:
	case RUN_STATE_IO_ERROR:
	case RUN_STATE_WATCHDOG:
	case RUN_STATE_GUEST_PANICKED:
		break;
	case RUN_STATE_SHUTDOWN:
	case RUN_STATE_INTERNAL_ERROR:
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("a machine in state %s has to be reset before it can run"),
			    run_state_name(machine->state));
		return FALSE;
	}
	/* What has failed is tried again, and may fail again. */
	machine_foreach_disk(machine, forget_failure, NULL);
	machine->state = RUN_STATE_RUNNING;
	emit_type(machine, MACHINE_EVENT_RESUME);
	resume_vcpus(machine);
	return TRUE;
}

static void reset_devices(Machine *machine)
{
	g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
	const DeviceShop shop = make_shop(machine);

	g_mutex_lock(&machine->device_lock);
	hot_plug_finish(&shop, gone);
	device_registry_reset(machine->devices.registry);
	g_mutex_unlock(&machine->device_lock);
	emit_devices(machine, MACHINE_EVENT_DEVICE_DELETED, gone);
}

/*
 * A vCPU whose touch waits is inside KVM_RUN, where its registers cannot be set and while no
 * memslot can change. Devices before interrupt controllers: they let go of their lines, so
 * that the controllers do not find one asserted when they come up again.
 */
static gboolean reset_everything(Machine *machine, GError **error)
{
	vcpu_set_begin_reset(machine->vcpus);
	if (!memory_release_touches(machine->memory, error))
		return FALSE;
	reset_devices(machine);
	return kvm_vm_reset_interrupt_controllers(machine->vm, error) &&
	       vcpu_set_reset(machine->vcpus, error) && memory_discard(machine->memory, error) &&
	       boot(machine, error);
}

gboolean machine_reset(Machine *machine, gboolean guest, GError **error)
{
	const MachineEvent event = {
		.type = MACHINE_EVENT_RESET,
		.guest = guest,
		.reason = guest ? "guest-reset" : "host-qmp-system-reset",
	};
	g_autoptr(GError) cause = NULL;

	vcpu_set_pause(machine->vcpus);
	if (!reset_everything(machine, &cause)) {
		g_autofree char *message = g_strdup_printf(_("reset: %s"), cause->message);

		fail(machine, message);
		g_set_error_literal(error, cause->domain, cause->code, message);
		return FALSE;
	}
	machine_foreach_disk(machine, forget_failure, NULL);
	machine->exit_status = 0;
	emit(machine, &event);
	if (machine->state == RUN_STATE_RUNNING)
		resume_vcpus(machine);
	else
		machine->state = RUN_STATE_PRELAUNCH;
	return TRUE;
}

gboolean machine_power_down(Machine *machine, GError **error)
{
	(void)error;
	g_mutex_lock(&machine->device_lock);
	chipset_press_power_button(machine->chipset);
	g_mutex_unlock(&machine->device_lock);
	emit_type(machine, MACHINE_EVENT_POWERDOWN);
	return TRUE;
}

int machine_run(Machine *machine)
{
	if (!machine->has_ended) {
		machine->loop = g_main_loop_new(machine->context, FALSE);
		g_main_loop_run(machine->loop);
		g_clear_pointer(&machine->loop, g_main_loop_unref);
	}
	return machine->exit_status;
}

void machine_quit(Machine *machine, const char *reason)
{
	const MachineEvent event = { .type = MACHINE_EVENT_SHUTDOWN, .reason = reason };

	if (machine->has_ended)
		return;
	emit(machine, &event);
	end(machine, machine->exit_status);
}
