# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of this folder as TAP, by what tests/integration/run has for it."""

import importlib.machinery
import importlib.util
import os
import sys
import unittest

INTEGRATION = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../integration")


def load(name):
    """A program of tests/integration as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(INTEGRATION, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def main(name):
    """Runs the tests of a module that is a program, and ends it."""
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[name])
    sys.exit(0 if load("run").run(tests) else 1)
