/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char-null.c - a character backend with nothing behind it */
#include "vmm/backend/char-backend.h"

static gsize null_send(CharBackend *backend, const guint8 *data, gsize size)
{
	(void)backend;
	(void)data;
	return size;
}

static void null_free(CharBackend *backend)
{
	g_free(backend);
}

static const CharOperations operations = { .send = null_send, .free = null_free };

CharBackend *char_null_new(void)
{
	CharBackend *backend = g_new0(CharBackend, 1);

	backend->operations = &operations;
	backend->is_open = TRUE;
	return backend;
}
