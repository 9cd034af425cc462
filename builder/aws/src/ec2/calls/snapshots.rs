//! Snapshots and their permissions.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::tags::{Filter, Tag, TagSpecification};

inputs! {
    /// Lists snapshots.
    DescribeSnapshots {
        ids: Vec<String> = "SnapshotId",
        owners: Vec<String> = "Owner",
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Deletes a snapshot.
    DeleteSnapshot {
        id: String = "SnapshotId",
    }

    /// Copies a snapshot.
    CopySnapshot {
        snapshot: String = "SourceSnapshotId",
        region: String = "SourceRegion",
        description: String = "Description",
        tags: Vec<TagSpecification> = "TagSpecification",
    }

    /// An attribute of a snapshot.
    DescribeSnapshotAttribute {
        id: String = "SnapshotId",
        attribute: String = "Attribute",
    }

    /// Changes the permissions to create volumes.
    ModifySnapshotAttribute {
        id: String = "SnapshotId",
        attribute: String = "Attribute",
        operation: String = "OperationType",
        accounts: Vec<String> = "UserId",
        groups: Vec<String> = "UserGroup",
    }
}

outputs! {
    /// The new snapshot.
    NewSnapshotId {
        id: Option<String> = "snapshotId",
    }

    /// A page of snapshots.
    Snapshots {
        snapshots: Vec<Snapshot> = "snapshotSet",
        next_token: Option<String> = "nextToken",
    }

    /// A snapshot.
    Snapshot {
        id: Option<String> = "snapshotId",
        state: Option<String> = "status",
        state_message: Option<String> = "statusMessage",
        progress: Option<String> = "progress",
        /// GiB.
        volume_size: Option<u64> = "volumeSize",
        encrypted: Option<bool> = "encrypted",
        key: Option<String> = "kmsKeyId",
        owner: Option<String> = "ownerId",
        started: Option<Timestamp> = "startTime",
        tags: Vec<Tag> = "tagSet",
        /// `standard` or `archive`.
        tier: Option<String> = "storageTier",
        /// Length of all blocks in bytes, including those that other snapshots share.
        full_bytes: Option<u64> = "fullSnapshotSizeInBytes",
    }

    /// The requested attribute.
    SnapshotAttribute {
        create_volume: Vec<CreateVolumePermission> = "createVolumePermission",
    }

    /// A permission to create volumes.
    CreateVolumePermission {
        group: Option<String> = "group",
        account: Option<String> = "userId",
    }
}
