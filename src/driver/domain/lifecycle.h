/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lifecycle.h - starting, stopping and following domains
 *
 * Theory of operation
 *
 * A start is one job: the VMM is launched paused, its monitor thread started, the status
 * file written, the guest let go. From then on the VMM is followed (follow.h). Whoever ends a
 * domain gets there twice, by its own hand and by the end of the process; the first one with
 * the job cleans up, the second one finds that the VMM is not the domain's any more.
 *
 * A VMM is ended because somebody wants that, because the domain's XML does, or because its start
 * has failed, and for no other reason: one that does not answer, or cannot be reached, may come
 * back. A restart that it does not answer leaves the domain paused, and goes on when it does.
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
 * At the daemon's start, before there are clients. The domain's job is kept until the VMM has
 * been reached, or has ended.
 */
void lifecycle_reconnect(Domain *domain, StoreStatus *status);

/* Does what there is to do about a VMM: FollowTask bits. On a worker, with the job. */
void lifecycle_follow(DomainVmm *vmm, guint tasks);

/* Leaves a domain that runs to the next daemon. At the daemon's end. */
void lifecycle_leave(Domain *domain);
