/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send-descriptor.c - bytes on a UNIX socket that a descriptor goes with */
#include "driver/vmm/send-descriptor.h"

#include <string.h>
#include <sys/socket.h>

gssize send_with_descriptor(int socket, const void *bytes, gsize size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iovec = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &iovec,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
