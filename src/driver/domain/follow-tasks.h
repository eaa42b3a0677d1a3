/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * follow-tasks.h - what a worker does about what a VMM has said
 *
 * Theory of operation
 *
 * A guest that powers off or resets itself, or a machine that has failed, waits in its VMM until
 * the domain's XML has been asked what is to become of it. A restart that the VMM does not answer
 * leaves the domain paused, and goes on when it does.
 */
#pragma once

#include <glib.h>

#include "driver/domain/follow.h"

/* Does what there is to do about a VMM: FollowTask bits. On a worker, with the job. */
void follow_do_tasks(DomainVmm *vmm, guint tasks);

/* Reads the vCPUs' threads, so that their time can be told. With the job. */
gboolean follow_read_threads(DomainVmm *vmm, GError **error);
