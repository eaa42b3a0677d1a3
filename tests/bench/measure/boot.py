# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same kernel and initramfs to the same line on the console, in four machines in turn."""

import time

from support.vmm import INITRD, KERNEL, linux

from . import without_sandbox
from .emulated import Retries
from .qemu import Qemu
from .resident import beside_guest
from .table import ratio, row

LINE = "Hello from Linux"
COMMAND_LINE = "console=ttyS0"

# By kind of memory: to QEMU's ordinary VM, and to an ordinary one of gmem-vmm's.
WANTED = {"two-sided": (1.0, None), "windows": (1.0, 1.02)}
# And of either kind to itself without its sandbox.
WITHOUT_SANDBOX = 1.03


def _gmem(kind, *sandbox, **popen):
    return linux(f"--memory-kind={kind}", "--memory=512M", "--vcpus=1", "--no-reboot", *sandbox,
                 append=COMMAND_LINE, **popen)


def _without_sandbox(kind):
    return _gmem(kind, *without_sandbox.ARGUMENTS, preexec_fn=without_sandbox.take_seccomp_away)


def _qemu():
    return Qemu("-kernel", KERNEL, "-initrd", INITRD, "-append", COMMAND_LINE)


def _machines(kind):
    return {"private": lambda: _gmem(kind), "without": lambda: _without_sandbox(kind),
            "ordinary": lambda: _gmem("ordinary"), "qemu": _qemu}


def conversion_seconds(conversions):
    """Time in conversions, of which some waits for other threads."""
    return sum(counter["time-ns"] for counter in conversions["conversions"].values()) / 1e9


class Round:
    """One boot: seconds to the first message of the kernel and to LINE, and memory then."""

    def __init__(self, make):
        began = time.monotonic()
        with make() as machine:
            machine.console.wait_for("Linux version", 120)
            self.to_kernel = time.monotonic() - began
            machine.console.wait_for(LINE, 120)
            self.to_line = time.monotonic() - began
            self.resident, self.own = beside_guest(machine.pid)
            self.conversions = None
            if machine.__class__ is not Qemu:
                self.conversions = machine.qmp.conversions()

    def conversion_seconds(self):
        return conversion_seconds(self.conversions)

    def host_touches(self):
        return sum(counter["count"] for (_, cause), counter in
                   self.conversions["conversions"].items() if cause.startswith("host-touch"))


NAMES = {
    "private": "gmem-vmm, private",
    "without": "gmem-vmm, private, without its sandbox",
    "ordinary": "gmem-vmm, ordinary",
    "qemu": "QEMU q35, ordinary",
}


def _values(rounds, attribute):
    return [getattr(each, attribute) for each in rounds]


def measure(quick, kind):
    """512 MiB and one processor."""
    to_qemu, to_ordinary = WANTED[kind]
    retries = Retries()
    machines = _machines(kind)
    rounds = {name: [] for name in machines}
    for _ in range(1 if quick else 9):
        for name, make in machines.items():
            rounds[name].append(retries.run(lambda make=make: Round(make)))
    lines = {name: _values(each, "to_line") for name, each in rounds.items()}
    rows = []
    for name, each in rounds.items():
        rows.append(row("boot", f"{NAMES[name]}: to the kernel's first line", "ms",
                        [1000 * value for value in _values(each, "to_kernel")]))
        rows.append(row("boot", f"{NAMES[name]}: to \"{LINE}\"", "ms",
                        [1000 * value for value in lines[name]]))
    rows += [
        ratio("boot", NAMES["private"], lines["private"], lines["qemu"], "QEMU, ordinary",
              to_qemu),
        ratio("boot", NAMES["private"], lines["private"], lines["ordinary"],
              "gmem-vmm, ordinary", to_ordinary),
        ratio("boot", NAMES["private"], lines["private"], lines["without"], NAMES["without"], WITHOUT_SANDBOX),
        ratio("boot", NAMES["ordinary"], lines["ordinary"], lines["qemu"], "QEMU, ordinary"),
        row("boot", "private: time in conversions", "ms",
            [1000 * each.conversion_seconds() for each in rounds["private"]]),
        row("boot", "private: touches by the host", "",
            [each.host_touches() for each in rounds["private"]]),
        row("boot", "private: shared when the line came", "KiB",
            [each.conversions["shared-bytes"] / 1024 for each in rounds["private"]]),
    ]
    for name, each in rounds.items():
        rows.append(row("boot", f"{NAMES[name]}: resident beside the guest's", "KiB",
                        _values(each, "resident")))
        rows.append(row("boot", f"{NAMES[name]}: of it in no other process", "KiB",
                        _values(each, "own")))
    for name in ("ordinary", "qemu"):
        rows.append(ratio("boot", "private: resident beside the guest's",
                          _values(rounds["private"], "resident"),
                          _values(rounds[name], "resident"), NAMES[name]))
    rows.append(retries.row("boot"))
    return rows
