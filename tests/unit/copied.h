/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copied.h - what holds of copies that the kernel makes to and from guest memory; for
 * windows-test.c
 *
 * It needs an io_uring; else it is skipped.
 */
#pragma once

#include <gio/gio.h>

#include "vmm/backend/guest-copy.h"

typedef struct {
	Fixture fixture;
	DmaChannel *channel;
	GuestCopy *copy;
} Card;

/* Return: FALSE where the test is to be skipped. */
static gboolean set_up_card(Card *card)
{
	g_autoptr(GError) error = NULL;

	*card = (Card){ 0 };
	if (!set_up(&card->fixture, MEMORY_POLICY_GUEST_ONLY))
		return FALSE;
	g_assert_true(memory_can_be_registered(card->fixture.memory));
	card->channel = dma_channel_new(card->fixture.memory, &error);
	g_assert_no_error(error);
	card->copy = guest_copy_new(card->fixture.memory, &error);
	if (!card->copy)
		g_test_skip(error->message);
	return card->copy != NULL;
}

static void tear_down_card(Card *card)
{
	guest_copy_free(card->copy);
	if (card->channel)
		dma_channel_free(card->channel);
	tear_down(&card->fixture);
}

static gsize size_of(const DmaPiece *pieces, guint count)
{
	gsize size = 0;

	for (guint i = 0; i < count; i++)
		size += pieces[i].size;
	return size;
}

static void fill(guint8 *data, gsize size, guint8 first)
{
	for (gsize i = 0; i < size; i++)
		data[i] = (guint8)(first + i * 7 + i / PAGE);
}

/* What is there, as the guest sees it. */
static void check_content(Card *card, const DmaPiece *pieces, guint count, const guint8 *data)
{
	for (guint i = 0; i < count; i++) {
		g_assert_cmpmem(guest_address(&card->fixture, pieces[i].gpa), pieces[i].size, data,
				pieces[i].size);
		data += pieces[i].size;
	}
}

static void check_copy(Card *card, const DmaPiece *pieces, guint count, guint8 first)
{
	guint8 *out = guest_copy_buffer(card->copy);
	g_autoptr(GError) error = NULL;

	fill(out, size_of(pieces, count), first);
	guest_copy_write(card->copy, card->channel, pieces, count, &error);
	g_assert_no_error(error);
	check_content(card, pieces, count, out);
}

/* By the channel at first, by the kernel when it knows the pieces; and no window is opened. */
static void test_copied(void)
{
	const DmaPiece pieces[] = {
		{ PIECE_A + 100, 3000 },
		{ PIECE_C + 5 * PAGE, PAGE },
		{ PIECE_B - 50, 100 },
		{ PIECE_A + 9 * PAGE, 0 },
		{ PIECE_A + 8 * PAGE + 1, 2 * PAGE },
	};
	Card card;

	if (set_up_card(&card)) {
		for (guint8 i = 0; i < OFTEN; i++)
			check_copy(&card, pieces, G_N_ELEMENTS(pieces), i);
		g_assert_cmpuint(registered_bytes(&card.fixture), ==, 3 * DIRECT_PIECE_SIZE);
		g_assert_cmpuint(runs(&card.fixture), ==, 0);
		g_assert_cmpint(g_atomic_int_get(&card.fixture.host_touches), ==, 0);
		/* What a hole was punched for is forgotten, and found anew. */
		g_assert_cmpint(hypercall(&card.fixture, PIECE_C, 1, FALSE), ==, 0);
		g_assert_cmpuint(registered_bytes(&card.fixture), ==, 2 * DIRECT_PIECE_SIZE);
		for (guint8 i = 0; i < OFTEN; i++)
			check_copy(&card, pieces, G_N_ELEMENTS(pieces), i);
		g_assert_cmpuint(registered_bytes(&card.fixture), ==, 3 * DIRECT_PIECE_SIZE);
	}
	tear_down_card(&card);
}

/* More pieces than go in one system call. */
static void test_copied_many(void)
{
	DmaPiece pieces[700];
	Card card;

	for (guint i = 0; i < G_N_ELEMENTS(pieces); i++)
		pieces[i] = (DmaPiece){ PIECE_A + i * 300, 1 + i % 200 };
	if (set_up_card(&card)) {
		for (guint8 i = 0; i < 4; i++)
			check_copy(&card, pieces, G_N_ELEMENTS(pieces), i);
		g_assert_cmpuint(registered_bytes(&card.fixture), ==, DIRECT_PIECE_SIZE);
	}
	tear_down_card(&card);
}

/* What is no RAM, or more than the buffer holds, is an error, and harms no later copy. */
static void test_copied_bad(void)
{
	const DmaPiece bad[] = {
		{ RAM_SIZE, 1 },
		{ RAM_SIZE - 1, 2 },
		{ G_MAXUINT64, 1 },
		{ PIECE_A, G_MAXUINT64 - PIECE_A + 1 },
		{ PIECE_A, G_MAXUINT64 },
		{ PIECE_A, GUEST_COPY_SIZE },
		{ MEMORY_WINDOW_START, 8 },
	};
	const DmaPiece good = { PIECE_A, PAGE };
	Card card;

	if (set_up_card(&card)) {
		for (guint8 i = 0; i < OFTEN; i++)
			check_copy(&card, &good, 1, i);
		for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
			const DmaPiece pieces[] = { good, bad[i] };
			g_autoptr(GError) error = NULL;

			g_assert_false(
				guest_copy_write(card.copy, card.channel, pieces, 2, &error));
			g_assert_nonnull(error);
			check_copy(&card, &good, 1, (guint8)i);
		}
		g_assert_cmpint(g_atomic_int_get(&card.fixture.failures), ==, 0);
	}
	tear_down_card(&card);
}

typedef struct {
	Card *card;
	void (*check)(Card *card, const DmaPiece *pieces, guint count, guint8 first);
	gint is_over;
	guint64 rounds; /* its own */
} Copier;

static gpointer keep_copying(gpointer data)
{
	/* In a piece of which other pages go away, and one by itself. */
	const DmaPiece pieces[] = { { PIECE_A + 50 * PAGE, 2 * PAGE }, { PIECE_C + PAGE, 9 } };
	Copier *copier = data;

	for (; !g_atomic_int_get(&copier->is_over); copier->rounds++)
		copier->check(copier->card, pieces, G_N_ELEMENTS(pieces), (guint8)copier->rounds);
	return NULL;
}

static void take_pages_away(Card *card, void (*check)(Card *card, const DmaPiece *pieces,
						      guint count, guint8 first))
{
	Copier copier = { .card = card, .check = check };
	GThread *thread = g_thread_new("card", keep_copying, &copier);

	for (guint round = 0; round < 1000; round++)
		hypercall(&card->fixture, PIECE_A + round % 40 * PAGE, 3, round % 2);
	g_atomic_int_set(&copier.is_over, TRUE);
	g_thread_join(thread);
	g_test_message("%" G_GUINT64_FORMAT " rounds", copier.rounds);
	g_assert_cmpuint(copier.rounds, >, 0);
	g_assert_cmpint(g_atomic_int_get(&card->fixture.failures), ==, 0);
}

/* Pages go away beside those that are copied to. */
static void test_copied_under_fire(void)
{
	Card card;

	if (set_up_card(&card))
		take_pages_away(&card, check_copy);
	tear_down_card(&card);
}

/* For a channel: all that it carries, either way */

/* The pieces that are not the kernel's. */
static guint n_carried;

static gboolean count_carried(DmaChannel *channel G_GNUC_UNUSED,
			      const DmaPiece *pieces G_GNUC_UNUSED, guint count,
			      void *data G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	n_carried += count;
	return TRUE;
}

/* What the guest has there. Return: whether the kernel copied it. */
static gboolean is_gathered(Card *card, const DmaPiece *pieces, guint count)
{
	const DmaCopier *copier = card->channel->copier;
	g_autofree guint8 *in = g_malloc0(size_of(pieces, count));

	n_carried = 0;
	g_assert_true(copier->read(card->channel->copier_opaque, pieces, count, in, count_carried,
				   card->channel, NULL));
	if (n_carried > 0)
		return FALSE;
	check_content(card, pieces, count, in);
	return TRUE;
}

/* Whether the kernel copied it all, and right, there and back. */
static gboolean is_served(Card *card, const DmaPiece *pieces, guint count, guint8 first)
{
	const DmaCopier *copier = card->channel->copier;
	const gsize size = size_of(pieces, count);
	g_autofree guint8 *out = g_malloc(size);

	fill(out, size, first);
	n_carried = 0;
	g_assert_true(copier->write(card->channel->copier_opaque, pieces, count, out, count_carried,
				    card->channel, NULL));
	if (n_carried > 0)
		return FALSE;
	check_content(card, pieces, count, out);
	return is_gathered(card, pieces, count);
}

/* The same by the channel, which has what the kernel does not know. */
static void check_served(Card *card, const DmaPiece *pieces, guint count, guint8 first)
{
	const gsize size = size_of(pieces, count);
	g_autofree guint8 *out = g_malloc(size), *in = g_malloc0(size);
	g_autoptr(GError) error = NULL;

	fill(out, size, first);
	dma_channel_write(card->channel, pieces, count, out, &error);
	g_assert_no_error(error);
	dma_channel_read(card->channel, pieces, count, in, &error);
	g_assert_no_error(error);
	g_assert_cmpmem(in, size, out, size);
}

static gboolean set_up_served(Card *card)
{
	if (!set_up_card(card))
		return FALSE;
	guest_copy_serve(card->copy, card->channel);
	return TRUE;
}

static void test_served(void)
{
	/* What a disk's request is: header, state, an indirect table; and a frame. */
	const DmaPiece pieces[] = {
		{ PIECE_A + 100, 16 },	      { PIECE_A + 131, 1 },
		{ PIECE_C + 5 * PAGE, 2048 }, { PIECE_B - 50, 100 },
		{ PIECE_A + 9 * PAGE, 0 },    { PIECE_A + 8 * PAGE + 1, 9 * PAGE },
	};
	MemoryStatistics before;
	Card card;

	if (set_up_served(&card)) {
		g_assert_false(is_served(&card, pieces, G_N_ELEMENTS(pieces), 1));
		for (guint8 i = 0; i < OFTEN; i++)
			check_served(&card, pieces, G_N_ELEMENTS(pieces), i);
		memory_statistics(card.fixture.memory, &before);
		for (guint8 i = 0; i < 3; i++)
			g_assert_true(is_served(&card, pieces, G_N_ELEMENTS(pieces), i));
		/* A piece over two of the kernel's is two; there and back. */
		assert_moved(&card.fixture, DMA_WAY_REGISTERED,
			     before.transfers[DMA_WAY_REGISTERED].count + 2 * 3 * 6,
			     before.transfers[DMA_WAY_REGISTERED].bytes +
				     2 * 3 * size_of(pieces, G_N_ELEMENTS(pieces)));
		assert_moved(&card.fixture, DMA_WAY_WINDOW, before.transfers[DMA_WAY_WINDOW].count,
			     before.transfers[DMA_WAY_WINDOW].bytes);
		g_assert_cmpuint(runs(&card.fixture), ==, 0);
		g_assert_cmpint(g_atomic_int_get(&card.fixture.host_touches), ==, 0);
		/* A piece that is known no more is the channel's again, and nothing is left of what
		 * went before. */
		g_assert_cmpint(hypercall(&card.fixture, PIECE_C, 1, FALSE), ==, 0);
		g_assert_false(is_served(&card, pieces, G_N_ELEMENTS(pieces), 9));
		for (guint8 i = 0; i < OFTEN; i++)
			check_served(&card, pieces, G_N_ELEMENTS(pieces), i);
		g_assert_true(is_served(&card, pieces, G_N_ELEMENTS(pieces), 4));
	}
	tear_down_card(&card);
}

/* Of a transfer only what the kernel does not know is carried, wherever it stands in it. */
static void test_served_partly(void)
{
	const DmaPiece known = { PIECE_A + 100, 2 * PAGE };
	const DmaPiece mixed[] = {
		{ PIECE_C + 5, 10 },	 { PIECE_A + 100, PAGE }, { PIECE_A + 7 * PAGE, 300 },
		{ PIECE_C + PAGE, 300 }, { PIECE_A + 50, 1 },
	};
	Card card;

	if (set_up_served(&card)) {
		for (guint8 i = 0; i < OFTEN; i++)
			check_served(&card, &known, 1, i);
		g_assert_true(is_served(&card, &known, 1, 1));
		g_assert_false(is_gathered(&card, mixed, G_N_ELEMENTS(mixed)));
		g_assert_cmpuint(n_carried, ==, 2);
		check_served(&card, mixed, G_N_ELEMENTS(mixed), 3);
	}
	tear_down_card(&card);
}

/* More than a pipe takes at a time: as pages that lie across two, as bytes, as much in one piece.
 */
static void test_served_much(void)
{
	static const struct {
		guint64 size, step;
		guint count;
	} shapes[] = {
		{ PAGE, PAGE, 200 }, { 1, PAGE + 1, 300 }, { 700, 700, 360 }, { 130 * PAGE, 0, 1 }
	};
	Card card;

	if (set_up_served(&card)) {
		fill(guest_address(&card.fixture, PIECE_A), 3 * DIRECT_PIECE_SIZE, 0);
		for (guint shape = 0; shape < G_N_ELEMENTS(shapes); shape++) {
			const guint count = shapes[shape].count;
			DmaPiece pieces[360];
			guint tries = 0;

			for (guint i = 0; i < count; i++)
				pieces[i] = (DmaPiece){
					PIECE_A + 3 + i * shapes[shape].step % (60 * PAGE),
					shapes[shape].size
				};
			while (!is_gathered(&card, pieces, count))
				g_assert_cmpuint(++tries, <, 2 * OFTEN);
			g_assert_true(is_gathered(&card, pieces, count));
		}
	}
	tear_down_card(&card);
}

/* What is no RAM, or more than a buffer, is the channel's, which says so; the next transfer is as
 * always. */
static void test_served_bad(void)
{
	const DmaPiece bad[] = {
		{ RAM_SIZE, 1 },	  { RAM_SIZE - 1, 2 },
		{ G_MAXUINT64, 1 },	  { PIECE_A, G_MAXUINT64 - PIECE_A + 1 },
		{ PIECE_A, G_MAXUINT64 }, { MEMORY_WINDOW_START, 8 },
	};
	const DmaPiece good = { PIECE_A + 7, PAGE };
	Card card;

	if (set_up_served(&card)) {
		for (guint8 i = 0; i < OFTEN; i++)
			check_served(&card, &good, 1, i);
		g_assert_true(is_served(&card, &good, 1, 1));
		for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
			const DmaPiece pieces[] = { good, bad[i] };
			g_autofree guint8 *data = g_malloc0(RAM_SIZE);
			g_autoptr(GError) read = NULL, write = NULL;

			g_assert_false(dma_channel_read(card.channel, pieces, 2, data, &read));
			g_assert_nonnull(read);
			g_assert_false(dma_channel_write(card.channel, pieces, 2, data, &write));
			g_assert_nonnull(write);
			g_assert_true(is_served(&card, &good, 1, (guint8)i));
		}
		g_assert_cmpint(g_atomic_int_get(&card.fixture.failures), ==, 0);
	}
	tear_down_card(&card);
}

static void test_served_under_fire(void)
{
	Card card;

	if (set_up_served(&card))
		take_pages_away(&card, check_served);
	tear_down_card(&card);
}

/* What was made ahead serves one machine after another, and knows nothing of the one before. */
static void test_spare(void)
{
	const DmaPiece piece = { PIECE_A + 7, PAGE };

	guest_copy_keep_spares(1);
	for (guint round = 0; round < 3; round++) {
		g_autoptr(GError) error = NULL;
		Card card;

		if (set_up_served(&card)) {
			g_assert_null(guest_copy_new(card.fixture.memory, &error));
			g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
			g_assert_cmpuint(registered_bytes(&card.fixture), ==, 0);
			g_assert_false(is_served(&card, &piece, 1, 1));
			for (guint8 i = 0; i < OFTEN; i++)
				check_served(&card, &piece, 1, i);
			g_assert_true(is_served(&card, &piece, 1, 2));
		}
		tear_down_card(&card);
	}
}

static void add_copied_tests(void)
{
	g_test_add_func("/windows/copied/known", test_copied);
	g_test_add_func("/windows/copied/many", test_copied_many);
	g_test_add_func("/windows/copied/bad", test_copied_bad);
	g_test_add_func("/windows/copied/under-fire", test_copied_under_fire);
	g_test_add_func("/windows/served/known", test_served);
	g_test_add_func("/windows/served/partly", test_served_partly);
	g_test_add_func("/windows/served/much", test_served_much);
	g_test_add_func("/windows/served/bad", test_served_bad);
	g_test_add_func("/windows/served/under-fire", test_served_under_fire);
	g_test_add_func("/windows/served/spare", test_spare);
}
