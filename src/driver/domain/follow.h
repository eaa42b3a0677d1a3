/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * follow.h - a domain's VMM is followed: what it says becomes the domain's state
 *
 * Theory of operation
 *
 * The monitor thread turns what the VMM says into states, files and events, with the domain's
 * lock alone. What needs the job, or time, it leaves to a worker as a task: a bit in the VMM's
 * tasks. One worker at most looks after a VMM, and does with one turn what has been asked for
 * any number of times. So a VMM that repeats itself costs no thread, and none waits for another
 * one of its kind.
 *
 * A VMM is not trusted, nor is its guest, which makes it speak. What says nothing new is ignored.
 * Reboots beyond a burst are told once a second, the last one always. Changes of the state cannot
 * be merged, so a VMM that changes it all the time is read slowly, and waits: the status file, the
 * clients and the log get no more than REBOOTS_* and CHANGES_* in follow.c let through.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/* What there is to do about a VMM, in the order in which it is done. */
typedef enum {
	FOLLOW_END = 1 << 0,	   /* its process has ended: the domain is put away */
	FOLLOW_REACHED = 1 << 1,   /* it answers, after nobody has listened: what is its state? */
	FOLLOW_POWER_OFF = 1 << 2, /* the guest has powered off, and the VMM waits */
	FOLLOW_FAILURE = 1 << 3,   /* the machine has failed, and the VMM waits */
	FOLLOW_RESTART = 1 << 4,   /* a restart that was given up can go on */
	FOLLOW_UNPLUG = 1 << 5,	   /* devices are gone */
} FollowTask;

/*
 * follow_start - start the monitor thread of a VMM that is its domain's
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR; it may be tried again.
 */
gboolean follow_start(DomainVmm *vmm, GError **error);

/* Has a worker do a task. With the domain's lock. */
void follow_ask(DomainVmm *vmm, FollowTask task);

/* With the domain's lock and a VMM: state, status file and event change together. */
void follow_change_state(Domain *domain, int state, int reason, int event, int detail);

/* With the domain's lock and a VMM: a domain whose status is not written is lost to the next
 * daemon. */
gboolean follow_save_status(const Domain *domain, GError **error);

/* Members of what the VMM says: "", -1 and FALSE where they are missing or something else. */
const char *follow_string(JsonObject *data, const char *name);

/* The first object of a list whose member has that text; or NULL, also where it is no list. */
JsonObject *follow_find(JsonNode *list, const char *member, const char *text);
gint64 follow_number(JsonObject *data, const char *name);
gboolean follow_boolean(JsonObject *data, const char *name);
