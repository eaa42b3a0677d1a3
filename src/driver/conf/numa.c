/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numa.c - <cpu><numa>: cells with their vCPUs, memory and distances
 *
 * A cell's number is its place in the array, whatever the document's order. What the cells
 * must be together is checked with the whole model.
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

#define KIB_PER_PAGE 4

gpointer domain_copy_numa_cell(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return g_memdup2(data, sizeof(DomainNumaCell));
}

/* A parse that failed leaves cells out: NULL. */
static GPtrArray *cells_new(void)
{
	return g_ptr_array_new_with_free_func(g_free);
}

/* Between a cell and itself, and the longest; ACPI's SLIT has both (6.5, section 5.2.17). */
#define DISTANCE_LOCAL	     10
#define DISTANCE_UNREACHABLE 255

static void parse_cpus(XmlWalk *walk, xmlNode *node, DomainNumaCell *cell)
{
	const char *text = xml_walk_attribute(walk, node, "cpus");

	if (!text)
		return;
	if (!cpu_set_parse(text, DOMAIN_MAX_VCPUS, &cell->cpus))
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("attribute '%s' of element '%s' is '%s', not a set of vCPUs, as '0-1,3'"),
			"cpus", xml_walk_path(walk, node), xml_walk_quote(walk, text));
}

static void parse_distances(XmlWalk *walk, xmlNode *node, guint id, guint n_cells,
			    DomainNumaCell *cell)
{
	xmlNode *distances = xml_walk_child(walk, node, "distances");
	xmlNode *sibling = NULL;

	while ((sibling = xml_walk_next(walk, distances, sibling, "sibling"))) {
		const char *id_text = xml_walk_attribute_required(walk, sibling, "id");
		const char *value_text = xml_walk_attribute_required(walk, sibling, "value");
		guint64 other = 0;
		guint64 value = 0;

		if (!id_text || !value_text)
			return;
		if (!xml_walk_number(id_text, &other) || other >= n_cells) {
			xml_walk_error(
				walk, VIR_ERR_XML_ERROR,
				_("attribute '%s' of element '%s' is '%s', not a cell's number"),
				"id", xml_walk_path(walk, sibling), xml_walk_quote(walk, id_text));
			return;
		}
		if (!xml_walk_number(value_text, &value) || value < DISTANCE_LOCAL ||
		    value > DISTANCE_UNREACHABLE || (other == id) != (value == DISTANCE_LOCAL)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("attribute '%s' of element '%s' is '%s', not 10 for the "
					 "cell itself, or 11 to 255"),
				       "value", xml_walk_path(walk, sibling),
				       xml_walk_quote(walk, value_text));
			return;
		}
		if (cell->distances[other]) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element '%s' with id '%s' appears more than once"),
				       xml_walk_path(walk, sibling), id_text);
			return;
		}
		cell->distances[other] = (guint8)value;
	}
}

static void parse_cell(XmlWalk *walk, xmlNode *node, guint id, guint n_cells, DomainNumaCell *cell)
{
	static const char *const access_modes[] = { "private", "shared", NULL };
	const int access = domain_parse_choice(walk, node, "memAccess", access_modes);

	parse_cpus(walk, node, cell);
	cell->memory_kib = domain_parse_kib(walk, node, "memory");
	cell->says_private_access = access == 0;
	if (access == 1)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'cpu/numa/cell' with memAccess 'shared': private memory "
				 "is mapped by no process and cannot be shared with one"));
	parse_distances(walk, node, id, n_cells, cell);
}

/* A distance holds in both directions unless the document says otherwise, as in libvirt. */
static void complete_distances(GPtrArray *cells)
{
	for (guint i = 0; i < cells->len; i++) {
		for (guint j = 0; j < cells->len; j++) {
			DomainNumaCell *from = cells->pdata[i];
			DomainNumaCell *to = cells->pdata[j];

			if (i == j || !from->distances[j])
				continue;
			from->distances[i] = DISTANCE_LOCAL;
			to->distances[j] = DISTANCE_LOCAL;
			if (!to->distances[i])
				to->distances[i] = from->distances[j];
		}
	}
}

void domain_parse_numa(XmlWalk *walk, xmlNode *cpu, DomainDef *def)
{
	xmlNode *numa = xml_walk_child(walk, cpu, "numa");
	xmlNode *node = NULL;
	guint n_cells = 0;
	guint place = 0;

	while ((node = xml_walk_next(walk, numa, node, "cell")))
		if (++n_cells > DOMAIN_MAX_NUMA_CELLS) {
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       ngettext("more than %d element 'cpu/numa/cell'",
						"more than %d elements 'cpu/numa/cell'",
						DOMAIN_MAX_NUMA_CELLS),
				       DOMAIN_MAX_NUMA_CELLS);
			return;
		}
	if (numa && n_cells == 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'cpu/numa' has no 'cell'"));
	if (n_cells == 0 || walk->error)
		return;

	def->numa_cells = cells_new();
	g_ptr_array_set_size(def->numa_cells, (int)n_cells);

	while ((node = xml_walk_next(walk, numa, node, "cell"))) {
		const char *text = xml_walk_attribute(walk, node, "id");
		guint64 id = place++;

		if (text && (!xml_walk_number(text, &id) || id >= n_cells)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("attribute '%s' of element '%s' is '%s', not a number "
					 "from 0 to one less than there are cells"),
				       "id", xml_walk_path(walk, node), xml_walk_quote(walk, text));
			return;
		}
		if (def->numa_cells->pdata[id]) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element 'cpu/numa/cell' with id '%" PRIu64
					 "' appears more than once"),
				       id);
			return;
		}
		def->numa_cells->pdata[id] = g_new0(DomainNumaCell, 1);
		parse_cell(walk, node, (guint)id, n_cells, def->numa_cells->pdata[id]);
	}

	/* An error may have left cells out. */
	if (!walk->error)
		complete_distances(def->numa_cells);
}

static void format_distances(XmlWriter *writer, const DomainNumaCell *cell)
{
	gboolean is_open = FALSE;

	for (guint i = 0; i < G_N_ELEMENTS(cell->distances); i++) {
		if (!cell->distances[i])
			continue;
		if (!is_open)
			xml_writer_start(writer, "distances");
		is_open = TRUE;
		xml_writer_start(writer, "sibling");
		xml_writer_attribute_number(writer, "id", i);
		xml_writer_attribute_number(writer, "value", cell->distances[i]);
		xml_writer_end(writer);
	}
	if (is_open)
		xml_writer_end(writer);
}

void domain_format_numa(XmlWriter *writer, const DomainDef *def)
{
	if (!def->numa_cells)
		return;

	xml_writer_start(writer, "numa");
	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		xml_writer_start(writer, "cell");
		xml_writer_attribute_number(writer, "id", i);
		if (!cpu_set_is_empty(&cell->cpus)) {
			g_autoptr(GString) cpus = g_string_new(NULL);

			cpu_set_append(cpus, &cell->cpus, ',');
			xml_writer_attribute(writer, "cpus", cpus->str);
		}
		xml_writer_attribute_number(writer, "memory", cell->memory_kib);
		xml_writer_attribute(writer, "unit", "KiB");
		if (cell->says_private_access)
			xml_writer_attribute(writer, "memAccess", "private");
		format_distances(writer, cell);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static gboolean check_numa_cpus(const DomainDef *def, GError **error)
{
	CpuSet seen = { 0 };
	guint missing;

	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		if (cpu_set_intersects(&cell->cpus, &seen))
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("element 'cpu/numa/cell' with id '%u' has a vCPU "
					      "that another has, too"),
					    i);
		if (cpu_set_end(&cell->cpus) > def->vcpus) {
			g_autoptr(GString) cpus = g_string_new(NULL);

			cpu_set_append(cpus, &cell->cpus, ',');
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("element 'cpu/numa/cell' with id '%u' has the vCPUs "
					      "'%s', and 'vcpu' is %u"),
					    i, cpus->str, def->vcpus);
		}
		cpu_set_unite(&seen, &cell->cpus);
	}
	missing = cpu_set_first_missing(&seen);
	if (missing < def->vcpus)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/numa': no cell has vCPU %u"), missing);
	return TRUE;
}

gboolean domain_check_numa(const DomainDef *def, GError **error)
{
	guint64 total = 0;

	if (!def->numa_cells)
		return TRUE;

	for (guint i = 0; i < def->numa_cells->len; i++) {
		const DomainNumaCell *cell = def->numa_cells->pdata[i];

		if (cell->memory_kib == 0 || cell->memory_kib % KIB_PER_PAGE)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("element 'cpu/numa/cell' with id '%u' has %" PRIu64
					      " KiB: a cell has some memory, in pages of 4 KiB"),
					    i, cell->memory_kib);
		if (!g_uint64_checked_add(&total, total, cell->memory_kib))
			total = G_MAXUINT64;
	}
	if (total != def->memory_kib)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/numa': the cells have %" PRIu64
				      " KiB together and 'memory' is %" PRIu64 " KiB"),
				    total, def->memory_kib);
	return check_numa_cpus(def, error);
}
