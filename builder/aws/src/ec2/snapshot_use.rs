//! What keeps a snapshot although no image has it: [`SnapshotUse`].

use amiforge_lifecycle::api::images::SnapshotUse;
use amiforge_publish::service_error::ServiceError;

use super::calls::storage::DescribeStoreImageTasks;
use super::calls::tags::Filter;
use super::calls::tiers::DescribeLockedSnapshots;
use super::{Ec2Client, MAX_RESULTS};

/// Items per page of store tasks, the maximum of the service.
const MAX_TASKS: u64 = 200;

impl SnapshotUse for Ec2Client {
    async fn locked_snapshots(&self) -> Result<Vec<String>, ServiceError> {
        let call =
            DescribeLockedSnapshots { max_results: Some(MAX_RESULTS), ..DescribeLockedSnapshots::default() };
        let locks = self.client.call_pages(call).await?.into_iter();
        let current = locks.filter(|lock| lock.state.as_deref() != Some("expired"));
        Ok(current.filter_map(|lock| lock.id).collect())
    }

    async fn images_being_stored(&self) -> Result<Vec<String>, ServiceError> {
        let filter = Filter { name: "task-state".to_owned(), values: vec!["InProgress".to_owned()] };
        let call = DescribeStoreImageTasks {
            filters: vec![filter],
            max_results: Some(MAX_TASKS),
            ..DescribeStoreImageTasks::default()
        };
        Ok(self.client.call_pages(call).await?.into_iter().filter_map(|task| task.image).collect())
    }
}
