/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-limits.h - the most that one domain can have, in virtgmemd and in gmem-vmm */
#pragma once

/*
 * Fewer than there are APIC ids, so that topologies whose ids have gaps have some to leave out:
 * see cpu-topology.h.
 */
#define LIMIT_VCPUS	 240

#define LIMIT_NUMA_CELLS 64

/* Bytes. */
#define LIMIT_MEMORY (4ull << 40)
