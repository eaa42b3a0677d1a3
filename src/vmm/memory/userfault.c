/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* userfault.c - userfaultfd over the userspace mapping of guest RAM */
#include "vmm/memory/userfault.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/kvm/vm.h"

static gboolean set_ioctl_error(GError **error, const char *what, int error_number)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "%s: %s", what, g_strerror(error_number));
	return FALSE;
}

gboolean userfault_register(int fd, void *start, gsize size, GError **error)
{
	struct uffdio_register range = {
		.range = { .start = (guintptr)start, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return set_ioctl_error(error, "UFFDIO_REGISTER", errno);
	return TRUE;
}

void userfault_unregister(int fd, void *start, gsize size)
{
	struct uffdio_range range = { .start = (guintptr)start, .len = size };

	if (ioctl(fd, UFFDIO_UNREGISTER, &range) < 0)
		g_warning("UFFDIO_UNREGISTER: %s", g_strerror(errno));
}

gboolean userfault_read(int fd, UserfaultEvent *event)
{
	struct uffd_msg message;
	gssize length;

	do {
		length = read(fd, &message, sizeof(message));
	} while ((length < 0 && errno == EINTR) ||
		 (length == sizeof(message) && message.event != UFFD_EVENT_PAGEFAULT));
	if (length != sizeof(message))
		return FALSE;
	event->address = message.arg.pagefault.address & ~0xfffull;
	event->thread_id = message.arg.pagefault.feat.ptid;
	event->is_write = (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE) != 0;
	return TRUE;
}

/*
 * The kernel may stop part of the way, with EAGAIN, while the address space is being changed
 * by another thread; what is left is asked for again.
 */
gboolean userfault_copy(int fd, void *destination, const void *source, gsize size, GError **error)
{
	gsize done = 0;

	while (done < size) {
		struct uffdio_copy copy = {
			.dst = (guintptr)destination + done,
			.src = (guintptr)source + done,
			.len = size - done,
		};

		if (ioctl(fd, UFFDIO_COPY, &copy) < 0 && errno != EAGAIN)
			return set_ioctl_error(error, "UFFDIO_COPY", errno);
		if (copy.copy > 0)
			done += copy.copy;
	}
	return TRUE;
}

gboolean userfault_zero(int fd, void *destination, gsize size, GError **error)
{
	gsize done = 0;

	while (done < size) {
		struct uffdio_zeropage zero = {
			.range = { .start = (guintptr)destination + done, .len = size - done },
		};

		if (ioctl(fd, UFFDIO_ZEROPAGE, &zero) < 0 && errno != EAGAIN)
			return set_ioctl_error(error, "UFFDIO_ZEROPAGE", errno);
		if (zero.zeropage > 0)
			done += zero.zeropage;
	}
	return TRUE;
}

void userfault_wake(int fd, void *start, gsize size)
{
	struct uffdio_range range = { .start = (guintptr)start, .len = size };

	if (ioctl(fd, UFFDIO_WAKE, &range) < 0)
		g_warning("UFFDIO_WAKE: %s", g_strerror(errno));
}
