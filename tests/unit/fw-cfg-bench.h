/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-bench.h - a fw_cfg device with its ports on a bus, and RAM that its DMA reaches
 */
#pragma once

#include <string.h>

#include "vmm/chipset/fw-cfg.h"

#define FW_CFG_BENCH_RAM (4u << 20)

/* Where a guest's access structure is, and where what it reads goes. */
#define FW_CFG_BENCH_ACCESS 0x1000u
#define FW_CFG_BENCH_BUFFER 0x100000u

typedef struct {
	Bus *bus;
	FwCfg *fw;
	guint8 *ram;
	guint64 written; /* bytes that DMA has put there */
} FwCfgBench;

static inline gboolean fw_cfg_bench_read(void *opaque, guint64 gpa, void *data, gsize size)
{
	FwCfgBench *bench = opaque;

	if (gpa > FW_CFG_BENCH_RAM || size > FW_CFG_BENCH_RAM - gpa)
		return FALSE;
	memcpy(data, bench->ram + gpa, size);
	return TRUE;
}

static inline gboolean fw_cfg_bench_write(void *opaque, guint64 gpa, const void *data, gsize size)
{
	FwCfgBench *bench = opaque;

	if (gpa > FW_CFG_BENCH_RAM || size > FW_CFG_BENCH_RAM - gpa)
		return FALSE;
	memcpy(bench->ram + gpa, data, size);
	bench->written += size;
	return TRUE;
}

static inline void fw_cfg_bench_start(FwCfgBench *bench)
{
	const DeviceMemory memory = {
		.read = fw_cfg_bench_read,
		.write = fw_cfg_bench_write,
		.opaque = bench,
	};

	*bench = (FwCfgBench){ .bus = bus_new("bench"), .ram = g_malloc(FW_CFG_BENCH_RAM) };
	memset(bench->ram, 0xaa, FW_CFG_BENCH_RAM);
	bench->fw = fw_cfg_new(&memory);
	bus_add(bench->bus, FW_CFG_PORT, FW_CFG_PORTS, "fw_cfg", &fw_cfg_operations, bench->fw);
}

static inline void fw_cfg_bench_end(FwCfgBench *bench)
{
	fw_cfg_free(bench->fw);
	bus_free(bench->bus);
	g_free(bench->ram);
}

static inline void fw_cfg_bench_select(FwCfgBench *bench, guint16 key)
{
	bus_write(bench->bus, FW_CFG_PORT, 2, key);
}

static inline guint8 fw_cfg_bench_in(FwCfgBench *bench)
{
	return bus_read(bench->bus, FW_CFG_PORT + 1, 1);
}

/* Return: the control field after the access. */
static inline guint32 fw_cfg_bench_dma_at(FwCfgBench *bench, guint64 access_gpa, guint32 control,
					  guint32 length, guint64 gpa)
{
	const struct fw_cfg_dma_access access = {
		.control = GUINT32_TO_BE(control),
		.length = GUINT32_TO_BE(length),
		.address = GUINT64_TO_BE(gpa),
	};
	guint32 result = 0;

	fw_cfg_bench_write(bench, access_gpa, &access, sizeof(access));
	bench->written = 0;
	bus_write(bench->bus, FW_CFG_PORT + 4, 4, GUINT32_TO_BE((guint32)(access_gpa >> 32)));
	bus_write(bench->bus, FW_CFG_PORT + 8, 4, GUINT32_TO_BE((guint32)access_gpa));
	fw_cfg_bench_read(bench, access_gpa, &result, sizeof(result));
	return GUINT32_FROM_BE(result);
}

static inline guint32 fw_cfg_bench_dma(FwCfgBench *bench, guint32 control, guint32 length,
				       guint64 gpa)
{
	return fw_cfg_bench_dma_at(bench, FW_CFG_BENCH_ACCESS, control, length, gpa);
}

/* Selects an item and reads @size bytes of it, which stay where they are until the next. */
static inline const guint8 *fw_cfg_bench_item(FwCfgBench *bench, guint16 key, guint32 size)
{
	g_assert_cmphex(
		fw_cfg_bench_dma(bench,
				 (guint32)key << 16 | FW_CFG_DMA_CTL_SELECT | FW_CFG_DMA_CTL_READ,
				 size, FW_CFG_BENCH_BUFFER),
		==, 0);
	return bench->ram + FW_CFG_BENCH_BUFFER;
}

/* Return: the key of a file, and its @size; 0 where the directory does not have it. */
static inline guint16 fw_cfg_bench_find(FwCfgBench *bench, const char *name, guint32 *size)
{
	guint32 count = 0;
	struct fw_cfg_file file;

	*size = 0;
	fw_cfg_bench_select(bench, FW_CFG_FILE_DIR);
	for (guint i = 0; i < 4; i++)
		count = count << 8 | fw_cfg_bench_in(bench);
	while (count-- > 0) {
		for (guint i = 0; i < sizeof(file); i++)
			((guint8 *)&file)[i] = fw_cfg_bench_in(bench);
		if (strcmp(file.name, name) == 0) {
			*size = GUINT32_FROM_BE(file.size);
			return GUINT16_FROM_BE(file.select);
		}
	}
	return 0;
}

/* The content of a file, which has to be there. */
static inline GBytes *fw_cfg_bench_file(FwCfgBench *bench, const char *name)
{
	guint32 size;
	guint16 key = fw_cfg_bench_find(bench, name, &size);

	if (key == 0)
		g_error("there is no file %s", name);
	return g_bytes_new(fw_cfg_bench_item(bench, key, size), size);
}
