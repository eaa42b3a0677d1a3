/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * statistics.h - what conversions cost, by direction and by cause, and how devices get at memory
 *
 * Plain data: the memory engine fills a MemoryStatistics under its lock, the monitor prints
 * a copy of it.
 */
#pragma once

#include <glib.h>

typedef enum {
	CONVERSION_TO_SHARED,
	CONVERSION_TO_PRIVATE,
	CONVERSION_N_DIRECTIONS,
} ConversionDirection;

typedef enum {
	CONVERSION_GUEST_HYPERCALL,   /* KVM_HC_MAP_GPA_RANGE */
	CONVERSION_MEMORY_FAULT,      /* KVM_EXIT_MEMORY_FAULT */
	CONVERSION_HOST_TOUCH_VCPU,   /* KVM's emulation on a vCPU's thread */
	CONVERSION_HOST_TOUCH_DEVICE, /* a device or another thread of this process */
	CONVERSION_HOST_TOUCH_KERNEL, /* a thread of the kernel or of another process */
	CONVERSION_POPULATE,	      /* content put into private memory at launch */
	CONVERSION_RECLAIM,	      /* shared pages that went back to private */
	CONVERSION_RING,	      /* pinned for a device, and given back: see pin.h */
	CONVERSION_N_CAUSES,
} ConversionCause;

/* Buckets of the latency histogram: bucket n counts latencies of [2^n, 2^(n+1)) ns. */
#define CONVERSION_LATENCY_BUCKETS 40

typedef struct {
	guint64 count;	 /* requests or events, each of one or more pages */
	guint64 bytes;	 /* that changed state (or were populated) */
	guint64 time_ns; /* total */
	guint64 latency[CONVERSION_LATENCY_BUCKETS];
} ConversionCounter;

/* Trips into private memory that came back. */
typedef struct {
	guint64 trips;
	guint64 bytes;
	guint64 time_ns;
} CourierCounter;

/* Memory that the guest has given back: see memory_release(). No page changed its state for it. */
typedef struct {
	guint64 count;	       /* slices of ranges */
	guint64 private_bytes; /* of pages that were private, and stay so */
	guint64 shared_bytes;  /* and of shared ones; ordinary memory's, too */
	guint64 pinned_bytes;  /* left alone: a device has pinned them */
	guint64 time_ns;
} ReleaseCounter;

/* How content gets between guest memory and devices. */
typedef enum {
	DMA_WAY_PLAIN,	 /* the host sees it anyway: two-sided memory's shared pages, ordinary's */
	DMA_WAY_COURIER, /* copied by a vCPU that the guest does not know of: see courier.h */
	DMA_WAY_WINDOW,	 /* mapped for as long as it is copied: see dma.h */
	DMA_WAY_REGISTERED, /* known to io_uring, and mapped nowhere: see direct.h */
	DMA_N_WAYS,
} DmaWay;

/* What devices have read and written by a way. */
typedef struct {
	guint64 count; /* pieces of guest memory */
	guint64 bytes;
} TransferCounter;

typedef struct {
	ConversionCounter conversions[CONVERSION_N_DIRECTIONS][CONVERSION_N_CAUSES];
	guint64 private_bytes; /* RAM whose state is private now */
	guint64 shared_bytes;  /* RAM whose state is shared now */
	guint64 shared_bytes_peak;
	guint64 shared_allocated_bytes; /* of it, what the userspace mapping holds pages for */
	guint64 pinned_bytes;		/* RAM that devices have pinned now: see pin.h */
	guint64 registered_bytes;	/* of any state, that io_uring knows now: see direct.h */
	guint64 mapped_bytes;	/* what KVM maps in the guest's second-level page tables now */
	CourierCounter courier; /* two-sided memory's */
	ReleaseCounter released;
	TransferCounter transfers[DMA_N_WAYS];
	guint64 refused_touches; /* by threads of other processes, which wait: of windows */
} MemoryStatistics;

/* Names as the monitor and libvirt show them, such as "guest-hypercall". */
const char *conversion_cause_name(ConversionCause cause);
const char *conversion_direction_name(ConversionDirection direction);

/* The same of ways, such as "registered". */
const char *dma_way_name(DmaWay way);

/* The clock that what is counted is timed by. */
gint64 statistics_now_ns(void);

/* Adds one conversion of @bytes that took @time_ns to @counter. */
void conversion_counter_add(ConversionCounter *counter, guint64 bytes, guint64 time_ns);
