# SPDX-License-Identifier: LGPL-2.1-or-later
"""
How much memory a domain has, through stock virsh: its balloon's XML, setmem and setmaxmem, statistics. Most guests here
have no driver for it, so that nothing changes what they have. What Linux' does to the host's memory is in test_balloon.
"""

from xml.etree import ElementTree

from support.daemon import DaemonTest, domain_xml, virsh
from support.waiting import wait_until
from support.where import HOSTS, NATIVE, everywhere

NONE = "<memballoon model='none'/>"


def parsed(*options):
    return ElementTree.fromstring(virsh("dumpxml", "test", *options))


def current(*options):
    return int(parsed(*options).findtext("currentMemory"))


def statistics():
    return dict(line.split() for line in virsh("dommemstat", "test").splitlines())


class Balloon(DaemonTest):
    """Domains of 16 MiB."""

    where = NATIVE

    def test_it_is_there(self):
        self.define()
        balloon = parsed().find("devices/memballoon")
        self.assertEqual(balloon.get("model"), "virtio")
        self.assertEqual(balloon.find("address").get("bus"), "0x01")
        self.run_tiny()
        self.assertEqual(parsed().find("devices/memballoon/alias").get("name"), "balloon0")
        self.assertEqual(set(statistics()), {"actual", "rss", "last_update"})
        self.assertEqual(statistics()["actual"], "16384")
        virsh("destroy", "test")

    def test_none(self):
        self.define(devices=NONE)
        self.assertEqual(parsed().find("devices/memballoon").get("model"), "none")
        self.assertEqual(len(parsed().findall("devices/controller")), 1)
        self.run_tiny()
        self.assert_refused("no balloon", "setmem", "test", "8M", "--live")
        self.assert_refused("no balloon", "dommemstat", "test", "--period", "2", "--live")
        self.assertEqual(set(statistics()), {"actual", "rss"})
        virsh("destroy", "test")

    @everywhere
    def test_setmem(self):
        self.define()
        self.assert_refused("not running", "setmem", "test", "8M", "--live")
        virsh("setmem", "test", "12M", "--config")
        self.assertEqual(current(), 12288)
        virsh("setmem", "test", "10M", "--current")
        self.assertEqual(current(), 10240)
        self.assert_refused("maximum is 16384 KiB", "setmem", "test", "17M", "--config")
        self.run_tiny()
        # It has all until it gives something back, which it never does.
        self.assertEqual(current(), 16384)
        self.assertEqual(current("--inactive"), 10240)
        virsh("setmem", "test", "8M")
        virsh("setmem", "test", "9M", "--live", "--config")
        self.assertEqual(current(), 16384)
        self.assertEqual(current("--inactive"), 9216)
        self.assert_refused("maximum is 16384 KiB", "setmem", "test", "17M")
        self.assertIn("Used memory:    16384 KiB", virsh("dominfo", "test"))
        virsh("destroy", "test")

    def test_setmaxmem(self):
        self.define()
        virsh("setmaxmem", "test", "32M", "--config")
        self.assertEqual(parsed().findtext("memory"), "32768")
        self.assertEqual(current(), 16384)
        virsh("setmaxmem", "test", "12M")
        self.assertEqual(parsed().findtext("memory"), "12288")
        self.assertEqual(current(), 12288)
        self.assert_refused("page size", "setmaxmem", "test", "12289", "--config")
        virsh("setmaxmem", "test", "16M")
        self.run_tiny()
        self.assert_refused("is running", "setmaxmem", "test", "32M", "--live")
        virsh("setmaxmem", "test", "32M", "--config")
        self.assertEqual(parsed().findtext("memory"), "16384")
        self.assertEqual(parsed("--inactive").findtext("memory"), "32768")
        virsh("destroy", "test")

    def test_period(self):
        self.define(devices="<memballoon model='virtio'><stats period='5'/></memballoon>")
        self.run_tiny()
        virsh("dommemstat", "test", "--period", "3", "--live")
        self.assertEqual(parsed().find("devices/memballoon/stats").get("period"), "3")
        self.assertEqual(parsed("--inactive").find("devices/memballoon/stats").get("period"), "5")
        virsh("dommemstat", "test", "--period", "0", "--live", "--config")
        self.assertIsNone(parsed().find("devices/memballoon/stats"))
        self.assertIsNone(parsed("--inactive").find("devices/memballoon/stats"))
        self.daemon.restart()
        self.assertEqual(statistics()["last_update"], "0")
        virsh("destroy", "test")


class Linux(DaemonTest):
    """Debian's driver, in a domain of 512 MiB that is to have 384."""

    where = HOSTS
    limit = 300

    MIB = 1024

    def setUp(self):
        super().setUp()
        self.daemon.define(domain_xml(memory=512).replace(
            "</memory>", "</memory><currentMemory unit='MiB'>384</currentMemory>", 1))

    def guest(self, *names):
        """What the guest's kernel says of its memory, in KiB."""
        text = self.console.run(f"grep -E '^({'|'.join(names)}):' /proc/meminfo")
        found = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}
        return [found[name] for name in names]

    def wait_current(self, size):
        """Waits until the guest has so many KiB; what its kernel says that it has."""
        self.events.wait_balloon(size, seconds=100)
        self.assertEqual(current(), size)
        self.assertEqual(statistics()["actual"], str(size))
        return self.guest("MemTotal")[0]

    def fresh_statistics(self):
        """Those that the guest gives from now on."""
        before = int(statistics()["last_update"])
        wait_until(lambda: int(statistics()["last_update"]) > before + 1, 60, "statistics of the guest's")
        return {name: int(value) for name, value in statistics().items()}

    def test_memory_and_statistics(self):
        mib = self.MIB
        self.events = self.daemon.events()
        self.console = self.daemon.start_guest()
        # What it has from its boot on is what the definition says.
        total = self.wait_current(384 * mib)
        self.assertLess(total, 384 * mib)
        # It goes, and comes again.
        virsh("setmem", "test", "256M", "--live")
        self.assertEqual(self.wait_current(256 * mib), total - 128 * mib)
        virsh("setmem", "test", "448M", "--live")
        self.assertEqual(self.wait_current(448 * mib), total + 64 * mib)
        self.assertEqual(current("--inactive"), 384 * mib)

        # What the guest says of itself is what is so there. It says so once, and then as often as it is asked.
        virsh("dommemstat", "test", "--period", "1", "--live")
        found = self.fresh_statistics()
        total, free, available = self.guest("MemTotal", "MemFree", "MemAvailable")
        self.assertEqual((found["actual"], found["available"]), (448 * mib, total))
        self.assertAlmostEqual(found["unused"], free, delta=8 * mib)
        self.assertAlmostEqual(found["usable"], available, delta=8 * mib)
        self.console.run("mkdir /t; mount -t tmpfs -o size=100m tmpfs /t; head -c 64m /dev/zero >/t/some")
        less = self.fresh_statistics()
        self.assertAlmostEqual(found["unused"] - less["unused"], 64 * mib, delta=8 * mib)
        self.assertAlmostEqual(found["usable"] - less["usable"], 64 * mib, delta=8 * mib)
        # The next daemon knows.
        self.daemon.close_clients()
        self.daemon.restart()
        wait_until(lambda: "running" in self.state(), 30, "the domain")
        self.assertEqual(current(), 448 * mib)
        self.assertEqual(statistics()["available"], str(total))
