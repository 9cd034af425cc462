//! Copies of an AMI in other regions: all at once, each with an entry in the ledger, so that one region that fails
//! keeps no other from being done and is the only one that is tried again.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_progress::Interrupt;
use amiforge_progress::Progress;

use super::compare::FieldDifference;
use super::existing::{differs, not_disabled};
use super::ledger::{AmiLedger, CopyEntry, PublishStage};
use super::region::{AmiRegion, fault_of};
use super::removal::{WithSnapshots, delete_snapshot, deregister};
use super::{AmiError, account, controls, join};
use crate::api::ec2::{DescribedImage, Ec2, Encrypted, ImageCopy, Regions};
use crate::backoff::Pace;
use crate::fault::ServiceErrorKind;
use crate::request::{CopyTarget, KeyOf, Request};
use crate::retry::CallStep;
use crate::sieve::ZeroPolicy;

/// A copy that is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// The region.
    pub region: String,
    /// The copy.
    pub image_id: String,
    /// Its snapshots, that of the root first.
    pub snapshot_ids: Vec<String>,
}

/// What came of a copy.
#[derive(Debug)]
pub struct CopyOutcome {
    /// The region.
    pub region: String,
    /// The copy, or why there is none.
    pub outcome: Result<Copied, AmiError>,
}

/// What all copies share.
pub(super) struct Copies<'a, R> {
    pub(super) regions: &'a R,
    pub(super) ledger: &'a AmiLedger,
    pub(super) request: &'a Request,
    pub(super) source: &'a DescribedImage,
    /// Regions that could not be asked before the upload.
    pub(super) unasked: &'a [String],
    /// Whether the source's snapshots hold blocks of zeros, as encrypted copies need.
    pub(super) zeros: ZeroPolicy,
    pub(super) pace: &'a Pace,
    pub(super) wait: Duration,
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: &'a Interrupt,
}

impl<R: Regions> Copies<'_, R> {
    /// Makes all copies.
    pub(super) async fn all(&self) -> Vec<CopyOutcome> {
        let one = |target| -> Pin<Box<dyn Future<Output = CopyOutcome> + Send + '_>> {
            Box::pin(self.outcome(target))
        };
        join::all(self.request.copies.iter().map(one).collect()).await
    }

    async fn outcome(&self, target: &CopyTarget) -> CopyOutcome {
        let outcome = self.one(target).await;
        match &outcome {
            Ok(copied) => self.progress.tell(&format!("{}: {} is available", target.region, copied.image_id)),
            Err(error) => self.progress.tell(&format!("{}: failed: {error}", target.region)),
        }
        CopyOutcome { region: target.region.clone(), outcome }
    }

    async fn one(&self, target: &CopyTarget) -> Result<Copied, AmiError> {
        let ec2 = self.regions.ec2(&target.region);
        let region = AmiRegion {
            name: &target.region,
            ec2: &ec2,
            pace: self.pace,
            progress: self.progress,
            interrupt: self.interrupt,
        };
        let mut entry = self.entry(target)?;
        let id = if let Some(id) = self.known(&region, &mut entry).await? {
            id
        } else {
            self.clear_left(&region, &mut entry).await?;
            self.allowed(&region, target).await?;
            self.call(&region, target, &entry).await?
        };
        entry.image = Some(id.clone());
        self.ledger.keep_copy(&entry)?;
        let image = region.until_available(&id, self.wait).await?;
        let tags = self.request.image_tags();
        let snapshots = image.snapshots();
        let tagged: Vec<_> = snapshots.iter().map(|snapshot| (snapshot.clone(), tags.clone())).collect();
        controls::set(&region, self.request, &image, &tagged).await?;
        controls::protect(&region, self.request, &image).await?;
        entry.stage = PublishStage::Done;
        self.ledger.keep_copy(&entry)?;
        Ok(Copied { region: target.region.clone(), image_id: id, snapshot_ids: snapshots })
    }

    /// Refuses what the account does not allow in a region that could not be asked before.
    async fn allowed<C: Ec2>(&self, region: &AmiRegion<'_, C>, target: &CopyTarget) -> Result<(), AmiError> {
        if !self.unasked.contains(&target.region) {
            return Ok(());
        }
        let encrypts = account::allowed(region, self.request, &target.encryption, CallStep::Ask).await?;
        if encrypts && self.zeros == ZeroPolicy::LeaveOut {
            let (image, region) = (self.source.id.clone(), target.region.clone());
            return Err(AmiError::ZerosLeftOut { image, region });
        }
        Ok(())
    }

    /// The entry of a copy of this source; one of another source is of the past.
    fn entry(&self, target: &CopyTarget) -> Result<CopyEntry, AmiError> {
        let entry = self.ledger.copy(&target.region)?.filter(|entry| entry.source == self.source.id);
        let entry = entry.unwrap_or_else(|| CopyEntry::new(&target.region, &self.source.id));
        // On the disk before the service hears of it, so that `--abandon` knows where to look.
        self.ledger.keep_copy(&entry)?;
        Ok(entry)
    }

    /// The copy, if there is one that can still become available.
    async fn known<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        entry: &mut CopyEntry,
    ) -> Result<Option<String>, AmiError> {
        let noted = match &entry.image {
            Some(id) => region.known(id).await?,
            None => None,
        };
        let image = match noted {
            Some(image) => Some(image),
            None => region.by_name(&self.request.name).await?,
        };
        let Some(image) = image else {
            if entry.image.take().is_some() {
                // It was there and is gone: its token would give it again.
                entry.attempt += 1;
                self.ledger.keep_copy(entry)?;
            }
            return Ok(None);
        };
        self.is_ours(region, &image)?;
        not_disabled(region.name, &image)?;
        if matches!(image.state.as_str(), "available" | "pending") {
            return Ok(Some(image.id));
        }
        self.clear_failed(region, &image, entry).await?;
        Ok(None)
    }

    /// Takes a copy that failed out of the way, with what it made: it has the name, and its token would give it again.
    async fn clear_failed<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        image: &DescribedImage,
        entry: &mut CopyEntry,
    ) -> Result<(), AmiError> {
        self.progress.tell(&format!("{}: {} is `{}`; copying again", region.name, image.id, image.state));
        // On the disk first: when the image is gone, nothing else tells of them.
        entry.left = image.snapshots();
        self.ledger.keep_copy(entry)?;
        deregister(region, image, WithSnapshots::Kept).await?;
        entry.image = None;
        entry.attempt += 1;
        self.ledger.keep_copy(entry)
    }

    /// Deletes the snapshots of a copy that failed and is gone.
    async fn clear_left<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        entry: &mut CopyEntry,
    ) -> Result<(), AmiError> {
        if entry.left.is_empty() {
            return Ok(());
        }
        for snapshot in &entry.left {
            delete_snapshot(region, snapshot).await?;
        }
        entry.left.clear();
        self.ledger.keep_copy(entry)
    }

    async fn call<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        target: &CopyTarget,
        entry: &CopyEntry,
    ) -> Result<String, AmiError> {
        let copy = self.copy(target, entry);
        let doing = format!("copying {} of {}", self.source.id, self.request.region);
        match region.copy(self.wait, &doing, || region.ec2.copy_image(&copy)).await {
            Err(error) if fault_of(&error).is_some_and(|fault| fault.kind == ServiceErrorKind::Duplicate) => {
                let image = region.taken(&self.request.name).await?;
                self.is_ours(region, &image)?;
                Ok(image.id)
            }
            other => other,
        }
    }

    fn copy(&self, target: &CopyTarget, entry: &CopyEntry) -> ImageCopy {
        ImageCopy {
            name: self.request.name.clone(),
            description: self.request.description.clone(),
            image: self.source.id.clone(),
            region: self.request.region.clone(),
            encrypted: match &target.encryption {
                KeyOf::Account => Encrypted::No,
                KeyOf::Default => Encrypted::Key(None),
                KeyOf::Arn(name) | KeyOf::Alias(name) => Encrypted::Key(Some(name.clone())),
            },
            token: token(target, entry),
            tags: self.request.image_tags(),
        }
    }

    /// Refuses an AMI that has the name and is not a copy of ours.
    fn is_ours<C>(&self, region: &AmiRegion<'_, C>, image: &DescribedImage) -> Result<(), AmiError> {
        if is_copy_of(image, &self.source.id, self.request) {
            return Ok(());
        }
        let found = image.source_image.as_deref();
        let difference = FieldDifference::new("sourceImageId", Some(&self.source.id), found);
        Err(differs(region.name, &self.request.name, image, vec![difference]))
    }
}

/// Whether an AMI of the right name is a copy of `source`.
pub(super) fn is_copy_of(image: &DescribedImage, source: &str, request: &Request) -> bool {
    if let Some(told) = &image.source_image {
        return told == source;
    }
    // Where the service does not tell of what it is a copy, our tags do.
    let tagged = |(key, value): (&String, &String)| image.tags.get(key) == Some(value);
    !request.digests.is_empty() && request.digests.iter().all(tagged)
}

/// The token of a copy: the same for the same copy, also when the ledger was lost.
fn token(target: &CopyTarget, entry: &CopyEntry) -> String {
    let text = format!("{}\n{}\n{:?}\n{}", entry.source, entry.region, target.encryption, entry.attempt);
    Digest::of(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_copy_has_the_same_token_and_another_one_another() {
        let target = CopyTarget { region: "local-2".to_owned(), encryption: KeyOf::Account };
        let entry = CopyEntry::new("local-2", "ami-1");
        let again = CopyEntry { attempt: 1, ..entry.clone() };
        let encrypted = CopyTarget { encryption: KeyOf::Default, ..target.clone() };
        assert_eq!(token(&target, &entry), token(&target, &entry.clone()));
        assert_eq!(token(&target, &entry).len(), 64);
        assert_ne!(token(&target, &entry), token(&target, &again));
        assert_ne!(token(&target, &entry), token(&encrypted, &entry));
    }
}
