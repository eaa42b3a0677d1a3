/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ich9-lpc-test.c - the LPC bridge of the ICH9 against its data sheet
 */
#include <glib.h>

#include "vmm/chipset/ich9-lpc.h"

#define RCBA 0xfed1c000u

typedef struct {
	Bus *ports;
	Bus *mmio;
	PciBus *root;
	Ich9Lpc *lpc;
	guint32 inputs; /* those that are high */
	guint n_moves;
	guint16 pm_base;
	gboolean is_pm_enabled;
	guint n_smi_locks;
} Fixture;

static void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(gsi, <, ICH9_LPC_INPUTS);
	g_assert_cmpint(fixture->inputs >> gsi & 1, !=, level);
	fixture->inputs ^= 1u << gsi;
}

static void move_pm(void *opaque, guint16 base, gboolean enabled)
{
	Fixture *fixture = opaque;

	fixture->n_moves++;
	fixture->pm_base = base;
	fixture->is_pm_enabled = enabled;
}

static void lock_smi(void *opaque)
{
	((Fixture *)opaque)->n_smi_locks++;
}

static void send_msi(void *opaque G_GNUC_UNUSED, guint64 address G_GNUC_UNUSED,
		     guint32 data G_GNUC_UNUSED)
{
	g_assert_not_reached();
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PciRoot root;
	const Ich9LpcPm pm = {
		.move = move_pm,
		.lock_smi = lock_smi,
		.opaque = fixture,
	};

	fixture->ports = bus_new("ports");
	fixture->mmio = bus_new("MMIO");
	root = (PciRoot){ .ports = fixture->ports, .mmio = fixture->mmio, .send_msi = send_msi };
	fixture->root = pci_bus_new_root(&root);
	fixture->lpc = ich9_lpc_new(fixture->root, fixture->mmio, set_interrupt, fixture);
	ich9_lpc_connect_pm(fixture->lpc, &pm);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pci_bus_free(fixture->root);
	bus_free(fixture->mmio);
	bus_free(fixture->ports);
}

static guint32 get(Fixture *fixture, guint offset, guint size)
{
	return pci_bus_read_config(fixture->root, 0, PCI_DEVFN(ICH9_LPC_SLOT, ICH9_LPC_FUNCTION),
				   offset, size);
}

static void set(Fixture *fixture, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(fixture->root, 0, PCI_DEVFN(ICH9_LPC_SLOT, ICH9_LPC_FUNCTION), offset,
			     size, value);
}

static void open_registers(Fixture *fixture)
{
	set(fixture, ICH9_LPC_RCBA, 4, RCBA | ICH9_LPC_RCBA_ENABLE);
}

static void set_pin(Fixture *fixture, guint slot, guint pin, gboolean level)
{
	pci_bus_set_interrupt(fixture->root, slot, pin, level);
}

static void assert_inputs(Fixture *fixture, guint32 inputs)
{
	g_assert_cmphex(fixture->inputs, ==, inputs);
}

static guint32 pirq(guint number)
{
	return 1u << (ICH9_LPC_PIRQ_GSI + number);
}

static void test_identity(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, PCI_VENDOR_ID, 4), ==, 0x29188086);
	g_assert_cmphex(get(fixture, PCI_CLASS_REVISION, 4), ==, 0x06010002);
	g_assert_cmphex(get(fixture, PCI_HEADER_TYPE, 1), ==, 0x80);
	g_assert_cmphex(get(fixture, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
	g_assert_cmphex(get(fixture, PCI_COMMAND, 4), ==, 0x02000007);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMBASE, 4), ==, 1);
	g_assert_cmphex(get(fixture, ICH9_LPC_ACPI_CNTL, 1), ==, 0);
	g_assert_cmphex(get(fixture, ICH9_LPC_PIRQA_ROUT, 4), ==, 0x80808080);
	g_assert_cmphex(get(fixture, ICH9_LPC_PIRQE_ROUT, 4), ==, 0x80808080);
	g_assert_cmphex(get(fixture, ICH9_LPC_RCBA, 4), ==, 0);
}

static void test_pm_base(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, ICH9_LPC_PMBASE, 4, 0xffff0600);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMBASE, 4), ==, 0x00000601);
	g_assert_false(fixture->is_pm_enabled);
	set(fixture, ICH9_LPC_ACPI_CNTL, 1, ICH9_LPC_ACPI_ENABLE);
	g_assert_true(fixture->is_pm_enabled);
	g_assert_cmphex(fixture->pm_base, ==, 0x600);
	fixture->n_moves = 0;
	set(fixture, ICH9_LPC_PMBASE, 1, 0x7f);
	set(fixture, ICH9_LPC_ACPI_CNTL, 1, 0xff);
	g_assert_cmpuint(fixture->n_moves, ==, 0);
	set(fixture, ICH9_LPC_PMBASE, 1, 0x80);
	g_assert_cmphex(fixture->pm_base, ==, 0x680);
	set(fixture, ICH9_LPC_PMBASE, 2, 0);
	g_assert_false(fixture->is_pm_enabled);
	g_assert_cmpuint(fixture->n_moves, ==, 2);
}

/* A firmware that starts anew writes the same again. */
static void test_pm_base_after_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 2; i++) {
		set(fixture, ICH9_LPC_PMBASE, 4, 0x600);
		set(fixture, ICH9_LPC_ACPI_CNTL, 1, ICH9_LPC_ACPI_ENABLE);
		g_assert_true(fixture->is_pm_enabled);
		pci_bus_reset(fixture->root);
		g_assert_false(fixture->is_pm_enabled);
	}
}

static void test_smi_lock(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, ICH9_LPC_PMCON1, 2, 0);
	g_assert_cmpuint(fixture->n_smi_locks, ==, 0);
	set(fixture, ICH9_LPC_PMCON1, 2, ICH9_LPC_SMI_LOCK);
	set(fixture, ICH9_LPC_PMCON1, 2, 0);
	set(fixture, ICH9_LPC_PMCON1, 2, ICH9_LPC_SMI_LOCK);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMCON1, 2), ==, ICH9_LPC_SMI_LOCK);
	g_assert_cmpuint(fixture->n_smi_locks, ==, 1);

	pci_bus_reset(fixture->root);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMCON1, 2), ==, 0);
	set(fixture, ICH9_LPC_PMCON1, 2, ICH9_LPC_SMI_LOCK);
	g_assert_cmpuint(fixture->n_smi_locks, ==, 2);
}

static void test_pm_base_is_locked(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, ICH9_LPC_PMBASE, 4, 0x600);
	set(fixture, ICH9_LPC_PMCON_LOCK, 1, 0x02);
	set(fixture, ICH9_LPC_PMCON_LOCK, 1, 0);
	set(fixture, ICH9_LPC_PMBASE, 4, 0xb000);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMCON_LOCK, 1), ==, 0x02);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMBASE, 4), ==, 0x601);
	set(fixture, 0xa0, 2, 0x10);
	set(fixture, 0xa0, 2, 0);
	g_assert_cmphex(get(fixture, 0xa0, 2), ==, 0x10);

	pci_bus_reset(fixture->root);
	set(fixture, ICH9_LPC_PMBASE, 4, 0xb000);
	g_assert_cmphex(get(fixture, ICH9_LPC_PMBASE, 4), ==, 0xb001);
	g_assert_cmphex(get(fixture, 0xa0, 2), ==, 0);
}

/* As on QEMU's q35, whose DSDT a guest may know. */
static void test_pins_of_slots(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint slot = 0; slot < PCI_SLOTS; slot++)
		for (guint pin = 0; pin < PCI_PINS; pin++) {
			guint number = slot < 25  ? 4 + (slot + pin) % 4 :
				       slot == 30 ? 4 + pin :
						    pin;

			set_pin(fixture, slot, pin, TRUE);
			assert_inputs(fixture, pirq(number));
			set_pin(fixture, slot, pin, FALSE);
			assert_inputs(fixture, 0);
		}
}

static void test_slot_routing_registers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	open_registers(fixture);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3140, 4), ==, 0x00003210);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3150, 2), ==, 0x3210);
	set_pin(fixture, 31, 1, TRUE);
	assert_inputs(fixture, pirq(1));
	bus_write(fixture->mmio, RCBA + 0x3140, 2, 0x3260);
	assert_inputs(fixture, pirq(6));
	/* Three bits of each field count, and slot 30 has no register. */
	bus_write(fixture->mmio, RCBA + 0x3140, 4, 0xffffffff);
	assert_inputs(fixture, pirq(7));
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3142, 2), ==, 0);
	set_pin(fixture, 31, 1, FALSE);
	assert_inputs(fixture, 0);
}

static void test_8259_routing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_pin(fixture, 1, 0, TRUE); /* PIRQF */
	assert_inputs(fixture, pirq(5));
	for (guint irq = 0; irq < 16; irq++) {
		gboolean is_reserved = irq <= 2 || irq == 8 || irq == 13;

		set(fixture, ICH9_LPC_PIRQE_ROUT + 1, 1, irq);
		assert_inputs(fixture, pirq(5) | (is_reserved ? 0 : 1u << irq));
		set(fixture, ICH9_LPC_PIRQE_ROUT + 1, 1, 0x80 | irq);
		assert_inputs(fixture, pirq(5));
	}
	set_pin(fixture, 1, 0, FALSE);
	set(fixture, ICH9_LPC_PIRQE_ROUT + 1, 1, 11);
	assert_inputs(fixture, 0);
}

static void test_sources_share_an_input(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, ICH9_LPC_PIRQE_ROUT, 4, 0x09090909);
	set_pin(fixture, 0, 0, TRUE);
	set_pin(fixture, 4, 0, TRUE); /* both PIRQE */
	set_pin(fixture, 1, 0, TRUE); /* PIRQF */
	ich9_lpc_set_sci(fixture->lpc, 9, TRUE);
	ich9_lpc_set_isa(fixture->lpc, 9, TRUE);
	assert_inputs(fixture, 1u << 9 | pirq(4) | pirq(5));
	set_pin(fixture, 0, 0, FALSE);
	ich9_lpc_set_isa(fixture->lpc, 9, FALSE);
	assert_inputs(fixture, 1u << 9 | pirq(4) | pirq(5));
	set_pin(fixture, 4, 0, FALSE);
	set_pin(fixture, 1, 0, FALSE);
	assert_inputs(fixture, 1u << 9);
	ich9_lpc_set_sci(fixture->lpc, 9, FALSE);
	assert_inputs(fixture, 0);
}

static void test_isa_interrupts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint irq = 0; irq < 16; irq++) {
		ich9_lpc_set_isa(fixture->lpc, irq, TRUE);
		assert_inputs(fixture, 1u << irq);
		ich9_lpc_set_isa(fixture->lpc, irq, FALSE);
	}
}

static void test_sci_selection(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 inputs[] = { 1 << 9, 1 << 10, 1 << 11, 0, 1 << 20, 1 << 21, 0, 0 };

	ich9_lpc_set_sci(fixture->lpc, 9, TRUE);
	for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
		set(fixture, ICH9_LPC_ACPI_CNTL, 1, i);
		assert_inputs(fixture, inputs[i]);
	}
}

static void test_chipset_registers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3410, 4), ==, 0xffffffff);
	set(fixture, ICH9_LPC_RCBA, 4, 0xffffffff);
	g_assert_cmphex(get(fixture, ICH9_LPC_RCBA, 4), ==, 0xffffc001);
	open_registers(fixture);
	/* The watchdog never reboots, and there is no HPET to turn on. */
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3410, 4), ==, 0x20);
	bus_write(fixture->mmio, RCBA + 0x3410, 4, 0);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3410, 4), ==, 0x20);
	bus_write(fixture->mmio, RCBA + 0x3404, 4, 0x80);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3404, 4), ==, 0);
	bus_write(fixture->mmio, RCBA + 0x31fe, 2, 0x0100);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x31fe, 2), ==, 0x0100);
	/* To the last byte, and no further. */
	bus_write(fixture->mmio, RCBA + 0x3ffe, 8, 0x1122334455667788);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3ffe, 8), ==, 0xffffffffffff7788);
	set(fixture, ICH9_LPC_RCBA, 4, RCBA);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x31fe, 2), ==, 0xffff);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint offset = 4; offset < 256; offset += 4)
		set(fixture, offset, 4, 0x5a5a5a5b);
	open_registers(fixture);
	for (guint offset = 0; offset < ICH9_LPC_RCBA_SIZE; offset += 4)
		bus_write(fixture->mmio, RCBA + offset, 4, 0x5a5a5a5a);
	set(fixture, ICH9_LPC_ACPI_CNTL, 1, 1);
	ich9_lpc_set_sci(fixture->lpc, 9, TRUE);
	assert_inputs(fixture, 1 << 10);
	fixture->n_moves = 0;

	pci_bus_reset(fixture->root);
	g_assert_cmpuint(fixture->n_moves, ==, 1);
	g_assert_false(fixture->is_pm_enabled);
	/* Its routing is back; the line is its source's. */
	assert_inputs(fixture, 1 << 9);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3140, 4), ==, 0xffffffff);
	test_identity(fixture, NULL);
	open_registers(fixture);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x3140, 4), ==, 0x00003210);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA + 0x310c, 4), ==, 0x00214321);
	g_assert_cmphex(bus_read(fixture->mmio, RCBA, 4), ==, 0);
}

/* What a guest does that knows no data sheet. The seed is fixed: a failure comes again. */
static void test_anything(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint widths[] = { 1, 2, 3, 4 };
	g_autoptr(GRand) rand = g_rand_new_with_seed(9);
	guint8 pins[PCI_SLOTS] = { 0 };

	for (guint i = 0; i < 200000; i++) {
		guint width = widths[g_rand_int(rand) & 3];
		guint slot = g_rand_int(rand) % PCI_SLOTS, pin = g_rand_int(rand) % PCI_PINS;

		if (i % 100 == 0)
			open_registers(fixture);
		set(fixture, g_rand_int(rand) & 0xff, width, g_rand_int(rand));
		bus_write(fixture->mmio, RCBA + (g_rand_int(rand) & 0x3fff), width * 2,
			  g_rand_int(rand));
		bus_write(fixture->mmio, RCBA + 0x3140 + (g_rand_int(rand) & 0x1f), width,
			  g_rand_int(rand));
		pins[slot] ^= 1 << pin;
		set_pin(fixture, slot, pin, !!(pins[slot] & 1 << pin));
		ich9_lpc_set_isa(fixture->lpc, g_rand_int(rand) & 15, g_rand_boolean(rand));
		ich9_lpc_set_sci(fixture->lpc, 9, g_rand_boolean(rand));
	}
	for (guint slot = 0; slot < PCI_SLOTS; slot++)
		for (guint pin = 0; pin < PCI_PINS; pin++)
			if (pins[slot] & 1 << pin)
				set_pin(fixture, slot, pin, FALSE);
	for (guint irq = 0; irq < 16; irq++)
		ich9_lpc_set_isa(fixture->lpc, irq, FALSE);
	ich9_lpc_set_sci(fixture->lpc, 9, FALSE);
	assert_inputs(fixture, 0);
	pci_bus_reset(fixture->root);
	test_identity(fixture, NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/ich9-lpc/identity", test_identity },
		{ "/ich9-lpc/pm-base", test_pm_base },
		{ "/ich9-lpc/pm-base-after-reset", test_pm_base_after_reset },
		{ "/ich9-lpc/pm-base-is-locked", test_pm_base_is_locked },
		{ "/ich9-lpc/smi-lock-stays-until-a-reset", test_smi_lock },
		{ "/ich9-lpc/pins-of-slots", test_pins_of_slots },
		{ "/ich9-lpc/slot-routing-registers", test_slot_routing_registers },
		{ "/ich9-lpc/8259-routing", test_8259_routing },
		{ "/ich9-lpc/sources-share-an-input", test_sources_share_an_input },
		{ "/ich9-lpc/isa-interrupts", test_isa_interrupts },
		{ "/ich9-lpc/sci-selection", test_sci_selection },
		{ "/ich9-lpc/chipset-registers", test_chipset_registers },
		{ "/ich9-lpc/reset", test_reset },
		{ "/ich9-lpc/anything", test_anything },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);
	return g_test_run();
}
