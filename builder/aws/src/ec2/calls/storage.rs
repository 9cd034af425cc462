//! Images that are stored as objects of S3, and restored.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::tags::{Filter, NewTag, TagSpecification};

inputs! {
    /// Stores an image.
    CreateStoreImageTask {
        image: String = "ImageId",
        bucket: String = "Bucket",
        tags: Vec<NewTag> = "S3ObjectTag",
    }

    /// The tasks that store images.
    DescribeStoreImageTasks {
        images: Vec<String> = "ImageId",
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Restores an image.
    CreateRestoreImageTask {
        bucket: String = "Bucket",
        key: String = "ObjectKey",
        name: Option<String> = "Name",
        tags: Vec<TagSpecification> = "TagSpecification",
    }
}

outputs! {
    /// The key of the object.
    StoredImageKey {
        key: Option<String> = "objectKey",
    }

    /// Tasks.
    StoreImageTasks {
        tasks: Vec<StoreImageTask> = "storeImageTaskResultSet",
        next_token: Option<String> = "nextToken",
    }

    /// A task.
    StoreImageTask {
        image: Option<String> = "amiId",
        bucket: Option<String> = "bucket",
        key: Option<String> = "s3objectKey",
        /// Percent.
        progress: Option<u64> = "progressPercentage",
        state: Option<String> = "storeTaskState",
        failure: Option<String> = "storeTaskFailureReason",
        started: Option<Timestamp> = "taskStartTime",
    }
}
