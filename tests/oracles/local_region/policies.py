"""Requests under a policy, with boto3: each service refuses what is not allowed with its own error."""

import botocore.exceptions

import clients
from clients import Region


def error_of(call, **params):
    """The code, the status and the message of a refused call."""
    try:
        call(**params)
    except botocore.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status, error.response["Error"].get("Message", "")
    raise AssertionError(f"{params} was allowed")


def refused(action, code, status, call, **params):
    """A call is refused with a code and a status, and its message names the sender and the action."""
    found = error_of(call, **params)
    assert found[:2] == (code, status), found
    assert f"user/AKIAREADER0000000000 is not authorized to perform: {action} " in found[2], found


def main():
    root = Region(clients.endpoint())
    reader = Region(clients.endpoint(), key=("AKIAREADER0000000000", "reader-secret"))
    made = clients.start(root, {0: clients.block(1)})
    clients.complete(root, made, {0: clients.block(1)})
    clients.wait(root, "snapshot_completed", SnapshotIds=[made])
    image = clients.register(root, made, "policies")

    # Allowed: describing, and reading objects.
    assert [one["ImageId"] for one in reader.ec2.describe_images(Owners=["self"])["Images"]] == [image]
    assert reader.ec2.describe_regions()["Regions"]
    code, status, _ = error_of(reader.ec2.describe_images, DryRun=True)
    assert (code, status) == ("DryRunOperation", 412)

    # Refused, each in the form of its service, before the operation is looked at.
    refused("ec2:RegisterImage", "UnauthorizedOperation", 403, reader.ec2.register_image, Name="policies-2")
    refused("ec2:DeregisterImage", "UnauthorizedOperation", 403, reader.ec2.deregister_image, ImageId=image)
    refused("ec2:DeregisterImage", "UnauthorizedOperation", 403, reader.ec2.deregister_image, ImageId=image, DryRun=True)
    refused("ebs:StartSnapshot", "AccessDeniedException", 403, reader.ebs.start_snapshot, VolumeSize=1)
    refused("ebs:ListSnapshotBlocks", "AccessDeniedException", 403, reader.ebs.list_snapshot_blocks, SnapshotId=made)
    put = {"Name": "/p", "Value": image, "Type": "String", "DataType": "aws:ec2:image"}
    refused("ssm:PutParameter", "AccessDeniedException", 400, reader.ssm.put_parameter, **put)
    refused("kms:CreateKey", "AccessDeniedException", 400, reader.kms.create_key)
    root.s3.create_bucket(Bucket="policies", CreateBucketConfiguration={"LocationConstraint": "local"})
    root.s3.put_object(Bucket="policies", Key="k", Body=b"text")
    assert reader.s3.get_object(Bucket="policies", Key="k")["Body"].read() == b"text"
    body = b"x" * (8 << 20)
    refused("s3:PutObject", "AccessDenied", 403, reader.s3.put_object, Bucket="policies", Key="k", Body=body)
    # Without permission to list the bucket, a missing key is answered with AccessDenied.
    refused("s3:ListBucket", "AccessDenied", 403, reader.s3.get_object, Bucket="policies", Key="none")

    # An explicit deny wins over the permission to describe.
    found = error_of(reader.ec2.describe_launch_templates)
    assert found[0] == "UnauthorizedOperation" and "explicit deny in an identity-based policy" in found[2], found

    # A snapshot that may not be deleted is reported, and the image is deregistered.
    remover = Region(clients.endpoint(), key=("AKIAREMOVER000000000", "remover-secret"))
    result = remover.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert [one["ReturnCode"] for one in result["DeleteSnapshotResults"]] == ["missing-permissions"], result
    print("OK")


main()
