/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lent-pages.c - which pages are shared only because the host touched them, and for how long */
#include "vmm/memory/lent-pages.h"

#include "vmm/memory/bitmap.h"

/* The longest time, as a power of two of ticks. */
#define LONGEST_SHIFT 7

typedef struct {
	guint8 ticks_left; /* while it is lent */
	guint8 times;	   /* that it was lent, at most LONGEST_SHIFT + 1 */
} LentPage;

struct LentPages {
	guint64 n_pages;
	guint64 count;
	Bitmap *is_lent;
	LentPage *pages;
};

LentPages *lent_pages_new(guint64 n_pages)
{
	LentPages *lent = g_new0(LentPages, 1);

	lent->n_pages = n_pages;
	lent->is_lent = bitmap_new(n_pages);
	lent->pages = g_new0(LentPage, n_pages);
	return lent;
}

void lent_pages_free(LentPages *lent)
{
	if (!lent)
		return;
	g_free(lent->pages);
	bitmap_free(lent->is_lent);
	g_free(lent);
}

guint64 lent_pages_count(const LentPages *lent)
{
	return lent->count;
}

void lent_pages_add(LentPages *lent, guint64 first, guint64 pages)
{
	lent->count += bitmap_fill(lent->is_lent, first, pages, TRUE);
	for (guint64 i = first; i < first + pages; i++) {
		LentPage *page = &lent->pages[i];

		/* One more than that: the tick under way has begun before. */
		page->ticks_left = (1u << MIN(page->times, LONGEST_SHIFT)) + 1;
		page->times = MIN(page->times, LONGEST_SHIFT) + 1;
	}
}

void lent_pages_keep(LentPages *lent, guint64 first, guint64 pages)
{
	lent->count += bitmap_fill(lent->is_lent, first, pages, TRUE);
	for (guint64 i = first; i < first + pages; i++)
		lent->pages[i].ticks_left = 1;
}

void lent_pages_remove(LentPages *lent, guint64 first, guint64 pages)
{
	if (lent->count > 0)
		lent->count -= bitmap_fill(lent->is_lent, first, pages, FALSE);
}

void lent_pages_forget(LentPages *lent)
{
	guint64 n_pages = lent->n_pages;

	bitmap_free(lent->is_lent);
	g_free(lent->pages);
	lent->is_lent = bitmap_new(n_pages);
	lent->pages = g_new0(LentPage, n_pages);
	lent->count = 0;
}

/* The first lent page from @from on, or n_pages. */
static guint64 next_lent(const LentPages *lent, guint64 from)
{
	if (lent->count == 0)
		return lent->n_pages;
	if (from < lent->n_pages && !bitmap_get(lent->is_lent, from))
		from += bitmap_run(lent->is_lent, from, lent->n_pages - from);
	return from;
}

gboolean lent_pages_tick(LentPages *lent)
{
	gboolean is_due = FALSE;

	for (guint64 i = next_lent(lent, 0); i < lent->n_pages; i = next_lent(lent, i + 1)) {
		LentPage *page = &lent->pages[i];

		if (page->ticks_left > 0)
			page->ticks_left--;
		is_due |= page->ticks_left == 0;
	}
	return is_due;
}

gboolean lent_pages_next_due(const LentPages *lent, guint64 from, guint64 *first, guint64 *pages)
{
	guint64 i = next_lent(lent, from);

	while (i < lent->n_pages && lent->pages[i].ticks_left > 0)
		i = next_lent(lent, i + 1);
	*first = i;
	while (i < lent->n_pages && bitmap_get(lent->is_lent, i) && lent->pages[i].ticks_left == 0)
		i++;
	*pages = i - *first;
	return *pages > 0;
}
