# SPDX-License-Identifier: LGPL-2.1-or-later
"""
An installed Debian (tools/lib/debian-guest.sh) that is worked in: content of disks and of a network, devices that
come and go while they are in use, a reset in the middle of writing.

It is started once and used by one test after the other, since a start takes minutes in an emulated host; each test
leaves it as it may be left, or shut down. GMEM_DEBIAN is a folder with its disks, which are written to.
"""

import hashlib
import os
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../integration"))

# pylint: disable=wrong-import-position
from agent_tests import AgentTests, needs_recovery
from plug_tests import PlugTests
from support import debian
from support.daemon import Daemon, memory_elements, virsh, vm_statistics
from support.debian import FOLDER, PORT, run
from support.waiting import wait_until

# Where the images are for the daemon: libvirt's own folder, which its AppArmor profile knows.
IMAGES = "/var/lib/libvirt/images/gmem-debian"
NAME = "debian"

MIB = 1 << 20
# Of the content that goes through disks and network. A guest in an emulated host takes a second for each.
CONTENT = 32 * MIB

MEMORY_MIB = 1024

# For its seven devices, and two that may be attached.
ROOT_PORTS = 9 * "<controller type='pci' model='pcie-root-port'/>"


def disk_xml(file, target, readonly=False):
    return f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{IMAGES}/{file}'/>
      <target dev='{target}' bus='virtio'/>{"<readonly/>" if readonly else ""}</disk>"""


def domain_xml():
    private, security = memory_elements()
    return f"""<domain type='kvm'>
  <name>{NAME}</name>
  <memory unit='MiB'>{MEMORY_MIB}</memory>
  <memoryBacking>{private}</memoryBacking>
  <vcpu>2</vcpu>
  <os firmware='efi'>
    <type arch='x86_64' machine='q35'>hvm</type>
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/><smm state='off'/></features>
  <cpu mode='host-passthrough' check='none'/>
  <on_reboot>restart</on_reboot>
  <devices>
    {disk_xml("disk.raw", "vda")}
    {disk_xml("seed.raw", "vdb", readonly=True)}
    {disk_xml("data.raw", "vdc")}
    {ROOT_PORTS}
    <interface type='user'>
      <backend type='passt'/>
      <model type='virtio'/>
      <portForward proto='tcp' address='127.0.0.1'><range start='{PORT}' to='22'/></portForward>
    </interface>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='pty'/>
  </devices>
  {security}
</domain>
"""


class Debian(AgentTests, PlugTests, unittest.TestCase):
    processors = 3
    limit = 900

    name, disk = NAME, os.path.join(FOLDER, "disk.raw")
    folder, images = FOLDER, IMAGES
    ssh = staticmethod(debian.ssh)
    ssh_command = staticmethod(debian.ssh_command)
    text = staticmethod(debian.text)
    wait_in_guest = staticmethod(debian.wait_in_guest)

    @classmethod
    def setUpClass(cls):
        cls.enter_namespaces()
        with open(os.path.join(FOLDER, "data.raw"), "wb") as file:
            file.truncate(64 * MIB)
        cls.daemon = cls.enterClassContext(Daemon())
        cls.daemon.define(domain_xml())
        cls.console = None

    @staticmethod
    def enter_namespaces():
        """A network that passt can speak for; and the images where libvirt has them."""
        debian.enter_namespaces()
        os.makedirs(IMAGES, exist_ok=True)
        run(f"mount --bind {FOLDER} {IMAGES}")

    def setUp(self):
        if virsh("domstate", NAME) == "shut off":
            type(self).console = self.daemon.start_on_console(NAME)
            debian.wait_boot(self.console)

    def make_image(self, name, size):
        path = os.path.join(FOLDER, name)
        with open(path, "wb") as file:
            file.truncate(size)
        self.addCleanup(os.unlink, path)
        return path

    def attach_extra_disk(self):
        """Plugs a disk in, vdd; its image."""
        image = self.make_image("extra.raw", 64 * MIB)
        virsh("attach-disk", NAME, f"{IMAGES}/extra.raw", "vdd", "--live")
        self.addCleanup(self.detach_extra_disk)
        self.wait_in_guest("[ -b /dev/vdd ]")
        return image

    def write_to_extra_disk(self, seek=""):
        """Keeps writing to it past the page cache, as long as it is there."""
        self.ssh("systemd-run --quiet --unit=writer --collect sh -c 'while dd if=/dev/zero of=/dev/vdd bs=4k "
                 f"oflag=direct conv=notrunc,nocreat count=4096 {seek} status=none; do :; done'")
        before = int(self.text("awk '{ print $5 }' /sys/block/vdd/stat"))
        self.wait_in_guest(f"[ $(awk '{{ print $5 }}' /sys/block/vdd/stat) -gt {before + 100} ]")

    def detach_extra_disk(self):
        """Returns when the guest has let go of it, with whoever wrote to it."""
        if "vdd" in virsh("domblklist", NAME):
            virsh("detach-disk", NAME, "vdd", "--live", seconds=120)
            self.wait_in_guest("[ ! -b /dev/vdd ] && ! systemctl is-active --quiet writer")
            wait_until(lambda: "vdd" not in virsh("domblklist", NAME), 120, "the disk's end")

    def checksum_of_image(self, name, size):
        with open(os.path.join(FOLDER, name), "rb") as file:
            return hashlib.sha256(file.read(size)).hexdigest()

    def test_it_answers_and_shows_the_host_next_to_nothing(self):
        self.assertEqual(self.text("uname -n"), "gmem-debian")
        statistics = vm_statistics(NAME)
        touched = int(self.text("awk '/MemTotal/ { total = $2 } /MemFree/ { free = $2 } "
                                "END { print (total - free) * 1024 }' /proc/meminfo"))
        self.assertLess(statistics["vm.gmem.shared.bytes.cur"], 0.03 * touched)

    def test_devices_show_the_host_next_to_nothing(self):
        """1 GiB read from a disk, and 64 MiB over the network: at any time little of what the guest uses is shared."""
        size = 64 * MIB
        self.ssh("blkdiscard -z /dev/vdc && for i in $(seq 16); do "
                 "dd if=/dev/vdc of=/dev/null bs=1M iflag=direct status=none || exit 1; done")
        self.assertEqual(len(self.ssh(f"head -c {size} /dev/zero")), size)
        statistics = vm_statistics(NAME)
        print(f"# of {statistics['vm.gmem.mapped.bytes.cur'] >> 20} MiB that are mapped, "
              f"{statistics['vm.gmem.shared.bytes.cur'] >> 10} KiB are shared, "
              f"{statistics['vm.gmem.shared.bytes.max'] >> 10} KiB were")
        for name, value in statistics.items():
            if name.startswith("vm.gmem.convert.to-shared.") and name.endswith(".count.sum") and value:
                print(f"# {name}: {value}")
        self.assertLess(statistics["vm.gmem.shared.bytes.max"], 0.03 * statistics["vm.gmem.mapped.bytes.cur"])

    def write_content(self, path):
        """Random content past the page cache, once written and then read back in two ways; its checksum, if all agree."""
        written = self.text(f"head -c {CONTENT} /dev/urandom >/tmp/content && "
                            f"dd if=/tmp/content of={path} bs=64k oflag=direct conv=fsync status=none && "
                            "sha256sum </tmp/content && rm /tmp/content").split()[0]
        read = self.text(f"sync; echo 3 >/proc/sys/vm/drop_caches; head -c {CONTENT} {path} | sha256sum")
        direct = self.text(f"dd if={path} bs=4k count={CONTENT // 4096} iflag=direct status=none | sha256sum")
        self.assertEqual([read.split()[0], direct.split()[0]], [written, written])
        return written

    def check_network(self):
        content = os.urandom(CONTENT // 4)
        self.assertEqual(self.text("cat >/tmp/sent && sha256sum </tmp/sent", data=content).split()[0],
                         hashlib.sha256(content).hexdigest())
        self.assertEqual(self.ssh("cat /tmp/sent; rm /tmp/sent"), content)

    @staticmethod
    def move_balloon(sizes, is_over):
        """Has the guest give memory and get it again, until that is over."""
        while not is_over.is_set():
            virsh("setmem", NAME, f"{sizes[0]}M", "--live")
            sizes.reverse()
            is_over.wait(2)

    def test_content_agrees_while_memory_moves(self):
        """
        On both disks and over the network, beside processes that use the memory and all processors, a balloon that
        moves, pages that become shared and go back.
        """
        before = vm_statistics(NAME)
        is_over = threading.Event()
        balloon = threading.Thread(target=self.move_balloon, args=([MEMORY_MIB - 256, MEMORY_MIB], is_over))
        self.ssh("systemd-run --quiet --unit=stress stress-ng --vm 2 --vm-bytes 40% --timeout 3600")
        balloon.start()
        try:
            written = self.write_content("/dev/vdc")
            self.write_content("/root/content")
            self.check_network()
        finally:
            is_over.set()
            balloon.join()
            self.ssh("systemctl stop stress; rm -f /root/content", check=False)
            virsh("setmem", NAME, f"{MEMORY_MIB}M", "--live")
        self.assertEqual(self.checksum_of_image("data.raw", CONTENT), written)
        after = vm_statistics(NAME)
        for name in ("vm.gmem.convert.to-shared.host-touch-vcpu.count.sum",
                     "vm.gmem.convert.to-private.reclaim.count.sum", "vm.gmem.released.private.bytes.sum"):
            self.assertGreater(after[name], before[name], name)

    def test_content_of_the_network_agrees(self):
        self.check_network()

    def test_a_disk_comes_and_goes(self):
        image = self.attach_extra_disk()
        written = self.text("mkfs.ext4 -q /dev/vdd && mount /dev/vdd /mnt && mkdir /mnt/bin && "
                            "cp -a /usr/bin/[e-g]* /mnt/bin/ && sha256sum </mnt/bin/fio && umount /mnt").split()[0]
        self.detach_extra_disk()
        run(f"e2fsck -fn {image}")
        there = subprocess.run(["debugfs", "-R", "cat /bin/fio", image], check=True, capture_output=True).stdout
        self.assertEqual(hashlib.sha256(there).hexdigest(), written)

    def test_a_disk_is_taken_away_while_it_is_written_to(self):
        self.attach_extra_disk()
        self.write_to_extra_disk()
        self.detach_extra_disk()
        self.assertEqual(self.text("uname -n"), "gmem-debian")

    def test_a_reset_in_the_middle_of_writing(self):
        kept = self.text("head -c 1048576 /dev/urandom >/root/kept && sync && sha256sum </root/kept").split()[0]
        self.ssh("systemd-run --quiet --unit=writer sh -c "
                 "'while :; do head -c 262144 /dev/urandom >/root/written.$((number = number + 1)); done'")
        self.wait_in_guest("[ -e /root/written.20 ]")
        virsh("reset", NAME)
        debian.wait_login(self.console)
        # The journal was needed, and was enough.
        self.assertIn("recovery complete", self.text("dmesg").lower())
        self.assertEqual(self.text("sha256sum </root/kept").split()[0], kept)
        self.assertRegex(self.text("grep ' / ' /proc/mounts"), r" rw[, ]")
        self.ssh("rm -f /root/written.* /root/kept")

    def test_it_shuts_down(self):
        events = self.daemon.events()
        self.addCleanup(events.close)
        virsh("shutdown", NAME)
        events.wait("Stopped Shutdown", NAME, 300)
        self.assertEqual(virsh("domstate", NAME, "--reason"), "shut off (shutdown)")
        self.assertFalse(needs_recovery(self.disk), "the file system was not unmounted")


