/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-host.h - the host bridge: Intel's Q35 MCH, without SMM
 *
 * Intel 3 Series Express Chipset Family data sheet (316966), chapter 5: configuration
 * mechanism #1, 00:00.0 with PCIEXBAR, PAM0 to PAM6, SMRAM and ESMRAMC.
 *
 * There is no SMM, so there is no memory for it, as on QEMU's q35 with smm-ranges=off. What
 * the guest finds is a chipset on which a firmware has already locked it away: SMRAM reads
 * 0x12, that is D_LCK, with nothing open or enabled; ESMRAMC reads 0x38, the bits that are
 * always one, with H_SMRAME, TSEG_SZ and T_EN clear. Writes change neither; a reset does not
 * unlock them. Legacy VGA memory is never RAM. The registers that QEMU has besides, for an
 * extended TSEG (0x50) and for SMRAM at SMBASE (0x9c), read as what tells a firmware that
 * there are none: 0x50 reads 0xffff, which is what the firmware asks with, and 0x9c reads 0.
 */
#pragma once

#include "vmm/device/surroundings.h"
#include "vmm/pci/pci-bus.h"

/* Where the guest finds the MCH, and what firmware programs there. */
#define PCI_HOST_ADDRESS_PORT 0xcf8
#define PCI_HOST_DATA_PORT    0xcfc
#define PCI_HOST_PCIEXBAR     0x60
#define PCI_HOST_PAM0	      0x90
#define PCI_HOST_SMRAM	      0x9d
#define PCI_HOST_ESMRAMC      0x9e

/* Of extended configuration space, a bus takes so much. */
#define PCI_ECAM_BUS_SIZE 0x100000ull

/* The areas from 0xc0000 to 1 MiB that read as RAM or not, each for itself. */
#define PCI_HOST_RAM_SEGMENTS 13

typedef struct {
	Bus *ports;
	Bus *mmio;
	/*
	 * The guest wants to read RAM in those segments whose bits are set in @ram, and what is
	 * behind it (ROM, or nothing) in the others. Bits 0 to 11 are 16 KiB each from 0xc0000
	 * on, bit 12 is 0xf0000 to 1 MiB. Called for a configuration write that changes @ram,
	 * and at each reset, with 0; it is 0 at first. May wait for other processors.
	 */
	void (*set_ram_segments)(void *opaque, guint32 ram);
	/* A device's message signalled interrupt; does not wait. */
	void (*send_msi)(void *opaque, guint64 address, guint32 data);
	void *opaque; /* for both; called with the device lock held */
} PciHostConfig;

typedef struct PciHost PciHost;

/*
 * pci_host_new - make the host bridge and the root bus behind it
 *
 * Takes ports 0xcf8 to 0xcff, of which 0xcf9 is left to the reset register if one is added
 * there. @config's buses must outlive it.
 */
PciHost *pci_host_new(const PciHostConfig *config);
void pci_host_free(PciHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciHost, pci_host_free)

/* Bus 0, owned by the host bridge. */
PciBus *pci_host_root_bus(PciHost *host);

/* Where configuration space is in memory now; of @size 0 while it is disabled. */
void pci_host_find_ecam(const PciHost *host, guint64 *base, guint64 *size);

/* Resets the host bridge and every function of its buses. */
void pci_host_reset(PciHost *host);

/* Its record in the registry. */
#define PCI_HOST_ID "chipset/pci"
extern const DeviceOperations pci_host_device_operations;

/* Adds the bridge to a machine. Return: its registry's. */
PciHost *pci_host_create(const DeviceSurroundings *surroundings);
