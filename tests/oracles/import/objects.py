"""Makes a bucket with boto3, or reads an object into a file: ENDPOINT create BUCKET -, or ENDPOINT read BUCKET/KEY FILE."""

import sys

import boto3

endpoint, action, name, path = sys.argv[1:]
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
)
if action == "create":
    client.create_bucket(Bucket=name)
else:
    bucket, key = name.split("/", 1)
    with open(path, "wb") as file:
        file.write(client.get_object(Bucket=bucket, Key=key)["Body"].read())
