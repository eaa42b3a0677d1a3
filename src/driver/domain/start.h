/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * start.h - starting domains
 *
 * Theory of operation
 *
 * A start is one job: the VMM is launched paused, its monitor thread started, the status
 * file written, the guest let go. From then on the VMM is followed (follow.h).
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/*
 * start_domain - start a domain
 * @def: what to run; taken over, also on failure
 * @flags: of virDomainCreateFlags: PAUSED, AUTODESTROY and RESET_NVRAM have a meaning here
 * @client: whose end is the domain's, with AUTODESTROY
 *
 * With the domain's job, without its lock.
 */
gboolean start_domain(Domain *domain, DomainDef *def, guint flags, RpcClient *client,
		      GError **error);
