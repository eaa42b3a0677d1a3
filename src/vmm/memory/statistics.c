/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.c - names and arithmetic of counters */
#include "vmm/memory/statistics.h"

#include <time.h>

const char *conversion_cause_name(ConversionCause cause)
{
	static const char *const names[CONVERSION_N_CAUSES] = {
		[CONVERSION_GUEST_HYPERCALL] = "guest-hypercall",
		[CONVERSION_MEMORY_FAULT] = "memory-fault",
		[CONVERSION_HOST_TOUCH_VCPU] = "host-touch-vcpu",
		[CONVERSION_HOST_TOUCH_DEVICE] = "host-touch-device",
		[CONVERSION_HOST_TOUCH_KERNEL] = "host-touch-kernel",
		[CONVERSION_POPULATE] = "populate",
		[CONVERSION_RECLAIM] = "reclaim",
		[CONVERSION_RING] = "ring",
	};

	g_return_val_if_fail(cause < CONVERSION_N_CAUSES, NULL);
	return names[cause];
}

const char *conversion_direction_name(ConversionDirection direction)
{
	return direction == CONVERSION_TO_SHARED ? "to-shared" : "to-private";
}

const char *dma_way_name(DmaWay way)
{
	static const char *const names[DMA_N_WAYS] = {
		[DMA_WAY_PLAIN] = "plain",
		[DMA_WAY_COURIER] = "courier",
		[DMA_WAY_WINDOW] = "window",
		[DMA_WAY_REGISTERED] = "registered",
	};

	g_return_val_if_fail(way < DMA_N_WAYS, NULL);
	return names[way];
}

gint64 statistics_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * G_GINT64_CONSTANT(1000000000) + now.tv_nsec;
}

void conversion_counter_add(ConversionCounter *counter, guint64 bytes, guint64 time_ns)
{
	guint bucket = time_ns ? g_bit_nth_msf(time_ns, -1) : 0;

	counter->count++;
	counter->bytes += bytes;
	counter->time_ns += time_ns;
	counter->latency[MIN(bucket, CONVERSION_LATENCY_BUCKETS - 1)]++;
}
