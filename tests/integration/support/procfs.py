# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel says of a process."""

import os


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


def processor_seconds(pid, thread=None):
    """What it has used of processors so far, threads that have ended among it; or one of its threads alone."""
    path = f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat"
    with open(path, encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
