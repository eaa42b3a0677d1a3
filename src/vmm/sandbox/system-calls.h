/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * system-calls.h - which system calls each kind of thread may make, and with which arguments
 *
 * Theory of operation
 *
 * A seccomp filter for each kind of thread is made from the tables of system-calls.c, once, before
 * there are threads, and kept as the program that the kernel takes. Main's thread installs the one
 * for setting up at once; every thread that it starts has that one, too, and puts its own on top:
 * what one of them refuses is refused. A call that no filter knows ends the process (SIGSYS).
 * Few answer with an error instead, where a library asks whether there is such a call.
 */
#pragma once

#include <glib.h>

#include "vmm/sandbox/sandbox.h"

/*
 * system_calls_prepare - make all filters, and install that of SANDBOX_THREAD_SET_UP
 *
 * A build with a sanitizer, which makes system calls of its own, has none, and succeeds.
 *
 * Return: FALSE with @error set where the kernel has no such filters.
 */
gboolean system_calls_prepare(const SandboxConfig *config, KvmMemoryKind memory_kind,
			      GError **error);

/* Installs a thread's filter, where there are some. Ends the process where it cannot. */
void system_calls_confine(SandboxThread thread);
