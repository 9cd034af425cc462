//! The resources of copies: the copy and its source, and the key of the copy.

use std::sync::Arc;

use super::resources::{image_of, new_image, new_resource, snapshot_of};
use crate::authorization::call::Call;
use crate::authorization::key_use;
use crate::authorization::resource::Resource;
use crate::state::Region;
use crate::state::snapshot::Snapshot;

/// The region that a copy reads, if there is one with this name.
fn source_region(call: &Call<'_>) -> Option<Arc<Region>> {
    call.state.region(call.text("SourceRegion")?).ok()
}

/// The copy and its snapshots, the source image and its snapshots. That the ARNs of the source have its region
/// was not tried on AWS.
pub(super) fn copied_image(call: &Call<'_>) -> Vec<Resource> {
    let mut resources = vec![new_resource(call, "image"), new_resource(call, "snapshot")];
    let (Some(region), Some(id)) = (source_region(call), call.text("SourceImageId")) else {
        return resources;
    };
    resources.push(image_of(&region, id));
    let image = region.images.find(id);
    let used = image.iter().flat_map(|image| image.snapshots());
    resources.extend(used.map(|id| snapshot_of(&region, id)));
    resources
}

/// The copy, if it gets the tags of its source.
pub(super) fn copied_tags(call: &Call<'_>) -> Vec<Resource> {
    let with_tags = call.text("CopyImageTags").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if with_tags { new_image(call) } else { Vec::new() }
}

pub(super) fn copied_snapshot(call: &Call<'_>) -> Vec<Resource> {
    let mut resources = vec![new_resource(call, "snapshot")];
    if let (Some(region), Some(id)) = (source_region(call), call.text("SourceSnapshotId")) {
        resources.push(snapshot_of(&region, id));
    }
    resources
}

/// The key of a copy: the requested one, or the account's default if the copy is encrypted.
pub(super) fn copy_keys(call: &Call<'_>) -> Vec<Resource> {
    let settings = call.region.settings.find(call.account);
    let by_default = settings.is_some_and(|settings| settings.encrypt_by_default);
    let encrypted = call.text("Encrypted").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let key = match call.text("KmsKeyId") {
        Some(name) => key_use::customer_key(call, name),
        None if encrypted || by_default || source_is_encrypted(call) => key_use::default_key(call),
        None => None,
    };
    key.into_iter().collect()
}

fn source_is_encrypted(call: &Call<'_>) -> bool {
    source_snapshots(call).iter().any(|snapshot| snapshot.kms_key.is_some())
}

/// The snapshots that are copied.
fn source_snapshots(call: &Call<'_>) -> Vec<Arc<Snapshot>> {
    let Some(region) = source_region(call) else { return Vec::new() };
    let image = call.text("SourceImageId").and_then(|id| region.images.find(id));
    let ids = image.iter().flat_map(|image| image.snapshots()).chain(call.text("SourceSnapshotId"));
    ids.filter_map(|id| region.snapshots.find(id)).collect()
}

/// The keys of the snapshots that are copied.
pub(super) fn source_keys(call: &Call<'_>) -> Vec<Resource> {
    let snapshots = source_snapshots(call);
    let keys = snapshots.iter().filter_map(|snapshot| snapshot.kms_key.as_deref());
    keys.filter_map(|key| key_use::customer_key(call, key)).collect()
}

pub(super) fn copy_grants(call: &Call<'_>) -> Vec<Resource> {
    key_use::for_grant(copy_keys(call))
}
