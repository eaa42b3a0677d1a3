/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interface.c - <interface>: network cards */
#include "driver/conf/devices/interface.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <net/if.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* Of IPv4, and of an IP packet. */
#define MIN_MTU 68
#define MAX_MTU 65535

static const char *const type_names[] = {
	[DOMAIN_INTERFACE_USER] = "user",	  [DOMAIN_INTERFACE_BRIDGE] = "bridge",
	[DOMAIN_INTERFACE_ETHERNET] = "ethernet", [DOMAIN_INTERFACE_DIRECT] = "direct",
	[DOMAIN_INTERFACE_NETWORK] = "network",	  NULL,
};

static const char *const mode_names[] = {
	[DOMAIN_DIRECT_VEPA] = "vepa",
	[DOMAIN_DIRECT_BRIDGE] = "bridge",
	[DOMAIN_DIRECT_PRIVATE] = "private",
	[DOMAIN_DIRECT_PASSTHROUGH] = "passthrough",
	NULL,
};

static const char *const link_names[] = {
	[DOMAIN_LINK_UP - 1] = "up",
	[DOMAIN_LINK_DOWN - 1] = "down",
	NULL,
};

static gpointer copy_range(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return g_memdup2(data, sizeof(DomainPortRange));
}

static void free_port_forward(gpointer data)
{
	DomainPortForward *forward = data;

	g_ptr_array_unref(forward->ranges);
	g_free(forward->device);
	g_free(forward->address);
	g_free(forward);
}

static gpointer copy_port_forward(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainPortForward *forward = data;
	DomainPortForward *copy = g_memdup2(forward, sizeof(*forward));

	copy->address = g_strdup(forward->address);
	copy->device = g_strdup(forward->device);
	copy->ranges = g_ptr_array_copy(forward->ranges, copy_range, NULL);
	return copy;
}

static void free_ip(gpointer data)
{
	DomainInterfaceIp *ip = data;

	g_free(ip->address);
	g_free(ip);
}

static gpointer copy_ip(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainInterfaceIp *ip = data;
	DomainInterfaceIp *copy = g_memdup2(ip, sizeof(*ip));

	copy->address = g_strdup(ip->address);
	return copy;
}

DomainInterface *domain_interface_copy(const DomainInterface *interface)
{
	DomainInterface *copy = g_memdup2(interface, sizeof(*interface));

	copy->source = g_strdup(interface->source);
	copy->portgroup = g_strdup(interface->portgroup);
	copy->bridge = g_strdup(interface->bridge);
	copy->source_device = g_strdup(interface->source_device);
	copy->target = g_strdup(interface->target);
	copy->rom = g_strdup(interface->rom);
	if (interface->port_forwards)
		copy->port_forwards = g_ptr_array_copy(interface->port_forwards, copy_port_forward,
						       NULL);
	if (interface->ips)
		copy->ips = g_ptr_array_copy(interface->ips, copy_ip, NULL);
	domain_device_info_copy(&copy->info, &interface->info);
	return copy;
}

void domain_interface_free(DomainInterface *interface)
{
	if (!interface)
		return;
	domain_device_info_clear(&interface->info);
	g_clear_pointer(&interface->ips, g_ptr_array_unref);
	g_clear_pointer(&interface->port_forwards, g_ptr_array_unref);
	g_free(interface->rom);
	g_free(interface->target);
	g_free(interface->source_device);
	g_free(interface->portgroup);
	g_free(interface->bridge);
	g_free(interface->source);
	g_free(interface);
}

void domain_mac_format(const guint8 mac[DOMAIN_MAC_SIZE], char text[DOMAIN_MAC_STRING_SIZE])
{
	g_snprintf(text, DOMAIN_MAC_STRING_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		   mac[2], mac[3], mac[4], mac[5]);
}

gboolean domain_mac_parse(const char *text, guint8 mac[DOMAIN_MAC_SIZE])
{
	g_auto(GStrv) parts = g_strsplit(text, ":", DOMAIN_MAC_SIZE + 1);

	if (g_strv_length(parts) != DOMAIN_MAC_SIZE)
		return FALSE;
	for (guint i = 0; i < DOMAIN_MAC_SIZE; i++) {
		guint64 byte = 0;

		if (strlen(parts[i]) > 2 ||
		    !g_ascii_string_to_unsigned(parts[i], 16, 0, G_MAXUINT8, &byte, NULL))
			return FALSE;
		mac[i] = (guint8)byte;
	}
	return TRUE;
}

DomainInterface *domain_find_interface(const DomainDef *def, const char *name)
{
	guint8 mac[DOMAIN_MAC_SIZE];
	const gboolean is_mac = domain_mac_parse(name, mac);

	for (guint i = 0; i < def->interfaces->len; i++) {
		DomainInterface *interface = def->interfaces->pdata[i];

		if (is_mac ? memcmp(interface->mac, mac, sizeof(mac)) == 0 :
			     g_strcmp0(interface->target, name) == 0)
			return interface;
	}
	return NULL;
}

/* QEMU's prefix, as libvirt's drivers give it. */
static void make_mac(guint8 mac[DOMAIN_MAC_SIZE])
{
	const guint32 number = g_random_int();

	mac[0] = 0x52;
	mac[1] = 0x54;
	mac[2] = 0x00;
	mac[3] = (guint8)(number >> 16);
	mac[4] = (guint8)(number >> 8);
	mac[5] = (guint8)number;
}

static void parse_mac(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	xmlNode *mac = xml_walk_child(walk, node, "mac");
	const char *text = xml_walk_attribute_required(walk, mac, "address");

	if (!text)
		make_mac(interface->mac);
	else if (!domain_mac_parse(text, interface->mac))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a MAC address as "
				 "'52:54:00:12:34:56'"),
			       "address", xml_walk_path(walk, mac), xml_walk_quote(walk, text));
	else if (interface->mac[0] & 1)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', a multicast address, "
				 "which no card has"),
			       "address", xml_walk_path(walk, mac), xml_walk_quote(walk, text));
}

static void parse_type(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	const char *type = xml_walk_attribute_required(walk, node, "type");

	for (guint i = 0; type && type_names[i]; i++)
		if (strcmp(type, type_names[i]) == 0) {
			interface->type = (DomainInterfaceType)i;
			return;
		}
	if (type)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element '%s' is '%s': supported are 'user', "
				 "'bridge', 'ethernet', 'direct' and 'network'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, type));
}

/* A name that the host's network devices can have. */
static char *dup_device(XmlWalk *walk, xmlNode *node, const char *attribute, const char *name)
{
	if (!name)
		return NULL;
	if (!*name || strlen(name) >= IF_NAMESIZE || strpbrk(name, "/ \t\r\n"))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a network device's "
				 "name"),
			       attribute, xml_walk_path(walk, node), xml_walk_quote(walk, name));
	return g_strdup(name);
}

static void parse_source(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			 DomainInterface *interface)
{
	xmlNode *source = xml_walk_child(walk, node, "source");
	int mode;

	if (!source && interface->type != DOMAIN_INTERFACE_USER &&
	    interface->type != DOMAIN_INTERFACE_ETHERNET)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/source' is missing"),
			       xml_walk_path(walk, node));
	switch (interface->type) {
	case DOMAIN_INTERFACE_USER:
		interface->source_device = dup_device(walk, source, "dev",
						      xml_walk_attribute(walk, source, "dev"));
		break;
	case DOMAIN_INTERFACE_BRIDGE:
		interface->source = dup_device(walk, source, "bridge",
					       xml_walk_attribute_required(walk, source, "bridge"));
		break;
	case DOMAIN_INTERFACE_ETHERNET:
		break;
	case DOMAIN_INTERFACE_DIRECT:
		interface->source = dup_device(walk, source, "dev",
					       xml_walk_attribute_required(walk, source, "dev"));
		mode = domain_parse_choice(walk, source, "mode", mode_names);
		interface->mode = mode < 0 ? DOMAIN_DIRECT_VEPA : (DomainDirectMode)mode;
		break;
	case DOMAIN_INTERFACE_NETWORK:
		interface->source = g_strdup(xml_walk_attribute_required(walk, source, "network"));
		interface->portgroup = g_strdup(xml_walk_attribute(walk, source, "portgroup"));
		if (!(flags & DOMAIN_PARSE_INACTIVE))
			interface->bridge = dup_device(walk, source, "bridge",
						       xml_walk_attribute(walk, source, "bridge"));
		break;
	}
}

static void parse_range(XmlWalk *walk, xmlNode *node, DomainPortForward *forward)
{
	DomainPortRange *range = g_new0(DomainPortRange, 1);

	g_ptr_array_add(forward->ranges, range);
	xml_walk_attribute_required(walk, node, "start");
	domain_parse_number(walk, node, "start", G_MAXUINT16, &range->start);
	range->end = range->start;
	domain_parse_number(walk, node, "end", G_MAXUINT16, &range->end);
	range->to = range->start;
	domain_parse_number(walk, node, "to", G_MAXUINT16, &range->to);
	range->is_excluded = domain_parse_switch(walk, node, "exclude", "no", "yes") ==
			     DOMAIN_SWITCH_YES;
	if (range->start == 0 || range->end < range->start || range->to == 0 ||
	    range->to + (range->end - range->start) > G_MAXUINT16)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("element '%s' has the ports %u to %u, and %u in the guest: they go "
			  "from 1 to 65535"),
			xml_walk_path(walk, node), range->start, range->end, range->to);
	if (range->is_excluded && range->to != range->start)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' with exclude='yes' goes nowhere, and has a 'to'"),
			       xml_walk_path(walk, node));
}

static gboolean is_address(const char *text)
{
	g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);

	return address != NULL;
}

static void parse_port_forward(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	static const char *const protocols[] = { "tcp", "udp", NULL };
	DomainPortForward *forward = g_new0(DomainPortForward, 1);
	xmlNode *range = NULL;

	if (!interface->port_forwards)
		interface->port_forwards = g_ptr_array_new_with_free_func(free_port_forward);
	g_ptr_array_add(interface->port_forwards, forward);
	forward->ranges = g_ptr_array_new_with_free_func(g_free);
	xml_walk_attribute_required(walk, node, "proto");
	forward->is_udp = domain_parse_choice(walk, node, "proto", protocols) == 1;
	forward->address = g_strdup(xml_walk_attribute(walk, node, "address"));
	forward->device = dup_device(walk, node, "dev", xml_walk_attribute(walk, node, "dev"));
	if (forward->address && !is_address(forward->address))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not an IP address"),
			       "address", xml_walk_path(walk, node),
			       xml_walk_quote(walk, forward->address));
	while ((range = xml_walk_next(walk, node, range, "range")))
		parse_range(walk, range, forward);
}

static void parse_ip(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	static const char *const families[] = { "ipv4", "ipv6", NULL };
	DomainInterfaceIp *ip = g_new0(DomainInterfaceIp, 1);
	g_autoptr(GInetAddress) address = NULL;

	if (!interface->ips)
		interface->ips = g_ptr_array_new_with_free_func(free_ip);
	g_ptr_array_add(interface->ips, ip);
	ip->is_ipv6 = domain_parse_choice(walk, node, "family", families) == 1;
	ip->address = g_strdup(xml_walk_attribute_required(walk, node, "address"));
	domain_parse_number(walk, node, "prefix", ip->is_ipv6 ? 128 : 32, &ip->prefix);
	if (!ip->address)
		return;
	address = g_inet_address_new_from_string(ip->address);
	if (!address || (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6) != ip->is_ipv6)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not an address of the "
				 "family '%s'"),
			       "address", xml_walk_path(walk, node),
			       xml_walk_quote(walk, ip->address), families[ip->is_ipv6]);
}

/* What passt does: for others these elements are left, and refused by their names. */
static void parse_user(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	xmlNode *backend = xml_walk_child(walk, node, "backend");
	xmlNode *child = NULL;

	domain_parse_only(walk, backend, "type", "passt");
	while ((child = xml_walk_next(walk, node, child, "portForward")))
		parse_port_forward(walk, child, interface);
	while ((child = xml_walk_next(walk, node, child, "ip")))
		parse_ip(walk, child, interface);
}

/* Names that libvirt's drivers make are for one run, and made anew for the next. */
static gboolean is_made(const char *name)
{
	return g_str_has_prefix(name, "vnet") || g_str_has_prefix(name, "macvtap");
}

static void parse_target(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			 DomainInterface *interface)
{
	xmlNode *target = xml_walk_child(walk, node, "target");
	const char *name = NULL;

	if (interface->type == DOMAIN_INTERFACE_USER)
		return;
	name = xml_walk_attribute(walk, target, "dev");
	if (interface->type == DOMAIN_INTERFACE_ETHERNET)
		interface->is_managed = domain_parse_switch(walk, target, "managed", "no", "yes");
	if (interface->is_managed == DOMAIN_SWITCH_NO && !name)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' with managed='no' names no device"),
			       xml_walk_path(walk, target));
	if (name && (flags & DOMAIN_PARSE_INACTIVE) && is_made(name) &&
	    interface->is_managed != DOMAIN_SWITCH_NO)
		return;
	interface->target = dup_device(walk, target, "dev", name);
}

static void parse_driver(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	xmlNode *driver = xml_walk_child(walk, node, "driver");
	const char *name = xml_walk_attribute(walk, driver, "name");

	if (g_strcmp0(name, "vhost") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' with name 'vhost': it touches the guest's memory by "
				 "itself, which is private"),
			       xml_walk_path(walk, driver));
	domain_parse_only(walk, driver, "name", "qemu");
	domain_parse_number(walk, driver, "queues", DOMAIN_INTERFACE_MAX_QUEUES,
			    &interface->queues);
	interface->dma = domain_parse_dma(walk, driver);
	domain_parse_virtio_options(walk, driver, &interface->virtio);
}

static void parse_link(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	xmlNode *link = xml_walk_child(walk, node, "link");
	xmlNode *mtu = xml_walk_child(walk, node, "mtu");

	xml_walk_attribute_required(walk, link, "state");
	interface->link =
		(DomainLinkState)(domain_parse_choice(walk, link, "state", link_names) + 1);
	xml_walk_attribute_required(walk, mtu, "size");
	domain_parse_number(walk, mtu, "size", MAX_MTU, &interface->mtu);
	if (mtu && interface->mtu < MIN_MTU)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%u', below the least, %d"),
			       "size", xml_walk_path(walk, mtu), interface->mtu, MIN_MTU);
}

/* What firmware runs of the card. That it is off by either attribute is the same. */
static void parse_rom(XmlWalk *walk, xmlNode *node, DomainInterface *interface)
{
	xmlNode *rom = xml_walk_child(walk, node, "rom");
	const DomainSwitch is_enabled = domain_parse_switch(walk, rom, "enabled", "no", "yes");
	const DomainSwitch has_bar = domain_parse_switch(walk, rom, "bar", "off", "on");

	if (is_enabled == DOMAIN_SWITCH_NO || has_bar == DOMAIN_SWITCH_NO)
		interface->has_rom = DOMAIN_SWITCH_NO;
	else
		interface->has_rom = has_bar == DOMAIN_SWITCH_ABSENT ? is_enabled : has_bar;
	interface->rom = g_strdup(xml_walk_attribute(walk, rom, "file"));
}

DomainInterface *domain_parse_interface(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainInterface *interface = g_new0(DomainInterface, 1);

	parse_type(walk, node, interface);
	parse_mac(walk, node, interface);
	domain_parse_only(walk, xml_walk_child(walk, node, "model"), "type", "virtio");
	parse_source(walk, node, flags, interface);
	if (interface->type == DOMAIN_INTERFACE_USER)
		parse_user(walk, node, interface);
	parse_target(walk, node, flags, interface);
	parse_driver(walk, node, interface);
	parse_link(walk, node, interface);
	parse_rom(walk, node, interface);
	domain_parse_bandwidth(walk, node, &interface->bandwidth);
	domain_parse_device_info(walk, node, flags, TRUE, &interface->info);
	return interface;
}

static void format_source_with(XmlWriter *writer, const DomainInterface *interface,
			       const char *bridge)
{
	static const char *const attributes[] = {
		[DOMAIN_INTERFACE_USER] = "dev",	[DOMAIN_INTERFACE_BRIDGE] = "bridge",
		[DOMAIN_INTERFACE_ETHERNET] = NULL,	[DOMAIN_INTERFACE_DIRECT] = "dev",
		[DOMAIN_INTERFACE_NETWORK] = "network",
	};
	const char *source = interface->type == DOMAIN_INTERFACE_USER ? interface->source_device :
									interface->source;

	if (!source)
		return;
	xml_writer_start(writer, "source");
	xml_writer_attribute(writer, attributes[interface->type], source);
	if (interface->type == DOMAIN_INTERFACE_DIRECT)
		xml_writer_attribute(writer, "mode", mode_names[interface->mode]);
	xml_writer_attribute(writer, "portgroup", interface->portgroup);
	xml_writer_attribute(writer, "bridge", bridge);
	xml_writer_end(writer);
}

static void format_source(XmlWriter *writer, const DomainInterface *interface)
{
	format_source_with(writer, interface, NULL);
}

static void format_port_forward(XmlWriter *writer, const DomainPortForward *forward)
{
	xml_writer_start(writer, "portForward");
	xml_writer_attribute(writer, "proto", forward->is_udp ? "udp" : "tcp");
	xml_writer_attribute(writer, "address", forward->address);
	xml_writer_attribute(writer, "dev", forward->device);
	for (guint i = 0; i < forward->ranges->len; i++) {
		const DomainPortRange *range = forward->ranges->pdata[i];

		xml_writer_start(writer, "range");
		xml_writer_attribute_number(writer, "start", range->start);
		if (range->end != range->start)
			xml_writer_attribute_number(writer, "end", range->end);
		if (range->to != range->start)
			xml_writer_attribute_number(writer, "to", range->to);
		if (range->is_excluded)
			xml_writer_attribute(writer, "exclude", "yes");
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static void format_ip(XmlWriter *writer, const DomainInterfaceIp *ip)
{
	xml_writer_start(writer, "ip");
	xml_writer_attribute(writer, "address", ip->address);
	xml_writer_attribute(writer, "family", ip->is_ipv6 ? "ipv6" : "ipv4");
	if (ip->prefix > 0)
		xml_writer_attribute_number(writer, "prefix", ip->prefix);
	xml_writer_end(writer);
}

static void format_ips(XmlWriter *writer, const DomainInterface *interface)
{
	for (guint i = 0; interface->ips && i < interface->ips->len; i++)
		format_ip(writer, interface->ips->pdata[i]);
}

static void format_port_forwards(XmlWriter *writer, const DomainInterface *interface)
{
	for (guint i = 0; interface->port_forwards && i < interface->port_forwards->len; i++)
		format_port_forward(writer, interface->port_forwards->pdata[i]);
}

static void format_driver(XmlWriter *writer, const DomainInterface *interface)
{
	if (interface->queues == 0 && interface->dma == DOMAIN_DMA_DEFAULT &&
	    !domain_virtio_options_are_set(&interface->virtio))
		return;
	xml_writer_start(writer, "driver");
	if (interface->queues > 0)
		xml_writer_attribute_number(writer, "queues", interface->queues);
	domain_format_dma(writer, interface->dma);
	domain_format_virtio_options(writer, &interface->virtio);
	xml_writer_end(writer);
}

static void format_target(XmlWriter *writer, const DomainInterface *interface, gboolean live)
{
	const gboolean is_kept = interface->target && (live || !is_made(interface->target) ||
						       interface->is_managed == DOMAIN_SWITCH_NO);

	if (!is_kept && interface->is_managed == DOMAIN_SWITCH_ABSENT)
		return;
	xml_writer_start(writer, "target");
	if (is_kept)
		xml_writer_attribute(writer, "dev", interface->target);
	domain_format_switch(writer, "managed", interface->is_managed, "no", "yes");
	xml_writer_end(writer);
}

static void format_mtu(XmlWriter *writer, const DomainInterface *interface)
{
	if (interface->mtu == 0)
		return;
	xml_writer_start(writer, "mtu");
	xml_writer_attribute_number(writer, "size", interface->mtu);
	xml_writer_end(writer);
}

static void format_rom(XmlWriter *writer, const DomainInterface *interface)
{
	if (interface->has_rom == DOMAIN_SWITCH_ABSENT && !interface->rom)
		return;
	xml_writer_start(writer, "rom");
	domain_format_switch(writer, "bar", interface->has_rom, "off", "on");
	xml_writer_attribute(writer, "file", interface->rom);
	xml_writer_end(writer);
}

void domain_format_interface(XmlWriter *writer, const DomainInterface *interface, gboolean live)
{
	char mac[DOMAIN_MAC_STRING_SIZE];

	domain_mac_format(interface->mac, mac);
	xml_writer_start(writer, "interface");
	xml_writer_attribute(writer, "type", type_names[interface->type]);
	xml_writer_element_with(writer, "mac", "address", mac);
	format_source_with(writer, interface, live ? interface->bridge : NULL);
	format_ips(writer, interface);
	format_port_forwards(writer, interface);
	domain_format_bandwidth(writer, &interface->bandwidth);
	format_target(writer, interface, live);
	xml_writer_element_with(writer, "model", "type", "virtio");
	format_driver(writer, interface);
	if (interface->type == DOMAIN_INTERFACE_USER)
		xml_writer_element_with(writer, "backend", "type", "passt");
	if (interface->link != DOMAIN_LINK_DEFAULT)
		xml_writer_element_with(writer, "link", "state", link_names[interface->link - 1]);
	format_mtu(writer, interface);
	format_rom(writer, interface);
	domain_format_device_info(writer, &interface->info, live);
	xml_writer_end(writer);
}

static void format_live_target(XmlWriter *writer, const DomainInterface *interface)
{
	format_target(writer, interface, TRUE);
}

static void format_boot(XmlWriter *writer, const DomainInterface *interface)
{
	if (interface->info.boot_order > 0)
		xml_writer_element_number(writer, "boot", interface->info.boot_order);
}

static char *text_of(void (*format)(XmlWriter *writer, const DomainInterface *interface),
		     const DomainInterface *interface)
{
	XmlWriter writer;

	xml_writer_init(&writer);
	format(&writer, interface);
	return xml_writer_finish(&writer);
}

/* What the guest's driver, or the device on the host, has been made with. */
static gboolean is_same(const DomainInterface *interface, const DomainInterface *wanted,
			GError **error)
{
	static const struct {
		const char *name;
		void (*format)(XmlWriter *writer, const DomainInterface *interface);
	} parts[] = {
		{ "source", format_source },
		{ "ip", format_ips },
		{ "portForward", format_port_forwards },
		{ "target", format_live_target },
		{ "driver", format_driver },
		{ "mtu", format_mtu },
		{ "rom", format_rom },
		{ "boot", format_boot },
	};
	const char *name = interface->type == wanted->type ? NULL : "type";

	for (gsize i = 0; i < G_N_ELEMENTS(parts) && !name; i++) {
		g_autofree char *is = text_of(parts[i].format, interface);
		g_autofree char *would_be = text_of(parts[i].format, wanted);

		if (strcmp(is, would_be) != 0)
			name = parts[i].name;
	}
	return !name || driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				     _("'%s' of interface '%s' cannot be changed while the domain "
				       "runs"),
				     name, interface->info.alias);
}

gboolean domain_check_interface(const DomainInterface *interface, GError **error)
{
	if (interface->rom && *interface->rom &&
	    !domain_check_path("devices/interface/rom", interface->rom, error))
		return FALSE;
	if (interface->portgroup)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("attribute 'portgroup' of element 'devices/interface/source' "
				      "is not supported yet"));
	if (interface->type == DOMAIN_INTERFACE_USER && interface->queues > 1)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'devices/interface/driver' with queues='%u': passt has "
			  "one queue"),
			interface->queues);
	if (interface->type == DOMAIN_INTERFACE_USER &&
	    !domain_bandwidth_is_empty(&interface->bandwidth))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'devices/interface/bandwidth' of type 'user': passt "
				      "has no device on the host that could be limited"));
	return domain_check_bandwidth(&interface->bandwidth, error);
}

gboolean domain_interface_update_live(DomainInterface *interface, const DomainInterface *wanted,
				      GError **error)
{
	g_autoptr(DomainInterface) complete = domain_interface_copy(wanted);

	if (!complete->target)
		complete->target = g_strdup(interface->target);
	if (!is_same(interface, complete, error))
		return FALSE;
	interface->link = wanted->link;
	interface->bandwidth = wanted->bandwidth;
	return domain_check_interface(interface, error);
}

void domain_write_interface_capabilities(XmlWriter *writer)
{
	static const char *const backends[] = { "passt", NULL };

	xml_writer_start(writer, "interface");
	xml_writer_attribute(writer, "supported", "yes");
	xml_writer_enum(writer, "backendType", backends);
	xml_writer_end(writer);
}
