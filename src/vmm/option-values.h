/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option-values.h - what the texts of gmem-vmm's options mean
 *
 * Each function reads the value of one option, and refuses with an error that names option
 * and value. None opens anything or looks at other options.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "vmm/machine/machine.h"

/* Sets @error to "--option=value: reason". Return: FALSE. */
gboolean option_bad_value(GError **error, const char *option, const char *value,
			  const char *reason);

/* Digits, or 0x and hexadecimal ones, up to @maximum. Return: FALSE with no error set. */
gboolean option_parse_number(const char *text, guint64 maximum, guint64 *number);

/* The text form of RFC 4122. */
gboolean option_parse_uuid(const char *option, const char *text, guint8 uuid[16], GError **error);

/*
 * option_parse_rtc_base - utc, localtime, +SECONDS, -SECONDS or @EPOCH
 * @now:    seconds since the epoch
 * @offset: seconds from the host's UTC to the clock; the clock shows a year from 1970 to 9999
 */
gboolean option_parse_rtc_base(const char *text, gint64 now, gint64 *offset, GError **error);

/* HZ, in whole kHz as KVM takes it: what is below is cut off. Return: 0 with @error set. */
guint option_parse_tsc_frequency(const char *text, GError **error);

/* Return: an array of SmbiosString that owns its elements, for option_parse_smbios(). */
GPtrArray *option_new_smbios(void);

/* Appends the strings of TYPE,FIELD=VALUE,... */
gboolean option_parse_smbios(const char *text, GPtrArray *strings, GError **error);

/* Appends the CpuFeatureChoices of host,+FEATURE,-FEATURE */
gboolean option_parse_cpu(const char *text, GArray *choices, GError **error);

/* sockets=S,dies=D,cores=C,threads=T; 1 where one is not given. */
gboolean option_parse_topology(const char *text, guint vcpus, CpuTopology *topology,
			       GError **error);

/*
 * option_parse_numa_cells - each cpus=LIST,memory=KIB,distances=LIST
 * @texts: NULL-terminated; NULL: no cells
 * @cells: the MachineNumaCells are appended to it
 *
 * Together they have each of @vcpus and all of @memory_size bytes. A cell without distances
 * is 10 from itself and 20 from the others.
 */
gboolean option_parse_numa_cells(char **texts, guint vcpus, guint64 memory_size, GArray *cells,
				 gboolean *has_distances, GError **error);

/* A description that devices_check() takes. Return: for json_object_unref(), or NULL. */
JsonObject *option_parse_device(const char *text, GError **error);
