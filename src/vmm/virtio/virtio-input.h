/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-input.h - a keyboard, a mouse or a tablet
 *
 * What follows is called on the main thread; it waits for a turn of the I/O thread at most.
 */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/virtio/device.h"

/* Events that go together, and that a guest gets together or not at all. */
#define VIRTIO_INPUT_EVENTS_MAX 32u

/* Where a tablet is touched is from 0 to this, each way. */
#define VIRTIO_INPUT_ABS_MAX 0x7fff

/* Linux' numbers. */
typedef struct {
	guint16 type; /* EV_KEY, … */
	guint16 code; /* KEY_A, … */
	gint32 value; /* of a key: 1 where it is pressed, 0 where it is not */
} InputEvent;

typedef struct VirtioInput VirtioInput;

/*
 * virtio_input_find - which device has events of a kind
 *
 * Of several one that the guest has a driver for; of these the one that was there first.
 *
 * Return: one of the machine's, or NULL.
 */
VirtioInput *virtio_input_find(const DeviceRegistry *registry, guint16 type, guint16 code);

/*
 * virtio_input_send - say what has happened, at once
 * @events: 1 to VIRTIO_INPUT_EVENTS_MAX that the device has; what ends them is added
 *
 * A guest that has given too few buffers does not hear of it.
 *
 * Return: FALSE with @error set where the guest has no driver for the device.
 */
gboolean virtio_input_send(VirtioInput *input, const InputEvent *events, guint n, GError **error);

/*
 * virtio_input_press - press keys one after the other, and let them go in reverse
 * @codes: 1 to VIRTIO_INPUT_KEYS_MAX of KEY_* that the device has
 * @hold:  milliseconds from each of these steps to the next
 *
 * Returns at once. What is asked for meanwhile comes after it; in a pause it waits, and it ends
 * with a reset.
 *
 * Return: FALSE with @error set as above, or where too much waits already.
 */
gboolean virtio_input_press(VirtioInput *input, const guint16 *codes, guint n, guint hold,
			    GError **error);

#define VIRTIO_INPUT_KEYS_MAX 64u

extern const DeviceType virtio_keyboard_type;
extern const DeviceType virtio_mouse_type;
extern const DeviceType virtio_tablet_type;
