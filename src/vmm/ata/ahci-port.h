/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci-port.h - one port of the controller, and what it does with the guest's command list
 *
 * Theory of operation
 *
 * All that is in guest memory comes and goes by the I/O thread's DMA channel, and is copied before
 * it is looked at: headers of all slots that the guest has issued in one transfer, then their
 * tables with the first pieces of memory in another one. What has ended goes back together: data
 * that is little, byte counts and FISes in one transfer, and then the registers change, and there
 * is one interrupt.
 *
 * Queued commands are begun as they are found; any other one is alone. An error of a command, or
 * memory that is none, stops the port: nothing is taken until the guest clears PxCMD.ST, as AHCI
 * has it (sections 6.2.2 and 5.3.6).
 *
 * PxCMD.ST, a reset, a pause of the machine and the end of bus mastering wait for what is in
 * flight, as virtio's devices do.
 */
#pragma once

#include "vmm/ata/ata.h"
#include "vmm/device/io-thread.h"

/* What the guest reads and writes; under the controller's lock. */
typedef struct {
	guint64 list;
	guint64 received;
	guint32 is;
	guint32 ie;
	guint32 cmd;
	guint32 tfd;
	guint32 sig;
	guint32 ssts;
	guint32 sctl;
	guint32 serr;
	guint32 sact;
	guint32 ci;
	gboolean owes_signature; /* the drive has yet to say what it is */
} AhciPortRegisters;

typedef struct AhciPort AhciPort;

/*
 * ahci_port_new - a port with a drive
 * @registers, @lock: the controller's
 * @changed:          status bits have been set, called without the lock; on the I/O thread
 */
AhciPort *ahci_port_new(AtaDrive *drive, IoThread *thread, AhciPortRegisters *registers,
			GMutex *lock, void (*changed)(void *opaque), void *opaque);

/* The drive goes with it. */
void ahci_port_free(AhciPort *port);

AtaDrive *ahci_port_drive(const AhciPort *port);

/* The guest has written something that the port may be waiting for; any thread. */
void ahci_port_kick(AhciPort *port);

/*
 * The rest waits for the I/O thread. Reasons to be still are each for itself: the machine's pause,
 * and that the bus is not to be mastered.
 */
typedef enum {
	AHCI_STILL_PAUSED = 1 << 0,
	AHCI_STILL_NO_MASTER = 1 << 1,
} AhciStill;

void ahci_port_be_still(AhciPort *port, AhciStill reason);
void ahci_port_go_on(AhciPort *port, AhciStill reason);

/* What the guest has issued is forgotten; @is_reset: the drive is reset, too. */
void ahci_port_stop(AhciPort *port, gboolean is_reset);

/* Calls a function on the I/O thread while nothing is in flight. */
void ahci_port_call(AhciPort *port, void (*call)(void *opaque), void *opaque);

/* Whether the port's status has bits that are enabled, with those that follow from PxSERR. */
guint32 ahci_port_status(const AhciPortRegisters *registers);
gboolean ahci_port_is_interrupting(const AhciPortRegisters *registers);
