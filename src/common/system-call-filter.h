/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * system-call-filter.h - seccomp filters, made from tables of what is allowed
 *
 * Theory of operation
 *
 * A program has tables, a row for each system call that it makes, and each filter of its own is
 * made from the rows that are in its scope: who of the program it is for, and what the program is
 * set up to do. All other calls end the process (SIGSYS). Filters are made by libseccomp, and kept
 * as the program that the kernel takes, for threads that come later.
 *
 * Functions that return int return 0 or a negative errno, as libseccomp does, and that where there
 * was no memory for the filter, too.
 */
#pragma once

#include <glib.h>
#include <linux/filter.h>
#include <seccomp.h>

/*
 * Scopes: the lower half has a bit for each of the program's kinds of threads, the upper one for
 * each condition. A row holds where one of its kinds is in the scope and, if it has conditions,
 * one of these is, too.
 */
#define FILTER_KINDS		 0x0000ffffu
#define FILTER_CONDITIONS	 0xffff0000u
#define FILTER_KIND(number)	 (1u << (number))
#define FILTER_CONDITION(number) (1u << (16 + (number)))

typedef struct {
	int call;
	guint who;
} FilterCall;

/* A call whose argument, the one with that number from 0, has to have a value under a mask. */
typedef struct {
	int call;
	guint argument;
	guint64 mask;
	guint64 value;
	guint who;
} FilterCheckedCall;

#define NO_BITS(bits)	  (bits), 0
#define EXACTLY(value)	  G_MAXUINT64, (value)
#define EXACTLY_32(value) G_MAXUINT32, (guint32)(value)

/* A call that is answered with an errno: libraries ask, and go another way. */
typedef struct {
	int call;
	int code;
	guint who;
} FilterDeniedCall;

/* Whether there are filters in this build: a sanitizer makes system calls of its own. */
gboolean filter_is_built(void);

gboolean filter_row_applies(guint who, guint scope);

/* Begins a filter in which everything ends the process, for filter_finish(). */
scmp_filter_ctx filter_new(void);

int filter_add_calls(scmp_filter_ctx filter, const FilterCall *calls, gsize n_calls, guint scope);
int filter_add_checked_calls(scmp_filter_ctx filter, const FilterCheckedCall *calls, gsize n_calls,
			     guint scope);
int filter_add_denied_calls(scmp_filter_ctx filter, const FilterDeniedCall *calls, gsize n_calls,
			    guint scope);

/* Requests of ioctl(2); the kernel looks at 32 bits. */
int filter_add_requests(scmp_filter_ctx filter, guint32 mask, guint32 request);

/* Signals to threads of this process: a kick, or an abort. */
int filter_add_own_signals(scmp_filter_ctx filter);

/*
 * filter_finish - take what the kernel wants from the library, and release the filter
 * @result:  what came of the rows: where it is an error, so is this
 * @first:   instructions that come before the library's
 * @program: its filter is for g_free()
 *
 * Return: FALSE with @error set and no program.
 */
gboolean filter_finish(scmp_filter_ctx filter, int result, const struct sock_filter *first,
		       gsize n_first, struct sock_fprog *program, GError **error);

/* Puts a filter over the calling thread. Return: FALSE with @error where there are none. */
gboolean filter_install(const struct sock_fprog *program, GError **error);
