# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The daemon, its VMMs and loggers under the AppArmor profiles of packaging/apparmor.

Where they can be enforced, support/apparmor.py does so for every other test too.
"""

import subprocess
import sys
import unittest

from support import apparmor, kinds
from support.daemon import DaemonTest, logger_pids, virsh, vmm_pid

WHY_NOT = apparmor.why_not()

# What a program of the tests tries in a profile; each in a process of its own.
TRIES = {
    "a program": "os.execv('/bin/true', ['true'])",
    "a shell": "os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "the passwords": "open('/etc/shadow')",
    "the daemon's settings": "open('/etc/libvirt/virtgmemd.conf', 'w')",
    "other processes": "open('/proc/1/environ', 'rb')",
    "the system's programs": "open('/usr/bin/new', 'w')",
    "the kernel's settings": "open('/proc/sys/kernel/core_pattern', 'w')",
    "a network": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a mount": "mount()",
    "the first process": "os.kill(1, signal.SIGCONT)",
    "the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())",
}

PROGRAM = """
import ctypes, os, signal, socket, sys, time

def mount():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def is_refused(attempt):
    child = os.fork()
    if child == 0:
        try:
            eval(attempt)
        except PermissionError:
            os._exit(17)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17

with open('/proc/self/attr/current', 'w') as file:
    file.write('changeprofile ' + sys.argv[1])
tries = sys.argv[2:]
for name, attempt in zip(tries[::2], tries[1::2]):
    if not is_refused(attempt):
        print(name)
"""


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Profiles(unittest.TestCase):
    is_refused = True

    def test_they_are_enforced(self):
        found = apparmor.modes()
        self.assertEqual({name: found.get(name) for name in apparmor.PROFILES},
                         {name: "enforce" for name in apparmor.PROFILES})

    def went_through(self, profile, names):
        """What root can do in a profile, of what is named."""
        tries = [word for name in names for word in (name, TRIES[name])]
        result = subprocess.run([sys.executable, "-c", PROGRAM, profile, *tries], check=False,
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def assert_refused(self, profile, names):
        self.assertEqual(self.went_through(profile, names), [])

    def test_roots_own_vmm_gets_nowhere(self):
        # Connections that are handed over are used; that it makes none is its system calls' part.
        self.assert_refused("gmem-vmm", TRIES.keys() - {"a network"})

    def test_a_logger_starts_nothing_and_changes_no_program(self):
        self.assert_refused("gmem-logger", ["a program", "a network", "the system's programs", "the passwords",
                                            "the daemon's settings"])

    def test_the_daemon_starts_nothing_else_and_changes_no_program(self):
        self.assert_refused("virtgmemd", ["a program", "a shell", "the system's programs",
                                          "the kernel's settings", "packets", "the clock"])

    def test_the_daemon_connects_to_servers_of_disks(self):
        self.assertEqual(self.went_through("virtgmemd", ["a network"]), ["a network"])

    def test_without_a_profile_all_of_it_works(self):
        """What is tried can be done: nothing else refuses it."""
        names = ["the passwords", "a network", "a mount", "the first process"]
        self.assertEqual(self.went_through("unconfined", names), names)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Domains(DaemonTest):
    def test_a_domain_runs_confined(self):
        kinds.require("windows")
        self.define(kind="windows")
        self.run_tiny()
        self.assertEqual(apparmor.confinement(self.daemon.pid), "virtgmemd (enforce)")
        self.assertEqual(apparmor.confinement(vmm_pid("test")), "gmem-vmm (enforce)")
        self.assertEqual([apparmor.confinement(pid) for pid in logger_pids()], ["gmem-logger (enforce)"])
        virsh("destroy", "test")


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Refusals(DaemonTest):
    is_refused = True

    def test_another_emulator_is_refused_by_name(self):
        kinds.require("windows")
        self.define(kind="windows", emulator="/bin/true")
        with self.assertRaisesRegex(AssertionError, "/bin/true.*ermission denied"):
            virsh("start", "test")
