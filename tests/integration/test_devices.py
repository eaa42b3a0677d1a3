# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices of domains through stock virsh: what is said of them, and what is attached, detached and updated."""

import os
import subprocess
import tempfile

from support.daemon import DaemonTest, STDIN, virsh, vmm_pid
from support.where import NATIVE, everywhere

PORT = "<controller type='pci' model='pcie-root-port'/>"
WATCHDOG = "<watchdog model='i6300esb' action='reset'/>"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


def disk(path, target="vda", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>"
            f"<target dev='{target}' bus='virtio'/>{more}</disk>")


def may_raise_limits():
    """Whether this process, and so the daemon, has CAP_SYS_RESOURCE."""
    with open("/proc/self/status", encoding="ascii") as file:
        capabilities, = [int(line.split()[1], 16) for line in file if line.startswith("CapEff:")]
    return bool(capabilities & 1 << 24)


class Devices(DaemonTest):
    """Each test has an image of 1 MiB, of which 4 KiB are there."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.image = os.path.join(folder, "disk.raw")
        with open(self.image, "wb") as file:
            file.write(bytes(range(256)) * 16)
            file.truncate(1 << 20)
            os.fsync(file.fileno())

    def targets(self):
        return [line.split()[0] for line in virsh("domblklist", "test").splitlines() if line.strip()]


class Attach(Devices):
    """The definition of a domain changes by one device."""

    def test_a_disk_comes_and_goes(self):
        self.define()
        before = virsh("dumpxml", "test")
        events = self.daemon.events()
        virsh("attach-disk", "test", self.image, "vdb", "--targetbus", "virtio", "--subdriver", "raw", "--config")
        events.wait("Defined Updated")
        self.assertEqual(self.targets(), ["vdb"])
        self.assertIn("<address type='pci'", virsh("dumpxml", "test"))
        with_disk = virsh("dumpxml", "test")
        # It is the definition: another daemon has it, too.
        self.daemon.restart()
        self.assertEqual(virsh("dumpxml", "test"), with_disk)
        virsh("detach-disk", "test", "vdb", "--config")
        self.assertEqual(self.targets(), [])
        self.assertNotIn("<disk", virsh("dumpxml", "test"))
        self.assertNotIn("<disk", before)

    def test_devices_by_their_documents(self):
        self.define()
        virsh("attach-device", "test", STDIN, "--config", text=disk(self.image, "vda"))
        virsh("attach-device", "test", STDIN, "--config", text=RNG)
        self.assertIn("/dev/urandom", virsh("dumpxml", "test"))
        virsh("update-device", "test", STDIN, "--config", text=disk(self.image, "vda", "<readonly/>"))
        self.assertIn("<readonly/>", virsh("dumpxml", "test"))
        virsh("detach-device", "test", STDIN, "--config", text=RNG)
        self.assertNotIn("/dev/urandom", virsh("dumpxml", "test"))
        # Of a domain that is off, that is what happens without a word.
        virsh("detach-device", "test", STDIN, "--current", text=disk(self.image, "vda"))
        self.assertEqual(self.targets(), [])

    def test_what_comes_with_the_next_start_only(self):
        """A watchdog, a balloon, ports and controllers: what is attached starts, and what is detached is gone."""
        documents = [("<memballoon", "<memballoon model='virtio'/>"), ("i6300esb", WATCHDOG),
                     ("<panic", "<panic model='isa'/>"),
                     ("<serial type='null'", "<serial type='null'><target port='1'/></serial>"),
                     ("type='isa-debug'", "<serial type='null'><target type='isa-debug'/></serial>"),
                     ("type='virtio-serial'", "<controller type='virtio-serial' index='0'/>"),
                     ("type='sata'", "<controller type='sata' index='0'/>")]
        self.define(serial="<serial type='pty'/><memballoon model='none'/>")
        before = virsh("dumpxml", "test")
        for words, document in documents:
            with self.subTest(document=document):
                self.assertNotIn(words, before.replace("<memballoon model='none'/>", ""))
                virsh("attach-device", "test", STDIN, "--config", text=document)
                self.assertIn(words, virsh("dumpxml", "test"))
                if words != "i6300esb":
                    self.assert_refused("already has|is in use", "attach-device", "test", STDIN, "--config",
                                        text=document)
        virsh("start", "--paused", "test")
        for words, document in documents:
            self.assertIn(words, virsh("dumpxml", "test"))
            virsh("detach-device", "test", STDIN, "--config", text=document)
        self.assertIn("<memballoon model='none'/>", virsh("dumpxml", "--inactive", "test"))
        virsh("destroy", "test")
        # Root ports that they were behind stay.
        after = virsh("dumpxml", "test")
        for words, _ in documents[1:]:
            self.assertNotIn(words, after)
        virsh("start", "--paused", "test")

    def test_root_ports(self):
        self.define(serial="<serial type='pty'/>")

        def ports():
            return virsh("dumpxml", "--inactive", "test").count("model='pcie-root-port'")

        virsh("start", "--paused", "test")
        self.assert_refused("no root port is free", "attach-device", "test", STDIN, "--live", text=RNG)
        count = ports()
        for _ in range(2):
            virsh("attach-device", "test", STDIN, "--config", text=PORT)
        self.assertEqual(ports(), count + 2)
        virsh("destroy", "test")
        virsh("start", "--paused", "test")
        virsh("attach-device", "test", STDIN, "--live", text=RNG)
        last = PORT.replace("type=", f"index='{count + 2}' type=")
        virsh("detach-device", "test", STDIN, "--config", text=last)
        self.assertEqual(ports(), count + 1)
        for pattern, index in (("memballoon virtio is at it", 1), ("device not found", count + 2)):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, "detach-device", "test", STDIN, "--config",
                                    text=PORT.replace("type=", f"index='{index}' type="))

    def test_a_device_goes_by_its_alias(self):
        self.define()
        virsh("attach-device", "test", STDIN, "--config",
              text=disk(self.image, "vda", "<alias name='ua-root'/>"))
        self.assert_refused("device not found: .*ua-other", "detach-device-alias", "test", "ua-other", "--config")
        virsh("detach-device-alias", "test", "ua-root", "--config")
        self.assertEqual(self.targets(), [])

    def test_the_definition_of_a_domain_that_runs(self):
        self.define()
        virsh("start", "--paused", "test")
        live = virsh("dumpxml", "test")
        virsh("attach-device", "test", STDIN, "--config", text=RNG)
        self.assertEqual(virsh("dumpxml", "test"), live)
        self.assertIn("/dev/urandom", virsh("dumpxml", "--inactive", "test"))

    def test_what_cannot_be(self):
        self.define()
        self.create("transient", options=["--paused"])
        virsh("attach-device", "test", STDIN, "--config", text=disk(self.image, "vda"))
        before = virsh("dumpxml", "test")
        for pattern, command, xml in (
                ("Requested operation is not valid: .*target 'vda' already", ["attach-device", "test", "--config"],
                 disk(self.image, "vda")),
                ("device not found: .*'vdc'", ["detach-device", "test", "--config"], disk(self.image, "vdc")),
                ("device not found: .*'vdc'", ["update-device", "test", "--config"], disk(self.image, "vdc")),
                ("Operation not supported: .*'hostdev'", ["attach-device", "test", "--config"],
                 "<hostdev mode='subsystem' type='pci'/>"),
                ("unsupported configuration: .*never", ["attach-device", "test", "--config"],
                 disk(self.image, "vdb", "<never/>")),
                ("device_definition", ["attach-device", "test", "--config"], "<disk"),
                ("Requested operation is not valid: .*'test' is not running", ["attach-device", "test", "--live"], RNG),
                ("Requested operation is not valid: .*'test' is not running", ["attach-device", "test", "--live",
                                                                              "--config"], RNG),
                ("Requested operation is not valid: .*'transient' is not persistent",
                 ["attach-device", "transient", "--config"], RNG)):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, command[0], command[1], STDIN, *command[2:], text=xml)
        self.assertEqual(virsh("dumpxml", "test"), before)


class Live(Devices):
    """A domain that runs gets a device, and gives one back. Nobody has to be asked before the guest has run."""

    # One is the balloon's.
    ports = "<controller type='pci' model='pcie-root-port'/>" * 3

    def start(self):
        self.define(serial=f"<serial type='pty'/>{self.ports}")
        virsh("start", "--paused", "test")

    def test_a_disk_comes_and_goes(self):
        self.start()
        events = self.daemon.events()
        virsh("attach-device", "test", STDIN, "--live", text=disk(self.image, "vdb"))
        events.wait_device("added", "virtio-disk1")
        self.assertEqual(self.targets(), ["vdb"])
        self.assertIn("<alias name='virtio-disk1'/>", virsh("dumpxml", "test"))
        self.assertNotIn("<disk", virsh("dumpxml", "--inactive", "test"))
        # The next daemon knows of it.
        live = virsh("dumpxml", "test")
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual(virsh("dumpxml", "test"), live)
        events = self.daemon.events()
        virsh("detach-disk", "test", "vdb", "--live")
        events.wait_device("removed", "virtio-disk1")
        self.assertEqual(self.targets(), [])

    def test_both(self):
        self.start()
        virsh("attach-device", "test", STDIN, "--live", "--config", text=RNG)
        for options in ([], ["--inactive"]):
            self.assertIn("/dev/urandom", virsh("dumpxml", *options, "test"))
        events = self.daemon.events()
        virsh("detach-device", "test", STDIN, "--live", "--config", text=RNG)
        events.wait_device("removed", "rng0")
        for options in ([], ["--inactive"]):
            self.assertNotIn("/dev/urandom", virsh("dumpxml", *options, "test"))

    def test_a_device_goes_by_its_alias(self):
        self.start()
        virsh("attach-device", "test", STDIN, text=RNG)
        self.assert_refused("device not found: .*rng7", "detach-device-alias", "test", "rng7", "--live")
        events = self.daemon.events()
        virsh("detach-device-alias", "test", "rng0", "--live")
        events.wait_device("removed", "rng0")

    def test_a_watchdog_comes_and_goes(self):
        self.start()
        events = self.daemon.events()
        virsh("attach-device", "test", STDIN, "--live", text=WATCHDOG)
        events.wait_device("added", "watchdog1")
        live = virsh("dumpxml", "test")
        self.assertIn("<watchdog model='i6300esb' action='reset'>", live)
        self.assertNotIn("i6300esb", virsh("dumpxml", "--inactive", "test"))
        # The next daemon knows of it.
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual(virsh("dumpxml", "test"), live)
        events = self.daemon.events()
        self.assert_refused("device not found", "detach-device", "test", STDIN, "--live",
                            text=WATCHDOG.replace("reset", "pause"))
        virsh("detach-device", "test", STDIN, "--live", text=WATCHDOG)
        events.wait_device("removed", "watchdog1")
        self.assertNotIn("i6300esb", virsh("dumpxml", "test"))
        self.assert_refused("actions 'reset' and 'pause'", "attach-device", "test", STDIN, "--live",
                            text=WATCHDOG.replace("reset", "pause"))

    def test_the_period_of_a_balloon(self):
        self.start()
        balloon = "<memballoon model='virtio'><stats period='{}'/></memballoon>"
        virsh("update-device", "test", STDIN, "--live", text=balloon.format(3))
        self.assertIn("<stats period='3'/>", virsh("dumpxml", "test"))
        self.assertNotIn("<stats", virsh("dumpxml", "--inactive", "test"))
        virsh("update-device", "test", STDIN, "--live", "--config", text=balloon.format(5))
        for options in ([], ["--inactive"]):
            self.assertIn("<stats period='5'/>", virsh("dumpxml", *options, "test"))
        self.assert_refused("'freePageReporting' of device 'memballoon' cannot be changed", "update-device", "test",
                            STDIN, "--live", "--config", text="<memballoon model='virtio' freePageReporting='on'/>")
        for options in ([], ["--inactive"]):
            self.assertIn("<stats period='5'/>", virsh("dumpxml", *options, "test"))
        virsh("update-device", "test", STDIN, "--config", text="<memballoon model='virtio' freePageReporting='on'/>")
        self.assertIn("freePageReporting='on'", virsh("dumpxml", "--inactive", "test"))

    def test_what_neither_comes_nor_goes(self):
        self.define(serial="<serial type='pty'/><panic/><controller type='virtio-serial' index='0'/>")
        virsh("start", "--paused", "test")
        live = virsh("dumpxml", "test")
        for document in ("<memballoon model='virtio'/>", "<panic/>", "<serial type='pty'/>", PORT,
                         "<controller type='virtio-serial' index='0'/>", "<controller type='sata' index='0'/>",
                         "<watchdog model='itco' action='reset'/>"):
            name = document.split()[0].strip("<>/")
            for command in ("attach-device", "detach-device"):
                with self.subTest(command=command, document=document):
                    self.assert_refused(f"Operation not supported: .*{name}", command, "test", STDIN, "--live",
                                        text=document)
        for alias in ("balloon0", "virtio-serial0", "watchdog0"):
            self.assert_refused("device not found", "detach-device-alias", "test", alias, "--live")
        self.assertEqual(virsh("dumpxml", "test"), live)

    @everywhere
    def test_a_guest_that_does_not_let_go(self):
        """It is asked, and nobody waits for it; the device is the domain's until its end."""
        self.define(serial=f"<serial type='pty'/>{RNG}{disk(self.image)}")
        self.run_tiny()
        live = virsh("dumpxml", "test")
        for document in (RNG, disk(self.image)):
            virsh("detach-device", "test", STDIN, "--live", text=document)
            # It may be asked again.
            virsh("detach-device", "test", STDIN, "--live", text=document)
        virsh("detach-device-alias", "test", "rng0", "--live")
        self.assertEqual(virsh("dumpxml", "test"), live)
        self.assertIn("rd_bytes", virsh("domblkstat", "test", "vda"))
        # So it is for the next daemon, and with the definition changed besides.
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual(virsh("dumpxml", "test"), live)
        virsh("detach-device", "test", STDIN, "--live", "--config", text=RNG)
        self.assertEqual(virsh("dumpxml", "test"), live)
        self.assertNotIn("<rng", virsh("dumpxml", "--inactive", "test"))
        self.assertEqual(self.state(), "running (unpaused)")
        virsh("destroy", "test")
        self.assertEqual(self.state(), "shut off (destroyed)")
        self.assertEqual(self.targets(), ["vda"])

    def test_what_cannot_be(self):
        self.start()
        virsh("attach-device", "test", STDIN, "--live", text=disk(self.image, "vda"))
        live = virsh("dumpxml", "test")
        for pattern, command, xml in (
                ("target 'vda' already", "attach-device", disk(self.image, "vda")),
                ("No such file", "attach-device", disk("/nowhere/disk.raw", "vdb")),
                ("device not found", "detach-device", disk(self.image, "vdb")),
                ("Operation not supported: .*'rng'", "update-device", RNG)):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, command, "test", STDIN, "--live", text=xml)
        virsh("attach-device", "test", STDIN, "--live", text=RNG)
        self.assert_refused("no root port is free", "attach-device", "test", STDIN, "--live", text=RNG)
        self.assertIn(live.split("<disk")[1].split("</disk>")[0], virsh("dumpxml", "test"))


class Tuned(Devices):
    """How much may go through a disk, and how large it is, of a domain that runs and of its definition."""

    def start(self, more="", **arguments):
        self.define(serial=disk(self.image, "vda", more), **arguments)
        virsh("start", "--paused", "test")

    def limits(self, *options):
        lines = virsh("blkdeviotune", "test", "vda", *options).splitlines()
        numbers = {line.split(":")[0].strip(): int(line.split(":")[1]) for line in lines if line.strip()}
        return {name: number for name, number in numbers.items() if number}

    def test_limits(self):
        self.start("<iotune><read_bytes_sec>1048576</read_bytes_sec></iotune>")
        self.assertEqual(self.limits(), {"read_bytes_sec": 1048576})
        virsh("blkdeviotune", "test", "vda", "--total-iops-sec", "100", "--total-iops-sec-max", "1000",
              "--total-iops-sec-max-length", "10", "--size-iops-sec", "65536", "--live")
        changed = {"read_bytes_sec": 1048576, "total_iops_sec": 100, "total_iops_sec_max": 1000,
                   "total_iops_sec_max_length": 10, "size_iops_sec": 65536}
        self.assertEqual(self.limits("--live"), changed)
        self.assertEqual(self.limits("--config"), {"read_bytes_sec": 1048576})
        # Another daemon knows of it.
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual(self.limits(), changed)
        virsh("blkdeviotune", "test", self.image, "--write-bytes-sec", "4096", "--live", "--config")
        changed.pop("read_bytes_sec")
        self.assertEqual(self.limits("--live"), {**changed, "write_bytes_sec": 4096})
        self.assertEqual(self.limits("--config"), {"write_bytes_sec": 4096})
        virsh("blkdeviotune", "test", "vda", "--write-bytes-sec", "0", "--total-iops-sec", "0", "--size-iops-sec", "0")
        self.assertNotIn("<iotune>", virsh("dumpxml", "test"))
        self.assertIn("<write_bytes_sec>4096</write_bytes_sec>", virsh("dumpxml", "--inactive", "test"))

    def test_limits_that_cannot_be(self):
        self.start()
        before = virsh("dumpxml", "test")
        for pattern, options in (("'total_bytes_sec'.*alone", ["--total-bytes-sec", "1", "--read-bytes-sec", "1"]),
                                 ("'read_iops_sec_max' without 'read_iops_sec'", ["--read-iops-sec-max", "1"]),
                                 ("'total_bytes_sec_max' is below",
                                  ["--total-bytes-sec", "2", "--total-bytes-sec-max", "1"]),
                                 ("'size_iops_sec' without", ["--size-iops-sec", "1"]),
                                 ("'group_name'", ["--total-bytes-sec", "1", "--group-name", "all"])):
            for where in ("--live", "--config"):
                with self.subTest(pattern=pattern, where=where):
                    self.assert_refused(pattern, "blkdeviotune", "test", "vda", *options, where)
        self.assert_refused("has no disk 'vdb'", "blkdeviotune", "test", "vdb", "--total-bytes-sec", "1")
        self.assert_refused("has no disk 'vdb'", "blkdeviotune", "test", "vdb")
        self.assert_refused("group_name", "define", STDIN, text=virsh("dumpxml", "--inactive", "test").replace(
            "<target dev='vda'", "<iotune><group_name>all</group_name></iotune><target dev='vda'"))
        self.assertEqual(virsh("dumpxml", "test"), before)

    def test_size(self):
        self.start()
        virsh("blockresize", "test", "vda", "3MiB")
        self.assertEqual(os.stat(self.image).st_size, 3 << 20)
        self.assertIn(str(3 << 20), virsh("domblkinfo", "test", "vda"))
        virsh("blockresize", "test", self.image, str(4 << 10))
        self.assertEqual(os.stat(self.image).st_size, 4 << 20)
        with open(self.image, "rb") as file:
            self.assertEqual(file.read(4096), bytes(range(256)) * 16)

    def test_size_beyond_what_files_may_be(self):
        """A VMM may write files of 64 MiB, or as large as its largest disk."""
        if not may_raise_limits():
            self.skipTest("there is no right to raise a limit of somebody else's")
        self.start()
        virsh("blockresize", "test", "vda", "200MiB")
        with open(f"/proc/{vmm_pid('test')}/limits", encoding="ascii") as file:
            limit, = [line.split()[3] for line in file if line.startswith("Max file size")]
        self.assertEqual(int(limit), 200 << 20)

    def test_sizes_that_cannot_be(self):
        self.start()
        for pattern, name, size in (("cannot become smaller", "vda", "512"), ("multiple of 512", "vda", "1048577B"),
                                    ("has no disk 'vdb'", "vdb", "4096")):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, "blockresize", "test", name, size)
        self.assertEqual(os.stat(self.image).st_size, 1 << 20)
        virsh("destroy", "test")
        self.assert_refused("not running", "blockresize", "test", "vda", "4096")
        virsh("undefine", "test")
        self.define(serial=disk(self.image, "vda", "<readonly/>"))
        virsh("start", "--paused", "test")
        self.assert_refused("read-only", "blockresize", "test", "vda", "4096")

    def test_a_size_without_the_cache(self):
        """Files whose last block is not whole cannot be written without it."""
        self.define(serial=disk(self.image, "vda").replace("type='raw'", "type='raw' cache='none'"))
        virsh("start", "--paused", "test")
        self.assert_refused("multiple of 4096", "blockresize", "test", "vda", "1049088B")
        virsh("blockresize", "test", "vda", "2MiB")
        self.assertEqual(os.stat(self.image).st_size, 2 << 20)

    def test_block_device(self):
        loop = subprocess.run(["losetup", "--find", "--show", self.image], capture_output=True, text=True, check=False)
        if loop.returncode:
            self.skipTest("there are no loop devices")
        device = loop.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], check=True)
        self.define(serial=f"<disk type='block' device='disk'><source dev='{device}'/>"
                           "<target dev='vda' bus='virtio'/></disk>")
        virsh("start", "--paused", "test")
        self.addCleanup(virsh, "destroy", "test")
        self.assert_refused("a block device of 1048576 bytes", "blockresize", "test", "vda", "2MiB")
        os.truncate(self.image, 2 << 20)
        subprocess.run(["losetup", "--set-capacity", device], check=True)
        virsh("blockresize", "test", "vda", "2MiB")


class Questions(Devices):
    """What virsh asks about disks, interfaces and I/O threads."""

    def test_the_size_of_a_disk(self):
        self.define(serial=disk(self.image, "vda"))
        for name in ("vda", self.image):
            with self.subTest(name=name):
                sizes = dict(line.split(":") for line in virsh("domblkinfo", "test", name).splitlines() if line)
                self.assertEqual(int(sizes["Capacity"]), 1 << 20)
                self.assertEqual(int(sizes["Physical"]), 1 << 20)
                self.assertEqual(int(sizes["Allocation"]), os.stat(self.image).st_blocks * 512)
        self.assert_refused("invalid argument: .*'vdb'", "domblkinfo", "test", "vdb")
        os.unlink(self.image)
        self.assert_refused("No such file", "domblkinfo", "test", "vda")

    def test_the_list_of_disks(self):
        drive = ("<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
                 "<disk type='network' device='disk'><source protocol='nbd' name='one'><host name='192.0.2.1'/></source>"
                 "<target dev='vdb' bus='virtio'/></disk>")
        self.define(serial=disk(self.image, "vda") + drive)

        def rows(*options):
            return sorted(line.split() for line in virsh("domblklist", "test", *options).splitlines() if line.strip())

        self.assertEqual(rows(), [["sda", "-"], ["vda", self.image], ["vdb", "one"]])
        self.assertEqual(rows("--details"), [["file", "cdrom", "sda", "-"], ["file", "disk", "vda", self.image],
                                             ["network", "disk", "vdb", "one"]])
        virsh("detach-disk", "test", "vdb", "--config")
        virsh("start", "--paused", "test")
        virsh("attach-disk", "test", self.image + "2", "vdc", "--targetbus", "virtio", "--config")
        self.assertEqual(rows(), [["sda", "-"], ["vda", self.image]])
        self.assertEqual(rows("--inactive"), [["sda", "-"], ["vda", self.image], ["vdc", self.image + "2"]])

    def test_what_a_disk_has_read_and_written(self):
        self.define(serial=disk(self.image, "vda") + disk(self.image + "2", "vdb"))
        with open(self.image + "2", "wb") as file:
            file.truncate(1 << 20)
        virsh("start", "--paused", "test")
        # The guest has not run yet. Without a name it is all disks'.
        for name in (["vda"], [self.image], []):
            with self.subTest(name=name):
                numbers = [line.split()[-2:] for line in virsh("domblkstat", "test", *name).splitlines()]
                self.assertIn(["rd_bytes", "0"], numbers)
                self.assertIn(["flush_operations", "0"], numbers)
        self.assertEqual(virsh("domblkerror", "test", readonly=True), "No errors found")
        lines = [line.strip() for line in virsh("domstats", "test", "--block").splitlines()[1:]]
        for line in ("block.count=2", "block.0.rd.reqs=0", "block.1.wr.bytes=0", "block.1.fl.times=0"):
            self.assertIn(line, lines)

    def test_domstats_of_disks(self):
        self.define(serial=disk(self.image, "vda"))
        lines = [line.strip() for line in virsh("domstats", "test", "--block", "--interface").splitlines()[1:] if line]
        self.assertEqual(lines, ["block.count=1", "block.0.name=vda", f"block.0.path={self.image}",
                                 f"block.0.allocation={os.stat(self.image).st_blocks * 512}",
                                 "block.0.capacity=1048576", "block.0.physical=1048576"])

    def test_a_domain_without_devices(self):
        self.define()
        self.assert_refused("'test' is not running", "domblkstat", "test", "vda")
        self.assert_refused("'test' is not running", "domblkerror", "test")
        self.assert_refused("'test' is not running", "domifstat", "test", "vnet0")
        self.assert_refused("'test' is not running", "domifaddr", "test")
        virsh("start", "--paused", "test")
        self.assert_refused("has no disk 'vda'", "domblkstat", "test", "vda")
        self.assertEqual(virsh("domblkerror", "test"), "No errors found")
        self.assert_refused("has no interface 'vnet0'", "domifstat", "test", "vnet0")
        self.assertNotIn("vnet", virsh("domiflist", "test"))
        for source in ("lease", "arp"):
            self.assertNotIn("ipv4", virsh("domifaddr", "test", "--source", source))
        self.assert_refused("argument unsupported: .*guest agent", "domifaddr", "test", "--source", "agent")
        lines = [line.strip() for line in virsh("domstats", "test", "--block", "--interface").splitlines()[1:] if line]
        self.assertEqual(sorted(lines), ["block.count=0", "net.count=0"])

    def test_iothreads(self):
        self.define(extra="<iothreads>2</iothreads>")
        self.assertEqual([line.split()[0] for line in virsh("iothreadinfo", "test").splitlines() if line.strip()],
                         ["1", "2"])
        self.assert_refused("'test' is not running", "iothreadinfo", "test", "--live")

    def test_who_may_only_look(self):
        self.define(serial=disk(self.image, "vda"))
        for command in (["domblklist", "test"], ["domblkinfo", "test", "vda"], ["domiflist", "test"],
                        ["iothreadinfo", "test"], ["domstats", "test"]):
            with self.subTest(command=command):
                virsh(*command, readonly=True)
        for command in ("attach-device", "detach-device", "update-device"):
            with self.subTest(command=command):
                self.assert_refused("read only|forbidden", command, "test", STDIN, "--config", readonly=True,
                                    text=disk(self.image, "vda"))
        self.assertEqual(self.targets(), ["vda"])
