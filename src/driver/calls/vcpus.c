/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vcpus.c - procedures about a domain's vCPUs: how many, where they run, which of them its guest
 * uses
 *
 * Theory of operation
 *
 * A domain has the same vCPUs from its start to its end. Which of them are in use is its guest's
 * own affair, which the agent in it can be asked about and told.
 */
#include <glib/gi18n.h>
#include <unistd.h>

#include "driver/agent/agent-reader.h"
#include "driver/calls/calls.h"
#include "driver/domain/agent.h"
#include "driver/domain/definition.h"
#include "driver/error.h"

/* What a domain's number of vCPUs is, live or in its definition; -1 with @error set. */
static int count_vcpus(Domain *domain, guint flags, GError **error)
{
	const DomainDef *def;
	int count = -1;

	g_mutex_lock(&domain->lock);
	def = definition_choose_def(domain, flags, error);
	if (def)
		count = (int)def->vcpus;
	g_mutex_unlock(&domain->lock);
	return count;
}

static gboolean get_max_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetMaxVcpus_ret *ret = result;

	(void)args;
	ret->num = count_vcpus(call->object, VIR_DOMAIN_AFFECT_CURRENT, error);
	return ret->num >= 0;
}

/* Bitmap of the host's processors, which a vCPU may run on all of. */
static void fill_cpumap(guint8 *map, guint length)
{
	const long processors = sysconf(_SC_NPROCESSORS_CONF);

	for (long i = 0; i < processors && i / 8 < (long)length; i++)
		map[i / 8] |= (guint8)(1u << (i % 8));
}

static gboolean check_cpumaps(int count, int length, GError **error)
{
	if (count >= 0 && count <= RPC_VCPUINFO_MAX && length >= 0 && length <= RPC_CPUMAP_MAX)
		return TRUE;
	return driver_error(
		error, VIR_ERR_INVALID_ARG,
		ngettext("%d processor map of %d bytes", "%d processor maps of %d bytes", count),
		count, length);
}

static char *new_cpumaps(guint count, guint length)
{
	guint8 *maps = g_malloc0(MAX((gsize)count * length, 1));

	for (guint i = 0; i < count; i++)
		fill_cpumap(maps + (gsize)i * length, length);
	return (char *)maps;
}

static gboolean get_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetVcpus_args *request = args;
	DomainGetVcpus_ret *ret = result;
	Domain *domain = call->object;
	g_autoptr(DomainVmm) vmm = NULL;
	guint count;

	if (!check_cpumaps(request->max_info, request->map_length, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	g_mutex_unlock(&domain->lock);
	if (!vmm)
		return FALSE;

	count = MIN(domain_vmm_count_threads(vmm), (guint)request->max_info);
	ret->info.info_val = g_new0(RpcVcpuInfo, count + 1);
	ret->info.info_len = count;
	for (guint i = 0; i < count; i++) {
		RpcVcpuInfo *info = &ret->info.info_val[i];
		VmmCpuTime time = { 0 };

		info->number = i;
		info->state = VIR_VCPU_RUNNING;
		if (vmm_process_cpu_time(vmm->process, vmm->vcpu_threads[i], &time)) {
			info->cpu_time = time.user_ns + time.system_ns;
			info->cpu = time.processor;
		}
	}
	ret->cpumaps.cpumaps_val = new_cpumaps(count, (guint)request->map_length);
	ret->cpumaps.cpumaps_len = count * (guint)request->map_length;
	return TRUE;
}

static gboolean get_vcpu_pin_info(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetVcpuPinInfo_args *request = args;
	DomainGetVcpuPinInfo_ret *ret = result;
	int vcpus;
	guint count;

	if (!check_cpumaps(request->max_maps, request->map_length, error))
		return FALSE;
	vcpus = count_vcpus(call->object, request->flags, error);
	if (vcpus < 0)
		return FALSE;
	count = (guint)MIN(vcpus, request->max_maps);
	ret->cpumaps.cpumaps_val = new_cpumaps(count, (guint)request->map_length);
	ret->cpumaps.cpumaps_len = count * (guint)request->map_length;
	ret->num = (int)count;
	return TRUE;
}

/* Those that the guest uses */

static gboolean check_guest_flags(guint flags, GError **error)
{
	return !(flags & VIR_DOMAIN_AFFECT_CONFIG) ||
	       driver_error(error, VIR_ERR_INVALID_ARG,
			    _("a guest's vCPUs are in no definition: flags for the guest and for "
			      "config exclude each other"));
}

/* The agent's list of them, for g_ptr_array_unref(); NULL with @error. @answer: keeps it */
static GPtrArray *ask_vcpus(AgentSession *session, JsonNode **answer, GError **error)
{
	*answer = agent_ask(session, "guest-get-vcpus", NULL, error);
	if (!*answer)
		return NULL;
	return agent_objects(JSON_NODE_HOLDS_ARRAY(*answer) ? json_node_get_array(*answer) : NULL);
}

/* Return: the number that the agent has for it, or -1 where that is none a domain can have. */
static int vcpu_number(JsonObject *vcpu)
{
	const gint64 number = agent_number(vcpu, "logical-id", -1);

	return number >= 0 && number < DOMAIN_MAX_VCPUS ? (int)number : -1;
}

/* A list as libvirt writes it, "0-3,5", of those with a number and for which @member is true. */
static char *list_vcpus(GPtrArray *vcpus, const char *member)
{
	CpuSet set = { 0 };
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < vcpus->len; i++) {
		const int number = vcpu_number(vcpus->pdata[i]);

		if (number >= 0 && (!member || agent_boolean(vcpus->pdata[i], member)))
			cpu_set_add(&set, (guint)number);
	}
	cpu_set_append(text, &set, ',');
	return g_string_free(text, FALSE);
}

static gboolean get_guest_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	static const struct {
		const char *field, *member;
	} fields[] = { { "vcpus", NULL }, { "online", "online" }, { "offlinable", "can-offline" } };
	g_autoptr(AgentSession) session = agent_begin(call->object, error);
	DomainGetGuestVcpus_ret *ret = result;
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) vcpus = session ? ask_vcpus(session, &answer, error) : NULL;

	(void)args;
	if (!vcpus)
		return FALSE;
	ret->params.params_len = G_N_ELEMENTS(fields);
	ret->params.params_val = g_new0(RpcTypedParam, G_N_ELEMENTS(fields));
	for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
		RpcTypedParam *param = &ret->params.params_val[i];

		param->field = g_strdup(fields[i].field);
		param->value.type = VIR_TYPED_PARAM_STRING;
		param->value.RpcTypedValue_u.s = list_vcpus(vcpus, fields[i].member);
	}
	return TRUE;
}

/* "3" or "3-5". Return: FALSE for anything else. */
static gboolean parse_range(const char *text, CpuSet *set)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", 2);
	guint64 first = 0, last = 0;

	if (!ends[0] ||
	    !g_ascii_string_to_unsigned(ends[0], 10, 0, DOMAIN_MAX_VCPUS - 1, &first, NULL))
		return FALSE;
	last = first;
	if (ends[1] &&
	    !g_ascii_string_to_unsigned(ends[1], 10, first, DOMAIN_MAX_VCPUS - 1, &last, NULL))
		return FALSE;
	for (guint64 i = first; i <= last; i++)
		cpu_set_add(set, (guint)i);
	return TRUE;
}

static gboolean parse_vcpus(const char *text, CpuSet *set)
{
	g_auto(GStrv) ranges = g_strsplit(text, ",", DOMAIN_MAX_VCPUS);

	for (guint i = 0; ranges[i]; i++)
		if (!parse_range(ranges[i], set))
			return FALSE;
	return !cpu_set_is_empty(set);
}

static JsonObject *vcpus_argument(const CpuSet *set, gboolean is_online)
{
	JsonObject *arguments = json_object_new();
	JsonArray *list = json_array_new();

	for (guint i = 0; i < DOMAIN_MAX_VCPUS; i++) {
		JsonObject *vcpu;

		if (!cpu_set_has(set, i))
			continue;
		vcpu = json_object_new();
		json_object_set_int_member(vcpu, "logical-id", i);
		json_object_set_boolean_member(vcpu, "online", is_online);
		json_array_add_object_element(list, vcpu);
	}
	json_object_set_array_member(arguments, "vcpus", list);
	return arguments;
}

static gboolean switch_vcpus(AgentSession *session, const CpuSet *set, gboolean is_online,
			     GError **error)
{
	int count = 0;

	if (!agent_ask_count(session, "guest-set-vcpus", vcpus_argument(set, is_online), &count,
			     error))
		return FALSE;
	return count >= (int)cpu_set_count(set) ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("the guest agent has changed %d of %u vCPUs"), count,
			    cpu_set_count(set));
}

static gboolean set_guest_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetGuestVcpus_args *request = args;
	g_autoptr(AgentSession) session = NULL;
	CpuSet set = { 0 };

	(void)result;
	if (request->state != 0 && request->state != 1)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown state %d of vCPUs"),
				    request->state);
	if (!parse_vcpus(request->cpumap, &set))
		return driver_error(error, VIR_ERR_INVALID_ARG, _("'%s' is no list of vCPUs"),
				    request->cpumap);
	session = agent_begin(call->object, error);
	return session && switch_vcpus(session, &set, request->state == 1, error);
}

static guint count_online(GPtrArray *vcpus)
{
	guint count = 0;

	for (guint i = 0; i < vcpus->len; i++)
		count += agent_boolean(vcpus->pdata[i], "online");
	return count;
}

/*
 * Adds @count of those to @set that are online or not, the last ones first if they are to go and
 * the first ones first if they are to come. Return: FALSE where there are not so many.
 */
static gboolean pick_vcpus(GPtrArray *vcpus, guint count, gboolean is_online, CpuSet *set)
{
	for (guint i = 0; i < vcpus->len && count > 0; i++) {
		JsonObject *vcpu = vcpus->pdata[is_online ? vcpus->len - 1 - i : i];
		const int number = vcpu_number(vcpu);

		if (number < 0 || cpu_set_has(set, (guint)number) ||
		    agent_boolean(vcpu, "online") != is_online ||
		    (is_online && !agent_boolean(vcpu, "can-offline")))
			continue;
		cpu_set_add(set, (guint)number);
		count--;
	}
	return count == 0;
}

static gboolean set_guest_count(Domain *domain, guint count, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) vcpus = session ? ask_vcpus(session, &answer, error) : NULL;
	CpuSet set = { 0 };
	guint online;

	if (!vcpus)
		return FALSE;
	online = count_online(vcpus);
	if (online == count)
		return TRUE;
	if (!pick_vcpus(vcpus, MAX(online, count) - MIN(online, count), online > count, &set))
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("the guest of domain '%s' cannot use %u vCPUs: it has %u, "
				      "%u of them online"),
				    domain->name, count, vcpus->len, online);
	return switch_vcpus(session, &set, online < count, error);
}

/* @is_maximum: not those alone that it uses. Return: -1 with @error. */
static int get_guest_count(Domain *domain, gboolean is_maximum, GError **error)
{
	g_autoptr(AgentSession) session = agent_begin(domain, error);
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) vcpus = session ? ask_vcpus(session, &answer, error) : NULL;

	if (!vcpus)
		return -1;
	return (int)(is_maximum ? vcpus->len : count_online(vcpus));
}

/* How many there are */

#define COUNT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG | VIR_DOMAIN_VCPU_MAXIMUM)

static gboolean get_vcpus_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetVcpusFlags_args *request = args;
	DomainGetVcpusFlags_ret *ret = result;

	if (!(request->flags & VIR_DOMAIN_VCPU_GUEST))
		ret->num = count_vcpus(call->object, request->flags, error);
	else if (check_guest_flags(request->flags, error))
		ret->num = get_guest_count(call->object,
					   (request->flags & VIR_DOMAIN_VCPU_MAXIMUM) != 0, error);
	else
		ret->num = -1;
	return ret->num >= 0;
}

/* What is to change. */
typedef struct {
	gboolean is_maximum;
	guint count;
} CountChange;

static gboolean change_config(DomainDef *def, gconstpointer data, GError **error)
{
	const CountChange *change = data;

	if (!change->is_maximum && change->count != def->vcpus)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("domain '%s' starts with all of its %u vCPUs: set their "
				      "maximum to have %u"),
				    def->name, def->vcpus, change->count);
	def->vcpus = change->count;
	return TRUE;
}

static gboolean check_live(const Domain *domain, gconstpointer data, GError **error)
{
	(void)data;
	return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("domain '%s' keeps its vCPUs while it runs: its guest agent can "
			      "take them offline (guest), its definition says how many there are "
			      "next time (maximum, config)"),
			    domain->name);
}

static gboolean set_count(Domain *domain, const CountChange *change, guint flags, GError **error)
{
	const DefinitionChange both = {
		.job = N_("change of vCPUs"),
		.change_config = change_config,
		.check_live = check_live,
		.data = change,
	};

	return definition_change(domain, flags, &both, error);
}

static gboolean set_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetVcpus_args *request = args;
	const CountChange change = { .count = request->nvcpus };

	(void)result;
	return set_count(call->object, &change, VIR_DOMAIN_AFFECT_LIVE, error);
}

static gboolean set_vcpus_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetVcpusFlags_args *request = args;
	const CountChange change = {
		.is_maximum = (request->flags & VIR_DOMAIN_VCPU_MAXIMUM) != 0,
		.count = request->nvcpus,
	};

	(void)result;
	if (!(request->flags & VIR_DOMAIN_VCPU_GUEST))
		return set_count(call->object, &change, request->flags, error);
	if (change.is_maximum)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("flags for the guest and for the maximum exclude each "
				      "other"));
	return check_guest_flags(request->flags, error) &&
	       set_guest_count(call->object, request->nvcpus, error);
}

const RpcProcedure calls_vcpus[] = {
	RPC_PROCEDURE(RPC_DOMAIN_GET_MAX_VCPUS, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetMaxVcpus,
		      get_max_vcpus),
	RPC_PROCEDURE_WRITE_FLAGS(RPC_DOMAIN_GET_VCPUS_FLAGS, RPC_ACCESS_READ, CALLS_DOMAIN,
				  DomainGetVcpusFlags, get_vcpus_flags,
				  COUNT_FLAGS | VIR_DOMAIN_VCPU_GUEST, VIR_DOMAIN_VCPU_GUEST),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SET_VCPUS, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainSetVcpus,
			   set_vcpus),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_VCPUS_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetVcpusFlags, set_vcpus_flags,
				 COUNT_FLAGS | VIR_DOMAIN_VCPU_GUEST),
	RPC_PROCEDURE(RPC_DOMAIN_GET_VCPUS, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetVcpus,
		      get_vcpus),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_VCPU_PIN_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetVcpuPinInfo, get_vcpu_pin_info,
			    VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_GUEST_VCPUS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainGetGuestVcpus, get_guest_vcpus, 0),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_GUEST_VCPUS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetGuestVcpus, set_guest_vcpus, 0),
	{ .name = NULL },
};
