//! The clients of a region that the steps of publishing share.

use std::sync::Arc;

use amiforge_progress::CancelToken;

use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::error::{PublishError, call_failed};
use super::retry::{CallStep, NoObserver, retry};
use super::service_error::ServiceErrorKind;
use super::timer::Timer;

/// The clients of a region, with their timer.
#[derive(Debug)]
pub struct Services<E, S> {
    /// Client of the EBS direct APIs.
    pub ebs: Arc<E>,
    /// Client of EC2.
    pub ec2: Arc<S>,
    /// Clock and random source.
    pub timer: Timer,
    /// Name of the region.
    pub region: String,
}

/// The result of looking up a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotLookup {
    /// It is there.
    Exists(DescribedSnapshot),
    /// It does not exist.
    Missing,
}

impl<E: Ebs, S: SnapshotCalls> Services<E, S> {
    /// The same, for work that ends when `cancel` is cancelled.
    #[must_use]
    pub fn with_cancel(&self, cancel: &CancelToken) -> Self {
        Self {
            ebs: Arc::clone(&self.ebs),
            ec2: Arc::clone(&self.ec2),
            timer: self.timer.with_cancel(cancel),
            region: self.region.clone(),
        }
    }

    /// The snapshot with an id that the user names.
    ///
    /// # Errors
    /// [`PublishError::Call`], soon if the snapshot does not exist.
    pub async fn lookup_snapshot(&self, id: &str) -> Result<DescribedSnapshot, PublishError> {
        let described =
            retry(&self.timer, CallStep::Probe, &NoObserver, || self.ec2.describe_snapshot(id)).await;
        described.map_err(call_failed(format!("asking for {id}")))
    }

    /// The snapshot with an id, retried until EC2 knows it: its responses are eventually consistent.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn await_snapshot(&self, id: &str) -> Result<DescribedSnapshot, PublishError> {
        let described = retry(&self.timer, CallStep::EventuallyConsistent, &NoObserver, || {
            self.ec2.describe_snapshot(id)
        })
        .await;
        described.map_err(call_failed(format!("asking for {id}")))
    }

    /// The snapshot with an id, if it exists, with the retry rules of `step`.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn find_snapshot(&self, id: &str, step: CallStep) -> Result<SnapshotLookup, PublishError> {
        match retry(&self.timer, step, &NoObserver, || self.ec2.describe_snapshot(id)).await {
            Ok(snapshot) => Ok(SnapshotLookup::Exists(snapshot)),
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::NotFound => {
                Ok(SnapshotLookup::Missing)
            }
            Err(exhausted) => Err(call_failed(format!("asking for {id}"))(exhausted)),
        }
    }

    /// Deletes a snapshot. A snapshot that does not exist counts as deleted.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn delete_snapshot(&self, id: &str) -> Result<(), PublishError> {
        match retry(&self.timer, CallStep::Idempotent, &NoObserver, || self.ec2.delete_snapshot(id)).await {
            Err(exhausted) if exhausted.error.kind != ServiceErrorKind::NotFound => {
                Err(call_failed(format!("deleting {id}"))(exhausted))
            }
            _ => Ok(()),
        }
    }

    /// Resolves the id of a snapshot, or of an image, to the id of the snapshot (of the image's root volume).
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn resolve_snapshot_id(&self, name: &str) -> Result<String, PublishError> {
        if !name.starts_with("ami-") {
            return Ok(name.to_owned());
        }
        let root =
            retry(&self.timer, CallStep::Idempotent, &NoObserver, || self.ec2.root_snapshot(name)).await;
        root.map_err(call_failed(format!("asking for {name}")))
    }
}

impl SnapshotState {
    /// The value in the EC2 API.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }
}
