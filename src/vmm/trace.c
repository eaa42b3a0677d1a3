/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trace.c - trace points: USDT probes and log lines */
#include "vmm/trace.h"

#include <sys/sdt.h>

#include "vmm/log.h"

void trace_memslot(guint as_id, guint slot, guint32 flags, guint64 gpa, guint64 size,
		   guint64 userspace_addr, int guest_memfd, guint64 guest_memfd_offset, int result)
{
	DTRACE_PROBE9(gmem_vmm, memslot, as_id, slot, flags, gpa, size, userspace_addr, guest_memfd,
		      guest_memfd_offset, result);
	if (log_trace_enabled(LOG_TRACE_MEMSLOT)) {
		log_trace("memslot",
			  "as_id=%u slot=%u flags=%#x gpa=%#" G_GINT64_MODIFIER
			  "x size=%#" G_GINT64_MODIFIER "x userspace_addr=%#" G_GINT64_MODIFIER
			  "x guest_memfd=%d guest_memfd_offset=%#" G_GINT64_MODIFIER "x result=%d",
			  as_id, slot, flags, gpa, size, userspace_addr, guest_memfd,
			  guest_memfd_offset, result);
	}
}

void trace_conversion(ConversionDirection direction, ConversionCause cause, guint64 gpa,
		      guint64 size, guint64 time_ns)
{
	DTRACE_PROBE5(gmem_vmm, conversion, direction, cause, gpa, size, time_ns);
	if (log_trace_enabled(LOG_TRACE_CONVERSION)) {
		log_trace("conversion",
			  "direction=%s cause=%s gpa=%#" G_GINT64_MODIFIER
			  "x size=%#" G_GINT64_MODIFIER "x time_ns=%" G_GUINT64_FORMAT,
			  conversion_direction_name(direction), conversion_cause_name(cause), gpa,
			  size, time_ns);
	}
}
