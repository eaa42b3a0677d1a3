/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmgenid.c - an identifier of a machine's generation, which is another one in a copy of it
 *
 * Theory of operation
 *
 * The identifier is a part of the ACPI tables: firmware puts the page that holds it where it likes,
 * and fills it in from fw_cfg, so that the page is the guest's own and private like the rest. The
 * host neither learns where that is nor writes there. Nothing takes this machine back to where it
 * was, or copies it, while it runs, and so the identifier never changes in a run.
 */
#include "vmm/chipset/vmgenid.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct {
	char *guid;
} VmgenidDescription;

static const JsonField fields[] = {
	{ .name = "guid",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(VmgenidDescription, guid),
	  .is_required = TRUE },
	{ .name = NULL },
};

/* A GUID is a structure of numbers, the first three of which are little-endian. */
static void read_guid(const char *text, guint8 guid[DEVICE_GUID_SIZE])
{
	static const guint8 order[DEVICE_GUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
							8, 9, 10, 11, 12, 13, 14, 15 };
	guint digits = 0;

	memset(guid, 0, DEVICE_GUID_SIZE);
	for (; *text; text++) {
		guint8 *byte = &guid[order[digits / 2]];

		if (*text == '-')
			continue;
		*byte = (guint8)(*byte << 4 | g_ascii_xdigit_value(*text));
		digits++;
	}
}

static const DeviceOperations device_operations = { .free = g_free };

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const VmgenidDescription *description = opaque;
	DeviceBoard *board = device_context_board(context, error);

	if (!board)
		return FALSE;
	if (board->has_generation_id)
		return json_fields_refuse(error, context->owner, "driver",
					  _("the machine has one already"));
	if (!g_uuid_string_is_valid(description->guid))
		return json_fields_refuse(error, context->owner, "guid", _("a UUID is wanted"));
	read_guid(description->guid, board->generation_id);
	board->has_generation_id = TRUE;
	device_registry_add(context->surroundings->registry, context->id, &device_operations,
			    g_malloc(1));
	return TRUE;
}

const DeviceType vmgenid_type = {
	.name = "vmgenid",
	.fields = fields,
	.description_size = sizeof(VmgenidDescription),
	.create = create,
};
