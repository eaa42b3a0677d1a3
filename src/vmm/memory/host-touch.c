/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-touch.c - the memory thread: touches from the host's side, reclaim, requests
 *
 * Theory of operation
 *
 * The userspace side of a private page is absent and registered with userfaultfd, so that
 * whoever touches it - KVM's emulation on a vCPU's thread, a device, a worker of the
 * kernel - waits until this thread has put the page there. To convert it with its content,
 * nothing may write to its guest_memfd page between the copy and the change of the
 * attribute. Only processors in guest mode write there, so every vCPU has to be out of it:
 *
 *   1. Close the gates; kick the vCPUs that are inside KVM_RUN.
 *   2. Wait until each is outside, or has shown up as the thread of a touch that was read
 *      here. The latter is in the kernel, and with the kick's signal pending it leaves
 *      KVM_RUN before it enters the guest again.
 *   3. For each touch: fetch the page by the courier, set the attribute, install the copy
 *      (which wakes the thread), free the guest_memfd page.
 *   4. Open the gates.
 *
 * Touches of one time share one hold. Where touches follow each other, the pages behind are
 * brought along, twice as many each time: string I/O and devices walk through buffers.
 *
 * Reclaim copies the other way, and there writes through the userspace mapping matter too.
 * So it waits for every vCPU to be outside KVM_RUN, serving the touches that keep it in.
 */
#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/memory/engine.h"
#include "vmm/sandbox/sandbox.h"

/* The longest run that a touch is served with; a compromise of exposure and cost. */
#define TOUCH_RUN_MAX 16ull

/* What a touch of a shared page that is not there yet brings along. */
#define POPULATE_RUN_MAX 64

#define NS_PER_MS	 1000000

/* Finds out which vCPU touches, and in which KVM_RUN; FALSE where that is not certain. */
static gboolean identify(Memory *memory, const guint64 entries_before[GATE_MAX],
			 PendingTouch *touch)
{
	touch->vcpu = -1;
	touch->entry = 0;
	if (!memory->gates)
		return TRUE;
	touch->vcpu = gate_set_find_thread(memory->gates, touch->event.thread_id);
	if (touch->vcpu < 0)
		return TRUE;
	touch->entry = gate_entry(memory->gates, touch->vcpu);
	return touch->entry == entries_before[touch->vcpu];
}

/*
 * A thread that a signal is waiting for touches again and again, each time with an event of
 * its own: KVM's emulation cannot be interrupted there.
 *
 * Return: the touch of the same page by the same thread, or NULL.
 */
static PendingTouch *find_touch(GArray *touches, const PendingTouch *touch)
{
	for (guint i = 0; i < touches->len; i++) {
		PendingTouch *other = &g_array_index(touches, PendingTouch, i);

		if (other->event.thread_id == touch->event.thread_id &&
		    other->event.address >> PAGE_SHIFT == touch->event.address >> PAGE_SHIFT)
			return other;
	}
	return NULL;
}

/* Once for each thread and page, in the KVM_RUN of the last time. */
static void add_pending(Memory *memory, const PendingTouch *touch)
{
	PendingTouch *earlier = find_touch(memory->pending, touch);

	if (earlier)
		earlier->entry = touch->entry;
	else
		g_array_append_val(memory->pending, *touch);
}

/*
 * Reads every touch that waits. A thread whose touch was read waits inside the kernel until
 * it is woken, or until a signal makes it give up: so its vCPU is out of the guest as long
 * as it stays in the KVM_RUN in which it touched. Where it entered or left just while its
 * touch was read, it is told to touch again.
 */
static void read_touches(Memory *memory)
{
	for (;;) {
		guint n_vcpus = memory->gates ? gate_set_count(memory->gates) : 0;
		guint64 entries[GATE_MAX];
		PendingTouch touch;

		for (guint i = 0; i < n_vcpus; i++)
			entries[i] = gate_entry(memory->gates, i);
		if (!userfault_read(memory->userfault_fd, &touch.event))
			return;
		touch.start_ns = statistics_now_ns();
		if (identify(memory, entries, &touch))
			add_pending(memory, &touch);
		else
			userfault_wake(memory->userfault_fd, (void *)(guintptr)touch.event.address,
				       GUEST_PAGE_SIZE);
	}
}

/*
 * Waits for a touch, for an eventfd, or so long; -1: for ever. What is read from the eventfd is
 * what the caller looks at next: whoever waits for a vCPU must not take a request's wake away.
 *
 * Return: whether the eventfd was written to.
 */
static gboolean wait_for_event(Memory *memory, int event_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = memory->userfault_fd, .events = POLLIN },
		{ .fd = event_fd, .events = POLLIN },
	};
	eventfd_t value;

	return poll(fds, G_N_ELEMENTS(fds), timeout_ms) > 0 && fds[1].revents & POLLIN &&
	       eventfd_read(event_fd, &value) == 0;
}

void engine_read_touches_until(Memory *memory, int event_fd)
{
	while (!wait_for_event(memory, event_fd, -1))
		read_touches(memory);
}

/* Fills @excused with the KVM_RUNs that wait for a touch to be served. */
static void find_blocked(Memory *memory, guint64 excused[GATE_MAX])
{
	const GArray *touches[] = { memory->pending, memory->stalled };

	memset(excused, 0, GATE_MAX * sizeof(excused[0]));
	for (guint i = 0; i < G_N_ELEMENTS(touches); i++) {
		for (guint j = 0; j < touches[i]->len; j++) {
			const PendingTouch *touch = &g_array_index(touches[i], PendingTouch, j);

			if (touch->vcpu >= 0)
				excused[touch->vcpu] = touch->entry;
		}
	}
}

/* Steps 1 and 2 of the theory of operation; touches that come meanwhile are read too. */
static void hold_vcpus(Memory *memory)
{
	guint64 excused[GATE_MAX];

	if (!memory->gates)
		return;
	gate_set_hold(memory->gates, memory->left_fd);
	for (;;) {
		read_touches(memory);
		find_blocked(memory, excused);
		if (gate_set_is_outside(memory->gates, excused))
			return;
		(void)wait_for_event(memory, memory->left_fd, -1);
	}
}

static void release_vcpus(Memory *memory)
{
	if (memory->gates)
		gate_set_release(memory->gates);
}

static gboolean is_own_thread(pid_t thread_id)
{
	return thread_id > 0 && tgkill(getpid(), thread_id, 0) == 0;
}

static ConversionCause touch_cause(const PendingTouch *touch)
{
	/* A vCPU's thread that is outside KVM_RUN runs a device. */
	if (touch->vcpu >= 0)
		return touch->entry % 2 == 1 ? CONVERSION_HOST_TOUCH_VCPU :
					       CONVERSION_HOST_TOUCH_DEVICE;
	return is_own_thread(touch->event.thread_id) ? CONVERSION_HOST_TOUCH_DEVICE :
						       CONVERSION_HOST_TOUCH_KERNEL;
}

/*
 * Whoever waits is left waiting: it may be woken with others, and it can be killed. Each is
 * counted, and the first is told.
 */
static gboolean is_refused(Memory *memory, const PendingTouch *touch)
{
	if (!memory->kind->refuses_strangers || touch->vcpu >= 0 ||
	    is_own_thread(touch->event.thread_id))
		return FALSE;
	if (memory->statistics.refused_touches++ == 0)
		g_warning(_("a thread of another process (%d) reads guest memory: it is left "
			    "waiting, and so will others be"),
			  (int)touch->event.thread_id);
	return TRUE;
}

/*
 * How many private pages from the touched one on to convert with it: one, until touches have
 * followed each other twice.
 * @shown: the touched page and, behind it, as many as are RAM too
 */
static guint64 choose_run(Memory *memory, const RamRun *shown)
{
	guint64 gpa = ram_run_gpa(shown);
	gboolean follows = gpa == memory->next_touch_gpa;
	guint64 wanted = follows ? CLAMP(memory->next_touch_pages, 1, TOUCH_RUN_MAX) : 1;

	wanted = bitmap_run(shown->block->shared, shown->first, MIN(wanted, shown->pages));
	wanted = bitmap_run(shown->block->populated, shown->first, wanted);
	memory->next_touch_gpa = gpa + (wanted << PAGE_SHIFT);
	memory->next_touch_pages = follows ? wanted * 2 : 1;
	return wanted;
}

/* Step 3: private to shared, content kept. */
static gboolean show(Memory *memory, const RamRun *run, GError **error)
{
	if (!memory->kind->show(memory, run, error))
		return FALSE;
	engine_mark(memory, run, TRUE);
	if (memory->kind->was_used)
		lent_pages_keep(run->block->lent, run->first, run->pages);
	else
		lent_pages_add(run->block->lent, run->first, run->pages);
	return TRUE;
}

/* A shared page that is not there yet comes with the absent ones behind it: it costs little. */
static gboolean populate(Memory *memory, const RamRun *page, GError **error)
{
	guint64 in_block = (page->block->size >> PAGE_SHIFT) - page->first;
	guint64 limit = MIN(in_block, POPULATE_RUN_MAX);
	RamRun run = *page;

	limit = bitmap_run(run.block->shared, run.first, limit);
	run.pages = bitmap_run(run.block->populated, run.first, limit);
	return memory->kind->populate(memory, &run, error);
}

/* Leaves a touch waiting, and the machine to decide. */
static void stall(Memory *memory, const PendingTouch *touch)
{
	g_array_append_val(memory->stalled, *touch);
	if (touch->vcpu >= 0)
		gate_mark_stalled(memory->gates, touch->vcpu, TRUE);
}

static void report_stalled(Memory *memory, const PendingTouch *touch, const RamRun *page)
{
	const HostTouch host_touch = {
		.gpa = ram_run_gpa(page),
		.cause = touch_cause(touch),
		.thread_id = touch->event.thread_id,
		.vcpu = touch->vcpu,
		.is_write = touch->event.is_write,
	};

	if (find_touch(memory->stalled, touch))
		return;
	stall(memory, touch);
	memory->listener->host_touch(memory->opaque, &host_touch);
}

static gboolean may_convert(const Memory *memory)
{
	return memory->policy != MEMORY_POLICY_GUEST_ONLY || memory->is_discarding;
}

/*
 * A segment was hidden between a worker's look at the map and its touch. The page stays as
 * it is; who looks again finds no RAM.
 */
static gboolean let_go_on_zeroes(Memory *memory, const RamRun *page, GError **error)
{
	guint8 *userspace = ram_run_userspace(page);

	if (!userfault_zero(memory->userfault_fd, userspace, GUEST_PAGE_SIZE, error))
		return FALSE;
	madvise(userspace, GUEST_PAGE_SIZE, MADV_DONTNEED);
	return TRUE;
}

static gboolean serve_private(Memory *memory, const PendingTouch *touch, const RamRun *page,
			      GError **error)
{
	guint64 gpa = ram_run_gpa(page);
	RamRun run;

	/* What it finds is behind the page where that is in a segment which is hidden. */
	if (!ram_find(&memory->ram, gpa, TOUCH_RUN_MAX << PAGE_SHIFT, &run) ||
	    ram_run_gpa(&run) != gpa)
		return let_go_on_zeroes(memory, page, error);
	if (!may_convert(memory)) {
		report_stalled(memory, touch, page);
		return TRUE;
	}
	run.pages = choose_run(memory, &run);
	if (!show(memory, &run, error))
		return FALSE;
	engine_count(memory, CONVERSION_TO_SHARED, touch_cause(touch), ram_run_gpa(&run),
		     ram_run_size(&run), touch->start_ns);
	return TRUE;
}

/* With Memory.lock held and, where the page is private, the vCPUs too. */
static gboolean serve_touch(Memory *memory, const PendingTouch *touch, GError **error)
{
	RamRun page;

	if (!ram_find_userspace(&memory->ram, touch->event.address, &page)) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("a userfaultfd event names %#" PRIx64 ", which is no guest RAM"),
			    touch->event.address);
		return FALSE;
	}
	if (is_refused(memory, touch))
		return TRUE;
	if (!bitmap_get(page.block->populated, page.first))
		return bitmap_get(page.block->shared, page.first) ?
			       populate(memory, &page, error) :
			       serve_private(memory, touch, &page, error);
	/* Another touch of the same page was served first. */
	userfault_wake(memory->userfault_fd, ram_run_userspace(&page), GUEST_PAGE_SIZE);
	return TRUE;
}

/* Serves what is pending; a failure lets all go that waits. */
static void serve_pending(Memory *memory)
{
	while (memory->pending->len > 0 && !memory->has_failed) {
		const PendingTouch touch = g_array_index(memory->pending, PendingTouch, 0);
		g_autoptr(GError) error = NULL;

		/* Before it is served: what its thread touches from then on is another touch. */
		g_array_remove_index(memory->pending, 0);
		if (!serve_touch(memory, &touch, &error))
			engine_fail(memory, error);
	}
	g_array_set_size(memory->pending, 0);
}

static gboolean is_hold_needed(Memory *memory)
{
	if (!memory->kind->moves_content || !may_convert(memory) || memory->has_failed)
		return FALSE;
	for (guint i = 0; i < memory->pending->len; i++) {
		const PendingTouch *touch = &g_array_index(memory->pending, PendingTouch, i);
		RamRun page;

		if (ram_find_userspace(&memory->ram, touch->event.address, &page) &&
		    !bitmap_get(page.block->shared, page.first))
			return TRUE;
	}
	return FALSE;
}

void engine_begin_hold(Memory *memory)
{
	hold_vcpus(memory);
}

void engine_end_hold(Memory *memory)
{
	serve_pending(memory);
	release_vcpus(memory);
}

static void serve_touches(Memory *memory)
{
	fair_lock_lock(&memory->lock);
	if (is_hold_needed(memory)) {
		engine_begin_hold(memory);
		engine_end_hold(memory);
	} else {
		serve_pending(memory);
	}
	fair_lock_unlock(&memory->lock);
}

/*
 * Waits, with the gates closed, until every vCPU is outside KVM_RUN. Those that a touch
 * keeps in are served. release_vcpus() has to follow in any case.
 */
static gboolean hold_vcpus_outside(Memory *memory, GError **error)
{
	for (;;) {
		hold_vcpus(memory);
		serve_pending(memory);
		if (memory->has_failed || memory->stalled->len > 0) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
				    _("a host touch is waiting; before it is served nothing can be "
				      "reclaimed, and no memslot can change"));
			return FALSE;
		}
		if (!memory->gates || gate_set_is_outside(memory->gates, NULL))
			return TRUE;
		(void)wait_for_event(memory, memory->left_fd, -1);
	}
}

/* Shared pages that are not there are zeroes, or the guest's own: their state is all there is. */
static gboolean hide_absent(Memory *memory, const RamRun *run, GError **error)
{
	return engine_set_attribute(memory, ram_run_gpa(run), ram_run_size(run), TRUE, error);
}

gboolean engine_reclaim_run(Memory *memory, const RamRun *run, ConversionCause cause,
			    guint64 *reclaimed, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		gint64 start_ns = statistics_now_ns();
		gboolean done;

		part.pages = bitmap_run(run->block->shared, part.first, end - part.first);
		part.pages = bitmap_run(run->block->pinned, part.first, part.pages);
		if (!bitmap_get(run->block->shared, part.first) ||
		    bitmap_get(run->block->pinned, part.first))
			continue;
		part.pages = bitmap_run(run->block->populated, part.first, part.pages);
		if (bitmap_get(run->block->populated, part.first)) {
			part.pages = MIN(part.pages, MEMORY_PIECE_PAGES);
			done = memory->kind->hide(memory, &part, error);
		} else {
			done = hide_absent(memory, &part, error);
		}
		if (!done)
			return FALSE;
		engine_mark(memory, &part, FALSE);
		*reclaimed += ram_run_size(&part);
		engine_count(memory, CONVERSION_TO_PRIVATE, cause, ram_run_gpa(&part),
			     ram_run_size(&part), start_ns);
	}
	return TRUE;
}

gboolean engine_begin_reclaim(Memory *memory, GError **error)
{
	return !memory->kind->moves_content || hold_vcpus_outside(memory, error);
}

void engine_end_reclaim(Memory *memory)
{
	if (memory->kind->moves_content)
		release_vcpus(memory);
	else
		serve_pending(memory);
}

static gboolean reclaim(Memory *memory, MemoryRequest *request, GError **error)
{
	gboolean done = engine_begin_reclaim(memory, error);
	RamRun run;

	if (done) {
		RAM_FOR_EACH_RUN(&memory->ram, request->gpa, request->size, run)
		{
			done = engine_reclaim_run(memory, &run, CONVERSION_RECLAIM,
						  &request->reclaimed, error);
			if (!done) {
				engine_fail(memory, *error);
				break;
			}
		}
	}
	engine_end_reclaim(memory);
	return done;
}

/* Takes back what the host has left alone, as far as that can be seen. */
static gboolean reclaim_unused(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages, reclaimed = 0;
	RamRun part = { .block = run->block, .first = run->first };

	if (!memory->kind->was_used)
		return engine_reclaim_run(memory, run, CONVERSION_RECLAIM, &reclaimed, error);
	for (; part.first < end && !memory->has_failed; part.first += part.pages) {
		part.pages = end - part.first;
		if (memory->kind->was_used(memory, &part, &part.pages))
			lent_pages_keep(run->block->lent, part.first, part.pages);
		else if (!engine_reclaim_run(memory, &part, CONVERSION_RECLAIM, &reclaimed, error))
			return FALSE;
		/* Nobody is held: who touches meanwhile does not wait for the rest. */
		serve_pending(memory);
	}
	return TRUE;
}

/*
 * Takes back what is due of one block. Of segments that are hidden nothing can be: it stays
 * due until they are back.
 */
static gboolean reclaim_due(Memory *memory, RamBlock *block, GError **error)
{
	RamRun due = { .block = block }, run;

	while (lent_pages_next_due(block->lent, due.first + due.pages, &due.first, &due.pages)) {
		RAM_FOR_EACH_RUN(&memory->ram, ram_run_gpa(&due), ram_run_size(&due), run)
		{
			if (!reclaim_unused(memory, &run, error))
				return FALSE;
		}
	}
	return TRUE;
}

/*
 * A tick: pages that the host has had for long enough go back. Where a touch waits, the
 * machine is paused, and they have to wait too. With Memory.lock held.
 */
static void reclaim_lent(Memory *memory)
{
	g_autoptr(GError) error = NULL;
	gboolean is_due = FALSE;

	for (guint i = 0; i < memory->ram.n_blocks; i++)
		is_due |= lent_pages_tick(memory->ram.blocks[i].lent);
	if (!is_due || memory->has_failed || memory->stalled->len > 0)
		return;
	if (engine_begin_reclaim(memory, NULL)) {
		for (guint i = 0; i < memory->ram.n_blocks && !error; i++)
			(void)reclaim_due(memory, &memory->ram.blocks[i], &error);
		if (error)
			engine_fail(memory, error);
	}
	engine_end_reclaim(memory);
}

static gboolean has_lent(const Memory *memory)
{
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		if (lent_pages_count(memory->ram.blocks[i].lent) > 0)
			return TRUE;
	}
	return FALSE;
}

/* Lets the ticks pass that are over; returns milliseconds until the next, or -1. */
static int keep_time(Memory *memory)
{
	gint64 now = statistics_now_ns();
	gboolean has_any;

	if (!memory->reclaim_interval_ns)
		return -1;
	fair_lock_lock(&memory->lock);
	if (memory->next_tick_ns && now >= memory->next_tick_ns) {
		reclaim_lent(memory);
		memory->next_tick_ns = 0;
	}
	has_any = !memory->has_failed && has_lent(memory);
	fair_lock_unlock(&memory->lock);
	if (!has_any) {
		memory->next_tick_ns = 0;
		return -1;
	}
	if (!memory->next_tick_ns)
		memory->next_tick_ns = now + memory->reclaim_interval_ns;
	return (memory->next_tick_ns - now) / NS_PER_MS + 1;
}

/* A guest that changes what is where under a touch that waits has no way on. */
static gboolean change_mapping(Memory *memory, const MemoryRequest *request, GError **error)
{
	gboolean changed = hold_vcpus_outside(memory, error);

	if (changed)
		changed = request->type == MEMORY_REQUEST_SHOW_ROM ?
				  engine_show_rom(memory, request->rom, request->is_shown, error) :
				  engine_show_segments(memory, request->segments, error);
	if (!changed)
		engine_fail(memory, *error);
	release_vcpus(memory);
	return changed;
}

static gboolean carry_out_locked(Memory *memory, MemoryRequest *request, GError **error)
{
	if (memory->has_failed) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("the memory engine has failed before"));
		return FALSE;
	}
	switch (request->type) {
	case MEMORY_REQUEST_ACCESS:
		return engine_access(memory, request->access, request->gpa, request->data,
				     request->size, error);
	case MEMORY_REQUEST_RECLAIM:
		return reclaim(memory, request, error);
	case MEMORY_REQUEST_CONVERT:
		return engine_convert_slice(memory, request->range, error);
	case MEMORY_REQUEST_RELEASE_TOUCHES:
		return engine_release_touches(memory, error);
	case MEMORY_REQUEST_DISCARD:
		return engine_discard(memory, error);
	case MEMORY_REQUEST_PIN:
		return engine_pin(memory, request->pin, error);
	case MEMORY_REQUEST_UNPIN:
		engine_unpin(memory, request->pin);
		return TRUE;
	case MEMORY_REQUEST_SHOW_SEGMENTS:
	case MEMORY_REQUEST_SHOW_ROM:
		return change_mapping(memory, request, error);
	}
	g_return_val_if_reached(FALSE);
}

static void carry_out(Memory *memory, MemoryRequest *request)
{
	fair_lock_lock(&memory->lock);
	request->result = carry_out_locked(memory, request, &request->error);
	fair_lock_unlock(&memory->lock);
}

/* Carries out every request that is queued; returns FALSE when the thread has to end. */
static gboolean serve_requests(Memory *memory)
{
	gboolean go_on;

	g_mutex_lock(&memory->request_lock);
	while (!g_queue_is_empty(&memory->requests)) {
		MemoryRequest *request = g_queue_pop_head(&memory->requests);

		g_mutex_unlock(&memory->request_lock);
		carry_out(memory, request);
		g_mutex_lock(&memory->request_lock);
		request->done = TRUE;
		g_cond_broadcast(&memory->request_done);
	}
	go_on = !memory->is_ending;
	g_mutex_unlock(&memory->request_lock);
	return go_on;
}

gpointer engine_run_memory_thread(gpointer data)
{
	Memory *memory = data;

	memory_attach_thread(memory);
	sandbox_enter_thread(SANDBOX_THREAD_MEMORY);
	g_mutex_lock(&memory->request_lock);
	memory->is_serving = TRUE;
	g_cond_broadcast(&memory->request_done);
	g_mutex_unlock(&memory->request_lock);
	while (serve_requests(memory)) {
		int timeout_ms = keep_time(memory);

		/* Touches may have been read while windows were closed. */
		if (memory->pending->len == 0)
			(void)wait_for_event(memory, memory->request_fd, timeout_ms);
		fair_lock_lock(&memory->lock);
		read_touches(memory);
		fair_lock_unlock(&memory->lock);
		if (memory->pending->len > 0)
			serve_touches(memory);
	}
	return NULL;
}

gboolean engine_request(Memory *memory, MemoryRequest *request, GError **error)
{
	g_mutex_lock(&memory->request_lock);
	if (memory->is_ending) {
		request->done = TRUE;
		g_set_error(&request->error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("the memory engine has ended"));
	} else {
		g_queue_push_tail(&memory->requests, request);
		eventfd_write(memory->request_fd, 1);
	}
	while (!request->done)
		g_cond_wait(&memory->request_done, &memory->request_lock);
	g_mutex_unlock(&memory->request_lock);
	if (request->error)
		g_propagate_error(error, request->error);
	return request->result;
}
