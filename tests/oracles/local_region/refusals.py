"""Calls that AWS refuses, and their error codes: tables of calls, and functions for what does not fit a table."""

import datetime

import clients
import sharing
from clients import ACCOUNT, Region, refused

OTHER = "210987654321"
OTHER_KEY = ("AKIAOTHERACCOUNT0000", "other-secret")
HVM = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda"}


def main():
    region = Region(clients.endpoint(), check=False)
    other = Region(clients.endpoint(), key=OTHER_KEY, check=False)
    root = clients.snapshot(region, {0: clients.block(1)}, size=4)
    sealed = clients.snapshot(region, {0: clients.block(2)}, Encrypted=True)
    image = clients.register(region, root, "refusals")
    registering(region, root, image)
    describing(region, root)
    attributes(region, other, image, root, sealed)
    governing(region, image)
    copying(region, other, image, root)
    tagging(region, image)
    templates(region)
    parameters(region)
    keys(region, other)
    sharing.refusals(region, other, image, root)
    shared(region, other, image, root)
    defaults(region, root)
    dry_runs(region, image, root)
    print("OK")


def mapping(**ebs):
    """A root device."""
    return [{"DeviceName": "/dev/xvda", "Ebs": ebs}]


def registering(region, root, image):
    """RegisterImage."""
    call, good = region.ec2.register_image, {**HVM, "Name": "new", "BlockDeviceMappings": mapping(SnapshotId=root)}
    missing = "snap-0123456789abcdef0"
    pending = clients.start(region, {})
    disk = {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 1}}
    table = [
        ("MissingParameter", {"Name": None}),
        ("InvalidAMIName.Malformed", {"Name": "ab"}),
        ("InvalidAMIName.Malformed", {"Name": "a" * 129}),
        ("InvalidAMIName.Malformed", {"Name": "tab\there"}),
        ("InvalidAMIName.Malformed", {"Name": "per%cent"}),
        ("InvalidAMIName.Duplicate", {"Name": "refusals"}),
        ("InvalidParameterValue", {"Description": "d" * 256}),
        ("InvalidParameterValue", {"Architecture": "riscv64"}),
        ("InvalidParameterValue", {"VirtualizationType": "container"}),
        ("InvalidParameterValue", {"BootMode": "bios"}),
        ("InvalidParameterValue", {"TpmSupport": "v1.2", "BootMode": "uefi"}),
        ("InvalidParameterValue", {"ImdsSupport": "v1.0"}),
        ("InvalidParameterValue", {"SriovNetSupport": "complex"}),
        ("InvalidParameterValue", {"UefiData": "*", "BootMode": "uefi"}),
        ("InvalidParameterValue", {"UefiData": "QUJD", "BootMode": "uefi"}),
        ("InvalidParameterValue", {"UefiData": "QU1aTlVFRknHS2dJAAAAAA==", "BootMode": "uefi"}),
        ("InvalidParameterValue", {"UefiData": "QUJD" * 16001, "BootMode": "uefi"}),
        ("InvalidParameterCombination", {"UefiData": "QUJD", "BootMode": "legacy-bios"}),
        ("InvalidParameterCombination", {"TpmSupport": "v2.0"}),
        ("InvalidParameterCombination", {"TpmSupport": "v2.0", "BootMode": "legacy-bios"}),
        ("InvalidParameterCombination", {"TpmSupport": "v2.0", "BootMode": "uefi-preferred"}),
        ("InvalidParameterCombination", {"Architecture": "arm64", "BootMode": "legacy-bios"}),
        ("InvalidParameterCombination", {"VirtualizationType": "paravirtual", "EnaSupport": True}),
        ("InvalidParameterCombination", {"VirtualizationType": "paravirtual", "SriovNetSupport": "simple"}),
        ("InvalidParameterCombination", {"KernelId": "aki-12345678"}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": []}),
        ("InvalidBlockDeviceMapping", {"RootDeviceName": "/dev/sda1"}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": mapping(VolumeSize=8)}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": mapping(SnapshotId=root) * 2}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": mapping(SnapshotId=root, VolumeSize=3)}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": [{**disk, "VirtualName": "ephemeral0"}]}),
        ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": [{"DeviceName": "/dev/xvdb"}]}),
        ("InvalidParameterValue", {"BlockDeviceMappings": [{"DeviceName": "/dev/xvdb", "VirtualName": "disk0"}]}),
        ("MissingParameter", {"BlockDeviceMappings": mapping(VolumeType="gp3")}),
        ("MissingParameter", {"BlockDeviceMappings": [{"Ebs": {"SnapshotId": root}}]}),
        ("MissingParameter", {"BlockDeviceMappings": mapping(SnapshotId=root, VolumeType="io2")}),
        ("InvalidParameter", {"BlockDeviceMappings": mapping(SnapshotId=root, Encrypted=True)}),
        ("InvalidParameterDependency", {"BlockDeviceMappings": mapping(SnapshotId=root, KmsKeyId="k")}),
        ("InvalidParameterValue", {"BlockDeviceMappings": mapping(SnapshotId=root, VolumeType="gp9")}),
        ("InvalidParameterValue", {"BlockDeviceMappings": mapping(SnapshotId=root, VolumeSize=20000)}),
        ("InvalidParameterValue", {"BlockDeviceMappings": mapping(SnapshotId=root, VolumeType="gp3", Iops=2999)}),
        ("InvalidParameterCombination", {"BlockDeviceMappings": mapping(SnapshotId=root, Iops=3000)}),
        ("InvalidParameterCombination", {"BlockDeviceMappings": mapping(SnapshotId=root, Throughput=125)}),
        ("InvalidParameterValue", {"BlockDeviceMappings": mapping(SnapshotId="vol-1")}),
        ("InvalidSnapshotID.NotFound", {"BlockDeviceMappings": mapping(SnapshotId=missing)}),
        ("IncorrectState", {"BlockDeviceMappings": mapping(SnapshotId=pending)}),
        ("AuthFailure", {"BillingProducts": ["bp-1"]}),
        ("InvalidManifest", {"BlockDeviceMappings": [], "ImageLocation": "bucket/image.manifest.xml"}),
        ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "snapshot", "Tags": [{"Key": "k"}]}]}),
        ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "image", "Tags": [{"Key": "aws:k"}]}]}),
    ]
    for code, change in table:
        params = {key: value for key, value in {**good, **change}.items() if value is not None}
        refused(code, call, **params)
    messages = {
        f"AMI name refusals is already in use by AMI {image}": ({"Name": "refusals"}, "InvalidAMIName.Duplicate"),
        "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', "
        "'/' and '_'": ({"Name": "ab"}, "InvalidAMIName.Malformed"),
        "No root snapshot specified in device mapping.": ({"RootDeviceName": "/dev/x"}, "InvalidBlockDeviceMapping"),
        f"The snapshot ID '{missing}' does not exist": (
            {"BlockDeviceMappings": mapping(SnapshotId=missing)},
            "InvalidSnapshotID.NotFound",
        ),
        "Parameter encrypted is invalid. You cannot specify the encrypted flag if specifying a snapshot id in a block "
        "device mapping.": ({"BlockDeviceMappings": mapping(SnapshotId=root, Encrypted=False)}, "InvalidParameter"),
    }
    for message, (change, code) in messages.items():
        assert refused(code, call, **{**good, **change}) == message, message
    region.ec2.delete_snapshot(SnapshotId=pending)


def describing(region, root):
    """DescribeImages, DescribeSnapshots, DescribeTags."""
    images, snapshots = region.ec2.describe_images, region.ec2.describe_snapshots
    unknown = "ami-0123456789abcdef0"
    message = refused("InvalidAMIID.NotFound", images, ImageIds=[unknown])
    assert message == f"The image id '[{unknown}]' does not exist", message
    refused("InvalidAMIID.Malformed", images, ImageIds=["ami-00000000000000000"])
    refused("InvalidAMIID.Malformed", images, ImageIds=["img-1"])
    refused("InvalidParameterValue", images, MaxResults=4)
    refused("InvalidParameterValue", images, MaxResults=1001)
    refused("InvalidParameterCombination", images, ImageIds=[unknown], MaxResults=5)
    refused("InvalidParameterValue", images, Filters=[{"Name": "colour", "Values": ["red"]}])
    refused("InvalidParameterValue", images, Filters=[{"Name": "name", "Values": []}])
    refused("InvalidNextToken", images, NextToken="nonsense")
    message = refused("InvalidSnapshot.NotFound", snapshots, SnapshotIds=["snap-0123456789abcdef0"])
    assert message == "The snapshot 'snap-0123456789abcdef0' does not exist.", message
    refused("InvalidParameterValue", snapshots, SnapshotIds=["snapshot"])
    refused("InvalidParameterCombination", snapshots, SnapshotIds=[root], MaxResults=5)
    refused("InvalidParameterValue", snapshots, MaxResults=4)
    refused("InvalidParameterValue", region.ec2.describe_tags, Filters=[{"Name": "colour", "Values": ["red"]}])
    refused("InvalidParameterValue", region.ec2.describe_regions, RegionNames=["nowhere-1"])


def attributes(region, other, image, root, sealed):
    """Image and snapshot attributes, and what encryption forbids."""
    modify, describe = region.ec2.modify_image_attribute, region.ec2.describe_image_attribute
    message = refused("InvalidParameterCombination", modify, ImageId=image)
    assert message == "No attributes specified.", message
    both = {"Description": {"Value": "x"}, "ImdsSupport": {"Value": "v2.0"}}
    message = refused("InvalidParameterCombination", modify, ImageId=image, **both)
    assert message.startswith("Fields for multiple attribute types specified: "), message
    bad = {"LaunchPermission": {"Add": [{"UserId": "123 "}]}}
    message = refused("InvalidAMIAttributeItemValue", modify, ImageId=image, **bad)
    assert message == 'Invalid attribute item value "123 " for userId item type.', message
    refused("InvalidAMIAttributeItemValue", modify, ImageId=image, LaunchPermission={"Add": [{"Group": "some"}]})
    refused("MissingParameter", modify, ImageId=image, UserIds=[OTHER])
    refused("MissingParameter", modify, ImageId=image, OperationType="add")
    refused("MissingParameter", modify, Description={"Value": "x"})
    refused("InvalidParameterValue", modify, ImageId=image, ImdsSupport={"Value": "v1.0"})
    refused("InvalidParameterValue", modify, ImageId=image, Description={"Value": "x" * 256})
    message = refused("InvalidParameterValue", modify, ImageId=image, Description={"Value": "Büro"})
    assert message == "Character sets beyond ASCII are not supported.", message
    message = refused("InvalidParameterValue", modify, ImageId=image, Attribute="description", Value="Büro")
    assert message == "Character sets beyond ASCII are not supported.", message
    refused("AuthFailure", modify, ImageId=image, ProductCodes=["p"])
    message = refused("AuthFailure", describe, ImageId=image, Attribute="blockDeviceMapping")
    assert message == "Unauthorized attempt to access restricted resource", message
    refused("InvalidParameterValue", describe, ImageId=image, Attribute="colour")
    refused("MissingParameter", describe, ImageId=image)
    refused("InvalidParameterValue", region.ec2.reset_image_attribute, ImageId=image, Attribute="description")
    refused("InvalidAMIID.NotFound", other.ec2.describe_image_attribute, ImageId=image, Attribute="description")
    region.ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    public = {"LaunchPermission": {"Add": [{"Group": "all"}]}}
    refused("OperationNotPermitted", modify, ImageId=image, **public)
    region.ec2.disable_image_block_public_access()
    secret = clients.register(region, sealed, "refusals-sealed")
    refused("InvalidParameter", modify, ImageId=secret, **public)
    refused("InvalidParameter", modify, ImageId=secret, LaunchPermission={"Add": [{"UserId": OTHER}]})
    region.ec2.deregister_image(ImageId=secret)
    snapshot_attributes(region, root, sealed)


def snapshot_attributes(region, root, sealed):
    """Sharing of snapshots."""
    modify = region.ec2.modify_snapshot_attribute
    attribute = {"Attribute": "createVolumePermission", "OperationType": "add"}
    refused("InvalidParameterValue", modify, SnapshotId=sealed, GroupNames=["all"], **attribute)
    refused("InvalidParameterValue", modify, SnapshotId=sealed, UserIds=[OTHER], **attribute)
    refused("MissingParameter", modify, SnapshotId=root)
    both = {"Add": [{"UserId": OTHER}], "Remove": [{"UserId": ACCOUNT}]}
    refused("InvalidParameterCombination", modify, SnapshotId=root, CreateVolumePermission=both)
    many = [f"{number:012}" for number in range(501)]
    refused("InvalidParameterValue", modify, SnapshotId=root, UserIds=many, **attribute)
    pending = clients.start(region, {})
    refused("IncorrectState", modify, SnapshotId=pending, UserIds=[OTHER], **attribute)
    region.ec2.delete_snapshot(SnapshotId=pending)
    for state in ("block-all-sharing", "block-new-sharing"):
        region.ec2.enable_snapshot_block_public_access(State=state)
        refused("OperationNotPermitted", modify, SnapshotId=root, GroupNames=["all"], **attribute)
    refused("InvalidParameterValue", region.ec2.enable_snapshot_block_public_access, State="unblocked")
    region.ec2.disable_snapshot_block_public_access()
    # A key of one's own can be shared.
    key = f"arn:aws:kms:{region.name}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    own = clients.snapshot(region, {0: clients.block(3)}, Encrypted=True, KmsKeyArn=key)
    modify(SnapshotId=own, UserIds=[OTHER], **attribute)
    region.ec2.delete_snapshot(SnapshotId=own)


def governing(region, image):
    """Deprecation, disabling, protection."""
    now = datetime.datetime.now(datetime.timezone.utc)
    deprecate = region.ec2.enable_image_deprecation
    refused("InvalidParameterValue", deprecate, ImageId=image, DeprecateAt=now - datetime.timedelta(days=1))
    refused("InvalidParameterValue", deprecate, ImageId=image, DeprecateAt=now + datetime.timedelta(days=3670))
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    refused("InvalidParameterValue", deprecate, ImageId=image, DeprecateAt=now + datetime.timedelta(days=740))
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"Group": "all"}]})
    refused("IncorrectState", region.ec2.enable_image, ImageId=image)
    region.ec2.disable_image(ImageId=image)
    refused("IncorrectState", region.ec2.disable_image, ImageId=image)
    share = {"LaunchPermission": {"Add": [{"UserId": OTHER}]}}
    refused("IncorrectState", region.ec2.modify_image_attribute, ImageId=image, **share)
    refused("IncorrectState", region.ec2.copy_image, Name="x-copy", SourceImageId=image, SourceRegion=region.name)
    region.ec2.enable_image(ImageId=image)
    region.ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=True)
    refused("OperationNotPermitted", region.ec2.deregister_image, ImageId=image)
    region.ec2.disable_image_deregistration_protection(ImageId=image)
    refused("OperationNotPermitted", region.ec2.deregister_image, ImageId=image)


def copying(region, other, image, root):
    """CopyImage and CopySnapshot."""
    copy = {"Name": "a-copy", "SourceImageId": image, "SourceRegion": region.name}
    table = [
        ("MissingParameter", {"Name": None}),
        ("MissingParameter", {"SourceRegion": None}),
        ("InvalidAMIName.Duplicate", {"Name": "refusals"}),
        ("InvalidAMIID.NotFound", {"SourceRegion": "local-7"}),
        ("InvalidParameterValue", {"SourceRegion": "Nowhere!"}),
        ("InvalidParameterDependency", {"KmsKeyId": "alias/x"}),
        ("InvalidKMSKey.NotFound", {"Encrypted": True, "KmsKeyId": "arn:aws:kms:elsewhere:123456789012:key/1"}),
        ("InvalidParameterValue", {"SnapshotCopyCompletionDurationMinutes": 20}),
        ("InvalidParameterValue", {"DestinationAvailabilityZone": "local-a-1"}),
        ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "k"}]}]}),
    ]
    for code, change in table:
        params = {key: value for key, value in {**copy, **change}.items() if value is not None}
        refused(code, region.ec2.copy_image, **params)
    refused("InvalidAMIID.NotFound", other.ec2.copy_image, **copy)
    refused("InvalidSnapshot.NotFound", other.ec2.copy_snapshot, SourceSnapshotId=root, SourceRegion=region.name)


def tagging(region, image):
    """CreateTags."""
    create, one = region.ec2.create_tags, [{"Key": "k", "Value": "v"}]
    refused("MissingParameter", create, Resources=[image])
    refused("MissingParameter", create, Tags=one)
    refused("InvalidID", create, Resources=["thing-1"], Tags=one)
    refused("InvalidAMIID.NotFound", create, Resources=["ami-0123456789abcdef0"], Tags=one)
    refused("InvalidParameterValue", create, Resources=[image], Tags=[{"Key": "AWS:x", "Value": ""}])
    refused("InvalidParameterValue", create, Resources=[image], Tags=[{"Key": "k" * 128, "Value": ""}])
    refused("InvalidParameterValue", create, Resources=[image], Tags=[{"Key": "k", "Value": "v" * 256}])
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    refused("TagLimitExceeded", create, Resources=[image], Tags=many)


def templates(region):
    """Launch templates."""
    ec2, data = region.ec2, {"LaunchTemplateData": {"InstanceType": "t3.micro"}}
    ec2.create_launch_template(LaunchTemplateName="refusals", **data)
    table = [
        ("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template, {"LaunchTemplateName": "refusals", **data}),
        ("InvalidLaunchTemplateName.MalformedException", ec2.create_launch_template, {"LaunchTemplateName": "a b", **data}),
        ("MissingParameter", ec2.create_launch_template, {"LaunchTemplateName": "no-data"}),
        ("MissingParameter", ec2.modify_launch_template, {"DefaultVersion": "1"}),
        ("InvalidLaunchTemplateName.NotFoundException", ec2.delete_launch_template, {"LaunchTemplateName": "none"}),
        ("InvalidLaunchTemplateId.NotFound", ec2.delete_launch_template, {"LaunchTemplateId": "lt-0123456789abcdef0"}),
        ("InvalidLaunchTemplateId.Malformed", ec2.delete_launch_template, {"LaunchTemplateId": "template"}),
        ("InvalidLaunchTemplateId.VersionNotFound", ec2.modify_launch_template, {"LaunchTemplateName": "refusals", "DefaultVersion": "7"}),
        ("InvalidParameterValue", ec2.modify_launch_template, {"LaunchTemplateName": "refusals", "DefaultVersion": "x"}),
        ("InvalidLaunchTemplateId.VersionNotFound", ec2.describe_launch_template_versions, {"LaunchTemplateName": "refusals", "Versions": ["7"]}),
    ]  # fmt: skip
    for code, call, params in table:
        refused(code, call, **params)


def parameters(region):
    """SSM."""
    ssm = region.ssm
    ssm.put_parameter(Name="/r/one", Type="String", Value="1")
    put = {"Name": "/r/two", "Type": "String", "Value": "2"}
    table = [
        ("ParameterAlreadyExists", {"Name": "/r/one"}),
        ("ValidationException", {"Type": None}),
        ("ValidationException", {"Type": "Number"}),
        ("ValidationException", {"Value": None}),
        ("ValidationException", {"Value": "v" * 4097}),
        ("ValidationException", {"Value": "v" * 8193, "Tier": "Advanced"}),
        ("ValidationException", {"Name": "/r/two words"}),
        ("ValidationException", {"Name": "r/two"}),
        ("ValidationException", {"Name": "ssm-thing"}),
        ("AccessDeniedException", {"Name": "/aws/thing"}),
        ("HierarchyLevelLimitExceededException", {"Name": "/a" * 16}),
        ("ValidationException", {"DataType": "aws:ec2:image", "Type": "SecureString"}),
        ("HierarchyTypeMismatchException", {"Name": "/r/one", "Type": "StringList", "Overwrite": True}),
        ("ValidationException", {"Name": "/r/one", "DataType": "aws:ec2:image", "Overwrite": True}),
        ("ValidationException", {"Name": "/r/one", "Overwrite": True, "Tags": [{"Key": "k", "Value": "v"}]}),
        ("InvalidAllowedPatternException", {"AllowedPattern": "a*"}),
    ]
    for code, change in table:
        params = {key: value for key, value in {**put, **change}.items() if value is not None}
        refused(code, ssm.put_parameter, **params)
    refused("ParameterNotFound", ssm.get_parameter, Name="/r/none")
    refused("ParameterVersionNotFound", ssm.get_parameter, Name="/r/one:2")
    refused("ParameterNotFound", ssm.delete_parameter, Name="/r/none")
    refused("ValidationException", ssm.get_parameters, Names=[f"/r/{n}" for n in range(11)])
    refused("ValidationException", ssm.get_parameters_by_path, Path="r")
    refused("ValidationException", ssm.get_parameters_by_path, Path="/r", MaxResults=11)
    bad = [{"Key": "Colour", "Values": ["red"]}]
    refused("InvalidFilterKey", ssm.describe_parameters, ParameterFilters=bad)
    refused("InvalidNextToken", ssm.describe_parameters, NextToken="?")
    refused("InvalidResourceId", ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="/r/none")


def keys(region, other):
    """KMS."""
    kms = region.kms
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/r", TargetKeyId=key["KeyId"])
    refused("AlreadyExistsException", kms.create_alias, AliasName="alias/r", TargetKeyId=key["KeyId"])
    refused("InvalidAliasNameException", kms.create_alias, AliasName="alias/two words", TargetKeyId=key["KeyId"])
    refused("InvalidAliasNameException", kms.create_alias, AliasName="r", TargetKeyId=key["KeyId"])
    refused("NotAuthorizedException", kms.create_alias, AliasName="alias/aws/mine", TargetKeyId=key["KeyId"])
    refused("NotFoundException", kms.create_alias, AliasName="alias/s", TargetKeyId="alias/none")
    refused("NotFoundException", kms.delete_alias, AliasName="alias/none")
    refused("NotFoundException", kms.update_alias, AliasName="alias/none", TargetKeyId=key["KeyId"])
    refused("NotFoundException", kms.describe_key, KeyId="alias/none")
    refused("NotFoundException", kms.describe_key, KeyId="01234567-89ab-cdef-0123-456789abcdef")
    elsewhere = key["Arn"].replace(f":{region.name}:", ":local-2:")
    refused("InvalidArnException", kms.describe_key, KeyId=elsewhere)
    refused("InvalidArnException", kms.disable_key, KeyId="alias/r")
    refused("ValidationException", kms.create_key, KeySpec="RSA_2048", KeyUsage="GENERATE_VERIFY_MAC")
    refused("ValidationException", kms.list_keys, Limit=1001)
    refused("NotFoundException", other.kms.describe_key, KeyId=key["KeyId"])
    refused("AccessDeniedException", kms.disable_key, KeyId=kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["KeyId"])


def shared(region, other, image, root):
    """What another account sees and may do: nothing, until it is shared with; never the owner's part."""
    refused("InvalidAMIID.NotFound", other.ec2.describe_images, ImageIds=[image])
    refused("InvalidSnapshot.NotFound", other.ec2.describe_snapshots, SnapshotIds=[root])
    assert other.ec2.describe_images()["Images"] == []
    region.ec2.create_tags(Resources=[image], Tags=[{"Key": "mine", "Value": "yes"}])
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER}]})
    seen = clients.image(other, image)
    assert seen["OwnerId"] == ACCOUNT and "Tags" not in seen and "DeregistrationProtection" not in seen
    assert len(other.ec2.describe_images(ExecutableUsers=["self"])["Images"]) == 1
    assert other.ec2.describe_images(Owners=["self"])["Images"] == []
    assert len(other.ec2.describe_images(Owners=[ACCOUNT])["Images"]) == 1
    for call, more in (
        (other.ec2.deregister_image, {}),
        (other.ec2.modify_image_attribute, {"Description": {"Value": "mine"}}),
        (other.ec2.disable_image, {}),
        (other.ec2.describe_image_attribute, {"Attribute": "launchPermission"}),
    ):
        refused("AuthFailure", call, ImageId=image, **more)
    refused("AuthFailure", other.ec2.create_tags, Resources=[image], Tags=[{"Key": "k", "Value": "v"}])
    # To launch it one needs the image; to copy it, its snapshots too.
    copy = {"Name": "taken", "SourceImageId": image, "SourceRegion": region.name}
    refused("InvalidRequest", other.ec2.copy_image, **copy)
    region.ec2.modify_snapshot_attribute(SnapshotId=root, OperationType="add", UserIds=[OTHER])
    taken = other.ec2.copy_image(**copy)["ImageId"]
    assert clients.image(other, taken)["OwnerId"] == OTHER
    refused("AuthFailure", other.ec2.delete_snapshot, SnapshotId=root)
    region.ec2.modify_image_attribute(ImageId=image, OperationType="remove", UserIds=[OTHER])
    refused("InvalidAMIID.NotFound", other.ec2.describe_images, ImageIds=[image])


def defaults(region, root):
    """What a minimal register gives, as it was seen of a real region."""
    id = region.ec2.register_image(
        Name="minimal", RootDeviceName="/dev/sda1", BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": root}}]
    )["ImageId"]  # fmt: skip
    found = clients.image(region, id)
    created = found.pop("CreationDate")
    assert created.endswith(".000Z") and len(created) == 24, created
    want = {
        "Architecture": "i386",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {
                    "DeleteOnTermination": True,
                    "Encrypted": False,
                    "SnapshotId": root,
                    "VolumeSize": 4,
                    "VolumeType": "gp2",
                },
            }
        ],
        "DeregistrationProtection": "disabled",
        "FreeTierEligible": True,
        "Hypervisor": "xen",
        "ImageId": id,
        "ImageLocation": f"{ACCOUNT}/minimal",
        "ImageType": "machine",
        "Name": "minimal",
        "OwnerId": ACCOUNT,
        "PlatformDetails": "Linux/UNIX",
        "Public": False,
        "RootDeviceName": "/dev/sda1",
        "RootDeviceType": "ebs",
        "State": "available",
        "UsageOperation": "RunInstances",
        "VirtualizationType": "paravirtual",
    }
    assert found == want, found
    region.ec2.deregister_image(ImageId=id)


def dry_runs(region, image, root):
    """A dry run says that it would, or why it would not, and does nothing."""
    ec2 = region.ec2
    table = [
        (ec2.describe_images, {}),
        (ec2.describe_snapshots, {}),
        (ec2.register_image, {**HVM, "Name": "dry", "BlockDeviceMappings": mapping(SnapshotId=root)}),
        (ec2.copy_image, {"Name": "dry", "SourceImageId": image, "SourceRegion": region.name}),
        (ec2.copy_snapshot, {"SourceSnapshotId": root, "SourceRegion": region.name}),
        (ec2.create_tags, {"Resources": [image], "Tags": [{"Key": "dry", "Value": "run"}]}),
        (ec2.disable_image, {"ImageId": image}),
        (ec2.modify_image_attribute, {"ImageId": image, "Description": {"Value": "dry"}}),
        (ec2.enable_ebs_encryption_by_default, {}),
        (ec2.create_launch_template, {"LaunchTemplateName": "dry", "LaunchTemplateData": {"ImageId": image}}),
    ]
    before = clients.image(region, image)
    for call, params in table:
        message = refused("DryRunOperation", call, DryRun=True, **params)
        assert message == "Request would have succeeded, but DryRun flag is set.", message
    assert clients.image(region, image) == before
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=root, DryRun=True)
    refused("InvalidAMIName.Malformed", ec2.register_image, Name="x", DryRun=True)


main()
