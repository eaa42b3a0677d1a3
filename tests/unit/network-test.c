/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-test.c - what network cards have behind them: passt's command line, and, for root,
 * devices in a network namespace of the test's own
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/interface-request.h"
#include "driver/network/libvirt-network.h"
#include "driver/network/macvtap.h"
#include "driver/network/passt.h"
#include "driver/network/tap.h"
#include "support.h"

static const guint8 mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

/* passt */

static DomainPortRange *make_range(guint start, guint end, guint to, gboolean is_excluded)
{
	DomainPortRange *range = g_new0(DomainPortRange, 1);

	*range = (DomainPortRange){ start, end, to, is_excluded };
	return range;
}

static char *joined_arguments(const DomainInterface *interface)
{
	g_auto(GStrv) arguments = passt_arguments("passt", interface, 3, NULL);

	return g_strjoinv(" ", arguments);
}

static void test_passt_plain(void)
{
	const DomainInterface interface = { 0 };
	g_autofree char *arguments = joined_arguments(&interface);

	g_assert_cmpstr(arguments, ==, "passt --foreground --stderr --quiet --fd 3");
}

static void test_passt_forwards(void)
{
	g_autoptr(GPtrArray) tcp = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) udp = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) forwards = g_ptr_array_new();
	g_autoptr(GPtrArray) ips = g_ptr_array_new();
	DomainPortForward first = { .address = (char *)"127.0.0.1", .ranges = tcp };
	DomainPortForward second = {
		.is_udp = TRUE,
		.address = (char *)"::1",
		.device = (char *)"lo",
		.ranges = udp,
	};
	DomainInterfaceIp ip = { .address = (char *)"192.0.2.5", .prefix = 24 };
	DomainInterfaceIp ip6 = { .is_ipv6 = TRUE, .address = (char *)"2001:db8::5", .prefix = 64 };
	const DomainInterface interface = {
		.mtu = 1400,
		.source_device = (char *)"eth7",
		.port_forwards = forwards,
		.ips = ips,
	};
	g_autofree char *arguments = NULL;

	g_ptr_array_add(tcp, make_range(2222, 2222, 22, FALSE));
	g_ptr_array_add(tcp, make_range(8000, 8010, 80, FALSE));
	g_ptr_array_add(tcp, make_range(8005, 8006, 8005, TRUE));
	g_ptr_array_add(tcp, make_range(25, 25, 25, FALSE));
	g_ptr_array_add(forwards, &first);
	g_ptr_array_add(forwards, &second);
	g_ptr_array_add(ips, &ip);
	g_ptr_array_add(ips, &ip6);
	arguments = joined_arguments(&interface);
	g_assert_cmpstr(arguments, ==,
			"passt --foreground --stderr --quiet --fd 3 --mtu 1400 --interface eth7 "
			"--address 192.0.2.5 --netmask 24 --address 2001:db8::5 "
			"--tcp-ports 127.0.0.1/2222:22,8000-8010:80-90,~8005-8006,25 "
			"--udp-ports ::1%lo/all");
}

static void test_passt_missing(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(passt_is_installed("/nowhere/passt", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "/nowhere/passt"));
}

/* It has the host's network, and nothing else that is the host's. */
static void test_passt_jail(void)
{
	Jail jail;

	passt_jail(&jail, 1234, 1234, 0, 7);
	g_assert_cmphex(jail.namespaces & CLONE_NEWNET, ==, 0);
	g_assert_cmphex(jail.capabilities, ==, 0);
	g_assert_cmpint(jail.cgroup, ==, 7);
	g_assert_cmpuint(jail.uid, ==, 1234);
}

/* libvirt's networks: those of its driver for tests. */
static void test_libvirt_network(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bridge = libvirt_network_bridge("test:///default", "default",
							 LIBVIRT_NETWORK_SECONDS, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(bridge, ==, "virbr0");
	g_assert_null(
		libvirt_network_bridge("test:///default", "none", LIBVIRT_NETWORK_SECONDS, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_NO_NETWORK);
	g_assert_nonnull(strstr(error->message, "'none'"));
	g_clear_error(&error);
	g_assert_null(libvirt_network_leases("test:///default", "none", "52:54:00:01:02:03",
					     LIBVIRT_NETWORK_SECONDS, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_NO_NETWORK);
	g_clear_error(&error);
	g_assert_null(
		libvirt_network_bridge("nowhere:///", "default", LIBVIRT_NETWORK_SECONDS, &error));
	g_assert_nonnull(error);
}

/* The call that was given up ends when its server has gone, and with it what it has open. */
static void await_fds(guint wanted)
{
	const gint64 deadline = g_get_monotonic_time() + 30 * G_TIME_SPAN_SECOND;

	while (count_fds() != wanted) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(1000);
	}
}

/* A daemon that takes a connection and says nothing. */
static void test_libvirt_network_hangs(void)
{
	/* What the library opens for all calls is open then. */
	g_autofree char *bridge = libvirt_network_bridge("test:///default", "default",
							 LIBVIRT_NETWORK_SECONDS, NULL);
	const guint before = count_fds();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	g_autofree char *folder = g_dir_make_tmp("libvirt-gmem-network-XXXXXX", NULL);
	const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_autoptr(GError) error = NULL;
	g_autofree char *uri = NULL;

	g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	g_assert_cmpint(bind(server, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(listen(server, 1), ==, 0);
	uri = g_strdup_printf("network+unix:///system?socket=%s", address.sun_path);
	g_assert_null(libvirt_network_bridge(uri, "default", 1, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_TIMEOUT);
	g_assert_nonnull(strstr(error->message, "'default'"));
	close(server);
	unlink(address.sun_path);
	rmdir(folder);
	await_fds(before);
}

/* Devices */

static void test_names(void)
{
	static const char *const good[] = { "vnet0", "a", "br-lan.100", "vnet%d" };
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a b", "a:1", "sixteen-letters-", "\xc3\xa4", "a\n"
	};

	for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(interface_name_check(good[i], NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(interface_name_check(bad[i], &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	}
}

/* A network namespace, and a /sys that shows its interfaces. */
static gboolean enter_namespace(void)
{
	g_autofree char *ip = g_find_program_in_path("ip");

	if (ip && access("/dev/net/tun", R_OK | W_OK) == 0 &&
	    unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("sysfs", "/sys", "sysfs", 0, NULL) == 0)
		return TRUE;
	g_test_skip("needs ip(8), tap devices and the right to make a network namespace");
	return FALSE;
}

static gboolean runs(const char *command)
{
	int status;

	g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
	return status == 0;
}

static void run(const char *command)
{
	g_assert_true(runs(command));
}

static char *read_attribute(const char *name, const char *attribute)
{
	g_autofree char *path = g_strdup_printf("/sys/class/net/%s/%s", name, attribute);
	char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return g_strchomp(text);
}

static void close_all(GArray *fds)
{
	for (guint i = 0; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	g_array_set_size(fds, 0);
}

static void test_tap(void)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	TapConfig config = { .name = TAP_NAME_TEMPLATE, .queues = 2, .mac = mac, .mtu = 1400 };
	g_autoptr(GError) error = NULL;
	g_autofree char *first = NULL, *second = NULL, *host_mac = NULL, *mtu = NULL;
	guint before;

	if (!enter_namespace())
		return;
	before = count_fds();
	first = tap_open(&config, fds, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(first, ==, "vnet0");
	g_assert_cmpuint(fds->len, ==, 2);
	g_assert_cmpint(fcntl(g_array_index(fds, int, 0), F_GETFD), ==, FD_CLOEXEC);
	host_mac = read_attribute(first, "address");
	g_assert_cmpstr(host_mac, ==, "fe:54:00:01:02:03");
	mtu = read_attribute(first, "mtu");
	g_assert_cmpstr(mtu, ==, "1400");
	config.queues = 1;
	second = tap_open(&config, fds, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(second, ==, "vnet1");
	/* With the last descriptor the device goes. */
	close_all(fds);
	g_assert_false(interface_exists("vnet0"));
	g_assert_cmpuint(count_fds(), ==, before);
}

static void assert_refused(const TapConfig *config, virErrorNumber code, const char *named)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	const guint before = count_fds();
	g_autoptr(GError) error = NULL;

	g_assert_null(tap_open(config, fds, &error));
	g_assert_error(error, DRIVER_ERROR, (int)code);
	g_assert_nonnull(strstr(error->message, named));
	g_assert_cmpuint(fds->len, ==, 0);
	g_assert_cmpuint(count_fds(), ==, before);
}

static void test_tap_refused(void)
{
	TapConfig config = { .queues = 1, .mac = mac };

	if (!enter_namespace())
		return;
	run("ip tuntap add there mode tap");
	config.name = "there";
	assert_refused(&config, VIR_ERR_CONFIG_UNSUPPORTED, "there");
	config.name = "gone";
	config.is_there = TRUE;
	assert_refused(&config, VIR_ERR_CONFIG_UNSUPPORTED, "gone");
	config.is_there = FALSE;
	config.name = "bad%s";
	assert_refused(&config, VIR_ERR_CONFIG_UNSUPPORTED, "bad%s");
	config.name = "%d%d";
	assert_refused(&config, VIR_ERR_CONFIG_UNSUPPORTED, "%d%d");
	config.name = "tap0";
	config.bridge = "nobridge";
	assert_refused(&config, VIR_ERR_SYSTEM_ERROR, "nobridge");
	config.bridge = "there";
	assert_refused(&config, VIR_ERR_CONFIG_UNSUPPORTED, "there");
	config.bridge = NULL;
	config.mtu = 1;
	assert_refused(&config, VIR_ERR_SYSTEM_ERROR, "tap0");
	g_assert_false(interface_exists("tap0"));
}

static void test_bridge(void)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	const TapConfig config = {
		.name = "port0",
		.queues = 1,
		.mac = mac,
		.bridge = "br7",
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *name = NULL, *mtu = NULL, *bridge = NULL;

	if (!enter_namespace())
		return;
	if (!runs("ip link add br7 type bridge")) {
		g_test_skip("this kernel has no bridges");
		return;
	}
	run("ip link set br7 mtu 1300");
	name = tap_open(&config, fds, &error);
	g_assert_no_error(error);
	mtu = read_attribute("port0", "mtu");
	g_assert_cmpstr(mtu, ==, "1300");
	bridge = g_file_read_link("/sys/class/net/port0/brport/bridge", NULL);
	g_assert_true(bridge && g_str_has_suffix(bridge, "/br7"));
	close_all(fds);
}

static void test_tap_there(void)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	const TapConfig config = { .name = "mine", .is_there = TRUE, .queues = 1, .mac = mac };
	g_autoptr(GError) error = NULL;
	g_autofree char *name = NULL;

	if (!enter_namespace())
		return;
	run("ip tuntap add mine mode tap vnet_hdr");
	name = tap_open(&config, fds, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(name, ==, "mine");
	close_all(fds);
	/* It was not made here. */
	g_assert_true(interface_exists("mine"));
}

static void test_macvtap(void)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	MacvtapConfig config = {
		.lower = "card",
		.mode = MACVLAN_MODE_BRIDGE,
		.queues = 1,
		.mac = mac,
		.mtu = 1400,
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *name = NULL;

	if (!enter_namespace())
		return;
	g_assert_null(macvtap_open(&config, fds, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "card"));
	g_clear_error(&error);
	run("ip tuntap add card mode tap");
	config.name = "card";
	g_assert_null(macvtap_open(&config, fds, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_true(interface_exists("card"));
	g_clear_error(&error);
	config.name = NULL;
	name = macvtap_open(&config, fds, &error);
	if (error && (strstr(error->message, g_strerror(EOPNOTSUPP)) ||
		      strstr(error->message, g_strerror(ENOENT)))) {
		g_test_skip("the kernel has no macvtap, or does not fill this /dev");
		return;
	}
	g_assert_no_error(error);
	g_assert_cmpstr(name, ==, "macvtap0");
	g_assert_cmpuint(fds->len, ==, 1);
	macvtap_delete("card");
	g_assert_true(interface_exists("card"));
	macvtap_delete(name);
	g_assert_false(interface_exists(name));
	close_all(fds);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/network/passt/plain", test_passt_plain);
	g_test_add_func("/network/passt/forwards", test_passt_forwards);
	g_test_add_func("/network/passt/missing", test_passt_missing);
	g_test_add_func("/network/passt/jail", test_passt_jail);
	g_test_add_func("/network/libvirt", test_libvirt_network);
	g_test_add_func("/network/libvirt/hangs", test_libvirt_network_hangs);
	g_test_add_func("/network/names", test_names);
	g_test_add_func("/network/tap/made", test_tap);
	g_test_add_func("/network/tap/refused", test_tap_refused);
	g_test_add_func("/network/tap/bridge", test_bridge);
	g_test_add_func("/network/tap/there", test_tap_there);
	g_test_add_func("/network/macvtap", test_macvtap);
	return g_test_run();
}
