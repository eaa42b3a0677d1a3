# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh console, and what else becomes of a guest's serial port."""

import os
import tempfile
import termios
import xml.etree.ElementTree as ElementTree

from support.daemon import DaemonTest, domain_xml, virsh
from support.waiting import Deadline, Timeout, wait_until
from support.where import NATIVE, everywhere

# How virsh ends a console: its escape character, and then it is asked once more.
ESCAPE = "\x1d"

REFUSED = "Active console session exists for this domain"


def open_terminal(path):
    """Opens a terminal that is not to be this process's own."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    return os.fdopen(fd, "r+b", buffering=0)


def wait_content(path, wanted, seconds=30):
    """Waits until a file has a text in it; all that is there then."""
    deadline = Deadline(seconds)
    while True:
        with open(path, encoding="utf-8", errors="replace") as file:
            content = file.read()
        if wanted in content:
            return content
        if deadline.is_over():
            raise Timeout(f"'{path}' has no {wanted!r}: {content!r}")
        # A call to and fro, so that others have a turn.
        virsh("uri")


class Console(DaemonTest):
    """The console of a guest that echoes what it gets."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.define(does="e")

    def test_the_console_shows_what_the_guest_writes_and_takes_input(self):
        console = self.run_tiny()
        for word in ("one", "two", "three"):
            console.send(word)
            console.wait_for(word, 30)

    def test_a_long_line_arrives_whole(self):
        console = self.run_tiny()
        line = "".join(f"{i:04}" for i in range(50))
        console.send(line)
        console.wait_for(line, 60)

    @everywhere
    def test_every_byte_but_the_escape_passes_both_ways_unchanged(self):
        console = self.run_tiny()
        sent = bytes(byte for byte in range(256) if byte != ord(ESCAPE))
        before = len(console.data)
        console.send_bytes(sent)
        console.wait_bytes(before + len(sent), 60)
        self.assertEqual(console.data[before:], sent)

    def test_a_lot_of_input_at_once_loses_nothing(self):
        console = self.run_tiny()
        sent = b"".join(b"%07d\n" % i for i in range(250))
        before = len(console.data)
        console.send_bytes(sent)
        console.wait_bytes(before + len(sent), 100)
        self.assertEqual(console.data[before:], sent)

    def test_the_escape_ends_the_console_and_it_can_be_opened_again(self):
        console = self.run_tiny()
        console.send(ESCAPE)
        self.assertEqual(console.wait_end(), 0)
        self.check_again()

    def check_again(self):
        """The console can be had, without force."""
        console = self.daemon.console("test")
        console.send("again")
        console.wait_for("again", 30)
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_a_second_console_is_refused_and_the_first_goes_on(self):
        console = self.run_tiny()
        second = self.daemon.console_unconnected("test")
        self.assertNotEqual(second.wait_end(), 0)
        self.assertIn(REFUSED, second.text)
        console.send("mine")
        console.wait_for("mine", 30)

    def test_force_takes_the_console_over(self):
        first = self.run_tiny()
        second = self.daemon.console("test", "--force")
        first.wait_end()
        second.send("mine now")
        second.wait_for("mine now", 30)
        self.assertNotIn("mine now", first.text)
        self.assertIn("another client has taken the console over", first.text)
        # The end of the first one is not taken for the second's.
        third = self.daemon.console_unconnected("test")
        third.wait_end()
        self.assertIn(REFUSED, third.text)

    def test_the_console_of_a_domain_that_is_off_is_refused(self):
        console = self.daemon.console_unconnected("test")
        self.assertNotEqual(console.wait_end(), 0)
        self.assertRegex(console.text, "not running")

    def test_a_console_device_that_does_not_exist_is_refused(self):
        virsh("start", "test")
        console = self.daemon.console_unconnected("test", "--devname", "serial7")
        self.assertNotEqual(console.wait_end(), 0)
        self.assertIn("cannot find console device 'serial7'", console.text)
        self.daemon.console("test", "--devname", "serial0")

    def test_a_client_that_is_killed_gives_the_console_free(self):
        console = self.run_tiny()
        before = self.daemon.settled_descriptors(clients=1)
        console.send("x" * 100)
        console.close()
        self.wait_free()
        self.check_again()
        self.daemon.wait_descriptors(before)

    def wait_free(self):
        """Waits until the daemon has seen that the last console is gone."""
        path = self.terminal()
        deadline = Deadline(30)
        while path in self.daemon.descriptors():
            if deadline.is_over():
                raise Timeout("the daemon keeps the terminal open")
            virsh("uri")

    def terminal(self):
        """The path of the guest's terminal."""
        devices = ElementTree.fromstring(virsh("dumpxml", "test")).find("devices")
        return devices.find("serial/source").get("path")

    def test_the_console_ends_with_the_guest(self):
        for end in (["shutdown"], ["destroy"]):
            with self.subTest(end=end):
                console = self.run_tiny()
                virsh(*end, "test")
                self.assertEqual(console.wait_end(), 0)

    def test_a_console_of_a_paused_domain_waits_for_it(self):
        virsh("start", "--paused", "test")
        console = self.daemon.console("test")
        console.send("early")
        self.assertEqual(virsh("domstate", "test"), "paused")
        virsh("resume", "test")
        console.wait_for("early", 30)

    def test_start_with_console_connects_at_once(self):
        console = self.daemon.start_with_console("test")
        console.wait_for("ready", 30)
        console.send("at once")
        console.wait_for("at once", 30)

    def test_dumpxml_and_ttyconsole_name_a_terminal_of_the_host_that_is_the_guests(self):
        virsh("start", "--paused", "test")
        path = self.terminal()
        self.assertRegex(path, r"^/dev/pts/\d+$")
        self.assertEqual(virsh("ttyconsole", "test"), path)
        element = ElementTree.fromstring(virsh("dumpxml", "test")).find("devices/console")
        self.assertEqual(element.get("tty"), path)
        with open_terminal(path) as terminal:
            # Every byte passes as it is.
            self.assertFalse(termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON))
            virsh("resume", "test")
            text = b""
            while b"ready" not in text:
                text += terminal.read(100)
            terminal.write(b"direct")
            while b"direct" not in text:
                text += terminal.read(100)

    def test_output_that_nobody_reads_does_not_hold_the_guest_up(self):
        # More than a terminal and the VMM hold.
        self.create("flood", does="w")
        events = self.daemon.events()
        virsh("shutdown", "flood")
        events.wait("Stopped Shutdown", "flood")


class Files(DaemonTest):
    """A serial port that is a file."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.path = os.path.join(folder, "serial")
        self.log = os.path.join(folder, "log")

    def define_file(self, source="", log=""):
        self.define(does="o", serial=f"<serial type='file'><source path='{self.path}'{source}/>"
                                     f"{log}</serial>")

    def start_and_end(self):
        virsh("start", "test")
        wait_content(self.path, "ready")
        virsh("destroy", "test")

    def test_a_file_gets_what_the_guest_writes_anew_at_each_start(self):
        self.define_file()
        self.start_and_end()
        self.start_and_end()
        self.assertEqual(wait_content(self.path, "ready").count("ready"), 1)

    def test_a_file_with_append_keeps_what_it_had(self):
        with open(self.path, "w", encoding="ascii") as file:
            file.write("before\n")
        self.define_file(" append='on'")
        self.start_and_end()
        virsh("start", "test")
        deadline = Deadline(30)
        while wait_content(self.path, "ready").count("ready") < 2 and not deadline.is_over():
            virsh("uri")
        self.assertEqual(wait_content(self.path, "before").count("ready"), 2)

    def test_a_file_is_no_console(self):
        self.define_file()
        virsh("start", "test")
        console = self.daemon.console_unconnected("test")
        self.assertNotEqual(console.wait_end(), 0)
        self.assertIn("not using a PTY", console.text)

    def test_a_file_that_cannot_be_made_is_named(self):
        self.path = "/nonexistent/folder/serial"
        self.define_file()
        self.assert_refused("'/nonexistent/folder/serial': No such file", "start", "test")
        self.assertEqual(virsh("domstate", "test"), "shut off")

    def test_a_log_gets_what_the_console_shows(self):
        self.define(does="e", serial=f"<serial type='pty'><log file='{self.log}'/></serial>")
        console = self.run_tiny()
        console.send("logged")
        console.wait_for("logged", 30)
        self.assertIn("ready", wait_content(self.log, "logged"))

    def test_a_log_gets_what_nobody_reads(self):
        """More than the terminal and the VMM keep for a reader."""
        self.define(does="w", serial=f"<serial type='pty'><log file='{self.log}'/></serial>")
        virsh("start", "test")
        wait_until(lambda: os.path.exists(self.log) and os.path.getsize(self.log) > 128 << 10, 60, "the log's end")
        virsh("destroy", "test")

    def test_a_log_goes_with_a_file_too(self):
        self.define_file(log=f"<log file='{self.log}' append='on'/>")
        virsh("start", "test")
        wait_content(self.path, "ready")
        wait_content(self.log, "ready")


class Linux(DaemonTest):
    """The console of a Linux."""

    limit = 240

    def test_a_shell_takes_a_long_line_and_the_interrupt_key(self):
        self.daemon.define(domain_xml())
        console = self.daemon.start_guest()
        word = "x" * 200
        console.send(f"echo {word} | wc -c\r")
        console.wait_for(r"\n201\r", 60)
        console.wait_for("/ # ", 60)
        # The shell takes what is typed before the command has begun for the next one.
        console.send("echo begun; cat\r")
        console.wait_for(r"\nbegun\r", 60)
        # As typed, and as written by cat, which therefore runs.
        console.send("copied\r")
        console.wait_for(r"copied\r\n(?s:.*)copied\r\n", 60)
        console.send("\x03")
        console.wait_for("/ # ", 60)
        console.send("echo over $((40 + 2))\r")
        console.wait_for("over 42", 60)
