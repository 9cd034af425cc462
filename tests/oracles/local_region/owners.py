"""Owners with an alias, as Amazon and sellers of the Marketplace are: what others see of their images, snapshots and parameters,
and what they are refused. Every answer is held against the model."""

import clients
from clients import Region, refused

AMAZON, SELLER, OTHER = "137112412989", "679593333241", "210987654321"
PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def main():
    endpoint = clients.endpoint()
    amazon = Region(endpoint, key=("AKIAAMAZON0000000000", "amazon-secret"))
    seller = Region(endpoint, key=("AKIASELLER0000000000", "seller-secret"))
    other = Region(endpoint, key=("AKIAOTHERACCOUNT0000", "other-secret"))
    image, snapshot = public_image(amazon, "al2023-ami-2023.1-x86_64")
    images(other, image, snapshot)
    parameters(amazon, other, image)
    blocks(other, snapshot)
    marketplace(seller, other)
    allowed(other, image)
    print("OK")


def public_image(region, name):
    """An image that everybody may launch, and its snapshot."""
    snapshot = clients.snapshot(region, {0: clients.block(7)})
    image = clients.register(region, snapshot, name)
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    return image, snapshot


def publish_snapshot(region, snapshot, code=None):
    change = dict(SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"])
    if code:
        refused(code, region.ec2.modify_snapshot_attribute, **change)
    else:
        region.ec2.modify_snapshot_attribute(**change)


def found(region, **names):
    return [image["ImageId"] for image in region.ec2.describe_images(**names)["Images"]]


def images(other, image, snapshot):
    """By the alias, by the account, by filters; and no other word is an owner."""
    filters = lambda name, value: [{"Name": name, "Values": [value]}]
    assert found(other, Owners=["amazon"]) == [image]
    assert found(other, Owners=[AMAZON]) == [image]
    assert found(other, Owners=["self"]) == [] == found(other, Owners=["aws-marketplace"])
    assert found(other, Owners=["self", "amazon"]) == [image]
    assert found(other, Owners=["amazon"], Filters=filters("name", "al2023-ami-2023.*-x86_64")) == [image]
    assert found(other, Owners=["amazon"], Filters=filters("architecture", "arm64")) == []
    assert found(other, Filters=filters("owner-alias", "amazon")) == [image]
    assert found(other, Filters=filters("owner-alias", "aws-marketplace")) == []
    described = clients.image(other, image)
    assert (described["OwnerId"], described["ImageOwnerAlias"]) == (AMAZON, "amazon"), described
    assert "ProductCodes" not in described or described["ProductCodes"] == [], described
    for names in ({"Owners": ["amazn"]}, {"Owners": ["12345"]}, {"ExecutableUsers": ["amazon"]}):
        refused("InvalidUserID.Malformed", other.ec2.describe_images, **names)
    for names in ({"OwnerIds": ["aws-marketplace"]}, {"RestorableByUserIds": ["amazon"]}):
        refused("InvalidUserID.Malformed", other.ec2.describe_snapshots, **names)
    # A public image whose snapshot is not shared: it can be started, and nothing else.
    refused("InvalidSnapshot.NotFound", other.ec2.describe_snapshots, SnapshotIds=[snapshot])
    refused("InvalidRequest", other.ec2.copy_image, Name="copy", SourceImageId=image, SourceRegion=other.name)


def parameters(amazon, other, image):
    """Amazon alone writes public parameters, and everybody reads them; they are in no list of an account's own."""
    put = dict(Name=PARAMETER, Value=image, Type="String", DataType="aws:ec2:image")
    refused("AccessDeniedException", other.ssm.put_parameter, **put)
    amazon.ssm.put_parameter(**put)
    got = other.ssm.get_parameter(Name=PARAMETER)["Parameter"]
    assert (got["Value"], got["Version"], got["DataType"]) == (image, 1, "aws:ec2:image"), got
    assert got["ARN"] == f"arn:aws:ssm:{other.name}::parameter{PARAMETER}", got
    assert other.ssm.get_parameter(Name=f"{PARAMETER}:1")["Parameter"]["Value"] == image
    assert other.ssm.get_parameters(Names=[PARAMETER])["Parameters"][0]["Value"] == image
    assert clients.image(other, image)["PublicSsmParameterName"] == PARAMETER
    named = [{"Name": "public-ssm-parameter-name", "Values": ["/aws/service/ami-amazon-linux-*"]}]
    assert found(other, Filters=named) == [image]
    path = PARAMETER.rsplit("/", 1)[0]
    below = other.ssm.get_parameters_by_path(Path=path)["Parameters"]
    assert [one["Name"] for one in below] == [PARAMETER], below
    assert other.ssm.get_parameters_by_path(Path="/", Recursive=True)["Parameters"] == []
    for region in (amazon, other):
        assert region.ssm.describe_parameters()["Parameters"] == []
    refused("AccessDeniedException", other.ssm.delete_parameter, Name=PARAMETER)
    assert other.ssm.delete_parameters(Names=[PARAMETER])["InvalidParameters"] == [PARAMETER]
    label = dict(Name=PARAMETER, ParameterVersion=1, Labels=["mine"])
    refused("AccessDeniedException", other.ssm.label_parameter_version, **label)
    refused("ParameterNotFound", other.ssm.get_parameter, Name=PARAMETER + "-arm64")


def blocks(other, snapshot):
    """EBS direct reads no public snapshot; a copy of it is the account's own."""
    amazon = Region(clients.endpoint(), key=("AKIAAMAZON0000000000", "amazon-secret"))
    refused("ResourceNotFoundException", other.ebs.list_snapshot_blocks, SnapshotId=snapshot)
    publish_snapshot(amazon, snapshot)
    (described,) = other.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert described["OwnerAlias"] == "amazon", described
    listed = other.ec2.describe_snapshots(OwnerIds=["amazon"])["Snapshots"]
    assert [one["SnapshotId"] for one in listed] == [snapshot], listed
    message = refused("ValidationException", other.ebs.list_snapshot_blocks, SnapshotId=snapshot)
    assert "Public snapshots are not supported" in message, message
    copy = other.ec2.copy_snapshot(SourceSnapshotId=snapshot, SourceRegion=other.name)["SnapshotId"]
    clients.wait(other, "snapshot_completed", SnapshotIds=[copy])
    assert clients.read(other, copy) == {0: clients.block(7)}
    other.ec2.delete_snapshot(SnapshotId=copy)


def marketplace(seller, other):
    """What a seller owns has a product code, and stays where it is."""
    image, snapshot = public_image(seller, "appliance 1.0")
    described = clients.image(other, image)
    assert described["ImageOwnerAlias"] == "aws-marketplace", described
    (code,) = described["ProductCodes"]
    assert code["ProductCodeType"] == "marketplace" and len(code["ProductCodeId"]) == 25, code
    by_code = [{"Name": "product-code", "Values": [code["ProductCodeId"]]}]
    assert found(other, Filters=by_code) == [image]
    publish_snapshot(seller, snapshot, code="InvalidParameterValue")
    refused("ResourceNotFoundException", other.ebs.list_snapshot_blocks, SnapshotId=snapshot)
    refused("InvalidSnapshot.NotFound", other.ec2.copy_snapshot, SourceSnapshotId=snapshot, SourceRegion=other.name)
    # Not even where the snapshot is shared by name.
    seller.ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=[OTHER]
    )
    refused("InvalidRequest", other.ec2.copy_image, Name="copy", SourceImageId=image, SourceRegion=other.name)


def allowed(other, image):
    """Allowed AMIs know providers by their alias."""
    set_criteria = other.ec2.replace_image_criteria_in_allowed_images_settings
    other.ec2.enable_allowed_images_settings(AllowedImagesSettingsState="enabled")
    set_criteria(ImageCriteria=[{"ImageProviders": ["aws-marketplace"]}])
    assert found(other, Owners=["amazon"]) == []
    set_criteria(ImageCriteria=[{"ImageProviders": ["amazon"]}])
    assert found(other, Owners=["amazon"]) == [image]
    other.ec2.disable_allowed_images_settings()


main()
