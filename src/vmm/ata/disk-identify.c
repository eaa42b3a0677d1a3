/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-identify.c - what a hard disk says of itself */
#include "vmm/ata/disk-identify.h"

#include <string.h>

#include "vmm/ata/ata.h"
#include "vmm/ata/disk.h"

#define FIRMWARE      "1.0"
#define FIRMWARE_SIZE 8u

/* What 28 bits of address reach. */
#define BLOCKS_28_MAX 0x0fffffffull

/* Geometry as it is made up for disks that are larger. */
#define CYLINDERS_MAX 16383u
#define HEADS	      16u
#define SECTORS	      63u

enum {
	FIXED_DRIVE = 1 << 6,
	MULTIPLE_MAX = 16,
	MULTIPLE_VALID = 1 << 8,
	CAPABILITIES_LBA_DMA = 1 << 9 | 1 << 8,
	IORDY = 1 << 11 | 1 << 10,
	STANDBY_TIMERS = 1 << 13,
	ALWAYS_ONE = 1 << 14,	       /* of words 49 and the like, which are valid with it */
	WORDS_VALID = 1 << 2 | 1 << 1, /* 88 and 64 to 70 */
	MULTIWORD_DMA = 7,
	PIO_MODES = 3,
	PIO_CYCLE = 120,		/* nanoseconds */
	ULTRA_DMA_SET = 1 << 13 | 0x3f, /* mode 5 */
	QUEUE_DEPTH = 31,		/* less one */
	SATA_SPEEDS = 7 << 1,
	SATA_NCQ = 1 << 8,
	VERSIONS = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9, /* up to ACS-2 */
	ACS_3 = 1 << 10,
	ROTATES_NOT = 1,
	TRANSPORT_SATA = 1 << 12 | 0x3f,

	COMMANDS_SMART = 1 << 0,
	COMMANDS_POWER = 1 << 3,
	COMMANDS_WRITE_CACHE = 1 << 5,
	COMMANDS_LOOK_AHEAD = 1 << 6,

	COMMANDS_48_BIT = 1 << 10,
	COMMANDS_FLUSH = 1 << 12,
	COMMANDS_FLUSH_EXT = 1 << 13,

	COMMANDS_LOGS = 1 << 5,
	COMMANDS_FUA = 1 << 6,
	COMMANDS_WWN = 1 << 8,

	PHYSICAL_LARGER = 1 << 13,
};

static void put_number(guint8 *words, guint word, guint64 value, guint count)
{
	for (guint i = 0; i < count; i++)
		ata_put_word(words, word + i, (guint16)(value >> i * 16));
}

static void put_geometry(const DiskIdentity *identity, guint8 *words)
{
	const guint64 cylinders = identity->blocks / (HEADS * SECTORS);

	ata_put_word(words, 1, (guint16)MIN(cylinders, CYLINDERS_MAX));
	ata_put_word(words, 3, HEADS);
	ata_put_word(words, 6, SECTORS);
}

static void put_modes(const DiskIdentity *identity, guint8 *words)
{
	ata_put_word(words, 47, 0x8000 | MULTIPLE_MAX);
	ata_put_word(words, 49, CAPABILITIES_LBA_DMA | IORDY | STANDBY_TIMERS);
	ata_put_word(words, 50, ALWAYS_ONE);
	ata_put_word(words, 53, WORDS_VALID);
	if (identity->multiple > 0)
		ata_put_word(words, 59, (guint16)(MULTIPLE_VALID | identity->multiple));
	ata_put_word(words, 63, MULTIWORD_DMA);
	ata_put_word(words, 64, PIO_MODES);
	for (guint word = 65; word <= 68; word++)
		ata_put_word(words, word, PIO_CYCLE);
	ata_put_word(words, 88, ULTRA_DMA_SET);
}

static void put_commands(const DiskIdentity *identity, guint8 *words)
{
	const guint16 has_wwn = identity->wwn ? COMMANDS_WWN : 0;
	const guint16 plain = COMMANDS_POWER | COMMANDS_LOOK_AHEAD;
	const guint16 longer = COMMANDS_48_BIT | COMMANDS_FLUSH | COMMANDS_FLUSH_EXT;
	const guint16 logs = ALWAYS_ONE | COMMANDS_LOGS | COMMANDS_FUA | has_wwn;

	ata_put_word(words, 80, VERSIONS | ACS_3);
	/* What it has, and what of it is on. */
	ata_put_word(words, 82, plain | COMMANDS_SMART | COMMANDS_WRITE_CACHE);
	ata_put_word(words, 83, ALWAYS_ONE | longer);
	ata_put_word(words, 84, logs);
	ata_put_word(words, 85,
		     plain | (identity->has_smart ? COMMANDS_SMART : 0) |
			     (identity->has_write_cache ? COMMANDS_WRITE_CACHE : 0));
	ata_put_word(words, 86, longer);
	ata_put_word(words, 87, logs);
}

/* How many blocks of 512 bytes there are in a physical one: an exponent of 2. */
static guint16 physical_exponent(const DiskIdentity *identity)
{
	guint16 exponent = 0;

	while (BLOCK_SECTOR_SIZE << (exponent + 1u) <= identity->physical_block_size &&
	       exponent < 15)
		exponent++;
	return exponent;
}

static void put_size(const DiskIdentity *identity, guint8 *words)
{
	const guint16 exponent = physical_exponent(identity);

	put_number(words, 60, MIN(identity->blocks, BLOCKS_28_MAX), 2);
	put_number(words, 100, identity->blocks, 4);
	ata_put_word(words, 106, ALWAYS_ONE | (exponent ? PHYSICAL_LARGER | exponent : 0));
}

static void put_wwn(guint64 wwn, guint8 *words)
{
	for (guint i = 0; i < 4; i++)
		ata_put_word(words, 108 + i, (guint16)(wwn >> (48 - i * 16)));
}

void disk_identify(const DiskIdentity *identity, guint8 words[DISK_IDENTITY_SIZE])
{
	guint8 sum = 0;

	memset(words, 0, DISK_IDENTITY_SIZE);
	ata_put_word(words, 0, FIXED_DRIVE);
	put_geometry(identity, words);
	ata_put_text(words + 10 * 2, identity->serial, ATA_SERIAL_SIZE);
	ata_put_text(words + 23 * 2, FIRMWARE, FIRMWARE_SIZE);
	ata_put_text(words + 27 * 2, identity->model, ATA_MODEL_SIZE);
	put_modes(identity, words);
	ata_put_word(words, 75, QUEUE_DEPTH);
	ata_put_word(words, 76, SATA_NCQ | SATA_SPEEDS);
	put_commands(identity, words);
	put_size(identity, words);
	put_wwn(identity->wwn, words);
	if (identity->can_trim) {
		ata_put_word(words, 105, DISK_TRIM_BLOCKS);
		ata_put_word(words, 169, 1);
	}
	ata_put_word(words, 217, ROTATES_NOT);
	ata_put_word(words, 222, TRANSPORT_SATA);
	/* An integrity word: the block's bytes come to 0. */
	words[510] = 0xa5;
	for (guint i = 0; i < DISK_IDENTITY_SIZE - 1; i++)
		sum += words[i];
	words[511] = (guint8)-sum;
}
