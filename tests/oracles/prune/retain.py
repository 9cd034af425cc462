"""Makes retention rules: what is deregistered or deleted goes to the recycle bin for a week.

    retain.py ENDPOINT [REGION]
"""

import sys

import boto3


def main(endpoint, region="local"):
    rbin = boto3.client(
        "rbin",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="AKIALOCALREGION00000",
        aws_secret_access_key="local-region-secret-key",
    )
    for kind in ("EC2_IMAGE", "EBS_SNAPSHOT"):
        period = {"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"}
        made = rbin.create_rule(RetentionPeriod=period, ResourceType=kind, Description="a week")
        assert rbin.get_rule(Identifier=made["Identifier"])["RetentionPeriod"] == period
        assert [one["Identifier"] for one in rbin.list_rules(ResourceType=kind)["Rules"]] == [made["Identifier"]]


main(*sys.argv[1:])
