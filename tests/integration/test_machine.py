# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The machine as its guests see it: interrupts that go to all, PAM registers and resets by
firmware of the tests' own, and what Linux finds in tables and on PCI.
"""

import base64
import gzip
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from support.agent import Agent, GROUND, PAGE, PRIVATE, SHARED
from support.vmm import INITRD, KERNEL, Vmm, payload
from test_firmware import BIOS, LINUXBOOT_ROM, RELEASES, FirmwareTest

# Where an interrupt command's bits are: Intel's manual, volume 3, "Interrupt Command Register".
FIXED, LOWEST, NMI, INIT, SIPI, EXTINT = 0x4030, 0x4130, 0x4400, 0x4500, 0x4609, 0x4700
LOGICAL = 0x800
SELF, ALL, OTHERS = 0x40000, 0x80000, 0xc0000

LDR, SPURIOUS, DFR = 0xfee000d0, 0xfee000f0, 0xfee000e0
APIC_ON = 0x1ff
FLAT, CLUSTER = 0xffffffff, 0x0fffffff
EVERY_X2APIC = 0xffffffff

# The first processor's APIC id, and the courier's: COURIER_VCPU_ID of src/vmm/memory/memory.c.
FIRST, COURIER = 0, 254


class AgentTest(unittest.TestCase):
    """A test with a guest that does what it is told."""

    arguments = ("--memory=64M",)
    image = f"--payload={payload('agent')}"

    def setUp(self):
        self.guest = Agent(*self.arguments, image=self.image)
        self.addCleanup(self.guest.end)

    def assertGuestSees(self, gpa, size, byte):
        wrong, first = self.guest.detail("check", gpa, size, byte)
        self.assertEqual(wrong, 0, f"{wrong} bytes are not {byte:#x}, the first at {first:#x}")

    def assertRuns(self):
        self.assertTrue(self.guest.qmp.execute("query-status")["running"], self.guest.log())


class Broadcast(AgentTest):
    """Interrupts to everybody, which do not reach the courier."""

    arguments = ("--memory=64M", "--vcpus=3")
    pages = 16

    def carry(self, round_number):
        """The courier's work, both ways, with content that is looked at on the way."""
        guest = self.guest
        size = self.pages * PAGE
        before = guest.qmp.conversions()["courier"]["trips"]
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        self.assertEqual(guest.host_read(GROUND, size), b"\x5a" * size, f"round {round_number}")
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=size)
        self.assertGreater(guest.qmp.conversions()["courier"]["trips"], before)
        self.assertRuns()

    def rage(self, storms):
        guest = self.guest
        guest.call("fill", GROUND, self.pages * PAGE, 0x5a)
        for number, storm in enumerate(storms):
            with guest.storm(*storm):
                self.carry(number)
            self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)
        # Nobody but those that an INIT reached is lost.
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=self.pages * PAGE)
        self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)
        self.assertRuns()

    def test_x2apic(self):
        self.rage([
            (FIXED | ALL,), (FIXED | OTHERS,), (NMI | OTHERS,), (NMI | ALL,), (NMI | SELF,),
            (LOWEST, 0, 256), (FIXED, 0, 256), (NMI, 0, 256), (EXTINT, 0, 256),
            (FIXED, EVERY_X2APIC), (NMI, EVERY_X2APIC),
            # Logical: a cluster of 16 ids in the upper half, which of them in the lower.
            *((mode | LOGICAL, cluster << 16 | 0xffff) for mode in (FIXED, NMI, LOWEST)
              for cluster in (0, COURIER // 16)),
            (FIXED | LOGICAL, EVERY_X2APIC), (NMI | LOGICAL, EVERY_X2APIC),
            (INIT | OTHERS,), (SIPI | OTHERS,), (SIPI | ALL,),
            (INIT, 0, 256, FIRST), (SIPI, 0, 256), (NMI, 0, 256),
            (INIT | LOGICAL, COURIER // 16 << 16 | 0xffff), (INIT | LOGICAL, 0xfffe),
            (SIPI, EVERY_X2APIC), (SIPI | LOGICAL, COURIER // 16 << 16 | 0xffff),
            # To the courier's own id, in each delivery mode that there is.
            *((0x4030 | mode << 8, COURIER) for mode in range(8)),
        ])

    def test_xapic(self):
        guest = self.guest
        for vcpu in range(3):
            guest.call("xapic", vcpu=vcpu)
            guest.call("write32", SPURIOUS, APIC_ON, vcpu=vcpu)
        for model, ids in ((FLAT, (1, 2, 4)), (CLUSTER, (1, 2, 0xf1))):
            for vcpu in range(3):
                guest.call("write32", DFR, model, vcpu=vcpu)
                guest.call("write32", LDR, ids[vcpu] << 24, vcpu=vcpu)
            self.rage([(mode | LOGICAL, 0, 256) for mode in (FIXED, LOWEST, NMI)])
        self.rage([
            (FIXED, 0, 256), (NMI, 0, 256), (FIXED | ALL,), (NMI | ALL,),
            (INIT, 0, 255, FIRST), (INIT | LOGICAL, 0xfe), (INIT | OTHERS,),
            (SIPI, 0, 256), (SIPI | LOGICAL, 0, 256), (SIPI | OTHERS,), (NMI | OTHERS,),
        ])

    def test_the_hypercall_that_sends_interrupts(self):
        guest = self.guest
        everybody = (1 << 64) - 1
        guest.call("fill", GROUND, self.pages * PAGE, 0x5a)
        for icr in (FIXED, NMI):
            for first in (0, 128):
                guest.call("hyperipi", everybody, everybody, first, icr)
                self.carry(first)
        self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)


class OwnFirmwareTest(AgentTest):
    """Firmware of the tests' own (tests/payload/firmware.S) that obeys as the agent does."""

    image = f"--bios={payload('firmware')}"
    arguments = ("--memory=64M", "--vcpus=2")

    def config_address(self, register, function=0):
        self.guest.call("out", 0xcf8, 4, 1 << 31 | function << 8 | register & 0xfc)
        return 0xcfc + (register & 3)

    def read_config(self, register):
        return self.guest.call("in", self.config_address(register), 1)

    def write_config(self, register, value):
        self.guest.call("out", self.config_address(register), 1, value)


class Start(OwnFirmwareTest):
    """From a processor's first instruction on."""

    def carry(self):
        guest = self.guest
        guest.call("fill", GROUND, PAGE, 0x5a)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=PAGE)
        self.assertEqual(guest.host_read(GROUND, PAGE), b"\x5a" * PAGE)
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=PAGE)
        self.assertGuestSees(GROUND, PAGE, 0x5a)
        self.assertRuns()

    def test_an_init_to_all_before_the_host_has_touched_anything(self):
        # That is the first thing that the firmware does: see there.
        self.carry()

    def test_an_init_to_all_with_oneself(self):
        guest = self.guest
        for icr in (INIT | ALL, EVERY_X2APIC << 32 | INIT, EVERY_X2APIC << 32 | INIT | LOGICAL):
            guest.call("fill", GROUND, PAGE, 0x47)
            guest.order("ipi", icr)
            guest.wait_ready()
            # It is no reset: memory is as it was.
            self.assertGuestSees(GROUND, PAGE, 0x47)
            self.carry()

    def test_an_init_to_everybody_in_xapic_mode(self):
        guest = self.guest
        guest.call("xapic")
        guest.call("write32", 0xfee00310, 0xff << 24)
        guest.order("write32", 0xfee00300, INIT)
        guest.wait_ready()
        self.carry()

    def test_resets(self):
        guest = self.guest
        for way in (("out", 0xcf9, 1, 0x06), ("out", 0xcf9, 1, 0x0e), ("out", 0x64, 1, 0xfe),
                    ("out", 0x92, 1, 0x01), ("write", 0xfffffffffff00000, 0)):
            with self.subTest(way):
                guest.call("fill", GROUND, PAGE, 0x47)
                if way == ("out", 0xcf9, 1, 0x0e):
                    guest.call("out", 0xcf9, 1, 0x0a)
                guest.order(*way)
                event = guest.qmp.wait_event("RESET", 30)
                self.assertTrue(event["data"]["guest"])
                guest.wait_ready()
                self.assertGuestSees(GROUND, PAGE, 0)
                self.carry()

    def test_as_code_in_flash(self):
        with Agent(*self.arguments, image=f"--pflash-code={payload('firmware')}") as guest:
            self.assertEqual(guest.call("compare", 0xf0000, 0xffff0000, 0x10000), 0)


class Segments(OwnFirmwareTest):
    """What PAM registers show below 1 MiB, and SMRAM, which there is none of."""

    start, end = 0xc0000, 0x100000
    size = 0x4000

    def setUp(self):
        # An image that reaches into all of its window, and no page of which is like another.
        folder = tempfile.mkdtemp(prefix="gmem-machine.")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "image")
        with open(path, "wb") as image, open(payload("firmware"), "rb") as firmware:
            image.write(os.urandom(0x30000) + firmware.read())
        self.image = f"--bios={path}"
        super().setUp()

    def pam(self, number, value):
        self.write_config(0x90 + number, value)

    def show_all(self, value=0x33):
        for number in range(7):
            self.pam(number, value)

    def byte_of(self, gpa):
        return 0x40 + (gpa - self.start) // self.size

    def fill_all(self):
        for gpa in range(self.start, self.end, self.size):
            self.guest.call("fill", gpa, self.size, self.byte_of(gpa))

    def assertAllThere(self):
        for gpa in range(self.start, self.end, self.size):
            self.assertGuestSees(gpa, self.size, self.byte_of(gpa))

    def assertHidden(self):
        self.assertGuestSees(0xc0000, 0x20000, 0xff)
        self.assertEqual(self.guest.call("compare", 0xe0000, 0xfffe0000, 0x20000), 0)

    def test_what_is_hidden_comes_back(self):
        self.assertHidden()
        self.show_all()
        self.assertGuestSees(self.start, self.end - self.start, 0)
        self.fill_all()
        for value in (0x00, 0x22):
            self.show_all(value)
            self.assertHidden()
            self.show_all()
            self.assertAllThere()

    def test_each_register_is_its_own_segments(self):
        self.show_all()
        self.fill_all()
        halves = [(0, 0x10, 0xf0000, 0x10000)]
        for number in range(1, 7):
            gpa = self.start + (number - 1) * 2 * self.size
            halves += [(number, 0x01, gpa, self.size), (number, 0x10, gpa + self.size, self.size)]
        for number, bit, gpa, size in halves:
            self.pam(number, 0x33 & ~(bit * 3))
            for other in range(self.start, self.end, self.size):
                if not gpa <= other < gpa + size:
                    self.assertGuestSees(other, self.size, self.byte_of(other))
                elif other < 0xe0000:
                    self.assertGuestSees(other, self.size, 0xff)
                else:
                    self.assertEqual(self.guest.call("compare", other, 0xfff00000 + other,
                                                     self.size), 0)
            self.pam(number, 0x33)

    def test_what_is_protected_against_writes_can_be_written(self):
        # As docs/machine.md has it: a memslot that is both private and read-only KVM has not.
        self.show_all()
        self.fill_all()
        self.show_all(0x11)
        self.assertAllThere()
        self.guest.call("fill", 0xc8000, PAGE, 0x99)
        self.assertGuestSees(0xc8000, PAGE, 0x99)

    def test_writes_to_what_is_hidden_are_lost(self):
        self.show_all()
        self.fill_all()
        self.show_all(0)
        self.guest.call("fill", 0xc8000, PAGE, 0x99)
        self.guest.call("fill", 0xf8000, PAGE, 0x99)
        self.assertHidden()
        self.show_all()
        self.assertAllThere()

    def test_conversions_of_what_is_hidden(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        for vcpu in (0, 1):
            self.show_all(0)
            for attributes in (SHARED, PRIVATE, SHARED, PRIVATE):
                self.assertEqual(guest.map(self.start, 64, attributes, vcpu=vcpu), 0)
                self.assertHidden()
            guest.qmp.execute("gmem-reclaim", gpa=self.start, size=self.end - self.start)
            self.show_all()
            self.assertAllThere()

    def test_the_hosts_touches_end_where_ram_does(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        self.pam(2, 0x03)
        # Touches that follow each other bring along what is behind: see choose_run().
        guest.qmp.execute("x-gmem-touch", gpa=self.start, size=0xc000)
        self.assertGuestSees(0xcc000, self.size, 0xff)
        self.pam(2, 0x33)
        self.assertAllThere()
        self.assertRuns()

    def test_what_the_host_had_and_was_hidden_meanwhile(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        guest.qmp.execute("x-gmem-touch", gpa=0xc8000, size=2 * PAGE)
        self.show_all(0)
        # Longer than a page is lent: RECLAIM_SECONDS of src/vmm/machine/machine.c, twice.
        time.sleep(6)
        self.assertRuns()
        self.assertHidden()
        self.show_all()
        self.assertAllThere()

    def test_another_processor_goes_on_meanwhile(self):
        guest = self.guest
        port = self.config_address(0x93)
        self.show_all()
        self.fill_all()
        port = self.config_address(0x93)
        for gpa, pages in ((GROUND, 8), (0xcc000, 12)):
            guest.begin(1, "count", gpa, pages)
            for _ in range(10):
                guest.call("toggle", port, 0x00, 0x33, 5)
                guest.qmp.execute("x-gmem-touch", gpa=0xcc000, size=PAGE)
                guest.map(0xd0000, 4, SHARED)
                guest.call("toggle", port, 0x03, 0x33, 5)
                guest.map(0xd0000, 4, PRIVATE)
                guest.qmp.execute("gmem-reclaim", gpa=0xc0000, size=0x40000)
            guest.order("stop")
            self.assertGreater(guest.join(1)[0], 0)
            self.assertRuns()
        # Its counters are at the beginnings of pages, and the pages at 0xd0000 are zeroes.
        self.assertGuestSees(0xe8000, 4 * self.size, self.byte_of(0xe8000))

    def test_there_is_no_smram(self):
        guest = self.guest
        for _ in range(2):
            self.assertEqual(self.read_config(0x9d), 0x12)
            self.assertEqual(self.read_config(0x9e), 0x38)
            for value in (0x02, 0x4a, 0x40, 0xff, 0x00):
                self.write_config(0x9d, value)
                self.write_config(0x9e, value)
                self.assertEqual(self.read_config(0x9d), 0x12)
                self.assertEqual(self.read_config(0x9e), 0x38)
                self.assertGuestSees(0xa0000, PAGE, 0xff)
            # No TSEG either: RAM goes on to its end.
            guest.call("fill", (64 << 20) - PAGE, PAGE, 0x21)
            self.assertGuestSees((64 << 20) - PAGE, PAGE, 0x21)
            guest.order("out", 0xcf9, 1, 6)
            guest.wait_ready()


class Topology(unittest.TestCase):
    """Where the monitor says that processors are."""

    def test_places(self):
        def place(socket, die, core, thread):
            return {"socket-id": socket, "die-id": die, "core-id": core, "thread-id": thread}

        with Agent("--memory=64M", "--vcpus=8",
                   "--cpu-topology=sockets=2,dies=2,cores=1,threads=2") as guest:
            self.assertEqual([cpu["props"] for cpu in guest.qmp.execute("query-cpus-fast")],
                             [place(i >> 2, i >> 1 & 1, 0, i & 1) for i in range(8)])
        with Agent("--memory=64M", "--vcpus=2") as guest:
            self.assertEqual([cpu["props"] for cpu in guest.qmp.execute("query-cpus-fast")],
                             [{"socket-id": 0, "core-id": i, "thread-id": 0} for i in range(2)])
