/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttling.c - a disk's limits, as they are described */
#include "vmm/device/throttling.h"

#include "vmm/device/json-fields.h"

/* Of a maximum's while, in seconds. */
#define LENGTH_MAX 1000000u

/* Of an operation, in bytes. */
#define OPERATION_SIZE_MAX (1ull << 40)

#define FIELD(field_name, member, most)                                               \
	{                                                                             \
		.name = (field_name), .type = JSON_FIELD_NUMBER,                      \
		.offset = G_STRUCT_OFFSET(ThrottleConfig, member), .maximum = (most), \
	}

#define LIMIT_FIELDS(field_name, separator, kind)                                            \
	FIELD(field_name, limits[kind].average, THROTTLE_VALUE_MAX),                         \
		FIELD(field_name separator "max", limits[kind].maximum, THROTTLE_VALUE_MAX), \
		FIELD(field_name separator "max" separator "length", limits[kind].length,    \
		      LENGTH_MAX)

static const JsonField fields[] = {
	LIMIT_FIELDS("bps-total", "-", THROTTLE_BYTES),
	LIMIT_FIELDS("bps-read", "-", THROTTLE_BYTES_READ),
	LIMIT_FIELDS("bps-write", "-", THROTTLE_BYTES_WRITTEN),
	LIMIT_FIELDS("iops-total", "-", THROTTLE_OPERATIONS),
	LIMIT_FIELDS("iops-read", "-", THROTTLE_OPERATIONS_READ),
	LIMIT_FIELDS("iops-write", "-", THROTTLE_OPERATIONS_WRITTEN),
	FIELD("iops-size", operation_size, OPERATION_SIZE_MAX),
	{ .name = NULL },
};

static const JsonField command_fields[] = {
	LIMIT_FIELDS("bps", "_", THROTTLE_BYTES),
	LIMIT_FIELDS("bps_rd", "_", THROTTLE_BYTES_READ),
	LIMIT_FIELDS("bps_wr", "_", THROTTLE_BYTES_WRITTEN),
	LIMIT_FIELDS("iops", "_", THROTTLE_OPERATIONS),
	LIMIT_FIELDS("iops_rd", "_", THROTTLE_OPERATIONS_READ),
	LIMIT_FIELDS("iops_wr", "_", THROTTLE_OPERATIONS_WRITTEN),
	FIELD("iops_size", operation_size, OPERATION_SIZE_MAX),
	{ .name = NULL },
};

static const JsonField id_fields[] = {
	{ .name = "id", .type = JSON_FIELD_STRING, .offset = 0, .is_required = TRUE },
	{ .name = NULL },
};

static gboolean check(const char *owner, const ThrottleConfig *config, GError **error)
{
	const char *what = throttle_config_check(config);

	return !what || json_fields_refuse(error, owner, "throttling", what);
}

gboolean throttling_read(JsonObject *object, const char *owner, ThrottleConfig *config,
			 GError **error)
{
	const JsonFieldSet set = { fields, config };

	*config = (ThrottleConfig){ 0 };
	if (!object)
		return TRUE;
	return json_fields_read(object, owner, &set, 1, error) && check(owner, config, error);
}

gboolean throttling_read_command(JsonObject *arguments, char **id, ThrottleConfig *config,
				 GError **error)
{
	const JsonFieldSet sets[] = { { id_fields, id }, { command_fields, config } };
	const char *owner = "block_set_io_throttle";

	*id = NULL;
	*config = (ThrottleConfig){ 0 };
	if (!json_fields_read(arguments, owner, sets, G_N_ELEMENTS(sets), error))
		return FALSE;
	if (check(*id, config, error))
		return TRUE;
	g_clear_pointer(id, g_free);
	return FALSE;
}
