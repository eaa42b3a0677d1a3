# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A virtio disk, by a driver that a test has in its hand, with a real image behind it: what is read and
written, an image that is full, short or somebody else's, pauses and resets in the middle.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import test_boot
import test_hot_plug
from support.agent import Agent, GROUND, PAGE
from support.devices import device, root_port
from support.qmp import QmpError
from support.virtio import NEXT, Ring, VERSION_1, VirtioDevice, WRITE, bits
from support.vmm import MEMORY_KIND, payload, refused
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere

MIB = 1 << 20
SECTOR = 512

# One request of each slot at a time: its header and status, and its data.
HEADERS = GROUND + 16 * PAGE
DATA = GROUND + MIB

QUEUE_SIZE = 32

IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
OK, IOERR, UNSUPPORTED, PENDING = 0, 1, 2, 0xff

RO, FLUSH_FEATURE = 5, 9


def disk(descriptor, blockdev=(), **members):
    return device("virtio-blk-pci", "disk0", bus="pci.1", addr="0x0",
                  blockdev={"driver": "raw", "fd": str(descriptor), **dict(blockdev)}, **members)


class DiskTest(unittest.TestCase):
    """A guest with a disk behind a root port."""

    where = NATIVE

    def make_image(self, size, folder=None):
        image = tempfile.NamedTemporaryFile(prefix="gmem-disk.", dir=folder)
        self.addCleanup(image.close)
        image.truncate(size)
        return image

    def start(self, image, blockdev=(), **members):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8),
                           disk(image.fileno(), blockdev, **members), pass_fds=(image.fileno(),))
        self.addCleanup(self.guest.end)
        # From now on events are heard.
        self.guest.qmp.execute("query-status")
        self.set_up()

    def set_up(self, features=bits(VERSION_1, FLUSH_FEATURE)):
        self.device = VirtioDevice(self.guest)
        self.device.reset()
        self.assertTrue(self.device.agree(features))
        self.ring = Ring(self.guest, False, QUEUE_SIZE)
        self.device.set_queue(QUEUE_SIZE, *self.ring.areas())
        self.device.go()

    def add(self, slot, kind, sector=0, data=DATA, size=0):
        """Makes a request available, in descriptors 3 * slot and those behind it."""
        header, head = HEADERS + slot * 64, 3 * slot
        self.guest.call("store", header, 8, kind)
        self.guest.call("store", header + 8, 8, sector)
        self.guest.call("store", header + 16, 1, PENDING)
        pieces = [(header, 16, 0), (header + 16, 1, WRITE)]
        if size:
            pieces.insert(1, (data, size, WRITE if kind in (IN, GET_ID) else 0))
        for index, (gpa, length, flags) in enumerate(pieces):
            last = index + 1 == len(pieces)
            self.ring.put_descriptor(head + index, gpa, length, flags | (0 if last else NEXT),
                                     0 if last else head + index + 1)
        self.guest.call("store", self.ring.driver + 4 + self.ring.next % QUEUE_SIZE * 2, 2, head)
        self.ring.next += 1
        self.ring.set_available(self.ring.next)

    def status(self, slot=0):
        return self.guest.call("load", HEADERS + slot * 64 + 16, 1)

    def run_request(self, kind, sector=0, data=DATA, size=0):
        self.add(0, kind, sector, data, size)
        self.device.kick()
        self.ring.await_used()
        return self.status()

    def state(self):
        return self.guest.qmp.execute("query-status")["status"]

    def assertFilled(self, image, offset, size, byte):
        self.assertEqual(os.pread(image.fileno(), size, offset), bytes([byte]) * size)


class Works(DiskTest):
    """What is read and written."""

    def check_copy(self, blockdev=(), **members):
        """What the guest has read from one half it writes to the other."""
        image = self.make_image(4 * MIB)
        content = os.urandom(2 * MIB)
        os.pwrite(image.fileno(), content, 0)
        self.start(image, blockdev, **members)
        for offset, size in ((0, 4096), (4096, 512), (4608, 65536 - 4608), (65536, 2 * MIB - 65536)):
            self.assertEqual(self.run_request(IN, offset // SECTOR, DATA + offset, size), OK)
        self.assertEqual(self.guest.call("read", DATA) & (1 << 64) - 1,
                         int.from_bytes(content[:8], "little"))
        for offset, size in ((0, MIB), (MIB, 4096), (MIB + 4096, 512), (MIB + 4608, MIB - 4608)):
            self.assertEqual(self.run_request(OUT, (2 * MIB + offset) // SECTOR, DATA + offset, size), OK)
        self.assertEqual(self.run_request(FLUSH), OK)
        # Not by the descriptor that the VMM has, too: that may be direct now.
        with open(image.name, "rb") as again:
            copy = os.pread(again.fileno(), 2 * MIB, 2 * MIB)
        self.assertEqual(hashlib.sha256(copy).hexdigest(), hashlib.sha256(content).hexdigest())

    @everywhere
    def test_copy(self):
        self.check_copy()

    def test_copy_direct(self):
        self.check_copy({"direct": True})

    def test_copy_without_cache(self):
        self.check_copy(**{"write-cache": False})

    def test_io_thread_of_its_own(self):
        image = self.make_image(MIB)
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8),
                           device("iothread", "iothread1"), disk(image.fileno(), iothread="iothread1"),
                           pass_fds=(image.fileno(),))
        self.addCleanup(self.guest.end)
        thread, = self.guest.qmp.execute("query-iothreads")
        self.assertEqual(thread["id"], "iothread1")
        with open(f"/proc/{self.guest.pid}/task/{thread['thread-id']}/comm", encoding="ascii") as file:
            self.assertEqual(file.read().strip(), "iothread1")
        self.set_up()
        self.guest.call("fill", DATA, 8192, 0x5a)
        self.assertEqual(self.run_request(OUT, 8, DATA, 8192), OK)
        self.assertFilled(image, 4096, 8192, 0x5a)

    @everywhere
    def test_data_stays_private(self):
        """Only the rings are seen by the host."""
        image = self.make_image(4 * MIB)
        self.start(image)
        self.guest.call("fill", DATA, 16 * PAGE, 0x33)
        before = self.guest.qmp.conversions()["conversions"]
        self.assertEqual(self.run_request(OUT, 0, DATA, 16 * PAGE), OK)
        self.assertEqual(self.run_request(IN, 0, DATA + MIB, 16 * PAGE), OK)
        self.assertEqual(self.guest.call("check", DATA + MIB, 16 * PAGE, 0x33), 0)
        after = self.guest.qmp.conversions()["conversions"]
        changed = {cause: counter["bytes"] - before.get(cause, {"bytes": 0})["bytes"]
                   for cause, counter in after.items()}
        # What the guest's processor touches as it gives its orders is its own.
        self.assertEqual({cause for cause, count in changed.items()
                          if count and cause[0] == "to-shared"} - {("to-shared", "host-touch-vcpu")}, set())

    def test_requests_together(self):
        image = self.make_image(MIB)
        self.start(image)
        for slot in range(8):
            self.guest.call("fill", DATA + slot * PAGE, PAGE, slot + 1)
            self.add(slot, OUT, slot * 8, DATA + slot * PAGE, PAGE)
        self.device.kick()
        for _ in range(8):
            self.ring.await_used()
        for slot in range(8):
            self.assertEqual(self.status(slot), OK)
            self.assertFilled(image, slot * PAGE, PAGE, slot + 1)

    def test_statistics(self):
        self.start(self.make_image(MIB))
        self.assertEqual(self.run_request(OUT, 0, DATA, 8192), OK)
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)
        self.assertEqual(self.run_request(FLUSH), OK)
        disk, = self.guest.qmp.execute("query-blockstats")
        stats = disk["stats"]
        self.assertEqual(disk["qdev"], "disk0")
        self.assertEqual([stats[name] for name in ("wr_operations", "wr_bytes", "rd_operations", "rd_bytes",
                                                   "flush_operations")], [1, 8192, 1, 512, 1])

    def test_read_only(self):
        image = self.make_image(MIB)
        self.start(image, {"read-only": True}, serial="abc")
        self.assertTrue(self.device.features() & bits(RO))
        self.assertEqual(self.run_request(OUT, 0, DATA, 512), IOERR)
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)
        self.assertEqual(self.run_request(GET_ID, 0, DATA, 20), OK)
        self.assertEqual(self.guest.call("read", DATA), int.from_bytes(b"abc", "little"))

    @everywhere
    def test_pause_and_reset(self):
        image = self.make_image(4 * MIB)
        self.start(image)
        for slot in range(8):
            self.add(slot, IN, slot * 128, DATA + slot * 65536, 65536)
        self.device.kick()
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("cont")
        for _ in range(8):
            self.ring.await_used()
        for slot in range(8):
            self.add(slot, OUT, slot * 128, DATA + slot * 65536, 65536)
        self.device.kick()
        self.device.reset()
        self.set_up()
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)


class Direct(DiskTest):
    """Guest memory that the kernel reads into and writes from, with windows after it is registered."""

    def check(self, blockdev=(), **members):
        image = self.make_image(MIB)
        content = os.urandom(MIB)
        os.pwrite(image.fileno(), content, 0)
        self.start(image, blockdev, **members)
        self.assertEqual(self.guest.qmp.registered(), 0)
        # Over the ends of pieces, and in what has been read before, until each has been used enough.
        for offset in [0, 4096, 128 << 10, 512 << 10] * 5:
            size = 300 << 10
            self.guest.call("fill", DATA, 4096, 0)
            self.assertEqual(self.run_request(IN, offset // SECTOR, DATA, size), OK)
            for at in (0, 4088, 200 << 10, size - 8):
                self.assertEqual(self.guest.call("read", DATA + at) & (1 << 64) - 1,
                                 int.from_bytes(content[offset + at:offset + at + 8], "little"))
        if MEMORY_KIND == "windows":
            self.assertGreaterEqual(self.guest.qmp.registered(), 300 << 10)
            # What came first went by windows, as it was not known to be used again.
            self.assertGreater(self.guest.qmp.moved()["registered"], 10 * size)
            self.assertGreater(self.guest.qmp.moved()["window"], 0)
        else:
            self.assertEqual(self.guest.qmp.registered(), 0)
            self.assertGreaterEqual(self.guest.qmp.moved()["courier"], 20 * size)
        self.guest.call("fill", DATA, 300 << 10, 0x5a)
        self.assertEqual(self.run_request(OUT, 8, DATA, 300 << 10), OK)
        # Not by the descriptor that the VMM has, too: that may be direct now.
        with open(image.name, "rb") as again:
            self.assertEqual(again.read(4096), content[:4096])
            self.assertEqual(again.read(300 << 10), b"\x5a" * (300 << 10))
            self.assertEqual(again.read(), content[304 << 10:])
        # A reset takes all memory away.
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.assertEqual(self.guest.qmp.registered(), 0)
        self.set_up()
        self.assertEqual(self.run_request(IN, 8, DATA, 8192), OK)
        self.assertEqual(self.guest.call("read", DATA) & 0xff, 0x5a)

    @everywhere
    def test_registered(self):
        self.check()

    def test_registered_without_page_cache(self):
        self.check({"direct": True})

    @unittest.skipUnless(MEMORY_KIND == "windows", "nothing is registered with another kind of memory")
    def test_registered_by_choice(self):
        self.check(dma="registered")

    @everywhere
    def test_the_other_way(self):
        """A disk that is to have windows has nothing registered, and all that it moves goes by them."""
        other = "window" if MEMORY_KIND == "windows" else "courier"
        image = self.make_image(MIB)
        content = os.urandom(64 << 10)
        os.pwrite(image.fileno(), content, 0)
        self.start(image, dma=other)
        before = self.guest.qmp.moved()
        for seed in range(20):
            self.assertEqual(self.run_request(IN, 0, DATA, 64 << 10), OK)
            self.assertEqual(self.guest.call("read", DATA + 4088) & (1 << 64) - 1,
                             int.from_bytes(content[4088:4096], "little"))
            self.guest.call("fill", DATA, 64 << 10, seed)
            self.assertEqual(self.run_request(OUT, 512, DATA, 64 << 10), OK)
            self.assertFilled(image, 512 * SECTOR, 64 << 10, seed)
        after = self.guest.qmp.moved()
        moved = {way: after[way] - before[way] for way in after if after[way] != before[way]}
        # Each with its header and its status.
        self.assertEqual(moved, {other: 40 * ((64 << 10) + 16 + 1)})
        self.assertEqual(self.guest.qmp.registered(), 0)


class Tuned(DiskTest):
    """How much goes in a second, and how large the disk is, change while the guest runs."""

    # With this the first read is done at once, and the next one tomorrow.
    least = {"bps-read": 1}

    def test_limits(self):
        self.start(self.make_image(4 * MIB), throttling=self.least)
        self.assertEqual(self.run_request(IN, 0, DATA, 65536), OK)
        self.add(1, IN, 128, DATA, 65536)
        # Writes and flushes do not wait for it.
        self.assertEqual(self.run_request(OUT, 0, DATA, 65536), OK)
        self.assertEqual(self.run_request(FLUSH), OK)
        self.assertEqual(self.status(1), PENDING)
        self.guest.qmp.execute_with("block_set_io_throttle", {"id": "disk0", "iops_wr": 10})
        self.ring.await_used()
        self.assertEqual(self.status(1), OK)
        # Two at once, and each of the others waits for the one before.
        began = time.monotonic()
        for index in range(12):
            self.assertEqual(self.run_request(OUT, index * 8, DATA, 4096), OK)
        self.assertGreater(time.monotonic() - began, 0.8)

    def test_pause_and_reset_do_not_wait_for_limits(self):
        self.start(self.make_image(4 * MIB), throttling=self.least)
        for slot in range(8):
            self.add(slot, IN, slot * 128, DATA + slot * 65536, 65536)
        self.device.kick()
        self.ring.await_used()
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("cont")
        self.device.reset()
        self.set_up()
        self.assertEqual([self.status(slot) for slot in range(1, 8)], [PENDING] * 7)
        # A reset is no way past a limit, and what was held back is gone.
        self.add(8, IN, 0, DATA, 512)
        self.device.kick()
        self.assertEqual(self.run_request(OUT, 0, DATA, 512), OK)
        self.assertEqual(self.status(8), PENDING)
        self.guest.qmp.execute("block_set_io_throttle", id="disk0")
        self.ring.await_used()
        self.assertEqual(self.status(8), OK)
        statistics, = self.guest.qmp.execute("query-blockstats")
        self.assertEqual(statistics["stats"]["rd_operations"], 2)

    def test_limits_that_cannot_be(self):
        self.start(self.make_image(MIB))
        for pattern, arguments in (("there is no disk 'disk1'", {"id": "disk1"}),
                                   ("'id'", {}), ("'never'", {"id": "disk0", "never": 1}),
                                   ("'bps'", {"id": "disk0", "bps": -1}),
                                   ("without an average", {"id": "disk0", "bps_max": 1}),
                                   ("reading or writing alone", {"id": "disk0", "iops": 1, "iops_rd": 1})):
            with self.subTest(pattern=pattern), self.assertRaisesRegex(QmpError, pattern):
                self.guest.qmp.execute_with("block_set_io_throttle", arguments)
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)

    def test_size(self):
        image = self.make_image(MIB)
        self.start(image)
        self.assertEqual(self.run_request(IN, MIB // SECTOR, DATA, 512), IOERR)
        with self.assertRaisesRegex(QmpError, f"an image of {MIB} bytes"):
            self.guest.qmp.execute("block_resize", device="disk0", size=2 * MIB)
        image.truncate(2 * MIB)
        self.guest.qmp.execute("block_resize", device="disk0", size=2 * MIB)
        self.assertEqual(self.run_request(IN, MIB // SECTOR, DATA, 512), OK)
        self.assertEqual(self.run_request(IN, 2 * MIB // SECTOR, DATA, 512), IOERR)
        with self.assertRaisesRegex(QmpError, "there is no disk"):
            self.guest.qmp.execute("block_resize", device="disk1", size=2 * MIB)
        with self.assertRaisesRegex(QmpError, "negative"):
            self.guest.qmp.execute("block_resize", device="disk0", size=-1)


class Fails(DiskTest):
    """What the image does not do, or the guest asks for in vain."""

    def io_status(self):
        disk, = self.guest.qmp.execute("query-block")
        return disk["io-status"]

    def test_short_image(self):
        image = self.make_image(MIB)
        self.start(image, rerror="report")
        image.truncate(65536)
        self.assertEqual(self.run_request(IN, 0, DATA, 65536), OK)
        self.assertEqual(self.io_status(), "ok")
        self.assertEqual(self.run_request(IN, 128, DATA, 512), IOERR)
        self.assertEqual(self.io_status(), "failed")
        event = self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]
        self.assertEqual((event["device"], event["operation"], event["action"], event["nospace"]),
                         ("disk0", "read", "report", False))
        self.assertEqual(self.state(), "running")

    @everywhere
    def test_stop(self):
        """The machine waits until somebody has mended the image; nothing is lost."""
        image = self.make_image(MIB)
        self.start(image, rerror="stop")
        image.truncate(65536)
        for slot in range(4):
            self.add(slot, IN, 256 + slot, DATA + slot * 512, 512)
        self.device.begin_kick()
        self.assertEqual(self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]["action"], "stop")
        self.guest.qmp.wait_event("STOP")
        self.assertEqual(self.state(), "io-error")
        # It was not mended: the same again.
        self.guest.qmp.execute("cont")
        self.guest.qmp.wait_event("BLOCK_IO_ERROR")
        self.guest.qmp.wait_event("STOP")
        image.truncate(MIB)
        os.pwrite(image.fileno(), b"x" * 2048, 256 * SECTOR)
        self.assertEqual(self.io_status(), "failed")
        self.guest.qmp.execute("cont")
        self.guest.answer()
        for _ in range(4):
            self.ring.await_used()
        self.assertEqual(self.io_status(), "ok")
        self.assertEqual([self.status(slot) for slot in range(4)], [OK] * 4)
        self.assertEqual(self.guest.call("check", DATA, 2048, ord("x")), 0)

    def test_full(self):
        """By default: a disk without room stops the machine, and goes on when there is some."""
        folder = tempfile.mkdtemp(prefix="gmem-full.")
        self.addCleanup(os.rmdir, folder)
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True,
                           capture_output=True)
        except (subprocess.CalledProcessError, FileNotFoundError):
            self.skipTest("only root can mount a file system that is full")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        image = self.make_image(4 * MIB, folder)
        os.pwrite(image.fileno(), bytes(MIB - 2 * PAGE), 2 * MIB)
        self.start(image)
        self.guest.call("fill", DATA, 4 * PAGE, 0x44)
        self.add(0, OUT, 0, DATA, 4 * PAGE)
        self.device.begin_kick()
        event = self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]
        self.assertEqual((event["operation"], event["action"], event["nospace"]), ("write", "stop", True))
        self.guest.qmp.wait_event("STOP")
        self.assertEqual(self.io_status(), "nospace")
        subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)
        self.guest.qmp.execute("cont")
        self.guest.answer()
        self.ring.await_used()
        self.assertEqual(self.status(), OK)
        self.assertFilled(image, 0, 4 * PAGE, 0x44)

    def test_reset_while_stopped(self):
        image = self.make_image(MIB)
        self.start(image, rerror="stop")
        image.truncate(0)
        self.add(0, IN, 0, DATA, 512)
        self.device.begin_kick()
        self.guest.qmp.wait_event("STOP")
        image.truncate(MIB)
        self.assertEqual(self.io_status(), "failed")
        self.guest.qmp.execute("system_reset")
        self.assertEqual(self.io_status(), "ok")
        self.guest.qmp.execute("cont")
        self.guest.wait_ready()
        self.set_up()
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)

    def test_what_is_no_request(self):
        self.start(self.make_image(MIB))
        self.ring.add(HEADERS, 16, flags=0)
        self.device.kick()
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.set_up()
        self.assertEqual(self.run_request(IN, 1 << 54, DATA, 512), IOERR)
        self.assertEqual(self.run_request(IN, 0, DATA, 511), IOERR)
        self.assertEqual(self.run_request(77), UNSUPPORTED)
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)


@unittest.skipUnless(shutil.which("qemu-nbd"), "qemu-nbd is not installed (qemu-utils)")
class Hangs(DiskTest):
    """An NBD server that does not answer holds neither a pause nor a reset."""

    where = NATIVE

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gmem-nbd.")
        self.addCleanup(folder.cleanup)
        image, path = os.path.join(folder.name, "image"), os.path.join(folder.name, "socket")
        with open(image, "wb") as file:
            file.write(b"x" * MIB)
        self.server = subprocess.Popen(["qemu-nbd", "-k", path, "-f", "raw", "-x", "disk", image])
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.socket = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.socket.close)
        wait_until(lambda: os.path.exists(path), 30, "qemu-nbd")
        self.socket.connect(path)
        self.start(self.socket, {"driver": "nbd", "export": "disk"}, rerror="report")

    def hang(self):
        self.server.send_signal(signal.SIGSTOP)
        self.add(0, IN, 0, DATA, 512)
        self.device.kick()

    def test_pause(self):
        self.hang()
        self.guest.qmp.execute("stop")
        self.server.send_signal(signal.SIGCONT)
        self.assertEqual(self.state(), "paused")
        self.guest.qmp.execute("cont")
        self.ring.await_used()
        self.assertEqual(self.status(), OK)
        self.assertEqual(self.guest.call("check", DATA, 512, ord("x")), 0)

    def test_reset(self):
        self.hang()
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.server.send_signal(signal.SIGCONT)
        self.set_up()
        self.assertEqual(self.run_request(IN, 0, DATA, 512), IOERR)
        self.assertEqual(self.guest.qmp.wait_event("BLOCK_IO_ERROR")["data"]["action"], "report")


class Linux(unittest.TestCase):
    """Debian's own driver, with requests of all sizes, several at a time."""

    where = HOSTS
    limit = 300

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def digest(self, image, offset, size):
        with open(image.name, "rb") as file:
            return hashlib.sha256(os.pread(file.fileno(), size, offset)).hexdigest()

    def test_content_agrees(self):
        image = tempfile.NamedTemporaryFile(prefix="gmem-disk.")
        self.addCleanup(image.close)
        content = os.urandom(8 * MIB)
        image.truncate(32 * MIB)
        os.pwrite(image.fileno(), content, 0)
        vmm = self.boot("--vcpus=2", "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                        disk(image.fileno(), {"discard": "unmap"}, **{"num-queues": 2, "serial": "serial1"}),
                        pass_fds=(image.fileno(),))
        self.assertEqual(self.run_in(vmm, "cat /sys/block/vda/size /sys/block/vda/serial").split(),
                         [str(32 * MIB // SECTOR), "serial1"])
        self.assertEqual(self.run_in(vmm, "dd if=/dev/vda bs=1M count=8 2>/dev/null | sha256sum").split()[0],
                         hashlib.sha256(content).hexdigest())
        # To two places at once, past the guest's cache in the end.
        self.run_in(vmm, "for i in 1 2; do dd if=/dev/vda of=/dev/vda bs=64k count=128 seek=$((i * 128)) "
                         "conv=notrunc,fsync 2>/dev/null & done; wait")
        for place in (1, 2):
            self.assertEqual(self.digest(image, place * 8 * MIB, 8 * MIB), hashlib.sha256(content).hexdigest())
        self.run_in(vmm, "echo 3 >/proc/sys/vm/drop_caches")
        # A line that fits the guest's terminal.
        self.assertEqual(self.run_in(vmm, "tail -c +16777217 /dev/vda|head -c 8m|sha256sum").split()[0],
                         hashlib.sha256(content).hexdigest())
        vmm.qmp.execute("stop")
        vmm.qmp.execute("cont")
        vmm.console.send("reboot -f\n")
        vmm.qmp.wait_event("RESET", 60)
        vmm.console.wait_for("Hello from Linux", 100)
        vmm.console.wait_for("/ # ", 60)
        self.assertEqual(self.run_in(vmm, "dd if=/dev/vda bs=1M count=8 2>/dev/null | sha256sum").split()[0],
                         hashlib.sha256(content).hexdigest())


class PluggedIn(DiskTest, test_hot_plug.HotPlugTest):
    """Disks that come while the guest runs, and go."""

    devices = [root_port(f"pci.{slot}", hex(slot), chassis=slot, port=8 * slot) for slot in range(3, 9)]

    def plug_in_disk(self, image, name="disk0", bus="pci.1"):
        self.qmp.execute("getfd", descriptors=[image.fileno()], fdname="fd-" + name)
        self.qmp.execute("device_add", driver="virtio-blk-pci", id=name, bus=bus, addr="0x0",
                         blockdev={"driver": "raw", "fd": "fd-" + name})

    def plug_out_disk(self):
        self.qmp.execute("device_del", id="disk0")
        self.take_events()
        self.command(test_hot_plug.POWER_BLINK)
        self.command(test_hot_plug.POWER_OFF)
        self.qmp.wait_event("DEVICE_DELETED")

    def check_in_and_out(self, image, byte):
        self.plug_in_disk(image)
        self.take_events()
        self.power_on()
        self.set_up()
        self.guest.call("fill", DATA, PAGE, byte)
        self.assertEqual(self.run_request(OUT, 0, DATA, PAGE), OK)
        self.assertFilled(image, 0, PAGE, byte)
        self.plug_out_disk()

    def test_in_and_out_and_in_again(self):
        image = self.make_image(MIB)
        for byte in (0x11, 0x22):
            self.check_in_and_out(image, byte)

    def test_one_in_each_port(self):
        for slot in range(2, 9):
            self.plug_in_disk(self.make_image(MIB), f"disk{slot}", f"pci.{slot}")
        image = self.make_image(MIB)
        for byte in (0x33, 0x44):
            self.check_in_and_out(image, byte)


class Refused(DiskTest):
    """Descriptions and images that no disk is made of."""

    where = NATIVE

    def refused(self, image, blockdev=(), **members):
        descriptor = os.dup(image.fileno())
        os.set_inheritable(descriptor, True)
        try:
            return refused(f"--payload={payload('agent')}", "--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8),
                           disk(descriptor, blockdev, **members), close_fds=False)
        finally:
            os.close(descriptor)

    def test_image_in_use(self):
        image = self.make_image(MIB)
        self.start(image)
        with open(image.name, "r+b") as again:
            said = self.refused(again, {"filename": image.name})
        self.assertIn(image.name, said)
        self.assertIn("in use by another domain or program", said)

    def test_shared_image(self):
        image = self.make_image(MIB)
        self.start(image, **{"share-rw": True})
        with open(image.name, "r+b") as again:
            other = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8),
                          disk(again.fileno(), **{"share-rw": True}), pass_fds=(again.fileno(),))
            other.end()

    def test_descriptions(self):
        image = self.make_image(MIB)
        for blockdev, members, said in (
                ({}, {"queue-size": 100}, "queue-size"),
                ({}, {"logical_block_size": 513}, "logical_block_size"),
                ({}, {"num-queues": 257}, "num-queues"),
                ({}, {"werror": "panic"}, "werror"),
                ({}, {"dma": "pigeon"}, "dma"),
                ({"driver": "qcow2"}, {}, "driver"),
                ({"export": "a"}, {}, "blockdev.export"),
                ({"fd": "999"}, {}, "no open descriptor"),
                ({"cache": "none"}, {}, "cache")):
            with self.subTest(said):
                self.assertIn(said, self.refused(image, blockdev, **members))

    def test_a_way_that_the_kind_of_memory_has_not(self):
        image = self.make_image(MIB)
        others = ("courier",) if MEMORY_KIND == "windows" else ("registered", "window")
        for other in others:
            self.assertIn(f"device 'disk0': member 'dma': there is no '{other}' with memory of the kind "
                          f"'{MEMORY_KIND}'", self.refused(image, dma=other))

    def test_read_only_descriptor(self):
        image = self.make_image(MIB)
        with open(image.name, "rb") as readable:
            self.assertIn("read-only", self.refused(readable))

    def test_no_image(self):
        with open("/dev/null", "r+b", buffering=0) as null:
            self.assertIn("neither a regular file nor a block device", self.refused(null))
