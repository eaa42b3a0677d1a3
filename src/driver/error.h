/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.h - errors of libvirt's own kind, carried as GError
 *
 * The code of a GError in this domain is one of libvirt's virErrorNumber; its message is the
 * whole text that a client shows, the words that libvirt has for that number in front:
 * "unsupported configuration: element 'video' is not supported". The RPC layer sends both.
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

#define DRIVER_ERROR (driver_error_quark())
GQuark driver_error_quark(void);

/*
 * driver_error - set @error
 * @code:   VIR_ERR_*
 * @format: the detail that follows libvirt's words for @code
 *
 * Return: FALSE, so that a caller can return it.
 */
gboolean driver_error(GError **error, virErrorNumber code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* Turns an error of any domain into one of ours: its code where it has one, else @code. */
void driver_error_from(GError **error, virErrorNumber code, GError *cause,
		       const char *format, ...) G_GNUC_PRINTF(4, 5);
