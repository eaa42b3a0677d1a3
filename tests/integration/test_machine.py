# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The machine as its guests see it: interrupts that go to all, PAM registers and resets by
firmware of the tests' own, and what Linux finds in tables and on PCI.
"""

import base64
import gzip
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from support import kinds
from support.agent import Agent, GROUND, PAGE, PRIVATE, SHARED, STAYS_SHARED
from support.devices import device, root_port
from support.vmm import CMDLINE, INITRD, KERNEL, Vmm, payload
from support.where import EVERYWHERE
from test_firmware import BIOS, LINUXBOOT_ROM, RELEASES, FirmwareTest, ovmf

# Where an interrupt command's bits are: Intel's manual, volume 3, "Interrupt Command Register".
FIXED, LOWEST, NMI, INIT, SIPI, EXTINT = 0x4030, 0x4130, 0x4400, 0x4500, 0x4609, 0x4700
LOGICAL = 0x800
SELF, ALL, OTHERS = 0x40000, 0x80000, 0xc0000

LDR, SPURIOUS, DFR = 0xfee000d0, 0xfee000f0, 0xfee000e0
APIC_ON = 0x1ff
FLAT, CLUSTER = 0xffffffff, 0x0fffffff
EVERY_X2APIC = 0xffffffff

# The first processor's APIC id, and the first courier's: FIRST_ID of src/vmm/memory/couriers.c.
FIRST, COURIER = 0, 254


class AgentTest(unittest.TestCase):
    """A test with a guest that does what it is told."""

    arguments = ("--memory=64M",)
    image = f"--payload={payload('agent')}"

    def setUp(self):
        self.guest = Agent(*self.arguments, image=self.image)
        self.addCleanup(self.guest.end)
        # Connected from here on, so that no event is missed.
        self.guest.qmp.execute("query-status")

    def assertGuestSees(self, gpa, size, byte):
        wrong, first = self.guest.detail("check", gpa, size, byte)
        self.assertEqual(wrong, 0, f"{wrong} bytes are not {byte:#x}, the first at {first:#x}")

    def assertRuns(self):
        self.assertTrue(self.guest.qmp.execute("query-status")["running"], self.guest.log())


class Broadcast(AgentTest):
    """Interrupts to everybody, which do not reach the courier."""

    # Others have no courier.
    arguments = ("--memory-kind=two-sided", "--memory=64M", "--vcpus=3", STAYS_SHARED)
    processors = 4
    pages = 16

    def setUp(self):
        kinds.require("two-sided")
        super().setUp()

    def carry(self, round_number):
        """The courier's work, both ways, with content that is looked at on the way."""
        guest = self.guest
        size = self.pages * PAGE
        before = guest.qmp.conversions()["courier"]
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=size)
        self.assertEqual(guest.host_read(GROUND, size), b"\x5a" * size, f"round {round_number}")
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=size)
        after = guest.qmp.conversions()["courier"]
        for counter in ("trips", "bytes", "time-ns"):
            self.assertGreater(after[counter], before[counter], counter)
        self.assertRuns()

    def rage(self, storms):
        guest = self.guest
        guest.call("fill", GROUND, self.pages * PAGE, 0x5a)
        for number, storm in enumerate(storms):
            with guest.storm(*storm):
                self.carry(number)
            self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)
        # Nobody but those that an INIT reached is lost.
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=self.pages * PAGE)
        self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)
        self.assertRuns()

    def test_x2apic(self):
        self.rage([
            (FIXED | ALL,), (FIXED | OTHERS,), (NMI | OTHERS,), (NMI | ALL,), (NMI | SELF,),
            (LOWEST, 0, 256), (FIXED, 0, 256), (NMI, 0, 256), (EXTINT, 0, 256),
            (FIXED, EVERY_X2APIC), (NMI, EVERY_X2APIC),
            # Logical: a cluster of 16 ids in the upper half, which of them in the lower.
            *((mode | LOGICAL, cluster << 16 | 0xffff) for mode in (FIXED, NMI, LOWEST)
              for cluster in (0, COURIER // 16)),
            (FIXED | LOGICAL, EVERY_X2APIC), (NMI | LOGICAL, EVERY_X2APIC),
            (INIT | OTHERS,), (SIPI | OTHERS,), (SIPI | ALL,),
            (INIT, 0, 256, FIRST), (SIPI, 0, 256), (NMI, 0, 256),
            (INIT | LOGICAL, COURIER // 16 << 16 | 0xffff), (INIT | LOGICAL, 0xfffe),
            (SIPI, EVERY_X2APIC), (SIPI | LOGICAL, COURIER // 16 << 16 | 0xffff),
            # To the courier's own id, in each delivery mode that there is.
            *((0x4030 | mode << 8, COURIER) for mode in range(8)),
        ])

    def test_xapic(self):
        guest = self.guest
        for vcpu in range(3):
            guest.call("xapic", vcpu=vcpu)
            guest.call("write32", SPURIOUS, APIC_ON, vcpu=vcpu)
        for model, ids in ((FLAT, (1, 2, 4)), (CLUSTER, (1, 2, 0xf1))):
            for vcpu in range(3):
                guest.call("write32", DFR, model, vcpu=vcpu)
                guest.call("write32", LDR, ids[vcpu] << 24, vcpu=vcpu)
            self.rage([(mode | LOGICAL, 0, 256) for mode in (FIXED, LOWEST, NMI)])
        self.rage([
            (FIXED, 0, 256), (NMI, 0, 256), (FIXED | ALL,), (NMI | ALL,),
            (INIT, 0, 255, FIRST), (INIT | LOGICAL, 0xfe), (INIT | OTHERS,),
            (SIPI, 0, 256), (SIPI | LOGICAL, 0, 256), (SIPI | OTHERS,), (NMI | OTHERS,),
        ])

    def test_the_hypercall_that_sends_interrupts(self):
        guest = self.guest
        everybody = (1 << 64) - 1
        guest.call("fill", GROUND, self.pages * PAGE, 0x5a)
        for icr in (FIXED, NMI):
            for first in (0, 128):
                guest.call("hyperipi", everybody, everybody, first, icr)
                self.carry(first)
        self.assertGuestSees(GROUND, self.pages * PAGE, 0x5a)


class OwnFirmwareTest(AgentTest):
    """Firmware of the tests' own (tests/payload/firmware.S) that obeys as the agent does."""

    image = f"--bios={payload('firmware')}"
    arguments = ("--memory=64M", "--vcpus=2")

    def config_address(self, register, function=0):
        self.guest.call("out", 0xcf8, 4, 1 << 31 | function << 8 | register & 0xfc)
        return 0xcfc + (register & 3)

    def read_config(self, register):
        return self.guest.call("in", self.config_address(register), 1)

    def write_config(self, register, value):
        self.guest.call("out", self.config_address(register), 1, value)


class Start(OwnFirmwareTest):
    """From a processor's first instruction on."""

    arguments = (*OwnFirmwareTest.arguments, STAYS_SHARED)

    def carry(self):
        guest = self.guest
        guest.call("fill", GROUND, PAGE, 0x5a)
        guest.qmp.execute("x-gmem-touch", gpa=GROUND, size=PAGE)
        self.assertEqual(guest.host_read(GROUND, PAGE), b"\x5a" * PAGE)
        guest.qmp.execute("gmem-reclaim", gpa=GROUND, size=PAGE)
        self.assertGuestSees(GROUND, PAGE, 0x5a)
        self.assertRuns()

    def test_an_init_to_all_before_the_host_has_touched_anything(self):
        # That is the first thing that the firmware does: see there.
        self.carry()

    def test_an_init_to_all_with_oneself(self):
        guest = self.guest
        for icr in (INIT | ALL, EVERY_X2APIC << 32 | INIT, EVERY_X2APIC << 32 | INIT | LOGICAL):
            guest.call("fill", GROUND, PAGE, 0x47)
            guest.order("ipi", icr)
            guest.wait_ready()
            # It is no reset: memory is as it was.
            self.assertGuestSees(GROUND, PAGE, 0x47)
            self.carry()

    def test_an_init_to_everybody_in_xapic_mode(self):
        guest = self.guest
        guest.call("xapic")
        guest.call("write32", 0xfee00310, 0xff << 24)
        guest.order("write32", 0xfee00300, INIT)
        guest.wait_ready()
        self.carry()

    def test_resets(self):
        guest = self.guest
        for way in (("out", 0xcf9, 1, 0x06), ("out", 0xcf9, 1, 0x0e), ("out", 0x64, 1, 0xfe),
                    ("out", 0x92, 1, 0x01), ("write", 0xfffffffffff00000, 0)):
            with self.subTest(way):
                guest.call("fill", GROUND, PAGE, 0x47)
                if way == ("out", 0xcf9, 1, 0x0e):
                    guest.call("out", 0xcf9, 1, 0x0a)
                guest.order(*way)
                event = guest.qmp.wait_event("RESET", 30)
                self.assertTrue(event["data"]["guest"])
                guest.wait_ready()
                self.assertGuestSees(GROUND, PAGE, 0)
                self.carry()

    def test_as_code_in_flash(self):
        with Agent(*self.arguments, image=f"--pflash-code={payload('firmware')}") as guest:
            self.assertEqual(guest.call("compare", 0xf0000, 0xffff0000, 0x10000), 0)


class Segments(OwnFirmwareTest):
    """What PAM registers show below 1 MiB, and SMRAM, which there is none of."""

    start, end = 0xc0000, 0x100000
    size = 0x4000

    def setUp(self):
        # An image that reaches into all of its window, and no page of which is like another.
        folder = tempfile.mkdtemp(prefix="gmem-machine.")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "image")
        with open(path, "wb") as image, open(payload("firmware"), "rb") as firmware:
            image.write(os.urandom(0x30000) + firmware.read())
        self.image = f"--bios={path}"
        super().setUp()

    def pam(self, number, value):
        self.write_config(0x90 + number, value)

    def show_all(self, value=0x33):
        for number in range(7):
            self.pam(number, value)

    def byte_of(self, gpa):
        return 0x40 + (gpa - self.start) // self.size

    def fill_all(self):
        for gpa in range(self.start, self.end, self.size):
            self.guest.call("fill", gpa, self.size, self.byte_of(gpa))

    def assertAllThere(self):
        for gpa in range(self.start, self.end, self.size):
            self.assertGuestSees(gpa, self.size, self.byte_of(gpa))

    def assertHidden(self):
        self.assertGuestSees(0xc0000, 0x20000, 0xff)
        self.assertEqual(self.guest.call("compare", 0xe0000, 0xfffe0000, 0x20000), 0)

    def test_what_is_hidden_comes_back(self):
        self.assertHidden()
        self.show_all()
        self.assertGuestSees(self.start, self.end - self.start, 0)
        self.fill_all()
        for value in (0x00, 0x22):
            self.show_all(value)
            self.assertHidden()
            self.show_all()
            self.assertAllThere()

    def test_each_register_is_its_own_segments(self):
        self.show_all()
        self.fill_all()
        halves = [(0, 0x10, 0xf0000, 0x10000)]
        for number in range(1, 7):
            gpa = self.start + (number - 1) * 2 * self.size
            halves += [(number, 0x01, gpa, self.size), (number, 0x10, gpa + self.size, self.size)]
        for number, bit, gpa, size in halves:
            self.pam(number, 0x33 & ~(bit * 3))
            for other in range(self.start, self.end, self.size):
                if not gpa <= other < gpa + size:
                    self.assertGuestSees(other, self.size, self.byte_of(other))
                elif other < 0xe0000:
                    self.assertGuestSees(other, self.size, 0xff)
                else:
                    self.assertEqual(self.guest.call("compare", other, 0xfff00000 + other,
                                                     self.size), 0)
            self.pam(number, 0x33)

    def test_what_is_protected_against_writes_can_be_written(self):
        # As docs/machine.md has it: a memslot that is both private and read-only KVM has not.
        self.show_all()
        self.fill_all()
        self.show_all(0x11)
        self.assertAllThere()
        self.guest.call("fill", 0xc8000, PAGE, 0x99)
        self.assertGuestSees(0xc8000, PAGE, 0x99)

    def test_writes_to_what_is_hidden_are_lost(self):
        self.show_all()
        self.fill_all()
        self.show_all(0)
        self.guest.call("fill", 0xc8000, 64, 0x99)
        self.guest.call("fill", 0xf8000, 64, 0x99)
        self.assertHidden()
        self.show_all()
        self.assertAllThere()

    def test_conversions_of_what_is_hidden(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        for vcpu in (0, 1):
            self.show_all(0)
            for attributes in (SHARED, PRIVATE, SHARED, PRIVATE):
                self.assertEqual(guest.map(self.start, 64, attributes, vcpu=vcpu), 0)
                self.assertHidden()
            guest.qmp.execute("gmem-reclaim", gpa=self.start, size=self.end - self.start)
            self.show_all()
            self.assertAllThere()

    def test_the_hosts_touches_end_where_ram_does(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        self.pam(2, 0x03)
        # Touches that follow each other bring along what is behind: see choose_run().
        guest.qmp.execute("x-gmem-touch", gpa=self.start, size=0xc000)
        self.assertGuestSees(0xcc000, self.size, 0xff)
        self.pam(2, 0x33)
        self.assertAllThere()
        self.assertRuns()

    def test_what_the_host_had_and_was_hidden_meanwhile(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        guest.qmp.execute("x-gmem-touch", gpa=0xc8000, size=2 * PAGE)
        self.show_all(0)
        # Longer than a page is lent: twice what --reclaim-seconds is by default.
        time.sleep(6)
        self.assertRuns()
        self.assertHidden()
        self.show_all()
        self.assertAllThere()

    def test_another_processor_goes_on_meanwhile(self):
        guest = self.guest
        self.show_all()
        self.fill_all()
        port = self.config_address(0x93)
        for gpa, pages in ((GROUND, 8), (0xcc000, 12)):
            guest.begin(1, "count", gpa, pages)
            for _ in range(10):
                guest.call("toggle", port, 0x00, 0x33, 5)
                guest.qmp.execute("x-gmem-touch", gpa=0xcc000, size=PAGE)
                guest.map(0xd0000, 4, SHARED)
                guest.call("toggle", port, 0x03, 0x33, 5)
                guest.map(0xd0000, 4, PRIVATE)
                guest.qmp.execute("gmem-reclaim", gpa=0xc0000, size=0x40000)
            guest.call("stop")
            self.assertGreater(guest.join(1)[0], 0)
            self.assertRuns()
        for gpa in (*range(0xc0000, 0xcc000, self.size), *range(0xd8000, self.end, self.size)):
            self.assertGuestSees(gpa, self.size, self.byte_of(gpa))

    def test_there_is_no_smram(self):
        guest = self.guest
        for _ in range(2):
            self.assertEqual(self.read_config(0x9d), 0x12)
            self.assertEqual(self.read_config(0x9e), 0x38)
            for value in (0x02, 0x4a, 0x40, 0xff, 0x00):
                self.write_config(0x9d, value)
                self.write_config(0x9e, value)
                self.assertEqual(self.read_config(0x9d), 0x12)
                self.assertEqual(self.read_config(0x9e), 0x38)
                self.assertGuestSees(0xa0000, 16, 0xff)
            # No TSEG either: RAM goes on to its end.
            guest.call("fill", (64 << 20) - PAGE, PAGE, 0x21)
            self.assertGuestSees((64 << 20) - PAGE, PAGE, 0x21)
            guest.order("out", 0xcf9, 1, 6)
            guest.wait_ready()


class Topology(unittest.TestCase):
    """Where the monitor says that processors are."""

    where = EVERYWHERE

    processors = 4

    def test_places(self):
        def place(socket, die, core, thread):
            return {"socket-id": socket, "die-id": die, "core-id": core, "thread-id": thread}

        with Agent("--memory=64M", "--vcpus=8",
                   "--cpu-topology=sockets=2,dies=2,cores=1,threads=2") as guest:
            self.assertEqual([cpu["props"] for cpu in guest.qmp.execute("query-cpus-fast")],
                             [place(i >> 2, i >> 1 & 1, 0, i & 1) for i in range(8)])
        with Agent("--memory=64M", "--vcpus=2") as guest:
            self.assertEqual([cpu["props"] for cpu in guest.qmp.execute("query-cpus-fast")],
                             [{"socket-id": 0, "core-id": i, "thread-id": 0} for i in range(2)])


# What a guest tells of itself, by sections, over its second serial port.
GATHER = r"""
cd /sys/firmware/acpi/tables
for table in * dynamic/*; do
    [ ! -f $table ] || { echo "== table ${table##*/}"; base64 $table; }
done
echo "== dmesg"; dmesg -r
cd /sys/bus/pci/devices
for device in *; do
    echo "== pci $device"
    for name in vendor device class irq subsystem_vendor subsystem_device; do
        echo "$name $(cat $device/$name)"
    done
    [ ! -e $device/driver ] || echo "driver $(basename $(readlink $device/driver))"
    echo "size $(wc -c <$device/config)"
done
echo "== acpi"; for device in /sys/bus/acpi/devices/*; do
    echo "$(basename $device) $(cat $device/status 2>/dev/null)"
done
echo "== pciehp"; ls /sys/bus/pci_express/drivers/pciehp | grep :
echo "== iomem"; cat /proc/iomem
echo "== cpus"; cat /sys/devices/system/cpu/online
echo "== nodes"; cat /sys/devices/system/node/online
echo "== rtc"; cat /sys/class/rtc/rtc0/name
echo "== clocks"; cat /sys/devices/system/clocksource/clocksource0/available_clocksource
echo "== end"
"""

# What a kernel must say nothing bad of, and what is bad.
SUBJECTS = r"ACPI|PCI|pci|AER|APIC|apic|MTRR|mtrr|i8042|rtc|HPET|hpet|serial|clocksource|SRAT|SLIT"
COMPLAINTS = r"(?i)\berror|\bBUG\b|WARNING|Firmware Bug|fail|conflict|invalid|unexpected|can't|mismatch"

# Complaints that are none, each with its reason.
ALLOWED = (
    # Said at every boot, of an option for those whose tables are wrong.
    r"Using host bridge windows from ACPI; if necessary, use .* and report a bug",
    # Without firmware nobody has numbered the buses before: Linux does.
    r"bridge configuration invalid \(\[bus 00-00\]\), reconfiguring",
)


class Facts:
    """The sections of what GATHER wrote."""

    def __init__(self, text):
        parts = re.split(r"^== (.*)\n", text.replace("\r\n", "\n"), flags=re.MULTILINE)
        self._sections = dict(zip(parts[1::2], parts[2::2]))

    def __getitem__(self, name):
        return self._sections[name].strip()

    def named(self, kind):
        """The sections 'KIND NAME', by name."""
        return {name.split(" ", 1)[1]: text for name, text in self._sections.items()
                if name.startswith(kind + " ")}

    def tables(self):
        return {name: base64.b64decode(text) for name, text in self.named("table").items()}

    def functions(self):
        """PCI functions by address, each a dictionary."""
        return {address: dict(line.split(" ", 1) for line in text.splitlines())
                for address, text in self.named("pci").items()}

    def messages(self):
        """(level, text) of each message of the kernel's."""
        found = re.findall(r"^<(\d+)>\[[^\]]*\] (.*)$", self["dmesg"], re.MULTILINE)
        return [(int(level) & 7, text) for level, text in found]


GUID = "12345678-9abc-def0-0123-456789abcdef"


class Linux(FirmwareTest):
    """Debian's kernel, booted in each way, on a machine that has what can be had."""

    kernel = (f"--kernel={KERNEL}", f"--initrd={INITRD}", "--vcpus=2", "--memory=512M",
              root_port("pci.1", "1.0", chassis=1, port=8, multifunction=True),
              root_port("pci.2", "1.1", chassis=2, port=9),
              device("pvpanic", "panic0"), device("itco", "watchdog0"), device("vmgenid", "vmgenid0", guid=GUID))
    append = f"--append={CMDLINE}"
    limit = 240

    def boot_linux(self, *arguments):
        self.second = os.path.join(self.folder, "ttyS1")
        vmm = self.boot(*self.kernel, self.append, f"--serial2=file:{self.second}", *arguments)
        self.wait_linux(vmm)
        return vmm

    def wait_linux(self, vmm):
        vmm.console.wait_for("Hello from Linux", 200)
        vmm.console.wait_for("/ # ", 60)

    def gather(self, vmm):
        script = base64.b64encode(gzip.compress(GATHER.encode())).decode()
        vmm.console.send("echo " + script + " | base64 -d | gunzip >/gather\n")
        self.run_in_linux(vmm, "(echo BEGIN; sh /gather | gzip | base64) >/dev/ttyS1")
        with open(self.second, "rb") as file:
            # Firmware has used the port before.
            text = file.read().rsplit(b"BEGIN\r\n", 1)[1]
        return Facts(gzip.decompress(base64.b64decode(text)).decode())

    def assertTablesDisassemble(self, facts, *wanted):
        tables = facts.tables()
        self.assertLessEqual({"APIC", "DSDT", "FACP", "FACS", "MCFG", "WAET", *wanted},
                             set(tables))
        for name, table in tables.items():
            with open(os.path.join(self.folder, name + ".dat"), "wb") as file:
                file.write(table)
        codes = [name for name in tables if name.startswith("SSDT")]
        for name in tables:
            others = [other for other in (*codes, "DSDT") if other != name]
            external = ["-e", ",".join(other + ".dat" for other in others)]
            is_code = name in (*codes, "DSDT")
            result = subprocess.run(
                ["iasl", *(external if is_code and others else []), "-d", name + ".dat"],
                cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
            output = result.stdout + result.stderr
            self.assertEqual(result.returncode, 0, f"{name}: {output}")
            self.assertNotRegex(output, r"(?i)warning|error|could not|unresolved", name)
            with open(os.path.join(self.folder, name + ".dsl"), encoding="utf-8") as file:
                source = file.read()
            self.assertNotRegex(source, r"(?i)incorrect|invalid|unknown|\*\*\*\*|unresolved",
                                name)

    def assertNoComplaints(self, facts):
        messages = facts.messages()
        self.assertGreater(len(messages), 200)
        bad = [text for level, text in messages
               if level <= 3 or re.search(SUBJECTS, text) and re.search(COMPLAINTS, text)]
        self.assertEqual([text for text in bad
                          if not any(re.search(pattern, text) for pattern in ALLOWED)], [])

    def assertPci(self, facts):
        functions = facts.functions()
        self.assertEqual(sorted(functions), ["0000:00:00.0", "0000:00:01.0", "0000:00:01.1",
                                             "0000:00:1f.0"])
        self.assertEqual({address: (function["vendor"], function["device"], function["class"])
                          for address, function in functions.items()},
                         {"0000:00:00.0": ("0x8086", "0x29c0", "0x060000"),
                          "0000:00:01.0": ("0x1b36", "0x000c", "0x060400"),
                          "0000:00:01.1": ("0x1b36", "0x000c", "0x060400"),
                          "0000:00:1f.0": ("0x8086", "0x2918", "0x060100")})
        for address in ("0000:00:01.0", "0000:00:01.1"):
            self.assertEqual(functions[address]["driver"], "pcieport")
            # By ECAM: by ports there are 256 bytes.
            self.assertEqual(functions[address]["size"], "4096")
        text = facts["dmesg"]
        self.assertRegex(text, r"PCI: (ECAM|MMCONFIG).*\[mem 0x[0-9a-f]+-0x[0-9a-f]+\]")
        self.assertRegex(facts["iomem"], r"PCI (ECAM|MMCONFIG) 0000 \[bus 00-ff\]")
        self.assertEqual(facts["pciehp"].split(), ["0000:00:01.0:pcie004", "0000:00:01.1:pcie004"])

    def assertBoard(self, facts):
        """What ACPI alone says of devices, and the id that firmware has put where it likes."""
        found = dict(line.partition(" ")[::2] for line in facts["acpi"].splitlines())
        self.assertEqual(found.get("QEMU0001:00"), "15")
        self.assertIn("QEMUVGID:00", found)

    def assertFacts(self, facts, *tables):
        self.assertTablesDisassemble(facts, *tables)
        self.assertNoComplaints(facts)
        self.assertPci(facts)
        self.assertBoard(facts)
        self.assertEqual(facts["cpus"], "0-1")
        self.assertIn("rtc_cmos", facts["rtc"])

    def reboot(self, vmm, way):
        """Resets the machine as Linux's "reboot=" parameter would have it."""
        vmm.console.send(f"echo {way} >/sys/kernel/reboot/type; cat /sys/kernel/reboot/type\n")
        vmm.console.wait_for(rf"\n{way}\r\n", 60)
        vmm.console.send("reboot -f\n")
        self.assertTrue(vmm.qmp.wait_event("RESET", 60)["data"]["guest"])

    def power_off(self, vmm):
        vmm.console.send("poweroff -f\n")
        self.assertEqual(vmm.wait(60), 0, vmm.log())

    def test_directly(self):
        vmm = self.boot_linux("--hpet", "--numa-cell=cpus=0,memory=262144,distances=10:21",
                              "--numa-cell=cpus=1,memory=262144,distances=21:10")
        facts = self.gather(vmm)
        self.assertFacts(facts, "HPET", "SRAT", "SLIT")
        self.assertEqual(facts["nodes"], "0-1")
        self.assertIn("hpet", facts["clocks"])
        self.reboot(vmm, "pci")
        self.wait_linux(vmm)
        self.power_off(vmm)

    def test_through_ovmf(self):
        vmm = self.boot_linux(f"--pflash-code={ovmf(RELEASES[1], 'CODE')}",
                              f"--pflash-vars={self.variables(RELEASES[1])}", "--hpet")
        self.assertEqual(self.run_in_linux(vmm, "cat /sys/firmware/efi/fw_platform_size"), "64")
        self.assertMostlyPrivate(vmm)
        self.assertFacts(self.gather(vmm), "HPET")
        self.reboot(vmm, "kbd")
        # What EDK II's terminal begins with.
        vmm.console.wait_for(r"\x1b\[2J\x1b\[01;01H", 60)
        self.end(vmm)

    def test_through_seabios(self):
        vmm = self.boot_linux(f"--bios={BIOS}", f"--linuxboot-rom={LINUXBOOT_ROM}", "--sercon")
        self.assertFacts(self.gather(vmm))
        self.reboot(vmm, "acpi")
        self.wait_linux(vmm)
        self.reboot(vmm, "triple")
        vmm.console.wait_for("SeaBIOS", 60)
        self.end(vmm)

    def test_as_many_processors_as_there_can_be(self):
        vmm = self.boot(f"--kernel={KERNEL}", f"--initrd={INITRD}", self.append, "--vcpus=16",
                        "--memory=512M", "--cpu-topology=sockets=2,dies=1,cores=4,threads=2")
        self.wait_linux(vmm)
        self.assertEqual(self.run_in_linux(vmm, "nproc"), "16")
        self.power_off(vmm)

    def test_interrupt_pins(self):
        # Slots 2 and 3, pin A: the third and the fourth of PIRQE to PIRQH, inputs 20 to 23.
        # Without MSI Linux does not ask for hot plug, unless it is told that it has it.
        vmm = self.boot(f"--kernel={KERNEL}", f"--initrd={INITRD}",
                        self.append + " pci=nomsi pcie_ports=native",
                        root_port("pci.1", "2.0", chassis=1, port=16, multifunction=True),
                        root_port("pci.2", "3.0", chassis=2, port=24))
        self.wait_linux(vmm)
        interrupts = self.run_in_linux(vmm, "cat /proc/interrupts")
        for line in (22, 23):
            # The slot has said that it did what pciehp told it.
            self.assertRegex(interrupts,
                             rf"\n *{line}: +[1-9]\d* +IO-APIC +{line}-fasteoi .*pciehp")
        self.assertNotIn("nobody cared", vmm.console.text)
        self.power_off(vmm)


if __name__ == "__main__":
    unittest.main()
