"""Parameters that name images: the check after the answer, labels, the limit of versions, tiers, names."""

import time

import clients
from clients import Region, refused


def main():
    region = Region(clients.endpoint(), check=False)
    root = clients.snapshot(region, {0: clients.block(1)})
    first, second = (clients.register(region, root, f"channels-{number}") for number in (1, 2))
    checked_later(region, first, second)
    types(region, first)
    labels(region, first)
    full(region, first)
    tiers(region)
    names(region)
    print("OK")


def put(region, name, image, **more):
    """A version with an image."""
    params = {"Name": name, "Type": "String", "DataType": "aws:ec2:image", "Value": image, "Overwrite": True}
    return region.ssm.put_parameter(**{**params, **more})["Version"]


def until(region, name, version):
    """Waits until a version is visible."""
    end = time.monotonic() + 20
    while True:
        try:
            if region.ssm.get_parameter(Name=name)["Parameter"]["Version"] >= version:
                return
        except region.ssm.exceptions.ParameterNotFound:
            pass
        assert time.monotonic() < end, f"{name} has no version {version}"
        time.sleep(0.05)


def checked_later(region, first, second):
    """Every put is answered with success; what is no image that can be launched never appears."""
    for value in ("ami-00000000000000001", "not an image", "ami-xyz"):
        assert put(region, "/c/new", value) == 1
    time.sleep(1)
    refused("ParameterNotFound", region.ssm.get_parameter, Name="/c/new")
    assert put(region, "/c/new", first) == 1
    # Not at once: the image is checked first.
    refused("ParameterNotFound", region.ssm.get_parameter, Name="/c/new")
    refused("ParameterAlreadyExists", put, region, "/c/new", first, Overwrite=False)
    until(region, "/c/new", 1)
    region.ec2.disable_image(ImageId=second)
    put(region, "/c/new", second)
    put(region, "/c/new", "ami-00000000000000001")
    time.sleep(1)
    shown = region.ssm.get_parameter(Name="/c/new")["Parameter"]
    assert (shown["Value"], shown["Version"], shown["DataType"]) == (first, 1, "aws:ec2:image")
    region.ec2.enable_image(ImageId=second)
    until(region, "/c/new", put(region, "/c/new", second))
    history = region.ssm.get_parameter_history(Name="/c/new")["Parameters"]
    assert [one["Value"] for one in history] == [first, second]
    # The data type stays where a put names none.
    region.ssm.put_parameter(Name="/c/new", Value="ami-00000000000000001", Overwrite=True)
    time.sleep(1)
    assert region.ssm.get_parameter(Name="/c/new")["Parameter"]["Value"] == second


def types(region, first):
    """Neither the type nor that data type can be changed."""
    region.ssm.put_parameter(Name="/c/text", Type="String", Value="x")
    refused("ValidationException", put, region, "/c/text", first)
    refused("HierarchyTypeMismatchException", put, region, "/c/new", first, Type="SecureString")
    refused("ValidationException", put, region, "/c/list", first, Type="StringList")


def labels(region, first):
    """Characters, length and number of labels; a label moves."""
    label = region.ssm.label_parameter_version
    bad = ["1st", "aws-x", "SSMx", "a b", "a/b", "ü"]
    answer = label(Name="/c/new", ParameterVersion=1, Labels=["version-1.0_x", *bad])
    assert answer == {**answer, "InvalidLabels": bad, "ParameterVersion": 1}, answer
    refused("ValidationException", label, Name="/c/new", Labels=["a" * 101])
    refused("ValidationException", label, Name="/c/new", Labels=[])
    refused("ValidationException", label, Name="/c/new", Labels=[f"l{n}" for n in range(11)])
    refused("ParameterVersionNotFound", label, Name="/c/new", ParameterVersion=9, Labels=["x"])
    refused("ParameterNotFound", label, Name="/c/none", Labels=["x"])
    label(Name="/c/new", ParameterVersion=1, Labels=["a" * 100] + [f"l{n}" for n in range(8)])
    refused("ParameterVersionLabelLimitExceeded", label, Name="/c/new", ParameterVersion=1, Labels=["x"])
    label(Name="/c/new", Labels=["version-1.0_x"])
    history = region.ssm.get_parameter_history(Name="/c/new")["Parameters"]
    assert "version-1.0_x" not in history[0]["Labels"] and history[1]["Labels"] == ["version-1.0_x"]
    assert region.ssm.get_parameter(Name="/c/new:version-1.0_x")["Parameter"]["Version"] == 2
    answer = region.ssm.unlabel_parameter_version(
        Name="/c/new", ParameterVersion=2, Labels=["version-1.0_x", "other"]
    )
    assert (answer["RemovedLabels"], answer["InvalidLabels"]) == (["version-1.0_x"], ["other"])


def full(region, first):
    """The oldest of a hundred versions makes room, unless it has a label."""
    for number in range(100):
        region.ssm.put_parameter(Name="/c/full", Type="String", Value=str(number), Overwrite=True)
    region.ssm.label_parameter_version(Name="/c/full", ParameterVersion=1, Labels=["golden"])
    again = {"Name": "/c/full", "Value": "more", "Overwrite": True}
    message = refused("ParameterMaxVersionLimitExceeded", region.ssm.put_parameter, **again)
    assert "Version 1, the oldest version" in message, message
    region.ssm.label_parameter_version(Name="/c/full", ParameterVersion=2, Labels=["golden"])
    assert region.ssm.put_parameter(**again)["Version"] == 101
    refused("ParameterVersionNotFound", region.ssm.get_parameter, Name="/c/full:1")
    refused("ParameterMaxVersionLimitExceeded", region.ssm.put_parameter, **again)


def tiers(region):
    """Sizes by tier; an advanced parameter stays one."""
    put = region.ssm.put_parameter
    refused("ValidationException", put, Name="/c/t", Type="String", Value="x" * 4097)
    refused("ValidationException", put, Name="/c/t", Type="String", Value="x" * 8193, Tier="Advanced")
    made = put(Name="/c/t", Type="String", Value="x" * 4097, Tier="Intelligent-Tiering")
    assert made["Tier"] == "Advanced"
    assert put(Name="/c/t", Value="x", Overwrite=True)["Tier"] == "Advanced"
    refused("ValidationException", put, Name="/c/t", Value="x", Overwrite=True, Tier="Standard")
    assert put(Name="/c/s", Type="String", Value="x", Tier="Intelligent-Tiering")["Tier"] == "Standard"
    assert put(Name="/c/s", Value="y", Overwrite=True, Tier="Advanced")["Tier"] == "Advanced"


def names(region):
    """What precedes a name in its ARN counts, and spaces around it do not."""
    put = region.ssm.put_parameter
    before = len(f"arn:aws:ssm:{region.name}:{clients.ACCOUNT}:parameter")
    put(Name="/" + "n" * (1010 - before), Type="String", Value="x")
    refused("ValidationException", put, Name="/" + "n" * (1011 - before), Type="String", Value="x")
    put(Name=" /c/spaces ", Type="String", Value="x")
    assert region.ssm.get_parameter(Name="/c/spaces")["Parameter"]["Value"] == "x"
    refused("ValidationException", put, Name="/c/a b", Type="String", Value="x")
    refused("AccessDeniedException", put, Name="/aws/service/x", Type="String", Value="x")


main()
