/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-error.c - what a disk could not do, and what becomes of it */
#include "vmm/device/disk-error.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>

#include "vmm/log.h"

const char *const disk_read_policies[] = { "report", "ignore", "stop", NULL };
const char *const disk_write_policies[] = { "report", "ignore", "stop", "enospc", NULL };

static LogLimit error_limit;

static DiskErrorAction action_for(DiskErrorPolicy policy, int error)
{
	switch (policy) {
	case DISK_POLICY_STOP:
		return DISK_ERROR_STOP;
	case DISK_POLICY_IGNORE:
		return DISK_ERROR_IGNORE;
	case DISK_POLICY_ENOSPC:
		return error == ENOSPC ? DISK_ERROR_STOP : DISK_ERROR_REPORT;
	case DISK_POLICY_REPORT:
		break;
	}
	return DISK_ERROR_REPORT;
}

DiskErrorAction disk_error_handle(const DiskErrorHandler *handler, const BlockRequest *request,
				  int error)
{
	const gboolean is_read = request->operation == BLOCK_READ;
	const DiskErrorAction action =
		action_for(is_read ? handler->read_policy : handler->write_policy, error);
	const DiskError told = { handler->id, is_read, action, error };

	log_limited(&error_limit, "block",
		    is_read ? _("%s: reading %" PRIu64 " bytes at %" PRIu64 " failed: %s") :
			      _("%s: writing %" PRIu64 " bytes at %" PRIu64 " failed: %s"),
		    block_backend_name(request->backend), request->size, request->offset,
		    g_strerror(error));
	if (action != DISK_ERROR_IGNORE)
		block_backend_note_failure(request->backend, error);
	if (handler->failed)
		handler->failed(handler->opaque, &told);
	return action;
}
