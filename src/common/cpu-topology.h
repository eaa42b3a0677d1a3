/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu-topology.h - a processor's place among the others, and its APIC id
 *
 * Theory of operation
 *
 * A processor's APIC id is made of its numbers of socket, die, core and thread, each in as
 * many bits as its largest value takes; that is what CPUID leaves 0xb and 0x1f tell, and how
 * every guest reads an id. Where a count is no power of two, ids have gaps. What is numbered
 * without gaps is the index: 0 to the count of processors.
 *
 * The machine has no interrupt remapping, and without that a device's interrupt reaches APIC
 * ids of 8 bits only: those above 254 would be of processors that no interrupt of a device
 * could go to, and that guests leave out for that reason. So there are none, and the ACPI
 * tables need no x2APIC entries.
 */
#pragma once

#include <glib.h>

/* Each at least 1: sockets, dies in one, cores in a die, threads in a core. */
typedef struct {
	guint sockets;
	guint dies;
	guint cores;
	guint threads;
} CpuTopology;

/* Where a processor is: its socket, the die in that, the core in that, the thread in that. */
typedef struct {
	guint socket;
	guint die;
	guint core;
	guint thread;
} CpuPlace;

/* Largest of the guest's. 255 is xAPIC's broadcast address, and 254 is the courier's. */
#define CPU_TOPOLOGY_MAX_APIC_ID 253

/* Width of an APIC id's part below the core, the die, the socket: what to shift by. */
guint cpu_topology_core_shift(const CpuTopology *topology);
guint cpu_topology_die_shift(const CpuTopology *topology);
guint cpu_topology_socket_shift(const CpuTopology *topology);

/* Processors of one socket. */
guint cpu_topology_socket_size(const CpuTopology *topology);

/*
 * cpu_topology_count - how many processors a topology has
 *
 * None of its numbers may be above LIMIT_VCPUS, so that nothing can wrap, here and below.
 */
guint64 cpu_topology_count(const CpuTopology *topology);

/* Return: the place of processor @index, which the topology has. */
CpuPlace cpu_topology_place(const CpuTopology *topology, guint index);

/* Return: the APIC id of processor @index, which the topology has; the last is the largest. */
guint32 cpu_topology_apic_id(const CpuTopology *topology, guint index);
