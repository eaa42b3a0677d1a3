/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bandwidth.h - <bandwidth> of an interface: how much may come to a guest and go from it */
#pragma once

#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* One way. */
typedef struct {
	guint average; /* kilobytes in a second; 0: no limit */
	guint peak;    /* the same, 0: none */
	guint burst;   /* KiB that may go at once; 0: not given */
} DomainBandwidthLimit;

typedef struct {
	DomainBandwidthLimit inbound;  /* to the guest */
	DomainBandwidthLimit outbound; /* from it */
} DomainBandwidth;

gboolean domain_bandwidth_is_empty(const DomainBandwidth *bandwidth);
gboolean domain_bandwidth_is_same(const DomainBandwidth *a, const DomainBandwidth *b);

void domain_parse_bandwidth(XmlWalk *walk, xmlNode *interface, DomainBandwidth *bandwidth);
void domain_format_bandwidth(XmlWriter *writer, const DomainBandwidth *bandwidth);

/* Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that names the element. */
gboolean domain_check_bandwidth(const DomainBandwidth *bandwidth, GError **error);
