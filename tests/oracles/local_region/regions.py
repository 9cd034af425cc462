"""Every region that botocore knows, and every one that is named on the command line, is a region of the local one."""

import sys

import boto3
import clients

endpoint, *named = sys.argv[1:]
session = boto3.session.Session()
known = [
    name for partition in ("aws", "aws-cn", "aws-us-gov") for name in session.get_available_regions("ec2", partition)
]
assert len(known) > 30, known
ec2 = clients.Region(endpoint, "local").ec2
listed = {one["RegionName"] for one in ec2.describe_regions()["Regions"]}
# Regions of a later botocore exist when they are named in a request.
for name in known + named:
    described = ec2.describe_regions(RegionNames=[name])["Regions"]
    assert [one["RegionName"] for one in described] == [name], (name, described)
    filtered = ec2.describe_regions(Filters=[{"Name": "region-name", "Values": [name]}])["Regions"]
    assert [one["RegionName"] for one in filtered] == [name], (name, filtered)
    there = clients.Region(endpoint, name).ec2.describe_availability_zones()["AvailabilityZones"]
    assert all(zone["RegionName"] == name for zone in there) and there, (name, there)
missing = sorted(set(known) - listed)
assert not missing, missing
nothing = ec2.describe_regions(Filters=[{"Name": "region-name", "Values": ["eu-wset-1", "nowhere-1"]}])["Regions"]
assert nothing == [], nothing
print("OK")
