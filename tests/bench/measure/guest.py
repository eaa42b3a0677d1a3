# SPDX-License-Identifier: LGPL-2.1-or-later
"""gmem-vmm with the payload conversions.c, told by its serial port what to do."""

from support.vmm import Vmm

from .bare import means, payload

# Where the payload's pages begin.
BASE = 0x1000000


class ConversionsGuest(Vmm):
    """Ready for commands."""

    def __init__(self, *arguments):
        super().__init__(f"--payload={payload('conversions')}", "--memory=64M", *arguments)
        try:
            self.console.wait_for("ready\n")
        except BaseException:
            self.end()
            raise

    def convert(self, pages, count, use):
        """Mean ticks of the hypercalls to shared and to private."""
        self.console.send(f"{pages} {count} {int(use)}\n")
        answer = self.console.wait_for(r"((?:\d+ \d+\n)*)(done|failed)\n")
        if answer.group(2) != "done":
            raise AssertionError(f"a conversion of {pages} pages failed; the log: {self.log()}")
        return means([int(field) for field in line.split()]
                     for line in answer.group(1).splitlines())

    def counters(self, direction, cause):
        """Conversions, bytes and nanoseconds so far."""
        counter = self.qmp.conversions()["conversions"][direction, cause]
        return counter["count"], counter["bytes"], counter["time-ns"]


def difference(after, before):
    """What came to counters."""
    return [a - b for a, b in zip(after, before)]
