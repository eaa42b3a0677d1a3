# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the host comes to see of a guest: firmware at its shell, and a kernel that sits idle."""

import contextlib
import time
import unittest

from support.vmm import INITRD, KERNEL, Vmm

from .boot import COMMAND_LINE, LINE
from .emulated import Retries
from .firmware import RELEASES, Firmware, Round
from .table import left_out, row

BIOS = "/usr/share/seabios/bios-256k.bin"
LINUXBOOT_ROM = "/usr/share/qemu/linuxboot_dma.bin"

# Of the pages that the guest has touched, in percent.
WANTED_SHARED = 2.0

# How long a kernel sits idle before it is looked at: longer than a page stays out that was
# touched twice.
IDLE_SECONDS = 15

PAGE = 4096


class Loader:
    """What loads a kernel and has no shell: the VMM itself, or a BIOS with an option ROM."""

    has_shell = False

    def __init__(self, name, *options):
        self.name = name
        self._options = options

    def close(self):
        pass

    def gmem(self, *arguments):
        return Vmm(*self._options, "--vcpus=1", "--no-reboot", *arguments)


def _firmwares():
    yield Loader("no firmware")
    yield Loader("SeaBIOS", f"--bios={BIOS}", f"--linuxboot-rom={LINUXBOOT_ROM}")
    yield from map(Firmware, RELEASES)


def _pages(conversions, cause):
    return conversions["conversions"]["to-shared", cause]["bytes"] // PAGE


def _exposure(what, conversions):
    """Pages that the host came to see, by cause; and what is shared now."""
    causes = sorted({cause for direction, cause in conversions["conversions"]
                     if direction == "to-shared"})
    rows = [row("exposure", f"{what}: pages shared, {cause}", "", [_pages(conversions, cause)])
            for cause in causes if _pages(conversions, cause)]
    return rows + [
        row("exposure", f"{what}: most pages shared at a time", "",
            [conversions["shared-bytes-peak"] // PAGE]),
        row("exposure", f"{what}: pages shared now", "", [conversions["shared-bytes"] // PAGE]),
        row("exposure", f"{what}: pages the guest has touched", "",
            [conversions["mapped-bytes"] // PAGE]),
    ]


def _idle(make):
    """A kernel's conversions when it has sat at its shell for a while."""
    with make() as machine:
        machine.console.wait_for(LINE, 240)
        machine.console.wait_for("/ # ", 60)
        time.sleep(IDLE_SECONDS)
        return machine.qmp.conversions()


def _measure(firmware, kind, retries):
    machine = ("--memory=1G", f"--memory-kind={kind}")
    kernel = (f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={COMMAND_LINE}")
    rows = []
    if firmware.has_shell:
        shell = retries.run(lambda: Round(lambda: firmware.gmem(*machine), "Shell> "))
        rows += _exposure(f"{firmware.name}, at its shell", shell.conversions)
    idle = retries.run(lambda: _idle(lambda: firmware.gmem(*machine, *kernel)))
    what = f"{firmware.name}, kernel idle"
    return rows + _exposure(what, idle) + [
        row("exposure", f"{what}: shared of what was touched", "%",
            [100 * idle["shared-bytes"] / idle["mapped-bytes"]], wanted=WANTED_SHARED)]


def measure(_quick, kind):
    """1 GiB and one processor."""
    retries = Retries()
    rows = []
    for firmware in _firmwares():
        with contextlib.closing(firmware):
            try:
                rows += _measure(firmware, kind, retries)
            except unittest.SkipTest as reason:
                left_out(f"exposure: {firmware.name}", reason)
    rows.append(retries.row("exposure"))
    return rows
