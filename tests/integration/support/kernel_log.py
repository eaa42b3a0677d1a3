# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the test host's kernel refuses programs, from its log: AppArmor accesses, and filters system calls."""

import os

# What AppArmor does not allow where it is enforced; what ends by a filter of system calls (SIGSYS).
MARKS = ['apparmor="DENIED"', "type=1326 "]


def is_own():
    """Whether the kernel is that of a test host: what is in its log is for the tests that run."""
    return "GMEM_TESTHOST" in os.environ


class Refusals:
    """Those from now on."""

    def __init__(self):
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._log, 0, os.SEEK_END)

    def take(self):
        """The new ones."""
        found = []
        while True:
            try:
                line = os.read(self._log, 8192).decode(errors="replace")
            except BlockingIOError:
                return found
            except BrokenPipeError:
                # Lines were overwritten before they were read; what follows is the oldest there is.
                continue
            if any(mark in line for mark in MARKS):
                found.append(line.split(";", 1)[-1].splitlines()[0])
