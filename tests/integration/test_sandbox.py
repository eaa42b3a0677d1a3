# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What is left to a VMM and its logger, as the kernel says, and what is said where a host lacks a part.

How the sandbox holds is for tests/sandbox/break-out.
"""

import os
import pwd
import re
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from support import kinds, tiny
from support.daemon import (DaemonTest, PROGRAM, VirshError, domain_xml, logger_pids, virsh, vmm_pid,
                            vmm_pids)
from support.vmm import EMULATOR, LOGGER, STORAGE_FILES, Vmm, payload
from support.waiting import PATIENCE, Deadline, wait_for_exit
from support.where import EVERYWHERE, NATIVE, everywhere

# "ordinary" is there where any KVM is.
GUEST = ["--memory-kind=ordinary", "--memory=64M", "--vcpus=2", f"--payload={payload('agent')}", "--paused"]

# Starts the VMM as root of a user namespace, who may make no other namespaces in it.
WITHOUT_NAMESPACES = f"""#!/bin/sh
exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$0" "$@"' \\
    {EMULATOR} "$@"
"""

# Ends at once, by a filter of its own that allows all but acct(2), on a thread with a name.
CALLS_ACCT = """#!/usr/bin/python3
import ctypes, struct
c = ctypes.CDLL(None)
kill = b"".join(struct.pack("HBBI", *row) for row in
                [(0x20, 0, 0, 0), (0x15, 0, 1, 163), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7fff0000)])
rows = ctypes.create_string_buffer(kill)
program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(rows))
c.prctl(15, b"a thread", 0, 0, 0)
c.prctl(38, 1, 0, 0, 0)
c.prctl(22, 2, program, 0, 0)
c.syscall(163, None)
"""

DAC_OVERRIDE_AND_FOWNER = (1 << 1) | (1 << 3)


def refusals():
    """How many calls of acct() the kernel's log has as refused."""
    return len(re.findall("type=1326 .* syscall=163 ", subprocess.check_output(["dmesg"], text=True)))


def log_of(name):
    with open(f"/var/log/libvirt/gmem/{name}.log", encoding="utf-8") as file:
        return file.read()


def status(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    with open(path, encoding="ascii") as file:
        return {name: value.strip() for name, value in (line.split(":", 1) for line in file)}


def threads(pid):
    return [status(pid, thread) for thread in os.listdir(f"/proc/{pid}/task")]


def namespaces(pid, *names):
    return [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]


def hard_limits(pid, *names):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        lines = {line[:25].strip(): line.split() for line in file}
    return [int(lines[name][-2]) for name in names]


def capabilities(fields, *sets):
    return [int(fields[name], 16) for name in sets]


class ProcessTest(unittest.TestCase):
    """What holds for each process in the sandbox."""

    def assert_confined(self, pid, kept=0):
        fields = status(pid)
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertEqual(capabilities(fields, "CapInh", "CapAmb"), [0, 0])
        self.assertEqual(capabilities(fields, "CapPrm", "CapEff"), [kept, kept])
        self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
        self.assertNotEqual(namespaces(pid, "mnt"), namespaces("self", "mnt"))

    def assert_filtered(self, pid):
        """Each thread has a filter of its own over the one for setting up; one that has not begun yet gets it."""
        deadline = Deadline(30)
        while late := [fields["Name"] for fields in threads(pid)
                       if fields["Seccomp"] != "2" or int(fields["Seccomp_filters"]) < 2]:
            self.assertFalse(deadline.is_over(), late)
            time.sleep(0.05)


@unittest.skipUnless(os.path.exists("/dev/kvm"), "this machine has no KVM")
class Alone(ProcessTest):
    """gmem-vmm, started by a person."""

    where = NATIVE

    @everywhere
    def test_the_whole_sandbox(self):
        with Vmm(*GUEST, "--sandbox=full") as vmm:
            vmm.qmp.execute("query-status")
            self.assert_confined(vmm.pid)
            self.assert_filtered(vmm.pid)

    def test_what_takes_no_privileges(self):
        with Vmm(*GUEST, "--sandbox=process") as vmm:
            vmm.qmp.execute("query-status")
            self.assertEqual(namespaces(vmm.pid, "mnt", "user"), namespaces("self", "mnt", "user"))
            self.assertEqual(capabilities(status(vmm.pid), "CapPrm", "CapEff", "CapInh"), [0, 0, 0])
            self.assert_filtered(vmm.pid)

    def without_namespaces(self, *arguments):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        program = os.path.join(folder, "gmem-vmm")
        with open(program, "w", encoding="ascii") as file:
            file.write(WITHOUT_NAMESPACES)
        os.chmod(program, 0o755)
        return Vmm(*GUEST, "--sandbox=full", *arguments, emulator=program)

    def test_a_part_that_the_host_lacks(self):
        with self.without_namespaces() as vmm:
            self.assertEqual(vmm.process.wait(30), 1)
            self.assertIn("the sandbox lacks its part 'namespaces': unshare(CLONE_NEWNS)", vmm.log())

    def test_a_part_that_may_be_lacking(self):
        with self.without_namespaces("--sandbox-may-lack=namespaces") as vmm:
            self.assertEqual(vmm.qmp.execute("query-status")["status"], "prelaunch")
            self.assertIn("warning: there is no part 'namespaces': unshare(CLONE_NEWNS)", vmm.log())
            self.assert_filtered(vmm.pid)


class OfTheDaemon(DaemonTest, ProcessTest):
    """Those that virtgmemd starts."""

    where = NATIVE
    is_refused = True

    def start(self):
        if kinds.why_not("windows"):
            kinds.require("two-sided")
        self.define(kind=None)
        virsh("start", "--paused", "test")
        return vmm_pid("test")

    @everywhere
    def test_a_vmm_and_its_logger(self):
        pid = self.start()
        (logger,) = logger_pids()
        self.assert_confined(pid)
        self.assert_filtered(pid)
        self.assertEqual(capabilities(status(pid), "CapBnd"), [0])
        # Threads: 64 beside that of its vCPU, 32 for the balloon, 128 of a storage daemon that may come.
        self.assertEqual(hard_limits(pid, "Max core file size", "Max open files", "Max msgqueue size", "Max processes"),
                         [0, 2048, 0, 1 + 64 + 32 + 128])
        self.assert_confined(logger, kept=DAC_OVERRIDE_AND_FOWNER)
        self.assertEqual(status(logger)["Seccomp"], "2")
        for process in pid, logger:
            for own, others in zip(namespaces(process, "net", "ipc", "uts"), namespaces("self", "net", "ipc", "uts")):
                self.assertNotEqual(own, others)
        virsh("destroy", "test")

    def test_the_end_by_a_call_that_is_not_allowed_is_told(self):
        pid = self.start()
        events = self.daemon.events()
        os.kill(pid, signal.SIGSYS)
        events.wait("Stopped Crashed")
        events.close()
        self.assertIn("it made a system call that its sandbox does not allow", virsh("dominfo", "test"))
        self.assertIn("the VMM has ended (signal 31 (Bad system call): ", log_of("test"))

    @unittest.skipUnless(os.path.exists("/usr/bin/python3"), "there is no Python that every user may start")
    def test_a_call_that_is_not_allowed_is_named(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        os.chmod(folder, 0o755)
        program = os.path.join(folder, "gmem-vmm")
        with open(program, "w", encoding="ascii") as file:
            file.write(CALLS_ACCT)
        os.chmod(program, 0o755)
        self.define(kind=None, emulator=program)
        before = refusals()
        with self.assertRaises(VirshError) as caught:
            virsh("start", "test")
        self.assertIn("signal 31 (Bad system call)", str(caught.exception))
        # Nor does it where there are too many.
        if refusals() == before:
            self.skipTest("the kernel's log does not name calls that are refused")
        for text in str(caught.exception), log_of("test"):
            self.assertIn("its thread 'a thread' made a system call that its sandbox does not allow, 'acct'", text)


@unittest.skipUnless(os.path.exists("/dev/kvm"), "this machine has no KVM")
class OfASession(ProcessTest):
    """A VMM of gmem:///session, whose user has no right but to KVM."""

    where = EVERYWHERE
    limit = 240

    def setUp(self):
        self.kind = next((kind for kind in ("windows", "two-sided") if kinds.why_not(kind) is None), None)
        if not self.kind:
            self.skipTest("this host has no private memory")
        self.user = pwd.getpwnam("nobody")
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.kernel = tiny.write_kernel(self.folder)
        os.chmod(self.kernel, 0o644)
        for name in filter(os.path.exists, ("/dev/kvm", "/dev/userfaultfd")):
            self.give(name)
        if not self.run_as_user("unshare", "--user", "true").returncode == 0:
            self.skipTest("users may have no namespaces here")
        self.start_daemon()

    def give(self, device):
        """The user's own node of a device, where the host's is, in the tests' mounts."""
        node = os.path.join(self.folder, os.path.basename(device))
        os.mknod(node, stat.S_IFCHR | 0o600, os.stat(device).st_rdev)
        os.chown(node, self.user.pw_uid, self.user.pw_gid)
        subprocess.check_call(["mount", "--bind", node, device])
        self.addCleanup(subprocess.check_call, ["umount", device])

    def run_as_user(self, *command):
        environment = {name: self.folder for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        return subprocess.run(command, user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[], input="",
                              text=True, capture_output=True, check=False, timeout=60 * PATIENCE, cwd="/",
                              env=dict(os.environ, GMEM_VMM=EMULATOR, GMEM_LOGGER=LOGGER,
                                       GMEM_STORAGE_FILES=STORAGE_FILES, **environment))

    def start_daemon(self):
        path = os.path.join(self.folder, "pid")
        started = self.run_as_user(PROGRAM, "--daemon", "--pid-file", path)
        self.assertEqual(started.returncode, 0, started.stderr)
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
        self.addCleanup(wait_for_exit, pid, 30)
        self.addCleanup(os.kill, pid, signal.SIGTERM)

    def virsh(self, *command):
        result = self.run_as_user("virsh", "-q", "-c", "gmem:///session", *command)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.strip()

    def test_it_is_in_a_user_namespace(self):
        xml = domain_xml(memory=16, kernel=self.kernel, initrd=None, cmdline="o", kind=self.kind)
        path = os.path.join(self.folder, "test.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(xml)
        self.virsh("create", "--paused", path)
        self.addCleanup(self.virsh, "destroy", "test")
        self.assertEqual(self.virsh("domstate", "test"), "paused")
        (pid,), (logger,) = vmm_pids(), logger_pids()
        for process in pid, logger:
            with self.subTest(process=process):
                self.assert_confined(process)
                self.assertEqual(status(process)["Uid"].split(), [str(self.user.pw_uid)] * 4)
                names = "user", "net", "ipc", "uts"
                for own, others in zip(namespaces(process, *names), namespaces("self", *names)):
                    self.assertNotEqual(own, others)
        self.assert_filtered(pid)
