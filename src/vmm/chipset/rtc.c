/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtc.c - the real-time clock and its CMOS memory
 *
 * Theory of operation
 *
 * Nothing ticks. The clock's time is computed when the guest asks, from two numbers: the
 * chain, which is the divider's time in nanoseconds and follows the host's clock at a phase
 * of its own, and an offset of whole seconds between the chain and the calendar. While the
 * guest holds updates (register B's SET) or the divider (register A), the calendar stands
 * still as six numbers that the guest may change one at a time; when it lets go, they
 * become an offset again.
 *
 * The flags of register C are computed in the same way: from what the chain passed between
 * the last look and now. Only when an interrupt is enabled and its flag is still clear is a
 * deadline armed, for the next moment at which one of them becomes set. A guest that does
 * not acknowledge a periodic interrupt so costs nothing.
 *
 * Periods that end while the flag is still set, or several between two looks, are one
 * interrupt. Under the policy of catching up the others are owed: each reading of register C
 * sets the flag again at once, and so raises the line again, until none is owed. A guest may
 * read the register in a loop until nothing is set, all for one interrupt; so only some are
 * paid back before the next period ends.
 *
 * An update is instantaneous and happens when the chain's second ends. UIP announces it
 * 244 microseconds before, as the data sheet has it.
 *
 * The day of the week follows from the date; what the guest writes there is not kept.
 */
#include "vmm/chipset/rtc.h"

#include <string.h>
#include <time.h>

#define NS_PER_SECOND	 1000000000ll
#define UIP_NS		 244000ll
#define CHAIN_HZ	 32768ll
#define NO_ALARM	 G_MAXINT64
#define SECONDS_PER_DAY	 86400ll
#define ALARM_DONT_CARE	 0xc0
#define HOUR_PM		 0x80
#define FIRST_CMOS_INDEX 14

#define RTC_PORT	 0x70
#define RTC_IRQ		 8

#define KIB		 (1ull << 10)
#define MIB		 (1ull << 20)
#define HIGH_GPA	 (1ull << 32)

/* A minute of 1024 a second: one that slept longer has to look at its clock anyway. */
#define OWED_MAX 65536

/* What is paid back in one period; QEMU has the same number. */
#define PAID_PER_PERIOD 20

enum {
	REG_SECONDS = 0,
	REG_SECONDS_ALARM = 1,
	REG_MINUTES = 2,
	REG_MINUTES_ALARM = 3,
	REG_HOURS = 4,
	REG_HOURS_ALARM = 5,
	REG_DAY_OF_WEEK = 6,
	REG_DAY_OF_MONTH = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
};

enum {
	A_RATE = 0x0f,
	A_DIVIDER_RESET = 0x60, /* both bits set hold the divider */
	A_DIVIDER_32KHZ = 0x20,
	A_UIP = 0x80,
};

enum {
	B_24_HOUR = 1 << 1,
	B_BINARY = 1 << 2,
	B_SQUARE_WAVE = 1 << 3,
	B_UPDATE = 1 << 4,
	B_ALARM = 1 << 5,
	B_PERIODIC = 1 << 6,
	B_SET = 1 << 7,
};

/* Register C's flags stand where register B enables them. */
enum {
	C_UPDATE = B_UPDATE,
	C_ALARM = B_ALARM,
	C_PERIODIC = B_PERIODIC,
	C_INTERRUPT = 1 << 7,
};

enum {
	D_VALID_RAM = 1 << 7,
};

struct Rtc {
	InterruptLine irq;
	DeviceTimer timer;
	RtcTickPolicy tick_policy;
	guint8 index;
	guint8 reg_a;
	guint8 reg_b;
	guint8 flags;		    /* register C without its interrupt bit */
	guint8 cmos[RTC_CMOS_SIZE]; /* the alarm's bytes too, as the guest wrote them */

	guint owed; /* periodic interrupts to catch up with, OWED_MAX at most */
	guint paid; /* of these, since the last period ended */

	gint64 phase;	     /* ns that the chain is ahead of the host's clock */
	gint64 offset;	     /* seconds that the calendar is ahead of the chain */
	gint64 seen;	     /* the chain when flags were last computed */
	gint64 held_chain;   /* the chain while the divider is held */
	struct tm held_date; /* the calendar while is_held() */
};

static gboolean divider_is_held(const Rtc *rtc)
{
	return (rtc->reg_a & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static gboolean calendar_is_held(const Rtc *rtc)
{
	return divider_is_held(rtc) || (rtc->reg_b & B_SET);
}

static gint64 chain_now(const Rtc *rtc)
{
	if (divider_is_held(rtc))
		return rtc->held_chain;
	return rtc->timer.now(rtc->timer.opaque) + rtc->phase;
}

/* Chain units between periodic interrupts; 0 where they are off. */
static gint64 periodic_ticks(const Rtc *rtc)
{
	guint rate = rtc->reg_a & A_RATE;

	if (rate == 0)
		return 0;
	/* The data sheet's table: rates 1 and 2 repeat 8 and 9. */
	if (rate <= 2)
		rate += 7;
	return 1ll << (rate - 1);
}

/* How many periods have passed at a time of the chain; a second is a whole number of them. */
static gint64 periods_at(gint64 chain, gint64 ticks)
{
	gint64 in_second = chain % NS_PER_SECOND * CHAIN_HZ / NS_PER_SECOND;

	return chain / NS_PER_SECOND * (CHAIN_HZ / ticks) + in_second / ticks;
}

/* The chain's time when period @number begins, rounded up. */
static gint64 period_start(gint64 number, gint64 ticks)
{
	gint64 per_second = CHAIN_HZ / ticks;
	gint64 in_second = number % per_second * ticks * NS_PER_SECOND;

	return number / per_second * NS_PER_SECOND + (in_second + CHAIN_HZ - 1) / CHAIN_HZ;
}

static guint8 encode(const Rtc *rtc, guint value)
{
	return rtc->reg_b & B_BINARY ? value : (value / 10 << 4) | value % 10;
}

static guint decode(const Rtc *rtc, guint8 byte)
{
	return rtc->reg_b & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 0xf);
}

static guint8 encode_hour(const Rtc *rtc, guint hour)
{
	if (rtc->reg_b & B_24_HOUR)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static guint decode_hour(const Rtc *rtc, guint8 byte)
{
	if (rtc->reg_b & B_24_HOUR)
		return decode(rtc, byte);
	return decode(rtc, byte & ~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

static void calendar_now(const Rtc *rtc, struct tm *date)
{
	time_t seconds;

	if (calendar_is_held(rtc)) {
		*date = rtc->held_date;
		return;
	}
	seconds = chain_now(rtc) / NS_PER_SECOND + rtc->offset;
	gmtime_r(&seconds, date);
}

static void set_calendar(Rtc *rtc, struct tm *date)
{
	/* timegm() takes what no calendar has, such as February 31st, for the day it would be. */
	rtc->offset = timegm(date) - chain_now(rtc) / NS_PER_SECOND;
}

static gboolean alarm_matches(const Rtc *rtc, guint reg, guint value)
{
	guint8 alarm = rtc->cmos[reg];

	if ((alarm & ALARM_DONT_CARE) == ALARM_DONT_CARE)
		return TRUE;
	return value == (reg == REG_HOURS_ALARM ? decode_hour(rtc, alarm) : decode(rtc, alarm));
}

/* An alarm at a second that no minute has never goes off; it is not worth a search. */
static gboolean alarm_is_possible(const Rtc *rtc)
{
	guint8 alarm = rtc->cmos[REG_SECONDS_ALARM];

	return (alarm & ALARM_DONT_CARE) == ALARM_DONT_CARE || decode(rtc, alarm) < 60;
}

/* The first second of the day, from @second_of_day on, at which the alarm matches. */
static gint64 alarm_in_day(const Rtc *rtc, gint64 second_of_day)
{
	gint64 second = second_of_day;

	while (second < SECONDS_PER_DAY) {
		if (!alarm_matches(rtc, REG_HOURS_ALARM, second / 3600))
			second = (second / 3600 + 1) * 3600;
		else if (!alarm_matches(rtc, REG_MINUTES_ALARM, second / 60 % 60))
			second = (second / 60 + 1) * 60;
		else if (!alarm_matches(rtc, REG_SECONDS_ALARM, second % 60))
			second++;
		else
			return second;
	}
	return NO_ALARM;
}

/* The second of the chain, later than @after, at which the alarm goes off next. */
static gint64 next_alarm(const Rtc *rtc, gint64 after)
{
	gint64 calendar = after + 1 + rtc->offset;
	gint64 of_day = calendar % SECONDS_PER_DAY;
	gint64 found;

	if (!alarm_is_possible(rtc))
		return NO_ALARM;
	if (of_day < 0)
		of_day += SECONDS_PER_DAY;
	found = alarm_in_day(rtc, of_day);
	if (found == NO_ALARM) {
		found = alarm_in_day(rtc, 0);
		if (found == NO_ALARM)
			return NO_ALARM;
		found += SECONDS_PER_DAY;
	}
	return after + 1 + (found - of_day);
}

/* @count periods have ended since the last look, at least one. */
static void count_periods(Rtc *rtc, gint64 count)
{
	gboolean is_one_flagged = !(rtc->flags & C_PERIODIC);

	rtc->flags |= C_PERIODIC;
	rtc->paid = 0;
	if (rtc->tick_policy == RTC_TICK_CATCHUP && (rtc->reg_b & B_PERIODIC))
		rtc->owed += MIN(count - is_one_flagged, OWED_MAX - rtc->owed);
}

/* Another rate: what is owed becomes as much time as before, and nothing where there is none. */
static void change_owed(Rtc *rtc, gint64 old_ticks)
{
	gint64 ticks = periodic_ticks(rtc);

	if (!(rtc->reg_b & B_PERIODIC) || divider_is_held(rtc) || ticks == 0)
		rtc->owed = 0;
	else
		rtc->owed = MIN(rtc->owed * old_ticks / ticks, OWED_MAX);
}

/* Sets the flags of everything that happened since the last look. */
static void update_flags(Rtc *rtc)
{
	gint64 now = chain_now(rtc);
	gint64 second = now / NS_PER_SECOND, seen_second = rtc->seen / NS_PER_SECOND;
	gint64 ticks = periodic_ticks(rtc);
	gint64 periods;

	if (now <= rtc->seen) {
		/* The host's clock was set back: what is to come counts from here. */
		rtc->seen = now;
		return;
	}
	periods = ticks > 0 ? periods_at(now, ticks) - periods_at(rtc->seen, ticks) : 0;
	if (periods > 0)
		count_periods(rtc, periods);
	if (!calendar_is_held(rtc) && second != seen_second) {
		rtc->flags |= C_UPDATE;
		if (next_alarm(rtc, seen_second) <= second)
			rtc->flags |= C_ALARM;
	}
	rtc->seen = now;
}

/* When the next interrupt is due, on the chain; call with flags up to date. */
static gint64 next_deadline(const Rtc *rtc)
{
	guint8 wanted = rtc->reg_b & ~rtc->flags;
	gint64 second = rtc->seen / NS_PER_SECOND;
	gint64 deadline = DEVICE_TIMER_NEVER;
	gint64 ticks = periodic_ticks(rtc);

	if (divider_is_held(rtc) || (rtc->reg_b & rtc->flags))
		return DEVICE_TIMER_NEVER;
	if ((wanted & B_PERIODIC) && ticks > 0)
		deadline = period_start(periods_at(rtc->seen, ticks) + 1, ticks);
	if (calendar_is_held(rtc))
		return deadline;
	if (wanted & B_UPDATE)
		deadline = MIN(deadline, (second + 1) * NS_PER_SECOND);
	if (wanted & B_ALARM) {
		gint64 alarm = next_alarm(rtc, second);

		if (alarm != NO_ALARM)
			deadline = MIN(deadline, alarm * NS_PER_SECOND);
	}
	return deadline;
}

static void update_interrupt(Rtc *rtc)
{
	gint64 deadline;

	update_flags(rtc);
	interrupt_line_set(&rtc->irq, (rtc->reg_b & rtc->flags) != 0);
	deadline = next_deadline(rtc);
	if (deadline != DEVICE_TIMER_NEVER)
		deadline -= rtc->phase;
	rtc->timer.arm(rtc->timer.opaque, deadline);
}

static guint8 read_calendar(const Rtc *rtc, guint reg)
{
	struct tm date;

	calendar_now(rtc, &date);
	switch (reg) {
	case REG_SECONDS:
		return encode(rtc, date.tm_sec);
	case REG_MINUTES:
		return encode(rtc, date.tm_min);
	case REG_HOURS:
		return encode_hour(rtc, date.tm_hour);
	case REG_DAY_OF_WEEK:
		return encode(rtc, date.tm_wday + 1);
	case REG_DAY_OF_MONTH:
		return encode(rtc, date.tm_mday);
	case REG_MONTH:
		return encode(rtc, date.tm_mon + 1);
	case REG_YEAR:
		return encode(rtc, (date.tm_year + 1900) % 100);
	default: /* RTC_REG_CENTURY */
		return encode(rtc, (date.tm_year + 1900) / 100);
	}
}

static void write_calendar(Rtc *rtc, guint reg, guint8 byte)
{
	guint value = decode(rtc, byte);
	struct tm date;
	int year;

	calendar_now(rtc, &date);
	year = date.tm_year + 1900;
	switch (reg) {
	case REG_SECONDS:
		date.tm_sec = value;
		break;
	case REG_MINUTES:
		date.tm_min = value;
		break;
	case REG_HOURS:
		date.tm_hour = decode_hour(rtc, byte);
		break;
	case REG_DAY_OF_MONTH:
		date.tm_mday = value;
		break;
	case REG_MONTH:
		date.tm_mon = (int)value - 1;
		break;
	case REG_YEAR:
		date.tm_year = year / 100 * 100 + (int)value - 1900;
		break;
	case RTC_REG_CENTURY:
		date.tm_year = (int)value * 100 + year % 100 - 1900;
		break;
	}
	if (calendar_is_held(rtc))
		rtc->held_date = date;
	else
		set_calendar(rtc, &date);
}

/*
 * Registers A and B change together with what they hold: the calendar is taken down before
 * the first hold begins, the divider starts at half a second when its hold ends, and the
 * calendar goes on when the last hold ends.
 */
static void write_control(Rtc *rtc, guint8 reg_a, guint8 reg_b)
{
	gint64 chain = chain_now(rtc);
	gboolean was_divider_held = divider_is_held(rtc);
	gboolean was_held = calendar_is_held(rtc);
	gint64 old_ticks = periodic_ticks(rtc);
	struct tm date;

	calendar_now(rtc, &date);
	rtc->reg_a = reg_a;
	rtc->reg_b = reg_b;
	change_owed(rtc, old_ticks);
	if (divider_is_held(rtc) && !was_divider_held) {
		rtc->held_chain = chain;
	} else if (!divider_is_held(rtc) && was_divider_held) {
		chain = chain / NS_PER_SECOND * NS_PER_SECOND + NS_PER_SECOND / 2;
		rtc->phase = chain - rtc->timer.now(rtc->timer.opaque);
		rtc->seen = chain;
	}
	if (calendar_is_held(rtc) && !was_held)
		rtc->held_date = date;
	else if (!calendar_is_held(rtc) && was_held)
		set_calendar(rtc, &date);
}

static guint8 read_a(const Rtc *rtc)
{
	gint64 to_update = NS_PER_SECOND - chain_now(rtc) % NS_PER_SECOND;
	gboolean is_updating = !calendar_is_held(rtc) && to_update <= UIP_NS;

	return rtc->reg_a | (is_updating ? A_UIP : 0);
}

static guint8 read_c(Rtc *rtc)
{
	guint8 value;

	update_flags(rtc);
	value = rtc->flags | (rtc->flags & rtc->reg_b ? C_INTERRUPT : 0);
	rtc->flags = 0;
	/* Whatever is flagged from here on needs an edge of its own. */
	interrupt_line_set(&rtc->irq, FALSE);
	if (rtc->owed > 0 && rtc->paid < PAID_PER_PERIOD) {
		rtc->owed--;
		rtc->paid++;
		rtc->flags |= C_PERIODIC;
	}
	update_interrupt(rtc);
	return value;
}

static guint8 read_register(Rtc *rtc, guint reg)
{
	switch (reg) {
	case REG_SECONDS:
	case REG_MINUTES:
	case REG_HOURS:
	case REG_DAY_OF_WEEK:
	case REG_DAY_OF_MONTH:
	case REG_MONTH:
	case REG_YEAR:
	case RTC_REG_CENTURY:
		return read_calendar(rtc, reg);
	case REG_A:
		return read_a(rtc);
	case REG_B:
		return rtc->reg_b;
	case REG_C:
		return read_c(rtc);
	case REG_D:
		return D_VALID_RAM;
	default:
		return rtc->cmos[reg];
	}
}

static void write_register(Rtc *rtc, guint reg, guint8 value)
{
	/* What happened so far happened under the old settings. */
	update_flags(rtc);
	switch (reg) {
	case REG_SECONDS:
	case REG_MINUTES:
	case REG_HOURS:
	case REG_DAY_OF_WEEK:
	case REG_DAY_OF_MONTH:
	case REG_MONTH:
	case REG_YEAR:
	case RTC_REG_CENTURY:
		write_calendar(rtc, reg, value);
		break;
	case REG_A:
		write_control(rtc, value & ~A_UIP, rtc->reg_b);
		break;
	case REG_B:
		/* SET clears the update interrupt's enable, by the data sheet. */
		if (value & B_SET)
			value &= ~B_UPDATE;
		write_control(rtc, rtc->reg_a, value);
		break;
	case REG_C:
	case REG_D:
		return;
	default:
		rtc->cmos[reg] = value;
		if (reg >= FIRST_CMOS_INDEX)
			return;
		break;
	}
	update_interrupt(rtc);
}

static guint64 rtc_read(void *device, guint64 offset, guint size)
{
	Rtc *rtc = device;

	(void)size;
	/* The index is write-only. */
	return offset == 0 ? 0xff : read_register(rtc, rtc->index);
}

static void rtc_write(void *device, guint64 offset, guint size, guint64 value)
{
	Rtc *rtc = device;

	(void)size;
	/* Bit 7 of the index is the PC's NMI mask; nothing here raises an NMI. */
	if (offset == 0)
		rtc->index = value & (RTC_CMOS_SIZE - 1);
	else
		write_register(rtc, rtc->index, value);
}

const BusOperations rtc_operations = {
	.read = rtc_read,
	.write = rtc_write,
	.max_access = 1,
};

/* Sets up a clock that has its timer. */
static void start_clock(Rtc *rtc, const InterruptLine *irq, gint64 offset,
			RtcTickPolicy tick_policy)
{
	rtc->irq = *irq;
	rtc->tick_policy = tick_policy;
	/* As a PC's firmware leaves it: 32768 Hz, 1024 periodic interrupts a second, 24 hours. */
	rtc->reg_a = A_DIVIDER_32KHZ | 6;
	rtc->reg_b = B_24_HOUR;
	rtc->offset = offset;
	rtc->seen = chain_now(rtc);
}

Rtc *rtc_new(const InterruptLine *irq, const DeviceTimer *timer, gint64 offset,
	     RtcTickPolicy tick_policy)
{
	Rtc *rtc = g_new0(Rtc, 1);

	rtc->timer = *timer;
	start_clock(rtc, irq, offset, tick_policy);
	return rtc;
}

void rtc_free(Rtc *rtc)
{
	if (!rtc)
		return;
	device_timer_clear(&rtc->timer);
	g_free(rtc);
}

void rtc_reset(Rtc *rtc)
{
	update_flags(rtc);
	rtc->index = 0;
	rtc->reg_b &= ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE_WAVE);
	rtc->flags = 0;
	rtc->owed = 0;
	rtc->paid = 0;
	update_interrupt(rtc);
}

void rtc_expired(Rtc *rtc)
{
	update_interrupt(rtc);
}

void rtc_set_cmos(Rtc *rtc, guint index, guint8 value)
{
	g_assert(index >= FIRST_CMOS_INDEX && index < RTC_CMOS_SIZE && index != RTC_REG_CENTURY);
	rtc->cmos[index] = value;
}

/* CMOS bytes in which firmware looks for the size of memory. */
enum {
	CMOS_BASE_KIB = 0x15,
	CMOS_EXTENDED_KIB = 0x17, /* from 1 MiB on, at most 63 MiB */
	CMOS_EXTENDED_KIB_AGAIN = 0x30,
	CMOS_ABOVE_16M_64KIB = 0x34, /* from 16 MiB to 4 GiB */
	CMOS_ABOVE_4G_64KIB = 0x5b,  /* three bytes */
};

static void set_number(Rtc *rtc, guint index, guint bytes, guint64 value)
{
	for (guint i = 0; i < bytes; i++)
		rtc_set_cmos(rtc, index + i, value >> (i * 8));
}

static void describe_memory(Rtc *rtc, guint64 low_end, guint64 high_end)
{
	guint64 above_1m = low_end > MIB ? (low_end - MIB) / KIB : 0;
	guint64 above_16m = low_end > 16 * MIB ? (low_end - 16 * MIB) / (64 * KIB) : 0;
	guint64 above_4g = (high_end - HIGH_GPA) / (64 * KIB);

	set_number(rtc, CMOS_BASE_KIB, 2, 640);
	set_number(rtc, CMOS_EXTENDED_KIB, 2, MIN(above_1m, 63 * KIB));
	set_number(rtc, CMOS_EXTENDED_KIB_AGAIN, 2, MIN(above_1m, 63 * KIB));
	set_number(rtc, CMOS_ABOVE_16M_64KIB, 2, above_16m);
	/* Three bytes cannot say 1 TiB and more; who has that reads a memory map. */
	set_number(rtc, CMOS_ABOVE_4G_64KIB, 3, MIN(above_4g, 0xffffff));
}

static void expire_device(void *device)
{
	rtc_expired(device);
}

static void reset_device(void *device)
{
	rtc_reset(device);
}

static void free_device(void *device)
{
	rtc_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

gboolean rtc_create(const DeviceSurroundings *surroundings, const RtcConfig *config, GError **error)
{
	const InterruptLine line = device_isa_line(surroundings, RTC_IRQ);
	g_autoptr(Rtc) rtc = g_new0(Rtc, 1);

	if (!device_make_timer(surroundings, DEVICE_CLOCK_REALTIME, expire_device, rtc, &rtc->timer,
			       error))
		return FALSE;
	start_clock(rtc, &line, config->offset, config->tick_policy);
	describe_memory(rtc, config->ram_low_end, config->ram_high_end);
	bus_add(surroundings->ports, RTC_PORT, RTC_PORTS, "rtc", &rtc_operations, rtc);
	device_registry_add(surroundings->registry, "chipset/rtc", &device_operations,
			    g_steal_pointer(&rtc));
	return TRUE;
}
