/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* query.c - procedures that say what one domain is and does */
#include <glib/gi18n.h>
#include <unistd.h>

#include "driver/calls/calls.h"
#include "driver/domain/definition.h"
#include "driver/error.h"

/* The VMM of a domain where it runs, for domain_vmm_unref(), else NULL. With the lock. */
static DomainVmm *vmm_or_null(Domain *domain)
{
	return domain->vmm ? domain_vmm_ref(domain->vmm) : NULL;
}

static gboolean get_info(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetInfo_ret *ret = result;
	Domain *domain = call->object;
	g_autoptr(DomainVmm) vmm = NULL;
	const DomainDef *def;
	VmmCpuTime time;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	def = domain_current_def(domain);
	if (def) {
		ret->state = (u_char)domain->state;
		ret->max_memory = def->memory_kib;
		ret->memory = def->current_memory_kib;
		ret->vcpus = (u_short)def->vcpus;
	}
	vmm = vmm_or_null(domain);
	g_mutex_unlock(&domain->lock);
	if (vmm && vmm_process_cpu_time(vmm->process, 0, &time))
		ret->cpu_time = time.user_ns + time.system_ns;
	return TRUE;
}

static gboolean get_state(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetState_ret *ret = result;
	Domain *domain = call->object;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	ret->state = domain->state;
	ret->reason = domain->reason;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

/* Whether somebody else is changing the domain, and for how long. */
static gboolean get_control_info(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetControlInfo_ret *ret = result;
	Domain *domain = call->object;
	gboolean is_active;

	(void)args;
	g_mutex_lock(&domain->lock);
	is_active = domain_is_active(domain);
	ret->state = domain->job ? VIR_DOMAIN_CONTROL_OCCUPIED : VIR_DOMAIN_CONTROL_OK;
	if (domain->job)
		ret->state_time = (guint64)(g_get_monotonic_time() - domain->job_since) / 1000;
	g_mutex_unlock(&domain->lock);
	return is_active || driver_error(error, VIR_ERR_OPERATION_INVALID,
					 _("domain '%s' is not running"), domain->name);
}

#define XML_FLAGS                                                                      \
	(VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_UPDATE_CPU | \
	 VIR_DOMAIN_XML_MIGRATABLE)

/* As for libvirt's other drivers, what is to be moved has its secrets with it. */
#define XML_SECRET_FLAGS (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE)

/* With the lock: which of a domain's definitions is asked for, and how it is to be printed. */
static const DomainDef *choose_def(const Domain *domain, guint flags, DomainFormatFlags *format)
{
	/* What is this run's alone, as its id and its terminals, means nothing elsewhere. */
	if (!domain->live || (flags & (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_MIGRATABLE)))
		*format |= DOMAIN_FORMAT_INACTIVE;
	if (flags & XML_SECRET_FLAGS)
		*format |= DOMAIN_FORMAT_SECURE;
	/* A transient domain has no other definition than what runs. */
	if ((flags & VIR_DOMAIN_XML_INACTIVE) && domain->config)
		return domain->config;
	return domain_current_def(domain);
}

static gboolean get_xml_desc(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetXmlDesc_args *request = args;
	DomainGetXmlDesc_ret *ret = result;
	Domain *domain = call->object;
	DomainFormatFlags format = 0;
	const DomainDef *def;

	g_mutex_lock(&domain->lock);
	def = choose_def(domain, request->flags, &format);
	if (def)
		ret->xml = domain_def_format(def, format);
	g_mutex_unlock(&domain->lock);
	return ret->xml ||
	       driver_error(error, VIR_ERR_NO_DOMAIN, _("domain '%s' is gone"), domain->name);
}

static gboolean get_os_type(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetOsType_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->type = g_strdup("hvm");
	return TRUE;
}

static gboolean get_max_memory(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetMaxMemory_ret *ret = result;
	Domain *domain = call->object;
	const DomainDef *def;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	def = domain_current_def(domain);
	ret->memory = def ? def->memory_kib : 0;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

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

static gboolean get_vcpus_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetVcpusFlags_args *request = args;
	DomainGetVcpusFlags_ret *ret = result;

	ret->num = count_vcpus(call->object, request->flags, error);
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

static gboolean is_active(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainIsActive_ret *ret = result;
	Domain *domain = call->object;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	ret->active = domain_is_active(domain);
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

static gboolean is_persistent(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainIsPersistent_ret *ret = result;
	Domain *domain = call->object;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	ret->persistent = domain->config != NULL;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

static gboolean is_updated(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainIsUpdated_ret *ret = result;
	Domain *domain = call->object;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	ret->updated = domain->is_updated;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

/* There are no saved images: private memory leaves its VM for nobody. */
static gboolean has_managed_save_image(RpcCall *call, const void *args, void *result,
				       GError **error)
{
	DomainHasManagedSaveImage_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->result = 0;
	return TRUE;
}

/* What somebody who looks after the domain should know. */
static GPtrArray *messages_of(Domain *domain, guint flags)
{
	GPtrArray *messages = g_ptr_array_new();

	g_mutex_lock(&domain->lock);
	if (domain->crash && !flags)
		g_ptr_array_add(messages, g_strdup(domain->crash));
	if (domain->vmm && domain->vmm->pause && !flags)
		g_ptr_array_add(messages, g_strdup(domain->vmm->pause));
	if (domain->vmm && domain->vmm->trouble && !flags)
		g_ptr_array_add(messages, g_strdup(domain->vmm->trouble));
	if (domain->vmm && domain->vmm->is_tainted &&
	    (!flags || flags & VIR_DOMAIN_MESSAGE_TAINTING))
		g_ptr_array_add(messages,
				g_strdup(_("tainted: a client has used the VMM's monitor")));
	g_mutex_unlock(&domain->lock);
	return messages;
}

static gboolean get_messages(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetMessages_args *request = args;
	DomainGetMessages_ret *ret = result;
	GPtrArray *messages;

	(void)error;
	messages = messages_of(call->object, request->flags);
	ret->messages.messages_len = messages->len;
	ret->messages.messages_val = (RpcString *)g_ptr_array_free(messages, FALSE);
	return TRUE;
}

const RpcProcedure calls_query[] = {
	RPC_PROCEDURE(RPC_DOMAIN_GET_INFO, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetInfo, get_info),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_STATE, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetState,
			    get_state, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_CONTROL_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetControlInfo, get_control_info, 0),
	RPC_PROCEDURE_WRITE_FLAGS(RPC_DOMAIN_GET_XML_DESC, RPC_ACCESS_READ, CALLS_DOMAIN,
				  DomainGetXmlDesc, get_xml_desc, XML_FLAGS, XML_SECRET_FLAGS),
	RPC_PROCEDURE(RPC_DOMAIN_GET_OS_TYPE, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetOsType,
		      get_os_type),
	RPC_PROCEDURE(RPC_DOMAIN_GET_MAX_MEMORY, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetMaxMemory,
		      get_max_memory),
	RPC_PROCEDURE(RPC_DOMAIN_GET_MAX_VCPUS, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetMaxVcpus,
		      get_max_vcpus),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_VCPUS_FLAGS, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetVcpusFlags, get_vcpus_flags,
			    VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG |
				    VIR_DOMAIN_VCPU_MAXIMUM),
	RPC_PROCEDURE(RPC_DOMAIN_GET_VCPUS, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetVcpus,
		      get_vcpus),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_VCPU_PIN_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetVcpuPinInfo, get_vcpu_pin_info,
			    VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG),
	RPC_PROCEDURE(RPC_DOMAIN_IS_ACTIVE, RPC_ACCESS_READ, CALLS_DOMAIN, DomainIsActive,
		      is_active),
	RPC_PROCEDURE(RPC_DOMAIN_IS_PERSISTENT, RPC_ACCESS_READ, CALLS_DOMAIN, DomainIsPersistent,
		      is_persistent),
	RPC_PROCEDURE(RPC_DOMAIN_IS_UPDATED, RPC_ACCESS_READ, CALLS_DOMAIN, DomainIsUpdated,
		      is_updated),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainHasManagedSaveImage, has_managed_save_image, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_MESSAGES, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetMessages, get_messages,
			    VIR_DOMAIN_MESSAGE_DEPRECATION | VIR_DOMAIN_MESSAGE_TAINTING),
	{ .name = NULL },
};
