#!/usr/bin/env python3
"""Keys of a KMS that sign: signing_keys.py ENDPOINT REGION KEY-ID SECRET SPEC...

Makes a key of each spec with the alias `alias/SPEC`, and prints the public halves as lines of OpenSSH. Signs with each, both
a message and a digest, and checks the signatures with `cryptography`.
"""

import hashlib
import sys

import boto3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

endpoint, region, key_id, secret, *specs = sys.argv[1:]
kms = boto3.client(
    "kms",
    region_name=region,
    endpoint_url=endpoint,
    aws_access_key_id=key_id,
    aws_secret_access_key=secret,
)
HASHES = {
    "ECC_NIST_P256": ("ECDSA_SHA_256", hashes.SHA256()),
    "ECC_NIST_P384": ("ECDSA_SHA_384", hashes.SHA384()),
    "RSA_2048": ("RSASSA_PKCS1_V1_5_SHA_256", hashes.SHA256()),
}
for spec in specs:
    key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{spec}", TargetKeyId=key)
    answer = kms.get_public_key(KeyId=f"alias/{spec}")
    # moto leaves the spec out.
    assert (answer.get("KeySpec", spec), answer["KeyUsage"]) == (spec, "SIGN_VERIFY"), answer
    public = serialization.load_der_public_key(answer["PublicKey"])
    algorithm, hash_ = HASHES[spec]
    assert algorithm in answer["SigningAlgorithms"], answer
    scheme = (padding.PKCS1v15(),) if spec.startswith("RSA") else ()
    message = b"message"
    signed = kms.sign(KeyId=key, Message=message, MessageType="RAW", SigningAlgorithm=algorithm)["Signature"]
    public.verify(signed, message, *scheme, hash_ if scheme else ec.ECDSA(hash_))
    # moto digests digests once more.
    if region.startswith("local"):
        digest = hashlib.new(hash_.name, message).digest()
        signed = kms.sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)["Signature"]
        public.verify(signed, digest, ec.ECDSA(Prehashed(hash_)))
        for wrong in (
            {"Message": digest[1:], "MessageType": "DIGEST", "SigningAlgorithm": algorithm},
            {"Message": b"x" * 4097, "MessageType": "RAW", "SigningAlgorithm": algorithm},
            {"Message": message, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_512"},
        ):
            try:
                kms.sign(KeyId=key, **wrong)
            except kms.exceptions.ClientError:
                continue
            raise AssertionError(wrong)
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    print(line.decode())
