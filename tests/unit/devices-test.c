/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices-test.c - devices that are described by JSON, and descriptions that are refused */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "vmm/chipset/ich9-lpc.h"
#include "vmm/machine/devices.h"
#include "vmm/machine/hot-plug.h"
#include "vmm/pci/pci-host.h"
#include "vmm/pci/pcie-root-port.h"

#define PORT "'driver':'pcie-root-port'"
#define ROOT "'bus':'pcie.0'"

/* A member of each type. */
typedef struct {
	char *text;
	gboolean is_on;
	guint64 number;
	guint choice;
	GStrv list;
	JsonObject *object;
} Result;

static const char *const choices[] = { "stop", "report", NULL };

static const JsonField fields[] = {
	{ .name = "text", .type = JSON_FIELD_STRING, .offset = G_STRUCT_OFFSET(Result, text) },
	{ .name = "on",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(Result, is_on),
	  .value = TRUE },
	{ .name = "number",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(Result, number),
	  .is_required = TRUE,
	  .minimum = 2,
	  .maximum = 9 },
	{ .name = "choice",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(Result, choice),
	  .value = 1,
	  .choices = choices },
	{ .name = "list", .type = JSON_FIELD_STRINGS, .offset = G_STRUCT_OFFSET(Result, list) },
	{ .name = "object", .type = JSON_FIELD_OBJECT, .offset = G_STRUCT_OFFSET(Result, object) },
	{ .name = NULL },
};

/* @text: JSON with single quotes */
static JsonObject *parse(const char *text)
{
	g_autoptr(GString) json = g_string_new(text);
	g_autoptr(JsonNode) node = NULL;
	g_autoptr(GError) error = NULL;

	g_string_replace(json, "'", "\"", 0);
	node = json_from_string(json->str, &error);
	g_assert_no_error(error);
	return json_node_dup_object(node);
}

static gboolean read_fields(const char *text, Result *result, GError **error)
{
	g_autoptr(JsonObject) object = parse(text);
	const JsonFieldSet set = { fields, result };

	return json_fields_read(object, "device 'x'", &set, 1, error);
}

static void clear_fields(Result *result)
{
	const JsonFieldSet set = { fields, result };

	json_fields_clear(&set, 1);
}

static void test_fields(void)
{
	g_autoptr(GError) error = NULL;
	Result result;

	g_assert_true(read_fields("{'text':'a','on':false,'number':9,'choice':'stop',"
				  "'list':['b','c'],'object':{'d':1}}",
				  &result, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(result.text, ==, "a");
	g_assert_false(result.is_on);
	g_assert_cmpuint(result.number, ==, 9);
	g_assert_cmpuint(result.choice, ==, 0);
	g_assert_cmpuint(g_strv_length(result.list), ==, 2);
	g_assert_cmpstr(result.list[1], ==, "c");
	g_assert_cmpint(json_object_get_int_member(result.object, "d"), ==, 1);
	clear_fields(&result);
}

static void test_fields_by_default(void)
{
	Result result;

	memset(&result, 0xff, sizeof(result));
	g_assert_true(read_fields("{'number':2}", &result, NULL));
	g_assert_null(result.text);
	g_assert_true(result.is_on);
	g_assert_cmpuint(result.choice, ==, 1);
	g_assert_null(result.list);
	g_assert_null(result.object);
	clear_fields(&result);
}

static void test_fields_that_are_refused(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "{}", "device 'x': member 'number' is missing" },
		{ "{'number':2,'color':1}", "device 'x': member 'color' is unknown" },
		{ "{'number':1}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':10}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':-3}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':2.5}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':'2'}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':null}", "member 'number': a number from 2 to 9 is wanted" },
		{ "{'number':2,'text':1}", "member 'text': a string is wanted" },
		{ "{'number':2,'text':null}", "member 'text': a string is wanted" },
		{ "{'number':2,'on':'on'}", "member 'on': 'true' or 'false' is wanted" },
		{ "{'number':2,'on':1}", "member 'on': 'true' or 'false' is wanted" },
		{ "{'number':2,'choice':'go'}",
		  "member 'choice': one of these is wanted: stop, report" },
		{ "{'number':2,'choice':1}", "member 'choice': one of these is wanted" },
		{ "{'number':2,'list':'a'}", "member 'list': an array of strings is wanted" },
		{ "{'number':2,'list':['a',1]}", "member 'list': an array of strings is wanted" },
		{ "{'number':2,'object':[]}", "member 'object': an object is wanted" },
		{ "{'text':'a','list':['a'],'object':{}}", "member 'number' is missing" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		Result result;

		g_assert_false(read_fields(cases[i].text, &result, &error));
		g_assert_nonnull(strstr(error->message, cases[i].message));
		g_assert_null(result.text);
		g_assert_null(result.list);
		g_assert_null(result.object);
	}
}

/* Descriptors */

static gboolean is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

static void test_descriptors(void)
{
	DescriptorTable *table = descriptor_table_new();
	int first = dup(STDOUT_FILENO), second = dup(STDOUT_FILENO), third = dup(STDOUT_FILENO);
	g_autoptr(GError) error = NULL;

	descriptor_table_add(table, "a", first);
	descriptor_table_add(table, "b", second);
	g_assert_cmpint(descriptor_table_take(table, "device 'x'", "fd", "a", &error), ==, first);
	g_assert_false(descriptor_table_has(table, "a"));
	g_assert_cmpint(descriptor_table_take(table, "device 'x'", "fd", "a", &error), ==, -1);
	g_assert_cmpstr(error->message, ==, "device 'x': member 'fd': there is no descriptor 'a'");
	descriptor_table_add(table, "b", third);
	g_assert_false(is_open(second));
	g_assert_false(descriptor_table_close(table, "a"));
	descriptor_table_free(table);
	g_assert_false(is_open(third));
	g_assert_true(is_open(first));
	close(first);
}

static void test_names_of_descriptors(void)
{
	g_autoptr(JsonObject)
		object = parse("{'rng-fd':'3','id':'4','fdx':'5','blockdev':{'fd':'6','name':'7'},"
			       "'netdev':{'fds':['8','9',10]},'fd':11}");
	g_autoptr(GPtrArray) names = descriptor_names(object);

	g_assert_cmpuint(names->len, ==, 4);
	g_assert_cmpstr(names->pdata[0], ==, "3");
	g_assert_cmpstr(names->pdata[1], ==, "6");
	g_assert_cmpstr(names->pdata[2], ==, "8");
	g_assert_cmpstr(names->pdata[3], ==, "9");
}

/* Devices on a machine that has PCI alone */

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	guint n_slot_changes;
} Fixture;

static void set_interrupt(void *opaque G_GNUC_UNUSED, guint gsi G_GNUC_UNUSED,
			  gboolean level G_GNUC_UNUSED)
{
}

static void send_msi(void *opaque G_GNUC_UNUSED, guint64 address G_GNUC_UNUSED,
		     guint32 data G_GNUC_UNUSED)
{
}

static void slot_changed(void *opaque)
{
	((Fixture *)opaque)->n_slot_changes++;
}

static const DeviceHost host = {
	.set_interrupt = set_interrupt,
	.send_msi = send_msi,
	.slot_changed = slot_changed,
};

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_surroundings_init(&fixture->surroundings, &host, fixture);
	fixture->root = pci_host_root_bus(pci_host_create(&fixture->surroundings));
	ich9_lpc_create(&fixture->surroundings, fixture->root);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_surroundings_clear(&fixture->surroundings);
}

/* @texts: up to a NULL */
static gboolean create_all(Fixture *fixture, const char *const *texts, GError **error)
{
	const DeviceShop shop = { .surroundings = &fixture->surroundings };
	g_autoptr(GPtrArray)
		descriptions = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);

	for (; *texts; texts++)
		g_ptr_array_add(descriptions, parse(*texts));
	return devices_create_all(&shop, descriptions, error);
}

static gboolean create(Fixture *fixture, const char *text, GError **error)
{
	const char *const texts[] = { text, NULL };

	return create_all(fixture, texts, error);
}

static void assert_created(Fixture *fixture, const char *text)
{
	g_autoptr(GError) error = NULL;

	create(fixture, text, &error);
	g_assert_no_error(error);
}

static void assert_refused(Fixture *fixture, const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(create(fixture, text, &error));
	g_assert_cmpstr(error->message, ==, message);
}

static guint32 read_config(Fixture *fixture, guint slot, guint function, guint offset)
{
	return pci_bus_read_config(fixture->root, 0, PCI_DEVFN(slot, function), offset, 4);
}

static void test_root_port(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_created(fixture, "{" PORT ",'id':'pci.1'," ROOT ",'addr':'0x2.0x0',"
				"'multifunction':true,'chassis':7,'port':255}");
	g_assert_cmphex(read_config(fixture, 2, 0, PCI_VENDOR_ID), ==, 0x000c1b36);
	g_assert_cmphex(read_config(fixture, 2, 0, PCI_CACHE_LINE_SIZE) >> 16 & 0x80, ==, 0x80);
	g_assert_cmphex(read_config(fixture, 2, 0, 0x40 + PCI_EXP_LNKCAP) >> 24, ==, 255);
	g_assert_cmphex(read_config(fixture, 2, 0, 0x40 + PCI_EXP_SLTCAP) >> 19, ==, 7);
	device_registry_remove(fixture->surroundings.registry, "pci.1");
	g_assert_cmphex(read_config(fixture, 2, 0, PCI_VENDOR_ID), ==, G_MAXUINT32);
}

static void test_addresses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *address;
		guint slot;
	} cases[] = { { "0x3", 3 }, { "1e", 0x1e }, { "4.0", 4 }, { "0x05.0x00", 5 } };

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf("{" PORT ",'id':'p%u'," ROOT
							",'addr':'%s','chassis':1,'port':%u}",
							i, cases[i].address, i);

		assert_created(fixture, text);
		g_assert_nonnull(pci_bus_get(fixture->root, cases[i].slot, 0));
	}
}

static void test_functions_in_any_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const seen[] = {
		"{" PORT ",'id':'a'," ROOT ",'addr':'2.7','chassis':1,'port':1}",
		"{" PORT ",'id':'b'," ROOT ",'addr':'2.0','multifunction':true,"
		"'chassis':1,'port':2}",
		NULL,
	};
	static const char *const hidden[] = {
		"{" PORT ",'id':'c'," ROOT ",'addr':'3.0','chassis':1,'port':3}",
		"{" PORT ",'id':'d'," ROOT ",'addr':'3.1','chassis':1,'port':4}",
		NULL,
	};
	g_autoptr(GError) error = NULL;

	g_assert_true(create_all(fixture, seen, &error));
	g_assert_no_error(error);
	g_assert_false(create_all(fixture, hidden, &error));
	g_assert_cmpstr(error->message, ==,
			"device 'd': member 'addr': function 0 of its slot has to be a device that "
			"is multifunction");
}

static void test_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "{'id':'a'}", "device 'a': member 'driver': a string is wanted" },
		{ "{'driver':1}", "device: member 'driver': a string is wanted" },
		{ "{'driver':'x','id':'a'}", "device 'a': member 'driver': there is no type 'x'" },
		{ "{" PORT "}", "device of type 'pcie-root-port': member 'id' is missing" },
		{ "{" PORT ",'id':'1'," ROOT ",'addr':'3','chassis':1,'port':1}",
		  "device of type 'pcie-root-port': member 'id': letters, digits, '-', '.' and '_' "
		  "are wanted, a letter first" },
		{ "{" PORT ",'id':'a/b'," ROOT ",'addr':'3','chassis':1,'port':1}",
		  "device of type 'pcie-root-port': member 'id': letters, digits, '-', '.' and '_' "
		  "are wanted, a letter first" },
		{ "{" PORT ",'id':'there'," ROOT ",'addr':'3','chassis':1,'port':1}",
		  "device 'there': member 'id': another device is called so" },
		{ "{" PORT ",'id':'a','addr':'3','chassis':1,'port':1}",
		  "device 'a': member 'bus' is missing" },
		{ "{" PORT ",'id':'a','bus':'pcie.1','addr':'3','chassis':1,'port':1}",
		  "device 'a': member 'bus': there is no bus 'pcie.1'" },
		{ "{" PORT ",'id':'a','bus':'chipset/pci','addr':'3','chassis':1,'port':1}",
		  "device 'a': member 'bus': there is no bus 'chipset/pci'" },
		{ "{" PORT ",'id':'a','bus':'there','addr':'0','chassis':1,'port':1}",
		  "device 'a': member 'bus': a root port goes on bus 'pcie.0'" },
		{ "{" PORT ",'id':'a','bus':'there','addr':'1','chassis':1,'port':1}",
		  "device 'a': member 'addr': behind a root port there is slot 0 alone" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'2','chassis':1,'port':1}",
		  "device 'a': member 'addr': another device is there" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'0','chassis':1,'port':1}",
		  "device 'a': member 'addr': another device is there" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'1f','chassis':1,'port':1}",
		  "device 'a': member 'addr': another device is there" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'3','chassis':5,'port':6}",
		  "device 'a': member 'port': another root port has this chassis and port" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'3','chassis':1,'port':1,'hotplug':true}",
		  "device 'a': member 'hotplug' is unknown" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'3','chassis':256,'port':1}",
		  "device 'a': member 'chassis': a number from 0 to 255 is wanted" },
		{ "{" PORT ",'id':'a'," ROOT ",'addr':'3','chassis':1}",
		  "device 'a': member 'port' is missing" },
	};
	static const char *const addresses[] = {
		"", ".", "3.", ".0", "3.8", "20", "3.0.0", "0x", "-1", "+1", "g", "3 ",
	};

	assert_created(fixture, "{" PORT ",'id':'there'," ROOT ",'addr':'2','chassis':5,'port':6}");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		assert_refused(fixture, cases[i].text, cases[i].message);
	for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
		g_autofree char *text = g_strdup_printf("{" PORT ",'id':'a'," ROOT
							",'addr':'%s','chassis':1,'port':1}",
							addresses[i]);

		assert_refused(fixture, text,
			       "device 'a': member 'addr': 'SLOT' or 'SLOT.FUNCTION' is wanted, "
			       "from 0x0.0x0 to 0x1f.0x7");
	}
	g_assert_false(device_registry_has(fixture->surroundings.registry, "a"));
}

/* Hot-plug: of a function that is made up, behind a root port */

typedef struct {
	DeviceShop shop;
	PcieRootPort *port;
	GPtrArray *gone, *kept;
} HotPlug;

static void free_function(void *device)
{
	pci_bus_remove(device);
}

static const DeviceOperations function_operations = { .free = free_function };

static void do_nothing(void *device G_GNUC_UNUSED)
{
}

static const PciFunctionOperations no_operations = { .free = do_nothing };

static void put_in(HotPlug *hot_plug, guint number, const char *id, gboolean is_hot)
{
	static const PciFunctionConfig config = {
		.name = "made up",
		.is_express = TRUE,
		.is_multifunction = TRUE,
		.operations = &no_operations,
	};
	PciFunction *function = pci_function_new(&config);

	pci_bus_add(pcie_root_port_bus(hot_plug->port), 0, number, function);
	pci_function_set_id(function, id);
	device_registry_add(hot_plug->shop.surroundings->registry, id, &function_operations,
			    function);
	pcie_root_port_insert(hot_plug->port, is_hot);
}

static void hot_plug_start(Fixture *fixture, HotPlug *hot_plug)
{
	assert_created(fixture, "{" PORT ",'id':'pci.1'," ROOT ",'addr':'1','chassis':1,'port':1}");
	hot_plug->shop = (DeviceShop){ .surroundings = &fixture->surroundings };
	hot_plug->port = device_registry_find(fixture->surroundings.registry, "pci.1",
					      &pcie_root_port_device_operations);
	hot_plug->gone = g_ptr_array_new_with_free_func(g_free);
	hot_plug->kept = g_ptr_array_new_with_free_func(g_free);
	put_in(hot_plug, 0, "first", FALSE);
	put_in(hot_plug, 1, "second", FALSE);
}

static void hot_plug_end(HotPlug *hot_plug)
{
	g_ptr_array_unref(hot_plug->gone);
	g_ptr_array_unref(hot_plug->kept);
}

static void command(Fixture *fixture, guint control)
{
	pci_bus_write_config(fixture->root, 0, PCI_DEVFN(1, 0), 0x40 + PCI_EXP_SLTCTL, 2, control);
}

static gboolean ask(HotPlug *hot_plug, const char *id, gboolean is_running)
{
	return hot_plug_ask(&hot_plug->shop, id, is_running, hot_plug->gone, NULL);
}

static void assert_gone(HotPlug *hot_plug)
{
	const DeviceRegistry *registry = hot_plug->shop.surroundings->registry;

	g_assert_cmpuint(hot_plug->gone->len, ==, 2);
	g_assert_cmpstr(hot_plug->gone->pdata[0], ==, "first");
	g_assert_cmpstr(hot_plug->gone->pdata[1], ==, "second");
	g_assert_false(device_registry_has(registry, "first"));
	g_assert_false(device_registry_has(registry, "second"));
	g_assert_null(pci_bus_get(pcie_root_port_bus(hot_plug->port), 0, 1));
}

static void test_hot_unplug(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	HotPlug hot_plug;

	hot_plug_start(fixture, &hot_plug);
	g_assert_true(ask(&hot_plug, "second", TRUE));
	hot_plug_serve(&hot_plug.shop, hot_plug.gone, hot_plug.kept);
	g_assert_cmpuint(hot_plug.gone->len, ==, 0);
	command(fixture, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	g_assert_false(ask(&hot_plug, "first", TRUE));
	g_assert_cmpuint(fixture->n_slot_changes, ==, 0);
	command(fixture, PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
	g_assert_cmpuint(fixture->n_slot_changes, ==, 1);
	hot_plug_serve(&hot_plug.shop, hot_plug.gone, hot_plug.kept);
	assert_gone(&hot_plug);
	g_assert_cmpuint(hot_plug.kept->len, ==, 0);
	hot_plug_end(&hot_plug);
}

static void test_hot_unplug_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	HotPlug hot_plug;

	hot_plug_start(fixture, &hot_plug);
	g_assert_true(ask(&hot_plug, "first", TRUE));
	command(fixture, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	command(fixture, PCI_EXP_SLTCTL_PWR_IND_ON);
	hot_plug_serve(&hot_plug.shop, hot_plug.gone, hot_plug.kept);
	g_assert_cmpuint(hot_plug.gone->len, ==, 0);
	g_assert_cmpuint(hot_plug.kept->len, ==, 2);
	g_assert_cmpstr(hot_plug.kept->pdata[0], ==, "first");
	/* Told once; and a reset has nothing to finish. */
	hot_plug_serve(&hot_plug.shop, hot_plug.gone, hot_plug.kept);
	g_assert_cmpuint(hot_plug.kept->len, ==, 2);
	hot_plug_finish(&hot_plug.shop, hot_plug.gone);
	g_assert_cmpuint(hot_plug.gone->len, ==, 0);
	hot_plug_end(&hot_plug);
}

static void test_hot_unplug_at_a_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	HotPlug hot_plug;

	hot_plug_start(fixture, &hot_plug);
	g_assert_true(ask(&hot_plug, "first", TRUE));
	hot_plug_finish(&hot_plug.shop, hot_plug.gone);
	assert_gone(&hot_plug);
	hot_plug_end(&hot_plug);
}

static void test_hot_unplug_before_the_guest_runs(Fixture *fixture,
						  gconstpointer data G_GNUC_UNUSED)
{
	HotPlug hot_plug;

	hot_plug_start(fixture, &hot_plug);
	g_assert_false(ask(&hot_plug, "pci.1", FALSE));
	g_assert_false(ask(&hot_plug, "third", FALSE));
	g_assert_true(ask(&hot_plug, "first", FALSE));
	assert_gone(&hot_plug);
	hot_plug_end(&hot_plug);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/devices/root-port", test_root_port },
		{ "/devices/addresses", test_addresses },
		{ "/devices/functions-in-any-order", test_functions_in_any_order },
		{ "/devices/refused", test_refused },
		{ "/devices/hot-unplug/lets-go", test_hot_unplug },
		{ "/devices/hot-unplug/refused", test_hot_unplug_refused },
		{ "/devices/hot-unplug/reset", test_hot_unplug_at_a_reset },
		{ "/devices/hot-unplug/before-the-guest-runs",
		  test_hot_unplug_before_the_guest_runs },
	};

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/devices/fields/each", test_fields);
	g_test_add_func("/devices/fields/default", test_fields_by_default);
	g_test_add_func("/devices/fields/refused", test_fields_that_are_refused);
	g_test_add_func("/devices/descriptors/table", test_descriptors);
	g_test_add_func("/devices/descriptors/names", test_names_of_descriptors);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);
	return g_test_run();
}
