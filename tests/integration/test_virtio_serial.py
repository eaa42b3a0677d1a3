# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Consoles and ports on a virtio-serial device, by a driver that a test has in its hand: bytes both ways, who waits for
whom, ports that come and go, and what a guest may do wrong.
"""

import os
import socket
import struct
import threading
import tty
import unittest

import test_boot
from support.agent import Agent, GROUND, PAGE
from support.devices import device, root_port
from support.qmp import QmpError
from support.virtio import DEVICE, NEXT, RING_PACKED, Ring, STRUCTURES, VERSION_1, VirtioDevice, WRITE, bits
from support.vmm import payload, refused
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere

MULTIPORT = 1

READY, ADD, REMOVE, PORT_READY, CONSOLE, _, OPEN, NAME = range(8)
CONTROL_RECEIVE, CONTROL_TRANSMIT = 2, 3

# What a guest's buffers hold, and where they are.
SIZE = 64
BUFFERS = GROUND + 200 * PAGE

INTERRUPT = 0x50


def receive_queue(port):
    return 0 if port == 0 else 2 * (port + 1)


class SerialTest(unittest.TestCase):
    """A guest with a virtio-serial device behind a root port."""

    where = NATIVE

    def start(self, *ports, max_ports=4, **popen):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8),
                           device("virtio-serial-pci", "serial0", bus="pci.1", addr="0x0", max_ports=max_ports),
                           *ports, **popen)
        self.addCleanup(self.guest.end)
        # Connected from now on, for events.
        self.assertRuns()
        self.device = VirtioDevice(self.guest)

    def start_with_socket(self, kind="virtserialport", **members):
        """One port at a socket, whose other end is self.peer."""
        self.peer, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(self.peer.close)
        self.peer.settimeout(30)
        members.setdefault("nr", 1)
        with other:
            self.start(self.port(kind, {"type": "socket", "fd": str(other.fileno())}, **members),
                       pass_fds=[other.fileno()])

    def listen(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        return listener

    def connect(self, listener):
        peer = socket.create_connection(listener.getsockname())
        self.addCleanup(peer.close)
        peer.settimeout(30)
        return peer

    @staticmethod
    def port(kind, chardev, name="port0", **members):
        if kind == "virtserialport":
            members.setdefault("name", "org.test")
        return device(kind, name, bus="serial0.0", chardev=chardev, **members)

    def set_up(self, *queues, is_packed=False, is_multiport=True):
        """A device that works, with control and these queues."""
        self.device.reset()
        features = [VERSION_1] + [MULTIPORT] * is_multiport + [RING_PACKED] * is_packed
        self.assertTrue(self.device.agree(bits(*features)))
        self.device.enable_msix()
        self.device.aim(0, INTERRUPT)
        control = (CONTROL_RECEIVE, CONTROL_TRANSMIT) if is_multiport else ()
        self.rings = {}
        self.where_next = {}
        for queue in (*control, *queues):
            ring = Ring(self.guest, is_packed, place=GROUND + queue * 4 * PAGE)
            self.device.set_queue(8, *ring.areas(), queue=queue, vector=0)
            self.rings[queue] = ring
            self.where_next[queue] = 0
        self.device.go()

    # Buffers

    def buffer(self, queue, index):
        return BUFFERS + queue * PAGE + index % 8 * SIZE

    def write(self, gpa, content):
        for at in range(0, len(content), 8):
            self.guest.call("store", gpa + at, 8, int.from_bytes(content[at:at + 8].ljust(8, b"\0"), "little"))

    def read(self, gpa, size):
        words = (self.guest.call("load", gpa + at, 8) for at in range(0, size, 8))
        return b"".join(struct.pack("<q", word) for word in words)[:size]

    def offer(self, queue, count=1, size=SIZE):
        """Gives the device room for what comes."""
        ring = self.rings[queue]
        for _ in range(count):
            ring.add(self.buffer(queue, ring.next), size)
        self.device.kick(queue)

    def take(self, queue):
        """What has come next."""
        ring = self.rings[queue]
        at = self.buffer(queue, ring.seen)
        return self.read(at, ring.await_used())

    def begin_send(self, queue, content):
        ring = self.rings[queue]
        at = self.buffer(queue, ring.next)
        self.write(at, content)
        ring.add(at, len(content), flags=0)
        self.device.kick(queue)

    def send(self, queue, content):
        self.begin_send(queue, content)
        self.rings[queue].await_used()

    # Control

    def tell(self, port, event, value=1):
        self.send(CONTROL_TRANSMIT, struct.pack("<IHH", port, event, value))

    def assertTold(self, port, event, value=1, name=b""):
        self.assertEqual(self.take(CONTROL_RECEIVE), struct.pack("<IHH", port, event, value) + name)

    def assertNothingTold(self):
        self.assertIsNone(self.rings[CONTROL_RECEIVE].take())

    def meet(self, port=1, name=b"org.test", is_open=True):
        """As a driver begins with one port, which it opens."""
        self.offer(CONTROL_RECEIVE, 8)
        self.tell(0, READY)
        self.assertTold(port, ADD)
        self.tell(port, PORT_READY)
        if name:
            self.assertTold(port, NAME, name=name)
        if is_open:
            self.assertTold(port, OPEN)
        self.tell(port, OPEN)

    def await_change(self, is_open, port="port0"):
        self.assertEqual(self.guest.qmp.wait_event("VSERPORT_CHANGE", 30)["data"], {"id": port, "open": is_open})

    def get_exactly(self, peer, size):
        content = b""
        while len(content) < size:
            part = peer.recv(size - len(content))
            self.assertTrue(part, "the VMM has closed its end")
            content += part
        return content

    def assertGuestOpen(self, is_open, label="port0"):
        chardevs = self.guest.qmp.execute("query-chardev")
        self.assertIn({"label": label, "filename": "", "frontend-open": is_open}, chardevs)
        self.assertIn({"label": "serial0", "filename": "", "frontend-open": True}, chardevs)
        self.assertEqual(len(chardevs), 2)

    def assertEchoes(self, port=1, peer=None):
        peer = peer or self.peer
        queue = receive_queue(port)
        self.send(queue + 1, b"from the guest")
        self.assertEqual(self.get_exactly(peer, 14), b"from the guest")
        self.offer(queue)
        peer.sendall(b"to the guest")
        self.assertEqual(self.take(queue), b"to the guest")

    def assertRuns(self):
        self.assertTrue(self.guest.qmp.execute("query-status")["running"], self.guest.log())

    def assertBroken(self):
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.assertRuns()


class Works(SerialTest):
    """What a driver finds and gets."""

    def test_what_is_found(self):
        self.start(max_ports=31)
        self.assertEqual(self.device.read_config(0, 4), 0x10431af4)
        self.assertEqual(self.device.read_config(8, 4) >> 8, 0x078000)
        self.assertEqual(self.device.get("num_queues"), 64)
        place = STRUCTURES + self.device.capabilities[DEVICE][1]
        self.assertEqual(self.read(place, 12), struct.pack("<HHII", 0, 0, 31, 0))
        self.assertTrue(self.device.features() & bits(MULTIPORT))

    @everywhere
    def test_port(self):
        self.start_with_socket()
        for _ in range(2):
            self.set_up(4, 5)
            self.assertGuestOpen(False)
            self.meet()
            self.await_change(True)
            self.assertGuestOpen(True)
            self.assertEchoes()
            self.device.await_interrupt(INTERRUPT)
            # A reset closes it.
            self.device.reset()
            self.await_change(False)

    def test_packed_ring(self):
        peer, other = socket.socketpair()
        with peer, other:
            self.peer = peer
            self.start(device("virtio-serial-pci", "serial1", bus="pcie.0", addr="0x5", packed=True),
                       self.port("virtserialport", {"type": "socket", "fd": str(other.fileno())}, nr=1),
                       pass_fds=[other.fileno()])
            self.assertFalse(self.device.features() & bits(RING_PACKED))
            self.set_up(4, 5)
            self.meet()
            self.assertEchoes()

    def test_closed_port_gets_nothing(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        self.await_change(True)
        self.offer(4, 2)
        self.tell(1, OPEN, 0)
        self.await_change(False)
        self.peer.sendall(b"later")
        self.tell(1, 77)
        self.assertIsNone(self.rings[4].take())
        self.tell(1, OPEN)
        self.assertEqual(self.take(4), b"later")

    def test_console(self):
        self.start_with_socket("virtconsole", nr=0)
        self.set_up(0, 1)
        self.offer(CONTROL_RECEIVE, 8)
        self.tell(0, READY)
        self.assertTold(0, ADD)
        self.tell(0, PORT_READY)
        self.assertTold(0, CONSOLE)
        self.assertTold(0, OPEN)
        self.tell(0, OPEN)
        self.assertEchoes(0)

    def test_without_multiport(self):
        self.start_with_socket("virtconsole", nr=0)
        self.set_up(0, 1, is_multiport=False)
        self.assertEchoes(0)

    def test_large_buffers(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        # More than the device takes at once.
        size = 20 * PAGE
        self.guest.call("fill", BUFFERS, size, 0x55)
        self.rings[5].add(BUFFERS, size, flags=0)
        self.device.kick(5)
        self.assertEqual(self.get_exactly(self.peer, size), b"\x55" * size)
        self.rings[5].await_used()

    def test_log(self):
        reader, writer = os.pipe()
        self.start(self.port("virtserialport", {"type": "null", "logfile-fd": str(writer)}, nr=1), pass_fds=[writer])
        os.close(writer)
        self.set_up(4, 5)
        self.meet()
        self.send(5, b"to be read later")
        self.assertEqual(os.read(reader, 100), b"to be read later")
        # Who writes the log may end; the port goes on.
        os.close(reader)
        self.send(5, b"lost")
        self.assertRuns()


class Flow(SerialTest):
    """Who waits for whom."""

    def fill_up(self):
        """Sends until the device keeps a buffer. Return: how many bytes there are in all."""
        self.guest.call("fill", BUFFERS, 64 * PAGE, 0x55)
        sent = 0
        while True:
            self.rings[5].add(BUFFERS, 64 * PAGE, flags=0)
            self.device.kick(5)
            sent += 64 * PAGE
            # A call to the thread, so that it has had its turn.
            self.tell(1, 77)
            if self.rings[5].take() is None:
                return sent

    def test_guest_waits_for_a_slow_reader(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        sent = self.fill_up()
        # Over a pause, too, with a part of a buffer sent.
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("cont")
        self.assertEqual(self.get_exactly(self.peer, sent), b"\x55" * sent)
        self.rings[5].await_used()
        self.assertEchoes()

    def test_reset_while_it_waits(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        self.fill_up()
        self.set_up(4, 5)
        self.meet()
        self.peer.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while self.peer.recv(1 << 20):
                pass
        self.peer.settimeout(30)
        self.assertEchoes()

    def test_reader_goes_while_the_guest_waits(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        self.fill_up()
        self.peer.close()
        self.rings[5].await_used()
        self.assertTold(1, OPEN, 0)
        self.send(5, b"lost")

    def test_console_does_not_wait(self):
        self.start_with_socket("virtconsole", nr=0)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.set_up(0, 1)
        self.guest.call("fill", BUFFERS, 64 * PAGE, 0x55)
        for _ in range(4):
            self.rings[1].add(BUFFERS, 64 * PAGE, flags=0)
            self.device.kick(1)
            self.rings[1].await_used()

    def test_peer_waits_for_the_guest(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.peer.setblocking(False)
        sent = 0
        with self.assertRaises(BlockingIOError):
            while True:
                sent += self.peer.send(b"x" * 4096)
        got = 0
        while got < sent:
            self.rings[4].add(BUFFERS, PAGE)
            self.device.kick(4)
            got += self.rings[4].await_used()
        self.assertEqual(got, sent)

    def test_pause(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()
        self.offer(4)
        self.guest.qmp.execute("stop")
        self.peer.sendall(b"in between")
        self.guest.qmp.execute("cont")
        self.assertEqual(self.take(4), b"in between")
        self.assertEchoes()


class Servers(SerialTest):
    """A port at a socket that listens."""

    def start_server(self):
        self.listener = self.listen()
        fd = self.listener.fileno()
        self.start(self.port("virtserialport", {"type": "socket", "fd": str(fd), "server": True}, nr=1), pass_fds=[fd])
        self.set_up(4, 5)

    def test_one_client_after_the_other(self):
        self.start_server()
        self.meet(is_open=False)
        self.send(5, b"nobody is there")
        first, second = self.connect(self.listener), self.connect(self.listener)
        self.assertTold(1, OPEN)
        self.assertEchoes(peer=first)
        second.sendall(b"next")
        self.offer(4)
        first.close()
        self.assertTold(1, OPEN, 0)
        self.assertTold(1, OPEN)
        self.assertEqual(self.take(4), b"next")
        second.close()
        self.assertTold(1, OPEN, 0)

    def test_client_before_the_driver(self):
        self.start_server()
        peer = self.connect(self.listener)
        peer.sendall(b"early")
        self.offer(4)
        self.offer(CONTROL_RECEIVE, 8)
        self.tell(0, READY)
        self.assertTold(1, ADD)
        self.tell(1, PORT_READY)
        self.assertTold(1, NAME, name=b"org.test")
        self.assertTold(1, OPEN)
        self.tell(1, OPEN)
        self.assertEqual(self.take(4), b"early")

    def test_terminal(self):
        master, slave = os.openpty()
        self.addCleanup(os.close, slave)
        tty.setraw(slave)
        self.start(self.port("virtconsole", {"type": "pty", "fd": str(master)}, nr=0), pass_fds=[master])
        os.close(master)
        self.set_up(0, 1, is_multiport=False)
        self.send(1, b"login: ")
        self.assertEqual(os.read(slave, 100), b"login: ")
        self.offer(0)
        os.write(slave, b"root\n")
        self.assertEqual(self.take(0), b"root\n")


class HotPlug(SerialTest):
    """Ports that come and go."""

    def add(self, **members):
        self.guest.qmp.execute("device_add", driver="virtserialport", id="late", bus="serial0.0",
                               chardev={"type": "null"}, **members)

    def remove(self, name="late"):
        self.guest.qmp.execute("device_del", id=name)
        self.assertEqual(self.guest.qmp.wait_event("DEVICE_DELETED", 30)["data"]["device"], name)

    def test_port_comes_and_goes(self):
        self.start()
        self.set_up(4, 5)
        self.offer(CONTROL_RECEIVE, 8)
        self.tell(0, READY)
        self.assertNothingTold()
        for _ in range(2):
            self.add(name="late.port")
            self.assertTold(1, ADD)
            self.tell(1, PORT_READY)
            self.assertTold(1, NAME, name=b"late.port")
            self.assertTold(1, OPEN)
            self.tell(1, OPEN)
            self.await_change(True, "late")
            self.send(5, b"null")
            self.offer(4)
            self.remove()
            self.assertTold(1, REMOVE)
            # The driver's last words.
            self.tell(1, OPEN, 0)
            self.send(5, b"to nobody")
            self.offer(CONTROL_RECEIVE, 4)
            self.set_up(4, 5)
            self.offer(CONTROL_RECEIVE, 8)
            self.tell(0, READY)

    def test_what_is_told_late(self):
        """A guest without a buffer hears how it is when it has one, not how it was."""
        self.start()
        self.set_up()
        self.tell(0, READY)
        for _ in range(20):
            self.add()
            self.remove()
        self.add()
        self.offer(CONTROL_RECEIVE, 8)
        self.assertTold(1, ADD)
        self.assertNothingTold()

    def test_while_paused(self):
        self.start()
        self.set_up()
        self.offer(CONTROL_RECEIVE, 8)
        self.tell(0, READY)
        self.guest.qmp.execute("stop")
        self.add()
        self.guest.qmp.execute("cont")
        self.assertTold(1, ADD)

    def test_descriptor(self):
        self.start()
        peer, other = socket.socketpair()
        with peer, other:
            self.guest.qmp.execute("getfd", descriptors=[other.fileno()], fdname="sock")
            self.guest.qmp.execute("device_add", driver="virtserialport", id="late", bus="serial0.0", nr=2,
                                   name="org.test", chardev={"type": "socket", "fd": "sock"})
            other.close()
            peer.settimeout(30)
            self.set_up(6, 7)
            self.meet(2)
            self.assertEchoes(2, peer)
            self.remove()
            self.assertEqual(peer.recv(1), b"")

    def test_refused(self):
        self.start(self.port("virtserialport", {"type": "null"}, nr=1))
        for reason, members in {
                "another port": {"nr": 1}, "max_ports": {"nr": 4}, "console": {"nr": 0},
                "255 bytes": {"name": "x" * 256}, "device 'late'": {"bus": "pci.1"}}.items():
            arguments = {"driver": "virtserialport", "id": "late", "bus": "serial0.0", "chardev": {"type": "null"}}
            with self.subTest(reason), self.assertRaisesRegex(QmpError, reason):
                self.guest.qmp.execute("device_add", **{**arguments, **members})
        for chardev in ({}, {"type": "socket"}, {"type": "null", "fd": "x"}, {"type": "pty", "fd": "none"},
                        {"type": "null", "server": True}, {"type": "null", "logfile-fd": "none"}):
            with self.subTest(chardev), self.assertRaises(QmpError):
                self.guest.qmp.execute("device_add", driver="virtserialport", id="late", bus="serial0.0",
                                       chardev=chardev)
        self.add(nr=2)
        self.assertRuns()

    def test_device_goes_with_its_ports(self):
        self.start(self.port("virtserialport", {"type": "null"}, nr=1))
        self.guest.qmp.execute("stop")
        self.guest.qmp.execute("device_del", id="serial0")
        self.guest.qmp.execute("system_reset")
        gone = [self.guest.qmp.wait_event("DEVICE_DELETED", 30)["data"]["device"] for _ in range(2)]
        self.assertEqual(gone, ["port0", "serial0"])


class Mistakes(SerialTest):
    """A guest that breaks its device, and can reset it; and what it is told is nothing."""

    def setUp(self):
        self.start_with_socket()
        self.set_up(4, 5)
        self.meet()

    def assertBrokenAndResets(self):
        self.assertBroken()
        self.set_up(4, 5)
        self.meet()
        self.assertEchoes()

    def test_control_messages(self):
        for size in (1, 7, 8, 9, 64):
            self.send(CONTROL_TRANSMIT, b"\xff" * size)
        for port in (0, 2, 3, 4, 0x7fffffff, 0xffffffff):
            for event in range(10):
                if event != READY:
                    self.tell(port, event)
        for event in (ADD, REMOVE, CONSOLE, 5, NAME, 8, 0xffff):
            self.tell(1, event)
        # Opened twice, and closed twice.
        for value in (1, 1, 0, 0, 1, 0xffff):
            self.tell(1, OPEN, value)
        self.tell(1, PORT_READY, 0)
        self.assertEchoes()
        self.assertFalse(self.device.is_broken())

    def test_asks_again_and_again(self):
        """What it is told is told once."""
        for _ in range(50):
            self.tell(0, READY)
            self.tell(1, PORT_READY)
        told = 0
        self.offer(CONTROL_RECEIVE, 3)
        while self.rings[CONTROL_RECEIVE].take() is not None:
            told += 1
        self.assertLessEqual(told, 8)
        self.assertRuns()

    def test_ports_that_are_not_there(self):
        self.set_up(6, 7)
        self.offer(6)
        for _ in range(20):
            self.send(7, b"to nobody")
        self.assertIsNone(self.rings[6].take())

    def test_buffers_without_room(self):
        self.rings[4].add(BUFFERS, 4, flags=0)
        self.device.kick(4)
        self.peer.sendall(b"x")
        self.assertBroken()
        self.set_up(4, 5)
        self.offer(CONTROL_RECEIVE, size=7)
        self.begin_send(CONTROL_TRANSMIT, struct.pack("<IHH", 0, READY, 1))
        self.assertBroken()

    def test_no_ram(self):
        for queue, flags in ((5, 0), (4, WRITE), (CONTROL_TRANSMIT, 0)):
            self.rings[queue].add(0x80000000, 8, flags=flags)
            self.device.kick(queue)
            if queue == 4:
                self.peer.sendall(b"x")
            self.assertBroken()
            self.set_up(4, 5)
            self.meet()
        self.assertEchoes()

    def test_rings(self):
        for queue in (4, 5, CONTROL_TRANSMIT, CONTROL_RECEIVE):
            ring = self.rings[queue]
            # A chain that never ends.
            ring.add(BUFFERS, 8, NEXT, ring.next % 8)
            self.device.kick(queue)
            # It looks for room when something has come, and when it has something to say.
            if queue == 4:
                self.peer.sendall(b"x")
            elif queue == CONTROL_RECEIVE:
                self.begin_send(CONTROL_TRANSMIT, struct.pack("<IHH", 0, READY, 1))
            self.assertBroken()
            self.set_up(4, 5)
            if queue != CONTROL_TRANSMIT:
                self.meet()


class Descriptions(unittest.TestCase):
    """What the VMM does not start with."""

    where = NATIVE

    def assertRefused(self, reason, *devices):
        self.assertIn(reason, refused(f"--payload={payload('agent')}", *devices))

    def test_refused(self):
        port = root_port("pci.1", "0x1", chassis=1, port=8)
        serial = device("virtio-serial-pci", "serial0", bus="pci.1", addr="0x0", max_ports=2)
        null = {"type": "null"}
        self.assertRefused("max_ports", port, device("virtio-serial-pci", "serial0", bus="pci.1", addr="0x0",
                                                     max_ports=128))
        self.assertRefused("there is no virtio-serial bus 'serial0.0'", port,
                           device("virtconsole", "console0", bus="serial0.0", chardev=null))
        self.assertRefused("max_ports", port, serial,
                           *(device("virtserialport", f"port{i}", bus="serial0.0", chardev=null) for i in range(2)))


class Linux(unittest.TestCase):
    """Debian's driver."""

    where = HOSTS
    limit = 240

    boot = test_boot.Linux.boot
    run_in = test_boot.Linux.run_in

    def pair(self):
        peer, other = socket.socketpair()
        self.addCleanup(peer.close)
        self.addCleanup(other.close)
        peer.settimeout(60)
        return peer, other

    def read_until(self, peer, text):
        content = b""
        while text not in content:
            part = peer.recv(4096)
            self.assertTrue(part, content)
            content += part
        return content

    def find_port(self, vmm, name):
        return self.run_in(vmm, f"grep -l '^{name}$' /sys/class/virtio-ports/*/name").split("/")[-2]

    def test_console_and_port(self):
        console, other_console = self.pair()
        channel, other_channel = self.pair()
        fds = [other_console.fileno(), other_channel.fileno()]
        vmm = self.boot("--vcpus=2", "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                        device("virtio-serial-pci", "serial0", bus="pci.1", addr="0x0"),
                        device("virtconsole", "console0", bus="serial0.0",
                               chardev={"type": "socket", "fd": str(fds[0])}),
                        device("virtserialport", "channel0", bus="serial0.0", nr=3, name="org.test",
                               chardev={"type": "socket", "fd": str(fds[1])}), pass_fds=fds)
        # What is left of them is the VMM's alone.
        other_console.close()
        other_channel.close()
        # A shell on the console, whose terminal echoes.
        self.run_in(vmm, "(setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1' &)")
        console.sendall(b"echo $((6 * 7))\n")
        self.read_until(console, b"\r\n42\r\n")

        port = self.find_port(vmm, "org.test")
        self.assertEqual(port, "vport0p3")
        # It can be open once.
        self.run_in(vmm, f"(cat <>/dev/{port} >&0 &)")
        # The kernel has opened the console before.
        for name in ("console0", "channel0"):
            self.assertEqual(vmm.qmp.wait_event("VSERPORT_CHANGE", 60)["data"], {"id": name, "open": True})
        content = bytes(range(256)) * 512
        sender = threading.Thread(target=channel.sendall, args=(content,))
        sender.start()
        came = b""
        while len(came) < len(content):
            came += channel.recv(65536)
        sender.join()
        self.assertEqual(came, content)

        # Over a pause; away and there again, with both open; and one that comes while it runs.
        vmm.qmp.execute("stop")
        channel.sendall(b"in between")
        vmm.qmp.execute("cont")
        self.assertEqual(self.read_until(channel, b"between"), b"in between")
        vmm.qmp.execute("device_del", id="channel0")
        vmm.qmp.wait_event("DEVICE_DELETED", 30)
        self.assertEqual(channel.recv(1), b"")
        vmm.qmp.execute("device_add", driver="virtserialport", id="late", bus="serial0.0", name="org.late",
                        chardev={"type": "null"})
        self.run_in(vmm, "while ! grep -q '^org.late$' /sys/class/virtio-ports/*/name; do sleep 0.1; done")
        self.run_in(vmm, f"echo nobody >/dev/{self.find_port(vmm, 'org.late')}")
        console.sendall(b"echo $((7 * 7))\n")
        self.read_until(console, b"\r\n49\r\n")

        vmm.console.send("reboot -f\n")
        vmm.qmp.wait_event("RESET", 60)
        vmm.console.wait_for("Hello from Linux", 100)
        vmm.console.wait_for("/ # ", 60)
        self.run_in(vmm, "echo after the reset >/dev/hvc0")
        self.read_until(console, b"after the reset")


if __name__ == "__main__":
    unittest.main()
