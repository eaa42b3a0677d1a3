/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-info.c - procedures that say what the agent in the guest knows of it
 *
 * Theory of operation
 *
 * Each kind of information is one command of the agent's, and becomes parameters that libvirt's
 * documentation of virDomainGetGuestInfo names. A client that asks for all gets what the agent can
 * say; one that asks for a kind gets an error where it cannot be had.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/agent/agent-reader.h"
#include "driver/calls/calls.h"
#include "driver/conf/devices/controller.h"
#include "driver/domain/agent.h"
#include "driver/error.h"

/*
 * Parameters.
 */

static RpcTypedParam *add_param(GArray *params, const char *field, int type)
{
	const RpcTypedParam param = { .field = g_strdup(field), .value.type = type };

	g_array_append_val(params, param);
	return &g_array_index(params, RpcTypedParam, params->len - 1);
}

/* @value: or NULL: then there is none */
static void add_text(GArray *params, const char *field, const char *value)
{
	if (value)
		add_param(params, field, VIR_TYPED_PARAM_STRING)->value.RpcTypedValue_u.s =
			g_strdup(value);
}

static void add_count(GArray *params, const char *field, guint value)
{
	add_param(params, field, VIR_TYPED_PARAM_UINT)->value.RpcTypedValue_u.ui = value;
}

/* @value: below 0 there is none */
static void add_size(GArray *params, const char *field, gint64 value)
{
	if (value >= 0)
		add_param(params, field, VIR_TYPED_PARAM_ULLONG)->value.RpcTypedValue_u.ul =
			(guint64)value;
}

static void add_flag(GArray *params, const char *field, gboolean value)
{
	add_param(params, field, VIR_TYPED_PARAM_BOOLEAN)->value.RpcTypedValue_u.b = value;
}

/* "PREFIX.N.NAME", for g_free() */
static char *indexed(const char *prefix, guint n, const char *name)
{
	return g_strdup_printf("%s.%u.%s", prefix, n, name);
}

static void add_indexed_text(GArray *params, const char *prefix, guint n, const char *name,
			     const char *value)
{
	g_autofree char *field = indexed(prefix, n, name);

	add_text(params, field, value);
}

static void add_indexed_size(GArray *params, const char *prefix, guint n, const char *name,
			     gint64 value)
{
	g_autofree char *field = indexed(prefix, n, name);

	add_size(params, field, value);
}

/*
 * Kinds of information.
 */

static void fill_users(GArray *params, JsonNode *answer, const DomainDef *live)
{
	g_autoptr(GPtrArray) users = agent_objects(json_node_get_array(answer));

	(void)live;
	add_count(params, "user.count", users->len);
	for (guint i = 0; i < users->len; i++) {
		JsonNode *time = json_object_get_member(users->pdata[i], "login-time");
		const double seconds = time && JSON_NODE_HOLDS_VALUE(time) ?
					       json_node_get_double(time) :
					       -1;

		add_indexed_text(params, "user", i, "name", agent_string(users->pdata[i], "user"));
		add_indexed_text(params, "user", i, "domain",
				 agent_string(users->pdata[i], "domain"));
		/* In milliseconds. */
		if (seconds >= 0 && seconds < 1e15)
			add_indexed_size(params, "user", i, "login-time", (gint64)(seconds * 1000));
	}
}

static void fill_os(GArray *params, JsonNode *answer, const DomainDef *live)
{
	static const char *const names[] = {
		"id",	   "name",	     "pretty-name",    "version", "version-id",
		"machine", "kernel-release", "kernel-version", "variant", "variant-id",
	};
	JsonObject *os = json_node_get_object(answer);

	(void)live;
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *field = g_strconcat("os.", names[i], NULL);

		add_text(params, field, agent_string(os, names[i]));
	}
}

static void fill_timezone(GArray *params, JsonNode *answer, const DomainDef *live)
{
	JsonObject *timezone = json_node_get_object(answer);
	const gint64 offset = agent_number(timezone, "offset", G_MAXINT64);

	(void)live;
	add_text(params, "timezone.name", agent_string(timezone, "zone"));
	if (offset >= -G_MAXINT && offset <= G_MAXINT)
		add_param(params, "timezone.offset", VIR_TYPED_PARAM_INT)->value.RpcTypedValue_u.i =
			(int)offset;
}

static void fill_hostname(GArray *params, JsonNode *answer, const DomainDef *live)
{
	(void)live;
	add_text(params, "hostname", agent_string(json_node_get_object(answer), "host-name"));
}

/* Where the chipset has its SATA controller, as the agent says it. */
static gboolean is_sata_controller(JsonObject *controller)
{
	return agent_number(controller, "bus", -1) == 0 &&
	       agent_number(controller, "slot", -1) == DOMAIN_SATA_SLOT &&
	       agent_number(controller, "function", -1) == DOMAIN_SATA_FUNCTION;
}

/* The target of the disk at a place of the guest's PCI bus, or at a port of SATA; or NULL. */
static const char *find_disk_target(const DomainDef *live, JsonObject *disk)
{
	JsonObject *controller = agent_object(disk, "pci-controller");
	const gint64 bus = agent_number(controller, "bus", -1);
	const gint64 port = is_sata_controller(controller) ? agent_number(disk, "unit", -1) : -1;

	for (guint i = 0; i < live->disks->len; i++) {
		const DomainDisk *candidate = live->disks->pdata[i];
		const DomainPciAddress *address = &candidate->info.address;

		if (address->is_set ? address->bus == bus :
				      candidate->has_unit && candidate->unit == port)
			return candidate->target;
	}
	return NULL;
}

static void fill_fs_disks(GArray *params, const char *prefix, JsonArray *array,
			  const DomainDef *live)
{
	g_autoptr(GPtrArray) disks = agent_objects(array);
	g_autofree char *count = g_strconcat(prefix, ".count", NULL);

	add_count(params, count, disks->len);
	for (guint i = 0; i < disks->len; i++) {
		add_indexed_text(params, prefix, i, "alias",
				 find_disk_target(live, disks->pdata[i]));
		add_indexed_text(params, prefix, i, "serial",
				 agent_string(disks->pdata[i], "serial"));
		add_indexed_text(params, prefix, i, "device", agent_string(disks->pdata[i], "dev"));
	}
}

static void fill_filesystems(GArray *params, JsonNode *answer, const DomainDef *live)
{
	g_autoptr(GPtrArray) filesystems = agent_objects(json_node_get_array(answer));

	add_count(params, "fs.count", filesystems->len);
	for (guint i = 0; i < filesystems->len; i++) {
		JsonObject *fs = filesystems->pdata[i];
		g_autofree char *disks = indexed("fs", i, "disk");

		add_indexed_text(params, "fs", i, "mountpoint", agent_string(fs, "mountpoint"));
		add_indexed_text(params, "fs", i, "name", agent_string(fs, "name"));
		add_indexed_text(params, "fs", i, "fstype", agent_string(fs, "type"));
		add_indexed_size(params, "fs", i, "total-bytes",
				 agent_number(fs, "total-bytes", -1));
		add_indexed_size(params, "fs", i, "used-bytes", agent_number(fs, "used-bytes", -1));
		fill_fs_disks(params, disks, agent_array(fs, "disk"), live);
	}
}

/* What a disk is made of, or a partition is on. */
static void fill_dependencies(GArray *params, const char *prefix, JsonArray *names)
{
	const guint length = names ? json_array_get_length(names) : 0;
	g_autofree char *count = g_strconcat(prefix, ".count", NULL);

	add_count(params, count, length);
	for (guint i = 0; i < length; i++) {
		JsonNode *name = json_array_get_element(names, i);

		if (JSON_NODE_HOLDS_VALUE(name))
			add_indexed_text(params, prefix, i, "name", json_node_get_string(name));
	}
}

static void fill_disks(GArray *params, JsonNode *answer, const DomainDef *live)
{
	g_autoptr(GPtrArray) disks = agent_objects(json_node_get_array(answer));

	add_count(params, "disk.count", disks->len);
	for (guint i = 0; i < disks->len; i++) {
		JsonObject *disk = disks->pdata[i];
		JsonObject *address = agent_object(disk, "address");
		JsonArray *dependencies = agent_array(disk, "dependencies");
		g_autofree char *partition = indexed("disk", i, "partition");

		add_indexed_text(params, "disk", i, "name", agent_string(disk, "name"));
		add_flag(params, partition, agent_boolean(disk, "partition"));
		if (dependencies) {
			g_autofree char *prefix = indexed("disk", i, "dependency");

			fill_dependencies(params, prefix, dependencies);
		}
		add_indexed_text(params, "disk", i, "serial", agent_string(address, "serial"));
		add_indexed_text(params, "disk", i, "alias", find_disk_target(live, address));
		add_indexed_text(params, "disk", i, "guest_alias", agent_string(disk, "alias"));
		add_indexed_text(params, "disk", i, "guest_bus", agent_string(address, "bus-type"));
	}
}

static void fill_addresses(GArray *params, const char *prefix, JsonArray *array)
{
	g_autoptr(GPtrArray) addresses = agent_objects(array);
	g_autofree char *count = g_strconcat(prefix, ".count", NULL);

	add_count(params, count, addresses->len);
	for (guint i = 0; i < addresses->len; i++) {
		const gint64 length = agent_number(addresses->pdata[i], "prefix", -1);

		add_indexed_text(params, prefix, i, "type",
				 agent_string(addresses->pdata[i], "ip-address-type"));
		add_indexed_text(params, prefix, i, "addr",
				 agent_string(addresses->pdata[i], "ip-address"));
		if (length >= 0 && length <= 128) {
			g_autofree char *field = indexed(prefix, i, "prefix");

			add_count(params, field, (guint)length);
		}
	}
}

static void fill_interfaces(GArray *params, JsonNode *answer, const DomainDef *live)
{
	g_autoptr(GPtrArray) interfaces = agent_objects(json_node_get_array(answer));

	(void)live;
	add_count(params, "if.count", interfaces->len);
	for (guint i = 0; i < interfaces->len; i++) {
		JsonObject *interface = interfaces->pdata[i];
		g_autofree char *addresses = indexed("if", i, "addr");

		add_indexed_text(params, "if", i, "name", agent_string(interface, "name"));
		add_indexed_text(params, "if", i, "hwaddr",
				 agent_string(interface, "hardware-address"));
		fill_addresses(params, addresses, agent_array(interface, "ip-addresses"));
	}
}

static const struct {
	guint type; /* VIR_DOMAIN_GUEST_INFO_* */
	const char *command;
	JsonNodeType answer;
	void (*fill)(GArray *params, JsonNode *answer, const DomainDef *live);
} kinds[] = {
	{ VIR_DOMAIN_GUEST_INFO_USERS, "guest-get-users", JSON_NODE_ARRAY, fill_users },
	{ VIR_DOMAIN_GUEST_INFO_OS, "guest-get-osinfo", JSON_NODE_OBJECT, fill_os },
	{ VIR_DOMAIN_GUEST_INFO_TIMEZONE, "guest-get-timezone", JSON_NODE_OBJECT, fill_timezone },
	{ VIR_DOMAIN_GUEST_INFO_HOSTNAME, "guest-get-host-name", JSON_NODE_OBJECT, fill_hostname },
	{ VIR_DOMAIN_GUEST_INFO_FILESYSTEM, "guest-get-fsinfo", JSON_NODE_ARRAY, fill_filesystems },
	{ VIR_DOMAIN_GUEST_INFO_INTERFACES, "guest-network-get-interfaces", JSON_NODE_ARRAY,
	  fill_interfaces },
	{ VIR_DOMAIN_GUEST_INFO_DISKS, "guest-get-disks", JSON_NODE_ARRAY, fill_disks },
};

/* What runs, for domain_def_free(); NULL with @error. */
static DomainDef *copy_live(Domain *domain, GError **error)
{
	DomainDef *live = NULL;

	g_mutex_lock(&domain->lock);
	if (domain->live)
		live = domain_def_copy(domain->live);
	g_mutex_unlock(&domain->lock);
	if (!live)
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	return live;
}

/* The agent's answer of a type; NULL with @error. */
static JsonNode *ask_for(AgentSession *session, const char *command, JsonNodeType type,
			 GError **error)
{
	JsonNode *answer = agent_ask(session, command, NULL, error);

	if (!answer || json_node_get_node_type(answer) == type)
		return answer;
	json_node_unref(answer);
	driver_error(error, VIR_ERR_INTERNAL_ERROR,
		     _("the guest agent's answer to %s is of another kind"), command);
	return NULL;
}

static guint supported_types(void)
{
	guint types = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
		types |= kinds[i].type;
	return types;
}

static gboolean collect(AgentSession *session, guint types, const DomainDef *live, GArray *params,
			GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(GError) cause = NULL;
		g_autoptr(JsonNode) answer = NULL;

		if (types && !(types & kinds[i].type))
			continue;
		answer = ask_for(session, kinds[i].command, kinds[i].answer, &cause);
		if (answer) {
			kinds[i].fill(params, answer, live);
		} else if (types ||
			   g_error_matches(cause, DRIVER_ERROR, VIR_ERR_AGENT_UNRESPONSIVE)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean get_guest_info(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetGuestInfo_args *request = args;
	DomainGetGuestInfo_ret *ret = result;
	g_autoptr(DomainDef) live = copy_live(call->object, error);
	g_autoptr(AgentSession) session = NULL;
	GArray *params;
	gboolean done;

	if (!live)
		return FALSE;
	if (request->types & ~supported_types())
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("unknown kinds of information about a guest (%#x)"),
				    request->types & ~supported_types());
	session = agent_begin(call->object, error);
	if (!session)
		return FALSE;
	params = g_array_new(FALSE, TRUE, sizeof(RpcTypedParam));
	done = collect(session, request->types, live, params, error);
	/* The protocol's filter frees them. */
	ret->params.params_len = params->len;
	ret->params.params_val = (RpcTypedParam *)g_array_free(params, FALSE);
	return done;
}

/*
 * File systems.
 */

static void fill_fs_info(RpcFsInfo *wire, JsonObject *fs, const DomainDef *live)
{
	const char *mountpoint = agent_string(fs, "mountpoint");
	const char *name = agent_string(fs, "name");
	const char *type = agent_string(fs, "type");
	g_autoptr(GPtrArray) disks = agent_objects(agent_array(fs, "disk"));

	wire->mountpoint = g_strdup(mountpoint ? mountpoint : "");
	wire->name = g_strdup(name ? name : "");
	wire->fstype = g_strdup(type ? type : "");
	wire->devices.devices_val = g_new0(RpcString, disks->len + 1);
	for (guint i = 0; i < disks->len; i++) {
		const char *target = find_disk_target(live, disks->pdata[i]);

		if (target)
			wire->devices.devices_val[wire->devices.devices_len++] = g_strdup(target);
	}
}

static gboolean get_fs_info(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetFsInfo_ret *ret = result;
	g_autoptr(DomainDef) live = copy_live(call->object, error);
	g_autoptr(AgentSession) session = live ? agent_begin(call->object, error) : NULL;
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) filesystems = NULL;

	(void)args;
	if (session)
		answer = ask_for(session, "guest-get-fsinfo", JSON_NODE_ARRAY, error);
	if (!answer)
		return FALSE;
	filesystems = agent_objects(json_node_get_array(answer));
	ret->info.info_len = filesystems->len;
	ret->info.info_val = g_new0(RpcFsInfo, filesystems->len + 1);
	ret->ret = filesystems->len;
	for (guint i = 0; i < filesystems->len; i++)
		fill_fs_info(&ret->info.info_val[i], filesystems->pdata[i], live);
	return TRUE;
}

const RpcProcedure calls_guest_info[] = {
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_GUEST_INFO, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainGetGuestInfo, get_guest_info, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_FS_INFO, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainGetFsInfo,
			    get_fs_info, 0),
	{ .name = NULL },
};
