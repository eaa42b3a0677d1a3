# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a process's start to its guest's first instruction, which ends it."""

import os
import subprocess
import tempfile
import time

from support.vmm import DEBUG_EXIT_PORT, EMULATOR

from .bare import payload
from .qemu import Qemu
from .table import ratio, row

# mov $0, %al; out %al, $0xf4, where a processor starts: 16 bytes below the end of the firmware.
FIRMWARE = bytes([0xb0, 0x00, 0xe6, DEBUG_EXIT_PORT, 0xf4]).rjust(0xfff5, b"\xff").ljust(0x10000)


def _timed(run):
    began = time.monotonic()
    status = run()
    if status != 1:
        raise AssertionError(f"the guest's first instruction ends the VMM with 1, not {status}")
    return 1000 * (time.monotonic() - began)


def _gmem(kind):
    return subprocess.run(
        [EMULATOR, f"--payload={payload('first-instruction')}", f"--memory-kind={kind}",
         "--memory=512M", f"--debug-exit={DEBUG_EXIT_PORT:#x}", "--console=null"],
        stdin=subprocess.DEVNULL, timeout=120, check=False).returncode


def _qemu(firmware):
    with Qemu("-bios", firmware, "-device", f"isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=4",
              memory=512) as qemu:
        return qemu.wait()


def measure(quick, kind):
    """512 MiB and one processor."""
    repetitions = 3 if quick else 9
    times = {"private": [], "ordinary": [], "qemu": []}
    with tempfile.TemporaryDirectory(prefix="gmem-bench.") as folder:
        firmware = os.path.join(folder, "firmware")
        with open(firmware, "wb") as file:
            file.write(FIRMWARE)
        ways = {
            "private": lambda: _gmem(kind),
            "ordinary": lambda: _gmem("ordinary"),
            "qemu": lambda: _qemu(firmware),
        }
        for name, run in ways.items():
            _timed(run)
        for _ in range(repetitions):
            for name, run in ways.items():
                times[name].append(_timed(run))
    return [
        row("start", "gmem-vmm, private", "ms", times["private"]),
        row("start", "gmem-vmm, ordinary", "ms", times["ordinary"]),
        row("start", "QEMU q35, ordinary", "ms", times["qemu"]),
        ratio("start", "gmem-vmm, private", times["private"], times["ordinary"],
              "gmem-vmm, ordinary"),
        ratio("start", "gmem-vmm, private", times["private"], times["qemu"],
              "QEMU, ordinary"),
    ]
