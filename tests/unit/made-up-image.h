/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-up-image.h - an image that is an array, for tests of disks
 *
 * Its backend does what the test says: it answers at once, holds what it gets until it is let go,
 * or fails.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "vmm/backend/block.h"

#ifndef WORLD_DISK_SIZE
#define WORLD_DISK_SIZE (4u << 20)
#define WORLD_STAGING	(2u << 20)
#endif

typedef struct {
	BlockBackend backend;
	guint8 *content;
	int error;	/* what requests end with */
	guint n_errors; /* so many of them */
	gboolean holds;
	GQueue held;
	guint counts[BLOCK_N_OPERATIONS];
	guint n_through;
	guint n_direct;
	guint n_faults; /* so many that are direct end with EFAULT */
	guint n_given_up;
} MadeUpImage;

static inline void made_up_image_answer(MadeUpImage *image, BlockRequest *request)
{
	guint8 *at = image->content + request->offset;

	image->n_direct += request->is_direct;
	if (request->is_direct && image->n_faults > 0) {
		image->n_faults--;
		block_complete_later(&image->backend, request, EFAULT);
		return;
	}
	if (image->n_errors > 0) {
		image->n_errors--;
		block_complete_later(&image->backend, request, image->error);
		return;
	}
	if (request->operation == BLOCK_WRITE_ZEROES)
		memset(at, 0, request->size);
	for (guint i = 0; i < request->n_iovec; i++) {
		const struct iovec *iovec = &request->iovec[i];

		if (request->operation == BLOCK_READ)
			memcpy(iovec->iov_base, at, iovec->iov_len);
		else if (request->operation == BLOCK_WRITE)
			memcpy(at, iovec->iov_base, iovec->iov_len);
		at += iovec->iov_len;
	}
	block_complete_later(&image->backend, request, 0);
}

static inline void made_up_image_submit(BlockBackend *backend, BlockRequest *request)
{
	MadeUpImage *image = (MadeUpImage *)backend;

	g_assert_cmpuint(request->offset, <=, WORLD_DISK_SIZE);
	g_assert_cmpuint(request->size, <=, WORLD_DISK_SIZE - request->offset);
	image->counts[request->operation]++;
	if (request->is_through)
		image->n_through++;
	if (image->holds)
		g_queue_push_tail(&image->held, request);
	else
		made_up_image_answer(image, request);
}

static inline void made_up_image_let_go(MadeUpImage *image)
{
	BlockRequest *request;

	image->holds = FALSE;
	while ((request = g_queue_pop_head(&image->held)))
		made_up_image_answer(image, request);
}

static inline void made_up_image_free(BlockBackend *backend)
{
	MadeUpImage *image = (MadeUpImage *)backend;

	g_assert_true(g_queue_is_empty(&image->held));
	g_free(image->content);
	g_free(image);
}

static inline void made_up_image_give_up(BlockBackend *backend)
{
	MadeUpImage *image = (MadeUpImage *)backend;
	BlockRequest *request;

	image->n_given_up++;
	while ((request = g_queue_pop_head(&image->held)))
		block_complete_later(backend, request, EIO);
}

static const BlockOperations made_up_image_operations = {
	.submit = made_up_image_submit,
	.free = made_up_image_free,
};

/* One that a server has, which may not answer. */
static const BlockOperations made_up_server_operations = {
	.submit = made_up_image_submit,
	.give_up = made_up_image_give_up,
	.free = made_up_image_free,
};

static inline void made_up_image_hang(MadeUpImage *image)
{
	image->backend.operations = &made_up_server_operations;
	image->backend.patience = 400 * G_TIME_SPAN_MILLISECOND;
	image->holds = TRUE;
}

static inline MadeUpImage *made_up_image_new(const BlockConfig *config)
{
	MadeUpImage *image = g_new0(MadeUpImage, 1);

	image->content = g_malloc0(WORLD_DISK_SIZE);
	image->backend.limits = (BlockLimits){
		.size = WORLD_DISK_SIZE,
		.alignment = 1,
		.logical_block_size = BLOCK_SECTOR_SIZE,
		.physical_block_size = 4096,
		.can_discard = TRUE,
		.can_be_direct = TRUE,
	};
	block_backend_init(&image->backend, &made_up_image_operations, config);
	return image;
}
