"""Sections *Files* and *SHA256SUMS*."""

import hashlib
import re
import stat

from .words import DIGEST, Different, must

ALWAYS = {"SHA256SUMS", "disk.raw", "manifest.json", "tree.txt"}
DOCUMENTS = {
    "tree.txt",
    "origins.txt",
    "sbom.spdx.json",
    "sbom.cdx.json",
    "openvex.json",
    "measurements.json",
    "uefi-data",
    "signing/requests.json",
    "signing/systemd-boot.tbs",
    "signing/uki.tbs",
    "signing/pcr-policy.json",
}
TBS = re.compile(r"signing/pcr11-(sha256|sha384)-[1-8]\.tbs")
OTHERS = {"provenance.json", "verify.sh"}
SIGNATURE = re.compile(r"signatures/[0-9a-f]{16}\.(sig|[a-z-]+\.dsse\.json|[a-z-]+\.sigstore\.json)")
FOLDERS = {"signing", "signatures"}


def is_document(name):
    """Whether a name is one that the manifest binds."""
    return name in DOCUMENTS or TBS.fullmatch(name) is not None


class Files:
    """The files of a bundle."""

    def __init__(self, folder, names, sums):
        self.folder, self.names, self.sums = folder, names, sums
        self.digests, self.blocks = {}, []

    def read(self, name):
        """A whole file."""
        return (self.folder / name).read_bytes()

    def digest(self, name):
        """The digest of a file, read once."""
        if name not in self.digests:
            with open(self.folder / name, "rb") as file:
                self.digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.digests[name]

    def compare(self):
        """Every file against its line."""
        for name, digest in self.sums.items():
            must(self.digest(name) == digest, f"{name} is not what SHA256SUMS has")

    def expect_documents(self, manifest):
        """The documents are exactly the files that are bound by the manifest."""
        stated = manifest.get("documents", {})
        found = {name for name in self.sums if is_document(name)}
        must(set(stated) == found, f"the documents are {sorted(stated)}, and the files {sorted(found)}")
        for name, digest in stated.items():
            must(self.digest(name) == digest, f"{name} is not what the manifest has")


def listed(folder, prefix=""):
    """The names of all files; anything that is no regular file is refused."""
    names = []
    for entry in sorted(folder.iterdir()):
        name = prefix + entry.name
        kind = entry.lstat().st_mode
        if stat.S_ISDIR(kind) and name in FOLDERS:
            names += listed(entry, name + "/")
            continue
        must(stat.S_ISREG(kind), f"{name!r} is no regular file")
        known = name in ALWAYS or is_document(name) or name in OTHERS or SIGNATURE.fullmatch(name)
        must(known, f"{name!r} is no file of a bundle")
        names.append(name)
    return names


def sums_of(data):
    """Name and digest of each line."""
    must(len(data) <= 64 << 10, "SHA256SUMS is longer than 64 KiB")
    must(data.endswith(b"\n"), "SHA256SUMS does not end with a newline")
    sums = {}
    for line in data[:-1].split(b"\n"):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Different("SHA256SUMS is not UTF-8") from error
        digest, name = text[:64], text[66:]
        form = DIGEST.fullmatch(digest) and text[64:66] == "  " and name
        must(form, f"SHA256SUMS has the line {text!r}")
        must(name not in sums, f"SHA256SUMS has {name!r} twice")
        sums[name] = digest
    must(list(sums) == sorted(sums, key=str.encode), "SHA256SUMS is not sorted")
    return sums


def read(folder):
    """Names and kinds of the files against SHA256SUMS."""
    names = listed(folder)
    for name in sorted(ALWAYS):
        must(name in names, f"{name} is missing")
    sums = sums_of((folder / "SHA256SUMS").read_bytes())
    bound = {name for name in names if name != "SHA256SUMS" and not name.startswith("signatures/")}
    must(set(sums) == bound, f"SHA256SUMS has {sorted(sums)}, and the files are {sorted(bound)}")
    return Files(folder, names, sums)
