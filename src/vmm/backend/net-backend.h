/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-backend.h - what the kinds of network backends have in common; for them alone */
#pragma once

#include "vmm/backend/net.h"

typedef struct {
	void (*attach)(NetBackend *backend);
	void (*use_queues)(NetBackend *backend, guint n);	     /* NULL: has one */
	void (*set_offloads)(NetBackend *backend, guint64 features); /* NULL: has none */
	void (*receive)(NetBackend *backend, guint queue, gboolean is_wanted);
	gboolean (*send)(NetBackend *backend, guint queue, const guint8 *frame, gsize size);
	void (*flush)(NetBackend *backend, guint queue); /* NULL: nothing is batched */
	void (*close)(NetBackend *backend); /* all watches and descriptors; again, too */
	void (*free)(NetBackend *backend);  /* the rest */
} NetOperations;

/* The first member of each kind. */
struct NetBackend {
	const NetOperations *operations;
	char *name;
	guint queues;
	guint64 offloads;
	gboolean is_up;
	GMainContext *context;
	const NetClient *client;
	void *opaque;
};

void net_backend_init(NetBackend *backend, const NetOperations *operations, const char *name,
		      guint queues);

/* The host's side has gone away: closes all, warns, and tells the client. @why: translated. */
void net_backend_lose(NetBackend *backend, const char *why);

/* Sets @fd to answer at once where it would wait. */
gboolean net_backend_set_nonblocking(int fd, GError **error);
