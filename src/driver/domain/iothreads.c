/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iothreads.c - threads that serve devices of a domain that runs: where they run, and which there
 * are */
#include "driver/domain/iothreads.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/domain/definition.h"
#include "driver/domain/follow.h"
#include "driver/error.h"
#include "driver/vmm/vmm-device.h"

gboolean iothreads_find_number(JsonNode *reply, guint id, const char *member, guint64 *number)
{
	g_autofree char *name = vmm_device_iothread_id(id);
	const gint64 value = follow_number(follow_find(reply, "id", name), member);

	if (value < 0)
		return FALSE;
	*number = (guint64)value;
	return TRUE;
}

pid_t iothreads_find(JsonNode *reply, guint id)
{
	guint64 number;

	return iothreads_find_number(reply, id, "thread-id", &number) && number > 0 &&
			       number <= G_MAXINT ?
		       (pid_t)number :
		       -1;
}

static JsonNode *ask(const DomainVmm *vmm, GError **error)
{
	return qmp_client_ask_array(vmm->monitor, IOTHREADS_COMMAND, NULL, error);
}

static gboolean pin(const DomainVmm *vmm, JsonNode *reply, guint id, const CpuSet *cpus,
		    GError **error)
{
	g_autoptr(GError) cause = NULL;

	return vmm_process_set_affinity(vmm->process, iothreads_find(reply, id), cpus, &cause) ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("iothread %u of domain '%s' cannot be pinned: %s"), id,
			    vmm->domain->name, driver_error_detail(cause));
}

gboolean iothreads_pin(const DomainVmm *vmm, guint id, const CpuSet *cpus, GError **error)
{
	g_autoptr(JsonNode) reply = ask(vmm, error);

	return reply && pin(vmm, reply, id, cpus, error);
}

gboolean iothreads_pin_all(const DomainVmm *vmm, GError **error)
{
	const GArray *threads = vmm->domain->live->iothreads;
	g_autoptr(JsonNode) reply = NULL;

	for (guint i = 0; i < threads->len; i++) {
		const DomainIothread *thread = &g_array_index(threads, DomainIothread, i);

		if (cpu_set_is_empty(&thread->cpus))
			continue;
		if (!reply)
			reply = ask(vmm, error);
		if (!reply || !pin(vmm, reply, thread->id, &thread->cpus, error))
			return FALSE;
	}
	return TRUE;
}

/* Where it is not known whether it was done, the VMM is reached anew, and asked then. */
static gboolean tell(const DomainVmm *vmm, const char *command, JsonObject *arguments,
		     GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (qmp_client_tell_with(vmm->monitor, command, arguments, -1, &cause))
		return TRUE;
	if (qmp_outcome(cause) == QMP_UNKNOWN)
		qmp_client_disconnect(vmm->monitor);
	g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

gboolean iothreads_make(const DomainVmm *vmm, guint id, GError **error)
{
	return tell(vmm, "device_add", vmm_device_describe_iothread(id), error);
}

gboolean iothreads_end(const DomainVmm *vmm, guint id, GError **error)
{
	g_autofree char *name = vmm_device_iothread_id(id);

	return tell(vmm, "device_del", qmp_argument("id", name), error);
}

/* Return: whether @def has changed. A thread that a disk is served by is there. */
static gboolean remove_missing(DomainDef *def, JsonNode *reply)
{
	gboolean is_changed = FALSE;

	for (guint i = def->iothreads->len; i > 0; i--) {
		const guint id = g_array_index(def->iothreads, DomainIothread, i - 1).id;

		if (iothreads_find(reply, id) < 0)
			is_changed |= domain_remove_iothread(def, id, NULL);
	}
	return is_changed;
}

static gboolean add_others(DomainDef *def, JsonArray *list)
{
	gboolean is_changed = FALSE;

	for (guint i = 0; i < json_array_get_length(list); i++) {
		JsonNode *element = json_array_get_element(list, i);
		const char *name = JSON_NODE_HOLDS_OBJECT(element) ?
					   follow_string(json_node_get_object(element), "id") :
					   "";
		const guint id = vmm_device_parse_iothread_id(name);

		if (id > 0)
			is_changed |= domain_add_iothread(def, id, NULL);
	}
	return is_changed;
}

gboolean iothreads_catch_up(DomainVmm *vmm, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(JsonNode) reply = ask(vmm, &cause);
	g_autoptr(DomainDef) def = NULL;

	/* One of before an upgrade does not know the question. */
	if (qmp_outcome(cause) == QMP_REFUSED)
		return TRUE;
	if (!reply) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	if (!domain_vmm_is_current(vmm))
		return TRUE;
	def = definition_copy_live(vmm->domain);
	/* Both in any case. */
	if (remove_missing(def, reply) | add_others(def, json_node_get_array(reply)))
		definition_set_live_anyway(vmm, g_steal_pointer(&def));
	return TRUE;
}
