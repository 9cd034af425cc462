//! Whether an AMI is what was asked for: every field of its registration, its tags and those of its snapshots, its
//! permissions. What its snapshots hold is verified block by block elsewhere; this names which bundle each is of.

use std::fs;
use std::path::{Path, PathBuf};

use super::AmiError;
use super::controls::is_protected;
use super::equal::{FieldDifference, differences};
use super::ledger::{AmiLedger, read_copies, read_entry};
use super::publish::digests_of;
use super::region::AmiRegion;
use crate::api::SnapshotState;
use crate::api::ec2::{Cooldown, DescribedImage, Ec2, NewImage, Tags};
use crate::request::{Arch, BootMode, ContentOf, KeyOf, Request, SnapshotSharing, Subject};

/// What an AMI should be.
#[derive(Debug, Clone)]
pub enum ExpectedAmi {
    /// What its publish asked for, as the ledger beside the bundle says.
    Asked(Box<PublishRequest>),
    /// What follows from the bundle, where there is no ledger: the rest may be anything.
    Derived(Subject),
    /// Nothing: there is no bundle.
    Anything,
}

/// What a publish asked for.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// All of it.
    pub request: Request,
    /// The snapshots, that of the root first; not known of a copy.
    pub snapshots: Vec<Option<String>>,
    /// Encryption of the snapshots.
    pub encryption: KeyOf,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The AMI.
    pub image: DescribedImage,
    /// Everything that differs.
    pub differences: Vec<FieldDifference>,
    /// Fields that were compared.
    pub volumes: Vec<VolumeOf>,
}

/// A volume that is made from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOf {
    /// Its device.
    pub device: String,
    /// The snapshot.
    pub snapshot: String,
    /// The bundle that it should hold, where one is known.
    pub bundle: Option<PathBuf>,
}

/// What an AMI of a region should be, by the ledgers beside a bundle, else by its manifest.
///
/// # Errors
/// [`AmiError::Open`], [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn expected(
    bundle: Option<&Path>,
    image: &str,
    subject: Option<Subject>,
) -> Result<ExpectedAmi, AmiError> {
    let Some(bundle) = bundle else { return Ok(ExpectedAmi::Anything) };
    for folder in ledgers(bundle)? {
        let Some(entry) = read_entry(&folder)? else { continue };
        if entry.image.as_deref() == Some(image) {
            let (snapshots, encryption) = (entry.snapshots, entry.request.encryption.clone());
            return Ok(ExpectedAmi::Asked(Box::new(PublishRequest {
                request: entry.request,
                snapshots,
                encryption,
            })));
        }
        let copy = read_copies(&folder)?.into_iter().find(|copy| copy.image.as_deref() == Some(image));
        if let Some(copy) = copy {
            let target = entry.request.copies.iter().find(|target| target.region == copy.region);
            let encryption = target.map(|target| target.encryption.clone()).unwrap_or_default();
            let asked = PublishRequest { request: entry.request, snapshots: Vec::new(), encryption };
            return Ok(ExpectedAmi::Asked(Box::new(asked)));
        }
    }
    Ok(subject.map_or(ExpectedAmi::Anything, ExpectedAmi::Derived))
}

/// The ledgers beside a bundle, one for each region that it was published to.
fn ledgers(bundle: &Path) -> Result<Vec<PathBuf>, AmiError> {
    let any = AmiLedger::beside(bundle, "any")?;
    let Some(parent) = any.parent().and_then(Path::parent) else { return Ok(Vec::new()) };
    let Ok(regions) = fs::read_dir(parent) else { return Ok(Vec::new()) };
    let mut all: Vec<_> =
        regions.flatten().filter_map(|region| Some(region.path().join(any.file_name()?))).collect();
    all.sort();
    Ok(all)
}

/// Compares an AMI with what it should be.
///
/// # Errors
/// [`AmiError::Call`], also when there is no such AMI.
pub async fn examine<C: Ec2>(
    region: &AmiRegion<'_, C>,
    id: &str,
    expected: &ExpectedAmi,
    bundle: Option<&Path>,
) -> Result<Examined, AmiError> {
    let image = region.image(id).await?;
    let mut found = Found { region, image: &image, differences: Vec::new() };
    found.state();
    match expected {
        ExpectedAmi::Asked(asked) => found.asked(asked).await?,
        ExpectedAmi::Derived(subject) => found.derived(subject).await?,
        ExpectedAmi::Anything => found.own_tags().await?,
    }
    let differences = found.differences;
    let volumes = volumes(&image, expected, bundle);
    Ok(Examined { image, differences, volumes })
}

struct Found<'a, C> {
    region: &'a AmiRegion<'a, C>,
    image: &'a DescribedImage,
    differences: Vec<FieldDifference>,
}

impl<C: Ec2> Found<'_, C> {
    fn note(&mut self, field: impl Into<String>, wanted: Option<&str>, found: Option<&str>) {
        if wanted != found {
            self.differences.push(FieldDifference::new(field, wanted, found));
        }
    }

    fn state(&mut self) {
        self.note("imageState", Some("available"), Some(&self.image.state));
    }

    async fn asked(&mut self, asked: &PublishRequest) -> Result<(), AmiError> {
        let request = &asked.request;
        let root = asked.snapshots.first().cloned().flatten();
        let further = asked.snapshots.get(1..).unwrap_or_default();
        let wanted = request.new_image(root.as_deref().unwrap_or_default(), further);
        let mut all = differences(&wanted, self.image);
        if root.is_none() {
            // Of a copy the service chooses the snapshots.
            all.retain(|difference| !difference.is_of_snapshot());
        }
        self.differences.extend(all);
        self.uefi(request.uefi_data.as_deref()).await?;
        self.tags("", &request.image_tags(), &self.image.tags.clone());
        for (snapshot, digests) in snapshots(self.image, request)? {
            let wanted = request.tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain(digests);
            self.snapshot(&snapshot, &wanted.collect(), &asked.encryption).await?;
        }
        self.controls(request);
        self.permissions(request).await
    }

    /// What a bundle says of any AMI that is made from it.
    async fn derived(&mut self, subject: &Subject) -> Result<(), AmiError> {
        let image = self.image;
        let said = |word: Option<&'static str>, found: &Option<String>| {
            word.map(str::to_owned).or_else(|| found.clone()).unwrap_or_default()
        };
        let mode = subject.boot_mode.filter(|mode| *mode != BootMode::Hybrid).map(BootMode::ec2_name);
        let wanted = NewImage {
            name: image.name.clone().unwrap_or_default(),
            description: image.description.clone(),
            architecture: said(subject.architecture.map(Arch::ec2_name), &image.architecture),
            boot_mode: said(mode, &image.boot_mode),
            tpm: image.tpm.clone(),
            uefi_data: None,
            imds: image.imds.clone(),
            root_device: image.root_device.clone().unwrap_or_default(),
            mappings: image.mappings.clone(),
            tags: subject.tags.clone(),
        };
        self.differences.extend(differences(&wanted, image));
        self.tags("", &subject.tags, &image.tags.clone());
        let Some(root) = image.root_snapshot().map(str::to_owned) else {
            self.note("rootDeviceName", Some("a volume with a snapshot"), None);
            return Ok(());
        };
        self.snapshot(&root, &subject.tags, &KeyOf::Account).await
    }

    /// Without a bundle: the snapshot of the root says the same of itself as the AMI.
    async fn own_tags(&mut self) -> Result<(), AmiError> {
        let Some(root) = self.image.root_snapshot().map(str::to_owned) else { return Ok(()) };
        let ours = |key: &str| key.starts_with(crate::tags::PREFIX) && key != crate::upload::TAG_UPLOAD;
        let tags = self.image.tags.iter().filter(|(key, _)| ours(key));
        let tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.snapshot(&root, &tags, &KeyOf::Account).await
    }

    async fn uefi(&mut self, wanted: Option<&str>) -> Result<(), AmiError> {
        let doing = format!("reading the UEFI variables of {}", self.image.id);
        let found = self.region.ask(&doing, || self.region.ec2.uefi_data(&self.image.id)).await?;
        if found.as_deref() != wanted {
            let shown = |data: Option<&str>| data.map(|data| format!("{} characters of base64", data.len()));
            let (wanted, found) = (shown(wanted), shown(found.as_deref()));
            self.differences.push(FieldDifference::new("uefiData", wanted.as_deref(), found.as_deref()));
        }
        Ok(())
    }

    fn tags(&mut self, of: &str, wanted: &Tags, there: &Tags) {
        for (key, value) in wanted {
            let field = format!("{of}tag {key}");
            // The AMI's tags were compared where they say something else.
            let other = there.get(key).map(String::as_str);
            if self.differences.iter().all(|difference| difference.field != field) {
                self.note(field, Some(value), other);
            }
        }
    }

    async fn snapshot(&mut self, id: &str, tags: &Tags, encryption: &KeyOf) -> Result<(), AmiError> {
        let doing = format!("asking for {id}");
        let there = self.region.ask(&doing, || self.region.ec2.snapshot(id)).await?;
        if there.state != SnapshotState::Completed {
            self.note(format!("{id} status"), Some("completed"), Some(there.state.word()));
        }
        if *encryption != KeyOf::Account && !there.encrypted {
            self.note(format!("{id} encrypted"), Some("true"), Some("false"));
        }
        self.tags(&format!("{id} "), tags, &there.tags);
        Ok(())
    }

    fn controls(&mut self, request: &Request) {
        let image = self.image;
        if let Some(moment) = request.deprecation
            && !image.deprecation_time.as_deref().is_some_and(|told| moment.is(told))
        {
            self.note("deprecationTime", Some(&moment.to_string()), image.deprecation_time.as_deref());
        }
        if let Some(cooldown) = request.protection
            && !is_protected(image, cooldown)
        {
            let wanted = if cooldown == Cooldown::Day { "enabled-with-cooldown" } else { "enabled" };
            let found = image.deregistration_protection.as_deref();
            self.note("deregistrationProtection", Some(wanted), found);
        }
    }

    /// Nobody is missing, and nobody may launch it who was not asked for.
    async fn permissions(&mut self, request: &Request) -> Result<(), AmiError> {
        let doing = format!("asking who may launch {}", self.image.id);
        let there = self.region.ask(&doing, || self.region.ec2.launch_permissions(&self.image.id)).await?;
        let wanted = &request.share.with;
        for who in wanted.iter().filter(|who| !there.contains(who)) {
            self.note(format!("launchPermission {who}"), Some("given"), None);
        }
        for who in there.iter().filter(|who| !wanted.contains(who)) {
            self.note(format!("launchPermission {who}"), None, Some("given"));
        }
        if request.share.snapshots == SnapshotSharing::Shared {
            for (snapshot, _) in snapshots(self.image, request)? {
                self.accounts(&snapshot, &request.share.accounts()).await?;
            }
        }
        Ok(())
    }

    async fn accounts(&mut self, snapshot: &str, wanted: &[String]) -> Result<(), AmiError> {
        let doing = format!("asking who may use {snapshot}");
        let there = self.region.ask(&doing, || self.region.ec2.snapshot_accounts(snapshot)).await?;
        for account in wanted.iter().filter(|account| !there.contains(account)) {
            self.note(format!("{snapshot} createVolumePermission {account}"), Some("given"), None);
        }
        Ok(())
    }
}

/// The snapshots that were made for an AMI, each with the tags that say which bundle it is of.
fn snapshots(image: &DescribedImage, request: &Request) -> Result<Vec<(String, Tags)>, AmiError> {
    let mut all = Vec::new();
    all.extend(image.root_snapshot().map(|root| (root.to_owned(), request.digests.clone())));
    for volume in &request.volumes {
        let ContentOf::Bundle(path) = &volume.content else { continue };
        let mapping = image.mappings.iter().find(|mapping| mapping.device == volume.device);
        if let Some(snapshot) = mapping.and_then(|mapping| mapping.snapshot.clone()) {
            // A bundle that is not here any more cannot be compared with.
            all.push((snapshot, if path.exists() { digests_of(path)? } else { Tags::new() }));
        }
    }
    Ok(all)
}

/// The volumes that are made from snapshots, with the bundles that these should hold.
fn volumes(image: &DescribedImage, expected: &ExpectedAmi, bundle: Option<&Path>) -> Vec<VolumeOf> {
    let asked = match expected {
        ExpectedAmi::Asked(asked) => asked.request.volumes.as_slice(),
        _ => &[],
    };
    let bundle_of = |device: &str| {
        if image.root_device.as_deref() == Some(device) {
            return bundle.map(Path::to_owned);
        }
        match &asked.iter().find(|volume| volume.device == device)?.content {
            ContentOf::Bundle(path) if path.exists() => Some(path.clone()),
            _ => None,
        }
    };
    let volume = |device: &str, snapshot: &str| VolumeOf {
        device: device.to_owned(),
        snapshot: snapshot.to_owned(),
        bundle: bundle_of(device),
    };
    let mappings = image.mappings.iter();
    mappings.filter_map(|mapping| Some(volume(&mapping.device, mapping.snapshot.as_deref()?))).collect()
}
