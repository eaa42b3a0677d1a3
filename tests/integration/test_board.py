# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Small devices of the machine's board, as a guest that makes each mistake there is drives them, and what the monitor
says of them.
"""

import struct
import time
import unittest
import uuid

from support.agent import Agent, GROUND
from support.devices import device, root_port
from support.qmp import QmpError
from support.vmm import Vmm, payload
from support.where import EVERYWHERE, NATIVE, everywhere


class BoardTest(unittest.TestCase):
    """A guest that does what it is told, with devices."""

    where = NATIVE
    devices = ()

    def setUp(self):
        self.guest = self.start()

    def start(self, *arguments):
        guest = Agent("--memory=64M", *self.devices, *arguments)
        self.addCleanup(guest.end)
        # Connected from here on, so that no event is missed.
        guest.qmp.execute("query-status")
        return guest

    def port_in(self, port, size=1):
        return self.guest.call("in", port, size)

    def port_out(self, port, value, size=1):
        return self.guest.call("out", port, size, value)

    def no_event_yet(self, name):
        """Events come before the reply to a command that is sent after them."""
        self.guest.qmp.execute("query-status")
        self.assertNotIn(name, [event["event"] for event in self.guest.qmp.events])


class InterruptController(BoardTest):
    """The 8259, whose interrupts KVM hands to the first vCPU that takes them: not to one of the engine's own."""

    where = EVERYWHERE

    def test_each_interrupt_ends_a_halt(self):
        self.assertEqual(self.guest.call("tick", 20), 20)


class Pvpanic(BoardTest):
    """A guest that says it has failed."""

    devices = (device("pvpanic", "panic0"),)

    def test_it_says_what_it_knows(self):
        self.assertEqual(self.port_in(0x505), 3)
        # One port: the next is nobody's.
        self.assertEqual(self.port_in(0x505, 4), 0xffffff03)
        self.port_out(0x505, 0xfc)
        self.no_event_yet("GUEST_PANICKED")
        self.no_event_yet("GUEST_CRASHLOADED")

    def test_a_guest_that_fails_is_off(self):
        self.guest.order("out", 0x505, 1, 0xff)
        self.assertEqual(self.guest.qmp.wait_event("GUEST_PANICKED", 30)["data"], {"action": "poweroff"})
        self.assertEqual(self.guest.qmp.wait_event("SHUTDOWN", 30)["data"], {"guest": True, "reason": "guest-panic"})
        self.assertEqual(self.guest.wait(30), 0)

    def test_a_guest_that_fails_and_is_kept(self):
        self.guest = self.start("--no-shutdown")
        for is_reset in (False, True):
            self.guest.order("out", 0x505, 1, 1)
            self.assertEqual(self.guest.qmp.wait_event("GUEST_PANICKED", 30)["data"], {"action": "pause"})
            self.guest.qmp.wait_event("STOP", 30)
            self.assertEqual(self.guest.qmp.execute("query-status"), {"status": "guest-panicked", "running": False})
            if is_reset:
                self.guest.qmp.execute("system_reset")
            self.guest.qmp.execute("cont")
            if is_reset:
                self.guest.wait_ready()
            else:
                self.guest.answer()
            self.assertEqual(self.port_in(0x505), 3)

    def test_a_guest_with_a_kernel_for_its_crash_goes_on(self):
        for _ in range(100):
            self.port_out(0x505, 2)
        self.assertEqual(self.guest.qmp.wait_event("GUEST_CRASHLOADED", 30)["data"], {"action": "run"})
        self.assertTrue(self.guest.qmp.execute("query-status")["running"])

    def test_another_port(self):
        with Agent("--memory=64M", device("pvpanic", "panic0", ioport=0x606)) as guest:
            self.assertEqual(guest.call("in", 0x505, 1), 0xff)
            self.assertEqual(guest.call("in", 0x606, 1), 3)

    def test_it_cannot_come_later(self):
        with self.assertRaisesRegex(QmpError, "cannot be added later"):
            self.guest.qmp.execute("device_add", driver="pvpanic", id="panic1", ioport=0x666)
        with self.assertRaisesRegex(QmpError, "cannot be taken away"):
            self.guest.qmp.execute("device_del", id="panic0")


GUID = "12345678-9abc-def0-0123-456789abcdef"
ACPI, ACPI_SIZE = 0xe0000, 0x20000


class GenerationId(BoardTest):
    """The VM generation id, where there is no firmware to place it: behind the tables."""

    devices = (device("vmgenid", "vmgenid0", guid=GUID),)

    @everywhere
    def test_it_is_in_the_guests_own_memory(self):
        # The page is the last of what is there, and has nothing but this.
        first, end = ACPI, ACPI + ACPI_SIZE
        while end - first > 1:
            middle = (first + end) // 2
            if self.guest.call("check", middle, end - middle, 0):
                first = middle
            else:
                end = middle
        place = end - 16
        self.assertEqual(place % 64, 40)
        self.assertEqual([self.guest.call("read32", place + 4 * i) for i in range(4)],
                         list(struct.unpack("<4I", uuid.UUID(GUID).bytes_le)))

    def test_what_is_refused(self):
        for members in ({"guid": "1"}, {}):
            with Vmm(f"--payload={payload('agent')}", "--memory=64M", device("vmgenid", "a", **members)) as vmm:
                self.assertNotEqual(vmm.wait(30), 0)
                self.assertIn("guid", vmm.log())


class Vmcoreinfo(unittest.TestCase):
    """A file that the guest writes to."""

    where = NATIVE

    def test_it_takes_firmware(self):
        with Vmm(f"--payload={payload('agent')}", "--memory=64M", device("vmcoreinfo", "a")) as vmm:
            self.assertNotEqual(vmm.wait(30), 0)
            self.assertIn("firmware", vmm.log())

    @everywhere
    def test_a_guest_writes_and_reads_it(self):
        with Agent("--memory=64M", device("vmcoreinfo", "vmcoreinfo0"),
                   image=f"--bios={payload('firmware')}") as guest:
            key = self.find(guest)
            self.access(guest, key << 16 | 0x0a, 16)
            self.assertEqual([guest.call("read32", GROUND + 4 * i) for i in range(4)], [1, 0, 0, 0])
            for i in range(4):
                guest.call("write32", GROUND + 4 * i, 0x11111111 * (i + 1))
            self.access(guest, key << 16 | 0x18, 16)
            guest.call("fill", GROUND, 16, 0)
            self.access(guest, key << 16 | 0x0a, 16)
            self.assertEqual(guest.call("read32", GROUND + 12), 0x44444444)
            # No byte more.
            self.assertEqual(self.access(guest, key << 16 | 0x18, 17), 1 << 24)

    def access(self, guest, control, length):
        """fw_cfg's DMA, of a buffer at GROUND; what the guest finds as its outcome."""
        place = GROUND + 0x10000
        for i, word in enumerate((control, length, 0, GROUND)):
            guest.call("write32", place + 4 * i, int.from_bytes(word.to_bytes(4, "little"), "big"))
        guest.call("out", 0x514, 4, 0)
        guest.call("out", 0x518, 4, int.from_bytes(place.to_bytes(4, "little"), "big"))
        return guest.call("read32", place)

    def find(self, guest):
        """The key of the file, from the directory."""
        name = GROUND + 0x20000
        for i, word in enumerate(struct.unpack("<4I", b"etc/vmcoreinfo\0\0")):
            guest.call("write32", name + 4 * i, word)
        self.access(guest, 0x19 << 16 | 0x0a, 4)
        count = guest.call("read32", GROUND) >> 24
        self.access(guest, 0x02, 64 * count)
        # The first file's key is 0x20.
        found = [i for i in range(count) if guest.call("compare", GROUND + 64 * i + 8, name, 16) == 0]
        self.assertEqual(len(found), 1)
        return 0x20 + found[0]


PM = 0x600
TCO = PM + 0x60
RELOAD, STATUS_1, STATUS_2, CONTROL_1, TIMER = TCO, TCO + 4, TCO + 6, TCO + 8, TCO + 0x12
HALTED = 0x800
# GCS of the chipset's registers, and its bit NO_REBOOT.
GCS, NO_REBOOT = 0xfed1f410, 0x20


class Itco(BoardTest):
    """The chipset's watchdog; its shortest time is two ticks of 0.6 seconds, twice."""

    devices = (device("itco", "watchdog0", action="none"),)

    def restart_with(self, action, *arguments):
        self.devices = (device("itco", "watchdog0", action=action),)
        self.guest.end()
        self.guest = self.start(*arguments)
        self.let_run()

    def let_run(self):
        self.port_out(TIMER, 2, 2)
        self.port_out(RELOAD, 1, 2)
        self.port_out(CONTROL_1, 0, 2)

    def bite(self):
        return self.guest.qmp.wait_event("WATCHDOG", 30)["data"]["action"]

    def test_a_guest_that_stops_reloading_it_is_reset(self):
        self.restart_with("reset")
        self.assertEqual(self.bite(), "reset")
        self.assertEqual(self.guest.qmp.wait_event("RESET", 30)["data"], {"guest": True, "reason": "guest-reset"})
        self.guest.wait_ready()
        # It stands still, and says what has been.
        self.assertEqual(self.port_in(STATUS_2, 2), 6)
        self.port_out(STATUS_2, 6, 2)
        self.assertEqual(self.port_in(STATUS_2, 2), 0)
        self.assertEqual(self.port_in(TIMER, 2), 4)

    def test_a_guest_that_reloads_it_lives(self):
        self.let_run()
        for _ in range(4):
            while not self.port_in(STATUS_1, 2) & 8:
                pass
            self.port_out(RELOAD, 0, 2)
            self.port_out(STATUS_1, 8, 2)
        self.no_event_yet("WATCHDOG")
        self.assertEqual(self.port_in(STATUS_2, 2), 0)
        self.assertEqual(self.bite(), "none")
        self.assertEqual(self.port_in(STATUS_2, 2), 6)

    def test_no_reboot_keeps_it_from_acting(self):
        self.guest.call("write32", GCS, NO_REBOOT)
        self.let_run()
        while self.port_in(STATUS_2, 2) != 6:
            pass
        self.no_event_yet("WATCHDOG")
        self.guest.call("write32", GCS, 0)
        self.assertEqual(self.bite(), "none")

    def test_it_stands_still_while_the_guest_does(self):
        self.restart_with("pause")
        self.assertEqual(self.bite(), "pause")
        self.guest.qmp.wait_event("STOP", 30)
        self.assertEqual(self.guest.qmp.execute("query-status"), {"status": "watchdog", "running": False})
        self.guest.qmp.execute("cont")
        self.port_out(TIMER, 20, 2)
        self.port_out(RELOAD, 1, 2)
        self.guest.qmp.execute("stop")
        before = time.monotonic()
        while time.monotonic() < before + 2:
            self.guest.qmp.execute("query-status")
        self.guest.qmp.execute("cont")
        self.assertGreaterEqual(self.port_in(RELOAD, 2), 19)

    def test_a_guest_may_halt_it(self):
        self.let_run()
        self.port_out(CONTROL_1, HALTED, 2)
        self.assertEqual(self.port_in(CONTROL_1, 2), HALTED)
        count = self.port_in(RELOAD, 2)
        self.assertIn(count, (1, 2))
        self.assertEqual(self.port_in(RELOAD, 2), count)

    def test_power_off(self):
        self.restart_with("poweroff")
        self.assertEqual(self.bite(), "poweroff")
        self.assertEqual(self.guest.wait(30), 0)

    def test_shutdown_presses_the_power_button(self):
        self.restart_with("shutdown")
        self.assertEqual(self.bite(), "shutdown")
        self.guest.qmp.wait_event("POWERDOWN", 30)
        self.assertTrue(self.port_in(PM, 2) & 0x100)

    def test_every_register(self):
        for port in range(TCO, TCO + 0x20):
            for value in (0xff, 0):
                self.port_out(port, value)
        self.assertTrue(self.guest.qmp.execute("query-status")["running"])

    def test_a_machine_without(self):
        with Agent("--memory=64M") as guest:
            self.assertEqual(guest.call("in", CONTROL_1, 2), HALTED)
            guest.call("write32", GCS, 0)
            self.assertEqual(guest.call("read32", GCS), NO_REBOOT)

    def test_there_is_one(self):
        with self.assertRaisesRegex(QmpError, "cannot be added later"):
            self.guest.qmp.execute("device_add", driver="itco", id="watchdog1")


class I6300esb(BoardTest):
    """A watchdog on PCI."""

    bar = 0xfe000000
    devices = (root_port("pci.1", "1.0", chassis=1, port=8, multifunction=True),
               root_port("pci.2", "1.1", chassis=2, port=9),
               device("i6300esb", "watchdog0", bus="pci.1", addr="0x0", action="none"))

    def start(self, *arguments):
        guest = super().start(*arguments)
        self.guest = guest
        # Bus 1 is behind the port.
        self.config(0x18, 0x010100, 4, bus=0, device=1)
        self.config(4, 2, 2, bus=0, device=1)
        self.config(0x10, self.bar, 4)
        self.config(4, 2, 2)
        return guest

    def config(self, register, value=None, size=1, bus=1, device=0):
        self.port_out(0xcf8, 1 << 31 | bus << 16 | device << 11 | register & 0xfc, 4)
        port = 0xcfc + (register & 3)
        return self.port_in(port, size) if value is None else self.port_out(port, value, size)

    def read(self, register):
        return self.guest.call("read32", self.bar + register)

    def write(self, register, *values):
        for value in values:
            self.guest.call("write32", self.bar + register, value)

    def open(self):
        self.write(0xc, 0x80, 0x86)

    def preload(self, ticks):
        for register in (0, 4):
            self.open()
            self.write(register, ticks)

    def bite(self):
        return self.guest.qmp.wait_event("WATCHDOG", 30)["data"]["action"]

    def test_what_it_is(self):
        self.assertEqual(self.config(0, size=4), 0x25ab8086)
        self.assertEqual(self.config(8, size=4) >> 8, 0x088000)

    def test_a_guest_that_does_not_write_to_it(self):
        self.preload(100)
        self.config(0x60, 0, 2)
        self.config(0x68, 2)
        self.assertEqual(self.bite(), "none")
        self.assertEqual(self.read(0xc), 0x200)
        self.assertEqual(self.config(0x68), 0)
        self.open()
        self.write(0xc, 0x200)
        self.assertEqual(self.read(0xc), 0)

    def test_what_is_not_opened_is_not_written(self):
        for values in ((), (0x80,), (0x86,), (0x86, 0x80)):
            self.write(0xc, *values)
            self.write(0, 5)
            self.assertEqual(self.read(0), 0xfffff)
        self.open()
        self.write(0, 0xffffffff)
        self.assertEqual(self.read(0), 0xfffff)
        self.write(0, 5)
        self.assertEqual(self.read(0), 0xfffff)

    def test_what_is_locked_stays_until_a_reset(self):
        self.config(0x68, 3)
        self.config(0x68, 0)
        self.assertEqual(self.config(0x68), 3)
        self.guest.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.config(0x18, 0x010100, 4, bus=0, device=1)
        self.assertEqual(self.config(0x68), 0)

    def test_it_says_nothing_where_it_may_not(self):
        self.preload(1)
        self.config(0x60, 0x20, 2)
        self.config(0x68, 2)
        while not self.read(0xc):
            pass
        self.no_event_yet("WATCHDOG")

    def test_as_a_timer_that_is_always_over_it_keeps_nobody_busy(self):
        self.preload(0)
        self.config(0x60, 4, 2)
        self.config(0x68, 6)
        for _ in range(20):
            self.assertTrue(self.guest.qmp.execute("query-status")["running"])
            while not self.read(8):
                pass
            self.write(8, 1)
        self.no_event_yet("WATCHDOG")

    def test_inject_nmi(self):
        self.guest.end()
        self.devices = (*self.devices[:2], device("i6300esb", "watchdog0", bus="pci.1", addr="0x0",
                                                action="inject-nmi"))
        self.guest = self.start()
        self.preload(1)
        self.config(0x60, 0, 2)
        self.config(0x68, 2)
        self.assertEqual(self.bite(), "inject-nmi")
        self.assertEqual(self.config(0, size=4), 0x25ab8086)

    def test_it_comes_and_goes(self):
        self.guest.qmp.execute("device_add", driver="i6300esb", id="watchdog1", bus="pci.2", addr="0x0")
        self.guest.qmp.execute("device_del", id="watchdog1")
        self.guest.qmp.execute("system_reset")
        self.assertEqual(self.guest.qmp.wait_event("DEVICE_DELETED", 30)["data"]["device"], "watchdog1")


if __name__ == "__main__":
    unittest.main()
