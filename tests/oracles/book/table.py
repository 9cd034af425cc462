"""The GPT (UEFI 2.10, section 5) against `disk` and `partitions`."""

import struct
import uuid
import zlib

from .words import must

SECTOR = 512


def header(sector, at, what):
    """A header: the fields that matter, once its checksum is right."""
    fields = struct.unpack("<8s4sIIIQQQQ16sQIII", sector[:92])
    signature, revision, size, crc, reserved, own, other, first, last, guid, array, count, entry, array_crc = fields
    must((signature, revision, size, reserved) == (b"EFI PART", b"\0\0\1\0", 92, 0), f"{what}: its head")
    must(zlib.crc32(sector[:16] + b"\0\0\0\0" + sector[20:92]) == crc, f"{what}: its checksum")
    must(own == at, f"{what}: its own address")
    must((count, entry) == (128, 128), f"{what}: its entries")
    return other, first, last, uuid.UUID(bytes_le=guid), array, array_crc


def check(found, document):
    """Both tables, and each entry against the manifest."""
    size = document["disk"]["size"]
    must(size % SECTOR == 0 and size >= 68 * SECTOR, "the disk is no whole number of sectors")
    last_sector = size // SECTOR - 1
    with open(found.folder / "disk.raw", "rb") as file:

        def sectors(at, count):
            must(0 <= at <= last_sector, "an address outside of the disk")
            file.seek(at * SECTOR)
            return file.read(count * SECTOR)

        mbr = sectors(0, 1)
        must(mbr[510:] == b"\x55\xaa" and mbr[450] == 0xEE, "there is no protective MBR")
        arrays, bounds = [], []
        for what, at, other in [("the primary table", 1, last_sector), ("its copy", last_sector, 1)]:
            stated, first, last, guid, array, crc = header(sectors(at, 1), at, what)
            must(stated == other, f"{what}: the address of the other")
            must(str(guid) == document["disk"]["guid"], f"{what}: the GUID of the disk")
            data = sectors(array, 32)
            must(zlib.crc32(data) == crc, f"{what}: the checksum of its entries")
            arrays.append(data)
            bounds.append((first, last))
        must(arrays[0] == arrays[1] and bounds[0] == bounds[1], "the two tables differ")
    entries(arrays[0], bounds[0], document)


def entries(array, bounds, document):
    """The entries are exactly the partitions, in the order of the disk."""
    by_number, end = {}, bounds[0] * SECTOR
    for one in document["partitions"]:
        must(one["number"] not in by_number, "two partitions have one number")
        must(one["start"] >= end and one["start"] % SECTOR == 0, "a partition begins before the end of another")
        end = one["start"] + one["len"]
        must(one["len"] > 0 and end % SECTOR == 0 and end <= (bounds[1] + 1) * SECTOR, "the end of a partition")
        by_number[one["number"]] = one
    for number in range(1, 129):
        entry = array[(number - 1) * 128 : number * 128]
        one = by_number.pop(number, None)
        if one is None:
            must(entry == b"\0" * 128, f"entry {number} is no partition of the manifest")
            continue
        kind, guid, first, last, _, name = struct.unpack("<16s16sQQQ72s", entry)
        must(str(uuid.UUID(bytes_le=kind)) == one["type_guid"], f"partition {number}: its type")
        must(str(uuid.UUID(bytes_le=guid)) == one["guid"], f"partition {number}: its GUID")
        must((first * SECTOR, (last + 1) * SECTOR) == (one["start"], one["start"] + one["len"]), "its range")
        label = one["label"].encode("utf-16-le", "surrogatepass")
        must(len(label) <= 72 and name == label.ljust(72, b"\0"), f"partition {number}: its name")
    must(not by_number, f"no entries for the partitions {sorted(by_number)}")
