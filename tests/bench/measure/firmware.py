# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Firmware to its shell, and the same kernel and initramfs through firmware to the same line, in
three machines in turn; and what the host came to see on the way.
"""

import os
import shutil
import tempfile
import time

from support.vmm import GUEST, INITRD, KERNEL, Vmm

from .boot import COMMAND_LINE, LINE, MACHINES, NAMES, conversion_seconds
from .emulated import Retries
from .qemu import Qemu
from .table import ratio, row

RELEASES = ("bookworm", "trixie")
BIOS = "/usr/share/seabios/bios-256k.bin"
LINUXBOOT_ROM = "/usr/share/qemu/linuxboot_dma.bin"

# Protected, to QEMU's ordinary VM.
WANTED = 1.2

# Of the pages that the guest has touched, in percent.
WANTED_SHARED = 2.0

# How long a kernel sits idle before it is looked at: longer than a page stays out that was
# touched twice.
IDLE_SECONDS = 15

PAGE = 4096


class Firmware:
    """OVMF of one release, with variables that each machine gets a copy of."""

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

    def gmem(self, *arguments):
        return Vmm(f"--pflash-code={self._path('CODE')}", f"--pflash-vars={self._variables()}",
                   "--vcpus=1", "--no-reboot", *arguments)

    def qemu(self, *arguments):
        return Qemu("-drive", f"if=pflash,format=raw,readonly=on,file={self._path('CODE')}",
                    "-drive", f"if=pflash,format=raw,file={self._variables()}", *arguments)


class SeaBios:
    """A BIOS; only what the host sees of it is measured."""

    name = "SeaBIOS"

    def close(self):
        pass

    def gmem(self, *arguments):
        return Vmm(f"--bios={BIOS}", f"--linuxboot-rom={LINUXBOOT_ROM}", "--vcpus=1",
                   "--no-reboot", *arguments)


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


def _machines(firmware, gmem_arguments, qemu_arguments):
    def gmem(kind):
        return lambda: firmware.gmem("--memory=512M", f"--memory-kind={kind}", *gmem_arguments)

    return {"protected": gmem("two-sided"), "ordinary": gmem("ordinary"),
            "qemu": lambda: firmware.qemu(*qemu_arguments)}


def _compare(what, machines, patterns, quick, retries):
    rounds = {name: [] for name in MACHINES}
    for _ in range(1 if quick else 3):
        for name, make in machines.items():
            rounds[name].append(retries.run(lambda make=make: Round(make, *patterns)))
    seconds = {name: [each.seconds for each in taken] for name, taken in rounds.items()}
    rows = [row("firmware", f"{what}: {NAMES[name]}", "ms", [1000 * each for each in values])
            for name, values in seconds.items()]
    return rows + [
        ratio("firmware", f"{what}: {NAMES['protected']}", seconds["protected"], seconds["qemu"],
              "QEMU, ordinary", WANTED),
        ratio("firmware", f"{what}: {NAMES['protected']}", seconds["protected"],
              seconds["ordinary"], "gmem-vmm, ordinary"),
        row("firmware", f"{what}: conversions", "",
            [each.count() for each in rounds["protected"]]),
        row("firmware", f"{what}: time in conversions", "ms",
            [1000 * conversion_seconds(each.conversions) for each in rounds["protected"]]),
    ]


def _pages(conversions, cause):
    return conversions["conversions"]["to-shared", cause]["bytes"] // PAGE


def _exposure(what, conversions):
    """Pages that the host came to see, by cause; and what is shared now."""
    causes = sorted({cause for direction, cause in conversions["conversions"]
                     if direction == "to-shared"})
    rows = [row("firmware", f"{what}: pages shared, {cause}", "", [_pages(conversions, cause)])
            for cause in causes if _pages(conversions, cause)]
    return rows + [
        row("firmware", f"{what}: most pages shared at a time", "",
            [conversions["shared-bytes-peak"] // PAGE]),
        row("firmware", f"{what}: pages shared now", "", [conversions["shared-bytes"] // PAGE]),
        row("firmware", f"{what}: pages the guest has touched", "",
            [conversions["mapped-bytes"] // PAGE]),
    ]


def _idle(make):
    """A kernel's conversions when it has sat at its shell for a while."""
    with make() as machine:
        machine.console.wait_for(LINE, 240)
        machine.console.wait_for("/ # ", 60)
        time.sleep(IDLE_SECONDS)
        return machine.qmp.conversions()


def _measure_exposure(firmware, retries):
    kernel = (f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={COMMAND_LINE}")
    rows = []
    if not isinstance(firmware, SeaBios):
        shell = retries.run(lambda: Round(lambda: firmware.gmem("--memory=1G"), "Shell> "))
        rows += _exposure(f"{firmware.name}, at its shell", shell.conversions)
    idle = retries.run(lambda: _idle(lambda: firmware.gmem("--memory=1G", *kernel)))
    what = f"{firmware.name}, kernel idle"
    return rows + _exposure(what, idle) + [
        row("firmware", f"{what}: shared of what was touched", "%",
            [100 * idle["shared-bytes"] / idle["mapped-bytes"]], wanted=WANTED_SHARED)]


def measure(quick):
    """512 MiB and one processor for times, 1 GiB for what the host sees."""
    retries = Retries()
    rows = []
    firmwares = [Firmware(release) for release in RELEASES] + [SeaBios()]
    try:
        for firmware in firmwares[:1] if quick else firmwares[:-1]:
            rows += _compare(f"{firmware.name} to its shell", _machines(firmware, (), ()),
                             ("Shell> ",), quick, retries)
            rows += _compare(
                f"{firmware.name}, kernel to \"{LINE}\"",
                _machines(firmware,
                          (f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={COMMAND_LINE}"),
                          ("-kernel", KERNEL, "-initrd", INITRD, "-append", COMMAND_LINE)),
                (LINE,), quick, retries)
        for firmware in firmwares:
            rows += _measure_exposure(firmware, retries)
    finally:
        for firmware in firmwares:
            firmware.close()
    rows.append(retries.row("firmware"))
    return rows
