//! The services of a region, as every step of publishing is given them.

use std::sync::Arc;

use amiforge_progress::CancelToken;

use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::backoff::Pace;
use super::error::{PublishError, doing};
use super::fault::ServiceErrorKind;
use super::retry::{CallStep, NoListener, retry};

/// The services of a region and the pace at which they are asked.
#[derive(Debug)]
pub struct Services<E, S> {
    /// EBS direct.
    pub ebs: Arc<E>,
    /// EC2.
    pub ec2: Arc<S>,
    /// The clock and the chance.
    pub pace: Pace,
    /// Name of the region.
    pub region: String,
}

/// A snapshot as far as EC2 knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownSnapshot {
    /// It is there.
    There(DescribedSnapshot),
    /// There is none of this id.
    Unknown,
}

impl<E: Ebs, S: SnapshotCalls> Services<E, S> {
    /// The same, for work that ends when `cancel` is cancelled.
    #[must_use]
    pub fn stopped_by(&self, cancel: &CancelToken) -> Self {
        Self {
            ebs: Arc::clone(&self.ebs),
            ec2: Arc::clone(&self.ec2),
            pace: self.pace.stopped_by(cancel),
            region: self.region.clone(),
        }
    }

    /// The snapshot of an id that the user names.
    ///
    /// # Errors
    /// [`PublishError::Call`], soon when there is no such snapshot.
    pub async fn named(&self, id: &str) -> Result<DescribedSnapshot, PublishError> {
        let told = retry(&self.pace, CallStep::Probe, &NoListener, || self.ec2.snapshot(id)).await;
        told.map_err(doing(format!("asking for {id}")))
    }

    /// The snapshot of an id, asked for until it is known, because EC2 learns of new ones late.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn snapshot(&self, id: &str) -> Result<DescribedSnapshot, PublishError> {
        let told = retry(&self.pace, CallStep::AskFresh, &NoListener, || self.ec2.snapshot(id)).await;
        told.map_err(doing(format!("asking for {id}")))
    }

    /// The snapshot of an id, if there is one, asked for as `step` says.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn known(&self, id: &str, step: CallStep) -> Result<KnownSnapshot, PublishError> {
        match retry(&self.pace, step, &NoListener, || self.ec2.snapshot(id)).await {
            Ok(snapshot) => Ok(KnownSnapshot::There(snapshot)),
            Err(gave_up) if gave_up.fault.kind == ServiceErrorKind::NotFound => Ok(KnownSnapshot::Unknown),
            Err(gave_up) => Err(doing(format!("asking for {id}"))(gave_up)),
        }
    }

    /// Deletes a snapshot; one that is not there counts as deleted.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn delete(&self, id: &str) -> Result<(), PublishError> {
        match retry(&self.pace, CallStep::Ask, &NoListener, || self.ec2.delete_snapshot(id)).await {
            Err(gave_up) if gave_up.fault.kind != ServiceErrorKind::NotFound => {
                Err(doing(format!("deleting {id}"))(gave_up))
            }
            _ => Ok(()),
        }
    }

    /// The snapshot that a name stands for: its own id, or that of an image, whose root volume it is of.
    ///
    /// # Errors
    /// [`PublishError::Call`].
    pub async fn resolve(&self, name: &str) -> Result<String, PublishError> {
        if !name.starts_with("ami-") {
            return Ok(name.to_owned());
        }
        let root = retry(&self.pace, CallStep::Ask, &NoListener, || self.ec2.root_snapshot(name)).await;
        root.map_err(doing(format!("asking for {name}")))
    }
}

impl SnapshotState {
    /// The service's word for it.
    pub fn word(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }
}
