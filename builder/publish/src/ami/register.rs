//! Registration, idempotent by name: the call has no token, so an AMI of the name that is there is compared with the
//! one that is wanted, and adopted if it is equal.

use super::existing::{all_differences, check_not_disabled, name_taken_error};
use super::ledger::AmiOrigin;
use super::region::{AmiRegion, service_error};
use super::{AmiError, account, attributes, timeouts};
use crate::api::ec2::{DescribedImage, Ec2, NewImage};
use crate::request::{KeyChoice, Request};
use crate::retry::CallStep;
use crate::service_error::ServiceErrorKind;

/// Makes sure that an AMI is there and that it can be launched.
///
/// # Errors
/// [`AmiError::Differs`] when the name is that of another AMI, [`AmiError::Call`], [`AmiError::Failed`].
pub async fn register<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &NewImage,
) -> Result<(DescribedImage, AmiOrigin), AmiError> {
    let (found, origin) = match region.image_by_name(&image.name).await? {
        Some(found) => (found, AmiOrigin::Adopted),
        None => register_new(region, image).await?,
    };
    check_not_disabled(region.name, &found)?;
    let found = region.until_available(&found.id, timeouts::REGISTERED).await?;
    let differences = all_differences(region, image, &found).await?;
    if differences.is_empty() {
        return Ok((found, origin));
    }
    Err(name_taken_error(region.name, &image.name, &found, differences))
}

/// Makes an AMI of a snapshot that is there, and sets what is asked of it.
///
/// # Errors
/// As [`register`]; and [`AmiError::PublicBlocked`], [`AmiError::Encrypted`].
pub async fn register_snapshot<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    snapshot: &str,
) -> Result<(DescribedImage, AmiOrigin), AmiError> {
    account::check_policy(region, request, &KeyChoice::Account, CallStep::Idempotent).await?;
    // One that is not there is soon refused; one that was just made may still be pending.
    region.probe(&format!("asking for {snapshot}"), || region.ec2.describe_snapshot(snapshot)).await?;
    region.until_completed(snapshot).await?;
    account::check_snapshot(region, snapshot).await?;
    for id in request.volumes.iter().filter_map(|volume| volume.content.snapshot()) {
        account::check_snapshot(region, &id).await?;
    }
    let further: Vec<_> = request.volumes.iter().map(|volume| volume.content.snapshot()).collect();
    let (image, origin) = register(region, &request.new_image(snapshot, &further)).await?;
    let tagged = [(snapshot.to_owned(), request.image_tags())];
    attributes::set_all(region, request, &image, &tagged).await?;
    attributes::protect(region, request, &image).await?;
    Ok((image, origin))
}

/// Calls. When the answer was lost, the call that is made again finds the name taken, by us or by somebody else:
/// whose it is tells the comparison.
async fn register_new<C: Ec2>(
    region: &AmiRegion<'_, C>,
    image: &NewImage,
) -> Result<(DescribedImage, AmiOrigin), AmiError> {
    let action = format!("registering `{}`", image.name);
    match region.call_eventual(&action, || region.ec2.register_image(image)).await {
        Ok(id) => Ok((region.image(&id).await?, AmiOrigin::Registered)),
        Err(error)
            if service_error(&error).is_some_and(|error| error.kind == ServiceErrorKind::Duplicate) =>
        {
            Ok((region.image_of_taken_name(&image.name).await?, AmiOrigin::Adopted))
        }
        Err(error) => Err(error),
    }
}
