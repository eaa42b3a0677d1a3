# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel says of a process."""


def _status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise KeyError(field)


def resident_mib(pid, peak=False):
    """Memory that it has in RAM now, or had at most."""
    return _status(pid, "VmHWM" if peak else "VmRSS") // 1024


def threads(pid):
    """How many threads it has."""
    return _status(pid, "Threads")
