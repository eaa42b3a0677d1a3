# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a virtio disk does for a guest that does nothing else, in machines in turn; the image is in the page cache."""

import os
import tempfile

from support.devices import device, root_port
from support.vmm import Vmm

from .bare import payload
from .qemu import PayloadInQemu
from .table import ratio

MIB = 1 << 20
IMAGE_SIZE = 256 * MIB
MEMORY = 256

# write, bytes, how many under way, how many in all, anywhere or one behind the other.
PATTERNS = {
    "read 4 KiB, depth 1": (0, 4096, 1, 4000, 1),
    "write 4 KiB, depth 1": (1, 4096, 1, 4000, 1),
    "read 4 KiB, depth 32": (0, 4096, 32, 32000, 1),
    "write 4 KiB, depth 32": (1, 4096, 32, 32000, 1),
    "read 1 MiB in order, depth 4": (0, MIB, 4, 512, 0),
    "write 1 MiB in order, depth 4": (1, MIB, 4, 512, 0),
}

# The most time that a pattern may take, by its depth: to the ordinary VM, by kind, and that one's to QEMU's.
TO_ORDINARY = {"windows": {1: 1 / 0.95, 4: 1 / 0.95, 32: 1 / 0.95}, "two-sided": {1: 1 / 0.6, 4: 1 / 0.8, 32: 1 / 0.8}}
TO_QEMU = 1.0


def _gmem(kind, image):
    return Vmm(f"--payload={payload('disk')}", f"--memory-kind={kind}", f"--memory={MEMORY}M",
               root_port("pci.1", "0x1", chassis=1, port=8),
               device("virtio-blk-pci", "disk0", bus="pci.1", addr="0x0",
                      blockdev={"driver": "raw", "fd": str(image.fileno())}),
               pass_fds=(image.fileno(),))


def _qemu(image):
    return PayloadInQemu(
        payload("disk"), "-object", "iothread,id=io0",
        "-blockdev", f"driver=file,node-name=image,filename={image.name},aio=io_uring",
        "-device", "pcie-root-port,id=pci.1,bus=pcie.0,addr=0x1,chassis=1,port=8",
        "-device", "virtio-blk-pci,drive=image,iothread=io0,bus=pci.1,addr=0x0", memory=MEMORY,
        # Some KVMs refuse its MSR, at which QEMU ends.
        cpu="host,-arch-capabilities")


class _Machine:
    """A guest that is ready."""

    def __init__(self, machine):
        self._machine = machine
        self._console = machine.console
        self._console.wait_for("ready\n", 60)

    def ticks(self, pattern):
        """How long so many requests take."""
        self._console.send(" ".join(map(str, pattern)) + "\n")
        answer = self._console.wait_for(r"(\d+|failed)\n", 300).group(1)
        if answer == "failed":
            raise AssertionError(f"a disk request has failed: {pattern}")
        return int(answer)


def _makers(kind, image):
    return {"private": lambda: _gmem(kind, image), "ordinary": lambda: _gmem("ordinary", image),
            "qemu": lambda: _qemu(image)}


def _take(makers, rounds):
    """
    Ticks by pattern and machine. One machine at a time, since a processor that polls leaves none to others; in turn, a
    round each, after one that does not count.
    """
    taken = {pattern: {name: [] for name in makers} for pattern in PATTERNS}
    for _ in range(rounds):
        for name, make in makers.items():
            with make() as machine:
                guest = _Machine(machine)
                for pattern, request in PATTERNS.items():
                    guest.ticks(request)
                    taken[pattern][name].append(guest.ticks(request))
    return taken


def measure(quick, kind):
    """One processor, one queue, one I/O thread; polled."""
    with tempfile.NamedTemporaryFile(prefix="gmem-bench.") as image:
        for _ in range(IMAGE_SIZE // MIB):
            image.write(os.urandom(MIB))
        image.flush()
        taken = _take(_makers(kind, image), 2 if quick else 7)
    rows = []
    for pattern, ticks in taken.items():
        depth = PATTERNS[pattern][2]
        rows += [
            ratio("disk", f"{pattern}: private", ticks["private"], ticks["ordinary"], "gmem-vmm, ordinary",
                  TO_ORDINARY[kind][depth]),
            ratio("disk", f"{pattern}: ordinary", ticks["ordinary"], ticks["qemu"], "QEMU, ordinary", TO_QEMU),
        ]
    return rows
