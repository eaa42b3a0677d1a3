/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.c - a hard disk
 *
 * A write that is to be on the disk when it ends (FUA) has a flush behind it. So have the commands
 * with which a guest lets a disk rest or turns its write cache off: it may lose power then.
 */
#include "vmm/ata/disk.h"

#include <string.h>

#include "vmm/ata/disk-identify.h"

enum {
	CMD_DATA_SET_MANAGEMENT = 0x06,
	CMD_READ_SECTORS = 0x20,
	CMD_READ_SECTORS_ONCE = 0x21,
	CMD_READ_SECTORS_EXT = 0x24,
	CMD_READ_DMA_EXT = 0x25,
	CMD_READ_MULTIPLE_EXT = 0x29,
	CMD_READ_LOG_EXT = 0x2f,
	CMD_WRITE_SECTORS = 0x30,
	CMD_WRITE_SECTORS_ONCE = 0x31,
	CMD_WRITE_SECTORS_EXT = 0x34,
	CMD_WRITE_DMA_EXT = 0x35,
	CMD_WRITE_MULTIPLE_EXT = 0x39,
	CMD_WRITE_DMA_FUA_EXT = 0x3d,
	CMD_READ_VERIFY = 0x40,
	CMD_READ_VERIFY_ONCE = 0x41,
	CMD_READ_VERIFY_EXT = 0x42,
	CMD_EXECUTE_DEVICE_DIAGNOSTIC = 0x90,
	CMD_SMART = 0xb0,
	CMD_READ_MULTIPLE = 0xc4,
	CMD_WRITE_MULTIPLE = 0xc5,
	CMD_SET_MULTIPLE_MODE = 0xc6,
	CMD_READ_DMA = 0xc8,
	CMD_READ_DMA_ONCE = 0xc9,
	CMD_WRITE_DMA = 0xca,
	CMD_WRITE_DMA_ONCE = 0xcb,
	CMD_WRITE_MULTIPLE_FUA_EXT = 0xce,
	CMD_STANDBY_IMMEDIATE = 0xe0,
	CMD_IDLE_IMMEDIATE = 0xe1,
	CMD_STANDBY = 0xe2,
	CMD_IDLE = 0xe3,
	CMD_CHECK_POWER_MODE = 0xe5,
	CMD_SLEEP = 0xe6,
	CMD_FLUSH_CACHE = 0xe7,
	CMD_FLUSH_CACHE_EXT = 0xea,
	CMD_IDENTIFY_DEVICE = 0xec,
	CMD_SET_FEATURES = 0xef,
};

/* SET FEATURES */
enum {
	FEATURE_ENABLE_WRITE_CACHE = 0x02,
	FEATURE_TRANSFER_MODE = 0x03,
	FEATURE_DISABLE_LOOK_AHEAD = 0x55,
	FEATURE_KEEP_SETTINGS = 0x66,
	FEATURE_DISABLE_WRITE_CACHE = 0x82,
	FEATURE_ENABLE_LOOK_AHEAD = 0xaa,
	FEATURE_REVERT_SETTINGS = 0xcc,
};

/* SMART: section 7.48 */
enum {
	SMART_READ_DATA = 0xd0,
	SMART_READ_THRESHOLDS = 0xd1,
	SMART_AUTOSAVE = 0xd2,
	SMART_ENABLE = 0xd8,
	SMART_DISABLE = 0xd9,
	SMART_RETURN_STATUS = 0xda,

	SMART_LBA = 0xc24f, /* in LBA bits 23 to 8 */
	SMART_STRUCTURE = 16,
};

enum {
	LOG_DIRECTORY = 0x00,
	LOG_NCQ_ERROR = 0x10,
	LOG_NOT_QUEUED = 1 << 7,
};

enum {
	POWER_STANDBY = 0x00,
	POWER_ACTIVE = 0xff,
};

#define BLOCK	     BLOCK_SECTOR_SIZE
#define DEVICE_LBA   (1u << 6)
#define DEVICE_FUA   (1u << 7)
#define FEATURE_TRIM (1u << 0)
#define RANGE_SIZE   8u
#define MULTIPLE_MAX 16u

typedef struct {
	AtaDrive drive;
	DiskIdentity identity;
	gboolean has_write_cache; /* as the guest has it now */
	gboolean had_write_cache; /* after a reset */
	gboolean has_smart;
	guint8 power;
	guint multiple; /* blocks of READ MULTIPLE that the guest has set */
	guint8 ncq_error[BLOCK];
} AtaDisk;

static AtaDisk *disk_of(const AtaCommand *command)
{
	return (AtaDisk *)command->drive;
}

/* Ends */

static void end_well(AtaCommand *command)
{
	ata_command_end(command, ATA_STATUS_READY, 0);
}

static guint8 checksum(const guint8 *block)
{
	guint8 sum = 0;

	for (guint i = 0; i + 1 < BLOCK; i++)
		sum += block[i];
	return (guint8)-sum;
}

/* What a guest asks for when a queued command has failed: section 9.12. */
static void note_ncq_error(const AtaCommand *command, guint8 error)
{
	guint8 *log = disk_of(command)->ncq_error;

	memset(log, 0, BLOCK);
	log[0] = command->in.count >> 3 & 31;
	log[2] = ATA_STATUS_READY | ATA_STATUS_ERR;
	log[3] = error;
	for (guint i = 0; i < 3; i++) {
		log[4 + i] = (guint8)(command->out.lba >> i * 8);
		log[8 + i] = (guint8)(command->out.lba >> (24 + i * 8));
	}
	log[7] = command->in.device;
	log[12] = (guint8)command->in.count;
	log[13] = (guint8)(command->in.count >> 8);
	log[BLOCK - 1] = checksum(log);
}

static void fail(AtaCommand *command, guint8 error)
{
	if (command->is_queued)
		note_ncq_error(command, error);
	ata_command_end(command, ATA_STATUS_READY | ATA_STATUS_ERR, error);
}

/* Flushes */

static void flush_ended(DiskTransfer *transfer, DiskTransferEnd how)
{
	AtaCommand *command = transfer->opaque;

	if (how == DISK_TRANSFER_DONE)
		end_well(command);
	else
		fail(command, ATA_ERROR_ABRT);
}

static void flush(AtaCommand *command)
{
	ata_command_transfer(command, command->drive->queue, BLOCK_FLUSH, 0, 0, flush_ended);
}

/* Reading and writing */

static void data_ended(DiskTransfer *transfer, DiskTransferEnd how)
{
	AtaCommand *command = transfer->opaque;
	const gboolean is_write = transfer->operation == BLOCK_WRITE;

	switch (how) {
	case DISK_TRANSFER_LOST:
		ata_command_lose(command);
		break;
	case DISK_TRANSFER_FAILED:
		command->done = 0;
		fail(command, is_write ? ATA_ERROR_ABRT : ATA_ERROR_UNC);
		break;
	case DISK_TRANSFER_DONE:
		if (is_write && command->needs_flush && disk_of(command)->has_write_cache)
			flush(command);
		else
			end_well(command);
		break;
	}
}

static guint64 count_blocks(const AtaDisk *disk)
{
	return block_backend_limits(disk_queue_backend(disk->drive.queue))->size / BLOCK;
}

static gboolean is_on_disk(const AtaDisk *disk, guint64 lba, guint64 count)
{
	const guint64 blocks = count_blocks(disk);

	return lba <= blocks && count <= blocks - lba;
}

static void move(AtaCommand *command, BlockOperation operation, guint64 lba, guint64 count)
{
	AtaDisk *disk = disk_of(command);

	if (!(command->in.device & DEVICE_LBA)) {
		fail(command, ATA_ERROR_ABRT);
		return;
	}
	if (!is_on_disk(disk, lba, count)) {
		fail(command, ATA_ERROR_IDNF);
		return;
	}
	disk->power = POWER_ACTIVE;
	ata_command_transfer(command, command->drive->queue, operation, lba * BLOCK, count * BLOCK,
			     data_ended);
}

/* Registers of 28 bits, and a count of which 0 is the largest. */
static void get_short(const AtaCommand *command, guint64 *lba, guint64 *count)
{
	*lba = (command->in.lba & 0xffffff) | (guint64)(command->in.device & 0xf) << 24;
	*count = command->in.count & 0xff ? command->in.count & 0xff : 256;
}

static void get_long(const AtaCommand *command, guint64 *lba, guint64 *count)
{
	*lba = command->in.lba;
	*count = command->in.count ? command->in.count : 65536;
}

static void move_short(AtaCommand *command, BlockOperation operation)
{
	guint64 lba, count;

	get_short(command, &lba, &count);
	move(command, operation, lba, count);
}

static void move_long(AtaCommand *command, BlockOperation operation)
{
	guint64 lba, count;

	get_long(command, &lba, &count);
	move(command, operation, lba, count);
}

static void move_queued(AtaCommand *command, BlockOperation operation)
{
	command->needs_flush = (command->in.device & DEVICE_FUA) != 0;
	move(command, operation, command->in.lba,
	     command->in.feature ? command->in.feature : 65536);
}

/* Nobody asks the image: what cannot be read is an error when it is. */
static void verify(AtaCommand *command, guint64 lba, guint64 count)
{
	if (is_on_disk(disk_of(command), lba, count))
		end_well(command);
	else
		fail(command, ATA_ERROR_IDNF);
}

static void verify_short(AtaCommand *command)
{
	guint64 lba, count;

	get_short(command, &lba, &count);
	verify(command, lba, count);
}

static void verify_long(AtaCommand *command)
{
	guint64 lba, count;

	get_long(command, &lba, &count);
	verify(command, lba, count);
}

/* DATA SET MANAGEMENT: ranges that the guest does not need any more, one after the other */

static void trim_ended(DiskTransfer *transfer, DiskTransferEnd how);

/* Return: FALSE at the end of the ranges. */
static gboolean next_range(AtaCommand *command, guint64 *lba, guint64 *count)
{
	while (command->block < command->n_parameters / RANGE_SIZE) {
		const guint8 *at = command->parameters + command->block++ * RANGE_SIZE;
		guint64 range;

		memcpy(&range, at, sizeof(range));
		range = GUINT64_FROM_LE(range);
		*lba = range & 0xffffffffffffull;
		*count = range >> 48;
		if (*count > 0)
			return TRUE;
	}
	return FALSE;
}

static void trim_next(AtaCommand *command)
{
	guint64 lba, count;

	if (next_range(command, &lba, &count))
		ata_command_transfer(command, command->drive->queue, BLOCK_DISCARD, lba * BLOCK,
				     count * BLOCK, trim_ended);
	else
		end_well(command);
}

static void trim_ended(DiskTransfer *transfer, DiskTransferEnd how)
{
	AtaCommand *command = transfer->opaque;

	if (how == DISK_TRANSFER_DONE)
		trim_next(command);
	else
		fail(command, ATA_ERROR_ABRT);
}

static void trim(AtaCommand *command)
{
	AtaDisk *disk = disk_of(command);
	guint64 lba, count;

	if (!disk->identity.can_trim || command->in.feature != FEATURE_TRIM ||
	    command->in.count == 0 || command->in.count > DISK_TRIM_BLOCKS) {
		ata_command_abort(command);
		return;
	}
	command->n_parameters = command->in.count * (gsize)BLOCK;
	command->parameters = g_malloc(command->n_parameters);
	if (!ata_command_take(command, command->parameters, command->n_parameters))
		return;
	while (next_range(command, &lba, &count)) {
		if (!is_on_disk(disk, lba, count)) {
			fail(command, ATA_ERROR_IDNF);
			return;
		}
	}
	command->block = 0;
	trim_next(command);
}

/* What the disk says of itself */

static void reply_block(AtaCommand *command, const guint8 *block)
{
	command->is_pio = TRUE;
	ata_command_reply(command, block, BLOCK);
	end_well(command);
}

static void identify(AtaCommand *command)
{
	const AtaDisk *disk = disk_of(command);
	guint8 words[DISK_IDENTITY_SIZE];
	DiskIdentity identity = disk->identity;

	identity.blocks = count_blocks(disk);
	identity.has_write_cache = disk->has_write_cache;
	identity.has_smart = disk->has_smart;
	identity.multiple = disk->multiple;
	disk_identify(&identity, words);
	reply_block(command, words);
}

static void read_log(AtaCommand *command)
{
	const AtaDisk *disk = disk_of(command);
	const guint page = (command->in.lba >> 8 & 0xff) | (command->in.lba >> 32 & 0xff) << 8;
	guint8 block[BLOCK] = { 0 };

	if (command->in.count != 1 || page != 0) {
		ata_command_abort(command);
		return;
	}
	switch (command->in.lba & 0xff) {
	case LOG_DIRECTORY:
		/* Its version, and one page of the other log. */
		ata_put_word(block, 0, 1);
		ata_put_word(block, LOG_NCQ_ERROR, 1);
		reply_block(command, block);
		break;
	case LOG_NCQ_ERROR:
		reply_block(command, disk->ncq_error);
		break;
	default:
		ata_command_abort(command);
	}
}

static void read_smart_data(AtaCommand *command)
{
	guint8 block[BLOCK] = { SMART_STRUCTURE };

	block[BLOCK - 1] = checksum(block);
	reply_block(command, block);
}

static void smart(AtaCommand *command)
{
	AtaDisk *disk = disk_of(command);
	const guint feature = command->in.feature & 0xff;

	if ((command->in.lba >> 8 & 0xffff) != SMART_LBA ||
	    (!disk->has_smart && feature != SMART_ENABLE)) {
		ata_command_abort(command);
		return;
	}
	switch (feature) {
	case SMART_READ_DATA:
	case SMART_READ_THRESHOLDS:
		read_smart_data(command);
		break;
	case SMART_ENABLE:
	case SMART_DISABLE:
		disk->has_smart = feature == SMART_ENABLE;
		end_well(command);
		break;
	case SMART_AUTOSAVE:
	case SMART_RETURN_STATUS:
		/* It is well: the registers are as they came. */
		end_well(command);
		break;
	default:
		ata_command_abort(command);
	}
}

/* What the guest sets */

static void set_write_cache(AtaDisk *disk, gboolean has_write_cache)
{
	disk->has_write_cache = has_write_cache;
	block_backend_set_write_cache(disk_queue_backend(disk->drive.queue), has_write_cache);
}

static void set_features(AtaCommand *command)
{
	switch (command->in.feature & 0xff) {
	case FEATURE_ENABLE_WRITE_CACHE:
		set_write_cache(disk_of(command), TRUE);
		end_well(command);
		break;
	case FEATURE_DISABLE_WRITE_CACHE:
		set_write_cache(disk_of(command), FALSE);
		flush(command);
		break;
	case FEATURE_TRANSFER_MODE:
	case FEATURE_DISABLE_LOOK_AHEAD:
	case FEATURE_ENABLE_LOOK_AHEAD:
	case FEATURE_KEEP_SETTINGS:
	case FEATURE_REVERT_SETTINGS:
		end_well(command);
		break;
	default:
		ata_command_abort(command);
	}
}

static void set_multiple(AtaCommand *command)
{
	const guint count = command->in.count & 0xff;

	if (count > MULTIPLE_MAX || (count & (count - 1))) {
		ata_command_abort(command);
		return;
	}
	disk_of(command)->multiple = count;
	end_well(command);
}

static void set_power(AtaCommand *command, guint8 power)
{
	disk_of(command)->power = power;
	if (power == POWER_STANDBY)
		flush(command);
	else
		end_well(command);
}

static void check_power(AtaCommand *command)
{
	command->out.count = disk_of(command)->power;
	end_well(command);
}

/* The registers are a signature then. */
static void diagnose(AtaCommand *command)
{
	command->out = (AtaRegisters){ .lba = ATA_SIGNATURE_DISK >> 8, .count = 1 };
	ata_command_end(command, ATA_STATUS_READY, ATA_ERROR_DIAGNOSTIC);
}

/* Commands */

static void begin_data(AtaCommand *command)
{
	switch (command->in.command) {
	case CMD_READ_SECTORS:
	case CMD_READ_SECTORS_ONCE:
	case CMD_READ_MULTIPLE:
		command->is_pio = TRUE;
		move_short(command, BLOCK_READ);
		break;
	case CMD_READ_DMA:
	case CMD_READ_DMA_ONCE:
		move_short(command, BLOCK_READ);
		break;
	case CMD_WRITE_SECTORS:
	case CMD_WRITE_SECTORS_ONCE:
	case CMD_WRITE_MULTIPLE:
	case CMD_WRITE_DMA:
	case CMD_WRITE_DMA_ONCE:
		move_short(command, BLOCK_WRITE);
		break;
	case CMD_READ_SECTORS_EXT:
	case CMD_READ_MULTIPLE_EXT:
		command->is_pio = TRUE;
		move_long(command, BLOCK_READ);
		break;
	case CMD_READ_DMA_EXT:
		move_long(command, BLOCK_READ);
		break;
	case CMD_WRITE_DMA_FUA_EXT:
	case CMD_WRITE_MULTIPLE_FUA_EXT:
		command->needs_flush = TRUE;
		move_long(command, BLOCK_WRITE);
		break;
	case CMD_WRITE_SECTORS_EXT:
	case CMD_WRITE_MULTIPLE_EXT:
	case CMD_WRITE_DMA_EXT:
		move_long(command, BLOCK_WRITE);
		break;
	case ATA_READ_FPDMA_QUEUED:
		move_queued(command, BLOCK_READ);
		break;
	case ATA_WRITE_FPDMA_QUEUED:
		move_queued(command, BLOCK_WRITE);
		break;
	default:
		ata_command_abort(command);
	}
}

static void begin(AtaDrive *drive, AtaCommand *command)
{
	(void)drive;
	switch (command->in.command) {
	case CMD_DATA_SET_MANAGEMENT:
		trim(command);
		break;
	case CMD_READ_VERIFY:
	case CMD_READ_VERIFY_ONCE:
		verify_short(command);
		break;
	case CMD_READ_VERIFY_EXT:
		verify_long(command);
		break;
	case CMD_READ_LOG_EXT:
		read_log(command);
		break;
	case CMD_EXECUTE_DEVICE_DIAGNOSTIC:
		diagnose(command);
		break;
	case CMD_SMART:
		smart(command);
		break;
	case CMD_SET_MULTIPLE_MODE:
		set_multiple(command);
		break;
	case CMD_STANDBY_IMMEDIATE:
	case CMD_STANDBY:
	case CMD_SLEEP:
		set_power(command, POWER_STANDBY);
		break;
	case CMD_IDLE_IMMEDIATE:
	case CMD_IDLE:
		set_power(command, POWER_ACTIVE);
		break;
	case CMD_CHECK_POWER_MODE:
		check_power(command);
		break;
	case CMD_FLUSH_CACHE:
	case CMD_FLUSH_CACHE_EXT:
		flush(command);
		break;
	case CMD_IDENTIFY_DEVICE:
		identify(command);
		break;
	case CMD_SET_FEATURES:
		set_features(command);
		break;
	default:
		begin_data(command);
	}
}

/* Life */

static void reset(AtaDrive *drive)
{
	AtaDisk *disk = (AtaDisk *)drive;

	set_write_cache(disk, disk->had_write_cache);
	disk->has_smart = TRUE;
	disk->power = POWER_ACTIVE;
	disk->multiple = MULTIPLE_MAX;
	memset(disk->ncq_error, 0, sizeof(disk->ncq_error));
	disk->ncq_error[0] = LOG_NOT_QUEUED;
	disk->ncq_error[BLOCK - 1] = checksum(disk->ncq_error);
}

static void free_disk(AtaDrive *drive)
{
	AtaDisk *disk = (AtaDisk *)drive;

	disk_queue_free(drive->queue);
	g_free(disk->identity.serial);
	g_free(disk->identity.model);
	g_free(disk);
}

static const AtaDriveOperations operations = {
	.begin = begin,
	.reset = reset,
	.free = free_disk,
};

AtaDrive *ata_disk_new(const AtaDiskConfig *config)
{
	const BlockBackend *backend = disk_queue_backend(config->queue);
	const BlockLimits *limits = block_backend_limits(backend);
	AtaDisk *disk = g_new0(AtaDisk, 1);

	disk->drive = (AtaDrive){
		.operations = &operations,
		.signature = ATA_SIGNATURE_DISK,
		.ready_status = ATA_STATUS_READY,
		.has_queue = TRUE,
		.queue = config->queue,
	};
	disk->identity = (DiskIdentity){
		.serial = g_strdup(config->serial),
		.model = g_strdup(config->model),
		.wwn = config->wwn,
		.physical_block_size = config->physical_block_size ?
					       config->physical_block_size :
					       MAX(limits->physical_block_size, BLOCK),
		.can_trim = block_backend_discards(backend),
	};
	disk->had_write_cache = config->has_write_cache;
	reset(&disk->drive);
	return &disk->drive;
}
