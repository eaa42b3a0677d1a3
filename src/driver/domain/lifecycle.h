/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lifecycle.h - starting, stopping and following domains
 *
 * Theory of operation
 *
 * A start is one job: the VMM is launched paused, its monitor thread started, the status
 * file written, the guest let go. From then on the monitor thread keeps the domain's state
 * with the domain's lock alone, and leaves to a worker what needs the job: the guest has
 * powered off (the VMM waits then, whatever comes next is decided here), the machine has
 * failed, the VMM has ended. Whoever ends a domain gets there twice, by its own hand and by
 * the end of the monitor's connection; the first one with the job cleans up, the second one
 * finds that the VMM is not the domain's any more.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"
#include "driver/domain/store.h"

/*
 * lifecycle_start - start a domain
 * @def: what to run; taken over, also on failure
 * @flags: of virDomainCreateFlags: PAUSED, AUTODESTROY and RESET_NVRAM have a meaning here
 * @client: whose end is the domain's, with AUTODESTROY
 *
 * With the domain's job, without its lock.
 */
gboolean lifecycle_start(Domain *domain, DomainDef *def, guint flags, RpcClient *client,
			 GError **error);

/*
 * lifecycle_destroy - end a domain's VMM, whatever it is doing
 * @graceful: do not kill a VMM that does not end when it is told to
 *
 * Without the job, which it takes when the VMM has ended.
 */
gboolean lifecycle_destroy(Domain *domain, gboolean graceful, GError **error);

/* The following take the job themselves. */
gboolean lifecycle_suspend(Domain *domain, GError **error);
gboolean lifecycle_resume(Domain *domain, GError **error);
gboolean lifecycle_reset(Domain *domain, GError **error);

/* Presses the power button. @is_reboot: start again when the guest has powered off */
gboolean lifecycle_shutdown(Domain *domain, gboolean is_reboot, GError **error);

/*
 * lifecycle_reconnect - become the daemon of a domain that an earlier one started
 * @status: its def is taken over
 *
 * At the daemon's start, before there are clients; reaches the VMM on a worker.
 */
void lifecycle_reconnect(Domain *domain, StoreStatus *status);

/* Leaves a domain that runs to the next daemon. At the daemon's end. */
void lifecycle_leave(Domain *domain);
