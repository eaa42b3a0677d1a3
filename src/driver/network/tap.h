/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.h - tap devices: network interfaces of the host's whose other end a VMM has
 *
 * A device that is made here is there as long as one of its descriptors is open, and so ends with
 * the VMM; nothing is left of it if the daemon is killed meanwhile.
 */
#pragma once

#include <glib.h>

/* What is asked of the kernel for a name of its choice. */
#define TAP_NAME_TEMPLATE "vnet%d"

typedef struct {
	const char *name; /* or TAP_NAME_TEMPLATE; with "%d" anywhere the kernel chooses a number */
	gboolean is_there; /* it is to be opened and not made, and nothing is set up */
	guint queues;
	const guint8 *mac;  /* of the guest's card */
	guint mtu;	    /* 0: the bridge's, or the usual one */
	const char *bridge; /* NULL: in none */
} TapConfig;

/*
 * tap_open - make a tap device, or open one
 * @fds: a descriptor for each queue is added, for close(); none on failure
 *
 * Return: its name, for g_free(); NULL with DRIVER_ERROR that names the device or the bridge.
 */
char *tap_open(const TapConfig *config, GArray *fds, GError **error);
