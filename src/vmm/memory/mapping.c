/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mapping.c - what the guest finds at an address: memslots that come and go while it runs */
#include "vmm/memory/mapping.h"

/* A BIOS sees its last 128 KiB here too, as on ISA. */
#define IMAGE_START 0xe0000ull
#define IMAGE_END   0x100000ull

/* What a segment shows instead of its RAM: a part of the image, or ones. */
static void hidden_memslot(const Ram *ram, guint index, const Rom *image, KvmMemslot *memslot)
{
	guint64 gpa = ram_segment_gpa(index);
	guint64 below_end = IMAGE_END - gpa;
	gboolean is_image = image->content && gpa >= IMAGE_START && below_end <= image->size;

	*memslot = (KvmMemslot){
		.gpa = gpa,
		.size = ram_segment_size(index),
		.userspace = is_image ? image->content + (image->size - below_end) : ram->ones,
		.readonly = TRUE,
		.guest_memfd = -1,
	};
}

static gboolean show_segment(KvmVm *vm, Ram *ram, guint index, RamSegmentState state,
			     const Rom *image, GError **error)
{
	RamSegment *segment = &ram->segments[index];
	KvmMemslot memslot;

	if (segment->state != RAM_SEGMENT_ABSENT) {
		if (!kvm_vm_set_memslot(vm, segment->slot, NULL, error))
			return FALSE;
		segment->state = RAM_SEGMENT_ABSENT;
	}
	if (state == RAM_SEGMENT_RAM)
		ram_segment_memslot(ram, index, &memslot);
	else
		hidden_memslot(ram, index, image, &memslot);
	if (!kvm_vm_set_memslot(vm, segment->slot, &memslot, error))
		return FALSE;
	segment->state = state;
	return TRUE;
}

gboolean mapping_show_segments(KvmVm *vm, Ram *ram, guint32 shown, const Rom *image, GError **error)
{
	for (guint i = 0; i < RAM_SEGMENTS; i++) {
		RamSegmentState state = shown >> i & 1 ? RAM_SEGMENT_RAM : RAM_SEGMENT_IMAGE;

		if (state != ram->segments[i].state &&
		    !show_segment(vm, ram, i, state, image, error))
			return FALSE;
	}
	return TRUE;
}

gboolean mapping_show_rom(KvmVm *vm, Rom *rom, gboolean shown, GError **error)
{
	const KvmMemslot memslot = {
		.gpa = rom->gpa,
		.size = rom->size,
		.userspace = rom->content,
		.readonly = TRUE,
		.guest_memfd = -1,
	};

	if (rom->is_shown == shown)
		return TRUE;
	if (!kvm_vm_set_memslot(vm, rom->slot, shown ? &memslot : NULL, error))
		return FALSE;
	rom->is_shown = shown;
	return TRUE;
}
