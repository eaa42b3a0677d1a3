/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci.h - the AHCI controller: its registers
 *
 * Theory of operation
 *
 * The registers are accessed by the guest with the device lock held, and by the ports' I/O threads
 * without it: a lock of their own guards them, under which nobody waits. Writing a command issue
 * register sets bits and wakes the port's thread, which takes the commands by its own DMA channel;
 * no vCPU waits for a command. It waits where a command is to be over when the write is: a port
 * that stops, resets, the end of bus mastering.
 *
 * A port interrupts while one of its status bits is enabled; the controller's status register says
 * which ports do. A message (MSI) is sent when a port begins to, and when it still does after the
 * guest has cleared something.
 */
#pragma once

#include "vmm/ata/ata.h"
#include "vmm/device/io-thread.h"

#define AHCI_PORTS    6
#define AHCI_BAR_SIZE 0x1000u

typedef struct Ahci Ahci;

/*
 * ahci_new - make a controller without drives
 * @interrupt: called without locks of this when a port begins to interrupt, and when a guest's
 *             write leaves it so; on I/O threads, and on those that write
 */
Ahci *ahci_new(void (*interrupt)(void *opaque), void *opaque);

/* With its drives, which do nothing any more after this. */
void ahci_free(Ahci *ahci);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ahci, ahci_free)

/*
 * ahci_plug - put a drive at a port that has none, before the guest runs
 * @drive:  taken
 * @thread: serves it from now on; a reference is taken
 */
void ahci_plug(Ahci *ahci, guint port, AtaDrive *drive, IoThread *thread);
AtaDrive *ahci_drive(const Ahci *ahci, guint port);

/* Frees the drive. */
void ahci_unplug(Ahci *ahci, guint port);

/* The guest's accesses: @size is 4, and @offset a multiple of it, or else nothing is there. */
guint64 ahci_read(Ahci *ahci, guint64 offset, guint size);
void ahci_write(Ahci *ahci, guint64 offset, guint size, guint64 value);

/* Whether it interrupts now. */
gboolean ahci_is_interrupting(Ahci *ahci);

/* Back to where it is at power-on. */
void ahci_reset(Ahci *ahci);

/* Whether it may reach memory; it may not at first. */
void ahci_set_master(Ahci *ahci, gboolean is_master);

/* The machine pauses, and goes on. */
void ahci_pause(Ahci *ahci);
void ahci_resume(Ahci *ahci);

/* Calls a function on the I/O thread of the drive at a port while nothing of it is in flight. */
void ahci_call_drive(Ahci *ahci, guint port, void (*call)(void *opaque), void *opaque);
