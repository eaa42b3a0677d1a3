/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox.h - the stages in which gmem-vmm gives up what a hostile guest could use
 *
 * Theory of operation
 *
 * A guest that takes its VMM over gets what the VMM has. All that it needs is open before the
 * guest runs, so it gives up the rest, in this order, each at the first moment where nothing
 * after it needs what goes:
 *
 *   the daemon   cgroup, session, namespaces, limits, user, new privileges (src/driver/jail)
 *   main()       confinement_hide_process(), before the command line is read
 *   main()       sandbox_enter(), when what the command line names is open and nothing of it has
 *                been looked at: descriptors, files, privileges, capabilities, and all system
 *                calls that neither setting the machine up nor running it takes
 *   threads      sandbox_enter_thread(), each as it begins: the calls that it takes itself
 *   main()       the same, when the machine is set up
 *
 * Which calls those are is in system-calls.c, and why in docs/sandbox.md. A thread that makes
 * another ends the process (SIGSYS): threads share all memory, so that one which has been taken
 * over can take over the others, and what the process can do is what any of them can.
 */
#pragma once

#include <glib.h>

#include "common/kvm-support.h"
#include "common/sandbox-parts.h"

typedef enum {
	SANDBOX_PROCESS, /* what takes no privilege and no namespace */
	SANDBOX_FULL,
} SandboxLevel;

typedef struct {
	SandboxLevel level;
	guint may_lack;		   /* of SANDBOX_PARTS_OF_PROGRAMS: without, with a warning */
	gboolean has_terminal;	   /* whose settings are changed, and changed back */
	gboolean has_monitor_path; /* that is removed at the end */
} SandboxConfig;

/* Kinds of threads, by what they do. */
typedef enum {
	SANDBOX_THREAD_SET_UP, /* main(), until the machine is set up */
	SANDBOX_THREAD_MAIN,   /* and what GLib starts from there */
	SANDBOX_THREAD_VCPU,
	SANDBOX_THREAD_MEMORY,
	SANDBOX_THREAD_CLOSER,
	SANDBOX_THREAD_WORKER,	 /* a command of the monitor that takes long */
	SANDBOX_THREAD_IO,	 /* serves the queues of devices */
	SANDBOX_THREAD_WATCHDOG, /* of couriers, and what the C library starts for it */
	SANDBOX_N_THREADS,
} SandboxThread;

/*
 * sandbox_enter - give up all but what setting up and running a machine takes
 * @memory_kind:  of the machine
 * @descriptors:  from 3 on, what stays open; -1 counts for nothing
 *
 * With one thread. What is lacking on this host is an error, or a warning where it may be.
 */
gboolean sandbox_enter(const SandboxConfig *config, KvmMemoryKind memory_kind,
		       const int *descriptors, gsize n_descriptors, GError **error);

/*
 * sandbox_enter_thread - give up all system calls but those of this kind of thread
 *
 * Again on the same thread it does nothing: workers come back.
 * Nothing happens where there is no sandbox: in tests, or on a host that lacks seccomp. Anything
 * else that goes wrong ends the process.
 */
void sandbox_enter_thread(SandboxThread thread);
