/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios.h - the SMBIOS tables: what the machine calls itself
 *
 * DMTF DSP0134, System Management BIOS Reference Specification 2.8: structures of type 1, 3,
 * 4, 16, 17, 19, 32 and 127, those of type 2 and 11 where anything of them is given, and the
 * 32-bit entry point, which every firmware and guest knows; the 64-bit one is not known to
 * old ones. Without fields of type 0 there is no such structure: OVMF and SeaBIOS then add
 * one that says who they are.
 */
#pragma once

#include <glib.h>

#include "vmm/boot/smbios-string.h"

/* Longest string that is taken, in bytes. */
#define SMBIOS_MAX_STRING 1024

#define SMBIOS_ERROR	  (smbios_error_quark())
GQuark smbios_error_quark(void);

typedef enum {
	SMBIOS_ERROR_FIELD, /* a field is unknown, or its value is not one: the message names it */
	SMBIOS_ERROR_SIZE,  /* too much for SMBIOS 2.8's 64 KiB */
} SmbiosError;

typedef struct {
	const guint8 *uuid; /* 16 bytes, in the order in which they are written out; or NULL */
	guint64 ram_low_end;
	guint64 ram_high_end; /* 4 GiB where there is no RAM from there on */
	guint sockets;	      /* one type 4 structure each, at most 255 */
	guint cores;	      /* of a socket */
	guint threads;	      /* of a core */
	guint64 processor_id; /* CPUID leaf 1: EAX, and EDX in the upper half; 0: not known */
	/* What users want; a later one for the same field wins. */
	const SmbiosString *const *strings;
	guint n_strings;
} SmbiosConfig;

/* What fw_cfg calls etc/smbios/smbios-anchor and etc/smbios/smbios-tables. */
typedef struct {
	GBytes *anchor; /* with no table address yet: firmware sets it, and the checksums */
	GBytes *tables;
} SmbiosTables;

/* Return: FALSE with @error set where a field is not one; else smbios_tables_clear() ends it. */
gboolean smbios_tables_init(SmbiosTables *smbios, const SmbiosConfig *config, GError **error);
void smbios_tables_clear(SmbiosTables *smbios);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SmbiosTables, smbios_tables_clear)
