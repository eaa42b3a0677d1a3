# SPDX-License-Identifier: LGPL-2.1-or-later
"""Touches of private pages by the host, beside a copy and the calls that they consist of."""

from statistics import median
import time

from . import bare
from .emulated import Retries
from .guest import BASE, ConversionsGuest
from .table import ratio, row

PAGE = 4096


class Touches:
    """A guest whose pages hold something; stopped, or running while it is touched."""

    def __init__(self, guest, count):
        self._guest = guest
        self._count = count

    def _timed(self, pages):
        began = time.monotonic_ns()
        self._guest.qmp.execute("x-gmem-touch", gpa=BASE, size=pages * PAGE)
        return time.monotonic_ns() - began

    def _reclaim(self, pages):
        size = pages * PAGE
        got = self._guest.qmp.execute("gmem-reclaim", gpa=BASE, size=size)["bytes"]
        if got != size:
            raise AssertionError(f"{got} of {size} bytes were reclaimed")

    def sample(self, pages):
        """
        Medians of nanoseconds: what the thread that touches waits, and what the engine says; and
        how many conversions it took.

        A second touch finds the pages there. What it takes is the monitor's, not the engine's.
        """
        waits, engine = [], []
        for _ in range(self._count):
            self._guest.traced()
            first = self._timed(pages)
            waits.append(first - self._timed(pages))
            # It wakes the toucher before it is done; after a reclaim it has been.
            self._reclaim(pages)
            conversions = [(size, nanoseconds) for key, size, nanoseconds in self._guest.traced()
                           if key == ("to-shared", "host-touch-device")]
            if sum(size for size, _ in conversions) < pages * PAGE:
                raise AssertionError(f"a touch of {pages} pages converted "
                                     f"{sum(size for size, _ in conversions)} bytes")
            engine.append(sum(nanoseconds for _, nanoseconds in conversions))
        return median(waits), median(engine), len(conversions)


def _bare(pages, at_a_time, count):
    return median(sum(parts) for parts in bare.touch(pages, at_a_time, count))


def _rows(name, samples, bare_one, bare_all):
    waits = [sample[0] for sample in samples]
    engine = [sample[1] for sample in samples]
    rows = [
        row("touches", f"{name}: wait", "us", [value / 1000 for value in waits]),
        row("touches", f"{name}: in the engine", "us", [value / 1000 for value in engine]),
        row("touches", f"{name}: conversions", "", [sample[2] for sample in samples]),
        ratio("touches", f"{name}: wait", waits, bare_one, "bare, by page"),
        ratio("touches", f"{name}: in the engine", engine, bare_one, "bare, by page"),
    ]
    if bare_all:
        rows.append(ratio("touches", f"{name}: wait", waits, bare_all, "bare, at once"))
    return rows


def _take(pages, repetitions, count):
    """Samples of the guest stopped and running, and the bare times by page and at once."""
    stopped, running, by_page, at_once = [], [], [], []
    with ConversionsGuest("--trace=conversion") as guest:
        guest.convert(pages, 1, True)
        touches = Touches(guest, count)
        touches.sample(pages)
        for _ in range(repetitions):
            by_page.append(_bare(pages, 1, count))
            at_once.append(_bare(pages, pages, count))
            stopped.append(touches.sample(pages))
            with guest.running():
                running.append(touches.sample(pages))
    return stopped, running, by_page, at_once


def measure(quick):
    """One page, and 512 neighbours; the guest's processor out of the guest, or to be fetched."""
    repetitions = 3 if quick else 7
    retries = Retries()
    rows = []
    for pages, count in ((1, 8 if quick else 20), (512, 2 if quick else 4)):
        stopped, running, by_page, at_once = retries.run(
            lambda pages=pages, count=count: _take(pages, repetitions, count))
        name = f"{pages} page{'s' if pages > 1 else ''}"
        rows.append(row("touches", f"{name}: bare, by page", "us",
                        [value / 1000 for value in by_page]))
        rows += _rows(f"{name}, guest stopped", stopped, by_page, pages > 1 and at_once)
        rows += _rows(f"{name}, guest running", running, by_page, pages > 1 and at_once)
    return rows + [retries.row("touches")]
