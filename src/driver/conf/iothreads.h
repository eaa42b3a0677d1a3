/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iothreads.h - <iothreads>, <iothreadids> and <iothreadpin>: threads that serve devices */
#pragma once

#include <glib.h>

#include "common/cpu-set.h"
#include "driver/conf/domain-types.h"

/* The most that a domain has. */
#define DOMAIN_MAX_IOTHREADS 64

typedef struct {
	guint id;    /* from 1 to G_MAXINT */
	CpuSet cpus; /* of the host, on which it is to run; empty: on all */
} DomainIothread;

/* Return: the thread of that number, lent until the threads change; or NULL. */
DomainIothread *domain_find_iothread(const DomainDef *def, guint id);

/*
 * domain_add_iothread - one more thread, which runs where it likes
 *
 * The definition says the threads' numbers from then on.
 *
 * Return: FALSE with VIR_ERR_INVALID_ARG for a number that is none or is in use, or with
 * VIR_ERR_CONFIG_UNSUPPORTED where there are too many.
 */
gboolean domain_add_iothread(DomainDef *def, guint id, GError **error);

/*
 * domain_remove_iothread - one thread less, and where it is to run is forgotten
 *
 * Return: FALSE with VIR_ERR_INVALID_ARG that says that there is no such thread, or which disk is
 * served by it.
 */
gboolean domain_remove_iothread(DomainDef *def, guint id, GError **error);

/*
 * domain_pin_iothread - where a thread is to run
 *
 * Return: FALSE with VIR_ERR_INVALID_ARG where there is no such thread.
 */
gboolean domain_pin_iothread(DomainDef *def, guint id, const CpuSet *cpus, GError **error);
