# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Users of the machine whom nobody trusts: processes of another user that run a function of a test's, and
what the daemon spends meanwhile.
"""

import os
import resource
import select
import signal
import sys
import traceback

from .waiting import Deadline, Timeout

# Users that need not exist.
FIRST, SECOND = 64001, 64002

# What one of them may open.
DESCRIPTORS = 4096


class Stranger:
    """
    A process that runs function(say), where say(text) tells the test a line, and then waits to be
    ended: what it has open stays open. A context manager.
    """

    def __init__(self, function, uid=FIRST):
        self._lines, child_end = os.pipe()
        self._rest = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._lines)
            self._live(function, uid, child_end)
        os.close(child_end)

    @staticmethod
    def _live(function, uid, lines):
        try:
            signal.alarm(0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            function(lambda text: os.write(lines, f"{text}\n".encode()))
            signal.pause()
        except BaseException:  # pylint: disable=broad-exception-caught
            traceback.print_exc(file=sys.stderr)
        finally:
            # Not by way of the test's own end.
            os._exit(1)

    def hear(self, seconds=60):
        """The next line that it says."""
        deadline = Deadline(seconds)
        while b"\n" not in self._rest:
            if not select.select([self._lines], [], [], deadline.left())[0]:
                raise Timeout("a stranger says nothing")
            data = os.read(self._lines, 4096)
            if not data:
                raise EOFError("a stranger has ended; see its standard error")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._lines)


def _memory(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    raise ValueError(name)


def forget_peak(pid):
    """From here on peak() counts: proc(5), clear_refs."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak(pid):
    """The most memory that a process has had, in MiB."""
    return _memory(pid, "VmHWM")


def resident(pid):
    """The memory that a process has, in MiB."""
    return _memory(pid, "VmRSS")


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))
