/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* option-values.c - what the texts of gmem-vmm's options mean */
#include "vmm/option-values.h"

#include <glib/gi18n.h>
#include <string.h>
#include <time.h>

#include "vmm/boot/smbios-string.h"
#include "vmm/kvm/cpu-features.h"
#include "vmm/machine/devices.h"

/* 9999-12-31 23:59:59 UTC: the RTC has four digits for the year. */
#define RTC_LAST_SECOND	     G_GINT64_CONSTANT(253402300799)

#define DISTANCE_LOCAL	     10
#define DISTANCE_REMOTE	     20
#define DISTANCE_UNREACHABLE 255

gboolean option_bad_value(GError **error, const char *option, const char *value, const char *reason)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%s: %s", option, value,
		    reason);
	return FALSE;
}

gboolean option_parse_number(const char *text, guint64 maximum, guint64 *number)
{
	gboolean is_hexadecimal = g_str_has_prefix(text, "0x");

	return g_ascii_string_to_unsigned(is_hexadecimal ? text + 2 : text,
					  is_hexadecimal ? 16 : 10, 0, maximum, number, NULL);
}

gboolean option_parse_uuid(const char *option, const char *text, guint8 uuid[16], GError **error)
{
	guint digits = 0;

	if (!g_uuid_string_is_valid(text))
		return option_bad_value(error, option, text, _("not a UUID"));
	for (const char *c = text; *c; c++) {
		if (*c == '-')
			continue;
		uuid[digits / 2] = uuid[digits / 2] << 4 | g_ascii_xdigit_value(*c);
		digits++;
	}
	return TRUE;
}

/* RTC */

static gboolean parse_rtc_offset(const char *text, gint64 now, gint64 *offset)
{
	time_t seconds = now;
	struct tm local;
	guint64 number;

	if (strcmp(text, "utc") == 0) {
		*offset = 0;
		return TRUE;
	}
	if (strcmp(text, "localtime") == 0) {
		*offset = localtime_r(&seconds, &local) ? local.tm_gmtoff : 0;
		return TRUE;
	}
	if (!*text || !strchr("+-@", *text) ||
	    !g_ascii_string_to_unsigned(text + 1, 10, 0, RTC_LAST_SECOND, &number, NULL))
		return FALSE;
	*offset = (gint64)number;
	if (*text == '-')
		*offset = -*offset;
	else if (*text == '@')
		*offset -= now;
	return TRUE;
}

gboolean option_parse_rtc_base(const char *text, gint64 now, gint64 *offset, GError **error)
{
	if (!parse_rtc_offset(text, now, offset))
		return option_bad_value(
			error, "rtc-base", text,
			_("'utc', 'localtime', +SECONDS, -SECONDS or @EPOCH is wanted"));
	if (now + *offset < 0 || now + *offset > RTC_LAST_SECOND)
		return option_bad_value(error, "rtc-base", text,
					_("the clock can show the years 1970 to 9999"));
	return TRUE;
}

guint option_parse_tsc_frequency(const char *text, GError **error)
{
	guint64 hz;

	/* KVM gives frequencies back as an int. */
	if (!option_parse_number(text, (guint64)G_MAXINT * 1000, &hz) || hz < 1000) {
		option_bad_value(error, "tsc-frequency", text,
				 _("a frequency in Hz is wanted, 1000 or more"));
		return 0;
	}
	return hz / 1000;
}

/* Lists of fields */

/* Splits at commas; two in a row are one that belongs to the text. */
static char **split_list(const char *text)
{
	GPtrArray *parts = g_ptr_array_new();
	GString *part = g_string_new(NULL);

	for (const char *c = text; *c; c++) {
		if (*c != ',') {
			g_string_append_c(part, *c);
		} else if (c[1] == ',') {
			g_string_append_c(part, *c++);
		} else {
			g_ptr_array_add(parts, g_string_free(part, FALSE));
			part = g_string_new(NULL);
		}
	}
	g_ptr_array_add(parts, g_string_free(part, FALSE));
	g_ptr_array_add(parts, NULL);
	return (char **)g_ptr_array_free(parts, FALSE);
}

static gboolean bad_field(GError **error, const char *option, const char *text, const char *field,
			  const char *reason)
{
	g_autofree char *whole = g_strdup_printf(_("'%s': %s"), field, reason);

	return option_bad_value(error, option, text, whole);
}

/* One FIELD=VALUE of a list. */
typedef struct {
	const char *name;
	const char *value; /* NULL until it is found */
} Field;

/*
 * Cuts each of @parts in two at its first '=', and lets the field of that name have what
 * follows. @fields ends with a name of NULL.
 */
static gboolean find_fields(const char *option, const char *text, char **parts, Field *fields,
			    GError **error)
{
	for (char **part = parts; *part; part++) {
		char *equals = strchr(*part, '=');
		Field *field = fields;

		if (!equals)
			return bad_field(error, option, text, *part, _("FIELD=VALUE is wanted"));
		*equals = '\0';
		while (field->name && strcmp(field->name, *part) != 0)
			field++;
		if (!field->name)
			return bad_field(error, option, text, *part, _("no such field"));
		if (field->value)
			return bad_field(error, option, text, *part, _("given twice"));
		field->value = equals + 1;
	}
	return TRUE;
}

/* SMBIOS */

static void free_smbios_string(gpointer data)
{
	SmbiosString *string = data;

	g_free((char *)string->field);
	g_free((char *)string->value);
	g_free(string);
}

GPtrArray *option_new_smbios(void)
{
	return g_ptr_array_new_with_free_func(free_smbios_string);
}

/* Only the field of type 11 may come more than once. */
static const struct {
	guint8 type;
	const char *fields; /* with commas between */
} smbios_types[] = {
	{ 0, "vendor,version,date,release" },
	{ 1, "manufacturer,product,version,serial,uuid,sku,family" },
	{ 2, "manufacturer,product,version,serial,asset,location" },
	{ 3, "manufacturer,version,serial,asset,sku" },
	{ 4, "manufacturer,version,serial,asset,part" },
	{ 11, "value" },
	{ 17, "manufacturer,serial,asset,part" },
};

#define SMBIOS_OEM_STRINGS 11

static gboolean has_smbios_field(const GPtrArray *strings, guint8 type, const char *field)
{
	for (guint i = 0; i < strings->len; i++) {
		const SmbiosString *string = g_ptr_array_index(strings, i);

		if (string->type == type && strcmp(string->field, field) == 0)
			return TRUE;
	}
	return FALSE;
}

/* The release has two parts of a byte each: 4.2 */
static gboolean is_release(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ".", -1);

	return g_strv_length(parts) == 2 &&
	       g_ascii_string_to_unsigned(parts[0], 10, 0, 255, NULL, NULL) &&
	       g_ascii_string_to_unsigned(parts[1], 10, 0, 255, NULL, NULL);
}

static gboolean add_smbios_string(const char *text, guint8 type, char **fields, char *part,
				  GPtrArray *strings, GError **error)
{
	char *equals = strchr(part, '=');
	SmbiosString *string;

	if (!equals)
		return bad_field(error, "smbios", text, part, _("FIELD=VALUE is wanted"));
	*equals = '\0';
	if (!g_strv_contains((const char *const *)fields, part))
		return bad_field(error, "smbios", text, part, _("this type has no such field"));
	if (type != SMBIOS_OEM_STRINGS && has_smbios_field(strings, type, part))
		return bad_field(error, "smbios", text, part, _("given twice"));
	if (strcmp(part, "uuid") == 0 && !g_uuid_string_is_valid(equals + 1))
		return bad_field(error, "smbios", text, equals + 1, _("not a UUID"));
	if (strcmp(part, "release") == 0 && !is_release(equals + 1))
		return bad_field(error, "smbios", text, equals + 1,
				 _("a release such as 4.2 is wanted"));
	string = g_new0(SmbiosString, 1);
	string->type = type;
	string->field = g_strdup(part);
	string->value = g_strdup(equals + 1);
	g_ptr_array_add(strings, string);
	return TRUE;
}

gboolean option_parse_smbios(const char *text, GPtrArray *strings, GError **error)
{
	g_auto(GStrv) parts = split_list(text);
	g_auto(GStrv) fields = NULL;
	guint64 type;

	if (option_parse_number(parts[0], G_MAXUINT8, &type)) {
		for (gsize i = 0; i < G_N_ELEMENTS(smbios_types) && !fields; i++) {
			if (smbios_types[i].type == type)
				fields = g_strsplit(smbios_types[i].fields, ",", -1);
		}
	}
	if (!fields)
		return option_bad_value(error, "smbios", text,
					_("a type is wanted first: 0 to 4, 11 or 17"));
	if (!parts[1])
		return option_bad_value(error, "smbios", text,
					_("at least one FIELD=VALUE is wanted"));
	for (char **part = parts + 1; *part; part++) {
		if (!add_smbios_string(text, type, fields, *part, strings, error))
			return FALSE;
	}
	return TRUE;
}

/* Processors */

static gboolean has_choice(const GArray *choices, const char *name)
{
	for (guint i = 0; i < choices->len; i++) {
		if (strcmp(g_array_index(choices, CpuFeatureChoice, i).feature.name, name) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean add_choice(const char *text, const char *part, GArray *choices, GError **error)
{
	CpuFeatureChoice choice = { .is_required = part[0] == '+' };
	const char *name = part + 1;

	if (part[0] != '+' && part[0] != '-')
		return bad_field(error, "cpu", text, part, _("+FEATURE or -FEATURE is wanted"));
	if (!cpu_feature_find(name, &choice.feature))
		return bad_field(error, "cpu", text, name,
				 _("no CPU feature of that name can be chosen"));
	if (choice.is_required && (strcmp(name, "vmx") == 0 || strcmp(name, "svm") == 0))
		return bad_field(error, "cpu", text, name,
				 _("never offered: KVM does not support nested virtualization in "
				   "software-protected VMs"));
	if (has_choice(choices, name))
		return bad_field(error, "cpu", text, name, _("given twice"));
	g_array_append_val(choices, choice);
	return TRUE;
}

gboolean option_parse_cpu(const char *text, GArray *choices, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);

	/* An empty text has no parts. */
	if (g_strcmp0(parts[0], "host") != 0)
		return option_bad_value(error, "cpu", text, _("the only model is 'host'"));
	for (char **part = parts + 1; *part; part++) {
		if (!add_choice(text, *part, choices, error))
			return FALSE;
	}
	return TRUE;
}

gboolean option_parse_topology(const char *text, guint vcpus, CpuTopology *topology, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);
	g_autoptr(GError) wrong = NULL;
	guint *const numbers[] = { &topology->sockets, &topology->dies, &topology->cores,
				   &topology->threads };
	Field fields[] = { { .name = "sockets" },
			   { .name = "dies" },
			   { .name = "cores" },
			   { .name = "threads" },
			   { .name = NULL } };

	if (!find_fields("cpu-topology", text, parts, fields, error))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		guint64 number = 1;

		if (fields[i].value &&
		    (!option_parse_number(fields[i].value, VCPU_MAX, &number) || number == 0))
			return bad_field(error, "cpu-topology", text, fields[i].name,
					 _("a number from 1 to 240 is wanted"));
		*numbers[i] = number;
	}
	if (!cpuid_check_topology(topology, vcpus, &wrong))
		return option_bad_value(error, "cpu-topology", text, wrong->message);
	return TRUE;
}

/* NUMA */

/* A list such as 0-2:5, all below @count. */
static gboolean parse_cpus(const char *list, guint count, CpuSet *cpus)
{
	g_auto(GStrv) ranges = g_strsplit(list, ":", -1);

	*cpus = (CpuSet){ 0 };
	for (char **range = ranges; *range; range++) {
		char *dash = strchr(*range, '-');
		guint64 first, last;

		if (dash)
			*dash = '\0';
		if (!g_ascii_string_to_unsigned(*range, 10, 0, count - 1, &first, NULL))
			return FALSE;
		last = first;
		if (dash &&
		    !g_ascii_string_to_unsigned(dash + 1, 10, first, count - 1, &last, NULL))
			return FALSE;
		for (guint64 cpu = first; cpu <= last; cpu++)
			cpu_set_add(cpus, cpu);
	}
	return !cpu_set_is_empty(cpus);
}

/* The row of cell @own among @count. */
static gboolean parse_distances(const char *list, guint own, guint count, guint8 *distances)
{
	g_auto(GStrv) numbers = g_strsplit(list, ":", -1);

	if (g_strv_length(numbers) != count)
		return FALSE;
	for (guint i = 0; i < count; i++) {
		guint maximum = i == own ? DISTANCE_LOCAL : DISTANCE_UNREACHABLE;
		guint64 number;

		if (!g_ascii_string_to_unsigned(numbers[i], 10, DISTANCE_LOCAL, maximum, &number,
						NULL))
			return FALSE;
		distances[i] = number;
	}
	return TRUE;
}

static gboolean parse_cell_memory(const char *text, guint64 *bytes)
{
	guint64 kib;

	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, MEMORY_MAX_SIZE >> 10, &kib, NULL))
		return FALSE;
	*bytes = kib << 10;
	return *bytes % GUEST_PAGE_SIZE == 0;
}

static gboolean parse_numa_cell(const char *text, guint own, guint count, guint vcpus,
				MachineNumaCell *cell, gboolean *has_distances, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);
	Field fields[] = {
		{ .name = "cpus" }, { .name = "memory" }, { .name = "distances" }, { .name = NULL }
	};

	if (!find_fields("numa-cell", text, parts, fields, error))
		return FALSE;
	if (fields[0].value && !parse_cpus(fields[0].value, vcpus, &cell->cpus))
		return bad_field(error, "numa-cell", text, "cpus",
				 _("processors such as 0-1:3 are wanted, below --vcpus"));
	if (!parse_cell_memory(fields[1].value, &cell->memory_size))
		return bad_field(error, "numa-cell", text, "memory",
				 _("a number of KiB is wanted, in whole pages of 4"));
	for (guint i = 0; i < count; i++)
		cell->distances[i] = i == own ? DISTANCE_LOCAL : DISTANCE_REMOTE;
	if (!fields[2].value)
		return TRUE;
	*has_distances = TRUE;
	return parse_distances(fields[2].value, own, count, cell->distances) ||
	       bad_field(error, "numa-cell", text, "distances",
			 _("one from 10 to 255 for each cell is wanted, 10 for the cell itself"));
}

gboolean option_parse_numa_cells(char **texts, guint vcpus, guint64 memory_size, GArray *cells,
				 gboolean *has_distances, GError **error)
{
	guint count = texts ? g_strv_length(texts) : 0;
	CpuSet cpus = { 0 };
	guint64 memory = 0;

	*has_distances = FALSE;
	if (count == 0)
		return TRUE;
	if (count > LIMIT_NUMA_CELLS)
		return option_bad_value(error, "numa-cell", texts[LIMIT_NUMA_CELLS],
					_("64 cells are the most"));
	for (guint i = 0; i < count; i++) {
		MachineNumaCell cell = { 0 };

		if (!parse_numa_cell(texts[i], i, count, vcpus, &cell, has_distances, error))
			return FALSE;
		if (cpu_set_intersects(&cpus, &cell.cpus))
			return option_bad_value(error, "numa-cell", texts[i],
						_("a processor is in another cell already"));
		cpu_set_unite(&cpus, &cell.cpus);
		/* 64 times 4 TiB is the most. */
		memory += cell.memory_size;
		g_array_append_val(cells, cell);
	}
	if (cpu_set_first_missing(&cpus) < vcpus)
		return option_bad_value(error, "numa-cell", texts[count - 1],
					_("not every processor is in a cell"));
	if (memory != memory_size)
		return option_bad_value(error, "numa-cell", texts[count - 1],
					_("all cells' memory together is not --memory"));
	return TRUE;
}

/* Devices */

/* Return: a new reference, or NULL with @error set. */
JsonObject *option_parse_device(const char *text, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) cause = NULL;
	g_autofree char *message = NULL;
	JsonNode *root;

	if (!g_utf8_validate(text, -1, NULL)) {
		option_bad_value(error, "device", text, _("this is not UTF-8"));
		return NULL;
	}
	if (!json_parser_load_from_data(parser, text, -1, &cause)) {
		message = g_strdup_printf(_("this is not JSON: %s"), cause->message);
		option_bad_value(error, "device", text, message);
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		option_bad_value(error, "device", text, _("a JSON object is wanted"));
		return NULL;
	}
	/* The message says which device it is. */
	if (!devices_check(json_node_get_object(root), &cause)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: %s", "device",
			    cause->message);
		return NULL;
	}
	return json_node_dup_object(root);
}
