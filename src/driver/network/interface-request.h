/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interface-request.h - questions and orders about network interfaces of the host's
 *
 * In the network namespace of the calling process. Errors are DRIVER_ERRORs, VIR_ERR_SYSTEM_ERROR,
 * that name the interface; or VIR_ERR_CONFIG_UNSUPPORTED where a name cannot be one.
 */
#pragma once

#include <glib.h>

/* Whether @name can be an interface's: short enough, and without '/', spaces and colons. */
gboolean interface_name_check(const char *name, GError **error);

gboolean interface_exists(const char *name);
gboolean interface_set_mac(const char *name, const guint8 mac[6], GError **error);
gboolean interface_set_mtu(const char *name, guint mtu, GError **error);
gboolean interface_set_up(const char *name, GError **error);

/* Puts an interface into a bridge. */
gboolean interface_join_bridge(const char *name, const char *bridge, GError **error);

/* The MTU of an interface; 0 with @error set. */
guint interface_get_mtu(const char *name, GError **error);
