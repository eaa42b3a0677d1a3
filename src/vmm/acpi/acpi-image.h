/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-image.h - ACPI tables whose place in memory is not known yet
 *
 * Theory of operation
 *
 * An image is pieces of bytes, the RSDP, all other tables, and a page that belongs to them, with a
 * list of what depends on the place: pointers, whose value so far is the offset of their target in
 * the tables, and checksums. Either somebody knows the place and acpi_image_link() fills them in,
 * or the guest's firmware chooses it and acpi_image_loader() gives it the same list as commands of
 * QEMU's table loader (QEMU's include/hw/acpi/bios-linker-loader.h has no specification beside the
 * code; OVMF's QemuLoader.h describes the same layout).
 */
#pragma once

#include <glib.h>

/* What every table needs at least; the RSDP comes first in a linked image. */
#define ACPI_IMAGE_ALIGNMENT 64

/* Names of the pieces in fw_cfg, by which the loader's commands call them. */
#define ACPI_RSDP_FILE	 "etc/acpi/rsdp"
#define ACPI_TABLES_FILE "etc/acpi/tables"
#define ACPI_LOADER_FILE "etc/table-loader"

/* A page that the guest looks at where the tables say it is. */
#define ACPI_GENERATION_ID_FILE "etc/vmgenid_guid"

typedef struct AcpiImage AcpiImage;

typedef enum {
	ACPI_PIECE_RSDP,
	ACPI_PIECE_TABLES,
	ACPI_PIECE_GENERATION_ID, /* may be empty */
} AcpiPiece;

AcpiImage *acpi_image_new(void);
void acpi_image_free(AcpiImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiImage, acpi_image_free)

/* The bytes of a piece; for building it, until it is linked or handed out. */
GByteArray *acpi_image_piece(AcpiImage *image, AcpiPiece piece);

/* Appends to the tables, at a multiple of ACPI_IMAGE_ALIGNMENT; returns the offset there. */
guint acpi_image_append(AcpiImage *image, const void *data, gsize size);

/*
 * acpi_image_point - put a pointer to a table
 * @piece, @offset: where it is
 * @size:           4 or 8 bytes
 * @target:         offset in the tables
 */
void acpi_image_point(AcpiImage *image, AcpiPiece piece, guint offset, guint size, guint target);

/* The same, to the start of another piece. */
void acpi_image_point_to_piece(AcpiImage *image, AcpiPiece piece, guint offset, guint size,
			       AcpiPiece target);

/*
 * acpi_image_sum - let the byte at @offset make the sum of [start, start + length) zero
 *
 * Sums are made in the order in which they were asked for, after all pointers are known.
 */
void acpi_image_sum(AcpiImage *image, AcpiPiece piece, guint offset, guint start, guint length);

/*
 * acpi_image_link - make the image what it is at one place
 * @gpa: of the RSDP, a multiple of ACPI_IMAGE_ALIGNMENT, with all of the image below 4 GiB
 *
 * Return: everything in one piece, with the RSDP at its start.
 */
GByteArray *acpi_image_link(const AcpiImage *image, guint32 gpa);

/* What the guest's firmware links: a piece with nothing filled in, and the commands. */
GBytes *acpi_image_content(const AcpiImage *image, AcpiPiece piece);
GBytes *acpi_image_loader(const AcpiImage *image);
