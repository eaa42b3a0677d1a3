# SPDX-License-Identifier: LGPL-2.1-or-later
"""The payload that does what it is told (tests/payload/agent.c) in a domain, which starts it as its firmware."""

import os
import socket

from .agent import Orders
from .daemon import LOG_FOLDER, domain_xml, virsh
from .vmm import Console, payload

MEMORY_MIB = 64


def xml(path, devices="", name="test", extra="", **arguments):
    """A domain with the agent, whose serial port is the socket at a path."""
    serial = f"<serial type='unix'><source mode='bind' path='{path}'/></serial>"
    text = domain_xml(name, memory=MEMORY_MIB, kernel="", initrd=None, cmdline="", serial=serial, devices=devices,
                      extra=extra, **arguments)
    return text.replace("<kernel></kernel>", f"<loader type='rom'>{payload('firmware')}</loader>").replace(
        "<cmdline></cmdline>", "")


class DomainAgent(Orders):
    """The guest of a defined domain, which this starts, ready for orders."""

    def __init__(self, path, name="test"):
        self._name = name
        virsh("start", "--paused", name)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._input = self._socket.makefile("wb")
        self.console = Console(self._socket, self._input)
        virsh("resume", name)
        self.wait_ready()

    def end(self):
        self._input.close()
        self._socket.close()

    def log(self):
        """What the domain's VMM has said, in this run and those before it."""
        with open(os.path.join(LOG_FOLDER, self._name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()
