/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cdrom-replies.c - what a CD-ROM drive says of itself and of its medium */
#include "vmm/ata/cdrom-replies.h"

#include <string.h>

#include "vmm/ata/ata.h"
#include "vmm/ata/disk.h"

#define VENDOR	 "GMEM    "
#define PRODUCT	 "DVD-ROM         "
#define REVISION "1.0 "

/* What is larger is a DVD. */
#define CD_BLOCKS_MAX (80u * 60 * 75)

/* Two seconds come before the first block. */
#define LEAD_IN_FRAMES 150u
#define FRAMES	       75u

#define LEAD_OUT       0xaa
#define DATA_TRACK     0x14 /* data, not to be copied; addresses in the Q channel */
#define SPEED	       7056 /* kB/s: 40x, as drives have it */
#define BUFFER_SIZE    512  /* KiB */

enum {
	PROFILE_NONE = 0x00,
	PROFILE_CD_ROM = 0x08,
	PROFILE_DVD_ROM = 0x10,

	FEATURE_PROFILES = 0x00,
	FEATURE_CORE = 0x01,
	FEATURE_MORPHING = 0x02,
	FEATURE_REMOVABLE = 0x03,
	FEATURE_RANDOM_READABLE = 0x10,
	FEATURE_CD_READ = 0x1e,
	FEATURE_DVD_READ = 0x1f,
	FEATURE_PERSISTENT = 1 << 1,
	FEATURE_CURRENT = 1 << 0,

	PAGE_ERROR_RECOVERY = 0x01,
	PAGE_CAPABILITIES = 0x2a,
	PAGE_ALL = 0x3f,
	PAGE_SAVED = 3,

	CLASS_MEDIA = 4,
	STATUS_OPEN = 1 << 0,
	STATUS_PRESENT = 1 << 1,
};

static void put16(guint8 *bytes, guint value)
{
	bytes[0] = (guint8)(value >> 8);
	bytes[1] = (guint8)value;
}

static void put32(guint8 *bytes, guint32 value)
{
	put16(bytes, value >> 16);
	put16(bytes + 2, value & 0xffff);
}

static guint get16(const guint8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

guint cdrom_inquiry(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	const gboolean wants_page = packet[1] & 1 || packet[2] != 0;

	(void)state;
	if (wants_page)
		return 0;
	reply[0] = 0x05; /* a CD-ROM drive */
	reply[1] = 0x80; /* whose media are removable */
	reply[3] = 0x21;
	reply[4] = 31;
	memcpy(reply + 8, VENDOR, 8);
	memcpy(reply + 16, PRODUCT, 16);
	memcpy(reply + 32, REVISION, 4);
	return 36;
}

guint cdrom_read_capacity(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	(void)packet;
	put32(reply, state->blocks - 1);
	put32(reply + 4, CDROM_BLOCK);
	return 8;
}

/* The table of contents: one track */

static void put_address(guint8 *bytes, guint32 block, gboolean is_time)
{
	const guint32 frame = block + LEAD_IN_FRAMES;

	if (!is_time) {
		put32(bytes, block);
		return;
	}
	bytes[1] = (guint8)MIN(frame / FRAMES / 60, 255);
	bytes[2] = (guint8)(frame / FRAMES % 60);
	bytes[3] = (guint8)(frame % FRAMES);
}

static guint put_track(guint8 *reply, guint at, guint8 track, guint32 block, gboolean is_time)
{
	reply[at + 1] = DATA_TRACK;
	reply[at + 2] = track;
	put_address(reply + at + 4, block, is_time);
	return at + 8;
}

static guint put_tracks(const CdromState *state, guint8 first, gboolean is_time, guint8 *reply)
{
	guint size = 4;

	if (first > 1 && first != LEAD_OUT)
		return 0;
	reply[2] = reply[3] = 1;
	if (first <= 1)
		size = put_track(reply, size, 1, 0, is_time);
	return put_track(reply, size, LEAD_OUT, state->blocks, is_time);
}

guint cdrom_read_toc(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	const gboolean is_time = (packet[1] & 2) != 0;
	/* Drives before MMC had it at the end. */
	const guint format = packet[2] & 0xf ? packet[2] & 0xf : packet[9] >> 6;
	guint size = 0;

	if (format == 0) {
		size = put_tracks(state, packet[6], is_time, reply);
	} else if (format == 1) {
		reply[2] = reply[3] = 1;
		size = put_track(reply, 4, 1, 0, is_time);
	}
	if (size > 0)
		put16(reply, size - 2);
	return size;
}

/* Features */

static guint profile(const CdromState *state)
{
	if (!state->has_medium)
		return PROFILE_NONE;
	return state->blocks > CD_BLOCKS_MAX ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

typedef struct {
	guint8 *reply;
	guint size;
	guint type; /* of what is asked for: all, those that are current, one */
	guint first;
} Features;

/* Return: where its data goes, or NULL where it is not asked for. */
static guint8 *add_feature(Features *features, guint code, guint8 flags, guint8 size)
{
	guint8 *at = features->reply + features->size;

	if (features->type == 2 ? code != features->first : code < features->first)
		return NULL;
	if (features->type == 1 && !(flags & FEATURE_CURRENT))
		return NULL;
	put16(at, code);
	at[2] = flags;
	at[3] = size;
	features->size += 4 + size;
	return at + 4;
}

static void add_profiles(Features *features, guint current)
{
	guint8 *at = add_feature(features, FEATURE_PROFILES, FEATURE_PERSISTENT | FEATURE_CURRENT,
				 8);

	if (!at)
		return;
	put16(at, PROFILE_DVD_ROM);
	at[2] = current == PROFILE_DVD_ROM;
	put16(at + 4, PROFILE_CD_ROM);
	at[6] = current == PROFILE_CD_ROM;
}

static void add_mechanism(Features *features)
{
	const guint8 always = FEATURE_PERSISTENT | FEATURE_CURRENT;
	guint8 *at = add_feature(features, FEATURE_CORE, always | 2 << 2, 8);

	if (at) {
		put32(at, 8); /* serial ATA */
		at[4] = 1;
	}
	at = add_feature(features, FEATURE_MORPHING, always | 1 << 2, 4);
	if (at)
		at[0] = 2; /* events may be polled */
	at = add_feature(features, FEATURE_REMOVABLE, always, 4);
	if (at)
		at[0] = 1 << 5 | 1 << 3 | 1 << 0; /* a tray, that ejects and can be locked */
}

static void add_reading(Features *features, guint current)
{
	guint8 *at = add_feature(features, FEATURE_RANDOM_READABLE,
				 current == PROFILE_NONE ? 0 : FEATURE_CURRENT, 8);

	if (at) {
		put32(at, CDROM_BLOCK);
		put16(at + 4, 1);
	}
	at = add_feature(features, FEATURE_CD_READ,
			 2 << 2 | (current == PROFILE_CD_ROM ? FEATURE_CURRENT : 0), 4);
	at = add_feature(features, FEATURE_DVD_READ,
			 current == PROFILE_DVD_ROM ? FEATURE_CURRENT : 0, 0);
	(void)at;
}

guint cdrom_get_configuration(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	const guint current = profile(state);
	Features features = {
		.reply = reply,
		.size = 8,
		.type = packet[1] & 3,
		.first = get16(packet + 2),
	};

	if (features.type > 2)
		return 0;
	add_profiles(&features, current);
	add_mechanism(&features);
	add_reading(&features, current);
	put32(reply, features.size - 4);
	put16(reply + 6, current);
	return features.size;
}

/* Polled alone: nothing is told later. */
guint cdrom_get_event_status(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	const gboolean is_polled = (packet[1] & 1) != 0;

	if (!is_polled)
		return 0;
	reply[3] = 1 << CLASS_MEDIA;
	if (!(packet[4] & 1 << CLASS_MEDIA)) {
		reply[2] = 1 << 7;
		put16(reply, 2);
		return 4;
	}
	put16(reply, 6);
	reply[2] = CLASS_MEDIA;
	reply[4] = state->event;
	reply[5] = (state->is_open ? STATUS_OPEN : 0) | (state->has_medium ? STATUS_PRESENT : 0);
	return 8;
}

/* Mode pages */

static guint add_error_recovery(guint8 *reply, guint size)
{
	reply[size] = PAGE_ERROR_RECOVERY;
	reply[size + 1] = 10;
	reply[size + 3] = 5; /* attempts */
	return size + 12;
}

static guint add_capabilities(const CdromState *state, guint8 *reply, guint size)
{
	guint8 *page = reply + size;

	page[0] = PAGE_CAPABILITIES;
	page[1] = 20;
	page[2] = 1 << 3 | 1 << 1 | 1 << 0;  /* reads CD-R, CD-RW, DVD-ROM */
	page[4] = 1 << 6 | 1 << 5 | 1 << 4;  /* sessions, mode 2 */
	page[6] = 1 << 5 | 1 << 3 | 1 << 0 | /* a tray, that ejects and can be locked */
		  (state->is_locked ? 1 << 1 : 0);
	put16(page + 8, SPEED);
	put16(page + 12, BUFFER_SIZE);
	put16(page + 14, SPEED);
	return size + 22;
}

guint cdrom_mode_sense(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	const guint page = packet[2] & 0x3f;
	guint size = 8;

	if (packet[2] >> 6 == PAGE_SAVED)
		return 0;
	if (page == PAGE_ERROR_RECOVERY || page == PAGE_ALL)
		size = add_error_recovery(reply, size);
	if (page == PAGE_CAPABILITIES || page == PAGE_ALL)
		size = add_capabilities(state, reply, size);
	if (size == 8)
		return 0;
	put16(reply, size - 2);
	reply[2] = state->has_medium ? 0x01 : state->is_open ? 0x71 : 0x70;
	return size;
}

guint cdrom_mechanism_status(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	(void)packet;
	reply[1] = state->is_open ? 1 << 4 : 0;
	return 8;
}

guint cdrom_read_disc_information(const CdromState *state, const guint8 *packet, guint8 *reply)
{
	(void)state;
	if (packet[1] & 7)
		return 0;
	put16(reply, 32);
	reply[2] = 3 << 2 | 2; /* its last session is complete, and so is it */
	reply[3] = reply[4] = reply[5] = reply[6] = 1;
	reply[7] = 1 << 5; /* use is not restricted */
	return 34;
}

void cdrom_identify(const char *serial, const char *model, guint8 words[512])
{
	memset(words, 0, 512);
	ata_put_word(words, 0, 0x85c0); /* packets of 12 bytes, for a drive with removable media */
	ata_put_text(words + 10 * 2, serial, ATA_SERIAL_SIZE);
	ata_put_text(words + 23 * 2, REVISION, 8);
	ata_put_text(words + 27 * 2, model, ATA_MODEL_SIZE);
	ata_put_word(words, 49, 1 << 11 | 1 << 10 | 1 << 9 | 1 << 8);
	ata_put_word(words, 50, 1 << 14);
	ata_put_word(words, 53, 1 << 2 | 1 << 1);
	ata_put_word(words, 63, 7);
	ata_put_word(words, 64, 3);
	for (guint word = 65; word <= 68; word++)
		ata_put_word(words, word, 120);
	ata_put_word(words, 76, 7 << 1);
	ata_put_word(words, 80, 0x7f0);
	/* Packets, and a reset of the device. */
	ata_put_word(words, 82, 1 << 4 | 1 << 9);
	ata_put_word(words, 83, 1 << 14);
	ata_put_word(words, 84, 1 << 14);
	ata_put_word(words, 85, 1 << 4 | 1 << 9);
	ata_put_word(words, 87, 1 << 14);
	ata_put_word(words, 88, 1 << 13 | 0x3f);
	ata_put_word(words, 222, 1 << 12 | 0x3f);
}
