/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confinement.h - what a process gives up, step by step
 *
 * Theory of operation
 *
 * Each step says from whom it takes what. A program's main() calls them as early as what comes
 * after allows, in the order in which they stand here, and with one thread still: most are of
 * the calling thread, and those made later have them from it. None can be undone by a program
 * that somebody has taken over. docs/sandbox.md has all steps, the daemon's included.
 */
#pragma once

#include <glib.h>

/*
 * confinement_hide_process - keep this process's memory and descriptors to itself
 *
 * Not dumpable (PR_SET_DUMPABLE of prctl(2)): nobody of the same user, another guest's VMM
 * above all, may trace it, read its memory, open what is in /proc/PID or take a descriptor by
 * pidfd_getfd(2); that takes CAP_SYS_PTRACE. No core dump either (RLIMIT_CORE, hard limit too).
 * execve(2) undoes the first, so it comes before anything else: between the two there is a
 * moment in which this process has no guest yet, and is not protected.
 */
gboolean confinement_hide_process(GError **error);

/*
 * confinement_close_others - close each descriptor from 3 on but these
 * @kept: those that are below 0 count for nothing
 *
 * What a careless starter has left open would be open to whoever takes the program over.
 */
gboolean confinement_close_others(const int *kept, gsize n_kept, GError **error);

/*
 * confinement_leave_files - a root of its own that is empty, and stays so
 *
 * A mount namespace, with an empty file system that cannot be written to as its root: there is
 * no path any more that leads to something. What is open stays open. Who may not make a mount
 * namespace makes a user namespace first, in which he is nobody else and may, and with it
 * those for network, IPC and the host's name, which a daemon that is root has made before. The
 * user namespace is made here, and not before the program is executed, because a process that
 * hides (above) does so from whoever has rights in the namespace that it was executed in.
 *
 * The program needs CAP_SYS_ADMIN for this, or a kernel that lets users have namespaces.
 */
gboolean confinement_leave_files(GError **error);

/*
 * confinement_refuse_privileges - no new ones by executing something (PR_SET_NO_NEW_PRIVS)
 *
 * The daemon has done so. Here it is done where a person has started the program, and checked.
 */
gboolean confinement_refuse_privileges(GError **error);

/*
 * confinement_drop_capabilities - have none but these, of none in any other set, and check that
 * @kept: bits, as capabilities.h has them
 */
gboolean confinement_drop_capabilities(guint64 kept, GError **error);
