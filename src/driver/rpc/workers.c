/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workers.c - the threads that carry calls out, and who gets one next */
#include "driver/rpc/workers.h"

#include <glib/gi18n.h>
#include <sys/resource.h>
#include <unistd.h>

#include "driver/error.h"

/* How long a thread that has nothing to do is kept for the next job. */
#define IDLE_THREAD_MS 15000

/* Calls that only read leave the processor to what else the daemon does: setpriority(2). */
#define READONLY_NICENESS 5

/* How many of the jobs that hold up the end are named. */
#define NAMES_MAX 5u

/* Whose turn it is: what waits of one user's. */
typedef struct {
	uid_t uid;
	GQueue jobs; /* of RpcJob */
} Turn;

/*
 * A pool's thread is sent for with a token a job and takes whatever job is next then. A token
 * that comes while large jobs have to wait finds nothing and is owed.
 */
typedef struct {
	RpcWorkers *workers;
	GThreadPool *pool; /* set once */
	int niceness;	   /* of its threads, which do nothing else then; 0: as the process */

	/* With the workers' lock. */
	GQueue turns;	    /* of Turn, each with a job at least */
	guint n_waiting;    /* jobs of all turns */
	GPtrArray *running; /* of RpcJob */
	guint n_large;	    /* of those */
	guint n_owed;
} Lane;

struct RpcWorkers {
	GMutex lock;
	GCond job_ended;
	Lane lanes[RPC_N_LANES];
};

static gboolean may_run(const Lane *lane, const RpcJob *job)
{
	return !job->is_large || lane->n_large < RPC_LARGE_JOBS_MAX;
}

/* With the lock. Takes the turn out of the queue, or sends it to its end. */
static RpcJob *take_from(Lane *lane, GList *link)
{
	Turn *turn = link->data;
	RpcJob *job = g_queue_pop_head(&turn->jobs);

	g_queue_unlink(&lane->turns, link);
	if (g_queue_is_empty(&turn->jobs)) {
		g_list_free(link);
		g_free(turn);
	} else {
		g_queue_push_tail_link(&lane->turns, link);
	}
	lane->n_waiting--;
	return job;
}

/* With the lock. Return: the next job, now among those that run, or NULL. */
static RpcJob *begin_job(Lane *lane)
{
	for (GList *link = lane->turns.head; link; link = link->next) {
		const Turn *turn = link->data;
		RpcJob *job = g_queue_peek_head((GQueue *)&turn->jobs);

		if (!may_run(lane, job))
			continue;
		job = take_from(lane, link);
		lane->n_large += job->is_large;
		g_ptr_array_add(lane->running, job);
		return job;
	}
	return NULL;
}

/* With the lock. Return: whether another job's token has been here in vain. */
static gboolean end_job(Lane *lane, RpcJob *job)
{
	lane->n_large -= job->is_large;
	g_ptr_array_remove_fast(lane->running, job);
	g_free(job);
	g_cond_broadcast(&lane->workers->job_ended);
	if (lane->n_waiting == 0)
		lane->n_owed = 0;
	if (lane->n_owed == 0)
		return FALSE;
	lane->n_owed--;
	return TRUE;
}

/* On a thread of the pool's. */
static void on_token(gpointer token, gpointer data)
{
	Lane *lane = data;
	gboolean is_owed = TRUE;

	(void)token;
	if (lane->niceness)
		(void)setpriority(PRIO_PROCESS, gettid(), lane->niceness);
	g_mutex_lock(&lane->workers->lock);
	while (is_owed) {
		RpcJob *job = begin_job(lane);

		if (!job) {
			lane->n_owed += lane->n_waiting > 0;
			break;
		}
		g_mutex_unlock(&lane->workers->lock);
		job->function(job->data);
		g_mutex_lock(&lane->workers->lock);
		is_owed = end_job(lane, job);
	}
	g_mutex_unlock(&lane->workers->lock);
}

static void lane_init(Lane *lane, RpcWorkers *workers, guint n_threads, int niceness)
{
	lane->workers = workers;
	lane->niceness = niceness;
	g_queue_init(&lane->turns);
	lane->running = g_ptr_array_new();
	/* Threads that are nice cannot be lent to other pools. */
	lane->pool = g_thread_pool_new(on_token, lane, n_threads, niceness != 0, NULL);
}

RpcWorkers *rpc_workers_new(void)
{
	RpcWorkers *workers = g_new0(RpcWorkers, 1);

	g_mutex_init(&workers->lock);
	g_cond_init(&workers->job_ended);
	g_thread_pool_set_max_idle_time(IDLE_THREAD_MS);
	lane_init(&workers->lanes[RPC_LANE_READONLY], workers, RPC_WORKERS_READONLY_MAX,
		  READONLY_NICENESS);
	lane_init(&workers->lanes[RPC_LANE_WRITABLE], workers, RPC_WORKERS_WRITABLE_MAX, 0);
	return workers;
}

void rpc_workers_free(RpcWorkers *workers)
{
	for (guint i = 0; i < RPC_N_LANES; i++)
		g_ptr_array_unref(workers->lanes[i].running);
	g_cond_clear(&workers->job_ended);
	g_mutex_clear(&workers->lock);
	g_free(workers);
}

/* With the lock. */
static void add_job(Lane *lane, RpcJob *job)
{
	Turn *turn = NULL;

	for (GList *link = lane->turns.head; link && !turn; link = link->next) {
		Turn *other = link->data;

		if (other->uid == job->uid)
			turn = other;
	}
	if (!turn) {
		turn = g_new0(Turn, 1);
		turn->uid = job->uid;
		g_queue_init(&turn->jobs);
		g_queue_push_tail(&lane->turns, turn);
	}
	g_queue_push_tail(&turn->jobs, job);
	lane->n_waiting++;
}

/*
 * Sends for a thread. Return: FALSE where there is none and none can be made; the token then
 * waits for the first that can.
 */
static gboolean send_token(Lane *lane, GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (g_thread_pool_push(lane->pool, lane, &cause))
		return TRUE;
	/* A thread leaves its pool when no token is left, and not before. */
	if (g_thread_pool_get_num_threads(lane->pool) > 0)
		return TRUE;
	return driver_error(error, VIR_ERR_OPERATION_FAILED, _("no thread for a call: %s"),
			    cause->message);
}

/* With the lock. A turn without a job is none. */
static void unlink_job(Lane *lane, GList *turn_link, GList *job_link)
{
	Turn *turn = turn_link->data;

	g_queue_delete_link(&turn->jobs, job_link);
	lane->n_waiting--;
	if (!g_queue_is_empty(&turn->jobs))
		return;
	g_queue_delete_link(&lane->turns, turn_link);
	g_free(turn);
}

/* Return: whether the job was still waiting; it is not any more. */
static gboolean take_back(Lane *lane, const RpcJob *job)
{
	gboolean found = FALSE;

	g_mutex_lock(&lane->workers->lock);
	for (GList *link = lane->turns.head; link && !found; link = link->next) {
		Turn *turn = link->data;
		GList *waiting = g_queue_find(&turn->jobs, job);

		found = waiting != NULL;
		if (!found)
			continue;
		unlink_job(lane, link, waiting);
		break;
	}
	g_mutex_unlock(&lane->workers->lock);
	return found;
}

gboolean rpc_workers_run(RpcWorkers *workers, RpcLane number, const RpcJob *job, GError **error)
{
	Lane *lane = &workers->lanes[number];
	RpcJob *added = g_memdup2(job, sizeof(*job));
	const gboolean may_drop = job->drop != NULL;
	g_autoptr(GError) cause = NULL;

	g_mutex_lock(&workers->lock);
	add_job(lane, added);
	g_mutex_unlock(&workers->lock);
	if (send_token(lane, &cause))
		return TRUE;
	/* One that cannot be taken back has found a thread meanwhile. */
	if (may_drop && !take_back(lane, added))
		return TRUE;
	if (may_drop)
		g_free(added);
	g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

gboolean rpc_workers_retry(RpcWorkers *workers)
{
	gboolean is_served = TRUE;

	for (guint i = 0; i < RPC_N_LANES; i++) {
		Lane *lane = &workers->lanes[i];
		gboolean is_waiting;

		g_mutex_lock(&workers->lock);
		is_waiting = lane->n_waiting > 0;
		g_mutex_unlock(&workers->lock);
		if (is_waiting && !send_token(lane, NULL))
			is_served = FALSE;
	}
	return is_served;
}

/* With the lock. Return: a job of an owner's that may be dropped and waited until now, or NULL. */
static RpcJob *remove_job(Lane *lane, gconstpointer owner)
{
	for (GList *link = lane->turns.head; link; link = link->next) {
		Turn *turn = link->data;

		for (GList *waiting = turn->jobs.head; waiting; waiting = waiting->next) {
			RpcJob *job = waiting->data;

			if (job->owner != owner || !job->drop)
				continue;
			unlink_job(lane, link, waiting);
			return job;
		}
	}
	return NULL;
}

void rpc_workers_drop(RpcWorkers *workers, RpcLane number, gconstpointer owner)
{
	Lane *lane = &workers->lanes[number];
	GQueue dropped = G_QUEUE_INIT;
	RpcJob *job;

	g_mutex_lock(&workers->lock);
	while ((job = remove_job(lane, owner)))
		g_queue_push_tail(&dropped, job);
	g_cond_broadcast(&workers->job_ended);
	g_mutex_unlock(&workers->lock);
	while ((job = g_queue_pop_head(&dropped))) {
		job->drop(job->data);
		g_free(job);
	}
}

/* With the lock. Return: whether the lane has come to rest. */
static gboolean await_end(RpcWorkers *workers, const Lane *lane, gint64 deadline)
{
	while (lane->n_waiting > 0 || lane->running->len > 0) {
		if (!g_cond_wait_until(&workers->job_ended, &workers->lock, deadline))
			return lane->n_waiting == 0 && lane->running->len == 0;
	}
	return TRUE;
}

/* With the lock. */
static void name_running(const Lane *lane)
{
	g_autoptr(GString) names = g_string_new(NULL);

	for (guint i = 0; i < lane->running->len && i < NAMES_MAX; i++) {
		const RpcJob *job = g_ptr_array_index(lane->running, i);

		g_string_append_printf(names, "%s%s", i ? ", " : "", job->name);
	}
	g_warning(ngettext("%u call does not end and is left (%s)",
			   "%u calls do not end and are left (%s)", lane->running->len),
		  lane->running->len, names->str);
	if (lane->n_waiting > 0)
		g_warning(ngettext("%u call has not begun", "%u calls have not begun",
				   lane->n_waiting),
			  lane->n_waiting);
}

gboolean rpc_workers_stop(RpcWorkers *workers, guint readonly_seconds, guint writable_seconds)
{
	const guint seconds[RPC_N_LANES] = { readonly_seconds, writable_seconds };
	const gint64 begin = g_get_monotonic_time();
	gboolean has_ended = TRUE;

	g_mutex_lock(&workers->lock);
	for (guint i = 0; i < RPC_N_LANES; i++) {
		if (await_end(workers, &workers->lanes[i], begin + seconds[i] * G_TIME_SPAN_SECOND))
			continue;
		name_running(&workers->lanes[i]);
		has_ended = FALSE;
	}
	g_mutex_unlock(&workers->lock);
	if (!has_ended)
		return FALSE;
	for (guint i = 0; i < RPC_N_LANES; i++)
		g_thread_pool_free(g_steal_pointer(&workers->lanes[i].pool), TRUE, TRUE);
	return TRUE;
}
