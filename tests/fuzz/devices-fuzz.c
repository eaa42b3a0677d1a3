/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devices-fuzz.c - libFuzzer target: any JSON as descriptions of devices
 *
 * The input is a JSON array of descriptions, or one of them, for a machine that has PCI alone.
 * Each is checked, and made if it is a root port or one of the board's: the others need a machine's
 * memory. What
 * devices_check() refuses is refused. A device that was made is in the registry under its id,
 * and one that was refused has left nothing there; then all of them are reset and freed.
 *
 *     devices-fuzz -dict=devices.dict CORPUS
 */
#include <stdint.h>
#include <string.h>

#include "../unit/made-up-machine.h"
#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/ich9-lpc.h"
#include "vmm/machine/devices.h"
#include "vmm/pci/pci-host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* json-glib goes as deep as the text does: what comes by the monitor is held shallow before. */
#define DEPTH_MAX 64

static void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	(void)opaque;
	(void)gsi;
	(void)level;
}

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static void set_ram_segments(void *opaque, guint32 ram)
{
	(void)opaque;
	(void)ram;
}

static void move_pm(void *opaque, guint16 base, gboolean enabled)
{
	(void)opaque;
	(void)base;
	(void)enabled;
}

static void lock_smi(void *opaque)
{
	(void)opaque;
}

static const DeviceHost host = {
	.make_signal = made_up_make_signal,
	.set_interrupt = set_interrupt,
	.send_msi = send_msi,
	.set_ram_segments = set_ram_segments,
};

static void count(const char *id, void *device, void *opaque)
{
	(void)id;
	(void)device;
	(*(guint *)opaque)++;
}

static guint count_devices(const DeviceSurroundings *surroundings)
{
	guint n = 0;

	device_registry_foreach(surroundings->registry, NULL, count, &n);
	return n;
}

/* Of one that has been checked. */
static gboolean can_be_made(JsonObject *description)
{
	static const char *const drivers[] = { "pcie-root-port", "vmcoreinfo", "vmgenid", NULL };

	return g_strv_contains(drivers, json_object_get_string_member(description, "driver"));
}

static void create(const DeviceShop *shop, JsonObject *description)
{
	g_autoptr(GError) refusal = NULL;
	g_autoptr(GError) error = NULL;
	gboolean is_checked = devices_check(description, &refusal);
	guint before = count_devices(shop->surroundings);

	g_assert(is_checked == !refusal);
	g_ptr_array_unref(descriptor_names(description));
	if (is_checked && !can_be_made(description))
		return;
	if (!devices_create(shop, description, FALSE, &error)) {
		g_assert_nonnull(error);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		g_assert_cmpuint(count_devices(shop->surroundings), ==, before);
		return;
	}
	g_assert_true(is_checked);
	g_assert_cmpuint(count_devices(shop->surroundings), ==, before + 1);
	g_assert_true(device_registry_has(shop->surroundings->registry,
					  json_object_get_string_member(description, "id")));
}

static void create_each(const DeviceShop *shop, JsonNode *root)
{
	JsonArray *array;

	if (JSON_NODE_HOLDS_OBJECT(root))
		create(shop, json_node_get_object(root));
	if (!JSON_NODE_HOLDS_ARRAY(root))
		return;
	array = json_node_get_array(root);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *element = json_array_get_element(array, i);

		if (JSON_NODE_HOLDS_OBJECT(element))
			create(shop, json_node_get_object(element));
	}
}

static gboolean is_deep(const uint8_t *data, size_t size)
{
	guint n = 0;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '{' || data[i] == '[';
	return n > DEPTH_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const Ich9LpcPm pm = { .move = move_pm, .lock_smi = lock_smi };
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	DeviceSurroundings surroundings;
	DeviceBoard board = { .has_fw_cfg = size % 2 != 0 };
	g_autoptr(DescriptorTable) descriptors = descriptor_table_new();
	const DeviceShop shop = { .surroundings = &surroundings, .descriptors = descriptors };
	PciBus *root;

	if (is_deep(data, size) || !g_utf8_validate((const char *)data, size, NULL) ||
	    !json_parser_load_from_data(parser, (const char *)data, size, NULL) ||
	    !json_parser_get_root(parser))
		return 0;
	device_surroundings_init(&surroundings, &host, NULL);
	surroundings.messages = made_up_messages;
	surroundings.board = &board;
	root = pci_host_root_bus(pci_host_create(&surroundings));
	ich9_lpc_connect_pm(ich9_lpc_create(&surroundings, root), &pm);
	create_each(&shop, json_parser_get_root(parser));
	device_registry_reset(surroundings.registry);
	device_registry_pause(surroundings.registry);
	device_registry_resume(surroundings.registry);
	device_surroundings_clear(&surroundings);
	return 0;
}
