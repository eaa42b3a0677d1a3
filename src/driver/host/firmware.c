/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* firmware.c - which of the host's firmware a domain gets */
#include "driver/host/firmware.h"

#include <glib/gi18n.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "driver/error.h"

/* More candidates than these make an error longer, not clearer. */
#define REASONS_MAX 8

/* Whether two paths name one file: packages have firmware under several names. */
static gboolean is_same_file(const char *a, const char *b)
{
	char first[PATH_MAX], second[PATH_MAX];

	return strcmp(a, b) == 0 ||
	       (realpath(a, first) && realpath(b, second) && strcmp(first, second) == 0);
}

static gboolean is_candidate(const FirmwareDescriptor *descriptor, DomainFirmware firmware)
{
	return descriptor->is_for_machine &&
	       (firmware == DOMAIN_FIRMWARE_EFI ? descriptor->is_uefi : descriptor->is_bios);
}

/*
 * UEFI keeps variables, so it gets flash unless the domain says otherwise; a BIOS is a ROM.
 */
static FirmwareMapping wanted_mapping(const DomainDef *def)
{
	if (def->loader_type == DOMAIN_LOADER_ROM)
		return FIRMWARE_MEMORY;
	if (def->loader_type == DOMAIN_LOADER_PFLASH)
		return FIRMWARE_FLASH;
	return def->firmware == DOMAIN_FIRMWARE_EFI ? FIRMWARE_FLASH : FIRMWARE_MEMORY;
}

static gboolean is_feature_met(DomainSwitch wanted, gboolean has)
{
	return wanted == DOMAIN_SWITCH_ABSENT || (wanted == DOMAIN_SWITCH_YES) == has;
}

/* Why a descriptor's firmware is not taken. */
typedef enum {
	REASON_NONE,
	REASON_SMM,
	REASON_NO_FLASH,
	REASON_NOT_RAW,
	REASON_SECURE_BOOT,
	REASON_NO_SECURE_BOOT,
	REASON_ENROLLED_KEYS,
	REASON_NO_ENROLLED_KEYS,
	REASON_FLASH,
	REASON_ROM,
	REASON_LOADER,
	REASON_TEMPLATE,
} Reason;

/* With a place for the descriptor. */
static const char *const reasons[] = {
	[REASON_SMM] = N_("'%s' requires SMM, which a software-protected VM does not have"),
	[REASON_NO_FLASH] = N_("'%s' has no flash unit for variables and is no ROM"),
	[REASON_NOT_RAW] = N_("'%s' has files that are not in raw format"),
	[REASON_SECURE_BOOT] = N_("'%s' has feature secure-boot"),
	[REASON_NO_SECURE_BOOT] = N_("'%s' lacks feature secure-boot"),
	[REASON_ENROLLED_KEYS] = N_("'%s' has feature enrolled-keys"),
	[REASON_NO_ENROLLED_KEYS] = N_("'%s' lacks feature enrolled-keys"),
	[REASON_FLASH] = N_("'%s' is for flash (loader type 'pflash')"),
	[REASON_ROM] = N_("'%s' is a ROM (loader type 'rom')"),
	[REASON_LOADER] = N_("'%s' has another loader"),
	[REASON_TEMPLATE] = N_("'%s' has another nvram template"),
};

/* The same of why_unusable(), with places for the loader that a domain names, and the descriptor.
 */
static const char *const loader_reasons[] = {
	[REASON_SMM] = N_("loader '%s' requires SMM, which a software-protected VM does not have, "
			  "says its firmware descriptor '%s'"),
	[REASON_NO_FLASH] = N_("loader '%s' has no flash unit for variables and is no ROM, says "
			       "its firmware descriptor '%s'"),
	[REASON_NOT_RAW] = N_("loader '%s' has files that are not in raw format, says its firmware "
			      "descriptor '%s'"),
};

/* Return: why no domain can have this firmware here, or REASON_NONE. */
static Reason why_unusable(const FirmwareDescriptor *descriptor)
{
	if (descriptor->requires_smm)
		return REASON_SMM;
	if (descriptor->mapping == FIRMWARE_OTHER)
		return REASON_NO_FLASH;
	return descriptor->is_raw ? REASON_NONE : REASON_NOT_RAW;
}

/* Return: why a candidate does not serve a domain, or REASON_NONE. */
static Reason why_not(const FirmwareDescriptor *descriptor, const DomainDef *def)
{
	const Reason reason = why_unusable(descriptor);

	if (reason)
		return reason;
	if (!is_feature_met(def->firmware_secure_boot, descriptor->has_secure_boot))
		return descriptor->has_secure_boot ? REASON_SECURE_BOOT : REASON_NO_SECURE_BOOT;
	if (!is_feature_met(def->firmware_enrolled_keys, descriptor->has_enrolled_keys))
		return descriptor->has_enrolled_keys ? REASON_ENROLLED_KEYS :
						       REASON_NO_ENROLLED_KEYS;
	if (descriptor->mapping != wanted_mapping(def))
		return descriptor->mapping == FIRMWARE_FLASH ? REASON_FLASH : REASON_ROM;
	if (def->loader && !is_same_file(def->loader, descriptor->executable))
		return REASON_LOADER;
	if (def->nvram_template && descriptor->mapping == FIRMWARE_FLASH &&
	    !is_same_file(def->nvram_template, descriptor->nvram_template))
		return REASON_TEMPLATE;
	return REASON_NONE;
}

static void say_feature(GString *text, const char *name, DomainSwitch wanted)
{
	if (wanted != DOMAIN_SWITCH_ABSENT)
		g_string_append_printf(text, ", <feature enabled='%s' name='%s'/>",
				       wanted == DOMAIN_SWITCH_YES ? "yes" : "no", name);
}

/* Return: what a domain says of its firmware, in pieces of XML, for g_free(). */
static char *describe_wish(const DomainDef *def)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "<os firmware='%s'>",
			       def->firmware == DOMAIN_FIRMWARE_EFI ? "efi" : "bios");
	say_feature(text, "secure-boot", def->firmware_secure_boot);
	say_feature(text, "enrolled-keys", def->firmware_enrolled_keys);
	if (def->loader)
		g_string_append_printf(text, ", <loader>%s</loader>", def->loader);
	if (def->nvram_template)
		g_string_append_printf(text, ", <nvram template='%s'>", def->nvram_template);
	return g_string_free(text, FALSE);
}

static gboolean refuse(const DomainDef *def, const GPtrArray *descriptors, GError **error)
{
	g_autofree char *wish = describe_wish(def);
	g_autoptr(GString) text = g_string_new(NULL);
	guint n = 0;

	for (guint i = 0; i < descriptors->len; i++) {
		const FirmwareDescriptor *descriptor = g_ptr_array_index(descriptors, i);

		if (!is_candidate(descriptor, def->firmware) || n++ >= REASONS_MAX)
			continue;
		if (n > 1)
			g_string_append(text, "; ");
		g_string_append_printf(text, _(reasons[why_not(descriptor, def)]),
				       descriptor->path);
	}
	if (n == 0)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("the host has no firmware for %s: no descriptor is for this "
				      "on machine q35"),
				    wish);
	if (n <= REASONS_MAX)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("the host has no firmware for %s: %s"), wish, text->str);
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    ngettext("the host has no firmware for %s: %s; and %u more",
				     "the host has no firmware for %s: %s; and %u more",
				     n - REASONS_MAX),
			    wish, text->str, n - REASONS_MAX);
}

/* Takes a descriptor's files where the domain names none. */
static void take_files(DomainDef *def, const FirmwareDescriptor *descriptor)
{
	if (!def->loader)
		def->loader = g_strdup(descriptor->executable);
	if (descriptor->mapping == FIRMWARE_MEMORY) {
		def->loader_type = DOMAIN_LOADER_ROM;
		return;
	}
	def->loader_type = DOMAIN_LOADER_PFLASH;
	if (!def->nvram_template)
		def->nvram_template = g_strdup(descriptor->nvram_template);
}

/* SeaBIOS needs no description to be known; Debian's package has none. */
static gboolean take_seabios(DomainDef *def)
{
	if (def->firmware != DOMAIN_FIRMWARE_BIOS || wanted_mapping(def) != FIRMWARE_MEMORY ||
	    def->firmware_secure_boot == DOMAIN_SWITCH_YES ||
	    def->firmware_enrolled_keys == DOMAIN_SWITCH_YES ||
	    (def->loader && !is_same_file(def->loader, SEABIOS_PATH)) ||
	    !g_file_test(SEABIOS_PATH, G_FILE_TEST_EXISTS))
		return FALSE;
	if (!def->loader)
		def->loader = g_strdup(SEABIOS_PATH);
	def->loader_type = DOMAIN_LOADER_ROM;
	return TRUE;
}

/* <os firmware=> */
static gboolean choose(DomainDef *def, const GPtrArray *descriptors, GError **error)
{
	for (guint i = 0; i < descriptors->len; i++) {
		const FirmwareDescriptor *descriptor = g_ptr_array_index(descriptors, i);

		if (is_candidate(descriptor, def->firmware) && !why_not(descriptor, def)) {
			take_files(def, descriptor);
			return TRUE;
		}
	}
	return take_seabios(def) || refuse(def, descriptors, error);
}

static gboolean describes(const FirmwareDescriptor *descriptor, const char *loader)
{
	return descriptor->is_for_machine && descriptor->executable &&
	       is_same_file(descriptor->executable, loader);
}

/*
 * A <loader> of the domain's own choice. It need not be described; but where every description
 * of it says that it cannot be, it cannot be. The same code may come with several templates,
 * so the type decides only where the domain says none.
 */
static gboolean look_up(DomainDef *def, const GPtrArray *descriptors, GError **error)
{
	const FirmwareDescriptor *refused = NULL, *found = NULL;

	for (guint i = 0; i < descriptors->len && !found; i++) {
		const FirmwareDescriptor *descriptor = g_ptr_array_index(descriptors, i);

		if (!describes(descriptor, def->loader))
			continue;
		if (why_unusable(descriptor))
			refused = refused ? refused : descriptor;
		else
			found = descriptor;
	}
	if (refused && !found)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _(loader_reasons[why_unusable(refused)]), def->loader,
				    refused->path);
	if (def->loader_type == DOMAIN_LOADER_NONE && found) {
		take_files(def, found);
	} else if (def->loader_type == DOMAIN_LOADER_NONE) {
		def->loader_type = def->nvram || def->nvram_template ? DOMAIN_LOADER_PFLASH :
								       DOMAIN_LOADER_ROM;
	} else if (def->loader_type == DOMAIN_LOADER_PFLASH && found &&
		   found->mapping == FIRMWARE_FLASH && !def->nvram_template) {
		def->nvram_template = g_strdup(found->nvram_template);
	}
	return TRUE;
}

/*
 * Where variables are kept. No template is guessed: variables of another build may not be
 * what the code takes.
 */
static gboolean complete_flash(DomainDef *def, const char *nvram_folder, GError **error)
{
	def->loader_readonly = DOMAIN_SWITCH_YES;
	if (!def->nvram && !def->nvram_template)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("no firmware descriptor says which variable store template "
				      "goes with loader '%s': name it by <nvram template='...'/>"),
				    def->loader);
	if (!def->nvram)
		def->nvram = g_strdup_printf("%s/%s_VARS.fd", nvram_folder, def->name);
	return TRUE;
}

gboolean firmware_resolve(DomainDef *def, const GPtrArray *descriptors, const char *nvram_folder,
			  GError **error)
{
	if (def->firmware != DOMAIN_FIRMWARE_MANUAL) {
		if (!choose(def, descriptors, error))
			return FALSE;
	} else if (def->loader && !look_up(def, descriptors, error)) {
		return FALSE;
	}
	return !def->loader || def->loader_type != DOMAIN_LOADER_PFLASH ||
	       complete_flash(def, nvram_folder, error);
}

char *firmware_default_bios(const GPtrArray *descriptors)
{
	for (guint i = 0; i < descriptors->len; i++) {
		const FirmwareDescriptor *descriptor = g_ptr_array_index(descriptors, i);

		if (is_candidate(descriptor, DOMAIN_FIRMWARE_BIOS) &&
		    descriptor->mapping == FIRMWARE_MEMORY && !why_unusable(descriptor))
			return g_strdup(descriptor->executable);
	}
	return g_strdup(SEABIOS_PATH);
}

/* Return: whether there is such a file. */
static gboolean add_loader(GPtrArray *loaders, const char *path)
{
	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return FALSE;
	if (!g_ptr_array_find_with_equal_func(loaders, path, g_str_equal, NULL))
		g_ptr_array_add(loaders, g_strdup(path));
	return TRUE;
}

GPtrArray *firmware_loaders(const GPtrArray *descriptors, gboolean *has_bios, gboolean *has_efi)
{
	GPtrArray *loaders = g_ptr_array_new_with_free_func(g_free);

	*has_bios = FALSE;
	*has_efi = FALSE;
	for (guint i = 0; i < descriptors->len; i++) {
		const FirmwareDescriptor *descriptor = g_ptr_array_index(descriptors, i);

		if (!descriptor->is_for_machine || why_unusable(descriptor) ||
		    !add_loader(loaders, descriptor->executable))
			continue;
		if (descriptor->is_bios && descriptor->mapping == FIRMWARE_MEMORY)
			*has_bios = TRUE;
		if (descriptor->is_uefi && descriptor->mapping == FIRMWARE_FLASH)
			*has_efi = TRUE;
	}
	if (add_loader(loaders, SEABIOS_PATH))
		*has_bios = TRUE;
	return loaders;
}
