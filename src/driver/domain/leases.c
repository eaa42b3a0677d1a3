/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* leases.c - the addresses that libvirt's networks have given to a domain's cards */
#include "driver/domain/leases.h"

#include <glib/gi18n.h>

#include "driver/error.h"

static void card_leases_free(gpointer data)
{
	CardLeases *card = data;

	g_free(card->device);
	g_free(card->network);
	g_clear_pointer(&card->leases, g_ptr_array_unref);
	g_free(card);
}

static CardLeases *card_leases_new(const DomainInterface *interface)
{
	CardLeases *card = g_new0(CardLeases, 1);

	card->device = g_strdup(interface->target);
	card->network = g_strdup(interface->source);
	domain_mac_format(interface->mac, card->mac);
	return card;
}

/* The cards on networks of libvirt's, or NULL with @error set. */
static GPtrArray *list_cards(Domain *domain, GError **error)
{
	GPtrArray *cards = NULL;

	g_mutex_lock(&domain->lock);
	if (domain->live)
		cards = g_ptr_array_new_with_free_func(card_leases_free);
	else
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	for (guint i = 0; cards && i < domain->live->interfaces->len; i++) {
		const DomainInterface *interface = domain->live->interfaces->pdata[i];

		if (interface->type == DOMAIN_INTERFACE_NETWORK && interface->target)
			g_ptr_array_add(cards, card_leases_new(interface));
	}
	g_mutex_unlock(&domain->lock);
	return cards;
}

static guint seconds_until(gint64 deadline)
{
	const gint64 left = deadline - g_get_monotonic_time();

	return left > 0 ? (guint)((left + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND) : 0;
}

GPtrArray *leases_find(Domain *domain, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() +
				LIBVIRT_NETWORK_SECONDS * G_TIME_SPAN_SECOND;
	g_autoptr(GPtrArray) cards = list_cards(domain, error);

	if (!cards)
		return NULL;
	for (guint i = 0; i < cards->len; i++) {
		CardLeases *card = cards->pdata[i];

		card->leases = libvirt_network_leases(NULL, card->network, card->mac,
						      seconds_until(deadline), error);
		if (!card->leases)
			return NULL;
	}
	/* From the end, so that what is left keeps its order. */
	for (guint i = cards->len; i-- > 0;) {
		const CardLeases *card = cards->pdata[i];

		if (card->leases->len == 0)
			g_ptr_array_remove_index(cards, i);
	}
	return g_steal_pointer(&cards);
}
