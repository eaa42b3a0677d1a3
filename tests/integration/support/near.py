# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Programs that tests start a hundred times, brought nearer in an emulated host.

Its root is an overlay in memory over the machine's files, which come over 9p: whoever starts a program
there sends requests for each of its libraries, every time, and waits for QEMU to answer them. A file that
is opened for writing is copied into the overlay, and from then on needs none.
"""

import os
import re
import shutil
import subprocess

_LIBRARY = re.compile(r"(/\S+) \(0x")


def bring_near(programs):
    """Copies programs, by their names or paths, and their libraries, where that is of use."""
    if "GMEM_TESTHOST" not in os.environ:
        return
    paths = [shutil.which(program) for program in programs]
    listed = subprocess.run(["ldd", *paths], check=True, stdout=subprocess.PIPE, text=True).stdout
    for path in {*paths, *_LIBRARY.findall(listed)}:
        os.close(os.open(path, os.O_WRONLY))
