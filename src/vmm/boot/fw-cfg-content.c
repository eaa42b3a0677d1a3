/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-content.c - what firmware finds in fw_cfg
 *
 * Theory of operation
 *
 * Most of it is known when the machine is made. The ACPI tables are not: they say where
 * firmware has put the ECAM, and firmware reads them after that. So they are made each time
 * that one of their files is selected. The directory has sizes that cannot change, so the
 * files are as large as they are with an ECAM, rounded up; zeroes behind the tables and
 * commands of type 0 behind the loader's mean nothing to firmware.
 *
 * A kernel is given in the parts that QEMU makes of it. OVMF puts the file together again
 * and starts it as an EFI application; it looks at no address. SeaBIOS has an option ROM,
 * which QEMU brings, that loads the parts to their addresses and enters the kernel's
 * real-mode code there.
 */
#include "vmm/boot/fw-cfg-content.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/boot-file.h"
#include "vmm/boot/bzimage.h"
#include "vmm/boot/zero-page.h"
#include "vmm/chipset/vmcoreinfo.h"

#define KIB	       G_GUINT64_CONSTANT(0x400)
#define MIB	       G_GUINT64_CONSTANT(0x100000)
#define HIGH_RAM_START G_GUINT64_CONSTANT(0x100000000)
#define UUID_SIZE      16

/* Where the option ROM puts a kernel's parts. */
#define SETUP_GPA	 0x10000u
#define COMMAND_LINE_GPA 0x20000u
#define KERNEL_GPA	 0x100000u
#define LOW_PARTS_END	 0x90000u

/* Where the header is in the setup code, and the real-mode code in it is entered. */
#define SETUP_HEADER 0x1f1
#define SETUP_ENTRY  0x200

/* The loader's number that Linux has registered for QEMU, whose option ROM it is. */
#define LOADER_QEMU 0xb0

/* What SeaBIOS keeps for itself and the tables at the end of low RAM, generously. */
#define FIRMWARE_TOP_SIZE   MIB

#define MAX_OPTION_ROM_SIZE (256 * KIB)
#define OPTION_ROM_FILE	    "genroms/linuxboot_dma.bin"
#define BOOT_ORDER_FILE	    "bootorder"
#define OPTION_ROM_PATH	    "/rom@" OPTION_ROM_FILE

/* Files of generated content have whole pages. */
#define FILE_GRANULE 4096u

/* Types of ACPI's address ranges, which e820 has too. */
enum {
	E820_RAM = 1,
	E820_RESERVED = 2,
};

typedef struct __attribute__((packed)) {
	guint64 start;
	guint64 size;
	guint32 type;
} E820Entry;

G_STATIC_ASSERT(sizeof(E820Entry) == 20);

struct FwCfgContent {
	FwCfg *fw;
	gboolean has_option_rom;
	AcpiConfig acpi; /* but for what describe_acpi() fills in */
	guint32 *apic_ids;
	NumaCell *cells;
	guint8 *distances;
	void (*describe_acpi)(void *opaque, AcpiConfig *acpi);
	void *opaque;
};

static void add_file(FwCfg *fw, const char *name, const void *data, gsize size)
{
	g_autoptr(GBytes) content = g_bytes_new(data, size);

	fw_cfg_add_file(fw, name, content);
}

/* Memory and processors. */

static void append_e820(GByteArray *map, guint64 start, guint64 end, guint32 type)
{
	const E820Entry entry = { .start = start, .size = end - start, .type = type };

	if (start < end)
		g_byte_array_append(map, (const guint8 *)&entry, sizeof(entry));
}

static void add_memory(FwCfg *fw, const FwCfgContentConfig *config)
{
	g_autoptr(GByteArray) map = g_byte_array_new();

	for (guint i = 0; i < config->n_reserved; i++)
		append_e820(map, config->reserved[i].base,
			    config->reserved[i].base + config->reserved[i].size, E820_RESERVED);
	append_e820(map, 0, config->ram_low_end, E820_RAM);
	append_e820(map, HIGH_RAM_START, config->ram_high_end, E820_RAM);
	add_file(fw, "etc/e820", map->data, map->len);
	fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE,
		       config->ram_low_end + config->ram_high_end - HIGH_RAM_START);
}

static guint32 apic_id(const FwCfgContentConfig *config, guint vcpu)
{
	return config->apic_ids ? config->apic_ids[vcpu] : vcpu;
}

/* One more than the highest APIC id, which is what QEMU gives as the number of processors. */
static guint apic_id_limit(const FwCfgContentConfig *config)
{
	guint limit = 0;

	for (guint i = 0; i < config->vcpus; i++)
		limit = MAX(limit, apic_id(config, i) + 1);
	return limit;
}

/* The number of cells, then the cell of each APIC id, then the memory of each cell. */
static void add_numa(FwCfg *fw, const FwCfgContentConfig *config)
{
	const NumaTopology *numa = &config->numa;
	guint limit = apic_id_limit(config);
	gsize count = 1 + limit + numa->n_cells;
	guint64 *numbers = g_new0(guint64, count);
	g_autoptr(GBytes) content = NULL;

	numbers[0] = numa->n_cells;
	for (guint cell = 0; cell < numa->n_cells; cell++) {
		for (guint i = 0; i < config->vcpus; i++) {
			if (cpu_set_has(&numa->cells[cell].vcpus, i))
				numbers[1 + apic_id(config, i)] = cell;
		}
		numbers[1 + limit + cell] = numa->cells[cell].memory;
	}
	content = g_bytes_new_take(numbers, count * sizeof(*numbers));
	fw_cfg_add_bytes(fw, FW_CFG_NUMA, content);
}

static void add_identity(FwCfg *fw, const FwCfgContentConfig *config)
{
	static const guint8 no_uuid[UUID_SIZE];
	g_autoptr(GBytes) uuid = g_bytes_new(config->uuid ? config->uuid : no_uuid, UUID_SIZE);

	fw_cfg_add_bytes(fw, FW_CFG_UUID, uuid);
	fw_cfg_add_u16(fw, FW_CFG_NB_CPUS, config->vcpus);
	fw_cfg_add_u16(fw, FW_CFG_MAX_CPUS, apic_id_limit(config));
	fw_cfg_add_u16(fw, FW_CFG_NOGRAPHIC, !config->has_display);
}

/* What is booted, and from where. */

/* Return: for g_bytes_unref(). With none to try it is empty, and there nevertheless. */
static GBytes *make_boot_order(gboolean has_option_rom, const char *const *paths)
{
	g_autoptr(GString) order = g_string_new(NULL);

	if (has_option_rom)
		g_string_append(order, OPTION_ROM_PATH "\n");
	for (const char *const *path = paths; path && *path; path++)
		g_string_append_printf(order, "%s\n", *path);
	/* Lines are separated; a zero ends the last one. */
	if (order->len > 0)
		order->str[order->len - 1] = '\0';
	return g_bytes_new(order->str, order->len);
}

static gboolean has_option_rom(const FwCfgContentConfig *config)
{
	return config->kernel_fd >= 0 && config->option_rom_fd >= 0;
}

static void add_boot_order(FwCfg *fw, const FwCfgContentConfig *config)
{
	g_autoptr(GBytes) order = make_boot_order(has_option_rom(config), config->boot_order);

	fw_cfg_add_file(fw, BOOT_ORDER_FILE, order);
}

void fw_cfg_content_set_boot_order(FwCfgContent *content, const char *const *paths)
{
	g_autoptr(GBytes) order = make_boot_order(content->has_option_rom, paths);

	fw_cfg_set_file(content->fw, BOOT_ORDER_FILE, order);
}

static void add_boot_choices(FwCfg *fw, const FwCfgContentConfig *config)
{
	const gint32 wait = GINT32_TO_LE(config->boot_fail_wait);
	const guint16 port = GUINT16_TO_LE(config->serial_console_port);

	fw_cfg_add_u16(fw, FW_CFG_BOOT_MENU, config->has_boot_menu);
	add_file(fw, "etc/boot-fail-wait", &wait, sizeof(wait));
	if (config->serial_console_port)
		add_file(fw, "etc/sercon-port", &port, sizeof(port));
	add_boot_order(fw, config);
}

static gboolean add_option_rom(FwCfg *fw, int fd, GError **error)
{
	g_autoptr(GBytes) content = NULL;
	g_autofree guint8 *data = NULL;
	BootFile file;

	if (!boot_file_open(&file, fd, OPTION_ROM_FILE, error))
		return FALSE;
	if (file.size == 0 || file.size > MAX_OPTION_ROM_SIZE) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    ngettext("option ROM %s has %" PRIu64 " byte: it is none",
				     "option ROM %s has %" PRIu64 " bytes: it is none", file.size),
			    file.name, file.size);
		return FALSE;
	}
	data = g_malloc(file.size);
	if (!boot_file_read(&file, 0, data, file.size, error))
		return FALSE;
	content = g_bytes_new_take(g_steal_pointer(&data), file.size);
	fw_cfg_add_file(fw, OPTION_ROM_FILE, content);
	return TRUE;
}

static gboolean add_command_line(FwCfg *fw, const BzImage *image, const char *command_line,
				 GError **error)
{
	g_autoptr(GBytes) content = NULL;
	gsize length = strlen(command_line);

	if (!bzimage_check_command_line(image, length, LOW_PARTS_END - COMMAND_LINE_GPA, error))
		return FALSE;
	content = g_bytes_new(command_line, length + 1);
	fw_cfg_add_u32(fw, FW_CFG_CMDLINE_ADDR, COMMAND_LINE_GPA);
	fw_cfg_add_u32(fw, FW_CFG_CMDLINE_SIZE, length + 1);
	fw_cfg_add_bytes(fw, FW_CFG_CMDLINE_DATA, content);
	return TRUE;
}

static gboolean add_initrd(FwCfg *fw, const BzImage *image, const FwCfgContentConfig *config,
			   guint64 *gpa, guint64 *size, GError **error)
{
	guint64 end = config->ram_low_end - MIN(config->ram_low_end, FIRMWARE_TOP_SIZE);
	BootFile file;

	if (config->initrd_fd < 0)
		return TRUE;
	if (!boot_file_open(&file, config->initrd_fd, "initrd", error))
		return FALSE;
	*size = file.size;
	if (file.size == 0)
		return TRUE;
	if (!zero_page_place_initrd(image, end, file.size, gpa, error))
		return FALSE;
	fw_cfg_add_u32(fw, FW_CFG_INITRD_ADDR, *gpa);
	fw_cfg_add_u32(fw, FW_CFG_INITRD_SIZE, file.size);
	fw_cfg_add_fd(fw, FW_CFG_INITRD_DATA, config->initrd_fd, 0, file.size);
	return TRUE;
}

/* Adds the setup code, with what a loader has to fill in for it (Linux's boot protocol). */
static gboolean add_setup(FwCfg *fw, const BootFile *kernel, const BzImage *image,
			  guint64 initrd_gpa, guint64 initrd_size, GError **error)
{
	g_autofree guint8 *setup = g_malloc(image->payload_offset);
	struct setup_header *header = (struct setup_header *)(setup + SETUP_HEADER);
	g_autoptr(GBytes) content = NULL;

	if (!boot_file_read(kernel, 0, setup, image->payload_offset, error))
		return FALSE;
	header->type_of_loader = LOADER_QEMU;
	header->loadflags |= CAN_USE_HEAP;
	header->heap_end_ptr = COMMAND_LINE_GPA - SETUP_GPA - SETUP_ENTRY;
	header->cmd_line_ptr = COMMAND_LINE_GPA;
	header->ramdisk_image = initrd_gpa;
	header->ramdisk_size = initrd_size;
	content = g_bytes_new_take(g_steal_pointer(&setup), image->payload_offset);
	fw_cfg_add_u32(fw, FW_CFG_SETUP_ADDR, SETUP_GPA);
	fw_cfg_add_u32(fw, FW_CFG_SETUP_SIZE, image->payload_offset);
	fw_cfg_add_bytes(fw, FW_CFG_SETUP_DATA, content);
	return TRUE;
}

/* All of the file that is not setup code: signatures are appended to kernels. */
static gboolean add_protected_mode_code(FwCfg *fw, const BootFile *kernel, const BzImage *image,
					guint64 ram_low_end, GError **error)
{
	guint64 size = kernel->size - image->payload_offset;

	if (ram_low_end < KERNEL_GPA || size > ram_low_end - KERNEL_GPA) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FIT,
			    _("kernel (%" PRIu64
			      " MiB) does not fit between 1 MiB and the end of RAM at %" PRIu64
			      " MiB"),
			    (size + MIB - 1) / MIB, ram_low_end / MIB);
		return FALSE;
	}
	fw_cfg_add_u32(fw, FW_CFG_KERNEL_ADDR, KERNEL_GPA);
	fw_cfg_add_u32(fw, FW_CFG_KERNEL_SIZE, size);
	fw_cfg_add_fd(fw, FW_CFG_KERNEL_DATA, kernel->fd, image->payload_offset, size);
	return TRUE;
}

static gboolean read_kernel_header(const BootFile *kernel, BzImage *image, GError **error)
{
	guint8 header[BZIMAGE_HEADER_SIZE];

	if (!boot_file_read(kernel, 0, header, MIN(kernel->size, sizeof(header)), error) ||
	    !bzimage_parse(header, kernel->size, image, error))
		return FALSE;
	if (image->payload_offset > COMMAND_LINE_GPA - SETUP_GPA) {
		g_set_error(
			error, BOOT_ERROR, BOOT_ERROR_FIT,
			ngettext(
				"kernel has %" PRIu64
				" byte of setup code (setup_sects, at 0x1f1): there is room for %u",
				"kernel has %" PRIu64 " bytes of setup code (setup_sects, at "
				"0x1f1): there is room for %u",
				image->payload_offset),
			image->payload_offset, COMMAND_LINE_GPA - SETUP_GPA);
		return FALSE;
	}
	return TRUE;
}

static gboolean add_kernel(FwCfg *fw, const FwCfgContentConfig *config, GError **error)
{
	const char *command_line = config->command_line ? config->command_line : "";
	guint64 initrd_gpa = 0, initrd_size = 0;
	BootFile kernel;
	BzImage image;

	if (config->kernel_fd < 0)
		return TRUE;
	return boot_file_open(&kernel, config->kernel_fd, "kernel", error) &&
	       read_kernel_header(&kernel, &image, error) &&
	       add_command_line(fw, &image, command_line, error) &&
	       add_initrd(fw, &image, config, &initrd_gpa, &initrd_size, error) &&
	       add_setup(fw, &kernel, &image, initrd_gpa, initrd_size, error) &&
	       add_protected_mode_code(fw, &kernel, &image, config->ram_low_end, error) &&
	       (config->option_rom_fd < 0 || add_option_rom(fw, config->option_rom_fd, error));
}

/* Tables. */

static AcpiImage *make_acpi(const FwCfgContent *content)
{
	AcpiConfig acpi = content->acpi;

	content->describe_acpi(content->opaque, &acpi);
	return acpi_tables_new(&acpi);
}

static GBytes *generate_rsdp(void *opaque)
{
	g_autoptr(AcpiImage) image = make_acpi(opaque);

	return acpi_image_content(image, ACPI_PIECE_RSDP);
}

static GBytes *generate_tables(void *opaque)
{
	g_autoptr(AcpiImage) image = make_acpi(opaque);

	return acpi_image_content(image, ACPI_PIECE_TABLES);
}

static GBytes *generate_loader(void *opaque)
{
	g_autoptr(AcpiImage) image = make_acpi(opaque);

	return acpi_image_loader(image);
}

static guint32 round_up(gsize size)
{
	return (size + FILE_GRANULE - 1) / FILE_GRANULE * FILE_GRANULE;
}

static void add_acpi(FwCfg *fw, FwCfgContent *content)
{
	AcpiConfig largest = content->acpi;
	g_autoptr(AcpiImage) image = NULL;
	g_autoptr(GBytes) rsdp = NULL, tables = NULL, loader = NULL, generation_id = NULL;

	content->describe_acpi(content->opaque, &largest);
	largest.ecam_buses = 256;
	image = acpi_tables_new(&largest);
	rsdp = acpi_image_content(image, ACPI_PIECE_RSDP);
	tables = acpi_image_content(image, ACPI_PIECE_TABLES);
	loader = acpi_image_loader(image);
	fw_cfg_add_generated(fw, ACPI_RSDP_FILE, g_bytes_get_size(rsdp), generate_rsdp, content);
	fw_cfg_add_generated(fw, ACPI_TABLES_FILE, round_up(g_bytes_get_size(tables)),
			     generate_tables, content);
	fw_cfg_add_generated(fw, ACPI_LOADER_FILE, round_up(g_bytes_get_size(loader)),
			     generate_loader, content);
	generation_id = acpi_image_content(image, ACPI_PIECE_GENERATION_ID);
	if (g_bytes_get_size(generation_id) > 0)
		fw_cfg_add_file(fw, ACPI_GENERATION_ID_FILE, generation_id);
}

/* What the host can make of it, QEMU's vmcoreinfo.rst says first: notes of ELF. */
static void add_vmcoreinfo(FwCfg *fw, const FwCfgContentConfig *config)
{
	const struct fw_cfg_vmcoreinfo vmcoreinfo = {
		.host_format = GUINT16_TO_LE(FW_CFG_VMCOREINFO_FORMAT_ELF),
	};
	g_autoptr(GBytes) content = g_bytes_new(&vmcoreinfo, sizeof(vmcoreinfo));

	if (config->has_vmcoreinfo)
		fw_cfg_add_writable(fw, VMCOREINFO_FILE, content);
}

static gboolean add_smbios(FwCfg *fw, const SmbiosConfig *config, GError **error)
{
	g_auto(SmbiosTables) smbios = { 0 };

	if (!smbios_tables_init(&smbios, config, error))
		return FALSE;
	fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", smbios.anchor);
	fw_cfg_add_file(fw, "etc/smbios/smbios-tables", smbios.tables);
	return TRUE;
}

FwCfgContent *fw_cfg_content_new(FwCfg *fw, const FwCfgContentConfig *config, GError **error)
{
	g_autoptr(FwCfgContent) content = g_new0(FwCfgContent, 1);
	const NumaTopology *numa = &config->numa;

	content->fw = fw;
	content->has_option_rom = has_option_rom(config);
	content->describe_acpi = config->describe_acpi;
	content->opaque = config->opaque;
	content->apic_ids = g_memdup2(config->apic_ids, config->vcpus * sizeof(*config->apic_ids));
	content->cells = g_memdup2(numa->cells, numa->n_cells * sizeof(*numa->cells));
	content->distances = g_memdup2(numa->distances, (gsize)numa->n_cells * numa->n_cells);
	content->acpi = (AcpiConfig){
		.vcpus = config->vcpus,
		.apic_ids = content->apic_ids,
		.ram_low_end = config->ram_low_end,
		.ram_high_end = config->ram_high_end,
		.has_fw_cfg = TRUE,
		.numa = {
			.n_cells = numa->n_cells,
			.cells = content->cells,
			.distances = content->distances,
		},
	};

	add_memory(fw, config);
	add_numa(fw, config);
	add_identity(fw, config);
	add_boot_choices(fw, config);
	add_acpi(fw, content);
	add_vmcoreinfo(fw, config);
	if (!add_smbios(fw, config->smbios, error) || !add_kernel(fw, config, error))
		return NULL;
	return g_steal_pointer(&content);
}

void fw_cfg_content_free(FwCfgContent *content)
{
	if (!content)
		return;
	g_free(content->distances);
	g_free(content->cells);
	g_free(content->apic_ids);
	g_free(content);
}
