# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much memory a guest can be given here that touches next to none of it."""

import re

GIB = 1 << 30
TIB = 1 << 40

# What ends a guest's RAM above what it has: the hole below 4 GiB.
HOLE = 2 * GIB

# What the host's kernel keeps of guest memory, however little is touched, in the worst case: where
# KVM shadows page tables 10.3 bytes a page, with two-sided memory 9.
KERNEL_BYTES_PER_PAGE = 11

# Of a host that tests have for themselves.
SPARE = 1 * GIB


def _first_number(path, pattern):
    with open(path, encoding="utf-8") as file:
        match = re.search(pattern, file.read(), re.MULTILINE)
    return int(match.group(1))


def address_bits():
    """Of the physical addresses that this host's processors have."""
    return _first_number("/proc/cpuinfo", r"^address sizes\s*: (\d+) bits physical")


def available():
    """Bytes of memory that this host could give somebody now."""
    return 1024 * _first_number("/proc/meminfo", r"^MemAvailable:\s*(\d+) kB")


def why_not(size):
    """Why a guest cannot have so many bytes of RAM on this host; or None."""
    if size + HOLE > 1 << address_bits():
        return f"this host's processors have {address_bits()} bits of address"
    needed = size // 4096 * KERNEL_BYTES_PER_PAGE + SPARE
    if needed > available():
        return (f"its kernel may need {needed // GIB} GiB for that, and {available() // GIB} GiB "
                "are available")
    return None
