# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for what happens elsewhere, with a limit that is told when it is reached."""

import os
import select
import time


# By what limits are multiplied: emulated hosts take their time, the more so on a busy machine.
PATIENCE = float(os.environ.get("GMEM_PATIENCE", "1"))


class Timeout(AssertionError):
    """Something did not happen in time."""


class Deadline:
    """A moment at which waiting ends."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds * PATIENCE

    def left(self):
        return max(0.0, self._end - time.monotonic())

    def is_over(self):
        return self.left() == 0.0


def wait_readable(fd, deadline, what):
    """Waits until a descriptor can be read."""
    if not select.select([fd], [], [], deadline.left())[0]:
        raise Timeout(f"{what}: nothing came in time")


def wait_for_exit(pid, seconds):
    """Waits until a process that need not be a child has ended; whether it has."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds * PATIENCE)[0])
    finally:
        os.close(pidfd)


def wait_until(is_so, seconds, what):
    """Asks again and again; for what can be asked only, where asking takes its time."""
    deadline = Deadline(seconds)
    while not is_so():
        if deadline.is_over():
            raise Timeout(f"{what}: not in time")
