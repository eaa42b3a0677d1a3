/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bare-windows.c - what windows into guest_memfd cost without a VMM around them
 *
 * Theory of operation
 *
 * One process, an ordinary VM without processors for the sake of its guest_memfd, and anonymous
 * memory registered with userfaultfd, as the memory engine has it for RAM. One thread answers
 * touches by mapping guest_memfd there, another touches.
 *
 *   PAGES PAGES_A_TIME COUNT
 *
 * Prints one line each time, of nanoseconds for all of the pages:
 *
 *   map    the calls of mmap(), PAGES_A_TIME pages each
 *   wake   the calls of UFFDIO_WAKE for these
 *   touch  what who touches waits, from its first access to its last
 *
 * and at the end "ticks N ns N", by which ticks of the TSC become time. Pages have been used
 * before, so that none is allocated meanwhile.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
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

typedef struct {
	int guest_memfd;
	int userfaultfd;
	uint8_t *ram;
	uint64_t pages;
	/* Of the thread that answers, until it is joined. */
	uint64_t at_a_time;
	uint64_t map_ns;
	uint64_t wake_ns;
} Bare;

static void *map_ram(void *where, int flags)
{
	void *mapping = mmap(where, RAM_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (mapping == MAP_FAILED)
		err(1, "mmap of anonymous memory");
	return mapping;
}

static void make_guest_memfd(Bare *bare)
{
	struct kvm_create_guest_memfd create = {
		.size = RAM_SIZE,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm;
	uint8_t *content;

	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		err(1, "KVM_CREATE_VM");
	bare->guest_memfd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &create);
	if (bare->guest_memfd < 0)
		err(1, "KVM_CREATE_GUEST_MEMFD with GUEST_MEMFD_FLAG_MMAP");
	content = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bare->guest_memfd, 0);
	if (content == MAP_FAILED)
		err(1, "mmap of guest_memfd");
	memset(content, 0x5a, RAM_SIZE);
	munmap(content, RAM_SIZE);
}

static void register_ram(Bare *bare)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)bare->ram, .len = RAM_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (ioctl(bare->userfaultfd, UFFDIO_REGISTER, &range) < 0)
		err(1, "UFFDIO_REGISTER");
}

static void make(Bare *bare)
{
	struct uffdio_api api = { .api = UFFD_API };

	make_guest_memfd(bare);
	bare->userfaultfd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (bare->userfaultfd < 0 || ioctl(bare->userfaultfd, UFFDIO_API, &api) < 0)
		err(1, "userfaultfd");
	bare->ram = map_ram(NULL, 0);
	register_ram(bare);
}

/* Opens windows to the pages from that of @address on, and wakes who waits for them. */
static void answer(Bare *bare, uint64_t address)
{
	uint64_t offset = (address - (uintptr_t)bare->ram) / PAGE * PAGE;
	struct uffdio_range range = {
		.start = (uintptr_t)bare->ram + offset,
		.len = bare->at_a_time * PAGE,
	};
	uint64_t start = now_ns(), mapped;

	if (mmap(bare->ram + offset, range.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 bare->guest_memfd, (off_t)offset) == MAP_FAILED)
		err(1, "mmap of a window");
	mapped = now_ns();
	if (ioctl(bare->userfaultfd, UFFDIO_WAKE, &range) < 0)
		err(1, "UFFDIO_WAKE");
	bare->map_ns += mapped - start;
	bare->wake_ns += now_ns() - mapped;
}

static void *answer_all(void *opaque)
{
	Bare *bare = opaque;

	for (uint64_t left = bare->pages; left; left -= bare->at_a_time) {
		struct uffd_msg event;

		if (read(bare->userfaultfd, &event, sizeof(event)) != sizeof(event) ||
		    event.event != UFFD_EVENT_PAGEFAULT)
			err(1, "reading an event of the userfaultfd");
		answer(bare, event.arg.pagefault.address);
	}
	return NULL;
}

static void touch(Bare *bare)
{
	pthread_t answerer;
	uint64_t start, end;

	bare->map_ns = bare->wake_ns = 0;
	if (pthread_create(&answerer, NULL, answer_all, bare) != 0)
		errx(1, "pthread_create");
	start = now_ns();
	for (uint64_t page = 0; page < bare->pages; page++)
		(void)*(volatile uint8_t *)(bare->ram + page * PAGE);
	end = now_ns();
	pthread_join(answerer, NULL);
	/* Nobody touches meanwhile: to close windows in two steps loses nothing. */
	map_ram(bare->ram, MAP_FIXED);
	register_ram(bare);
	printf("%lu %lu %lu\n", bare->map_ns, bare->wake_ns, end - start);
}

int main(int argc, char **argv)
{
	Bare bare = { 0 };
	uint64_t count;
	Moment start;

	if (argc != 4)
		errx(2, "Usage: bare-windows PAGES PAGES_A_TIME COUNT");
	bare.pages = number(argv[1], 1, PAGES_MAX);
	bare.at_a_time = number(argv[2], 1, bare.pages);
	count = number(argv[3], 1, 1000000);
	if (bare.pages % bare.at_a_time)
		errx(2, "%lu pages cannot be had %lu at a time", bare.pages, bare.at_a_time);
	make(&bare);
	start = moment_now();
	for (uint64_t i = 0; i < count; i++)
		touch(&bare);
	print_ticks(&start);
	return 0;
}
