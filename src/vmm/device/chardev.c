/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev.c - character backends as a device's description has them */
#include "vmm/device/chardev.h"

#include <glib/gi18n.h>

typedef enum { CHARDEV_PTY, CHARDEV_SOCKET, CHARDEV_FILE, CHARDEV_NULL } ChardevType;

typedef struct {
	guint type; /* ChardevType */
	char *fd;
	gboolean server;
	char *logfile_fd;
} ChardevDescription;

static const char *const types[] = {
	[CHARDEV_PTY] = "pty",
	[CHARDEV_SOCKET] = "socket",
	[CHARDEV_FILE] = "file",
	[CHARDEV_NULL] = "null",
	NULL,
};

static const JsonField fields[] = {
	{ .name = "type",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(ChardevDescription, type),
	  .is_required = TRUE,
	  .choices = types },
	{ .name = "fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(ChardevDescription, fd) },
	{ .name = "server",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(ChardevDescription, server) },
	{ .name = "logfile-fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(ChardevDescription, logfile_fd) },
	{ .name = NULL },
};

static gboolean check(const DeviceContext *context, const ChardevDescription *chardev,
		      GError **error)
{
	if (chardev->type != CHARDEV_NULL && !chardev->fd)
		return json_fields_refuse(error, context->owner, "chardev.fd",
					  _("it has to be there"));
	if (chardev->type == CHARDEV_NULL && chardev->fd)
		return json_fields_refuse(error, context->owner, "chardev.fd",
					  _("this type has none"));
	if (chardev->type != CHARDEV_SOCKET && chardev->server)
		return json_fields_refuse(error, context->owner, "chardev.server",
					  _("only a socket can be one"));
	return TRUE;
}

static CharBackend *open_backend(const DeviceContext *context, const ChardevDescription *chardev,
				 GError **error)
{
	int fd;

	if (chardev->type == CHARDEV_NULL)
		return char_null_new();
	fd = descriptor_table_take(context->descriptors, context->owner, "chardev.fd", chardev->fd,
				   error);
	if (fd < 0)
		return NULL;
	if (chardev->type == CHARDEV_SOCKET)
		return char_socket_new(fd, chardev->server, error);
	return char_fd_new(fd, chardev->type == CHARDEV_PTY ? fd : -1, error);
}

static gboolean open_log(const DeviceContext *context, const char *name, CharLog **log,
			 GError **error)
{
	int fd;

	*log = NULL;
	if (!name)
		return TRUE;
	fd = descriptor_table_take(context->descriptors, context->owner, "chardev.logfile-fd", name,
				   error);
	if (fd >= 0)
		*log = char_log_new(fd, context->id, error);
	return *log != NULL;
}

gboolean chardev_open(const DeviceContext *context, JsonObject *object, CharBackend **backend,
		      CharLog **log, GError **error)
{
	g_autofree char *owner = g_strdup_printf("%s: chardev", context->owner);
	ChardevDescription chardev = { 0 };
	const JsonFieldSet set = { fields, &chardev };

	*backend = NULL;
	if (!json_fields_read(object, owner, &set, 1, error))
		return FALSE;
	if (check(context, &chardev, error))
		*backend = open_backend(context, &chardev, error);
	if (*backend && !open_log(context, chardev.logfile_fd, log, error))
		g_clear_pointer(backend, char_free);
	json_fields_clear(&set, 1);
	return *backend != NULL;
}
