//! Sets the tags that an image or a snapshot does not have yet.

use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::Tags;
use amiforge_publish::tags;

use super::StorageError;
use crate::api::storage::StorageCalls;

/// Sets those of the requested tags that differ from the current ones.
pub(super) async fn create_missing<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    resource: &str,
    requested: &Tags,
    current: &Tags,
) -> Result<(), StorageError> {
    let missing = tags::missing(requested, current);
    if missing.is_empty() {
        return Ok(());
    }
    let resources = [resource.to_owned()];
    let action = format!("tagging {resource}");
    Ok(region.call_eventual(&action, || region.ec2.create_tags(&resources, &missing)).await?)
}
