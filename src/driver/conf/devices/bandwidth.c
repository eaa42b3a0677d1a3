/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bandwidth.c - <bandwidth> of an interface: how much may come to a guest and go from it */
#include "driver/conf/devices/bandwidth.h"

#include <glib/gi18n.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* 1 TB in a second, and 1 TiB. */
#define MAX_VALUE (1u << 30)

static gboolean is_limited(const DomainBandwidthLimit *limit)
{
	return limit->average > 0;
}

gboolean domain_bandwidth_is_empty(const DomainBandwidth *bandwidth)
{
	return !is_limited(&bandwidth->inbound) && !is_limited(&bandwidth->outbound);
}

static gboolean is_same(const DomainBandwidthLimit *a, const DomainBandwidthLimit *b)
{
	return a->average == b->average && a->peak == b->peak && a->burst == b->burst;
}

gboolean domain_bandwidth_is_same(const DomainBandwidth *a, const DomainBandwidth *b)
{
	return is_same(&a->inbound, &b->inbound) && is_same(&a->outbound, &b->outbound);
}

/* One of 0 is none. */
static void parse_limit(XmlWalk *walk, xmlNode *node, DomainBandwidthLimit *limit)
{
	if (!node)
		return;
	xml_walk_attribute_required(walk, node, "average");
	domain_parse_number(walk, node, "average", MAX_VALUE, &limit->average);
	domain_parse_number(walk, node, "peak", MAX_VALUE, &limit->peak);
	domain_parse_number(walk, node, "burst", MAX_VALUE, &limit->burst);
	if (!is_limited(limit))
		*limit = (DomainBandwidthLimit){ 0 };
}

void domain_parse_bandwidth(XmlWalk *walk, xmlNode *interface, DomainBandwidth *bandwidth)
{
	xmlNode *node = xml_walk_child(walk, interface, "bandwidth");

	parse_limit(walk, xml_walk_child(walk, node, "inbound"), &bandwidth->inbound);
	parse_limit(walk, xml_walk_child(walk, node, "outbound"), &bandwidth->outbound);
}

static void format_limit(XmlWriter *writer, const char *name, const DomainBandwidthLimit *limit)
{
	if (!is_limited(limit))
		return;
	xml_writer_start(writer, name);
	xml_writer_attribute_number(writer, "average", limit->average);
	if (limit->peak)
		xml_writer_attribute_number(writer, "peak", limit->peak);
	if (limit->burst)
		xml_writer_attribute_number(writer, "burst", limit->burst);
	xml_writer_end(writer);
}

void domain_format_bandwidth(XmlWriter *writer, const DomainBandwidth *bandwidth)
{
	if (domain_bandwidth_is_empty(bandwidth))
		return;
	xml_writer_start(writer, "bandwidth");
	format_limit(writer, "inbound", &bandwidth->inbound);
	format_limit(writer, "outbound", &bandwidth->outbound);
	xml_writer_end(writer);
}

static gboolean check_limit(const char *name, const DomainBandwidthLimit *limit, GError **error)
{
	if (limit->average > MAX_VALUE || limit->peak > MAX_VALUE || limit->burst > MAX_VALUE)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'devices/interface/bandwidth/%s' is above %u"), name,
				    MAX_VALUE);
	return !limit->peak || limit->peak >= limit->average ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("element 'devices/interface/bandwidth/%s' has a peak below its "
			      "average"),
			    name);
}

gboolean domain_check_bandwidth(const DomainBandwidth *bandwidth, GError **error)
{
	return check_limit("inbound", &bandwidth->inbound, error) &&
	       check_limit("outbound", &bandwidth->outbound, error);
}
