/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ich9-lpc.h - the LPC bridge of the ICH9: interrupt routing, PM base, chipset registers
 *
 * Intel I/O Controller Hub 9 data sheet (316972): section 13.1 for the configuration space,
 * section 10.1 for the chipset configuration registers at RCBA.
 */
#pragma once

#include "vmm/device/surroundings.h"
#include "vmm/pci/pci-bus.h"

#define ICH9_LPC_SLOT	     31
#define ICH9_LPC_FUNCTION    0
#define ICH9_LPC_DEVICE	     0x2918

#define ICH9_LPC_PMBASE	     0x40
#define ICH9_LPC_ACPI_CNTL   0x44
#define ICH9_LPC_PIRQA_ROUT  0x60
#define ICH9_LPC_PIRQE_ROUT  0x68
#define ICH9_LPC_PMCON1	     0xa0
#define ICH9_LPC_PMCON_LOCK  0xa6
#define ICH9_LPC_RCBA	     0xf0

#define ICH9_LPC_ACPI_ENABLE 0x80
#define ICH9_LPC_SMI_LOCK    0x10
#define ICH9_LPC_RCBA_ENABLE 0x01
#define ICH9_LPC_RCBA_SIZE   0x4000

#define ICH9_LPC_PIRQS	     8
#define ICH9_LPC_PIRQ_GSI    16 /* the I/O APIC's input for PIRQA; those to PIRQH follow */
#define ICH9_LPC_INPUTS	     24

typedef struct Ich9Lpc Ich9Lpc;

/*
 * An input of the interrupt controllers, 0 to 23: those below 16 are the 8259s' and the I/O
 * APIC's, the others the I/O APIC's alone. Called only for changes, with the device lock held;
 * may not wait.
 */
typedef void (*Ich9LpcSetInterrupt)(void *opaque, guint gsi, gboolean level);

/* The PM block; each is called with the device lock held, and may not wait. */
typedef struct {
	/*
	 * The 128 ports of the PM block are at @base, or nowhere. Called for changes, and at
	 * each reset; nowhere at first.
	 */
	void (*move)(void *opaque, guint16 base, gboolean enabled);
	/* SMI_LOCK has been set: GBL_SMI_EN of the PM block stays as it is until the reset. */
	void (*lock_smi)(void *opaque);
	void *opaque;
} Ich9LpcPm;

/*
 * ich9_lpc_new - put the bridge on @root as 00:1f.0, and route @root's INTx lines
 * @mmio: where its registers are once the guest says so; outlives @root
 *
 * Return: a bridge that is owned by @root.
 */
Ich9Lpc *ich9_lpc_new(PciBus *root, Bus *mmio, Ich9LpcSetInterrupt set_interrupt, void *opaque);

/* Before the first access of the guest. */
void ich9_lpc_connect_pm(Ich9Lpc *lpc, const Ich9LpcPm *pm);

/*
 * ich9_lpc_allow_reboot - let the watchdog do something, unless NO_REBOOT is set
 *
 * Before the first access of the guest. Otherwise that bit is always set.
 */
void ich9_lpc_allow_reboot(Ich9Lpc *lpc);
gboolean ich9_lpc_may_reboot(const Ich9Lpc *lpc);

/* Puts the bridge into a machine, whose ISA devices and SCI it serves from then on. */
Ich9Lpc *ich9_lpc_create(DeviceSurroundings *surroundings, PciBus *root);

/*
 * The lines of devices that are no PCI functions, for InterruptLine.set with an Ich9Lpc:
 * interrupts 0 to 15 of ISA devices, and the system control interrupt, whose @line does not
 * matter. An input is high while any of its sources is.
 */
void ich9_lpc_set_isa(void *lpc, guint line, gboolean level);
void ich9_lpc_set_sci(void *lpc, guint line, gboolean level);
