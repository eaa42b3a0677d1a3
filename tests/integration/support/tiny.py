# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A kernel of some hundred bytes, for tests that need a guest and not a Linux: it runs at once.

It writes "ready" to the serial port and does what the first letter of its command line says:

  o  obey: takes such letters from the serial port
  e  echo: writes what the serial port receives, byte for byte
  w  write: 128 KiB at once, then obey
  p  power off
  r  reset
  t  triple fault
  f  fail: run code where no memory is, which KVM cannot do
  c  crash: say at pvpanic's port that it has failed, then obey
  b  bite: let the chipset's watchdog run, for 2.4 seconds, then obey
  l  load: say there that a kernel for its crash is being loaded, then obey

While it obeys or echoes, a press of the power button powers it off.
"""

import os
import struct
import subprocess

SECTOR = 512

# Entered at its byte 0x200 in 64-bit mode with the zero page in RSI, as boot.rst has it.
CODE = r"""
    .intel_syntax noprefix
    .code64
    .org 0x200
    lea rsp, [rip + stack]
    mov ebx, [rsi + 0x228]          # cmd_line_ptr

    # A timer of 100 Hz, so that waiting is halting: x2APIC, vector 0x20, one gate.
    lea rax, [rip + on_timer]
    lea rdi, [rip + idt + 0x20 * 16]
    mov [rdi], ax
    mov word ptr [rdi + 2], 0x10    # __BOOT_CS
    mov word ptr [rdi + 4], 0x8e00
    shr rax, 16
    mov [rdi + 6], ax
    lea rax, [rip + idt]
    mov [rip + idtr + 2], rax
    lidt [rip + idtr]
    mov ecx, 0x1b
    rdmsr
    or eax, 0xc00
    wrmsr
    xor edx, edx
    mov ecx, 0x80f
    mov eax, 0x1ff
    wrmsr
    mov ecx, 0x83e
    mov eax, 0xb
    wrmsr
    mov ecx, 0x832
    mov eax, 0x20020
    wrmsr
    mov ecx, 0x838
    mov eax, 10000000
    wrmsr
    sti

    lea rsi, [rip + ready]
1:  lodsb
    test al, al
    jz 2f
    call write
    jmp 1b
2:  mov al, [rbx]

dispatch:
    cmp al, 'e'
    je echo
    cmp al, 'w'
    je flood
    cmp al, 'p'
    je power_off
    cmp al, 'r'
    je reset
    cmp al, 't'
    je triple_fault
    cmp al, 'f'
    je fail
    cmp al, 'c'
    je crash
    cmp al, 'l'
    je load
    cmp al, 'b'
    je bite
    call read
    jmp dispatch

echo:
    call read
    call write
    jmp echo

flood:
    mov ebp, 32
1:  lea rsi, [rip + ready]
    mov ecx, 4096
    mov dx, 0x3f8
    rep outsb
    dec ebp
    jnz 1b
    mov al, 'o'
    jmp dispatch

power_off:
    mov dx, 0x604
    mov ax, 0x2000
    out dx, ax
    jmp stop

reset:
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    jmp stop

triple_fault:
    lidt [rip + no_idtr]
    ud2

fail:
    mov eax, 0xe0000000
    jmp rax

bite:
    mov ax, 2
    mov dx, 0x672                   # TCO_TMR
    out dx, ax
    mov dx, 0x660                   # TCO_RLD
    out dx, ax
    call read
    jmp dispatch

crash:
    mov al, 1
    jmp 1f
load:
    mov al, 2
1:  mov dx, 0x505
    out dx, al
    call read
    jmp dispatch

stop:
    hlt
    jmp stop

read:
    mov dx, 0x600
    in ax, dx
    test ah, 1                      # PWRBTN_STS
    jnz power_off
    mov dx, 0x3fd
    in al, dx
    test al, 1
    jnz 1f
    hlt
    jmp read
1:  mov dx, 0x3f8
    in al, dx
    ret

write:
    mov ah, al
    mov dx, 0x3fd
1:  in al, dx
    test al, 0x20
    jz 1b
    mov al, ah
    mov dx, 0x3f8
    out dx, al
    ret

on_timer:
    push rax
    push rcx
    push rdx
    mov ecx, 0x80b
    xor eax, eax
    xor edx, edx
    wrmsr
    pop rdx
    pop rcx
    pop rax
    iretq

ready: .asciz "ready\r\n"
idtr: .word 0x21 * 16 - 1
    .quad 0
no_idtr: .word 0
    .quad 0
    .balign 16
idt: .skip 0x21 * 16
    .skip 256
stack:
"""


def assemble(folder):
    """The code as a flat binary."""
    source, binary = (os.path.join(folder, name) for name in ("tiny.o", "tiny.bin"))
    subprocess.run(["as", "-o", source], input=CODE, text=True, check=True, timeout=60)
    subprocess.run(["objcopy", "-O", "binary", source, binary], check=True, timeout=60)
    with open(binary, "rb") as file:
        return file.read()


def bzimage(code):
    """A bzImage of boot protocol 2.12 around code."""
    code += bytes(-len(code) % 16)
    setup = bytearray(2 * SECTOR)
    setup[0x1f1] = 1                                        # setup_sects
    struct.pack_into("<I", setup, 0x1f4, len(code) // 16)   # syssize
    struct.pack_into("<H", setup, 0x1fe, 0xaa55)            # boot_flag
    setup[0x200:0x202] = b"\xeb\x66"                        # jump
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20c)             # version
    setup[0x211] = 1                                        # loadflags: LOADED_HIGH
    struct.pack_into("<I", setup, 0x22c, 0x7fffffff)        # initrd_addr_max
    struct.pack_into("<I", setup, 0x230, 4096)              # kernel_alignment
    struct.pack_into("<H", setup, 0x236, 1)                 # xloadflags: XLF_KERNEL_64
    struct.pack_into("<I", setup, 0x238, 255)               # cmdline_size
    struct.pack_into("<Q", setup, 0x258, 0x100000)          # pref_address
    struct.pack_into("<I", setup, 0x260, 0x10000)           # init_size
    return bytes(setup) + code


def write_kernel(folder):
    """Makes the kernel; its path."""
    path = os.path.join(folder, "tiny-kernel")
    with open(path, "wb") as file:
        file.write(bzimage(assemble(folder)))
    return path
