/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-fuzz.c - libFuzzer target: a guest that reads, and misuses, fw_cfg
 *
 * The input is a list of steps of a fixed size: accesses of every width to the device's
 * ports, DMA of every kind, and what changes meanwhile: where the ECAM is, a reset. Whatever
 * the guest does, one access copies no more than an item and the zeroes behind it.
 *
 *     fw-cfg-fuzz CORPUS
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/fw-cfg-bench.h"
#include "vmm/boot/fw-cfg-content.h"

#define GIB	    (1ull << 30)
#define MAX_ZEROES  (1u << 20)
#define FILE_SIZE   (600u << 10)
#define FD_KEY	    FW_CFG_INITRD_DATA
#define MAX_ITEM    FILE_SIZE
#define ACCESS_SIZE (sizeof(struct fw_cfg_dma_access))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 where;
	guint16 key;
	guint32 length;
	guint64 value;
} Step;

typedef struct {
	FwCfgBench bench;
	FwCfgContent *content;
	guint64 ecam_base;
	guint ecam_buses;
} World;

static void describe_acpi(void *opaque, AcpiConfig *acpi)
{
	World *world = opaque;

	acpi->ecam_base = world->ecam_base;
	acpi->ecam_buses = world->ecam_buses;
	acpi->physical_address_bits = 46;
}

static void start(World *world)
{
	static const guint8 uuid[16];
	const SmbiosConfig smbios = {
		.ram_low_end = GIB,
		.ram_high_end = 4 * GIB,
		.sockets = 1,
		.cores = 2,
		.threads = 1,
	};
	const FwCfgContentConfig config = {
		.ram_low_end = GIB,
		.ram_high_end = 4 * GIB,
		.vcpus = 2,
		.uuid = uuid,
		.smbios = &smbios,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.option_rom_fd = -1,
		.describe_acpi = describe_acpi,
		.opaque = world,
	};

	fw_cfg_bench_start(&world->bench);
	world->content = fw_cfg_content_new(world->bench.fw, &config, NULL);
	g_assert_nonnull(world->content);
}

static int make_file(void)
{
	int fd = memfd_create("fw-cfg-fuzz", MFD_CLOEXEC);

	g_assert_cmpint(ftruncate(fd, FILE_SIZE), ==, 0);
	return fd;
}

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 1, 1, 2, 2, 4, 4, 8, 3 };

	return widths[step->action >> 4 & 7];
}

/* Most DMA goes to memory, some to its end, some anywhere. */
static guint64 choose_gpa(const Step *step)
{
	if (step->where < 160)
		return step->value % FW_CFG_BENCH_RAM;
	if (step->where < 220)
		return FW_CFG_BENCH_RAM - (step->value & 0xff);
	return step->value;
}

static void do_dma(World *world, const Step *step)
{
	guint32 control = (guint32)step->key << 16 | (step->action >> 3 & 0x1f);
	guint32 length = step->where & 1 ? step->length : step->length % (2 * MAX_ITEM);

	fw_cfg_bench_dma(&world->bench, control, length, choose_gpa(step));
	g_assert_cmpuint(world->bench.written, <=, MAX_ITEM + MAX_ZEROES + ACCESS_SIZE);
}

static void take_step(World *world, const Step *step)
{
	guint port = FW_CFG_PORT + step->where % FW_CFG_PORTS;
	guint width = choose_width(step);
	guint64 value;

	switch (step->action & 7) {
	case 0:
	case 1:
	case 2:
		do_dma(world, step);
		break;
	case 3:
		fw_cfg_bench_select(&world->bench, step->key);
		break;
	case 4:
		value = bus_read(world->bench.bus, port, width);
		if (width < 8)
			g_assert_cmphex(value >> (width * 8), ==, 0);
		break;
	case 5:
		bus_write(world->bench.bus, port, width, step->value);
		break;
	case 6:
		/* What a guest can write into PCIEXBAR. */
		world->ecam_base = step->value & 0xffc000000;
		world->ecam_buses = step->key % 257;
		break;
	case 7:
		fw_cfg_reset(world->bench.fw);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	World world = { 0 };
	int fd = make_file();
	Step step;

	start(&world);
	fw_cfg_add_fd(world.bench.fw, FD_KEY, fd, 0, FILE_SIZE);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
	}
	fw_cfg_bench_end(&world.bench);
	fw_cfg_content_free(world.content);
	close(fd);
	return 0;
}
