/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watchdog.c - what a machine does when a guest has not reset its watchdog in time */
#include "vmm/watchdog/watchdog.h"

const char *const watchdog_action_names[WATCHDOG_N_ACTIONS + 1] = {
	[WATCHDOG_RESET] = "reset",	  [WATCHDOG_SHUTDOWN] = "shutdown",
	[WATCHDOG_POWEROFF] = "poweroff", [WATCHDOG_PAUSE] = "pause",
	[WATCHDOG_NONE] = "none",	  [WATCHDOG_INJECT_NMI] = "inject-nmi",
};
