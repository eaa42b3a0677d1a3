/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-stats.c - how much of a VM is mapped, from KVM's binary statistics
 *
 * The descriptor that KVM_GET_STATS_FD gives holds a header, descriptors of fixed size plus
 * a name, and the values; see KVM_GET_STATS_FD in KVM's API document.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/kvm/vm.h"

/* More than KVM has of either. */
#define STATS_NAME_MAX 256
#define STATS_MAX      1024

typedef struct {
	struct kvm_stats_desc head;
	char name[STATS_NAME_MAX];
} StatsDescriptor;

static gboolean read_at(int fd, void *data, gsize size, guint64 offset)
{
	return pread(fd, data, size, offset) == (gssize)size;
}

/* Bytes of a page that the statistic of this name counts, or 0. */
static guint64 page_size_of(const char *name)
{
	if (strcmp(name, "pages_4k") == 0)
		return 1ull << 12;
	if (strcmp(name, "pages_2m") == 0)
		return 1ull << 21;
	if (strcmp(name, "pages_1g") == 0)
		return 1ull << 30;
	return 0;
}

static guint64 sum_mapped_bytes(int fd, const struct kvm_stats_header *header)
{
	gsize length = sizeof(struct kvm_stats_desc) + header->name_size;
	guint64 sum = 0;

	for (guint64 i = 0; i < header->num_desc; i++) {
		StatsDescriptor descriptor = { 0 };
		guint64 page_size;
		guint64 pages;

		if (!read_at(fd, &descriptor, length, header->desc_offset + i * length))
			break;
		descriptor.name[STATS_NAME_MAX - 1] = '\0';
		page_size = page_size_of(descriptor.name);
		if (page_size && read_at(fd, &pages, sizeof(pages),
					 (guint64)header->data_offset + descriptor.head.offset))
			sum += pages * page_size;
	}
	return sum;
}

guint64 kvm_vm_mapped_bytes(KvmVm *vm)
{
	struct kvm_stats_header header;
	int fd = ioctl(kvm_vm_fd(vm), KVM_GET_STATS_FD, NULL);
	guint64 bytes = 0;

	if (fd < 0)
		return 0;
	if (read_at(fd, &header, sizeof(header), 0) && header.name_size <= STATS_NAME_MAX &&
	    header.num_desc <= STATS_MAX)
		bytes = sum_mapped_bytes(fd, &header);
	close(fd);
	return bytes;
}
