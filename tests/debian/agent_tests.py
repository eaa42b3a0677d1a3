# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's agent in the Debian of test_debian.py, as Debian packages it: what virsh hears from it, and has it do."""

import json
import os
import tempfile
import time
from xml.etree import ElementTree

from support.daemon import VirshError, virsh
from support.waiting import wait_until

# Of ext4, while it is mounted and not frozen: s_feature_incompat.
NEEDS_RECOVERY = 0x4
# Of the partition, in the disk: where its superblock has that.
FEATURES_AT = (65 << 20) + 1024 + 0x60

# Seconds by which two clocks that are asked one after the other may differ in an emulated host.
CLOCKS_DIFFER = 60


def needs_recovery(disk):
    """Whether the file system of the guest's disk is as of a machine that was cut off."""
    with open(disk, "rb") as file:
        return bool(int.from_bytes(os.pread(file.fileno(), 4, FEATURES_AT), "little") & NEEDS_RECOVERY)


class AgentTests:
    """For a class that has a guest by "name", with its disk's image at "disk", and that runs commands in it."""

    def channel_state(self):
        return ElementTree.fromstring(virsh("dumpxml", self.name)).find("devices/channel/target").get("state")

    def wait_agent(self, state="connected"):
        wait_until(lambda: self.channel_state() == state, 120, f"an agent that is {state}")

    def ask_agent(self, command):
        return json.loads(virsh("qemu-agent-command", self.name, json.dumps({"execute": command})))["return"]

    def guest_info(self, *options):
        lines = virsh("guestinfo", self.name, *options).splitlines()
        return {name.strip(): value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def test_agent_says_what_the_guest_is(self):
        self.wait_agent()
        self.assertEqual(self.ask_agent("guest-ping"), {})
        self.assertEqual(virsh("domhostname", self.name, "--source", "agent"), "gmem-debian")
        info = self.guest_info()
        self.assertEqual((info["os.id"], info["hostname"]), ("debian", "gmem-debian"))
        self.assertEqual(info["os.kernel-release"], self.text("uname -r"))
        self.assertEqual(info["timezone.offset"], "0")
        self.assertIn("user.count", info)
        mounted = {info[f"fs.{i}.mountpoint"]: i for i in range(int(info["fs.count"]))}
        root = mounted["/"]
        self.assertEqual((info[f"fs.{root}.fstype"], info[f"fs.{root}.disk.0.alias"]), ("ext4", "vda"))
        # Of what is there the agent leaves out what is kept for root.
        blocks, free, available, size = map(int, self.text("stat -f -c '%b %f %a %S' /").split())
        self.assertIn(int(info[f"fs.{root}.total-bytes"]), (blocks * size, (blocks - free + available) * size))
        cards = {info[f"if.{i}.hwaddr"]: i for i in range(int(info["if.count"])) if f"if.{i}.hwaddr" in info}
        mac = ElementTree.fromstring(virsh("dumpxml", self.name)).find("devices/interface/mac").get("address")
        self.assertEqual(info[f"if.{cards[mac]}.addr.0.addr"], "192.0.2.2")
        self.assertIn("192.0.2.2/24", virsh("domifaddr", self.name, "--source", "agent"))
        systems = {line.split()[0]: line.split()[1:] for line in virsh("domfsinfo", self.name).splitlines()}
        self.assertEqual(systems["/"], ["vda2", "ext4", "vda"])
        self.assertEqual(systems["/boot/efi"], ["vda1", "vfat", "vda"])

    def test_agent_freezes_file_systems(self):
        """What is on the disk meanwhile needs no recovery, although the guest was writing."""
        self.wait_agent()
        self.ssh("systemd-run --quiet --unit=writer sh -c "
                 "'while :; do head -c 65536 /dev/urandom >/root/written; sync /root/written; done'")
        self.wait_in_guest("[ -s /root/written ]")
        self.assertTrue(needs_recovery(self.disk))
        try:
            virsh("domfsfreeze", self.name, seconds=300)
            self.assertEqual(self.ask_agent("guest-fsfreeze-status"), "frozen")
            self.assertFalse(needs_recovery(self.disk))
            with self.assertRaisesRegex(VirshError, "has been disabled|frozen"):
                virsh("domfsfreeze", self.name)
        finally:
            virsh("domfsthaw", self.name, seconds=300)
        self.assertEqual(self.ask_agent("guest-fsfreeze-status"), "thawed")
        before = self.text("stat -c %Y.%y /root/written")
        self.wait_in_guest(f"[ \"$(stat -c %Y.%y /root/written)\" != '{before}' ]")
        self.ssh("systemctl stop writer; rm /root/written")
        self.assertTrue(needs_recovery(self.disk))

    def test_agent_sets_the_clock(self):
        self.wait_agent()

        def difference():
            return int(virsh("domtime", self.name).split()[-1]) - time.time()

        self.assertLess(abs(difference()), CLOCKS_DIFFER)
        virsh("domtime", self.name, "--time", str(int(time.time()) + 7200))
        self.addCleanup(virsh, "domtime", self.name, "--now")
        self.assertLess(abs(difference() - 7200), CLOCKS_DIFFER)
        self.assertLess(abs(int(self.text("date +%s")) - time.time() - 7200), CLOCKS_DIFFER)

    def test_agent_takes_a_processor_away(self):
        self.wait_agent()
        vcpus = [line.split()[-1] for line in virsh("guestvcpus", self.name).splitlines()]
        self.assertEqual(vcpus, ["0-1", "0-1", "1"])
        virsh("guestvcpus", self.name, "--disable", "--cpulist", "1")
        try:
            self.assertEqual(self.text("nproc"), "1")
        finally:
            virsh("setvcpus", self.name, "2", "--guest")
        self.assertEqual(self.text("nproc"), "2")
        self.assertEqual(virsh("vcpucount", self.name, "--guest"), "2")

    def test_agent_sets_a_password(self):
        self.wait_agent()
        virsh("set-user-password", self.name, "gmem", "open sesame")
        self.assertEqual(self.text("python3 -c 'import crypt, spwd; hash = spwd.getspnam(\"gmem\").sp_pwdp; "
                                   "print(crypt.crypt(\"open sesame\", hash) == hash)' 2>/dev/null"), "True")
        with self.assertRaisesRegex(VirshError, "password"):
            virsh("set-user-password", self.name, "nobody-of-that-name", "secret")

    def test_agent_has_keys_for_ssh(self):
        self.wait_agent()
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA agent@test"
        before = virsh("get-user-sshkeys", self.name, "gmem")
        self.assertNotIn(key, before)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(key)
            file.flush()
            virsh("set-user-sshkeys", self.name, "gmem", "--file", file.name)
            self.assertIn(key, virsh("get-user-sshkeys", self.name, "gmem"))
            virsh("set-user-sshkeys", self.name, "gmem", "--file", file.name, "--remove")
        self.assertEqual(virsh("get-user-sshkeys", self.name, "gmem"), before)

    def test_agent_comes_and_goes(self):
        self.wait_agent()
        self.ssh("systemctl stop qemu-guest-agent")
        self.wait_agent("disconnected")
        with self.assertRaisesRegex(VirshError, "no guest agent"):
            virsh("domtime", self.name)
        self.ssh("systemctl start qemu-guest-agent")
        self.wait_agent()
        self.assertEqual(self.ask_agent("guest-ping"), {})

    def test_it_shuts_down_as_its_agent_is_asked(self):
        self.wait_agent()
        events = self.daemon.events()
        self.addCleanup(events.close)
        virsh("shutdown", self.name, "--mode", "agent")
        events.wait("Stopped Shutdown", self.name, 300)
        self.assertEqual(virsh("domstate", self.name, "--reason"), "shut off (shutdown)")
        self.assertFalse(needs_recovery(self.disk), "the file system was not unmounted")
