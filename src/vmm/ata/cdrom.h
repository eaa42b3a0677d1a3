/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cdrom.h - a CD-ROM drive with a tray
 *
 * ATA/ATAPI Command Set 3 (ACS-3) for the drive, and Multi-Media Commands 6 (MMC-6) for what comes
 * in packets.
 *
 * Theory of operation
 *
 * The medium is the backend of the drive's queue, in blocks of 2048 bytes: one track of data. It is
 * changed with nothing in flight. The tray can be open with a medium in it, which the guest then
 * does not see. A guest that has locked the tray is asked to eject, and does so or not; whoever
 * forces it open does not ask.
 *
 * A packet that fails leaves sense data behind, which the guest asks for.
 */
#pragma once

#include "vmm/ata/ata.h"

typedef struct {
	const char *serial;
	const char *model;
	DiskQueue *queue; /* taken; without a backend where there is no medium */
	/* The guest has moved the tray; on the I/O thread. */
	void (*tray_moved)(void *opaque);
	void *opaque;
} AtaCdromConfig;

/* Return: for a port. */
AtaDrive *ata_cdrom_new(const AtaCdromConfig *config);

/* Any thread. */
gboolean ata_cdrom_is_open(const AtaDrive *drive);
gboolean ata_cdrom_is_locked(const AtaDrive *drive);

/* On the I/O thread: what a guest is told that has locked its tray. */
void ata_cdrom_ask_to_eject(AtaDrive *drive);

/*
 * ata_cdrom_change - open the tray, and close it if there is a medium now
 * @backend: attached to the drive's queue and taken; or NULL
 *
 * On the I/O thread, with nothing in flight; what waits fails. The guest is told.
 */
void ata_cdrom_change(AtaDrive *drive, BlockBackend *backend);
