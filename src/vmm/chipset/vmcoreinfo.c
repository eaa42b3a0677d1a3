/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmcoreinfo.c - a file of fw_cfg that takes where a guest's kernel describes itself
 *
 * The file itself is one of fw_cfg's, which is made after the devices (boot/fw-cfg-content.c). What
 * a guest has written is there for who looks into its memory; the machine makes nothing of it.
 */
#include "vmm/chipset/vmcoreinfo.h"

#include <glib/gi18n.h>

static const DeviceOperations device_operations = { .free = g_free };

typedef struct {
	char nothing;
} VmcoreinfoDescription;

static const JsonField fields[] = {
	{ .name = NULL },
};

static gboolean create(const DeviceContext *context, const void *description, GError **error)
{
	DeviceBoard *board = device_context_board(context, error);

	(void)description;
	if (!board)
		return FALSE;
	if (board->has_vmcoreinfo)
		return json_fields_refuse(error, context->owner, "driver",
					  _("the machine has one already"));
	if (!board->has_fw_cfg)
		return json_fields_refuse(error, context->owner, "driver",
					  _("it is in fw_cfg, which comes with firmware alone"));
	board->has_vmcoreinfo = TRUE;
	device_registry_add(context->surroundings->registry, context->id, &device_operations,
			    g_malloc(1));
	return TRUE;
}

const DeviceType vmcoreinfo_type = {
	.name = "vmcoreinfo",
	.fields = fields,
	.description_size = sizeof(VmcoreinfoDescription),
	.create = create,
};
