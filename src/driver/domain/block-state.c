/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-state.c - how a domain's disks are */
#include "driver/domain/block-state.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "driver/domain/follow.h"

JsonNode *block_state_ask(const DomainVmm *vmm, GError **error)
{
	return qmp_client_ask_shared(vmm->monitor, "query-block", error);
}

/* @object: or NULL */
static JsonObject *member_object(JsonObject *object, const char *name)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

gboolean block_state_size(JsonNode *reply, const char *alias, guint64 *size)
{
	JsonObject *medium = member_object(follow_find(reply, "qdev", alias), "inserted");
	const gint64 said = follow_number(member_object(medium, "image"), "virtual-size");

	*size = (guint64)MAX(said, 0);
	return said >= 0;
}

int block_state_error(JsonNode *reply, const char *alias)
{
	JsonObject *disk = follow_find(reply, "qdev", alias);
	const char *status = follow_string(disk, "io-status");

	if (strcmp(status, "nospace") == 0)
		return VIR_DOMAIN_DISK_ERROR_NO_SPACE;
	return strcmp(status, "failed") == 0 ? VIR_DOMAIN_DISK_ERROR_UNSPEC :
					       VIR_DOMAIN_DISK_ERROR_NONE;
}
