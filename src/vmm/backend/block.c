/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block.c - what disks are read from and written to: what is the same for all backends */
#include "vmm/backend/block.h"

#include <errno.h>
#include <string.h>

typedef struct {
	GSource source;
	BlockBackend *backend;
} LaterSource;

static gboolean on_later(GSource *source, GSourceFunc callback, gpointer opaque)
{
	BlockBackend *backend = ((LaterSource *)source)->backend;
	BlockRequest *request = backend->first;

	(void)callback;
	(void)opaque;
	g_source_set_ready_time(source, -1);
	backend->first = NULL;
	backend->last = &backend->first;
	while (request) {
		BlockRequest *next = request->next;

		block_complete(request, request->error);
		request = next;
	}
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs later_functions = { .dispatch = on_later };

void block_backend_init(BlockBackend *backend, const BlockOperations *operations,
			const BlockConfig *config)
{
	backend->operations = operations;
	backend->name = g_strdup(config->name);
	backend->is_readonly = config->is_readonly;
	backend->ignores_flush = config->ignores_flush;
	backend->has_write_cache = TRUE;
	backend->discard = config->discard;
	backend->detect_zeroes = config->detect_zeroes;
	backend->patience = BLOCK_PATIENCE;
	backend->last = &backend->first;
	backend->throttle = throttle_new(NULL);
	backend->later = g_source_new(&later_functions, sizeof(LaterSource));
	((LaterSource *)backend->later)->backend = backend;
}

void block_backend_attach(BlockBackend *backend, GMainContext *context, IoRing *ring)
{
	g_source_attach(backend->later, context);
	throttle_attach(backend->throttle, context);
	if (backend->operations->attach)
		backend->operations->attach(backend, context, ring);
}

void block_backend_free(BlockBackend *backend)
{
	if (!backend)
		return;
	g_assert(!backend->first);
	g_source_destroy(backend->later);
	g_source_unref(backend->later);
	throttle_free(backend->throttle);
	g_free(backend->name);
	backend->operations->free(backend);
}

const char *block_backend_name(const BlockBackend *backend)
{
	return backend->name;
}

Throttle *block_backend_throttle(const BlockBackend *backend)
{
	return backend->throttle;
}

const BlockLimits *block_backend_limits(const BlockBackend *backend)
{
	return &backend->limits;
}

gboolean block_backend_discards(const BlockBackend *backend)
{
	return backend->discard == BLOCK_DISCARD_UNMAP && backend->limits.can_discard &&
	       !backend->is_readonly;
}

gboolean block_backend_is_readonly(const BlockBackend *backend)
{
	return backend->is_readonly;
}

void block_backend_set_write_cache(BlockBackend *backend, gboolean has_write_cache)
{
	backend->has_write_cache = has_write_cache;
}

/* One thread writes, any reads. */
static void add(guint64 *counter, guint64 value)
{
	__atomic_store_n(counter, *counter + value, __ATOMIC_RELAXED);
}

/* @now: when it has ended */
static void count(const BlockRequest *request, int error, gint64 now)
{
	BlockStatistics *statistics = &request->backend->statistics[request->counted_as];

	/* It is done again, and counted then. */
	if (request->is_direct && error == EFAULT)
		return;
	if (error) {
		add(&statistics->failed, 1);
		return;
	}
	add(&statistics->count, 1);
	add(&statistics->bytes, request->size);
	add(&statistics->nanoseconds, (guint64)(now - request->began) * 1000);
}

void block_backend_get_statistics(const BlockBackend *backend,
				  BlockStatistics statistics[BLOCK_N_OPERATIONS])
{
	for (guint i = 0; i < BLOCK_N_OPERATIONS; i++) {
		const BlockStatistics *from = &backend->statistics[i];

		statistics[i] = (BlockStatistics){
			.count = __atomic_load_n(&from->count, __ATOMIC_RELAXED),
			.bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
			.failed = __atomic_load_n(&from->failed, __ATOMIC_RELAXED),
			.nanoseconds = __atomic_load_n(&from->nanoseconds, __ATOMIC_RELAXED),
		};
	}
}

void block_backend_note_failure(BlockBackend *backend, int error)
{
	g_atomic_int_set(&backend->failure, error);
}

int block_backend_failure(const BlockBackend *backend)
{
	return g_atomic_int_get(&backend->failure);
}

void block_complete(BlockRequest *request, int error)
{
	const gint64 now = g_get_monotonic_time();

	count(request, error, now);
	request->backend->n_under_way--;
	request->backend->last_answer = now;
	request->operation = request->counted_as;
	request->complete(request, error);
}

void block_complete_later(BlockBackend *backend, BlockRequest *request, int error)
{
	request->error = error;
	request->next = NULL;
	*backend->last = request;
	backend->last = &request->next;
	g_source_set_ready_time(backend->later, 0);
}

/* A server that answers one request after the other, each late, is not waited for for ever. */
#define PATIENCES_MAX 3

static gboolean wake_up(gpointer data)
{
	(void)data;
	return G_SOURCE_REMOVE;
}

/* Runs the context until something has happened there, or until @deadline. */
static void iterate_until(GMainContext *context, gint64 deadline)
{
	GSource *source = g_timeout_source_new(0);

	g_source_set_ready_time(source, deadline);
	g_source_set_callback(source, wake_up, NULL, NULL);
	g_source_attach(source, context);
	g_main_context_iteration(context, TRUE);
	g_source_destroy(source);
	g_source_unref(source);
}

static gboolean finish(BlockBackend *backend, GMainContext *context, gint64 patience)
{
	const gint64 end = g_get_monotonic_time() + PATIENCES_MAX * patience;

	while (backend->n_under_way > 0) {
		const gint64 deadline = MIN(backend->last_answer + patience, end);

		if (!backend->operations->give_up)
			g_main_context_iteration(context, TRUE);
		else if (deadline > g_get_monotonic_time())
			iterate_until(context, deadline);
		else
			return FALSE;
	}
	return TRUE;
}

gboolean block_backend_finish(BlockBackend *backend, GMainContext *context)
{
	return finish(backend, context, BLOCK_PAUSE_PATIENCE(backend->patience));
}

void block_backend_finish_for_good(BlockBackend *backend, GMainContext *context)
{
	if (finish(backend, context, backend->patience))
		return;
	backend->operations->give_up(backend);
	while (backend->n_under_way > 0)
		g_main_context_iteration(context, TRUE);
}

gboolean block_backend_poll_size(BlockBackend *backend)
{
	const guint64 size = backend->operations->poll_size ?
				     backend->operations->poll_size(backend) :
				     0;

	if (size == 0 || size == backend->limits.size)
		return FALSE;
	backend->limits.size = size;
	return TRUE;
}

/* A page at a time against the bytes before it, the first against nothing. */
static gboolean is_zero(const guint8 *data, gsize size)
{
	static const guint8 zeroes[4096];
	const gsize first = MIN(size, sizeof(zeroes));

	return memcmp(data, zeroes, first) == 0 &&
	       (size == first || memcmp(data, data + first, size - first) == 0);
}

static gboolean has_only_zeroes(const BlockRequest *request)
{
	for (guint i = 0; i < request->n_iovec; i++)
		if (!is_zero(request->iovec[i].iov_base, request->iovec[i].iov_len))
			return FALSE;
	return TRUE;
}

static gboolean changes(const BlockRequest *request)
{
	return request->operation != BLOCK_READ && request->operation != BLOCK_FLUSH;
}

gboolean block_backend_can_be_direct(const BlockBackend *backend, BlockOperation operation)
{
	if (operation == BLOCK_WRITE && backend->detect_zeroes != BLOCK_DETECT_ZEROES_OFF)
		return FALSE;
	return backend->limits.can_be_direct &&
	       (operation == BLOCK_READ || operation == BLOCK_WRITE);
}

static int check(const BlockBackend *backend, const BlockRequest *request)
{
	if (changes(request) && backend->is_readonly)
		return EROFS;
	if (request->operation == BLOCK_FLUSH)
		return 0;
	if (request->is_direct && !block_backend_can_be_direct(backend, request->operation))
		return EFAULT;
	if (request->size > BLOCK_REQUEST_MAX || request->offset > backend->limits.size ||
	    request->size > backend->limits.size - request->offset)
		return EINVAL;
	return 0;
}

/* What has nothing to do. */
static gboolean is_nothing(const BlockBackend *backend, const BlockRequest *request)
{
	switch (request->operation) {
	case BLOCK_FLUSH:
		return backend->ignores_flush || backend->is_readonly;
	case BLOCK_DISCARD:
		return request->size == 0 || !block_backend_discards(backend);
	default:
		return request->size == 0;
	}
}

void block_submit(BlockBackend *backend, BlockRequest *request)
{
	const int error = check(backend, request);

	request->backend = backend;
	request->counted_as = request->operation;
	request->began = g_get_monotonic_time();
	if (backend->n_under_way++ == 0)
		backend->last_answer = request->began;
	if (error || is_nothing(backend, request)) {
		block_complete_later(backend, request, error);
		return;
	}
	if (request->operation == BLOCK_WRITE &&
	    backend->detect_zeroes != BLOCK_DETECT_ZEROES_OFF && !request->is_direct &&
	    has_only_zeroes(request)) {
		request->operation = BLOCK_WRITE_ZEROES;
		request->may_unmap = backend->detect_zeroes == BLOCK_DETECT_ZEROES_UNMAP;
	}
	if (backend->discard == BLOCK_DISCARD_IGNORE)
		request->may_unmap = FALSE;
	request->is_through = changes(request) && !backend->has_write_cache &&
			      !backend->ignores_flush && request->operation != BLOCK_DISCARD;
	backend->operations->submit(backend, request);
}
