/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msi.c - MSI: the one message of a function, from any thread */
#include "vmm/pci/msi.h"

#include <unistd.h>

struct PciMsi {
	PciFunction *function;
	DeviceMessages messages;
	guint capability;
	int fd;
	guint number;

	GMutex lock;
	gboolean is_enabled;
	gboolean may_send; /* enabled, and a master of the bus */
	gboolean is_aimed;
	guint64 address;
	guint32 data;
};

PciMsi *pci_msi_new(PciFunction *function, const DeviceMessages *messages, GError **error)
{
	PciMsi *msi = g_new0(PciMsi, 1);

	msi->function = function;
	msi->messages = *messages;
	g_mutex_init(&msi->lock);
	msi->capability = pci_function_add_msi(function);
	msi->fd = messages->open(messages->opaque, &msi->number, error);
	if (msi->fd >= 0)
		return msi;
	pci_msi_free(msi);
	return NULL;
}

void pci_msi_free(PciMsi *msi)
{
	if (!msi)
		return;
	if (msi->fd >= 0)
		msi->messages.close(msi->messages.opaque, msi->number);
	g_mutex_clear(&msi->lock);
	g_free(msi);
}

/* A message that may be sent is aimed, so that sending is all that is left to do. */
static void aim(PciMsi *msi)
{
	const guint at = msi->capability;
	const guint64 high = pci_function_get(msi->function, at + PCI_MSI_ADDRESS_HI, 4);
	const guint64 address = high << 32 |
				pci_function_get(msi->function, at + PCI_MSI_ADDRESS_LO, 4);
	const guint32 data = pci_function_get(msi->function, at + PCI_MSI_DATA_64, 2);

	if (msi->is_aimed && msi->address == address && msi->data == data)
		return;
	msi->is_aimed = TRUE;
	msi->address = address;
	msi->data = data;
	msi->messages.aim(msi->messages.opaque, msi->number, address, data);
}

void pci_msi_config_written(PciMsi *msi)
{
	const guint command = pci_function_get(msi->function, PCI_COMMAND, 2);

	g_mutex_lock(&msi->lock);
	msi->is_enabled = pci_function_is_msi_enabled(msi->function);
	msi->may_send = msi->is_enabled && command & PCI_COMMAND_MASTER;
	if (msi->may_send)
		aim(msi);
	g_mutex_unlock(&msi->lock);
}

gboolean pci_msi_is_enabled(PciMsi *msi)
{
	gboolean is_enabled;

	g_mutex_lock(&msi->lock);
	is_enabled = msi->is_enabled;
	g_mutex_unlock(&msi->lock);
	return is_enabled;
}

gboolean pci_msi_send(PciMsi *msi)
{
	const guint64 one = 1;
	gboolean is_enabled;

	g_mutex_lock(&msi->lock);
	is_enabled = msi->is_enabled;
	/* It is full only while KVM has as many as it can count: then one more says nothing. */
	if (msi->may_send && write(msi->fd, &one, sizeof(one)) < 0)
		is_enabled = TRUE;
	g_mutex_unlock(&msi->lock);
	return is_enabled;
}
