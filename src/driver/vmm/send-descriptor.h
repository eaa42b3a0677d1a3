/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send-descriptor.h - bytes on a UNIX socket that a descriptor goes with */
#pragma once

#include <glib.h>

/*
 * send_with_descriptor - send bytes, and a descriptor by SCM_RIGHTS (unix(7))
 * @size: of @bytes; at least one
 * @fd: stays the caller's
 *
 * It does not wait for whoever reads.
 *
 * Return: as of sendmsg(2).
 */
gssize send_with_descriptor(int socket, const void *bytes, gsize size, int fd);
