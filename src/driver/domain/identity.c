/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* identity.c - what a run of a domain has of the host: its user, its group, files that are its own
 */
#include "driver/domain/identity.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "driver/domain/driver.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/jail/jail.h"
#include "driver/security/cgroup.h"
#include "driver/security/label.h"
#include "driver/security/scope.h"
#include "driver/security/user-database.h"
#include "driver/security/user-processes.h"

/* Processes and threads that a domain's group may have besides those of its vCPUs. */
#define TASKS	     256
#define DEVICE_TASKS 256

DomainIdentity *identity_new(uid_t uid, gid_t gid, gboolean is_claimed)
{
	DomainIdentity *identity = g_new0(DomainIdentity, 1);

	identity->uid = uid;
	identity->gid = gid;
	identity->is_claimed = is_claimed;
	identity->files = g_ptr_array_new_with_free_func((GDestroyNotify)file_owner_free);
	return identity;
}

void identity_free(DomainIdentity *identity)
{
	if (!identity)
		return;
	g_free(identity->scope);
	g_free(identity->cgroup);
	g_ptr_array_unref(identity->files);
	g_free(identity);
}

static void set_identity(Domain *domain, DomainIdentity *identity)
{
	g_mutex_lock(&domain->lock);
	identity_free(domain->identity);
	domain->identity = identity;
	g_mutex_unlock(&domain->lock);
}

/*
 * Who it runs as.
 */

static DomainIdentity *choose_session(const DomainDef *def, GError **error)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (def->seclabel_type == DOMAIN_SECLABEL_STATIC &&
	    !label_resolve(def->seclabel_label, &uid, &gid, error))
		return NULL;
	if (uid == geteuid() && gid == getegid())
		return identity_new(uid, gid, FALSE);
	driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
		     _("element 'seclabel/label' is '%.80s': a session's domains run as the "
		       "session's user"),
		     def->seclabel_label);
	return NULL;
}

static DomainIdentity *choose_static(Driver *driver, const DomainDef *def, GError **error)
{
	uid_t uid;
	gid_t gid;

	if (!label_resolve(def->seclabel_label, &uid, &gid, error))
		return NULL;
	if (!driver->users || !user_range_has(user_pool_range(driver->users), uid))
		return identity_new(uid, gid, FALSE);
	if (user_pool_claim_this(driver->users, uid))
		return identity_new(uid, gid, TRUE);
	driver_error(error, VIR_ERR_RESOURCE_BUSY,
		     _("element 'seclabel/label' is '%.80s': another domain runs as this user, "
		       "which is one of 'user_range' in virtgmemd.conf"),
		     def->seclabel_label);
	return NULL;
}

/* Where there is no pool, or the definition wants no label: the user that all have. */
static DomainIdentity *choose_common(Driver *driver, GError **error)
{
	return driver_check_vmm_user(driver, error) ?
		       identity_new(driver->vmm_uid, driver->vmm_gid, FALSE) :
		       NULL;
}

static DomainIdentity *choose_own(Driver *driver, GError **error)
{
	uid_t uid;

	if (!user_pool_claim(driver->users, &uid, error))
		return NULL;
	return identity_new(uid, driver->is_group_named ? driver->vmm_gid : (gid_t)uid, TRUE);
}

static DomainIdentity *choose(Driver *driver, const DomainDef *def, GError **error)
{
	if (!driver->is_system)
		return choose_session(def, error);
	if (def->seclabel_type == DOMAIN_SECLABEL_STATIC)
		return choose_static(driver, def, error);
	if (def->seclabel_type == DOMAIN_SECLABEL_NONE || !driver->users)
		return choose_common(driver, error);
	return choose_own(driver, error);
}

/* libvirt has no labels in a session. */
static void fill_label(const Driver *driver, DomainDef *def, const DomainIdentity *identity)
{
	if (!driver->is_system || def->seclabel_type == DOMAIN_SECLABEL_STATIC ||
	    def->seclabel_type == DOMAIN_SECLABEL_NONE)
		return;
	g_free(def->seclabel_label);
	def->seclabel_label = label_format(identity->uid, identity->gid);
}

gboolean identity_choose(Domain *domain, DomainDef *def, GError **error)
{
	DomainIdentity *identity = choose(domain->driver, def, error);

	if (!identity)
		return FALSE;
	fill_label(domain->driver, def, identity);
	set_identity(domain, identity);
	return TRUE;
}

/*
 * What it takes.
 */

static gboolean find_files(const Driver *driver, const DomainDef *def, DomainIdentity *identity,
			   GError **error)
{
	const SafeOwners owners = driver_file_owners(driver, identity->uid);
	FileOwner *owner;

	if (!driver->is_system || !def->seclabel_relabel || !def->nvram)
		return TRUE;
	owner = file_owner_find(_("nvram"), def->nvram, &owners, error);
	if (owner)
		g_ptr_array_add(identity->files, owner);
	return owner != NULL;
}

static gboolean give_files(const DomainIdentity *identity, GError **error)
{
	for (guint i = 0; i < identity->files->len; i++)
		if (!file_owner_give(_("nvram"), identity->files->pdata[i], identity->uid,
				     identity->gid, error))
			return FALSE;
	return TRUE;
}

/* @vmm: NULL before there are processes */
static gboolean save_start(const Domain *domain, const DomainDef *def, const Vmm *vmm,
			   GError **error)
{
	StoreStatus status = {
		.def = (DomainDef *)def,
		.identity = domain->identity,
		.is_starting = TRUE,
		.state = VIR_DOMAIN_PAUSED,
		.reason = VIR_DOMAIN_PAUSED_STARTING_UP,
	};

	if (vmm) {
		status.pid = vmm_process_pid(vmm->process);
		status.start_time = vmm_process_start_time(vmm->process);
		status.logger_pid = vmm_process_pid(vmm->logger);
		status.logger_start_time = vmm_process_start_time(vmm->logger);
		status.log_mark = vmm->log_mark;
	}
	if (vmm && vmm->storage) {
		const VmmProcess *storage = vmm_storage_process(vmm->storage);

		status.storage_pid = vmm_process_pid(storage);
		status.storage_start_time = vmm_process_start_time(storage);
	}
	return store_save_status(domain->driver, &status, error);
}

GArray *identity_groups(const Domain *domain, const DomainDef *def)
{
	if (!domain->driver->is_system || def->seclabel_type != DOMAIN_SECLABEL_STATIC)
		return NULL;
	return user_database_groups(domain->identity->uid, domain->identity->gid);
}

gboolean identity_begin(const Domain *domain, const DomainDef *def, GError **error)
{
	return find_files(domain->driver, def, domain->identity, error) &&
	       save_start(domain, def, NULL, error) && give_files(domain->identity, error);
}

void identity_adopt(Domain *domain, DomainIdentity *identity)
{
	const Driver *driver = domain->driver;

	if (!identity)
		return;
	if (identity->is_claimed && driver->users &&
	    !user_pool_claim_this(driver->users, identity->uid)) {
		g_warning(_("domain '%s' runs as user %u, as another does"), domain->name,
			  (guint)identity->uid);
		identity->is_claimed = FALSE;
	}
	fill_label(driver, domain->live, identity);
	set_identity(domain, identity);
}

/*
 * Its control group.
 */

static void warn_that_there_is_none(const GError *cause)
{
	static gsize is_told;

	if (!g_once_init_enter(&is_told))
		return;
	g_warning(_("domains have no cgroups, as 'sandbox_may_lack' in virtgmemd.conf allows: %s"),
		  driver_error_detail(cause));
	g_once_init_leave(&is_told, TRUE);
}

/* Return: whether the domain starts without a group. */
static gboolean may_lack(const Driver *driver, const GError *cause, GError **error)
{
	if (driver->may_lack & SANDBOX_PART_BIT(SANDBOX_PART_CGROUP)) {
		warn_that_there_is_none(cause);
		return TRUE;
	}
	driver_error_from(error, VIR_ERR_OPERATION_FAILED, cause,
			  _("the domain gets no cgroup of its own, and 'sandbox_may_lack' in "
			    "virtgmemd.conf does not have \"cgroup\": %s"),
			  driver_error_detail(cause));
	return FALSE;
}

/* What the domain's XML says, and of processes and threads what all that a domain may have takes.
 */
static CgroupLimits limits_of(const DomainDef *def)
{
	const DomainTune *tune = &def->tune;
	return (CgroupLimits){
		.tasks = def->vcpus + TASKS + (guint64)domain_def_count_working(def) * DEVICE_TASKS,
		.memory_bytes = MIN(tune->hard_limit_kib, G_MAXUINT64 / 1024) * 1024,
		.cpu_weight = tune->shares,
		.cpu_period_us = tune->global_period,
		.cpu_quota_us = tune->global_quota,
	};
}

/* Its folder is in the status file before it is there. */
static gboolean make_folder(const Domain *domain, const DomainDef *def, GError **error)
{
	DomainIdentity *identity = domain->identity;
	const CgroupLimits limits = limits_of(def);
	g_autofree char *own = cgroup_own_folder("/", error);
	g_autofree char *name = cgroup_machine_name(def->id, def->name);

	if (!own)
		return FALSE;
	identity->cgroup = cgroup_new_folder(own, name);
	if (save_start(domain, def, NULL, error) && cgroup_make(identity->cgroup, error))
		return cgroup_limit(identity->cgroup, &limits, error);
	g_clear_pointer(&identity->cgroup, g_free);
	return FALSE;
}

static gboolean join(int cgroup, pid_t pid, GError **error)
{
	return dprintf(cgroup, "%d", (int)pid) > 0 ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("process %d cannot be put in its cgroup: %s"), (int)pid,
			    g_strerror(errno));
}

/* The same where systemd makes it. */
static gboolean make_scope(const Domain *domain, const DomainDef *def, pid_t first, GError **error)
{
	const CgroupLimits limits = limits_of(def);
	DomainIdentity *identity = domain->identity;
	g_autofree char *name = cgroup_machine_name(def->id, def->name);
	g_autofree char *description = g_strdup_printf(_("virtual machine '%s'"), def->name);
	g_autoptr(GDBusConnection) bus = scope_connect(error);

	if (!bus)
		return FALSE;
	identity->scope = scope_unit(name);
	if (!save_start(domain, def, NULL, error) ||
	    !scope_start(bus, identity->scope, description, first, &limits, error))
		return FALSE;
	identity->cgroup = scope_folder(identity->scope, first, error);
	return identity->cgroup != NULL;
}

/* Not to be known by machined takes nothing away from a domain. */
static void register_machine(const Domain *domain, const DomainDef *def, const Vmm *vmm)
{
	g_autofree char *name = cgroup_machine_name(def->id, def->name);
	g_autoptr(GError) error = NULL;
	g_autoptr(GDBusConnection) bus = scope_connect(&error);

	if (!bus || !scope_register(bus, name, domain->uuid, vmm_process_pid(vmm->process), &error))
		g_warning(_("domain '%s' is not registered with machined: %s"), domain->name,
			  driver_error_detail(error));
}

static gboolean make_group(const Domain *domain, const DomainDef *def, pid_t first, int *cgroup,
			   GError **error)
{
	if (sd_booted() > 0)
		return make_scope(domain, def, first, error) &&
		       (*cgroup = cgroup_open(domain->identity->cgroup, error)) >= 0;
	if (!make_folder(domain, def, error))
		return FALSE;
	*cgroup = cgroup_open(domain->identity->cgroup, error);
	return *cgroup >= 0 && join(*cgroup, first, error);
}

static gboolean check_session(const DomainDef *def, GError **error)
{
	return domain_tune_is_empty(&def->tune) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("elements 'memtune' and 'cputune': a session's domains have no "
			      "cgroup that could be limited"));
}

gboolean identity_make_group(Domain *domain, const DomainDef *def, pid_t first, int *cgroup,
			     GError **error)
{
	const Driver *driver = domain->driver;
	g_autoptr(GError) cause = NULL;

	if (!driver->is_system)
		return check_session(def, error);
	if (make_group(domain, def, first, cgroup, &cause))
		return TRUE;
	if (*cgroup >= 0)
		close(*cgroup);
	*cgroup = -1;
	if (!domain_tune_is_empty(&def->tune)) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	if (!may_lack(driver, cause, error))
		return FALSE;
	/* A scope goes by itself, when the process has ended that may have got there. */
	if (domain->identity->cgroup && !domain->identity->scope)
		(void)cgroup_remove(domain->identity->cgroup, NULL);
	g_clear_pointer(&domain->identity->scope, g_free);
	g_clear_pointer(&domain->identity->cgroup, g_free);
	return TRUE;
}

gboolean identity_note_processes(const Domain *domain, const DomainDef *def, const Vmm *vmm,
				 GError **error)
{
	if (domain->identity->scope)
		register_machine(domain, def, vmm);
	return save_start(domain, def, vmm, error);
}

/*
 * Giving it back.
 */

static gboolean end_scope(const char *unit, GError **error)
{
	g_autoptr(GDBusConnection) bus = scope_connect(error);

	return bus && scope_end(bus, unit, error);
}

/* Return: FALSE where something of it is still there. */
static gboolean end_group(const Domain *domain, const DomainIdentity *identity)
{
	g_autoptr(GError) error = NULL;

	if ((!identity->cgroup || cgroup_end(identity->cgroup, &error)) &&
	    (identity->scope ? end_scope(identity->scope, &error) :
			       cgroup_remove(identity->cgroup, &error)))
		return TRUE;
	g_warning(_("domain '%s': %s"), domain->name, error->message);
	return FALSE;
}

static gboolean end_processes(const Domain *domain, const DomainIdentity *identity)
{
	if (identity->cgroup || identity->scope)
		return end_group(domain, identity);
	if (identity->is_claimed)
		user_processes_end(identity->uid);
	return TRUE;
}

static void give_files_back(const Domain *domain, const DomainIdentity *identity)
{
	for (guint i = 0; i < identity->files->len; i++) {
		g_autoptr(GError) error = NULL;

		if (!file_owner_give_back(_("nvram"), identity->files->pdata[i], identity->uid,
					  &error))
			g_warning(_("domain '%s': %s"), domain->name, error->message);
	}
}

void identity_end(Domain *domain, gboolean has_ended)
{
	const Driver *driver = domain->driver;
	const DomainIdentity *identity = domain->identity;

	if (identity) {
		has_ended &= end_processes(domain, identity);
		give_files_back(domain, identity);
	}
	store_delete_status(driver, domain->name);
	if (!identity)
		return;
	if (identity->is_claimed && driver->users && has_ended)
		user_pool_release(driver->users, identity->uid);
	set_identity(domain, NULL);
}
