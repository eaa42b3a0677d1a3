/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate.c - what a thread passes before it enters the guest, and how others keep it out */
#include "vmm/kvm/gate.h"

#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
	pid_t thread_id;

	GMutex lock; /* guards what follows; the innermost lock, held over no call out but a kick */
	GCond opened;
	GCond left;
	guint closed;	/* GateReason bits */
	guint64 entry;	/* odd: inside; see gate_entry() */
	guint64 resets; /* that have begun */
	guint64 resets_at_exit;
	gboolean is_in_slice;
	gboolean is_stalled;
	int wake_fd; /* while GATE_HOLD is set */
} Gate;

struct GateSet {
	GateKick kick;
	gpointer opaque;
	guint count;
	Gate gates[GATE_MAX];
};

GateSet *gate_set_new(guint count, GateKick kick, gpointer opaque)
{
	GateSet *gates;

	g_return_val_if_fail(count >= 1 && count <= GATE_MAX, NULL);

	gates = g_new0(GateSet, 1);
	gates->kick = kick;
	gates->opaque = opaque;
	gates->count = count;
	for (guint i = 0; i < count; i++) {
		Gate *gate = &gates->gates[i];

		gate->closed = GATE_PAUSE;
		g_mutex_init(&gate->lock);
		g_cond_init(&gate->opened);
		g_cond_init(&gate->left);
	}
	return gates;
}

void gate_set_free(GateSet *gates)
{
	if (!gates)
		return;
	for (guint i = 0; i < gates->count; i++) {
		Gate *gate = &gates->gates[i];

		g_cond_clear(&gate->left);
		g_cond_clear(&gate->opened);
		g_mutex_clear(&gate->lock);
	}
	g_free(gates);
}

guint gate_set_count(const GateSet *gates)
{
	return gates->count;
}

static gboolean is_inside(const Gate *gate)
{
	return gate->entry % 2 == 1;
}

void gate_attach(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	gate->thread_id = gettid();
	g_cond_broadcast(&gate->left);
	g_mutex_unlock(&gate->lock);
}

void gate_await_attached(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	while (!gate->thread_id)
		g_cond_wait(&gate->left, &gate->lock);
	g_mutex_unlock(&gate->lock);
}

pid_t gate_thread_id(const GateSet *gates, guint index)
{
	return gates->gates[index].thread_id;
}

/*
 * Closes a gate and, where its thread is inside, makes it leave. One that is stalled cannot
 * leave, and a signal would only make it retry its access in a loop; but for the end, when
 * nothing keeps it for long.
 */
static void close_and_kick(GateSet *gates, guint index, GateReason reason, int wake_fd)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	gate->closed |= reason;
	if (reason == GATE_HOLD)
		gate->wake_fd = wake_fd;
	if (reason == GATE_RESET)
		gate->resets++;
	if (reason == GATE_ABANDONED)
		gate->is_stalled = FALSE;
	if (reason & (GATE_STOP | GATE_RESET | GATE_ABANDONED))
		g_cond_broadcast(&gate->opened);
	if (is_inside(gate) && (!gate->is_stalled || reason == GATE_STOP))
		gates->kick(gates->opaque, index);
	g_mutex_unlock(&gate->lock);
}

void gate_close(GateSet *gates, guint index, GateReason reason)
{
	close_and_kick(gates, index, reason, -1);
}

void gate_open(GateSet *gates, guint index, guint reasons)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	gate->closed &= ~reasons;
	if (!gate->closed)
		g_cond_broadcast(&gate->opened);
	g_mutex_unlock(&gate->lock);
}

void gate_set_close(GateSet *gates, GateReason reason)
{
	for (guint i = 0; i < gates->count; i++)
		gate_close(gates, i, reason);
}

void gate_set_open(GateSet *gates, guint reasons)
{
	for (guint i = 0; i < gates->count; i++)
		gate_open(gates, i, reasons);
}

gboolean gate_enter(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];
	gboolean go_on;

	g_mutex_lock(&gate->lock);
	while (gate->closed && !(gate->closed & GATE_STOP))
		g_cond_wait(&gate->opened, &gate->lock);
	go_on = !(gate->closed & GATE_STOP);
	if (go_on)
		gate->entry++;
	g_mutex_unlock(&gate->lock);
	return go_on;
}

gboolean gate_leave(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];
	gboolean matters;

	g_mutex_lock(&gate->lock);
	gate->entry++;
	if (gate->closed)
		g_cond_broadcast(&gate->left);
	if (gate->closed & GATE_HOLD)
		eventfd_write(gate->wake_fd, 1);
	gate->resets_at_exit = gate->resets;
	matters = !(gate->closed & (GATE_RESET | GATE_ABANDONED));
	g_mutex_unlock(&gate->lock);
	return matters;
}

gboolean gate_begin_slice(GateSet *gates, guint index)
{
	const guint ends = GATE_STOP | GATE_ABANDONED;
	Gate *gate = &gates->gates[index];
	gboolean go_on;

	g_mutex_lock(&gate->lock);
	while (gate->closed & GATE_PAUSE && !(gate->closed & ends) &&
	       gate->resets == gate->resets_at_exit)
		g_cond_wait(&gate->opened, &gate->lock);
	go_on = !(gate->closed & ends) && gate->resets == gate->resets_at_exit;
	gate->is_in_slice = go_on;
	g_mutex_unlock(&gate->lock);
	return go_on;
}

void gate_end_slice(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	gate->is_in_slice = FALSE;
	g_cond_broadcast(&gate->left);
	g_mutex_unlock(&gate->lock);
}

void gate_set_pause(GateSet *gates)
{
	gate_set_close(gates, GATE_PAUSE);
	for (guint i = 0; i < gates->count; i++) {
		Gate *gate = &gates->gates[i];

		g_mutex_lock(&gate->lock);
		while ((is_inside(gate) && !gate->is_stalled) || gate->is_in_slice)
			g_cond_wait(&gate->left, &gate->lock);
		g_mutex_unlock(&gate->lock);
	}
}

void gate_set_hold(GateSet *gates, int wake_fd)
{
	for (guint i = 0; i < gates->count; i++)
		close_and_kick(gates, i, GATE_HOLD, wake_fd);
}

void gate_set_release(GateSet *gates)
{
	gate_set_open(gates, GATE_HOLD);
}

void gate_set_abandon(GateSet *gates)
{
	gate_set_close(gates, GATE_ABANDONED);
}

guint64 gate_entry(GateSet *gates, guint index)
{
	Gate *gate = &gates->gates[index];
	guint64 entry;

	g_mutex_lock(&gate->lock);
	entry = gate->entry;
	g_mutex_unlock(&gate->lock);
	return entry;
}

gboolean gate_set_is_outside(GateSet *gates, const guint64 *excused)
{
	for (guint i = 0; i < gates->count; i++) {
		guint64 entry = gate_entry(gates, i);

		if (entry % 2 == 1 && !(excused && excused[i] == entry))
			return FALSE;
	}
	return TRUE;
}

int gate_set_find_thread(const GateSet *gates, pid_t thread_id)
{
	for (guint i = 0; i < gates->count; i++) {
		if (gates->gates[i].thread_id == thread_id)
			return i;
	}
	return -1;
}

void gate_mark_stalled(GateSet *gates, guint index, gboolean stalled)
{
	Gate *gate = &gates->gates[index];

	g_mutex_lock(&gate->lock);
	gate->is_stalled = stalled;
	g_cond_broadcast(&gate->left);
	g_mutex_unlock(&gate->lock);
}
