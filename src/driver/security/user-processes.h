/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* user-processes.h - all processes of a user who is one domain's alone */
#pragma once

#include <sys/types.h>

/*
 * user_processes_end - kill every process of a user, and wait for their ends
 * @uid: no person's and no service's
 *
 * What does not end within some seconds is told in the log.
 */
void user_processes_end(uid_t uid);
