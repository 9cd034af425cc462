//! Snapshots that are imported from objects of S3.

use super::super::super::query::{inputs, outputs};

inputs! {
    /// Imports a snapshot.
    ImportSnapshot {
        token: String = "ClientToken",
        description: Option<String> = "Description",
        disk: DiskContainer = "DiskContainer",
        encrypted: Option<bool> = "Encrypted",
        key: Option<String> = "KmsKeyId",
        role: Option<String> = "RoleName",
    }

    /// A disk.
    DiskContainer {
        format: String = "Format",
        object: UserBucket = "UserBucket",
    }

    /// An object.
    UserBucket {
        bucket: String = "S3Bucket",
        key: String = "S3Key",
    }

    /// Tasks that import.
    DescribeImportSnapshotTasks {
        ids: Vec<String> = "ImportTaskId",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Cancels a task.
    CancelImportTask {
        id: String = "ImportTaskId",
    }
}

outputs! {
    /// The id of a task.
    ImportTaskId {
        id: Option<String> = "importTaskId",
    }

    /// Tasks.
    ImportTasks {
        tasks: Vec<ImportTask> = "importSnapshotTaskSet",
        next_token: Option<String> = "nextToken",
    }

    /// A task.
    ImportTask {
        id: Option<String> = "importTaskId",
        detail: Option<SnapshotTaskDetail> = "snapshotTaskDetail",
    }

    /// What it does.
    SnapshotTaskDetail {
        state: Option<String> = "status",
        message: Option<String> = "statusMessage",
        /// Percent.
        progress: Option<String> = "progress",
        snapshot: Option<String> = "snapshotId",
    }
}
