# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The installed Debian (tools/lib/debian-guest.sh): where its disks are, the network that passt speaks for, its start, and
commands in it. GMEM_DEBIAN is a folder with its disks and its key for ssh.
"""

import ctypes
import os
import subprocess

from .waiting import PATIENCE, wait_until

FOLDER = os.environ.get("GMEM_DEBIAN", "")
# Where passt takes connections for the guest's ssh.
PORT = 2222

NEW_NAMESPACES = 0x40000000 | 0x00020000


def run(command):
    """Runs a shell's command to its end."""
    subprocess.run(command, shell=True, check=True, capture_output=True)


def enter_namespaces():
    """A network of this process's own, where passt finds an interface to speak for, and mounts of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NAMESPACES):
        raise OSError(ctypes.get_errno(), "namespaces")
    run("mount --make-rprivate /")
    run("ip link set lo up; ip link add host0 type dummy; ip address add 192.0.2.2/24 dev host0; "
        "ip link set host0 up; ip route add default via 192.0.2.1")


def wait_login(console):
    """Until it asks on its console who logs in."""
    console.wait_for("login:", 600)


def wait_boot(console):
    """The same, from the start through GRUB."""
    console.wait_for("GRUB starts Linux", 300)
    wait_login(console)


def ssh_command(command, address=("127.0.0.1", PORT)):
    """What runs a command in the guest."""
    host, port = address
    return ["ssh", "-p", str(port), "-i", os.path.join(FOLDER, "ssh-key"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{host}", command]


def ssh(command, data=None, check=True, seconds=300, **arguments):
    """What a command in the guest prints, as bytes."""
    result = subprocess.run(
        ssh_command(command, **arguments), input=data, stdin=None if data is not None else subprocess.DEVNULL,
        capture_output=True, timeout=seconds * PATIENCE, check=False)
    if check and result.returncode:
        raise AssertionError(f"in the guest, {command}: exit status {result.returncode}: "
                             f"{result.stderr.decode(errors='replace')}")
    return result.stdout


def text(command, **arguments):
    """The same without blanks around it, as text."""
    return ssh(command, **arguments).decode().strip()


def wait_in_guest(condition, seconds=120):
    """
    Until a shell's condition is so in the guest. That it cannot be asked for a while is no answer: passt resets a
    connection that the guest has not taken within 10 s, and an emulated one may take longer.
    """
    wait_until(lambda: text(f"if {condition}; then echo so; fi", check=False), seconds, f"in the guest, {condition}")
