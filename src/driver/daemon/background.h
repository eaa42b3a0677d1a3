/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* background.h - going on in the background, once the daemon serves */
#pragma once

#include <glib.h>

#include "driver/vmm/vmm-log.h"

/*
 * background_enter - fork; the parent waits until the child serves or has failed
 *
 * Returns in the child only: the parent exits, with success as soon as the child calls
 * background_serving(), with failure when it ends before. Called before any thread is made.
 *
 * Return: in the child, the descriptor for background_serving(); in the parent, -1 with
 * @error where there can be no child.
 */
int background_enter(GError **error);

/*
 * background_serving - let go of the parent and the terminal
 * @fd: what background_enter() returned; closed
 * @log_path: where standard error goes from now on; it is appended to
 * @limits: how large it may become: what GLib is told to log looks after that
 */
gboolean background_serving(int fd, const char *log_path, const VmmLogLimits *limits,
			    GError **error);
