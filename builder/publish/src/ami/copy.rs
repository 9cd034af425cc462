//! Copies of an AMI in other regions, made concurrently. Each has an entry of its own in the ledger, so that a region
//! that fails does not affect the others and is the only one that is retried.

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

/// A copy that is available.
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

/// The outcome of a copy.
#[derive(Debug)]
pub struct CopyOutcome {
    /// The region.
    pub region: String,
    /// The copy, or the cause of its failure.
    pub outcome: Result<Copied, AmiError>,
}

/// The state shared by all copies of a publish.
pub(super) struct CopyTask<'a, R> {
    pub(super) regions: &'a R,
    pub(super) ledger: &'a AmiLedger,
    pub(super) request: &'a Request,
    pub(super) source: &'a DescribedImage,
    /// Regions that did not respond to the checks before the upload.
    pub(super) unchecked: &'a [String],
    /// Whether the source's snapshots hold blocks of zeros, which encrypted copies need.
    pub(super) zero_policy: ZeroPolicy,
    pub(super) timer: &'a Timer,
    pub(super) wait: Duration,
    pub(super) monitor: Monitor<'a>,
}

impl<R: Regions> CopyTask<'_, R> {
    /// Makes all copies concurrently.
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
                self.monitor
                    .progress
                    .message(&format!("{}: {} is available", target.region, copied.image_id));
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

    /// Checks a region that did not respond before the upload.
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

    /// The ledger entry of a copy of this source; an entry of another source is replaced.
    fn ledger_entry(&self, target: &CopyTarget) -> Result<CopyEntry, AmiError> {
        let entry = self.ledger.copy(&target.region)?.filter(|entry| entry.source == self.source.id);
        let entry = entry.unwrap_or_else(|| CopyEntry::new(&target.region, &self.source.id));
        // Written before the call, so that `--abandon` finds a copy whose response is lost.
        self.ledger.save_copy(&entry)?;
        Ok(entry)
    }

    /// The copy, if one exists that is or can become available.
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
                // The recorded copy no longer exists, and the same token would return it again.
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

    /// Deletes a failed copy with its snapshots: it occupies the name, and its token would return it again.
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

    /// Deletes the snapshots of a failed copy that is deregistered.
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
            within_minutes: None,
            token: token(target, entry),
            tags: self.request.image_tags(),
        }
    }

    /// Refuses an AMI that has the name and is not a copy of this source.
    fn check_is_copy<C>(&self, region: &AmiRegion<'_, C>, image: &DescribedImage) -> Result<(), AmiError> {
        if is_copy_of(image, &self.source.id, self.request) {
            return Ok(());
        }
        let actual = image.source_image.as_deref();
        let difference = FieldDifference::new("sourceImageId", Some(&self.source.id), actual);
        Err(name_taken_error(region.name, &self.request.name, image, vec![difference]))
    }
}

/// Whether an AMI with the requested name is a copy of `source`.
pub(super) fn is_copy_of(image: &DescribedImage, source: &str, request: &Request) -> bool {
    if let Some(reported) = &image.source_image {
        return reported == source;
    }
    // If the service does not report the source of a copy, the tags identify it.
    let tagged = |(key, value): (&String, &String)| image.tags.get(key) == Some(value);
    !request.digests.is_empty() && request.digests.iter().all(tagged)
}

/// The client token of a copy: equal for the same copy, even if the ledger was lost.
fn token(target: &CopyTarget, entry: &CopyEntry) -> String {
    let key = target.encryption.token_text();
    let text = format!("{}\n{}\n{key}\n{}", entry.source, entry.region, entry.attempt);
    Digest::of(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_copies_have_equal_tokens() {
        let target = CopyTarget { region: "local-2".to_owned(), encryption: KeyChoice::Account };
        let entry = CopyEntry::new("local-2", "ami-1");
        let again = CopyEntry { attempt: 1, ..entry.clone() };
        let encrypted = CopyTarget { encryption: KeyChoice::Default, ..target.clone() };
        assert_eq!(token(&target, &entry), token(&target, &entry.clone()));
        assert_eq!(token(&target, &entry).len(), 64);
        assert_ne!(token(&target, &entry), token(&target, &again));
        assert_ne!(token(&target, &entry), token(&encrypted, &entry));
    }

    #[test]
    fn tokens_are_those_of_earlier_versions() {
        let entry = CopyEntry::new("local-2", "ami-1");
        for (encryption, text) in [
            (KeyChoice::Account, "Account"),
            (KeyChoice::Default, "Default"),
            (KeyChoice::Arn("arn:aws:kms:x".to_owned()), "Arn(\"arn:aws:kms:x\")"),
            (KeyChoice::Alias("alias/web".to_owned()), "Alias(\"alias/web\")"),
        ] {
            let target = CopyTarget { region: "local-2".to_owned(), encryption };
            let expected = Digest::of(format!("ami-1\nlocal-2\n{text}\n0").as_bytes()).to_string();
            assert_eq!(token(&target, &entry), expected);
        }
    }
}
