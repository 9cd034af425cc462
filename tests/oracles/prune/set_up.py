"""Fills an account with images that amiforge could have published, and with uses of every kind; prints JSON: id by kind.

    set_up.py ENDPOINT
"""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "local_region"))

import clients
from clients import Region

OTHER = ("AKIAOTHERACCOUNT0000", "other-secret")
OTHER_ACCOUNT = "210987654321"


def tagged(kind, **more):
    """Tag specifications of a resource of this program."""
    tags = {"Name": "web", "amiforge:image": "web", "amiforge:version": "1", **more}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


class Account:
    """Images of one name, each with a snapshot of its own."""

    def __init__(self, region):
        self.region = region
        self.ids = {}

    def snapshot(self, number, ours=True):
        """A snapshot with one block."""
        tags = [{"Key": "amiforge:image", "Value": "web"}] if ours else []
        return clients.snapshot(self.region, {0: clients.block(number)}, Description="web", Tags=tags)

    def image(self, kind, further=(), **more):
        """An image."""
        number = len(self.ids)
        snapshots = [self.snapshot(number), *further]
        devices = ["/dev/xvda", "/dev/sdb", "/dev/sdc"]
        mappings = [
            {"DeviceName": device, "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}
            for device, snapshot in zip(devices, snapshots)
        ]
        self.ids[kind] = clients.register(
            self.region,
            snapshots[0],
            f"web-{number}",
            BlockDeviceMappings=mappings,
            TagSpecifications=tagged("image"),
            **more,
        )
        return self.ids[kind]


def main(endpoint):
    region, other = Region(endpoint), Region(endpoint, key=OTHER)
    account, ec2 = Account(region), region.ec2
    for kind in ("plain", "shared"):
        account.image(kind)
    ec2.modify_image_attribute(
        ImageId=account.ids["shared"], LaunchPermission={"Add": [{"UserId": OTHER_ACCOUNT}]}
    )
    account.image("two volumes", [account.snapshot(100)])
    foreign = account.snapshot(101, ours=False)
    account.image("a volume of others", [foreign])
    image = account.image("template")
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": image})
    ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "t3.micro"})
    image = account.image("stopped instance")
    run = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]
    ec2.stop_instances(InstanceIds=[run["InstanceId"]])
    image = account.image("instance of another account")
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER_ACCOUNT}]})
    other.ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2)
    image = account.image("other account")
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER_ACCOUNT}]})
    other.ec2.create_launch_template(LaunchTemplateName="theirs", LaunchTemplateData={"ImageId": image})
    account.image("protected")
    ec2.enable_image_deregistration_protection(ImageId=account.ids["protected"])
    before, held = account.image("channel before"), account.image("channel")
    for value in (before, held):
        region.ssm.put_parameter(
            Name="/amiforge/web/stable", Type="String", DataType="aws:ec2:image", Value=value, Overwrite=True
        )
    # Registration times are whole seconds.
    time.sleep(1.1)
    account.image("newest")
    # What amiforge has not made.
    lone = account.snapshot(102, ours=False)
    account.ids["foreign"] = clients.register(region, lone, "foreign")
    shared = ec2.describe_images(ImageIds=[account.ids["plain"]])["Images"][0]
    account.ids["root of plain"] = shared["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    account.ids["snapshot of others"] = foreign
    account.ids["orphan"] = account.snapshot(103)
    print(json.dumps(account.ids))


main(*sys.argv[1:])
