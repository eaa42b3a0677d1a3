/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.h - what a domain's network card has behind it, by the type of its <interface>
 *
 * Theory of operation
 *
 * A link is opened before the VMM starts, or before a card is plugged into it, so that the VMM gets
 * descriptors and needs no right of its own. What has to end with the card ends with them: a tap
 * device, and passt. A macvtap device does not; network_link_forget() takes it away.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"

typedef struct {
	GArray *fds;	  /* int, for the VMM: a tap's queues, or the one end of a network */
	int passt_socket; /* for passt, which is to be started with it; -1: there is none */
} NetworkLink;

#define NETWORK_LINK_INIT                                  \
	(NetworkLink)                                      \
	{                                                  \
		g_array_new(FALSE, FALSE, sizeof(int)), -1 \
	}

/* Closes what has not been taken out. */
void network_link_clear(NetworkLink *link);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkLink, network_link_clear)

/*
 * network_link_open - open what is behind a network card
 * @interface: the name of its device is filled in
 * @link: of NETWORK_LINK_INIT
 *
 * Return: FALSE with DRIVER_ERROR that names the device, the bridge or the program.
 */
gboolean network_link_open(DomainInterface *interface, NetworkLink *link, GError **error);

/*
 * network_link_limit - have the card's <bandwidth> kept, or none
 * @interface: with a device
 *
 * Return: FALSE with DRIVER_ERROR that names the device.
 */
gboolean network_link_limit(const DomainInterface *interface, GError **error);

/*
 * network_link_change_limit - have another <bandwidth> kept
 * @was: the same card with what is kept so far
 *
 * Return: FALSE with DRIVER_ERROR that names the device. Then what was kept is kept again, or the
 * error says that it could not be, and that there is no limit any more.
 */
gboolean network_link_change_limit(const DomainInterface *was, const DomainInterface *interface,
				   GError **error);

/* The card is gone: so is what would stay of its link. */
void network_link_forget(const DomainInterface *interface);

/* The same for all cards of a domain that has ended; @def may be NULL. */
void network_links_forget(const DomainDef *def);
