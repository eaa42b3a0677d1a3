/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-device-test.c - devices of a domain, as the VMM is told of them */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-chardev.h"
#include "driver/vmm/vmm-command.h"
#include "driver/vmm/vmm-connect.h"
#include "driver/vmm/vmm-device.h"
#include "support.h"

typedef struct {
	char *folder;
	char *image;
	VmmCommand command;
	guint fds;
} Fixture;

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("vmm-device-test-XXXXXX", NULL);
	g_assert_nonnull(fixture->folder);
	fixture->image = g_build_filename(fixture->folder, "image", NULL);
	g_assert_true(g_file_set_contents(fixture->image, "image", -1, NULL));
	vmm_command_init(&fixture->command);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	vmm_command_clear(&fixture->command);
	remove_tree(fixture->folder);
	g_free(fixture->image);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

/* A domain that starts. @os, @devices: XML */
static DomainDef *domain_with(const char *before, const char *os, const char *devices)
{
	g_autofree char *xml = g_strdup_printf(
		"<domain type='kvm'><name>guest</name><memory unit='MiB'>64</memory>%s"
		"<os><type>hvm</type>%s</os><devices>%s%s</devices></domain>",
		before, os, devices,
		strstr(devices, "<memballoon") ? "" : "<memballoon model='none'/>");
	g_autoptr(GError) error = NULL;
	DomainDef *def = domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, &error);

	g_assert_no_error(error);
	domain_assign_aliases(def);
	return def;
}

static char *disk_xml(const Fixture *fixture, const char *target, const char *driver,
		      const char *more)
{
	return g_strdup_printf("<disk type='file'><driver type='raw' %s/><source file='%s'/>"
			       "<target dev='%s'/>%s</disk>",
			       driver, fixture->image, target, more);
}

static void add_devices(Fixture *fixture, DomainDef *def)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(vmm_command_add_devices(&fixture->command, def, &error));
	g_assert_no_error(error);
}

/* @wanted: with IMAGE where the image's path is */
static void assert_argument(const Fixture *fixture, guint index, const char *wanted)
{
	g_autoptr(GString) argument = g_string_new(NULL);

	g_assert_cmpuint(index, <, fixture->command.argv->len);
	g_string_assign(argument, g_ptr_array_index(fixture->command.argv, index));
	g_string_replace(argument, fixture->image, "IMAGE", 0);
	g_assert_cmpstr(argument->str, ==, wanted);
}

static const JailDescriptor *descriptor(const Fixture *fixture, guint index)
{
	g_assert_cmpuint(index, <, fixture->command.descriptors->len);
	return &g_array_index(fixture->command.descriptors, JailDescriptor, index);
}

/* What is behind a number, and how it is open. */
static void assert_descriptor(const Fixture *fixture, guint index, const char *path, int mode)
{
	const JailDescriptor *opened = descriptor(fixture, index);
	const int flags = fcntl(opened->source, F_GETFL);
	struct stat wanted, is;

	g_assert_cmpint(opened->target, ==, 3 + (int)index);
	g_assert_cmpint(stat(path, &wanted), ==, 0);
	g_assert_cmpint(fstat(opened->source, &is), ==, 0);
	g_assert_cmpuint(is.st_ino, ==, wanted.st_ino);
	g_assert_cmpint(flags & O_ACCMODE, ==, mode);
	g_assert_cmpint(flags & O_NONBLOCK, ==, 0);
}

static void test_none(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def = domain_with("", "", "");

	add_devices(fixture, def);
	/* The one that the chipset has, and no other. */
	g_assert_cmpuint(fixture->command.argv->len, ==, 1);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"itco\",\"id\":\"watchdog0\","
			"\"action\":\"reset\"}");
}

static void test_board(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def =
		domain_with("<genid>43DC0CF8-809B-4ADB-9BEA-A9ABB5F3D90E</genid>"
			    "<features><vmcoreinfo/></features>",
			    "",
			    "<watchdog model='i6300esb' action='pause'/>"
			    "<panic model='isa'><address type='isa' iobase='0x606'/></panic>");

	add_devices(fixture, def);
	g_assert_cmpuint(fixture->command.argv->len, ==, 5);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"i6300esb\",\"id\":\"watchdog0\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"action\":\"pause\"}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"itco\",\"id\":\"watchdog1\","
			"\"action\":\"pause\"}");
	assert_argument(fixture, 2,
			"--device={\"driver\":\"vmgenid\",\"id\":\"vmgenid0\","
			"\"guid\":\"43dc0cf8-809b-4adb-9bea-a9abb5f3d90e\"}");
	assert_argument(fixture, 3, "--device={\"driver\":\"vmcoreinfo\",\"id\":\"vmcoreinfo0\"}");
	assert_argument(fixture, 4,
			"--device={\"driver\":\"pvpanic\",\"id\":\"panic0\",\"ioport\":1542}");
}

/* As in libvirt, nobody has to ask for it. */
static void test_memballoon(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef)
		def = domain_with("", "",
				  "<memballoon model='virtio' autodeflate='on' "
				  "freePageReporting='on'><driver packed='off'/></memballoon>");

	add_devices(fixture, def);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"deflate-on-oom\":true,"
			"\"free-page-reporting\":true,\"packed\":false}");
}

static void test_plain_disk(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *disk = disk_xml(fixture, "vda", "", "");
	g_autoptr(DomainDef) def = domain_with("", "", disk);

	add_devices(fixture, def);
	g_assert_cmpuint(fixture->command.argv->len, ==, 2);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"virtio-blk-pci\",\"id\":\"virtio-disk0\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"write-cache\":true,"
			"\"blockdev\":{\"driver\":\"raw\",\"fd\":\"3\",\"filename\":\"IMAGE\","
			"\"read-only\":false,"
			"\"direct\":false,\"no-flush\":false,\"discard\":\"ignore\","
			"\"detect-zeroes\":\"off\"}}");
	assert_descriptor(fixture, 0, fixture->image, O_RDWR);
	g_assert_cmpuint(fixture->command.largest_file, ==, strlen("image"));
}

static void test_disk_with_all(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *disk = disk_xml(
		fixture, "vdb",
		"cache='none' discard='unmap' detect_zeroes='unmap' iothread='7' queues='2' "
		"queue_size='128' error_policy='enospace' rerror_policy='stop' iommu='on' "
		"packed='off' dma='window'",
		"<shareable/><serial>0123456789012345678901234</serial><boot order='3'/>"
		"<blockio logical_block_size='512' physical_block_size='4096'/>"
		"<alias name='ua-mine'/>");
	g_autoptr(DomainDef)
		def = domain_with("<iothreadids><iothread id='7'/></iothreadids>", "", disk);

	add_devices(fixture, def);
	assert_argument(fixture, 0, "--device={\"driver\":\"iothread\",\"id\":\"iothread7\"}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"virtio-blk-pci\",\"id\":\"ua-mine\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"bootindex\":3,"
			"\"serial\":\"01234567890123456789\",\"iothread\":\"iothread7\","
			"\"num-queues\":2,\"queue-size\":128,\"logical_block_size\":512,"
			"\"physical_block_size\":4096,\"write-cache\":true,\"rerror\":\"stop\","
			"\"werror\":\"enospc\",\"share-rw\":true,\"dma\":\"window\","
			"\"iommu_platform\":true,"
			"\"packed\":false,\"blockdev\":{\"driver\":\"raw\",\"fd\":\"3\","
			"\"filename\":\"IMAGE\","
			"\"read-only\":false,\"direct\":true,\"no-flush\":false,"
			"\"discard\":\"unmap\",\"detect-zeroes\":\"unmap\"}}");
}

static JsonObject *blockdev_of(JsonObject *device)
{
	return json_object_get_object_member(device, "blockdev");
}

/* As QEMU's manual has the modes. */
static void test_cache_modes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *name;
		gboolean is_direct, has_write_cache, is_without_flush;
	} modes[] = {
		{ "none", TRUE, TRUE, FALSE },	     { "writethrough", FALSE, FALSE, FALSE },
		{ "writeback", FALSE, TRUE, FALSE }, { "directsync", TRUE, FALSE, FALSE },
		{ "unsafe", FALSE, TRUE, TRUE },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		g_autofree char *driver = g_strdup_printf("cache='%s'", modes[i].name);
		g_autofree char *xml = disk_xml(fixture, "vda", driver, "");
		g_autoptr(DomainDef) def = domain_with("", "", xml);
		g_autoptr(JsonObject) disk = vmm_device_describe_disk(def->disks->pdata[0], "a", 0);
		JsonObject *blockdev = blockdev_of(disk);

		g_assert_cmpint(json_object_get_boolean_member(disk, "write-cache"), ==,
				modes[i].has_write_cache);
		g_assert_cmpint(json_object_get_boolean_member(blockdev, "direct"), ==,
				modes[i].is_direct);
		g_assert_cmpint(json_object_get_boolean_member(blockdev, "no-flush"), ==,
				modes[i].is_without_flush);
		g_assert_cmpstr(json_object_get_string_member(blockdev, "fd"), ==, "a");
	}
}

/* What is not to be given up cannot be given up for its zeroes. */
static void test_zeroes_without_discard(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *xml = disk_xml(fixture, "vda", "detect_zeroes='unmap'", "");
	g_autoptr(DomainDef) def = domain_with("", "", xml);
	g_autoptr(JsonObject) disk = vmm_device_describe_disk(def->disks->pdata[0], "3", 0);

	g_assert_cmpstr(json_object_get_string_member(blockdev_of(disk), "detect-zeroes"), ==,
			"on");
}

static void test_readonly_disk(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *xml = disk_xml(fixture, "vda", "", "<readonly/>");
	g_autoptr(DomainDef) def = domain_with("", "", xml);

	add_devices(fixture, def);
	assert_descriptor(fixture, 0, fixture->image, O_RDONLY);
	g_assert_cmpuint(fixture->command.largest_file, ==, 0);
}

static void assert_refused(Fixture *fixture, DomainDef *def, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(vmm_command_add_devices(&fixture->command, def, &error));
	g_assert_nonnull(error);
	if (!strstr(error->message, message))
		g_error("'%s' is not in '%s'", message, error->message);
}

static void test_disk_that_is_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *xml = disk_xml(fixture, "vdc", "", "");
	g_autoptr(DomainDef) def = domain_with("", "", xml);

	g_assert_cmpint(unlink(fixture->image), ==, 0);
	assert_refused(fixture, def, "disk vdc");
	assert_refused(fixture, def, fixture->image);
}

static void test_disk_that_is_no_device(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *xml = g_strdup_printf(
		"<disk type='block'><source dev='%s'/><target dev='vda'/></disk>", fixture->image);
	g_autoptr(DomainDef) def = domain_with("", "", xml);

	assert_refused(fixture, def, "is not a block device");
}

/* A server, and what it is called. */
static int listen_at(const Fixture *fixture, struct sockaddr_un *address)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	g_snprintf(address->sun_path, sizeof(address->sun_path), "%s/nbd", fixture->folder);
	g_assert_cmpint(bind(fd, (const struct sockaddr *)address, sizeof(*address)), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
	return fd;
}

static void test_disk_of_a_server(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	struct sockaddr_un address;
	const int server = listen_at(fixture, &address);
	DomainDisk disk = {
		.type = DOMAIN_DISK_NETWORK,
		.nbd_socket = address.sun_path,
		.nbd_export = (char *)"one",
		.format = (char *)"raw",
		.target = (char *)"vda",
		.info = { .alias = (char *)"virtio-disk0",
			  .address = { .is_set = TRUE, .bus = 1 } },
	};
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) description = vmm_device_describe_disk(&disk, "3", 0);
	JsonObject *blockdev = blockdev_of(description);
	int fd = vmm_device_open_disk(&disk, geteuid(), &error);

	g_assert_no_error(error);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	g_assert_cmpstr(json_object_get_string_member(blockdev, "driver"), ==, "nbd");
	g_assert_cmpstr(json_object_get_string_member(blockdev, "export"), ==, "one");

	close(server);
	fd = vmm_device_open_disk(&disk, geteuid(), &error);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, "disk vda: cannot connect to"));
	g_assert_nonnull(strstr(error->message, address.sun_path));
}

static void test_rngs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef)
		def = domain_with("", "",
				  "<rng model='virtio'><rate bytes='1024' period='2000'/>"
				  "<backend model='random'>/dev/random</backend></rng>"
				  "<rng model='virtio'><rate bytes='7'/><backend model='builtin'/>"
				  "<driver packed='on'/></rng>");

	add_devices(fixture, def);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"virtio-rng-pci\",\"id\":\"rng0\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"rng-fd\":\"3\","
			"\"max-bytes\":1024,\"period\":2000}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"virtio-rng-pci\",\"id\":\"rng1\","
			"\"bus\":\"pci.2\",\"addr\":\"0x0\",\"max-bytes\":7,"
			"\"period\":1000,\"packed\":true}");
	assert_descriptor(fixture, 0, "/dev/random", O_RDONLY);
	g_assert_cmpuint(fixture->command.descriptors->len, ==, 1);
}

/* The chipset's are there without being asked for. */
static void test_inputs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def = domain_with("", "",
					       "<input type='mouse' bus='ps2'/>"
					       "<input type='keyboard' bus='virtio'/>"
					       "<input type='tablet' bus='virtio'>"
					       "<driver packed='off'/></input>");

	add_devices(fixture, def);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"virtio-keyboard-pci\",\"id\":\"input1\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\"}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"virtio-tablet-pci\",\"id\":\"input2\","
			"\"bus\":\"pci.2\",\"addr\":\"0x0\",\"packed\":false}");
	g_assert_cmpuint(domain_def_count_working(def), ==, 2);
}

static void test_rng_that_is_a_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *xml = g_strdup_printf(
		"<rng model='virtio'><backend model='random'>%s</backend></rng>", fixture->image);
	g_autoptr(DomainDef) def = domain_with("", "", xml);

	assert_refused(fixture, def, "is not a character device");
}

static void test_interfaces(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const socket[] = { "5", NULL };
	static const char *const taps[] = { "6", "7", NULL };
	DomainInterface interface = {
		.type = DOMAIN_INTERFACE_USER,
		.mac = { 0x52, 0x54, 0, 1, 2, 0xab },
		.info = { .alias = (char *)"net0", .address = { .is_set = TRUE, .bus = 4 } },
	};
	g_autoptr(JsonObject) user = vmm_device_describe_interface(&interface, socket, 2);
	g_autoptr(JsonObject) bridge = NULL;
	g_autofree char *user_text = vmm_device_text(user);
	g_autofree char *bridge_text = NULL;

	interface.type = DOMAIN_INTERFACE_BRIDGE;
	interface.mtu = 9000;
	interface.queues = 2;
	interface.link = DOMAIN_LINK_DOWN;
	interface.dma = DOMAIN_DMA_COURIER;
	bridge = vmm_device_describe_interface(&interface, taps, 0);
	bridge_text = vmm_device_text(bridge);
	g_assert_cmpstr(user_text, ==,
			"{\"driver\":\"virtio-net-pci\",\"id\":\"net0\",\"bus\":\"pci.4\","
			"\"addr\":\"0x0\",\"bootindex\":2,\"mac\":\"52:54:00:01:02:ab\","
			"\"link\":true,\"netdev\":{\"type\":\"stream\",\"fd\":\"5\"}}");
	g_assert_cmpstr(bridge_text, ==,
			"{\"driver\":\"virtio-net-pci\",\"id\":\"net0\",\"bus\":\"pci.4\","
			"\"addr\":\"0x0\",\"mac\":\"52:54:00:01:02:ab\",\"host_mtu\":9000,"
			"\"mq\":true,\"queues\":2,\"link\":false,\"dma\":\"courier\","
			"\"netdev\":{\"type\":\"tap\",\"fds\":[\"6\",\"7\"]}}");
}

/* <os><boot dev='hd'/> is about the first disk. */
static void test_boot_devices(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *first = disk_xml(fixture, "vda", "", "<readonly/>");
	g_autofree char *second = disk_xml(fixture, "vdb", "", "<readonly/>");
	g_autofree char *both = g_strconcat(second, first, NULL);
	g_autoptr(DomainDef) def = domain_with("", "<boot dev='cdrom'/><boot dev='hd'/>", both);
	const DomainDisk *vda = domain_find_disk(def, "vda");
	const DomainDisk *vdb = domain_find_disk(def, "vdb");

	g_assert_cmpuint(domain_boot_index(def, &vda->info), ==, 2);
	g_assert_cmpuint(domain_boot_index(def, &vdb->info), ==, 0);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

/* Return: for g_free(); a path in the fixture's folder. */
static char *path_in(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void test_channels(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *socket = path_in(fixture, "socket");
	g_autofree char *log = path_in(fixture, "log");
	g_autofree char *channels = g_strdup_printf(
		"<channel type='unix'><source mode='bind' path='%s'/><log file='%s'/>"
		"<target type='virtio' name='one'/></channel>"
		"<console type='pty'><target type='virtio'/></console>"
		"<channel type='null'><target type='virtio'/></channel>",
		socket, log);
	g_autoptr(DomainDef) def = domain_with("", "", channels);
	const DomainPort *console = def->consoles->pdata[0];

	add_devices(fixture, def);
	g_assert_cmpuint(fixture->command.argv->len, ==, 5);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"virtio-serial-pci\",\"id\":\"virtio-serial0\","
			"\"bus\":\"pci.1\",\"addr\":\"0x0\",\"max_ports\":31}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"virtconsole\",\"id\":\"console0\","
			"\"bus\":\"virtio-serial0.0\",\"nr\":0,"
			"\"chardev\":{\"type\":\"pty\",\"fd\":\"3\"}}");
	assert_argument(fixture, 2,
			"--device={\"driver\":\"virtserialport\",\"id\":\"channel0\","
			"\"bus\":\"virtio-serial0.0\",\"nr\":1,\"name\":\"one\","
			"\"chardev\":{\"type\":\"socket\",\"fd\":\"4\",\"server\":true,"
			"\"logfile-fd\":\"5\"}}");
	assert_argument(fixture, 3,
			"--device={\"driver\":\"virtserialport\",\"id\":\"channel1\","
			"\"bus\":\"virtio-serial0.0\",\"nr\":2,\"chardev\":{\"type\":\"null\"}}");
	g_assert_true(g_str_has_prefix(console->chardev.path, "/dev/pts/"));
}

/* Whether somebody listens, even if he has many to accept. */
static gboolean is_listened_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	gboolean is_there;

	g_assert_cmpint(fd, >=, 0);
	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	is_there = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		   errno == EAGAIN;
	close(fd);
	return is_there;
}

/* The daemon chooses the path; the socket is its own, there once, and gone when the run is. */
static void test_chosen_socket(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = path_in(fixture, "channel-1-guest");
	g_autofree char *path = path_in(fixture, "channel-1-guest/one");
	g_autoptr(DomainDef) def = domain_with(
		"", "", "<channel type='unix'><target type='virtio' name='one'/></channel>");
	g_autoptr(GError) error = NULL;
	struct stat status;

	g_assert_true(vmm_chardev_choose_paths(def, folder, &error));
	g_assert_no_error(error);
	add_devices(fixture, def);
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(status.st_mode & 07777, ==, 0600);
	g_assert_true(is_listened_to(path));

	/* It is somebody's while he listens. */
	g_assert_false(vmm_command_add_devices(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, path));
	vmm_chardev_remove_all(def);
	g_assert_true(is_listened_to(path));

	vmm_command_close(&fixture->command);
	vmm_chardev_remove_all(def);
	g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

/* Live XML is read again by the next daemon: no path in it is longer than a socket's may be. */
static void test_chosen_path_is_short(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char channels[] =
		"<channel type='unix'><target type='virtio' name='n'/></channel>"
		"<channel type='unix'><target type='virtio' "
		"name='longer.than.channel1'/></channel>";
	g_autoptr(DomainDef) def = domain_with("", "", channels);
	g_autoptr(DomainDef) other = domain_with("", "", channels);
	const DomainPort *const *ports = (const DomainPort *const *)def->channels->pdata;
	const gsize room = DOMAIN_SOCKET_PATH_MAX - strlen("/channel1");
	g_autofree char *begin = path_in(fixture, "");
	g_autofree char *filler = NULL, *folder = NULL, *longer = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_cmpuint(strlen(begin), <, room);
	filler = g_strnfill(room - strlen(begin), 'x');
	folder = g_strconcat(begin, filler, NULL);
	longer = g_strconcat(folder, "x", NULL);

	g_assert_true(vmm_chardev_choose_paths(def, folder, &error));
	g_assert_no_error(error);
	g_assert_true(g_str_has_suffix(ports[0]->chardev.path, "/n"));
	g_assert_true(g_str_has_suffix(ports[1]->chardev.path, "/channel1"));
	g_assert_cmpuint(strlen(ports[1]->chardev.path), ==, DOMAIN_SOCKET_PATH_MAX);
	g_assert_no_errno(rmdir(folder));

	g_assert_false(vmm_chardev_choose_paths(other, longer, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "channel1"));
	g_assert_false(g_file_test(longer, G_FILE_TEST_EXISTS));
}

/* What a process has left that was killed is replaced; a file is not. */
static void test_socket_that_is_there(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_in(fixture, "socket");
	g_autofree char *channels =
		g_strdup_printf("<channel type='unix'><source mode='bind' path='%s'/>"
				"<target type='virtio' name='one'/></channel>",
				path);
	g_autoptr(DomainDef) def = domain_with("", "", channels);
	g_autoptr(GError) error = NULL;

	add_devices(fixture, def);
	vmm_command_close(&fixture->command);
	add_devices(fixture, def);
	g_assert_true(is_listened_to(path));
	vmm_command_close(&fixture->command);
	g_assert_cmpint(unlink(path), ==, 0);

	g_assert_true(g_file_set_contents(path, "a file", -1, NULL));
	g_assert_false(vmm_command_add_devices(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	vmm_chardev_remove_all(def);
	g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
}

/* One that nobody listens at cannot be connected to. */
static void test_socket_without_server(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_in(fixture, "nobody");
	g_autofree char *channels =
		g_strdup_printf("<channel type='unix'><source mode='connect' path='%s'/>"
				"<target type='virtio' name='one'/></channel>",
				path);
	g_autoptr(DomainDef) def = domain_with("", "", channels);
	g_autoptr(GError) error = NULL;

	g_assert_false(vmm_command_add_devices(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, path));
}

/* A port of the host's, and a serial port at it. */
static void test_tcp(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	g_autoptr(DomainDef) def = NULL;
	g_autofree char *devices = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(bind(server, (const struct sockaddr *)&any, sizeof(any)), ==, 0);
	g_assert_cmpint(listen(server, 1), ==, 0);
	g_assert_cmpint(getsockname(server, (struct sockaddr *)&address, &length), ==, 0);
	devices = g_strdup_printf("<serial type='tcp'>"
				  "<source mode='connect' host='127.0.0.1' service='%u'/></serial>",
				  ntohs(address.sin_port));
	def = domain_with("", "", devices);
	g_assert_true(vmm_command_add_serials(&fixture->command, def, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(fixture->command.argv->len, ==, 1);
	assert_argument(fixture, 0, "--console-fd=3");
	close(server);

	/* Now nobody is there. */
	vmm_command_close(&fixture->command);
	g_assert_false(vmm_command_add_serials(&fixture->command, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, "127.0.0.1"));
	g_clear_error(&error);

	def->serials[0].chardev.is_server = TRUE;
	g_assert_true(vmm_command_add_serials(&fixture->command, def, &error));
	g_assert_no_error(error);
}

/* The controller comes before its drives, of which one may be empty. */
static void test_sata(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *disk = disk_xml(fixture, "sda", "dma='registered'",
					 "<wwn>5000c50015ea71ac</wwn>");
	g_autofree char *devices = g_strconcat(
		disk, "<disk type='file' device='cdrom'><target dev='sdb'/></disk>", NULL);
	g_autoptr(DomainDef) def = domain_with("", "<boot dev='cdrom'/>", devices);

	add_devices(fixture, def);
	assert_argument(fixture, 0,
			"--device={\"driver\":\"ich9-ahci\",\"id\":\"sata0\","
			"\"bus\":\"pcie.0\",\"addr\":\"0x1f.0x2\"}");
	assert_argument(fixture, 1,
			"--device={\"driver\":\"ide-hd\",\"id\":\"sata0-0-0\","
			"\"bus\":\"sata0.0\",\"wwn\":5764824127192592812,\"write-cache\":true,"
			"\"dma\":\"registered\","
			"\"blockdev\":{\"driver\":\"raw\",\"fd\":\"3\",\"filename\":\"IMAGE\","
			"\"read-only\":false,\"direct\":false,\"no-flush\":false,"
			"\"discard\":\"ignore\",\"detect-zeroes\":\"off\"}}");
	assert_argument(fixture, 2,
			"--device={\"driver\":\"ide-cd\",\"id\":\"sata0-0-1\","
			"\"bus\":\"sata0.1\",\"bootindex\":1}");
}

static void test_ids_of_iothreads(void)
{
	static const char *const wrong[] = {
		"",	      "iothread",   "iothread0",  "iothread01",		"iothread-1",
		"iothread+1", "iothread 1", "iothread1 ", "iothread2147483648", "thread1",
		"Iothread1",  "xiothread1",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		g_assert_cmpuint(vmm_device_parse_iothread_id(wrong[i]), ==, 0);
	g_assert_cmpuint(vmm_device_parse_iothread_id("iothread1"), ==, 1);
	g_assert_cmpuint(vmm_device_parse_iothread_id("iothread2147483647"), ==, G_MAXINT);
}

int main(int argc, char **argv)
{
	int fd;

	g_test_init(&argc, &argv, NULL);
	/* What GLib keeps open from its first connection on is no leak. */
	fd = vmm_connect_to_host("127.0.0.1", 1, NULL);
	if (fd >= 0)
		close(fd);

	add("/vmm-device/none", test_none);
	add("/vmm-device/board", test_board);
	add("/vmm-device/memballoon", test_memballoon);
	add("/vmm-device/disk/plain", test_plain_disk);
	add("/vmm-device/disk/with-all", test_disk_with_all);
	add("/vmm-device/disk/cache-modes", test_cache_modes);
	add("/vmm-device/disk/zeroes-without-discard", test_zeroes_without_discard);
	add("/vmm-device/disk/readonly", test_readonly_disk);
	add("/vmm-device/disk/that-is-gone", test_disk_that_is_gone);
	add("/vmm-device/disk/that-is-no-device", test_disk_that_is_no_device);
	add("/vmm-device/disk/of-a-server", test_disk_of_a_server);
	add("/vmm-device/rngs", test_rngs);
	add("/vmm-device/inputs", test_inputs);
	add("/vmm-device/rng-that-is-a-file", test_rng_that_is_a_file);
	add("/vmm-device/interfaces", test_interfaces);
	add("/vmm-device/boot-devices", test_boot_devices);
	add("/vmm-device/channel/all", test_channels);
	add("/vmm-device/channel/chosen-socket", test_chosen_socket);
	add("/vmm-device/channel/chosen-path-is-short", test_chosen_path_is_short);
	add("/vmm-device/channel/socket-that-is-there", test_socket_that_is_there);
	add("/vmm-device/channel/socket-without-server", test_socket_without_server);
	add("/vmm-device/serial/tcp", test_tcp);

	g_test_add("/vmm-device/sata", Fixture, NULL, start, test_sata, end);
	g_test_add_func("/vmm-device/ids-of-iothreads", test_ids_of_iothreads);
	return g_test_run();
}
