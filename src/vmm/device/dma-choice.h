/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dma-choice.h - by which way a device reads and writes guest memory: the member "dma"
 *
 * Theory of operation
 *
 * A device on an I/O thread has what that has: guest memory that the ring of its disks and its
 * channel know as registered, and a window or the courier for all else. With DMA_CHOICE_WINDOW it
 * has a channel that nobody copies for, and no registered memory, so that no page of the guest's is
 * held for it. The others say what the kind of memory does anyway, and that it has to be so.
 */
#pragma once

#include "vmm/device/device-type.h"

typedef enum {
	DMA_CHOICE_AUTO,       /* the best that the kind of memory has */
	DMA_CHOICE_REGISTERED, /* what is used often; all else by a window */
	DMA_CHOICE_WINDOW,
	DMA_CHOICE_COURIER,
} DmaChoice;

/* Their names in descriptions, in that order. */
extern const char *const dma_choices[];

/* The row of a table of members; @member of @description is a guint, a DmaChoice. */
#define DMA_CHOICE_FIELD(description, member)                                          \
	{                                                                              \
		.name = "dma", .type = JSON_FIELD_CHOICE,                              \
		.offset = G_STRUCT_OFFSET(description, member), .choices = dma_choices \
	}

/*
 * dma_choice_check - whether the machine's memory has that way
 * @choice: a DmaChoice
 *
 * Return: FALSE with @error set that names the device, the member and the kind of memory.
 */
gboolean dma_choice_check(const DeviceContext *context, guint choice, GError **error);
