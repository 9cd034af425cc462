"""What an account has before a command runs: `key` makes a key with the alias alias/web, `encrypt` encrypts every new
snapshot with the key that AWS provides."""

import sys

import clients


def main():
    region = clients.Region(clients.endpoint(), "us-east-1")
    if sys.argv[2] == "key":
        key = region.kms.create_key()["KeyMetadata"]["KeyId"]
        region.kms.create_alias(AliasName="alias/web", TargetKeyId=key)
    else:
        region.ec2.enable_ebs_encryption_by_default()


main()
