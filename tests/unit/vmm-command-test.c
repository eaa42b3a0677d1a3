/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-command-test.c - the command line that a domain's configuration becomes */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-command.h"
#include "support.h"

typedef struct {
	char *folder;
	char *bios, *rom, *code, *vars, *kernel, *initrd;
	DomainDef def; /* plain data whose strings are others' */
	VmmCommand command;
	guint fds;
} Fixture;

static char *make_file(const Fixture *fixture, const char *name)
{
	char *path = g_build_filename(fixture->folder, name, NULL);
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, name, -1, &error);
	g_assert_no_error(error);
	return path;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("vmm-command-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->bios = make_file(fixture, "bios");
	fixture->rom = make_file(fixture, "rom");
	fixture->code = make_file(fixture, "code");
	fixture->vars = make_file(fixture, "vars");
	fixture->kernel = make_file(fixture, "kernel");
	fixture->initrd = make_file(fixture, "initrd");
	fixture->def.name = (char *)"guest";
	fixture->def.memory_kib = 65536;
	fixture->def.vcpus = 2;
	domain_def_set_memory_kind(&fixture->def, KVM_MEMORY_TWO_SIDED);
	fixture->def.on_reboot = DOMAIN_ACTION_RESTART;
	memset(fixture->def.uuid, 0xab, sizeof(fixture->def.uuid));
	vmm_command_init(&fixture->command);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	g_clear_pointer(&def->cpu_features, g_ptr_array_unref);
	g_clear_pointer(&def->numa_cells, g_ptr_array_unref);
	g_clear_pointer(&def->sysinfo, g_ptr_array_unref);
	g_clear_pointer(&def->pci_controllers, g_ptr_array_unref);
	vmm_command_clear(&fixture->command);
	remove_tree(fixture->folder);
	g_free(fixture->bios);
	g_free(fixture->rom);
	g_free(fixture->code);
	g_free(fixture->vars);
	g_free(fixture->kernel);
	g_free(fixture->initrd);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

/* All arguments so far, with a blank between two. */
static char *line(const Fixture *fixture)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < fixture->command.argv->len; i++)
		g_string_append_printf(text, "%s%s", i ? " " : "",
				       (char *)g_ptr_array_index(fixture->command.argv, i));
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_line(const Fixture *fixture, const char *wanted)
{
	g_autofree char *is = line(fixture);

	g_assert_cmpstr(is, ==, wanted);
}

static void add_machine(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	g_ptr_array_set_size(fixture->command.argv, 0);
	g_assert_true(vmm_command_add_machine(&fixture->command, &fixture->def, &error));
	g_assert_no_error(error);
}

/* How often an argument is there. */
static guint count(const Fixture *fixture, const char *argument)
{
	guint n = 0;

	for (guint i = 0; i < fixture->command.argv->len; i++)
		n += strcmp(g_ptr_array_index(fixture->command.argv, i), argument) == 0;
	return n;
}

static void assert_has(const Fixture *fixture, const char *argument)
{
	if (count(fixture, argument) != 1) {
		g_autofree char *is = line(fixture);

		g_test_message("'%s' is not once in: %s", argument, is);
	}
	g_assert_cmpuint(count(fixture, argument), ==, 1);
}

/* The VMM gets a pipe in place of the file, and the logger the rest. */
static void assert_pipe(const Fixture *fixture, guint index, const char *path)
{
	const JailDescriptor *descriptor = &g_array_index(fixture->command.descriptors,
							  JailDescriptor, index);
	struct stat status;

	g_assert_no_errno(fstat(descriptor->source, &status));
	g_assert_true(S_ISFIFO(status.st_mode));
	g_assert_cmpint(fcntl(descriptor->source, F_GETFL) & (O_ACCMODE | O_NONBLOCK), ==,
			O_WRONLY | O_NONBLOCK);
	g_assert_no_errno(stat(path, &status));
	g_assert_cmphex(status.st_mode, ==, S_IFREG | 0600);
}

/* The machine */

#define PLAIN                                                                              \
	"--name=guest --uuid=abababab-abab-abab-abab-abababababab --memory-kind=two-sided" \
	" --policy=on-demand --memory=65536K --vcpus=2 --paused --no-shutdown"

static void test_plain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_machine(fixture);
	assert_line(fixture, PLAIN);
	g_assert_cmpuint(fixture->command.descriptors->len, ==, 0);
}

static void test_switches(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	def->policy = DOMAIN_POLICY_GUEST_ONLY;
	def->on_reboot = DOMAIN_ACTION_PRESERVE;
	def->timer_hpet = DOMAIN_SWITCH_YES;
	def->timer_kvmclock = DOMAIN_SWITCH_NO;
	def->pmu = DOMAIN_SWITCH_NO;
	def->bios_useserial = DOMAIN_SWITCH_YES;
	add_machine(fixture);
	assert_has(fixture, "--policy=guest-only");
	assert_has(fixture, "--no-reboot");
	assert_has(fixture, "--hpet");
	assert_has(fixture, "--no-kvmclock");
	assert_has(fixture, "--no-pmu");
	assert_has(fixture, "--sercon");

	/* What says that things are as they are anyway is not passed on. */
	def->policy = DOMAIN_POLICY_ON_DEMAND;
	def->on_reboot = DOMAIN_ACTION_RESTART;
	def->timer_hpet = DOMAIN_SWITCH_NO;
	def->timer_kvmclock = DOMAIN_SWITCH_YES;
	def->pmu = DOMAIN_SWITCH_YES;
	def->bios_useserial = DOMAIN_SWITCH_NO;
	add_machine(fixture);
	assert_line(fixture, PLAIN);
}

static void test_memory_kind(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	domain_def_set_memory_kind(&fixture->def, KVM_MEMORY_WINDOWS);
	fixture->def.policy = DOMAIN_POLICY_GUEST_ONLY;
	add_machine(fixture);
	assert_has(fixture, "--memory-kind=windows");
	assert_has(fixture, "--policy=guest-only");
}

static void test_clock(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	def->clock_offset = DOMAIN_CLOCK_VARIABLE;
	def->clock_adjustment = -3600;
	add_machine(fixture);
	assert_has(fixture, "--rtc-base=-3600");
	def->clock_adjustment = 0;
	add_machine(fixture);
	assert_has(fixture, "--rtc-base=+0");

	def->clock_offset = DOMAIN_CLOCK_ABSOLUTE;
	def->clock_start = 1234567890;
	add_machine(fixture);
	assert_has(fixture, "--rtc-base=@1234567890");

	/* A place without summer time. */
	def->clock_offset = DOMAIN_CLOCK_TIMEZONE;
	def->clock_timezone = (char *)"Asia/Kolkata";
	if (g_file_test("/usr/share/zoneinfo/Asia/Kolkata", G_FILE_TEST_EXISTS)) {
		add_machine(fixture);
		assert_has(fixture, "--rtc-base=+19800");
	} else {
		g_test_message("no zoneinfo here");
	}
}

/* The test runs in a timezone of its own: see main(). */
static void test_local_clock(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	def->clock_offset = DOMAIN_CLOCK_LOCALTIME;
	add_machine(fixture);
	assert_has(fixture, "--rtc-base=+7200");
	def->clock_offset = DOMAIN_CLOCK_VARIABLE;
	def->clock_basis_localtime = TRUE;
	def->clock_adjustment = -7201;
	add_machine(fixture);
	assert_has(fixture, "--rtc-base=-1");
}

static void test_clock_that_cannot_be(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;
	g_autoptr(GError) error = NULL;

	def->clock_offset = DOMAIN_CLOCK_TIMEZONE;
	def->clock_timezone = (char *)"Middle-earth/Bree";
	g_assert_false(vmm_command_add_machine(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "timezone 'Middle-earth/Bree'"));
	g_clear_error(&error);

	def->clock_offset = DOMAIN_CLOCK_VARIABLE;
	def->clock_basis_localtime = TRUE;
	def->clock_adjustment = G_MAXINT64;
	g_assert_false(vmm_command_add_machine(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void test_timers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	def->says_timer_rtc = def->says_timer_pit = def->says_timer_tsc = TRUE;
	add_machine(fixture);
	assert_line(fixture, PLAIN);
	def->timer_rtc_tickpolicy = (char *)"catchup";
	def->timer_pit_tickpolicy = (char *)"discard";
	def->timer_tsc_frequency = 2400000000;
	add_machine(fixture);
	assert_has(fixture, "--rtc-tick-policy=catchup");
	assert_has(fixture, "--pit-tick-policy=discard");
	assert_has(fixture, "--tsc-frequency=2400000000");
	def->timer_rtc_tickpolicy = def->timer_pit_tickpolicy = (char *)"delay";
	def->timer_tsc_frequency = G_MAXUINT64;
	add_machine(fixture);
	assert_has(fixture, "--rtc-tick-policy=delay");
	assert_has(fixture, "--pit-tick-policy=delay");
	assert_has(fixture, "--tsc-frequency=18446744073709551615");
}

static void test_cpu(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static DomainCpuFeature off = { (char *)"avx2", (char *)"disable" };
	static DomainCpuFeature on = { (char *)"invtsc", (char *)"require" };
	DomainDef *def = &fixture->def;

	def->cpu_features = g_ptr_array_new();
	add_machine(fixture);
	assert_line(fixture, PLAIN);
	g_ptr_array_add(def->cpu_features, &off);
	g_ptr_array_add(def->cpu_features, &on);
	def->cpu_sockets = 2;
	def->cpu_dies = 1;
	def->cpu_cores = 3;
	def->cpu_threads = 4;
	add_machine(fixture);
	assert_has(fixture, "--cpu=host,-avx2,+invtsc");
	assert_has(fixture, "--cpu-topology=sockets=2,dies=1,cores=3,threads=4");
	def->cpu_dies = 0;
	add_machine(fixture);
	assert_has(fixture, "--cpu-topology=sockets=2,dies=1,cores=3,threads=4");
}

static void test_numa(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static DomainNumaCell first = { .cpus = { { 0x6b } }, .memory_kib = 1024 };
	static DomainNumaCell second = { .cpus = { { 0x4 } }, .memory_kib = 2048 };

	fixture->def.numa_cells = g_ptr_array_new();
	g_ptr_array_add(fixture->def.numa_cells, &first);
	g_ptr_array_add(fixture->def.numa_cells, &second);
	add_machine(fixture);
	assert_has(fixture, "--numa-cell=cpus=0-1:3:5-6,memory=1024");
	assert_has(fixture, "--numa-cell=cpus=2,memory=2048");

	/* One that is given speaks for the way back, too. */
	first.distances[1] = 31;
	add_machine(fixture);
	assert_has(fixture, "--numa-cell=cpus=0-1:3:5-6,memory=1024,distances=10:31");
	assert_has(fixture, "--numa-cell=cpus=2,memory=2048,distances=31:10");
	second.cpus = (CpuSet){ 0 };
	add_machine(fixture);
	assert_has(fixture, "--numa-cell=memory=2048,distances=31:10");
	for (guint cpu = 0; cpu < DOMAIN_MAX_VCPUS; cpu++)
		cpu_set_add(&second.cpus, cpu);
	second.distances[0] = 21;
	add_machine(fixture);
	assert_has(fixture, "--numa-cell=cpus=0-239,memory=2048,distances=21:10");
}

static void test_root_ports(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static DomainPciController root = { .is_root = TRUE };
	static DomainPciController first = {
		.index = 1,
		.chassis = 1,
		.port = 0x10,
		.address = { .is_set = TRUE, .slot = 2, .multifunction = DOMAIN_SWITCH_YES },
	};
	static DomainPciController second = {
		.index = 2,
		.chassis = 2,
		.port = 0xf7,
		.address = { .is_set = TRUE, .slot = 0x1e, .function = 7 },
	};

	fixture->def.pci_controllers = g_ptr_array_new();
	g_ptr_array_add(fixture->def.pci_controllers, &root);
	g_ptr_array_add(fixture->def.pci_controllers, &first);
	g_ptr_array_add(fixture->def.pci_controllers, &second);
	add_machine(fixture);
	assert_has(fixture, "--device={\"driver\":\"pcie-root-port\",\"id\":\"pci.1\","
			    "\"bus\":\"pcie.0\",\"addr\":\"0x2.0x0\",\"multifunction\":true,"
			    "\"chassis\":1,\"port\":16}");
	assert_has(fixture, "--device={\"driver\":\"pcie-root-port\",\"id\":\"pci.2\","
			    "\"bus\":\"pcie.0\",\"addr\":\"0x1e.0x7\",\"multifunction\":false,"
			    "\"chassis\":2,\"port\":247}");
}

static void test_smbios(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static DomainSysinfoEntry entries[] = {
		{ (char *)"bios", (char *)"vendor", (char *)"one" },
		{ (char *)"bios", (char *)"version", (char *)"a,b,,c" },
		{ (char *)"system", (char *)"product", (char *)"=x=" },
		{ (char *)"baseBoard", (char *)"manufacturer", (char *)"first" },
		{ (char *)"baseBoard", (char *)"serial", (char *)"" },
		{ (char *)"chassis", (char *)"sku", (char *)"s" },
		{ (char *)"oemStrings", NULL, (char *)"this" },
		{ (char *)"oemStrings", NULL, (char *)"that" },
	};
	DomainDef *def = &fixture->def;

	def->sysinfo = g_ptr_array_new();
	for (gsize i = 0; i < G_N_ELEMENTS(entries); i++)
		g_ptr_array_add(def->sysinfo, &entries[i]);
	/* Without <smbios mode='sysinfo'/> they are not for the guest. */
	add_machine(fixture);
	assert_line(fixture, PLAIN);

	def->smbios_sysinfo = TRUE;
	add_machine(fixture);
	assert_line(fixture, PLAIN " --smbios=0,vendor=one,version=a,,b,,,,c"
				   " --smbios=1,product==x="
				   " --smbios=2,manufacturer=first,serial="
				   " --smbios=3,sku=s"
				   " --smbios=11,value=this,value=that");
}

/* What it begins with */

static void add_boot(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	vmm_command_close(&fixture->command);
	g_ptr_array_set_size(fixture->command.argv, 0);
	g_assert_true(vmm_command_add_boot(&fixture->command, &fixture->def, fixture->bios,
					   fixture->rom, &error));
	g_assert_no_error(error);
}

/* The descriptor at a place is of that file, opened like that, and has the next number. */
static void assert_descriptor(const Fixture *fixture, guint index, const char *path, int access)
{
	const JailDescriptor *descriptor;
	struct stat is, wanted;

	g_assert_cmpuint(index, <, fixture->command.descriptors->len);
	descriptor = &g_array_index(fixture->command.descriptors, JailDescriptor, index);
	g_assert_cmpint(descriptor->target, ==, 3 + (int)index);
	g_assert_no_errno(fstat(descriptor->source, &is));
	g_assert_no_errno(stat(path, &wanted));
	g_assert_cmpuint(is.st_ino, ==, wanted.st_ino);
	g_assert_cmpint(fcntl(descriptor->source, F_GETFL) & O_ACCMODE, ==, access);
	g_assert_cmpint(fcntl(descriptor->source, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
}

static void test_nothing_named_is_the_bios(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_boot(fixture);
	assert_line(fixture, "--bios-fd=3");
	assert_descriptor(fixture, 0, fixture->bios, O_RDONLY);
}

static void test_kernel_alone_is_direct(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->def.kernel = fixture->kernel;
	fixture->def.initrd = fixture->initrd;
	fixture->def.cmdline = (char *)"console=ttyS0 quiet";
	add_boot(fixture);
	assert_line(fixture, "--kernel-fd=3 --initrd-fd=4 --append=console=ttyS0 quiet");
	assert_descriptor(fixture, 0, fixture->kernel, O_RDONLY);
	assert_descriptor(fixture, 1, fixture->initrd, O_RDONLY);
}

static void test_rom(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->def.loader = fixture->code;
	fixture->def.loader_type = DOMAIN_LOADER_ROM;
	add_boot(fixture);
	assert_line(fixture, "--bios-fd=3");
	assert_descriptor(fixture, 0, fixture->code, O_RDONLY);

	fixture->def.kernel = fixture->kernel;
	add_boot(fixture);
	assert_line(fixture, "--bios-fd=3 --linuxboot-rom-fd=4 --kernel-fd=5");
	assert_descriptor(fixture, 1, fixture->rom, O_RDONLY);
}

static void test_flash(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->def.loader = fixture->code;
	fixture->def.loader_type = DOMAIN_LOADER_PFLASH;
	fixture->def.nvram = fixture->vars;
	add_boot(fixture);
	assert_line(fixture, "--pflash-code-fd=3 --pflash-vars-fd=4");
	assert_descriptor(fixture, 0, fixture->code, O_RDONLY);
	assert_descriptor(fixture, 1, fixture->vars, O_RDWR);

	fixture->def.kernel = fixture->kernel;
	add_boot(fixture);
	assert_line(fixture, "--pflash-code-fd=3 --pflash-vars-fd=4 --kernel-fd=5");
}

static void assert_boot_refused(Fixture *fixture, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(vmm_command_add_boot(&fixture->command, &fixture->def, fixture->bios,
					    fixture->rom, &error));
	g_assert_true(error->domain == DRIVER_ERROR);
	if (!strstr(error->message, words))
		g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, words));
}

static void test_files_that_are_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainDef *def = &fixture->def;

	g_assert_no_errno(unlink(fixture->bios));
	assert_boot_refused(fixture, "cannot open default BIOS '");

	def->loader = fixture->code;
	def->loader_type = DOMAIN_LOADER_PFLASH;
	assert_boot_refused(fixture, "has no nvram");
	def->nvram = fixture->vars;
	g_assert_no_errno(unlink(fixture->vars));
	assert_boot_refused(fixture, "cannot open nvram '");
	g_assert_no_errno(unlink(fixture->code));
	assert_boot_refused(fixture, "cannot open loader '");
	g_assert_no_errno(g_mkdir(fixture->code, 0700));
	assert_boot_refused(fixture, "/code' is not a regular file");

	def->loader = fixture->initrd;
	def->loader_type = DOMAIN_LOADER_ROM;
	def->kernel = fixture->kernel;
	g_assert_no_errno(unlink(fixture->rom));
	assert_boot_refused(fixture, "cannot open linuxboot option ROM '");
}

/* Serial ports */

static void test_serials(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *output = g_build_filename(fixture->folder, "output", NULL);
	g_autofree char *log = g_build_filename(fixture->folder, "log", NULL);
	DomainSerial serials[] = {
		{ .chardev = { .type = DOMAIN_CHARDEV_PTY }, .port = 0 },
		{ .chardev = { .type = DOMAIN_CHARDEV_FILE, .path = output, .log_path = log },
		  .port = 1 },
	};
	g_autoptr(GError) error = NULL;

	fixture->def.serials = serials;
	fixture->def.n_serials = 2;
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	g_assert_no_error(error);
	assert_line(fixture, "--console-fd=3 --serial2-fd=4 --serial2-log-fd=5");
	assert_pipe(fixture, 1, output);
	assert_pipe(fixture, 2, log);
	g_assert_cmpuint(fixture->command.streams->len, ==, 2);
	g_assert_cmpstr(serials[0].alias, ==, "serial0");
	g_assert_true(g_str_has_prefix(serials[0].chardev.path, "/dev/pts/"));
	g_assert_cmpstr(serials[1].alias, ==, "serial1");
	g_free(serials[0].chardev.path);
	g_free(serials[0].alias);
	g_free(serials[1].alias);
}

/* Without append a file is emptied, and with it what it had stays; before the VMM starts. */
static void test_append(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainSerial serial = {
		.chardev = {
			.type = DOMAIN_CHARDEV_FILE,
			.path = fixture->kernel,
			.append = TRUE,
			.log_path = fixture->initrd,
		},
	};
	g_autofree char *kept = NULL, *emptied = NULL;
	g_autoptr(GError) error = NULL;

	fixture->def.serials = &serial;
	fixture->def.n_serials = 1;
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	g_assert_no_error(error);
	g_assert_true(g_file_get_contents(fixture->kernel, &kept, NULL, NULL));
	g_assert_true(g_file_get_contents(fixture->initrd, &emptied, NULL, NULL));
	g_assert_cmpstr(kept, ==, "kernel");
	g_assert_cmpstr(emptied, ==, "");
	g_free(serial.alias);
}

static void assert_serial_refused(Fixture *fixture, DomainSerial *serial, const char *words)
{
	g_autoptr(GError) error = NULL;

	fixture->def.serials = serial;
	fixture->def.n_serials = 1;
	g_assert_false(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	g_assert_true(error->domain == DRIVER_ERROR);
	if (!strstr(error->message, words))
		g_error("to be refused with '%s': %s", words, error->message);
}

/* A file of somebody's is not emptied because a name leads to it. */
static void test_files_that_are_not_output(Fixture *fixture, gconstpointer data)
{
	const gboolean is_log = GPOINTER_TO_UINT(data);
	g_autofree char *link = g_build_filename(fixture->folder, "link", NULL);
	g_autofree char *fifo = g_build_filename(fixture->folder, "fifo", NULL);
	g_autofree char *content = NULL;
	DomainSerial serial = { .chardev = { .type = is_log ? DOMAIN_CHARDEV_NULL :
							      DOMAIN_CHARDEV_FILE } };
	char **path = is_log ? &serial.chardev.log_path : &serial.chardev.path;

	g_assert_no_errno(symlink("kernel", link));
	g_assert_no_errno(mkfifo(fifo, 0600));
	*path = link;
	assert_serial_refused(fixture, &serial, "/link' is a symbolic link");
	*path = fifo;
	assert_serial_refused(fixture, &serial, "/fifo' is not a regular file");
	*path = (char *)"/proc/1/oom_score_adj";
	assert_serial_refused(fixture, &serial, "is a file of the kernel's own");
	g_assert_true(g_file_get_contents(fixture->kernel, &content, NULL, NULL));
	g_assert_cmpstr(content, ==, "kernel");
	g_free(serial.alias);
}

static void test_no_console(Fixture *fixture, gconstpointer data)
{
	DomainSerial serial = {
		.chardev = { .type = DOMAIN_CHARDEV_NULL },
		.port = GPOINTER_TO_UINT(data),
	};

	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, NULL));
	fixture->def.serials = &serial;
	fixture->def.n_serials = 1;
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, NULL));
	assert_line(fixture, "--console=null --console=null");
	g_free(serial.alias);
}

static void test_port_that_is_not_there(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DomainSerial serial = { .chardev = { .type = DOMAIN_CHARDEV_NULL }, .port = 2 };
	g_autoptr(GError) error = NULL;

	fixture->def.serials = &serial;
	fixture->def.n_serials = 1;
	g_assert_false(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "serial port 2"));
}

static void test_debug_console(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *output = g_build_filename(fixture->folder, "output", NULL);
	g_autofree char *log = g_build_filename(fixture->folder, "log", NULL);
	DomainSerial console = {
		.chardev = { .type = DOMAIN_CHARDEV_FILE, .path = output },
		.port = 2,
	};
	g_autoptr(GError) error = NULL;

	fixture->def.debug_console = &console;
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	assert_line(fixture, "--console=null --debug-console-fd=3");
	assert_pipe(fixture, 0, output);
	g_assert_cmpstr(console.alias, ==, "serial2");

	console.chardev.type = DOMAIN_CHARDEV_PTY;
	console.chardev.path = NULL;
	console.chardev.log_path = log;
	vmm_command_close(&fixture->command);
	g_ptr_array_set_size(fixture->command.argv, 0);
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	assert_line(fixture, "--console=null --debug-console-fd=3 --debug-console-log-fd=4");
	assert_pipe(fixture, 1, log);
	g_assert_true(g_str_has_prefix(console.chardev.path, "/dev/pts/"));
	g_clear_pointer(&console.chardev.path, g_free);

	console.chardev.log_path = (char *)"/none/log";
	g_assert_false(vmm_command_add_serials(&fixture->command, &fixture->def, &error));
	g_assert_nonnull(strstr(error->message, "debug console's log '/none/log'"));
	g_free(console.chardev.path);
	g_free(console.alias);
}

/* The port is there: firmware reads it to see whether it should write a log. */
static void test_debug_console_to_nothing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *log = g_build_filename(fixture->folder, "log", NULL);
	DomainSerial console = { .chardev = { .type = DOMAIN_CHARDEV_NULL } };

	fixture->def.debug_console = &console;
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, NULL));
	assert_line(fixture, "--console=null --debug-console-fd=3");
	assert_descriptor(fixture, 0, "/dev/null", O_WRONLY);

	console.chardev.log_path = log;
	vmm_command_close(&fixture->command);
	g_ptr_array_set_size(fixture->command.argv, 0);
	g_assert_true(vmm_command_add_serials(&fixture->command, &fixture->def, NULL));
	assert_line(fixture, "--console=null --debug-console-log-fd=3");
	assert_pipe(fixture, 0, log);
	g_free(console.alias);
}

static void add(const char *path, gconstpointer data,
		void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, data, start, test, end);
}

int main(int argc, char **argv)
{
	/* Two hours east of Greenwich, all year. */
	g_setenv("TZ", "TST-2", TRUE);
	g_test_init(&argc, &argv, NULL);

	add("/vmm-command/machine/plain", NULL, test_plain);
	add("/vmm-command/machine/switches", NULL, test_switches);
	add("/vmm-command/machine/memory-kind", NULL, test_memory_kind);
	add("/vmm-command/machine/clock", NULL, test_clock);
	add("/vmm-command/machine/local-clock", NULL, test_local_clock);
	add("/vmm-command/machine/clock-that-cannot-be", NULL, test_clock_that_cannot_be);
	add("/vmm-command/machine/timers", NULL, test_timers);
	add("/vmm-command/machine/cpu", NULL, test_cpu);
	add("/vmm-command/machine/numa", NULL, test_numa);
	add("/vmm-command/machine/root-ports", NULL, test_root_ports);
	add("/vmm-command/machine/smbios", NULL, test_smbios);
	add("/vmm-command/boot/nothing-named-is-the-bios", NULL, test_nothing_named_is_the_bios);
	add("/vmm-command/boot/kernel-alone-is-direct", NULL, test_kernel_alone_is_direct);
	add("/vmm-command/boot/rom", NULL, test_rom);
	add("/vmm-command/boot/flash", NULL, test_flash);
	add("/vmm-command/boot/files-that-are-gone", NULL, test_files_that_are_gone);
	add("/vmm-command/serials/two", NULL, test_serials);
	add("/vmm-command/serials/append", NULL, test_append);
	add("/vmm-command/serials/file-that-is-no-output", GUINT_TO_POINTER(FALSE),
	    test_files_that_are_not_output);
	add("/vmm-command/serials/log-that-is-no-output", GUINT_TO_POINTER(TRUE),
	    test_files_that_are_not_output);
	add("/vmm-command/serials/no-console", GUINT_TO_POINTER(0), test_no_console);
	add("/vmm-command/serials/only-the-second", GUINT_TO_POINTER(1), test_no_console);
	add("/vmm-command/serials/port-that-is-not-there", NULL, test_port_that_is_not_there);

	add("/vmm-command/debug-console", NULL, test_debug_console);
	add("/vmm-command/debug-console-to-nothing", NULL, test_debug_console_to_nothing);

	return g_test_run();
}
