"""Makes calls with boto3 as one of two accounts, and prints their answers or error codes as a JSON list.

    calls.py ENDPOINT [[ACCOUNT, REGION, SERVICE, METHOD, ARGUMENTS], ...]

ACCOUNT is `owner` or `other`. An answer is the answer without its metadata, or {"error": CODE, "message": TEXT}.
"""

import json
import sys

import boto3
import botocore.config
import botocore.exceptions

KEYS = {
    "owner": ("AKIALOCALREGION00000", "local-region-secret-key"),
    "other": ("AKIAOTHERACCOUNT0000", "other-secret"),
}


def call(endpoint, account, region, service, method, arguments):
    key, secret = KEYS[account]
    client = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )
    try:
        answer = getattr(client, method)(**arguments)
    except botocore.exceptions.ClientError as error:
        return {"error": error.response["Error"]["Code"], "message": error.response["Error"].get("Message")}
    answer.pop("ResponseMetadata", None)
    return answer


def main(endpoint, calls):
    print(json.dumps([call(endpoint, *one) for one in json.loads(calls)], default=str))


main(*sys.argv[1:])
