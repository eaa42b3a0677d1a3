/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-device.c - devices as the VMM is told of them */
#include "driver/vmm/vmm-device.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/safe-file.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-connect.h"

/* What virtio has room for; longer serial numbers are cut, as with QEMU. */
#define MAX_SERIAL 20

static int connect_to_server(const DomainDisk *disk, GError **error)
{
	g_autoptr(GError) cause = NULL;
	const int fd = disk->nbd_socket ?
			       vmm_connect_to_socket(disk->target, disk->nbd_socket, &cause) :
			       vmm_connect_to_host(disk->nbd_host, (guint16)disk->nbd_port, &cause);

	if (fd < 0)
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("disk %s: cannot connect to '%s': %s"), disk->target,
			     disk->nbd_socket ? disk->nbd_socket : disk->nbd_host,
			     cause ? cause->message : g_strerror(errno));
	return fd;
}

int vmm_device_open_disk(const DomainDisk *disk, uid_t vmm_uid, GError **error)
{
	/* Translators: "disk vda" */
	g_autofree char *what = g_strdup_printf(_("disk %s"), disk->target);

	if (disk->type == DOMAIN_DISK_NETWORK)
		return connect_to_server(disk, error);
	if (disk->type == DOMAIN_DISK_BLOCK)
		return safe_file_open_block_device(what, disk->path, !disk->is_readonly, error);
	return disk->is_readonly ? safe_file_open_image(what, disk->path, error) :
				   safe_file_open_image_update(what, disk->path, vmm_uid, error);
}

int vmm_device_open_rng(const DomainRng *rng, GError **error)
{
	return safe_file_open_random_source(_("random number generator"), rng->path, error);
}

/* @addr: NULL where the bus says it all */
static JsonObject *describe_at(const char *driver, const DomainDeviceInfo *info, const char *bus,
			       const char *addr, guint boot_index)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", driver);
	json_object_set_string_member(object, "id", info->alias);
	json_object_set_string_member(object, "bus", bus);
	if (addr)
		json_object_set_string_member(object, "addr", addr);
	if (boot_index > 0)
		json_object_set_int_member(object, "bootindex", boot_index);
	return object;
}

/* A PCI device, behind the root port whose bus it names. */
static JsonObject *describe(const char *driver, const DomainDeviceInfo *info, guint boot_index)
{
	g_autofree char *bus = g_strdup_printf("pci.%u", info->address.bus);

	return describe_at(driver, info, bus, "0x0", boot_index);
}

/* A drive at its port of the SATA controller. */
static JsonObject *describe_drive(const DomainDisk *disk, guint boot_index)
{
	g_autofree char *bus = g_strdup_printf("sata0.%u", disk->unit);
	JsonObject *object = describe_at(disk->is_cdrom ? "ide-cd" : "ide-hd", &disk->info, bus,
					 NULL, boot_index);

	if (disk->wwn > 0)
		json_object_set_int_member(object, "wwn", (gint64)disk->wwn);
	return object;
}

static void set_switch(JsonObject *object, const char *name, DomainSwitch value)
{
	if (value != DOMAIN_SWITCH_ABSENT)
		json_object_set_boolean_member(object, name, value == DOMAIN_SWITCH_YES);
}

static void set_number(JsonObject *object, const char *name, guint value)
{
	if (value > 0)
		json_object_set_int_member(object, name, value);
}

static void set_virtio_options(JsonObject *object, const DomainVirtioOptions *options)
{
	set_switch(object, "iommu_platform", options->iommu);
	set_switch(object, "packed", options->packed);
}

static void set_dma(JsonObject *object, DomainDma dma)
{
	if (dma != DOMAIN_DMA_DEFAULT)
		json_object_set_string_member(object, "dma", domain_dma_name(dma));
}

JsonObject *vmm_device_describe_medium(const DomainDisk *disk, const char *fd)
{
	static const char *const detect_zeroes[] = {
		[DOMAIN_DISK_DETECT_ZEROES_DEFAULT] = "off",
		[DOMAIN_DISK_DETECT_ZEROES_OFF] = "off",
		[DOMAIN_DISK_DETECT_ZEROES_ON] = "on",
		[DOMAIN_DISK_DETECT_ZEROES_UNMAP] = "unmap",
	};
	const gboolean discards = disk->discard == DOMAIN_DISK_DISCARD_UNMAP;
	const gboolean is_served = domain_disk_is_served(disk);
	DomainDiskDetectZeroes zeroes = disk->detect_zeroes;
	JsonObject *object = json_object_new();

	/* Who serves the disk looks for zeroes itself. */
	if (is_served)
		zeroes = DOMAIN_DISK_DETECT_ZEROES_OFF;
	/* As libvirt has it: what is not to be given up is written. */
	if (zeroes == DOMAIN_DISK_DETECT_ZEROES_UNMAP && !discards)
		zeroes = DOMAIN_DISK_DETECT_ZEROES_ON;
	json_object_set_string_member(
		object, "driver", disk->type == DOMAIN_DISK_NETWORK || is_served ? "nbd" : "raw");
	json_object_set_string_member(object, "fd", fd);
	if (disk->path)
		json_object_set_string_member(object, "filename", disk->path);
	if (disk->type == DOMAIN_DISK_NETWORK)
		json_object_set_string_member(object, "export",
					      disk->nbd_export ? disk->nbd_export : "");
	else if (is_served)
		json_object_set_string_member(object, "export", disk->target);
	json_object_set_boolean_member(object, "read-only", disk->is_readonly);
	json_object_set_boolean_member(object, "direct", domain_disk_is_direct(disk));
	json_object_set_boolean_member(object, "no-flush", disk->cache == DOMAIN_DISK_CACHE_UNSAFE);
	json_object_set_string_member(object, "discard", discards ? "unmap" : "ignore");
	json_object_set_string_member(object, "detect-zeroes", detect_zeroes[zeroes]);
	return object;
}

static void set_policy(JsonObject *object, const char *name, DomainDiskErrorPolicy policy)
{
	static const char *const names[] = {
		[DOMAIN_DISK_ERROR_STOP] = "stop",
		[DOMAIN_DISK_ERROR_REPORT] = "report",
		[DOMAIN_DISK_ERROR_IGNORE] = "ignore",
		[DOMAIN_DISK_ERROR_ENOSPACE] = "enospc",
	};

	if (policy != DOMAIN_DISK_ERROR_DEFAULT)
		json_object_set_string_member(object, name, names[policy]);
}

static JsonObject *describe_throttling(const DomainIotune *iotune)
{
	JsonObject *object = json_object_new();

	for (guint i = 0; i < DOMAIN_IOTUNE_COUNT; i++)
		if (iotune->values[i])
			json_object_set_int_member(object, domain_iotune_names[i].description,
						   (gint64)iotune->values[i]);
	return object;
}

JsonObject *vmm_device_describe_disk(const DomainDisk *disk, const char *fd, guint boot_index)
{
	const gboolean is_virtio = disk->bus == DOMAIN_DISK_VIRTIO;
	JsonObject *object = is_virtio ? describe("virtio-blk-pci", &disk->info, boot_index) :
					 describe_drive(disk, boot_index);

	if (disk->serial) {
		g_autofree char *serial = g_strndup(disk->serial, MAX_SERIAL);

		json_object_set_string_member(object, "serial", serial);
	}
	if (disk->iothread > 0) {
		g_autofree char *iothread = vmm_device_iothread_id(disk->iothread);

		json_object_set_string_member(object, "iothread", iothread);
	}
	set_number(object, "num-queues", disk->queues);
	set_number(object, "queue-size", disk->queue_size);
	if (is_virtio)
		set_number(object, "logical_block_size", disk->logical_block_size);
	set_number(object, "physical_block_size", disk->physical_block_size);
	if (!disk->is_cdrom)
		json_object_set_boolean_member(object, "write-cache",
					       disk->cache != DOMAIN_DISK_CACHE_WRITETHROUGH &&
						       disk->cache != DOMAIN_DISK_CACHE_DIRECTSYNC);
	set_policy(object, "rerror", disk->read_error);
	set_policy(object, "werror", disk->write_error);
	if (disk->is_shareable)
		json_object_set_boolean_member(object, "share-rw", TRUE);
	set_dma(object, disk->dma);
	set_virtio_options(object, &disk->virtio);
	if (!domain_iotune_is_empty(&disk->iotune))
		json_object_set_object_member(object, "throttling",
					      describe_throttling(&disk->iotune));
	if (fd)
		json_object_set_object_member(object, "blockdev",
					      vmm_device_describe_medium(disk, fd));
	return object;
}

JsonObject *vmm_device_describe_sata(void)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", "ich9-ahci");
	json_object_set_string_member(object, "id", "sata0");
	json_object_set_string_member(object, "bus", "pcie.0");
	json_object_set_string_member(object, "addr", "0x1f.0x2");
	return object;
}

JsonObject *vmm_device_describe_rng(const DomainRng *rng, const char *fd)
{
	JsonObject *object = describe("virtio-rng-pci", &rng->info, 0);

	if (fd)
		json_object_set_string_member(object, "rng-fd", fd);
	if (rng->rate_bytes > 0) {
		json_object_set_int_member(object, "max-bytes", rng->rate_bytes);
		json_object_set_int_member(object, "period",
					   rng->rate_period > 0 ? rng->rate_period : 1000);
	}
	set_virtio_options(object, &rng->virtio);
	return object;
}

JsonObject *vmm_device_describe_memballoon(const DomainMemballoon *memballoon)
{
	JsonObject *object = describe("virtio-balloon-pci", &memballoon->info, 0);

	set_switch(object, "deflate-on-oom", memballoon->autodeflate);
	set_switch(object, "free-page-reporting", memballoon->free_page_reporting);
	set_virtio_options(object, &memballoon->virtio);
	return object;
}

static JsonObject *describe_tap(const char *const *fds)
{
	JsonObject *object = json_object_new();
	JsonArray *array = json_array_new();

	json_object_set_string_member(object, "type", "tap");
	for (; *fds; fds++)
		json_array_add_string_element(array, *fds);
	json_object_set_array_member(object, "fds", array);
	return object;
}

static JsonObject *describe_stream(const char *fd)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "type", "stream");
	json_object_set_string_member(object, "fd", fd);
	return object;
}

JsonObject *vmm_device_describe_interface(const DomainInterface *interface, const char *const *fds,
					  guint boot_index)
{
	JsonObject *object = describe("virtio-net-pci", &interface->info, boot_index);
	char mac[DOMAIN_MAC_STRING_SIZE];

	domain_mac_format(interface->mac, mac);
	json_object_set_string_member(object, "mac", mac);
	set_number(object, "host_mtu", interface->mtu);
	if (interface->queues > 1) {
		json_object_set_boolean_member(object, "mq", TRUE);
		json_object_set_int_member(object, "queues", interface->queues);
	}
	json_object_set_boolean_member(object, "link", interface->link != DOMAIN_LINK_DOWN);
	set_dma(object, interface->dma);
	set_virtio_options(object, &interface->virtio);
	json_object_set_object_member(object, "netdev",
				      interface->type == DOMAIN_INTERFACE_USER ?
					      describe_stream(fds[0]) :
					      describe_tap(fds));
	return object;
}

/* The same as QEMU takes, of which a BIOS has the first image. */
static const char *const default_roms[] = {
	"/usr/lib/ipxe/qemu/efi-virtio.rom",
	"/usr/lib/ipxe/qemu/pxe-virtio.rom",
};

static gboolean is_bios(const DomainDef *def)
{
	return def->loader ? def->loader_type != DOMAIN_LOADER_PFLASH : !def->kernel;
}

static const char *find_rom(const DomainDef *def, const DomainInterface *interface)
{
	if (interface->has_rom == DOMAIN_SWITCH_NO)
		return NULL;
	if (interface->rom)
		return *interface->rom ? interface->rom : NULL;
	if (!is_bios(def) || domain_boot_index(def, &interface->info) == 0)
		return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(default_roms); i++)
		if (access(default_roms[i], R_OK) == 0)
			return default_roms[i];
	return NULL;
}

gboolean vmm_device_open_rom(const DomainDef *def, const DomainInterface *interface, int *fd,
			     GError **error)
{
	const char *path = find_rom(def, interface);

	*fd = path ? safe_file_open_input(_("option ROM"), path, error) : -1;
	return !path || *fd >= 0;
}

void vmm_device_describe_rom(JsonObject *description, const char *fd)
{
	json_object_set_string_member(description, "rom-fd", fd);
}

JsonObject *vmm_device_describe_input(const DomainInput *input)
{
	g_autofree char *driver = g_strdup_printf("virtio-%s-pci", domain_input_type_name(input));
	JsonObject *object = describe(driver, &input->info, 0);

	set_virtio_options(object, &input->virtio);
	return object;
}

/* A device of the board. */
static JsonObject *describe_on_board(const char *driver, const char *id)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", driver);
	json_object_set_string_member(object, "id", id);
	return object;
}

JsonObject *vmm_device_describe_watchdog(const DomainWatchdog *watchdog)
{
	JsonObject *object = watchdog->model == DOMAIN_WATCHDOG_ITCO ?
				     describe_on_board("itco", watchdog->info.alias) :
				     describe("i6300esb", &watchdog->info, 0);

	json_object_set_string_member(object, "action",
				      domain_watchdog_action_name(watchdog->action));
	return object;
}

JsonObject *vmm_device_describe_genid(const guint8 *genid)
{
	JsonObject *object = describe_on_board("vmgenid", "vmgenid0");
	char text[VIR_UUID_STRING_BUFLEN];

	uuid_format(genid, text);
	json_object_set_string_member(object, "guid", text);
	return object;
}

JsonObject *vmm_device_describe_vmcoreinfo(void)
{
	return describe_on_board("vmcoreinfo", "vmcoreinfo0");
}

JsonObject *vmm_device_describe_panic(const DomainPanic *panic)
{
	JsonObject *object = describe_on_board("pvpanic", panic->alias ? panic->alias : "panic0");

	set_number(object, "ioport", panic->port);
	return object;
}

#define IOTHREAD_PREFIX "iothread"

char *vmm_device_iothread_id(guint id)
{
	return g_strdup_printf(IOTHREAD_PREFIX "%u", id);
}

guint vmm_device_parse_iothread_id(const char *name)
{
	g_autofree char *again = NULL;
	guint64 id;

	if (!g_str_has_prefix(name, IOTHREAD_PREFIX) ||
	    !g_ascii_string_to_unsigned(name + strlen(IOTHREAD_PREFIX), 10, 1, G_MAXINT, &id, NULL))
		return 0;
	again = vmm_device_iothread_id((guint)id);
	return strcmp(name, again) == 0 ? (guint)id : 0;
}

JsonObject *vmm_device_describe_iothread(guint id)
{
	g_autofree char *name = vmm_device_iothread_id(id);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", "iothread");
	json_object_set_string_member(object, "id", name);
	return object;
}

JsonObject *vmm_device_describe_virtio_serial(const DomainVirtioSerial *controller)
{
	JsonObject *object = describe("virtio-serial-pci", &controller->info, 0);

	json_object_set_int_member(object, "max_ports",
				   controller->ports > 0 ? controller->ports :
							   DOMAIN_VIRTIO_SERIAL_PORTS);
	set_virtio_options(object, &controller->virtio);
	return object;
}

JsonObject *vmm_device_describe_port(const DomainPort *port, const char *fd, const char *log_fd)
{
	g_autofree char *bus = g_strdup_printf("virtio-serial%u.0", port->controller);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver",
				      port->is_console ? "virtconsole" : "virtserialport");
	json_object_set_string_member(object, "id", port->alias);
	json_object_set_string_member(object, "bus", bus);
	json_object_set_int_member(object, "nr", port->port);
	if (port->name)
		json_object_set_string_member(object, "name", port->name);
	json_object_set_object_member(object, "chardev",
				      vmm_chardev_describe(&port->chardev, fd, log_fd));
	return object;
}

/* Its id is libvirt's alias of the controller. */
JsonObject *vmm_device_describe_root_port(const DomainPciController *port)
{
	g_autofree char *id = g_strdup_printf("pci.%u", port->index);
	g_autofree char *address = g_strdup_printf("0x%x.0x%x", port->address.slot,
						   port->address.function);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", "pcie-root-port");
	json_object_set_string_member(object, "id", id);
	json_object_set_string_member(object, "bus", "pcie.0");
	json_object_set_string_member(object, "addr", address);
	json_object_set_boolean_member(object, "multifunction",
				       port->address.multifunction == DOMAIN_SWITCH_YES);
	json_object_set_int_member(object, "chassis", port->chassis);
	json_object_set_int_member(object, "port", port->port);
	return object;
}

char *vmm_device_text(JsonObject *description)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), description);

	return json_to_string(node, FALSE);
}
