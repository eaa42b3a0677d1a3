# SPDX-License-Identifier: LGPL-2.1-or-later
"""What firmware finds in fw_cfg of the order in which it is to look for something to start."""

import socket
import struct
import tempfile
import unittest

from support.agent import Agent
from support.devices import device, root_port
from support.media import option_rom
from support.qmp import QmpError
from support.vmm import Vmm, payload, refused
from support.where import NATIVE
from test_firmware import BIOS

FW_CFG_SELECTOR, FW_CFG_DATA = 0x510, 0x511
FW_CFG_FILE_DIR = 0x19


class FwCfg:
    """fw_cfg, read as a guest does it, a byte at a time."""

    def __init__(self, guest):
        self.guest = guest

    def _read(self, size):
        return bytes(self.guest.call("in", FW_CFG_DATA, 1) for _ in range(size))

    def read(self, name):
        """A file's content; None where there is no such file."""
        self.guest.call("out", FW_CFG_SELECTOR, 2, FW_CFG_FILE_DIR)
        for _ in range(struct.unpack(">I", self._read(4))[0]):
            size, selector, _, found = struct.unpack(">IHH56s", self._read(64))
            if found.rstrip(b"\0") == name.encode():
                self.guest.call("out", FW_CFG_SELECTOR, 2, selector)
                return self._read(size)
        return None


class BootOrder(unittest.TestCase):
    """A BIOS that is told what to do, and network cards, which need nothing but a socket."""

    where = NATIVE

    def card(self, name, bus, **members):
        ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (ours, other):
            self.addCleanup(end.close)
        self.descriptors.append(other.fileno())
        return device("virtio-net-pci", name, bus=bus, addr="0x0", mac=f"52:54:00:00:00:{len(self.descriptors):02x}",
                      netdev={"type": "stream", "fd": str(other.fileno())}, **members)

    def setUp(self):
        self.descriptors = []
        self.ports = [root_port("pci.1", "0x2.0x0", chassis=1, port=16, multifunction=True),
                      root_port("pci.2", "0x2.0x1", chassis=2, port=17),
                      root_port("pci.3", "0x3", chassis=3, port=24)]

    def start(self, *devices):
        guest = Agent("--memory=64M", *self.ports, *devices, image=f"--bios={payload('firmware')}",
                      pass_fds=self.descriptors)
        self.addCleanup(guest.end)
        return guest

    def order_of(self, *devices):
        return FwCfg(self.start(*devices)).read("bootorder")

    def test_none(self):
        self.assertEqual(self.order_of(self.card("net0", "pci.1")), b"")

    def test_devices_are_in_the_order_of_their_numbers(self):
        order = self.order_of(self.card("net0", "pci.1", bootindex=7), self.card("net1", "pci.2", bootindex=2),
                              self.card("net2", "pci.3"))
        self.assertEqual(order, b"/pci@i0cf8/pci-bridge@2,1/ethernet@0/ethernet-phy@0\n"
                                b"/pci@i0cf8/pci-bridge@2/ethernet@0/ethernet-phy@0\0")

    def test_drives_at_a_sata_controller(self):
        image = tempfile.NamedTemporaryFile(prefix="gmem-boot-order.")
        self.addCleanup(image.close)
        image.truncate(1 << 20)
        self.descriptors.append(image.fileno())
        order = self.order_of(device("ich9-ahci", "sata0", bus="pcie.0", addr="0x1f.0x2"),
                              self.card("net0", "pci.1", bootindex=2),
                              device("ide-hd", "disk0", bus="sata0.3", bootindex=1,
                                     blockdev={"driver": "raw", "fd": str(image.fileno())}))
        self.assertEqual(order, b"/pci@i0cf8/pci8086,2922@1f,2/drive@3/disk@0\n"
                                b"/pci@i0cf8/pci-bridge@2/ethernet@0/ethernet-phy@0\0")

    def plug_in(self, guest, name, bus, index):
        ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(ours.close)
        with other:
            guest.qmp.execute("getfd", descriptors=[other.fileno()], fdname="fd-" + name)
        guest.qmp.execute("device_add", driver="virtio-net-pci", id=name, bus=bus, addr="0x0", bootindex=index,
                          mac="52:54:00:00:01:01", netdev={"type": "stream", "fd": "fd-" + name})

    def test_devices_that_come_and_go(self):
        """Firmware is told of them at a reset."""
        first = b"/pci@i0cf8/pci-bridge@2/ethernet@0/ethernet-phy@0"
        second = b"/pci@i0cf8/pci-bridge@2,1/ethernet@0/ethernet-phy@0"
        third = b"/pci@i0cf8/pci-bridge@3/ethernet@0/ethernet-phy@0"
        guest = self.start(self.card("net0", "pci.1", bootindex=5))
        with self.assertRaisesRegex(QmpError, "another device has this number"):
            self.plug_in(guest, "net1", "pci.2", 5)
        self.plug_in(guest, "net1", "pci.2", 2)
        self.assertEqual(FwCfg(guest).read("bootorder"), first + b"\0")
        guest.qmp.execute("system_reset")
        guest.wait_ready()
        self.assertEqual(FwCfg(guest).read("bootorder"), second + b"\n" + first + b"\0")
        guest.qmp.execute("device_del", id="net0")
        guest.qmp.execute("system_reset")
        guest.qmp.wait_event("DEVICE_DELETED")
        guest.wait_ready()
        self.assertEqual(FwCfg(guest).read("bootorder"), second + b"\0")
        self.plug_in(guest, "net2", "pci.3", 5)
        guest.qmp.execute("device_del", id="net1")
        guest.qmp.execute("system_reset")
        guest.qmp.wait_event("DEVICE_DELETED")
        guest.wait_ready()
        self.assertEqual(FwCfg(guest).read("bootorder"), third + b"\0")

    def test_an_option_rom(self):
        """SeaBIOS runs the one of a card; it was made for the device that cards were before virtio 1.0."""
        rom = tempfile.NamedTemporaryFile(prefix="gmem-rom.")
        self.addCleanup(rom.close)
        rom.write(option_rom(0x1af4, 0x1000, b"FROM THE CARD"))
        rom.flush()
        card = self.card("net0", "pci.1", bootindex=1, **{"rom-fd": str(rom.fileno())})
        vmm = Vmm(f"--bios={BIOS}", "--sercon", "--memory=64M", *self.ports, card,
                  pass_fds=[*self.descriptors, rom.fileno()])
        self.addCleanup(vmm.end)
        vmm.console.wait_for("FROM THE CARD", 60)

    def test_an_option_rom_that_is_none(self):
        rom = tempfile.NamedTemporaryFile(prefix="gmem-rom.")
        self.addCleanup(rom.close)
        for size, reason in ((4096, "it does not begin as one"), (10, "at most 16 MiB"), (32 << 20, "at most 16 MiB")):
            with self.subTest(size=size):
                rom.truncate(size)
                card = self.card("net0", "pci.1", **{"rom-fd": str(rom.fileno())})
                words = refused(f"--bios={payload('firmware')}", "--memory=64M", *self.ports, card,
                                pass_fds=[*self.descriptors, rom.fileno()])
                self.assertIn("option ROM of net0: ", words)
                self.assertIn(reason, words)

    def test_two_with_one_number(self):
        words = refused(f"--bios={payload('firmware')}", "--memory=64M", *self.ports,
                        self.card("net0", "pci.1", bootindex=1), self.card("net1", "pci.2", bootindex=1),
                        pass_fds=self.descriptors)
        self.assertIn("device 'net1': member 'bootindex': another device has this number", words)

    def test_what_nothing_is_started_from(self):
        words = refused(f"--bios={payload('firmware')}", "--memory=64M", *self.ports,
                        device("virtio-rng-pci", "rng0", bus="pci.1", addr="0x0", bootindex=1))
        self.assertIn("bootindex", words)
