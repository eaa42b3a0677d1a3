# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtgmemd, the system's instance, with stock virsh beside it."""

import configparser
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import unittest
import uuid

from . import tiny
from .vmm import BUILD, CMDLINE, Console, EMULATOR, INITRD, KERNEL, LOGGER, MEMORY_KIND, STORAGE_FILES
from .waiting import PATIENCE, Deadline, Timeout, wait_for_exit, wait_readable

URI = "gmem:///system"
PROGRAM = os.path.join(BUILD, "src/driver/daemon/virtgmemd")
CONFIG_FOLDER = "/etc/libvirt/gmem"
STATE_FOLDER = "/run/libvirt/gmem"
AUTOSTART_DONE = os.path.join(STATE_FOLDER, "autostarted")
LOG_FOLDER = "/var/log/libvirt/gmem"
NVRAM_FOLDER = "/var/lib/libvirt/gmem/nvram"
SOCKET = "/run/libvirt/virtgmemd-sock"
SOCKET_READONLY = SOCKET + "-ro"

# A file argument of virsh: what the test sends it. A bare host has no /dev/stdin.
STDIN = "/proc/self/fd/0"


class VirshError(AssertionError):
    """virsh has failed."""

    def __init__(self, command, result):
        super().__init__(f"virsh {' '.join(command)}: exit status {result.returncode}: "
                         f"{result.stderr.strip()}")
        self.message = result.stderr.strip()


def run_virsh(*command, uri=URI, readonly=False, seconds=60, text=None):
    """Runs virsh to its end, however that is."""
    return subprocess.run(["virsh", "-q", *(["-r"] if readonly else []), "-c", uri, *command],
                          input=text or "", text=True, capture_output=True,
                          timeout=seconds * PATIENCE, check=False)


def virsh(*command, **arguments):
    """The same; its output without blanks around it, or VirshError."""
    result = run_virsh(*command, **arguments)
    if result.returncode:
        raise VirshError(command, result)
    return result.stdout.strip()


def domain_names(*filters):
    """The domains that virsh list finds."""
    return virsh("list", "--name", *filters).splitlines()


def memory_elements(kind=MEMORY_KIND, policy="on-demand"):
    """
    What a domain's XML says of its memory: elements of <memoryBacking>, and those of <domain>. The host chooses where
    the kind is None.
    """
    conversion = f"<conversion policy='{policy}'/>"
    private = f"<private>{conversion if kind == 'windows' else ''}</private>" if kind else ""
    security = f"<launchSecurity type='sw-protected'>{conversion}</launchSecurity>" if kind == "two-sided" else ""
    return private, security


def domain_xml(name="test", memory=256, vcpus=1, kernel=KERNEL, initrd=INITRD,
               cmdline=CMDLINE, serial="<serial type='pty'/>", policy="on-demand",
               extra="", devices="", emulator=None, identity=None, kind=MEMORY_KIND):
    """A domain with the tests' guest; memory in MiB, and of a kind: see memory_elements()."""
    emulator = f"<emulator>{emulator}</emulator>" if emulator else ""
    initrd = f"<initrd>{initrd}</initrd>" if initrd else ""
    private, security = memory_elements(kind, policy)
    return f"""<domain type='kvm'>
  <name>{name}</name>
  <uuid>{identity or uuid.uuid4()}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <memoryBacking>{private}</memoryBacking>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    {initrd}
    <cmdline>{cmdline}</cmdline>
  </os>
  {extra}
  <devices>{emulator}{devices}{serial}</devices>
  {security}
</domain>
"""


class Daemon:
    """
    The daemon, with more in its environment where it is given; a context manager that leaves no domain, process or
    file behind.
    """

    def __init__(self, program=PROGRAM, **environment):
        self._program = program
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="gmem-test.")
        self._clients = []
        self._pid = None
        # The configuration file of the next start; the host's where it is None.
        self.config = None
        # What the last start said before the daemon went into the background.
        self.start_messages = ""
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_clients()
        if not self.is_running():
            self.start()
        for name in domain_names():
            # It may end by itself before it is its turn.
            run_virsh("destroy", name)
        for name in domain_names("--all"):
            virsh("undefine", "--nvram", name)
        self.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(AUTOSTART_DONE)
        self._folder.cleanup()

    def close_clients(self):
        """Ends the clients that this object has started."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    @property
    def pid(self):
        return self._pid

    def start(self):
        """Returns when it serves."""
        path = os.path.join(self._folder.name, "pid")
        environment = dict(os.environ, GMEM_VMM=EMULATOR, GMEM_LOGGER=LOGGER,
                           GMEM_STORAGE_FILES=STORAGE_FILES,
                           LIBVIRT_GMEM_SCHEMADIR=os.path.join(BUILD, "schemas"), **self._environment)
        # Of a build with AddressSanitizer: what is freed is to be seen as free, not kept aside.
        environment.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")
        config = ["--config", self.config] if self.config else []
        self.start_messages = subprocess.run(
            [self._program, "--daemon", "--pid-file", path, *config], env=environment, check=True,
            timeout=60 * PATIENCE, stderr=subprocess.PIPE, text=True).stderr
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
        return virsh("define", STDIN, text=xml)

    def _virsh_on_terminal(self, *command):
        console = VirshConsole(*command)
        self._clients.append(console)
        return console

    def console(self, name, *arguments):
        """virsh console on a terminal, connected."""
        return self._virsh_on_terminal("console", name, *arguments).connect()

    def console_unconnected(self, name, *arguments):
        """The same, which need not get that far."""
        return self._virsh_on_terminal("console", name, *arguments)

    def start_with_console(self, name):
        """virsh start --console, connected."""
        return self._virsh_on_terminal("start", name, "--console").connect()

    def events(self):
        """A client that gets every event, from now on."""
        events = Events(self)
        self._clients.append(events)
        return events

    def start_on_console(self, name="test", *options):
        """Starts a domain; its console, which misses nothing."""
        virsh("start", "--paused", name, *options)
        console = self.console(name)
        virsh("resume", name)
        return console

    def start_guest(self, name="test"):
        """Starts a domain; its console, where the guest has come to its shell."""
        console = self.start_on_console(name)
        console.wait_shell()
        return console

    def descriptors(self):
        """What the daemon has open, by kind: paths, and counts of what has none."""
        found = {}
        folder = f"/proc/{self._pid}/fd"
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                target = re.sub(r"\[\d+\]", "", os.readlink(os.path.join(folder, number)))
                found[target] = found.get(target, 0) + 1
        return found

    def settled_descriptors(self, clients=0):
        """The same, once the daemon is done with all clients but so many."""
        domains = sum(name.endswith(".status") for name in os.listdir(STATE_FOLDER))
        # It listens at two sockets, and each VMM's monitor is one.
        sockets = 2 + domains + clients
        deadline = Deadline(30)
        # Nor does it keep the pipe by which it has told its starter that it serves.
        while (found := self.descriptors()).get("socket:") != sockets or "pipe:" in found:
            if deadline.is_over():
                raise Timeout(f"the daemon has not {sockets} sockets and no pipe open: {found}")
            virsh("uri")
        return found

    def wait_descriptors(self, wanted, seconds=30):
        """Waits until the daemon has these open, as it has when it is done with a client."""
        deadline = Deadline(seconds)
        while (found := self.descriptors()) != wanted:
            if deadline.is_over():
                raise Timeout(f"the daemon has {found} open, not {wanted}")
            # A call to and fro: the daemon has had a turn.
            virsh("uri")

    def log(self):
        """What the daemon has written to its log, by this or an earlier one."""
        with open(os.path.join(LOG_FOLDER, "virtgmemd.log"), encoding="utf-8") as file:
            return file.read()


class Events:
    """virsh event --all --loop; each domain's lines in order."""

    def __init__(self, daemon):
        self.process = subprocess.Popen(
            ["virsh", "-q", "-c", URI, "event", "--all", "--loop"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"))
        self._console = Console(self.process.stdout, None)
        self._wait_registered(daemon)

    def _wait_registered(self, daemon):
        """virsh does not say when it listens: the first of these events that comes does."""
        deadline = Deadline(60)
        while "for domain 'listening'" not in self._console.text:
            daemon.define(domain_xml("listening", kernel="/never/started", initrd=None))
            virsh("undefine", "listening")
            with contextlib.suppress(Timeout):
                self._console.wait_for("for domain 'listening': Undefined", 1)
            if deadline.is_over():
                raise Timeout(f"virsh event does not listen: {self._console.text!r}")

    def of(self, name="test"):
        """The domain's events until now."""
        pattern = rf"event '([a-z-]+)' for domain '{re.escape(name)}'(?:: (.*))?"
        return [text.strip() if kind == "lifecycle" else kind
                for kind, text in re.findall(pattern, self._console.text)]

    def wait(self, event, name="test", seconds=60):
        """Waits for a lifecycle event after the last one that was waited for."""
        self._console.wait_for(
            rf"'lifecycle' for domain '{re.escape(name)}': {re.escape(event)}\r?\n", seconds)

    def wait_device(self, kind, alias, name="test", seconds=60):
        """Waits for a device to be 'added' or 'removed', or for a 'removal-failed'."""
        self._console.wait_for(rf"'device-{kind}' for domain '{re.escape(name)}': {re.escape(alias)}\r?\n", seconds)

    def wait_balloon(self, size, name="test", seconds=60):
        """Waits until the domain has so many KiB."""
        self._console.wait_for(rf"'balloon-change' for domain '{re.escape(name)}': {size}KiB\r?\n", seconds)

    def wait_io_error(self, alias, action, reason="", name="test", seconds=60):
        """Waits for an error of a disk's: what is done about it, and 'enospc' where that is why."""
        self._console.wait_for(rf"'io-error-reason' for domain '{re.escape(name)}': \S+ \({re.escape(alias)}\) "
                               rf"{action} due to {reason}\r?\n", seconds)

    def wait_reboot(self, name="test", seconds=60):
        self._console.wait_for(rf"'reboot' for domain '{re.escape(name)}'", seconds)

    def wait_watchdog(self, action, name="test", seconds=60):
        self._console.wait_for(rf"'watchdog' for domain '{re.escape(name)}': {action}\r?\n", seconds)

    def wait_tray(self, move, alias, name="test", seconds=60):
        """Waits for a drive's tray to be 'opened' or 'closed'."""
        self._console.wait_for(
            rf"'tray-change' for domain '{re.escape(name)}' disk {re.escape(alias)}: {move}\r?\n", seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class VirshConsole(Console):
    """virsh console, or a command that becomes one; they want a terminal."""

    def __init__(self, *command):
        leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            ["virsh", "-c", URI, *command], stdin=follower, stdout=follower, stderr=follower,
            start_new_session=True, env=dict(os.environ, LC_ALL="C"))
        os.close(follower)
        self._terminal = os.fdopen(leader, "r+b", buffering=0)
        # What has come, as it came.
        self.data = b""
        super().__init__(self._terminal, self._terminal)

    def _read(self):
        try:
            data = os.read(self._terminal.fileno(), 65536)
        except OSError:
            # What reading from a terminal that nobody has open any more ends in.
            return False
        self.data += data
        self.text += data.decode(errors="replace")
        return bool(data)

    def send_bytes(self, data):
        """Sends all of it, and reads meanwhile: a guest that answers must not be held up."""
        sent = 0
        while sent < len(data):
            readable, writable, _ = select.select([self._terminal], [self._terminal], [],
                                                  60 * PATIENCE)
            if readable:
                self._read()
            if writable:
                sent += os.write(self._terminal.fileno(), data[sent:sent + 256])
            if not readable and not writable:
                raise Timeout(f"virsh takes no input after {sent} bytes")

    def wait_bytes(self, length, seconds):
        """Waits until so many bytes have come since the start."""
        deadline = Deadline(seconds)
        while len(self.data) < length:
            wait_readable(self._terminal, deadline, f"{len(self.data)} of {length} bytes")
            if not self._read():
                raise EOFError(f"the console ended after {len(self.data)} of {length} bytes")

    def connect(self, seconds=30):
        self.wait_for(re.escape("Escape character is ^]"), seconds)
        return self

    def wait_shell(self):
        """Waits until the tests' Linux guest has come to its shell."""
        self.wait_for("Hello from Linux", 120)
        self.wait_for("/ # ", 60)

    def run(self, command):
        """What a command of that shell prints."""
        # What is typed is echoed, wrapped where the line is full; these words are only printed.
        self.send(f"echo BE''GIN; {command}; echo EN''DED\r")
        return self.wait_for(r"(?s)BEGIN\r\n(.*?)ENDED\r\n", 60).group(1).strip()

    def wait_end(self, seconds=60):
        """Waits until virsh has ended; its exit status."""
        while select.select([self._terminal], [], [], seconds * PATIENCE)[0] and self._read():
            pass
        return self.process.wait(seconds * PATIENCE)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._terminal.close()


def vmm_pid(name):
    """The process of a running domain, from its status file."""
    status = configparser.RawConfigParser()
    with open(os.path.join(STATE_FOLDER, name + ".status"), encoding="utf-8") as file:
        status.read_file(file)
    return status.getint("domain", "pid")


def vmm_user(name):
    """Who a running domain's process runs as: user and group. Its files in /proc are root's."""
    with open(f"/proc/{vmm_pid(name)}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return tuple(int(status[key].split()[0]) for key in ("Uid", "Gid"))


def _pids_of(program):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/exe") == os.path.realpath(program):
                found.append(int(name))
    return found


def vmm_pids():
    """The processes of all VMMs on this host."""
    return _pids_of(EMULATOR)


def logger_pids():
    """The processes beside them, which write what they print."""
    return _pids_of(LOGGER)


def storage_pids():
    """QEMU's storage daemons, which serve disks of formats that the VMM does not know."""
    return _pids_of("/usr/bin/qemu-storage-daemon")


def left_behind():
    """What a daemon without domains must not have left: files of domains, processes."""
    files = [os.path.join(folder, name) for folder in (STATE_FOLDER, NVRAM_FOLDER)
             for name in os.listdir(folder) if name != os.path.basename(AUTOSTART_DONE)]
    return files + vmm_pids() + logger_pids() + storage_pids()


def vm_statistics(name):
    """virsh domstats --vm, by name."""
    lines = virsh("domstats", "--vm", name).splitlines()[1:]
    pairs = dict(line.strip().split("=", 1) for line in lines)
    return {key: int(value) if value.isdigit() else value for key, value in pairs.items()}


class DaemonTest(unittest.TestCase):
    """A daemon for each test, and a kernel that starts at once; nothing may be left behind."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        cls.kernel = tiny.write_kernel(folder)

    def setUp(self):
        self.addCleanup(self._check_left_behind)
        self.daemon = self.enterContext(Daemon())

    def _check_left_behind(self):
        left = left_behind()
        # None of it may fail the tests that follow, too.
        for each in left:
            if isinstance(each, int):
                os.kill(each, signal.SIGKILL)
            else:
                os.unlink(each)
        self.assertEqual(left, [], "left behind")

    def xml(self, name="test", does="o", **arguments):
        """A domain that runs the tiny kernel, with what that does."""
        arguments = {"memory": 16, **arguments}
        return domain_xml(name, kernel=self.kernel, initrd=None, cmdline=does, **arguments)

    def define(self, name="test", does="o", **arguments):
        self.daemon.define(self.xml(name, does, **arguments))

    def create(self, name="test", does="o", options=(), **arguments):
        """Starts a transient domain."""
        virsh("create", STDIN, *options, text=self.xml(name, does, **arguments))

    def run_tiny(self, name="test", options=()):
        """Starts a defined domain; its console, where the kernel is ready."""
        console = self.daemon.start_on_console(name, *options)
        console.wait_for("ready", 30)
        return console

    def state(self, name="test"):
        return virsh("domstate", name, "--reason")

    def assert_refused(self, pattern, *command, **arguments):
        """virsh fails, with an error that matches."""
        with self.assertRaises(VirshError) as caught:
            virsh(*command, **arguments)
        self.assertRegex(caught.exception.message, pattern)
