/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scope.c - a domain's control group where systemd runs, and what machined knows of it */
#include "driver/security/scope.h"

#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>

#include "driver/error.h"
#include "driver/security/cgroup.h"

#define SYSTEMD_NAME	   "org.freedesktop.systemd1"
#define SYSTEMD_PATH	   "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE  "org.freedesktop.systemd1.Manager"
#define SYSTEMD_EXISTS	   "org.freedesktop.systemd1.UnitExists"
#define SYSTEMD_NO_SUCH	   "org.freedesktop.systemd1.NoSuchUnit"
#define MACHINED_NAME	   "org.freedesktop.machine1"
#define MACHINED_PATH	   "/org/freedesktop/machine1"
#define MACHINED_INTERFACE "org.freedesktop.machine1.Manager"

#define SLICE		   "machine.slice"
#define SERVICE		   "libvirt-gmem"

/* How long systemd may take. */
#define ANSWER_MS 20000

/* The scope of the domain that had this name before may be there for another moment. */
#define EXISTS_TURNS   40
#define EXISTS_TURN_US (50 * G_TIME_SPAN_MILLISECOND)

#define UUID_BYTES     16

/* systemd.unit(5): "-" is the slash of paths. Names of machines have only letters, digits, "." */
char *scope_unit(const char *machine_name)
{
	g_autoptr(GString) unit = g_string_new("machine-");

	for (; *machine_name; machine_name++)
		if (*machine_name == '-')
			g_string_append(unit, "\\x2d");
		else
			g_string_append_c(unit, *machine_name);
	g_string_append(unit, ".scope");
	return g_string_free(g_steal_pointer(&unit), FALSE);
}

static gboolean take_cause(GError **error, GError *cause)
{
	g_dbus_error_strip_remote_error(cause);
	return driver_error(error, VIR_ERR_OPERATION_FAILED, "%s", cause->message);
}

GDBusConnection *scope_connect(GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &cause);
	GDBusConnection *bus = NULL;

	if (address)
		bus = g_dbus_connection_new_for_address_sync(
			address,
			G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
				G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
			NULL, NULL, &cause);
	if (!bus)
		driver_error(error, VIR_ERR_OPERATION_FAILED, _("the system's bus: %s"),
			     cause->message);
	return bus;
}

/*
 * Jobs of systemd: what has become of each, by its path, as systemd tells.
 */

static void on_job_removed(GDBusConnection *bus, const char *sender, const char *path,
			   const char *interface, const char *signal, GVariant *parameters,
			   gpointer data)
{
	GHashTable *results = data;
	const char *job, *result;

	(void)bus;
	(void)sender;
	(void)path;
	(void)interface;
	(void)signal;
	if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(uoss)")))
		return;
	g_variant_get(parameters, "(u&o&s&s)", NULL, &job, NULL, &result);
	g_hash_table_insert(results, g_strdup(job), g_strdup(result));
}

static gboolean on_timeout(gpointer data)
{
	gboolean *is_over = data;

	*is_over = TRUE;
	return G_SOURCE_REMOVE;
}

/* Return: FALSE where the job has failed, or is not done in time. */
static gboolean wait_for_job(GMainContext *context, GHashTable *results, const char *job,
			     GError **error)
{
	GSource *timeout = g_timeout_source_new(ANSWER_MS);
	gboolean is_over = FALSE;
	const char *result;

	g_source_set_callback(timeout, on_timeout, &is_over, NULL);
	g_source_attach(timeout, context);
	while (!(result = g_hash_table_lookup(results, job)) && !is_over)
		(void)g_main_context_iteration(context, TRUE);
	g_source_destroy(timeout);
	g_source_unref(timeout);
	if (!result)
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("systemd does not finish the start of a scope"));
	return strcmp(result, "done") == 0 ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("systemd's start of a scope ends with '%s'"), result);
}

static void add_number(GVariantBuilder *properties, const char *name, guint64 number)
{
	if (number > 0)
		g_variant_builder_add(properties, "(sv)", name, g_variant_new_uint64(number));
}

/* A quota is for a second there, whatever the period is. */
static void add_limits(GVariantBuilder *properties, const CgroupLimits *limits)
{
	const guint64 quota = limits->cpu_quota_us;
	const guint64 period = limits->cpu_period_us;

	add_number(properties, "TasksMax", limits->tasks);
	add_number(properties, "MemoryMax", limits->memory_bytes);
	add_number(properties, "CPUWeight", limits->cpu_weight);
	if (quota == 0)
		return;
	add_number(properties, "CPUQuotaPeriodUSec", period);
	add_number(properties, "CPUQuotaPerSecUSec",
		   quota <= G_MAXUINT64 / G_USEC_PER_SEC ? quota * G_USEC_PER_SEC / period :
							   quota / period * G_USEC_PER_SEC);
}

static GVariant *scope_properties(const char *description, pid_t first, const CgroupLimits *limits)
{
	GVariantBuilder properties;
	const guint32 pid = (guint32)first;

	g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
	g_variant_builder_add(&properties, "(sv)", "Description",
			      g_variant_new_string(description));
	g_variant_builder_add(&properties, "(sv)", "Slice", g_variant_new_string(SLICE));
	g_variant_builder_add(
		&properties, "(sv)", "PIDs",
		g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, &pid, 1, sizeof(pid)));
	/* Nothing of it is kept when it has failed. */
	g_variant_builder_add(&properties, "(sv)", "CollectMode",
			      g_variant_new_string("inactive-or-failed"));
	add_limits(&properties, limits);
	return g_variant_builder_end(&properties);
}

/* Return: the job's path, for g_free(), or NULL. */
static char *ask_for_scope(GDBusConnection *bus, const char *unit, const char *description,
			   pid_t first, const CgroupLimits *limits, GError **error)
{
	g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
		bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE, "StartTransientUnit",
		g_variant_new("(ss@a(sv)@a(sa(sv)))", unit, "fail",
			      scope_properties(description, first, limits),
			      g_variant_new_array(G_VARIANT_TYPE("(sa(sv))"), NULL, 0)),
		G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NONE, ANSWER_MS, NULL, error);
	char *job = NULL;

	if (reply)
		g_variant_get(reply, "(o)", &job);
	return job;
}

static gboolean is_error(const GError *error, const char *name)
{
	g_autofree char *remote = g_dbus_error_get_remote_error(error);

	return g_strcmp0(remote, name) == 0;
}

static char *ask_until_free(GDBusConnection *bus, const char *unit, const char *description,
			    pid_t first, const CgroupLimits *limits, GError **error)
{
	g_autoptr(GError) cause = NULL;
	char *job = ask_for_scope(bus, unit, description, first, limits, &cause);

	for (guint turn = 0; !job && turn < EXISTS_TURNS && is_error(cause, SYSTEMD_EXISTS);
	     turn++) {
		g_clear_error(&cause);
		g_usleep(EXISTS_TURN_US);
		job = ask_for_scope(bus, unit, description, first, limits, &cause);
	}
	if (!job)
		take_cause(error, cause);
	return job;
}

/* On a context of its own, which gets the signals. */
static gboolean start_on(GMainContext *context, GDBusConnection *bus, const char *unit,
			 const char *description, pid_t first, const CgroupLimits *limits,
			 GError **error)
{
	g_autoptr(GHashTable)
		results = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const guint subscription = g_dbus_connection_signal_subscribe(
		bus, SYSTEMD_NAME, SYSTEMD_INTERFACE, "JobRemoved", SYSTEMD_PATH, NULL,
		G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, results, NULL);
	g_autoptr(GVariant) subscribed = g_dbus_connection_call_sync(
		bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE, "Subscribe", NULL, NULL,
		G_DBUS_CALL_FLAGS_NONE, ANSWER_MS, NULL, NULL);
	g_autofree char *job = ask_until_free(bus, unit, description, first, limits, error);
	const gboolean done = job && wait_for_job(context, results, job, error);

	g_dbus_connection_signal_unsubscribe(bus, subscription);
	/* What is on its way to the results is dropped with the context's sources. */
	while (g_main_context_iteration(context, FALSE))
		continue;
	return done;
}

gboolean scope_start(GDBusConnection *bus, const char *unit, const char *description, pid_t first,
		     const CgroupLimits *limits, GError **error)
{
	GMainContext *context = g_main_context_new();
	gboolean done;

	g_main_context_push_thread_default(context);
	done = start_on(context, bus, unit, description, first, limits, error);
	g_main_context_pop_thread_default(context);
	g_main_context_unref(context);
	return done;
}

/* Tells systemd something about a unit. A unit that there is not is fine. */
static gboolean tell_systemd(GDBusConnection *bus, const char *method, GVariant *parameters,
			     GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
		bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_INTERFACE, method, parameters, NULL,
		G_DBUS_CALL_FLAGS_NONE, ANSWER_MS, NULL, &cause);

	return reply || is_error(cause, SYSTEMD_NO_SUCH) || take_cause(error, cause);
}

gboolean scope_end(GDBusConnection *bus, const char *unit, GError **error)
{
	return tell_systemd(bus, "KillUnit", g_variant_new("(ssi)", unit, "all", SIGKILL), error) &&
	       tell_systemd(bus, "StopUnit", g_variant_new("(ss)", unit, "replace"), error);
}

char *scope_folder(const char *unit, pid_t member, GError **error)
{
	g_autofree char *folder = cgroup_folder_of("/", member, error);
	g_autofree char *name = folder ? g_path_get_basename(folder) : NULL;

	if (!folder || strcmp(name, unit) == 0)
		return g_steal_pointer(&folder);
	driver_error(error, VIR_ERR_OPERATION_FAILED,
		     _("process %d is in cgroup '%s', not in scope '%s'"), (int)member, folder,
		     unit);
	return NULL;
}

gboolean scope_register(GDBusConnection *bus, const char *machine_name, const guint8 *uuid,
			pid_t leader, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
		bus, MACHINED_NAME, MACHINED_PATH, MACHINED_INTERFACE, "RegisterMachineWithNetwork",
		g_variant_new("(s@ayssus@ai)", machine_name,
			      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, uuid, UUID_BYTES, 1),
			      SERVICE, "vm", (guint32)leader, "",
			      g_variant_new_array(G_VARIANT_TYPE_INT32, NULL, 0)),
		NULL, G_DBUS_CALL_FLAGS_NONE, ANSWER_MS, NULL, &cause);

	if (reply || g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
	    g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
		return TRUE;
	return take_cause(error, cause);
}
