/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-launch.h - from a domain's configuration to a VMM that waits for its first command
 *
 * Theory of operation
 *
 * The VMM gets descriptors, not paths: KVM, the userfaultfd device, firmware and its
 * variables, the kernel and initrd, the serial ports and the socket that its monitor listens on are
 * opened here and handed over by number, so that the process needs no right to open anything. What
 * it prints, and what would fill a file, goes through pipes to a gmem-logger that is started
 * before it and ends after it. It
 * starts paused; that it is ready is known by its monitor's greeting, which the socket's queue
 * holds the daemon's connection for. If it ends before, the connection ends with it.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/vmm/qmp-client.h"
#include "driver/vmm/vmm-log.h"
#include "driver/vmm/vmm-logger.h"
#include "driver/vmm/vmm-passt.h"
#include "driver/vmm/vmm-process.h"
#include "driver/vmm/vmm-storage.h"

/* A VMM that runs. */
typedef struct {
	VmmProcess *process;
	QmpClient *monitor;  /* not started yet */
	VmmProcess *logger;  /* NULL where it is not known */
	GPtrArray *passts;   /* of VmmPasstProcess; NULL: none were started here */
	VmmStorage *storage; /* NULL: no disk is served by one */
	VmmLogMark log_mark; /* for vmm_log_tail() */
} Vmm;

typedef struct {
	const char *emulator;	     /* where the domain names none */
	const char *logger;	     /* gmem-logger */
	const char *monitor_path;    /* of the socket to be made; an old one is replaced */
	const char *storage_path;    /* of VmmStorageDomain */
	const char *storage_library; /* gmem-storage-files.so */
	const char *log_path;
	VmmLogLimits log_limits;
	const char *bios;	   /* where the domain names neither firmware nor kernel */
	const char *linuxboot_rom; /* with which a BIOS starts a kernel */
	uid_t uid;		   /* who the VMM runs as */
	gid_t gid;
	const GArray *groups; /* all of it, of gid_t; NULL: @gid alone */
	gboolean is_own_user; /* nobody else does */
	guint may_lack;	      /* of its jail: bits of SANDBOX_PART_BIT() */

	/*
	 * Called when the logger is there, which is to be put in the domain's cgroup.
	 * @cgroup: of the VMM's jail, for close(); -1, as it is before: it gets no cgroup
	 */
	gboolean (*make_group)(pid_t logger, int *cgroup, gpointer data, GError **error);

	/* Called when both processes are there, and before the VMM is ready. */
	gboolean (*spawned)(const Vmm *vmm, gpointer data, GError **error);
	gpointer data;
} VmmLaunch;

/*
 * vmm_launch - start a VMM for a domain
 * @def: its configuration; the path and alias of its serial port are filled in
 * @vmm: for vmm_clear()
 *
 * Blocks until the VMM is ready. Nothing is left behind on failure but the log.
 *
 * Return: FALSE with DRIVER_ERROR: VIR_ERR_SYSTEM_ERROR that names the file which cannot be
 * opened, VIR_ERR_INTERNAL_ERROR with the end of the log where the VMM gave up.
 */
gboolean vmm_launch(const VmmLaunch *launch, DomainDef *def, Vmm *vmm, GError **error);

/* Ends the monitor's connection and forgets the process, which is not ended. */
void vmm_clear(Vmm *vmm);

/*
 * vmm_failure - what there is to say about a VMM that has ended
 *
 * After vmm_logger_wait(), which sees to it that the log is complete. How it ended is written
 * there, too. Where it was by a bad system call, that may take a second.
 *
 * Return: text for g_free(): how it ended and the last lines of its log.
 */
char *vmm_failure(VmmProcess *process, const char *log_path, const VmmLogLimits *limits,
		  const VmmLogMark *mark);
