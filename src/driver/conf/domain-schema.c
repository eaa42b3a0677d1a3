/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-schema.c - RELAX NG validation, for clients that ask for it
 *
 * Compiling libvirt's schema takes longer than using it, so that it is done once. libxml2 does
 * not say that a compiled schema may be used by two threads at once; one lock covers both.
 */
#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <libxml/relaxng.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/conf/domain-private.h"
#include "driver/error.h"

/* libxml2 reports a failure in several steps from the inside out; more would not help. */
#define MAX_MESSAGES 3

static GMutex schema_lock;
static xmlRelaxNG *domain_schema;

typedef struct {
	GString *text;
	guint messages;
} Report;

static void collect(Report *report, const xmlError *problem)
{
	g_autofree char *message = NULL;

	if (!problem || !problem->message || report->messages++ >= MAX_MESSAGES)
		return;

	message = g_strchomp(g_strndup(problem->message, 512));
	if (report->text->len > 0)
		g_string_append(report->text, "; ");
	if (problem->line > 0)
		g_string_append_printf(report->text, _("line %d: %s"), problem->line, message);
	else
		g_string_append(report->text, message);
}

/* The const came with libxml2 2.12; this fits the type of the handler in each version. */
#if LIBXML_VERSION >= 21200
static void collect_error(void *report, const xmlError *problem)
#else
static void collect_error(void *report, xmlError *problem)
#endif
{
	collect(report, problem);
}

static xmlRelaxNG *compile_schema(GError **error)
{
	const char *folder = g_getenv("LIBVIRT_GMEM_SCHEMADIR");
	g_autofree char *path = g_build_filename(folder ? folder : SCHEMADIR, "domain.rng", NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	Report report = { .text = text };
	xmlRelaxNGParserCtxt *parser = NULL;
	xmlRelaxNG *schema = NULL;

	/* libxml2 prints a file that it cannot open, and says less in the report. */
	if (g_access(path, R_OK) < 0) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("cannot read the schema %s: %s"),
			     path, g_strerror(errno));
		return NULL;
	}

	parser = xmlRelaxNGNewParserCtxt(path);
	if (parser) {
		xmlRelaxNGSetParserStructuredErrors(parser, collect_error, &report);
		schema = xmlRelaxNGParse(parser);
		xmlRelaxNGFreeParserCtxt(parser);
	}
	if (!schema)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("cannot use the schema %s, which needs libvirt's own: %s"), path,
			     text->len > 0 ? text->str : _("out of memory"));
	return schema;
}

static gboolean validate_locked(xmlDoc *document, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	Report report = { .text = text };
	xmlRelaxNGValidCtxt *validator = NULL;
	int result = -1;

	if (!domain_schema)
		domain_schema = compile_schema(error);
	if (!domain_schema)
		return FALSE;

	validator = xmlRelaxNGNewValidCtxt(domain_schema);
	if (!validator)
		return driver_error(error, VIR_ERR_NO_MEMORY, _("schema validation"));

	xmlRelaxNGSetValidStructuredErrors(validator, collect_error, &report);
	result = xmlRelaxNGValidateDoc(validator, document);
	xmlRelaxNGFreeValidCtxt(validator);
	if (result == 0)
		return TRUE;

	return driver_error(error, VIR_ERR_XML_INVALID_SCHEMA, "%s",
			    text->len > 0 ? text->str : _("no detail is known"));
}

gboolean domain_schema_validate(xmlDoc *document, GError **error)
{
	gboolean valid = FALSE;

	g_mutex_lock(&schema_lock);
	valid = validate_locked(document, error);
	g_mutex_unlock(&schema_lock);
	return valid;
}
