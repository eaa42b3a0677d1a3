/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm.c - one KVM virtual machine: descriptor, capabilities, interrupt controllers, memslots */
#include "vmm/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/trace.h"

/*
 * Three pages that KVM wants below 4 GiB for processors that cannot run real mode natively,
 * and one for their identity map: where QEMU has them, below every flash unit.
 */
#define IDENTITY_MAP_ADDRESS KVM_VM_PAGES_START
#define TSS_ADDRESS	     (KVM_VM_PAGES_START + 0x1000)

/* KVM's own, unless its parameter tsc_tolerance_ppm says otherwise. */
#define TSC_TOLERANCE_PPM 250

struct KvmVm {
	int kvm_fd; /* the caller's; -1 when all is made */
	int fd;
	KvmMemoryKind memory_kind;
	guint n_memslots; /* slot numbers 0 to n_memslots - 1 are somebody's */

	/* The in-kernel controllers right after they were made, for a reset. */
	struct kvm_irqchip irqchips[3]; /* PIC master, PIC slave, IOAPIC */
	struct kvm_pit_state2 pit;
};

static gboolean set_ioctl_error(GError **error, const char *ioctl_name)
{
	int saved_errno = errno;

	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "%s: %s", ioctl_name,
		    g_strerror(saved_errno));
	return FALSE;
}

static gboolean enable_hypercall_exits(int fd, GError **error)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	if (ioctl(fd, KVM_ENABLE_CAP, &enable) < 0)
		return set_ioctl_error(error, "KVM_ENABLE_CAP(KVM_CAP_EXIT_HYPERCALL)");
	return TRUE;
}

gboolean kvm_vm_disable_pmu(KvmVm *vm, GError **error)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args[0] = KVM_PMU_CAP_DISABLE,
	};
	int offered = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY);

	/* It is not offered either where the host has no PMU for guests at all. */
	if (offered < 0 || !(offered & KVM_PMU_CAP_DISABLE))
		return TRUE;
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &enable) < 0)
		return set_ioctl_error(error, "KVM_ENABLE_CAP(KVM_CAP_PMU_CAPABILITY)");
	return TRUE;
}

KvmVm *kvm_vm_new(int kvm_fd, KvmMemoryKind kind, GError **error)
{
	g_autoptr(KvmVm) vm = g_new0(KvmVm, 1);
	gboolean is_protected = kind == KVM_MEMORY_TWO_SIDED;
	guint64 identity_map = IDENTITY_MAP_ADDRESS;

	vm->kvm_fd = kvm_fd;
	vm->memory_kind = kind;
	vm->fd = -1;
	if (!kvm_support_check_kvm(kind, kvm_fd, error))
		return NULL;
	do {
		vm->fd = ioctl(kvm_fd, KVM_CREATE_VM,
			       is_protected ? KVM_X86_SW_PROTECTED_VM : KVM_X86_DEFAULT_VM);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0) {
		set_ioctl_error(error, is_protected ? "KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM)" :
						      "KVM_CREATE_VM(KVM_X86_DEFAULT_VM)");
		return NULL;
	}
	if (!kvm_support_check_vm(kind, vm->fd, error) ||
	    (kind != KVM_MEMORY_ORDINARY && !enable_hypercall_exits(vm->fd, error)))
		return NULL;
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0) {
		set_ioctl_error(error, "KVM_SET_IDENTITY_MAP_ADDR");
		return NULL;
	}
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0) {
		set_ioctl_error(error, "KVM_SET_TSS_ADDR");
		return NULL;
	}
	return g_steal_pointer(&vm);
}

void kvm_vm_free(KvmVm *vm)
{
	if (!vm)
		return;
	if (vm->fd >= 0)
		close(vm->fd);
	g_free(vm);
}

void kvm_vm_end_setup(KvmVm *vm)
{
	vm->kvm_fd = -1;
}

int kvm_vm_fd(const KvmVm *vm)
{
	return vm->fd;
}

int kvm_vm_kvm_fd(const KvmVm *vm)
{
	return vm->kvm_fd;
}

KvmMemoryKind kvm_vm_memory_kind(const KvmVm *vm)
{
	return vm->memory_kind;
}

gboolean kvm_vm_create_interrupt_controllers(KvmVm *vm, GError **error)
{
	/* The dummy speaker port is what guests measure the PIT's channel 2 with. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return set_ioctl_error(error, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return set_ioctl_error(error, "KVM_CREATE_PIT2");
	for (guint i = 0; i < G_N_ELEMENTS(vm->irqchips); i++) {
		vm->irqchips[i].chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &vm->irqchips[i]) < 0)
			return set_ioctl_error(error, "KVM_GET_IRQCHIP");
	}
	if (ioctl(vm->fd, KVM_GET_PIT2, &vm->pit) < 0)
		return set_ioctl_error(error, "KVM_GET_PIT2");
	return TRUE;
}

gboolean kvm_vm_discard_pit_ticks(KvmVm *vm, GError **error)
{
	const struct kvm_reinject_control control = { .pit_reinject = 0 };

	if (ioctl(vm->fd, KVM_REINJECT_CONTROL, &control) < 0)
		return set_ioctl_error(error, "KVM_REINJECT_CONTROL");
	return TRUE;
}

/* Whether KVM takes a frequency for the host's, and scales nothing. */
static gboolean is_host_frequency(guint khz, guint host_khz)
{
	guint64 difference = khz > host_khz ? khz - host_khz : host_khz - khz;

	return difference <= (guint64)host_khz * TSC_TOLERANCE_PPM / 1000000;
}

gboolean kvm_vm_set_tsc_frequency(KvmVm *vm, guint khz, GError **error)
{
	int host_khz = ioctl(vm->fd, KVM_GET_TSC_KHZ, 0);
	/* Without it KVM would let a TSC that is to be faster jump. */
	gboolean can_scale = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TSC_CONTROL) > 0;

	if (host_khz <= 0)
		return set_ioctl_error(error, "KVM_GET_TSC_KHZ");
	if (!can_scale && !is_host_frequency(khz, host_khz)) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("a TSC of %u kHz: this host's runs at %d kHz, and its KVM cannot "
			      "scale it"),
			    khz, host_khz);
		return FALSE;
	}
	if (ioctl(vm->fd, KVM_SET_TSC_KHZ, khz) < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("KVM_SET_TSC_KHZ(%u), where this host's TSC runs at %d kHz: %s"), khz,
			    host_khz, g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

gboolean kvm_vm_reset_interrupt_controllers(KvmVm *vm, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(vm->irqchips); i++) {
		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &vm->irqchips[i]) < 0)
			return set_ioctl_error(error, "KVM_SET_IRQCHIP");
	}
	if (ioctl(vm->fd, KVM_SET_PIT2, &vm->pit) < 0)
		return set_ioctl_error(error, "KVM_SET_PIT2");
	return TRUE;
}

void kvm_vm_set_interrupt(KvmVm *vm, guint gsi, gboolean level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level ? 1 : 0 };

	/* KVM refuses only a VM without controllers or an unknown GSI: bugs of the caller. */
	if (ioctl(vm->fd, KVM_IRQ_LINE, &line) < 0)
		g_error("KVM_IRQ_LINE(gsi %u): %s", gsi, g_strerror(errno));
}

void kvm_vm_send_msi(KvmVm *vm, guint64 address, guint32 data)
{
	const struct kvm_msi msi = {
		.address_lo = (guint32)address,
		.address_hi = (guint32)(address >> 32),
		.data = data,
	};

	/* Zero says that the guest has blocked it; an error, that no processor is meant. */
	(void)ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

int kvm_vm_create_guest_memfd(KvmVm *vm, guint64 size, guint64 flags, GError **error)
{
	struct kvm_create_guest_memfd create = { .size = size, .flags = flags };
	int fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &create);

	if (fd < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    ngettext("KVM_CREATE_GUEST_MEMFD(%" PRIu64 " byte): %s",
				     "KVM_CREATE_GUEST_MEMFD(%" PRIu64 " bytes): %s", size),
			    size, g_strerror(errno));
		return -1;
	}
	/* KVM does not: a program that this process starts would inherit all guest memory. */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

guint kvm_vm_new_memslot(KvmVm *vm)
{
	return vm->n_memslots++;
}

gboolean kvm_vm_set_memslot(KvmVm *vm, guint slot, const KvmMemslot *memslot, GError **error)
{
	static const KvmMemslot nothing = { .guest_memfd = -1 };
	struct kvm_userspace_memory_region2 region = { .slot = slot };
	int result = 0;

	if (!memslot)
		memslot = &nothing;
	region.guest_phys_addr = memslot->gpa;
	region.memory_size = memslot->size;
	region.userspace_addr = (guint64)(guintptr)memslot->userspace;
	if (memslot->readonly)
		region.flags |= KVM_MEM_READONLY;
	if (memslot->guest_memfd >= 0) {
		region.flags |= KVM_MEM_GUEST_MEMFD;
		region.guest_memfd = memslot->guest_memfd;
		region.guest_memfd_offset = memslot->guest_memfd_offset;
	}
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region) < 0)
		result = -errno;
	trace_memslot(slot >> 16, slot & 0xffff, region.flags, region.guest_phys_addr,
		      region.memory_size, region.userspace_addr, memslot->guest_memfd,
		      region.guest_memfd_offset, result);
	if (result < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("KVM_SET_USER_MEMORY_REGION2(slot %u, gpa %#" PRIx64
			      ", size %#" PRIx64 "): %s"),
			    slot, memslot->gpa, memslot->size, g_strerror(-result));
		return FALSE;
	}
	return TRUE;
}

gboolean kvm_vm_add_memslot(KvmVm *vm, const KvmMemslot *memslot, GError **error)
{
	return kvm_vm_set_memslot(vm, kvm_vm_new_memslot(vm), memslot, error);
}
