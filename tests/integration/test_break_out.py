# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A VMM that somebody has taken over, beside another one: what it asks the kernel for is refused, and the other goes on.

The VMM is tests/sandbox/asking-vmm, which makes system calls by a command of its monitor. Each call that the sandbox
does not know is its end, so each attempt has a VMM of its own. tests/sandbox/break-out has many more, of each kind of
thread, without a VMM.
"""

import errno
import os
import signal
import unittest

from support import kinds
from support.qmp import QmpError
from support.vmm import BUILD, MEMORY_KIND, Vmm, payload
from support.where import NATIVE, everywhere

ASKING = os.path.join(BUILD, "tests/sandbox/asking-vmm")
GUEST = ["--memory=64M", "--vcpus=2", f"--payload={payload('agent')}"]

CURRENT_FOLDER = -100
GETPID = 39

# What may be said to a call instead of ending who makes it.
REFUSALS = (errno.ENOSYS, errno.EPERM)


def attempts(other):
    """By name: a call's number and arguments. @other is the other VMM's process."""
    return {
        "open a file": (2, "/etc/passwd", os.O_RDONLY),
        "open it from the current folder": (257, CURRENT_FOLDER, "/etc/passwd", os.O_RDONLY),
        "open it by openat2": (437, CURRENT_FOLDER, "/etc/passwd", "x" * 24, 24),
        "make a file": (85, "/new", 0o600),
        "open KVM again": (257, CURRENT_FOLDER, "/dev/kvm", os.O_RDWR),
        "remove the monitor of the other": (87, "/run/libvirt/gmem/other.monitor"),
        "a UNIX socket": (41, 1, 1, 0),
        "a network socket": (41, 2, 1, 0),
        "connect to the daemon": (42, 0, "/run/libvirt/virtgmemd-sock-ro", 16),
        "send a descriptor": (46, 1, 0, 0),
        "receive a descriptor": (47, 0, 0, 0),
        "a pidfd of the other": (434, other, 0),
        "a descriptor of the other": (438, 0, 0, 0),
        "kill the other": (62, other, signal.SIGKILL),
        "kill a thread of the other": (234, other, other, signal.SIGKILL),
        "kill a thread by its number": (200, other, signal.SIGKILL),
        "queue a signal for the other": (129, other, signal.SIGKILL, 0),
        "kill the daemon's whole session": (62, -1, signal.SIGKILL),
        "trace the other": (101, 16, other, 0, 0),
        "read the other's memory": (310, other, 0, 0, 0, 0, 0),
        "write to the other's memory": (311, other, 0, 0, 0, 0, 0),
        "compare descriptors with the other": (312, os.getpid(), other, 0, 0, 0),
        "the other's limits": (302, other, 7, 0, 0),
        "the other's processors": (203, other, 8, "x"),
        "the other's pages": (279, other, 0, 0, 0, 0, 0),
        "fork": (57,),
        "vfork": (58,),
        "clone a process": (56, signal.SIGCHLD, 0, 0, 0, 0),
        "clone a process by clone3": (435, "x" * 64, 64),
        "execute a shell": (59, "/bin/sh", 0, 0),
        "execute a descriptor": (322, 0, "", 0, 0, 0x1000),
        "mount": (165, "none", "/", "tmpfs", 0, 0),
        "unmount": (166, "/", 0),
        "another root": (161, "/"),
        "pivot the root": (155, "/", "/"),
        "a user namespace": (272, 0x10000000),
        "a namespace of somebody's": (308, 0, 0),
        "a key": (248, "user", "name", "payload", 7, -3),
        "keys": (250, 0, -3, 0),
        "a userfaultfd": (323, 0),
        "io_uring": (425, 8, 0),
        "performance counters": (298, 0, 0, -1, -1, 0),
        "a BPF program": (321, 5, 0, 0),
        "a memfd to execute": (319, "new", 0),
        "memory to execute": (9, 0, 4096, 7, 0x22, -1, 0),
        "a new VM": (16, 0, 0xae01, 0),
        "type on the terminal": (16, 0, 0x5412, "x"),
        "be dumpable": (157, 4, 1),
        "another user": (105, 0),
        "another group": (106, 0),
        "capabilities": (126, 0, 0),
        "larger limits": (160, 9, "x" * 16),
        "lock all memory": (151, 3),
        "watch files": (294, 0),
        "a module": (175, 0, 0, ""),
        "reboot": (169, 0, 0, 0),
        "the clock": (227, 0, 0),
        "the host's name": (170, "name", 4),
        "swap": (167, "/dev/sda", 0),
        "I/O ports": (172, 3),
    }


class Beside(unittest.TestCase):
    """Two VMMs that run."""

    where = NATIVE
    limit = 300
    is_refused = True

    def setUp(self):
        kinds.require(MEMORY_KIND)

    def vmm(self):
        return Vmm(*GUEST, emulator=ASKING)

    @everywhere
    def test_it_can_be_asked(self):
        """What the sandbox lets through is carried out, on both threads."""
        with self.vmm() as vmm:
            for command in "x-system-call", "x-system-call-on-worker":
                self.assertEqual(vmm.qmp.execute(command, number=GETPID, arguments=[])["result"], vmm.pid)

    def ask(self, command, number, *arguments):
        """How a VMM that makes a call fares: "ended", or the errno that it got, or 0."""
        with self.vmm() as vmm:
            vmm.qmp.execute("query-status")
            try:
                return vmm.qmp.execute(command, number=number, arguments=list(arguments))["errno"]
            except (EOFError, OSError, QmpError):
                return "ended" if vmm.wait(30) == -signal.SIGSYS else f"status {vmm.wait(0)}"

    def check(self, command):
        with self.vmm() as other:
            tries = attempts(other.pid)
            for name, call in tries.items():
                outcome = self.ask(command, *call)
                print(f"# {command}: {name}: {outcome if outcome == 'ended' else errno.errorcode.get(outcome, outcome)}")
                with self.subTest(name):
                    self.assertIn(outcome, ("ended", *REFUSALS))
            self.assertEqual(other.qmp.execute("query-status")["status"], "running")

    def test_main(self):
        self.check("x-system-call")

    def test_a_worker(self):
        self.check("x-system-call-on-worker")
