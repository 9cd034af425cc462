//! Imports an image as a snapshot by way of an object of S3, for accounts in which EBS direct is not allowed.
//!
//! The image is sent to a bucket in parts, each with its SHA-256, and EC2 makes a snapshot of the object
//! (`ImportSnapshot`). Afterwards the snapshot is read back where that is allowed, and the object is deleted. An object
//! has no holes: zeros are sent like everything else.
//!
//! A repeated call resumes where the previous one stopped: the ledger names the object, the upload, the task and the
//! snapshot, each before or as soon as it exists; which parts the upload has, S3 says. VM Import/Export User Guide,
//! "Importing a disk as a snapshot"; S3 User Guide, "Uploading and copying objects using multipart upload".

mod abandon;
mod begin;
pub(crate) mod ledger;
mod parts;
mod proof;
pub mod role;
mod send;
mod store;
mod task;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amiforge_progress::Monitor;

use super::api::Ebs;
use super::api::ec2::Ec2;
use super::api::imports::ImportCalls;
use super::error::{PublishError, call_failed};
use super::folder::LockedFolder;
use super::retry::{CallStep, NoObserver, retry};
use super::services::Services;
use super::source::ImageSource;
use super::upload::{UploadOptions, Uploaded};
use super::wait;
use ledger::ImportLedger;
use parts::PartPlan;

pub use abandon::{Abandoned, abandon, unfinished};
pub(crate) use begin::KEY_PREFIX;
pub(crate) use ledger::remove_ledger_of;
pub use ledger::{ImportEntry, read as read_ledger};

/// Default time to wait for the service's task.
pub const TIMEOUT: Duration = Duration::from_hours(3);

/// Where an image is imported from, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The bucket, in the region of the snapshot.
    pub bucket: String,
    /// The role with which the service reads the object; `None` for `vmimport`.
    pub role: Option<String>,
    /// Maximum time to wait for the service's task.
    pub wait: Duration,
}

impl ImportOptions {
    /// The name of the role.
    pub fn role_name(&self) -> &str {
        self.role.as_deref().unwrap_or(role::DEFAULT)
    }
}

/// Number of blocks and of parts of the object of an image.
pub fn object_size(source: &ImageSource) -> (u64, u64) {
    let plan = PartPlan::new(source.size());
    (plan.blocks(), plan.numbers().count() as u64)
}

/// The state shared by the steps of one import.
struct ImportRun<'a, E, C, I> {
    services: &'a Services<E, C>,
    calls: &'a Arc<I>,
    options: &'a ImportOptions,
    upload: &'a UploadOptions,
    image: &'a Path,
    source: Arc<ImageSource>,
    plan: PartPlan,
    ledger: ImportLedger,
    monitor: Monitor<'a>,
}

/// Imports a bundle or a raw file. Encryption, description, tags and rate are those of `upload`.
///
/// # Errors
/// [`PublishError`]. What was done is in the ledger.
pub async fn import<E: Ebs, C: Ec2, I: ImportCalls>(
    services: &Services<E, C>,
    calls: &Arc<I>,
    image: &Path,
    (options, upload): (&ImportOptions, &UploadOptions),
    monitor: Monitor<'_>,
) -> Result<Uploaded, PublishError> {
    let services = &services.with_cancel(monitor.cancel);
    let source = Arc::new(ImageSource::open(image)?);
    source.refuse_without_parent(None)?;
    let folder = LockedFolder::open(&LockedFolder::path_for(image, &services.region)?)?;
    let ledger = ImportLedger::new(folder);
    let plan = PartPlan::new(source.size());
    let run = ImportRun { services, calls, options, upload, image, source, plan, ledger, monitor };
    let mut entry = run.begin().await?;
    let mut sent = 0;
    if entry.snapshot.is_none() {
        if !entry.stored {
            sent = run.store(&mut entry).await?;
        }
        entry.snapshot = Some(run.run_task(&mut entry).await?);
        run.ledger.save(&entry)?;
    }
    run.finish(entry, sent).await
}

impl<E: Ebs, C: Ec2, I: ImportCalls> ImportRun<'_, E, C, I> {
    /// Tags the snapshot, proves it and deletes the object.
    async fn finish(&self, mut entry: ImportEntry, sent: u64) -> Result<Uploaded, PublishError> {
        let id = entry.snapshot.clone().unwrap_or_default();
        let snapshot =
            wait::until_completed(self.services, &id, self.upload.wait, self.monitor.cancel).await?;
        let mut verified = 0;
        if !entry.finished {
            Self::check_encryption(&entry, snapshot.encrypted)?;
            self.tag(&id, &entry).await?;
            verified = self.prove(&id).await?;
            self.delete_object(&entry).await?;
            entry.finished = true;
            self.ledger.save(&entry)?;
        }
        Ok(Uploaded {
            snapshot,
            parent: None,
            written: self.plan.blocks(),
            sent,
            verified,
            throttled: 0,
            folder: self.ledger.path().to_owned(),
        })
    }

    /// What was asked to be encrypted has to be.
    fn check_encryption(entry: &ImportEntry, encrypted: bool) -> Result<(), PublishError> {
        if encrypted || entry.encryption == super::journal::record::EncryptionText::AsAccount {
            return Ok(());
        }
        let problem = "it is not encrypted, although that was requested".to_owned();
        Err(PublishError::InconsistentResponse {
            snapshot: entry.snapshot.clone().unwrap_or_default(),
            problem,
        })
    }

    /// Tags the snapshot: the service gives it no tags.
    async fn tag(&self, id: &str, entry: &ImportEntry) -> Result<(), PublishError> {
        let resources = [id.to_owned()];
        let call = || self.services.ec2.create_tags(&resources, &entry.tags);
        let tagged = retry(&self.services.timer, CallStep::EventuallyConsistent, &NoObserver, call).await;
        tagged.map_err(call_failed(format!("tagging {id}")))
    }

    async fn delete_object(&self, entry: &ImportEntry) -> Result<(), PublishError> {
        let object = entry.object();
        let call = || self.calls.delete_object(&object);
        let deleted = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        deleted.map_err(call_failed(format!("deleting {}", entry.url())))
    }
}
