/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lent-pages.h - which pages are shared only because the host touched them, and for how long
 *
 * Theory of operation
 *
 * A page that the host touched is lent: it is to be private again once the host has left it
 * alone. Whether it has cannot be seen in a page table, since KVM's accesses and a device's
 * leave no trace that this process could read. So a page is taken back after a while, and
 * when that was too early, the next touch says so: then it stays twice as long, and twice as
 * long again, up to some minutes. What the host uses all the time settles that way, at a
 * handful of conversions, and what it used once is private a few seconds later.
 *
 * With windows it can be seen. Then a page is asked about at each tick, and goes back when it was
 * not used for one.
 *
 * Time is counted in ticks of the engine's, a byte a page.
 */
#pragma once

#include <glib.h>

typedef struct LentPages LentPages;

LentPages *lent_pages_new(guint64 n_pages);
void lent_pages_free(LentPages *lent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LentPages, lent_pages_free)

/* How many pages are lent. */
guint64 lent_pages_count(const LentPages *lent);

/* [first, first + pages) are lent from now on, each longer than the last time. */
void lent_pages_add(LentPages *lent, guint64 first, guint64 pages);

/* The same until the next tick, for those of which it can be seen whether they are in use. */
void lent_pages_keep(LentPages *lent, guint64 first, guint64 pages);

gboolean lent_pages_is_lent(const LentPages *lent, guint64 index);

/* They are not lent any more, for whatever reason. */
void lent_pages_remove(LentPages *lent, guint64 first, guint64 pages);

/* None is lent, and none has ever been. */
void lent_pages_forget(LentPages *lent);

/* Lets a tick pass. Return: whether a page is due. */
gboolean lent_pages_tick(LentPages *lent);

/*
 * lent_pages_next_due - the first run of pages from @from on whose time is over
 *
 * Return: FALSE where there is none.
 */
gboolean lent_pages_next_due(const LentPages *lent, guint64 from, guint64 *first, guint64 *pages);
