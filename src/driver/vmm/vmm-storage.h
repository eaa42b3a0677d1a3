/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-storage.h - QEMU's storage daemon, which reads images that the VMM does not: one a domain
 *
 * Theory of operation
 *
 * It is started before the VMM of a domain that has such disks, or when the first of them is
 * attached, as the domain's user, in the domain's cgroup and in a companion's jail without network.
 * It opens nothing: images are opened here and handed over, see common/handed-file.h. What to do
 * with them it is told by QMP, and the VMM gets a connected socket a disk, on which it speaks NBD.
 *
 * It has three sockets, with which a daemon that comes after this one goes on: its monitor, its NBD
 * server, and the one that files come to. All that is here has the domain's job; the end of the
 * process is seen by the monitor's thread, and told in the domain's log. The VMM sees the same as
 * the end of its connections, so that what the guest wants fails as the disk's policies say.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/jail/jail.h"
#include "driver/vmm/vmm-log.h"
#include "driver/vmm/vmm-process.h"

/* Where Debian's package qemu-system-common has it. */
#define STORAGE_PROGRAM "/usr/bin/qemu-storage-daemon"

typedef struct VmmStorage VmmStorage;

/* Of a domain. */
typedef struct {
	const char *path;     /* of its sockets, less their ends */
	const char *name;     /* the domain's, for messages */
	const char *log_path; /* the domain's */
} VmmStorageDomain;

/* Its sockets while it is not there yet: they can be connected to. */
typedef struct {
	char *path;
	int files;
	int monitor;
	int server;
} VmmStorageSockets;

#define VMM_STORAGE_SOCKETS_INIT                          \
	(VmmStorageSockets)                               \
	{                                                 \
		.files = -1, .monitor = -1, .server = -1, \
	}

/* Also whether the program is there. Return: FALSE with DRIVER_ERROR that says what is missing. */
gboolean vmm_storage_listen(VmmStorageSockets *sockets, const char *path, GError **error);
void vmm_storage_sockets_clear(VmmStorageSockets *sockets);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmmStorageSockets, vmm_storage_sockets_clear)

/* Of one that is not there, or no more. @path: as of vmm_storage_listen() */
void vmm_storage_remove_sockets(const char *path);

/* A connection to its NBD server, for a VMM. Return: for close(), or -1 with @error. */
int vmm_storage_connect(const char *path, GError **error);

/*
 * vmm_storage_spawn - start it
 * @library: the path of gmem-storage-files.so
 * @jail: the VMM's; what it may not have of that is left out
 * @output: for what it prints
 *
 * Return: for vmm_storage_free(), or NULL with VIR_ERR_INTERNAL_ERROR.
 */
VmmStorage *vmm_storage_spawn(const VmmStorageDomain *domain, const VmmStorageSockets *sockets,
			      const char *library, const Jail *jail, int output, GError **error);

/* One that an earlier daemon has started. Return: NULL where it is no more. */
VmmStorage *vmm_storage_adopt(const VmmStorageDomain *domain, pid_t pid, guint64 start_time);

const VmmProcess *vmm_storage_process(const VmmStorage *storage);

/*
 * vmm_storage_attach - have a disk served
 * @chain: of image_chain_open()
 *
 * Return: FALSE with an error that names the disk; then nothing of it is left.
 */
gboolean vmm_storage_attach(VmmStorage *storage, const DomainDisk *disk, const GPtrArray *chain,
			    GError **error);

/* A disk that the VMM has no more. */
void vmm_storage_detach(VmmStorage *storage, const DomainDisk *disk);

/* Ends it, which writes down what it has; NULL is fine. The sockets are gone then. */
void vmm_storage_end(VmmStorage *storage);

/* Lets go of one that has been ended, or that the next daemon finds; NULL is fine. */
void vmm_storage_free(VmmStorage *storage);
