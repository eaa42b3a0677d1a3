/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs.c - work that goes on beside the monitor's commands */
#include "vmm/monitor/jobs.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "vmm/device/json-fields.h"
#include "vmm/sandbox/sandbox.h"

#define ID_MAX 64u

typedef enum { RUNNING, ABORTING, CONCLUDED } Status;

static const char *const status_names[] = { "running", "aborting", "concluded" };

struct Job {
	Jobs *jobs;
	char *id;
	const JobType *type;
	void *data;
	guint64 total;

	GMutex lock; /* of: */
	gboolean is_cancelled;
	guint64 done;

	GError *failure; /* the work's thread's, until that has ended */

	/* The main thread's. */
	GThread *thread; /* NULL when it has ended */
	Status status;
	char *error; /* of one that has concluded, or NULL */
};

struct Jobs {
	JobsChanged changed;
	void *opaque;
	GPtrArray *list; /* in the order in which they came */
};

/* @data: a Job. One whose thread still works stays for that. */
static void free_job(gpointer data)
{
	Job *job = data;

	if (job->thread)
		return;
	job->type->free_data(job->data);
	g_mutex_clear(&job->lock);
	g_free(job->error);
	g_free(job->id);
	g_free(job);
}

Jobs *jobs_new(JobsChanged changed, void *opaque)
{
	Jobs *jobs = g_new0(Jobs, 1);

	jobs->changed = changed;
	jobs->opaque = opaque;
	jobs->list = g_ptr_array_new_with_free_func(free_job);
	return jobs;
}

void jobs_free(Jobs *jobs)
{
	if (!jobs)
		return;
	g_ptr_array_unref(jobs->list);
	g_free(jobs);
}

static void set_status(Job *job, Status status)
{
	job->status = status;
	job->jobs->changed(job->jobs->opaque, job->id, status_names[status]);
}

gboolean job_advance(Job *job, guint64 done)
{
	gboolean goes_on;

	g_mutex_lock(&job->lock);
	job->done = MIN(done, job->total);
	goes_on = !job->is_cancelled;
	g_mutex_unlock(&job->lock);
	return goes_on;
}

static guint64 how_far(Job *job)
{
	guint64 done;

	g_mutex_lock(&job->lock);
	done = job->done;
	g_mutex_unlock(&job->lock);
	return done;
}

/* The thread's end is awaited, so that all that it did has been done. */
static gboolean on_done(gpointer data)
{
	Job *job = data;

	g_thread_join(g_steal_pointer(&job->thread));
	if (job->failure)
		job->error = g_strdup(job->failure->message);
	else if (job->status == ABORTING && how_far(job) < job->total)
		job->error = g_strdup(g_strerror(ECANCELED));
	g_clear_error(&job->failure);
	set_status(job, CONCLUDED);
	return G_SOURCE_REMOVE;
}

static gpointer run(gpointer data)
{
	Job *job = data;

	sandbox_enter_thread(SANDBOX_THREAD_WORKER);
	(void)job->type->run(job, job->data, &job->failure);
	g_idle_add_full(G_PRIORITY_DEFAULT, on_done, job, NULL);
	return NULL;
}

static Job *find(const Jobs *jobs, const char *id)
{
	for (guint i = 0; i < jobs->list->len; i++) {
		Job *job = jobs->list->pdata[i];

		if (strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

/* The same for a command. */
static Job *look_up(const Jobs *jobs, const char *id, GError **error)
{
	Job *job = find(jobs, id);

	if (!job)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no job '%s'"), id);
	return job;
}

static gboolean check_id(const Jobs *jobs, const char *id, GError **error)
{
	if (!json_fields_is_id(id, ID_MAX)) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
				    _("a job's id has letters, digits, '-', '.' and '_', a letter "
				      "first"));
		return FALSE;
	}
	if (find(jobs, id)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("there is a job '%s' already"),
			    id);
		return FALSE;
	}
	if (jobs->list->len < JOBS_MAX)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
		    _("there are %u jobs: dismiss one that has concluded"), JOBS_MAX);
	return FALSE;
}

gboolean jobs_start(Jobs *jobs, const char *id, const JobType *type, guint64 total, void *data,
		    GError **error)
{
	Job *job;

	if (!check_id(jobs, id, error)) {
		type->free_data(data);
		return FALSE;
	}
	job = g_new0(Job, 1);
	g_mutex_init(&job->lock);
	job->jobs = jobs;
	job->id = g_strdup(id);
	job->type = type;
	job->data = data;
	job->total = total;
	job->thread = g_thread_try_new("job", run, job, error);
	if (!job->thread) {
		free_job(job);
		return FALSE;
	}
	g_ptr_array_add(jobs->list, job);
	set_status(job, RUNNING);
	return TRUE;
}

gboolean jobs_cancel(Jobs *jobs, const char *id, GError **error)
{
	Job *job = look_up(jobs, id, error);

	if (!job)
		return FALSE;
	if (job->status == CONCLUDED) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, _("job '%s' has concluded"), id);
		return FALSE;
	}
	if (job->status == ABORTING)
		return TRUE;
	g_mutex_lock(&job->lock);
	job->is_cancelled = TRUE;
	g_mutex_unlock(&job->lock);
	set_status(job, ABORTING);
	return TRUE;
}

gboolean jobs_dismiss(Jobs *jobs, const char *id, GError **error)
{
	Job *job = look_up(jobs, id, error);

	if (!job)
		return FALSE;
	if (job->status != CONCLUDED) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, _("job '%s' has not concluded"),
			    id);
		return FALSE;
	}
	jobs->changed(jobs->opaque, id, "null");
	g_ptr_array_remove(jobs->list, job);
	return TRUE;
}

JsonArray *jobs_query(const Jobs *jobs)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < jobs->list->len; i++) {
		Job *job = jobs->list->pdata[i];
		JsonObject *object = json_object_new();

		json_object_set_string_member(object, "id", job->id);
		json_object_set_string_member(object, "type", job->type->name);
		json_object_set_string_member(object, "status", status_names[job->status]);
		json_object_set_int_member(object, "current-progress", (gint64)how_far(job));
		json_object_set_int_member(object, "total-progress", (gint64)job->total);
		if (job->error)
			json_object_set_string_member(object, "error", job->error);
		json_array_add_object_element(array, object);
	}
	return array;
}

gboolean jobs_are_busy(const Jobs *jobs)
{
	for (guint i = 0; i < jobs->list->len; i++) {
		if (((Job *)jobs->list->pdata[i])->status != CONCLUDED)
			return TRUE;
	}
	return FALSE;
}
