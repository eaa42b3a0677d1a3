/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* system-calls.c - which system calls gmem-logger may make, and with which arguments */
#include "logger/system-calls.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "common/system-call-filter.h"

/* There is one kind of thread. */
#define LOGGER FILTER_KIND(0)

/* docs/sandbox.md has a reason for each. */
static const FilterCall calls[] = {
	/* Memory, time, and the end. */
	{ SCMP_SYS(brk), LOGGER },
	{ SCMP_SYS(exit_group), LOGGER },
	{ SCMP_SYS(futex), LOGGER },
	{ SCMP_SYS(getpid), LOGGER },
	{ SCMP_SYS(getrandom), LOGGER },
	{ SCMP_SYS(gettid), LOGGER },
	{ SCMP_SYS(mremap), LOGGER },
	{ SCMP_SYS(munmap), LOGGER },
	{ SCMP_SYS(restart_syscall), LOGGER },
	{ SCMP_SYS(rt_sigprocmask), LOGGER },

	/* Pipes and files. */
	{ SCMP_SYS(close), LOGGER },
	{ SCMP_SYS(fstat), LOGGER },
	{ SCMP_SYS(poll), LOGGER },
	{ SCMP_SYS(read), LOGGER },
	{ SCMP_SYS(renameat), LOGGER },
	{ SCMP_SYS(write), LOGGER },
};

static const FilterCheckedCall checked_calls[] = {
	{ SCMP_SYS(mmap), 2, NO_BITS(PROT_EXEC), LOGGER },
	{ SCMP_SYS(mprotect), 2, NO_BITS(PROT_EXEC), LOGGER },
	{ SCMP_SYS(madvise), 2, EXACTLY_32(MADV_DONTNEED), LOGGER },

	/* Emptied, and permissions alone: neither a large file nor one that gives rights. */
	{ SCMP_SYS(ftruncate), 1, EXACTLY(0), LOGGER },
	{ SCMP_SYS(fchmod), 1, NO_BITS(G_MAXUINT32 & ~0777u), LOGGER },

	/* What is open, or has a name in a folder, which is not followed where it is a link. */
	{ SCMP_SYS(newfstatat), 3, EXACTLY_32(AT_EMPTY_PATH), LOGGER },
	{ SCMP_SYS(newfstatat), 3, EXACTLY_32(AT_SYMLINK_NOFOLLOW), LOGGER },

	/* A file that there is not yet; none is opened that is. */
	{ SCMP_SYS(openat), 2, EXACTLY_32(O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC),
	  LOGGER },
};

static int add_all(scmp_filter_ctx filter)
{
	int result = filter_add_calls(filter, calls, G_N_ELEMENTS(calls), LOGGER);

	if (result == 0)
		result = filter_add_checked_calls(filter, checked_calls,
						  G_N_ELEMENTS(checked_calls), LOGGER);
	return result == 0 ? filter_add_own_signals(filter) : result;
}

gboolean logger_system_calls_confine(GError **error)
{
	struct sock_fprog program = { 0 };
	gboolean is_installed;
	scmp_filter_ctx filter;

	if (!filter_is_built())
		return TRUE;
	filter = filter_new();
	if (!filter_finish(filter, add_all(filter), NULL, 0, &program, error))
		return FALSE;
	is_installed = filter_install(&program, error);
	g_free(program.filter);
	return is_installed;
}
