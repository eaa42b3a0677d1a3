# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's agent, by stock virsh: one that does what it should, and one that means harm."""

import contextlib
import json
import os
import socket
import struct
import tempfile
import threading
import unittest
import unittest.mock
from xml.etree import ElementTree

from support import rpc
from support.adopted import wait_adopted
from support.daemon import Daemon, SOCKET_READONLY, VirshError, virsh
from support.fake_vmm import FakeVmm
from support.rpc import Rpc
from support.waiting import Timeout, wait_until

REGISTER, AGENT_LIFECYCLE, AGENT_LIFECYCLE_EVENT = 316, 18, 348

ANSWERS = {
    "guest-ping": {},
    "guest-get-host-name": {"host-name": "inside"},
    "guest-get-time": 1700000000123456789,
    "guest-set-time": {},
    "guest-fsfreeze-freeze-list": 2,
    "guest-fsfreeze-thaw": 2,
    "guest-fstrim": {"paths": []},
    "guest-set-user-password": {},
    "guest-ssh-get-authorized-keys": {"keys": ["ssh-ed25519 AAAA me@there", 7, None, {"a": "b"}, "two\nlines",
                                               "\x1b[2J", "ssh-rsa\tBBBB"]},
    "guest-ssh-add-authorized-keys": {},
    "guest-ssh-remove-authorized-keys": {},
    "guest-get-vcpus": [{"logical-id": 0, "online": True, "can-offline": False},
                        {"logical-id": 1, "online": True, "can-offline": True}],
    "guest-set-vcpus": 1,
    "guest-get-osinfo": {"id": "debian", "pretty-name": "Debian", "kernel-release": 7},
    "guest-get-users": [{"user": "root", "login-time": 1.5}],
    "guest-get-timezone": {"zone": "CET", "offset": 3600},
    "guest-get-fsinfo": [{"name": "vda1", "mountpoint": "/", "type": "ext4", "total-bytes": 10, "used-bytes": 5,
                          "disk": [{"serial": "s", "dev": "/dev/vda1", "pci-controller": {"bus": 9}}]},
                         {"name": "sda1", "mountpoint": "/data", "type": "ext4", "disk": [
                             {"bus-type": "sata", "unit": 3, "pci-controller": {"bus": 0, "slot": 31, "function": 2}},
                             {"bus-type": "sata", "unit": 4, "pci-controller": {"bus": 0, "slot": 31, "function": 2}},
                             {"bus-type": "sata", "unit": 3, "pci-controller": {"bus": 0, "slot": 30, "function": 2}},
                             {"unit": -1, "pci-controller": {}}]},
                         {"name": "vdb", "mountpoint": "/more", "type": "ext4",
                          "disk": [{"pci-controller": {"bus": 1}}]}],
    "guest-get-disks": [
        {"name": "/dev/sdd", "partition": False, "address": {
            "bus-type": "sata", "unit": 3, "serial": "s", "pci-controller": {"bus": 0, "slot": 31, "function": 2}}},
        {"name": "/dev/dm-0", "partition": False, "dependencies": ["/dev/sdd", 7], "alias": "home"},
        {"name": "/dev/vdb1", "partition": True, "dependencies": ["/dev/vdb"], "address": 7}],
    "guest-network-get-interfaces": [
        {"name": "eth0", "hardware-address": "52:54:00:00:00:01", "ip-addresses": [
            {"ip-address": "10.0.2.15", "ip-address-type": "ipv4", "prefix": 24},
            {"ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 999}]}],
}


class Agent(contextlib.ExitStack):
    """Somebody who listens where the VMM would, and answers as the guest's agent."""

    def __init__(self, path):
        super().__init__()
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self.asked = []
        self.is_silent = False
        self.rubbish = b""
        self._listener = self.enter_context(socket.socket(socket.AF_UNIX))
        self._listener.bind(path)
        self._listener.listen()
        self.callback(self._listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, contextlib.suppress(OSError):
                    self._talk(client)

    def _talk(self, client):
        for line in client.makefile("rb"):
            request = json.loads(line.lstrip(b"\xff"))
            command = request["execute"]
            if self.is_silent:
                continue
            if command == "guest-sync-delimited":
                client.sendall(self.rubbish + b"\xff" + self._text(request["arguments"]["id"]))
                continue
            self.asked.append(request)
            if command in ANSWERS:
                client.sendall(self._text(ANSWERS[command]))
            elif command != "guest-shutdown":
                client.sendall(json.dumps({"error": {"class": "CommandNotFound", "desc": "unknown"}}).encode() + b"\n")

    @staticmethod
    def _text(answer):
        return json.dumps({"return": answer}).encode() + b"\n"


class Agents(unittest.TestCase):
    """A domain whose VMM is made up, and has the agent's channel."""

    def setUp(self):
        self.path = "/run/libvirt/gmem-test-agent/socket"
        channel = (f"<controller type='virtio-serial' index='0'/><channel type='unix'>"
                   f"<source mode='bind' path='{self.path}'/>"
                   f"<target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>"
                   f"<alias name='channel0'/>"
                   f"<address type='virtio-serial' controller='0' bus='0' port='1'/></channel>"
                   f"<disk type='file' device='disk'><source file='/never'/><target dev='vdb' bus='virtio'/>"
                   f"<alias name='virtio-disk1'/>"
                   f"<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></disk>"
                   f"<disk type='file' device='disk'><source file='/neither'/><target dev='sdd' bus='sata'/>"
                   f"<alias name='sata0-0-3'/>"
                   f"<address type='drive' controller='0' bus='0' target='0' unit='3'/></disk>")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.agent = self.enterContext(Agent(self.path))
        self.vmm = self.enterContext(FakeVmm(devices=channel))
        self.daemon = self.enterContext(Daemon())
        wait_adopted("test")

    def state(self):
        return ElementTree.fromstring(virsh("dumpxml", "test")).find("devices/channel/target").get("state")

    def connect(self):
        self.vmm.say("VSERPORT_CHANGE", id="channel0", open=True)
        wait_until(lambda: self.state() == "connected", 30, "the channel's state")

    def command(self, name):
        return json.loads(virsh("qemu-agent-command", "test", json.dumps({"execute": name})))

    def test_an_agent_is_asked_when_it_is_there(self):
        with self.assertRaisesRegex(VirshError, "no guest agent of domain 'test' is connected"):
            virsh("qemu-agent-command", "test", '{"execute":"guest-ping"}')
        self.connect()
        self.assertEqual(self.command("guest-ping"), {"return": {}})
        self.assertEqual(self.command("guest-nothing")["error"]["class"], "CommandNotFound")
        self.vmm.say("VSERPORT_CHANGE", id="channel0", open=False)
        wait_until(lambda: self.state() == "disconnected", 30, "the channel's state")

    def test_calls(self):
        self.connect()
        self.assertIn("inside", virsh("domhostname", "test", "--source", "agent"))
        self.assertIn("1700000000", virsh("domtime", "test"))
        virsh("domtime", "test", "--time", "1700000001")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"time": 1700000001000000000})
        virsh("domfsfreeze", "test", "--mountpoint", "/home")
        virsh("domfsthaw", "test")
        self.assertEqual([request["execute"] for request in self.agent.asked[-2:]],
                         ["guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw"])
        virsh("domfstrim", "test", "--minimum", "4096")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"minimum": 4096})
        virsh("set-user-password", "test", "root", "secret")
        self.assertEqual(self.agent.asked[-1]["arguments"],
                         {"username": "root", "password": "c2VjcmV0", "crypted": False})
        self.assertIn("0-1", virsh("guestvcpus", "test"))
        virsh("guestvcpus", "test", "--disable", "--cpulist", "1")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"vcpus": [{"logical-id": 1, "online": False}]})
        self.assertEqual([virsh("vcpucount", "test", "--guest"), virsh("vcpucount", "test", "--guest", "--maximum")],
                         ["2", "2"])
        virsh("setvcpus", "test", "1", "--guest")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"vcpus": [{"logical-id": 1, "online": False}]})
        asked = len(self.agent.asked)
        virsh("setvcpus", "test", "2", "--guest")
        self.assertEqual([request["execute"] for request in self.agent.asked[asked:]], ["guest-get-vcpus"])
        with self.assertRaisesRegex(VirshError, "cannot use 3 vCPUs: it has 2, 2 of them online"):
            virsh("setvcpus", "test", "3", "--guest")
        self.assertIn("10.0.2.15/24", virsh("domifaddr", "test", "--source", "agent"))
        self.assertIn("ext4", virsh("domfsinfo", "test"))
        info = virsh("guestinfo", "test")
        for part in ("os.id", "debian", "user.0.name", "fs.0.mountpoint", "if.0.addr.0.addr", "timezone.offset"):
            self.assertIn(part, info)
        disks = {line.split()[0]: line.split()[3:] for line in virsh("domfsinfo", "test").splitlines()}
        self.assertEqual(disks, {"/": [], "/data": ["sdd"], "/more": ["vdb"]})
        disks = {line.split(":")[0].strip(): line.split(":")[1].strip()
                 for line in virsh("guestinfo", "test", "--disk").splitlines()}
        self.assertEqual(disks, {
            "disk.count": "3",
            "disk.0.name": "/dev/sdd", "disk.0.partition": "no", "disk.0.serial": "s", "disk.0.alias": "sdd",
            "disk.0.guest_bus": "sata",
            "disk.1.name": "/dev/dm-0", "disk.1.partition": "no", "disk.1.dependency.count": "2",
            "disk.1.dependency.0.name": "/dev/sdd", "disk.1.guest_alias": "home",
            "disk.2.name": "/dev/vdb1", "disk.2.partition": "yes", "disk.2.dependency.count": "1",
            "disk.2.dependency.0.name": "/dev/vdb"})
        # What is of another type than it should be is left out.
        self.assertNotIn("kernel-release", info)

    def test_ssh_keys(self):
        self.connect()
        # What is no line is left out. virsh prints one behind the other, with nothing in between.
        self.assertEqual(virsh("get-user-sshkeys", "test", "root"), "ssh-ed25519 AAAA me@theressh-rsa\tBBBB")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"username": "root"})
        file = self.enterContext(tempfile.NamedTemporaryFile("w"))
        # virsh makes a key of what is between two ends of a line, empty or not.
        file.write("ssh-rsa AAAA one\nssh-rsa BBBB two")
        file.flush()
        keys = ["ssh-rsa AAAA one", "ssh-rsa BBBB two"]
        for options, command, arguments in (
                (["--file", file.name], "guest-ssh-add-authorized-keys", {"keys": keys, "reset": False}),
                (["--file", file.name, "--reset"], "guest-ssh-add-authorized-keys", {"keys": keys, "reset": True}),
                (["--reset"], "guest-ssh-add-authorized-keys", {"keys": [], "reset": True}),
                (["--file", file.name, "--remove"], "guest-ssh-remove-authorized-keys", {"keys": keys})):
            with self.subTest(options=options):
                virsh("set-user-sshkeys", "test", "gmem", *options)
                self.assertEqual(self.agent.asked[-1],
                                 {"execute": command, "arguments": {"username": "gmem", **arguments}})
        for command in (["get-user-sshkeys", "test", "root"], ["set-user-sshkeys", "test", "root", "--reset"]):
            with self.assertRaisesRegex(VirshError, "read only|forbidden"):
                virsh(*command, readonly=True)

    def test_ssh_keys_of_an_agent_that_means_harm(self):
        self.connect()
        for answer in ({}, [], 7, {"keys": "ssh-rsa AAAA"}, {"keys": ["ssh-rsa AAAA"] * 2049}):
            with self.subTest(answer=str(answer)[:40]), unittest.mock.patch.dict(
                    ANSWERS, {"guest-ssh-get-authorized-keys": answer}):
                with self.assertRaisesRegex(VirshError, "no list of at most 2048 keys"):
                    virsh("get-user-sshkeys", "test", "root")
        with unittest.mock.patch.dict(ANSWERS, {"guest-ssh-get-authorized-keys": {"keys": []}}):
            self.assertEqual(virsh("get-user-sshkeys", "test", "root"), "")
        self.assertEqual(self.command("guest-ping"), {"return": {}})

    def test_shutdown_and_reboot(self):
        with self.assertRaisesRegex(VirshError, "connected"):
            virsh("shutdown", "test", "--mode", "agent")
        virsh("shutdown", "test")
        self.assertEqual(self.vmm.counts()[0]["system_powerdown"], 1)
        self.connect()
        virsh("shutdown", "test", "--mode", "agent")
        self.assertEqual(self.agent.asked[-1], {"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}})
        virsh("reboot", "test")
        self.assertEqual(self.agent.asked[-1]["arguments"], {"mode": "reboot"})
        self.assertEqual(self.vmm.counts()[0]["system_powerdown"], 1)

    def test_a_silent_agent_costs_its_caller_a_while_and_nobody_else_anything(self):
        self.connect()
        self.agent.is_silent = True
        with self.assertRaisesRegex(VirshError, "not responding"):
            virsh("domtime", "test")
        # The button is left where somebody would be content with it.
        virsh("shutdown", "test")
        self.assertEqual(self.vmm.counts()[0]["system_powerdown"], 1)
        self.agent.is_silent = False
        self.agent.rubbish = b'{"return": 7}\n\x00{"x": [[[' + b"[" * 100000 + b"\n"
        self.assertEqual(self.command("guest-ping"), {"return": {}})

    def test_clients_hear_of_it(self):
        client = self.enterContext(Rpc(SOCKET_READONLY)).open()
        reply = client.call(REGISTER, struct.pack(">iI", AGENT_LIFECYCLE, 0))
        self.assertEqual(reply.status, rpc.OK, reply.error)
        for is_open, state in ((True, 1), (False, 2)):
            self.vmm.say("VSERPORT_CHANGE", id="channel0", open=is_open)
            event = client.receive(30)
            self.assertEqual((event.procedure, event.payload[-8:]),
                             (AGENT_LIFECYCLE_EVENT, struct.pack(">ii", state, 2)))
        # Neither what is no news nor what is no channel is told.
        self.vmm.say("VSERPORT_CHANGE", id="channel0", open=False)
        self.vmm.say("VSERPORT_CHANGE", id="virtio-serial0", open=True)
        virsh("uri")
        with self.assertRaises(Timeout):
            client.receive(1)

    def test_a_new_daemon_knows_the_channel(self):
        self.connect()
        self.daemon.stop()
        self.daemon.start()
        wait_adopted("test")
        self.assertEqual(self.state(), "connected")
        self.assertEqual(self.command("guest-ping"), {"return": {}})

    def test_a_monitor_command_taints_the_domain(self):
        answer = json.loads(virsh("qemu-monitor-command", "test", '{"execute":"query-status"}'))
        self.assertEqual(answer["return"]["status"], "running")
        self.assertIn("tainted", virsh("dominfo", "test"))
        with self.assertRaisesRegex(VirshError, "JSON commands alone"):
            virsh("qemu-monitor-command", "test", "--hmp", "info status")
