# SPDX-License-Identifier: LGPL-2.1-or-later
"""Statistics are everybody's to ask for, on the read-only socket: asking must not be in anybody's way."""

import contextlib
import os
import struct
import tempfile
import threading
import time
import unittest

from support import rpc
from support.adopted import PAUSED, has_kvm, ordinary, wait_adopted
from support.daemon import Daemon, SOCKET_READONLY, virsh, vm_statistics
from support.fake_vmm import FakeVmm
from support.procfs import resident_mib
from support.rpc import Rpc
from support.waiting import Deadline, Timeout

GET_ALL_DOMAIN_STATS = 344
STATS_VM = 1 << 10
QUERY = "query-conversion-stats"

# The most domains that one call may name.
MENTIONS_MAX = 16384

# On a flat machine: halts for ever; waits a while and powers off by ACPI.
HALTS = bytes.fromhex("f4ebfd")
POWERS_OFF = bytes.fromhex("b9 204e0000 f390 e2fc 66ba0406 66b80020 66ef 66b80034 66ef f4ebfd")


def question(domain, mentions, groups=STATS_VM):
    """The arguments of a call that names a domain so often."""
    return struct.pack(">I", mentions) + domain * mentions + struct.pack(">II", groups, 0)


class Askers(contextlib.ExitStack):
    """Read-only clients that ask again and again, each as often at a time as it may."""

    CALLS = 5

    def __init__(self, name, clients, mentions=128):
        super().__init__()
        self.answered = 0
        self._clients = []
        self._threads = []
        for _ in range(clients):
            client = self.enter_context(Rpc(SOCKET_READONLY)).open()
            self._clients.append(client)
            call = question(client.lookup(name), mentions)
            for _ in range(self.CALLS):
                client.post(GET_ALL_DOMAIN_STATS, call)
            self._threads.append(threading.Thread(target=self._ask, args=(client, call)))
        self.callback(self._stop)
        for thread in self._threads:
            thread.start()

    def _ask(self, client, call):
        with contextlib.suppress(rpc.Closed, OSError):
            while True:
                client.receive()
                self.answered += 1
                client.post(GET_ALL_DOMAIN_STATS, call)

    def _stop(self):
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.socket.shutdown(2)
        for thread in self._threads:
            thread.join()

    def wait_answers(self, more, seconds=30):
        """Waits until so many answers more have come."""
        wanted, deadline = self.answered + more, Deadline(seconds)
        while self.answered < wanted:
            if deadline.is_over():
                raise Timeout(f"{self.answered} of {wanted} answers came")
            virsh("domstate", "test")


class Mentions(unittest.TestCase):
    """One call that names one domain as often as a call can."""

    def setUp(self):
        self.vmm = self.enterContext(FakeVmm())
        self.daemon = self.enterContext(Daemon())
        wait_adopted("test")
        self.client = self.enterContext(Rpc(SOCKET_READONLY)).open()

    def ask(self, mentions, groups=STATS_VM):
        reply = self.client.call(GET_ALL_DOMAIN_STATS,
                                 question(self.client.lookup("test"), mentions, groups))
        self.assertIsNone(reply.error)
        return reply.payload

    def test_it_gets_one_record_and_costs_one_question(self):
        once = self.ask(1)
        self.assertEqual(self.ask(MENTIONS_MAX), once)
        asked, _ = self.vmm.counts()
        self.assertEqual(asked[QUERY], 2)

    def test_a_vmm_that_hangs_is_waited_for_once(self):
        self.vmm.hold(QUERY)
        self.ask(1)
        began = time.monotonic()
        for _ in range(10):
            self.ask(1)
        self.assertLess(time.monotonic() - began, 5)
        self.vmm.release()
        virsh("suspend", "test")
        self.assertIn(b"vm.gmem.policy", self.ask(1))

    def test_what_devices_have_moved(self):
        statistics = vm_statistics("test")
        self.assertEqual(statistics["vm.gmem.registered.bytes.cur"], 8192)
        moved = {name: value for name, value in statistics.items() if ".transfer." in name}
        # Of a way that the VMM does not tell as it should, and of what is none, there is nothing.
        self.assertEqual(moved, {"vm.gmem.transfer.plain.count.sum": 1,
                                 "vm.gmem.transfer.plain.bytes.sum": 512,
                                 "vm.gmem.transfer.window.count.sum": 2,
                                 "vm.gmem.transfer.window.bytes.sum": 1024,
                                 "vm.gmem.transfer.registered.count.sum": 3,
                                 "vm.gmem.transfer.registered.bytes.sum": 4096})

    def test_its_memory_is_bounded(self):
        self.ask(MENTIONS_MAX, 0)
        before = resident_mib(self.daemon.pid)
        call = question(self.client.lookup("test"), MENTIONS_MAX, 0)
        for _ in range(4):
            self.client.post(GET_ALL_DOMAIN_STATS, call)
        for _ in range(4):
            self.assertEqual(self.client.receive().status, rpc.OK)
        self.assertLess(resident_mib(self.daemon.pid, peak=True) - before, 64)


class Control(unittest.TestCase):
    """Who changes a domain is not held up by those who look."""

    def setUp(self):
        self.vmm = self.enterContext(
            FakeVmm(extra="<on_poweroff>restart</on_poweroff>"))
        self.daemon = self.enterContext(Daemon())
        wait_adopted("test")

    def test_a_question_that_is_not_answered_is_asked_once(self):
        self.vmm.hold(QUERY)
        with Askers("test", clients=20) as askers:
            for _ in range(5):
                virsh("suspend", "test")
                virsh("resume", "test")
            # All of them have given up once, and ask again.
            askers.wait_answers(20 * Askers.CALLS)
            asked, held = self.vmm.counts()
            self.assertEqual((asked[QUERY], held[QUERY]), (1, 1))
            self.vmm.release()
            askers.wait_answers(20 * Askers.CALLS)

    def test_a_restart_is_not_refused(self):
        events = self.daemon.events()
        self.vmm.hold(QUERY)
        with Askers("test", clients=20):
            for _ in range(3):
                self.vmm.say("SHUTDOWN", guest=True, reason="guest-shutdown")
                events.wait("Resumed Unpaused")
        self.assertTrue(self.vmm.is_running())
        self.assertNotIn("Stopped", " ".join(events.of()))
        asked, _ = self.vmm.counts()
        self.assertEqual((asked["system_reset"], asked["cont"]), (3, 3))


@unittest.skipUnless(has_kvm(), "this machine has no KVM")
class RealVmm(unittest.TestCase):
    """The same with gmem-vmm."""

    def adopt(self, code, state, extra=""):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        path = os.path.join(folder, "payload")
        with open(path, "wb") as file:
            file.write(code)
        self.vmm = self.enterContext(ordinary("test", path, state=state, extra=extra))
        self.daemon = self.enterContext(Daemon())
        wait_adopted("test")

    def test_suspending_and_resuming_never_fails(self):
        self.adopt(HALTS, PAUSED)
        with Askers("test", clients=8) as askers:
            for _ in range(20):
                virsh("resume", "test")
                virsh("suspend", "test")
            askers.wait_answers(100)

    def test_a_guest_that_powers_off_is_restarted(self):
        self.adopt(POWERS_OFF, PAUSED, "<on_poweroff>restart</on_poweroff>")
        events = self.daemon.events()
        with Askers("test", clients=8):
            virsh("resume", "test")
            for _ in range(5):
                events.wait("Shutdown Finished after guest request")
                events.wait("Resumed Unpaused")
        self.assertTrue(self.vmm.is_running())
        self.assertNotIn("Stopped", " ".join(events.of()))
