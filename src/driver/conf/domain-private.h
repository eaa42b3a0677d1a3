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
 * Turns
 *
 * The tree of a large document takes tens of megabytes while it is read, and a schema up to a
 * second; so there is one such document at a time. Most are small, and wait for nobody.
 */
typedef struct {
	gboolean is_mine;
} DomainTurn;

/*
 * domain_turn_take - wait until no other costly document is worked on
 * @bytes: the size of this one
 * @is_validated: whether it is checked against the schema
 *
 * Nothing else may be waited for until the turn is given back.
 *
 * Return: FALSE with VIR_ERR_OPERATION_ABORTED after domain_def_stop_reading().
 */
gboolean domain_turn_take(DomainTurn *turn, gsize bytes, gboolean is_validated, GError **error);
void domain_turn_give(DomainTurn *turn);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainTurn, domain_turn_give)

/* domain_def_parse() for who has a turn. */
DomainDef *domain_def_parse_in_turn(const char *xml, DomainParseFlags flags, GError **error);

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
