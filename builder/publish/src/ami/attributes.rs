//! Attributes of an AMI that are set after its registration, and on every copy because AWS copies none of them: tags,
//! deprecation, deregistration protection, permissions. Each is read first and set only if it differs, so that the call
//! can be repeated.

use super::AmiError;
use super::region::AmiRegion;
use crate::api::ec2::{Cooldown, DescribedImage, Ec2, Grantee, Tags};
use crate::request::{Deprecation, Request, SnapshotSharing};
use crate::tags;

/// Maximum number of grantees in one call.
const MAX_GRANTEES_PER_CALL: usize = 100;
/// Maximum number of accounts in one call for a snapshot.
const MAX_ACCOUNTS_PER_CALL: usize = 500;

/// Sets tags, deprecation and permissions. `snapshots` are the ids of snapshots with the tags that each should have.
///
/// # Errors
/// [`AmiError::Call`].
pub(super) async fn set_all<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    set_tags(region, request, image, snapshots).await?;
    if let Some(name) = &request.watermark {
        region.watermark(image, name).await?;
    }
    if let Some(moment) = request.deprecation {
        set_deprecation(region, image, moment).await?;
    }
    set_permissions(region, request, image, snapshots).await
}

async fn set_tags<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    create_missing_tags(region, &image.id, &tags::missing(&request.image_tags(), &image.tags)).await?;
    for (snapshot, requested) in snapshots {
        let action = format!("asking for the tags of {snapshot}");
        let current = region.call_eventual(&action, || region.ec2.describe_snapshot(snapshot)).await?;
        create_missing_tags(region, snapshot, &tags::missing(requested, &current.tags)).await?;
    }
    Ok(())
}

async fn create_missing_tags<C: Ec2>(
    region: &AmiRegion<'_, C>,
    resource: &str,
    missing: &Tags,
) -> Result<(), AmiError> {
    if missing.is_empty() {
        return Ok(());
    }
    let resources = [resource.to_owned()];
    region.call_eventual(&format!("tagging {resource}"), || region.ec2.create_tags(&resources, missing)).await
}

async fn set_deprecation<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    moment: Deprecation,
) -> Result<(), AmiError> {
    if image.deprecation_time.as_deref().is_some_and(|reported| moment.is(reported)) {
        return Ok(());
    }
    let at = moment.to_string();
    let action = format!("setting when {} counts as deprecated", image.id);
    region.call_eventual(&action, || region.ec2.enable_image_deprecation(&image.id, &at)).await
}

/// Protects an AMI, if requested. This is the last step, because a protection with a cooldown cannot be removed for a
/// day.
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
    let action = format!("protecting {} from being deregistered", image.id);
    region.call_eventual(&action, || region.ec2.enable_deregistration_protection(&image.id, cooldown)).await
}

/// Whether an AMI has at least this protection. The service reports `enabled-without-cooldown` or
/// `enabled-with-cooldown`.
pub(super) fn is_protected(image: &DescribedImage, cooldown: Cooldown) -> bool {
    let reported = image.deregistration_protection.as_deref().unwrap_or_default();
    match cooldown {
        Cooldown::None => reported.starts_with("enabled"),
        Cooldown::Day => reported == "enabled-with-cooldown",
    }
}

async fn set_permissions<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    image: &DescribedImage,
    snapshots: &[(String, Tags)],
) -> Result<(), AmiError> {
    let requested = &request.share;
    if requested.with.is_empty() {
        return Ok(());
    }
    let action = format!("asking who may launch {}", image.id);
    let current = region.call_eventual(&action, || region.ec2.launch_permissions(&image.id)).await?;
    let missing: Vec<Grantee> = requested.with.iter().filter(|who| !current.contains(who)).cloned().collect();
    for chunk in missing.chunks(MAX_GRANTEES_PER_CALL) {
        let action = format!("sharing {}", image.id);
        region.call_eventual(&action, || region.ec2.add_launch_permissions(&image.id, chunk)).await?;
    }
    if requested.snapshots == SnapshotSharing::Shared {
        for (snapshot, _) in snapshots {
            share_snapshot(region, snapshot, &requested.accounts()).await?;
        }
    }
    Ok(())
}

async fn share_snapshot<C: Ec2>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    accounts: &[String],
) -> Result<(), AmiError> {
    let action = format!("asking who may use {snapshot}");
    let current = region.call_eventual(&action, || region.ec2.snapshot_accounts(snapshot)).await?;
    let missing: Vec<String> =
        accounts.iter().filter(|account| !current.contains(account)).cloned().collect();
    for chunk in missing.chunks(MAX_ACCOUNTS_PER_CALL) {
        let action = format!("sharing {snapshot}");
        region.call_eventual(&action, || region.ec2.add_snapshot_accounts(snapshot, chunk)).await?;
    }
    Ok(())
}
