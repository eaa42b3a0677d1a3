/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jobs.h - work that goes on beside the monitor's commands
 *
 * Theory of operation
 *
 * What may take long would keep the client's connection: nothing more is read from it until the
 * reply is out. A job has its reply at once, and does its work on a worker thread. A client asks
 * after it, hears of its changes, and can have it end early: the work looks between its steps
 * whether it is to go on. When it has ended it stays, with its error if it has one, until it is
 * dismissed, so that whoever asks later finds out.
 *
 * All is called on the main thread but job_advance().
 *
 * Names, states and their order follow QEMU's qapi/job.json, as far as there are some here:
 * running, aborting once it is cancelled, concluded, and null when it is dismissed.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct Jobs Jobs;
typedef struct Job Job;

/* As many at a time, those that have concluded among them. */
#define JOBS_MAX 16u

/* Of a job whose state has changed. */
typedef void (*JobsChanged)(void *opaque, const char *id, const char *status);

/* The work, on a worker thread. Return: FALSE with @error set where it failed. */
typedef gboolean (*JobWork)(Job *job, void *data, GError **error);

Jobs *jobs_new(JobsChanged changed, void *opaque);

/* Nothing runs, or the process ends next: a thread that waits is not waited for. */
void jobs_free(Jobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jobs, jobs_free)

/* A kind of work. */
typedef struct {
	const char *name;
	JobWork run;
	GDestroyNotify free_data;
} JobType;

/*
 * jobs_start - begin one
 * @id:    the client's name for it; letters, digits, '-', '.' and '_', a letter first
 * @type:  static
 * @total: what its progress is counted up to
 * @data:  taken, in each case
 *
 * Return: FALSE with @error set where there is one of that name, or too many.
 */
gboolean jobs_start(Jobs *jobs, const char *id, const JobType *type, guint64 total, void *data,
		    GError **error);

/* Has one end early. One that is through its last step concludes as it would have. */
gboolean jobs_cancel(Jobs *jobs, const char *id, GError **error);

/* Forgets one that has concluded. */
gboolean jobs_dismiss(Jobs *jobs, const char *id, GError **error);

/* Return: what there is, as query-jobs has it; the caller's. */
JsonArray *jobs_query(const Jobs *jobs);

/* Whether one's thread still works. */
gboolean jobs_are_busy(const Jobs *jobs);

/*
 * job_advance - say how far the work has come
 * @done: of its total
 *
 * On the work's thread.
 *
 * Return: FALSE where it is to end, for which it returns TRUE or FALSE as it likes.
 */
gboolean job_advance(Job *job, guint64 done);
