# SPDX-License-Identifier: LGPL-2.1-or-later
"""The payload that does what it is told (tests/payload/agent.c), in a VMM."""

import contextlib
import ctypes
import os
import re
import struct
import time

from .vmm import DEBUG_EXIT_PORT, Vmm, payload
from .waiting import Timeout

PAGE = 4096

# No APIC's id, nor a broadcast's.
NO_DESTINATION = 0xfffffffe

PRIVATE = 0x10
SHARED = 0

# An option: what the host has touched stays shared, however long a slow host takes to look at it.
STAYS_SHARED = "--reclaim-seconds=0"

# Where tests may do to memory what they like: the agent itself is below.
GROUND = 4 << 20

_PRESENT_OR_SWAPPED = 3 << 62


class Orders:
    """What a guest that does what it is told is told: by a `console`, with a `log()` of its VMM's beside it."""

    def wait_ready(self, seconds=60):
        self.console.wait_for(r"agent [0-9a-f]+\n", seconds)

    def _send(self, vcpu, operation, arguments):
        words = [f"{vcpu:x}", operation, *(f"{argument:x}" for argument in arguments)]
        self.console.send(" ".join(words) + "\n")

    def _answer(self, seconds):
        try:
            match = self.console.wait_for(r"(?:= ([0-9a-f]+) ([0-9a-f]+)|agent [0-9a-f]+)\n",
                                          seconds)
        except Timeout:
            raise Timeout(f"no answer; the VMM's log: {self._messages()}") from None
        if not match.group(1):
            # An emulated host loses a guest so now and then; see docs/testhost.md.
            raise AssertionError(f"the guest was reset meanwhile; the VMM's log: {self._messages()}")
        return (ctypes.c_int64(int(match.group(1), 16)).value, int(match.group(2), 16))

    def _messages(self):
        """What the VMM's log says, without traces."""
        return [line for line in self.log().splitlines() if not line.startswith("gmem-vmm: memslot:")]

    def detail(self, operation, *arguments, vcpu=0, seconds=60):
        """Has an operation carried out; its result and detail."""
        self._send(vcpu, operation, arguments)
        return self._answer(seconds)

    def call(self, operation, *arguments, vcpu=0, seconds=60):
        """The same; the result only."""
        return self.detail(operation, *arguments, vcpu=vcpu, seconds=seconds)[0]

    @contextlib.contextmanager
    def storm(self, icr, first=0, count=1, left_out=NO_DESTINATION):
        """
        While the context lasts, the first processor writes an interrupt command for each of
        some destinations; it has done so once at least when the context ends.
        """
        self._send(0, "storm", (icr, first, count, left_out))
        yield
        self.console.send("\n")
        rounds = self._answer(60)[0]
        if rounds < 1:
            raise AssertionError(f"{rounds} rounds of interrupts")

    def begin(self, vcpu, operation, *arguments):
        """Has another processor than the first begin an operation."""
        self._send(vcpu, "&" + operation, arguments)

    def join(self, vcpu, seconds=60):
        self._send(vcpu, "join", ())
        return self._answer(seconds)

    def order(self, operation, *arguments):
        """An operation that has no answer."""
        self._send(0, operation, arguments)

    def answer(self, seconds=60):
        """The answer to an order that has one; it may have come before."""
        return self._answer(seconds)

    def map(self, gpa, pages, attributes, vcpu=0):
        return self.call("map", gpa, pages, attributes, vcpu=vcpu)


class Agent(Orders, Vmm):
    """A guest of one payload, ready for orders."""

    def __init__(self, *arguments, image=f"--payload={payload('agent')}", is_ready=True, seconds=60,
                 **popen):
        """
        @image: the option that brings the agent in. A guest under guest-only may never be
        ready: @is_ready False does not wait. @seconds: how long a large one may take.
        """
        super().__init__(image, f"--debug-exit={DEBUG_EXIT_PORT:#x}", "--trace=memslot",
                         *arguments, **popen)
        try:
            if is_ready:
                self.wait_ready(seconds)
        except BaseException as error:
            print(f"# the VMM's log ends in: {self.log()[-2000:]!r}")
            self.end()
            raise

    # The host's side.

    def touch_and_reclaim(self, pages, seconds):
        """Shows the first pages from GROUND on to the host and takes them back, so long; how many touches it were."""
        end = time.monotonic() + seconds
        touches = 0
        while time.monotonic() < end:
            for page in range(pages):
                self.qmp.execute("x-gmem-touch", gpa=GROUND + page * PAGE, size=1)
                touches += 1
            self.qmp.execute("gmem-reclaim", gpa=GROUND, size=pages * PAGE)
        return touches

    def memslots(self):
        """(guest address, size, address in the VMM) of each memslot, from the VMM's log."""
        pattern = r"gpa=(\w+) size=(\w+) userspace_addr=(\w+)"
        return [tuple(int(number, 16) for number in match)
                for match in re.findall(pattern, self.log())]

    def address_of(self, gpa):
        """Where the VMM has mapped a guest address."""
        for start, size, address in self.memslots():
            if start <= gpa < start + size:
                return address + gpa - start
        raise AssertionError(f"no memslot has {gpa:#x}: {self.log()}")

    def has_host_page(self, gpa):
        """Whether the VMM's mapping holds a page, without touching it."""
        with open(f"/proc/{self.pid}/pagemap", "rb") as pagemap:
            pagemap.seek(self.address_of(gpa) // PAGE * 8)
            return bool(struct.unpack("Q", pagemap.read(8))[0] & _PRESENT_OR_SWAPPED)

    def host_read(self, gpa, size):
        """What the host sees of shared memory."""
        with open(f"/proc/{self.pid}/mem", "rb") as memory:
            memory.seek(self.address_of(gpa))
            return memory.read(size)

    def find_in_process(self, secret):
        """Addresses at which any present page of the VMM's process holds some bytes."""
        found = []
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as maps, \
                open(f"/proc/{self.pid}/pagemap", "rb") as pagemap, \
                open(f"/proc/{self.pid}/mem", "rb") as memory:
            for line in maps:
                bounds, rights = line.split()[:2]
                start, end = (int(number, 16) for number in bounds.split("-"))
                if "r" in rights and "[v" not in line:
                    found += _search(pagemap, memory, start, end, secret)
        return found

    def memory_in_use(self):
        """
        Bytes that the VMM and its guest hold. The pages of guest_memfd are nobody's but the
        kernel's list of what it cannot evict, where nothing else is on a test host.
        """
        with open("/proc/meminfo", encoding="ascii") as file:
            unevictable = re.search(r"^Unevictable:\s*(\d+) kB", file.read(), re.MULTILINE)
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            resident = re.search(r"^Rss:\s*(\d+) kB", file.read(), re.MULTILINE)
        return (int(unevictable.group(1)) + int(resident.group(1))) * 1024


def _search(pagemap, memory, start, end, secret):
    found = []
    pagemap.seek(start // PAGE * 8)
    entries = pagemap.read((end - start) // PAGE * 8)
    for i in range(len(entries) // 8):
        if not struct.unpack_from("Q", entries, i * 8)[0] & _PRESENT_OR_SWAPPED:
            continue
        try:
            memory.seek(start + i * PAGE)
            at = memory.read(PAGE).find(secret)
        except OSError:
            continue
        if at >= 0:
            found.append(start + i * PAGE + at)
    return found
