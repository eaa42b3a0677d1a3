/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu.c - the guest's processors: their threads and their exits */
#include "vmm/kvm/vcpu.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/kvm/gate.h"
#include "vmm/kvm/kick.h"
#include "vmm/kvm/vcpu-state.h"
#include "vmm/sandbox/sandbox.h"

typedef struct {
	VcpuSet *set;
	guint index;
	int fd;
	struct kvm_run *run;
	VcpuState *reset_state;
	GThread *thread;
	pthread_t pthread; /* of @thread, for kicks */
} Vcpu;

struct VcpuSet {
	KvmVm *vm;
	Memory *memory;
	GateSet *gates;
	const VcpuHandlers *handlers;
	void *opaque;
	gsize run_size;
	guint count;
	Vcpu vcpus[VCPU_MAX];
};

/* Catches a thread that is about to enter; the signal catches one that is in. */
static void kick(gpointer opaque, guint index)
{
	VcpuSet *set = opaque;
	Vcpu *vcpu = &set->vcpus[index];

	vcpu->run->immediate_exit = 1;
	pthread_kill(vcpu->pthread, KICK_SIGNAL);
}

static void fail(Vcpu *vcpu, const GError *error)
{
	gate_close(vcpu->set->gates, vcpu->index, GATE_FAILED);
	vcpu->set->handlers->failed(vcpu->set->opaque, vcpu->index, error);
}

/* What KVM_INTERNAL_ERROR_* stands for; translated. */
static const char *internal_error_meaning(guint32 suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return _("KVM cannot emulate an instruction of the guest");
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return _("two exceptions of the guest came at once");
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return _("the guest left for the host while an event was delivered to it");
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return _("KVM does not know why the guest has left for the host");
	default:
		return _("KVM does not say what that is");
	}
}

/* The words that KVM has left beside an internal error, each after a space; g_free() it. */
static char *internal_error_data(const struct kvm_run *run)
{
	const guint32 n_words = MIN(run->internal.ndata, G_N_ELEMENTS(run->internal.data));
	GString *text = g_string_new(NULL);

	for (guint32 i = 0; i < n_words; i++)
		g_string_append_printf(text, " %#" PRIx64, (guint64)run->internal.data[i]);
	return g_string_free(text, FALSE);
}

/* Reports an exit that no handler knows, with what KVM says of it. */
static void fail_exit(Vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	g_autoptr(GError) error = NULL;

	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		g_set_error(&error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("vCPU %u: KVM_EXIT_FAIL_ENTRY, hardware reason %#" PRIx64
			      ": the processor refused the guest's state"),
			    vcpu->index, (guint64)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR: {
		g_autofree char *data = internal_error_data(run);

		g_set_error(&error, KVM_ERROR, KVM_ERROR_GUEST,
			    _("vCPU %u: KVM_EXIT_INTERNAL_ERROR, suberror %u: %s (data:%s)"),
			    vcpu->index, run->internal.suberror,
			    internal_error_meaning(run->internal.suberror), data);
		break;
	}
	default:
		g_set_error(&error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("vCPU %u: unknown exit reason %u"), vcpu->index, run->exit_reason);
		break;
	}
	fail(vcpu, error);
}

/* A conversion is carried out in slices; a reset or the end makes it forget the rest. */
static void map_gpa_range(Vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	Memory *memory = vcpu->set->memory;
	GateSet *gates = vcpu->set->gates;
	MapGpaRange range;

	memory_map_gpa_range_begin(memory, run->hypercall.args[0], run->hypercall.args[1],
				   run->hypercall.args[2], &range);
	while (!range.is_done) {
		if (!gate_begin_slice(gates, vcpu->index))
			return;
		memory_map_gpa_range_slice(memory, &range);
		gate_end_slice(gates, vcpu->index);
	}
	run->hypercall.ret = (guint64)range.result;
}

static void handle_hypercall(Vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	/* No other hypercall was asked to be handed over. */
	if (run->hypercall.nr == KVM_HC_MAP_GPA_RANGE)
		map_gpa_range(vcpu);
	else
		run->hypercall.ret = (guint64)-KVM_ENOSYS;
}

static void handle_exit(Vcpu *vcpu)
{
	VcpuSet *set = vcpu->set;
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		set->handlers->port(set->opaque, run->io.direction == KVM_EXIT_IO_OUT, run->io.port,
				    run->io.size, run->io.count,
				    (guint8 *)run + run->io.data_offset);
		break;
	case KVM_EXIT_MMIO:
		set->handlers->mmio(set->opaque, run->mmio.is_write, run->mmio.phys_addr,
				    run->mmio.len, run->mmio.data);
		break;
	case KVM_EXIT_HYPERCALL:
		handle_hypercall(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		set->handlers->shutdown(set->opaque, vcpu->index);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	default:
		fail_exit(vcpu);
		break;
	}
}

/* KVM_RUN returned -1. */
static void handle_run_error(Vcpu *vcpu, int run_errno)
{
	const KvmMemoryFaultExit *fault = (const void *)&vcpu->run->hw;
	g_autoptr(GError) error = NULL;

	/* EAGAIN: a processor that waited for INIT got it. */
	if (run_errno == EINTR || run_errno == EAGAIN)
		return;
	if (run_errno == EFAULT && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
		if (!memory_fault(vcpu->set->memory, fault->gpa, fault->size, fault->flags, &error))
			fail(vcpu, error);
		return;
	}
	if (vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
		g_set_error(&error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("vCPU %u: KVM_EXIT_MEMORY_FAULT at gpa %#" PRIx64 ": %s"),
			    vcpu->index, (guint64)fault->gpa, g_strerror(run_errno));
	} else {
		g_set_error(&error, KVM_ERROR, KVM_ERROR_SYSTEM, _("vCPU %u: KVM_RUN: %s"),
			    vcpu->index, g_strerror(run_errno));
	}
	if (run_errno == ENOMEM)
		vcpu->set->handlers->no_memory(vcpu->set->opaque, vcpu->index, error);
	else
		fail(vcpu, error);
}

static gpointer run_vcpu(gpointer data)
{
	Vcpu *vcpu = data;
	GateSet *gates = vcpu->set->gates;

	memory_attach_thread(vcpu->set->memory);
	sandbox_enter_thread(SANDBOX_THREAD_VCPU);
	vcpu->pthread = pthread_self();
	gate_attach(gates, vcpu->index);

	for (;;) {
		int result, run_errno;

		/* Of the last kick; the next can only come when it is inside. */
		vcpu->run->immediate_exit = 0;
		if (!gate_enter(gates, vcpu->index))
			return NULL;
		result = ioctl(vcpu->fd, KVM_RUN, 0);
		run_errno = errno;
		if (!gate_leave(gates, vcpu->index))
			continue;
		if (result < 0)
			handle_run_error(vcpu, run_errno);
		else
			handle_exit(vcpu);
	}
}

static gboolean set_vcpu_error(GError **error, guint index, const char *what)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, _("vCPU %u: %s: %s"), index, what,
		    g_strerror(errno));
	return FALSE;
}

/* Makes the vCPU itself, with its CPUID and its reset state; no thread yet. */
static gboolean create_vcpu(Vcpu *vcpu, const CpuModel *cpu, GError **error)
{
	VcpuSet *set = vcpu->set;
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new(set->vm, cpu, vcpu->index, error);
	void *run;

	if (!cpuid)
		return FALSE;
	/* KVM takes a vCPU's id for its APIC id. */
	vcpu->fd = ioctl(kvm_vm_fd(set->vm), KVM_CREATE_VCPU,
			 cpu_topology_apic_id(&cpu->topology, vcpu->index));
	if (vcpu->fd < 0)
		return set_vcpu_error(error, vcpu->index, "KVM_CREATE_VCPU");
	run = mmap(NULL, set->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return set_vcpu_error(error, vcpu->index, "mmap(struct kvm_run)");
	vcpu->run = run;
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return set_vcpu_error(error, vcpu->index, "KVM_SET_CPUID2");
	vcpu->reset_state = vcpu_state_save(kvm_vm_kvm_fd(set->vm), vcpu->fd, error);
	return vcpu->reset_state != NULL;
}

static gboolean start_thread(Vcpu *vcpu, GError **error)
{
	g_autofree char *name = g_strdup_printf("CPU %u/KVM", vcpu->index);

	vcpu->thread = g_thread_try_new(name, run_vcpu, vcpu, error);
	if (!vcpu->thread)
		return FALSE;
	gate_await_attached(vcpu->set->gates, vcpu->index);
	return TRUE;
}

gboolean vcpu_check_limits(KvmVm *vm, const VcpuConfig *config, GError **error)
{
	guint max_vcpus = kvm_support_max_vcpus(kvm_vm_fd(vm));
	int ids = ioctl(kvm_vm_fd(vm), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);
	/* As KVM's documentation has it for one that does not say. */
	guint ids_end = ids > 0 ? (guint)ids : max_vcpus;
	guint own = kvm_vm_memory_kind(vm) == KVM_MEMORY_TWO_SIDED ? 1 : 0;
	guint32 last_id = cpu_topology_apic_id(&config->cpu->topology, config->count - 1);

	if (config->count + own > max_vcpus) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    own ? _("this host's KVM has %u vCPUs at most (KVM_CAP_MAX_VCPUS), one "
				    "of which the memory engine needs: %u are too many") :
				  _("this host's KVM has %u vCPUs at most (KVM_CAP_MAX_VCPUS): %u "
				    "are too many"),
			    max_vcpus, config->count);
		return FALSE;
	}
	if (last_id >= ids_end) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("this host's KVM has vCPU ids below %u (KVM_CAP_MAX_VCPU_ID): the "
			      "last processor would have APIC id %u"),
			    ids_end, last_id);
		return FALSE;
	}
	return TRUE;
}

VcpuSet *vcpu_set_new(KvmVm *vm, const VcpuConfig *config, GError **error)
{
	g_autoptr(VcpuSet) set = g_new0(VcpuSet, 1);
	int run_size = ioctl(kvm_vm_kvm_fd(vm), KVM_GET_VCPU_MMAP_SIZE, 0);

	g_return_val_if_fail(config->count >= 1 && config->count <= VCPU_MAX, NULL);

	kick_install_handler();
	set->vm = vm;
	set->handlers = config->handlers;
	set->opaque = config->opaque;
	set->count = config->count;
	set->gates = gate_set_new(set->count, kick, set);
	set->run_size = MAX(run_size, 0);
	for (guint i = 0; i < set->count; i++) {
		Vcpu *vcpu = &set->vcpus[i];

		vcpu->set = set;
		vcpu->index = i;
		vcpu->fd = -1;
	}
	if (run_size < (int)sizeof(struct kvm_run)) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "KVM_GET_VCPU_MMAP_SIZE: %s",
			    g_strerror(errno));
		return NULL;
	}
	for (guint i = 0; i < set->count; i++) {
		if (!create_vcpu(&set->vcpus[i], config->cpu, error))
			return NULL;
	}
	return g_steal_pointer(&set);
}

gboolean vcpu_set_start(VcpuSet *set, Memory *memory, GError **error)
{
	set->memory = memory;
	for (guint i = 0; i < set->count; i++) {
		if (!start_thread(&set->vcpus[i], error))
			return FALSE;
	}
	memory_set_gates(memory, set->gates);
	return TRUE;
}

void vcpu_set_free(VcpuSet *set)
{
	if (!set)
		return;
	gate_set_close(set->gates, GATE_STOP);
	/* From here on nobody waits for a host touch to be served. */
	if (set->memory)
		memory_set_gates(set->memory, NULL);
	for (guint i = 0; i < set->count; i++) {
		Vcpu *vcpu = &set->vcpus[i];

		if (vcpu->thread)
			g_thread_join(vcpu->thread);
		g_clear_pointer(&vcpu->reset_state, vcpu_state_free);
		if (vcpu->run)
			munmap(vcpu->run, set->run_size);
		if (vcpu->fd >= 0)
			close(vcpu->fd);
	}
	gate_set_free(set->gates);
	g_free(set);
}

guint vcpu_set_count(const VcpuSet *set)
{
	return set->count;
}

pid_t vcpu_set_thread_id(const VcpuSet *set, guint index)
{
	g_return_val_if_fail(index < set->count, 0);
	return gate_thread_id(set->gates, index);
}

gboolean vcpu_set_boot(VcpuSet *set, const VcpuBootState *state, GError **error)
{
	return vcpu_state_boot(set->vcpus[0].fd, state, error);
}

/*
 * Lets KVM finish an instruction that stopped half-way in an exit: its end would otherwise
 * come after, and change, the registers that are about to be set.
 */
static void finish_instruction(Vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	(void)ioctl(vcpu->fd, KVM_RUN, 0);
	vcpu->run->immediate_exit = 0;
}

void vcpu_set_begin_reset(VcpuSet *set)
{
	gate_set_close(set->gates, GATE_RESET);
}

gboolean vcpu_set_reset(VcpuSet *set, GError **error)
{
	for (guint i = 0; i < set->count; i++)
		finish_instruction(&set->vcpus[i]);
	for (guint i = 0; i < set->count; i++) {
		Vcpu *vcpu = &set->vcpus[i];
		g_autoptr(GError) cause = NULL;

		if (!vcpu_state_restore(vcpu->reset_state, vcpu->fd, &cause)) {
			g_set_error(error, cause->domain, cause->code, _("vCPU %u: %s"), i,
				    cause->message);
			return FALSE;
		}
		gate_open(set->gates, i, GATE_FAILED | GATE_RESET);
	}
	return TRUE;
}

void vcpu_set_resume(VcpuSet *set)
{
	/* Touches that stall from here on have not been waiting for this. */
	const guint n_stalled = memory_count_stalled_touches(set->memory);

	gate_set_open(set->gates, GATE_PAUSE);
	memory_retry_host_touches(set->memory, n_stalled);
}

void vcpu_set_request_pause(VcpuSet *set)
{
	gate_set_close(set->gates, GATE_PAUSE);
}

void vcpu_set_pause(VcpuSet *set)
{
	gate_set_pause(set->gates);
	memory_settle(set->memory);
}
