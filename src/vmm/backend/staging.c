/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* staging.c - the memory in which an I/O thread has what goes between guests and disks */
#include "vmm/backend/staging.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

struct Staging {
	guint8 *memory;
	gsize n_pages;
	gsize next; /* where to look first: behind what was taken last */
	guint8 *is_taken;
	GQueue waiters;
};

static gsize pages_of(gsize size)
{
	return (size + PAGE - 1) / PAGE;
}

Staging *staging_new(gsize size, GError **error)
{
	g_autofree Staging *staging = g_new0(Staging, 1);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	g_assert(size > 0 && size % PAGE == 0);
	if (memory == MAP_FAILED) {
		const int code = errno;

		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code),
			    _("there is no memory for what goes to and from disks: %s"),
			    g_strerror(code));
		return NULL;
	}
	(void)madvise(memory, size, MADV_DONTDUMP);
	(void)madvise(memory, size, MADV_DONTFORK);
	staging->memory = memory;
	staging->n_pages = size / PAGE;
	staging->is_taken = g_malloc0(staging->n_pages);
	g_queue_init(&staging->waiters);
	return g_steal_pointer(&staging);
}

void staging_free(Staging *staging)
{
	if (!staging)
		return;
	munmap(staging->memory, staging->n_pages * PAGE);
	g_free(staging->is_taken);
	g_free(staging);
}

void *staging_memory(const Staging *staging)
{
	return staging->memory;
}

gsize staging_size(const Staging *staging)
{
	return staging->n_pages * PAGE;
}

/* The first run of @count free pages in [from, to), or G_MAXSIZE. */
static gsize find_run(const Staging *staging, gsize from, gsize to, gsize count)
{
	gsize length = 0;

	for (gsize page = from; page < to; page++) {
		length = staging->is_taken[page] ? 0 : length + 1;
		if (length == count)
			return page + 1 - count;
	}
	return G_MAXSIZE;
}

void *staging_take(Staging *staging, gsize size)
{
	const gsize count = pages_of(size);
	gsize first = find_run(staging, staging->next, staging->n_pages, count);

	g_assert(count > 0 && count <= staging->n_pages);
	if (first == G_MAXSIZE)
		first = find_run(staging, 0, staging->n_pages, count);
	if (first == G_MAXSIZE)
		return NULL;
	memset(staging->is_taken + first, TRUE, count);
	staging->next = (first + count) % staging->n_pages;
	return staging->memory + first * PAGE;
}

void staging_give(Staging *staging, void *memory, gsize size)
{
	const gsize first = (gsize)((guint8 *)memory - staging->memory) / PAGE;
	const gsize count = pages_of(size);
	GQueue woken;
	GList *link;

	g_assert(first < staging->n_pages && count <= staging->n_pages - first);
	memset(staging->is_taken + first, FALSE, count);
	woken = staging->waiters;
	g_queue_init(&staging->waiters);
	while ((link = g_queue_pop_head_link(&woken))) {
		StagingWaiter *waiter = link->data;

		waiter->is_waiting = FALSE;
		waiter->wake(waiter->opaque);
	}
}

void staging_wait(Staging *staging, StagingWaiter *waiter)
{
	if (waiter->is_waiting)
		return;
	waiter->is_waiting = TRUE;
	waiter->link = (GList){ .data = waiter };
	g_queue_push_tail_link(&staging->waiters, &waiter->link);
}

void staging_wait_no_more(Staging *staging, StagingWaiter *waiter)
{
	if (!waiter->is_waiting)
		return;
	waiter->is_waiting = FALSE;
	g_queue_unlink(&staging->waiters, &waiter->link);
}
