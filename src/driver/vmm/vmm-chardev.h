/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-chardev.h - what is behind serial ports, consoles and channels, opened for the VMM
 *
 * Theory of operation
 *
 * The daemon makes terminals, binds and connects sockets, and opens files as safe-file.h says: the
 * VMM gets descriptors. A file that the VMM would fill is not its own: it gets a pipe, and the
 * logger the file.
 *
 * A socket that listens is bound here, and has one client at a time, which the VMM accepts. It
 * is the daemon's user's alone (mode 0600), and is removed when the domain has ended. One that
 * is connected to is connected once, at the start.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <sys/types.h>

#include "driver/conf/domain-def.h"
#include "driver/vmm/vmm-logger.h"

/* What its files are called in messages, in the daemon's language. */
typedef struct {
	const char *file;
	const char *log;
	const char *socket;
} VmmChardevWords;

typedef struct {
	VmmLoggerStreams *streams; /* for the logger */
	uid_t vmm_uid;		   /* whom files that are written to may belong to besides */
} VmmChardevMaker;

typedef struct {
	int fd;	    /* -1: nothing is behind it */
	int log_fd; /* -1: no <log> */
} VmmChardev;

#define VMM_CHARDEV_INIT                \
	{                               \
		.fd = -1, .log_fd = -1, \
	}

void vmm_chardev_clear(VmmChardev *opened);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmmChardev, vmm_chardev_clear)

/*
 * vmm_chardev_open - open what is behind a character device
 * @chardev: of a terminal, the path is filled in
 * @opened: VMM_CHARDEV_INIT; for vmm_chardev_clear()
 *
 * Connecting takes some seconds at most.
 *
 * Return: FALSE with DRIVER_ERROR that names the file, or where the socket should be.
 */
gboolean vmm_chardev_open(const VmmChardevMaker *maker, const VmmChardevWords *words,
			  DomainChardev *chardev, VmmChardev *opened, GError **error);

/*
 * vmm_chardev_describe - the "chardev" of a device's description
 * @fd, @log_fd: names of descriptors in the VMM, or NULL
 *
 * Return: for json_object_unref().
 */
JsonObject *vmm_chardev_describe(const DomainChardev *chardev, const char *fd, const char *log_fd);

/* Removes the socket that a channel or a console has listened at; what is somebody else's stays. */
void vmm_chardev_remove(const DomainPort *port);

/*
 * vmm_chardev_remove_all - remove the sockets that a domain's devices have listened at
 *
 * What is somebody else's by now stays.
 */
void vmm_chardev_remove_all(const DomainDef *def);

/*
 * vmm_chardev_choose_paths - where channels listen that do not say
 * @folder: one for the domain's run, made here where a channel needs it
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR, or VIR_ERR_CONFIG_UNSUPPORTED where a path would be too
 * long; then no folder is made.
 */
gboolean vmm_chardev_choose_paths(DomainDef *def, const char *folder, GError **error);
