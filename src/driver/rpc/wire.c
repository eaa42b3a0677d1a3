/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire.c - messages of libvirt's RPC as bytes */
#include "driver/rpc/wire.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "driver/error.h"
#include "driver/rpc/protocol.h"

static guint32 read_word(const guint8 *data)
{
	guint32 word;

	memcpy(&word, data, sizeof(word));
	return GUINT32_FROM_BE(word);
}

static void write_word(guint8 *data, guint32 word)
{
	word = GUINT32_TO_BE(word);
	memcpy(data, &word, sizeof(word));
}

gboolean wire_parse_length(const guint8 *data, gsize *size)
{
	*size = read_word(data);
	return *size >= WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE &&
	       *size <= WIRE_LENGTH_SIZE + WIRE_MESSAGE_MAX;
}

void wire_parse_header(const guint8 *data, gsize size, WireHeader *header)
{
	g_return_if_fail(size >= WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE);

	data += WIRE_LENGTH_SIZE;
	header->program = read_word(data);
	header->version = read_word(data + 4);
	header->procedure = (gint32)read_word(data + 8);
	header->type = read_word(data + 12);
	header->serial = read_word(data + 16);
	header->status = read_word(data + 20);
}

static void write_header(guint8 *data, gsize size, const WireHeader *header)
{
	write_word(data, size);
	data += WIRE_LENGTH_SIZE;
	write_word(data, header->program);
	write_word(data + 4, header->version);
	write_word(data + 8, (guint32)header->procedure);
	write_word(data + 12, header->type);
	write_word(data + 16, header->serial);
	write_word(data + 20, header->status);
}

gboolean wire_decode(const guint8 *payload, gsize size, xdrproc_t filter, void *value)
{
	gboolean decoded;
	XDR xdr;

	xdrmem_create(&xdr, (char *)payload, size, XDR_DECODE);
	decoded = filter(&xdr, value);
	xdr_destroy(&xdr);
	return decoded;
}

void wire_append_header(GByteArray *bytes, const WireHeader *header, gsize payload_size)
{
	guint8 words[WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE];

	write_header(words, sizeof(words) + payload_size, header);
	g_byte_array_append(bytes, words, sizeof(words));
}

/*
 * Encodes a value behind @start bytes that the caller fills. Measured first, so that a message
 * takes no more memory than it has bytes.
 */
static guint8 *encode_behind(gsize start, xdrproc_t filter, const void *value, gsize *size)
{
	/* Encoding only reads the value; XDR has one filter for both directions. */
	const gsize payload_size = xdr_sizeof(filter, (void *)value);
	g_autofree guint8 *bytes = NULL;
	gboolean encoded;
	XDR xdr;

	if (payload_size > WIRE_MESSAGE_MAX - WIRE_HEADER_SIZE)
		return NULL;
	bytes = g_malloc(start + payload_size);
	xdrmem_create(&xdr, (char *)bytes + start, payload_size, XDR_ENCODE);
	encoded = filter(&xdr, (void *)value) && xdr_getpos(&xdr) == payload_size;
	xdr_destroy(&xdr);
	*size = start + payload_size;
	return encoded ? g_steal_pointer(&bytes) : NULL;
}

GBytes *wire_encode_payload(xdrproc_t filter, const void *value)
{
	gsize size;
	guint8 *payload = encode_behind(0, filter, value, &size);

	return payload ? g_bytes_new_take(payload, size) : NULL;
}

GBytes *wire_encode(const WireHeader *header, xdrproc_t filter, const void *value)
{
	gsize size = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;
	guint8 *message = filter ? encode_behind(size, filter, value, &size) : g_malloc(size);

	if (!message)
		return NULL;
	write_header(message, size, header);
	return g_bytes_new_take(message, size);
}

GBytes *wire_encode_data(const WireHeader *header, const void *data, gsize size)
{
	const gsize start = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;
	guint8 *message;

	g_return_val_if_fail(size <= WIRE_STREAM_DATA_MAX, NULL);

	message = g_malloc(start + size);
	write_header(message, start + size, header);
	if (size > 0)
		memcpy(message + start, data, size);
	return g_bytes_new_take(message, start + size);
}

GBytes *wire_encode_error(const WireHeader *header, const GError *error)
{
	WireHeader error_header = *header;
	/* No message is longer than the protocol allows, whatever a client made it quote. */
	g_autofree char *message = g_strndup(error->message, 64u << 10);
	g_autofree char *valid = g_utf8_make_valid(message, -1);
	const RpcError rpc_error = {
		.code = error->domain == DRIVER_ERROR ? error->code : VIR_ERR_INTERNAL_ERROR,
		.domain = driver_error_origin(error),
		.message = &valid,
		.level = VIR_ERR_ERROR,
		.int1 = -1,
		.int2 = -1,
	};
	GBytes *bytes;

	error_header.status = WIRE_ERROR;
	bytes = wire_encode(&error_header, (xdrproc_t)xdr_RpcError, &rpc_error);
	g_assert(bytes);
	return bytes;
}
