/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-launch.c - from a domain's configuration to a VMM that waits for its first command */
#include "driver/vmm/vmm-launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-log.h"

/* How long a VMM may take until it greets: it loads its kernel before. */
#define GREETING_SECONDS 120

/* How long one that was told to end may take. */
#define END_SECONDS 10

/* The first number that a descriptor gets in the VMM. */
#define FIRST_DESCRIPTOR 3

/* A command line and the descriptors that it names, as they are put together. */
typedef struct {
	GPtrArray *argv;     /* of char * */
	GArray *descriptors; /* of VmmDescriptor; the sources are ours */
} Command;

static void command_init(Command *command)
{
	command->argv = g_ptr_array_new_with_free_func(g_free);
	command->descriptors = g_array_new(FALSE, FALSE, sizeof(VmmDescriptor));
}

static void close_descriptors(Command *command)
{
	for (guint i = 0; i < command->descriptors->len; i++)
		close(g_array_index(command->descriptors, VmmDescriptor, i).source);
	g_array_set_size(command->descriptors, 0);
}

static void command_clear(Command *command)
{
	close_descriptors(command);
	g_array_unref(command->descriptors);
	g_ptr_array_unref(command->argv);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Command, command_clear)

static void add_argument(Command *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void add_argument(Command *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	g_ptr_array_add(command->argv, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

/* --OPTION=NUMBER for a descriptor, which is taken over. */
static void add_descriptor(Command *command, const char *option, int fd)
{
	const VmmDescriptor descriptor = {
		.source = fd,
		.target = FIRST_DESCRIPTOR + (int)command->descriptors->len,
	};

	g_array_append_val(command->descriptors, descriptor);
	add_argument(command, "--%s=%d", option, descriptor.target);
}

static gboolean add_file(Command *command, const char *option, const char *what, const char *path,
			 int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, "cannot open %s '%s': %s", what,
				    path, g_strerror(errno));
	add_descriptor(command, option, fd);
	return TRUE;
}

/* The VMM refuses all but regular files, too; it does not know what they are called. */
static gboolean add_boot_file(Command *command, const char *option, const char *what,
			      const char *path, GError **error)
{
	const VmmDescriptor *added;
	struct stat status;

	if (!add_file(command, option, what, path, O_RDONLY, error))
		return FALSE;
	added = &g_array_index(command->descriptors, VmmDescriptor, command->descriptors->len - 1);
	if (fstat(added->source, &status) == 0 && S_ISREG(status.st_mode))
		return TRUE;
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED, "%s '%s' is not a regular file",
			    what, path);
}

static gboolean add_boot_files(Command *command, const DomainDef *def, GError **error)
{
	if (!add_boot_file(command, "kernel-fd", "kernel", def->kernel, error))
		return FALSE;
	if (def->initrd && !add_boot_file(command, "initrd-fd", "initrd", def->initrd, error))
		return FALSE;
	if (def->cmdline)
		add_argument(command, "--append=%s", def->cmdline);
	return TRUE;
}

/*
 * A userfaultfd belongs to the process that makes it, so the device is what is handed over.
 * Where there is none, the VMM makes one by the system call, if it may.
 */
static gboolean add_devices(Command *command, GError **error)
{
	int fd;

	if (!add_file(command, "kvm-fd", "device", "/dev/kvm", O_RDWR, error))
		return FALSE;
	fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		add_descriptor(command, "userfaultfd-fd", fd);
	else if (errno != ENOENT)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    "cannot open device '/dev/userfaultfd': %s", g_strerror(errno));
	return TRUE;
}

/* A new terminal that passes every byte as it is. Return: its master, or -1 with @error. */
static int open_terminal(char **path, GError **error)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios terminal;
	char name[64];
	int slave = -1;

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 &&
	    ptsname_r(master, name, sizeof(name)) == 0)
		slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &terminal) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "cannot make a terminal: %s",
			     g_strerror(errno));
		if (slave >= 0)
			close(slave);
		if (master >= 0)
			close(master);
		return -1;
	}
	cfmakeraw(&terminal);
	(void)tcsetattr(slave, TCSANOW, &terminal);
	close(slave);
	*path = g_strdup(name);
	return master;
}

static gboolean add_output_file(Command *command, const char *option, const char *what,
				const char *path, gboolean append, GError **error)
{
	return add_file(command, option, what, path,
			O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), error);
}

/* <log>: a file that gets what the guest writes, whoever else reads it. */
static gboolean add_serial_log(Command *command, const DomainSerial *serial, GError **error)
{
	return !serial->log_path || add_output_file(command, "console-log-fd", "serial port's log",
						    serial->log_path, serial->log_append, error);
}

static gboolean add_serial(Command *command, DomainSerial *serial, GError **error)
{
	int master;

	g_free(serial->alias);
	serial->alias = g_strdup_printf("serial%u", serial->port);
	switch (serial->type) {
	case DOMAIN_CHARDEV_PTY:
		g_clear_pointer(&serial->path, g_free);
		master = open_terminal(&serial->path, error);
		if (master < 0)
			return FALSE;
		add_descriptor(command, "console-fd", master);
		return TRUE;
	case DOMAIN_CHARDEV_FILE:
		return add_output_file(command, "console-fd", "serial port's file", serial->path,
				       serial->append, error);
	case DOMAIN_CHARDEV_NULL:
		break;
	}
	add_argument(command, "--console=null");
	return TRUE;
}

/* Return: a listening socket that only this user can connect to, or -1 with @error. */
static int listen_on(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "monitor path '%s' is too long", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 1) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "cannot listen on monitor '%s': %s", path,
			     g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static gboolean add_monitor(Command *command, const char *path, GError **error)
{
	int fd = listen_on(path, error);

	if (fd < 0)
		return FALSE;
	add_descriptor(command, "monitor-fd", fd);
	return TRUE;
}

/*
 * The VMM does not end by itself when the guest powers off: what has to happen then, and
 * why it happened, is the daemon's to see, also one that was started later.
 */
static void add_machine(Command *command, const DomainDef *def)
{
	add_argument(command, "--name=%s", def->name);
	add_argument(command, "--vm-type=sw-protected");
	add_argument(command, "--policy=%s",
		     def->policy == DOMAIN_POLICY_GUEST_ONLY ? "guest-only" : "on-demand");
	add_argument(command, "--memory=%" G_GUINT64_FORMAT "K", def->memory_kib);
	add_argument(command, "--vcpus=%u", def->vcpus);
	add_argument(command, "--paused");
	add_argument(command, "--no-shutdown");
	if (def->on_reboot != DOMAIN_ACTION_RESTART)
		add_argument(command, "--no-reboot");
}

static gboolean build_command(Command *command, const VmmLaunch *launch, DomainDef *def,
			      GError **error)
{
	add_argument(command, "%s", def->emulator ? def->emulator : launch->emulator);
	add_machine(command, def);
	if (!add_devices(command, error) || !add_boot_files(command, def, error) ||
	    !add_monitor(command, launch->monitor_path, error))
		return FALSE;
	if (def->n_serials == 0)
		add_argument(command, "--console=null");
	for (guint i = 0; i < def->n_serials; i++) {
		if (!add_serial(command, &def->serials[i], error) ||
		    !add_serial_log(command, &def->serials[i], error))
			return FALSE;
	}
	g_ptr_array_add(command->argv, NULL);
	return TRUE;
}

char *vmm_failure(VmmProcess *process, const char *log_path, gint64 log_start)
{
	g_autofree char *outcome = vmm_process_outcome(process);
	g_autofree char *tail = vmm_log_tail(log_path, log_start);

	return g_strdup_printf("the VMM has ended (%s)%s%s", outcome ? outcome : "unknown outcome",
			       tail ? ": " : "; its log says nothing", tail ? tail : "");
}

/* Why no monitor could be reached: the VMM's own words where it has ended. */
static void explain_failure(const VmmLaunch *launch, Vmm *vmm, const GError *cause, GError **error)
{
	g_autofree char *failure = NULL;

	/* It may have closed the socket a moment before it ends. */
	if (vmm_process_wait(vmm->process, 1)) {
		failure = vmm_failure(vmm->process, launch->log_path, vmm->log_start);
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "%s", failure);
		return;
	}
	vmm_process_signal(vmm->process, SIGKILL);
	(void)vmm_process_wait(vmm->process, END_SECONDS);
	driver_error_from(error, VIR_ERR_INTERNAL_ERROR, cause, "the VMM was started but");
}

static gboolean spawn(const VmmLaunch *launch, Command *command, Vmm *vmm, GError **error)
{
	const char *const *argv = (const char *const *)command->argv->pdata;
	int log_fd = vmm_log_open(launch->log_path, argv, &vmm->log_start, error);
	const VmmSpawn spawn = {
		.argv = argv,
		.descriptors = (const VmmDescriptor *)command->descriptors->data,
		.n_descriptors = command->descriptors->len,
		.log_fd = log_fd,
		.uid = launch->uid,
		.gid = launch->gid,
	};

	if (log_fd < 0)
		return FALSE;
	vmm->process = vmm_process_spawn(&spawn, error);
	close(log_fd);
	return vmm->process != NULL;
}

gboolean vmm_launch(const VmmLaunch *launch, DomainDef *def, Vmm *vmm, GError **error)
{
	g_auto(Command) command;
	g_autoptr(GError) cause = NULL;
	gboolean spawned;

	*vmm = (Vmm){ 0 };
	command_init(&command);
	spawned = build_command(&command, launch, def, error) &&
		  spawn(launch, &command, vmm, error);
	/* The VMM must be the only one to hold them: their end is how its end is seen. */
	close_descriptors(&command);
	if (spawned) {
		vmm->monitor = qmp_client_connect(launch->monitor_path, GREETING_SECONDS, &cause);
		if (!vmm->monitor)
			explain_failure(launch, vmm, cause, error);
	}
	if (vmm->monitor)
		return TRUE;
	(void)unlink(launch->monitor_path);
	vmm_clear(vmm);
	return FALSE;
}

void vmm_clear(Vmm *vmm)
{
	g_clear_pointer(&vmm->monitor, qmp_client_free);
	g_clear_pointer(&vmm->process, vmm_process_free);
}
