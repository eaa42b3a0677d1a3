/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot-order.c - the devices that firmware is to try, the first one first */
#include "vmm/boot/boot-order.h"

/* The host bridge, by the port of its configuration address. */
#define ROOT "/pci@i0cf8"

typedef struct {
	char *id;
	guint64 index;
	char *path;
} Entry;

struct BootOrder {
	GArray *entries; /* of Entry, ascending */
};

static void clear_entry(gpointer data)
{
	Entry *entry = data;

	g_free(entry->id);
	g_free(entry->path);
}

BootOrder *boot_order_new(void)
{
	BootOrder *order = g_new0(BootOrder, 1);

	order->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	g_array_set_clear_func(order->entries, clear_entry);
	return order;
}

void boot_order_free(BootOrder *order)
{
	if (!order)
		return;
	g_array_unref(order->entries);
	g_free(order);
}

gboolean boot_order_add(BootOrder *order, const char *id, guint64 index, const char *path)
{
	Entry entry = { .index = index };
	guint at = 0;

	while (at < order->entries->len && g_array_index(order->entries, Entry, at).index < index)
		at++;
	if (at < order->entries->len && g_array_index(order->entries, Entry, at).index == index)
		return FALSE;
	entry.id = g_strdup(id);
	entry.path = g_strdup(path);
	g_array_insert_val(order->entries, at, entry);
	return TRUE;
}

void boot_order_keep(BootOrder *order, gboolean (*is_there)(const char *id, void *opaque),
		     void *opaque)
{
	for (guint i = order->entries->len; i > 0; i--)
		if (!is_there(g_array_index(order->entries, Entry, i - 1).id, opaque))
			g_array_remove_index(order->entries, i - 1);
}

const char **boot_order_paths(const BootOrder *order)
{
	const char **paths = g_new0(const char *, order->entries->len + 1);

	for (guint i = 0; i < order->entries->len; i++)
		paths[i] = g_array_index(order->entries, Entry, i).path;
	return paths;
}

/* "/NAME@SLOT", with ",FUNCTION" where that is not 0 */
static void append_place(GString *path, const char *name, const BootPciPlace *place)
{
	g_string_append_printf(path, "/%s@%x", name, place->slot);
	if (place->function > 0)
		g_string_append_printf(path, ",%x", place->function);
}

char *boot_pci_path(const BootPciPlace *bridge, const BootPciPlace *place, const char *name,
		    const char *unit)
{
	GString *path = g_string_new(ROOT);

	if (bridge)
		append_place(path, "pci-bridge", bridge);
	append_place(path, name, place);
	g_string_append_printf(path, "/%s", unit);
	return g_string_free(path, FALSE);
}
