//! Whether the Allowed AMIs setting of an account lets it see an image.

use super::image_criteria;
use crate::clock::Timestamp;
use crate::state::Region;
use crate::state::allowed_images::{AllowedImages, AllowedState};
use crate::state::image::ImageRecord;

/// The setting of an account.
pub(super) fn setting(region: &Region, account: &str) -> AllowedImages {
    region.allowed_images.find(account).map(|setting| AllowedImages::clone(&setting)).unwrap_or_default()
}

/// `ImageAllowed` of an image for an account; `None` while the setting is disabled.
pub(super) fn is_allowed(
    (region, account, now): (&Region, &str, Timestamp),
    image: &ImageRecord,
) -> Option<bool> {
    let setting = setting(region, account);
    if setting.state == AllowedState::Disabled {
        return None;
    }
    // Images of the account itself are never restricted.
    let own = image.owner == account;
    Some(own || setting.criteria.iter().any(|criterion| image_criteria::is_met(criterion, image, now)))
}

/// Whether the setting hides an image from an account.
pub(super) fn is_hidden((region, account, now): (&Region, &str, Timestamp), image: &ImageRecord) -> bool {
    setting(region, account).state == AllowedState::Enabled
        && is_allowed((region, account, now), image) == Some(false)
}
