# SPDX-License-Identifier: LGPL-2.1-or-later
"""Content of disks and CD-ROMs from which firmware starts something."""

import struct

SECTOR, CD_BLOCK = 512, 2048

# Prints "BOOTED" on the first serial port, as a BIOS has it started at 0x7c00.
BOOT_SECTOR = (bytes.fromhex("fa 31c0 8ed8 be 167c ba f803 ac 84c0 74 03 ee eb f8 f4 eb fd") + b"BOOTED\r\n\0").ljust(
    510, b"\0") + b"\x55\xaa"



def option_rom(vendor, device, text):
    """One whose first instructions print a text by the BIOS, and return."""
    code = bytes.fromhex("1e 0e 1f fc bb0700 be5800 ac 84c0 7406 b40e cd10 ebf5 1f 31c0 cb")
    image = bytearray(b"\x55\xaa\2\xeb\x3b".ljust(0x18, b"\0") + struct.pack("<H", 0x20)).ljust(0x20, b"\0")
    image += struct.pack("<4sHHHHB3sHHBB2s", b"PCIR", vendor, device, 0, 0x18, 0, b"\0\0\2", 2, 0, 0, 0x80, b"")
    image = image.ljust(0x40, b"\0") + code.ljust(0x18, b"\0") + text + b"\r\n\0"
    image = bytearray(image.ljust(1024, b"\0"))
    image[6] = -sum(image) & 0xff
    return bytes(image)


_CATALOG, _IMAGE = 19, 20
_PLATFORMS = {"bios": 0, "efi": 0xef}


def cd_that_boots(image, platform="bios"):
    """A CD-ROM by El Torito, without emulation: the image is what is started."""
    sectors = min(-(-len(image) // SECTOR), 0xffff)
    volume = b"\1CD001\1".ljust(CD_BLOCK, b"\0")
    record = (b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", _CATALOG)).ljust(CD_BLOCK, b"\0")
    last = b"\xffCD001\1".ljust(CD_BLOCK, b"\0")
    check = bytearray(struct.pack("<BBH24sHBB", 1, _PLATFORMS[platform], 0, b"", 0, 0x55, 0xaa))
    struct.pack_into("<H", check, 28, -sum(struct.unpack("<16H", check)) & 0xffff)
    entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, sectors, _IMAGE).ljust(32, b"\0")
    catalog = (bytes(check) + entry).ljust(CD_BLOCK, b"\0")
    content = bytes(16 * CD_BLOCK) + volume + record + last + catalog + image
    return content.ljust(-(-len(content) // CD_BLOCK) * CD_BLOCK, b"\0")


def efi_system(program):
    """A FAT16 of 32 MiB that has a program where UEFI looks for one on removable media."""
    cluster, clusters, root_entries = 4096, 8176, 512
    fat_sectors = -(-(clusters + 2) * 2 // SECTOR)
    sectors = 1 + fat_sectors + root_entries * 32 // SECTOR + clusters * cluster // SECTOR
    boot = struct.pack("<3s8sHBHBHHBHHHII", b"\xeb\x3c\x90", b"GMEM", SECTOR, cluster // SECTOR, 1, 1, root_entries,
                       0, 0xf8, fat_sectors, 32, 64, 0, sectors)
    boot += struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 1, b"GMEM", b"FAT16   ")
    boot = boot.ljust(510, b"\0") + b"\x55\xaa"
    count = -(-len(program) // cluster)
    fat = [0xfff8, 0xffff, 0xffff, 0xffff] + list(range(5, 4 + count)) + [0xffff]

    def entry(name, attributes, first, size=0):
        return struct.pack("<11sB14sHI", name, attributes, b"", first, size)

    root = entry(b"EFI        ", 0x10, 2).ljust(root_entries * 32, b"\0")
    efi = entry(b".          ", 0x10, 2) + entry(b"..         ", 0x10, 0) + entry(b"BOOT       ", 0x10, 3)
    folder = entry(b".          ", 0x10, 3) + entry(b"..         ", 0x10, 2) + entry(b"BOOTX64 EFI", 0x20, 4, len(program))
    content = boot + struct.pack(f"<{len(fat)}H", *fat).ljust(fat_sectors * SECTOR, b"\0") + root
    content += efi.ljust(cluster, b"\0") + folder.ljust(cluster, b"\0") + program
    return content.ljust(sectors * SECTOR, b"\0")
