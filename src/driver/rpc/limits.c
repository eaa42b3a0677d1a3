/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits.c - who may connect, and how much may be held for whom
 *
 * Theory of operation
 *
 * The read-only socket is open to every user of the host. So connections through it are fewer
 * than all, one user's fewer than those, and some are kept for root and for whoever runs the
 * daemon: no stranger's clients keep these out.
 *
 * What is held for a client is counted with what it costs beside its bytes: input that is no
 * whole message yet, calls that are carried out, replies and events that have not been
 * written. The sum over clients that are not open or are read-only has a limit, and the sum
 * over all has another. When one is passed, the user for whom most is held loses the client
 * for which most is held: a flood ends with who makes it.
 *
 * Memory that is free again is given back to the system, some seconds after much of it was
 * released and no oftener than that.
 */
#include <glib/gi18n.h>
#include <malloc.h>
#include <unistd.h>

#include "driver/rpc/private.h"

/* Released since the last time, and how long after that free memory is given back. */
#define TRIM_SIZE    (16u << 20)
#define TRIM_SECONDS 2u

static RpcUser *find_user(const RpcServer *server, uid_t uid)
{
	return g_hash_table_lookup(server->users, GUINT_TO_POINTER(uid));
}

/* Root, and whoever runs the daemon. */
static gboolean is_privileged(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* Return: how many connections are the most, where there are so many already; else 0. */
static guint find_full(const RpcServer *server, uid_t uid, gboolean is_readonly)
{
	const RpcUser *user = find_user(server, uid);
	const guint most = is_privileged(uid) ? RPC_CLIENTS_MAX : RPC_CLIENTS_OF_OTHERS_MAX;
	const guint most_readonly = is_privileged(uid) ? RPC_CLIENTS_READONLY_MAX :
							 RPC_CLIENTS_READONLY_OF_OTHERS_MAX;

	if (server->clients->len >= most)
		return most;
	if (!is_readonly)
		return 0;
	if (server->n_readonly >= most_readonly)
		return most_readonly;
	if (user && !is_privileged(uid) && user->n_readonly >= RPC_CLIENTS_READONLY_PER_USER_MAX)
		return RPC_CLIENTS_READONLY_PER_USER_MAX;
	return 0;
}

gboolean rpc_limits_admit(RpcServer *server, uid_t uid, pid_t pid, gboolean is_readonly)
{
	const guint full = find_full(server, uid, is_readonly);

	if (full == 0)
		return TRUE;
	log_limit_warning(&server->log.turned_away,
			  is_readonly ? ngettext("%u client is connected; one more is turned away "
						 "(process %d of user %u, read-only)",
						 "%u clients are connected; one more is turned "
						 "away (process %d of user %u, read-only)",
						 full) :
					ngettext("%u client is connected; one more is turned away "
						 "(process %d of user %u)",
						 "%u clients are connected; one more is turned "
						 "away (process %d of user %u)",
						 full),
			  full, (int)pid, uid);
	return FALSE;
}

void rpc_limits_enter(RpcClient *client)
{
	RpcServer *server = client->server;
	RpcUser *user = find_user(server, client->uid);

	if (!user) {
		user = g_new0(RpcUser, 1);
		user->uid = client->uid;
		g_hash_table_insert(server->users, GUINT_TO_POINTER(client->uid), user);
	}
	client->user = user;
	client->is_limited = TRUE;
	user->n_clients++;
	user->n_readonly += client->came_readonly;
	server->n_readonly += client->came_readonly;
}

static void forget_user_if_gone(RpcServer *server, const RpcUser *user)
{
	if (user->n_clients == 0 && user->held == 0)
		g_hash_table_remove(server->users, GUINT_TO_POINTER(user->uid));
}

/* What calls under way hold stays counted until they end. */
void rpc_limits_leave(RpcClient *client)
{
	RpcServer *server = client->server;
	RpcUser *user = client->user;

	user->n_clients--;
	user->n_readonly -= client->came_readonly;
	server->n_readonly -= client->came_readonly;
	forget_user_if_gone(server, user);
}

void rpc_limits_set_limited(RpcClient *client, gboolean is_limited)
{
	if (client->is_limited == is_limited)
		return;
	client->is_limited = is_limited;
	if (is_limited) {
		client->user->held_limited += client->held;
		client->server->held_limited += client->held;
	} else {
		client->user->held_limited -= client->held;
		client->server->held_limited -= client->held;
	}
}

gsize rpc_limits_message_max(const RpcClient *client)
{
	if (!client->is_open)
		return RPC_MESSAGE_UNOPENED_MAX;
	return client->is_limited ? RPC_MESSAGE_READONLY_MAX : WIRE_LENGTH_SIZE + WIRE_MESSAGE_MAX;
}

gsize rpc_limits_pause_at(const RpcClient *client)
{
	return client->is_limited ? RPC_HELD_PAUSE_LIMITED : RPC_HELD_PAUSE;
}

void rpc_limits_hold(RpcClient *client, gsize size)
{
	RpcServer *server = client->server;
	const gsize limited = client->is_limited ? size : 0;

	client->held += size;
	client->user->held += size;
	client->user->held_limited += limited;
	server->held += size;
	server->held_limited += limited;
}

static gboolean on_trim(gpointer data)
{
	RpcServer *server = data;

	g_clear_pointer(&server->trim_source, g_source_unref);
	server->released = 0;
	malloc_trim(0);
	return G_SOURCE_REMOVE;
}

void rpc_limits_release(RpcClient *client, gsize size)
{
	RpcServer *server = client->server;
	const gsize limited = client->is_limited ? size : 0;

	client->held -= size;
	client->user->held -= size;
	client->user->held_limited -= limited;
	server->held -= size;
	server->held_limited -= limited;
	server->released += size;
	forget_user_if_gone(server, client->user);
	if (server->released < TRIM_SIZE || server->trim_source)
		return;
	server->trim_source = g_timeout_source_new_seconds(TRIM_SECONDS);
	g_source_set_callback(server->trim_source, on_trim, server, NULL);
	g_source_attach(server->trim_source, server->context);
}

/* Return: the client that costs most, of the user who costs most; NULL where nobody does. */
static RpcClient *find_costliest(const RpcServer *server, gboolean is_limited)
{
	RpcClient *costliest = NULL;
	gsize most = 0;

	for (guint i = 0; i < server->clients->len; i++) {
		RpcClient *client = g_ptr_array_index(server->clients, i);
		const gsize users = is_limited ? client->user->held_limited : client->user->held;

		if (client->held == 0 || (is_limited && !client->is_limited))
			continue;
		if (costliest && (users < most || (client->user == costliest->user &&
						   client->held <= costliest->held)))
			continue;
		costliest = client;
		most = users;
	}
	return costliest;
}

static gboolean end_costliest(RpcServer *server, gboolean is_limited)
{
	RpcClient *client = find_costliest(server, is_limited);

	if (!client)
		return FALSE;
	log_limit_warning(&server->log.too_much,
			  is_limited ? _("too much is held for read-only clients; client %d of "
					 "user %u has most of it (%zu KiB) and is disconnected") :
				       _("too much is held for clients; client %d of user %u has "
					 "most of it (%zu KiB) and is disconnected"),
			  (int)client->pid, client->uid, client->held >> 10);
	rpc_client_close(client);
	return TRUE;
}

void rpc_limits_enforce(RpcServer *server)
{
	while (server->held_limited > RPC_HELD_LIMITED_MAX && end_costliest(server, TRUE))
		continue;
	while (server->held > RPC_HELD_MAX && end_costliest(server, FALSE))
		continue;
}
