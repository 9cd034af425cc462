"""Every operation is called, every answer is of the model's shape, pages join to the whole, and nothing else is there."""

import datetime
import time

import clients
import sharing
import wire
from clients import ACCOUNT, Region, refused

EC2 = """
AttachImageWatermark CopyImage CopySnapshot CreateLaunchTemplate CreateLaunchTemplateVersion CreateRestoreImageTask CreateStoreImageTask
CreateTags DeleteLaunchTemplate DeleteLaunchTemplateVersions DeleteSnapshot DeleteTags DeregisterImage
DescribeAvailabilityZones DescribeImageAttribute DescribeImages DescribeInstanceTypes DescribeInstances
DescribeLaunchTemplateVersions DescribeLaunchTemplates DetachImageWatermark
DescribeRegions DescribeSnapshotAttribute DescribeSnapshots DescribeStoreImageTasks DescribeTags
DisableEbsEncryptionByDefault DisableImage DisableImageBlockPublicAccess DisableImageDeprecation
DisableImageDeregistrationProtection DisableSnapshotBlockPublicAccess EnableEbsEncryptionByDefault EnableImage
EnableImageBlockPublicAccess EnableImageDeprecation EnableImageDeregistrationProtection
EnableSnapshotBlockPublicAccess GetEbsDefaultKmsKeyId GetEbsEncryptionByDefault GetImageBlockPublicAccessState
GetSnapshotBlockPublicAccessState ModifyEbsDefaultKmsKeyId ModifyImageAttribute ModifyLaunchTemplate
ModifySnapshotAttribute RegisterImage ResetEbsDefaultKmsKeyId ResetImageAttribute ResetSnapshotAttribute
RunInstances StartInstances StopInstances TerminateInstances
""".split() + sharing.OPERATIONS
EC2 += """
CreateImageUsageReport DeleteImageUsageReport DescribeImageReferences DescribeImageUsageReportEntries
DescribeImageUsageReports DescribeInstanceImageMetadata ListImagesInRecycleBin ListSnapshotsInRecycleBin
RestoreImageFromRecycleBin RestoreSnapshotFromRecycleBin
CancelImportTask DescribeImportSnapshotTasks ImportSnapshot
""".split()
AUTOSCALING = """
CancelInstanceRefresh CreateAutoScalingGroup CreateOrUpdateTags DeleteAutoScalingGroup DeleteTags
DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeInstanceRefreshes DescribeScalingActivities DescribeTags
RollbackInstanceRefresh SetDesiredCapacity SetInstanceHealth SetInstanceProtection StartInstanceRefresh
TerminateInstanceInAutoScalingGroup UpdateAutoScalingGroup
""".split()
RBIN = "CreateRule DeleteRule GetRule ListRules".split()
SSM = """
AddTagsToResource DeleteParameter DeleteParameters DescribeParameters GetParameter GetParameterHistory GetParameters
GetParametersByPath LabelParameterVersion ListTagsForResource PutParameter RemoveTagsFromResource
UnlabelParameterVersion
""".split()
S3 = """
AbortMultipartUpload CompleteMultipartUpload CopyObject CreateBucket CreateMultipartUpload DeleteBucket DeleteObject
DeleteObjects GetBucketLocation GetObject GetObjectTagging HeadBucket HeadObject ListBuckets ListMultipartUploads
ListObjects ListObjectsV2 ListParts PutObject PutObjectTagging UploadPart UploadPartCopy
""".split()
KMS = """
CreateAlias CreateKey Decrypt DeleteAlias DescribeKey DisableKey EnableKey Encrypt GenerateDataKey GetKeyPolicy GetPublicKey
ListAliases ListKeys PutKeyPolicy Sign UpdateAlias
""".split()
EBS = """
CompleteSnapshot GetSnapshotBlock ListChangedBlocks ListSnapshotBlocks PutSnapshotBlock StartSnapshot
""".split()
OTHER = "210987654321"


def main():
    region = Region(clients.endpoint(), check=False)
    checks_can_fail(region)
    snapshots = blocks(region)
    image = images(region, snapshots)
    settings(region)
    sharing.shapes(region, image)
    templates(region, image)
    instances(region, image)
    fleets(region, image)
    parameters(region, image)
    keys(region)
    objects(region, image)
    uses(region, image)
    recycle_bin(region)
    imports(region)
    gone(region, image, snapshots)
    covered()
    nothing_else(region)
    unknown_parameters(region)
    print("OK")


def checks_can_fail(region):
    """An answer that is wrong in one place is seen to be."""
    model = region.ec2.meta.service_model.operation_model("DescribeImages")
    good = (
        '<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><imagesSet>'
        "<item><imageId>ami-1</imageId><imageState>available</imageState><isPublic>true</isPublic></item>"
        "</imagesSet></DescribeImagesResponse>"
    )
    mistakes = [
        ("<imageId>", "<imageID>"),
        ("available", "ready"),
        ("true", "yes"),
        ("item>", "member>"),
        ("<requestId>r</requestId>", ""),
        ("2016-11-15", "2016-09-15"),
        ("<isPublic>", "<isPublic>true</isPublic><isPublic>"),
    ]
    for before, after in [("", ""), *mistakes]:
        body = good.replace(before, after)
        body = body.replace("</imageId>", "</imageID>") if "<imageID>" in body else body
        try:
            wire.look(model, {"status_code": 200, "body": body})
        except wire.Difference:
            assert before, "a right answer was refused"
        else:
            assert not before, f"{before} as {after} was taken"
    wire.SEEN.clear()
    put = region.ssm.meta.service_model.operation_model("PutParameter")
    for body in ('{"Version": "1"}', '{"Verzion": 1}', '{"Version": 1, "Tier": "Free"}', "[]"):
        try:
            wire.look(put, {"status_code": 200, "body": body})
        except wire.Difference:
            continue
        raise AssertionError(f"{body} was taken")
    wire.SEEN.clear()


def joined(client, operation, key, size, **arguments):
    """Pages of a size, which join to what one answer gives."""
    whole = getattr(client, operation)(**arguments)[key]
    pages = list(client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **arguments))
    assert [one for page in pages for one in page[key]] == whole, operation
    assert all(len(page[key]) <= size for page in pages), operation
    assert len(pages) == max(1, -(-len(whole) // size)), (operation, len(pages), len(whole))
    return whole


def blocks(region):
    """EBS direct: the six calls, with a parent and what changed since."""
    old = {0: clients.block(1), 1: clients.block(2)}
    first = clients.snapshot(region, old, Description="first", Tags=[{"Key": "n", "Value": "1"}])
    new = {1: clients.block(3), 5: clients.block(4)}
    second = clients.snapshot(region, new, ParentSnapshotId=first)
    assert clients.read(region, second) == {**old, **new}
    changed = region.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)["ChangedBlocks"]
    assert [one["BlockIndex"] for one in changed] == [1, 5]
    many = [clients.snapshot(region, {}) for _ in range(5)]
    everything = joined(region.ec2, "describe_snapshots", "Snapshots", 5, OwnerIds=["self"])
    assert {one["SnapshotId"] for one in everything} == {first, second, *many}
    failed = clients.start(region, {0: clients.block(9)})
    region.ebs.complete_snapshot(SnapshotId=failed, ChangedBlocksCount=2)
    try:
        clients.wait(region, "snapshot_completed", SnapshotIds=[failed])
    except Exception as error:
        assert "terminal failure" in str(error), error
    (shown,) = region.ec2.describe_snapshots(SnapshotIds=[failed])["Snapshots"]
    assert shown["State"] == "error" and shown["StateMessage"], shown
    refused("IncorrectState", clients.register, region, failed, "of-a-failed-one")
    for name, value in (("status", "error"), ("snapshot-id", failed), ("volume-size", "1"), ("description", "fir*")):
        assert region.ec2.describe_snapshots(Filters=[{"Name": name, "Values": [value]}])["Snapshots"], name
    region.ec2.modify_snapshot_attribute(SnapshotId=first, OperationType="add", GroupNames=["all"])
    for attribute in ("createVolumePermission", "productCodes"):
        region.ec2.describe_snapshot_attribute(SnapshotId=first, Attribute=attribute)
    region.ec2.reset_snapshot_attribute(SnapshotId=first, Attribute="createVolumePermission")
    copied = region.ec2.copy_snapshot(
        SourceSnapshotId=first, SourceRegion=region.name, Description="copied",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "c", "Value": "d"}]}],
    )  # fmt: skip
    assert copied["Tags"] == [{"Key": "c", "Value": "d"}], copied
    return [first, second, *many, failed, copied["SnapshotId"]]


def images(region, snapshots):
    """Images with everything that they can have, and every filter that the model's documentation names."""
    ec2 = region.ec2
    made = [
        clients.register(
            region, snapshots[0], f"shapes-{number}", BootMode="uefi", TpmSupport="v2.0", ImdsSupport="v2.0",
            SriovNetSupport="simple", Description=f"<{number}> & more", UefiData="QU1aTlVFRknHS2dIAAAAAA==",
            TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "<&>", "Value": "\u00e9 \U0001f600"}]}],
        )
        for number in range(6)
    ]  # fmt: skip
    old = ec2.register_image(
        Name="shapes-old", RootDeviceName="/dev/sda1", KernelId="aki-12345678", RamdiskId="ari-12345678",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshots[1], "VolumeType": "io2", "Iops": 100, "VolumeSize": 4}},
            {"DeviceName": "/dev/sdb", "NoDevice": ""},
        ],
    )["ImageId"]  # fmt: skip
    everything = joined(ec2, "describe_images", "Images", 5, Owners=["self"])
    assert {one["ImageId"] for one in everything} == {*made, old}
    image = made[0]
    shown = clients.image(region, image)
    assert shown["Tags"] == [{"Key": "<&>", "Value": "\u00e9 \U0001f600"}] and shown["Description"] == "<0> & more"
    filters(ec2, image)
    for attribute in ec2.meta.service_model.shape_for("ImageAttributeName").enum:
        if attribute != "blockDeviceMapping":
            ec2.describe_image_attribute(ImageId=image, Attribute=attribute)
            ec2.describe_image_attribute(ImageId=old, Attribute=attribute)
    unit = f"arn:aws:organizations::{ACCOUNT}:ou/o-abcdefghij/ou-ab12-cdefghij"
    add = [{"UserId": OTHER}, {"Group": "all"}, {"OrganizationalUnitArn": unit}]
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": add})
    assert len(ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"]) == 3
    ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")
    ec2.modify_image_attribute(ImageId=image, Attribute="description", Value="changed")
    ec2.create_tags(Resources=[image, snapshots[0]], Tags=[{"Key": str(n), "Value": "x"} for n in range(6)])
    joined(ec2, "describe_tags", "Tags", 5)
    ec2.delete_tags(Resources=[image, snapshots[0]])
    assert "Tags" not in clients.image(region, image)
    ec2.enable_image_deprecation(
        ImageId=image, DeprecateAt=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    )
    clients.image(region, image)
    ec2.disable_image_deprecation(ImageId=image)
    for name in ("enable_image_deregistration_protection", "disable_image_deregistration_protection"):
        getattr(ec2, name)(ImageId=image)
    ec2.disable_image(ImageId=image)
    clients.image(region, image, IncludeDisabled=True)
    ec2.enable_image(ImageId=image)
    key = ec2.attach_image_watermark(ImageId=image, WatermarkName="team (web)")["WatermarkKey"]
    assert key == f"{ACCOUNT}:team (web)", key
    copied = ec2.copy_image(Name="shapes-copied", SourceImageId=image, SourceRegion=region.name, Encrypted=True)
    (pending,) = ec2.describe_images(ImageIds=[copied["ImageId"]])["Images"]
    assert pending["State"] == "pending", pending
    ec2.detach_image_watermark(ImageId=image, WatermarkKey=key)
    assert "ImageWatermarks" not in clients.image(region, image)
    (watermark,) = pending["ImageWatermarks"]
    assert (watermark["WatermarkKey"], watermark["SourceImageId"]) == (key, image), watermark
    clients.wait(region, "image_available", ImageIds=[copied["ImageId"]])
    (mapping,) = clients.image(region, copied["ImageId"])["BlockDeviceMappings"]
    assert mapping["Ebs"]["Encrypted"] is True
    answer = ec2.deregister_image(ImageId=copied["ImageId"], DeleteAssociatedSnapshots=True)
    assert [one["ReturnCode"] for one in answer["DeleteSnapshotResults"]] == ["success"]
    for other in [*made[1:], old]:
        results = ec2.deregister_image(ImageId=other, DeleteAssociatedSnapshots=other == made[1])
        # The snapshot has other users still.
        assert [one["ReturnCode"] for one in results["DeleteSnapshotResults"]] == ["skipped"] * (other == made[1])
    return image


def filters(ec2, image):
    """Filters that have to find the image, and that there are no others than these and the ones without a match."""
    shown = ec2.describe_images(ImageIds=[image])["Images"][0]
    volume = shown["BlockDeviceMappings"][0]["Ebs"]
    finding = {
        "architecture": "x86_64",
        "block-device-mapping.delete-on-termination": "true",
        "block-device-mapping.device-name": "/dev/xvda",
        "block-device-mapping.snapshot-id": volume["SnapshotId"],
        "block-device-mapping.volume-size": "1",
        "block-device-mapping.volume-type": "gp3",
        "block-device-mapping.encrypted": "false",
        "boot-mode": "uefi",
        "creation-date": shown["CreationDate"][:10] + "*",
        "description": "<0> ? more",
        "ena-support": "true",
        "free-tier-eligible": "true",
        "hypervisor": "xen",
        "image-id": image,
        "image-type": "machine",
        "is-public": "false",
        "manifest-location": f"{ACCOUNT}/shapes-0",
        "name": "*es-0",
        "owner-id": ACCOUNT,
        "root-device-name": "/dev/xvda",
        "root-device-type": "ebs",
        "state": "available",
        "sriov-net-support": "simple",
        "tag:<&>": "*",
        "tag-key": "<&>",
        "virtualization-type": "hvm",
    }
    for name, value in finding.items():
        found = ec2.describe_images(Filters=[{"Name": name, "Values": ["nothing", value]}])["Images"]
        assert image in [one["ImageId"] for one in found], name
        assert not ec2.describe_images(Filters=[{"Name": name, "Values": ["nothing"]}])["Images"], name
    for name in ("kernel-id", "owner-alias", "platform", "product-code", "ramdisk-id", "source-image-id", "state-reason-code"):
        found = ec2.describe_images(Filters=[{"Name": name, "Values": ["*"]}])["Images"]
        assert image not in [one["ImageId"] for one in found], name


def settings(region):
    """What an account sets."""
    ec2 = region.ec2
    assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    ec2.get_ebs_encryption_by_default()
    before = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    arn = ec2.modify_ebs_default_kms_key_id(KmsKeyId="1234abcd-12ab-34cd-56ef-1234567890ab")["KmsKeyId"]
    assert arn == f"arn:aws:kms:{region.name}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == before
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"
    ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    ec2.disable_image_block_public_access()
    assert ec2.get_snapshot_block_public_access_state()["State"] == "unblocked"
    assert ec2.enable_snapshot_block_public_access(State="block-all-sharing")["State"] == "block-all-sharing"
    ec2.get_snapshot_block_public_access_state()
    ec2.disable_snapshot_block_public_access()
    names = [one["RegionName"] for one in ec2.describe_regions()["Regions"]]
    assert {"local", "local-2"} <= set(names), names
    assert len(ec2.describe_availability_zones()["AvailabilityZones"]) == 3


def templates(region, image):
    """Launch templates with something of every kind of member."""
    ec2 = region.ec2
    data = {
        "ImageId": image,
        "InstanceType": "t3.micro",
        "EbsOptimized": True,
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3"}}],
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-1"], "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.1"}]}],
        "SecurityGroupIds": ["sg-2"],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "InstanceRequirements": {
            "VCpuCount": {"Min": 1},
            "MemoryMiB": {"Min": 512},
            "MemoryGiBPerVCpu": {"Min": 0.5},
            "CpuManufacturers": ["intel", "amd"],
        },
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"ValidUntil": datetime.datetime(2030, 1, 1)}},
        "LicenseSpecifications": [{"LicenseConfigurationArn": "arn:x"}],
        "UserData": "I2Nsb3VkLWNvbmZpZwo=",
    }  # fmt: skip
    made = ec2.create_launch_template(
        LaunchTemplateName="shapes", LaunchTemplateData=data, VersionDescription="one",
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "k", "Value": "v"}]}],
    )["LaunchTemplate"]  # fmt: skip
    names = {"LaunchTemplateId": made["LaunchTemplateId"]}
    for _ in range(3):
        ec2.create_launch_template_version(**names, SourceVersion="$Latest", LaunchTemplateData={"ImageId": image})
    warned = ec2.create_launch_template(
        LaunchTemplateName="shapes-other", LaunchTemplateData={"ImageId": "ami-0123456789abcdef0"}
    )
    assert warned["Warning"]["Errors"][0]["Code"] == "InvalidAMIID.NotFound", warned
    joined(ec2, "describe_launch_templates", "LaunchTemplates", 1)
    versions = joined(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", 2, **names)
    assert [one["VersionNumber"] for one in versions] == [4, 3, 2, 1]
    shown = versions[-1]["LaunchTemplateData"]
    for key in data:
        if key not in ("InstanceMarketOptions", "NetworkInterfaces"):
            assert shown[key] == data[key], (key, shown[key])
    assert shown["NetworkInterfaces"][0]["Groups"] == ["sg-1"]
    assert versions[0]["LaunchTemplateData"] == shown
    ec2.modify_launch_template(**names, DefaultVersion="3")
    latest = ec2.describe_launch_template_versions(Versions=["$Latest"])["LaunchTemplateVersions"]
    assert len(latest) == 2
    ec2.delete_launch_template_versions(**names, Versions=["1", "3", "9"])
    ec2.delete_launch_template(**names)
    ec2.delete_launch_template(LaunchTemplateName="shapes-other")


def instances(region, image):
    """Instances: launched, stopped, started, terminated; records only."""
    ec2 = region.ec2
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}]
    made = [
        ec2.run_instances(
            ImageId=image, InstanceType=kind, MinCount=1, MaxCount=2, TagSpecifications=tags,
            KeyName="k", SubnetId="subnet-1", ClientToken=f"shapes-{kind}",
        )
        for kind in ("t3.micro", "m5.large", "c5.xlarge")
    ]  # fmt: skip
    ids = [one["InstanceId"] for reservation in made for one in reservation["Instances"]]
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert sorted(one["ReservationId"] for one in found) == sorted(one["ReservationId"] for one in made)
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    paged = [one["InstanceId"] for page in pages for res in page["Reservations"] for one in res["Instances"]]
    assert sorted(paged) == sorted(ids), paged
    for name, value in (("image-id", image), ("instance-state-name", "running"), ("tag:k", "v"), ("subnet-id", "subnet-1")):
        assert ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"], name
    assert not ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": ["*"]}])["Reservations"]
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-00000000000000001"])
    refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["i-1"])
    refused("InvalidParameterValue", ec2.run_instances, ImageId=image, InstanceType="t4g.micro", MinCount=1, MaxCount=1)
    assert ec2.stop_instances(InstanceIds=ids[:1])["StoppingInstances"][0]["PreviousState"]["Name"] == "running"
    ec2.start_instances(InstanceIds=ids[:1])
    ec2.create_tags(Resources=ids[:1], Tags=[{"Key": "more", "Value": "x"}])
    assert len(ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]) == 6
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=ids[:1])
    launched = ec2.describe_image_attribute(ImageId=image, Attribute="lastLaunchedTime")
    assert launched["LastLaunchedTime"]["Value"], launched
    kinds = joined(ec2, "describe_instance_types", "InstanceTypes", 5)
    assert {"t3.micro", "t4g.micro"} <= {one["InstanceType"] for one in kinds}
    (kind,) = ec2.describe_instance_types(InstanceTypes=["m7g.large"])["InstanceTypes"]
    assert kind["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"] and kind["SupportedBootModes"] == ["uefi"]
    refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["t3"])


def fleets(region, image):
    """Auto Scaling: a group with everything that it can have, and refreshes that end in every way."""
    ec2, groups = region.ec2, region.autoscaling
    ec2.create_launch_template(
        LaunchTemplateName="fleet", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
    )
    ec2.create_launch_template_version(LaunchTemplateName="fleet", SourceVersion="1", LaunchTemplateData={"ImageId": image})
    for number in range(3):
        groups.create_auto_scaling_group(
            AutoScalingGroupName=f"shapes-{number}", MinSize=0, MaxSize=9, DesiredCapacity=3, DefaultInstanceWarmup=0,
            LaunchTemplate={"LaunchTemplateName": "fleet", "Version": "1"}, AvailabilityZones=[f"{region.name}a"],
            InstanceMaintenancePolicy={"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
            Tags=[{"Key": "<&>", "Value": "\u00e9", "PropagateAtLaunch": True}], VPCZoneIdentifier="subnet-1,subnet-2",
            TerminationPolicies=["OldestInstance"], HealthCheckType="EC2", HealthCheckGracePeriod=1,
        )  # fmt: skip
    joined(groups, "describe_auto_scaling_groups", "AutoScalingGroups", 1)
    assert len(joined(groups, "describe_auto_scaling_instances", "AutoScalingInstances", 2)) == 9
    filters = [{"Name": "tag:<&>", "Values": ["\u00e9"]}]
    assert len(groups.describe_auto_scaling_groups(Filters=filters)["AutoScalingGroups"]) == 3
    name = {"AutoScalingGroupName": "shapes-0"}
    desired = {"LaunchTemplate": {"LaunchTemplateName": "fleet", "Version": "2"}}
    preferences = {
        "MinHealthyPercentage": 50, "MaxHealthyPercentage": 150, "InstanceWarmup": 0, "CheckpointPercentages": [50, 100],
        "CheckpointDelay": 0, "SkipMatching": True, "AutoRollback": True, "BakeTime": 0,
        "AlarmSpecification": {"Alarms": ["a"]}, "ScaleInProtectedInstances": "Ignore", "StandbyInstances": "Ignore",
    }  # fmt: skip
    first = groups.start_instance_refresh(**name, DesiredConfiguration=desired, Preferences=preferences)
    (shown,) = groups.describe_instance_refreshes(**name, InstanceRefreshIds=[first["InstanceRefreshId"]])["InstanceRefreshes"]
    assert (shown["Status"], shown["PercentageComplete"]) == ("Successful", 100), shown
    group = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["shapes-0"])["AutoScalingGroups"][0]
    assert group["LaunchTemplate"]["Version"] == "2"
    waits = {"CheckpointPercentages": [40, 100], "CheckpointDelay": 1000, "InstanceWarmup": 0}
    desired["LaunchTemplate"]["Version"] = "1"
    groups.start_instance_refresh(**name, DesiredConfiguration=desired, Preferences=waits)
    refused("InstanceRefreshInProgress", groups.start_instance_refresh, **name)
    groups.rollback_instance_refresh(**name)
    groups.start_instance_refresh(**name, DesiredConfiguration=desired, Preferences=waits)
    groups.cancel_instance_refresh(**name)
    refused("ActiveInstanceRefreshNotFound", groups.cancel_instance_refresh, **name)
    ends = [one["Status"] for one in refreshes(groups, **name)]
    assert ends == ["Cancelled", "RollbackSuccessful", "Successful"], ends
    groups.start_instance_refresh(**name, Preferences=waits)
    refused("IrreversibleInstanceRefresh", groups.rollback_instance_refresh, **name)
    groups.update_auto_scaling_group(AutoScalingGroupName="shapes-1", MaxSize=5, LaunchTemplate={"LaunchTemplateName": "fleet"})
    groups.set_desired_capacity(AutoScalingGroupName="shapes-1", DesiredCapacity=4)
    members = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["shapes-1"])["AutoScalingGroups"][0]["Instances"]
    groups.set_instance_health(InstanceId=members[0]["InstanceId"], HealthStatus="Unhealthy")
    groups.set_instance_protection(
        AutoScalingGroupName="shapes-1", InstanceIds=[members[1]["InstanceId"]], ProtectedFromScaleIn=True
    )
    groups.terminate_instance_in_auto_scaling_group(
        InstanceId=members[2]["InstanceId"], ShouldDecrementDesiredCapacity=True
    )
    assert len(joined(groups, "describe_scaling_activities", "Activities", 3, AutoScalingGroupName="shapes-1")) >= 6
    tag = {"ResourceId": "shapes-1", "ResourceType": "auto-scaling-group", "Key": "n"}
    groups.create_or_update_tags(Tags=[{**tag, "Value": "1", "PropagateAtLaunch": False}])
    assert len(joined(groups, "describe_tags", "Tags", 1)) == 4
    groups.delete_tags(Tags=[tag])
    refused(
        "AlreadyExists", groups.create_auto_scaling_group, AutoScalingGroupName="shapes-1", MinSize=0, MaxSize=0,
        LaunchTemplate={"LaunchTemplateName": "fleet"}, AvailabilityZones=[f"{region.name}a"],
    )  # fmt: skip
    refused("ResourceInUse", groups.delete_auto_scaling_group, AutoScalingGroupName="shapes-1")
    for number in range(3):
        groups.delete_auto_scaling_group(AutoScalingGroupName=f"shapes-{number}", ForceDelete=True)
    assert not groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    ec2.delete_launch_template(LaunchTemplateName="fleet")


def refreshes(groups, **name):
    """The refreshes of a group, page by page: boto3 has no paginator for them."""
    found, token = [], {}
    while True:
        page = groups.describe_instance_refreshes(**name, MaxRecords=1, **token)
        found += page["InstanceRefreshes"]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


def keys(region):
    """KMS."""
    kms = region.kms
    made = [kms.create_key(Description=f"key {number}")["KeyMetadata"] for number in range(3)]
    first, second = made[0], made[1]
    for number, key in enumerate(made):
        kms.create_alias(AliasName=f"alias/shapes/{number}", TargetKeyId=key["KeyId"])
    names = [first["KeyId"], first["Arn"], "alias/shapes/0", f"arn:aws:kms:{region.name}:{ACCOUNT}:alias/shapes/0"]
    for name in names:
        assert kms.describe_key(KeyId=name)["KeyMetadata"] == first
    kms.update_alias(AliasName="alias/shapes/0", TargetKeyId=second["Arn"])
    assert kms.describe_key(KeyId="alias/shapes/0")["KeyMetadata"]["Arn"] == second["Arn"]
    kms.disable_key(KeyId=first["KeyId"])
    assert kms.describe_key(KeyId=first["Arn"])["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=first["Arn"])
    assert kms.describe_key(KeyId=first["Arn"])["KeyMetadata"]["Enabled"]
    ebs = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert ebs["KeyManager"] == "AWS" and ebs["KeyState"] == "Enabled"
    pages = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3})
    listed = [one["AliasName"] for page in pages for one in page["Aliases"]]
    assert listed == ["alias/aws/ebs", *(f"alias/shapes/{number}" for number in range(3))], listed
    assert len(kms.list_aliases(KeyId=second["KeyId"])["Aliases"]) == 2
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert sorted(one["KeyId"] for page in pages for one in page["Keys"]) == sorted(one["KeyId"] for one in made)
    sealed = kms.encrypt(KeyId=second["Arn"], Plaintext=b"shape")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"shape"
    pair = kms.generate_data_key(KeyId=second["Arn"], KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=pair["CiphertextBlob"])["Plaintext"] == pair["Plaintext"]
    policy = kms.get_key_policy(KeyId=second["Arn"])["Policy"]
    kms.put_key_policy(KeyId=second["Arn"], Policy=policy)
    signs = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert kms.get_public_key(KeyId=signs["Arn"])["SigningAlgorithms"] == signs["SigningAlgorithms"] == ["ECDSA_SHA_256"]
    assert kms.sign(KeyId=signs["KeyId"], Message=b"shape", SigningAlgorithm="ECDSA_SHA_256")["KeyId"] == signs["Arn"]
    refused("InvalidKeyUsageException", kms.get_public_key, KeyId=second["Arn"])
    kms.delete_alias(AliasName="alias/shapes/2")
    refused("NotFoundException", kms.describe_key, KeyId="alias/shapes/2")


def parameters(region, image):
    """SSM."""
    ssm = region.ssm
    for number in range(12):
        ssm.put_parameter(Name=f"/shapes/{number:02}", Type="String", Value=str(number), Description="d")
    ssm.put_parameter(Name="/shapes/deep/secret", Type="SecureString", Value="hush", Tier="Advanced")
    ssm.put_parameter(Name="shapes-list", Type="StringList", Value="a,b", Tags=[{"Key": "k", "Value": "v"}])
    for value in range(3):
        ssm.put_parameter(Name="/shapes/00", Value=f"again {value}", Overwrite=True)
    assert ssm.get_parameter(Name="/shapes/deep/secret")["Parameter"]["Value"] != "hush"
    assert ssm.get_parameter(Name="/shapes/deep/secret", WithDecryption=True)["Parameter"]["Value"] == "hush"
    ssm.label_parameter_version(Name="/shapes/00", ParameterVersion=2, Labels=["prod", "2bad"])
    assert ssm.get_parameter(Name="/shapes/00:prod")["Parameter"]["Version"] == 2
    ssm.label_parameter_version(Name="/shapes/00", Labels=["prod"])
    assert ssm.get_parameter(Name="/shapes/00:prod")["Parameter"]["Version"] == 4
    arn = ssm.get_parameter(Name="/shapes/00")["Parameter"]["ARN"]
    assert ssm.get_parameter(Name=arn)["Parameter"]["Name"] == "/shapes/00"
    some = ssm.get_parameters(Names=["/shapes/00:1", "/shapes/none"])
    assert [one["Value"] for one in some["Parameters"]] == ["0"] and some["InvalidParameters"] == ["/shapes/none"]
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/shapes", PaginationConfig={"PageSize": 5})
    assert len([one for page in pages for one in page["Parameters"]]) == 12
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True)
    assert len([one for page in pages for one in page["Parameters"]]) == 14
    joined(ssm, "describe_parameters", "Parameters", 4)
    joined(ssm, "get_parameter_history", "Parameters", 3, Name="/shapes/00")
    tagged = [{"Key": "tag:k", "Values": ["v"]}]
    assert [one["Name"] for one in ssm.describe_parameters(ParameterFilters=tagged)["Parameters"]] == ["shapes-list"]
    below = [{"Key": "Path", "Option": "Recursive", "Values": ["/shapes/deep"]}]
    assert len(ssm.describe_parameters(ParameterFilters=below)["Parameters"]) == 1
    names = {"ResourceType": "Parameter", "ResourceId": "shapes-list"}
    ssm.add_tags_to_resource(**names, Tags=[{"Key": "l", "Value": "w"}])
    assert len(ssm.list_tags_for_resource(**names)["TagList"]) == 2
    ssm.remove_tags_from_resource(**names, TagKeys=["k"])
    assert ssm.list_tags_for_resource(**names)["TagList"] == [{"Key": "l", "Value": "w"}]
    ssm.unlabel_parameter_version(Name="/shapes/00", ParameterVersion=4, Labels=["prod", "none"])
    ssm.put_parameter(Name="/shapes/ami", Type="String", DataType="aws:ec2:image", Value=image)
    ssm.delete_parameter(Name="shapes-list")
    gone = ssm.delete_parameters(Names=["/shapes/01", "/shapes/none"])
    assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["/shapes/01"], ["/shapes/none"])


def objects(region, image):
    """S3, and images that are stored there; what objects may be is another script's."""
    s3, ec2 = region.s3, region.ec2
    s3.create_bucket(Bucket="shapes", CreateBucketConfiguration={"LocationConstraint": region.name})
    ec2.create_store_image_task(ImageId=image, Bucket="shapes", S3ObjectTags=[{"Key": "k", "Value": "v"}])
    (task,) = ec2.describe_store_image_tasks()["StoreImageTaskResults"]
    assert task["StoreTaskState"] == "InProgress" and task["ProgressPercentage"] < 100, task
    ec2.get_waiter("store_image_task_complete").wait(ImageIds=[image], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    assert s3.get_object_tagging(Bucket="shapes", Key=f"{image}.bin")["TagSet"] == [{"Key": "k", "Value": "v"}]
    joined(ec2, "describe_store_image_tasks", "StoreImageTaskResults", 1)
    restored = ec2.create_restore_image_task(Bucket="shapes", ObjectKey=f"{image}.bin", Name="shapes-restored")
    clients.wait(region, "image_available", ImageIds=[restored["ImageId"]])
    ec2.deregister_image(ImageId=restored["ImageId"], DeleteAssociatedSnapshots=True)
    names = {"Bucket": "shapes", "Key": "one"}
    s3.put_object(**names, Body=b"bytes", Tagging="a=b")
    s3.get_object(**names)["Body"].read()
    s3.head_object(**names)
    s3.put_object_tagging(**names, Tagging={"TagSet": []})
    s3.copy_object(Bucket="shapes", Key="two", CopySource=names)
    s3.list_buckets()
    s3.head_bucket(Bucket="shapes")
    s3.get_bucket_location(Bucket="shapes")
    s3.list_objects(Bucket="shapes", Delimiter="/")
    joined(s3, "list_objects_v2", "Contents", 2, Bucket="shapes")
    upload = {**names, "UploadId": s3.create_multipart_upload(**names)["UploadId"]}
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    s3.upload_part_copy(**upload, PartNumber=2, CopySource={"Bucket": "shapes", "Key": "two"})
    s3.list_parts(**upload)
    s3.list_multipart_uploads(Bucket="shapes")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    upload = {**names, "UploadId": s3.create_multipart_upload(**names)["UploadId"]}
    s3.abort_multipart_upload(**upload)
    s3.delete_object(**names)
    s3.delete_objects(Bucket="shapes", Delete={"Objects": [{"Key": "two"}, {"Key": f"{image}.bin"}]})
    s3.delete_bucket(Bucket="shapes")


def uses(region, image):
    """What names an image, and what other accounts do with it."""
    ec2 = region.ec2
    named = {"LaunchTemplateData": {"ImageId": image}}
    for number in range(7):
        ec2.create_launch_template(LaunchTemplateName=f"uses-{number}", **named)
    arguments = {"ImageIds": [image], "IncludeAllResourceTypes": True}
    rows = joined(ec2, "describe_image_references", "ImageReferences", 5, **arguments)
    kinds = [one["ResourceType"] for one in rows]
    assert kinds.count("ec2:LaunchTemplate") == 7 and kinds.count("ssm:Parameter") == 1, rows
    depth = [{"OptionName": "version-depth", "OptionValues": ["100"]}]
    only = [{"ResourceType": "ec2:LaunchTemplate", "ResourceTypeOptions": depth}]
    assert len(ec2.describe_image_references(ImageIds=[image], ResourceTypes=only)["ImageReferences"]) == 7
    other = Region(clients.endpoint(), region.name, ("AKIAOTHERACCOUNT0000", "other-secret"), check=False)
    other.ec2.create_launch_template(LaunchTemplateName="theirs", **named)
    tags = [{"ResourceType": "image-usage-report", "Tags": [{"Key": "k", "Value": "v"}]}]
    report = ec2.create_image_usage_report(ImageId=image, ResourceTypes=only, AccountIds=[OTHER], TagSpecifications=tags)
    ids = {"ReportIds": [report["ReportId"]]}
    ec2.create_image_usage_report(ImageId=image, ResourceTypes=[{"ResourceType": "ec2:Instance"}])
    ec2.get_waiter("image_usage_report_available").wait(**ids, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    shown = joined(ec2, "describe_image_usage_reports", "ImageUsageReports", 1)
    assert len(shown) == 2 and shown[0]["ResourceTypes"], shown
    (entry,) = joined(ec2, "describe_image_usage_report_entries", "ImageUsageReportEntries", 1, **ids)
    assert (entry["AccountId"], entry["UsageCount"], entry["ImageId"]) == (OTHER, 1, image), entry
    for one in shown:
        ec2.delete_image_usage_report(ReportId=one["ReportId"])
    joined(ec2, "describe_instance_image_metadata", "InstanceImageMetadata", 1)
    for number in range(7):
        ec2.delete_launch_template(LaunchTemplateName=f"uses-{number}")
    other.ec2.delete_launch_template(LaunchTemplateName="theirs")


def recycle_bin(region):
    """What is deleted can be restored while a rule retains it."""
    ec2, rbin = region.ec2, region.rbin
    period = {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}
    tags = [{"ResourceTagKey": "bin", "ResourceTagValue": "yes"}]
    made = [
        rbin.create_rule(RetentionPeriod=period, ResourceType=kind, ResourceTags=tags)
        for kind in ("EC2_IMAGE", "EBS_SNAPSHOT")
    ]
    assert len(rbin.list_rules(ResourceType="EC2_IMAGE")["Rules"]) == 1
    assert rbin.get_rule(Identifier=made[0]["Identifier"])["ResourceTags"] == tags
    refused("ValidationException", rbin.create_rule, RetentionPeriod=period, ResourceType="EBS_VOLUME")
    tag = [{"Key": "bin", "Value": "yes"}]
    snapshots = [clients.snapshot(region, {0: clients.block(50 + number)}, Tags=tag) for number in range(6)]
    marked = [{"ResourceType": "image", "Tags": tag}]
    images = [
        clients.register(region, snapshot, f"binned-{number}", TagSpecifications=marked)
        for number, snapshot in enumerate(snapshots)
    ]
    for image in images:
        ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    listed = joined(ec2, "list_images_in_recycle_bin", "Images", 2)
    assert sorted(one["ImageId"] for one in listed) == sorted(images), listed
    joined(ec2, "list_snapshots_in_recycle_bin", "Snapshots", 5)
    refused("InvalidSnapshot.NotFound", ec2.restore_image_from_recycle_bin, ImageId=images[0])
    assert ec2.restore_snapshot_from_recycle_bin(SnapshotId=snapshots[0])["State"] == "completed"
    assert clients.read(region, snapshots[0]) == {0: clients.block(50)}
    ec2.restore_image_from_recycle_bin(ImageId=images[0])
    assert clients.image(region, images[0])["Name"] == "binned-0"
    for rule in made:
        rbin.delete_rule(Identifier=rule["Identifier"])
    refused("ResourceNotFoundException", rbin.get_rule, Identifier=made[0]["Identifier"])
    for snapshot, image in zip(snapshots[1:], images[1:]):
        ec2.restore_snapshot_from_recycle_bin(SnapshotId=snapshot)
        ec2.restore_image_from_recycle_bin(ImageId=image)
    for image in images:
        ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)


def gone(region, image, snapshots):
    """Everything goes."""
    region.ec2.deregister_image(ImageId=image)
    for snapshot in snapshots:
        region.ec2.delete_snapshot(SnapshotId=snapshot)
    assert region.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    # Terminated instances are described for a while, with their tags.
    tags = region.ec2.describe_tags()["Tags"]
    assert not [tag for tag in tags if tag["ResourceType"] != "instance"], tags


def covered():
    """Every operation was answered at least once."""
    services = (
        ("autoscaling", AUTOSCALING), ("ec2", EC2), ("kms", KMS), ("rbin", RBIN), ("ssm", SSM), ("s3", S3), ("ebs", EBS)
    )
    for service, names in services:
        missing = [name for name in names if not wire.SEEN[f"{service}:{name}"]]
        assert not missing, f"{service}: {missing} never called"


def nothing_else(region):
    """What the lists above lack is refused as unknown; so they are complete."""
    for client, names, code in (
        (region.autoscaling, AUTOSCALING, "InvalidAction"),
        (region.ec2, EC2, "InvalidAction"),
        (region.ssm, SSM, "UnknownOperationException"),
        (region.kms, KMS, "UnknownOperationException"),
    ):
        for method, operation in client.meta.method_to_api_mapping.items():
            if operation in names or client.meta.service_model.operation_model(operation).endpoint:
                continue
            refused(code, getattr(client, method))


def imports(region):
    """Snapshots of objects."""
    ec2, s3 = region.ec2, region.s3
    s3.create_bucket(Bucket="disks", CreateBucketConfiguration={"LocationConstraint": region.name})
    s3.put_object(Bucket="disks", Key="disk", Body=b"disk" * 1000)
    disk = {"Format": "RAW", "UserBucket": {"S3Bucket": "disks", "S3Key": "disk"}}
    tags = [{"ResourceType": "import-snapshot-task", "Tags": [{"Key": "k", "Value": "v"}]}]
    tasks = [
        ec2.import_snapshot(DiskContainer=disk, Encrypted=True, Description="d", TagSpecifications=tags, ClientToken="t")
        for _ in range(2)
    ]
    ids = [task["ImportTaskId"] for task in tasks]
    assert ids[0] == ids[1] and tasks[0]["SnapshotTaskDetail"]["Status"] == "active", tasks
    other = ec2.import_snapshot(DiskContainer={"Format": "RAW", "Url": "s3://disks/disk"})["ImportTaskId"]
    assert ec2.cancel_import_task(ImportTaskId=other)["State"] == "deleting"
    for _ in range(400):
        (task,) = ec2.describe_import_snapshot_tasks(ImportTaskIds=ids[:1])["ImportSnapshotTasks"]
        detail = task["SnapshotTaskDetail"]
        if detail["Status"] != "active":
            break
        time.sleep(0.02)
    assert detail["Status"] == "completed" and detail["DiskImageSize"] == 4000.0 and task["Tags"], task
    clients.wait(region, "snapshot_completed", SnapshotIds=[detail["SnapshotId"]])
    filters = [{"Name": "task-state", "Values": ["deleted"]}]
    (task,) = ec2.describe_import_snapshot_tasks(Filters=filters)["ImportSnapshotTasks"]
    assert task["ImportTaskId"] == other and task["SnapshotTaskDetail"]["StatusMessage"], task
    # Both have ended, so nothing changes between two answers.
    joined(ec2, "describe_import_snapshot_tasks", "ImportSnapshotTasks", 1)
    ec2.delete_snapshot(SnapshotId=detail["SnapshotId"])
    s3.delete_object(Bucket="disks", Key="disk")
    s3.delete_bucket(Bucket="disks")


def unknown_parameters(region):
    """A parameter that a call does not have is refused by its name, and changes nothing."""
    events = region.ec2.meta.events

    def add(params, **_):
        params["body"]["Colour.1.Shade"] = "red"

    events.register("before-call.ec2", add)
    for method, operation in region.ec2.meta.method_to_api_mapping.items():
        if operation.startswith(("Describe", "Get")) and operation in EC2 and "Attribute" not in operation:
            shape = region.ec2.meta.service_model.operation_model(operation).input_shape
            # What is missing may be refused first.
            if not shape.required_members and not operation.endswith("TemplateVersions"):
                message = refused("UnknownParameter", getattr(region.ec2, method))
                assert message == "The parameter Colour.1.Shade is not recognized", message
    refused("UnknownParameter", region.ec2.enable_ebs_encryption_by_default)
    events.unregister("before-call.ec2", add)
    assert region.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


main()
