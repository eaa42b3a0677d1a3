# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Keyboards, mice and tablets, by a driver of virtio-input that a test has in its hand: what they say that they are,
events in the guest's buffers, and what a guest that gives too few of these, or means harm, gets.
"""

import re
import struct
import unittest

import test_boot
from support.agent import Agent, GROUND, PAGE
from support.devices import device, root_port
from support.qmp import QmpError
from support.virtio import DEVICE, NEXT, RING_PACKED, Ring, STRUCTURES, VERSION_1, VirtioDevice, WRITE, bits
from support.vmm import CMDLINE, GUEST, Vmm
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere

# Of the configuration: what is selected, and types of events.
ID_NAME, ID_SERIAL, ID_DEVIDS, PROP_BITS, EV_BITS, ABS_INFO = 0x01, 0x02, 0x03, 0x10, 0x11, 0x12
EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED, EV_REP = 0x00, 0x01, 0x02, 0x03, 0x11, 0x14

KEY_LEFTCTRL, KEY_A, KEY_C, KEY_RIGHTCTRL, KEY_F24 = 29, 30, 46, 97, 194
BTN_LEFT, BTN_EXTRA, REL_X, REL_Y, REL_WHEEL, ABS_X, ABS_Y = 0x110, 0x114, 0, 1, 8, 0, 1

EVENT, STATUS = range(2)
BUFFERS = GROUND + 64 * PAGE
SYN = (EV_SYN, 0, 0)

# No RAM of 64 MiB.
NOTHING = 0x80000000

LONG = 3600000


def key(name):
    return {"type": "qcode", "data": name}


def press(code, value=1):
    return [(EV_KEY, code, value), SYN]


class InputTest(unittest.TestCase):
    """A guest with a device behind a root port."""

    where = NATIVE

    def start(self, kind="keyboard", *arguments, **members):
        self.guest = Agent("--memory=64M", root_port("pci.1", "0x1", chassis=1, port=8), *arguments,
                           device(f"virtio-{kind}-pci", "input0", bus="pci.1", addr="0x0", **members))
        self.addCleanup(self.guest.end)
        self.qmp = self.guest.qmp
        self.device = VirtioDevice(self.guest)

    def set_up(self, buffers=8, is_packed=False):
        """A device that works, and that has so many buffers for events."""
        self.device.reset()
        self.assertTrue(self.device.agree(bits(VERSION_1, *([RING_PACKED] if is_packed else []))))
        self.rings = [Ring(self.guest, is_packed, size, place=GROUND + queue * 4 * PAGE)
                      for queue, size in enumerate((16, 64))]
        for queue, ring in enumerate(self.rings):
            self.device.set_queue(ring.size, *ring.areas(), queue=queue)
        self.device.go()
        for _ in range(buffers):
            self.add()

    def add(self):
        ring = self.rings[EVENT]
        ring.add(BUFFERS + ring.next % 16 * 8, 8)

    def take(self):
        """The next event, once it is there; its buffer is the device's again."""
        ring = self.rings[EVENT]
        at = BUFFERS + ring.seen % 16 * 8
        self.assertEqual(ring.await_used(), 8)
        value = self.guest.call("load", at + 4, 4)
        event = (self.guest.call("load", at, 2), self.guest.call("load", at + 2, 2),
                 value - (1 << 32) if value >> 31 else value)
        self.add()
        return event

    def take_some(self, count):
        return [self.take() for _ in range(count)]

    def send_key(self, *names, **arguments):
        self.qmp.execute("send-key", keys=[key(name) for name in names], **arguments)

    def send(self, *events):
        """Each a type and its data."""
        self.qmp.execute("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])

    def assertRefused(self, message, function, *arguments, **named):
        with self.assertRaisesRegex(QmpError, message):
            function(*arguments, **named)

    def assertWorks(self):
        self.send_key("a", hold_time=1)
        self.assertEqual(self.take_some(4), press(KEY_A) + press(KEY_A, 0))

    def assertBroken(self):
        wait_until(self.device.is_broken, 30, "a device that needs a reset")
        self.assertTrue(self.qmp.execute("query-status")["running"], self.guest.log())

    def assertBrokenAndResets(self):
        self.assertBroken()
        self.set_up()
        self.assertWorks()

    def config(self, select, subselect=0):
        """Bytes."""
        at = STRUCTURES + self.device.capabilities[DEVICE][1]
        self.guest.call("store", at, 1, select)
        self.guest.call("store", at + 1, 1, subselect)
        self.assertEqual(self.guest.call("load", at, 2), select | subselect << 8)
        return bytes(self.guest.call("load", at + 8 + i, 1) for i in range(self.guest.call("load", at + 2, 1)))

    def bits(self, kind):
        return {i for i, byte in enumerate(self.config(EV_BITS, kind)) for i in range(i * 8, i * 8 + 8)
                if byte >> i % 8 & 1}


class Configuration(InputTest):
    """What a driver finds."""

    def check(self, name, product, place):
        device = self.device
        self.assertEqual(device.read_config(0, 4), 0x10521af4)
        self.assertEqual(device.read_config(8, 4), place << 16 | 1)
        self.assertEqual(device.get("num_queues"), 2)
        self.assertEqual(self.config(ID_NAME), name)
        self.assertEqual(self.config(ID_DEVIDS), bytes([6, 0, 0x27, 6, product, 0, 1, 0]))
        for select, subselect in ((0, 0), (ID_NAME, 1), (PROP_BITS, 0), (EV_BITS, EV_SYN), (EV_BITS, 0xff), (0xff, 0)):
            self.assertEqual(self.config(select, subselect), b"")

    def test_keyboard(self):
        self.start(serial="4711")
        self.check(b"Virtio Keyboard", 1, 0x0900)
        self.assertEqual(self.config(ID_SERIAL), b"4711")
        keys = self.bits(EV_KEY)
        self.assertLessEqual({KEY_LEFTCTRL, KEY_A, KEY_RIGHTCTRL, KEY_F24}, keys)
        self.assertNotIn(0, keys)
        self.assertEqual(self.bits(EV_LED), {0, 1, 2})
        self.assertEqual(len(self.config(EV_BITS, EV_REP)), 1)
        for kind in (EV_REL, EV_ABS):
            self.assertEqual(self.config(EV_BITS, kind), b"")
        self.assertEqual(self.config(ABS_INFO, ABS_X), b"")

    def test_mouse(self):
        self.start("mouse")
        self.check(b"Virtio Mouse", 2, 0x0902)
        self.assertEqual(self.config(ID_SERIAL), b"")
        self.assertEqual(self.bits(EV_KEY), set(range(BTN_LEFT, BTN_EXTRA + 1)))
        self.assertLessEqual({REL_X, REL_Y, REL_WHEEL}, self.bits(EV_REL))
        self.assertEqual(self.config(EV_BITS, EV_ABS), b"")

    def test_tablet(self):
        self.start("tablet")
        self.check(b"Virtio Tablet", 3, 0x0980)
        self.assertEqual(self.bits(EV_ABS), {ABS_X, ABS_Y})
        self.assertNotIn(REL_X, self.bits(EV_REL))
        for axis in (ABS_X, ABS_Y):
            self.assertEqual(self.config(ABS_INFO, axis), bytes(4) + (0x7fff).to_bytes(4, "little") + bytes(12))
        self.assertEqual(self.config(ABS_INFO, 2), b"")

    def test_accesses_of_any_size(self):
        self.start()
        at = STRUCTURES + self.device.capabilities[DEVICE][1]
        for offset in (0, 1, 2, 5, 127, 132, 135, 136, 144, 4088):
            for size in (1, 2, 4, 8):
                self.guest.call("store", at + offset, size, 0xffffffffffffffff)
                self.guest.call("load", at + offset, size)
        self.assertEqual(self.config(ID_NAME), b"Virtio Keyboard")
        self.set_up()
        self.assertWorks()


class Events(InputTest):
    """What comes from the monitor is in the guest's buffers."""

    @everywhere
    def test_keys(self):
        self.start()
        for is_packed in (False, True):
            with self.subTest(is_packed=is_packed):
                self.set_up(is_packed=is_packed)
                self.send_key("ctrl_r", "c", hold_time=1)
                self.assertEqual(self.take_some(8), press(KEY_RIGHTCTRL) + press(KEY_C) + press(KEY_C, 0) +
                                 press(KEY_RIGHTCTRL, 0))
                # Numbers are QEMU's.
                self.qmp.execute("send-key", keys=[{"type": "number", "data": 0x9d}], hold_time=1)
                self.assertEqual(self.take_some(4), press(KEY_RIGHTCTRL) + press(KEY_RIGHTCTRL, 0))
                # One after the other.
                self.send_key("a", hold_time=1)
                self.send_key("c")
                self.assertEqual(self.take_some(8), press(KEY_A) + press(KEY_A, 0) + press(KEY_C) + press(KEY_C, 0))

    def test_refused(self):
        self.start()
        self.assertRefused("no driver for it that runs", self.send_key, "a")
        self.set_up()
        send = self.qmp.execute
        self.assertRefused("no key 'nokey'", self.send_key, "nokey")
        for number in (0, 0xff, 256, -1, 1 << 62):
            self.assertRefused(f"number {number}$", send, "send-key", keys=[{"type": "number", "data": number}])
        self.assertRefused("1 to 64 elements", self.send_key)
        self.assertRefused("1 to 64 elements", self.send_key, *["a"] * 65)
        for hold in (-1, 1 << 31):
            self.assertRefused("'hold-time': from 0 to", self.send_key, "a", hold_time=hold)
        for wrong in ("a", [], {}, {"type": "qcode"}, {"type": "qcode", "data": 1}, {"type": "number", "data": "a"},
                      {"type": "other", "data": 1}, None):
            self.assertRefused("member", send, "send-key", keys=[wrong])
        for _ in range(8):
            self.send_key(*["a"] * 64, hold_time=LONG)
        self.assertRefused("no room for more", self.send_key, *["a"] * 64)
        self.set_up()
        self.assertWorks()
        self.qmp.execute("stop")
        self.assertRefused("does not run", self.send_key, "a")
        self.assertRefused("does not run", self.send, ("key", {"key": key("a"), "down": True}))
        self.qmp.execute("cont")
        self.assertWorks()

    def test_no_keyboard(self):
        self.start("mouse")
        self.set_up()
        self.assertRefused("no keyboard", self.send_key, "a")
        self.assertRefused("number 1$", self.send, ("btn", {"button": "left", "down": True}),
                           ("abs", {"axis": "x", "value": 1}))

    def test_pause(self):
        """A key that is held stays so meanwhile."""
        self.start()
        self.set_up()
        self.send_key("a", hold_time=100)
        self.assertEqual(self.take_some(2), press(KEY_A))
        self.qmp.execute("stop")
        self.qmp.execute("cont")
        self.assertEqual(self.take_some(2), press(KEY_A, 0))
        self.assertWorks()

    def test_reset_forgets(self):
        self.start()
        self.set_up()
        self.send_key("a", "c", hold_time=LONG)
        self.assertEqual(self.take_some(2), press(KEY_A))
        self.set_up()
        self.assertWorks()
        self.send_key("a", "c", hold_time=LONG)
        self.qmp.execute("system_reset")
        self.guest.wait_ready()
        self.device = VirtioDevice(self.guest)
        self.set_up()
        self.assertWorks()

    def test_mouse(self):
        self.start("mouse")
        self.set_up()
        self.send(("rel", {"axis": "x", "value": -5}), ("rel", {"axis": "y", "value": 7}),
                  ("btn", {"button": "left", "down": True}))
        self.assertEqual(self.take_some(4), [(EV_REL, REL_X, -5), (EV_REL, REL_Y, 7), (EV_KEY, BTN_LEFT, 1), SYN])
        self.send(("btn", {"button": "left", "down": False}))
        self.send(("btn", {"button": "wheel-down", "down": True}))
        self.assertEqual(self.take_some(4), press(BTN_LEFT, 0) + [(EV_REL, REL_WHEEL, -1), SYN])

    def test_tablet(self):
        self.start("tablet")
        self.set_up()
        self.send(("abs", {"axis": "x", "value": 0x7fff}), ("abs", {"axis": "y", "value": 0}))
        self.assertEqual(self.take_some(3), [(EV_ABS, ABS_X, 0x7fff), (EV_ABS, ABS_Y, 0), SYN])
        for value in (-1, 0x8000, 1 << 40):
            self.assertRefused("from 0 to 32767", self.send, ("abs", {"axis": "x", "value": value}))
        for wrong in (("abs", {"axis": "z", "value": 1}), ("btn", {"button": "touch", "down": True}),
                      ("btn", {"button": "left"}), ("mtt", {}), ("key", {"key": 1, "down": True})):
            self.assertRefused("member", self.send, wrong)
        self.assertRefused("member", self.qmp.execute, "input-send-event", events=[1])
        self.assertRefused("1 to 32 elements", self.send)
        self.assertRefused("1 to 32 elements", self.send, *[("abs", {"axis": "x", "value": 1})] * 33)

    def test_the_one_that_has_a_driver(self):
        """Events of two kinds are for two devices; of two keyboards the guest uses one."""
        self.start("keyboard", root_port("pci.2", "0x2", chassis=2, port=16),
                   root_port("pci.3", "0x3", chassis=3, port=24),
                   device("virtio-keyboard-pci", "other", bus="pci.2", addr="0x0"),
                   device("virtio-mouse-pci", "mouse", bus="pci.3", addr="0x0"))
        self.set_up()
        self.assertWorks()
        self.assertRefused("'mouse': the guest has no driver", self.send, ("key", {"key": key("a"), "down": True}),
                           ("rel", {"axis": "x", "value": 1}))
        self.assertEqual(self.take_some(2), press(KEY_A))

    def test_status_queue(self):
        """What the guest says of its lights, in more buffers than there are turns for at once."""
        self.start()
        self.set_up()
        ring = self.rings[STATUS]
        for _ in range(2):
            for _ in range(64):
                ring.add(BUFFERS + PAGE, 8, flags=0)
            self.device.kick(STATUS)
            self.assertEqual([ring.await_used() for _ in range(64)], [0] * 64)
        self.assertWorks()


class Mistakes(InputTest):
    """Guests that give too few buffers, or such as cannot be."""

    def setUp(self):
        self.start()

    def test_too_few_buffers(self):
        """A report is lost as one, and its buffers are there for the next."""
        for is_packed in (False, True):
            for buffers in (0, 1):
                with self.subTest(is_packed=is_packed, buffers=buffers):
                    self.set_up(buffers=buffers, is_packed=is_packed)
                    self.send(("key", {"key": key("c"), "down": True}))
                    self.assertIsNone(self.rings[EVENT].take())
                    for _ in range(4):
                        self.add()
                    self.assertWorks()

    def test_buffers_that_cannot_be(self):
        mistakes = {
            "too small": lambda ring: ring.add(BUFFERS, 7),
            "to be read": lambda ring: ring.add(BUFFERS, 8, flags=0),
            "no RAM": lambda ring: ring.add(NOTHING, 8),
            "registers": lambda ring: ring.add(STRUCTURES, 8),
            "wraps": lambda ring: ring.add((1 << 64) - 4, 8),
            "circle": lambda ring: ring.add(BUFFERS, 8, WRITE | NEXT, ring.next),
            "too many": lambda ring: ring.set_available(17),
        }
        for index, (name, make) in enumerate(mistakes.items()):
            with self.subTest(name):
                # The first of a report's, or the one that ends it.
                self.set_up(buffers=index % 2)
                make(self.rings[EVENT])
                if name != "too many":
                    self.add()
                self.send(("key", {"key": key("c"), "down": True}))
                self.assertBroken()
        self.assertBrokenAndResets()

    def test_status_that_cannot_be(self):
        self.set_up()
        self.rings[STATUS].add((1 << 64) - 4, 8, flags=0)
        self.device.kick(STATUS)
        self.assertBrokenAndResets()

    def test_queue_reset(self):
        self.set_up()
        self.device.set("queue_select", EVENT)
        self.device.set("queue_reset", 1)
        self.send_key("a", hold_time=1)
        self.device.kick(EVENT)
        self.device.kick(STATUS)
        self.set_up()
        self.assertWorks()


class Linux(unittest.TestCase):
    """Debian's driver: what is pressed is read from /dev/input."""

    where = HOSTS
    limit = 300

    run_in = test_boot.Linux.run_in

    def find(self, vmm):
        """Opens what the driver has made; lines of the guest's fit its terminal."""
        self.run_in(vmm, "v=/sys/bus/virtio/devices/virtio0/input")
        self.run_in(vmm, "ln -sfn $v/input* /i")
        self.run_in(vmm, "exec 3</dev/input/$(cd /i; echo event*)")

    def press(self, vmm, *names):
        """The codes and values of keys that a program of the guest's gets."""
        vmm.qmp.execute("send-key", keys=[key(name) for name in names], **{"hold-time": 10})
        lines = self.run_in(vmm, f"dd bs=24 count={4 * len(names)} <&3 2>/dev/null | show")
        events = [struct.unpack("<16xHHi", bytes.fromhex(line)) for line in re.findall("[0-9a-f]{48}", lines)]
        self.assertEqual(events[1::2], [SYN] * 2 * len(names), lines)
        self.assertEqual({kind for kind, _, _ in events[::2]}, {EV_KEY})
        return [event[1:] for event in events[::2]]

    def test_keys(self):
        vmm = Vmm(f"--kernel={GUEST}/sata/vmlinuz", f"--initrd={GUEST}/sata/initrd", f"--append={CMDLINE}",
                  "--memory=512M", root_port("pci.1", "0x1", chassis=1, port=8),
                  device("virtio-keyboard-pci", "input0", bus="pci.1", addr="0x0", serial="4711"))
        self.addCleanup(vmm.end)
        vmm.console.wait_for("Hello from Linux", 150)
        vmm.console.wait_for("/ # ", 60)
        self.run_in(vmm, "show() { hexdump -v -e '24/1 \"%02x\" \"\\n\"'; }")
        self.find(vmm)
        self.assertEqual(self.run_in(vmm, "cat /i/name /i/uniq").split(), ["Virtio", "Keyboard", "4711"])
        self.assertEqual(self.press(vmm, "ctrl_r", "c"),
                         [(KEY_RIGHTCTRL, 1), (KEY_C, 1), (KEY_C, 0), (KEY_RIGHTCTRL, 0)])
        # The lights are what the driver says in the other queue.
        self.run_in(vmm, "light() { echo $1 >$(echo /i/*capslock/brightness); }")
        self.run_in(vmm, "light 1; light 0; light 1")
        self.run_in(vmm, "exec 3<&-; rmmod virtio_input")
        self.run_in(vmm, "insmod /modules/virtio_input.ko")
        self.find(vmm)
        self.assertEqual(self.press(vmm, "a"), [(KEY_A, 1), (KEY_A, 0)])


if __name__ == "__main__":
    unittest.main()
