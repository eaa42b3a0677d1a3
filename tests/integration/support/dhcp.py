# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What a guest without an operating system does not do: to ask a network for an address, by DHCP (RFC 2131).

The frames are written to a tap device in the network's bridge. The address is that of the card whose MAC address is
named in them (chaddr), whoever sends them.
"""

import fcntl
import os
import select
import socket
import struct

from .networks import run
from .waiting import Deadline, Timeout

NEW_TAP = 0x400454ca
TAP_WITHOUT_HEADER = 0x1002
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
HOST_NAME, WANTED_ADDRESS, KIND, SERVER, END = 12, 50, 53, 54, 255
TRANSACTION = 0x676d656d


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def option(code, value):
    return bytes([code, len(value)]) + value


class Client:
    """One card's; a context manager that takes its tap device away."""

    def __init__(self, bridge, mac, name):
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._name = name
        self._tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(self._tap, NEW_TAP, struct.pack("16sH22x", b"asking%d", TAP_WITHOUT_HEADER))
        device = next(known for _, known in socket.if_nameindex() if known.startswith("asking"))
        run(f"ip link set {device} master {bridge} up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._tap)

    def _send(self, kind, *options):
        # Answers are to go to everybody: the client has no address yet.
        message = struct.pack(">BBBBIHH16x16s192x", 1, 1, 6, 0, TRANSACTION, 0, 0x8000, self._mac) + COOKIE
        message += option(KIND, bytes([kind])) + option(HOST_NAME, self._name.encode()) + b"".join(options)
        message += bytes([END])
        udp = struct.pack(">HHHH", 68, 67, 8 + len(message), 0) + message
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
                             b"\0" * 4, b"\xff" * 4)
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        # The frame's sender is not the guest's card, whose frames the bridge would send here then.
        os.write(self._tap, b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x08\0" + header + udp)

    def _parse(self, frame):
        """The kind, address and server of an answer, or None."""
        # Ethernet's, IP's and UDP's headers; a server's IP header has no options.
        if len(frame) < 282 or frame[12:15] != b"\x08\0\x45" or frame[34:38] != struct.pack(">HH", 67, 68):
            return None
        message = frame[42:]
        if struct.unpack(">I", message[4:8])[0] != TRANSACTION or message[236:240] != COOKIE:
            return None
        options, at = {}, 240
        while at + 1 < len(message) and message[at] != END:
            options[message[at]] = message[at + 2:at + 2 + message[at + 1]]
            at += 2 + message[at + 1]
        return options.get(KIND, b"\0")[0], message[16:20], options.get(SERVER)

    def _ask(self, wanted, kind, *options):
        """Asks each second until there is such an answer."""
        deadline = Deadline(30)
        while not deadline.is_over():
            self._send(kind, *options)
            while select.select([self._tap], [], [], 1)[0]:
                answer = self._parse(os.read(self._tap, 65536))
                if answer and answer[0] == wanted:
                    return answer[1:]
        raise Timeout(f"no answer of kind {wanted}")

    def lease(self):
        """Asks for an address; it, as text."""
        address, server = self._ask(OFFER, DISCOVER)
        address, _ = self._ask(ACK, REQUEST, option(WANTED_ADDRESS, address), option(SERVER, server))
        return socket.inet_ntoa(address)
