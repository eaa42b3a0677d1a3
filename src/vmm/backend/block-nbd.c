/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-nbd.c - an export of an NBD server as a disk */
#include "vmm/backend/block-nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <libnbd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/backend/fd-watch.h"
#include "vmm/log.h"

/* What a server is waited for that is asked what it has; nobody else has a turn meanwhile. */
#define CONNECT_SECONDS 30

/* What a server without a command for zeroes is sent, in one go. */
#define ZEROES_SIZE (256u << 10)

typedef struct {
	BlockBackend backend;
	struct nbd_handle *handle;
	FdWatch *watch; /* NULL until it is attached */
	gboolean can_flush;
	gboolean can_zero;
	gboolean can_fua;
	guint8 *zeroes;
	gboolean is_lost; /* and has been told of */
} BlockNbd;

typedef struct {
	BlockNbd *nbd;
	BlockRequest *request;
	void (*next)(gpointer self); /* what follows, or NULL */
	guint8 *joined;		     /* the request's pieces, as one */
	guint64 offset;		     /* what is left of zeroes that are written */
	guint64 left;
} NbdRequest;

static LogLimit lost_limit;

static BlockNbd *nbd_of(BlockBackend *backend)
{
	return (BlockNbd *)backend;
}

/* Waits for what the library waits for. */
static void update(BlockNbd *nbd)
{
	const guint direction = nbd_aio_get_direction(nbd->handle);
	GIOCondition condition = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		condition |= G_IO_IN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		condition |= G_IO_OUT;
	if (nbd->watch)
		fd_watch_set(nbd->watch, condition);
}

/* The descriptor is closed by the library then: nobody waits for it any more. */
static void check_lost(BlockNbd *nbd)
{
	if (nbd->is_lost || !(nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle)))
		return;
	nbd->is_lost = TRUE;
	g_clear_pointer(&nbd->watch, fd_watch_free);
	log_limited(&lost_limit, "block", _("%s: the connection to its NBD server is lost"),
		    nbd->backend.name);
}

static void copy_joined(const NbdRequest *self)
{
	const BlockRequest *request = self->request;
	guint8 *at = self->joined;

	for (guint i = 0; i < request->n_iovec; i++) {
		if (request->operation == BLOCK_READ)
			memcpy(request->iovec[i].iov_base, at, request->iovec[i].iov_len);
		else
			memcpy(at, request->iovec[i].iov_base, request->iovec[i].iov_len);
		at += request->iovec[i].iov_len;
	}
}

static void finish(NbdRequest *self, int error)
{
	if (self->joined && !error && self->request->operation == BLOCK_READ)
		copy_joined(self);
	block_complete_later(&self->nbd->backend, self->request, error);
	g_free(self->joined);
	g_free(self);
}

/* What a policy can do something about; the rest says nothing that the guest would know. */
static int errno_for_guest(int error)
{
	switch (error) {
	case 0:
	case ENOSPC:
		return error;
	default:
		return EIO;
	}
}

static gboolean run_next(gpointer opaque)
{
	NbdRequest *self = opaque;
	BlockNbd *nbd = self->nbd;

	self->next(self);
	update(nbd);
	check_lost(nbd);
	return G_SOURCE_REMOVE;
}

/* With the library's lock held: what follows is done from the main context. */
static int completed(void *opaque, int *error)
{
	NbdRequest *self = opaque;

	if (*error || !self->next) {
		finish(self, errno_for_guest(*error));
	} else {
		GSource *source = g_idle_source_new();

		g_source_set_priority(source, G_PRIORITY_DEFAULT);
		g_source_set_callback(source, run_next, self, NULL);
		g_source_attach(source, g_main_context_get_thread_default());
		g_source_unref(source);
	}
	return 1;
}

static nbd_completion_callback completion(NbdRequest *self)
{
	return (nbd_completion_callback){ .callback = completed, .user_data = self };
}

/* One that the library does not take at all has no end that it would tell. */
static void begun(NbdRequest *self, gint64 cookie)
{
	if (cookie < 0)
		finish(self, EIO);
}

static guint32 fua_flag(const NbdRequest *self)
{
	return self->request->is_through && self->nbd->can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
}

static void start_flush(gpointer opaque)
{
	NbdRequest *self = opaque;

	self->next = NULL;
	begun(self, nbd_aio_flush(self->nbd->handle, completion(self), 0));
}

/* After what has to be on the disk before it ends. */
static gboolean needs_flush(const NbdRequest *self)
{
	return self->request->is_through && !self->nbd->can_fua && self->nbd->can_flush;
}

static void *data_of(NbdRequest *self)
{
	const BlockRequest *request = self->request;

	if (request->n_iovec == 1)
		return request->iovec->iov_base;
	self->joined = g_malloc(request->size);
	if (request->operation == BLOCK_WRITE)
		copy_joined(self);
	return self->joined;
}

static void start_read(NbdRequest *self)
{
	const BlockRequest *request = self->request;

	begun(self, nbd_aio_pread(self->nbd->handle, data_of(self), request->size, request->offset,
				  completion(self), 0));
}

static void start_write(NbdRequest *self)
{
	const BlockRequest *request = self->request;

	self->next = needs_flush(self) ? start_flush : NULL;
	begun(self, nbd_aio_pwrite(self->nbd->handle, data_of(self), request->size, request->offset,
				   completion(self), fua_flag(self)));
}

/* By writing them, a part at a time. */
static void write_zeroes(gpointer opaque)
{
	NbdRequest *self = opaque;
	const guint64 offset = self->offset;
	const guint64 size = MIN(self->left, ZEROES_SIZE);

	self->offset += size;
	self->left -= size;
	if (self->left > 0)
		self->next = write_zeroes;
	else
		self->next = needs_flush(self) ? start_flush : NULL;
	begun(self, nbd_aio_pwrite(self->nbd->handle, self->nbd->zeroes, size, offset,
				   completion(self), fua_flag(self)));
}

static void start_zeroes(NbdRequest *self)
{
	const BlockRequest *request = self->request;
	const guint32 flags = fua_flag(self) | (request->may_unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);

	if (!self->nbd->can_zero) {
		self->offset = request->offset;
		self->left = request->size;
		write_zeroes(self);
		return;
	}
	self->next = needs_flush(self) ? start_flush : NULL;
	begun(self, nbd_aio_zero(self->nbd->handle, request->size, request->offset,
				 completion(self), flags));
}

static void start_discard(NbdRequest *self)
{
	const BlockRequest *request = self->request;

	begun(self,
	      nbd_aio_trim(self->nbd->handle, request->size, request->offset, completion(self), 0));
}

static void nbd_submit(BlockBackend *backend, BlockRequest *request)
{
	BlockNbd *nbd = nbd_of(backend);
	NbdRequest *self;

	if (nbd->is_lost || (request->operation == BLOCK_FLUSH && !nbd->can_flush)) {
		block_complete_later(backend, request, nbd->is_lost ? EIO : 0);
		return;
	}
	self = g_new0(NbdRequest, 1);
	self->nbd = nbd;
	self->request = request;
	switch (request->operation) {
	case BLOCK_READ:
		start_read(self);
		break;
	case BLOCK_WRITE:
		start_write(self);
		break;
	case BLOCK_FLUSH:
		start_flush(self);
		break;
	case BLOCK_DISCARD:
		start_discard(self);
		break;
	case BLOCK_WRITE_ZEROES:
		start_zeroes(self);
		break;
	case BLOCK_N_OPERATIONS:
		g_assert_not_reached();
	}
	update(nbd);
	check_lost(nbd);
}

static void on_ready(void *opaque, GIOCondition condition)
{
	BlockNbd *nbd = opaque;
	const guint direction = nbd_aio_get_direction(nbd->handle);

	if (condition & G_IO_OUT && direction & LIBNBD_AIO_DIRECTION_WRITE)
		(void)nbd_aio_notify_write(nbd->handle);
	else if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
		(void)nbd_aio_notify_read(nbd->handle);
	update(nbd);
	check_lost(nbd);
}

static void nbd_attach(BlockBackend *backend, GMainContext *context, IoRing *ring)
{
	BlockNbd *nbd = nbd_of(backend);

	(void)ring;
	nbd->watch = fd_watch_new(nbd_aio_get_fd(nbd->handle), context, on_ready, nbd);
	update(nbd);
}

/*
 * The library ends what is under way when the connection has ended, and says nothing more to the
 * server: what that may do yet of what it has been sent, no request comes after.
 */
static void nbd_give_up(BlockBackend *backend)
{
	BlockNbd *nbd = nbd_of(backend);

	if (nbd->is_lost)
		return;
	log_limited(&lost_limit, "block", _("%s: its NBD server does not answer, and is given up"),
		    backend->name);
	(void)shutdown(nbd_aio_get_fd(nbd->handle), SHUT_RDWR);
}

static void nbd_free(BlockBackend *backend)
{
	BlockNbd *nbd = nbd_of(backend);

	if (nbd->watch)
		fd_watch_free(nbd->watch);
	nbd_close(nbd->handle);
	g_free(nbd->zeroes);
	g_free(nbd);
}

static const BlockOperations nbd_operations = {
	.submit = nbd_submit,
	.attach = nbd_attach,
	.give_up = nbd_give_up,
	.free = nbd_free,
};

static gboolean find_limits(BlockNbd *nbd, const BlockConfig *config, GError **error)
{
	const gint64 size = nbd_get_size(nbd->handle);
	const gint64 minimum = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);
	const gint64 preferred = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_PREFERRED);
	BlockLimits *limits = &nbd->backend.limits;

	if (size < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("the NBD server of %s does not tell the size"), config->name);
		return FALSE;
	}
	if (nbd_is_read_only(nbd->handle) == 1 && !config->is_readonly) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
			    _("the NBD server of %s lets it only be read: its disk has to be "
			      "read-only"),
			    config->name);
		return FALSE;
	}
	limits->logical_block_size = (guint32)CLAMP(minimum, BLOCK_SECTOR_SIZE, 4096);
	limits->physical_block_size = (guint32)CLAMP(preferred, limits->logical_block_size, 4096);
	limits->alignment = limits->logical_block_size;
	limits->size = (guint64)size / limits->logical_block_size * limits->logical_block_size;
	limits->can_discard = nbd_can_trim(nbd->handle) == 1;
	nbd->can_flush = nbd_can_flush(nbd->handle) == 1;
	nbd->can_fua = nbd_can_fua(nbd->handle) == 1;
	nbd->can_zero = nbd_can_zero(nbd->handle) == 1;
	return TRUE;
}

/* Return: NULL, or why the server and the library have not come to an agreement. */
static const char *await_agreement(struct nbd_handle *handle)
{
	const gint64 deadline = g_get_monotonic_time() + CONNECT_SECONDS * G_TIME_SPAN_SECOND;
	const char *reason;

	while (nbd_aio_is_connecting(handle) == 1) {
		const gint64 left = deadline - g_get_monotonic_time();

		if (left <= 0)
			return g_strerror(ETIMEDOUT);
		if (nbd_poll(handle, (int)(left / 1000) + 1) < 0)
			break;
	}
	if (nbd_aio_is_ready(handle) == 1)
		return NULL;
	reason = nbd_get_error();
	return reason ? reason : g_strerror(ECONNRESET);
}

static gboolean connect_to(BlockNbd *nbd, int fd, const char *export, const BlockConfig *config,
			   GError **error)
{
	const char *reason;

	/*
	 * A server can say that it has read, and send nothing; completed() is not told. The library
	 * clears the buffer of a read before that, so that the guest finds zeroes, and nothing that
	 * somebody else had there.
	 */
	if (nbd_set_export_name(nbd->handle, export) < 0 ||
	    nbd_set_pread_initialize(nbd->handle, TRUE) < 0 ||
	    nbd_aio_connect_socket(nbd->handle, fd) < 0)
		reason = nbd_get_error();
	else
		reason = await_agreement(nbd->handle);
	if (reason)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("the NBD server of %s cannot be used: %s"), config->name, reason);
	return !reason;
}

BlockBackend *block_nbd_new(int fd, const char *export, const BlockConfig *config, GError **error)
{
	struct nbd_handle *handle = nbd_create();
	const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	BlockNbd *nbd;

	if (!handle || own < 0) {
		if (own >= 0)
			close(own);
		nbd_close(handle);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("the NBD server of %s cannot be used: %s"), config->name,
			    g_strerror(errno));
		return NULL;
	}
	nbd = g_new0(BlockNbd, 1);
	nbd->handle = handle;
	if (!connect_to(nbd, own, export, config, error) || !find_limits(nbd, config, error)) {
		nbd_close(handle);
		g_free(nbd);
		return NULL;
	}
	close(fd);
	nbd->zeroes = nbd->can_zero ? NULL : g_malloc0(ZEROES_SIZE);
	block_backend_init(&nbd->backend, &nbd_operations, config);
	return &nbd->backend;
}
