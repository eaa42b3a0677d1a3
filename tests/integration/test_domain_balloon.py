# SPDX-License-Identifier: LGPL-2.1-or-later
"""
How much memory a domain has, through stock virsh: its balloon's XML, setmem and setmaxmem, statistics. The guest has no
driver for it, so that nothing changes what it has; Linux' is in test_balloon.
"""

from xml.etree import ElementTree

from support.daemon import DaemonTest, virsh
from support.where import NATIVE, everywhere

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
