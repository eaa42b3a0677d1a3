/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scope-test.c - what systemd and machined are asked, by ones that are made up, on a bus of the
 * test's */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/security/scope.h"

#define JOB  "/org/freedesktop/systemd1/job/7"
#define UNIT "machine-gmem\\x2d3\\x2dlinux.scope"

static const char introspection[] =
	"<node><interface name='org.freedesktop.systemd1.Manager'>"
	"<method name='Subscribe'/>"
	"<method name='StartTransientUnit'><arg type='s' direction='in'/>"
	"<arg type='s' direction='in'/><arg type='a(sv)' direction='in'/>"
	"<arg type='a(sa(sv))' direction='in'/><arg type='o' direction='out'/></method>"
	"<method name='KillUnit'><arg type='s' direction='in'/>"
	"<arg type='s' direction='in'/><arg type='i' direction='in'/></method>"
	"<method name='StopUnit'><arg type='s' direction='in'/>"
	"<arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
	"<signal name='JobRemoved'><arg type='u'/><arg type='o'/><arg type='s'/><arg "
	"type='s'/></signal>"
	"</interface><interface name='org.freedesktop.machine1.Manager'>"
	"<method name='RegisterMachineWithNetwork'><arg type='s' direction='in'/>"
	"<arg type='ay' direction='in'/><arg type='s' direction='in'/>"
	"<arg type='s' direction='in'/><arg type='u' direction='in'/>"
	"<arg type='s' direction='in'/><arg type='ai' direction='in'/>"
	"<arg type='o' direction='out'/></method></interface></node>";

/* The services, on a thread with a context and a connection of their own. */
typedef struct {
	GTestDBus *bus;
	GThread *thread;
	GMainContext *context;
	GMainLoop *loop;
	gboolean has_machined;

	GMutex lock; /* guards what follows */
	GCond ready;
	gboolean is_ready;
	guint exists;	    /* how often the unit is there already */
	const char *result; /* of the job */
	gboolean is_gone;   /* the unit that is to end */
	gboolean is_early;  /* its end is told before the reply */
	char *asked;	    /* the last question */
	guint n_asked;
} Fixture;

static void tell_end(const Fixture *fixture, GDBusConnection *bus)
{
	g_dbus_connection_emit_signal(bus, NULL, "/org/freedesktop/systemd1",
				      "org.freedesktop.systemd1.Manager", "JobRemoved",
				      g_variant_new("(uoss)", 6, "/org/freedesktop/systemd1/job/6",
						    "other.scope", "failed"),
				      NULL);
	g_dbus_connection_emit_signal(
		bus, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"JobRemoved", g_variant_new("(uoss)", 7, JOB, "x.scope", fixture->result), NULL);
}

static void answer_start(Fixture *fixture, GDBusConnection *bus, GDBusMethodInvocation *call)
{
	if (fixture->exists > 0) {
		fixture->exists--;
		g_dbus_method_invocation_return_dbus_error(
			call, "org.freedesktop.systemd1.UnitExists", "it is there");
		return;
	}
	if (fixture->is_early)
		tell_end(fixture, bus);
	g_dbus_method_invocation_return_value(call, g_variant_new("(o)", JOB));
	if (!fixture->is_early)
		tell_end(fixture, bus);
}

static void on_call(GDBusConnection *bus, const char *sender G_GNUC_UNUSED,
		    const char *path G_GNUC_UNUSED, const char *interface G_GNUC_UNUSED,
		    const char *method, GVariant *parameters, GDBusMethodInvocation *call,
		    gpointer data)
{
	Fixture *fixture = data;

	g_mutex_lock(&fixture->lock);
	if (strcmp(method, "Subscribe") == 0) {
		g_dbus_method_invocation_return_value(call, NULL);
	} else {
		g_free(fixture->asked);
		fixture->asked = g_variant_print(parameters, TRUE);
		fixture->n_asked++;
		if (strcmp(method, "StartTransientUnit") == 0)
			answer_start(fixture, bus, call);
		else if (fixture->is_gone)
			g_dbus_method_invocation_return_dbus_error(
				call, "org.freedesktop.systemd1.NoSuchUnit", "it is not there");
		else if (strcmp(method, "KillUnit") == 0)
			g_dbus_method_invocation_return_value(call, NULL);
		else
			g_dbus_method_invocation_return_value(call, g_variant_new("(o)", "/m"));
	}
	g_mutex_unlock(&fixture->lock);
}

static void own(GDBusConnection *bus, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
		bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
		"RequestName", g_variant_new("(su)", name, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
		NULL, &error);

	g_assert_no_error(error);
}

static gpointer serve(gpointer data)
{
	static const GDBusInterfaceVTable vtable = { .method_call = on_call };
	Fixture *fixture = data;
	g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(introspection, NULL);
	g_autoptr(GDBusConnection) bus = NULL;

	g_main_context_push_thread_default(fixture->context);
	bus = scope_connect(NULL);
	g_dbus_connection_register_object(bus, "/org/freedesktop/systemd1", info->interfaces[0],
					  &vtable, fixture, NULL, NULL);
	g_dbus_connection_register_object(bus, "/org/freedesktop/machine1", info->interfaces[1],
					  &vtable, fixture, NULL, NULL);
	own(bus, "org.freedesktop.systemd1");
	if (fixture->has_machined)
		own(bus, "org.freedesktop.machine1");
	g_mutex_lock(&fixture->lock);
	fixture->is_ready = TRUE;
	g_cond_signal(&fixture->ready);
	g_mutex_unlock(&fixture->lock);
	g_main_loop_run(fixture->loop);
	g_main_context_pop_thread_default(fixture->context);
	return NULL;
}

static void start(Fixture *fixture, gconstpointer has_machined)
{
	fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
	g_test_dbus_up(fixture->bus);
	g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(fixture->bus), TRUE);
	fixture->has_machined = has_machined != NULL;
	fixture->result = "done";
	fixture->context = g_main_context_new();
	fixture->loop = g_main_loop_new(fixture->context, FALSE);
	fixture->thread = g_thread_new("services", serve, fixture);
	g_mutex_lock(&fixture->lock);
	while (!fixture->is_ready)
		g_cond_wait(&fixture->ready, &fixture->lock);
	g_mutex_unlock(&fixture->lock);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_main_loop_quit(fixture->loop);
	g_thread_join(fixture->thread);
	g_main_loop_unref(fixture->loop);
	g_main_context_unref(fixture->context);
	g_free(fixture->asked);
	g_test_dbus_stop(fixture->bus);
	g_object_unref(fixture->bus);
}

static gboolean start_scope(GError **error)
{
	const CgroupLimits limits = {
		.tasks = 260,
		.memory_bytes = 1 << 30,
		.cpu_weight = 50,
		.cpu_period_us = 20000,
		.cpu_quota_us = 30000,
	};
	g_autoptr(GDBusConnection) bus = scope_connect(error);

	return bus && scope_start(bus, UNIT, "Virtual Machine linux", 4711, &limits, error);
}

static void assert_started(Fixture *fixture, guint turns)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(start_scope(&error));
	g_assert_no_error(error);
	g_assert_cmpuint(fixture->n_asked, ==, turns);
	g_assert_cmpstr(
		fixture->asked, ==,
		"('machine-gmem\\\\x2d3\\\\x2dlinux.scope', 'fail', "
		"[('Description', <'Virtual Machine linux'>), ('Slice', <'machine.slice'>), "
		"('PIDs', <[uint32 4711]>), ('CollectMode', <'inactive-or-failed'>), "
		"('TasksMax', <uint64 260>), ('MemoryMax', <uint64 1073741824>), "
		"('CPUWeight', <uint64 50>), ('CPUQuotaPeriodUSec', <uint64 20000>), "
		"('CPUQuotaPerSecUSec', <uint64 1500000>)], "
		"@a(sa(sv)) [])");
}

static void test_start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_started(fixture, 1);
}

static void test_end_before_the_reply(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->is_early = TRUE;
	assert_started(fixture, 1);
}

/* The scope of the run before goes in a moment. */
static void test_name_in_use(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->exists = 2;
	assert_started(fixture, 3);
}

static void assert_fails(const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(start_scope(&error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	if (!strstr(error->message, words))
		g_error("no '%s' in '%s'", words, error->message);
}

static void test_failures(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->exists = 1000;
	assert_fails("it is there");
	fixture->exists = 0;
	fixture->result = "timeout";
	assert_fails("'timeout'");
	g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/none/at/all", TRUE);
	assert_fails("the system's bus: ");
}

static gboolean register_machine(GError **error)
{
	static const guint8 uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	g_autoptr(GDBusConnection) bus = scope_connect(error);

	return scope_register(bus, "gmem-3-linux", uuid, 4712, error);
}

static void test_register(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(register_machine(&error));
	g_assert_no_error(error);
	g_assert_cmpstr(fixture->asked, ==,
			"('gmem-3-linux', [byte 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, "
			"0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10], 'libvirt-gmem', 'vm', "
			"uint32 4712, '', @ai [])");
}

static void test_no_machined(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_true(register_machine(NULL));
	g_assert_cmpuint(fixture->n_asked, ==, 0);
}

static void assert_ends(Fixture *fixture, gboolean is_gone)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDBusConnection) bus = scope_connect(&error);

	fixture->is_gone = is_gone;
	g_assert_true(scope_end(bus, UNIT, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(fixture->asked, ==,
			"('machine-gmem\\\\x2d3\\\\x2dlinux.scope', 'replace')");
}

static void test_end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_ends(fixture, FALSE);
	assert_ends(fixture, TRUE);
	g_assert_cmpuint(fixture->n_asked, ==, 4);
}

static void test_unit(void)
{
	g_autofree char *unit = scope_unit("gmem-3-linux");

	g_assert_cmpstr(unit, ==, UNIT);
}

static void test_folder(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(scope_folder(UNIT, getpid(), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
}

static void add(const char *path, gconstpointer data, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, data, start, test, end);
}

static void test_needs_bus(void)
{
	g_test_skip("dbus-daemon is not installed");
}

static void add_tests_of_bus(void)
{
	add("/scope/start", "machined", test_start);
	add("/scope/end-before-the-reply", "machined", test_end_before_the_reply);
	add("/scope/name-in-use", "machined", test_name_in_use);
	add("/scope/failures", "machined", test_failures);
	add("/scope/end", "machined", test_end);
	add("/scope/register", "machined", test_register);
	add("/scope/no-machined", NULL, test_no_machined);
}

int main(int argc, char **argv)
{
	g_autofree char *daemon = g_find_program_in_path("dbus-daemon");

	g_setenv("LC_ALL", "C", TRUE);
	g_test_init(&argc, &argv, NULL);
	if (daemon)
		add_tests_of_bus();
	else
		g_test_add_func("/scope/bus", test_needs_bus);
	g_test_add_func("/scope/unit", test_unit);
	g_test_add_func("/scope/folder", test_folder);
	return g_test_run();
}
