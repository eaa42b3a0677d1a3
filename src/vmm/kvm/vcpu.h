/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vcpu.h - the guest's processors: their threads and their exits
 *
 * Theory of operation
 *
 * A VcpuSet owns the guest's vCPUs and one thread for each. A vCPU thread runs KVM_RUN and
 * hands each exit to the handlers of its owner (ports, MMIO) or to the memory engine
 * (hypercalls, memory faults).
 *
 * Each passes a gate (gate.h) before KVM_RUN, which the machine closes to pause and the memory
 * engine while a page's content is in flight. docs/memory-engine.md has the argument in full.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/gate.h"
#include "vmm/kvm/vm.h"
#include "vmm/memory/memory.h"

typedef struct VcpuSet VcpuSet;

#define VCPU_MAX GATE_MAX

/*
 * What the owner of a VcpuSet does for it. Each is called on a vCPU's thread, outside
 * KVM_RUN, with no lock of the VcpuSet or of the memory engine held; each may touch guest
 * memory.
 */
typedef struct {
	/* @count items of @size bytes (1, 2, 4) at @data, as KVM_EXIT_IO hands them over. */
	void (*port)(void *opaque, gboolean is_write, guint16 port, guint size, guint count,
		     guint8 *data);
	/* 1 to 8 bytes at @data, as KVM_EXIT_MMIO hands them over. */
	void (*mmio)(void *opaque, gboolean is_write, guint64 gpa, guint size, guint8 *data);
	/* The guest's processor shut itself down (triple fault). */
	void (*shutdown)(void *opaque, guint index);
	/* The vCPU cannot go on; its thread waits from then on. @error is only lent. */
	void (*failed)(void *opaque, guint index, const GError *error);
	/*
	 * The host had no memory for the guest. The vCPU tries again as soon as it may run.
	 * @error is only lent.
	 */
	void (*no_memory)(void *opaque, guint index, const GError *error);
} VcpuHandlers;

typedef struct {
	guint count;	     /* 1 to VCPU_MAX */
	const CpuModel *cpu; /* its topology has been checked; only lent to vcpu_set_new() */
	const VcpuHandlers *handlers;
	void *opaque; /* for the handlers */
} VcpuConfig;

/* Registers of the boot processor at its first instruction, in 64-bit mode. */
typedef struct {
	guint64 rip;
	guint64 rdi;
	guint64 rsi;
	guint64 rsp;
	guint64 cr3; /* page tables, filled by whoever boots */
	guint64 gdt_base;
	guint16 gdt_limit;
	guint16 cs_selector;
	guint16 ds_selector;
} VcpuBootState;

/*
 * vcpu_check_limits - whether this host's KVM takes as many vCPUs, and with such ids
 *
 * Before the memory engine is made, which has one of its own with two-sided memory.
 *
 * Return: FALSE with an error that names KVM's limit.
 */
gboolean vcpu_check_limits(KvmVm *vm, const VcpuConfig *config, GError **error);

/*
 * vcpu_set_new - makes the vCPUs, which have no threads yet
 *
 * Before the memory engine is made: KVM hands an interrupt of the 8259 to the first vCPU made that
 * takes such interrupts, and one whose local APIC is off, as a courier's is, takes them all.
 */
VcpuSet *vcpu_set_new(KvmVm *vm, const VcpuConfig *config, GError **error);

/* vcpu_set_start - gives each vCPU its thread, which waits; @memory must stay until vcpu_set_free()
 */
gboolean vcpu_set_start(VcpuSet *set, Memory *memory, GError **error);

/* Ends every vCPU thread and waits for it, then frees. */
void vcpu_set_free(VcpuSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VcpuSet, vcpu_set_free)

guint vcpu_set_count(const VcpuSet *set);

/* Thread id (gettid) of one vCPU's thread, for query-cpus-fast and for thread pinning. */
pid_t vcpu_set_thread_id(const VcpuSet *set, guint index);

/* Sets the boot processor up; only while paused. The others wait for INIT and SIPI. */
gboolean vcpu_set_boot(VcpuSet *set, const VcpuBootState *state, GError **error);

/*
 * Only while paused: what made a vCPU leave KVM_RUN late, such as a touch that was waiting,
 * is of no interest any more. vcpu_set_reset() has to follow.
 */
void vcpu_set_begin_reset(VcpuSet *set);

/* Every register of every vCPU back to what it was when it was made; only while paused. */
gboolean vcpu_set_reset(VcpuSet *set, GError **error);

/* A new set is paused. vcpu_set_resume() opens the gates. */
void vcpu_set_resume(VcpuSet *set);

/*
 * vcpu_set_pause - close every gate and wait until each vCPU is outside KVM_RUN or blocked
 * on a host touch (which it then finishes, and leaves)
 *
 * What a vCPU's hypercall still has to convert waits for vcpu_set_resume(); a reset forgets it.
 * The memory engine's courier has come back from a trip that was under way.
 *
 * Not from a vCPU's own thread. Idempotent.
 */
void vcpu_set_pause(VcpuSet *set);

/* Closes the gates without waiting; may be called from a vCPU's thread or the memory thread. */
void vcpu_set_request_pause(VcpuSet *set);
