/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.c - procedures that the agent in the guest carries out */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/agent/agent-reader.h"
#include "driver/calls/calls.h"
#include "driver/domain/agent.h"
#include "driver/error.h"

/* A password is sent in base64, and so longer than it is. */
#define PASSWORD_MAX 4096

/* The agent's answer where it is to be a number. Return: FALSE with @error. */
static gboolean take_number(JsonNode *answer, gint64 *number, GError **error)
{
	if (!answer)
		return FALSE;
	if (!JSON_NODE_HOLDS_VALUE(answer) || json_node_get_value_type(answer) != G_TYPE_INT64)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the guest agent's answer is no number"));
	*number = json_node_get_int(answer);
	return TRUE;
}

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

/* How much a command has changed. */
static gboolean ask_count(Domain *domain, const char *command, JsonObject *arguments, int *count,
			  GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	g_autoptr(JsonNode) answer = NULL;
	gint64 number = 0;

	if (session)
		answer = agent_ask_long(session, command, arguments, error);
	else if (arguments)
		json_object_unref(arguments);
	if (!take_number(answer, &number, error))
		return FALSE;
	*count = (int)CLAMP(number, 0, G_MAXINT);
	return TRUE;
}

static gboolean fs_freeze(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainFsFreeze_args *request = args;
	DomainFsFreeze_ret *ret = result;
	JsonObject *arguments = NULL;

	if (request->mountpoints.mountpoints_len > 0) {
		JsonArray *list = json_array_new();

		for (guint i = 0; i < request->mountpoints.mountpoints_len; i++)
			json_array_add_string_element(list,
						      request->mountpoints.mountpoints_val[i]);
		arguments = json_object_new();
		json_object_set_array_member(arguments, "mountpoints", list);
	}
	return ask_count(call->object,
			 arguments ? "guest-fsfreeze-freeze-list" : "guest-fsfreeze-freeze",
			 arguments, &ret->filesystems, error);
}

static gboolean fs_thaw(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainFsThaw_args *request = args;
	DomainFsThaw_ret *ret = result;

	if (request->mountpoints.mountpoints_len > 0)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("the guest agent thaws all file systems, not some"));
	return ask_count(call->object, "guest-fsfreeze-thaw", NULL, &ret->filesystems, error);
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
	if (!take_number(answer, &nanoseconds, error))
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

static gboolean get_hostname(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetHostname_args *request = args;
	DomainGetHostname_ret *ret = result;
	g_autoptr(AgentSession) session = NULL;
	g_autoptr(JsonNode) answer = NULL;
	const char *name;

	if (request->flags == VIR_DOMAIN_GET_HOSTNAME_LEASE)
		return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
				    _("there are no leases: a guest's name is known to its agent"));
	session = agent_begin(call->object, error);
	answer = session ? agent_ask(session, "guest-get-host-name", NULL, error) : NULL;
	if (!answer)
		return FALSE;
	name = JSON_NODE_HOLDS_OBJECT(answer) ?
		       agent_string(json_node_get_object(answer), "host-name") :
		       NULL;
	if (!name)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the guest agent's answer has no host name"));
	ret->hostname = g_strdup(name);
	return TRUE;
}

static gboolean set_response_timeout(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAgentSetResponseTimeout_args *request = args;
	DomainAgentSetResponseTimeout_ret *ret = result;

	ret->result = 0;
	return agent_set_timeout(call->object, request->timeout, error);
}

/*
 * The guest's processors.
 */

/* The agent's list of them, for g_ptr_array_unref(); NULL with @error. @answer: keeps it */
static GPtrArray *ask_vcpus(AgentSession *session, JsonNode **answer, GError **error)
{
	*answer = agent_ask(session, "guest-get-vcpus", NULL, error);
	if (!*answer)
		return NULL;
	return agent_objects(JSON_NODE_HOLDS_ARRAY(*answer) ? json_node_get_array(*answer) : NULL);
}

/* A list as libvirt writes it, "0-3,5", of those with a number and for which @member is true. */
static char *list_vcpus(GPtrArray *vcpus, const char *member)
{
	CpuSet set = { 0 };
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < vcpus->len; i++) {
		const gint64 number = agent_number(vcpus->pdata[i], "logical-id", -1);

		if (number >= 0 && number < DOMAIN_MAX_VCPUS &&
		    (!member || agent_boolean(vcpus->pdata[i], member)))
			cpu_set_add(&set, (guint)number);
	}
	cpu_set_append(text, &set, ',');
	return g_string_free(text, FALSE);
}

static gboolean get_guest_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	static const struct {
		const char *field, *member;
	} fields[] = { { "vcpus", NULL }, { "online", "online" }, { "offlinable", "can-offline" } };
	g_autoptr(AgentSession) session = agent_begin(call->object, error);
	DomainGetGuestVcpus_ret *ret = result;
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) vcpus = session ? ask_vcpus(session, &answer, error) : NULL;

	(void)args;
	if (!vcpus)
		return FALSE;
	ret->params.params_len = G_N_ELEMENTS(fields);
	ret->params.params_val = g_new0(RpcTypedParam, G_N_ELEMENTS(fields));
	for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
		RpcTypedParam *param = &ret->params.params_val[i];

		param->field = g_strdup(fields[i].field);
		param->value.type = VIR_TYPED_PARAM_STRING;
		param->value.RpcTypedValue_u.s = list_vcpus(vcpus, fields[i].member);
	}
	return TRUE;
}

/* "3" or "3-5". Return: FALSE for anything else. */
static gboolean parse_range(const char *text, CpuSet *set)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", 2);
	guint64 first = 0, last = 0;

	if (!ends[0] ||
	    !g_ascii_string_to_unsigned(ends[0], 10, 0, DOMAIN_MAX_VCPUS - 1, &first, NULL))
		return FALSE;
	last = first;
	if (ends[1] &&
	    !g_ascii_string_to_unsigned(ends[1], 10, first, DOMAIN_MAX_VCPUS - 1, &last, NULL))
		return FALSE;
	for (guint64 i = first; i <= last; i++)
		cpu_set_add(set, (guint)i);
	return TRUE;
}

static gboolean parse_vcpus(const char *text, CpuSet *set)
{
	g_auto(GStrv) ranges = g_strsplit(text, ",", DOMAIN_MAX_VCPUS);

	for (guint i = 0; ranges[i]; i++)
		if (!parse_range(ranges[i], set))
			return FALSE;
	return !cpu_set_is_empty(set);
}

/* What the agent is to be told; NULL with @error. */
static JsonObject *vcpus_argument(const char *text, gboolean is_online, GError **error)
{
	JsonArray *list;
	JsonObject *arguments;
	CpuSet set = { 0 };

	if (!parse_vcpus(text, &set)) {
		driver_error(error, VIR_ERR_INVALID_ARG, _("'%s' is no list of vCPUs"), text);
		return NULL;
	}
	list = json_array_new();
	for (guint i = 0; i < DOMAIN_MAX_VCPUS; i++) {
		JsonObject *vcpu;

		if (!cpu_set_has(&set, i))
			continue;
		vcpu = json_object_new();
		json_object_set_int_member(vcpu, "logical-id", i);
		json_object_set_boolean_member(vcpu, "online", is_online);
		json_array_add_object_element(list, vcpu);
	}
	arguments = json_object_new();
	json_object_set_array_member(arguments, "vcpus", list);
	return arguments;
}

static gboolean set_guest_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetGuestVcpus_args *request = args;
	JsonObject *arguments = NULL;
	int count = 0;

	(void)result;
	if (request->state != 0 && request->state != 1)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown state %d of vCPUs"),
				    request->state);
	arguments = vcpus_argument(request->cpumap, request->state == 1, error);
	return arguments && ask_count(call->object, "guest-set-vcpus", arguments, &count, error) &&
	       (count > 0 || driver_error(error, VIR_ERR_OPERATION_FAILED,
					  _("the guest agent has changed no vCPU")));
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
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_HOSTNAME, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainGetHostname, get_hostname,
			    VIR_DOMAIN_GET_HOSTNAME_AGENT | VIR_DOMAIN_GET_HOSTNAME_LEASE),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_GUEST_VCPUS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainGetGuestVcpus, get_guest_vcpus, 0),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_GUEST_VCPUS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetGuestVcpus, set_guest_vcpus, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_AGENT_SET_RESPONSE_TIMEOUT, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainAgentSetResponseTimeout, set_response_timeout, 0),
	{ .name = NULL },
};
