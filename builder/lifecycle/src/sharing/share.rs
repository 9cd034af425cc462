//! Shares images and their snapshots.

use std::future::Future;
use std::pin::Pin;

use amiforge_progress::Monitor;
use amiforge_publish::ami::{AmiRegion, join};
use amiforge_publish::api::KeyRegions;
use amiforge_publish::api::ec2::Regions;
use amiforge_publish::timer::Timer;

use super::checks::check;
use super::permissions::{change_launch, change_snapshot};
use super::request::ShareRequest;
use super::targets::TargetImage;
use super::{PermissionReport, RegionOutcome, SharingError, SnapshotPermissions};
use crate::api::sharing::{PermissionChange, SharingCalls};

/// Checks all images, then shares them in all regions at once. A region that fails does not stop the others; the same
/// request completes it later.
///
/// # Errors
/// [`SharingError`] when an image would be refused; nothing is changed then.
pub async fn share<C, R>(
    regions: &R,
    targets: &[TargetImage],
    request: &ShareRequest,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> Result<Vec<RegionOutcome>, SharingError>
where
    C: SharingCalls,
    R: Regions<Ec2 = C> + KeyRegions,
{
    let checked = |target| -> Pin<Box<dyn Future<Output = CheckOutcome> + Send + '_>> {
        Box::pin(check_target(regions, target, request, (timer, monitor)))
    };
    let notes: Vec<Vec<String>> =
        join::all(targets.iter().map(checked).collect()).await.into_iter().collect::<Result<_, _>>()?;
    let one = |(target, notes)| -> Pin<Box<dyn Future<Output = RegionOutcome> + Send + '_>> {
        Box::pin(share_target(regions, target, notes, request, (timer, monitor)))
    };
    Ok(join::all(targets.iter().zip(notes).map(one).collect()).await)
}

type CheckOutcome = Result<Vec<String>, SharingError>;

async fn check_target<C, R>(
    regions: &R,
    target: &TargetImage,
    request: &ShareRequest,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> CheckOutcome
where
    C: SharingCalls,
    R: Regions<Ec2 = C> + KeyRegions,
{
    let ec2 = regions.ec2(&target.region);
    let region = AmiRegion { name: &target.region, ec2: &ec2, timer, monitor };
    check(&region, &regions.keys(&target.region), &target.image, request).await
}

async fn share_target<C: SharingCalls, R: Regions<Ec2 = C>>(
    regions: &R,
    target: &TargetImage,
    notes: Vec<String>,
    request: &ShareRequest,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> RegionOutcome {
    let ec2 = regions.ec2(&target.region);
    let region = AmiRegion { name: &target.region, ec2: &ec2, timer, monitor };
    let outcome = share_in(&region, target, notes, request).await;
    RegionOutcome { region: target.region.clone(), outcome }
}

/// The image first: a share that is interrupted leaves no snapshot that can be read without its image.
async fn share_in<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    target: &TargetImage,
    notes: Vec<String>,
    request: &ShareRequest,
) -> Result<PermissionReport, SharingError> {
    let image = &target.image;
    let launch = change_launch(region, &image.id, PermissionChange::Add, &request.with).await?;
    let of_snapshots = request.of_snapshots();
    let mut snapshots = Vec::new();
    if !of_snapshots.is_empty() {
        for snapshot in image.snapshots() {
            let changed = change_snapshot(region, &snapshot, PermissionChange::Add, &of_snapshots).await?;
            snapshots.push(SnapshotPermissions {
                snapshot_id: snapshot,
                changed: changed.changed.iter().map(ToString::to_string).collect(),
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_shared_with_accounts_and_only_on_request_with_everybody() {
        let account = Grantee::Account("1".repeat(12));
        let organization = Grantee::Organization("arn:aws:organizations::1:organization/o-1".to_owned());
        let request = |snapshots| ShareRequest {
            with: vec![Grantee::Everybody, account.clone(), organization.clone()],
            snapshots,
            public_quota: 5,
        };
        assert!(request(SnapshotShare::Kept).of_snapshots().is_empty());
        assert_eq!(request(SnapshotShare::Public).of_snapshots(), [Grantee::Everybody, account.clone()]);
        assert_eq!(request(SnapshotShare::Accounts).of_snapshots(), [account]);
    }
}
