/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passt.h - a network without a device on the host: passt(1), a process a network card
 *
 * Theory of operation
 *
 * passt answers a guest's frames with sockets of its own: to the host's network the guest is a
 * program of its user. It gets one end of a pair of sockets, and the VMM the other; it ends when
 * that is closed, and so with the VMM. It runs as the domain's user, in the domain's cgroup, in a
 * jail: with the host's network, which is what it is for, but without capabilities and privileges,
 * with namespaces of its own for what else there is, and with the sandbox that it makes itself.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/jail/jail.h"

/* Where Debian's package has it. */
#define PASST_PROGRAM "/usr/bin/passt"

/* A number for its socket's descriptor. */
#define PASST_SOCKET 3

/*
 * passt_arguments - passt's command line for a network card
 * @socket: number of its socket's descriptor
 * @ready_file: where it writes its process id when it serves, or NULL
 *
 * Return: for g_strfreev().
 */
GStrv passt_arguments(const char *program, const DomainInterface *interface, int socket,
		      const char *ready_file);

/*
 * passt_jail - what passt is started in
 * @cgroup: the domain's, as in Jail
 */
void passt_jail(Jail *jail, uid_t uid, gid_t gid, guint may_lack, int cgroup);

/* FALSE with VIR_ERR_CONFIG_UNSUPPORTED that says what to install. */
gboolean passt_is_installed(const char *program, GError **error);
