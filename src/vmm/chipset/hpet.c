/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hpet.c - high precision event timers
 *
 * Theory of operation
 *
 * The counter is computed from the clock. Every access, and every deadline, first looks at
 * what has happened since the last one: a timer has matched if its comparator lies in the
 * part that the counter has gone through since. So status bits are right whenever they are
 * looked at, and a deadline is armed only for timers that may interrupt. A comparator that
 * is set to a value that the counter has passed matches when the counter comes round again,
 * as the specification says, which drivers know and look out for.
 *
 * A periodic timer whose deadlines were missed interrupts once and goes on in step. However
 * short a period the guest sets, deadlines are not nearer than 100 us: a guest may
 * keep its own processors busy with interrupts, not the host's.
 *
 * There is no legacy replacement: it takes the interrupts of the 8254 and of the clock away
 * from them, and the 8254 is not ours to silence. So LEG_RT_CAP is clear, and the two bits
 * for it do nothing. Nor is there delivery by messages.
 */
#include "vmm/chipset/hpet.h"

#define FS_PER_NS	 1000000
#define DEADLINE_UNKNOWN (-1)
/* Interrupts of the ISA bus that no device of the chipset has, nor a PCI link of the DSDT. */
#define ISA_ROUTES	   (1u << 5 | 1u << 6 | 1u << 7)
#define MIN_INTERVAL_TICKS (100000u / HPET_PERIOD_NS) /* 100 us */

enum {
	REG_CAPABILITIES = 0x000,
	REG_CONFIGURATION = 0x010,
	REG_STATUS = 0x020,
	REG_COUNTER = 0x0f0,
	REG_TIMERS = 0x100,
	TIMER_STRIDE = 0x20,
	TIMER_CONFIGURATION = 0x00,
	TIMER_COMPARATOR = 0x08,
};

#define CONFIGURATION_ENABLE 1u

enum {
	TIMER_LEVEL = 1 << 1,
	TIMER_INTERRUPT = 1 << 2,
	TIMER_PERIODIC = 1 << 3,
	TIMER_PERIODIC_CAPABLE = 1 << 4,
	TIMER_SIZE_64 = 1 << 5,
	TIMER_SET_VALUE = 1 << 6,
	TIMER_32_BITS = 1 << 8,
	TIMER_ROUTE_SHIFT = 9,
	TIMER_ROUTE_MASK = 0x1f,

	TIMER_KEPT = TIMER_LEVEL | TIMER_INTERRUPT | TIMER_PERIODIC | TIMER_SET_VALUE |
		     TIMER_32_BITS | TIMER_ROUTE_MASK << TIMER_ROUTE_SHIFT,
};

G_STATIC_ASSERT((HPET_BLOCK_ID >> 8 & 0x1f) == HPET_TIMERS - 1);

typedef struct {
	guint32 configuration; /* of TIMER_KEPT */
	guint64 comparator;
	guint64 period; /* ticks; what was last written to the comparator in periodic mode */
} HpetTimer;

struct Hpet {
	InterruptLine interrupt;
	guint32 routes;
	DeviceTimer timer;

	gboolean is_enabled;
	guint32 status;
	guint64 counter; /* at last_ns, or while it is halted */
	gint64 last_ns;
	gint64 deadline; /* as armed */
	guint32 levels;	 /* a bit a line that is high */
	HpetTimer timers[HPET_TIMERS];
};

static guint64 timer_mask(const HpetTimer *timer)
{
	return timer->configuration & TIMER_32_BITS ? G_MAXUINT32 : G_MAXUINT64;
}

static guint timer_route(const HpetTimer *timer)
{
	return timer->configuration >> TIMER_ROUTE_SHIFT & TIMER_ROUTE_MASK;
}

/* Ticks from @counter to the next match, which is not now; 0 for 2^64. */
static guint64 ticks_to_match(const HpetTimer *timer, guint64 counter)
{
	guint64 mask = timer_mask(timer);
	guint64 ticks = (timer->comparator - counter) & mask;

	/* Wraps to 0 for a counter of 64 bits. */
	return ticks ? ticks : mask + 1;
}

static void set_line(Hpet *hpet, guint line, gboolean level)
{
	guint32 bit = 1u << line;

	if (!(hpet->levels & bit) == !level)
		return;
	hpet->levels ^= bit;
	hpet->interrupt.set(hpet->interrupt.opaque, line, level);
}

/* The lines that level-triggered timers hold up. */
static guint32 wanted_levels(const Hpet *hpet)
{
	guint32 wanted = 0;

	for (guint i = 0; i < HPET_TIMERS; i++) {
		const HpetTimer *timer = &hpet->timers[i];

		if ((hpet->status & 1u << i) && (timer->configuration & TIMER_INTERRUPT) &&
		    (timer->configuration & TIMER_LEVEL))
			wanted |= 1u << timer_route(timer);
	}
	return wanted & hpet->routes;
}

static void update_lines(Hpet *hpet)
{
	guint32 wanted = wanted_levels(hpet);

	for (guint line = 0; line < 32; line++)
		set_line(hpet, line, (wanted & 1u << line) != 0);
}

static void matched(Hpet *hpet, guint index)
{
	HpetTimer *timer = &hpet->timers[index];
	guint route = timer_route(timer);

	if (timer->configuration & TIMER_LEVEL) {
		hpet->status |= 1u << index;
		return;
	}
	/* An edge on a line that is up already is none. */
	if ((timer->configuration & TIMER_INTERRUPT) && (hpet->routes & 1u << route) &&
	    !(hpet->levels & 1u << route)) {
		set_line(hpet, route, TRUE);
		set_line(hpet, route, FALSE);
	}
}

/* Lets @elapsed ticks pass for a timer, from the counter's value on. */
static void run_timer(Hpet *hpet, guint index, guint64 elapsed)
{
	HpetTimer *timer = &hpet->timers[index];
	guint64 ticks = ticks_to_match(timer, hpet->counter);

	if (ticks == 0 || ticks > elapsed)
		return;
	if ((timer->configuration & TIMER_PERIODIC) && timer->period > 0) {
		guint64 periods = (elapsed - ticks) / timer->period + 1;

		timer->comparator += periods * timer->period;
		timer->comparator &= timer_mask(timer);
	}
	matched(hpet, index);
}

/* Brings the counter, the comparators and the status up to the present. */
static void advance(Hpet *hpet)
{
	gint64 now = hpet->timer.now(hpet->timer.opaque);
	guint64 elapsed = MAX(now - hpet->last_ns, 0) / HPET_PERIOD_NS;

	if (!hpet->is_enabled)
		return;
	for (guint i = 0; i < HPET_TIMERS; i++)
		run_timer(hpet, i, elapsed);
	hpet->counter += elapsed;
	hpet->last_ns += elapsed * HPET_PERIOD_NS;
}

static gboolean is_too_fast(const HpetTimer *timer)
{
	return (timer->configuration & TIMER_PERIODIC) && timer->period > 0 &&
	       timer->period < MIN_INTERVAL_TICKS;
}

/* When a timer interrupts next. */
static gint64 timer_deadline(const Hpet *hpet, const HpetTimer *timer)
{
	guint64 ticks = ticks_to_match(timer, hpet->counter);

	if (!(timer->configuration & TIMER_INTERRUPT) || ticks == 0 ||
	    ticks > (guint64)(G_MAXINT64 - hpet->last_ns) / HPET_PERIOD_NS)
		return DEVICE_TIMER_NEVER;
	if (is_too_fast(timer))
		ticks = MAX(ticks, MIN_INTERVAL_TICKS);
	return hpet->last_ns + (gint64)ticks * HPET_PERIOD_NS;
}

static void arm(Hpet *hpet, gint64 deadline)
{
	/* Guests read the counter all the time, and every new deadline costs a system call. */
	if (deadline == hpet->deadline)
		return;
	hpet->deadline = deadline;
	hpet->timer.arm(hpet->timer.opaque, deadline);
}

/* Tells of lines and deadline what follows from the state. */
static void update(Hpet *hpet)
{
	gint64 deadline = DEVICE_TIMER_NEVER;

	update_lines(hpet);
	if (hpet->is_enabled)
		for (guint i = 0; i < HPET_TIMERS; i++)
			deadline = MIN(deadline, timer_deadline(hpet, &hpet->timers[i]));
	arm(hpet, deadline);
}

static guint64 read_timer(const Hpet *hpet, const HpetTimer *timer, guint64 offset)
{
	switch (offset) {
	case TIMER_CONFIGURATION:
		return timer->configuration | TIMER_PERIODIC_CAPABLE | TIMER_SIZE_64 |
		       (guint64)hpet->routes << 32;
	case TIMER_COMPARATOR:
		return timer->comparator;
	default:
		return 0;
	}
}

/* The timer whose registers an offset is among, or NULL. */
static HpetTimer *find_timer(Hpet *hpet, guint64 offset)
{
	guint64 index = (offset - REG_TIMERS) / TIMER_STRIDE;

	return offset >= REG_TIMERS && index < HPET_TIMERS ? &hpet->timers[index] : NULL;
}

/* A register of 64 bits. */
static guint64 read_register(Hpet *hpet, guint64 offset)
{
	const HpetTimer *timer = find_timer(hpet, offset);

	if (timer)
		return read_timer(hpet, timer, offset % TIMER_STRIDE);
	switch (offset) {
	case REG_CAPABILITIES:
		return (guint64)HPET_PERIOD_NS * FS_PER_NS << 32 | HPET_BLOCK_ID;
	case REG_CONFIGURATION:
		return hpet->is_enabled ? CONFIGURATION_ENABLE : 0;
	case REG_STATUS:
		return hpet->status;
	case REG_COUNTER:
		return hpet->counter;
	default:
		return 0;
	}
}

static guint64 hpet_read(void *device, guint64 offset, guint size)
{
	Hpet *hpet = device;
	guint64 value;

	(void)size;
	advance(hpet);
	value = read_register(hpet, offset & ~7ull) >> (offset % 8 * 8);
	update(hpet);
	return value;
}

static void write_configuration(Hpet *hpet, guint64 value)
{
	gboolean is_enabled = value & CONFIGURATION_ENABLE;

	if (is_enabled && !hpet->is_enabled)
		hpet->last_ns = hpet->timer.now(hpet->timer.opaque);
	hpet->is_enabled = is_enabled;
}

static void write_timer_configuration(Hpet *hpet, HpetTimer *timer, guint64 value)
{
	guint32 route_bits = TIMER_ROUTE_MASK << TIMER_ROUTE_SHIFT;
	guint route = value >> TIMER_ROUTE_SHIFT & TIMER_ROUTE_MASK;

	/* A route that there is not does not stick: software finds out by reading it back. */
	if (!(hpet->routes & 1u << route))
		value = (value & ~(guint64)route_bits) | (timer->configuration & route_bits);
	timer->configuration = value & TIMER_KEPT;
	timer->comparator &= timer_mask(timer);
	timer->period &= timer_mask(timer);
	/* A timer that is no longer level-triggered has no status. */
	if (!(timer->configuration & TIMER_LEVEL))
		hpet->status &= ~(1u << (timer - hpet->timers));
}

/*
 * In periodic mode what is written is the period; with TIMER_SET_VALUE, which is good for one
 * write, it is the first match as well.
 */
static void write_comparator(HpetTimer *timer, guint64 value)
{
	gboolean is_periodic = timer->configuration & TIMER_PERIODIC;

	value &= timer_mask(timer);
	if (!is_periodic || (timer->configuration & TIMER_SET_VALUE))
		timer->comparator = value;
	if (is_periodic)
		timer->period = value;
	timer->configuration &= ~TIMER_SET_VALUE;
}

/* What the comparator register holds for the purpose of writing one half of it. */
static guint64 written_before(Hpet *hpet, guint64 offset)
{
	const HpetTimer *timer = find_timer(hpet, offset);

	if (timer && offset % TIMER_STRIDE == TIMER_COMPARATOR &&
	    (timer->configuration & TIMER_PERIODIC) && !(timer->configuration & TIMER_SET_VALUE))
		return timer->period;
	if (offset == REG_STATUS)
		return 0; /* ones clear */
	return read_register(hpet, offset);
}

static void write_register(Hpet *hpet, guint64 offset, guint64 value)
{
	HpetTimer *timer = find_timer(hpet, offset);

	if (timer && offset % TIMER_STRIDE == TIMER_CONFIGURATION)
		write_timer_configuration(hpet, timer, value);
	else if (timer && offset % TIMER_STRIDE == TIMER_COMPARATOR)
		write_comparator(timer, value);
	else if (offset == REG_CONFIGURATION)
		write_configuration(hpet, value);
	else if (offset == REG_STATUS)
		hpet->status &= ~value;
	else if (offset == REG_COUNTER)
		hpet->counter = value;
}

/* The specification has accesses of 32 and 64 bits only, aligned. */
static void hpet_write(void *device, guint64 offset, guint size, guint64 value)
{
	Hpet *hpet = device;
	guint64 start = offset & ~7ull;

	if (size < 4 || offset % size)
		return;
	advance(hpet);
	if (size == 4) {
		guint shift = offset % 8 * 8;

		value = (written_before(hpet, start) & ~((guint64)G_MAXUINT32 << shift)) |
			value << shift;
	}
	write_register(hpet, start, value);
	update(hpet);
}

const BusOperations hpet_operations = {
	.read = hpet_read,
	.write = hpet_write,
	.max_access = 8,
};

/* Sets up timers that have theirs of the machine. */
static void start_timers(Hpet *hpet, const InterruptLine *interrupt, guint32 routes)
{
	hpet->interrupt = *interrupt;
	hpet->routes = routes;
	hpet->deadline = DEVICE_TIMER_NEVER;
	hpet_reset(hpet);
}

Hpet *hpet_new(const InterruptLine *interrupt, guint32 routes, const DeviceTimer *timer)
{
	Hpet *hpet = g_new0(Hpet, 1);

	hpet->timer = *timer;
	start_timers(hpet, interrupt, routes);
	return hpet;
}

void hpet_free(Hpet *hpet)
{
	if (!hpet)
		return;
	device_timer_clear(&hpet->timer);
	g_free(hpet);
}

void hpet_reset(Hpet *hpet)
{
	hpet->is_enabled = FALSE;
	hpet->status = 0;
	hpet->counter = 0;
	for (guint i = 0; i < HPET_TIMERS; i++)
		hpet->timers[i] = (HpetTimer){ .comparator = G_MAXUINT64 };
	update(hpet);
}

void hpet_expired(Hpet *hpet)
{
	/* The deadline is used up, even where it came early: the next is armed in any case. */
	hpet->deadline = DEADLINE_UNKNOWN;
	advance(hpet);
	update(hpet);
}

static void expire_device(void *device)
{
	hpet_expired(device);
}

static void reset_device(void *device)
{
	hpet_reset(device);
}

static void free_device(void *device)
{
	hpet_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

gboolean hpet_create(const DeviceSurroundings *surroundings, GError **error)
{
	g_autoptr(Hpet) hpet = g_new0(Hpet, 1);

	if (!device_make_timer(surroundings, DEVICE_CLOCK_MONOTONIC, expire_device, hpet,
			       &hpet->timer, error))
		return FALSE;
	start_timers(hpet, &surroundings->isa, ISA_ROUTES);
	bus_add(surroundings->mmio, HPET_ADDRESS, HPET_SIZE, "HPET", &hpet_operations, hpet);
	device_registry_add(surroundings->registry, "chipset/hpet", &device_operations,
			    g_steal_pointer(&hpet));
	return TRUE;
}
