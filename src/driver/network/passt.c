/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* passt.c - a network without a device on the host: passt(1), a process a network card */
#include "driver/network/passt.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "driver/error.h"

/* A socket a connection of the guest's. */
#define OPEN_FILES 65536

static void add(GPtrArray *arguments, const char *argument)
{
	g_ptr_array_add(arguments, g_strdup(argument));
}

static void add_pair(GPtrArray *arguments, const char *option, const char *value)
{
	add(arguments, option);
	add(arguments, value);
}

static void append_range(GString *text, const DomainPortRange *range)
{
	if (range->is_excluded)
		g_string_append_c(text, '~');
	g_string_append_printf(text, "%u", range->start);
	if (range->end != range->start)
		g_string_append_printf(text, "-%u", range->end);
	if (range->is_excluded || range->to == range->start)
		return;
	g_string_append_printf(text, ":%u", range->to);
	if (range->end != range->start)
		g_string_append_printf(text, "-%u", range->to + range->end - range->start);
}

/* ADDRESS%DEVICE/RANGE,RANGE of passt(1), "Port forwarding". */
static char *format_forward(const DomainPortForward *forward)
{
	GString *text = g_string_new(forward->address);

	if (forward->device)
		g_string_append_printf(text, "%%%s", forward->device);
	if (text->len > 0)
		g_string_append_c(text, '/');
	if (forward->ranges->len == 0)
		g_string_append(text, "all");
	for (guint i = 0; i < forward->ranges->len; i++) {
		if (i > 0)
			g_string_append_c(text, ',');
		append_range(text, forward->ranges->pdata[i]);
	}
	return g_string_free(text, FALSE);
}

static void add_addresses(GPtrArray *arguments, const DomainInterface *interface)
{
	for (guint i = 0; interface->ips && i < interface->ips->len; i++) {
		const DomainInterfaceIp *ip = interface->ips->pdata[i];

		add_pair(arguments, "--address", ip->address);
		/* Of IPv6 it takes none but 64, by itself. */
		if (!ip->is_ipv6 && ip->prefix) {
			g_autofree char *prefix = g_strdup_printf("%u", ip->prefix);

			add_pair(arguments, "--netmask", prefix);
		}
	}
}

GStrv passt_arguments(const char *program, const DomainInterface *interface, int socket,
		      const char *ready_file)
{
	GPtrArray *arguments = g_ptr_array_new();
	g_autofree char *fd = g_strdup_printf("%d", socket);

	add(arguments, program);
	add(arguments, "--foreground");
	add(arguments, "--stderr");
	add(arguments, "--quiet");
	add_pair(arguments, "--fd", fd);
	if (ready_file)
		add_pair(arguments, "--pid", ready_file);
	if (interface->mtu) {
		g_autofree char *mtu = g_strdup_printf("%u", interface->mtu);

		add_pair(arguments, "--mtu", mtu);
	}
	if (interface->source_device)
		add_pair(arguments, "--interface", interface->source_device);
	add_addresses(arguments, interface);
	for (guint i = 0; interface->port_forwards && i < interface->port_forwards->len; i++) {
		const DomainPortForward *forward = interface->port_forwards->pdata[i];
		g_autofree char *ports = format_forward(forward);

		add_pair(arguments, forward->is_udp ? "--udp-ports" : "--tcp-ports", ports);
	}
	g_ptr_array_add(arguments, NULL);
	return (GStrv)g_ptr_array_free(arguments, FALSE);
}

void passt_jail(Jail *jail, uid_t uid, gid_t gid, guint may_lack, int cgroup)
{
	jail_init_companion(jail, uid, gid, TRUE, may_lack);
	jail->cgroup = cgroup;
	/* Who reads what it says may have gone. */
	jail->ignores_pipes = TRUE;
	jail_limit(jail, RLIMIT_NOFILE, OPEN_FILES);
}

gboolean passt_is_installed(const char *program, GError **error)
{
	if (access(program, X_OK) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("interface type 'user' needs passt, and '%s' cannot be started: %s; "
			      "install the package passt"),
			    program, g_strerror(errno));
}
