# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A VMM as it would be without its sandbox, to see what that costs.

It has no switch for that. But it starts, if it may, on a host that has no seccomp; so it gets a filter that makes
this host one: the kernel then refuses it every other. What is left is a filter of four instructions, once.
"""

import ctypes
import errno
import struct

ARGUMENTS = ("--sandbox=process", "--sandbox-may-lack=seccomp")

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
SYS_SECCOMP = 317
LOAD_NUMBER = struct.pack("HBBI", 0x20, 0, 0, 0)
SKIP_UNLESS_SECCOMP = struct.pack("HBBI", 0x15, 0, 1, SYS_SECCOMP)
REFUSE = struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | errno.ENOSYS)
ALLOW = struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)

_libc = ctypes.CDLL(None, use_errno=True)
_rows = ctypes.create_string_buffer(LOAD_NUMBER + SKIP_UNLESS_SECCOMP + REFUSE + ALLOW)
_program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(_rows))


def take_seccomp_away():
    """For the new process, before it becomes the VMM."""
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, _program, 0, 0):
        raise OSError(ctypes.get_errno(), "the filter that refuses seccomp")
