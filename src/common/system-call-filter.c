/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* system-call-filter.c - seccomp filters, made from tables of what is allowed */
#include "common/system-call-filter.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER TRUE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_SANITIZER TRUE
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER FALSE
#endif

gboolean filter_is_built(void)
{
	return !HAS_SANITIZER;
}

gboolean filter_row_applies(guint who, guint scope)
{
	return (who & scope & FILTER_KINDS) &&
	       (!(who & FILTER_CONDITIONS) || (who & scope & FILTER_CONDITIONS));
}

scmp_filter_ctx filter_new(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

	/* Optimized: a binary tree, not a list. */
	if (filter &&
	    (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
	     seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)) {
		seccomp_release(filter);
		filter = NULL;
	}
	return filter;
}

int filter_add_calls(scmp_filter_ctx filter, const FilterCall *calls, gsize n_calls, guint scope)
{
	int result = 0;

	for (gsize i = 0; i < n_calls && result == 0; i++)
		if (filter_row_applies(calls[i].who, scope))
			result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].call, 0);
	return result;
}

static int allow_checked(scmp_filter_ctx filter, int call, guint argument, guint64 mask,
			 guint64 value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

int filter_add_checked_calls(scmp_filter_ctx filter, const FilterCheckedCall *calls, gsize n_calls,
			     guint scope)
{
	int result = 0;

	for (gsize i = 0; i < n_calls && result == 0; i++)
		if (filter_row_applies(calls[i].who, scope))
			result = allow_checked(filter, calls[i].call, calls[i].argument,
					       calls[i].mask, calls[i].value);
	return result;
}

int filter_add_denied_calls(scmp_filter_ctx filter, const FilterDeniedCall *calls, gsize n_calls,
			    guint scope)
{
	int result = 0;

	for (gsize i = 0; i < n_calls && result == 0; i++)
		if (filter_row_applies(calls[i].who, scope))
			result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(calls[i].code),
						  calls[i].call, 0);
	return result;
}

int filter_add_requests(scmp_filter_ctx filter, guint32 mask, guint32 request)
{
	return allow_checked(filter, SCMP_SYS(ioctl), 1, mask, request);
}

int filter_add_own_signals(scmp_filter_ctx filter)
{
	return allow_checked(filter, SCMP_SYS(tgkill), 0, EXACTLY_32(getpid()));
}

static int export_program(scmp_filter_ctx filter, const struct sock_filter *first, gsize n_first,
			  struct sock_fprog *program)
{
	const gsize first_size = n_first * sizeof(first[0]);
	const int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat status = { 0 };
	int result = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);

	if (result == 0 && fstat(fd, &status) < 0)
		result = -errno;
	if (result == 0) {
		const gsize size = first_size + (gsize)status.st_size;

		program->len = (gushort)(size / sizeof(struct sock_filter));
		program->filter = g_malloc(size);
		if (n_first > 0)
			memcpy(program->filter, first, first_size);
		if (pread(fd, (guint8 *)program->filter + first_size, (gsize)status.st_size, 0) !=
		    status.st_size)
			result = -EIO;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

gboolean filter_finish(scmp_filter_ctx filter, int result, const struct sock_filter *first,
		       gsize n_first, struct sock_fprog *program, GError **error)
{
	if (!filter)
		result = -ENOMEM;
	if (result == 0)
		result = export_program(filter, first, n_first, program);
	seccomp_release(filter);
	if (result == 0)
		return TRUE;
	g_clear_pointer(&program->filter, g_free);
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-result),
		    _("making a seccomp filter: %s"), g_strerror(-result));
	return FALSE;
}

gboolean filter_install(const struct sock_fprog *program, GError **error)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
		    "SECCOMP_SET_MODE_FILTER", g_strerror(errno));
	return FALSE;
}
