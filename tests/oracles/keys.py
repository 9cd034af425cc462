"""Keys of a region for a publish, and which key snapshots are encrypted with: keys.py ENDPOINT make|of SNAPSHOT..."""

import sys

import boto3

KEY = {"aws_access_key_id": "AKIALOCALREGION00000", "aws_secret_access_key": "local-region-secret-key"}


def client(service, region):
    """A client of a region."""
    return boto3.client(service, region_name=region, endpoint_url=sys.argv[1], **KEY)


def make():
    """A key in two regions, one that is disabled and one that is not symmetric, each with an alias."""
    for region in ("local", "local-2"):
        kms = client("kms", region)
        named = {
            "alias/web": kms.create_key(),
            "alias/off": kms.create_key(),
            "alias/signs": kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
        }
        for alias, key in named.items():
            kms.create_alias(AliasName=alias, TargetKeyId=key["KeyMetadata"]["KeyId"])
        kms.disable_key(KeyId=named["alias/off"]["KeyMetadata"]["KeyId"])
        print(named["alias/web"]["KeyMetadata"]["Arn"])


def of(region, snapshots):
    """The keys of snapshots."""
    for snapshot in client("ec2", region).describe_snapshots(SnapshotIds=snapshots)["Snapshots"]:
        print(snapshot["KmsKeyId"])


if sys.argv[2] == "make":
    make()
else:
    of(sys.argv[3], sys.argv[4:])
