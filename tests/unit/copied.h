/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copied.h - what holds of copies that the kernel makes to guest memory; for
 * windows-test.c
 *
 * It needs an io_uring; else it is skipped.
 */
#pragma once

#include "vmm/backend/guest-copy.h"

#define COPY_SIZE (64 * PAGE)

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
	card->copy = guest_copy_new(card->fixture.memory, COPY_SIZE, &error);
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

/* There, as the guest sees it. */
static void check_copy(Card *card, const DmaPiece *pieces, guint count, guint8 first)
{
	guint8 *out = guest_copy_buffer(card->copy);
	const gsize size = size_of(pieces, count);
	g_autoptr(GError) error = NULL;
	gsize offset = 0;

	for (gsize i = 0; i < size; i++)
		out[i] = (guint8)(first + i * 7 + i / PAGE);
	guest_copy_write(card->copy, card->channel, pieces, count, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < count; i++) {
		g_assert_cmpmem(guest_address(&card->fixture, pieces[i].gpa), pieces[i].size,
				out + offset, pieces[i].size);
		offset += pieces[i].size;
	}
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
		{ PIECE_A, COPY_SIZE },
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
	gint is_over;
	guint64 rounds; /* its own */
} Copier;

static gpointer keep_copying(gpointer data)
{
	/* In a piece of which other pages go away, and one by itself. */
	const DmaPiece pieces[] = { { PIECE_A + 50 * PAGE, 2 * PAGE }, { PIECE_C + PAGE, 9 } };
	Copier *copier = data;

	for (; !g_atomic_int_get(&copier->is_over); copier->rounds++)
		check_copy(copier->card, pieces, G_N_ELEMENTS(pieces), (guint8)copier->rounds);
	return NULL;
}

/* Pages go away beside those that are copied to. */
static void test_copied_under_fire(void)
{
	Card card;

	if (set_up_card(&card)) {
		Copier copier = { .card = &card };
		GThread *thread = g_thread_new("card", keep_copying, &copier);

		for (guint round = 0; round < 1000; round++)
			hypercall(&card.fixture, PIECE_A + round % 40 * PAGE, 3, round % 2);
		g_atomic_int_set(&copier.is_over, TRUE);
		g_thread_join(thread);
		g_test_message("%" G_GUINT64_FORMAT " rounds", copier.rounds);
		g_assert_cmpuint(copier.rounds, >, 0);
		g_assert_cmpint(g_atomic_int_get(&card.fixture.failures), ==, 0);
	}
	tear_down_card(&card);
}

static void add_copied_tests(void)
{
	g_test_add_func("/windows/copied/known", test_copied);
	g_test_add_func("/windows/copied/many", test_copied_many);
	g_test_add_func("/windows/copied/bad", test_copied_bad);
	g_test_add_func("/windows/copied/under-fire", test_copied_under_fire);
}
