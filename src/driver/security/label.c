/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* label.c - "user:group", libvirt's label of the security model dac */
#include "driver/security/label.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/error.h"
#include "driver/security/user-database.h"

/* The last number of 32 bits says "none". */
#define ID_MAX (G_MAXUINT32 - 1)

static gboolean find_user(const char *name, guint *id)
{
	return user_database_find_user(name, id, NULL);
}

static gboolean read_number(const char *text, guint *id)
{
	guint64 number;

	if (!g_ascii_string_to_unsigned(text, 10, 0, ID_MAX, &number, NULL))
		return FALSE;
	*id = (guint)number;
	return TRUE;
}

static gboolean read_id(const char *part, gboolean (*find)(const char *name, guint *id), guint *id)
{
	if (*part == '+')
		return read_number(part + 1, id);
	return find(part, id) || read_number(part, id);
}

gboolean label_resolve(const char *label, uid_t *uid, gid_t *gid, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(label, ":", 2);

	if (!parts[0] || !parts[1])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("label '%.80s' is not a user and a group"), label);
	if (!read_id(parts[0], find_user, uid))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'seclabel/label': there is no user '%.80s'"),
				    parts[0]);
	if (!read_id(parts[1], user_database_find_group, gid))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'seclabel/label': there is no group '%.80s'"),
				    parts[1]);
	return TRUE;
}

char *label_format(uid_t uid, gid_t gid)
{
	return g_strdup_printf("+%u:+%u", (guint)uid, (guint)gid);
}
