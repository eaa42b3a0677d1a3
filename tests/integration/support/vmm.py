# SPDX-License-Identifier: LGPL-2.1-or-later
"""gmem-vmm, run alone, with its console in a pipe and its monitor at a socket."""

import os
import re
import socket
import subprocess
import tempfile
import time
import unittest

from .qmp import Qmp
from .waiting import PATIENCE, Deadline, Timeout, wait_readable

BUILD = os.environ.get("GMEM_BUILD", "build")
GUEST = os.environ.get("GMEM_GUEST", "")
# The kind of memory where a test asks for none.
MEMORY_KIND = os.environ.get("GMEM_MEMORY_KIND", "two-sided")
EMULATOR = os.path.join(BUILD, "src/vmm/gmem-vmm")
LOGGER = os.path.join(BUILD, "src/logger/gmem-logger")
STORAGE_FILES = os.path.join(BUILD, "src/storage/gmem-storage-files.so")
KERNEL = os.path.join(GUEST, "vmlinuz")
INITRD = os.path.join(GUEST, "initrd")
MEMTEST = os.path.join(GUEST, "memtest")
# iPXE, a program of UEFI's that uses firmware's own driver.
SNPONLY = os.path.join(GUEST, "snponly.efi")
# What shortens a Linux' start in an emulated host by a third: no messages on the console, where each letter is an exit
# or two, neither random addresses nor detours around other processors' faults, and no search of all 256 buses for root
# buses that ACPI does not name: 16384 exits. A domain with SeaBIOS starts one without any of these
# (test_domain_firmware), and the demo does.
CMDLINE = "console=ttyS0 quiet nokaslr mitigations=off pci=lastbus=0"

# The exit status that a payload's write of N to the debug exit port makes.
DEBUG_EXIT_PORT = 0xf4


def payload(name):
    """The path of a flat binary of tests/payload."""
    return os.path.join(BUILD, "tests/payload", name + ".bin")


# What QEMU's TCG cannot run where the emulated host's kernel is not patched: docs/testhost.md.
FIRMWARE_ON_STOCK = {
    "--pflash-code": "OVMF writes CR8, where QEMU's TCG ends",
    "--bios": "SeaBIOS's software interrupts look to KVM as if they were still under way",
}


def skip_firmware(arguments):
    for argument in arguments:
        reason = FIRMWARE_ON_STOCK.get(argument.split("=", 1)[0])
        if reason:
            raise unittest.SkipTest(f"{reason}, if the test host's kernel is not patched")


def with_kind(arguments):
    """Arguments of a VMM's that say which kind of memory it has."""
    if any(argument.startswith("--memory-kind") for argument in arguments):
        return arguments
    return (f"--memory-kind={MEMORY_KIND}", *arguments)


class Console:
    """What a guest writes to its serial port, and what it is sent."""

    def __init__(self, output, source):
        self._output = output
        self._input = source
        self.text = ""
        self._seen = 0

    def send(self, text):
        self._input.write(text.encode())
        self._input.flush()

    def wait_for(self, pattern, seconds=120):
        """Waits for a match after the last one; returns it."""
        deadline = Deadline(seconds)
        while True:
            match = re.compile(pattern).search(self.text, self._seen)
            if match:
                self._seen = match.end()
                return match
            try:
                wait_readable(self._output, deadline, "console")
            except Timeout:
                raise Timeout(f"the console does not show {pattern!r}; its end is: "
                              f"{self.text[-1500:]!r}") from None
            if not self._read():
                raise EOFError(f"the console ended without {pattern!r}: {self.text[-1500:]!r}")

    def _read(self):
        data = os.read(self._output.fileno(), 65536)
        self.text += data.decode(errors="replace")
        return bool(data)

    def read_all(self):
        while self._read():
            pass
        return self.text


class Vmm:
    """A VMM; a context manager that leaves nothing behind."""

    def __init__(self, *arguments, emulator=EMULATOR, pass_fds=(), **popen):
        self._folder = tempfile.TemporaryDirectory(prefix="gmem-test.")
        self.monitor_path = os.path.join(self._folder.name, "monitor")
        self._log = tempfile.TemporaryFile()
        if os.environ.get("GMEM_TESTHOST") == "stock":
            skip_firmware(arguments)
        arguments = with_kind(arguments)
        # As the daemon starts it.
        if not any(argument.startswith("--sandbox") for argument in arguments):
            arguments = ("--sandbox=full", *arguments)
        # It listens before the VMM is there, so that nobody has to wait until it does.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.monitor_path)
            listener.listen()
            self.process = subprocess.Popen(
                [emulator, f"--monitor-fd={listener.fileno()}", *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
                pass_fds=[listener.fileno(), *pass_fds], **popen)
        self.console = Console(self.process.stdout, self.process.stdin)
        self._qmp = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self._qmp:
            self._qmp.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    @property
    def pid(self):
        return self.process.pid

    @property
    def qmp(self):
        """The monitor, connected when it is first asked for."""
        if not self._qmp:
            self._qmp = Qmp(self.monitor_path)
        return self._qmp

    def log(self):
        # The file's offset is the VMM's too, and a forked test's.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_log(self, text, seconds=30):
        """Waits until the log has a text."""
        deadline = Deadline(seconds)
        while text not in self.log():
            if deadline.is_over():
                raise Timeout(f"the log does not have {text!r}: {self.log()[-1000:]!r}")
            time.sleep(0.05)

    def wait(self, seconds=120):
        """Waits for the end; the exit status."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the VMM does not end; its log: {self.log()}") from None


def linux(*arguments, append=CMDLINE, **popen):
    """A VMM with the tests' Linux guest."""
    return Vmm(f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={append}", *arguments,
               **popen)


def run_payload(name, *arguments, seconds=120, **popen):
    """Runs a payload to its end: its exit status and what it printed, with the VMM's log."""
    with Vmm(f"--payload={payload(name)}", f"--debug-exit={DEBUG_EXIT_PORT:#x}", *arguments,
             **popen) as vmm:
        status = vmm.wait(seconds)
        return status, vmm.console.read_all(), vmm.log()


def refused(*arguments, **popen):
    """What the VMM says to arguments that it cannot start with."""
    result = subprocess.run([EMULATOR, "--console=null", *with_kind(arguments)], capture_output=True,
                            text=True, timeout=60 * PATIENCE, check=False, **popen)
    if result.returncode != 1:
        raise AssertionError(f"exit status {result.returncode}: {result.stderr}")
    return result.stderr
