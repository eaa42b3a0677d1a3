/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware.h - which of the host's firmware a domain gets
 *
 * Theory of operation
 *
 * A domain gets the first of the host's firmware descriptors that serves it. The choice is made
 * when a domain is defined, and from then on is in its definition, so that a domain does not change
 * its firmware when the host gets another.
 *
 * Firmware that requires SMM serves no domain here: a software-protected VM has none.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/host/firmware-descriptor.h"

/*
 * firmware_resolve - settle a domain's firmware
 * @def: its loader, loader_type, loader_readonly, nvram and nvram_template are filled in as far
 *       as they are needed and absent. <os firmware=> stays and is printed with the result.
 * @descriptors: of firmware_descriptors_load()
 * @nvram_folder: of variables that have no path of their own: NAME_VARS.fd there
 *
 * With <os firmware=> the first descriptor that meets all that the domain says, its loader and
 * nvram template included: code takes no variables of another build. With a <loader> alone the
 * one that describes it. With neither nothing is filled in.
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that says what was asked for, and why what the
 * host has does not serve.
 */
gboolean firmware_resolve(DomainDef *def, const GPtrArray *descriptors, const char *nvram_folder,
			  GError **error);

/*
 * firmware_default_bios - the BIOS of a domain that names neither firmware nor kernel
 *
 * Return: the path of the first BIOS that is described, else of the SeaBIOS that this was built
 * for, whether it exists or not; for g_free().
 */
char *firmware_default_bios(const GPtrArray *descriptors);

/*
 * firmware_loaders - files that a <loader> can name here, for domain capabilities
 * @has_bios, @has_efi: which values of <os firmware=> can be met
 *
 * Return: paths of files that exist, each once, in the order of precedence; for
 * g_ptr_array_unref().
 */
GPtrArray *firmware_loaders(const GPtrArray *descriptors, gboolean *has_bios, gboolean *has_efi);
