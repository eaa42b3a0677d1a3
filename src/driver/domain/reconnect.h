/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reconnect.h - domains go from one daemon to the next
 *
 * Theory of operation
 *
 * A daemon that ends leaves the domains that run, with a status file each. The next one finds
 * their VMMs by process and start time, and listens to them again. One that cannot be reached is
 * tried again and again: its domain keeps the job meanwhile. A start that was under way when a
 * daemon was killed is undone.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"
#include "driver/domain/store.h"

/*
 * reconnect_domain - become the daemon of a domain that an earlier one started
 * @status: its def is taken over
 *
 * At the daemon's start, before there are clients. The domain's job is kept until the VMM has
 * been reached, or has ended.
 */
void reconnect_domain(Domain *domain, StoreStatus *status);

/* Leaves a domain that runs to the next daemon. At the daemon's end. */
void reconnect_leave(Domain *domain);
