# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Virtio on PCI, by a driver that a test has in its hand: what works, and what a guest may do wrong
without more than its device being broken.
"""

import os
import unittest

import test_boot
from support import kinds
from support.agent import Agent, GROUND, PAGE, PRIVATE, SHARED
from support.devices import device, root_port
from support.virtio import (ACCESS_PLATFORM, DRIVER_OK, EVENT_IDX, FEATURES_OK, INDIRECT, INDIRECT_DESC, MSIX_CAPABILITY,
                            NEEDS_RESET, NEXT, NO_VECTOR, PCI_ACCESS, RING_PACKED, RING_RESET, Ring, STRUCTURES,
                            VERSION_1, VirtioDevice, WRITE, bits)
from support.vmm import MEMORY_KIND, payload
from support.waiting import wait_until
from support.where import EVERYWHERE, HOSTS, NATIVE, everywhere

BUFFER = GROUND + 16 * PAGE
TABLE = GROUND + 24 * PAGE
OTHER = GROUND + 32 * PAGE

# No RAM of 64 MiB: nothing, and the device's own registers.
NOTHING = 0x80000000

QUEUE_INTERRUPT, CONFIG_INTERRUPT = 0x50, 0x61

EXPRESS_CAPABILITY = 0x10


def rng(**members):
    return device("virtio-rng-pci", "rng0", bus="pci.1", addr="0x0", **members)


class RngTest(unittest.TestCase):
    """A guest with a source of randomness behind a root port."""

    where = NATIVE

    def start(self, *arguments, description=None, **popen):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8), *arguments,
                           description or rng(), **popen)
        self.addCleanup(self.guest.end)
        self.device = VirtioDevice(self.guest)

    def set_up(self, *features, is_packed=False, size=8):
        """A device that works, with a vector for its queue and one for its configuration."""
        device = self.device
        device.reset()
        self.assertTrue(device.agree(bits(VERSION_1, *features, *([RING_PACKED] if is_packed else []))))
        device.enable_msix()
        device.aim(0, CONFIG_INTERRUPT)
        device.aim(1, QUEUE_INTERRUPT)
        device.set("config_vector", 0)
        ring = Ring(self.guest, is_packed, size)
        device.set_queue(size, *ring.areas(), vector=1)
        device.go()
        return ring

    def get_bytes(self, ring, length=64):
        """Has the device fill a buffer; what is in it then."""
        self.guest.call("fill", BUFFER, length, 0)
        ring.add(BUFFER, length)
        self.device.kick()
        written = ring.await_used()
        self.assertEqual(written, length)
        return [self.guest.call("read", BUFFER + i) for i in range(0, length, 8)]

    def assertWorks(self, ring):
        content = self.get_bytes(ring)
        self.assertEqual(len(set(content)), len(content), content)

    def assertBroken(self):
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.assertTrue(self.guest.qmp.execute("query-status")["running"], self.guest.log())


class Works(RngTest):
    """What a driver finds and gets."""

    def test_what_is_found(self):
        self.start()
        device = self.device
        self.assertEqual(device.read_config(0, 4), 0x10441af4)
        self.assertEqual(device.read_config(8, 4), 0x00ff0001)
        self.assertEqual(device.read_config(device.capabilities[-EXPRESS_CAPABILITY][0] + 2, 2), 0x0002)
        self.assertEqual(device.read_config(device.capabilities[-MSIX_CAPABILITY][0] + 2, 2), 1)
        self.assertEqual(device.features(),
                         bits(VERSION_1, RING_PACKED, INDIRECT_DESC, EVENT_IDX, RING_RESET))
        self.assertEqual(device.get("num_queues"), 1)
        self.assertEqual(device.get("queue_size"), 64)
        self.assertEqual(device.get("queue_vector"), NO_VECTOR)
        device.set("queue_select", 1)
        self.assertEqual(device.get("queue_size"), 0)

    def check_ring(self, is_packed, *features, size):
        ring = self.set_up(*features, is_packed=is_packed, size=size)
        # More than once around.
        for _ in range(2 * size + 1):
            self.assertWorks(ring)
        self.device.await_interrupt(QUEUE_INTERRUPT)
        self.assertFalse(self.device.has_interrupt(CONFIG_INTERRUPT))
        self.assertEqual(self.device.isr(), 0)

    @everywhere
    def test_split_ring(self):
        self.start()
        self.check_ring(False, size=8)

    @everywhere
    def test_packed_ring(self):
        self.start()
        self.check_ring(True, size=5)

    def test_event_index(self):
        self.start()
        for is_packed in (False, True):
            self.check_ring(is_packed, EVENT_IDX, size=4)

    def test_indirect_table(self):
        self.start()
        for is_packed in (False, True):
            with self.subTest(is_packed=is_packed):
                ring = self.set_up(INDIRECT_DESC, is_packed=is_packed)
                self.guest.call("fill", BUFFER, 64, 0)
                # Two buffers of 32 bytes.
                for index in range(2):
                    flags = WRITE | (0 if is_packed or index else NEXT)
                    self.guest.call("store", TABLE + index * 16, 8, BUFFER + index * 32)
                    self.guest.call("store", TABLE + index * 16 + 8, 4, 32)
                    self.guest.call("store", TABLE + index * 16 + (14 if is_packed else 12), 2, flags)
                    self.guest.call("store", TABLE + index * 16 + (12 if is_packed else 14), 2, 1)
                ring.add(TABLE, 32, flags=INDIRECT)
                self.device.kick()
                self.assertEqual(ring.await_used(), 64)
                content = [self.guest.call("read", BUFFER + i) for i in range(0, 64, 8)]
                self.assertEqual(len(set(content)), 8)

    def test_without_msix(self):
        self.start()
        device = self.device
        self.assertTrue(device.agree(bits(VERSION_1)))
        ring = Ring(self.guest, False)
        device.set_queue(8, *ring.areas())
        device.go()
        self.assertWorks(ring)
        # The main thread raises INTx for the status that the guest reads.
        wait_until(lambda: device.read_config(6, 2) & 8, 30, "INTx")
        self.assertEqual(device.isr(), 1)
        self.assertEqual(device.isr(), 0)
        self.assertFalse(device.read_config(6, 2) & 8)

    def test_masked_message(self):
        self.start()
        ring = self.set_up()
        self.device.aim(1, QUEUE_INTERRUPT, masked=True)
        self.assertWorks(ring)
        self.assertFalse(self.device.has_interrupt(QUEUE_INTERRUPT))
        self.device.aim(1, QUEUE_INTERRUPT)
        self.device.await_interrupt(QUEUE_INTERRUPT)

    def test_structures_by_configuration_space(self):
        self.start()
        device = self.device
        at = device.capabilities[PCI_ACCESS][0]
        device.write_config(at + 4, 1, 4)
        device.write_config(at + 8, 4, 20)
        device.write_config(at + 12, 4, 1)
        device.write_config(at + 16, 1, 3)
        self.assertEqual(device.get("status"), 3)
        device.set("status", 0)
        self.assertEqual(device.read_config(at + 16, 1), 0)
        for bar, offset, length in ((0, 0, 4), (4, 0x4000, 4), (4, 0xfffffffc, 4), (4, 20, 0), (4, 20, 3), (4, 21, 4)):
            device.write_config(at + 4, 1, bar)
            device.write_config(at + 8, 4, offset)
            device.write_config(at + 12, 4, length)
            device.write_config(at + 16, 4, 0xffffffff)
            device.read_config(at + 16, 4)
        self.assertEqual(device.get("status"), 0)

    def test_queue_reset(self):
        self.start()
        ring = self.set_up(RING_RESET)
        self.assertWorks(ring)
        self.device.set("queue_reset", 1)
        self.assertEqual(self.device.get("queue_reset"), 0)
        self.assertEqual(self.device.get("queue_enable"), 0)
        ring = Ring(self.guest, False, place=OTHER)
        self.device.set_queue(8, *ring.areas(), vector=1)
        self.assertWorks(ring)
        self.assertFalse(self.device.is_broken())

    def test_registers_move(self):
        self.start()
        ring = self.set_up()
        self.assertWorks(ring)
        self.device.write_config(4, 2, 4)
        self.device.write_config(0x20, 4, STRUCTURES + 0x100000)
        self.device.write_config(4, 2, 6)
        self.guest.call("store", STRUCTURES + 0x3000, 2, 0)
        self.guest.call("fill", BUFFER, 8, 0)
        ring.add(BUFFER, 8)
        self.guest.call("store", STRUCTURES + 0x103000, 2, 0)
        self.assertEqual(ring.await_used(), 8)

    def test_iommu_platform(self):
        self.start(description=rng(iommu_platform=True))
        self.assertTrue(self.device.features() & bits(ACCESS_PLATFORM))
        self.assertFalse(self.device.agree(bits(VERSION_1)))
        self.device.reset()
        self.assertTrue(self.device.agree(bits(VERSION_1, ACCESS_PLATFORM)))

    def test_features_that_cannot_be(self):
        self.start(description=rng(packed=False))
        self.assertFalse(self.device.features() & bits(RING_PACKED))
        for features in (bits(VERSION_1, RING_PACKED), bits(VERSION_1, 63), bits(EVENT_IDX)):
            self.device.reset()
            self.assertFalse(self.device.agree(features))

    def test_io_thread_of_two(self):
        self.start(root_port("pci.2", "0x2", chassis=2, port=16), device("iothread", "iothread1"),
                   device("virtio-rng-pci", "rng1", bus="pci.2", addr="0x0", iothread="iothread1"),
                   description=rng(iothread="iothread1"))
        self.assertWorks(self.set_up())

    @everywhere
    def test_pause_and_reset(self):
        self.start()
        ring = self.set_up()
        for _ in range(3):
            self.guest.qmp.execute("stop")
            self.guest.qmp.execute("cont")
            self.assertWorks(ring)
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.device = VirtioDevice(self.guest)
        self.assertEqual(self.device.get("status"), 0)
        self.assertWorks(self.set_up(is_packed=True))


class Rings(RngTest):
    """What the host sees while a queue is enabled, and what it is counted as."""

    where = EVERYWHERE

    def counts(self):
        """Pages: shared now, pinned now, ever shared for rings, given back."""
        statistics = self.guest.qmp.conversions()
        conversions = statistics["conversions"]
        return [count // PAGE for count in (
            statistics["shared-bytes"], statistics["pinned-bytes"],
            conversions["to-shared", "ring"]["bytes"], conversions["to-private", "ring"]["bytes"])]

    def test_pinned_and_given_back(self):
        self.start()
        ring = self.set_up()
        self.assertWorks(ring)
        if MEMORY_KIND == "ordinary":
            self.assertEqual(self.counts(), [0, 0, 0, 0])
            return
        # What the host had touched before is shared already.
        _, pinned, to_shared, to_private = self.counts()
        self.assertEqual((pinned, to_private), (3, 0))
        self.assertLessEqual(to_shared, 3)
        # Reclaim leaves them.
        self.guest.qmp.execute("gmem-reclaim", gpa=0, size=32 << 20)
        self.assertGreaterEqual(self.counts()[0], 3)
        self.assertWorks(ring)
        self.device.reset()
        wait_until(lambda: self.counts()[1:] == [0, to_shared, 3], 30, "rings that are given back")
        # With their content.
        self.assertEqual(self.guest.call("load", ring.descriptors, 8), BUFFER)

    def test_shared_by_the_guest(self):
        kinds.require_hypercall(MEMORY_KIND)
        self.start()
        self.assertEqual(self.guest.map(GROUND, 3, SHARED), 0)
        self.assertWorks(self.set_up())
        self.assertEqual(self.counts()[1:], [3, 0, 0])
        self.device.reset()
        wait_until(lambda: self.counts()[1] == 0, 30, "rings that are given back")
        self.assertGreaterEqual(self.counts()[0], 3)


class Source(RngTest):
    """Where the bytes come from, and how many."""

    def with_pipe(self, content):
        reader, writer = os.pipe()
        os.write(writer, content)
        self.start(description=rng(**{"rng-fd": str(reader)}), pass_fds=(reader,))
        os.close(reader)
        return writer

    def test_descriptor(self):
        content = bytes(range(40))
        writer = self.with_pipe(content)
        ring = self.set_up()
        self.guest.call("fill", BUFFER, 64, 0)
        ring.add(BUFFER, 64)
        ring.add(BUFFER + 64, 8)
        self.device.kick()
        self.assertEqual(ring.await_used(), 40)
        self.assertEqual(self.guest.call("read", BUFFER + 32), int.from_bytes(content[32:], "little"))
        # The second buffer waits until there is something, and over a pause.
        self.assertIsNone(ring.take())
        self.guest.qmp.execute("stop")
        os.write(writer, b"01234567")
        self.guest.qmp.execute("cont")
        self.assertEqual(ring.await_used(), 8)
        self.assertEqual(self.guest.call("read", BUFFER + 64), int.from_bytes(b"01234567", "little"))
        ring.add(BUFFER, 8)
        self.device.kick()
        os.close(writer)
        self.assertBroken()

    def test_rate(self):
        # A period that does not end while the test runs.
        self.start(description=rng(**{"max-bytes": 100, "period": 3600000}))
        ring = self.set_up()
        for _ in range(3):
            ring.add(BUFFER, 60)
        self.device.kick()
        self.assertEqual(ring.await_used(), 60)
        self.assertEqual(ring.await_used(), 40)
        self.assertIsNone(ring.take())
        # What is in flight goes with a reset; the period does not.
        ring = self.set_up(is_packed=True)
        ring.add(BUFFER, 60)
        self.device.kick()
        self.assertIsNone(ring.take())
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()

    def test_rate_goes_on(self):
        self.start(description=rng(**{"max-bytes": 8, "period": 10}))
        ring = self.set_up()
        for _ in range(5):
            ring.add(BUFFER, 8)
        self.device.kick()
        for _ in range(5):
            self.assertEqual(ring.await_used(), 8)


class MistakesTest(RngTest):
    """What is a mistake."""

    def assertBrokenAndResets(self):
        self.assertBroken()
        self.assertWorks(self.set_up())

    def assertRefused(self, size, areas):
        """No queue has rings there."""
        self.device.reset()
        self.assertTrue(self.device.agree(bits(VERSION_1)))
        self.device.set_queue(size, *areas)
        self.assertEqual(self.device.get("queue_enable"), 0)
        self.assertTrue(self.device.is_broken())
        self.device.go()
        self.device.kick()


class MistakesWithFirmware(MistakesTest):
    """Memory that a guest can read and not write is none for rings, whoever writes them."""

    def check(self, image):
        self.start(image=f"{image}={payload('firmware')}")
        places = (GROUND, GROUND + PAGE, GROUND + 2 * PAGE)
        for i in range(3):
            for area in (0xffff0000, 0xfffff000, 0xf0000):
                with self.subTest(ring=i, area=hex(area)):
                    self.assertRefused(8, (*places[:i], area, *places[i + 1:]))
        self.assertBrokenAndResets()

    def test_rings_in_rom(self):
        self.check("--bios")

    def test_rings_in_flash(self):
        self.check("--pflash-code")


class Mistakes(MistakesTest):
    """A guest that breaks its device, and can reset it."""

    def setUp(self):
        self.start()

    def test_rings_that_cannot_be(self):
        places = (GROUND, GROUND + PAGE, GROUND + 2 * PAGE)
        sizes = [(size, places) for size in (0, 6, 128, 0x8000)]
        wrong = [NOTHING, STRUCTURES, 0xfee00000, 0xfffffffffffff000, (64 << 20) - 16, 0xa0000]
        misplaced = [(8, tuple(area if j == i else place for j, place in enumerate(places)))
                     for i in range(3) for area in wrong + [places[i] + 1]]
        for size, areas in sizes + misplaced:
            with self.subTest(size=size, areas=[hex(area) for area in areas]):
                self.assertRefused(size, areas)
        self.assertBrokenAndResets()

    def test_out_of_order(self):
        self.device.set_queue(8, GROUND, GROUND + PAGE, GROUND + 2 * PAGE)
        self.assertTrue(self.device.is_broken())
        self.device.reset()
        self.device.set("status", DRIVER_OK)
        self.assertEqual(self.device.get("status") & ~NEEDS_RESET, 0)
        self.assertTrue(self.device.is_broken())
        self.assertBrokenAndResets()

    def test_split_ring(self):
        mistakes = {
            "circle": lambda ring: ring.add(BUFFER, 8, WRITE | NEXT, 0),
            "next": lambda ring: ring.add(BUFFER, 8, WRITE | NEXT, 8),
            "wraps": lambda ring: ring.add((1 << 64) - 4, 8),
            "no RAM": lambda ring: ring.add(NOTHING, 8),
            "registers": lambda ring: ring.add(STRUCTURES, 8),
            "indirect": lambda ring: ring.add(BUFFER, 16, INDIRECT),
            "too many": lambda ring: ring.set_available(9),
            "backwards": lambda ring: ring.set_available(-1),
            "head": lambda ring: (self.guest.call("store", ring.driver + 4, 2, 8), ring.set_available(1)),
        }
        for name, make in mistakes.items():
            with self.subTest(name):
                ring = self.set_up()
                make(ring)
                self.device.kick()
                self.assertBroken()
                self.device.await_interrupt(CONFIG_INTERRUPT)
        self.assertBrokenAndResets()

    def test_packed_ring(self):
        mistakes = {
            "wraps": lambda ring: ring.add((1 << 64) - 4, 8),
            "no RAM": lambda ring: ring.add(NOTHING, 8),
            "indirect": lambda ring: ring.add(BUFFER, 16, INDIRECT),
            "never ends": lambda ring: [ring.add(BUFFER, 8, WRITE | NEXT) for _ in range(8)],
        }
        for name, make in mistakes.items():
            with self.subTest(name):
                ring = self.set_up(is_packed=True)
                make(ring)
                self.device.kick()
                self.assertBroken()
        self.assertBrokenAndResets()

    def test_table_in_nothing(self):
        for table in (NOTHING, (1 << 64) - 16, STRUCTURES):
            ring = self.set_up(INDIRECT_DESC)
            ring.add(table, 32, INDIRECT)
            self.device.kick()
            self.assertBroken()
        self.assertBrokenAndResets()

    @everywhere
    def test_ring_becomes_private(self):
        kinds.require_hypercall(MEMORY_KIND)
        for area in range(3):
            ring = self.set_up()
            self.assertWorks(ring)
            self.assertEqual(self.guest.map(ring.areas()[area], 1, PRIVATE), 0)
            self.device.kick()
            self.assertBroken()
        self.assertBrokenAndResets()

    @everywhere
    def test_ring_is_shared_by_the_guest(self):
        kinds.require_hypercall(MEMORY_KIND)
        self.assertEqual(self.guest.map(GROUND, 3, SHARED), 0)
        ring = self.set_up()
        self.assertWorks(ring)
        self.assertEqual(self.guest.map(GROUND, 3, SHARED), 0)
        self.device.reset()
        self.assertWorks(self.set_up())

    def test_queues_that_are_not_there(self):
        ring = self.set_up()
        for queue in (1, 2, 255, 1023):
            self.device.kick(queue)
        self.device.set("queue_select", 7)
        for name in ("queue_size", "queue_vector", "queue_enable", "queue_desc", "queue_reset"):
            self.device.set(name, 1)
        self.device.set("queue_select", 0)
        self.device.set("queue_reset", 1)
        self.assertEqual(self.device.get("queue_enable"), 1)
        self.assertWorks(ring)

    def test_accesses_of_any_size(self):
        self.device.agree(bits(VERSION_1))
        for offset in list(range(0, 64)) + [0x1000, 0x1001, 0x1ffe, 0x2000, 0x2ffc, 0x3000, 0x3ffc]:
            for size in (1, 2, 4, 8):
                self.guest.call("load", STRUCTURES + offset, size)
                self.guest.call("store", STRUCTURES + offset, size, 0xffffffffffffffff)
        self.device.reset()
        self.assertWorks(self.set_up())

    def test_in_flight(self):
        for is_packed in (False, True):
            for _ in range(8):
                ring = self.set_up(is_packed=is_packed)
                for _ in range(8):
                    ring.add(BUFFER, 4096)
                self.device.kick()
                self.device.reset()
        self.assertWorks(self.set_up())


class Linux(unittest.TestCase):
    """Debian's drivers, with a split and a packed ring."""

    where = HOSTS
    limit = 240

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def test_random_numbers(self):
        vmm = self.boot("--vcpus=2", "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                        root_port("pci.2", "0x2", chassis=2, port=16), rng(packed=False),
                        device("virtio-rng-pci", "rng1", bus="pci.2", addr="0x0"))
        self.assertEqual(self.run_in(vmm, "ls /sys/bus/virtio/devices"), "virtio0  virtio1")
        for index, packed in ((0, "0"), (1, "1")):
            with self.subTest(packed=packed):
                features = self.run_in(vmm, f"cat /sys/bus/virtio/devices/virtio{index}/features")
                self.assertEqual(features[RING_PACKED], packed)
                self.run_in(vmm, f"echo virtio_rng.{index} >/sys/class/misc/hw_random/rng_current")
                size = self.run_in(vmm, "dd if=/dev/hwrng bs=64 count=32 2>/dev/null | gzip | wc -c")
                self.assertGreater(int(size), 32 * 64)
                counts = self.run_in(vmm, f"grep virtio{index}-input /proc/interrupts").split()[1:3]
                self.assertGreater(sum(map(int, counts)), 20)
        # With a request under way, as the driver always has one: away, and there again.
        for _ in range(3):
            self.run_in(vmm, "rmmod virtio_rng && insmod /modules/virtio-rng.ko")
        self.run_in(vmm, "echo virtio_rng.1 >/sys/class/misc/hw_random/rng_current")
        self.assertEqual(self.run_in(vmm, "dd if=/dev/hwrng bs=64 count=4 2>/dev/null | wc -c"), "256")
        vmm.console.send("reboot -f\n")
        vmm.qmp.wait_event("RESET", 60)
        vmm.console.wait_for("Hello from Linux", 100)
        vmm.console.wait_for("/ # ", 60)
        self.assertEqual(self.run_in(vmm, "dd if=/dev/hwrng bs=64 count=4 2>/dev/null | wc -c"), "256")


if __name__ == "__main__":
    unittest.main()
