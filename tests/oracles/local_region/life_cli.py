"""The whole life of an AMI, with the aws command line: what life.py does, as a person would type it."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BLOCK = 512 * 1024
OTHER = "210987654321"
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "AKIALOCALREGION00000",
    "AWS_SECRET_ACCESS_KEY": "local-region-secret-key",
    "AWS_ENDPOINT_URL": sys.argv[1],
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_PAGER": "",
    "AWS_MAX_ATTEMPTS": "1",
}
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="life-cli-"))


def aws(*words, region="local", refused=None):
    """Runs a command and returns its output; or expects it to be refused with a code."""
    command = [sys.executable, "-m", "awscli", "--region", region, "--output", "json", *words]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if refused:
        assert done.returncode != 0 and f"({refused})" in done.stderr, f"{words}: {done.stderr or done.stdout}"
        return None
    assert done.returncode == 0, f"{words}: {done.stderr}"
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError:
        return done.stdout


def until(expected, *words, region="local", query=None):
    """Repeats a command until it gives the expected value; the waiters of the command line are slow."""
    end = time.monotonic() + 60
    while True:
        answer = aws(*words, "--query", query, region=region)
        if answer == expected:
            return
        assert time.monotonic() < end, f"{words}: {answer}"


def text(raw):
    """A digest as it goes over the wire."""
    return base64.b64encode(raw).decode()


def snapshot(blocks):
    """Start, put, complete, wait."""
    made = aws("ebs", "start-snapshot", "--volume-size", "1", "--description", "root", "--timeout", "60")["SnapshotId"]
    digests = b""
    for index, data in sorted(blocks.items()):
        path = FOLDER / f"block-{index}"
        path.write_bytes(data)
        raw = hashlib.sha256(data).digest()
        digests += raw
        aws(
            "ebs", "put-snapshot-block", "--snapshot-id", made, "--block-index", str(index),
            "--block-data", str(path), "--data-length", str(BLOCK),
            "--checksum", text(raw), "--checksum-algorithm", "SHA256",
        )  # fmt: skip
    aws(
        "ebs", "complete-snapshot", "--snapshot-id", made, "--changed-blocks-count", str(len(blocks)),
        "--checksum", text(hashlib.sha256(digests).digest()),
        "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR",
    )  # fmt: skip
    state = ("ec2", "describe-snapshots", "--snapshot-ids", made)
    until(["completed"], *state, query="Snapshots[].State")
    return made


def read(made, region):
    """All blocks of a snapshot."""
    listed = aws("ebs", "list-snapshot-blocks", "--snapshot-id", made, region=region)["Blocks"]
    blocks = {}
    for entry in listed:
        path, index = FOLDER / "read", entry["BlockIndex"]
        aws(
            "ebs", "get-snapshot-block", "--snapshot-id", made, "--block-index", str(index),
            "--block-token", entry["BlockToken"], str(path), region=region,
        )  # fmt: skip
        blocks[index] = path.read_bytes()
    return blocks


def register(made, name):
    """An image of a snapshot."""
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": made, "VolumeType": "gp3", "VolumeSize": 4}}]
    return aws(
        "ec2", "register-image", "--name", name, "--architecture", "arm64", "--virtualization-type", "hvm",
        "--root-device-name", "/dev/xvda", "--ena-support", "--boot-mode", "uefi", "--imds-support", "v2.0",
        "--block-device-mappings", json.dumps(mapping),
        "--tag-specifications", "ResourceType=image,Tags=[{Key=stage,Value=new}]",
    )["ImageId"]  # fmt: skip


def main():
    blocks = {0: b"a" * BLOCK, 5: bytes(BLOCK)}
    made = snapshot(blocks)
    first, second = register(made, "cli-v1"), register(made, "cli-v2")
    aws("ec2", "register-image", "--name", "cli-v1", "--root-device-name", "/dev/xvda", refused="InvalidBlockDeviceMapping")
    shown = aws("ec2", "describe-images", "--owners", "self", "--filters", "Name=name,Values=cli-v?")["Images"]
    assert sorted(one["ImageId"] for one in shown) == sorted([first, second])
    tag_and_share(first)
    copied = copy(first, blocks)
    govern(first)
    roll_out(first, second)
    store_and_restore(first)
    end([first, second], made, copied)
    print("OK")


def tag_and_share(id):
    """Tags, an account, and back."""
    aws("ec2", "create-tags", "--resources", id, "--tags", "Key=stage,Value=tested")
    tags = aws("ec2", "describe-tags", "--filters", f"Name=resource-id,Values={id}", "--query", "Tags[].Value")
    assert tags == ["tested"], tags
    aws("ec2", "modify-image-attribute", "--image-id", id, "--launch-permission", f"Add=[{{UserId={OTHER}}}]")
    shown = aws("ec2", "describe-image-attribute", "--image-id", id, "--attribute", "launchPermission")
    assert shown["LaunchPermissions"] == [{"UserId": OTHER}], shown
    aws("ec2", "modify-image-attribute", "--image-id", id, "--launch-permission", "Add=[{Group=all}]")
    assert aws("ec2", "describe-images", "--image-ids", id, "--query", "Images[].Public") == [True]
    aws("ec2", "enable-image-block-public-access", "--image-block-public-access-state", "block-new-sharing")
    aws("ec2", "reset-image-attribute", "--image-id", id, "--attribute", "launchPermission")
    again = ("ec2", "modify-image-attribute", "--image-id", id, "--launch-permission", "Add=[{Group=all}]")
    aws(*again, refused="OperationNotPermitted")
    aws("ec2", "disable-image-block-public-access")


def copy(id, blocks):
    """To the other region, and its bytes read back there."""
    copied = aws(
        "ec2", "copy-image", "--name", "cli-copy", "--source-image-id", id, "--source-region", "local",
        "--copy-image-tags", region="local-2",
    )["ImageId"]  # fmt: skip
    state = ("ec2", "describe-images", "--image-ids", copied)
    until(["available"], *state, region="local-2", query="Images[].State")
    snapshots = "Images[].BlockDeviceMappings[].Ebs.SnapshotId"
    (root,) = aws(*state, "--query", snapshots, region="local-2")
    assert read(root, "local-2") == blocks
    return copied


def govern(id):
    """Deprecated, protected, disabled, and back."""
    at = time.strftime("%Y-%m-%dT%H:%M:00.000Z", time.gmtime(time.time() + 90 * 86400))
    aws("ec2", "enable-image-deprecation", "--image-id", id, "--deprecate-at", at)
    assert aws("ec2", "describe-images", "--image-ids", id, "--query", "Images[].DeprecationTime") == [at]
    aws("ec2", "disable-image-deprecation", "--image-id", id)
    aws("ec2", "enable-image-deregistration-protection", "--image-id", id, "--no-with-cooldown")
    aws("ec2", "deregister-image", "--image-id", id, refused="OperationNotPermitted")
    aws("ec2", "disable-image-deregistration-protection", "--image-id", id)
    aws("ec2", "disable-image", "--image-id", id)
    state = ("ec2", "describe-images", "--image-ids", id, "--include-disabled", "--query", "Images[].State")
    assert aws(*state) == ["disabled"]
    aws("ec2", "enable-image", "--image-id", id)
    assert aws(*state) == ["available"]


def roll_out(first, second):
    """A launch template forward and back, and a parameter that names the image."""
    template = ("--launch-template-name", "cli")
    aws("ec2", "create-launch-template", *template, "--launch-template-data", json.dumps({"ImageId": first}))
    data = json.dumps({"ImageId": second})
    aws("ec2", "create-launch-template-version", *template, "--source-version", "1", "--launch-template-data", data)
    for version, image in (("2", second), ("1", first)):
        aws("ec2", "modify-launch-template", *template, "--default-version", version)
        shown = aws(
            "ec2", "describe-launch-template-versions", *template, "--versions", "$Default",
            "--query", "LaunchTemplateVersions[].LaunchTemplateData.ImageId",
        )  # fmt: skip
        assert shown == [image]
    aws("ec2", "delete-launch-template", *template)
    put = ("ssm", "put-parameter", "--name", "/cli/ami", "--type", "String", "--data-type", "aws:ec2:image")
    aws(*put, "--value", first)
    aws(*put, "--value", second, refused="ParameterAlreadyExists")
    aws(*put, "--value", second, "--overwrite")
    until([first, second], "ssm", "get-parameter-history", "--name", "/cli/ami", query="Parameters[].Value")
    aws("ssm", "delete-parameter", "--name", "/cli/ami")


def store_and_restore(id):
    """An image as an object, copied by `aws s3`, and an image again."""
    aws("s3", "mb", "s3://cli-store")
    aws("ec2", "create-store-image-task", "--image-id", id, "--bucket", "cli-store")
    tasks = ("ec2", "describe-store-image-tasks", "--image-ids", id)
    until(["Completed"], *tasks, query="StoreImageTaskResults[].StoreTaskState")
    local = str(FOLDER / "stored")
    aws("s3", "cp", "--quiet", f"s3://cli-store/{id}.bin", local)
    aws("s3", "cp", "--quiet", local, "s3://cli-store/again.bin")
    assert f"{id}.bin" in aws("s3", "ls", "s3://cli-store")
    restore = ("ec2", "create-restore-image-task", "--bucket", "cli-store", "--object-key", "again.bin")
    restored = aws(*restore, "--name", "cli-restored")["ImageId"]
    until(["available"], "ec2", "describe-images", "--image-ids", restored, query="Images[].State")
    aws("ec2", "deregister-image", "--image-id", restored, "--delete-associated-snapshots")
    aws("s3", "rb", "--force", "s3://cli-store")


def end(images, made, copied):
    """Nothing is left."""
    aws("ec2", "delete-snapshot", "--snapshot-id", made, refused="InvalidSnapshot.InUse")
    for id in images:
        aws("ec2", "deregister-image", "--image-id", id)
    aws("ec2", "delete-snapshot", "--snapshot-id", made)
    aws("ec2", "deregister-image", "--image-id", copied, "--delete-associated-snapshots", region="local-2")
    for region in ("local", "local-2"):
        assert aws("ec2", "describe-images", "--owners", "self", region=region)["Images"] == []
        assert aws("ec2", "describe-snapshots", "--owner-ids", "self", region=region)["Snapshots"] == []


try:
    main()
finally:
    shutil.rmtree(FOLDER)
