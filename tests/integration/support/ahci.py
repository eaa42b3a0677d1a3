# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A driver of the AHCI controller, for a guest that does what it is told: each access to registers or
to command lists is an order to tests/payload/agent.c, so that a test can make any mistake.
"""

import struct

from .agent import GROUND, PAGE
from .waiting import wait_until

CONFIG_ADDRESS, CONFIG_DATA = 0xcf8, 0xcfc
DEVFN = 0x1f << 3 | 2
COMMAND, BAR, CAPABILITIES = 0x04, 0x24, 0x34
MEMORY_AND_MASTER = 0x6
MSI_CAPABILITY = 0x05

# Where a test puts the registers: nothing else is there.
REGISTERS = 0xc0000000

CAP, GHC, IS, PI, VS = 0x00, 0x04, 0x08, 0x0c, 0x10
AHCI_ENABLE, INTERRUPT_ENABLE, CONTROLLER_RESET = 1 << 31, 1 << 1, 1 << 0

CLB, FB, PXIS, PXIE, CMD, TFD, SIG, SSTS, SCTL, SERR, SACT, CI = (
    0x00, 0x08, 0x10, 0x14, 0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38)
ST, FRE, FR, CR = 1 << 0, 1 << 4, 1 << 14, 1 << 15

DHRS, PSS, SDBS, OFS, HBFS, TFES = 1 << 0, 1 << 1, 1 << 3, 1 << 24, 1 << 29, 1 << 30

DISK, PACKET = 0x00000101, 0xeb140101

ERR, DRQ, BUSY = 1 << 0, 1 << 3, 1 << 7
ABRT, IDNF, UNC = 1 << 2, 1 << 4, 1 << 6

# Commands.
DSM, READ_LOG, READ_DMA, WRITE_DMA, READ_SECTORS = 0x06, 0x2f, 0x25, 0x35, 0x24
READ_QUEUED, WRITE_QUEUED = 0x60, 0x61
PACKET_COMMAND, IDENTIFY_PACKET, FLUSH, IDENTIFY, SET_FEATURES = 0xa0, 0xa1, 0xea, 0xec, 0xef

LBA_MODE = 0x40

# A header says that the guest's memory is read.
WRITES, IS_PACKET = 1 << 6, 1 << 5

_FIS_WORDS = 5


class AhciController:
    """The controller at 00:1f.2."""

    def __init__(self, guest):
        self.guest = guest
        if self.read_config(0, 4) != 0x29228086:
            raise AssertionError("there is no AHCI controller")
        self.write_config(BAR, 4, REGISTERS)
        self.write_config(COMMAND, 2, MEMORY_AND_MASTER)
        self.set(GHC, AHCI_ENABLE)

    def _select(self, offset):
        self.guest.call("out", CONFIG_ADDRESS, 4, 1 << 31 | DEVFN << 8 | offset & 0xfc)
        return CONFIG_DATA + offset % 4

    def read_config(self, offset, size):
        return self.guest.call("in", self._select(offset), size)

    def write_config(self, offset, size, value):
        self.guest.call("out", self._select(offset), size, value)

    def find_capability(self, wanted):
        at = self.read_config(CAPABILITIES, 1)
        while at and self.read_config(at, 1) != wanted:
            at = self.read_config(at + 1, 1)
        return at

    def get(self, offset):
        return self.guest.call("load", REGISTERS + offset, 4)

    def set(self, offset, value):
        self.guest.call("store", REGISTERS + offset, 4, value)


class AhciPort:
    """A port, with its command list and 32 tables from some page of the guest's on."""

    def __init__(self, controller, index, place=GROUND):
        self.guest = controller.guest
        self.base = 0x100 + index * 0x80
        self.list, self.received, self.tables = place, place + PAGE, place + 2 * PAGE
        self.controller = controller

    def get(self, offset):
        return self.controller.get(self.base + offset)

    def set(self, offset, value):
        self.controller.set(self.base + offset, value)

    def await_bits(self, offset, bits, wanted):
        wait_until(lambda: self.get(offset) & bits == wanted, 30, f"register {offset:#x}")

    def start(self):
        for page in range(10):
            self.guest.call("fill", self.list + page * PAGE, PAGE, 0)
        for offset, address in ((CLB, self.list), (FB, self.received)):
            self.set(offset, address & 0xffffffff)
            self.set(offset + 4, address >> 32)
        self.set(SERR, 0xffffffff)
        self.set(CMD, FRE)
        self.await_bits(TFD, BUSY, 0)
        self.set(PXIS, 0xffffffff)
        self.set(CMD, FRE | ST)

    def stop(self):
        self.set(CMD, FRE)
        self.await_bits(CMD, CR, 0)

    def restart(self):
        """As a driver does after an error."""
        self.stop()
        self.set(SERR, 0xffffffff)
        self.set(PXIS, 0xffffffff)
        self.set(CMD, FRE | ST)

    def table(self, slot):
        return self.tables + slot * 1024

    def put(self, slot, command, lba=0, count=0, pieces=(), feature=0, device=LBA_MODE, flags=0, packet=b"", control=None):
        """Fills a slot; pieces are (address, size)."""
        fis = bytearray(20)
        fis[0], fis[1], fis[2] = 0x27, 0x80 if control is None else 0, command
        fis[3], fis[11] = feature & 0xff, feature >> 8
        number = lba.to_bytes(6, "little")
        fis[4:7], fis[8:11] = number[:3], number[3:]
        fis[7] = device
        fis[12], fis[13] = count & 0xff, count >> 8
        fis[15] = control or 0
        table = self.table(slot)
        self._store(table, bytes(fis))
        if packet:
            self._store(table + 0x40, packet.ljust(16, b"\0"))
        for index, (address, size) in enumerate(pieces):
            self._store(table + 0x80 + index * 16, struct.pack("<QII", address, 0, size - 1))
        self._store(self.list + slot * 32, struct.pack("<IIQ", _FIS_WORDS | flags | len(pieces) << 16, 0, table))

    def put_queued(self, slot, command, lba, count, pieces, device=LBA_MODE):
        self.put(slot, command, lba, slot << 3, pieces, count, device, WRITES if command == WRITE_QUEUED else 0)

    def _store(self, address, content):
        for offset in range(0, len(content), 8):
            self.guest.call("store", address + offset, 8, int.from_bytes(content[offset:offset + 8].ljust(8, b"\0"), "little"))

    def run(self, command, *arguments, **members):
        """Has slot 0 done; status and error."""
        self.put(0, command, *arguments, **members)
        self.set(CI, 1)
        return self.await_end()

    def begin(self, slots):
        """For a machine that may stop before the guest has answered: Agent.answer() waits for that."""
        self.guest.order("store", REGISTERS + self.base + CI, 4, slots)

    def await_end(self, slots=1):
        wait_until(lambda: not self.get(CI) & slots or self.get(PXIS) & (TFES | HBFS), 30, "the end of a command")
        return self.result()

    def result(self):
        tfd = self.get(TFD)
        return tfd & 0xff, tfd >> 8 & 0xff

    def transferred(self, slot=0):
        return self.guest.call("load", self.list + slot * 32 + 4, 4)
