/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-passt.h - passt as a process: one for each network card of the type 'user'
 *
 * Theory of operation
 *
 * Each ends when the VMM closes its end of a socket: with the card or with the VMM. One that starts
 * before the VMM writes to the domain's log, whose pipe is there then. One that comes later, with a
 * card that is plugged in, writes to a pipe of the daemon's until it says that it is ready, by its
 * "pid file", which is that pipe; so what it cannot have is the error of whoever plugs the card in.
 * What it would say later is read by nobody.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/vmm/vmm-process.h"

typedef struct {
	char *alias; /* of its card */
	VmmProcess *process;
} VmmPasstProcess;

/* For the processes of one VMM. */
GPtrArray *vmm_passts_new(void);

/*
 * vmm_passt_spawn - start a passt, and have it in @passts
 * @jail: of passt_jail()
 * @socket: its end; stays the caller's
 * @output: what it says goes there
 */
gboolean vmm_passt_spawn(GPtrArray *passts, const Jail *jail, const DomainInterface *interface,
			 int socket, int output, GError **error);

/*
 * vmm_passt_start - the same for a VMM that runs
 *
 * Return: TRUE when it serves; FALSE with VIR_ERR_INTERNAL_ERROR that has what it said.
 */
gboolean vmm_passt_start(GPtrArray *passts, const Jail *jail, const DomainInterface *interface,
			 int socket, GError **error);

/* Waits for the end of the one whose card is gone, and forgets it. @passts: or NULL. */
void vmm_passt_end(GPtrArray *passts, const char *alias);

/* Waits for the end of what ends with the VMM, and has its name from here on. @passts: or NULL. */
void vmm_passts_wait(GPtrArray *passts);
