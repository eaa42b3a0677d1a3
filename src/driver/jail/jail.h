/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jail.h - what is done to a child before it becomes a program that may turn hostile
 *
 * Theory of operation
 *
 * A domain's processes (VMM, logger, and every companion of a VMM) start here and nowhere else.
 * Between fork and exec the child goes through stages, listed in jail.c from top to bottom, each a
 * function with its reason: what a program needs from outside, or cannot be trusted to do to
 * itself. What is left, a program of ours does itself when it has loaded what it needs; see
 * docs/sandbox.md for all stages in their order.
 *
 * A stage that fails ends the child, and says through a pipe which it was and why. That pipe
 * closes with the exec, so that the daemon knows how it went when jail_spawn() returns. A part
 * that a host may lack by its administrator's will (Jail.may_lack) is tried all the same, and what
 * the host does not do is left out.
 *
 * The daemon has threads, so a child may only make system calls: nothing here allocates or
 * locks after the fork.
 */
#pragma once

#include <glib.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/sandbox-parts.h"

/* More than there are kinds of limits. */
#define JAIL_LIMITS_MAX 16

typedef struct {
	int resource; /* RLIMIT_* */
	rlim_t value;
} JailLimit;

typedef struct {
	int cgroup;	/* its cgroup.procs, open to be written; -1: the daemon's own cgroup */
	int namespaces; /* CLONE_NEW* of clone(2): those that it gets of its own */
	JailLimit limits[JAIL_LIMITS_MAX];
	guint n_limits;
	uid_t uid; /* whom it runs as; differs from the daemon's only for root */
	gid_t gid;
	const gid_t *groups; /* all that it is in, or NULL for none but @gid; the caller's */
	guint n_groups;
	guint64 capabilities; /* what it has at its start, as in common/capabilities.h */
	/* Folders that are empty for it, and all is read-only; NULL: it leaves files itself. */
	const char *const *hidden;
	guint may_lack;		/* bits of SANDBOX_PART_BIT() */
	gboolean is_confined;	/* the daemon, by AppArmor or SELinux */
	gboolean ignores_pipes; /* writing to a pipe that nobody reads is an error, not its end */
} Jail;

/*
 * jail_init - a jail with all that fits every program
 * @may_lack: bits of SANDBOX_PART_BIT()
 *
 * No network, shared memory, queue and host's name of the host's, where the daemon is root; the
 * capabilities with which the program leaves the host's files when it has loaded what it needs,
 * and no others; modest limits. A daemon that is not root leaves namespaces to the program.
 */
void jail_init(Jail *jail, uid_t uid, gid_t gid, guint may_lack);

/* Threads and processes that a companion may have; a VMM that is of the same user has them more. */
#define JAIL_COMPANION_THREADS 128

/*
 * jail_init_companion - a jail for a program of somebody else's, which helps a VMM
 * @uid, @gid: the VMM's
 * @has_network: it reaches the host's network, as passt does
 * @may_lack:  bits of SANDBOX_PART_BIT()
 *
 * It does nothing to itself that we could rely on, so that it is without any capability from its
 * first instruction on, and the host's tree is read-only for it, with the folders that are people's
 * and services' empty (where the daemon is root). What it is to read and write there is handed over
 * as descriptors, which also /proc/self/fd/N opens again. It has no filter of ours; one that makes
 * a user namespace for itself, as passt does, can. Its file size is not limited: an image may grow.
 *
 * It runs between vmm_launch's make_group() and the VMM: Jail.cgroup is the domain's, whose end is
 * the companion's.
 */
void jail_init_companion(Jail *jail, uid_t uid, gid_t gid, gboolean has_network, guint may_lack);

/* Sets or adds a limit. One above what the daemon may have itself becomes that. */
void jail_limit(Jail *jail, int resource, rlim_t value);

/*
 * jail_argument - what tells a program of ours which parts it may lack that it makes itself
 *
 * Return: "--sandbox-may-lack=PART,..." for g_free(), or NULL where it may lack none.
 */
char *jail_argument(const Jail *jail);

/* A descriptor of this process and the number that it has in the program. */
typedef struct {
	int source;
	int target;
} JailDescriptor;

typedef struct {
	const char *const *argv;	   /* argv[0] is the program's path */
	const char *const *environment;	   /* all of it; NULL: the daemon's own */
	const JailDescriptor *descriptors; /* target numbers from 3 on */
	guint n_descriptors;
	int output; /* becomes standard output and standard error; standard input is /dev/null */
} JailProgram;

/*
 * jail_spawn - start a program in its jail
 *
 * Returns when the program runs, or will not.
 *
 * Return: its process id, which is the caller's to reap; -1 with DRIVER_ERROR
 * (VIR_ERR_INTERNAL_ERROR) that names the program and the stage.
 */
pid_t jail_spawn(const Jail *jail, const JailProgram *program, GError **error);
