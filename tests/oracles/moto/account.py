"""What the account of a moto has before the program runs: account.py ENDPOINT SNAPSHOT

Two images of the snapshot, a launch template of the first one, a group that launches from it, and two keys: alias/web encrypts,
alias/sign signs. Prints ids as JSON. moto keeps neither the architecture nor the mappings of an image that is registered.
"""

import json
import sys

import boto3

endpoint, snapshot = sys.argv[1:]
session = boto3.session.Session("testing", "testing", region_name="us-east-1")
ec2 = session.client("ec2", endpoint_url=endpoint)
groups = session.client("autoscaling", endpoint_url=endpoint)
kms = session.client("kms", endpoint_url=endpoint)


def register(number):
    image = ec2.register_image(
        Name=f"web {number}",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    tags = {"amiforge:image": "web", "amiforge:version": str(number), "amiforge:manifest": f"{number:064}"}
    ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return image


images = [register(number) for number in (1, 2)]
data = {"ImageId": images[0], "InstanceType": "t3.micro"}
template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]
groups.create_auto_scaling_group(
    AutoScalingGroupName="web",
    MinSize=0,
    MaxSize=4,
    DesiredCapacity=1,
    AvailabilityZones=["us-east-1a"],
    LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
)
for alias, options in (
    ("alias/web", {}),
    ("alias/sign", {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}),
):
    key = kms.create_key(**options)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
instances = groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
print(
    json.dumps(
        {
            "images": images,
            "template": template["LaunchTemplateId"],
            "instances": [instance["InstanceId"] for instance in instances],
        }
    )
)
