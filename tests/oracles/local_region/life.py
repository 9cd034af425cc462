"""The whole life of an AMI, with boto3: from blocks to an image, shared, copied, rolled out, stored, and gone."""

import datetime
import time
import uuid

import clients
from clients import ACCOUNT, Region, refused

OTHER = "210987654321"


def main():
    here, there = Region(clients.endpoint()), Region(clients.endpoint(), "local-2")
    blocks = {index: clients.block(index) for index in (0, 1, 7, 2047)}
    first = make(here, blocks)
    tag(here, first)
    share(here, first)
    copied = copy(here, there, first, blocks)
    deprecate_and_protect(here, first)
    disable(here, first)
    second = make(here, {0: clients.block(99)}, "life-v2")
    roll_out(here, first, second)
    publish_name(here, first, second)
    store_and_restore(here, there, first, blocks)
    end(here, there, [first, second], copied)
    print("OK")


def make(region, blocks, name="life-v1"):
    """Start, put, complete, register, describe."""
    made = clients.start(region, blocks, Description="root", Tags=[{"Key": "made-by", "Value": "life"}])
    (pending,) = region.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    assert (pending["State"], pending["Progress"], pending["VolumeId"]) == ("pending", "0%", "vol-ffffffff"), pending
    refused("IncorrectState", clients.register, region, made, name)
    clients.complete(region, made, blocks)
    clients.wait(region, "snapshot_completed", SnapshotIds=[made])
    (done,) = region.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    assert (done["State"], done["Progress"]) == ("completed", "100%")
    assert done["FullSnapshotSizeInBytes"] == len(blocks) * clients.BLOCK
    assert done["Tags"] == [{"Key": "made-by", "Value": "life"}]
    assert clients.read(region, made) == blocks
    params = {
        "Description": "the life of an AMI",
        "BootMode": "uefi",
        "TpmSupport": "v2.0",
        "ImdsSupport": "v2.0",
        "UefiData": "QU1aTlVFRknHS2dIAAAAAA==",
        "SriovNetSupport": "simple",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "SnapshotId": made,
                    "VolumeSize": 8,
                    "VolumeType": "gp3",
                    "Iops": 4000,
                    "Throughput": 250,
                    "DeleteOnTermination": False,
                },
            },
            {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 2, "VolumeType": "gp2", "Encrypted": True}},
            {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral0"},
        ],
        "TagSpecifications": [{"ResourceType": "image", "Tags": [{"Key": "stage", "Value": "new"}]}],
    }
    id = clients.register(region, made, name, **params)
    clients.wait(region, "image_exists", ImageIds=[id])
    clients.wait(region, "image_available", ImageIds=[id])
    found = clients.image(region, id)
    for key in ("Description", "BootMode", "TpmSupport", "ImdsSupport", "SriovNetSupport"):
        assert found[key] == params[key], key
    root, data, scratch = found["BlockDeviceMappings"]
    assert root["Ebs"] == {**params["BlockDeviceMappings"][0]["Ebs"], "Encrypted": False}, root
    assert data["Ebs"]["Encrypted"] is True and data["Ebs"]["DeleteOnTermination"] is True, data
    assert scratch["VirtualName"] == "ephemeral0"
    assert found["OwnerId"] == ACCOUNT and found["State"] == "available" and found["Public"] is False
    assert found["EnaSupport"] is True and found["Tags"] == [{"Key": "stage", "Value": "new"}]
    data = region.ec2.describe_image_attribute(ImageId=id, Attribute="uefiData")
    assert data["UefiData"] == {"Value": "QU1aTlVFRknHS2dIAAAAAA=="}
    return id


def tag(region, id):
    """Tags come, change, are found by, and go."""
    region.ec2.create_tags(Resources=[id], Tags=[{"Key": "stage", "Value": "tested"}, {"Key": "x", "Value": ""}])
    found = region.ec2.describe_images(Filters=[{"Name": "tag:stage", "Values": ["test*"]}])["Images"]
    assert [one["ImageId"] for one in found] == [id]
    listed = region.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"]
    assert [(one["Key"], one["Value"]) for one in listed] == [("stage", "tested"), ("x", "")], listed
    region.ec2.delete_tags(Resources=[id], Tags=[{"Key": "stage", "Value": "other"}, {"Key": "x"}])
    assert clients.image(region, id)["Tags"] == [{"Key": "stage", "Value": "tested"}]


def share(region, id):
    """Launch permissions of accounts, organisations and the public are added and removed."""
    arn = f"arn:aws:organizations::{ACCOUNT}:organization/o-abcdefghij"
    region.ec2.modify_image_attribute(
        ImageId=id, LaunchPermission={"Add": [{"UserId": OTHER}, {"OrganizationArn": arn}]}
    )
    shown = region.ec2.describe_image_attribute(ImageId=id, Attribute="launchPermission")["LaunchPermissions"]
    assert {"UserId": OTHER} in shown and {"OrganizationArn": arn} in shown and len(shown) == 2
    # An image with an encrypted device cannot be public.
    public = {"Add": [{"Group": "all"}]}
    refused("InvalidParameter", region.ec2.modify_image_attribute, ImageId=id, LaunchPermission=public)
    region.ec2.modify_image_attribute(ImageId=id, LaunchPermission={"Remove": [{"OrganizationArn": arn}]})
    region.ec2.reset_image_attribute(ImageId=id, Attribute="launchPermission")
    shown = region.ec2.describe_image_attribute(ImageId=id, Attribute="launchPermission")
    assert shown["LaunchPermissions"] == []
    root = clients.image(region, id)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    region.ec2.modify_snapshot_attribute(
        SnapshotId=root, Attribute="createVolumePermission", OperationType="add", UserIds=[OTHER]
    )
    shown = region.ec2.describe_snapshot_attribute(SnapshotId=root, Attribute="createVolumePermission")
    assert shown["CreateVolumePermissions"] == [{"UserId": OTHER}]
    region.ec2.reset_snapshot_attribute(SnapshotId=root, Attribute="createVolumePermission")


def copy(here, there, id, blocks):
    """An image of another region, with its own snapshots and the same bytes."""
    params = {
        "Name": "life-copy",
        "SourceImageId": id,
        "SourceRegion": here.name,
        "CopyImageTags": True,
        "ClientToken": str(uuid.uuid4()),
        "TagSpecifications": [{"ResourceType": "snapshot", "Tags": [{"Key": "copied", "Value": "yes"}]}],
    }
    copied = there.ec2.copy_image(**params)["ImageId"]
    assert there.ec2.copy_image(**params)["ImageId"] == copied
    refused("IdempotentParameterMismatch", there.ec2.copy_image, **{**params, "Name": "life-other"})
    clients.wait(there, "image_available", ImageIds=[copied])
    found = clients.image(there, copied)
    assert (found["SourceImageId"], found["SourceImageRegion"]) == (id, here.name)
    assert found["BootMode"] == "uefi" and found["Tags"] == [{"Key": "stage", "Value": "tested"}]
    root = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    (snapshot,) = there.ec2.describe_snapshots(SnapshotIds=[root])["Snapshots"]
    assert snapshot["Tags"] == [{"Key": "copied", "Value": "yes"}] and snapshot["Encrypted"] is False
    assert clients.read(there, root) == blocks
    sealed = there.ec2.copy_snapshot(SourceSnapshotId=root, SourceRegion=there.name, Encrypted=True)["SnapshotId"]
    clients.wait(there, "snapshot_completed", SnapshotIds=[sealed])
    (snapshot,) = there.ec2.describe_snapshots(SnapshotIds=[sealed])["Snapshots"]
    assert snapshot["Encrypted"] is True and snapshot["KmsKeyId"].startswith("arn:aws:kms:local-2:")
    there.ec2.delete_snapshot(SnapshotId=sealed)
    return copied


def deprecate_and_protect(region, id):
    """Deprecated at a minute, protected, and no longer."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=90)
    region.ec2.enable_image_deprecation(ImageId=id, DeprecateAt=at)
    shown = datetime.datetime.fromisoformat(clients.image(region, id)["DeprecationTime"].replace("Z", "+00:00"))
    assert shown.second == 0 and abs((shown - at).total_seconds()) <= 30
    region.ec2.disable_image_deprecation(ImageId=id)
    assert "DeprecationTime" not in clients.image(region, id)
    region.ec2.enable_image_deregistration_protection(ImageId=id, WithCooldown=False)
    assert clients.image(region, id)["DeregistrationProtection"] == "enabled"
    refused("OperationNotPermitted", region.ec2.deregister_image, ImageId=id)
    region.ec2.disable_image_deregistration_protection(ImageId=id)
    assert clients.image(region, id)["DeregistrationProtection"] == "disabled"


def disable(region, id):
    """A disabled image shows only to who asks for it."""
    region.ec2.disable_image(ImageId=id)
    assert region.ec2.describe_images(Owners=["self"], Filters=[{"Name": "image-id", "Values": [id]}])["Images"] == []
    assert clients.image(region, id, IncludeDisabled=True)["State"] == "disabled"
    region.ec2.enable_image(ImageId=id)
    assert clients.image(region, id)["State"] == "available"


def roll_out(region, first, second):
    """A launch template goes forward and back."""
    made = region.ec2.create_launch_template(
        LaunchTemplateName="life",
        LaunchTemplateData={"ImageId": first, "InstanceType": "t3.micro", "MetadataOptions": {"HttpTokens": "required"}},
    )["LaunchTemplate"]
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1)
    version = region.ec2.create_launch_template_version(
        LaunchTemplateName="life", SourceVersion="1", LaunchTemplateData={"ImageId": second}
    )["LaunchTemplateVersion"]
    assert version["VersionNumber"] == 2 and version["LaunchTemplateData"]["InstanceType"] == "t3.micro"
    for default, image in (("2", second), ("1", first), ("2", second)):
        region.ec2.modify_launch_template(LaunchTemplateName="life", DefaultVersion=default)
        (shown,) = region.ec2.describe_launch_template_versions(LaunchTemplateName="life", Versions=["$Default"])[
            "LaunchTemplateVersions"
        ]
        assert shown["LaunchTemplateData"]["ImageId"] == image
    gone = region.ec2.delete_launch_template_versions(LaunchTemplateName="life", Versions=["1", "2"])
    assert [one["VersionNumber"] for one in gone["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    assert [one["VersionNumber"] for one in gone["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [2]
    region.ec2.delete_launch_template(LaunchTemplateName="life")


def publish_name(region, first, second):
    """A parameter that names an image, and a template that names the parameter."""
    params = {"Name": "/life/ami", "Type": "String", "DataType": "aws:ec2:image", "Value": first}
    assert region.ssm.put_parameter(**params)["Version"] == 1
    until(lambda: region.ssm.get_parameter(Name="/life/ami")["Parameter"]["Value"] == first)
    region.ssm.put_parameter(**{**params, "Value": second}, Overwrite=True)
    until(lambda: region.ssm.get_parameter(Name="/life/ami")["Parameter"]["Version"] == 2)
    history = region.ssm.get_parameter_history(Name="/life/ami")["Parameters"]
    assert [one["Value"] for one in history] == [first, second]
    # Answered as if it were done, and never done: the image is not there.
    region.ssm.put_parameter(**{**params, "Value": "ami-00000000000000001"}, Overwrite=True)
    assert region.ssm.get_parameter(Name="/life/ami")["Parameter"]["Value"] == second
    region.ec2.create_launch_template(
        LaunchTemplateName="life-alias", LaunchTemplateData={"ImageId": "resolve:ssm:/life/ami:1"}
    )
    (shown,) = region.ec2.describe_launch_template_versions(
        LaunchTemplateName="life-alias", Versions=["$Latest"], ResolveAlias=True
    )["LaunchTemplateVersions"]
    assert shown["LaunchTemplateData"]["ImageId"] == first
    region.ec2.delete_launch_template(LaunchTemplateName="life-alias")
    region.ssm.delete_parameter(Name="/life/ami")
    refused("ParameterNotFound", region.ssm.get_parameter, Name="/life/ami")


def until(done, seconds=20):
    """Asks again and again, as one has to where answers lag behind effects."""
    end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
    while True:
        try:
            if done():
                return
        except Exception as error:
            if "NotFound" not in str(error):
                raise
        assert datetime.datetime.now() < end, "it never came true"
        time.sleep(0.05)


def store_and_restore(here, there, id, blocks):
    """An image as an object, carried to another region, and an image again."""
    here.s3.create_bucket(Bucket="life-here", CreateBucketConfiguration={"LocationConstraint": here.name})
    there.s3.create_bucket(Bucket="life-there", CreateBucketConfiguration={"LocationConstraint": there.name})
    key = here.ec2.create_store_image_task(ImageId=id, Bucket="life-here")["ObjectKey"]
    assert key == f"{id}.bin"
    here.ec2.get_waiter("store_image_task_complete").wait(
        ImageIds=[id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )
    data = here.s3.get_object(Bucket="life-here", Key=key)["Body"].read()
    there.s3.put_object(Bucket="life-there", Key="carried", Body=data)
    restored = there.ec2.create_restore_image_task(Bucket="life-there", ObjectKey="carried", Name="life-restored")
    clients.wait(there, "image_available", ImageIds=[restored["ImageId"]])
    found = clients.image(there, restored["ImageId"])
    assert (found["Name"], found["BootMode"]) == ("life-restored", "uefi")
    root = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    clients.wait(there, "snapshot_completed", SnapshotIds=[root])
    assert clients.read(there, root) == blocks
    there.ec2.deregister_image(ImageId=restored["ImageId"], DeleteAssociatedSnapshots=True)
    for region, bucket, name in ((here, "life-here", key), (there, "life-there", "carried")):
        refused("BucketNotEmpty", region.s3.delete_bucket, Bucket=bucket)
        region.s3.delete_object(Bucket=bucket, Key=name)
        region.s3.delete_bucket(Bucket=bucket)


def end(here, there, images, copied):
    """Deregistered, and their snapshots deleted; nothing is left."""
    for id in images:
        root = clients.image(here, id)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        message = refused("InvalidSnapshot.InUse", here.ec2.delete_snapshot, SnapshotId=root)
        assert message == f"The snapshot {root} is currently in use by {id}"
        answer = here.ec2.deregister_image(ImageId=id)
        assert answer["Return"] is True and answer["DeleteSnapshotResults"] == []
        refused("InvalidAMIID.Unavailable", here.ec2.deregister_image, ImageId=id)
        here.ec2.delete_snapshot(SnapshotId=root)
        refused("InvalidSnapshot.NotFound", here.ec2.describe_snapshots, SnapshotIds=[root])
    answer = there.ec2.deregister_image(ImageId=copied, DeleteAssociatedSnapshots=True)
    assert [one["ReturnCode"] for one in answer["DeleteSnapshotResults"]] == ["success"]
    for region in (here, there):
        assert region.ec2.describe_images(Owners=["self"])["Images"] == []
        assert region.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


main()
