/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * macvtap.h - macvtap devices: a second address on a network card of the host's
 *
 * A device is made by rtnetlink(7), opened where it shows up in /dev, and stays until it is
 * deleted: closing its descriptors does not take it away.
 */
#pragma once

#include <glib.h>
#include <linux/if_link.h>

typedef struct {
	const char *name;  /* NULL: one that is free */
	const char *lower; /* the host's card */
	enum macvlan_mode mode;
	guint queues;
	const guint8 *mac; /* of the guest's card, and so of the device */
	guint mtu;	   /* 0: the card's */
} MacvtapConfig;

/*
 * macvtap_open - make a macvtap device and open it
 * @fds: a descriptor for each queue is added, for close(); none on failure
 *
 * Return: its name, for g_free() and macvtap_delete(); NULL with DRIVER_ERROR that names the device
 * or the card, and then there is none.
 */
char *macvtap_open(const MacvtapConfig *config, GArray *fds, GError **error);

/* Takes a device away. One that is no macvtap device, or not there, is left alone. */
void macvtap_delete(const char *name);
