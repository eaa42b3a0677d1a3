/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interface.h - <interface>: network cards
 */
#pragma once

#include "driver/conf/devices/bandwidth.h"
#include "driver/conf/devices/device.h"

/* <interface type=> */
typedef enum {
	DOMAIN_INTERFACE_USER,	   /* by passt */
	DOMAIN_INTERFACE_BRIDGE,   /* a tap in a bridge of the host's */
	DOMAIN_INTERFACE_ETHERNET, /* a tap that nobody connects */
	DOMAIN_INTERFACE_DIRECT,   /* a macvtap of one of the host's network cards */
	DOMAIN_INTERFACE_NETWORK,  /* one of libvirt's networks */
} DomainInterfaceType;

/* <source mode=> of type direct */
typedef enum {
	DOMAIN_DIRECT_VEPA,
	DOMAIN_DIRECT_BRIDGE,
	DOMAIN_DIRECT_PRIVATE,
	DOMAIN_DIRECT_PASSTHROUGH,
} DomainDirectMode;

/* <link state=> */
typedef enum {
	DOMAIN_LINK_DEFAULT, /* up */
	DOMAIN_LINK_UP,
	DOMAIN_LINK_DOWN,
} DomainLinkState;

#define DOMAIN_MAC_SIZE	       6
#define DOMAIN_MAC_STRING_SIZE 18 /* "52:54:00:12:34:56" */

/* <range start= end= to= exclude=>, complete: end is start where it was not given, and so on */
typedef struct {
	guint start, end; /* of the host's ports */
	guint to;	  /* the guest's port that start becomes */
	gboolean is_excluded;
} DomainPortRange;

/* <portForward> */
typedef struct {
	gboolean is_udp;
	char *address;	   /* of the host's that is listened on, or NULL */
	char *device;	   /* of the host's, or NULL */
	GPtrArray *ranges; /* of DomainPortRange; none: all ports */
} DomainPortForward;

/* <ip address= prefix=> of type user: what the guest is given */
typedef struct {
	gboolean is_ipv6;
	char *address;
	guint prefix; /* 0: not given */
} DomainInterfaceIp;

#define DOMAIN_INTERFACE_MAX_QUEUES 256

typedef struct {
	DomainInterfaceType type;
	guint8 mac[DOMAIN_MAC_SIZE];
	char *source;	       /* the bridge, the host's card, the network; NULL with others */
	char *portgroup;       /* of a network, or NULL */
	char *bridge;	       /* type network, while it runs: where its tap is; or NULL */
	DomainDirectMode mode; /* of type direct */
	char *source_device;   /* type user: <source dev=>, the host's card that is used, or NULL */
	GPtrArray *port_forwards; /* of DomainPortForward, or NULL */
	GPtrArray *ips;		  /* of DomainInterfaceIp, or NULL */
	char *target;		  /* <target dev=>: "vnet0" while it runs, or what was given */
	DomainSwitch is_managed;  /* ethernet: <target managed='no'>: it is there already */
	guint mtu;		  /* 0: not given */
	DomainLinkState link;
	DomainSwitch has_rom; /* <rom bar=> and <rom enabled=>, which are one here */
	char *rom;	      /* <rom file=>; empty: none; NULL: by vmm_device_open_rom() */
	DomainBandwidth bandwidth;
	guint queues; /* of pairs; 0: not given, one */
	DomainDma dma;
	DomainVirtioOptions virtio;
	DomainDeviceInfo info;
} DomainInterface;

DomainInterface *domain_interface_copy(const DomainInterface *interface);
void domain_interface_free(DomainInterface *interface);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainInterface, domain_interface_free)

/* Return: never NULL; errors are in @walk. A MAC address is made where none is given. */
DomainInterface *domain_parse_interface(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_interface(XmlWriter *writer, const DomainInterface *interface, gboolean live);

/*
 * domain_interface_update_live - change what can while the card is in use: its link, its bandwidth
 * @wanted: all of it; its alias, place and device are those that are there where it does not say
 *
 * Return: FALSE with VIR_ERR_OPERATION_UNSUPPORTED that names what else differs.
 */
gboolean domain_interface_update_live(DomainInterface *interface, const DomainInterface *wanted,
				      GError **error);
gboolean domain_check_interface(const DomainInterface *interface, GError **error);

void domain_mac_format(const guint8 mac[DOMAIN_MAC_SIZE], char text[DOMAIN_MAC_STRING_SIZE]);
gboolean domain_mac_parse(const char *text, guint8 mac[DOMAIN_MAC_SIZE]);

/* The interface whose MAC address, or target device, is @name; NULL where there is none. */
DomainInterface *domain_find_interface(const DomainDef *def, const char *name);

/* <interface> of domain capabilities. */
void domain_write_interface_capabilities(XmlWriter *writer);
