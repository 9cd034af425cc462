//! The resources of tasks that store an image in S3 or restore it from there.

use super::resources::snapshot;
use crate::authorization::call::Call;
use crate::authorization::resource::Resource;
use crate::authorization::s3::s3_resource;

pub(super) fn snapshots_of_image(call: &Call<'_>) -> Vec<Resource> {
    let image = call.text("ImageId").and_then(|id| call.region.images.find(id));
    image.iter().flat_map(|image| image.snapshots()).map(|id| snapshot(call, id)).collect()
}

/// The object of a task: its key is the image's, or given.
pub(super) fn object(call: &Call<'_>) -> Vec<Resource> {
    let Some(bucket) = call.text("Bucket") else { return Vec::new() };
    let stored = call.text("ImageId").map(|id| format!("{id}.bin"));
    let key = call.text("ObjectKey").map(str::to_owned).or(stored).unwrap_or_default();
    vec![s3_resource(call, &format!("{bucket}/{key}"))]
}

pub(super) fn tagged_object(call: &Call<'_>) -> Vec<Resource> {
    if call.has("S3ObjectTag.") { object(call) } else { Vec::new() }
}

pub(super) fn bucket(call: &Call<'_>) -> Vec<Resource> {
    call.text("Bucket").map(|name| s3_resource(call, name)).into_iter().collect()
}
