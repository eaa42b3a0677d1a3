# SPDX-License-Identifier: LGPL-2.1-or-later
"""A serial port whose other end is a socket: clients that come and go, and a guest that does not wait for them."""

import socket
import unittest

from support.agent import Agent
from support.waiting import wait_until
from support.where import NATIVE

PORT = 0x2f8
LINE_STATUS = PORT + 5
DATA_READY = 1


class Serial2(unittest.TestCase):
    """The second port: the first one is what the test talks to the guest by."""

    where = NATIVE

    def start(self, other):
        self.guest = Agent("--memory=64M", f"--serial2-fd={other.fileno()}", pass_fds=[other.fileno()])
        self.addCleanup(self.guest.end)
        # What is left is the VMM's alone.
        other.close()

    def connect(self, address):
        peer = socket.create_connection(address)
        self.addCleanup(peer.close)
        peer.settimeout(30)
        return peer

    def write(self, text):
        for byte in text:
            self.guest.call("out", PORT, 1, byte)

    def get_exactly(self, peer, size):
        content = b""
        while len(content) < size:
            part = peer.recv(size - len(content))
            self.assertTrue(part, "the VMM has closed its end")
            content += part
        return content

    def read(self, size):
        content = b""
        while len(content) < size:
            wait_until(lambda: self.guest.call("in", LINE_STATUS, 1) & DATA_READY, 30, "a byte")
            content += bytes([self.guest.call("in", PORT, 1)])
        return content

    def assertTalks(self, peer):
        self.write(b"out")
        self.assertEqual(self.get_exactly(peer, 3), b"out")
        peer.sendall(b"in")
        self.assertEqual(self.read(2), b"in")

    def test_connected_socket(self):
        peer, other = socket.socketpair()
        self.addCleanup(peer.close)
        peer.settimeout(30)
        self.start(other)
        self.assertTalks(peer)
        # A peer that closes its half has gone, and sees that nobody is there any more.
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.recv(1), b"")
        self.write(b"nobody")

    def test_listening_socket(self):
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        self.start(listener)
        self.write(b"nobody")
        first, second = self.connect(address), self.connect(address)
        # It is there when what it has sent is.
        first.sendall(b"1")
        self.assertEqual(self.read(1), b"1")
        self.assertTalks(first)
        second.sendall(b"2")
        first.close()
        self.assertEqual(self.read(1), b"2")
        self.assertTalks(second)


if __name__ == "__main__":
    unittest.main()
