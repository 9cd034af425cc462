//! Copies an existing AMI to other regions, with its tags, so that it is found there by the same tags and names.
//!
//! No ledger is needed: a copy is known by its name and its source, and its client token follows from the source, the
//! region and the encryption. The token of a copy that failed would return it again, so each further attempt has another
//! one.

mod compare;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_publish::ami::{AmiError, AmiRegion, ErrorChain, join, service_error};
use amiforge_publish::api::ec2::{DescribedImage, Encrypted, ImageCopy, ImageQuery, Regions, Tags};
use amiforge_publish::request::{CopyTarget, KeyChoice};
use amiforge_publish::retry::CallStep;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::tags;
use amiforge_publish::timer::Timer;
use serde::Serialize;

use self::compare::differences;
use super::StorageError;
use super::missing_tags::create_missing;
use crate::api::storage::StorageCalls;

/// Maximum number of copies that are made anew because an earlier one failed.
const MAX_ATTEMPTS: u32 = 20;

/// An image to copy.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// The name of the copies.
    pub name: String,
    /// The regions, with the encryption of each copy.
    pub targets: Vec<CopyTarget>,
    /// Minutes within which a copy is to be completed, in steps of 15.
    pub within_minutes: Option<u64>,
    /// Name of a watermark to attach to the copies, besides those that they carry on.
    pub watermark: Option<String>,
    /// Maximum time to wait, for the quota of copies and for each copy.
    pub wait: Duration,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageCopied {
    /// The region.
    pub region: String,
    /// The copy.
    pub image_id: String,
    /// Its snapshots, that of the root first.
    pub snapshot_ids: Vec<String>,
    /// Whether it was there before this run.
    pub present: bool,
}

/// The outcome of a copy.
#[derive(Debug)]
pub struct CopyOutcome {
    /// The region.
    pub region: String,
    /// The copy, or the cause of its failure.
    pub outcome: Result<ImageCopied, StorageError>,
}

/// A source and where its copies go.
struct Source<'a> {
    region: &'a str,
    image: &'a DescribedImage,
    /// The tags of its snapshots, by device.
    snapshot_tags: Vec<(String, Tags)>,
}

/// Copies an image of a region to all targets at once. A region that fails does not stop the others.
///
/// # Errors
/// [`StorageError`] when the source cannot be copied; nothing is begun then.
pub async fn copy<C: StorageCalls, R: Regions<Ec2 = C>>(
    regions: &R,
    home: &AmiRegion<'_, C>,
    image: &DescribedImage,
    request: &CopyRequest,
) -> Result<Vec<CopyOutcome>, StorageError> {
    let source = source(home, image).await?;
    check_regions(home, request).await?;
    let one = |target: &CopyTarget| -> Pin<Box<dyn Future<Output = CopyOutcome> + Send + '_>> {
        let target = target.clone();
        Box::pin(copy_to(regions, &source, target, request, (home.timer, home.monitor)))
    };
    Ok(join::all(request.targets.iter().map(one).collect()).await)
}

/// The source with the tags of its snapshots.
async fn source<'a, C: StorageCalls>(
    home: &AmiRegion<'a, C>,
    image: &'a DescribedImage,
) -> Result<Source<'a>, StorageError> {
    let unsuitable = |reason: String| StorageError::Unsuitable {
        image: image.id.clone(),
        region: home.name.to_owned(),
        reason,
    };
    if image.state != "available" {
        return Err(unsuitable(format!("it is `{}`, and only an available AMI can be copied", image.state)));
    }
    let mut snapshot_tags = Vec::new();
    for mapping in &image.mappings {
        let Some(snapshot) = &mapping.snapshot else { continue };
        let action = format!("asking for the tags of {snapshot}");
        // The snapshots of an image of another account may be usable without being visible.
        match home.call(&action, || home.ec2.describe_snapshot(snapshot)).await {
            Ok(described) => snapshot_tags.push((mapping.device.clone(), own_tags(&described.tags))),
            Err(error) if kind(&error) == Some(ServiceErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Source { region: home.name, image, snapshot_tags })
}

/// The tags that a user can set.
fn own_tags(all: &Tags) -> Tags {
    let own = all.iter().filter(|(key, _)| !key.starts_with("aws:"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Refuses a region that is not enabled, before a copy is begun anywhere. Skipped if the caller may not list regions.
async fn check_regions<C: StorageCalls>(
    home: &AmiRegion<'_, C>,
    request: &CopyRequest,
) -> Result<(), StorageError> {
    let names: Vec<String> = request.targets.iter().map(|target| target.region.clone()).collect();
    let enabled = match home.call("asking for the regions", || home.ec2.describe_regions(&names)).await {
        Err(error) if kind(&error) == Some(ServiceErrorKind::Denied) => {
            let line = format!("whether the regions are enabled is not checked: {}", ErrorChain(&error));
            home.monitor.progress.message(&line);
            return Ok(());
        }
        enabled => enabled?,
    };
    match names.into_iter().find(|name| !enabled.contains(name)) {
        Some(region) => Err(AmiError::NoSuchRegion { region }.into()),
        None => Ok(()),
    }
}

fn kind(error: &AmiError) -> Option<ServiceErrorKind> {
    service_error(error).map(|error| error.kind)
}

async fn copy_to<C: StorageCalls, R: Regions<Ec2 = C>>(
    regions: &R,
    source: &Source<'_>,
    target: CopyTarget,
    request: &CopyRequest,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> CopyOutcome {
    let ec2 = regions.ec2(&target.region);
    let region = AmiRegion { name: &target.region, ec2: &ec2, timer, monitor };
    let outcome = copy_in(&region, source, &target, request).await;
    let line = match &outcome {
        Ok(copied) => format!("{}: {} is available", target.region, copied.image_id),
        Err(error) => format!("{}: failed: {error}", target.region),
    };
    monitor.progress.message(&line);
    CopyOutcome { region: target.region.clone(), outcome }
}

async fn copy_in<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    source: &Source<'_>,
    target: &CopyTarget,
    request: &CopyRequest,
) -> Result<ImageCopied, StorageError> {
    let existing = existing(region, source, request).await?;
    let (id, present) = match existing {
        Some(image) => (image.id.clone(), image.state == "available"),
        None => (begin(region, source, target, request).await?, false),
    };
    let copy = region.until_available(&id, request.wait).await?;
    set_tags(region, source, &copy).await?;
    if let Some(name) = &request.watermark {
        region.watermark(&copy, name).await?;
    }
    let differences = differences(source.image, &copy, &target.encryption);
    if !differences.is_empty() {
        return Err(StorageError::CopyDiffers { image: id, region: region.name.to_owned(), differences });
    }
    Ok(ImageCopied {
        region: region.name.to_owned(),
        snapshot_ids: copy.snapshots(),
        image_id: copy.id,
        present,
    })
}

/// The copy, if one exists that is or can become available. A failed one makes way for another.
async fn existing<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    source: &Source<'_>,
    request: &CopyRequest,
) -> Result<Option<DescribedImage>, StorageError> {
    let Some(image) = region.image_by_name(&request.name).await? else { return Ok(None) };
    check_is_copy(region, source, request, &image)?;
    if matches!(image.state.as_str(), "available" | "pending") {
        return Ok(Some(image));
    }
    if image.state == "disabled" {
        return Err(AmiError::Disabled { image: image.id, region: region.name.to_owned() }.into());
    }
    let line = format!("{}: {} is `{}`; copied again", region.name, image.id, image.state);
    region.monitor.progress.message(&line);
    // In one call: an interruption leaves no snapshots without their image.
    let action = format!("deregistering {}", image.id);
    match region.call(&action, || region.ec2.deregister_with_snapshots(&image.id)).await {
        Err(error) if kind(&error) != Some(ServiceErrorKind::NotFound) => Err(error.into()),
        _ => Ok(None),
    }
}

/// Refuses an image that has the name and is not a copy of this source, or of the same bundle.
fn check_is_copy<C>(
    region: &AmiRegion<'_, C>,
    source: &Source<'_>,
    request: &CopyRequest,
    image: &DescribedImage,
) -> Result<(), StorageError> {
    let difference = match &image.source_image {
        Some(other) if *other == source.image.id => return Ok(()),
        Some(other) => format!("is a copy of {other}"),
        None => "is no copy".to_owned(),
    };
    // An image that was published to this region from the same bundle is as good as a copy.
    let manifest = |image: &DescribedImage| image.tags.get(tags::MANIFEST).cloned();
    if manifest(image).is_some() && manifest(image) == manifest(source.image) {
        return Ok(());
    }
    let (name, image, region) = (request.name.clone(), image.id.clone(), region.name.to_owned());
    Err(StorageError::NameTaken { name, image, region, difference })
}

/// Begins a copy. An attempt whose token belongs to a copy that is gone or failed is followed by the next.
async fn begin<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    source: &Source<'_>,
    target: &CopyTarget,
    request: &CopyRequest,
) -> Result<String, StorageError> {
    let action = format!("copying {} of {}", source.image.id, source.region);
    for attempt in 0..MAX_ATTEMPTS {
        let copy = image_copy(source, target, request, attempt);
        let id = match region.copy(request.wait, &action, || region.ec2.copy_image(&copy)).await {
            Ok(id) => id,
            Err(error) if kind(&error) == Some(ServiceErrorKind::Duplicate) => {
                let image = region.image_of_taken_name(&request.name).await?;
                check_is_copy(region, source, request, &image)?;
                return Ok(image.id);
            }
            // The token of an earlier copy with another description or duration.
            Err(error) if is_other_request(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        if is_usable(region, &id).await? {
            return Ok(id);
        }
    }
    let reason = format!("{MAX_ATTEMPTS} copies of it failed or were deleted in {}", region.name);
    let (image, region) = (source.image.id.clone(), source.region.to_owned());
    Err(StorageError::Unsuitable { image, region, reason })
}

fn is_other_request(error: &AmiError) -> bool {
    service_error(error).and_then(|error| error.code.as_deref()) == Some("IdempotentParameterMismatch")
}

/// Whether the image that a copy returned is there: a token may return one that was deregistered since.
async fn is_usable<C: StorageCalls>(region: &AmiRegion<'_, C>, id: &str) -> Result<bool, StorageError> {
    let query = ImageQuery::by_id(id);
    let find = || async {
        match region.ec2.describe_images(&query).await {
            // Not a response of eventual consistency: the id is known, and the image is gone.
            Err(error) if error.code.as_deref() == Some("InvalidAMIID.Unavailable") => Ok(None),
            Err(error) => Err(error),
            Ok(images) => match images.into_iter().find(|image| image.id == id) {
                Some(image) => Ok(Some(image.state)),
                None => Err(ServiceError::local(ServiceErrorKind::NotFound, format!("{id} is not listed"))),
            },
        }
    };
    let state = region.step(CallStep::EventuallyConsistent, &format!("asking for {id}"), find).await?;
    Ok(state.is_some_and(|state| matches!(state.as_str(), "pending" | "available")))
}

fn image_copy(source: &Source<'_>, target: &CopyTarget, request: &CopyRequest, attempt: u32) -> ImageCopy {
    ImageCopy {
        name: request.name.clone(),
        description: source.image.description.clone(),
        image: source.image.id.clone(),
        region: source.region.to_owned(),
        encrypted: match &target.encryption {
            KeyChoice::Account => Encrypted::No,
            KeyChoice::Default => Encrypted::Key(None),
            KeyChoice::Arn(name) | KeyChoice::Alias(name) => Encrypted::Key(Some(name.clone())),
        },
        within_minutes: request.within_minutes,
        token: token(source, target, request, attempt),
        tags: own_tags(&source.image.tags),
    }
}

/// The client token: equal for the same copy, made by any operator at any time.
fn token(source: &Source<'_>, target: &CopyTarget, request: &CopyRequest, attempt: u32) -> String {
    let key = target.encryption.token_text();
    let (image, name, region) = (&source.image.id, &request.name, &target.region);
    Digest::of(format!("copy\n{image}\n{name}\n{region}\n{key}\n{attempt}").as_bytes()).to_string()
}

/// Sets the tags of the source on the copy, and those of each snapshot on its copy.
async fn set_tags<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    source: &Source<'_>,
    copy: &DescribedImage,
) -> Result<(), StorageError> {
    create_missing(region, &copy.id, &own_tags(&source.image.tags), &copy.tags).await?;
    for (device, requested) in &source.snapshot_tags {
        let mapping = copy.mappings.iter().find(|mapping| mapping.device == *device);
        let Some(snapshot) = mapping.and_then(|mapping| mapping.snapshot.as_ref()) else { continue };
        let action = format!("asking for the tags of {snapshot}");
        let current = region.call_eventual(&action, || region.ec2.describe_snapshot(snapshot)).await?;
        create_missing(region, snapshot, requested, &current.tags).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(within_minutes: Option<u64>) -> CopyRequest {
        CopyRequest {
            name: "web-1".to_owned(),
            targets: Vec::new(),
            within_minutes,
            watermark: None,
            wait: Duration::from_secs(1),
        }
    }

    fn image() -> DescribedImage {
        let tag = |key: &str| (key.to_owned(), "v".to_owned());
        DescribedImage {
            id: "ami-1".to_owned(),
            tags: [tag("aws:x"), tag("team")].into(),
            ..DescribedImage::default()
        }
    }

    #[test]
    fn tokens_differ_by_what_makes_another_copy() {
        let image = image();
        let source = Source { region: "local", image: &image, snapshot_tags: Vec::new() };
        let target = |region: &str, encryption| CopyTarget { region: region.to_owned(), encryption };
        let plain = target("local-2", KeyChoice::Account);
        let first = image_copy(&source, &plain, &request(None), 0);
        assert_eq!(first.token, image_copy(&source, &plain, &request(Some(15)), 0).token);
        assert_eq!(first.token.len(), 64);
        assert_eq!(first.tags.keys().collect::<Vec<_>>(), ["team"]);
        for other in [
            image_copy(&source, &plain, &request(None), 1),
            image_copy(&source, &target("local-3", KeyChoice::Account), &request(None), 0),
            image_copy(&source, &target("local-2", KeyChoice::Default), &request(None), 0),
        ] {
            assert_ne!(first.token, other.token);
        }
    }
}
