# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conversions that the guest asks for, beside the calls that they consist of."""

from . import bare
from .guest import ConversionsGuest, difference
from .table import ratio, row

SIZES = (1, 16, 512)

# The target, and the sizes that it is for.
WANTED = 1.3
WANTED_FROM = 16

DIRECTIONS = ("to-shared", "to-private")


def _bare_times(parts):
    shared_attribute, punch, private_attribute, discard = parts
    return {"to-shared": shared_attribute + punch, "to-private": private_attribute + discard}


def _sample(guest, pages, count, use):
    """
    One repetition, in nanoseconds a conversion, by direction: bare, in the engine, and the
    hypercall as the guest sees it.
    """
    parts, ticks_per_ns = bare.convert(pages, count, use)
    before = {way: guest.counters(way, "guest-hypercall") for way in DIRECTIONS}
    ticks = guest.convert(pages, count, use)
    result = {"bare": _bare_times(parts), "engine": {},
              "guest": {way: value / ticks_per_ns for way, value in zip(DIRECTIONS, ticks)},
              "parts": parts}
    for way in DIRECTIONS:
        conversions, size, nanoseconds = difference(guest.counters(way, "guest-hypercall"),
                                                    before[way])
        if conversions != count or size != count * pages * 4096:
            raise AssertionError(f"{count} conversions of {pages} pages {way} were wanted; "
                                 f"the VMM counted {conversions} of {size} bytes in all")
        result["engine"][way] = nanoseconds / count
    return result


def _rows(pages, use, samples):
    rows = []
    for way in DIRECTIONS:
        name = f"{pages} page{'s' if pages > 1 else ''} {way}" + (", used" if use else ", unused")
        times = {who: [sample[who][way] for sample in samples]
                 for who in ("bare", "engine", "guest")}
        wanted = WANTED if pages >= WANTED_FROM else None
        rows.append(ratio("conversions", f"{name}: engine", times["engine"], times["bare"],
                          "bare", wanted))
        rows.append(ratio("conversions", f"{name}: guest's round trip", times["guest"],
                          times["bare"], "bare", wanted))
        rows.append(row("conversions", f"{name}: bare", "us",
                        [value / 1000 for value in times["bare"]]))
    return rows


def _empty_hypercall(guest, ticks_per_ns, repetitions, count):
    values = []
    for _ in range(repetitions):
        values += [value / ticks_per_ns / 1000 for value in guest.convert(0, count, False)]
    return row("conversions", "hypercall that is refused: guest's round trip", "us", values)


def measure(quick):
    """
    The pages are shared without being used, or used: the guest writes to them, so that they have
    to be given back by MADV_DONTNEED.
    """
    repetitions, count = (3, 8) if quick else (9, 24)
    rows = []
    with ConversionsGuest() as guest:
        _, ticks_per_ns = bare.convert(1, count, False)
        rows.append(_empty_hypercall(guest, ticks_per_ns, repetitions, count))
        for pages in SIZES:
            for use in (False, True):
                _sample(guest, pages, 2, use)
                samples = [_sample(guest, pages, count, use) for _ in range(repetitions)]
                rows += _rows(pages, use, samples)
    return rows
