# SPDX-License-Identifier: LGPL-2.1-or-later
"""
An installed Debian (tools/lib/debian-guest.sh) in three machines, one after the other: from the start to its login, fio
and iperf3 in it. GMEM_DEBIAN is a folder with its seed and key, and a disk for each start, disk.N.raw.
"""

import contextlib
import functools
import glob
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

from support import debian, procfs
from support.devices import device, root_port
from support.vmm import Vmm
from support.waiting import PATIENCE, Timeout, wait_until

from .boot import NAMES
from .emulated import Retries
from .firmware import Firmware
from .qemu import Qemu
from .table import PartlyFailed, ratio, row

MIB = 1 << 20
MEMORY = 1024
PROCESSORS = 2
# Of the disk that fio works on; as large as one that fits in an emulated host's memory beside the guest.
DATA_SIZE = 256 * MIB

# What a job of fio does: which way, bytes a request, how many under way, by which name its part of fio's answer goes.
FIO = {
    "read 4 KiB, depth 1": ("randread", 4096, 1, "read"),
    "write 4 KiB, depth 1": ("randwrite", 4096, 1, "write"),
    "read 4 KiB, depth 32": ("randread", 4096, 32, "read"),
    "write 4 KiB, depth 32": ("randwrite", 4096, 32, "write"),
    "read 1 MiB in order, depth 4": ("read", MIB, 4, "read"),
    "write 1 MiB in order, depth 4": ("write", MIB, 4, "write"),
}
IPERF_PORT = 5201
IPERF = {"network, to the guest": (), "network, from the guest": ("--reverse",)}

# Of a job, and of what fio does before that without counting it.
SECONDS = 4
RAMP_SECONDS = 1

# The most time that something may take, by kind: to the ordinary VM. What is not named is promised nothing.
DEPTH_1, OTHERS = 1 / 0.6, 1 / 0.8
TO_ORDINARY = {
    "windows": dict.fromkeys(("boot", *FIO, *IPERF), 1 / 0.95),
    "two-sided": {what: DEPTH_1 if depth == 1 else OTHERS for what, (_, _, depth, _) in FIO.items()},
}
# And the ordinary VM's to QEMU's.
TO_QEMU = 1.0

MAC = "52:54:00:67:6d:01"


class _Devices:
    """What both VMMs get: descriptors of the images, paths, and a passt at a socket; for as long as it is entered."""

    def __init__(self, data):
        self.data = data.name
        # Each start has a disk that nobody has started from: a first start does more than another one.
        self.disk = sorted(glob.glob(os.path.join(debian.FOLDER, "disk.*.raw")))[0]
        self.seed = os.path.join(debian.FOLDER, "seed.raw")

    def __enter__(self):
        self.network, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with end:
            self._passt = subprocess.Popen(
                ["passt", "--foreground", "--stderr", "--quiet", "--fd", str(end.fileno()),
                 "--tcp-ports", f"127.0.0.1/{debian.PORT}:22", "--tcp-ports", f"127.0.0.1/{IPERF_PORT}"],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[end.fileno()])
        return self

    def __exit__(self, *_):
        self.network.close()
        self._passt.kill()
        self._passt.wait()
        os.unlink(self.disk)

    @property
    def passt(self):
        """passt's process."""
        return self._passt.pid


def _gmem(firmware, kind, devices):
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(path, "rb" if name == "seed" else "r+b"))
                 for name, path in (("disk", devices.disk), ("seed", devices.seed), ("data", devices.data))}

        def disk(name, **members):
            return {"driver": "virtio-blk-pci", "name": name, "serial": name,
                    "blockdev": {"driver": "raw", "fd": str(files[name].fileno()), "read-only": name == "seed"},
                    **members}

        arguments = []
        for slot, members in enumerate((
                disk("disk", bootindex=1), disk("seed"), disk("data"),
                {"driver": "virtio-net-pci", "name": "net0", "mac": MAC,
                 "netdev": {"type": "stream", "fd": str(devices.network.fileno())}},
                {"driver": "virtio-rng-pci", "name": "rng0"}), start=1):
            arguments += [root_port(f"pci.{slot}", f"{slot:#x}", chassis=slot, port=slot),
                          device(members.pop("driver"), members.pop("name"), bus=f"pci.{slot}", addr="0x0", **members)]
        return firmware.gmem(f"--memory-kind={kind}", f"--memory={MEMORY}M", f"--vcpus={PROCESSORS}", *arguments,
                             pass_fds=[devices.network.fileno(), *(file.fileno() for file in files.values())])


def _qemu(firmware, devices):
    arguments = ["-name", "debian,debug-threads=on", "-object", "iothread,id=io0",
                 "-netdev", f"stream,id=network,server=off,addr.type=fd,addr.str={devices.network.fileno()}"]
    disks = {"disk": devices.disk, "seed": devices.seed, "data": devices.data}
    for name, path in disks.items():
        arguments += ["-blockdev", f"driver=file,node-name={name},filename={path},aio=io_uring"
                                   + (",read-only=on" if name == "seed" else "")]
    for slot, what in enumerate((
            "virtio-blk-pci,drive=disk,serial=disk,iothread=io0,bootindex=1",
            "virtio-blk-pci,drive=seed,serial=seed,iothread=io0", "virtio-blk-pci,drive=data,serial=data,iothread=io0",
            f"virtio-net-pci,netdev=network,mac={MAC}", "virtio-rng-pci"), start=1):
        arguments += ["-device", f"pcie-root-port,id=pci.{slot},bus=pcie.0,addr={slot:#x},chassis={slot},port={slot}",
                      "-device", f"{what},bus=pci.{slot},addr=0x0"]
    # Some KVMs refuse its MSR, at which QEMU ends.
    return firmware.qemu(*arguments, memory=MEMORY, vcpus=PROCESSORS, cpu="host,-arch-capabilities",
                         pass_fds=[devices.network.fileno()])


def _makers(firmware, kind):
    return {"private": functools.partial(_gmem, firmware, kind),
            "ordinary": functools.partial(_gmem, firmware, "ordinary"), "qemu": functools.partial(_qemu, firmware)}


def _processor_seconds(pid):
    """What threads of a process have used that are the guest's processors, and what all others, ended ones too."""
    processors = 0.0
    for thread in os.listdir(f"/proc/{pid}/task"):
        # It may end meanwhile.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii",
                                                errors="replace") as name:
            if re.match(r"(?i)v?cpu", name.read()):
                processors += procfs.processor_seconds(pid, thread)
    return processors, procfs.processor_seconds(pid) - processors


def _fio(job):
    """Microseconds a request, as fio in the guest has it."""
    way, size, depth, part = FIO[job]
    answer = debian.text(
        f"fio --name=job --filename=/dev/disk/by-id/virtio-data --rw={way} --bs={size} --iodepth={depth} --direct=1 "
        f"--ioengine=libaio --time_based --runtime={SECONDS} --ramp_time={RAMP_SECONDS} --gtod_reduce=1 "
        "--clocksource=clock_gettime --output-format=json", seconds=120)
    result = json.loads(answer[answer.index("{"):])["jobs"][0]
    if result["error"] or not result[part]["total_ios"]:
        raise AssertionError(f"fio, {job}: error {result['error']}, {result[part]['total_ios']} requests")
    return 1000 * result[part]["runtime"] / result[part]["total_ios"]


def _iperf(job):
    """Microseconds a MiB that has arrived, as iperf3 on the host has it. Its server is in the guest."""
    answer = subprocess.run(
        ["iperf3", "--client", "127.0.0.1", "--port", str(IPERF_PORT), "--time", str(SECONDS), "--omit",
         str(RAMP_SECONDS), "--json", *IPERF[job]], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=120 * PATIENCE, check=False).stdout
    result = json.loads(answer)
    if "error" in result:
        raise AssertionError(f"iperf3, {job}: {result['error']}")
    return 1e6 * 8 * MIB / result["end"]["sum_received"]["bits_per_second"]


class _Measured:
    """One guest, from its start on: what was measured of it, by what it was, as far as it came."""

    def __init__(self):
        self.values = {}
        # Of the seconds of each job that count: how busy the processors' threads, the VMM's others and passt were.
        self.busy = {}
        # Pages that became shared or private meanwhile, in conversions.
        self.conversions = {}

    def _add(self, what, value):
        self.values.setdefault(what, []).append(value)

    def take(self, make, data, repetitions):
        """Starts it, and runs all jobs so often."""
        with _Devices(data) as devices:
            began = time.monotonic()
            with make(devices) as machine:
                self._wait_boot(machine)
                self._add("boot", 1e6 * (time.monotonic() - began))
                wait_until(lambda: debian.text("echo so", check=False) == "so", 120, "ssh to the guest")
                # What a start leaves behind: cloud-init's work, say.
                debian.ssh("systemctl is-system-running --wait", check=False)
                debian.ssh(f"systemd-run --quiet --unit=bench-iperf3 iperf3 --server --port {IPERF_PORT}")
                debian.wait_in_guest(f"ss -Hlnt 'sport = :{IPERF_PORT}' | grep -q .")
                for _ in range(repetitions):
                    for job in FIO:
                        self._run(job, _fio, machine, devices)
                    for job in IPERF:
                        self._run(job, _iperf, machine, devices)

    @staticmethod
    def _wait_boot(machine):
        try:
            debian.wait_boot(machine.console)
        except (EOFError, Timeout) as error:
            if machine.__class__ is Qemu:
                raise
            raise type(error)(f"{error}; the VMM has said: {machine.log().strip()!r}") from error

    def _run(self, job, measure, machine, devices):
        def state():
            converted = None
            if machine.__class__ is not Qemu:
                converted = sum(counter["count"] for counter in machine.qmp.conversions()["conversions"].values())
            return *_processor_seconds(machine.pid), sum(_processor_seconds(devices.passt)), converted

        before = state()
        value = measure(job)
        after = state()
        self._add(job, value)
        print(f"bench: debian: {job}: {value:.0f} us", file=sys.stderr, flush=True)
        self.busy.setdefault(job, []).append(
            [100 * (b - a) / (SECONDS + RAMP_SECONDS) for a, b in zip(before[:3], after[:3])])
        if after[3] is not None:
            self.conversions.setdefault(job, []).append(after[3] - before[3])


def _rows(measured, kind):
    """What there is of three machines, of which some may have failed."""
    rows = []
    for what in ("boot", *FIO, *IPERF):
        values = {name: each.values[what] for name, each in measured.items() if what in each.values}
        label = 'boot to "login:"' if what == "boot" else what
        unit, factor = ("ms", 1e-3) if what == "boot" else ("us", 1)
        for name, taken in values.items():
            rows.append(row("debian", f"{label}: {NAMES[name]}", unit, [factor * value for value in taken]))
        for name, other, wanted in (("private", "ordinary", TO_ORDINARY[kind].get(what)),
                                    ("ordinary", "qemu", TO_QEMU), ("private", "qemu", None)):
            if name in values and other in values:
                rows.append(ratio("debian", f"{label}: {NAMES[name]}", values[name], values[other], NAMES[other],
                                  wanted))
    for job in (*FIO, *IPERF):
        for name, each in measured.items():
            for i, who in enumerate(("processors' threads", "other threads", "passt")):
                if job in each.busy and (who != "passt" or job in IPERF):
                    rows.append(row("debian", f"{job}: {NAMES[name]}: {who}, busy", "%",
                                    [busy[i] for busy in each.busy[job]]))
            if name == "private" and job in each.conversions:
                rows.append(row("debian", f"{job}: {NAMES[name]}: conversions meanwhile", "", each.conversions[job]))
    return rows


def measure(quick, kind):
    """1 GiB and two processors, OVMF of bookworm."""
    debian.enter_namespaces()
    # A start takes minutes in an emulated host.
    retries = Retries(tries=2)
    measured, failures = {}, []
    with contextlib.closing(Firmware("bookworm")) as firmware, \
            tempfile.NamedTemporaryFile(prefix="gmem-bench.") as data:
        for _ in range(DATA_SIZE // MIB):
            data.write(os.urandom(MIB))
        data.flush()
        for name, make in _makers(firmware, kind).items():
            print(f"bench: debian: {NAMES[name]}", file=sys.stderr, flush=True)

            def take(name=name, make=make):
                measured[name] = _Measured()
                measured[name].take(make, data, 1 if quick else 3)

            # One that fails does not take the others along.
            try:
                retries.run(take)
            except (AssertionError, EOFError, OSError, ValueError, subprocess.SubprocessError) as error:
                failures.append(f"{NAMES[name]}: {error}")
    rows = _rows(measured, kind) + [retries.row("debian")]
    if failures:
        raise PartlyFailed(rows, failures)
    return rows
