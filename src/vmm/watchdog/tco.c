/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tco.c - the ICH9's watchdog, called TCO: a block of 32 ports
 *
 * Theory of operation
 *
 * A timer counts ticks of 0.6 s down. When it is over it says so in a status bit and begins anew;
 * when it is over once more, and the guest has not reloaded it meanwhile, the machine is told, if
 * the chipset's registers let it be. A guest that reloads it in time is alive.
 *
 * After a reset it stands still, until the guest reloads it or lets it run. The first time that it
 * is over, the chip would raise an SMI, which no machine here has. Two ticks are the least that it
 * counts, as the data sheet says.
 */
#include "vmm/watchdog/tco.h"

#include <string.h>

#define TIMER_BITS    0x3ff
#define TIMER_DEFAULT 4
#define TIMER_MINIMUM 2

enum {
	STATUS_1_SOFTWARE = 1 << 1, /* data was written for an SMI's handler */
	STATUS_1_INTERRUPT = 1 << 2,
	STATUS_1_TIMEOUT = 1 << 3,

	STATUS_2_SECOND_TIMEOUT = 1 << 1,
	STATUS_2_BOOT = 1 << 2,

	CONTROL_1_HALTED = 1 << 11,
	CONTROL_1_LOCKED = 1 << 12, /* stays set until a reset */
	CONTROL_1_WRITABLE = CONTROL_1_HALTED | CONTROL_1_LOCKED | 1 << 9,

	CONTROL_2_DEFAULT = 0x08,
	CONTROL_2_WRITABLE = 0x3e,

	IRQ_GENERATION_DEFAULT = 0x03,
	IRQ_GENERATION_WRITABLE = 0x03,
};

struct Tco {
	TcoHost host;
	Countdown countdown;
	guint16 registers[TCO_SIZE / 2]; /* those that keep what is written, by words */
	guint16 count;			 /* ticks, of a timer that stands still */
	gboolean was_over;
};

static guint16 *word(Tco *tco, guint offset)
{
	return &tco->registers[offset / 2];
}

static gboolean is_halted(Tco *tco)
{
	return *word(tco, TCO_CONTROL_1) & CONTROL_1_HALTED;
}

static guint16 ticks_left(const Tco *tco)
{
	const gint64 left = countdown_left(&tco->countdown);

	return left > 0 ? (guint16)((left + TCO_TICK - 1) / TCO_TICK) : tco->count;
}

static void start(Tco *tco)
{
	tco->count = MAX(*word(tco, TCO_TIMER) & TIMER_BITS, TIMER_MINIMUM);
	if (!is_halted(tco))
		countdown_start(&tco->countdown, tco->count * TCO_TICK);
}

static void halt(Tco *tco)
{
	tco->count = ticks_left(tco);
	countdown_stop(&tco->countdown);
}

Tco *tco_new(const TcoHost *host)
{
	Tco *tco = g_new0(Tco, 1);

	tco->host = *host;
	return tco;
}

Countdown *tco_countdown(Tco *tco)
{
	return &tco->countdown;
}

void tco_free(Tco *tco)
{
	if (!tco)
		return;
	countdown_clear(&tco->countdown);
	g_free(tco);
}

void tco_reset(Tco *tco)
{
	const guint16 status = *word(tco, TCO_STATUS_2);

	memset(tco->registers, 0, sizeof(tco->registers));
	*word(tco, TCO_STATUS_2) = status;
	*word(tco, TCO_CONTROL_2) = CONTROL_2_DEFAULT;
	*word(tco, TCO_IRQ_GENERATION) = IRQ_GENERATION_DEFAULT;
	*word(tco, TCO_TIMER) = TIMER_DEFAULT;
	tco->count = TIMER_DEFAULT;
	tco->was_over = FALSE;
	countdown_stop(&tco->countdown);
}

void tco_expired(Tco *tco)
{
	if (!countdown_take(&tco->countdown))
		return;
	*word(tco, TCO_STATUS_1) |= STATUS_1_TIMEOUT;
	if (tco->was_over) {
		*word(tco, TCO_STATUS_2) |= STATUS_2_SECOND_TIMEOUT | STATUS_2_BOOT;
		tco->was_over = FALSE;
		if (tco->host.may_act(tco->host.opaque)) {
			tco->host.act(tco->host.opaque);
			tco->count = 0;
			return;
		}
	} else {
		tco->was_over = TRUE;
	}
	start(tco);
}

static guint8 read_byte(Tco *tco, guint offset, guint16 ticks)
{
	const guint16 value = offset / 2 == TCO_RELOAD / 2 ? ticks : *word(tco, offset);

	return (guint8)(value >> (offset & 1) * 8);
}

guint32 tco_read(Tco *tco, guint offset, guint size)
{
	const guint16 ticks = ticks_left(tco);
	guint32 value = 0;

	for (guint i = 0; i < size && offset + i < TCO_SIZE; i++)
		value |= (guint32)read_byte(tco, offset + i, ticks) << (i * 8);
	return value;
}

static void set_byte(Tco *tco, guint offset, guint16 writable, guint8 value)
{
	const guint shift = (offset & 1) * 8;
	const guint16 mask = (guint16)(0xff << shift) & writable;
	guint16 *at = word(tco, offset);

	*at = (guint16)((*at & ~mask) | (value << shift & mask));
}

static void clear_byte(Tco *tco, guint offset, guint8 value)
{
	*word(tco, offset) &= (guint16) ~(value << (offset & 1) * 8);
}

static void write_control(Tco *tco, guint offset, guint8 value)
{
	const gboolean was_locked = *word(tco, TCO_CONTROL_1) & CONTROL_1_LOCKED;

	set_byte(tco, offset, CONTROL_1_WRITABLE, value);
	if (was_locked)
		*word(tco, TCO_CONTROL_1) |= CONTROL_1_LOCKED;
	/* The lower half has nothing to do with the timer. */
	if (offset == TCO_CONTROL_1)
		return;
	if (is_halted(tco))
		halt(tco);
	else
		start(tco);
}

/* What is not here keeps nothing. */
void tco_write_byte(Tco *tco, guint offset, guint8 value)
{
	switch (offset) {
	case TCO_RELOAD ... TCO_RELOAD + 1:
		tco->was_over = FALSE;
		start(tco);
		break;
	case TCO_DATA_IN:
		set_byte(tco, offset, 0xffff, value);
		*word(tco, TCO_STATUS_1) |= STATUS_1_SOFTWARE;
		break;
	case TCO_DATA_OUT:
		set_byte(tco, offset, 0xffff, value);
		*word(tco, TCO_STATUS_1) |= STATUS_1_INTERRUPT;
		break;
	case TCO_STATUS_1 ... TCO_STATUS_2 + 1:
		clear_byte(tco, offset, value);
		break;
	case TCO_CONTROL_1 ... TCO_CONTROL_1 + 1:
		write_control(tco, offset, value);
		break;
	case TCO_CONTROL_2 ... TCO_CONTROL_2 + 1:
		set_byte(tco, offset, CONTROL_2_WRITABLE, value);
		break;
	case TCO_MESSAGE_1 ... TCO_MESSAGE_2:
		set_byte(tco, offset, 0xffff, value);
		break;
	case TCO_WATCHDOG_STATE:
		set_byte(tco, offset, 0xff, value);
		break;
	case TCO_IRQ_GENERATION:
		set_byte(tco, offset, IRQ_GENERATION_WRITABLE, value);
		break;
	case TCO_TIMER ... TCO_TIMER + 1:
		set_byte(tco, offset, TIMER_BITS, value);
		break;
	}
}
