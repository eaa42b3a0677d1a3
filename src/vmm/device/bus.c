/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus.c - which device answers at a port or at an MMIO address */
#include "vmm/device/bus.h"

typedef struct {
	guint64 start;
	guint64 last; /* inclusive, so that a range may end with the address space */
	const char *name;
	const BusOperations *operations;
	void *device;
} BusRange;

struct BusWindow {
	Bus *bus;
	BusRange range;
	gboolean is_open;
};

struct Bus {
	const char *name;
	GArray *ranges;	    /* BusRange, by ascending start */
	GPtrArray *windows; /* BusWindow, in the order in which they were made */
};

Bus *bus_new(const char *name)
{
	Bus *bus = g_new0(Bus, 1);

	bus->name = name;
	bus->ranges = g_array_new(FALSE, FALSE, sizeof(BusRange));
	bus->windows = g_ptr_array_new_with_free_func(g_free);
	return bus;
}

void bus_free(Bus *bus)
{
	if (!bus)
		return;
	g_ptr_array_unref(bus->windows);
	g_array_unref(bus->ranges);
	g_free(bus);
}

/* The index of the first range that ends at or after @address. */
static guint bus_search(const Bus *bus, guint64 address)
{
	guint low = 0, high = bus->ranges->len;

	while (low < high) {
		guint middle = (low + high) / 2;

		if (g_array_index(bus->ranges, BusRange, middle).last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *bus_overlap(const Bus *bus, guint64 start, guint64 size)
{
	guint index = bus_search(bus, start);
	const BusRange *next;

	if (index == bus->ranges->len)
		return NULL;
	next = &g_array_index(bus->ranges, BusRange, index);
	return next->start <= start + (size - 1) ? next->name : NULL;
}

void bus_add(Bus *bus, guint64 start, guint64 size, const char *name,
	     const BusOperations *operations, void *device)
{
	BusRange range = {
		.start = start,
		.last = start + (size - 1),
		.name = name,
		.operations = operations,
		.device = device,
	};
	const char *other;

	g_assert(size > 0 && range.last >= start);
	g_assert(operations->max_access >= 1 && operations->max_access <= 8);
	other = bus_overlap(bus, start, size);
	if (other)
		g_error("%s: %s overlaps %s", bus->name, name, other);
	g_array_insert_val(bus->ranges, bus_search(bus, start), range);
}

void bus_remove(Bus *bus, guint64 start)
{
	guint index = bus_search(bus, start);

	g_assert(index < bus->ranges->len &&
		 g_array_index(bus->ranges, BusRange, index).start == start);
	g_array_remove_index(bus->ranges, index);
}

BusWindow *bus_add_window(Bus *bus, const char *name, const BusOperations *operations, void *device)
{
	BusWindow *window = g_new0(BusWindow, 1);

	g_assert(operations->max_access >= 1 && operations->max_access <= 8);
	window->bus = bus;
	window->range.name = name;
	window->range.operations = operations;
	window->range.device = device;
	g_ptr_array_add(bus->windows, window);
	return window;
}

void bus_move_window(BusWindow *window, guint64 start, guint64 size)
{
	window->is_open = size > 0;
	window->range.start = start;
	/* What would reach beyond the address space ends with it. */
	window->range.last = start + MIN(size - 1, G_MAXUINT64 - start);
}

void bus_remove_window(BusWindow *window)
{
	g_ptr_array_remove(window->bus->windows, window);
}

static const BusRange *find_window(const Bus *bus, guint64 address)
{
	for (guint i = 0; i < bus->windows->len; i++) {
		const BusWindow *window = g_ptr_array_index(bus->windows, i);

		if (window->is_open && window->range.start <= address &&
		    address <= window->range.last)
			return &window->range;
	}
	return NULL;
}

/*
 * Copies the range that answers at @address: a device may move its own window while it is
 * accessed, and the rest of the access still goes where it began.
 */
static gboolean bus_find(const Bus *bus, guint64 address, BusRange *found)
{
	guint index = bus_search(bus, address);
	const BusRange *range = NULL;

	if (index < bus->ranges->len)
		range = &g_array_index(bus->ranges, BusRange, index);
	if (!range || range->start > address)
		range = find_window(bus, address);
	if (range)
		*found = *range;
	return range != NULL;
}

static guint64 value_mask(guint size)
{
	return size >= 8 ? G_MAXUINT64 : (1ull << (size * 8)) - 1;
}

/* The widest access, a power of two, that fits in @left bytes and that the device takes. */
static guint access_width(const BusRange *range, guint64 left)
{
	guint width = range->operations->max_access;

	while (width > left)
		width /= 2;
	return width;
}

guint64 bus_read(Bus *bus, guint64 address, guint size)
{
	BusRange range;
	guint64 value = value_mask(size);
	guint done = 0;

	if (!bus_find(bus, address, &range))
		return value;
	while (done < size && address + done <= range.last) {
		guint64 left = MIN(size - done, range.last - (address + done) + 1);
		guint width = access_width(&range, left);
		guint64 part = range.operations->read(range.device, address + done - range.start,
						      width);

		value &= ~(value_mask(width) << (done * 8));
		value |= (part & value_mask(width)) << (done * 8);
		done += width;
		if (address + done < address)
			break;
	}
	return value;
}

void bus_write(Bus *bus, guint64 address, guint size, guint64 value)
{
	BusRange range;
	guint done = 0;

	if (!bus_find(bus, address, &range))
		return;
	while (done < size && address + done <= range.last) {
		guint64 left = MIN(size - done, range.last - (address + done) + 1);
		guint width = access_width(&range, left);

		range.operations->write(range.device, address + done - range.start, width,
					(value >> (done * 8)) & value_mask(width));
		done += width;
		if (address + done < address)
			break;
	}
}
