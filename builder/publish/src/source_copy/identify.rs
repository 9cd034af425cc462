//! Which AMI and which snapshot a source means.

use super::SourceCopyError;
use crate::api::ec2::{DescribedImage, Ec2, ImageQuery};
use crate::api::{Ebs, SnapshotState};
use crate::error::call_failed;
use crate::retry::{CallStep, NoObserver, retry};
use crate::services::{Services, SnapshotLookup};

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    /// The snapshot.
    pub snapshot: String,
    /// The AMI whose root volume it is, if one was named.
    pub image: Option<DescribedImage>,
}

/// The snapshot of an id: itself, or that of an AMI's root volume.
///
/// # Errors
/// [`SourceCopyError::NotShared`], [`SourceCopyError::NoImage`], or that of a call.
pub async fn identify<E: Ebs, S: Ec2>(
    services: &Services<E, S>,
    id: &str,
) -> Result<SourceIdentity, SourceCopyError> {
    if !id.starts_with("ami-") {
        let snapshot = services.lookup_snapshot(id).await?;
        return Ok(SourceIdentity { snapshot: snapshot.id, image: None });
    }
    let query = ImageQuery::by_id(id);
    let images =
        retry(&services.timer, CallStep::Probe, &NoObserver, || services.ec2.describe_images(&query));
    let images = images.await.map_err(call_failed(format!("asking for {id}")))?;
    let missing = || SourceCopyError::NoImage(format!("there is no AMI {id} in {}", services.region));
    identify_image(services, images.into_iter().find(|image| image.id == id).ok_or_else(missing)?).await
}

/// The snapshot of the root volume of an AMI that is described already.
///
/// # Errors
/// As for [`identify`].
pub async fn identify_image<E: Ebs, S: Ec2>(
    services: &Services<E, S>,
    image: DescribedImage,
) -> Result<SourceIdentity, SourceCopyError> {
    let Some(snapshot) = image.root_snapshot().map(str::to_owned) else {
        let text = format!("{} is `{}` and has no snapshot of a root volume", image.id, image.state);
        return Err(SourceCopyError::NoImage(text));
    };
    match services.find_snapshot(&snapshot, CallStep::Idempotent).await? {
        SnapshotLookup::Exists(found) if found.state != SnapshotState::Error => {
            Ok(SourceIdentity { snapshot, image: Some(image) })
        }
        _ => Err(not_shared(&image, &snapshot)),
    }
}

fn not_shared(image: &DescribedImage, snapshot: &str) -> SourceCopyError {
    let because = match image.product_codes.first() {
        Some(code) => format!(", as it has the product code {code}"),
        None => String::new(),
    };
    SourceCopyError::NotShared {
        image: image.id.clone(),
        owner: image.owner.clone().unwrap_or_else(|| "that is not named".to_owned()),
        snapshot: snapshot.to_owned(),
        because,
    }
}
