/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands.h - the monitor's commands, a table a subject */
#pragma once

#include "vmm/machine/machine.h"
#include "vmm/monitor/jobs.h"
#include "vmm/monitor/qmp-server.h"

/* What each command is given. */
typedef struct {
	Machine *machine;
	QmpServer *server;
	Jobs *jobs;
} CommandContext;

extern const QmpCommand machine_commands[]; /* how it runs, and its processors */
extern const QmpCommand memory_commands[];  /* what is private, and why not */
extern const QmpCommand block_commands[];   /* disks */
extern const QmpCommand device_commands[];  /* devices that come and go */
extern const QmpCommand balloon_commands[]; /* memory that the guest gives back */
extern const QmpCommand input_commands[];   /* keys, buttons and motion */
extern const QmpCommand job_commands[];	    /* what goes on beside commands */

/* Return: a node with @object, whose reference is taken. */
JsonNode *command_result(JsonObject *object);

/* The same with an array. */
JsonNode *command_result_array(JsonArray *array);
