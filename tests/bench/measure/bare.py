# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bare-conversions measured: the same calls in one process."""

import os
import subprocess

from support.vmm import BUILD

PROGRAM = os.path.join(BUILD, "tests/bench/bare-conversions")


def payload(name):
    """The path of a payload of this folder's."""
    return os.path.join(BUILD, "tests/bench", name + ".bin")


def _run(*arguments):
    """Lines of numbers, and ticks of the TSC a nanosecond."""
    result = subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                            timeout=120, check=True)
    *lines, last = result.stdout.splitlines()
    _, ticks, _, nanoseconds = last.split()
    return [[int(field) for field in line.split()] for line in lines], \
        int(ticks) / int(nanoseconds)


def convert(pages, count, use, exit_before):
    """
    Each time's nanoseconds of (attribute, punch) to shared and (attribute, discard) to private,
    and ticks of the TSC a nanosecond. exit_before: with a vCPU's exit before each.
    """
    lines, ticks_per_ns = _run("convert", pages, count, int(use), int(exit_before))
    return {"to-shared": [line[:2] for line in lines],
            "to-private": [line[2:] for line in lines]}, ticks_per_ns


def touch(pages, at_a_time, count):
    """Each time's nanoseconds of (memcpy, attribute, UFFDIO_COPY, punch), for all of the pages."""
    return _run("touch", pages, at_a_time, count)[0]
