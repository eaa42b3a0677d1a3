/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-launch.c - from a domain's configuration to a VMM that waits for its first command */
#include "driver/vmm/vmm-launch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "driver/error.h"
#include "driver/jail/jail.h"
#include "driver/network/link.h"
#include "driver/network/passt.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-command.h"
#include "driver/vmm/vmm-log.h"
#include "driver/vmm/vmm-logger.h"

/* How long a VMM may take until it greets: it loads its kernel before. */
#define GREETING_SECONDS 120

/* What a VMM writes to besides disks is its firmware's variables, of a few MiB at most. */
#define VMM_FILE_SIZE (64u << 20)

/* What a VMM has besides a thread for each vCPU, by far: a dozen. */
#define VMM_OTHER_THREADS 64

/* Of each device or I/O thread: its own, and the kernel's that do what io_uring cannot do at once.
 */
#define VMM_DEVICE_THREADS 32

/*
 * A userfaultfd belongs to the process that makes it, so the device is what is handed over.
 * Where there is none, the VMM makes one by the system call, if it may.
 */
static gboolean add_devices(VmmCommand *command, GError **error)
{
	int fd;

	if (!vmm_command_add_device(command, "kvm-fd", "/dev/kvm", O_RDWR, error))
		return FALSE;
	fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		vmm_command_add_descriptor(command, "userfaultfd-fd", fd);
	else if (errno != ENOENT)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    _("cannot open device '/dev/userfaultfd': %s"),
				    g_strerror(errno));
	return TRUE;
}

/* Return: a listening socket that only this user can connect to, or -1 with @error. */
static int listen_on(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("monitor path '%s' is too long"),
			     path);
		return -1;
	}
	strcpy(address.sun_path, path);
	(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 1) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot listen on monitor '%s': %s"),
			     path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static gboolean add_monitor(VmmCommand *command, const char *path, GError **error)
{
	int fd = listen_on(path, error);

	if (fd < 0)
		return FALSE;
	vmm_command_add_descriptor(command, "monitor-fd", fd);
	return TRUE;
}

static void add_sandbox(VmmCommand *command, const Jail *jail)
{
	char *may_lack = jail_argument(jail);

	vmm_command_add(command, "--sandbox=full");
	if (may_lack)
		g_ptr_array_add(command->argv, may_lack);
}

static gboolean build_command(VmmCommand *command, const VmmLaunch *launch, Jail *jail,
			      DomainDef *def, GError **error)
{
	vmm_command_add(command, "%s", def->emulator ? def->emulator : launch->emulator);
	if (!vmm_command_add_machine(command, def, error) || !add_devices(command, error) ||
	    !vmm_command_add_boot(command, def, launch->bios, launch->linuxboot_rom, error) ||
	    !add_monitor(command, launch->monitor_path, error) ||
	    !vmm_command_add_serials(command, def, error) ||
	    !vmm_command_add_devices(command, def, error))
		return FALSE;
	jail_limit(jail, RLIMIT_FSIZE, MAX(VMM_FILE_SIZE, command->largest_file));
	add_sandbox(command, jail);
	g_ptr_array_add(command->argv, NULL);
	return TRUE;
}

char *vmm_failure(VmmProcess *process, const char *log_path, const VmmLogLimits *limits,
		  const VmmLogMark *mark)
{
	g_autofree char *outcome = vmm_process_outcome(process);
	g_autofree char *tail = vmm_log_tail(log_path, mark);
	g_autofree char *end = NULL;

	if (!outcome)
		outcome = g_strdup(_("unknown outcome"));
	end = g_strdup_printf(_("the VMM has ended (%s)"), outcome);
	vmm_log_append(log_path, limits, end);
	if (tail)
		return g_strdup_printf(_("the VMM has ended (%s): %s"), outcome, tail);
	return g_strdup_printf(_("the VMM has ended (%s); its log says nothing"), outcome);
}

/* Why no monitor could be reached: the VMM's own words where it has ended. */
static void explain_failure(const VmmLaunch *launch, Vmm *vmm, const GError *cause, GError **error)
{
	g_autofree char *failure = NULL;

	/* It may have closed the socket a moment before it ends. */
	if (vmm_process_wait(vmm->process, 1)) {
		vmm_logger_wait(vmm->logger);
		failure = vmm_failure(vmm->process, launch->log_path, &launch->log_limits,
				      &vmm->log_mark);
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "%s", failure);
		return;
	}
	driver_error_from(error, VIR_ERR_INTERNAL_ERROR, cause, _("the VMM was started but: %s"),
			  driver_error_detail(cause));
}

/* Opens the log. Return: the VMM's end of it, or -1 with @error. */
static int open_log(const VmmLaunch *launch, VmmCommand *command, Vmm *vmm, GError **error)
{
	const char *const *argv = (const char *const *)command->argv->pdata;
	g_auto(SafeOutput) log = SAFE_OUTPUT_INIT;

	if (!vmm_log_open(launch->log_path, &launch->log_limits, argv, &log, &vmm->log_mark, error))
		return -1;
	return vmm_logger_add(command->streams, &log, TRUE, error);
}

/* Root's logger writes into folders and files that are others'; nobody else has these rights. */
static void init_logger_jail(Jail *jail, const VmmLaunch *launch)
{
	jail_init(jail, geteuid(), getegid(), launch->may_lack);
	if (geteuid() == 0)
		jail->capabilities |= CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER);
}

static guint count_passts(const DomainDef *def)
{
	guint n = 0;

	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];

		n += interface->type == DOMAIN_INTERFACE_USER;
	}
	return n;
}

/*
 * The kernel counts the threads of a user, in whatever process: the limit is for one alone. A
 * storage daemon may come later.
 */
static void init_vmm_jail(Jail *jail, const VmmLaunch *launch, const DomainDef *def)
{
	jail_init(jail, launch->uid, launch->gid, launch->may_lack);
	if (launch->groups) {
		jail->groups = (const gid_t *)launch->groups->data;
		jail->n_groups = launch->groups->len;
	}
	if (launch->is_own_user)
		jail_limit(jail, RLIMIT_NPROC,
			   def->vcpus + VMM_OTHER_THREADS +
				   domain_def_count_working(def) * VMM_DEVICE_THREADS +
				   (count_passts(def) + 1) * JAIL_COMPANION_THREADS);
}

/* In the VMM's cgroup, and before it: each ends when the VMM closes its end of a socket. */
static gboolean spawn_passts(const VmmLaunch *launch, const Jail *vmm_jail,
			     const VmmCommand *command, int output, Vmm *vmm, GError **error)
{
	Jail jail;

	passt_jail(&jail, launch->uid, launch->gid, launch->may_lack, vmm_jail->cgroup);
	/* Threads of other domains count for their common user, too. */
	if (!launch->is_own_user)
		jail_limit(&jail, RLIMIT_NPROC, RLIM_INFINITY);
	vmm->passts = vmm_passts_new();
	for (guint i = 0; i < command->passts->len; i++) {
		const VmmPasst *passt = &g_array_index(command->passts, VmmPasst, i);

		if (!vmm_passt_spawn(vmm->passts, &jail, passt->interface, passt->socket, output,
				     error))
			return FALSE;
	}
	return TRUE;
}

/* Whether each passt is there still: one that cannot have what it was told to ends at once. */
static gboolean check_passts(const VmmLaunch *launch, const Vmm *vmm, GError **error)
{
	for (guint i = 0; i < vmm->passts->len; i++) {
		VmmProcess *process = ((const VmmPasstProcess *)vmm->passts->pdata[i])->process;
		g_autofree char *outcome = NULL, *tail = NULL;

		if (!vmm_process_wait(process, 0))
			continue;
		outcome = vmm_process_outcome(process);
		tail = vmm_log_tail(launch->log_path, &vmm->log_mark);
		return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("passt has ended (%s): %s"),
				    outcome ? outcome : _("unknown outcome"), tail ? tail : "");
	}
	return TRUE;
}

static gboolean spawn_storage(const VmmLaunch *launch, const DomainDef *def, const Jail *vmm_jail,
			      const VmmCommand *command, int output, Vmm *vmm, GError **error)
{
	const VmmStorageDomain domain = {
		.path = launch->storage_path,
		.name = def->name,
		.log_path = launch->log_path,
	};

	if (!command->storage.path)
		return TRUE;
	vmm->storage = vmm_storage_spawn(&domain, &command->storage, launch->storage_library,
					 vmm_jail, output, error);
	for (guint i = 0; vmm->storage && i < command->served->len; i++) {
		const VmmServedDisk *served = &g_array_index(command->served, VmmServedDisk, i);

		if (!vmm_storage_attach(vmm->storage, served->disk, served->chain, error))
			return FALSE;
	}
	return vmm->storage != NULL;
}

/* Starts the logger, which then reads what the VMM writes from its first line on. */
static gboolean spawn(const VmmLaunch *launch, const DomainDef *def, const Jail *jail,
		      VmmCommand *command, Vmm *vmm, GError **error)
{
	const int log_fd = open_log(launch, command, vmm, error);
	const JailProgram program = {
		.argv = (const char *const *)command->argv->pdata,
		.descriptors = (const JailDescriptor *)command->descriptors->data,
		.n_descriptors = command->descriptors->len,
		.output = log_fd,
	};
	Jail vmm_jail = *jail;
	Jail logger_jail;

	if (log_fd < 0)
		return FALSE;
	init_logger_jail(&logger_jail, launch);
	vmm->logger = vmm_logger_spawn(launch->logger, &logger_jail, &launch->log_limits,
				       command->streams, error);
	if (vmm->logger &&
	    launch->make_group(vmm_process_pid(vmm->logger), &vmm_jail.cgroup, launch->data,
			       error) &&
	    spawn_passts(launch, &vmm_jail, command, log_fd, vmm, error) &&
	    spawn_storage(launch, def, &vmm_jail, command, log_fd, vmm, error))
		vmm->process = vmm_process_spawn(&vmm_jail, &program, error);
	if (vmm_jail.cgroup >= 0)
		close(vmm_jail.cgroup);
	close(log_fd);
	return vmm->process != NULL;
}

/* What was made for this start; a device of the same name that was there before is another's. */
static void forget_links(const DomainDef *def, guint n_links)
{
	for (guint i = 0; i < n_links; i++)
		network_link_forget(def->interfaces->pdata[i]);
}

gboolean vmm_launch(const VmmLaunch *launch, DomainDef *def, Vmm *vmm, GError **error)
{
	g_auto(VmmCommand) command;
	g_autoptr(GError) cause = NULL;
	Jail jail;
	gboolean spawned;

	*vmm = (Vmm){ 0 };
	vmm_command_init(&command);
	command.vmm_uid = launch->uid;
	command.storage_path = launch->storage_path;
	init_vmm_jail(&jail, launch, def);
	spawned = build_command(&command, launch, &jail, def, error) &&
		  spawn(launch, def, &jail, &command, vmm, error);
	/* The VMM must be the only one to hold them: their end is how its end is seen. */
	vmm_command_close(&command);
	if (spawned && launch->spawned(vmm, launch->data, error)) {
		vmm->monitor = qmp_client_connect(launch->monitor_path, GREETING_SECONDS, &cause);
		if (!vmm->monitor)
			explain_failure(launch, vmm, cause, error);
	}
	if (vmm->monitor && check_passts(launch, vmm, error))
		return TRUE;
	(void)unlink(launch->monitor_path);
	if (vmm->process)
		vmm_process_end(vmm->process, 0);
	vmm_passts_wait(vmm->passts);
	vmm_storage_end(vmm->storage);
	vmm_storage_remove_sockets(launch->storage_path);
	forget_links(def, command.n_links);
	vmm_chardev_remove_all(def);
	vmm_logger_wait(vmm->logger);
	vmm_clear(vmm);
	return FALSE;
}

void vmm_clear(Vmm *vmm)
{
	g_clear_pointer(&vmm->monitor, qmp_client_free);
	g_clear_pointer(&vmm->process, vmm_process_free);
	g_clear_pointer(&vmm->logger, vmm_process_free);
	g_clear_pointer(&vmm->passts, g_ptr_array_unref);
	g_clear_pointer(&vmm->storage, vmm_storage_free);
}
