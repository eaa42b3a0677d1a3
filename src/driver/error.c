/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.c - errors of libvirt's own kind, carried as GError
 *
 * Theory of operation
 *
 * A client prints the message that it receives and adds nothing, so the words which libvirt's
 * users know for each number must already be in it. The table has the numbers that this
 * driver raises; one that is missing there shows its detail alone, which is what libvirt does
 * for the numbers that have no words of their own. The detail is kept beside the message, for
 * the words to stand around it once, whatever they are in the language of the daemon.
 */
#include "driver/error.h"

#include <glib/gi18n.h>

/* What surrounds the detail. */
typedef struct {
	virErrorNumber code;
	const char *format;
} ErrorWords;

static const ErrorWords error_words[] = {
	{ VIR_ERR_INTERNAL_ERROR, N_("internal error: %s") },
	{ VIR_ERR_NO_MEMORY, N_("out of memory: %s") },
	{ VIR_ERR_NO_SUPPORT, N_("this function is not supported by the connection driver: %s") },
	{ VIR_ERR_NO_CONNECT, N_("no connection driver available for %s") },
	{ VIR_ERR_INVALID_CONN, N_("invalid connection pointer in %s") },
	{ VIR_ERR_INVALID_DOMAIN, N_("invalid domain pointer in %s") },
	{ VIR_ERR_INVALID_ARG, N_("invalid argument: %s") },
	{ VIR_ERR_OPERATION_FAILED, N_("operation failed: %s") },
	{ VIR_ERR_OS_TYPE, N_("unknown OS type %s") },
	{ VIR_ERR_NO_KERNEL, N_("missing kernel information: %s") },
	{ VIR_ERR_XML_ERROR, N_("XML error: %s") },
	{ VIR_ERR_DOM_EXIST, N_("domain %s exists already") },
	{ VIR_ERR_OPERATION_DENIED, N_("operation forbidden: %s") },
	{ VIR_ERR_OPEN_FAILED, N_("failed to open configuration file %s") },
	{ VIR_ERR_READ_FAILED, N_("failed to read configuration file %s") },
	{ VIR_ERR_PARSE_FAILED, N_("failed to parse configuration file %s") },
	{ VIR_ERR_CONF_SYNTAX, N_("configuration file syntax error: %s") },
	{ VIR_ERR_WRITE_FAILED, N_("failed to write configuration file: %s") },
	{ VIR_ERR_NO_DOMAIN, N_("Domain not found: %s") },
	{ VIR_ERR_AUTH_FAILED, N_("authentication failed: %s") },
	{ VIR_ERR_OPERATION_INVALID, N_("Requested operation is not valid: %s") },
	{ VIR_ERR_CONFIG_UNSUPPORTED, N_("unsupported configuration: %s") },
	{ VIR_ERR_OPERATION_TIMEOUT, N_("Timed out during operation: %s") },
	{ VIR_ERR_INVALID_STREAM, N_("invalid stream pointer in %s") },
	{ VIR_ERR_ARGUMENT_UNSUPPORTED, N_("argument unsupported: %s") },
	{ VIR_ERR_OPERATION_ABORTED, N_("operation aborted: %s") },
	{ VIR_ERR_AUTH_CANCELLED, N_("authentication cancelled: %s") },
	{ VIR_ERR_NO_DOMAIN_METADATA, N_("metadata not found: %s") },
	{ VIR_ERR_OVERFLOW, N_("numerical overflow: %s") },
	{ VIR_ERR_OPERATION_UNSUPPORTED, N_("Operation not supported: %s") },
	{ VIR_ERR_AGENT_UNRESPONSIVE, N_("Guest agent is not responding: %s") },
	{ VIR_ERR_RESOURCE_BUSY, N_("resource busy: %s") },
	{ VIR_ERR_ACCESS_DENIED, N_("access denied: %s") },
	{ VIR_ERR_CPU_INCOMPATIBLE, N_("the CPU is incompatible with host CPU: %s") },
	{ VIR_ERR_XML_INVALID_SCHEMA, N_("XML document failed to validate against schema: %s") },
	{ VIR_ERR_AUTH_UNAVAILABLE, N_("authentication unavailable: %s") },
	{ VIR_ERR_DEVICE_MISSING, N_("device not found: %s") },
	{ VIR_ERR_NO_HOSTNAME, N_("no hostname found: %s") },
};

typedef struct {
	char *detail;
	virErrorDomain origin;
} DriverErrorPrivate;

static void driver_error_private_init(DriverErrorPrivate *private)
{
	private->detail = NULL;
	private->origin = VIR_FROM_DOMAIN;
}

static void driver_error_private_copy(const DriverErrorPrivate *source, DriverErrorPrivate *private)
{
	private->detail = g_strdup(source->detail);
	private->origin = source->origin;
}

static void driver_error_private_clear(DriverErrorPrivate *private)
{
	g_free(private->detail);
}

G_DEFINE_EXTENDED_ERROR(DriverError, driver_error)

/* Return: a format of libvirt's words with a place for the detail. */
static const char *find_words(int code)
{
	for (gsize i = 0; i < G_N_ELEMENTS(error_words); i++)
		if ((int)error_words[i].code == code)
			return _(error_words[i].format);

	return "%s";
}

static void set_error(GError **error, virErrorNumber code, const char *detail)
{
	/* Details may quote a client's text; what leaves here is UTF-8 whatever came in. */
	g_autofree char *valid = g_utf8_make_valid(detail, -1);
	GError *made = NULL;

	if (!error)
		return;
	made = g_error_new(DRIVER_ERROR, (int)code, find_words(code), valid);
	driver_error_get_private(made)->detail = g_steal_pointer(&valid);
	g_propagate_error(error, made);
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

const char *driver_error_detail(const GError *cause)
{
	const DriverErrorPrivate *private;

	if (cause->domain != DRIVER_ERROR)
		return cause->message;
	private = driver_error_get_private(cause);
	return private->detail ? private->detail : cause->message;
}

void driver_error_set_origin(GError **error, virErrorDomain origin)
{
	if (error && *error)
		driver_error_get_private(*error)->origin = origin;
}

virErrorDomain driver_error_origin(const GError *error)
{
	return error->domain == DRIVER_ERROR ? driver_error_get_private(error)->origin :
					       VIR_FROM_DOMAIN;
}

void driver_error_from(GError **error, virErrorNumber code, const GError *cause, const char *format,
		       ...)
{
	g_autofree char *detail = NULL;
	va_list arguments;

	if (cause->domain == DRIVER_ERROR)
		code = (virErrorNumber)cause->code;
	if (!format) {
		set_error(error, code, driver_error_detail(cause));
		return;
	}
	va_start(arguments, format);
	detail = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	set_error(error, code, detail);
}
