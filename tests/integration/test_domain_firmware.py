# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains with firmware, and the machine that their XML describes, as stock virsh has them."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest.mock
import uuid
import xml.etree.ElementTree as ElementTree

from support import networks
from support.daemon import (DaemonTest, NVRAM_FOLDER, STDIN, domain_names, left_behind, memory_elements, virsh,
                            vm_statistics, vmm_pid, vmm_user)
from support.media import option_rom
from support.vmm import CMDLINE, GUEST, INITRD, KERNEL, MEMTEST, SNPONLY
from support.where import NATIVE, native

EXAMPLE = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                       "../../docs/examples/linux-efi.xml")

# Debian's firmware, which its descriptors describe.
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
CODE_WITH_SMM = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
TEMPLATE = "/usr/share/OVMF/OVMF_VARS_4M.fd"
IPXE = "/usr/lib/ipxe/qemu/efi-virtio.rom"
SEABIOS = "/usr/share/seabios/bios-256k.bin"
DESCRIPTORS = "/etc/qemu/firmware"

NVRAM = os.path.join(NVRAM_FOLDER, "test_VARS.fd")
SHELL = "Shell> "

# Of a test's domain, where it matters or where it is defined anew.
IDENTITY = "11111111-2222-4333-8444-555555555555"

# The namespace of the variable that a test writes.
GUID = "6c1b4a52-7f0e-4c2d-9e55-30a1d2f4b7c8"

# As little as "quiet" leaves on the console, but for what the kernel says while firmware still serves.
QUIET = "loglevel=4"


def linux(cmdline=CMDLINE.replace("quiet", QUIET)):
    """Elements of <os> that start the tests' guest."""
    return f"<kernel>{KERNEL}</kernel><initrd>{INITRD}</initrd><cmdline>{cmdline}</cmdline>"


# A feature that a guest of any host can do without, and one that no host of today has any more.
SPARE_FEATURE = "rdseed"
GONE_FEATURE = "ia64"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def machine(name="test", firmware=None, boot="", extra="", devices="<serial type='pty'/>",
            memory=128, vcpus=1, identity=None):
    """A domain that starts with this: attribute and elements of <os>. Memory in MiB."""
    firmware = f" firmware='{firmware}'" if firmware else ""
    private, security = memory_elements()
    return f"""<domain type='kvm'>
  <name>{name}</name>
  <uuid>{identity or uuid.uuid4()}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <memoryBacking>{private}</memoryBacking>
  <vcpu>{vcpus}</vcpu>
  <os{firmware}>
    <type arch='x86_64' machine='q35'>hvm</type>
    {boot}
  </os>
  {extra}
  <devices>{devices}</devices>
  {security}
</domain>
"""


def flash(code=CODE, nvram="", template=TEMPLATE):
    """A loader of one's own choice, with its variables."""
    return (f"<loader readonly='yes' type='pflash'>{code}</loader>"
            f"<nvram template='{template}'>{nvram}</nvram>")


def parsed(*arguments):
    return ElementTree.fromstring(virsh("dumpxml", "test", *arguments))


class FirmwareDomainTest(DaemonTest):
    """A daemon for each test, and a folder for its files."""

    limit = 240

    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="gmem-firmware.")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file_of(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return file.name

    def define_machine(self, name="test", **arguments):
        self.daemon.define(machine(name, **arguments))

    def assert_clock(self, console, offset):
        """The guest's real-time clock is so many seconds ahead of the host's."""
        seconds = int(console.run("cat /sys/class/rtc/rtc0/since_epoch"))
        self.assertAlmostEqual(seconds, time.time() + offset, delta=30)


class Efi(FirmwareDomainTest):
    """OVMF, found by its descriptor."""

    def define_example(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            text = file.read().replace("/var/lib/libvirt/images/gmem-demo", GUEST)
        # <private/> alone is memory in windows.
        text = text.replace("<launchSecurity type='sw-protected'/>", memory_elements()[1])
        # An emulated host takes half a minute for the kernel's messages of each start.
        text = text.replace("<cmdline>", f"<cmdline>{QUIET} ")
        # A second processor waits for work by looking for it, and takes time from the first there.
        text = re.sub("<vcpu>.*</vcpu>", "<vcpu>1</vcpu>", text)
        virsh("define", "--validate", STDIN, text=text.replace(">linux-efi<", ">test<"))

    def check_os(self, *options):
        """What asked for OVMF shows which one it has got."""
        found = parsed(*options).find("os")
        self.assertEqual(found.get("firmware"), "efi")
        loader = found.find("loader")
        self.assertEqual(loader.text, CODE)
        self.assertEqual(loader.attrib, {"readonly": "yes", "type": "pflash"})
        self.assertEqual(found.findtext("nvram"), NVRAM)
        self.assertEqual(found.find("nvram").get("template"), TEMPLATE)

    def check_variable_file(self):
        """Made from its template, for the VMM's user alone."""
        status = os.stat(NVRAM)
        self.assertEqual(status.st_mode & 0o7777, 0o600)
        self.assertEqual((status.st_uid, status.st_gid), vmm_user("test"))
        self.assertEqual(read(NVRAM), read(TEMPLATE))
        self.assertEqual(os.listdir(NVRAM_FOLDER), [os.path.basename(NVRAM)])

    def test_the_example_of_the_documentation_lives_its_life(self):
        self.define_example()
        self.check_os()
        self.assertFalse(os.path.exists(NVRAM))
        virsh("start", "--paused", "test")
        self.check_variable_file()
        self.check_os()
        self.check_os("--inactive")
        events = self.daemon.events()
        console = self.daemon.console("test")
        virsh("resume", "test")
        self.check_firmware_and_kernel(console)
        self.check_statistics()
        console.close()

        pid = vmm_pid("test")
        self.daemon.restart()
        self.assertEqual((vmm_pid("test"), virsh("domstate", "test")), (pid, "running"))
        self.check_os()
        self.check_variables_are_still_claimed()

        console = self.daemon.console("test")
        events = self.daemon.events()
        virsh("reboot", "test")
        console.wait_for("power button was pressed", 60)
        events.wait_reboot()
        self.check_firmware_and_kernel(console)
        self.assertEqual(vmm_pid("test"), pid)
        virsh("shutdown", "test")
        console.wait_for("power button was pressed", 60)
        self.assertEqual(console.wait_end(), 0)
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")
        self.check_undefine()

    def check_firmware_and_kernel(self, console):
        # What EDK II's terminal begins with, and what the kernel says while it still serves.
        console.wait_for(r"\x1b\[2J\x1b\[01;01H", 60)
        console.wait_for("EFI stub: Loaded initrd", 60)
        console.wait_shell()
        self.assertRegex(console.run("dmesg | grep 'efi: EFI'"), r"efi: EFI v\d\.\d+ by EDK II")
        # The root port of the example.
        self.assertEqual(console.run("cat /sys/bus/pci/devices/0000:00:02.0/class"), "0x060400")

    def check_statistics(self):
        statistics = vm_statistics("test")
        private = statistics["vm.gmem.private.bytes.cur"]
        shared = statistics["vm.gmem.shared.bytes.cur"]
        self.assertGreater(shared, 0)
        self.assertLess(shared, 0.02 * private)

    def check_variables_are_still_claimed(self):
        """By a domain that an earlier daemon has started."""
        self.define_machine("other", boot=flash(nvram=NVRAM))
        self.assert_refused(f"nvram '{NVRAM}' .*'test'", "start", "other")
        virsh("undefine", "--keep-nvram", "other")

    def check_undefine(self):
        written = read(NVRAM)
        self.assertNotEqual(written, read(TEMPLATE))
        self.assert_refused("cannot undefine domain with nvram", "undefine", "test")
        self.assert_refused("mutually exclusive|incompatible", "undefine", "--nvram",
                            "--keep-nvram", "test")
        self.assertEqual(domain_names("--all"), ["test"])
        virsh("undefine", "--keep-nvram", "test")
        self.assertEqual(domain_names("--all"), [])
        self.assertEqual(read(NVRAM), written)
        self.define_example()
        virsh("undefine", "--nvram", "test")
        self.assertEqual(domain_names("--all"), [])
        self.assertEqual(os.listdir(NVRAM_FOLDER), [])

    def test_variables_survive_and_can_be_reset(self):
        self.define_machine(firmware="efi", extra="<on_reboot>destroy</on_reboot>")
        events = self.daemon.events()
        console = self.start_shell()
        console.send(f'setvar Greeting -guid {GUID} -bs -nv =L"good day"\r')
        console.wait_for(SHELL, 60)
        virsh("destroy", "test")
        self.assertIn("good day".encode("utf-16-le"), read(NVRAM))

        console = self.start_shell()
        console.send(f"setvar Greeting -guid {GUID}\r")
        console.wait_for("67 00 6F 00 6F 00 64", 60)
        # A reset of the host's is none of the guest's, and on_reboot says nothing of it.
        virsh("reset", "test")
        self.wait_uefi_shell(console)
        console.send("reset\r")
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")

        virsh("start", "--paused", "--reset-nvram", "test")
        self.assertEqual(read(NVRAM), read(TEMPLATE))
        self.check_variable_file()

    @staticmethod
    def wait_uefi_shell(console):
        console.wait_for("UEFI Interactive Shell", 90)
        console.wait_for(SHELL, 60)

    def start_shell(self):
        console = self.daemon.start_on_console()
        self.wait_uefi_shell(console)
        return console

    def test_a_transient_domain_has_firmware_too_and_restarts_when_it_powers_off(self):
        with unittest.mock.patch.dict(os.environ, TZ="JST-9"):
            self.daemon.restart()
        virsh("create", STDIN, "--paused", text=machine(
            firmware="efi", boot=linux(), memory=256,
            extra="<clock offset='localtime'/><on_poweroff>restart</on_poweroff>"))
        self.check_os()
        self.check_variable_file()
        console = self.daemon.console("test")
        virsh("resume", "test")
        console.wait_shell()
        self.assert_clock(console, 9 * 3600)
        pid = vmm_pid("test")
        virsh("shutdown", "test")
        console.wait_for("power button was pressed", 60)
        console.wait_for("EFI stub: Loaded initrd", 60)
        self.assertEqual((vmm_pid("test"), virsh("domstate", "test")), (pid, "running"))
        virsh("destroy", "test")
        self.assertEqual(domain_names("--all"), [])
        # Nobody has said that they are not wanted any more.
        self.assertNotEqual(read(NVRAM), read(TEMPLATE))
        os.unlink(NVRAM)

    def test_a_vmm_of_another_user_can_use_what_the_daemon_opens_for_it(self):
        self.daemon.config = self.file_of("virtgmemd.conf", b'user = "nobody"\n')
        self.daemon.restart()
        self.define_machine(firmware="efi")
        console = self.daemon.start_on_console()
        self.assertNotEqual(vmm_user("test")[0], 0)
        console.wait_for("UEFI Interactive Shell", 90)
        self.assertEqual(os.stat(NVRAM).st_uid, vmm_user("test")[0])
        self.assertNotEqual(read(NVRAM), read(TEMPLATE))


class Bios(FirmwareDomainTest):
    """SeaBIOS."""

    def test_a_domain_with_neither_firmware_nor_kernel_starts_seabios(self):
        self.define_machine(boot="<bios useserial='yes'/>")
        self.assertIsNone(parsed().find("os/loader"))
        console = self.daemon.start_on_console()
        console.wait_for("SeaBIOS", 60)
        console.wait_for("No bootable device", 60)
        virsh("reset", "test")
        console.wait_for("SeaBIOS", 60)
        self.daemon.restart()
        self.assertEqual(virsh("domstate", "test"), "running")
        virsh("undefine", "test")
        virsh("destroy", "test")
        self.assertEqual(domain_names("--all"), [])

    def define_with_card(self, more):
        card = f"<interface type='user'><boot order='1'/>{more}</interface>"
        self.define_machine(boot="<bios useserial='yes'/>", devices="<serial type='pty'/>" + card)

    def start_with_card(self, more):
        self.define_with_card(more)
        return self.daemon.start_on_console()

    @native
    @unittest.skipUnless(shutil.which("passt"), "passt is not installed")
    def test_the_option_rom_of_a_network_card(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        path = os.path.join(folder, "card.rom")
        with open(path, "wb") as file:
            file.write(option_rom(0x1af4, 0x1000, b"FROM THE CARD"))
        self.start_with_card(f"<rom file='{path}'/>").wait_for("FROM THE CARD", 60)
        self.assertEqual(parsed().find("devices/interface/rom").attrib, {"file": path})
        virsh("destroy", "test")
        virsh("undefine", "test")
        # Nothing is found, and nothing is run.
        console = self.start_with_card(f"<rom bar='off' file='{path}'/>")
        console.wait_for("No bootable device", 60)
        self.assertNotIn("FROM THE CARD", console.text)
        self.assertNotIn("iPXE", console.text)
        virsh("destroy", "test")
        os.unlink(path)
        virsh("undefine", "test")
        self.define_with_card(f"<rom file='{path}'/>")
        self.assert_refused("option ROM.*No such file", "start", "test")

    @native
    @unittest.skipUnless(shutil.which("passt") and os.path.exists(IPXE), "passt or iPXE is not installed")
    def test_a_card_to_boot_from_has_ipxe(self):
        self.start_with_card("").wait_for("iPXE", 60)

    SYSINFO = """<sysinfo type='smbios'>
        <bios><entry name='vendor'>Mill &amp; Sons</entry></bios>
        <system>
          <entry name='manufacturer'>Acme</entry>
          <entry name='product'>Anvil, heavy</entry>
          <entry name='serial'>S-1</entry>
        </system>
        <baseBoard><entry name='asset'>B-2</entry></baseBoard>
        <chassis><entry name='manufacturer'>Smith</entry></chassis>
      </sysinfo>"""

    def test_a_kernel_through_seabios_finds_sysinfo_and_a_clock_and_ends_when_it_resets(self):
        self.define_machine(firmware="bios", identity=IDENTITY, memory=256,
                            boot=linux("console=ttyS0") + "<smbios mode='sysinfo'/>",
                            extra=self.SYSINFO + "<clock offset='absolute' start='1000000000'/>"
                            "<on_reboot>destroy</on_reboot>")
        self.assertEqual(parsed().findtext("os/loader"), SEABIOS)
        events = self.daemon.events()
        began = time.time()
        console = self.daemon.start_on_console()
        console.wait_shell()
        for name, value in [("bios_vendor", "Mill & Sons"), ("sys_vendor", "Acme"),
                            ("product_name", "Anvil, heavy"), ("product_serial", "S-1"),
                            ("product_uuid", IDENTITY), ("board_asset_tag", "B-2"),
                            ("chassis_vendor", "Smith")]:
            with self.subTest(name=name):
                self.assertEqual(console.run(f"cat /sys/class/dmi/id/{name}"), value)
        self.assert_clock(console, 1000000000 - began)
        console.send("reboot -f\r")
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")


@unittest.skipIf(networks.why_not(), str(networks.why_not()))
class FromTheNetwork(FirmwareDomainTest):
    """
    PXE, from a network of libvirt's own daemon, which serves files, too: iPXE, where firmware has not got it, and what
    its script names.
    """

    # memtest86+ wants a display of UEFI's, which there is none of; Linux takes minutes to come by TFTP in an emulated host.
    SCRIPT = """#!ipxe
iseq ${platform} efi && goto uefi ||
kernel memtest console=ttyS0,115200
boot
:uefi
echo ${next-server} has started iPXE on ${platform}
"""

    def setUp(self):
        networks.enter_namespace(self)
        super().setUp()
        # dnsmasq serves them as a user of its own.
        os.chmod(self.folder, 0o755)
        self.file_of("boot.ipxe", self.SCRIPT.encode())
        for path in (MEMTEST, SNPONLY):
            shutil.copy(path, self.folder)
        server = self.enterContext(networks.NetworkDaemon())
        server.define("default", f"""<bridge name='virbr7'/><forward mode='open'/>
          <ip address='192.168.122.1' netmask='255.255.255.0'>
            <tftp root='{self.folder}'/>
            <dhcp>
              <range start='192.168.122.2' end='192.168.122.254'/>
              <bootp file='boot.ipxe'/>
            </dhcp>
          </ip>
          <dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
            <dnsmasq:option value='dhcp-match=set:ipxe,175'/>
            <dnsmasq:option value='dhcp-boot=tag:!ipxe,snponly.efi'/>
          </dnsmasq:options>""")
        server.start("default")

    def start(self, **arguments):
        card = "<interface type='network'><source network='default'/><model type='virtio'/><boot order='1'/></interface>"
        self.define_machine(devices="<serial type='pty'/>" + card, **arguments)
        return self.daemon.start_on_console()

    @unittest.skipUnless(os.path.exists(IPXE), "iPXE's option ROMs are not installed")
    def test_a_bios_starts_what_the_network_has(self):
        console = self.start(boot="<bios useserial='yes'/>")
        console.wait_for("Memtest86", 150)
        # Of the first pass: it writes and reads back what memory there is.
        console.wait_for(r"Pass\s", 60)

    def test_ovmf_starts_what_the_network_has(self):
        console = self.start(firmware="efi")
        console.wait_for("NBP file downloaded successfully", 150)
        console.wait_for(r"192\.168\.122\.1 has started iPXE on efi", 60)
        self.assertRegex(virsh("domifaddr", "test"), r"ipv4 +192\.168\.122\.\d+/24")


class Machine(FirmwareDomainTest):
    """What the XML says of the machine, seen by a kernel that is entered directly."""

    ROOT_PORTS = """<controller type='pci' index='1' model='pcie-root-port'/>
        <controller type='pci' index='2' model='pcie-root-port'/>
        <controller type='pci' index='3' model='pcie-root-port'>
          <target chassis='3' port='0x28' hotplug='off'/>
          <address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>
        </controller>"""
    ADDRESSES = ["0000:00:02.0", "0000:00:02.1", "0000:00:05.0"]

    CPU = f"""<cpu mode='host-passthrough'>
        <topology sockets='2' dies='1' cores='1' threads='1'/>
        <feature policy='disable' name='{SPARE_FEATURE}'/>
        <numa>
          <cell id='0' cpus='0' memory='160' unit='MiB'>
            <distances><sibling id='1' value='21'/></distances>
          </cell>
          <cell id='1' cpus='1' memory='96' unit='MiB'/>
        </numa>
      </cpu>"""

    CLOCK = """<clock offset='variable' adjustment='-86400' basis='utc'>
        <timer name='hpet' present='yes'/>
        <timer name='kvmclock' present='no'/>
      </clock>"""

    SERIALS = """<serial type='pty'><target port='0'/></serial>
        <serial type='pty'><target port='1'/></serial>"""

    def test_a_kernel_finds_what_the_domain_describes(self):
        self.define_machine(boot=linux(), memory=256, vcpus=2, extra=self.CPU + self.CLOCK,
                            devices=self.ROOT_PORTS + self.SERIALS)
        self.check_addresses()
        console = self.daemon.start_guest()
        self.check_processors(console)
        self.check_cells(console)
        self.assert_clock(console, -86400)
        self.check_clock_sources(console)
        self.check_root_ports(console)
        self.check_second_port(console)

    def check_addresses(self):
        addresses = [address.attrib for address in
                     parsed().findall("devices/controller[@model='pcie-root-port']/address")]
        found = [f"{int(a['domain'], 16):04x}:{int(a['bus'], 16):02x}:{int(a['slot'], 16):02x}."
                 f"{int(a['function'], 16)}" for a in addresses]
        self.assertEqual(found, self.ADDRESSES)
        self.assertEqual(addresses[0]["multifunction"], "on")

    def check_processors(self, console):
        self.assertEqual(console.run("nproc"), "2")
        self.assertEqual(console.run(
            "cat /sys/devices/system/cpu/cpu*/topology/package_cpus_list").split(),
            ["0", "1"])
        self.assertEqual(console.run(f"grep -cw {SPARE_FEATURE} /proc/cpuinfo"), "0")

    def check_cells(self, console):
        nodes = "/sys/devices/system/node/node"
        self.assertEqual(console.run(f"cat {nodes}*/cpulist").split(), ["0", "1"])
        self.assertEqual(console.run(f"cat {nodes}*/distance").splitlines(),
                         ["10 21", "21 10"])
        ranges = [(int(node), int(first, 16), int(last, 16) + 1) for node, first, last in
                  re.findall(r"SRAT: Node (\d) PXM \d \[mem (0x\w+)-(0x\w+)\]",
                             console.run("dmesg | grep SRAT:"))]
        self.assertEqual(ranges, [(0, 0, 160 << 20), (1, 160 << 20, 256 << 20)])

    def check_clock_sources(self, console):
        sources = console.run(
            "cat /sys/devices/system/clocksource/clocksource0/available_clocksource").split()
        self.assertIn("hpet", sources)
        self.assertNotIn("kvm-clock", sources)

    def check_root_ports(self, console):
        for address in self.ADDRESSES:
            folder = f"/sys/bus/pci/devices/{address}"
            self.assertEqual(console.run(f"cat {folder}/class"), "0x060400")
            # Linux has found the bus behind it.
            self.assertRegex(console.run(f"cat {folder}/secondary_bus_number"), r"^[1-9]\d*$")
        self.assertEqual(console.run("cat /sys/bus/pci/devices/*/class").split().count("0x060400"),
                         len(self.ADDRESSES))

    def check_second_port(self, console):
        # Each port has a session of its own.
        second = self.daemon.console("test", "--devname", "serial1")
        self.daemon.console_unconnected("test", "--devname", "serial1").wait_for(
            "Active console session exists", 30)
        console.run("stty -F /dev/ttyS1 raw -echo; echo out >/dev/ttyS1")
        second.wait_for(r"out", 30)
        # Not before somebody listens: what nobody has open takes no input.
        console.send("exec 3</dev/ttyS1; echo liste''ning; read -r word <&3; echo got $word\r")
        console.wait_for("listening", 30)
        second.send("inward\n")
        console.wait_for("got inward", 30)

    def test_a_feature_that_is_not_known_or_not_there_is_refused_by_its_name(self):
        for name in ("nosuchfeature", GONE_FEATURE, "svm"):
            with self.subTest(name=name):
                xml = machine(boot=linux(), extra="<cpu mode='host-passthrough'>"
                              f"<feature policy='require' name='{name}'/></cpu>")
                self.assert_refused(name, "create", STDIN, text=xml)
                self.assertEqual(domain_names("--all"), [])


class Choice(FirmwareDomainTest):
    """Which firmware a domain gets, and which it cannot have."""

    where = NATIVE

    def assert_not_defined(self, pattern, **arguments):
        self.assert_refused(pattern, "define", STDIN, text=machine(**arguments))
        self.assertEqual(domain_names("--all"), [])

    def test_what_needs_smm_is_refused_when_it_is_defined(self):
        self.assert_not_defined(f"{CODE_WITH_SMM}' requires SMM",
                                boot=flash(CODE_WITH_SMM))
        # By another name of the same file, too.
        link = self.path("code.fd")
        os.symlink(CODE_WITH_SMM, link)
        self.assert_not_defined(f"{link}' requires SMM", boot=flash(link))
        self.assert_not_defined("os/loader.*secure='yes'", boot=(
            f"<loader secure='yes' type='pflash'>{CODE}</loader>"
            f"<nvram template='{TEMPLATE}'/>"))
        self.assert_not_defined("features/smm", firmware="efi",
                                extra="<features><smm state='on'/></features>")
        self.assert_not_defined("secure-boot", firmware="efi", boot=(
            "<firmware><feature enabled='yes' name='secure-boot'/></firmware>"))

    def test_a_descriptor_that_is_broken_is_named_and_harms_no_other(self):
        for folder in (os.path.dirname(DESCRIPTORS), DESCRIPTORS):
            # Where there is one, it is the tests' own: see support/folders.py.
            if not os.path.isdir(folder):
                os.mkdir(folder)
                self.addCleanup(os.rmdir, folder)
        broken = os.path.join(DESCRIPTORS, "00-gmem-test-broken.json")
        self.addCleanup(os.unlink, broken)
        for content in ("{", "[]", '{ "mapping": 3 }', '{ "targets": [ {} ] }'):
            with self.subTest(content=content):
                with open(broken, "w", encoding="utf-8") as file:
                    file.write(content)
                before = len(self.daemon.log())
                self.define_machine(firmware="efi", identity=IDENTITY)
                self.assertEqual(parsed().findtext("os/loader"), CODE)
                self.assertIn(broken, self.daemon.log()[before:])
                virsh("start", "--paused", "test")
                virsh("destroy", "test")
                virsh("undefine", "--nvram", "test")

    def test_a_loader_and_a_template_of_ones_own_choice(self):
        code = shutil.copyfile(CODE, self.path("code.fd"))
        template = shutil.copyfile(TEMPLATE, self.path("template.fd"))
        nvram = self.path("variables.fd")
        self.define_machine(boot=flash(code, nvram, template))
        virsh("start", "--paused", "test")
        self.assertEqual(read(nvram), read(template))
        self.assertEqual(parsed().findtext("os/nvram"), nvram)
        virsh("destroy", "test")
        virsh("undefine", "--nvram", "test")
        self.assertFalse(os.path.exists(nvram))
        # Without a word about a template nobody can know which one goes with it.
        self.assert_not_defined(f"{code}.*<nvram template", boot=(
            f"<loader type='pflash'>{code}</loader>"))

    def test_what_a_loader_without_a_type_is_its_descriptor_says(self):
        for firmware, path, kind in [(None, CODE, "pflash"), ("efi", CODE, "pflash"),
                                     (None, SEABIOS, "rom"), ("bios", SEABIOS, "rom")]:
            with self.subTest(firmware=firmware, path=path):
                self.define_machine(firmware=firmware, boot=f"<loader>{path}</loader>",
                                    identity=IDENTITY)
                self.assertEqual(parsed().find("os/loader").get("type"), kind)
                self.assertEqual(parsed().findtext("os/nvram"),
                                 NVRAM if kind == "pflash" else None)
                virsh("start", "--paused", "test")
                virsh("destroy", "test")
                virsh("undefine", "--nvram", "test")

    def test_capabilities_offer_what_can_be_had(self):
        found = ElementTree.fromstring(virsh("domcapabilities")).find("os")
        self.assertEqual(sorted(value.text for value in
                                found.findall("enum[@name='firmware']/value")), ["bios", "efi"])
        loaders = [value.text for value in found.findall("loader/value")]
        self.assertIn(CODE, loaders)
        self.assertIn(SEABIOS, loaders)
        self.assertNotIn(CODE_WITH_SMM, loaders)


class Failures(FirmwareDomainTest):
    """Files that do not serve: an error that names the file, and nothing is left behind."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.before = self.daemon.settled_descriptors()

    def assert_fails_to_start(self, named, boot, **arguments):
        self.define_machine(boot=boot, identity=IDENTITY, **arguments)
        self.assert_refused(re.escape(named), "start", "test")
        self.assertEqual(virsh("domstate", "test"), "shut off")
        self.assertEqual(left_behind(), [])
        self.daemon.wait_descriptors(self.before)
        virsh("undefine", "--keep-nvram", "test")

    def test_loaders_that_are_none(self):
        code = read(CODE)
        for name, content in [("empty", b""), ("short", code[:1000]), ("half", code[:1 << 20]),
                              ("zeroes", bytes(4 << 20)), ("large", code * 5)]:
            with self.subTest(name=name):
                path = self.file_of(name, content)
                self.assert_fails_to_start(path, flash(path, self.path("variables.fd")))
                self.assert_fails_to_start(path, f"<loader type='rom'>{path}</loader>")
        with self.subTest(name="missing"):
            path = self.path("missing")
            self.assert_fails_to_start(path, flash(path, self.path("variables.fd")))
        with self.subTest(name="folder"):
            self.assert_fails_to_start(self.folder, f"<loader type='rom'>{self.folder}</loader>")

    def test_variables_that_are_none(self):
        store = read(TEMPLATE)
        for name, content in [("empty", b""), ("half", store[:len(store) // 2]),
                              ("odd", store + b"x"), ("zeroes", bytes(len(store)))]:
            with self.subTest(name=name):
                path = self.file_of(name, content)
                self.assert_fails_to_start(path, flash(nvram=path))
                self.assertEqual(read(path), content)
        with self.subTest(name="folder"):
            self.assert_fails_to_start(self.folder, flash(nvram=self.folder))

    def test_variables_that_cannot_be_written(self):
        folder = self.path("mounted")
        os.mkdir(folder)
        with contextlib.ExitStack() as stack:
            subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True, timeout=30)
            stack.callback(subprocess.run, ["umount", folder], check=True, timeout=30)
            there = shutil.copyfile(TEMPLATE, os.path.join(folder, "there.fd"))
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True, timeout=30)
            self.assert_fails_to_start(there, flash(nvram=there))
            missing = os.path.join(folder, "missing.fd")
            self.assert_fails_to_start(missing, flash(nvram=missing))

    def test_templates_that_are_none(self):
        nvram = self.path("variables.fd")
        missing = self.path("missing")
        for template in (missing, self.file_of("empty", b""), self.folder):
            with self.subTest(template=template):
                self.assert_fails_to_start(template, flash(nvram=nvram, template=template))
                self.assertFalse(os.path.exists(nvram))
        # A template that is no variable store is found out by who uses what is made from it.
        self.assert_fails_to_start(nvram, flash(nvram=nvram,
                                                template=self.file_of("zeroes", bytes(540672))))

    def test_variables_of_another_domain_that_runs(self):
        nvram = self.path("variables.fd")
        self.define_machine("first", boot=flash(nvram=nvram))
        self.define_machine("second", boot=flash(nvram=os.path.join(self.folder, ".",
                                                                    "variables.fd")))
        virsh("start", "--paused", "first")
        self.assert_refused("variables.fd' .*'first'", "start", "second")
        self.assertEqual(virsh("domstate", "second"), "shut off")
        self.assert_refused("variables.fd' .*'first'", "start", "--reset-nvram", "second")
        virsh("destroy", "first")
        virsh("start", "--paused", "second")
        self.assert_refused("variables.fd' .*'second'", "start", "first")
