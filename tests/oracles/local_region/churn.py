"""Makes resources of every kind while the server lives, and prints each one that it acknowledged.

With `check`: every printed resource, one line each on standard input, has to exist as it was printed.
"""

import hashlib
import itertools
import sys

import botocore.exceptions
import clients
from clients import Region


def report(*words):
    """Prints a resource that the server acknowledged."""
    print(*words, flush=True)


def churn(region, round):
    """Makes resources until the server ends."""
    root = clients.snapshot(region, {0: clients.block(int(round))})
    report("snapshot", root, round)
    region.s3.create_bucket(
        Bucket=f"churn-{round}", CreateBucketConfiguration={"LocationConstraint": region.name}
    )
    for number in itertools.count():
        name = f"churn-{round}-{number}"
        image = clients.register(region, root, name)
        report("image", image, name)
        region.ec2.create_tags(Resources=[image], Tags=[{"Key": "n", "Value": name}])
        report("tag", image, name)
        region.ssm.put_parameter(Name=f"/churn/{round}", Type="String", Value=name, Overwrite=True)
        report("parameter", f"/churn/{round}:{number + 1}", name)
        body = name.encode() * 50_000
        region.s3.put_object(Bucket=f"churn-{round}", Key=name, Body=body)
        report("object", f"churn-{round}/{name}", hashlib.sha256(body).hexdigest())
        template = region.ec2.create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": image}
        )["LaunchTemplate"]["LaunchTemplateId"]
        report("template", template, name)
        if number % 3 == 2:
            copied = region.ec2.copy_snapshot(SourceSnapshotId=root, SourceRegion=region.name)["SnapshotId"]
            report("snapshot", copied, round)


def check(region, lines):
    """Looks for everything."""
    for kind, id, what in (line.split() for line in lines):
        if kind == "snapshot":
            clients.wait(region, "snapshot_completed", SnapshotIds=[id])
            assert clients.read(region, id) == {0: clients.block(int(what))}, id
        elif kind == "image":
            assert clients.image(region, id)["Name"] == what
        elif kind == "tag":
            assert {"Key": "n", "Value": what} in clients.image(region, id)["Tags"]
        elif kind == "parameter":
            assert region.ssm.get_parameter(Name=id)["Parameter"]["Value"] == what
        elif kind == "object":
            bucket, key = id.split("/")
            body = region.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert hashlib.sha256(body).hexdigest() == what, id
        else:
            (found,) = region.ec2.describe_launch_templates(LaunchTemplateIds=[id])["LaunchTemplates"]
            assert found["LaunchTemplateName"] == what
    print("OK")


def main():
    region = Region(clients.endpoint())
    if sys.argv[2] == "check":
        check(region, sys.stdin)
        return
    try:
        churn(region, sys.argv[2])
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.HTTPClientError):
        # The server is gone.
        pass


main()
