# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conversions that the guest asks for, beside the calls that they consist of."""

from statistics import median

from . import bare
from .guest import ConversionsGuest
from .table import ratio, row

SIZES = (1, 16, 512)
DIRECTIONS = ("to-shared", "to-private")

# The most that is wanted, and the sizes that it is wanted for.
WANTED = 1.3
WANTED_FROM = 16


class Conversions:
    """
    Two guests: what the engine takes is in its trace, and writing that would count in the guest's
    round trip. Nothing runs beside what is measured.
    """

    def __init__(self, traced, plain, count):
        self._traced = traced
        self._plain = plain
        self._count = count
        self.ticks_per_ns = bare.convert(1, count, False)[1]

    def _bare(self, pages, use):
        calls, _ = bare.convert(pages, self._count, use)
        return {way: median(sum(parts) for parts in calls[way]) for way in DIRECTIONS}

    def _engine(self, pages, use):
        self._traced.traced()
        self._traced.convert(pages, self._count, use)
        conversions = self._traced.traced()
        result = {}
        for way in DIRECTIONS:
            times = [nanoseconds for key, size, nanoseconds in conversions
                     if key == (way, "guest-hypercall") and size == pages * 4096]
            if len(times) != self._count:
                raise AssertionError(f"{self._count} conversions of {pages} pages {way} were "
                                     f"wanted, {len(times)} were traced")
            result[way] = median(times)
        return result

    def round_trip(self, pages, use):
        """Median nanoseconds of the hypercall, as the guest sees it."""
        ticks = self._plain.convert(pages, self._count, use)
        return {way: median(ticks[way]) / self.ticks_per_ns for way in DIRECTIONS}

    def sample(self, pages, use):
        """One repetition of each, in nanoseconds a conversion."""
        return {"bare": self._bare(pages, use), "engine": self._engine(pages, use),
                "guest": self.round_trip(pages, use)}


def _rows(pages, use, samples):
    rows = []
    for way in DIRECTIONS:
        name = f"{pages} {way}, " + ("used" if use else "unused")
        times = {who: [sample[who][way] for sample in samples]
                 for who in ("bare", "engine", "guest")}
        wanted = WANTED if pages >= WANTED_FROM else None
        rows.append(row("conversions", f"{name}: bare", "us",
                        [value / 1000 for value in times["bare"]]))
        rows.append(ratio("conversions", f"{name}: engine", times["engine"], times["bare"],
                          "bare", wanted))
        rows.append(ratio("conversions", f"{name}: round trip", times["guest"], times["bare"],
                          "bare", wanted))
    return rows


def measure(quick):
    """
    "1 to-shared" is one page. Its pages are used while they are shared, so that they have to be
    given back after it, or not.
    """
    repetitions, count = (3, 9) if quick else (9, 25)
    with ConversionsGuest("--trace=conversion") as traced, ConversionsGuest() as plain:
        conversions = Conversions(traced, plain, count)
        empty = [conversions.round_trip(0, False)[way] / 1000
                 for _ in range(repetitions) for way in DIRECTIONS]
        rows = [row("conversions", "a hypercall that is refused: round trip", "us", empty)]
        for pages in SIZES:
            for use in (False, True):
                conversions.sample(pages, use)
                samples = [conversions.sample(pages, use) for _ in range(repetitions)]
                rows += _rows(pages, use, samples)
    return rows
