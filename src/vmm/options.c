/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - the command line of gmem-vmm */
#include "vmm/options.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "vmm/kvm/cpu-features.h"
#include "vmm/log.h"
#include "vmm/option-files.h"
#include "vmm/option-serial.h"
#include "vmm/option-values.h"

#define RECLAIM_SECONDS_DEFAULT 2
#define RECLAIM_SECONDS_MAX	86400
#define DEFAULT_MEMORY		(512ull << 20)

/* As the command line gives them; NULL and -1 where it does not. */
typedef struct {
	char *memory_kind;
	char *memory;
	int vcpus;
	char *policy;
	int reclaim_seconds;
	char *kernel;
	int kernel_fd;
	char *initrd;
	int initrd_fd;
	char *append;
	char *payload;
	char *pflash_code;
	int pflash_code_fd;
	char *pflash_vars;
	int pflash_vars_fd;
	char *bios;
	int bios_fd;
	char *linuxboot_rom;
	int linuxboot_rom_fd;
	gboolean sercon;
	char *console;
	int console_fd;
	int console_log_fd;
	char *serial2;
	int serial2_fd;
	int serial2_log_fd;
	char *debug_console;
	int debug_console_fd;
	int debug_console_log_fd;
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
	char *sandbox;
	char *sandbox_may_lack;
	char *uuid;
	char **smbios;
	char *rtc_base;
	char *rtc_tick_policy;
	char *pit_tick_policy;
	char *tsc_frequency;
	gboolean hpet;
	gboolean no_kvmclock;
	gboolean no_pmu;
	char *cpu;
	char *cpu_topology;
	char **numa_cells;
	char **devices;
	gboolean version;
} RawOptions;

static void raw_options_clear(RawOptions *raw)
{
	char *strings[] = { raw->memory_kind,	raw->memory,	      raw->policy,
			    raw->kernel,	raw->initrd,	      raw->append,
			    raw->payload,	raw->pflash_code,     raw->pflash_vars,
			    raw->bios,		raw->linuxboot_rom,   raw->console,
			    raw->serial2,	raw->monitor,	      raw->debug_console,
			    raw->name,		raw->trace,	      raw->uuid,
			    raw->debug_exit,	raw->rtc_base,	      raw->cpu,
			    raw->cpu_topology,	raw->rtc_tick_policy, raw->pit_tick_policy,
			    raw->tsc_frequency, raw->sandbox,	      raw->sandbox_may_lack };
	char **lists[] = { raw->smbios, raw->numa_cells, raw->devices };

	for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
		g_free(strings[i]);
	for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
		g_strfreev(lists[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RawOptions, raw_options_clear)

gboolean options_parse_size(const char *text, guint64 *bytes, GError **error)
{
	static const struct {
		const char *suffix;
		guint shift;
	} units[] = { { "", 20 }, { "K", 10 }, { "M", 20 }, { "G", 30 }, { "T", 40 } };
	char *end = NULL;
	guint64 number;

	errno = 0;
	number = g_ascii_strtoull(text, &end, 10);
	if (errno || !g_ascii_isdigit(text[0]))
		return option_bad_value(error, "memory", text,
					_("a size such as 512M or 4G is wanted"));
	for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
		if (strcmp(end, units[i].suffix) != 0)
			continue;
		if (number > MEMORY_MAX_SIZE >> units[i].shift)
			return option_bad_value(error, "memory", text, _("4T is the most"));
		*bytes = number << units[i].shift;
		return TRUE;
	}
	return option_bad_value(error, "memory", text, _("the unit must be K, M, G or T"));
}

static gboolean parse_numbers(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;
	guint64 port;

	machine->memory_size = DEFAULT_MEMORY;
	if (raw->memory && !options_parse_size(raw->memory, &machine->memory_size, error))
		return FALSE;
	if (machine->memory_size < 1 << 20 || machine->memory_size % GUEST_PAGE_SIZE)
		return option_bad_value(error, "memory", raw->memory,
					_("1M is the least, in whole pages"));
	if (raw->vcpus < 1 || raw->vcpus > VCPU_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    _("--vcpus=%d: from 1 to %d are possible"), raw->vcpus, VCPU_MAX);
		return FALSE;
	}
	machine->vcpus = raw->vcpus;
	if (raw->reclaim_seconds < 0 || raw->reclaim_seconds > RECLAIM_SECONDS_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    _("--reclaim-seconds=%d: from 0 to %d are possible"),
			    raw->reclaim_seconds, RECLAIM_SECONDS_MAX);
		return FALSE;
	}
	machine->reclaim_seconds = raw->reclaim_seconds;
	machine->debug_exit_port = -1;
	if (!raw->debug_exit)
		return TRUE;
	if (!option_parse_number(raw->debug_exit, G_MAXUINT16, &port))
		return option_bad_value(error, "debug-exit", raw->debug_exit,
					_("a port from 0 to 0xffff is wanted"));
	machine->debug_exit_port = port;
	return TRUE;
}

static gboolean parse_choices(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	machine->memory_kind = KVM_MEMORY_TWO_SIDED;
	if (raw->memory_kind && !kvm_memory_kind_parse(raw->memory_kind, &machine->memory_kind))
		return option_bad_value(error, "memory-kind", raw->memory_kind,
					_("'two-sided', 'windows' or 'ordinary' is wanted"));
	if (!raw->policy || strcmp(raw->policy, "on-demand") == 0)
		machine->policy = MEMORY_POLICY_ON_DEMAND;
	else if (strcmp(raw->policy, "guest-only") == 0)
		machine->policy = MEMORY_POLICY_GUEST_ONLY;
	else
		return option_bad_value(error, "policy", raw->policy,
					_("'on-demand' or 'guest-only' is wanted"));
	if (raw->policy && machine->memory_kind == KVM_MEMORY_ORDINARY)
		return option_bad_value(error, "policy", raw->policy,
					_("ordinary memory is not private, and needs no policy"));
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
			return option_bad_value(
				error, "trace", raw->trace,
				_("a list of 'memslot' and 'conversion' is wanted"));
	}
	return TRUE;
}

static gboolean parse_sandbox(Options *options, const RawOptions *raw, GError **error)
{
	SandboxConfig *sandbox = &options->sandbox;

	if (!raw->sandbox || strcmp(raw->sandbox, "process") == 0)
		sandbox->level = SANDBOX_PROCESS;
	else if (strcmp(raw->sandbox, "full") == 0)
		sandbox->level = SANDBOX_FULL;
	else
		return option_bad_value(error, "sandbox", raw->sandbox,
					_("'process' or 'full' is wanted"));
	return sandbox_parts_parse(raw->sandbox_may_lack, &sandbox->may_lack) ||
	       option_bad_value(error, "sandbox-may-lack", raw->sandbox_may_lack,
				_("a list of 'namespaces' and 'seccomp' is wanted"));
}

/* What the guest's clocks are like. */
static gboolean parse_clocks(MachineConfig *machine, const RawOptions *raw, GError **error)
{
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;

	if (raw->rtc_base &&
	    !option_parse_rtc_base(raw->rtc_base, now, &machine->rtc_offset, error))
		return FALSE;
	if (!raw->rtc_tick_policy || strcmp(raw->rtc_tick_policy, "delay") == 0)
		machine->rtc_tick_policy = RTC_TICK_DELAY;
	else if (strcmp(raw->rtc_tick_policy, "catchup") == 0)
		machine->rtc_tick_policy = RTC_TICK_CATCHUP;
	else
		return option_bad_value(error, "rtc-tick-policy", raw->rtc_tick_policy,
					_("'delay' or 'catchup' is wanted"));
	machine->discard_pit_ticks = g_strcmp0(raw->pit_tick_policy, "discard") == 0;
	if (raw->pit_tick_policy && !machine->discard_pit_ticks &&
	    strcmp(raw->pit_tick_policy, "delay") != 0)
		return option_bad_value(error, "pit-tick-policy", raw->pit_tick_policy,
					_("'delay' or 'discard' is wanted"));
	if (raw->tsc_frequency)
		machine->tsc_khz = option_parse_tsc_frequency(raw->tsc_frequency, error);
	machine->cpu.no_kvmclock = raw->no_kvmclock;
	machine->hpet = raw->hpet;
	return !raw->tsc_frequency || machine->tsc_khz > 0;
}

/* What the guest's processors, tables and buses are like. */
static gboolean parse_hardware(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	/* Without a word on it, all processors are cores of one socket. */
	machine->cpu.topology = (CpuTopology){ 1, 1, machine->vcpus, 1 };
	if (raw->cpu_topology && !option_parse_topology(raw->cpu_topology, machine->vcpus,
							&machine->cpu.topology, error))
		return FALSE;
	if (raw->cpu && !option_parse_cpu(raw->cpu, options->cpu_features, error))
		return FALSE;
	if (raw->uuid && !option_parse_uuid("uuid", raw->uuid, machine->uuid, error))
		return FALSE;
	for (char **text = raw->smbios; text && *text; text++) {
		if (!option_parse_smbios(*text, options->smbios, error))
			return FALSE;
	}
	machine->cpu.no_pmu = raw->no_pmu;
	machine->has_uuid = raw->uuid != NULL;
	return option_parse_numa_cells(raw->numa_cells, machine->vcpus, machine->memory_size,
				       options->numa_cells, &machine->has_numa_distances, error);
}

/* A descriptor that a description names by its number. */
static gboolean adopt_descriptor(Options *options, const char *name, GError **error)
{
	struct stat status;
	guint64 number;

	if (!g_ascii_string_to_unsigned(name, 10, 0, G_MAXINT, &number, NULL))
		return option_bad_value(error, "device", name,
					_("the number of an open descriptor is wanted"));
	if (descriptor_table_has(options->descriptors, name))
		return option_bad_value(error, "device", name,
					_("a descriptor is one device's alone"));
	if (!option_adopt_fd("device", (int)number, &status, error))
		return FALSE;
	descriptor_table_add(options->descriptors, name, (int)number);
	return TRUE;
}

static gboolean parse_devices(Options *options, const RawOptions *raw, GError **error)
{
	for (char **text = raw->devices; text && *text; text++) {
		JsonObject *device = option_parse_device(*text, error);
		g_autoptr(GPtrArray) names = NULL;

		if (!device)
			return FALSE;
		g_ptr_array_add(options->devices, device);
		names = descriptor_names(device);
		for (guint i = 0; i < names->len; i++)
			if (!adopt_descriptor(options, g_ptr_array_index(names, i), error))
				return FALSE;
	}
	return TRUE;
}

static gboolean misplaced(GError **error, const char *message)
{
	g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, message);
	return FALSE;
}

/* Whether what is there to run goes together; see MachineConfig. */
static gboolean check_guest_files(const MachineConfig *machine, const RawOptions *raw,
				  GError **error)
{
	gboolean has_kernel = machine->kernel_fd >= 0;
	gboolean has_pflash = machine->pflash_code_fd >= 0;
	gboolean has_bios = machine->bios_fd >= 0;
	gboolean has_rom = machine->linuxboot_rom_fd >= 0;

	if (!has_kernel && !has_pflash && !has_bios && machine->payload_fd < 0)
		return misplaced(
			error,
			_("nothing to run: give firmware with --pflash-code=FILE or --bios=FILE, a "
			  "kernel with --kernel=FILE, or a payload with --payload=FILE"));
	if (machine->payload_fd >= 0 &&
	    (has_kernel || machine->initrd_fd >= 0 || has_pflash || has_bios))
		return option_bad_value(
			error, "payload", raw->payload,
			_("a payload takes the place of firmware, kernel and initrd"));
	if (has_pflash && has_bios)
		return misplaced(error, _("--bios: given together with --pflash-code"));
	if (machine->pflash_vars_fd >= 0 && !has_pflash)
		return misplaced(error, _("--pflash-vars: firmware in flash, which has its "
					  "variables there, needs --pflash-code too"));
	if (machine->initrd_fd >= 0 && !has_kernel)
		return misplaced(error, _("--initrd: there is no kernel, which needs --kernel"));
	if (raw->append && machine->payload_fd < 0 && !has_kernel)
		return misplaced(error, _("--append: there is no kernel, which needs --kernel"));
	if (has_rom && !(has_bios && has_kernel))
		return misplaced(error, _("--linuxboot-rom: it serves a BIOS to boot a kernel, and "
					  "needs --bios and --kernel"));
	if (has_bios && has_kernel && !has_rom)
		return misplaced(error,
				 _("--bios: to boot the kernel it needs --linuxboot-rom too"));
	if (raw->sercon && !has_bios)
		return misplaced(error, _("--sercon: it is for a BIOS, and needs --bios"));
	return TRUE;
}

static gboolean open_guest_files(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;
	const struct {
		const char *option;
		const char *path;
		int fd;
		int mode;
		int *result;
	} files[] = {
		{ "kernel", raw->kernel, raw->kernel_fd, O_RDONLY, &machine->kernel_fd },
		{ "initrd", raw->initrd, raw->initrd_fd, O_RDONLY, &machine->initrd_fd },
		{ "payload", raw->payload, -1, O_RDONLY, &machine->payload_fd },
		{ "pflash-code", raw->pflash_code, raw->pflash_code_fd, O_RDONLY,
		  &machine->pflash_code_fd },
		{ "pflash-vars", raw->pflash_vars, raw->pflash_vars_fd, O_RDWR,
		  &machine->pflash_vars_fd },
		{ "bios", raw->bios, raw->bios_fd, O_RDONLY, &machine->bios_fd },
		{ "linuxboot-rom", raw->linuxboot_rom, raw->linuxboot_rom_fd, O_RDONLY,
		  &machine->linuxboot_rom_fd },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		if (!option_open_file(files[i].option, files[i].path, files[i].fd, files[i].mode,
				      files[i].result, error))
			return FALSE;
	}
	if (!check_guest_files(machine, raw, error))
		return FALSE;
	options->firmware_names[0] = option_name_fd(machine->pflash_code_fd);
	options->firmware_names[1] = option_name_fd(machine->pflash_vars_fd);
	options->firmware_names[2] = option_name_fd(machine->bios_fd);
	machine->pflash_code_name = options->firmware_names[0];
	machine->pflash_vars_name = options->firmware_names[1];
	machine->bios_name = options->firmware_names[2];
	machine->sercon = raw->sercon;
	options->command_line = g_strdup(raw->append ? raw->append : "");
	machine->command_line = options->command_line;
	return TRUE;
}

static gboolean open_devices(Options *options, const RawOptions *raw, GError **error)
{
	MachineConfig *machine = &options->machine;

	if (!option_open_device("kvm-fd", raw->kvm_fd, "/dev/kvm", TRUE, &machine->kvm_fd, error))
		return FALSE;
	if (ioctl(machine->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return option_bad_fd(error, "kvm-fd", machine->kvm_fd,
				     _("the descriptor is not /dev/kvm"));
	/* One that is not needed is taken too, or it would stay open. */
	if (machine->memory_kind == KVM_MEMORY_ORDINARY && raw->userfaultfd_fd < 0)
		return TRUE;
	return option_open_device("userfaultfd-fd", raw->userfaultfd_fd, "/dev/userfaultfd", FALSE,
				  &machine->userfaultfd_device, error);
}

static gboolean open_serials(Options *options, const RawOptions *raw, GError **error)
{
	const char *default_console = raw->console_fd < 0 ? "stdio" : NULL;
	const SerialOptions console = {
		.option = "console",
		.where = raw->console ? raw->console : default_console,
		.fd = raw->console_fd,
		.log_fd = raw->console_log_fd,
	};
	const SerialOptions serial2 = {
		.option = "serial2",
		.where = raw->serial2,
		.fd = raw->serial2_fd,
		.log_fd = raw->serial2_log_fd,
	};
	gboolean is_stdio = g_strcmp0(console.where, "stdio") == 0;
	gboolean is_stdio2 = g_strcmp0(serial2.where, "stdio") == 0;

	if (is_stdio && is_stdio2)
		return option_bad_value(error, "serial2", "stdio",
					_("that is the console's: give --console another place"));
	if (!option_open_serial(&console, &options->machine.serials[0], error))
		return FALSE;
	options->console_is_terminal = (is_stdio || is_stdio2) && isatty(STDIN_FILENO);
	if (serial2.where || serial2.fd >= 0)
		return option_open_serial(&serial2, &options->machine.serials[1], error);
	if (serial2.log_fd >= 0)
		return misplaced(error, _("--serial2-log-fd: there is no second serial port, which "
					  "needs --serial2 or --serial2-fd"));
	return TRUE;
}

static gboolean find_debug_console(Options *options, const RawOptions *raw, GError **error)
{
	int *result = &options->machine.debug_console_fd;
	struct stat status;

	if (raw->debug_console_log_fd >= 0) {
		if (!option_adopt_fd("debug-console-log-fd", raw->debug_console_log_fd, &status,
				     error))
			return FALSE;
		options->machine.debug_console_log_fd = raw->debug_console_log_fd;
	}
	if (raw->debug_console && raw->debug_console_fd >= 0)
		return option_bad_value(error, "debug-console", raw->debug_console,
					_("given together with --debug-console-fd"));
	if (raw->debug_console)
		return option_open_output("debug-console", raw->debug_console, result, error);
	if (raw->debug_console_fd < 0)
		return TRUE;
	if (!option_adopt_fd("debug-console-fd", raw->debug_console_fd, &status, error))
		return FALSE;
	*result = raw->debug_console_fd;
	return TRUE;
}

static gboolean open_debug_console(Options *options, const RawOptions *raw, GError **error)
{
	if (!find_debug_console(options, raw, error))
		return FALSE;
	option_make_own(options->machine.debug_console_fd);
	option_make_own(options->machine.debug_console_log_fd);
	return TRUE;
}

static gboolean listen_at(Options *options, const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return option_bad_value(error, "monitor", path,
					_("too long for a socket's address"));
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return option_bad_value(error, "monitor", path, g_strerror(errno));
	options->monitor_fd = fd;
	/* Whoever reaches the monitor owns the machine: the socket is its owner's alone. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return option_bad_value(error, "monitor", path, g_strerror(errno));
	options->monitor_path = g_strdup(path);
	if (listen(fd, 4) < 0)
		return option_bad_value(error, "monitor", path, g_strerror(errno));
	return TRUE;
}

static gboolean open_monitor(Options *options, const RawOptions *raw, GError **error)
{
	int is_listening = 0;
	socklen_t length = sizeof(is_listening);
	struct stat status;

	if (raw->monitor && raw->monitor_fd >= 0)
		return option_bad_value(error, "monitor", raw->monitor,
					_("given together with --monitor-fd"));
	if (raw->monitor)
		return listen_at(options, raw->monitor, error);
	if (raw->monitor_fd < 0)
		return TRUE;
	if (!option_adopt_fd("monitor-fd", raw->monitor_fd, &status, error))
		return FALSE;
	if (getsockopt(raw->monitor_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) < 0 ||
	    !is_listening)
		return option_bad_fd(error, "monitor-fd", raw->monitor_fd,
				     _("the descriptor is not a listening socket"));
	options->monitor_fd = raw->monitor_fd;
	return TRUE;
}

static const char *const description = N_(
	"Runs one virtual machine. Its memory is private: it comes from guest_memfd, which no\n"
	"process has mapped, and a page becomes shared only when somebody needs it shared.\n"
	"\n"
	"Example:\n"
	"  gmem-vmm --memory=1G --vcpus=2 --kernel=vmlinuz --initrd=initrd.img \\\n"
	"           --append='console=ttyS0' --monitor=/run/guest.monitor\n"
	"\n"
	"This host's KVM has to offer KVM_X86_SW_PROTECTED_VM: Linux 6.8 or newer with\n"
	"CONFIG_KVM_SW_PROTECTED_VM. With --memory-kind=windows Linux 6.18 will do, as\n"
	"distributions have it; with --memory-kind=ordinary any KVM, and nothing is private.\n"
	"See gmem-vmm(8).");

/* A GOptionArgFunc for each of the options with "-fd"; what is not given stays -1. */
static gboolean parse_fd(const char *option, const char *value, gpointer data, GError **error)
{
	RawOptions *raw = data;
	const char *name = option + strlen("--");
	const struct {
		const char *option;
		int *fd;
	} fds[] = {
		{ "kernel-fd", &raw->kernel_fd },
		{ "initrd-fd", &raw->initrd_fd },
		{ "pflash-code-fd", &raw->pflash_code_fd },
		{ "pflash-vars-fd", &raw->pflash_vars_fd },
		{ "bios-fd", &raw->bios_fd },
		{ "linuxboot-rom-fd", &raw->linuxboot_rom_fd },
		{ "console-fd", &raw->console_fd },
		{ "console-log-fd", &raw->console_log_fd },
		{ "serial2-fd", &raw->serial2_fd },
		{ "serial2-log-fd", &raw->serial2_log_fd },
		{ "debug-console-fd", &raw->debug_console_fd },
		{ "monitor-fd", &raw->monitor_fd },
		{ "kvm-fd", &raw->kvm_fd },
		{ "userfaultfd-fd", &raw->userfaultfd_fd },
	};
	guint64 number;
	gsize i = 0;

	while (i < G_N_ELEMENTS(fds) && strcmp(fds[i].option, name) != 0)
		i++;
	g_assert(i < G_N_ELEMENTS(fds));
	if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT, &number, NULL))
		return option_bad_value(error, name, value,
					_("the number of an open descriptor is wanted"));
	*fds[i].fd = (int)number;
	return TRUE;
}

static gboolean parse_command_line(RawOptions *raw, char **arguments, GError **error)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	GOptionGroup *group = g_option_group_new(NULL, NULL, NULL, raw, NULL);
	g_auto(GStrv) left = g_strdupv(arguments);
	/*
	 * What is not ASCII, text for the guest and names, is bytes to us: FILENAME. A STRING would
	 * be taken for the language's encoding, which a daemon that hands over UTF-8 need not have.
	 */
	const GOptionEntry entries[] = {
		{ "memory-kind", 0, 0, G_OPTION_ARG_STRING, &raw->memory_kind,
		  N_("'two-sided' (default), 'windows' or 'ordinary'"), N_("KIND") },
		{ "memory", 'm', 0, G_OPTION_ARG_STRING, &raw->memory,
		  N_("Guest RAM, 1M to 4T; 512M by default"), N_("SIZE") },
		{ "vcpus", 0, 0, G_OPTION_ARG_INT, &raw->vcpus, N_("1 to 240; 1 by default"),
		  N_("N") },
		{ "policy", 0, 0, G_OPTION_ARG_STRING, &raw->policy,
		  N_("Who converts pages: 'on-demand' (default) or 'guest-only'"), N_("POLICY") },
		{ "reclaim-seconds", 0, 0, G_OPTION_ARG_INT, &raw->reclaim_seconds,
		  N_("How long a touched page stays shared; 2 by default, 0: for ever"), N_("N") },
		{ "kernel", 0, 0, G_OPTION_ARG_FILENAME, &raw->kernel, N_("A bzImage to boot"),
		  N_("FILE") },
		{ "kernel-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "initrd", 0, 0, G_OPTION_ARG_FILENAME, &raw->initrd, N_("Its initial RAM disk"),
		  N_("FILE") },
		{ "initrd-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "append", 0, 0, G_OPTION_ARG_FILENAME, &raw->append,
		  N_("The kernel's command line"), N_("TEXT") },
		{ "payload", 0, 0, G_OPTION_ARG_FILENAME, &raw->payload,
		  N_("A flat binary to run instead of a kernel, for tests"), N_("FILE") },
		{ "pflash-code", 0, 0, G_OPTION_ARG_FILENAME, &raw->pflash_code,
		  N_("Firmware in read-only flash"), N_("FILE") },
		{ "pflash-code-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "pflash-vars", 0, 0, G_OPTION_ARG_FILENAME, &raw->pflash_vars,
		  N_("Its variables, in flash that is written to"), N_("FILE") },
		{ "pflash-vars-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "bios", 0, 0, G_OPTION_ARG_FILENAME, &raw->bios,
		  N_("A BIOS ROM, instead of flash"), N_("FILE") },
		{ "bios-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "linuxboot-rom", 0, 0, G_OPTION_ARG_FILENAME, &raw->linuxboot_rom,
		  N_("Option ROM with which a BIOS boots the kernel"), N_("FILE") },
		{ "linuxboot-rom-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "sercon", 0, 0, G_OPTION_ARG_NONE, &raw->sercon,
		  N_("The BIOS shows itself on the first serial port"), NULL },
		{ "cpu", 0, 0, G_OPTION_ARG_STRING, &raw->cpu,
		  N_("host, then ,+FEATURE to require and ,-FEATURE to hide one"), N_("MODEL") },
		{ "cpu-topology", 0, 0, G_OPTION_ARG_STRING, &raw->cpu_topology,
		  N_("sockets=S,dies=D,cores=C,threads=T; cores of one socket by default"),
		  N_("TOPOLOGY") },
		{ "numa-cell", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw->numa_cells,
		  N_("cpus=0-1:3,memory=KIB,distances=10:20; once for each cell"), N_("CELL") },
		{ "device", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->devices,
		  N_("A device, described by a JSON object; once for each"), N_("JSON") },
		{ "uuid", 0, 0, G_OPTION_ARG_STRING, &raw->uuid, N_("The guest's UUID"),
		  N_("UUID") },
		{ "smbios", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->smbios,
		  N_("TYPE,FIELD=VALUE,... with commas of a value doubled; repeated"),
		  N_("STRINGS") },
		{ "rtc-base", 0, 0, G_OPTION_ARG_STRING, &raw->rtc_base,
		  N_("'utc' (default), 'localtime', +SECONDS, -SECONDS or @EPOCH"), N_("BASE") },
		{ "rtc-tick-policy", 0, 0, G_OPTION_ARG_STRING, &raw->rtc_tick_policy,
		  N_("Periodic interrupts of the clock that come too late: 'delay' (default) or "
		     "'catchup'"),
		  N_("POLICY") },
		{ "pit-tick-policy", 0, 0, G_OPTION_ARG_STRING, &raw->pit_tick_policy,
		  N_("Those of the timer: 'delay' (default) or 'discard'"), N_("POLICY") },
		{ "tsc-frequency", 0, 0, G_OPTION_ARG_STRING, &raw->tsc_frequency,
		  N_("Of the guest's TSC; the host's by default"), N_("HZ") },
		{ "hpet", 0, 0, G_OPTION_ARG_NONE, &raw->hpet, N_("The guest has an HPET"), NULL },
		{ "no-kvmclock", 0, 0, G_OPTION_ARG_NONE, &raw->no_kvmclock,
		  N_("Do not offer kvmclock"), NULL },
		{ "no-pmu", 0, 0, G_OPTION_ARG_NONE, &raw->no_pmu,
		  N_("Do not offer performance counters"), NULL },
		{ "console", 0, 0, G_OPTION_ARG_FILENAME, &raw->console,
		  N_("First serial port: 'stdio' (default), 'pty', 'null' or 'file:PATH'"),
		  N_("WHERE") },
		{ "console-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "console-log-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("What the first serial port writes goes there too: an open file"), N_("N") },
		{ "serial2", 0, 0, G_OPTION_ARG_FILENAME, &raw->serial2,
		  N_("Second serial port, as --console; none by default"), N_("WHERE") },
		{ "serial2-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "serial2-log-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("What the second serial port writes goes there too: an open file"), N_("N") },
		{ "debug-console", 0, 0, G_OPTION_ARG_FILENAME, &raw->debug_console,
		  N_("What firmware writes to port 0x402 goes there"), N_("FILE") },
		{ "debug-console-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as an open descriptor"), N_("N") },
		{ "debug-console-log-fd", 0, 0, G_OPTION_ARG_INT, &raw->debug_console_log_fd,
		  N_("It goes there too: an open file"), N_("N") },
		{ "monitor", 0, 0, G_OPTION_ARG_FILENAME, &raw->monitor,
		  N_("Listen for QMP at a UNIX socket"), N_("PATH") },
		{ "monitor-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("The same as a listening socket"), N_("N") },
		{ "kvm-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd, N_("An open /dev/kvm"),
		  N_("N") },
		{ "userfaultfd-fd", 0, 0, G_OPTION_ARG_CALLBACK, parse_fd,
		  N_("An open /dev/userfaultfd"), N_("N") },
		{ "paused", 0, 0, G_OPTION_ARG_NONE, &raw->is_paused,
		  N_("Wait for 'cont' on the monitor"), NULL },
		{ "no-reboot", 0, 0, G_OPTION_ARG_NONE, &raw->no_reboot,
		  N_("End when the guest resets"), NULL },
		{ "no-shutdown", 0, 0, G_OPTION_ARG_NONE, &raw->no_shutdown,
		  N_("Stay when the guest powers off"), NULL },
		{ "name", 0, 0, G_OPTION_ARG_FILENAME, &raw->name,
		  N_("Name of the guest, for the log"), N_("NAME") },
		{ "trace", 0, 0, G_OPTION_ARG_STRING, &raw->trace,
		  N_("Log what happens: 'memslot', 'conversion'"), N_("LIST") },
		{ "debug-exit", 0, 0, G_OPTION_ARG_STRING, &raw->debug_exit,
		  N_("Port by which a test guest ends the process"), N_("PORT") },
		{ "sandbox", 0, 0, G_OPTION_ARG_STRING, &raw->sandbox,
		  N_("What the process gives up: 'process' (default), without privileges, or "
		     "'full'"),
		  N_("LEVEL") },
		{ "sandbox-may-lack", 0, 0, G_OPTION_ARG_STRING, &raw->sandbox_may_lack,
		  N_("Start where the host lacks a part of the sandbox: 'namespaces', 'seccomp'"),
		  N_("LIST") },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &raw->version, N_("Print the version"),
		  NULL },
		G_OPTION_ENTRY_NULL,
	};

	g_option_context_set_summary(context, _(description));
	g_option_group_add_entries(group, entries);
	g_option_group_set_translation_domain(group, GETTEXT_PACKAGE);
	g_option_context_set_main_group(context, group);
	if (!g_option_context_parse_strv(context, &left, error))
		return FALSE;
	if (g_strv_length(left) > 1) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
			    _("unexpected argument '%s'"), left[1]);
		return FALSE;
	}
	return TRUE;
}

gboolean options_parse(Options *options, char **arguments, GError **error)
{
	g_auto(RawOptions) raw = {
		.vcpus = 1,
		.reclaim_seconds = RECLAIM_SECONDS_DEFAULT,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.pflash_code_fd = -1,
		.pflash_vars_fd = -1,
		.bios_fd = -1,
		.linuxboot_rom_fd = -1,
		.console_fd = -1,
		.console_log_fd = -1,
		.serial2_fd = -1,
		.serial2_log_fd = -1,
		.debug_console_fd = -1,
		.debug_console_log_fd = -1,
		.monitor_fd = -1,
		.kvm_fd = -1,
		.userfaultfd_fd = -1,
	};

	*options = (Options){
		.monitor_fd = -1,
		.machine = {
			.kvm_fd = -1,
			.pagemap_fd = -1,
			.task_folder = -1,
			.userfaultfd_device = -1,
			.kernel_fd = -1,
			.initrd_fd = -1,
			.payload_fd = -1,
			.pflash_code_fd = -1,
			.pflash_vars_fd = -1,
			.bios_fd = -1,
			.linuxboot_rom_fd = -1,
			.debug_console_fd = -1,
			.debug_console_log_fd = -1,
			.serials = { { .fd = -1, .input_fd = -1, .log_fd = -1 },
				     { .fd = -1, .input_fd = -1, .log_fd = -1 } },
			.debug_exit_port = -1,
		},
	};
	options->cpu_features = g_array_new(FALSE, FALSE, sizeof(CpuFeatureChoice));
	options->smbios = option_new_smbios();
	options->numa_cells = g_array_new(FALSE, FALSE, sizeof(MachineNumaCell));
	options->devices = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
	options->descriptors = descriptor_table_new();
	options->machine.cpu.features = options->cpu_features;
	options->machine.smbios = options->smbios;
	options->machine.numa_cells = options->numa_cells;
	options->machine.devices = options->devices;
	options->machine.descriptors = options->descriptors;
	if (!parse_command_line(&raw, arguments, error))
		return FALSE;
	if (raw.version) {
		g_print("gmem-vmm (libvirt-gmem) %s\n", PACKAGE_VERSION);
		return FALSE;
	}
	options->name = g_strdup(raw.name);
	return parse_numbers(options, &raw, error) && parse_choices(options, &raw, error) &&
	       parse_traces(options, &raw, error) && parse_sandbox(options, &raw, error) &&
	       parse_hardware(options, &raw, error) && parse_devices(options, &raw, error) &&
	       parse_clocks(&options->machine, &raw, error) &&
	       open_guest_files(options, &raw, error) && open_devices(options, &raw, error) &&
	       open_serials(options, &raw, error) && open_debug_console(options, &raw, error) &&
	       open_monitor(options, &raw, error);
}

static void append_descriptor(int fd, void *opaque)
{
	g_array_append_val((GArray *)opaque, fd);
}

GArray *options_descriptors(const Options *options)
{
	const MachineConfig *machine = &options->machine;
	const int fds[] = { machine->kvm_fd,
			    machine->pagemap_fd,
			    machine->task_folder,
			    machine->userfaultfd_device,
			    machine->kernel_fd,
			    machine->initrd_fd,
			    machine->payload_fd,
			    machine->pflash_code_fd,
			    machine->pflash_vars_fd,
			    machine->bios_fd,
			    machine->linuxboot_rom_fd,
			    machine->debug_console_fd,
			    machine->debug_console_log_fd,
			    options->monitor_fd };
	GArray *open = g_array_new(FALSE, FALSE, sizeof(int));

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			g_array_append_val(open, fds[i]);
	for (guint i = 0; i < MACHINE_SERIALS; i++) {
		const MachineSerial *serial = &machine->serials[i];

		if (serial->fd >= 0)
			g_array_append_val(open, serial->fd);
		if (serial->input_fd >= 0 && serial->input_fd != serial->fd)
			g_array_append_val(open, serial->input_fd);
		if (serial->log_fd >= 0)
			g_array_append_val(open, serial->log_fd);
	}
	if (options->descriptors)
		descriptor_table_foreach(options->descriptors, append_descriptor, open);
	return open;
}

void options_clear(Options *options)
{
	g_autoptr(GArray) open = NULL;

	g_clear_pointer(&options->descriptors, descriptor_table_free);
	open = options_descriptors(options);
	for (guint i = 0; i < open->len; i++)
		close(g_array_index(open, int, i));
	if (options->monitor_path)
		unlink(options->monitor_path);
	g_clear_pointer(&options->cpu_features, g_array_unref);
	g_clear_pointer(&options->smbios, g_ptr_array_unref);
	g_clear_pointer(&options->numa_cells, g_array_unref);
	g_clear_pointer(&options->devices, g_ptr_array_unref);
	for (gsize i = 0; i < G_N_ELEMENTS(options->firmware_names); i++)
		g_free(options->firmware_names[i]);
	g_free(options->monitor_path);
	g_free(options->command_line);
	g_free(options->name);
}
