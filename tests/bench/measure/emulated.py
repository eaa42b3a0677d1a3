# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The emulated test host now and then runs a nested guest astray, QEMU's as well as ours: it resets,
or turns in a circle. There, and nowhere else, what was lost is measured again, and counted.
"""

import os
import sys

from support.waiting import Timeout

from .table import row

TRIES = 5


class GuestLost(AssertionError):
    """A guest that is not where it should be."""


class Retries:
    """Runs what may lose its guest."""

    def __init__(self, tries=TRIES):
        self.lost = 0
        self._tries = tries
        self._is_emulated = "GMEM_TESTHOST" in os.environ

    def run(self, measure):
        """measure()'s result; it starts a guest of its own each time."""
        for _ in range(self._tries - 1):
            try:
                return measure()
            except (GuestLost, Timeout, EOFError) as error:
                if not self._is_emulated:
                    raise
                self.lost += 1
                print(f"bench: taken again, because the guest was lost: {str(error)[:200]}",
                      file=sys.stderr, flush=True)
        return measure()

    def row(self, benchmark):
        """How many guests were lost."""
        return row(benchmark, "guests lost by the emulated host, measured again", "", [self.lost])
