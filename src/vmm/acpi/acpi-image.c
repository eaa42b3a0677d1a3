/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* acpi-image.c - ACPI tables whose place in memory is not known yet */
#include "vmm/acpi/acpi-image.h"

#include <string.h>

#define N_PIECES 3

/* Where firmware looks for the RSDP, and what it wants there. */
#define RSDP_ALIGNMENT 16

/* Nothing else is to be in its page. */
#define GENERATION_ID_ALIGNMENT 4096

typedef struct {
	AcpiPiece piece;
	guint32 offset;
	guint8 size;
	AcpiPiece target;
} Pointer;

typedef struct {
	AcpiPiece piece;
	guint32 offset;
	guint32 start;
	guint32 length;
} Sum;

struct AcpiImage {
	GByteArray *pieces[N_PIECES];
	GArray *pointers; /* Pointer */
	GArray *sums;	  /* Sum */
};

static const char *const piece_files[N_PIECES] = {
	[ACPI_PIECE_RSDP] = ACPI_RSDP_FILE,
	[ACPI_PIECE_TABLES] = ACPI_TABLES_FILE,
	[ACPI_PIECE_GENERATION_ID] = ACPI_GENERATION_ID_FILE,
};

#define LOADER_FILE_NAME_SIZE 56

enum {
	LOADER_ALLOCATE = 1,
	LOADER_ADD_POINTER = 2,
	LOADER_ADD_CHECKSUM = 3,
};

enum {
	LOADER_ZONE_HIGH = 1,
	LOADER_ZONE_FSEG = 2, /* below 1 MiB, where an RSDP is looked for */
};

/* One command; numbers are little-endian, as on every x86. */
typedef struct __attribute__((packed)) {
	guint32 command;
	union {
		struct __attribute__((packed)) {
			char file[LOADER_FILE_NAME_SIZE];
			guint32 alignment;
			guint8 zone;
		} allocate;
		/* Adds the address of @target to the number at @offset of @file. */
		struct __attribute__((packed)) {
			char file[LOADER_FILE_NAME_SIZE];
			char target[LOADER_FILE_NAME_SIZE];
			guint32 offset;
			guint8 size;
		} add_pointer;
		/* Makes the sum of [start, start + length) zero with the byte at @offset. */
		struct __attribute__((packed)) {
			char file[LOADER_FILE_NAME_SIZE];
			guint32 offset;
			guint32 start;
			guint32 length;
		} add_checksum;
		guint8 padding[124];
	};
} LoaderCommand;

G_STATIC_ASSERT(sizeof(LoaderCommand) == 128);

AcpiImage *acpi_image_new(void)
{
	AcpiImage *image = g_new0(AcpiImage, 1);

	for (guint i = 0; i < N_PIECES; i++)
		image->pieces[i] = g_byte_array_new();
	image->pointers = g_array_new(FALSE, FALSE, sizeof(Pointer));
	image->sums = g_array_new(FALSE, FALSE, sizeof(Sum));
	return image;
}

void acpi_image_free(AcpiImage *image)
{
	if (!image)
		return;
	g_array_unref(image->sums);
	g_array_unref(image->pointers);
	for (guint i = 0; i < N_PIECES; i++)
		g_byte_array_unref(image->pieces[i]);
	g_free(image);
}

GByteArray *acpi_image_piece(AcpiImage *image, AcpiPiece piece)
{
	return image->pieces[piece];
}

static void align(GByteArray *bytes)
{
	static const guint8 zeroes[ACPI_IMAGE_ALIGNMENT];

	g_byte_array_append(bytes, zeroes, -bytes->len % ACPI_IMAGE_ALIGNMENT);
}

guint acpi_image_append(AcpiImage *image, const void *data, gsize size)
{
	GByteArray *tables = image->pieces[ACPI_PIECE_TABLES];
	guint offset;

	align(tables);
	offset = tables->len;
	g_byte_array_append(tables, data, size);
	return offset;
}

static guint64 get_number(const guint8 *data, guint size)
{
	guint64 value = 0;

	memcpy(&value, data, size);
	return GUINT64_FROM_LE(value);
}

static void put_number(guint8 *data, guint size, guint64 value)
{
	value = GUINT64_TO_LE(value);
	memcpy(data, &value, size);
}

static void add_pointer(AcpiImage *image, const Pointer *pointer, guint64 offset)
{
	GByteArray *bytes = image->pieces[pointer->piece];

	g_assert(pointer->size == 4 || pointer->size == 8);
	g_assert(pointer->offset + pointer->size <= bytes->len &&
		 offset < image->pieces[pointer->target]->len);
	put_number(bytes->data + pointer->offset, pointer->size, offset);
	g_array_append_vals(image->pointers, pointer, 1);
}

void acpi_image_point_to_piece(AcpiImage *image, AcpiPiece piece, guint offset, guint size,
			       AcpiPiece target)
{
	const Pointer pointer = {
		.piece = piece, .offset = offset, .size = size, .target = target
	};

	add_pointer(image, &pointer, 0);
}

void acpi_image_point(AcpiImage *image, AcpiPiece piece, guint offset, guint size, guint target)
{
	const Pointer pointer = {
		.piece = piece, .offset = offset, .size = size, .target = ACPI_PIECE_TABLES
	};

	add_pointer(image, &pointer, target);
}

void acpi_image_sum(AcpiImage *image, AcpiPiece piece, guint offset, guint start, guint length)
{
	const Sum sum = { .piece = piece, .offset = offset, .start = start, .length = length };

	g_assert(start + length <= image->pieces[piece]->len);
	g_assert(offset >= start && offset - start < length);
	image->pieces[piece]->data[offset] = 0;
	g_array_append_val(image->sums, sum);
}

static guint8 sum_of(const guint8 *bytes, gsize size)
{
	guint8 sum = 0;

	for (gsize i = 0; i < size; i++)
		sum += bytes[i];
	return sum;
}

GByteArray *acpi_image_link(const AcpiImage *image, guint32 gpa)
{
	GByteArray *linked = g_byte_array_new();
	guint starts[N_PIECES] = { 0 };

	g_assert(gpa % ACPI_IMAGE_ALIGNMENT == 0);
	for (guint i = 0; i < N_PIECES; i++) {
		if (image->pieces[i]->len == 0)
			continue;
		align(linked);
		starts[i] = linked->len;
		g_byte_array_append(linked, image->pieces[i]->data, image->pieces[i]->len);
	}
	g_assert(linked->len <= G_MAXUINT32 - gpa);

	for (guint i = 0; i < image->pointers->len; i++) {
		const Pointer *pointer = &g_array_index(image->pointers, Pointer, i);
		guint8 *data = linked->data + starts[pointer->piece] + pointer->offset;

		put_number(data, pointer->size,
			   get_number(data, pointer->size) + gpa + starts[pointer->target]);
	}
	for (guint i = 0; i < image->sums->len; i++) {
		const Sum *sum = &g_array_index(image->sums, Sum, i);
		guint8 *data = linked->data + starts[sum->piece];

		data[sum->offset] -= sum_of(data + sum->start, sum->length);
	}
	return linked;
}

GBytes *acpi_image_content(const AcpiImage *image, AcpiPiece piece)
{
	return g_bytes_new(image->pieces[piece]->data, image->pieces[piece]->len);
}

static void append_command(GByteArray *commands, const LoaderCommand *command)
{
	g_byte_array_append(commands, (const guint8 *)command, sizeof(*command));
}

static void append_allocate(GByteArray *commands, AcpiPiece piece, guint32 alignment, guint8 zone)
{
	LoaderCommand command = { .command = GUINT32_TO_LE(LOADER_ALLOCATE) };

	g_strlcpy(command.allocate.file, piece_files[piece], LOADER_FILE_NAME_SIZE);
	command.allocate.alignment = GUINT32_TO_LE(alignment);
	command.allocate.zone = zone;
	append_command(commands, &command);
}

static void append_add_pointer(GByteArray *commands, const Pointer *pointer)
{
	LoaderCommand command = { .command = GUINT32_TO_LE(LOADER_ADD_POINTER) };

	g_strlcpy(command.add_pointer.file, piece_files[pointer->piece], LOADER_FILE_NAME_SIZE);
	g_strlcpy(command.add_pointer.target, piece_files[pointer->target], LOADER_FILE_NAME_SIZE);
	command.add_pointer.offset = GUINT32_TO_LE(pointer->offset);
	command.add_pointer.size = pointer->size;
	append_command(commands, &command);
}

static void append_add_checksum(GByteArray *commands, const Sum *sum)
{
	LoaderCommand command = { .command = GUINT32_TO_LE(LOADER_ADD_CHECKSUM) };

	g_strlcpy(command.add_checksum.file, piece_files[sum->piece], LOADER_FILE_NAME_SIZE);
	command.add_checksum.offset = GUINT32_TO_LE(sum->offset);
	command.add_checksum.start = GUINT32_TO_LE(sum->start);
	command.add_checksum.length = GUINT32_TO_LE(sum->length);
	append_command(commands, &command);
}

GBytes *acpi_image_loader(const AcpiImage *image)
{
	GByteArray *commands = g_byte_array_new();

	append_allocate(commands, ACPI_PIECE_RSDP, RSDP_ALIGNMENT, LOADER_ZONE_FSEG);
	append_allocate(commands, ACPI_PIECE_TABLES, ACPI_IMAGE_ALIGNMENT, LOADER_ZONE_HIGH);
	if (image->pieces[ACPI_PIECE_GENERATION_ID]->len > 0)
		append_allocate(commands, ACPI_PIECE_GENERATION_ID, GENERATION_ID_ALIGNMENT,
				LOADER_ZONE_HIGH);
	for (guint i = 0; i < image->pointers->len; i++)
		append_add_pointer(commands, &g_array_index(image->pointers, Pointer, i));
	for (guint i = 0; i < image->sums->len; i++)
		append_add_checksum(commands, &g_array_index(image->sums, Sum, i));
	return g_byte_array_free_to_bytes(commands);
}
