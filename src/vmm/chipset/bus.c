/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus.c - which device answers at a port or at an MMIO address */
#include "vmm/chipset/bus.h"

typedef struct {
	guint64 start;
	guint64 last; /* inclusive, so that a range may end with the address space */
	const char *name;
	const BusOperations *operations;
	void *device;
} BusRange;

struct Bus {
	const char *name;
	GArray *ranges; /* BusRange, by ascending start */
};

Bus *bus_new(const char *name)
{
	Bus *bus = g_new0(Bus, 1);

	bus->name = name;
	bus->ranges = g_array_new(FALSE, FALSE, sizeof(BusRange));
	return bus;
}

void bus_free(Bus *bus)
{
	if (!bus)
		return;
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

static const BusRange *bus_find(const Bus *bus, guint64 address)
{
	guint index = bus_search(bus, address);
	const BusRange *range;

	if (index == bus->ranges->len)
		return NULL;
	range = &g_array_index(bus->ranges, BusRange, index);
	return range->start <= address ? range : NULL;
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
	const BusRange *range = bus_find(bus, address);
	guint64 value = value_mask(size);
	guint done = 0;

	if (!range)
		return value;
	while (done < size && address + done <= range->last) {
		guint64 left = MIN(size - done, range->last - (address + done) + 1);
		guint width = access_width(range, left);
		guint64 part = range->operations->read(range->device, address + done - range->start,
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
	const BusRange *range = bus_find(bus, address);
	guint done = 0;

	if (!range)
		return;
	while (done < size && address + done <= range->last) {
		guint64 left = MIN(size - done, range->last - (address + done) + 1);
		guint width = access_width(range, left);

		range->operations->write(range->device, address + done - range->start, width,
					 (value >> (done * 8)) & value_mask(width));
		done += width;
		if (address + done < address)
			break;
	}
}
