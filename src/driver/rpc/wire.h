/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h - messages of libvirt's RPC as bytes: length word, header, payload
 *
 * Theory of operation
 *
 * A message is a length word (big endian, counting itself), a header of six words and a
 * payload, which is XDR for calls, replies and events and plain bytes for streams. The
 * layout is described on libvirt's page "RPC protocol". Everything here is plain
 * computation: no socket, no state.
 */
#pragma once

#include <glib.h>
#include <rpc/rpc.h>

#define WIRE_LENGTH_SIZE 4u
#define WIRE_HEADER_SIZE 24u

/* The protocol's limit for one message, without the length word. */
#define WIRE_MESSAGE_MAX (32u << 20)

/* The most that one stream message carries, for the sake of old clients. */
#define WIRE_STREAM_DATA_MAX   262120u

#define WIRE_PROGRAM_REMOTE    0x20008086u
#define WIRE_PROGRAM_QEMU      0x20008087u
#define WIRE_PROGRAM_KEEPALIVE 0x6b656570u
#define WIRE_PROGRAM_VERSION   1u

typedef enum {
	WIRE_CALL = 0,
	WIRE_REPLY = 1,
	WIRE_EVENT = 2,
	WIRE_STREAM = 3,
} WireType;

typedef enum {
	WIRE_OK = 0,
	WIRE_ERROR = 1,
	WIRE_CONTINUE = 2,
} WireStatus;

typedef struct {
	guint32 program;
	guint32 version;
	gint32 procedure;
	guint32 type; /* WireType, or what a client made up */
	guint32 serial;
	guint32 status; /* WireStatus, or what a client made up */
} WireHeader;

/*
 * wire_parse_length - the length word at @data, which has WIRE_LENGTH_SIZE bytes
 * @size: length of the whole message, this word included
 *
 * Return: FALSE for a length that no message can have.
 */
gboolean wire_parse_length(const guint8 *data, gsize *size);

/* Reads the header of a whole message of @size bytes; wire_parse_length() has approved it. */
void wire_parse_header(const guint8 *data, gsize size, WireHeader *header);

/*
 * wire_decode - decode an XDR payload
 * @value: zeroed; after a failure too it has to be freed with xdr_free()
 */
gboolean wire_decode(const guint8 *payload, gsize size, xdrproc_t filter, void *value);

/*
 * wire_encode - make a whole message
 * @filter: for @value; NULL for an empty payload
 *
 * Return: the message, or NULL where the value is over a limit of the protocol.
 */
GBytes *wire_encode(const WireHeader *header, xdrproc_t filter, const void *value);

/* The same with a payload of plain bytes, at most WIRE_STREAM_DATA_MAX. */
GBytes *wire_encode_data(const WireHeader *header, const void *data, gsize size);

/* The payload alone. Return: NULL where the value is over a limit of the protocol. */
GBytes *wire_encode_payload(xdrproc_t filter, const void *value);

/* Appends length word and header of a message whose payload the caller appends. */
void wire_append_header(GByteArray *bytes, const WireHeader *header, gsize payload_size);

/* A message that carries @error in the protocol's own form. Never NULL. */
GBytes *wire_encode_error(const WireHeader *header, const GError *error);
