//! The recycle bin, and the states of images that can be taken back.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::tags::NewTagKey;

inputs! {
    /// Cancels the deprecation of an image.
    DisableImageDeprecation {
        image: String = "ImageId",
    }

    /// Disables an image: it cannot be launched, and loses its launch permissions.
    DisableImage {
        image: String = "ImageId",
    }

    /// Enables a disabled image.
    EnableImage {
        image: String = "ImageId",
    }

    /// Removes tags by their keys.
    DeleteTags {
        resources: Vec<String> = "ResourceId",
        tags: Vec<NewTagKey> = "Tag",
    }

    /// Images in the recycle bin.
    ListImagesInRecycleBin {
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Restores an image from the recycle bin.
    RestoreImageFromRecycleBin {
        image: String = "ImageId",
    }

    /// Snapshots in the recycle bin.
    ListSnapshotsInRecycleBin {
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Restores a snapshot from the recycle bin.
    RestoreSnapshotFromRecycleBin {
        snapshot: String = "SnapshotId",
    }
}

outputs! {
    /// What became of the snapshots of a deregistered image.
    DeregisteredImage {
        snapshots: Vec<DeletedSnapshot> = "deleteSnapshotResultSet",
    }

    /// What became of a snapshot.
    DeletedSnapshot {
        id: Option<String> = "snapshotId",
        code: Option<String> = "returnCode",
    }

    /// A page of images.
    RecycledImages {
        images: Vec<RecycledImage> = "imageSet",
        next_token: Option<String> = "nextToken",
    }

    /// An image in the recycle bin.
    RecycledImage {
        id: Option<String> = "imageId",
        name: Option<String> = "name",
        entered: Option<Timestamp> = "recycleBinEnterTime",
        leaves: Option<Timestamp> = "recycleBinExitTime",
    }

    /// A page of snapshots.
    RecycledSnapshots {
        snapshots: Vec<RecycledSnapshot> = "snapshotSet",
        next_token: Option<String> = "nextToken",
    }

    /// A snapshot in the recycle bin.
    RecycledSnapshot {
        id: Option<String> = "snapshotId",
        description: Option<String> = "description",
        entered: Option<Timestamp> = "recycleBinEnterTime",
        leaves: Option<Timestamp> = "recycleBinExitTime",
    }
}
