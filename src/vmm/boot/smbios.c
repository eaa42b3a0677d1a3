/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios.c - the SMBIOS tables: what the machine calls itself
 *
 * Theory of operation
 *
 * A structure has a formatted part, in which a string is a number, and behind it the strings
 * themselves. So each structure's strings are collected while its formatted part is filled
 * in, and finish() puts both behind what is there already.
 */
#include "vmm/boot/smbios.h"

#include <glib/gi18n.h>
#include <string.h>

#define KIB	       G_GUINT64_CONSTANT(0x400)
#define MIB	       G_GUINT64_CONSTANT(0x100000)
#define GIB	       G_GUINT64_CONSTANT(0x40000000)
#define HIGH_RAM_START G_GUINT64_CONSTANT(0x100000000)
#define UUID_SIZE      16

#define MANUFACTURER   "libvirt-gmem"
#define PRODUCT	       "q35"

/*
 * What one type 17 structure is, as if it were a module: of a machine that would have more than so
 * many, modules are larger, since all tables together have 64 KiB.
 */
#define MODULE_SIZE (16 * GIB)
#define MODULES_MAX 64

G_DEFINE_QUARK(gmem - smbios - error, smbios_error)

enum {
	TYPE_FIRMWARE = 0,
	TYPE_SYSTEM = 1,
	TYPE_BASEBOARD = 2,
	TYPE_CHASSIS = 3,
	TYPE_PROCESSOR = 4,
	TYPE_OEM_STRINGS = 11,
	TYPE_MEMORY_ARRAY = 16,
	TYPE_MEMORY_DEVICE = 17,
	TYPE_MEMORY_ARRAY_MAPPED_ADDRESS = 19,
	TYPE_SYSTEM_BOOT = 32,
	TYPE_END = 127,
};

/* The first structure of a type has this handle, the next ones those that follow. */
#define HANDLE(type) ((type) << 8)

typedef struct __attribute__((packed)) {
	char anchor[4];
	guint8 checksum;
	guint8 length;
	guint8 major_version;
	guint8 minor_version;
	guint16 maximum_structure_size;
	guint8 entry_point_revision;
	guint8 formatted_area[5];
	char intermediate_anchor[5];
	guint8 intermediate_checksum;
	guint16 table_length;
	guint32 table_address;
	guint16 number_of_structures;
	guint8 bcd_revision;
} EntryPoint;

G_STATIC_ASSERT(sizeof(EntryPoint) == 0x1f);

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint16 handle;
} Header;

/* In what follows a guint8 that names text is the number of a string. */

typedef struct __attribute__((packed)) {
	Header header;
	guint8 vendor;
	guint8 version;
	guint16 starting_address_segment;
	guint8 release_date;
	guint8 rom_size;
	guint64 characteristics;
	guint8 characteristics_extension[2];
	guint8 system_major_release;
	guint8 system_minor_release;
	guint8 controller_major_release;
	guint8 controller_minor_release;
} Firmware;

enum {
	FIRMWARE_CHARACTERISTICS_NOT_SUPPORTED = 1 << 3,
	FIRMWARE_EXTENSION_2_VIRTUAL_MACHINE = 1 << 4,
	FIRMWARE_NO_CONTROLLER = 0xff,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint8 manufacturer;
	guint8 product;
	guint8 version;
	guint8 serial;
	guint8 uuid[UUID_SIZE]; /* its first three fields are little-endian */
	guint8 wake_up_type;
	guint8 sku;
	guint8 family;
} System;

enum {
	WAKE_UP_POWER_SWITCH = 6,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint8 manufacturer;
	guint8 product;
	guint8 version;
	guint8 serial;
	guint8 asset;
	guint8 features;
	guint8 location;
	guint16 chassis_handle;
	guint8 board_type;
	guint8 number_of_contained_objects;
} Baseboard;

enum {
	BASEBOARD_HOSTING = 1 << 0,
	BASEBOARD_MOTHERBOARD = 10,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint8 manufacturer;
	guint8 chassis_type;
	guint8 version;
	guint8 serial;
	guint8 asset;
	guint8 boot_up_state;
	guint8 power_supply_state;
	guint8 thermal_state;
	guint8 security_status;
	guint32 oem;
	guint8 height;
	guint8 number_of_power_cords;
	guint8 contained_elements;
	guint8 contained_element_length;
	guint8 sku;
} Chassis;

G_STATIC_ASSERT(sizeof(Chassis) == 0x16);

enum {
	CHASSIS_OTHER = 1,
	CHASSIS_STATE_SAFE = 3,
	CHASSIS_SECURITY_UNKNOWN = 2,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint8 socket;
	guint8 processor_type;
	guint8 family;
	guint8 manufacturer;
	guint64 processor_id;
	guint8 version;
	guint8 voltage;
	guint16 external_clock;
	guint16 max_speed;
	guint16 current_speed;
	guint8 status;
	guint8 upgrade;
	guint16 cache_handles[3];
	guint8 serial;
	guint8 asset;
	guint8 part;
	guint8 core_count;
	guint8 core_enabled;
	guint8 thread_count;
	guint16 characteristics;
	guint16 family_2;
} Processor;

G_STATIC_ASSERT(sizeof(Processor) == 0x2a);

enum {
	PROCESSOR_CENTRAL = 3,
	PROCESSOR_OTHER = 1, /* family and upgrade */
	PROCESSOR_POPULATED_AND_ENABLED = 1 << 6 | 1,
	PROCESSOR_NO_CACHE = 0xffff,
	PROCESSOR_64_BIT = 1 << 2,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint8 count;
} OemStrings;

typedef struct __attribute__((packed)) {
	Header header;
	guint8 location;
	guint8 use;
	guint8 error_correction;
	guint32 maximum_capacity; /* KiB */
	guint16 error_handle;
	guint16 number_of_devices;
	guint64 extended_maximum_capacity; /* bytes */
} MemoryArray;

G_STATIC_ASSERT(sizeof(MemoryArray) == 0x17);

enum {
	MEMORY_OTHER_LOCATION = 1,
	MEMORY_SYSTEM = 3,
	MEMORY_NO_CORRECTION = 3,
	MEMORY_NO_ERROR_HANDLE = 0xfffe,
};

/* In a field of KiB or MiB: see the extended field. */
#define MEMORY_CAPACITY_EXTENDED 0x80000000u
#define MEMORY_MODULE_EXTENDED	 0x7fffu
#define MEMORY_ADDRESS_EXTENDED	 0xffffffffu

typedef struct __attribute__((packed)) {
	Header header;
	guint16 array_handle;
	guint16 error_handle;
	guint16 total_width;
	guint16 data_width;
	guint16 size; /* MiB */
	guint8 form_factor;
	guint8 device_set;
	guint8 device_locator;
	guint8 bank_locator;
	guint8 memory_type;
	guint16 type_detail;
	guint16 speed;
	guint8 manufacturer;
	guint8 serial;
	guint8 asset;
	guint8 part;
	guint8 attributes;
	guint32 extended_size;
	guint16 configured_speed;
	guint16 minimum_voltage;
	guint16 maximum_voltage;
	guint16 configured_voltage;
} MemoryDevice;

G_STATIC_ASSERT(sizeof(MemoryDevice) == 0x28);

enum {
	MEMORY_WIDTH_UNKNOWN = 0xffff,
	MEMORY_DIMM = 9,
	MEMORY_RAM = 7,
	MEMORY_DETAIL_OTHER = 1 << 1,
};

typedef struct __attribute__((packed)) {
	Header header;
	guint32 start; /* KiB */
	guint32 end;   /* the last KiB */
	guint16 array_handle;
	guint8 partition_width;
	guint64 extended_start;
	guint64 extended_end;
} MemoryArrayMappedAddress;

G_STATIC_ASSERT(sizeof(MemoryArrayMappedAddress) == 0x1f);

typedef struct __attribute__((packed)) {
	Header header;
	guint8 reserved[6];
	guint8 status; /* 0: no error */
} SystemBoot;

/* Which fields may be given. */
static const struct {
	guint8 type;
	const char *fields[8];
} known_fields[] = {
	{ TYPE_FIRMWARE, { "vendor", "version", "date", "release" } },
	{ TYPE_SYSTEM,
	  { "manufacturer", "product", "version", "serial", "uuid", "sku", "family" } },
	{ TYPE_BASEBOARD, { "manufacturer", "product", "version", "serial", "asset", "location" } },
	{ TYPE_CHASSIS, { "manufacturer", "version", "serial", "asset", "sku" } },
	{ TYPE_PROCESSOR, { "manufacturer", "version", "serial", "asset", "part" } },
	{ TYPE_OEM_STRINGS, { "value" } },
	{ TYPE_MEMORY_DEVICE, { "manufacturer", "serial", "asset", "part" } },
};

typedef struct {
	const SmbiosConfig *config;
	GByteArray *tables;
	GPtrArray *strings; /* of the structure that is being filled in; lent */
	guint structures;
	guint largest;
} Writer;

static const char *find_field(const SmbiosConfig *config, guint8 type, const char *name)
{
	for (guint i = config->n_strings; i > 0; i--) {
		const SmbiosString *field = config->strings[i - 1];

		if (field->type == type && strcmp(field->field, name) == 0)
			return field->value;
	}
	return NULL;
}

static gboolean has_type(const SmbiosConfig *config, guint8 type)
{
	for (guint i = 0; i < config->n_strings; i++) {
		if (config->strings[i]->type == type)
			return TRUE;
	}
	return FALSE;
}

/* Return: the string's number; 0 for one that is not there. */
static guint8 add_string(Writer *writer, const char *string)
{
	if (!string || !*string)
		return 0;
	g_assert(writer->strings->len < G_MAXUINT8);
	g_ptr_array_add(writer->strings, (gpointer)string);
	return writer->strings->len;
}

/* The same for a field, which may have been given. */
static guint8 add_field(Writer *writer, guint8 type, const char *name, const char *otherwise)
{
	const char *value = find_field(writer->config, type, name);

	return add_string(writer, value ? value : otherwise);
}

/* Appends a structure of @size formatted bytes, with its strings, as the @index-th of @type. */
static void finish(Writer *writer, gpointer structure, guint8 type, guint index, gsize size)
{
	static const guint8 zeroes[2];
	Header *header = structure;
	guint start = writer->tables->len;

	header->type = type;
	header->length = size;
	header->handle = HANDLE(type) + index;
	g_byte_array_append(writer->tables, structure, size);
	for (guint i = 0; i < writer->strings->len; i++) {
		const char *string = g_ptr_array_index(writer->strings, i);

		g_byte_array_append(writer->tables, (const guint8 *)string, strlen(string) + 1);
	}
	/* An empty string ends the strings; where there are none it has one more zero. */
	g_byte_array_append(writer->tables, zeroes, writer->strings->len > 0 ? 1 : 2);
	g_ptr_array_set_size(writer->strings, 0);
	writer->structures++;
	writer->largest = MAX(writer->largest, writer->tables->len - start);
}

/* "major.minor" with numbers of one byte. */
static gboolean parse_release(const char *text, guint8 *major, guint8 *minor)
{
	g_auto(GStrv) parts = g_strsplit(text, ".", -1);
	guint64 numbers[2];

	if (g_strv_length(parts) != 2)
		return FALSE;
	for (guint i = 0; i < 2; i++) {
		if (!g_ascii_string_to_unsigned(parts[i], 10, 0, G_MAXUINT8, &numbers[i], NULL))
			return FALSE;
	}
	*major = numbers[0];
	*minor = numbers[1];
	return TRUE;
}

/* "month/day/year", the year with two or four digits. */
static gboolean is_date(const char *text)
{
	static const guint64 limits[] = { 12, 31, 9999 };
	g_auto(GStrv) parts = g_strsplit(text, "/", -1);

	if (g_strv_length(parts) != 3)
		return FALSE;
	for (guint i = 0; i < 3; i++) {
		gsize digits = strlen(parts[i]);

		if (digits != 2 && !(i == 2 && digits == 4))
			return FALSE;
		if (!g_ascii_string_to_unsigned(parts[i], 10, i < 2, limits[i], NULL, NULL))
			return FALSE;
	}
	return TRUE;
}

static void append_firmware(Writer *writer)
{
	const char *release = find_field(writer->config, TYPE_FIRMWARE, "release");
	Firmware firmware = {
		.vendor = add_field(writer, TYPE_FIRMWARE, "vendor", NULL),
		.version = add_field(writer, TYPE_FIRMWARE, "version", NULL),
		.release_date = add_field(writer, TYPE_FIRMWARE, "date", NULL),
		.characteristics = FIRMWARE_CHARACTERISTICS_NOT_SUPPORTED,
		.characteristics_extension = { 0, FIRMWARE_EXTENSION_2_VIRTUAL_MACHINE },
		.controller_major_release = FIRMWARE_NO_CONTROLLER,
		.controller_minor_release = FIRMWARE_NO_CONTROLLER,
	};

	if (release)
		parse_release(release, &firmware.system_major_release,
			      &firmware.system_minor_release);
	finish(writer, &firmware, TYPE_FIRMWARE, 0, sizeof(firmware));
}

/* Turns the hexadecimal digits of a valid UUID into bytes, in the order of the text. */
static void parse_uuid(const char *text, guint8 uuid[UUID_SIZE])
{
	for (guint i = 0; i < UUID_SIZE; text += 2) {
		if (*text == '-')
			text++;
		uuid[i++] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
	}
}

static void set_uuid(const SmbiosConfig *config, System *system)
{
	/* Where SMBIOS has byte n of a UUID as it is written: DSP0134, section 7.2.1. */
	static const guint8 order[UUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
						 8, 9, 10, 11, 12, 13, 14, 15 };
	const char *given = find_field(config, TYPE_SYSTEM, "uuid");
	guint8 uuid[UUID_SIZE] = { 0 };

	if (given)
		parse_uuid(given, uuid);
	else if (config->uuid)
		memcpy(uuid, config->uuid, sizeof(uuid));
	for (guint i = 0; i < UUID_SIZE; i++)
		system->uuid[i] = uuid[order[i]];
}

static void append_system(Writer *writer)
{
	System system = {
		.manufacturer = add_field(writer, TYPE_SYSTEM, "manufacturer", MANUFACTURER),
		.product = add_field(writer, TYPE_SYSTEM, "product", PRODUCT),
		.version = add_field(writer, TYPE_SYSTEM, "version", NULL),
		.serial = add_field(writer, TYPE_SYSTEM, "serial", NULL),
		.wake_up_type = WAKE_UP_POWER_SWITCH,
		.sku = add_field(writer, TYPE_SYSTEM, "sku", NULL),
		.family = add_field(writer, TYPE_SYSTEM, "family", NULL),
	};

	set_uuid(writer->config, &system);
	finish(writer, &system, TYPE_SYSTEM, 0, sizeof(system));
}

static void append_baseboard(Writer *writer)
{
	Baseboard baseboard = {
		.manufacturer = add_field(writer, TYPE_BASEBOARD, "manufacturer", MANUFACTURER),
		.product = add_field(writer, TYPE_BASEBOARD, "product", PRODUCT),
		.version = add_field(writer, TYPE_BASEBOARD, "version", NULL),
		.serial = add_field(writer, TYPE_BASEBOARD, "serial", NULL),
		.asset = add_field(writer, TYPE_BASEBOARD, "asset", NULL),
		.features = BASEBOARD_HOSTING,
		.location = add_field(writer, TYPE_BASEBOARD, "location", NULL),
		.chassis_handle = HANDLE(TYPE_CHASSIS),
		.board_type = BASEBOARD_MOTHERBOARD,
	};

	finish(writer, &baseboard, TYPE_BASEBOARD, 0, sizeof(baseboard));
}

static void append_chassis(Writer *writer)
{
	Chassis chassis = {
		.manufacturer = add_field(writer, TYPE_CHASSIS, "manufacturer", MANUFACTURER),
		.chassis_type = CHASSIS_OTHER,
		.version = add_field(writer, TYPE_CHASSIS, "version", NULL),
		.serial = add_field(writer, TYPE_CHASSIS, "serial", NULL),
		.asset = add_field(writer, TYPE_CHASSIS, "asset", NULL),
		.boot_up_state = CHASSIS_STATE_SAFE,
		.power_supply_state = CHASSIS_STATE_SAFE,
		.thermal_state = CHASSIS_STATE_SAFE,
		.security_status = CHASSIS_SECURITY_UNKNOWN,
		.sku = add_field(writer, TYPE_CHASSIS, "sku", NULL),
	};

	finish(writer, &chassis, TYPE_CHASSIS, 0, sizeof(chassis));
}

static void append_processor(Writer *writer, guint index)
{
	const SmbiosConfig *config = writer->config;
	g_autofree char *socket = g_strdup_printf("CPU %u", index);
	Processor processor = {
		.socket = add_string(writer, socket),
		.processor_type = PROCESSOR_CENTRAL,
		.family = PROCESSOR_OTHER,
		.manufacturer = add_field(writer, TYPE_PROCESSOR, "manufacturer", MANUFACTURER),
		.processor_id = config->processor_id,
		.version = add_field(writer, TYPE_PROCESSOR, "version", NULL),
		.status = PROCESSOR_POPULATED_AND_ENABLED,
		.upgrade = PROCESSOR_OTHER,
		.cache_handles = { PROCESSOR_NO_CACHE, PROCESSOR_NO_CACHE, PROCESSOR_NO_CACHE },
		.serial = add_field(writer, TYPE_PROCESSOR, "serial", NULL),
		.asset = add_field(writer, TYPE_PROCESSOR, "asset", NULL),
		.part = add_field(writer, TYPE_PROCESSOR, "part", NULL),
		.core_count = MIN(config->cores, G_MAXUINT8),
		.core_enabled = MIN(config->cores, G_MAXUINT8),
		.thread_count = MIN((guint64)config->cores * config->threads, G_MAXUINT8),
		.characteristics = PROCESSOR_64_BIT,
		.family_2 = PROCESSOR_OTHER,
	};

	finish(writer, &processor, TYPE_PROCESSOR, index, sizeof(processor));
}

static void append_oem_strings(Writer *writer)
{
	const SmbiosConfig *config = writer->config;
	OemStrings oem_strings = { 0 };

	for (guint i = 0; i < config->n_strings; i++) {
		if (config->strings[i]->type == TYPE_OEM_STRINGS)
			oem_strings.count = add_string(writer, config->strings[i]->value);
	}
	finish(writer, &oem_strings, TYPE_OEM_STRINGS, 0, sizeof(oem_strings));
}

static void append_memory_device(Writer *writer, guint index, guint64 size)
{
	g_autofree char *locator = g_strdup_printf("DIMM %u", index);
	gboolean is_extended = size / MIB >= MEMORY_MODULE_EXTENDED;
	MemoryDevice device = {
		.array_handle = HANDLE(TYPE_MEMORY_ARRAY),
		.error_handle = MEMORY_NO_ERROR_HANDLE,
		.total_width = MEMORY_WIDTH_UNKNOWN,
		.data_width = MEMORY_WIDTH_UNKNOWN,
		.size = is_extended ? MEMORY_MODULE_EXTENDED : size / MIB,
		.form_factor = MEMORY_DIMM,
		.device_locator = add_string(writer, locator),
		.memory_type = MEMORY_RAM,
		.type_detail = MEMORY_DETAIL_OTHER,
		.manufacturer = add_field(writer, TYPE_MEMORY_DEVICE, "manufacturer", MANUFACTURER),
		.serial = add_field(writer, TYPE_MEMORY_DEVICE, "serial", NULL),
		.asset = add_field(writer, TYPE_MEMORY_DEVICE, "asset", NULL),
		.part = add_field(writer, TYPE_MEMORY_DEVICE, "part", NULL),
		.extended_size = is_extended ? size / MIB : 0,
	};

	finish(writer, &device, TYPE_MEMORY_DEVICE, index, sizeof(device));
}

static void append_mapped_address(Writer *writer, guint index, guint64 start, guint64 end)
{
	gboolean is_extended = end / KIB - 1 >= MEMORY_ADDRESS_EXTENDED;
	MemoryArrayMappedAddress address = {
		.start = is_extended ? MEMORY_ADDRESS_EXTENDED : start / KIB,
		.end = is_extended ? MEMORY_ADDRESS_EXTENDED : end / KIB - 1,
		.array_handle = HANDLE(TYPE_MEMORY_ARRAY),
		.partition_width = 1,
		.extended_start = is_extended ? start : 0,
		.extended_end = is_extended ? end - 1 : 0,
	};

	finish(writer, &address, TYPE_MEMORY_ARRAY_MAPPED_ADDRESS, index, sizeof(address));
}

static guint64 choose_module_size(guint64 size)
{
	guint64 module_size = MODULE_SIZE;

	while (size > module_size * MODULES_MAX)
		module_size *= 2;
	return module_size;
}

static void append_memory(Writer *writer)
{
	const SmbiosConfig *config = writer->config;
	guint64 size = config->ram_low_end + (config->ram_high_end - HIGH_RAM_START);
	guint64 module_size = choose_module_size(size);
	guint modules = (size + module_size - 1) / module_size;
	gboolean is_extended = size / KIB >= MEMORY_CAPACITY_EXTENDED;
	MemoryArray array = {
		.location = MEMORY_OTHER_LOCATION,
		.use = MEMORY_SYSTEM,
		.error_correction = MEMORY_NO_CORRECTION,
		.maximum_capacity = is_extended ? MEMORY_CAPACITY_EXTENDED : size / KIB,
		.error_handle = MEMORY_NO_ERROR_HANDLE,
		.number_of_devices = modules,
		.extended_maximum_capacity = is_extended ? size : 0,
	};

	finish(writer, &array, TYPE_MEMORY_ARRAY, 0, sizeof(array));
	for (guint i = 0; i < modules; i++)
		append_memory_device(writer, i, MIN(size - i * module_size, module_size));
	append_mapped_address(writer, 0, 0, config->ram_low_end);
	if (config->ram_high_end > HIGH_RAM_START)
		append_mapped_address(writer, 1, HIGH_RAM_START, config->ram_high_end);
}

static void append_end(Writer *writer)
{
	SystemBoot system_boot = { 0 };
	Header end;

	finish(writer, &system_boot, TYPE_SYSTEM_BOOT, 0, sizeof(system_boot));
	finish(writer, &end, TYPE_END, 0, sizeof(end));
}

static gboolean is_known(const SmbiosString *field)
{
	for (guint i = 0; i < G_N_ELEMENTS(known_fields); i++) {
		const char *const *names = known_fields[i].fields;

		if (known_fields[i].type != field->type)
			continue;
		for (guint n = 0; n < G_N_ELEMENTS(known_fields[i].fields) && names[n]; n++) {
			if (strcmp(names[n], field->field) == 0)
				return TRUE;
		}
	}
	return FALSE;
}

static gboolean check_field(const SmbiosString *field, GError **error)
{
	const char *wrong = NULL;
	guint8 major, minor;

	if (!is_known(field)) {
		g_set_error(error, SMBIOS_ERROR, SMBIOS_ERROR_FIELD,
			    _("SMBIOS type %u has no field '%s' that could be set"), field->type,
			    field->field);
		return FALSE;
	}
	if (strlen(field->value) > SMBIOS_MAX_STRING) {
		g_set_error(error, SMBIOS_ERROR, SMBIOS_ERROR_FIELD,
			    ngettext("SMBIOS type %u, %s: %zu byte, of which there may be %u",
				     "SMBIOS type %u, %s: %zu bytes, of which there may be %u",
				     strlen(field->value)),
			    field->type, field->field, strlen(field->value), SMBIOS_MAX_STRING);
		return FALSE;
	}
	if (strcmp(field->field, "uuid") == 0 && !g_uuid_string_is_valid(field->value))
		wrong = _("SMBIOS type %u, %s: '%s' is not a UUID");
	else if (strcmp(field->field, "date") == 0 && !is_date(field->value))
		wrong = _("SMBIOS type %u, %s: '%s' is not a date such as 12/31/2026");
	else if (strcmp(field->field, "release") == 0 &&
		 !parse_release(field->value, &major, &minor))
		wrong = _("SMBIOS type %u, %s: '%s' is not a release such as 1.16, of two numbers "
			  "up to 255");
	else if (field->type == TYPE_OEM_STRINGS && !*field->value)
		wrong = _("SMBIOS type %u, %s: '%s' is not a string that is not empty");
	if (wrong)
		g_set_error(error, SMBIOS_ERROR, SMBIOS_ERROR_FIELD, wrong, field->type,
			    field->field, field->value);
	return wrong == NULL;
}

static gboolean check_fields(const SmbiosConfig *config, GError **error)
{
	guint oem_strings = 0;

	for (guint i = 0; i < config->n_strings; i++) {
		if (!check_field(config->strings[i], error))
			return FALSE;
		oem_strings += config->strings[i]->type == TYPE_OEM_STRINGS;
	}
	if (oem_strings > G_MAXUINT8) {
		g_set_error(error, SMBIOS_ERROR, SMBIOS_ERROR_SIZE,
			    ngettext("SMBIOS type 11: %u string, of which there may be %u",
				     "SMBIOS type 11: %u strings, of which there may be %u",
				     oem_strings),
			    oem_strings, G_MAXUINT8);
		return FALSE;
	}
	return TRUE;
}

/* What makes the sum of all bytes zero. */
static guint8 checksum(const void *data, gsize size)
{
	const guint8 *bytes = data;
	guint8 sum = 0;

	for (gsize i = 0; i < size; i++)
		sum += bytes[i];
	return -sum;
}

static GBytes *make_entry_point(const Writer *writer)
{
	const gsize intermediate = G_STRUCT_OFFSET(EntryPoint, intermediate_anchor);
	EntryPoint entry = {
		.anchor = { '_', 'S', 'M', '_' },
		.length = sizeof(entry),
		.major_version = 2,
		.minor_version = 8,
		.maximum_structure_size = writer->largest,
		.intermediate_anchor = { '_', 'D', 'M', 'I', '_' },
		.table_length = writer->tables->len,
		.number_of_structures = writer->structures,
		.bcd_revision = 0x28,
	};

	entry.intermediate_checksum = checksum((const guint8 *)&entry + intermediate,
					       sizeof(entry) - intermediate);
	entry.checksum = checksum(&entry, sizeof(entry));
	return g_bytes_new(&entry, sizeof(entry));
}

gboolean smbios_tables_init(SmbiosTables *smbios, const SmbiosConfig *config, GError **error)
{
	g_autoptr(GByteArray) tables = g_byte_array_new();
	g_autoptr(GPtrArray) strings = g_ptr_array_new();
	Writer writer = { .config = config, .tables = tables, .strings = strings };

	g_assert(config->sockets >= 1 && config->sockets <= G_MAXUINT8);
	g_assert(config->ram_high_end >= HIGH_RAM_START);
	if (!check_fields(config, error))
		return FALSE;
	if (has_type(config, TYPE_FIRMWARE))
		append_firmware(&writer);
	append_system(&writer);
	if (has_type(config, TYPE_BASEBOARD))
		append_baseboard(&writer);
	append_chassis(&writer);
	for (guint i = 0; i < config->sockets; i++)
		append_processor(&writer, i);
	if (has_type(config, TYPE_OEM_STRINGS))
		append_oem_strings(&writer);
	append_memory(&writer);
	append_end(&writer);
	if (tables->len > G_MAXUINT16) {
		g_set_error(error, SMBIOS_ERROR, SMBIOS_ERROR_SIZE,
			    ngettext("the SMBIOS tables have %u byte, of which there may be %u: "
				     "shorter or fewer strings are needed",
				     "the SMBIOS tables have %u bytes, of which there may be %u: "
				     "shorter or fewer strings are needed",
				     tables->len),
			    tables->len, G_MAXUINT16);
		return FALSE;
	}
	smbios->anchor = make_entry_point(&writer);
	smbios->tables = g_byte_array_free_to_bytes(g_steal_pointer(&tables));
	return TRUE;
}

void smbios_tables_clear(SmbiosTables *smbios)
{
	g_clear_pointer(&smbios->anchor, g_bytes_unref);
	g_clear_pointer(&smbios->tables, g_bytes_unref);
}
