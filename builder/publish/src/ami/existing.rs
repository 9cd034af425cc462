//! Compares an AMI that has the requested name with the request: it is ours, equal and adopted, or the name is taken.
//!
//! Only reads. What the account permits is in [`super::account`].

use super::AmiError;
use super::compare::{FieldDifference, differences};
use super::facts::digests_of;
use super::region::AmiRegion;
use crate::api::ec2::{DescribedImage, Ec2, NewImage, Tags};
use crate::request::{Request, VolumeContent};
use crate::tags;

/// The AMI that has the name already, if it can be the one that is wanted; `snapshots` are those that are known, that
/// of the root first. One that was made from other snapshots is equal if these are of the same bundles.
///
/// # Errors
/// [`AmiError::Differs`] before a block is sent for it, [`AmiError::Disabled`].
pub(super) async fn find_existing<C: Ec2>(
    home: &AmiRegion<'_, C>,
    request: &Request,
    snapshots: &[Option<String>],
) -> Result<ExistingAmi, AmiError> {
    let Some(found) = home.image_by_name(&request.name).await? else { return Ok(ExistingAmi::None) };
    check_not_disabled(home.name, &found)?;
    let root = snapshots.first().cloned().flatten();
    let named: Vec<_> = request.volumes.iter().map(|volume| volume.content.snapshot()).collect();
    let further = if root.is_some() { snapshots.get(1..).unwrap_or_default() } else { &named };
    let requested = request.new_image(root.as_deref().unwrap_or_default(), further);
    let mut all = all_differences(home, &requested, &found).await?;
    if root.is_some() && all.is_empty() {
        return Ok(ExistingAmi::Ours);
    }
    let all_differing = all.clone();
    let uploaded = |difference: &FieldDifference| {
        let volume = request.volumes.iter().find(|volume| difference.is_of_snapshot_of(&volume.device));
        difference.is_of_snapshot() && volume.is_none_or(|volume| volume.content.snapshot().is_none())
    };
    all.retain(|difference| !uploaded(difference));
    for difference in bundle_differences(home, request, &found).await? {
        if all.iter().all(|known| known.field != difference.field) {
            all.push(difference);
        }
    }
    match (all.is_empty(), root.is_some()) {
        (true, _) => Ok(ExistingAmi::Equal(Box::new(found))),
        (false, true) => Err(name_taken_error(home.name, &request.name, &found, all_differing)),
        (false, false) => Err(name_taken_error(home.name, &request.name, &found, all)),
    }
}

/// An AMI that has the name.
pub(super) enum ExistingAmi {
    /// There is none.
    None,
    /// It is made from the snapshots of the ledger.
    Ours,
    /// It is equal, and made from the same bundle by another run.
    Equal(Box<DescribedImage>),
}

/// Refuses an AMI that is disabled: it is listed, has its name, and cannot be launched.
pub(super) fn check_not_disabled(region: &str, image: &DescribedImage) -> Result<(), AmiError> {
    if image.state == "disabled" {
        return Err(AmiError::Disabled { image: image.id.clone(), region: region.to_owned() });
    }
    Ok(())
}

/// What says that an AMI was made from other bundles, or leaves it open.
async fn bundle_differences<C: Ec2>(
    home: &AmiRegion<'_, C>,
    request: &Request,
    found: &DescribedImage,
) -> Result<Vec<FieldDifference>, AmiError> {
    let mut all: Vec<_> = manifest_difference("", &request.digests, &found.tags).into_iter().collect();
    for volume in &request.volumes {
        let VolumeContent::Bundle(path) = &volume.content else { continue };
        let mapping = found.mappings.iter().find(|mapping| mapping.device == volume.device);
        let Some(id) = mapping.and_then(|mapping| mapping.snapshot.as_deref()) else { continue };
        let current =
            home.call(&format!("asking for the tags of {id}"), || home.ec2.describe_snapshot(id)).await?;
        all.extend(manifest_difference(&format!("{} ", volume.device), &digests_of(path)?, &current.tags));
    }
    Ok(all)
}

/// Whether tags name the manifest of a bundle. A raw file has none, and no tag says what was made of it.
fn manifest_difference(of: &str, bundle: &Tags, current: &Tags) -> Option<FieldDifference> {
    let (requested, found) = (bundle.get(tags::MANIFEST), current.get(tags::MANIFEST));
    let requested = requested.map_or("that of a bundle", String::as_str);
    let field = format!("{of}tag {}", tags::MANIFEST);
    (found.map(String::as_str) != Some(requested))
        .then(|| FieldDifference::new(field, Some(requested), found.map(String::as_str)))
}

/// What of `found` is not as `image` wants it.
pub(super) async fn all_differences<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &NewImage,
    found: &DescribedImage,
) -> Result<Vec<FieldDifference>, AmiError> {
    let mut all = differences(image, found);
    if image.uefi_data.is_some() {
        let action = format!("reading the UEFI variables of {}", found.id);
        let current = region.call_eventual(&action, || region.ec2.uefi_data(&found.id)).await?;
        if current != image.uefi_data {
            all.push(FieldDifference::new("uefiData", Some("as given"), Some("other")));
        }
    }
    Ok(all)
}

/// The error that names in what they differ.
pub(super) fn name_taken_error(
    region: &str,
    name: &str,
    found: &DescribedImage,
    differences: Vec<FieldDifference>,
) -> AmiError {
    AmiError::Differs {
        name: name.to_owned(),
        image: found.id.clone(),
        region: region.to_owned(),
        differences,
    }
}
