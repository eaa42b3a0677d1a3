/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning.c - procedures that change how large disks are, and how much may go through devices */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/calls/calls.h"
#include "driver/domain/definition.h"
#include "driver/domain/disk-size.h"
#include "driver/domain/tuning.h"
#include "driver/error.h"
#include "driver/network/link.h"

#define IMPACT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/* VIR_DOMAIN_BLOCK_RESIZE_CAPACITY, which libvirt has since 10.0. */
#define RESIZE_TO_CAPACITY (1u << 1)

static gboolean resize(Domain *domain, const DomainBlockResize_args *request, GError **error)
{
	const gboolean is_bytes = (request->flags & VIR_DOMAIN_BLOCK_RESIZE_BYTES) != 0;
	g_autoptr(DomainVmm) vmm = NULL;

	if (!is_bytes && request->size > G_MAXUINT64 / 1024)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("the size is too large"));
	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	g_mutex_unlock(&domain->lock);
	return vmm &&
	       disk_size_change(vmm, request->disk, is_bytes ? request->size : request->size * 1024,
				(request->flags & RESIZE_TO_CAPACITY) != 0, error);
}

static gboolean block_resize(RpcCall *call, const void *args, void *result, GError **error)
{
	Domain *domain = call->object;
	gboolean is_resized;

	(void)result;
	if (!domain_begin_job(domain, N_("resize"), error))
		return FALSE;
	is_resized = resize(domain, args, error);
	domain_end_job(domain);
	return is_resized;
}

/*
 * Disks' limits.
 */

/* What a client wants of a disk's limits. */
typedef struct {
	const Domain *domain;
	const char *disk;
	DomainIotune wanted;
	guint given; /* which of them: bits */
} IotuneRequest;

static DomainDisk *find_disk(const Domain *domain, const DomainDef *def, const char *name,
			     GError **error)
{
	DomainDisk *disk = domain_find_disk(def, name);

	if (!disk)
		driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no disk '%s'"),
			     domain->name, name);
	return disk;
}

static gboolean change_iotune(DomainDef *def, gpointer data, GError **error)
{
	const IotuneRequest *request = data;
	DomainDisk *disk = find_disk(request->domain, def, request->disk, error);

	if (!disk)
		return FALSE;
	domain_iotune_merge(&disk->iotune, &request->wanted, request->given);
	return domain_check_disk(disk, error);
}

static gboolean apply_iotune(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	const IotuneRequest *request = data;
	const DomainDisk *disk = domain_find_disk(def, request->disk);
	JsonObject *arguments = json_object_new();

	json_object_set_string_member(arguments, "id", disk->info.alias);
	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		json_object_set_int_member(arguments, domain_iotune_names[i].argument,
					   (gint64)disk->iotune.values[i]);
	return qmp_client_tell_with(vmm->monitor, "block_set_io_throttle", arguments, -1, error);
}

static gboolean read_iotune(IotuneRequest *request, const RpcTypedParam *param, GError **error)
{
	const int value = domain_iotune_find(param->field);

	if (value < 0)
		return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
				    _("disks have no limit '%s'"), param->field);
	if (param->value.type != VIR_TYPED_PARAM_ULLONG)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("parameter '%s' has a wrong type"), param->field);
	request->wanted.values[value] = param->value.RpcTypedValue_u.ul;
	request->given |= 1u << value;
	return TRUE;
}

static gboolean set_iotune(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetBlockIoTune_args *wanted = args;
	IotuneRequest request = { .domain = call->object, .disk = wanted->disk };
	const Tuning tuning = { N_("set limits"), change_iotune, apply_iotune, &request };

	(void)result;
	for (guint i = 0; i < wanted->params.params_len; i++)
		if (!read_iotune(&request, &wanted->params.params_val[i], error))
			return FALSE;
	return tuning_carry_out(call->object, wanted->flags & IMPACT_FLAGS, &tuning, error);
}

static gboolean find_iotune(Domain *domain, const char *name, guint flags, DomainIotune *iotune,
			    GError **error)
{
	const DomainDef *def;
	const DomainDisk *disk = NULL;

	g_mutex_lock(&domain->lock);
	def = definition_choose_def(domain, flags, error);
	if (def)
		disk = find_disk(domain, def, name, error);
	if (disk)
		*iotune = disk->iotune;
	g_mutex_unlock(&domain->lock);
	return disk != NULL;
}

static gboolean get_iotune(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetBlockIoTune_args *request = args;
	DomainGetBlockIoTune_ret *ret = result;
	DomainIotune iotune;
	guint count;

	/* A client asks first how many there are, and may name no disk then. */
	if (request->nparams <= 0) {
		ret->nparams = DOMAIN_IOTUNE_COUNT;
		return TRUE;
	}
	if (!request->disk)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("no disk is named"));
	if (!find_iotune(call->object, *request->disk, request->flags & IMPACT_FLAGS, &iotune,
			 error))
		return FALSE;
	count = MIN((guint)request->nparams, DOMAIN_IOTUNE_COUNT);
	ret->params.params_val = g_new0(RpcTypedParam, count);
	ret->params.params_len = count;
	for (guint i = 0; i < count; i++) {
		RpcTypedParam *param = &ret->params.params_val[i];

		param->field = g_strdup(domain_iotune_names[i].name);
		param->value.type = VIR_TYPED_PARAM_ULLONG;
		param->value.RpcTypedValue_u.ul = iotune.values[i];
	}
	return TRUE;
}

/*
 * Network cards' limits.
 */

typedef struct {
	const Domain *domain;
	const char *device;
	DomainBandwidth wanted;
	gboolean is_inbound_given, is_outbound_given;
} BandwidthRequest;

typedef struct {
	const char *field;
	gsize offset; /* in DomainBandwidth */
} BandwidthField;

static const BandwidthField bandwidth_fields[] = {
	{ VIR_DOMAIN_BANDWIDTH_IN_AVERAGE, offsetof(DomainBandwidth, inbound.average) },
	{ VIR_DOMAIN_BANDWIDTH_IN_PEAK, offsetof(DomainBandwidth, inbound.peak) },
	{ VIR_DOMAIN_BANDWIDTH_IN_BURST, offsetof(DomainBandwidth, inbound.burst) },
	{ VIR_DOMAIN_BANDWIDTH_OUT_AVERAGE, offsetof(DomainBandwidth, outbound.average) },
	{ VIR_DOMAIN_BANDWIDTH_OUT_PEAK, offsetof(DomainBandwidth, outbound.peak) },
	{ VIR_DOMAIN_BANDWIDTH_OUT_BURST, offsetof(DomainBandwidth, outbound.burst) },
};

static DomainInterface *find_interface(const Domain *domain, const DomainDef *def, const char *name,
				       GError **error)
{
	DomainInterface *interface = domain_find_interface(def, name);

	if (!interface)
		driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no interface '%s'"),
			     domain->name, name);
	return interface;
}

/* One way is changed as a whole, as libvirt does; an average of 0 is no limit. */
static gboolean change_way(DomainBandwidthLimit *limit, const DomainBandwidthLimit *wanted,
			   const char *name, GError **error)
{
	*limit = *wanted;
	return limit->average > 0 || (!limit->peak && !limit->burst) ||
	       driver_error(error, VIR_ERR_INVALID_ARG, _("parameter '%s' has no average"), name);
}

static gboolean change_bandwidth(DomainDef *def, gpointer data, GError **error)
{
	const BandwidthRequest *request = data;
	DomainInterface *interface = find_interface(request->domain, def, request->device, error);

	return interface &&
	       (!request->is_inbound_given ||
		change_way(&interface->bandwidth.inbound, &request->wanted.inbound, "inbound",
			   error)) &&
	       (!request->is_outbound_given ||
		change_way(&interface->bandwidth.outbound, &request->wanted.outbound, "outbound",
			   error)) &&
	       domain_check_interface(interface, error);
}

static gboolean apply_bandwidth(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	const BandwidthRequest *request = data;

	return network_link_change_limit(domain_find_interface(vmm->domain->live, request->device),
					 domain_find_interface(def, request->device), error);
}

static gboolean read_bandwidth(BandwidthRequest *request, const RpcTypedParam *param,
			       GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(bandwidth_fields); i++) {
		if (strcmp(bandwidth_fields[i].field, param->field) != 0)
			continue;
		if (param->value.type != VIR_TYPED_PARAM_UINT)
			return driver_error(error, VIR_ERR_INVALID_ARG,
					    _("parameter '%s' has a wrong type"), param->field);
		G_STRUCT_MEMBER(guint, &request->wanted,
				bandwidth_fields[i].offset) = param->value.RpcTypedValue_u.ui;
		if (g_str_has_prefix(param->field, "inbound"))
			request->is_inbound_given = TRUE;
		else
			request->is_outbound_given = TRUE;
		return TRUE;
	}
	return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
			    _("network cards have no limit '%s'"), param->field);
}

static gboolean set_bandwidth(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetInterfaceParameters_args *wanted = args;
	BandwidthRequest request = { .domain = call->object, .device = wanted->device };
	const Tuning tuning = { N_("set limits"), change_bandwidth, apply_bandwidth, &request };

	(void)result;
	for (guint i = 0; i < wanted->params.params_len; i++)
		if (!read_bandwidth(&request, &wanted->params.params_val[i], error))
			return FALSE;
	return tuning_carry_out(call->object, wanted->flags & IMPACT_FLAGS, &tuning, error);
}

static gboolean find_bandwidth(Domain *domain, const char *name, guint flags,
			       DomainBandwidth *bandwidth, GError **error)
{
	const DomainDef *def;
	const DomainInterface *interface = NULL;

	g_mutex_lock(&domain->lock);
	def = definition_choose_def(domain, flags, error);
	if (def)
		interface = find_interface(domain, def, name, error);
	if (interface)
		*bandwidth = interface->bandwidth;
	g_mutex_unlock(&domain->lock);
	return interface != NULL;
}

static gboolean get_bandwidth(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetInterfaceParameters_args *request = args;
	DomainGetInterfaceParameters_ret *ret = result;
	DomainBandwidth bandwidth;
	guint count;

	if (request->nparams <= 0) {
		ret->nparams = G_N_ELEMENTS(bandwidth_fields);
		return TRUE;
	}
	if (!find_bandwidth(call->object, request->device, request->flags & IMPACT_FLAGS,
			    &bandwidth, error))
		return FALSE;
	count = MIN((guint)request->nparams, G_N_ELEMENTS(bandwidth_fields));
	ret->params.params_val = g_new0(RpcTypedParam, count);
	ret->params.params_len = count;
	for (guint i = 0; i < count; i++) {
		RpcTypedParam *param = &ret->params.params_val[i];

		param->field = g_strdup(bandwidth_fields[i].field);
		param->value.type = VIR_TYPED_PARAM_UINT;
		param->value.RpcTypedValue_u.ui = G_STRUCT_MEMBER(guint, &bandwidth,
								  bandwidth_fields[i].offset);
	}
	return TRUE;
}

#define PARAMETER_FLAGS (IMPACT_FLAGS | VIR_TYPED_PARAM_STRING_OKAY)

const RpcProcedure calls_tuning[] = {
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_BLOCK_RESIZE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainBlockResize, block_resize,
				 VIR_DOMAIN_BLOCK_RESIZE_BYTES | RESIZE_TO_CAPACITY),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_BLOCK_IO_TUNE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetBlockIoTune, set_iotune, PARAMETER_FLAGS),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_BLOCK_IO_TUNE, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetBlockIoTune, get_iotune, PARAMETER_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_INTERFACE_PARAMETERS, RPC_ACCESS_WRITE,
				 CALLS_DOMAIN, DomainSetInterfaceParameters, set_bandwidth,
				 PARAMETER_FLAGS),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_INTERFACE_PARAMETERS, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetInterfaceParameters, get_bandwidth, PARAMETER_FLAGS),
	{ .name = NULL },
};
