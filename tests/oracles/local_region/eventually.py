"""Answers that lag behind effects, and an account that asks too often: what waiters and retries are for."""

import time

import botocore.exceptions
import clients
from clients import Region, refused


def main():
    region = Region(clients.endpoint())
    made = clients.start(region, {})
    refused("InvalidSnapshot.NotFound", region.ec2.describe_snapshots, SnapshotIds=[made])
    until(lambda: region.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"], "InvalidSnapshot.NotFound")
    clients.complete(region, made, {})
    clients.wait(region, "snapshot_completed", SnapshotIds=[made])
    image = clients.register(region, made, "eventually")
    refused("InvalidAMIID.NotFound", region.ec2.describe_images, ImageIds=[image])
    assert region.ec2.describe_images(Owners=["self"])["Images"] == []
    refused("InvalidAMIName.Duplicate", clients.register, region, made, "eventually")
    clients.wait(region, "image_exists", ImageIds=[image])
    clients.wait(region, "image_available", ImageIds=[image])
    throttled(region, image)
    print("OK")


def until(done, code, seconds=20):
    """Asks again for as long as it is refused with a code."""
    end = time.monotonic() + seconds
    while True:
        try:
            return done()
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == code, error
        assert time.monotonic() < end, "it never came true"


def throttled(region, image):
    """Each service refuses in its own words, and only for a while."""
    for code, status, call in (
        ("RequestLimitExceeded", 503, lambda: region.ec2.describe_images(ImageIds=[image])),
        ("ThrottlingException", 400, lambda: region.ssm.describe_parameters()),
        ("SlowDown", 503, lambda: region.s3.list_buckets()),
    ):
        for _ in range(5000):
            try:
                call()
            except botocore.exceptions.ClientError as error:
                got = error.response
                assert got["Error"]["Code"] == code, got
                assert got["ResponseMetadata"]["HTTPStatusCode"] == status, got
                break
        else:
            raise AssertionError(f"{code} never came")
        until(call, code)


main()
