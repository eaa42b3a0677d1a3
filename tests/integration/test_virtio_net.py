# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A network card with a peer at the other end of its socket, by a driver that a test has in its hand:
frames both ways, and what guests and peers may do wrong.
"""

import socket
import struct
import threading
import unittest

import test_boot
from test_hot_plug import HotPlugTest, POWER_BLINK, POWER_OFF

from support.agent import Agent, GROUND, PAGE
from support.devices import device, root_port
from support.qmp import QmpError
from support.virtio import (DEVICE, NEXT, Ring, STRUCTURES, VERSION_1, VirtioDevice, WRITE, bits)
from support.vmm import MEMORY_KIND, payload, refused
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere

RECEIVE, TRANSMIT, CONTROL = range(3)
BUFFER = GROUND + 16 * PAGE
COMMAND = GROUND + 20 * PAGE

MAC = bytes.fromhex("525400a1b2c3")
HEADER = 12

MERGEABLE, STATUS, CONTROL_QUEUE, CONTROL_RECEIVE, ANNOUNCE = 15, 16, 17, 18, 21
CHECKSUM, OFFLOADS = 0, 2

INTERRUPT = 0x50


def frame(size, seed=0):
    """An Ethernet frame for the card, of bytes that tell it from others."""
    return MAC + bytes((seed + i * 5) & 0xff for i in range(size - len(MAC)))


class NetTest(unittest.TestCase):
    """A guest with a network card behind a root port."""

    where = NATIVE

    def start(self, **members):
        self.peer, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(self.peer.close)
        self.peer.settimeout(30)
        description = device("virtio-net-pci", "net0", bus="pci.1", addr="0x0",
                             mac=":".join(f"{byte:02x}" for byte in MAC),
                             netdev={"type": "stream", "fd": str(other.fileno())}, **members)
        with other:
            self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8), description,
                               pass_fds=[other.fileno()])
        self.addCleanup(self.guest.end)
        self.device = VirtioDevice(self.guest)

    def set_up(self, *features, is_packed=False):
        device = self.device
        device.reset()
        agreed = [VERSION_1, MERGEABLE, STATUS, CONTROL_QUEUE, CONTROL_RECEIVE, *features]
        self.assertTrue(device.agree(bits(*agreed, *([34] if is_packed else []))))
        device.enable_msix()
        device.aim(0, INTERRUPT)
        self.rings = []
        for queue in (RECEIVE, TRANSMIT, CONTROL):
            ring = Ring(self.guest, is_packed, place=GROUND + queue * 4 * PAGE)
            device.set_queue(8, *ring.areas(), queue=queue, vector=0)
            self.rings.append(ring)
        device.go()

    def write(self, gpa, content):
        for at in range(0, len(content), 8):
            part = content[at:at + 8].ljust(8, b"\0")
            self.guest.call("store", gpa + at, 8, int.from_bytes(part, "little"))

    def read(self, gpa, size):
        words = (self.guest.call("load", gpa + at, 8) for at in range(0, size, 8))
        return b"".join(struct.pack("<q", word) for word in words)[:size]

    def transmit(self, content):
        self.write(BUFFER, content)
        self.rings[TRANSMIT].add(BUFFER, len(content), flags=0)
        self.device.kick(TRANSMIT)
        self.rings[TRANSMIT].await_used()

    def get_exactly(self, size):
        content = b""
        while len(content) < size:
            part = self.peer.recv(size - len(content))
            self.assertTrue(part, "the VMM has closed its end")
            content += part
        return content

    def get_frame(self):
        return self.get_exactly(struct.unpack("!I", self.get_exactly(4))[0])

    def put_frame(self, content):
        self.peer.sendall(struct.pack("!I", len(content)) + content)

    def status(self):
        return self.guest.call("load", STRUCTURES + self.device.capabilities[DEVICE][1] + 6, 2)

    def assertRuns(self):
        self.assertTrue(self.guest.qmp.execute("query-status")["running"], self.guest.log())

    def assertBroken(self):
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.assertRuns()


class Works(NetTest):
    def test_what_is_found(self):
        self.start(host_mtu=1400)
        self.assertEqual(self.device.read_config(0, 4), 0x10411af4)
        self.assertEqual(self.device.read_config(8, 4) >> 8, 0x020000)
        self.assertEqual(self.device.get("num_queues"), 3)
        place = STRUCTURES + self.device.capabilities[DEVICE][1]
        content = bytes(self.guest.call("load", place + i, 1) for i in range(12))
        self.assertEqual(content, MAC + struct.pack("<HHH", 1, 1, 1400))
        # A peer without headers: nothing may be left undone for it.
        self.assertFalse(self.device.features() & bits(CHECKSUM, OFFLOADS))

    def check_frames(self, is_packed):
        self.set_up(is_packed=is_packed)
        for seed in range(10):
            content = frame(60 + seed * 11, seed)
            self.transmit(bytes(HEADER) + content)
            self.assertEqual(self.get_frame(), content)
        self.device.await_interrupt(INTERRUPT)
        for seed in range(10):
            content = frame(60 + seed * 13, seed)
            self.rings[RECEIVE].add(BUFFER, 256)
            self.device.kick(RECEIVE)
            self.put_frame(content)
            self.assertEqual(self.rings[RECEIVE].await_used(), HEADER + len(content))
            self.assertEqual(self.read(BUFFER, HEADER + len(content)),
                             bytes(10) + b"\1\0" + content)

    def test_frames(self):
        self.start()
        self.check_frames(is_packed=False)
        self.check_frames(is_packed=True)
        # By the kernel, which knows the memory that they are in by now; where it can.
        self.assertEqual(self.guest.qmp.registered() > 0, MEMORY_KIND == "windows")
        self.assertEqual(self.guest.qmp.moved()["registered"] > 0, MEMORY_KIND == "windows")

    @everywhere
    def test_frames_by_windows(self):
        """Or by the courier, of which there is no choice."""
        other = "window" if MEMORY_KIND == "windows" else "courier"
        self.start(dma=other)
        before = self.guest.qmp.moved()
        self.check_frames(is_packed=False)
        self.check_frames(is_packed=True)
        after = self.guest.qmp.moved()
        self.assertEqual({way for way in after if after[way] > before[way]}, {other})
        self.assertEqual(self.guest.qmp.registered(), 0)

    def test_frame_in_several_buffers(self):
        self.start()
        self.set_up()
        content = frame(300, 7)
        for index in range(5):
            self.rings[RECEIVE].add(BUFFER + index * 64, 64)
        self.device.kick(RECEIVE)
        self.put_frame(content)
        self.assertEqual([self.rings[RECEIVE].await_used() for _ in range(5)], [64, 64, 64, 64, 56])
        self.assertEqual(self.read(BUFFER, HEADER + 300), bytes(10) + b"\5\0" + content)

    def test_frames_wait_for_buffers(self):
        self.start()
        self.set_up()
        for seed in range(3):
            self.put_frame(frame(60, seed))
        for seed in range(3):
            self.rings[RECEIVE].add(BUFFER, 128)
            self.device.kick(RECEIVE)
            self.assertEqual(self.rings[RECEIVE].await_used(), HEADER + 60)
            self.assertEqual(self.read(BUFFER + HEADER, 60), frame(60, seed))

    def command(self, number, value):
        """A command about what is received; the device's answer."""
        self.write(COMMAND, bytes([0, number, value, 0xff]))
        ring = self.rings[CONTROL]
        ring.put_descriptor(1, COMMAND + 3, 1, WRITE, 0)
        ring.add(COMMAND, 3, flags=NEXT, last=1)
        ring.next += 1
        self.device.kick(CONTROL)
        self.assertEqual(ring.await_used(), 1)
        ring.seen = ring.next
        return self.read(COMMAND + 3, 1)[0]

    def test_control(self):
        self.start()
        self.set_up()
        self.assertEqual(self.command(0, 0), 0)
        self.rings[RECEIVE].add(BUFFER, 128)
        self.device.kick(RECEIVE)
        # For another card: the guest does not get it any more. Then one for this card.
        self.put_frame(b"\x52\x54\0\0\0\1" + frame(54))
        self.put_frame(frame(60, 9))
        self.rings[RECEIVE].await_used()
        self.assertEqual(self.read(BUFFER + HEADER, 60), frame(60, 9))

    def test_link(self):
        self.start(link=False)
        self.set_up()
        self.assertEqual(self.status() & 1, 0)
        self.transmit(bytes(HEADER) + frame(60, 1))
        self.guest.qmp.execute("set_link", name="net0", up=True)
        wait_until(lambda: self.status() & 1, 30, "a link that is up")
        self.transmit(bytes(HEADER) + frame(60, 2))
        # The first one was lost.
        self.assertEqual(self.get_frame(), frame(60, 2))
        with self.assertRaisesRegex(QmpError, "net9"):
            self.guest.qmp.execute("set_link", name="net9", up=True)

    @everywhere
    def test_pause_and_reset(self):
        self.start()
        self.set_up()
        self.rings[RECEIVE].add(BUFFER, 128)
        self.device.kick(RECEIVE)
        self.guest.qmp.execute("stop")
        self.put_frame(frame(60, 3))
        self.guest.qmp.execute("cont")
        self.assertEqual(self.rings[RECEIVE].await_used(), HEADER + 60)
        for _ in range(3):
            self.set_up()
            self.transmit(bytes(HEADER) + frame(60, 4))
            self.assertEqual(self.get_frame(), frame(60, 4))


class Wrong(NetTest):
    """What a guest or a peer may do, without more than the device or the link being broken."""

    def test_short_header(self):
        self.start()
        for gpa, length, flags in ((BUFFER, HEADER - 1, 0), (BUFFER, 100, WRITE), (0x80000000, 100, 0)):
            with self.subTest(gpa=gpa, length=length):
                self.set_up()
                self.rings[TRANSMIT].add(gpa, length, flags=flags)
                self.device.kick(TRANSMIT)
                self.assertBroken()
        self.set_up()
        self.transmit(bytes(HEADER) + frame(60))
        self.assertEqual(self.get_frame(), frame(60))

    def test_headers_that_lie(self):
        self.start()
        self.set_up()
        for header in (b"\1" + bytes(5) + b"\xff\xff\xff\xff", b"\0\1" + bytes(8), b"\1\5\xff\xff\0\0\x22\0\x10\0"):
            self.transmit(header + bytes(2) + frame(60))
        self.transmit(bytes(HEADER) + frame(60, 5))
        self.assertEqual(self.get_frame(), frame(60, 5))

    @everywhere
    def test_receive_buffers_that_are_none(self):
        self.start()
        for gpa, length, flags in ((BUFFER, 100, 0), (0x80000000, 100, WRITE)):
            with self.subTest(gpa=gpa):
                self.set_up()
                self.rings[RECEIVE].add(gpa, length, flags=flags)
                self.device.kick(RECEIVE)
                self.put_frame(frame(60))
                self.assertBroken()

    def assertLinkDown(self):
        wait_until(lambda: self.status() & 1 == 0, 30, "a link that is down")
        # What the guest sends then is lost, and it has its buffers back.
        self.transmit(bytes(HEADER) + frame(60))
        self.assertRuns()

    def test_peer_that_goes_away(self):
        self.start()
        self.set_up()
        self.assertEqual(self.status() & 1, 1)
        self.peer.close()
        self.assertLinkDown()
        self.assertIn("link is down", self.guest.log())

    def test_peer_that_announces_nonsense(self):
        self.start()
        self.set_up()
        self.peer.sendall(b"\xff\xff\xff\xff")
        self.assertLinkDown()

    def test_bad_descriptions(self):
        for members, message in (({"mac": "01:00:5e:00:00:01"}, "mac"), ({"queues": 2}, "queues"),
                                 ({"netdev": {"type": "stream"}}, "fd"), ({"netdev": {"type": "tap"}}, "fds"),
                                 ({"netdev": {"type": "slirp"}}, "type")):
            with self.subTest(message=message):
                self.assertIn(message, self.refusal(**members))

    def refusal(self, **members):
        """What the VMM says as it refuses such a card."""
        peer, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        values = {"mac": "52:54:00:a1:b2:c3", "netdev": {"type": "stream", "fd": str(other.fileno())}, **members}
        with peer, other:
            return refused(f"--payload={payload('agent')}", root_port("pci.1", "0x1", chassis=1, port=8),
                           device("virtio-net-pci", "net0", bus="pci.1", addr="0x0", **values),
                           pass_fds=[other.fileno()])


class HotPlug(NetTest):
    """A card that comes and goes while it is in use; the guest drives the slot by hand."""

    select, port = HotPlugTest.select, HotPlugTest.port
    command, take_events, power_on = HotPlugTest.command, HotPlugTest.take_events, HotPlugTest.power_on

    def plug_in(self):
        self.peer, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.peer.settimeout(30)
        with other:
            self.guest.qmp.execute("getfd", descriptors=[other.fileno()], fdname="fd-net0")
        self.guest.qmp.execute("device_add", driver="virtio-net-pci", id="net0", bus="pci.1", addr="0x0",
                               mac="52:54:00:a1:b2:c3", netdev={"type": "stream", "fd": "fd-net0"})
        self.take_events()
        self.power_on()

    def plug_out(self):
        self.guest.qmp.execute("device_del", id="net0")
        self.take_events()
        self.command(POWER_BLINK)
        self.command(POWER_OFF)
        self.guest.qmp.wait_event("DEVICE_DELETED")

    def test_in_and_out_and_in_again(self):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8))
        self.addCleanup(self.guest.end)
        for seed in range(3):
            self.plug_in()
            self.set_up()
            # By the kernel when it knows the memory, as a card that was there from the beginning; where it can.
            for size in range(60, 80):
                self.transmit(bytes(HEADER) + frame(size, seed))
                self.assertEqual(self.get_frame(), frame(size, seed))
            self.assertEqual(self.guest.qmp.registered() > 0, MEMORY_KIND == "windows")
            # In the middle of receiving: there is a buffer, and a frame under way.
            self.rings[RECEIVE].add(BUFFER, 128)
            self.device.kick(RECEIVE)
            self.peer.sendall(struct.pack("!I", 60) + bytes(30))
            self.plug_out()
            self.assertEqual(self.peer.recv(1), b"")
            self.assertEqual(self.guest.qmp.registered(), 0)
            self.peer.close()


class Neighbour(threading.Thread):
    """Who is at the other end of the cable: answers ARP and pings."""

    ADDRESS, MAC = socket.inet_aton("192.0.2.1"), bytes.fromhex("525400000001")

    def __init__(self, peer):
        super().__init__(daemon=True)
        self.peer = peer

    def run(self):
        stream = self.peer.makefile("rb")
        while length := stream.read(4):
            content = stream.read(struct.unpack("!I", length)[0])
            answer = self.answer(content)
            if answer:
                frame = content[6:12] + self.MAC + content[12:14] + answer
                self.peer.sendall(struct.pack("!I", len(frame)) + frame)

    def answer(self, content):
        kind, payload = content[12:14], content[14:]
        if kind == b"\x08\x06" and payload[6:8] == b"\0\1" and payload[24:28] == self.ADDRESS:
            return payload[:6] + b"\0\2" + self.MAC + self.ADDRESS + payload[8:18]
        if kind == b"\x08\0" and payload[16:20] == self.ADDRESS:
            return self.answer_ip(payload)
        return None

    def answer_ip(self, packet):
        start, end = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        message = bytearray(packet[start:end])
        # Fragments come in order, and what is behind the first one has no header of its own.
        is_first = struct.unpack("!H", packet[6:8])[0] & 0x1fff == 0
        if packet[9] != socket.IPPROTO_ICMP or is_first and message[0] != 8:
            return None
        if is_first:
            message[0] = 0
            # 8 less in the first byte is 0x800 more in the checksum, with the carry.
            checksum = struct.unpack("!H", message[2:4])[0] + 0x800
            message[2:4] = struct.pack("!H", (checksum & 0xffff) + (checksum >> 16))
        return packet[:12] + packet[16:20] + packet[12:16] + packet[20:start] + bytes(message)


class Linux(unittest.TestCase):
    """Debian's driver."""

    where = HOSTS
    limit = 240

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def test_network(self):
        peer, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(peer.close)
        neighbour = Neighbour(peer)
        neighbour.start()
        with other:
            vmm = self.boot("--vcpus=2", "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                            device("virtio-net-pci", "net0", bus="pci.1", addr="0x0", mac="52:54:00:a1:b2:c3",
                                   host_mtu=1400, netdev={"type": "stream", "fd": str(other.fileno())}),
                            pass_fds=[other.fileno()])
        self.assertEqual(self.run_in(vmm, "cat /sys/class/net/eth0/address"), "52:54:00:a1:b2:c3")
        self.assertEqual(self.run_in(vmm, "cat /sys/class/net/eth0/mtu"), "1400")
        self.run_in(vmm, "ip link set eth0 up; ip addr add 192.0.2.2/24 dev eth0")
        self.assertEqual(self.run_in(vmm, "cat /sys/class/net/eth0/carrier"), "1")
        # In fragments, too.
        for size in (56, 1300, 4000):
            self.assertIn(", 0% packet loss", self.run_in(vmm, f"ping -c 3 -s {size} 192.0.2.1"))
        for is_up in (False, True):
            vmm.qmp.execute("set_link", name="net0", up=is_up)
            wait_until(lambda: self.run_in(vmm, "cat /sys/class/net/eth0/carrier") == str(int(is_up)), 30, "the cable")
        self.assertIn(", 0% packet loss", self.run_in(vmm, "ping -c 1 192.0.2.1"))


if __name__ == "__main__":
    unittest.main()
