/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hot-plug.c - devices of a domain that runs come and go */
#include "driver/domain/hot-plug.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/domain/balloon.h"
#include "driver/domain/definition.h"
#include "driver/domain/disk-size.h"
#include "driver/domain/driver.h"
#include "driver/domain/follow.h"
#include "driver/domain/medium.h"
#include "driver/domain/served-disk.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/network/passt.h"
#include "driver/security/cgroup.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-device.h"

static gboolean raise_file_limit(const DomainVmm *vmm, const DomainDisk *disk, int fd,
				 GError **error)
{
	struct stat status;

	return disk->is_readonly || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	       disk_size_allow(vmm, disk->target, (guint64)status.st_size, error);
}

/* What is behind a device, and what the VMM is told of it. */
typedef struct {
	const char *alias; /* the definition's */
	GArray *fds;	   /* of int */
	GPtrArray *names;  /* of the descriptors in the VMM, up to a NULL */
	JsonObject *description;
	const DomainDisk *served;    /* one that has been attached to the storage daemon, or NULL */
	const DomainInterface *link; /* a network card whose link is open, or NULL */
	const DomainPort *port;	     /* a channel or a console that may have a socket, or NULL */
} Plug;

static void plug_init(Plug *plug, const char *alias)
{
	*plug = (Plug){ .alias = alias };
	plug->fds = g_array_new(FALSE, FALSE, sizeof(int));
	plug->names = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(plug->names, NULL);
}

static void plug_clear(Plug *plug)
{
	for (guint i = 0; plug->fds && i < plug->fds->len; i++)
		close(g_array_index(plug->fds, int, i));
	g_clear_pointer(&plug->fds, g_array_unref);
	g_clear_pointer(&plug->names, g_ptr_array_unref);
	g_clear_pointer(&plug->description, json_object_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plug, plug_clear)

/* Takes a descriptor over. Return: the name that the VMM will know it by. */
static const char *plug_add(Plug *plug, int fd)
{
	char *name = plug->fds->len == 0 ? g_strconcat("fd-", plug->alias, NULL) :
					   g_strdup_printf("fd-%s-%u", plug->alias, plug->fds->len);

	g_array_append_val(plug->fds, fd);
	g_ptr_array_insert(plug->names, (int)plug->names->len - 1, name);
	return name;
}

static const char *const *plug_names(const Plug *plug)
{
	return (const char *const *)plug->names->pdata;
}

static gboolean prepare_disk(DomainVmm *vmm, const DomainDef *def, Plug *plug, GError **error)
{
	DomainDisk *disk = def->disks->pdata[def->disks->len - 1];
	const char *name;
	int fd;

	plug_init(plug, disk->info.alias);
	fd = domain_disk_is_served(disk) ?
		     served_disk_attach(vmm, disk, error) :
		     vmm_device_open_disk(disk, vmm->domain->identity->uid, error);
	if (fd < 0)
		return FALSE;
	plug->served = domain_disk_is_served(disk) ? disk : NULL;
	name = plug_add(plug, fd);
	if (!raise_file_limit(vmm, disk, fd, error))
		return FALSE;
	plug->description = vmm_device_describe_disk(disk, name,
						     domain_boot_index(def, &disk->info));
	return TRUE;
}

static gboolean prepare_rng(const DomainDef *def, Plug *plug, GError **error)
{
	const DomainRng *rng = def->rngs->pdata[def->rngs->len - 1];
	const char *name = NULL;

	plug_init(plug, rng->info.alias);
	if (rng->backend == DOMAIN_RNG_RANDOM) {
		const int fd = vmm_device_open_rng(rng, error);

		if (fd < 0)
			return FALSE;
		name = plug_add(plug, fd);
	}
	plug->description = vmm_device_describe_rng(rng, name);
	return TRUE;
}

/* As those that the VMM was started with, but that the VMM's threads are there already. */
static gboolean start_passt(DomainVmm *vmm, const DomainInterface *interface, int socket,
			    GError **error)
{
	const Domain *domain = vmm->domain;
	const DomainIdentity *identity = domain->identity;
	const int cgroup = identity->cgroup ? cgroup_open(identity->cgroup, error) : -1;
	gboolean is_started;
	Jail jail;

	if (identity->cgroup && cgroup < 0)
		return FALSE;
	passt_jail(&jail, identity->uid, identity->gid, domain->driver->may_lack, cgroup);
	jail_limit(&jail, RLIMIT_NPROC, RLIM_INFINITY);
	if (!vmm->passts)
		vmm->passts = vmm_passts_new();
	is_started = vmm_passt_start(vmm->passts, &jail, interface, socket, error);
	if (cgroup >= 0)
		close(cgroup);
	return is_started;
}

static gboolean prepare_interface(DomainVmm *vmm, const DomainDef *def, Plug *plug, GError **error)
{
	DomainInterface *interface = def->interfaces->pdata[def->interfaces->len - 1];
	g_auto(NetworkLink) link = NETWORK_LINK_INIT;
	int rom;

	plug_init(plug, interface->info.alias);
	if (!network_link_open(interface, &link, error))
		return FALSE;
	plug->link = interface;
	if (link.passt_socket >= 0 && !start_passt(vmm, interface, link.passt_socket, error))
		return FALSE;
	for (guint i = 0; i < link.fds->len; i++)
		plug_add(plug, g_array_index(link.fds, int, i));
	g_array_set_size(link.fds, 0);
	plug->description = vmm_device_describe_interface(interface, plug_names(plug),
							  domain_boot_index(def, &interface->info));
	/* Behind those of the link, which have been described. */
	if (!vmm_device_open_rom(def, interface, &rom, error))
		return FALSE;
	if (rom >= 0)
		vmm_device_describe_rom(plug->description, plug_add(plug, rom));
	return TRUE;
}

/* The logger has its files from its start on, and opens none. */
static gboolean check_chardev(const DomainDevice *device, const DomainChardev *chardev,
			      GError **error)
{
	const gboolean is_logged = chardev->type == DOMAIN_CHARDEV_FILE || chardev->log_path;

	return !is_logged ||
	       driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("device '%s' writes to a file: it can be attached to the "
			      "definition, and comes with the next start"),
			    domain_device_name(device));
}

static gboolean prepare_port(DomainVmm *vmm, DomainDef *def, const DomainDevice *device, Plug *plug,
			     GError **error)
{
	const gboolean is_console = device->kind == DOMAIN_DEVICE_CONSOLE;
	const GPtrArray *ports = is_console ? def->consoles : def->channels;
	DomainPort *port = ports->pdata[ports->len - 1];
	g_autofree char *folder = store_channel_folder(vmm->domain->driver, def);
	const VmmChardevMaker maker = { .vmm_uid = vmm->domain->identity->uid };
	const VmmChardevWords words = {
		.socket = is_console ? _("console's socket") : _("channel's socket"),
	};
	g_auto(VmmChardev) opened = VMM_CHARDEV_INIT;
	const char *name = NULL;

	plug_init(plug, port->alias);
	if (!check_chardev(device, &port->chardev, error) ||
	    !vmm_chardev_choose_paths(def, folder, error))
		return FALSE;
	if (!vmm_chardev_open(&maker, &words, &port->chardev, &opened, error))
		return FALSE;
	plug->port = port;
	if (opened.fd >= 0)
		name = plug_add(plug, g_steal_fd(&opened.fd));
	plug->description = vmm_device_describe_port(port, name, NULL);
	return TRUE;
}

static gboolean prepare_input(const DomainDef *def, Plug *plug)
{
	const DomainInput *input = def->inputs->pdata[def->inputs->len - 1];

	plug_init(plug, input->info.alias);
	plug->description = vmm_device_describe_input(input);
	return TRUE;
}

static gboolean prepare_watchdog(const DomainDef *def, Plug *plug)
{
	const DomainWatchdog *watchdog = def->watchdogs->pdata[def->watchdogs->len - 1];

	plug_init(plug, watchdog->info.alias);
	plug->description = vmm_device_describe_watchdog(watchdog);
	return TRUE;
}

static gboolean prepare(DomainVmm *vmm, DomainDef *def, const DomainDevice *device, Plug *plug,
			GError **error)
{
	switch (device->kind) {
	case DOMAIN_DEVICE_DISK:
		return prepare_disk(vmm, def, plug, error);
	case DOMAIN_DEVICE_RNG:
		return prepare_rng(def, plug, error);
	case DOMAIN_DEVICE_INTERFACE:
		return prepare_interface(vmm, def, plug, error);
	case DOMAIN_DEVICE_CHANNEL:
	case DOMAIN_DEVICE_CONSOLE:
		return prepare_port(vmm, def, device, plug, error);
	case DOMAIN_DEVICE_INPUT:
		return prepare_input(def, plug);
	case DOMAIN_DEVICE_WATCHDOG:
		return prepare_watchdog(def, plug);
	default:
		break;
	}
	return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("device '%s' cannot be attached while the domain runs"),
			    domain_device_name(device));
}

static gboolean send_descriptors(const DomainVmm *vmm, const Plug *plug, GError **error)
{
	for (guint i = 0; i < plug->fds->len; i++)
		if (!qmp_client_tell_with(vmm->monitor, "getfd",
					  qmp_argument("fdname", plug_names(plug)[i]),
					  g_array_index(plug->fds, int, i), error))
			return FALSE;
	return TRUE;
}

/* Descriptors of a device that was refused may have been taken, or not. */
static void close_descriptors(const DomainVmm *vmm, const Plug *plug)
{
	for (guint i = 0; i < plug->fds->len; i++)
		(void)qmp_client_tell_with(vmm->monitor, "closefd",
					   qmp_argument("fdname", plug_names(plug)[i]), -1, NULL);
}

static QmpOutcome plug_in(const DomainVmm *vmm, Plug *plug, GError **error)
{
	g_autoptr(GError) cause = NULL;
	QmpOutcome result = QMP_REFUSED;

	if (send_descriptors(vmm, plug, &cause)) {
		(void)qmp_client_tell_with(vmm->monitor, "device_add",
					   g_steal_pointer(&plug->description), -1, &cause);
		result = qmp_outcome(cause);
	}
	if (result == QMP_REFUSED)
		close_descriptors(vmm, plug);
	if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return result;
}

/* The device has not come to be: what is behind it goes, too. */
static void withdraw(DomainVmm *vmm, Plug *plug)
{
	g_autofree char *alias = g_strdup(plug->alias);
	const DomainInterface *link = plug->link;
	const DomainDisk *served = plug->served;
	const DomainPort *port = plug->port;

	plug_clear(plug);
	if (port)
		vmm_chardev_remove(port);
	if (served)
		served_disk_detach(vmm, served);
	if (!link)
		return;
	network_link_forget(link);
	vmm_passt_end(vmm->passts, alias);
}

/* The monitor is connected to anew, so that the VMM is asked when it answers again. */
static gboolean leave_open(DomainVmm *vmm, const char *alias, const GError *cause, GError **error)
{
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	g_free(vmm->attaching);
	vmm->attaching = g_strdup(alias);
	g_mutex_unlock(&domain->lock);
	qmp_client_disconnect(vmm->monitor);
	return driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			    _("device '%s' is attached or not, as is seen when the VMM answers: "
			      "%s"),
			    alias, cause->message);
}

/* With a device that the domain has already. @before: the domain without it, which is taken */
static gboolean plug_in_or_take_back(DomainVmm *vmm, Plug *plug, DomainDef *before, GError **error)
{
	g_autoptr(DomainDef) without = before;
	g_autoptr(GError) cause = NULL;
	const QmpOutcome result = plug_in(vmm, plug, &cause);

	if (result == QMP_DONE)
		return TRUE;
	if (result == QMP_UNKNOWN)
		return leave_open(vmm, plug->alias, cause, error);
	withdraw(vmm, plug);
	definition_set_live_anyway(vmm, g_steal_pointer(&without));
	g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

gboolean hot_plug_attach(DomainVmm *vmm, const DomainDevice *device, GError **error)
{
	Domain *domain = vmm->domain;
	g_autoptr(DomainDef) def = NULL;
	g_autoptr(DomainDef) before = NULL;
	g_auto(Plug) plug = { 0 };

	if (vmm->attaching && !hot_plug_catch_up(vmm, error))
		return FALSE;
	before = definition_copy_live(domain);
	def = domain_def_attach_live(before, device, error);
	if (!def)
		return FALSE;
	if (!prepare(vmm, def, device, &plug, error)) {
		withdraw(vmm, &plug);
		return FALSE;
	}
	if (!definition_set_live(domain, g_steal_pointer(&def), error)) {
		withdraw(vmm, &plug);
		definition_set_live_anyway(vmm, g_steal_pointer(&before));
		return FALSE;
	}
	if (!plug_in_or_take_back(vmm, &plug, g_steal_pointer(&before), error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	domain_send_device_added(domain, plug.alias);
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

static gboolean set_link(DomainVmm *vmm, const DomainInterface *interface, GError **error)
{
	JsonObject *arguments = qmp_argument("name", interface->info.alias);

	json_object_set_boolean_member(arguments, "up", interface->link != DOMAIN_LINK_DOWN);
	return qmp_client_tell_with(vmm->monitor, "set_link", arguments, -1, error);
}

/* All of it, or nothing. */
static gboolean update_interface(DomainVmm *vmm, const DomainInterface *was,
				 const DomainInterface *interface, GError **error)
{
	g_autoptr(GError) lost = NULL;

	if (!network_link_change_limit(was, interface, error))
		return FALSE;
	if (set_link(vmm, interface, error))
		return TRUE;
	if (!network_link_change_limit(interface, was, &lost))
		log_limit_warning(&vmm->log, _("domain '%s': %s"), vmm->domain->name,
				  lost->message);
	return FALSE;
}

static gboolean update_memballoon(DomainVmm *vmm, const DomainDef *part, GError **error)
{
	g_autoptr(DomainDef) live = definition_copy_live(vmm->domain);

	return domain_check_memballoon_update(live, part, error) &&
	       balloon_set_period(vmm, part->memballoon->period, error);
}

gboolean hot_plug_update(DomainVmm *vmm, const DomainDevice *device, gboolean is_forced,
			 GError **error)
{
	g_autoptr(DomainDef) live = NULL;
	g_autoptr(DomainDef) def = NULL;
	guint index = 0;

	if (device->kind == DOMAIN_DEVICE_DISK)
		return medium_change(vmm, device->disk, is_forced, error);
	if (device->kind == DOMAIN_DEVICE_MEMBALLOON)
		return update_memballoon(vmm, device->part, error);
	if (device->kind != DOMAIN_DEVICE_INTERFACE)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("device '%s' cannot be updated while the domain runs"),
				    domain_device_name(device));
	live = definition_copy_live(vmm->domain);
	def = domain_def_update_live(live, device, &index, error);
	if (!def || !update_interface(vmm, live->interfaces->pdata[index],
				      def->interfaces->pdata[index], error))
		return FALSE;
	definition_set_live_anyway(vmm, g_steal_pointer(&def));
	return TRUE;
}

gboolean hot_plug_detach(DomainVmm *vmm, const char *alias, GError **error)
{
	return qmp_client_tell_with(vmm->monitor, "device_del", qmp_argument("id", alias), -1,
				    error);
}

/* What a device that is gone would leave on the host. */
static void forget_device(DomainVmm *vmm, const char *alias)
{
	const DomainDef *def = vmm->domain->live;
	const DomainDisk *disk = domain_find_disk_alias(def, alias);
	const DomainPort *port = domain_find_port(def, alias);

	if (disk)
		served_disk_detach(vmm, disk);
	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];

		if (g_strcmp0(interface->info.alias, alias) == 0)
			network_link_forget(interface);
	}
	if (port)
		vmm_chardev_remove(port);
}

/* With the job. @was_there: it was told of, and its end is to be told, too */
static void remove_device(DomainVmm *vmm, const char *alias, gboolean was_there)
{
	Domain *domain = vmm->domain;
	DomainDef *def = definition_copy_live(domain);

	if (!domain_def_has_alias(def, alias) || !domain_def_detach_alias(def, alias, NULL)) {
		domain_def_free(def);
		return;
	}
	forget_device(vmm, alias);
	vmm_passt_end(vmm->passts, alias);
	definition_set_live_anyway(vmm, def);
	if (!was_there)
		return;
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
		remove_device(vmm, gone->pdata[i], TRUE);
}

static void add_missing_ports(const GPtrArray *ports, JsonNode *devices, GPtrArray *missing)
{
	for (guint i = 0; i < ports->len; i++) {
		const DomainPort *port = ports->pdata[i];

		if (!follow_find(devices, "name", port->alias))
			g_ptr_array_add(missing, g_strdup(port->alias));
	}
}

/* Return: the aliases of what the domain has and the VMM has not. */
static GPtrArray *find_missing(const DomainDef *live, JsonNode *devices)
{
	GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);
	g_auto(DomainDeviceList) list = { 0 };

	domain_device_list_init(&list, live);
	for (guint i = 0; i < list.count; i++) {
		const char *alias = list.entries[i].info->alias;

		if (alias && domain_def_has_alias(live, alias) &&
		    !follow_find(devices, "name", alias))
			g_ptr_array_add(missing, g_strdup(alias));
	}
	add_missing_ports(live->channels, devices, missing);
	add_missing_ports(live->consoles, devices, missing);
	return missing;
}

static void take_devices(DomainVmm *vmm, JsonNode *devices)
{
	Domain *domain = vmm->domain;
	g_autoptr(GPtrArray) missing = find_missing(domain->live, devices);
	g_autofree char *attaching = NULL;

	g_mutex_lock(&domain->lock);
	attaching = g_steal_pointer(&vmm->attaching);
	g_mutex_unlock(&domain->lock);
	for (guint i = 0; i < missing->len; i++)
		remove_device(vmm, missing->pdata[i], g_strcmp0(missing->pdata[i], attaching) != 0);
	g_mutex_lock(&domain->lock);
	if (attaching && domain_def_has_alias(domain->live, attaching))
		domain_send_device_added(domain, attaching);
	g_mutex_unlock(&domain->lock);
}

gboolean hot_plug_catch_up(DomainVmm *vmm, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(JsonNode) reply = qmp_client_ask_array(
		vmm->monitor, "qom-list", qmp_argument("path", "/machine/peripheral"), &cause);

	/* One of before an upgrade does not know the question. */
	if (qmp_outcome(cause) == QMP_REFUSED)
		return TRUE;
	if (!reply) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	if (domain_vmm_is_current(vmm))
		take_devices(vmm, reply);
	return TRUE;
}
