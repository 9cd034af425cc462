"""Compares what bytes of an image are said to be with what tools of others find there.

Arguments: the image, a JSON file of samples, and the folder of package files by their SHA-256, if there are some. ext4 is
judged by debugfs and dumpe2fs, FAT by mshowfat and mtype and by its allocation table, contents of packages by the packages'
own files (dpkg-deb). Prints the number of comparisons by kind as JSON, and fails at the first that disagrees.
"""

import collections
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile

COUNTS = collections.Counter()


def run(*args, stdin=None):
    done = subprocess.run(args, input=stdin, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        sys.exit(f"{args}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def unescape(path):
    """The bytes of a path as reports show it."""
    out, rest = bytearray(), path.encode()
    while rest:
        if rest[:2] == b"\\\\":
            out, rest = out + b"\\", rest[2:]
        elif rest[:2] == b"\\x":
            out, rest = out + bytes([int(rest[2:4], 16)]), rest[4:]
        else:
            out, rest = out + rest[:1], rest[1:]
    return bytes(out)


def expect(condition, sample, found):
    if not condition:
        sys.exit(f"byte {sample['at']} is said to be `{sample['what']}` ({sample['kind']}), and the oracle has {found}")


class Ext4:
    """A file system as e2fsprogs read it."""

    def __init__(self, image, start):
        self.device = f"{image}?offset={start}"
        text = run("dumpe2fs", self.device).decode(errors="replace")
        self.block = int(re.search(r"^Block size:\s+(\d+)", text, re.M)[1])
        self.inode = int(re.search(r"^Inode size:\s+(\d+)", text, re.M)[1])
        self.areas = []
        for group, body in re.findall(r"^Group (\d+):(.*?)(?=^Group |\Z)", text, re.M | re.S):
            for name, pattern in (
                ("superblock", r"(?:Primary|Backup) superblock at (\d+)()"),
                ("descriptors", r"Group descriptors at (\d+)-(\d+)"),
                ("reserve", r"Reserved GDT blocks at (\d+)-(\d+)"),
                ("block bitmap", r"Block bitmap at (\d+)()"),
                ("inode bitmap", r"Inode bitmap at (\d+)()"),
                ("inode table", r"Inode table at (\d+)-(\d+)"),
            ):
                found = re.search(pattern, body)
                if found:
                    first = int(found[1])
                    self.areas.append((first, int(found[2] or first), name, int(group)))

    def commands(self, lines):
        text = "".join(f"{line}\n" for line in lines).encode()
        return run("debugfs", "-f", "/dev/stdin", self.device, stdin=text).decode(errors="surrogateescape")

    def batches(self, command, numbers, width=200):
        numbers = sorted(numbers)
        lines = [f"{command} {' '.join(map(str, numbers[at:at + width]))}" for at in range(0, len(numbers), width)]
        return self.commands(lines) if lines else ""

    def area(self, block):
        return [(name, group) for first, last, name, group in self.areas if first <= block <= last]

    def learn(self, samples, start):
        blocks = {(one["at"] - start) // self.block for one in samples}
        text = self.batches("icheck", blocks)
        self.owner = {int(block): int(inode) for block, inode in re.findall(r"^(\d+)\t(\d+)$", text, re.M)}
        text = self.commands(f"testb {block}" for block in sorted(blocks))
        self.used = {int(block): word == "marked" for block, word in re.findall(r"^Block (\d+) (marked|not) in use", text, re.M)}
        numbers = {int(found[1]) for one in samples if (found := re.match(r"inode (\d+) of /", one["what"]))}
        text = self.batches("ncheck", numbers | set(self.owner.values()))
        self.names = collections.defaultdict(set)
        for inode, path in re.findall(r"^(\d+)\t(/.*)$", text, re.M):
            path = path.encode(errors="surrogateescape")
            self.names[int(inode)].add(b"/" + path.lstrip(b"/"))
        self.names[2].add(b"/")
        text = self.commands(f"imap <{number}>" for number in sorted(numbers))
        self.place = {}
        for number, block, offset in re.findall(r"Inode (\d+) is part.*?\n\s*located at block (\d+), offset 0x([0-9a-f]+)", text):
            self.place[int(number)] = int(block) * self.block + int(offset, 16)
        text = self.commands(f"stat <{number}>" for number in sorted(set(self.owner.values())))
        self.sizes = {int(number): int(size) for number, size in re.findall(r"^Inode: (\d+).*?^.*?Size: (\d+)", text, re.M | re.S)}
        wanted = []
        for one in samples:
            inode = self.owner.get((one["at"] - start) // self.block)
            if one["kind"] == "content" and one["offset"] is not None and inode:
                wanted.append((inode, one["offset"] // self.block))
        text = self.commands(f"bmap <{inode}> {logical}" for inode, logical in wanted)
        found = [int(line) for line in text.split("\n") if re.fullmatch(r"\d+", line)]
        if len(found) != len(wanted):
            sys.exit(f"debugfs gave {len(found)} blocks for {len(wanted)} questions")
        self.mapped = dict(zip(wanted, found))

    def judge(self, one, start):
        at = one["at"] - start
        block, what = at // self.block, one["what"]
        inode, names = self.owner.get(block), self.names[self.owner.get(block)]
        path = unescape(one["path"]) if one["path"] else None
        if one["kind"] == "free":
            expect(not self.used.get(block, block == 0) and inode is None, one, (self.used.get(block), inode))
            return "free"
        # Block 0 is before the first block of data where a block is 1 KiB: debugfs has no bit for it.
        expect(self.used.get(block, block == 0) or what.startswith("zeros: behind the last block"), one, "a free block")
        if one["kind"] == "content":
            expect(path in names, one, (inode, names))
            if one["offset"] is not None:
                expect(self.mapped[inode, one["offset"] // self.block] == block, one, self.mapped)
                expect(one["offset"] % self.block == at % self.block, one, at % self.block)
                expect(one["offset"] < self.sizes[inode], one, self.sizes[inode])
            return "content"
        if what.startswith("zeros behind the end of "):
            expect(path in names, one, (inode, names))
            size = self.sizes[inode]
            expect(size % self.block <= at % self.block and size % self.block > 0, one, size)
            return "tail"
        found = re.match(r"inode (\d+) of ", what)
        if found:
            number = int(found[1])
            if path is not None:
                expect(path in self.names[number], one, self.names[number])
                expect(0 <= at - self.place[number] < self.inode, one, self.place[number])
            expect(any(name == "inode table" for name, _ in self.area(block)), one, self.area(block))
            return "inode"
        if what.startswith(("names in ", "addresses of ", "attributes of ")):
            expect(path in names, one, (inode, names))
            return what.split(" ")[0]
        if what == "the journal":
            expect(inode == 8, one, inode)
            return "journal"
        if what == "map of the reserve for descriptors":
            expect(inode == 7, one, inode)
            return "reserve"
        for begin, name in (
            ("superblock", "superblock"),
            ("copy of the superblock", "superblock"),
            ("zeros: boot area", "superblock"),
            ("zeros: behind the superblock", "superblock"),
            ("descriptor", "descriptors"),
            ("copy of the descriptors", "descriptors"),
            ("zeros: unused descriptors", "descriptors"),
            ("reserve for descriptors", "reserve"),
            ("block bitmap", "block bitmap"),
            ("inode bitmap", "inode bitmap"),
            ("zeros: unused inodes", "inode table"),
            ("zeros: behind the inode table", "inode table"),
        ):
            if what.startswith(begin):
                group = re.search(r"group (\d+)$", what)
                areas = [known for known, number in self.area(block) if group is None or int(group[1]) == number or begin == "descriptor"]
                expect(name in areas, one, self.area(block))
                return name
        sys.exit(f"byte {one['at']}: no oracle for `{what}`")


class Fat:
    """A FAT32 volume as mtools read it, with its allocation table."""

    def __init__(self, image, start):
        self.drive = f"{image}@@{start}"
        with open(image, "rb") as disk:
            disk.seek(start)
            boot = disk.read(512)
            sector, per_cluster, reserved, tables = struct.unpack_from("<HBHB", boot, 11)
            (sectors,) = struct.unpack_from("<I", boot, 36)
            self.cluster = sector * per_cluster
            self.tables = (reserved * sector, (reserved + tables * sectors) * sector)
            disk.seek(start + reserved * sector)
            self.table = disk.read(sectors * sector)
        self.clusters, self.bytes = {}, {}

    def learn(self, samples, start):
        pass

    def of(self, path):
        if path not in self.clusters:
            text = run("mshowfat", "-i", self.drive, "::" + path).decode()
            runs = re.findall(r"<(\d+)(?:-(\d+))?>", text)
            self.clusters[path] = [number for first, last in runs for number in range(int(first), int(last or first) + 1)]
        return self.clusters[path]

    def judge(self, one, start):
        at, what = one["at"] - start, one["what"]
        if at < self.tables[1]:
            expect(one["kind"] in ("structure", "padding"), one, "before the clusters")
            expect(what.startswith("allocation table") == (at >= self.tables[0]), one, self.tables)
            return "fat table"
        number = (at - self.tables[1]) // self.cluster + 2
        if what == "zeros: behind the last cluster":
            return "fat end"
        (entry,) = struct.unpack_from("<I", self.table, number * 4)
        if one["kind"] == "free":
            expect(entry & 0x0FFFFFFF == 0, one, entry)
            return "fat free"
        expect(entry & 0x0FFFFFFF != 0, one, "a free cluster")
        if one["path"] == "/":
            return "fat root"
        clusters = self.of(one["path"])
        expect(number in clusters, one, clusters[:8])
        if one["offset"] is None:
            return "fat names"
        expect(clusters[one["offset"] // self.cluster] == number, one, number)
        if one["path"] not in self.bytes:
            self.bytes[one["path"]] = run("mtype", "-i", self.drive, "::" + one["path"])
        expect(self.bytes[one["path"]][one["offset"]] == one["byte"], one, "another byte")
        return "fat content"


def packages(samples, objects):
    """Compares contents of packages with the packages' own files."""
    of_package = collections.defaultdict(list)
    for one in samples:
        origin = one["origin"] or {}
        if one["kind"] == "content" and origin.get("kind") == "deb" and one["offset"] is not None:
            if one["volume"]["fs"] in ("ext4", "erofs"):
                of_package[origin["sha256"]].append(one)
    for digest, wanted in of_package.items():
        data = run("dpkg-deb", "--fsys-tarfile", os.path.join(objects, digest))
        archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape")
        members = {os.fsencode("/" + one.name.lstrip("./")): one for one in archive}
        for one in wanted:
            path = unescape(one["path"])
            # Packages may name a file by a link at the top, and a diverted file has another name.
            names = [path, path.removeprefix(b"/usr"), path.removesuffix(b".distrib"), path.removesuffix(b".usr-is-merged")]
            member = next((members[name] for name in names if name in members), None)
            while member is not None and member.islnk():
                member = members[os.fsencode("/" + member.linkname.lstrip("./"))]
            expect(member is not None, one, f"no such file in the package {digest}")
            archive.fileobj.seek(member.offset_data + one["offset"])
            expect(archive.fileobj.read(1)[0] == one["byte"], one, "another byte in the package")
            COUNTS["package"] += 1


def main():
    image, samples = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
    with open(image, "rb") as disk:
        for one in samples:
            disk.seek(one["at"])
            one["byte"] = disk.read(1)[0]
            if one["kind"] in ("free", "padding"):
                expect(one["byte"] == 0, one, one["byte"])
    volumes = collections.defaultdict(list)
    for one in samples:
        if one["volume"] is None:
            COUNTS["outside"] += 1
        else:
            volumes[one["volume"]["fs"], one["volume"]["start"]].append(one)
    for (kind, start), ours in volumes.items():
        judges = {"ext4": Ext4, "fat": Fat}
        if kind not in judges:
            COUNTS[kind] += len(ours)
            continue
        judge = judges[kind](image, start)
        judge.learn(ours, start)
        for one in ours:
            COUNTS[judge.judge(one, start)] += 1
    if len(sys.argv) > 3:
        packages(samples, sys.argv[3])
    print(json.dumps(COUNTS))


main()
