/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-serial.h - <controller type='virtio-serial'>, and its ports: <channel> and the <console>
 * with target type 'virtio'
 *
 * Theory of operation
 *
 * A controller is a device behind a root port and has up to 31 ports, each of which is a console
 * or a channel of the guest's. A port has a place there (<address type='virtio-serial'>): one that
 * is given, or the lowest that is free. Port 0 is for a console, as in QEMU. Controllers that ports
 * name, or want, are added.
 *
 * A channel over a UNIX socket without a path gets one at each start, below the daemon's folder of
 * state. It is in live XML; a definition that has such a path, since it was copied from there, has
 * none.
 */
#pragma once

#include "driver/conf/devices/chardev.h"
#include "driver/conf/devices/device.h"

#define DOMAIN_VIRTIO_SERIAL_PORTS 31

/* The channel of QEMU's guest agent. */
#define DOMAIN_AGENT_CHANNEL "org.qemu.guest_agent.0"

/* Of a channel's name, which is a file's and the guest's. */
#define DOMAIN_CHANNEL_NAME_MAX 63

/* The folder of a run's channels is this and "ID-NAME". */
#define DOMAIN_CHANNEL_FOLDER "channel-"

typedef struct {
	guint index; /* unassigned before it is complete: DOMAIN_PCI_UNASSIGNED */
	guint ports; /* <... ports=>, or 0: DOMAIN_VIRTIO_SERIAL_PORTS */
	DomainVirtioOptions virtio;
	DomainDeviceInfo info;
} DomainVirtioSerial;

/* <target state=>, in live XML: whether a program of the guest's has the channel open. */
typedef enum {
	DOMAIN_CHANNEL_UNKNOWN,
	DOMAIN_CHANNEL_CONNECTED,
	DOMAIN_CHANNEL_DISCONNECTED,
} DomainChannelState;

/* <console> or <channel> */
typedef struct {
	gboolean is_console;
	DomainChardev chardev;
	char *name;	       /* channel: <target name=>, or NULL */
	guint number;	       /* console: <target port=> */
	gboolean has_place;    /* <address> is given, or chosen */
	guint controller;      /* its index */
	guint port;	       /* there */
	char *alias;	       /* "channel0", "console1", or the user's */
	gboolean is_path_made; /* the daemon has chosen the path, for this run */
	DomainChannelState state;
} DomainPort;

DomainVirtioSerial *domain_virtio_serial_copy(const DomainVirtioSerial *controller);
void domain_virtio_serial_free(DomainVirtioSerial *controller);
DomainPort *domain_port_copy(const DomainPort *port);
void domain_port_free(DomainPort *port);

/* Whether a <console> is a port of these, and no serial port. */
gboolean domain_is_virtio_console(XmlWalk *walk, xmlNode *console);

/* Return: never NULL; errors are in @walk. */
DomainVirtioSerial *domain_parse_virtio_serial(XmlWalk *walk, xmlNode *node,
					       DomainParseFlags flags);
void domain_format_virtio_serials(XmlWriter *writer, const DomainDef *def, gboolean live);

/* One that stands on its own: a <channel>, or a <console> of this kind. */
DomainPort *domain_parse_port(XmlWalk *walk, xmlNode *node, gboolean is_console,
			      DomainParseFlags flags);

/* A console without a number follows the highest before it; 0 is the serial port's. */
void domain_number_consoles(const DomainDef *def);

/* All consoles of this kind, and all channels. */
void domain_parse_virtio_ports(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			       DomainDef *def);
void domain_format_virtio_ports(XmlWriter *writer, const DomainDef *def, gboolean live);
gboolean domain_check_virtio_ports(const DomainDef *def, GError **error);

/*
 * domain_virtio_serial_complete - number the controllers, and give each port its place
 *
 * Return: FALSE with VIR_ERR_XML_ERROR or VIR_ERR_CONFIG_UNSUPPORTED, naming both where two want
 * the same.
 */
gboolean domain_virtio_serial_complete(DomainDef *def, GError **error);

/* Gives an alias to each port that has none, for a domain that starts. */
void domain_assign_port_aliases(DomainDef *def);

/* No program of a guest that starts has a channel open. */
void domain_close_channels(DomainDef *def);

/* The channel of that alias or else that name, the first where it is NULL. Return: or NULL. */
DomainPort *domain_find_channel(const DomainDef *def, const char *name);

/* The console or channel of that alias. Return: or NULL. */
DomainPort *domain_find_port(const DomainDef *def, const char *alias);

/* The channel that the guest's agent is behind, for this daemon to speak with it, or NULL. */
DomainPort *domain_find_agent(const DomainDef *def);

/* <channel> of domain capabilities. */
void domain_write_channel_capabilities(XmlWriter *writer);
