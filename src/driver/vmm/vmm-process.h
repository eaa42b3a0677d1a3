/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-process.h - the process of a domain's VMM, from spawning it to its end
 *
 * Theory of operation
 *
 * A VMM outlives the daemon: it is in a session of its own, and its status file says its
 * process id and the time when the kernel started it. The two together name a process for
 * as long as the host runs, so that a daemon which finds the file again cannot mistake
 * another process for it. From then on a pidfd stands for the process: it can be waited
 * for and signalled whether it is a child or not, and never names another one.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "common/cpu-set.h"
#include "driver/jail/jail.h"

typedef struct VmmProcess VmmProcess;

/*
 * vmm_process_spawn - start a program in its jail, and so in a session of its own
 *
 * Return: NULL with DRIVER_ERROR (VIR_ERR_INTERNAL_ERROR) that names the program.
 */
VmmProcess *vmm_process_spawn(const Jail *jail, const JailProgram *program, GError **error);

/*
 * vmm_process_adopt - find a process again
 *
 * Return: NULL with DRIVER_ERROR: VIR_ERR_INTERNAL_ERROR where it has ended, VIR_ERR_SYSTEM_ERROR
 * where that cannot be told now, for want of descriptors as a rule.
 */
VmmProcess *vmm_process_adopt(pid_t pid, guint64 start_time, GError **error);

void vmm_process_free(VmmProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmProcess, vmm_process_free)

pid_t vmm_process_pid(const VmmProcess *process);
guint64 vmm_process_start_time(const VmmProcess *process);

/* The pidfd, readable once the process has ended; it stays the object's. */
int vmm_process_pidfd(const VmmProcess *process);

/*
 * vmm_process_wait - wait for its end and reap it
 * @seconds: 0 to look only
 *
 * Safe on any thread, and again after it has ended.
 *
 * Return: TRUE when it has ended.
 */
gboolean vmm_process_wait(VmmProcess *process, guint seconds);

/*
 * vmm_process_end - see to it that it ends
 * @seconds: for it to do so by itself; then it is killed, and waited for
 */
void vmm_process_end(VmmProcess *process, guint seconds);

/* Whether it is known to have ended otherwise than by exit status 0. */
gboolean vmm_process_has_failed(VmmProcess *process);

/* How it ended, "exit status 1" or "signal 9 (Killed)"; NULL when that is not known. */
char *vmm_process_outcome(VmmProcess *process);

void vmm_process_signal(VmmProcess *process, int signal);

/* Processor time that a thread or, with @tid 0, the whole process has used, in ns. */
typedef struct {
	guint64 user_ns;
	guint64 system_ns;
	int processor; /* where it ran last */
} VmmCpuTime;

/* Return: FALSE when it has ended. */
gboolean vmm_process_cpu_time(const VmmProcess *process, pid_t tid, VmmCpuTime *time);

/*
 * vmm_process_get_affinity - on which of the host's processors a thread may run
 * @tid:    as the VMM says, which is believed if it is one of its threads
 * @map:    bitmap, bit n of byte n / 8: processor n; for g_free()
 * @length: bytes in @map, without zeroes at the end
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED where there is no such thread of the VMM's.
 */
gboolean vmm_process_get_affinity(const VmmProcess *process, pid_t tid, guint8 **map, gsize *length,
				  GError **error);

/*
 * vmm_process_set_affinity - have a thread run on some of the host's processors only
 * @cpus: those that the host does not have, or that are offline, are left out
 *
 * Return: FALSE as above, or where the host has none of them online.
 */
gboolean vmm_process_set_affinity(const VmmProcess *process, pid_t tid, const CpuSet *cpus,
				  GError **error);

/* Resident memory in KiB; 0 when it has ended. */
guint64 vmm_process_resident_kib(const VmmProcess *process);
