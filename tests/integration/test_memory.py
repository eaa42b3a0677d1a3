# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory engine, driven by a guest that does what it is told and seen from both sides."""

import os
import struct
import subprocess
import time
import unittest

from support.agent import Agent, GROUND, PAGE, PRIVATE, SHARED, STAYS_SHARED
from support.qmp import QmpError
from support.vmm import EMULATOR, KERNEL, payload
from support.waiting import Deadline, Timeout

EINVAL = -22
ENOSYS = -1000

# An address without RAM in a guest of 64 MiB, below the end of what may be converted.
HOLE = 0xd0000000

# Where the couriers' memory is: MEMORY_WINDOW_START and _END of src/vmm/memory/memory.h.
COURIER = 0xfef00000
COURIER_END = 0xfeff7000

FW_CFG_DMA_HIGH = 0x514
FW_CFG_DMA_LOW = 0x518
# fw_cfg's, as a number.
SIGNATURE = int.from_bytes(b"QEMU", "little")

# Whether an exit comes with the address of the next instruction: always on Intel's.
with open("/proc/cpuinfo", encoding="ascii") as _file:
    _flags = _file.read().split()
NEXT_RIP = any(flag in _flags for flag in ("nrip_save", "vmx"))

TO_SHARED_BY_VCPU = ("to-shared", "host-touch-vcpu")


class GuestTest(unittest.TestCase):
    """A test with one guest."""

    kind = "two-sided"
    arguments = ("--memory=64M", "--vcpus=2")
    image = f"--payload={payload('agent')}"

    def setUp(self):
        self.guest = Agent(f"--memory-kind={self.kind}", *self.arguments, image=self.image)
        self.addCleanup(self.guest.end)

    def assertGuestSees(self, gpa, size, byte):
        wrong, first = self.guest.detail("check", gpa, size, byte)
        self.assertEqual(wrong, 0, f"{wrong} bytes are not {byte:#x}, the first at {first:#x}")

    def assertHostSees(self, gpa, size, byte):
        seen = self.guest.host_read(gpa, size)
        self.assertEqual(seen, bytes([byte]) * size)

    def assert_counted(self, pages, rounds, touches):
        """The agent's counters of "count" are right in each page: each vCPU's, and the one that all share."""
        for page in range(pages):
            gpa = GROUND + page * PAGE
            for vcpu, count in rounds.items():
                self.assertEqual(self.guest.call("read", gpa + vcpu * 8), count,
                                 f"page {page}, vCPU {vcpu}, after {touches} touches")
            self.assertEqual(self.guest.call("read", gpa + 0x800), sum(rounds.values()),
                             f"page {page}, all vCPUs, after {touches} touches")

    def assertNotOnHost(self, gpa, pages):
        there = [hex(gpa + i * PAGE) for i in range(pages)
                 if self.guest.has_host_page(gpa + i * PAGE)]
        self.assertEqual(there, [], "pages that the VMM's mapping holds")

    def counter(self, direction, cause):
        return self.guest.qmp.conversions()["conversions"][(direction, cause)]


class Hypercall(GuestTest):
    """Conversions that the guest asks for."""

    arguments = (*GuestTest.arguments, STAYS_SHARED)

    def test_part_of_a_range_changes_and_its_neighbours_do_not(self):
        guest = self.guest
        for vcpu in (0, 1):
            guest.call("fill", GROUND, 8 * PAGE, 0xa5)
            self.assertNotOnHost(GROUND, 8)
            self.assertEqual(guest.map(GROUND + 3 * PAGE, 2, SHARED, vcpu=vcpu), 0)
            self.assertGuestSees(GROUND, 3 * PAGE, 0xa5)
            self.assertGuestSees(GROUND + 3 * PAGE, 2 * PAGE, 0)
            self.assertGuestSees(GROUND + 5 * PAGE, 3 * PAGE, 0xa5)
            guest.call("fill", GROUND + 3 * PAGE, 2 * PAGE, 0x3c, vcpu=1 - vcpu)
            self.assertHostSees(GROUND + 3 * PAGE, 2 * PAGE, 0x3c)
            self.assertNotOnHost(GROUND, 3)
            self.assertNotOnHost(GROUND + 5 * PAGE, 3)
            self.assertEqual(guest.map(GROUND + 4 * PAGE, 1, PRIVATE, vcpu=vcpu), 0)
            self.assertGuestSees(GROUND + 3 * PAGE, PAGE, 0x3c)
            self.assertGuestSees(GROUND + 4 * PAGE, PAGE, 0)
            self.assertNotOnHost(GROUND + 4 * PAGE, 1)
            self.assertEqual(guest.map(GROUND, 8, PRIVATE), 0)

    def test_a_page_that_is_in_its_state_already_keeps_its_content(self):
        guest = self.guest
        guest.call("fill", GROUND, PAGE, 0x11)
        self.assertEqual(guest.map(GROUND, 1, PRIVATE), 0)
        self.assertGuestSees(GROUND, PAGE, 0x11)
        guest.map(GROUND, 1, SHARED)
        guest.call("fill", GROUND, PAGE, 0x22)
        self.assertEqual(guest.map(GROUND, 1, SHARED), 0)
        self.assertGuestSees(GROUND, PAGE, 0x22)
        self.assertHostSees(GROUND, PAGE, 0x22)

    def test_to_and_fro_many_times(self):
        for pages in (1, 16, 512):
            wrong, first = self.guest.detail("convert", GROUND, pages, 1 + 64 // pages, 0x5a,
                                             seconds=100)
            self.assertEqual((wrong, first), (0, 0), f"{pages} pages")

    def test_bad_ranges_are_refused_and_change_nothing(self):
        guest = self.guest
        guest.call("fill", GROUND, 2 * PAGE, 0x77)
        for gpa, pages, attributes in (
                (GROUND + 8, 1, SHARED),          # not a page's address
                (GROUND, 0, SHARED),              # nothing
                (GROUND, 1, 0x20),                # an attribute that does not exist
                (GROUND, 1 << 51, SHARED),        # 2^63 bytes
                (GROUND, (1 << 52) + 1, SHARED),  # wraps to one page
                (1 << 63, 1, SHARED),
                ((1 << 64) - PAGE, 2, SHARED),
                (COURIER, 1, SHARED),             # the courier's memslot
                (COURIER - PAGE, 2, PRIVATE),     # reaches into it
                (COURIER_END - PAGE, 1, PRIVATE),
                (4 << 30, 1, SHARED),             # beyond the end of RAM
                ((4 << 30) - PAGE, 2, SHARED)):   # half of it
            self.assertEqual(guest.map(gpa, pages, attributes), EINVAL,
                             f"gpa {gpa:#x}, {pages:#x} pages, attributes {attributes:#x}")
        self.assertGuestSees(GROUND, 2 * PAGE, 0x77)
        self.assertNotOnHost(GROUND, 2)
        self.assertEqual(self.counter("to-shared", "guest-hypercall")["count"], 0)

    def test_statistics_say_what_was_converted(self):
        # KVM may look at the guest's code on its way: that has been shown before.
        self.assertEqual(self.guest.map(GROUND + 1, 1, SHARED), EINVAL)
        before = self.guest.qmp.conversions()
        self.guest.map(GROUND, 5, SHARED)
        self.guest.map(GROUND + PAGE, 2, PRIVATE)
        after = self.guest.qmp.conversions()
        self.assertEqual(after["shared-bytes"] - before["shared-bytes"], 3 * PAGE)
        self.assertEqual(before["private-bytes"] - after["private-bytes"], 3 * PAGE)
        self.assertGreaterEqual(after["shared-bytes-peak"], before["shared-bytes"] + 5 * PAGE)
        to_shared = after["conversions"][("to-shared", "guest-hypercall")]
        to_private = after["conversions"][("to-private", "guest-hypercall")]
        self.assertEqual((to_shared["count"], to_shared["bytes"]), (1, 5 * PAGE))
        self.assertEqual((to_private["count"], to_private["bytes"]), (1, 2 * PAGE))
        self.assertEqual(sum(to_shared["latency-log2-ns"]), 1)
        self.assertGreater(to_shared["time-ns"], 0)


class SeveralProcessors(GuestTest):
    """Conversions at the same time."""

    arguments = ("--memory=64M", "--vcpus=4")
    processors = 4

    def test_neighbouring_pages(self):
        for vcpu in (1, 2, 3):
            self.guest.begin(vcpu, "convert", GROUND + vcpu * PAGE, 1, 60, 0x40 + vcpu)
        for vcpu in (1, 2, 3):
            self.assertEqual(self.guest.join(vcpu), (0, 0), f"vCPU {vcpu}")

    def test_the_same_pages(self):
        guest = self.guest
        for vcpu in (1, 2, 3):
            guest.begin(vcpu, "contend", GROUND, 4, 50)
        for vcpu in (1, 2, 3):
            self.assertEqual(guest.join(vcpu)[0], 0, f"conversions of vCPU {vcpu} that failed")
        # Whatever came last, each page is one thing now, and works.
        self.assertEqual(guest.map(GROUND, 4, PRIVATE), 0)
        self.assertNotOnHost(GROUND, 4)
        self.assertEqual(guest.detail("convert", GROUND, 4, 2, 0x66), (0, 0))

    def test_no_increment_is_lost_while_the_host_touches_and_reclaims(self):
        guest = self.guest
        pages = 8
        counting = (1, 2, 3)
        for vcpu in counting:
            guest.begin(vcpu, "count", GROUND, pages)
        touches = guest.touch_and_reclaim(pages, 10)
        guest.call("stop")
        rounds = {vcpu: guest.join(vcpu)[0] for vcpu in counting}
        self.assert_counted(pages, rounds, touches)
        self.assertGreater(self.counter("to-private", "reclaim")["count"], 0)
        self.assertGreater(min(rounds.values()), 0)


    def test_a_request_that_comes_while_pages_go_back_is_served(self):
        guest = self.guest
        counting = (1, 2, 3)
        for vcpu in counting:
            guest.begin(vcpu, "count", GROUND, 1)
        for page in range(16, 22):
            # One that has not been back yet: others stay longer.
            taken_back = self.counter("to-private", "reclaim")["count"]
            guest.qmp.execute("x-gmem-touch", gpa=GROUND + page * PAGE, size=1)
            while self.counter("to-private", "reclaim")["count"] == taken_back:
                # Of a page that is private: nothing but a request to the memory thread.
                for _ in range(50):
                    guest.qmp.execute("gmem-reclaim", seconds=10, gpa=GROUND + (1 << 20),
                                      size=PAGE)
        guest.call("stop")
        for vcpu in counting:
            self.assertGreater(guest.join(vcpu)[0], 0, f"vCPU {vcpu}")


class Dma(GuestTest):
    """A device that reads and writes memory through a channel: fw_cfg, which comes with firmware."""

    arguments = ("--memory=64M", "--vcpus=7")
    image = f"--bios={payload('firmware')}"
    processors = 4

    # What fw_cfg is asked for, and what it says: FW_CFG_DMA_CTL_* of <linux/qemu_fw_cfg.h>.
    error, read, select = 1, 2, 8

    def access(self, at, length, address, vcpu=0):
        """Has the device read its signature, and zeroes behind it, by a descriptor at an address."""
        descriptor = struct.pack(">IIQ", self.read | self.select, length, address)
        for i in (0, 8):
            self.guest.call("write", at + i, int.from_bytes(descriptor[i:i + 8], "little"))
        self.start(at, vcpu)
        return struct.unpack(">I", self.guest.call("read32", at).to_bytes(4, "little"))[0]

    def start(self, at, vcpu=0):
        for port, half in ((FW_CFG_DMA_HIGH, at >> 32), (FW_CFG_DMA_LOW, at & 0xffffffff)):
            value = int.from_bytes(half.to_bytes(4, "big"), "little")
            self.guest.call("out", port, 4, value, vcpu=vcpu)

    def trips(self):
        return self.guest.qmp.conversions()["courier"]["trips"]

    def test_private_memory_is_written_and_stays_private(self):
        guest = self.guest
        guest.call("fill", GROUND, 80 * PAGE, 0x61)
        guest.qmp.execute("gmem-reclaim", gpa=0, size=64 << 20)
        trips = self.trips()
        # More than one part, that begins and ends within pages, by a descriptor over a page's end.
        for vcpu in (0, 3):
            self.assertEqual(self.access(GROUND + PAGE - 6, 70 * PAGE, GROUND + 2 * PAGE + 77,
                                         vcpu=vcpu), 0)
        self.assertEqual(guest.call("read32", GROUND + 2 * PAGE + 77), SIGNATURE)
        self.assertGuestSees(GROUND + PAGE + 10, PAGE + 67, 0x61)
        self.assertGuestSees(GROUND + 2 * PAGE + 81, 70 * PAGE - 4, 0)
        self.assertGuestSees(GROUND + 72 * PAGE + 77, PAGE, 0x61)
        self.assertEqual(self.counter("to-shared", "host-touch-device")["count"], 0)
        self.assertNotOnHost(GROUND, 80)
        if self.kind == "two-sided":
            # Each time one for the descriptor, one for the signature, three parts of zeroes, and one
            # for what the descriptor says then; and some for what KVM touches meanwhile.
            self.assertGreaterEqual(self.trips() - trips, 2 * 6)
        else:
            self.assertEqual(self.trips(), 0)

    def test_what_is_beside_the_content_is_not_in_the_process(self):
        guest = self.guest
        secret = os.urandom(32)
        for i in range(0, len(secret), 8):
            guest.call("write", GROUND + 64 + i, int.from_bytes(secret[i:i + 8], "little"))
        self.assertNotOnHost(GROUND, 1)
        self.assertEqual(self.access(GROUND, 4, GROUND + PAGE // 2), 0)
        self.assertNotOnHost(GROUND, 1)
        self.assertEqual([hex(address) for address in guest.find_in_process(secret)], [])

    def test_no_increment_is_lost_while_devices_read_and_write(self):
        guest = self.guest
        pages = 4
        counting, reading = (1, 2, 3, 4), (5, 6)
        for vcpu in counting:
            guest.begin(vcpu, "count", GROUND, pages)
        # Its descriptor is in one of the pages, and what it writes in the next, beside the counters.
        for i, vcpu in enumerate(reading):
            guest.begin(vcpu, "readsig", GROUND + 2 * i * PAGE + 0xc00, 1 << 32)
        touches = guest.touch_and_reclaim(pages, 10)
        guest.call("stop")
        rounds = {vcpu: guest.join(vcpu)[0] for vcpu in counting}
        for vcpu in reading:
            guest.join(vcpu)
        self.assertGreater(min(rounds.values()), 0)
        self.assert_counted(pages, rounds, touches)
        for i in range(len(reading)):
            descriptor = GROUND + 2 * i * PAGE + 0xc00
            self.assertEqual(guest.call("read32", descriptor), 0)
            self.assertEqual(guest.call("read32", descriptor + 0x800), SIGNATURE)

    def test_pages_change_state_under_a_device(self):
        guest = self.guest
        guest.begin(1, "remap", GROUND, 3)
        for vcpu in (2, 3):
            # The descriptor may be gone before it is read: then nothing is asked for.
            guest.begin(vcpu, "readsig", GROUND + (vcpu - 2) * PAGE + 0xc00, 1 << 32)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=3 * PAGE)
        guest.call("stop")
        self.assertEqual(guest.join(1)[0], 0)
        for vcpu in (2, 3):
            guest.join(vcpu)
        for attribute in (SHARED, PRIVATE):
            self.assertEqual(guest.map(GROUND, 3, attribute), 0)
            # What is shared is not there yet: the descriptor is, the rest is put there to be written.
            self.assertEqual(self.access(GROUND, 2 * PAGE, GROUND + 0x800), 0)
            self.assertEqual(guest.call("read32", GROUND + 0x800), SIGNATURE)
            self.assertGuestSees(GROUND + 0x804, 2 * PAGE - 4, 0)

    def test_addresses_that_are_no_ram_are_errors_and_nothing_else(self):
        guest = self.guest
        end = 64 << 20
        last = COURIER_END - PAGE
        for address, length in ((end, 4), (end - 2, 4), (end - PAGE, 2 * PAGE), (HOLE, 4),
                                (0xa0000 - 2, 4), (1 << 32, 4), (1 << 52, 4), ((1 << 64) - 4, 4),
                                ((1 << 64) - 2, 4), (GROUND, 0xffffffff), (0xffff0000, 4),
                                *((window, 4) for window in range(COURIER, last, 16 * PAGE)),
                                (COURIER - 2, 4), (last, PAGE), (last + PAGE - 2, 4)):
            self.assertEqual(self.access(GROUND, length, address), self.error,
                             f"{length:#x} bytes at {address:#x}")
        # So is a descriptor.
        for at in (end - 8, HOLE, COURIER, last, 1 << 52, (1 << 64) - 8):
            self.start(at)
        # The device's own channel, its tables, its content and its code, are the same as ever.
        self.assertEqual(self.access(GROUND, 4, GROUND + 64), 0)
        self.assertEqual(guest.call("read32", GROUND + 64), SIGNATURE)
        # What comes before the end of RAM is written, the error of a descriptor there too.
        self.access(GROUND, 4, end - 2)
        self.assertEqual(guest.call("read", end - 8).to_bytes(8, "little"), b"\0\0\0\1\0\0QE")

    def test_a_reset_comes_while_a_device_reads(self):
        guest = self.guest
        for _ in range(5):
            for vcpu in (1, 2):
                guest.begin(vcpu, "readsig", GROUND + vcpu * PAGE, 1 << 32)
            guest.call("fill", GROUND, PAGE, 0x51)
            guest.qmp.execute("system_reset")
            guest.wait_ready()
            self.assertGuestSees(GROUND, 4 * PAGE, 0)
        self.assertEqual(self.access(GROUND, 4, GROUND + 64), 0)


class MemoryFault(GuestTest):
    """KVM_EXIT_MEMORY_FAULT: private where nothing private is."""

    def test_an_access_makes_the_page_an_mmio_address_again(self):
        guest = self.guest
        self.assertEqual(guest.map(HOLE, 2, PRIVATE), 0)
        for vcpu, page in ((0, 0), (1, 1)):
            self.assertEqual(guest.call("read", HOLE + page * PAGE, vcpu=vcpu), -1)
            self.assertEqual(self.counter("to-shared", "memory-fault")["count"], page + 1)
            # Once is enough.
            guest.call("write", HOLE + page * PAGE, 1, vcpu=vcpu)
            self.assertEqual(self.counter("to-shared", "memory-fault")["count"], page + 1)

    def test_ram_beside_the_hole_is_not_touched(self):
        guest = self.guest
        end = 64 << 20
        guest.call("fill", end - 2 * PAGE, 2 * PAGE, 0x9d)
        self.assertEqual(guest.map(end, 16, PRIVATE), 0)
        self.assertEqual(guest.call("read", end), -1)
        self.assertGuestSees(end - 2 * PAGE, 2 * PAGE, 0x9d)
        self.assertNotOnHost(end - 2 * PAGE, 2)
        # A range over RAM and hole is converted where there is RAM.
        self.assertEqual(guest.map(end - PAGE, 2, SHARED), 0)
        guest.call("fill", end - PAGE, PAGE, 0x9e)
        self.assertHostSees(end - PAGE, PAGE, 0x9e)
        self.assertGuestSees(end - 2 * PAGE, PAGE, 0x9d)


class HostTouch(GuestTest):
    """Pages that KVM or the VMM touch."""

    arguments = (*GuestTest.arguments, STAYS_SHARED)
    pages = 512

    def test_string_output_from_private_memory(self):
        guest = self.guest
        text = b"private "
        guest.call("write", GROUND, int.from_bytes(text, "little"))
        guest.order("print", GROUND, len(text))
        guest.console.wait_for("private ")
        self.assertGreater(self.counter(*TO_SHARED_BY_VCPU)["count"], 0)
        self.assertEqual(guest.host_read(GROUND, len(text)), text)

    def test_string_input_to_private_memory(self):
        guest = self.guest
        guest.call("fill", GROUND, 4 * PAGE, 0x12)
        guest.call("ins", GROUND + 100, 3 * PAGE, vcpu=1)
        self.assertGuestSees(GROUND, 100, 0x12)
        self.assertGuestSees(GROUND + 100, 3 * PAGE, 0xff)
        self.assertGuestSees(GROUND + 100 + 3 * PAGE, PAGE - 100, 0x12)

    def test_paravirtual_clock_in_private_memory(self):
        now, multiplier = self.guest.detail("clock", GROUND + 0x40)
        self.assertGreater(multiplier, 0)
        self.assertGreater(now, 0)
        self.assertEqual(self.guest.call("read", GROUND + 0x40 + 16), now)

    def test_pages_keep_their_content_there_and_back(self):
        guest = self.guest
        size = self.pages * PAGE
        parts = [(GROUND + i * size // 8, size // 8, 1 + i) for i in range(8)]
        for gpa, length, byte in parts:
            guest.call("fill", gpa, length, byte)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        # At once: what is left alone goes back by itself.
        seen = guest.host_read(GROUND, size)
        reclaimed = guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=size)
        self.assertEqual(seen, b"".join(bytes([byte]) * length for _, length, byte in parts))
        self.assertEqual(reclaimed["bytes"], size)
        self.assertNotOnHost(GROUND, self.pages)
        for gpa, length, byte in parts:
            self.assertGuestSees(gpa, length, byte)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        for gpa, length, byte in parts:
            self.assertGuestSees(gpa, length, byte)

    def test_a_job_takes_back_while_others_ask(self):
        guest, size = self.guest, self.pages * PAGE
        guest.call("fill", GROUND, size, 0x5a)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        guest.qmp.execute("gmem-reclaim-job", **{"job-id": "back"}, gpa=GROUND, size=size)
        self.assertEqual(guest.qmp.execute("query-jobs")[0]["id"], "back")
        while guest.qmp.wait_event("JOB_STATUS_CHANGE")["data"] != {"id": "back", "status": "concluded"}:
            pass
        self.assertEqual(guest.qmp.execute("query-jobs"), [
            {"id": "back", "type": "gmem-reclaim", "status": "concluded", "current-progress": size,
             "total-progress": size}])
        self.assertNotOnHost(GROUND, self.pages)
        self.assertGuestSees(GROUND, size, 0x5a)
        for command, arguments, said in (
                ("gmem-reclaim-job", {"job-id": "back"}, "there is a job 'back' already"),
                ("gmem-reclaim-job", {"job-id": "b", "gpa": 1}, "not a range of whole pages"),
                ("gmem-reclaim-job", {"job-id": "b", "size": -PAGE}, "must not be negative"),
                ("job-cancel", {"id": "back"}, "job 'back' has concluded"),
                ("job-dismiss", {"id": "b"}, "there is no job 'b'")):
            with self.subTest(said), self.assertRaisesRegex(QmpError, said):
                guest.qmp.execute(command, **arguments)
        guest.qmp.execute("job-dismiss", id="back")
        self.assertEqual(guest.qmp.execute("query-jobs"), [])

    def test_a_secret_in_private_memory_is_not_in_the_process(self):
        guest = self.guest
        secret = os.urandom(32)
        for i in range(0, len(secret), 8):
            guest.call("write", GROUND + i, int.from_bytes(secret[i:i + 8], "little"))
        self.assertNotOnHost(GROUND, 1)
        # The orders themselves went through the process, eight bytes at a time.
        self.assertEqual([hex(address) for address in guest.find_in_process(secret)], [])
        # The search does find what is there.
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        self.assertIn(guest.address_of(GROUND), guest.find_in_process(secret))
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=PAGE)
        self.assertEqual([hex(address) for address in guest.find_in_process(secret)], [])

    def test_processors_that_are_reset_do_not_disturb_the_courier(self):
        guest = self.guest
        guest.call("fill", GROUND, PAGE, 0x47)
        init_all_others = 0xc4500
        guest.call("ipi", init_all_others)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=1)
        self.assertHostSees(GROUND, PAGE, 0x47)


class MemoryInUse(GuestTest):
    """Nothing is kept on both sides, and nothing is left behind."""

    def test_a_thousand_conversions_leave_as_much_as_before(self):
        guest = self.guest
        pages = 16
        # Code of the VMM's that runs for the first time is memory in use too.
        self.assertEqual(guest.detail("convert", GROUND, pages, 1, 0x21), (0, 0))
        self.assertEqual(self.counter("to-shared", "guest-hypercall")["count"], 1)
        before = guest.memory_in_use()
        for _ in range(100):
            self.assertEqual(guest.detail("convert", GROUND, pages, 10, 0x21), (0, 0))
        self.assertEqual(self.counter("to-shared", "guest-hypercall")["count"], 1001)
        self.assertEqual(self.counter("to-private", "guest-hypercall")["count"], 1001)
        self.assertAlmostEqual(guest.memory_in_use(), before, delta=256 << 10)

    def test_a_page_is_held_on_one_side_only(self):
        guest = self.guest
        size = 16 << 20
        empty = guest.memory_in_use()
        for direction in (PRIVATE, SHARED, PRIVATE):
            guest.map(GROUND, size // PAGE, direction)
            self.assertAlmostEqual(guest.memory_in_use(), empty, delta=1 << 20)
            guest.call("fill", GROUND, size, 0x31)
            self.assertAlmostEqual(guest.memory_in_use(), empty + size, delta=1 << 20)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        self.assertAlmostEqual(guest.memory_in_use(), empty + size, delta=1 << 20)


class GuestOnly(unittest.TestCase):
    """The policy under which nobody but the guest converts."""

    kind = "two-sided"
    arguments = ("--memory=64M", "--vcpus=2", "--policy=guest-only", "--paused")

    def test_a_host_touch_pauses_with_an_event_that_names_it(self):
        with Agent(f"--memory-kind={self.kind}", *self.arguments, is_ready=False) as guest:
            # Where the processor does not tell KVM of the next instruction, KVM reads the
            # guest's code before it comes to this.
            for is_reset in (False, False, True):
                if is_reset:
                    guest.qmp.execute("system_reset")
                guest.qmp.execute("cont")
                guest.begin(1, "outs", GROUND + 8, 16)
                event = guest.qmp.wait_event("GMEM_HOST_TOUCH")["data"]
                self.assertEqual(event["cause"], "host-touch-vcpu")
                self.assertIn(event["vcpu"], (0, 1))
                self.assertIs(event["write"], False)
                self.assertFalse(guest.has_host_page(event["gpa"]))
                guest.qmp.wait_event("STOP")
                self.assertEqual(guest.qmp.execute("query-status")["status"], "paused")
            # Nobody has converted anything, and nothing was told twice.
            self.assertEqual(guest.qmp.conversions()["shared-bytes"], 0)
            self.assertEqual(guest.qmp.events, [event for event in guest.qmp.events
                                                if event["event"] != "GMEM_HOST_TOUCH"])
            guest.qmp.execute("quit")
            self.assertEqual(guest.wait(30), 0)

    def test_without_a_monitor_it_ends_the_machine(self):
        result = subprocess.run(
            [EMULATOR, f"--memory-kind={self.kind}", "--console=null", "--memory=64M",
             "--policy=guest-only", f"--payload={payload('agent')}"] if not NEXT_RIP else
            [EMULATOR, f"--memory-kind={self.kind}", "--console=null", "--memory=256M",
             "--policy=guest-only", f"--kernel={KERNEL}", "--append=console=ttyS0"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("which policy guest-only does not convert", result.stderr)

    @unittest.skipUnless(NEXT_RIP, "this processor makes KVM read the guest's code")
    def test_a_page_that_the_guest_shares_may_be_touched(self):
        with Agent(f"--memory-kind={self.kind}", *self.arguments, is_ready=False) as guest:
            guest.qmp.execute("cont")
            guest.wait_ready()
            guest.map(GROUND, 1, SHARED)
            guest.call("outs", GROUND, 16, vcpu=1)
            self.assertEqual(guest.qmp.execute("query-status")["status"], "running")
            conversions = guest.qmp.conversions()["conversions"]
            self.assertEqual(conversions[TO_SHARED_BY_VCPU]["count"], 0)


class Reset(GuestTest):
    """A reset makes everything as it was."""

    def test_memory_is_private_and_empty(self):
        guest = self.guest
        shared_before = guest.qmp.conversions()["shared-bytes"]
        guest.call("fill", GROUND, 4 * PAGE, 0x51)
        guest.map(GROUND + PAGE, 1, SHARED)
        guest.call("fill", GROUND + PAGE, PAGE, 0x52)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND + 2 * PAGE, size=1)
        guest.order("reset")
        guest.qmp.wait_event("RESET")
        guest.wait_ready()
        self.assertNotOnHost(GROUND, 4)
        self.assertGuestSees(GROUND, 4 * PAGE, 0)
        self.assertLessEqual(guest.qmp.conversions()["shared-bytes"], shared_before)

    def test_many_resets_leave_as_much_as_before(self):
        guest = self.guest
        guest.call("fill", GROUND, 64 * PAGE, 1)
        used = []
        for _ in range(10):
            guest.qmp.execute("system_reset")
            guest.wait_ready()
            guest.call("fill", GROUND, 64 * PAGE, 1)
            used.append(guest.memory_in_use())
        self.assertAlmostEqual(used[-1], used[0], delta=64 * PAGE)


class Hostile(GuestTest):
    """A guest that looks for the courier."""

    arguments = (*GuestTest.arguments, STAYS_SHARED)

    def test_rubbish_in_the_couriers_memory_ends_the_guest_only(self):
        guest = self.guest
        # KVM looks at the guest's code on its way, too, and has seen by then what it needs.
        guest.call("fill", GROUND, PAGE, 0x61)
        guest.call("write", HOLE, 0)
        guest.call("fill", COURIER, 296 << 10, 0xee)
        # The code is behind it, in a read-only slot.
        guest.call("write", COURIER + (296 << 10), 0)
        self.assertEqual(guest.qmp.execute("query-status")["status"], "running")
        guest.begin(1, "outs", GROUND, 16)
        guest.qmp.wait_event("GMEM_INTERNAL_ERROR", 30)
        self.assertEqual(guest.qmp.execute("query-status")["status"], "internal-error")
        self.assertIn("courier", guest.log())
        # Who waited for the page has gone on, on zeroes.
        self.assertHostSees(GROUND, PAGE, 0)
        guest.qmp.execute("quit")
        self.assertEqual(guest.wait(30), 1)


@unittest.skipUnless("GMEM_TESTHOST" in os.environ, "cgroups of this machine are not the tests' own")
class Scarcity(GuestTest):
    """A host that has no memory for its guest."""

    arguments = ("--memory=256M", "--vcpus=2")
    group = "/sys/fs/cgroup/gmem-test"

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def count_events(self, name):
        with open(f"{self.group}/memory.events", encoding="ascii") as file:
            return dict(line.split() for line in file)[name]

    def setUp(self):
        self.write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
        os.mkdir(self.group)
        # After the guest has ended.
        self.addCleanup(os.rmdir, self.group)
        super().setUp()
        self.assertTrue(self.guest.qmp.greeting)
        self.write(f"{self.group}/cgroup.procs", str(self.guest.pid))
        self.write(f"{self.group}/memory.max", "64M")

    def test_the_kernel_ends_it(self):
        self.guest.begin(1, "fill", GROUND, 128 << 20, 0x61)
        self.assertEqual(self.guest.wait(60), -9)
        self.assertEqual(self.count_events("oom_kill"), "1")

    def test_one_that_the_kernel_spares_is_paused_and_can_go_on(self):
        guest = self.guest
        self.write(f"/proc/{guest.pid}/oom_score_adj", "-1000")
        guest.begin(1, "fill", GROUND, 128 << 20, 0x61)
        deadline = Deadline(60)
        while self.count_events("oom") == "0":
            if deadline.is_over():
                raise Timeout("the guest does not get to its limit")
            time.sleep(0.05)
        # For the VMM, which needs some to say so; the processor stays where it is.
        self.write(f"{self.group}/memory.max", "80M")
        event = guest.qmp.wait_event("GMEM_NO_MEMORY", 60)["data"]
        self.assertRegex(event["message"], "vCPU 1: .*Cannot allocate memory")
        self.assertEqual(guest.qmp.execute("query-status")["status"], "paused")
        self.write(f"{self.group}/memory.max", "max")
        guest.qmp.execute("cont")
        self.assertEqual(guest.join(1), (0, 0))
        self.assertGuestSees(GROUND, 128 << 20, 0x61)


class Sizes(unittest.TestCase):
    """Machines small and large."""

    processors = 4

    def test_sixteen_processors(self):
        with Agent("--memory=64M", "--vcpus=16") as guest:
            self.assertEqual(len(guest.qmp.execute("query-cpus-fast")), 16)
            for vcpu in range(1, 16):
                guest.begin(vcpu, "convert", GROUND + vcpu * PAGE, 1, 3, vcpu)
            for vcpu in range(1, 16):
                self.assertEqual(guest.join(vcpu), (0, 0), f"vCPU {vcpu}")

    def test_ram_above_four_gib(self):
        with Agent("--memory=64G") as guest:
            high_end = (4 << 30) + (62 << 30)
            for gpa in (4 << 30, high_end - 2 * PAGE):
                self.assertEqual(guest.detail("convert", gpa, 2, 2, 0x71), (0, 0), hex(gpa))
                guest.call("fill", gpa, PAGE, 0x72)
                guest.qmp.execute("x-gmem-touch", gpa=gpa, size=1)
                self.assertEqual(guest.host_read(gpa, PAGE), b"\x72" * PAGE)
            self.assertEqual(guest.map(high_end, 1, SHARED), EINVAL)

    def test_an_ordinary_machine_converts_nothing(self):
        with Agent("--memory=64M", "--memory-kind=ordinary") as guest:
            self.assertEqual(guest.map(GROUND, 1, SHARED), ENOSYS)
            guest.call("fill", GROUND, PAGE, 0x81)
            self.assertEqual(guest.host_read(GROUND, PAGE), b"\x81" * PAGE)


if __name__ == "__main__":
    unittest.main()
