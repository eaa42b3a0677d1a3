/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware.S - firmware of the tests' own: 64 KiB that bring the agent up
 *
 * Theory of operation
 *
 * A processor begins at the last 16 bytes, in real mode. From there it goes to 32-bit mode
 * and to 64-bit mode, and enters the agent (agent.c) as gmem-vmm enters a payload: copied to
 * 1 MiB, with the size of RAM in RDI and the number of processors in RSI.
 *
 * Until then the host has nothing to look at in private memory: code and descriptors are in
 * the image, which is none of it. The first thing of all is an INIT and a SIPI to all other
 * APICs, so that one which reaches more than the guest's processors does so before anybody
 * has used what else is there. They halt in the image's last page.
 *
 * An INIT brings the first processor here again, with memory as it was and its APIC in the
 * mode that it had.
 */
#define IMAGE		 0xffff0000
#define AGENT_START	 0x100000
#define AGENT_MEMORY	 0x100000	/* with its zeroes */
#define PAGE_TABLES	 0x10000	/* six pages */
#define PARKING_VECTOR	 0xff		/* the last page below 1 MiB */

#define CODE32		 0x08
#define DATA		 0x10
#define CODE64		 0x18

#define CR0_PE		 0x00000001
#define CR0_PG		 0x80000000
#define CR0_CACHE_OFF	 0x60000000	/* CD and NW, which reset and INIT set */
#define CR4_PAE		 0x20
#define MSR_EFER	 0xc0000080
#define EFER_LME	 0x100
#define PRESENT_WRITABLE 3
#define LARGE_PAGE	 0x83		/* present, writable, 2 MiB */

#define MSR_APIC_BASE	 0x1b
#define APIC_BASE_X2APIC 0x400
#define MSR_X2APIC_ICR	 0x830
#define ICR_INIT_OTHERS	 0xc4500
#define ICR_START_OTHERS 0xc4600

#define FW_CFG_SELECTOR	 0x510
#define FW_CFG_DATA	 0x511
#define FW_CFG_NB_CPUS	 5
#define CMOS_INDEX	 0x70
#define CMOS_DATA	 0x71
#define CMOS_ABOVE_16MIB 0x34		/* 64 KiB units, two bytes */

	.section .reset, "ax"
	.code16
	jmp	real_mode

	.section .parking, "ax"
1:	cli
	hlt
	jmp	1b

	.section .start, "ax"
	.global	real_mode
real_mode:
	cli
	lgdtl	%cs:gdt_pointer - IMAGE
	movl	%cr0, %eax
	andl	$~CR0_CACHE_OFF, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$CODE32, $protected_mode

	.code32
protected_mode:
	movl	$DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss

	movl	$MSR_APIC_BASE, %ecx
	rdmsr
	orl	$APIC_BASE_X2APIC, %eax
	wrmsr
	movl	$MSR_X2APIC_ICR, %ecx
	xorl	%edx, %edx
	movl	$ICR_INIT_OTHERS, %eax
	wrmsr
	movl	$ICR_START_OTHERS | PARKING_VECTOR, %eax
	wrmsr

	/* The first four GiB, one to one. */
	cld
	xorl	%eax, %eax
	movl	$PAGE_TABLES, %edi
	movl	$2 * 4096 / 4, %ecx
	rep stosl
	movl	$PAGE_TABLES + 4096 + PRESENT_WRITABLE, PAGE_TABLES
	movl	$PAGE_TABLES + 2 * 4096 + PRESENT_WRITABLE, %eax
	movl	$PAGE_TABLES + 4096, %edi
	movl	$4, %ecx
1:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$4096, %eax
	loop	1b
	movl	$LARGE_PAGE, %eax
	movl	$PAGE_TABLES + 2 * 4096, %edi
1:	movl	%eax, (%edi)
	movl	$0, 4(%edi)
	addl	$8, %edi
	addl	$2 << 20, %eax
	jnc	1b

	xorl	%eax, %eax
	movl	$AGENT_START, %edi
	movl	$AGENT_MEMORY / 4, %ecx
	rep stosl
	movl	$agent_begin, %esi
	movl	$AGENT_START, %edi
	movl	$agent_end, %ecx
	subl	%esi, %ecx
	rep movsb

	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PAGE_TABLES, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	xorl	%edx, %edx
	movl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmpl	$CODE64, $long_mode

	.code64
long_mode:
	movw	$FW_CFG_NB_CPUS, %ax
	movw	$FW_CFG_SELECTOR, %dx
	outw	%ax, %dx
	movw	$FW_CFG_DATA, %dx
	inb	%dx, %al
	movzbl	%al, %esi

	movb	$CMOS_ABOVE_16MIB + 1, %al
	outb	%al, $CMOS_INDEX
	inb	$CMOS_DATA, %al
	movzbl	%al, %edi
	shll	$8, %edi
	movb	$CMOS_ABOVE_16MIB, %al
	outb	%al, $CMOS_INDEX
	inb	$CMOS_DATA, %al
	movzbl	%al, %eax
	orl	%eax, %edi
	addl	$16 << 4, %edi
	shlq	$16, %rdi
	movl	$AGENT_START, %eax
	jmp	*%rax

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 32-bit code */
	.quad	0x00cf93000000ffff	/* data */
	.quad	0x00af9b000000ffff	/* 64-bit code */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.section .note.GNU-stack, "", @progbits
