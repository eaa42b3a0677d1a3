# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Who domains run as: a user each, files that are theirs while they run, and a control group.

"run test_identity" runs it without a test host, too, where the machine's own KVM has private memory.
"""

import contextlib
import os
import pwd
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
import uuid
from xml.etree import ElementTree

from support import kinds
from support.daemon import (CONFIG_FOLDER, Daemon, DaemonTest, NVRAM_FOLDER, PROGRAM, STATE_FOLDER, STDIN,
                            URI, logger_pids, run_virsh, virsh, vmm_pid, vmm_pids, vmm_user)
from support.waiting import wait_for_exit
from support.where import NATIVE, everywhere

RANGE = range(70000, 80000)
NVRAM = os.path.join(NVRAM_FOLDER, "test_VARS.fd")
STATIC = "<seclabel type='static' model='dac' relabel='{relabel}'><label>{label}</label></seclabel>"
NONE = "<seclabel type='none'/>"


def parsed(*command):
    return ElementTree.fromstring(virsh(*command))


def label(name="test"):
    """What the live XML says: type, relabel, label; None without an element."""
    element = parsed("dumpxml", name).find("seclabel")
    if element is None:
        return None
    return element.get("type"), element.get("relabel"), element.findtext("label")


def owner(path=NVRAM):
    status = os.stat(path)
    return status.st_uid, status.st_gid, status.st_mode & 0o7777


def with_variables(name, extra=""):
    """A domain that has a file of firmware variables, always the same one."""
    return f"""<domain type='kvm'>
      <name>{name}</name><uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid><memory unit='MiB'>64</memory>
      <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>{extra}
    </domain>"""


def group_of(pid):
    """The folder of a process's group of cgroup v2."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        path = next(line[3:].strip() for line in file if line.startswith("0::"))
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mount = next(line.split()[4] for line in file if " - cgroup2 " in line)
    return os.path.join(mount, path.lstrip("/"))


def members(group):
    with open(os.path.join(group, "cgroup.procs"), encoding="ascii") as file:
        return sorted(int(line) for line in file)


def further_groups(name):
    with open(f"/proc/{vmm_pid(name)}/status", encoding="ascii") as file:
        return sorted(int(number) for number in
                      next(line for line in file if line.startswith("Groups:")).split()[1:])


def information(name="test"):
    """virsh dominfo's lines about security, without the model's name."""
    lines = [line.split(":", 1) for line in virsh("dominfo", name).splitlines() if line.startswith("Security")]
    return {key: value.strip() for key, value in lines}


class IdentityTest(DaemonTest):
    """Domains that are started, paused, and looked at."""

    where = NATIVE

    def setUp(self):
        for kind in ("windows", "two-sided"):
            if kinds.why_not(kind) is None:
                break
        else:
            raise unittest.SkipTest("this host has no private memory")
        super().setUp()

    def configure(self, text):
        """Starts the daemon anew, with this configuration."""
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.daemon.config = os.path.join(folder, "virtgmemd.conf")
        with open(self.daemon.config, "w", encoding="ascii") as file:
            file.write(text)
        self.daemon.restart()

    def start(self, name="test", **arguments):
        self.define(name, kind=None, **arguments)
        virsh("start", "--paused", name)

    def start_with_variables(self, extra=""):
        self.daemon.define(with_variables("test", extra))
        virsh("start", "--paused", "test")

    def wait_settled(self, name="test"):
        """Waits until a daemon that has just started is done with the domain."""
        # A call that wants the domain's job comes after it.
        virsh("autostart", "--disable", name)


class Identity(IdentityTest):
    """Users, and files."""

    def assert_runs_as(self, user, name="test"):
        self.assertEqual(vmm_user(name), user)

    def test_each_has_its_own(self):
        found = set()
        for name in ("test", "other", "third"):
            self.start(name)
            kind, relabel, text = label(name)
            uid, gid = vmm_user(name)
            self.assertEqual((kind, relabel, text), ("dynamic", "yes", f"+{uid}:+{gid}"))
            self.assertIn(uid, RANGE)
            self.assertEqual(uid, gid)
            with open(f"/proc/{vmm_pid(name)}/status", encoding="ascii") as file:
                self.assertIn("\nGroups:\t \n", file.read())
            found.add(uid)
        self.assertEqual(len(found), 3)

    @everywhere
    def test_it_is_shown_as_libvirt_does(self):
        self.start()
        uid, gid = vmm_user("test")
        element = parsed("dumpxml", "test").find("seclabel")
        self.assertEqual(element.attrib, {"type": "dynamic", "model": "dac", "relabel": "yes"})
        self.assertEqual(element.findtext("imagelabel"), f"+{uid}:+{gid}")
        self.assertEqual(information(), {"Security model": "dac", "Security DOI": "0",
                                         "Security label": f"+{uid}:+{gid} (permissive)"})
        # What is this run's alone is in no definition, nor where it would be taken elsewhere.
        for options in (["--inactive"], ["--migratable"]):
            self.assertIsNone(parsed("dumpxml", "test", *options).find("seclabel"))
        with open(os.path.join(CONFIG_FOLDER, "test.xml"), encoding="utf-8") as file:
            self.assertNotIn("seclabel", file.read())
        model = parsed("capabilities").find("host/secmodel")
        self.assertEqual({child.tag: child.text for child in model},
                         {"model": "dac", "doi": "0", "baselabel": "+70000:+70000"})
        self.assertEqual(model.find("baselabel").get("type"), "kvm")
        virsh("destroy", "test")
        self.assertIsNone(label())
        self.assertEqual(information(), {"Security model": "dac", "Security DOI": "0"})

    def test_what_is_shown_can_be_defined(self):
        self.start()
        virsh("define", "--validate", STDIN, text=virsh("dumpxml", "test"))
        self.assertEqual(parsed("dumpxml", "test", "--inactive").find("seclabel").attrib,
                         {"type": "dynamic", "model": "dac", "relabel": "yes"})

    def test_it_stays_over_daemons(self):
        self.start()
        self.start("other")
        before = {name: (vmm_user(name), label(name)) for name in ("test", "other")}
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.daemon.restart(number)
            # The first that comes afterwards gets another.
            self.start("third")
            self.assertNotIn(vmm_user("third"), [user for user, _ in before.values()])
            self.assertEqual({name: (vmm_user(name), label(name)) for name in before}, before)
            self.assertIsNone(parsed("dumpxml", "test", "--migratable").find("seclabel"))
            virsh("destroy", "third")
            virsh("undefine", "third")

    def test_it_is_given_back(self):
        self.configure('user_range = "71000-71001"\n')
        self.start()
        self.start("other")
        self.assertEqual({vmm_user("test")[0], vmm_user("other")[0]}, {71000, 71001})
        self.define("third", kind=None)
        self.assert_refused("no user left.*71000 to 71001.*user_range", "start", "third")
        free = vmm_user("test")
        virsh("destroy", "test")
        virsh("start", "--paused", "third")
        self.assert_runs_as(free, "third")
        # A start that fails gives it back, too.
        virsh("destroy", "third")
        self.daemon.define(self.xml("fails", kind=None).replace(self.kernel, "/none/kernel"))
        for _ in range(3):
            self.assert_refused("/none/kernel", "start", "fails")
        virsh("start", "--paused", "third")
        # One that ends by itself while no daemon looks.
        pid = vmm_pid("third")
        self.daemon.stop()
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_for_exit(pid, 30))
        self.daemon.start()
        virsh("start", "--paused", "test")

    def test_those_of_others_are_passed_over(self):
        entry = pwd.getpwnam("libvirt-gmem")
        if entry.pw_uid >= 1000:
            self.configure(f'user_range = "{entry.pw_uid}-{entry.pw_uid}"\n')
        else:
            nobody = pwd.getpwnam("nobody").pw_uid
            self.configure(f'user_range = "{nobody}-{nobody}"\n')
        self.define(kind=None)
        self.assert_refused("no user left", "start", "test")

    def test_one_user_for_all(self):
        self.configure('user = "nobody"\n')
        entry = pwd.getpwnam("nobody")
        for name in ("test", "other"):
            self.start(name)
            self.assert_runs_as((entry.pw_uid, entry.pw_gid), name)
            self.assertEqual(label(name), ("dynamic", "yes", f"+{entry.pw_uid}:+{entry.pw_gid}"))

    def test_a_group_for_all(self):
        self.configure('group = "nogroup"\n')
        self.start()
        uid, gid = vmm_user("test")
        self.assertIn(uid, RANGE)
        self.assertEqual(gid, pwd.getpwnam("nobody").pw_gid)

    def test_static(self):
        nobody = pwd.getpwnam("nobody")
        self.start(extra=STATIC.format(relabel="yes", label="nobody:nogroup"))
        self.assert_runs_as((nobody.pw_uid, nobody.pw_gid))
        self.assertEqual(label(), ("static", "yes", "nobody:nogroup"))
        self.assertEqual(information()["Security label"], "nobody:nogroup (permissive)")
        self.start("other", extra=STATIC.format(relabel="no", label="+70000:+70001"))
        self.assert_runs_as((70000, 70001), "other")
        # That is one of the range, and nobody else's now.
        self.start("third")
        self.assertNotEqual(vmm_user("third")[0], 70000)
        self.define("fourth", kind=None, extra=STATIC.format(relabel="no", label="+70000:+5"))
        self.assert_refused(r"'\+70000:\+5': another domain runs as this user", "start", "fourth")

    def test_static_has_all_groups_of_its_user(self):
        with open("/etc/group", encoding="utf-8") as file:
            groups = file.read()
        file = self.enterContext(tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="gmem-test."))
        file.write(groups.rstrip("\n") + "\ngmem-first:x:54321:nobody\ngmem-other:x:54322:root,nobody\n")
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.check_call(["mount", "--bind", file.name, "/etc/group"])
        self.addCleanup(subprocess.check_call, ["umount", "/etc/group"])
        nobody = pwd.getpwnam("nobody")
        self.start(extra=STATIC.format(relabel="no", label="nobody:+5"))
        self.assert_runs_as((nobody.pw_uid, 5))
        self.assertEqual(further_groups("test"), [5, 54321, 54322])
        # A number that is nobody's is in no other.
        self.start("other", extra=STATIC.format(relabel="no", label="+65000:+5"))
        self.assertEqual(further_groups("other"), [5])

    def test_static_that_there_is_not(self):
        self.define(kind=None, extra=STATIC.format(relabel="no", label="nobody-of-that-name:nogroup"))
        self.assert_refused("there is no user 'nobody-of-that-name'", "start", "test")
        self.define("other", kind=None, extra=STATIC.format(relabel="no", label="nobody:no-group-of-that-name"))
        self.assert_refused("there is no group 'no-group-of-that-name'", "start", "other")

    def test_none(self):
        entry = pwd.getpwnam("libvirt-gmem")
        self.start(extra=NONE)
        self.assert_runs_as((entry.pw_uid, entry.pw_gid))
        self.assertEqual(label(), ("none", None, None))
        self.assertNotIn("Security label", information())

    @everywhere
    def test_variables_are_its_own_while_it_runs(self):
        self.start_with_variables()
        uid, gid = vmm_user("test")
        self.assertEqual(owner(), (uid, gid, 0o600))
        virsh("destroy", "test")
        self.assertEqual(owner(), (0, 0, 0o600))
        # Whoever had it gets it back, and what the domain has made of its mode is undone.
        os.chmod(NVRAM, 0o640)
        os.chown(NVRAM, 0, 42)
        virsh("start", "--paused", "test")
        uid, gid = vmm_user("test")
        self.assertEqual(owner(), (uid, gid, 0o640))
        os.chmod(NVRAM, 0o4777)
        pid = vmm_pid("test")
        self.daemon.stop(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_for_exit(pid, 30))
        self.assertEqual(owner()[:2], (uid, gid))
        self.daemon.start()
        self.wait_settled()
        self.assertRegex(self.state(), "^shut off")
        self.assertEqual(owner(), (0, 42, 0o640))

    def test_variables_that_a_host_without_power_has_left(self):
        self.start_with_variables()
        virsh("destroy", "test")
        os.chown(NVRAM, 70123, 70123)
        virsh("start", "--paused", "test")
        self.assertEqual(owner()[:2], vmm_user("test"))
        virsh("destroy", "test")
        self.assertEqual(owner(), (0, 0, 0o600))

    def test_variables_without_relabelling(self):
        self.start_with_variables(extra=NONE)
        self.assertEqual(owner(), (0, 0, 0o600))
        virsh("destroy", "test")
        self.start_with_variables(extra=STATIC.format(relabel="no", label="nobody:nogroup"))
        self.assertEqual(owner(), (0, 0, 0o600))
        virsh("destroy", "test")
        self.start_with_variables(extra=STATIC.format(relabel="yes", label="nobody:nogroup"))
        self.assertEqual(owner()[:2], vmm_user("test"))
        virsh("destroy", "test")
        self.assertEqual(owner(), (0, 0, 0o600))

    def test_variables_of_a_start_that_fails(self):
        self.start_with_variables()
        virsh("destroy", "test")
        with open(NVRAM, "r+b") as file:
            file.truncate(100)
        self.assert_refused("the VMM has ended", "start", "test")
        self.assertEqual(owner(), (0, 0, 0o600))
        self.assertEqual([name for name in os.listdir(STATE_FOLDER) if name.startswith("test")], [])

    def test_both_settings(self):
        self.daemon.stop()
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.daemon.config = os.path.join(folder, "virtgmemd.conf")
        with open(self.daemon.config, "w", encoding="ascii") as file:
            file.write('user = "nobody"\nuser_range = "70000-70001"\n')
        with self.assertRaises(Exception) as caught:
            self.daemon.start()
        self.assertIn("set one of them", caught.exception.stderr)
        self.daemon.config = None
        self.daemon.start()


class Group(IdentityTest):
    """The control group of a domain."""

    def setUp(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            if " - cgroup2 " not in file.read():
                raise unittest.SkipTest("this host has no cgroup v2")
        super().setUp()

    @everywhere
    def test_all_its_processes_are_in_it(self):
        self.start()
        self.start("other")
        group = group_of(vmm_pid("test"))
        self.assertEqual(os.path.dirname(group).rstrip("/"), group_of(self.daemon.pid).rstrip("/"))
        self.assertRegex(os.path.basename(group), r"^gmem-[0-9]+-test-[0-9a-f]{8}\.libvirt-gmem$")
        both = members(group) + members(group_of(vmm_pid("other")))
        self.assertEqual(len(members(group)), 2)
        self.assertIn(vmm_pid("test"), members(group))
        self.assertEqual(sorted(logger_pids() + [vmm_pid("test"), vmm_pid("other")]), sorted(both))

    @everywhere
    def test_limits(self):
        self.define(kind=None, extra="<memtune><hard_limit unit='MiB'>512</hard_limit></memtune><cputune><shares>50"
                    "</shares><global_period>20000</global_period><global_quota>30000</global_quota></cputune>")
        above = group_of(self.daemon.pid)
        with open(os.path.join(above, "cgroup.controllers"), encoding="ascii") as file:
            controllers = file.read().split()
        if not {"cpu", "memory", "pids"} <= set(controllers):
            self.assert_refused("cannot be limited: '(memory.max|cpu.weight)'", "start", "test")
            return
        virsh("start", "--paused", "test")
        group = group_of(vmm_pid("test"))
        for name, wanted in {"memory.max": "536870912", "cpu.weight": "50", "cpu.max": "30000 20000",
                             "pids.max": "513"}.items():
            with open(os.path.join(group, name), encoding="ascii") as file:
                self.assertEqual(file.read().strip(), wanted, name)

    def test_it_is_gone_with_the_domain(self):
        self.start()
        group = group_of(vmm_pid("test"))
        # It may have made others, that nobody knows of.
        stranger = self.in_group(group)
        virsh("destroy", "test")
        self.assertFalse(os.path.exists(group))
        self.assertEqual(stranger.wait(30), -signal.SIGKILL)

    def in_group(self, group):
        """A process in a group, which heeds nothing."""
        process = subprocess.Popen(["sh", "-c", "trap '' TERM; echo ready; exec sleep 1000"], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(process.pid))
        return process

    @everywhere
    def test_it_is_gone_when_a_daemon_comes_too_late(self):
        self.start()
        pid, group = vmm_pid("test"), group_of(vmm_pid("test"))
        stranger = self.in_group(group)
        self.daemon.stop(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_for_exit(pid, 30))
        self.daemon.start()
        self.wait_settled()
        self.assertFalse(os.path.exists(group))
        self.assertEqual(stranger.wait(30), -signal.SIGKILL)

    def test_it_stays_over_daemons(self):
        self.start()
        group = group_of(vmm_pid("test"))
        self.daemon.restart(signal.SIGKILL)
        self.wait_settled()
        self.assertEqual(group_of(vmm_pid("test")), group)
        virsh("destroy", "test")
        self.assertFalse(os.path.exists(group))


class NoGroup(IdentityTest):
    """A host without cgroup v2."""

    def setUp(self):
        super().setUp()
        self.daemon.stop()
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        program = os.path.join(folder, "virtgmemd")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec unshare --mount sh -c 'umount -a -l -t cgroup2 && "
                       f"exec \"{PROGRAM}\" \"$@\"' sh \"$@\"\n")
        os.chmod(program, 0o700)
        self.daemon = self.enterContext(Daemon(program))

    def test_the_start_says_so(self):
        self.define(kind=None)
        self.assert_refused("no cgroup of its own, and 'sandbox_may_lack'.*\"cgroup\"", "start", "test")

    def test_it_may_be_lacking(self):
        self.configure('sandbox_may_lack = [ "cgroup" ]\n')
        self.start()
        own = group_of(self.daemon.pid)
        self.assertEqual(group_of(vmm_pid("test")), own)
        virsh("destroy", "test")
        self.start("other")
        pid = vmm_pid("other")
        self.daemon.stop(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_for_exit(pid, 30))
        self.daemon.start()
        self.wait_settled("other")
        virsh("start", "--paused", "other")


def groups(name):
    """The control groups of domains of that name, wherever they are."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line.split()[4] for line in file if " - cgroup2 " in line]
    for mount in mounts:
        for folder, names, _ in os.walk(mount):
            found += [os.path.join(folder, each) for each in names if re.match(rf"gmem-[0-9]+-{name}-", each)]
    return found


class Kills(IdentityTest):
    """
    Starts, and daemons and VMMs that are killed in the middle of them.

    GMEM_STARTS says how many, for a longer run by hand.
    """

    starts = int(os.environ.get("GMEM_STARTS", "30"))
    domains = 3
    # As long as a start takes, and its end.
    longest = 0.5
    limit = max(400, 2 * starts)

    def setUp(self):
        super().setUp()
        # As many users as domains: one that stayed claimed would be missed.
        self.configure(f'user_range = "72000-{72000 + self.domains - 1}"\n')
        self.names = [f"kill{os.getpid()}x{number}" for number in range(self.domains)]
        for name in self.names:
            self.daemon.define(with_variables(name))
        self.source = random.Random(11)

    def start_all(self):
        """Begins to start those that do not run; the clients, whose end is nobody's business."""
        clients = [subprocess.Popen(["virsh", "-q", "-c", URI, "start", "--paused", name], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name in self.names]
        for client in clients:
            self.addCleanup(client.wait)
        return clients

    def end_some(self):
        """While there is no daemon, some VMMs end."""
        for pid in vmm_pids():
            if self.source.random() < 0.3:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def round(self):
        clients = self.start_all()
        time.sleep(self.source.uniform(0, self.longest))
        self.daemon.stop(signal.SIGKILL)
        for client in clients:
            client.wait(60)
        self.end_some()
        self.daemon.start()
        for name in self.names:
            self.wait_settled(name)
            run_virsh("destroy", name)

    def assert_nothing_is_left(self):
        self.assertEqual(vmm_pids() + logger_pids(), [])
        self.assertEqual([group for name in self.names for group in groups(name)], [])
        self.assertEqual([name for name in os.listdir(STATE_FOLDER) if name.endswith((".status", ".mon"))], [])
        self.assertEqual({owner(os.path.join(NVRAM_FOLDER, name)) for name in os.listdir(NVRAM_FOLDER)},
                         {(0, 0, 0o600)})
        self.assertEqual(virsh("list", "--name"), "")

    def assert_all_can_start(self):
        for name in self.names:
            virsh("start", "--paused", name)
        self.assertEqual(len({vmm_user(name) for name in self.names}), self.domains)
        for name in self.names:
            virsh("destroy", name)

    def test_nothing_is_left(self):
        self.assert_all_can_start()
        for number in range(-(-self.starts // self.domains)):
            with self.subTest(round=number):
                self.round()
                self.assert_nothing_is_left()
        self.assert_all_can_start()
        self.assert_nothing_is_left()
