# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Memory that a guest gives back, by a driver of virtio-balloon that a test has in its hand: what goes to the host, what
the guest finds afterwards, and what one that means harm may do.
"""

import time
import unittest

import test_boot
from support import kinds
from support.agent import Agent, GROUND, PAGE, SHARED, STAYS_SHARED
from support.devices import device, root_port
from support.virtio import (DEVICE, EVENT_IDX, RING_PACKED, RING_RESET, INDIRECT_DESC, Ring, STRUCTURES, VERSION_1,
                            VirtioDevice, WRITE, bits)
from support.vmm import MEMORY_KIND
from support.waiting import Timeout, wait_until
from support.where import HOSTS, NATIVE, everywhere

MIB = 1 << 20

# Features.
STATS_VQ, DEFLATE_ON_OOM, PAGE_POISON, REPORTING = 1, 2, 4, 5

INFLATE, DEFLATE, STATISTICS, REPORT_THIRD, REPORT = range(5)

# Of the device's configuration.
NUM_PAGES, ACTUAL, POISON = 0, 4, 12

NUMBERS = GROUND + 64 * PAGE
GIVEN = 16 * MIB


def balloon(**members):
    return device("virtio-balloon-pci", "balloon0", bus="pci.1", addr="0x0", **members)


class BalloonTest(unittest.TestCase):
    """A guest of 64 MiB with a balloon behind a root port."""

    where = NATIVE

    def start(self, *arguments, **members):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8), *arguments,
                           balloon(**members))
        self.addCleanup(self.guest.end)
        self.qmp = self.guest.qmp
        self.device = VirtioDevice(self.guest)

    def set_up(self, *features, queues=(INFLATE, DEFLATE, STATISTICS), is_packed=False):
        """A device that works, with rings for queues."""
        device = self.device
        device.reset()
        self.assertTrue(device.agree(bits(VERSION_1, STATS_VQ, *features, *([RING_PACKED] if is_packed else []))))
        self.rings = {}
        for queue in queues:
            ring = Ring(self.guest, is_packed, 8, place=GROUND + queue * 4 * PAGE)
            device.set_queue(8, *ring.areas(), queue=queue)
            self.rings[queue] = ring
        device.go()

    def use(self, queue, gpa, length, flags=0):
        """Makes a buffer available, and waits for the device to have done with it."""
        ring = self.rings[queue]
        ring.add(gpa, length, flags=flags)
        self.device.kick(queue)
        return ring.await_used()

    def give(self, *pages, queue=INFLATE):
        """Pages by their numbers."""
        for index, page in enumerate(pages):
            self.guest.call("store", NUMBERS + index * 4, 4, page)
        self.use(queue, NUMBERS, len(pages) * 4)

    def config(self, offset):
        return self.guest.call("load", STRUCTURES + self.device.capabilities[DEVICE][1] + offset, 4)

    def set_config(self, offset, value, size=4):
        self.guest.call("store", STRUCTURES + self.device.capabilities[DEVICE][1] + offset, size, value)

    def released(self):
        """Pages: given that were private, that were shared, and left alone."""
        released = self.qmp.conversions()["released"]
        return [released[name] // PAGE for name in ("private-bytes", "shared-bytes", "pinned-bytes")]

    def given(self):
        private, shared, _ = self.released()
        return private + shared

    def read(self, gpa):
        return self.guest.call("load", gpa, 8)

    def fill(self, gpa, size, value):
        self.guest.call("fill", gpa, size, value)

    def statistics(self):
        return self.qmp.execute("query-balloon-statistics")

    def assertAnswers(self):
        """The monitor does, soon; a busy machine may be slow for once."""
        def is_soon():
            begin = time.monotonic()
            self.qmp.execute("query-balloon")
            self.qmp.execute("query-conversion-stats")
            return time.monotonic() - begin < 0.1
        self.assertTrue(any(is_soon() for _ in range(5)))

    def assertWorks(self):
        self.fill(GIVEN, PAGE, 0x33)
        before = self.given()
        self.give(GIVEN // PAGE)
        self.assertEqual(self.given(), before + 1)
        self.assertEqual(self.read(GIVEN), 0)

    def assertBroken(self):
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.assertTrue(self.qmp.execute("query-status")["running"], self.guest.log())


class Works(BalloonTest):
    """What a driver finds, and what the host gets."""

    def test_what_is_found(self):
        self.start()
        device = self.device
        self.assertEqual(device.read_config(0, 4), 0x10451af4)
        transport = bits(VERSION_1, RING_PACKED, INDIRECT_DESC, EVENT_IDX, RING_RESET)
        self.assertEqual(device.features(), transport | bits(STATS_VQ))
        self.assertEqual(device.get("num_queues"), 5)
        self.assertEqual([self.config(offset) for offset in range(0, 16, 4)], [0, 0, 0, 0])
        with self.assertRaises(Exception):
            self.qmp.execute("device_add", driver="virtio-balloon-pci", id="balloon1", bus="pci.1", addr="0x0")

    def test_features(self):
        self.start(**{"deflate-on-oom": True, "free-page-reporting": True})
        features = self.device.features()
        for feature in (DEFLATE_ON_OOM, PAGE_POISON, REPORTING):
            self.assertTrue(features & bits(feature))

    @everywhere
    def test_inflate_and_deflate(self):
        self.start()
        for is_packed in (False, True):
            self.set_up(is_packed=is_packed)
            first, before = GIVEN // PAGE, self.given()
            self.fill(GIVEN, 8 * PAGE, 0x5a)
            # In any order, with neighbours, one of them twice.
            self.give(first + 5, first + 2, first + 1, first + 1)
            self.assertEqual(self.given(), before + 4)
            for page in range(8):
                self.assertEqual(self.read(GIVEN + page * PAGE) == 0, page in (1, 2, 5), page)
            self.give(first + 5, first + 1, first + 2, queue=DEFLATE)
            self.assertEqual(self.read(GIVEN + PAGE), 0)
            self.fill(GIVEN + PAGE, PAGE, 0x77)
            self.assertNotEqual(self.read(GIVEN + PAGE), 0)

    def give_much(self):
        """A MiB that the guest has used, with all numbers in one buffer; what of it was given."""
        first, count = GIVEN // PAGE, MIB // PAGE
        for index in range(count):
            self.guest.call("write", (first + index) * PAGE, 0x5a)
        for index in range(0, count, 2):
            self.guest.call("write", NUMBERS + index * 4, first + index | (first + index + 1) << 32)
        mapped, resident = self.mapped(), self.resident()
        self.use(INFLATE, NUMBERS, count * 4)
        self.assertEqual(self.given(), count)
        for index in range(0, count, 16):
            self.assertEqual(self.read((first + index) * PAGE), 0)
        return mapped, resident

    def mapped(self):
        """What KVM has in the guest's second-level page tables: 0 where it has none."""
        return self.qmp.conversions()["mapped-bytes"]

    def resident(self):
        with open(f"/proc/{self.guest.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE

    @everywhere
    def test_the_host_gets_it(self):
        self.start()
        self.set_up()
        mapped, _ = self.give_much()
        if mapped:
            self.assertLess(self.mapped(), mapped - MIB // 2)

    def test_the_process_shrinks(self):
        self.start("--memory-kind=ordinary")
        self.set_up()
        _, resident = self.give_much()
        self.assertLess(self.resident(), resident - MIB // 2)

    def test_shared_pages(self):
        kinds.require_hypercall(MEMORY_KIND)
        self.start(STAYS_SHARED)
        self.set_up()
        self.assertEqual(self.guest.map(GIVEN, 2, SHARED), 0)
        self.fill(GIVEN, 4 * PAGE, 0x5a)
        self.qmp.execute("x-gmem-touch", gpa=GIVEN, size=3 * PAGE)
        shared = self.qmp.conversions()["shared-bytes"]
        self.give(*range(GIVEN // PAGE, GIVEN // PAGE + 4))
        if MEMORY_KIND != "ordinary":
            self.assertEqual(self.released(), [1, 3, 0])
            self.assertEqual(self.qmp.conversions()["shared-bytes"], shared)
        for page in range(4):
            self.assertEqual(self.read(GIVEN + page * PAGE), 0)
        # What was lent goes back, what the guest has shared does not; both are used.
        self.fill(GIVEN, 4 * PAGE, 0x66)
        self.qmp.execute("gmem-reclaim", gpa=GIVEN + 2 * PAGE, size=2 * PAGE)
        self.assertNotEqual(self.read(GIVEN + 2 * PAGE), 0)

    @everywhere
    def test_rings_are_kept(self):
        self.start()
        self.set_up()
        pages = range(GROUND // PAGE, GROUND // PAGE + 12)
        self.give(*pages)
        self.assertEqual(self.released()[2], 9)
        self.assertWorks()

    def test_reports(self):
        self.start(**{"free-page-reporting": True})
        for queue in (REPORT_THIRD, REPORT):
            self.set_up(REPORTING, queues=(INFLATE, queue))
            for gpa in (GIVEN, GIVEN + PAGE, GIVEN + 2 * MIB, GIVEN + 4 * MIB - PAGE):
                self.guest.call("write", gpa, 0x5a)
            before = self.given()
            # What is no whole page stays.
            self.use(queue, GIVEN + 1, 4 * MIB - 2, flags=WRITE)
            self.assertEqual(self.given(), before + 4 * MIB // PAGE - 2)
            self.assertNotEqual(self.read(GIVEN), 0)
            self.assertEqual(self.read(GIVEN + PAGE), 0)
            self.assertEqual(self.read(GIVEN + 2 * MIB), 0)
            self.assertNotEqual(self.read(GIVEN + 4 * MIB - PAGE), 0)
            self.use(queue, GIVEN + 8, PAGE, flags=WRITE)
            self.assertWorks()

    def test_poison(self):
        self.start(**{"free-page-reporting": True})
        for poison, is_given in ((0xaaaaaaaa, False), (0, True)):
            self.set_up(REPORTING, PAGE_POISON, queues=(INFLATE, REPORT))
            self.set_config(POISON, poison)
            self.fill(GIVEN, PAGE, 0x5a)
            self.use(REPORT, GIVEN, PAGE, flags=WRITE)
            self.assertEqual(self.read(GIVEN) == 0, is_given)

    def test_target_and_change(self):
        self.start()
        self.assertEqual(self.qmp.execute("query-balloon"), {"actual": 64 * MIB})
        self.set_up()
        generation = self.device.get("generation")
        for target, pages in ((48 * MIB, 4096), (1, 16383), (1 << 40, 0), (60 * MIB, 1024)):
            self.qmp.execute("balloon", value=target)
            self.assertEqual(self.config(NUM_PAGES), pages)
        self.assertNotEqual(self.device.get("generation"), generation)
        for value in (0, -1):
            with self.assertRaises(Exception):
                self.qmp.execute("balloon", value=value)
        # A word at once, or byte by byte; what is not the driver's stays.
        self.set_config(ACTUAL, 1024)
        self.set_config(NUM_PAGES, 7)
        self.assertEqual(self.config(NUM_PAGES), 1024)
        self.assertEqual(self.qmp.wait_event("BALLOON_CHANGE")["data"], {"actual": 60 * MIB})
        self.assertEqual(self.qmp.execute("query-balloon"), {"actual": 60 * MIB})
        # However often it changes.
        for pages in range(100):
            self.set_config(ACTUAL, pages)
        self.set_config(ACTUAL, 0xffffffff)
        wait_until(lambda: self.qmp.wait_event("BALLOON_CHANGE")["data"] == {"actual": 0}, 30, "the last change")
        self.assertLess(len([event for event in self.qmp.events if event["event"] == "BALLOON_CHANGE"]), 10)
        self.device.reset()
        self.assertEqual(self.qmp.execute("query-balloon"), {"actual": 64 * MIB})
        self.assertEqual(self.config(NUM_PAGES), 1024)

    def test_nobody_is_interrupted_without_a_driver(self):
        """Firmware, and kernels at their beginning, have no use for a line that is raised."""
        self.start()
        self.qmp.execute("balloon", value=60 * MIB)
        self.assertEqual(self.config(NUM_PAGES), 1024)
        self.assertEqual(self.device.isr(), 0)
        self.set_up()
        self.assertEqual(self.device.isr(), 0)
        self.qmp.execute("balloon", value=61 * MIB)
        self.assertEqual(self.device.isr(), 2)

    def answer_statistics(self, **values):
        """Fills the buffer that the device has given back; a kind of statistic and its value each."""
        for index, (kind, value) in enumerate(values.items()):
            self.guest.call("store", NUMBERS + index * 10, 2, int(kind[1:]))
            self.guest.call("store", NUMBERS + index * 10 + 2, 8, value)
        self.rings[STATISTICS].add(NUMBERS, 10 * len(values), flags=0)
        self.device.kick(STATISTICS)

    def await_statistics(self, **wanted):
        wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
        wait_until(lambda: self.statistics()["stats"] == wanted, 30, f"{wanted}: {self.statistics()}")

    def test_statistics(self):
        self.start()
        self.set_up()
        self.assertEqual(self.statistics(), {"last-update": 0, "stats": {}})
        self.answer_statistics(s4=1 << 20, s0=7)
        self.await_statistics(stat_free_memory=1 << 20, stat_swap_in=7)
        self.assertAlmostEqual(self.statistics()["last-update"], time.time(), delta=60)
        # It keeps the buffer until it is told to ask.
        self.assertIsNone(self.rings[STATISTICS].take())
        self.qmp.execute("set-balloon-polling", period=1)
        for value in range(3):
            self.rings[STATISTICS].await_used()
            # What nobody knows is left out; what is too large is as large as it can be.
            self.answer_statistics(s6=value, s77=5, s9=(1 << 64) - 1)
            self.await_statistics(stat_available_memory=value, stat_htlb_pgfail=(1 << 63) - 1)
        self.qmp.execute("set-balloon-polling", period=0)
        # Over a pause and a reset.
        self.qmp.execute("stop")
        self.qmp.execute("set-balloon-polling", period=1)
        self.qmp.execute("cont")
        self.rings[STATISTICS].await_used()
        self.device.reset()
        self.assertEqual(self.statistics(), {"last-update": 0, "stats": {}})
        self.set_up()
        self.answer_statistics(s5=9)
        self.await_statistics(stat_total_memory=9)
        self.rings[STATISTICS].await_used()

    @everywhere
    def test_pause_and_reset(self):
        self.start()
        self.set_up()
        self.qmp.execute("balloon", value=60 * MIB)
        self.qmp.execute("stop")
        self.qmp.execute("cont")
        self.assertWorks()
        self.set_config(ACTUAL, 5)
        self.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.device = VirtioDevice(self.guest)
        self.assertEqual(self.qmp.execute("query-balloon"), {"actual": 64 * MIB})
        self.assertEqual(self.config(NUM_PAGES), 1024)
        self.set_up(is_packed=True)
        self.assertWorks()

    def test_none(self):
        self.guest = Agent("--memory=64M")
        self.addCleanup(self.guest.end)
        for command, arguments in (("query-balloon", {}), ("balloon", {"value": MIB}),
                                   ("query-balloon-statistics", {}), ("set-balloon-polling", {"period": 1})):
            with self.assertRaises(Exception):
                self.guest.qmp.execute(command, **arguments)


class Mistakes(BalloonTest):
    """What harms nobody but the guest."""

    where = NATIVE

    def setUp(self):
        self.start(**{"free-page-reporting": True})

    def test_numbers_that_are_no_memory(self):
        self.set_up()
        self.give(0xa0, 0xbf, 64 * MIB // PAGE, 0xfffff, 0x100000, 0xffffffff)
        self.assertEqual(self.released(), [0, 0, 0])
        self.assertWorks()

    def test_buffers_that_are_no_memory(self):
        for queue, flags in ((INFLATE, 0), (STATISTICS, 0)):
            self.set_up()
            self.rings[queue].add(0x80000000, 4096, flags=flags)
            self.device.kick(queue)
            self.assertBroken()
        self.set_up()
        self.assertWorks()

    def test_buffers_of_odd_sizes(self):
        self.set_up()
        self.use(INFLATE, NUMBERS, 3)
        self.use(INFLATE, NUMBERS, 4, flags=WRITE)
        self.guest.call("store", NUMBERS, 8, GIVEN // PAGE | (GIVEN // PAGE + 1) << 32)
        self.fill(GIVEN, 2 * PAGE, 0x11)
        self.use(INFLATE, NUMBERS, 7)
        self.assertEqual(self.released()[:2].count(1), 1)
        self.assertNotEqual(self.read(GIVEN + PAGE), 0)
        self.rings[STATISTICS].add(NUMBERS, 7, flags=0)
        self.device.kick(STATISTICS)
        wait_until(lambda: self.statistics()["last-update"] > 0, 30, "statistics")
        self.assertEqual(self.statistics()["stats"], {})

    @everywhere
    def test_all_of_memory_again_and_again(self):
        """The largest reports that there can be, and the monitor answers meanwhile; a reset ends it."""
        self.set_up(REPORTING, queues=(INFLATE, REPORT))
        ring = self.rings[REPORT]
        for _ in range(8):
            # Beyond RAM, where there is nothing to do.
            ring.add(1 << 32, 0xffffffff, flags=WRITE)
        self.device.kick(REPORT)
        self.assertAnswers()
        for _ in range(8):
            ring.await_used()
        self.assertEqual(self.released(), [0, 0, 0])
        # 48 MiB, eight times.
        for _ in range(8):
            ring.add(GIVEN, 48 * MIB, flags=WRITE)
        self.device.kick(REPORT)
        self.assertAnswers()
        self.qmp.execute("stop")
        self.qmp.execute("cont")
        self.device.reset()
        self.set_up()
        self.assertWorks()

    def test_the_guest_itself(self):
        """A guest that gives away what it runs in ends itself alone."""
        self.set_up(REPORTING, queues=(INFLATE, REPORT))
        self.rings[REPORT].add(0, 64 * MIB, flags=WRITE)
        self.device.begin_kick(REPORT)
        wait_until(lambda: self.given() > 32 * MIB // PAGE, 30, "memory that is given back")
        self.assertAnswers()


class Linux(unittest.TestCase):
    """Debian's driver."""

    where = HOSTS
    limit = 300

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def in_use(self):
        """MiB that the VMM and its guest hold."""
        return Agent.memory_in_use(self.vmm) // MIB

    def actual(self):
        return self.vmm.qmp.execute("query-balloon")["actual"]

    def set_target(self, size):
        self.vmm.qmp.execute("balloon", value=size)
        seen = []

        def is_reached():
            seen.append(self.actual())
            return seen[-1] == size

        try:
            wait_until(is_reached, 100, f"a guest of {size} bytes")
        except Timeout as error:
            released = self.vmm.qmp.conversions()["released"]
            raise AssertionError(f"{error}: it has {seen[-1]} bytes, and has given back {released}") from None

    def guest(self, command):
        """Lines longer than the console is wide would not be found again in what it prints."""
        return self.run_in(self.vmm, command)

    def total(self):
        """MiB that the guest's kernel has."""
        return int(self.guest("grep MemTotal /proc/meminfo").split()[1]) // 1024

    def test_memory_comes_and_goes(self):
        self.vmm = self.boot("--vcpus=2", "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                             balloon(**{"free-page-reporting": True}))
        self.guest("mkdir /t")
        self.guest("mount -t tmpfs -o size=400m tmpfs /t")
        self.guest("dd if=/dev/urandom of=/t/kept bs=1M count=16")
        self.guest("sha256sum /t/kept >/t/sum")

        # What has been used and is free again goes back by itself.
        before = self.in_use()
        self.guest("dd if=/dev/zero of=/t/much bs=1M count=200")
        self.assertGreater(self.in_use(), before + 150)
        self.guest("rm /t/much")
        wait_until(lambda: self.in_use() < before + 50, 100, "free pages that are reported")

        # What is asked for goes, while the guest works, and comes back.
        self.guest("while :; do head -c 4m /dev/urandom >/t/some; done & :")
        total = self.total()
        self.set_target(384 * MIB)
        self.assertLess(self.total(), total - 110)
        self.set_target(512 * MIB)
        self.guest("kill %1")
        self.assertIn("OK", self.guest("sha256sum -c /t/sum"))
        self.assertEqual(self.guest("dmesg | grep -c 'BUG:'"), "0")

        # And what it says of itself.
        self.vmm.qmp.execute("set-balloon-polling", period=1)
        wait_until(lambda: "stat-free-memory" in self.vmm.qmp.execute("query-balloon-statistics")["stats"], 30,
                   "statistics")
        stats = self.vmm.qmp.execute("query-balloon-statistics")["stats"]
        self.assertAlmostEqual(stats["stat-total-memory"] // MIB, total, delta=8)
        self.assertLess(stats["stat-free-memory"], stats["stat-total-memory"])

        # The driver goes with what it has, and comes again.
        self.set_target(480 * MIB)
        self.guest("rmmod virtio_balloon")
        self.assertEqual(self.actual(), 512 * MIB)
        self.guest("insmod /modules/virtio_balloon.ko")
        wait_until(lambda: self.actual() == 480 * MIB, 100, "a balloon that is there again")


if __name__ == "__main__":
    unittest.main()
