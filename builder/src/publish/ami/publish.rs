//! From a bundle to an AMI that is shared and copied. The same call, made again, goes on where it was stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::copy::{Copied, Copies, CopyOutcome};
use super::ledger::{Entry, Ledger, Origin, Stage};
use super::preflight::{self, Existing};
use super::region::Region;
use super::{AmiError, controls, register, wait};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::publish::api::Ebs;
use crate::publish::api::ec2::{Ec2, Image, Regions, Tags};
use crate::publish::request::{Architecture, BootMode, ContentOf, Request, Subject};
use crate::publish::services::Services;
use crate::publish::source::Source;
use crate::publish::tags;
use crate::publish::upload::{self, Later, Uploaded};

/// What is published and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// The bundle or raw file of the root volume.
    pub image: PathBuf,
    /// What the AMI shall be.
    pub request: Request,
    /// How the root is uploaded; encryption, description and tags are those of the request.
    pub upload: upload::Options,
    /// How long to wait for a copy.
    pub wait: Duration,
}

/// An AMI that is published.
#[derive(Debug)]
pub struct Published {
    /// The AMI.
    pub image: Image,
    /// How it came to be.
    pub origin: Origin,
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
struct Task<'a, E, C, R> {
    services: &'a Services<E, C>,
    regions: &'a R,
    job: &'a Job,
    ledger: Ledger,
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
    job: &Job,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Published, AmiError> {
    let ledger = Ledger::open(&Ledger::beside(&job.image, &services.region)?)?;
    let task = Task { services, regions, job, ledger, progress, interrupt };
    let mut entry = task.begin()?;
    let later = preflight::account(&task.home(), regions, &job.request).await?;
    let (image, uploads) = match preflight::existing(&task.home(), &job.request, &entry.snapshots).await? {
        Existing::Equal(image) => (task.adopt(*image, &mut entry)?, Vec::new()),
        Existing::Ours | Existing::None => {
            let uploads = task.upload(later, &mut entry).await?;
            (task.register(&mut entry).await?, uploads)
        }
    };
    controls::set(&task.home(), &job.request, &image, &task.snapshots(&image)?).await?;
    let copies = task.copies(&image).all().await;
    if copies.iter().all(|copy| copy.outcome.is_ok()) {
        controls::protect(&task.home(), &job.request, &image).await?;
        entry.stage = Stage::Done;
        task.ledger.keep(&entry)?;
    }
    Ok(Published { image, origin: entry.origin, uploads, copies, folder: task.ledger.path().to_owned() })
}

impl<E: Ebs, C: Ec2, R: Regions<Ec2 = C>> Task<'_, E, C, R> {
    fn home(&self) -> Region<'_, C> {
        Region {
            name: &self.services.region,
            ec2: &*self.services.ec2,
            pace: &self.services.pace,
            progress: self.progress,
            interrupt: self.interrupt,
        }
    }

    fn copies<'b>(&'b self, source: &'b Image) -> Copies<'b, R> {
        Copies {
            regions: self.regions,
            ledger: &self.ledger,
            request: &self.job.request,
            source,
            pace: &self.services.pace,
            wait: self.job.wait,
            progress: self.progress,
            interrupt: self.interrupt,
        }
    }

    /// The entry to go on with: that of the ledger if it is of this publish.
    fn begin(&self) -> Result<Entry, AmiError> {
        let request = &self.job.request;
        let begun = self.ledger.entry()?;
        let entry = match begun {
            Some(entry) if same(&entry.request, request) => {
                Entry { request: request.clone(), stage: Stage::Open, ..entry }
            }
            Some(entry) if entry.stage == Stage::Open && entry.root().is_some() => {
                return Err(other(&entry, request));
            }
            _ => {
                self.ledger.clear()?;
                Entry::new(request.clone())
            }
        };
        self.ledger.keep(&entry)?;
        Ok(entry)
    }

    /// Takes over an AMI that is there and equal.
    fn adopt(&self, image: Image, entry: &mut Entry) -> Result<Image, AmiError> {
        self.progress.tell(&format!("{} is there and equal: nothing is uploaded", image.id));
        entry.image = Some(image.id.clone());
        entry.origin = Origin::Adopted;
        self.ledger.keep(entry)?;
        Ok(image)
    }

    /// Uploads the root and the bundles of further volumes, or finds them uploaded.
    async fn upload(&self, later: Later, entry: &mut Entry) -> Result<Vec<Uploaded>, AmiError> {
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
        entry.snapshots = snapshots;
        self.ledger.keep(entry)?;
        Ok(uploads)
    }

    async fn upload_one(&self, path: &Path, later: Later, digests: &Tags) -> Result<Uploaded, AmiError> {
        let request = &self.job.request;
        let is_root = path == self.job.image;
        let own = upload::Options { parent: None, parent_bundle: None, ..self.job.upload.clone() };
        let base = if is_root { self.job.upload.clone() } else { own };
        let options = upload::Options {
            encryption: request.encryption.clone().into(),
            later: if self.job.upload.later == Later::MayBeEncrypted { Later::MayBeEncrypted } else { later },
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

    async fn register(&self, entry: &mut Entry) -> Result<Image, AmiError> {
        let further = entry.snapshots.get(1..).unwrap_or_default();
        let wanted = self.job.request.new_image(entry.root().unwrap_or_default(), further);
        let (image, _) = register::register(&self.home(), &wanted).await?;
        // Made from our snapshots, it is ours, whichever of our calls it was that the service heard.
        entry.origin = Origin::Registered;
        entry.image = Some(image.id.clone());
        self.ledger.keep(entry)?;
        Ok(image)
    }

    /// The snapshots that were made for the AMI, each with the tags that it should have.
    fn snapshots(&self, image: &Image) -> Result<Vec<(String, Tags)>, AmiError> {
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

fn other(entry: &Entry, request: &Request) -> AmiError {
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
    let opened = Source::open(path).map_err(|source| AmiError::Open { path: path.to_owned(), source })?;
    Ok(digests(&opened))
}

/// The tags that say which bundle something was made from; none for a raw file.
pub fn digests(source: &Source) -> Tags {
    match (source.manifest(), source.manifest_sha256()) {
        (Some(manifest), Some(sha256)) => tags::of_manifest(manifest, sha256),
        _ => Tags::new(),
    }
}

/// What is known of an image that is a bundle or a raw file.
pub fn subject(source: &Source) -> Subject {
    let gib = Some(u64::from(source.volume_gib()));
    let Some(manifest) = source.manifest() else {
        return Subject { gib, ..Subject::default() };
    };
    let architecture = Architecture::from_word(&manifest.origin.arch);
    Subject {
        name: Some(manifest.origin.name.clone()),
        version: manifest.origin.version.clone(),
        content: manifest.merkle_root.to_string().get(..12).map(str::to_owned),
        architecture,
        boot_mode: architecture.and_then(|architecture| BootMode::of_manifest(manifest, architecture)),
        gib,
        tags: digests(source),
    }
}

/// How long a copy is waited for where nothing else is asked for.
pub const WAIT: Duration = wait::COPIED;
