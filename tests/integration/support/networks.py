# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A network namespace of a test's, and libvirt's own daemon for networks, stock, in it and among the tests' folders.

The daemon is virtnetworkd, or of releases that have none libvirtd, which is shown nothing but the driver of networks.
"""

import ctypes
import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from support.daemon import STDIN
from support.waiting import wait_until

URI = "network:///system"
CONFIGURATION = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
DRIVERS = "/usr/lib/*/libvirt/connection-driver/libvirt_driver_network.so"
NEW_NETWORK = 0x40000000


def run(command):
    subprocess.run(command, shell=True, check=True, capture_output=True)


def enter_namespace(test):
    """Until the test's end this process is on a host with one network card, whose other end is nobody's."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    test.addCleanup(os.close, before)
    if libc.unshare(NEW_NETWORK) != 0:
        raise unittest.SkipTest("there is no right to make a network namespace")
    test.addCleanup(libc.setns, before, NEW_NETWORK)
    # It shows the interfaces of who mounts it.
    cgroups = os.open("/sys/fs/cgroup", os.O_PATH)
    run("mount -t sysfs sysfs /sys")
    test.addCleanup(run, "umount --recursive /sys")
    run(f"mount --no-canonicalize --rbind /proc/{os.getpid()}/fd/{cgroups} /sys/fs/cgroup")
    os.close(cgroups)
    run("ip link set lo up; ip tuntap add up0 mode tap; ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; "
        "ip route add default via 192.0.2.1")


def why_not():
    """Why there is none on this machine, or None."""
    if not glob.glob(DRIVERS) or not (shutil.which("virtnetworkd") or shutil.which("libvirtd")):
        return "there is no daemon of libvirt's for networks"
    return None if shutil.which("dnsmasq") else "there is no dnsmasq"


class NetworkDaemon:
    """For as long as it is entered; its networks go with it."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="gmem-test.")
        configuration = os.path.join(self._folder.name, "daemon.conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(CONFIGURATION)
        name = "virtnetworkd" if shutil.which("virtnetworkd") else "libvirtd"
        socket = f"/run/libvirt/{'virtnetworkd' if name == 'virtnetworkd' else 'libvirt'}-sock"
        driver, = glob.glob(DRIVERS)
        os.symlink(driver, os.path.join(self._folder.name, os.path.basename(driver)))
        self._process = subprocess.Popen(
            [name, "--config", configuration], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=dict(os.environ, LIBVIRT_DRIVER_DIR=self._folder.name))
        wait_until(lambda: os.path.exists(socket) or self._process.poll() is not None, 30, name)
        return self

    def __exit__(self, *_):
        for name in self.virsh("net-list", "--name").split():
            self.virsh("net-destroy", name)
        for name in self.virsh("net-list", "--name", "--all").split():
            self.virsh("net-undefine", name)
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    @staticmethod
    def virsh(*arguments, text=None):
        result = subprocess.run(["virsh", "-q", "-c", URI, *arguments], check=False, capture_output=True, text=True,
                                input=text, stdin=None if text else subprocess.DEVNULL)
        if result.returncode:
            raise AssertionError(f"virsh {' '.join(arguments)}: {result.stderr}")
        return result.stdout

    def define(self, name, content):
        self.virsh("net-define", STDIN, text=f"<network><name>{name}</name>{content}</network>")

    def start(self, name):
        self.virsh("net-start", name)
