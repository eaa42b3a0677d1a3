/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bzimage.h - the header of a Linux kernel image for x86
 *
 * Documentation/arch/x86/boot.rst of Linux, boot protocol 2.12 or newer with a 64-bit entry.
 * The file is hostile: what comes back has been checked as far as the file alone allows.
 */
#pragma once

#include <asm/bootparam.h>
#include <glib.h>

#define BOOT_ERROR (boot_error_quark())
GQuark boot_error_quark(void);

typedef enum {
	BOOT_ERROR_FORMAT, /* a file is not what it should be: the message names the field */
	BOOT_ERROR_FIT,	   /* something does not fit in the guest's memory */
	BOOT_ERROR_FILE,   /* a file cannot be read */
} BootError;

/* How much of the file's start bzimage_parse() needs at most. */
#define BZIMAGE_HEADER_SIZE (0x202 + 0x7f)

/* The 64-bit entry point, relative to where the protected-mode part is loaded. */
#define BZIMAGE_ENTRY_64 0x200

typedef struct {
	struct setup_header header; /* as in the file, zero from its stated end on */
	guint64 payload_offset;	    /* of the protected-mode part, in the file */
	guint64 payload_size;	    /* bytes, at least BZIMAGE_ENTRY_64 + 1 */
	guint64 load_gpa;	    /* at least 1 MiB, aligned as the kernel wants it */
	guint64 memory_size;	    /* bytes from load_gpa on that the kernel needs to itself */
} BzImage;

/*
 * bzimage_parse - check a kernel's header
 * @data:      the first MIN(@file_size, BZIMAGE_HEADER_SIZE) bytes of the file
 * @file_size: bytes
 */
gboolean bzimage_parse(const guint8 *data, guint64 file_size, BzImage *image, GError **error);

/*
 * bzimage_check_command_line - whether a kernel takes a command line
 * @length: bytes without the terminating zero
 * @room:   bytes with it, where the line is put
 */
gboolean bzimage_check_command_line(const BzImage *image, gsize length, gsize room, GError **error);
