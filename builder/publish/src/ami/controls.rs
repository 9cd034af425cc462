//! What is set on an AMI once it is there, and on every copy of it, because AWS copies none of it: tags, deprecation,
//! protection, permissions. Each is looked at first and set where it is not as asked, so that all can be done again.

use super::AmiError;
use super::region::AmiRegion;
use crate::api::ec2::{Cooldown, DescribedImage, Ec2, Grantee, Tags};
use crate::request::{Deprecation, Request, SnapshotSharing};
use crate::tags;

/// Most grantees that are added in one call.
const GRANTEES: usize = 100;
/// Most accounts that one call changes of a snapshot.
const ACCOUNTS: usize = 500;

/// Sets everything. `extra` are tags of single snapshots, by their ids, beside those of all.
///
/// # Errors
/// [`AmiError::Call`].
pub(super) async fn set<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    tag(region, request, image, snapshots).await?;
    if let Some(moment) = request.deprecation {
        deprecate(region, image, moment).await?;
    }
    share(region, request, image, snapshots).await
}

async fn tag<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    create(region, &image.id, &tags::missing(&request.image_tags(), &image.tags)).await?;
    for (snapshot, wanted) in snapshots {
        let doing = format!("asking for the tags of {snapshot}");
        let there = region.ask_fresh(&doing, || region.ec2.snapshot(snapshot)).await?;
        create(region, snapshot, &tags::missing(wanted, &there.tags)).await?;
    }
    Ok(())
}

async fn create<C: Ec2>(region: &AmiRegion<'_, C>, resource: &str, missing: &Tags) -> Result<(), AmiError> {
    if missing.is_empty() {
        return Ok(());
    }
    let resources = [resource.to_owned()];
    region.ask_fresh(&format!("tagging {resource}"), || region.ec2.create_tags(&resources, missing)).await
}

async fn deprecate<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    moment: Deprecation,
) -> Result<(), AmiError> {
    if image.deprecation_time.as_deref().is_some_and(|told| moment.is(told)) {
        return Ok(());
    }
    let at = moment.to_string();
    let doing = format!("setting when {} counts as deprecated", image.id);
    region.ask_fresh(&doing, || region.ec2.enable_image_deprecation(&image.id, &at)).await
}

/// Protects an AMI, if that is asked for: the last thing of all, because what is protected with a cooldown cannot be
/// taken back for a day.
///
/// # Errors
/// [`AmiError::Call`].
pub(super) async fn protect<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
) -> Result<(), AmiError> {
    let Some(cooldown) = request.protection else { return Ok(()) };
    if is_protected(image, cooldown) {
        return Ok(());
    }
    let doing = format!("protecting {} from being deregistered", image.id);
    region.ask_fresh(&doing, || region.ec2.enable_deregistration_protection(&image.id, cooldown)).await
}

/// Whether an AMI is protected at least so. The service says `enabled-without-cooldown` or `enabled-with-cooldown`.
pub(super) fn is_protected(image: &DescribedImage, cooldown: Cooldown) -> bool {
    let told = image.deregistration_protection.as_deref().unwrap_or_default();
    match cooldown {
        Cooldown::None => told.starts_with("enabled"),
        Cooldown::Day => told == "enabled-with-cooldown",
    }
}

async fn share<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    let wanted = &request.share;
    if wanted.with.is_empty() {
        return Ok(());
    }
    let doing = format!("asking who may launch {}", image.id);
    let there = region.ask_fresh(&doing, || region.ec2.launch_permissions(&image.id)).await?;
    let missing: Vec<Grantee> = wanted.with.iter().filter(|who| !there.contains(who)).cloned().collect();
    for some in missing.chunks(GRANTEES) {
        let doing = format!("sharing {}", image.id);
        region.ask_fresh(&doing, || region.ec2.add_launch_permissions(&image.id, some)).await?;
    }
    if wanted.snapshots == SnapshotSharing::Shared {
        for (snapshot, _) in snapshots {
            share_snapshot(region, snapshot, &wanted.accounts()).await?;
        }
    }
    Ok(())
}

async fn share_snapshot<C: Ec2>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    accounts: &[String],
) -> Result<(), AmiError> {
    let doing = format!("asking who may use {snapshot}");
    let there = region.ask_fresh(&doing, || region.ec2.snapshot_accounts(snapshot)).await?;
    let missing: Vec<String> = accounts.iter().filter(|account| !there.contains(account)).cloned().collect();
    for some in missing.chunks(ACCOUNTS) {
        let doing = format!("sharing {snapshot}");
        region.ask_fresh(&doing, || region.ec2.add_snapshot_accounts(snapshot, some)).await?;
    }
    Ok(())
}
