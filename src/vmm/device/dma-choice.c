/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dma-choice.c - by which way a device reads and writes guest memory */
#include "vmm/device/dma-choice.h"

#include <glib/gi18n.h>

#include "vmm/memory/dma.h"

const char *const dma_choices[] = {
	[DMA_CHOICE_AUTO] = "auto",
	[DMA_CHOICE_REGISTERED] = "registered",
	[DMA_CHOICE_WINDOW] = "window",
	[DMA_CHOICE_COURIER] = "courier",
	NULL,
};

static gboolean is_there(const Memory *memory, guint choice)
{
	static const DmaWay ways[] = {
		[DMA_CHOICE_REGISTERED] = DMA_WAY_REGISTERED,
		[DMA_CHOICE_WINDOW] = DMA_WAY_WINDOW,
		[DMA_CHOICE_COURIER] = DMA_WAY_COURIER,
	};

	return choice == DMA_CHOICE_AUTO || memory_has_dma_way(memory, ways[choice]);
}

gboolean dma_choice_check(const DeviceContext *context, guint choice, GError **error)
{
	g_autofree char *reason = NULL;

	if (is_there(context->memory, choice))
		return TRUE;
	reason = g_strdup_printf(_("there is no '%s' with memory of the kind '%s'"),
				 dma_choices[choice],
				 kvm_memory_kind_name(memory_kind(context->memory)));
	return json_fields_refuse(error, context->owner, "dma", reason);
}
