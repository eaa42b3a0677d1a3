# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kinds of memory this host's KVM offers, and what of them works."""

import functools
import os
import unittest

from .agent import Agent, GROUND, SHARED
from .vmm import Vmm, payload
from .waiting import Timeout


@functools.lru_cache(maxsize=None)
def why_not(kind):
    """What the VMM says where it cannot start with a kind of memory; or None."""
    if not os.path.exists("/dev/kvm"):
        return "this machine has no KVM"
    with Vmm(f"--memory-kind={kind}", "--memory=64M", "--paused", f"--payload={payload('agent')}") as vmm:
        try:
            vmm.qmp.execute("query-status")
        except (EOFError, OSError):
            vmm.wait(10)
            log = vmm.log()
            if "this host's KVM" in log:
                return log.strip()
            raise
        return None


def require(kind):
    """Skips the test where the host does not offer a kind."""
    reason = why_not(kind)
    if reason:
        raise unittest.SkipTest(reason)


@functools.lru_cache(maxsize=None)
def _hypercall_returns(kind):
    with Agent("--memory=64M", f"--memory-kind={kind}") as guest:
        try:
            guest.detail("map", GROUND, 1, SHARED, seconds=5)
        except Timeout:
            return False
        return True


def require_hypercall(kind):
    """Skips the test where the host's KVM does not come back from MAP_GPA_RANGE."""
    if not _hypercall_returns(kind):
        raise unittest.SkipTest("a guest's MAP_GPA_RANGE hypercall never returns on this KVM")
