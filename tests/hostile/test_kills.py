# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that is killed in the middle of anything."""

import contextlib
import os
import random
import shutil
import signal
import struct
import threading
import unittest
import uuid

from support import rpc
from support.daemon import CONFIG_FOLDER, Daemon, NVRAM_FOLDER, STATE_FOLDER, domain_xml, virsh
from support.rpc import Rpc

KILLS = 12
WRITERS = 4
DOMAINS = 6


def write(path, content="x"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


class Writer(threading.Thread):
    """Defines its domains again and again, each time with another title, until it is cut off."""

    def __init__(self, number, acknowledged, random_source):
        super().__init__()
        self._number = number
        # Titles of each domain that a daemon may have, by what was answered.
        self._acknowledged = acknowledged
        self._random = random_source
        self._client = Rpc().open()

    def run(self):
        with self._client, contextlib.suppress(rpc.Closed, OSError):
            while True:
                self._define(f"killed{self._number}-{self._random.randrange(DOMAINS)}")

    def _define(self, name):
        title = f"{self._random.getrandbits(64):x}"
        # Of several sizes, so that a kill comes at several moments.
        filling = "x" * self._random.choice([1, 1000, 100000])
        xml = domain_xml(name, kernel="/never/started", initrd=None,
                         identity=uuid.uuid5(uuid.NAMESPACE_DNS, name),
                         extra=f"<title>{title}</title><description>{filling}</description>")
        self._acknowledged.setdefault(name, [None]).append(title)
        reply = self._client.call(rpc.DOMAIN_DEFINE_XML_FLAGS, rpc.string(xml) + struct.pack(">I", 0))
        assert reply.error is None, reply.error
        self._acknowledged[name] = [title]


class Kills(unittest.TestCase):
    """SIGKILL, and then another daemon."""

    def setUp(self):
        self.daemon = self.enterContext(Daemon())

    def kill(self):
        self.daemon.stop(signal.SIGKILL)

    @staticmethod
    def titles():
        """The title of each domain that there is."""
        lines = virsh("list", "--all", "--title").splitlines()
        return {words[1]: words[-1] for words in map(str.split, lines) if words[:1] == ["-"]}

    def test_what_was_acknowledged_is_there_and_nothing_else(self):
        source = random.Random(8)
        acknowledged = {}
        for _ in range(KILLS):
            writers = [Writer(number, acknowledged, random.Random(source.random()))
                       for number in range(WRITERS)]
            killer = threading.Timer(source.uniform(0.01, 0.3), self.kill)
            for thread in [*writers, killer]:
                thread.start()
            for thread in [*writers, killer]:
                thread.join()
            self.daemon.start()
            found = self.titles()
            for name, titles in acknowledged.items():
                self.assertIn(found.get(name), titles, name)
                acknowledged[name] = [found.get(name)]
            self.assertLessEqual(set(found), set(acknowledged))
        self.assertGreater(len(acknowledged), WRITERS)
        self.assertEqual(sorted(os.listdir(CONFIG_FOLDER)),
                         sorted([*(f"{name}.xml" for name in acknowledged), "autostart"]))

    def test_what_it_has_left_is_removed_and_nothing_of_others(self):
        others = os.path.join(NVRAM_FOLDER, "others")
        os.mkdir(others)
        self.addCleanup(shutil.rmtree, others)
        self.daemon.define(domain_xml(
            "elsewhere", kernel="/never/started", initrd=None, cmdline="none").replace(
                "</os>", f"<loader type='pflash' readonly='yes'>/never/code.fd</loader>"
                f"<nvram>{others}/x_VARS.fd</nvram></os>").replace(
                    "<kernel>/never/started</kernel>", "").replace(
                        "<cmdline>none</cmdline>", ""))
        self.kill()
        left, kept = [], []
        for folder in (CONFIG_FOLDER, STATE_FOLDER, NVRAM_FOLDER, others):
            left.append(os.path.join(folder, ".gmem-aB3xYz"))
            kept += [os.path.join(folder, name) for name in (
                "copy.xml.backup", ".gmem-aB3xY", ".gmem-aB3xYz1", ".gmem-aB3xY.", "gmem-aB3xYz")]
        for path in [*left, *kept]:
            write(path)
        somebody = os.path.join(CONFIG_FOLDER, ".gmem-000000")
        write(somebody)
        os.chown(somebody, 4242, 4242)
        folder = os.path.join(STATE_FOLDER, ".gmem-111111")
        os.mkdir(folder)
        self.daemon.start()
        found = [path for path in [*left, *kept, somebody, folder] if os.path.lexists(path)]
        for path in [*kept, somebody]:
            os.unlink(path)
        os.rmdir(folder)
        self.assertEqual(found, [*kept, somebody, folder])
