/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options-test.c - the command line of gmem-vmm
 *
 * Theory of operation
 *
 * What is refused is refused before /dev/kvm is looked for, or has to do with it; so most of
 * this runs on any machine. Where the values of a good command line are looked at, it ends
 * in --kvm-fd with a descriptor of something else: parsing comes as far as that, and the
 * error has to be that one. Only console and monitor, which come last, need KVM.
 *
 * In arguments "@" stands for the test's folder and "#" for the number of a descriptor.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "vmm/boot/smbios-string.h"
#include "vmm/kvm/cpu-features.h"
#include "vmm/log.h"
#include "vmm/option-values.h"
#include "vmm/options.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* A root port, as --device has it. */
#define PORT(id, address, chassis, port)                                                          \
	"{\"driver\":\"pcie-root-port\",\"id\":\"" id "\",\"bus\":\"pcie.0\",\"addr\":\"" address \
	"\",\"chassis\":" chassis ",\"port\":" port "}"

typedef struct {
	char *folder;
	int fd; /* what "#" stands for; -1: nothing */
	Options options;
	GError *error;
} Fixture;

static void make_file(Fixture *fixture, const char *name, const char *content)
{
	g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, content, -1, &error);
	g_assert_no_error(error);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->folder = g_dir_make_tmp("options-test-XXXXXX", &error);
	g_assert_no_error(error);
	make_file(fixture, "kernel", "a kernel");
	make_file(fixture, "initrd", "an initrd");
	make_file(fixture, "code", "firmware");
	make_file(fixture, "vars", "variables");
	make_file(fixture, "rom", "a ROM");
	fixture->fd = -1;
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(fixture->folder);
	g_free(fixture->folder);
}

static char *replace(const char *text, const char *what, const char *by)
{
	g_auto(GStrv) parts = g_strsplit(text, what, -1);

	return g_strjoinv(by, parts);
}

static gboolean parse(Fixture *fixture, const char *arguments)
{
	g_autofree char *number = g_strdup_printf("%d", fixture->fd);
	g_autofree char *with_folder = replace(arguments, "@", fixture->folder);
	g_autofree char *whole = g_strconcat("gmem-vmm ", with_folder, NULL);
	g_autofree char *with_number = replace(whole, "#", number);
	g_auto(GStrv) list = g_strsplit(g_strchomp(with_number), " ", -1);

	return options_parse(&fixture->options, list, &fixture->error);
}

/*
 * Refused with a message that has @words in it, and with no descriptor left. One that was
 * handed in has gone with the options where they had taken it over.
 */
static void assert_refused(Fixture *fixture, const char *arguments, const char *words)
{
	guint fds = count_fds();
	gboolean had_fd = fixture->fd >= 0;

	g_assert_false(parse(fixture, arguments));
	if (!fixture->error || !strstr(fixture->error->message, words))
		g_error("'%s' was to be refused with '%s', and not with '%s'", arguments, words,
			fixture->error ? fixture->error->message : "nothing");
	g_clear_error(&fixture->error);
	options_clear(&fixture->options);
	if (had_fd && fcntl(fixture->fd, F_GETFD) < 0)
		fds--;
	g_assert_cmpuint(count_fds(), ==, fds);
}

/* Good as far as it goes without KVM. To be cleared with options_clear(). */
static const Options *parse_but_for_kvm(Fixture *fixture, const char *arguments)
{
	int not_kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	g_autofree char *whole = g_strdup_printf("%s --kvm-fd=%d", arguments, not_kvm);

	g_assert_cmpint(not_kvm, >=, 0);
	g_assert_false(parse(fixture, whole));
	if (!strstr(fixture->error->message, "the descriptor is not /dev/kvm"))
		g_error("'%s' was to be accepted, and was refused: %s", arguments,
			fixture->error->message);
	g_clear_error(&fixture->error);
	return &fixture->options;
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		guint64 bytes;
	} cases[] = {
		{ "0", 0 },
		{ "1", MIB },
		{ "0512", 512 * MIB },
		{ "1K", 1024 },
		{ "1M", MIB },
		{ "1G", GIB },
		{ "64G", 64 * GIB },
		{ "4T", 4096 * GIB },
		{ "4096G", 4096 * GIB },
		{ "4194304M", 4096 * GIB },
		{ "4194304", 4096 * GIB },
		{ "4294967296K", 4096 * GIB },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		guint64 bytes = 77;

		g_assert_true(options_parse_size(cases[i].text, &bytes, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(bytes, ==, cases[i].bytes);
	}
}

static void test_no_sizes(void)
{
	static const char *const cases[] = {
		"",
		" ",
		"M",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1 M",
		"1m",
		"1MB",
		"1MiB",
		"1.5G",
		"0x100",
		"1e3",
		"512MM",
		"1P",
		"1B",
		"5T",
		"4097G",
		"4194305",
		"64GG",
		"4194305M",
		"4294967297K",
		"0x",
		"1G1",
		"nan",
		"inf",
		"17179869184G", /* 2^34: as bytes it would be 0 */
		"18446744073709551615",
		"18446744073709551616",
		"99999999999999999999999G",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		guint64 bytes = 77;

		if (options_parse_size(cases[i], &bytes, &error))
			g_error("'%s' was taken for %" G_GUINT64_FORMAT " bytes", cases[i], bytes);
		g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
		g_assert_nonnull(strstr(error->message, cases[i]));
		g_assert_cmpuint(bytes, ==, 77);
	}
}

static void test_defaults(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Options *options = parse_but_for_kvm(fixture, "--kernel=@/kernel");

	g_assert_cmpuint(options->machine.memory_size, ==, 512 * MIB);
	g_assert_cmpuint(options->machine.vcpus, ==, 1);
	g_assert_cmpint(options->machine.memory_kind, ==, KVM_MEMORY_TWO_SIDED);
	g_assert_cmpint(options->machine.policy, ==, MEMORY_POLICY_ON_DEMAND);
	g_assert_cmpint(options->machine.on_reboot, ==, MACHINE_ACTION_RESET);
	g_assert_false(options->machine.keep_after_shutdown);
	g_assert_cmpint(options->machine.initrd_fd, ==, -1);
	g_assert_cmpint(options->machine.payload_fd, ==, -1);
	g_assert_cmpint(options->machine.debug_exit_port, ==, -1);
	g_assert_cmpint(options->monitor_fd, ==, -1);
	g_assert_cmpstr(options->machine.command_line, ==, "");
	g_assert_false(options->is_paused);
	g_assert_cmpuint(options->traces, ==, 0);
	g_assert_cmpint(options->machine.pflash_code_fd, ==, -1);
	g_assert_cmpint(options->machine.pflash_vars_fd, ==, -1);
	g_assert_cmpint(options->machine.bios_fd, ==, -1);
	g_assert_cmpint(options->machine.linuxboot_rom_fd, ==, -1);
	g_assert_cmpint(options->machine.debug_console_fd, ==, -1);
	g_assert_cmpint(options->machine.debug_console_log_fd, ==, -1);
	g_assert_false(options->machine.serials[1].is_present);
	g_assert_cmpint(options->machine.rtc_offset, ==, 0);
	g_assert_cmpint(options->machine.rtc_tick_policy, ==, RTC_TICK_DELAY);
	g_assert_false(options->machine.discard_pit_ticks);
	g_assert_cmpuint(options->machine.tsc_khz, ==, 0);
	g_assert_false(options->machine.hpet || options->machine.sercon);
	g_assert_false(options->machine.cpu.no_kvmclock || options->machine.cpu.no_pmu);
	g_assert_false(options->machine.has_uuid || options->machine.has_numa_distances);
	g_assert_cmpuint(options->machine.cpu.features->len, ==, 0);
	g_assert_cmpuint(options->machine.smbios->len, ==, 0);
	g_assert_cmpuint(options->machine.numa_cells->len, ==, 0);
	g_assert_cmpuint(options->machine.devices->len, ==, 0);
	options_clear(&fixture->options);
}

static void test_everything_else(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Options *options = parse_but_for_kvm(
		fixture, "-m 4T --vcpus=240 --policy=guest-only --kernel=@/kernel "
			 "--initrd=@/initrd --append=quiet --paused --no-reboot --no-shutdown "
			 "--name=guest --trace=memslot,conversion --debug-exit=0xf4");
	char content[9] = "";

	g_assert_cmpuint(options->machine.memory_size, ==, 4096 * GIB);
	g_assert_cmpuint(options->machine.vcpus, ==, 240);
	g_assert_cmpint(options->machine.policy, ==, MEMORY_POLICY_GUEST_ONLY);
	g_assert_cmpint(options->machine.on_reboot, ==, MACHINE_ACTION_SHUTDOWN);
	g_assert_true(options->machine.keep_after_shutdown);
	g_assert_true(options->is_paused);
	g_assert_cmpstr(options->machine.command_line, ==, "quiet");
	g_assert_cmpstr(options->name, ==, "guest");
	g_assert_cmpuint(options->traces, ==, LOG_TRACE_MEMSLOT | LOG_TRACE_CONVERSION);
	g_assert_cmpint(options->machine.debug_exit_port, ==, 0xf4);
	g_assert_cmpint(pread(options->machine.kernel_fd, content, 8, 0), ==, 8);
	g_assert_cmpstr(content, ==, "a kernel");
	g_assert_cmpint(pread(options->machine.initrd_fd, content, 8, 0), ==, 8);
	g_assert_cmpstr(content, ==, "an initr");
	options_clear(&fixture->options);
}

static void test_limits_are_accepted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const cases[] = {
		"--memory=1M",
		"--memory=1024K",
		"--memory=1028K",
		"--memory=4T",
		"--vcpus=1",
		"--vcpus=240",
		"--vcpus=240 --cpu-topology=cores=240",
		"--vcpus=240 --cpu-topology=sockets=240",
		"--vcpus=240 --cpu-topology=sockets=4,cores=30,threads=2",
		"--debug-exit=0",
		"--debug-exit=0xffff",
		"--debug-exit=65535",
		"--memory-kind=ordinary",
		"--memory-kind=two-sided",
		"--memory-kind=windows",
		"--memory-kind=windows --policy=guest-only",
		"--policy=on-demand",
		"--trace=memslot",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *arguments = g_strconcat(cases[i], " --kernel=@/kernel", NULL);

		parse_but_for_kvm(fixture, arguments);
		options_clear(&fixture->options);
	}
}

static void test_bad_values(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *arguments, *words;
	} cases[] = {
		{ "--memory=0", "--memory=0: 1M is the least" },
		{ "--memory=1023K", "1M is the least" },
		{ "--memory=1025K", "in whole pages" },
		{ "--memory=5T", "--memory=5T: 4T is the most" },
		{ "--memory=lots", "--memory=lots: a size such as" },
		{ "--memory=1P", "--memory=1P: the unit must be K, M, G or T" },
		{ "--vcpus=0", "--vcpus=0: from 1 to 240" },
		{ "--vcpus=241", "--vcpus=241: from 1 to 240" },
		{ "--vcpus=-1", "--vcpus=-1: from 1 to 240" },
		{ "--vcpus=two", "two" },
		{ "--reclaim-seconds=-1", "--reclaim-seconds=-1: from 0 to 86400" },
		{ "--reclaim-seconds=86401", "--reclaim-seconds=86401: from 0 to 86400" },
		{ "--vcpus=4294967297", "4294967297" },
		{ "--debug-exit=0x10000", "--debug-exit=0x10000: a port from 0 to 0xffff" },
		{ "--debug-exit=-1", "--debug-exit=-1: a port" },
		{ "--debug-exit=", "--debug-exit=: a port" },
		{ "--debug-exit=0xf4h", "--debug-exit=0xf4h: a port" },
		{ "--debug-exit=18446744073709551617", "a port" },
		{ "--memory-kind=tdx", "--memory-kind=tdx: 'two-sided', 'windows' or 'ordinary'" },
		{ "--memory-kind=", "--memory-kind=: 'two-sided'" },
		{ "--policy=never", "--policy=never: 'on-demand' or 'guest-only'" },
		{ "--trace=all", "--trace=all: a list of" },
		{ "--trace=memslot,", "--trace=memslot,: a list of" },
		{ "--memory-kind=ordinary --policy=on-demand", "ordinary memory is not private" },
		{ "--frobnicate", "--frobnicate" },
		{ "--memory", "Missing argument" },
		{ "kernel", "unexpected argument 'kernel'" },
		{ "-- --paused", "unexpected argument" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *arguments = g_strconcat("--kernel=@/kernel ", cases[i].arguments,
							 NULL);

		assert_refused(fixture, arguments, cases[i].words);
	}
}

static void test_bad_files(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *fifo = g_build_filename(fixture->folder, "fifo", NULL);

	g_assert_no_errno(mkfifo(fifo, 0600));
	assert_refused(fixture, "",
		       "nothing to run: give firmware with --pflash-code=FILE or --bios=FILE, "
		       "a kernel with --kernel=FILE, or a payload");
	assert_refused(fixture, "--initrd=@/initrd", "nothing to run");
	assert_refused(fixture, "--kernel=@/none", "/none: No such file or directory");
	assert_refused(fixture, "--kernel=@", ": not a regular file");
	assert_refused(fixture, "--kernel=/dev/zero", "--kernel=/dev/zero: not a regular file");
	/* Nor does it wait for somebody to write to it. */
	assert_refused(fixture, "--kernel=@/fifo", "/fifo: not a regular file");
	assert_refused(fixture, "--kernel=@/kernel --initrd=@/none", "/none: No such file");
	assert_refused(fixture, "--payload=@/none", "/none: No such file");
	assert_refused(fixture, "--kernel=@/kernel --payload=@/kernel",
		       "a payload takes the place of firmware, kernel and initrd");
	assert_refused(fixture, "--payload=@/kernel --initrd=@/initrd",
		       "a payload takes the place of firmware, kernel and initrd");
}

/* Firmware, with and without a kernel. */
static void test_firmware(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;

	parse_but_for_kvm(fixture, "--pflash-code=@/code --pflash-vars=@/vars");
	g_assert_cmpint(fcntl(machine->pflash_code_fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
	g_assert_cmpint(fcntl(machine->pflash_vars_fd, F_GETFL) & O_ACCMODE, ==, O_RDWR);
	g_assert_cmpint(machine->kernel_fd, ==, -1);
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--pflash-code=@/code --kernel=@/kernel --initrd=@/initrd "
				   "--append=quiet");
	g_assert_cmpint(machine->pflash_code_fd, >=, 0);
	g_assert_cmpint(machine->pflash_vars_fd, ==, -1);
	g_assert_cmpint(machine->kernel_fd, >=, 0);
	g_assert_cmpstr(machine->command_line, ==, "quiet");
	options_clear(&fixture->options);

	/* UTF-8 in each language, of which this test has none. */
	parse_but_for_kvm(fixture, "--kernel=@/kernel --append=gr\u00fc\u00df --name=g\u00e4ste");
	g_assert_cmpstr(machine->command_line, ==, "gr\u00fc\u00df");
	g_assert_cmpstr(fixture->options.name, ==, "g\u00e4ste");
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--bios=@/rom --sercon");
	g_assert_cmpint(machine->bios_fd, >=, 0);
	g_assert_true(machine->sercon);
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--bios=@/rom --kernel=@/kernel --linuxboot-rom=@/rom");
	g_assert_cmpint(machine->bios_fd, >=, 0);
	g_assert_cmpint(machine->linuxboot_rom_fd, >=, 0);
	options_clear(&fixture->options);
}

static void test_firmware_that_is_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *arguments, *words;
	} cases[] = {
		{ "--pflash-vars=@/vars", "nothing to run" },
		{ "--kernel=@/kernel --pflash-vars=@/vars", "--pflash-vars: " },
		{ "--bios=@/rom --pflash-vars=@/vars", "--pflash-vars: " },
		{ "--bios=@/rom --pflash-code=@/code", "given together with --pflash-code" },
		{ "--bios=@/rom --payload=@/rom", "a payload takes the place of firmware" },
		{ "--pflash-code=@/code --payload=@/rom", "a payload takes the place of firmware" },
		{ "--pflash-code=@/none", "/none: No such file" },
		{ "--pflash-code=@/code --pflash-vars=@/none", "/none: No such file" },
		{ "--pflash-code=@/code --pflash-vars=@", ": Is a directory" },
		{ "--pflash-code=/dev/zero", "--pflash-code=/dev/zero: not a regular file" },
		{ "--bios=@", ": not a regular file" },
		{ "--bios=@/rom --kernel=@/kernel", "needs --linuxboot-rom too" },
		{ "--bios=@/rom --linuxboot-rom=@/rom", "needs --bios and --kernel" },
		{ "--kernel=@/kernel --linuxboot-rom=@/rom", "needs --bios and --kernel" },
		{ "--pflash-code=@/code --sercon", "needs --bios" },
		{ "--kernel=@/kernel --sercon", "needs --bios" },
		{ "--pflash-code=@/code --initrd=@/initrd", "--initrd: there is no kernel" },
		{ "--bios=@/rom --append=quiet", "--append: there is no kernel" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		assert_refused(fixture, cases[i].arguments, cases[i].words);
}

static void test_topology(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *arguments;
		CpuTopology topology;
	} cases[] = {
		{ "--vcpus=6", { 1, 1, 6, 1 } },
		{ "--vcpus=6 --cpu-topology=sockets=1,dies=1,cores=3,threads=2", { 1, 1, 3, 2 } },
		{ "--vcpus=8 --cpu-topology=sockets=2,dies=2,cores=2", { 2, 2, 2, 1 } },
		{ "--vcpus=4 --cpu-topology=threads=4", { 1, 1, 1, 4 } },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *arguments = g_strconcat("--kernel=@/kernel ", cases[i].arguments,
							 NULL);
		const CpuTopology *topology =
			&parse_but_for_kvm(fixture, arguments)->machine.cpu.topology;

		g_assert_cmpmem(topology, sizeof(*topology), &cases[i].topology,
				sizeof(cases[i].topology));
		options_clear(&fixture->options);
	}
}

static void test_cpu_features(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;
	const CpuFeatureChoice *choices;

	parse_but_for_kvm(fixture, "--kernel=@/kernel --cpu=host,+aes,-vmx,-avx512f --no-pmu "
				   "--no-kvmclock");
	choices = (const CpuFeatureChoice *)machine->cpu.features->data;
	g_assert_cmpuint(machine->cpu.features->len, ==, 3);
	g_assert_cmpstr(choices[0].feature.name, ==, "aes");
	g_assert_true(choices[0].is_required);
	g_assert_cmpstr(choices[1].feature.name, ==, "vmx");
	g_assert_false(choices[1].is_required);
	g_assert_cmpstr(choices[2].feature.name, ==, "avx512f");
	g_assert_false(choices[2].is_required);
	g_assert_true(machine->cpu.no_pmu && machine->cpu.no_kvmclock);
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--kernel=@/kernel --cpu=host");
	g_assert_cmpuint(machine->cpu.features->len, ==, 0);
	options_clear(&fixture->options);
}

static void assert_cpus(const MachineNumaCell *cell, const char *cpus)
{
	g_autoptr(GString) text = g_string_new(NULL);

	cpu_set_append(text, &cell->cpus, ',');
	g_assert_cmpstr(text->str, ==, cpus);
}

static void test_numa(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;
	const MachineNumaCell *cells;

	parse_but_for_kvm(fixture, "--kernel=@/kernel --memory=64M --vcpus=4 "
				   "--numa-cell=cpus=0-1:3,memory=65532,distances=10:21:40 "
				   "--numa-cell=memory=0 --numa-cell=memory=4,cpus=2");
	cells = (const MachineNumaCell *)machine->numa_cells->data;
	g_assert_cmpuint(machine->numa_cells->len, ==, 3);
	assert_cpus(&cells[0], "0-1,3");
	assert_cpus(&cells[1], "");
	assert_cpus(&cells[2], "2");
	g_assert_cmpuint(cells[0].memory_size, ==, 64 * MIB - 4096);
	g_assert_cmpuint(cells[1].memory_size, ==, 0);
	g_assert_cmpuint(cells[2].memory_size, ==, 4096);
	g_assert_cmpmem(cells[0].distances, 3, ((guint8[]){ 10, 21, 40 }), 3);
	g_assert_cmpmem(cells[1].distances, 3, ((guint8[]){ 20, 10, 20 }), 3);
	g_assert_cmpmem(cells[2].distances, 3, ((guint8[]){ 20, 20, 10 }), 3);
	g_assert_true(machine->has_numa_distances);
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--kernel=@/kernel --numa-cell=cpus=0,memory=524288");
	g_assert_false(machine->has_numa_distances);
	options_clear(&fixture->options);

	parse_but_for_kvm(fixture, "--kernel=@/kernel --memory=4T --vcpus=240 "
				   "--numa-cell=cpus=0-62:64:239,memory=4294967292 "
				   "--numa-cell=cpus=63:65-238,memory=4");
	cells = (const MachineNumaCell *)machine->numa_cells->data;
	assert_cpus(&cells[0], "0-62,64,239");
	assert_cpus(&cells[1], "63,65-238");
	options_clear(&fixture->options);
}

/* As many cells as there can be, and one more. */
static void test_numa_cells_are_counted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GString) arguments = g_string_new("--kernel=@/kernel --memory=1M --vcpus=64");

	for (guint i = 0; i < 64; i++)
		g_string_append_printf(arguments, " --numa-cell=cpus=%u,memory=16", i);
	parse_but_for_kvm(fixture, arguments->str);
	g_assert_cmpuint(fixture->options.machine.numa_cells->len, ==, 64);
	options_clear(&fixture->options);
	g_string_append(arguments, " --numa-cell=memory=0");
	assert_refused(fixture, arguments->str, "memory=0: 64 cells are the most");
}

static void test_devices(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;
	JsonObject *device;

	parse_but_for_kvm(
		fixture, "--kernel=@/kernel --device=" PORT(
				 "a", "0x2.0x7", "8", "23") " --device=" PORT("b", "2", "1", "16"));
	g_assert_cmpuint(machine->devices->len, ==, 2);
	device = g_ptr_array_index(machine->devices, 0);
	g_assert_cmpstr(json_object_get_string_member(device, "id"), ==, "a");
	device = g_ptr_array_index(machine->devices, 1);
	g_assert_cmpint(json_object_get_int_member(device, "port"), ==, 16);
	options_clear(&fixture->options);
}

static void assert_smbios(const GPtrArray *strings, guint index, guint8 type, const char *field,
			  const char *value)
{
	const SmbiosString *string = g_ptr_array_index(strings, index);

	g_assert_cmpuint(string->type, ==, type);
	g_assert_cmpstr(string->field, ==, field);
	g_assert_cmpstr(string->value, ==, value);
}

/* Blanks separate arguments here: what has some is parsed alone. */
static void test_identity(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	const MachineConfig *machine = &fixture->options.machine;

	parse_but_for_kvm(fixture, "--kernel=@/kernel --hpet "
				   "--uuid=01234567-89ab-CDEF-0123-456789abcdef "
				   "--smbios=1,manufacturer=A,,B,,,,C=D,product= "
				   "--smbios=0,release=4.20,vendor=\303\244 "
				   "--smbios=11,value=x,value=y --smbios=2,location=,, "
				   "--smbios=3,sku=s --smbios=1,serial=1 "
				   "--smbios=4,version=v,part=p --smbios=17,part=q");
	g_assert_true(machine->has_uuid && machine->hpet);
	g_assert_cmpmem(machine->uuid, 16, uuid, 16);
	g_assert_cmpuint(machine->smbios->len, ==, 12);
	assert_smbios(machine->smbios, 0, 1, "manufacturer", "A,B,,C=D");
	assert_smbios(machine->smbios, 1, 1, "product", "");
	assert_smbios(machine->smbios, 2, 0, "release", "4.20");
	assert_smbios(machine->smbios, 3, 0, "vendor", "\303\244");
	assert_smbios(machine->smbios, 4, 11, "value", "x");
	assert_smbios(machine->smbios, 5, 11, "value", "y");
	assert_smbios(machine->smbios, 6, 2, "location", ",");
	assert_smbios(machine->smbios, 7, 3, "sku", "s");
	assert_smbios(machine->smbios, 8, 1, "serial", "1");
	assert_smbios(machine->smbios, 9, 4, "version", "v");
	assert_smbios(machine->smbios, 10, 4, "part", "p");
	assert_smbios(machine->smbios, 11, 17, "part", "q");
	options_clear(&fixture->options);
}

static void test_rtc_bases(void)
{
	const gint64 now = 1700000000, last = G_GINT64_CONSTANT(253402300799);
	static const struct {
		const char *text;
		gint64 offset;
	} cases[] = {
		{ "utc", 0 },
		{ "+0", 0 },
		{ "+3600", 3600 },
		{ "-3600", -3600 },
		{ "-1700000000", -1700000000 },
		{ "@0", -1700000000 },
		{ "@1700000001", 1 },
		{ "@253402300799", G_GINT64_CONSTANT(253402300799) - 1700000000 },
		{ "+251702300799", G_GINT64_CONSTANT(251702300799) },
	};
	static const char *const refused[] = { "",
					       "UTC",
					       "3600",
					       "+",
					       "@",
					       "@-1",
					       "+ 1",
					       "+1s",
					       "++1",
					       "-",
					       "0x1",
					       "utc ",
					       "-1700000001",
					       "@253402300800",
					       "+251702300800",
					       "@99999999999999999999",
					       "-9223372036854775808" };
	gint64 offset;

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		option_parse_rtc_base(cases[i].text, now, &offset, &error);
		g_assert_no_error(error);
		g_assert_cmpint(offset, ==, cases[i].offset);
		g_assert_cmpint(now + offset, <=, last);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(option_parse_rtc_base(refused[i], now, &offset, &error));
		g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
	}
}

/* Nepal, which has no full hours; a time zone by its rule needs no files. */
static void test_rtc_base_localtime(void)
{
	if (g_test_subprocess()) {
		gint64 offset;

		g_assert_true(g_setenv("TZ", "NPT-05:45", TRUE));
		g_assert_true(option_parse_rtc_base("localtime", 1700000000, &offset, NULL));
		g_assert_cmpint(offset, ==, 20700);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
}

static void test_timers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *arguments;
		RtcTickPolicy rtc;
		gboolean discard_pit_ticks;
		guint tsc_khz;
	} cases[] = {
		{ "--rtc-tick-policy=delay --pit-tick-policy=delay", RTC_TICK_DELAY, FALSE, 0 },
		{ "--rtc-tick-policy=catchup", RTC_TICK_CATCHUP, FALSE, 0 },
		{ "--pit-tick-policy=discard", RTC_TICK_DELAY, TRUE, 0 },
		{ "--tsc-frequency=1000", RTC_TICK_DELAY, FALSE, 1 },
		{ "--tsc-frequency=2399999999", RTC_TICK_DELAY, FALSE, 2399999 },
		{ "--tsc-frequency=2147483647000", RTC_TICK_DELAY, FALSE, G_MAXINT },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *arguments = g_strconcat("--kernel=@/kernel ", cases[i].arguments,
							 NULL);
		const MachineConfig *machine = &parse_but_for_kvm(fixture, arguments)->machine;

		g_assert_cmpint(machine->rtc_tick_policy, ==, cases[i].rtc);
		g_assert_cmpint(machine->discard_pit_ticks, ==, cases[i].discard_pit_ticks);
		g_assert_cmpuint(machine->tsc_khz, ==, cases[i].tsc_khz);
		options_clear(&fixture->options);
	}
}

static void test_bad_hardware(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *arguments, *words;
	} cases[] = {
		{ "--cpu=", "the only model is 'host'" },
		{ "--cpu=Skylake", "the only model is 'host'" },
		{ "--cpu=host,aes", "'aes': +FEATURE or -FEATURE" },
		{ "--cpu=host,", "'': +FEATURE or -FEATURE" },
		{ "--cpu=host,+", "no CPU feature of that name" },
		{ "--cpu=host,+warp", "'warp': no CPU feature of that name" },
		{ "--cpu=host,-rdctl-no", "'rdctl-no': no CPU feature of that name" },
		{ "--cpu=host,+aes,-aes", "'aes': given twice" },
		{ "--cpu=host,+vmx", "'vmx': never offered: KVM does not support nested" },
		{ "--cpu=host,+svm", "'svm': never offered" },
		{ "--vcpus=4 --cpu-topology=sockets=3",
		  "make 3 processors, and the machine has 4" },
		{ "--cpu-topology=cores=0", "'cores': a number from 1 to 240" },
		{ "--cpu-topology=cores=241", "'cores': a number from 1 to 240" },
		{ "--vcpus=240 --cpu-topology=sockets=3,cores=80", "APIC id 335: 253 is the most" },
		{ "--cpu-topology=cores=1,cores=1", "'cores': given twice" },
		{ "--cpu-topology=clusters=1", "'clusters': no such field" },
		{ "--cpu-topology=cores", "'cores': FIELD=VALUE" },
		{ "--cpu-topology=cores=1,", "'': FIELD=VALUE" },
		{ "--uuid=1", "--uuid=1: not a UUID" },
		{ "--uuid=0123456789abcdef0123456789abcdef", "not a UUID" },
		{ "--smbios=", "a type is wanted first" },
		{ "--smbios=5,version=1", "a type is wanted first: 0 to 4, 11 or 17" },
		{ "--smbios=4,sku=1", "'sku': this type has no such field" },
		{ "--smbios=17,version=1", "'version': this type has no such field" },
		{ "--smbios=type=1,version=1", "a type is wanted first" },
		{ "--smbios=1", "at least one FIELD=VALUE" },
		{ "--smbios=1,version", "'version': FIELD=VALUE" },
		{ "--smbios=1,vendor=x", "'vendor': this type has no such field" },
		{ "--smbios=11,path=/etc/shadow", "'path': this type has no such field" },
		{ "--smbios=1,sku=a,sku=b", "'sku': given twice" },
		{ "--smbios=1,sku=a --smbios=1,sku=b", "'sku': given twice" },
		{ "--smbios=1,uuid=x", "'x': not a UUID" },
		{ "--smbios=0,release=1", "'1': a release such as 4.2" },
		{ "--smbios=0,release=1.256", "'1.256': a release" },
		{ "--smbios=0,release=1.2.3", "'1.2.3': a release" },
		{ "--rtc-base=now", "--rtc-base=now: 'utc', 'localtime'" },
		{ "--rtc-base=-999999999999", "--rtc-base=-999999999999: " },
		{ "--rtc-tick-policy=discard", "--rtc-tick-policy=discard: 'delay' or 'catchup'" },
		{ "--rtc-tick-policy=", "--rtc-tick-policy=: 'delay' or 'catchup'" },
		{ "--pit-tick-policy=catchup", "--pit-tick-policy=catchup: 'delay' or 'discard'" },
		{ "--tsc-frequency=999", "--tsc-frequency=999: a frequency in Hz" },
		{ "--tsc-frequency=-1", "--tsc-frequency=-1: a frequency in Hz" },
		{ "--tsc-frequency=2G", "--tsc-frequency=2G: a frequency in Hz" },
		{ "--tsc-frequency=2147483647001", "a frequency in Hz" },
		{ "--tsc-frequency=18446744073709551616", "a frequency in Hz" },
		{ "--numa-cell=cpus=0,memory=524284", "all cells' memory together" },
		{ "--numa-cell=cpus=0", "'memory': a number of KiB" },
		{ "--numa-cell=cpus=0,memory=524287", "'memory': a number of KiB" },
		{ "--numa-cell=cpus=0,memory=18014398509481984", "'memory': a number of KiB" },
		{ "--numa-cell=memory=524288", "not every processor" },
		{ "--numa-cell=", "'memory': a number of KiB" },
		{ "--numa-cell=cpus=,memory=524288", "'cpus': processors such as" },
		{ "--numa-cell=cpus=1,memory=524288", "'cpus': processors such as" },
		{ "--numa-cell=cpus=0-1,memory=524288", "'cpus': processors such as" },
		{ "--numa-cell=cpus=0-18446744073709551615,memory=4",
		  "'cpus': processors such as" },
		{ "--vcpus=2 --numa-cell=cpus=1-0,memory=524288", "'cpus': processors such as" },
		{ "--numa-cell=cpus=0:,memory=524288", "'cpus': processors such as" },
		{ "--numa-cell=cpus=0,memory=262144 --numa-cell=cpus=0,memory=262144",
		  "a processor is in another cell already" },
		{ "--numa-cell=cpus=0,memory=524288,distances=10:20", "'distances': one from 10" },
		{ "--numa-cell=cpus=0,memory=524288,distances=11", "'distances': one from 10" },
		{ "--numa-cell=cpus=0,memory=524288,distances=", "'distances': one from 10" },
		{ "--numa-cell=cpus=0,memory=524288,distances=10:256 --numa-cell=memory=0",
		  "'distances': one from 10" },
		{ "--numa-cell=cpus=0,memory=524288,distances=10:9 --numa-cell=memory=0",
		  "'distances': one from 10" },
		{ "--numa-cell=cpus=0,memory=524288,node=0", "'node': no such field" },
		{ "--device=", "a JSON object is wanted" },
		{ "--device=[]", "a JSON object is wanted" },
		{ "--device={", "this is not JSON" },
		{ "--device={}", "device: member 'driver': a string is wanted" },
		{ "--device={\"driver\":\"floppy\"}",
		  "device of type 'floppy': member 'driver': there is no type 'floppy'" },
		{ "--device=" PORT("a", "1", "256", "1"),
		  "--device: device 'a': member 'chassis': a number from 0 to 255 is wanted" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *arguments = g_strconcat("--kernel=@/kernel ", cases[i].arguments,
							 NULL);

		assert_refused(fixture, arguments, cases[i].words);
	}
}

/* Opens what "#" stands for. */
static void hand_in(Fixture *fixture, const char *name, int flags)
{
	g_autofree char *path = name[0] == '/' ? g_strdup(name) :
						 g_build_filename(fixture->folder, name, NULL);

	fixture->fd = open(path, flags);
	g_assert_cmpint(fixture->fd, >=, 0);
}

static void take_back(Fixture *fixture)
{
	g_assert_no_errno(close(fixture->fd));
	fixture->fd = -1;
}

static void test_kernel_that_is_handed_in(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Options *options;

	hand_in(fixture, "kernel", O_RDONLY);
	options = parse_but_for_kvm(fixture, "--kernel-fd=#");
	g_assert_cmpint(options->machine.kernel_fd, ==, fixture->fd);
	g_assert_cmpint(fcntl(fixture->fd, F_GETFD), ==, FD_CLOEXEC);
	options_clear(&fixture->options);
	g_assert_cmpint(fcntl(fixture->fd, F_GETFD), ==, -1);
}

static void test_bad_descriptors(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *name, *arguments, *words;
	} cases[] = {
		{ "/dev/null", "--kernel-fd=#", ": the descriptor is not a regular file" },
		{ ".", "--kernel-fd=#", ": the descriptor is not a regular file" },
		{ "/dev/null", "--kernel=@/kernel --initrd-fd=#", "not a regular file" },
		{ "kernel", "--kernel=@/kernel --kernel-fd=#",
		  "both as a path and as a descriptor" },
		{ "initrd", "--kernel=@/kernel --initrd=@/initrd --initrd-fd=#",
		  "both as a path and as a descriptor" },
		{ "kernel", "--kernel=@/kernel --kvm-fd=#", "is not a character device" },
		{ "/dev/null", "--kernel=@/kernel --kvm-fd=#", "is not /dev/kvm" },
		{ "/dev/null", "--pflash-code-fd=#", "is not a regular file" },
		{ "/dev/null", "--bios-fd=#", "is not a regular file" },
		{ "code", "--pflash-code=@/code --pflash-code-fd=#",
		  "both as a path and as a descriptor" },
		/* Opened for reading alone, as all of these are. */
		{ "vars", "--pflash-code=@/code --pflash-vars-fd=#",
		  "is not open for reading and writing" },
		{ "/dev/null", "--bios=@/rom --kernel=@/kernel --linuxboot-rom-fd=#",
		  "is not a regular file" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		hand_in(fixture, cases[i].name, O_RDONLY);
		assert_refused(fixture, cases[i].arguments, cases[i].words);
		/* It may have gone with the options. */
		close(fixture->fd);
		fixture->fd = -1;
	}
}

static void test_descriptors_that_are_not_open(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const options[] = { "kernel-fd",	  "initrd-fd",	    "kvm-fd",
					       "pflash-code-fd",  "pflash-vars-fd", "bios-fd",
					       "linuxboot-rom-fd" };

	for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
		g_autofree char *arguments = g_strdup_printf(
			"%s--%s=9999", i == 0 ? "" : "--kernel=@/kernel ", options[i]);
		g_autofree char *words = g_strdup_printf("--%s=9999: no open descriptor",
							 options[i]);

		assert_refused(fixture, arguments, words);
	}
}

static void test_descriptors_that_are_no_numbers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const options[] = {
		"kernel-fd",  "initrd-fd",	  "pflash-code-fd",   "pflash-vars-fd",
		"bios-fd",    "linuxboot-rom-fd", "console-fd",	      "console-log-fd",
		"serial2-fd", "serial2-log-fd",	  "debug-console-fd", "monitor-fd",
		"kvm-fd",     "userfaultfd-fd",
	};
	static const char *const numbers[] = { "-1", "-2147483648", "2147483648", "3x", "" };

	for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
		for (gsize n = 0; n < G_N_ELEMENTS(numbers); n++) {
			g_autofree char *option = g_strdup_printf("--%s=%s", options[i],
								  numbers[n]);
			g_autofree char *arguments = g_strconcat("--kernel=@/kernel ", option,
								 NULL);
			g_autofree char *words = g_strconcat(option, ": the number of", NULL);

			assert_refused(fixture, arguments, words);
		}
	}
}

/* What needs KVM */

static gboolean skip_without_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		g_test_skip("no /dev/kvm that can be opened");
		return TRUE;
	}
	close(fd);
	return FALSE;
}

static void assert_accepted(Fixture *fixture, const char *arguments)
{
	g_autofree char *whole = g_strconcat("--memory-kind=ordinary --kernel=@/kernel ", arguments,
					     NULL);

	if (!parse(fixture, whole))
		g_error("'%s' was to be accepted, and was refused: %s", arguments,
			fixture->error->message);
}

static void test_consoles(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;
	guint fds = count_fds();

	if (skip_without_kvm())
		return;
	assert_accepted(fixture, "--console=null");
	g_assert_cmpint(machine->serials[0].fd, ==, -1);
	g_assert_cmpint(machine->serials[0].input_fd, ==, -1);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=file:@/log");
	g_assert_cmpint(machine->serials[0].fd, >=, 0);
	g_assert_cmpint(machine->serials[0].input_fd, ==, -1);
	g_assert_cmpint(write(machine->serials[0].fd, "x", 1), ==, 1);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=pty");
	g_assert_true(isatty(machine->serials[0].fd));
	g_assert_cmpint(machine->serials[0].input_fd, ==, machine->serials[0].fd);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=stdio");
	g_assert_cmpint(machine->serials[0].fd, >, STDERR_FILENO);
	options_clear(&fixture->options);
	g_assert_cmpuint(count_fds(), ==, fds);
}

static void test_bad_consoles(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (skip_without_kvm())
		return;
	assert_refused(fixture, "--kernel=@/kernel --console=vc", "--console=vc: 'stdio', 'null'");
	assert_refused(fixture, "--kernel=@/kernel --console=file:@/none/log",
		       "/none/log: No such file");
	assert_refused(fixture, "--kernel=@/kernel --console-fd=9999",
		       "--console-fd=9999: no open descriptor");
	hand_in(fixture, "/dev/null", O_RDWR);
	assert_refused(fixture, "--kernel=@/kernel --console=null --console-fd=#",
		       "given together with --console-fd");
	take_back(fixture);
}

/* A console that can only be written to is not read from. */
static void test_console_that_is_handed_in(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const int modes[] = { O_RDWR, O_WRONLY };

	if (skip_without_kvm())
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		hand_in(fixture, "/dev/null", modes[i]);
		assert_accepted(fixture, "--console-fd=#");
		g_assert_cmpint(fixture->options.machine.serials[0].fd, ==, fixture->fd);
		g_assert_cmpint(fixture->options.machine.serials[0].input_fd, ==,
				modes[i] == O_RDWR ? fixture->fd : -1);
		options_clear(&fixture->options);
		g_assert_cmpint(fcntl(fixture->fd, F_GETFD), ==, -1);
	}
}

/* A log goes beside any console. */
static void test_console_log(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (skip_without_kvm())
		return;
	assert_refused(fixture, "--kernel=@/kernel --console=null --console-log-fd=9999",
		       "--console-log-fd=9999: no open descriptor");
	hand_in(fixture, "/dev/null", O_WRONLY);
	assert_accepted(fixture, "--console=null --console-log-fd=#");
	g_assert_cmpint(fixture->options.machine.serials[0].fd, ==, -1);
	g_assert_cmpint(fixture->options.machine.serials[0].log_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	g_assert_cmpint(fcntl(fixture->fd, F_GETFD), ==, -1);
}

/* The second port has what the first has, but for a default. */
static void test_second_serial_port(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineSerial *serial = &fixture->options.machine.serials[1];
	guint fds = count_fds();

	if (skip_without_kvm())
		return;
	assert_accepted(fixture, "--console=null");
	g_assert_true(fixture->options.machine.serials[0].is_present);
	g_assert_false(serial->is_present);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=null --serial2=null");
	g_assert_true(serial->is_present);
	g_assert_cmpint(serial->fd, ==, -1);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=null --serial2=pty");
	g_assert_true(isatty(serial->fd));
	g_assert_cmpint(serial->input_fd, ==, serial->fd);
	options_clear(&fixture->options);

	assert_accepted(fixture, "--console=null --serial2=stdio");
	g_assert_cmpint(serial->fd, >, STDERR_FILENO);
	options_clear(&fixture->options);
	g_assert_cmpuint(count_fds(), ==, fds);

	hand_in(fixture, "/dev/null", O_RDWR);
	assert_accepted(fixture, "--console=null --serial2-fd=#");
	g_assert_cmpint(serial->fd, ==, fixture->fd);
	g_assert_cmpint(serial->input_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	g_assert_cmpint(fcntl(fixture->fd, F_GETFD), ==, -1);

	hand_in(fixture, "/dev/null", O_WRONLY);
	assert_accepted(fixture, "--console=null --serial2=null --serial2-log-fd=#");
	g_assert_cmpint(serial->log_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	fixture->fd = -1;
}

static void test_bad_second_serial_ports(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (skip_without_kvm())
		return;
	assert_refused(fixture, "--kernel=@/kernel --serial2=stdio",
		       "--serial2=stdio: that is the console's");
	assert_refused(fixture, "--kernel=@/kernel --console=null --serial2=vc",
		       "--serial2=vc: 'stdio', 'null'");
	assert_refused(fixture, "--kernel=@/kernel --serial2-fd=9999",
		       "--serial2-fd=9999: no open descriptor");
	assert_refused(fixture, "--kernel=@/kernel --serial2=null --serial2-log-fd=9999",
		       "--serial2-log-fd=9999: no open descriptor");
	hand_in(fixture, "/dev/null", O_RDWR);
	assert_refused(fixture, "--kernel=@/kernel --serial2=null --serial2-fd=#",
		       "given together with --serial2-fd");
	assert_refused(fixture, "--kernel=@/kernel --serial2-log-fd=#",
		       "there is no second serial port");
	take_back(fixture);
}

static void test_debug_console(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const MachineConfig *machine = &fixture->options.machine;
	g_autofree char *path = g_build_filename(fixture->folder, "debug", NULL);
	g_autofree char *content = NULL;

	if (skip_without_kvm())
		return;
	make_file(fixture, "debug", "a");
	assert_accepted(fixture, "--console=null --debug-console=@/debug");
	g_assert_cmpint(write(machine->debug_console_fd, "b", 1), ==, 1);
	options_clear(&fixture->options);
	g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
	g_assert_cmpstr(content, ==, "ab");

	assert_refused(fixture, "--kernel=@/kernel --debug-console=@/none/debug",
		       "/none/debug: No such file");
	assert_refused(fixture, "--kernel=@/kernel --debug-console-fd=9999",
		       "--debug-console-fd=9999: no open descriptor");
	hand_in(fixture, "/dev/null", O_WRONLY);
	assert_refused(fixture, "--kernel=@/kernel --debug-console=@/debug --debug-console-fd=#",
		       "given together with --debug-console-fd");
	assert_accepted(fixture, "--console=null --debug-console-fd=#");
	g_assert_cmpint(machine->debug_console_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	fixture->fd = -1;

	/* A log, beside another place or alone. */
	hand_in(fixture, "/dev/null", O_WRONLY);
	assert_accepted(fixture, "--console=null --debug-console=@/debug "
				 "--debug-console-log-fd=#");
	g_assert_cmpint(machine->debug_console_fd, >=, 0);
	g_assert_cmpint(machine->debug_console_log_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	hand_in(fixture, "/dev/null", O_WRONLY);
	assert_accepted(fixture, "--console=null --debug-console-log-fd=#");
	g_assert_cmpint(machine->debug_console_fd, ==, -1);
	g_assert_cmpint(machine->debug_console_log_fd, ==, fixture->fd);
	options_clear(&fixture->options);
	fixture->fd = -1;
	assert_refused(fixture, "--kernel=@/kernel --debug-console-log-fd=9999",
		       "--debug-console-log-fd=9999: no open descriptor");
}

static void test_monitor(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = g_build_filename(fixture->folder, "monitor", NULL);
	guint fds = count_fds();
	GStatBuf status;

	if (skip_without_kvm())
		return;
	assert_accepted(fixture, "--console=null --monitor=@/monitor");
	g_assert_no_errno(g_stat(path, &status));
	g_assert_true(S_ISSOCK(status.st_mode));
	/* Whoever can connect to it owns the machine. */
	g_assert_cmphex(status.st_mode & 0777, ==, 0600);
	options_clear(&fixture->options);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(count_fds(), ==, fds);
}

static void test_bad_monitors(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *kernel = g_build_filename(fixture->folder, "kernel", NULL);
	g_autofree char *tail = g_strnfill(120, 'x');
	g_autofree char *too_long = g_strconcat("--kernel=@/kernel --monitor=/", tail, NULL);

	if (skip_without_kvm())
		return;
	assert_refused(fixture, too_long, "too long for a socket's address");
	assert_refused(fixture, "--kernel=@/kernel --monitor=@/none/monitor",
		       "/none/monitor: No such file");
	/* A file that is there already is not ours to remove. */
	assert_refused(fixture, "--kernel=@/kernel --monitor=@/kernel", "Address already in use");
	g_assert_true(g_file_test(kernel, G_FILE_TEST_EXISTS));

	fixture->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_refused(fixture, "--kernel=@/kernel --monitor-fd=#", "not a listening socket");
	assert_refused(fixture, "--kernel=@/kernel --monitor=@/monitor --monitor-fd=#",
		       "given together with --monitor-fd");
	take_back(fixture);
	hand_in(fixture, "kernel", O_RDONLY);
	assert_refused(fixture, "--kernel=@/kernel --monitor-fd=#", "not a listening socket");
	take_back(fixture);
}

/* What prints and ends */

static void test_help(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (g_test_subprocess()) {
		/* GLib ends the process after it. */
		remove_tree(fixture->folder);
		parse(fixture, "--help");
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout("*--memory*--kernel*--monitor*");
}

static void test_version(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (g_test_subprocess()) {
		g_assert_false(parse(fixture, "--version"));
		g_assert_no_error(fixture->error);
		options_clear(&fixture->options);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout("*gmem-vmm (libvirt-gmem) *.*");
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/options/sizes", test_sizes);
	g_test_add_func("/options/no-sizes", test_no_sizes);
	add("/options/defaults", test_defaults);
	add("/options/everything-else", test_everything_else);
	add("/options/limits-are-accepted", test_limits_are_accepted);
	add("/options/bad-values", test_bad_values);
	add("/options/bad-files", test_bad_files);
	add("/options/firmware", test_firmware);
	add("/options/firmware-that-is-refused", test_firmware_that_is_refused);
	add("/options/topology", test_topology);
	add("/options/cpu-features", test_cpu_features);
	add("/options/numa", test_numa);
	add("/options/numa-cells-are-counted", test_numa_cells_are_counted);
	add("/options/devices", test_devices);
	add("/options/identity", test_identity);
	g_test_add_func("/options/rtc-bases", test_rtc_bases);
	g_test_add_func("/options/rtc-base-localtime", test_rtc_base_localtime);
	add("/options/timers", test_timers);
	add("/options/bad-hardware", test_bad_hardware);
	add("/options/kernel-that-is-handed-in", test_kernel_that_is_handed_in);
	add("/options/bad-descriptors", test_bad_descriptors);
	add("/options/descriptors-that-are-not-open", test_descriptors_that_are_not_open);
	add("/options/descriptors-that-are-no-numbers", test_descriptors_that_are_no_numbers);
	add("/options/consoles", test_consoles);
	add("/options/bad-consoles", test_bad_consoles);
	add("/options/console-that-is-handed-in", test_console_that_is_handed_in);
	add("/options/console-log", test_console_log);
	add("/options/second-serial-port", test_second_serial_port);
	add("/options/bad-second-serial-ports", test_bad_second_serial_ports);
	add("/options/debug-console", test_debug_console);
	add("/options/monitor", test_monitor);
	add("/options/bad-monitors", test_bad_monitors);
	add("/options/help", test_help);
	add("/options/version", test_version);

	return g_test_run();
}
