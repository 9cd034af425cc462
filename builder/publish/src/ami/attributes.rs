//! What is set on an AMI once it is there, and on every copy of it, because AWS copies none of it: tags, deprecation,
//! protection, permissions. Each is looked at first and set where it is not as asked, so that all can be done again.

use super::AmiError;
use super::region::AmiRegion;
use crate::api::ec2::{Cooldown, DescribedImage, Ec2, Grantee, Tags};
use crate::request::{Deprecation, Request, SnapshotSharing};
use crate::tags;

/// Most grantees that are added in one call.
const MAX_GRANTEES_PER_CALL: usize = 100;
/// Most accounts that one call changes of a snapshot.
const MAX_ACCOUNTS_PER_CALL: usize = 500;

/// Sets everything. `extra` are tags of single snapshots, by their ids, beside those of all.
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
    let action = format!("protecting {} from being deregistered", image.id);
    region.call_eventual(&action, || region.ec2.enable_deregistration_protection(&image.id, cooldown)).await
}

/// Whether an AMI is protected at least so. The service says `enabled-without-cooldown` or `enabled-with-cooldown`.
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
