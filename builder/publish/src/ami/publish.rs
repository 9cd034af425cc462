//! Publishes a bundle as an AMI that is shared and copied. A repeated call resumes where the previous one stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amiforge_progress::Monitor;

use super::copy::{Copied, CopyOutcome, CopyTask};
use super::existing::{ExistingAmi, find_existing};
use super::facts::digests_of;
use super::ledger::{AmiLedger, AmiOrigin, CopyEntry, LedgerEntry, PublishStage};
use super::region::AmiRegion;
use super::{AmiError, account, attributes, register, timeouts, uploads};
use crate::api::Ebs;
use crate::api::ec2::{DescribedImage, Ec2, Tags};
use crate::api::imports::ImportRegions;
use crate::folder::FolderError;
use crate::import::{self, ImportOptions};
use crate::request::{Request, VolumeContent};
use crate::services::Services;
use crate::upload::ZeroPolicy;
use crate::upload::{self, LaterEncryption, Uploaded};

/// Interval at which to check whether another process that publishes the same image has finished.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What to publish, and how.
#[derive(Debug, Clone)]
pub struct PublishJob {
    /// The bundle or raw file of the root volume.
    pub image: PathBuf,
    /// The requested AMI.
    pub request: Request,
    /// Upload options of the root; encryption, description and tags are taken from the request.
    pub upload: upload::UploadOptions,
    /// How the snapshots are made.
    pub route: Route,
    /// Maximum time to wait for a copy.
    pub wait: Duration,
}

/// How snapshots are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Route {
    /// Through EBS direct.
    #[default]
    Direct,
    /// Of objects of S3.
    Import(ImportOptions),
}

/// A published AMI.
#[derive(Debug)]
pub struct Published {
    /// The AMI.
    pub image: DescribedImage,
    /// Whether it was registered or adopted.
    pub origin: AmiOrigin,
    /// Whether the snapshots were imported.
    pub imported: bool,
    /// The uploads of this call, that of the root first; empty if the AMI was adopted.
    pub uploads: Vec<Uploaded>,
    /// The outcomes of the copies.
    pub copies: Vec<CopyOutcome>,
    /// The folder of the ledger.
    pub folder: PathBuf,
}

impl Published {
    /// The copies that are available.
    pub fn copied(&self) -> impl Iterator<Item = &Copied> {
        self.copies.iter().filter_map(|copy| copy.outcome.as_ref().ok())
    }
}

/// The state shared by the steps of one publish.
struct PublishTask<'a, E, C, R> {
    services: &'a Services<E, C>,
    regions: &'a R,
    job: &'a PublishJob,
    ledger: AmiLedger,
    monitor: Monitor<'a>,
}

/// Publishes an image. A copy that fails is reported in the result and does not affect the others.
///
/// # Errors
/// [`AmiError`]. Progress is recorded in the journals and the ledger: the same call resumes, [`super::abandon`]
/// deletes.
pub async fn publish<E: Ebs, C: Ec2, R: ImportRegions<Ec2 = C>>(
    services: &Services<E, C>,
    regions: &R,
    job: &PublishJob,
    monitor: Monitor<'_>,
) -> Result<Published, AmiError> {
    let services = &services.with_cancel(monitor.cancel);
    let path = AmiLedger::path_for(&job.image, &services.region)?;
    let ledger = wait_for_ledger(&path, services, monitor).await?;
    let task = PublishTask { services, regions, job, ledger, monitor };
    let mut entry = task.open_entry()?;
    let account = account::check_account(&task.home_region(), regions, &job.request).await?;
    let later = task.later_encryption(&account)?;
    let (image, uploads) = match find_existing(&task.home_region(), &job.request, &entry.snapshots).await? {
        ExistingAmi::Equal(image) => (task.adopt(&image, &mut entry).await?, Vec::new()),
        ExistingAmi::Ours | ExistingAmi::None => {
            let uploads = task.upload(later, &mut entry).await?;
            (task.register(&mut entry).await?, uploads)
        }
    };
    attributes::set_all(&task.home_region(), &job.request, &image, &task.snapshots(&image)?).await?;
    let copies = task.copies(&image, &account.unchecked)?.copy_all().await;
    if copies.iter().all(|copy| copy.outcome.is_ok()) {
        attributes::protect(&task.home_region(), &job.request, &image).await?;
        let copied = copies.iter().filter_map(|copy| copy.outcome.as_ref().ok());
        let copied = copied.flat_map(|copied| std::iter::once(&copied.image_id).chain(&copied.snapshot_ids));
        let own = std::iter::once(image.id.clone()).chain(image.snapshots());
        entry.finish(own.chain(copied.cloned()));
        task.ledger.save(&entry)?;
    }
    Ok(Published {
        image,
        origin: entry.origin,
        imported: job.route != Route::Direct && !uploads.is_empty(),
        uploads,
        copies,
        folder: task.ledger.path().to_owned(),
    })
}

/// Opens the ledger once no other process publishes the same image to the same region.
async fn wait_for_ledger<E, C>(
    path: &Path,
    services: &Services<E, C>,
    monitor: Monitor<'_>,
) -> Result<AmiLedger, AmiError> {
    let mut reported = false;
    loop {
        match AmiLedger::open(path) {
            Err(AmiError::Folder(FolderError::Busy { .. })) => {}
            other => return other,
        }
        if !std::mem::replace(&mut reported, true) {
            monitor.progress.message("another process publishes this image; waiting for it");
        }
        if monitor.cancel.is_cancelled() {
            return Err(AmiError::Interrupted);
        }
        services.timer.sleep(LOCK_POLL_INTERVAL).await;
    }
}

impl<E: Ebs, C: Ec2, R: ImportRegions<Ec2 = C>> PublishTask<'_, E, C, R> {
    fn home_region(&self) -> AmiRegion<'_, C> {
        AmiRegion {
            name: &self.services.region,
            ec2: &*self.services.ec2,
            timer: &self.services.timer,
            monitor: self.monitor,
        }
    }

    fn copies<'b>(
        &'b self,
        source: &'b DescribedImage,
        unchecked: &'b [String],
    ) -> Result<CopyTask<'b, R>, AmiError> {
        let write_zeros = uploads::holds_zeros(&self.job.image, &self.services.region)?;
        Ok(CopyTask {
            regions: self.regions,
            ledger: &self.ledger,
            request: &self.job.request,
            source,
            unchecked,
            zero_policy: if write_zeros { ZeroPolicy::Write } else { ZeroPolicy::LeaveOut },
            timer: &self.services.timer,
            wait: self.job.wait,
            monitor: self.monitor,
        })
    }

    /// Whether the snapshots will be encrypted. If a region did not respond, an existing upload stays as it is, and a
    /// new one is prepared for encryption.
    fn later_encryption(&self, account: &account::AccountState) -> Result<LaterEncryption, AmiError> {
        if account.unchecked.is_empty() || account.later == LaterEncryption::MayBeEncrypted {
            return Ok(account.later);
        }
        let recorded = uploads::journal_state(&self.job.image, &self.services.region)?;
        Ok(match recorded {
            Some(state) if !state.intent.may_be_encrypted => LaterEncryption::Unchanged,
            _ => LaterEncryption::MayBeEncrypted,
        })
    }

    /// The entry to continue: that of the ledger if it belongs to this publish, or else a new one.
    fn open_entry(&self) -> Result<LedgerEntry, AmiError> {
        let request = &self.job.request;
        let recorded = self.ledger.entry()?;
        let entry = match recorded {
            Some(entry) if is_same_publish(&entry.request, request) => {
                LedgerEntry { request: request.clone(), ..entry }
            }
            Some(entry) if self.is_unfinished(&entry)? => return Err(other_publish_error(&entry, request)),
            recorded => {
                self.ledger.clear()?;
                let mut published = recorded.map(|entry| entry.published).unwrap_or_default();
                // Uploads that finished before this publish began do not belong to it and must not be deleted.
                published.extend(self.finished_uploads()?);
                LedgerEntry { published, ..LedgerEntry::new(request.clone()) }
            }
        };
        self.ledger.save(&entry)?;
        Ok(entry)
    }

    /// Whether a publish created resources that are recorded nowhere but in its ledger.
    fn is_unfinished(&self, entry: &LedgerEntry) -> Result<bool, AmiError> {
        let made = |copy: &CopyEntry| {
            !copy.orphans.is_empty() || copy.image.as_ref().is_some_and(|id| !entry.is_published(id))
        };
        let open = entry.stage == PublishStage::Open && entry.root_snapshot().is_some();
        Ok(open || !entry.orphans.is_empty() || self.ledger.copies()?.iter().any(made))
    }

    /// The snapshots of finished uploads of this image and its further volumes.
    fn finished_uploads(&self) -> Result<Vec<String>, AmiError> {
        let mut finished = Vec::new();
        for path in self.job.request.bundles(&self.job.image) {
            finished.extend(uploads::finished_snapshots(path, &self.services.region)?);
        }
        Ok(finished)
    }

    /// Adopts an existing AMI that is equal. If it was registered while this publish uploaded snapshots of its own,
    /// these are deleted.
    async fn adopt(
        &self,
        image: &DescribedImage,
        entry: &mut LedgerEntry,
    ) -> Result<DescribedImage, AmiError> {
        let (home_region, used) = (self.home_region(), image.snapshots());
        let uploads = entry.uploaded_snapshots().filter(|id| !used.contains(id) && !entry.is_published(id));
        let orphans: Vec<String> = uploads.cloned().collect();
        let sent =
            if orphans.is_empty() { "nothing is uploaded" } else { "the snapshots sent for it are deleted" };
        self.monitor.progress.message(&format!("{} is there and equal: {sent}", image.id));
        entry.image = Some(image.id.clone());
        entry.origin = AmiOrigin::Adopted;
        entry.snapshots.clear();
        entry.orphans.extend(orphans);
        self.abandon_import().await?;
        self.ledger.save(entry)?;
        uploads::delete_orphans(&home_region, &self.job.image, &self.ledger, entry).await?;
        home_region.until_available(&image.id, timeouts::REGISTERED).await
    }

    /// Takes an unfinished import of this publish back, which is not needed any more.
    async fn abandon_import(&self) -> Result<(), AmiError> {
        let calls = self.regions.import(&self.services.region);
        for path in self.job.request.bundles(&self.job.image) {
            let abandoned = import::abandon(self.services, &calls, path).await;
            abandoned.map_err(|source| AmiError::Upload { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    /// Uploads the root and the bundles of further volumes, unless they are uploaded already.
    async fn upload(
        &self,
        later: LaterEncryption,
        entry: &mut LedgerEntry,
    ) -> Result<Vec<Uploaded>, AmiError> {
        let request = &self.job.request;
        let mut uploads = vec![self.upload_one(&self.job.image, later, &request.digests).await?];
        let mut snapshots = vec![Some(uploads[0].snapshot.id.clone())];
        for volume in &request.volumes {
            snapshots.push(match &volume.content {
                VolumeContent::Bundle(path) => {
                    let uploaded = self.upload_one(path, later, &digests_of(path)?).await?;
                    uploads.push(uploaded);
                    uploads.last().map(|uploaded| uploaded.snapshot.id.clone())
                }
                VolumeContent::Snapshot(id) => Some(id.clone()),
                VolumeContent::Empty | VolumeContent::EmptyEncrypted => None,
            });
        }
        entry.orphans.retain(|id| !snapshots.iter().flatten().any(|used| used == id));
        entry.snapshots = snapshots;
        self.ledger.save(entry)?;
        Ok(uploads)
    }

    async fn upload_one(
        &self,
        path: &Path,
        later: LaterEncryption,
        digests: &Tags,
    ) -> Result<Uploaded, AmiError> {
        let request = &self.job.request;
        let is_root = path == self.job.image;
        let own = upload::UploadOptions { parent: None, parent_bundle: None, ..self.job.upload.clone() };
        let base = if is_root { self.job.upload.clone() } else { own };
        let options = upload::UploadOptions {
            encryption: request.encryption.clone().into(),
            later: if self.job.upload.later == LaterEncryption::MayBeEncrypted {
                LaterEncryption::MayBeEncrypted
            } else {
                later
            },
            description: request.description.clone(),
            tags: request
                .tags
                .iter()
                .chain(digests)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            ..base
        };
        let uploaded = match &self.job.route {
            Route::Direct => upload::upload(self.services, path, &options, self.monitor).await,
            Route::Import(import) => {
                let calls = Arc::new(self.regions.import(&self.services.region));
                import::import(self.services, &calls, path, (import, &options), self.monitor).await
            }
        };
        uploaded.map_err(|source| AmiError::Upload { path: path.to_owned(), source })
    }

    /// Registers the AMI, or adopts an equal one that another process registered after the check.
    async fn register(&self, entry: &mut LedgerEntry) -> Result<DescribedImage, AmiError> {
        let (home_region, request) = (self.home_region(), &self.job.request);
        let further = entry.snapshots.get(1..).unwrap_or_default();
        let requested = request.new_image(entry.root_snapshot().unwrap_or_default(), further);
        match register::register(&home_region, &requested).await {
            Ok((image, _)) => {
                // An AMI of these snapshots was registered by this publish, whichever of its calls succeeded.
                entry.origin = AmiOrigin::Registered;
                entry.image = Some(image.id.clone());
                self.ledger.save(entry)?;
                Ok(image)
            }
            Err(AmiError::Differs { .. }) => {
                match find_existing(&home_region, request, &entry.snapshots).await? {
                    ExistingAmi::Equal(image) => self.adopt(&image, entry).await,
                    // The other AMI was deregistered, or is this publish's own: the repeated call decides.
                    ExistingAmi::None | ExistingAmi::Ours => {
                        Ok(register::register(&home_region, &requested).await?.0)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The snapshots that were made for the AMI, with the tags that each should have.
    fn snapshots(&self, image: &DescribedImage) -> Result<Vec<(String, Tags)>, AmiError> {
        let request = &self.job.request;
        let tags_of = |snapshot: &str, digests: Tags| {
            let all = request.tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain(digests);
            (snapshot.to_owned(), all.collect())
        };
        let mut all = Vec::new();
        all.extend(image.root_snapshot().map(|root| tags_of(root, request.digests.clone())));
        for volume in &request.volumes {
            let VolumeContent::Bundle(path) = &volume.content else { continue };
            let mapping = image.mappings.iter().find(|mapping| mapping.device == volume.device);
            if let Some(snapshot) = mapping.and_then(|mapping| mapping.snapshot.as_deref()) {
                all.push(tags_of(snapshot, digests_of(path)?));
            }
        }
        Ok(all)
    }
}

/// Whether two requests have the same name, bundle and region.
fn is_same_publish(a: &Request, b: &Request) -> bool {
    a.name == b.name && a.region == b.region && a.digests == b.digests
}

fn other_publish_error(entry: &LedgerEntry, request: &Request) -> AmiError {
    let difference = if entry.request.digests == request.digests {
        format!("this one is called `{}`", request.name)
    } else {
        "this one is of another bundle".to_owned()
    };
    AmiError::OtherPublish { name: entry.request.name.clone(), difference }
}

/// Default time to wait for a copy.
pub const COPY_TIMEOUT: Duration = timeouts::COPIED;
