//! The calls of EC2 for snapshots.

use amiforge_publish::api::{DescribedSnapshot, NewSnapshotCopy, SnapshotCalls, SnapshotCopies};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::super::query::Client;
use super::calls::account::GetEbsEncryptionByDefault;
use super::calls::images::DescribeImages;
use super::calls::snapshots::{CopySnapshot, DeleteSnapshot, DescribeSnapshots};
use super::calls::tags::Filter;
use super::outputs::snapshot;
use super::{Ec2Client, MAX_RESULTS, calls, inputs, missing_id};

/// Client of EC2 for the calls for snapshots.
#[derive(Debug, Clone)]
pub struct SnapshotsClient(Client);

impl SnapshotsClient {
    pub(crate) fn new(sdk: &aws_config::SdkConfig) -> Self {
        Self(Client::new(sdk, &calls::EC2))
    }

    pub(super) fn from_client(client: Client) -> Self {
        Self(client)
    }
}

impl SnapshotCalls for SnapshotsClient {
    async fn describe_snapshot(&self, id: &str) -> Result<DescribedSnapshot, ServiceError> {
        let call = DescribeSnapshots { ids: vec![id.to_owned()], ..DescribeSnapshots::default() };
        let first = self.0.call(&call).await?.snapshots.into_iter().next();
        first.map(snapshot).ok_or_else(|| not_found("the snapshot", id))
    }

    async fn describe_tagged_snapshots(
        &self,
        tags: &[(&str, &str)],
    ) -> Result<Vec<DescribedSnapshot>, ServiceError> {
        let filter = |(key, value): &(&str, &str)| Filter {
            name: format!("tag:{key}"),
            values: vec![escape_wildcards(value)],
        };
        let call = DescribeSnapshots {
            owners: vec!["self".to_owned()],
            filters: tags.iter().map(filter).collect(),
            max_results: Some(MAX_RESULTS),
            ..DescribeSnapshots::default()
        };
        Ok(self.0.call_pages(call).await?.into_iter().map(snapshot).collect())
    }

    async fn delete_snapshot(&self, id: &str) -> Result<(), ServiceError> {
        self.0.call(&DeleteSnapshot { id: id.to_owned() }).await.map(drop)
    }

    async fn encryption_by_default(&self) -> Result<bool, ServiceError> {
        Ok(self.0.call(&GetEbsEncryptionByDefault {}).await?.enabled.unwrap_or(false))
    }

    async fn root_snapshot(&self, image: &str) -> Result<String, ServiceError> {
        let call = DescribeImages { ids: vec![image.to_owned()], ..DescribeImages::default() };
        let first = self.0.call(&call).await?.images.into_iter().next();
        let described = first.ok_or_else(|| not_found("the image", image))?;
        let root = described.root_device;
        let mapping = described.mappings.into_iter().find(|mapping| mapping.device == root);
        let snapshot = mapping.and_then(|mapping| mapping.ebs?.snapshot);
        snapshot.ok_or_else(|| not_found("the root volume's snapshot of the image", image))
    }
}

impl SnapshotCopies for Ec2Client {
    async fn copy_snapshot(&self, copy: &NewSnapshotCopy) -> Result<String, ServiceError> {
        let call = CopySnapshot {
            snapshot: copy.snapshot.clone(),
            region: copy.region.clone(),
            description: copy.description.clone(),
            tags: inputs::tag_specifications(&["snapshot"], &copy.tags),
        };
        self.client.call(&call).await?.id.ok_or_else(|| missing_id("CopySnapshot"))
    }
}

/// Escapes `*`, `?` and `\`, which are wildcards in the value of a filter.
fn escape_wildcards(value: &str) -> String {
    let mut escape_wildcards = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            escape_wildcards.push('\\');
        }
        escape_wildcards.push(letter);
    }
    escape_wildcards
}

fn not_found(resource: &str, id: &str) -> ServiceError {
    ServiceError::local(ServiceErrorKind::NotFound, format!("{resource} `{id}` does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_filter_values_are_escaped() {
        assert_eq!(escape_wildcards(r"web*2?\"), r"web\*2\?\\");
    }
}
