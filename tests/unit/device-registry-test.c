/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device-registry-test.c - the devices of a machine are walked in their order */
#include <glib.h>

#include "vmm/device/registry.h"

/* A device that writes down what is done to it. */
typedef struct {
	const char *name;
	GString *log;
} Device;

static void write_down(const Device *device, const char *what)
{
	g_string_append_printf(device->log, "%s %s,", what, device->name);
}

static void reset(void *device)
{
	write_down(device, "reset");
}

static void pause_device(void *device)
{
	write_down(device, "pause");
}

static void resume(void *device)
{
	write_down(device, "resume");
}

static void free_device(void *device)
{
	write_down(device, "free");
}

static const DeviceOperations whole = {
	.reset = reset,
	.pause = pause_device,
	.resume = resume,
	.free = free_device,
};

static const DeviceOperations only_free = { .free = free_device };

typedef struct {
	DeviceRegistry *registry;
	GString *log;
	Device first, middle, last;
} Fixture;

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->registry = device_registry_new();
	fixture->log = g_string_new(NULL);
	fixture->first = (Device){ "first", fixture->log };
	fixture->middle = (Device){ "middle", fixture->log };
	fixture->last = (Device){ "last", fixture->log };
	device_registry_add(fixture->registry, "a", &whole, &fixture->first);
	device_registry_add(fixture->registry, "b", &only_free, &fixture->middle);
	device_registry_add(fixture->registry, "c", &whole, &fixture->last);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_free(fixture->registry);
	g_string_free(fixture->log, TRUE);
}

static void assert_log(Fixture *fixture, const char *expected)
{
	g_assert_cmpstr(fixture->log->str, ==, expected);
	g_string_truncate(fixture->log, 0);
}

static void test_walks(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_reset(fixture->registry);
	assert_log(fixture, "reset first,reset last,");
	device_registry_pause(fixture->registry);
	assert_log(fixture, "pause first,pause last,");
	device_registry_resume(fixture->registry);
	assert_log(fixture, "resume first,resume last,");
}

static void test_last_one_goes_first(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_clear_pointer(&fixture->registry, device_registry_free);
	assert_log(fixture, "free last,free middle,free first,");
}

static void test_removed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_remove(fixture->registry, "a");
	assert_log(fixture, "free first,");
	g_assert_false(device_registry_has(fixture->registry, "a"));
	g_assert_true(device_registry_has(fixture->registry, "b"));
	device_registry_reset(fixture->registry);
	assert_log(fixture, "reset last,");
	device_registry_add(fixture->registry, "a", &whole, &fixture->first);
	device_registry_reset(fixture->registry);
	assert_log(fixture, "reset last,reset first,");
}

static void test_found(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_true(device_registry_find(fixture->registry, "c", &whole) == &fixture->last);
	g_assert_null(device_registry_find(fixture->registry, "c", &only_free));
	g_assert_null(device_registry_find(fixture->registry, "d", &whole));
}

static void append_id(const char *id, void *device G_GNUC_UNUSED, void *opaque)
{
	g_string_append(opaque, id);
}

static void test_foreach(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_foreach(fixture->registry, &whole, append_id, fixture->log);
	assert_log(fixture, "ac");
	device_registry_foreach(fixture->registry, NULL, append_id, fixture->log);
	assert_log(fixture, "abc");
}

/* What is on a device goes before it, and what is on that before that. */
static void test_children(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
	Device one = { "one", fixture->log }, two = { "two", fixture->log };
	Device deep = { "deep", fixture->log };

	device_registry_add_child(fixture->registry, "b", "b1", &only_free, &one);
	device_registry_add_child(fixture->registry, "b", "b2", &only_free, &two);
	device_registry_add_child(fixture->registry, "b1", "b11", &only_free, &deep);
	g_assert_true(device_registry_is_child(fixture->registry, "b2"));
	g_assert_false(device_registry_is_child(fixture->registry, "b"));
	g_assert_false(device_registry_is_child(fixture->registry, "nobody"));
	device_registry_list_children(fixture->registry, "b", ids);
	g_assert_cmpuint(ids->len, ==, 2);
	g_assert_cmpstr(ids->pdata[1], ==, "b2");
	device_registry_remove(fixture->registry, "b");
	assert_log(fixture, "free two,free deep,free one,free middle,");
	g_assert_false(device_registry_has(fixture->registry, "b11"));
	g_assert_true(device_registry_has(fixture->registry, "c"));
}

static void append_type(const char *id, const char *type, void *opaque)
{
	g_string_append_printf(opaque, "%s is %s", id, type);
}

static void test_named(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_set_type(fixture->registry, "b", "virtio-rng-pci");
	device_registry_foreach_named(fixture->registry, append_type, fixture->log);
	assert_log(fixture, "b is virtio-rng-pci");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/device-registry/walks", test_walks },
		{ "/device-registry/last-one-goes-first", test_last_one_goes_first },
		{ "/device-registry/removed", test_removed },
		{ "/device-registry/found", test_found },
		{ "/device-registry/foreach", test_foreach },
		{ "/device-registry/children", test_children },
		{ "/device-registry/named", test_named },
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);

	return g_test_run();
}
