# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Domains with each kind of memory that the host offers, through stock virsh.

"run test_domain_memory" runs them without a test host, too, for the kinds that the machine's own KVM has.
"""

import os
import tempfile
import unittest
from xml.etree import ElementTree

from support import kinds
from support.daemon import DaemonTest, STDIN, VirshError, virsh
from support.where import EVERYWHERE

NAMES = ["two-sided", "windows"]
NAMESPACE = "{urn:libvirt-gmem:domain-capabilities:1}"


def parsed(*command):
    return ElementTree.fromstring(virsh(*command))


def offered():
    """What domcapabilities say: by name, None or why not."""
    return {kind.get("name"): None if kind.get("supported") == "yes" else kind.findtext(NAMESPACE + "reason")
            for kind in parsed("domcapabilities").iter(NAMESPACE + "kind")}


def statistics():
    return dict(line.strip().split("=", 1) for line in virsh("domstats", "--vm", "test").splitlines()[1:])


def elements():
    """What of its memory a domain's XML says: elements, with their policy."""
    domain = parsed("dumpxml", "test")
    found = {path: domain.find(path) for path in ["memoryBacking/private", "launchSecurity"]}
    return {path: element.find("conversion") is not None and element.find("conversion").get("policy")
            for path, element in found.items() if element is not None}


class DomainMemory(DaemonTest):
    """What is defined, and with what it runs."""

    where = EVERYWHERE

    def allow(self, *names):
        """Starts the daemon anew, with these kinds and no others."""
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.daemon.config = os.path.join(folder, "virtgmemd.conf")
        with open(self.daemon.config, "w", encoding="ascii") as file:
            file.write("memory_kinds = [ {} ]\n".format(", ".join(f'"{name}"' for name in names)))
        self.daemon.restart()

    def assert_refused(self, words, *command, **arguments):
        with self.assertRaises(VirshError) as caught:
            virsh(*command, **arguments)
        self.assertIn(words, str(caught.exception))

    def run_kind(self, kind, policy="on-demand"):
        kinds.require(kind)
        self.define(kind=kind, policy=policy, identity="6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01")
        self.run_tiny()
        self.assertEqual(statistics()["vm.gmem.kind"], kind)
        self.assertEqual(statistics()["vm.gmem.policy"], policy)
        self.assertEqual(statistics()["vm.gmem.refused.count.sum"], "0")
        self.assertEqual(statistics()["vm.gmem.registered.bytes.cur"], "0")
        for way in ("plain", "courier", "window", "registered"):
            self.assertEqual(statistics()[f"vm.gmem.transfer.{way}.bytes.sum"], "0")
        virsh("destroy", "test")

    def test_two_sided(self):
        self.run_kind("two-sided")
        self.assertEqual(elements(), {"memoryBacking/private": False, "launchSecurity": "on-demand"})

    def test_windows(self):
        self.run_kind("windows")
        self.assertEqual(elements(), {"memoryBacking/private": "on-demand"})

    def test_as_many_processors_as_can_be(self):
        kinds.require("windows")
        self.define(kind="windows", vcpus=240)
        self.run_tiny()
        self.assertEqual(virsh("vcpucount", "test", "--current", "--live").strip(), "240")
        times = [line for line in virsh("domstats", "--vcpu", "test").splitlines() if ".time=" in line]
        self.assertEqual(len(times), 240)
        self.assertEqual(virsh("vcpuinfo", "test").count("running"), 240)

    def test_capabilities_say_what_the_vmm_says(self):
        found = offered()
        self.assertEqual(sorted(found), NAMES)
        for kind in NAMES:
            self.assertEqual(found[kind] is None, kinds.why_not(kind) is None, found[kind])

    def test_the_host_chooses(self):
        found = offered()
        best = next((kind for kind in NAMES if not found[kind]), None)
        if not best:
            raise unittest.SkipTest(f"this host has no private memory: {found}")
        self.define(kind=None)
        self.run_tiny()
        self.assertEqual(statistics()["vm.gmem.kind"], best)
        self.assertEqual("launchSecurity" in elements(), best == "two-sided")
        self.assertIn("memoryBacking/private", elements())

    def test_what_the_host_lacks_is_defined_and_does_not_start(self):
        found = offered()
        for kind in NAMES:
            if not found[kind]:
                continue
            with self.subTest(kind):
                self.define(kind=kind, identity="6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01")
                self.assert_refused(found[kind], "start", "test")

    def test_what_is_not_allowed(self):
        self.define(kind="two-sided", identity="6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01")
        self.allow("windows")
        refusal = f"'memory_kinds' in '{self.daemon.config}'"
        self.assert_refused(refusal, "start", "test")
        self.assert_refused(refusal, "define", STDIN, text=self.xml("another", kind="two-sided"))
        self.assertIn(refusal, offered()["two-sided"])
        self.assertEqual(parsed("domcapabilities").find("features/launchSecurity").get("supported"), "no")
