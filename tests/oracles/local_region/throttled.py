"""An account that asks too often: each service refuses in its own words, and only for a while."""

import time

import botocore.exceptions
import clients
from clients import Region


def main():
    region = Region(clients.endpoint())
    for code, status, call in (
        ("RequestLimitExceeded", 503, region.ec2.describe_images),
        ("ThrottlingException", 400, region.ssm.describe_parameters),
        ("SlowDown", 503, region.s3.list_buckets),
    ):
        refusal = next(filter(None, (refused(call) for _ in range(1000))))
        assert refusal["Error"]["Code"] == code, refusal
        assert refusal["ResponseMetadata"]["HTTPStatusCode"] == status, refusal
        end = time.monotonic() + 60
        while refused(call):
            assert time.monotonic() < end, "it never ended"
            time.sleep(0.1)
    print("OK")


def refused(call):
    """The refusal of a call, if it is refused."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response
    return None


main()
