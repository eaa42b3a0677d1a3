/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcie-root-port.c - a PCI Express root port with a hot-plug slot
 *
 * Theory of operation
 *
 * The slot's own state is pcie-slot.c's. There is one interrupt, for the slot. It is pending while
 * an event that the guest has enabled is in the slot's status. A message goes out each time that it
 * becomes pending; INTx is high as long as it is (section 6.7.3.4).
 */
#include "vmm/pci/pcie-root-port.h"

#include <glib/gi18n.h>

#include "vmm/pci/pcie-slot.h"

#define ROOT_PORT_CLASS	   0x060400
#define CAPABILITY_SIZE	   0x3c /* version 2 */
#define CAPABILITY_VERSION 2
#define TYPE_SHIFT	   4

#define LINK_SPEED_16GT	   4
#define LINK_SPEEDS	   0x1e /* 2.5 to 16 GT/s */
#define LINK_WIDTH_SHIFT   4
#define LINK_WIDTH	   32
#define LINK_PORT_SHIFT	   24
#define SLOT_NUMBER_SHIFT  19
#define MAX_SLOT_NUMBER	   8191

enum {
	DEVICE_ERROR_ENABLES = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			       PCI_EXP_DEVCTL_URRE,
	DEVICE_ERRORS = PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED |
			PCI_EXP_DEVSTA_URD,

	LINK_CONTROL_WRITABLE = PCI_EXP_LNKCTL_LD | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES |
				PCI_EXP_LNKCTL_LBMIE | PCI_EXP_LNKCTL_LABIE,
	LINK_EVENTS = PCI_EXP_LNKSTA_LBMS | PCI_EXP_LNKSTA_LABS,

	SLOT_CAPABILITIES = PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP | PCI_EXP_SLTCAP_AIP |
			    PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC,
	ROOT_CONTROL_WRITABLE = PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE | PCI_EXP_RTCTL_SEFEE |
				PCI_EXP_RTCTL_PMEIE,
};

struct PcieRootPort {
	PciFunction *function;
	PcieSlot slot;
	guint chassis;
	guint port;
	gboolean is_pending;
	void (*wake)(void *opaque); /* of a machine: there is news of the slot; or NULL */
	void *opaque;
};

static void update_interrupt(PcieRootPort *port)
{
	gboolean was_pending = port->is_pending;
	gboolean is_message = pci_function_is_msi_enabled(port->function);

	port->is_pending = pcie_slot_is_event_pending(&port->slot);
	if (is_message && port->is_pending && !was_pending)
		pci_function_send_msi(port->function);
	pci_function_set_intx(port->function, port->is_pending && !is_message);
}

static void root_port_config_written(void *device, guint offset, guint size)
{
	PcieRootPort *port = device;

	pcie_slot_config_written(&port->slot, offset, size);
	update_interrupt(port);
	if (port->wake && (port->slot.is_released || port->slot.is_refused))
		port->wake(port->opaque);
}

static void root_port_reset(void *device)
{
	PcieRootPort *port = device;

	port->is_pending = FALSE;
	pcie_slot_reset(&port->slot);
}

static void root_port_free(void *device)
{
	g_free(device);
}

static const PciFunctionOperations root_port_operations = {
	.config_written = root_port_config_written,
	.reset = root_port_reset,
	.free = root_port_free,
};

static void add_express_capability(PcieRootPort *port, const PcieRootPortConfig *config)
{
	PciFunction *function = port->function;
	guint at = pci_function_add_capability(function, PCI_CAP_ID_EXP, CAPABILITY_SIZE);

	port->slot = (PcieSlot){ .function = function, .express = at };
	pci_function_set_register(function, at + PCI_EXP_FLAGS, 2,
				  CAPABILITY_VERSION | PCI_EXP_TYPE_ROOT_PORT << TYPE_SHIFT |
					  PCI_EXP_FLAGS_SLOT,
				  0, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVCTL, 2, 0, DEVICE_ERROR_ENABLES, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVSTA, 2, 0, 0, DEVICE_ERRORS);
	pci_function_set_register(function, at + PCI_EXP_LNKCAP, 4,
				  LINK_SPEED_16GT | LINK_WIDTH << LINK_WIDTH_SHIFT |
					  PCI_EXP_LNKCAP_DLLLARC | PCI_EXP_LNKCAP_LBNC |
					  (guint32)config->port << LINK_PORT_SHIFT,
				  0, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKCTL, 2, 0, LINK_CONTROL_WRITABLE, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKSTA, 2, 0, 0, LINK_EVENTS);
	pci_function_set_register(function, at + PCI_EXP_SLTCAP, 4,
				  SLOT_CAPABILITIES | config->chassis << SLOT_NUMBER_SHIFT, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_SLTCTL, 2, pcie_slot_control_reset,
				  pcie_slot_control_writable, 0);
	pci_function_set_register(function, at + PCI_EXP_SLTSTA, 2, 0, 0, pcie_slot_events);
	pci_function_set_register(function, at + PCI_EXP_RTCTL, 2, 0, ROOT_CONTROL_WRITABLE, 0);
	pci_function_set_register(function, at + PCI_EXP_RTSTA, 4, 0, 0, PCI_EXP_RTSTA_PME);
	pci_function_set_register(function, at + PCI_EXP_LNKCAP2, 4, LINK_SPEEDS, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKCTL2, 2, LINK_SPEED_16GT,
				  PCI_EXP_LNKCTL2_TLS, 0);
}

PcieRootPort *pcie_root_port_new(PciBus *root, const PcieRootPortConfig *config)
{
	PcieRootPort *port = g_new0(PcieRootPort, 1);
	const PciFunctionConfig function = {
		.name = "root port",
		.vendor = PCI_VENDOR_REDHAT,
		.device = PCIE_ROOT_PORT_DEVICE,
		.class_code = ROOT_PORT_CLASS,
		.pin = 1,
		.is_multifunction = config->is_multifunction,
		.is_express = TRUE,
		.is_bridge = TRUE,
		.operations = &root_port_operations,
		.opaque = port,
	};

	g_assert(config->chassis <= MAX_SLOT_NUMBER);
	port->chassis = config->chassis;
	port->port = config->port;
	port->function = pci_function_new(&function);
	add_express_capability(port, config);
	pci_function_add_msi(port->function);
	pci_function_add_power_management(port->function);
	pci_function_add_subsystem(port->function, PCI_SUBSYSTEM_VENDOR, PCI_SUBSYSTEM_DEVICE);
	pci_bus_add(root, config->slot, config->number, port->function);
	return port;
}

PciBus *pcie_root_port_bus(PcieRootPort *port)
{
	return pci_function_secondary(port->function);
}

void pcie_root_port_place(const PcieRootPort *port, guint *slot, guint *function)
{
	*slot = pci_function_slot(port->function);
	*function = pci_function_devfn(port->function) % PCI_FUNCTIONS;
}

/* What goes into the slot, and out of it */

void pcie_root_port_insert(PcieRootPort *port, gboolean is_hot)
{
	pcie_slot_insert(&port->slot, is_hot);
	update_interrupt(port);
}

PcieSlotAnswer pcie_root_port_press_button(PcieRootPort *port)
{
	PcieSlotAnswer answer = pcie_slot_press_button(&port->slot);

	update_interrupt(port);
	return answer;
}

void pcie_root_port_remove(PcieRootPort *port)
{
	pcie_slot_remove(&port->slot);
	update_interrupt(port);
}

gboolean pcie_root_port_is_leaving(const PcieRootPort *port)
{
	return port->slot.is_leaving || port->slot.is_released;
}

gboolean pcie_root_port_is_released(const PcieRootPort *port)
{
	return port->slot.is_released;
}

gboolean pcie_root_port_take_refusal(PcieRootPort *port)
{
	gboolean is_refused = port->slot.is_refused;

	port->slot.is_refused = FALSE;
	return is_refused;
}

/* As a device that is described */

typedef struct {
	guint64 chassis;
	guint64 port;
} RootPortDescription;

static const JsonField fields[] = {
	{ .name = "chassis",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(RootPortDescription, chassis),
	  .is_required = TRUE,
	  .maximum = G_MAXUINT8 },
	{ .name = "port",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(RootPortDescription, port),
	  .is_required = TRUE,
	  .maximum = G_MAXUINT8 },
	{ .name = NULL },
};

static void free_device(void *device)
{
	const PcieRootPort *port = device;

	pci_bus_remove(port->function);
}

const DeviceOperations pcie_root_port_device_operations = { .free = free_device };

typedef struct {
	const RootPortDescription *description;
	gboolean is_taken;
} Numbers;

static void compare_numbers(const char *id, void *device, void *opaque)
{
	const PcieRootPort *port = device;
	Numbers *numbers = opaque;

	(void)id;
	if (port->chassis == numbers->description->chassis &&
	    port->port == numbers->description->port)
		numbers->is_taken = TRUE;
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const RootPortDescription *description = opaque;
	const PcieRootPortConfig config = {
		.slot = context->slot,
		.number = context->function,
		.is_multifunction = context->is_multifunction,
		.port = description->port,
		.chassis = description->chassis,
	};
	DeviceRegistry *registry = context->surroundings->registry;
	Numbers numbers = { description, FALSE };
	PcieRootPort *port;

	if (context->is_behind_port)
		return json_fields_refuse(error, context->owner, "bus",
					  _("a root port goes on bus 'pcie.0'"));
	device_registry_foreach(registry, &pcie_root_port_device_operations, compare_numbers,
				&numbers);
	if (numbers.is_taken)
		return json_fields_refuse(error, context->owner, "port",
					  _("another root port has this chassis and port"));
	port = pcie_root_port_new(context->bus, &config);
	port->wake = context->surroundings->host->slot_changed;
	port->opaque = context->surroundings->opaque;
	device_registry_add(registry, context->id, &pcie_root_port_device_operations, port);
	return TRUE;
}

const DeviceType pcie_root_port_type = {
	.name = "pcie-root-port",
	.is_pci = TRUE,
	.has_late_disks = TRUE,
	.fields = fields,
	.description_size = sizeof(RootPortDescription),
	.create = create,
};
