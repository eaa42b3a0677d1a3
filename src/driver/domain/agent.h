/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent.h - conversations with the agent in a domain's guest
 *
 * Theory of operation
 *
 * The VMM says whether a program in the guest has the agent's channel open; that is the channel's
 * state in the live definition, and clients hear of it. One conversation with it is held at a
 * time, by whoever has the domain's agent turn, for which others wait for a time as for its job.
 *
 * The turn is no job: a guest that does not answer holds up those who ask it, and not who ends or
 * steers the domain. Nobody waits for the turn who has a job or a lock, and who has the turn waits
 * for no job.
 */
#pragma once

#include <glib.h>

#include "driver/agent/agent-client.h"
#include "driver/domain/domain.h"

/* How long a conversation may take to begin, and an answer to come, in seconds. */
#define AGENT_SYNC_SECONDS   5
#define AGENT_ANSWER_SECONDS 30
#define AGENT_LONG_SECONDS   300 /* what the guest may be busy with: freezing, trimming */

typedef struct {
	Domain *domain; /* a reference */
	DomainVmm *vmm; /* a reference */
	AgentClient *client;
	int seconds; /* that the domain's answers may take, or 0: as above */
} AgentSession;

/*
 * agent_begin - begin a conversation
 *
 * Return: for agent_end(), or NULL with VIR_ERR_OPERATION_INVALID where the domain does not run,
 * VIR_ERR_ARGUMENT_UNSUPPORTED where it has no agent, VIR_ERR_AGENT_UNRESPONSIVE where that is not
 * there or does not answer, VIR_ERR_OPERATION_TIMEOUT where somebody else has the turn.
 */
AgentSession *agent_begin(Domain *domain, GError **error);
void agent_end(AgentSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentSession, agent_end)

/* As of agent_client_ask(), in AGENT_ANSWER_SECONDS or in AGENT_LONG_SECONDS. */
JsonNode *agent_ask(AgentSession *session, const char *command, JsonObject *arguments,
		    GError **error);
JsonNode *agent_ask_long(AgentSession *session, const char *command, JsonObject *arguments,
			 GError **error);

/* The answer where it is to be a number. @answer: or NULL, with @error. Return: FALSE with @error.
 */
gboolean agent_answer_number(JsonNode *answer, gint64 *number, GError **error);

/*
 * agent_ask_count - a command whose answer is how much it has changed, in AGENT_LONG_SECONDS
 * @arguments: as of agent_client_ask()
 * @count: not below 0
 */
gboolean agent_ask_count(AgentSession *session, const char *command, JsonObject *arguments,
			 int *count, GError **error);

/*
 * agent_pass - somebody's own command
 * @seconds: VIR_DOMAIN_QEMU_AGENT_COMMAND_*, or how long the answer may take
 *
 * Return: as of agent_client_pass().
 */
char *agent_pass(AgentSession *session, const char *command, int seconds, GError **error);

/* @seconds: VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_*, or how long answers may take from here on */
gboolean agent_set_timeout(Domain *domain, int seconds, GError **error);

/* Whether the agent is there, as far as the VMM has said. With the lock. */
gboolean agent_is_connected(const Domain *domain);

/*
 * agent_shutdown - have the guest power off, or restart
 *
 * Waits for a moment, in which the agent can say that it cannot.
 */
gboolean agent_shutdown(Domain *domain, gboolean is_reboot, GError **error);

/*
 * agent_set_channel_state - a program in the guest has opened or closed a channel
 * @alias: of the channel, or of anything else
 *
 * With the lock. Return: whether that is news.
 */
gboolean agent_set_channel_state(Domain *domain, const char *alias, gboolean is_open);
