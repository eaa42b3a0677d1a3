# SPDX-License-Identifier: LGPL-2.1-or-later
"""
libvirt's folders of this machine, hidden: what is defined, configured or running here is not seen by
tests, and what they leave is gone with them.

A process that calls hide() starts again in a mount namespace of its own, where each of the folders is an
empty file system in memory.
"""

import os
import subprocess
import sys

HIDDEN = ["/etc/libvirt", "/run/libvirt", "/var/cache/libvirt", "/var/lib/libvirt",
          "/var/log/libvirt"]
MARK = "GMEM_OWN_FOLDERS"


def hide():
    """Returns in a process that has the folders for itself; it has to be root."""
    if os.environ.pop(MARK, None):
        for folder in HIDDEN:
            os.makedirs(folder, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tests", folder], check=True)
        return
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                          *sys.argv])
