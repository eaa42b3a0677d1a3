# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many vCPUs a domain has, through stock virsh. Those that its guest uses are in tests/hostile/test_agents.py."""

from support.daemon import DaemonTest, virsh
from support.where import NATIVE, everywhere


def count(*options):
    return int(virsh("vcpucount", "test", *options))


class Vcpus(DaemonTest):
    """Domains of one vCPU."""

    where = NATIVE

    @everywhere
    def test_their_number_is_of_the_next_start(self):
        self.define()
        self.run_tiny()
        virsh("setvcpus", "test", "3", "--maximum", "--config")
        self.assertEqual([count("--current", "--live"), count("--current", "--config"), count("--maximum", "--config")],
                         [1, 3, 3])
        self.assert_refused("keeps its vCPUs while it runs", "setvcpus", "test", "2")
        self.assert_refused("keeps its vCPUs while it runs", "setvcpus", "test", "2", "--live")
        self.assert_refused("has no guest agent", "setvcpus", "test", "1", "--guest")
        virsh("destroy", "test")
        self.assertIn(">3</vcpu>", virsh("dumpxml", "test"))
        self.run_tiny()
        self.assertEqual(count("--current", "--live"), 3)
        virsh("destroy", "test")

    def test_what_cannot_be(self):
        self.define()
        self.assert_refused("starts with all of its 1 vCPUs", "setvcpus", "test", "2", "--config")
        self.assert_refused("a domain has 1 to 240", "setvcpus", "test", "241", "--maximum", "--config")
        self.assert_refused("not running", "setvcpus", "test", "1", "--guest")
        self.assertIn(">1</vcpu>", virsh("dumpxml", "test"))

    def test_a_topology_is_kept_to(self):
        topology = "<cpu mode='host-passthrough'><topology sockets='1' cores='1' threads='1'/></cpu>"
        self.daemon.define(self.xml().replace("<devices>", f"{topology}<devices>"))
        self.assert_refused("topology.*'vcpu' is 2", "setvcpus", "test", "2", "--maximum", "--config")
