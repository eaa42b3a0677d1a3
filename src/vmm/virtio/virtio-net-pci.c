/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-net-pci.c - a network card as it is described */
#include "vmm/virtio/virtio-net-pci.h"

#include <glib/gi18n.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#include "vmm/backend/guest-copy.h"
#include "vmm/backend/io-ring.h"
#include "vmm/backend/net.h"
#include "vmm/device/dma-choice.h"
#include "vmm/log.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio-net.h"

#define NET_CLASS	   0x020000
#define QUEUE_SIZE_DEFAULT 256u
#define MTU_MIN		   68u
#define MTU_MAX		   65535u

/* So that all queues, and control, are no more than a device may have. */
#define PAIRS_MAX ((VIRTIO_DEVICE_QUEUES_MAX - 1) / 2)

typedef struct {
	VirtioOptions options;
	char *mac;
	guint64 host_mtu; /* 0: the guest is not told */
	gboolean mq;
	guint64 queues;
	gboolean link;
	guint64 rx_queue_size;
	guint dma; /* DmaChoice */
	JsonObject *netdev;
	char *rom_fd;
} NetDescription;

static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS(NetDescription, options),
	{ .name = "mac",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(NetDescription, mac),
	  .is_required = TRUE },
	{ .name = "host_mtu",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(NetDescription, host_mtu),
	  .value = 0,
	  .minimum = MTU_MIN,
	  .maximum = MTU_MAX },
	{ .name = "mq", .type = JSON_FIELD_BOOL, .offset = G_STRUCT_OFFSET(NetDescription, mq) },
	{ .name = "queues",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(NetDescription, queues),
	  .value = 1,
	  .minimum = 1,
	  .maximum = PAIRS_MAX },
	{ .name = "link",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(NetDescription, link),
	  .value = TRUE },
	{ .name = "rx_queue_size",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(NetDescription, rx_queue_size),
	  .value = QUEUE_SIZE_DEFAULT,
	  .minimum = 64,
	  .maximum = VIRTIO_QUEUE_SIZE_MAX },
	DMA_CHOICE_FIELD(NetDescription, dma),
	{ .name = "netdev",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(NetDescription, netdev),
	  .is_required = TRUE },
	{ .name = "rom-fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(NetDescription, rom_fd) },
	{ .name = NULL },
};

typedef enum { NETDEV_STREAM, NETDEV_TAP } NetdevType;

typedef struct {
	guint type; /* NetdevType */
	char *fd;
	GStrv fds;
} NetdevDescription;

static const char *const netdev_types[] = {
	[NETDEV_STREAM] = "stream",
	[NETDEV_TAP] = "tap",
	NULL,
};

static const JsonField netdev_fields[] = {
	{ .name = "type",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(NetdevDescription, type),
	  .is_required = TRUE,
	  .choices = netdev_types },
	{ .name = "fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(NetdevDescription, fd) },
	{ .name = "fds",
	  .type = JSON_FIELD_STRINGS,
	  .offset = G_STRUCT_OFFSET(NetdevDescription, fds) },
	{ .name = NULL },
};

/* "52:54:00:12:34:56", of one card and not of many. */
static gboolean parse_mac(const char *text, guint8 mac[NET_MAC_SIZE])
{
	for (guint i = 0; i < NET_MAC_SIZE; i++, text += 3) {
		const int high = g_ascii_xdigit_value(text[0]);
		const int low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);

		if (low < 0 || text[2] != (i + 1 < NET_MAC_SIZE ? ':' : '\0'))
			return FALSE;
		mac[i] = (guint8)(high << 4 | low);
	}
	return !(mac[0] & 1);
}

static NetBackend *open_stream(const DeviceContext *context, const NetdevDescription *netdev,
			       GError **error)
{
	int fd;

	if (!netdev->fd) {
		json_fields_refuse(error, context->owner, "netdev.fd", _("it has to be there"));
		return NULL;
	}
	fd = descriptor_table_take(context->descriptors, context->owner, "netdev.fd", netdev->fd,
				   error);
	return fd < 0 ? NULL : net_stream_new(fd, context->id, error);
}

static NetBackend *open_tap(const DeviceContext *context, const NetdevDescription *netdev,
			    GError **error)
{
	const guint n = netdev->fds ? g_strv_length(netdev->fds) : 0;
	g_autofree int *fds = g_new(int, n);
	guint n_taken = 0;

	if (n < 1 || n > PAIRS_MAX) {
		json_fields_refuse(error, context->owner, "netdev.fds",
				   _("it has to have a descriptor for each pair of queues"));
		return NULL;
	}
	while (n_taken < n) {
		fds[n_taken] = descriptor_table_take(context->descriptors, context->owner,
						     "netdev.fds", netdev->fds[n_taken], error);
		if (fds[n_taken] < 0)
			break;
		n_taken++;
	}
	if (n_taken == n)
		return net_tap_new(fds, n, context->id, error);
	while (n_taken > 0)
		close(fds[--n_taken]);
	return NULL;
}

static NetBackend *open_netdev(const DeviceContext *context, JsonObject *object, GError **error)
{
	g_autofree char *owner = g_strdup_printf("%s: netdev", context->owner);
	NetdevDescription netdev = { 0 };
	const JsonFieldSet set = { netdev_fields, &netdev };
	NetBackend *backend;

	if (!json_fields_read(object, owner, &set, 1, error))
		return NULL;
	backend = netdev.type == NETDEV_TAP ? open_tap(context, &netdev, error) :
					      open_stream(context, &netdev, error);
	json_fields_clear(&set, 1);
	return backend;
}

static gboolean check(const DeviceContext *context, const NetDescription *description,
		      VirtioNetConfig *config, GError **error)
{
	if (!parse_mac(description->mac, config->mac))
		return json_fields_refuse(error, context->owner, "mac",
					  _("it is no MAC address of one card"));
	if (description->rx_queue_size & (description->rx_queue_size - 1))
		return json_fields_refuse(error, context->owner, "rx_queue_size",
					  _("it is no power of two"));
	return TRUE;
}

/* What firmware boots by; none where the description names none. */
static gboolean take_rom(const DeviceContext *context, const NetDescription *description,
			 VirtioDeviceConfig *config, GError **error)
{
	if (!description->rom_fd)
		return TRUE;
	config->rom_fd = descriptor_table_take(context->descriptors, context->owner, "rom-fd",
					       description->rom_fd, error);
	config->has_rom = config->rom_fd >= 0;
	return config->has_rom;
}

static VirtioDevice *make_device(const DeviceContext *context, const NetDescription *description,
				 VirtioDeviceConfig *config, GError **error)
{
	VirtioDevice *device;

	if (!take_rom(context, description, config, error))
		return NULL;
	device = virtio_pci_new(context, &description->options, config, error);
	if (config->has_rom)
		close(config->rom_fd);
	return device;
}

G_STATIC_ASSERT(VIRTIO_NET_BATCH <= GUEST_COPY_SIZE);

/* NULL where it is not needed, or not wanted, or cannot be had. */
static GuestCopy *make_copy(const DeviceContext *context, const NetDescription *description)
{
	g_autoptr(GError) error = NULL;
	GuestCopy *copy;

	if (description->dma == DMA_CHOICE_WINDOW || !memory_can_be_registered(context->memory))
		return NULL;
	copy = guest_copy_new(context->memory, &error);
	if (!copy)
		log_warning(context->id, _("each frame opens a window: %s"), error->message);
	return copy;
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const NetDescription *description = opaque;
	VirtioNetConfig config = {
		.mtu = (guint)description->host_mtu,
		.has_multiqueue = description->mq,
		.is_link_up = description->link,
	};
	VirtioDeviceConfig device_config = {
		.name = "virtio-net",
		.device_id = VIRTIO_ID_NET,
		.class_code = NET_CLASS,
		.queue_size = (guint16)description->rx_queue_size,
		.config_size = VIRTIO_NET_CONFIG_SIZE,
		.operations = &virtio_net_operations,
		.uses_windows = description->dma == DMA_CHOICE_WINDOW,
	};
	NetBackend *backend;
	VirtioDevice *device;
	VirtioNet *net;

	if (!check(context, description, &config, error) ||
	    !dma_choice_check(context, description->dma, error))
		return FALSE;
	backend = open_netdev(context, description->netdev, error);
	if (!backend)
		return FALSE;
	if (net_queues(backend) != description->queues) {
		net_free(backend);
		return json_fields_refuse(error, context->owner, "queues",
					  _("it is not the number of the netdev's descriptors"));
	}
	device_config.n_queues = virtio_net_queues(&config, backend);
	net = virtio_net_new(&config, backend);
	device_config.opaque = net;
	device = make_device(context, description, &device_config, error);
	if (!device) {
		virtio_net_operations.free(net);
		return FALSE;
	}
	virtio_net_attach(net, device, make_copy(context, description));
	return TRUE;
}

const DeviceType virtio_net_type = {
	.name = "virtio-net-pci",
	.is_pci = TRUE,
	.boot_name = "ethernet",
	.boot_unit = "ethernet-phy@0",
	.fields = fields,
	.description_size = sizeof(NetDescription),
	.create = create,
};
