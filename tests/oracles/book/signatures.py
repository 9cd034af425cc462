"""Section *Signatures*: SSH signatures (OpenSSH, PROTOCOL.sshsig and PROTOCOL.u2f) and policies."""

import base64
import binascii
import hashlib
import re
import struct
import tomllib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .words import Different, members, must, parse

ARMOUR = re.compile(rb"\s*-----BEGIN SSH SIGNATURE-----[\r\n]+([A-Za-z0-9+/=\r\n]+?)-----END SSH SIGNATURE-----\s*")
CURVES = {b"nistp256": (ec.SECP256R1(), hashes.SHA256()), b"nistp384": (ec.SECP384R1(), hashes.SHA384())}
RSA_HASHES = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
KINDS = (
    "ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ssh-rsa sk-ssh-ed25519@openssh.com "
    "sk-ecdsa-sha2-nistp256@openssh.com".split()
)


class Fields:
    """Fields of the SSH protocol (RFC 4251, 5)."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        """So many bytes."""
        must(len(self.data) >= count, "a field of SSH is cut off")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self):
        """A number of four bytes."""
        return struct.unpack(">I", self.take(4))[0]

    def string(self):
        """A string."""
        return self.take(self.number())

    def integer(self):
        """A positive `mpint`, in its one form."""
        data = self.string()
        must(data and data[0] < 0x80 and (data[0] or data[1:2] >= b"\x80"), "a number of SSH")
        return int.from_bytes(data, "big")

    def end(self):
        """Nothing more."""
        must(not self.data, "something follows the fields")


def decoded(text, what):
    """Base64 of one form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Different(f"{what} is no base64") from error
    must(base64.b64encode(data).decode() == text, f"{what} is base64 in another form")
    return data


class Key:
    """A public key as OpenSSH encodes it."""

    def __init__(self, blob):
        self.blob, fields = blob, Fields(blob)
        self.kind = fields.string().decode("latin-1")
        must(self.kind in KINDS, f"keys of the kind {self.kind!r}")
        self.application = None
        try:
            if "ed25519" in self.kind:
                self.key = ed25519.Ed25519PublicKey.from_public_bytes(fields.string())
            elif "ecdsa" in self.kind:
                name = fields.string()
                must(self.kind.split("@")[0].endswith("-" + name.decode("latin-1")), "the curve of a key")
                curve, self.hash = CURVES[name]
                point = fields.string()
                must(point[:1] == b"\4", "a point in another form")
                self.key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
            else:
                exponent, modulus = fields.integer(), fields.integer()
                must(2048 <= modulus.bit_length() <= 8192, "an RSA key of another length")
                self.key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        except ValueError as error:
            raise Different(f"a public key: {error}") from error
        if self.kind.startswith("sk-"):
            self.application = fields.string()
        fields.end()

    def identity(self):
        """The ID in names of signatures."""
        return hashlib.sha256(self.blob).hexdigest()[:16]

    def fingerprint(self):
        """As OpenSSH shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def verify_ssh(self, message, signature):
        """A signature in SSH's form."""
        fields = Fields(signature)
        algorithm, value = fields.string(), fields.string()
        if self.application is not None:
            flags, counter = fields.take(1), fields.take(4)
            must(flags[0] & 1, "the token signed without being touched")
            digests = [hashlib.sha256(part).digest() for part in (self.application, message)]
            message = digests[0] + flags + counter + digests[1]
        fields.end()
        if isinstance(self.key, rsa.RSAPublicKey):
            must(algorithm in RSA_HASHES, f"the algorithm {algorithm!r}")
            length = (self.key.key_size + 7) // 8
            return self.judge(value.rjust(length, b"\0"), message, padding.PKCS1v15(), RSA_HASHES[algorithm])
        must(algorithm.decode("latin-1") == self.kind, f"the algorithm {algorithm!r}")
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return self.judge(value, message)
        pair = Fields(value)
        numbers = pair.integer(), pair.integer()
        pair.end()
        return self.judge(utils.encode_dss_signature(*numbers), message, ec.ECDSA(self.hash))

    def verify_bare(self, message, signature):
        """A signature in an envelope."""
        must(self.application is None, "a token signs in SSH's form alone")
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return self.judge(signature, message)
        if isinstance(self.key, rsa.RSAPublicKey):
            return self.judge(signature, message, padding.PKCS1v15(), hashes.SHA256())
        return self.judge(signature, message, ec.ECDSA(self.hash))

    def judge(self, *arguments):
        """What the library says."""
        try:
            self.key.verify(*arguments)
        except (InvalidSignature, ValueError) as error:
            raise Different("it is no signature by this key") from error


def ssh_signature(data, message):
    """The key that made an armoured signature."""
    must(len(data) <= 16 << 10, "a signature is too long")
    armour = ARMOUR.fullmatch(data)
    must(armour, "a signature has no armour")
    fields = Fields(decoded(re.sub(r"[\r\n]", "", armour[1].decode()), "a signature"))
    must(fields.take(6) == b"SSHSIG" and fields.number() == 1, "a signature of another version")
    key = Key(fields.string())
    namespace, reserved, name, signature = [fields.string() for _ in range(4)]
    fields.end()
    must(namespace == b"amiforge-bundle", "a signature for another purpose")
    must(name in (b"sha256", b"sha512"), f"a signature with the hash {name!r}")
    digest = hashlib.new(name.decode(), message).digest()
    parts = [struct.pack(">I", len(part)) + part for part in (namespace, reserved, name, digest)]
    key.verify_ssh(b"SSHSIG" + b"".join(parts), signature)
    return key


def check_unasked(found):
    """Signatures that are there: each has to be good, and named after its key."""
    keys, message = [], found.read("SHA256SUMS")
    for name in found.names:
        if name.startswith("signatures/") and name.endswith(".sig"):
            key = ssh_signature(found.read(name), message)
            must(name == f"signatures/{key.identity()}.sig", f"{name} is named after another key")
            keys.append(key)
    return keys


def matches(pattern, name):
    """`*` for any characters, `?` for one."""
    parts = [{"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern]
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None


def policy_of(path):
    """Keys of each signer, and the rules."""
    try:
        policy = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Different(f"the policy: {error}") from error
    members(policy, "the policy", ["signer", "rule"])
    signers = {}
    for one in policy["signer"]:
        members(one, "a signer", ["name", "keys"])
        must(one["name"] not in signers, "two signers have one name")
        keys = []
        for line in one["keys"]:
            words = line.split()
            must(len(words) >= 2, "a key of the policy")
            key = Key(decoded(words[1], "a key of the policy"))
            must(words[0] == key.kind, "a key of the policy is of another kind")
            keys.append(key)
        signers[one["name"]] = keys
    blobs = [key.blob for keys in signers.values() for key in keys]
    must(len(set(blobs)) == len(blobs), "a key is there twice")
    for rule in policy["rule"]:
        members(rule, "a rule", ["names", "signers"], ["threshold", "require"])
        must(set(rule["signers"]) <= set(signers), "a rule names an unknown signer")
        must(len(set(rule["signers"])) == len(rule["signers"]), "a rule names a signer twice")
        must(1 <= rule.get("threshold", 1) <= len(rule["signers"]), "a threshold")
    return signers, policy["rule"]


def rule_for(found, path):
    """Signers and the first rule for the name in the manifest, whose digest the signed statement has."""
    signers, rules = policy_of(path)
    found_digest = found.digest("manifest.json")
    must(found.sums.get("manifest.json") == found_digest, "manifest.json is not what SHA256SUMS has")
    document = parse(found.read("manifest.json"), "manifest.json")
    name = document["image"]["name"] if isinstance(document.get("image"), dict) else ""
    rule = next((rule for rule in rules if any(matches(one, name) for one in rule["names"])), None)
    must(rule is not None, f"no rule of the policy is for {name!r}")
    return signers, rule


def enough(keys, signers, rule):
    """Whether as many signers of a rule as it asks for are among those of some keys."""
    blobs = {key.blob for key in keys}
    by = [name for name in rule["signers"] if any(key.blob in blobs for key in signers[name])]
    return len(by) >= rule.get("threshold", 1)


def check(found, path):
    """Whether enough signed."""
    keys = check_unasked(found)
    signers, rule = rule_for(found, path)
    must(enough(keys, signers, rule), "too few signers of the policy signed")
