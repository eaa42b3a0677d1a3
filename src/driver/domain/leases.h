/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * leases.h - the addresses that libvirt's networks have given to a domain's cards
 *
 * libvirt's daemon for networks knows them by the cards' MAC addresses. Cards that are on no
 * network of its have none.
 */
#pragma once

#include "driver/domain/domain.h"
#include "driver/network/libvirt-network.h"

/* One card of a domain that runs. */
typedef struct {
	char *device;  /* on the host */
	char *network; /* where it is */
	char mac[DOMAIN_MAC_STRING_SIZE];
	GPtrArray *leases; /* of NetworkLease */
} CardLeases;

/*
 * leases_find - ask for them, without the domain's lock
 *
 * Takes LIBVIRT_NETWORK_SECONDS at most for all cards.
 *
 * Return: of CardLeases, for g_ptr_array_unref(), in the cards' order, those without a lease left
 * out; NULL with VIR_ERR_OPERATION_INVALID where the domain does not run, or the error of
 * libvirt_network_leases().
 */
GPtrArray *leases_find(Domain *domain, GError **error);
