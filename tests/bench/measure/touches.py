# SPDX-License-Identifier: LGPL-2.1-or-later
"""Touches of private pages by the host, beside the calls that they consist of, and a copy if there is one."""

from statistics import median
import time
from typing import NamedTuple

from . import bare
from .emulated import Retries
from .guest import BASE, ConversionsGuest
from .table import ratio, row

PAGE = 4096


class Sample(NamedTuple):
    """One repetition: nanoseconds and numbers for one touch."""

    wait: float  # of the thread that touches
    engine: float
    conversions: int
    trips: float  # of the courier, with what was taken back
    trip: float  # nanoseconds of one trip; 0 where there was none


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
        A Sample, of medians.

        A second touch finds the pages there. What it takes is the monitor's, not the engine's.
        """
        waits, engine = [], []
        before = self._guest.qmp.conversions()["courier"]
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
        after = self._guest.qmp.conversions()["courier"]
        trips = after["trips"] - before["trips"]
        return Sample(median(waits), median(engine), len(conversions), trips / self._count,
                      (after["time-ns"] - before["time-ns"]) / trips if trips else 0)


class TwoSided:
    """A copy, an attribute, a page installed and another freed."""

    @staticmethod
    def fill(guest, pages):
        guest.convert(pages, 1, True)

    @staticmethod
    def bare(pages, at_a_time, count):
        """Median nanoseconds of the calls alone."""
        return median(sum(parts) for parts in bare.touch(pages, at_a_time, count))


class Windows:
    """A window opened, and who waits for it woken."""

    @staticmethod
    def fill(_guest, _pages):
        # Nothing is copied: what is in a page does not matter.
        pass

    @staticmethod
    def bare(pages, at_a_time, count):
        return median(sum(parts) for parts in bare.window(pages, at_a_time, count)[0])


KINDS = {"two-sided": TwoSided, "windows": Windows}

# By kind, what one page's wait may be to the bare calls.
WANTED = {"two-sided": None, "windows": 3}


def _rows(name, samples, bare_one, bare_all, wanted):
    waits = [sample.wait for sample in samples]
    engine = [sample.engine for sample in samples]
    rows = [
        row("touches", f"{name}: wait", "us", [value / 1000 for value in waits]),
        row("touches", f"{name}: in the engine", "us", [value / 1000 for value in engine]),
        row("touches", f"{name}: conversions", "", [sample.conversions for sample in samples]),
        ratio("touches", f"{name}: wait", waits, bare_one, "bare, by page", wanted),
        ratio("touches", f"{name}: in the engine", engine, bare_one, "bare, by page"),
    ]
    if any(sample.trips for sample in samples):
        rows += [
            row("touches", f"{name}: the courier's trips, there and back", "",
                [sample.trips for sample in samples]),
            row("touches", f"{name}: one trip", "us", [sample.trip / 1000 for sample in samples]),
        ]
    if bare_all:
        rows.append(ratio("touches", f"{name}: wait", waits, bare_all, "bare, at once"))
    return rows


def _take(kind, pages, repetitions, count):
    """Samples of the guest stopped and running, and the bare times by page and at once."""
    stopped, running, by_page, at_once = [], [], [], []
    calls = KINDS[kind]
    with ConversionsGuest(kind, "--trace=conversion") as guest:
        calls.fill(guest, pages)
        touches = Touches(guest, count)
        touches.sample(pages)
        for _ in range(repetitions):
            by_page.append(calls.bare(pages, 1, count))
            at_once.append(calls.bare(pages, pages, count))
            stopped.append(touches.sample(pages))
            with guest.running():
                running.append(touches.sample(pages))
    return stopped, running, by_page, at_once


def _bare_waits(pages, count, repetitions):
    """Microseconds that a touch waits for a thread which does nothing else than to open windows."""
    return [median(bare.window(pages, 1, count)[1]) / 1000 for _ in range(repetitions)]


def measure(quick, kind):
    """One page, and 512 neighbours; the guest's processor out of the guest, or to be fetched."""
    repetitions = 3 if quick else 7
    retries = Retries()
    rows = []
    for pages, count in ((1, 8 if quick else 20), (512, 2 if quick else 4)):
        stopped, running, by_page, at_once = retries.run(
            lambda pages=pages, count=count: _take(kind, pages, repetitions, count))
        name = f"{pages} page{'s' if pages > 1 else ''}"
        wanted = WANTED[kind] if pages == 1 else None
        rows.append(row("touches", f"{name}: bare, by page", "us",
                        [value / 1000 for value in by_page]))
        if kind == "windows":
            rows.append(row("touches", f"{name}: bare, by page, with the change of threads", "us",
                            _bare_waits(pages, count, repetitions)))
        rows += _rows(f"{name}, guest stopped", stopped, by_page, pages > 1 and at_once, wanted)
        rows += _rows(f"{name}, guest running", running, by_page, pages > 1 and at_once, wanted)
    return rows + [retries.row("touches")]
