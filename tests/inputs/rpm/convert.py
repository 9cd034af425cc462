"""Converts Debian packages to rpms by rpmbuild, several at a time.

usage: convert.py DEBS PARTS WORK NAME...   (a folder of .deb files, the folder of parts, a folder for specs and lists)

Takes NAMEs with all that they depend on but what only a Debian system needs. Maintainer scripts are dropped; what the
rpms do instead is in PARTS: NAME.install (shell lines that add files to the build root), NAME.files (their lines in
%files), NAME.spec (scripts, provides and so on). Files of /bin, /sbin and /lib* move below /usr.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DEBS, PARTS, WORK = (Path(argument).resolve() for argument in sys.argv[1:4])
NAMES = sys.argv[4:]

# What only a system with dpkg needs, or what the parts replace.
WITHOUT = {
    "adduser", "apt", "debconf", "debconf-2.0", "debian-archive-keyring", "debianutils", "dpkg", "gnupg", "gpgv", "init-system-helpers",
    "initramfs-tools", "klibc-utils", "libdebconfclient0", "linux-base", "linux-initramfs-tool", "perl", "runit-helper", "sensible-utils",
    "ucf", "usrmerge", "usr-is-merged", "ssl-cert", "cpio", "default-logind", "logind", "dirmngr", "pinentry-curses",
}
# Names the newest kernel, and is none.
META = "linux-image-cloud-amd64"
MERGED = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")
FIELDS = ("Package", "Version", "Architecture", "Depends", "Pre-Depends", "Recommends", "Provides", "Description", "Homepage")


def fields(deb):
    text = subprocess.run(["dpkg-deb", "-f", deb, *FIELDS], capture_output=True, text=True, check=True).stdout
    lines = (line for line in text.splitlines() if line[:1] not in (" ", ""))
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def evr(version):
    epoch, _, rest = version.rpartition(":")
    upstream, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return epoch, upstream.replace("-", "_"), release


def relation(text):
    match = re.match(r"\s*([a-z0-9.+-]+)(?::\w+)?\s*(?:\(([<>=]+)\s*([^)]+)\))?", text)
    name, sign, version = match.groups()
    if not sign:
        return name
    # A version without a release is equal to all of its releases for rpm, and less than them for dpkg.
    sign = {"<<": "<", ">>": ">" if "-" in version else ">="}.get(sign, sign)
    epoch, upstream, release = evr(version)
    return f"{name} {sign} {epoch + ':' if epoch else ''}{upstream}{'-' + release if '-' in version else ''}"


def alternatives(text):
    """The groups of alternatives of a field; those that a left-out package can meet are gone."""
    for group in (text or "").split(","):
        names = [one.strip() for one in group.split("|") if one.strip()]
        plain = [re.split(r"[\s:(]", one, maxsplit=1)[0] for one in names]
        if names and not WITHOUT.intersection(plain):
            yield names


def closure(packages):
    """The packages that NAMES need. The first alternative that is there counts, as for apt."""
    providers = {}
    for name, package in packages.items():
        providers.setdefault(name, name)
        for names in alternatives(package.get("Provides")):
            providers.setdefault(re.split(r"[\s:(]", names[0], maxsplit=1)[0], name)
    taken, todo = set(), list(NAMES)
    while todo:
        name = todo.pop()
        if name in taken or name not in packages:
            continue
        taken.add(name)
        for field in ("Depends", "Pre-Depends"):
            for names in alternatives(packages[name].get(field)):
                plain = [re.split(r"[\s:(]", one, maxsplit=1)[0] for one in names]
                found = [providers[one] for one in plain if one in providers]
                todo.extend(found[:1])
    return sorted(taken), providers


def part(name, kind):
    path = PARTS / f"{name}.{kind}"
    return path.read_text() if path.exists() else ""


def conffiles(deb):
    control = subprocess.run(["dpkg-deb", "--ctrl-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(control)) as archive:
        for member in archive:
            if member.name.lstrip("./") == "conffiles":
                lines = archive.extractfile(member).read().decode().splitlines()
                return {line.strip() for line in lines if line.startswith("/")}
    return set()


def listing(deb):
    """The lines of %files: owner and mode of each path. Directories that several packages have are base-files' alone."""
    configured, seen = conffiles(deb), set()
    pipe = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    for member in tarfile.open(fileobj=pipe.stdout, mode="r|"):
        path = member.name.removeprefix("./").rstrip("/")
        top = path.split("/")[0]
        if not path or path == "." or path in MERGED:
            continue
        path = "usr/" + path if top in MERGED else path
        left_out = path.startswith(("usr/share/doc", "usr/share/lintian", "usr/share/man", "usr/share/bug", "boot/"))
        if path in seen or left_out:
            continue
        seen.add(path)
        quoted = '"/' + path.replace("%", "%%") + '"'
        owner = f"%attr({member.mode & 0o7777:o},{member.uname or 'root'},{member.gname or 'root'})"
        if member.isdir():
            yield f"{owner} %dir {quoted}"
        elif member.issym():
            yield quoted
        else:
            yield ("%config(noreplace) " if "/" + path in configured else "") + f"{owner} {quoted}"


def requirements(package, taken, providers):
    for field, tag in (("Depends", "Requires"), ("Pre-Depends", "Requires(pre)"), ("Recommends", "Recommends")):
        for names in alternatives(package.get(field)):
            plain = [re.split(r"[\s:(]", one, maxsplit=1)[0] for one in names]
            if not any(providers.get(one) in taken for one in plain):
                continue
            all_of_them = [relation(one) for one in names]
            yield f"{tag}: {all_of_them[0] if len(names) == 1 else '(' + ' or '.join(all_of_them) + ')'}"


def spec(debian, package, taken, providers):
    """Writes the spec of a package; every kernel is a version of one package named `kernel`."""
    name = "kernel" if kernel(debian) else debian
    deb, files = package["deb"], WORK / "specs" / f"{debian}.files"
    files.write_text("\n".join([*listing(deb), part(name, "files").replace("@KERNEL@", kernel(debian))]) + "\n")
    epoch, version, release = evr(package["Version"])
    lines = [f"Name: {name}", f"Version: {version}", f"Release: {release}", "License: GPL-2.0-or-later", "AutoReqProv: no"]
    lines.append("Summary: " + package.get("Description", name)[:70].replace("%", "%%"))
    lines += [f"Epoch: {epoch}"] if epoch else []
    lines += [f"URL: {package['Homepage']}"] if "Homepage" in package else []
    lines += ["BuildArch: noarch"] if package["Architecture"] == "all" else []
    # Accounts come first, then the links of /bin and the like: both need nothing.
    first = {"base-passwd": [], "base-files": ["Requires(pre): setup"]}
    lines += first.get(name, [*requirements(package, taken, providers), "Requires(pre): filesystem"])
    lines += [f"Provides: {relation(one)}" for names in alternatives(package.get("Provides")) for one in names]
    lines += ["%description", name, "%install", "mkdir -p %{buildroot}", f"dpkg-deb -x {deb} %{{buildroot}}", "cd %{buildroot}"]
    lines.append(
        f"for d in {' '.join(MERGED)}; do [ ! -d $d ] || [ -L $d ] || {{ mkdir -p usr/$d; cp -al $d/. usr/$d/; rm -rf $d; }}; done"
    )
    lines.append("rm -rf usr/share/doc usr/share/lintian usr/share/man usr/share/bug usr/share/doc-base")
    lines.append(part(name, "install"))
    lines.append("rm -rf boot/*-*")
    lines.append(f"%files -f {files}")
    # Sections that a spec may have once come from the part: it is put before %description where it has tags.
    tags, _, scripts = part(name, "spec").partition("\n%")
    at = lines.index("%description")
    if tags.strip() and not tags.startswith("%"):
        lines[at:at] = [tags]
        lines.append("%" + scripts if scripts else "")
    else:
        lines.append(part(name, "spec"))
    text = "\n".join(lines).replace("@KERNEL@", kernel(debian)) + "\n"
    path = WORK / "specs" / f"{debian}.spec"
    path.write_text(text)
    return path


def kernel(name):
    match = re.match(r"linux-image-(\d.*)", name)
    return match.group(1) if match else ""


def build(path):
    done = subprocess.run(["rpmbuild", "-bb", "--quiet", "--target", "x86_64", path], capture_output=True, text=True)
    return f"{path.name}: {done.stderr[-600:]}" if done.returncode else None


def main():
    (WORK / "specs").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        debs = sorted(DEBS.glob("*.deb"))
        packages = {read["Package"]: read | {"deb": deb} for deb, read in zip(debs, pool.map(fields, debs))}
        taken, providers = closure(packages)
        taken = [name for name in taken if name != META] + [name for name in packages if kernel(name)]
        specs = list(pool.map(lambda name: spec(name, packages[name], set(taken), providers), sorted(set(taken))))
        # The largest first: the last ones to end are then small.
        specs.sort(key=lambda path: -packages[path.stem]["deb"].stat().st_size)
        failed = [message for message in pool.map(build, specs) if message]
    for message in failed:
        print(message, file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
