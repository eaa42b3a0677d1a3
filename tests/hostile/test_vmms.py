# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMMs that guests have taken over, or that do not keep up: the daemon bears with them, and ends none."""

import contextlib
import os
import signal
import struct
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

from support import rpc
from support.adopted import PAUSED, wait_adopted
from support.daemon import Daemon, SOCKET_READONLY, STATE_FOLDER, STDIN, VirshError, run_virsh, virsh
from support.fake_vmm import FakeVmm
from support.procfs import resident_mib, threads
from support.rpc import Rpc
from support.waiting import Deadline, Timeout

REGISTER = 316
LIFECYCLE_EVENT, REBOOT_EVENT = 318, 319
LIFECYCLE, REBOOT, DISK_ERROR, TRAY_CHANGE, DEVICE_REMOVED, DEVICE_ADDED, DEVICE_KEPT = 0, 1, 4, 10, 15, 19, 22

# Threads that may come and go with calls of virsh.
THREADS_OF_CALLS = 8

# What one VMM may write into the daemon's log in the seconds of a test, in bytes.
LOG_MAX = 32 << 10


class Listener(contextlib.ExitStack):
    """A read-only client that counts events."""

    def __init__(self, kind):
        super().__init__()
        self._client = self.enter_context(Rpc(SOCKET_READONLY)).open()
        reply = self._client.call(REGISTER, struct.pack(">iI", kind, 0))
        assert reply.status == rpc.OK, reply.error

    def count(self, seconds=0):
        """Events that have come, once none has for so long."""
        events = 0
        with contextlib.suppress(Timeout):
            while self._client.receive(seconds).kind == rpc.EVENT:
                events += 1
        return events


class VmmTest(unittest.TestCase):
    """A domain with such a VMM, and a daemon."""

    extra = ""
    devices = ""
    status = ""

    def setUp(self):
        self.vmm = self.enterContext(FakeVmm(extra=self.extra, devices=self.devices, status=self.status))
        self.daemon = self.enterContext(Daemon())
        wait_adopted("test")

    def state(self):
        return virsh("domstate", "test", "--reason")

    def wait_state(self, state, seconds=30):
        deadline = Deadline(seconds)
        while (found := self.state()) != state:
            if deadline.is_over():
                raise Timeout(f"the domain is {found}, not {state}")

    def assert_serves(self):
        """The domain's VMM is there, and obeys."""
        self.assertTrue(self.vmm.is_running())
        virsh("suspend", "test")
        self.assertEqual(self.state(), "paused (user)")
        virsh("resume", "test")
        self.assertEqual(self.state(), "running (unpaused)")


class Floods(VmmTest):
    """Events, again and again."""

    extra = "<on_crash>preserve</on_crash>"
    devices = ("<disk type='file' device='disk'><source file='/nowhere/disk.raw'/>"
               "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>")

    def assert_bounded(self, *events, seconds=3):
        """Floods; what that costs the daemon, while it answers."""
        before = resident_mib(self.daemon.pid), threads(self.daemon.pid), len(self.daemon.log())
        said = self.vmm.flood(*events, seconds=seconds)
        self.assertLess(threads(self.daemon.pid) - before[1], THREADS_OF_CALLS)
        began = time.monotonic()
        self.state()
        self.assertLess(time.monotonic() - began, 2)
        self.assertLess(resident_mib(self.daemon.pid) - before[0], 64)
        self.assertLess(len(self.daemon.log()) - before[2], LOG_MAX)
        return said

    def test_failures(self):
        with Listener(LIFECYCLE) as listener:
            said = self.assert_bounded(["GMEM_INTERNAL_ERROR", {"message": "x" * 60}])
            self.assertGreater(said, 1000)
            self.assertEqual(listener.count(1), 1)
        self.assertEqual(self.state(), "crashed (panicked)")

    def test_resets_are_told_once_a_second_and_the_last_one_always(self):
        with Listener(REBOOT) as listener:
            said = self.assert_bounded(["RESET", {"guest": True, "reason": "guest-reset"}])
            self.assertGreater(said, 1000)
            events = listener.count(2)
            self.assertGreaterEqual(events, 11)
            self.assertLessEqual(events, 16)
            # Time enough has gone for one more to be told at once.
            self.vmm.say("RESET", guest=True, reason="guest-reset")
            self.assertEqual(listener.count(2), 1)
        self.assert_serves()

    def test_touches(self):
        with Listener(LIFECYCLE) as listener:
            said = self.assert_bounded(
                ["GMEM_HOST_TOUCH", {"gpa": 4096, "cause": "c" * 80, "thread-id": 1}])
            self.assertGreater(said, 1000)
            self.assertEqual(listener.count(1), 1)
        self.assertEqual(self.state(), "paused (unknown)")

    def test_memory_that_is_not_there(self):
        with Listener(LIFECYCLE) as listener:
            said = self.assert_bounded(["GMEM_NO_MEMORY", {"message": "m" * 60}])
            self.assertGreater(said, 1000)
            self.assertEqual(listener.count(1), 1)
        self.assertEqual(self.state(), "paused (I/O error)")
        self.assertIn("no memory for the guest", virsh("dominfo", "test"))
        self.vmm.say("RESUME")
        self.wait_state("running (unpaused)")
        self.assertNotIn("no memory for the guest", virsh("dominfo", "test"))

    def test_devices_that_are_gone_are_taken_out_once(self):
        with Listener(DEVICE_REMOVED) as listener:
            self.assert_bounded(["DEVICE_DELETED", {"device": "virtio-disk0"}], ["DEVICE_DELETED", {"device": "x" * 80}],
                                ["DEVICE_DELETED", {}])
            self.assertEqual(listener.count(1), 1)
        self.assertNotIn("<disk", virsh("dumpxml", "test"))

    def test_devices_that_guests_keep(self):
        began = time.monotonic()
        with Listener(DEVICE_KEPT) as listener:
            self.assert_bounded(["DEVICE_UNPLUG_GUEST_ERROR", {"device": "virtio-disk0"}],
                                ["DEVICE_UNPLUG_GUEST_ERROR", {"device": "x" * 80}],
                                ["DEVICE_UNPLUG_GUEST_ERROR", {}])
            events = listener.count()
            self.assertGreater(events, 10)
            # A burst, and one each 20 ms; of devices that the domain has not, none.
            self.assertLess(events, 110 + 50 * (time.monotonic() - began))
        self.assertIn("<disk", virsh("dumpxml", "test"))

    def check_disk_errors(self, action):
        error = {"operation": "write", "nospace": True, "reason": "r" * 60, "action": action}
        began = time.monotonic()
        with Listener(DISK_ERROR) as listener:
            self.assert_bounded(["BLOCK_IO_ERROR", {**error, "device": "virtio-disk0"}],
                                ["BLOCK_IO_ERROR", {**error, "device": "another"}])
            events = listener.count()
            self.assertGreater(events, 10)
            # A burst, and one each 20 ms; of a disk that the domain has not, none.
            self.assertLess(events, 60 + 25 * (time.monotonic() - began))

    def test_errors_of_disks_that_the_guest_is_told_of(self):
        self.check_disk_errors("report")
        self.assertEqual(self.state().split()[0], "running")

    def test_errors_of_disks_that_stop_the_machine(self):
        self.check_disk_errors("stop")
        self.assertEqual(self.state(), "paused (I/O error)")
        # Of the last one that was taken, whichever that is.
        self.assertRegex(virsh("dominfo", "test"), "disk (virtio-disk0|another) could not be written")

    def test_changes_of_the_state_are_taken_slowly(self):
        began = time.monotonic()
        with Listener(LIFECYCLE) as listener:
            self.assert_bounded(["STOP", {}], ["RESUME", {}])
            events = listener.count()
            self.assertGreaterEqual(events, 100)
            # A burst, and one each 20 ms.
            self.assertLess(events, 110 + 50 * (time.monotonic() - began))
        virsh("destroy", "test")

    def test_what_is_no_event(self):
        said = self.assert_bounded(["X" * 4000, {}])
        self.assertGreater(said, 100)
        self.assert_serves()


class Failures(VmmTest):
    """A VMM that says again and again that it has failed, and does not end when it is told to."""

    extra = "<on_crash>destroy</on_crash>"

    def test_it_is_killed_by_one_worker(self):
        self.vmm.order("ignore_sigterm")
        before = threads(self.daemon.pid)
        self.vmm.say("GMEM_INTERNAL_ERROR", message="x")
        self.vmm.flood(["GMEM_INTERNAL_ERROR", {"message": "x"}], seconds=3)
        self.assertLess(threads(self.daemon.pid) - before, THREADS_OF_CALLS)
        self.assertTrue(self.vmm.is_running())
        # The domain is transient, so that it is gone when it is off.
        deadline = Deadline(30)
        while run_virsh("domstate", "test").returncode == 0:
            self.assertFalse(deadline.is_over(), "the domain does not end")
        self.assertFalse(self.vmm.is_running())
        self.assertLess(len(self.daemon.log()), LOG_MAX)


class Connections(VmmTest):
    """The connection to a VMM ends, and the VMM does not."""

    def wait_reached_again(self):
        deadline = Deadline(30)
        while run_virsh("suspend", "test").returncode:
            if deadline.is_over():
                raise Timeout("the VMM is not reached again")
        virsh("resume", "test")

    def test_it_is_made_again(self):
        self.vmm.order("leave")
        self.wait_reached_again()
        self.assert_serves()

    def test_what_was_said_meanwhile_is_asked_for(self):
        self.vmm.order("leave")
        # To nobody: its client has gone.
        self.vmm.say("SHUTDOWN", guest=True, reason="guest-shutdown")
        deadline = Deadline(30)
        while run_virsh("domstate", "test").returncode == 0:
            self.assertFalse(deadline.is_over(), "the guest's power-off is not seen")
        self.assertFalse(self.vmm.is_running())

    def test_an_object_larger_than_any_does_not_end_it(self):
        self.vmm.order("blob", size=100000)
        self.wait_reached_again()
        self.assert_serves()

    def test_one_that_cannot_be_reached_can_be_destroyed(self):
        os.kill(self.vmm.pid, signal.SIGSTOP)
        virsh("destroy", "test")
        self.assertFalse(self.vmm.is_running())


class Devices(VmmTest):
    """What becomes of devices: the VMM says it, and is asked what it has when it is reached again."""

    # For the disk, the balloon that each domain has, and two that come.
    devices = ("<controller type='pci' model='pcie-root-port'/>" * 4 +
               "<disk type='file' device='disk'><source file='/nowhere/disk.raw'/>"
               "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>")

    RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"

    def wait_xml(self, holds, what):
        deadline = Deadline(60)
        while not holds(virsh("dumpxml", "test")):
            self.assertFalse(deadline.is_over(), what)

    def test_errors_of_disks(self):
        for drives, errors in (([], "No errors found"),
                               ([{"qdev": "virtio-disk0", "io-status": "ok"}], "No errors found"),
                               ([{"qdev": "virtio-disk0", "io-status": "nospace"}], "vda: no space"),
                               ([{"qdev": "another", "io-status": "failed"},
                                 {"qdev": "virtio-disk0", "io-status": "failed"}], "vda: unspecified error"),
                               ([1, {"qdev": []}, {"qdev": "virtio-disk0", "io-status": {}}], "No errors found")):
            with self.subTest(drives=drives):
                self.vmm.order("drives", drives=drives)
                self.assertEqual(virsh("domblkerror", "test", readonly=True), errors)

    def test_one_that_the_guest_keeps(self):
        events = self.daemon.events()
        for _ in range(2):
            virsh("detach-disk", "test", "vda", "--live")
            self.vmm.say("DEVICE_UNPLUG_GUEST_ERROR", device="virtio-disk0", path="/machine/peripheral/virtio-disk0")
            events.wait_device("removal-failed", "virtio-disk0")
        self.assertIn("<disk", virsh("dumpxml", "test"))
        virsh("detach-disk", "test", "vda", "--live")
        self.vmm.say("DEVICE_DELETED", device="virtio-disk0")
        events.wait_device("removed", "virtio-disk0")
        self.assertNotIn("<disk", virsh("dumpxml", "test"))

    def test_one_that_went_while_nobody_listened(self):
        self.vmm.order("devices", names=[])
        with Listener(DEVICE_REMOVED) as listener:
            self.vmm.order("leave")
            self.wait_xml(lambda xml: "<disk" not in xml, "the disk is there still")
            self.assertEqual(listener.count(1), 1)
        self.assertIn("pcie-root-port", virsh("dumpxml", "test"))

    def test_one_that_went_while_there_was_no_daemon(self):
        self.vmm.order("devices", names=["virtio-disk0"])
        self.daemon.restart()
        wait_adopted("test")
        self.assertIn("<disk", virsh("dumpxml", "test"))
        self.daemon.stop()
        self.vmm.order("devices", names=[])
        self.daemon.start()
        self.wait_xml(lambda xml: "<disk" not in xml, "the disk is there still")

    def attach_unanswered(self):
        """Attaches an rng, and loses the connection before that is answered."""
        self.vmm.order("devices", names=["virtio-disk0"])
        self.vmm.hold("device_add")
        with ThreadPoolExecutor(1) as executor:
            attaching = executor.submit(run_virsh, "attach-device", "test", STDIN, "--live", text=self.RNG)
            deadline = Deadline(30)
            while not self.vmm.counts()[1]["device_add"]:
                self.assertFalse(deadline.is_over(), "no device is added")
            yield
            self.vmm.order("leave")
            result = attaching.result()
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("device 'rng0' is attached or not", result.stderr)
        self.vmm.release()
        yield

    def test_one_that_was_attached_without_an_answer(self):
        steps = self.attach_unanswered()
        next(steps)
        self.vmm.order("devices", names=["virtio-disk0", "rng0"])
        with Listener(DEVICE_ADDED) as listener:
            next(steps)
            self.assertEqual(listener.count(5), 1)
        self.assertIn("<alias name='rng0'/>", virsh("dumpxml", "test"))
        # What comes then has another name, and another place.
        virsh("attach-device", "test", STDIN, "--live", text=self.RNG)
        self.assertIn("<alias name='rng1'/>", virsh("dumpxml", "test"))

    def test_one_that_was_not_attached_and_had_no_answer(self):
        steps = self.attach_unanswered()
        next(steps)
        with Listener(DEVICE_REMOVED) as listener:
            next(steps)
            self.wait_xml(lambda xml: "<rng" not in xml, "the rng is there still")
            # Nobody was told that it had come.
            self.assertEqual(listener.count(1), 0)
        virsh("attach-device", "test", STDIN, "--live", text=self.RNG)
        self.assertIn("<alias name='rng0'/>", virsh("dumpxml", "test"))


    def test_one_that_the_next_daemon_would_not_know_is_not_attached(self):
        status = os.path.join(STATE_FOLDER, "test.status")
        os.unlink(status)
        os.mkdir(status)
        try:
            result = run_virsh("attach-device", "test", STDIN, "--live", text=self.RNG)
        finally:
            os.rmdir(status)
        self.assertIn("test.status", result.stderr)
        self.assertEqual(self.vmm.counts()[0]["device_add"], 0)
        self.assertNotIn("<rng", virsh("dumpxml", "test"))


class State(VmmTest):
    """What a guest does while a client changes its domain is not undone by that change."""

    devices = ("<controller type='pci' model='pcie-root-port'/>" * 6 +
               "<disk type='file' device='disk'><source file='/nowhere/disk.raw'/>"
               "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>"
               "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><alias name='net0'/>"
               "</interface>"
               "<channel type='unix'><source mode='bind' path='/nowhere/agent'/>"
               "<target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/><alias name='channel0'/>"
               "</channel>")

    def assert_kept(self, command, *arguments, text=None):
        """Has the VMM say something of its guest while this call waits for the answer to a command."""
        self.vmm.hold(command)
        with ThreadPoolExecutor(1) as executor:
            changing = executor.submit(run_virsh, *arguments, text=text)
            deadline = Deadline(30)
            while not self.vmm.counts()[1][command]:
                self.assertFalse(deadline.is_over(), f"there is no {command}")
            self.vmm.say("BALLOON_CHANGE", actual=32 << 20)
            self.vmm.say("VSERPORT_CHANGE", id="channel0", open=True)
            while not self.has_state(virsh("dumpxml", "test")):
                self.assertFalse(deadline.is_over(), "what the VMM says is not seen")
            self.vmm.release()
            result = changing.result()
        self.assertTrue(self.has_state(virsh("dumpxml", "test")))
        with open(os.path.join(STATE_FOLDER, "test.status"), encoding="utf-8") as file:
            self.assertTrue(self.has_state(file.read()))
        return result

    @staticmethod
    def has_state(xml):
        return "state='connected'" in xml and "<currentMemory unit='KiB'>32768<" in xml

    def test_a_device_is_attached(self):
        self.assert_kept("device_add", "attach-device", "test", STDIN, "--live", text=Devices.RNG)
        self.assertIn("<rng", virsh("dumpxml", "test"))

    def test_a_device_is_refused(self):
        self.vmm.fail("device_add")
        result = self.assert_kept("device_add", "attach-device", "test", STDIN, "--live", text=Devices.RNG)
        self.assertIn("device_add is refused", result.stderr)
        self.assertNotIn("<rng", virsh("dumpxml", "test"))

    def test_a_device_is_updated(self):
        self.assert_kept("set_link", "domif-setlink", "test", "52:54:00:00:00:01", "down")
        self.assertIn("<link state='down'/>", virsh("dumpxml", "test"))

    def test_limits_are_set(self):
        self.assert_kept("block_set_io_throttle", "blkdeviotune", "test", "vda", "--total-iops-sec", "100")
        self.assertIn("<total_iops_sec>100<", virsh("dumpxml", "test"))


class Media(VmmTest):
    """A medium is changed, and the VMM does not say so, or the guest does not let go of it."""

    devices = ("<controller type='sata' index='0'/>"
               "<disk type='file' device='cdrom'><source file='/nowhere/first.iso'/><target dev='sda' bus='sata'/>"
               "<readonly/><alias name='sata0-0-0'/></disk>")
    # Who opens images has to know who reads them.
    status = "user=0\nuser-group=0\nuser-is-own=false\n"
    COMMAND = "blockdev-change-medium"

    def setUp(self):
        super().setUp()
        self.image = self.enterContext(tempfile.NamedTemporaryFile(suffix=".iso"))

    def say_drive(self, is_open=False, is_locked=False, has_medium=True):
        self.vmm.order("drives", drives=[{"qdev": "sata0-0-0", "removable": True, "tray_open": is_open,
                                          "locked": is_locked, **({"inserted": {}} if has_medium else {})}])

    @staticmethod
    def drive():
        """The medium and the tray, as the domain's document says."""
        disk = ElementTree.fromstring(virsh("dumpxml", "test")).find("devices/disk")
        source = disk.find("source")
        return source.get("file") if source is not None else None, disk.find("target").get("tray")

    def wait_drive(self, *wanted, seconds=60):
        deadline = Deadline(seconds)
        while (found := self.drive()) != wanted:
            self.assertFalse(deadline.is_over(), f"{found}, not {wanted}")

    def begin_change(self, executor, *arguments):
        """Begins to change the medium; it is held back."""
        changing = executor.submit(run_virsh, "change-media", "test", "sda", *arguments, "--live")
        deadline = Deadline(30)
        while not self.vmm.counts()[1][self.COMMAND]:
            self.assertFalse(deadline.is_over(), "no medium is changed")
        return changing

    def lose_answer(self, changing, **drive):
        """Loses the connection while the medium is changed; how the drive is, the VMM says then."""
        asked = self.vmm.counts()[0]["query-block"]
        self.say_drive(**drive)
        self.vmm.order("leave")
        self.assertIn("drive 'sda' is changed or not", changing.result().stderr)
        self.vmm.release()
        deadline = Deadline(30)
        while self.vmm.counts()[0]["query-block"] == asked:
            self.assertFalse(deadline.is_over(), "nobody asks how the drive is")
        wait_adopted("test")

    def assert_unanswered(self, *arguments, **drive):
        self.vmm.hold(self.COMMAND)
        with ThreadPoolExecutor(1) as executor:
            self.lose_answer(self.begin_change(executor, *arguments), **drive)

    def test_an_eject_that_is_not_answered_and_made(self):
        self.assert_unanswered("--eject", is_open=True, has_medium=False)
        self.wait_drive(None, "open")

    def test_an_eject_that_is_not_answered_and_not_made(self):
        self.assert_unanswered("--eject", is_open=False, is_locked=True)
        self.assertEqual(self.drive(), ("/nowhere/first.iso", None))

    def test_a_medium_that_comes_without_an_answer(self):
        for has_medium in (True, False):
            self.say_drive(has_medium=False)
            virsh("change-media", "test", "sda", "--eject", "--live", "--force")
            asked = self.vmm.counts()[0][self.COMMAND]
            self.vmm.hold(self.COMMAND)
            with ThreadPoolExecutor(1) as executor:
                # The first of the two that it takes opens the tray.
                changing = self.begin_change(executor, self.image.name, "--insert")
                self.vmm.order("release_one")
                deadline = Deadline(30)
                while self.vmm.counts()[0][self.COMMAND] != asked + 2:
                    self.assertFalse(deadline.is_over(), "no medium comes")
                self.lose_answer(changing, has_medium=has_medium)
            self.assertEqual(self.drive(), (self.image.name if has_medium else None, None))

    def test_one_that_went_while_there_was_no_daemon(self):
        self.daemon.stop()
        self.say_drive(is_open=True, has_medium=False)
        self.daemon.start()
        wait_adopted("test")
        self.wait_drive(None, "open")

    def test_a_guest_that_opens_its_tray_when_it_is_asked(self):
        self.say_drive(is_locked=True)
        self.vmm.fail(self.COMMAND)
        with Listener(TRAY_CHANGE) as listener, ThreadPoolExecutor(1) as executor:
            changing = executor.submit(run_virsh, "change-media", "test", "sda", "--eject", "--live")
            deadline = Deadline(30)
            while not self.vmm.counts()[0]["query-block"]:
                self.assertFalse(deadline.is_over(), "nobody asks for the tray")
            self.vmm.fail()
            self.vmm.say("DEVICE_TRAY_MOVED", **{"id": "sata0-0-0", "device": "", "tray-open": True})
            self.assertEqual(changing.result().stderr, "")
            self.assertEqual(listener.count(1), 1)
        self.assertEqual(self.drive(), (None, "open"))

    def test_a_guest_that_keeps_its_tray_locked(self):
        self.say_drive(is_locked=True)
        self.vmm.fail(self.COMMAND)
        result = run_virsh("change-media", "test", "sda", "--eject", "--live")
        self.assertIn("blockdev-change-medium is refused", result.stderr)
        self.assertEqual(self.drive(), ("/nowhere/first.iso", None))
        # What it opens later has the medium in it.
        self.vmm.say("DEVICE_TRAY_MOVED", **{"id": "sata0-0-0", "device": "", "tray-open": True})
        self.wait_drive("/nowhere/first.iso", "open")

    def test_a_medium_that_is_refused(self):
        self.vmm.hold(self.COMMAND)
        with ThreadPoolExecutor(1) as executor:
            changing = self.begin_change(executor, self.image.name, "--update")
            self.vmm.fail("getfd")
            self.vmm.release()
            error = changing.result().stderr
        self.assertIn("getfd is refused", error)
        # It is not there to be put back.
        self.assertIn("drive 'sda' is empty now", error)
        self.assertIn("/nowhere/first.iso", error)
        self.assertEqual(self.drive(), (None, None))


class Restarts(VmmTest):
    """A guest is to be restarted, and the VMM does not do it."""

    extra = "<on_poweroff>restart</on_poweroff>"

    def test_a_restart_that_is_not_answered_goes_on_when_it_is(self):
        self.vmm.hold("system_reset")
        self.vmm.say("SHUTDOWN", guest=True, reason="guest-shutdown")
        # So long it waits for the answer.
        self.wait_state("paused (unknown)", 60)
        self.assertIn("not restarted yet", virsh("dominfo", "test"))
        self.assertTrue(self.vmm.is_running())
        self.vmm.release()
        self.wait_state("running (unpaused)")
        self.assertNotIn("not restarted yet", virsh("dominfo", "test"))
        self.assert_serves()

    def test_one_for_which_the_connection_is_lost_is_made_up_for(self):
        self.vmm.hold("system_reset")
        self.vmm.say("SHUTDOWN", guest=True, reason="guest-shutdown")
        deadline = Deadline(30)
        while not self.vmm.counts()[1]["system_reset"]:
            self.assertFalse(deadline.is_over(), "no restart is tried")
        self.vmm.order("leave")
        self.vmm.release()
        self.wait_state("running (unpaused)")
        self.assert_serves()


class NewDaemon(unittest.TestCase):
    """A daemon that finds a VMM which does not answer."""

    def test_one_that_is_slow_is_waited_for(self):
        with FakeVmm() as vmm:
            with Daemon() as daemon:
                wait_adopted("test")
                daemon.stop(signal.SIGKILL)
                os.kill(vmm.pid, signal.SIGSTOP)
                daemon.start()
                self.assertEqual(virsh("domstate", "test"), "running")
                self.assertIn("occupied", virsh("domcontrol", "test"))
                os.kill(vmm.pid, signal.SIGCONT)
                wait_adopted("test")
                self.assertTrue(vmm.is_running())
                virsh("suspend", "test")

    def test_one_that_is_silent_for_long_is_not_ended(self):
        with FakeVmm(state=PAUSED) as vmm:
            os.kill(vmm.pid, signal.SIGSTOP)
            with Daemon() as daemon:
                deadline = Deadline(60)
                while "cannot be reached" not in virsh("dominfo", "test"):
                    self.assertFalse(deadline.is_over(), "nothing is told of it")
                self.assertIn("cannot be reached", daemon.log())
                self.assertTrue(vmm.is_running())
                os.kill(vmm.pid, signal.SIGCONT)
                wait_adopted("test")
                self.assertEqual(virsh("domstate", "test", "--reason"), "running (unpaused)")
                virsh("suspend", "test")
class IoThreads(VmmTest):
    """What a VMM says of its threads is checked, and taken over when it is reached again."""

    extra = "<iothreads>2</iothreads>"

    def say_threads(self, *threads):
        self.vmm.order("iothreads", threads=[{"id": name, "thread-id": number} for name, number in threads])

    def wait_threads(self, *wanted):
        """Those that the domain has, as soon as they are those."""
        deadline = Deadline(60)
        while True:
            root = ElementTree.fromstring(virsh("dumpxml", "test"))
            found = [int(thread.get("id")) for thread in root.iterfind("iothreadids/iothread")]
            if found == list(wanted):
                return
            self.assertFalse(deadline.is_over(), f"{found}, not {wanted}")

    def assert_refused(self, pattern, *command):
        with self.assertRaisesRegex(VirshError, pattern):
            virsh(*command)

    def test_another_process_is_none_of_its_threads(self):
        before = os.sched_getaffinity(os.getpid())
        for number in (os.getpid(), 0, -1, 1 << 31, 1 << 40, "1", None, [1]):
            with self.subTest(number=number):
                self.say_threads(("iothread1", number), ("iothread2", self.vmm.pid))
                self.assert_refused("cannot be pinned: the VMM has no thread", "iothreadpin", "test", "1", "0", "--live")
                self.assert_refused("the VMM has no thread", "iothreadinfo", "test", "--live")
        self.assertEqual(os.sched_getaffinity(os.getpid()), before)
        self.say_threads(("iothread1", self.vmm.pid), ("iothread2", self.vmm.pid))
        virsh("iothreadpin", "test", "1", str(min(before)), "--live")
        self.assertEqual(os.sched_getaffinity(self.vmm.pid), {min(before)})

    def test_answers_that_are_none(self):
        for threads in ({}, 1, [1, "iothread1", None, []]):
            with self.subTest(threads=threads):
                self.vmm.order("iothreads", threads=threads)
                self.assert_refused("the VMM", "iothreadinfo", "test", "--live")
                self.assertNotIn("iothread.", virsh("domstats", "test", "--iothread"))
        self.assert_serves()

    def test_threads_that_came_and_went_while_nobody_listened(self):
        names = ["iothread0", "iothread", "iothread03", "iothread+4", "iothread5 ", "thread6", "iothread2147483648",
                 "iothread9", "iothread9"]
        self.say_threads(*((name, self.vmm.pid) for name in names))
        self.vmm.order("leave")
        self.wait_threads(9)

    def test_more_than_there_can_be(self):
        self.say_threads(*((f"iothread{number}", self.vmm.pid) for number in range(1, 500)))
        self.vmm.order("leave")
        self.wait_threads(*range(1, 65))

    def add_unanswered(self, *threads):
        """Adds a thread, and loses the connection before that is answered."""
        self.say_threads(("iothread1", self.vmm.pid), ("iothread2", self.vmm.pid))
        self.vmm.hold("device_add")
        with ThreadPoolExecutor(1) as executor:
            adding = executor.submit(run_virsh, "iothreadadd", "test", "3", "--live")
            deadline = Deadline(30)
            while not self.vmm.counts()[1]["device_add"]:
                self.assertFalse(deadline.is_over(), "no thread is added")
            self.say_threads(*((f"iothread{number}", self.vmm.pid) for number in threads))
            asked = self.vmm.counts()[0]["query-iothreads"]
            self.vmm.order("leave")
            self.assertNotEqual(adding.result().returncode, 0)
        self.vmm.release()
        deadline = Deadline(30)
        while self.vmm.counts()[0]["query-iothreads"] == asked:
            self.assertFalse(deadline.is_over(), "nobody asks which threads there are")
        wait_adopted("test")

    def test_one_that_was_added_without_an_answer(self):
        self.add_unanswered(1, 2, 3)
        self.wait_threads(1, 2, 3)

    def test_one_that_was_not_added_and_had_no_answer(self):
        self.add_unanswered(1, 2)
        self.wait_threads()
