# SPDX-License-Identifier: LGPL-2.1-or-later
"""
SATA disks and CD-ROM drives of domains, through stock virsh: what their XML says, what the VMM has, and media that are
changed while it runs.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from xml.etree import ElementTree

from support.daemon import DaemonTest, STDIN, storage_pids, virsh, vmm_pid
from support.waiting import wait_until
from support.where import NATIVE, everywhere

MIB = 1 << 20


def drive_xml(path=None, target="sda", device="cdrom", kind="raw", policy="", more=""):
    source = f"<source file='{path}' {policy}/>" if path else ""
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/>{source}"
            f"<target dev='{target}' bus='sata'/>{more}</disk>")


class SataTest(DaemonTest):
    """Images for drives."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.first = self.make_image("first.iso")
        self.second = self.make_image("second.iso")

    def make_image(self, name):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.truncate(MIB)
        return path

    def has_open(self, path, process=None):
        wanted = os.stat(path)
        folder = f"/proc/{process or vmm_pid('test')}/fd"
        found = [os.stat(os.path.join(folder, name)) for name in os.listdir(folder)]
        return any((each.st_dev, each.st_ino) == (wanted.st_dev, wanted.st_ino) for each in found)

    def start(self, *drives):
        self.define(devices="".join(drives))
        self.run_tiny()

    def medium(self, *options):
        source = ElementTree.fromstring(virsh("dumpxml", "test", *options)).find("devices/disk/source")
        return source.get("file") if source is not None else None


    @staticmethod
    def tray(*options):
        return ElementTree.fromstring(virsh("dumpxml", "test", *options)).find("devices/disk/target").get("tray")


class Disks(SataTest):
    @everywhere
    def test_disk(self):
        self.start(drive_xml(self.first, device="disk", more="<wwn>5000c50015ea71ac</wwn>"))
        running = ElementTree.fromstring(virsh("dumpxml", "test"))
        self.assertEqual(running.find("devices/disk/alias").get("name"), "sata0-0-0")
        self.assertEqual(running.find("devices/disk/wwn").text, "5000c50015ea71ac")
        self.assertTrue(self.has_open(self.first))
        virsh("destroy", "test")


    def test_limits(self):
        self.start(drive_xml(self.first, device="disk", more="<iotune><read_bytes_sec>4096</read_bytes_sec></iotune>"))
        self.assertIn("read_bytes_sec : 4096", " ".join(virsh("blkdeviotune", "test", "sda").split()))
        virsh("blkdeviotune", "test", "sda", "--total-iops-sec", "100", "--read-bytes-sec", "0", "--live")
        self.assertIn("total_iops_sec : 100", " ".join(virsh("blkdeviotune", "test", "sda").split()))
        virsh("destroy", "test")

    def test_size(self):
        self.start(drive_xml(self.first, device="disk"), drive_xml(self.second, "sdb"))
        virsh("blockresize", "test", "sda", "2MiB")
        self.assertEqual(os.stat(self.first).st_size, 2 * MIB)
        self.assert_refused("read-only", "blockresize", "test", "sdb", "2MiB")
        self.assert_refused("CD-ROM drive.*'iotune'", "blkdeviotune", "test", "sdb", "--total-iops-sec", "1", "--live")
        virsh("destroy", "test")


class Drives(SataTest):
    def test_drive_and_medium(self):
        self.start(drive_xml(self.first))
        self.assertTrue(self.has_open(self.first))
        virsh("destroy", "test")

    def test_medium_is_changed(self):
        self.start(drive_xml(self.first))
        virsh("change-media", "test", "sda", self.second, "--update", "--live", "--config")
        self.assertTrue(self.has_open(self.second))
        self.assertFalse(self.has_open(self.first))
        self.assertEqual((self.medium(), self.medium("--inactive")), (self.second, self.second))
        virsh("destroy", "test")

    def test_medium_goes_and_comes(self):
        self.start(drive_xml(self.first))
        events = self.daemon.events()
        virsh("change-media", "test", "sda", "--eject", "--live")
        events.wait_tray("opened", "sata0-0-0")
        self.assertFalse(self.has_open(self.first))
        self.assertEqual((self.medium(), self.medium("--inactive")), (None, self.first))
        self.assertEqual((self.tray(), self.tray("--inactive")), ("open", None))
        virsh("change-media", "test", "sda", self.second, "--insert", "--live")
        events.wait_tray("closed", "sata0-0-0")
        self.assertTrue(self.has_open(self.second))
        self.assertEqual(self.tray(), None)
        virsh("destroy", "test")

    def test_daemon_comes_again(self):
        """Its drives are still the domain's, and their media can be changed."""
        self.start(drive_xml(self.first), drive_xml(self.second, "sdb", device="disk"))
        self.daemon.restart(signal.SIGKILL)
        wait_until(lambda: "running" in self.state(), 30, "the domain")
        running = ElementTree.fromstring(virsh("dumpxml", "test"))
        self.assertEqual([target.get("dev") for target in running.iterfind("devices/disk/target")], ["sda", "sdb"])
        virsh("change-media", "test", "sda", "--eject", "--live")
        self.assertFalse(self.has_open(self.first))
        virsh("destroy", "test")

    def test_medium_that_is_not_there(self):
        """The one that was there stays."""
        self.start(drive_xml(self.first))
        self.assert_refused("No such file", "change-media", "test", "sda", os.path.join(self.folder, "none"),
                            "--update", "--live")
        self.assertTrue(self.has_open(self.first))
        self.assertEqual(self.medium(), self.first)
        virsh("destroy", "test")

    def test_startup_policy(self):
        path = os.path.join(self.folder, "none.iso")
        self.define(devices=drive_xml(path))
        self.assert_refused("No such file", "start", "test")
        virsh("undefine", "test")
        self.start(drive_xml(path, policy="startupPolicy='optional'"))
        self.assertEqual((self.medium(), self.medium("--inactive")), (None, path))
        virsh("destroy", "test")

    def test_disk_has_no_medium_that_could_be_changed(self):
        self.start(drive_xml(self.first, device="disk"))
        self.assert_refused("is no CD-ROM drive", "update-device", "test", STDIN, "--live",
                            text=drive_xml(self.second, device="disk"))
        virsh("destroy", "test")

    def test_medium_that_is_refused(self):
        """The one that was there is put back."""
        self.define("other", devices=drive_xml(self.second, "vda", device="disk").replace("sata", "virtio"))
        virsh("start", "--paused", "other")
        self.start(drive_xml(self.first))
        self.assert_refused("in use|lock", "change-media", "test", "sda", self.second, "--update", "--live")
        self.assertTrue(self.has_open(self.first))
        self.assertEqual((self.medium(), self.tray()), (self.first, None))
        virsh("destroy", "test")
        virsh("destroy", "other")

    @unittest.skipUnless(shutil.which("qemu-storage-daemon") and shutil.which("qemu-img"), "QEMU's tools are not there")
    def test_medium_of_another_format(self):
        image = os.path.join(self.folder, "third.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
        self.start(drive_xml(self.first))
        for _ in range(2):
            virsh("update-device", "test", STDIN, "--live", text=drive_xml(image, kind="qcow2"))
            process, = storage_pids()
            self.assertTrue(self.has_open(image, process))
            self.assertEqual(self.medium(), image)
        virsh("update-device", "test", STDIN, "--live", text=drive_xml(self.first))
        self.assertFalse(self.has_open(image, process))
        self.assertTrue(self.has_open(self.first))
        virsh("destroy", "test")
