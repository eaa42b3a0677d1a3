/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* query.c - procedures that say what one domain is and does */
#include <glib/gi18n.h>

#include "driver/calls/calls.h"
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
