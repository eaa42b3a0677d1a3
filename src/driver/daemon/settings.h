/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settings.h - virtgmemd's configuration file
 *
 * Lines "name = value" as in libvirt's own files: a value is a string in double quotes, a number
 * without, or a list of strings in brackets; "#" begins a line that is a comment.
 * docs/man/virtgmemd.conf.rst describes each.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "common/kvm-support.h"
#include "driver/security/user-pool.h"

/* The VMMs' user of the system's domains that want no label, where it is told no other. */
#define DEFAULT_VMM_USER "libvirt-gmem"

typedef struct {
	gid_t socket_group; /* (gid_t)-1: the daemon's own */
	mode_t socket_mode; /* of the socket that changes things */
	mode_t readonly_socket_mode;
	char *vmm_user;		     /* that all run as; NULL: each its own, or a session's */
	char *vmm_group;	     /* NULL: the user's */
	UserRange user_range;	     /* of which domains have one each, without vmm_user */
	gint64 max_size;	     /* of a log or console file, in bytes */
	guint max_backups;	     /* how many older ones are kept of each */
	KvmMemoryKinds memory_kinds; /* that domains may have */
	guint may_lack;		     /* of the jail: bits of SANDBOX_PART_BIT() */
} Settings;

/*
 * settings_load - read a configuration file
 * @path: the file
 * @must_exist: whether its absence is an error; otherwise it means the defaults
 *
 * Return: FALSE with DRIVER_ERROR (VIR_ERR_CONF_SYNTAX) that names file and setting.
 */
gboolean settings_load(Settings *settings, const char *path, gboolean must_exist, GError **error);
void settings_clear(Settings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Settings, settings_clear)

/*
 * settings_names - the names that a configuration file may have
 *
 * Exposed for the tests.
 */
const char *const *settings_names(gsize *n_names);
