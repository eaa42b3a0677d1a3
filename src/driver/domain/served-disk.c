/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* served-disk.c - disks of a domain that runs which QEMU's storage daemon serves come and go */
#include "driver/domain/served-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/resource.h>
#include <unistd.h>

#include "driver/domain/driver.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/security/cgroup.h"
#include "driver/storage/image-chain.h"
#include "driver/vmm/vmm-device.h"

/* What the VMM is in, as far as a companion gets it. Return: FALSE with @error. */
static gboolean init_jail(const DomainVmm *vmm, Jail *jail, GError **error)
{
	const DomainIdentity *identity = vmm->domain->identity;
	struct rlimit threads;

	jail_init(jail, identity->uid, identity->gid, vmm->domain->driver->may_lack);
	if (prlimit(vmm_process_pid(vmm->process), RLIMIT_NPROC, NULL, &threads) == 0)
		jail_limit(jail, RLIMIT_NPROC, threads.rlim_max);
	if (!identity->cgroup)
		return TRUE;
	jail->cgroup = cgroup_open(identity->cgroup, error);
	return jail->cgroup >= 0;
}

/* Who listens to it is the VMM's logger, which it comes too late for. */
static VmmStorage *spawn(const DomainVmm *vmm, const VmmStorageDomain *domain,
			 const VmmStorageSockets *sockets, GError **error)
{
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	VmmStorage *storage = NULL;
	Jail jail;

	if (null < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open device '/dev/null': %s"),
			     g_strerror(errno));
		return NULL;
	}
	if (init_jail(vmm, &jail, error))
		storage = vmm_storage_spawn(domain, sockets, vmm->domain->driver->storage_library,
					    &jail, null, error);
	if (jail.cgroup >= 0)
		close(jail.cgroup);
	close(null);
	return storage;
}

static gboolean start_storage(DomainVmm *vmm, const char *path, GError **error)
{
	Domain *domain = vmm->domain;
	g_autofree char *log = store_log_path(domain->driver, domain->name);
	const VmmStorageDomain of = { .path = path, .name = domain->name, .log_path = log };
	g_auto(VmmStorageSockets) sockets = VMM_STORAGE_SOCKETS_INIT;
	VmmStorage *storage;

	if (vmm->storage)
		return TRUE;
	if (!vmm_storage_listen(&sockets, path, error))
		return FALSE;
	storage = spawn(vmm, &of, &sockets, error);
	g_mutex_lock(&domain->lock);
	vmm->storage = storage;
	g_mutex_unlock(&domain->lock);
	return storage != NULL;
}

int served_disk_attach(DomainVmm *vmm, DomainDisk *disk, GError **error)
{
	Domain *domain = vmm->domain;
	g_autofree char *path = store_storage_path(domain->driver, domain->uuid);
	const int image = vmm_device_open_disk(disk, domain->identity->uid, error);
	g_autoptr(GPtrArray) chain = image >= 0 ? image_chain_open(disk, image, error) : NULL;
	int fd;

	if (!chain || !start_storage(vmm, path, error) ||
	    !vmm_storage_attach(vmm->storage, disk, chain, error))
		return -1;
	fd = vmm_storage_connect(path, error);
	if (fd < 0)
		vmm_storage_detach(vmm->storage, disk);
	return fd;
}

void served_disk_detach(DomainVmm *vmm, const DomainDisk *disk)
{
	if (vmm->storage && domain_disk_is_served(disk))
		vmm_storage_detach(vmm->storage, disk);
}

VmmStorage *served_disk_adopt(const Domain *domain, pid_t pid, guint64 start_time)
{
	g_autofree char *path = store_storage_path(domain->driver, domain->uuid);
	g_autofree char *log = store_log_path(domain->driver, domain->name);
	const VmmStorageDomain of = { .path = path, .name = domain->name, .log_path = log };

	return vmm_storage_adopt(&of, pid, start_time);
}
