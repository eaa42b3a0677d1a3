/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-command.c - the command line of a domain's VMM, and the descriptors that it names */
#include "driver/vmm/vmm-command.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/safe-file.h"
#include "driver/storage/image-chain.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-device.h"

/* The first number that a descriptor gets in the VMM. */
#define FIRST_DESCRIPTOR 3

/* What ACPI's SLIT says of a node's own memory, and what libvirt takes for another's. */
#define DISTANCE_LOCAL	10
#define DISTANCE_REMOTE 20

static void clear_served(gpointer data)
{
	g_ptr_array_unref(((VmmServedDisk *)data)->chain);
}

void vmm_command_init(VmmCommand *command)
{
	*command = (VmmCommand){
		.argv = g_ptr_array_new_with_free_func(g_free),
		.descriptors = g_array_new(FALSE, FALSE, sizeof(JailDescriptor)),
		.streams = vmm_logger_streams_new(),
		.passts = g_array_new(FALSE, FALSE, sizeof(VmmPasst)),
		.storage = VMM_STORAGE_SOCKETS_INIT,
		.served = g_array_new(FALSE, FALSE, sizeof(VmmServedDisk)),
		.vmm_uid = geteuid(),
	};
	g_array_set_clear_func(command->served, clear_served);
}

void vmm_command_close(VmmCommand *command)
{
	for (guint i = 0; i < command->descriptors->len; i++)
		close(g_array_index(command->descriptors, JailDescriptor, i).source);
	g_array_set_size(command->descriptors, 0);
	for (guint i = 0; i < command->passts->len; i++)
		close(g_array_index(command->passts, VmmPasst, i).socket);
	g_array_set_size(command->passts, 0);
	vmm_storage_sockets_clear(&command->storage);
	g_array_set_size(command->served, 0);
	g_array_set_size(command->streams, 0);
}

void vmm_command_clear(VmmCommand *command)
{
	vmm_command_close(command);
	g_array_unref(command->descriptors);
	g_array_unref(command->passts);
	g_array_unref(command->served);
	vmm_logger_streams_free(command->streams);
	g_ptr_array_unref(command->argv);
}

void vmm_command_add(VmmCommand *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	g_ptr_array_add(command->argv, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

/* Return: the number that a descriptor, which is taken over, has in the VMM. */
static int hand_over(VmmCommand *command, int fd)
{
	const JailDescriptor descriptor = {
		.source = fd,
		.target = FIRST_DESCRIPTOR + (int)command->descriptors->len,
	};

	g_array_append_val(command->descriptors, descriptor);
	return descriptor.target;
}

void vmm_command_add_descriptor(VmmCommand *command, const char *option, int fd)
{
	vmm_command_add(command, "--%s=%d", option, hand_over(command, fd));
}

gboolean vmm_command_add_device(VmmCommand *command, const char *option, const char *path,
				int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open device '%s': %s"),
				    path, g_strerror(errno));
	vmm_command_add_descriptor(command, option, fd);
	return TRUE;
}

/*
 * The machine.
 */

/* The seconds that the clock of a place is ahead of UTC now. */
static gint64 ahead_of_utc(GTimeZone *zone)
{
	g_autoptr(GDateTime) now = g_date_time_new_now(zone);

	return g_date_time_get_utc_offset(now) / G_USEC_PER_SEC;
}

static gint64 local_offset(void)
{
	g_autoptr(GTimeZone) zone = g_time_zone_new_local();

	return ahead_of_utc(zone);
}

static void add_rtc_offset(VmmCommand *command, gint64 seconds)
{
	vmm_command_add(command, "--rtc-base=%+" G_GINT64_FORMAT, seconds);
}

/* Places are looked up here: the VMM reads no file, and so knows no timezone. */
static gboolean add_clock(VmmCommand *command, const DomainDef *def, GError **error)
{
	g_autoptr(GTimeZone) zone = NULL;
	gint64 offset;

	switch (def->clock_offset) {
	case DOMAIN_CLOCK_UTC:
		break;
	case DOMAIN_CLOCK_LOCALTIME:
		add_rtc_offset(command, local_offset());
		break;
	case DOMAIN_CLOCK_TIMEZONE:
		zone = g_time_zone_new_identifier(def->clock_timezone);
		if (!zone)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("clock timezone '%s' is not known to this host"),
					    def->clock_timezone);
		add_rtc_offset(command, ahead_of_utc(zone));
		break;
	case DOMAIN_CLOCK_VARIABLE:
		offset = def->clock_basis_localtime ? local_offset() : 0;
		if (__builtin_add_overflow(offset, def->clock_adjustment, &offset))
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("clock adjustment %" PRId64 " is out of range"),
					    def->clock_adjustment);
		add_rtc_offset(command, offset);
		break;
	case DOMAIN_CLOCK_ABSOLUTE:
		vmm_command_add(command, "--rtc-base=@%" G_GINT64_FORMAT, def->clock_start);
		break;
	}
	return TRUE;
}

static void add_timers(VmmCommand *command, const DomainDef *def)
{
	if (def->timer_rtc_tickpolicy)
		vmm_command_add(command, "--rtc-tick-policy=%s", def->timer_rtc_tickpolicy);
	if (def->timer_pit_tickpolicy)
		vmm_command_add(command, "--pit-tick-policy=%s", def->timer_pit_tickpolicy);
	if (def->timer_hpet == DOMAIN_SWITCH_YES)
		vmm_command_add(command, "--hpet");
	if (def->timer_kvmclock == DOMAIN_SWITCH_NO)
		vmm_command_add(command, "--no-kvmclock");
	if (def->timer_tsc_frequency > 0)
		vmm_command_add(command, "--tsc-frequency=%" G_GUINT64_FORMAT,
				def->timer_tsc_frequency);
}

static void add_cpu(VmmCommand *command, const DomainDef *def)
{
	g_autoptr(GString) model = g_string_new("host");

	for (guint i = 0; def->cpu_features && i < def->cpu_features->len; i++) {
		const DomainCpuFeature *feature = g_ptr_array_index(def->cpu_features, i);

		g_string_append_printf(model, ",%c%s",
				       strcmp(feature->policy, "disable") == 0 ? '-' : '+',
				       feature->name);
	}
	if (def->cpu_features && def->cpu_features->len > 0)
		vmm_command_add(command, "--cpu=%s", model->str);
	if (def->cpu_sockets > 0)
		vmm_command_add(command, "--cpu-topology=sockets=%u,dies=%u,cores=%u,threads=%u",
				def->cpu_sockets, MAX(def->cpu_dies, 1), MAX(def->cpu_cores, 1),
				MAX(def->cpu_threads, 1));
	if (def->pmu == DOMAIN_SWITCH_NO)
		vmm_command_add(command, "--no-pmu");
}

static gboolean has_distances(const GPtrArray *cells)
{
	for (guint i = 0; i < cells->len; i++) {
		const DomainNumaCell *cell = g_ptr_array_index(cells, i);

		for (guint j = 0; j < cells->len; j++)
			if (cell->distances[j] > 0)
				return TRUE;
	}
	return FALSE;
}

/* What is not said of one direction is as the other one, as in libvirt. */
static guint distance(const GPtrArray *cells, guint from, guint to)
{
	const DomainNumaCell *here = g_ptr_array_index(cells, from);
	const DomainNumaCell *there = g_ptr_array_index(cells, to);

	if (here->distances[to] > 0)
		return here->distances[to];
	if (there->distances[from] > 0)
		return there->distances[from];
	return from == to ? DISTANCE_LOCAL : DISTANCE_REMOTE;
}

static void add_numa_cells(VmmCommand *command, const GPtrArray *cells)
{
	const gboolean with_distances = has_distances(cells);

	for (guint i = 0; i < cells->len; i++) {
		const DomainNumaCell *cell = g_ptr_array_index(cells, i);
		g_autoptr(GString) text = g_string_new(NULL);

		/* As ranges, "0-1:3": a comma would end the member. */
		if (!cpu_set_is_empty(&cell->cpus)) {
			g_string_append(text, "cpus=");
			cpu_set_append(text, &cell->cpus, ':');
			g_string_append_c(text, ',');
		}
		g_string_append_printf(text, "memory=%" G_GUINT64_FORMAT, cell->memory_kib);
		for (guint j = 0; with_distances && j < cells->len; j++)
			g_string_append_printf(text, "%s%u", j == 0 ? ",distances=" : ":",
					       distance(cells, i, j));
		vmm_command_add(command, "--numa-cell=%s", text->str);
	}
}

/* @description: taken over */
static void add_description(VmmCommand *command, JsonObject *description)
{
	g_autofree char *text = vmm_device_text(description);

	vmm_command_add(command, "--device=%s", text);
	json_object_unref(description);
}

static void add_root_ports(VmmCommand *command, const DomainDef *def)
{
	for (guint i = 0; def->pci_controllers && i < def->pci_controllers->len; i++) {
		const DomainPciController *port = g_ptr_array_index(def->pci_controllers, i);

		if (!port->is_root)
			add_description(command, vmm_device_describe_root_port(port));
	}
}

/* Return: the number of a structure (SMBIOS specification, section 7), or -1. */
static int smbios_type(const char *block)
{
	static const struct {
		const char *block;
		int type;
	} types[] = {
		{ "bios", 0 },	  { "system", 1 },	{ "baseBoard", 2 },
		{ "chassis", 3 }, { "oemStrings", 11 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
		if (strcmp(types[i].block, block) == 0)
			return types[i].type;
	return -1;
}

/* ",NAME=VALUE", with the commas of the value doubled. */
static void append_field(GString *text, const DomainSysinfoEntry *entry)
{
	g_string_append_printf(text, ",%s=", entry->name ? entry->name : "value");
	for (const char *byte = entry->value; *byte; byte++) {
		if (*byte == ',')
			g_string_append_c(text, ',');
		g_string_append_c(text, *byte);
	}
}

/* One option for each block; the parser has put its entries together. */
static gboolean add_smbios(VmmCommand *command, const GPtrArray *entries, GError **error)
{
	guint end;

	for (guint first = 0; first < entries->len; first = end) {
		const DomainSysinfoEntry *entry = g_ptr_array_index(entries, first);
		const int type = smbios_type(entry->block);
		g_autoptr(GString) text = g_string_new(NULL);

		if (type < 0)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("element 'sysinfo/%s' is not supported"),
					    entry->block);
		for (end = first; end < entries->len; end++) {
			const DomainSysinfoEntry *member = g_ptr_array_index(entries, end);

			if (strcmp(member->block, entry->block) != 0)
				break;
			append_field(text, member);
		}
		vmm_command_add(command, "--smbios=%d%s", type, text->str);
	}
	return TRUE;
}

/*
 * The VMM does not end by itself when the guest powers off: what has to happen then, and
 * why it happened, is the daemon's to see, also one that was started later.
 */
static void add_life(VmmCommand *command, const DomainDef *def)
{
	vmm_command_add(command, "--paused");
	vmm_command_add(command, "--no-shutdown");
	if (def->on_reboot != DOMAIN_ACTION_RESTART)
		vmm_command_add(command, "--no-reboot");
}

gboolean vmm_command_add_machine(VmmCommand *command, const DomainDef *def, GError **error)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	KvmMemoryKind memory_kind;

	uuid_format(def->uuid, uuid);
	vmm_command_add(command, "--name=%s", def->name);
	vmm_command_add(command, "--uuid=%s", uuid);
	(void)domain_def_memory_kind(def, &memory_kind);
	vmm_command_add(command, "--memory-kind=%s", kvm_memory_kind_name(memory_kind));
	vmm_command_add(command, "--policy=%s",
			def->policy == DOMAIN_POLICY_GUEST_ONLY ? "guest-only" : "on-demand");
	vmm_command_add(command, "--memory=%" G_GUINT64_FORMAT "K", def->memory_kib);
	vmm_command_add(command, "--vcpus=%u", def->vcpus);
	add_cpu(command, def);
	if (def->numa_cells)
		add_numa_cells(command, def->numa_cells);
	add_root_ports(command, def);
	add_timers(command, def);
	add_life(command, def);
	if (def->bios_useserial == DOMAIN_SWITCH_YES)
		vmm_command_add(command, "--sercon");
	if (def->smbios_sysinfo && def->sysinfo && !add_smbios(command, def->sysinfo, error))
		return FALSE;
	return add_clock(command, def, error);
}

/*
 * What it begins with.
 */

/* The VMM does not know what its files are called, so that here is where they are named. */
static gboolean add_input_file(VmmCommand *command, const char *option, const char *what,
			       const char *path, GError **error)
{
	const int fd = safe_file_open_input(what, path, error);

	if (fd < 0)
		return FALSE;
	vmm_command_add_descriptor(command, option, fd);
	return TRUE;
}

static gboolean add_variables(VmmCommand *command, const char *path, GError **error)
{
	const int fd = safe_file_open_update(_("nvram"), path, command->vmm_uid, error);

	if (fd < 0)
		return FALSE;
	vmm_command_add_descriptor(command, "pflash-vars-fd", fd);
	return TRUE;
}

static gboolean add_flash(VmmCommand *command, const DomainDef *def, GError **error)
{
	if (!def->nvram)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("loader '%s' of type 'pflash' has no nvram"), def->loader);
	return add_input_file(command, "pflash-code-fd", _("loader"), def->loader, error) &&
	       add_variables(command, def->nvram, error);
}

static gboolean add_bios(VmmCommand *command, const DomainDef *def, const char *bios,
			 const char *linuxboot_rom, GError **error)
{
	if (!add_input_file(command, "bios-fd", def->loader ? _("loader") : _("default BIOS"),
			    def->loader ? def->loader : bios, error))
		return FALSE;
	/* A BIOS knows nothing of kernels; an option ROM does. */
	return !def->kernel || add_input_file(command, "linuxboot-rom-fd",
					      _("linuxboot option ROM"), linuxboot_rom, error);
}

/* A kernel without a word about firmware is entered directly. */
static gboolean add_firmware(VmmCommand *command, const DomainDef *def, const char *bios,
			     const char *linuxboot_rom, GError **error)
{
	if (def->loader && def->loader_type == DOMAIN_LOADER_PFLASH)
		return add_flash(command, def, error);
	if (def->loader || !def->kernel)
		return add_bios(command, def, bios, linuxboot_rom, error);
	return TRUE;
}

gboolean vmm_command_add_boot(VmmCommand *command, const DomainDef *def, const char *bios,
			      const char *linuxboot_rom, GError **error)
{
	if (!add_firmware(command, def, bios, linuxboot_rom, error))
		return FALSE;
	if (def->kernel && !add_input_file(command, "kernel-fd", _("kernel"), def->kernel, error))
		return FALSE;
	if (def->initrd && !add_input_file(command, "initrd-fd", _("initrd"), def->initrd, error))
		return FALSE;
	if (def->cmdline)
		vmm_command_add(command, "--append=%s", def->cmdline);
	return TRUE;
}

/*
 * Serial ports and the debug console.
 */

/* What the options of a port are called, and its files in messages. */
typedef struct {
	const char *fd, *log_fd, *file, *log, *socket;
} PortOptions;

static const PortOptions port_options[] = {
	{ "console-fd", "console-log-fd", N_("serial port's file"), N_("serial port's log"),
	  N_("serial port's socket") },
	{ "serial2-fd", "serial2-log-fd", N_("serial port's file"), N_("serial port's log"),
	  N_("serial port's socket") },
};

static const PortOptions debug_console_options = {
	"debug-console-fd",	   "debug-console-log-fd",	 N_("debug console's file"),
	N_("debug console's log"), N_("debug console's socket"),
};

static gboolean open_chardev(VmmCommand *command, const VmmChardevWords *words,
			     DomainChardev *chardev, VmmChardev *opened, GError **error)
{
	const VmmChardevMaker maker = { command->streams, command->vmm_uid };

	return vmm_chardev_open(&maker, words, chardev, opened, error);
}

static gboolean add_serial(VmmCommand *command, const PortOptions *options, DomainSerial *serial,
			   GError **error)
{
	const VmmChardevWords words = { _(options->file), _(options->log), _(options->socket) };
	g_auto(VmmChardev) opened = VMM_CHARDEV_INIT;

	g_free(serial->alias);
	serial->alias = g_strdup_printf("serial%u", serial->port);
	if (!open_chardev(command, &words, &serial->chardev, &opened, error))
		return FALSE;
	if (opened.fd >= 0)
		vmm_command_add_descriptor(command, options->fd, g_steal_fd(&opened.fd));
	if (opened.log_fd >= 0)
		vmm_command_add_descriptor(command, options->log_fd, g_steal_fd(&opened.log_fd));
	return TRUE;
}

/* The guest finds one that is connected to nothing, too. */
static gboolean add_debug_console(VmmCommand *command, DomainSerial *console, GError **error)
{
	return add_serial(command, &debug_console_options, console, error) &&
	       (console->chardev.type != DOMAIN_CHARDEV_NULL || console->chardev.log_path ||
		vmm_command_add_device(command, debug_console_options.fd, "/dev/null", O_WRONLY,
				       error));
}

/* The first port is standard output unless an option says something else. */
static gboolean has_console(const DomainDef *def)
{
	for (guint i = 0; i < def->n_serials; i++)
		if (def->serials[i].port == 0)
			return def->serials[i].chardev.type != DOMAIN_CHARDEV_NULL;
	return FALSE;
}

gboolean vmm_command_add_serials(VmmCommand *command, DomainDef *def, GError **error)
{
	if (!has_console(def))
		vmm_command_add(command, "--console=null");
	for (guint i = 0; i < def->n_serials; i++) {
		DomainSerial *serial = &def->serials[i];

		if (serial->port >= G_N_ELEMENTS(port_options))
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("serial port %u: the machine has ports 0 and 1"),
					    serial->port);
		if (!add_serial(command, &port_options[serial->port], serial, error))
			return FALSE;
	}
	return !def->debug_console || add_debug_console(command, def->debug_console, error);
}

/*
 * Devices that are described.
 */

/* How much the VMM may write where the disk's file is. */
static void note_size(VmmCommand *command, int fd)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		command->largest_file = MAX(command->largest_file, (guint64)status.st_size);
}

/* Return: a connection to who serves the disk, or -1 with @error. */
static int open_served(VmmCommand *command, DomainDisk *disk, GError **error)
{
	const int fd = vmm_device_open_disk(disk, command->vmm_uid, error);
	VmmServedDisk served = { .disk = disk };

	if (fd < 0)
		return -1;
	served.chain = image_chain_open(disk, fd, error);
	if (!served.chain)
		return -1;
	g_array_append_val(command->served, served);
	if (!command->storage.path &&
	    !vmm_storage_listen(&command->storage, command->storage_path, error))
		return -1;
	return vmm_storage_connect(command->storage_path, error);
}

/* A medium that may be missing and is leaves its drive empty. */
static void forget_missing(DomainDisk *disk)
{
	if (disk->startup != DOMAIN_DISK_STARTUP_OPTIONAL || !disk->path ||
	    access(disk->path, F_OK) == 0)
		return;
	domain_disk_empty(disk);
}

static void add_empty_drive(VmmCommand *command, const DomainDef *def, const DomainDisk *disk)
{
	add_description(command,
			vmm_device_describe_disk(disk, NULL, domain_boot_index(def, &disk->info)));
}

static gboolean add_disk(VmmCommand *command, const DomainDef *def, DomainDisk *disk,
			 GError **error)
{
	const gboolean is_served = domain_disk_is_served(disk);
	const int fd = is_served ? open_served(command, disk, error) :
				   vmm_device_open_disk(disk, command->vmm_uid, error);
	g_autofree char *name = NULL;

	if (fd < 0)
		return FALSE;
	if (!disk->is_readonly && !is_served)
		note_size(command, fd);
	name = g_strdup_printf("%d", hand_over(command, fd));
	add_description(command,
			vmm_device_describe_disk(disk, name, domain_boot_index(def, &disk->info)));
	return TRUE;
}

static gboolean add_rng(VmmCommand *command, const DomainRng *rng, GError **error)
{
	g_autofree char *name = NULL;
	int fd;

	if (rng->backend == DOMAIN_RNG_BUILTIN) {
		add_description(command, vmm_device_describe_rng(rng, NULL));
		return TRUE;
	}
	fd = vmm_device_open_rng(rng, error);
	if (fd < 0)
		return FALSE;
	name = g_strdup_printf("%d", hand_over(command, fd));
	add_description(command, vmm_device_describe_rng(rng, name));
	return TRUE;
}

/* Names of descriptors as the VMM knows them, for g_strfreev(). */
static GStrv hand_over_all(VmmCommand *command, GArray *fds)
{
	GPtrArray *names = g_ptr_array_new();

	for (guint i = 0; i < fds->len; i++)
		g_ptr_array_add(
			names,
			g_strdup_printf("%d", hand_over(command, g_array_index(fds, int, i))));
	g_array_set_size(fds, 0);
	g_ptr_array_add(names, NULL);
	return (GStrv)g_ptr_array_free(names, FALSE);
}

/* A descriptor's number in the VMM as a name, for g_free(); NULL for -1. Takes it over. */
static char *hand_over_name(VmmCommand *command, int *fd)
{
	return *fd < 0 ? NULL : g_strdup_printf("%d", hand_over(command, g_steal_fd(fd)));
}

static gboolean add_interface(VmmCommand *command, const DomainDef *def, DomainInterface *interface,
			      GError **error)
{
	g_auto(NetworkLink) link = NETWORK_LINK_INIT;
	g_auto(GStrv) names = NULL;
	g_autofree char *rom_name = NULL;
	JsonObject *description;
	int rom;

	if (!vmm_device_open_rom(def, interface, &rom, error))
		return FALSE;
	rom_name = hand_over_name(command, &rom);
	if (!network_link_open(interface, &link, error))
		return FALSE;
	command->n_links++;
	names = hand_over_all(command, link.fds);
	if (link.passt_socket >= 0) {
		const VmmPasst passt = { interface, link.passt_socket };

		g_array_append_val(command->passts, passt);
		link.passt_socket = -1;
	}
	description = vmm_device_describe_interface(interface, (const char *const *)names,
						    domain_boot_index(def, &interface->info));
	if (rom_name)
		vmm_device_describe_rom(description, rom_name);
	add_description(command, description);
	return TRUE;
}

static gboolean add_port(VmmCommand *command, DomainPort *port, GError **error)
{
	const VmmChardevWords words = {
		port->is_console ? _("console's file") : _("channel's file"),
		port->is_console ? _("console's log") : _("channel's log"),
		port->is_console ? _("console's socket") : _("channel's socket"),
	};
	g_auto(VmmChardev) opened = VMM_CHARDEV_INIT;
	g_autofree char *fd = NULL, *log_fd = NULL;

	if (!open_chardev(command, &words, &port->chardev, &opened, error))
		return FALSE;
	fd = hand_over_name(command, &opened.fd);
	log_fd = hand_over_name(command, &opened.log_fd);
	add_description(command, vmm_device_describe_port(port, fd, log_fd));
	return TRUE;
}

static gboolean add_ports(VmmCommand *command, const GPtrArray *ports, GError **error)
{
	for (guint i = 0; i < ports->len; i++)
		if (!add_port(command, ports->pdata[i], error))
			return FALSE;
	return TRUE;
}

static gboolean add_virtio_serials(VmmCommand *command, const DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->virtio_serials->len; i++)
		add_description(command,
				vmm_device_describe_virtio_serial(def->virtio_serials->pdata[i]));
	return add_ports(command, def->consoles, error) && add_ports(command, def->channels, error);
}

static void add_inputs(VmmCommand *command, const DomainDef *def)
{
	for (guint i = 0; i < def->inputs->len; i++) {
		const DomainInput *input = def->inputs->pdata[i];

		if (input->bus == DOMAIN_INPUT_VIRTIO)
			add_description(command, vmm_device_describe_input(input));
	}
}

/* What needs nothing of the host. */
static void add_board(VmmCommand *command, const DomainDef *def)
{
	for (guint i = 0; i < def->watchdogs->len; i++)
		add_description(command, vmm_device_describe_watchdog(def->watchdogs->pdata[i]));
	if (def->has_genid)
		add_description(command, vmm_device_describe_genid(def->genid));
	if (def->vmcoreinfo == DOMAIN_SWITCH_YES)
		add_description(command, vmm_device_describe_vmcoreinfo());
	if (def->panic)
		add_description(command, vmm_device_describe_panic(def->panic));
}

gboolean vmm_command_add_devices(VmmCommand *command, DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->iothreads->len; i++)
		add_description(command,
				vmm_device_describe_iothread(
					g_array_index(def->iothreads, DomainIothread, i).id));
	for (guint i = 0; i < def->interfaces->len; i++)
		if (!add_interface(command, def, def->interfaces->pdata[i], error))
			return FALSE;
	if (def->has_sata)
		add_description(command, vmm_device_describe_sata());
	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		forget_missing(disk);
		if (domain_disk_is_empty(disk))
			add_empty_drive(command, def, disk);
		else if (!add_disk(command, def, disk, error))
			return FALSE;
	}
	if (def->memballoon)
		add_description(command, vmm_device_describe_memballoon(def->memballoon));
	for (guint i = 0; i < def->rngs->len; i++)
		if (!add_rng(command, def->rngs->pdata[i], error))
			return FALSE;
	if (!add_virtio_serials(command, def, error))
		return FALSE;
	add_inputs(command, def);
	add_board(command, def);
	return TRUE;
}
