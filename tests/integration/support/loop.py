# SPDX-License-Identifier: LGPL-2.1-or-later
"""Block devices over files, and what the kernel says of them."""

import os
import subprocess
import unittest


class Loop:
    """A loop device over a file; a context manager that leaves none behind."""

    def __init__(self, path):
        try:
            self.path = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True,
                                       text=True).stdout.strip()
        except (subprocess.CalledProcessError, FileNotFoundError):
            raise unittest.SkipTest("this machine lets nobody make a loop device") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["losetup", "--detach", self.path], check=True)

    def flushes(self):
        """How often it has been told to have all on the disk: Documentation/block/stat.rst of Linux."""
        with open(f"/sys/block/{os.path.basename(self.path)}/stat", encoding="ascii") as file:
            return int(file.read().split()[15])

    def update_size(self):
        """To that of its file, whoever has it open."""
        subprocess.run(["losetup", "--set-capacity", self.path], check=True)
