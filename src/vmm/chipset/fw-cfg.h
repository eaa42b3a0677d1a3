/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg.h - QEMU's firmware configuration device: what firmware reads of its machine
 *
 * docs/specs/fw_cfg of QEMU: selector, data and DMA address, as x86 has them at ports. Keys
 * and the layouts that guests see are those of <linux/qemu_fw_cfg.h>. No item is writable.
 */
#pragma once

#include <glib.h>
#include <linux/qemu_fw_cfg.h>

#include "vmm/device/surroundings.h"

#define FW_CFG_PORT  0x510
#define FW_CFG_PORTS 12

/* Of the keys for files; the directory's order is by name. */
#define FW_CFG_MAX_FILES 256

typedef struct FwCfg FwCfg;

/* For FW_CFG_PORTS ports from FW_CFG_PORT on. */
extern const BusOperations fw_cfg_operations;

/*
 * fw_cfg_new - make the device, with the signature, the features and an empty directory
 * @memory: what DMA reaches; copied, and given back by fw_cfg_free()
 */
FwCfg *fw_cfg_new(const DeviceMemory *memory);
void fw_cfg_free(FwCfg *fw);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FwCfg, fw_cfg_free)

/* Selects the signature, and forgets half a DMA address. Items stay. */
void fw_cfg_reset(FwCfg *fw);

/*
 * Items are added before the first access of the guest. A key or name that is there already,
 * or a name of more than FW_CFG_MAX_FILE_PATH - 1 bytes, is a bug of the caller and aborts.
 */

/* @content: a reference is taken; at most 4 GiB - 1. */
void fw_cfg_add_bytes(FwCfg *fw, guint16 key, GBytes *content);

/* Numbers are little-endian, as on every x86. */
void fw_cfg_add_u16(FwCfg *fw, guint16 key, guint16 value);
void fw_cfg_add_u32(FwCfg *fw, guint16 key, guint32 value);
void fw_cfg_add_u64(FwCfg *fw, guint16 key, guint64 value);

/*
 * fw_cfg_add_fd - an item that is read from a file, while the guest reads it
 * @fd:     lent for the device's life; its position is neither used nor changed
 * @offset: of the item's first byte
 * @size:   bytes
 *
 * Where the file cannot be read or has become too short the guest finds zeroes, and the log
 * a warning, one until the next reset.
 */
void fw_cfg_add_fd(FwCfg *fw, guint16 key, int fd, guint64 offset, guint32 size);

/* @content: a reference is taken. */
void fw_cfg_add_file(FwCfg *fw, const char *name, GBytes *content);

/* Gives a file that is there another content, of any size; in a reset, with the device lock held.
 */
void fw_cfg_set_file(FwCfg *fw, const char *name, GBytes *content);

/*
 * fw_cfg_add_writable - a file that the guest may write to, by DMA alone, and read back
 * @initial: what it has after a reset
 */
void fw_cfg_add_writable(FwCfg *fw, const char *name, GBytes *initial);

/* Return: the content, owned by the device, of @size bytes at most; zeroes fill the rest. */
typedef GBytes *(*FwCfgGenerate)(void *opaque);

/*
 * fw_cfg_add_generated - a file whose content is made each time that it is selected
 * @size:     bytes, what the directory says
 * @generate: called with the device lock held; must not fail
 */
void fw_cfg_add_generated(FwCfg *fw, const char *name, guint32 size, FwCfgGenerate generate,
			  void *opaque);

/* Adds the device to a machine. Return: its registry's; NULL with @error set. */
FwCfg *fw_cfg_create(const DeviceSurroundings *surroundings, GError **error);
