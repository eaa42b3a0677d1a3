/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * couriers.h - the couriers of a machine, and what each of them is given
 *
 * Theory of operation
 *
 * The memory thread has a courier, and each DMA channel has one. Each takes a vCPU id that the
 * guest has not, and a window of guest addresses. KVM takes no vCPU back, so a courier stays until
 * the end; one that is given back is kept for the next who wants one.
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

typedef struct {
	KvmVm *vm;
	CpuTopology topology; /* of the guest's processors */
	guint n_vcpus;
	CourierStuck stuck;
	gpointer opaque;
	GPtrArray *all;	 /* of Courier, owned */
	GPtrArray *idle; /* those of them that were given back */
	guint next_id;	 /* where the search for an id begins */
} Couriers;

/* @stuck, @opaque: each courier's */
void couriers_init(Couriers *couriers, KvmVm *vm, const CpuTopology *topology, guint n_vcpus,
		   CourierStuck stuck, gpointer opaque);
void couriers_clear(Couriers *couriers);

/* The memory thread's, which is the first. */
Courier *couriers_add_first(Couriers *couriers, GError **error);

/* One for a channel; its staging area has DMA_CHANNEL_PART bytes. */
Courier *couriers_take(Couriers *couriers, GError **error);
void couriers_give_back(Couriers *couriers, Courier *courier);

/* The sum of what they have counted. */
CourierCounter couriers_count(const Couriers *couriers);
