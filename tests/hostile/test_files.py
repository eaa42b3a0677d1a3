# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Files that guests and VMMs fill: they are bounded, whatever is written and whatever becomes of the disk,
and a daemon finds in them why a VMM has ended. And VMMs that would run as root unasked.
"""

import fcntl
import os
import signal
import subprocess
import tempfile
import unittest

from support import adopted
from support.daemon import (CONFIG_FOLDER, Daemon, LOG_FOLDER, PROGRAM, STATE_FOLDER, domain_names,
                            domain_xml, run_virsh, virsh)
from support.logger import Logger, sizes
from support.waiting import Deadline, Timeout, wait_readable

# mov $0x3f8, %dx; 1: lea text(%rip), %rsi; mov $2048, %ecx; rep outsb; jmp 1b; text: 2048 letters.
WRITES_FOR_EVER = (bytes.fromhex("66baf803" "fc" "488d3509000000" "b900080000" "f36e" "ebf0")
                   + b"A" * 2048)

# A VMM that greets, answers what a daemon asks it when it finds it, and ends when its log has the rest.
SPEAKS_AND_ENDS = r"""
import json, os, socket, sys
monitor = socket.socket(fileno=int(sys.argv[1])).accept()[0]
stream = monitor.makefile("rw")
def say(**message):
    stream.write(json.dumps(message) + "\r\n")
    stream.flush()
say(QMP={"version": {}, "capabilities": []})
for line in stream:
    command = json.loads(line)
    answers = {"query-status": {"status": "running", "running": True}, "query-cpus-fast": []}
    say(**{"return": answers.get(command["execute"], {}), "id": command.get("id")})
    if command["execute"] == "query-cpus-fast":
        break
os.write(int(sys.argv[2]), b"x")
os.read(int(sys.argv[3]), 1)
for number in range(2000):
    sys.stdout.write(f"line {number} of many\n")
sys.stdout.write("these were its last words\n")
sys.stdout.flush()
"""


def wait_until(holds, what, seconds=30):
    """Waits until something can be seen that nobody tells of."""
    deadline = Deadline(seconds)
    while not holds():
        if deadline.is_over():
            raise Timeout(what)
        virsh("uri")


class Flood(unittest.TestCase):
    """More than anybody wants to keep."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))

    @unittest.skipUnless(adopted.has_kvm(), "this machine has no KVM")
    def test_a_guest_that_writes_for_ever_fills_no_disk(self):
        payload = os.path.join(self.folder, "payload")
        with open(payload, "wb") as file:
            file.write(WRITES_FOR_EVER)
        limit = 16384
        with Logger(self.folder, "vmm.log", "console", "console.log", max_size=limit) as logger:
            pipes = [logger.pipes["console"], logger.pipes["console.log"]]
            with open(logger.pipes["vmm.log"], "wb", closefd=False) as log, \
                    adopted.ordinary("writes", payload, log=log, pass_fds=pipes, arguments=(
                        f"--console-fd={pipes[0]}", f"--console-log-fd={pipes[1]}")) as vmm, \
                    Daemon():
                logger.close_pipes()
                virsh("resume", "writes")
                # The fourth backup would be the sixth file.
                wait_until(lambda: len(sizes(self.folder, "console.log")) == 4
                           and len(sizes(self.folder, "console")) == 4, "no flood")
                wait_until(lambda: self.renewed("console"), "the flood has ended")
                self.assertTrue(vmm.is_running())
                vmm.process.kill()
                self.assertEqual(logger.process.wait(30), 0)
        for name in ("console", "console.log"):
            found = sizes(self.folder, name)
            self.assertEqual(len(found), 4)
            self.assertLessEqual(max(found), limit)

    def renewed(self, name):
        """Whether the oldest backup is another one than before."""
        before, self.before = getattr(self, "before", None), os.stat(
            os.path.join(self.folder, name + ".2")).st_mtime_ns
        return before not in (None, self.before)

    def test_a_vmm_that_has_been_taken_over_cannot_write_elsewhere_than_to_its_pipes(self):
        # As fast as it can, what no guest could say, to all that it has.
        names = ("vmm.log", "console")
        with Logger(self.folder, *names, max_size=65536, max_backups=1) as logger:
            for _ in range(64):
                for name in names:
                    logger.write(name, os.urandom(65536))
            self.assertEqual(logger.end(), 0)
        for name in names:
            self.assertEqual(sizes(self.folder, name), [65536, 65536])
        self.assertEqual(len(os.listdir(self.folder)), 4)

    def test_the_daemons_own_log_is_bounded(self):
        config = os.path.join(self.folder, "virtgmemd.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write('user = "root"\nmax_size = 4096\nmax_backups = 2\n')
        os.makedirs(CONFIG_FOLDER, exist_ok=True)
        for number in range(50):
            path = os.path.join(CONFIG_FOLDER, f"broken{number}.xml")
            with open(path, "w", encoding="ascii") as file:
                file.write("no domain")
            self.addCleanup(os.unlink, path)
        with Daemon() as daemon:
            daemon.config = config
            daemon.restart()
            # Each time it names each of them.
            for _ in range(4):
                os.kill(daemon.pid, signal.SIGHUP)
                virsh("uri")
            wait_until(lambda: len(sizes(LOG_FOLDER, "virtgmemd.log")) == 3, "no rotation")
            # A message is written whole.
            self.assertLess(max(sizes(LOG_FOLDER, "virtgmemd.log")), 4096 + 1024)
            self.assertFalse(os.path.exists(os.path.join(LOG_FOLDER, "virtgmemd.log.2")))


class Rights(unittest.TestCase):
    """Who reads what a VMM writes has no more rights than that takes."""

    def test_a_logger_keeps_two_of_roots_rights(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        os.chown(folder, 4242, 4242)
        with Logger(folder, "console", max_size=4096) as logger:
            # When that has been rotated it has set itself up; and in a folder of somebody else's.
            logger.write("console", bytes(3 * 65536))
            with open(f"/proc/{logger.process.pid}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
            self.assertEqual(logger.end(), 0)
        # CAP_DAC_OVERRIDE is number 1, CAP_FOWNER number 3.
        self.assertEqual([int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh")],
                         [0b1010, 0b1010, 0])
        self.assertEqual(int(status["NoNewPrivs"]), 1)
        self.assertEqual(len(sizes(folder, "console")), 4)


class FullDisk(unittest.TestCase):
    """A file system that has no room any more."""

    def setUp(self):
        self.logs = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tests", self.folder], check=True)
        self.addCleanup(subprocess.run, ["umount", self.folder], check=True)

    def log(self):
        with open(os.path.join(self.logs, "vmm.log"), encoding="utf-8") as file:
            return file.read()

    def test_it_is_said_once_and_what_comes_later_is_written_again(self):
        os.symlink(os.path.join(self.folder, "console"), os.path.join(self.logs, "console"))
        filler = os.path.join(self.folder, "filler")
        with open(filler, "wb") as file:
            file.write(bytes(60 << 10))
        with Logger(self.logs, "vmm.log", "console") as logger:
            # Far more than this pipe holds: most of it has come out of it when all has gone in.
            fcntl.fcntl(logger.pipes["console"], fcntl.F_SETPIPE_SZ, 4096)
            for _ in range(64):
                logger.write("console", bytes(4096))
            logger.write("vmm.log", b"meanwhile\n")
            os.unlink(filler)
            logger.write("console", b"after that")
            self.assertEqual(logger.end(), 0)
        self.assertIn("meanwhile", self.log())
        self.assertEqual(self.log().count("No space left on device"), 1)
        self.assertRegex(self.log(), r"gmem-logger: 'console' is written again: [0-9]{6} bytes were lost")
        with open(os.path.join(self.folder, "console"), "rb") as file:
            self.assertTrue(file.read().endswith(b"after that"))


class LastWords(unittest.TestCase):
    """Why a VMM has ended is in its log, which its logger writes."""

    def setUp(self):
        self.program = os.path.join(
            self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test.")), "vmm.py")
        with open(self.program, "w", encoding="ascii") as file:
            file.write(SPEAKS_AND_ENDS)
        os.makedirs(LOG_FOLDER, exist_ok=True)
        self.addCleanup(self.remove_logs)
        self.logger = self.enterContext(Logger(LOG_FOLDER, "speaks.log", max_size=8192))
        found, told = os.pipe()
        waits, self.go = os.pipe()
        self.addCleanup(os.close, self.go)
        self.addCleanup(os.close, found)
        with open(self.logger.pipes["speaks.log"], "wb", closefd=False) as log:
            self.vmm = self.enterContext(adopted.program(
                "speaks", self.program, str(told), str(waits), pass_fds=[told, waits], log=log))
        self.logger.close_pipes()
        os.close(told)
        os.close(waits)
        self.name_logger()
        self.daemon = self.enterContext(Daemon())
        # All that a new daemon asks has been answered.
        wait_readable(found, Deadline(30), "the daemon does not find the VMM")

    def name_logger(self):
        """What a daemon writes down of the logger and the log when it starts a VMM."""
        inode = os.stat(os.path.join(LOG_FOLDER, "speaks.log")).st_ino
        pid = self.logger.process.pid
        with open(os.path.join(STATE_FOLDER, "speaks.status"), "r+", encoding="utf-8") as file:
            text = file.read().replace(
                "log-start=0", f"log-start=0\nlog-inode={inode}\nlogger-pid={pid}\n"
                f"logger-start-time={adopted.start_time(pid)}")
            file.seek(0)
            file.write(text)

    @staticmethod
    def remove_logs():
        for name in os.listdir(LOG_FOLDER):
            if name.startswith("speaks.log"):
                os.unlink(os.path.join(LOG_FOLDER, name))

    def end(self):
        os.write(self.go, b"x")

    def message(self):
        """What the daemon says of its end, in its log: the domain is gone with it."""
        text = self.daemon.log()
        return text[text.rindex("domain 'speaks': the VMM has ended"):]

    def wait_gone(self, seconds=30):
        wait_until(lambda: "speaks" not in domain_names("--all"), "the domain stays", seconds)

    def test_they_are_found_though_the_log_has_been_rotated_many_times(self):
        self.end()
        self.wait_gone()
        self.assertIn("line 1999 of many\nthese were its last words", self.message())
        self.assertEqual(len(sizes(LOG_FOLDER, "speaks.log")), 4)

    def test_they_are_waited_for(self):
        self.logger.process.send_signal(signal.SIGSTOP)
        self.end()
        self.vmm.process.wait(30)
        # Its reason is not there yet; the daemon serves meanwhile.
        self.assertIn("speaks", domain_names("--all"))
        self.logger.process.send_signal(signal.SIGCONT)
        self.wait_gone()
        self.assertIn("these were its last words", self.message())

    def test_a_logger_that_hangs_is_not_waited_for_for_ever(self):
        self.logger.process.send_signal(signal.SIGSTOP)
        self.end()
        self.wait_gone(15)
        self.assertIn("the logger with process id", self.daemon.log())

    def test_a_logger_that_is_gone_harms_nobody(self):
        self.logger.process.kill()
        self.logger.process.wait()
        self.end()
        self.wait_gone(15)
        self.assertIn("the VMM has ended", self.message())


class NoUser(unittest.TestCase):
    """A host where nobody has made the user that VMMs without a label run as."""

    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        with open("/etc/passwd", encoding="utf-8") as file:
            users = file.readlines()
        self.users = os.path.join(folder, "passwd")
        self.line = next(line for line in users if line.startswith("libvirt-gmem:"))
        with open(self.users, "w", encoding="utf-8") as file:
            file.writelines(line for line in users if line != self.line)
        self.program = os.path.join(folder, "virtgmemd")
        with open(self.program, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec unshare --mount sh -c \'mount --bind "{self.users}" '
                       f'/etc/passwd && exec "{PROGRAM}" "$@"\' sh "$@"\n')
        os.chmod(self.program, 0o700)
        self.root_config = os.path.join(folder, "virtgmemd.conf")
        with open(self.root_config, "w", encoding="ascii") as file:
            file.write('user = "root"\n')
        self.daemon = self.enterContext(Daemon(self.program))
        # No host can start this one, for whatever reason comes first.
        self.daemon.define(domain_xml(kernel="/none/kernel", initrd=None,
                                      extra="<seclabel type='none'/>"))

    def start(self):
        result = run_virsh("start", "test")
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    def test_no_vmm_runs_as_root_for_that(self):
        said = self.start()
        self.assertIn("user 'libvirt-gmem', which does not exist", said)
        self.assertIn("useradd --system", said)
        # What is defined can be reached.
        self.assertIn("/none/kernel", virsh("dumpxml", "test"))

    def test_it_need_not_be_restarted_when_the_user_has_been_made(self):
        self.start()
        with open(self.users, "a", encoding="utf-8") as file:
            file.write(self.line)
        self.assertNotIn("does not exist", self.start())

    def test_it_may_be_said_that_they_run_as_root(self):
        self.daemon.config = self.root_config
        self.daemon.restart()
        self.assertNotIn("does not exist", self.start())
