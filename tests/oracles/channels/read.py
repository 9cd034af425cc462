"""Reads a parameter in several regions with boto3, and prints JSON: what it holds, its versions, and what a launch
template that names it would launch.

    read.py ENDPOINT PARAMETER REGION...
"""

import json
import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def client(service, endpoint, region):
    """A client of a service in a region."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )


def read(endpoint, name, region):
    """The parameter in a region; none if it does not exist."""
    ssm, ec2 = client("ssm", endpoint, region), client("ec2", endpoint, region)
    try:
        held = ssm.get_parameter(Name=name)["Parameter"]
    except ssm.exceptions.ParameterNotFound:
        return None
    if held["DataType"] != "aws:ec2:image":
        return {"value": held["Value"], "type": held["Type"], "dataType": held["DataType"]}
    images = ec2.describe_images(ImageIds=[held["Value"]], IncludeDisabled=True)["Images"]
    template = f"follows-{region}"
    data = {"ImageId": f"resolve:ssm:{name}"}
    try:
        ec2.create_launch_template(LaunchTemplateName=template, LaunchTemplateData=data)
    except ec2.exceptions.ClientError as error:
        assert "AlreadyExists" in error.response["Error"]["Code"], error
    (resolved,) = ec2.describe_launch_template_versions(
        LaunchTemplateName=template, Versions=["$Latest"], ResolveAlias=True
    )["LaunchTemplateVersions"]
    history = []
    for page in ssm.get_paginator("get_parameter_history").paginate(Name=name):
        history += page["Parameters"]
    return {
        "value": held["Value"],
        "type": held["Type"],
        "dataType": held["DataType"],
        "version": held["Version"],
        "launches": resolved["LaunchTemplateData"]["ImageId"],
        "imageName": images[0]["Name"],
        "state": images[0]["State"],
        "history": [
            {
                "version": one["Version"],
                "value": one["Value"],
                "labels": sorted(one["Labels"]),
                "description": one.get("Description"),
            }
            for one in history
        ],
    }


def main(endpoint, name, *regions):
    print(json.dumps({region: read(endpoint, name, region) for region in regions}))


main(*sys.argv[1:])
