# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stock virsh gets from virtgmemd."""

import contextlib
import glob
import os
import re
import signal
import socket
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

from support import kinds
from support.daemon import (AUTOSTART_DONE, CONFIG_FOLDER, DaemonTest, LOG_FOLDER, STATE_FOLDER,
                            STDIN, URI, domain_names, domain_xml, left_behind, run_virsh, virsh,
                            vm_statistics, vmm_pid)
from support.vmm import CMDLINE, EMULATOR, MEMORY_KIND
from support.waiting import Deadline, Timeout, wait_for_exit, wait_until
from support.where import NATIVE, everywhere

EXAMPLES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs/examples")


PANIC = "<panic model='isa'/>"


def names(*filters):
    """The domains that virsh list finds with filters."""
    return set(domain_names(*filters))


def parsed(command, *arguments):
    return ElementTree.fromstring(virsh(command, *arguments))


class Host(DaemonTest):
    """What a client learns of driver and host."""

    where = NATIVE

    def test_version_names_the_driver_and_its_version(self):
        self.assertRegex(virsh("version", "--daemon"),
                         r"(?s)Using API: GMEM .*Running hypervisor: GMEM \d+\.\d+\.\d+.*"
                         r"Running against daemon: \d+\.\d+\.\d+")

    def test_uri_is_the_canonical_one(self):
        self.assertEqual(virsh("uri"), URI)

    def test_hostname_is_the_hosts(self):
        self.assertEqual(virsh("hostname"), socket.gethostname())

    def test_nodeinfo_counts_the_hosts_processors_and_memory(self):
        info = dict(re.findall(r"^(.*?): +(.*)$", virsh("nodeinfo"), re.MULTILINE))
        with open("/proc/meminfo", encoding="ascii") as file:
            total = re.search(r"MemTotal: +(\d+) kB", file.read()).group(1)
        self.assertEqual(info["CPU model"], "x86_64")
        self.assertEqual(int(info["CPU(s)"]), os.cpu_count())
        self.assertEqual(info["Memory size"], f"{total} KiB")

    def test_capabilities_have_a_q35_guest_with_our_vmm(self):
        guest = parsed("capabilities").find("guest")
        self.assertEqual(guest.findtext("os_type"), "hvm")
        self.assertEqual(guest.find("arch").get("name"), "x86_64")
        self.assertEqual(guest.findtext("arch/emulator"), EMULATOR)
        self.assertEqual(guest.findtext("arch/machine"), "q35")
        self.assertEqual(guest.find("arch/domain").get("type"), "kvm")

    @everywhere
    def test_domcapabilities_offer_software_protection_where_the_host_has_it(self):
        security = parsed("domcapabilities").find("features/launchSecurity")
        offered = not kinds.why_not("two-sided")
        self.assertEqual(security.get("supported"), "yes" if offered else "no")
        self.assertEqual([value.text for value in security.iter("value")], ["sw-protected"] if offered else [])

    @everywhere
    def test_domcapabilities_say_what_a_kind_of_memory_lacks(self):
        namespace = "{urn:libvirt-gmem:domain-capabilities:1}"
        found = {kind.get("name"): kind for kind in parsed("domcapabilities").iter(namespace + "kind")}
        self.assertEqual(found[MEMORY_KIND].get("supported"), "yes")
        for name, needed in (("two-sided", "CONFIG_KVM_SW_PROTECTED_VM"), ("windows", "Linux 6.18")):
            if found[name].get("supported") == "no":
                self.assertIn(needed, found[name].findtext(namespace + "reason"))

    def test_a_procedure_that_is_not_served_is_an_error_and_no_lost_connection(self):
        result = run_virsh("nodesuspend mem 60; echo still; uri")
        self.assertIn("not supported by the connection driver", result.stderr)
        self.assertTrue(result.stdout.strip().endswith("still" + URI), result.stdout)


class Definitions(DaemonTest):
    """Domains that are defined, and their files."""

    where = NATIVE

    def path(self, name="test"):
        return os.path.join(CONFIG_FOLDER, name + ".xml")

    def test_every_example_of_the_documentation_validates_and_can_be_defined(self):
        examples = glob.glob(os.path.join(EXAMPLES, "*.xml"))
        self.assertTrue(examples, f"no example in {EXAMPLES}")
        for example in examples:
            with self.subTest(example=os.path.basename(example)):
                virsh("define", "--validate", example)

    def test_what_dumpxml_prints_can_be_defined_again_and_prints_the_same(self):
        self.define(does="console=ttyS0 &lt;&amp;&quot;", extra="<title>a &amp; b</title>")
        first = virsh("dumpxml", "test")
        virsh("undefine", "test")
        virsh("define", "--validate", STDIN, text=first)
        self.assertEqual(virsh("dumpxml", "test"), first)

    def test_dumpxml_of_a_running_domain_shows_what_runs_and_inactive_what_will(self):
        self.define(identity="11111111-2222-4333-8444-555555555555")
        defined = virsh("dumpxml", "test")
        virsh("start", "--paused", "test")
        live = parsed("dumpxml", "test")
        self.assertEqual(live.get("id"), virsh("domid", "test"))
        self.assertRegex(live.find("devices/serial/source").get("path"), r"^/dev/pts/\d+$")
        self.assertEqual(virsh("dumpxml", "--inactive", "test"), defined)
        self.assertEqual(parsed("dumpxml", "--security-info", "test").get("id"), live.get("id"))
        # What runs can be defined, and is the next start's without what was of this one; that it gets a user is said.
        virsh("define", STDIN, text=virsh("dumpxml", "test"))
        self.assertEqual(virsh("dumpxml", "--inactive", "test"), defined.replace(
            "</domain>", "  <seclabel type='dynamic' model='dac' relabel='yes'/>\n</domain>"))

    def test_a_domain_that_runs_has_all_of_its_memory_whatever_it_is_to_begin_with(self):
        self.define(extra="<currentMemory unit='MiB'>8</currentMemory>")
        self.run_tiny()
        self.assertRegex(virsh("dominfo", "test"), r"Used memory: +16384 KiB")
        self.assertIn(">16384</currentMemory>", virsh("dumpxml", "test"))
        self.assertIn(">8192</currentMemory>", virsh("dumpxml", "--inactive", "test"))

    def test_validate_refuses_what_the_schema_does_not_know(self):
        wrong = self.xml().replace("<vcpu>1</vcpu>", "<vcpu>1</vcpu><vcpux/>")
        self.assert_refused("XML document failed to validate against schema", "define",
                            "--validate", STDIN, text=wrong)
        self.assertEqual(names("--all"), set())

    def test_a_definition_is_a_file_for_root_alone_that_is_replaced_as_a_whole(self):
        self.define(identity="11111111-2222-4333-8444-555555555555")
        before = os.stat(self.path())
        self.assertEqual(before.st_mode & 0o7777, 0o600)
        with open(self.path(), encoding="utf-8") as held:
            self.define(does="e", identity="11111111-2222-4333-8444-555555555555")
            # Who reads meanwhile has all of the old one.
            self.assertIn("<cmdline>o</cmdline>", held.read())
        with open(self.path(), encoding="utf-8") as file:
            self.assertIn("<cmdline>e</cmdline>", file.read())
        self.assertEqual(os.stat(self.path()).st_mode & 0o7777, 0o600)
        self.assertEqual(sorted(os.listdir(CONFIG_FOLDER)), ["autostart", "test.xml"])

    def test_undefine_removes_the_file_and_the_domain(self):
        self.define()
        virsh("undefine", "test")
        self.assertFalse(os.path.exists(self.path()))
        self.assert_refused("failed to get domain 'test'", "dominfo", "test")

    def test_undefine_of_a_running_domain_leaves_it_transient_until_it_ends(self):
        self.define()
        virsh("start", "--paused", "test")
        virsh("undefine", "test")
        self.assertEqual(names("--transient"), {"test"})
        self.assertFalse(os.path.exists(self.path()))
        self.assert_refused("transient", "undefine", "test")
        virsh("destroy", "test")
        self.assertEqual(names("--all"), set())

    def test_a_definition_of_a_running_domain_counts_from_the_next_start(self):
        identity = "11111111-2222-4333-8444-555555555555"
        self.define(identity=identity)
        virsh("start", "--paused", "test")
        self.define(memory=32, identity=identity)
        self.assertEqual(parsed("dumpxml", "test").findtext("memory"), "16384")
        self.assertEqual(parsed("dumpxml", "--inactive", "test").findtext("memory"), "32768")
        virsh("destroy", "test")
        self.assertEqual(parsed("dumpxml", "test").findtext("memory"), "32768")

    def test_names_and_uuids_belong_to_one_domain(self):
        self.define(identity="11111111-2222-4333-8444-555555555555")
        self.assert_refused("domain 'test' already exists with uuid 11111111-", "define", STDIN,
                            text=self.xml())
        self.assert_refused("already", "define", STDIN, text=self.xml(
            "other", identity="11111111-2222-4333-8444-555555555555"))
        self.assertEqual(names("--all"), {"test"})

    def test_definitions_are_there_again_after_a_restart_and_a_broken_file_hurts_none(self):
        self.define()
        defined = virsh("dumpxml", "test")
        broken = self.path("broken")
        with open(broken, "w", encoding="utf-8") as file:
            file.write("<domain type='kvm'><name>broken</name>")
        self.addCleanup(os.unlink, broken)
        self.daemon.restart()
        self.assertEqual(names("--all"), {"test"})
        self.assertEqual(virsh("dumpxml", "test"), defined)
        self.assertIn(f"'{broken}' is left alone", self.daemon.start_messages)

    def test_autostart_starts_a_domain_with_the_host_and_not_with_every_daemon(self):
        self.define()
        self.define("other")
        link = os.path.join(CONFIG_FOLDER, "autostart", "test.xml")
        virsh("autostart", "test")
        self.assertEqual(os.readlink(link), self.path())
        self.assertIn("Autostart:      enable", virsh("dominfo", "test"))
        # As after a boot of the host, whose /run is empty.
        self.daemon.stop()
        os.unlink(AUTOSTART_DONE)
        self.daemon.start()
        events = self.daemon.events()
        if names() != {"test"}:
            events.wait("Started Booted")
        self.assertEqual(names(), {"test"})
        virsh("destroy", "test")
        self.daemon.restart()
        self.assertEqual(names(), set())
        virsh("autostart", "--disable", "test")
        self.assertFalse(os.path.lexists(link))
        self.assertIn("Autostart:      disable", virsh("dominfo", "test"))


class Lists(DaemonTest):
    """virsh list finds what its filters say."""

    where = NATIVE

    def test_each_filter_of_list_finds_what_it_says(self):
        self.define("off")
        self.define("defined")
        virsh("autostart", "defined")
        virsh("start", "defined")
        self.create("passing", options=["--paused"])
        everything = {"off", "defined", "passing"}
        for filters, expected in [
                ([], {"defined", "passing"}),
                (["--all"], everything),
                (["--inactive"], {"off"}),
                (["--all", "--persistent"], {"off", "defined"}),
                (["--persistent"], {"defined"}),
                (["--transient"], {"passing"}),
                (["--all", "--autostart"], {"defined"}),
                (["--all", "--no-autostart"], {"off", "passing"}),
                (["--state-running"], {"defined"}),
                (["--state-paused"], {"passing"}),
                (["--all", "--state-shutoff"], {"off"}),
                (["--all", "--state-other"], set()),
                (["--all", "--state-running", "--state-paused"], {"defined", "passing"}),
                (["--all", "--with-managed-save"], set()),
                (["--all", "--without-managed-save"], everything),
                (["--all", "--with-snapshot"], set()),
                (["--all", "--without-snapshot"], everything),
                (["--all", "--with-checkpoint"], set()),
                (["--all", "--without-checkpoint"], everything)]:
            with self.subTest(filters=filters):
                self.assertEqual(names(*filters), expected)

    def test_list_shows_ids_names_and_states(self):
        self.define("off")
        self.create(options=["--paused"])
        lines = [line.split(maxsplit=2) for line in virsh("list", "--all").splitlines()]
        self.assertEqual(lines, [[virsh("domid", "test"), "test", "paused"],
                                 ["-", "off", "shut off"]])

    def test_a_domain_is_found_by_its_name_its_uuid_and_its_id(self):
        identity = "11111111-2222-4333-8444-555555555555"
        self.create(identity=identity, options=["--paused"])
        number = virsh("domid", "test")
        self.assertEqual(virsh("domuuid", "test"), identity)
        self.assertEqual(virsh("domname", identity), "test")
        self.assertEqual(virsh("domname", number), "test")
        self.assertEqual(virsh("domid", identity), number)
        self.assert_refused("failed to get domain '9999'", "dominfo", "9999")


class Lifecycle(DaemonTest):
    """Domains that start, run and end."""

    where = NATIVE

    def test_create_runs_a_transient_domain_that_is_gone_when_it_ends(self):
        events = self.daemon.events()
        self.create()
        self.assertEqual(self.state(), "running (booted)")
        self.assertIn("Persistent:     no", virsh("dominfo", "test"))
        virsh("destroy", "test")
        self.assertEqual(names("--all"), set())
        events.wait("Stopped Destroyed")
        self.assertEqual(events.of(), ["Started Booted", "Stopped Destroyed"])

    def test_a_domain_that_is_started_paused_waits_for_resume(self):
        self.define()
        virsh("start", "--paused", "test")
        self.assertEqual(self.state(), "paused (user)")
        console = self.daemon.console("test")
        virsh("resume", "test")
        console.wait_for("ready", 30)
        self.assertEqual(self.state(), "running (unpaused)")

    def test_a_domain_with_autodestroy_ends_with_its_client(self):
        self.define()
        events = self.daemon.events()
        for start in ("start test --autodestroy\n", "create /proc/self/fd/9 --autodestroy\n"):
            with self.subTest(start=start), contextlib.ExitStack() as stack:
                source = stack.enter_context(tempfile.NamedTemporaryFile("w+", encoding="utf-8"))
                source.write(self.xml("passing"))
                source.flush()
                client = stack.enter_context(subprocess.Popen(
                    ["virsh", "-c", URI], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, text=True))
                name = "test" if start.startswith("start") else "passing"
                client.stdin.write(start.replace("/proc/self/fd/9", source.name))
                client.stdin.flush()
                events.wait("Started Booted", name)
                self.assertEqual(names(), {name})
                pid = vmm_pid(name)
                client.stdin.close()
                client.wait(60)
                events.wait("Stopped Destroyed", name)
                self.assertTrue(wait_for_exit(pid, 0))
        self.assertEqual(names("--all"), {"test"})

    def test_the_end_of_another_client_leaves_a_domain_with_autodestroy_alone(self):
        self.define()
        events = self.daemon.events()
        with subprocess.Popen(["virsh", "-c", URI], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              text=True) as client:
            client.stdin.write("start test --autodestroy\n")
            client.stdin.flush()
            events.wait("Started Booted")
            self.assertEqual(names(), {"test"})
            virsh("destroy", "test")
            # It runs anew, without being bound to the client that is still there.
            virsh("start", "test")
            client.stdin.close()
            client.wait(60)
            self.assertEqual(names(), {"test"})

    def test_what_does_not_fit_the_state_is_refused(self):
        self.define()
        for command in ("shutdown", "reboot", "reset", "suspend", "resume", "destroy"):
            with self.subTest(command=command):
                self.assert_refused("not running", command, "test")
        virsh("start", "test")
        self.assert_refused("already active|already running", "start", "test")
        self.assert_refused("not paused", "resume", "test")
        self.assertEqual(self.state(), "running (booted)")

    @everywhere
    def test_suspend_halts_the_guest_and_resume_lets_it_go_on(self):
        self.define(does="e")
        console = self.run_tiny()
        virsh("suspend", "test")
        self.assertEqual(self.state(), "paused (user)")
        console.send("held")
        self.assertEqual(virsh("domstate", "test"), "paused")
        self.assertNotIn("held", console.text)
        virsh("resume", "test")
        console.wait_for("held", 30)
        self.assertEqual(self.state(), "running (unpaused)")

    def test_shutdown_presses_the_power_button(self):
        self.define()
        events = self.daemon.events()
        console = self.run_tiny()
        virsh("shutdown", "--mode", "acpi", "test")
        self.assertEqual(console.wait_end(), 0)
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")
        self.assertEqual(events.of(), [
            "Started Booted", "Suspended Paused", "Resumed Unpaused",
            "Shutdown Finished after guest request", "Stopped Shutdown"])

    def test_reboot_presses_the_power_button_and_starts_the_same_vmm_anew(self):
        self.define()
        events = self.daemon.events()
        console = self.run_tiny()
        before = virsh("domid", "test"), vmm_pid("test")
        virsh("reboot", "test")
        console.wait_for("ready", 30)
        events.wait_reboot()
        events.wait("Resumed Unpaused")
        self.assertEqual((virsh("domid", "test"), vmm_pid("test")), before)
        self.assertEqual(virsh("domstate", "test"), "running")
        # The next power-off is one again.
        virsh("shutdown", "test")
        events.wait("Stopped Shutdown")

    def test_reset_starts_the_guest_anew_at_once(self):
        self.define()
        events = self.daemon.events()
        console = self.run_tiny()
        before = virsh("domid", "test"), vmm_pid("test")
        virsh("reset", "test")
        console.wait_for("ready", 30)
        events.wait_reboot()
        self.assertEqual((virsh("domid", "test"), vmm_pid("test")), before)
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_destroy_ends_the_vmm_and_leaves_no_file_socket_or_process(self):
        for option in ([], ["--graceful"]):
            with self.subTest(option=option):
                self.create()
                pid = vmm_pid("test")
                self.assertEqual(len(left_behind()), 4, "status, monitor, VMM, logger")
                virsh("destroy", "test", *option)
                self.assertTrue(wait_for_exit(pid, 0))
                self.assertEqual(left_behind(), [])

    def test_the_state_tells_that_a_domain_was_destroyed(self):
        self.define()
        self.assertEqual(self.state(), "shut off (unknown)")
        virsh("start", "test")
        virsh("destroy", "test")
        self.assertEqual(self.state(), "shut off (destroyed)")

    def test_two_domains_run_side_by_side(self):
        self.define("one", does="e")
        self.define("two", does="e")
        one = self.run_tiny("one")
        two = self.run_tiny("two")
        self.assertNotEqual(virsh("domid", "one"), virsh("domid", "two"))
        one.send("first")
        two.send("second")
        one.wait_for("first", 30)
        two.wait_for("second", 30)
        self.assertNotIn("second", one.text)
        virsh("destroy", "one")
        two.send("alone")
        two.wait_for("alone", 30)
        self.assertEqual(names(), {"two"})

    def test_descriptors_are_the_same_after_twenty_starts_and_ends(self):
        self.define()
        self.run_tiny()
        self.daemon.close_clients()
        virsh("destroy", "test")
        before = self.daemon.settled_descriptors()
        for _ in range(20):
            virsh("start --paused test; destroy test")
        self.daemon.wait_descriptors(before)
        self.assertEqual(left_behind(), [])

    def test_the_vmms_log_says_how_it_was_started(self):
        self.define("test with a log")
        self.addCleanup(os.unlink, os.path.join(LOG_FOLDER, "test with a log.log"))
        virsh("start", "--paused", "test with a log")
        path = os.path.join(LOG_FOLDER, "test with a log.log")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        with open(path, encoding="utf-8") as file:
            self.assertRegex(file.read(), rf"starting up libvirt-gmem .*'--memory-kind={MEMORY_KIND}'")


class Actions(DaemonTest):
    """on_poweroff, on_reboot and on_crash."""

    where = NATIVE

    def start(self, does, devices="", **actions):
        """Starts a guest that is told to do that; its events."""
        extra = "".join(f"<on_{name}>{action}</on_{name}>" for name, action in actions.items())
        self.define(extra=extra, devices=devices)
        events = self.daemon.events()
        self.console = self.run_tiny()
        events.wait("Resumed Unpaused")
        self.console.send(does)
        return events

    def test_a_guest_that_powers_off_is_destroyed_by_default(self):
        self.start("p").wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")

    def test_a_guest_that_powers_off_can_be_restarted(self):
        events = self.start("p", poweroff="restart")
        self.console.wait_for("ready", 30)
        events.wait("Resumed Unpaused")
        self.assertEqual(virsh("domstate", "test"), "running")
        # Which does not keep a destroy from being one.
        virsh("destroy", "test")
        self.assertEqual(self.state(), "shut off (destroyed)")
        events.wait("Stopped Destroyed")
        self.assertEqual(events.of().count("Shutdown Finished after guest request"), 1)

    def test_a_guest_that_powers_off_can_be_preserved(self):
        self.start("p", poweroff="preserve").wait("Shutdown Finished after guest request")
        self.assertEqual(self.state(), "in shutdown (user)")
        self.assertGreater(vm_statistics("test")["vm.gmem.private.bytes.cur"], 0)
        virsh("destroy", "test")
        self.assertEqual(self.state(), "shut off (destroyed)")

    def test_a_guest_that_resets_itself_starts_anew_by_default(self):
        for does in "rt":
            with self.subTest(does=does):
                events = self.start(does)
                events.wait_reboot()
                self.console.wait_for("ready", 30)
                self.assertEqual(virsh("domstate", "test"), "running")
                self.daemon.close_clients()
                virsh("destroy", "test")
                virsh("undefine", "test")

    def test_a_guest_that_resets_itself_can_be_destroyed(self):
        events = self.start("r", reboot="destroy")
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")

    @everywhere
    def test_a_machine_that_fails_is_a_crashed_domain_that_says_why(self):
        events = self.start("f")
        events.wait("Crashed Panicked")
        events.wait("Stopped Crashed")
        self.assertEqual(self.state(), "shut off (crashed)")
        self.assertIn("KVM_EXIT_INTERNAL_ERROR", virsh("dominfo", "test"))
        self.assertIn("domain 'test': the machine has failed: vCPU 0", self.daemon.log())

    def test_a_machine_that_fails_can_be_preserved(self):
        self.start("f", crash="preserve").wait("Crashed Panicked")
        self.assertEqual(self.state(), "crashed (panicked)")
        virsh("destroy", "test")
        self.assertEqual(self.state(), "shut off (destroyed)")

    def test_a_machine_that_fails_can_be_restarted(self):
        events = self.start("f", crash="restart")
        events.wait("Crashed Panicked")
        self.console.wait_for("ready", 30)
        events.wait("Resumed Unpaused")
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_a_guest_that_panics_is_a_crashed_domain(self):
        events = self.start("c", PANIC)
        events.wait("Crashed Panicked")
        events.wait("Stopped Crashed")
        self.assertEqual(self.state(), "shut off (crashed)")
        self.assertIn("the guest says that it has failed", virsh("dominfo", "test"))

    def test_a_guest_that_panics_can_be_preserved_and_go_on(self):
        events = self.start("c", PANIC, crash="preserve")
        events.wait("Crashed Panicked")
        self.assertEqual(self.state(), "crashed (panicked)")
        virsh("resume", "test")
        events.wait("Resumed Unpaused")
        self.assertEqual(virsh("domstate", "test"), "running")
        self.console.send("p")
        events.wait("Stopped Shutdown")

    def test_a_guest_that_panics_and_is_preserved_can_be_reset(self):
        events = self.start("c", PANIC, crash="preserve")
        events.wait("Crashed Panicked")
        virsh("reset", "test")
        self.assertEqual(self.state(), "paused (crashed)")
        virsh("resume", "test")
        self.console.wait_for("ready", 30)
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_a_guest_that_panics_can_be_restarted(self):
        events = self.start("c", PANIC, crash="restart")
        events.wait("Crashed Panicked")
        self.console.wait_for("ready", 30)
        events.wait("Resumed Unpaused")
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_another_daemon_finds_a_guest_that_has_panicked(self):
        self.start("c", PANIC, crash="preserve").wait("Crashed Panicked")
        self.daemon.restart()
        wait_until(lambda: self.state() == "crashed (panicked)", 30, "the state")

    def test_a_guest_that_loads_a_kernel_for_its_crash_goes_on(self):
        events = self.start("l", PANIC)
        events.wait("Crashed Crashloaded")
        self.assertEqual(self.state(), "running (unpaused)")
        self.console.send("p")
        events.wait("Stopped Shutdown")

    def watchdog(self, action):
        """A guest that lets its watchdog bite, in 2.4 seconds; what is told."""
        return self.start("b", f"<watchdog model='itco' action='{action}'/>")

    def test_a_watchdog_resets_the_guest(self):
        events = self.watchdog("reset")
        events.wait_watchdog("reset")
        events.wait_reboot()
        self.console.wait_for("ready", 30)
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_a_watchdog_pauses_the_guest(self):
        events = self.watchdog("pause")
        events.wait_watchdog("pause")
        events.wait("Suspended Watchdog")
        self.assertEqual(self.state(), "paused (watchdog)")
        self.daemon.restart()
        wait_until(lambda: self.state() == "paused (watchdog)", 30, "the state")
        virsh("resume", "test")
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_a_watchdog_powers_the_guest_off(self):
        events = self.watchdog("poweroff")
        events.wait_watchdog("poweroff")
        events.wait("Stopped Shutdown")

    def test_a_watchdog_has_the_guest_shut_down(self):
        events = self.watchdog("shutdown")
        events.wait_watchdog("shutdown")
        events.wait("Stopped Shutdown")


class AsOtherDrivers(DaemonTest):
    """What stock clients ask of every driver is answered as libvirt's QEMU driver does."""

    where = NATIVE

    def test_an_agent_is_asked_for_in_vain(self):
        self.define()
        for command in ("shutdown", "reboot"):
            with self.subTest(command=command):
                self.assert_refused("operation is not valid: domain 'test' is not running",
                                    command, "--mode", "agent", "test")
                self.assert_refused("unsupported flags", command, "--mode", "signal", "test")
        virsh("start", "test")
        for command in ("shutdown", "reboot"):
            with self.subTest(command=command):
                self.assert_refused("has no guest agent", command, "--mode", "agent", "test")
        self.assertEqual(virsh("domstate", "test"), "running")

    def test_either_of_agent_and_power_button_is_the_power_button(self):
        self.define()
        events = self.daemon.events()
        self.run_tiny()
        virsh("shutdown", "--mode", "agent,acpi", "test")
        events.wait("Stopped Shutdown")

    def test_a_domain_that_is_off_has_its_memory_too(self):
        self.define(memory=16)
        lines = virsh("domstats", "--balloon", "test").splitlines()[1:]
        self.assertEqual([line.strip() for line in lines],
                         ["balloon.current=16384", "balloon.maximum=16384"])

    def test_xml_to_be_moved_has_nothing_of_this_run(self):
        self.define()
        self.assertEqual(virsh("dumpxml", "--migratable", "test"),
                         virsh("dumpxml", "--inactive", "--security-info", "test"))

    def test_xml_to_be_moved_is_of_what_runs(self):
        self.define()
        virsh("start", "--paused", "test")
        runs = virsh("dumpxml", "--migratable", "test")
        self.daemon.define(self.xml(memory=32, identity=virsh("domuuid", "test")))
        self.assertEqual(virsh("dumpxml", "--migratable", "test"), runs)
        self.assertIn("id=", virsh("dumpxml", "test"))
        self.assertNotRegex(runs, "id='|/dev/pts/|alias")
        virsh("destroy", "test")
        self.daemon.define(runs)
        self.assertEqual(virsh("dumpxml", "--migratable", "test"), runs)


class ReadOnly(DaemonTest):
    """A read-only connection may look, and not change."""

    where = NATIVE

    def test_a_read_only_connection_may_look(self):
        self.define()
        virsh("start", "--paused", "test")
        for command in (["list", "--all"], ["dominfo", "test"], ["dumpxml", "test"],
                        ["domstats", "test"], ["domstate", "test"], ["vcpuinfo", "test"],
                        ["capabilities"], ["nodeinfo"]):
            with self.subTest(command=command):
                self.assertTrue(virsh(*command, readonly=True))

    def test_a_read_only_connection_may_not_change(self):
        self.define()
        self.define("off")
        virsh("start", "--paused", "test")
        for command in (["start", "off"], ["destroy", "test"], ["undefine", "off"],
                        ["resume", "test"], ["suspend", "test"], ["shutdown", "test"],
                        ["reboot", "test"], ["reset", "test"], ["autostart", "off"],
                        ["dumpxml", "--security-info", "test"],
                        ["dumpxml", "--migratable", "test"], ["define", STDIN],
                        ["create", STDIN]):
            with self.subTest(command=command):
                self.assert_refused("read only|forbidden", *command, readonly=True,
                                    text=self.xml("new"))
        self.assertEqual(names("--all"), {"test", "off"})
        self.assertEqual(self.state(), "paused (user)")


class Restarts(DaemonTest):
    """Domains outlive their daemon, however it ends."""

    where = NATIVE

    def check_domains_outlive(self, number):
        self.define("running", does="e")
        self.define("paused")
        self.run_tiny("running")
        self.create("passing", options=["--paused"])
        virsh("start", "--paused", "paused")
        self.daemon.close_clients()
        before = {name: (virsh("domid", name), vmm_pid(name), virsh("domstate", name),
                         virsh("dumpxml", name)) for name in names()}
        self.assertEqual(set(before), {"running", "paused", "passing"})
        self.daemon.restart(number)
        after = {name: (virsh("domid", name), vmm_pid(name), virsh("domstate", name),
                        virsh("dumpxml", name)) for name in names()}
        self.assertEqual(after, before)
        self.assertEqual(names("--transient"), {"passing"})

        console = self.daemon.console("running")
        console.send("still here")
        console.wait_for("still here", 30)
        self.assertIn("vcpu.0.time", virsh("domstats", "running"))
        # A new domain does not get an id that is somebody's.
        self.create("new", options=["--paused"])
        self.assertNotIn(virsh("domid", "new"), [found[0] for found in before.values()])
        events = self.daemon.events()
        virsh("shutdown", "running")
        events.wait("Stopped Shutdown", "running")
        virsh("resume", "paused")
        self.assertEqual(virsh("domstate", "paused"), "running")

    def test_domains_outlive_a_daemon_that_is_told_to_end(self):
        self.check_domains_outlive(signal.SIGTERM)

    @everywhere
    def test_domains_outlive_a_daemon_that_is_killed(self):
        self.check_domains_outlive(signal.SIGKILL)

    def test_a_power_off_while_no_daemon_looks_is_seen_by_the_next(self):
        self.define(does="o")
        console = self.run_tiny()
        terminal = parsed("dumpxml", "test").find("devices/serial/source").get("path")
        console.close()
        pid = vmm_pid("test")
        self.daemon.stop()
        with os.fdopen(os.open(terminal, os.O_RDWR | os.O_NOCTTY), "r+b", buffering=0) as file:
            file.write(b"p")
            self.daemon.start()
            self.assertTrue(wait_for_exit(pid, 60), "the VMM was not ended")
        events = self.daemon.events()
        if virsh("domstate", "test") != "shut off":
            events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")

    def test_a_vmm_that_died_while_no_daemon_looked_is_a_domain_that_is_off(self):
        self.define()
        self.create("passing", options=["--paused"])
        virsh("start", "--paused", "test")
        pids = [vmm_pid("test"), vmm_pid("passing")]
        self.daemon.stop()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(wait_for_exit(pid, 30))
        self.daemon.start()
        events = self.daemon.events()
        if virsh("domstate", "test") != "shut off":
            events.wait("Stopped Failed")
        self.assertEqual(self.state(), "shut off (daemon)")
        self.assertEqual(names("--all"), {"test"})
        self.assertEqual(left_behind(), [])
        self.run_tiny()


class BrokenVmms(DaemonTest):
    """A VMM that dies or hangs is its own domain's trouble alone."""

    where = NATIVE

    def test_a_vmm_that_is_killed_is_a_crashed_domain_and_the_daemon_serves_on(self):
        self.define()
        self.define("other")
        virsh("start", "--paused", "other")
        events = self.daemon.events()
        console = self.run_tiny()
        os.kill(vmm_pid("test"), signal.SIGKILL)
        events.wait("Stopped Crashed")
        console.wait_end()
        self.assertEqual(self.state(), "shut off (crashed)")
        self.assertRegex(virsh("dominfo", "test"), r"the VMM has ended \(.*(9|SIGKILL|[Kk]illed)")
        self.assertRegex(self.daemon.log(), r"domain 'test': the VMM has ended")
        self.assertEqual(names(), {"other"})
        # Nothing of it is in the way of another start.
        self.daemon.close_clients()
        self.run_tiny()

    def test_a_vmm_that_cannot_start_tells_its_last_words(self):
        with open(self.kernel + ".truncated", "wb") as file:
            file.write(bytes(4096))
        self.addCleanup(os.unlink, self.kernel + ".truncated")
        self.daemon.define(domain_xml(kernel=self.kernel + ".truncated", initrd=None, memory=16))
        self.assert_refused("the VMM has ended .*kernel is not a bzImage", "start", "test")
        self.assertEqual(left_behind(), [])
        self.assertEqual(virsh("domstate", "test"), "shut off")

    def test_a_vmm_that_hangs_stalls_nobody_else_and_can_be_destroyed(self):
        self.define()
        self.define("other", does="e")
        virsh("start", "test")
        console = self.run_tiny("other")
        pid = vmm_pid("test")
        os.kill(pid, signal.SIGSTOP)
        # Somebody waits for it.
        with subprocess.Popen(["virsh", "-q", "-c", URI, "suspend", "test"],
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              text=True) as waiting:
            self.wait_job()
            for command in (["list", "--all"], ["dominfo", "other"], ["dominfo", "test"],
                            ["dumpxml", "test"], ["domstate", "test"], ["domstats", "other"],
                            ["suspend", "other"], ["resume", "other"]):
                with self.subTest(command=command):
                    virsh(*command, seconds=10)
            console.send("lively")
            console.wait_for("lively", 10)
            # Of the hanging one there is everything that it need not be asked for.
            self.assertIn("vcpu.current=1", virsh("domstats", "test", seconds=30))
            self.assertIsNone(waiting.poll(), "the suspend does not wait")
            virsh("destroy", "test", seconds=40)
            waiting.wait(30)
            self.assertNotEqual(waiting.returncode, 0)
            waiting.stderr.read()
        self.assertTrue(wait_for_exit(pid, 0))
        self.assertEqual(self.state(), "shut off (destroyed)")
        self.assertEqual(names(), {"other"})

    def wait_job(self):
        """Waits until somebody is changing the domain."""
        deadline = Deadline(30)
        while "occupied" not in virsh("domcontrol", "test"):
            if deadline.is_over():
                raise Timeout("nobody changes the domain")


class Linux(DaemonTest):
    """Debian's kernel, unmodified."""

    limit = 240

    def test_linux_boots_with_most_of_its_memory_private_and_reboots_and_obeys_the_power_button(self):
        self.daemon.define(domain_xml(vcpus=2))
        events = self.daemon.events()
        console = self.daemon.start_guest()
        self.assertRegex(console.text, r"Hello from Linux .*: 2 CPUs")
        self.check_statistics()
        self.check_vcpus()
        info = dict(re.findall(r"^(.*?): +(.*)$", virsh("dominfo", "test"), re.MULTILINE))
        self.assertEqual(info["State"], "running")
        self.assertEqual(info["CPU(s)"], "2")
        self.assertEqual(info["Max memory"], "262144 KiB")
        virsh("reboot", "test")
        console.wait_for("power button was pressed", 60)
        console.wait_shell()
        virsh("shutdown", "test")
        console.wait_for("power button was pressed", 60)
        self.assertEqual(console.wait_end(), 0)
        events.wait("Stopped Shutdown")
        self.assertEqual(self.state(), "shut off (shutdown)")

    def check_statistics(self):
        statistics = dict(line.strip().split("=", 1) for line in
                          virsh("domstats", "test", "--state", "--vcpu", "--balloon",
                                "--vm").splitlines()[1:])
        self.assertEqual(statistics["state.state"], "1")
        self.assertEqual(statistics["vcpu.current"], "2")
        self.assertGreater(int(statistics["vcpu.0.time"]), 0)
        self.assertGreater(int(statistics["vcpu.1.time"]), 0)
        self.assertEqual(statistics["balloon.current"], "262144")
        self.assertEqual(statistics["balloon.maximum"], "262144")
        self.assertEqual(statistics["vm.gmem.kind"], MEMORY_KIND)
        self.assertEqual(statistics["vm.gmem.policy"], "on-demand")
        private = int(statistics["vm.gmem.private.bytes.cur"])
        shared = int(statistics["vm.gmem.shared.bytes.cur"])
        self.assertGreater(private, shared)
        self.assertEqual(private + shared + self.holes(), 256 << 20)
        self.assertGreater(int(statistics["vm.gmem.convert.to-private.populate.bytes.sum"]),
                           8 << 20)

    @staticmethod
    def holes():
        """Where a PC has the VGA's memory is no RAM."""
        return 0xc0000 - 0xa0000

    def check_vcpus(self):
        text = virsh("vcpuinfo", "test")
        self.assertEqual(re.findall(r"^VCPU: +(\d+)", text, re.MULTILINE), ["0", "1"])
        self.assertEqual(re.findall(r"^State: +(.*)", text, re.MULTILINE), ["running"] * 2)

    def test_linux_that_panics_and_reboots_starts_anew(self):
        self.daemon.define(domain_xml(cmdline=f"{CMDLINE} panic=-1"))
        console = self.daemon.start_guest()
        console.send("echo c >/proc/sysrq-trigger\r")
        console.wait_for("Kernel panic", 60)
        console.wait_for("Hello from Linux", 120)
        self.assertEqual(virsh("domstate", "test"), "running")


class Folders(DaemonTest):
    """Where things are."""

    where = NATIVE

    def test_sockets_and_folders_are_for_whom_they_should_be(self):
        for path, mode in [("/run/libvirt/virtgmemd-sock-ro", 0o777),
                           (STATE_FOLDER, 0o700), (CONFIG_FOLDER, 0o700), (LOG_FOLDER, 0o700)]:
            with self.subTest(path=path):
                self.assertEqual(os.stat(path).st_mode & 0o777, mode)
        self.assertEqual(os.stat("/run/libvirt/virtgmemd-sock").st_mode & 0o007, 0)

    def test_a_daemon_that_ends_takes_its_sockets_with_it(self):
        self.daemon.stop()
        self.assertFalse(os.path.exists("/run/libvirt/virtgmemd-sock"))
        self.assertFalse(os.path.exists("/run/libvirt/virtgmemd-sock-ro"))
        result = run_virsh("uri")
        self.assertNotEqual(result.returncode, 0)
        self.daemon.start()
        self.assertEqual(virsh("uri"), URI)
