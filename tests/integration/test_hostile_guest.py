# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that mean harm to their VMM and its host, and a VMM's neighbours."""

import contextlib
import ctypes
import errno
import json
import os
import re
import statistics
import tempfile
import time
import unittest

from support import kinds, tiny
from support.agent import Agent, GROUND, PAGE, SHARED
from support.procfs import processor_seconds
from support.vmm import MEMORY_KIND, Vmm, payload
from support.waiting import Timeout
from support.where import EVERYWHERE, NATIVE

GIB = 1 << 30

# The couriers' memory: MEMORY_WINDOW_START of src/vmm/memory/memory.h. First that of the one which
# shows pages to the host, then that of fw_cfg's channel, and what is where in it.
COURIER_PDPT = 0xfef00000 + PAGE
CHANNEL = 0xfef00000 + 75 * PAGE
CHANNEL_PDPT = CHANNEL + PAGE
CHANNEL_STAGING = CHANNEL + 10 * PAGE
CHANNEL_CODE = CHANNEL + 42 * PAGE

# A user that nobody is.
SOMEBODY = 4242


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def descriptors(pid):
    """What each open descriptor of a process is."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]


class AfterAFailure(unittest.TestCase):
    """The engine has failed, for a guest that wrote to the courier's page tables."""

    def setUp(self):
        kinds.require("two-sided")
        self.guest = Agent("--memory-kind=two-sided", "--memory=64M", "--vcpus=3")
        self.addCleanup(self.guest.end)
        self.guest.call("fill", GROUND, 16 * PAGE, 0x61)
        self.guest.call("write", COURIER_PDPT, 0)

    def fail_by_touch(self):
        """Two processors touch private memory; whoever comes second is kicked meanwhile."""
        guest = self.guest
        guest.begin(1, "outs", GROUND, 8 * PAGE)
        guest.begin(2, "outs", GROUND + 8 * PAGE, 8 * PAGE)
        guest.qmp.wait_event("GMEM_INTERNAL_ERROR", 30)
        self.assertEqual(guest.qmp.execute("query-status")["status"], "internal-error")

    def test_nothing_is_used_and_nothing_grows(self):
        self.fail_by_touch()
        pid = self.guest.pid
        used, resident = processor_seconds(pid), resident_bytes(pid)
        time.sleep(3)
        self.assertLess(processor_seconds(pid) - used, 0.3, "seconds of the processor in 3")
        self.assertLess(resident_bytes(pid) - resident, 1 << 20, "bytes more after 3 s")

    def test_nothing_that_was_private_is_seen(self):
        self.fail_by_touch()
        for page in range(16):
            seen = self.guest.host_read(GROUND + page * PAGE, PAGE)
            self.assertEqual(seen, bytes(PAGE), f"page {page}")

    def test_monitor_and_end_are_as_always(self):
        guest = self.guest
        self.fail_by_touch()
        # A touch of the host's own is no different.
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=16 * PAGE)
        guest.qmp.conversions()
        with self.assertRaisesRegex(Exception, "has to be reset"):
            guest.qmp.execute("cont")
        with self.assertRaisesRegex(Exception, "has failed before"):
            guest.qmp.execute("system_reset")
        guest.qmp.execute("quit")
        self.assertEqual(guest.wait(30), 1)


class Courier(unittest.TestCase):
    """A guest that has a channel's courier run its code."""

    # Page tables map 1 GiB an entry. With the first in the place of the fourth, the courier
    # finds its code 3 GiB below, in RAM.
    first_gib = 0xe3
    rogue = CHANNEL_CODE - 3 * GIB
    stamps = GROUND + PAGE

    # A guest has to win a race against the comparison of the entries, and ends where it loses. On
    # a host whose processors are busy it may always lose: then there is nothing to see.
    guests = 6
    limit = 400
    processors = 4

    def setUp(self):
        kinds.require("two-sided")

    def start_guest(self):
        self.guest = Agent("--memory-kind=two-sided", "--memory=1G", "--vcpus=2",
                           image=f"--bios={payload('firmware')}")
        self.addCleanup(self.guest.end)

    def write(self, gpa, content):
        content += bytes(-len(content) % 8)
        for i in range(0, len(content), 8):
            self.guest.call("write", gpa + i, int.from_bytes(content[i:i + 8], "little"))

    def tsc_frequency(self):
        """Per second, within some percent."""
        began, first = time.monotonic(), self.guest.call("tsc")
        time.sleep(1)
        second, ended = self.guest.call("tsc"), time.monotonic()
        return (second - first) / (ended - began)

    def hijack(self, code):
        """Has the courier run code; the TSC's frequency, in the guest that did it."""
        for _ in range(self.guests):
            self.start_guest()
            guest = self.guest
            frequency = self.tsc_frequency()
            self.write(self.rogue, code)
            # The host sees what is noted there, also when no guest runs any more.
            self.assertEqual(guest.map(self.stamps, 1, SHARED), 0)
            self.write(self.stamps, bytes(16))
            guest.begin(1, "hijack", CHANNEL_PDPT + 3 * 8, self.first_gib, CHANNEL_STAGING,
                        int(frequency / 50))
            guest.order("readsig", GROUND, 1 << 32)
            # One whose changes fall between two comparisons each time comes to no end.
            with contextlib.suppress(Timeout):
                guest.qmp.wait_event("GMEM_INTERNAL_ERROR", 30)
                self.assertIn("courier did not come back", guest.log())
                if "wrote to the courier's page tables" not in guest.log():
                    return frequency
            guest.end()
        self.skipTest(f"none of {self.guests} guests won the race")

    def read_stamps(self):
        notes = self.guest.host_read(self.stamps, 16)
        return tuple(int.from_bytes(notes[i:i + 8], "little") for i in (0, 8))

    def test_code_of_the_guests_runs_for_milliseconds_only(self):
        # It notes when it began and, for ever, what time it is.
        frequency = self.hijack(bytes.fromhex(
            "0f31"                      # loop: rdtsc
            "48c1e220"                  # shl rdx, 32
            "4809d0"                    # or rax, rdx
            "bb") + self.stamps.to_bytes(4, "little") + bytes.fromhex(
            "48833b00"                  # cmp qword [rbx], 0
            "7503"                      # jne more
            "488903"                    # mov [rbx], rax
            "48894308"                  # more: mov [rbx + 8], rax
            "ebe3"))                    # jmp loop
        first, last = self.read_stamps()
        self.assertNotEqual(first, 0, "the guest's code did not run")
        self.assertLess((last - first) / frequency, 0.5, "seconds")
        time.sleep(0.1)
        self.assertEqual(self.read_stamps(), (first, last))

    def test_code_that_halts_is_noticed(self):
        self.hijack(bytes.fromhex("f4ebfd"))    # loop: hlt; jmp loop
        self.assertIn("after too long a time", self.guest.log())
        # Memory.lock is free again.
        self.guest.qmp.conversions()


class HugeConversion(unittest.TestCase):
    """A guest that converts much at once, again and again."""

    start = 4 * GIB
    size = 14 * GIB

    def setUp(self):
        kinds.require_hypercall(MEMORY_KIND)
        self.guest = Agent("--memory=16G", "--vcpus=2")
        self.addCleanup(self.guest.end)

    def shared_bytes(self):
        return self.guest.qmp.conversions()["shared-bytes"]

    def wait_until_it_converts(self):
        """More is shared than a guest's start makes so, and not all that is to be."""
        end = time.monotonic() + 60
        while self.shared_bytes() < 64 << 20:
            self.assertLess(time.monotonic(), end, "the conversion does not get on")

    def test_the_monitor_answers_meanwhile(self):
        guest = self.guest
        guest.qmp.conversions()
        guest.begin(1, "remap", self.start, self.size // PAGE)
        self.wait_until_it_converts()
        took = []
        for command in ("query-conversion-stats", "stop", "query-status", "cont") * 15:
            began = time.monotonic()
            guest.qmp.execute(command)
            took.append(time.monotonic() - began)
        self.assertLess(statistics.median(took), 0.1)
        self.assertLess(max(took), 1)
        guest.call("stop")
        self.assertEqual(guest.join(1, 110)[0], 0)

    def test_a_stop_in_the_middle_stops_it_there(self):
        guest = self.guest
        guest.begin(1, "map", self.start, self.size // PAGE, SHARED)
        self.wait_until_it_converts()
        guest.qmp.execute("stop")
        stopped = self.shared_bytes()
        self.assertLess(stopped, self.size)
        time.sleep(0.5)
        self.assertEqual(self.shared_bytes(), stopped)
        guest.qmp.execute("cont")
        self.assertEqual(guest.join(1, 110)[0], 0)
        self.assertGreaterEqual(self.shared_bytes(), self.size)
        counter = guest.qmp.conversions()["conversions"][("to-shared", "guest-hypercall")]
        self.assertEqual((counter["count"], counter["bytes"]), (1, self.size))

    def test_a_reset_in_the_middle_is_the_end_of_it(self):
        guest = self.guest
        guest.begin(1, "map", self.start, self.size // PAGE, SHARED)
        self.wait_until_it_converts()
        guest.qmp.execute("system_reset")
        guest.wait_ready()
        # What is shared now was touched by the agent's start.
        self.assertLess(self.shared_bytes(), 1 << 20)
        self.assertEqual(guest.map(self.start, 16, SHARED), 0)

    def test_an_end_in_the_middle_is_the_end(self):
        guest = self.guest
        guest.begin(1, "remap", self.start, self.size // PAGE)
        self.wait_until_it_converts()
        guest.qmp.execute("quit")
        self.assertEqual(guest.wait(60), 0)


class TripleFaults(unittest.TestCase):
    """A guest that does nothing but fail and begin again."""

    where = NATIVE

    resets = 60
    # LOG_LIMIT_BURST and LOG_LIMIT_SECONDS of src/common/log-limit.h.
    burst, interval = 10, 10

    def test_the_log_has_a_few_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            kernel = tiny.write_kernel(folder)
            with Vmm(f"--kernel={kernel}", "--append=t", "--memory=64M", "--paused") as vmm:
                vmm.qmp.execute("cont")
                began = time.monotonic()
                for _ in range(self.resets):
                    vmm.qmp.wait_event("RESET", 60)
                vmm.qmp.execute("quit")
                vmm.wait(60)
                lines = vmm.log().splitlines()
                most = self.burst + (time.monotonic() - began) // self.interval + 1
        faults = [line for line in lines if "triple fault" in line]
        self.assertGreater(len(faults), 0, lines)
        self.assertLess(most, self.resets)
        self.assertLessEqual(len(faults), most, lines)


# Numbers of <sys/syscall.h> and <sys/ptrace.h>.
SYS_PTRACE, SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 101, 434, 438
PTRACE_ATTACH = 16



def system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def try_neighbour(pid, fd):
    """What may be done to another process: each name with the error's number, or 0."""
    pidfd = system_call(SYS_PIDFD_OPEN, pid, 0)
    attempts = {
        "take a descriptor": lambda: system_call(SYS_PIDFD_GETFD, pidfd, fd, 0),
        "list descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
        "name a descriptor": lambda: os.readlink(f"/proc/{pid}/fd/{fd}"),
        "open its memory": lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY),
        "read its map": lambda: os.read(os.open(f"/proc/{pid}/maps", os.O_RDONLY), 1),
        "trace it": lambda: system_call(SYS_PTRACE, PTRACE_ATTACH, pid, 0, 0),
    }
    results = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            results[name] = 0
        except OSError as error:
            results[name] = error.errno
    return results


def as_user(user, function, *arguments):
    """What a function returns in a process of another user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.write(writer, json.dumps(function(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    return json.loads(answer)


class Neighbours(unittest.TestCase):
    """Processes of the same user as the VMM's, and what the VMM leaves open."""

    where = EVERYWHERE

    arguments = ("--memory=64M",)

    @contextlib.contextmanager
    def vmm_of_somebody(self, user=SOMEBODY):
        """A VMM of a user that may not open devices, with a guest that runs."""
        devices = {"kvm-fd": os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)}
        if os.path.exists("/dev/userfaultfd"):
            devices["userfaultfd-fd"] = os.open("/dev/userfaultfd", os.O_RDWR | os.O_CLOEXEC)
        try:
            guest = Agent(*self.arguments, *(f"--{name}={fd}" for name, fd in devices.items()),
                          pass_fds=list(devices.values()), user=user, group=user,
                          extra_groups=[])
        finally:
            for fd in devices.values():
                os.close(fd)
        with guest:
            yield guest

    def vm_descriptor(self, pid):
        folder = f"/proc/{pid}/fd"
        return next(int(name) for name in os.listdir(folder)
                    if os.readlink(os.path.join(folder, name)) == "anon_inode:kvm-vm")

    def try_as(self, user, guest):
        return as_user(user, try_neighbour, guest.pid, self.vm_descriptor(guest.pid))

    def test_a_process_of_the_same_user_gets_nothing(self):
        with self.vmm_of_somebody() as guest:
            for name, number in self.try_as(SOMEBODY, guest).items():
                self.assertIn(number, (errno.EPERM, errno.EACCES), name)

    def test_root_still_may(self):
        # So the attempts above are ones that can succeed.
        with self.vmm_of_somebody() as guest:
            self.assertEqual(set(self.try_as(0, guest).values()), {0})

    def test_there_is_no_core_dump(self):
        with self.vmm_of_somebody() as guest:
            with open(f"/proc/{guest.pid}/limits", encoding="ascii") as file:
                limits = re.search(r"^Max core file size +(\S+) +(\S+)", file.read(), re.MULTILINE)
            self.assertEqual(limits.groups(), ("0", "0"))

    def test_devices_are_closed_when_the_machine_is_made(self):
        with self.vmm_of_somebody() as guest:
            opened = descriptors(guest.pid)
            self.assertIn("anon_inode:kvm-vm", opened)
            self.assertEqual([name for name in opened if name.startswith("/dev/")], [])
            # Nothing misses them.
            guest.call("fill", GROUND, PAGE, 0x55)
            guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=PAGE)
            guest.qmp.execute("system_reset")
            guest.wait_ready()
            guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=PAGE)


class OrdinaryNeighbours(Neighbours):
    """The same of a VMM with an ordinary VM."""

    where = NATIVE

    arguments = ("--memory=64M", "--memory-kind=ordinary")
