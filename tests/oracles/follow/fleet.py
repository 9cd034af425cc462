"""Makes a fleet in a local region with boto3, and reads it back; prints JSON.

    fleet.py make ENDPOINT SPECIFICATION     two images, a template, a group; what the specification (JSON) says
    fleet.py read ENDPOINT                   groups with their instances, templates, refreshes
    fleet.py call ENDPOINT SERVICE OPERATION PARAMETERS

The region is that of the variable AWS_REGION, else `local`.
"""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local_region"))

import clients  # noqa: E402


def make(region, want):
    """The ids of what was made."""
    ec2, groups = region.ec2, region.autoscaling
    snapshot = clients.snapshot(region, {0: clients.block(1)})
    images = [clients.register(region, snapshot, f"web-{number}", BootMode="uefi-preferred") for number in (1, 2)]
    data = {"ImageId": images[0], "InstanceType": "t3.micro", "UserData": "I2Nsb3VkLWNvbmZpZwo="}
    template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]
    made = {"images": images, "template": template["LaunchTemplateId"]}
    if want.get("parameter"):
        region.ssm.put_parameter(
            Name=want["parameter"], Value=images[1], Type="String", DataType="aws:ec2:image"
        )
    main = {"LaunchTemplateName": "web", "Version": want.get("version", "1")}
    source = {"LaunchTemplate": main}
    if want.get("mixed"):
        arm = clients.register(region, snapshot, "arm", Architecture="arm64")
        made["arm"] = arm
        ec2.create_launch_template(LaunchTemplateName="arm", LaunchTemplateData={"ImageId": arm})
        overrides = [
            {"InstanceType": "m5.large", "WeightedCapacity": "1"},
            {
                "InstanceType": "m6g.large",
                "LaunchTemplateSpecification": {"LaunchTemplateName": "arm", "Version": "1"},
            },
            {"InstanceType": "c5.large", "ImageId": images[0]},
            {
                "InstanceRequirements": {
                    "VCpuCount": {"Min": 2, "Max": 4},
                    "MemoryMiB": {"Min": 1024},
                    "MemoryGiBPerVCpu": {"Min": 0.5},
                    "CpuManufacturers": ["intel", "amd"],
                    "BaselinePerformanceFactors": {"Cpu": {"References": [{"InstanceFamily": "m5"}]}},
                }
            },
        ]
        source = {
            "MixedInstancesPolicy": {
                "LaunchTemplate": {"LaunchTemplateSpecification": main, "Overrides": overrides},
                "InstancesDistribution": {"OnDemandBaseCapacity": 1, "SpotAllocationStrategy": "price-capacity-optimized"},
            }
        }
    tags = [{"Key": key, "Value": value} for key, value in want.get("tags", {}).items()]
    for name in want.get("groups", ["web"]):
        groups.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=40,
            DesiredCapacity=want.get("size", 10),
            AvailabilityZones=[region.name + "a", region.name + "b"],
            NewInstancesProtectedFromScaleIn=want.get("protected", False),
            Tags=tags,
            **source,
        )
    return made


def read(region):
    """Everything, as boto3 parses it."""
    ec2, groups = region.ec2, region.autoscaling
    pages = groups.get_paginator("describe_auto_scaling_groups").paginate()
    fleet = {group["AutoScalingGroupName"]: group for page in pages for group in page["AutoScalingGroups"]}
    instances = {}
    for page in ec2.get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                instances[instance["InstanceId"]] = instance
    for name, group in fleet.items():
        group["Images"] = [
            instances[one["InstanceId"]]["ImageId"]
            for one in group["Instances"]
            if one["LifecycleState"] in ("InService", "Pending")
        ]
        group["Refreshes"] = groups.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
    templates = {}
    for template in ec2.describe_launch_templates()["LaunchTemplates"]:
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])
        templates[template["LaunchTemplateName"]] = {**template, "Versions": versions["LaunchTemplateVersions"]}
    launched = {}
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        attribute = ec2.describe_image_attribute(ImageId=image["ImageId"], Attribute="lastLaunchedTime")
        launched[image["ImageId"]] = attribute.get("LastLaunchedTime", {}).get("Value")
    return {"groups": fleet, "templates": templates, "launched": launched}


def call(region, service, operation, parameters):
    """One call, with its answer."""
    answer = getattr(getattr(region, service), operation)(**json.loads(parameters))
    answer.pop("ResponseMetadata")
    return answer


def main(action, endpoint, *more):
    region = clients.Region(endpoint, os.environ.get("AWS_REGION", "local"))
    if action == "make":
        result = make(region, json.loads(more[0]))
    elif action == "read":
        result = read(region)
    else:
        result = call(region, *more)
    print(json.dumps(result, default=str))


main(*sys.argv[1:])
