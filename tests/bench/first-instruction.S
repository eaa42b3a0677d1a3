/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* first-instruction.S - a payload that is over as soon as it runs: status 0 at the debug exit port */
	.section .text.start, "ax"
	.global _start
_start:
	xorl	%eax, %eax
	outb	%al, $0xf4
1:	hlt
	jmp	1b
