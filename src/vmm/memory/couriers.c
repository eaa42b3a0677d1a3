/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* couriers.c - the couriers of a machine, and what each of them is given */
#include "vmm/memory/couriers.h"

#include <glib/gi18n.h>

#include "vmm/memory/dma.h"
#include "vmm/memory/kind.h"

#define FIRST_ID	   (CPU_TOPOLOGY_MAX_APIC_ID + 1)
#define FIRST_STAGING_SIZE (MEMORY_PIECE_PAGES << PAGE_SHIFT)

G_STATIC_ASSERT(MEMORY_WINDOW_END - MEMORY_WINDOW_START ==
		COURIER_WINDOW_SIZE(FIRST_STAGING_SIZE) +
			COURIERS_MAX * COURIER_WINDOW_SIZE(DMA_CHANNEL_PART));
G_STATIC_ASSERT(MEMORY_WINDOW_END <= KVM_VM_PAGES_START);
G_STATIC_ASSERT(COURIER_REACH >= MEMORY_HIGH_BASE + MEMORY_MAX_SIZE);
G_STATIC_ASSERT(LIMIT_VCPUS + 1 + COURIERS_MAX <= FIRST_ID + 1);

void couriers_init(Couriers *couriers, KvmVm *vm, const CpuTopology *topology, guint n_vcpus,
		   CourierStuck stuck, gpointer opaque)
{
	*couriers = (Couriers){
		.vm = vm,
		.topology = *topology,
		.n_vcpus = n_vcpus,
		.stuck = stuck,
		.opaque = opaque,
		.all = g_ptr_array_new_with_free_func((GDestroyNotify)courier_free),
		.idle = g_ptr_array_new(),
		.next_id = FIRST_ID,
	};
	g_mutex_init(&couriers->lock);
	g_cond_init(&couriers->turn);
}

void couriers_clear(Couriers *couriers)
{
	if (!couriers->all)
		return;
	g_clear_pointer(&couriers->idle, g_ptr_array_unref);
	g_clear_pointer(&couriers->all, g_ptr_array_unref);
	g_cond_clear(&couriers->turn);
	g_mutex_clear(&couriers->lock);
}

static gboolean is_guest_id(const Couriers *couriers, guint id)
{
	for (guint i = 0; i < couriers->n_vcpus; i++) {
		if (cpu_topology_apic_id(&couriers->topology, i) == id)
			return TRUE;
	}
	return FALSE;
}

static guint take_id(Couriers *couriers)
{
	while (is_guest_id(couriers, couriers->next_id))
		couriers->next_id--;
	return couriers->next_id--;
}

static Courier *add(Couriers *couriers, guint64 base, guint64 staging_size, GError **error)
{
	Courier *courier = courier_new(couriers->vm, base, staging_size, take_id(couriers),
				       couriers->stuck, couriers->opaque, error);

	if (courier)
		g_ptr_array_add(couriers->all, courier);
	return courier;
}

Courier *couriers_add_first(Couriers *couriers, GError **error)
{
	return add(couriers, MEMORY_WINDOW_START, FIRST_STAGING_SIZE, error);
}

static gboolean can_add(const Couriers *couriers)
{
	return couriers->all->len - 1 < COURIERS_MAX && kvm_vm_kvm_fd(couriers->vm) >= 0;
}

static gboolean add_for_channels(Couriers *couriers, GError **error)
{
	const guint64 base = MEMORY_WINDOW_START + COURIER_WINDOW_SIZE(FIRST_STAGING_SIZE) +
			     (couriers->all->len - 1) * COURIER_WINDOW_SIZE(DMA_CHANNEL_PART);
	Courier *courier = add(couriers, base, DMA_CHANNEL_PART, error);

	if (courier)
		couriers_give_back(couriers, courier);
	return courier != NULL;
}

gboolean couriers_join(Couriers *couriers, GError **error)
{
	const guint shared = couriers->all->len - 1;

	if (shared <= couriers->channels && can_add(couriers) && !add_for_channels(couriers, error))
		return FALSE;
	if (couriers->all->len == 1) {
		g_set_error(
			error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			_("a DMA channel needs a vCPU of its own, which has to be made before the "
			  "guest runs"));
		return FALSE;
	}
	couriers->channels++;
	return TRUE;
}

void couriers_leave(Couriers *couriers)
{
	couriers->channels--;
}

/* With the lock held. */
static Courier *take_idle(Couriers *couriers, const Courier *preferred)
{
	guint index;

	if (couriers->idle->len == 0)
		return NULL;
	if (!g_ptr_array_find(couriers->idle, preferred, &index))
		index = couriers->idle->len - 1;
	return g_ptr_array_steal_index_fast(couriers->idle, index);
}

Courier *couriers_try_take(Couriers *couriers, const Courier *preferred)
{
	Courier *courier = NULL;

	g_mutex_lock(&couriers->lock);
	if (couriers->serving == couriers->next)
		courier = take_idle(couriers, preferred);
	g_mutex_unlock(&couriers->lock);
	return courier;
}

Courier *couriers_take(Couriers *couriers, const Courier *preferred)
{
	Courier *courier;
	guint64 ticket;

	g_mutex_lock(&couriers->lock);
	ticket = couriers->next++;
	while (couriers->serving != ticket || !(courier = take_idle(couriers, preferred)))
		g_cond_wait(&couriers->turn, &couriers->lock);
	couriers->serving++;
	g_cond_broadcast(&couriers->turn);
	g_mutex_unlock(&couriers->lock);
	return courier;
}

void couriers_give_back(Couriers *couriers, Courier *courier)
{
	g_mutex_lock(&couriers->lock);
	g_ptr_array_add(couriers->idle, courier);
	if (couriers->serving != couriers->next)
		g_cond_broadcast(&couriers->turn);
	g_mutex_unlock(&couriers->lock);
}

CourierCounter couriers_count(const Couriers *couriers)
{
	CourierCounter sum = { 0 };

	for (guint i = 0; i < couriers->all->len; i++) {
		const CourierCounter *counter =
			courier_counter(g_ptr_array_index(couriers->all, i));

		sum.trips += counter->trips;
		sum.bytes += counter->bytes;
		sum.time_ns += counter->time_ns;
	}
	return sum;
}
