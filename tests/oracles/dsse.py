"""Judges DSSE envelopes by securesystemslib, and their statements by in-toto-attestation.
usage: dsse.py KEY.pem KEYID SCHEME FILE...     SCHEME is one of securesystemslib, or - for the usual one of the key
For each file a line: accepted or refused."""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

pem, keyid, scheme, *files = sys.argv[1:]
with open(pem, "rb") as file:
    public = load_pem_public_key(file.read())
key = SSlibKey.from_crypto(public, keyid=keyid, scheme=None if scheme == "-" else scheme)


def accepted(path):
    with open(path, encoding="utf-8") as file:
        envelope = Envelope.from_dict(json.load(file))
    if keyid not in envelope.verify([key], 1):
        return False
    if envelope.payload_type != "application/vnd.in-toto+json":
        return False
    message = statement_pb2.Statement()
    json_format.Parse(envelope.payload, message)
    Statement.copy_from_pb(message).validate()
    return True


for path in files:
    try:
        print("accepted" if accepted(path) else "refused")
    except Exception:  # whatever a library raises is a refusal
        print("refused")
