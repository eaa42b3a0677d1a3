# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bare-conversions and bare-windows measured: the same calls in one process."""

import os
import subprocess

from support.vmm import BUILD

FOLDER = os.path.join(BUILD, "tests/bench")


def payload(name):
    """The path of a payload of this folder's."""
    return os.path.join(FOLDER, name + ".bin")


def _run(program, *arguments):
    """Lines of numbers, and ticks of the TSC a nanosecond."""
    result = subprocess.run([os.path.join(FOLDER, program), *map(str, arguments)],
                            stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    *lines, last = result.stdout.splitlines()
    _, ticks, _, nanoseconds = last.split()
    return [[int(field) for field in line.split()] for line in lines], \
        int(ticks) / int(nanoseconds)


def convert(pages, count, use, exit_before):
    """
    Each time's nanoseconds of (attribute, punch) to shared and (attribute, discard) to private,
    and ticks of the TSC a nanosecond. exit_before: with a vCPU's exit before each.
    """
    lines, ticks_per_ns = _run("bare-conversions", "convert", pages, count, int(use), int(exit_before))
    return {"to-shared": [line[:2] for line in lines],
            "to-private": [line[2:] for line in lines]}, ticks_per_ns


def touch(pages, at_a_time, count):
    """Each time's nanoseconds of (memcpy, attribute, UFFDIO_COPY, punch), for all of the pages."""
    return _run("bare-conversions", "touch", pages, at_a_time, count)[0]


def window(pages, at_a_time, count):
    """
    Each time's nanoseconds of (mmap, UFFDIO_WAKE), and of the wait of who touches the pages; and
    ticks of the TSC a nanosecond.
    """
    lines, ticks_per_ns = _run("bare-windows", pages, at_a_time, count)
    return [line[:2] for line in lines], [line[2] for line in lines], ticks_per_ns
