/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tune.c - <memtune> and <cputune>: what a domain may take of the host, by its control group
 *
 * The ranges are libvirt's for cgroup v2. What is for one vCPU alone would take a group for each.
 * Where threads of devices run is iothreads.c's.
 */
#include "driver/conf/tune.h"

#include <glib/gi18n.h>
#include <inttypes.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"

#define SHARES_MAX 10000

/* In us. */
#define PERIOD_MIN     1000
#define PERIOD_MAX     1000000
#define PERIOD_DEFAULT 100000
#define QUOTA_MIN      1000
#define QUOTA_MAX      G_GUINT64_CONSTANT(17592186044415)

gboolean domain_tune_is_empty(const DomainTune *tune)
{
	return !tune->hard_limit_kib && !tune->shares && !tune->global_quota;
}

static guint64 parse_in_range(XmlWalk *walk, xmlNode *parent, const char *name, guint64 min,
			      guint64 max)
{
	xmlNode *node = xml_walk_child(walk, parent, name);
	const char *text = xml_walk_text(walk, node);
	guint64 number = 0;

	if (!text || (xml_walk_number(text, &number) && number >= min && number <= max))
		return number;
	xml_walk_error(walk, VIR_ERR_XML_ERROR,
		       _("element '%s' is '%s', not a number from %" PRIu64 " to %" PRIu64),
		       xml_walk_path(walk, node), xml_walk_quote(walk, text), min, max);
	return 0;
}

static void refuse_limit_of_each(XmlWalk *walk, xmlNode *cputune, const char *name,
				 const char *instead)
{
	if (xml_walk_child(walk, cputune, name))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'cputune/%s' is for each processor alone; '%s', which is "
				 "for the domain, is supported"),
			       name, instead);
}

void domain_parse_tune(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *memtune = xml_walk_child(walk, root, "memtune");
	xmlNode *cputune = xml_walk_child(walk, root, "cputune");
	xmlNode *hard_limit = xml_walk_child(walk, memtune, "hard_limit");
	DomainTune *tune = &def->tune;

	if (hard_limit)
		tune->hard_limit_kib = domain_parse_kib(walk, hard_limit, NULL);
	refuse_limit_of_each(walk, cputune, "period", "global_period");
	refuse_limit_of_each(walk, cputune, "quota", "global_quota");
	tune->shares = parse_in_range(walk, cputune, "shares", 1, SHARES_MAX);
	tune->global_period = parse_in_range(walk, cputune, "global_period", PERIOD_MIN,
					     PERIOD_MAX);
	tune->global_quota = parse_in_range(walk, cputune, "global_quota", QUOTA_MIN, QUOTA_MAX);
	if (tune->global_quota && !tune->global_period)
		tune->global_period = PERIOD_DEFAULT;
	domain_parse_iothread_pins(walk, cputune, def);
}

static void format_number(XmlWriter *writer, const char *name, guint64 number)
{
	if (number)
		xml_writer_element_number(writer, name, number);
}

void domain_format_tune(XmlWriter *writer, const DomainDef *def)
{
	const DomainTune *tune = &def->tune;

	if (tune->hard_limit_kib) {
		xml_writer_start(writer, "memtune");
		domain_format_memory_size(writer, "hard_limit", tune->hard_limit_kib);
		xml_writer_end(writer);
	}
	if (!tune->shares && !tune->global_period && !tune->global_quota &&
	    !domain_has_iothread_pins(def))
		return;
	xml_writer_start(writer, "cputune");
	format_number(writer, "shares", tune->shares);
	format_number(writer, "global_period", tune->global_period);
	format_number(writer, "global_quota", tune->global_quota);
	domain_format_iothread_pins(writer, def);
	xml_writer_end(writer);
}
