/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-rom.c - an expansion ROM: what firmware runs of a device */
#include "vmm/pci/pci-rom.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a BAR of it has at least. */
#define SIZE_MIN 2048u

/* In an image, and in its data structure. */
enum {
	IMAGE_SIGNATURE = 0x00,
	IMAGE_CHECKSUM = 0x06, /* a byte that nothing else uses, in those for PCs */
	IMAGE_DATA = 0x18,     /* where the data structure is */
	IMAGE_HEADER_SIZE = 0x1a,

	DATA_VENDOR = 0x04,
	DATA_DEVICE = 0x06,
	DATA_TYPE = 0x14,
	DATA_SIZE = 0x18,
	TYPE_PC = 0,
};

struct PciRom {
	guint64 size;
	guint8 *content;
};

static guint16 get16(const guint8 *bytes)
{
	return (guint16)(bytes[0] | bytes[1] << 8);
}

static gboolean fail(const char *name, const char *reason, GError **error)
{
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, _("option ROM of %s: %s"), name, reason);
	return FALSE;
}

static gboolean find_size(int fd, const char *name, gsize *size, GError **error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fail(name, g_strerror(errno), error);
	if (!S_ISREG(status.st_mode) || status.st_size < IMAGE_HEADER_SIZE ||
	    status.st_size > PCI_ROM_MAX)
		return fail(name, _("it is no regular file of at most 16 MiB"), error);
	*size = (gsize)status.st_size;
	return TRUE;
}

static gboolean read_content(int fd, const char *name, guint8 *content, gsize size, GError **error)
{
	for (gsize done = 0; done < size;) {
		const gssize n = pread(fd, content + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(name, n < 0 ? g_strerror(errno) : _("it has become shorter"),
				    error);
		done += (gsize)n;
	}
	return get16(content + IMAGE_SIGNATURE) == 0xaa55 ||
	       fail(name, _("it does not begin as one"), error);
}

/* A first image that is for another device of the same vendor is for this one. */
static void adopt(guint8 *content, gsize size, guint16 vendor, guint16 device)
{
	const gsize at = get16(content + IMAGE_DATA);
	guint8 *data = content + at;

	if (at > size - DATA_SIZE || memcmp(data, "PCIR", 4) != 0 || data[DATA_TYPE] != TYPE_PC ||
	    get16(data + DATA_VENDOR) != vendor)
		return;
	content[IMAGE_CHECKSUM] += (guint8)(data[DATA_DEVICE] + data[DATA_DEVICE + 1]);
	data[DATA_DEVICE] = (guint8)device;
	data[DATA_DEVICE + 1] = (guint8)(device >> 8);
	content[IMAGE_CHECKSUM] -= (guint8)(data[DATA_DEVICE] + data[DATA_DEVICE + 1]);
}

PciRom *pci_rom_new(int fd, const char *name, guint16 vendor, guint16 device, GError **error)
{
	g_autoptr(PciRom) rom = g_new0(PciRom, 1);
	gsize size;

	if (!find_size(fd, name, &size, error))
		return NULL;
	rom->size = SIZE_MIN;
	while (rom->size < size)
		rom->size *= 2;
	rom->content = g_malloc0(rom->size);
	if (!read_content(fd, name, rom->content, size, error))
		return NULL;
	adopt(rom->content, rom->size, vendor, device);
	return g_steal_pointer(&rom);
}

void pci_rom_free(PciRom *rom)
{
	if (!rom)
		return;
	g_free(rom->content);
	g_free(rom);
}

guint64 pci_rom_size(const PciRom *rom)
{
	return rom->size;
}

/* What reaches beyond the end reads 0. */
static guint64 rom_read(void *device, guint64 offset, guint size)
{
	const PciRom *rom = device;
	guint64 value = 0;

	if (offset < rom->size)
		memcpy(&value, rom->content + offset, MIN(size, rom->size - offset));
	return GUINT64_FROM_LE(value);
}

static void rom_write(void *device, guint64 offset, guint size, guint64 value)
{
	(void)device;
	(void)offset;
	(void)size;
	(void)value;
}

const BusOperations pci_rom_operations = {
	.read = rom_read,
	.write = rom_write,
	.max_access = 8,
};
