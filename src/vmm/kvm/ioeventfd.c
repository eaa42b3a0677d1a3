/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ioeventfd.c - descriptors that KVM writes to when the guest writes to an address */
#include "vmm/kvm/ioeventfd.h"

#include <sys/ioctl.h>

#include "common/kvm-uapi.h"

static gboolean change(KvmVm *vm, guint64 gpa, int fd, guint32 flags)
{
	const struct kvm_ioeventfd ioeventfd = {
		.addr = gpa,
		.len = 0, /* any */
		.fd = fd,
		.flags = flags,
	};

	return ioctl(kvm_vm_fd(vm), KVM_IOEVENTFD, &ioeventfd) == 0;
}

gboolean kvm_ioeventfd_add(KvmVm *vm, guint64 gpa, int fd)
{
	return change(vm, gpa, fd, 0);
}

void kvm_ioeventfd_remove(KvmVm *vm, guint64 gpa, int fd)
{
	(void)change(vm, gpa, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
