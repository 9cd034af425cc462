//! The image to follow: whether it can be launched, and what it needs.

use amiforge_publish::service_error::ServiceErrorKind;

use super::error::FollowError;
use super::region::FollowRegion;
use super::request::ImageTarget;
use crate::api::templates::Templates;

/// An image that can be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchableImage {
    /// Its id.
    pub id: String,
    /// `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// `uefi`, `uefi-preferred` or `legacy-bios`.
    pub boot_mode: Option<String>,
}

/// Reads the image, which has to be available.
pub(super) async fn check<G, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    target: &ImageTarget,
) -> Result<LaunchableImage, FollowError> {
    let id = &target.image;
    let described = match region.attempt(|| region.templates.describe_image(id)).await {
        Err(failed) if failed.error.kind == ServiceErrorKind::NotFound => {
            return Err(FollowError::Missing { kind: "image", name: id.clone() });
        }
        other => other.map_err(|source| FollowError::Call { action: format!("describing {id}"), source })?,
    };
    if described.state != "available" {
        return Err(FollowError::ImageState { image: id.clone(), state: described.state });
    }
    Ok(LaunchableImage {
        id: id.clone(),
        architecture: described.architecture,
        boot_mode: described.boot_mode,
    })
}
