# SPDX-License-Identifier: LGPL-2.1-or-later
"""
SATA disks, by a driver that a test has in its hand, with real images behind them: what is read and
written, what a guest may do wrong, images that fail, pauses and resets in the middle.
"""

import hashlib
import os
import struct
import tempfile
import unittest

import test_boot
from support import ahci
from support.agent import Agent, GROUND, PAGE
from support.ahci import AhciController, AhciPort
from support.devices import device
from support.media import BOOT_SECTOR, CD_BLOCK, cd_that_boots
from support.qmp import QmpError
from support.virtio import X2APIC_REQUESTS, X2APIC_SPURIOUS
from support.vmm import CMDLINE, GUEST, MEMORY_KIND, Vmm, payload, refused
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere
from test_firmware import BIOS

MIB = 1 << 20
SECTOR = 512
DATA = GROUND + MIB
NOTHING = 0x80000000
INTERRUPT = 0x52

READY = 0x50
FAILED = READY | ahci.ERR


def controller():
    return device("ich9-ahci", "sata0", bus="pcie.0", addr="0x1f.0x2")


def disk(descriptor, port=0, blockdev=(), **members):
    return device("ide-hd", f"sata0-0-{port}", bus=f"sata0.{port}",
                  blockdev={"driver": "raw", "fd": str(descriptor), **dict(blockdev)}, **members)


def cdrom(descriptor=None, port=0, **members):
    if descriptor is not None:
        members["blockdev"] = {"driver": "raw", "fd": str(descriptor), "read-only": True}
    return device("ide-cd", f"sata0-0-{port}", bus=f"sata0.{port}", **members)


class SataTest(unittest.TestCase):
    """A guest with a disk at port 0."""

    where = NATIVE

    def make_image(self, size, content=b""):
        image = tempfile.NamedTemporaryFile(prefix="gmem-sata.")
        self.addCleanup(image.close)
        image.truncate(size)
        os.pwrite(image.fileno(), content, 0)
        return image

    def start(self, image, blockdev=(), **members):
        self.start_with(disk(image.fileno(), 0, blockdev, **members), images=[image])

    def start_with(self, *devices, images=()):
        self.guest = Agent("--memory=64M", controller(), *devices, pass_fds=[image.fileno() for image in images])
        self.addCleanup(self.guest.end)
        # From now on events are heard.
        self.guest.qmp.execute("query-status")
        self.set_up()

    def set_up(self):
        self.controller = AhciController(self.guest)
        self.port = AhciPort(self.controller, 0)
        self.port.start()

    def read(self, lba, count, pieces=None):
        return self.port.run(ahci.READ_DMA, lba, count, pieces or [(DATA, count * SECTOR)])

    def write(self, lba, count, pieces=None):
        return self.port.run(ahci.WRITE_DMA, lba, count, pieces or [(DATA, count * SECTOR)], flags=ahci.WRITES)

    def state(self):
        return self.guest.qmp.execute("query-status")["status"]

    def content(self, address, size):
        return b"".join(self.guest.call("load", address + i, 8).to_bytes(8, "little", signed=True)
                        for i in range(0, size, 8))

    def words(self, address=DATA):
        return struct.unpack("<256H", self.content(address, 512))


class Works(SataTest):
    """What is found, read and written."""

    def test_what_is_found(self):
        self.start(self.make_image(4 * MIB), serial="abc", wwn=0x5000c50015ea71ac)
        self.assertEqual(self.controller.read_config(8, 4), 0x01060102)
        self.assertEqual(self.controller.get(ahci.VS), 0x10301)
        self.assertEqual(self.controller.get(ahci.PI), 0x3f)
        self.assertEqual(self.controller.get(ahci.CAP) & 0xc0001f1f, 0xc0001f05)
        self.assertEqual(self.port.get(ahci.SIG), ahci.DISK)
        self.assertEqual(self.port.get(ahci.SSTS) & 0xf, 3)
        self.assertEqual(AhciPort(self.controller, 1).get(ahci.SSTS), 0)
        self.assertEqual(self.port.run(ahci.IDENTIFY, pieces=[(DATA, 512)]), (READY, 0))
        self.assertEqual(self.port.transferred(), 512)
        words = self.words()
        self.assertEqual(words[60] | words[61] << 16, 8192)
        self.assertEqual(words[10:12], (0x6162, 0x6320))
        self.assertEqual(words[108:112], (0x5000, 0xc500, 0x15ea, 0x71ac))
        self.assertEqual(sum(self.content(DATA, 512)) & 0xff, 0)

    @everywhere
    def test_copy(self):
        """What the guest has read from one half it writes to the other, in pieces of all sizes."""
        content = os.urandom(2 * MIB)
        image = self.make_image(4 * MIB, content)
        self.start(image)
        for lba, count, cuts in ((0, 1, ()), (1, 7, (2, 100)), (8, 2048 - 8, (4096, 65536)), (2048, 2048, (512 << 10,))):
            pieces, at, left = [], DATA + lba * SECTOR, count * SECTOR
            for cut in cuts:
                pieces.append((at, cut))
                at, left = at + cut, left - cut
            pieces.append((at, left))
            self.assertEqual(self.read(lba, count, pieces), (READY, 0))
            self.assertEqual(self.port.transferred(), count * SECTOR)
        for lba, count in ((0, 4095), (4095, 1)):
            self.assertEqual(self.write(4096 + lba, count, [(DATA + lba * SECTOR, count * SECTOR)]), (READY, 0))
        self.assertEqual(self.port.run(ahci.FLUSH), (READY, 0))
        with open(image.name, "rb") as again:
            self.assertEqual(again.read(), content * 2)

    def test_pieces_without_number(self):
        """A list of pieces that is longer than what is read of it at first."""
        content = os.urandom(32 * SECTOR)
        self.start(self.make_image(MIB, content))
        count = 50
        pieces = [(DATA + i * PAGE, 256) for i in range(count)] + [(DATA + count * PAGE, 32 * SECTOR - count * 256)]
        self.assertEqual(self.read(0, 32, pieces), (READY, 0))
        for i in range(count):
            self.assertEqual(self.content(DATA + i * PAGE, 16), content[i * 256:i * 256 + 16])

    def test_pio(self):
        content = os.urandom(4096)
        self.start(self.make_image(MIB, content))
        self.assertEqual(self.port.run(ahci.READ_SECTORS, 0, 8, [(DATA, 4096)]), (READY, 0))
        for at in (0, 4096 - 64):
            self.assertEqual(self.content(DATA + at, 64), content[at:at + 64])
        self.assertTrue(self.port.get(ahci.PXIS) & ahci.PSS)
        # The status at the end, in the FIS that announced the data.
        self.assertEqual(self.content(self.port.received + 0x20, 16)[15], READY)

    def test_queued(self):
        content = os.urandom(32 * PAGE)
        image = self.make_image(4 * MIB, content)
        self.start(image)
        for slot in range(32):
            self.port.put_queued(slot, ahci.READ_QUEUED, slot * 8, 8, [(DATA + slot * PAGE, PAGE)])
        self.port.set(ahci.SACT, 0xffffffff)
        self.port.set(ahci.CI, 0xffffffff)
        self.port.await_bits(ahci.SACT, 0xffffffff, 0)
        self.assertEqual(self.port.get(ahci.CI), 0)
        self.assertTrue(self.port.get(ahci.PXIS) & ahci.SDBS)
        for slot in range(32):
            self.assertEqual(self.content(DATA + slot * PAGE, 16), content[slot * PAGE:slot * PAGE + 16])
        for slot in range(32):
            self.port.put_queued(slot, ahci.WRITE_QUEUED, 2048 + slot * 8, 8, [(DATA + slot * PAGE, PAGE)], 0xc0)
        self.port.set(ahci.SACT, 0xffffffff)
        self.port.set(ahci.CI, 0xffffffff)
        self.port.await_bits(ahci.SACT, 0xffffffff, 0)
        self.assertEqual(os.pread(image.fileno(), 32 * PAGE, MIB), content)

    def test_trim(self):
        image = self.make_image(MIB, os.urandom(MIB))
        self.start(image, {"discard": "unmap"})
        self.assertEqual(self.port.run(ahci.IDENTIFY, pieces=[(DATA, 512)]), (READY, 0))
        self.assertEqual(self.words()[169], 1)
        self.guest.call("fill", DATA, 512, 0)
        self.guest.call("store", DATA, 8, 8 | 16 << 48)
        self.guest.call("store", DATA + 8, 8, 1024 | 8 << 48)
        self.assertEqual(self.port.run(ahci.DSM, 0, 1, [(DATA, 512)], 1, flags=ahci.WRITES), (READY, 0))
        self.assertEqual(os.pread(image.fileno(), 16 * SECTOR, 8 * SECTOR), bytes(16 * SECTOR))
        self.assertEqual(os.pread(image.fileno(), 8 * SECTOR, 1024 * SECTOR), bytes(8 * SECTOR))
        self.assertNotEqual(os.pread(image.fileno(), 8 * SECTOR, 0), bytes(8 * SECTOR))

    def test_two_disks_and_an_io_thread(self):
        images = [self.make_image(MIB, bytes([i]) * SECTOR) for i in range(2)]
        self.start_with(device("iothread", "iothread1"), disk(images[0].fileno()),
                        disk(images[1].fileno(), 5, iothread="iothread1"), images=images)
        self.assertEqual(self.read(0, 1), (READY, 0))
        other = AhciPort(self.controller, 5, GROUND + 16 * PAGE)
        other.start()
        self.assertEqual(other.run(ahci.READ_DMA, 0, 1, [(DATA + PAGE, SECTOR)]), (READY, 0))
        self.assertEqual(self.guest.call("check", DATA, SECTOR, 0), 0)
        self.assertEqual(self.guest.call("check", DATA + PAGE, SECTOR, 1), 0)
        disks = {disk["qdev"]: disk["stats"]["rd_bytes"] for disk in self.guest.qmp.execute("query-blockstats")}
        self.assertEqual(disks, {"sata0-0-0": SECTOR, "sata0-0-5": SECTOR})

    def read_often(self, port, count=20, size=64 << 10):
        """Reads into the same memory again and again. Return: by which ways that went, in bytes."""
        before = self.guest.qmp.moved()
        for _ in range(count):
            self.assertEqual(port.run(ahci.READ_DMA, 0, size // SECTOR, [(DATA, size)]), (READY, 0))
        after = self.guest.qmp.moved()
        return {way: after[way] - before[way] for way in after if after[way] > before[way]}

    @unittest.skipUnless(MEMORY_KIND == "windows", "another kind of memory has one way")
    def test_two_disks_by_two_ways_on_an_io_thread(self):
        images = [self.make_image(MIB, bytes([i]) * SECTOR) for i in range(2)]
        self.start_with(device("iothread", "iothread1"), disk(images[0].fileno(), iothread="iothread1"),
                        disk(images[1].fileno(), 5, iothread="iothread1", dma="window"), images=images)
        other = AhciPort(self.controller, 5, GROUND + 16 * PAGE)
        other.start()
        self.assertEqual(self.read_often(other).keys(), {"window"})
        self.assertEqual(self.guest.qmp.registered(), 0)
        self.assertEqual(self.guest.call("check", DATA, SECTOR, 1), 0)
        moved = self.read_often(self.port)
        self.assertGreater(moved["registered"], 10 * (64 << 10))
        self.assertEqual(self.guest.call("check", DATA, SECTOR, 0), 0)
        # That the memory is known by now makes no difference to the other one.
        registered = self.guest.qmp.registered()
        self.assertGreater(registered, 0)
        moved = self.read_often(other)
        self.assertEqual(moved.keys(), {"window"})
        self.assertGreaterEqual(moved["window"], 20 * (64 << 10))
        self.assertEqual(self.guest.qmp.registered(), registered)

    def put_read(self, slot, lba):
        self.port.put(slot, ahci.READ_DMA, lba, 128, [(DATA + slot * 65536, 65536)])

    def test_limits(self):
        """How much goes in a second. With this the first read is done at once, and the next one tomorrow."""
        self.start(self.make_image(4 * MIB), throttling={"bps-read": 1})
        self.assertEqual(self.read(0, 128), (READY, 0))
        self.put_read(0, 128)
        self.port.set(ahci.CI, 1)
        # A pause does not wait for it, nor does a stop of the port, which drops it.
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("cont")
        self.assertEqual(self.port.get(ahci.CI), 1)
        self.port.restart()
        self.assertEqual(self.write(0, 128), (READY, 0))
        self.assertEqual(self.port.run(ahci.FLUSH), (READY, 0))
        self.put_read(0, 128)
        self.port.set(ahci.CI, 1)
        self.assertEqual(self.port.get(ahci.CI), 1)
        self.guest.qmp.execute("block_set_io_throttle", id="sata0-0-0")
        self.port.await_end()
        self.assertEqual(self.port.result(), (READY, 0))
        statistics, = self.guest.qmp.execute("query-blockstats")
        self.assertEqual(statistics["stats"]["rd_operations"], 2)

    def test_limits_that_cannot_be(self):
        image = self.make_image(MIB)
        words = refused(controller(), disk(image.fileno(), throttling={"bps-read": 1, "bps-total": 1}),
                        f"--payload={payload('agent')}", pass_fds=[image.fileno()])
        self.assertIn("device 'sata0-0-0': member 'throttling'", words)

    def test_size(self):
        """The guest finds it when it looks again."""
        image = self.make_image(MIB)
        self.start_with(disk(image.fileno()), cdrom(port=1), images=[image])
        self.assertEqual(self.read(MIB // SECTOR, 1), (FAILED, 0x10))
        self.port.restart()
        with self.assertRaisesRegex(QmpError, f"an image of {MIB} bytes"):
            self.guest.qmp.execute("block_resize", device="sata0-0-0", size=2 * MIB)
        image.truncate(2 * MIB)
        self.guest.qmp.execute("block_resize", device="sata0-0-0", size=2 * MIB)
        self.assertEqual(self.port.run(ahci.IDENTIFY, pieces=[(DATA, 512)]), (READY, 0))
        words = self.words()
        self.assertEqual(words[100] | words[101] << 16, 2 * MIB // SECTOR)
        self.assertEqual(self.read(2 * MIB // SECTOR - 1, 1), (READY, 0))
        with self.assertRaisesRegex(QmpError, "there is no disk"):
            self.guest.qmp.execute("block_resize", device="sata0-0-1", size=2 * MIB)

    def test_message(self):
        self.start(self.make_image(MIB))
        self.guest.call("wrmsr", X2APIC_SPURIOUS, 0x1ff)
        at = self.controller.find_capability(ahci.MSI_CAPABILITY)
        self.controller.write_config(at + 4, 4, 0xfee00000)
        self.controller.write_config(at + 12, 2, INTERRUPT)
        self.controller.write_config(at + 2, 2, 1)
        self.port.set(ahci.PXIE, ahci.DHRS)
        self.controller.set(ahci.GHC, ahci.AHCI_ENABLE | ahci.INTERRUPT_ENABLE)
        self.assertEqual(self.read(0, 1), (READY, 0))

        def has_interrupt():
            return self.guest.call("rdmsr", X2APIC_REQUESTS + INTERRUPT // 32) >> INTERRUPT % 32 & 1

        wait_until(has_interrupt, 30, "a message")
        self.assertEqual(self.controller.get(ahci.IS), 1)
        self.port.set(ahci.PXIS, ahci.DHRS)
        self.assertEqual(self.controller.get(ahci.IS), 0)

    def test_interrupt_line(self):
        self.start(self.make_image(MIB))
        self.port.set(ahci.PXIE, ahci.DHRS)
        self.controller.set(ahci.GHC, ahci.AHCI_ENABLE | ahci.INTERRUPT_ENABLE)
        self.assertEqual(self.read(0, 1), (READY, 0))
        wait_until(lambda: self.controller.read_config(6, 2) & 8, 30, "INTx")
        self.port.set(ahci.PXIS, ahci.DHRS)
        self.assertFalse(self.controller.read_config(6, 2) & 8)

    @everywhere
    def test_pause_and_reset(self):
        content = os.urandom(8 * 65536)
        self.start(self.make_image(4 * MIB, content))
        for slot in range(8):
            self.port.put_queued(slot, ahci.READ_QUEUED, slot * 128, 128, [(DATA + slot * 65536, 65536)])
        self.port.set(ahci.SACT, 0xff)
        self.port.set(ahci.CI, 0xff)
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("cont")
        self.port.await_bits(ahci.SACT, 0xff, 0)
        self.assertEqual(self.content(DATA + 7 * 65536, 64), content[7 * 65536:7 * 65536 + 64])
        self.port.set(ahci.SACT, 0xff)
        self.port.set(ahci.CI, 0xff)
        self.controller.set(ahci.GHC, ahci.CONTROLLER_RESET)
        self.assertEqual(self.controller.get(ahci.GHC), ahci.AHCI_ENABLE)
        self.assertEqual(self.port.get(ahci.SACT), 0)
        self.port.start()
        self.assertEqual(self.read(0, 8), (READY, 0))
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.set_up()
        self.assertEqual(self.read(0, 8), (READY, 0))

    def test_link_reset(self):
        self.start(self.make_image(MIB))
        self.port.stop()
        self.port.set(ahci.SCTL, 1)
        self.assertEqual(self.port.get(ahci.SSTS), 0)
        self.port.set(ahci.SCTL, 0)
        self.assertEqual(self.port.get(ahci.SSTS) & 0xf, 3)
        self.port.start()
        self.assertEqual(self.port.get(ahci.SIG), ahci.DISK)
        self.assertEqual(self.read(0, 1), (READY, 0))

    def test_software_reset(self):
        self.start(self.make_image(MIB))
        for control in (4, 0):
            self.port.put(0, 0, control=control)
            self.port.set(ahci.CI, 1)
            self.port.await_bits(ahci.CI, 1, 0)
        self.port.await_bits(ahci.TFD, ahci.BUSY, 0)
        self.assertEqual(self.port.get(ahci.SIG), ahci.DISK)
        self.assertEqual(self.read(0, 1), (READY, 0))

    def test_no_bus_master(self):
        self.start(self.make_image(MIB, b"x" * SECTOR))
        self.controller.write_config(ahci.COMMAND, 2, 2)
        self.port.put(0, ahci.READ_DMA, 0, 1, [(DATA, SECTOR)])
        self.port.set(ahci.CI, 1)
        self.guest.qmp.execute("query-status")
        self.assertEqual(self.port.get(ahci.CI), 1)
        self.controller.write_config(ahci.COMMAND, 2, ahci.MEMORY_AND_MASTER)
        self.assertEqual(self.port.await_end(), (READY, 0))
        self.assertEqual(self.guest.call("check", DATA, SECTOR, ord("x")), 0)


class Fails(SataTest):
    """What the image does not do, or the guest asks for in vain."""

    def test_what_a_disk_does_not_do(self):
        self.start(self.make_image(MIB))
        for command, lba, count, error in (
                (0xf1, 0, 0, ahci.ABRT), (ahci.READ_DMA, 2048, 1, ahci.IDNF), (ahci.READ_DMA, 2047, 2, ahci.IDNF),
                (ahci.READ_DMA, (1 << 48) - 1, 0, ahci.IDNF), (ahci.WRITE_DMA, 1 << 40, 1, ahci.IDNF),
                (ahci.DSM, 0, 1, ahci.ABRT), (ahci.IDENTIFY_PACKET, 0, 0, ahci.ABRT)):
            self.assertEqual(self.port.run(command, lba, count, [(DATA, SECTOR)]), (FAILED, error), hex(command))
            self.assertTrue(self.port.get(ahci.PXIS) & ahci.TFES)
            self.assertEqual(self.port.get(ahci.CI), 1)
            self.port.restart()
        self.assertEqual(self.read(0, 1), (READY, 0))

    @everywhere
    def test_memory_that_is_none(self):
        self.start(self.make_image(MIB))
        for pieces in ([(NOTHING, SECTOR)], [(ahci.REGISTERS, SECTOR)], [((1 << 64) - 256, SECTOR)],
                       [(DATA, 256), (NOTHING, 256)]):
            for command, flags in ((ahci.READ_DMA, 0), (ahci.WRITE_DMA, ahci.WRITES)):
                self.port.put(0, command, 0, 1, pieces, flags=flags)
                self.port.set(ahci.CI, 1)
                self.port.await_bits(ahci.PXIS, ahci.HBFS, ahci.HBFS)
                self.port.restart()
        for list_address, table in ((NOTHING, None), (None, NOTHING), (None, (1 << 64) - 128)):
            self.port.put(0, ahci.READ_DMA, 0, 1, [(DATA, SECTOR)])
            if table:
                self.guest.call("store", self.port.list + 8, 8, table)
            if list_address:
                self.port.stop()
                self.port.set(ahci.CLB, list_address)
                self.port.set(ahci.CMD, ahci.FRE | ahci.ST)
            self.port.set(ahci.CI, 1)
            self.port.await_bits(ahci.PXIS, ahci.HBFS, ahci.HBFS)
            self.port.stop()
            self.port.start()
        # FISes that go nowhere.
        self.port.stop()
        self.port.set(ahci.FB, NOTHING)
        self.port.set(ahci.CMD, ahci.FRE | ahci.ST)
        self.port.put(0, ahci.READ_DMA, 0, 1, [(DATA, SECTOR)])
        self.port.set(ahci.CI, 1)
        self.port.await_bits(ahci.PXIS, ahci.HBFS, ahci.HBFS)
        self.port.stop()
        self.port.start()
        self.assertEqual(self.read(0, 1), (READY, 0))
        self.assertEqual(self.state(), "running")

    def test_too_little_memory(self):
        self.start(self.make_image(MIB))
        for command, flags in ((ahci.READ_DMA, 0), (ahci.WRITE_DMA, ahci.WRITES)):
            self.assertEqual(self.port.run(command, 0, 2, [(DATA, SECTOR)], flags=flags)[1], ahci.ABRT)
            self.assertTrue(self.port.get(ahci.PXIS) & ahci.OFS)
            self.port.restart()
        self.assertEqual(self.port.run(ahci.IDENTIFY, pieces=[(DATA, 100)]), (READY, 0))
        self.assertEqual(self.port.transferred(), 100)

    def test_queued_error(self):
        image = self.make_image(MIB)
        self.start(image)
        self.port.put_queued(3, ahci.READ_QUEUED, 1 << 40, 8, [(DATA, PAGE)])
        self.port.set(ahci.SACT, 8)
        self.port.set(ahci.CI, 8)
        self.port.await_bits(ahci.PXIS, ahci.TFES, ahci.TFES)
        self.assertEqual(self.port.result(), (FAILED, ahci.IDNF))
        self.assertEqual(self.port.get(ahci.SACT), 8)
        self.port.restart()
        self.assertEqual(self.port.run(ahci.READ_LOG, 0x10, 1, [(DATA, 512)]), (READY, 0))
        log = self.content(DATA, 512)
        self.assertEqual((log[0], log[2], log[3], log[9]), (3, FAILED, ahci.IDNF, 0))
        self.assertEqual(log[10], 1)
        self.assertEqual(sum(log) & 0xff, 0)

    def test_short_image(self):
        image = self.make_image(MIB)
        self.start(image, rerror="report")
        image.truncate(65536)
        self.assertEqual(self.read(0, 128), (READY, 0))
        self.assertEqual(self.read(128, 1), (FAILED, ahci.UNC))
        event = self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]
        self.assertEqual((event["device"], event["operation"], event["action"], event["nospace"]),
                         ("sata0-0-0", "read", "report", False))
        self.assertEqual(self.state(), "running")

    def test_stop(self):
        """The machine waits until somebody has mended the image; nothing is lost."""
        image = self.make_image(MIB)
        self.start(image, rerror="stop")
        image.truncate(65536)
        for slot in range(4):
            self.port.put_queued(slot, ahci.READ_QUEUED, 256 + slot, 1, [(DATA + slot * SECTOR, SECTOR)])
        self.port.set(ahci.SACT, 0xf)
        self.port.begin(0xf)
        self.assertEqual(self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]["action"], "stop")
        self.guest.qmp.wait_event("STOP")
        self.assertEqual(self.state(), "io-error")
        # It was not mended: the same again.
        self.guest.qmp.execute("cont")
        self.guest.qmp.wait_event("BLOCK_IO_ERROR")
        self.guest.qmp.wait_event("STOP")
        image.truncate(MIB)
        os.pwrite(image.fileno(), b"x" * 4 * SECTOR, 256 * SECTOR)
        self.guest.qmp.execute("cont")
        self.guest.answer()
        self.port.await_bits(ahci.SACT, 0xf, 0)
        self.assertEqual(self.guest.call("check", DATA, 4 * SECTOR, ord("x")), 0)

    def test_reset_while_stopped(self):
        image = self.make_image(MIB)
        self.start(image, rerror="stop")
        image.truncate(0)
        self.port.put(0, ahci.READ_DMA, 0, 1, [(DATA, SECTOR)])
        self.port.begin(1)
        self.guest.qmp.wait_event("STOP")
        image.truncate(MIB)
        self.guest.qmp.execute("system_reset")
        self.guest.qmp.execute("cont")
        self.guest.wait_ready()
        self.set_up()
        self.assertEqual(self.read(0, 1), (READY, 0))


class Firmware(SataTest):
    """A BIOS that looks for something to start."""

    def boot(self, *devices, images=()):
        vmm = Vmm(f"--bios={BIOS}", "--memory=64M", controller(), *devices,
                  pass_fds=[image.fileno() for image in images])
        self.addCleanup(vmm.end)
        return vmm

    def test_starts_a_disk(self):
        images = [self.make_image(MIB), self.make_image(MIB, BOOT_SECTOR)]
        vmm = self.boot(disk(images[0].fileno(), bootindex=2), disk(images[1].fileno(), 4, bootindex=1), images=images)
        vmm.console.wait_for("BOOTED", 60)


    def test_starts_a_cdrom(self):
        images = [self.make_image(MIB, BOOT_SECTOR.replace(b"BOOTED", b"FAILED")),
                  self.make_image(MIB, cd_that_boots(BOOT_SECTOR))]
        vmm = self.boot(disk(images[0].fileno()), cdrom(images[1].fileno(), 1, bootindex=1), images=images)
        vmm.console.wait_for("BOOTED", 60)


# Packets.
TEST_UNIT_READY, REQUEST_SENSE, INQUIRY, START_STOP, PREVENT = 0x00, 0x03, 0x12, 0x1b, 0x1e
READ_CAPACITY, READ_10, READ_TOC, GET_CONFIGURATION, GET_EVENT, MODE_SENSE, READ_12 = (
    0x25, 0x28, 0x43, 0x46, 0x4a, 0x5a, 0xa8)

EJECT, LOAD = 2, 3
NO_MEDIUM, TRAY_OPEN, CHANGED = (2, 0x3a, 1), (2, 0x3a, 2), (6, 0x28, 0)
INVALID_COMMAND, OUT_OF_RANGE, INVALID_FIELD, LOCKED = (5, 0x20, 0), (5, 0x21, 0), (5, 0x24, 0), (5, 0x53, 2)


class CdromTest(SataTest):
    """A guest with a CD-ROM drive at port 0."""

    def insert(self, content, **members):
        image = self.make_image(len(content), content)
        self.start_with(cdrom(image.fileno(), **members), images=[image])
        return image

    def packet(self, *content, size=0, pieces=None):
        """Has a packet done; what it has given, the last 256 bytes of it, or the sense data."""
        pieces = pieces or ([(DATA, size)] if size else [])
        status, _ = self.port.run(ahci.PACKET_COMMAND, pieces=pieces, feature=1, flags=ahci.IS_PACKET,
                                  packet=bytes(content))
        if not status & ahci.ERR:
            # Each load takes a while: of a lot, the end.
            size = self.port.transferred()
            skipped = max(size - 256, 0)
            return self.content(DATA + skipped, size - skipped + 7 & ~7)[:size - skipped]
        self.port.restart()
        self.port.run(ahci.PACKET_COMMAND, pieces=[(DATA, 18)], feature=1, flags=ahci.IS_PACKET,
                      packet=bytes((REQUEST_SENSE, 0, 0, 0, 18)))
        sense = self.content(DATA, 24)
        return sense[2], sense[12], sense[13]

    def read_blocks(self, block, count, **members):
        return self.packet(READ_10, 0, *block.to_bytes(4, "big"), 0, *count.to_bytes(2, "big"),
                           size=count * CD_BLOCK, **members)

    def assertRead(self, block, count, content):
        self.assertEqual(self.read_blocks(block, count), content[:(block + count) * CD_BLOCK][-256:])
        at = block * CD_BLOCK
        self.assertEqual(self.content(DATA, 64), content[at:at + 64])

    def event(self):
        return tuple(self.packet(GET_EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8, size=8)[4:6])

    def change(self, content=None, **members):
        if content is not None:
            image = self.make_image(len(content), content)
            self.guest.qmp.execute("getfd", descriptors=[image.fileno()], fdname="medium")
            members["blockdev"] = {"driver": "raw", "fd": "medium", "read-only": True}
        self.guest.qmp.execute("blockdev-change-medium", id="sata0-0-0", **members)

    def tray(self):
        """Whether the tray is open, whether it is locked, and whether a medium is in it, as the monitor says."""
        drive, = self.guest.qmp.execute("query-block")
        self.assertEqual((drive["qdev"], drive["removable"]), ("sata0-0-0", True))
        return drive["tray_open"], drive["locked"], "inserted" in drive

    def await_tray(self, is_open):
        data = self.guest.qmp.wait_event("DEVICE_TRAY_MOVED")["data"]
        self.assertEqual((data["id"], data["tray-open"]), ("sata0-0-0", is_open))


class Cdrom(CdromTest):
    """What a drive finds on its medium, and what it says without one."""

    def test_what_is_on_it(self):
        content = os.urandom(64 * CD_BLOCK)
        self.insert(content)
        self.assertEqual(self.port.get(ahci.SIG), ahci.PACKET)
        self.assertEqual(self.packet(TEST_UNIT_READY), b"")
        self.assertEqual(self.packet(READ_CAPACITY, size=8), struct.pack(">II", 63, CD_BLOCK))
        self.assertRead(3, 2, content)
        self.assertEqual(self.packet(READ_12, 0, 0, 0, 0, 63, 0, 0, 0, 1, size=CD_BLOCK), content[-256:])
        self.assertEqual(self.packet(READ_TOC, 0, 0, 0, 0, 0, 1, 0, 20, size=20),
                         bytes((0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 64)))
        # No more than the guest wants, or has room for.
        self.assertEqual(len(self.packet(INQUIRY, 0, 0, 0, 5, size=36)), 5)
        self.assertEqual(len(self.packet(INQUIRY, 0, 0, 0, 36, size=10)), 10)
        self.assertEqual(self.read_blocks(64, 0), b"")
        for wrong, sense in (((READ_10, 0, 0, 0, 0, 64, 0, 0, 1), OUT_OF_RANGE),
                             ((READ_12, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), OUT_OF_RANGE),
                             ((READ_TOC, 0, 5, 0, 0, 0, 0, 0, 20), INVALID_FIELD),
                             ((INQUIRY, 1, 0x80, 0, 36), INVALID_FIELD), ((0xff,), INVALID_COMMAND),
                             ((MODE_SENSE, 0, 0x0d, 0, 0, 0, 0, 0, 64), INVALID_FIELD),
                             ((READ_10, 0, 0, 0, 0, 0, 0, 0, 2), INVALID_FIELD)):
            self.assertEqual(self.packet(*wrong, size=CD_BLOCK), sense, wrong)

    def test_drive(self):
        self.insert(bytes(16 * CD_BLOCK))
        self.assertEqual(self.port.run(ahci.IDENTIFY_PACKET, pieces=[(DATA, 512)]), (READY, 0))
        self.assertEqual(self.words()[0], 0x85c0)
        self.assertEqual(self.port.run(ahci.IDENTIFY, pieces=[(DATA, 512)]), (FAILED, ahci.ABRT))
        self.port.restart()
        self.assertEqual(self.packet(INQUIRY, 0, 0, 0, 36, size=36)[:2], b"\x05\x80")
        features = self.packet(GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 1, 0, size=256)
        self.assertEqual(int.from_bytes(features[:4], "big"), len(features) - 4)
        self.assertEqual(features[7], 8)
        pages = self.packet(MODE_SENSE, 0, 0x3f, 0, 0, 0, 0, 1, 0, size=256)
        self.assertEqual(int.from_bytes(pages[:2], "big"), len(pages) - 2)

    def test_memory_that_is_none(self):
        self.insert(bytes(16 * CD_BLOCK))
        for packet in ((READ_10, 0, 0, 0, 0, 0, 0, 0, 1), (INQUIRY, 0, 0, 0, 36)):
            self.port.put(0, ahci.PACKET_COMMAND, pieces=[(NOTHING, CD_BLOCK)], feature=1, flags=ahci.IS_PACKET,
                          packet=bytes(packet))
            self.port.set(ahci.CI, 1)
            self.port.await_bits(ahci.PXIS, ahci.HBFS, ahci.HBFS)
            self.port.restart()
        self.assertEqual(self.packet(TEST_UNIT_READY), b"")

    def test_read_error(self):
        image = self.insert(bytes(16 * CD_BLOCK), rerror="report")
        image.truncate(CD_BLOCK)
        self.assertEqual(self.read_blocks(8, 1), (3, 0x11, 0))
        self.guest.qmp.wait_event("BLOCK_IO_ERROR")


class Tray(CdromTest):
    """A tray that the guest opens and locks, and media that are changed."""

    def test_guest_opens_and_closes(self):
        self.insert(bytes(16 * CD_BLOCK))
        self.assertEqual(self.packet(START_STOP, 0, 0, 0, EJECT), b"")
        self.await_tray(True)
        self.assertEqual(self.tray(), (True, False, True))
        self.assertEqual(self.event(), (3, 1))
        self.assertEqual(self.packet(TEST_UNIT_READY), TRAY_OPEN)
        self.assertEqual(self.packet(START_STOP, 0, 0, 0, LOAD), b"")
        self.await_tray(False)
        self.assertEqual(self.event(), (2, 2))
        self.assertEqual(self.packet(TEST_UNIT_READY), CHANGED)
        self.assertEqual(self.packet(TEST_UNIT_READY), b"")

    def test_guest_locks(self):
        self.insert(bytes(16 * CD_BLOCK))
        self.assertEqual(self.packet(PREVENT, 0, 0, 0, 1), b"")
        self.assertEqual(self.packet(START_STOP, 0, 0, 0, EJECT), LOCKED)
        with self.assertRaisesRegex(QmpError, "locked the tray"):
            self.change()
        # It is asked.
        self.assertEqual(self.event(), (1, 2))
        self.assertEqual(self.event(), (0, 2))
        self.assertEqual(self.tray(), (False, True, True))
        self.change(force=True)
        self.await_tray(True)
        self.assertEqual(self.tray(), (True, True, False))
        self.assertEqual(self.packet(TEST_UNIT_READY), TRAY_OPEN)

    def test_media_change(self):
        first, second = os.urandom(16 * CD_BLOCK), os.urandom(32 * CD_BLOCK)
        self.insert(first)
        self.assertRead(0, 1, first)
        self.change(second)
        self.await_tray(True)
        self.await_tray(False)
        self.assertEqual(self.event(), (2, 2))
        self.assertEqual(self.packet(TEST_UNIT_READY), CHANGED)
        self.assertEqual(self.packet(READ_CAPACITY, size=8), struct.pack(">II", 31, CD_BLOCK))
        self.assertRead(31, 1, second)
        self.change()
        self.await_tray(True)
        self.assertEqual(self.packet(TEST_UNIT_READY), TRAY_OPEN)
        self.assertEqual(self.packet(START_STOP, 0, 0, 0, LOAD), b"")
        self.await_tray(False)
        self.assertEqual(self.packet(TEST_UNIT_READY), NO_MEDIUM)
        self.change(first)
        self.assertEqual(self.packet(TEST_UNIT_READY), CHANGED)
        self.assertRead(0, 16, first)

    def test_empty_from_the_start(self):
        self.start_with(cdrom())
        self.assertEqual(self.tray(), (False, False, False))
        self.assertEqual(self.packet(TEST_UNIT_READY), NO_MEDIUM)
        self.assertEqual(self.read_blocks(0, 1), NO_MEDIUM)
        self.change(b"x" * CD_BLOCK)
        self.assertEqual(self.packet(TEST_UNIT_READY), CHANGED)
        self.assertRead(0, 1, b"x" * CD_BLOCK)
        stats = self.guest.qmp.execute("query-blockstats")[0]["stats"]
        self.assertEqual((stats["rd_operations"], stats["rd_bytes"]), (1, CD_BLOCK))

    def test_change_while_stopped(self):
        """What the machine has stopped with fails when its medium goes."""
        image = self.insert(bytes(16 * CD_BLOCK), rerror="stop")
        image.truncate(0)
        self.port.put(0, ahci.PACKET_COMMAND, pieces=[(DATA, CD_BLOCK)], feature=1, flags=ahci.IS_PACKET,
                      packet=bytes((READ_10, 0, 0, 0, 0, 0, 0, 0, 1)))
        self.port.begin(1)
        self.guest.qmp.wait_event("STOP")
        self.change(b"y" * CD_BLOCK)
        self.guest.qmp.execute("cont")
        self.guest.answer()
        self.assertTrue(self.port.await_end()[0] & ahci.ERR)
        self.port.restart()
        self.assertEqual(self.packet(TEST_UNIT_READY), CHANGED)
        self.assertRead(0, 1, b"y" * CD_BLOCK)

    def test_what_cannot_be_changed(self):
        image = self.make_image(MIB)
        self.start(image)
        for name, blockdev, said in (("sata0-0-0", None, "no CD-ROM drive"), ("none", None, "no CD-ROM drive"),
                                     ("sata0", None, "no CD-ROM drive")):
            with self.assertRaisesRegex(QmpError, said):
                self.guest.qmp.execute("blockdev-change-medium", id=name)


class Linux(unittest.TestCase):
    """Debian's own drivers: a disk's content agrees, a CD-ROM is read and changed."""

    where = HOSTS
    limit = 300

    run_in = test_boot.Linux.run_in

    def test_disk_and_cdrom(self):
        content, medium = os.urandom(8 * MIB), os.urandom(256 * CD_BLOCK)
        images = [tempfile.NamedTemporaryFile(prefix="gmem-sata.") for _ in range(3)]
        for image, data in zip(images, (content, medium, medium[::-1])):
            self.addCleanup(image.close)
            os.pwrite(image.fileno(), data, 0)
        images[0].truncate(32 * MIB)
        vmm = Vmm(f"--kernel={GUEST}/sata/vmlinuz", f"--initrd={GUEST}/sata/initrd", f"--append={CMDLINE}", "--vcpus=2",
                  "--memory=512M", controller(), disk(images[0].fileno(), 0, {"discard": "unmap"}, serial="serial1"),
                  cdrom(images[1].fileno(), 1), pass_fds=[image.fileno() for image in images])
        self.addCleanup(vmm.end)
        vmm.console.wait_for("Hello from Linux", 150)
        vmm.console.wait_for("/ # ", 60)
        # Drives are found while the shell begins. Lines fit the guest's terminal.
        for drive in ("sda", "sr0"):
            self.run_in(vmm, f"until [ -e /dev/{drive} ]; do sleep 0.1; done")
        self.assertEqual(self.run_in(vmm, "cat /sys/block/sda/size"), str(32 * MIB // SECTOR))
        self.assertEqual(self.run_in(vmm, "cat /sys/block/sda/device/queue_depth"), "32")
        digest = hashlib.sha256(content).hexdigest()
        self.assertEqual(self.run_in(vmm, "head -c 8m /dev/sda | sha256sum").split()[0], digest)
        # To two places at once.
        self.run_in(vmm, "how='bs=64k count=128 conv=notrunc,fsync'")
        self.run_in(vmm, "copy() { dd if=/dev/sda of=/dev/sda $how seek=$1; }")
        self.run_in(vmm, "copy 128 2>/dev/null & copy 256 2>/dev/null; wait")
        for place in (1, 2):
            self.assertEqual(os.pread(images[0].fileno(), 8 * MIB, place * 8 * MIB), content)
        self.assertEqual(self.run_in(vmm, "sha256sum /dev/sr0").split()[0], hashlib.sha256(medium).hexdigest())
        vmm.qmp.execute("getfd", descriptors=[images[2].fileno()], fdname="medium")
        vmm.qmp.execute("blockdev-change-medium", id="sata0-0-1",
                        blockdev={"driver": "raw", "fd": "medium", "read-only": True})
        self.assertEqual(self.run_in(vmm, "sha256sum /dev/sr0").split()[0], hashlib.sha256(medium[::-1]).hexdigest())
        moves = [vmm.qmp.wait_event("DEVICE_TRAY_MOVED")["data"]["tray-open"] for _ in range(2)]
        self.assertEqual(moves, [True, False])
        # Debian's busybox has no eject. Linux does that, too, when the drive is closed.
        self.run_in(vmm, "echo 1 >/proc/sys/dev/cdrom/autoeject; : </dev/sr0")
        self.assertTrue(vmm.qmp.wait_event("DEVICE_TRAY_MOVED")["data"]["tray-open"])
        self.assertEqual(self.run_in(vmm, "dmesg | grep -c 'ata.*exception'"), "0")


class Refused(SataTest):
    """Descriptions that no drive is made of."""

    def refused(self, *devices):
        return refused(f"--payload={payload('agent')}", "--memory=64M", *devices, close_fds=False)

    def test_descriptions(self):
        image = self.make_image(MIB)
        for members, said in (
                ({"bus": "sata0.6"}, "a port from 0 to 5"), ({"bus": "sata0"}, "a port from 0 to 5"),
                ({"bus": "sata1.0"}, "a SATA controller's id"), ({"bus": "pcie.0"}, "a SATA controller's id"),
                ({"iothread": "none"}, "there is no such I/O thread"), ({"physical_block_size": 600}, "power of two"),
                ({"blockdev": None}, "blockdev")):
            with self.subTest(said):
                descriptor = os.dup(image.fileno())
                os.set_inheritable(descriptor, True)
                self.addCleanup(os.close, descriptor)
                members = {"bus": "sata0.0", "blockdev": {"driver": "raw", "fd": str(descriptor)}, **members}
                if members["blockdev"] is None:
                    del members["blockdev"]
                self.assertIn(said, self.refused(controller(), device("ide-hd", "disk0", **members)))

    def test_read_only(self):
        image = self.make_image(MIB)
        os.set_inheritable(image.fileno(), True)
        self.assertIn("not read-only", self.refused(controller(), disk(image.fileno(), 0, {"read-only": True})))

    def test_two_at_one_port(self):
        images = [self.make_image(MIB) for _ in range(2)]
        for image in images:
            os.set_inheritable(image.fileno(), True)
        said = self.refused(controller(), disk(images[0].fileno()),
                            device("ide-hd", "other", bus="sata0.0",
                                   blockdev={"driver": "raw", "fd": str(images[1].fileno())}))
        self.assertIn("another drive is there", said)
