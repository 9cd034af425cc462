//! The services of a region, as every step of publishing is given them.

use std::sync::Arc;

use amiforge_progress::CancelToken;

use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::error::{PublishError, call_failed};
use super::retry::{CallStep, NoObserver, retry};
use super::service_error::ServiceErrorKind;
use super::timer::Timer;

/// The services of a region and the pace at which they are asked.
#[derive(Debug)]
pub struct Services<E, S> {
    /// EBS direct.
    pub ebs: Arc<E>,
    /// EC2.
    pub ec2: Arc<S>,
    /// The clock and the chance.
    pub timer: Timer,
    /// Name of the region.
    pub region: String,
}

/// A snapshot as far as EC2 knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotLookup {
    /// It is there.
    Exists(DescribedSnapshot),
    /// There is none of this id.
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

    /// The snapshot of an id that the user names.
    ///
    /// # Errors
    /// [`PublishError::Call`], soon when there is no such snapshot.
    pub async fn lookup_snapshot(&self, id: &str) -> Result<DescribedSnapshot, PublishError> {
        let described =
            retry(&self.timer, CallStep::Probe, &NoObserver, || self.ec2.describe_snapshot(id)).await;
        described.map_err(call_failed(format!("asking for {id}")))
    }

    /// The snapshot of an id, asked for until it is known, because EC2 learns of new ones late.
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

    /// The snapshot of an id, if there is one, asked for as `step` says.
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

    /// Deletes a snapshot; one that is not there counts as deleted.
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

    /// The snapshot that a name stands for: its own id, or that of an image, whose root volume it is of.
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
    /// The service's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }
}
