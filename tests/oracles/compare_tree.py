#!/usr/bin/env python3
"""Compares a tar with a folder: names, kinds, modes, owners, times, devices, links, attributes, contents.

usage: compare_tree.py TAR FOLDER        exit 0: equal, 1: prints the differences

An independent reading of the tar (CPython's tarfile) against the kernel's reading of the file system. Takes only
what PAX headers say about attributes (SCHILY.xattr.*); what tar's later entries say wins.
"""
import os
import stat
import sys
import tarfile

KINDS = {
    tarfile.REGTYPE: stat.S_IFREG, tarfile.AREGTYPE: stat.S_IFREG, tarfile.CONTTYPE: stat.S_IFREG,
    tarfile.GNUTYPE_SPARSE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO,
}


def name_of(text):
    """A member's name without the leading `./` and the trailing `/`."""
    text = text.removeprefix("./").rstrip("/")
    return "" if text == "." else text


def nanoseconds(member):
    """The modification time, with the digits that a float would lose."""
    text = member.pax_headers.get("mtime")
    if text is None:
        return int(member.mtime) * 10**9
    whole, _, part = text.lstrip("-").partition(".")
    value = int(whole) * 10**9 + int((part + "0" * 9)[:9])
    return -value if text.startswith("-") else value


def attributes(member):
    """The attributes that the PAX headers carry."""
    prefix = "SCHILY.xattr."
    return {key.removeprefix(prefix): value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items() if key.startswith(prefix)}


def contents_equal(archive, member, path):
    """Whether a file holds the member's bytes."""
    ours = archive.extractfile(member)
    with open(path, "rb") as theirs:
        while True:
            one, two = ours.read(1 << 20), theirs.read(1 << 20)
            if one != two:
                return False
            if not one:
                return True


def differences(archive, member, path, root):
    """Yields what differs between a member and the file at a path."""
    try:
        found = os.lstat(path)
    except OSError as error:
        yield f"missing: {error}"
        return
    if member.islnk():
        target = os.lstat(os.path.join(root, os.fsencode(name_of(member.linkname))))
        if target.st_ino != found.st_ino:
            yield "not a hard link of " + repr(member.linkname)
        return
    if stat.S_IFMT(found.st_mode) != KINDS[member.type]:
        yield f"kind {oct(found.st_mode)}"
        return
    if not member.issym() and stat.S_IMODE(found.st_mode) != member.mode & 0o7777:
        yield f"mode {oct(found.st_mode)}, the tar says {oct(member.mode)}"
    if (found.st_uid, found.st_gid) != (member.uid, member.gid):
        yield f"owner {found.st_uid}:{found.st_gid}, the tar says {member.uid}:{member.gid}"
    if found.st_mtime_ns != nanoseconds(member):
        yield f"mtime {found.st_mtime_ns}, the tar says {nanoseconds(member)}"
    if (member.ischr() or member.isblk()) and \
            (os.major(found.st_rdev), os.minor(found.st_rdev)) != (member.devmajor, member.devminor):
        yield "device numbers"
    if member.issym() and os.readlink(path) != os.fsencode(member.linkname):
        yield "target of the symbolic link"
    have = {key: os.getxattr(path, key, follow_symlinks=False)
            for key in os.listxattr(path, follow_symlinks=False)}
    if have != attributes(member):
        yield f"attributes {have}, the tar says {attributes(member)}"
    if member.isreg():
        if found.st_size != member.size:
            yield f"size {found.st_size}, the tar says {member.size}"
        elif not contents_equal(archive, member, path):
            yield "content"


def main(tar, folder):
    """Prints every difference and gives the exit code."""
    root = os.fsencode(folder)
    count = 0
    with tarfile.open(tar, encoding="utf-8", errors="surrogateescape") as archive:
        last = {name_of(member.name): member for member in archive}
        for name, member in last.items():
            path = os.path.join(root, os.fsencode(name)) if name else root
            for difference in differences(archive, member, path, root):
                count += 1
                print(f"{name!r}: {difference}")
    known = {os.fsencode(name) for name in last}
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.relpath(os.path.join(parent, name), root)
            if path not in known and path != b"lost+found":
                count += 1
                print(f"{path!r}: not in the tar")
    print(f"{len(last)} entries compared, {count} differences")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
