# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock firmware in private memory: OVMF of two Debian releases, and SeaBIOS."""

import os
import shutil
import tempfile
import unittest

from support.devices import device
from support.media import cd_that_boots, efi_system
from support.vmm import CMDLINE, GUEST, INITRD, KERNEL, Vmm, refused
from support.where import NATIVE

RELEASES = ("bookworm", "trixie")
BIOS = "/usr/share/seabios/bios-256k.bin"
LINUXBOOT_ROM = "/usr/share/qemu/linuxboot_dma.bin"
SHELL = r"Shell> "


def ovmf(release, part):
    """The path of OVMF's code or variables."""
    return os.path.join(GUEST, f"ovmf-{release}", f"OVMF_{part}_4M.fd")


class FirmwareTest(unittest.TestCase):
    """A test with firmware, and a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gmem-firmware.")
        self.addCleanup(shutil.rmtree, self.folder)

    def variables(self, release):
        path = os.path.join(self.folder, "VARS.fd")
        if not os.path.exists(path):
            shutil.copyfile(ovmf(release, "VARS"), path)
        return path

    def boot(self, *arguments, **popen):
        vmm = Vmm(*arguments, **popen)
        self.addCleanup(vmm.end)
        self.assertTrue(vmm.qmp.greeting)
        return vmm

    def boot_ovmf(self, release, *arguments, **popen):
        return self.boot(f"--pflash-code={ovmf(release, 'CODE')}",
                         f"--pflash-vars={self.variables(release)}", *arguments, **popen)

    def end(self, vmm):
        vmm.qmp.execute("quit")
        self.assertEqual(vmm.wait(30), 0, vmm.log())

    def run_in_linux(self, vmm, command):
        vmm.console.send(command + "; echo 'END''ED'\n")
        end = vmm.console.wait_for(r"ENDED\r\n", 60).start()
        return vmm.console.text[:end].rsplit("'END''ED'\r\n", 1)[1].strip()

    def assertMostlyPrivate(self, vmm):
        """At most 2 % of what the guest has touched is shared."""
        statistics = vmm.qmp.conversions()
        self.assertLessEqual(statistics["shared-bytes"], 0.02 * statistics["mapped-bytes"])


class OvmfOfDebian12(FirmwareTest):
    """The older one; Linux by the newer one is test_machine's, and its variables are test_domain_firmware's."""

    limit = 300

    def test_boots_a_kernel(self):
        vmm = self.boot_ovmf(RELEASES[0], "--vcpus=2", "--memory=512M", f"--kernel={KERNEL}",
                             f"--initrd={INITRD}", f"--append={CMDLINE}")
        vmm.console.wait_for("Hello from Linux", 200)
        vmm.console.wait_for("/ # ", 60)
        self.assertEqual(self.run_in_linux(vmm, "nproc"), "2")
        self.assertEqual(self.run_in_linux(vmm, "cat /sys/firmware/efi/fw_platform_size"), "64")
        self.assertMostlyPrivate(vmm)
        self.assertEqual(self.run_in_linux(vmm, "dmesg | grep -c 'ACPI.*rror'"), "0")
        self.end(vmm)

    def test_a_reset_starts_the_firmware_anew(self):
        vmm = self.boot_ovmf(RELEASES[0])
        vmm.console.wait_for(SHELL, 150)
        vmm.console.send("reset\r")
        vmm.qmp.wait_event("RESET", 60)
        vmm.console.wait_for(SHELL, 150)
        self.end(vmm)


class OvmfOfDebian13(FirmwareTest):
    """The newer one."""

    limit = 300

    # With one processor those that look at variables do.
    def test_reaches_its_shell_with_four_processors(self):
        vmm = self.boot_ovmf(RELEASES[1], "--vcpus=4", "--memory=512M")
        vmm.console.wait_for("UEFI Interactive Shell", 150)
        vmm.console.wait_for(SHELL, 60)
        self.end(vmm)


class OvmfFromSata(FirmwareTest):
    """UEFI that finds a program, a kernel here, on a SATA disk and on a CD-ROM, loads and starts it."""

    limit = 300

    def test_starts_a_disk_and_a_cdrom(self):
        with open(KERNEL, "rb") as kernel:
            system = efi_system(kernel.read())
        for kind, content in (("ide-hd", system), ("ide-cd", cd_that_boots(system, "efi"))):
            with self.subTest(kind), tempfile.NamedTemporaryFile(dir=self.folder) as image:
                image.write(content)
                image.flush()
                vmm = self.boot_ovmf(RELEASES[1], "--memory=512M", device("ich9-ahci", "sata0", bus="pcie.0", addr="0x1f.0x2"),
                                     device(kind, "drive0", bus="sata0.2", bootindex=1,
                                            blockdev={"driver": "raw", "fd": str(image.fileno())}),
                                     pass_fds=(image.fileno(),))
                try:
                    vmm.console.wait_for(r"starting Boot\d+ .*/Pci\(0x1F,0x2\)/Sata\(0x2,", 150)
                finally:
                    vmm.end()


class SeaBios(FirmwareTest):
    """A BIOS."""

    def test_shows_itself_on_the_serial_port(self):
        for vcpus in (1, 4):
            with self.subTest(vcpus=vcpus):
                vmm = self.boot(f"--bios={BIOS}", "--sercon", f"--vcpus={vcpus}")
                vmm.console.wait_for("SeaBIOS", 60)
                vmm.console.wait_for("No bootable device", 60)
                self.end(vmm)

    def test_boots_a_kernel(self):
        vmm = self.boot(f"--bios={BIOS}", f"--linuxboot-rom={LINUXBOOT_ROM}",
                        f"--kernel={KERNEL}", f"--initrd={INITRD}", f"--append={CMDLINE}",
                        "--vcpus=2", "--memory=512M")
        vmm.console.wait_for("Hello from Linux", 150)
        vmm.console.wait_for("/ # ", 60)
        self.assertEqual(self.run_in_linux(vmm, "dmesg | grep -c 'ACPI.*rror'"), "0")
        self.end(vmm)


class BadFiles(FirmwareTest):
    """Firmware that is none, and variables that cannot be used: an error that names the file."""

    where = NATIVE

    def file_of(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_code_that_is_none(self):
        code = self.read(ovmf(RELEASES[0], "CODE"))
        for name, content in (("empty", b""), ("short", code[:1000]), ("half", code[:1 << 20]),
                              ("zeroes", bytes(4 << 20)), ("large", code * 3),
                              # Without a jump at the reset vector, which chance may bring.
                              ("random", os.urandom((1 << 20) - 16) + bytes(16))):
            with self.subTest(name):
                path = self.file_of(name, content)
                self.assertIn(path, refused(f"--pflash-code={path}"))

    def test_variables_that_are_none(self):
        code = f"--pflash-code={ovmf(RELEASES[0], 'CODE')}"
        store = self.read(ovmf(RELEASES[0], "VARS"))
        for name, content in (("empty", b""), ("half", store[:len(store) // 2]),
                              ("odd", store + b"x"), ("zeroes", bytes(len(store)))):
            with self.subTest(name):
                path = self.file_of(name, content)
                self.assertIn(path, refused(code, f"--pflash-vars={path}"))

    def test_variables_of_another_domain(self):
        vmm = self.boot_ovmf(RELEASES[0], "--paused")
        message = refused(f"--pflash-code={ovmf(RELEASES[0], 'CODE')}",
                               f"--pflash-vars={self.variables(RELEASES[0])}")
        self.assertIn(self.variables(RELEASES[0]), message)
        self.assertIn("in use", message)
        self.end(vmm)

    def test_a_bios_that_is_none(self):
        for name, content in (("empty", b""), ("odd", bytes(65536 + 1)), ("zeroes", bytes(65536))):
            with self.subTest(name):
                path = self.file_of(name, content)
                self.assertIn(path, refused(f"--bios={path}"))
