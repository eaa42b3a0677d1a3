/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signals.c - what a device sends and gets without the device lock, by descriptors */
#include "vmm/device/signals.h"

#include <unistd.h>

void device_signal_send(const DeviceSignal *signal)
{
	const guint64 one = 1;

	/* It is full only where it has been sent so often that once more says nothing. */
	if (write(signal->fd, &one, sizeof(one)) < 0)
		return;
}

void device_signal_clear(DeviceSignal *signal)
{
	if (signal->free)
		signal->free(signal->opaque);
	*signal = (DeviceSignal){ 0 };
}
