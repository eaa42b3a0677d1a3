/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flash.c - a machine's units of flash and its BIOS: files that are seen below 4 GiB */
#include "vmm/chipset/flash.h"

#include <glib/gi18n.h>

#include "vmm/chipset/pflash.h"
#include "vmm/log.h"

typedef struct {
	const DeviceHost *host;
	void *opaque; /* for host */
	PflashFile *file;
	Pflash *pflash; /* NULL for a ROM */
	guint rom;	/* the host's number of it */
	LogLimit warnings;
} Flash;

static void set_readable(void *opaque, gboolean is_array)
{
	const Flash *flash = opaque;

	flash->host->show_rom(flash->opaque, flash->rom, is_array);
}

static gboolean store(void *opaque, guint64 offset, gsize size)
{
	Flash *flash = opaque;
	g_autoptr(GError) error = NULL;
	gboolean is_stored = pflash_file_store(flash->file, offset, size, &error);

	if (!is_stored)
		log_limited(&flash->warnings, "pflash", _("warning: %s"), error->message);
	return is_stored;
}

static const PflashHost pflash_host = {
	.set_readable = set_readable,
	.store = store,
};

static void reset_device(void *device)
{
	const Flash *flash = device;

	pflash_reset(flash->pflash);
}

/* Variables that the guest has written are in their file whenever it does not run. */
static void pause_device(void *device)
{
	const Flash *flash = device;

	pflash_flush(flash->pflash);
}

static void free_device(void *device)
{
	Flash *flash = device;

	pflash_free(flash->pflash);
	pflash_file_free(flash->file);
	g_free(flash);
}

static const DeviceOperations flash_operations = {
	.reset = reset_device,
	.pause = pause_device,
	.free = free_device,
};

static const DeviceOperations rom_operations = { .free = free_device };

static Flash *flash_new(const DeviceSurroundings *surroundings, PflashFile *file)
{
	Flash *flash = g_new0(Flash, 1);

	flash->host = surroundings->host;
	flash->opaque = surroundings->opaque;
	flash->file = file;
	return flash;
}

static gboolean show(Flash *flash, guint64 end, gboolean is_image, GError **error)
{
	gsize size = pflash_file_size(flash->file);

	return flash->host->add_rom(flash->opaque, end - size, pflash_file_content(flash->file),
				    size, is_image, &flash->rom, error);
}

gboolean flash_create(const DeviceSurroundings *surroundings, const char *id, PflashFile *file,
		      guint64 end, gboolean is_readonly, GError **error)
{
	Flash *flash = flash_new(surroundings, file);
	gsize size = pflash_file_size(file);

	flash->pflash = pflash_new(pflash_file_content(file), size, is_readonly, &pflash_host,
				   flash);
	bus_add(surroundings->mmio, end - size, size,
		is_readonly ? "code flash" : "variables flash", &pflash_operations, flash->pflash);
	device_registry_add(surroundings->registry, id, &flash_operations, flash);
	return show(flash, end, is_readonly, error);
}

gboolean flash_create_rom(const DeviceSurroundings *surroundings, const char *id, PflashFile *file,
			  guint64 end, GError **error)
{
	Flash *flash = flash_new(surroundings, file);

	device_registry_add(surroundings->registry, id, &rom_operations, flash);
	return show(flash, end, TRUE, error);
}
