/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.h - errors of libvirt's own kind, carried as GError
 *
 * The code of a GError in this domain is one of libvirt's virErrorNumber; its message is the
 * whole text that a client shows, the words that libvirt has for that number in front:
 * "unsupported configuration: element 'video' is not supported". The RPC layer sends both.
 *
 * Those words are in the daemon's language, and so is the detail where its caller has looked the
 * format up; see docs/hacking.md, "Words".
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

#define DRIVER_ERROR (driver_error_quark())
GQuark driver_error_quark(void);

/*
 * driver_error - set @error
 * @error:  where to put it; NULL when nobody wants to know
 * @code:   VIR_ERR_*
 * @format: the detail that follows libvirt's words for @code
 *
 * Return: FALSE, so that a caller can return it.
 */
gboolean driver_error(GError **error, virErrorNumber code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/*
 * driver_error_detail - what an error of any domain says without the words of libvirt
 *
 * Return: a text that lives as long as @cause.
 */
const char *driver_error_detail(const GError *cause);

/*
 * driver_error_set_origin - say which part of libvirt would have raised an error
 * @error: one that driver_error() has set; nothing happens where there is none
 *
 * For errors that clients tell apart by that; others are of VIR_FROM_DOMAIN.
 */
void driver_error_set_origin(GError **error, virErrorDomain origin);

/* Of an error of any domain. */
virErrorDomain driver_error_origin(const GError *error);

/*
 * driver_error_from - turn an error of any domain into one of ours
 * @code:   used when @cause is not a DRIVER_ERROR; otherwise the cause's own code is kept
 * @cause:  what went wrong; still the caller's, who frees it
 * @format: the detail, with a place for driver_error_detail(@cause); NULL for that alone
 */
void driver_error_from(GError **error, virErrorNumber code, const GError *cause, const char *format,
		       ...) G_GNUC_PRINTF(4, 5);
