/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * board.h - what ACPI tables and firmware say of devices that a guest cannot find by itself
 *
 * A device that has something to be said of it notes that here while it is made. The tables are
 * made right after the devices of the start, so that such a device cannot come later.
 */
#pragma once

#include <glib.h>

#define DEVICE_GUID_SIZE 16

typedef struct {
	gboolean has_fw_cfg;  /* the machine has firmware: known before */
	guint16 pvpanic_port; /* or 0: there is none */
	gboolean has_generation_id;
	guint8 generation_id[DEVICE_GUID_SIZE];
	gboolean has_vmcoreinfo;
} DeviceBoard;
