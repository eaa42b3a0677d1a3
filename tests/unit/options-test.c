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
#include "vmm/log.h"
#include "vmm/options.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

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
		{ "65536M", 64 * GIB },
		{ "65536", 64 * GIB },
		{ "67108864K", 64 * GIB },
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
		"1T",
		"1B",
		"65G",
		"65537",
		"64GG",
		"65537M",
		"67108865K",
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
	g_assert_cmpint(options->machine.vm_type, ==, KVM_VM_SW_PROTECTED);
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
	options_clear(&fixture->options);
}

static void test_everything_else(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Options *options = parse_but_for_kvm(
		fixture, "-m 64G --vcpus=16 --policy=guest-only --kernel=@/kernel "
			 "--initrd=@/initrd --append=quiet --paused --no-reboot --no-shutdown "
			 "--name=guest --trace=memslot,conversion --debug-exit=0xf4");
	char content[9] = "";

	g_assert_cmpuint(options->machine.memory_size, ==, 64 * GIB);
	g_assert_cmpuint(options->machine.vcpus, ==, 16);
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
		"--memory=64G",
		"--vcpus=1",
		"--vcpus=16",
		"--debug-exit=0",
		"--debug-exit=0xffff",
		"--debug-exit=65535",
		"--vm-type=ordinary",
		"--vm-type=sw-protected",
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
		{ "--memory=65G", "--memory=65G: 64G is the most" },
		{ "--memory=lots", "--memory=lots: a size such as" },
		{ "--memory=1T", "--memory=1T: the unit must be K, M or G" },
		{ "--vcpus=0", "--vcpus=0: from 1 to 16" },
		{ "--vcpus=17", "--vcpus=17: from 1 to 16" },
		{ "--vcpus=-1", "--vcpus=-1: from 1 to 16" },
		{ "--vcpus=two", "two" },
		{ "--vcpus=4294967297", "4294967297" },
		{ "--debug-exit=0x10000", "--debug-exit=0x10000: a port from 0 to 0xffff" },
		{ "--debug-exit=-1", "--debug-exit=-1: a port" },
		{ "--debug-exit=", "--debug-exit=: a port" },
		{ "--debug-exit=0xf4h", "--debug-exit=0xf4h: a port" },
		{ "--debug-exit=18446744073709551617", "a port" },
		{ "--vm-type=tdx", "--vm-type=tdx: 'sw-protected' or 'ordinary'" },
		{ "--vm-type=", "--vm-type=: 'sw-protected'" },
		{ "--policy=never", "--policy=never: 'on-demand' or 'guest-only'" },
		{ "--trace=all", "--trace=all: a list of" },
		{ "--trace=memslot,", "--trace=memslot,: a list of" },
		{ "--vm-type=ordinary --policy=on-demand", "an ordinary VM has no private memory" },
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
	static const char *const options[] = { "kernel-fd", "initrd-fd", "kvm-fd" };

	for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
		g_autofree char *arguments = g_strdup_printf(
			"%s--%s=9999", i == 0 ? "" : "--kernel=@/kernel ", options[i]);
		g_autofree char *words = g_strdup_printf("--%s=9999: no open descriptor",
							 options[i]);

		assert_refused(fixture, arguments, words);
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
	g_autofree char *whole = g_strconcat("--vm-type=ordinary --kernel=@/kernel ", arguments,
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
	add("/options/kernel-that-is-handed-in", test_kernel_that_is_handed_in);
	add("/options/bad-descriptors", test_bad_descriptors);
	add("/options/descriptors-that-are-not-open", test_descriptors_that_are_not_open);
	add("/options/consoles", test_consoles);
	add("/options/bad-consoles", test_bad_consoles);
	add("/options/console-that-is-handed-in", test_console_that_is_handed_in);
	add("/options/console-log", test_console_log);
	add("/options/monitor", test_monitor);
	add("/options/bad-monitors", test_bad_monitors);
	add("/options/help", test_help);
	add("/options/version", test_version);

	return g_test_run();
}
