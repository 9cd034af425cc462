"""Answers that lag behind effects: what waiters are for."""

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
        time.sleep(0.05)


main()
