# SPDX-License-Identifier: LGPL-2.1-or-later
"""gmem-vmm alone: Debian's unmodified kernel, the options and the exit status."""

import os
import re
import tempfile
import unittest

from support import tiny
from support.qmp import QmpError
from support.vmm import CMDLINE, INITRD, KERNEL, MEMTEST, Vmm, linux, refused
from support.where import EVERYWHERE, NATIVE


class Linux(unittest.TestCase):
    """The tests' guest: Debian's kernel package, busybox."""

    limit = 240

    def boot(self, *arguments, **keywords):
        vmm = linux(*arguments, **keywords)
        self.addCleanup(vmm.end)
        self.assertTrue(vmm.qmp.greeting)
        vmm.console.wait_for("Hello from Linux", 100)
        vmm.console.wait_for("/ # ", 60)
        return vmm

    def run_in(self, vmm, command):
        """What a command of the guest's shell prints."""
        vmm.console.send(command + "; echo 'END''ED'\n")
        end = vmm.console.wait_for(r"ENDED\r\n", 60).start()
        return vmm.console.text[:end].rsplit("'END''ED'\r\n", 1)[1].strip()

    def test_boots_with_most_of_its_memory_private_and_gives_back_the_rest(self):
        vmm = self.boot("--vcpus=2", "--memory=512M")
        self.assertEqual(self.run_in(vmm, "nproc"), "2")
        statistics = vmm.qmp.conversions()
        self.assertGreater(statistics["private-bytes"], statistics["shared-bytes"])
        self.assertEqual(statistics["private-bytes"] + statistics["shared-bytes"],
                         (512 << 20) - (128 << 10))
        self.assertLess(statistics["shared-bytes"], 0.02 * statistics["mapped-bytes"])
        self.assertGreater(vmm.qmp.execute("gmem-reclaim")["bytes"], 0)
        self.assertLess(vmm.qmp.conversions()["shared-bytes"], statistics["shared-bytes"])
        self.assertEqual(self.run_in(vmm, "echo still here"), "still here")

    def test_it_stops_and_goes_on_and_the_power_button_ends_it(self):
        vmm = self.boot("--memory=600M")
        self.assertEqual(self.run_in(vmm, "cat /sys/class/rtc/rtc0/name | cut -d ' ' -f 1"),
                         "rtc_cmos")
        self.assertEqual(self.run_in(vmm, "dmesg | grep -c 'ACPI.*rror'"), "0")
        vmm.qmp.execute("stop")
        self.assertEqual(vmm.qmp.execute("query-status")["status"], "paused")
        vmm.console.send("echo a''b\n")
        vmm.qmp.execute("cont")
        vmm.console.wait_for(r"ab\r\n", 30)
        self.assertEqual(vmm.qmp.execute("query-status"), {"status": "running", "running": True})
        vmm.qmp.execute("system_powerdown")
        event = vmm.qmp.wait_event("SHUTDOWN", 60)
        self.assertTrue(event["data"]["guest"])
        self.assertEqual(vmm.wait(30), 0)
        self.assertIn("The power button was pressed", vmm.console.read_all())

    def assert_tsc(self, vmm, khz):
        detected = self.run_in(vmm, "dmesg | grep -o 'tsc: Detected [0-9.]* MHz'").split()[2]
        self.assertAlmostEqual(float(detected) * 1000, khz, delta=khz / 1000)

    def test_timers_are_as_they_are_wanted(self):
        # A host that cannot scale says what it has; a kernel that is none ends the others.
        with tempfile.NamedTemporaryFile() as file:
            said = refused("--tsc-frequency=1000000999", f"--kernel={file.name}")
        host = re.search(r"a TSC of 1000000 kHz: this host's runs at (\d+) kHz", said)
        khz = int(host.group(1)) if host else 1000000
        vmm = self.boot("--vcpus=2", f"--tsc-frequency={khz}000", "--rtc-tick-policy=catchup",
                        "--pit-tick-policy=discard")
        self.assert_tsc(vmm, khz)
        vmm.console.send("reboot -f\n")
        vmm.qmp.wait_event("RESET", 60)
        vmm.console.wait_for("Hello from Linux", 100)
        vmm.console.wait_for("/ # ", 60)
        self.assert_tsc(vmm, khz)


class NoReboot(unittest.TestCase):
    """A guest that resets itself where that is to be its end."""

    where = NATIVE

    def test_it_ends_instead(self):
        with tempfile.TemporaryDirectory(prefix="gmem-test.") as folder, \
                Vmm(f"--kernel={tiny.write_kernel(folder)}", "--append=r", "--memory=64M", "--no-reboot") as vmm:
            self.assertEqual(vmm.wait(60), 0)
            self.assertEqual(vmm.console.read_all().count("ready"), 1)


class Memtest(unittest.TestCase):
    """memtest86+, whose last paragraph is short (syssize of its header)."""

    def test_it_starts_and_tests(self):
        with Vmm(f"--kernel={MEMTEST}", "--append=console=ttyS0,115200", "--memory=64M") as vmm:
            vmm.console.wait_for("Memtest86", 60)
            # Of the first pass: it writes and reads back what memory there is.
            vmm.console.wait_for(r"Pass\s", 60)
            self.assertTrue(vmm.qmp.execute("query-status")["running"], vmm.log())


class Refusals(unittest.TestCase):
    """What cannot be: an error that names it, and a status that is not 0."""

    where = NATIVE

    def file_of(self, content):
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        file.write(content)
        file.flush()
        return file.name

    def test_kernels_that_are_none(self):
        with open(KERNEL, "rb") as file:
            image = file.read()
        self.assertIn("/nonexistent", refused("--kernel=/nonexistent"))
        for content in (b"", b"\0" * 4096, image[:600], image[:len(image) // 2],
                        os.urandom(100000)):
            self.assertIn("kernel", refused(f"--kernel={self.file_of(content)}"))
        self.assertIn("/etc", refused("--kernel=/etc"))

    def test_an_initrd_that_does_not_fit(self):
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(1 << 30)
            self.assertIn("initrd", refused("--memory=256M", f"--kernel={KERNEL}",
                                            f"--initrd={file.name}"))

    def test_sizes_that_cannot_be(self):
        for option in ("--memory=0", "--memory=5T", "--memory=x", "--vcpus=0", "--vcpus=241",
                       "--policy=none", "--memory-kind=none"):
            self.assertIn(option.split("=", 1)[0].lstrip("-"),
                          refused(option, f"--kernel={KERNEL}"))

    def test_a_monitor_path_that_is_too_long(self):
        self.assertIn("monitor", refused(f"--kernel={KERNEL}", "--monitor=/tmp/" + "x" * 200))


class Monitor(unittest.TestCase):
    """QMP as QEMU's own clients expect it."""

    where = EVERYWHERE

    def test_errors_and_commands(self):
        with Vmm(f"--kernel={KERNEL}", f"--initrd={INITRD}", "--paused") as vmm:
            qmp = vmm.qmp
            self.assertIn("version", qmp.greeting)
            self.assertEqual(qmp.execute("query-status")["status"], "prelaunch")
            names = {command["name"] for command in qmp.execute("query-commands")}
            self.assertLessEqual({"query-status", "stop", "cont", "system_powerdown",
                                  "system_reset", "quit", "query-cpus-fast", "query-version",
                                  "query-commands", "query-conversion-stats"}, names)
            with self.assertRaises(QmpError) as caught:
                qmp.execute("no-such-command")
            self.assertEqual(caught.exception.error_class, "CommandNotFound")
            with self.assertRaises(QmpError):
                qmp.execute("gmem-reclaim", gpa="x")
            qmp.execute("quit")
            self.assertEqual(vmm.wait(30), 0)


class Unprivileged(unittest.TestCase):
    """A process that has no path and no capability, only descriptors."""

    def test_descriptors_are_all_it_needs(self):
        paths = {"--kvm-fd": ("/dev/kvm", os.O_RDWR),
                 "--userfaultfd-fd": ("/dev/userfaultfd", os.O_RDWR),
                 "--kernel-fd": (KERNEL, os.O_RDONLY), "--initrd-fd": (INITRD, os.O_RDONLY)}
        descriptors = {option: os.open(*where) for option, where in paths.items()}
        try:
            with Vmm(*(f"{option}={fd}" for option, fd in descriptors.items()),
                     f"--append={CMDLINE}", pass_fds=tuple(descriptors.values()),
                     user=65534, group=65534, extra_groups=()) as vmm:
                vmm.console.wait_for("Hello from Linux", 100)
                with open(f"/proc/{vmm.pid}/status", encoding="ascii") as status:
                    self.assertIn("CapEff:\t0000000000000000", status.read())
        finally:
            for fd in descriptors.values():
                os.close(fd)


if __name__ == "__main__":
    unittest.main()
