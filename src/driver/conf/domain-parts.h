/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parts.h - the parts of <domain>, each by the file of its name
 *
 * Theory of operation
 *
 * One file for what belongs together: it reads its element, prints it, and checks what depends on
 * several values. Those that read ask the XmlWalk for what this driver knows; what nobody asked for
 * is an error at the end, so that an element which libvirt has and we do not is refused by its name
 * and never dropped.
 *
 * Where a user could have meant something that we know and cannot do, the function asks for
 * it and says why. Those checks come before the general one, and so do wrong values; what concerns
 * several elements is checked when the model is complete. Devices are in devices/.
 */
#pragma once

#include "driver/conf/domain-private.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* memory.c */
void domain_parse_memory(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_memory_backing(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_parse_launch_security(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_memory_size(XmlWriter *writer, const char *name, guint64 kib);
void domain_format_memory_backing(XmlWriter *writer, const DomainDef *def);
void domain_format_launch_security(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_memory(const DomainDef *def, GError **error);

/* iothreads.c */
void domain_parse_iothreads(XmlWalk *walk, xmlNode *root, DomainDef *def);
/* <iothreadpin> of <cputune>, after those that they are of. */
void domain_parse_iothread_pins(XmlWalk *walk, xmlNode *cputune, DomainDef *def);
void domain_format_iothreads(XmlWriter *writer, const DomainDef *def);
void domain_format_iothread_pins(XmlWriter *writer, const DomainDef *def);
gboolean domain_has_iothread_pins(const DomainDef *def);
gboolean domain_check_iothreads(const DomainDef *def, GError **error);

/* tune.c */
void domain_parse_tune(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_tune(XmlWriter *writer, const DomainDef *def);

/* sysinfo.c */
void domain_parse_sysinfo(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_sysinfo(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_sysinfo(const DomainDef *def, GError **error);
gpointer domain_copy_sysinfo_entry(gconstpointer data, gpointer user_data);

/* os.c */
void domain_parse_os(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_os(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_os(const DomainDef *def, GError **error);

/* features.c */
void domain_parse_features(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_features(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_features(const DomainDef *def, GError **error);

/* cpu.c */
void domain_parse_cpu(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_cpu(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_cpu(const DomainDef *def, GError **error);
gpointer domain_copy_cpu_feature(gconstpointer data, gpointer user_data);

/* numa.c: <numa> of <cpu> */
void domain_parse_numa(XmlWalk *walk, xmlNode *cpu, DomainDef *def);
void domain_format_numa(XmlWriter *writer, const DomainDef *def);
gboolean domain_check_numa(const DomainDef *def, GError **error);
gpointer domain_copy_numa_cell(gconstpointer data, gpointer user_data);

/* clock.c */
void domain_parse_clock(XmlWalk *walk, xmlNode *root, DomainDef *def);
void domain_format_clock(XmlWriter *writer, const DomainDef *def);

/* devices/devices.c */
void domain_parse_devices(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def);
/* Adds what the machine has anyway, as libvirt shows it. */
void domain_complete_devices(DomainDef *def);
void domain_format_devices(XmlWriter *writer, const DomainDef *def, gboolean live);
gboolean domain_check_devices(const DomainDef *def, GError **error);

/* seclabel.c */
void domain_parse_seclabel(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def);
void domain_format_seclabel(XmlWriter *writer, const DomainDef *def, DomainFormatFlags flags,
			    gboolean live);
