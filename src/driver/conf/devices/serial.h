/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial.h - <serial> and <console>: the serial ports and the debug console
 */
#pragma once

#include "driver/conf/devices/chardev.h"

/* The only port that the debug console can be at: <address type='isa' iobase='0x402'/>. */
#define DOMAIN_DEBUG_CONSOLE_PORT 0x402

#define DOMAIN_MAX_SERIALS	  2

/* <serial>, and <console> which is its twin for the first port. */
typedef struct {
	DomainChardev chardev;
	guint port;  /* <target port='...'> */
	char *alias; /* live XML only: "serial0", by port */
} DomainSerial;

/* Frees what is in it. */
void domain_serial_clear(DomainSerial *serial);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainSerial, domain_serial_clear)

DomainSerial *domain_copy_serials(const DomainSerial *serials, guint count);
void domain_free_serials(DomainSerial *serials, guint count);

/*
 * domain_parse_one_serial - one that stands on its own
 * @def: has no serial port yet, and gets this one or the debug console
 */
void domain_parse_one_serial(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainDef *def);

void domain_parse_serials(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def);
void domain_format_serials(XmlWriter *writer, const DomainDef *def, gboolean live);
gboolean domain_check_serials(const DomainDef *def, GError **error);

/*
 * Changes of a definition by the serial port or the debug console of @part, which has nothing else.
 * One without a number gets the lowest that is free, and is any one where it is to go. The first
 * brings its <console>, and takes it along.
 */
gboolean domain_attach_serial(DomainDef *def, const DomainDef *part, GError **error);
gboolean domain_detach_serial(DomainDef *def, const DomainDef *part, GError **error);
