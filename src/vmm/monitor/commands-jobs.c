/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-jobs.c - what goes on beside commands, its end, and what has become of it */
#include "vmm/monitor/commands.h"

static gboolean query_jobs(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)error;
	*result = command_result_array(jobs_query(context->jobs));
	return TRUE;
}

static gboolean job_cancel(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const CommandContext *context = opaque;

	(void)result;
	return jobs_cancel(context->jobs, json_object_get_string_member(arguments, "id"), error);
}

static gboolean job_dismiss(JsonObject *arguments, gpointer opaque, JsonNode **result,
			    GError **error)
{
	const CommandContext *context = opaque;

	(void)result;
	return jobs_dismiss(context->jobs, json_object_get_string_member(arguments, "id"), error);
}

static const QmpArgument id_arguments[] = {
	{ "id", QMP_TYPE_STRING, FALSE },
	{ NULL },
};

const QmpCommand job_commands[] = {
	{ "query-jobs", .handler = query_jobs },
	{ "job-cancel", id_arguments, job_cancel },
	{ "job-dismiss", id_arguments, job_dismiss },
	{ NULL },
};
