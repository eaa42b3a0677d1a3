/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-turn.c - one costly document at a time */
#include "driver/conf/domain-private.h"

#include "driver/error.h"
#include <glib/gi18n.h>

/* What people write is far below. */
#define LARGE_BYTES (64u * 1024)

static GMutex busy;
static gint is_over; /* atomic */

void domain_def_stop_reading(void)
{
	g_atomic_int_set(&is_over, TRUE);
}

gboolean domain_turn_take(DomainTurn *turn, gsize bytes, gboolean is_validated, GError **error)
{
	if (bytes <= LARGE_BYTES && !is_validated)
		return TRUE;
	g_mutex_lock(&busy);
	turn->is_mine = TRUE;
	return !g_atomic_int_get(&is_over) ||
	       driver_error(error, VIR_ERR_OPERATION_ABORTED, _("the daemon is ending"));
}

void domain_turn_give(DomainTurn *turn)
{
	if (turn->is_mine)
		g_mutex_unlock(&busy);
	turn->is_mine = FALSE;
}
