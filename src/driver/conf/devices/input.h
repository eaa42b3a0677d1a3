/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * input.h - <input>: a keyboard, a mouse or a tablet
 *
 * The chipset's keyboard and mouse (PS/2) are there whether a document names them or not; they
 * are for drivers and firmware to find, and say nothing.
 */
#pragma once

#include "driver/conf/devices/device.h"

typedef enum {
	DOMAIN_INPUT_MOUSE,
	DOMAIN_INPUT_TABLET,
	DOMAIN_INPUT_KEYBOARD,
} DomainInputType;

typedef enum {
	DOMAIN_INPUT_PS2,
	DOMAIN_INPUT_VIRTIO,
} DomainInputBus;

typedef struct {
	DomainInputType type;
	DomainInputBus bus;
	gboolean says_model; /* model='virtio', which says nothing that the bus does not */
	DomainVirtioOptions virtio;
	DomainDeviceInfo info; /* on PS/2 an alias alone */
} DomainInput;

DomainInput *domain_input_copy(const DomainInput *input);
void domain_input_free(DomainInput *input);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainInput, domain_input_free)

/* Return: never NULL; errors are in @walk. */
DomainInput *domain_parse_input(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_input(XmlWriter *writer, const DomainInput *input, gboolean live);
gboolean domain_check_inputs(const DomainDef *def, GError **error);

/* "mouse", "tablet" or "keyboard". */
const char *domain_input_type_name(const DomainInput *input);

/* Whether a domain has a keyboard that keys can be sent to. */
gboolean domain_has_keyboard(const DomainDef *def);

/* How many have a thread in the VMM. */
guint domain_count_virtio_inputs(const DomainDef *def);
