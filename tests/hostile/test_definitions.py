# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domain XML that means harm, on the writable socket; and what stock clients expect of a definition."""

import os
import struct
import time
import unittest
import xml.etree.ElementTree as ElementTree

from support import rpc
from support.daemon import CONFIG_FOLDER, Daemon, domain_names, domain_xml, virsh
from support.rpc import Rpc
from support.vmm import EMULATOR

# The longest string of libvirt's protocol.
STRING_MAX = 4 << 20

# For one document, on a machine that does other things, with AddressSanitizer. The documents below took
# minutes, or as much time as there is.
SECONDS = 20


def numbered(form, number):
    """form with each number put into it."""
    return "".join(form % i for i in range(number))


def plain_xml(**arguments):
    """A domain that is never started."""
    return domain_xml(**{"kernel": "/boot/vmlinuz", "initrd": None, **arguments})


def around(inside):
    """A domain that could be defined, with more in it."""
    return plain_xml(name="hostile", extra=inside)


MANY = numbered(' a%d=""', 330000)

# Each as long as a client can send it, or as it takes to show.
DOCUMENTS = {
    "attributes of an element": f"<domain{MANY}/>",
    "namespaces of an element": f"""<domain{numbered(' xmlns:a%d="u"', 200000)}/>""",
    "namespaces that children look for": around(
        f"""<metadata{numbered(' xmlns:a%d="u"', 100000)}>{numbered('<a%d:x/>', 90000)}"""
        "</metadata>"),
    "elements in each other": "<domain>" + "<a>" * 1000000,
    "elements beside each other": around(f"<metadata>{'<a/>' * 1000000}</metadata>"),
    "attributes in a comment that ends early": f"<domain><!-- \uffff<a{MANY}/> --></domain>",
    "attributes that a document type declares":
        f"""<!DOCTYPE [<!ATTLIST domain{numbered(' a%d CDATA ""', 200000)}>]><domain/>""",
    "entities": '<!DOCTYPE d [<!ENTITY a "x">]><domain/>',
    "errors": f"<domain>{'&a;' * 1300000}</domain>",
}

# What takes longest of all that is accepted: validation tries an element at each place.
COSTLY = around("<metadata>" + "<a/>" * 16000 + "</metadata>")


def define_args(text, flags=0):
    return rpc.string(text) + struct.pack(">I", flags)


class Documents(unittest.TestCase):
    """A document is refused or taken in time, and whoever else wants something is served."""

    limit = 300

    def setUp(self):
        self.daemon = self.enterContext(Daemon())

    def test_it_is_refused_in_time(self):
        for name, document in DOCUMENTS.items():
            with self.subTest(name), Rpc() as client:
                client.open()
                reply = client.call(rpc.DOMAIN_DEFINE_XML_FLAGS, define_args(document), SECONDS)
                self.assertEqual(reply.status, rpc.ERROR)
                self.assertIn("domain_definition", reply.error[1])
        self.assertEqual(domain_names("--all"), [])

    def test_starting_it_is_no_other_way_in(self):
        document = DOCUMENTS["attributes of an element"]
        with Rpc() as client:
            client.open()
            reply = client.call(rpc.DOMAIN_CREATE_XML, define_args(document), SECONDS)
            self.assertRegex(reply.error[1], "330000 attributes of one element")

    def test_validation_has_an_end(self):
        with Rpc() as client:
            client.open()
            reply = client.call(rpc.DOMAIN_DEFINE_XML_FLAGS, define_args(COSTLY, 1), SECONDS)
            self.assertEqual(reply.status, rpc.OK, reply.error)

    def test_others_are_served_meanwhile(self):
        with Rpc() as client:
            client.open()
            for _ in range(4):
                client.post(rpc.DOMAIN_DEFINE_XML_FLAGS, define_args(DOCUMENTS["errors"]))
            begin = time.monotonic()
            self.daemon.define(plain_xml(name="ordinary"))
            self.assertLess(time.monotonic() - begin, 5)

    def test_the_end_does_not_wait_for_them(self):
        clients = [self.enterContext(Rpc()).open() for _ in range(10)]
        for client in clients:
            for _ in range(4):
                client.post(rpc.DOMAIN_DEFINE_XML_FLAGS, define_args(COSTLY, 1))
        for client in clients:
            # Answered at once, after the others have been read.
            client.call(rpc.CONNECT_GET_HOSTNAME)
        begin = time.monotonic()
        self.daemon.stop()
        self.assertLess(time.monotonic() - begin, 8)


class Growth(unittest.TestCase):
    """What is acknowledged can be shown, and is there after a restart."""

    def setUp(self):
        self.daemon = self.enterContext(Daemon())

    def define(self, inside):
        with Rpc() as client:
            client.open()
            return client.call(rpc.DOMAIN_DEFINE_XML_FLAGS, define_args(around(inside)), SECONDS)

    def test_a_description_that_grows_is_refused(self):
        for element in "description", "metadata":
            with self.subTest(element):
                reply = self.define(f"<{element}>{'>' * 3900000}</{element}>")
                self.assertEqual(reply.status, rpc.ERROR)
                self.assertRegex(reply.error[1], r"has 1560\d{4} bytes .* 4190144 are the most")
                self.assertEqual(domain_names("--all"), [])
                self.assertEqual(os.listdir(CONFIG_FOLDER), ["autostart"])

    def test_the_longest_is_there_after_a_restart(self):
        room = STRING_MAX - 8192
        for filler in "x", "\\", ">":
            with self.subTest(filler):
                length = room // 4 if filler == ">" else room
                reply = self.define(f"<description>{filler * length}</description>")
                self.assertEqual(reply.status, rpc.OK, reply.error)
                shown = virsh("dumpxml", "hostile")
                description = ElementTree.fromstring(shown).findtext("description")
                self.assertEqual(description, filler * length)
                self.daemon.restart()
                self.assertEqual(virsh("dumpxml", "hostile"), shown)
                virsh("undefine", "hostile")


class StockClients(unittest.TestCase):
    """What libvirt's own drivers take, or fill in."""

    def setUp(self):
        self.daemon = self.enterContext(Daemon())

    def defined(self, xml):
        self.daemon.define(xml)
        return ElementTree.fromstring(virsh("dumpxml", "test"))

    def test_the_emulator_is_named(self):
        self.assertEqual(self.defined(plain_xml()).findtext("devices/emulator"), EMULATOR)

    def test_the_emulator_of_an_older_definition_is_named(self):
        self.daemon.define(plain_xml())
        path = os.path.join(CONFIG_FOLDER, "test.xml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.daemon.stop()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(f"<emulator>{EMULATOR}</emulator>", ""))
        self.daemon.start()
        shown = ElementTree.fromstring(virsh("dumpxml", "test"))
        self.assertEqual(shown.findtext("devices/emulator"), EMULATOR)

    def test_current_memory_is_kept(self):
        shown = self.defined(plain_xml(extra="<currentMemory unit='MiB'>128</currentMemory>"))
        self.assertEqual(shown.findtext("currentMemory"), str(128 << 10))
        self.assertRegex(virsh("dominfo", "test"), r"(?s)Max memory: +262144 KiB.*"
                                                   r"Used memory: +131072 KiB")

    def test_a_topology_needs_no_mode(self):
        shown = self.defined(plain_xml(
            vcpus=2, extra="<cpu><topology sockets='1' cores='2' threads='1'/></cpu>"))
        self.assertEqual(shown.find("cpu").get("mode"), "host-passthrough")
