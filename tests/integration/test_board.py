# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Small devices of the machine's board, as a guest that makes each mistake there is drives them, and what the monitor
says of them.
"""

import json
import unittest

from support.agent import Agent
from support.qmp import QmpError
from support.where import NATIVE, everywhere


def device(driver, name, **members):
    return "--device=" + json.dumps({"driver": driver, "id": name, **members})


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

    @everywhere
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


if __name__ == "__main__":
    unittest.main()
