"""Clients of a local region, and what all scripts do with them: snapshots, and refusals that are expected."""

import base64
import hashlib
import sys

import boto3
import botocore.config
import botocore.exceptions
import botocore.session

import wire

BLOCK = 512 * 1024
KEY, SECRET, ACCOUNT = "AKIALOCALREGION00000", "local-region-secret-key", "123456789012"


class Region:
    """Clients of one region as one account; every answer is held against the model."""

    def __init__(self, endpoint, name="local", key=(KEY, SECRET), check=True):
        core = botocore.session.get_session()
        wire.watch(core)
        session = boto3.session.Session(
            aws_access_key_id=key[0], aws_secret_access_key=key[1], region_name=name, botocore_session=core
        )
        config = botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=check)
        services = ("ebs", "ec2", "ssm", "s3", "kms", "autoscaling")
        clients = [session.client(service, endpoint_url=endpoint, config=config) for service in services]
        self.ebs, self.ec2, self.ssm, self.s3, self.kms, self.autoscaling = clients
        self.rbin = session.client("rbin", endpoint_url=endpoint, config=config)
        self.name = name


def endpoint():
    """The server that this script is to talk to."""
    return sys.argv[1]


def digest(data):
    """The raw digest of a block."""
    return hashlib.sha256(data).digest()


def text(raw):
    """A digest as it goes over the wire."""
    return base64.b64encode(raw).decode()


def block(number):
    """A block that no other number has."""
    return (b"%016d" % number) * (BLOCK // 16)


def start(region, blocks, size=1, **more):
    """A snapshot with these blocks, not completed."""
    snapshot = region.ebs.start_snapshot(VolumeSize=size, Timeout=60, **more)["SnapshotId"]
    for index, data in blocks.items():
        region.ebs.put_snapshot_block(
            SnapshotId=snapshot,
            BlockIndex=index,
            BlockData=data,
            DataLength=BLOCK,
            Checksum=text(digest(data)),
            ChecksumAlgorithm="SHA256",
        )
    return snapshot


def complete(region, snapshot, blocks):
    """Completes a snapshot, with the checksum of all checksums."""
    raw = b"".join(digest(blocks[index]) for index in sorted(blocks))
    region.ebs.complete_snapshot(
        SnapshotId=snapshot,
        ChangedBlocksCount=len(blocks),
        Checksum=text(digest(raw)),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )


def wait(region, name, **names):
    """Waits as boto3 waits, but not as long."""
    region.ec2.get_waiter(name).wait(WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}, **names)


def snapshot(region, blocks, size=1, **more):
    """A completed snapshot with these blocks."""
    made = start(region, blocks, size, **more)
    complete(region, made, blocks)
    wait(region, "snapshot_completed", SnapshotIds=[made])
    return made


def read(region, snapshot):
    """All blocks of a snapshot, their checksums checked."""
    blocks, token = {}, None
    while True:
        more = {"NextToken": token} if token else {}
        page = region.ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, **more)
        for entry in page.get("Blocks", []):
            index = entry["BlockIndex"]
            answer = region.ebs.get_snapshot_block(
                SnapshotId=snapshot, BlockIndex=index, BlockToken=entry["BlockToken"]
            )
            data = answer["BlockData"].read()
            assert answer["Checksum"] == text(digest(data)), index
            blocks[index] = data
        token = page.get("NextToken")
        if not token:
            return blocks


def register(region, snapshot, name, **more):
    """An image of a snapshot, with what a careful maker says."""
    params = {
        "Name": name,
        "Architecture": "x86_64",
        "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "EnaSupport": True,
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}],
    }
    params.update(more)
    return region.ec2.register_image(**params)["ImageId"]


def image(region, id, **more):
    """One image as it is described."""
    (found,) = region.ec2.describe_images(ImageIds=[id], **more)["Images"]
    return found


def refused(code, call, *args, **names):
    """Expects a refusal, and gives its message."""
    try:
        answer = call(*args, **names)
    except botocore.exceptions.ClientError as error:
        got = error.response["Error"]
        assert got["Code"] == code, f"{names}: {got} instead of {code}"
        return got.get("Message", "")
    raise AssertionError(f"{names}: {answer} instead of {code}")
