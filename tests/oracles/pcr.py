#!/usr/bin/env python3
"""PCRs of a unified kernel image, computed from the specifications with Python's standard library alone.

    pcr.py IMAGE [--pk F --kek F --db F --dbx F] [--authority F] [--phase P]...

The variables are signature lists, byte for byte; --authority is the entry of db that verified the image (owner and
certificate). Prints one line for each value: `BANK PCR HEX`. Shares no code with the program that it judges.
"""
import argparse
import hashlib
import re
import struct
import uuid

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le
DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f").bytes_le


class Image:
    """A PE32+ image in memory."""

    def __init__(self, data):
        self.data = data
        start = struct.unpack_from("<I", data, 0x3C)[0]
        assert data[:2] == b"MZ" and data[start : start + 4] == b"PE\0\0"
        count, optional = struct.unpack_from("<2xH12xH", data, start + 4)
        self.optional = start + 24
        assert struct.unpack_from("<H", data, self.optional)[0] == 0x20B
        self.headers = struct.unpack_from("<I", data, self.optional + 60)[0]
        table = self.optional + optional
        rows = (struct.unpack_from("<8sIIII", data, table + 40 * row) for row in range(count))
        # name, length in memory, bytes in the file, offset in the file
        self.sections = [(name.rstrip(b"\0").decode(), size, raw, at) for name, size, _, raw, at in rows]

    def section(self, name):
        """The content in memory, or nothing."""
        for own, size, raw, at in self.sections:
            if own == name and size:
                return (self.data[at : at + min(size, raw)]).ljust(size, b"\0")
        return None

    def authenticode(self, algorithm):
        """The digest without checksum, directory of signatures and signatures."""
        directories = struct.unpack_from("<I", self.data, self.optional + 108)[0]
        checksum, entry = self.optional + 64, self.optional + 144
        size = 0
        digest = hashlib.new(algorithm, self.data[:checksum])
        if directories > 4:
            digest.update(self.data[checksum + 4 : entry])
            digest.update(self.data[entry + 8 : self.headers])
            size = struct.unpack_from("<I", self.data, entry + 4)[0]
        else:
            digest.update(self.data[checksum + 4 : self.headers])
        hashed = self.headers
        for _, _, raw, at in sorted(self.sections, key=lambda section: section[3]):
            digest.update(self.data[at : at + raw])
            hashed += raw
        digest.update(self.data[hashed : len(self.data) - size])
        return digest.digest()


def order(version):
    """Sections in the order in which a stub measures them."""
    names = [".linux", ".osrel", ".cmdline", ".initrd"]
    names += [".ucode"] if version >= 257 else []
    names += [".splash", ".dtb"]
    names += [".uname", ".sbat"] if version >= 254 else []
    return names + [".pcrpkey"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    for option in ("--pk", "--kek", "--db", "--dbx", "--authority"):
        parser.add_argument(option)
    parser.add_argument("--phase", action="append", default=[])
    args = parser.parse_args()

    def read(path):
        with open(path, "rb") as file:
            return file.read()

    image = Image(read(args.image))
    magic = image.section(".sdmagic")
    version = int(re.fullmatch(rb"#### LoaderInfo: systemd-stub (\d+).* ####\0*", magic).group(1))
    variables = {name: read(path) if path else b"" for name, path in vars(args).items() if name in ("pk", "kek", "db", "dbx")}
    secure = bool(variables["pk"])
    for bank in ("sha256", "sha384"):

        def h(data):
            return hashlib.new(bank, data).digest()

        def chained(events):
            value = bytes(hashlib.new(bank).digest_size)
            for event in events:
                value = h(value + event)
            return value.hex()

        def variable(vendor, name, value):
            return h(vendor + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16-le") + value)

        separator = h(bytes(4))
        programs = [h(b"Calling EFI Application from Boot Option"), separator, image.authenticode(bank)]
        if version < 258 and not secure:
            programs.append(Image(image.section(".linux")).authenticode(bank))
        keys = [
            variable(GLOBAL, "SecureBoot", bytes([secure])),
            variable(GLOBAL, "PK", variables["pk"]),
            variable(GLOBAL, "KEK", variables["kek"]),
            variable(DATABASE, "db", variables["db"]),
            variable(DATABASE, "dbx", variables["dbx"]),
            separator,
        ]
        if secure:
            keys.append(variable(DATABASE, "db", read(args.authority)))
        sections = []
        for name in order(version):
            content = image.section(name)
            if content is not None:
                sections += [h(name.encode() + b"\0"), h(content)]
        sections += [h(phase.encode()) for phase in args.phase]
        for number, events in ((2, [separator]), (3, [separator]), (4, programs), (7, keys), (11, sections), (12, []), (13, [])):
            print(bank, number, chained(events))


if __name__ == "__main__":
    main()
