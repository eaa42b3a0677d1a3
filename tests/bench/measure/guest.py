# SPDX-License-Identifier: LGPL-2.1-or-later
"""gmem-vmm with the payload conversions.c, told by its serial port what to do."""

import contextlib
import os
import re

from support.vmm import Vmm

from .bare import payload
from .emulated import GuestLost

# Where the payload's pages begin.
BASE = 0x1000000

TRACE_LINE = re.compile(r"direction=(\S+) cause=(\S+) gpa=(\S+) size=(\S+) time_ns=(\d+)")


class ConversionsGuest(Vmm):
    """Waits for commands, and runs only while running() is entered."""

    def __init__(self, kind, *arguments):
        super().__init__(f"--payload={payload('conversions')}", "--memory=64M",
                         f"--memory-kind={kind}", *arguments)
        self._traced = 0
        try:
            self.console.wait_for("ready\n")
            self.qmp.execute("stop")
        except BaseException:
            self.end()
            raise

    @contextlib.contextmanager
    def running(self):
        """A waiting guest asks its serial port all the time: let it not disturb others."""
        self.qmp.execute("cont")
        try:
            yield
        finally:
            self.qmp.execute("stop")

    def convert(self, pages, count, use):
        """Each time's ticks of the TSC, of the hypercalls to shared and to private."""
        with self.running():
            self.console.send(f"{pages} {count} {int(use)}\n")
            answer = self.console.wait_for(r"((?:\d+ \d+\n)*)(done|failed|ready)\n", 60)
        if answer.group(2) == "ready":
            raise GuestLost(f"the guest has reset itself; the log: {self.log()}")
        if answer.group(2) != "done":
            raise AssertionError(f"a conversion of {pages} pages failed; the log: {self.log()}")
        ticks = [line.split() for line in answer.group(1).splitlines()]
        return {"to-shared": [int(line[0]) for line in ticks],
                "to-private": [int(line[1]) for line in ticks]}

    def traced(self):
        """
        The conversions that --trace=conversion has logged since the last call: pairs of
        (direction, cause), bytes and nanoseconds.
        """
        # The log's offset is the VMM's too.
        text = os.pread(self._log.fileno(), 1 << 24, self._traced).decode()
        self._traced += len(text)
        return [((direction, cause), int(size, 16), int(nanoseconds))
                for direction, cause, _gpa, size, nanoseconds in TRACE_LINE.findall(text)]
