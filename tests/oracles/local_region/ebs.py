"""EBS direct by its own model: the limits of every parameter, the errors that each call may answer with, and which
snapshots come out encrypted."""

import botocore
import botocore.exceptions

import clients
import wire

BLOCK = clients.BLOCK
NOT_MODELLED = {"InvalidSignatureException": 403}
"""What the service answers although its model does not say so."""

ANSWERED = set()
"""Names of errors that were seen."""


def main():
    """Everything, against one server."""
    region = clients.Region(clients.endpoint(), check=False)
    region.ebs.meta.events.register("before-parse.ebs", look_at_refusal)
    completed, pending = snapshots(region)
    for name, members in calls(region, completed, pending).items():
        limits(region, name, members)
    pages(region)
    encryption(region)
    missing = {"ValidationException", "ResourceNotFoundException", "ConflictException"} - ANSWERED
    assert not missing, missing
    print("OK")


def look_at_refusal(operation_model, response_dict, **_):
    """A refusal is one that the model knows for this call, with its status and one of its reasons."""
    status = response_dict["status_code"]
    if status < 300:
        return
    name = response_dict["headers"]["x-amzn-errortype"].split(":")[0]
    known = {shape.name: shape for shape in operation_model.error_shapes}
    where = f"{operation_model.name}: {name}"
    ANSWERED.add(name)
    if name in NOT_MODELLED:
        wire.check(status == NOT_MODELLED[name], where, f"status {status}")
        return
    wire.check(name in known, where, "not in the model")
    wire.check(status == known[name].metadata["error"]["httpStatusCode"], where, f"status {status}")
    reason = wire.json.loads(response_dict["body"]).get("Reason")
    reasons = known[name].members["Reason"].enum if "Reason" in known[name].members else [None]
    wire.check(reason is None or reason in reasons, where, f"reason {reason}")


def snapshots(region):
    """A completed snapshot with block 0, and a pending one."""
    return clients.snapshot(region, {0: clients.block(1)}), clients.start(region, {})


def calls(region, completed, pending):
    """A good request of each call."""
    data = clients.block(2)
    listed = region.ebs.list_snapshot_blocks(SnapshotId=completed)["Blocks"][0]
    block = {
        "SnapshotId": pending,
        "BlockIndex": 0,
        "BlockData": data,
        "DataLength": BLOCK,
        "Checksum": clients.text(clients.digest(data)),
        "ChecksumAlgorithm": "SHA256",
    }
    whole = {
        "SnapshotId": pending,
        "ChangedBlocksCount": 1,
        "Checksum": clients.text(clients.digest(clients.digest(data))),
        "ChecksumAlgorithm": "SHA256",
        "ChecksumAggregationMethod": "LINEAR",
    }
    return {
        "StartSnapshot": {"VolumeSize": 1},
        "PutSnapshotBlock": block,
        "ListSnapshotBlocks": {"SnapshotId": completed},
        "ListChangedBlocks": {"FirstSnapshotId": completed, "SecondSnapshotId": completed},
        "GetSnapshotBlock": {"SnapshotId": completed, "BlockIndex": 0, "BlockToken": listed["BlockToken"]},
        "CompleteSnapshot": whole,
    }


def limits(region, name, members):
    """Every parameter at its limits, and beyond; the good request comes last, because it may complete something."""
    operation = region.ebs.meta.service_model.operation_model(name)
    for member, shape in operation.input_shape.members.items():
        in_path = shape.serialization.get("location") == "uri"
        for value, within in edges(member, shape, in_path):
            if name == "CompleteSnapshot" and within and member != "SnapshotId":
                # Would complete it with something else than the good request says.
                continue
            shaped = accepted(region, operation, {**members, member: value})
            assert shaped == within, f"{name}: {member}={str(value)[:80]!r} within={within}, but shaped={shaped}"
    for member in operation.input_shape.members:
        without = {key: value for key, value in members.items() if key != member}
        if member in operation.input_shape.required_members and member not in ("SnapshotId", "SecondSnapshotId"):
            if operation.input_shape.members[member].serialization.get("location") != "uri" and member != "BlockData":
                assert not accepted(region, operation, without), f"{name} without {member}"
    assert accepted(region, operation, members), name
    assert wire.SEEN[f"ebs:{name}"], name


def edges(member, shape, in_path):
    """Values of a parameter, and whether they are within its limits."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("integer", "long"):
        if least is not None:
            yield from ((least, True), (least - 1, False))
        if most is not None:
            yield from ((most, True), (most + 1, False))
    elif shape.type_name == "string":
        begin = {
            "SnapshotId": "snap-",
            "FirstSnapshotId": "snap-",
            "SecondSnapshotId": "snap-",
            "ParentSnapshotId": "snap-",
            "KmsKeyArn": "arn:aws:kms:local:123456789012:key/",
        }.get(member, "")
        if most is not None:
            yield from ((begin.ljust(most, "0"), True), (begin.ljust(most + 1, "0"), False))
        if begin:
            yield "x" + begin + "0", False
        elif "pattern" in shape.metadata and member in ("Checksum", "ChecksumAlgorithm", "ChecksumAggregationMethod"):
            yield "not-that", False
        elif member == "ClientToken":
            yield "a b", False
        elif member == "Description":
            yield "", False
        assert not in_path or begin, member


def accepted(region, operation, members):
    """Whether a request has a good shape: it is not refused by the framework in front of the service."""
    method = botocore.xform_name(operation.name)
    try:
        getattr(region.ebs, method)(**members)
    except botocore.exceptions.ClientError as error:
        response = error.response
        framework = "validation error" in response["Error"]["Message"]
        code = response["Error"]["Code"]
        assert framework != ("Reason" in response) or code in ("ConflictException", *NOT_MODELLED), response
        return not framework
    return True


def pages(region):
    """Pages of the sizes that the model allows; a conflict of tokens."""
    blocks = {index * 3: clients.block(1) for index in range(205)}
    snapshot = clients.snapshot(region, blocks)
    for size, want in ((100, [100, 100, 5]), (101, [101, 101, 3]), (205, [205]), (10000, [205])):
        found, sizes, more = [], [], {}
        while True:
            page = region.ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=size, **more)
            found += [entry["BlockIndex"] for entry in page["Blocks"]]
            sizes.append(len(page["Blocks"]))
            if "NextToken" not in page:
                break
            more = {"NextToken": page["NextToken"]}
        assert (found, sizes) == (sorted(blocks), want), (size, sizes)
    once = region.ebs.start_snapshot(VolumeSize=1, ClientToken="once")
    assert region.ebs.start_snapshot(VolumeSize=1, ClientToken="once")["SnapshotId"] == once["SnapshotId"]
    clients.refused("ConflictException", region.ebs.start_snapshot, VolumeSize=2, ClientToken="once")


def encryption(region):
    """Which snapshots come out encrypted, and with which key."""
    key = "arn:aws:kms:local:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    plain = clients.snapshot(region, {})
    secret = clients.snapshot(region, {}, Encrypted=True, KmsKeyArn=key)
    own = region.ebs.start_snapshot(VolumeSize=1, Encrypted=True)["KmsKeyArn"]
    assert own.startswith("arn:aws:kms:local:123456789012:key/") and own != key, own
    refusal = "ValidationException"
    for default, parent, names, want in (
        (False, None, {}, None),
        (True, None, {}, own),
        (False, None, {"Encrypted": True}, own),
        (True, None, {"Encrypted": True}, own),
        (False, None, {"Encrypted": True, "KmsKeyArn": key}, key),
        (True, None, {"Encrypted": True, "KmsKeyArn": key}, key),
        (False, None, {"KmsKeyArn": key}, refusal),
        (False, None, {"Encrypted": False, "KmsKeyArn": key}, refusal),
        (False, plain, {}, None),
        (True, plain, {}, refusal),
        (False, secret, {}, key),
        (True, secret, {}, key),
        (False, plain, {"Encrypted": True}, refusal),
        (False, secret, {"Encrypted": True}, refusal),
        (True, secret, {"Encrypted": True, "KmsKeyArn": key}, refusal),
        (False, plain, {"Encrypted": False}, refusal),
    ):
        toggle = region.ec2.enable_ebs_encryption_by_default if default else region.ec2.disable_ebs_encryption_by_default
        toggle()
        params = {"VolumeSize": 1, **names, **({"ParentSnapshotId": parent} if parent else {})}
        row = (default, parent and ("plain" if parent == plain else "secret"), names)
        if want == refusal:
            clients.refused(refusal, region.ebs.start_snapshot, **params)
            continue
        started = region.ebs.start_snapshot(**params)
        assert started.get("KmsKeyArn") == want, (row, started)
        (shown,) = region.ec2.describe_snapshots(SnapshotIds=[started["SnapshotId"]])["Snapshots"]
        assert (shown["Encrypted"], shown.get("KmsKeyId")) == (want is not None, want), (row, shown)
    region.ec2.disable_ebs_encryption_by_default()


main()
