# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Consoles, channels and sockets of domains, through stock virsh: what the daemon makes for the VMM, and what is left.

What the guest's agent is asked is tried with one that is made up (tests/hostile/test_agents.py).
"""

import os
import socket
import stat
import tempfile
from xml.etree import ElementTree

from support.adopted import wait_adopted
from support.daemon import DaemonTest, STDIN, VirshError, virsh
from support.where import NATIVE, everywhere

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
CONSOLE = "<console type='pty'><target type='virtio'/></console>"
FILE = "<channel type='file'><source path='/tmp/gmem-test.channel'/><target type='virtio' name='f'/></channel>"


def live(path):
    return ElementTree.fromstring(virsh("dumpxml", "test")).find(path)


class Channels(DaemonTest):
    """Domains whose guests have no driver for them."""

    where = NATIVE

    def test_the_agents_socket_is_there_while_the_domain_runs(self):
        self.define(devices=AGENT + CONSOLE)
        self.assertIsNone(live("devices/channel/source"))
        self.run_tiny()
        path = live("devices/channel/source").get("path")
        status = os.stat(path)
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)), (os.geteuid(), 0o600))
        self.assertEqual(live("devices/channel/target").get("state"), "disconnected")
        self.assertEqual(live("devices/channel/alias").get("name"), "channel0")
        with self.assertRaisesRegex(VirshError, "no guest agent of domain 'test' is connected"):
            virsh("qemu-agent-command", "test", '{"execute":"guest-ping"}')
        with self.assertRaisesRegex(VirshError, "no guest agent of domain 'test' is connected"):
            virsh("shutdown", "test", "--mode", "agent")
        virsh("destroy", "test")
        self.assertFalse(os.path.exists(os.path.dirname(path)))

    def test_a_live_document_defines_a_domain_without_its_runs_socket(self):
        self.define(devices=AGENT)
        self.run_tiny()
        document = virsh("dumpxml", "test")
        virsh("destroy", "test")
        self.daemon.define(document)
        self.assertIsNone(live("devices/channel/source"))
        self.assertIsNone(live("devices/channel/target").get("state"))

    def test_a_console_of_virtio_is_opened_by_its_alias(self):
        self.define(devices=CONSOLE)
        self.run_tiny()
        paths = [console.get("tty") for console in ElementTree.fromstring(virsh("dumpxml", "test")).iter("console")]
        self.assertEqual(len(set(paths)), 2)
        self.daemon.console("test", "--devname", "console1")
        console = self.daemon.console_unconnected("test", "--devname", "console7")
        self.assertNotEqual(console.wait_end(), 0)
        self.assertIn("cannot find console device 'console7'", console.text)

    def test_a_domain_without_an_agents_channel_has_none(self):
        self.define(devices=CONSOLE)
        self.run_tiny()
        with self.assertRaisesRegex(VirshError, "takes a channel of type 'unix'"):
            virsh("domtime", "test")


class Plug(DaemonTest):
    """Consoles and channels that come and go."""

    where = NATIVE
    controller = "<controller type='virtio-serial' index='0'/>"

    def attach(self, xml, *options):
        virsh("attach-device", "test", STDIN, *options, text=xml)

    def detach(self, xml, *options):
        virsh("detach-device", "test", STDIN, *options, text=xml)

    @everywhere
    def test_a_channel_comes_and_goes(self):
        self.define(devices=self.controller)
        self.run_tiny()
        events = self.daemon.events()
        self.attach(AGENT, "--live")
        events.wait_device("added", "channel0")
        self.assertEqual(live("devices/channel/target").get("state"), "disconnected")
        path = live("devices/channel/source").get("path")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        # The next daemon knows of it, and that the VMM has it.
        document = virsh("dumpxml", "test")
        self.daemon.close_clients()
        self.daemon.restart()
        wait_adopted("test")
        self.assertEqual(virsh("dumpxml", "test"), document)
        self.assertNotIn("<channel", virsh("dumpxml", "--inactive", "test"))
        events = self.daemon.events()
        self.detach(AGENT, "--live")
        events.wait_device("removed", "channel0")
        self.assertIsNone(live("devices/channel"))
        self.assertFalse(os.path.exists(path))
        virsh("destroy", "test")

    def test_a_channel_that_is_a_socket_of_the_network(self):
        self.define(devices=self.controller)
        self.run_tiny()
        events = self.daemon.events()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(30)
            port = server.getsockname()[1]
            channel = (f"<channel type='tcp'><source mode='connect' host='127.0.0.1' service='{port}'/>"
                       "<protocol type='raw'/><target type='virtio' name='t'/></channel>")
            self.attach(channel, "--live")
            events.wait_device("added", "channel0")
            connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            self.detach(channel, "--live")
            events.wait_device("removed", "channel0")
            self.assertEqual(connection.recv(1), b"")
        virsh("destroy", "test")

    def test_a_console_in_both(self):
        self.define(devices=self.controller)
        self.run_tiny()
        self.attach(CONSOLE, "--live", "--config")
        self.daemon.console("test", "--devname", "console1").close()
        events = self.daemon.events()
        self.detach(CONSOLE, "--live", "--config")
        events.wait_device("removed", "console1")
        for options in ([], ["--inactive"]):
            self.assertNotIn("<target type='virtio'", virsh("dumpxml", *options, "test"))
        virsh("destroy", "test")

    def test_a_definition(self):
        self.define()
        for xml in (FILE, CONSOLE, AGENT):
            self.attach(xml, "--config")
        self.assertIsNotNone(live("devices/controller[@type='virtio-serial']"))
        self.assertEqual([channel.get("type") for channel in live("devices").iterfind("channel")], ["file", "unix"])
        self.detach(AGENT, "--config")
        self.assert_refused("device not found: .*'channel'", "detach-device", "test", STDIN, "--config", text=AGENT)
        self.assertEqual([channel.get("type") for channel in live("devices").iterfind("channel")], ["file"])

    def test_what_cannot_be(self):
        self.define(devices=self.controller + AGENT)
        self.run_tiny()
        document = virsh("dumpxml", "test")
        for pattern, command, xml in (
                ("'channel' writes to a file", "attach-device", FILE),
                ("have the name 'org.qemu.guest_agent.0'", "attach-device", AGENT),
                ("channel's socket: cannot connect to '/nowhere/socket'", "attach-device",
                 "<channel type='unix'><source path='/nowhere/socket'/><target type='virtio' name='a'/></channel>"),
                ("target has the type 'virtio'", "attach-device", "<console type='pty'/>"),
                ("device not found", "detach-device", CONSOLE),
                ("'channel' cannot be updated", "update-device", AGENT)):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, command, "test", STDIN, "--live", text=xml)
        self.assertEqual(virsh("dumpxml", "test"), document)
        virsh("destroy", "test")

    def test_without_a_controller(self):
        self.define()
        self.run_tiny()
        self.assert_refused("no port of a virtio-serial controller", "attach-device", "test", STDIN, "--live",
                            text=CONSOLE)
        virsh("destroy", "test")


class Sockets(DaemonTest):
    """A serial port that is a socket."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.path = os.path.join(folder, "socket")

    def define_socket(self, mode):
        self.define(does="o", serial=f"<serial type='unix'><source mode='{mode}' path='{self.path}'/></serial>")

    def assert_ready(self, connection):
        """The guest's words come."""
        connection.settimeout(30)
        text = b""
        while b"ready" not in text:
            data = connection.recv(4096)
            self.assertTrue(data, text)
            text += data

    def test_one_that_is_connected_to(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path)
            server.listen()
            self.define_socket("connect")
            virsh("start", "test")
            connection, _ = server.accept()
            with connection:
                self.assert_ready(connection)

    def define_on_network(self, mode, port):
        source = f"<source mode='{mode}' host='127.0.0.1' service='{port}'/><protocol type='raw'/>"
        self.define(does="o", serial=f"<serial type='tcp'>{source}</serial>")

    def test_one_of_the_network_that_is_connected_to(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(30)
            self.define_on_network("connect", server.getsockname()[1])
            virsh("start", "test")
            connection, _ = server.accept()
            with connection:
                self.assert_ready(connection)

    def test_one_of_the_network_that_listens_goes_with_the_run(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = probe.getsockname()
        self.define_on_network("bind", address[1])
        virsh("start", "test", "--paused")
        with socket.create_connection(address, 30) as client:
            virsh("resume", "test")
            self.assert_ready(client)
        virsh("destroy", "test")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(address, 30)

    def test_one_that_listens_goes_with_the_run(self):
        self.define_socket("bind")
        virsh("start", "test", "--paused")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)
            virsh("resume", "test")
            self.assert_ready(client)
        # It is this domain's, as long as it runs.
        self.define("other", serial=f"<serial type='unix'><source mode='bind' path='{self.path}'/></serial>")
        self.assert_refused("Address already in use", "start", "other")
        self.assertTrue(os.path.exists(self.path))
        virsh("destroy", "test")
        self.assertFalse(os.path.exists(self.path))
        virsh("start", "other")

    def test_a_server_that_is_not_there_is_named(self):
        self.define_socket("connect")
        self.assert_refused(f"serial port's socket: cannot connect to '{self.path}'", "start", "test")
        self.assertIn("shut off", self.state())
