/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scope.h - a domain's control group where systemd runs, and what machined knows of it
 *
 * Theory of operation
 *
 * systemd owns the tree of control groups, so it is asked for one: a scope in machine.slice, named
 * as libvirt's QEMU driver names its own. A scope begins with a process that is there, which is
 * moved into it; what follows is started there. It goes when its last process does, but for one
 * whose first process has ended before it was moved: so at the end systemd is told to stop it.
 * Where machined is installed the domain is registered with it, for machinectl and systemd-cgls,
 * and forgotten by it when the scope goes. Both are asked over the system's bus, by a connection
 * for this alone.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#include "driver/security/cgroup.h"

/* Return: "machine-gmem\x2d3\x2dlinux.scope", for g_free(). */
char *scope_unit(const char *machine_name);

/* Return: a connection for g_object_unref(), or NULL with VIR_ERR_OPERATION_FAILED. */
GDBusConnection *scope_connect(GError **error);

/*
 * scope_start - have systemd make a scope
 * @unit: of scope_unit()
 * @description: for people
 * @first: the process that it begins with; it is there when this returns
 * @limits: systemd's to keep
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED.
 */
gboolean scope_start(GDBusConnection *bus, const char *unit, const char *description, pid_t first,
		     const CgroupLimits *limits, GError **error);

/*
 * scope_end - kill what is in a scope, and have systemd forget it
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED. A scope that there is not has ended.
 */
gboolean scope_end(GDBusConnection *bus, const char *unit, GError **error);

/*
 * scope_folder - the folder of a scope
 * @member: a process in it
 *
 * Return: for g_free(), or NULL with VIR_ERR_OPERATION_FAILED where the process is elsewhere.
 */
char *scope_folder(const char *unit, pid_t member, GError **error);

/*
 * scope_register - tell machined of a domain
 * @uuid: its UUID's 16 bytes
 * @leader: the VMM, in the scope
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED. A host without machined is none.
 */
gboolean scope_register(GDBusConnection *bus, const char *machine_name, const guint8 *uuid,
			pid_t leader, GError **error);
