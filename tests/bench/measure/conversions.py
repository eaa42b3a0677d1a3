# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Conversions that the guest asks for: with two-sided memory beside the calls that they consist of.
With windows there are none, but to close what is open.
"""

from statistics import median

from support import kinds

from . import bare
from .emulated import Retries
from .guest import ConversionsGuest
from .table import ratio, row

SIZES = (1, 16, 512)
DIRECTIONS = ("to-shared", "to-private")

# The most that is wanted, and the sizes that it is wanted for.
WANTED = 1.3
WANTED_FROM = 16


def _bare(pages, count, use, exit_before=False):
    """Median nanoseconds by direction, and ticks of the TSC a nanosecond."""
    calls, ticks_per_ns = bare.convert(pages, count, use, exit_before)
    return {way: median(sum(parts) for parts in calls[way]) for way in DIRECTIONS}, ticks_per_ns


def _engine(guest, pages, count, use):
    """Median nanoseconds by direction, as the engine says in its trace."""
    guest.traced()
    guest.convert(pages, count, use)
    conversions = guest.traced()
    result = {}
    for way in DIRECTIONS:
        times = [nanoseconds for key, size, nanoseconds in conversions
                 if key == (way, "guest-hypercall") and size == pages * 4096]
        if len(times) != count:
            raise AssertionError(f"{count} conversions of {pages} pages {way} were wanted, "
                                 f"{len(times)} were traced")
        result[way] = median(times)
    return result


def _round_trip(guest, pages, count, use, ticks_per_ns):
    """Median nanoseconds by direction, as the guest sees them."""
    ticks = guest.convert(pages, count, use)
    return {way: median(ticks[way]) / ticks_per_ns for way in DIRECTIONS}


class Samples:
    """
    Repetitions of the bare calls and of one way to look at gmem-vmm's, in turn. There are two:
    writing the trace, which the engine's times come from, would count in the guest's round trip.
    """

    def __init__(self, pages, use, repetitions, count, retries):
        self._arguments = pages, count, use
        self._repetitions = repetitions
        self.engine = retries.run(
            lambda: self._take(["--trace=conversion"], self._sample_engine))
        self.round_trip = retries.run(lambda: self._take([], self._sample_round_trip))

    def _sample_engine(self, guest, _ticks_per_ns):
        return _engine(guest, *self._arguments)

    def _sample_round_trip(self, guest, ticks_per_ns):
        return _round_trip(guest, *self._arguments, ticks_per_ns)

    def _take(self, arguments, sample):
        """
        Triples: the bare times, those of the bare calls right after an exit of a vCPU, and the
        sample's. The first is for warming up.
        """
        triples = []
        with ConversionsGuest("two-sided", *arguments) as guest:
            for _ in range(self._repetitions + 1):
                loop, ticks_per_ns = _bare(*self._arguments)
                after_exit, _ = _bare(*self._arguments, exit_before=True)
                triples.append((loop, after_exit, sample(guest, ticks_per_ns)))
        return triples[1:]


def _split(triples, way):
    return ([triple[i][way] for triple in triples] for i in range(3))


def _rows(pages, use, samples):
    rows = []
    for way in DIRECTIONS:
        name = f"{pages} {way}, " + ("used" if use else "unused")
        wanted = WANTED if pages >= WANTED_FROM else None
        loop, after_exit, engine = _split(samples.engine, way)
        rows += [
            row("conversions", f"{name}: bare loop", "us", [value / 1000 for value in loop]),
            ratio("conversions", f"{name}: engine", engine, loop, "bare loop", wanted),
            ratio("conversions", f"{name}: engine", engine, after_exit, "bare, after an exit"),
        ]
        loop, after_exit, round_trip = _split(samples.round_trip, way)
        rows += [
            ratio("conversions", f"{name}: round trip", round_trip, loop, "bare loop"),
            ratio("conversions", f"{name}: round trip", round_trip, after_exit,
                  "bare, after an exit"),
        ]
    return rows


def _refused(kind, repetitions, count, ticks_per_ns):
    """The way to the VMM and back: a hypercall of no pages, which is refused."""
    with ConversionsGuest(kind) as guest:
        times = [_round_trip(guest, 0, count, False, ticks_per_ns)["to-shared"] / 1000
                 for _ in range(repetitions)]
    return row("conversions", "a hypercall that is refused: round trip", "us", times)


def _measure_two_sided(repetitions, count, retries):
    ticks_per_ns = _bare(1, count, False)[1]
    rows = [retries.run(lambda: _refused("two-sided", repetitions, count, ticks_per_ns))]
    for pages in SIZES:
        for use in (False, True):
            rows += _rows(pages, use, Samples(pages, use, repetitions, count, retries))
    return rows


def _samples_of_windows(pages, use, repetitions, count, ticks_per_ns):
    """By direction, microseconds in the engine and of the round trip."""
    taken = []
    for arguments, sample in (
            (["--trace=conversion"], lambda guest: _engine(guest, pages, count, use)),
            ([], lambda guest: _round_trip(guest, pages, count, use, ticks_per_ns))):
        with ConversionsGuest("windows", *arguments) as guest:
            # The first is for warming up.
            samples = [sample(guest) for _ in range(repetitions + 1)][1:]
        taken.append({way: [each[way] / 1000 for each in samples] for way in DIRECTIONS})
    return taken


def _measure_windows(repetitions, count, retries):
    ticks_per_ns = bare.window(1, 1, count)[2]
    rows = [retries.run(lambda: _refused("windows", repetitions, count, ticks_per_ns))]
    for pages in SIZES:
        for use in (False, True):
            engine, round_trip = retries.run(
                lambda pages=pages, use=use: _samples_of_windows(pages, use, repetitions, count,
                                                                 ticks_per_ns))
            for way in DIRECTIONS:
                name = f"{pages} {way}, " + ("used" if use else "unused")
                rows += [row("conversions", f"{name}: engine", "us", engine[way]),
                         row("conversions", f"{name}: round trip", "us", round_trip[way])]
    return rows


def measure(quick, kind):
    """
    "1 to-shared" is one page. Its pages are used while they are shared, so that they have to be
    given back after it, or not.
    """
    kinds.require_hypercall(kind)
    repetitions, count = (3, 9) if quick else (9, 25)
    retries = Retries()
    measure_kind = _measure_two_sided if kind == "two-sided" else _measure_windows
    return measure_kind(repetitions, count, retries) + [retries.row("conversions")]
