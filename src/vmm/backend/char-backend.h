/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char-backend.h - what the kinds of character backends have in common; for them alone */
#pragma once

#include "vmm/backend/char.h"

typedef struct {
	void (*attach)(CharBackend *backend);
	/* What is taken of it; less than all where there is no room now. */
	gsize (*send)(CharBackend *backend, const guint8 *data, gsize size);
	/* What is to be waited for has changed: see is_wanted, is_full and has_waiter. */
	void (*update)(CharBackend *backend);
	void (*detach)(CharBackend *backend);
	void (*free)(CharBackend *backend); /* detached */
} CharOperations;

/* The first member of each kind. */
struct CharBackend {
	const CharOperations *operations;
	GMainContext *context; /* NULL: not attached */
	GMutex *lock;
	const CharClient *client;
	void *opaque;
	gboolean is_wanted;  /* input is */
	gboolean is_full;    /* but the client has no room */
	gboolean has_waiter; /* the client waits for room */
	gboolean is_open;
	int end_of_output; /* errno */
};

typedef enum {
	CHAR_INPUT_READ,  /* some, or none was there */
	CHAR_INPUT_FULL,  /* the client has no room */
	CHAR_INPUT_ENDED, /* there will be no more */
} CharInput;

void char_backend_lock(CharBackend *backend);
void char_backend_unlock(CharBackend *backend);

/* Whether what comes is to be read now. */
gboolean char_backend_may_read(const CharBackend *backend);

/* Reads once, as much as the client takes. @is_socket: what @fd is. */
CharInput char_backend_read(CharBackend *backend, int fd, gboolean is_socket);

/* As read(2) and write(2), with a signal or no room being 0 bytes. Return: -1 with errno set. */
gssize char_backend_write(int fd, gboolean is_socket, const guint8 *data, gsize size);

/* Tells the client, if it waits, that there may be room. */
void char_backend_tell_writable(CharBackend *backend);

/* Tells the client, if it is news. */
void char_backend_set_open(CharBackend *backend, gboolean is_open);
