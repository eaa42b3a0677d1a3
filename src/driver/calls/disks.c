/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disks.c - procedures that say how large disks are, what they have read, written, and could not */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/calls/calls.h"
#include "driver/domain/block-state.h"
#include "driver/domain/block-statistics.h"
#include "driver/error.h"
#include "driver/host/image-size.h"

/* With the lock: the disk that a client names by its target or its source, or NULL with @error. */
static const DomainDisk *find_disk(const Domain *domain, const char *name, GError **error)
{
	const DomainDef *def = domain_current_def(domain);
	const DomainDisk *disk = def ? domain_find_disk(def, name) : NULL;

	if (!disk)
		driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no disk '%s'"),
			     domain->name, name);
	return disk;
}

/* Where the size of a disk is looked up. */
typedef struct {
	char *path; /* on the host, or NULL: the VMM knows */
	char *format;
	char *alias;
	DomainVmm *vmm; /* a reference, or NULL */
} SizedDisk;

static void sized_disk_clear(SizedDisk *sized)
{
	g_free(sized->path);
	g_free(sized->format);
	g_free(sized->alias);
	g_clear_pointer(&sized->vmm, domain_vmm_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SizedDisk, sized_disk_clear)

/* With the lock. What is on the network nobody asks for its size but a VMM that has it open. */
static gboolean take_network_disk(const Domain *domain, const DomainDisk *disk, SizedDisk *sized,
				  GError **error)
{
	if (domain->vmm && disk->info.alias) {
		sized->vmm = domain_vmm_ref(domain->vmm);
		sized->alias = g_strdup(disk->info.alias);
		return TRUE;
	}
	driver_error(error, VIR_ERR_INTERNAL_ERROR,
		     _("disk '%s' is on the network: its size is known while the domain runs"),
		     disk->target);
	/* By that, and its code, virsh domblkinfo --all knows that it is to go on. */
	driver_error_set_origin(error, VIR_FROM_STORAGE);
	return FALSE;
}

static gboolean take_disk(const Domain *domain, const char *name, SizedDisk *sized, GError **error)
{
	const DomainDisk *disk = find_disk(domain, name, error);

	if (!disk)
		return FALSE;
	if (disk->type == DOMAIN_DISK_NETWORK)
		return take_network_disk(domain, disk, sized, error);
	if (!disk->path)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("disk '%s' has no source"),
				    disk->target);
	sized->path = g_strdup(disk->path);
	sized->format = g_strdup(disk->format);
	return TRUE;
}

/* What its server has given for it nobody knows: as with libvirt's QEMU driver, that is 0. */
static gboolean ask_size(const SizedDisk *sized, ImageSize *size, GError **error)
{
	g_autoptr(JsonNode) reply = block_state_ask(sized->vmm, error);

	*size = (ImageSize){ 0 };
	if (!reply)
		return FALSE;
	return block_state_size(reply, sized->alias, &size->capacity) ||
	       driver_error(error, VIR_ERR_INTERNAL_ERROR,
			    _("the VMM does not say how large disk '%s' is"), sized->alias);
}

static gboolean get_block_info(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetBlockInfo_args *request = args;
	DomainGetBlockInfo_ret *ret = result;
	g_auto(SizedDisk) sized = { 0 };
	Domain *domain = call->object;
	gboolean is_found;
	ImageSize size;

	g_mutex_lock(&domain->lock);
	is_found = take_disk(domain, request->path, &sized, error);
	g_mutex_unlock(&domain->lock);
	if (!is_found)
		return FALSE;
	if (sized.path ? !image_size_read("/", sized.path, sized.format, &size, error) :
			 !ask_size(&sized, &size, error))
		return FALSE;
	ret->allocation = size.allocation;
	ret->capacity = size.capacity;
	ret->physical = size.physical;
	return TRUE;
}

/* The aliases of the disk that is named, of all where the name is empty; NULL with @error set. */
static GPtrArray *find_aliases(Domain *domain, const char *name, DomainVmm **vmm, GError **error)
{
	g_autoptr(GPtrArray) aliases = g_ptr_array_new_with_free_func(g_free);
	const DomainDisk *disk = NULL;

	g_mutex_lock(&domain->lock);
	*vmm = domain_get_vmm(domain, error);
	if (*vmm && *name)
		disk = find_disk(domain, name, error);
	if (disk)
		g_ptr_array_add(aliases, g_strdup(disk->info.alias));
	for (guint i = 0; *vmm && !*name && i < domain->live->disks->len; i++) {
		disk = domain->live->disks->pdata[i];
		g_ptr_array_add(aliases, g_strdup(disk->info.alias));
	}
	g_mutex_unlock(&domain->lock);
	if (!*vmm || (*name && !disk))
		return NULL;
	return g_steal_pointer(&aliases);
}

static gboolean sum_up(JsonNode *reply, const GPtrArray *aliases, BlockStatistics *sum,
		       GError **error)
{
	for (guint i = 0; i < aliases->len; i++) {
		const char *alias = aliases->pdata[i];
		BlockStatistics statistics;

		if (!alias || !block_statistics_find(reply, alias, &statistics))
			return driver_error(error, VIR_ERR_INTERNAL_ERROR,
					    _("the VMM has no statistics of disk '%s'"),
					    alias ? alias : "?");
		block_statistics_add(sum, &statistics);
	}
	return TRUE;
}

static gboolean ask_statistics(Domain *domain, const char *name, BlockStatistics *sum,
			       GError **error)
{
	g_autoptr(DomainVmm) vmm = NULL;
	g_autoptr(GPtrArray) aliases = find_aliases(domain, name, &vmm, error);
	g_autoptr(JsonNode) reply = NULL;

	if (!aliases)
		return FALSE;
	reply = qmp_client_ask_shared(vmm->monitor, BLOCK_STATISTICS_COMMAND, error);
	return reply && sum_up(reply, aliases, sum, error);
}

static gboolean block_stats(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainBlockStats_args *request = args;
	DomainBlockStats_ret *ret = result;
	BlockStatistics sum = { 0 };

	if (!ask_statistics(call->object, request->path, &sum, error))
		return FALSE;
	ret->rd_req = (gint64)sum.read.operations;
	ret->rd_bytes = (gint64)sum.read.bytes;
	ret->wr_req = (gint64)sum.written.operations;
	ret->wr_bytes = (gint64)sum.written.bytes;
	/* As of libvirt's QEMU driver: nobody counts them. */
	ret->errs = -1;
	return TRUE;
}

static void set_parameter(RpcTypedParam *param, const char *field, guint64 value)
{
	param->field = g_strdup(field);
	param->value.type = VIR_TYPED_PARAM_LLONG;
	param->value.RpcTypedValue_u.l = (gint64)value;
}

static gboolean block_stats_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainBlockStatsFlags_args *request = args;
	DomainBlockStatsFlags_ret *ret = result;
	BlockStatistics sum = { 0 };
	const struct {
		const char *field;
		const guint64 *value;
	} known[] = {
		{ VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES, &sum.written.bytes },
		{ VIR_DOMAIN_BLOCK_STATS_WRITE_REQ, &sum.written.operations },
		{ VIR_DOMAIN_BLOCK_STATS_READ_BYTES, &sum.read.bytes },
		{ VIR_DOMAIN_BLOCK_STATS_READ_REQ, &sum.read.operations },
		{ VIR_DOMAIN_BLOCK_STATS_FLUSH_REQ, &sum.flushed.operations },
		{ VIR_DOMAIN_BLOCK_STATS_WRITE_TOTAL_TIMES, &sum.written.time_ns },
		{ VIR_DOMAIN_BLOCK_STATS_READ_TOTAL_TIMES, &sum.read.time_ns },
		{ VIR_DOMAIN_BLOCK_STATS_FLUSH_TOTAL_TIMES, &sum.flushed.time_ns },
	};
	guint count;

	if (!ask_statistics(call->object, request->path, &sum, error))
		return FALSE;
	/* A client asks first how many there are. */
	if (request->nparams <= 0) {
		ret->nparams = G_N_ELEMENTS(known);
		return TRUE;
	}
	count = MIN((guint)request->nparams, G_N_ELEMENTS(known));
	ret->params.params_val = g_new0(RpcTypedParam, count);
	ret->params.params_len = count;
	for (guint i = 0; i < count; i++)
		set_parameter(&ret->params.params_val[i], known[i].field, *known[i].value);
	return TRUE;
}

/* A disk of a domain that runs. */
typedef struct {
	char *target;
	char *alias;
} NamedDisk;

static void clear_named(gpointer data)
{
	NamedDisk *named = data;

	g_free(named->target);
	g_free(named->alias);
}

/* Return: of NamedDisk; NULL with @error set. */
static GArray *list_disks(Domain *domain, DomainVmm **vmm, GError **error)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(NamedDisk));

	g_array_set_clear_func(list, clear_named);
	g_mutex_lock(&domain->lock);
	*vmm = domain_get_vmm(domain, error);
	for (guint i = 0; *vmm && i < domain->live->disks->len; i++) {
		const DomainDisk *disk = domain->live->disks->pdata[i];
		const NamedDisk named = { g_strdup(disk->target), g_strdup(disk->info.alias) };

		g_array_append_val(list, named);
	}
	g_mutex_unlock(&domain->lock);
	if (!*vmm)
		g_clear_pointer(&list, g_array_unref);
	return list;
}

static void fill_errors(JsonNode *reply, const GArray *disks, guint max,
			DomainGetDiskErrors_ret *ret)
{
	ret->errors.errors_val = g_new0(RpcFailedDisk, MIN(disks->len, max) + 1);
	for (guint i = 0; i < disks->len && ret->errors.errors_len < max; i++) {
		const NamedDisk *named = &g_array_index(disks, NamedDisk, i);
		const int failure = named->alias ? block_state_error(reply, named->alias) :
						   VIR_DOMAIN_DISK_ERROR_NONE;

		if (failure != VIR_DOMAIN_DISK_ERROR_NONE)
			ret->errors.errors_val[ret->errors.errors_len++] =
				(RpcFailedDisk){ g_strdup(named->target), failure };
	}
	ret->nerrors = (int)ret->errors.errors_len;
}

static gboolean get_disk_errors(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetDiskErrors_args *request = args;
	g_autoptr(DomainVmm) vmm = NULL;
	g_autoptr(GArray) disks = list_disks(call->object, &vmm, error);
	DomainGetDiskErrors_ret *ret = result;
	g_autoptr(JsonNode) reply = NULL;

	if (!disks)
		return FALSE;
	/* A client asks first how many there can be. */
	if (request->maxerrors == 0) {
		ret->nerrors = (int)MIN(disks->len, RPC_DISK_ERRORS_MAX);
		return TRUE;
	}
	reply = block_state_ask(vmm, error);
	if (!reply)
		return FALSE;
	fill_errors(reply, disks, MIN(request->maxerrors, RPC_DISK_ERRORS_MAX), ret);
	return TRUE;
}

const RpcProcedure calls_disks[] = {
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_DISK_ERRORS, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetDiskErrors, get_disk_errors, 0),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_BLOCK_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetBlockInfo, get_block_info, 0),
	RPC_PROCEDURE(RPC_DOMAIN_BLOCK_STATS, RPC_ACCESS_READ, CALLS_DOMAIN, DomainBlockStats,
		      block_stats),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_BLOCK_STATS_FLAGS, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainBlockStatsFlags, block_stats_flags, VIR_TYPED_PARAM_STRING_OKAY),
	{ .name = NULL },
};
