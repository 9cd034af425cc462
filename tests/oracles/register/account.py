"""Changes what an account of the local region allows, with boto3.

    account.py ENDPOINT REGION block-public|allow-public|encrypt|plain
"""

import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def main(endpoint, region, what):
    ec2 = boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    if what == "block-public":
        ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    elif what == "allow-public":
        ec2.disable_image_block_public_access()
    elif what == "encrypt":
        ec2.enable_ebs_encryption_by_default()
    else:
        ec2.disable_ebs_encryption_by_default()


main(*sys.argv[1:])
