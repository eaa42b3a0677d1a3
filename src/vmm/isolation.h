/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * isolation.h - what this process gives up, step by step
 *
 * Theory of operation
 *
 * Each step says from whom it takes what. They are called by main() as early as what comes
 * after allows, and none can be undone by a VMM that a guest has taken over.
 */
#pragma once

#include <glib.h>

/*
 * isolation_hide_process - keep this process's memory and descriptors to itself
 *
 * Not dumpable (PR_SET_DUMPABLE of prctl(2)): nobody of the same user, another guest's VMM
 * above all, may trace it, read its memory, open what is in /proc/PID or take a descriptor by
 * pidfd_getfd(2); that takes CAP_SYS_PTRACE. No core dump either (RLIMIT_CORE, hard limit too).
 * execve(2) undoes the first, so it comes before anything else: between the two there is a
 * moment in which this process has no guest yet, and is not protected.
 */
gboolean isolation_hide_process(GError **error);
