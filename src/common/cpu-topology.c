/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu-topology.c - a processor's place among the others, and its APIC id */
#include "common/cpu-topology.h"

/* Bits that it takes to tell @count numbers apart. */
static guint bits_for(guint count)
{
	return count > 1 ? g_bit_storage(count - 1) : 0;
}

guint cpu_topology_core_shift(const CpuTopology *topology)
{
	return bits_for(topology->threads);
}

guint cpu_topology_die_shift(const CpuTopology *topology)
{
	return cpu_topology_core_shift(topology) + bits_for(topology->cores);
}

guint cpu_topology_socket_shift(const CpuTopology *topology)
{
	return cpu_topology_die_shift(topology) + bits_for(topology->dies);
}

guint cpu_topology_socket_size(const CpuTopology *topology)
{
	return topology->threads * topology->cores * topology->dies;
}

guint64 cpu_topology_count(const CpuTopology *topology)
{
	return (guint64)topology->sockets * cpu_topology_socket_size(topology);
}

CpuPlace cpu_topology_place(const CpuTopology *topology, guint index)
{
	return (CpuPlace){
		.socket = index / cpu_topology_socket_size(topology),
		.die = index / topology->threads / topology->cores % topology->dies,
		.core = index / topology->threads % topology->cores,
		.thread = index % topology->threads,
	};
}

guint32 cpu_topology_apic_id(const CpuTopology *topology, guint index)
{
	CpuPlace place = cpu_topology_place(topology, index);

	return place.thread | place.core << cpu_topology_core_shift(topology) |
	       place.die << cpu_topology_die_shift(topology) |
	       place.socket << cpu_topology_socket_shift(topology);
}
