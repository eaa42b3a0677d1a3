/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.c - conversations with the agent in a domain's guest */
#include "driver/domain/agent.h"

#include <glib/gi18n.h>
#include <libvirt/libvirt-qemu.h>

#include "driver/domain/driver.h"
#include "driver/error.h"
#include "driver/vmm/vmm-connect.h"

/* In this time an agent says that it cannot shut its guest down; nothing else is an answer. */
#define SHUTDOWN_SECONDS 2

static gint64 deadline_in(int seconds)
{
	return g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
}

/* With the lock. Return: the agent's channel, or NULL with @error. */
static const DomainPort *find_agent(const Domain *domain, GError **error)
{
	const DomainPort *port = domain->live ? domain_find_agent(domain->live) : NULL;

	if (!domain->live)
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	else if (!port)
		driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
			     _("domain '%s' has no guest agent: it takes a channel of type 'unix' "
			       "with the name '%s'"),
			     domain->name, DOMAIN_AGENT_CHANNEL);
	else if (domain->state != VIR_DOMAIN_RUNNING)
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	else if (port->state != DOMAIN_CHANNEL_CONNECTED)
		driver_error(error, VIR_ERR_AGENT_UNRESPONSIVE,
			     _("no guest agent of domain '%s' is connected"), domain->name);
	else
		return port;
	return NULL;
}

gboolean agent_is_connected(const Domain *domain)
{
	return find_agent(domain, NULL) != NULL;
}

/* With the lock. */
static gboolean take_turn(Domain *domain, GError **error)
{
	const gint64 deadline = deadline_in(DOMAIN_JOB_SECONDS);
	gboolean in_time = TRUE;

	while (domain->has_agent_turn && in_time)
		in_time = g_cond_wait_until(&domain->agent_turn_ended, &domain->lock, deadline);
	if (domain->has_agent_turn)
		return driver_error(
			error, VIR_ERR_OPERATION_TIMEOUT,
			_("the guest agent of domain '%s' is busy with another command"),
			domain->name);
	domain->has_agent_turn = TRUE;
	return TRUE;
}

static void give_turn_back(Domain *domain)
{
	g_mutex_lock(&domain->lock);
	domain->has_agent_turn = FALSE;
	g_cond_signal(&domain->agent_turn_ended);
	g_mutex_unlock(&domain->lock);
}

/* With the turn. */
static AgentClient *connect_to_agent(const char *path, GError **error)
{
	const int fd = vmm_connect_at_once(_("guest agent"), path, error);

	return fd < 0 ? NULL : agent_client_begin(fd, deadline_in(AGENT_SYNC_SECONDS), error);
}

/* The agent's socket, for g_free(), with the turn; or NULL with @error, without. */
static char *begin_turn(Domain *domain, AgentSession *session, GError **error)
{
	const DomainPort *port = NULL;
	char *path = NULL;

	g_mutex_lock(&domain->lock);
	/* The domain may be another one when the turn has come. */
	if (find_agent(domain, error) && take_turn(domain, error)) {
		port = find_agent(domain, error);
		if (port)
			session->vmm = domain_get_vmm(domain, error);
		if (session->vmm) {
			path = g_strdup(port->chardev.path);
			session->seconds = session->vmm->agent_seconds;
		} else {
			domain->has_agent_turn = FALSE;
			g_cond_signal(&domain->agent_turn_ended);
		}
	}
	g_mutex_unlock(&domain->lock);
	return path;
}

AgentSession *agent_begin(Domain *domain, GError **error)
{
	AgentSession *session = g_new0(AgentSession, 1);
	g_autofree char *path = begin_turn(domain, session, error);

	if (!path) {
		g_free(session);
		return NULL;
	}
	session->domain = domain_ref(domain);
	session->client = connect_to_agent(path, error);
	if (session->client)
		return session;
	agent_end(session);
	return NULL;
}

void agent_end(AgentSession *session)
{
	if (!session)
		return;
	agent_client_end(session->client);
	give_turn_back(session->domain);
	domain_vmm_unref(session->vmm);
	domain_unref(session->domain);
	g_free(session);
}

JsonNode *agent_ask(AgentSession *session, const char *command, JsonObject *arguments,
		    GError **error)
{
	const int seconds = session->seconds > 0 ? session->seconds : AGENT_ANSWER_SECONDS;

	return agent_client_ask(session->client, command, arguments, deadline_in(seconds), error);
}

JsonNode *agent_ask_long(AgentSession *session, const char *command, JsonObject *arguments,
			 GError **error)
{
	const int seconds = session->seconds > 0 ? session->seconds : AGENT_LONG_SECONDS;

	return agent_client_ask(session->client, command, arguments, deadline_in(seconds), error);
}

gboolean agent_answer_number(JsonNode *answer, gint64 *number, GError **error)
{
	if (!answer)
		return FALSE;
	if (!JSON_NODE_HOLDS_VALUE(answer) || json_node_get_value_type(answer) != G_TYPE_INT64)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the guest agent's answer is no number"));
	*number = json_node_get_int(answer);
	return TRUE;
}

gboolean agent_ask_count(AgentSession *session, const char *command, JsonObject *arguments,
			 int *count, GError **error)
{
	g_autoptr(JsonNode) answer = agent_ask_long(session, command, arguments, error);
	gint64 number = 0;

	if (!agent_answer_number(answer, &number, error))
		return FALSE;
	*count = (int)CLAMP(number, 0, G_MAXINT);
	return TRUE;
}

char *agent_pass(AgentSession *session, const char *command, int seconds, GError **error)
{
	if (seconds == VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT)
		seconds = session->seconds > 0 ? session->seconds : AGENT_SYNC_SECONDS;
	else if (seconds == VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK)
		seconds = AGENT_LONG_SECONDS;
	return agent_client_pass(session->client, command,
				 deadline_in(MIN(seconds, AGENT_LONG_SECONDS)), error);
}

gboolean agent_set_timeout(Domain *domain, int seconds, GError **error)
{
	const DomainPort *port;

	if (seconds < VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown time limit %d"),
				    seconds);
	g_mutex_lock(&domain->lock);
	port = domain->vmm ? domain_find_agent(domain->live) : NULL;
	if (port && seconds == VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
		domain->vmm->agent_seconds = 0;
	else if (port && seconds == VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_DEFAULT)
		domain->vmm->agent_seconds = AGENT_SYNC_SECONDS;
	else if (port)
		domain->vmm->agent_seconds = CLAMP(seconds, 1, AGENT_LONG_SECONDS);
	else if (domain->vmm)
		(void)find_agent(domain, error);
	else
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	g_mutex_unlock(&domain->lock);
	return port != NULL;
}

gboolean agent_shutdown(Domain *domain, gboolean is_reboot, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	JsonObject *arguments;

	if (!session)
		return FALSE;
	/* What powers the guest off is this, not the half of a reboot that was asked for before. */
	g_mutex_lock(&domain->lock);
	session->vmm->is_reboot = FALSE;
	g_mutex_unlock(&domain->lock);
	arguments = json_object_new();
	json_object_set_string_member(arguments, "mode", is_reboot ? "reboot" : "powerdown");
	return agent_client_tell(session->client, "guest-shutdown", arguments,
				 deadline_in(SHUTDOWN_SECONDS), error);
}

gboolean agent_set_channel_state(Domain *domain, const char *alias, gboolean is_open)
{
	const DomainChannelState state = is_open ? DOMAIN_CHANNEL_CONNECTED :
						   DOMAIN_CHANNEL_DISCONNECTED;
	DomainPort *port = domain_find_port(domain->live, alias);

	if (!port || port->is_console || port->state == state)
		return FALSE;
	port->state = state;
	if (port == domain_find_agent(domain->live))
		domain_send_agent(domain, is_open);
	return TRUE;
}
