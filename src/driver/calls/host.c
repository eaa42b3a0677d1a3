/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.c - procedures about the driver and the host */
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/calls/calls.h"
#include "driver/error.h"
#include "driver/host/capabilities.h"
#include "driver/host/node.h"

static gboolean get_type(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectGetType_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->type = g_strdup("GMEM");
	return TRUE;
}

/* A version the way libvirt writes them: major * 1,000,000 + minor * 1,000 + release. */
static guint64 package_version(void)
{
	guint64 number = 0;
	g_auto(GStrv) parts = g_strsplit(PACKAGE_VERSION, ".", 3);

	for (guint i = 0; i < g_strv_length(parts); i++)
		number = number * 1000 + g_ascii_strtoull(parts[i], NULL, 10);
	return number;
}

/* gmem-vmm has the version of the driver: they come from one source. */
static gboolean get_version(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectGetVersion_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->number = package_version();
	return TRUE;
}

/* The version of libvirt whose interfaces this daemon was built for. */
static gboolean get_lib_version(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectGetLibVersion_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->number = LIBVIR_VERSION_NUMBER;
	return TRUE;
}

static gboolean get_hostname(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectGetHostname_ret *ret = result;

	(void)call;
	(void)args;
	(void)error;
	ret->hostname = g_strdup(g_get_host_name());
	return TRUE;
}

static gboolean get_max_vcpus(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectGetMaxVcpus_args *request = args;
	ConnectGetMaxVcpus_ret *ret = result;
	g_autoptr(HostSupport) support = driver_support(call->driver);

	if (request->type && g_ascii_strcasecmp(*request->type, "kvm") != 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown type '%s'"),
				    *request->type);
	ret->max_vcpus = (int)(support->max_vcpus ? support->max_vcpus : DOMAIN_MAX_VCPUS);
	return TRUE;
}

static gboolean get_capabilities(RpcCall *call, const void *args, void *result, GError **error)
{
	const Driver *driver = call->driver;
	ConnectGetCapabilities_ret *ret = result;
	g_autoptr(HostSupport) support = driver_support(call->driver);
	g_autofree char *label = driver_base_label(call->driver);

	(void)args;
	ret->capabilities = host_capabilities_xml(support, driver->emulator, label, error);
	return ret->capabilities != NULL;
}

static const char *optional(RpcOptionalString string)
{
	return string ? *string : NULL;
}

static gboolean get_domain_capabilities(RpcCall *call, const void *args, void *result,
					GError **error)
{
	const ConnectGetDomainCapabilities_args *request = args;
	const Driver *driver = call->driver;
	ConnectGetDomainCapabilities_ret *ret = result;
	g_autoptr(HostSupport) support = driver_support(call->driver);
	g_autoptr(GPtrArray) descriptors = driver_firmware(driver);

	ret->capabilities = host_domain_capabilities_xml(
		support, descriptors, driver->emulator, optional(request->emulator),
		optional(request->arch), optional(request->machine), optional(request->virttype),
		error);
	return ret->capabilities != NULL;
}

static gboolean node_get_info(RpcCall *call, const void *args, void *result, GError **error)
{
	NodeGetInfo_ret *ret = result;
	g_autoptr(NodeInfo) node = node_info_read("/", error);

	(void)call;
	(void)args;
	if (!node)
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(ret->model) && node->model[i]; i++)
		ret->model[i] = node->model[i];
	ret->memory = node->memory_kib;
	ret->cpus = (int)node->cpus;
	ret->mhz = (int)node->mhz;
	ret->nodes = (int)node->nodes;
	ret->sockets = (int)node->sockets;
	ret->cores = (int)node->cores;
	ret->threads = (int)node->threads;
	return TRUE;
}

static gboolean node_get_free_memory(RpcCall *call, const void *args, void *result, GError **error)
{
	NodeGetFreeMemory_ret *ret = result;
	guint64 bytes = 0;

	(void)call;
	(void)args;
	if (!node_free_memory("/", &bytes, error))
		return FALSE;
	ret->free_memory = bytes;
	return TRUE;
}

static gboolean node_get_cells_free_memory(RpcCall *call, const void *args, void *result,
					   GError **error)
{
	const NodeGetCellsFreeMemory_args *request = args;
	NodeGetCellsFreeMemory_ret *ret = result;
	g_autoptr(NodeInfo) node = node_info_read("/", error);
	guint count = 0;

	(void)call;
	if (!node)
		return FALSE;
	if (request->start_cell < 0 || request->max_cells < 1 ||
	    request->max_cells > RPC_NODE_CELLS_MAX)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    ngettext("%d NUMA node from %d", "%d NUMA nodes from %d",
					     request->max_cells),
				    request->max_cells, request->start_cell);
	ret->cells.cells_val = g_new0(guint64, request->max_cells);
	for (guint i = 0; i < node->cells->len && count < (guint)request->max_cells; i++) {
		const NodeCell *cell = g_ptr_array_index(node->cells, i);

		if (cell->id >= (guint)request->start_cell)
			ret->cells.cells_val[count++] = cell->free_kib * 1024;
	}
	ret->cells.cells_len = count;
	return count > 0 ||
	       driver_error(error, VIR_ERR_INVALID_ARG, _("there is no NUMA node from %d on"),
			    request->start_cell);
}

static gboolean node_get_cpu_map(RpcCall *call, const void *args, void *result, GError **error)
{
	const NodeGetCpuMap_args *request = args;
	NodeGetCpuMap_ret *ret = result;
	g_autoptr(NodeInfo) node = node_info_read("/", error);
	g_autofree guint8 *map = NULL;
	gsize length;
	guint online;

	(void)call;
	if (!node)
		return FALSE;
	ret->ret = (int)node_cpu_map(node, &map, &length, &online);
	ret->online = online;
	if (request->need_map) {
		ret->cpumap.cpumap_val = (char *)g_steal_pointer(&map);
		ret->cpumap.cpumap_len = (u_int)length;
	}
	return TRUE;
}

const RpcProcedure calls_host[] = {
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_TYPE, RPC_ACCESS_READ, ConnectGetType, get_type),
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_VERSION, RPC_ACCESS_READ, ConnectGetVersion, get_version),
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_LIB_VERSION, RPC_ACCESS_READ, ConnectGetLibVersion,
			  get_lib_version),
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_HOSTNAME, RPC_ACCESS_READ, ConnectGetHostname,
			  get_hostname),
	RPC_PROCEDURE(RPC_CONNECT_GET_MAX_VCPUS, RPC_ACCESS_READ, RPC_CONNECTION,
		      ConnectGetMaxVcpus, get_max_vcpus),
	RPC_PROCEDURE_RET(RPC_CONNECT_GET_CAPABILITIES, RPC_ACCESS_READ, ConnectGetCapabilities,
			  get_capabilities),
	RPC_PROCEDURE_FLAGS(RPC_CONNECT_GET_DOMAIN_CAPABILITIES, RPC_ACCESS_READ, RPC_CONNECTION,
			    ConnectGetDomainCapabilities, get_domain_capabilities, 0),
	RPC_PROCEDURE_RET(RPC_NODE_GET_INFO, RPC_ACCESS_READ, NodeGetInfo, node_get_info),
	RPC_PROCEDURE_RET(RPC_NODE_GET_FREE_MEMORY, RPC_ACCESS_READ, NodeGetFreeMemory,
			  node_get_free_memory),
	RPC_PROCEDURE(RPC_NODE_GET_CELLS_FREE_MEMORY, RPC_ACCESS_READ, RPC_CONNECTION,
		      NodeGetCellsFreeMemory, node_get_cells_free_memory),
	RPC_PROCEDURE_FLAGS(RPC_NODE_GET_CPU_MAP, RPC_ACCESS_READ, RPC_CONNECTION, NodeGetCpuMap,
			    node_get_cpu_map, 0),
	{ .name = NULL },
};
