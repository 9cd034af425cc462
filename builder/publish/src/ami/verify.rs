//! Verifies an AMI against its request: every field of its registration, its tags and those of its snapshots, its
//! permissions. The contents of snapshots are verified in [`crate::verify`]; this module names the bundle of each.

use std::fs;
use std::path::{Path, PathBuf};

use super::AmiError;
use super::attributes::is_protected;
use super::compare::{FieldDifference, differences};
use super::facts::digests_of;
use super::ledger::{AmiLedger, read_copies, read_entry};
use super::region::AmiRegion;
use crate::api::SnapshotState;
use crate::api::ec2::{Cooldown, DescribedImage, Ec2, NewImage, Tags};
use crate::request::{Arch, BootMode, ImageFacts, KeyChoice, Request, SnapshotSharing, VolumeContent};

/// The expected AMI.
#[derive(Debug, Clone)]
pub enum ExpectedAmi {
    /// The request of its publish, from the ledger beside the bundle.
    Requested(Box<PublishRequest>),
    /// The facts of the bundle, if there is no ledger. Other fields are not compared.
    FromBundle(ImageFacts),
    /// No bundle is given.
    Unknown,
}

/// The request of a publish.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The request.
    pub request: Request,
    /// The snapshots, that of the root first; not known for a copy.
    pub snapshots: Vec<Option<String>>,
    /// Encryption of the snapshots.
    pub encryption: KeyChoice,
}

/// The result of the verification.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The AMI.
    pub image: DescribedImage,
    /// All differences.
    pub differences: Vec<FieldDifference>,
    /// The volumes that are made from snapshots.
    pub volumes: Vec<AmiVolume>,
}

/// A volume that is made from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmiVolume {
    /// Its device.
    pub device: String,
    /// The snapshot.
    pub snapshot: String,
    /// The bundle that it should hold, if it is known.
    pub bundle: Option<PathBuf>,
}

/// The expected AMI, by the ledgers beside a bundle, or else by its manifest.
///
/// # Errors
/// [`AmiError::Open`], [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn expected(
    bundle: Option<&Path>,
    image: &str,
    facts: Option<ImageFacts>,
) -> Result<ExpectedAmi, AmiError> {
    let Some(bundle) = bundle else { return Ok(ExpectedAmi::Unknown) };
    for folder in ledgers(bundle)? {
        let Some(entry) = read_entry(&folder)? else { continue };
        if entry.image.as_deref() == Some(image) {
            let (snapshots, encryption) = (entry.snapshots, entry.request.encryption.clone());
            return Ok(ExpectedAmi::Requested(Box::new(PublishRequest {
                request: entry.request,
                snapshots,
                encryption,
            })));
        }
        let copy = read_copies(&folder)?.into_iter().find(|copy| copy.image.as_deref() == Some(image));
        if let Some(copy) = copy {
            let target = entry.request.copies.iter().find(|target| target.region == copy.region);
            let encryption = target.map(|target| target.encryption.clone()).unwrap_or_default();
            let publish = PublishRequest { request: entry.request, snapshots: Vec::new(), encryption };
            return Ok(ExpectedAmi::Requested(Box::new(publish)));
        }
    }
    Ok(facts.map_or(ExpectedAmi::Unknown, ExpectedAmi::FromBundle))
}

/// The ledgers beside a bundle, one for each region.
fn ledgers(bundle: &Path) -> Result<Vec<PathBuf>, AmiError> {
    let any = AmiLedger::path_for(bundle, "any")?;
    let Some(parent) = any.parent().and_then(Path::parent) else { return Ok(Vec::new()) };
    let Ok(regions) = fs::read_dir(parent) else { return Ok(Vec::new()) };
    let mut all: Vec<_> =
        regions.flatten().filter_map(|region| Some(region.path().join(any.file_name()?))).collect();
    all.sort();
    Ok(all)
}

/// Compares an AMI with the expected one.
///
/// # Errors
/// [`AmiError::Call`], also when the AMI does not exist.
pub async fn examine<C: Ec2>(
    region: &AmiRegion<'_, C>,
    id: &str,
    expected: &ExpectedAmi,
    bundle: Option<&Path>,
) -> Result<Examined, AmiError> {
    let image = region.image(id).await?;
    let mut comparison = AmiComparison { region, image: &image, differences: Vec::new() };
    comparison.compare_state();
    match expected {
        ExpectedAmi::Requested(publish) => comparison.compare_request(publish).await?,
        ExpectedAmi::FromBundle(facts) => comparison.compare_facts(facts).await?,
        ExpectedAmi::Unknown => comparison.compare_own_tags().await?,
    }
    let differences = comparison.differences;
    let volumes = volumes(&image, expected, bundle);
    Ok(Examined { image, differences, volumes })
}

struct AmiComparison<'a, C> {
    region: &'a AmiRegion<'a, C>,
    image: &'a DescribedImage,
    differences: Vec<FieldDifference>,
}

impl<C: Ec2> AmiComparison<'_, C> {
    fn compare(&mut self, field: impl Into<String>, requested: Option<&str>, actual: Option<&str>) {
        if requested != actual {
            self.differences.push(FieldDifference::new(field, requested, actual));
        }
    }

    fn compare_state(&mut self) {
        self.compare("imageState", Some("available"), Some(&self.image.state));
    }

    async fn compare_request(&mut self, publish: &PublishRequest) -> Result<(), AmiError> {
        let request = &publish.request;
        let root = publish.snapshots.first().cloned().flatten();
        let further = publish.snapshots.get(1..).unwrap_or_default();
        let requested = request.new_image(root.as_deref().unwrap_or_default(), further);
        let mut all = differences(&requested, self.image);
        if root.is_none() {
            // The service chooses the snapshots of a copy.
            all.retain(|difference| !difference.is_of_snapshot());
        }
        self.differences.extend(all);
        self.compare_uefi_data(request.uefi_data.as_deref()).await?;
        self.compare_tags("", &request.image_tags(), &self.image.tags.clone());
        for (snapshot, digests) in snapshots(self.image, request)? {
            let requested =
                request.tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain(digests);
            self.compare_snapshot(&snapshot, &requested.collect(), &publish.encryption).await?;
        }
        self.compare_attributes(request);
        self.compare_permissions(request).await
    }

    /// Compares with the facts of a bundle, which hold for every AMI made from it.
    async fn compare_facts(&mut self, facts: &ImageFacts) -> Result<(), AmiError> {
        let image = self.image;
        let expected_or_actual = |value: Option<&'static str>, actual: &Option<String>| {
            value.map(str::to_owned).or_else(|| actual.clone()).unwrap_or_default()
        };
        let mode = facts.boot_mode.filter(|mode| *mode != BootMode::Hybrid).map(BootMode::ec2_name);
        let requested = NewImage {
            name: image.name.clone().unwrap_or_default(),
            description: image.description.clone(),
            architecture: expected_or_actual(facts.architecture.map(Arch::ec2_name), &image.architecture),
            boot_mode: expected_or_actual(mode, &image.boot_mode),
            tpm: if facts.measured { Some("v2.0".to_owned()) } else { image.tpm.clone() },
            uefi_data: None,
            imds: image.imds.clone(),
            root_device: image.root_device.clone().unwrap_or_default(),
            mappings: image.mappings.clone(),
            tags: facts.tags.clone(),
        };
        self.differences.extend(differences(&requested, image));
        if facts.uefi_data.is_some() {
            self.compare_uefi_data(facts.uefi_data.as_deref()).await?;
        }
        self.compare_tags("", &facts.tags, &image.tags.clone());
        let Some(root) = image.root_snapshot().map(str::to_owned) else {
            self.compare("rootDeviceName", Some("a volume with a snapshot"), None);
            return Ok(());
        };
        self.compare_snapshot(&root, &facts.tags, &KeyChoice::Account).await
    }

    /// Without a bundle, the tags of the root's snapshot must equal those of the AMI.
    async fn compare_own_tags(&mut self) -> Result<(), AmiError> {
        let Some(root) = self.image.root_snapshot().map(str::to_owned) else { return Ok(()) };
        let ours = |key: &str| key.starts_with(crate::tags::PREFIX) && key != crate::upload::TAG_UPLOAD;
        let tags = self.image.tags.iter().filter(|(key, _)| ours(key));
        let tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.compare_snapshot(&root, &tags, &KeyChoice::Account).await
    }

    async fn compare_uefi_data(&mut self, requested: Option<&str>) -> Result<(), AmiError> {
        let action = format!("reading the UEFI variables of {}", self.image.id);
        let actual = self.region.call(&action, || self.region.ec2.uefi_data(&self.image.id)).await?;
        if actual.as_deref() != requested {
            let shown = |data: Option<&str>| data.map(|data| format!("{} characters of base64", data.len()));
            let (requested, actual) = (shown(requested), shown(actual.as_deref()));
            self.differences.push(FieldDifference::new("uefiData", requested.as_deref(), actual.as_deref()));
        }
        Ok(())
    }

    fn compare_tags(&mut self, of: &str, requested: &Tags, current: &Tags) {
        for (key, value) in requested {
            let field = format!("{of}tag {key}");
            // A tag of the AMI with another value is already among the differences.
            let other = current.get(key).map(String::as_str);
            if self.differences.iter().all(|difference| difference.field != field) {
                self.compare(field, Some(value), other);
            }
        }
    }

    async fn compare_snapshot(
        &mut self,
        id: &str,
        tags: &Tags,
        encryption: &KeyChoice,
    ) -> Result<(), AmiError> {
        let action = format!("asking for {id}");
        let current = self.region.call(&action, || self.region.ec2.describe_snapshot(id)).await?;
        if current.state != SnapshotState::Completed {
            self.compare(format!("{id} status"), Some("completed"), Some(current.state.as_str()));
        }
        if *encryption != KeyChoice::Account && !current.encrypted {
            self.compare(format!("{id} encrypted"), Some("true"), Some("false"));
        }
        self.compare_tags(&format!("{id} "), tags, &current.tags);
        Ok(())
    }

    fn compare_attributes(&mut self, request: &Request) {
        let image = self.image;
        if let Some(moment) = request.deprecation
            && !image.deprecation_time.as_deref().is_some_and(|reported| moment.is(reported))
        {
            self.compare("deprecationTime", Some(&moment.to_string()), image.deprecation_time.as_deref());
        }
        if let Some(cooldown) = request.protection
            && !is_protected(image, cooldown)
        {
            let requested = if cooldown == Cooldown::Day { "enabled-with-cooldown" } else { "enabled" };
            let actual = image.deregistration_protection.as_deref();
            self.compare("deregistrationProtection", Some(requested), actual);
        }
    }

    /// Neither a missing nor an additional launch permission is allowed.
    async fn compare_permissions(&mut self, request: &Request) -> Result<(), AmiError> {
        let action = format!("asking who may launch {}", self.image.id);
        let current =
            self.region.call(&action, || self.region.ec2.launch_permissions(&self.image.id)).await?;
        let requested = &request.share.with;
        for who in requested.iter().filter(|who| !current.contains(who)) {
            self.compare(format!("launchPermission {who}"), Some("given"), None);
        }
        for who in current.iter().filter(|who| !requested.contains(who)) {
            self.compare(format!("launchPermission {who}"), None, Some("given"));
        }
        if request.share.snapshots == SnapshotSharing::Shared {
            for (snapshot, _) in snapshots(self.image, request)? {
                self.compare_accounts(&snapshot, &request.share.accounts()).await?;
            }
        }
        Ok(())
    }

    async fn compare_accounts(&mut self, snapshot: &str, requested: &[String]) -> Result<(), AmiError> {
        let action = format!("asking who may use {snapshot}");
        let current = self.region.call(&action, || self.region.ec2.snapshot_accounts(snapshot)).await?;
        for account in requested.iter().filter(|account| !current.contains(account)) {
            self.compare(format!("{snapshot} createVolumePermission {account}"), Some("given"), None);
        }
        Ok(())
    }
}

/// The snapshots that were made for an AMI, each with the tags of its bundle.
fn snapshots(image: &DescribedImage, request: &Request) -> Result<Vec<(String, Tags)>, AmiError> {
    let mut all = Vec::new();
    all.extend(image.root_snapshot().map(|root| (root.to_owned(), request.digests.clone())));
    for volume in &request.volumes {
        let VolumeContent::Bundle(path) = &volume.content else { continue };
        let mapping = image.mappings.iter().find(|mapping| mapping.device == volume.device);
        if let Some(snapshot) = mapping.and_then(|mapping| mapping.snapshot.clone()) {
            // A bundle that no longer exists cannot be compared.
            all.push((snapshot, if path.exists() { digests_of(path)? } else { Tags::new() }));
        }
    }
    Ok(all)
}

/// The volumes that are made from snapshots, with the bundle that each should hold.
fn volumes(image: &DescribedImage, expected: &ExpectedAmi, bundle: Option<&Path>) -> Vec<AmiVolume> {
    let volumes = match expected {
        ExpectedAmi::Requested(publish) => publish.request.volumes.as_slice(),
        _ => &[],
    };
    let bundle_of = |device: &str| {
        if image.root_device.as_deref() == Some(device) {
            return bundle.map(Path::to_owned);
        }
        match &volumes.iter().find(|volume| volume.device == device)?.content {
            VolumeContent::Bundle(path) if path.exists() => Some(path.clone()),
            _ => None,
        }
    };
    let volume = |device: &str, snapshot: &str| AmiVolume {
        device: device.to_owned(),
        snapshot: snapshot.to_owned(),
        bundle: bundle_of(device),
    };
    let mappings = image.mappings.iter();
    mappings.filter_map(|mapping| Some(volume(&mapping.device, mapping.snapshot.as_deref()?))).collect()
}
