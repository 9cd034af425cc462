//! Stores the image as an object: sends its parts, completes the upload, and compares the checksum of the object with
//! that of the parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiforge_formats::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::ImportRun;
use super::ledger::ImportEntry;
use super::send::{PartSender, StoredPart};
use crate::api::Ebs;
use crate::api::ec2::Ec2;
use crate::api::imports::{ImportCalls, PartUpload, StoredObject, UploadedPart};
use crate::error::{PublishError, call_failed};
use crate::retry::{CallStep, NoObserver, retry};
use crate::service_error::ServiceErrorKind;

/// Number of uploads of a run, if another program aborts one.
const MAX_UPLOADS: u32 = 3;

impl<E: Ebs, C: Ec2, I: ImportCalls> ImportRun<'_, E, C, I> {
    /// Stores the object; returns the number of blocks that were sent.
    pub(super) async fn store(&self, entry: &mut ImportEntry) -> Result<u64, PublishError> {
        let gib = self.plan.len() as f64 / f64::from(1 << 30);
        self.monitor.progress.message(&format!(
            "sending {gib:.2} GiB to {}: an object has no holes, so zeros are sent too",
            entry.url()
        ));
        let mut sent = 0;
        for _ in 0..MAX_UPLOADS {
            let upload = match entry.part_upload() {
                Some(upload) => upload,
                None => self.begin_upload(entry).await?,
            };
            let present = self.present_parts(&upload).await?;
            let stored = match self
                .sender(present.as_ref().map(|_| upload.clone()), present)?
                .send(self.monitor)
                .await
            {
                // Somebody aborted it meanwhile.
                Err(PublishError::Part { source, .. }) if source.error.kind == ServiceErrorKind::NotFound => {
                    self.forget_upload(entry)?;
                    continue;
                }
                stored => stored?,
            };
            sent += stored.iter().map(|part| part.sent).sum::<u64>();
            self.source.check_unchanged()?;
            if stored.iter().all(|part| !part.part.etag.is_empty()) {
                self.complete(&upload, &stored).await?;
            }
            if self.is_stored(entry, &stored).await? {
                entry.stored = true;
                entry.upload = None;
                self.ledger.save(entry)?;
                return Ok(sent);
            }
            self.forget_upload(entry)?;
        }
        let problem = "it is not what was sent, or was deleted".to_owned();
        Err(PublishError::InconsistentResponse { snapshot: entry.url(), problem })
    }

    /// Begins an upload, or finds the one of a call whose answer was lost.
    async fn begin_upload(&self, entry: &mut ImportEntry) -> Result<PartUpload, PublishError> {
        let object = entry.object();
        // Each attempt asks: the call before may have begun it.
        let call = || async {
            match self.calls.uploads(&object).await?.into_iter().next() {
                Some(id) => Ok(id),
                None => self.calls.create_upload(&object).await,
            }
        };
        let id = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        let id = id.map_err(call_failed(format!("beginning the upload of {}", entry.url())))?;
        entry.upload = Some(id.clone());
        self.ledger.save(entry)?;
        Ok(PartUpload { object, id })
    }

    /// The parts that an upload has; `None` if there is no such upload: a call whose answer was lost may have completed
    /// it.
    async fn present_parts(
        &self,
        upload: &PartUpload,
    ) -> Result<Option<BTreeMap<u32, UploadedPart>>, PublishError> {
        let call = || self.calls.parts(upload);
        match retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await {
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::NotFound => Ok(None),
            parts => {
                let parts = parts.map_err(call_failed("asking for the parts that are there"))?;
                if !parts.is_empty() {
                    self.monitor
                        .progress
                        .message(&format!("continuing an upload that has {} parts", parts.len()));
                }
                Ok(Some(parts.into_iter().map(|part| (part.number, part)).collect()))
            }
        }
    }

    /// A sender; without an upload it only reads.
    fn sender(
        &self,
        upload: Option<PartUpload>,
        present: Option<BTreeMap<u32, UploadedPart>>,
    ) -> Result<PartSender<I>, PublishError> {
        Ok(PartSender {
            calls: Arc::clone(self.calls),
            timer: self.services.timer.clone(),
            source: Arc::clone(&self.source),
            runs: self.source.known_runs()?,
            plan: self.plan,
            upload,
            present: present.unwrap_or_default(),
        })
    }

    fn forget_upload(&self, entry: &mut ImportEntry) -> Result<(), PublishError> {
        self.monitor.progress.message(&format!("the upload of {} is gone; it is begun again", entry.url()));
        entry.upload = None;
        self.ledger.save(entry)
    }

    /// Completes the upload. An upload that is not there may be complete: the object decides.
    async fn complete(&self, upload: &PartUpload, stored: &[StoredPart]) -> Result<(), PublishError> {
        let parts: Vec<_> = stored.iter().map(|stored| stored.part.clone()).collect();
        let call = || self.calls.complete_upload(upload, &parts);
        match retry(&self.services.timer, CallStep::Complete, &NoObserver, call).await {
            Err(exhausted) if exhausted.error.kind != ServiceErrorKind::NotFound => {
                let object = format!("s3://{}/{}", upload.object.bucket, upload.object.key);
                Err(call_failed(format!("completing the upload of {object}"))(exhausted))
            }
            _ => Ok(()),
        }
    }

    /// Whether the object is there and is what was sent.
    async fn is_stored(&self, entry: &ImportEntry, stored: &[StoredPart]) -> Result<bool, PublishError> {
        let object = entry.object();
        let call = || self.calls.object(&object);
        let current = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        let current = current.map_err(call_failed(format!("asking for {}", entry.url())))?;
        let expected = composite(stored.iter().map(|part| part.digest));
        let is_same = |object: StoredObject| {
            // Stores that are not S3 may give no checksum of the whole; that of each part was compared.
            object.len == self.plan.len() && object.checksum.is_none_or(|checksum| checksum == expected)
        };
        Ok(current.is_some_and(is_same))
    }
}

/// The checksum of an object of several parts: that over the digests of the parts, and their number (S3 User Guide,
/// "Checking object integrity", composite checksums).
pub(super) fn composite(digests: impl Iterator<Item = Digest>) -> String {
    let (mut sha256, mut count) = (Sha256::new(), 0_u64);
    for digest in digests {
        sha256.update(digest.0);
        count += 1;
    }
    format!("{}-{count}", STANDARD.encode(sha256.finalize()))
}
