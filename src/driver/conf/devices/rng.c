/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rng.c - <rng>: a source of random numbers for the guest */
#include "driver/conf/devices/rng.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/values.h"
#include "driver/error.h"

/* What libvirt takes where <backend model='random'/> names none. */
#define DEFAULT_PATH "/dev/urandom"

static const char *const backend_names[] = {
	[DOMAIN_RNG_RANDOM] = "random",
	[DOMAIN_RNG_BUILTIN] = "builtin",
	NULL,
};

DomainRng *domain_rng_copy(const DomainRng *rng)
{
	DomainRng *copy = g_memdup2(rng, sizeof(*rng));

	copy->path = g_strdup(rng->path);
	domain_device_info_copy(&copy->info, &rng->info);
	return copy;
}

void domain_rng_free(DomainRng *rng)
{
	if (!rng)
		return;
	domain_device_info_clear(&rng->info);
	g_free(rng->path);
	g_free(rng);
}

static void parse_rate(XmlWalk *walk, xmlNode *node, DomainRng *rng)
{
	xmlNode *rate = xml_walk_child(walk, node, "rate");

	if (!rate || !xml_walk_attribute_required(walk, rate, "bytes"))
		return;
	domain_parse_number(walk, rate, "bytes", G_MAXINT, &rng->rate_bytes);
	domain_parse_number(walk, rate, "period", G_MAXINT, &rng->rate_period);
	if (rng->rate_bytes == 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number from 1 on"),
			       "bytes", xml_walk_path(walk, rate), "0");
}

static void parse_backend(XmlWalk *walk, xmlNode *node, DomainRng *rng)
{
	xmlNode *backend = xml_walk_child(walk, node, "backend");
	const char *model = xml_walk_attribute_required(walk, backend, "model");
	const char *path = NULL;

	if (!backend)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/backend' is missing"),
			       xml_walk_path(walk, node));
	if (!model)
		return;
	if (strcmp(model, backend_names[DOMAIN_RNG_BUILTIN]) == 0) {
		rng->backend = DOMAIN_RNG_BUILTIN;
		return;
	}
	if (strcmp(model, backend_names[DOMAIN_RNG_RANDOM]) != 0) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'model' of element '%s' is '%s': supported are "
				 "'random' and 'builtin'"),
			       xml_walk_path(walk, backend), xml_walk_quote(walk, model));
		return;
	}
	path = xml_walk_text(walk, backend);
	rng->path = g_strstrip(g_strdup(path));
	if (!*rng->path) {
		g_free(rng->path);
		rng->path = g_strdup(DEFAULT_PATH);
	}
}

DomainRng *domain_parse_rng(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainRng *rng = g_new0(DomainRng, 1);

	if (!domain_parse_only(walk, node, "model", "virtio"))
		xml_walk_attribute_required(walk, node, "model");
	domain_parse_virtio_options(walk, xml_walk_child(walk, node, "driver"), &rng->virtio);
	parse_rate(walk, node, rng);
	parse_backend(walk, node, rng);
	domain_parse_device_info(walk, node, flags, FALSE, &rng->info);
	return rng;
}

void domain_format_rng(XmlWriter *writer, const DomainRng *rng, gboolean live)
{
	xml_writer_start(writer, "rng");
	xml_writer_attribute(writer, "model", "virtio");
	if (rng->rate_bytes > 0) {
		xml_writer_start(writer, "rate");
		xml_writer_attribute_number(writer, "bytes", rng->rate_bytes);
		if (rng->rate_period > 0)
			xml_writer_attribute_number(writer, "period", rng->rate_period);
		xml_writer_end(writer);
	}
	xml_writer_start(writer, "backend");
	xml_writer_attribute(writer, "model", backend_names[rng->backend]);
	if (rng->path)
		xml_writer_text(writer, rng->path);
	xml_writer_end(writer);
	if (domain_virtio_options_are_set(&rng->virtio)) {
		xml_writer_start(writer, "driver");
		domain_format_virtio_options(writer, &rng->virtio);
		xml_writer_end(writer);
	}
	domain_format_device_info(writer, &rng->info, live);
	xml_writer_end(writer);
}

gboolean domain_check_rng(const DomainRng *rng, GError **error)
{
	return domain_check_path("devices/rng/backend", rng->path, error);
}

void domain_write_rng_capabilities(XmlWriter *writer)
{
	static const char *const models[] = { "virtio", NULL };

	xml_writer_start(writer, "rng");
	xml_writer_attribute(writer, "supported", "yes");
	xml_writer_enum(writer, "model", models);
	xml_writer_enum(writer, "backendModel", backend_names);
	xml_writer_end(writer);
}
