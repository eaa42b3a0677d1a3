# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's q35 with KVM, an ordinary VM: what gmem-vmm is compared with."""

import subprocess

from support.vmm import Console

PROGRAM = "qemu-system-x86_64"


class Qemu:
    """The same machine as far as there is one; a context manager that leaves nothing behind."""

    def __init__(self, *arguments, memory=512, vcpus=1, cpu="host"):
        self.process = subprocess.Popen(
            [PROGRAM, "-M", "q35", "-accel", "kvm", "-cpu", cpu, "-m", str(memory), "-smp",
             str(vcpus), "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
             "-no-reboot", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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
