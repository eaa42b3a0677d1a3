# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs that were built, and what they say of themselves."""

import os
import re
import subprocess

BUILD = os.path.realpath(os.environ.get("GMEM_BUILD", "build"))

PATHS = {
    "gmem-vmm": os.path.join(BUILD, "src/vmm/gmem-vmm"),
    "virtgmemd": os.path.join(BUILD, "src/driver/daemon/virtgmemd"),
}

# "  -m, --memory=SIZE      Guest RAM"
OPTION = re.compile(r"^  (?:(-\w), )?(--[a-z0-9-]+)(?:=(\S+))? *(.*)$", re.MULTILINE)


def run(program, *arguments):
    """A program's end, in English whatever the language here is."""
    environment = dict(os.environ, LC_ALL="C", LANGUAGE="")
    return subprocess.run([PATHS[program], *arguments], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def output(program, *arguments):
    """What a program prints that has nothing to complain about."""
    ended = run(program, *arguments)
    assert (ended.returncode, ended.stderr) == (0, ""), (program, arguments, ended)
    return ended.stdout


def options(program):
    """By name, long or short: the argument's name or None, and what --help says of the option."""
    found = {}
    for short, name, argument, meaning in OPTION.findall(output(program, "--help")):
        found[name] = argument or None, meaning
        if short:
            found[short] = found[name]
    assert found, program
    return found
