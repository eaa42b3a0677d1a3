# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Network cards of domains, through stock virsh: what is behind them on the host, in a network namespace of the test's.

That frames go through them is tested where guests use them.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import unittest
from xml.etree import ElementTree

from support.daemon import DaemonTest, STDIN, virsh, vmm_pid, vmm_user
from support.waiting import wait_until
from support.where import NATIVE

NEW_NETWORK = 0x40000000

MAC = "52:54:00:a1:b2:c3"


def interface_xml(kind, content="", mac=MAC):
    return f"<interface type='{kind}'><mac address='{mac}'/>{content}<model type='virtio'/></interface>"


def forward(port, to=22):
    return ("<backend type='passt'/><portForward proto='tcp' address='127.0.0.1'>"
            f"<range start='{port}' to='{to}'/></portForward>")


def run(command):
    subprocess.run(command, shell=True, check=True, capture_output=True)


def has_interface(name):
    return name in (known for _, known in socket.if_nameindex())


def passt_processes():
    """The process ids of each passt in this PID namespace."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm", encoding="utf-8") as file:
                if file.read().startswith("passt"):
                    found.append(int(name))
        except OSError:
            pass
    return found


class DomainNetwork(DaemonTest):
    """A host with one network card, whose other end is nobody's."""

    where = NATIVE

    def setUp(self):
        self.enter_network()
        super().setUp()

    def enter_network(self):
        libc = ctypes.CDLL(None, use_errno=True)
        before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, before)
        if libc.unshare(NEW_NETWORK) != 0:
            raise unittest.SkipTest("there is no right to make a network namespace")
        self.addCleanup(libc.setns, before, NEW_NETWORK)
        # It shows the interfaces of who mounts it.
        cgroups = os.open("/sys/fs/cgroup", os.O_PATH)
        run("mount -t sysfs sysfs /sys")
        self.addCleanup(run, "umount --recursive /sys")
        run(f"mount --no-canonicalize --rbind /proc/{os.getpid()}/fd/{cgroups} /sys/fs/cgroup")
        os.close(cgroups)
        run("ip link set lo up; ip tuntap add up0 mode tap; ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; "
            "ip route add default via 192.0.2.1")

    def start(self, xml, name="test"):
        self.define(name, devices=xml)
        self.run_tiny(name)
        return ElementTree.fromstring(virsh("dumpxml", name)).find("devices/interface")

    def destroy(self, name="test"):
        virsh("destroy", name)


@unittest.skipUnless(shutil.which("passt"), "there is no passt")
class User(DomainNetwork):
    def test_passt_lives_as_long_as_the_domain(self):
        self.start(interface_xml("user", forward(2222)))
        process, = passt_processes()
        self.assertEqual(os.stat(f"/proc/{process}").st_uid, vmm_user("test")[0])
        with open(f"/proc/{process}/cgroup", encoding="utf-8") as file:
            self.assertIn("test", file.read())
        # It listens for the guest.
        with socket.create_connection(("127.0.0.1", 2222), 30):
            pass
        self.destroy()
        wait_until(lambda: not passt_processes(), 30, "the end of passt")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 2222), 30)

    def test_port_that_is_taken(self):
        self.start(interface_xml("user", forward(2222)))
        self.define("other", devices=interface_xml("user", forward(2222)))
        self.assert_refused("(?s)passt has ended.*2222", "start", "other")
        self.assertEqual(len(passt_processes()), 1)
        self.destroy()

    def test_passt_is_killed(self):
        self.start(interface_xml("user"))
        os.kill(passt_processes()[0], signal.SIGKILL)
        wait_until(lambda: "link is down" in self.vmm_log(), 30, "a link that is down")
        self.assertIn("running", self.state())
        self.destroy()

    def vmm_log(self):
        with open("/var/log/libvirt/gmem/test.log", encoding="utf-8") as file:
            return file.read()

    def test_virtual_machine_monitor_is_killed(self):
        self.start(interface_xml("user"))
        os.kill(int(vmm_pid("test")), signal.SIGKILL)
        wait_until(lambda: not passt_processes(), 30, "the end of passt")
        wait_until(lambda: "shut off" in self.state(), 30, "the end of the domain")


class Devices(DomainNetwork):
    def test_bridge(self):
        run("ip link add br7 type bridge; ip link set br7 up mtu 1400")
        element = self.start(interface_xml("bridge", "<source bridge='br7'/>"))
        self.assertEqual(element.find("target").get("dev"), "vnet0")
        self.assertTrue(os.path.exists("/sys/class/net/br7/brif/vnet0"))
        with open("/sys/class/net/vnet0/address", encoding="ascii") as file:
            self.assertEqual(file.read().strip(), "fe" + MAC[2:])
        self.destroy()
        self.assertFalse(has_interface("vnet0"))

    def test_no_bridge(self):
        self.define(devices=interface_xml("bridge", "<source bridge='br8'/>"))
        self.assert_refused("'br8'", "start", "test")
        self.assertFalse(has_interface("vnet0"))

    def test_ethernet(self):
        run("ip tuntap add mine mode tap vnet_hdr")
        element = self.start(interface_xml("ethernet", "<target dev='mine' managed='no'/>"))
        self.assertEqual(element.find("target").get("dev"), "mine")
        self.destroy()
        self.assertTrue(has_interface("mine"))

    def test_queues(self):
        self.start(interface_xml("ethernet", "<target dev='many'/><driver queues='4'/>"))
        folder = f"/proc/{vmm_pid('test')}/fd"
        files = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
        self.assertEqual(files.count("/dev/net/tun"), 4)
        self.destroy()
        self.assertFalse(has_interface("many"))

    def test_direct(self):
        element = self.start(interface_xml("direct", "<source dev='up0' mode='bridge'/>"))
        name = element.find("target").get("dev")
        self.assertEqual(name, "macvtap0")
        with open(f"/sys/class/net/{name}/address", encoding="ascii") as file:
            self.assertEqual(file.read().strip(), MAC)
        self.destroy()
        self.assertFalse(has_interface(name))

    def test_device_that_is_removed(self):
        self.start(interface_xml("ethernet", "<target dev='gone'/>"))
        run("ip link delete gone")
        self.assertIn("running", self.state())
        self.destroy()


class Plug(DomainNetwork):
    """Network cards come and go. The guest has not run yet, so that nobody has to be asked."""

    def setUp(self):
        super().setUp()
        self.define(devices="<controller type='pci' model='pcie-root-port'/>" * 3)
        virsh("start", "--paused", "test")
        self.events = self.daemon.events()

    def attach(self, xml):
        virsh("attach-device", "test", STDIN, "--live", text=xml)
        self.events.wait_device("added", "net0")
        return self.card()

    def card(self):
        return ElementTree.fromstring(virsh("dumpxml", "test")).find("devices/interface")

    def detach(self):
        virsh("detach-interface", "test", self.card().get("type"), "--live")
        self.events.wait_device("removed", "net0")
        self.assertIsNone(self.card())

    def files(self):
        folder = f"/proc/{vmm_pid('test')}/fd"
        return [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]

    def test_bridge(self):
        run("ip link add br7 type bridge; ip link set br7 up mtu 1400")
        virsh("attach-interface", "test", "bridge", "br7", "--mac", MAC, "--model", "virtio", "--live")
        self.events.wait_device("added", "net0")
        self.assertEqual(self.card().find("target").get("dev"), "vnet0")
        self.assertTrue(os.path.exists("/sys/class/net/br7/brif/vnet0"))
        self.assertNotIn("<interface", virsh("dumpxml", "--inactive", "test"))
        self.assertIn("vnet0", virsh("domifstat", "test", "vnet0"))
        self.detach()
        self.assertFalse(has_interface("vnet0"))

    def test_queues(self):
        self.attach(interface_xml("ethernet", "<target dev='many'/><driver queues='4'/>"))
        self.assertEqual(self.files().count("/dev/net/tun"), 4)
        # Another daemon knows of it.
        self.daemon.close_clients()
        self.daemon.restart()
        self.events = self.daemon.events()
        self.detach()
        self.assertNotIn("/dev/net/tun", self.files())
        self.assertFalse(has_interface("many"))

    def test_direct(self):
        name = self.attach(interface_xml("direct", "<source dev='up0' mode='bridge'/>")).find("target").get("dev")
        self.assertTrue(has_interface(name))
        self.detach()
        self.assertFalse(has_interface(name))

    @unittest.skipUnless(shutil.which("passt"), "there is no passt")
    def test_user(self):
        self.attach(interface_xml("user", forward(2222)))
        process, = passt_processes()
        self.assertEqual(os.stat(f"/proc/{process}").st_uid, vmm_user("test")[0])
        with open(f"/proc/{process}/cgroup", encoding="utf-8") as file:
            self.assertIn("test", file.read())
        with socket.create_connection(("127.0.0.1", 2222), 30):
            pass
        self.detach()
        self.assertEqual(passt_processes(), [])

    @unittest.skipUnless(shutil.which("passt"), "there is no passt")
    def test_domain_that_ends(self):
        self.attach(interface_xml("user", forward(2222)))
        self.destroy()
        self.assertEqual(passt_processes(), [])

    def assert_nothing_left(self):
        self.assertIsNone(self.card())
        self.assertEqual(passt_processes(), [])
        self.assertNotIn("/dev/net/tun", self.files())
        self.assertFalse(has_interface("macvtap0"))

    @unittest.skipUnless(shutil.which("passt"), "there is no passt")
    def test_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 2222))
            other.listen()
            self.assert_refused("(?s)passt has ended.*2222", "attach-device", "test", STDIN, "--live",
                                text=interface_xml("user", forward(2222)))
        self.assert_nothing_left()

    def test_what_cannot_be(self):
        for pattern, xml in (("'br8'", interface_xml("bridge", "<source bridge='br8'/>")),
                             ("'gone'", interface_xml("direct", "<source dev='gone'/>")),
                             ("'absent'", interface_xml("ethernet", "<target dev='absent' managed='no'/>"))):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, "attach-device", "test", STDIN, "--live", text=xml)
                self.assert_nothing_left()

    def test_link(self):
        self.attach(interface_xml("ethernet", "<target dev='wire'/>"))
        self.assertIn("up", virsh("domif-getlink", "test", MAC))
        virsh("domif-setlink", "test", "wire", "down")
        self.assertIn("down", virsh("domif-getlink", "test", "wire"))
        self.assertEqual(self.card().find("link").get("state"), "down")
        virsh("domif-setlink", "test", MAC, "up")
        self.assertEqual(self.card().find("link").get("state"), "up")
        self.assertTrue(has_interface("wire"))

    def test_what_cannot_change(self):
        address = ElementTree.tostring(
            self.attach(interface_xml("ethernet", "<target dev='wire'/>")).find("address"), encoding="unicode")
        before = virsh("dumpxml", "test")
        for pattern, xml in (
                ("'type' of interface 'net0'", interface_xml("user")),
                ("'target' of interface 'net0'", interface_xml("ethernet", "<target dev='other'/>")),
                ("'mtu' of interface 'net0'", interface_xml("ethernet", "<mtu size='1400'/>")),
                ("'driver' of interface 'net0'", interface_xml("ethernet", "<driver queues='2'/>")),
                ("MAC address of interface 'net0'", interface_xml("ethernet", address, mac="52:54:00:00:00:01")),
                ("no interface has the MAC address", interface_xml("ethernet", mac="52:54:00:00:00:01")),
                ("e1000", interface_xml("ethernet").replace("virtio", "e1000"))):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, "update-device", "test", STDIN, "--live", text=xml)
        self.assertEqual(virsh("dumpxml", "test"), before)


if __name__ == "__main__":
    unittest.main()
