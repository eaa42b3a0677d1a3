/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* steer.h - pausing, resuming, resetting domains, and pressing their power buttons */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/* These take the domain's job themselves. */
gboolean steer_suspend(Domain *domain, GError **error);
gboolean steer_resume(Domain *domain, GError **error);
gboolean steer_reset(Domain *domain, GError **error);

/* Presses the power button. @is_reboot: start again when the guest has powered off */
gboolean steer_shutdown(Domain *domain, gboolean is_reboot, GError **error);
