/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-model.h - a second opinion on what a guest gets from fw_cfg
 *
 * Theory of operation
 *
 * What each item holds is learnt once, a byte at a time at the data port of a device of its
 * own. The model then sits between a bus and the device under test, and between the device
 * and guest RAM. It knows which item is selected and how far it was read, and holds every
 * byte that the guest gets against what was learnt: beyond an item's end there are zeroes,
 * and DMA writes only where the guest asked for it. Of an item that is made anew with each
 * selection it knows only where it ends. The one that the guest may write has what it has
 * written there, whole or not at all, until a reset.
 */
#pragma once

#include <string.h>

#include "vmm/chipset/fw-cfg.h"
#include "vmm/chipset/vmcoreinfo.h"

/* More than any item has here. */
#define FW_CFG_MODEL_MAX  0x10000u

#define FW_CFG_MODEL_KEYS 0x60u

/* More than the item that can be written has. */
#define FW_CFG_MODEL_WRITABLE_MAX 64u

typedef struct {
	guint8 *content; /* NULL: made with each selection */
	guint32 size;	 /* without zeroes at the end, where it is not in the directory */
} FwCfgModelItem;

/* What there is to be read; the same for every device with the same configuration. */
typedef struct {
	GHashTable *items;
	guint16 keys[2 * FW_CFG_MODEL_KEYS]; /* of @items */
	guint n_keys;
	const FwCfgModelItem *writable; /* or NULL, and its key */
	guint16 writable_key;
} FwCfgItems;

typedef struct {
	const FwCfgItems *items;
	FwCfg *fw;
	DeviceMemory memory; /* guest RAM */

	const FwCfgModelItem *selected;
	guint64 offset;
	gboolean is_lost; /* where the item is at; until the next selection */
	guint32 dma_high;
	guint8 written[FW_CFG_MODEL_WRITABLE_MAX]; /* what the writable one holds */
	gboolean is_written_lost;		   /* the same, until a reset */

	/* While an access by DMA is carried out. */
	gboolean is_dma;
	guint64 control_gpa;
	guint64 target_start;
	guint64 target_end; /* equal: nothing may be written */
	guint64 n_written;
} FwCfgModel;

/* Learning */

static inline guint8 fw_cfg_model_next(FwCfg *fw)
{
	return fw_cfg_operations.read(fw, 1, 1);
}

static inline void fw_cfg_model_learn_item(FwCfgItems *items, FwCfg *fw, guint16 key)
{
	FwCfgModelItem *item = g_new0(FwCfgModelItem, 1);

	item->content = g_malloc(FW_CFG_MODEL_MAX);
	fw_cfg_operations.write(fw, 0, 2, key);
	for (guint32 i = 0; i < FW_CFG_MODEL_MAX; i++) {
		item->content[i] = fw_cfg_model_next(fw);
		if (item->content[i])
			item->size = i + 1;
	}
	g_hash_table_insert(items->items, GUINT_TO_POINTER(key), item);
	if (item->size > 0)
		items->keys[items->n_keys++] = key;
}

static inline void fw_cfg_model_learn_directory(FwCfgItems *items, FwCfg *fw)
{
	const FwCfgModelItem *directory = g_hash_table_lookup(items->items,
							      GUINT_TO_POINTER(FW_CFG_FILE_DIR));
	guint32 count;

	memcpy(&count, directory->content, sizeof(count));
	count = GUINT32_FROM_BE(count);
	g_assert_cmpuint(FW_CFG_FILE_FIRST + count, <=, FW_CFG_MODEL_KEYS);
	for (guint i = 0; i < count; i++) {
		const struct fw_cfg_file *file =
			(const struct fw_cfg_file *)(directory->content + sizeof(count)) + i;
		guint16 key = GUINT16_FROM_BE(file->select);
		FwCfgModelItem *item;

		fw_cfg_model_learn_item(items, fw, key);
		item = g_hash_table_lookup(items->items, GUINT_TO_POINTER(key));
		g_assert_cmpuint(item->size, <=, GUINT32_FROM_BE(file->size));
		item->size = GUINT32_FROM_BE(file->size);
		if (g_str_has_prefix(file->name, "etc/acpi/") ||
		    strcmp(file->name, "etc/table-loader") == 0)
			g_clear_pointer(&item->content, g_free);
		if (strcmp(file->name, VMCOREINFO_FILE) == 0) {
			g_assert_cmpuint(item->size, <=, FW_CFG_MODEL_WRITABLE_MAX);
			items->writable = item;
			items->writable_key = key;
		}
	}
}

/* @fw is only read; what is learnt stays for good. */
static inline FwCfgItems *fw_cfg_model_learn(FwCfg *fw)
{
	FwCfgItems *items = g_new0(FwCfgItems, 1);

	items->items = g_hash_table_new(NULL, NULL);
	for (guint16 key = 0; key < FW_CFG_FILE_FIRST; key++) {
		fw_cfg_model_learn_item(items, fw, key);
		fw_cfg_model_learn_item(items, fw, FW_CFG_ARCH_LOCAL | key);
	}
	fw_cfg_model_learn_directory(items, fw);
	return items;
}

/* What the guest gets */

static inline void fw_cfg_model_select(FwCfgModel *model, guint16 key)
{
	key &= (guint16)~FW_CFG_WRITE_CHANNEL;
	model->selected = g_hash_table_lookup(model->items->items, GUINT_TO_POINTER(key));
	model->offset = 0;
	model->is_lost = FALSE;
}

static inline void fw_cfg_model_check_byte(const FwCfgModel *model, guint64 offset, guint8 byte)
{
	const FwCfgModelItem *item = model->selected;

	if (model->is_lost)
		return;
	if (!item || offset >= item->size)
		g_assert_cmphex(byte, ==, 0);
	else if (item == model->items->writable)
		g_assert_true(model->is_written_lost || byte == model->written[offset]);
	else if (item->content)
		g_assert_cmphex(byte, ==, item->content[offset]);
}

static inline gboolean fw_cfg_model_read_ram(void *opaque, guint64 gpa, void *data, gsize size)
{
	FwCfgModel *model = opaque;

	return model->memory.read(model->memory.opaque, gpa, data, size);
}

/* Data comes in order, and in one range; the result comes last. */
static inline gboolean fw_cfg_model_write_ram(void *opaque, guint64 gpa, const void *data,
					      gsize size)
{
	FwCfgModel *model = opaque;
	gboolean is_data = gpa == model->target_start + model->n_written &&
			   size <= model->target_end - gpa;

	g_assert_true(model->is_dma);
	g_assert_true(is_data || (gpa == model->control_gpa && size == 4) || model->is_lost);
	if (!model->memory.write(model->memory.opaque, gpa, data, size))
		return FALSE;
	if (!is_data)
		return TRUE;
	for (gsize i = 0; i < size; i++)
		fw_cfg_model_check_byte(model, model->offset + model->n_written + i,
					((const guint8 *)data)[i]);
	model->n_written += size;
	return TRUE;
}

/* Where the guest describes the access: what of it the model has to know beforehand. */
static inline void fw_cfg_model_begin_dma(FwCfgModel *model, guint64 gpa, guint32 *control,
					  guint32 *length)
{
	struct fw_cfg_dma_access access;

	*control = *length = 0;
	model->is_dma = TRUE;
	model->control_gpa = gpa;
	model->target_start = model->target_end = 0;
	model->n_written = 0;
	if (!fw_cfg_model_read_ram(model, gpa, &access, sizeof(access)))
		return;
	*control = GUINT32_FROM_BE(access.control);
	*length = GUINT32_FROM_BE(access.length);
	if (*control & FW_CFG_DMA_CTL_SELECT)
		fw_cfg_model_select(model, *control >> 16);
	if (!(*control & FW_CFG_DMA_CTL_READ))
		return;
	model->target_start = GUINT64_FROM_BE(access.address);
	model->target_end = model->target_start + MIN(*length, G_MAXUINT64 - model->target_start);
	/* A guest that has data written over the description gets one of the two. */
	if (model->target_start < gpa + sizeof(access) && gpa < model->target_end)
		model->is_lost = TRUE;
}

/*
 * What the guest writes to the item, before the device has it. Return: whether it may, or that is
 * not known.
 */
static inline gboolean fw_cfg_model_take(FwCfgModel *model, guint64 gpa, guint32 length)
{
	const FwCfgModelItem *item = model->selected;
	struct fw_cfg_dma_access access;
	guint8 data[FW_CFG_MODEL_WRITABLE_MAX];

	if (model->is_lost) {
		model->is_written_lost = TRUE;
		return TRUE;
	}
	if (length == 0)
		return TRUE;
	if (!item || item != model->items->writable || model->offset > item->size ||
	    length > item->size - model->offset ||
	    !fw_cfg_model_read_ram(model, gpa, &access, sizeof(access)) ||
	    !fw_cfg_model_read_ram(model, GUINT64_FROM_BE(access.address), data, length))
		return FALSE;
	memcpy(model->written + model->offset, data, length);
	model->offset += length;
	return TRUE;
}

static inline void fw_cfg_model_dma(FwCfgModel *model, guint64 gpa, guint32 value)
{
	guint32 control, length, result = 0;
	gboolean is_told, is_write, may_write;

	fw_cfg_model_begin_dma(model, gpa, &control, &length);
	is_write = (control & (FW_CFG_DMA_CTL_READ | FW_CFG_DMA_CTL_WRITE)) == FW_CFG_DMA_CTL_WRITE;
	may_write = is_write && fw_cfg_model_take(model, gpa, length);
	fw_cfg_operations.write(model->fw, 8, 4, value);
	model->is_dma = FALSE;
	model->offset += model->n_written;
	is_told = fw_cfg_model_read_ram(model, gpa, &result, sizeof(result));
	if (is_told && !model->is_lost)
		g_assert_true(result == 0 || result == GUINT32_TO_BE(FW_CFG_DMA_CTL_ERROR));
	if (is_told && !model->is_lost && result == 0 && control & FW_CFG_DMA_CTL_READ)
		g_assert_cmpuint(model->n_written, >=, length);
	if (is_told && !model->is_lost && is_write)
		g_assert_cmphex(result, ==, may_write ? 0 : GUINT32_TO_BE(FW_CFG_DMA_CTL_ERROR));
	if (control & FW_CFG_DMA_CTL_SKIP &&
	    !(control & (FW_CFG_DMA_CTL_READ | FW_CFG_DMA_CTL_WRITE)))
		model->offset += length;
}

/* The device, for a bus */

static inline guint64 fw_cfg_model_read(void *opaque, guint64 offset, guint size)
{
	FwCfgModel *model = opaque;
	guint64 value = fw_cfg_operations.read(model->fw, offset, size);

	if (offset <= 1 && offset + size > 1)
		fw_cfg_model_check_byte(model, model->offset++, value >> (1 - offset) * 8);
	return value;
}

static inline void fw_cfg_model_write(void *opaque, guint64 offset, guint size, guint64 value)
{
	FwCfgModel *model = opaque;
	guint64 gpa = (guint64)model->dma_high << 32 | GUINT32_FROM_BE((guint32)value);

	if (offset == 8 && size == 4) {
		model->dma_high = 0;
		fw_cfg_model_dma(model, gpa, value);
		return;
	}
	if (offset == 0 && size == 2)
		fw_cfg_model_select(model, value);
	if (offset == 4 && size == 4)
		model->dma_high = GUINT32_FROM_BE((guint32)value);
	fw_cfg_operations.write(model->fw, offset, size, value);
}

static const BusOperations fw_cfg_model_operations = {
	.read = fw_cfg_model_read,
	.write = fw_cfg_model_write,
	.max_access = 4,
};

/* What to make the device with. */
static inline DeviceMemory fw_cfg_model_memory(FwCfgModel *model)
{
	return (DeviceMemory){
		.read = fw_cfg_model_read_ram,
		.write = fw_cfg_model_write_ram,
		.opaque = model,
	};
}

static inline void fw_cfg_model_reset(FwCfgModel *model)
{
	fw_cfg_reset(model->fw);
	fw_cfg_model_select(model, FW_CFG_SIGNATURE);
	model->dma_high = 0;
	model->is_written_lost = FALSE;
	if (model->items->writable)
		memcpy(model->written, model->items->writable->content,
		       model->items->writable->size);
}
