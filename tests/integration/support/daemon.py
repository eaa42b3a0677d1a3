# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtgmemd, the system's instance, with stock virsh beside it."""

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import uuid

from .vmm import BUILD, Console, EMULATOR, INITRD, KERNEL
from .waiting import Timeout, wait_for_exit

URI = "gmem:///system"
PROGRAM = os.path.join(BUILD, "src/driver/daemon/virtgmemd")
CONFIG_FOLDER = "/etc/libvirt/gmem"
STATE_FOLDER = "/run/libvirt/gmem"
LOG_FOLDER = "/var/log/libvirt/gmem"
SOCKET = "/run/libvirt/virtgmemd-sock"


class VirshError(AssertionError):
    """virsh has failed."""

    def __init__(self, command, result):
        super().__init__(f"virsh {' '.join(command)}: exit status {result.returncode}: "
                         f"{result.stderr.strip()}")
        self.message = result.stderr.strip()


def virsh(*command, uri=URI, seconds=60, text=None):
    """Runs virsh; its output without blanks around it, or VirshError."""
    result = subprocess.run(["virsh", "-q", "-c", uri, *command], input=text, text=True,
                            capture_output=True, timeout=seconds, check=False)
    if result.returncode:
        raise VirshError(command, result)
    return result.stdout.strip()


def domain_xml(name="test", memory=256, vcpus=1, kernel=KERNEL, initrd=INITRD,
               cmdline="console=ttyS0", serial="<serial type='pty'/>", policy="on-demand",
               extra="", emulator=None, identity=None):
    """A domain with the tests' guest; memory in MiB."""
    emulator = f"<emulator>{emulator}</emulator>" if emulator else ""
    return f"""<domain type='kvm'>
  <name>{name}</name>
  <uuid>{identity or uuid.uuid4()}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <memoryBacking><private/></memoryBacking>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  {extra}
  <devices>{emulator}{serial}</devices>
  <launchSecurity type='sw-protected'><conversion policy='{policy}'/></launchSecurity>
</domain>
"""


class Daemon:
    """The daemon; a context manager that leaves no domain, process or file behind."""

    def __init__(self, program=PROGRAM):
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="gmem-test.")
        self._consoles = []
        self._pid = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for console in self._consoles:
            console.close()
        if not self.is_running():
            self.start()
        for name in virsh("list", "--name").split():
            virsh("destroy", name)
        for name in virsh("list", "--all", "--name").split():
            virsh("undefine", name)
        self.stop()
        self._folder.cleanup()

    @property
    def pid(self):
        return self._pid

    def start(self):
        """Returns when it serves."""
        path = os.path.join(self._folder.name, "pid")
        environment = dict(os.environ, GMEM_VMM=EMULATOR,
                           LIBVIRT_GMEM_SCHEMADIR=os.path.join(BUILD, "schemas"))
        subprocess.run([self._program, "--daemon", "--pid-file", path], env=environment,
                       check=True, timeout=60)
        with open(path, encoding="ascii") as file:
            self._pid = int(file.read())

    def is_running(self):
        return self._pid is not None and not wait_for_exit(self._pid, 0)

    def stop(self, number=signal.SIGTERM):
        os.kill(self._pid, number)
        if not wait_for_exit(self._pid, 30):
            raise Timeout("virtgmemd does not end")
        self._pid = None

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def define(self, xml):
        return virsh("define", "/dev/stdin", text=xml)

    def console(self, name, *arguments):
        """virsh console on a terminal, connected."""
        console = VirshConsole(name, *arguments)
        self._consoles.append(console)
        return console.connect()

    def start_guest(self, name="test"):
        """Starts a domain; its console, where the guest has come to its shell."""
        virsh("start", "--paused", name)
        console = self.console(name)
        virsh("resume", name)
        console.wait_for("Hello from Linux", 120)
        console.wait_for("/ # ", 60)
        return console

    def descriptors(self):
        return len(os.listdir(f"/proc/{self._pid}/fd"))


class VirshConsole(Console):
    """virsh console, which wants a terminal."""

    def __init__(self, name, *arguments):
        leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            ["virsh", "-c", URI, "console", name, *arguments], stdin=follower, stdout=follower,
            stderr=follower, start_new_session=True)
        os.close(follower)
        self._terminal = os.fdopen(leader, "r+b", buffering=0)
        super().__init__(self._terminal, self._terminal)

    def _read(self):
        try:
            return super()._read()
        except OSError:
            # What reading from a terminal that nobody has open any more ends in.
            return False

    def connect(self, seconds=30):
        self.wait_for(re.escape("Escape character is ^]"), seconds)
        return self

    def wait_end(self, seconds=60):
        """Waits until virsh has ended; its exit status."""
        while select.select([self._terminal], [], [], seconds)[0] and self._read():
            pass
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._terminal.close()


def vmm_pid(name):
    """The process of a running domain."""
    with open(os.path.join(STATE_FOLDER, name + ".xml"), encoding="utf-8") as file:
        return int(re.search(r"pid='(\d+)'", file.read()).group(1))


def vm_statistics(name):
    """virsh domstats --vm, by name."""
    lines = virsh("domstats", "--vm", name).splitlines()[1:]
    pairs = dict(line.strip().split("=", 1) for line in lines)
    return {key: int(value) if value.isdigit() else value for key, value in pairs.items()}
