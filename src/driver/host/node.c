/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * node.c - the host machine: processors, memory, NUMA nodes
 */
#include "driver/host/node.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>

#include "driver/error.h"

/* What a list of processors may name at most: more than Linux can be built for. */
#define MAX_CPU_ID 65535

static char *read_text(const char *root, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Return: the file's text without blanks at its ends, or NULL when there is no such file. */
static char *read_text(const char *root, const char *format, ...)
{
	g_autofree char *relative = NULL;
	g_autofree char *path = NULL;
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	relative = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	path = g_build_filename(root, relative, NULL);
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	return g_strstrip(text);
}

static gboolean parse_uint(const char *text, guint *value)
{
	guint64 number = 0;

	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &number, NULL))
		return FALSE;
	*value = (guint)number;
	return TRUE;
}

/* "0-3,8": sysfs' lists. Return: guints, ascending; empty for what is no such list. */
static GArray *parse_list(const char *text)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
	g_auto(GStrv) ranges = text ? g_strsplit(text, ",", -1) : NULL;

	for (guint i = 0; ranges && ranges[i]; i++) {
		g_auto(GStrv) ends = g_strsplit(ranges[i], "-", 2);
		guint first = 0;
		guint last = 0;

		if (!parse_uint(ends[0], &first))
			continue;
		if (!ends[1])
			last = first;
		else if (!parse_uint(ends[1], &last))
			continue;
		for (guint id = first; id <= last && id <= MAX_CPU_ID; id++)
			g_array_append_val(list, id);
	}

	return list;
}

static gboolean list_contains(const GArray *list, guint wanted)
{
	for (guint i = 0; i < list->len; i++)
		if (g_array_index(list, guint, i) == wanted)
			return TRUE;
	return FALSE;
}

/* Finds "NAME: number" in a meminfo, the line's end "kB" left out. */
static gboolean meminfo_value(const char *text, const char *name, guint64 *kib)
{
	g_autofree char *pattern = g_strconcat(name, ":", NULL);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (guint i = 0; lines[i]; i++) {
		const char *at = strstr(lines[i], pattern);

		/* "Node 0 MemFree:" for nodes, "MemFree:" for the host, never "XMemFree:". */
		if (!at || (at != lines[i] && at[-1] != ' '))
			continue;
		*kib = g_ascii_strtoull(at + strlen(pattern), NULL, 10);
		return TRUE;
	}

	return FALSE;
}

static gboolean missing(GError **error, const char *what)
{
	return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("cannot read %s"), what);
}

static void free_cell(gpointer data)
{
	NodeCell *cell = data;

	g_array_unref(cell->cpus);
	g_array_unref(cell->distances);
	g_free(cell);
}

static void free_cpu(gpointer data)
{
	NodeCpu *cpu = data;

	g_free(cpu->siblings);
	g_free(cpu);
}

void node_info_free(NodeInfo *info)
{
	if (!info)
		return;
	g_clear_pointer(&info->cells, g_ptr_array_unref);
	g_clear_pointer(&info->cpu_list, g_ptr_array_unref);
	g_free(info->vendor);
	g_free(info);
}

static guint read_topology(const char *root, guint cpu, const char *name)
{
	g_autofree char *text = read_text(root, "sys/devices/system/cpu/cpu%u/topology/%s", cpu,
					  name);
	guint value = 0;

	/* Absent and -1 mean that the machine has no such level. */
	return parse_uint(text, &value) ? value : 0;
}

static gboolean read_cpus(const char *root, NodeInfo *info, GError **error)
{
	g_autofree char *present_text = read_text(root, "sys/devices/system/cpu/present");
	g_autofree char *online_text = read_text(root, "sys/devices/system/cpu/online");
	g_autoptr(GArray) present = parse_list(present_text);
	g_autoptr(GArray) online = parse_list(online_text);

	if (present->len == 0 || online->len == 0)
		return missing(error, "/sys/devices/system/cpu/{present,online}");

	for (guint i = 0; i < present->len; i++) {
		NodeCpu *cpu = g_new0(NodeCpu, 1);

		cpu->id = g_array_index(present, guint, i);
		cpu->online = list_contains(online, cpu->id);
		if (cpu->online) {
			cpu->socket = read_topology(root, cpu->id, "physical_package_id");
			cpu->die = read_topology(root, cpu->id, "die_id");
			cpu->cluster = read_topology(root, cpu->id, "cluster_id");
			cpu->core = read_topology(root, cpu->id, "core_id");
			cpu->siblings = read_text(
				root, "sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
				cpu->id);
			if (!cpu->siblings || !*cpu->siblings) {
				g_free(cpu->siblings);
				cpu->siblings = g_strdup_printf("%u", cpu->id);
			}
			info->cpus++;
		}
		g_ptr_array_add(info->cpu_list, cpu);
	}

	return TRUE;
}

static const NodeCpu *find_cpu(const NodeInfo *info, guint id)
{
	for (guint i = 0; i < info->cpu_list->len; i++) {
		const NodeCpu *cpu = info->cpu_list->pdata[i];

		if (cpu->id == id)
			return cpu;
	}
	return NULL;
}

static NodeCell *add_cell(NodeInfo *info, guint id)
{
	NodeCell *cell = g_new0(NodeCell, 1);

	cell->id = id;
	cell->cpus = g_array_new(FALSE, FALSE, sizeof(guint));
	cell->distances = g_array_new(FALSE, FALSE, sizeof(guint));
	g_ptr_array_add(info->cells, cell);
	return cell;
}

static void read_distances(const char *root, NodeCell *cell)
{
	g_autofree char *text = read_text(root, "sys/devices/system/node/node%u/distance",
					  cell->id);
	g_auto(GStrv) words = text ? g_strsplit(text, " ", -1) : NULL;
	guint distance = 0;

	for (guint i = 0; words && words[i]; i++)
		if (parse_uint(words[i], &distance))
			g_array_append_val(cell->distances, distance);
}

static void read_cell(const char *root, NodeInfo *info, guint id)
{
	NodeCell *cell = add_cell(info, id);
	g_autofree char *cpus = read_text(root, "sys/devices/system/node/node%u/cpulist", id);
	g_autofree char *memory = read_text(root, "sys/devices/system/node/node%u/meminfo", id);
	g_autoptr(GArray) list = parse_list(cpus);

	for (guint i = 0; i < list->len; i++) {
		guint cpu = g_array_index(list, guint, i);
		const NodeCpu *known = find_cpu(info, cpu);

		if (known && known->online)
			g_array_append_val(cell->cpus, cpu);
	}

	if (memory) {
		meminfo_value(memory, "MemTotal", &cell->memory_kib);
		meminfo_value(memory, "MemFree", &cell->free_kib);
	}
	read_distances(root, cell);
}

static void read_cells(const char *root, NodeInfo *info, guint64 free_kib)
{
	g_autofree char *online = read_text(root, "sys/devices/system/node/online");
	g_autoptr(GArray) nodes = parse_list(online);

	for (guint i = 0; i < nodes->len; i++)
		read_cell(root, info, g_array_index(nodes, guint, i));

	/* A distance for each cell, or nobody can tell whose they are. */
	for (guint i = 0; i < info->cells->len; i++) {
		NodeCell *cell = info->cells->pdata[i];

		if (cell->distances->len != info->cells->len)
			g_array_set_size(cell->distances, 0);
	}

	if (info->cells->len == 0) {
		NodeCell *cell = add_cell(info, 0);

		cell->memory_kib = info->memory_kib;
		cell->free_kib = free_kib;
		for (guint i = 0; i < info->cpu_list->len; i++) {
			const NodeCpu *cpu = info->cpu_list->pdata[i];

			if (cpu->online)
				g_array_append_val(cell->cpus, cpu->id);
		}
	}
}

static int compare_uint64(gconstpointer a, gconstpointer b)
{
	const guint64 x = *(const guint64 *)a;
	const guint64 y = *(const guint64 *)b;

	return x < y ? -1 : x > y;
}

static guint count_distinct(GArray *values)
{
	guint count = 0;

	g_array_sort(values, compare_uint64);
	for (guint i = 0; i < values->len; i++)
		if (i == 0 ||
		    g_array_index(values, guint64, i) != g_array_index(values, guint64, i - 1))
			count++;
	return count;
}

/* The largest node, socket and core decide, as libvirt's do; the product tells whether the
 * host is regular. */
static void count_topology(NodeInfo *info)
{
	info->nodes = info->cells->len;

	for (guint i = 0; i < info->cells->len; i++) {
		const NodeCell *cell = info->cells->pdata[i];
		g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(guint64));
		g_autoptr(GArray) cores = g_array_new(FALSE, FALSE, sizeof(guint64));
		guint n_sockets = 0;
		guint n_cores = 0;

		for (guint j = 0; j < cell->cpus->len; j++) {
			const NodeCpu *cpu = find_cpu(info, g_array_index(cell->cpus, guint, j));
			guint64 socket = cpu->socket;
			/* Core numbers may repeat in the dies of a socket, and in sockets. */
			guint64 core = socket << 40 | (guint64)(cpu->die & 0xff) << 32 | cpu->core;

			g_array_append_val(sockets, socket);
			g_array_append_val(cores, core);
		}
		if (cell->cpus->len == 0)
			continue;

		n_sockets = count_distinct(sockets);
		n_cores = count_distinct(cores);
		info->sockets = MAX(info->sockets, n_sockets);
		info->cores = MAX(info->cores, n_cores / n_sockets);
		info->threads = MAX(info->threads, cell->cpus->len / n_cores);
	}

	if ((guint64)info->nodes * info->sockets * info->cores * info->threads !=
	    info->cpu_list->len) {
		info->nodes = 1;
		info->sockets = 1;
		info->cores = info->cpu_list->len;
		info->threads = 1;
	}
}

/* The value after the colon of the first line of that name. */
static char *cpuinfo_value(const char *text, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (guint i = 0; lines[i]; i++) {
		const char *colon = strchr(lines[i], ':');

		if (!colon || !g_str_has_prefix(lines[i], name) ||
		    strspn(lines[i] + strlen(name), " \t") !=
			    (gsize)(colon - lines[i]) - strlen(name))
			continue;
		return g_strstrip(g_strdup(colon + 1));
	}

	return NULL;
}

static void read_cpuinfo(const char *root, NodeInfo *info)
{
	g_autofree char *text = read_text(root, "proc/cpuinfo");
	g_autofree char *mhz = text ? cpuinfo_value(text, "cpu MHz") : NULL;
	g_autofree char *vendor = text ? cpuinfo_value(text, "vendor_id") : NULL;

	if (mhz)
		info->mhz = (guint)CLAMP(g_ascii_strtod(mhz, NULL), 0, 1000000);

	if (g_strcmp0(vendor, "GenuineIntel") == 0)
		info->vendor = g_strdup("Intel");
	else if (g_strcmp0(vendor, "AuthenticAMD") == 0)
		info->vendor = g_strdup("AMD");
	else
		info->vendor = g_steal_pointer(&vendor);
}

NodeInfo *node_info_read(const char *root, GError **error)
{
	g_autoptr(NodeInfo) info = g_new0(NodeInfo, 1);
	guint64 free_kib = 0;

	info->cells = g_ptr_array_new_with_free_func(free_cell);
	info->cpu_list = g_ptr_array_new_with_free_func(free_cpu);
	g_strlcpy(info->model, "x86_64", sizeof(info->model));

	if (!node_memory_stats(root, -1, &info->memory_kib, &free_kib, NULL, NULL, error) ||
	    !read_cpus(root, info, error))
		return NULL;

	read_cells(root, info, free_kib);
	count_topology(info);
	read_cpuinfo(root, info);
	return g_steal_pointer(&info);
}

guint node_cpu_map(const NodeInfo *info, guint8 **map, gsize *length, guint *online)
{
	const NodeCpu *last = info->cpu_list->pdata[info->cpu_list->len - 1];

	*length = last->id / 8 + 1;
	*map = g_malloc0(*length);
	*online = 0;
	for (guint i = 0; i < info->cpu_list->len; i++) {
		const NodeCpu *cpu = info->cpu_list->pdata[i];

		if (!cpu->online)
			continue;
		(*map)[cpu->id / 8] |= (guint8)(1 << (cpu->id % 8));
		(*online)++;
	}

	return last->id + 1;
}

gboolean node_free_memory(const char *root, guint64 *bytes, GError **error)
{
	guint64 free_kib = 0;

	if (!node_memory_stats(root, -1, NULL, &free_kib, NULL, NULL, error))
		return FALSE;
	*bytes = free_kib * 1024;
	return TRUE;
}

gboolean node_memory_stats(const char *root, int cell, guint64 *total, guint64 *free_kib,
			   guint64 *buffers, guint64 *cached, GError **error)
{
	g_autofree char *text = cell < 0 ? read_text(root, "proc/meminfo") :
					   read_text(root, "sys/devices/system/node/node%d/meminfo",
						     cell);
	const struct {
		const char *name;
		guint64 *value;
	} wanted[] = {
		{ "MemTotal", total },
		{ "MemFree", free_kib },
		{ "Buffers", cell < 0 ? buffers : NULL },
		{ "Cached", cell < 0 ? cached : NULL },
	};

	if (!text && cell >= 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("the host has no NUMA node %d"),
				    cell);
	if (!text)
		return missing(error, "/proc/meminfo");

	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
		if (wanted[i].value && !meminfo_value(text, wanted[i].name, wanted[i].value))
			return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("no %s in meminfo"),
					    wanted[i].name);

	return TRUE;
}
