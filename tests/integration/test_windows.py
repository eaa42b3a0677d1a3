# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The memory engine with windows: what test_memory.py asks of two-sided memory, and what is special.

They need Linux 6.18 or newer, and no other KVM than that machine's own: "run test_windows" runs them
without a test host. Where that KVM is one for guests of guests it may emulate all that they do: then
they say how the host touches memory, and little of guests that run beside it.
"""

import ctypes
import os
import shutil
import tempfile
import time
import unittest

import test_memory
from support import kinds, procfs, sizes
from support.agent import Agent, GROUND, PAGE, PRIVATE, SHARED, STAYS_SHARED
from support.vmm import EMULATOR, Vmm, payload
from support.waiting import Deadline, Timeout
from support.where import EVERYWHERE, NATIVE, everywhere, native

WINDOWS = "--memory-kind=windows"
NOBODY = 65534
BIOS = "/usr/share/seabios/bios-256k.bin"


def _read_of_process(pid, address, size):
    """process_vm_readv(2): how many bytes came."""
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(size)
    here = Vector(ctypes.addressof(buffer), size)
    there = Vector(address, size)
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def await_gone(guest, gpa):
    """Waits until the window of a page has gone by itself."""
    deadline = Deadline(20)
    while guest.has_host_page(gpa):
        if deadline.is_over():
            raise Timeout(f"{gpa:#x} is still there: {guest.qmp.conversions()}")
        time.sleep(0.1)


class WindowsTest(test_memory.GuestTest):
    """A guest whose memory is in windows."""

    where = EVERYWHERE

    kind = "windows"

    def setUp(self):
        kinds.require(self.kind)
        super().setUp()

    def assertNotOnHost(self, gpa, pages):
        # Some KVMs emulate the guest's first access to a page.
        self.guest.qmp.execute("gmem-reclaim", gpa=gpa, size=pages * PAGE)
        super().assertNotOnHost(gpa, pages)

    def assertHostSees(self, gpa, size, byte):
        # Nothing is mapped before it is touched; what reads a process's memory does not count.
        self.guest.qmp.execute("x-gmem-touch", gpa=gpa, size=size)
        super().assertHostSees(gpa, size, byte)

    def windows(self):
        """How many of the process's mappings are windows."""
        with open(f"/proc/{self.guest.pid}/maps", encoding="utf-8") as maps:
            return sum("[kvm-gmem]" in line for line in maps)


class HypercallTest(WindowsTest):
    """A test that needs the guest's hypercall."""

    def setUp(self):
        kinds.require(self.kind)
        kinds.require_hypercall(self.kind)
        super().setUp()


class Hypercall(HypercallTest, test_memory.Hypercall):
    """Conversions that the guest asks for."""


class Shared(HypercallTest):
    """What the guest shares, where disused windows go by themselves."""

    def test_what_the_guest_shares_is_mapped_when_it_is_touched_and_stays(self):
        guest = self.guest
        self.assertEqual(guest.map(GROUND, 4, SHARED), 0)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        self.assertTrue(guest.has_host_page(GROUND))
        # Others have come and gone meanwhile.
        guest.qmp.execute("x-gmem-touch", gpa=GROUND + (1 << 20), size=1)
        await_gone(guest, GROUND + (1 << 20))
        self.assertTrue(guest.has_host_page(GROUND))
        self.assertEqual(guest.map(GROUND, 4, PRIVATE), 0)
        self.assertFalse(guest.has_host_page(GROUND))


class SeveralProcessors(WindowsTest, test_memory.SeveralProcessors):
    """Pages that are shown and taken back while processors use them."""

    def setUp(self):
        kinds.require(self.kind)
        if self._testMethodName in ("test_neighbouring_pages", "test_the_same_pages"):
            kinds.require_hypercall(self.kind)
        super().setUp()

    @native
    def test_no_increment_is_lost_while_the_host_touches_and_reclaims(self):
        super().test_no_increment_is_lost_while_the_host_touches_and_reclaims()

    @native
    def test_a_request_that_comes_while_pages_go_back_is_served(self):
        super().test_a_request_that_comes_while_pages_go_back_is_served()


class Dma(WindowsTest, test_memory.Dma):
    """A device that reads and writes memory through a channel."""

    where = NATIVE

    def setUp(self):
        kinds.require(self.kind)
        if self._testMethodName == "test_pages_change_state_under_a_device":
            kinds.require_hypercall(self.kind)
        super().setUp()

    @everywhere
    def test_pages_change_state_under_a_device(self):
        super().test_pages_change_state_under_a_device()


class HostTouch(WindowsTest, test_memory.HostTouch):
    """Pages that KVM or the VMM touch."""

    # Some KVMs emulate whatever the guest does.
    pages = 64

    test_processors_that_are_reset_do_not_disturb_the_courier = None


class GuestOnly(test_memory.GuestOnly):
    """The policy under which nobody but the guest converts."""

    where = NATIVE

    kind = "windows"

    def setUp(self):
        kinds.require(self.kind)
        if self._testMethodName == "test_a_page_that_the_guest_shares_may_be_touched":
            kinds.require_hypercall(self.kind)


class Reset(WindowsTest, test_memory.Reset):
    """A reset makes everything as it was."""

    where = NATIVE

    # What guest_memfd holds cannot be told from other VMs' on a machine that others use.
    test_many_resets_leave_as_much_as_before = None

    def setUp(self):
        kinds.require(self.kind)
        if self._testMethodName == "test_memory_is_private_and_empty":
            kinds.require_hypercall(self.kind)
        super().setUp()

    def test_windows_are_closed_and_memory_is_empty(self):
        guest = self.guest
        for _ in range(5):
            guest.call("fill", GROUND, 4 * PAGE, 0x51)
            guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=4 * PAGE)
            guest.order("reset")
            guest.qmp.wait_event("RESET")
            guest.wait_ready()
            self.assertFalse(guest.has_host_page(GROUND))
            self.assertGuestSees(GROUND, 4 * PAGE, 0)


class Scarcity(WindowsTest, test_memory.Scarcity):
    """A host that has no memory for its guest."""

    where = NATIVE


class Windows(WindowsTest):
    """What is mapped, for how long, and who gets it."""

    where = NATIVE

    arguments = ("--memory=64M", "--vcpus=2", "--reclaim-seconds=1")

    def test_a_window_goes_when_it_is_not_used(self):
        guest = self.guest
        guest.call("fill", GROUND, PAGE, 0x5a)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        self.assertTrue(guest.has_host_page(GROUND))
        await_gone(guest, GROUND)
        self.assertFalse(guest.has_host_page(GROUND))
        self.assertGuestSees(GROUND, PAGE, 0x5a)

    def test_a_window_that_is_used_stays(self):
        guest = self.guest
        guest.qmp.execute("gmem-reclaim", gpa=0, size=64 << 20)
        before = self.counter("to-shared", "host-touch-device")["count"]
        # Longer than it takes one that is not used to go.
        end = time.monotonic() + 4
        while time.monotonic() < end:
            guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        self.assertLessEqual(self.counter("to-shared", "host-touch-device")["count"], before + 1)

    def test_a_window_is_in_no_core_dump_and_in_no_child(self):
        guest = self.guest
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        flags = self.flags_of(guest.address_of(GROUND))
        self.assertLessEqual({"dd", "dc"}, flags)
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=PAGE)
        # "um": registered with userfaultfd again.
        self.assertLessEqual({"dd", "dc", "um"}, self.flags_of(guest.address_of(GROUND)))

    def test_the_descriptor_of_memory_does_not_go_to_programs(self):
        folder = f"/proc/{self.guest.pid}/fd"
        found = 0
        for name in os.listdir(folder):
            if "[kvm-gmem]" not in os.readlink(os.path.join(folder, name)):
                continue
            found += 1
            with open(f"/proc/{self.guest.pid}/fdinfo/{name}", encoding="ascii") as info:
                flags = int(next(line for line in info if line.startswith("flags:")).split()[1], 8)
            self.assertTrue(flags & os.O_CLOEXEC)
        self.assertGreater(found, 0)

    def test_another_process_that_reads_memory_is_left_waiting(self):
        guest = self.guest
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=PAGE)
        self.assertEqual(guest.qmp.conversions()["refused-touches"], 0)
        # From the log, whose place in the file both processes share after the fork.
        address = guest.address_of(GROUND)
        reader = os.fork()
        if reader == 0:
            try:
                _read_of_process(guest.pid, address, 8)
            finally:
                os._exit(0)
        try:
            guest.wait_log("a thread of another process")
            # It may be woken with others, and touch the page again.
            self.assertGreater(guest.qmp.conversions()["refused-touches"], 0)
            self.assertEqual(os.waitpid(reader, os.WNOHANG), (0, 0))
            self.assertFalse(guest.has_host_page(GROUND))
            # The guest goes on.
            guest.call("fill", GROUND + PAGE, PAGE, 1)
        finally:
            os.kill(reader, 9)
            os.waitpid(reader, 0)

    def flags_of(self, address):
        """The kernel's flags of the mapping at an address of the VMM."""
        inside = False
        with open(f"/proc/{self.guest.pid}/smaps", encoding="utf-8") as smaps:
            for line in smaps:
                first = line.split()[0]
                if "-" in first and not first.endswith(":"):
                    start, end = (int(number, 16) for number in first.split("-"))
                    inside = start <= address < end
                elif inside and first == "VmFlags:":
                    return set(line.split()[1:])
        return set()


class Mappings(WindowsTest):
    """What windows cost the process, where none goes by itself meanwhile."""

    where = NATIVE

    arguments = (*WindowsTest.arguments, STAYS_SHARED)

    def test_mappings_are_bounded_and_merge_again(self):
        guest = self.guest
        guest.qmp.execute("gmem-reclaim", gpa=0, size=64 << 20)
        few = self.windows()
        for page in range(0, 2048, 2):
            guest.qmp.execute("x-gmem-touch", gpa=GROUND + page * PAGE, size=1)
        self.assertGreater(self.windows(), 100)
        guest.qmp.execute("gmem-reclaim", gpa=0, size=64 << 20)
        with open(f"/proc/{guest.pid}/maps", encoding="utf-8") as maps:
            self.assertLess(len(maps.readlines()), 300)
        self.assertLessEqual(self.windows(), few + 8)


class Unprivileged(unittest.TestCase):
    """A VMM that is handed its devices, as virtgmemd does it."""

    where = NATIVE

    def setUp(self):
        kinds.require("windows")
        folder = tempfile.TemporaryDirectory(prefix="gmem-test.")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.emulator = shutil.copy(EMULATOR, folder.name)
        self.payload = shutil.copy(payload("agent"), folder.name)

    def test_windows_open_and_go(self):
        with open("/dev/kvm", "r+b", buffering=0) as kvm, \
                open("/dev/userfaultfd", "r+b", buffering=0) as userfaultfd, \
                Agent("--memory=64M", WINDOWS, f"--kvm-fd={kvm.fileno()}",
                      f"--userfaultfd-fd={userfaultfd.fileno()}",
                      image=f"--payload={self.payload}", emulator=self.emulator,
                      pass_fds=(kvm.fileno(), userfaultfd.fileno()), user=NOBODY, group=NOBODY,
                      extra_groups=()) as guest:
            guest.call("write", GROUND, 5)
            guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
            self.assertTrue(guest.has_host_page(GROUND))
            # The pagemap was opened while this was possible.
            await_gone(guest, GROUND)
            self.assertEqual(guest.call("read", GROUND), 5)


class Firmware(unittest.TestCase):
    """A firmware that copies itself to where PAM registers show RAM, and back at a reset."""

    where = NATIVE

    def setUp(self):
        kinds.require("windows")
        if not os.path.exists(BIOS):
            self.skipTest(f"there is no {BIOS}")

    def test_seabios_comes_to_its_end_after_a_reset_too(self):
        with Vmm(f"--bios={BIOS}", "--sercon", "--memory=256M", "--vcpus=2", WINDOWS) as vmm:
            vmm.console.wait_for("No bootable device")
            vmm.qmp.execute("system_reset")
            vmm.console.wait_for("No bootable device")
            statistics = vmm.qmp.conversions()
            self.assertEqual(statistics["kind"], "windows")
            self.assertLess(statistics["shared-bytes-peak"], 64 << 20)
            self.assertEqual(statistics["courier"]["trips"], 0)


class Sizes(unittest.TestCase):
    """Machines small and large."""

    where = NATIVE

    # Two hundred processors of a guest, on a host of two that is emulated.
    limit = 600

    def setUp(self):
        kinds.require("windows")

    def test_ram_above_four_gib(self):
        with Agent("--memory=64G", WINDOWS) as guest:
            high_end = (4 << 30) + (62 << 30)
            for gpa in (4 << 30, high_end - 2 * PAGE):
                guest.call("fill", gpa, PAGE, 0x72)
                guest.qmp.execute("x-gmem-touch", gpa=gpa, size=1)
                self.assertEqual(guest.host_read(gpa, PAGE), b"\x72" * PAGE)

    def test_as_much_memory_as_can_be(self):
        fitting = [size for size in (4 * sizes.TIB, sizes.TIB, 256 * sizes.GIB)
                   if not sizes.why_not(size)]
        if not fitting:
            self.skipTest(sizes.why_not(256 * sizes.GIB))
        last = fitting[0] + sizes.HOLE - PAGE
        with Agent(f"--memory={fitting[0] >> 30}G", WINDOWS, seconds=300) as guest:
            for round_ in range(2):
                self.assertEqual(guest.call("mapgib", last), 0)
                # What the guest wrote before is gone after a reset.
                self.assertEqual(guest.call("read", last), 0)
                guest.call("fill", last, PAGE, 0x72)
                guest.qmp.execute("x-gmem-touch", gpa=last, size=1)
                self.assertEqual(guest.host_read(last, PAGE), b"\x72" * PAGE)
                self.assertLess(procfs.resident_mib(guest.pid), 64)
                if round_ == 0:
                    guest.qmp.execute("system_reset")
                    guest.wait_ready(300)

    def test_as_many_processors_as_can_be(self):
        with Agent("--memory=64M", "--vcpus=240", WINDOWS, seconds=500) as guest:
            self.assertEqual(len(guest.qmp.execute("query-cpus-fast")), 240)
            for vcpu in range(1, 240):
                guest.call("write", GROUND + vcpu * PAGE, vcpu, vcpu=vcpu)
            guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=240 * PAGE)
            for vcpu in range(1, 240):
                self.assertEqual(guest.call("read", GROUND + vcpu * PAGE), vcpu)
            guest.qmp.execute("system_reset")
            guest.wait_ready(500)
            self.assertEqual(guest.call("read", GROUND + 239 * PAGE, vcpu=239), 0)

    def test_more_than_the_processors_address(self):
        if sizes.address_bits() >= 43:
            self.skipTest("this host's processors address all that a guest can have")
        with Vmm("--memory=4T", WINDOWS, f"--payload={payload('agent')}") as vmm:
            self.assertEqual(vmm.wait(60), 1)
            self.assertIn(f"{sizes.address_bits()} bits of address", vmm.log())


if __name__ == "__main__":
    unittest.main()
