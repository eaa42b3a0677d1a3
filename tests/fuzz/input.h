/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input.h - a fuzzer's input, taken from its beginning */
#pragma once

#include <glib.h>

typedef struct {
	const guint8 *data;
	gsize left;
} Input;

/* The next @size bytes, 4 at most, the lowest first; what is missing at the end is 0. */
static guint get(Input *input, guint size)
{
	guint value = 0;

	for (guint i = 0; i < size && input->left > 0; i++, input->left--)
		value |= (guint)*input->data++ << 8 * i;
	return value;
}
