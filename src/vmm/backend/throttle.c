/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttle.c - how much of something may go in a second: bytes and operations of a disk */
#include "vmm/backend/throttle.h"

#include <glib/gi18n.h>

/* What may go at once, without waiting, where no maximum says more: of a second. */
#define SHARE (1.0 / 10)

/* How full a limit's buckets are. */
typedef struct {
	double level; /* leaks by the average */
	double burst; /* leaks by the maximum */
} Buckets;

struct Throttle {
	ThrottleConfig config;
	gboolean is_limited;
	gint64 (*clock)(void);
	gint64 looked; /* when the buckets were as they are */
	Buckets buckets[THROTTLE_N_LIMITS];
	GQueue waiting[2];   /* of ThrottleEntry: reads, writes */
	guint turn;	     /* whose it is, where both may go */
	gboolean is_running; /* entries come while others are being admitted */
	GSource *timer;
};

typedef struct {
	GSource source;
	Throttle *throttle;
} TimerSource;

static void set_timer(Throttle *throttle, gint64 wait)
{
	g_source_set_ready_time(throttle->timer, wait < 0 ? -1 : g_get_monotonic_time() + wait);
}

static gboolean on_time(GSource *source, GSourceFunc callback, gpointer opaque)
{
	Throttle *throttle = ((TimerSource *)source)->throttle;

	(void)callback;
	(void)opaque;
	set_timer(throttle, throttle_run(throttle));
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_functions = { .dispatch = on_time };

static const char *check_limit(const ThrottleLimit *limit)
{
	if (limit->average > THROTTLE_VALUE_MAX || limit->maximum > THROTTLE_VALUE_MAX)
		return _("a limit is too large");
	if (limit->maximum && !limit->average)
		return _("there is a maximum without an average");
	if (limit->maximum && limit->maximum < limit->average)
		return _("a maximum is below its average");
	if (limit->length > 1 && !limit->maximum)
		return _("there is a length without a maximum");
	if (limit->length > 1 && limit->maximum > THROTTLE_VALUE_MAX / limit->length)
		return _("a maximum is too large for so long");
	return NULL;
}

static gboolean has_both(const ThrottleLimit *total)
{
	return (total[0].average && (total[1].average || total[2].average)) ||
	       (total[0].maximum && (total[1].maximum || total[2].maximum));
}

static gboolean limits_operations(const ThrottleConfig *config)
{
	return config->limits[THROTTLE_OPERATIONS].average ||
	       config->limits[THROTTLE_OPERATIONS_READ].average ||
	       config->limits[THROTTLE_OPERATIONS_WRITTEN].average;
}

const char *throttle_config_check(const ThrottleConfig *config)
{
	for (guint i = 0; i < THROTTLE_N_LIMITS; i++) {
		const char *what = check_limit(&config->limits[i]);

		if (what)
			return what;
	}
	if (has_both(&config->limits[THROTTLE_BYTES]) ||
	    has_both(&config->limits[THROTTLE_OPERATIONS]))
		return _("there are limits of all together, and of reading or writing alone");
	if (config->operation_size && !limits_operations(config))
		return _("there is a size of operations, and no limit of them");
	return NULL;
}

Throttle *throttle_new(gint64 (*clock)(void))
{
	Throttle *throttle = g_new0(Throttle, 1);

	throttle->clock = clock ? clock : g_get_monotonic_time;
	throttle->looked = throttle->clock();
	throttle->timer = g_source_new(&timer_functions, sizeof(TimerSource));
	((TimerSource *)throttle->timer)->throttle = throttle;
	return throttle;
}

void throttle_attach(Throttle *throttle, GMainContext *context)
{
	g_source_attach(throttle->timer, context);
}

void throttle_free(Throttle *throttle)
{
	if (!throttle)
		return;
	g_assert(g_queue_is_empty(&throttle->waiting[0]) &&
		 g_queue_is_empty(&throttle->waiting[1]));
	g_source_destroy(throttle->timer);
	g_source_unref(throttle->timer);
	g_free(throttle);
}

gboolean throttle_is_limited(const Throttle *throttle)
{
	return throttle->is_limited;
}

/* What has leaked since the buckets were looked at. A clock that goes back stands still. */
static void leak(Throttle *throttle)
{
	const gint64 now = throttle->clock();
	const double seconds = (double)MAX(now - throttle->looked, 0) / G_TIME_SPAN_SECOND;

	throttle->looked = now;
	for (guint i = 0; i < THROTTLE_N_LIMITS; i++) {
		const ThrottleLimit *limit = &throttle->config.limits[i];
		Buckets *buckets = &throttle->buckets[i];

		buckets->level = MAX(buckets->level - (double)limit->average * seconds, 0);
		buckets->burst = MAX(buckets->burst - (double)limit->maximum * seconds, 0);
	}
}

/* Whether a maximum lasts so long that it has a bucket of its own. */
static gboolean has_burst(const ThrottleLimit *limit)
{
	return limit->maximum > 0 && limit->length > 1;
}

/* Seconds until a limit lets something go. */
static double wait_for_limit(const ThrottleLimit *limit, const Buckets *buckets)
{
	const double average = (double)limit->average, maximum = (double)limit->maximum;
	const double length = (double)MAX(limit->length, 1);
	double wait;

	if (limit->average == 0)
		return 0;
	wait = (buckets->level - (limit->maximum ? maximum * length : average * SHARE)) / average;
	if (has_burst(limit))
		wait = MAX(wait, (buckets->burst - maximum * SHARE) / maximum);
	return MAX(wait, 0);
}

/* Whether a limit is of reads, or of writes, or of both. */
static gboolean is_about(guint kind, gboolean is_write)
{
	return kind % 3 == 0 || kind % 3 == (is_write ? 2u : 1u);
}

static double wait_for(const Throttle *throttle, gboolean is_write)
{
	double wait = 0;

	for (guint i = 0; i < THROTTLE_N_LIMITS; i++)
		if (is_about(i, is_write))
			wait = MAX(wait, wait_for_limit(&throttle->config.limits[i],
							&throttle->buckets[i]));
	return wait;
}

static void pour(Throttle *throttle, const ThrottleEntry *entry)
{
	const guint64 unit = throttle->config.operation_size;
	const double operations = unit && entry->size > unit ? (double)entry->size / (double)unit :
							       1;

	for (guint i = 0; i < THROTTLE_N_LIMITS; i++) {
		const double amount = i < THROTTLE_OPERATIONS ? (double)entry->size : operations;
		Buckets *buckets = &throttle->buckets[i];

		if (!is_about(i, entry->is_write) || throttle->config.limits[i].average == 0)
			continue;
		buckets->level += amount;
		if (has_burst(&throttle->config.limits[i]))
			buckets->burst += amount;
	}
}

/* Return: seconds until one of those that wait may go, 0 where one has; -1 where none waits. */
static double admit_one(Throttle *throttle)
{
	double least = -1;

	for (guint i = 0; i < 2; i++) {
		const guint way = (throttle->turn + i) % 2;
		GQueue *waiting = &throttle->waiting[way];
		double wait;

		if (g_queue_is_empty(waiting))
			continue;
		wait = wait_for(throttle, way == 1);
		if (wait == 0) {
			ThrottleEntry *entry = g_queue_pop_head_link(waiting)->data;

			entry->is_waiting = FALSE;
			throttle->turn = 1 - way;
			pour(throttle, entry);
			entry->admitted(entry->opaque);
			return 0;
		}
		least = least < 0 ? wait : MIN(least, wait);
	}
	return least;
}

gint64 throttle_run(Throttle *throttle)
{
	double wait;

	throttle->is_running = TRUE;
	leak(throttle);
	do
		wait = admit_one(throttle);
	while (wait == 0);
	throttle->is_running = FALSE;
	/* Rounded up, so that it is time then. */
	return wait < 0 ? -1 : (gint64)(wait * G_TIME_SPAN_SECOND) + 1;
}

void throttle_enter(Throttle *throttle, ThrottleEntry *entry)
{
	entry->link = (GList){ .data = entry };
	entry->is_waiting = TRUE;
	g_queue_push_tail_link(&throttle->waiting[entry->is_write ? 1 : 0], &entry->link);
	if (!throttle->is_running)
		set_timer(throttle, throttle_run(throttle));
}

void throttle_leave(Throttle *throttle, ThrottleEntry *entry)
{
	if (!entry->is_waiting)
		return;
	entry->is_waiting = FALSE;
	g_queue_unlink(&throttle->waiting[entry->is_write ? 1 : 0], &entry->link);
}

void throttle_set(Throttle *throttle, const ThrottleConfig *config)
{
	g_assert(!throttle_config_check(config));
	leak(throttle);
	throttle->config = *config;
	throttle->is_limited = FALSE;
	for (guint i = 0; i < THROTTLE_N_LIMITS; i++) {
		if (config->limits[i].average == 0)
			throttle->buckets[i] = (Buckets){ 0 };
		if (!has_burst(&config->limits[i]))
			throttle->buckets[i].burst = 0;
		throttle->is_limited |= config->limits[i].average > 0;
	}
	set_timer(throttle, throttle_run(throttle));
}
