# SPDX-License-Identifier: LGPL-2.1-or-later
"""Threads that serve devices, through stock virsh: which there are, where they run, and what cannot be asked of them."""

import os
import struct
import tempfile
from xml.etree import ElementTree

from support.daemon import DaemonTest, STDIN, virsh, vmm_pid
from support.rpc import Rpc, string
from support.vmm import MEMORY_KIND
from support.where import HOSTS, NATIVE, everywhere

# Where this process may run, and so whom it starts.
ALLOWED = sorted(os.sched_getaffinity(0))
HUGE = "2147483647"


def disk(path, target, iothread):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw' iothread='{iothread}'/>"
            f"<source file='{path}'/><target dev='{target}' bus='virtio'/></disk>")


def listed(*options):
    """What iothreadinfo says: {id: processors}."""
    lines = virsh("iothreadinfo", "test", *options).splitlines()
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    return {int(row[0]): row[1] for row in rows}


def online():
    """The host's processors, as virsh prints a list."""
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        return file.read().strip()


def as_list(processors):
    """As virsh prints a list."""
    parts, left = [], list(processors)
    while left:
        first = last = left.pop(0)
        while left and left[0] == last + 1:
            last = left.pop(0)
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)


def of_kernel(name):
    """Where the kernel runs the VMM's threads of a name."""
    folder = f"/proc/{vmm_pid('test')}/task"
    affinities = []
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                affinities.append(sorted(os.sched_getaffinity(int(thread))))
    return affinities


def pins(*options):
    """<iothreadpin>: {id: processors}."""
    root = ElementTree.fromstring(virsh("dumpxml", "test", *options))
    return {int(pin.get("iothread")): pin.get("cpuset") for pin in root.iterfind("cputune/iothreadpin")}


def numbers(*options):
    """<iothreadids>."""
    root = ElementTree.fromstring(virsh("dumpxml", "test", *options))
    return [int(thread.get("id")) for thread in root.iterfind("iothreadids/iothread")]


class IoThreads(DaemonTest):
    """Domains with threads, and an image for a disk."""

    where = NATIVE

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        self.image = self.make_image("disk.raw")

    def make_image(self, name):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        return path

    def define_threads(self, more="", count=2, devices=""):
        ports = "<controller type='pci' model='pcie-root-port'/>" * 4
        xml = self.xml(devices=ports + devices)
        self.daemon.define(xml.replace("<os>", f"<iothreads>{count}</iothreads>{more}<os>", 1))

    def start(self, *arguments, **more):
        self.define_threads(*arguments, **more)
        virsh("start", "--paused", "test")


class Pinned(IoThreads):
    """Where threads run."""

    @everywhere
    def test_what_is_said_is_what_the_kernel_does(self):
        last = ALLOWED[-1]
        self.start(f"<cputune><iothreadpin iothread='2' cpuset='{last}'/></cputune>")
        self.assertEqual(listed("--live"), {1: as_list(ALLOWED), 2: str(last)})
        self.assertEqual([of_kernel("iothread1"), of_kernel("iothread2")], [[ALLOWED], [[last]]])
        self.assertEqual(listed("--config")[2], str(last))
        virsh("iothreadpin", "test", "1", str(ALLOWED[0]), "--live")
        self.assertEqual(of_kernel("iothread1"), [[ALLOWED[0]]])
        self.assertEqual(listed(), {1: str(ALLOWED[0]), 2: str(last)})
        self.assertEqual([pins(), pins("--inactive")], [{1: str(ALLOWED[0]), 2: str(last)}, {2: str(last)}])
        # Whoever else has moved it: what is said is true.
        virsh("iothreadpin", "test", "2", as_list(ALLOWED))
        self.assertEqual(listed("--live")[2], as_list(ALLOWED))

    def test_of_the_definition(self):
        self.define_threads()
        self.assertEqual(listed(), {1: online(), 2: online()})
        virsh("iothreadpin", "test", "2", str(ALLOWED[0]), "--config")
        self.assertEqual([listed()[2], pins()], [str(ALLOWED[0]), {2: str(ALLOWED[0])}])
        virsh("start", "--paused", "test")
        self.assertEqual(of_kernel("iothread2"), [[ALLOWED[0]]])

    def test_another_daemon_knows(self):
        self.start()
        virsh("iothreadpin", "test", "1", str(ALLOWED[0]), "--live", "--config")
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual([pins(), pins("--inactive"), listed("--live")[1]],
                         [{1: str(ALLOWED[0])}, {1: str(ALLOWED[0])}, str(ALLOWED[0])])

    def test_what_cannot_be(self):
        self.define_threads("<cputune><iothreadpin iothread='1' cpuset='1023'/></cputune>")
        self.assert_refused("iothread 1 .*cannot be pinned.*Invalid argument", "start", "test")
        virsh("iothreadpin", "test", "1", str(ALLOWED[0]), "--config")
        self.assert_refused("has no iothread 3", "iothreadpin", "test", "3", "0", "--config")
        self.assert_refused(f"has no iothread {HUGE}", "iothreadpin", "test", HUGE, "0", "--config")
        self.assert_refused("not running", "iothreadpin", "test", "1", "0", "--live")
        virsh("start", "--paused", "test")
        self.assert_refused("has no iothread 3", "iothreadpin", "test", "3", "0", "--live")
        self.assert_refused("read only|forbidden", "iothreadpin", "test", "1", "0", readonly=True)
        self.assertEqual(pins(), {1: str(ALLOWED[0])})


class ComeAndGo(IoThreads):
    """Threads that are added and deleted, and disks that are served by them."""

    def test_a_thread_for_a_disk_that_comes(self):
        if MEMORY_KIND == "two-sided":
            self.skipTest("no thread comes later")
        self.start()
        virsh("iothreadadd", "test", "7", "--live")
        self.assertEqual(list(listed("--live")), [1, 2, 7])
        self.assertEqual([numbers(), numbers("--inactive"), len(of_kernel("iothread7"))], [[1, 2, 7], [], 1])
        virsh("iothreadpin", "test", "7", str(ALLOWED[0]), "--live")
        virsh("attach-device", "test", STDIN, "--live", text=disk(self.image, "vdb", 7))
        self.assert_refused("iothread 7 of domain 'test' serves disk 'vdb'", "iothreaddel", "test", "7", "--live")
        self.daemon.close_clients()
        self.daemon.restart()
        self.assertEqual([list(listed("--live")), pins()], [[1, 2, 7], {7: str(ALLOWED[0])}])
        events = self.daemon.events()
        virsh("detach-disk", "test", "vdb", "--live")
        events.wait_device("removed", "virtio-disk1")
        virsh("iothreaddel", "test", "7", "--live")
        self.assertEqual([list(listed("--live")), pins(), of_kernel("iothread7")], [[1, 2], {}, []])

    def test_one_after_the_other(self):
        if MEMORY_KIND == "two-sided":
            self.skipTest("no thread comes later")
        self.start()
        for _ in range(3):
            for thread in range(3, 13):
                virsh("iothreadadd", "test", str(thread))
            self.assertEqual(list(listed()), list(range(1, 13)))
            for thread in range(3, 13):
                virsh("iothreaddel", "test", str(thread))
        self.assertEqual(list(listed()), [1, 2])

    @everywhere
    def test_of_the_definition(self):
        self.start(devices=disk(self.image, "vda", 2))
        virsh("iothreadadd", "test", "9", "--config")
        self.assertEqual([numbers("--inactive"), list(listed("--live"))], [[1, 2, 9], [1, 2]])
        self.assert_refused("iothread 2 of domain 'test' serves disk 'vda'", "iothreaddel", "test", "2", "--config")
        self.assert_refused("iothread 2 of domain 'test' serves disk 'vda'", "iothreaddel", "test", "2", "--live")
        virsh("iothreaddel", "test", "1", "--config")
        self.assertEqual(list(listed("--config")), [2, 9])
        virsh("destroy", "test")
        virsh("start", "--paused", "test")
        self.assertEqual(list(listed("--live")), [2, 9])

    def test_both(self):
        if MEMORY_KIND == "two-sided":
            self.skipTest("no thread comes later")
        self.start()
        virsh("iothreadadd", "test", "5", "--live", "--config")
        self.assertEqual([numbers(), numbers("--inactive")], [[1, 2, 5], [1, 2, 5]])
        virsh("iothreaddel", "test", "5", "--live", "--config")
        self.assertEqual([list(listed("--live")), list(listed("--config"))], [[1, 2], [1, 2]])

    def test_what_cannot_be(self):
        self.start()
        before = [virsh("dumpxml", "test"), virsh("dumpxml", "--inactive", "test")]
        for where in ("--live", "--config"):
            self.assert_refused("has an iothread 2 already", "iothreadadd", "test", "2", where)
            self.assert_refused("has no iothread 3", "iothreaddel", "test", "3", where)
            self.assert_refused("Invalid IOThread", "iothreadadd", "test", "0", where)
            self.assert_refused("Invalid IOThread", "iothreaddel", "test", "0", where)
            self.assert_refused("forbidden|read only", "iothreadadd", "test", "3", where, readonly=True)
        self.assertEqual([virsh("dumpxml", "test"), virsh("dumpxml", "--inactive", "test")], before)
        self.assertEqual(list(listed()), [1, 2])

    def test_as_many_as_there_can_be(self):
        self.define_threads(count=64)
        self.assert_refused("as many as there can be", "iothreadadd", "test", "65", "--config")
        virsh("iothreaddel", "test", "64", "--config")
        virsh("iothreadadd", "test", HUGE, "--config")
        self.assertEqual(list(listed())[-2:], [63, int(HUGE)])


class Bytes(IoThreads):
    """What virsh itself would not say."""

    LIVE, CONFIG = 1, 2
    PIN, ADD, DELETE = 352, 355, 356
    INVALID_ARG = 8

    def test_what_cannot_be(self):
        self.start()
        before = [virsh("dumpxml", "test"), virsh("dumpxml", "--inactive", "test")]
        with Rpc() as client:
            domain = client.open().lookup("test")
            for flags in (self.LIVE, self.CONFIG, self.LIVE | self.CONFIG):
                for number in (0, 1 << 31, (1 << 32) - 1):
                    tail = struct.pack(">II", number, flags)
                    with self.subTest(number=number, flags=flags):
                        self.assertEqual(client.call(self.ADD, domain + tail).error[0], self.INVALID_ARG)
                        self.assertEqual(client.call(self.DELETE, domain + tail).error[0], self.INVALID_ARG)
                for cpumap in (b"", bytes(2048), bytes(128) + b"\x01", bytes(2047) + b"\x80"):
                    with self.subTest(length=len(cpumap), flags=flags):
                        tail = struct.pack(">I", 1) + string(cpumap) + struct.pack(">I", flags)
                        self.assertEqual(client.call(self.PIN, domain + tail).error[0], self.INVALID_ARG)
        self.assertEqual([virsh("dumpxml", "test"), virsh("dumpxml", "--inactive", "test")], before)


class TwoSided(IoThreads):
    """What memory that has two sides does not allow is said."""

    where = HOSTS

    def test_no_thread_comes_later(self):
        if MEMORY_KIND != "two-sided":
            self.skipTest("for memory that is two-sided")
        self.start()
        self.assert_refused("no I/O thread comes later", "iothreadadd", "test", "3", "--live")
        self.assert_refused("no I/O thread comes later", "iothreadadd", "test", "3", "--live", "--config")
        self.assertEqual([list(listed("--live")), list(listed("--config"))], [[1, 2], [1, 2]])
        virsh("iothreaddel", "test", "2", "--live")
        self.assertEqual(list(listed("--live")), [1])


class Waiting(IoThreads):
    """Threads that sleep until there is something to do."""

    def test_they_do_not_poll(self):
        self.start()
        virsh("iothreadset", "test", "1", "--poll-max-ns", "0", "--live")
        self.assert_refused("'poll_max_ns' is 0, and nothing else", "iothreadset", "test", "1", "--poll-max-ns", "1000")
        self.assert_refused("no parameter 'poll_grow'", "iothreadset", "test", "1", "--poll-grow", "2")
        self.assert_refused("no parameter 'poll_shrink'", "iothreadset", "test", "1", "--poll-shrink", "2")
        self.assert_refused("has no iothread 3", "iothreadset", "test", "3", "--poll-max-ns", "0")

    def test_statistics(self):
        self.start()
        lines = [line.strip() for line in virsh("domstats", "test", "--iothread").splitlines()[1:] if line]
        self.assertEqual(sorted(lines), ["iothread.1.poll-max-ns=0", "iothread.2.poll-max-ns=0", "iothread.count=2"])
        virsh("destroy", "test")
        self.assertNotIn("iothread", virsh("domstats", "test", "--iothread"))
