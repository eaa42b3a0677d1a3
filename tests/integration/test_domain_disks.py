# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Disks of domains, through stock virsh, whose guests have a driver in the test's hand: that what is flushed gets to the
disk, and what becomes of images and devices that are full, broken or gone.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import test_disk
from support.daemon import DaemonTest, storage_pids, virsh, vmm_pid
from support.domain_agent import DomainAgent, xml
from support.loop import Loop
from support.where import NATIVE, everywhere
from test_disk import DATA, FLUSH, IN, IOERR, MIB, OK, OUT, PENDING, SECTOR

KIB = 1 << 10

# Where test_disk's driver looks for the disk.
PORT = """<controller type='pci' index='1' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'/></controller>"""

NO_QEMU = unittest.skipUnless(shutil.which("qemu-storage-daemon") and shutil.which("qemu-img"),
                              "QEMU's tools are not there")


class GuestTest(DaemonTest, test_disk.DiskTest):
    """Domains of one disk."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        # In memory, where a flush costs nothing but itself.
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test.", dir="/dev/shm"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, size):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
        return self.path(name)

    def start(self, path, driver="type='raw'", extra=""):
        """Starts a domain with a file or a block device."""
        kind, attribute = ("block", "dev") if path.startswith("/dev/loop") else ("file", "file")
        disk = (f"<disk type='{kind}'><driver name='qemu' {driver}/><source {attribute}='{path}'/>"
                "<target dev='vda' bus='virtio'/></disk>")
        self.daemon.define(xml(self.path("serial"), PORT + disk + "<memballoon model='none'/>", extra=extra))
        self.guest = DomainAgent(self.path("serial"))
        self.addCleanup(self.guest.end)
        self.set_up()

    def fill(self, size, byte):
        self.guest.call("fill", DATA, size, byte)

    def assert_read(self, sector, size, byte):
        """The guest reads what it has written, to another place."""
        self.assertEqual(self.run_request(IN, sector, DATA + MIB, size), OK)
        self.assertEqual(self.guest.call("check", DATA + MIB, size, byte), 0)


class Flushes(GuestTest):
    """What the kernel counts as a flush of a block device, and whether its cache is used."""

    def is_direct(self, path):
        """Whether who serves the disk has it open without the host's cache."""
        process = (storage_pids() or [vmm_pid("test")])[0]
        wanted = os.stat(path).st_rdev
        for number in os.listdir(f"/proc/{process}/fd"):
            if os.stat(f"/proc/{process}/fd/{number}").st_rdev == wanted:
                with open(f"/proc/{process}/fdinfo/{number}", encoding="ascii") as file:
                    flags = dict(line.split(":", 1) for line in file)["flags"]
                return bool(int(flags, 8) & os.O_DIRECT)
        raise AssertionError(f"process {process} does not have {path} open")

    def check(self, cache, kind="raw", is_direct=False, is_through=False, is_safe=True):
        loop = self.enterContext(Loop(self.make("image", 4 * MIB)))
        if kind != "raw":
            subprocess.run(["qemu-img", "create", "-q", "-f", kind, loop.path, "1M"], check=True)
        self.start(loop.path, f"type='{kind}' cache='{cache}'")
        self.assertEqual(self.is_direct(loop.path), is_direct)
        # In other formats the first write makes room for those behind it, which is flushed, too.
        self.assertEqual(self.run_request(OUT, 0, DATA, 4 * KIB), OK)
        self.assertEqual(self.run_request(FLUSH), OK)
        before = loop.flushes()
        self.assertEqual(self.run_request(OUT, 8, DATA, 4 * KIB), OK)
        written = loop.flushes()
        self.assertEqual(written > before, is_through, "what a write has flushed")
        # What is through has nothing left to be flushed.
        self.assertEqual(self.run_request(FLUSH), OK)
        if not is_through:
            self.assertEqual(loop.flushes() > written, is_safe, "what a flush has flushed")

    def test_writeback(self):
        self.check("writeback")

    @everywhere
    def test_none(self):
        self.check("none", is_direct=True)

    def test_writethrough(self):
        self.check("writethrough", is_through=True)

    def test_directsync(self):
        self.check("directsync", is_direct=True, is_through=True)

    def test_unsafe(self):
        self.check("unsafe", is_safe=False)

    @NO_QEMU
    def test_qcow2_without_the_hosts_cache(self):
        self.check("none", "qcow2", is_direct=True)

    @NO_QEMU
    def test_qcow2_writethrough(self):
        self.check("writethrough", "qcow2", is_through=True)

    @NO_QEMU
    def test_qcow2_unsafe(self):
        self.check("unsafe", "qcow2", is_safe=False)


class SmallTest(GuestTest):
    """A file system of 2 MiB for images."""

    def setUp(self):
        super().setUp()
        folder = self.path("small")
        os.mkdir(folder)
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", folder], check=True,
                           capture_output=True)
        except (subprocess.CalledProcessError, FileNotFoundError):
            self.skipTest("only root can mount a file system that is full")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        self.ballast = self.path("small/ballast")

    def fill_up(self, left=0):
        """Leaves so much of it."""
        with open(self.ballast, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4 * KIB))
            file.truncate(os.stat(self.ballast).st_size - left)

    def make_room(self):
        os.unlink(self.ballast)


class Full(SmallTest):
    """A file system without room: the guest waits for some, and nothing is lost."""

    def check(self, image, driver):
        self.start(image, driver)
        events = self.daemon.events()
        self.fill(64 * KIB, 0x44)
        # Some of it can be written.
        self.fill_up(8 * KIB)
        self.add(0, OUT, 8, DATA, 64 * KIB)
        self.device.begin_kick()
        events.wait_io_error("virtio-disk0", "pause", "enospc")
        events.wait("Suspended I/O Error")
        self.assertEqual(self.state(), "paused (I/O error)")
        self.assertEqual(virsh("domblkerror", "test"), "vda: no space")
        # Nobody has made room: the same again.
        virsh("resume", "test")
        events.wait_io_error("virtio-disk0", "pause", "enospc")
        events.wait("Suspended I/O Error")
        self.make_room()
        virsh("resume", "test")
        self.guest.answer()
        self.ring.await_used()
        self.assertEqual(self.status(), OK)
        self.assertEqual(self.state(), "running (unpaused)")
        self.assertEqual(virsh("domblkerror", "test"), "No errors found")
        self.assert_read(8, 64 * KIB, 0x44)
        virsh("destroy", "test")

    def test_raw(self):
        image = self.make("small/image", 4 * MIB)
        self.check(image, "type='raw'")
        with open(image, "rb") as file:
            self.assertEqual(file.read(68 * KIB), bytes(4 * KIB) + b"\x44" * 64 * KIB)

    def test_raw_that_stops_with_each_error(self):
        self.check(self.make("small/image", 4 * MIB), "type='raw' error_policy='stop'")

    @NO_QEMU
    @everywhere
    def test_qcow2(self):
        image = self.path("small/image")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "4M"], check=True)
        self.check(image, "type='qcow2' error_policy='enospace'")
        found = subprocess.run(["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 0x44 4k 64k", image], check=True,
                               capture_output=True, text=True).stdout
        self.assertNotIn("failed", found)


class Errors(SmallTest):
    """A block device that fails, or is gone: what the guest is told is what the policy says."""

    def setUp(self):
        super().setUp()
        self.image = self.make("small/image", 4 * MIB)
        self.loop = self.enterContext(Loop(self.image))

    def test_reported(self):
        self.start(self.loop.path, "type='raw' cache='none'")
        events = self.daemon.events()
        os.truncate(self.image, MIB)
        self.assertEqual(self.run_request(IN, 0, DATA, 64 * KIB), OK)
        self.assertEqual(self.run_request(IN, 2 * MIB // SECTOR, DATA, 64 * KIB), IOERR)
        events.wait_io_error("virtio-disk0", "report")
        self.assertIn("running", self.state())

    def test_stopped_and_mended(self):
        self.start(self.loop.path, "type='raw' cache='none' rerror_policy='stop'")
        events = self.daemon.events()
        os.truncate(self.image, MIB)
        self.add(0, IN, 2 * MIB // SECTOR, DATA, 64 * KIB)
        self.device.begin_kick()
        events.wait_io_error("virtio-disk0", "pause")
        events.wait("Suspended I/O Error")
        self.assertEqual(self.state(), "paused (I/O error)")
        os.truncate(self.image, 4 * MIB)
        virsh("resume", "test")
        self.guest.answer()
        self.ring.await_used()
        self.assertEqual(self.status(), OK)
        self.assertEqual(self.guest.call("check", DATA, 64 * KIB, 0), 0)

    def test_ignored(self):
        self.start(self.loop.path, "type='raw' cache='none' rerror_policy='ignore'")
        self.fill(64 * KIB, 0x77)
        os.truncate(self.image, MIB)
        self.assertEqual(self.run_request(IN, 2 * MIB // SECTOR, DATA, 64 * KIB), OK)
        self.assertEqual(self.guest.call("check", DATA, 64 * KIB, 0), 0)

    def test_gone(self):
        """To who has it open such a device is one without an end: there is no room in it, either."""
        self.start(self.loop.path, "type='raw' cache='none' error_policy='report'")
        os.truncate(self.image, 0)
        self.loop.update_size()
        for kind in (IN, OUT, IN, OUT):
            self.assertEqual(self.run_request(kind, 0, DATA, 64 * KIB), IOERR)
        self.assertIn("running", self.state())

    def test_flush_that_has_failed_does_not_work_the_next_time(self):
        """The kernel has dropped from its cache what it could not write, and would say that nothing is left to do."""
        self.start(self.loop.path, "type='raw' cache='writeback' error_policy='report'")
        self.fill_up()
        self.assertEqual(self.run_request(OUT, 0, DATA, 64 * KIB), OK)
        self.assertEqual(self.run_request(FLUSH), IOERR)
        self.make_room()
        self.assertEqual(self.run_request(FLUSH), IOERR)
        self.assertEqual(self.run_request(OUT, 0, DATA, 64 * KIB), OK)
        self.assertEqual(self.run_request(FLUSH), IOERR)
        self.assertIn("could not be written to the disk", self.guest.log())

    def test_flush_that_has_failed_without_the_hosts_cache_may_work_the_next_time(self):
        self.start(self.loop.path, "type='raw' cache='none' error_policy='report'")
        self.fill_up()
        self.assertEqual(self.run_request(OUT, 0, DATA, 64 * KIB), IOERR)
        self.make_room()
        self.assertEqual(self.run_request(OUT, 0, DATA, 64 * KIB), OK)
        self.assertEqual(self.run_request(FLUSH), OK)


@NO_QEMU
class Killed(GuestTest):
    """QEMU's storage daemon ends while the guest reads."""

    def start_and_kill(self, policy):
        image = self.path("image.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
        self.start(image, f"type='qcow2' {policy}")
        events = self.daemon.events()
        self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)
        process, = storage_pids()
        os.kill(process, signal.SIGSTOP)
        self.add(0, IN, 8, DATA, 64 * KIB)
        self.device.kick()
        self.assertEqual(self.status(), PENDING)
        os.kill(process, signal.SIGKILL)
        return events

    def test_reported(self):
        events = self.start_and_kill("")
        self.ring.await_used()
        self.assertEqual(self.status(), IOERR)
        events.wait_io_error("virtio-disk0", "report")
        self.assertEqual(self.run_request(OUT, 8, DATA, 512), IOERR)
        self.assertIn("running", self.state())

    def test_stopped(self):
        events = self.start_and_kill("rerror_policy='stop'")
        for _ in range(2):
            events.wait("Suspended I/O Error")
            self.assertEqual(self.state(), "paused (I/O error)")
            virsh("resume", "test")
        events.wait("Suspended I/O Error")


class IoThreads(GuestTest):
    """Who serves a disk: how often a thread has slept tells whether it has been woken."""

    COUNT = 20

    def sleeps(self):
        """By the names of the VMM's threads."""
        found = {}
        folder = f"/proc/{vmm_pid('test')}/task"
        for thread in os.listdir(folder):
            with open(f"{folder}/{thread}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
            found[status["Name"].strip()] = int(status["voluntary_ctxt_switches"])
        return found

    def who_served(self):
        """Those of the threads for devices that were woken for as many requests."""
        before = self.sleeps()
        for _ in range(self.COUNT):
            self.assertEqual(self.run_request(IN, 0, DATA, 512), OK)
        return [name for name, count in self.sleeps().items()
                if name.startswith(("io-", "iothread")) and count - before.get(name, count) >= self.COUNT // 2]

    @everywhere
    def test_one_of_its_own(self):
        self.start(self.make("image", MIB))
        self.assertEqual(self.who_served(), ["io-virtio-disk0"])

    def test_one_that_is_named(self):
        self.start(self.make("image", MIB), "type='raw' iothread='2'", "<iothreads>3</iothreads>")
        self.assertEqual(self.who_served(), ["iothread2"])


if __name__ == "__main__":
    unittest.main()
