"""A KMS key that only machines with certain PCRs can use, with boto3: attested_key.py ENDPOINT GOOD OTHER OUT

GOOD and OTHER are files with attestation documents: one of a machine with the PCRs, and one with another PCR. Encrypts a
secret and writes the answer for the machine, CMS, to OUT, and the one of a data key to OUT.key. Prints JSON: the codes of
the errors of what has to be refused, and the data key's ciphertext, decrypted for the machine as OUT.again.
"""

import json
import sys

import boto3
import cbor2
from botocore.exceptions import ClientError

SECRET = b"the secret of this image"
PCRS = [2, 3, 4, 12, 13]


def client(endpoint, key, secret):
    return boto3.client(
        "kms", endpoint_url=endpoint, region_name="local", aws_access_key_id=key, aws_secret_access_key=secret
    )


def policy(document):
    """The account administers the key and encrypts; only a machine with the PCRs of a document decrypts."""
    pcrs = cbor2.loads(cbor2.loads(document)[2])["nitrotpm_pcrs"]
    conditions = {f"kms:RecipientAttestation:NitroTPMPCR{index}": pcrs[index].hex().upper() for index in PCRS}
    account = {"AWS": "arn:aws:iam::123456789012:root"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": account,
                "Action": ["kms:Describe*", "kms:Get*", "kms:Put*", "kms:Encrypt"],
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:user/MACHINE"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {"StringEqualsIgnoreCase": conditions},
            },
        ],
    }


def refused(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def main(endpoint, good, other, out):
    good, other = (open(path, "rb").read() for path in (good, other))
    admin = client(endpoint, "AKIALOCALREGION00000", "local-region-secret-key")
    machine = client(endpoint, "MACHINE", "machine-secret")
    key = admin.create_key(Policy=json.dumps(policy(good)))["KeyMetadata"]["KeyId"]
    assert json.loads(admin.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == policy(good)
    context = {"purpose": "test"}
    blob = admin.encrypt(KeyId=key, Plaintext=SECRET, EncryptionContext=context)["CiphertextBlob"]
    recipient = lambda document, algorithm="RSAES_OAEP_SHA_256": {
        "KeyEncryptionAlgorithm": algorithm,
        "AttestationDocument": document,
    }
    plain = {"CiphertextBlob": blob, "EncryptionContext": context}
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    refusals = {
        "the administrator": refused(admin.decrypt, **plain),
        "the administrator with the document": refused(admin.decrypt, **plain, Recipient=recipient(good)),
        "without a document": refused(machine.decrypt, **plain),
        "another machine": refused(machine.decrypt, **plain, Recipient=recipient(other)),
        "a changed document": refused(machine.decrypt, **plain, Recipient=recipient(flipped)),
        "no document": refused(machine.decrypt, **plain, Recipient=recipient(b"x")),
        "another context": refused(
            machine.decrypt, CiphertextBlob=blob, EncryptionContext={}, Recipient=recipient(good)
        ),
        "a changed ciphertext": refused(
            machine.decrypt,
            CiphertextBlob=blob[:-1] + bytes([blob[-1] ^ 1]),
            EncryptionContext=context,
            Recipient=recipient(good),
        ),
        "a data key for another machine": refused(
            machine.generate_data_key, KeyId=key, KeySpec="AES_256", Recipient=recipient(other)
        ),
        "a policy that locks out": refused(
            admin.put_key_policy, KeyId=key, PolicyName="default", Policy=json.dumps({**policy(good), "Statement": []})
        ),
    }
    answer = machine.decrypt(**plain, Recipient=recipient(good))
    assert "Plaintext" not in answer and answer["KeyId"].endswith(key), answer
    with open(out, "wb") as file:
        file.write(answer["CiphertextForRecipient"])
    made = machine.generate_data_key(KeyId=key, KeySpec="AES_256", Recipient=recipient(good))
    assert "Plaintext" not in made, made
    with open(out + ".key", "wb") as file:
        file.write(made["CiphertextForRecipient"])
    again = machine.decrypt(CiphertextBlob=made["CiphertextBlob"], Recipient=recipient(good))
    with open(out + ".again", "wb") as file:
        file.write(again["CiphertextForRecipient"])
    # A key of the default policy, whose answer is in the clear.
    plain = admin.create_key()["KeyMetadata"]["KeyId"]
    made = admin.generate_data_key(KeyId=plain, NumberOfBytes=24)
    assert len(made["Plaintext"]) == 24
    assert admin.decrypt(CiphertextBlob=made["CiphertextBlob"], KeyId=plain)["Plaintext"] == made["Plaintext"]
    print(json.dumps(refusals))


if __name__ == "__main__":
    main(*sys.argv[1:])
