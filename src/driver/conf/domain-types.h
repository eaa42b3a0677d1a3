/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-types.h - what all parts of a domain's model are made of
 */
#pragma once

#include <glib.h>

typedef struct DomainDef DomainDef;

/* yes/no and on/off attributes that print as they were given, or not at all. */
typedef enum {
	DOMAIN_SWITCH_ABSENT,
	DOMAIN_SWITCH_NO,
	DOMAIN_SWITCH_YES,
} DomainSwitch;

typedef enum {
	DOMAIN_PARSE_INACTIVE = 1 << 0, /* ignore the id and other live-only parts */
	DOMAIN_PARSE_VALIDATE = 1 << 1, /* check against the RELAX NG schema first */
} DomainParseFlags;

typedef enum {
	DOMAIN_FORMAT_INACTIVE = 1 << 0, /* without the id and other live-only parts */
	DOMAIN_FORMAT_SECURE = 1 << 1,	 /* nothing is secret yet; accepted */
	DOMAIN_FORMAT_STATUS = 1 << 2,	 /* for our own state files: live parts even without id */
} DomainFormatFlags;

/* <address type='pci'> on bus 0 or behind a root port */
typedef struct {
	gboolean is_set;
	guint8 bus;
	guint8 slot;
	guint8 function;
	DomainSwitch multifunction;
} DomainPciAddress;
