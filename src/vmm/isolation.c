/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* isolation.c - what this process gives up, step by step */
#include "vmm/isolation.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static gboolean set_errno_error(GError **error, const char *what)
{
	int saved_errno = errno;

	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved_errno), "%s: %s", what,
		    g_strerror(saved_errno));
	return FALSE;
}

gboolean isolation_hide_process(GError **error)
{
	const struct rlimit no_core = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return set_errno_error(error, "PR_SET_DUMPABLE");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return set_errno_error(error, "RLIMIT_CORE");
	return TRUE;
}
