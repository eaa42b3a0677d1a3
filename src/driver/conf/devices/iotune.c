/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iotune.c - <iotune> of a disk: how much of it may be read and written in a second */
#include "driver/conf/devices/iotune.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/error.h"

/* As of QEMU. */
#define MAX_VALUE 1000000000000000ull

/* Of the while that a maximum may last, in seconds. */
#define MAX_LENGTH 1000000u

/* Of what counts as one operation, in bytes. */
#define MAX_OPERATION_SIZE (1ull << 40)

/* Total, reading, writing. */
#define WAYS 3u

const DomainIotuneName domain_iotune_names[DOMAIN_IOTUNE_COUNT] = {
	{ "total_bytes_sec", "bps-total", "bps" },
	{ "read_bytes_sec", "bps-read", "bps_rd" },
	{ "write_bytes_sec", "bps-write", "bps_wr" },
	{ "total_iops_sec", "iops-total", "iops" },
	{ "read_iops_sec", "iops-read", "iops_rd" },
	{ "write_iops_sec", "iops-write", "iops_wr" },
	{ "total_bytes_sec_max", "bps-total-max", "bps_max" },
	{ "read_bytes_sec_max", "bps-read-max", "bps_rd_max" },
	{ "write_bytes_sec_max", "bps-write-max", "bps_wr_max" },
	{ "total_iops_sec_max", "iops-total-max", "iops_max" },
	{ "read_iops_sec_max", "iops-read-max", "iops_rd_max" },
	{ "write_iops_sec_max", "iops-write-max", "iops_wr_max" },
	{ "size_iops_sec", "iops-size", "iops_size" },
	{ "total_bytes_sec_max_length", "bps-total-max-length", "bps_max_length" },
	{ "read_bytes_sec_max_length", "bps-read-max-length", "bps_rd_max_length" },
	{ "write_bytes_sec_max_length", "bps-write-max-length", "bps_wr_max_length" },
	{ "total_iops_sec_max_length", "iops-total-max-length", "iops_max_length" },
	{ "read_iops_sec_max_length", "iops-read-max-length", "iops_rd_max_length" },
	{ "write_iops_sec_max_length", "iops-write-max-length", "iops_wr_max_length" },
};

int domain_iotune_find(const char *name)
{
	for (int i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (strcmp(domain_iotune_names[i].name, name) == 0)
			return i;
	return -1;
}

gboolean domain_iotune_is_empty(const DomainIotune *iotune)
{
	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (iotune->values[i])
			return FALSE;
	return TRUE;
}

/* The first of those that one of them stands for. */
static guint group_of(guint value)
{
	return value < DOMAIN_IOTUNE_OPERATION_SIZE ? value / WAYS * WAYS : value;
}

static guint group_size(guint first)
{
	return first < DOMAIN_IOTUNE_OPERATION_SIZE ? WAYS : 1;
}

static gboolean is_group_given(guint first, guint given)
{
	const guint bits = ((1u << group_size(first)) - 1) << first;

	return (given & bits) != 0;
}

/* What has lost that which it belongs to goes with it, unless it was asked for. */
static void drop_orphans(DomainIotune *iotune, guint given)
{
	for (guint i = 0; i < 2 * WAYS; i++) {
		const guint maximum = DOMAIN_IOTUNE_BYTES_MAX + i;
		const guint length = DOMAIN_IOTUNE_BYTES_MAX_LENGTH + i;

		if (!iotune->values[i] && !(given & 1u << maximum))
			iotune->values[maximum] = 0;
		if (!iotune->values[maximum] && !(given & 1u << length))
			iotune->values[length] = 0;
	}
}

void domain_iotune_merge(DomainIotune *iotune, const DomainIotune *wanted, guint given)
{
	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (is_group_given(group_of(i), given))
			iotune->values[i] = given & 1u << i ? wanted->values[i] : 0;
	drop_orphans(iotune, given);
}

void domain_parse_iotune(XmlWalk *walk, xmlNode *disk, DomainIotune *iotune)
{
	xmlNode *node = xml_walk_child(walk, disk, "iotune");

	for (guint i = 0; node && i < DOMAIN_IOTUNE_COUNT; i++) {
		xmlNode *child = xml_walk_child(walk, node, domain_iotune_names[i].name);
		const char *text = xml_walk_text(walk, child);

		if (text && !xml_walk_number(text, &iotune->values[i]))
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element '%s' is '%s', not a number"),
				       xml_walk_path(walk, child), xml_walk_quote(walk, text));
	}
}

void domain_format_iotune(XmlWriter *writer, const DomainIotune *iotune)
{
	if (domain_iotune_is_empty(iotune))
		return;
	xml_writer_start(writer, "iotune");
	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (iotune->values[i])
			xml_writer_element_number(writer, domain_iotune_names[i].name,
						  iotune->values[i]);
	xml_writer_end(writer);
}

static guint64 most_of(guint value)
{
	if (value == DOMAIN_IOTUNE_OPERATION_SIZE)
		return MAX_OPERATION_SIZE;
	return value < DOMAIN_IOTUNE_OPERATION_SIZE ? MAX_VALUE : MAX_LENGTH;
}

static gboolean check_value(const DomainIotune *iotune, guint value, const char *target,
			    GError **error)
{
	return iotune->values[value] <= most_of(value) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("disk '%s': limit '%s' is above %" PRIu64), target,
			    domain_iotune_names[value].name, most_of(value));
}

/* An average, its maximum, and that one's length. */
static gboolean check_way(const DomainIotune *iotune, guint i, const char *target, GError **error)
{
	const guint maximum = DOMAIN_IOTUNE_BYTES_MAX + i;
	const guint length = DOMAIN_IOTUNE_BYTES_MAX_LENGTH + i;
	const guint64 *values = iotune->values;

	if (values[maximum] && !values[i])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk '%s': there is a limit '%s' without '%s'"), target,
				    domain_iotune_names[maximum].name, domain_iotune_names[i].name);
	if (values[maximum] && values[maximum] < values[i])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk '%s': limit '%s' is below '%s'"), target,
				    domain_iotune_names[maximum].name, domain_iotune_names[i].name);
	if (values[length] && !values[maximum])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk '%s': there is a limit '%s' without '%s'"), target,
				    domain_iotune_names[length].name,
				    domain_iotune_names[maximum].name);
	if (values[length] > 1 && values[maximum] > MAX_VALUE / values[length])
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk '%s': limit '%s' is too large to last for '%s'"),
				    target, domain_iotune_names[maximum].name,
				    domain_iotune_names[length].name);
	return TRUE;
}

static gboolean check_group(const DomainIotune *iotune, guint first, const char *target,
			    GError **error)
{
	const guint64 *values = &iotune->values[first];

	return !values[0] || (!values[1] && !values[2]) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("disk '%s': there is a limit '%s', and one of reading or writing "
			      "alone"),
			    target, domain_iotune_names[first].name);
}

static gboolean limits_operations(const DomainIotune *iotune)
{
	const guint64 *values = &iotune->values[DOMAIN_IOTUNE_OPERATIONS];

	return values[0] || values[1] || values[2];
}

gboolean domain_check_iotune(const DomainIotune *iotune, const char *target, GError **error)
{
	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (!check_value(iotune, i, target, error))
			return FALSE;
	for (guint i = 0; i < DOMAIN_IOTUNE_OPERATION_SIZE; i += WAYS)
		if (!check_group(iotune, i, target, error))
			return FALSE;
	for (guint i = 0; i < 2 * WAYS; i++)
		if (!check_way(iotune, i, target, error))
			return FALSE;
	if (iotune->values[DOMAIN_IOTUNE_OPERATION_SIZE] && !limits_operations(iotune))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk '%s': there is a limit '%s' without '%s'"), target,
				    "size_iops_sec", "total_iops_sec");
	return TRUE;
}
