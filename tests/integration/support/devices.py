# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices as gmem-vmm gets them described."""

import json


def device(driver, name, /, **members):
    """An option of gmem-vmm; members whose names have a '-' come in a dictionary: **{"max-bytes": 1}."""
    return "--device=" + json.dumps({"driver": driver, "id": name, **members}, separators=(",", ":"))


def root_port(name, address, **members):
    return device("pcie-root-port", name, bus="pcie.0", addr=address, **members)
