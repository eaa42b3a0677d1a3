/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent.c - a guest that does to its memory what it is told over the serial port
 *
 * Theory of operation
 *
 * The first processor reads lines and has each carried out by the processor that it names:
 *
 *     PROCESSOR OPERATION [ARGUMENT...]
 *
 * Numbers are hexadecimal. It answers "= RESULT DETAIL" when the operation is done. With '&'
 * before its name the operation is only begun, and "PROCESSOR join" answers for it; so the
 * first processor, which reads the lines, cannot be the one. Nothing here uses memory that
 * a test converts: that is from 4 MiB on.
 *
 * Processors that wait are halted, so that a guest with nothing to do leaves its host to the
 * tests. The first one waits for the serial port's interrupt, which comes by the 8259 and is
 * let in while it is halted only. What tests send to its APIC stays in the APIC meanwhile, for
 * them to see: the task priority holds it back, and what is more urgent than that is dropped.
 */
#include "guest.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum {
	MAX_PROCESSORS = 240,
	MAX_ARGUMENTS = 4,
	START_PAGE = 0x8000,
	PARKING_PAGE = 0x9000,

	PORT_NOTHING = 0x80,
	PORT_DEBUG_EXIT = 0xf4,
	PORT_FW_CFG_DMA_LOW = 0x518,
	/* The first 8259; what is written to it has these names in its data sheet. */
	PORT_PIC_ICW1 = 0x20,
	PORT_PIC_MASK = 0x21,
	ICW1_EDGES_ICW4 = 0x11,
	ICW2_VECTOR = 0x20,
	ICW3_CASCADE = 0x04,
	ICW4_8086_AUTOMATIC_END = 0x03,
	TIMER_INPUT = 0,
	SERIAL_INPUT = 4,
	/* Channel 0 of the 8254, as its data sheet calls it: both bytes, mode 0. */
	PORT_PIT_COUNTER = 0x40,
	PORT_PIT_CONTROL = 0x43,
	CONTROL_COUNTER0_BOTH_MODE0 = 0x30,
	PIT_MILLISECOND = 1193,
	PORT_SERIAL_INTERRUPTS = GUEST_SERIAL + 1,
	SERIAL_RECEIVED = 1 << 0,
	PORT_SERIAL_FIFO = GUEST_SERIAL + 2,
	SERIAL_FIFO_ON = 1 << 0,
	PORT_SERIAL_MODEM = GUEST_SERIAL + 4,
	SERIAL_OUT2 = 1 << 3,
	PORT_RESET = 0xcf9,
	RESET_NOW = 6,

	FW_CFG_READ = 1 << 1,
	FW_CFG_SELECT = 1 << 3,
	FW_CFG_SIGNATURE_SIZE = 4,

	MSR_KVM_SYSTEM_TIME_NEW = 0x4b564d01,

	MSR_APIC_BASE = 0x1b,
	APIC_BASE_X2APIC = 1 << 10,
	APIC_BASE_ENABLE = 1 << 11,
	MSR_X2APIC_TASK_PRIORITY = 0x808,
	BELOW_THE_HIGHEST = 0xe0,
	MSR_X2APIC_ICR = 0x830,
	XAPIC_ICR_LOW = 0xfee00300,
	XAPIC_ICR_HIGH = 0xfee00310,
	ICR_INIT_ALL_OTHERS = 0xc4500,
	ICR_START_ALL_OTHERS = 0xc4600,
	START_OTHERS = ICR_START_ALL_OTHERS | START_PAGE / GUEST_PAGE_SIZE,

	ICR_NMI = 0x4400,

	PAUSES_BEFORE_SIPI = 1 << 20,
	PAUSES_BEFORE_NMI = 1 << 12,
};

/* Where in a page the counters are: of each processor, and one of all. */
enum { COMMON_COUNTER = 0x800 };

typedef struct {
	/* Set by the first processor, cleared by the one that is done. */
	volatile u64 operation;
	u64 arguments[MAX_ARGUMENTS];
	u64 result;
	u64 detail;
	volatile u64 is_up;
	volatile u64 is_taken; /* the operation: its processor is awake */
} Mailbox;

/* start.S */
void first_main(u64 memory, u64 processors);
void ap_main(u64 processor);
extern u8 ap_start[], ap_end[];
extern u32 ap_page_tables;

static Mailbox mailboxes[MAX_PROCESSORS];
static volatile u64 stop_counting;
static volatile u64 interrupts; /* that the first processor has had, beside NMIs */
static u64 n_processors;
static int is_intel;

enum { NMI_VECTOR = 2, FIRST_INTERRUPT = 0x20, N_VECTORS = 256 };

/* A gate of an interrupt descriptor table in 64-bit mode. */
static struct __attribute__((packed)) {
	u16 offset_low;
	u16 selector;
	u16 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
} gates[N_VECTORS];

static void write_msr(u32 number, u64 value)
{
	asm volatile("wrmsr" : : "c"(number), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static u64 read_msr(u32 number)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
	return low | (u64)high << 32;
}

static u64 in(u16 port, u64 size)
{
	u32 value = 0;

	if (size == 1)
		asm volatile("inb %1, %b0" : "+a"(value) : "d"(port));
	else if (size == 2)
		asm volatile("inw %1, %w0" : "+a"(value) : "d"(port));
	else
		asm volatile("inl %1, %0" : "+a"(value) : "d"(port));
	return value;
}

static void out(u16 port, u64 size, u32 value)
{
	if (size == 1)
		asm volatile("outb %b0, %1" : : "a"(value), "d"(port));
	else if (size == 2)
		asm volatile("outw %w0, %1" : : "a"(value), "d"(port));
	else
		asm volatile("outl %0, %1" : : "a"(value), "d"(port));
}

/* Writes one byte and then another to a port, again and again. */
static void toggle(u16 port, u8 one, u8 other, u64 rounds)
{
	for (u64 i = 0; i < rounds; i++) {
		out(port, 1, one);
		out(port, 1, other);
	}
}

/* One access of 1, 2, 4 or 8 bytes. */
static u64 load(u64 gpa, u64 size)
{
	switch (size) {
	case 1:
		return *(volatile u8 *)gpa;
	case 2:
		return *(volatile u16 *)gpa;
	case 4:
		return *(volatile u32 *)gpa;
	default:
		return *(volatile u64 *)gpa;
	}
}

static void store(u64 gpa, u64 size, u64 value)
{
	switch (size) {
	case 1:
		*(volatile u8 *)gpa = value;
		break;
	case 2:
		*(volatile u16 *)gpa = value;
		break;
	case 4:
		*(volatile u32 *)gpa = value;
		break;
	default:
		*(volatile u64 *)gpa = value;
	}
}

static void write32(u64 gpa, u32 value)
{
	*(volatile u32 *)gpa = value;
}

/* Without zeroes before it: each digit is an exit. */
static void print_number(u64 number)
{
	int shift = 60;

	while (shift > 0 && !(number >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		guest_out8(GUEST_SERIAL, "0123456789abcdef"[number >> shift & 15]);
}

static u64 hypercall(u64 gpa, u64 pages, u64 attributes)
{
	return (u64)guest_map(is_intel, gpa, pages, attributes);
}

/* How much of a range is accessed next: an access costs an exit where there is no memory. */
static u64 step(u64 gpa, u64 other, u64 end)
{
	return (gpa | other) % sizeof(u64) || end - gpa < sizeof(u64) ? 1 : sizeof(u64);
}

/* How many bytes of a number are not zero. */
static u64 count_bytes(u64 number)
{
	u64 n = 0;

	for (; number; number >>= 8)
		n += (u8)number != 0;
	return n;
}

static u64 repeated(u8 byte, u64 size)
{
	return size == 1 ? byte : byte * 0x0101010101010101ull;
}

static void fill(u64 gpa, u64 size, u8 byte)
{
	const u64 end = gpa + size;

	for (u64 at = gpa, n; at < end; at += n) {
		n = step(at, at, end);
		store(at, n, repeated(byte, n));
	}
}

/* How many bytes differ; @first: the address of the first that does. */
static u64 check(u64 gpa, u64 size, u8 byte, u64 *first)
{
	const u64 end = gpa + size;
	u64 different = 0;

	for (u64 at = gpa, n; at < end; at += n) {
		u64 wrong;

		n = step(at, at, end);
		wrong = load(at, n) ^ repeated(byte, n);
		if (wrong && different == 0)
			*first = at + (u64)__builtin_ctzll(wrong) / 8;
		different += count_bytes(wrong);
	}
	return different;
}

/* How many bytes of two ranges are not the same. */
static u64 compare(u64 gpa, u64 other, u64 size)
{
	const u64 end = gpa + size;
	u64 different = 0;

	for (u64 at = gpa, n; at < end; at += n) {
		n = step(at, other + (at - gpa), end);
		different += count_bytes(load(at, n) ^ load(other + (at - gpa), n));
	}
	return different;
}

/* One way and back, with content checked at each step; how many bytes were wrong. */
static u64 convert(u64 gpa, u64 pages, u64 rounds, u8 byte, u64 *first)
{
	const u64 size = pages * GUEST_PAGE_SIZE;
	u64 wrong = 0;

	for (u64 i = 0; i < rounds; i++) {
		wrong += hypercall(gpa, pages, GUEST_MAP_SHARED) != 0;
		wrong += check(gpa, size, 0, first);
		fill(gpa, size, byte);
		wrong += check(gpa, size, byte, first);
		wrong += hypercall(gpa, pages, GUEST_MAP_PRIVATE) != 0;
		wrong += check(gpa, size, 0, first);
		fill(gpa, size, ~byte);
		wrong += check(gpa, size, ~byte, first);
	}
	return wrong;
}

/* The hypercall to and fro, whoever else does the same; how many of them failed. */
static u64 contend(u64 gpa, u64 pages, u64 rounds)
{
	volatile u8 *memory = (volatile u8 *)gpa;
	u64 failed = 0;

	for (u64 i = 0; i < rounds; i++) {
		failed += hypercall(gpa, pages, GUEST_MAP_SHARED) != 0;
		for (u64 page = 0; page < pages; page++)
			memory[page * GUEST_PAGE_SIZE] = 1;
		failed += hypercall(gpa, pages, GUEST_MAP_PRIVATE) != 0;
		for (u64 page = 0; page < pages; page++)
			memory[page * GUEST_PAGE_SIZE] = 1;
	}
	return failed;
}

/* Counts in every page until it is told to stop; how many rounds. */
static u64 count(u64 processor, u64 gpa, u64 pages)
{
	u64 rounds = 0;

	while (!stop_counting) {
		for (u64 page = 0; page < pages; page++) {
			volatile u64 *counters = (volatile u64 *)(gpa + page * GUEST_PAGE_SIZE);

			counters[processor]++;
			asm volatile("lock incq %0" : "+m"(counters[COMMON_COUNTER / 8]));
		}
		rounds++;
	}
	return rounds;
}

/* The hypercall to and fro until it is told to stop; how many of them failed. */
static u64 remap(u64 gpa, u64 pages)
{
	u64 failed = 0;

	while (!stop_counting) {
		failed += hypercall(gpa, pages, GUEST_MAP_SHARED) != 0;
		failed += hypercall(gpa, pages, GUEST_MAP_PRIVATE) != 0;
	}
	return failed;
}

static u64 time_stamp(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (u64)high << 32;
}

/*
 * Reads fw_cfg's signature by DMA, again and again. What the host writes for it goes through
 * the courier's staging area and begins with a byte that is not 0; the rest does not.
 */
static void read_signatures(u64 gpa, u64 rounds)
{
	volatile struct {
		u32 control;
		u32 length;
		u64 address;
	} *access = (void *)gpa;

	for (u64 i = 0; i < rounds && !stop_counting; i++) {
		access->control = __builtin_bswap32(FW_CFG_SELECT | FW_CFG_READ);
		access->length = __builtin_bswap32(FW_CFG_SIGNATURE_SIZE);
		access->address = __builtin_bswap64(gpa + GUEST_PAGE_SIZE / 2);
		out(PORT_FW_CFG_DMA_LOW, 4, __builtin_bswap32((u32)gpa));
	}
}

/*
 * Puts another page table entry in the place of one of the courier's while it is about to use
 * it: after content has appeared in the staging area, and some more time, from late, when the
 * trip is over and nothing is done, to early, and so for ever. When the trip is over, the entry
 * is as it was.
 */
static void hijack(u64 entry, u64 other, u64 staging, u64 latest)
{
	volatile u64 *at = (volatile u64 *)entry;
	volatile u8 *content = (volatile u8 *)staging;
	const u64 own = *at;
	u64 delay = latest;

	for (;;) {
		u64 start;

		/* No PAUSE: KVM may take it for a reason to leave. */
		while (!*content)
			;
		start = time_stamp();
		while (time_stamp() - start < delay)
			;
		if (delay > 1)
			delay -= delay / 32 + 1;
		else
			delay = latest -= latest / 64;
		if (!*content)
			continue;
		*at = other;
		while (*content)
			;
		*at = own;
	}
}

/* Repeated string output: KVM reads its operand on its own. */
static void string_out(u64 gpa, u64 size, u16 port)
{
	asm volatile("rep outsb" : "+S"(gpa), "+c"(size) : "d"(port) : "memory");
}

static void string_in(u64 gpa, u64 size)
{
	asm volatile("rep insb" : "+D"(gpa), "+c"(size) : "d"(PORT_NOTHING) : "memory");
}

/* Turns the clock on at an address and reads its time and its multiplier. */
static u64 clock(u64 gpa, u64 *multiplier)
{
	const volatile u32 *words = (const volatile u32 *)gpa;

	write_msr(MSR_KVM_SYSTEM_TIME_NEW, gpa | 1);
	*multiplier = words[6];
	return words[4] | (u64)words[5] << 32;
}

enum {
	PAGE_PRESENT_WRITABLE = 0x3,
	PAGE_LARGE = 0x80,
	TABLE_ENTRIES = 512,
	MAX_TABLES = 8,
};

/* The table that an entry names, made if it names none; 0 where there are no more. */
static u64 *table_of(u64 *entry)
{
	static u64 tables[MAX_TABLES][TABLE_ENTRIES] __attribute__((aligned(GUEST_PAGE_SIZE)));
	static u64 n_tables;
	const u64 address_bits = 0xffffffffff000;

	if (!*entry && n_tables < MAX_TABLES)
		*entry = (u64)tables[n_tables++] | PAGE_PRESENT_WRITABLE;
	return (u64 *)(*entry & address_bits);
}

/* Maps the GiB that an address is in, where it is behind what the first page tables map. */
static u64 map_gib(u64 gpa)
{
	const u64 first = gpa >> 30 << 30;
	u64 *table;

	asm volatile("mov %%cr3, %0" : "=r"(table));
	table = table_of(&table[gpa >> 39 & (TABLE_ENTRIES - 1)]);
	if (table)
		table = table_of(&table[gpa >> 30 & (TABLE_ENTRIES - 1)]);
	for (u64 i = 0; table && i < TABLE_ENTRIES; i++)
		table[i] = (first + (i << 21)) | PAGE_LARGE | PAGE_PRESENT_WRITABLE;
	return !table;
}

/* Nothing but to return: an NMI is no reason to reset the machine here. */
static __attribute__((interrupt)) void on_nmi(const void *frame)
{
	(void)frame;
}

static __attribute__((interrupt)) void on_interrupt(const void *frame)
{
	(void)frame;
	interrupts++;
}

static void make_gate(u64 vector, u64 handler, u16 selector)
{
	gates[vector].offset_low = handler;
	gates[vector].selector = selector;
	gates[vector].offset_middle = handler >> 16;
	gates[vector].type = 0x8e00;
}

/* Exceptions but the NMI have no gate: they reset the machine. */
static void load_gates(void)
{
	const struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} table = { sizeof(gates) - 1, (u64)gates };
	u16 selector;

	asm volatile("mov %%cs, %0" : "=r"(selector));
	if (!gates[NMI_VECTOR].type) {
		make_gate(NMI_VECTOR, (u64)on_nmi, selector);
		for (u64 vector = FIRST_INTERRUPT; vector < N_VECTORS; vector++)
			make_gate(vector, (u64)on_interrupt, selector);
	}
	asm volatile("lidt %0" : : "m"(table));
}

/* Lets one input of the first 8259 through. */
static void unmask(u64 input)
{
	out(PORT_PIC_MASK, 1, (u8) ~(1u << input));
}

/* Has the serial port interrupt this processor, the first, and nothing else that is less urgent. */
static void prepare_serial_interrupt(void)
{
	write_msr(MSR_X2APIC_TASK_PRIORITY, BELOW_THE_HIGHEST);
	out(PORT_PIC_ICW1, 1, ICW1_EDGES_ICW4);
	out(PORT_PIC_MASK, 1, ICW2_VECTOR);
	out(PORT_PIC_MASK, 1, ICW3_CASCADE);
	out(PORT_PIC_MASK, 1, ICW4_8086_AUTOMATIC_END);
	unmask(SERIAL_INPUT);
	out(PORT_SERIAL_FIFO, 1, SERIAL_FIFO_ON);
	out(PORT_SERIAL_MODEM, 1, SERIAL_OUT2);
	out(PORT_SERIAL_INTERRUPTS, 1, SERIAL_RECEIVED);
}

/* One that has come before is not lost: STI lets it in after the instruction that follows. */
static void wait_for_interrupt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Has the timer interrupt so many times, after a millisecond each; how often the processor was
 * interrupted. */
static u64 tick(u64 rounds)
{
	const u64 before = interrupts;

	unmask(TIMER_INPUT);
	for (u64 i = 0; i < rounds; i++) {
		out(PORT_PIT_CONTROL, 1, CONTROL_COUNTER0_BOTH_MODE0);
		out(PORT_PIT_COUNTER, 1, PIT_MILLISECOND & 0xff);
		out(PORT_PIT_COUNTER, 1, PIT_MILLISECOND >> 8);
		wait_for_interrupt();
	}
	unmask(SERIAL_INPUT);
	return interrupts - before;
}

static char wait_for_character(void)
{
	while (!(guest_in8(GUEST_SERIAL_STATUS) & GUEST_SERIAL_DATA_READY))
		wait_for_interrupt();
	return guest_in8(GUEST_SERIAL);
}

/*
 * Where a processor that an IPI starts finds an end: it halts, in real mode, where an NMI
 * goes on to an IRET.
 */
static void prepare_parking(void)
{
	static const u8 code[] = { 0xfa, 0xf4, 0xeb, 0xfd, 0xcf }; /* cli; hlt; jmp; iret */
	volatile u32 *nmi_vector = (volatile u32 *)(u64)(NMI_VECTOR * 4);

	for (u64 i = 0; i < sizeof(code); i++)
		((volatile u8 *)(u64)PARKING_PAGE)[i] = code[i];
	/* The compiler must not see a constant address: it takes 8 for a mistake. */
	asm("" : "+r"(nmi_vector));
	*nmi_vector = PARKING_PAGE << 12 | (sizeof(code) - 1);
}

/* Back to xAPIC mode, which is only reached through a disabled APIC. */
static void disable_x2apic(void)
{
	const u64 base = read_msr(MSR_APIC_BASE);

	write_msr(MSR_APIC_BASE, base & ~(u64)(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	write_msr(MSR_APIC_BASE, (base & ~(u64)APIC_BASE_X2APIC) | APIC_BASE_ENABLE);
}

static void send_ipi(int is_x2apic, u32 icr, u32 destination)
{
	if (is_x2apic) {
		write_msr(MSR_X2APIC_ICR, (u64)destination << 32 | icr);
	} else {
		write32(XAPIC_ICR_HIGH, destination << 24);
		write32(XAPIC_ICR_LOW, icr);
	}
}

/*
 * Interprocessor interrupts to each of some destinations, over and over until the serial
 * port has received something; how many times.
 */
static u64 storm(u32 icr, u32 first, u64 count, u64 left_out)
{
	const int is_x2apic = (read_msr(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
	u64 rounds = 0;

	do {
		for (u64 i = 0; i < count; i++) {
			if (first + i != left_out)
				send_ipi(is_x2apic, icr, first + i);
		}
		rounds++;
	} while (!(guest_in8(GUEST_SERIAL_STATUS) & GUEST_SERIAL_DATA_READY));
	return rounds;
}

/* KVM_HC_SEND_IPI: to the processors of a bit map that begins at an APIC id. */
static u64 hypercall_ipi(u64 low, u64 high, u64 first, u64 icr)
{
	u64 result = 10;

	if (is_intel)
		asm volatile("vmcall"
			     : "+a"(result)
			     : "b"(low), "c"(high), "d"(first), "S"(icr)
			     : "memory");
	else
		asm volatile("vmmcall"
			     : "+a"(result)
			     : "b"(low), "c"(high), "d"(first), "S"(icr)
			     : "memory");
	return result;
}

static u64 name_of(const char *text)
{
	u64 name = 0;

	while (*text)
		name = name << 8 | (u8)*text++;
	return name;
}

/* An operation is its name's characters, eight at most. */
static void carry_out(u64 processor, Mailbox *mailbox)
{
	const u64 operation = mailbox->operation;
	const u64 *a = mailbox->arguments;

	mailbox->result = 0;
	mailbox->detail = 0;
	if (operation == name_of("fill"))
		fill(a[0], a[1], a[2]);
	else if (operation == name_of("check"))
		mailbox->result = check(a[0], a[1], a[2], &mailbox->detail);
	else if (operation == name_of("read"))
		mailbox->result = *(volatile u64 *)a[0];
	else if (operation == name_of("write"))
		*(volatile u64 *)a[0] = a[1];
	else if (operation == name_of("load"))
		mailbox->result = load(a[0], a[1]);
	else if (operation == name_of("store"))
		store(a[0], a[1], a[2]);
	else if (operation == name_of("rdmsr"))
		mailbox->result = read_msr(a[0]);
	else if (operation == name_of("wrmsr"))
		write_msr(a[0], a[1]);
	else if (operation == name_of("map"))
		mailbox->result = hypercall(a[0], a[1], a[2]);
	else if (operation == name_of("convert"))
		mailbox->result = convert(a[0], a[1], a[2], a[3], &mailbox->detail);
	else if (operation == name_of("contend"))
		mailbox->result = contend(a[0], a[1], a[2]);
	else if (operation == name_of("count"))
		mailbox->result = count(processor, a[0], a[1]);
	else if (operation == name_of("remap"))
		mailbox->result = remap(a[0], a[1]);
	else if (operation == name_of("tsc"))
		mailbox->result = time_stamp();
	else if (operation == name_of("readsig"))
		read_signatures(a[0], a[1]);
	else if (operation == name_of("hijack"))
		hijack(a[0], a[1], a[2], a[3]);
	else if (operation == name_of("outs"))
		string_out(a[0], a[1], PORT_NOTHING);
	else if (operation == name_of("print"))
		string_out(a[0], a[1], GUEST_SERIAL);
	else if (operation == name_of("ins"))
		string_in(a[0], a[1]);
	else if (operation == name_of("clock"))
		mailbox->result = clock(a[0], &mailbox->detail);
	else if (operation == name_of("mapgib"))
		mailbox->result = map_gib(a[0]);
	else if (operation == name_of("ipi"))
		write_msr(MSR_X2APIC_ICR, a[0]);
	else if (operation == name_of("storm"))
		mailbox->result = storm(a[0], a[1], a[2], a[3]);
	else if (operation == name_of("hyperipi"))
		mailbox->result = hypercall_ipi(a[0], a[1], a[2], a[3]);
	else if (operation == name_of("xapic"))
		disable_x2apic();
	else if (operation == name_of("in"))
		mailbox->result = in(a[0], a[1]);
	else if (operation == name_of("out"))
		out(a[0], a[1], a[2]);
	else if (operation == name_of("tick"))
		mailbox->result = tick(a[0]);
	else if (operation == name_of("toggle"))
		toggle(a[0], a[1], a[2], a[3]);
	else if (operation == name_of("compare"))
		mailbox->result = compare(a[0], a[1], a[2]);
	else if (operation == name_of("read32"))
		mailbox->result = *(volatile u32 *)a[0];
	else if (operation == name_of("write32"))
		write32(a[0], a[1]);
	else
		mailbox->result = ~0ul;
	asm volatile("" : : : "memory");
	mailbox->operation = 0;
}

static void enable_x2apic(void)
{
	write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
}

void ap_main(u64 processor)
{
	Mailbox *mailbox = &mailboxes[processor];

	load_gates();
	enable_x2apic();
	mailbox->is_up = 1;
	/* Halted, so that two hundred that have nothing to do leave the host to one that has. */
	for (;;) {
		while (!mailbox->operation)
			asm volatile("hlt");
		mailbox->is_taken = 1;
		carry_out(processor, mailbox);
	}
}

/* An NMI that comes between a processor's look at its mailbox and its halt is in vain. */
static void wake(u64 processor)
{
	const int is_x2apic = (read_msr(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
	const Mailbox *mailbox = &mailboxes[processor];

	while (!mailbox->is_taken) {
		send_ipi(is_x2apic, ICR_NMI, processor);
		for (u64 i = 0; i < PAUSES_BEFORE_NMI && !mailbox->is_taken; i++)
			asm volatile("pause");
	}
}

/*
 * A SIPI that comes while KVM still resets a processor for an INIT before is taken together with
 * that INIT, and lost when the INIT that belongs to it is carried out. Whether one has come to
 * nothing only its processor's silence tells; one that runs already does not mind another.
 */
static void wait_until_up(const Mailbox *mailbox)
{
	for (u64 i = 1; !mailbox->is_up; i++) {
		if (i % PAUSES_BEFORE_SIPI == 0)
			write_msr(MSR_X2APIC_ICR, START_OTHERS);
		asm volatile("pause");
	}
}

static void start_others(void)
{
	u64 page_tables;

	asm volatile("mov %%cr3, %0" : "=r"(page_tables));
	ap_page_tables = page_tables;
	for (u64 i = 0; i < (u64)(ap_end - ap_start); i++)
		((volatile u8 *)START_PAGE)[i] = ap_start[i];
	enable_x2apic();
	write_msr(MSR_X2APIC_ICR, ICR_INIT_ALL_OTHERS);
	write_msr(MSR_X2APIC_ICR, START_OTHERS);
	for (u64 i = 1; i < n_processors; i++)
		wait_until_up(&mailboxes[i]);
}

/* Reads a line's words; what is too long is cut. */
static u64 read_line(char words[][20], u64 max_words)
{
	u64 n_words = 0, length = 0;

	for (;;) {
		char c = wait_for_character();

		if (c != ' ' && c != '\n') {
			if (n_words < max_words && length < 19)
				words[n_words][length++] = c;
			continue;
		}
		if (length > 0 && n_words < max_words)
			words[n_words++][length] = '\0';
		length = 0;
		if (c == '\n')
			return n_words;
	}
}

static u64 parse_number(const char *text)
{
	u64 number = 0;

	for (; *text; text++)
		number = number << 4 | (u64)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return number;
}

static void answer(const Mailbox *mailbox)
{
	guest_print("= ");
	print_number(mailbox->result);
	guest_print(" ");
	print_number(mailbox->detail);
	guest_print("\n");
}

static void serve_line(void)
{
	char words[2 + MAX_ARGUMENTS][20];
	const u64 n_words = read_line(words, 2 + MAX_ARGUMENTS);
	Mailbox *mailbox;
	u64 processor, name;
	int is_begun_only;

	if (n_words < 2)
		return;
	processor = parse_number(words[0]) % MAX_PROCESSORS;
	mailbox = &mailboxes[processor];
	is_begun_only = words[1][0] == '&';
	name = name_of(words[1] + is_begun_only);
	if (name == name_of("exit")) {
		asm volatile("outl %0, %1"
			     :
			     : "a"((u32)parse_number(words[2])), "Nd"((u16)PORT_DEBUG_EXIT));
	} else if (name == name_of("reset")) {
		guest_out8(PORT_RESET, RESET_NOW);
	} else if (name == name_of("stop")) {
		stop_counting = 1;
	} else if (name != name_of("join")) {
		for (u64 i = 0; i < MAX_ARGUMENTS; i++)
			mailbox->arguments[i] = i + 2 < n_words ? parse_number(words[i + 2]) : 0;
		asm volatile("" : : : "memory");
		if (name == name_of("count") || name == name_of("remap") ||
		    name == name_of("hijack"))
			stop_counting = 0;
		mailbox->is_taken = 0;
		mailbox->operation = name;
		if (processor == 0)
			carry_out(0, mailbox);
		else
			wake(processor);
		if (is_begun_only)
			return;
	}
	while (mailbox->operation)
		asm volatile("pause");
	answer(mailbox);
}

void first_main(u64 memory, u64 processors)
{
	n_processors = processors < MAX_PROCESSORS ? processors : MAX_PROCESSORS;
	is_intel = guest_is_intel();
	load_gates();
	prepare_parking();
	start_others();
	prepare_serial_interrupt();
	guest_print("agent ");
	print_number(memory);
	guest_print("\n");
	for (;;)
		serve_line();
}
