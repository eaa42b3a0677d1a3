/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.c - errors of libvirt's own kind, carried as GError
 *
 * Theory of operation
 *
 * A client prints the message that it receives and adds nothing, so the words which libvirt's
 * users know for each number must already be in it. The table has the numbers that this
 * driver raises; one that is missing there shows its detail alone, which is what libvirt does
 * for the numbers that have no words of their own.
 */
#include "driver/error.h"

#include <string.h>

/* What surrounds the detail: most numbers have words in front only. */
typedef struct {
	virErrorNumber code;
	const char *before;
	const char *after;
} ErrorWords;

static const ErrorWords error_words[] = {
	{ VIR_ERR_INTERNAL_ERROR, "internal error: ", "" },
	{ VIR_ERR_NO_MEMORY, "out of memory: ", "" },
	{ VIR_ERR_NO_SUPPORT, "this function is not supported by the connection driver: ", "" },
	{ VIR_ERR_NO_CONNECT, "no connection driver available for ", "" },
	{ VIR_ERR_INVALID_CONN, "invalid connection pointer in ", "" },
	{ VIR_ERR_INVALID_DOMAIN, "invalid domain pointer in ", "" },
	{ VIR_ERR_INVALID_ARG, "invalid argument: ", "" },
	{ VIR_ERR_OPERATION_FAILED, "operation failed: ", "" },
	{ VIR_ERR_OS_TYPE, "unknown OS type ", "" },
	{ VIR_ERR_NO_KERNEL, "missing kernel information: ", "" },
	{ VIR_ERR_XML_ERROR, "XML error: ", "" },
	{ VIR_ERR_DOM_EXIST, "domain ", " exists already" },
	{ VIR_ERR_OPERATION_DENIED, "operation forbidden: ", "" },
	{ VIR_ERR_OPEN_FAILED, "failed to open configuration file ", "" },
	{ VIR_ERR_READ_FAILED, "failed to read configuration file ", "" },
	{ VIR_ERR_PARSE_FAILED, "failed to parse configuration file ", "" },
	{ VIR_ERR_CONF_SYNTAX, "configuration file syntax error: ", "" },
	{ VIR_ERR_WRITE_FAILED, "failed to write configuration file: ", "" },
	{ VIR_ERR_NO_DOMAIN, "Domain not found: ", "" },
	{ VIR_ERR_AUTH_FAILED, "authentication failed: ", "" },
	{ VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: ", "" },
	{ VIR_ERR_CONFIG_UNSUPPORTED, "unsupported configuration: ", "" },
	{ VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: ", "" },
	{ VIR_ERR_INVALID_STREAM, "invalid stream pointer in ", "" },
	{ VIR_ERR_ARGUMENT_UNSUPPORTED, "argument unsupported: ", "" },
	{ VIR_ERR_OPERATION_ABORTED, "operation aborted: ", "" },
	{ VIR_ERR_AUTH_CANCELLED, "authentication cancelled: ", "" },
	{ VIR_ERR_NO_DOMAIN_METADATA, "metadata not found: ", "" },
	{ VIR_ERR_OVERFLOW, "numerical overflow: ", "" },
	{ VIR_ERR_OPERATION_UNSUPPORTED, "Operation not supported: ", "" },
	{ VIR_ERR_RESOURCE_BUSY, "resource busy: ", "" },
	{ VIR_ERR_ACCESS_DENIED, "access denied: ", "" },
	{ VIR_ERR_CPU_INCOMPATIBLE, "the CPU is incompatible with host CPU: ", "" },
	{ VIR_ERR_XML_INVALID_SCHEMA, "XML document failed to validate against schema: ", "" },
	{ VIR_ERR_AUTH_UNAVAILABLE, "authentication unavailable: ", "" },
	{ VIR_ERR_DEVICE_MISSING, "device not found: ", "" },
	{ VIR_ERR_NO_HOSTNAME, "no hostname found: ", "" },
};

G_DEFINE_QUARK(libvirt - gmem - driver - error, driver_error)

static const ErrorWords *find_words(int code)
{
	static const ErrorWords none = { VIR_ERR_OK, "", "" };

	for (gsize i = 0; i < G_N_ELEMENTS(error_words); i++)
		if ((int)error_words[i].code == code)
			return &error_words[i];

	return &none;
}

static void set_error(GError **error, virErrorNumber code, const char *detail)
{
	const ErrorWords *words = find_words(code);

	/* Details may quote a client's text; what leaves here is UTF-8 whatever came in. */
	g_autofree char *valid = g_utf8_make_valid(detail, -1);

	g_set_error(error, DRIVER_ERROR, (int)code, "%s%s%s", words->before, valid, words->after);
}

gboolean driver_error(GError **error, virErrorNumber code, const char *format, ...)
{
	g_autofree char *detail = NULL;
	va_list arguments;

	va_start(arguments, format);
	detail = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	set_error(error, code, detail);
	return FALSE;
}

/* The text of @cause without the words that set_error() puts around it again. */
static char *bare_detail(const GError *cause)
{
	const ErrorWords *words;
	g_autofree char *detail = NULL;

	if (cause->domain != DRIVER_ERROR)
		return g_strdup(cause->message);

	words = find_words(cause->code);
	if (!g_str_has_prefix(cause->message, words->before))
		return g_strdup(cause->message);

	detail = g_strdup(cause->message + strlen(words->before));
	if (g_str_has_suffix(detail, words->after))
		detail[strlen(detail) - strlen(words->after)] = '\0';

	return g_steal_pointer(&detail);
}

void driver_error_from(GError **error, virErrorNumber code, const GError *cause, const char *format,
		       ...)
{
	g_autofree char *detail = bare_detail(cause);

	if (cause->domain == DRIVER_ERROR)
		code = (virErrorNumber)cause->code;

	if (format) {
		g_autofree char *bare = g_steal_pointer(&detail);
		g_autofree char *front = NULL;
		va_list arguments;

		va_start(arguments, format);
		front = g_strdup_vprintf(format, arguments);
		va_end(arguments);
		detail = g_strconcat(front, ": ", bare, NULL);
	}

	set_error(error, code, detail);
}
