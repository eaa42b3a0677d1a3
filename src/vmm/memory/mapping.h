/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mapping.h - what the guest finds at an address: memslots that come and go while it runs
 *
 * Theory of operation
 *
 * Two things of a PC change what is at an address. PAM registers choose for 13 segments
 * between 768 KiB and 1 MiB whether the guest finds RAM there or what PCI has, which is the
 * end of the firmware's image. And a flash unit reads as an array of bytes, which is a
 * read-only memslot, or as a device, which is none.
 *
 * A guest_memfd offset is bound to one memslot at a time, and memslots with guest_memfd
 * cannot be read-only. So each segment has a memslot of its own, which is the segment's RAM,
 * a read-only view of the image, or not there. RAM that a guest has protected against writes
 * by PAM stays writable: nothing else would leave it private.
 *
 * Where neither is there, the guest reads ones, and those are a memslot as well. KVM remembers
 * a guest's access to an address without a memslot in its page tables, and does not look at
 * the page's attribute when it meets the mark again (kvm_mmu_page_fault(): PFERR_RSVD_MASK);
 * with private RAM there by then, every access would fail.
 *
 * What a hidden segment holds stays in its guest_memfd. Until the segment is back it is no
 * RAM: no attribute, no copy and no conversion reaches it (ram_find() does not find it).
 *
 * All of it is the memory thread's, with every vCPU outside KVM_RUN: a memslot's change waits
 * for whoever is inside.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"
#include "vmm/memory/ram.h"

/* Content that the guest reads and cannot write; see memory_add_rom(). */
typedef struct {
	guint64 gpa;
	guint64 size;
	guint8 *content; /* the caller's */
	guint slot;
	gboolean is_shown;
} Rom;

/*
 * mapping_show_segments - show RAM in some of the segments, and @image's end in the others
 * @ram:   a bit for each of the RAM_SEGMENTS
 * @image: whose last bytes end at 1 MiB where no RAM is shown; content NULL: there is none
 */
gboolean mapping_show_segments(KvmVm *vm, Ram *ram, guint32 shown, const Rom *image,
			       GError **error);

/* Shows or hides a ROM. */
gboolean mapping_show_rom(KvmVm *vm, Rom *rom, gboolean shown, GError **error);
