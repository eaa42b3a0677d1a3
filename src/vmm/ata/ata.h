/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ata.h - commands of ATA drives, and the drives themselves as their port sees them
 *
 * ATA/ATAPI Command Set 3 (ACS-3) and Serial ATA 3.0.
 *
 * Theory of operation
 *
 * A port hands a drive one command after the other, or up to 32 queued ones at a time, with what
 * the guest has written in registers and a list of pieces of guest memory; the drive ends each one,
 * at once or later. Data that is little goes back together with the end; what comes from or goes to
 * an image is a DiskTransfer of the drive's queue.
 *
 * Everything of a drive happens on its I/O thread.
 */
#pragma once

#include <glib.h>

#include "vmm/ata/disk-queue.h"
#include "vmm/memory/dma.h"

/* The status and error registers. */
enum {
	ATA_STATUS_ERR = 1 << 0,
	ATA_STATUS_DRQ = 1 << 3,
	ATA_STATUS_DSC = 1 << 4, /* as disks have shown it for long, seek complete */
	ATA_STATUS_DRDY = 1 << 6,
	ATA_STATUS_BSY = 1 << 7,

	ATA_ERROR_ABRT = 1 << 2,
	ATA_ERROR_IDNF = 1 << 4,
	ATA_ERROR_UNC = 1 << 6,
	ATA_ERROR_DIAGNOSTIC = 0x01, /* after a reset: passed */
};

#define ATA_STATUS_READY (ATA_STATUS_DRDY | ATA_STATUS_DSC)

/* Commands that a port tells from others. */
enum { ATA_READ_FPDMA_QUEUED = 0x60, ATA_WRITE_FPDMA_QUEUED = 0x61 };

#define ATA_PACKET_SIZE 16u

/* What is in a drive's LBA and count registers after a reset. */
#define ATA_SIGNATURE_DISK   0x00000101u
#define ATA_SIGNATURE_PACKET 0xeb140101u

typedef struct {
	guint8 command;
	guint8 device;
	guint16 feature;
	guint16 count;
	guint64 lba; /* 48 bits */
} AtaRegisters;

typedef struct AtaCommand AtaCommand;
typedef struct AtaDrive AtaDrive;

struct AtaCommand {
	struct AhciPort *port;
	AtaDrive *drive;
	guint slot;
	gboolean is_queued;
	AtaRegisters in;
	guint8 packet[ATA_PACKET_SIZE];
	DmaPiece *pieces; /* the guest's memory */
	guint n_pieces;
	guint64 room; /* bytes of it */

	/* How it has ended. */
	guint8 status;
	guint8 error;
	AtaRegisters out;
	guint64 done;	      /* bytes that have been carried */
	gboolean is_pio;      /* data came by PIO */
	gboolean is_silent;   /* the drive says nothing */
	gboolean is_overflow; /* there was more than the guest has room for */
	gboolean is_lost;     /* the guest has named memory that is none */
	guint8 *reply;	      /* owned; what is still to be carried to the guest, or NULL */
	gsize reply_size;

	/* The drive's. */
	DiskTransfer transfer;
	guint64 block; /* what is being done of several things */
	gboolean needs_flush;
	guint8 *parameters; /* owned */
	gsize n_parameters;

	GList link; /* in the port's list of those that have ended */
};

typedef struct {
	void (*begin)(AtaDrive *drive, AtaCommand *command);
	/* A reset of the drive, with nothing in flight. */
	void (*reset)(AtaDrive *drive);
	/* With nothing in flight, on the I/O thread. */
	void (*free)(AtaDrive *drive);
} AtaDriveOperations;

struct AtaDrive {
	const AtaDriveOperations *operations;
	guint32 signature;
	guint8 ready_status; /* after a reset */
	gboolean has_queue;  /* of commands: native command queuing */
	DiskQueue *queue;
};

/* Ends a command. */
void ata_command_end(AtaCommand *command, guint8 status, guint8 error);

/* The same, where the drive knows no such command, or not these registers. */
void ata_command_abort(AtaCommand *command);

/* The guest's memory is none: the port stops. */
void ata_command_lose(AtaCommand *command);

/*
 * ata_command_take - fetch what the guest gives with a command
 *
 * Return: FALSE where there is not so much; the command has ended then.
 */
gboolean ata_command_take(AtaCommand *command, void *data, gsize size);

/* Gives the guest data at the end, which the caller is still to say; what it has no room for is
 * dropped. @data is copied. */
void ata_command_reply(AtaCommand *command, const void *data, gsize size);

/*
 * ata_command_transfer - reads or writes the image
 * @size: not 0
 * @end:  called with the transfer of the command
 *
 * Where the guest's memory is too short for it, the command has been aborted.
 */
void ata_command_transfer(AtaCommand *command, DiskQueue *queue, BlockOperation operation,
			  guint64 offset, guint64 size,
			  void (*end)(DiskTransfer *transfer, DiskTransferEnd how));

/* Text as drives have it: in words, the first character in the high byte, with blanks behind. */
void ata_put_text(guint8 *words, const char *text, gsize size);

static inline void ata_put_word(guint8 *words, guint word, guint16 value)
{
	words[word * 2] = (guint8)value;
	words[word * 2 + 1] = (guint8)(value >> 8);
}
