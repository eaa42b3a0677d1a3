/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu-state.c - a vCPU's registers: for its first instruction, and for a reset */
#include "vmm/kvm/vcpu-state.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/kvm-uapi.h"

#define CR0_PE		(1ull << 0)
#define CR0_ET		(1ull << 4)
#define CR0_PG		(1ull << 31)
#define CR4_PAE		(1ull << 5)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)

#define RFLAGS_RESERVED 2ull

#define MSR_IA32_TSC	0x10u

struct VcpuState {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
	struct kvm_msrs *msrs;
};

static gboolean set_ioctl_error(GError **error, const char *ioctl_name)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "%s: %s", ioctl_name, g_strerror(errno));
	return FALSE;
}

/* Return: KVM's list of MSRs to save, for g_free(). */
static struct kvm_msr_list *get_msr_list(int kvm_fd, GError **error)
{
	struct kvm_msr_list length = { .nmsrs = 0 };
	g_autofree struct kvm_msr_list *list = NULL;

	/* Asked with no room, KVM answers E2BIG and how much is needed. */
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, &length) < 0 && errno != E2BIG) {
		set_ioctl_error(error, "KVM_GET_MSR_INDEX_LIST");
		return NULL;
	}
	list = g_malloc0(sizeof(*list) + length.nmsrs * sizeof(list->indices[0]));
	list->nmsrs = length.nmsrs;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0) {
		set_ioctl_error(error, "KVM_GET_MSR_INDEX_LIST");
		return NULL;
	}
	return g_steal_pointer(&list);
}

/*
 * MSRs one at a time: a vCPU's CPUID may lack one that the list names, and KVM stops at the
 * first that it will not read.
 */
static gboolean save_msrs(VcpuState *state, int kvm_fd, int vcpu_fd, GError **error)
{
	g_autofree struct kvm_msr_list *list = get_msr_list(kvm_fd, error);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one;

	if (!list)
		return FALSE;
	state->msrs =
		g_malloc0(sizeof(*state->msrs) + list->nmsrs * sizeof(state->msrs->entries[0]));
	for (guint i = 0; i < list->nmsrs; i++) {
		/* Time goes on over a reset. */
		if (list->indices[i] == MSR_IA32_TSC)
			continue;
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.entry.index = list->indices[i];
		if (ioctl(vcpu_fd, KVM_GET_MSRS, &one) == 1)
			state->msrs->entries[state->msrs->nmsrs++] = one.entry;
	}
	return TRUE;
}

/* The same for writing: some that can be read cannot be written back, being read-only. */
static void restore_msrs(const VcpuState *state, int vcpu_fd)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one;

	for (guint i = 0; i < state->msrs->nmsrs; i++) {
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.entry = state->msrs->entries[i];
		(void)ioctl(vcpu_fd, KVM_SET_MSRS, &one);
	}
}

VcpuState *vcpu_state_save(int kvm_fd, int vcpu_fd, GError **error)
{
	g_autoptr(VcpuState) state = g_new0(VcpuState, 1);
	const struct {
		unsigned long request;
		const char *name;
		void *data;
	} parts[] = {
		{ KVM_GET_REGS, "KVM_GET_REGS", &state->regs },
		{ KVM_GET_SREGS, "KVM_GET_SREGS", &state->sregs },
		{ KVM_GET_XSAVE, "KVM_GET_XSAVE", &state->xsave },
		{ KVM_GET_XCRS, "KVM_GET_XCRS", &state->xcrs },
		{ KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS", &state->debugregs },
		{ KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS", &state->events },
		{ KVM_GET_LAPIC, "KVM_GET_LAPIC", &state->lapic },
		{ KVM_GET_MP_STATE, "KVM_GET_MP_STATE", &state->mp_state },
	};

	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		if (ioctl(vcpu_fd, parts[i].request, parts[i].data) < 0) {
			set_ioctl_error(error, parts[i].name);
			return NULL;
		}
	}
	if (!save_msrs(state, kvm_fd, vcpu_fd, error))
		return NULL;
	return g_steal_pointer(&state);
}

gboolean vcpu_state_restore(const VcpuState *state, int vcpu_fd, GError **error)
{
	/* SREGS before the rest: the APIC's mode and the control registers come with them. */
	const struct {
		unsigned long request;
		const char *name;
		const void *data;
	} parts[] = {
		{ KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &state->mp_state },
		{ KVM_SET_SREGS, "KVM_SET_SREGS", &state->sregs },
		{ KVM_SET_REGS, "KVM_SET_REGS", &state->regs },
		{ KVM_SET_XCRS, "KVM_SET_XCRS", &state->xcrs },
		{ KVM_SET_XSAVE, "KVM_SET_XSAVE", &state->xsave },
		{ KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", &state->debugregs },
		{ KVM_SET_LAPIC, "KVM_SET_LAPIC", &state->lapic },
		{ KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS", &state->events },
	};

	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		if (ioctl(vcpu_fd, parts[i].request, parts[i].data) < 0)
			return set_ioctl_error(error, parts[i].name);
		/* The deadline timer's MSR needs the APIC's mode, the APIC its base address. */
		if (parts[i].request == KVM_SET_LAPIC)
			restore_msrs(state, vcpu_fd);
	}
	return TRUE;
}

void vcpu_state_free(VcpuState *state)
{
	if (!state)
		return;
	g_free(state->msrs);
	g_free(state);
}

void vcpu_state_set_long_mode(struct kvm_sregs *sregs, guint64 cr3, guint16 cs_selector,
			      guint16 ds_selector)
{
	const struct kvm_segment code = {
		.limit = G_MAXUINT32,
		.selector = cs_selector,
		.type = 11, /* execute and read, accessed */
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = G_MAXUINT32,
		.selector = ds_selector,
		.type = 3, /* read and write, accessed */
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};

	sregs->cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs->cr3 = cr3;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

gboolean vcpu_state_boot(int vcpu_fd, const VcpuBootState *boot, GError **error)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = boot->rip,
		.rdi = boot->rdi,
		.rsi = boot->rsi,
		.rsp = boot->rsp,
		.rflags = RFLAGS_RESERVED,
	};

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return set_ioctl_error(error, "KVM_GET_SREGS");
	vcpu_state_set_long_mode(&sregs, boot->cr3, boot->cs_selector, boot->ds_selector);
	sregs.gdt.base = boot->gdt_base;
	sregs.gdt.limit = boot->gdt_limit;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return set_ioctl_error(error, "KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return set_ioctl_error(error, "KVM_SET_REGS");
	return TRUE;
}
