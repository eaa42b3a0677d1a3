/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* label.h - "user:group", libvirt's label of the security model dac */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * label_resolve - the numbers that a label stands for
 * @label: each part is "+" and a number, a name, or a number that is nobody's name
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that names the part which there is not.
 */
gboolean label_resolve(const char *label, uid_t *uid, gid_t *gid, GError **error);

/* Return: "+1000:+1000", for g_free(). */
char *label_format(uid_t uid, gid_t gid);
