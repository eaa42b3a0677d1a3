/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watchdog.h - what a machine does when a guest has not reset its watchdog in time */
#pragma once

#include <glib.h>

/* QEMU's WatchdogAction. */
typedef enum {
	WATCHDOG_RESET,
	WATCHDOG_SHUTDOWN, /* the power button is pressed */
	WATCHDOG_POWEROFF,
	WATCHDOG_PAUSE,
	WATCHDOG_NONE,	     /* but for the event */
	WATCHDOG_INJECT_NMI, /* to the first processor */
	WATCHDOG_N_ACTIONS,
} WatchdogAction;

/* "reset", …, as descriptions and events have them; NULL behind the last. */
extern const char *const watchdog_action_names[WATCHDOG_N_ACTIONS + 1];
