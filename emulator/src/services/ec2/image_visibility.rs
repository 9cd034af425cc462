//! Whether the Allowed AMIs setting of an account lets it see an image.

use super::image_criteria;
use crate::clock::Timestamp;
use crate::state::allowed_images::{AllowedImages, AllowedState};
use crate::state::image::ImageRecord;
use crate::state::{Region, State};

/// Who sees images, and where.
#[derive(Clone, Copy)]
pub(super) struct ImageViewer<'a> {
    pub(super) state: &'a State,
    /// The region, whose setting applies.
    pub(super) region: &'a Region,
    /// The account.
    pub(super) account: &'a str,
    pub(super) now: Timestamp,
}

/// The setting of an account.
pub(super) fn setting(region: &Region, account: &str) -> AllowedImages {
    region.allowed_images.find(account).map(|setting| AllowedImages::clone(&setting)).unwrap_or_default()
}

/// `ImageAllowed` of an image for an account; `None` while the setting is disabled.
pub(super) fn is_allowed(viewer: ImageViewer<'_>, image: &ImageRecord) -> Option<bool> {
    let ImageViewer { state, region, account, now } = viewer;
    let setting = setting(region, account);
    if setting.state == AllowedState::Disabled {
        return None;
    }
    // Images of the account itself are never restricted.
    let own = image.owner == account;
    let met = |criterion| image_criteria::is_met(criterion, image, (state, now));
    Some(own || setting.criteria.iter().any(met))
}

/// Whether the setting hides an image from an account.
pub(super) fn is_hidden(viewer: ImageViewer<'_>, image: &ImageRecord) -> bool {
    setting(viewer.region, viewer.account).state == AllowedState::Enabled
        && is_allowed(viewer, image) == Some(false)
}
