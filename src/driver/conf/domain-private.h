/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-private.h - what the files of conf/ know of each other
 */
#pragma once

#include <libxml/tree.h>

#include "driver/conf/domain-def.h"

/* What the documents of this folder are called in messages. */
#define DOMAIN_DOCUMENT "domain_definition"

/*
 * domain_def_validate - check a complete model against what this driver can run
 *
 * Return: FALSE with VIR_ERR_XML_ERROR or VIR_ERR_CONFIG_UNSUPPORTED.
 */
gboolean domain_def_validate(const DomainDef *def, GError **error);

/*
 * domain_schema_validate - check a document against schemas/domain.rng
 *
 * The schema is compiled on first use and kept. It is read from the folder that the
 * environment names in LIBVIRT_GMEM_SCHEMADIR (a build tree that is not installed), else from
 * where it was installed.
 *
 * Return: FALSE with VIR_ERR_XML_INVALID_SCHEMA and libxml2's message, or with
 * VIR_ERR_INTERNAL_ERROR when the schema itself cannot be read.
 */
gboolean domain_schema_validate(xmlDoc *document, GError **error);
