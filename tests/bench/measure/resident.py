# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VMM has in memory beside its guest's."""

import re

# Flags of a mapping, as proc(5) has them: registered with userfaultfd for missing pages, as RAM
# of a protected guest is; advised to have huge pages, as RAM of ordinary ones is.
GUEST_FLAGS = {"um", "hg"}


def beside_guest(pid):
    """KiB of resident memory beside the guest's RAM: all of it, and what no other process has."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", file.read(), flags=re.MULTILINE)
    resident = private = 0
    for mapping in mappings[1:]:
        fields = dict(re.findall(r"^(\w+):\s+(.*)$", mapping, flags=re.MULTILINE))
        if GUEST_FLAGS & set(fields["VmFlags"].split()):
            continue
        kib = {name: int(value.split()[0]) for name, value in fields.items() if name != "VmFlags"}
        resident += kib["Rss"]
        private += kib["Private_Clean"] + kib["Private_Dirty"]
    return resident, private
