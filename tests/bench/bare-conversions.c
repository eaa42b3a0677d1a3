/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bare-conversions.c - what conversions cost without a VMM around them
 *
 * Theory of operation
 *
 * One process, one thread, a software-protected VM of its own with one memslot of guest_memfd.
 * It makes the calls that a conversion needs, in a loop, and times each of them. What a call has
 * to do depends on what is there: a private page that no guest has used frees nothing. So a vCPU
 * writes to each page before, as a guest does; its code is in a slot without guest_memfd.
 *
 *   convert PAGES COUNT USE EXIT    as the payload of conversions.c does
 *   touch PAGES PAGES_A_TIME COUNT  as the memory engine does for touches of the host
 *
 * With EXIT, the vCPU runs right before each conversion, as it does where a guest asks for it: the
 * way from a guest to its host leaves caches cold, an emulated processor's above all.
 *
 * Prints one line each time, of nanoseconds a call:
 *
 *   convert  to shared: attribute, punch; to private: attribute, discard (0 without USE)
 *   touch    memcpy, attribute, UFFDIO_COPY, punch
 *
 * and at the end "ticks N ns N", by which ticks of the TSC become time.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "tests/bench/bare.h"

/* The same addresses as with the payload, so that alignment is the same. */
#define CODE_GPA 0x1000ull
#define RAM_GPA	 0x1000000ull

/* write_next: movb $0x5a, (%ebx); add $4096, %ebx; dec %ecx; jnz write_next; hlt */
static const uint8_t write_pages_code[] = {
	0xc6, 0x03, 0x5a, 0x81, 0xc3, 0x00, 0x10, 0x00, 0x00, 0x49, 0x75, 0xf4, 0xf4,
};

typedef struct {
	int kvm;
	int vm;
	int vcpu;
	int guest_memfd;
	struct kvm_run *run;
	uint8_t *ram;
} Bare;

static void *map_anonymous(size_t size)
{
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mapping == MAP_FAILED)
		err(1, "mmap");
	madvise(mapping, size, MADV_NOHUGEPAGE);
	return mapping;
}

static void add_memslot(Bare *bare, uint32_t slot, uint64_t gpa, uint64_t size, void *userspace)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = slot ? KVM_MEM_GUEST_MEMFD : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)userspace,
		.guest_memfd = slot ? bare->guest_memfd : 0,
	};

	if (ioctl(bare->vm, KVM_SET_USER_MEMORY_REGION2, &region) < 0)
		err(1, "KVM_SET_USER_MEMORY_REGION2 of slot %u", slot);
}

static void make_memory(Bare *bare)
{
	struct kvm_create_guest_memfd create = { .size = RAM_SIZE };
	uint8_t *code = map_anonymous(PAGE);

	bare->guest_memfd = ioctl(bare->vm, KVM_CREATE_GUEST_MEMFD, &create);
	if (bare->guest_memfd < 0)
		err(1, "KVM_CREATE_GUEST_MEMFD");
	memcpy(code, write_pages_code, sizeof(write_pages_code));
	bare->ram = map_anonymous(RAM_SIZE);
	add_memslot(bare, 0, CODE_GPA, PAGE, code);
	add_memslot(bare, 1, RAM_GPA, RAM_SIZE, bare->ram);
}

/* 32-bit, flat, without paging: enough to write to a page. */
static void make_vcpu(Bare *bare)
{
	struct kvm_sregs sregs;
	struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 8,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_segment code = data;
	int run_size = ioctl(bare->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	bare->vcpu = ioctl(bare->vm, KVM_CREATE_VCPU, 0);
	if (bare->vcpu < 0)
		err(1, "KVM_CREATE_VCPU");
	bare->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, bare->vcpu, 0);
	if (bare->run == MAP_FAILED)
		err(1, "mapping of the vCPU");
	if (ioctl(bare->vcpu, KVM_GET_SREGS, &sregs) < 0)
		err(1, "KVM_GET_SREGS");
	code.type = 11;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.cr0 |= 1;
	if (ioctl(bare->vcpu, KVM_SET_SREGS, &sregs) < 0)
		err(1, "KVM_SET_SREGS");
}

static void make(Bare *bare)
{
	bare->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (bare->kvm < 0)
		err(1, "/dev/kvm");
	bare->vm = ioctl(bare->kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM);
	if (bare->vm < 0)
		err(1, "KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM)");
	if (ioctl(bare->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0)
		err(1, "KVM_SET_TSS_ADDR");
	make_memory(bare);
	make_vcpu(bare);
}

static void run_vcpu(Bare *bare, const struct kvm_regs *regs)
{
	if (ioctl(bare->vcpu, KVM_SET_REGS, regs) < 0)
		err(1, "KVM_SET_REGS");
	if (ioctl(bare->vcpu, KVM_RUN, 0) < 0)
		err(1, "KVM_RUN");
	if (bare->run->exit_reason != KVM_EXIT_HLT)
		errx(1, "KVM_RUN: exit reason %u", bare->run->exit_reason);
}

/* Has the vCPU write to the first @pages pages. */
static void write_pages(Bare *bare, uint64_t pages)
{
	const struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rflags = 2,
		.rbx = RAM_GPA,
		.rcx = pages,
	};

	run_vcpu(bare, &regs);
}

/* Has the vCPU do nothing but leave the guest: the last instruction above. */
static void exit_guest(Bare *bare)
{
	const struct kvm_regs regs = {
		.rip = CODE_GPA + sizeof(write_pages_code) - 1,
		.rflags = 2,
	};

	run_vcpu(bare, &regs);
}

static void set_attribute(Bare *bare, uint64_t first, uint64_t pages, uint64_t attributes)
{
	struct kvm_memory_attributes set = {
		.address = RAM_GPA + first * PAGE,
		.size = pages * PAGE,
		.attributes = attributes,
	};

	if (ioctl(bare->vm, KVM_SET_MEMORY_ATTRIBUTES, &set) < 0)
		err(1, "KVM_SET_MEMORY_ATTRIBUTES");
}

static void punch(Bare *bare, uint64_t first, uint64_t pages)
{
	if (fallocate(bare->guest_memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * PAGE,
		      pages * PAGE) < 0)
		err(1, "FALLOC_FL_PUNCH_HOLE");
}

static void discard(Bare *bare, uint64_t pages)
{
	if (madvise(bare->ram, pages * PAGE, MADV_DONTNEED) < 0)
		err(1, "MADV_DONTNEED");
}

static void convert(Bare *bare, uint64_t pages, uint64_t use, uint64_t exit_before)
{
	uint64_t shared_start, shared_set, shared_end, private_start, private_set, private_end;

	write_pages(bare, pages);
	if (exit_before)
		exit_guest(bare);
	shared_start = now_ns();
	set_attribute(bare, 0, pages, 0);
	shared_set = now_ns();
	punch(bare, 0, pages);
	shared_end = now_ns();
	if (use)
		write_pages(bare, pages);
	if (exit_before)
		exit_guest(bare);
	private_start = now_ns();
	set_attribute(bare, 0, pages, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	private_set = private_end = now_ns();
	if (use) {
		discard(bare, pages);
		private_end = now_ns();
	}
	printf("%lu %lu %lu %lu\n", shared_set - shared_start, shared_end - shared_set,
	       private_set - private_start, private_end - private_set);
}

static int open_userfaultfd(Bare *bare)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)bare->ram, .len = RAM_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		err(1, "userfaultfd");
	return fd;
}

/* Adds the time since @start to @total and starts anew. */
static void lap(uint64_t *total, uint64_t *start)
{
	uint64_t now = now_ns();

	*total += now - *start;
	*start = now;
}

static void touch(Bare *bare, int userfaultfd, uint64_t pages, uint64_t at_a_time)
{
	static uint8_t source[RAM_SIZE], staging[RAM_SIZE];
	uint64_t copied = 0, set = 0, installed = 0, punched = 0, start;

	write_pages(bare, pages);
	memset(source, 1, at_a_time * PAGE);
	memset(staging, 0, at_a_time * PAGE);
	start = now_ns();
	for (uint64_t first = 0; first < pages; first += at_a_time) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)bare->ram + first * PAGE,
			.src = (uintptr_t)staging,
			.len = at_a_time * PAGE,
		};

		memcpy(staging, source, at_a_time * PAGE);
		lap(&copied, &start);
		set_attribute(bare, first, at_a_time, 0);
		lap(&set, &start);
		if (ioctl(userfaultfd, UFFDIO_COPY, &copy) < 0)
			err(1, "UFFDIO_COPY");
		lap(&installed, &start);
		punch(bare, first, at_a_time);
		lap(&punched, &start);
	}
	set_attribute(bare, 0, pages, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	discard(bare, pages);
	printf("%lu %lu %lu %lu\n", copied, set, installed, punched);
}

static void run_converts(Bare *bare, char **arguments)
{
	uint64_t pages = number(arguments[0], 1, PAGES_MAX);
	uint64_t count = number(arguments[1], 1, 1000000);
	uint64_t use = number(arguments[2], 0, 1);
	uint64_t exit_before = number(arguments[3], 0, 1);

	for (uint64_t i = 0; i < count; i++)
		convert(bare, pages, use, exit_before);
}

static void run_touches(Bare *bare, char **arguments)
{
	uint64_t pages = number(arguments[0], 1, PAGES_MAX);
	uint64_t at_a_time = number(arguments[1], 1, pages);
	uint64_t count = number(arguments[2], 1, 1000000);
	int userfaultfd = open_userfaultfd(bare);

	if (pages % at_a_time)
		errx(2, "%lu pages cannot be had %lu at a time", pages, at_a_time);
	for (uint64_t i = 0; i < count; i++)
		touch(bare, userfaultfd, pages, at_a_time);
}

int main(int argc, char **argv)
{
	Moment start;
	Bare bare;

	if (!(argc == 6 && strcmp(argv[1], "convert") == 0) &&
	    !(argc == 5 && strcmp(argv[1], "touch") == 0))
		errx(2, "Usage: bare-conversions convert PAGES COUNT USE EXIT\n"
			"       bare-conversions touch PAGES PAGES_A_TIME COUNT");
	make(&bare);
	start = moment_now();
	set_attribute(&bare, 0, PAGES_MAX, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	if (strcmp(argv[1], "convert") == 0)
		run_converts(&bare, argv + 2);
	else
		run_touches(&bare, argv + 2);
	print_ticks(&start);
	return 0;
}
