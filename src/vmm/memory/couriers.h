/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * couriers.h - the couriers of a machine, and what each of them is given
 *
 * Theory of operation
 *
 * The memory thread has a courier of its own. DMA channels share some others: each takes one for a
 * part of a transfer at a time, the one that it had the last time if that is idle, and waits where
 * all are away. So there can be any number of channels, and as many of them are under way at a time
 * as there are couriers: with the first channels come more, up to COURIERS_MAX, while the machine
 * is set up. Each takes a vCPU id that the guest has not, and a window of guest addresses, of which
 * there are no more. KVM takes no vCPU back, so a courier stays until the end.
 *
 * Ids are APIC ids of the guest's, and have to be ones that AVIC can address, or KVM refuses the
 * vCPU, or goes without AVIC: 254 is the last (AVIC_MAX_PHYSICAL_ID of arch/x86/include/asm/svm.h).
 * The memory thread's courier has that, which no vCPU of the guest can have. The others go down
 * from there, over those that the guest has: it has LIMIT_VCPUS at most, so there are enough.
 */
#pragma once

#include <glib.h>

#include "common/cpu-topology.h"
#include "vmm/memory/courier.h"

/* How many there are for channels. */
#define COURIERS_MAX 4u

typedef struct {
	KvmVm *vm;
	CpuTopology topology; /* of the guest's processors */
	guint n_vcpus;
	CourierStuck stuck;
	gpointer opaque;
	guint next_id; /* where the search for an id begins */

	/* Guarded by Memory.lock. */
	GPtrArray *all; /* of Courier, owned */
	guint channels; /* that share all but the first */

	GMutex lock; /* guards what follows; innermost */
	GCond turn;
	GPtrArray *idle; /* those of the channels' that nobody uses */
	guint64 next;	 /* the number that the next who waits gets */
	guint64 serving; /* whose turn it is; equal to next where nobody waits */
} Couriers;

/* @stuck, @opaque: each courier's */
void couriers_init(Couriers *couriers, KvmVm *vm, const CpuTopology *topology, guint n_vcpus,
		   CourierStuck stuck, gpointer opaque);
void couriers_clear(Couriers *couriers);

/* The memory thread's, which is the first. */
Courier *couriers_add_first(Couriers *couriers, GError **error);

/*
 * couriers_join - there is one channel more
 *
 * It brings a courier of its own where there can be one more. Return: FALSE with @error set where
 * there is none at all, and none can be made any more.
 */
gboolean couriers_join(Couriers *couriers, GError **error);
void couriers_leave(Couriers *couriers);

/*
 * couriers_try_take - a courier for a channel; its staging area has DMA_CHANNEL_PART bytes
 * @preferred: which one, if it is idle; NULL: any
 *
 * Return: NULL where all are away, or others wait.
 */
Courier *couriers_try_take(Couriers *couriers, const Courier *preferred);

/* The same, and waits in turn; not with Memory.lock held, which those take who have one. */
Courier *couriers_take(Couriers *couriers, const Courier *preferred);
void couriers_give_back(Couriers *couriers, Courier *courier);

/* The sum of what they have counted. */
CourierCounter couriers_count(const Couriers *couriers);
