/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcie-slot.c - the hot-plug slot of a PCI Express port */
#include "vmm/pci/pcie-slot.h"

enum {
	/* Each is enabled by the bit of slot control at the same place, but for the last. */
	EVENTS_IN_PLACE = PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PFD | PCI_EXP_SLTSTA_PDC |
			  PCI_EXP_SLTSTA_CC,

	LINK_STATE = PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW | PCI_EXP_LNKSTA_DLLLA,
	LINK_WIDTH = 32,
	LINK_UP = PCI_EXP_LNKSTA_CLS_16_0GB | LINK_WIDTH << PCI_EXP_LNKSTA_NLW_SHIFT |
		  PCI_EXP_LNKSTA_DLLLA,
};

const guint16 pcie_slot_control_reset = PCI_EXP_SLTCTL_ATTN_IND_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF |
					PCI_EXP_SLTCTL_PWR_OFF;
const guint16 pcie_slot_control_writable = PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PFDE |
					   PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_CCIE |
					   PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_AIC |
					   PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC |
					   PCI_EXP_SLTCTL_DLLSCE;
const guint16 pcie_slot_events = EVENTS_IN_PLACE | PCI_EXP_SLTSTA_DLLSC;

static guint get(const PcieSlot *slot, guint offset)
{
	return pci_function_get(slot->function, slot->express + offset, 2);
}

static void change(const PcieSlot *slot, guint offset, guint mask, guint value)
{
	pci_function_change(slot->function, slot->express + offset, 2, mask, value);
}

static void add_event(const PcieSlot *slot, guint event)
{
	change(slot, PCI_EXP_SLTSTA, event, event);
}

static gboolean is_powered(guint control)
{
	return !(control & PCI_EXP_SLTCTL_PCC);
}

static gboolean is_link_wanted(const PcieSlot *slot)
{
	return slot->is_occupied && is_powered(slot->control) &&
	       !(get(slot, PCI_EXP_LNKCTL) & PCI_EXP_LNKCTL_LD);
}

/* Return: whether it has changed. */
static gboolean update_link(PcieSlot *slot)
{
	gboolean is_up = is_link_wanted(slot);

	change(slot, PCI_EXP_LNKSTA, LINK_STATE, is_up ? LINK_UP : 0);
	if (is_up == slot->is_link_up)
		return FALSE;
	slot->is_link_up = is_up;
	pci_bus_set_link(pci_function_secondary(slot->function), is_up);
	return TRUE;
}

static void update_link_with_event(PcieSlot *slot)
{
	if (update_link(slot))
		add_event(slot, PCI_EXP_SLTSTA_DLLSC);
}

static void set_presence(const PcieSlot *slot)
{
	change(slot, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS,
	       slot->is_occupied ? PCI_EXP_SLTSTA_PDS : 0);
}

/* As a slot is that has had something in it since power-on. */
static void start_occupied(PcieSlot *slot)
{
	change(slot, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC,
	       PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_PWR_ON);
	slot->control = get(slot, PCI_EXP_SLTCTL);
	set_presence(slot);
	(void)update_link(slot);
}

void pcie_slot_insert(PcieSlot *slot, gboolean is_hot)
{
	/* Another function of what is there already. */
	if (slot->is_occupied)
		return;
	slot->is_occupied = TRUE;
	if (!is_hot) {
		start_occupied(slot);
		return;
	}
	slot->control = get(slot, PCI_EXP_SLTCTL);
	/* Without power nobody finds it yet. */
	pci_bus_set_link(pci_function_secondary(slot->function), FALSE);
	set_presence(slot);
	add_event(slot, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	update_link_with_event(slot);
}

PcieSlotAnswer pcie_slot_press_button(PcieSlot *slot)
{
	guint control = get(slot, PCI_EXP_SLTCTL);
	guint indicator = control & PCI_EXP_SLTCTL_PIC;

	if (indicator == PCI_EXP_SLTCTL_PWR_IND_BLINK)
		return PCIE_SLOT_BUSY;
	if (!is_powered(control) && indicator == PCI_EXP_SLTCTL_PWR_IND_OFF)
		return PCIE_SLOT_RELEASED;
	slot->is_leaving = TRUE;
	add_event(slot, PCI_EXP_SLTSTA_ABP);
	return PCIE_SLOT_ASKED;
}

void pcie_slot_remove(PcieSlot *slot)
{
	if (!slot->is_occupied)
		return;
	slot->is_occupied = FALSE;
	slot->is_leaving = FALSE;
	slot->is_released = FALSE;
	slot->is_refused = FALSE;
	set_presence(slot);
	add_event(slot, PCI_EXP_SLTSTA_PDC);
	update_link_with_event(slot);
	/* Whatever is put in next has a link of its own. */
	slot->is_link_up = FALSE;
}

static void control_written(PcieSlot *slot)
{
	guint was = slot->control & PCI_EXP_SLTCTL_PIC;
	guint control = get(slot, PCI_EXP_SLTCTL);
	guint is = control & PCI_EXP_SLTCTL_PIC;

	slot->control = control;
	add_event(slot, PCI_EXP_SLTSTA_CC);
	if (!slot->is_leaving)
		return;
	if (!is_powered(control) && is == PCI_EXP_SLTCTL_PWR_IND_OFF) {
		slot->is_leaving = FALSE;
		slot->is_released = TRUE;
	} else if (is_powered(control) && was == PCI_EXP_SLTCTL_PWR_IND_BLINK &&
		   is == PCI_EXP_SLTCTL_PWR_IND_ON) {
		slot->is_leaving = FALSE;
		slot->is_refused = TRUE;
	}
}

void pcie_slot_config_written(PcieSlot *slot, guint offset, guint size)
{
	if (pci_overlaps(offset, size, slot->express + PCI_EXP_SLTCTL, 2))
		control_written(slot);
	update_link_with_event(slot);
}

void pcie_slot_reset(PcieSlot *slot)
{
	slot->control = get(slot, PCI_EXP_SLTCTL);
	if (slot->is_occupied)
		start_occupied(slot);
}

gboolean pcie_slot_is_event_pending(const PcieSlot *slot)
{
	guint control = get(slot, PCI_EXP_SLTCTL);
	guint status = get(slot, PCI_EXP_SLTSTA);

	if (!(control & PCI_EXP_SLTCTL_HPIE))
		return FALSE;
	return (control & status & EVENTS_IN_PLACE) ||
	       (control & PCI_EXP_SLTCTL_DLLSCE && status & PCI_EXP_SLTSTA_DLLSC);
}
