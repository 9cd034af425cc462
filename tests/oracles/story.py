"""Calls of others in a local region, with boto3; prints JSON.

    story.py ENDPOINT REGION SERVICE OPERATION PARAMETERS
    story.py ENDPOINT REGION carry FROM-BUCKET TO-BUCKET KEY     the object, to a bucket of this region
    story.py ENDPOINT REGION lose                                images, snapshots and parameters of the region
"""

import json
import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def main(endpoint, region, what, *args):
    def client(service, name=region):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=name,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )

    if what == "carry":
        body = client("s3", "local").get_object(Bucket=args[0], Key=args[2])["Body"].read()
        tags = client("s3", "local").get_object_tagging(Bucket=args[0], Key=args[2])["TagSet"]
        client("s3").put_object(Bucket=args[1], Key=args[2], Body=body)
        client("s3").put_object_tagging(Bucket=args[1], Key=args[2], Tagging={"TagSet": tags})
    elif what == "lose":
        ec2, ssm = client("ec2"), client("ssm")
        for image in ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]:
            ec2.deregister_image(ImageId=image["ImageId"])
        for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
            ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
        for parameter in ssm.describe_parameters()["Parameters"]:
            ssm.delete_parameter(Name=parameter["Name"])
    else:
        answer = getattr(client(what), args[0])(**json.loads(args[1]))
        answer.pop("ResponseMetadata", None)
        print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
