/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-function.h - a PCI function: its configuration space, BARs and interrupts
 *
 * PCI Local Bus Specification 3.0, chapter 6, and PCI Express Base Specification 5.0,
 * chapter 7. Offsets and bits are those of <linux/pci_regs.h>.
 *
 * Theory of operation
 *
 * A configuration space is four arrays of bytes: the registers, the values that they have
 * after a reset, which bits a guest writes, and which of its ones clear a bit. A device says
 * what its registers are like once, when it is made, and is told of each write after it has
 * taken effect. A reset puts everything back to the values after a reset.
 *
 * A BAR is a window on the machine's port or MMIO bus. It is open while the function's
 * command register says so, the function is in D0, and the BAR holds an address that it can
 * have: not 0, which is where a BAR is that nobody has set. An expansion ROM has one, too, with a
 * bit of its own that opens it.
 */
#pragma once

#include <glib.h>
#include <linux/pci.h>

#include "vmm/device/bus.h"
#include "vmm/pci/pci-rom.h"

#define PCI_SLOTS     32
#define PCI_FUNCTIONS 8
#define PCI_PINS      4
#define PCI_BARS      6

/* Who made what here is not Intel's: as on QEMU's machines. */
#define PCI_VENDOR_INTEL     0x8086
#define PCI_VENDOR_REDHAT    0x1b36
#define PCI_SUBSYSTEM_VENDOR 0x1af4
#define PCI_SUBSYSTEM_DEVICE 0x1100

typedef struct PciFunction PciFunction;
typedef struct PciBus PciBus;

/* What a function asks of its device. Each but @free may be NULL. */
typedef struct {
	/* The guest is about to read [offset, offset + size) of the configuration space. */
	void (*config_read)(void *device, guint offset, guint size);
	/* The guest has written [offset, offset + size) of the configuration space. */
	void (*config_written)(void *device, guint offset, guint size);
	/* A BAR answers at [address, address + size) from now on, or with @size 0 nowhere. */
	void (*bar_moved)(void *device, guint index, guint64 address, guint64 size);
	/* The configuration space is back at its values after a reset; INTx is low. */
	void (*reset)(void *device);
	/* The function goes, and the device with it. */
	void (*free)(void *device);
} PciFunctionOperations;

typedef struct {
	const char *name; /* for messages; lent for the function's life */
	guint16 vendor;
	guint16 device;
	guint16 subsystem_vendor; /* not of a bridge, which has a capability for it */
	guint16 subsystem_device;
	guint32 class_code; /* class, subclass and programming interface: 24 bits */
	guint8 revision;
	guint8 pin; /* 1 for INTA to 4 for INTD; 0 for none */
	gboolean is_multifunction;
	gboolean is_express;			 /* 4096 bytes of configuration space, not 256 */
	gboolean is_bridge;			 /* header type 1, with a secondary bus */
	const PciFunctionOperations *operations; /* lent for the function's life */
	void *opaque;				 /* for operations: the device */
} PciFunctionConfig;

/* Return: a function that is on no bus yet, with @config's device, which becomes its own. */
PciFunction *pci_function_new(const PciFunctionConfig *config);
void pci_function_free(PciFunction *function);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciFunction, pci_function_free)

/*
 * Before the function goes on a bus, but for pci_function_set_writable().
 */

/*
 * pci_function_set_register - say what a register is like
 * @size:     1, 2 or 4 bytes
 * @value:    after a reset, and now
 * @writable: the bits that a guest writes
 * @clearing: the bits that a guest clears by writing ones to them
 */
void pci_function_set_register(PciFunction *function, guint offset, guint size, guint32 value,
			       guint32 writable, guint32 clearing);

/* Changes which bits of a register a guest writes, and nothing else; a reset leaves it. */
void pci_function_set_writable(PciFunction *function, guint offset, guint size, guint32 writable);

/*
 * pci_function_add_capability - append to the list of capabilities
 * @size: bytes of it, with the two of its header; they read 0 until set
 *
 * Return: its offset, a multiple of 4. That there is no room left is a bug of the caller.
 */
guint pci_function_add_capability(PciFunction *function, guint8 id, guint size);

/* PCI Bus Power Management 1.2: D0 and D3hot, which keeps every register; no PME. */
void pci_function_add_power_management(PciFunction *function);

/* One message, with a 64-bit address. Return: the capability's offset. */
guint pci_function_add_msi(PciFunction *function);

/*
 * PCI Express Base Specification 5.0, section 7.5.3: an endpoint behind a root port, or one that is
 * integrated in the root complex, and has no link.
 */
void pci_function_add_express_endpoint(PciFunction *function, gboolean is_integrated);

/* PCI-to-PCI Bridge Architecture 1.2, chapter 3: whose board a bridge is on. */
void pci_function_add_subsystem(PciFunction *function, guint16 vendor, guint16 device);

/*
 * pci_function_add_bar - make a BAR
 * @index:      0 to 5, or 1 on a bridge; one of 64 bits takes the next, too
 * @flags:      PCI_BASE_ADDRESS_*: space, memory type and prefetch
 * @size:       a power of two, 16 at least for memory and 4 for ports
 * @operations: lent for the bus's life
 */
void pci_function_add_bar(PciFunction *function, guint index, guint32 flags, guint64 size,
			  const BusOperations *operations, void *device);

/* Makes the BAR of an expansion ROM, which is the function's from now on; not on a bridge. */
void pci_function_add_rom(PciFunction *function, PciRom *rom);

/* The rest: only with the device lock held. */

guint32 pci_function_get(const PciFunction *function, guint offset, guint size);

/* Sets the bits of @mask in a register to those of @value, whatever a guest may write. */
void pci_function_change(PciFunction *function, guint offset, guint size, guint32 mask,
			 guint32 value);

/* Whether [offset, offset + size) and a register's bytes have one in common. */
static inline gboolean pci_overlaps(guint offset, guint size, guint start, guint length)
{
	return offset < start + length && start < offset + size;
}

/* Sets the function's INTx line. That the guest has disabled it is taken care of. */
void pci_function_set_intx(PciFunction *function, gboolean level);

gboolean pci_function_is_msi_enabled(const PciFunction *function);

/* Sends the message, if MSI is enabled and the function may master the bus. */
void pci_function_send_msi(PciFunction *function);

/* What people call it, copied; NULL where nobody has said so. */
void pci_function_set_id(PciFunction *function, const char *id);
const char *pci_function_id(const PciFunction *function);

/* Whether it is function 0 of a device that may have others. */
gboolean pci_function_is_multifunction(const PciFunction *function);

/* The bus behind a bridge, owned by it; NULL for another function. */
PciBus *pci_function_secondary(const PciFunction *function);

void pci_function_reset(PciFunction *function);

/*
 * What pci-bus.c does for the guest and for a function. Accesses are aligned to their size
 * of 1, 2 or 4 bytes, and within 4096.
 */
guint32 pci_function_read_config(const PciFunction *function, guint offset, guint size);
void pci_function_write_config(PciFunction *function, guint offset, guint size, guint32 value);
void pci_function_attach(PciFunction *function, PciBus *bus, guint devfn);
PciBus *pci_function_bus(const PciFunction *function);
guint pci_function_slot(const PciFunction *function);
guint pci_function_devfn(const PciFunction *function);

/* Lets go of the INTx line, of a bridge those of all that is behind it, before it goes. */
void pci_function_release_intx(PciFunction *function);
gboolean pci_function_is_powered(const PciFunction *function);
