/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothreads.c - <iothreads>, <iothreadids> and <iothreadpin>: threads that serve the devices which
 * name them
 *
 * As in libvirt, the first says how many there are and the second which numbers they have; what
 * the second leaves out gets the lowest that are free. The third says on which of the host's
 * processors one runs.
 */
#include "driver/conf/iothreads.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static DomainIothread *find_thread(const GArray *threads, guint id)
{
	for (guint i = 0; i < threads->len; i++) {
		DomainIothread *thread = &g_array_index(threads, DomainIothread, i);

		if (thread->id == id)
			return thread;
	}
	return NULL;
}

static gint compare_threads(gconstpointer a, gconstpointer b)
{
	return ((const DomainIothread *)a)->id < ((const DomainIothread *)b)->id ? -1 : 1;
}

static void append_thread(GArray *threads, guint id)
{
	const DomainIothread thread = { .id = id };

	g_array_append_val(threads, thread);
}

DomainIothread *domain_find_iothread(const DomainDef *def, guint id)
{
	return find_thread(def->iothreads, id);
}

gboolean domain_add_iothread(DomainDef *def, guint id, GError **error)
{
	if (id == 0 || id > G_MAXINT)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("%u is no number of an iothread: from 1 to %d are possible"),
				    id, G_MAXINT);
	if (domain_find_iothread(def, id))
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("domain '%s' has an iothread %u already"), def->name, id);
	if (def->iothreads->len >= DOMAIN_MAX_IOTHREADS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("domain '%s' has %d iothreads, which is as many as there "
				      "can be"),
				    def->name, DOMAIN_MAX_IOTHREADS);
	append_thread(def->iothreads, id);
	g_array_sort(def->iothreads, compare_threads);
	def->says_iothreadids = TRUE;
	return TRUE;
}

static DomainIothread *get_thread(const DomainDef *def, guint id, GError **error)
{
	DomainIothread *thread = domain_find_iothread(def, id);

	if (!thread)
		driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no iothread %u"),
			     def->name, id);
	return thread;
}

gboolean domain_remove_iothread(DomainDef *def, guint id, GError **error)
{
	const DomainIothread *thread = get_thread(def, id, error);

	if (!thread)
		return FALSE;
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (disk->iothread == id)
			return driver_error(error, VIR_ERR_INVALID_ARG,
					    _("iothread %u of domain '%s' serves disk '%s'"), id,
					    def->name, disk->target);
	}
	g_array_remove_index(def->iothreads,
			     (guint)(thread - (DomainIothread *)(gpointer)def->iothreads->data));
	def->says_iothreadids = def->iothreads->len > 0;
	return TRUE;
}

gboolean domain_pin_iothread(DomainDef *def, guint id, const CpuSet *cpus, GError **error)
{
	DomainIothread *thread = get_thread(def, id, error);

	if (!thread)
		return FALSE;
	thread->cpus = *cpus;
	return TRUE;
}

static void parse_id(XmlWalk *walk, xmlNode *node, GArray *threads)
{
	guint id = 0;

	if (!xml_walk_attribute_required(walk, node, "id"))
		return;
	domain_parse_number(walk, node, "id", G_MAXINT, &id);
	if (id == 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number from 1 on"),
			       "id", xml_walk_path(walk, node), "0");
	else if (find_thread(threads, id))
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("two elements '%s' have the id %u"),
			       xml_walk_path(walk, node), id);
	append_thread(threads, id);
}

static void add_missing(GArray *threads, guint64 count)
{
	for (guint id = 1; threads->len < count; id++)
		if (!find_thread(threads, id))
			append_thread(threads, id);
	g_array_sort(threads, compare_threads);
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

static void parse_pin(XmlWalk *walk, xmlNode *node, const DomainDef *def)
{
	const char *id_text = xml_walk_attribute_required(walk, node, "iothread");
	const char *text = xml_walk_attribute_required(walk, node, "cpuset");
	DomainIothread *thread;
	guint id = 0;

	if (!id_text || !text || !domain_parse_number(walk, node, "iothread", G_MAXINT, &id))
		return;
	thread = domain_find_iothread(def, id);
	if (!thread) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is for iothread %u, which is none of 'iothreads' "
				 "and 'iothreadids'"),
			       xml_walk_path(walk, node), id);
		return;
	}
	if (!cpu_set_is_empty(&thread->cpus)) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("two elements '%s' are for iothread %u"),
			       xml_walk_path(walk, node), id);
		return;
	}
	if (!cpu_set_parse(text, CPU_SET_SIZE, &thread->cpus) || cpu_set_is_empty(&thread->cpus))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a set of processors "
				 "below %u, as '0-1,3'"),
			       "cpuset", xml_walk_path(walk, node), xml_walk_quote(walk, text),
			       CPU_SET_SIZE);
}

void domain_parse_iothread_pins(XmlWalk *walk, xmlNode *cputune, DomainDef *def)
{
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, cputune, node, "iothreadpin")))
		parse_pin(walk, node, def);
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
		xml_writer_attribute_number(writer, "id",
					    g_array_index(def->iothreads, DomainIothread, i).id);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

gboolean domain_has_iothread_pins(const DomainDef *def)
{
	for (guint i = 0; i < def->iothreads->len; i++)
		if (!cpu_set_is_empty(&g_array_index(def->iothreads, DomainIothread, i).cpus))
			return TRUE;
	return FALSE;
}

void domain_format_iothread_pins(XmlWriter *writer, const DomainDef *def)
{
	for (guint i = 0; i < def->iothreads->len; i++) {
		const DomainIothread *thread = &g_array_index(def->iothreads, DomainIothread, i);
		g_autoptr(GString) cpus = g_string_new(NULL);

		if (cpu_set_is_empty(&thread->cpus))
			continue;
		cpu_set_append(cpus, &thread->cpus, ',');
		xml_writer_start(writer, "iothreadpin");
		xml_writer_attribute_number(writer, "iothread", thread->id);
		xml_writer_attribute(writer, "cpuset", cpus->str);
		xml_writer_end(writer);
	}
}

gboolean domain_check_iothreads(const DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (disk->iothread > 0 && !domain_find_iothread(def, disk->iothread))
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("disk %s is served by iothread %u, which is none of "
					      "'iothreads' and 'iothreadids'"),
					    disk->target, disk->iothread);
	}
	return TRUE;
}
