/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-device-test.c - devices that are attached to a definition, detached and updated */
#include <string.h>

#include "driver/conf/domain-device.h"
#include "driver/error.h"

#define DISK(target, path, more)                                                        \
	"<disk type='file' device='disk'><source file='" path "'/><target dev='" target \
	"' bus='virtio'/>" more "</disk>"
#define RNG(more) "<rng model='virtio'><backend model='random'>/dev/urandom</backend>" more "</rng>"

static DomainDef *definition(const char *devices)
{
	g_autofree char *xml =
		g_strdup_printf("<domain type='kvm'><name>test</name><memory unit='MiB'>64</memory>"
				"<memoryBacking><private/></memoryBacking>"
				"<os><type arch='x86_64' machine='q35'>hvm</type></os>"
				"<devices>%s</devices></domain>",
				devices);
	g_autoptr(GError) error = NULL;
	DomainDef *def = domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, &error);

	g_assert_no_error(error);
	return def;
}

static DomainDevice *device_of(const char *xml)
{
	g_autoptr(GError) error = NULL;
	DomainDevice *device = domain_device_parse(xml, DOMAIN_PARSE_INACTIVE, &error);

	g_assert_no_error(error);
	return device;
}

typedef gboolean (*Change)(DomainDef *def, const DomainDevice *device, GError **error);

/* Changes, completes, and gives the definition that has become of it, for domain_def_free(). */
static DomainDef *change(Change function, const char *devices, const char *xml)
{
	g_autoptr(DomainDef) def = definition(devices);
	g_autoptr(DomainDevice) device = device_of(xml);
	g_autoptr(GError) error = NULL;
	DomainDef *complete;

	g_assert_true(function(def, device, &error));
	g_assert_no_error(error);
	complete = domain_def_complete_change(def, &error);
	g_assert_no_error(error);
	return complete;
}

static void assert_refused(Change function, const char *devices, const char *xml, int code,
			   const char *words)
{
	g_autoptr(DomainDef) def = definition(devices);
	g_autofree char *before = domain_def_format(def, DOMAIN_FORMAT_INACTIVE);
	g_autoptr(DomainDevice) device = device_of(xml);
	g_autofree char *after = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_false(function(def, device, &error));
	g_assert_error(error, DRIVER_ERROR, code);
	if (!strstr(error->message, words))
		g_error("'%s' is not in '%s'", words, error->message);
	after = domain_def_format(def, DOMAIN_FORMAT_INACTIVE);
	g_assert_cmpstr(after, ==, before);
}

static void assert_not_read(const char *xml, int code, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(domain_device_parse(xml, DOMAIN_PARSE_INACTIVE, &error));
	g_assert_error(error, DRIVER_ERROR, code);
	if (!strstr(error->message, words))
		g_error("'%s' is not in '%s'", words, error->message);
}

static const DomainDisk *disk_at(const DomainDef *def, guint i)
{
	g_assert_cmpuint(i, <, def->disks->len);
	return def->disks->pdata[i];
}

static void test_disk_is_attached(void)
{
	g_autoptr(DomainDef)
		def = change(domain_def_attach, DISK("vdb", "/b", ""), DISK("vda", "/a", ""));

	/* In the order of the targets, with a place each. */
	g_assert_cmpuint(def->disks->len, ==, 2);
	g_assert_cmpstr(disk_at(def, 0)->path, ==, "/a");
	g_assert_cmpstr(disk_at(def, 1)->path, ==, "/b");
	g_assert_true(disk_at(def, 0)->info.address.is_set);
	g_assert_true(disk_at(def, 1)->info.address.is_set);
	g_assert_cmpuint(disk_at(def, 0)->info.address.bus, !=, disk_at(def, 1)->info.address.bus);
}

static void test_disk_whose_target_is_taken(void)
{
	assert_refused(domain_def_attach, DISK("vda", "/a", ""), DISK("vda", "/b", ""),
		       VIR_ERR_OPERATION_INVALID, "a disk has the target 'vda' already");
}

static void test_disk_is_detached(void)
{
	g_autoptr(DomainDef)
		def = change(domain_def_detach, DISK("vda", "/a", "") DISK("vdb", "/b", ""),
			     DISK("vda", "/whatever", ""));

	g_assert_cmpuint(def->disks->len, ==, 1);
	g_assert_cmpstr(disk_at(def, 0)->target, ==, "vdb");
}

static void test_disk_that_is_not_there(void)
{
	assert_refused(domain_def_detach, DISK("vda", "/a", ""), DISK("vdb", "/b", ""),
		       VIR_ERR_DEVICE_MISSING, "no disk has the target 'vdb'");
	assert_refused(domain_def_update, DISK("vda", "/a", ""), DISK("vdb", "/b", ""),
		       VIR_ERR_DEVICE_MISSING, "no disk has the target 'vdb'");
}

static void test_disk_is_updated(void)
{
	g_autoptr(DomainDef) before = definition(DISK("vda", "/a", "<alias name='ua-root'/>"));
	const DomainPciAddress *place = &disk_at(before, 0)->info.address;
	g_autoptr(DomainDef)
		def = change(domain_def_update, DISK("vda", "/a", "<alias name='ua-root'/>"),
			     DISK("vda", "/new", "<readonly/>"));

	g_assert_cmpuint(def->disks->len, ==, 1);
	g_assert_cmpstr(disk_at(def, 0)->path, ==, "/new");
	g_assert_true(disk_at(def, 0)->is_readonly);
	g_assert_cmpstr(disk_at(def, 0)->info.alias, ==, "ua-root");
	g_assert_cmpuint(disk_at(def, 0)->info.address.bus, ==, place->bus);
	g_assert_cmpuint(disk_at(def, 0)->info.address.slot, ==, place->slot);
}

static void test_rng(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, "", RNG(""));
	g_autoptr(DomainDef) without = change(domain_def_detach, RNG(""), RNG(""));

	g_assert_cmpuint(with->rngs->len, ==, 1);
	g_assert_cmpuint(without->rngs->len, ==, 0);
	assert_refused(domain_def_detach, RNG(""), RNG("<rate bytes='1024'/>"),
		       VIR_ERR_DEVICE_MISSING, "no device 'rng'");
}

#define INPUT(type, bus) "<input type='" type "' bus='" bus "'/>"

static void test_input(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, INPUT("mouse", "ps2"),
					   INPUT("keyboard", "virtio"));
	g_autoptr(DomainDef)
		without = change(domain_def_detach, INPUT("mouse", "ps2") INPUT("mouse", "virtio"),
				 INPUT("mouse", "virtio"));

	g_assert_cmpuint(with->inputs->len, ==, 2);
	g_assert_cmpuint(without->inputs->len, ==, 1);
	g_assert_cmpint(((DomainInput *)without->inputs->pdata[0])->bus, ==, DOMAIN_INPUT_PS2);
	assert_refused(domain_def_detach, INPUT("mouse", "ps2"), INPUT("mouse", "virtio"),
		       VIR_ERR_DEVICE_MISSING, "no device 'input'");
}

/* What is in the chipset neither comes nor goes, and nobody misses it. */
static void test_input_of_the_chipset(void)
{
	g_autoptr(DomainDef) live = definition(INPUT("mouse", "ps2") INPUT("mouse", "virtio"));
	g_autoptr(DomainDevice) mouse = device_of(INPUT("mouse", "ps2"));
	g_autoptr(DomainDevice) keyboard = device_of(INPUT("keyboard", "ps2"));
	g_autoptr(GError) error = NULL;

	domain_assign_aliases(live);
	g_assert_null(domain_def_attach_live(live, keyboard, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
	g_clear_error(&error);
	g_assert_null(domain_def_find_alias(live, mouse, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
	g_assert_false(domain_def_has_alias(live, "input0"));
	g_assert_true(domain_def_has_alias(live, "input1"));
}

static void assert_incomplete(Change function, const char *devices, const char *xml,
			      const char *words)
{
	g_autoptr(DomainDef) def = definition(devices);
	g_autoptr(DomainDevice) device = device_of(xml);
	g_autoptr(GError) error = NULL;

	g_assert_true(function(def, device, &error));
	g_assert_no_error(error);
	g_assert_null(domain_def_complete_change(def, &error));
	if (!strstr(error->message, words))
		g_error("'%s' is not in '%s'", words, error->message);
}

#define WATCHDOG(model, action) "<watchdog model='" model "' action='" action "'/>"

static void test_watchdog(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, "", WATCHDOG("i6300esb", "reset"));
	g_autoptr(DomainDef) without = change(domain_def_detach, WATCHDOG("i6300esb", "reset"),
					      WATCHDOG("i6300esb", "reset"));
	const DomainWatchdog *watchdog = with->watchdogs->pdata[1];

	/* One is the chipset's. */
	g_assert_cmpuint(with->watchdogs->len, ==, 2);
	g_assert_true(watchdog->info.address.is_set);
	g_assert_cmpuint(without->watchdogs->len, ==, 1);
	assert_refused(domain_def_attach, "", WATCHDOG("itco", "reset"), VIR_ERR_OPERATION_INVALID,
		       "domain already has a watchdog of model 'itco'");
	assert_refused(domain_def_detach, "", WATCHDOG("itco", "reset"),
		       VIR_ERR_OPERATION_UNSUPPORTED, "stays");
	assert_refused(domain_def_detach, WATCHDOG("i6300esb", "reset"),
		       WATCHDOG("i6300esb", "pause"), VIR_ERR_DEVICE_MISSING,
		       "no device 'watchdog'");
	assert_refused(domain_def_update, WATCHDOG("i6300esb", "reset"),
		       WATCHDOG("i6300esb", "reset"), VIR_ERR_OPERATION_UNSUPPORTED,
		       "device 'watchdog' cannot be updated");
	assert_incomplete(domain_def_attach, "", WATCHDOG("i6300esb", "pause"),
			  "have the actions 'reset' and 'pause'");
}

/* The one on PCI comes and goes; the chipset's is no device of the VMM's. */
static void test_watchdog_while_it_runs(void)
{
	g_autoptr(DomainDef) live = definition("<controller type='pci' model='pcie-root-port'/>"
					       "<controller type='pci' model='pcie-root-port'/>");
	g_autoptr(DomainDevice) device = device_of(WATCHDOG("i6300esb", "reset"));
	g_autoptr(DomainDevice) itco = device_of(WATCHDOG("itco", "reset"));
	g_autoptr(GError) error = NULL;
	g_autoptr(DomainDef) def = NULL;
	const DomainWatchdog *watchdog;

	domain_assign_aliases(live);
	def = domain_def_attach_live(live, device, &error);
	g_assert_no_error(error);
	watchdog = def->watchdogs->pdata[1];
	g_assert_cmpstr(watchdog->info.alias, ==, "watchdog1");
	g_assert_true(watchdog->info.address.is_set);
	g_assert_cmpstr(domain_def_find_alias(def, device, &error), ==, "watchdog1");
	g_assert_false(domain_def_has_alias(def, "watchdog0"));
	g_assert_null(domain_def_find_alias(def, itco, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
	g_clear_error(&error);
	g_assert_null(domain_def_attach_live(live, itco, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
}

#define NO_BALLOON    "<memballoon model='none'/>"
#define BALLOON(more) "<memballoon model='virtio'>" more "</memballoon>"

static void test_memballoon(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, NO_BALLOON, BALLOON(""));
	g_autoptr(DomainDef) without = change(domain_def_detach, BALLOON(""), BALLOON(""));
	g_autoptr(DomainDef)
		updated = change(domain_def_update,
				 "<memballoon model='virtio'><alias name='ua-balloon'/>"
				 "<address type='pci' bus='3'/></memballoon>",
				 "<memballoon model='virtio' freePageReporting='on'>"
				 "<stats period='7'/></memballoon>");

	g_assert_nonnull(with->memballoon);
	g_assert_true(with->memballoon->info.address.is_set);
	g_assert_false(with->says & DOMAIN_SAYS_NO_MEMBALLOON);
	g_assert_null(without->memballoon);
	g_assert_true(without->says & DOMAIN_SAYS_NO_MEMBALLOON);
	g_assert_cmpuint(updated->memballoon->period, ==, 7);
	g_assert_cmpint(updated->memballoon->free_page_reporting, ==, DOMAIN_SWITCH_YES);
	g_assert_cmpuint(updated->memballoon->info.address.bus, ==, 3);
	g_assert_cmpstr(updated->memballoon->info.alias, ==, "ua-balloon");
	assert_refused(domain_def_attach, "", BALLOON(""), VIR_ERR_OPERATION_INVALID,
		       "domain already has a device 'memballoon'");
	for (gsize i = 0; i < 2; i++)
		assert_refused(i == 0 ? domain_def_detach : domain_def_update, NO_BALLOON,
			       BALLOON(""), VIR_ERR_DEVICE_MISSING, "no device 'memballoon'");
	assert_refused(domain_def_detach, BALLOON("<address type='pci' bus='3'/>"),
		       BALLOON("<address type='pci' bus='4'/>"), VIR_ERR_DEVICE_MISSING,
		       "no device 'memballoon'");
	assert_refused(domain_def_attach, NO_BALLOON, NO_BALLOON, VIR_ERR_OPERATION_UNSUPPORTED,
		       "is no device");
}

static void test_memballoon_while_it_is_used(void)
{
	static const struct {
		const char *xml;
		int code; /* or 0 */
	} cases[] = {
		{ BALLOON("<stats period='3'/>"), 0 },
		{ BALLOON(""), 0 },
		{ "<memballoon model='virtio' autodeflate='on'/>", 0 },
		{ "<memballoon model='virtio' autodeflate='off'/>", VIR_ERR_OPERATION_UNSUPPORTED },
		{ "<memballoon model='virtio' freePageReporting='on'/>",
		  VIR_ERR_OPERATION_UNSUPPORTED },
		{ BALLOON("<driver iommu='on'/>"), VIR_ERR_OPERATION_UNSUPPORTED },
		{ BALLOON("<address type='pci' bus='9'/>"), VIR_ERR_DEVICE_MISSING },
		{ NO_BALLOON, VIR_ERR_OPERATION_UNSUPPORTED },
	};
	g_autoptr(DomainDef) live = definition("<memballoon model='virtio' autodeflate='on'/>");

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(DomainDevice) device = device_of(cases[i].xml);
		g_autoptr(GError) error = NULL;

		g_test_message("%s", cases[i].xml);
		g_assert_cmpint(domain_check_memballoon_update(live, device->part, &error), ==,
				cases[i].code == 0);
		if (cases[i].code)
			g_assert_error(error, DRIVER_ERROR, cases[i].code);
	}
}

static void test_panic(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, "", "<panic model='isa'/>");
	g_autoptr(DomainDef)
		without = change(domain_def_detach, "<panic model='isa'/>", "<panic/>");

	g_assert_nonnull(with->panic);
	g_assert_null(without->panic);
	assert_refused(domain_def_attach, "<panic/>", "<panic/>", VIR_ERR_OPERATION_INVALID,
		       "domain already has a device 'panic'");
	assert_refused(domain_def_detach, "", "<panic/>", VIR_ERR_DEVICE_MISSING,
		       "no device 'panic'");
	assert_refused(domain_def_update, "<panic/>", "<panic/>", VIR_ERR_OPERATION_UNSUPPORTED,
		       "device 'panic' cannot be updated");
}

#define SERIAL(type, port) "<serial type='" type "'><target port='" port "'/></serial>"
#define DEBUG_CONSOLE	   "<serial type='null'><target type='isa-debug'/></serial>"

static void test_serial(void)
{
	g_autoptr(DomainDef) first = change(domain_def_attach, "", "<serial type='pty'/>");
	g_autoptr(DomainDef) second = change(domain_def_attach, SERIAL("pty", "0") DEBUG_CONSOLE,
					     "<serial type='null'/>");
	g_autoptr(DomainDef)
		without = change(domain_def_detach, SERIAL("pty", "0"), "<serial type='pty'/>");
	g_autoptr(DomainDef) one = change(domain_def_detach, SERIAL("pty", "0") SERIAL("pty", "1"),
					  SERIAL("pty", "1"));

	g_assert_cmpuint(first->n_serials, ==, 1);
	g_assert_true(first->console_present);
	g_assert_cmpuint(second->n_serials, ==, 2);
	g_assert_cmpint(second->serials[1].chardev.type, ==, DOMAIN_CHARDEV_NULL);
	g_assert_cmpuint(second->debug_console->port, ==, 2);
	g_assert_cmpuint(without->n_serials, ==, 0);
	g_assert_false(without->console_present);
	g_assert_cmpuint(one->n_serials, ==, 1);
	g_assert_cmpuint(one->serials[0].port, ==, 0);
	assert_refused(domain_def_attach, SERIAL("pty", "0"), SERIAL("null", "0"),
		       VIR_ERR_OPERATION_INVALID, "domain already has a serial port 0");
	assert_refused(domain_def_attach, SERIAL("pty", "0") SERIAL("pty", "1"),
		       "<serial type='pty'/>", VIR_ERR_CONFIG_UNSUPPORTED, "no more than 2");
	assert_refused(domain_def_detach, SERIAL("pty", "0") SERIAL("pty", "1"),
		       "<serial type='pty'/>", VIR_ERR_OPERATION_FAILED, "say which");
	assert_refused(domain_def_detach, SERIAL("pty", "0"), SERIAL("null", "0"),
		       VIR_ERR_DEVICE_MISSING, "no device 'serial'");
	assert_refused(domain_def_update, SERIAL("pty", "0"), SERIAL("pty", "0"),
		       VIR_ERR_OPERATION_UNSUPPORTED, "device 'serial' cannot be updated");
	assert_incomplete(domain_def_attach, "", SERIAL("pty", "1"), "needs one with port 0");
	assert_incomplete(domain_def_detach, SERIAL("pty", "0") SERIAL("null", "1"),
			  SERIAL("pty", "0"), "needs one with port 0");
}

static void test_debug_console(void)
{
	g_autoptr(DomainDef) with = change(domain_def_attach, SERIAL("pty", "0"), DEBUG_CONSOLE);
	g_autoptr(DomainDef) without = change(domain_def_detach, SERIAL("pty", "0") DEBUG_CONSOLE,
					      DEBUG_CONSOLE);

	g_assert_nonnull(with->debug_console);
	g_assert_cmpuint(with->n_serials, ==, 1);
	g_assert_null(without->debug_console);
	g_assert_cmpuint(without->n_serials, ==, 1);
	assert_refused(domain_def_attach, DEBUG_CONSOLE, DEBUG_CONSOLE, VIR_ERR_OPERATION_INVALID,
		       "domain already has a debug console");
	assert_refused(domain_def_detach, SERIAL("null", "0"), DEBUG_CONSOLE,
		       VIR_ERR_DEVICE_MISSING, "no device 'serial'");
}

#define NEW_PORT(more) "<controller type='pci' " more " model='pcie-root-port'/>"
#define PORTS(more)    "<controller type='virtio-serial' " more "/>"
#define SATA	       "<controller type='sata' index='0'/>"

static void test_root_port(void)
{
	/* One is the balloon's. */
	g_autoptr(DomainDef) with = change(domain_def_attach, "", NEW_PORT(""));
	g_autoptr(DomainDef)
		placed = change(domain_def_attach, "",
				"<controller type='pci' index='2' model='pcie-root-port'>"
				"<target chassis='9' port='0x30'/>"
				"<address type='pci' slot='6'/></controller>");
	g_autoptr(DomainDef)
		without = change(domain_def_detach, NEW_PORT("index='2'"), NEW_PORT("index='2'"));
	const DomainPciController *port = placed->pci_controllers->pdata[2];

	g_assert_cmpuint(with->pci_controllers->len, ==, 3);
	g_assert_cmpuint(port->chassis, ==, 9);
	g_assert_cmpuint(port->address.slot, ==, 6);
	g_assert_cmpuint(without->pci_controllers->len, ==, 2);
	assert_refused(domain_def_attach, "", NEW_PORT("index='1'"), VIR_ERR_OPERATION_INVALID,
		       "already has a controller of type 'pci' with index 1");
	assert_refused(domain_def_attach, "",
		       "<controller type='pci' index='0' model='pcie-root'/>",
		       VIR_ERR_OPERATION_INVALID, "already has a controller");
	assert_refused(domain_def_detach, "", NEW_PORT("index='1'"), VIR_ERR_OPERATION_FAILED,
		       "memballoon virtio is at it");
	assert_refused(domain_def_detach, NEW_PORT("index='3'"), NEW_PORT("index='2'"),
		       VIR_ERR_OPERATION_UNSUPPORTED, "there is one with index 3");
	assert_refused(domain_def_detach, "", NEW_PORT("index='5'"), VIR_ERR_DEVICE_MISSING,
		       "no device 'controller'");
	assert_refused(domain_def_detach, "", NEW_PORT(""), VIR_ERR_DEVICE_MISSING,
		       "no device 'controller'");
	assert_refused(domain_def_detach, "",
		       "<controller type='pci' index='0' model='pcie-root'/>",
		       VIR_ERR_OPERATION_UNSUPPORTED, "it is the root");
	assert_refused(domain_def_update, "", NEW_PORT("index='1'"), VIR_ERR_OPERATION_UNSUPPORTED,
		       "device 'controller' cannot be updated");
	assert_refused(domain_def_attach, "", "<controller type='usb' model='none'/>",
		       VIR_ERR_OPERATION_UNSUPPORTED, "is no device");
}

static void test_controllers(void)
{
	const char *sata_disk = "<disk type='file' device='disk'><source file='/a'/>"
				"<target dev='sda' bus='sata'/></disk>";
	const char *channel = "<channel type='pty'><target type='virtio' name='a'/>"
			      "<address type='virtio-serial' controller='1' port='2'/></channel>";
	g_autoptr(DomainDef) ports = change(domain_def_attach, "", PORTS("ports='4'"));
	g_autoptr(DomainDef) more = change(domain_def_attach, PORTS("index='0'"), PORTS(""));
	g_autoptr(DomainDef) sata = change(domain_def_attach, "", SATA);
	g_autoptr(DomainDef)
		no_ports = change(domain_def_detach, PORTS("index='0'"), PORTS("index='0'"));
	g_autoptr(DomainDef) no_sata = change(domain_def_detach, SATA, SATA);
	const DomainVirtioSerial *added = ports->virtio_serials->pdata[0];

	g_assert_cmpuint(added->index, ==, 0);
	g_assert_true(added->info.address.is_set);
	g_assert_cmpuint(more->virtio_serials->len, ==, 2);
	g_assert_true(sata->has_sata);
	g_assert_cmpuint(no_ports->virtio_serials->len, ==, 0);
	g_assert_false(no_sata->has_sata);
	assert_refused(domain_def_attach, PORTS("index='0'"), PORTS("index='0'"),
		       VIR_ERR_OPERATION_INVALID, "already has a controller");
	assert_refused(domain_def_attach, SATA, SATA, VIR_ERR_OPERATION_INVALID,
		       "already has a controller");
	assert_refused(domain_def_detach, channel, PORTS("index='1'"), VIR_ERR_OPERATION_FAILED,
		       "channel 2 is at it");
	assert_refused(domain_def_detach, channel, PORTS("index='0'"),
		       VIR_ERR_OPERATION_UNSUPPORTED, "there is one with index 1");
	assert_refused(domain_def_detach, sata_disk, SATA, VIR_ERR_OPERATION_FAILED,
		       "disk sda is at it");
	assert_refused(domain_def_detach, "", SATA, VIR_ERR_DEVICE_MISSING,
		       "no device 'controller'");
	assert_refused(domain_def_detach, "", PORTS("index='0'"), VIR_ERR_DEVICE_MISSING,
		       "no device 'controller'");
}

/* What is in the machine from its start on neither comes nor goes, and nobody misses it. */
static void test_parts_while_it_runs(void)
{
	static const char *const documents[] = {
		BALLOON(""),
		"<panic/>",
		SERIAL("pty", "0"),
		DEBUG_CONSOLE,
		NEW_PORT("index='1'"),
		PORTS("index='0'"),
		SATA,
	};
	g_autoptr(DomainDef) live = definition(SERIAL("pty", "0") DEBUG_CONSOLE
					       "<panic/>" SATA PORTS("index='0'"));

	domain_assign_aliases(live);
	for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
		g_autoptr(DomainDevice) device = device_of(documents[i]);
		g_autoptr(GError) error = NULL;

		g_assert_null(domain_def_attach_live(live, device, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
		g_clear_error(&error);
		g_assert_null(domain_def_find_alias(live, device, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
	}
	g_assert_false(domain_def_has_alias(live, "balloon0"));
	g_assert_false(domain_def_has_alias(live, "virtio-serial0"));
}

static void test_parts_by_their_aliases(void)
{
	g_autoptr(DomainDef) def = definition(
		BALLOON("<alias name='ua-a'/>") "<panic><alias name='ua-b'/></panic>"
						"<controller type='virtio-serial' index='0'>"
						"<alias name='ua-c'/></controller>");
	static const char *const aliases[] = { "ua-a", "ua-b", "ua-c" };
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(aliases); i++) {
		g_assert_true(domain_def_detach_alias(def, aliases[i], &error));
		g_assert_no_error(error);
	}
	g_assert_null(def->memballoon);
	g_assert_null(def->panic);
	g_assert_cmpuint(def->virtio_serials->len, ==, 0);
	g_assert_false(domain_def_detach_alias(def, "ua-a", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_DEVICE_MISSING);
}

/* Interfaces as they are known by, whatever is behind them. */
static void add_interface(DomainDef *def, guint8 last, guint8 bus)
{
	DomainInterface *interface = g_new0(DomainInterface, 1);

	interface->mac[0] = 0x52;
	interface->mac[5] = last;
	interface->info.address = (DomainPciAddress){ .is_set = bus > 0, .bus = bus };
	g_ptr_array_add(def->interfaces, interface);
}

static void assert_detached(DomainDef *def, const char *mac, const char *address, guint left,
			    int code)
{
	g_autofree char *xml = g_strdup_printf("<interface type='user'><mac address='%s'/>"
					       "<model type='virtio'/>%s</interface>",
					       mac, address);
	g_autoptr(DomainDevice) device = device_of(xml);
	g_autoptr(GError) error = NULL;
	const guint before = def->interfaces->len;

	g_assert_true(domain_def_detach(def, device, &error) == (left < before));
	if (left == before)
		g_assert_cmpint(error->code, ==, code);
	g_assert_cmpuint(def->interfaces->len, ==, left);
}

static void test_interfaces_are_known_by_their_addresses(void)
{
	g_autoptr(DomainDef) def = definition("");

	add_interface(def, 1, 3);
	add_interface(def, 1, 4);
	add_interface(def, 2, 0);
	assert_detached(def, "52:00:00:00:00:07", "", 3, VIR_ERR_DEVICE_MISSING);
	assert_detached(def, "52:00:00:00:00:01", "", 3, VIR_ERR_OPERATION_FAILED);
	assert_detached(def, "52:00:00:00:00:01",
			"<address type='pci' domain='0' bus='0x04' slot='0' function='0'/>", 2,
			VIR_ERR_OK);
	g_assert_cmpuint(((DomainInterface *)def->interfaces->pdata[0])->info.address.bus, ==, 3);
	assert_detached(def, "52:00:00:00:00:01", "", 1, VIR_ERR_OK);
	assert_detached(def, "52:00:00:00:00:02", "", 0, VIR_ERR_OK);
}

#define ROOT_PORT "<controller type='pci' model='pcie-root-port'/>"

/* What is attached to a domain that runs has an alias, and a port that is there already. */
static void test_attached_live(void)
{
	g_autoptr(DomainDef) live = definition(DISK("vda", "/a", "") ROOT_PORT ROOT_PORT
					       "<memballoon model='none'/>");
	const guint n_controllers = live->pci_controllers->len;
	g_autoptr(DomainDevice) disk = device_of(DISK("vdb", "/b", ""));
	g_autoptr(DomainDevice) same = device_of(DISK("vda", "/b", ""));
	g_autoptr(DomainDevice) rng = device_of(RNG(""));
	g_autoptr(DomainDef) with_disk = NULL;
	g_autoptr(GError) error = NULL;

	domain_assign_aliases(live);
	g_assert_null(domain_def_attach_live(live, same, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_INVALID);
	g_clear_error(&error);
	with_disk = domain_def_attach_live(live, disk, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(live->disks->len, ==, 1);
	g_assert_cmpuint(with_disk->disks->len, ==, 2);
	g_assert_cmpuint(with_disk->pci_controllers->len, ==, n_controllers);
	g_assert_cmpstr(disk_at(with_disk, 1)->info.alias, ==, "virtio-disk1");
	g_assert_cmpuint(disk_at(with_disk, 1)->info.address.bus, !=,
			 disk_at(with_disk, 0)->info.address.bus);
	g_assert_cmpstr(domain_def_find_alias(with_disk, disk, NULL), ==, "virtio-disk1");
	g_assert_true(domain_def_has_alias(with_disk, "virtio-disk1"));
	g_assert_false(domain_def_has_alias(live, "virtio-disk1"));
	g_assert_null(domain_def_attach_live(with_disk, rng, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	g_assert_nonnull(strstr(error->message, "no root port is free"));
}

static void test_alias(void)
{
	g_autoptr(DomainDef) def = definition(DISK("vda", "/a", "<alias name='ua-root'/>")
						      DISK("vdb", "/b", "") RNG(""));
	g_autoptr(GError) error = NULL;

	g_assert_false(domain_def_detach_alias(def, "ua-other", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_DEVICE_MISSING);
	g_assert_true(domain_def_detach_alias(def, "ua-root", NULL));
	g_assert_cmpuint(def->disks->len, ==, 1);
	g_assert_cmpstr(disk_at(def, 0)->target, ==, "vdb");
}

static void test_what_is_not_read(void)
{
	assert_not_read("<hostdev/>", VIR_ERR_OPERATION_UNSUPPORTED, "'hostdev'");
	assert_not_read("<domain/>", VIR_ERR_XML_ERROR, "'domain', not a device");
	assert_not_read("<q:disk xmlns:q='urn:q'/>", VIR_ERR_XML_ERROR, "not a device");
	assert_not_read("<disk", VIR_ERR_XML_DETAIL, "device_definition");
	assert_not_read(DISK("vda", "/a", "<never/>"), VIR_ERR_CONFIG_UNSUPPORTED, "never");
	assert_not_read("<disk type='file'><source file='/a'/></disk>", VIR_ERR_XML_ERROR,
			"target");
}

#define INTERFACE(mac, more)                                                             \
	"<interface type='ethernet'><mac address='" mac "'/><model type='virtio'/>" more \
	"</interface>"

/* What a card that runs becomes, or NULL with @error. */
static DomainDef *update_live(const char *xml, GError **error)
{
	g_autoptr(DomainDef) live = definition(INTERFACE("52:54:00:00:00:01", "<mtu size='1400'/>")
						       INTERFACE("52:54:00:00:00:02", ""));
	g_autoptr(DomainDevice) device = device_of(xml);
	guint index = 0;
	DomainDef *def;

	domain_assign_aliases(live);
	def = domain_def_update_live(live, device, &index, error);
	if (def)
		g_assert_cmpuint(index, ==, 0);
	return def;
}

static void test_link_changes(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DomainDef) def = update_live(
		INTERFACE("52:54:00:00:00:01", "<link state='down'/><mtu size='1400'/>"), &error);
	const DomainInterface *interface;

	g_assert_no_error(error);
	interface = def->interfaces->pdata[0];
	g_assert_cmpint(interface->link, ==, DOMAIN_LINK_DOWN);
	g_assert_cmpstr(interface->info.alias, ==, "net0");
	g_assert_cmpuint(interface->mtu, ==, 1400);
}

static void test_what_cannot_change(void)
{
	static const struct {
		const char *xml;
		int code;
		const char *words;
	} cases[] = {
		{ INTERFACE("52:54:00:00:00:01", ""), VIR_ERR_OPERATION_UNSUPPORTED,
		  "'mtu' of interface 'net0'" },
		{ INTERFACE("52:54:00:00:00:01", "<mtu size='1400'/><driver queues='2'/>"),
		  VIR_ERR_OPERATION_UNSUPPORTED, "'driver' of interface 'net0'" },
		{ INTERFACE("52:54:00:00:00:01", "<mtu size='1400'/><boot order='1'/>"),
		  VIR_ERR_OPERATION_UNSUPPORTED, "'boot' of interface 'net0'" },
		{ INTERFACE("52:54:00:00:00:03", ""), VIR_ERR_DEVICE_MISSING,
		  "no interface has the MAC address" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(update_live(cases[i].xml, &error));
		g_assert_error(error, DRIVER_ERROR, cases[i].code);
		if (!strstr(error->message, cases[i].words))
			g_error("'%s' is not in '%s'", cases[i].words, error->message);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/device/disk/attached", test_disk_is_attached);
	g_test_add_func("/device/disk/target-is-taken", test_disk_whose_target_is_taken);
	g_test_add_func("/device/disk/detached", test_disk_is_detached);
	g_test_add_func("/device/disk/not-there", test_disk_that_is_not_there);
	g_test_add_func("/device/disk/updated", test_disk_is_updated);
	g_test_add_func("/device/rng", test_rng);
	g_test_add_func("/device/input", test_input);
	g_test_add_func("/device/input-of-the-chipset", test_input_of_the_chipset);
	g_test_add_func("/device/watchdog", test_watchdog);
	g_test_add_func("/device/watchdog-live", test_watchdog_while_it_runs);
	g_test_add_func("/device/memballoon", test_memballoon);
	g_test_add_func("/device/memballoon-live", test_memballoon_while_it_is_used);
	g_test_add_func("/device/panic", test_panic);
	g_test_add_func("/device/serial", test_serial);
	g_test_add_func("/device/debug-console", test_debug_console);
	g_test_add_func("/device/root-port", test_root_port);
	g_test_add_func("/device/controllers", test_controllers);
	g_test_add_func("/device/parts-live", test_parts_while_it_runs);
	g_test_add_func("/device/parts-by-alias", test_parts_by_their_aliases);
	g_test_add_func("/device/interface", test_interfaces_are_known_by_their_addresses);
	g_test_add_func("/device/attached-live", test_attached_live);
	g_test_add_func("/device/alias", test_alias);
	g_test_add_func("/device/not-read", test_what_is_not_read);
	g_test_add_func("/domain-device/live/link", test_link_changes);
	g_test_add_func("/domain-device/live/refused", test_what_cannot_change);
	return g_test_run();
}
