/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.h - what guests of one flat binary need: ports, the serial line, the hypercall */
#pragma once

#include <stdint.h>

#define GUEST_PAGE_SIZE		4096ull

#define GUEST_SERIAL		0x3f8
#define GUEST_SERIAL_STATUS	(GUEST_SERIAL + 5)
#define GUEST_SERIAL_DATA_READY 0x01

/* Attributes of guest_map(). */
#define GUEST_MAP_SHARED  0
#define GUEST_MAP_PRIVATE 0x10

static inline uint8_t guest_in8(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void guest_out8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void guest_print(const char *text)
{
	while (*text)
		guest_out8(GUEST_SERIAL, *text++);
}

static inline char guest_read_character(void)
{
	while (!(guest_in8(GUEST_SERIAL_STATUS) & GUEST_SERIAL_DATA_READY))
		asm volatile("pause");
	return guest_in8(GUEST_SERIAL);
}

static inline int guest_is_intel(void)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx == 0x756e6547; /* "Genu" */
}

/* KVM_HC_MAP_GPA_RANGE. The wrong one of the two instructions KVM would have to patch. */
static inline int64_t guest_map(int is_intel, uint64_t gpa, uint64_t pages, uint64_t attributes)
{
	int64_t result = 12;

	if (is_intel)
		asm volatile("vmcall"
			     : "+a"(result)
			     : "b"(gpa), "c"(pages), "d"(attributes)
			     : "memory");
	else
		asm volatile("vmmcall"
			     : "+a"(result)
			     : "b"(gpa), "c"(pages), "d"(attributes)
			     : "memory");
	return result;
}
