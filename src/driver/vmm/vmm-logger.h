/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-logger.h - the gmem-logger beside a VMM, which writes what the VMM prints
 *
 * src/logger/main.c says how it works. Here its streams are put together: a pipe, whose one end
 * is the VMM's, and the file that what comes through it goes to.
 */
#pragma once

#include <glib.h>

#include "driver/safe-file.h"
#include "driver/vmm/vmm-log.h"
#include "driver/vmm/vmm-process.h"

/* Of VmmLoggerStream. */
typedef GArray VmmLoggerStreams;

VmmLoggerStreams *vmm_logger_streams_new(void);

/* Closes what the streams have. */
void vmm_logger_streams_free(VmmLoggerStreams *streams);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmLoggerStreams, vmm_logger_streams_free)

/*
 * vmm_logger_add - make a pipe into a file
 * @output: not /dev/null; taken over, also on failure
 * @is_first: put it before the others: the logger tells the first one's file what goes wrong
 *
 * Return: the end to write to, which never waits, for close(); or -1 with
 * VIR_ERR_SYSTEM_ERROR.
 */
int vmm_logger_add(VmmLoggerStreams *streams, SafeOutput *output, gboolean is_first,
		   GError **error);

/*
 * vmm_logger_spawn - start a logger for these streams
 * @program: its path
 * @jail: the one that it starts in
 *
 * It ends when the VMM's ends of all pipes are closed.
 *
 * Return: NULL with DRIVER_ERROR.
 */
VmmProcess *vmm_logger_spawn(const char *program, const Jail *jail, const VmmLogLimits *limits,
			     const VmmLoggerStreams *streams, GError **error);

/*
 * vmm_logger_wait - wait until all that a VMM has printed is in the files
 * @logger: NULL: nothing to wait for
 *
 * To be called when the VMM has ended. Waits for a few seconds at most: a disk may hang.
 */
void vmm_logger_wait(VmmProcess *logger);
