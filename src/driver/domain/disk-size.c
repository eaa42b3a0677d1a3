/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-size.c - how large a disk's image may become, and is made, while its domain runs */
#include "driver/domain/disk-size.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-device.h"

/* Disks count in these. */
#define SECTOR_SIZE 512u

/* The most that the host's disks take in one piece where its cache is not used. */
#define DIRECT_BLOCK_SIZE 4096u

gboolean disk_size_allow(const DomainVmm *vmm, const char *target, guint64 size, GError **error)
{
	const pid_t pid = vmm_process_pid(vmm->process);
	struct rlimit limit;

	/* Where the daemon may not look, in a container say, the VMM keeps what it has. */
	if (prlimit(pid, RLIMIT_FSIZE, NULL, &limit) < 0 || (rlim_t)size <= limit.rlim_cur)
		return TRUE;
	limit = (struct rlimit){ (rlim_t)size, (rlim_t)size };
	if (prlimit(pid, RLIMIT_FSIZE, &limit, NULL) < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    _("disk '%s' is larger than the largest file that the VMM may "
				      "write since it was started (RLIMIT_FSIZE), which takes root "
				      "to be raised; start the domain with the disk: %s"),
				    target, g_strerror(errno));
	/* As long as it has not ended, its number is no other's. */
	if (vmm_process_wait(vmm->process, 0))
		return driver_error(error, VIR_ERR_OPERATION_INVALID, _("the VMM has ended"));
	return TRUE;
}

static gboolean check_kind(const DomainDisk *disk, GError **error)
{
	if (disk->type == DOMAIN_DISK_NETWORK)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("disk '%s' is on the network: its server says how large it "
				      "is"),
				    disk->target);
	if (domain_disk_is_served(disk))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("disk '%s' has the format '%s': only 'raw' can be resized"),
				    disk->target, disk->format);
	if (disk->is_readonly)
		return driver_error(error, VIR_ERR_OPERATION_INVALID, _("disk '%s' is read-only"),
				    disk->target);
	return TRUE;
}

/* Return: what it is, in bytes; 0 with @error. */
static guint64 size_of(const DomainDisk *disk, int fd, GError **error)
{
	const off_t size = lseek(fd, 0, SEEK_END);

	if (size > 0)
		return (guint64)size;
	driver_error(error, VIR_ERR_SYSTEM_ERROR, _("the size of disk '%s' cannot be read: %s"),
		     disk->target, size < 0 ? g_strerror(errno) : _("it is empty"));
	return 0;
}

static guint granularity_of(const DomainDisk *disk)
{
	return domain_disk_is_direct(disk) && disk->type == DOMAIN_DISK_FILE ? DIRECT_BLOCK_SIZE :
									       SECTOR_SIZE;
}

static gboolean check_size(const DomainDisk *disk, guint64 was, guint64 size, GError **error)
{
	if (size % granularity_of(disk) != 0 || size > G_MAXINT64)
		return driver_error(
			error, VIR_ERR_INVALID_ARG,
			_("disk '%s' cannot have %" PRIu64 " bytes: a multiple of %u is wanted"),
			disk->target, size, granularity_of(disk));
	if (disk->type == DOMAIN_DISK_BLOCK && size != was)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("disk '%s' is a block device of %" PRIu64
				      " bytes: make that larger first"),
				    disk->target, was);
	if (size < was)
		return driver_error(
			error, VIR_ERR_OPERATION_UNSUPPORTED,
			_("disk '%s' has %" PRIu64
			  " bytes, and cannot become smaller: what is behind its new end "
			  "would be lost"),
			disk->target, was);
	return TRUE;
}

static gboolean grow(const DomainVmm *vmm, const DomainDisk *disk, int fd, guint64 size,
		     GError **error)
{
	if (!disk_size_allow(vmm, disk->target, size, error))
		return FALSE;
	return ftruncate(fd, (off_t)size) == 0 ||
	       driver_error(error, VIR_ERR_SYSTEM_ERROR, _("disk '%s' cannot be made larger: %s"),
			    disk->target, g_strerror(errno));
}

static gboolean tell(const DomainVmm *vmm, const DomainDisk *disk, guint64 size, GError **error)
{
	JsonObject *arguments = json_object_new();

	json_object_set_string_member(arguments, "device", disk->info.alias);
	json_object_set_int_member(arguments, "size", (gint64)size);
	return qmp_client_tell_with(vmm->monitor, "block_resize", arguments, -1, error);
}

static gboolean change_opened(const DomainVmm *vmm, const DomainDisk *disk, int fd, guint64 size,
			      gboolean is_as_it_is, GError **error)
{
	const guint64 was = size_of(disk, fd, error);

	if (was == 0)
		return FALSE;
	/* The last sector of a file that is no whole number of them has zeroes at its end. */
	if (is_as_it_is)
		size = (was + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
	return check_size(disk, was, size, error) &&
	       (disk->type == DOMAIN_DISK_BLOCK || grow(vmm, disk, fd, size, error)) &&
	       tell(vmm, disk, size, error);
}

gboolean disk_size_change(DomainVmm *vmm, const char *name, guint64 size, gboolean is_as_it_is,
			  GError **error)
{
	const Domain *domain = vmm->domain;
	const DomainDisk *disk = domain_find_disk(domain->live, name);
	gboolean is_changed;
	int fd;

	if (!disk)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no disk '%s'"),
				    domain->name, name);
	if (!check_kind(disk, error))
		return FALSE;
	fd = vmm_device_open_disk(disk, domain->identity->uid, error);
	if (fd < 0)
		return FALSE;
	is_changed = change_opened(vmm, disk, fd, size, is_as_it_is, error);
	close(fd);
	return is_changed;
}
