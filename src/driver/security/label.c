/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* label.c - "user:group", libvirt's label of the security model dac */
#include "driver/security/label.h"

#include <glib/gi18n.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "driver/error.h"

/* Room for what is known of a user or a group: all its members. */
#define ENTRY_SIZE (1 << 20)

/* The last number of 32 bits says "none". */
#define ID_MAX (G_MAXUINT32 - 1)

static gboolean find_user(const char *name, guint64 *id)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	struct passwd user, *found = NULL;

	(void)getpwnam_r(name, &user, buffer, ENTRY_SIZE, &found);
	if (found)
		*id = found->pw_uid;
	return found != NULL;
}

static gboolean find_group(const char *name, guint64 *id)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	struct group group, *found = NULL;

	(void)getgrnam_r(name, &group, buffer, ENTRY_SIZE, &found);
	if (found)
		*id = found->gr_gid;
	return found != NULL;
}

static gboolean read_id(const char *part, gboolean (*find)(const char *name, guint64 *id),
			guint64 *id)
{
	if (*part == '+')
		return g_ascii_string_to_unsigned(part + 1, 10, 0, ID_MAX, id, NULL);
	return find(part, id) || g_ascii_string_to_unsigned(part, 10, 0, ID_MAX, id, NULL);
}

gboolean label_resolve(const char *label, uid_t *uid, gid_t *gid, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(label, ":", 2);
	guint64 user, group;

	if (!parts[0] || !parts[1])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("label '%.80s' is not a user and a group"), label);
	if (!read_id(parts[0], find_user, &user))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'seclabel/label': there is no user '%.80s'"),
				    parts[0]);
	if (!read_id(parts[1], find_group, &group))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'seclabel/label': there is no group '%.80s'"),
				    parts[1]);
	*uid = (uid_t)user;
	*gid = (gid_t)group;
	return TRUE;
}

char *label_format(uid_t uid, gid_t gid)
{
	return g_strdup_printf("+%u:+%u", (guint)uid, (guint)gid);
}
