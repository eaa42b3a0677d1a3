# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of a VMM's monitor."""

import json
import socket

from .waiting import Deadline, Timeout, wait_readable


class QmpError(Exception):
    """An error reply."""

    def __init__(self, reply):
        super().__init__(f"{reply['class']}: {reply['desc']}")
        self.error_class = reply["class"]
        self.description = reply["desc"]


class Qmp:
    """One connection. Events that nobody has waited for are kept in order."""

    def __init__(self, path, seconds=30):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._received = b""
        self.events = []
        self.greeting = self._read(Deadline(seconds))["QMP"]
        self.execute("qmp_capabilities")

    def close(self):
        self._socket.close()

    def _read(self, deadline):
        while b"\n" not in self._received:
            wait_readable(self._socket, deadline, "monitor")
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("the monitor has closed the connection")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return json.loads(line)

    def execute(self, command, seconds=60, descriptors=(), **arguments):
        """Runs a command, which is sent with descriptors; its result, or QmpError. '_' in names stands for '-'."""
        return self.execute_with(command, {name.replace("_", "-"): value for name, value in arguments.items()},
                                 seconds, descriptors)

    def execute_with(self, command, arguments, seconds=60, descriptors=()):
        """The same for arguments of any names."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        text = json.dumps(message).encode() + b"\n"
        if descriptors:
            text = text[socket.send_fds(self._socket, [text], descriptors):]
        self._socket.sendall(text)
        deadline = Deadline(seconds)
        while True:
            reply = self._read(deadline)
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise QmpError(reply["error"])
            else:
                return reply["return"]

    def wait_event(self, name, seconds=60):
        """Takes the next event of that name; those before it stay."""
        deadline = Deadline(seconds)
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            try:
                reply = self._read(deadline)
            except Timeout:
                seen = [event["event"] for event in self.events]
                raise Timeout(f"no event {name}; came: {seen}") from None
            self.events.append(reply)

    def conversions(self):
        """query-conversion-stats with the counters by (direction, cause)."""
        statistics = self.execute("query-conversion-stats")
        statistics["conversions"] = {
            (counter["direction"], counter["cause"]): counter
            for counter in statistics["conversions"]}
        return statistics

    def moved(self):
        """Bytes that devices have read and written, by the way that they went."""
        return {way: counter["bytes"] for way, counter in self.conversions()["transfers"].items()}

    def registered(self):
        """Bytes of guest memory that the kernel knows, and reads files into and copies to and from."""
        return self.conversions()["registered-bytes"]
