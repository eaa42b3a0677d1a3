/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-content-test.c - what firmware finds in fw_cfg, read as firmware reads it
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fw-cfg-bench.h"
#include "vmm/boot/bzimage.h"
#include "vmm/boot/fw-cfg-content.h"

#define MIB	      (1ull << 20)
#define GIB	      (1ull << 30)

#define SETUP_SECTORS 4
#define SETUP_SIZE    ((SETUP_SECTORS + 1) * 512)
#define KERNEL_SIZE   (100 * 1024)

static const guint8 uuid[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* What the chipset would say of itself now. */
static struct {
	guint64 ecam_base;
	guint ecam_buses;
} pci;

static void describe_acpi(void *opaque G_GNUC_UNUSED, AcpiConfig *acpi)
{
	acpi->ecam_base = pci.ecam_base;
	acpi->ecam_buses = pci.ecam_buses;
	acpi->physical_address_bits = 40;
}

static const SmbiosConfig smbios = {
	.ram_low_end = 2 * GIB,
	.ram_high_end = 5 * GIB,
	.sockets = 1,
	.cores = 4,
	.threads = 1,
};

static FwCfgContentConfig plain_config(void)
{
	pci.ecam_base = 0;
	pci.ecam_buses = 0;
	return (FwCfgContentConfig){
		.ram_low_end = 2 * GIB,
		.ram_high_end = 5 * GIB,
		.vcpus = 4,
		.uuid = uuid,
		.smbios = &smbios,
		.boot_fail_wait = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.option_rom_fd = -1,
		.describe_acpi = describe_acpi,
	};
}

typedef struct {
	FwCfgBench bench;
	FwCfgContent *content;
} Machine;

static void start(Machine *machine, const FwCfgContentConfig *config)
{
	g_autoptr(GError) error = NULL;

	fw_cfg_bench_start(&machine->bench);
	machine->content = fw_cfg_content_new(machine->bench.fw, config, &error);
	g_assert_no_error(error);
}

static void end(Machine *machine)
{
	fw_cfg_bench_end(&machine->bench);
	fw_cfg_content_free(machine->content);
}

static guint64 number(Machine *machine, guint16 key, guint size)
{
	guint64 value = 0;

	memcpy(&value, fw_cfg_bench_item(&machine->bench, key, size), size);
	return GUINT64_FROM_LE(value);
}

static gboolean has_file(Machine *machine, const char *name)
{
	guint32 size;

	return fw_cfg_bench_find(&machine->bench, name, &size) != 0;
}

static void assert_file(Machine *machine, const char *name, const void *data, gsize size)
{
	g_autoptr(GBytes) content = fw_cfg_bench_file(&machine->bench, name);

	g_assert_cmpmem(g_bytes_get_data(content, NULL), g_bytes_get_size(content), data, size);
}

static void test_machine(void)
{
	FwCfgContentConfig config = plain_config();
	const guint32 wait = GUINT32_TO_LE(G_MAXUINT32);
	Machine machine;

	start(&machine, &config);
	g_assert_cmpuint(number(&machine, FW_CFG_RAM_SIZE, 8), ==, 3 * GIB);
	g_assert_cmpuint(number(&machine, FW_CFG_NB_CPUS, 2), ==, 4);
	g_assert_cmpuint(number(&machine, FW_CFG_MAX_CPUS, 2), ==, 4);
	g_assert_cmpuint(number(&machine, FW_CFG_NOGRAPHIC, 2), ==, 1);
	g_assert_cmpuint(number(&machine, FW_CFG_BOOT_MENU, 2), ==, 0);
	g_assert_cmpuint(number(&machine, FW_CFG_NUMA, 8), ==, 0);
	g_assert_cmpmem(fw_cfg_bench_item(&machine.bench, FW_CFG_UUID, 16), 16, uuid, 16);
	assert_file(&machine, "etc/boot-fail-wait", &wait, 4);
	g_assert_true(has_file(&machine, "etc/smbios/smbios-anchor"));
	g_assert_true(has_file(&machine, "etc/smbios/smbios-tables"));
	/* No S3, nothing to try first, no SMI. */
	g_assert_false(has_file(&machine, "etc/system-states"));
	assert_file(&machine, "bootorder", NULL, 0);
	g_assert_false(has_file(&machine, "etc/smi/supported-features"));
	g_assert_false(has_file(&machine, "etc/sercon-port"));
	g_assert_cmpuint(number(&machine, FW_CFG_KERNEL_SIZE, 4), ==, 0);
	end(&machine);
}

static void test_choices(void)
{
	static const guint32 apic_ids[] = { 0, 1, 4, 5 };
	static const char *const order[] = { "/pci@i0cf8/scsi@3/disk@0,0", "/pci@i0cf8/ethernet@2",
					     NULL };
	static const char lines[] = "/pci@i0cf8/scsi@3/disk@0,0\n/pci@i0cf8/ethernet@2";
	FwCfgContentConfig config = plain_config();
	const guint32 wait = GUINT32_TO_LE(5000);
	Machine machine;

	config.apic_ids = apic_ids;
	config.boot_order = order;
	config.boot_fail_wait = 5000;
	config.has_boot_menu = TRUE;
	config.has_display = TRUE;
	config.serial_console_port = 0x3f8;
	start(&machine, &config);
	g_assert_cmpuint(number(&machine, FW_CFG_MAX_CPUS, 2), ==, 6);
	g_assert_cmpuint(number(&machine, FW_CFG_NOGRAPHIC, 2), ==, 0);
	g_assert_cmpuint(number(&machine, FW_CFG_BOOT_MENU, 2), ==, 1);
	assert_file(&machine, "bootorder", lines, sizeof(lines));
	assert_file(&machine, "etc/boot-fail-wait", &wait, 4);
	assert_file(&machine, "etc/sercon-port", "\xf8\x03", 2);
	/* Devices have come and gone, and the machine is reset. */
	fw_cfg_content_set_boot_order(machine.content, order + 1);
	assert_file(&machine, "bootorder", order[1], strlen(order[1]) + 1);
	fw_cfg_content_set_boot_order(machine.content, order + 2);
	assert_file(&machine, "bootorder", NULL, 0);
	fw_cfg_content_set_boot_order(machine.content, order);
	assert_file(&machine, "bootorder", lines, sizeof(lines));
	end(&machine);
}

static void assert_range(const guint8 *entry, guint64 start, guint64 size, guint32 type)
{
	guint64 values[2];
	guint32 value;

	memcpy(values, entry, 16);
	memcpy(&value, entry + 16, 4);
	g_assert_cmphex(GUINT64_FROM_LE(values[0]), ==, start);
	g_assert_cmphex(GUINT64_FROM_LE(values[1]), ==, size);
	g_assert_cmpuint(GUINT32_FROM_LE(value), ==, type);
}

static void test_e820(void)
{
	static const FwCfgRange reserved[] = { { 0xfef00000, 0x4b000 } };
	FwCfgContentConfig config = plain_config();
	g_autoptr(GBytes) map = NULL;
	const guint8 *entries;
	Machine machine;
	gsize size;

	config.reserved = reserved;
	config.n_reserved = 1;
	start(&machine, &config);
	map = fw_cfg_bench_file(&machine.bench, "etc/e820");
	entries = g_bytes_get_data(map, &size);
	g_assert_cmpuint(size, ==, 3 * 20);
	assert_range(entries, 0xfef00000, 0x4b000, 2);
	assert_range(entries + 20, 0, 2 * GIB, 1);
	assert_range(entries + 40, 4 * GIB, GIB, 1);
	end(&machine);
}

static void test_numa(void)
{
	static const guint32 apic_ids[] = { 0, 1, 4, 5 };
	static const NumaCell cells[] = { { .vcpus = { { 0x3 } }, .memory = GIB },
					  { .vcpus = { { 0xc } }, .memory = 2 * GIB } };
	static const guint64 wanted[] = { 2, 0, 0, 0, 0, 1, 1, GIB, 2 * GIB };
	FwCfgContentConfig config = plain_config();
	Machine machine;

	config.apic_ids = apic_ids;
	config.numa = (NumaTopology){ .n_cells = 2, .cells = cells };
	start(&machine, &config);
	g_assert_cmpmem(fw_cfg_bench_item(&machine.bench, FW_CFG_NUMA, sizeof(wanted)),
			sizeof(wanted), wanted, sizeof(wanted));
	end(&machine);
}

/* Whether the tables that firmware reads now contain a table of this signature. */
static gboolean has_table(Machine *machine, const char *signature)
{
	g_autoptr(GBytes) tables = fw_cfg_bench_file(&machine->bench, "etc/acpi/tables");
	gsize size;
	const char *data = g_bytes_get_data(tables, &size);

	return memmem(data, size, signature, 4) != NULL;
}

static guint count_pointers(Machine *machine)
{
	g_autoptr(GBytes) script = fw_cfg_bench_file(&machine->bench, "etc/table-loader");
	gsize size;
	const guint8 *command = g_bytes_get_data(script, &size);
	guint count = 0;

	g_assert_cmpuint(size % 128, ==, 0);
	for (; size > 0; size -= 128, command += 128)
		count += command[0] == 2;
	return count;
}

static void test_acpi_follows_what_firmware_programs(void)
{
	FwCfgContentConfig config = plain_config();
	Machine machine;
	guint pointers;

	start(&machine, &config);
	g_assert_true(has_file(&machine, "etc/acpi/rsdp"));
	g_assert_true(has_table(&machine, "FACP"));
	g_assert_false(has_table(&machine, "MCFG"));
	pointers = count_pointers(&machine);
	pci.ecam_base = 0xe0000000;
	pci.ecam_buses = 256;
	g_assert_true(has_table(&machine, "MCFG"));
	g_assert_cmpuint(count_pointers(&machine), ==, pointers + 1);
	end(&machine);
}

/* Kernels */

/* A kernel file whose bytes follow from their places, but for its header. */
static int make_kernel(guint setup_sectors, guint32 initrd_addr_max)
{
	gsize setup_size = (setup_sectors + 1) * 512, size = setup_size + KERNEL_SIZE + 100;
	g_autofree guint8 *data = g_malloc(size);
	struct setup_header *header = (struct setup_header *)(data + 0x1f1);
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	for (gsize i = 0; i < size; i++)
		data[i] = i * 3 + i / 200;
	memset(header, 0, sizeof(*header));
	header->setup_sects = setup_sectors;
	header->syssize = KERNEL_SIZE / 16;
	header->boot_flag = 0xaa55;
	header->jump = 0x6aeb;
	header->header = 0x53726448;
	header->version = 0x20f;
	header->loadflags = LOADED_HIGH;
	header->initrd_addr_max = initrd_addr_max;
	header->kernel_alignment = 2 * MIB;
	header->xloadflags = XLF_KERNEL_64;
	header->cmdline_size = 100;
	header->pref_address = 16 * MIB;
	header->init_size = 32 * MIB;
	g_assert_cmpint(write(fd, data, size), ==, size);
	return fd;
}

static int make_file(gsize size)
{
	g_autofree char *text = g_strnfill(size, 'i');
	int fd = memfd_create("file", MFD_CLOEXEC);

	g_assert_cmpint(write(fd, text, size), ==, size);
	return fd;
}

static void test_kernel(void)
{
	static const char order[] = "/rom@genroms/linuxboot_dma.bin";
	FwCfgContentConfig config = plain_config();
	struct setup_header header;
	g_autofree guint8 *file = g_malloc(SETUP_SIZE + KERNEL_SIZE + 100);
	const guint8 *setup;
	Machine machine;

	config.kernel_fd = make_kernel(SETUP_SECTORS, 0x7fffffff);
	config.initrd_fd = make_file(5000);
	config.option_rom_fd = make_file(1536);
	config.command_line = "console=ttyS0";
	start(&machine, &config);

	g_assert_cmpuint(number(&machine, FW_CFG_KERNEL_ADDR, 4), ==, MIB);
	g_assert_cmpuint(number(&machine, FW_CFG_KERNEL_SIZE, 4), ==, KERNEL_SIZE + 100);
	g_assert_cmpuint(number(&machine, FW_CFG_SETUP_SIZE, 4), ==, SETUP_SIZE);
	g_assert_cmpuint(number(&machine, FW_CFG_INITRD_SIZE, 4), ==, 5000);
	g_assert_cmpuint(number(&machine, FW_CFG_INITRD_ADDR, 4), ==, 2 * GIB - MIB - 8192);
	g_assert_cmpuint(number(&machine, FW_CFG_CMDLINE_SIZE, 4), ==, 14);
	g_assert_cmpstr((const char *)fw_cfg_bench_item(&machine.bench, FW_CFG_CMDLINE_DATA, 14),
			==, "console=ttyS0");
	g_assert_cmpint(fw_cfg_bench_item(&machine.bench, FW_CFG_INITRD_DATA, 5000)[4999], ==, 'i');

	/* The file's own bytes, but for what a loader fills in. */
	g_assert_cmpint(pread(config.kernel_fd, file, SETUP_SIZE + KERNEL_SIZE + 100, 0), >, 0);
	g_assert_cmpmem(fw_cfg_bench_item(&machine.bench, FW_CFG_KERNEL_DATA, KERNEL_SIZE + 100),
			KERNEL_SIZE + 100, file + SETUP_SIZE, KERNEL_SIZE + 100);
	setup = fw_cfg_bench_item(&machine.bench, FW_CFG_SETUP_DATA, SETUP_SIZE);
	memcpy(&header, setup + 0x1f1, sizeof(header));
	g_assert_cmphex(header.type_of_loader, ==, 0xb0);
	g_assert_cmphex(header.loadflags, ==, LOADED_HIGH | CAN_USE_HEAP);
	g_assert_cmphex(header.heap_end_ptr, ==, 0xfe00);
	g_assert_cmphex(header.cmd_line_ptr, ==, number(&machine, FW_CFG_CMDLINE_ADDR, 4));
	g_assert_cmphex(header.ramdisk_image, ==, number(&machine, FW_CFG_INITRD_ADDR, 4));
	g_assert_cmphex(header.ramdisk_size, ==, 5000);
	setup = fw_cfg_bench_item(&machine.bench, FW_CFG_SETUP_DATA, SETUP_SIZE);
	g_assert_cmpmem(setup, 0x1f1, file, 0x1f1);
	g_assert_cmpmem(setup + 0x26c, SETUP_SIZE - 0x26c, file + 0x26c, SETUP_SIZE - 0x26c);

	/* SeaBIOS starts it by an option ROM, first of all. */
	g_assert_true(has_file(&machine, "genroms/linuxboot_dma.bin"));
	assert_file(&machine, "bootorder", order, sizeof(order));
	end(&machine);
	close(config.option_rom_fd);
	close(config.initrd_fd);
	close(config.kernel_fd);
}

static void assert_refused(const FwCfgContentConfig *config, BootError code, const char *words)
{
	g_autoptr(GError) error = NULL;
	FwCfgBench bench;

	fw_cfg_bench_start(&bench);
	g_assert_null(fw_cfg_content_new(bench.fw, config, &error));
	g_assert_error(error, BOOT_ERROR, (int)code);
	if (!strstr(error->message, words))
		g_error("'%s', and not '%s'", error->message, words);
	fw_cfg_bench_end(&bench);
}

static void test_kernel_that_does_not_fit(void)
{
	g_autofree char *long_line = g_strnfill(101, 'x');
	FwCfgContentConfig config = plain_config();

	config.kernel_fd = make_kernel(SETUP_SECTORS, 0x7fffffff);
	config.command_line = long_line;
	assert_refused(&config, BOOT_ERROR_FIT, "kernel command line of 101 bytes");
	config.command_line = NULL;

	config.initrd_fd = make_file(100);
	g_assert_cmpint(ftruncate(config.initrd_fd, 2 * GIB), ==, 0);
	assert_refused(&config, BOOT_ERROR_FIT, "initrd (2048 MiB) does not fit");
	g_assert_cmpint(ftruncate(config.initrd_fd, 6 * GIB), ==, 0);
	assert_refused(&config, BOOT_ERROR_FIT, "initrd (6144 MiB) does not fit");
	close(config.initrd_fd);
	config.initrd_fd = -1;

	g_assert_cmpint(ftruncate(config.kernel_fd, 5 * GIB), ==, 0);
	assert_refused(&config, BOOT_ERROR_FIT, "kernel (5120 MiB) does not fit");
	close(config.kernel_fd);

	config.kernel_fd = make_kernel(128, 0x7fffffff);
	assert_refused(&config, BOOT_ERROR_FIT, "kernel has 66048 bytes of setup code");
	close(config.kernel_fd);
}

static void test_files_that_are_none(void)
{
	FwCfgContentConfig config = plain_config();

	config.kernel_fd = make_file(5000);
	assert_refused(&config, BOOT_ERROR_FORMAT, "is not a bzImage");
	close(config.kernel_fd);
	config.kernel_fd = make_kernel(SETUP_SECTORS, 0x7fffffff);
	config.option_rom_fd = make_file(0);
	assert_refused(&config, BOOT_ERROR_FORMAT, "genroms/linuxboot_dma.bin has 0 bytes");
	close(config.option_rom_fd);
	config.option_rom_fd = -1;
	config.initrd_fd = memfd_create("closed", MFD_CLOEXEC);
	close(config.initrd_fd);
	assert_refused(&config, BOOT_ERROR_FILE, "initrd: ");
	close(config.kernel_fd);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/fw-cfg-content/machine", test_machine);
	g_test_add_func("/fw-cfg-content/choices", test_choices);
	g_test_add_func("/fw-cfg-content/e820", test_e820);
	g_test_add_func("/fw-cfg-content/numa", test_numa);
	g_test_add_func("/fw-cfg-content/acpi-follows-what-firmware-programs",
			test_acpi_follows_what_firmware_programs);
	g_test_add_func("/fw-cfg-content/kernel", test_kernel);
	g_test_add_func("/fw-cfg-content/kernel-that-does-not-fit", test_kernel_that_does_not_fit);
	g_test_add_func("/fw-cfg-content/files-that-are-none", test_files_that_are_none);

	return g_test_run();
}
