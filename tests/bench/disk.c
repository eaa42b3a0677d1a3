/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.c - a payload that reads and writes a virtio disk on command, and times that
 *
 * Theory of operation
 *
 * The disk is the only function behind the root port in slot 1 of bus 0. The payload gives it and
 * the port their addresses, since there is no firmware, and drives its first queue: a split ring
 * without interrupts. It polls instead, so that what is compared is the way of the data, and not
 * how an interrupt comes to a processor.
 *
 * A command is a line on the serial port: five decimal numbers, WRITE SIZE DEPTH COUNT RANDOM.
 * COUNT requests of SIZE bytes are made, DEPTH of them under way at any time, one behind the other
 * or anywhere on the disk. The answer is a line with a number: the ticks of the TSC that it took;
 * or one that says what failed.
 *
 * There is no SSE, no IDT and no interrupt here; see "Payload" in docs/machine.md. Virtio is
 * described in Virtual I/O Device (VIRTIO) 1.3: the transport in 4.1, split rings in 2.7, the disk
 * in 5.2.
 */
#include <stddef.h>
#include <stdint.h>

#include "guest.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define PORT_SLOT      1
#define DISK_BUS       1

/* Of PCI's configuration space. */
#define PCI_COMMAND	      0x04
#define PCI_BAR_1	      0x14
#define PCI_BAR_4	      0x20
#define PCI_BUS_NUMBERS	      0x18
#define PCI_MEMORY_WINDOW     0x20
#define PCI_CAPABILITIES      0x34
#define PCI_MEMORY_AND_MASTER 0x6
#define PCI_VENDOR_CAPABILITY 0x09

/* Where the disk's registers go: nothing else is there. */
#define STRUCTURES    0xc0000000u
#define MSIX	      0xc0010000u
#define MEMORY_WINDOW 0xc000c000u /* 1 MiB: limit and base, in 64 KiB */

enum { COMMON_STRUCTURE = 1, NOTIFY_STRUCTURE = 2, DEVICE_STRUCTURE = 4 };

/* Offsets in the common structure. */
#define DRIVER_FEATURE_SELECT  8
#define DRIVER_FEATURE	       12
#define DEVICE_STATUS	       20
#define QUEUE_SELECT	       22
#define QUEUE_SIZE	       24
#define QUEUE_ENABLE	       28
#define QUEUE_NOTIFY_OFFSET    30
#define QUEUE_DESCRIPTORS      32
#define QUEUE_DRIVER	       40
#define QUEUE_DEVICE	       48

#define ACKNOWLEDGE_AND_DRIVER 3
#define FEATURES_OK	       8
#define DRIVER_OK	       4

#define RING_SIZE	       128
#define DEPTH_MAX	       (RING_SIZE / 4)
#define NEXT		       1
#define WRITE		       2
#define NO_INTERRUPT	       1
#define NO_NOTIFY	       1

#define SECTOR		       512
#define TYPE_IN		       0
#define TYPE_OUT	       1
#define STATUS_OK	       0

#define RINGS		       0x800000u /* three pages */
#define HEADERS		       0x810000u
#define DATA		       0x2000000u
#define SIZE_MAX_OF_REQUEST    (1u << 20)

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct available {
	uint16_t flags;
	uint16_t index;
	uint16_t ring[RING_SIZE];
};

struct used {
	uint16_t flags;
	uint16_t index;
	struct {
		uint32_t id;
		uint32_t length;
	} ring[RING_SIZE];
};

struct header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
	uint8_t status;
	uint8_t padding[47];
};

struct command {
	uint64_t is_write;
	uint64_t size;
	uint64_t depth;
	uint64_t count;
	uint64_t is_random;
};

static uintptr_t common, notify, configuration;
static uint64_t sectors;
static uint64_t random_state = 88172645463325252ull;
static uint16_t submitted, completed;

static volatile struct descriptor *const descriptors = (void *)(uintptr_t)RINGS;
static volatile struct available *const available = (void *)(uintptr_t)(RINGS + GUEST_PAGE_SIZE);
static volatile struct used *const used = (void *)(uintptr_t)(RINGS + 2 * GUEST_PAGE_SIZE);
static volatile struct header *const headers = (void *)(uintptr_t)HEADERS;

static inline void out32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void write32(uintptr_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static void write16(uintptr_t address, uint16_t value)
{
	*(volatile uint16_t *)address = value;
}

static uint32_t read32(uintptr_t address)
{
	return *(volatile uint32_t *)address;
}

static uint16_t read16(uintptr_t address)
{
	return *(volatile uint16_t *)address;
}

static void write_status(uint8_t status)
{
	*(volatile uint8_t *)(common + DEVICE_STATUS) = status;
}

/* Ordered against what is timed: nothing moves across it. */
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void print_number(uint64_t number)
{
	char digits[21];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do {
		digits[--i] = '0' + number % 10;
		number /= 10;
	} while (number);
	guest_print(digits + i);
}

/* The number up to the next character that is no digit. */
static uint64_t read_number(void)
{
	uint64_t number = 0;
	char digit;

	while ((digit = guest_read_character()) >= '0' && digit <= '9')
		number = number * 10 + (digit - '0');
	return number;
}

static uint32_t config_address(uint32_t bus, uint32_t slot, uint32_t offset)
{
	return 1u << 31 | bus << 16 | slot << 11 | (offset & 0xfc);
}

static uint32_t read_config(uint32_t bus, uint32_t slot, uint32_t offset)
{
	out32(CONFIG_ADDRESS, config_address(bus, slot, offset));
	return in32(CONFIG_DATA);
}

static void write_config(uint32_t bus, uint32_t slot, uint32_t offset, uint32_t value)
{
	out32(CONFIG_ADDRESS, config_address(bus, slot, offset));
	out32(CONFIG_DATA, value);
}

static void place_disk(void)
{
	write_config(0, PORT_SLOT, PCI_BUS_NUMBERS, DISK_BUS << 8 | DISK_BUS << 16);
	write_config(0, PORT_SLOT, PCI_MEMORY_WINDOW, MEMORY_WINDOW);
	write_config(0, PORT_SLOT, PCI_COMMAND, PCI_MEMORY_AND_MASTER);
	write_config(DISK_BUS, 0, PCI_BAR_1, MSIX);
	write_config(DISK_BUS, 0, PCI_BAR_4, STRUCTURES);
	write_config(DISK_BUS, 0, PCI_BAR_4 + 4, 0);
	write_config(DISK_BUS, 0, PCI_COMMAND, PCI_MEMORY_AND_MASTER);
}

/* Each structure is in the same BAR. Return: whether all three are there. */
static int find_structures(void)
{
	uint32_t multiplier = 0, notify_at = 0;

	for (uint32_t at = read_config(DISK_BUS, 0, PCI_CAPABILITIES) & 0xfc; at;
	     at = read_config(DISK_BUS, 0, at) >> 8 & 0xfc) {
		uint32_t first = read_config(DISK_BUS, 0, at);
		uint32_t offset = read_config(DISK_BUS, 0, at + 8);

		if ((first & 0xff) != PCI_VENDOR_CAPABILITY)
			continue;
		switch (first >> 24) {
		case COMMON_STRUCTURE:
			common = STRUCTURES + offset;
			break;
		case NOTIFY_STRUCTURE:
			notify_at = STRUCTURES + offset;
			multiplier = read_config(DISK_BUS, 0, at + 16);
			break;
		case DEVICE_STRUCTURE:
			configuration = STRUCTURES + offset;
			break;
		}
	}
	if (!common || !notify_at || !configuration)
		return 0;
	write16(common + QUEUE_SELECT, 0);
	notify = notify_at + read16(common + QUEUE_NOTIFY_OFFSET) * multiplier;
	return 1;
}

/* Return: NULL, or what is wrong. */
static const char *start_disk(void)
{
	if (read_config(0, PORT_SLOT, 0) == 0xffffffff)
		return "no root port";
	place_disk();
	if (read_config(DISK_BUS, 0, 0) == 0xffffffff)
		return "no function behind the root port";
	if (!find_structures())
		return "no structures of a virtio device";
	write_status(0);
	while (*(volatile uint8_t *)(common + DEVICE_STATUS))
		asm volatile("pause");
	write_status(ACKNOWLEDGE_AND_DRIVER);
	/* VIRTIO_F_VERSION_1 alone. */
	write32(common + DRIVER_FEATURE_SELECT, 0);
	write32(common + DRIVER_FEATURE, 0);
	write32(common + DRIVER_FEATURE_SELECT, 1);
	write32(common + DRIVER_FEATURE, 1);
	write_status(ACKNOWLEDGE_AND_DRIVER | FEATURES_OK);
	if (!(*(volatile uint8_t *)(common + DEVICE_STATUS) & FEATURES_OK))
		return "the device does not take the features";
	available->flags = NO_INTERRUPT;
	write16(common + QUEUE_SELECT, 0);
	write16(common + QUEUE_SIZE, RING_SIZE);
	write32(common + QUEUE_DESCRIPTORS, (uint32_t)(uintptr_t)descriptors);
	write32(common + QUEUE_DESCRIPTORS + 4, 0);
	write32(common + QUEUE_DRIVER, (uint32_t)(uintptr_t)available);
	write32(common + QUEUE_DRIVER + 4, 0);
	write32(common + QUEUE_DEVICE, (uint32_t)(uintptr_t)used);
	write32(common + QUEUE_DEVICE + 4, 0);
	write16(common + QUEUE_ENABLE, 1);
	write_status(ACKNOWLEDGE_AND_DRIVER | FEATURES_OK | DRIVER_OK);
	sectors = read32(configuration) | (uint64_t)read32(configuration + 4) << 32;
	return NULL;
}

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void fill_descriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags)
{
	descriptors[index].address = address;
	descriptors[index].length = length;
	descriptors[index].flags = flags;
	descriptors[index].next = index + 1;
}

/* Makes request @number of @command available, in @slot. */
static void submit(const struct command *command, uint64_t number, uint16_t slot)
{
	uint64_t places = sectors * SECTOR / command->size;
	uint64_t place = (command->is_random ? next_random() : number) % places;
	uint16_t head = slot * 4;

	headers[slot].type = command->is_write ? TYPE_OUT : TYPE_IN;
	headers[slot].sector = place * (command->size / SECTOR);
	headers[slot].status = 0xff;
	fill_descriptor(head, (uintptr_t)&headers[slot], 16, NEXT);
	fill_descriptor(head + 1, DATA + (uint64_t)slot * SIZE_MAX_OF_REQUEST, command->size,
			NEXT | (command->is_write ? 0 : WRITE));
	fill_descriptor(head + 2, (uintptr_t)&headers[slot].status, 1, WRITE);
	available->ring[submitted % RING_SIZE] = head;
	asm volatile("" : : : "memory");
	available->index = ++submitted;
	/* Before the device's flags are read: see 2.7.13.4.1. */
	asm volatile("mfence" : : : "memory");
	if (!(used->flags & NO_NOTIFY))
		write16(notify, 0);
}

/* Waits for the next request that is done. Return: its slot, or -1 where it has failed. */
static int await(void)
{
	uint32_t slot;

	while (used->index == completed)
		asm volatile("pause");
	slot = used->ring[completed++ % RING_SIZE].id / 4;
	return slot < DEPTH_MAX && headers[slot].status == STATUS_OK ? (int)slot : -1;
}

/* Return: ticks, or 0 where a request has failed. */
static uint64_t run_command(const struct command *command)
{
	uint64_t began = ticks(), number = 0;

	for (; number < command->depth && number < command->count; number++)
		submit(command, number, number);
	for (uint64_t done = 0; done < command->count; done++) {
		int slot = await();

		if (slot < 0)
			return 0;
		if (number < command->count)
			submit(command, number++, slot);
	}
	return ticks() - began;
}

static int is_sound(const struct command *command)
{
	return command->size >= SECTOR && command->size % SECTOR == 0 &&
	       command->size <= SIZE_MAX_OF_REQUEST && command->depth >= 1 &&
	       command->depth <= DEPTH_MAX;
}

__attribute__((section(".text.start"), noreturn)) void _start(void);

void _start(void)
{
	const char *problem = start_disk();

	guest_print(problem ? problem : "ready");
	guest_print("\n");
	for (;;) {
		struct command command;
		uint64_t taken = 0;

		command.is_write = read_number();
		command.size = read_number();
		command.depth = read_number();
		command.count = read_number();
		command.is_random = read_number();
		if (!problem && is_sound(&command))
			taken = run_command(&command);
		if (taken)
			print_number(taken);
		else
			guest_print("failed");
		guest_print("\n");
	}
}
