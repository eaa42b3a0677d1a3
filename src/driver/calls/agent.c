/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.c - procedures that the agent in the guest carries out */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/agent/agent-reader.h"
#include "driver/calls/calls.h"
#include "driver/domain/agent.h"
#include "driver/domain/leases.h"
#include "driver/error.h"

/* A password is sent in base64, and so longer than it is. */
#define PASSWORD_MAX 4096

/* One command whose answer says nothing more. */
static gboolean tell(Domain *domain, const char *command, JsonObject *arguments, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	g_autoptr(JsonNode) answer = NULL;

	if (session)
		answer = agent_ask_long(session, command, arguments, error);
	else if (arguments)
		json_object_unref(arguments);
	return answer != NULL;
}

static JsonObject *mountpoints_argument(const DomainFsFreeze_args *request)
{
	JsonObject *arguments = json_object_new();
	JsonArray *list = json_array_new();

	for (guint i = 0; i < request->mountpoints.mountpoints_len; i++)
		json_array_add_string_element(list, request->mountpoints.mountpoints_val[i]);
	json_object_set_array_member(arguments, "mountpoints", list);
	return arguments;
}

static gboolean fs_freeze(RpcCall *call, const void *args, void *result, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(call->object, error);
	const DomainFsFreeze_args *request = args;
	DomainFsFreeze_ret *ret = result;

	if (!session)
		return FALSE;
	if (request->mountpoints.mountpoints_len == 0)
		return agent_ask_count(session, "guest-fsfreeze-freeze", NULL, &ret->filesystems,
				       error);
	return agent_ask_count(session, "guest-fsfreeze-freeze-list", mountpoints_argument(request),
			       &ret->filesystems, error);
}

static gboolean fs_thaw(RpcCall *call, const void *args, void *result, GError **error)
{
	g_autoptr(AgentSession) session = NULL;
	const DomainFsThaw_args *request = args;
	DomainFsThaw_ret *ret = result;

	if (request->mountpoints.mountpoints_len > 0)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("the guest agent thaws all file systems, not some"));
	session = agent_begin(call->object, error);
	return session &&
	       agent_ask_count(session, "guest-fsfreeze-thaw", NULL, &ret->filesystems, error);
}

static gboolean fs_trim(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainFsTrim_args *request = args;
	JsonObject *arguments;

	(void)result;
	if (request->mountpoint)
		return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
				    _("the guest agent trims all file systems, not '%s' alone"),
				    *request->mountpoint);
	if (request->minimum > G_MAXINT64)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("minimum %" PRIu64 " is too large"),
				    (guint64)request->minimum);
	arguments = json_object_new();
	json_object_set_int_member(arguments, "minimum", (gint64)request->minimum);
	return tell(call->object, "guest-fstrim", arguments, error);
}

static gboolean get_time(RpcCall *call, const void *args, void *result, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(call->object, error);
	DomainGetTime_ret *ret = result;
	g_autoptr(JsonNode) answer = NULL;
	gint64 nanoseconds = 0;

	(void)args;
	if (session)
		answer = agent_ask(session, "guest-get-time", NULL, error);
	if (!agent_answer_number(answer, &nanoseconds, error))
		return FALSE;
	if (nanoseconds < 0)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the guest agent's time is before 1970"));
	ret->seconds = nanoseconds / 1000000000;
	ret->nseconds = (u_int)(nanoseconds % 1000000000);
	return TRUE;
}

static gboolean set_time(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetTime_args *request = args;
	JsonObject *arguments = NULL;
	gint64 nanoseconds;

	(void)result;
	/* Without a time the guest takes that of its hardware clock. */
	if (!(request->flags & VIR_DOMAIN_TIME_SYNC)) {
		if (request->seconds < 0 || request->nseconds >= 1000000000 ||
		    __builtin_mul_overflow(request->seconds, 1000000000, &nanoseconds) ||
		    __builtin_add_overflow(nanoseconds, (gint64)request->nseconds, &nanoseconds))
			return driver_error(error, VIR_ERR_INVALID_ARG,
					    _("time %" PRId64 ".%09u is out of range"),
					    (gint64)request->seconds, request->nseconds);
		arguments = json_object_new();
		json_object_set_int_member(arguments, "time", nanoseconds);
	}
	return tell(call->object, "guest-set-time", arguments, error);
}

static gboolean set_user_password(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetUserPassword_args *request = args;
	const char *password = request->password ? *request->password : "";
	g_autofree char *encoded = NULL;
	JsonObject *arguments;

	(void)result;
	if (!request->user || strlen(password) > PASSWORD_MAX)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("a user is missing, or the password is too long"));
	encoded = g_base64_encode((const guchar *)password, strlen(password));
	arguments = json_object_new();
	json_object_set_string_member(arguments, "username", *request->user);
	json_object_set_string_member(arguments, "password", encoded);
	json_object_set_boolean_member(arguments, "crypted",
				       (request->flags & VIR_DOMAIN_PASSWORD_ENCRYPTED) != 0);
	return tell(call->object, "guest-set-user-password", arguments, error);
}

static gboolean fill_keys(DomainAuthorizedSshKeysGet_ret *ret, JsonNode *answer, GError **error)
{
	JsonArray *array = JSON_NODE_HOLDS_OBJECT(answer) ?
				   agent_array(json_node_get_object(answer), "keys") :
				   NULL;
	g_autoptr(GPtrArray) keys = agent_lines(array);

	if (!array || keys->len > RPC_SSH_KEYS_MAX)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the guest agent's answer has no list of at most %d keys"),
				    RPC_SSH_KEYS_MAX);
	ret->keys.keys_len = keys->len;
	ret->keys.keys_val = g_new0(RpcString, keys->len + 1);
	for (guint i = 0; i < keys->len; i++)
		ret->keys.keys_val[i] = g_strdup(keys->pdata[i]);
	return TRUE;
}

static gboolean get_ssh_keys(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAuthorizedSshKeysGet_args *request = args;
	g_autoptr(AgentSession) session = agent_begin(call->object, error);
	g_autoptr(JsonNode) answer = NULL;
	JsonObject *arguments;

	if (!session)
		return FALSE;
	arguments = json_object_new();
	json_object_set_string_member(arguments, "username", request->user);
	answer = agent_ask(session, "guest-ssh-get-authorized-keys", arguments, error);
	return answer && fill_keys(result, answer, error);
}

static gboolean set_ssh_keys(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAuthorizedSshKeysSet_args *request = args;
	const gboolean is_removal = (request->flags & VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE) !=
				    0;
	const gboolean is_more = (request->flags & VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND) != 0;
	JsonObject *arguments;
	JsonArray *keys;

	(void)result;
	if (is_removal && is_more)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("flags for keys to append and to remove exclude each "
				      "other"));
	keys = json_array_new();
	for (guint i = 0; i < request->keys.keys_len; i++)
		json_array_add_string_element(keys, request->keys.keys_val[i]);
	arguments = json_object_new();
	json_object_set_string_member(arguments, "username", request->user);
	json_object_set_array_member(arguments, "keys", keys);
	if (!is_removal)
		json_object_set_boolean_member(arguments, "reset", !is_more);
	return tell(call->object,
		    is_removal ? "guest-ssh-remove-authorized-keys" :
				 "guest-ssh-add-authorized-keys",
		    arguments, error);
}

/* The first that a network knows. Return: for g_free(). */
static char *find_leased_name(Domain *domain, GError **error)
{
	g_autoptr(GPtrArray) cards = leases_find(domain, error);

	for (guint i = 0; cards && i < cards->len; i++) {
		const CardLeases *card = cards->pdata[i];

		for (guint j = 0; j < card->leases->len; j++) {
			const NetworkLease *lease = card->leases->pdata[j];

			if (lease->hostname)
				return g_strdup(lease->hostname);
		}
	}
	if (cards)
		driver_error(error, VIR_ERR_NO_HOSTNAME,
			     _("no network has a lease with a host name for domain '%s'"),
			     domain->name);
	return NULL;
}

/* Return: for g_free(). */
static char *ask_name(Domain *domain, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	g_autoptr(JsonNode) answer = NULL;
	const char *name;

	answer = session ? agent_ask(session, "guest-get-host-name", NULL, error) : NULL;
	if (!answer)
		return NULL;
	name = JSON_NODE_HOLDS_OBJECT(answer) ?
		       agent_string(json_node_get_object(answer), "host-name") :
		       NULL;
	if (!name)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("the guest agent's answer has no host name"));
	return g_strdup(name);
}

static gboolean get_hostname(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetHostname_args *request = args;
	const guint both = VIR_DOMAIN_GET_HOSTNAME_AGENT | VIR_DOMAIN_GET_HOSTNAME_LEASE;
	DomainGetHostname_ret *ret = result;

	if (request->flags == both)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("a host name comes from a lease or from the guest agent"));
	ret->hostname = request->flags == VIR_DOMAIN_GET_HOSTNAME_LEASE ?
				find_leased_name(call->object, error) :
				ask_name(call->object, error);
	return ret->hostname != NULL;
}

static gboolean set_response_timeout(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAgentSetResponseTimeout_args *request = args;
	DomainAgentSetResponseTimeout_ret *ret = result;

	ret->result = 0;
	return agent_set_timeout(call->object, request->timeout, error);
}

const RpcProcedure calls_agent[] = {
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_FS_FREEZE, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainFsFreeze,
			    fs_freeze, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_FS_THAW, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainFsThaw,
			    fs_thaw, 0),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_FS_TRIM, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainFsTrim,
				 fs_trim, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_TIME, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainGetTime,
			    get_time, 0),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_TIME, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainSetTime,
				 set_time, VIR_DOMAIN_TIME_SYNC),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_USER_PASSWORD, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetUserPassword, set_user_password,
				 VIR_DOMAIN_PASSWORD_ENCRYPTED),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_AUTHORIZED_SSH_KEYS_GET, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainAuthorizedSshKeysGet, get_ssh_keys, 0),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_AUTHORIZED_SSH_KEYS_SET, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainAuthorizedSshKeysSet, set_ssh_keys,
				 VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND |
					 VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_HOSTNAME, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainGetHostname, get_hostname,
			    VIR_DOMAIN_GET_HOSTNAME_AGENT | VIR_DOMAIN_GET_HOSTNAME_LEASE),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_AGENT_SET_RESPONSE_TIMEOUT, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainAgentSetResponseTimeout, set_response_timeout, 0),
	{ .name = NULL },
};
