"""What all sections have: digests, the one text of JSON, escaped words."""

import hashlib
import json
import re

DIGEST = re.compile(r"[0-9a-f]{64}")
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Different(Exception):
    """Something is not what something else vouches for, or has another form."""


class NotChecked(Exception):
    """Something that this version of the page does not know."""


def must(condition, why):
    """Refuses unless a condition holds."""
    if not condition:
        raise Different(why)


def sha256(data):
    """The digest as the page writes it."""
    return hashlib.sha256(data).hexdigest()


def is_digest(value):
    """Whether a value is a digest as the page writes it."""
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def is_number(value, least=0, most=(1 << 64) - 1):
    """Whether a value is a whole number within bounds."""
    return type(value) is int and least <= value <= most


def parse(data, what):
    """JSON in which no key is there twice."""

    def once(pairs):
        must(len({key for key, _ in pairs}) == len(pairs), f"{what}: a key is there twice")
        return dict(pairs)

    def refused(word):
        raise Different(f"{what}: the number {word}")

    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=once, parse_float=refused, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise Different(f"{what}: it is no JSON: {error}") from error


def text_of(value):
    """The one text of a value."""
    try:
        return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError as error:
        raise Different("half of a surrogate pair") from error


def canonical(data, what):
    """JSON that has the one text of its value."""
    value = parse(data, what)
    must(text_of(value) == data, f"{what}: it is not sorted and indented as the page says")
    return value


def members(value, what, required, optional=()):
    """An object with these keys and no others."""
    must(isinstance(value, dict), f"{what} is no object")
    for key in required:
        must(key in value, f"{what}.{key} is missing")
    for key in value:
        must(key in required or key in optional, f"{what}.{key} is unknown")
    return value


def texts(value, what):
    """A list of texts."""
    must(isinstance(value, list) and all(isinstance(one, str) for one in value), f"{what} is no list of texts")
    return value


def word(text, what):
    """The bytes of a word: `\\` is `\\\\`, and a byte that is not `!` to `~` is `\\xNN`."""
    data, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\":
            must("!" <= text[at] <= "~", f"{what}: a byte that should be escaped")
            data.append(ord(text[at]))
            at += 1
        elif text[at : at + 2] == "\\\\":
            data.append(0x5C)
            at += 2
        else:
            match = re.fullmatch(r"\\x([0-9a-f]{2})", text[at : at + 4])
            must(match, f"{what}: an escape that is none")
            byte = int(match[1], 16)
            must(not 0x21 <= byte <= 0x7E, f"{what}: a byte that need not be escaped is")
            data.append(byte)
            at += 4
    return bytes(data)
