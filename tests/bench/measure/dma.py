# SPDX-License-Identifier: LGPL-2.1-or-later
"""Content that goes to and from guest memory, by a channel and by other ways, timed by the program dma."""

import collections
import os
import subprocess

from .bare import FOLDER
from .table import ratio, row

# Ways, as dma.c has them, and how they are called in the table.
WAYS = {
    "read": "channel, a read",
    "write": "channel, a write",
    "scattered": "channel, a read, pages apart",
    "two": "channel, a read beside another's",
    "pin": "pinned and given back",
    "file-buffer": "file to a buffer",
    "file-channel": "file to a buffer, then by a channel",
    "file-window": "file to a window made for it",
    "ring-buffer": "file to a registered buffer",
    "ring-guest": "file to registered guest memory",
    "ring-scattered": "file of memory to registered guest memory, pages apart",
    "ring-gathered": "registered guest memory, pages apart, to a pipe and from there",
    "register": "guest memory registered, for another",
}

# What is compared: way, to which, what it may be of 64 pages.
RATIOS = (
    ("two", "read", None),
    ("file-channel", "file-buffer", None),
    ("file-window", "file-buffer", None),
    ("ring-guest", "ring-buffer", 1.2),
    ("ring-scattered", "scattered", None),
    ("ring-gathered", "scattered", None),
)


def _take(kind, count):
    """Each round's nanoseconds, by way and number of pages."""
    result = subprocess.run([os.path.join(FOLDER, "dma"), kind, str(count)], stdout=subprocess.PIPE,
                            text=True, timeout=600, check=True)
    taken = collections.defaultdict(list)
    for line in result.stdout.splitlines():
        way, pages, nanoseconds = line.split()
        taken[way, int(pages)].append(int(nanoseconds))
    return taken


def measure(quick, kind):
    """One page, and 64; what a kind cannot do is not there."""
    taken = _take(kind, 5 if quick else 15)
    rows = [row("dma", f"{pages} page{'s' if pages > 1 else ''}: {WAYS[way]}", "us",
                [value / 1000 for value in values])
            for (way, pages), values in taken.items()]
    for way, other, wanted in RATIOS:
        for pages in (1, 64):
            if (way, pages) in taken:
                rows.append(ratio("dma", f"{pages} page{'s' if pages > 1 else ''}: {WAYS[way]}",
                                  taken[way, pages], taken[other, pages], WAYS[other],
                                  wanted if pages == 64 else None))
    return rows
