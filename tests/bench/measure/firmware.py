# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Firmware to its shell, and the same kernel and initramfs through firmware to the same line, in
three machines in turn.
"""

import contextlib
import os
import shutil
import tempfile
import time

from support.vmm import GUEST, INITRD, KERNEL, Vmm

from .boot import COMMAND_LINE, LINE, NAMES, conversion_seconds
from .emulated import Retries
from .qemu import Qemu
from .table import ratio, row

RELEASES = ("bookworm", "trixie")

# Private, to QEMU's ordinary VM.
WANTED = 1.2


class Firmware:
    """OVMF of one release, with variables that each machine gets a copy of."""

    has_shell = True

    def __init__(self, release):
        self.name = f"OVMF of {release}"
        self._folder = os.path.join(GUEST, f"ovmf-{release}")
        self._copies = tempfile.TemporaryDirectory(prefix="gmem-bench.")

    def close(self):
        self._copies.cleanup()

    def _path(self, part):
        return os.path.join(self._folder, f"OVMF_{part}_4M.fd")

    def _variables(self):
        return shutil.copyfile(self._path("VARS"), os.path.join(self._copies.name, "VARS.fd"))

    def gmem(self, *arguments, **popen):
        return Vmm(f"--pflash-code={self._path('CODE')}", f"--pflash-vars={self._variables()}",
                   "--vcpus=1", "--no-reboot", *arguments, **popen)

    def qemu(self, *arguments, **machine):
        return Qemu("-drive", f"if=pflash,format=raw,readonly=on,file={self._path('CODE')}",
                    "-drive", f"if=pflash,format=raw,file={self._variables()}", *arguments, **machine)


class Round:
    """Seconds until each of some patterns, and the conversions by then."""

    def __init__(self, make, *patterns):
        began = time.monotonic()
        with make() as machine:
            for pattern in patterns:
                machine.console.wait_for(pattern, 240)
            self.seconds = time.monotonic() - began
            self.conversions = None
            if machine.__class__ is not Qemu:
                self.conversions = machine.qmp.conversions()

    def count(self):
        return sum(counter["count"] for counter in self.conversions["conversions"].values())


def _machines(firmware, kind, gmem_arguments, qemu_arguments):
    def gmem(memory_kind):
        return lambda: firmware.gmem("--memory=512M", f"--memory-kind={memory_kind}",
                                     *gmem_arguments)

    return {"private": gmem(kind), "ordinary": gmem("ordinary"),
            "qemu": lambda: firmware.qemu(*qemu_arguments)}


def _compare(what, machines, patterns, quick, retries):
    rounds = {name: [] for name in machines}
    for _ in range(1 if quick else 3):
        for name, make in machines.items():
            rounds[name].append(retries.run(lambda make=make: Round(make, *patterns)))
    seconds = {name: [each.seconds for each in taken] for name, taken in rounds.items()}
    rows = [row("firmware", f"{what}: {NAMES[name]}", "ms", [1000 * each for each in values])
            for name, values in seconds.items()]
    return rows + [
        ratio("firmware", f"{what}: {NAMES['private']}", seconds["private"], seconds["qemu"],
              "QEMU, ordinary", WANTED),
        ratio("firmware", f"{what}: {NAMES['private']}", seconds["private"],
              seconds["ordinary"], "gmem-vmm, ordinary"),
        row("firmware", f"{what}: conversions", "",
            [each.count() for each in rounds["private"]]),
        row("firmware", f"{what}: time in conversions", "ms",
            [1000 * conversion_seconds(each.conversions) for each in rounds["private"]]),
    ]


def measure(quick, kind):
    """512 MiB and one processor."""
    retries = Retries()
    rows = []
    for release in RELEASES[:1] if quick else RELEASES:
        with contextlib.closing(Firmware(release)) as firmware:
            rows += _compare(f"{firmware.name} to its shell", _machines(firmware, kind, (), ()),
                             ("Shell> ",), quick, retries)
            rows += _compare(
                f"{firmware.name}, kernel to \"{LINE}\"",
                _machines(firmware, kind,
                          (f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={COMMAND_LINE}"),
                          ("-kernel", KERNEL, "-initrd", INITRD, "-append", COMMAND_LINE)),
                (LINE,), quick, retries)
    rows.append(retries.row("firmware"))
    return rows
