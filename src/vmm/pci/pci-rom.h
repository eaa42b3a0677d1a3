/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-rom.h - an expansion ROM: what firmware runs of a device, to start something from it say
 *
 * PCI Firmware Specification 3.0, chapter 5.
 *
 * Theory of operation
 *
 * The file is read once, and is zeroes up to a power of two. Firmware takes an image that names the
 * function's vendor and device. Those that there are for virtio name the number that network cards
 * had before virtio 1.0, so that a first image for PCs which names the vendor is given the device,
 * and its checksum is made right again, as QEMU does.
 */
#pragma once

#include <gio/gio.h>

#include "vmm/device/bus.h"

/* Of a file. */
#define PCI_ROM_MAX (16u << 20)

typedef struct PciRom PciRom;

/* For reads; writes go nowhere. The device is the PciRom. */
extern const BusOperations pci_rom_operations;

/*
 * pci_rom_new - read a ROM
 * @fd:             of a regular file; its position is neither used nor changed
 * @name:           for messages
 * @vendor, @device: the function's
 */
PciRom *pci_rom_new(int fd, const char *name, guint16 vendor, guint16 device, GError **error);
void pci_rom_free(PciRom *rom);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciRom, pci_rom_free)

/* A power of two, 2048 at least. */
guint64 pci_rom_size(const PciRom *rom);
