/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send-key.h - keys that a client has pressed on a domain's keyboard */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/*
 * send_key - press keys one after the other, and let them go in reverse
 * @set:   VIR_KEYCODE_SET_*: whose numbers @codes are
 * @codes: @n of them
 * @hold:  milliseconds from each of these steps to the next; 0: as the VMM likes
 *
 * Takes the domain's job. Returns when the VMM has begun.
 */
gboolean send_key(Domain *domain, guint set, const guint *codes, guint n, guint hold,
		  GError **error);
