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

from support.daemon import DaemonTest, virsh, vmm_pid, vmm_user
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


if __name__ == "__main__":
    unittest.main()
