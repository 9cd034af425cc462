"""Reads an AMI back with boto3: every field of its registration, its permissions, its snapshots; prints JSON.

    read_back.py ENDPOINT REGION AMI
"""

import json
import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def main(endpoint, region, ami):
    ec2 = boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    image = ec2.describe_images(ImageIds=[ami], IncludeDeprecated=True)["Images"][0]

    def attribute(name, key):
        return ec2.describe_image_attribute(ImageId=ami, Attribute=name).get(key)

    snapshots = {}
    for mapping in image["BlockDeviceMappings"]:
        snapshot = mapping.get("Ebs", {}).get("SnapshotId")
        if not snapshot:
            continue
        described = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        permissions = ec2.describe_snapshot_attribute(
            SnapshotId=snapshot, Attribute="createVolumePermission"
        )["CreateVolumePermissions"]
        snapshots[mapping["DeviceName"]] = {
            "id": snapshot,
            "state": described["State"],
            "encrypted": described["Encrypted"],
            "size": described["VolumeSize"],
            "tags": {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
            "accounts": sorted(one["UserId"] for one in permissions if "UserId" in one),
        }
    print(
        json.dumps(
            {
                "image": image,
                "tags": {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])},
                "launch": attribute("launchPermission", "LaunchPermissions"),
                "uefi": (attribute("uefiData", "UefiData") or {}).get("Value"),
                "snapshots": snapshots,
            },
            default=str,
        )
    )


main(*sys.argv[1:])
