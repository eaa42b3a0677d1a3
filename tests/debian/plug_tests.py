# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that come to the Debian of test_debian.py and go while they are used: network cards, images of qcow2."""

import hashlib
import os
import socket
import subprocess

from support.daemon import STDIN, virsh
from support.waiting import wait_until

MIB = 1 << 20

# A card's, of the host's end and of the guest's.
MAC = "52:54:00:a1:b2:c3"
TAP = "extra0"
HOST, GUEST = "198.51.100.1", "198.51.100.2"
CARD = f"<interface type='ethernet'><mac address='{MAC}'/><target dev='{TAP}'/><model type='virtio'/></interface>"

# What the guest is to do with it, for systemd-networkd.
NETWORK = f"""[Match]
MACAddress={MAC}

[Network]
Address={GUEST}/24
LinkLocalAddressing=no
"""


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def has_tap():
    return TAP in (name for _, name in socket.if_nameindex())


class PlugTests:
    """For a class that has a guest by "name", whose images are in "folder", for the daemon in "images"."""

    def attach_card(self):
        self.ssh("mkdir -p /run/systemd/network; cat >/run/systemd/network/10-extra.network; networkctl reload",
                 data=NETWORK.encode())
        virsh("attach-device", self.name, STDIN, "--live", text=CARD)
        self.addCleanup(self.detach_card)
        run("ip", "address", "add", f"{HOST}/24", "dev", TAP)
        run("ip", "link", "set", TAP, "up")
        self.wait_in_guest(f"ip -o address | grep -q ' {GUEST}/24'")

    def detach_card(self):
        """Returns when the guest has let go of it."""
        if has_tap():
            virsh("detach-interface", self.name, "ethernet", "--mac", MAC, "--live", seconds=120)
            wait_until(lambda: not has_tap(), 120, "the card's end")
            self.wait_in_guest(f"! ip -o link | grep -q {MAC}")

    def assert_no_complaints(self):
        """Of the guest's kernel."""
        self.assertEqual(self.text("dmesg | grep -E 'Oops|BUG:|WARNING:|Call Trace' || :"), "")

    def test_a_network_card_comes_and_goes(self):
        for _ in range(2):
            self.attach_card()
            content = os.urandom(8 * MIB)
            digest = self.ssh("cat >/tmp/content; sha256sum </tmp/content", data=content, address=(GUEST, 22))
            self.assertEqual(digest.decode().split()[0], hashlib.sha256(content).hexdigest())
            self.assertEqual(self.ssh("cat /tmp/content; rm /tmp/content", address=(GUEST, 22)), content)
            self.detach_card()
        self.assertNotIn(MAC, virsh("domiflist", self.name))
        self.assert_no_complaints()

    def sent_by_card(self):
        lines = virsh("domifstat", self.name, TAP).splitlines()
        return {name: int(value) for _, name, value in map(str.split, lines)}["tx_bytes"]

    def test_a_network_card_is_taken_away_while_it_is_used(self):
        """While a stream goes through it in both directions."""
        self.attach_card()
        with open("/dev/zero", "rb") as zero, \
                subprocess.Popen(self.ssh_command("cat", (GUEST, 22)), stdin=zero, stdout=subprocess.DEVNULL) as stream:
            try:
                wait_until(lambda: self.sent_by_card() > MIB, 120, "a stream")
                self.detach_card()
                self.assertIsNone(stream.poll())
            finally:
                stream.kill()
        self.assertNotIn(MAC, virsh("domiflist", self.name))
        self.assert_no_complaints()
        self.attach_card()
        self.assertEqual(self.ssh("uname -n", address=(GUEST, 22)), b"gmem-debian\n")

    def attach_image(self, path):
        virsh("attach-disk", self.name, path, "vdd", "--driver", "qemu", "--subdriver", "qcow2", "--live")
        self.addCleanup(self.detach_extra_disk)
        self.wait_in_guest("[ -b /dev/vdd ]")

    def test_an_image_of_qcow2_is_taken_away_while_it_is_written_to(self):
        """What was synced before is there, in an image that is whole, and when it comes again."""
        image = os.path.join(self.folder, "extra.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", image, "64M")
        self.addCleanup(os.unlink, image)
        self.attach_image(f"{self.images}/extra.qcow2")
        digest = self.text("head -c 16M /dev/urandom >/tmp/content; sha256sum </tmp/content; "
                           "dd if=/tmp/content of=/dev/vdd bs=1M conv=notrunc,nocreat,fsync status=none; "
                           "rm /tmp/content").split()[0]
        self.write_to_extra_disk(seek="seek=8192")
        self.detach_extra_disk()
        run("qemu-img", "check", image)
        raw = os.path.join(self.folder, "extra.raw")
        run("qemu-img", "convert", "-O", "raw", image, raw)
        self.addCleanup(os.unlink, raw)
        self.assertEqual(self.checksum_of_image("extra.raw", 16 * MIB), digest)
        self.attach_image(f"{self.images}/extra.qcow2")
        self.assertEqual(self.text("head -c 16M /dev/vdd | sha256sum").split()[0], digest)
        self.assert_no_complaints()
