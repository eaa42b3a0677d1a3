# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Debian's kernel for all machines, with drivers that the cloud kernel of test_debian.py lacks: keys, the tray of a CD-ROM
drive, watchdogs, pvpanic. The domain has all of them, and libvirt's events tell what becomes of it.

It is started once and used by one test after the other; each leaves it running.
"""

import hashlib
import os
import re
import struct
import sys
import tempfile
import unittest
from xml.etree import ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../integration"))

# pylint: disable=wrong-import-position
from support.daemon import Daemon, VirshError, domain_xml, virsh
from support.vmm import GUEST
from support.waiting import wait_until

NAME = "linux"
CD_BLOCK = 2048

# Of Linux: what is in /dev/input.
EV_SYN, EV_KEY = 0, 1
KEY_LEFTSHIFT, KEY_A = 42, 30


def drive_xml(path):
    return (f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{path}'/>"
            "<target dev='sda' bus='sata'/><readonly/></disk>")


def devices_xml(medium):
    """Watchdogs and pvpanic that begin anew; a drive, and a keyboard."""
    return (drive_xml(medium) + "<input type='keyboard' bus='virtio'/><memballoon model='none'/><panic model='isa'/>"
            "<watchdog model='itco' action='reset'/><watchdog model='i6300esb' action='reset'/>")


class Linux(unittest.TestCase):
    limit = 300

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        cls.media = [cls.make_medium(name) for name in ("first.iso", "second.iso")]
        cls.daemon = cls.enterClassContext(Daemon())
        cls.daemon.define(domain_xml(NAME, memory=512, kernel=f"{GUEST}/sata/vmlinuz", initrd=f"{GUEST}/sata/initrd",
                                     extra="<on_crash>restart</on_crash>", devices=devices_xml(cls.media[0][0])))
        cls.events = cls.daemon.events()
        cls.console = cls.daemon.start_guest(NAME)

    @classmethod
    def make_medium(cls, name):
        """Its path, and the checksum of what is in it."""
        content = os.urandom(64 * CD_BLOCK)
        path = os.path.join(cls.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path, hashlib.sha256(content).hexdigest()

    def setUp(self):
        self.assertEqual(virsh("domstate", NAME), "running")

    def run_in(self, *commands):
        """What the last of them prints. Each fits a line of the guest's terminal."""
        for command in commands:
            printed = self.console.run(command)
        return printed

    def open_keyboard(self):
        self.run_in("exec 3<&-; cd /sys/bus/virtio/devices/*/input/input*",
                    "exec 3</dev/input/$(echo event*); cd /")

    def read_keys(self, count):
        """The codes and values of keys that a program of the guest's gets."""
        printed = self.run_in("show() { hexdump -v -e '24/1 \"%02x\" \"\\n\"'; }",
                              f"dd bs=24 count={2 * count} <&3 2>/dev/null | show")
        events = [struct.unpack("<16xHHi", bytes.fromhex(line)) for line in re.findall("[0-9a-f]{48}", printed)]
        self.assertEqual([kind for kind, _, _ in events], [EV_KEY, EV_SYN] * count, printed)
        return [(code, value) for kind, code, value in events if kind == EV_KEY]

    def tray(self):
        target = ElementTree.fromstring(virsh("dumpxml", NAME)).find("devices/disk[@device='cdrom']/target")
        return target.get("tray", "closed")

    def read_medium(self):
        return self.run_in("sha256sum /dev/sr0").split()[0]

    def test_keys_are_heard(self):
        self.open_keyboard()
        virsh("send-key", NAME, "--holdtime", "20", "KEY_LEFTSHIFT", "KEY_A")
        self.assertEqual(self.read_keys(4), [(KEY_LEFTSHIFT, 1), (KEY_A, 1), (KEY_A, 0), (KEY_LEFTSHIFT, 0)])
        # Another set's codes for the same.
        virsh("send-key", NAME, "--codeset", "usb", "--holdtime", "20", "4")
        self.assertEqual(self.read_keys(2), [(KEY_A, 1), (KEY_A, 0)])

    def test_control_alt_delete_restarts_it(self):
        virsh("send-key", NAME, "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_DELETE")
        self.events.wait_reboot(NAME)
        self.console.wait_shell()

    def test_a_medium_that_the_guest_ejects(self):
        (_, first), (second, content) = self.media
        self.assertEqual(self.read_medium(), first)
        # Debian's busybox has no eject. Linux does that, too, when the drive is closed.
        self.run_in("cd /proc/sys/dev/cdrom; echo 1 >autoeject; : </dev/sr0; echo 0 >autoeject; cd /")
        self.events.wait_tray("opened", "sata0-0-0", NAME)
        self.assertEqual(self.tray(), "open")
        virsh("change-media", NAME, "sda", second, "--update", "--live")
        self.events.wait_tray("closed", "sata0-0-0", NAME)
        self.assertEqual(self.tray(), "closed")
        self.assertEqual(self.read_medium(), content)
        self.put_first_back()

    def put_first_back(self):
        virsh("change-media", NAME, "sda", self.media[0][0], "--update", "--live")
        self.assertEqual(self.read_medium(), self.media[0][1])

    def test_a_tray_that_the_guest_has_locked(self):
        """Nobody in this guest hears that it is asked to open it."""
        second, content = self.media[1]
        self.run_in("exec 4</dev/sr0")
        with self.assertRaisesRegex(VirshError, "locked"):
            virsh("change-media", NAME, "sda", second, "--update", "--live")
        self.assertEqual(self.run_in("head -c 131072 <&4 | sha256sum").split()[0], self.media[0][1])
        virsh("change-media", NAME, "sda", second, "--update", "--live", "--force")
        self.run_in("exec 4<&-")
        self.assertEqual(self.read_medium(), content)
        self.put_first_back()

    def let_bite(self, identity):
        """Opens the watchdog of that name, and does no more."""
        found = self.run_in(f"cd /sys/class/watchdog; grep -l '{identity}' */identity; cd /")
        self.console.send(f"exec 5>/dev/{found.split('/')[0]}\r")
        self.events.wait_watchdog("reset", NAME, 180)
        self.events.wait_reboot(NAME)
        self.console.wait_shell()

    def test_the_chipsets_watchdog_bites(self):
        """After twice the 30 seconds of its driver, which cannot be unloaded: the timer runs from a reset on."""
        self.let_bite("iTCO_wdt")

    def test_the_watchdog_on_pci_bites(self):
        self.run_in("rmmod i6300esb", "insmod /modules/i6300esb.ko heartbeat=4")
        self.let_bite("i6300ESB timer")

    def test_a_kernel_that_crashes_begins_anew(self):
        self.console.send("echo c >/proc/sysrq-trigger\r")
        self.events.wait("Crashed Panicked", NAME)
        self.console.wait_shell()
        wait_until(lambda: virsh("domstate", NAME) == "running", 30, "a domain that runs")


if __name__ == "__main__":
    unittest.main()
