/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-device.c - what the host knows of its network devices and of who is behind them
 *
 * Both are tables of the kernel's in /proc/net: lines of columns, of which dev has two of titles
 * and arp one.
 */
#include "driver/host/net-device.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver/error.h"

/* Return: lines for g_strfreev(), or NULL with VIR_ERR_SYSTEM_ERROR. */
static char **read_table(const char *root, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(root, "proc", "net", name, NULL);
	g_autoptr(GError) cause = NULL;
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, &cause)) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "%s", cause->message);
		return NULL;
	}
	return g_strsplit(text, "\n", -1);
}

/* Return: the columns behind "DEVICE:", or NULL where the line is another one's. */
static const char *columns_of(const char *line, const char *device)
{
	const gsize length = strlen(device);

	while (*line == ' ')
		line++;
	return strncmp(line, device, length) == 0 && line[length] == ':' ? line + length + 1 : NULL;
}

gboolean net_device_read_counters(const char *root, const char *device, NetCounters *counters,
				  GError **error)
{
	g_auto(GStrv) lines = read_table(root, "dev", error);
	NetTraffic *in = &counters->received, *out = &counters->sent;

	if (!lines)
		return FALSE;
	for (char **line = lines; *line; line++) {
		const char *columns = columns_of(*line, device);

		/* Of each direction what is between is of kinds that virtual devices have not. */
		if (columns && sscanf(columns,
				      "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64
				      "%*u%*u%*u%*u%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64,
				      &in->bytes, &in->packets, &in->errors, &in->drops,
				      &out->bytes, &out->packets, &out->errors, &out->drops) == 8)
			return TRUE;
	}
	return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("the host has no network device '%s'"),
			    device);
}

gboolean net_device_read_guest_counters(const char *root, const char *device, gboolean is_shared,
					NetCounters *counters, GError **error)
{
	NetCounters seen;

	if (!net_device_read_counters(root, device, &seen, error))
		return FALSE;
	counters->received = is_shared ? seen.received : seen.sent;
	counters->sent = is_shared ? seen.sent : seen.received;
	return TRUE;
}

GPtrArray *net_device_find_neighbours(const char *root, const char *mac, GError **error)
{
	g_auto(GStrv) lines = read_table(root, "arp", error);
	GPtrArray *found;

	if (!lines)
		return NULL;
	found = g_ptr_array_new_with_free_func(g_free);
	for (char **line = lines; *line; line++) {
		char address[64], owner[64];

		if (sscanf(*line, "%63s %*s %*s %63s", address, owner) == 2 &&
		    g_ascii_strcasecmp(owner, mac) == 0)
			g_ptr_array_add(found, g_strdup(address));
	}
	return found;
}
