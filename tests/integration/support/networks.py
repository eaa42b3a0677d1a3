# SPDX-License-Identifier: LGPL-2.1-or-later
"""
libvirt's own daemon for networks, stock, in the network namespace of a test and among the tests' folders.

It is virtnetworkd, or of releases that have none libvirtd, which is shown nothing but the driver of networks.
"""

import glob
import os
import shutil
import subprocess
import tempfile

from support.daemon import STDIN
from support.waiting import wait_until

URI = "network:///system"
CONFIGURATION = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
DRIVERS = "/usr/lib/*/libvirt/connection-driver/libvirt_driver_network.so"


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
