//! What is asked before anything is written: what the account would not allow later is refused while it costs nothing.

use super::AmiError;
use super::equal::FieldDifference;
use super::region::Region;
use super::register::{all_differences, differs};
use crate::publish::api::ec2::{Ec2, Image, PublicAccess, Regions};
use crate::publish::request::{KeyOf, Request};
use crate::publish::tags;
use crate::publish::upload::Later;

/// Checks the home region and those that are copied to; gives what will become of the snapshots.
///
/// # Errors
/// [`AmiError::NoSuchRegion`], [`AmiError::PublicBlocked`], [`AmiError::Encrypted`], [`AmiError::Call`].
pub(super) async fn account<C: Ec2, R: Regions<Ec2 = C>>(
    home: &Region<'_, C>,
    regions: &R,
    request: &Request,
) -> Result<Later, AmiError> {
    if !request.copies.is_empty() {
        targets(home, request).await?;
    }
    allowed(home, request, &request.encryption).await?;
    let mut later = if request.asks_for_encryption() { Later::MayBeEncrypted } else { Later::StaysAsItIs };
    for copy in &request.copies {
        let ec2 = regions.ec2(&copy.region);
        let region = Region { name: &copy.region, ec2: &ec2, ..*home };
        if allowed(&region, request, &copy.encryption).await? {
            later = Later::MayBeEncrypted;
        }
    }
    Ok(later)
}

/// Every region that is copied to has to be one of the account.
async fn targets<C: Ec2>(home: &Region<'_, C>, request: &Request) -> Result<(), AmiError> {
    let there = home.ask("asking for the regions", || home.ec2.describe_regions()).await?;
    match request.copies.iter().find(|copy| !there.contains(&copy.region)) {
        Some(copy) => Err(AmiError::NoSuchRegion { region: copy.region.clone() }),
        None => Ok(()),
    }
}

/// Whether what is made in a region comes out encrypted though nobody asked; refuses what then, or as public, could
/// not be shared.
pub(super) async fn allowed<C: Ec2>(
    region: &Region<'_, C>,
    request: &Request,
    asked: &KeyOf,
) -> Result<bool, AmiError> {
    let share = &request.share;
    if share.is_public() {
        let doing = "asking whether AMIs may be public";
        if region.ask(doing, || region.ec2.image_public_access()).await? == PublicAccess::Blocked {
            return Err(AmiError::PublicBlocked { region: region.name.to_owned() });
        }
    }
    if *asked != KeyOf::Account {
        return Ok(true);
    }
    let doing = "asking whether the account encrypts by default";
    let encrypts = region.ask(doing, || region.ec2.encryption_by_default()).await?;
    if encrypts && !share.with.is_empty() {
        let key = region.ask("asking for the default key", || region.ec2.default_kms_key()).await?;
        let why = match (share.is_public(), key.contains("alias/aws/ebs")) {
            (true, _) => "an encrypted AMI cannot be public",
            (false, true) => "nobody else can be allowed to use that key",
            (false, false) => return Ok(true),
        };
        return Err(AmiError::Encrypted { region: region.name.to_owned(), key, why });
    }
    Ok(encrypts)
}

/// The AMI that has the name already, if it can be the one that is wanted; `snapshots` are those that are known, that
/// of the root first.
///
/// # Errors
/// [`AmiError::Differs`] before a block is sent for it.
pub(super) async fn existing<C: Ec2>(
    home: &Region<'_, C>,
    request: &Request,
    snapshots: &[Option<String>],
) -> Result<Existing, AmiError> {
    let Some(found) = home.by_name(&request.name).await? else { return Ok(Existing::None) };
    let root = snapshots.first().cloned().flatten();
    let further = snapshots.get(1..).unwrap_or_default();
    let wanted = request.new_image(root.as_deref().unwrap_or_default(), further);
    let mut all = all_differences(home, &wanted, &found).await?;
    if root.is_none() {
        // Which snapshots it should have is not known; that they are of this bundle is what the tags say.
        all.retain(|difference| !difference.is_of_snapshot());
        all.extend(other_bundle(request, &found));
    }
    if !all.is_empty() {
        return Err(differs(home.name, &request.name, &found, all));
    }
    Ok(if root.is_some() { Existing::Ours } else { Existing::Equal(Box::new(found)) })
}

/// An AMI that has the name.
pub(super) enum Existing {
    /// There is none.
    None,
    /// It is made from the snapshots of the ledger.
    Ours,
    /// It is equal, and made from the same bundle by another run.
    Equal(Box<Image>),
}

/// What says that an AMI was made from another bundle, or leaves it open.
fn other_bundle(request: &Request, found: &Image) -> Vec<FieldDifference> {
    if request.digests.is_empty() {
        let untagged = FieldDifference::new("tag amiforge:manifest", Some("that of a bundle"), None);
        return vec![untagged];
    }
    let told = request.digests.get_key_value(tags::MANIFEST).into_iter();
    told.filter(|(key, _)| !found.tags.contains_key(*key))
        .map(|(key, value)| FieldDifference::new(format!("tag {key}"), Some(value), None))
        .collect()
}
