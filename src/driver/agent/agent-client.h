/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent-client.h - talking to QEMU's guest agent
 *
 * Theory of operation
 *
 * A conversation is a connection to the channel's socket, made for as long as it takes. It begins
 * with guest-sync-delimited, whose answer has the number that was sent: what the guest has said
 * before, to whomever, is dropped. Then there is one command at a time, and its answer is the next
 * line. Where an answer does not come in time, or is none, the conversation has ended: nothing
 * that comes later can be taken for the answer to something else.
 *
 * The guest is not trusted: it may be silent, send without end, or answer with anything. A line has
 * limits (agent-reader.h), what is read until an answer is there has one too, and every wait has
 * a deadline. Between conversations nothing is read, so that what a guest says waits in the guest.
 *
 * Nothing here has a thread, or a lock; one conversation belongs to one caller.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct AgentClient AgentClient;

/*
 * agent_client_begin - begin a conversation
 * @fd: a connected socket that does not wait; taken over, also on failure
 * @deadline: of g_get_monotonic_time()
 *
 * Return: for agent_client_end(), or NULL with VIR_ERR_AGENT_UNRESPONSIVE.
 */
AgentClient *agent_client_begin(int fd, gint64 deadline, GError **error);
void agent_client_end(AgentClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentClient, agent_client_end)

/*
 * agent_client_ask - carry a command out in the guest
 * @arguments: or NULL; taken over
 *
 * Return: the answer's "return" for json_node_unref(), or NULL with VIR_ERR_OPERATION_UNSUPPORTED
 * where the agent does not know the command or has it disabled, VIR_ERR_INTERNAL_ERROR with what
 * the agent says, or VIR_ERR_AGENT_UNRESPONSIVE.
 */
JsonNode *agent_client_ask(AgentClient *client, const char *command, JsonObject *arguments,
			   gint64 deadline, GError **error);

/*
 * agent_client_tell - the same for a command that is not answered where it succeeds
 * @deadline: when that is assumed
 */
gboolean agent_client_tell(AgentClient *client, const char *command, JsonObject *arguments,
			   gint64 deadline, GError **error);

/*
 * agent_client_pass - send somebody's own command
 * @command: a JSON object, which is sent as one line
 *
 * Return: the answer as text for g_free(), be it an error of the agent's; or NULL with
 * VIR_ERR_INVALID_ARG where @command is no object, or VIR_ERR_AGENT_UNRESPONSIVE.
 */
char *agent_client_pass(AgentClient *client, const char *command, gint64 deadline, GError **error);
