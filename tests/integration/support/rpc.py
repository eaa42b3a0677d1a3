# SPDX-License-Identifier: LGPL-2.1-or-later
"""
libvirt's RPC, spoken byte by byte: for what no client of good manners says.

A message is a length word that counts itself, six words of header, and XDR; see docs/rpc.md.
"""

import socket
import struct

from .daemon import SOCKET, URI
from .waiting import Deadline, wait_readable

PROGRAM = 0x20008086
VERSION = 1
HEADER = struct.Struct(">IIIiIII")  # with the length word
MESSAGE_MAX = (32 << 20) + 4

CALL, REPLY, EVENT, STREAM = range(4)
OK, ERROR, CONTINUE = range(3)

CONNECT_OPEN = 1
CONNECT_GET_HOSTNAME = 59
CONNECT_SUPPORTS_FEATURE = 60
AUTH_LIST = 66
DOMAIN_CREATE_XML = 10
DOMAIN_LOOKUP_BY_NAME = 23
DOMAIN_CREATE_WITH_FLAGS = 196
DOMAIN_OPEN_CONSOLE = 201
DOMAIN_DEFINE_XML_FLAGS = 350


class Closed(EOFError):
    """The daemon has closed the connection."""


def string(text):
    """XDR of a string, or of bytes."""
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def optional(value):
    """XDR of a pointer."""
    return struct.pack(">I", 0) if value is None else struct.pack(">I", 1) + value


def message(procedure, payload=b"", serial=0, kind=CALL, status=OK, length=None,
            program=PROGRAM, version=VERSION):
    """A message; its length word is right unless another is given."""
    if length is None:
        length = HEADER.size + len(payload)
    return HEADER.pack(length, program, version, procedure, kind, serial, status) + payload


class Reply:
    """What the daemon has answered."""

    def __init__(self, header, payload):
        (_, self.program, self.version, self.procedure, self.kind, self.serial,
         self.status) = header
        self.payload = payload

    @property
    def error(self):
        """Number and text of an error, or None."""
        if self.status != ERROR:
            return None
        code, _domain, has_message = struct.unpack_from(">iiI", self.payload)
        text = ""
        if has_message:
            size, = struct.unpack_from(">I", self.payload, 12)
            text = self.payload[16:16 + size].decode()
        return code, text


class Rpc:
    """One connection."""

    def __init__(self, path=SOCKET):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self._serial = 0
        self._received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, seconds=60):
        """The next message, or Closed."""
        deadline = Deadline(seconds)
        header = HEADER.unpack(self._read(HEADER.size, deadline))
        return Reply(header, self._read(header[0] - HEADER.size, deadline))

    def _read(self, size, deadline):
        while len(self._received) < size:
            wait_readable(self.socket, deadline, "connection")
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed("the daemon has closed the connection")
            self._received += data
        data, self._received = self._received[:size], self._received[size:]
        return data

    def post(self, procedure, payload=b""):
        """Sends a call, and does not wait for its answer."""
        self._serial += 1
        self.send(message(procedure, payload, self._serial))
        return self._serial

    def call(self, procedure, payload=b"", seconds=60):
        """Sends a call; its reply."""
        serial = self.post(procedure, payload)
        while (reply := self.receive(seconds)).serial != serial or reply.kind != REPLY:
            pass
        return reply

    def open(self):
        """What every client begins with."""
        for procedure, payload in [(AUTH_LIST, b""),
                                   (CONNECT_OPEN, optional(string(URI)) + struct.pack(">I", 0))]:
            reply = self.call(procedure, payload)
            assert reply.status == OK, reply.error
        return self

    def lookup(self, name):
        """The domain as later calls name it: name, UUID and id in XDR."""
        reply = self.call(DOMAIN_LOOKUP_BY_NAME, string(name))
        assert reply.status == OK, reply.error
        return reply.payload
