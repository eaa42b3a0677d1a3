/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcie-slot.h - the hot-plug slot of a PCI Express port: what is in it, and how it comes and goes
 *
 * PCI Express Base Specification 5.0, sections 6.7 (hot-plug), 7.5.3.6 to 7.5.3.11 (registers).
 *
 * Theory of operation
 *
 * The link is up while something is in the slot, its power is on and the guest has not disabled
 * the link. While it is down the bus behind it is as good as empty; going down resets what is
 * there. So a device that the guest has powered off does nothing until it is powered on again.
 *
 * What is there when the machine starts or is reset has power from the start, as firmware finds
 * it. Something that is put in while the guest runs is present, without power, and the guest is
 * told: it powers the slot on (data link layer state changed) and finds it. It is told as by
 * somebody who puts a card in and presses the button at once: presence detect changed, and the
 * attention button. Linux, where there is a button, has only that interrupt, and finds with it
 * that presence has changed, too; so it does not wait for a second press.
 *
 * Nothing is pulled out from under a guest. Who wants it out presses the attention button; the
 * guest stops using it, which may take the five seconds in which a second press would cancel, and
 * turns the power and its indicator off. Only then may it go, and the guest is told of that too.
 * A guest that turns the indicator back on instead has refused. One that does nothing has not
 * answered: the button can be pressed again, and at the next reset it goes anyway.
 *
 * What a guest commands through slot control is done as soon as it is written, and acknowledged
 * by the command completed bit.
 */
#pragma once

#include "vmm/pci/pci-bus.h"

/* Of slot control after a reset of an empty slot, and which of it a guest writes. */
extern const guint16 pcie_slot_control_reset;
extern const guint16 pcie_slot_control_writable;

/* Of slot status: those that a guest clears. */
extern const guint16 pcie_slot_events;

typedef struct {
	PciFunction *function; /* the port, which has the registers */
	guint express;	       /* offset of its capability */
	gboolean is_occupied;
	gboolean is_leaving;  /* the button was pressed for what is in it */
	gboolean is_released; /* the guest has let go of it */
	gboolean is_refused;  /* the guest has not, and says so */
	gboolean is_link_up;
	guint16 control; /* slot control as it was last seen */
} PcieSlot;

/* What became of a press on the button. */
typedef enum {
	PCIE_SLOT_ASKED,    /* the guest has been asked */
	PCIE_SLOT_BUSY,	    /* it is about to switch the power: a press would cancel that */
	PCIE_SLOT_RELEASED, /* there is no power: it may go now */
} PcieSlotAnswer;

/* All with the device lock held; who calls looks at the port's interrupt afterwards. */

/* @is_hot: the guest runs, and is to be told */
void pcie_slot_insert(PcieSlot *slot, gboolean is_hot);
PcieSlotAnswer pcie_slot_press_button(PcieSlot *slot);

/* What was in it has gone. */
void pcie_slot_remove(PcieSlot *slot);

/* The guest has written [offset, offset + size) of the port's configuration space. */
void pcie_slot_config_written(PcieSlot *slot, guint offset, guint size);

/* The port's registers are back at their values after a reset. */
void pcie_slot_reset(PcieSlot *slot);

/* Whether an event that the guest has enabled is there. */
gboolean pcie_slot_is_event_pending(const PcieSlot *slot);
