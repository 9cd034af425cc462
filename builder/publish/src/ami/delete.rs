//! Taking an AMI away, with its snapshots or without.

use super::AmiError;
use super::region::{AmiRegion, service_error};
use crate::api::ec2::{DescribedImage, Ec2};
use crate::service_error::ServiceErrorKind;

/// Something that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Where.
    pub region: String,
    /// Its id.
    pub id: String,
}

/// What becomes of the snapshots of an AMI that is deregistered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SnapshotDisposal {
    Delete,
    Keep,
}

/// Deregisters an AMI, even one that is protected. One that is not there counts as deregistered.
pub(super) async fn deregister<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    snapshots: SnapshotDisposal,
) -> Result<Vec<Deleted>, AmiError> {
    let id = &image.id;
    if image.deregistration_protection.as_deref().is_some_and(|word| word.starts_with("enabled")) {
        let action = format!("taking the protection off {id}");
        region.call(&action, || region.ec2.disable_deregistration_protection(id)).await?;
    }
    match region.call(&format!("deregistering {id}"), || region.ec2.deregister_image(id)).await {
        Err(error) if service_error(&error).is_none_or(|error| error.kind != ServiceErrorKind::NotFound) => {
            return Err(error);
        }
        _ => {}
    }
    let mut deleted = vec![id.clone()];
    if snapshots == SnapshotDisposal::Delete {
        for snapshot in image.snapshots() {
            delete_snapshot(region, &snapshot).await?;
            deleted.push(snapshot);
        }
    }
    Ok(deleted.into_iter().map(|id| Deleted { region: region.name.to_owned(), id }).collect())
}

/// Deletes a snapshot; one that is not there counts as deleted.
pub(super) async fn delete_snapshot<C: Ec2>(region: &AmiRegion<'_, C>, id: &str) -> Result<(), AmiError> {
    match region.delete(&format!("deleting {id}"), || region.ec2.delete_snapshot(id)).await {
        Err(error) if service_error(&error).is_none_or(|error| error.kind != ServiceErrorKind::NotFound) => {
            Err(error)
        }
        _ => Ok(()),
    }
}
