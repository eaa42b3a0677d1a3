/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* driver.c - all that one daemon knows: its folders, its host, its domains */
#include "driver/domain/driver.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rotating-file.h"
#include "config.h"
#include "driver/domain/reconnect.h"
#include "driver/domain/replace-file.h"
#include "driver/domain/start.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/host/firmware.h"
#include "driver/log-limit.h"
#include "driver/security/label.h"
#include "driver/security/user-database.h"

/* When what could not be done is tried again. */
#define LATER_SECONDS 1

typedef struct {
	void (*function)(gpointer data);
	gpointer data;
} Job;

static void run_job(gpointer data, gpointer unused)
{
	Job *job = data;

	(void)unused;
	job->function(job->data);
	g_free(job);
}

static void set_system_paths(DriverPaths *paths)
{
	paths->config = g_build_filename(SYSCONFDIR, "libvirt", "gmem", NULL);
	paths->state = g_build_filename(RUNSTATEDIR, "libvirt", "gmem", NULL);
	paths->log = g_build_filename(LOCALSTATEDIR, "log", "libvirt", "gmem", NULL);
	paths->nvram = g_build_filename(LOCALSTATEDIR, "lib", "libvirt", "gmem", "nvram", NULL);
	paths->socket = g_build_filename(RUNSTATEDIR, "libvirt", "virtgmemd-sock", NULL);
}

static void set_session_paths(DriverPaths *paths)
{
	const char *run = g_get_user_runtime_dir();

	paths->config = g_build_filename(g_get_user_config_dir(), "libvirt", "gmem", NULL);
	paths->state = g_build_filename(run, "libvirt", "gmem", "run", NULL);
	paths->log = g_build_filename(g_get_user_cache_dir(), "libvirt", "gmem", "log", NULL);
	paths->nvram = g_build_filename(g_get_user_config_dir(), "libvirt", "gmem", "nvram", NULL);
	paths->socket = g_build_filename(run, "libvirt", "virtgmemd-sock", NULL);
}

/* The installed one, unless the environment names one that is not installed yet. */
static char *find_program(const char *name, const char *variable)
{
	const char *named = g_getenv(variable);

	return named ? g_canonicalize_filename(named, NULL) :
		       g_build_filename(LIBEXECDIR, name, NULL);
}

Driver *driver_new(gboolean is_system)
{
	Driver *driver = g_new0(Driver, 1);

	g_mutex_init(&driver->support_lock);
	g_mutex_init(&driver->later_lock);
	g_queue_init(&driver->later);
	driver->is_system = is_system;
	if (is_system)
		set_system_paths(&driver->paths);
	else
		set_session_paths(&driver->paths);
	driver->paths.autostart = g_build_filename(driver->paths.config, "autostart", NULL);
	driver->emulator = find_program("gmem-vmm", "GMEM_VMM");
	driver->logger = find_program("gmem-logger", "GMEM_LOGGER");
	driver->storage_library = find_program("gmem-storage-files.so", "GMEM_STORAGE_FILES");
	driver->log_limits.max_size = ROTATING_FILE_SIZE_DEFAULT;
	driver->log_limits.max_backups = ROTATING_FILE_BACKUPS_DEFAULT;
	driver->vmm_uid = geteuid();
	driver->vmm_gid = getegid();
	driver->domains = domain_list_new();
	driver->workers = g_thread_pool_new(run_job, NULL, DRIVER_WORKERS_MAX, FALSE, NULL);
	driver->memory_kinds = KVM_MEMORY_KINDS_ALL;
	driver->places = &host_places;
	driver->support = host_support_probe(driver->places);
	return driver;
}

static Job *job_new(void (*function)(gpointer data), gpointer data)
{
	Job *job = g_new0(Job, 1);

	job->function = function;
	job->data = data;
	return job;
}

static gboolean on_later(gpointer data);

/* With the lock. */
static void arm_later(Driver *driver)
{
	if (!driver->later_source && !driver->is_leaving)
		driver->later_source = g_timeout_add_seconds(LATER_SECONDS, on_later, driver);
}

/* A job for which no thread can be made waits in the pool's queue, and is not forgotten there. */
static void push_job(Driver *driver, Job *job)
{
	static LogLimit log;
	g_autoptr(GError) error = NULL;

	if (g_thread_pool_push(driver->workers, job, &error))
		return;
	log_limit_warning(&log, _("no thread can be made for a domain: %s"), error->message);
	g_mutex_lock(&driver->later_lock);
	arm_later(driver);
	g_mutex_unlock(&driver->later_lock);
}

/* On the main thread. */
static gboolean on_later(gpointer data)
{
	Driver *driver = data;
	GQueue jobs;
	Job *job;

	g_mutex_lock(&driver->later_lock);
	driver->later_source = 0;
	jobs = driver->later;
	g_queue_init(&driver->later);
	/* Makes threads for what is in the pool's queue. */
	if (!g_thread_pool_set_max_threads(driver->workers, DRIVER_WORKERS_MAX, NULL))
		arm_later(driver);
	g_mutex_unlock(&driver->later_lock);
	while ((job = g_queue_pop_head(&jobs)))
		push_job(driver, job);
	return G_SOURCE_REMOVE;
}

/* What was put off is done now, or drops itself: every job frees what it was given. */
static void stop_later(Driver *driver)
{
	g_mutex_lock(&driver->later_lock);
	driver->is_leaving = TRUE;
	if (driver->later_source)
		g_source_remove(driver->later_source);
	g_mutex_unlock(&driver->later_lock);
	(void)on_later(driver);
}

void driver_set_vmm_user(Driver *driver, const char *user, const char *group)
{
	g_mutex_lock(&driver->support_lock);
	g_free(driver->vmm_user);
	g_free(driver->vmm_group);
	driver->vmm_user = g_strdup(user);
	driver->vmm_group = g_strdup(group);
	g_mutex_unlock(&driver->support_lock);
}

void driver_set_user_range(Driver *driver, const UserRange *range, gboolean has_group)
{
	g_clear_pointer(&driver->users, user_pool_free);
	driver->users = user_pool_new(range, NULL);
	driver->is_group_named = has_group;
}

char *driver_base_label(Driver *driver)
{
	uid_t uid;

	if (!driver->is_system)
		return NULL;
	if (!driver->users)
		return driver_check_vmm_user(driver, NULL) ?
			       label_format(driver->vmm_uid, driver->vmm_gid) :
			       NULL;
	uid = user_pool_range(driver->users)->first;
	return label_format(uid, driver->is_group_named ? driver->vmm_gid : (gid_t)uid);
}

SafeOwners driver_file_owners(const Driver *driver, uid_t uid)
{
	SafeOwners owners = { .user = uid };

	/* A host that has lost power has not given back what was a domain's. */
	if (driver->users) {
		owners.first = user_pool_range(driver->users)->first;
		owners.count = user_pool_range(driver->users)->count;
	}
	return owners;
}

void driver_set_memory_kinds(Driver *driver, const KvmMemoryKinds *kinds, const char *settings_path)
{
	driver->memory_kinds = *kinds;
	g_free(driver->settings_path);
	driver->settings_path = g_strdup(settings_path);
}

/* With the lock. */
static gboolean find_vmm_user(Driver *driver, GError **error)
{
	if (!user_database_find_user(driver->vmm_user, &driver->vmm_uid, &driver->vmm_gid))
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("VMMs run as user '%s', which does not exist: make it "
				      "('systemd-sysusers', or 'useradd --system --user-group "
				      "%s'), or name another one by 'user' in virtgmemd.conf"),
				    driver->vmm_user, driver->vmm_user);
	if (driver->vmm_group && !user_database_find_group(driver->vmm_group, &driver->vmm_gid))
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("VMMs run as group '%s', which does not exist: make it, or "
				      "name another one by 'group' in virtgmemd.conf"),
				    driver->vmm_group);
	return TRUE;
}

gboolean driver_check_vmm_user(Driver *driver, GError **error)
{
	gboolean is_known;

	g_mutex_lock(&driver->support_lock);
	is_known = !driver->vmm_user || find_vmm_user(driver, error);
	if (is_known)
		g_clear_pointer(&driver->vmm_user, g_free);
	g_mutex_unlock(&driver->support_lock);
	return is_known;
}

void driver_leave(Driver *driver)
{
	g_autoptr(GPtrArray) all = NULL;

	if (!driver->workers)
		return;
	all = domain_list_all(driver->domains);
	for (guint i = 0; i < all->len; i++)
		reconnect_leave(g_ptr_array_index(all, i));
	stop_later(driver);
	g_thread_pool_free(g_steal_pointer(&driver->workers), FALSE, TRUE);
}

void driver_free(Driver *driver)
{
	if (!driver)
		return;
	driver_leave(driver);
	domain_list_free(driver->domains);
	host_support_free(driver->support);
	g_mutex_clear(&driver->later_lock);
	g_mutex_clear(&driver->support_lock);
	user_pool_free(driver->users);
	g_free(driver->vmm_group);
	g_free(driver->vmm_user);
	g_free(driver->settings_path);
	g_free(driver->storage_library);
	g_free(driver->logger);
	g_free(driver->emulator);
	g_free(driver->paths.socket);
	g_free(driver->paths.nvram);
	g_free(driver->paths.log);
	g_free(driver->paths.state);
	g_free(driver->paths.autostart);
	g_free(driver->paths.config);
	g_free(driver);
}

const char *driver_uri(const Driver *driver)
{
	return driver->is_system ? "gmem:///system" : "gmem:///session";
}

static gboolean make_folder(const char *path, mode_t mode, GError **error)
{
	if (g_mkdir_with_parents(path, mode) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("making folder '%s': %s"), path,
			    g_strerror(errno));
}

/* A folder that is libvirt's: others must reach theirs in it, whatever our umask. */
static gboolean make_shared_folder(const char *path, GError **error)
{
	const mode_t mask = umask(0022);
	const gboolean done = make_folder(path, 0755, error);

	(void)umask(mask);
	return done;
}

gboolean driver_make_folders(Driver *driver, GError **error)
{
	g_autofree char *sockets = g_path_get_dirname(driver->paths.socket);
	g_autofree char *lib = g_build_filename(LOCALSTATEDIR, "lib", "libvirt", NULL);

	return make_shared_folder(sockets, error) &&
	       (!driver->is_system || make_shared_folder(lib, error)) &&
	       make_folder(driver->paths.state, 0700, error) &&
	       make_folder(driver->paths.log, 0700, error) &&
	       make_folder(driver->paths.config, 0700, error) &&
	       make_folder(driver->paths.autostart, 0700, error) &&
	       make_folder(driver->paths.nvram, 0700, error);
}

void driver_run(Driver *driver, void (*function)(gpointer data), gpointer data)
{
	push_job(driver, job_new(function, data));
}

gboolean driver_run_later(Driver *driver, void (*function)(gpointer data), gpointer data)
{
	gboolean is_queued;

	g_mutex_lock(&driver->later_lock);
	is_queued = !driver->is_leaving;
	if (is_queued) {
		g_queue_push_tail(&driver->later, job_new(function, data));
		arm_later(driver);
	}
	g_mutex_unlock(&driver->later_lock);
	return is_queued;
}

static void name_emulator(const Driver *driver, DomainDef *def)
{
	if (!def->emulator)
		def->emulator = g_strdup(driver->emulator);
}

static void load_config(DomainDef *def, gboolean is_autostart, gpointer data)
{
	Driver *driver = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Domain) domain = domain_list_obtain(driver->domains, driver, def, &error);

	if (!domain) {
		g_warning("%s", error->message);
		domain_def_free(def);
		return;
	}
	name_emulator(driver, def);
	g_mutex_lock(&domain->lock);
	if (!domain->config) {
		domain->config = g_steal_pointer(&def);
		domain->is_autostart = is_autostart;
	}
	g_mutex_unlock(&domain->lock);
	domain_def_free(def);
}

static void load_status(StoreStatus *status, gpointer data)
{
	Driver *driver = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Domain) domain = domain_list_obtain(driver->domains, driver, status->def, &error);

	if (!domain) {
		g_warning("%s", error->message);
		return;
	}
	driver->last_id = MAX(driver->last_id, status->def->id);
	reconnect_domain(domain, status);
}

/* On a worker. */
static void autostart(gpointer data)
{
	Domain *domain = data;
	g_autoptr(GError) error = NULL;
	DomainDef *def = NULL;

	if (domain_begin_job(domain, N_("autostart"), &error)) {
		g_mutex_lock(&domain->lock);
		if (domain->config && !domain_is_active(domain))
			def = domain_def_copy(domain->config);
		g_mutex_unlock(&domain->lock);
		if (def)
			(void)start_domain(domain, def, 0, NULL, &error);
		domain_end_job(domain);
	}
	if (error)
		g_warning(_("domain '%s' does not start with the host: %s"), domain->name,
			  error->message);
	domain_unref(domain);
}

static void autostart_all(Driver *driver)
{
	g_autoptr(GPtrArray) all = domain_list_all(driver->domains);

	for (guint i = 0; i < all->len; i++) {
		Domain *domain = g_ptr_array_index(all, i);
		gboolean starts;

		g_mutex_lock(&domain->lock);
		starts = domain->is_autostart && !domain_is_active(domain);
		g_mutex_unlock(&domain->lock);
		if (starts)
			driver_run(driver, autostart, domain_ref(domain));
	}
}

/* Variables may be in any folder; so the definitions say where they were written. */
static void clean_up_nvram_folders(Driver *driver)
{
	g_autoptr(GPtrArray) all = domain_list_all(driver->domains);
	g_autoptr(GHashTable)
		folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTableIter iter;
	gpointer folder;

	g_hash_table_add(folders, g_strdup(driver->paths.nvram));
	for (guint i = 0; i < all->len; i++) {
		Domain *domain = g_ptr_array_index(all, i);

		g_mutex_lock(&domain->lock);
		if (domain->config && domain->config->nvram)
			g_hash_table_add(folders, g_path_get_dirname(domain->config->nvram));
		g_mutex_unlock(&domain->lock);
	}
	g_hash_table_iter_init(&iter, folders);
	while (g_hash_table_iter_next(&iter, &folder, NULL))
		replace_file_clean_up(folder, driver->vmm_uid);
}

void driver_load(Driver *driver)
{
	replace_file_clean_up(driver->paths.config, driver->vmm_uid);
	replace_file_clean_up(driver->paths.state, driver->vmm_uid);
	store_load_configs(driver, load_config, driver);
	clean_up_nvram_folders(driver);
	store_load_statuses(driver, load_status, driver);
	if (store_take_autostart_turn(driver))
		autostart_all(driver);
}

void driver_reload(Driver *driver)
{
	store_load_configs(driver, load_config, driver);
}

/* With the lock. What was there stays known, also to a daemon that has no descriptor left. */
static void look_again(Driver *driver)
{
	g_autoptr(HostSupport) before = driver->support;
	HostSupport *now = host_support_probe(driver->places);

	driver->support = now;
	now->kvm_present |= before->kvm_present;
	now->kvm_usable |= before->kvm_usable;
	now->max_vcpus = MAX(now->max_vcpus, before->max_vcpus);
	for (guint i = 0; i < KVM_MEMORY_KINDS; i++)
		if (!before->reasons[i])
			g_clear_pointer(&now->reasons[i], g_free);
}

/* What the configuration does not allow is said as if the host did not have it. */
HostSupport *driver_support(Driver *driver)
{
	HostSupport *copy;

	g_mutex_lock(&driver->support_lock);
	if (!host_support_has_all(driver->support))
		look_again(driver);
	copy = host_support_copy(driver->support);
	g_mutex_unlock(&driver->support_lock);
	for (guint i = 0; i < KVM_MEMORY_KINDS_ALL.n_kinds; i++) {
		const KvmMemoryKind kind = KVM_MEMORY_KINDS_ALL.kinds[i];

		if (kvm_memory_kinds_has(&driver->memory_kinds, kind))
			continue;
		g_free(copy->reasons[kind]);
		copy->reasons[kind] = g_strdup_printf(_("'memory_kinds' in '%s' does not have it"),
						      driver->settings_path);
	}
	return copy;
}

static gboolean choose_memory(Driver *driver, DomainDef *def, GError **error)
{
	g_autoptr(HostSupport) support = driver_support(driver);

	for (guint i = 0; i < driver->memory_kinds.n_kinds; i++) {
		const KvmMemoryKind kind = driver->memory_kinds.kinds[i];

		if (support->reasons[kind])
			continue;
		domain_def_set_memory_kind(def, kind);
		return domain_check_dma(def, error);
	}
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("neither element 'launchSecurity' nor 'memoryBacking/private' says "
			      "how memory is protected, and this host has nothing to choose from: "
			      "two-sided (%s), windows (%s)"),
			    support->reasons[KVM_MEMORY_TWO_SIDED],
			    support->reasons[KVM_MEMORY_WINDOWS]);
}

gboolean driver_settle_memory(Driver *driver, DomainDef *def, GError **error)
{
	KvmMemoryKind kind;

	if (!domain_def_memory_kind(def, &kind))
		return choose_memory(driver, def, error);
	return kvm_memory_kinds_has(&driver->memory_kinds, kind) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("element '%s' asks for memory of the kind '%s', which 'memory_kinds' "
			      "in '%s' does not have"),
			    domain_memory_kind_element(kind), kvm_memory_kind_name(kind),
			    driver->settings_path);
}

gboolean driver_check_memory(Driver *driver, const DomainDef *def, GError **error)
{
	g_autofree char *reason = NULL;
	KvmMemoryKind kind;

	(void)domain_def_memory_kind(def, &kind);
	g_mutex_lock(&driver->support_lock);
	if (driver->support->reasons[kind])
		look_again(driver);
	reason = g_strdup(driver->support->reasons[kind]);
	g_mutex_unlock(&driver->support_lock);
	return !reason ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("element '%s' asks for memory of the kind '%s', which this host does "
			      "not have: %s"),
			    domain_memory_kind_element(kind), kvm_memory_kind_name(kind), reason);
}

GPtrArray *driver_firmware(const Driver *driver)
{
	g_auto(GStrv) folders = firmware_descriptor_folders(driver->is_system);

	return firmware_descriptors_load((const char *const *)folders);
}

gboolean driver_resolve_firmware(const Driver *driver, DomainDef *def, GError **error)
{
	g_autoptr(GPtrArray) descriptors = driver_firmware(driver);

	return firmware_resolve(def, descriptors, driver->paths.nvram, error);
}

gboolean driver_complete_definition(Driver *driver, DomainDef *def, GError **error)
{
	name_emulator(driver, def);
	return driver_settle_memory(driver, def, error) &&
	       driver_resolve_firmware(driver, def, error) && domain_def_check_readable(def, error);
}
