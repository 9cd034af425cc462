"""Sections *tree.txt* and *origins.txt*: their forms. What is in the file systems is outside of the page."""

import re

from .words import Different, must, word

META = re.compile(r"([0-7]{4}) (0|[1-9][0-9]*):(0|[1-9][0-9]*) (-?[0-9]+\.[0-9]{9})")
NUMBER = re.compile(r"0|[1-9][0-9]*")
DEVICE = re.compile(r"(0|[1-9][0-9]*),(0|[1-9][0-9]*)")
ATTRIBUTE = re.compile(r"([^=]+)=((?:[0-9a-f]{2})*)")


def lines(data, what):
    """The lines of a text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Different(f"{what} is not UTF-8") from error
    must(text == "" or text.endswith("\n"), f"{what} does not end with a newline")
    return text.split("\n")[:-1]


def path_of(text):
    """The parts of a path, by which lines are sorted."""
    path = word(text, f"the path {text!r}")
    parts = path.split(b"/")[1:]
    must(path.startswith(b"/"), f"the path {text!r}")
    must(path == b"/" or not {b"", b".", b".."} & set(parts), f"a part of the path {text!r}")
    return [] if path == b"/" else parts


def check_line(line, before):
    """A line of a name; `before` has the paths of inodes of this part."""
    words = line.split(" ")
    path = path_of(words[0])
    if len(words) == 2 and words[1].startswith("link="):
        must(words[1][5:] in before, f"{line!r} is a further name of no earlier line")
        return path
    must(len(words) >= 5, f"the line {line!r}")
    kind, rest = words[1], words[5:]
    must(META.fullmatch(" ".join(words[2:5])), f"mode, owner or time of {line!r}")
    if kind == "file":
        must(rest and NUMBER.fullmatch(rest.pop(0)), f"the length of {line!r}")
    elif kind == "symlink":
        must(len(rest) >= 2 and rest.pop(0) == "->", f"the target of {line!r}")
        word(rest.pop(0), f"the target of {line!r}")
    elif kind in ("char", "block"):
        must(rest and DEVICE.fullmatch(rest.pop(0)), f"the numbers of {line!r}")
    else:
        must(kind in ("dir", "fifo", "socket"), f"the kind of {line!r}")
    for attribute in rest:
        match = ATTRIBUTE.fullmatch(attribute)
        must(match, f"an attribute of {line!r}")
        word(match[1], f"an attribute of {line!r}")
    before.add(words[0])
    return path


def check_tree(found, document):
    """The form of the listing, and the order of its parts and lines."""
    ids = [(one["id"], one.get("file_system")) for one in document["partitions"]]
    last, before, place = None, set(), 0
    for line in lines(found.read("tree.txt"), "tree.txt"):
        if line.startswith("# "):
            words = line[2:].split(" ")
            must(len(words) == 3, f"the line {line!r}")
            own = (word(words[0], line).decode("utf-8", "replace"), words[1])
            must(own in ids[place:], f"{line!r} is no partition of the manifest in the order of the disk")
            place = ids.index(own, place) + 1
            word(words[2], line)
            last, before = None, set()
            continue
        must(place > 0, "a line is before the first partition")
        path = check_line(line, before)
        must(last is None and path == [] or last is not None and path > last, f"{line!r} is not in its order")
        last = path


def check_origins(found):
    """The form of the origins."""
    if "origins.txt" not in found.names:
        return
    all_lines = lines(found.read("origins.txt"), "origins.txt")
    must(all_lines[:1] == ["amiforge origins 1"], "the first line of origins.txt")
    count, parts = 0, 0
    for line in all_lines[1:]:
        words = line.split(" ")
        if line.startswith("@"):
            count += 1
            must(words[0] == f"@{count}" and len(words) >= 2 and words[1], f"the origin {line!r}")
            for fact in words[2:]:
                must("=" in fact, f"the origin {line!r}")
        elif line.startswith("# "):
            must(len(words) == 4, f"the line {line!r}")
            parts += 1
        else:
            numbers = words[0].split("/")
            must(parts and len(words) in (2, 3) and len(numbers) in (1, 2), f"the line {line!r}")
            for number in numbers:
                must(NUMBER.fullmatch(number) and 1 <= int(number) <= count, f"the origin of {line!r}")
        for one in words[1:]:
            word(one, f"the line {line!r}")
