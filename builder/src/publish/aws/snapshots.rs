//! What EC2 tells of snapshots, through `aws-sdk-ec2`.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Snapshot as Told, SnapshotState as State};

use super::fault::fault;
use crate::publish::api::{Snapshot, SnapshotState, Snapshots};
use crate::publish::fault::{Fault, FaultKind};

/// The part of EC2 that knows snapshots.
#[derive(Debug, Clone)]
pub struct SnapshotsClient(Client);

impl SnapshotsClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }
}

impl Snapshots for SnapshotsClient {
    async fn snapshot(&self, id: &str) -> Result<Snapshot, Fault> {
        let answer = self.0.describe_snapshots().snapshot_ids(id).send().await.map_err(fault)?;
        let snapshot = answer.snapshots.unwrap_or_default().into_iter().next();
        snapshot.map(plain).ok_or_else(|| not_found("the snapshot", id))
    }

    async fn tagged(&self, tags: &[(&str, &str)]) -> Result<Vec<Snapshot>, Fault> {
        let filters = tags
            .iter()
            .map(|(key, value)| Filter::builder().name(format!("tag:{key}")).values(literal(value)).build());
        let filters: Vec<_> = filters.collect();
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let call = self.0.describe_snapshots().owner_ids("self").set_filters(Some(filters.clone()));
            let answer = call.max_results(1000).set_next_token(next).send().await.map_err(fault)?;
            found.extend(answer.snapshots.unwrap_or_default().into_iter().map(plain));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn delete_snapshot(&self, id: &str) -> Result<(), Fault> {
        self.0.delete_snapshot().snapshot_id(id).send().await.map_err(fault)?;
        Ok(())
    }

    async fn encryption_by_default(&self) -> Result<bool, Fault> {
        let answer = self.0.get_ebs_encryption_by_default().send().await.map_err(fault)?;
        Ok(answer.ebs_encryption_by_default.unwrap_or(false))
    }

    async fn root_snapshot(&self, image: &str) -> Result<String, Fault> {
        let answer = self.0.describe_images().image_ids(image).send().await.map_err(fault)?;
        let image_told = answer.images.unwrap_or_default().into_iter().next();
        let image_told = image_told.ok_or_else(|| not_found("the image", image))?;
        let root = image_told.root_device_name;
        let mappings = image_told.block_device_mappings.unwrap_or_default();
        let mapping = mappings.into_iter().find(|mapping| mapping.device_name == root);
        let snapshot = mapping.and_then(|mapping| mapping.ebs?.snapshot_id);
        snapshot.ok_or_else(|| not_found("the root volume's snapshot of the image", image))
    }
}

/// A value for a filter, in which `*`, `?` and `\` would stand for others.
fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal
}

fn not_found(what: &str, id: &str) -> Fault {
    Fault::own(FaultKind::NotFound, format!("{what} `{id}` does not exist"))
}

fn plain(told: Told) -> Snapshot {
    let tags = told.tags.unwrap_or_default().into_iter();
    Snapshot {
        id: told.snapshot_id.unwrap_or_default(),
        state: match told.state {
            Some(State::Pending) => SnapshotState::Pending,
            Some(State::Completed) => SnapshotState::Completed,
            Some(State::Error) => SnapshotState::Error,
            other => SnapshotState::Other(other.map(|state| state.as_str().to_owned()).unwrap_or_default()),
        },
        state_message: told.state_message.filter(|words| !words.is_empty()),
        progress: told.progress,
        volume_gib: told.volume_size.and_then(|gib| u64::try_from(gib).ok()).unwrap_or(0),
        encrypted: told.encrypted.unwrap_or(false),
        owner: told.owner_id,
        started: told.start_time.map_or(0, |time| time.secs()),
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect::<BTreeMap<_, _>>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_filter_stands_for_itself() {
        assert_eq!(literal(r"web*2?\"), r"web\*2\?\\");
    }
}
