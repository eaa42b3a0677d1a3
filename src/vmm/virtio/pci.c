/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci.c - virtio devices on PCI
 *
 * Theory of operation
 *
 * One BAR has the four structures of the standard, each on a page of its own, and another one the
 * MSI-X table. The guest's accesses come with the device lock held, and change what is the device
 * lock's: everything of a VirtioDevice but what is said otherwise below.
 *
 * Queues are the I/O thread's from start to stop. Both are done there by io_thread_call(), for
 * which the vCPU that wrote the register waits: when a write that resets the device returns,
 * nothing of it is in flight any more. Nothing on the I/O thread takes the device lock, so that
 * this ends.
 *
 * An interrupt is sent by whoever has a reason, without the device lock: a vector's message by
 * MSI-X; or else the ISR's bit is set and the main thread is asked to look at the INTx line, which
 * is shared by functions and so is the device lock's.
 */
#include "vmm/virtio/pci.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/device/io-thread-type.h"
#include "vmm/log.h"
#include "vmm/memory/pin.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/pci-bus.h"

#define VENDOR	    0x1af4
#define DEVICE_BASE 0x1040
#define REVISION    1
#define NO_VECTOR   VIRTIO_MSI_NO_VECTOR

enum { MSIX_BAR = 1, STRUCTURES_BAR = 4 };

/* Bits of the ISR. */
enum { ISR_QUEUE = 1 << 0, ISR_CONFIG = 1 << 1 };

/* The structures' BAR. */
enum {
	COMMON_OFFSET = 0x0000,
	ISR_OFFSET = 0x1000,
	CONFIG_OFFSET = 0x2000,
	NOTIFY_OFFSET = 0x3000,
	STRUCTURE_SIZE = 0x1000,
	BAR_SIZE = 0x4000,
	NOTIFY_MULTIPLIER = 4, /* a doorbell of its own for each queue */
};

G_STATIC_ASSERT(VIRTIO_DEVICE_QUEUES_MAX *NOTIFY_MULTIPLIER <= STRUCTURE_SIZE);
G_STATIC_ASSERT(VIRTIO_DEVICE_CONFIG_MAX <= STRUCTURE_SIZE);

/* The common structure: section 4.1.4.3. */
typedef struct {
	guint32 device_feature_select;
	guint32 device_feature;
	guint32 driver_feature_select;
	guint32 driver_feature;
	guint16 config_vector;
	guint16 n_queues;
	guint8 status;
	guint8 generation;
	guint16 queue_select;
	guint16 queue_size;
	guint16 queue_vector;
	guint16 queue_enable;
	guint16 queue_notify_offset;
	guint32 areas[6]; /* of the queue: descriptors, driver, device; low and high */
	guint16 queue_notify_data;
	guint16 queue_reset;
} CommonStructure;

G_STATIC_ASSERT(sizeof(CommonStructure) == 60);

#define COMMON(member) G_STRUCT_OFFSET(CommonStructure, member)

enum { AREA_DESCRIPTORS, AREA_DRIVER, AREA_DEVICE, N_AREAS };

typedef struct {
	VirtioDevice *device;
	guint index;
	VirtioQueue *queue; /* the I/O thread's while it is enabled */
	GSource *source;    /* the same; of kick_fd */

	int kick_fd;
	guint64 doorbell; /* that KVM watches, or 0 */
	gint vector;	  /* atomic */
	guint16 size;
	gboolean is_enabled;
	guint64 areas[N_AREAS];
	MemoryPin *pins[N_AREAS];
} Queue;

struct VirtioDevice {
	VirtioDeviceConfig config;
	char *id;
	gboolean has_iommu_platform;
	gboolean has_packed;
	Memory *memory;
	PciFunction *function;
	PciMsix *msix;
	const DeviceDoorbells *doorbells;
	IoThread *io;
	DmaChannel *dma;   /* the I/O thread's, for this device */
	DeviceSignal intx; /* the ISR has changed */
	LogLimit failures;
	guint cfg_access; /* offset of the capability by which configuration space reaches BARs */
	guint64 bar_address;
	guint64 bar_size; /* 0: it is closed */
	gboolean is_finished;
	gboolean is_master; /* of the bus; one that never was is not kept from it */

	guint32 device_feature_select;
	guint32 driver_feature_select;
	guint64 driver_features;
	guint8 status; /* without DEVICE_NEEDS_RESET, which is: */
	guint16 queue_select;
	Queue *queues;

	/* Atomic. */
	gint needs_reset;
	gint config_vector;
	guint isr;
	gint generation;
	gint is_driven; /* DRIVER_OK is set */

	/* The I/O thread's. */
	gboolean is_started;
	gboolean is_paused;
	gboolean is_held; /* the guest has taken the bus away */
};

/* Interrupts; from any thread */

static void send_interrupt(VirtioDevice *device, guint isr, const gint *vector)
{
	if (pci_msix_send(device->msix, (guint)g_atomic_int_get(vector)))
		return;
	g_atomic_int_or(&device->isr, isr);
	device_signal_send(&device->intx);
}

static void interrupt_for_queue(void *opaque, guint index)
{
	VirtioDevice *device = opaque;

	send_interrupt(device, ISR_QUEUE, &device->queues[index].vector);
}

static void interrupt_for_config(VirtioDevice *device)
{
	send_interrupt(device, ISR_CONFIG, &device->config_vector);
}

/* With the device lock held, as everything from here on. */
static void update_intx(void *opaque)
{
	VirtioDevice *device = opaque;

	pci_function_set_intx(device->function, g_atomic_int_get(&device->isr) != 0 &&
							!pci_msix_is_enabled(device->msix));
}

static guint8 take_isr(VirtioDevice *device)
{
	guint8 isr = (guint8)g_atomic_int_and(&device->isr, 0);

	update_intx(device);
	return isr;
}

void virtio_device_broken(VirtioDevice *device, const GError *error)
{
	log_limited(&device->failures, device->id, "%s", error->message);
	if (g_atomic_int_compare_and_exchange(&device->needs_reset, 0, 1))
		interrupt_for_config(device);
}

void virtio_device_config_changed(VirtioDevice *device)
{
	g_atomic_int_inc(&device->generation);
	/* Before that, firmware say has a line that nobody serves. */
	if (g_atomic_int_get(&device->is_driven))
		interrupt_for_config(device);
}

static void G_GNUC_PRINTF(2, 3) break_device(VirtioDevice *device, const char *format, ...)
{
	g_autoptr(GError) error = NULL;
	va_list arguments;

	va_start(arguments, format);
	error = g_error_new_valist(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, format, arguments);
	va_end(arguments);
	virtio_device_broken(device, error);
}

/* On the I/O thread */

static gboolean is_still(const VirtioDevice *device)
{
	return device->is_paused || device->is_held;
}

static void on_kick(void *opaque)
{
	Queue *queue = opaque;
	VirtioDevice *device = queue->device;
	guint64 kicks;

	if (read(queue->kick_fd, &kicks, sizeof(kicks)) < 0)
		return;
	/* Each queue is looked at after a pause anyway. */
	if (device->is_started && !is_still(device))
		device->config.operations->kicked(device->config.opaque, queue->index);
}

static void kick_all(VirtioDevice *device)
{
	for (guint i = 0; i < device->config.n_queues; i++)
		if (virtio_queue_is_enabled(device->queues[i].queue))
			device->config.operations->kicked(device->config.opaque, i);
}

/* Each queue is looked at when it begins; what was left is nothing to who comes next. */
static void forget_kicks(Queue *queue)
{
	guint64 kicks;

	if (read(queue->kick_fd, &kicks, sizeof(kicks)) < 0)
		return;
}

static void begin_queue(Queue *queue)
{
	VirtioDevice *device = queue->device;
	const VirtioQueueSetup setup = {
		.size = queue->size,
		.is_packed = (device->driver_features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0,
		.has_indirect = (device->driver_features &
				 VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0,
		.has_event_index = (device->driver_features &
				    VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0,
		.descriptors = memory_pin_address(queue->pins[AREA_DESCRIPTORS]),
		.driver = memory_pin_address(queue->pins[AREA_DRIVER]),
		.device = memory_pin_address(queue->pins[AREA_DEVICE]),
		.channel = device->dma,
	};

	forget_kicks(queue);
	virtio_queue_enable(queue->queue, &setup);
	queue->source = io_thread_add_fd(device->io, queue->kick_fd, on_kick, queue);
}

static void end_queue(Queue *queue)
{
	virtio_queue_disable(queue->queue);
	if (!queue->source)
		return;
	g_source_destroy(queue->source);
	g_clear_pointer(&queue->source, g_source_unref);
}

static void start_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;
	const VirtioDeviceOperations *operations = device->config.operations;

	for (guint i = 0; i < device->config.n_queues; i++)
		if (device->queues[i].is_enabled)
			begin_queue(&device->queues[i]);
	device->is_started = TRUE;
	if (operations->start)
		operations->start(device->config.opaque, device->driver_features);
	/* A vCPU that wrote as the machine paused: it has left KVM_RUN, but not yet done this. */
	if (!is_still(device))
		kick_all(device);
	else if (operations->drain)
		operations->drain(device->config.opaque);
}

static void stop_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;
	const VirtioDeviceOperations *operations = device->config.operations;

	if (device->is_started && operations->stop)
		operations->stop(device->config.opaque);
	device->is_started = FALSE;
	for (guint i = 0; i < device->config.n_queues; i++)
		end_queue(&device->queues[i]);
}

static void start_queue_on_thread(void *opaque)
{
	Queue *queue = opaque;
	VirtioDevice *device = queue->device;

	begin_queue(queue);
	if (!is_still(device))
		device->config.operations->kicked(device->config.opaque, queue->index);
}

static void stop_queue_on_thread(void *opaque)
{
	Queue *queue = opaque;
	VirtioDevice *device = queue->device;

	if (device->is_started)
		device->config.operations->stop_queue(device->config.opaque, queue->index);
	end_queue(queue);
}

static void be_still(VirtioDevice *device)
{
	if (device->is_started && device->config.operations->drain)
		device->config.operations->drain(device->config.opaque);
}

static void go_on(VirtioDevice *device)
{
	if (!device->is_started || is_still(device))
		return;
	if (device->config.operations->resume)
		device->config.operations->resume(device->config.opaque);
	kick_all(device);
}

/* Each says so first: the other's end may come while a device is waited for. */
static void pause_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;

	device->is_paused = TRUE;
	be_still(device);
}

static void resume_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;

	device->is_paused = FALSE;
	go_on(device);
}

static void hold_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;

	device->is_held = TRUE;
	be_still(device);
}

static void release_on_thread(void *opaque)
{
	VirtioDevice *device = opaque;

	device->is_held = FALSE;
	go_on(device);
}

/* Doorbells */

static void watch_queue(Queue *queue, guint64 doorbell)
{
	const DeviceDoorbells *doorbells = queue->device->doorbells;

	if (queue->doorbell == doorbell)
		return;
	if (queue->doorbell)
		doorbells->unwatch(doorbells->opaque, queue->doorbell, queue->kick_fd);
	queue->doorbell = 0;
	if (doorbell && doorbells->watch(doorbells->opaque, doorbell, queue->kick_fd))
		queue->doorbell = doorbell;
}

static void update_doorbells(VirtioDevice *device)
{
	gboolean is_open = device->bar_size > 0 && device->status & VIRTIO_CONFIG_S_DRIVER_OK;

	if (!device->doorbells)
		return;
	for (guint i = 0; i < device->config.n_queues; i++) {
		Queue *queue = &device->queues[i];
		guint64 doorbell = device->bar_address + NOTIFY_OFFSET + i * NOTIFY_MULTIPLIER;

		watch_queue(queue, is_open && queue->is_enabled ? doorbell : 0);
	}
}

/* Queues */

/*
 * On the thread of the vCPU that took it away. The I/O thread may be using the ring at this moment;
 * when it has seen this it does not any more, which would show the page to the host again.
 */
static void lose_ring(void *opaque)
{
	Queue *queue = opaque;

	virtio_queue_lose(queue->queue);
	break_device(queue->device, _("queue %u: the guest has made its ring private"),
		     queue->index);
}

static void unpin_queue(Queue *queue)
{
	for (guint i = 0; i < N_AREAS; i++)
		g_clear_pointer(&queue->pins[i], memory_unpin);
}

static void clear_queue(Queue *queue)
{
	unpin_queue(queue);
	queue->is_enabled = FALSE;
	queue->size = queue->device->config.queue_size;
	memset(queue->areas, 0, sizeof(queue->areas));
	g_atomic_int_set(&queue->vector, NO_VECTOR);
}

static gboolean check_queue(const Queue *queue, gboolean is_packed)
{
	const guint alignments[N_AREAS] = {
		[AREA_DESCRIPTORS] = VIRTIO_QUEUE_DESCRIPTOR_ALIGN,
		[AREA_DRIVER] = VIRTIO_QUEUE_DRIVER_ALIGN(is_packed),
		[AREA_DEVICE] = VIRTIO_QUEUE_DEVICE_ALIGN,
	};
	guint size = queue->size;

	if (size == 0 || size > queue->device->config.queue_size)
		return FALSE;
	if (!is_packed && (size & (size - 1)))
		return FALSE;
	for (guint i = 0; i < N_AREAS; i++)
		if (queue->areas[i] % alignments[i] != 0)
			return FALSE;
	return TRUE;
}

static gboolean pin_queue(Queue *queue, gboolean is_packed, GError **error)
{
	const guint64 sizes[N_AREAS] = {
		[AREA_DESCRIPTORS] = virtio_queue_descriptor_bytes(queue->size),
		[AREA_DRIVER] = virtio_queue_driver_bytes(queue->size, is_packed),
		[AREA_DEVICE] = virtio_queue_device_bytes(queue->size, is_packed),
	};

	virtio_queue_find(queue->queue);
	for (guint i = 0; i < N_AREAS; i++) {
		queue->pins[i] = memory_pin(queue->device->memory, queue->areas[i], sizes[i],
					    lose_ring, queue, error);
		if (!queue->pins[i]) {
			unpin_queue(queue);
			return FALSE;
		}
	}
	return TRUE;
}

static void enable_queue(Queue *queue)
{
	VirtioDevice *device = queue->device;
	gboolean is_packed = (device->driver_features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0;
	g_autoptr(GError) error = NULL;

	if (queue->is_enabled)
		return;
	if (!(device->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		break_device(device, _("queue %u: enabled before features are agreed on"),
			     queue->index);
		return;
	}
	if (!check_queue(queue, is_packed)) {
		break_device(device,
			     _("queue %u: size %u, rings at %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64),
			     queue->index, queue->size, queue->areas[AREA_DESCRIPTORS],
			     queue->areas[AREA_DRIVER], queue->areas[AREA_DEVICE]);
		return;
	}
	if (!pin_queue(queue, is_packed, &error)) {
		break_device(device, _("queue %u: %s"), queue->index, error->message);
		return;
	}
	queue->is_enabled = TRUE;
	if (!(device->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	io_thread_call(device->io, start_queue_on_thread, queue);
	update_doorbells(device);
}

static void reset_queue(Queue *queue)
{
	VirtioDevice *device = queue->device;

	if (!(device->driver_features & VIRTIO_FEATURE(VIRTIO_F_RING_RESET)) || !queue->is_enabled)
		return;
	queue->is_enabled = FALSE;
	update_doorbells(device);
	io_thread_call(device->io, stop_queue_on_thread, queue);
	clear_queue(queue);
}

/* Features and status */

static guint64 offered_features(VirtioDevice *device)
{
	const VirtioDeviceOperations *operations = device->config.operations;
	guint64 features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
			   VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
			   VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX);

	if (device->has_packed)
		features |= VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
	if (device->has_iommu_platform)
		features |= VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	if (operations->stop_queue)
		features |= VIRTIO_FEATURE(VIRTIO_F_RING_RESET);
	if (operations->features)
		features |= operations->features(device->config.opaque);
	return features;
}

/* Who was told of an IOMMU has to accept it, as with QEMU. */
static gboolean may_agree(VirtioDevice *device)
{
	guint64 needed = VIRTIO_FEATURE(VIRTIO_F_VERSION_1);

	if (device->has_iommu_platform)
		needed |= VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	return (device->driver_features & needed) == needed &&
	       !(device->driver_features & ~offered_features(device));
}

static void reset_device(VirtioDevice *device)
{
	device->status = 0;
	g_atomic_int_set(&device->is_driven, FALSE);
	update_doorbells(device);
	io_thread_call(device->io, stop_on_thread, device);
	for (guint i = 0; i < device->config.n_queues; i++)
		clear_queue(&device->queues[i]);
	device->device_feature_select = 0;
	device->driver_feature_select = 0;
	device->driver_features = 0;
	device->queue_select = 0;
	g_atomic_int_set(&device->config_vector, NO_VECTOR);
	g_atomic_int_set(&device->needs_reset, 0);
	(void)take_isr(device);
}

static void write_status(VirtioDevice *device, guint8 value)
{
	guint8 gained = value & ~device->status;

	if (value == 0) {
		reset_device(device);
		return;
	}
	if (gained & VIRTIO_CONFIG_S_FEATURES_OK && !may_agree(device))
		value &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (gained & VIRTIO_CONFIG_S_DRIVER_OK && !(value & VIRTIO_CONFIG_S_FEATURES_OK)) {
		break_device(device, _("the driver starts before features are agreed on"));
		value &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	/* Bits go by a reset alone. */
	gained = value & ~device->status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	device->status |= gained;
	if (gained & VIRTIO_CONFIG_S_DRIVER_OK) {
		g_atomic_int_set(&device->is_driven, TRUE);
		io_thread_call(device->io, start_on_thread, device);
		update_doorbells(device);
	}
}

/* The common structure */

static Queue *selected_queue(const VirtioDevice *device)
{
	return device->queue_select < device->config.n_queues ?
		       &device->queues[device->queue_select] :
		       NULL;
}

static void describe_queue(const Queue *queue, CommonStructure *common)
{
	common->queue_size = queue->size;
	common->queue_vector = (guint16)g_atomic_int_get(&queue->vector);
	common->queue_enable = queue->is_enabled != 0;
	common->queue_notify_offset = (guint16)queue->index;
	common->queue_notify_data = (guint16)queue->index;
	for (guint i = 0; i < N_AREAS; i++) {
		common->areas[2 * i] = (guint32)queue->areas[i];
		common->areas[2 * i + 1] = (guint32)(queue->areas[i] >> 32);
	}
}

static guint64 common_read(VirtioDevice *device, guint64 offset, guint size)
{
	const Queue *queue = selected_queue(device);
	CommonStructure common = {
		.device_feature_select = device->device_feature_select,
		.driver_feature_select = device->driver_feature_select,
		.config_vector = (guint16)g_atomic_int_get(&device->config_vector),
		.n_queues = (guint16)device->config.n_queues,
		.generation = (guint8)g_atomic_int_get(&device->generation),
		.status = device->status,
		.queue_select = device->queue_select,
	};
	guint64 value = 0;

	if (g_atomic_int_get(&device->needs_reset))
		common.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (device->device_feature_select < 2)
		common.device_feature = (guint32)(offered_features(device) >>
						  device->device_feature_select * 32);
	if (device->driver_feature_select < 2)
		common.driver_feature = (guint32)(device->driver_features >>
						  device->driver_feature_select * 32);
	if (queue)
		describe_queue(queue, &common);
	if (offset < sizeof(common))
		memcpy(&value, (const guint8 *)&common + offset,
		       MIN(size, sizeof(common) - offset));
	return value;
}

static void write_driver_features(VirtioDevice *device, guint32 value)
{
	guint shift = device->driver_feature_select * 32;

	if (device->driver_feature_select > 1 || device->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	device->driver_features &= ~((guint64)G_MAXUINT32 << shift);
	device->driver_features |= (guint64)value << shift;
}

static guint16 checked_vector(const VirtioDevice *device, guint64 value)
{
	return value <= device->config.n_queues ? (guint16)value : NO_VECTOR;
}

static void area_write(Queue *queue, guint half, guint32 value)
{
	guint shift = half % 2 * 32;
	guint64 *area = &queue->areas[half / 2];

	*area &= ~((guint64)G_MAXUINT32 << shift);
	*area |= (guint64)value << shift;
}

/* What is a queue's, while it is not enabled; and each register with its own size alone. */
static void queue_write(VirtioDevice *device, guint64 offset, guint size, guint64 value)
{
	Queue *queue = selected_queue(device);

	if (!queue)
		return;
	if (offset >= COMMON(areas) && offset < COMMON(queue_notify_data)) {
		if (size == 4 && offset % 4 == 0 && !queue->is_enabled)
			area_write(queue, (offset - COMMON(areas)) / 4, (guint32)value);
		return;
	}
	if (size != 2)
		return;
	switch (offset) {
	case COMMON(queue_size):
		if (!queue->is_enabled)
			queue->size = (guint16)value;
		break;
	case COMMON(queue_vector):
		g_atomic_int_set(&queue->vector, checked_vector(device, value));
		break;
	case COMMON(queue_enable):
		if (value == 1)
			enable_queue(queue);
		break;
	case COMMON(queue_reset):
		if (value == 1)
			reset_queue(queue);
		break;
	}
}

static void common_write(VirtioDevice *device, guint64 offset, guint size, guint64 value)
{
	switch (offset << 4 | size) {
	case COMMON(device_feature_select) << 4 | 4:
		device->device_feature_select = (guint32)value;
		break;
	case COMMON(driver_feature_select) << 4 | 4:
		device->driver_feature_select = (guint32)value;
		break;
	case COMMON(driver_feature) << 4 | 4:
		write_driver_features(device, (guint32)value);
		break;
	case COMMON(config_vector) << 4 | 2:
		g_atomic_int_set(&device->config_vector, checked_vector(device, value));
		break;
	case COMMON(status) << 4 | 1:
		write_status(device, (guint8)value);
		break;
	case COMMON(queue_select) << 4 | 2:
		device->queue_select = (guint16)value;
		break;
	default:
		queue_write(device, offset, size, value);
	}
}

/* The other structures */

static guint64 config_read(VirtioDevice *device, guint64 offset, guint size)
{
	const VirtioDeviceOperations *operations = device->config.operations;
	guint64 value = 0;

	if (operations->config_read && offset < device->config.config_size)
		operations->config_read(device->config.opaque, offset, &value,
					MIN(size, device->config.config_size - offset));
	return value;
}

static void config_write(VirtioDevice *device, guint64 offset, guint size, guint64 value)
{
	const VirtioDeviceOperations *operations = device->config.operations;

	if (operations->config_write && offset < device->config.config_size)
		operations->config_write(device->config.opaque, offset, &value,
					 MIN(size, device->config.config_size - offset));
}

/* A doorbell that nobody watches. What is written does not matter, as in ioeventfd.h. */
static void notify_write(VirtioDevice *device, guint64 offset)
{
	const guint64 one = 1;
	guint index = offset / NOTIFY_MULTIPLIER;

	/* It is full only where many kicks are waiting: one more says nothing. */
	if (index < device->config.n_queues &&
	    write(device->queues[index].kick_fd, &one, sizeof(one)) < 0)
		return;
}

static guint64 bar_read(void *opaque, guint64 offset, guint size)
{
	VirtioDevice *device = opaque;

	if (offset < ISR_OFFSET)
		return common_read(device, offset, size);
	if (offset < CONFIG_OFFSET)
		return offset == ISR_OFFSET ? take_isr(device) : 0;
	if (offset < NOTIFY_OFFSET)
		return config_read(device, offset - CONFIG_OFFSET, size);
	return 0;
}

static void bar_write(void *opaque, guint64 offset, guint size, guint64 value)
{
	VirtioDevice *device = opaque;

	if (offset < ISR_OFFSET)
		common_write(device, offset, size, value);
	else if (offset >= NOTIFY_OFFSET)
		notify_write(device, offset - NOTIFY_OFFSET);
	else if (offset >= CONFIG_OFFSET)
		config_write(device, offset - CONFIG_OFFSET, size, value);
}

/* Whole registers of 32 bits at most: what is wider comes in two parts. */
static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 4,
};

/* The PCI function */

/*
 * Configuration space reaches the structures too, for firmware that cannot map a BAR: section
 * 4.1.4.9. Return: FALSE where the capability names nothing that can be accessed.
 */
static gboolean find_cfg_access(const VirtioDevice *device, guint *offset, guint *size)
{
	guint at = device->cfg_access;
	guint bar = pci_function_get(device->function, at + VIRTIO_PCI_CAP_BAR, 1);

	*offset = pci_function_get(device->function, at + VIRTIO_PCI_CAP_OFFSET, 4);
	*size = pci_function_get(device->function, at + VIRTIO_PCI_CAP_LENGTH, 4);
	return bar == STRUCTURES_BAR && (*size == 1 || *size == 2 || *size == 4) &&
	       *offset % *size == 0 && *offset < BAR_SIZE;
}

static gboolean is_cfg_data(const VirtioDevice *device, guint offset, guint size)
{
	return device->cfg_access &&
	       pci_overlaps(offset, size, device->cfg_access + sizeof(struct virtio_pci_cap), 4);
}

static void function_config_read(void *opaque, guint offset, guint size)
{
	VirtioDevice *device = opaque;
	guint at, width;

	if (is_cfg_data(device, offset, size) && find_cfg_access(device, &at, &width))
		pci_function_change(device->function,
				    device->cfg_access + sizeof(struct virtio_pci_cap), width,
				    G_MAXUINT32, (guint32)bar_read(device, at, width));
}

/*
 * A guest that starts another kernel takes the bus from its devices, so that they do not write to
 * what is that kernel's memory then. Drivers that do not know of it never turn it on.
 */
static void follow_bus_master(VirtioDevice *device)
{
	gboolean is_master = (pci_function_get(device->function, PCI_COMMAND, 2) &
			      PCI_COMMAND_MASTER) != 0;

	if (is_master == device->is_master)
		return;
	device->is_master = is_master;
	io_thread_call(device->io, is_master ? release_on_thread : hold_on_thread, device);
}

static void function_config_written(void *opaque, guint offset, guint size)
{
	VirtioDevice *device = opaque;
	guint at, width;

	if (is_cfg_data(device, offset, size) && find_cfg_access(device, &at, &width))
		bar_write(device, at, width,
			  pci_function_get(device->function,
					   device->cfg_access + sizeof(struct virtio_pci_cap),
					   width));
	if (pci_overlaps(offset, size, PCI_COMMAND, 2))
		follow_bus_master(device);
	pci_msix_config_written(device->msix);
	update_intx(device);
}

static void function_bar_moved(void *opaque, guint index, guint64 address, guint64 size)
{
	VirtioDevice *device = opaque;

	if (index != STRUCTURES_BAR)
		return;
	device->bar_address = address;
	device->bar_size = size;
	update_doorbells(device);
}

static void function_reset(void *opaque)
{
	VirtioDevice *device = opaque;

	reset_device(device);
	device->is_master = FALSE;
	io_thread_call(device->io, release_on_thread, device);
	pci_msix_reset(device->msix);
}

/* What there is of it; the function goes by itself. */
static void free_parts(VirtioDevice *device)
{
	device_signal_clear(&device->intx);
	for (guint i = 0; i < device->config.n_queues; i++) {
		virtio_queue_free(device->queues[i].queue);
		if (device->queues[i].kick_fd >= 0)
			close(device->queues[i].kick_fd);
	}
	pci_msix_free(device->msix);
	io_thread_unref(device->io);
	g_free(device->queues);
	g_free(device->id);
	g_free(device);
}

static void function_free(void *opaque)
{
	VirtioDevice *device = opaque;

	/* Else nobody has it yet but virtio_pci_new(). */
	if (!device->is_finished)
		return;
	reset_device(device);
	device->config.operations->free(device->config.opaque);
	free_parts(device);
}

static const PciFunctionOperations function_operations = {
	.config_read = function_config_read,
	.config_written = function_config_written,
	.bar_moved = function_bar_moved,
	.reset = function_reset,
	.free = function_free,
};

/* The record in the registry */

static void device_pause(void *opaque)
{
	VirtioDevice *device = opaque;

	io_thread_call(device->io, pause_on_thread, device);
}

static void device_resume(void *opaque)
{
	VirtioDevice *device = opaque;

	io_thread_call(device->io, resume_on_thread, device);
}

static void device_free(void *opaque)
{
	VirtioDevice *device = opaque;

	pci_bus_remove(device->function);
}

const DeviceOperations virtio_pci_device_operations = {
	.pause = device_pause,
	.resume = device_resume,
	.free = device_free,
};

/* To make one */

static guint add_structure(VirtioDevice *device, guint8 type, guint size, guint32 offset,
			   guint32 length)
{
	PciFunction *function = device->function;
	guint at = pci_function_add_capability(function, PCI_CAP_ID_VNDR, size);
	/* Where the guest says what it wants to reach. */
	guint32 writable = type == VIRTIO_PCI_CAP_PCI_CFG ? G_MAXUINT32 : 0;

	pci_function_set_register(function, at + VIRTIO_PCI_CAP_LEN, 1, size, 0, 0);
	pci_function_set_register(function, at + VIRTIO_PCI_CAP_CFG_TYPE, 1, type, 0, 0);
	pci_function_set_register(function, at + VIRTIO_PCI_CAP_BAR, 1, STRUCTURES_BAR, writable,
				  0);
	pci_function_set_register(function, at + VIRTIO_PCI_CAP_OFFSET, 4, offset, writable, 0);
	pci_function_set_register(function, at + VIRTIO_PCI_CAP_LENGTH, 4, length, writable, 0);
	return at;
}

static void add_structures(VirtioDevice *device)
{
	const guint size = sizeof(struct virtio_pci_cap);
	guint at;

	add_structure(device, VIRTIO_PCI_CAP_COMMON_CFG, size, COMMON_OFFSET,
		      sizeof(CommonStructure));
	at = add_structure(device, VIRTIO_PCI_CAP_NOTIFY_CFG, size + 4, NOTIFY_OFFSET,
			   device->config.n_queues * NOTIFY_MULTIPLIER);
	pci_function_set_register(device->function, at + size, 4, NOTIFY_MULTIPLIER, 0, 0);
	add_structure(device, VIRTIO_PCI_CAP_ISR_CFG, size, ISR_OFFSET, 1);
	if (device->config.config_size > 0)
		add_structure(device, VIRTIO_PCI_CAP_DEVICE_CFG, size, CONFIG_OFFSET,
			      device->config.config_size);
	device->cfg_access = add_structure(device, VIRTIO_PCI_CAP_PCI_CFG, size + 4, 0, 0);
	pci_function_set_register(device->function, device->cfg_access + size, 4, 0, G_MAXUINT32,
				  0);
}

static PciFunction *make_function(VirtioDevice *device, const DeviceContext *context)
{
	const PciFunctionConfig config = {
		.name = device->config.name,
		.vendor = VENDOR,
		.device = DEVICE_BASE + device->config.device_id,
		.subsystem_vendor = PCI_SUBSYSTEM_VENDOR,
		.subsystem_device = PCI_SUBSYSTEM_DEVICE,
		.class_code = device->config.class_code,
		.revision = REVISION,
		.pin = 1,
		.is_multifunction = context->is_multifunction,
		.is_express = TRUE,
		.operations = &function_operations,
		.opaque = device,
	};

	return pci_function_new(&config);
}

static gboolean make_queues(VirtioDevice *device, GError **error)
{
	device->queues = g_new0(Queue, device->config.n_queues);
	for (guint i = 0; i < device->config.n_queues; i++) {
		Queue *queue = &device->queues[i];

		queue->device = device;
		queue->index = i;
		queue->queue = virtio_queue_new(i, interrupt_for_queue, device);
		queue->kick_fd = -1;
		clear_queue(queue);
	}
	for (guint i = 0; i < device->config.n_queues; i++) {
		device->queues[i].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (device->queues[i].kick_fd >= 0)
			continue;
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "eventfd: %s",
			    g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

static gboolean find_io_thread(VirtioDevice *device, const DeviceContext *context,
			       const VirtioOptions *options, GError **error)
{
	const DeviceRegistry *registry = context->surroundings->registry;
	g_autofree char *name = NULL;

	if (!options->iothread) {
		name = g_strdup_printf("io-%s", context->id);
		device->io = io_thread_get(context, name, error);
		return device->io != NULL;
	}
	device->io = device_registry_find(registry, options->iothread,
					  &io_thread_device_operations);
	if (!device->io)
		return json_fields_refuse(error, context->owner, "iothread",
					  _("there is no such I/O thread"));
	io_thread_ref(device->io);
	return TRUE;
}

static gboolean find_dma(VirtioDevice *device, GError **error)
{
	if (!device->config.uses_windows) {
		device->dma = io_thread_dma(device->io);
		return TRUE;
	}
	device->dma = io_thread_window_dma(device->io, error);
	return device->dma != NULL;
}

static gboolean add_rom(VirtioDevice *device, GError **error)
{
	PciRom *rom;

	if (!device->config.has_rom)
		return TRUE;
	rom = pci_rom_new(device->config.rom_fd, device->id, VENDOR,
			  DEVICE_BASE + device->config.device_id, error);
	if (rom)
		pci_function_add_rom(device->function, rom);
	return rom != NULL;
}

static gboolean make_parts(VirtioDevice *device, const DeviceContext *context,
			   const VirtioOptions *options, GError **error)
{
	const DeviceSurroundings *surroundings = context->surroundings;

	if (!make_queues(device, error) || !find_io_thread(device, context, options, error) ||
	    !find_dma(device, error) ||
	    !device_make_signal(surroundings, update_intx, device, &device->intx, error))
		return FALSE;
	device->function = make_function(device, context);
	add_structures(device);
	pci_function_add_bar(device->function, STRUCTURES_BAR,
			     PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, BAR_SIZE,
			     &bar_operations, device);
	/* A vector for each queue, and one for the configuration. */
	device->msix = pci_msix_new(device->function, MSIX_BAR, device->config.n_queues + 1,
				    &surroundings->messages, error);
	if (!device->msix || !add_rom(device, error)) {
		pci_function_free(device->function);
		return FALSE;
	}
	pci_function_add_express_endpoint(device->function, !context->is_behind_port);
	pci_function_add_power_management(device->function);
	return TRUE;
}

VirtioDevice *virtio_pci_new(const DeviceContext *context, const VirtioOptions *options,
			     const VirtioDeviceConfig *config, GError **error)
{
	VirtioDevice *device = g_new0(VirtioDevice, 1);

	g_assert(config->n_queues >= 1 && config->n_queues <= VIRTIO_DEVICE_QUEUES_MAX);
	g_assert(config->queue_size >= 1 && config->queue_size <= VIRTIO_QUEUE_SIZE_MAX &&
		 !(config->queue_size & (config->queue_size - 1)));
	g_assert(config->config_size <= VIRTIO_DEVICE_CONFIG_MAX);
	device->config = *config;
	device->id = g_strdup(context->id);
	device->memory = context->memory;
	device->doorbells = context->surroundings->doorbells;
	device->has_iommu_platform = options->iommu_platform;
	device->has_packed = options->packed;
	device->config_vector = NO_VECTOR;
	if (!make_parts(device, context, options, error)) {
		free_parts(device);
		return NULL;
	}
	device->is_finished = TRUE;
	pci_bus_add(context->bus, context->slot, context->function, device->function);
	device_registry_add(context->surroundings->registry, context->id,
			    &virtio_pci_device_operations, device);
	return device;
}

/* What a device asks for */

VirtioQueue *virtio_device_queue(VirtioDevice *device, guint index)
{
	return device->queues[index].queue;
}

IoThread *virtio_device_io_thread(VirtioDevice *device)
{
	return device->io;
}

DmaChannel *virtio_device_dma(VirtioDevice *device)
{
	return device->dma;
}

DirectMemory *virtio_device_direct(VirtioDevice *device)
{
	return device->config.uses_windows ? NULL : io_thread_direct(device->io);
}

void *virtio_pci_find(const DeviceRegistry *registry, const char *id,
		      const VirtioDeviceOperations *operations)
{
	const VirtioDevice *device = device_registry_find(registry, id,
							  &virtio_pci_device_operations);

	return device && device->config.operations == operations ? device->config.opaque : NULL;
}
