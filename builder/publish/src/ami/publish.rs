//! From a bundle to an AMI that is shared and copied. The same call, made again, goes on where it was stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use amiforge_progress::Interrupt;
use amiforge_progress::Progress;

use super::copy::{Copied, Copies, CopyOutcome};
use super::ledger::{AmiLedger, AmiOrigin, CopyEntry, LedgerEntry, PublishStage};
use super::preflight::{self, ExistingAmi};
use super::region::AmiRegion;
use super::{AmiError, controls, own, register, wait};
use crate::api::Ebs;
use crate::api::ec2::{DescribedImage, Ec2, Regions, Tags};
use crate::folder::FolderError;
use crate::request::{Arch, ContentOf, Request, Subject, boot_mode_of};
use crate::services::Services;
use crate::sieve::ZeroPolicy;
use crate::source::ImageSource;
use crate::tags;
use crate::upload::{self, LaterEncryption, Uploaded};

/// How often to look whether another process that publishes the same image is done.
const TURN: Duration = Duration::from_millis(500);

/// What is published and how.
#[derive(Debug, Clone)]
pub struct PublishJob {
    /// The bundle or raw file of the root volume.
    pub image: PathBuf,
    /// What the AMI shall be.
    pub request: Request,
    /// How the root is uploaded; encryption, description and tags are those of the request.
    pub upload: upload::UploadOptions,
    /// How long to wait for a copy.
    pub wait: Duration,
}

/// An AMI that is published.
#[derive(Debug)]
pub struct Published {
    /// The AMI.
    pub image: DescribedImage,
    /// How it came to be.
    pub origin: AmiOrigin,
    /// The uploads that this call made or found, that of the root first; none where the AMI was there.
    pub uploads: Vec<Uploaded>,
    /// Copies.
    pub copies: Vec<CopyOutcome>,
    /// The folder of the ledger.
    pub folder: PathBuf,
}

impl Published {
    /// The copies that are there.
    pub fn copied(&self) -> impl Iterator<Item = &Copied> {
        self.copies.iter().filter_map(|copy| copy.outcome.as_ref().ok())
    }
}

/// Everything that the steps of one publish share.
struct PublishTask<'a, E, C, R> {
    services: &'a Services<E, C>,
    regions: &'a R,
    job: &'a PublishJob,
    ledger: AmiLedger,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
}

/// Publishes. A copy that fails is told in the result and keeps nothing else from being done.
///
/// # Errors
/// [`AmiError`]. What was begun stays in the journals and the ledger: the same call goes on, [`super::abandon`] deletes.
pub async fn publish<E: Ebs, C: Ec2, R: Regions<Ec2 = C>>(
    services: &Services<E, C>,
    regions: &R,
    job: &PublishJob,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Published, AmiError> {
    let services = &services.stopped_by(interrupt);
    let path = AmiLedger::beside(&job.image, &services.region)?;
    let ledger = turn(&path, services, progress, interrupt).await?;
    let task = PublishTask { services, regions, job, ledger, progress, interrupt };
    let mut entry = task.begin()?;
    let account = preflight::account(&task.home(), regions, &job.request).await?;
    let later = task.later(&account)?;
    let (image, uploads) = match preflight::existing(&task.home(), &job.request, &entry.snapshots).await? {
        ExistingAmi::Equal(image) => (task.adopt(&image, &mut entry).await?, Vec::new()),
        ExistingAmi::Ours | ExistingAmi::None => {
            let uploads = task.upload(later, &mut entry).await?;
            (task.register(&mut entry).await?, uploads)
        }
    };
    controls::set(&task.home(), &job.request, &image, &task.snapshots(&image)?).await?;
    let copies = task.copies(&image, &account.unasked)?.all().await;
    if copies.iter().all(|copy| copy.outcome.is_ok()) {
        controls::protect(&task.home(), &job.request, &image).await?;
        let copied = copies.iter().filter_map(|copy| copy.outcome.as_ref().ok());
        let copied = copied.flat_map(|copied| std::iter::once(&copied.image_id).chain(&copied.snapshot_ids));
        let own = std::iter::once(image.id.clone()).chain(image.snapshots());
        entry.finish(own.chain(copied.cloned()));
        task.ledger.keep(&entry)?;
    }
    Ok(Published { image, origin: entry.origin, uploads, copies, folder: task.ledger.path().to_owned() })
}

/// The ledger, once no other process publishes the same image to the same region.
async fn turn<E, C>(
    path: &Path,
    services: &Services<E, C>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<AmiLedger, AmiError> {
    let mut told = false;
    loop {
        match AmiLedger::open(path) {
            Err(AmiError::Folder(FolderError::Busy { .. })) => {}
            other => return other,
        }
        if !std::mem::replace(&mut told, true) {
            progress.tell("another process publishes this image; waiting for it");
        }
        if interrupt.raised() {
            return Err(AmiError::Interrupted);
        }
        services.pace.sleep(TURN).await;
    }
}

impl<E: Ebs, C: Ec2, R: Regions<Ec2 = C>> PublishTask<'_, E, C, R> {
    fn home(&self) -> AmiRegion<'_, C> {
        AmiRegion {
            name: &self.services.region,
            ec2: &*self.services.ec2,
            pace: &self.services.pace,
            progress: self.progress,
            interrupt: self.interrupt,
        }
    }

    fn copies<'b>(
        &'b self,
        source: &'b DescribedImage,
        unasked: &'b [String],
    ) -> Result<Copies<'b, R>, AmiError> {
        let zeros =
            own::state(&self.job.image, &self.services.region)?.is_some_and(|state| state.intent.write_zeros);
        Ok(Copies {
            regions: self.regions,
            ledger: &self.ledger,
            request: &self.job.request,
            source,
            unasked,
            zeros: if zeros { ZeroPolicy::Write } else { ZeroPolicy::LeaveOut },
            pace: &self.services.pace,
            wait: self.job.wait,
            progress: self.progress,
            interrupt: self.interrupt,
        })
    }

    /// What will become of the snapshots. Where a region did not say, an upload that was begun stays as it is, and a
    /// new one is made ready for encryption.
    fn later(&self, account: &preflight::Account) -> Result<LaterEncryption, AmiError> {
        if account.unasked.is_empty() || account.later == LaterEncryption::MayBeEncrypted {
            return Ok(account.later);
        }
        let begun = own::state(&self.job.image, &self.services.region)?;
        Ok(match begun {
            Some(state) if !state.intent.may_be_encrypted => LaterEncryption::StaysAsItIs,
            _ => LaterEncryption::MayBeEncrypted,
        })
    }

    /// The entry to go on with: that of the ledger if it is of this publish.
    fn begin(&self) -> Result<LedgerEntry, AmiError> {
        let request = &self.job.request;
        let begun = self.ledger.entry()?;
        let entry = match begun {
            Some(entry) if same(&entry.request, request) => LedgerEntry { request: request.clone(), ..entry },
            Some(entry) if self.is_unfinished(&entry)? => return Err(other(&entry, request)),
            begun => {
                self.ledger.clear()?;
                let mut published = begun.map(|entry| entry.published).unwrap_or_default();
                // Uploads that were finished before this publish are not its own to delete.
                published.extend(self.finished_uploads()?);
                LedgerEntry { published, ..LedgerEntry::new(request.clone()) }
            }
        };
        self.ledger.keep(&entry)?;
        Ok(entry)
    }

    /// Whether a publish has made something that would be forgotten with its ledger.
    fn is_unfinished(&self, entry: &LedgerEntry) -> Result<bool, AmiError> {
        let made = |copy: &CopyEntry| {
            !copy.left.is_empty() || copy.image.as_ref().is_some_and(|id| !entry.is_published(id))
        };
        let open = entry.stage == PublishStage::Open && entry.root().is_some();
        Ok(open || !entry.left.is_empty() || self.ledger.copies()?.iter().any(made))
    }

    /// The snapshots of uploads of this image and its further volumes that are finished.
    fn finished_uploads(&self) -> Result<Vec<String>, AmiError> {
        let mut finished = Vec::new();
        for path in self.job.request.bundles(&self.job.image) {
            let state = own::state(path, &self.services.region)?;
            finished.extend(state.filter(|state| state.finished).and_then(|state| Some(state.started?.0)));
        }
        Ok(finished)
    }

    /// Takes over an AMI that is there and equal. Snapshots that were uploaded for an AMI of our own, because the
    /// other one was registered meanwhile, are deleted.
    async fn adopt(
        &self,
        image: &DescribedImage,
        entry: &mut LedgerEntry,
    ) -> Result<DescribedImage, AmiError> {
        let (home, used) = (self.home(), image.snapshots());
        let uploads = entry.uploaded().filter(|id| !used.contains(id) && !entry.is_published(id));
        let orphans: Vec<String> = uploads.cloned().collect();
        let sent =
            if orphans.is_empty() { "nothing is uploaded" } else { "the snapshots sent for it are deleted" };
        self.progress.tell(&format!("{} is there and equal: {sent}", image.id));
        entry.image = Some(image.id.clone());
        entry.origin = AmiOrigin::Adopted;
        entry.snapshots.clear();
        entry.left.extend(orphans);
        self.ledger.keep(entry)?;
        own::delete_left(&home, &self.job.image, &self.ledger, entry).await?;
        home.until_available(&image.id, wait::REGISTERED).await
    }

    /// Uploads the root and the bundles of further volumes, or finds them uploaded.
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
                ContentOf::Bundle(path) => {
                    let uploaded = self.upload_one(path, later, &digests_of(path)?).await?;
                    uploads.push(uploaded);
                    uploads.last().map(|uploaded| uploaded.snapshot.id.clone())
                }
                ContentOf::Snapshot(id) => Some(id.clone()),
                ContentOf::Empty | ContentOf::EmptyEncrypted => None,
            });
        }
        entry.left.retain(|id| !snapshots.iter().flatten().any(|used| used == id));
        entry.snapshots = snapshots;
        self.ledger.keep(entry)?;
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
        let uploaded = upload::upload(self.services, path, &options, self.progress, self.interrupt).await;
        uploaded.map_err(|source| AmiError::Upload { path: path.to_owned(), source })
    }

    /// Registers the AMI, or takes over an equal one that another process registered since we looked.
    async fn register(&self, entry: &mut LedgerEntry) -> Result<DescribedImage, AmiError> {
        let (home, request) = (self.home(), &self.job.request);
        let further = entry.snapshots.get(1..).unwrap_or_default();
        let wanted = request.new_image(entry.root().unwrap_or_default(), further);
        match register::register(&home, &wanted).await {
            Ok((image, _)) => {
                // Made from our snapshots, it is ours, whichever of our calls it was that the service heard.
                entry.origin = AmiOrigin::Registered;
                entry.image = Some(image.id.clone());
                self.ledger.keep(entry)?;
                Ok(image)
            }
            Err(AmiError::Differs { .. }) => {
                match preflight::existing(&home, request, &entry.snapshots).await? {
                    ExistingAmi::Equal(image) => self.adopt(&image, entry).await,
                    // Gone again, or ours after all: the same call finds out which.
                    ExistingAmi::None | ExistingAmi::Ours => Ok(register::register(&home, &wanted).await?.0),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The snapshots that were made for the AMI, each with the tags that it should have.
    fn snapshots(&self, image: &DescribedImage) -> Result<Vec<(String, Tags)>, AmiError> {
        let request = &self.job.request;
        let tagged = |snapshot: &str, digests: Tags| {
            let all = request.tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain(digests);
            (snapshot.to_owned(), all.collect())
        };
        let mut all = Vec::new();
        all.extend(image.root_snapshot().map(|root| tagged(root, request.digests.clone())));
        for volume in &request.volumes {
            let ContentOf::Bundle(path) = &volume.content else { continue };
            let mapping = image.mappings.iter().find(|mapping| mapping.device == volume.device);
            if let Some(snapshot) = mapping.and_then(|mapping| mapping.snapshot.as_deref()) {
                all.push(tagged(snapshot, digests_of(path)?));
            }
        }
        Ok(all)
    }
}

/// Whether two requests are of the same AMI: of the same name, of the same bundle, in the same region.
fn same(a: &Request, b: &Request) -> bool {
    a.name == b.name && a.region == b.region && a.digests == b.digests
}

fn other(entry: &LedgerEntry, request: &Request) -> AmiError {
    let difference = if entry.request.digests == request.digests {
        format!("this one is called `{}`", request.name)
    } else {
        "this one is of another bundle".to_owned()
    };
    AmiError::OtherPublish { name: entry.request.name.clone(), difference }
}

/// The tags that say which bundle something was made from.
///
/// # Errors
/// [`AmiError::Open`].
pub fn digests_of(path: &Path) -> Result<Tags, AmiError> {
    let opened =
        ImageSource::open(path).map_err(|source| AmiError::Open { path: path.to_owned(), source })?;
    Ok(digests(&opened))
}

/// The tags that say which bundle something was made from; none for a raw file.
pub fn digests(source: &ImageSource) -> Tags {
    match (source.manifest(), source.manifest_sha256()) {
        (Some(manifest), Some(sha256)) => tags::of_manifest(manifest, sha256),
        _ => Tags::new(),
    }
}

/// What is known of an image that is a bundle or a raw file.
pub fn subject(source: &ImageSource) -> Subject {
    let gib = Some(u64::from(source.volume_gib()));
    let Some(manifest) = source.manifest() else {
        return Subject { gib, ..Subject::default() };
    };
    let architecture = Arch::by_name(&manifest.origin.arch);
    Subject {
        name: Some(manifest.origin.name.clone()),
        version: manifest.origin.version.clone(),
        content: manifest.merkle_root.to_string().get(..12).map(str::to_owned),
        architecture,
        boot_mode: architecture.and_then(|architecture| boot_mode_of(manifest, architecture)),
        gib,
        tags: digests(source),
    }
}

/// How long a copy is waited for where nothing else is asked for.
pub const WAIT: Duration = wait::COPIED;
