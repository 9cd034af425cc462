//! Copies of an AMI in other regions: all at once, each with an entry in the ledger, so that one region that fails
//! keeps no other from being done and is the only one that is tried again.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;

use super::compare::FieldDifference;
use super::delete::{SnapshotDisposal, delete_snapshot, deregister};
use super::existing::{check_not_disabled, name_taken_error};
use super::ledger::{AmiLedger, CopyEntry, PublishStage};
use super::region::{AmiRegion, service_error};
use super::{AmiError, account, attributes, join};
use crate::api::ec2::{DescribedImage, Ec2, Encrypted, ImageCopy, Regions};
use crate::request::{CopyTarget, KeyChoice, Request};
use crate::retry::CallStep;
use crate::service_error::ServiceErrorKind;
use crate::timer::Timer;
use crate::upload::ZeroPolicy;

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
pub(super) struct CopyTask<'a, R> {
    pub(super) regions: &'a R,
    pub(super) ledger: &'a AmiLedger,
    pub(super) request: &'a Request,
    pub(super) source: &'a DescribedImage,
    /// Regions that could not be asked before the upload.
    pub(super) unchecked: &'a [String],
    /// Whether the source's snapshots hold blocks of zeros, as encrypted copies need.
    pub(super) zero_policy: ZeroPolicy,
    pub(super) timer: &'a Timer,
    pub(super) wait: Duration,
    pub(super) monitor: Monitor<'a>,
}

impl<R: Regions> CopyTask<'_, R> {
    /// Makes all copies.
    pub(super) async fn copy_all(&self) -> Vec<CopyOutcome> {
        let run = |target| -> Pin<Box<dyn Future<Output = CopyOutcome> + Send + '_>> {
            Box::pin(self.outcome(target))
        };
        join::all(self.request.copies.iter().map(run).collect()).await
    }

    async fn outcome(&self, target: &CopyTarget) -> CopyOutcome {
        let outcome = self.copy_to(target).await;
        match &outcome {
            Ok(copied) => {
                self.monitor.progress.message(&format!("{}: {} is available", target.region, copied.image_id))
            }
            Err(error) => self.monitor.progress.message(&format!("{}: failed: {error}", target.region)),
        }
        CopyOutcome { region: target.region.clone(), outcome }
    }

    async fn copy_to(&self, target: &CopyTarget) -> Result<Copied, AmiError> {
        let ec2 = self.regions.ec2(&target.region);
        let region = AmiRegion { name: &target.region, ec2: &ec2, timer: self.timer, monitor: self.monitor };
        let mut entry = self.ledger_entry(target)?;
        let id = if let Some(id) = self.usable_copy(&region, &mut entry).await? {
            id
        } else {
            self.delete_orphans(&region, &mut entry).await?;
            self.check_unchecked_region(&region, target).await?;
            self.start_copy(&region, target, &entry).await?
        };
        entry.image = Some(id.clone());
        self.ledger.save_copy(&entry)?;
        let image = region.until_available(&id, self.wait).await?;
        let tags = self.request.image_tags();
        let snapshots = image.snapshots();
        let tagged: Vec<_> = snapshots.iter().map(|snapshot| (snapshot.clone(), tags.clone())).collect();
        attributes::set_all(&region, self.request, &image, &tagged).await?;
        attributes::protect(&region, self.request, &image).await?;
        entry.stage = PublishStage::Done;
        self.ledger.save_copy(&entry)?;
        Ok(Copied { region: target.region.clone(), image_id: id, snapshot_ids: snapshots })
    }

    /// Refuses what the account does not allow in a region that could not be asked before.
    async fn check_unchecked_region<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        target: &CopyTarget,
    ) -> Result<(), AmiError> {
        if !self.unchecked.contains(&target.region) {
            return Ok(());
        }
        let encrypts =
            account::check_policy(region, self.request, &target.encryption, CallStep::Idempotent).await?;
        if encrypts && self.zero_policy == ZeroPolicy::LeaveOut {
            let (image, region) = (self.source.id.clone(), target.region.clone());
            return Err(AmiError::ZerosLeftOut { image, region });
        }
        Ok(())
    }

    /// The entry of a copy of this source; one of another source is of the past.
    fn ledger_entry(&self, target: &CopyTarget) -> Result<CopyEntry, AmiError> {
        let entry = self.ledger.copy(&target.region)?.filter(|entry| entry.source == self.source.id);
        let entry = entry.unwrap_or_else(|| CopyEntry::new(&target.region, &self.source.id));
        // On the disk before the service hears of it, so that `--abandon` knows where to look.
        self.ledger.save_copy(&entry)?;
        Ok(entry)
    }

    /// The copy, if there is one that can still become available.
    async fn usable_copy<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        entry: &mut CopyEntry,
    ) -> Result<Option<String>, AmiError> {
        let recorded = match &entry.image {
            Some(id) => region.find_image(id).await?,
            None => None,
        };
        let image = match recorded {
            Some(image) => Some(image),
            None => region.image_by_name(&self.request.name).await?,
        };
        let Some(image) = image else {
            if entry.image.take().is_some() {
                // It was there and is gone: its token would give it again.
                entry.attempt += 1;
                self.ledger.save_copy(entry)?;
            }
            return Ok(None);
        };
        self.check_is_copy(region, &image)?;
        check_not_disabled(region.name, &image)?;
        if matches!(image.state.as_str(), "available" | "pending") {
            return Ok(Some(image.id));
        }
        self.remove_failed(region, &image, entry).await?;
        Ok(None)
    }

    /// Takes a copy that failed out of the way, with what it made: it has the name, and its token would give it again.
    async fn remove_failed<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        image: &DescribedImage,
        entry: &mut CopyEntry,
    ) -> Result<(), AmiError> {
        self.monitor
            .progress
            .message(&format!("{}: {} is `{}`; copying again", region.name, image.id, image.state));
        // On the disk first: when the image is gone, nothing else tells of them.
        entry.orphans = image.snapshots();
        self.ledger.save_copy(entry)?;
        deregister(region, image, SnapshotDisposal::Keep).await?;
        entry.image = None;
        entry.attempt += 1;
        self.ledger.save_copy(entry)
    }

    /// Deletes the snapshots of a copy that failed and is gone.
    async fn delete_orphans<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        entry: &mut CopyEntry,
    ) -> Result<(), AmiError> {
        if entry.orphans.is_empty() {
            return Ok(());
        }
        for snapshot in &entry.orphans {
            delete_snapshot(region, snapshot).await?;
        }
        entry.orphans.clear();
        self.ledger.save_copy(entry)
    }

    async fn start_copy<C: Ec2>(
        &self,
        region: &AmiRegion<'_, C>,
        target: &CopyTarget,
        entry: &CopyEntry,
    ) -> Result<String, AmiError> {
        let copy = self.copy_request(target, entry);
        let action = format!("copying {} of {}", self.source.id, self.request.region);
        match region.copy(self.wait, &action, || region.ec2.copy_image(&copy)).await {
            Err(error)
                if service_error(&error).is_some_and(|error| error.kind == ServiceErrorKind::Duplicate) =>
            {
                let image = region.image_of_taken_name(&self.request.name).await?;
                self.check_is_copy(region, &image)?;
                Ok(image.id)
            }
            other => other,
        }
    }

    fn copy_request(&self, target: &CopyTarget, entry: &CopyEntry) -> ImageCopy {
        ImageCopy {
            name: self.request.name.clone(),
            description: self.request.description.clone(),
            image: self.source.id.clone(),
            region: self.request.region.clone(),
            encrypted: match &target.encryption {
                KeyChoice::Account => Encrypted::No,
                KeyChoice::Default => Encrypted::Key(None),
                KeyChoice::Arn(name) | KeyChoice::Alias(name) => Encrypted::Key(Some(name.clone())),
            },
            token: token(target, entry),
            tags: self.request.image_tags(),
        }
    }

    /// Refuses an AMI that has the name and is not a copy of ours.
    fn check_is_copy<C>(&self, region: &AmiRegion<'_, C>, image: &DescribedImage) -> Result<(), AmiError> {
        if is_copy_of(image, &self.source.id, self.request) {
            return Ok(());
        }
        let found = image.source_image.as_deref();
        let difference = FieldDifference::new("sourceImageId", Some(&self.source.id), found);
        Err(name_taken_error(region.name, &self.request.name, image, vec![difference]))
    }
}

/// Whether an AMI of the right name is a copy of `source`.
pub(super) fn is_copy_of(image: &DescribedImage, source: &str, request: &Request) -> bool {
    if let Some(reported) = &image.source_image {
        return reported == source;
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
        let target = CopyTarget { region: "local-2".to_owned(), encryption: KeyChoice::Account };
        let entry = CopyEntry::new("local-2", "ami-1");
        let again = CopyEntry { attempt: 1, ..entry.clone() };
        let encrypted = CopyTarget { encryption: KeyChoice::Default, ..target.clone() };
        assert_eq!(token(&target, &entry), token(&target, &entry.clone()));
        assert_eq!(token(&target, &entry).len(), 64);
        assert_ne!(token(&target, &entry), token(&target, &again));
        assert_ne!(token(&target, &entry), token(&encrypted, &entry));
    }
}
