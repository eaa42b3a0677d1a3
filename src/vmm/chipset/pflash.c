/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pflash.c - one unit of flash memory: Common Flash Interface, Intel's command set
 *
 * Theory of operation
 *
 * What a read returns depends on the mode: the content, the status register, identifiers or
 * the CFI table. A write is a command, or the next cycle of the command before it. An access
 * of the guest is one cycle however wide it is, as in QEMU's unit: the lowest byte is the
 * command, all bytes are data. The internal state machine takes no time, so that no command
 * ever finds it busy.
 *
 * Two things are QEMU's rather than a chip's, since firmware is tested with nothing else. The
 * ready bit is cleared with the error bits, until the next command that works: by a status
 * of zero does OVMF tell flash from RAM and ROM. And programming stores what is written,
 * where a chip could only turn ones into zeroes.
 *
 * Durability. OVMF programs byte by byte and goes back to read-array mode at the end of a
 * piece, which may have thousands. To store each byte alone would take minutes. So bytes are
 * collected as long as the guest does nothing else than program more of the same block; it
 * cannot tell how far it is until it reads something or gives another command, and the store
 * comes before that. Erasing and buffered programming, which are large by themselves, are
 * stored when they are confirmed. In short: at each moment the stored content is what the
 * guest made of it up to a point of its own order, and nothing that it was told is done lies
 * behind that point. This is what the variable driver of OVMF and its fault-tolerant writes
 * need, which order their writes so that a cut anywhere leaves the old or the new state. One
 * store may be torn, as programming is by a power cut: it is within one block and within one
 * piece of the guest's, whose validity the guest marks by a later piece.
 *
 * Where a store fails, the block goes back to what it was and the unit refuses to change
 * anything more until the guest has read the error bit and clears it, or resets. A guest that
 * does not look, as OVMF, so keeps the state of before the failure instead of a later write
 * without an earlier one.
 */
#include "vmm/chipset/pflash.h"

#include <string.h>

#define BUFFER_SIZE 256u /* a divisor of the block, so that a buffer lies in one */
#define ERASED	    0xff

enum {
	COMMAND_PROGRAM_ALTERNATE = 0x10,
	COMMAND_ERASE = 0x20,
	COMMAND_PROGRAM = 0x40,
	COMMAND_CLEAR_STATUS = 0x50,
	COMMAND_LOCK = 0x60,
	COMMAND_READ_STATUS = 0x70,
	COMMAND_READ_ID = 0x90,
	COMMAND_CFI_QUERY = 0x98,
	COMMAND_CONFIRM = 0xd0,
	COMMAND_WRITE_BUFFER = 0xe8,
	COMMAND_READ_ARRAY = 0xff,
};

/* The second cycle of COMMAND_LOCK; COMMAND_CONFIRM unlocks. */
enum {
	LOCK_BLOCK = 0x01,
	LOCK_DOWN_BLOCK = 0x2f,
};

enum {
	STATUS_LOCKED = 1 << 1,
	STATUS_PROGRAM_ERROR = 1 << 4,
	STATUS_ERASE_ERROR = 1 << 5,
	STATUS_READY = 1 << 7,

	STATUS_SEQUENCE_ERROR = STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR,
};

typedef enum {
	MODE_ARRAY,
	MODE_STATUS,
	MODE_ID,
	MODE_CFI,
} Mode;

/* Which cycle the next write is. */
typedef enum {
	CYCLE_COMMAND,
	CYCLE_PROGRAM,
	CYCLE_ERASE_CONFIRM,
	CYCLE_LOCK,
	CYCLE_BUFFER_COUNT,
	CYCLE_BUFFER_DATA,
	CYCLE_BUFFER_CONFIRM,
} Cycle;

struct Pflash {
	guint8 *content;
	gsize size;
	gboolean is_readonly;
	const PflashHost *host;
	void *opaque;

	Mode mode;
	Cycle cycle;
	guint8 status;
	gboolean is_failed; /* a store; until the guest has seen it and clears the status */
	gboolean is_failure_seen;

	/* What has changed and is not stored: a range of one block; none where equal. */
	guint64 dirty_start;
	guint64 dirty_end;
	guint8 before[PFLASH_BLOCK_SIZE]; /* its block before the first change */

	guint8 buffer[BUFFER_SIZE];
	guint64 buffer_start; /* in the content */
	guint buffer_cycles;  /* of data still to come */
	gboolean is_buffer_loaded;
	gboolean is_buffer_valid; /* no data cycle missed the buffer */
};

/* The CFI table: a byte an address, again and again every 256. */
enum {
	CFI_EXTENDED = 0x31,
	CFI_END = 0x40,
	CFI_REPEAT = 0x100,
};

static const guint8 cfi_table[CFI_END] = {
	[0x10] = 'Q',
	[0x11] = 'R',
	[0x12] = 'Y',
	[0x13] = 0x01, /* command set 0001 */
	[0x15] = CFI_EXTENDED,
	[0x1b] = 0x45, /* supply: 4.5 V to 5.5 V */
	[0x1c] = 0x55,
	[0x1f] = 0x07, /* typical times: 128 us to program a byte, */
	[0x20] = 0x07, /* 128 us for a buffer, */
	[0x21] = 0x0a, /* 1024 ms to erase a block; */
	[0x23] = 0x04, /* at most sixteen times that, each */
	[0x24] = 0x04,
	[0x25] = 0x04,
	[0x28] = 0x00, /* an interface of eight bits */
	[0x2a] = 8,    /* two to the power of this: BUFFER_SIZE */
	[0x2c] = 1,    /* regions of blocks of equal size */
	[0x2f] = PFLASH_BLOCK_SIZE / 256 % 256,
	[0x30] = PFLASH_BLOCK_SIZE / 256 / 256,
	[CFI_EXTENDED] = 'P',
	[CFI_EXTENDED + 1] = 'R',
	[CFI_EXTENDED + 2] = 'I',
	[CFI_EXTENDED + 3] = '1',
	[CFI_EXTENDED + 4] = '0',
	[CFI_EXTENDED + 0xe] = 1, /* protection registers: Linux takes this as at least one */
};

G_STATIC_ASSERT(BUFFER_SIZE == 1u << 8);
G_STATIC_ASSERT(PFLASH_BLOCK_SIZE % BUFFER_SIZE == 0);

static guint8 cfi_byte(const Pflash *pflash, guint64 address)
{
	guint last_block = pflash->size / PFLASH_BLOCK_SIZE - 1;

	switch (address) {
	case 0x27: /* the size as a power of two, not less than it is */
		return g_bit_storage(pflash->size - 1);
	case 0x2d:
		return last_block;
	case 0x2e:
		return last_block >> 8;
	default:
		return address < CFI_END ? cfi_table[address] : 0;
	}
}

static guint64 block_start(guint64 offset)
{
	return offset - offset % PFLASH_BLOCK_SIZE;
}

static gboolean is_dirty(const Pflash *pflash)
{
	return pflash->dirty_start < pflash->dirty_end;
}

void pflash_flush(Pflash *pflash)
{
	guint64 start = pflash->dirty_start, end = pflash->dirty_end;

	if (!is_dirty(pflash))
		return;
	pflash->dirty_start = pflash->dirty_end = 0;
	if (pflash->host->store(pflash->opaque, start, end - start))
		return;
	memcpy(pflash->content + block_start(start), pflash->before, PFLASH_BLOCK_SIZE);
	pflash->is_failed = TRUE;
	pflash->is_failure_seen = FALSE;
	pflash->status |= STATUS_PROGRAM_ERROR;
}

/* Whether the unit takes changes; where not, the status says so with @error_bit. */
static gboolean may_change(Pflash *pflash, guint8 error_bit)
{
	pflash->status |= STATUS_READY;
	if (pflash->is_readonly)
		pflash->status |= error_bit | STATUS_LOCKED;
	else if (pflash->is_failed)
		pflash->status |= error_bit;
	return !pflash->is_readonly && !pflash->is_failed;
}

/* Changes a part of one block; the caller says when it is stored. */
static void change(Pflash *pflash, guint64 offset, const guint8 *data, gsize size)
{
	guint64 block = block_start(offset);

	if (memcmp(pflash->content + offset, data, size) == 0)
		return;
	if (!is_dirty(pflash)) {
		memcpy(pflash->before, pflash->content + block, PFLASH_BLOCK_SIZE);
		pflash->dirty_start = offset;
		pflash->dirty_end = offset + size;
	} else {
		pflash->dirty_start = MIN(pflash->dirty_start, offset);
		pflash->dirty_end = MAX(pflash->dirty_end, offset + size);
	}
	memcpy(pflash->content + offset, data, size);
}

/* As change(), after what is collected of another block has been stored. */
static void program(Pflash *pflash, guint64 offset, const guint8 *data, gsize size)
{
	if (is_dirty(pflash) && block_start(pflash->dirty_start) != block_start(offset))
		pflash_flush(pflash);
	if (may_change(pflash, STATUS_PROGRAM_ERROR))
		change(pflash, offset, data, size);
}

/* A wide access may lie in two blocks. */
static void program_access(Pflash *pflash, guint64 offset, guint size, guint64 value)
{
	guint64 bytes = GUINT64_TO_LE(value);
	const guint8 *data = (const guint8 *)&bytes;
	guint here = MIN(size, PFLASH_BLOCK_SIZE - offset % PFLASH_BLOCK_SIZE);

	program(pflash, offset, data, here);
	if (here < size)
		program(pflash, offset + here, data + here, size - here);
}

static void erase_block(Pflash *pflash, guint64 offset)
{
	guint8 erased[PFLASH_BLOCK_SIZE];

	if (!may_change(pflash, STATUS_ERASE_ERROR))
		return;
	memset(erased, ERASED, sizeof(erased));
	change(pflash, block_start(offset), erased, sizeof(erased));
	pflash_flush(pflash);
	if (pflash->is_failed)
		pflash->status |= STATUS_ERASE_ERROR;
}

static void set_mode(Pflash *pflash, Mode mode)
{
	gboolean was_array = pflash->mode == MODE_ARRAY, is_array = mode == MODE_ARRAY;

	pflash->mode = mode;
	if (was_array != is_array)
		pflash->host->set_readable(pflash->opaque, is_array);
}

static void expect(Pflash *pflash, Cycle cycle)
{
	set_mode(pflash, MODE_STATUS);
	pflash->cycle = cycle;
}

static void clear_status(Pflash *pflash)
{
	set_mode(pflash, MODE_ARRAY);
	if (pflash->is_failed && !pflash->is_failure_seen)
		return;
	pflash->status = 0;
	pflash->is_failed = FALSE;
}

static void take_command(Pflash *pflash, guint8 command)
{
	if (command != COMMAND_PROGRAM && command != COMMAND_PROGRAM_ALTERNATE)
		pflash_flush(pflash);
	switch (command) {
	case COMMAND_PROGRAM:
	case COMMAND_PROGRAM_ALTERNATE:
		expect(pflash, CYCLE_PROGRAM);
		break;
	case COMMAND_ERASE:
		expect(pflash, CYCLE_ERASE_CONFIRM);
		break;
	case COMMAND_WRITE_BUFFER:
		pflash->status |= STATUS_READY;
		expect(pflash, CYCLE_BUFFER_COUNT);
		break;
	case COMMAND_LOCK:
		expect(pflash, CYCLE_LOCK);
		break;
	case COMMAND_CLEAR_STATUS:
		clear_status(pflash);
		break;
	case COMMAND_READ_STATUS:
		set_mode(pflash, MODE_STATUS);
		break;
	case COMMAND_READ_ID:
		set_mode(pflash, MODE_ID);
		break;
	case COMMAND_CFI_QUERY:
		set_mode(pflash, MODE_CFI);
		break;
	case COMMAND_READ_ARRAY:
	default: /* also a probe for another command set, which wants the content back */
		set_mode(pflash, MODE_ARRAY);
		break;
	}
}

/* A second cycle that the command does not have: read-array gives up, others are wrong. */
static void break_off(Pflash *pflash, guint8 command)
{
	if (command == COMMAND_READ_ARRAY)
		set_mode(pflash, MODE_ARRAY);
	else
		pflash->status |= STATUS_READY | STATUS_SEQUENCE_ERROR;
}

static void start_buffer(Pflash *pflash, guint8 count)
{
	pflash->buffer_cycles = count + 1u;
	pflash->is_buffer_loaded = FALSE;
	pflash->is_buffer_valid = TRUE;
	pflash->cycle = CYCLE_BUFFER_DATA;
}

/* The first data says which buffer it is; bytes that are not written keep their content. */
static void load_buffer(Pflash *pflash, guint64 offset)
{
	pflash->buffer_start = offset - offset % BUFFER_SIZE;
	memcpy(pflash->buffer, pflash->content + pflash->buffer_start, BUFFER_SIZE);
	pflash->is_buffer_loaded = TRUE;
}

static void fill_buffer(Pflash *pflash, guint64 offset, guint size, guint64 value)
{
	guint64 bytes = GUINT64_TO_LE(value);

	if (!pflash->is_buffer_loaded)
		load_buffer(pflash, offset);
	if (offset < pflash->buffer_start ||
	    offset - pflash->buffer_start > (guint64)BUFFER_SIZE - size)
		pflash->is_buffer_valid = FALSE;
	else
		memcpy(pflash->buffer + (offset - pflash->buffer_start), &bytes, size);
	if (--pflash->buffer_cycles == 0)
		pflash->cycle = CYCLE_BUFFER_CONFIRM;
}

static void confirm_buffer(Pflash *pflash, guint8 command)
{
	if (command != COMMAND_CONFIRM) {
		break_off(pflash, command);
	} else if (!pflash->is_buffer_valid) {
		pflash->status |= STATUS_READY | STATUS_PROGRAM_ERROR;
	} else {
		program(pflash, pflash->buffer_start, pflash->buffer, BUFFER_SIZE);
		pflash_flush(pflash);
	}
}

static void take_lock(Pflash *pflash, guint8 command)
{
	/* Blocks have no locks; that they were set or cleared is what drivers want to hear. */
	if (command == LOCK_BLOCK || command == LOCK_DOWN_BLOCK || command == COMMAND_CONFIRM)
		pflash->status |= STATUS_READY;
	else
		break_off(pflash, command);
}

static void pflash_write(void *device, guint64 offset, guint size, guint64 value)
{
	Pflash *pflash = device;
	Cycle cycle = pflash->cycle;

	g_assert(size <= pflash->size && offset <= pflash->size - size);
	if (cycle != CYCLE_BUFFER_DATA)
		pflash->cycle = CYCLE_COMMAND;
	switch (cycle) {
	case CYCLE_COMMAND:
		take_command(pflash, value);
		break;
	case CYCLE_PROGRAM:
		program_access(pflash, offset, size, value);
		break;
	case CYCLE_ERASE_CONFIRM:
		if ((guint8)value == COMMAND_CONFIRM)
			erase_block(pflash, offset);
		else
			break_off(pflash, value);
		break;
	case CYCLE_LOCK:
		take_lock(pflash, value);
		break;
	case CYCLE_BUFFER_COUNT:
		start_buffer(pflash, value);
		break;
	case CYCLE_BUFFER_DATA:
		fill_buffer(pflash, offset, size, value);
		break;
	case CYCLE_BUFFER_CONFIRM:
		confirm_buffer(pflash, value);
		break;
	}
}

static guint8 read_byte(const Pflash *pflash, guint64 offset)
{
	switch (pflash->mode) {
	case MODE_ARRAY:
		return pflash->content[offset];
	case MODE_STATUS:
		return pflash->status;
	case MODE_ID: /* QEMU's: no manufacturer, no device, and no block is locked */
		return 0;
	case MODE_CFI:
		return cfi_byte(pflash, offset % CFI_REPEAT);
	}
	g_assert_not_reached();
}

static guint64 pflash_read(void *device, guint64 offset, guint size)
{
	Pflash *pflash = device;
	guint64 value = 0;

	g_assert(size <= pflash->size && offset <= pflash->size - size);
	pflash_flush(pflash);
	if (pflash->mode == MODE_STATUS)
		pflash->is_failure_seen = TRUE;
	for (guint i = 0; i < size; i++)
		value |= (guint64)read_byte(pflash, offset + i) << (i * 8);
	return value;
}

const BusOperations pflash_operations = {
	.read = pflash_read,
	.write = pflash_write,
	.max_access = 8,
};

Pflash *pflash_new(guint8 *content, gsize size, gboolean is_readonly, const PflashHost *host,
		   void *opaque)
{
	Pflash *pflash = g_new0(Pflash, 1);

	g_assert(size > 0 && size % PFLASH_BLOCK_SIZE == 0 && size <= PFLASH_TOTAL_SIZE);
	pflash->content = content;
	pflash->size = size;
	pflash->is_readonly = is_readonly;
	pflash->host = host;
	pflash->opaque = opaque;
	pflash->status = STATUS_READY;
	return pflash;
}

void pflash_free(Pflash *pflash)
{
	g_free(pflash);
}

void pflash_reset(Pflash *pflash)
{
	pflash_flush(pflash);
	set_mode(pflash, MODE_ARRAY);
	pflash->cycle = CYCLE_COMMAND;
	pflash->status = STATUS_READY;
	pflash->is_failed = FALSE;
}
