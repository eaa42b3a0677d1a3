/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keys.h - the keys of a keyboard, as those number them who speak of keys
 *
 * Theory of operation
 *
 * A client of libvirt's names a key by its number in a set that it chooses, the VMM's monitor by
 * QEMU's name or number, and the guest by Linux' number, which is what virtio has. One table has
 * all of them; sets that are another's numbers in another form are computed.
 */
#pragma once

#include <glib.h>

typedef enum {
	KEY_SET_LINUX,	     /* KEY_* of linux/input-event-codes.h */
	KEY_SET_QEMU,	     /* scan code set 1, with bit 7 for the prefix 0xe0 */
	KEY_SET_SCAN_CODE_1, /* scan code set 1, with 0xe000 for the prefix */
	KEY_SET_XT_KBD,	     /* the same, with 0x100 */
	KEY_SET_USB,	     /* usages of the HID page "Keyboard/Keypad" */
} KeySet;

typedef struct {
	const char *name; /* QEMU's QKeyCode: "ctrl_r" */
	guint16 linux_code;
	guint8 qemu;
	guint8 usage; /* 0: it is on another page */
} Key;

/* Return: one of the table's, or NULL. */
const Key *key_find(KeySet set, guint code);
const Key *key_find_name(const char *name);

/* All of them, in no order; some keys have two names. Return: NULL after the last. */
const Key *key_nth(guint n);
