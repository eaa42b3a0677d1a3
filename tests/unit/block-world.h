/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-world.h - an image, and the main context that its backend is attached to, for tests */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/backend/block.h"

/* A file of its own in $TMPDIR, of @size bytes that are 0. The caller closes it. */
static inline int image_new(char **path, guint64 size)
{
	g_autoptr(GError) error = NULL;
	const int fd = g_file_open_tmp("libvirt-gmem-image-XXXXXX", path, &error);

	g_assert_no_error(error);
	g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
	return fd;
}

typedef struct {
	BlockRequest request;
	struct iovec iovec;
	gboolean is_done;
	int error;
} TestRequest;

static inline void test_request_done(BlockRequest *request, int error)
{
	TestRequest *self = request->opaque;

	g_assert_false(self->is_done);
	self->is_done = TRUE;
	self->error = error;
}

static inline void test_request_init(TestRequest *self, BlockOperation operation, guint64 offset,
				     void *data, guint64 size)
{
	*self = (TestRequest){
		.request = {
			.operation = operation,
			.offset = offset,
			.size = size,
			.complete = test_request_done,
			.opaque = self,
		},
		.iovec = { .iov_base = data, .iov_len = size },
	};
	if (data) {
		self->request.iovec = &self->iovec;
		self->request.n_iovec = 1;
	}
}

/* Return: 0 or an errno. */
static inline int test_request_wait(TestRequest *self, GMainContext *context)
{
	while (!self->is_done)
		g_main_context_iteration(context, TRUE);
	return self->error;
}

static inline int do_request(BlockBackend *backend, GMainContext *context, BlockOperation operation,
			     guint64 offset, void *data, guint64 size)
{
	TestRequest request;

	test_request_init(&request, operation, offset, data, size);
	block_submit(backend, &request.request);
	g_assert_false(request.is_done);
	return test_request_wait(&request, context);
}
