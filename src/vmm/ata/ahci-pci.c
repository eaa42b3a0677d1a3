/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci-pci.c - the SATA controller of the ICH9 in AHCI mode, as it is described
 *
 * Interrupts come from I/O threads: as a message at once, or else the main thread is asked to look
 * at the INTx line, which is the device lock's.
 */
#include "vmm/ata/ahci-pci.h"

#include "vmm/device/io-thread-type.h"
#include "vmm/pci/msi.h"
#include "vmm/pci/pci-bus.h"

enum {
	DEVICE = 0x2922,
	REVISION = 2,
	CLASS_AHCI = 0x010601,
	REGISTERS_BAR = 5,

	/* The address map register: ports 0 to 5 by AHCI. */
	MAP = 0x90,
	MAP_AHCI = 1 << 6,
};

struct AhciPci {
	char *id;
	Ahci *ahci;
	PciFunction *function;
	PciMsi *msi;
	DeviceSignal intx; /* the line may have changed */
	IoThread *thread;  /* of drives that name none; or NULL */
	gboolean is_finished;
};

/* With the device lock held. */
static void update_intx(void *opaque)
{
	AhciPci *pci = opaque;

	pci_function_set_intx(pci->function,
			      ahci_is_interrupting(pci->ahci) && !pci_msi_is_enabled(pci->msi));
}

static void on_interrupt(void *opaque)
{
	AhciPci *pci = opaque;

	if (!pci_msi_send(pci->msi))
		device_signal_send(&pci->intx);
}

static guint64 bar_read(void *opaque, guint64 offset, guint size)
{
	return ahci_read(((AhciPci *)opaque)->ahci, offset, size);
}

static void bar_write(void *opaque, guint64 offset, guint size, guint64 value)
{
	AhciPci *pci = opaque;

	ahci_write(pci->ahci, offset, size, value);
	update_intx(pci);
}

static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 4,
};

static void function_config_written(void *opaque, guint offset, guint size)
{
	AhciPci *pci = opaque;
	const guint command = pci_function_get(pci->function, PCI_COMMAND, 2);

	(void)offset;
	(void)size;
	pci_msi_config_written(pci->msi);
	ahci_set_master(pci->ahci, (command & PCI_COMMAND_MASTER) != 0);
	update_intx(pci);
}

static void function_reset(void *opaque)
{
	AhciPci *pci = opaque;

	pci_msi_config_written(pci->msi);
	ahci_set_master(pci->ahci, FALSE);
	ahci_reset(pci->ahci);
	update_intx(pci);
}

/* What there is of it; the function goes by itself. */
static void free_parts(AhciPci *pci)
{
	ahci_free(pci->ahci);
	device_signal_clear(&pci->intx);
	pci_msi_free(pci->msi);
	io_thread_unref(pci->thread);
	g_free(pci->id);
	g_free(pci);
}

static void function_free(void *opaque)
{
	AhciPci *pci = opaque;

	/* Else nobody has it yet but create(). */
	if (pci->is_finished)
		free_parts(pci);
}

static const PciFunctionOperations function_operations = {
	.config_written = function_config_written,
	.reset = function_reset,
	.free = function_free,
};

/* The record in the registry */

static void device_pause(void *opaque)
{
	ahci_pause(((AhciPci *)opaque)->ahci);
}

static void device_resume(void *opaque)
{
	ahci_resume(((AhciPci *)opaque)->ahci);
}

static void device_free(void *opaque)
{
	pci_bus_remove(((AhciPci *)opaque)->function);
}

const DeviceOperations ahci_pci_device_operations = {
	.pause = device_pause,
	.resume = device_resume,
	.free = device_free,
};

/* To make one */

static PciFunction *make_function(AhciPci *pci, const DeviceContext *context)
{
	const PciFunctionConfig config = {
		.name = "ich9-ahci",
		.vendor = PCI_VENDOR_INTEL,
		.device = DEVICE,
		.subsystem_vendor = PCI_SUBSYSTEM_VENDOR,
		.subsystem_device = PCI_SUBSYSTEM_DEVICE,
		.class_code = CLASS_AHCI,
		.revision = REVISION,
		.pin = 1,
		.is_multifunction = context->is_multifunction,
		.operations = &function_operations,
		.opaque = pci,
	};

	return pci_function_new(&config);
}

static gboolean make_parts(AhciPci *pci, const DeviceContext *context, GError **error)
{
	const DeviceSurroundings *surroundings = context->surroundings;

	pci->ahci = ahci_new(on_interrupt, pci);
	if (!device_make_signal(surroundings, update_intx, pci, &pci->intx, error))
		return FALSE;
	pci->function = make_function(pci, context);
	pci_function_set_register(pci->function, MAP, 1, MAP_AHCI, 0, 0);
	pci_function_add_bar(pci->function, REGISTERS_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
			     AHCI_BAR_SIZE, &bar_operations, pci);
	pci->msi = pci_msi_new(pci->function, &surroundings->messages, error);
	if (pci->msi)
		return TRUE;
	pci_function_free(pci->function);
	return FALSE;
}

static gboolean create(const DeviceContext *context, const void *description, GError **error)
{
	AhciPci *pci = g_new0(AhciPci, 1);

	(void)description;
	pci->id = g_strdup(context->id);
	if (!make_parts(pci, context, error)) {
		free_parts(pci);
		return FALSE;
	}
	pci->is_finished = TRUE;
	pci_bus_add(context->bus, context->slot, context->function, pci->function);
	device_registry_add(context->surroundings->registry, context->id,
			    &ahci_pci_device_operations, pci);
	return TRUE;
}

typedef struct {
	char nothing;
} AhciDescription;

static const JsonField fields[] = {
	{ .name = NULL },
};

const DeviceType ahci_pci_type = {
	.name = "ich9-ahci",
	.is_pci = TRUE,
	.is_cold_only = TRUE,
	.has_late_disks = TRUE,
	.fields = fields,
	.description_size = sizeof(AhciDescription),
	.create = create,
};

/* What drives ask for */

Ahci *ahci_pci_controller(AhciPci *pci)
{
	return pci->ahci;
}

void ahci_pci_place(const AhciPci *pci, guint *slot, guint *function)
{
	const guint devfn = pci_function_devfn(pci->function);

	*slot = PCI_SLOT(devfn);
	*function = PCI_FUNC(devfn);
}

IoThread *ahci_pci_io_thread(AhciPci *pci, const DeviceContext *context, GError **error)
{
	g_autofree char *name = g_strdup_printf("io-%s", pci->id);

	if (!pci->thread)
		pci->thread = io_thread_get(context, name, error);
	return pci->thread;
}
