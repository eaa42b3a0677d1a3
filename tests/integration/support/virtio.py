# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A driver of virtio devices on PCI, for a guest that does what it is told: each access to the device
or to its rings is an order to tests/payload/agent.c, so that a test can make any mistake.
"""

from .agent import GROUND, PAGE
from .waiting import wait_until

CONFIG_ADDRESS, CONFIG_DATA = 0xcf8, 0xcfc

# Of PCI's configuration space.
COMMAND, CAPABILITIES, BARS = 0x04, 0x34, 0x10
MEMORY_AND_MASTER = 0x6
BUS_NUMBERS = 0x18
VENDOR_CAPABILITY, MSIX_CAPABILITY = 0x09, 0x11
MSIX_ENABLE = 1 << 15

# Where a test puts the device's BARs: nothing else is there.
STRUCTURES, MSIX = 0xc0000000, 0xc0010000

# Types of virtio's capabilities.
COMMON, NOTIFY, ISR, DEVICE, PCI_ACCESS = range(1, 6)

# The common structure: offset and size.
REGISTERS = {
    "device_feature_select": (0, 4), "device_feature": (4, 4), "driver_feature_select": (8, 4),
    "driver_feature": (12, 4), "config_vector": (16, 2), "num_queues": (18, 2), "status": (20, 1),
    "generation": (21, 1), "queue_select": (22, 2), "queue_size": (24, 2), "queue_vector": (26, 2),
    "queue_enable": (28, 2), "queue_notify_offset": (30, 2), "queue_desc": (32, 8),
    "queue_driver": (40, 8), "queue_device": (48, 8), "queue_reset": (58, 2),
}

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 64

INDIRECT_DESC, EVENT_IDX, VERSION_1, ACCESS_PLATFORM, RING_PACKED, RING_RESET = 28, 29, 32, 33, 34, 40

NEXT, WRITE, INDIRECT = 1, 2, 4
AVAILABLE, USED = 1 << 7, 1 << 15

NO_VECTOR = 0xffff

# Model-specific registers of the local APIC.
X2APIC_ID, X2APIC_SPURIOUS, X2APIC_REQUESTS = 0x802, 0x80f, 0x820


def bits(*numbers):
    return sum(1 << number for number in numbers)


class VirtioDevice:
    """The only function behind the root port in slot 1."""

    def __init__(self, guest):
        self.guest = guest
        self.bus = 1
        self._write_config(0, 1 << 3, BUS_NUMBERS, 4, self.bus << 8 | self.bus << 16)
        if self.read_config(0, 4) == 0xffffffff:
            raise AssertionError("there is no function behind the root port")
        self.capabilities = dict(self._find_capabilities())
        self.write_config(BARS + 4, 4, MSIX)
        self.write_config(BARS + 16, 4, STRUCTURES)
        self.write_config(BARS + 20, 4, 0)
        self.write_config(COMMAND, 2, MEMORY_AND_MASTER)

    # Configuration space.

    def _select(self, bus, devfn, offset):
        self.guest.call("out", CONFIG_ADDRESS, 4, 1 << 31 | bus << 16 | devfn << 8 | offset & 0xfc)
        return CONFIG_DATA + offset % 4

    def _write_config(self, bus, devfn, offset, size, value):
        self.guest.call("out", self._select(bus, devfn, offset), size, value)

    def read_config(self, offset, size):
        return self.guest.call("in", self._select(self.bus, 0, offset), size)

    def write_config(self, offset, size, value):
        self._write_config(self.bus, 0, offset, size, value)

    def _find_capabilities(self):
        at = self.read_config(CAPABILITIES, 1)
        while at:
            kind = self.read_config(at, 1)
            if kind == VENDOR_CAPABILITY:
                # Each is in the same BAR, whose offset is enough.
                yield self.read_config(at + 3, 1), (at, self.read_config(at + 8, 4))
            else:
                yield -kind, (at, 0)
            at = self.read_config(at + 1, 1)

    # The structures.

    def _place(self, structure):
        return STRUCTURES + self.capabilities[structure][1]

    def get(self, name):
        offset, size = REGISTERS[name]
        return self.guest.call("load", self._place(COMMON) + offset, size)

    def set(self, name, value):
        offset, size = REGISTERS[name]
        for part in range(0, size, 4):
            self.guest.call("store", self._place(COMMON) + offset + part, min(size, 4),
                            value >> part * 8 & 0xffffffff)

    def isr(self):
        return self.guest.call("load", self._place(ISR), 1)

    def kick(self, queue=0):
        self.guest.call("store", self._place(NOTIFY) + queue * 4, 2, queue)

    def begin_kick(self, queue=0):
        """For a machine that may stop before the guest has answered: Agent.answer() waits for that."""
        self.guest.order("store", self._place(NOTIFY) + queue * 4, 2, queue)

    # The way to a device that works.

    def reset(self):
        self.set("status", 0)

    def features(self):
        low, high = (self._feature_word(word) for word in range(2))
        return low | high << 32

    def _feature_word(self, word):
        self.set("device_feature_select", word)
        return self.get("device_feature")

    def agree(self, features):
        """Whether the device takes them."""
        self.set("status", ACKNOWLEDGE)
        self.set("status", ACKNOWLEDGE | DRIVER)
        for word in range(2):
            self.set("driver_feature_select", word)
            self.set("driver_feature", features >> word * 32 & 0xffffffff)
        self.set("status", ACKNOWLEDGE | DRIVER | FEATURES_OK)
        return bool(self.get("status") & FEATURES_OK)

    def set_queue(self, size, descriptors, driver, device, queue=0, vector=NO_VECTOR):
        self.set("queue_select", queue)
        self.set("queue_size", size)
        self.set("queue_vector", vector)
        self.set("queue_desc", descriptors)
        self.set("queue_driver", driver)
        self.set("queue_device", device)
        self.set("queue_enable", 1)

    def go(self):
        self.set("status", ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def is_broken(self):
        return bool(self.get("status") & NEEDS_RESET)

    # Interrupts: with the processor's off they stay where they are seen, in its local APIC.

    def enable_msix(self):
        self.guest.call("wrmsr", X2APIC_SPURIOUS, 0x1ff)
        self.write_config(self.capabilities[-MSIX_CAPABILITY][0] + 2, 2, MSIX_ENABLE)

    def aim(self, entry, vector, masked=False):
        for offset, value in enumerate((0xfee00000, 0, vector, int(masked))):
            self.guest.call("store", MSIX + entry * 16 + offset * 4, 4, value)

    def has_interrupt(self, vector):
        requests = self.guest.call("rdmsr", X2APIC_REQUESTS + vector // 32)
        return bool(requests >> vector % 32 & 1)

    def await_interrupt(self, vector):
        wait_until(lambda: self.has_interrupt(vector), 30, f"interrupt {vector:#x}")


class Ring:
    """A queue's rings, of either kind, from a page of the guest's on; buffers are the caller's."""

    def __init__(self, guest, is_packed, size=8, place=GROUND):
        self.guest = guest
        self.is_packed = is_packed
        self.size = size
        self.descriptors, self.driver, self.device = (place + i * PAGE for i in range(3))
        self.next = self.seen = 0
        for area in (self.descriptors, self.driver, self.device):
            guest.call("fill", area, PAGE, 0)

    def areas(self):
        return self.descriptors, self.driver, self.device

    def put_descriptor(self, index, gpa, length, flags, last):
        """@last: the next one of a split ring; the identity of a packed one."""
        at = self.descriptors + index * 16
        self.guest.call("store", at, 8, gpa)
        if self.is_packed:
            self.guest.call("store", at + 8, 4, length)
            self.guest.call("store", at + 12, 2, last)
            self.guest.call("store", at + 14, 2, flags)
        else:
            self.guest.call("store", at + 8, 8, length | flags << 32 | last << 48)

    def _wrap(self, count):
        return (count // self.size) % 2 == 0

    def add(self, gpa, length, flags=WRITE, last=0):
        """Makes one buffer available."""
        index = self.next % self.size
        if self.is_packed:
            flags |= AVAILABLE if self._wrap(self.next) else USED
            self.put_descriptor(index, gpa, length, flags, index)
        else:
            self.put_descriptor(index, gpa, length, flags, last)
            self.guest.call("store", self.driver + 4 + index * 2, 2, index)
            self.set_available(self.next + 1)
        self.next += 1

    def set_available(self, index):
        self.guest.call("store", self.driver + 2, 2, index & 0xffff)

    def take(self):
        """How many bytes the device has written to the buffer that comes next; None: it has it still."""
        index = self.seen % self.size
        if self.is_packed:
            flags = self.guest.call("load", self.descriptors + index * 16 + 14, 2)
            done = AVAILABLE | USED if self._wrap(self.seen) else 0
            if flags & (AVAILABLE | USED) != done:
                return None
            written = self.guest.call("load", self.descriptors + index * 16 + 8, 4)
        else:
            if self.guest.call("load", self.device + 2, 2) == self.seen & 0xffff:
                return None
            written = self.guest.call("load", self.device + 4 + index * 8 + 4, 4)
        self.seen += 1
        return written

    def await_used(self):
        result = []

        def look():
            written = self.take()
            if written is not None:
                result.append(written)
            return bool(result)

        wait_until(look, 30, "a buffer that was used")
        return result[0]
