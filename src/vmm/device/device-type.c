/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device-type.c - what devices that are described ask of where they go */
#include "vmm/device/device-type.h"

#include <glib/gi18n.h>

DeviceBoard *device_context_board(const DeviceContext *context, GError **error)
{
	DeviceBoard *board = context->surroundings->board;

	if (!board)
		json_fields_refuse(error, context->owner, "driver",
				   _("it is part of the board, and cannot be added later"));
	return board;
}
