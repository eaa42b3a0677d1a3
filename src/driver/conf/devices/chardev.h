/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chardev.h - what is behind a serial port, a console or a channel: a stream of bytes in both
 * directions, as far as the kind has both
 */
#pragma once

#include "driver/conf/domain-types.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* A UNIX socket's address has room for so much, and a NUL. */
#define DOMAIN_SOCKET_PATH_MAX 107

typedef enum {
	DOMAIN_CHARDEV_PTY,  /* type='pty' */
	DOMAIN_CHARDEV_FILE, /* type='file', <source path= append=> */
	DOMAIN_CHARDEV_NULL, /* type='null' */
	DOMAIN_CHARDEV_UNIX, /* type='unix', <source mode= path=> */
	DOMAIN_CHARDEV_TCP,  /* type='tcp', <source mode= host= service=> */
} DomainChardevType;

typedef struct {
	DomainChardevType type;
	char *path; /* of the file or the socket; of the pty while the domain runs, else NULL */
	gboolean append;    /* file: keep what is there */
	gboolean is_server; /* socket: mode='bind' */
	char *host;	    /* TCP */
	guint service;	    /* TCP: the port's number */
	char *log_path;	    /* <log file='...' append='...'/>, or NULL */
	gboolean log_append;
} DomainChardev;

void domain_chardev_clear(DomainChardev *chardev);
void domain_chardev_copy(DomainChardev *copy, const DomainChardev *chardev);
gboolean domain_chardev_equal(const DomainChardev *a, const DomainChardev *b);

/*
 * domain_parse_chardev - type, <source>, <protocol> and <log> of @node
 * @may_lack_path: a UNIX socket without a path listens at one that the daemon chooses
 */
void domain_parse_chardev(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			  gboolean may_lack_path, DomainChardev *chardev);

/* An attribute of the element that was started last. */
void domain_format_chardev_type(XmlWriter *writer, const DomainChardev *chardev);

/* The elements. @live: a pty's path, too */
void domain_format_chardev(XmlWriter *writer, const DomainChardev *chardev, gboolean live);

/* @element: "devices/serial", for messages */
gboolean domain_check_chardev(const char *element, const DomainChardev *chardev, GError **error);
