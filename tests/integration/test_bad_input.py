# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is wrong gets a clear error or a closed connection, and does no harm to anything else."""

import os
import socket
import struct
import subprocess
import tempfile

from support import rpc
from support.daemon import (DaemonTest, SOCKET, SOCKET_READONLY, STDIN, URI, domain_xml,
                            left_behind, virsh)
from support.rpc import Closed, Rpc
from support.vmm import KERNEL
from support.waiting import Deadline, Timeout, wait_readable
from support.where import NATIVE, everywhere


class BadInput(DaemonTest):
    """A domain that must come to no harm, and a daemon that must serve on."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        # A round of everything first, so that what is made once is there.
        self.create("bystander", options=["--paused"])
        with Rpc() as client:
            client.open()
        self._before = self.daemon.settled_descriptors()
        self._vmms = left_behind()
        self._pid = self.daemon.pid

    def check_unharmed(self):
        """The daemon is the same and has no more open; the domain is there; nothing is new."""
        self.assertTrue(self.daemon.is_running(), "the daemon has ended")
        self.assertEqual(self.daemon.pid, self._pid)
        self.assertEqual(virsh("domstate", "bystander"), "paused")
        self.daemon.wait_descriptors(self._before)
        self.assertEqual(left_behind(), self._vmms)


class Documents(BadInput):
    """Domain XML."""

    def check_refused(self, pattern, xml):
        for command in ("define", "create"):
            with self.subTest(command=command):
                self.assert_refused(pattern, command, STDIN, text=xml)
        self.assertEqual(virsh("list", "--all", "--name"), "bystander")
        self.check_unharmed()

    def test_xml_that_is_not_well_formed(self):
        self.check_refused(r"\(domain_definition\):\d+: ", self.xml()[:-20])

    def test_what_is_no_xml(self):
        self.check_refused(r"\(domain_definition\):1: ", "{}")

    def test_another_document(self):
        self.check_refused("network", "<network><name>test</name></network>")

    def test_an_unknown_machine(self):
        self.check_refused(r"(?s)unsupported configuration: .*machine.*'isapc'",
                           self.xml().replace("'q35'", "'isapc'"))

    def test_smm_on(self):
        self.check_refused(r"unsupported configuration: .*smm",
                           self.xml(extra="<features><smm state='on'/></features>"))

    def test_an_element_that_is_not_supported(self):
        self.check_refused(r"unsupported configuration: .*devices/sound", self.xml(serial="<sound model='ich9'/>"))

    def test_a_billion_laughs(self):
        self.check_refused("DOCTYPE", """<?xml version='1.0'?>
<!DOCTYPE domain [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<domain type='kvm'><name>&b;</name></domain>""")

    def test_a_document_of_20_mb(self):
        # virsh itself refuses files of that size: this is what another client could send.
        document = self.xml().replace("<devices>", f"<!--{'x' * (20 << 20)}--><devices>")
        with Rpc() as client:
            client.open()
            reply = client.call(rpc.DOMAIN_DEFINE_XML_FLAGS,
                                rpc.string(document) + struct.pack(">I", 0))
            self.assertIsNotNone(reply.error)
            self.assertTrue(reply.error[1])
            # The connection is good for more.
            self.assertEqual(client.call(rpc.CONNECT_GET_HOSTNAME).status, rpc.OK)
        self.assert_refused(".", "define", STDIN, text=document)
        self.check_unharmed()

    def test_a_document_that_is_as_large_as_can_be(self):
        text = "x" * (3 << 20)
        virsh("define", STDIN, text=self.xml(extra=f"<description>{text}</description>"))
        self.assertIn(text, virsh("dumpxml", "test"))
        virsh("undefine", "test")
        self.check_unharmed()

    def test_elements_in_elements_without_end(self):
        xml = self.xml(extra=f"<metadata>{'<a>' * 100000}{'</a>' * 100000}</metadata>")
        self.check_refused(".", xml)


class Starts(BadInput):
    """Domains that can be defined and not started."""

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))

    def check_start_fails(self, pattern, **arguments):
        self.daemon.define(domain_xml(**{"memory": 16, "initrd": None, **arguments}))
        self.assert_refused(pattern, "start", "test")
        self.assertEqual(virsh("domstate", "test"), "shut off")
        self.check_unharmed()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def test_a_kernel_that_is_missing(self):
        self.check_start_fails("cannot open kernel '/nonexistent': No such file",
                               kernel="/nonexistent")

    def test_an_initrd_that_is_missing(self):
        self.check_start_fails("cannot open initrd '/nonexistent': No such file",
                               kernel=self.kernel, initrd="/nonexistent")

    def test_a_kernel_that_is_truncated(self):
        with open(KERNEL, "rb") as file:
            kernel = self.write("truncated", file.read(1 << 20))
        self.check_start_fails("kernel is truncated", kernel=kernel, memory=256)

    def test_a_kernel_of_zeros(self):
        self.check_start_fails("kernel is not a bzImage", kernel=self.write("zeros", bytes(65536)))

    def test_a_kernel_that_is_empty(self):
        self.check_start_fails("kernel is not a bzImage", kernel=self.write("empty", b""))

    def test_a_kernel_that_is_a_folder(self):
        self.check_start_fails(f"kernel '{self.folder}' is not a regular file", kernel=self.folder)

    def test_a_kernel_that_is_a_fifo(self):
        os.mkfifo(self.path("fifo"))
        self.check_start_fails("kernel '.*/fifo' is not a regular file", kernel=self.path("fifo"))

    def test_a_kernel_that_is_a_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
            self.check_start_fails("kernel '.*/socket' is not a regular file",
                                   kernel=self.path("socket"))

    def test_a_kernel_that_is_a_device(self):
        self.check_start_fails("kernel '/dev/zero' is not a regular file", kernel="/dev/zero")

    def test_a_kernel_that_does_not_fit(self):
        self.check_start_fails("kernel needs memory .*RAM ends at 16 MiB", kernel=KERNEL)

    def test_an_initrd_that_does_not_fit(self):
        initrd = self.path("initrd")
        with open(initrd, "wb") as file:
            file.truncate(1 << 30)
        self.check_start_fails("initrd", kernel=self.kernel, initrd=initrd)

    def test_more_memory_than_the_host_has(self):
        self.check_start_fails(r"element 'memory' is \d+ KiB: the host has \d+ KiB",
                               kernel=self.kernel, memory=60 << 10)

    def test_a_vmm_that_does_not_exist(self):
        self.check_start_fails("'/nonexistent/gmem-vmm'.*No such file", kernel=self.kernel,
                               emulator="/nonexistent/gmem-vmm")

    def test_a_vmm_that_is_another_program(self):
        self.check_start_fails(r"the VMM has ended \(.*\)", kernel=self.kernel,
                               emulator="/bin/false")

    def test_a_second_start(self):
        self.define()
        virsh("start", "--paused", "test")
        with Rpc() as client:
            client.open()
            reply = client.call(rpc.DOMAIN_CREATE_WITH_FLAGS,
                                client.lookup("test") + struct.pack(">I", 0))
            self.assertRegex(reply.error[1], "already running")
        self.assert_refused("already running", "create", STDIN,
                            text=virsh("dumpxml", "test"))
        self.assertEqual(virsh("domstate", "test"), "paused")
        virsh("destroy", "test")
        self.check_unharmed()

    @everywhere
    def test_two_starts_at_once_start_one(self):
        self.define()
        starts = [subprocess.Popen(["virsh", "-q", "-c", URI, "start", "--paused", "test"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                  for _ in range(4)]
        errors = [start.communicate(timeout=60)[1] for start in starts]
        self.assertEqual(sorted(start.returncode for start in starts), [0, 1, 1, 1])
        for error in filter(None, errors):
            self.assertRegex(error, "already (running|active)")
        virsh("destroy", "test")
        self.check_unharmed()


class Messages(BadInput):
    """RPC that no library would write."""

    def send_and_read(self, data, path=SOCKET):
        """Sends bytes and nothing more; all that comes back until the daemon closes."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path)
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError, OSError):
                pass  # It was closed before it had read everything.
            received = b""
            deadline = Deadline(30)
            while True:
                wait_readable(client, deadline, "an end")
                try:
                    data = client.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return received
                received += data

    def test_length_words_that_no_message_has_close_the_connection(self):
        for length in (0, 1, 4, 27, rpc.MESSAGE_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff):
            with self.subTest(length=length), Rpc() as client:
                client.send(rpc.message(rpc.AUTH_LIST, length=length))
                with self.assertRaises(Closed):
                    client.receive(30)
        self.check_unharmed()

    def test_a_length_word_that_is_too_short_for_the_arguments(self):
        with Rpc() as client:
            client.open()
            name = rpc.string("bystander")
            client.send(rpc.message(rpc.DOMAIN_LOOKUP_BY_NAME, name, serial=99,
                                    length=rpc.HEADER.size + 4))
            # What is left over is taken for a length, which no message has; the answer to
            # what came before it may be lost with the connection.
            with self.assertRaises(Closed):
                self.assertTrue(client.receive(30).error[1])
                client.receive(30)
        self.check_unharmed()

    def test_truncated_messages_get_no_answer_and_leave_nothing(self):
        whole = rpc.message(rpc.AUTH_LIST)
        for length in (0, 1, 3, 4, 5, 27):
            with self.subTest(length=length):
                self.assertEqual(self.send_and_read(whole[:length]), b"")
        self.check_unharmed()

    def test_a_message_as_large_as_can_be_is_answered_and_a_larger_one_is_not(self):
        with Rpc() as client:
            client.open()
            payload = bytes(rpc.MESSAGE_MAX - rpc.HEADER.size)
            reply = client.call(rpc.CONNECT_GET_HOSTNAME, payload)
            self.assertEqual(reply.status, rpc.OK)
        with Rpc() as client:
            client.open()
            with self.assertRaises((Closed, BrokenPipeError)):
                client.call(rpc.CONNECT_GET_HOSTNAME, payload + bytes(4))
        self.check_unharmed()

    def test_garbage_closes_the_connection(self):
        for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xff" * 4096,
                     bytes(4096), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100):
            for path in (SOCKET, SOCKET_READONLY):
                with self.subTest(data=data[:16], path=path):
                    self.assertEqual(self.send_and_read(data, path), b"")
        self.check_unharmed()

    def test_headers_that_make_no_sense_are_errors(self):
        with Rpc() as client:
            client.open()
            for wrong in ({"program": 1}, {"version": 2}, {"kind": rpc.EVENT}, {"kind": 77}):
                with self.subTest(wrong=wrong):
                    client.send(rpc.message(rpc.CONNECT_GET_HOSTNAME, serial=7, **wrong))
                    self.assertTrue(client.receive().error[1])
            for procedure in (0, -1, 4711, 0x7fffffff):
                with self.subTest(procedure=procedure):
                    number, text = client.call(procedure).error
                    self.assertEqual(number, 3, text)  # VIR_ERR_NO_SUPPORT
            # Of a stream that there is not, nobody wants to know.
            client.send(rpc.message(rpc.DOMAIN_OPEN_CONSOLE, b"x", 8, rpc.STREAM, rpc.CONTINUE))
            self.assertEqual(client.call(rpc.CONNECT_GET_HOSTNAME).status, rpc.OK)
        self.check_unharmed()

    def test_arguments_that_do_not_decode_are_errors(self):
        with Rpc() as client:
            client.open()
            for payload in (b"", b"\0\0", struct.pack(">I", 0xffffffff),
                            struct.pack(">I", 100) + b"short", rpc.string("x" * (5 << 20))):
                with self.subTest(payload=payload[:16]):
                    self.assertTrue(client.call(rpc.DOMAIN_LOOKUP_BY_NAME, payload).error[1])
            for name in (b"\xff\xfe", b"a\0b", b"", b"%s%n", b"../../etc/passwd"):
                with self.subTest(name=name):
                    reply = client.call(rpc.DOMAIN_LOOKUP_BY_NAME, rpc.string(name))
                    self.assertTrue(reply.error[1])
            self.assertEqual(client.call(rpc.CONNECT_GET_HOSTNAME).status, rpc.OK)
        self.check_unharmed()

    def test_a_call_before_the_connection_is_open_is_an_error(self):
        with Rpc() as client:
            reply = client.call(rpc.DOMAIN_LOOKUP_BY_NAME, rpc.string("bystander"))
            self.assertTrue(reply.error[1])
        self.check_unharmed()

    def test_a_hundred_connections_that_do_nothing_are_in_nobodys_way(self):
        clients = [Rpc() for _ in range(50)] + [Rpc(SOCKET_READONLY) for _ in range(50)]
        try:
            for client in clients[::2]:
                client.send(b"\0\0")
            self.create()
            self.assertEqual(virsh("domstate", "test"), "running")
            virsh("destroy", "test")
        finally:
            for client in clients:
                client.close()
        self.check_unharmed()

    def test_a_client_that_never_reads_is_in_nobodys_way(self):
        with Rpc() as client:
            client.open()
            client.socket.setblocking(False)
            call = rpc.message(rpc.CONNECT_GET_HOSTNAME, serial=5)
            try:
                for _ in range(100000):
                    client.send(call)
            except BlockingIOError:
                pass
            else:
                self.fail("the daemon reads calls whose answers nobody takes")
            self.assertEqual(virsh("hostname", seconds=20), socket.gethostname())
        self.check_unharmed()


class Procedures(BadInput):
    """Procedures about a domain: what is refused before anything is done, and in which words."""

    # What follows the domain in the arguments and is not flags, by procedure.
    plain = {9: b"", 12: b"", 15: b"", 16: b"", 17: b"", 18: b"", 19: b"", 20: struct.pack(">ii", 0, 0), 28: b"",
             29: struct.pack(">i", 0), 33: b"", 34: b"", 35: b"", 121: b"", 150: b"", 151: b"", 202: b"", 278: b""}
    with_flags = {14: ("virDomainGetXMLDesc", b""), 27: ("virDomainReboot", b""),
                  159: ("virDomainMemoryStats", struct.pack(">I", 1)), 183: ("virDomainHasManagedSaveImage", b""),
                  196: ("virDomainCreateWithFlags", b""), 200: ("virDomainGetVcpusFlags", b""),
                  201: ("virDomainOpenConsole", rpc.optional(None)), 212: ("virDomainGetState", b""),
                  229: ("virDomainGetControlInfo", b""),
                  230: ("virDomainGetVcpuPinInfo", struct.pack(">ii", 0, 0)),
                  231: ("virDomainUndefineFlags", b""), 234: ("virDomainDestroyFlags", b""),
                  245: ("virDomainReset", b""), 258: ("virDomainShutdownFlags", b""),
                  351: ("virDomainGetIOThreadInfo", b""),
                  352: ("virDomainPinIOThread", struct.pack(">II", 1, 0)),
                  355: ("virDomainAddIOThread", struct.pack(">I", 1)),
                  356: ("virDomainDelIOThread", struct.pack(">I", 1)),
                  402: ("virDomainSetIOThreadParams", struct.pack(">II", 1, 0)),
                  426: ("virDomainGetMessages", b"")}
    writing = {9, 12, 27, 28, 29, 33, 34, 35, 196, 201, 231, 234, 245, 258, 352, 355, 356, 402}

    unknown = 1 << 20  # no procedure has a flag there
    nobody = rpc.string("nobody") + bytes(range(16)) + struct.pack(">i", -1)

    def test_a_domain_that_is_not_there(self):
        with Rpc() as client:
            client.open()
            calls = {**self.plain, **{number: tail + bytes(4) for number, (_, tail) in self.with_flags.items()}}
            for number, tail in calls.items():
                with self.subTest(procedure=number):
                    code, text = client.call(number, self.nobody + tail).error
                    self.assertEqual(code, 42, text)  # VIR_ERR_NO_DOMAIN
                    self.assertIn("00010203-0405-0607-0809-0a0b0c0d0e0f", text)
        self.check_unharmed()

    def test_flags_that_are_not_known(self):
        with Rpc() as client:
            domain = client.open().lookup("bystander")
            for number, (name, tail) in self.with_flags.items():
                with self.subTest(procedure=name):
                    self.assertEqual(client.call(number, domain + tail + struct.pack(">I", self.unknown)).error,
                                     (8, f"invalid argument: unsupported flags (0x100000) in {name}"))
        self.check_unharmed()

    def test_flags_about_the_connection_that_are_not_known(self):
        flags = struct.pack(">I", self.unknown)
        with Rpc() as client:
            client.open()
            for number, name, payload in (
                    (10, "virDomainCreateXML", rpc.string("<domain/>")),
                    (273, "virConnectListAllDomains", struct.pack(">i", 1)),
                    (293, "virNodeGetCPUMap", struct.pack(">ii", 1, 1)),
                    (342, "virConnectGetDomainCapabilities", 4 * rpc.optional(None)),
                    (344, "virConnectGetAllDomainStats", struct.pack(">II", 0, 0)),
                    (350, "virDomainDefineXMLFlags", rpc.string("<domain/>"))):
                with self.subTest(procedure=name):
                    self.assertEqual(client.call(number, payload + flags).error,
                                     (8, f"invalid argument: unsupported flags (0x100000) in {name}"))
        self.check_unharmed()

    def test_a_connection_that_only_reads(self):
        with Rpc(SOCKET_READONLY) as client:
            domain = client.open().lookup("bystander")
            for number in self.writing:
                tail = self.plain.get(number)
                if tail is None:
                    tail = self.with_flags[number][1] + bytes(4)
                with self.subTest(procedure=number):
                    code, text = client.call(number, domain + tail).error
                    self.assertEqual(code, 29, text)  # VIR_ERR_OPERATION_DENIED
                    self.assertRegex(text, "^operation forbidden: Domain[A-Za-z]+ on a read-only connection$")
            # Secrets of the XML, and what is to be moved has them.
            for flags in (1 << 0, 1 << 3):
                code, text = client.call(14, domain + struct.pack(">I", flags)).error
                self.assertEqual(code, 29, text)
                self.assertIn("on a read-only connection", text)
            self.assertIsNone(client.call(14, domain + struct.pack(">I", 0)).error)
        self.check_unharmed()


class Vanishing(BadInput):
    """Clients that are gone before they have their answer."""

    def wait_state(self, wanted):
        deadline = Deadline(60)
        while (state := virsh("domstate", "test")) != wanted:
            if deadline.is_over():
                raise Timeout(f"the domain is {state}, not {wanted}")

    def test_a_client_that_vanishes_in_the_middle_of_a_start(self):
        self.define()
        events = self.daemon.events()
        with Rpc() as client:
            client.open()
            client.post(rpc.DOMAIN_CREATE_WITH_FLAGS,
                        client.lookup("test") + struct.pack(">I", 0))
        events.wait("Started Booted")
        self.assertEqual(virsh("domstate", "test"), "running")
        virsh("destroy", "test")
        self.daemon.close_clients()
        self.check_unharmed()

    def test_a_client_that_vanishes_in_the_middle_of_a_start_with_autodestroy(self):
        self.define()
        events = self.daemon.events()
        with Rpc() as client:
            client.open()
            client.post(rpc.DOMAIN_CREATE_WITH_FLAGS,
                        client.lookup("test") + struct.pack(">I", 2))
        events.wait("Started Booted")
        events.wait("Stopped Destroyed")
        self.assertEqual(virsh("domstate", "test"), "shut off")
        self.daemon.close_clients()
        self.check_unharmed()

    def test_a_client_that_vanishes_in_the_middle_of_a_definition(self):
        xml = rpc.string(self.xml()) + struct.pack(">I", 0)
        call = rpc.message(rpc.DOMAIN_DEFINE_XML_FLAGS, xml, serial=1)
        with Rpc() as client:
            client.open()
            client.send(call[:len(call) // 2])
        self.assertEqual(virsh("list", "--all", "--name"), "bystander")
        self.check_unharmed()

    def test_a_client_that_vanishes_in_the_middle_of_a_console(self):
        self.define(does="e")
        virsh("start", "test")
        for sent in (b"", b"x" * 1000):
            with self.subTest(sent=len(sent)), Rpc() as client:
                client.open()
                call = client.lookup("test") + rpc.optional(None) + struct.pack(">I", 0)
                reply = client.call(rpc.DOMAIN_OPEN_CONSOLE, call)
                self.assertEqual(reply.status, rpc.OK, reply.error)
                client.send(rpc.message(rpc.DOMAIN_OPEN_CONSOLE, sent, reply.serial,
                                        rpc.STREAM, rpc.CONTINUE) if sent else b"")
            self.wait_free()
        self.daemon.console("test")
        virsh("destroy", "test")
        self.daemon.close_clients()
        self.check_unharmed()

    def wait_free(self):
        """Waits until the daemon has no terminal open."""
        deadline = Deadline(30)
        while any(path.startswith("/dev/pts/") for path in self.daemon.descriptors()):
            if deadline.is_over():
                raise Timeout("the daemon keeps the terminal open")
            virsh("uri")

    def test_a_console_client_that_never_reads_does_not_hold_the_guest_up(self):
        self.define(does="e")
        virsh("start", "test")
        with Rpc() as client:
            client.open()
            call = client.lookup("test") + rpc.optional(None) + struct.pack(">I", 0)
            reply = client.call(rpc.DOMAIN_OPEN_CONSOLE, call)
            self.assertEqual(reply.status, rpc.OK, reply.error)
            client.send(rpc.message(rpc.DOMAIN_OPEN_CONSOLE, b"y" * 4000, reply.serial,
                                    rpc.STREAM, rpc.CONTINUE))
            virsh("shutdown", "test")
            self.wait_state("shut off")
        self.check_unharmed()
