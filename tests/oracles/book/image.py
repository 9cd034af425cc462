"""Blocks, Merkle root and the checksums of EBS; hash trees of dm-verity."""

import hashlib
import struct

from .manifest import BLOCK
from .words import must, sha256

ZERO = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"
HASH_BLOCK = 4096


def merkle(nodes):
    """RFC 9162, 2.1.1, of leaves that are hashed already."""
    if len(nodes) == 1:
        return nodes[0]
    left = 1 << (len(nodes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(nodes[:left]) + merkle(nodes[left:])).digest()


def digests(found, document):
    """Digest and kind of each block of the image, in one pass with the digest of the whole."""
    whole, runs = hashlib.sha256(), found.blocks
    with open(found.folder / "disk.raw", "rb") as file:
        must(file.seek(0, 2) == document["disk"]["size"], "disk.raw has another length")
        file.seek(0)
        for kind, count in runs:
            for _ in range(count):
                data = file.read(BLOCK)
                whole.update(data)
                digest = sha256(data.ljust(BLOCK, b"\0"))
                wanted = ZERO if kind in ("zero", "free") else kind
                must(digest == wanted, "a block is not what the manifest has")
                must(kind in ("zero", "free") or digest != ZERO, "a block of zeros has a digest")
                yield kind, bytes.fromhex(digest)
    must(whole.hexdigest() == document["sha256"], "the digest of the image is another")


def check(found, document):
    """Everything about the bytes of the image."""
    all_blocks = list(digests(found, document))
    leaves = [hashlib.sha256(b"\0" + digest).digest() for _, digest in all_blocks]
    must(merkle(leaves).hex() == document["merkle_root"], "the Merkle root is another")
    for key, left_out in [("without_free", {"free"}), ("without_zero", {"free", "zero"})]:
        sent = [digest for kind, digest in all_blocks if kind not in left_out]
        must(document["ebs"][key]["blocks"] == len(sent), f"ebs.{key}.blocks is another")
        must(document["ebs"][key]["sha256"] == sha256(b"".join(sent)), f"ebs.{key}.sha256 is another")
    for one in document.get("verity", []):
        hash_tree(found, document, one)


def partition(document, name):
    """A partition by its id."""
    found = [one for one in document["partitions"] if one["id"] == name]
    must(len(found) == 1, f"{len(found)} partitions have the id {name!r}")
    return found[0]


def hash_tree(found, document, one):
    """A hash tree as cryptsetup's *On-disk format* of verity has it: format 1, SHA-256, blocks of 4096 bytes."""
    data, tree = partition(document, one["data"]), partition(document, one["hash"])
    salt, count = bytes.fromhex(one["salt"]), one["data_blocks"]
    must(count * HASH_BLOCK == data["len"], "data_blocks is not the length of the partition")
    with open(found.folder / "disk.raw", "rb") as file:
        file.seek(tree["start"])
        stored = file.read(tree["len"])
        head = struct.unpack("<8sII16s32sIIQH6s256s", stored[:344].ljust(344, b"\0"))
        wanted = (b"verity\0\0", 1, 1, b"sha256".ljust(32, b"\0"), 4096, 4096, count, 32, b"\0" * 6)
        must(head[:3] + head[4:10] == wanted, "the superblock of the hash tree is another")
        must(head[10] == salt.ljust(256, b"\0"), "the salt of the hash tree is another")
        file.seek(data["start"])
        level = [hashlib.sha256(salt + file.read(HASH_BLOCK)).digest() for _ in range(count)]
    levels = []
    while len(level) > 1 or not levels:
        whole = b"".join(level)
        whole = whole.ljust(-(-len(whole) // HASH_BLOCK) * HASH_BLOCK, b"\0")
        levels.append(whole)
        parts = range(0, len(whole), HASH_BLOCK)
        level = [hashlib.sha256(salt + whole[at : at + HASH_BLOCK]).digest() for at in parts]
    must(level[0].hex() == one["root_hash"], "the root hash is another")
    written = b"".join(reversed(levels))
    must(stored[HASH_BLOCK : HASH_BLOCK + len(written)] == written, "the hash tree is not that of the data")
