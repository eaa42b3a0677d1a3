/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ich9-lpc.c - the LPC bridge of the ICH9: interrupt routing, PM base, chipset registers
 *
 * Theory of operation
 *
 * Every source of an interrupt is remembered: the ISA devices' lines, the SCI, and the INTx
 * pins of the slots of bus 0. The level of each of the controllers' 24 inputs follows from
 * them and from the routing registers, and is computed anew whenever one of these changes;
 * a controller hears of those inputs that differ.
 *
 * A pin goes to one of PIRQA to PIRQH. For slots 25 to 31, where the ICH9 has functions of
 * its own, a register at RCBA says which. Slot 30 is an exception, a bridge in the ICH9, and
 * so are all the others, which the chip does not have. They go where QEMU's q35 has
 * them go: to PIRQE to PIRQH, turned by the slot's number. Each PIRQ has an input of the I/O
 * APIC of its own, and one of the 8259s if its register in configuration space says so.
 *
 * The chip's other registers keep what is written to them, or nothing, and have no effect.
 * No SMI is ever raised.
 */
#include "vmm/chipset/ich9-lpc.h"

#include <string.h>

#define LPC_CLASS	   0x060100
#define LPC_REVISION	   2

#define FIRST_ROUTED_SLOT  25
#define PCI_BRIDGE_SLOT	   30
#define FIRST_SLOTTED_PIRQ 4 /* PIRQE */

#define PIRQ_OFF	   0x80
#define PIRQ_IRQ	   0x0f
#define PIRQ_WRITABLE	   (PIRQ_OFF | PIRQ_IRQ)
#define ISA_INPUTS	   16
#define NO_INPUT	   ICH9_LPC_INPUTS

#define PMBASE_RESET	   0x00000001 /* ports */
#define PMBASE_WRITABLE	   0x0000ff80
#define ACPI_CNTL_SCI	   0x07
#define ACPI_CNTL_WRITABLE (ICH9_LPC_ACPI_ENABLE | ACPI_CNTL_SCI)

#define PMCON_LOCK_BASE	   0x02 /* PMBASE can no longer be written */
#define PMCON_LOCK_S4	   0x04

#define RCBA_WRITABLE	   0xffffc001
#define RCBA_ADDRESS	   0xffffc000

/* Chipset configuration registers. */
enum {
	D28IP = 0x310c,
	D31IR = 0x3140,
	D30IR = 0x3142,
	D29IR = 0x3144,
	D28IR = 0x3146,
	D27IR = 0x3148,
	D26IR = 0x314c,
	D25IR = 0x3150,
	HPTC = 0x3404,
	GCS = 0x3410,

	D28IP_RESET = 0x00214321,
	DIR_RESET = 0x3210,
	DIR_BITS = 4,
	DIR_PIRQ = 7,
	GCS_NO_REBOOT = 1 << 5,
};

struct Ich9Lpc {
	Ich9LpcSetInterrupt set_interrupt;
	void *opaque; /* for set_interrupt */
	Ich9LpcPm pm;
	PciFunction *function;
	BusWindow *window;
	guint8 registers[ICH9_LPC_RCBA_SIZE];
	guint8 pmcon_lock; /* bits of it that have been set, and stay so until a reset */
	guint8 pmcon1_lock;
	guint16 pm_base;
	gboolean is_pm_enabled;
	gboolean can_reboot; /* there is a watchdog that can */

	guint8 pins[PCI_SLOTS]; /* those that are high, one bit each */
	guint16 isa;
	gboolean sci;
	guint32 inputs; /* as the controllers know them */
};

/* Interrupts */

static guint pirq_of(const Ich9Lpc *lpc, guint slot, guint pin)
{
	static const guint16 registers[] = { D25IR, D26IR, D27IR, D28IR, D29IR, D30IR, D31IR };
	guint reg, routes;

	if (slot == PCI_BRIDGE_SLOT)
		return FIRST_SLOTTED_PIRQ + pin;
	if (slot < FIRST_ROUTED_SLOT)
		return FIRST_SLOTTED_PIRQ + (slot + pin) % PCI_PINS;
	reg = registers[slot - FIRST_ROUTED_SLOT];
	routes = lpc->registers[reg] | lpc->registers[reg + 1] << 8;
	return routes >> (pin * DIR_BITS) & DIR_PIRQ;
}

/* The PIRQs that are high, one bit each. */
static guint raised_pirqs(const Ich9Lpc *lpc)
{
	guint raised = 0;

	for (guint slot = 0; slot < PCI_SLOTS; slot++)
		for (guint pin = 0; pin < PCI_PINS; pin++)
			if (lpc->pins[slot] & 1 << pin)
				raised |= 1 << pirq_of(lpc, slot, pin);
	return raised;
}

/* The 8259s' input of a PIRQ, or NO_INPUT: PIRQ[n]_ROUT, where some values are reserved. */
static guint irq_of_pirq(const Ich9Lpc *lpc, guint pirq)
{
	const guint reserved = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 13;
	guint offset = pirq < 4 ? ICH9_LPC_PIRQA_ROUT + pirq : ICH9_LPC_PIRQE_ROUT + pirq - 4;
	guint route = pci_function_get(lpc->function, offset, 1);
	guint irq = route & PIRQ_IRQ;

	return route & PIRQ_OFF || reserved >> irq & 1 ? NO_INPUT : irq;
}

/* SCI_IRQ_SEL; the values that are left out are reserved. */
static guint input_of_sci(const Ich9Lpc *lpc)
{
	static const guint inputs[] = { 9, 10, 11, NO_INPUT, 20, 21, NO_INPUT, NO_INPUT };

	return inputs[pci_function_get(lpc->function, ICH9_LPC_ACPI_CNTL, 1) & ACPI_CNTL_SCI];
}

static guint32 raised_inputs(const Ich9Lpc *lpc)
{
	guint pirqs = raised_pirqs(lpc);
	guint32 raised = lpc->isa | pirqs << ICH9_LPC_PIRQ_GSI;

	for (guint pirq = 0; pirq < ICH9_LPC_PIRQS; pirq++)
		if (pirqs & 1 << pirq)
			raised |= 1u << irq_of_pirq(lpc, pirq);
	if (lpc->sci)
		raised |= 1u << input_of_sci(lpc);
	return raised & ~(1u << NO_INPUT);
}

static void update_inputs(Ich9Lpc *lpc)
{
	guint32 raised = raised_inputs(lpc);
	guint32 changed = raised ^ lpc->inputs;

	lpc->inputs = raised;
	for (guint input = 0; input < ICH9_LPC_INPUTS; input++)
		if (changed & 1u << input)
			lpc->set_interrupt(lpc->opaque, input, raised >> input & 1);
}

static void set_pin(void *opaque, guint slot, guint pin, gboolean level)
{
	Ich9Lpc *lpc = opaque;

	lpc->pins[slot] = (lpc->pins[slot] & ~(1 << pin)) | !!level << pin;
	update_inputs(lpc);
}

void ich9_lpc_set_isa(void *opaque, guint line, gboolean level)
{
	Ich9Lpc *lpc = opaque;

	g_assert(line < ISA_INPUTS);
	lpc->isa = (lpc->isa & ~(1 << line)) | !!level << line;
	update_inputs(lpc);
}

void ich9_lpc_set_sci(void *opaque, guint line, gboolean level)
{
	Ich9Lpc *lpc = opaque;

	(void)line;
	lpc->sci = level;
	update_inputs(lpc);
}

/* Chipset configuration registers: section 10.1 */

/*
 * HPTC neither turns an HPET on nor moves it: where the machine has one it is always at
 * HPET_ADDRESS. Nor can the watchdog do anything where the machine has none. So the bits that would
 * say otherwise are fixed. D30IR is read-only in the chip.
 */
static guint8 writable_bits(const Ich9Lpc *lpc, guint offset)
{
	if (pci_overlaps(offset, 1, D30IR, 2) || pci_overlaps(offset, 1, HPTC, 4))
		return 0;
	return offset == GCS && !lpc->can_reboot ? (guint8)~GCS_NO_REBOOT : 0xff;
}

static guint64 rcba_read(void *device, guint64 offset, guint size)
{
	const Ich9Lpc *lpc = device;
	guint64 value = 0;

	for (guint i = 0; i < size; i++)
		value |= (guint64)lpc->registers[offset + i] << (i * 8);
	return value;
}

static void rcba_write(void *device, guint64 offset, guint size, guint64 value)
{
	Ich9Lpc *lpc = device;

	for (guint i = 0; i < size; i++) {
		guint8 writable = writable_bits(lpc, offset + i);
		guint8 *byte = &lpc->registers[offset + i];

		*byte = (*byte & ~writable) | (value >> (i * 8) & writable);
	}
	update_inputs(lpc);
}

static const BusOperations rcba_operations = {
	.read = rcba_read,
	.write = rcba_write,
	.max_access = 4,
};

static void set_register(Ich9Lpc *lpc, guint offset, guint size, guint32 value)
{
	for (guint i = 0; i < size; i++)
		lpc->registers[offset + i] = value >> (i * 8);
}

static void reset_registers(Ich9Lpc *lpc)
{
	static const guint16 routes[] = { D25IR, D26IR, D27IR, D28IR, D29IR, D31IR };

	memset(lpc->registers, 0, sizeof(lpc->registers));
	set_register(lpc, D28IP, 4, D28IP_RESET);
	set_register(lpc, GCS, 4, lpc->can_reboot ? 0 : GCS_NO_REBOOT);
	for (guint i = 0; i < G_N_ELEMENTS(routes); i++)
		set_register(lpc, routes[i], 2, DIR_RESET);
}

/* Configuration space: section 13.1 */

static void update_window(Ich9Lpc *lpc)
{
	guint32 rcba = pci_function_get(lpc->function, ICH9_LPC_RCBA, 4);

	bus_move_window(lpc->window, rcba & RCBA_ADDRESS,
			rcba & ICH9_LPC_RCBA_ENABLE ? ICH9_LPC_RCBA_SIZE : 0);
}

static void update_pm(Ich9Lpc *lpc)
{
	guint base = pci_function_get(lpc->function, ICH9_LPC_PMBASE, 4) & PMBASE_WRITABLE;
	guint control = pci_function_get(lpc->function, ICH9_LPC_ACPI_CNTL, 1);
	gboolean is_enabled = control & ICH9_LPC_ACPI_ENABLE && base != 0;

	if (base == lpc->pm_base && is_enabled == lpc->is_pm_enabled)
		return;
	lpc->pm_base = base;
	lpc->is_pm_enabled = is_enabled;
	lpc->pm.move(lpc->pm.opaque, base, is_enabled);
}

/* Bits that a guest sets, and only a reset clears. */
static void update_lock(Ich9Lpc *lpc, guint offset, guint8 mask, guint8 *lock)
{
	*lock |= pci_function_get(lpc->function, offset, 1) & mask;
	pci_function_change(lpc->function, offset, 1, mask, *lock);
}

static void update_smi_lock(Ich9Lpc *lpc)
{
	gboolean was_locked = lpc->pmcon1_lock & ICH9_LPC_SMI_LOCK;

	update_lock(lpc, ICH9_LPC_PMCON1, ICH9_LPC_SMI_LOCK, &lpc->pmcon1_lock);
	if (!was_locked && lpc->pmcon1_lock & ICH9_LPC_SMI_LOCK)
		lpc->pm.lock_smi(lpc->pm.opaque);
}

static void lpc_config_written(void *device, guint offset, guint size)
{
	Ich9Lpc *lpc = device;

	(void)offset;
	(void)size;
	update_smi_lock(lpc);
	update_lock(lpc, ICH9_LPC_PMCON_LOCK, PMCON_LOCK_BASE | PMCON_LOCK_S4, &lpc->pmcon_lock);
	if (lpc->pmcon_lock & PMCON_LOCK_BASE)
		pci_function_set_writable(lpc->function, ICH9_LPC_PMBASE, 4, 0);
	update_pm(lpc);
	update_window(lpc);
	update_inputs(lpc);
}

static void lpc_reset(void *device)
{
	Ich9Lpc *lpc = device;

	lpc->pmcon_lock = 0;
	lpc->pmcon1_lock = 0;
	pci_function_set_writable(lpc->function, ICH9_LPC_PMBASE, 4, PMBASE_WRITABLE);
	reset_registers(lpc);
	lpc->pm_base = 0;
	lpc->is_pm_enabled = FALSE;
	lpc->pm.move(lpc->pm.opaque, 0, FALSE);
	update_window(lpc);
	update_inputs(lpc);
}

static void lpc_free(void *device)
{
	Ich9Lpc *lpc = device;

	bus_remove_window(lpc->window);
	g_free(lpc);
}

static const PciFunctionOperations lpc_operations = {
	.config_written = lpc_config_written,
	.reset = lpc_reset,
	.free = lpc_free,
};

static void add_registers(PciFunction *function)
{
	static const struct {
		guint8 offset, size;
		guint32 value, writable;
	} registers[] = {
		/* It always answers and masters: only parity and SERR can be turned off. */
		{ PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		  PCI_COMMAND_PARITY | PCI_COMMAND_SERR },
		{ PCI_STATUS, 2, PCI_STATUS_DEVSEL_MEDIUM, 0 },
		{ ICH9_LPC_PMBASE, 4, PMBASE_RESET, PMBASE_WRITABLE },
		{ ICH9_LPC_ACPI_CNTL, 1, 0, ACPI_CNTL_WRITABLE },
		{ 0x48, 4, 0x00000001, 0 },  /* GPIOBASE: there are no GPIOs */
		{ 0x64, 1, 0x10, 0xc3 },     /* SIRQ_CNTL */
		{ 0x6c, 2, 0x00f8, 0xffff }, /* LPC_IBDF */
		{ 0x80, 2, 0, 0x1377 },	     /* LPC_I/O_DEC */
		{ 0x82, 2, 0, 0x3f0f },	     /* LPC_EN */
		{ 0x84, 4, 0, 0x00fcfffd },  /* GEN1_DEC to GEN4_DEC */
		{ 0x88, 4, 0, 0x00fcfffd },
		{ 0x8c, 4, 0, 0x00fcfffd },
		{ 0x90, 4, 0, 0x00fcfffd },
		{ ICH9_LPC_PMCON1, 2, 0, 0x07b7 | ICH9_LPC_SMI_LOCK },
		{ 0xa4, 1, 0, 0xff }, /* GEN_PMCON_3 */
		{ ICH9_LPC_PMCON_LOCK, 1, 0, PMCON_LOCK_BASE | PMCON_LOCK_S4 },
		{ 0xb8, 4, 0, 0xffffffff }, /* GPI_ROUT */
		{ 0xd0, 4, 0x00112233, 0 }, /* FWH_SEL1 */
		{ 0xd4, 2, 0x4567, 0 },	    /* FWH_SEL2 */
		{ 0xd8, 2, 0xffcf, 0 },	    /* FWH_DEC_EN1 */
		{ ICH9_LPC_RCBA, 4, 0, RCBA_WRITABLE },
	};

	for (guint i = 0; i < G_N_ELEMENTS(registers); i++)
		pci_function_set_register(function, registers[i].offset, registers[i].size,
					  registers[i].value, registers[i].writable, 0);
	for (guint i = 0; i < 4; i++) {
		pci_function_set_register(function, ICH9_LPC_PIRQA_ROUT + i, 1, PIRQ_OFF,
					  PIRQ_WRITABLE, 0);
		pci_function_set_register(function, ICH9_LPC_PIRQE_ROUT + i, 1, PIRQ_OFF,
					  PIRQ_WRITABLE, 0);
	}
}

Ich9Lpc *ich9_lpc_new(PciBus *root, Bus *mmio, Ich9LpcSetInterrupt set_interrupt, void *opaque)
{
	Ich9Lpc *lpc = g_new0(Ich9Lpc, 1);
	const PciFunctionConfig function = {
		.name = "LPC bridge",
		.vendor = PCI_VENDOR_INTEL,
		.device = ICH9_LPC_DEVICE,
		.subsystem_vendor = PCI_SUBSYSTEM_VENDOR,
		.subsystem_device = PCI_SUBSYSTEM_DEVICE,
		.class_code = LPC_CLASS,
		.revision = LPC_REVISION,
		.is_multifunction = TRUE,
		.operations = &lpc_operations,
		.opaque = lpc,
	};

	lpc->set_interrupt = set_interrupt;
	lpc->opaque = opaque;
	lpc->function = pci_function_new(&function);
	add_registers(lpc->function);
	reset_registers(lpc);
	lpc->window = bus_add_window(mmio, "chipset configuration", &rcba_operations, lpc);
	pci_bus_add(root, ICH9_LPC_SLOT, ICH9_LPC_FUNCTION, lpc->function);
	pci_bus_route_interrupts(root, set_pin, lpc);
	return lpc;
}

void ich9_lpc_allow_reboot(Ich9Lpc *lpc)
{
	lpc->can_reboot = TRUE;
	reset_registers(lpc);
}

gboolean ich9_lpc_may_reboot(const Ich9Lpc *lpc)
{
	return !(lpc->registers[GCS] & GCS_NO_REBOOT);
}

void ich9_lpc_connect_pm(Ich9Lpc *lpc, const Ich9LpcPm *pm)
{
	lpc->pm = *pm;
}

/* No record of its own: the bridge is reset and freed with the bus that it is on. */
Ich9Lpc *ich9_lpc_create(DeviceSurroundings *surroundings, PciBus *root)
{
	Ich9Lpc *lpc = ich9_lpc_new(root, surroundings->mmio, surroundings->host->set_interrupt,
				    surroundings->opaque);

	surroundings->isa = (InterruptLine){ .set = ich9_lpc_set_isa, .opaque = lpc };
	surroundings->sci = (InterruptLine){ .set = ich9_lpc_set_sci, .opaque = lpc };
	return lpc;
}
