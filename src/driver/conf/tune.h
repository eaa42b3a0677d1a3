/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tune.h - <memtune> and <cputune>: what a domain may take of the host, by its control group */
#pragma once

#include <glib.h>

/* 0: no such limit. */
typedef struct {
	guint64 hard_limit_kib; /* of the domain's processes' memory, the guest's included */
	guint64 shares;		/* cpu.weight of the group */
	guint64 global_period;	/* us, in which the group may run for so long */
	guint64 global_quota;	/* us */
} DomainTune;

gboolean domain_tune_is_empty(const DomainTune *tune);
