# SPDX-License-Identifier: LGPL-2.1-or-later
"""
libvirt's folders of this machine, hidden: what is defined, configured or running here is not seen by
tests, and what they leave is gone with them. So is what this machine says of its firmware. Nor do tests
see other processes than their own, so that several runs can look for what is left behind side by side.

A process that calls hide() starts again in a mount and a PID namespace of its own, where each of the folders
is an empty file system in memory. There the VMMs' user exists, also where nobody has made it, and the build
folder is where that user can get at it, also where it is in somebody's home. The namespace's first process
takes what becomes of orphans, as a machine's does; when it ends, so does everything in there.
"""

import os
import subprocess
import sys

HIDDEN = ["/etc/libvirt", "/run/libvirt", "/var/cache/libvirt", "/var/lib/libvirt",
          "/var/log/libvirt"]
# Hidden where it is there, and not made otherwise.
HIDDEN_IF_THERE = ["/etc/qemu"]
MARK = "GMEM_OWN_FOLDERS"
BUILD = "/var/cache/libvirt/build"
WITH_VMM_USER = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                             "../../../tools/lib/with-vmm-user")


def _mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def _show_build():
    """Binds the build folder to a place that everybody may reach; the environment says it from then on."""
    build = os.environ.get("GMEM_BUILD")
    if build:
        os.mkdir(BUILD)
        _mount("--bind", build, BUILD)
        os.environ["GMEM_BUILD"] = BUILD


def _be_first_process():
    """Returns in a child; what calls it waits for children, whoever's they were, and ends as that one does."""
    child = os.fork()
    if child == 0:
        return
    while (ended := os.wait())[0] != child:
        pass
    status = os.waitstatus_to_exitcode(ended[1])
    # By the number of a signal as a shell has it: the first process cannot end itself by one.
    os._exit(status if status >= 0 else 128 - status)


def hide():
    """Returns in a process that has folders and processes for itself; it has to be root."""
    if os.environ.pop(MARK, None):
        _be_first_process()
        for folder in HIDDEN:
            os.makedirs(folder, exist_ok=True)
        for folder in HIDDEN + list(filter(os.path.isdir, HIDDEN_IF_THERE)):
            _mount("-t", "tmpfs", "-o", "mode=755", "tests", folder)
        _show_build()
        return
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                          "--mount-proc", WITH_VMM_USER, sys.executable, *sys.argv])
