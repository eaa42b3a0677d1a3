/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msix-test.c - MSI-X, with messages that end in descriptors of the test's own */
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/pci/msix.h"
#include "vmm/pci/pci-bus.h"

#define VECTORS	 70u
#define SLOT	 3u
#define DEVFN	 (SLOT << 3)
#define BAR	 0xfe000000u
#define BAR_SIZE 0x1000u
#define PBA	 (BAR + 0x800)
#define CONTROL	 (capability + PCI_MSIX_FLAGS)

/* The first one that is added to a function. */
static const guint capability = PCI_STD_HEADER_SIZEOF;

typedef struct {
	int fd;
	guint64 address;
	guint32 data;
	guint n_aimed;
} Sender;

typedef struct {
	Bus *ports;
	Bus *mmio;
	PciBus *root;
	PciMsix *msix;
	GArray *senders;
	guint n_open;
	guint open_limit;
} Fixture;

static int open_sender(void *opaque, guint *number, GError **error)
{
	Fixture *fixture = opaque;
	Sender sender = { 0 };

	if (fixture->senders->len == fixture->open_limit) {
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_MFILE, "no more");
		return -1;
	}
	sender.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*number = fixture->senders->len;
	g_array_append_val(fixture->senders, sender);
	fixture->n_open++;
	return sender.fd;
}

static Sender *get_sender(Fixture *fixture, guint number)
{
	g_assert_cmpuint(number, <, fixture->senders->len);
	return &g_array_index(fixture->senders, Sender, number);
}

static void aim_sender(void *opaque, guint number, guint64 address, guint32 data)
{
	Sender *sender = get_sender(opaque, number);

	sender->address = address;
	sender->data = data;
	sender->n_aimed++;
}

static void close_sender(void *opaque, guint number)
{
	Fixture *fixture = opaque;

	g_assert_cmpint(close(get_sender(fixture, number)->fd), ==, 0);
	fixture->n_open--;
}

/* How often a vector's message was sent since the last look. */
static guint64 sent(Fixture *fixture, guint vector)
{
	guint64 count;

	if (read(get_sender(fixture, vector)->fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

static void config_written(void *device, guint offset G_GNUC_UNUSED, guint size G_GNUC_UNUSED)
{
	Fixture *fixture = device;

	if (fixture->msix)
		pci_msix_config_written(fixture->msix);
}

static void was_reset(void *device)
{
	Fixture *fixture = device;

	pci_msix_reset(fixture->msix);
}

static const PciFunctionOperations operations = {
	.config_written = config_written,
	.reset = was_reset,
};

static PciFunction *make_function(Fixture *fixture)
{
	const PciFunctionConfig config = {
		.name = "endpoint",
		.vendor = 0x1234,
		.device = 0x5678,
		.operations = &operations,
		.opaque = fixture,
	};

	return pci_function_new(&config);
}

static void write_config(Fixture *fixture, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(fixture->root, 0, DEVFN, offset, size, value);
}

static guint32 read_config(Fixture *fixture, guint offset, guint size)
{
	return pci_bus_read_config(fixture->root, 0, DEVFN, offset, size);
}

static void make_surroundings(Fixture *fixture)
{
	PciRoot root = { 0 };

	fixture->open_limit = G_MAXUINT;
	fixture->senders = g_array_new(FALSE, FALSE, sizeof(Sender));
	root.ports = fixture->ports = bus_new("ports");
	root.mmio = fixture->mmio = bus_new("MMIO");
	fixture->root = pci_bus_new_root(&root);
}

static DeviceMessages messages_of(Fixture *fixture)
{
	return (DeviceMessages){ open_sender, aim_sender, close_sender, fixture };
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	DeviceMessages messages;
	PciFunction *function;

	make_surroundings(fixture);
	messages = messages_of(fixture);
	function = make_function(fixture);
	fixture->msix = pci_msix_new(function, 1, VECTORS, &messages, &error);
	g_assert_no_error(error);
	pci_bus_add(fixture->root, SLOT, 0, function);
	write_config(fixture, PCI_BASE_ADDRESS_1, 4, BAR);
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pci_bus_free(fixture->root);
	pci_msix_free(fixture->msix);
	g_assert_cmpuint(fixture->n_open, ==, 0);
	bus_free(fixture->mmio);
	bus_free(fixture->ports);
	g_array_unref(fixture->senders);
}

static void set_control(Fixture *fixture, guint control)
{
	write_config(fixture, CONTROL, 2, control);
}

static void set_vector(Fixture *fixture, guint vector, guint64 address, guint32 data,
		       gboolean is_masked)
{
	guint64 entry = BAR + vector * PCI_MSIX_ENTRY_SIZE;

	bus_write(fixture->mmio, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 4, address & G_MAXUINT32);
	bus_write(fixture->mmio, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, address >> 32);
	bus_write(fixture->mmio, entry + PCI_MSIX_ENTRY_DATA, 4, data);
	bus_write(fixture->mmio, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, is_masked);
}

static void test_registers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(read_config(fixture, capability, 1), ==, PCI_CAP_ID_MSIX);
	g_assert_cmphex(read_config(fixture, CONTROL, 2), ==, VECTORS - 1);
	set_control(fixture, 0xffff);
	g_assert_cmphex(read_config(fixture, CONTROL, 2), ==, 0xc000 | (VECTORS - 1));
	g_assert_cmphex(read_config(fixture, capability + PCI_MSIX_TABLE, 4), ==, 1);
	g_assert_cmphex(read_config(fixture, capability + PCI_MSIX_PBA, 4), ==, 0x801);
	write_config(fixture, PCI_BASE_ADDRESS_1, 4, 0xffffffff);
	g_assert_cmphex(read_config(fixture, PCI_BASE_ADDRESS_1, 4), ==, ~(BAR_SIZE - 1));
}

static void test_message(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Sender *sender = get_sender(fixture, 2);

	g_assert_false(pci_msix_send(fixture->msix, 2));
	g_assert_false(pci_msix_is_enabled(fixture->msix));
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	g_assert_true(pci_msix_is_enabled(fixture->msix));
	set_vector(fixture, 2, 0x1fee01000, 0x4321, FALSE);
	/* What was sent while there was no MSI-X is not sent later. */
	g_assert_cmpuint(sent(fixture, 2), ==, 0);
	g_assert_cmphex(sender->address, ==, 0x1fee01000);
	g_assert_cmphex(sender->data, ==, 0x4321);
	g_assert_true(pci_msix_send(fixture->msix, 2));
	g_assert_cmpuint(sent(fixture, 2), ==, 1);
	g_assert_true(pci_msix_send(fixture->msix, VECTORS));
	/* It is aimed again only where that changes something. */
	set_vector(fixture, 2, 0x1fee01000, 0x4321, FALSE);
	g_assert_cmpuint(sender->n_aimed, ==, 1);
	set_vector(fixture, 2, 0x1fee01000, 0x4322, TRUE);
	set_vector(fixture, 2, 0x1fee01000, 0x4321, FALSE);
	set_vector(fixture, 2, 0x1fee01000, 0x4323, FALSE);
	g_assert_cmphex(sender->data, ==, 0x4323);
}

static void test_masked_is_pending(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	for (guint i = 0; i < VECTORS; i += 23) {
		guint64 unit = PBA + i / 64 * 8;

		pci_msix_send(fixture->msix, i);
		pci_msix_send(fixture->msix, i);
		g_assert_cmpuint(sent(fixture, i), ==, 0);
		g_assert_cmphex(bus_read(fixture->mmio, unit, 8), ==, 1ull << i % 64);
		g_assert_cmphex(bus_read(fixture->mmio, unit + i % 64 / 8, 1), ==, 1u << i % 8);
		bus_write(fixture->mmio, unit, 8, 0);
		set_vector(fixture, i, 0xfee00000, i, FALSE);
		g_assert_cmpuint(sent(fixture, i), ==, 1);
		g_assert_cmphex(bus_read(fixture->mmio, unit, 8), ==, 0);
	}
}

static void test_function_mask(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	set_vector(fixture, 0, 0xfee00000, 1, FALSE);
	set_vector(fixture, 1, 0xfee00000, 2, FALSE);
	pci_msix_send(fixture->msix, 0);
	g_assert_cmpuint(sent(fixture, 0), ==, 0);
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	g_assert_cmpuint(sent(fixture, 0), ==, 1);
	g_assert_cmpuint(sent(fixture, 1), ==, 0);
	/* Nor is anything sent by who is no master of the bus. */
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_msix_send(fixture->msix, 1);
	g_assert_cmpuint(sent(fixture, 1), ==, 0);
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	g_assert_cmpuint(sent(fixture, 1), ==, 1);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	set_vector(fixture, 0, 0xfee00000, 1, FALSE);
	pci_msix_send(fixture->msix, 1);
	pci_bus_reset(fixture->root);
	g_assert_false(pci_msix_is_enabled(fixture->msix));
	pci_msix_send(fixture->msix, 0);
	g_assert_cmpuint(sent(fixture, 0), ==, 0);
	write_config(fixture, PCI_BASE_ADDRESS_1, 4, BAR);
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	g_assert_cmphex(bus_read(fixture->mmio, BAR, 8), ==, 0);
	g_assert_cmphex(bus_read(fixture->mmio, BAR + 8, 8), ==, 1ull << 32);
	g_assert_cmphex(bus_read(fixture->mmio, PBA, 8), ==, 0);
}

/* Of every size and at every place; nothing is behind the table. */
static void test_accesses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	for (guint size = 1; size <= 8; size *= 2)
		for (guint64 at = BAR; at < BAR + BAR_SIZE; at++) {
			bus_write(fixture->mmio, at, size, G_MAXUINT64);
			(void)bus_read(fixture->mmio, at, size);
		}
	g_assert_cmphex(bus_read(fixture->mmio, BAR + 16, 8), ==, G_MAXUINT64);
	/* Of its control a vector has the mask alone. */
	g_assert_cmphex(bus_read(fixture->mmio, BAR + 24, 8), ==, 0x1ffffffffull);
	g_assert_cmphex(bus_read(fixture->mmio, BAR + VECTORS * 16, 8), ==, 0);
	bus_write(fixture->mmio, BAR + 16, 8, 0x00000000fee01000);
	bus_write(fixture->mmio, BAR + 24, 8, 0x77);
	pci_msix_send(fixture->msix, 1);
	g_assert_cmpuint(sent(fixture, 1), ==, 1);
	g_assert_cmphex(get_sender(fixture, 1)->data, ==, 0x77);
}

static void test_no_more_senders(void)
{
	g_autoptr(GError) error = NULL;
	Fixture fixture = { 0 };
	DeviceMessages messages;
	PciFunction *function;

	make_surroundings(&fixture);
	fixture.open_limit = 5;
	messages = messages_of(&fixture);
	function = make_function(&fixture);
	g_assert_null(pci_msix_new(function, 0, 6, &messages, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_MFILE);
	pci_function_free(function);
	end(&fixture, NULL);
}

/* A thread that sends, beside a guest that masks: each that is sent or pending is one. */
static gpointer send_many(gpointer data)
{
	Fixture *fixture = data;

	for (guint i = 0; i < 20000; i++)
		pci_msix_send(fixture->msix, 0);
	return NULL;
}

static void test_threads(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	GThread *thread;
	guint64 count = 0;

	set_control(fixture, PCI_MSIX_FLAGS_ENABLE);
	set_vector(fixture, 0, 0xfee00000, 1, FALSE);
	thread = g_thread_new("sender", send_many, fixture);
	for (guint i = 0; i < 2000; i++) {
		bus_write(fixture->mmio, BAR + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, i & 1);
		count += sent(fixture, 0);
	}
	bus_write(fixture->mmio, BAR + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 1);
	(void)sent(fixture, 0);
	g_assert_cmpuint(sent(fixture, 0), ==, 0);
	bus_write(fixture->mmio, BAR + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	g_thread_join(thread);
	pci_msix_send(fixture->msix, 0);
	count += sent(fixture, 0);
	g_assert_cmpuint(count, >, 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/msix/registers", test_registers },
		{ "/msix/message", test_message },
		{ "/msix/masked-is-pending", test_masked_is_pending },
		{ "/msix/function-mask", test_function_mask },
		{ "/msix/reset", test_reset },
		{ "/msix/accesses", test_accesses },
		{ "/msix/threads", test_threads },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);
	g_test_add_func("/msix/no-more-senders", test_no_more_senders);
	return g_test_run();
}
