# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Devices that are plugged in and out while the guest runs: what the monitor says, and what a guest finds that drives
the slot of its root port by hand.
"""

import os
import unittest

from support.agent import Agent
from support.devices import device, root_port
from support.qmp import QmpError
from support.virtio import VirtioDevice
from support.waiting import wait_until
from support.where import HOSTS, NATIVE
import test_boot
from test_virtio import RngTest

# A root port's PCI Express capability, and what is in it.
EXPRESS = 0x40
LINK_STATUS, SLOT_CONTROL, SLOT_STATUS = EXPRESS + 0x12, EXPRESS + 0x18, EXPRESS + 0x1a
BUTTON, PRESENCE_CHANGED, COMPLETED, PRESENT, LINK_CHANGED = 1, 8, 16, 64, 256
LINK_ACTIVE = 0x2000
POWER_ON, POWER_BLINK, POWER_OFF = 0x100, 0x200, 0x700

RNG = {"driver": "virtio-rng-pci", "id": "rng0", "bus": "pci.1", "addr": "0x0"}
PORTS = (root_port("pci.1", "0x1", chassis=1, port=8), root_port("pci.2", "0x2", chassis=2, port=16))


class HotPlugTest(RngTest):
    """A guest with two root ports, of which it drives the first."""

    where = NATIVE
    devices = ()

    def setUp(self):
        self.guest = Agent("--memory=64M", *PORTS, *self.devices)
        self.addCleanup(self.guest.end)
        self.qmp = self.guest.qmp

    def select(self, offset):
        self.guest.call("out", 0xcf8, 4, 1 << 31 | 1 << 11 | offset & 0xfc)
        return 0xcfc + offset % 4

    def port(self, offset):
        return self.guest.call("in", self.select(offset), 2)

    def command(self, control):
        """Writes slot control, and clears what that has led to."""
        self.guest.call("out", self.select(SLOT_CONTROL), 2, control)
        return self.take_events() & ~COMPLETED

    def take_events(self):
        status = self.port(SLOT_STATUS)
        self.guest.call("out", self.select(SLOT_STATUS), 2, status)
        return status & ~PRESENT

    def is_present(self):
        return bool(self.port(SLOT_STATUS) & PRESENT)

    def is_link_up(self):
        return bool(self.port(LINK_STATUS) & LINK_ACTIVE)

    def power_on(self):
        self.assertEqual(self.command(POWER_BLINK), LINK_CHANGED)
        self.command(POWER_ON)
        self.device = VirtioDevice(self.guest)

    def plug_in(self, **members):
        self.qmp.execute("device_add", **RNG, **members)
        self.assertEqual(self.take_events(), PRESENCE_CHANGED | BUTTON)
        self.assertTrue(self.is_present())
        self.assertFalse(self.is_link_up())
        self.power_on()

    def plug_out(self):
        self.qmp.execute("device_del", id="rng0")
        self.assertEqual(self.take_events(), BUTTON)
        self.command(POWER_BLINK)
        events = self.command(POWER_OFF)
        self.assertEqual(self.qmp.wait_event("DEVICE_DELETED")["data"],
                         {"device": "rng0", "path": "/machine/peripheral/rng0"})
        self.assertEqual(events | self.take_events(), LINK_CHANGED | PRESENCE_CHANGED)

    def list_devices(self):
        return {device["name"]: device["type"]
                for device in self.qmp.execute("qom-list", path="/machine/peripheral")}

    def assertRefused(self, error, command, **arguments):
        with self.assertRaises(QmpError) as caught:
            self.qmp.execute(command, **arguments)
        self.assertIn(error, caught.exception.description)


class ComesAndGoes(HotPlugTest):
    """What is plugged in works, is taken away when the guest lets go, and comes again."""

    def test_in_and_out_and_in_again(self):
        self.assertFalse(self.is_present())
        for _ in range(3):
            self.assertNotIn("rng0", self.list_devices())
            self.plug_in()
            self.assertEqual(self.list_devices()["rng0"], "child<virtio-rng-pci>")
            self.assertTrue(self.is_link_up())
            self.assertWorks(self.set_up())
            self.plug_out()
            self.assertFalse(self.is_present())
            self.assertFalse(self.is_link_up())

    def test_a_descriptor_of_its_own(self):
        """What the monitor's client has sent is what the guest reads, and is closed with the device."""
        reading, writing = os.pipe()
        os.write(writing, bytes(range(64)))
        self.qmp.execute("getfd", descriptors=[reading], fdname="fd-rng0")
        os.close(reading)
        self.plug_in(rng_fd="fd-rng0")
        ring = self.set_up()
        self.assertEqual(self.get_bytes(ring), [int.from_bytes(bytes(range(i, i + 8)), "little")
                                                for i in range(0, 64, 8)])
        self.plug_out()
        with self.assertRaises(BrokenPipeError):
            os.write(writing, b"x")
        os.close(writing)

    def test_powered_off_by_the_guest_alone(self):
        self.plug_in()
        self.assertWorks(self.set_up())
        self.command(POWER_OFF)
        self.assertTrue(self.is_present())
        self.assertFalse(self.is_link_up())
        self.power_on()
        self.assertWorks(self.set_up())
        self.command(POWER_OFF)
        # Nobody needs to be asked.
        self.qmp.execute("device_del", id="rng0")
        self.qmp.wait_event("DEVICE_DELETED")

    def test_while_it_is_paused(self):
        self.qmp.execute("stop")
        self.qmp.execute("device_add", **RNG)
        self.qmp.execute("cont")
        self.assertEqual(self.take_events(), PRESENCE_CHANGED | BUTTON)
        self.power_on()
        self.assertWorks(self.set_up())

    def test_at_a_reset(self):
        """It has power from the start then, and one that was asked for is gone."""
        self.plug_in()
        self.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.assertTrue(self.is_link_up())
        self.device = VirtioDevice(self.guest)
        self.assertWorks(self.set_up())
        self.qmp.execute("device_del", id="rng0")
        self.qmp.execute("system_reset")
        self.qmp.wait_event("DEVICE_DELETED")
        self.guest.wait_ready()
        self.assertFalse(self.is_present())


class ThereFromTheStart(HotPlugTest):
    """What --device has put there goes the same way."""

    devices = (device("virtio-rng-pci", "rng0", bus="pci.1", addr="0x0"),)

    def test_out_and_in(self):
        self.assertTrue(self.is_link_up())
        self.device = VirtioDevice(self.guest)
        self.assertWorks(self.set_up())
        self.plug_out()
        self.plug_in()
        self.assertWorks(self.set_up())

    def test_the_guest_refuses(self):
        self.qmp.execute("device_del", id="rng0")
        self.assertEqual(self.take_events(), BUTTON)
        self.command(POWER_BLINK)
        self.assertRefused("try again", "device_del", id="rng0")
        self.command(POWER_ON)
        self.assertEqual(self.qmp.wait_event("DEVICE_UNPLUG_GUEST_ERROR")["data"]["device"], "rng0")
        self.assertTrue(self.is_link_up())
        self.plug_out()

    def test_the_guest_does_not_answer(self):
        self.qmp.execute("device_del", id="rng0")
        self.qmp.execute("device_del", id="rng0")
        self.assertEqual(self.qmp.events, [])
        self.assertTrue(self.is_link_up())


class IoThreads(HotPlugTest):
    """Threads that serve devices; the guest does not hear of them."""

    def threads(self):
        return {thread["id"]: thread["thread-id"] for thread in self.qmp.execute("query-iothreads")}

    def test_one_that_serves_a_device(self):
        self.qmp.execute("device_add", driver="iothread", id="iothread1")
        thread, = self.threads().values()
        self.assertTrue(os.path.exists(f"/proc/{self.guest.pid}/task/{thread}"))
        self.plug_in(iothread="iothread1")
        self.assertWorks(self.set_up())
        self.assertRefused("I/O thread 'iothread1' serves devices", "device_del", id="iothread1")
        self.assertWorks(self.set_up())
        self.plug_out()
        self.qmp.execute("device_del", id="iothread1")
        self.assertEqual(self.threads(), {})
        self.assertFalse(os.path.exists(f"/proc/{self.guest.pid}/task/{thread}"))

    def test_many_in_turn(self):
        for _ in range(20):
            for number in range(8):
                self.qmp.execute("device_add", driver="iothread", id=f"iothread{number}")
            self.assertEqual(len(set(self.threads().values())), 8)
            for number in range(8):
                self.qmp.execute("device_del", id=f"iothread{number}")
        self.assertEqual(self.threads(), {})

    def test_what_cannot_be(self):
        self.qmp.execute("device_add", driver="iothread", id="iothread1")
        self.assertRefused("another device is called so", "device_add", driver="iothread", id="iothread1")
        self.assertRefused("letters, digits", "device_add", driver="iothread", id="")
        self.assertRefused("member 'polls' is unknown", "device_add", driver="iothread", id="iothread2", polls=1)
        self.assertRefused("there is no such I/O thread", "device_add", **RNG, iothread="iothread2")
        self.assertEqual(list(self.threads()), ["iothread1"])


class IoThreadsOfTwoSided(unittest.TestCase):
    """With two-sided memory each thread is there from the start."""

    where = HOSTS

    def test_none_comes_later_and_one_may_go(self):
        with Agent("--memory=64M", "--memory-kind=two-sided", *PORTS, device("iothread", "iothread1")) as guest:
            with self.assertRaises(QmpError) as caught:
                guest.qmp.execute("device_add", driver="iothread", id="iothread2")
            self.assertIn("no I/O thread comes later", caught.exception.description)
            guest.qmp.execute("device_del", id="iothread1")
            self.assertEqual(guest.qmp.execute("query-iothreads"), [])


class Refused(HotPlugTest):
    """Each error says what is wrong, and leaves nothing behind."""

    def test_what_cannot_be(self):
        self.plug_in()
        for error, arguments in (
                ("device: member 'driver'", {}),
                ("there is no type 'floppy'", {"driver": "floppy"}),
                ("member 'colour' is unknown", {**RNG, "id": "rng1", "colour": 1}),
                ("member 'id': another device is called so", {**RNG, "bus": "pci.2"}),
                ("member 'addr': another device is there", {**RNG, "id": "rng1"}),
                ("bus 'pcie.0' takes no device while the guest runs",
                 {**RNG, "id": "rng1", "bus": "pcie.0", "addr": "0x5"}),
                ("there is no bus 'pci.3'", {**RNG, "id": "rng1", "bus": "pci.3"}),
                ("there is no descriptor 'nothing'", {**RNG, "id": "rng1", "bus": "pci.2", "rng-fd": "nothing"})):
            self.assertRefused(error, "device_add", **arguments)
        for error, name in (("there is no device 'rng1'", "rng1"), ("cannot be taken away", "pci.2"),
                            ("there is no device 'chipset/rtc'", "chipset/rtc")):
            self.assertRefused(error, "device_del", id=name)
        self.qmp.execute("device_add", **{**RNG, "id": "rng1", "bus": "pci.2"})

    def test_descriptors(self):
        self.assertRefused("none came with the command", "getfd", fdname="a")
        self.assertRefused("does not begin with a digit", "getfd", fdname="1")
        self.assertRefused("there is no descriptor 'a'", "closefd", fdname="a")
        reading, writing = os.pipe()
        self.qmp.execute("getfd", descriptors=[writing], fdname="a")
        os.close(writing)
        self.qmp.execute("closefd", fdname="a")
        self.assertEqual(os.read(reading, 1), b"")
        os.close(reading)
        for i in range(256):
            self.qmp.execute("getfd", descriptors=[0], fdname=f"a{i}")
        self.qmp.execute("getfd", descriptors=[0], fdname="a0")
        self.assertRefused("too many wait for a device", "getfd", descriptors=[0], fdname="b")


class Linux(unittest.TestCase):
    """Debian's kernel, whose pciehp drives the slot."""

    where = HOSTS
    limit = 300

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def await_functions(self, vmm, count):
        wait_until(lambda: self.run_in(vmm, "ls -d /sys/bus/pci/devices/*:01:00.0 2>/dev/null | wc -l") == str(count),
                   60, f"{count} functions behind the root port")

    def test_in_and_out(self):
        vmm = self.boot("--vcpus=2", "--memory=512M", *PORTS)
        for _ in range(2):
            vmm.qmp.execute("device_add", **RNG)
            self.await_functions(vmm, 1)
            self.assertEqual(self.run_in(vmm, "dd if=/dev/hwrng bs=64 count=4 2>/dev/null | wc -c"), "256")
            vmm.qmp.execute("device_del", id="rng0")
            self.assertEqual(vmm.qmp.wait_event("DEVICE_DELETED", 60)["data"]["device"], "rng0")
            self.await_functions(vmm, 0)

    def test_power_by_the_guest_alone(self):
        """What nobody has asked for stays in the slot, and works when it has power again."""
        vmm = self.boot("--vcpus=2", "--memory=512M", *PORTS, device("virtio-rng-pci", "rng0", bus="pci.1", addr="0x0"))
        self.await_functions(vmm, 1)
        self.run_in(vmm, "echo 0 >/sys/bus/pci/slots/1/power")
        self.await_functions(vmm, 0)
        self.assertEqual(vmm.qmp.events, [])
        self.run_in(vmm, "echo 1 >/sys/bus/pci/slots/1/power")
        self.await_functions(vmm, 1)
        self.assertEqual(self.run_in(vmm, "dd if=/dev/hwrng bs=64 count=4 2>/dev/null | wc -c"), "256")
        self.run_in(vmm, "echo 0 >/sys/bus/pci/slots/1/power")
        vmm.qmp.execute("device_del", id="rng0")
        vmm.qmp.wait_event("DEVICE_DELETED", 30)


if __name__ == "__main__":
    unittest.main()
