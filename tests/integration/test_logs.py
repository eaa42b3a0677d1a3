# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What domains write to files: logs and consoles, which rotate; and files that a definition names and that are
not what they seem.
"""

import contextlib
import os
import re
import signal
import stat
import tempfile
import uuid

from support.daemon import DaemonTest, LOG_FOLDER, logger_pids, virsh, vmm_pid, vmm_user
from support.logger import sizes
from support.waiting import Deadline, Timeout, wait_for_exit
from support.where import NATIVE, everywhere

LIMIT = 8192
STRANGER = 4242


class FileTest(DaemonTest):
    """A domain with a console that is a file and has a log, and a daemon that keeps little of them."""

    where = NATIVE

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        super().setUp()
        self.identity = uuid.uuid4()
        self.daemon.config = self.path("virtgmemd.conf")
        with open(self.daemon.config, "w", encoding="ascii") as file:
            file.write(f"max_size = {LIMIT}\nmax_backups = 2\n")
        self.daemon.restart()

    def path(self, name):
        return os.path.join(self.folder, name)

    def define_files(self, does="o", path=None, log=None, append=""):
        """The console, and its log if there is to be one; anew where it is defined."""
        element = f"<log file='{log}'/>" if log else ""
        path = path or self.path("console")
        self.define(does=does, identity=self.identity,
                    serial=f"<serial type='file'><source path='{path}'{append}/>{element}</serial>")

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def wait_files(self, *names):
        """Waits until files have been put aside as often as they are kept."""
        deadline = Deadline(60)
        while any(len(sizes(self.folder, name)) < 3 for name in names):
            if deadline.is_over():
                raise Timeout(f"{names} are not put aside: {os.listdir(self.folder)}")
            virsh("uri")

    def run_to_the_end(self):
        """Starts the domain and has it end; all that it wrote is in the files then."""
        events = self.daemon.events()
        virsh("start", "test")
        virsh("shutdown", "test")
        events.wait("Stopped Shutdown")
        events.close()


def pipes_of(pid):
    """How a process has its pipes open: the access modes of its ends, by pipe."""
    modes = {}
    folder = f"/proc/{pid}/fd"
    for number in os.listdir(folder):
        if not stat.S_ISFIFO(os.stat(os.path.join(folder, number)).st_mode):
            continue
        with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
            flags = int(re.search(r"^flags:\s*(\d+)", file.read(), re.MULTILINE).group(1), 8)
        modes.setdefault(os.readlink(os.path.join(folder, number)), set()).add(flags & os.O_ACCMODE)
    return modes


class Rotation(FileTest):
    """Files of a bounded size."""

    def test_a_console_and_its_log_are_bounded(self):
        self.define_files(does="w", log=self.path("log"))
        virsh("start", "test")
        self.wait_files("console", "log")
        virsh("destroy", "test")
        for name in ("console", "log"):
            found = sizes(self.folder, name)
            self.assertEqual(len(found), 3, name)
            self.assertLessEqual(max(found), LIMIT)
            # Those which were put aside are full, but for a line's end.
            self.assertGreater(min(found[1:]), LIMIT - 256)

    def test_what_a_guest_wrote_is_there_when_its_end_is_told(self):
        self.define_files()
        self.run_to_the_end()
        self.assertIn("ready", self.read("console"))
        self.assertEqual(logger_pids(), [])

    def test_without_append_a_file_is_begun_anew_and_with_it_goes_on(self):
        for name in ("console", "log"):
            with open(self.path(name), "w", encoding="ascii") as file:
                file.write("before\n")
        self.define_files(append=" append='on'", log=self.path("log"))
        self.run_to_the_end()
        self.assertRegex(self.read("console"), r"^before\n(?s:.*)ready")
        self.assertRegex(self.read("log"), r"^ready")

    def test_it_goes_on_without_the_daemon(self):
        self.define_files(does="w")
        virsh("start", "--paused", "test")
        loggers = logger_pids()
        self.assertEqual(len(loggers), 1)
        self.daemon.stop(signal.SIGKILL)
        self.daemon.start()
        self.assertEqual(logger_pids(), loggers)
        virsh("resume", "test")
        self.wait_files("console")
        virsh("destroy", "test")
        self.assertTrue(wait_for_exit(loggers[0], 30))

    def test_a_vmm_has_nothing_that_it_could_fill(self):
        self.define_files(log=self.path("log"))
        virsh("start", "test")
        pid = vmm_pid("test")
        descriptors = f"/proc/{pid}/fd"
        found = {os.readlink(os.path.join(descriptors, number)): os.stat(os.path.join(descriptors, number))
                 for number in os.listdir(descriptors)}
        # What is open under a name of a file system, devices and the process's own pagemap apart: the guest's kernel.
        files = [name for name, status in found.items()
                 if stat.S_ISREG(status.st_mode) and os.path.lexists(name) and not name.startswith("/proc/")]
        self.assertEqual(files, [self.kernel])
        # Three of the logger's, to write to. Those that it reads itself hold as much as they hold.
        self.assertEqual(sum(modes == {os.O_WRONLY} for modes in pipes_of(pid).values()), 3)

    @everywhere
    def test_vmms_run_as_a_user_of_their_own(self):
        self.define_files()
        virsh("start", "test")
        uid, gid = vmm_user("test")
        self.assertEqual(uid, gid)
        self.assertIn(uid, range(70000, 80000))

    def test_the_logger_that_a_start_has_begun_ends_when_the_start_fails(self):
        with open(self.path("kernel"), "wb") as file:
            file.write(bytes(4096))
        self.kernel = self.path("kernel")
        self.define_files()
        self.assert_refused("the VMM has ended .*: .*kernel", "start", "test")
        self.assertEqual(logger_pids(), [])
        os.unlink(os.path.join(LOG_FOLDER, "test.log"))


class Traps(FileTest):
    """What somebody else has put where a definition's file was to be."""

    def setUp(self):
        super().setUp()
        self.secret = self.path("secret")
        with open(self.secret, "w", encoding="ascii") as file:
            file.write("somebody's")
        os.chown(self.secret, STRANGER, STRANGER)
        self.theirs = self.path("theirs")
        os.mkdir(self.theirs)
        os.chmod(self.theirs, 0o777)

    def assert_safe(self, path, words):
        """Neither a console nor its log goes there; the daemon serves on, and nothing is written."""
        for arguments in ({"path": path}, {"log": path}):
            self.define_files(**arguments)
            self.assert_refused(words, "start", "test")
            self.assertEqual(virsh("domstate", "test"), "shut off")
        self.assertEqual(self.read("secret"), "somebody's")
        self.assertEqual(os.stat(self.secret).st_uid, STRANGER)

    def test_a_link_at_the_end(self):
        link = os.path.join(self.theirs, "console")
        os.symlink(self.secret, link)
        self.assert_safe(link, "is a symbolic link")

    def test_a_link_to_a_folder(self):
        os.symlink(self.folder, os.path.join(self.theirs, "folder"))
        self.assert_safe(os.path.join(self.theirs, "folder", "secret"), "somebody else can have made")

    def test_another_name_for_a_file(self):
        other = os.path.join(self.theirs, "console")
        os.link(self.secret, other)
        self.assert_safe(other, "has another name")

    def test_a_file_of_somebody_else(self):
        self.assert_safe(self.secret, f"belongs to user {STRANGER}")

    def test_a_fifo_that_nobody_reads(self):
        fifo = os.path.join(self.theirs, "console")
        os.mkfifo(fifo)
        self.assert_safe(fifo, "is not a regular file")

    def test_a_switch_of_the_kernels(self):
        self.assert_safe(f"/proc/{os.getpid()}/oom_score_adj", "is a file of the kernel's own")

    def test_a_device(self):
        self.assert_safe("/dev/kmsg", "is not a regular file")

    def test_a_kernel_that_somebody_has_linked(self):
        link = os.path.join(self.theirs, "kernel")
        os.symlink(self.kernel, link)
        self.kernel = link
        self.define_files()
        self.assert_refused("kernel '.*' leads through the symbolic link", "start", "test")

    def test_a_backup_that_is_a_link(self):
        os.symlink(self.secret, self.path("console.0"))
        self.define_files(does="w")
        virsh("start", "test")
        self.wait_files("console")
        self.assertEqual(self.read("secret"), "somebody's")


class LastWords(FileTest):
    """What a VMM says before it ends, and where that is found."""

    def test_they_are_found_by_a_later_daemon(self):
        self.define_files()
        virsh("start", "--paused", "test")
        self.daemon.restart()
        log = os.path.join(LOG_FOLDER, "test.log")
        # As if the VMM had said so much: its end of the pipe is what the logger reads.
        with open(f"/proc/{vmm_pid('test')}/fd/2", "w", encoding="ascii", buffering=1) as pipe:
            for number in range(2000):
                pipe.write(f"gmem-vmm: line {number} of many\n")
                deadline = Deadline(30)
                while number % 100 == 99 and f"line {number} " not in self.newest_lines(log):
                    if deadline.is_over():
                        raise Timeout("the logger does not write")
        self.assertEqual(len(sizes(LOG_FOLDER, "test.log")), 3)
        events = self.daemon.events()
        os.kill(vmm_pid("test"), signal.SIGKILL)
        events.wait("Stopped Crashed")
        self.assertIn("line 1999 of many", virsh("dominfo", "test"))

    @staticmethod
    def newest_lines(path):
        """What is in a log and in what was put aside last; that may happen at any moment."""
        text = ""
        for name in (path + ".0", path):
            with contextlib.suppress(FileNotFoundError):
                with open(name, encoding="utf-8") as file:
                    text += file.read()
        return text
