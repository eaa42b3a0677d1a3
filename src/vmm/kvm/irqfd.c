/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* irqfd.c - message signalled interrupts that are sent by writing to a descriptor */
#include "vmm/kvm/irqfd.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/log.h"

/* What KVM begins with: ISA's interrupts reach both kinds of controllers, the rest the IOAPIC. */
#define ISA_INTERRUPTS	  16u
#define PIC_INPUTS	  8u
#define CONTROLLER_INPUTS 24u
#define CONTROLLER_ROUTES (ISA_INTERRUPTS + CONTROLLER_INPUTS)

/* Of KVM, for x86. */
#define ROUTES_MAX 4096u

typedef struct {
	int fd; /* -1: the number is free */
	gboolean is_aimed;
	guint64 address;
	guint32 data;
} Irqfd;

struct KvmIrqfds {
	KvmVm *vm;
	GMutex lock;
	GArray *irqfds; /* of Irqfd; its place is its number */
	LogLimit failures;
};

KvmIrqfds *kvm_irqfds_new(KvmVm *vm)
{
	KvmIrqfds *irqfds = g_new0(KvmIrqfds, 1);

	irqfds->vm = vm;
	g_mutex_init(&irqfds->lock);
	irqfds->irqfds = g_array_new(FALSE, FALSE, sizeof(Irqfd));
	return irqfds;
}

void kvm_irqfds_free(KvmIrqfds *irqfds)
{
	if (!irqfds)
		return;
	for (guint i = 0; i < irqfds->irqfds->len; i++)
		kvm_irqfds_remove(irqfds, i);
	g_array_unref(irqfds->irqfds);
	g_mutex_clear(&irqfds->lock);
	g_free(irqfds);
}

/* Routing */

static void add_controller_route(struct kvm_irq_routing *routing, guint gsi, guint chip, guint pin)
{
	routing->entries[routing->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static void add_controller_routes(struct kvm_irq_routing *routing)
{
	for (guint gsi = 0; gsi < CONTROLLER_INPUTS; gsi++) {
		add_controller_route(routing, gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < ISA_INTERRUPTS)
			add_controller_route(routing, gsi,
					     gsi < PIC_INPUTS ? KVM_IRQCHIP_PIC_MASTER :
								KVM_IRQCHIP_PIC_SLAVE,
					     gsi % PIC_INPUTS);
	}
}

static void add_message_route(struct kvm_irq_routing *routing, guint number, const Irqfd *irqfd)
{
	routing->entries[routing->nr++] = (struct kvm_irq_routing_entry){
		.gsi = CONTROLLER_INPUTS + number,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = (guint32)irqfd->address,
			.address_hi = (guint32)(irqfd->address >> 32),
			.data = irqfd->data,
		},
	};
}

/* With the lock held. */
static gboolean set_routing(KvmIrqfds *irqfds)
{
	guint count = CONTROLLER_ROUTES + irqfds->irqfds->len;
	g_autofree struct kvm_irq_routing *routing =
		g_malloc0(sizeof(*routing) + count * sizeof(routing->entries[0]));

	add_controller_routes(routing);
	for (guint i = 0; i < irqfds->irqfds->len; i++) {
		const Irqfd *irqfd = &g_array_index(irqfds->irqfds, Irqfd, i);

		if (irqfd->is_aimed)
			add_message_route(routing, i, irqfd);
	}
	return ioctl(kvm_vm_fd(irqfds->vm), KVM_SET_GSI_ROUTING, routing) == 0;
}

void kvm_irqfds_aim(KvmIrqfds *irqfds, guint number, guint64 address, guint32 data)
{
	Irqfd *irqfd;

	g_mutex_lock(&irqfds->lock);
	irqfd = &g_array_index(irqfds->irqfds, Irqfd, number);
	if (!irqfd->is_aimed || irqfd->address != address || irqfd->data != data) {
		irqfd->is_aimed = TRUE;
		irqfd->address = address;
		irqfd->data = data;
		/* The table is as it was then; the next one has to be possible. */
		if (!set_routing(irqfds)) {
			log_limited(&irqfds->failures, "kvm", _("KVM_SET_GSI_ROUTING: %s"),
				    g_strerror(errno));
			irqfd->is_aimed = FALSE;
		}
	}
	g_mutex_unlock(&irqfds->lock);
}

/* Descriptors */

static gboolean connect_irqfd(KvmIrqfds *irqfds, guint number, int fd, guint32 flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (guint32)fd,
		.gsi = CONTROLLER_INPUTS + number,
		.flags = flags,
	};

	return ioctl(kvm_vm_fd(irqfds->vm), KVM_IRQFD, &irqfd) == 0;
}

/* With the lock held: a number that nobody has. */
static guint take_number(KvmIrqfds *irqfds)
{
	const Irqfd nothing = { .fd = -1 };
	guint number = 0;

	while (number < irqfds->irqfds->len && g_array_index(irqfds->irqfds, Irqfd, number).fd >= 0)
		number++;
	if (number == irqfds->irqfds->len)
		g_array_append_val(irqfds->irqfds, nothing);
	return number;
}

int kvm_irqfds_add(KvmIrqfds *irqfds, guint *number, GError **error)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	g_mutex_lock(&irqfds->lock);
	*number = take_number(irqfds);
	if (fd >= 0 && *number < ROUTES_MAX - CONTROLLER_ROUTES &&
	    connect_irqfd(irqfds, *number, fd, 0)) {
		g_array_index(irqfds->irqfds, Irqfd, *number) = (Irqfd){ .fd = fd };
	} else {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("interrupt %u of devices: KVM_IRQFD: %s"), *number,
			    g_strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	g_mutex_unlock(&irqfds->lock);
	return fd;
}

void kvm_irqfds_remove(KvmIrqfds *irqfds, guint number)
{
	Irqfd *irqfd;

	g_mutex_lock(&irqfds->lock);
	irqfd = &g_array_index(irqfds->irqfds, Irqfd, number);
	if (irqfd->fd >= 0) {
		connect_irqfd(irqfds, number, irqfd->fd, KVM_IRQFD_FLAG_DEASSIGN);
		close(irqfd->fd);
		*irqfd = (Irqfd){ .fd = -1 };
	}
	g_mutex_unlock(&irqfds->lock);
}
