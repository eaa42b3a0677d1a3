/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-descriptor-fuzz.c - libFuzzer target: any bytes as a firmware descriptor
 *
 * The bytes are a file in a folder of descriptors. What is read from it has the parts that its
 * kind has, and the choices that are made from it, for a domain of each kind and for the
 * capabilities, come to an end.
 *
 *     firmware-descriptor-fuzz -dict=firmware-descriptor.dict CORPUS
 */
#include <glib/gstdio.h>
#include <stdint.h>
#include <stdlib.h>

#include "driver/error.h"
#include "driver/host/firmware.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *folder;
static char *file;

static void be_quiet(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
	if (!(level & G_LOG_LEVEL_WARNING))
		g_log_default_handler(domain, level, message, data);
	g_assert_true(g_utf8_validate(message, -1, NULL));
}

static void remove_folder(void)
{
	g_unlink(file);
	g_rmdir(folder);
	g_free(file);
	g_free(folder);
}

static void make_folder(void)
{
	g_log_set_default_handler(be_quiet, NULL);
	folder = g_dir_make_tmp("firmware-descriptor-fuzz-XXXXXX", NULL);
	g_assert_nonnull(folder);
	file = g_build_filename(folder, "fuzz.json", NULL);
	atexit(remove_folder);
}

static void check_path(const char *path)
{
	g_assert_nonnull(path);
	g_assert_true(g_path_is_absolute(path));
}

static void check_descriptor(const FirmwareDescriptor *descriptor)
{
	g_assert_cmpstr(descriptor->path, ==, file);
	if (descriptor->mapping != FIRMWARE_OTHER)
		check_path(descriptor->executable);
	if (descriptor->mapping == FIRMWARE_FLASH)
		check_path(descriptor->nvram_template);
}

static void check_choice(const GPtrArray *descriptors, DomainFirmware firmware)
{
	g_autoptr(DomainDef) def = domain_def_new();
	g_autoptr(GError) error = NULL;

	def->name = g_strdup("fuzz");
	def->firmware = firmware;
	if (firmware_resolve(def, descriptors, "/nvram", &error))
		check_path(def->loader);
	else
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void check_capabilities(const GPtrArray *descriptors)
{
	g_autofree char *bios = firmware_default_bios(descriptors);
	gboolean has_bios, has_efi;
	g_autoptr(GPtrArray) loaders = firmware_loaders(descriptors, &has_bios, &has_efi);

	check_path(bios);
	for (guint i = 0; i < loaders->len; i++)
		check_path(g_ptr_array_index(loaders, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GPtrArray) descriptors = NULL;

	if (!folder)
		make_folder();
	g_assert_true(g_file_set_contents_full(file, (const char *)data, size,
					       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	descriptors = firmware_descriptors_load((const char *const[]){ folder, NULL });
	g_assert_cmpuint(descriptors->len, <=, 1);
	for (guint i = 0; i < descriptors->len; i++)
		check_descriptor(g_ptr_array_index(descriptors, i));
	check_choice(descriptors, DOMAIN_FIRMWARE_BIOS);
	check_choice(descriptors, DOMAIN_FIRMWARE_EFI);
	check_capabilities(descriptors);
	return 0;
}
