/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cdrom.c - a CD-ROM drive with a tray */
#include "vmm/ata/cdrom.h"

#include <string.h>

#include "vmm/ata/cdrom-replies.h"

enum {
	CMD_NOP = 0x00,
	CMD_DEVICE_RESET = 0x08,
	CMD_EXECUTE_DEVICE_DIAGNOSTIC = 0x90,
	CMD_PACKET = 0xa0,
	CMD_IDENTIFY_PACKET_DEVICE = 0xa1,
	CMD_STANDBY_IMMEDIATE = 0xe0,
	CMD_IDLE_IMMEDIATE = 0xe1,
	CMD_CHECK_POWER_MODE = 0xe5,
	CMD_SLEEP = 0xe6,
	CMD_IDENTIFY_DEVICE = 0xec,
	CMD_SET_FEATURES = 0xef,

	FEATURE_TRANSFER_MODE = 0x03,
	POWER_ACTIVE = 0xff,
};

enum {
	PACKET_TEST_UNIT_READY = 0x00,
	PACKET_REQUEST_SENSE = 0x03,
	PACKET_INQUIRY = 0x12,
	PACKET_START_STOP_UNIT = 0x1b,
	PACKET_PREVENT_ALLOW = 0x1e,
	PACKET_READ_CAPACITY = 0x25,
	PACKET_READ_10 = 0x28,
	PACKET_SEEK_10 = 0x2b,
	PACKET_READ_TOC = 0x43,
	PACKET_GET_CONFIGURATION = 0x46,
	PACKET_GET_EVENT_STATUS = 0x4a,
	PACKET_READ_DISC_INFORMATION = 0x51,
	PACKET_MODE_SENSE_10 = 0x5a,
	PACKET_READ_12 = 0xa8,
	PACKET_SET_CD_SPEED = 0xbb,
	PACKET_MECHANISM_STATUS = 0xbd,
	PACKET_READ_CD = 0xbe,

	START = 1 << 0,
	LOAD_OR_EJECT = 1 << 1,
	USER_DATA = 0x10, /* of READ CD */
};

/* In the count register at the end: neither data nor a command comes. */
#define REASON_STATUS 3u

/* Sense data: key, code, qualifier. */
typedef struct {
	guint8 key;
	guint8 code;
	guint8 qualifier;
} Sense;

static const Sense sense_none = { 0, 0, 0 };
static const Sense sense_no_medium = { 2, 0x3a, 1 };
static const Sense sense_tray_open = { 2, 0x3a, 2 };
static const Sense sense_read_error = { 3, 0x11, 0 };
static const Sense sense_invalid_command = { 5, 0x20, 0 };
static const Sense sense_out_of_range = { 5, 0x21, 0 };
static const Sense sense_invalid_field = { 5, 0x24, 0 };
static const Sense sense_locked = { 5, 0x53, 2 };
static const Sense sense_changed = { 6, 0x28, 0 };

typedef struct {
	AtaDrive drive;
	char *serial;
	char *model;
	void (*tray_moved)(void *opaque);
	void *opaque;
	gint is_open;	/* atomic */
	gint is_locked; /* atomic */
	Sense sense;
	guint8 event;
	gboolean has_changed; /* the medium, and the guest has not been told */
} AtaCdrom;

static AtaCdrom *cdrom_of(const AtaCommand *command)
{
	return (AtaCdrom *)command->drive;
}

static gboolean has_medium(const AtaCdrom *cdrom)
{
	return !g_atomic_int_get(&cdrom->is_open) && disk_queue_backend(cdrom->drive.queue);
}

static guint32 count_blocks(const AtaCdrom *cdrom)
{
	const BlockBackend *backend = disk_queue_backend(cdrom->drive.queue);

	return has_medium(cdrom) ? (guint32)MIN(block_backend_limits(backend)->size / CDROM_BLOCK,
						G_MAXUINT32) :
				   0;
}

static CdromState state_of(const AtaCdrom *cdrom)
{
	return (CdromState){
		.has_medium = has_medium(cdrom),
		.is_open = g_atomic_int_get(&cdrom->is_open),
		.is_locked = g_atomic_int_get(&cdrom->is_locked),
		.event = cdrom->event,
		.blocks = count_blocks(cdrom),
	};
}

/* Ends */

static void end_packet(AtaCommand *command)
{
	command->out.count = REASON_STATUS;
	ata_command_end(command, ATA_STATUS_READY, 0);
}

static void fail(AtaCommand *command, const Sense *sense)
{
	cdrom_of(command)->sense = *sense;
	command->done = 0;
	command->out.count = REASON_STATUS;
	ata_command_end(command, ATA_STATUS_READY | ATA_STATUS_ERR,
			(guint8)(sense->key << 4) | ATA_ERROR_ABRT);
}

/* As much of it as the guest wants. */
static void reply(AtaCommand *command, const guint8 *data, gsize size, gsize wanted)
{
	ata_command_reply(command, data, MIN(size, wanted));
	end_packet(command);
}

static guint get16(const guint8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static guint32 get32(const guint8 *bytes)
{
	return get16(bytes) << 16 | get16(bytes + 2);
}

static void reply_by(AtaCommand *command, CdromReply *fill, gsize wanted)
{
	const CdromState state = state_of(cdrom_of(command));
	guint8 data[CDROM_REPLY_MAX] = { 0 };
	const guint size = fill(&state, command->packet, data);

	if (size > 0)
		reply(command, data, size, wanted);
	else
		fail(command, &sense_invalid_field);
}

/* Packets */

static void request_sense(AtaCommand *command)
{
	AtaCdrom *cdrom = cdrom_of(command);
	const guint8 data[18] = {
		[0] = 0x70, /* current, of fixed format */
		[2] = cdrom->sense.key,
		[7] = sizeof(data) - 8,
		[12] = cdrom->sense.code,
		[13] = cdrom->sense.qualifier,
	};

	cdrom->sense = sense_none;
	reply(command, data, sizeof(data), command->packet[4]);
}

static void read_ended(DiskTransfer *transfer, DiskTransferEnd how)
{
	AtaCommand *command = transfer->opaque;

	switch (how) {
	case DISK_TRANSFER_LOST:
		ata_command_lose(command);
		break;
	case DISK_TRANSFER_FAILED:
		fail(command, &sense_read_error);
		break;
	case DISK_TRANSFER_DONE:
		cdrom_of(command)->sense = sense_none;
		end_packet(command);
		break;
	}
}

static gboolean check_range(AtaCommand *command, guint64 block, guint64 count)
{
	const guint64 blocks = count_blocks(cdrom_of(command));

	if (block <= blocks && count <= blocks - block)
		return TRUE;
	fail(command, &sense_out_of_range);
	return FALSE;
}

static void read_blocks(AtaCommand *command, guint64 block, guint64 count)
{
	if (!check_range(command, block, count))
		return;
	if (count == 0) {
		end_packet(command);
		return;
	}
	cdrom_of(command)->sense = sense_invalid_field; /* where there is no room for it */
	ata_command_transfer(command, command->drive->queue, BLOCK_READ, block * CDROM_BLOCK,
			     count * CDROM_BLOCK, read_ended);
}

/* What there is besides the data of a block, an image does not have. */
static void read_cd(AtaCommand *command)
{
	const guint8 *packet = command->packet;
	const guint32 count = (guint32)packet[6] << 16 | get16(packet + 7);

	if ((packet[9] & 0xf8) == USER_DATA)
		read_blocks(command, get32(packet + 2), count);
	else if (packet[9] == 0)
		end_packet(command);
	else
		fail(command, &sense_invalid_field);
}

static void seek(AtaCommand *command)
{
	if (check_range(command, get32(command->packet + 2), 1))
		end_packet(command);
}

static void get_event_status(AtaCommand *command)
{
	reply_by(command, cdrom_get_event_status, get16(command->packet + 7));
	cdrom_of(command)->event = CDROM_EVENT_NONE;
}

static void move_tray(AtaCdrom *cdrom, gboolean is_open)
{
	const gboolean has_backend = disk_queue_backend(cdrom->drive.queue) != NULL;

	if (is_open == g_atomic_int_get(&cdrom->is_open))
		return;
	g_atomic_int_set(&cdrom->is_open, is_open);
	cdrom->has_changed = !is_open && has_backend;
	if (has_backend)
		cdrom->event = is_open ? CDROM_EVENT_REMOVAL : CDROM_EVENT_NEW_MEDIUM;
}

static void start_stop(AtaCommand *command)
{
	AtaCdrom *cdrom = cdrom_of(command);
	const guint8 what = command->packet[4];
	const gboolean is_open = !(what & START);

	/* Anything but the tray is a change of power. */
	if (what >> 4 || !(what & LOAD_OR_EJECT)) {
		end_packet(command);
		return;
	}
	if (is_open && g_atomic_int_get(&cdrom->is_locked) && !g_atomic_int_get(&cdrom->is_open)) {
		fail(command, &sense_locked);
		return;
	}
	move_tray(cdrom, is_open);
	cdrom->tray_moved(cdrom->opaque);
	end_packet(command);
}

static void prevent_allow(AtaCommand *command)
{
	g_atomic_int_set(&cdrom_of(command)->is_locked, command->packet[4] & 1);
	end_packet(command);
}

static gboolean needs_medium(guint8 packet)
{
	return packet == PACKET_TEST_UNIT_READY || packet == PACKET_READ_CAPACITY ||
	       packet == PACKET_READ_10 || packet == PACKET_READ_12 || packet == PACKET_READ_CD ||
	       packet == PACKET_SEEK_10 || packet == PACKET_READ_TOC ||
	       packet == PACKET_READ_DISC_INFORMATION;
}

/* These tell of a change otherwise, or say nothing of the medium. */
static gboolean ignores_change(guint8 packet)
{
	return packet == PACKET_INQUIRY || packet == PACKET_REQUEST_SENSE ||
	       packet == PACKET_GET_CONFIGURATION || packet == PACKET_GET_EVENT_STATUS;
}

static gboolean is_ready(AtaCommand *command)
{
	AtaCdrom *cdrom = cdrom_of(command);
	const guint8 packet = command->packet[0];

	if (cdrom->has_changed && !ignores_change(packet)) {
		cdrom->has_changed = FALSE;
		fail(command, &sense_changed);
		return FALSE;
	}
	if (!needs_medium(packet) || has_medium(cdrom))
		return TRUE;
	fail(command, g_atomic_int_get(&cdrom->is_open) ? &sense_tray_open : &sense_no_medium);
	return FALSE;
}

static void begin_packet(AtaCommand *command)
{
	const guint8 *packet = command->packet;

	if (!is_ready(command))
		return;
	if (packet[0] != PACKET_REQUEST_SENSE)
		cdrom_of(command)->sense = sense_none;
	switch (packet[0]) {
	case PACKET_TEST_UNIT_READY:
	case PACKET_SET_CD_SPEED:
		end_packet(command);
		break;
	case PACKET_REQUEST_SENSE:
		request_sense(command);
		break;
	case PACKET_INQUIRY:
		reply_by(command, cdrom_inquiry, get16(packet + 3));
		break;
	case PACKET_START_STOP_UNIT:
		start_stop(command);
		break;
	case PACKET_PREVENT_ALLOW:
		prevent_allow(command);
		break;
	case PACKET_READ_CAPACITY:
		reply_by(command, cdrom_read_capacity, CDROM_REPLY_MAX);
		break;
	case PACKET_READ_10:
		read_blocks(command, get32(packet + 2), get16(packet + 7));
		break;
	case PACKET_READ_12:
		read_blocks(command, get32(packet + 2), get32(packet + 6));
		break;
	case PACKET_READ_CD:
		read_cd(command);
		break;
	case PACKET_SEEK_10:
		seek(command);
		break;
	case PACKET_READ_TOC:
		reply_by(command, cdrom_read_toc, get16(packet + 7));
		break;
	case PACKET_GET_CONFIGURATION:
		reply_by(command, cdrom_get_configuration, get16(packet + 7));
		break;
	case PACKET_GET_EVENT_STATUS:
		get_event_status(command);
		break;
	case PACKET_READ_DISC_INFORMATION:
		reply_by(command, cdrom_read_disc_information, get16(packet + 7));
		break;
	case PACKET_MODE_SENSE_10:
		reply_by(command, cdrom_mode_sense, get16(packet + 7));
		break;
	case PACKET_MECHANISM_STATUS:
		reply_by(command, cdrom_mechanism_status, get16(packet + 8));
		break;
	default:
		fail(command, &sense_invalid_command);
	}
}

/* Commands of the drive itself */

static void put_signature(AtaCommand *command)
{
	command->out = (AtaRegisters){
		.lba = ATA_SIGNATURE_PACKET >> 8,
		.count = ATA_SIGNATURE_PACKET & 0xff,
	};
}

static void reset(AtaDrive *drive);

static void begin(AtaDrive *drive, AtaCommand *command)
{
	const AtaCdrom *cdrom = (AtaCdrom *)drive;
	guint8 words[512];

	switch (command->in.command) {
	case CMD_PACKET:
		begin_packet(command);
		break;
	case CMD_IDENTIFY_PACKET_DEVICE:
		cdrom_identify(cdrom->serial, cdrom->model, words);
		command->is_pio = TRUE;
		ata_command_reply(command, words, sizeof(words));
		ata_command_end(command, ATA_STATUS_READY, 0);
		break;
	case CMD_DEVICE_RESET:
		reset(drive);
		put_signature(command);
		ata_command_end(command, 0, ATA_ERROR_DIAGNOSTIC);
		break;
	case CMD_EXECUTE_DEVICE_DIAGNOSTIC:
		put_signature(command);
		ata_command_end(command, 0, ATA_ERROR_DIAGNOSTIC);
		break;
	case CMD_IDENTIFY_DEVICE:
		/* It says what it is instead. */
		put_signature(command);
		ata_command_abort(command);
		break;
	case CMD_CHECK_POWER_MODE:
		command->out.count = POWER_ACTIVE;
		ata_command_end(command, ATA_STATUS_READY, 0);
		break;
	case CMD_SET_FEATURES:
		if ((command->in.feature & 0xff) != FEATURE_TRANSFER_MODE)
			ata_command_abort(command);
		else
			ata_command_end(command, ATA_STATUS_READY, 0);
		break;
	case CMD_STANDBY_IMMEDIATE:
	case CMD_IDLE_IMMEDIATE:
	case CMD_SLEEP:
		ata_command_end(command, ATA_STATUS_READY, 0);
		break;
	default:
		ata_command_abort(command);
	}
}

/* The tray stays where it is; a guest that begins anew has not locked it. */
static void reset(AtaDrive *drive)
{
	AtaCdrom *cdrom = (AtaCdrom *)drive;

	cdrom->sense = sense_none;
	cdrom->event = CDROM_EVENT_NONE;
	cdrom->has_changed = FALSE;
	g_atomic_int_set(&cdrom->is_locked, FALSE);
}

/* Media */

gboolean ata_cdrom_is_open(const AtaDrive *drive)
{
	return g_atomic_int_get(&((const AtaCdrom *)drive)->is_open);
}

gboolean ata_cdrom_is_locked(const AtaDrive *drive)
{
	return g_atomic_int_get(&((const AtaCdrom *)drive)->is_locked);
}

void ata_cdrom_ask_to_eject(AtaDrive *drive)
{
	((AtaCdrom *)drive)->event = CDROM_EVENT_EJECT_REQUEST;
}

void ata_cdrom_change(AtaDrive *drive, BlockBackend *backend)
{
	AtaCdrom *cdrom = (AtaCdrom *)drive;

	move_tray(cdrom, TRUE);
	disk_queue_fail(drive->queue);
	disk_queue_set_backend(drive->queue, backend);
	if (backend)
		move_tray(cdrom, FALSE);
}

static void free_cdrom(AtaDrive *drive)
{
	AtaCdrom *cdrom = (AtaCdrom *)drive;

	disk_queue_free(drive->queue);
	g_free(cdrom->serial);
	g_free(cdrom->model);
	g_free(cdrom);
}

static const AtaDriveOperations operations = {
	.begin = begin,
	.reset = reset,
	.free = free_cdrom,
};

AtaDrive *ata_cdrom_new(const AtaCdromConfig *config)
{
	AtaCdrom *cdrom = g_new0(AtaCdrom, 1);

	cdrom->drive = (AtaDrive){
		.operations = &operations,
		.signature = ATA_SIGNATURE_PACKET,
		.queue = config->queue,
	};
	cdrom->serial = g_strdup(config->serial);
	cdrom->model = g_strdup(config->model);
	cdrom->tray_moved = config->tray_moved;
	cdrom->opaque = config->opaque;
	return &cdrom->drive;
}
