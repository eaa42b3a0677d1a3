/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-refusal.h - which system call a process has ended by that its filters do not allow
 *
 * Theory of operation
 *
 * What the kernel says to a parent is SIGSYS and no more. It could say more to the process itself,
 * which would then have to be believed and to live on to tell it; so filters kill
 * (docs/sandbox.md), and the kernel's audit names the call. Where no audit daemon takes its
 * records, they are in the kernel's log, which root can read. Elsewhere nothing is found here.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* As the kernel has it, for names of threads. */
#define VMM_REFUSAL_NAME_SIZE 16

typedef struct {
	guint number;			    /* of the system call, on x86-64 */
	char thread[VMM_REFUSAL_NAME_SIZE]; /* printable ASCII: the process chooses it */
} VmmRefusal;

/* Of whom: a number below 0 fits every process, for one that is in another PID namespace. */
typedef struct {
	pid_t pid;
	uid_t uid;
	gint64 since_ms; /* since 1970, when it was started: records before are others' */
} VmmRefusalOf;

/*
 * vmm_refusal_parse - take a record of the kernel's log apart
 *
 * Return: FALSE where it is not about a call of this process that was refused.
 */
gboolean vmm_refusal_parse(const char *record, const VmmRefusalOf *of, VmmRefusal *refusal);

/*
 * vmm_refusal_find - look for the last one in the kernel's log
 * @log: gives a record at each read, and does not block
 * @wait_ms: how long the record may be under way
 */
gboolean vmm_refusal_find(int log, const VmmRefusalOf *of, guint wait_ms, VmmRefusal *refusal);

/* The same, in this host's log, for a process that has just ended. */
gboolean vmm_refusal_look_up(const VmmRefusalOf *of, VmmRefusal *refusal);

/* The call's name for g_free(); its number where it has none. */
char *vmm_refusal_call_name(const VmmRefusal *refusal);
