//! The entry to continue: that of the ledger if it belongs to this import, or else a new one.

use super::ledger::ImportEntry;
use super::{ImportOptions, ImportRun};
use crate::api::ec2::{Ec2, Tags};
use crate::api::imports::ImportCalls;
use crate::api::{Ebs, Encryption, SnapshotState};
use crate::error::{PublishError, call_failed};
use crate::journal::Journal;
use crate::retry::{CallStep, NoObserver, retry};
use crate::services::SnapshotLookup;
use crate::source::ImageSource;
use crate::upload::{TAG_UPLOAD, UploadOptions, new_token};

/// Prefix of the keys of objects.
pub(crate) const KEY_PREFIX: &str = "amiforge/";

impl<E: Ebs, C: Ec2, I: ImportCalls> ImportRun<'_, E, C, I> {
    /// Returns the entry to continue. The bucket is looked at before anything is sent.
    pub(super) async fn begin(&self) -> Result<ImportEntry, PublishError> {
        self.refuse_other_upload()?;
        if let Some(entry) = self.ledger.entry()?
            && let Some(entry) = self.continued(entry).await?
        {
            if entry.snapshot.is_none() {
                self.check_bucket(&entry.bucket).await?;
            }
            return self.with_role(entry);
        }
        self.check_bucket(&self.options.bucket).await?;
        let token =
            new_token().map_err(|source| PublishError::File { path: "/dev/urandom".into(), source })?;
        let entry = new_entry(&self.source, self.options, self.upload, token);
        self.ledger.save(&entry)?;
        Ok(entry)
    }

    /// Refuses while an upload through EBS direct is unfinished: its snapshot would be forgotten.
    fn refuse_other_upload(&self) -> Result<(), PublishError> {
        match Journal::read(self.ledger.path())? {
            Some(state) if !state.finished => Err(PublishError::OtherUpload {
                snapshot: state.started.map_or_else(|| "a snapshot".to_owned(), |(id, _)| id),
                difference: "it goes through EBS direct".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The entry of the ledger if it can be continued; `None` for one that is done with.
    async fn continued(&self, entry: ImportEntry) -> Result<Option<ImportEntry>, PublishError> {
        if let Some(difference) = self.difference(&entry) {
            if entry.finished {
                return Ok(None);
            }
            return Err(PublishError::OtherUpload { snapshot: entry.url(), difference });
        }
        let Some(id) = &entry.snapshot else { return Ok(Some(entry)) };
        // Created a moment ago, it may not be known yet.
        let step = if entry.finished { CallStep::Probe } else { CallStep::EventuallyConsistent };
        match self.services.find_snapshot(id, step).await? {
            SnapshotLookup::Exists(snapshot) if snapshot.state != SnapshotState::Error => Ok(Some(entry)),
            _ => {
                self.monitor
                    .progress
                    .message(&format!("{id} is not there any more; the image is imported again"));
                if !entry.finished {
                    self.delete_object(&entry).await?;
                }
                Ok(None)
            }
        }
    }

    /// The entry with the role of this run: the one before may have been refused. Another role needs another token.
    fn with_role(&self, mut entry: ImportEntry) -> Result<ImportEntry, PublishError> {
        if entry.task.is_none() && entry.snapshot.is_none() && entry.role != self.options.role {
            entry.role.clone_from(&self.options.role);
            entry.drop_task();
            self.ledger.save(&entry)?;
        }
        Ok(entry)
    }

    /// Why an entry does not belong to this import.
    fn difference(&self, entry: &ImportEntry) -> Option<String> {
        if entry.identity != self.source.identity() || entry.size != self.source.size() {
            Some("it is of another image".to_owned())
        } else if entry.bucket != self.options.bucket && !entry.finished {
            Some(format!("this one is to use the bucket `{}`", self.options.bucket))
        } else if Encryption::from(entry.encryption.clone()) != self.upload.encryption {
            Some("it asks for another encryption".to_owned())
        } else {
            None
        }
    }

    /// The bucket has to be in the region of the snapshot.
    async fn check_bucket(&self, bucket: &str) -> Result<(), PublishError> {
        let call = || self.calls.bucket_region(bucket);
        let region = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        let region =
            region.map_err(call_failed(format!("asking for the region of the bucket `{bucket}`")))?;
        if region == self.services.region {
            return Ok(());
        }
        Err(PublishError::BucketRegion {
            bucket: bucket.to_owned(),
            actual: region,
            expected: self.services.region.clone(),
        })
    }
}

fn new_entry(
    source: &ImageSource,
    options: &ImportOptions,
    upload: &UploadOptions,
    token: String,
) -> ImportEntry {
    let mut tags: Tags = upload.tags.clone();
    tags.insert(TAG_UPLOAD.to_owned(), token.clone());
    ImportEntry {
        schema: ImportEntry::schema(),
        identity: source.identity(),
        size: source.size(),
        bucket: options.bucket.clone(),
        key: format!("{KEY_PREFIX}{}-{token}.raw", key_name(&source.name())),
        role: options.role.clone(),
        encryption: upload.encryption.clone().into(),
        description: upload.description.clone(),
        tags,
        token,
        attempt: 0,
        upload: None,
        stored: false,
        task: None,
        snapshot: None,
        finished: false,
    }
}

/// The name of an image as a part of a key: characters that no client has to encode (S3 User Guide, "Creating object
/// key names").
fn key_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().take(128).map(plain).collect()
}
