/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h - what of a domain is in files
 *
 * Theory of operation
 *
 * A definition is NAME.xml in the configuration folder, as domain_def_format() prints it; a
 * link of that name in autostart says that it starts with the daemon. What is needed to
 * find a running domain again is NAME.status in the state folder, a key file. All are
 * replaced by renaming, so that a reader finds the old or the new one, whole.
 */
#pragma once

#include <glib.h>

#include "driver/domain/driver.h"

/* Return: FALSE with DRIVER_ERROR (VIR_ERR_SYSTEM_ERROR) that names the file. */
gboolean store_save_config(const Driver *driver, const DomainDef *def, GError **error);

/* Removes the definition and its autostart link. */
gboolean store_delete_config(const Driver *driver, const char *name, GError **error);

gboolean store_set_autostart(const Driver *driver, const char *name, gboolean autostart,
			     GError **error);

/* The definitions of a folder: @found is called with each; @def is its to take. */
void store_load_configs(const Driver *driver,
			void (*found)(DomainDef *def, gboolean is_autostart, gpointer data),
			gpointer data);

/* What a status file says. */
typedef struct {
	DomainDef *def; /* the live one */
	pid_t pid;
	guint64 start_time;
	pid_t logger_pid; /* 0: not known */
	guint64 logger_start_time;
	pid_t storage_pid; /* of QEMU's storage daemon; 0: there is none */
	guint64 storage_start_time;
	VmmLogMark log_mark;
	gboolean is_tainted;  /* a client has given the VMM's monitor commands */
	gboolean is_starting; /* what runs, if anything does, has not been let go yet */
	DomainIdentity *identity;
	int state;
	int reason;
} StoreStatus;

void store_status_clear(StoreStatus *status);

gboolean store_save_status(const Driver *driver, const StoreStatus *status, GError **error);
void store_delete_status(const Driver *driver, const char *name);

/* The status files: @found is called with each; status->def and status->identity are its to take.
 */
void store_load_statuses(const Driver *driver, void (*found)(StoreStatus *status, gpointer data),
			 gpointer data);

/* Paths of a domain's files, for g_free(). */
char *store_log_path(const Driver *driver, const char *name);
char *store_monitor_path(const Driver *driver, const guint8 *uuid);

/* That of a storage daemon's sockets, less their ends. */
char *store_storage_path(const Driver *driver, const guint8 *uuid);

/* The folder of a run's channels; see devices/virtio-serial.h. @def: has an id */
char *store_channel_folder(const Driver *driver, const DomainDef *def);

/*
 * store_take_autostart_turn - whether domains are to be started with the daemon
 *
 * Return: TRUE once after each boot of the host, so that a daemon which is restarted does not
 * start what was shut down meanwhile.
 */
gboolean store_take_autostart_turn(const Driver *driver);
