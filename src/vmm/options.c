/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - the command line of gmem-vmm */
#include "vmm/options.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "config.h"
#include "vmm/log.h"

#define DEFAULT_MEMORY (512ull << 20)

/* As the command line gives them; NULL and -1 where it does not. */
typedef struct {
	char *vm_type;
	char *memory;
	int vcpus;
	char *policy;
	char *kernel;
	int kernel_fd;
	char *initrd;
	int initrd_fd;
	char *append;
	char *payload;
	char *console;
	int console_fd;
	int console_log_fd;
	char *monitor;
	int monitor_fd;
	int kvm_fd;
	int userfaultfd_fd;
	gboolean is_paused;
	gboolean no_reboot;
	gboolean no_shutdown;
	char *name;
	char *trace;
	char *debug_exit;
	gboolean version;
} RawOptions;

static void raw_options_clear(RawOptions *raw)
{
	char *strings[] = { raw->vm_type, raw->memory, raw->policy,  raw->kernel,
			    raw->initrd,  raw->append, raw->payload, raw->console,
			    raw->monitor, raw->name,   raw->trace,   raw->debug_exit };

	for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
		g_free(strings[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RawOptions, raw_options_clear)

static gboolean bad_value(GError **error, const char *option, const char *value,
			  const char *allowed)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%s: %s", option, value,
		    allowed);
	return FALSE;
}

gboolean options_parse_size(const char *text, guint64 *bytes, GError **error)
{
	static const struct {
		const char *suffix;
		guint shift;
	} units[] = { { "", 20 }, { "K", 10 }, { "M", 20 }, { "G", 30 } };
	char *end = NULL;
	guint64 number;

	errno = 0;
	number = g_ascii_strtoull(text, &end, 10);
	if (errno || !g_ascii_isdigit(text[0]))
		return bad_value(error, "memory", text, "a size such as 512M or 4G is wanted");
	for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
		if (strcmp(end, units[i].suffix) != 0)
			continue;
		if (number > MEMORY_MAX_SIZE >> units[i].shift)
			return bad_value(error, "memory", text, "64G is the most");
		*bytes = number << units[i].shift;
		return TRUE;
	}
	return bad_value(error, "memory", text, "the unit must be K, M or G");
}

/* A number in decimal or, with 0x, hexadecimal. */
static gboolean parse_port(const char *text, int *port, GError **error)
{
	char *end = NULL;
	guint64 number;

	errno = 0;
	number = g_ascii_strtoull(text, &end, 0);
	if (errno || *end || !g_ascii_isdigit(text[0]) || number > 0xffff)
		return bad_value(error, "debug-exit", text, "a port from 0 to 0xffff is wanted");
	*port = number;
	return TRUE;
}

static gboolean parse_numbers(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	machine->memory_size = DEFAULT_MEMORY;
	if (raw->memory && !options_parse_size(raw->memory, &machine->memory_size, error))
		return FALSE;
	if (machine->memory_size < 1 << 20 || machine->memory_size % GUEST_PAGE_SIZE)
		return bad_value(error, "memory", raw->memory, "1M is the least, in whole pages");
	if (raw->vcpus < 1 || raw->vcpus > VCPU_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--vcpus=%d: from 1 to %d are possible", raw->vcpus, VCPU_MAX);
		return FALSE;
	}
	machine->vcpus = raw->vcpus;
	machine->debug_exit_port = -1;
	return !raw->debug_exit || parse_port(raw->debug_exit, &machine->debug_exit_port, error);
}

static gboolean parse_choices(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	if (!raw->vm_type || strcmp(raw->vm_type, "sw-protected") == 0)
		machine->vm_type = KVM_VM_SW_PROTECTED;
	else if (strcmp(raw->vm_type, "ordinary") == 0)
		machine->vm_type = KVM_VM_ORDINARY;
	else
		return bad_value(error, "vm-type", raw->vm_type,
				 "'sw-protected' or 'ordinary' is wanted");
	if (!raw->policy || strcmp(raw->policy, "on-demand") == 0)
		machine->policy = MEMORY_POLICY_ON_DEMAND;
	else if (strcmp(raw->policy, "guest-only") == 0)
		machine->policy = MEMORY_POLICY_GUEST_ONLY;
	else
		return bad_value(error, "policy", raw->policy,
				 "'on-demand' or 'guest-only' is wanted");
	if (raw->policy && machine->vm_type == KVM_VM_ORDINARY)
		return bad_value(error, "policy", raw->policy,
				 "an ordinary VM has no private memory to have a policy for");
	machine->on_reboot = raw->no_reboot ? MACHINE_ACTION_SHUTDOWN : MACHINE_ACTION_RESET;
	machine->keep_after_shutdown = raw->no_shutdown;
	options->is_paused = raw->is_paused;
	return TRUE;
}

static gboolean parse_traces(Options *options, const RawOptions *raw, GError **error)
{
	g_auto(GStrv) names = g_strsplit(raw->trace ? raw->trace : "", ",", -1);

	for (char **name = names; *name; name++) {
		if (strcmp(*name, "memslot") == 0)
			options->traces |= LOG_TRACE_MEMSLOT;
		else if (strcmp(*name, "conversion") == 0)
			options->traces |= LOG_TRACE_CONVERSION;
		else
			return bad_value(error, "trace", raw->trace,
					 "a list of 'memslot' and 'conversion' is wanted");
	}
	return TRUE;
}

/* Opens a file for reading; only a regular one will do, since it is read at any offset. */
static int open_regular_file(const char *option, const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0) {
		bad_value(error, option, path, g_strerror(errno));
		return -1;
	}
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		bad_value(error, option, path, "not a regular file");
		close(fd);
		return -1;
	}
	return fd;
}

/* Takes over a descriptor that was handed in, once it has turned out to be open. */
static gboolean adopt_fd(const char *option, int fd, struct stat *status, GError **error)
{
	if (fstat(fd, status) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--%s=%d: no open descriptor has that number", option, fd);
		return FALSE;
	}
	return TRUE;
}

static gboolean wrong_fd(GError **error, const char *option, int fd, const char *wanted)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "--%s=%d: the descriptor is not %s", option, fd, wanted);
	return FALSE;
}

/* One file that comes as a path or as a descriptor, or not at all. */
static gboolean open_file(const char *option, const char *path, int fd, int *result, GError **error)
{
	g_autofree char *fd_option = g_strdup_printf("%s-fd", option);
	struct stat status;

	if (path && fd >= 0)
		return bad_value(error, option, path, "given both as a path and as a descriptor");
	if (path) {
		*result = open_regular_file(option, path, error);
		return *result >= 0;
	}
	if (fd < 0)
		return TRUE;
	if (!adopt_fd(fd_option, fd, &status, error))
		return FALSE;
	if (!S_ISREG(status.st_mode))
		return wrong_fd(error, fd_option, fd, "a regular file");
	*result = fd;
	return TRUE;
}

static gboolean open_guest_files(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	if (!open_file("kernel", raw->kernel, raw->kernel_fd, &machine->kernel_fd, error) ||
	    !open_file("initrd", raw->initrd, raw->initrd_fd, &machine->initrd_fd, error) ||
	    !open_file("payload", raw->payload, -1, &machine->payload_fd, error))
		return FALSE;
	if (machine->kernel_fd < 0 && machine->payload_fd < 0) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "nothing to run: give a kernel with --kernel=FILE");
		return FALSE;
	}
	if (machine->payload_fd >= 0 && (machine->kernel_fd >= 0 || machine->initrd_fd >= 0))
		return bad_value(error, "payload", raw->payload,
				 "a payload takes the place of kernel and initrd");
	options->command_line = g_strdup(raw->append ? raw->append : "");
	machine->command_line = options->command_line;
	return TRUE;
}

/* A device that is handed in, or its path's; @is_needed: its absence is an error. */
static gboolean open_device(const char *option, int fd, const char *path, gboolean is_needed,
			    int *result, GError **error)
{
	struct stat status;

	if (fd < 0) {
		*result = open(path, O_RDWR | O_CLOEXEC);
		if (*result >= 0 || !is_needed)
			return TRUE;
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: %s", path,
			    g_strerror(errno));
		return FALSE;
	}
	if (!adopt_fd(option, fd, &status, error))
		return FALSE;
	if (!S_ISCHR(status.st_mode))
		return wrong_fd(error, option, fd, "a character device");
	*result = fd;
	return TRUE;
}

static gboolean open_devices(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	if (!open_device("kvm-fd", raw->kvm_fd, "/dev/kvm", TRUE, &machine->kvm_fd, error))
		return FALSE;
	if (ioctl(machine->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return wrong_fd(error, "kvm-fd", machine->kvm_fd, "/dev/kvm");
	if (machine->vm_type == KVM_VM_ORDINARY)
		return TRUE;
	return open_device("userfaultfd-fd", raw->userfaultfd_fd, "/dev/userfaultfd", FALSE,
			   &machine->userfaultfd_device, error);
}

/* A new pseudo-terminal; says where, since that is what a user needs to know. */
static gboolean open_pty(Options *options, GError **error)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios attributes;

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || tcgetattr(fd, &attributes) < 0) {
		if (fd >= 0)
			close(fd);
		return bad_value(error, "console", "pty", g_strerror(errno));
	}
	cfmakeraw(&attributes);
	tcsetattr(fd, TCSANOW, &attributes);
	options->machine.console_fd = fd;
	options->machine.console_input_fd = fd;
	log_info("console", "redirected to %s", ptsname(fd));
	return TRUE;
}

static gboolean open_console_file(Options *options, const char *path, GError **error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return bad_value(error, "console", path, g_strerror(errno));
	options->machine.console_fd = fd;
	return TRUE;
}

static gboolean open_stdio(Options *options, GError **error)
{
	MachineConfig *machine = &options->machine;

	machine->console_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	machine->console_input_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (machine->console_fd < 0)
		return bad_value(error, "console", "stdio", g_strerror(errno));
	options->console_is_terminal = isatty(STDIN_FILENO);
	return TRUE;
}

static gboolean adopt_console_log(Options *options, const RawOptions *raw, GError **error)
{
	struct stat status;

	if (raw->console_log_fd < 0)
		return TRUE;
	if (!adopt_fd("console-log-fd", raw->console_log_fd, &status, error))
		return FALSE;
	options->machine.console_log_fd = raw->console_log_fd;
	return TRUE;
}

static gboolean open_console(Options *options, const RawOptions *raw, GError **error)
{
	struct stat status;

	if (raw->console && raw->console_fd >= 0)
		return bad_value(error, "console", raw->console,
				 "given together with --console-fd");
	if (raw->console_fd >= 0) {
		if (!adopt_fd("console-fd", raw->console_fd, &status, error))
			return FALSE;
		options->machine.console_fd = raw->console_fd;
		if ((fcntl(raw->console_fd, F_GETFL) & O_ACCMODE) == O_RDWR)
			options->machine.console_input_fd = raw->console_fd;
		return TRUE;
	}
	if (!raw->console || strcmp(raw->console, "stdio") == 0)
		return open_stdio(options, error);
	if (strcmp(raw->console, "null") == 0)
		return TRUE;
	if (strcmp(raw->console, "pty") == 0)
		return open_pty(options, error);
	if (g_str_has_prefix(raw->console, "file:"))
		return open_console_file(options, raw->console + strlen("file:"), error);
	return bad_value(error, "console", raw->console,
			 "'stdio', 'null', 'pty' or 'file:PATH' is wanted");
}

static gboolean listen_at(Options *options, const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return bad_value(error, "monitor", path, "too long for a socket's address");
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bad_value(error, "monitor", path, g_strerror(errno));
	options->monitor_fd = fd;
	/* Whoever reaches the monitor owns the machine: the socket is its owner's alone. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return bad_value(error, "monitor", path, g_strerror(errno));
	options->monitor_path = g_strdup(path);
	if (listen(fd, 4) < 0)
		return bad_value(error, "monitor", path, g_strerror(errno));
	return TRUE;
}

static gboolean open_monitor(Options *options, const RawOptions *raw, GError **error)
{
	int is_listening = 0;
	socklen_t length = sizeof(is_listening);
	struct stat status;

	if (raw->monitor && raw->monitor_fd >= 0)
		return bad_value(error, "monitor", raw->monitor,
				 "given together with --monitor-fd");
	if (raw->monitor)
		return listen_at(options, raw->monitor, error);
	if (raw->monitor_fd < 0)
		return TRUE;
	if (!adopt_fd("monitor-fd", raw->monitor_fd, &status, error))
		return FALSE;
	if (getsockopt(raw->monitor_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) < 0 ||
	    !is_listening)
		return wrong_fd(error, "monitor-fd", raw->monitor_fd, "a listening socket");
	options->monitor_fd = raw->monitor_fd;
	return TRUE;
}

static const char description[] =
	"Runs one virtual machine. Its memory is private: it comes from guest_memfd, which the\n"
	"host cannot map, and a page becomes shared only when somebody needs it shared.\n"
	"\n"
	"Example:\n"
	"  gmem-vmm --memory=1G --vcpus=2 --kernel=vmlinuz --initrd=initrd.img \\\n"
	"           --append='console=ttyS0' --monitor=/run/guest.monitor\n"
	"\n"
	"This host's KVM has to offer KVM_X86_SW_PROTECTED_VM: Linux 6.8 or newer with\n"
	"CONFIG_KVM_SW_PROTECTED_VM. With --vm-type=ordinary any KVM will do, and nothing is\n"
	"private. See gmem-vmm(8).";

static gboolean parse_command_line(RawOptions *raw, char **arguments, GError **error)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_auto(GStrv) left = g_strdupv(arguments);
	const GOptionEntry entries[] = {
		{ "vm-type", 0, 0, G_OPTION_ARG_STRING, &raw->vm_type,
		  "'sw-protected' (default) or 'ordinary'", "TYPE" },
		{ "memory", 'm', 0, G_OPTION_ARG_STRING, &raw->memory,
		  "Guest RAM, 1M to 64G; 512M by default", "SIZE" },
		{ "vcpus", 0, 0, G_OPTION_ARG_INT, &raw->vcpus, "1 to 16; 1 by default", "N" },
		{ "policy", 0, 0, G_OPTION_ARG_STRING, &raw->policy,
		  "Who converts pages: 'on-demand' (default) or 'guest-only'", "POLICY" },
		{ "kernel", 0, 0, G_OPTION_ARG_FILENAME, &raw->kernel, "A bzImage to boot",
		  "FILE" },
		{ "kernel-fd", 0, 0, G_OPTION_ARG_INT, &raw->kernel_fd,
		  "The same as an open descriptor", "N" },
		{ "initrd", 0, 0, G_OPTION_ARG_FILENAME, &raw->initrd, "Its initial RAM disk",
		  "FILE" },
		{ "initrd-fd", 0, 0, G_OPTION_ARG_INT, &raw->initrd_fd,
		  "The same as an open descriptor", "N" },
		{ "append", 0, 0, G_OPTION_ARG_STRING, &raw->append, "The kernel's command line",
		  "TEXT" },
		{ "payload", 0, 0, G_OPTION_ARG_FILENAME, &raw->payload,
		  "A flat binary to run instead of a kernel, for tests", "FILE" },
		{ "console", 0, 0, G_OPTION_ARG_STRING, &raw->console,
		  "First serial port: 'stdio' (default), 'pty', 'null' or 'file:PATH'", "WHERE" },
		{ "console-fd", 0, 0, G_OPTION_ARG_INT, &raw->console_fd,
		  "The same as an open descriptor", "N" },
		{ "console-log-fd", 0, 0, G_OPTION_ARG_INT, &raw->console_log_fd,
		  "What the first serial port writes goes there too: an open file", "N" },
		{ "monitor", 0, 0, G_OPTION_ARG_FILENAME, &raw->monitor,
		  "Listen for QMP at a UNIX socket", "PATH" },
		{ "monitor-fd", 0, 0, G_OPTION_ARG_INT, &raw->monitor_fd,
		  "The same as a listening socket", "N" },
		{ "kvm-fd", 0, 0, G_OPTION_ARG_INT, &raw->kvm_fd, "An open /dev/kvm", "N" },
		{ "userfaultfd-fd", 0, 0, G_OPTION_ARG_INT, &raw->userfaultfd_fd,
		  "An open /dev/userfaultfd", "N" },
		{ "paused", 0, 0, G_OPTION_ARG_NONE, &raw->is_paused,
		  "Wait for 'cont' on the monitor", NULL },
		{ "no-reboot", 0, 0, G_OPTION_ARG_NONE, &raw->no_reboot,
		  "End when the guest resets", NULL },
		{ "no-shutdown", 0, 0, G_OPTION_ARG_NONE, &raw->no_shutdown,
		  "Stay when the guest powers off", NULL },
		{ "name", 0, 0, G_OPTION_ARG_STRING, &raw->name, "Name of the guest, for the log",
		  "NAME" },
		{ "trace", 0, 0, G_OPTION_ARG_STRING, &raw->trace,
		  "Log what happens: 'memslot', 'conversion'", "LIST" },
		{ "debug-exit", 0, 0, G_OPTION_ARG_STRING, &raw->debug_exit,
		  "Port by which a test guest ends the process", "PORT" },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Print the version", NULL },
		G_OPTION_ENTRY_NULL,
	};

	g_option_context_set_summary(context, description);
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse_strv(context, &left, error))
		return FALSE;
	if (g_strv_length(left) > 1) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
			    "unexpected argument '%s'", left[1]);
		return FALSE;
	}
	return TRUE;
}

gboolean options_parse(Options *options, char **arguments, GError **error)
{
	g_auto(RawOptions) raw = {
		.vcpus = 1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.console_fd = -1,
		.console_log_fd = -1,
		.monitor_fd = -1,
		.kvm_fd = -1,
		.userfaultfd_fd = -1,
	};

	*options = (Options){
		.monitor_fd = -1,
		.machine = {
			.kvm_fd = -1,
			.userfaultfd_device = -1,
			.kernel_fd = -1,
			.initrd_fd = -1,
			.payload_fd = -1,
			.console_fd = -1,
			.console_input_fd = -1,
			.console_log_fd = -1,
			.debug_exit_port = -1,
		},
	};
	if (!parse_command_line(&raw, arguments, error))
		return FALSE;
	if (raw.version) {
		g_print("gmem-vmm (libvirt-gmem) %s\n", PACKAGE_VERSION);
		return FALSE;
	}
	options->name = g_strdup(raw.name);
	return parse_numbers(options, &raw, error) && parse_choices(options, &raw, error) &&
	       parse_traces(options, &raw, error) && open_guest_files(options, &raw, error) &&
	       open_devices(options, &raw, error) && open_console(options, &raw, error) &&
	       adopt_console_log(options, &raw, error) && open_monitor(options, &raw, error);
}

void options_clear(Options *options)
{
	MachineConfig *machine = &options->machine;
	const int fds[] = { machine->kvm_fd,	     machine->userfaultfd_device,
			    machine->kernel_fd,	     machine->initrd_fd,
			    machine->payload_fd,     machine->console_fd,
			    machine->console_log_fd, options->monitor_fd };

	if (machine->console_input_fd >= 0 && machine->console_input_fd != machine->console_fd)
		close(machine->console_input_fd);
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (options->monitor_path)
		unlink(options->monitor_path);
	g_free(options->monitor_path);
	g_free(options->command_line);
	g_free(options->name);
}
