# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results: rows of samples, each a ratio within its run, and how they are shown."""

import statistics
import sys


class PartlyFailed(AssertionError):
    """Some of what a benchmark compares has failed; it has the rows of the rest, and what has failed, by name."""

    def __init__(self, rows, failures):
        super().__init__("; ".join(failures))
        self.rows = rows
        self.failures = failures


def row(benchmark, what, unit, values, *, wanted=None, to=None, judged="median"):
    """
    One result.

    unit is "ratio", "us", "ms", "KiB", "MiB", "%" or nothing for a number; to says what a ratio is to. wanted is
    the most that the value called judged may be.
    """
    result = {
        "benchmark": benchmark,
        "what": what,
        "unit": unit,
        "to": to,
        "minimum": min(values),
        "median": statistics.median(values),
        "maximum": max(values),
        "values": values,
        "wanted-at-most": wanted,
    }
    result["meets"] = None if wanted is None else result[judged] <= wanted
    return result


def ratio(benchmark, what, values, others, to, wanted=None):
    """The ratios of what was measured in turn, pair by pair."""
    return row(benchmark, what, "ratio", [a / b for a, b in zip(values, others)], to=to,
               wanted=wanted)


def left_out(name, reason):
    """Says that there are no results of something on this host."""
    print(f"bench: {name} is left out: {reason}", file=sys.stderr, flush=True)


def _number(value, unit):
    if not unit:
        return f"{value:g}"
    if unit == "ratio":
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _verdict(result):
    if result["meets"] is None:
        return ""
    return f"{'ok' if result['meets'] else 'MISSED'} (at most {result['wanted-at-most']:g})"


def print_tables(title, rows):
    """One table a benchmark, on standard output."""
    lines = [("what", "", "minimum", "median", "maximum", "wanted")]
    for result in rows:
        unit = result["unit"]
        label = f"x {result['to']}" if unit == "ratio" else unit
        lines.append((result["what"], label,
                      *(_number(result[key], unit) for key in ("minimum", "median", "maximum")),
                      _verdict(result)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    print(f"\n{title}")
    for line in lines:
        cells = [cell.ljust(width) if i in (0, 1, 5) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        print("  " + "  ".join(cells).rstrip(), flush=True)
