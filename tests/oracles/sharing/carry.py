"""Copies an object to a bucket of another region with boto3, as `aws s3 cp` does.

    carry.py ENDPOINT REGION BUCKET KEY OTHER-REGION OTHER-BUCKET OTHER-KEY
"""

import sys

import boto3


def main(endpoint, region, bucket, key, other_region, other_bucket, other_key):
    def s3(name):
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=name,
            aws_access_key_id="AKIALOCALREGION00000",
            aws_secret_access_key="local-region-secret-key",
        )

    body = s3(region).get_object(Bucket=bucket, Key=key)["Body"].read()
    s3(other_region).put_object(Bucket=other_bucket, Key=other_key, Body=body)


main(*sys.argv[1:])
