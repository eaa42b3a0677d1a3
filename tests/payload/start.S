/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * start.S - from a payload's first instruction to C, for each processor
 *
 * docs/machine.md says in which state the first processor begins. The others begin in real
 * mode at START_PAGE, where the first one has copied what is between ap_start and ap_end, and
 * take the page tables from it.
 */
#define START_PAGE	0x8000
#define STACK_SHIFT	12
#define CODE_SELECTOR	0x08

#define CR0_PE_PG	0x80000001
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

	.section .text.start, "ax"
	.code64
	.global _start
_start:
	leaq	stacks + (1 << STACK_SHIFT)(%rip), %rsp
	call	first_main
1:	hlt
	jmp	1b

	.text
	.global ap_start, ap_end, ap_page_tables
	.code16
ap_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	START_PAGE + ap_gdt_pointer - ap_start
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	START_PAGE + ap_page_tables - ap_start, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	xorl	%edx, %edx
	movl	$EFER_LME, %eax
	wrmsr
	movl	$CR0_PE_PG, %eax
	movl	%eax, %cr0
	ljmpl	$CODE_SELECTOR, $START_PAGE + ap_long - ap_start
	.code64
ap_long:
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movl	%ebx, %edi
	leal	1(%rbx), %eax
	shlq	$STACK_SHIFT, %rax
	movq	$stacks, %rsp
	addq	%rax, %rsp
	movq	$ap_main, %rax
	call	*%rax
1:	hlt
	jmp	1b
	.balign 8
ap_gdt:
	.quad	0
	/* 64-bit code, at the selectors too that the first processor's gates may have. */
	.quad	0x00af9b000000ffff
	.quad	0x00af9b000000ffff
	.quad	0x00af9b000000ffff
ap_gdt_pointer:
	.word	. - ap_gdt - 1
	.long	START_PAGE + ap_gdt - ap_start
	.balign 4
ap_page_tables:
	.long	0
ap_end:

	.bss
	.balign 16
stacks:
	.skip	240 << STACK_SHIFT

	.section .note.GNU-stack, "", @progbits
