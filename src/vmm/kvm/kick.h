/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kick.h - the signal that makes KVM_RUN return
 *
 * Its handler does nothing: being interrupted is the effect. It is meant for one thread of
 * this process at a time, never for the process.
 */
#pragma once

#include <signal.h>

#define KICK_SIGNAL SIGUSR1

/* Before the first thread that may be kicked. Idempotent. */
void kick_install_handler(void);
