/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trace.h - trace points: USDT probes of provider gmem_vmm, and log lines when asked for
 *
 * A probe costs a no-op instruction while nobody looks. --trace=memslot,conversion prints
 * the same fields as log lines. docs/tracing.md lists them.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/statistics.h"

/*
 * trace_memslot - one KVM_SET_USER_MEMORY_REGION2
 * @as_id:  address space, @slot: slot in it; two fields of KVM's one number
 * @result: 0 or a negative errno
 */
void trace_memslot(guint as_id, guint slot, guint32 flags, guint64 gpa, guint64 size,
		   guint64 userspace_addr, int guest_memfd, guint64 guest_memfd_offset, int result);

/* trace_conversion - pages that changed state, or were populated */
void trace_conversion(ConversionDirection direction, ConversionCause cause, guint64 gpa,
		      guint64 size, guint64 time_ns);
