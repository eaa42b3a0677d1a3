# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Network cards of domains, through stock virsh: what is behind them on the host, in a network namespace of the test's.

That frames go through them is tested where guests use them.
"""

import os
import shutil
import signal
import socket
import subprocess
import unittest
from xml.etree import ElementTree

from support import dhcp, networks
from support.daemon import DaemonTest, STDIN, virsh, vmm_pid, vmm_user
from support.networks import run
from support.waiting import wait_until
from support.where import NATIVE

MAC = "52:54:00:a1:b2:c3"


def interface_xml(kind, content="", mac=MAC):
    return f"<interface type='{kind}'><mac address='{mac}'/>{content}<model type='virtio'/></interface>"


def forward(port, to=22):
    return ("<backend type='passt'/><portForward proto='tcp' address='127.0.0.1'>"
            f"<range start='{port}' to='{to}'/></portForward>")


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
        networks.enter_namespace(self)
        super().setUp()

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

    def rows(self, *options):
        return [line.split() for line in virsh("domiflist", "test", *options).splitlines() if line.strip()]

    def test_list(self):
        run("ip link add br7 type bridge; ip link set br7 up")
        wire = "52:54:00:a1:b2:c4"
        self.define(devices=interface_xml("bridge", "<source bridge='br7'/>") +
                    interface_xml("ethernet", "<target dev='wire'/>", wire))
        defined = [["-", "bridge", "br7", "virtio", MAC], ["wire", "ethernet", "-", "virtio", wire]]
        self.assertEqual(self.rows(), defined)
        self.run_tiny("test")
        self.assertEqual(self.rows(), [["vnet0", *defined[0][1:]], defined[1]])
        self.assertEqual(self.rows("--inactive"), defined)
        self.destroy()
        self.assertEqual(self.rows(), defined)

    def link(self, name, *options):
        return virsh("domif-getlink", "test", name, *options)

    def test_link_of_the_next_start(self):
        self.define(devices=interface_xml("ethernet", "<target dev='wire'/>"))
        self.assertEqual(self.link(MAC, "--config"), f"{MAC} up")
        virsh("domif-setlink", "test", MAC, "down", "--config")
        self.assertEqual(self.link(MAC, "--config"), f"{MAC} down")
        self.assertEqual(self.link("wire"), "wire down")
        self.run_tiny("test")
        self.assertEqual(self.link("wire"), "wire down")
        virsh("domif-setlink", "test", "wire", "up", "--config")
        self.assertEqual(self.link("wire", "--config"), "wire up")
        # The card that is there has not changed.
        self.assertEqual(self.link("wire"), "wire down")
        virsh("domif-setlink", "test", "wire", "up")
        self.assertEqual(self.link("wire"), "wire up")
        self.assert_refused("(?i)interface .*not found", "domif-setlink", "test", "52:54:00:00:00:01", "down", "--config")
        self.assert_refused("(?i)interface .*not found", "domif-getlink", "test", "52:54:00:00:00:01")
        self.destroy()
        self.assertEqual(self.link(MAC), f"{MAC} up")

    def test_device_that_is_removed(self):
        self.start(interface_xml("ethernet", "<target dev='gone'/>"))
        run("ip link delete gone")
        self.assertIn("running", self.state())
        self.destroy()


def traffic_of(device):
    """What the kernel's traffic control says of a device."""
    return subprocess.run(f"tc qdisc show dev {device}; tc class show dev {device}; "
                          f"tc filter show dev {device} parent ffff:",
                          shell=True, check=True, capture_output=True, text=True).stdout


def can_police():
    """Whether this kernel can drop what is too much, tried on a device that is there for it alone."""
    return subprocess.run("ip tuntap add trial mode tap && tc qdisc add dev trial ingress && "
                          "tc filter add dev trial parent ffff: protocol all u32 match u32 0 0 "
                          "police rate 1000kbps burst 1000kb mtu 64kb drop flowid :1; "
                          "result=$?; ip link delete trial; exit $result",
                          shell=True, check=False, capture_output=True).returncode == 0


@unittest.skipUnless(shutil.which("tc"), "there is no tc")
@unittest.skipIf(networks.why_not(), str(networks.why_not()))
class Networks(DomainNetwork):
    """Those of libvirt's own daemon, which is the stock one."""

    # As the one that is called "default", but for the firewall's rules.
    with_dhcp = ("<forward mode='open'/><bridge name='virbr7'/><ip address='192.168.122.1' netmask='255.255.255.0'>"
                 "<dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>")
    card = interface_xml("network", "<source network='default'/>")

    def setUp(self):
        super().setUp()
        self.networks = self.enterContext(networks.NetworkDaemon())

    def in_bridge(self, bridge):
        return os.listdir(f"/sys/class/net/{bridge}/brif")

    def test_default(self):
        self.networks.define("default", self.with_dhcp)
        self.networks.start("default")
        element = self.start(self.card)
        self.assertEqual(element.find("source").get("network"), "default")
        self.assertEqual(element.find("source").get("bridge"), "virbr7")
        self.assertEqual(element.find("target").get("dev"), "vnet0")
        self.assertIn("vnet0", self.in_bridge("virbr7"))
        self.assertNotIn("virbr7", virsh("dumpxml", "--inactive", "test"))
        # Another daemon knows of it.
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertIn("virbr7", virsh("dumpxml", "test"))
        self.destroy()
        self.assertNotIn("vnet0", self.in_bridge("virbr7"))

    def test_bridge_of_the_hosts(self):
        run("ip link add br7 type bridge; ip link set br7 up")
        self.networks.define("default", "<forward mode='bridge'/><bridge name='br7'/>")
        self.networks.start("default")
        self.start(self.card)
        self.assertIn("vnet0", self.in_bridge("br7"))
        self.destroy()

    def test_network_that_does_not_run(self):
        self.networks.define("default", self.with_dhcp)
        self.define(devices=self.card)
        self.assert_refused("'default'.*not active", "start", "test")
        self.networks.start("default")
        self.run_tiny("test")
        self.destroy()

    def test_network_that_is_not_there(self):
        self.define(devices=self.card)
        self.assert_refused("'default'", "start", "test")
        self.assertFalse(has_interface("vnet0"))

    def test_lease(self):
        self.networks.define("default", self.with_dhcp)
        self.networks.start("default")
        run("ip link add br8 type bridge; ip link set br8 up")
        self.define(devices=self.card + interface_xml("bridge", "<source bridge='br8'/>", "52:54:00:a1:b2:c4"))
        for command in ("domifaddr", "domhostname"):
            self.assert_refused("'test' is not running", command, "test", "--source", "lease")
        self.run_tiny("test")
        self.assertEqual(virsh("domifaddr", "test"), "")
        self.assert_refused("no hostname found: .*'test'", "domhostname", "test", "--source", "lease")
        with dhcp.Client("virbr7", MAC, "anvil") as client:
            address = client.lease()
        for options in ([], ["--source", "lease"]):
            self.assertEqual(virsh("domifaddr", "test", *options, readonly=True).split(),
                             ["vnet0", MAC, "ipv4", f"{address}/24"])
        self.assertEqual(virsh("domhostname", "test", "--source", "lease"), "anvil")
        # Who has no lease has no addresses; those of another card are nobody else's.
        virsh("detach-interface", "test", "network", "--mac", MAC, "--config")
        self.destroy()
        self.run_tiny("test")
        self.assertEqual(virsh("domifaddr", "test"), "")
        self.destroy()

    def test_lease_of_a_network_that_has_gone(self):
        self.networks.define("default", self.with_dhcp)
        self.networks.start("default")
        self.start(self.card)
        self.networks.virsh("net-destroy", "default")
        self.networks.virsh("net-undefine", "default")
        self.assert_refused("'default'", "domifaddr", "test")
        self.assert_refused("'default'", "domhostname", "test", "--source", "lease")
        self.destroy()

    def test_plug(self):
        self.networks.define("default", self.with_dhcp)
        self.networks.start("default")
        self.define(devices="<controller type='pci' model='pcie-root-port'/>" * 3)
        virsh("start", "--paused", "test")
        events = self.daemon.events()
        self.addCleanup(events.close)
        virsh("attach-interface", "test", "network", "default", "--mac", MAC, "--model", "virtio", "--live")
        events.wait_device("added", "net0")
        self.assertIn("vnet0", self.in_bridge("virbr7"))
        self.destroy()


class Bandwidth(DomainNetwork):
    """How much may come to a guest, and go from it."""

    inbound = "<bandwidth><inbound average='1000' burst='512'/></bandwidth>"

    def limits(self, *options):
        lines = virsh("domiftune", "test", MAC, *options).splitlines()
        numbers = {line.split(":")[0].strip(): int(line.split(":")[1]) for line in lines if line.strip()}
        return {name: number for name, number in numbers.items() if number}

    def test_inbound(self):
        self.start(interface_xml("ethernet", "<target dev='wire'/>" + self.inbound))
        traffic = traffic_of("wire")
        self.assertIn("qdisc htb 1: root", traffic)
        self.assertRegex(traffic, "class htb 1:1 root.* rate 8Mbit ceil 8Mbit burst 512Kb")
        self.assertEqual(self.limits(), {"inbound.average": 1000, "inbound.burst": 512})
        virsh("domiftune", "test", "wire", "--inbound", "2000,4000", "--live")
        self.assertRegex(traffic_of("wire"), "class htb 1:1 root.* rate 16Mbit ceil 32Mbit")
        self.assertEqual(self.limits("--live"), {"inbound.average": 2000, "inbound.peak": 4000})
        self.assertEqual(self.limits("--config"), {"inbound.average": 1000, "inbound.burst": 512})
        virsh("domiftune", "test", MAC, "--inbound", "0", "--live", "--config")
        self.assertNotIn("htb", traffic_of("wire"))
        for options in ([], ["--inactive"]):
            self.assertNotIn("<bandwidth>", virsh("dumpxml", *options, "test"))
        xml = virsh("dumpxml", "test").split("<interface")[1].split("</interface>")[0]
        virsh("update-device", "test", STDIN, "--live",
              text=f"<interface{xml.replace('<target', self.inbound + '<target')}</interface>")
        self.assertRegex(traffic_of("wire"), "class htb 1:1 root.* rate 8Mbit")
        self.destroy()

    def test_outbound(self):
        xml = interface_xml("ethernet", "<target dev='wire'/><bandwidth><outbound average='1000' burst='512'/>"
                                        "</bandwidth>")
        if can_police():
            self.start(xml)
            self.assertRegex(traffic_of("wire"), "rate 8Mbit burst 512Kb")
            virsh("domiftune", "test", MAC, "--outbound", "0", "--live")
            self.assertNotIn("ingress", traffic_of("wire"))
            self.destroy()
        else:
            self.define(devices=xml)
            self.assert_refused("'wire' cannot be limited: .*act_police", "start", "test")
            self.assertFalse(has_interface("wire"))

    def test_a_change_that_fails(self):
        self.start(interface_xml("ethernet", "<target dev='wire'/>" + self.inbound))
        if can_police():
            virsh("domiftune", "test", MAC, "--outbound", "3000", "--live")
        else:
            self.assert_refused("'wire' cannot be limited: .*act_police", "domiftune", "test", MAC, "--inbound", "2000",
                                "--outbound", "3000", "--live")
            self.assertEqual(self.limits("--live"), {"inbound.average": 1000, "inbound.burst": 512})
        self.assertRegex(traffic_of("wire"), "class htb 1:1 root.* rate 8Mbit ceil 8Mbit burst 512Kb")
        self.destroy()

    def test_macvtap_has_it_the_other_way_round(self):
        name = self.start(interface_xml("direct", "<source dev='up0' mode='bridge'/><bandwidth>"
                                                  "<outbound average='500'/></bandwidth>")).find("target").get("dev")
        self.assertRegex(traffic_of(name), "class htb 1:1 root.* rate 4Mbit")
        self.destroy()

    def test_device_that_stays(self):
        run("ip tuntap add mine mode tap vnet_hdr")
        self.start(interface_xml("ethernet", "<target dev='mine' managed='no'/>" + self.inbound))
        self.assertIn("htb", traffic_of("mine"))
        self.destroy()
        self.assertNotIn("htb", traffic_of("mine"))

    def test_what_cannot_be(self):
        self.define(devices=interface_xml("user"))
        virsh("start", "--paused", "test")
        for where in ("--live", "--config"):
            self.assert_refused("bandwidth.*passt", "domiftune", "test", MAC, "--inbound", "1000", where)
        self.assert_refused("has no interface", "domiftune", "test", "52:54:00:00:00:01", "--inbound", "1000")
        self.assert_refused("'inbound.floor'", "domiftune", "test", MAC, "--inbound", "1000,,,100")
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
