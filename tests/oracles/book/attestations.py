"""Sections *provenance.json* and envelopes: statements about files, and who signed them (DSSE 1.0, sigstore bundle 0.3)."""

import re

from . import signatures
from .words import Different, canonical, is_digest, members, must, parse, text_of

STATEMENT = "https://in-toto.io/Statement/v1"
SLSA = "https://slsa.dev/provenance/v1"
IN_TOTO = "application/vnd.in-toto+json"
OURS = "https://github.com/amiforge/amiforge"
KINDS = {
    "sbom-spdx": ("https://spdx.dev/Document", "sbom.spdx.json"),
    "sbom-cyclonedx": ("https://cyclonedx.org/bom", "sbom.cdx.json"),
    "measurements": (f"{OURS}/reference-measurements/v1", None),
    "vex": ("https://openvex.dev/ns", "openvex.json"),
}
NAME = re.compile(r"signatures/([0-9a-f]{16})\.([a-z-]+)\.(dsse|sigstore)\.json")


def value_at(value, path):
    """A value by the names on the way; none where there is none."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def check_provenance(found, manifest):
    """The subjects are exactly the files that the manifest vouches for; parameters and inputs are the manifest's."""
    statement = canonical(found.read("provenance.json"), "provenance.json")
    members(statement, "provenance.json", ["_type", "subject", "predicateType", "predicate"])
    must((statement["_type"], statement["predicateType"]) == (STATEMENT, SLSA), "the types of provenance.json")
    bound = ["disk.raw", "manifest.json", *manifest.get("documents", {})]
    wanted = [{"digest": {"sha256": found.digest(name)}, "name": name} for name in sorted(bound, key=str.encode)]
    must(statement["subject"] == wanted, "the subjects of provenance.json")
    build = value_at(statement, "predicate.buildDefinition")
    run = value_at(statement, "predicate.runDetails")
    version, lock = manifest["tool"]["version"], manifest.get("lock_sha256")
    for value, path, expected in [
        (build, "buildType", f"{OURS}/build/v1"),
        (run, "builder.id", f"{OURS}/local/v1"),
        (run, "builder.version.amiforge", version),
        (run, "metadata.invocationId", lock),
        (build, "internalParameters.tool.version", version),
        (build, "externalParameters.recipe.digest.sha256", manifest["recipe_sha256"]),
        (build, "externalParameters.lock.digest.sha256", lock),
        (build, "externalParameters.image.name", manifest["image"]["name"]),
        (build, "externalParameters.image.version", manifest["image"].get("version")),
        (build, "externalParameters.image.arch", manifest["image"]["arch"]),
    ]:
        must(value_at(value, path) == expected, f"provenance.json: {path}")
    dependencies = value_at(build, "resolvedDependencies") or []
    must(isinstance(dependencies, list), "provenance.json: resolvedDependencies")
    stated = []
    for one in dependencies:
        kind, digest = value_at(one, "annotations.kind"), value_at(one, "digest.sha256")
        must(digest is None or is_digest(digest), "provenance.json: a digest")
        if kind not in ("release", "patch"):
            stated.append({"kind": kind, "name": one.get("name"), "sha256": digest})
    must(stated == manifest["inputs"], "provenance.json: the dependencies are not the inputs")


def statement_of(kind, found, manifest):
    """The bytes of the statement of a kind."""
    if kind == "provenance":
        must("provenance.json" in found.names, "there is no provenance.json")
        return found.read("provenance.json")
    must(kind in KINDS, f"statements of the kind {kind}")
    predicate_type, source = KINDS[kind]
    must(source is None or source in found.names, f"there is no {source}")
    predicate = parse(found.read(source), source) if source else manifest.get("measurements")
    names = ["disk.raw", "manifest.json"]
    subjects = [{"digest": {"sha256": found.digest(name)}, "name": name} for name in names]
    must(predicate is not None, f"nothing to state as {kind}")
    return text_of(
        {"_type": STATEMENT, "predicate": predicate, "predicateType": predicate_type, "subject": subjects}
    )


def envelope_of(data, form, name):
    """The envelope in a file."""
    document = parse(data, name)
    if form == "sigstore":
        members(document, name, ["mediaType", "verificationMaterial", "dsseEnvelope"])
        must(document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json", f"{name}: its type")
        material = members(
            document["verificationMaterial"], name, ["publicKey"], ["tlogEntries", "timestampVerificationData"]
        )
        members(material["publicKey"], name, ["hint"])
        stamps = value_at(material, "timestampVerificationData.rfc3161Timestamps")
        must(not material.get("tlogEntries") and not stamps, f"{name}: entries of a log or timestamps")
        hint, document = material["publicKey"]["hint"], document["dsseEnvelope"]
        stated = value_at(document, "signatures") or [{}]
        must(hint == stated[0].get("keyid"), f"{name}: its hint is another key than that of its signature")
    members(document, name, ["payload", "payloadType", "signatures"])
    must(document["payloadType"] == IN_TOTO, f"{name}: the type of its payload")
    must(isinstance(document["signatures"], list) and 1 <= len(document["signatures"]) <= 64, f"{name}: signatures")
    must(form != "sigstore" or len(document["signatures"]) == 1, f"{name}: more signatures than one")
    return document


def short_id(fingerprint):
    """The ID of the key with a fingerprint."""
    if not isinstance(fingerprint, str) or not fingerprint.startswith("SHA256:"):
        return None
    return signatures.decoded(fingerprint[7:] + "=", "a fingerprint")[:8].hex()


def signers_of(envelope, keys, name):
    """The keys among those that are known whose signatures are good; a bad one by a known key is refused."""
    payload = signatures.decoded(envelope["payload"], f"{name}: payload")
    message = b"DSSEv1 %d %s %d " % (len(IN_TOTO), IN_TOTO.encode(), len(payload)) + payload
    good = []
    for one in envelope["signatures"]:
        members(one, name, ["sig"], ["keyid"])
        signature, stated = signatures.decoded(one["sig"], f"{name}: sig"), one.get("keyid", "")
        for key in [key for key in keys if stated in ("", key.fingerprint())]:
            try:
                key.verify_bare(message, signature)
            except Different:
                must(stated == "", f"{name}: a signature is not one by its key")
                continue
            must(key not in good, f"{name}: two signatures are by one key")
            good.append(key)
    return payload, good


def check(found, manifest, policy):
    """Provenance and every envelope; with a policy also whether enough signed what it requires."""
    if "provenance.json" in found.names:
        check_provenance(found, manifest)
    keys, signers, rule = signatures.check_unasked(found), {}, {}
    if policy:
        signers, rule = signatures.rule_for(found, policy)
        keys += [key for all_keys in signers.values() for key in all_keys]
    signed = {}
    for name in found.names:
        match = NAME.fullmatch(name)
        if match:
            kind = match[2]
            envelope = envelope_of(found.read(name), match[3], name)
            ids = [short_id(one.get("keyid")) for one in envelope["signatures"]]
            must(match[1] in ids, f"{name} is named after another key")
            payload, good = signers_of(envelope, keys, name)
            must(payload == statement_of(kind, found, manifest), f"{name} states something else")
            signed.setdefault(kind, []).extend(good)
    for kind in rule.get("require", []):
        if kind != "bundle":
            must(signatures.enough(signed.get(kind, []), signers, rule), f"too few signed {kind}")
