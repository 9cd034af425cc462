"""Verifies attestation documents with cbor2 and cryptography: attestation.py CASES

CASES is JSON: {"root": PEM file, "cases": [{"file", "at", "nonce"}]}, `at` in seconds after 1970 and `nonce` in hexadecimal
digits. Prints JSON: for each case null if the document is accepted, else the reason. Written from AWS's documentation and
the RFCs, not from the verifier that it is compared with.
"""

import datetime
import io
import json
import sys
from collections.abc import Mapping

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ES384 = -35
FUTURE = 300


class Refused(Exception):
    pass


def need(condition, reason):
    if not condition:
        raise Refused(reason)


def decode(data):
    """The only item of bytes."""
    stream = io.BytesIO(data)
    item = cbor2.CBORDecoder(stream).decode()
    # Decoders may read ahead, so the end is found by decoding what is shorter by a byte.
    try:
        cbor2.CBORDecoder(io.BytesIO(data[:-1])).decode()
    except Exception:
        return item
    raise Refused("bytes follow the item")


def payload_of(document):
    need(0 < len(document) <= 32768, "size")
    item = decode(document)
    if isinstance(item, cbor2.CBORTag):
        need(item.tag == 18, "tag")
        item = item.value
    need(isinstance(item, (list, tuple)) and len(item) == 4, "no COSE_Sign1")
    protected, unprotected, payload, signature = item
    need(isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes), "types")
    # Below a tag, maps are decoded to immutable ones.
    need(isinstance(unprotected, Mapping) and not unprotected, "unprotected header")
    need(decode(protected) == {1: ES384}, "protected header")
    # A header with the same key twice decodes to the same dictionary.
    need(len(protected) == 4, "protected header is not the shortest one")
    need(len(signature) == 96, "signature")
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    return decode(payload), signed, signature


def fields_of(payload):
    need(isinstance(payload, dict), "no map")
    for name, kind in [
        ("module_id", str),
        ("digest", str),
        ("timestamp", int),
        ("nitrotpm_pcrs", dict),
        ("certificate", bytes),
        ("cabundle", (list, tuple)),
    ]:
        need(isinstance(payload.get(name), kind), name)
    need(payload["module_id"] and payload["digest"] == "SHA384" and payload["timestamp"] > 0, "values")
    pcrs = payload["nitrotpm_pcrs"]
    need(1 <= len(pcrs) <= 32, "number of PCRs")
    for index, value in pcrs.items():
        need(isinstance(index, int) and 0 <= index < 32, "number of a PCR")
        need(isinstance(value, bytes) and len(value) == 48, "length of a PCR")
    need(pcrs.get(4, bytes(48)) != bytes(48), "PCR 4")
    for name in ["nonce", "user_data", "public_key"]:
        value = payload.get(name)
        need(value is None or (isinstance(value, bytes) and len(value) <= 1024), name)
    return payload


def chain_of(payload, root):
    bundle = [x509.load_der_x509_certificate(one) for one in payload["cabundle"]]
    need(bundle and bundle[0] == root, "root")
    return [root, *bundle[1:], x509.load_der_x509_certificate(payload["certificate"])]


def check_chain(chain, made, at):
    for above, below in zip(chain, chain[1:]):
        below.verify_directly_issued_by(above)
    for position, one in enumerate(chain):
        need(one.not_valid_before_utc <= made <= one.not_valid_after_utc, "validity when it was made")
        need(at <= one.not_valid_after_utc, "expired")
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
        if one is chain[-1]:
            need(not constraints.ca and usage.digital_signature, "signer")
        else:
            below = len(chain) - position - 2
            need(constraints.ca and usage.key_cert_sign, "issuer")
            need(constraints.path_length is None or constraints.path_length >= below, "path length")
        need(isinstance(one.public_key(), ec.EllipticCurvePublicKey), "key")
        need(one.public_key().curve.name == "secp384r1", "curve")
        need(isinstance(one.signature_hash_algorithm, hashes.SHA384), "hash")


def verify(document, root, at, nonce):
    payload, signed, signature = payload_of(document)
    payload = fields_of(payload)
    moment = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    made = moment(payload["timestamp"] // 1000)
    chain = chain_of(payload, root)
    check_chain(chain, made, moment(at))
    numbers = [int.from_bytes(part, "big") for part in (signature[:48], signature[48:])]
    chain[-1].public_key().verify(encode_dss_signature(*numbers), signed, ec.ECDSA(hashes.SHA384()))
    need(payload["timestamp"] <= (at + FUTURE) * 1000, "future")
    need(payload.get("nonce") == nonce, "nonce")


def main(path):
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    with open(request["root"], "rb") as file:
        root = x509.load_pem_x509_certificate(file.read())
    reasons = []
    for case in request["cases"]:
        with open(case["file"], "rb") as file:
            document = file.read()
        try:
            verify(document, root, case["at"], bytes.fromhex(case["nonce"]))
            reasons.append(None)
        except InvalidSignature:
            reasons.append("signature")
        # Libraries have errors of many kinds for bytes that they do not take.
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {error}")
    print(json.dumps(reasons))


if __name__ == "__main__":
    main(sys.argv[1])
