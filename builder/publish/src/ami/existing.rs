//! Compares an AMI that has the requested name with the request: it is ours, equal and adopted, or the name is taken.
//!
//! Only reads. The rules of the account are in [`super::account`].

use super::AmiError;
use super::compare::{FieldDifference, differences};
use super::facts::digests_of;
use super::region::AmiRegion;
use crate::api::ec2::{DescribedImage, Ec2, NewImage, Tags};
use crate::request::{Request, VolumeContent};
use crate::tags;

/// The AMI that has the requested name, if it can be the requested one. `snapshots` are the known snapshots, that of
/// the root first. An AMI of other snapshots is equal if they were made from the same bundles.
///
/// # Errors
/// [`AmiError::Differs`], before a block is sent; [`AmiError::Disabled`].
pub(super) async fn find_existing<C: Ec2>(
    home: &AmiRegion<'_, C>,
    request: &Request,
    snapshots: &[Option<String>],
) -> Result<ExistingAmi, AmiError> {
    let Some(existing) = home.image_by_name(&request.name).await? else { return Ok(ExistingAmi::None) };
    check_not_disabled(home.name, &existing)?;
    let root = snapshots.first().cloned().flatten();
    let named: Vec<_> = request.volumes.iter().map(|volume| volume.content.snapshot()).collect();
    let further = if root.is_some() { snapshots.get(1..).unwrap_or_default() } else { &named };
    let requested = request.new_image(root.as_deref().unwrap_or_default(), further);
    let mut all = all_differences(home, &requested, &existing).await?;
    if root.is_some() && all.is_empty() {
        return Ok(ExistingAmi::Ours);
    }
    let all_differing = all.clone();
    let uploaded = |difference: &FieldDifference| {
        let volume = request.volumes.iter().find(|volume| difference.is_of_snapshot_of(&volume.device));
        difference.is_of_snapshot() && volume.is_none_or(|volume| volume.content.snapshot().is_none())
    };
    all.retain(|difference| !uploaded(difference));
    for difference in bundle_differences(home, request, &existing).await? {
        if all.iter().all(|known| known.field != difference.field) {
            all.push(difference);
        }
    }
    match (all.is_empty(), root.is_some()) {
        (true, _) => Ok(ExistingAmi::Equal(Box::new(existing))),
        (false, true) => Err(name_taken_error(home.name, &request.name, &existing, all_differing)),
        (false, false) => Err(name_taken_error(home.name, &request.name, &existing, all)),
    }
}

/// The AMI that has the requested name.
pub(super) enum ExistingAmi {
    /// There is none.
    None,
    /// It is made from the snapshots in the ledger.
    Ours,
    /// It is equal, and another run made it from the same bundle.
    Equal(Box<DescribedImage>),
}

/// Refuses a disabled AMI: it is listed and occupies the name, but cannot be launched.
pub(super) fn check_not_disabled(region: &str, image: &DescribedImage) -> Result<(), AmiError> {
    if image.state == "disabled" {
        return Err(AmiError::Disabled { image: image.id.clone(), region: region.to_owned() });
    }
    Ok(())
}

/// Differences that show, or cannot rule out, that an AMI was made from other bundles.
async fn bundle_differences<C: Ec2>(
    home: &AmiRegion<'_, C>,
    request: &Request,
    existing: &DescribedImage,
) -> Result<Vec<FieldDifference>, AmiError> {
    let mut all: Vec<_> = manifest_difference("", &request.digests, &existing.tags).into_iter().collect();
    for volume in &request.volumes {
        let VolumeContent::Bundle(path) = &volume.content else { continue };
        let mapping = existing.mappings.iter().find(|mapping| mapping.device == volume.device);
        let Some(id) = mapping.and_then(|mapping| mapping.snapshot.as_deref()) else { continue };
        let current =
            home.call(&format!("asking for the tags of {id}"), || home.ec2.describe_snapshot(id)).await?;
        all.extend(manifest_difference(&format!("{} ", volume.device), &digests_of(path)?, &current.tags));
    }
    Ok(all)
}

/// Whether the tags name the manifest of a bundle. A raw file has no manifest, so its AMI cannot be identified by a
/// tag.
fn manifest_difference(of: &str, bundle: &Tags, current: &Tags) -> Option<FieldDifference> {
    let (requested, existing) = (bundle.get(tags::MANIFEST), current.get(tags::MANIFEST));
    let requested = requested.map_or("that of a bundle", String::as_str);
    let field = format!("{of}tag {}", tags::MANIFEST);
    (existing.map(String::as_str) != Some(requested))
        .then(|| FieldDifference::new(field, Some(requested), existing.map(String::as_str)))
}

/// All differences between `existing` and the requested image, UEFI variables included.
pub(super) async fn all_differences<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &NewImage,
    existing: &DescribedImage,
) -> Result<Vec<FieldDifference>, AmiError> {
    let mut all = differences(image, existing);
    if image.uefi_data.is_some() {
        let action = format!("reading the UEFI variables of {}", existing.id);
        let current = region.call_eventual(&action, || region.ec2.uefi_data(&existing.id)).await?;
        if current != image.uefi_data {
            all.push(FieldDifference::new("uefiData", Some("as given"), Some("other")));
        }
    }
    Ok(all)
}

/// The error for a name that belongs to another AMI.
pub(super) fn name_taken_error(
    region: &str,
    name: &str,
    existing: &DescribedImage,
    differences: Vec<FieldDifference>,
) -> AmiError {
    AmiError::Differs {
        name: name.to_owned(),
        image: existing.id.clone(),
        region: region.to_owned(),
        differences,
    }
}
