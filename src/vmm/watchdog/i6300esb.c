/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i6300esb.c - the watchdog of Intel's 6300ESB, a PCI function
 *
 * Theory of operation
 *
 * Two stages, each with a number of ticks of its own. When the first is over, the chip may raise
 * an interrupt of its own I/O APIC, which no machine here has, so that only its status says so;
 * then the second begins. When that is over the machine is told, if the guest lets it be, and the
 * watchdog is as after a reset, but for the bit that says it was over. In its other mode it is a
 * timer, which begins anew each time.
 *
 * What it counts is written to memory after two certain values, so that a guest that has gone mad
 * does not by chance. A stage takes a millisecond at least, whatever a guest has it count: a timer
 * that is always over would keep the host busy.
 */
#include "vmm/watchdog/i6300esb.h"

#include "vmm/pci/pci-bus.h"
#include "vmm/pci/pci-function.h"
#include "vmm/watchdog/countdown.h"
#include "vmm/watchdog/watchdog.h"

#define I6300ESB_DEVICE 0x25ab
#define I6300ESB_CLASS	0x088000
#define BAR_SIZE	16

/* Registers in configuration space. */
enum {
	CONFIG = 0x60,
	CONFIG_NO_INTERRUPT = 3 << 0,
	CONFIG_FAST = 1 << 2, /* ticks are 1 MHz, else 1 kHz */
	CONFIG_NO_ACTION = 1 << 5,
	CONFIG_WRITABLE = CONFIG_NO_INTERRUPT | CONFIG_FAST | CONFIG_NO_ACTION,

	LOCK = 0x68,
	LOCK_LOCKED = 1 << 0, /* until a reset */
	LOCK_ENABLED = 1 << 1,
	LOCK_FREE_RUNNING = 1 << 2,
	LOCK_WRITABLE = LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING,
};

/* Registers in memory. */
enum {
	PRELOAD_1 = 0x00,
	PRELOAD_2 = 0x04,
	INTERRUPT = 0x08,
	INTERRUPT_ACTIVE = 1 << 0,
	RELOAD = 0x0c,
	RELOAD_PING = 1 << 8,
	RELOAD_TIMEOUT = 1 << 9, /* it was over; stays at a reset */
};

#define PRELOAD_MAX   0xfffffu
#define UNLOCK_FIRST  0x80
#define UNLOCK_SECOND 0x86
#define NS_PER_CYCLE  30 /* of PCI's 33 MHz */
#define SLOW_CYCLES   (1 << 15)
#define FAST_CYCLES   (1 << 5)
#define STAGE_MINIMUM G_GINT64_CONSTANT(1000000)

typedef enum {
	PROTECTED,
	HALF_OPEN, /* the first of the two values was written */
	OPEN,	   /* both: the next write counts */
} Protection;

typedef struct {
	PciFunction *function;
	Countdown countdown;
	guint action; /* WatchdogAction */
	void (*expired)(void *opaque, guint action);
	void *opaque;

	guint32 preloads[2];
	guint stage; /* 0 or 1 */
	Protection protection;
	gboolean is_enabled;
	gboolean is_interrupt_active;
	gboolean was_over;
} I6300esb;

static guint config_of(const I6300esb *esb)
{
	return pci_function_get(esb->function, CONFIG, 2);
}

static void start_stage(I6300esb *esb, guint stage)
{
	const gint64 cycles = config_of(esb) & CONFIG_FAST ? FAST_CYCLES : SLOW_CYCLES;

	esb->stage = stage;
	countdown_start(&esb->countdown,
			MAX(esb->preloads[stage] * cycles * NS_PER_CYCLE, STAGE_MINIMUM));
}

/* As after a reset, but for what the guest is to find then. */
static void reset_timer(I6300esb *esb)
{
	esb->preloads[0] = PRELOAD_MAX;
	esb->preloads[1] = PRELOAD_MAX;
	esb->stage = 0;
	esb->protection = PROTECTED;
	esb->is_enabled = FALSE;
	esb->is_interrupt_active = FALSE;
	countdown_stop(&esb->countdown);
	pci_function_set_writable(esb->function, LOCK, 1, LOCK_WRITABLE);
}

static void end_first_stage(I6300esb *esb)
{
	if (!(config_of(esb) & CONFIG_NO_INTERRUPT))
		esb->is_interrupt_active = TRUE;
	start_stage(esb, 1);
}

static void end_second_stage(I6300esb *esb)
{
	if (pci_function_get(esb->function, LOCK, 1) & LOCK_FREE_RUNNING) {
		start_stage(esb, 0);
		return;
	}
	esb->was_over = TRUE;
	if (!(config_of(esb) & CONFIG_NO_ACTION))
		esb->expired(esb->opaque, esb->action);
	reset_timer(esb);
	pci_function_change(esb->function, CONFIG, 2, CONFIG_WRITABLE, 0);
	pci_function_change(esb->function, LOCK, 1, LOCK_WRITABLE, 0);
}

static void on_expired(void *device)
{
	I6300esb *esb = device;

	if (!countdown_take(&esb->countdown))
		return;
	if (esb->stage == 0)
		end_first_stage(esb);
	else
		end_second_stage(esb);
}

/* Configuration space */

static void config_written(void *device, guint offset, guint size)
{
	I6300esb *esb = device;
	const gboolean was_enabled = esb->is_enabled;
	guint lock;

	if (!pci_overlaps(offset, size, LOCK, 1))
		return;
	lock = pci_function_get(esb->function, LOCK, 1);
	esb->is_enabled = !!(lock & LOCK_ENABLED);
	if (lock & LOCK_LOCKED)
		pci_function_set_writable(esb->function, LOCK, 1, 0);
	if (esb->is_enabled && !was_enabled)
		start_stage(esb, 0);
	else if (!esb->is_enabled)
		countdown_stop(&esb->countdown);
}

static void reset(void *device)
{
	reset_timer(device);
}

static void free_function(void *device)
{
	I6300esb *esb = device;

	countdown_clear(&esb->countdown);
	g_free(esb);
}

static const PciFunctionOperations function_operations = {
	.config_written = config_written,
	.reset = reset,
	.free = free_function,
};

/* Memory */

static guint32 read_register(const I6300esb *esb, guint offset)
{
	switch (offset) {
	case PRELOAD_1:
	case PRELOAD_2:
		return esb->preloads[offset / 4];
	case INTERRUPT:
		return esb->is_interrupt_active ? INTERRUPT_ACTIVE : 0;
	default:
		return esb->was_over ? RELOAD_TIMEOUT : 0;
	}
}

static guint64 bar_read(void *device, guint64 offset, guint size)
{
	const guint32 value = read_register(device, offset & ~3ull) >> (offset & 3) * 8;

	return size < 4 ? value & ((1u << size * 8) - 1) : value;
}

static void write_reload(I6300esb *esb, guint32 value)
{
	if (value & RELOAD_TIMEOUT)
		esb->was_over = FALSE;
	if (value & RELOAD_PING && esb->is_enabled)
		start_stage(esb, 0);
}

/* The two values are ones that mean nothing else. */
static gboolean unlock(I6300esb *esb, guint32 value)
{
	if (value == UNLOCK_FIRST)
		esb->protection = HALF_OPEN;
	else if (value == UNLOCK_SECOND && esb->protection == HALF_OPEN)
		esb->protection = OPEN;
	else
		return FALSE;
	return TRUE;
}

/* Registers are written as a whole; of the last, its lower half is enough. */
static void bar_write(void *device, guint64 offset, guint size, guint64 value)
{
	I6300esb *esb = device;

	if (offset == INTERRUPT && value & INTERRUPT_ACTIVE)
		esb->is_interrupt_active = FALSE;
	if (offset == INTERRUPT || (offset == RELOAD && unlock(esb, (guint32)value)))
		return;
	if (esb->protection == OPEN && offset == RELOAD && size >= 2)
		write_reload(esb, (guint32)value);
	else if (esb->protection == OPEN && size == 4 && offset <= PRELOAD_2)
		esb->preloads[offset / 4] = (guint32)value & PRELOAD_MAX;
	esb->protection = PROTECTED;
}

static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 4,
};

/* The machine's record */

static void pause_device(void *device)
{
	countdown_pause(&((I6300esb *)device)->countdown);
}

static void resume_device(void *device)
{
	countdown_resume(&((I6300esb *)device)->countdown);
}

static void free_device(void *device)
{
	pci_bus_remove(((I6300esb *)device)->function);
}

static const DeviceOperations device_operations = {
	.pause = pause_device,
	.resume = resume_device,
	.free = free_device,
};

/* The description */

typedef struct {
	guint action;
} I6300esbDescription;

static const JsonField fields[] = {
	{ .name = "action",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(I6300esbDescription, action),
	  .value = WATCHDOG_RESET,
	  .choices = watchdog_action_names },
	{ .name = NULL },
};

static void make_function(I6300esb *esb, const DeviceContext *context)
{
	const PciFunctionConfig config = {
		.name = "i6300esb",
		.vendor = PCI_VENDOR_INTEL,
		.device = I6300ESB_DEVICE,
		.subsystem_vendor = PCI_SUBSYSTEM_VENDOR,
		.subsystem_device = PCI_SUBSYSTEM_DEVICE,
		.class_code = I6300ESB_CLASS,
		.is_multifunction = context->is_multifunction,
		.operations = &function_operations,
		.opaque = esb,
	};

	esb->function = pci_function_new(&config);
	pci_function_set_register(esb->function, CONFIG, 2, 0, CONFIG_WRITABLE, 0);
	pci_function_set_register(esb->function, LOCK, 1, 0, LOCK_WRITABLE, 0);
	pci_function_add_bar(esb->function, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, BAR_SIZE,
			     &bar_operations, esb);
	pci_bus_add(context->bus, context->slot, context->function, esb->function);
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const I6300esbDescription *description = opaque;
	const DeviceSurroundings *surroundings = context->surroundings;
	I6300esb *esb = g_new0(I6300esb, 1);

	if (!countdown_init(&esb->countdown, surroundings, on_expired, esb, error)) {
		g_free(esb);
		return FALSE;
	}
	esb->action = description->action;
	esb->expired = surroundings->host->watchdog_expired;
	esb->opaque = surroundings->opaque;
	make_function(esb, context);
	reset_timer(esb);
	device_registry_add(surroundings->registry, context->id, &device_operations, esb);
	return TRUE;
}

const DeviceType i6300esb_type = {
	.name = "i6300esb",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(I6300esbDescription),
	.create = create,
};
