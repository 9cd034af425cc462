"""Fills a region with everything that its page shows, by boto3: versions of a snapshot, AMIs, channels with a history,
sharing, a copy, a stored image, an unfinished upload, and names that a browser must not obey."""

import clients
from clients import Region

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def main():
    here, there = Region(clients.endpoint()), Region(clients.endpoint(), "local-2")
    tags = [{"Key": "Name", "Value": HOSTILE}, {"Key": "k" * 127, "Value": "v" * 255}]
    blocks = {index: clients.block(index) for index in (0, 1)}
    first = clients.snapshot(here, blocks, Description=HOSTILE, Tags=tags)
    child = {1: clients.block(9), 2: bytes(clients.BLOCK)}
    second = clients.snapshot(here, child, ParentSnapshotId=first, Description="version 2")
    images = [clients.register(here, first, "web-1"), clients.register(here, second, "n" * 128)]
    images = [one if isinstance(one, str) else one["ImageId"] for one in images]
    here.ec2.create_tags(Resources=images, Tags=tags)
    here.ec2.modify_image_attribute(ImageId=images[0], LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    here.ec2.modify_snapshot_attribute(
        SnapshotId=first, Attribute="createVolumePermission", OperationType="add", UserIds=["111122223333"]
    )
    here.ec2.enable_image_deregistration_protection(ImageId=images[0], WithCooldown=False)
    put = {"Name": "/web/stable", "Type": "String", "DataType": "aws:ec2:image"}
    here.ssm.put_parameter(Value=images[0], Description=HOSTILE, **put)
    here.ssm.put_parameter(Value=images[1], Overwrite=True, **put)
    there.ec2.copy_image(Name="web-1", SourceImageId=images[0], SourceRegion="local")
    here.s3.create_bucket(Bucket="images", CreateBucketConfiguration={"LocationConstraint": "local"})
    here.ec2.create_store_image_task(ImageId=images[0], Bucket="images")
    clients.start(here, {0: clients.block(5)}, Description="an unfinished upload")


main()
