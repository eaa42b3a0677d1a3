/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothreads.c - <iothreads> and <iothreadids>: threads that serve the devices which name them
 *
 * As in libvirt, the first says how many there are and the second which numbers they have; what
 * the second leaves out gets the lowest that are free.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static gboolean has_id(const GArray *ids, guint id)
{
	for (guint i = 0; i < ids->len; i++)
		if (g_array_index(ids, guint, i) == id)
			return TRUE;
	return FALSE;
}

static void parse_id(XmlWalk *walk, xmlNode *node, GArray *ids)
{
	guint id = 0;

	if (!xml_walk_attribute_required(walk, node, "id"))
		return;
	domain_parse_number(walk, node, "id", G_MAXINT, &id);
	if (id == 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number from 1 on"),
			       "id", xml_walk_path(walk, node), "0");
	else if (has_id(ids, id))
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("two elements '%s' have the id %u"),
			       xml_walk_path(walk, node), id);
	g_array_append_val(ids, id);
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
	return *(const guint *)a < *(const guint *)b ? -1 : 1;
}

static void add_missing(GArray *ids, guint64 count)
{
	for (guint id = 1; ids->len < count; id++)
		if (!has_id(ids, id))
			g_array_append_val(ids, id);
	g_array_sort(ids, compare_ids);
}

static guint64 parse_count(XmlWalk *walk, xmlNode *root)
{
	xmlNode *node = xml_walk_child(walk, root, "iothreads");
	const char *text = xml_walk_text(walk, node);
	guint64 count = 0;

	if (text && !xml_walk_number(text, &count))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is '%s', not a number of threads"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, text));
	return count;
}

void domain_parse_iothreads(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *list = xml_walk_child(walk, root, "iothreadids");
	const guint64 count = parse_count(walk, root);
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, list, node, "iothread")))
		parse_id(walk, node, def->iothreads);
	def->says_iothreadids = def->iothreads->len > 0;
	if (MAX(count, def->iothreads->len) > DOMAIN_MAX_IOTHREADS) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("elements 'iothreads' and 'iothreadids': a domain has at most %d "
				 "threads of its devices"),
			       DOMAIN_MAX_IOTHREADS);
		return;
	}
	add_missing(def->iothreads, count);
}

void domain_format_iothreads(XmlWriter *writer, const DomainDef *def)
{
	if (def->iothreads->len == 0)
		return;
	xml_writer_element_number(writer, "iothreads", def->iothreads->len);
	if (!def->says_iothreadids)
		return;
	xml_writer_start(writer, "iothreadids");
	for (guint i = 0; i < def->iothreads->len; i++) {
		xml_writer_start(writer, "iothread");
		xml_writer_attribute_number(writer, "id", g_array_index(def->iothreads, guint, i));
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

gboolean domain_check_iothreads(const DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (disk->iothread > 0 && !has_id(def->iothreads, disk->iothread))
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("disk %s is served by iothread %u, which is none of "
					      "'iothreads' and 'iothreadids'"),
					    disk->target, disk->iothread);
	}
	return TRUE;
}
