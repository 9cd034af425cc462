//! Checks before anything is shared: what the service or another account would refuse later is refused while that costs
//! nothing.

use amiforge_publish::ami::{AmiError, AmiRegion, service_error};
use amiforge_publish::api::Keys;
use amiforge_publish::api::ec2::{
    DescribedImage, Grantee, ImageOwner, ImageQuery, PublicAccess, QueryFilter,
};
use amiforge_publish::service_error::ServiceErrorKind;

use super::{ShareRequest, SharingError, SnapshotShare};
use crate::api::sharing::SharingCalls;

/// The default quota of public images of an account in a region.
pub const PUBLIC_QUOTA: usize = 5;

/// Maximum number of launch permissions of an image.
const MAX_GRANTEES: usize = 1000;

/// The alias of the key that AWS manages for EBS.
const MANAGED_KEY: &str = "alias/aws/ebs";

/// Checks an image and its account; returns what the user should know of.
///
/// # Errors
/// [`SharingError`].
pub(super) async fn check<C: SharingCalls, K: Keys>(
    region: &AmiRegion<'_, C>,
    keys: &K,
    image: &DescribedImage,
    request: &ShareRequest,
) -> Result<Vec<String>, SharingError> {
    if image.state != "available" {
        let (image, region, state) = (image.id.clone(), region.name.to_owned(), image.state.clone());
        return Err(SharingError::NotAvailable { image, region, state });
    }
    if request.is_public() {
        check_public(region, image, request).await?;
    }
    let mut notes = check_keys(region, keys, image, request).await?;
    check_count(region, image, request).await?;
    let organizations = |who: &Grantee| !matches!(who, Grantee::Everybody | Grantee::Account(_));
    if request.snapshots != SnapshotShare::Kept && request.with.iter().any(organizations) {
        notes.push(format!(
            "the snapshots of {} can be shared with accounts only: those of the organisation can launch it, not copy it",
            image.id
        ));
    }
    Ok(notes)
}

async fn check_public<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    request: &ShareRequest,
) -> Result<(), SharingError> {
    let blocked = |what| SharingError::PublicBlocked { region: region.name.to_owned(), what };
    let action = "asking whether AMIs may be public";
    if region.call(action, || region.ec2.image_public_access()).await? == PublicAccess::Blocked {
        return Err(blocked("AMIs"));
    }
    if request.snapshots == SnapshotShare::Public {
        let action = "asking whether snapshots may be public";
        if region.call(action, || region.ec2.snapshot_public_access()).await?.starts_with("block") {
            return Err(blocked("snapshots"));
        }
    }
    if image.public == Some(true) {
        return Ok(());
    }
    let query = ImageQuery {
        ids: Vec::new(),
        owner: ImageOwner::Own,
        filters: vec![QueryFilter::exact("is-public", "true")],
    };
    let action = "counting the public AMIs";
    let count = region.call(action, || region.ec2.describe_images(&query)).await?.len();
    if count >= request.public_quota {
        let (region, quota) = (region.name.to_owned(), request.public_quota);
        return Err(SharingError::PublicQuota { region, count, quota });
    }
    Ok(())
}

/// Snapshots with the AWS managed key cannot be shared at all, encrypted ones not with everybody.
async fn check_keys<C: SharingCalls, K: Keys>(
    region: &AmiRegion<'_, C>,
    keys: &K,
    image: &DescribedImage,
    request: &ShareRequest,
) -> Result<Vec<String>, SharingError> {
    let mut notes = Vec::new();
    let mut managed: Option<Option<String>> = None;
    for snapshot in image.snapshots() {
        let action = format!("asking for {snapshot}");
        let described = region.call_eventual(&action, || region.ec2.describe_snapshot(&snapshot)).await?;
        if !described.encrypted {
            continue;
        }
        let (image, name) = (image.id.clone(), region.name.to_owned());
        if request.is_public() {
            return Err(SharingError::EncryptedPublic { image, region: name, snapshot });
        }
        let Some(key) = described.kms_key else { continue };
        let managed = match &managed {
            Some(known) => known,
            None => managed.insert(managed_key(region, keys, &mut notes).await?),
        };
        if managed.as_ref() == Some(&key) {
            return Err(SharingError::ManagedKey { image, region: name, snapshot, key });
        }
        notes.push(format!(
            "{snapshot} is encrypted with {key}: its policy must let the others use it (kms:DescribeKey, kms:CreateGrant, \
             kms:Decrypt, kms:GenerateDataKey*, kms:ReEncrypt*)"
        ));
    }
    Ok(notes)
}

/// The ARN of the key that AWS manages for EBS in the region, if there is one and the caller may know it.
async fn managed_key<C: SharingCalls, K: Keys>(
    region: &AmiRegion<'_, C>,
    keys: &K,
    notes: &mut Vec<String>,
) -> Result<Option<String>, SharingError> {
    let action = format!("asking for the key {MANAGED_KEY}");
    match region.call(&action, || keys.key(MANAGED_KEY)).await {
        Ok(key) => Ok(Some(key.arn)),
        Err(error) => match service_error(&error).map(|error| error.kind) {
            Some(ServiceErrorKind::NotFound) => Ok(None),
            Some(ServiceErrorKind::Denied) => {
                notes.push(format!(
                    "whether the snapshots are encrypted with the AWS managed key is not checked: kms:DescribeKey of \
                     {MANAGED_KEY} in {} is denied",
                    region.name
                ));
                Ok(None)
            }
            _ => Err(error.into()),
        },
    }
}

async fn check_count<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    request: &ShareRequest,
) -> Result<(), SharingError> {
    let current = launch_permissions(region, &image.id).await?;
    let missing = request.with.iter().filter(|who| !current.contains(who)).count();
    let count = current.len() + missing;
    if count > MAX_GRANTEES {
        let (image, region) = (image.id.clone(), region.name.to_owned());
        return Err(SharingError::TooMany { image, region, count, limit: MAX_GRANTEES });
    }
    Ok(())
}

/// Those who may launch an image.
pub(super) async fn launch_permissions<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &str,
) -> Result<Vec<Grantee>, AmiError> {
    let action = format!("asking who may launch {image}");
    region.call_eventual(&action, || region.ec2.launch_permissions(image)).await
}
