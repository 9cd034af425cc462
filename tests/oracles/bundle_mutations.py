"""Changes a signed bundle, and asks three programs about each change: amiforge, amiforge-verify, and the page (bundle_by_the_book).

Arguments: a bundle, a folder with `alice` (a key of ssh-keygen that signed it) and `policy.toml` (which alice fulfils), and the two
programs. Prints what came of it, and every change about which the three do not agree.
"""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BUNDLE, KEYS = Path(sys.argv[1]), Path(sys.argv[2])
PROGRAMS = sys.argv[3:5]
WORK = KEYS / "changed"
DOCUMENTS = ["origins.txt", "tree.txt"]

book = subprocess.Popen(
    [sys.executable, str(Path(__file__).with_name("bundle_by_the_book.py"))],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
)


def digest(name):
    """The digest of a file as it is now; of the image as it was, unless it was written to."""
    return hashlib.sha256((WORK / name).read_bytes()).hexdigest()


def restore():
    """The bundle as it was. The image is a link to the original until a change writes to it."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(BUNDLE, WORK, copy_function=lambda source, to: None if to.endswith("disk.raw") else shutil.copy(source, to))
    os.link(BUNDLE / "disk.raw", WORK / "disk.raw")


def own_image():
    """A copy of the image that may be written to."""
    (WORK / "disk.raw").unlink()
    shutil.copy(BUNDLE / "disk.raw", WORK / "disk.raw")


def load(name):
    return json.loads((WORK / name).read_bytes())


def save(name, value):
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (WORK / name).write_text(text)


def remake(documents=True, subjects=True):
    """Makes good again what binds the files, as a person could who can write to all of them."""
    if documents:
        manifest = load("manifest.json")
        for name in DOCUMENTS:
            if name in manifest.get("documents", {}) and (WORK / name).is_file():
                manifest["documents"][name] = digest(name)
        save("manifest.json", manifest)
    if subjects:
        provenance = load("provenance.json")
        for one in provenance["subject"]:
            if (WORK / one["name"]).is_file():
                one["digest"]["sha256"] = digest(one["name"])
        save("provenance.json", provenance)
    files = sorted(path.relative_to(WORK).as_posix() for path in WORK.rglob("*") if path.is_file())
    files = [name for name in files if name != "SHA256SUMS" and not name.startswith("signatures/")]
    (WORK / "SHA256SUMS").write_text("".join(f"{digest(name)}  {name}\n" for name in files))


def sign():
    """Alice signs what there is now."""
    shutil.rmtree(WORK / "signatures", ignore_errors=True)
    (WORK / "signatures").mkdir()
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "amiforge-bundle", "-f", str(KEYS / "alice"), str(WORK / "SHA256SUMS")]
    subprocess.run(command, check=True, capture_output=True)
    name = next(path.name for path in (BUNDLE / "signatures").glob("*.sig"))
    shutil.move(WORK / "SHA256SUMS.sig", WORK / "signatures" / name)


def verdicts(policy):
    """Whether each of the three accepts, with its words."""
    asked = [] if policy is None else ["--signed-by", str(policy)]
    told = []
    for program, words in zip(PROGRAMS, [["verify", *asked, str(WORK)], [*asked, str(WORK)]]):
        run = subprocess.run([program, *words], capture_output=True, text=True, env={"HOME": str(KEYS), "PATH": os.environ["PATH"]})
        told.append((run.returncode == 0, f"{run.returncode}: {run.stdout[-400:]} {run.stderr[-400:]}"))
        if run.returncode not in (0, 1, 2, 3):
            raise SystemExit(f"{program} ended with {run.returncode}: {run.stderr}")
    book.stdin.write(json.dumps({"bundle": str(WORK), "policy": policy and str(policy)}) + "\n")
    book.stdin.flush()
    answer = json.loads(book.stdout.readline())
    told.append((answer["outcome"] == "good", f"{answer['outcome']}: {answer['why']}"))
    return told


CHANGES = []


def change(name, policy=None):
    """Adds a change to the list."""

    def add(function):
        CHANGES.append((name, function, policy))
        return function

    return add


def on_bytes(name, edit):
    """A change of the bytes of a file."""

    def run():
        if name == "disk.raw":
            own_image()
        path = WORK / name
        path.write_bytes(edit(path.read_bytes()))

    return run


def then(*steps):
    """One after another."""
    return lambda: [step() for step in steps]


def on_json(name, edit):
    """A change of the value in a file of JSON."""

    def run():
        value = load(name)
        edit(value)
        save(name, value)

    return run


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def put(path, new):
    """Sets a value by the keys on the way; `None` takes it away."""

    def edit(value):
        *way, last = path.split("/")
        for key in way:
            value = value[int(key) if key.isdigit() else key]
        if new is None:
            del value[last]
        else:
            value[int(last) if last.isdigit() else last] = copy.deepcopy(new)

    return edit


def files():
    """Files that are damaged, missing, of another kind or too many, with sums that do not fit."""
    for name in ["SHA256SUMS", "disk.raw", "manifest.json", "tree.txt", "origins.txt", "provenance.json", "verify.sh"]:
        change(f"{name} is missing")(lambda name=name: (WORK / name).unlink())
        change(f"{name} is cut")(on_bytes(name, lambda data: data[:-1]))
        change(f"{name} has a byte more")(on_bytes(name, lambda data: data + b"\n"))
        change(f"{name} has another byte")(on_bytes(name, lambda data: flipped(data, len(data) // 2)))
        change(f"{name} is a link")(lambda name=name: ((WORK / name).unlink(), (WORK / name).symlink_to(BUNDLE / name)))
        if name not in ("SHA256SUMS", "disk.raw", "manifest.json", "provenance.json"):
            change(f"{name} is missing, and the sums fit")(lambda name=name: ((WORK / name).unlink(), remake()))
    for name in ["extra", "sbom.cdx.json", "signing/requests.json", "signing/other", "openvex.json", "signatures/other"]:

        def more(name=name):
            (WORK / name).parent.mkdir(exist_ok=True)
            (WORK / name).write_text("{}\n")

        change(f"{name} is too many")(more)
        change(f"{name} is too many, and the sums fit")(then(more, remake))


def sums():
    """Other forms of SHA256SUMS."""

    def lines(edit):
        return on_bytes("SHA256SUMS", lambda data: b"".join(edit(data.splitlines(keepends=True))))

    for name, edit in [
        ("in another order", lambda all: all[::-1]),
        ("a line twice", lambda all: all + all[-1:]),
        ("a line less", lambda all: all[:-1]),
        ("a line more", lambda all: all + [b"0" * 64 + b"  zzz\n"]),
        ("upper case", lambda all: [line[:64].upper() + line[64:] for line in all]),
        ("as binary files", lambda all: [line.replace(b"  ", b" *") for line in all]),
        ("ends of DOS", lambda all: [line[:-1] + b"\r\n" for line in all]),
        ("no end of the last line", lambda all: all[:-1] + [all[-1][:-1]]),
        ("itself", lambda all: [b"0" * 64 + b"  SHA256SUMS\n"] + all),
        ("an empty line", lambda all: all + [b"\n"]),
        ("another folder", lambda all: [line.replace(b"  tree", b"  ./tree") for line in all]),
    ]:
        change(f"SHA256SUMS: {name}")(lines(edit))


def manifest_values():
    """Other values in the manifest, which provenance and sums vouch for."""
    one = load("manifest.json")
    blocks = one["blocks"]
    run = next(index for index, entry in enumerate(blocks) if "*" in entry)
    kind, count = blocks[run].split("*")
    split = blocks[:run] + [f"{kind}*1", f"{kind}*{int(count) - 1}"] + blocks[run + 1 :]
    zeros = blocks[:run] + ["07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"] + split[run + 1 :]
    for path, new in [
        ("schema", 2), ("schema", "1"), ("schema", None), ("block_size", 4096), ("disk/size", one["disk"]["size"] + 512),
        ("disk/size", 0), ("disk/guid", one["disk"]["guid"].upper()), ("disk/guid", one["recipe_sha256"]),
        ("merkle_root", one["sha256"]), ("merkle_root", None), ("sha256", one["merkle_root"]), ("sha256", one["sha256"].upper()),
        ("ebs/without_free/blocks", 1), ("ebs/without_zero/sha256", one["sha256"]), ("ebs/without_zero", None),
        ("blocks", blocks[1:]), ("blocks", blocks + ["zero*1"]), ("blocks", []), ("blocks", split), ("blocks", zeros),
        (f"blocks/{run}", f"{kind}*0{count}"), (f"blocks/{run}", f"{kind}*{int(count) + 1}"), (f"blocks/{run}", "hole*" + count),
        (f"blocks/{run}", ("zero*" if kind == "free" else "free*") + count), ("blocks/0", blocks[0].upper()),
        ("documents/tree.txt", one["sha256"]), ("documents/origins.txt", None), ("documents/verify.sh", digest("verify.sh")),
        ("documents", None), ("partitions/0/start", one["partitions"][0]["start"] + 512), ("partitions/0/len", 512),
        ("partitions/0/number", 2), ("partitions/0/number", 0), ("partitions/0/label", "other"), ("partitions/0/guid", one["disk"]["guid"]),
        ("partitions/0/type_guid", one["disk"]["guid"]), ("partitions/0/id", None), ("partitions", []), ("image/name", "other"),
        ("image/name", 7), ("image/version", "2"), ("image/arch", None), ("image/epoch", "0"), ("image/color", "red"),
        ("tool/version", "9.9.9"), ("tool/name", "other"), ("recipe_sha256", one["sha256"]), ("recipe_sha256", ""),
        ("lock_sha256", one["sha256"]), ("inputs/0/name", "other"), ("inputs/0/kind", "tar"), ("inputs/0/sha256", one["sha256"]),
        ("inputs", one["inputs"][:-1]), ("inputs", one["inputs"] + one["inputs"][:1]), ("inputs", None), ("notes", "none"),
        ("skipped", []), ("verity", {}), ("future", True),
    ]:
        shown = "less" if new is None else json.dumps(new)[:40]
        change(f"manifest: {path} is {shown}")(then(on_json("manifest.json", put(path, new)), lambda: remake(documents=False)))
    for name, edit in [
        ("on one line", lambda data: json.dumps(json.loads(data)).encode() + b"\n"),
        ("no newline at its end", lambda data: data[:-1]),
        ("a key twice", lambda data: data.replace(b'  "schema": 1,', b'  "schema": 1,\n  "schema": 1,')),
        ("a number as a float", lambda data: data.replace(b'"schema": 1,', b'"schema": 1.0,')),
        ("an escape that is not needed", lambda data: data.replace(b'"amiforge"', b'"\\u0061miforge"')),
        ("no JSON", lambda data: data[1:]),
    ]:
        change(f"manifest: {name}")(then(on_bytes("manifest.json", edit), lambda: remake(documents=False)))


def provenance_values():
    """Other values in the provenance, which the sums vouch for."""
    one = load("provenance.json")
    build = "predicate/buildDefinition"
    for path, new in [
        ("_type", "https://in-toto.io/Statement/v2"), ("predicateType", "other"), ("subject", one["subject"][1:]), ("subject", []),
        ("subject", one["subject"] + one["subject"][:1]), ("subject/0/digest/sha256", "0" * 64), ("subject/0/name", "other"),
        (f"{build}/buildType", "other"), ("predicate/runDetails/builder/id", "other"),
        (f"{build}/resolvedDependencies", one["predicate"]["buildDefinition"]["resolvedDependencies"][1:]),
        (f"{build}/resolvedDependencies/0/name", "other"), (f"{build}/resolvedDependencies/0/annotations/kind", "tar"),
        (f"{build}/externalParameters/recipe/digest/sha256", "0" * 64), (f"{build}/externalParameters/image/name", "other"),
        (f"{build}/internalParameters/tool/version", "9.9.9"), (f"{build}/externalParameters/image/version", None),
    ]:
        change(f"provenance: {path} is {'less' if new is None else json.dumps(new)[:40]}")(
            then(on_json("provenance.json", put(path, new)), lambda: remake(documents=False, subjects=False))
        )


def listings():
    """Forms that the listing cannot have, which everything vouches for."""
    edits = [(b" file ", b" fil "), (b" 0644 ", b" 0688 "), (b" 0:0 ", b" 0 "), (b"\n", b"\r\n"), (b"# root", b"# other"), (b"/etc", b"/etc//x")]
    for old, new in edits:
        change(f"tree.txt: {old!r} becomes {new!r}")(
            then(on_bytes("tree.txt", lambda data, old=old, new=new: data.replace(old, new)), remake)
        )


def signed():
    """Signatures and policies."""
    policy = KEYS / "policy.toml"
    own = next((BUNDLE / "signatures").glob("*.sig")).relative_to(BUNDLE).as_posix()
    change("signed as it should be", policy)(lambda: None)
    change("signed anew", policy)(sign)
    change("not signed", policy)(lambda: (WORK / own).unlink())
    change("no signatures at all", policy)(lambda: shutil.rmtree(WORK / "signatures"))
    change("signed, and a line of the sums moved", policy)(on_bytes("SHA256SUMS", lambda data: data + data[:74]))
    for at in range(40, 280, 24):
        change(f"another letter {at} of the signature", policy)(
            on_bytes(own, lambda data, at=at: data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
        )
    change("a signature under another name", policy)(lambda: (WORK / own).rename(WORK / "signatures/0123456789abcdef.sig"))
    change("a signature in upper case", policy)(lambda: (WORK / own).rename(WORK / "signatures" / Path(own).name.upper()))
    change("a signature without armour", policy)(on_bytes(own, lambda data: b"".join(data.splitlines(keepends=True)[1:-1])))
    text = policy.read_text()
    for name, new in [
        ("two are needed", text.replace("threshold = 1", "threshold = 2")),
        ("none is needed", text.replace("threshold = 1", "threshold = 0")),
        ("more than there are", text.replace("threshold = 1", "threshold = 3")),
        ("for another name", text.replace('"we?*"', '"other-*"')),
        ("for exactly this name", text.replace('"we?*"', '"web"')),
        ("for no name", text.replace('"we?*"', '""')),
        ("bob alone", text.replace('["alice", "bob"]', '["bob"]')),
        ("nobody of that name", text.replace('["alice", "bob"]', '["alice", "carol"]')),
        ("alice twice", text.replace('["alice", "bob"]', '["alice", "alice"]')),
        ("an unknown word", text.replace("threshold", "treshold")),
        ("no TOML", text.replace("[[rule]]", "[[rule]")),
        ("an earlier rule", text.replace("[[rule]]", '[[rule]]\nnames = ["*"]\nsigners = ["bob"]\n\n[[rule]]')),
    ]:
        path = KEYS / f"policy-{name.replace(' ', '-')}.toml"
        path.write_text(new)
        change(f"policy: {name}", path)(lambda: None)


def attested():
    """Envelopes."""
    policy = KEYS / "policy.toml"
    for path in sorted((BUNDLE / "signatures").glob("*.json")):
        name = path.relative_to(BUNDLE).as_posix()
        inside = "dsseEnvelope/" if "sigstore" in name else ""
        envelope = load(name)["dsseEnvelope"] if inside else load(name)
        payload, signature = envelope["payload"], envelope["signatures"][0]
        for place, new in [
            ("payload", payload[:-8] + payload[:8]), ("payload", payload[:400]), ("payload", "*"), ("payloadType", "text/plain"),
            ("signatures", []), ("signatures", [signature, signature]), ("signatures/0/sig", signature["sig"][:-8] + "AAAAAAAA"),
            ("signatures/0/keyid", ""), ("signatures/0/more", 1), ("more", 1),
        ]:
            change(f"{name[11:]}: {place} is {json.dumps(new)[:40]}", policy)(on_json(name, put(inside + place, new)))
        change(f"{name[11:]} is no JSON", policy)(on_bytes(name, lambda data: data[1:]))
        kind = name.replace("provenance", "sbom-spdx")
        change(f"{name[11:]} of another kind", policy)(lambda name=name, kind=kind: (WORK / name).rename(WORK / kind))


restore()
change("nothing")(lambda: None)
change("everything made anew")(remake)
for part in [files, sums, manifest_values, provenance_values, listings, signed, attested]:
    part()
counts, different = {"accepted": 0, "refused": 0}, []
for name, function, policy in CHANGES:
    restore()
    if policy is None:
        shutil.rmtree(WORK / "signatures")
    function()
    told = verdicts(policy)
    if len({accepts for accepts, _ in told}) == 1:
        counts["accepted" if told[0][0] else "refused"] += 1
    else:
        different.append({"change": name, "amiforge": told[0], "amiforge-verify": told[1], "book": told[2]})
shutil.rmtree(WORK)
print(json.dumps({**counts, "different": different}))
