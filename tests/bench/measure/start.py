# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a process's start to its guest's first instruction, which ends it."""

import contextlib
import os
import resource
import subprocess
import tempfile
import time

from support import sizes
from support.qmp import Qmp
from support.vmm import DEBUG_EXIT_PORT, EMULATOR, Vmm

from . import without_sandbox
from .bare import payload
from .qemu import Qemu
from .resident import beside_guest
from .table import left_out, ratio, row

# mov $0, %al; out %al, $0xf4, where a processor starts: 16 bytes below the end of the firmware.
FIRMWARE = bytes([0xb0, 0x00, 0xe6, DEBUG_EXIT_PORT, 0xf4]).rjust(0xfff5, b"\xff").ljust(0x10000)


# How much longer a start may take with the sandbox.
SANDBOX_MS = 5


def _processor_seconds():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _timed(run):
    """ms that it took, and ms of processors that it used."""
    began, before = time.monotonic(), _processor_seconds()
    status = run()
    if status != 1:
        raise AssertionError(f"the guest's first instruction ends the VMM with 1, not {status}")
    return 1000 * (time.monotonic() - began), 1000 * (_processor_seconds() - before)


# Of a guest that touches next to nothing, to see what memory costs that is only there.
SIZES = {"512 MiB": 512 << 20, "1 TiB": sizes.TIB, "4 TiB": 4 * sizes.TIB}


def _gmem(kind, memory=512 << 20, sandbox=("--sandbox=full",), before=lambda: None):
    return subprocess.run(
        [EMULATOR, f"--payload={payload('first-instruction')}", f"--memory-kind={kind}", *sandbox,
         f"--memory={memory >> 20}M", f"--debug-exit={DEBUG_EXIT_PORT:#x}", "--console=null"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=before, timeout=120, check=False).returncode


def _without_sandbox(kind):
    return _gmem(kind, sandbox=without_sandbox.ARGUMENTS, before=without_sandbox.take_seccomp_away)


# Some KVMs refuse the MSR of arch-capabilities, at which QEMU ends; one instruction can do without.
def _qemu(firmware):
    with Qemu("-bios", firmware, "-device", f"isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=4",
              memory=512, cpu="host,-arch-capabilities") as qemu:
        return qemu.wait()


def _beside(kind, memory):
    """
    KiB that a machine has in memory before its first instruction, beside the guest's RAM, and MiB
    of the host's that are gone: its kernel's too, and whatever others take and give meanwhile.
    """
    before = sizes.available()
    with Vmm(f"--payload={payload('first-instruction')}", f"--memory-kind={kind}",
             f"--memory={memory >> 20}M", "--paused") as vmm:
        # It answers when all is made.
        with contextlib.closing(Qmp(vmm.monitor_path, seconds=120)) as qmp:
            qmp.execute("query-status")
        return beside_guest(vmm.pid)[0], (before - sizes.available()) / (1 << 20)


def _measure_sizes(quick, kind):
    """What the size of a guest's memory costs."""
    rows = []
    for name, memory in SIZES.items():
        reason = sizes.why_not(memory)
        if reason:
            left_out(name, reason)
            continue
        repetitions = range(1 if quick else 3)
        times = [_timed(lambda: _gmem(kind, memory))[0] for _ in repetitions]
        resident, taken = zip(*(_beside(kind, memory) for _ in repetitions))
        rows += [
            row("start", f"private, {name}", "ms", times),
            row("start", f"private, {name}, beside the guest", "KiB", resident),
            row("start", f"private, {name}, of the host", "MiB", taken),
        ]
    return rows


def measure(quick, kind):
    """512 MiB and one processor; and then memory that is larger and larger."""
    repetitions = 3 if quick else 9
    times = {"private": [], "without": [], "ordinary": [], "qemu": []}
    processors = {name: [] for name in times}
    with tempfile.TemporaryDirectory(prefix="gmem-bench.") as folder:
        firmware = os.path.join(folder, "firmware")
        with open(firmware, "wb") as file:
            file.write(FIRMWARE)
        ways = {
            "private": lambda: _gmem(kind),
            "without": lambda: _without_sandbox(kind),
            "ordinary": lambda: _gmem("ordinary"),
            "qemu": lambda: _qemu(firmware),
        }
        for name, run in ways.items():
            _timed(run)
        for _ in range(repetitions):
            for name, run in ways.items():
                taken, used = _timed(run)
                times[name].append(taken)
                processors[name].append(used)
    return [
        row("start", "gmem-vmm, private", "ms", times["private"]),
        row("start", "gmem-vmm, private, without its sandbox", "ms", times["without"]),
        row("start", "gmem-vmm, ordinary", "ms", times["ordinary"]),
        row("start", "QEMU q35, ordinary", "ms", times["qemu"]),
        ratio("start", "gmem-vmm, private", times["private"], times["ordinary"],
              "gmem-vmm, ordinary"),
        ratio("start", "gmem-vmm, private", times["private"], times["qemu"],
              "QEMU, ordinary"),
        ratio("start", "gmem-vmm, private", times["private"], times["without"], "without its sandbox"),
        row("start", "gmem-vmm, private: more processor time with its sandbox", "ms",
            [a - b for a, b in zip(processors["private"], processors["without"])], wanted=SANDBOX_MS),
        *_measure_sizes(quick, kind),
    ]
