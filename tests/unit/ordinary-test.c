/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ordinary-test.c - the memory engine with ordinary memory: what a guest gives back */
#include <sys/mman.h>

#include "vmm/memory/engine.h"

#define RAM_SIZE (16ull << 20)
#define GROUND	 (2ull << 20)
#define PAGE	 GUEST_PAGE_SIZE

/* A VM as far as the memory engine asks for one: see vm.h. */
struct KvmVm {
	guint n_memslots;
};

#include "tests/unit/memslots.h"

int kvm_vm_fd(const KvmVm *vm)
{
	(void)vm;
	return -1;
}

int kvm_vm_kvm_fd(const KvmVm *vm)
{
	(void)vm;
	return -1;
}

KvmMemoryKind kvm_vm_memory_kind(const KvmVm *vm)
{
	(void)vm;
	return KVM_MEMORY_ORDINARY;
}

int kvm_vm_create_guest_memfd(KvmVm *vm, guint64 size, guint64 flags, GError **error)
{
	(void)vm;
	(void)size;
	(void)flags;
	(void)error;
	g_assert_not_reached();
}

static guint8 *address(Memory *memory, guint64 gpa)
{
	RamRun run;

	g_assert_true(ram_find(&memory->ram, gpa, PAGE, &run));
	return ram_run_userspace(&run);
}

static gboolean is_there(Memory *memory, guint64 gpa)
{
	unsigned char state;

	g_assert_cmpint(mincore(address(memory, gpa), PAGE, &state), ==, 0);
	return state & 1;
}

static void test_released(void)
{
	const MemoryConfig config = { .size = RAM_SIZE,
				      .pagemap_fd = -1,
				      .userfaultfd_device = -1 };
	g_autoptr(GError) error = NULL;
	MemoryStatistics statistics;
	MemoryPin *pin;
	KvmVm vm = { 0 };
	Memory *memory = memory_new(&vm, &config, &error);

	g_assert_no_error(error);
	for (guint i = 0; i < 4; i++)
		memset(address(memory, GROUND + i * PAGE), 7, PAGE);
	pin = memory_pin(memory, GROUND + PAGE, PAGE, NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(memory_release(memory, GROUND, 3 * PAGE, &error));
	g_assert_false(is_there(memory, GROUND));
	g_assert_true(is_there(memory, GROUND + PAGE));
	g_assert_false(is_there(memory, GROUND + 2 * PAGE));
	g_assert_cmpint(*address(memory, GROUND), ==, 0);
	g_assert_cmpint(*(guint8 *)memory_pin_address(pin), ==, 7);
	g_assert_cmpint(*address(memory, GROUND + 3 * PAGE), ==, 7);
	memory_statistics(memory, &statistics);
	g_assert_cmpuint(statistics.released.private_bytes, ==, 0);
	g_assert_cmpuint(statistics.released.shared_bytes, ==, 2 * PAGE);
	g_assert_cmpuint(statistics.released.pinned_bytes, ==, PAGE);
	memory_unpin(pin);
	g_assert_true(memory_release(memory, 0, 1ull << 45, &error));
	g_assert_cmpint(*address(memory, GROUND + 3 * PAGE), ==, 0);
	memory_free(memory);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ordinary/released", test_released);
	return g_test_run();
}
