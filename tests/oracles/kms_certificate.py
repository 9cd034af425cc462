#!/usr/bin/env python3
"""Makes an RSA key for signatures in a KMS, with the alias `alias/secure-boot`, and a certificate for its public half.

Arguments: endpoint, certificate and key of the authority that signs (PEM), file for the certificate.
"""

import datetime
import sys

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

endpoint, ca_file, key_file, out = sys.argv[1:]
kms = boto3.client(
    "kms",
    region_name="us-east-1",
    endpoint_url=endpoint,
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
)
key = kms.create_key(KeySpec="RSA_3072", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
kms.create_alias(AliasName="alias/secure-boot", TargetKeyId=key)
public = serialization.load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
with open(ca_file, "rb") as file:
    authority = x509.load_pem_x509_certificate(file.read())
with open(key_file, "rb") as file:
    authority_key = serialization.load_pem_private_key(file.read(), None)
certificate = (
    x509.CertificateBuilder()
    .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kms")]))
    .issuer_name(authority.subject)
    .public_key(public)
    .serial_number(7)
    .not_valid_before(datetime.datetime(2026, 1, 1))
    .not_valid_after(datetime.datetime(2046, 1, 1))
    .sign(authority_key, hashes.SHA256())
)
with open(out, "wb") as file:
    file.write(certificate.public_bytes(serialization.Encoding.PEM))
