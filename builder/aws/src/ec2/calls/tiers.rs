//! Storage tiers, locks and fast restores of snapshots.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::tags::Filter;

inputs! {
    /// Archives a snapshot.
    ModifySnapshotTier {
        id: String = "SnapshotId",
        tier: String = "StorageTier",
    }

    /// Restores an archived snapshot.
    RestoreSnapshotTier {
        id: String = "SnapshotId",
        days: Option<u64> = "TemporaryRestoreDays",
        permanent: Option<bool> = "PermanentRestore",
    }

    /// The storage tiers of snapshots.
    DescribeSnapshotTierStatus {
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Locks a snapshot.
    LockSnapshot {
        id: String = "SnapshotId",
        mode: String = "LockMode",
        /// Hours.
        cool_off: Option<u64> = "CoolOffPeriod",
        /// Days.
        duration: Option<u64> = "LockDuration",
        expires: Option<Timestamp> = "ExpirationDate",
    }

    /// Removes the lock of a snapshot.
    UnlockSnapshot {
        id: String = "SnapshotId",
    }

    /// The locks of snapshots.
    DescribeLockedSnapshots {
        ids: Vec<String> = "SnapshotId",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Enables fast restores.
    EnableFastSnapshotRestores {
        snapshots: Vec<String> = "SourceSnapshotId",
        zones: Vec<String> = "AvailabilityZone",
    }

    /// Disables fast restores.
    DisableFastSnapshotRestores {
        snapshots: Vec<String> = "SourceSnapshotId",
        zones: Vec<String> = "AvailabilityZone",
    }

    /// The fast restores of snapshots.
    DescribeFastSnapshotRestores {
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// The availability zones of the region.
    DescribeAvailabilityZones {
        filters: Vec<Filter> = "Filter",
    }
}

outputs! {
    /// A page of tiers.
    SnapshotTiers {
        tiers: Vec<SnapshotTier> = "snapshotTierStatusSet",
        next_token: Option<String> = "nextToken",
    }

    /// The tier of a snapshot.
    SnapshotTier {
        id: Option<String> = "snapshotId",
        tier: Option<String> = "storageTier",
        /// Percent.
        progress: Option<u64> = "lastTieringProgress",
        operation: Option<String> = "lastTieringOperationStatus",
        detail: Option<String> = "lastTieringOperationStatusDetail",
        restored_until: Option<Timestamp> = "restoreExpiryTime",
    }

    /// Locks.
    LockedSnapshots {
        locks: Vec<LockedSnapshot> = "snapshotSet",
        next_token: Option<String> = "nextToken",
    }

    /// The lock of a snapshot.
    LockedSnapshot {
        id: Option<String> = "snapshotId",
        state: Option<String> = "lockState",
        expires: Option<Timestamp> = "lockExpiresOn",
        cool_off_until: Option<Timestamp> = "coolOffPeriodExpiresOn",
    }

    /// The outcome of a change of fast restores.
    FastRestoreResults {
        unsuccessful: Vec<FastRestoreErrors> = "unsuccessful",
    }

    /// The zones of a snapshot that failed.
    FastRestoreErrors {
        id: Option<String> = "snapshotId",
        errors: Vec<FastRestoreError> = "fastSnapshotRestoreStateErrorSet",
    }

    /// A zone that failed.
    FastRestoreError {
        zone: Option<String> = "availabilityZone",
        error: Option<StateError> = "error",
    }

    /// Why it failed.
    StateError {
        code: Option<String> = "code",
        message: Option<String> = "message",
    }

    /// A page of fast restores.
    FastRestores {
        restores: Vec<FastRestore> = "fastSnapshotRestoreSet",
        next_token: Option<String> = "nextToken",
    }

    /// Fast restores of a snapshot in a zone.
    FastRestore {
        id: Option<String> = "snapshotId",
        zone: Option<String> = "availabilityZone",
        state: Option<String> = "state",
    }

    /// Availability zones.
    AvailabilityZones {
        zones: Vec<AvailabilityZone> = "availabilityZoneInfo",
    }

    /// An availability zone.
    AvailabilityZone {
        name: Option<String> = "zoneName",
    }
}
