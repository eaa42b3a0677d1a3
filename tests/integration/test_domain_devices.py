# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Disks and sources of random numbers of domains, through stock virsh: what their XML says, what the VMM has.

That data goes through them is tested where guests use them.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from xml.etree import ElementTree

from support.daemon import DaemonTest, STDIN, VirshError, virsh, vm_statistics, vmm_pid
from support.vmm import MEMORY_KIND
from support.waiting import wait_until
from support.where import NATIVE, everywhere

MIB = 1 << 20


def parsed(name="test", *options):
    return ElementTree.fromstring(virsh("dumpxml", name, *options))


def address(element):
    return tuple(int(element.find("address").get(part), 16) for part in ("bus", "slot", "function"))


def disk_xml(path, target="vda", driver="", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw' {driver}/>"
            f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>")


RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


class DomainDevices(DaemonTest):
    """Domains with devices behind root ports."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.image = self.make_image("disk.raw", MIB)

    def make_image(self, name, size):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.truncate(size)
        return path

    def has_open(self, path):
        """Whether the domain's VMM has a file open."""
        wanted = os.stat(path)
        folder = f"/proc/{vmm_pid('test')}/fd"
        for name in os.listdir(folder):
            is_there = os.stat(os.path.join(folder, name))
            if (is_there.st_dev, is_there.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
        return False

    @everywhere
    def test_disk_and_rng(self):
        self.define(devices=disk_xml(self.image, more="<serial>s1</serial>") + RNG)
        defined = parsed()
        self.assertEqual(address(defined.find("devices/disk")), (1, 0, 0))
        # Between them is the balloon that a domain has.
        self.assertEqual(address(defined.find("devices/rng")), (3, 0, 0))
        self.assertIsNone(defined.find("devices/disk/alias"))
        self.assertEqual([controller.get("index") for controller in defined.iter("controller")], ["0", "1", "2", "3"])

        self.run_tiny()
        running = parsed()
        self.assertEqual(running.find("devices/disk/alias").get("name"), "virtio-disk0")
        self.assertEqual(running.find("devices/rng/alias").get("name"), "rng0")
        self.assertEqual(running.find("devices/disk/serial").text, "s1")
        self.assertTrue(self.has_open(self.image))
        virsh("destroy", "test")

    def test_rngs(self):
        rate = "<rate bytes='1024' period='500'/>"
        self.define(devices=RNG + f"<rng model='virtio'>{rate}<backend model='builtin'/></rng>")
        self.run_tiny()
        running = parsed()
        self.assertEqual([alias.get("name") for alias in running.iterfind("devices/rng/alias")], ["rng0", "rng1"])
        self.assertEqual([address(rng) for rng in running.iter("rng")], [(2, 0, 0), (3, 0, 0)])
        virsh("destroy", "test")

    def test_the_way_to_guest_memory(self):
        way, other = ("window", "courier") if MEMORY_KIND == "windows" else ("courier", "window")
        self.define(devices=disk_xml(self.image, driver=f"dma='{way}'"))
        self.run_tiny()
        self.assertEqual(parsed().find("devices/disk/driver").get("dma"), way)
        statistics = vm_statistics("test")
        for name in ("registered.bytes.cur", "transfer.registered.bytes.sum", f"transfer.{other}.bytes.sum"):
            self.assertEqual(statistics[f"vm.gmem.{name}"], 0)
        virsh("destroy", "test")
        with self.assertRaisesRegex(VirshError, f"disk vda has dma='{other}', which there is not with memory of the "
                                                f"kind '{MEMORY_KIND}'"):
            self.define(devices=disk_xml(self.image, driver=f"dma='{other}'"))

    def test_file_stays_its_owners(self):
        before = os.stat(self.image)
        self.define(devices=disk_xml(self.image))
        self.run_tiny()
        while_it_runs = os.stat(self.image)
        virsh("destroy", "test")
        self.assertEqual((before.st_uid, before.st_mode), (while_it_runs.st_uid, while_it_runs.st_mode))

    def test_large_disk_may_be_written_to_its_end(self):
        size = 200 * MIB
        self.define(devices=disk_xml(self.make_image("large.raw", size)))
        self.run_tiny()
        with open(f"/proc/{vmm_pid('test')}/limits", encoding="ascii") as file:
            limit = [line.split()[3] for line in file if line.startswith("Max file size")]
        self.assertEqual(limit, [str(size)])
        virsh("destroy", "test")

    def test_image_has_one_user(self):
        self.define(devices=disk_xml(self.image))
        self.define("other", devices=disk_xml(self.image))
        self.run_tiny()
        self.assert_refused("in use|lock", "start", "other")
        virsh("destroy", "test")

    def test_image_is_shared_by_those_who_agree(self):
        shared = disk_xml(self.image, more="<shareable/>")
        self.define(devices=shared)
        self.define("other", devices=shared)
        self.run_tiny()
        virsh("start", "other")
        virsh("destroy", "other")
        virsh("destroy", "test")

    def test_iothreads(self):
        xml = self.xml(devices=disk_xml(self.image, driver="iothread='2'"))
        self.daemon.define(xml.replace("<os>", "<iothreads>2</iothreads><os>", 1))
        self.run_tiny()
        virsh("destroy", "test")

    def serve_at(self, address, is_there):
        """An NBD server of the image, by QEMU's storage daemon."""
        program = shutil.which("qemu-storage-daemon")
        if not program:
            self.skipTest("there is no qemu-storage-daemon")
        server = subprocess.Popen([program, "--blockdev", f"driver=file,node-name=disk,filename={self.image}",
                                   "--nbd-server", address,
                                   "--export", "type=nbd,id=one,node-name=disk,name=one,writable=on"])
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        wait_until(is_there, 30, "no socket of the NBD server")

    def serve(self):
        """The same; its socket's path."""
        path = os.path.join(self.folder, "nbd")
        self.serve_at(f"addr.type=unix,addr.path={path}", lambda: os.path.exists(path))
        return path

    def serve_by_tcp(self):
        """The same; its port on this host."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]

        def is_there():
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            return False

        self.serve_at(f"addr.type=inet,addr.host=127.0.0.1,addr.port={port}", is_there)
        return port

    def check_tcp(self, host):
        source = f"<source protocol='nbd' name='one'><host name='{host}' port='{self.serve_by_tcp()}'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>")
        self.run_tiny()
        virsh("destroy", "test")

    def test_server_by_tcp(self):
        self.check_tcp("127.0.0.1")

    def test_server_by_its_name(self):
        self.check_tcp("localhost")

    def test_server_whose_name_is_unknown(self):
        source = "<source protocol='nbd' name='one'><host name='nobody.invalid' port='10809'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>")
        began = time.monotonic()
        self.assert_refused("disk vda: cannot connect to 'nobody.invalid'", "start", "test")
        self.assertLess(time.monotonic() - began, 20)

    def test_server_on_the_network(self):
        source = f"<source protocol='nbd' name='one'><host transport='unix' socket='{self.serve()}'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>")
        self.run_tiny()
        self.assertEqual(parsed().find("devices/disk/source").get("name"), "one")
        virsh("destroy", "test")

    def test_the_size_of_a_disk_on_the_network(self):
        other = self.make_image("other.raw", 2 * MIB)
        source = f"<source protocol='nbd' name='one'><host transport='unix' socket='{self.serve()}'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>" + disk_xml(other, "vdb"))
        self.assert_refused("known while the domain runs", "domblkinfo", "test", "vda")
        rows = [line.split() for line in virsh("domblkinfo", "test", "--all").splitlines()]
        self.assertEqual(rows[0], ["vda", "-", "-", "-"])
        self.assertEqual(rows[1][:2], ["vdb", str(2 * MIB)])
        self.run_tiny()
        lines = virsh("domblkinfo", "test", "vda", readonly=True).splitlines()
        self.assertEqual([line.split() for line in lines if line],
                         [["Capacity:", str(MIB)], ["Allocation:", "0"], ["Physical:", "0"]])
        rows = [line.split() for line in virsh("domblkinfo", "test", "--all").splitlines()]
        self.assertEqual(rows[0], ["vda", str(MIB), "0", "0"])
        self.assertEqual(rows[1][:2], ["vdb", str(2 * MIB)])
        virsh("destroy", "test")

    def test_server_that_has_no_such_disk(self):
        source = f"<source protocol='nbd' name='two'><host transport='unix' socket='{self.serve()}'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>")
        self.assert_refused("virtio-disk0.*two", "start", "test")

    def test_server_that_is_not_there(self):
        path = os.path.join(self.folder, "nobody")
        source = f"<source protocol='nbd'><host transport='unix' socket='{path}'/></source>"
        self.define(devices=f"<disk type='network'>{source}<target dev='vda'/></disk>")
        self.assert_refused(f"disk vda: cannot connect to '{path}'", "start", "test")

    def test_image_that_is_not_there(self):
        path = os.path.join(self.folder, "none.raw")
        self.define(devices=disk_xml(path, "vdb"))
        self.assert_refused(f"disk vdb '{path}'.*No such file", "start", "test")

    def test_device_that_is_a_file(self):
        self.define(devices=f"<disk type='block'><source dev='{self.image}'/><target dev='vda'/></disk>")
        self.assert_refused("is not a block device", "start", "test")

    def test_what_cannot_be_is_refused_by_its_name(self):
        for devices, words in (
                (disk_xml(self.image).replace("'raw'", "'iso'"), "'iso'"),
                (disk_xml(self.image).replace("'virtio'", "'sata'"), "'sata'"),
                (disk_xml(self.image, more="<iotune><total_iops_sec>1</total_iops_sec><group_name>g</group_name>"
                                           "</iotune>"), "group_name")):
            with self.subTest(words):
                with self.assertRaises(VirshError) as caught:
                    virsh("define", STDIN, text=self.xml(devices=devices))
                self.assertIn("unsupported configuration", caught.exception.message)
                self.assertIn(words, caught.exception.message)
