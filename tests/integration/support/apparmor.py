# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The profiles of packaging/apparmor, enforced on the host of the tests.

Where a test host's kernel has AppArmor they are loaded for all tests, for the programs of the build folder: every
daemon, VMM and logger is confined from its start on. What they are refused is in the kernel's log, and a test during
which that happened has failed, but for what it has expected.
"""

import os
import re
import shutil
import subprocess

FOLDER = "/etc/apparmor.d"
PROFILES_LOADED = "/sys/kernel/security/apparmor/profiles"
PROFILES = ["virtgmemd", "gmem-vmm", "gmem-logger"]

# Where the packages have them, and where the build has.
PROGRAMS = {
    "/usr/sbin/virtgmemd": "src/driver/daemon/virtgmemd",
    "/usr/libexec/gmem-vmm": "src/vmm/gmem-vmm",
    "/usr/libexec/gmem-logger": "src/logger/gmem-logger",
    "/usr/libexec/gmem-storage-files.so": "src/storage/gmem-storage-files.so",
}

# Of the daemon, which finds its schemas in the build; of VMMs that tests start, which open payloads there.
LOCAL = {"virtgmemd": "{build}/** r,\n", "gmem-vmm": "{build}/** r,\n"}


def why_not():
    """Why profiles cannot be enforced here; or None."""
    if "GMEM_TESTHOST" not in os.environ:
        return "this machine's own profiles are left alone"
    if not os.path.exists(PROFILES_LOADED):
        return "this host's kernel has no AppArmor"
    if not shutil.which("apparmor_parser"):
        return "apparmor_parser is not installed"
    return None


def load():
    """Loads them, for the programs of GMEM_BUILD."""
    build = os.environ["GMEM_BUILD"]
    os.makedirs(os.path.join(FOLDER, "local"), exist_ok=True)
    for name, rules in LOCAL.items():
        with open(os.path.join(FOLDER, "local", name), "w", encoding="ascii") as file:
            file.write(rules.format(build=build))
    for name in PROFILES:
        with open(os.path.join(build, "packaging/apparmor", name), encoding="ascii") as file:
            text = file.read()
        for installed, built in PROGRAMS.items():
            text = text.replace(installed, os.path.join(build, built))
        path = os.path.join(FOLDER, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run(["apparmor_parser", "--replace", "--skip-cache", path], check=True)


def modes():
    """Of the profiles that are loaded: by name, "enforce" or another."""
    with open(PROFILES_LOADED, encoding="ascii") as file:
        return dict(re.findall(r"^(\S+) \((\w+)\)$", file.read(), re.MULTILINE))


def confinement(pid):
    """The profile that a process runs under, with its mode."""
    with open(f"/proc/{pid}/attr/current", encoding="ascii") as file:
        return file.read().strip("\n\0")
