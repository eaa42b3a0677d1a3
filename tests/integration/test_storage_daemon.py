# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Disks of other formats than raw, which QEMU's storage daemon serves: what it is given, where it runs, when it ends.

What a guest would read is read from the export that its VMM has.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from xml.etree import ElementTree

from support.daemon import DaemonTest, domain_names, STATE_FOLDER, STDIN, storage_pids, virsh, vmm_pid
from support.waiting import wait_until
from support.where import NATIVE, everywhere

MIB = 1 << 20
TEXT = b"what the base image says"


def disk_xml(path, kind="qcow2", target="vda", driver="", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}' {driver}/>"
            f"<source file='{path}'/>{more}<target dev='{target}' bus='virtio'/></disk>")


def backing_xml(path, kind, more=""):
    return f"<backingStore type='file'><format type='{kind}'/><source file='{path}'/>{more}</backingStore>"


def user_of(process):
    return os.stat(f"/proc/{process}").st_uid


@unittest.skipUnless(shutil.which("qemu-storage-daemon") and shutil.which("qemu-img"), "QEMU's tools are not there")
class StorageDaemonTest(DaemonTest):
    """A raw image, and one of qcow2 that has it behind it."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.base = self.path("base.raw")
        with open(self.base, "wb") as file:
            file.write(TEXT)
            file.truncate(MIB)
        # Nobody but root may read it, and the storage daemon is somebody else.
        os.chmod(self.base, 0o600)
        self.image = self.path("top.qcow2")
        self.make("-F", "raw", "-b", "base.raw", self.image)

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, *arguments, kind="qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, *arguments], check=True)

    def define_with(self, *disks):
        if domain_names("--all"):
            virsh("undefine", "test")
        self.define(devices="".join(disks))

    def start(self, *disks):
        self.define_with(*disks)
        self.run_tiny()

    def destroy(self):
        virsh("destroy", "test")
        self.assertEqual(storage_pids(), [])

    def qemu_io(self, *commands, target="vda"):
        """Its output, from the export that the VMM has."""
        socket = os.path.join(STATE_FOLDER, virsh("domuuid", "test") + ".nbd")
        arguments = [part for command in commands for part in ("-c", command)]
        return subprocess.run(["qemu-io", "-f", "raw", *arguments, f"nbd+unix:///{target}?socket={socket}"],
                              check=True, capture_output=True, text=True).stdout

    def assert_reads(self, text, target="vda"):
        found = self.qemu_io(f"read -v 0 {len(text)}", target=target)
        dumped = "".join(line.split("  ")[1] for line in found.splitlines() if line.startswith("000"))
        self.assertEqual(bytes.fromhex(dumped), text)

    def chain(self, *options):
        """The files of the disk, from its own on."""
        at = ElementTree.fromstring(virsh("dumpxml", "test", *options)).find("devices/disk")
        files = []
        while at is not None and at.find("source") is not None:
            files.append(os.path.basename(at.find("source").get("file")))
            at = at.find("backingStore")
        return files

    def log(self):
        with open("/var/log/libvirt/gmem/test.log", encoding="utf-8") as file:
            return file.read()


class Images(StorageDaemonTest):
    @everywhere
    def test_image_with_one_behind_it(self):
        self.start(disk_xml(self.image))
        process, = storage_pids()
        self.assertEqual(user_of(process), user_of(vmm_pid("test")))
        with open(f"/proc/{process}/cgroup", encoding="utf-8") as file:
            self.assertIn("test", file.read())
        self.assertEqual(self.chain(), ["top.qcow2", "base.raw"])
        self.assertEqual(self.chain("--inactive"), ["top.qcow2"])
        self.assert_reads(TEXT)
        self.destroy()

    def test_what_is_written_is_in_the_image(self):
        self.start(disk_xml(self.image, driver="cache='none' discard='unmap' detect_zeroes='unmap'"))
        self.qemu_io("write -P 7 64k 64k", "flush")
        self.destroy()
        found = subprocess.run(["qemu-io", "-r", "-c", "read -P 7 64k 64k", self.image], check=True,
                               capture_output=True, text=True).stdout
        self.assertNotIn("failed", found)
        with open(self.base, "rb") as file:
            self.assertEqual(file.read().rstrip(b"\0"), TEXT)

    def test_chain_that_the_definition_says(self):
        """What the header says does not count."""
        other = self.path("other.raw")
        with open(other, "wb") as file:
            file.write(b"another" + bytes(MIB - 7))
        self.start(disk_xml(self.image, more=backing_xml(other, "raw", "<backingStore/>")))
        self.assert_reads(b"another")
        self.destroy()
        self.start(disk_xml(self.image, more="<backingStore/>"))
        self.assert_reads(bytes(8))
        self.destroy()

    def test_long_chain(self):
        before = "base.raw"
        for number in range(12):
            kind = "qcow2" if number else "raw"
            self.make("-F", kind, "-b", before, self.path(f"{number}.qcow2"))
            before = f"{number}.qcow2"
        self.start(disk_xml(self.path(before)))
        self.assertEqual(len(self.chain()), 13)
        self.assert_reads(TEXT)
        self.destroy()

    def test_each_format(self):
        disks, kinds = [], ("vdi", "vhdx", "vmdk", "vpc", "qed", "qcow")
        for letter, kind in zip("abcdef", kinds):
            path = self.path(f"image.{kind}")
            self.make(path, "8M", kind=kind)
            disks.append(disk_xml(path, kind, "vd" + letter))
        self.start(*disks)
        self.assertEqual(len(storage_pids()), 1)
        for letter in "abcdef":
            self.qemu_io("write -P 5 1M 64k", "read -P 5 1M 64k", target="vd" + letter)
        self.destroy()

    def test_readonly(self):
        self.start(disk_xml(self.image, more="<readonly/>"))
        socket = os.path.join(STATE_FOLDER, virsh("domuuid", "test") + ".nbd")
        found = subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 512", f"nbd+unix:///vda?socket={socket}"],
                               capture_output=True, text=True, check=False)
        self.assertNotEqual(found.returncode, 0)
        self.destroy()

    def test_size(self):
        self.define(devices=disk_xml(self.image))
        self.assertEqual(virsh("domblkinfo", "test", "vda").splitlines()[0].split()[1], str(MIB))

    def test_image_has_one_user(self):
        self.start(disk_xml(self.image))
        self.define("other", devices=disk_xml(self.image))
        self.assert_refused("disk vda.*lock", "start", "other")
        self.assertEqual(len(storage_pids()), 1)
        # Whoever only reads the image behind it may do that at the same time.
        second = self.path("second.qcow2")
        self.make("-F", "raw", "-b", "base.raw", second)
        self.define("third", devices=disk_xml(second))
        virsh("start", "third")
        virsh("destroy", "third")
        self.destroy()

    def test_attached_while_it_runs(self):
        """The storage daemon comes with the first of them."""
        second = self.path("second.qcow2")
        self.make("-F", "raw", "-b", "base.raw", second)
        # One of them is the balloon's.
        ports = "<controller type='pci' model='pcie-root-port'/>" * 4
        self.daemon.define(self.xml(devices=ports).replace("<os>", "<iothreads>1</iothreads><os>", 1))
        self.run_tiny()
        self.assertEqual(storage_pids(), [])
        thread = "iothread='1'"
        virsh("attach-device", "test", STDIN, text=disk_xml(self.image, driver=thread))
        process, = storage_pids()
        self.assertEqual(user_of(process), user_of(vmm_pid("test")))
        virsh("attach-device", "test", STDIN, text=disk_xml(second, target="vdb", driver=thread))
        self.assert_refused("no image of this format", "attach-device", "test", STDIN,
                            text=disk_xml(self.base, target="vdc"))
        self.assertEqual(storage_pids(), [process])
        self.assert_reads(TEXT)
        self.assert_reads(TEXT, "vdb")
        self.assertEqual(self.chain(), ["top.qcow2", "base.raw"])
        self.destroy()


class Refused(StorageDaemonTest):
    def assert_not_started(self, pattern, *disks):
        self.define_with(*disks)
        self.assert_refused(pattern, "start", "test")
        self.assertEqual(storage_pids(), [])

    def test_image_that_does_not_say_the_format_of_the_one_behind_it(self):
        with open(self.image, "r+b") as file:
            head = bytearray(file.read(1024))
            at = head.index(bytes.fromhex("e2792aca"))
            head[at:at + 4] = b"none"
            file.seek(0)
            file.write(head)
        self.assert_not_started("does not say the format of its backing image", disk_xml(self.image))

    def test_image_that_names_a_file_of_somebody_elses(self):
        secret = self.enterContext(tempfile.NamedTemporaryFile(prefix="gmem-secret."))
        self.make("-u", "-F", "raw", "-b", secret.name, self.image, "1M")
        self.assert_not_started("not everybody may read", disk_xml(self.image))
        self.start(disk_xml(self.image, more=backing_xml(secret.name, "raw")))
        self.destroy()

    def test_image_that_names_a_file_of_a_folder_of_somebody_elses(self):
        """The file's mode alone does not make it everybody's."""
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-secret."))
        secret = os.path.join(folder, "secret")
        with open(secret, "wb") as file:
            file.truncate(MIB)
        os.chmod(secret, 0o644)
        self.make("-u", "-F", "raw", "-b", secret, self.image, "1M")
        self.assert_not_started("not everybody may read", disk_xml(self.image))
        os.chmod(folder, 0o711)
        self.start(disk_xml(self.image))
        self.destroy()

    def test_image_that_names_no_file(self):
        for name in ("nbd://example.org/", 'json:{"driver":"null-co"}'):
            self.make("-u", "-F", "raw", "-b", name, self.image, "1M")
            self.assert_not_started("behind it that is no file", disk_xml(self.image))

    def test_image_that_is_behind_itself(self):
        subprocess.run(["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", self.image, self.image], check=True)
        self.assert_not_started("too many images behind it", disk_xml(self.image))

    def test_image_of_another_format(self):
        self.assert_not_started("is no image of this format", disk_xml(self.base))

    def test_image_that_is_broken(self):
        """Well enough for us, and not for QEMU."""
        with open(self.image, "r+b") as file:
            file.seek(40)
            file.write(b"\xff" * 8)
        self.assert_not_started("disk vda: QEMU's storage daemon: .*", disk_xml(self.image))

    def test_image_behind_it_that_is_not_there(self):
        os.unlink(self.base)
        self.assert_not_started("backing image of disk vda .*base.raw.*No such file", disk_xml(self.image))


class Ends(StorageDaemonTest):
    def test_storage_daemon_is_killed(self):
        self.start(disk_xml(self.image))
        os.kill(storage_pids()[0], signal.SIGKILL)
        wait_until(lambda: "storage daemon has ended (signal 9 (Killed))" in self.log(), 30, "a line in the log")
        self.assertIn("running", self.state())
        self.destroy()

    def test_virtual_machine_monitor_is_killed(self):
        self.start(disk_xml(self.image))
        os.kill(int(vmm_pid("test")), signal.SIGKILL)
        wait_until(lambda: "shut off" in self.state(), 30, "the end of the domain")
        self.assertEqual(storage_pids(), [])

    def test_daemon_comes_again(self):
        self.start(disk_xml(self.image))
        before = storage_pids()
        self.daemon.restart(signal.SIGKILL)
        wait_until(lambda: "running" in self.state(), 30, "the domain")
        self.assertEqual(storage_pids(), before)
        self.assert_reads(TEXT)
        self.destroy()

    def test_domain_ends_while_there_is_no_daemon(self):
        self.start(disk_xml(self.image))
        process = int(vmm_pid("test"))
        self.daemon.stop(signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
        self.daemon.start()
        wait_until(lambda: "shut off" in self.state(), 30, "the end of the domain")
        wait_until(lambda: not storage_pids(), 30, "the end of the storage daemon")
