/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connection.c - the procedures of the connection itself: authentication, features, opening */
#include <glib/gi18n.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "driver/error.h"
#include "driver/rpc/private.h"
#include "driver/rpc/protocol.h"

/* The protocol's number for "no authentication is needed". */
#define AUTH_NONE 0

/* Features that a client asks for by number; the protocol's, not in libvirt's headers. */
#define FEATURE_TYPED_PARAM_STRING 9
#define FEATURE_PROGRAM_KEEPALIVE  10
#define FEATURE_EVENT_CALLBACK	   14
#define FEATURE_CLOSE_CALLBACK	   15

/*
 * Who may connect is decided by the sockets' permissions, so that nothing is left to
 * authenticate.
 */
static gboolean auth_list(RpcCall *call, const void *args, void *result, GError **error)
{
	AuthList_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->types.types_val = g_new0(int, 1);
	ret->types.types_val[0] = AUTH_NONE;
	ret->types.types_len = 1;
	return TRUE;
}

static gboolean supports_feature(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectSupportsFeature_args *request = args;
	ConnectSupportsFeature_ret *ret = result;

	(void)error;
	switch (request->feature) {
	case FEATURE_PROGRAM_KEEPALIVE:
		rpc_server_start_keepalive(call->client->server, call->client);
		ret->supported = 1;
		break;
	case FEATURE_TYPED_PARAM_STRING:
	case FEATURE_EVENT_CALLBACK:
	case FEATURE_CLOSE_CALLBACK:
		ret->supported = 1;
		break;
	default:
		break;
	}
	return TRUE;
}

static gboolean connect_open(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectOpen_args *request = args;
	RpcClient *client = call->client;
	const char *uri = client->server->uri;

	(void)result;
	if (request->name && (*request->name)[0] && strcmp(*request->name, uri) != 0)
		return driver_error(error, VIR_ERR_NO_CONNECT, _("%s: this daemon serves %s"),
				    *request->name, uri);
	/* Other bits say how the client came here: they are its own, not virConnectFlags. */
	rpc_client_set_open(client, TRUE, request->flags & VIR_CONNECT_RO);
	return TRUE;
}

static gboolean connect_close(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	(void)error;
	rpc_client_set_open(call->client, FALSE, FALSE);
	return TRUE;
}

static gboolean get_uri(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectGetUri_ret *ret = result;

	(void)args;
	(void)error;
	ret->uri = g_strdup(call->client->server->uri);
	return TRUE;
}

/* A UNIX socket never leaves the host. */
static gboolean is_secure(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectIsSecure_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->secure = 1;
	return TRUE;
}

/* The event that it registers for says that the connection behind a proxy broke: never here. */
static gboolean register_close_callback(RpcCall *call, const void *args, void *result,
					GError **error)
{
	(void)call;
	(void)args;
	(void)result;
	(void)error;
	return TRUE;
}

const RpcProcedure rpc_connection_procedures[] = {
	RPC_PROCEDURE_RET(RPC_AUTH_LIST, RPC_ACCESS_ANYONE, AuthList, auth_list),
	RPC_PROCEDURE(RPC_CONNECT_SUPPORTS_FEATURE, RPC_ACCESS_ANYONE, RPC_CONNECTION,
		      ConnectSupportsFeature, supports_feature),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_OPEN, RPC_ACCESS_ANYONE, RPC_CONNECTION, ConnectOpen,
			   connect_open),
	RPC_PROCEDURE_PLAIN(RPC_CONNECT_CLOSE, RPC_ACCESS_ANYONE, ConnectClose, connect_close),
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_URI, RPC_ACCESS_READ, ConnectGetUri, get_uri),
	RPC_PROCEDURE_RET(RPC_CONNECT_IS_SECURE, RPC_ACCESS_READ, ConnectIsSecure, is_secure),
	RPC_PROCEDURE_PLAIN(RPC_CONNECT_REGISTER_CLOSE_CALLBACK, RPC_ACCESS_READ,
			    ConnectRegisterCloseCallback, register_close_callback),
	RPC_PROCEDURE_PLAIN(RPC_CONNECT_UNREGISTER_CLOSE_CALLBACK, RPC_ACCESS_READ,
			    ConnectUnregisterCloseCallback, register_close_callback),
	{ .name = NULL },
};
