# SPDX-License-Identifier: LGPL-2.1-or-later
"""
VMMs that a daemon finds running when it starts, as a daemon finds those of the one before it: a process
with a monitor socket and a status file. So a test says what process that is: a real VMM with an ordinary VM,
which runs small payloads where this machine has any KVM, or one that means harm.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import uuid

from .daemon import STATE_FOLDER, virsh
from .vmm import EMULATOR
from .waiting import Deadline, Timeout

# KVM_GET_API_VERSION of linux/kvm.h, and what it answers everywhere.
KVM_GET_API_VERSION = 0xae00
KVM_API_VERSION = 12

RUNNING = (1, 1)
PAUSED = (3, 1)


def has_kvm():
    """Whether this machine runs virtual machines of any kind."""
    try:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            return fcntl.ioctl(kvm, KVM_GET_API_VERSION) == KVM_API_VERSION
    except OSError:
        return False


def start_time(pid):
    """When a process began, in ticks since the boot: proc(5), the 22nd word of stat."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rsplit(")", 1)[1].split()[19])


def wait_adopted(name, seconds=30):
    """Waits until the daemon has reached a VMM that it found."""
    deadline = Deadline(seconds)
    while not virsh("domcontrol", name).startswith("ok"):
        if deadline.is_over():
            raise Timeout(f"the VMM of domain {name} has not been reached")


class AdoptedVmm:
    """
    A process at a monitor socket, and a status file that names it; a context manager. It has to be there
    before the daemon is.
    """

    def __init__(self, name, command, pass_fds=(), state=PAUSED, extra="", devices="", status="", log=None):
        """
        command gets the number of the listening socket and returns what to run; extra is more of the
        domain's XML, devices what is in its element of that name, status more lines of the status file.
        """
        self.name = name
        self.uuid = str(uuid.uuid4())
        os.makedirs(STATE_FOLDER, exist_ok=True)
        self._monitor = os.path.join(STATE_FOLDER, self.uuid + ".mon")
        self._status = os.path.join(STATE_FOLDER, name + ".status")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self._monitor)
            listener.listen(1)
            self.process = subprocess.Popen(
                command(listener.fileno()), pass_fds=[listener.fileno(), *pass_fds],
                stdin=subprocess.DEVNULL, stdout=log or subprocess.DEVNULL,
                stderr=log or subprocess.DEVNULL, start_new_session=True)
        self._write_status(state, extra, devices, status)

    def _write_status(self, state, extra, devices, status):
        xml = (f"<domain type='kvm' id='1'><name>{self.name}</name><uuid>{self.uuid}</uuid>"
               "<memory unit='MiB'>64</memory><vcpu>1</vcpu>"
               "<os><type arch='x86_64' machine='q35'>hvm</type><kernel>/boot/vmlinuz</kernel></os>"
               f"{extra}<devices>{devices}</devices><launchSecurity type='sw-protected'/></domain>")
        with open(self._status, "w", encoding="utf-8") as file:
            file.write(f"[domain]\npid={self.process.pid}\n"
                       f"start-time={start_time(self.process.pid)}\nlog-start=0\n"
                       f"state={state[0]}\nreason={state[1]}\n{status}xml={xml}\n")

    def is_running(self):
        return self.process.poll() is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for path in (self._monitor, self._status):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def ordinary(name, payload, arguments=("--console=null",), pass_fds=(), **options):
    """A real VMM with an ordinary VM that runs a flat payload, paused until it is resumed."""
    kvm = os.open("/dev/kvm", os.O_RDWR)
    try:
        return AdoptedVmm(name, lambda monitor: [
            EMULATOR, "--memory-kind=ordinary", "--memory=64M", f"--payload={payload}",
            f"--kvm-fd={kvm}", f"--monitor-fd={monitor}", "--paused", "--no-shutdown", *arguments],
            pass_fds=[kvm, *pass_fds], **options)
    finally:
        os.close(kvm)


def program(name, path, *arguments, **options):
    """A process of a test's own: a Python program that gets its monitor socket's number first."""
    return AdoptedVmm(name, lambda monitor: [sys.executable, path, str(monitor), *arguments],
                      **options)
