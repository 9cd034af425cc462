"""Reads the images and snapshots of an account, and its recycle bin; prints JSON.

    read_back.py ENDPOINT
"""

import json
import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def tags(resource):
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def main(endpoint):
    ec2 = boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name="local",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    images = ec2.describe_images(Owners=["self"], IncludeDeprecated=True, IncludeDisabled=True)["Images"]

    def grants(image):
        found = ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
        return sorted(one.get("UserId", one.get("Group", "")) for one in found["LaunchPermissions"])

    print(
        json.dumps(
            {
                "images": {
                    image["ImageId"]: {
                        "state": image["State"],
                        "deprecated": "DeprecationTime" in image,
                        "tags": tags(image),
                        "sharedWith": grants(image["ImageId"]),
                    }
                    for image in images
                },
                "snapshots": {
                    snapshot["SnapshotId"]: tags(snapshot)
                    for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
                },
                "binnedImages": [one["ImageId"] for one in ec2.list_images_in_recycle_bin()["Images"]],
                "binnedSnapshots": [one["SnapshotId"] for one in ec2.list_snapshots_in_recycle_bin()["Snapshots"]],
                "reports": [one["ImageId"] for one in ec2.describe_image_usage_reports()["ImageUsageReports"]],
            }
        )
    )


main(*sys.argv[1:])
