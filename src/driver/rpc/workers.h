/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * workers.h - the threads that carry calls out, and who gets one next
 *
 * Theory of operation
 *
 * There are two lanes with threads of their own: calls of read-only clients never wait for a
 * thread that those of others have, nor the other way round. Within a lane the users take
 * turns, so that one who asks for much holds up himself. Few calls with large arguments run
 * at once, since what they decode to is a multiple of them.
 *
 * A thread that cannot be made is an error for who wanted it, unless others are there: then
 * the job waits for one of these.
 *
 * Functions here are safe on any thread, unless they say otherwise.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define RPC_WORKERS_READONLY_MAX 8u
#define RPC_WORKERS_WRITABLE_MAX 128u

/* Jobs of the read-only lane that are marked as large, at once. */
#define RPC_LARGE_JOBS_MAX 2u

typedef enum {
	RPC_LANE_READONLY,
	RPC_LANE_WRITABLE,
	RPC_N_LANES,
} RpcLane;

typedef struct RpcWorkers RpcWorkers;

typedef struct {
	const char *name; /* for the log; static */
	void (*function)(gpointer data);
	void (*drop)(gpointer data); /* instead, where it is given up; NULL: it never is */
	gpointer data;
	gconstpointer owner; /* for rpc_workers_drop() */
	uid_t uid;	     /* who takes turns with others */
	gboolean is_large;
} RpcJob;

RpcWorkers *rpc_workers_new(void);

/* After rpc_workers_stop() has returned TRUE. */
void rpc_workers_free(RpcWorkers *workers);

/*
 * rpc_workers_run - have a job done
 *
 * Return: FALSE with DRIVER_ERROR where there is no thread for it and none can be made: a job
 * that may be dropped is forgotten, any other one waits until rpc_workers_retry().
 */
gboolean rpc_workers_run(RpcWorkers *workers, RpcLane lane, const RpcJob *job, GError **error);

/* Return: FALSE where jobs still wait for a first thread. */
gboolean rpc_workers_retry(RpcWorkers *workers);

/* Gives up what has not been begun of an owner's. */
void rpc_workers_drop(RpcWorkers *workers, RpcLane lane, gconstpointer owner);

/*
 * rpc_workers_stop - wait for the end of all jobs, so many seconds in each lane at most
 *
 * Return: FALSE where some have not ended, with a warning that names them. Their threads are
 * there for as long as the process is, and with them everything that they use.
 */
gboolean rpc_workers_stop(RpcWorkers *workers, guint readonly_seconds, guint writable_seconds);
