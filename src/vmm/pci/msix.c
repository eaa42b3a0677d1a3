/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msix.c - MSI-X: messages of a function, from any thread */
#include "vmm/pci/msix.h"

#include <string.h>
#include <unistd.h>

#define PBA_UNIT 64u /* bits of pending vectors that are accessed as one */

enum {
	CONTROL_WRITABLE = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
	PBA_OFFSET_MIN = 0x800,
};

typedef struct {
	int fd; /* -1: not opened yet */
	guint number;
	gboolean is_pending;
	/* What a write to the descriptor sends. */
	gboolean is_aimed;
	guint64 address;
	guint32 data;
} Vector;

struct PciMsix {
	PciFunction *function;
	DeviceMessages messages;
	guint capability;
	guint count;
	guint pba_offset;

	GMutex lock;
	gboolean is_enabled;
	gboolean may_send; /* enabled, not masked as a whole, and a master of the bus */
	Vector *vectors;
	guint8 *table; /* as the guest reads it */
};

/* What follows is called with the lock held. */

static guint32 table_get(const PciMsix *msix, guint vector, guint offset)
{
	guint32 value;

	memcpy(&value, msix->table + vector * PCI_MSIX_ENTRY_SIZE + offset, sizeof(value));
	return value;
}

static void table_set(PciMsix *msix, guint vector, guint offset, guint32 value)
{
	memcpy(msix->table + vector * PCI_MSIX_ENTRY_SIZE + offset, &value, sizeof(value));
}

static gboolean is_masked(const PciMsix *msix, guint vector)
{
	return !msix->may_send ||
	       table_get(msix, vector, PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void aim(PciMsix *msix, Vector *vector, guint64 address, guint32 data)
{
	if (vector->is_aimed && vector->address == address && vector->data == data)
		return;
	vector->is_aimed = TRUE;
	vector->address = address;
	vector->data = data;
	msix->messages.aim(msix->messages.opaque, vector->number, address, data);
}

static void send(const Vector *vector)
{
	const guint64 one = 1;

	/* It is full only while KVM has as many as it can count: then one more says nothing. */
	if (write(vector->fd, &one, sizeof(one)) < 0)
		return;
}

/* A vector that is not masked is aimed, so that sending is all that is left to do. */
static void update_vector(PciMsix *msix, guint index)
{
	Vector *vector = &msix->vectors[index];
	guint64 high = table_get(msix, index, PCI_MSIX_ENTRY_UPPER_ADDR);

	if (is_masked(msix, index))
		return;
	aim(msix, vector, high << 32 | table_get(msix, index, PCI_MSIX_ENTRY_LOWER_ADDR),
	    table_get(msix, index, PCI_MSIX_ENTRY_DATA));
	if (vector->is_pending) {
		vector->is_pending = FALSE;
		send(vector);
	}
}

static guint64 pending_bits(const PciMsix *msix, guint unit)
{
	guint64 bits = 0;

	for (guint i = 0; i < PBA_UNIT && unit * PBA_UNIT + i < msix->count; i++)
		bits |= (guint64)msix->vectors[unit * PBA_UNIT + i].is_pending << i;
	return bits;
}

/* The BAR */

static guint64 read_bytes(const guint8 *bytes, guint64 offset, guint size, guint64 end)
{
	guint64 value = 0;

	if (offset < end)
		memcpy(&value, bytes + offset, MIN(size, end - offset));
	return value;
}

static guint64 bar_read(void *device, guint64 offset, guint size)
{
	PciMsix *msix = device;
	guint64 value;

	g_mutex_lock(&msix->lock);
	if (offset < msix->pba_offset) {
		value = read_bytes(msix->table, offset, size,
				   (guint64)msix->count * PCI_MSIX_ENTRY_SIZE);
	} else {
		guint64 at = offset - msix->pba_offset;

		value = pending_bits(msix, at / sizeof(guint64)) >> (at % sizeof(guint64) * 8);
	}
	g_mutex_unlock(&msix->lock);
	return value;
}

/* Of a vector's control only the mask can be written; pending bits not at all. */
static void bar_write(void *device, guint64 offset, guint size, guint64 value)
{
	PciMsix *msix = device;
	guint64 end = (guint64)msix->count * PCI_MSIX_ENTRY_SIZE;
	guint first = offset / PCI_MSIX_ENTRY_SIZE;

	if (offset >= end)
		return;
	size = MIN(size, end - offset);
	g_mutex_lock(&msix->lock);
	memcpy(msix->table + offset, &value, size);
	for (guint i = first; i <= (offset + size - 1) / PCI_MSIX_ENTRY_SIZE; i++) {
		guint32 control = table_get(msix, i, PCI_MSIX_ENTRY_VECTOR_CTRL);

		table_set(msix, i, PCI_MSIX_ENTRY_VECTOR_CTRL,
			  control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
		update_vector(msix, i);
	}
	g_mutex_unlock(&msix->lock);
}

static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 8,
};

/* Life */

static gboolean open_vectors(PciMsix *msix, GError **error)
{
	for (guint i = 0; i < msix->count; i++) {
		Vector *vector = &msix->vectors[i];

		vector->fd = msix->messages.open(msix->messages.opaque, &vector->number, error);
		if (vector->fd < 0)
			return FALSE;
	}
	return TRUE;
}

/* Every vector is masked. */
static void clear_table(PciMsix *msix)
{
	memset(msix->table, 0, msix->count * (gsize)PCI_MSIX_ENTRY_SIZE);
	for (guint i = 0; i < msix->count; i++) {
		table_set(msix, i, PCI_MSIX_ENTRY_VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
		msix->vectors[i].is_pending = FALSE;
	}
}

/* A power of two that the table fits in. */
static guint pba_offset_of(guint count)
{
	guint offset = PBA_OFFSET_MIN;

	while (offset < count * PCI_MSIX_ENTRY_SIZE)
		offset *= 2;
	return offset;
}

static void add_to_function(PciMsix *msix, guint bar)
{
	guint at = pci_function_add_capability(msix->function, PCI_CAP_ID_MSIX,
					       PCI_CAP_MSIX_SIZEOF);

	msix->capability = at;
	pci_function_set_register(msix->function, at + PCI_MSIX_FLAGS, 2, msix->count - 1,
				  CONTROL_WRITABLE, 0);
	pci_function_set_register(msix->function, at + PCI_MSIX_TABLE, 4, bar, 0, 0);
	pci_function_set_register(msix->function, at + PCI_MSIX_PBA, 4, msix->pba_offset | bar, 0,
				  0);
	pci_function_add_bar(msix->function, bar, PCI_BASE_ADDRESS_SPACE_MEMORY,
			     2ull * msix->pba_offset, &bar_operations, msix);
}

PciMsix *pci_msix_new(PciFunction *function, guint bar, guint count, const DeviceMessages *messages,
		      GError **error)
{
	g_autoptr(PciMsix) msix = g_new0(PciMsix, 1);

	g_assert(count >= 1 && count <= PCI_MSIX_VECTORS_MAX);
	msix->function = function;
	msix->messages = *messages;
	msix->count = count;
	msix->pba_offset = pba_offset_of(count);
	g_mutex_init(&msix->lock);
	msix->vectors = g_new0(Vector, count);
	msix->table = g_malloc0(count * (gsize)PCI_MSIX_ENTRY_SIZE);
	for (guint i = 0; i < count; i++)
		msix->vectors[i].fd = -1;
	clear_table(msix);
	add_to_function(msix, bar);
	if (!open_vectors(msix, error))
		return NULL;
	return g_steal_pointer(&msix);
}

void pci_msix_free(PciMsix *msix)
{
	if (!msix)
		return;
	for (guint i = 0; i < msix->count; i++)
		if (msix->vectors[i].fd >= 0)
			msix->messages.close(msix->messages.opaque, msix->vectors[i].number);
	g_free(msix->table);
	g_free(msix->vectors);
	g_mutex_clear(&msix->lock);
	g_free(msix);
}

void pci_msix_config_written(PciMsix *msix)
{
	guint control = pci_function_get(msix->function, msix->capability + PCI_MSIX_FLAGS, 2);
	guint command = pci_function_get(msix->function, PCI_COMMAND, 2);
	gboolean could_send;

	g_mutex_lock(&msix->lock);
	could_send = msix->may_send;
	msix->is_enabled = (control & PCI_MSIX_FLAGS_ENABLE) != 0;
	msix->may_send = msix->is_enabled && !(control & PCI_MSIX_FLAGS_MASKALL) &&
			 command & PCI_COMMAND_MASTER;
	if (msix->may_send && !could_send)
		for (guint i = 0; i < msix->count; i++)
			update_vector(msix, i);
	g_mutex_unlock(&msix->lock);
}

void pci_msix_reset(PciMsix *msix)
{
	g_mutex_lock(&msix->lock);
	msix->is_enabled = FALSE;
	msix->may_send = FALSE;
	clear_table(msix);
	g_mutex_unlock(&msix->lock);
}

gboolean pci_msix_is_enabled(PciMsix *msix)
{
	gboolean is_enabled;

	g_mutex_lock(&msix->lock);
	is_enabled = msix->is_enabled;
	g_mutex_unlock(&msix->lock);
	return is_enabled;
}

gboolean pci_msix_send(PciMsix *msix, guint vector)
{
	gboolean is_enabled;

	g_mutex_lock(&msix->lock);
	is_enabled = msix->is_enabled;
	if (is_enabled && vector < msix->count) {
		if (is_masked(msix, vector))
			msix->vectors[vector].is_pending = TRUE;
		else
			send(&msix->vectors[vector]);
	}
	g_mutex_unlock(&msix->lock);
	return is_enabled;
}
