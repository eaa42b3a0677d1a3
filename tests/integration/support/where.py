# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Where a test runs; its class, or the test itself, says so in its "where", and is HOSTS where nobody says so.

What asks for no Linux and no OVMF also runs on a KVM that cannot run a guest of 64 bits, and on this machine's
own many times as fast as in an emulated host. There the domains' memory is in windows. What does not depend on
the kind of memory is run there alone, if that KVM has windows. In hosts remains what is about guest memory that is
two-sided, or about the hypercall that only their KVM hands on, and of the rest a test or two of each subject, since an
emulated host takes ten times as long.
"""

HOSTS, NATIVE, EVERYWHERE = "hosts", "native", "everywhere"


def everywhere(test):
    """A test that runs in hosts, too, where its class is NATIVE."""
    test.where = EVERYWHERE
    return test


def native(test):
    """A test that is left out of the hosts, where its class runs everywhere."""
    test.where = NATIVE
    return test


def place_of(test):
    """Where a test of unittest's is to run."""
    method = getattr(test, test._testMethodName)
    return getattr(method, "where", getattr(test, "where", HOSTS))
