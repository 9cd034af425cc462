//! What keeps a snapshot although no image has it: [`SnapshotUse`].

use amiforge_lifecycle::api::images::SnapshotUse;
use amiforge_publish::service_error::ServiceError;

use super::super::query::{inputs, operations, outputs, paged};
use super::calls::EC2;
use super::calls::tags::Filter;
use super::{Ec2Client, MAX_RESULTS};

/// Items per page of store tasks, the maximum of the service.
const MAX_TASKS: u64 = 200;

inputs! {
    /// The locks of snapshots.
    DescribeLockedSnapshots {
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// The tasks that store images.
    DescribeStoreImageTasks {
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }
}

outputs! {
    /// A page of locks.
    LockedSnapshots {
        locks: Vec<LockedSnapshot> = "snapshotSet",
        next_token: Option<String> = "nextToken",
    }

    /// The lock of a snapshot.
    LockedSnapshot {
        id: Option<String> = "snapshotId",
        state: Option<String> = "lockState",
    }

    /// A page of tasks.
    StoreImageTasks {
        tasks: Vec<StoreImageTask> = "storeImageTaskResultSet",
        next_token: Option<String> = "nextToken",
    }

    /// A task.
    StoreImageTask {
        image: Option<String> = "amiId",
    }
}

operations! {
    /// All calls of EC2 that are made here.
    pub CALLS of EC2:
    DescribeLockedSnapshots -> LockedSnapshots,
    DescribeStoreImageTasks -> StoreImageTasks,
}

paged! {
    DescribeLockedSnapshots: locks of LockedSnapshot,
    DescribeStoreImageTasks: tasks of StoreImageTask,
}

impl SnapshotUse for Ec2Client {
    async fn locked_snapshots(&self) -> Result<Vec<String>, ServiceError> {
        let call = DescribeLockedSnapshots { max_results: Some(MAX_RESULTS), next_token: None };
        let locks = self.client.call_pages(call).await?.into_iter();
        let current = locks.filter(|lock| lock.state.as_deref() != Some("expired"));
        Ok(current.filter_map(|lock| lock.id).collect())
    }

    async fn images_being_stored(&self) -> Result<Vec<String>, ServiceError> {
        let filter = Filter { name: "task-state".to_owned(), values: vec!["InProgress".to_owned()] };
        let call =
            DescribeStoreImageTasks { filters: vec![filter], max_results: Some(MAX_TASKS), next_token: None };
        Ok(self.client.call_pages(call).await?.into_iter().filter_map(|task| task.image).collect())
    }
}
