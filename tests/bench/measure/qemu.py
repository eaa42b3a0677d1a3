# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's q35 with KVM, an ordinary VM: what gmem-vmm is compared with."""

import os
import socket
import struct
import subprocess
import tempfile

from support.vmm import Console

PROGRAM = "qemu-system-x86_64"


class Qemu:
    """The same machine as far as there is one; a context manager that leaves nothing behind."""

    def __init__(self, *arguments, memory=512, vcpus=1, cpu="host", pass_fds=()):
        self.process = subprocess.Popen(
            [PROGRAM, "-M", "q35", "-accel", "kvm", "-cpu", cpu, "-m", str(memory), "-smp",
             str(vcpus), "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
             "-no-reboot", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=pass_fds)
        self.console = Console(self.process.stdout, self.process.stdin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def pid(self):
        return self.process.pid

    def wait(self, seconds=120):
        return self.process.wait(seconds)


# Where what a payload finds in memory is put: see "Payload" in docs/machine.md.
TABLES = 0x10000
PAYLOAD = 0x100000
STACK = 0x90000

PRESENT_WRITABLE, LARGE = 0x3, 0x80
CODE64, DATA, CODE32 = 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff

# By their numbers in the protocol of gdb, for QEMU's x86-64.
REGISTERS = (
    ("cr0", 27, 8, 0x31),            # NE, ET, PE
    ("ss", 19, 4, 0x10),
    ("ds", 20, 4, 0x10),
    ("es", 21, 4, 0x10),
    ("cs", 18, 4, 0x18),
    ("cr4", 30, 8, 0x20),            # PAE
    ("cr3", 29, 8, TABLES),
    ("efer", 32, 8, 0x100),          # LME
    ("cr0", 27, 8, 0x80000031),      # and PG: a state that KVM takes at each step
    ("cs", 18, 4, 0x08),
    ("rsp", 7, 8, STACK),
    ("rip", 16, 8, PAYLOAD),
)


def _low_memory():
    """A GDT at 0, where a processor's reset has it, and four GiB mapped one to one."""
    tables = [struct.pack("<Q", TABLES + 0x1000 | PRESENT_WRITABLE).ljust(0x1000, b"\0"),
              b"".join(struct.pack("<Q", TABLES + (2 + i) * 0x1000 | PRESENT_WRITABLE)
                       for i in range(4)).ljust(0x1000, b"\0"),
              b"".join(struct.pack("<Q", i << 21 | LARGE | PRESENT_WRITABLE) for i in range(4 * 512))]
    return struct.pack("<4Q", 0, CODE64, DATA, CODE32).ljust(TABLES, b"\0") + b"".join(tables)


class _Gdb:
    """As much of gdb's remote protocol as sets registers and lets a machine run."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")
        # Whoever has not asked what registers there are cannot set one.
        self._ask("qXfer:features:read:target.xml:0,ffb")

    def _send(self, text):
        self._socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xff))

    def _ask(self, text):
        self._send(text)
        answer = b""
        while not answer.endswith(b"#"):
            byte = self._file.read(1)
            if not byte:
                raise EOFError(f"QEMU has ended instead of an answer to {text}")
            answer += byte
        self._file.read(2)
        self._socket.sendall(b"+")
        return answer

    def set(self, name, number, size, value):
        answer = self._ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}")
        if b"$OK" not in answer:
            raise AssertionError(f"QEMU does not set {name}: {answer!r}")

    def detach(self):
        self._send("D")
        self._file.close()
        self._socket.close()


class PayloadInQemu(Qemu):
    """
    A payload that QEMU enters in the state in which gmem-vmm does. It has no option for that: the processor's registers
    are set as a debugger does, before its first instruction.
    """

    def __init__(self, path, *arguments, **machine):
        self._folder = tempfile.TemporaryDirectory(prefix="gmem-bench.")
        low = os.path.join(self._folder.name, "low")
        stub = os.path.join(self._folder.name, "gdb")
        with open(low, "wb") as file:
            file.write(_low_memory())
        # Somebody listens before QEMU is there, so that nobody has to wait until it does.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(stub)
            listener.listen()
            super().__init__("-S", "-device", f"loader,file={low},addr=0,force-raw=on",
                             "-device", f"loader,file={path},addr={PAYLOAD:#x},force-raw=on",
                             "-chardev", f"socket,fd={listener.fileno()},server=on,wait=off,id=gdb",
                             "-gdb", "chardev:gdb", *arguments, pass_fds=[listener.fileno()], **machine)
            gdb = _Gdb(stub)
        try:
            for register in REGISTERS:
                gdb.set(*register)
            gdb.detach()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        super().__exit__()
        self._folder.cleanup()
