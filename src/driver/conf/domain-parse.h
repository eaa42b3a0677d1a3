/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse.h - what the files that read <domain> know of each other
 *
 * Theory of operation
 *
 * One file for what belongs together, one function an element. Each asks the XmlWalk for what
 * this driver knows; what nobody asked for is an error at the end, so that an element which
 * libvirt has and we do not is refused by its name and never dropped.
 *
 * Where a user could have meant something that we know and cannot do, the function asks for
 * it and says why. Those checks come before the general one, and so do wrong values; whatever
 * concerns several elements is domain-validate.c's.
 */
#pragma once

#include "driver/conf/domain-private.h"
#include "driver/conf/xml-walk.h"

/* Reads an attribute that has one supported value. Return: TRUE when it was given. */
gboolean domain_parse_only(XmlWalk *walk, xmlNode *node, const char *name, const char *only);

DomainSwitch domain_parse_switch(XmlWalk *walk, xmlNode *node, const char *name, const char *no,
				 const char *yes);

/*
 * domain_parse_choice - an attribute that has one of some values
 * @names: the values, ending with NULL
 *
 * Return: the value's index, or -1 when the attribute is absent or, with an error, another.
 */
int domain_parse_choice(XmlWalk *walk, xmlNode *node, const char *name, const char *const *names);

/* An element without attributes whose presence says it all. */
gboolean domain_parse_flag(XmlWalk *walk, xmlNode *parent, const char *name);

/*
 * domain_parse_kib - an amount of memory, from @attribute or where that is NULL from the text
 *
 * Units as libvirt has them, without regard to case; the result is rounded up to KiB as there.
 */
guint64 domain_parse_kib(XmlWalk *walk, xmlNode *node, const char *attribute);

/* The elements below <domain>, each by the file of that name. */
void domain_parse_os(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_sysinfo(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_cpu(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_numa(XmlWalk *walk, xmlNode *cpu, DomainDef *def);
void domain_parse_clock(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_devices(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def);
void domain_parse_seclabel(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def);

/* One <controller type='pci'>; its index, chassis, port and address may be left unassigned. */
void domain_parse_pci_controller(XmlWalk *walk, xmlNode *node, DomainDef *def);
