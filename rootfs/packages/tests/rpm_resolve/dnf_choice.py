"""What dnf would install: one answer for each request, in one process.

    dnf_choice.py < requests

A line `use FOLDER[=PRIORITY]...`, its words parted by tabs, names the repositories (each with a `repodata`) of the requests after it. A request is a line of words parted by
tabs: `weak` or `-`, `best` or `-`, names to leave out (parted by commas) or `-`, then what is to be installed, `@group` for a group.
An answer is a line: the packages, sorted, or `!` and the reason."""

import shutil
import sys
import tempfile

import dnf


def main():
    folders = []
    try:
        base = None
        for line in sys.stdin:
            first, *words = line.rstrip("\n").split("\t")
            if first == "use":
                folders.append(tempfile.mkdtemp(prefix="dnf-"))
                base = prepared(folders[-1], words)
            else:
                print(answer(base, [first, *words]), flush=True)
    finally:
        for folder in folders:
            shutil.rmtree(folder)


def prepared(folder, repositories):
    base = dnf.Base()
    conf = base.conf
    conf.installroot = folder + "/root"
    conf.cachedir = folder + "/cache"
    conf.persistdir = folder + "/state"
    conf.logdir = folder
    conf.plugins = False
    conf.reposdir = []
    conf.installonly_limit = 0
    conf.substitutions.update({"arch": "x86_64", "basearch": "x86_64", "releasever": "1"})
    for index, repository in enumerate(repositories):
        path, _, priority = repository.partition("=")
        added = base.repos.add_new_repo(f"r{index}", conf, baseurl=["file://" + path])
        added.priority = int(priority or 99)
    base.fill_sack(load_system_repo=False)
    try:
        base.read_comps(arch_filter=True)
    except dnf.exceptions.CompsError:
        pass
    return base


def answer(base, words):
    weak, best, without, *names = words
    base.reset(goal=True)
    base.sack.reset_excludes()
    if without != "-":
        base.sack.add_excludes(base.sack.query().filter(name=without.split(",")))
    base.conf.install_weak_deps = weak == "weak"
    base.conf.best = best == "best"
    try:
        for name in names:
            if name.startswith("@"):
                group = base.comps.group_by_pattern(name[1:])
                base.group_install(group.id, ["mandatory", "default", "conditional"])
            else:
                base.install(name)
        base.resolve()
    except dnf.exceptions.Error as error:
        return "!" + " ".join(str(error).split())
    return " ".join(sorted(str(package) for package in base.transaction.install_set))


main()
