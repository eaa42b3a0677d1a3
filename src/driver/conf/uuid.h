/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uuid.h - domain UUIDs between bytes and text
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* Writes the 36 characters in lower case and a NUL. */
void uuid_format(const guint8 uuid[VIR_UUID_BUFLEN], char text[VIR_UUID_STRING_BUFLEN]);

/*
 * uuid_parse - read what libvirt reads: 32 hexadecimal digits, hyphens and spaces between bytes
 *
 * Return: FALSE, and @uuid is undefined, for anything else.
 */
gboolean uuid_parse(const char *text, guint8 uuid[VIR_UUID_BUFLEN]);

/* A random UUID (RFC 9562, version 4). */
void uuid_generate(guint8 uuid[VIR_UUID_BUFLEN]);
