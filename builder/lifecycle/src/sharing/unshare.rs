//! Takes permissions back: by the owner of an image, or by the account that it is shared with.

use std::future::Future;
use std::pin::Pin;

use amiforge_progress::Monitor;
use amiforge_publish::ami::{AmiRegion, join, service_error};
use amiforge_publish::api::ec2::{Grantee, Regions};
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::timer::Timer;

use super::checks::launch_permissions;
use super::permissions::{change_launch, change_snapshot, snapshot_permissions};
use super::targets::TargetImage;
use super::{PermissionReport, RegionOutcome, SharingError, SnapshotPermissions};
use crate::api::sharing::{PermissionChange, SharingCalls};

/// Whose permissions are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnshareFrom {
    /// Those of these grantees.
    These(Vec<Grantee>),
    /// All.
    Everyone,
}

/// The outcome of giving up one's own permission.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// The region.
    pub region: String,
    /// The image.
    pub image_id: String,
    /// Whether a permission was given up by this run.
    pub cancelled: bool,
    /// Whether the image can be seen all the same: by everybody, or by an organisation of the account.
    pub still_visible: bool,
}

/// Takes permissions back in all regions at once. A region that fails does not stop the others.
pub async fn unshare<C: SharingCalls, R: Regions<Ec2 = C>>(
    regions: &R,
    targets: &[TargetImage],
    from: &UnshareFrom,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> Vec<RegionOutcome> {
    let one = |target: &TargetImage| -> Pin<Box<dyn Future<Output = RegionOutcome> + Send + '_>> {
        let (ec2, target) = (regions.ec2(&target.region), target.clone());
        Box::pin(async move {
            let region = AmiRegion { name: &target.region, ec2: &ec2, timer, monitor };
            let outcome = unshare_in(&region, &target, from).await;
            RegionOutcome { region: target.region.clone(), outcome }
        })
    };
    join::all(targets.iter().map(one).collect()).await
}

/// The snapshots first: an interruption leaves an image that can be launched, not snapshots that can be read alone.
async fn unshare_in<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    target: &TargetImage,
    from: &UnshareFrom,
) -> Result<PermissionReport, SharingError> {
    let image = &target.image;
    let mut snapshots = Vec::new();
    for snapshot in image.snapshots() {
        let who = match from {
            UnshareFrom::These(who) => who.clone(),
            UnshareFrom::Everyone => snapshot_permissions(region, &snapshot).await?,
        };
        let changed = change_snapshot(region, &snapshot, PermissionChange::Remove, &who).await?;
        snapshots.push(SnapshotPermissions {
            snapshot_id: snapshot,
            changed: changed.changed.iter().map(ToString::to_string).collect(),
        });
    }
    let who = match from {
        UnshareFrom::These(who) => who.clone(),
        UnshareFrom::Everyone => launch_permissions(region, &image.id).await?,
    };
    let launch = change_launch(region, &image.id, PermissionChange::Remove, &who).await?;
    let mut notes = Vec::new();
    if launch.now.contains(&Grantee::Everybody) {
        notes.push(format!("{} is public: those who lost their permission can launch it still", image.id));
    }
    Ok(PermissionReport {
        region: region.name.to_owned(),
        image_id: image.id.clone(),
        changed: launch.changed.iter().map(ToString::to_string).collect(),
        launch: launch.now.iter().map(ToString::to_string).collect(),
        snapshots,
        notes,
    })
}

/// Gives up the caller's own permission to launch an image of another account. A permission that is not there (any
/// more) is no error: a lost response is followed by the same call.
///
/// # Errors
/// [`SharingError::Ami`].
pub async fn cancel<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &str,
) -> Result<Cancelled, SharingError> {
    let action = format!("giving up the permission to launch {image}");
    let cancelled = match region.call(&action, || region.ec2.cancel_launch_permission(image)).await {
        Ok(()) => true,
        Err(error) => match service_error(&error).map(|error| error.kind) {
            Some(ServiceErrorKind::NotFound) => false,
            _ => return Err(error.into()),
        },
    };
    let still_visible = region.find_image(image).await?.is_some();
    Ok(Cancelled { region: region.name.to_owned(), image_id: image.to_owned(), cancelled, still_visible })
}
