/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start.c - starting domains */
#include "driver/domain/start.h"

#include <glib/gi18n.h>
#include <inttypes.h>

#include "config.h"
#include "driver/domain/balloon.h"
#include "driver/domain/driver.h"
#include "driver/domain/end.h"
#include "driver/domain/follow-tasks.h"
#include "driver/domain/iothreads.h"
#include "driver/domain/nvram.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/host/firmware.h"
#include "driver/host/node.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-launch.h"

static gboolean check_host_memory(const DomainDef *def, GError **error)
{
	g_autoptr(NodeInfo) node = node_info_read("/", error);

	if (!node)
		return FALSE;
	if (def->memory_kib > node->memory_kib)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'memory' is %" PRIu64 " KiB: the host has %" PRIu64 " KiB"),
			def->memory_kib, node->memory_kib);
	return TRUE;
}

static void autodestroy(gpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!end_destroy(data, FALSE, &error))
		g_warning("%s", error->message);
}

static void set_autodestroy(Domain *domain, RpcClient *client)
{
	g_mutex_lock(&domain->lock);
	domain->autodestroy = rpc_client_ref(client);
	g_mutex_unlock(&domain->lock);
	rpc_client_on_close(client, domain, autodestroy, domain_ref(domain),
			    (GDestroyNotify)domain_unref);
}

typedef struct {
	Domain *domain;
	const DomainDef *def;
} Launching;

static gboolean make_group(pid_t logger, int *cgroup, gpointer data, GError **error)
{
	const Launching *launching = data;

	return identity_make_group(launching->domain, launching->def, logger, cgroup, error);
}

/* Who ends it where this daemon is killed before it is let go. */
static gboolean note_processes(const Vmm *vmm, gpointer data, GError **error)
{
	const Launching *launching = data;

	return identity_note_processes(launching->domain, launching->def, vmm, error);
}

static gboolean launch(Domain *domain, DomainDef *def, Vmm *vmm, GError **error)
{
	Launching launching = { .domain = domain, .def = def };
	const Driver *driver = domain->driver;
	g_autofree char *monitor = store_monitor_path(driver, domain->uuid);
	g_autofree char *storage = store_storage_path(driver, domain->uuid);
	g_autofree char *log = store_log_path(driver, domain->name);
	g_autoptr(GPtrArray) descriptors = driver_firmware(driver);
	g_autofree char *bios = firmware_default_bios(descriptors);
	g_autoptr(GArray) groups = identity_groups(domain, def);
	g_autofree char *channels = store_channel_folder(driver, def);
	const VmmLaunch launch = {
		.emulator = driver->emulator,
		.logger = driver->logger,
		.monitor_path = monitor,
		.storage_path = storage,
		.storage_library = driver->storage_library,
		.log_path = log,
		.log_limits = driver->log_limits,
		.bios = bios,
		.linuxboot_rom = LINUXBOOT_ROM_PATH,
		.uid = domain->identity->uid,
		.gid = domain->identity->gid,
		.groups = groups,
		.is_own_user = domain->identity->is_claimed,
		.may_lack = driver->may_lack,
		.make_group = make_group,
		.spawned = note_processes,
		.data = &launching,
	};

	return vmm_chardev_choose_paths(def, channels, error) &&
	       vmm_launch(&launch, def, vmm, error);
}

/* A definition that somebody has put into the folder by hand may not have its firmware yet. */
static gboolean complete_firmware(const Driver *driver, DomainDef *def, GError **error)
{
	const gboolean is_asked = def->firmware != DOMAIN_FIRMWARE_MANUAL && !def->loader;
	const gboolean is_half = def->loader &&
				 (def->loader_type == DOMAIN_LOADER_NONE ||
				  (def->loader_type == DOMAIN_LOADER_PFLASH && !def->nvram));

	return !(is_asked || is_half) || driver_resolve_firmware(driver, def, error);
}

/* The variable file is this domain's from here on, until its run ends or the start fails. */
static gboolean prepare_nvram(Domain *domain, const DomainDef *def, gboolean is_reset,
			      GError **error)
{
	const Driver *driver = domain->driver;
	const SafeOwners owners = driver_file_owners(driver, domain->identity->uid);
	g_autofree char *path = nvram_identity(def);

	return domain_list_claim_nvram(driver->domains, domain, path, error) &&
	       nvram_prepare(def, is_reset, &owners, error);
}

/* Settles what the host decides, and asks it for what the domain wants. */
static gboolean prepare_definition(Driver *driver, DomainDef *def, GError **error)
{
	return driver_settle_memory(driver, def, error) &&
	       driver_check_memory(driver, def, error) && check_host_memory(def, error) &&
	       complete_firmware(driver, def, error) && domain_def_check_readable(def, error);
}

static gboolean prepare_and_launch(Domain *domain, DomainDef *def, gboolean is_reset, Vmm *launched,
				   GError **error)
{
	if (!identity_choose(domain, def, error))
		return FALSE;
	if (prepare_definition(domain->driver, def, error) &&
	    prepare_nvram(domain, def, is_reset, error) && identity_begin(domain, def, error) &&
	    launch(domain, def, launched, error))
		return TRUE;
	identity_end(domain, TRUE);
	(void)domain_list_claim_nvram(domain->driver->domains, domain, NULL, NULL);
	return FALSE;
}

/* The domain has a VMM from here on. Takes over both. Return: a reference of the caller's. */
static DomainVmm *adopt_vmm(Domain *domain, DomainDef *def, Vmm *launched)
{
	DomainVmm *vmm = domain_vmm_new(domain, launched);

	g_mutex_lock(&domain->lock);
	g_clear_pointer(&domain->crash, g_free);
	domain->live = def;
	domain->vmm = vmm;
	domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP);
	g_mutex_unlock(&domain->lock);
	return domain_vmm_ref(vmm);
}

static void announce_start(Domain *domain, gboolean is_paused)
{
	g_mutex_lock(&domain->lock);
	/* The guest may have ended already; then that is what is told next. */
	if (domain->state == VIR_DOMAIN_PAUSED && is_paused)
		domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
	else if (domain->state == VIR_DOMAIN_PAUSED)
		domain_set_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
	if (is_paused)
		domain_send_event(domain, VIR_DOMAIN_EVENT_SUSPENDED,
				  VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	(void)follow_save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
}

static gboolean let_go(DomainVmm *vmm, guint64 memory_kib, gboolean is_paused, GError **error)
{
	Domain *domain = vmm->domain;
	gboolean saved;

	if (!follow_start(vmm, error) || !follow_read_threads(vmm, error) ||
	    !iothreads_pin_all(vmm, error) || !balloon_begin(vmm, memory_kib, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	saved = follow_save_status(domain, error);
	g_mutex_unlock(&domain->lock);
	if (!saved)
		return FALSE;
	/* Announced first, so that nothing which the guest does comes before its start. */
	announce_start(domain, is_paused);
	return is_paused || qmp_client_tell(vmm->monitor, "cont", error);
}

/* A VMM that ended says why in its log; what its monitor's end looks like is no help. */
static void explain_end(DomainVmm *vmm, GError **error)
{
	g_autofree char *failure = NULL;

	if (!vmm_process_wait(vmm->process, 1))
		return;
	vmm_logger_wait(vmm->logger);
	failure = end_explain(vmm);
	g_clear_error(error);
	driver_error(error, VIR_ERR_INTERNAL_ERROR, "%s", failure);
}

gboolean start_domain(Domain *domain, DomainDef *def, guint flags, RpcClient *client,
		      GError **error)
{
	const gboolean is_paused = flags & VIR_DOMAIN_START_PAUSED;
	const guint64 memory_kib = def->current_memory_kib;
	Vmm launched = { 0 };
	DomainVmm *vmm;
	gboolean started;

	def->id = g_atomic_int_add(&domain->driver->last_id, 1) + 1;
	/* It has all, until its guest gives some back. */
	def->current_memory_kib = def->memory_kib;
	domain_assign_aliases(def);
	domain_close_channels(def);
	if (!prepare_and_launch(domain, def, flags & VIR_DOMAIN_START_RESET_NVRAM, &launched,
				error)) {
		domain_def_free(def);
		return FALSE;
	}
	vmm = adopt_vmm(domain, def, &launched);
	started = let_go(vmm, memory_kib, is_paused, error);
	if (started && (flags & VIR_DOMAIN_START_AUTODESTROY)) {
		set_autodestroy(domain, client);
	} else if (!started) {
		explain_end(vmm, error);
		end_set_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
		end_run(vmm);
	}
	domain_vmm_unref(vmm);
	return started;
}
