/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * throttle.h - how much of something may go in a second: bytes and operations of a disk
 *
 * Theory of operation
 *
 * Each limit is a bucket that leaks as much in a second as its average says. What begins is poured
 * in, and nothing begins while the bucket is fuller than it may be: a tenth of a second's worth, or
 * where more is allowed for a while, that for so long. A second bucket then sees to it that it does
 * not all come at once. So a single request may be larger than a limit; those behind it wait for
 * it.
 *
 * Who wants to begin something enters with an entry, and is told when it may: at once, before
 * throttle_enter() returns, or later. Reads wait behind reads and writes behind writes, in their
 * order; where both may go, they take turns. Nothing is held but the entry, which can leave again.
 *
 * It belongs to one thread, in whose context its timer is. What it counts with is a clock of its
 * maker's, so that a test has its own.
 */
#pragma once

#include <glib.h>

/* Of an average or a maximum. */
#define THROTTLE_VALUE_MAX 1000000000000000ull

typedef enum {
	THROTTLE_BYTES,
	THROTTLE_BYTES_READ,
	THROTTLE_BYTES_WRITTEN,
	THROTTLE_OPERATIONS,
	THROTTLE_OPERATIONS_READ,
	THROTTLE_OPERATIONS_WRITTEN,
	THROTTLE_N_LIMITS,
} ThrottleLimitKind;

typedef struct {
	guint64 average; /* in a second; 0: there is no limit */
	guint64 maximum; /* in a second, for a while; 0: none */
	guint64 length;	 /* of that while, in seconds; 0: one */
} ThrottleLimit;

typedef struct {
	ThrottleLimit limits[THROTTLE_N_LIMITS];
	guint64 operation_size; /* bytes that count as one operation more; 0: any size is one */
} ThrottleConfig;

typedef struct Throttle Throttle;

typedef struct {
	gboolean is_write;
	guint64 size;			/* bytes */
	void (*admitted)(void *opaque); /* it may begin */
	void *opaque;

	/* The throttle's. */
	GList link;
	gboolean is_waiting;
} ThrottleEntry;

/*
 * throttle_config_check - whether the limits make sense together
 *
 * Return: NULL, or what is wrong, in words.
 */
const char *throttle_config_check(const ThrottleConfig *config);

/* Without a limit. @clock: microseconds; NULL: g_get_monotonic_time() */
Throttle *throttle_new(gint64 (*clock)(void));
void throttle_attach(Throttle *throttle, GMainContext *context);

/* Nobody waits. On the thread, or when that does not run the context any more. */
void throttle_free(Throttle *throttle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Throttle, throttle_free)

/* Changes the limits. Whoever waits goes by the new ones. @config: that is good */
void throttle_set(Throttle *throttle, const ThrottleConfig *config);

/* Whether there is any limit; without one nobody has to enter. */
gboolean throttle_is_limited(const Throttle *throttle);

/* @entry: stays until it has been admitted, or has left */
void throttle_enter(Throttle *throttle, ThrottleEntry *entry);

/* It is not wanted any more. Nothing happens where it does not wait. */
void throttle_leave(Throttle *throttle, ThrottleEntry *entry);

/*
 * throttle_run - admit whoever may go by now; what the timer does
 *
 * Return: microseconds until the next may, or -1 where nobody waits.
 */
gint64 throttle_run(Throttle *throttle);
