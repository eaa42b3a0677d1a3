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

/* Few pages of a large guest are ever lent: what is known of them is in leaves made when needed. */
#define LEAF_PAGES 2048u

struct LentPages {
	guint64 n_pages;
	guint64 count;
	Bitmap *is_lent;
	LentPage **leaves; /* each NULL or LEAF_PAGES; NULL where none was ever lent */
};

static guint64 count_leaves(const LentPages *lent)
{
	return lent->n_pages / LEAF_PAGES + (lent->n_pages % LEAF_PAGES != 0);
}

static void init(LentPages *lent)
{
	lent->count = 0;
	lent->is_lent = bitmap_new(lent->n_pages);
	lent->leaves = g_new0(LentPage *, count_leaves(lent));
}

static void clear(LentPages *lent)
{
	for (guint64 i = 0; i < count_leaves(lent); i++)
		g_free(lent->leaves[i]);
	g_free(lent->leaves);
	bitmap_free(lent->is_lent);
}

LentPages *lent_pages_new(guint64 n_pages)
{
	LentPages *lent = g_new0(LentPages, 1);

	lent->n_pages = n_pages;
	init(lent);
	return lent;
}

void lent_pages_free(LentPages *lent)
{
	if (!lent)
		return;
	clear(lent);
	g_free(lent);
}

/* What is known of a page that is, or is about to be, lent. */
static LentPage *get_page(const LentPages *lent, guint64 index)
{
	LentPage **leaf = &lent->leaves[index / LEAF_PAGES];

	if (!*leaf)
		*leaf = g_new0(LentPage, LEAF_PAGES);
	return &(*leaf)[index % LEAF_PAGES];
}

guint64 lent_pages_count(const LentPages *lent)
{
	return lent->count;
}

void lent_pages_add(LentPages *lent, guint64 first, guint64 pages)
{
	lent->count += bitmap_fill(lent->is_lent, first, pages, TRUE);
	for (guint64 i = first; i < first + pages; i++) {
		LentPage *page = get_page(lent, i);

		/* One more than that: the tick under way has begun before. */
		page->ticks_left = (1u << MIN(page->times, LONGEST_SHIFT)) + 1;
		page->times = MIN(page->times, LONGEST_SHIFT) + 1;
	}
}

void lent_pages_keep(LentPages *lent, guint64 first, guint64 pages)
{
	lent->count += bitmap_fill(lent->is_lent, first, pages, TRUE);
	for (guint64 i = first; i < first + pages; i++)
		get_page(lent, i)->ticks_left = 1;
}

gboolean lent_pages_is_lent(const LentPages *lent, guint64 index)
{
	return bitmap_get(lent->is_lent, index);
}

void lent_pages_remove(LentPages *lent, guint64 first, guint64 pages)
{
	if (lent->count > 0)
		lent->count -= bitmap_fill(lent->is_lent, first, pages, FALSE);
}

void lent_pages_forget(LentPages *lent)
{
	clear(lent);
	init(lent);
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
		LentPage *page = get_page(lent, i);

		if (page->ticks_left > 0)
			page->ticks_left--;
		is_due |= page->ticks_left == 0;
	}
	return is_due;
}

gboolean lent_pages_next_due(const LentPages *lent, guint64 from, guint64 *first, guint64 *pages)
{
	guint64 i = next_lent(lent, from);

	while (i < lent->n_pages && get_page(lent, i)->ticks_left > 0)
		i = next_lent(lent, i + 1);
	*first = i;
	while (i < lent->n_pages && bitmap_get(lent->is_lent, i) &&
	       get_page(lent, i)->ticks_left == 0)
		i++;
	*pages = i - *first;
	return *pages > 0;
}
