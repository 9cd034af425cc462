"""Sharing after the fact, Allowed AMIs, tiers, locks, fast restores: every answer held against the model, and refusals."""

import datetime
import time

import clients
from clients import ACCOUNT, Region, refused

OTHER = "210987654321"
OTHER_KEY = ("AKIAOTHERACCOUNT0000", "other-secret")
OPERATIONS = """
CancelImageLaunchPermission DescribeFastSnapshotRestores DescribeLockedSnapshots DescribeSnapshotTierStatus
DisableAllowedImagesSettings DisableFastSnapshotRestores EnableAllowedImagesSettings EnableFastSnapshotRestores
GetAllowedImagesSettings LockSnapshot ModifySnapshotTier ReplaceImageCriteriaInAllowedImagesSettings
RestoreSnapshotTier UnlockSnapshot
""".split()


def shapes(region, image):
    """Each operation with everything that it can have."""
    other = Region(clients.endpoint(), key=OTHER_KEY, check=False)
    cancelled(region, other, image)
    allowed(region, other, image)
    snapshot = clients.snapshot(region, {0: clients.block(1)}, Tags=[{"Key": "k", "Value": "v"}])
    locked(region, snapshot)
    fast(region, snapshot)
    tiers(region, other, snapshot)
    region.ec2.delete_snapshot(SnapshotId=snapshot)


def refusals(region, other, image, root):
    """What the documentation says is refused."""
    refused("OperationNotPermitted", region.ec2.cancel_image_launch_permission, ImageId=image)
    refused("InvalidAMIID.NotFound", other.ec2.cancel_image_launch_permission, ImageId=image)
    criteria(region)
    locks(region)
    archive(region, other, image, root)
    zones = {"SourceSnapshotIds": [root]}
    for code, more in (
        ("MissingParameter", {}),
        ("InvalidParameterValue", {"AvailabilityZones": ["elsewhere-1a"]}),
        ("InvalidParameterCombination", {"AvailabilityZones": ["locala"], "AvailabilityZoneIds": ["local-az1"]}),
    ):
        refused(code, region.ec2.enable_fast_snapshot_restores, **zones, **more)
    answer = region.ec2.disable_fast_snapshot_restores(**zones, AvailabilityZones=["locala"])
    assert not answer["Successful"] and len(answer["Unsuccessful"]) == 1, answer
    copy = {"Name": "timed", "SourceImageId": image, "SourceRegion": region.name}
    for minutes in (0, 10, 14, 20, 2895):
        refused("InvalidParameterValue", region.ec2.copy_image, **copy, SnapshotCopyCompletionDurationMinutes=minutes)


def cancelled(region, other, image):
    """The receiver gives its permission up; a public image stays visible."""
    add = [{"UserId": OTHER}, {"Group": "all"}]
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": add})
    assert other.ec2.cancel_image_launch_permission(ImageId=image)["Return"] is True
    refused("OperationNotPermitted", other.ec2.cancel_image_launch_permission, ImageId=image)
    clients.image(other, image)
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"Group": "all"}]})
    refused("InvalidAMIID.NotFound", other.ec2.describe_images, ImageIds=[image])


def allowed(region, other, image):
    """Audit marks what the criteria exclude, enabled hides it; own images are never restricted."""
    ec2 = other.ec2
    region.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER}]})
    before = ec2.get_allowed_images_settings()
    assert (before["State"], before["ManagedBy"]) == ("disabled", "account"), before
    assert "ImageAllowed" not in clients.image(other, image)
    everything = [
        {
            "ImageProviders": ["amazon", ACCOUNT],
            "MarketplaceProductCodes": ["abc123"],
            "ImageNames": ["web-*", "we?"],
            "DeprecationTimeCondition": {"MaximumDaysSinceDeprecated": 0},
            "CreationDateCondition": {"MaximumDaysSinceCreated": 300},
            "ImageWatermarks": [{"WatermarkKey": "1:x", "MaximumDaysSinceWatermarkCreated": 3}],
            "ScanResultCondition": {"MaximumSeverityLabel": "low", "MaxDaysSinceLastFindingScan": 7},
        }
    ]
    ec2.replace_image_criteria_in_allowed_images_settings(ImageCriteria=everything)
    assert ec2.get_allowed_images_settings()["ImageCriteria"] == everything
    assert ec2.enable_allowed_images_settings(AllowedImagesSettingsState="audit-mode")["AllowedImagesSettingsState"] == "audit-mode"
    assert clients.image(other, image)["ImageAllowed"] is False
    listed = ec2.describe_images(Filters=[{"Name": "image-allowed", "Values": ["false"]}])["Images"]
    assert [one["ImageId"] for one in listed] == [image]
    ec2.enable_allowed_images_settings(AllowedImagesSettingsState="enabled")
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=[image])
    assert ec2.describe_images(ExecutableUsers=["self"])["Images"] == []
    copy = {"Name": "hidden", "SourceImageId": image, "SourceRegion": region.name}
    refused("InvalidAMIID.NotFound", ec2.copy_image, **copy)
    ec2.replace_image_criteria_in_allowed_images_settings(ImageCriteria=[{"ImageProviders": [ACCOUNT]}])
    assert clients.image(other, image)["ImageAllowed"] is True
    region.ec2.enable_allowed_images_settings(AllowedImagesSettingsState="enabled")
    assert clients.image(region, image)["ImageAllowed"] is True
    region.ec2.disable_allowed_images_settings()
    ec2.replace_image_criteria_in_allowed_images_settings()
    assert ec2.get_allowed_images_settings()["ImageCriteria"] == []
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=[image])
    assert ec2.disable_allowed_images_settings()["AllowedImagesSettingsState"] == "disabled"
    clients.image(other, image)
    region.ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")


def locked(region, snapshot):
    """A lock in each mode."""
    ec2 = region.ec2
    lock = ec2.lock_snapshot(SnapshotId=snapshot, LockMode="governance", LockDuration=2)
    assert (lock["LockState"], lock["LockDuration"]) == ("governance", 2), lock
    refused("OperationNotPermitted", ec2.delete_snapshot, SnapshotId=snapshot)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)
    lock = ec2.lock_snapshot(SnapshotId=snapshot, LockMode="compliance", ExpirationDate=until, CoolOffPeriod=1)
    assert (lock["LockState"], lock["CoolOffPeriod"]) == ("compliance-cooloff", 1), lock
    (shown,) = ec2.describe_locked_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert (shown["LockState"], shown["OwnerId"]) == ("compliance-cooloff", ACCOUNT), shown
    governed = [{"Name": "lock-state", "Values": ["governance"]}]
    assert ec2.describe_locked_snapshots(Filters=governed)["Snapshots"] == []
    assert ec2.unlock_snapshot(SnapshotId=snapshot)["SnapshotId"] == snapshot
    assert ec2.describe_locked_snapshots()["Snapshots"] == []


def fast(region, snapshot):
    """Fast restores in two zones."""
    ec2 = region.ec2
    which = {"SourceSnapshotIds": [snapshot], "AvailabilityZones": ["locala", "localb"]}
    answer = ec2.enable_fast_snapshot_restores(**which)
    assert [one["State"] for one in answer["Successful"]] == ["enabling"] * 2 and not answer["Unsuccessful"]
    until(lambda: states(ec2) == ["enabled"] * 2)
    answer = ec2.disable_fast_snapshot_restores(SourceSnapshotIds=[snapshot], AvailabilityZoneIds=["local-az1"])
    assert answer["Successful"][0]["State"] == "disabling", answer
    until(lambda: states(ec2) == ["disabled", "enabled"])
    filters = [{"Name": "availability-zone", "Values": ["localb"]}, {"Name": "snapshot-id", "Values": [snapshot]}]
    (one,) = ec2.describe_fast_snapshot_restores(Filters=filters)["FastSnapshotRestores"]
    assert (one["OwnerId"], one["AvailabilityZoneId"]) == (ACCOUNT, "local-az2"), one
    pages = list(ec2.get_paginator("describe_fast_snapshot_restores").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == 2


def states(ec2):
    """The states of all fast restores."""
    return [one["State"] for one in ec2.describe_fast_snapshot_restores()["FastSnapshotRestores"]]


def until(reached):
    """Waits until something is so."""
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def tiers(region, other, snapshot):
    """Into the archive, and back for a while and for good."""
    ec2 = region.ec2
    ec2.modify_snapshot_attribute(SnapshotId=snapshot, OperationType="add", UserIds=[OTHER])

    def tier():
        filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
        (status,) = ec2.describe_snapshot_tier_status(Filters=filters)["SnapshotTierStatuses"]
        (shown,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        assert shown["StorageTier"] == status["StorageTier"], (shown, status)
        assert ("RestoreExpiryTime" in shown) == ("RestoreExpiryTime" in status)
        return status

    assert "LastTieringOperationStatus" not in tier()
    assert ec2.modify_snapshot_tier(SnapshotId=snapshot, StorageTier="archive")["SnapshotId"] == snapshot
    assert tier()["LastTieringOperationStatus"] == "archival-in-progress"
    until(lambda: tier()["LastTieringOperationStatus"] == "archival-completed")
    assert tier()["StorageTier"] == "archive" and tier()["ArchivalCompleteTime"]
    assert states(ec2)[1] in ("disabling", "disabled")
    refused("InvalidSnapshot.NotFound", other.ec2.describe_snapshots, SnapshotIds=[snapshot])
    refused("ValidationException", region.ebs.list_snapshot_blocks, SnapshotId=snapshot)
    refused("IncorrectState", clients.register, region, snapshot, "of-an-archived-one")
    refused("ValidationException", region.ebs.start_snapshot, VolumeSize=1, ParentSnapshotId=snapshot)
    answer = ec2.restore_snapshot_tier(SnapshotId=snapshot, TemporaryRestoreDays=2)
    assert (answer["RestoreDuration"], answer["IsPermanentRestore"]) == (2, False), answer
    until(lambda: tier()["LastTieringOperationStatus"] == "temporary-restore-completed")
    assert tier()["StorageTier"] == "archive" and tier()["RestoreExpiryTime"]
    assert clients.read(region, snapshot) == {0: clients.block(1)}
    assert ec2.restore_snapshot_tier(SnapshotId=snapshot, PermanentRestore=True)["IsPermanentRestore"] is True
    until(lambda: tier()["StorageTier"] == "standard")
    pages = list(ec2.get_paginator("describe_snapshot_tier_status").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) > 1


def criteria(region):
    """Criteria of Allowed AMIs."""
    replace = region.ec2.replace_image_criteria_in_allowed_images_settings
    for code, one in (
        ("InvalidParameterValue", {"ImageProviders": ["123"]}),
        ("InvalidParameterValue", {"ImageProviders": ["Amazon"]}),
        ("InvalidParameterCombination", {"ImageProviders": ["none", ACCOUNT]}),
        ("InvalidParameterValue", {"ImageNames": ["w?"]}),
        ("InvalidParameterValue", {"ImageNames": ["w{1}"]}),
        ("InvalidParameterValue", {"ImageNames": ["w" * 129]}),
        ("InvalidParameterValue", {"ImageNames": ["w"] * 51}),
        ("InvalidParameterValue", {"MarketplaceProductCodes": ["a-b"]}),
        ("InvalidParameterValue", {"CreationDateCondition": {"MaximumDaysSinceCreated": -1}}),
    ):
        refused(code, replace, ImageCriteria=[one])
    refused("InvalidParameterValue", replace, ImageCriteria=[{"ImageProviders": ["amazon"]}] * 11)
    many = [{"ImageProviders": [f"{n:012}" for n in range(101)]}] * 2
    refused("InvalidParameterValue", replace, ImageCriteria=many)
    for code, state in (("InvalidParameterValue", "on"), ("MissingParameter", "")):
        refused(code, region.ec2.enable_allowed_images_settings, AllowedImagesSettingsState=state)


def locks(region):
    """A lock in compliance mode without a cooling-off period can only be extended."""
    snapshot = clients.snapshot(region, {})
    lock = region.ec2.lock_snapshot
    for code, more in (
        ("MissingParameter", {}),
        ("InvalidParameterCombination", {"LockDuration": 1, "ExpirationDate": datetime.datetime(2099, 1, 1)}),
        ("InvalidParameterValue", {"LockDuration": 0}),
        ("InvalidParameterValue", {"LockDuration": 36501}),
        ("InvalidParameterValue", {"ExpirationDate": datetime.datetime(2020, 1, 1)}),
        ("InvalidParameterCombination", {"LockDuration": 1, "CoolOffPeriod": 1}),
    ):
        refused(code, lock, SnapshotId=snapshot, LockMode="governance", **more)
    refused("IncorrectState", region.ec2.unlock_snapshot, SnapshotId=snapshot)
    compliance = {"SnapshotId": snapshot, "LockMode": "compliance"}
    refused("InvalidParameterValue", lock, **compliance, LockDuration=1, CoolOffPeriod=73)
    lock(**compliance, LockDuration=5)
    refused("OperationNotPermitted", region.ec2.unlock_snapshot, SnapshotId=snapshot)
    refused("OperationNotPermitted", region.ec2.delete_snapshot, SnapshotId=snapshot)
    refused("OperationNotPermitted", lock, **compliance, LockDuration=4)
    refused("OperationNotPermitted", lock, **compliance, LockDuration=6, CoolOffPeriod=1)
    refused("OperationNotPermitted", lock, SnapshotId=snapshot, LockMode="governance", LockDuration=9)
    assert lock(**compliance, LockDuration=6)["LockDuration"] == 6


def archive(region, other, image, root):
    """Only unused snapshots are archived, and only archived ones restored."""
    refused("InvalidSnapshot.InUse", region.ec2.modify_snapshot_tier, SnapshotId=root, StorageTier="archive")
    refused("InvalidParameterValue", region.ec2.modify_snapshot_tier, SnapshotId=root, StorageTier="standard")
    refused("InvalidSnapshot.NotFound", other.ec2.modify_snapshot_tier, SnapshotId=root, StorageTier="archive")
    pending = clients.start(region, {})
    refused("IncorrectState", region.ec2.modify_snapshot_tier, SnapshotId=pending, StorageTier="archive")
    restore = region.ec2.restore_snapshot_tier
    for code, more in (
        ("IncorrectState", {"PermanentRestore": True}),
        ("MissingParameter", {}),
        ("InvalidParameterValue", {"TemporaryRestoreDays": 0}),
        ("InvalidParameterCombination", {"TemporaryRestoreDays": 1, "PermanentRestore": True}),
    ):
        refused(code, restore, SnapshotId=root, **more)
    own = clients.snapshot(region, {})
    used = clients.register(region, own, "archived")
    region.ec2.disable_image(ImageId=used)
    region.ec2.modify_snapshot_tier(SnapshotId=own, StorageTier="archive")
    refused("IncorrectState", region.ec2.modify_snapshot_tier, SnapshotId=own, StorageTier="archive")
    refused("IncorrectState", region.ec2.enable_image, ImageId=used)
    refused("IncorrectState", region.ec2.copy_snapshot, SourceSnapshotId=own, SourceRegion=region.name)
    answer = region.ec2.enable_fast_snapshot_restores(SourceSnapshotIds=[own], AvailabilityZones=["locala"])
    (error,) = answer["Unsuccessful"][0]["FastSnapshotRestoreStateErrors"]
    assert error["Error"]["Code"] == "IncorrectState", answer
    restore(SnapshotId=own, PermanentRestore=True)
    region.ec2.enable_image(ImageId=used)
    region.ec2.deregister_image(ImageId=used)
