"""Section *manifest.json*."""

import re

from .words import GUID, NotChecked, canonical, is_digest, is_number, members, must, texts

REQUIRED = (
    "schema tool image disk partitions block_size blocks merkle_root sha256 ebs recipe_sha256 inputs notes".split()
)
OPTIONAL = (
    "cleaned documents leaks_allowed lock_sha256 measurements pcr_policy private_keys secrets secrets_unknown "
    "secure_boot skipped verity".split()
)
RUN = re.compile(r"(zero|free)\*([1-9][0-9]{0,9})")
BLOCK = 524288


def text(value, what):
    """A text."""
    must(isinstance(value, str), f"{what} is no text")


def guid(value, what):
    """A GUID."""
    must(isinstance(value, str) and GUID.fullmatch(value), f"{what} is no GUID")


def digest(value, what):
    """A digest."""
    must(is_digest(value), f"{what} is no digest")


def partition(one):
    """An entry of `partitions`."""
    required = ["id", "number", "start", "len", "label", "type_guid", "guid"]
    members(one, "partitions", required, ["file_system", "uuid"])
    for key in ["id", "label"]:
        text(one[key], key)
    for key in ["type_guid", "guid"]:
        guid(one[key], key)
    must(is_number(one["number"], 1, (1 << 32) - 1), "number is none")
    must(is_number(one["start"]) and is_number(one["len"]), "start or len is no number")
    for key in ["file_system", "uuid"]:
        if key in one:
            text(one[key], key)


def blocks(document):
    """The blocks one by one: a digest, `zero` or `free`."""
    runs, last, count = [], None, 0
    must(isinstance(document["blocks"], list), "blocks is no list")
    wanted = -(-document["disk"]["size"] // BLOCK)
    for entry in document["blocks"]:
        text(entry, "an entry of blocks")
        match = RUN.fullmatch(entry)
        kind = match[1] if match else None
        must(match or is_digest(entry), f"the entry {entry!r} of blocks")
        must(not match or kind != last, "two neighbours of one kind are two entries")
        number = int(match[2]) if match else 1
        count += number
        must(count <= wanted, "there are more blocks than the disk has")
        runs.append((kind or entry, number))
        last = kind
    must(count == wanted, f"there are {count} blocks, and the disk has {wanted}")
    return runs


def values(document):
    """The types of all values."""
    members(document["tool"], "tool", ["name", "version"])
    must(document["tool"]["name"] == "amiforge", "the tool has another name")
    text(document["tool"]["version"], "tool.version")
    image = members(document["image"], "image", ["name", "arch", "epoch"], ["version", "boot_mode"])
    for key in ["name", "arch", "version", "boot_mode"]:
        if key in image:
            text(image[key], key)
    must(image["arch"] in ("x86_64", "aarch64"), "arch")
    must(image.get("boot_mode", "uefi") in ("uefi", "legacy-bios", "uefi-preferred"), "boot_mode")
    must(is_number(image["epoch"], -(1 << 63), (1 << 63) - 1), "epoch is no time")
    disk = members(document["disk"], "disk", ["size", "guid"])
    must(is_number(disk["size"], 1, 64 << 40), "disk.size")
    guid(disk["guid"], "disk.guid")
    must(document["block_size"] == BLOCK and is_number(document["block_size"]), "block_size")
    must(isinstance(document["partitions"], list), "partitions is no list")
    for one in document["partitions"]:
        partition(one)
    for key in ["merkle_root", "sha256", "recipe_sha256"]:
        digest(document[key], key)
    ebs = members(document["ebs"], "ebs", ["without_free", "without_zero"])
    for key, one in ebs.items():
        members(one, f"ebs.{key}", ["blocks", "sha256"])
        must(is_number(one["blocks"]), f"ebs.{key}.blocks")
        digest(one["sha256"], f"ebs.{key}.sha256")
    must(isinstance(document["inputs"], list), "inputs is no list")
    for one in document["inputs"]:
        members(one, "inputs", ["kind", "name", "sha256"])
        text(one["kind"], "kind")
        text(one["name"], "name")
        must(one["sha256"] is None or is_digest(one["sha256"]), "an input's digest is none")
    texts(document["notes"], "notes")


def optional_values(document):
    """The types of what may be missing, and is where it is empty."""
    for key in OPTIONAL:
        must(key not in document or document[key] not in ([], {}), f"{key} is empty")
    if "lock_sha256" in document:
        digest(document["lock_sha256"], "lock_sha256")
    if "documents" in document:
        must(isinstance(document["documents"], dict), "documents is no object")
        for name, value in document["documents"].items():
            digest(value, f"documents.{name}")
    for key in ["private_keys", "secrets_unknown", "skipped"]:
        if key in document:
            texts(document[key], key)
    for key in ["cleaned", "leaks_allowed", "secrets", "verity"]:
        must(isinstance(document.get(key, []), list), f"{key} is no list")
    for key in ["measurements", "pcr_policy", "secure_boot"]:
        must(isinstance(document.get(key, {}), dict), f"{key} is no object")
    for one in document.get("verity", []):
        members(one, "verity", ["data", "hash", "data_blocks", "salt", "root_hash"])
        text(one["data"], "data")
        text(one["hash"], "hash")
        must(is_number(one["data_blocks"], 1), "data_blocks")
        digest(one["salt"], "salt")
        digest(one["root_hash"], "root_hash")


def read(found):
    """The manifest, in its form."""
    document = canonical(found.read("manifest.json"), "manifest.json")
    must(isinstance(document, dict), "the manifest is no object")
    schema = document.get("schema")
    must(is_number(schema), "the manifest has no schema")
    if schema != 1:
        raise NotChecked(f"the schema is {schema}, and the page is about 1")
    for key in REQUIRED:
        must(key in document, f"{key} is missing")
    values(document)
    optional_values(document)
    for key in document:
        if key not in REQUIRED and key not in OPTIONAL:
            raise NotChecked(f"the key {key!r} of the manifest")
    found.blocks = blocks(document)
    return document
