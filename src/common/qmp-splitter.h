/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-splitter.h - where one JSON object of a stream ends and the next begins
 *
 * Theory of operation
 *
 * QMP sends objects one after the other with nothing that must stand between them, so their
 * ends have to be found by counting brackets outside strings. The splitter does that byte
 * by byte and keeps the bytes of the object that is under way; what the object means, and
 * whether it is well-formed at all, is json-glib's business. Size and depth have limits,
 * because what comes is anyone's.
 */
#pragma once

#include <glib.h>

#define QMP_OBJECT_MAX (64u << 10) /* bytes */
#define QMP_DEPTH_MAX  64u

typedef struct QmpSplitter QmpSplitter;

typedef enum {
	QMP_SPLITTER_MORE,   /* every byte is taken, no object is complete */
	QMP_SPLITTER_OBJECT, /* one object is complete */
	QMP_SPLITTER_STRAY,  /* bytes that are no white space between objects, or none of JSON's in
				one */
	QMP_SPLITTER_TOO_LARGE, /* an object over one of the limits */
} QmpSplitterResult;

QmpSplitter *qmp_splitter_new(void);
void qmp_splitter_free(QmpSplitter *splitter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpSplitter, qmp_splitter_free)

/*
 * qmp_splitter_feed - take bytes until one object is complete or something is wrong
 * @used: how many of @size bytes were taken; call again with the rest
 * @object: with QMP_SPLITTER_OBJECT its text, NUL-terminated, valid until the next call
 *
 * After STRAY and TOO_LARGE everything up to the next line end is passed over.
 */
QmpSplitterResult qmp_splitter_feed(QmpSplitter *splitter, const char *data, gsize size,
				    gsize *used, const char **object);
