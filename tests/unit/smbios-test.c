/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios-test.c - SMBIOS tables at the offsets of DSP0134 2.8, and as dmidecode reads them
 */
#include <string.h>

#include "support.h"
#include "vmm/boot/smbios.h"

#define GIB (1ull << 30)
#define MIB (1ull << 20)

static const guint8 uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
				 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

typedef struct {
	const guint8 *data; /* the formatted part */
	const char *strings;
	const guint8 *next;
} Structure;

static guint64 get(const guint8 *data, guint offset, guint size)
{
	guint64 value = 0;

	memcpy(&value, data + offset, size);
	return GUINT64_FROM_LE(value);
}

static guint8 sum(const guint8 *data, gsize size)
{
	guint8 total = 0;

	while (size > 0)
		total += data[--size];
	return total;
}

static SmbiosConfig plain_config(void)
{
	return (SmbiosConfig){
		.uuid = uuid,
		.ram_low_end = 2 * GIB,
		.ram_high_end = 22 * GIB,
		.sockets = 2,
		.cores = 4,
		.threads = 2,
		.processor_id = 0x0f8bfbff00800f12,
	};
}

static SmbiosTables make(const SmbiosConfig *config)
{
	g_autoptr(GError) error = NULL;
	SmbiosTables smbios = { 0 };

	smbios_tables_init(&smbios, config, &error);
	g_assert_no_error(error);
	return smbios;
}

/* For g_free(). */
static const SmbiosString **pointers_to(const SmbiosString *strings, guint n_strings)
{
	const SmbiosString **pointers = g_new(const SmbiosString *, n_strings);

	for (guint i = 0; i < n_strings; i++)
		pointers[i] = &strings[i];
	return pointers;
}

static SmbiosTables make_with(const SmbiosString *strings, guint n_strings)
{
	g_autofree const SmbiosString **pointers = pointers_to(strings, n_strings);
	SmbiosConfig config = plain_config();

	config.strings = pointers;
	config.n_strings = n_strings;
	return make(&config);
}

static Structure structure_at(const guint8 *data, const guint8 *end)
{
	Structure structure = { .data = data };
	const guint8 *at;

	g_assert_cmpuint(end - data, >=, 6);
	g_assert_cmpuint(data[1], >=, 4);
	at = data + data[1];
	structure.strings = (const char *)at;
	while (at[0] || at[1]) {
		at++;
		g_assert_true(at + 1 < end);
	}
	structure.next = at + 2;
	return structure;
}

/* The @index-th structure of a type; with no data where there is none. */
static Structure find(const SmbiosTables *smbios, guint8 type, guint index)
{
	gsize size;
	const guint8 *data = g_bytes_get_data(smbios->tables, &size), *end = data + size;

	while (data < end) {
		Structure structure = structure_at(data, end);

		if (structure.data[0] == type && index-- == 0)
			return structure;
		data = structure.next;
	}
	return (Structure){ 0 };
}

/* The string whose number is at an offset; NULL for none. */
static const char *string_at(const Structure *structure, guint offset)
{
	guint number = structure->data[offset];
	const char *string = structure->strings;

	if (number == 0)
		return NULL;
	while (--number > 0)
		string += strlen(string) + 1;
	return string;
}

static void test_entry_point(void)
{
	SmbiosConfig config = plain_config();
	g_auto(SmbiosTables) smbios = make(&config);
	gsize anchor_size, size, largest = 0, count = 0;
	const guint8 *anchor = g_bytes_get_data(smbios.anchor, &anchor_size);
	const guint8 *data = g_bytes_get_data(smbios.tables, &size), *end = data + size;

	g_assert_cmpuint(anchor_size, ==, 0x1f);
	g_assert_cmpmem(anchor, 4, "_SM_", 4);
	g_assert_cmpuint(anchor[5], ==, 0x1f);
	g_assert_cmpuint(anchor[6], ==, 2);
	g_assert_cmpuint(anchor[7], ==, 8);
	g_assert_cmpmem(anchor + 0x10, 5, "_DMI_", 5);
	g_assert_cmpuint(sum(anchor, 0x1f), ==, 0);
	g_assert_cmpuint(sum(anchor + 0x10, 0xf), ==, 0);
	g_assert_cmpuint(get(anchor, 0x16, 2), ==, size);
	while (data < end) {
		Structure structure = structure_at(data, end);

		largest = MAX(largest, (gsize)(structure.next - data));
		data = structure.next;
		count++;
	}
	g_assert_cmpuint(get(anchor, 8, 2), ==, largest);
	g_assert_cmpuint(get(anchor, 0x1c, 2), ==, count);
}

static void test_defaults(void)
{
	SmbiosConfig config = plain_config();
	g_auto(SmbiosTables) smbios = make(&config);
	Structure system = find(&smbios, 1, 0), chassis = find(&smbios, 3, 0);
	static const guint8 swapped[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

	g_assert_cmpstr(string_at(&system, 4), ==, "libvirt-gmem");
	g_assert_cmpstr(string_at(&system, 5), ==, "q35");
	g_assert_null(string_at(&system, 7));
	g_assert_cmpmem(system.data + 8, 16, swapped, 16);
	g_assert_cmpstr(string_at(&chassis, 4), ==, "libvirt-gmem");
	/* Firmware says itself who it is; a board and strings are there when something is said. */
	g_assert_null(find(&smbios, 0, 0).data);
	g_assert_null(find(&smbios, 2, 0).data);
	g_assert_null(find(&smbios, 11, 0).data);
	g_assert_nonnull(find(&smbios, 32, 0).data);
	g_assert_nonnull(find(&smbios, 127, 0).data);
}

static void test_processors(void)
{
	SmbiosConfig config = plain_config();
	g_auto(SmbiosTables) smbios = make(&config);

	for (guint i = 0; i < 2; i++) {
		g_autofree char *socket = g_strdup_printf("CPU %u", i);
		Structure processor = find(&smbios, 4, i);

		g_assert_cmpuint(get(processor.data, 2, 2), ==, 0x400 + i);
		g_assert_cmpstr(string_at(&processor, 4), ==, socket);
		g_assert_cmphex(get(processor.data, 8, 8), ==, config.processor_id);
		g_assert_cmpuint(processor.data[0x23], ==, 4);
		g_assert_cmpuint(processor.data[0x25], ==, 8);
	}
	g_assert_null(find(&smbios, 4, 2).data);
}

static void test_memory(void)
{
	SmbiosConfig config = plain_config();
	g_auto(SmbiosTables) smbios = make(&config);
	Structure array = find(&smbios, 16, 0);

	g_assert_cmpuint(get(array.data, 7, 4), ==, 20 * GIB / 1024);
	g_assert_cmpuint(get(array.data, 13, 2), ==, 2);
	g_assert_cmpuint(get(find(&smbios, 17, 0).data, 12, 2), ==, 16384);
	g_assert_cmpuint(get(find(&smbios, 17, 1).data, 12, 2), ==, 4096);
	g_assert_null(find(&smbios, 17, 2).data);
	g_assert_cmpuint(get(find(&smbios, 19, 0).data, 4, 4), ==, 0);
	g_assert_cmpuint(get(find(&smbios, 19, 0).data, 8, 4), ==, 2 * MIB - 1);
	g_assert_cmpuint(get(find(&smbios, 19, 1).data, 4, 4), ==, 4 * MIB);
	g_assert_cmpuint(get(find(&smbios, 19, 1).data, 8, 4), ==, 22 * MIB - 1);
}

/* What takes most room: the largest machine, each processor in a socket of its own. */
static void test_large_machine(void)
{
	SmbiosConfig config = plain_config();
	guint64 size = 0;
	guint modules = 0;

	config.ram_high_end = 4098 * GIB;
	config.sockets = 240;
	g_auto(SmbiosTables) smbios = make(&config);
	Structure array = find(&smbios, 16, 0);

	g_assert_cmphex(get(array.data, 7, 4), ==, 0x80000000);
	g_assert_cmpuint(get(array.data, 15, 8), ==, 4096 * GIB);
	for (; find(&smbios, 17, modules).data; modules++) {
		const guint8 *module = find(&smbios, 17, modules).data;

		g_assert_cmphex(get(module, 12, 2), ==, 0x7fff);
		size += get(module, 0x1c, 4) * MIB;
	}
	g_assert_cmpuint(modules, ==, 64);
	g_assert_cmpuint(size, ==, 4096 * GIB);
	g_assert_cmpuint(get(array.data, 13, 2), ==, modules);
	g_assert_cmphex(get(find(&smbios, 19, 1).data, 4, 4), ==, 0xffffffff);
	g_assert_cmphex(get(find(&smbios, 19, 1).data, 8, 4), ==, 0xffffffff);
	g_assert_cmpuint(get(find(&smbios, 19, 1).data, 15, 8), ==, 4 * GIB);
	g_assert_cmpuint(get(find(&smbios, 19, 1).data, 23, 8), ==, 4098 * GIB - 1);
	g_assert_cmpuint(get(find(&smbios, 4, 239).data, 2, 2), ==, 0x400 + 239);
	/* A domain's own strings, 32 KiB at most, find room beside. */
	g_assert_cmpuint(g_bytes_get_size(smbios.tables), <, 32 * 1024);
}

static void test_fields(void)
{
	static const SmbiosString fields[] = {
		{ 0, "vendor", "Somebody" },
		{ 0, "date", "04/01/2014" },
		{ 0, "release", "1.16" },
		{ 1, "manufacturer", "First" },
		{ 1, "manufacturer", "Second" },
		{ 1, "serial", "" },
		{ 1, "uuid", "ffeeddcc-bbaa-9988-7766-554433221100" },
		{ 2, "location", "here" },
		{ 3, "asset", "A1" },
		{ 4, "version", "V" },
		{ 11, "value", "one" },
		{ 17, "part", "P" },
		{ 11, "value", "two" },
	};
	g_auto(SmbiosTables) smbios = make_with(fields, G_N_ELEMENTS(fields));
	Structure firmware = find(&smbios, 0, 0), system = find(&smbios, 1, 0);
	Structure board = find(&smbios, 2, 0), chassis = find(&smbios, 3, 0);
	Structure processor = find(&smbios, 4, 1), strings = find(&smbios, 11, 0);
	Structure module = find(&smbios, 17, 1);

	g_assert_cmpstr(string_at(&firmware, 4), ==, "Somebody");
	g_assert_null(string_at(&firmware, 5));
	g_assert_cmpstr(string_at(&firmware, 8), ==, "04/01/2014");
	g_assert_cmpuint(firmware.data[0x14], ==, 1);
	g_assert_cmpuint(firmware.data[0x15], ==, 16);
	g_assert_cmpstr(string_at(&system, 4), ==, "Second");
	g_assert_null(string_at(&system, 7));
	g_assert_cmphex(get(system.data, 8, 8), ==, 0x9988bbaaffeeddcc);
	g_assert_cmpstr(string_at(&board, 4), ==, "libvirt-gmem");
	g_assert_cmpstr(string_at(&board, 10), ==, "here");
	g_assert_cmphex(get(board.data, 11, 2), ==, get(chassis.data, 2, 2));
	g_assert_cmpstr(string_at(&chassis, 8), ==, "A1");
	g_assert_cmpstr(string_at(&processor, 0x10), ==, "V");
	g_assert_cmpuint(strings.data[4], ==, 2);
	g_assert_cmpstr(strings.strings, ==, "one");
	g_assert_cmpstr(strings.strings + 4, ==, "two");
	g_assert_cmpstr(string_at(&module, 0x1a), ==, "P");
}

static void assert_refused(guint8 type, const char *field, const char *value, const char *words)
{
	const SmbiosString string = { type, field, value };
	const SmbiosString *const strings[] = { &string };
	SmbiosConfig config = plain_config();
	g_autoptr(GError) error = NULL;
	SmbiosTables smbios = { 0 };

	config.strings = strings;
	config.n_strings = 1;
	g_assert_false(smbios_tables_init(&smbios, &config, &error));
	g_assert_error(error, SMBIOS_ERROR, SMBIOS_ERROR_FIELD);
	if (!strstr(error->message, words))
		g_error("'%s', and not '%s'", error->message, words);
}

static void test_what_is_no_field(void)
{
	g_autofree char *endless = g_strnfill(SMBIOS_MAX_STRING + 1, 'x');
	static const char *const dates[] = {
		"2014-04-01", "13/01/2014", "00/01/2014", "4/1/2014",
		"04/01/14/1", "04/32/2014", "",		  "+1/01/2014"
	};
	static const char *const releases[] = { "1", "1.2.3", "256.0", "-1.0", "", "1.x" };

	assert_refused(1, "colour", "red", "SMBIOS type 1 has no field 'colour'");
	assert_refused(5, "vendor", "x", "SMBIOS type 5 has no field 'vendor'");
	assert_refused(1, "uuid", "0011", "type 1, uuid: '0011' is not a UUID");
	assert_refused(1, "serial", endless, "type 1, serial: 1025 bytes");
	assert_refused(11, "value", "", "is not a string that is not empty");
	for (guint i = 0; i < G_N_ELEMENTS(dates); i++)
		assert_refused(0, "date", dates[i], "is not a date such as");
	for (guint i = 0; i < G_N_ELEMENTS(releases); i++)
		assert_refused(0, "release", releases[i], "is not a release such as");
}

static void assert_too_much(guint strings, gsize length)
{
	g_autofree char *text = g_strnfill(length, 'x');
	const SmbiosString string = { 11, "value", text };
	g_autofree const SmbiosString **pointers = g_new(const SmbiosString *, strings);
	SmbiosConfig config = plain_config();
	g_autoptr(GError) error = NULL;
	SmbiosTables smbios = { 0 };

	for (guint i = 0; i < strings; i++)
		pointers[i] = &string;
	config.strings = pointers;
	config.n_strings = strings;
	g_assert_false(smbios_tables_init(&smbios, &config, &error));
	g_assert_error(error, SMBIOS_ERROR, SMBIOS_ERROR_SIZE);
	g_assert_null(smbios.tables);
}

static void test_too_much(void)
{
	assert_too_much(256, 1);
	assert_too_much(255, 300);
}

/* A dump as dmidecode takes it: the entry point, and the tables where it says they are. */
static void test_dmidecode(void)
{
	static const SmbiosString fields[] = {
		{ 0, "vendor", "Somebody" }, { 2, "serial", "B1" },    { 1, "family", "Machines" },
		{ 3, "sku", "S" },	     { 11, "value", "hello" },
	};
	static const char *const words[] = {
		"SMBIOS 2.8 present",
		"Vendor: Somebody",
		"Family: Machines",
		"UUID: 00112233-4455-6677-8899-aabbccddeeff",
		"SKU Number: S",
		"String 1: hello",
		"Core Count: 4",
		"Thread Count: 8",
		"Size: 16 GB",
		"Maximum Capacity: 20 GB",
		"Ending Address: 0x0057FFFFFFF",
		"End Of Table",
	};
	g_autofree char *dmidecode = g_find_program_in_path("dmidecode");
	g_auto(SmbiosTables) smbios = { 0 };
	g_autoptr(GByteArray) dump = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = NULL, *path = NULL, *said = NULL;
	const char *command[] = { dmidecode, "--from-dump", NULL, NULL };
	gsize size;

	if (!dmidecode) {
		g_test_skip("dmidecode is not installed");
		return;
	}
	smbios = make_with(fields, G_N_ELEMENTS(fields));
	g_byte_array_append(dump, g_bytes_get_data(smbios.anchor, NULL), 0x1f);
	g_byte_array_set_size(dump, 0x20);
	dump->data[0x1f] = 0;
	dump->data[0x18] = 0x20;
	dump->data[0x15] -= 0x20;
	/* The whole sum stays as it was: the second checksum is a part of it. */
	g_byte_array_append(dump, g_bytes_get_data(smbios.tables, &size),
			    g_bytes_get_size(smbios.tables));
	folder = g_dir_make_tmp("smbios-test-XXXXXX", &error);
	g_assert_no_error(error);
	path = g_build_filename(folder, "dump", NULL);
	g_file_set_contents(path, (const char *)dump->data, dump->len, &error);
	g_assert_no_error(error);
	command[2] = path;
	g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &said,
		     NULL, NULL, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		if (!strstr(said, words[i]))
			g_error("no '%s' in:\n%s", words[i], said);
	}
	if (strstr(said, "OUT OF SPEC") || strstr(said, "TRUNCATED") || strstr(said, "Wrong"))
		g_error("%s", said);
	remove_tree(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/smbios/entry-point", test_entry_point);
	g_test_add_func("/smbios/defaults", test_defaults);
	g_test_add_func("/smbios/processors", test_processors);
	g_test_add_func("/smbios/memory", test_memory);
	g_test_add_func("/smbios/large-machine", test_large_machine);
	g_test_add_func("/smbios/fields", test_fields);
	g_test_add_func("/smbios/what-is-no-field", test_what_is_no_field);
	g_test_add_func("/smbios/too-much", test_too_much);
	g_test_add_func("/smbios/dmidecode", test_dmidecode);

	return g_test_run();
}
