/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu.c - procedures of the program that is named for QEMU: commands for a domain's monitor and
 * for the agent in its guest, as a client writes them
 */
#include <glib/gi18n.h>
#include <libvirt/libvirt-qemu.h>

#include "common/json-text.h"
#include "common/qmp-splitter.h"
#include "driver/calls/calls.h"
#include "driver/domain/agent.h"
#include "driver/domain/follow.h"
#include "driver/error.h"

static gboolean agent_command(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAgentCommand_args *request = args;
	DomainAgentCommand_ret *ret = result;
	g_autoptr(AgentSession) session = NULL;
	char *answer;

	if (request->timeout < VIR_DOMAIN_QEMU_AGENT_COMMAND_MIN)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown time limit %d"),
				    request->timeout);
	session = agent_begin(call->object, error);
	answer = session ? agent_pass(session, request->cmd, request->timeout, error) : NULL;
	if (!answer)
		return FALSE;
	ret->result = g_new(RpcString, 1);
	*ret->result = answer;
	return TRUE;
}

/* What a client's command says. */
typedef struct {
	char *name;
	JsonObject *arguments; /* or NULL */
} MonitorCommand;

static void monitor_command_clear(MonitorCommand *command)
{
	g_free(command->name);
	g_clear_pointer(&command->arguments, json_object_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MonitorCommand, monitor_command_clear)

static gboolean parse_command(const char *text, MonitorCommand *command, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	JsonNode *root, *name, *arguments;
	JsonObject *object;

	root = json_text_is_bounded(text, QMP_OBJECT_MAX, QMP_DEPTH_MAX, QMP_OBJECT_MAX) &&
			       json_parser_load_from_data(parser, text, -1, NULL) ?
		       json_parser_get_root(parser) :
		       NULL;
	object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
	name = object ? json_object_get_member(object, "execute") : NULL;
	arguments = object ? json_object_get_member(object, "arguments") : NULL;
	if (!name || json_node_get_value_type(name) != G_TYPE_STRING ||
	    (arguments && !JSON_NODE_HOLDS_OBJECT(arguments)))
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("a monitor command is a JSON object with 'execute', and "
				      "maybe 'arguments'"));
	command->name = g_strdup(json_node_get_string(name));
	if (arguments)
		command->arguments = json_object_ref(json_node_get_object(arguments));
	return TRUE;
}

/* "{"return":...}" or "{"error":...}", as the monitor says it; NULL with @error. */
static char *text_of_answer(JsonNode *answer, GError **cause, GError **error)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
	JsonObject *failure;

	if (answer) {
		json_object_set_member(object, "return", json_node_copy(answer));
	} else if (qmp_outcome(*cause) == QMP_REFUSED) {
		failure = json_object_new();
		json_object_set_string_member(failure, "class", "GenericError");
		json_object_set_string_member(failure, "desc", driver_error_detail(*cause));
		json_object_set_object_member(object, "error", failure);
	} else {
		g_propagate_error(error, g_steal_pointer(cause));
		return NULL;
	}
	return json_to_string(root, FALSE);
}

/* With the job. */
static char *pass_to_monitor(DomainVmm *vmm, MonitorCommand *command, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(JsonNode) answer = NULL;
	QmpCommandTicket *ticket;
	gboolean is_known;

	/* By the next daemon, too. */
	g_mutex_lock(&vmm->domain->lock);
	vmm->is_tainted = TRUE;
	is_known = follow_save_status(vmm->domain, error);
	g_mutex_unlock(&vmm->domain->lock);
	if (!is_known)
		return NULL;
	g_warning(_("domain '%s' is tainted: a client gives its VMM the monitor command '%.80s'"),
		  vmm->domain->name, command->name);
	ticket = qmp_client_send(vmm->monitor, command->name, g_steal_pointer(&command->arguments),
				 &cause);
	if (ticket)
		answer = qmp_client_wait(
			vmm->monitor, ticket,
			g_get_monotonic_time() + QMP_COMMAND_SECONDS * G_TIME_SPAN_SECOND, &cause);
	return text_of_answer(answer, &cause, error);
}

static gboolean monitor_command(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainMonitorCommand_args *request = args;
	DomainMonitorCommand_ret *ret = result;
	Domain *domain = call->object;
	g_auto(MonitorCommand) command = { 0 };
	DomainVmm *vmm;

	if (request->flags & VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("the VMM's monitor takes JSON commands alone"));
	if (!parse_command(request->cmd, &command, error) ||
	    !domain_begin_job(domain, N_("monitor command"), error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	g_mutex_unlock(&domain->lock);
	if (vmm)
		ret->result = pass_to_monitor(vmm, &command, error);
	domain_end_job(domain);
	domain_vmm_unref(vmm);
	return ret->result != NULL;
}

const RpcProcedure calls_qemu[] = {
	RPC_PROCEDURE_FLAGS(RPC_QEMU_PROGRAM | RPC_QEMU_DOMAIN_MONITOR_COMMAND, RPC_ACCESS_WRITE,
			    CALLS_DOMAIN, DomainMonitorCommand, monitor_command,
			    VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP),
	RPC_PROCEDURE_FLAGS(RPC_QEMU_PROGRAM | RPC_QEMU_DOMAIN_AGENT_COMMAND, RPC_ACCESS_WRITE,
			    CALLS_DOMAIN, DomainAgentCommand, agent_command, 0),
	{ .name = NULL },
};
