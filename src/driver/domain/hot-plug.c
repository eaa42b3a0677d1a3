/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hot-plug.c - devices of a domain that runs come and go */
#include "driver/domain/hot-plug.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/domain/follow.h"
#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/vmm/vmm-device.h"

/* A VMM may write no larger files than it was started with: see vmm-launch.c. */
static gboolean raise_file_limit(const DomainVmm *vmm, const DomainDisk *disk, int fd,
				 GError **error)
{
	const pid_t pid = vmm_process_pid(vmm->process);
	struct rlimit limit;
	struct stat status;

	if (disk->is_readonly || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    prlimit(pid, RLIMIT_FSIZE, NULL, &limit) < 0 ||
	    (rlim_t)status.st_size <= limit.rlim_cur)
		return TRUE;
	limit = (struct rlimit){ (rlim_t)status.st_size, (rlim_t)status.st_size };
	if (prlimit(pid, RLIMIT_FSIZE, &limit, NULL) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("disk '%s' is larger than files that the VMM may write: %s"),
			    disk->target, g_strerror(errno));
}

/* What is behind a device, and what the VMM is told of it. */
typedef struct {
	const char *alias; /* the definition's */
	char *name;	   /* of the descriptor in the VMM, or NULL */
	int fd;		   /* or -1 */
	JsonObject *description;
} Plug;

static void plug_clear(Plug *plug)
{
	if (plug->fd >= 0)
		close(plug->fd);
	g_free(plug->name);
	g_clear_pointer(&plug->description, json_object_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plug, plug_clear)

static gboolean prepare_disk(const DomainVmm *vmm, const DomainDef *def, Plug *plug, GError **error)
{
	const DomainDisk *disk = def->disks->pdata[def->disks->len - 1];

	plug->alias = disk->info.alias;
	plug->fd = vmm_device_open_disk(disk, vmm->domain->identity->uid, error);
	if (plug->fd < 0 || !raise_file_limit(vmm, disk, plug->fd, error))
		return FALSE;
	plug->name = g_strconcat("fd-", plug->alias, NULL);
	plug->description = vmm_device_describe_disk(disk, plug->name,
						     domain_boot_index(def, &disk->info));
	return TRUE;
}

static gboolean prepare_rng(const DomainDef *def, Plug *plug, GError **error)
{
	const DomainRng *rng = def->rngs->pdata[def->rngs->len - 1];

	plug->alias = rng->info.alias;
	if (rng->backend == DOMAIN_RNG_RANDOM) {
		plug->fd = vmm_device_open_rng(rng, error);
		if (plug->fd < 0)
			return FALSE;
		plug->name = g_strconcat("fd-", plug->alias, NULL);
	}
	plug->description = vmm_device_describe_rng(rng, plug->name);
	return TRUE;
}

static gboolean prepare(const DomainVmm *vmm, const DomainDef *def, const DomainDevice *device,
			Plug *plug, GError **error)
{
	if (device->kind == DOMAIN_DEVICE_DISK)
		return prepare_disk(vmm, def, plug, error);
	if (device->kind == DOMAIN_DEVICE_RNG)
		return prepare_rng(def, plug, error);
	return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("device '%s' cannot be attached while the domain runs"),
			    domain_device_name(device));
}

static JsonObject *name_argument(const char *member, const char *value)
{
	JsonObject *arguments = json_object_new();

	json_object_set_string_member(arguments, member, value);
	return arguments;
}

/* A descriptor of a device that was refused may have been taken, or not. */
static gboolean plug_in(const DomainVmm *vmm, Plug *plug, GError **error)
{
	QmpClient *monitor = vmm->monitor;

	if (plug->name &&
	    !qmp_client_tell_with(monitor, "getfd", name_argument("fdname", plug->name), plug->fd,
				  error))
		return FALSE;
	if (qmp_client_tell_with(monitor, "device_add", g_steal_pointer(&plug->description), -1,
				 error))
		return TRUE;
	if (plug->name)
		(void)qmp_client_tell_with(monitor, "closefd", name_argument("fdname", plug->name),
					   -1, NULL);
	return FALSE;
}

/* With the job. Takes @def over. */
static void set_live(const DomainVmm *vmm, DomainDef *def)
{
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	domain_def_free(domain->live);
	domain->live = def;
	(void)follow_save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
}

gboolean hot_plug_attach(DomainVmm *vmm, const DomainDevice *device, GError **error)
{
	Domain *domain = vmm->domain;
	g_autoptr(DomainDef) def = NULL;
	g_auto(Plug) plug = { .fd = -1 };

	/* What runs stays as it is while this has the job. */
	def = domain_def_attach_live(domain->live, device, error);
	if (!def || !prepare(vmm, def, device, &plug, error) || !plug_in(vmm, &plug, error))
		return FALSE;
	set_live(vmm, g_steal_pointer(&def));
	g_mutex_lock(&domain->lock);
	domain_send_device_added(domain, plug.alias);
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

gboolean hot_plug_detach(DomainVmm *vmm, const char *alias, GError **error)
{
	return qmp_client_tell_with(vmm->monitor, "device_del", name_argument("id", alias), -1,
				    error);
}

/* What a network card that is gone would leave on the host. */
static void forget_link(const DomainDef *def, const char *alias)
{
	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];

		if (g_strcmp0(interface->info.alias, alias) == 0)
			network_link_forget(interface);
	}
}

/* With the job. */
static void remove_device(const DomainVmm *vmm, const char *alias)
{
	Domain *domain = vmm->domain;
	DomainDef *def = domain_def_copy(domain->live);

	if (!domain_def_detach_alias(def, alias, NULL)) {
		domain_def_free(def);
		return;
	}
	forget_link(domain->live, alias);
	set_live(vmm, def);
	g_mutex_lock(&domain->lock);
	domain_send_device_removed(domain, alias);
	g_mutex_unlock(&domain->lock);
}

void hot_plug_remove_gone(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GPtrArray) gone = NULL;
	gboolean is_current;

	g_mutex_lock(&domain->lock);
	gone = g_steal_pointer(&vmm->gone);
	is_current = domain->vmm == vmm;
	g_mutex_unlock(&domain->lock);
	for (guint i = 0; is_current && gone && i < gone->len; i++)
		remove_device(vmm, gone->pdata[i]);
}
