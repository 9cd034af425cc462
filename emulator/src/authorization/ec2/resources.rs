//! The resources of requests to EC2, and what the region knows of them.

use crate::authorization::call::Call;
use crate::authorization::resource::{Resource, partition};
use crate::state::Region;
use crate::state::image::ImageRecord;
use crate::state::snapshot::Snapshot;
use crate::state::tags::Tags;
use crate::state::template::Template;

/// The types of resources by the prefix of their ids, as in ARNs. Images and snapshots belong to a region, all
/// others to an account.
const KINDS: [(&str, &str); 13] = [
    ("ami", "image"),
    ("eni", "network-interface"),
    ("i", "instance"),
    ("import-ami", "import-image-task"),
    ("import-snap", "import-snapshot-task"),
    ("iur", "image-usage-report"),
    ("key", "key-pair"),
    ("lt", "launch-template"),
    ("sg", "security-group"),
    ("snap", "snapshot"),
    ("subnet", "subnet"),
    ("vol", "volume"),
    ("vpc", "vpc"),
];

/// A resource that the request creates; its id is `*`.
pub(in crate::authorization) fn new_resource(call: &Call<'_>, kind: &str) -> Resource {
    let tags = specifications(call).into_iter().filter(|(other, _)| other == kind);
    let tags: Vec<_> = tags.flat_map(|(_, tags)| tags).collect();
    Resource::with_arn(arn(call.account, &call.region.name, kind, "*")).requesting(&tags)
}

/// A snapshot of the region.
pub(in crate::authorization) fn snapshot(call: &Call<'_>, id: &str) -> Resource {
    snapshot_of(call.region, id)
}

/// A snapshot of a region, also one in its recycle bin.
pub(in crate::authorization) fn snapshot_of(region: &Region, id: &str) -> Resource {
    let stored = region.snapshots.find(id).or_else(|| region.snapshots.find_binned(id));
    let resource = Resource::with_arn(arn("", &region.name, "snapshot", id));
    owned(resource, stored.as_deref().map(|one: &Snapshot| (one.owner.as_str(), &one.tags)))
}

pub(super) fn image_of(region: &Region, id: &str) -> Resource {
    let stored = region.images.find(id);
    let resource = Resource::with_arn(arn("", &region.name, "image", id));
    owned(resource, stored.as_deref().map(|one: &ImageRecord| (one.owner.as_str(), &one.tags)))
}

pub(super) fn template(call: &Call<'_>, id: &str) -> Resource {
    let stored = call.region.templates.find(id);
    let resource = Resource::with_arn(arn(call.account, &call.region.name, "launch-template", id));
    owned(resource, stored.as_deref().map(|one: &Template| (one.owner.as_str(), &one.tags)))
}

/// Adds the owner and the tags of a resource that exists.
fn owned(resource: Resource, stored: Option<(&str, &Tags)>) -> Resource {
    match stored {
        None => resource,
        Some((owner, tags)) => resource
            .tagged(&["aws:ResourceTag/", "ec2:ResourceTag/"], tags)
            .with_key("aws:ResourceAccount", owner),
    }
}

fn arn(account: &str, region: &str, kind: &str, id: &str) -> String {
    let account = if matches!(kind, "image" | "snapshot") { "" } else { account };
    format!("arn:{}:ec2:{region}:{account}:{kind}/{id}", partition(region))
}

/// A resource of any type by its id.
fn by_id(call: &Call<'_>, id: &str) -> Resource {
    let prefix = id.rsplit_once('-').map_or("", |(prefix, _)| prefix);
    match prefix {
        "ami" => image_of(call.region, id),
        "snap" => snapshot(call, id),
        "lt" => template(call, id),
        other => {
            let kind = KINDS.iter().find(|(known, _)| *known == other).map_or("*", |(_, kind)| kind);
            Resource::with_arn(arn(call.account, &call.region.name, kind, id))
        }
    }
}

/// The resources that a parameter names, and those of its list.
pub(super) fn by_ids(call: &Call<'_>, name: &str) -> Vec<Resource> {
    let ids = call.values(name).into_iter().chain(call.values(&format!("{name}.*")));
    ids.filter(|id| !id.is_empty()).map(|id| by_id(call, id)).collect()
}

/// The tags of `TagSpecification.n`, by the type of the resource.
fn specifications(call: &Call<'_>) -> Vec<(String, Vec<(String, String)>)> {
    let entries = call.entries("TagSpecification", "ResourceType").into_iter();
    entries.map(|(entry, kind)| (kind.to_owned(), call.tags(&format!("{entry}.Tag")))).collect()
}

pub(super) fn tagged(call: &Call<'_>) -> Vec<Resource> {
    let kinds = specifications(call).into_iter();
    let new = |kind: &str| new_resource(call, kind).with_key("ec2:CreateAction", call.operation);
    kinds.map(|(kind, _)| new(&kind)).collect()
}

pub(super) fn tagged_resources(call: &Call<'_>) -> Vec<Resource> {
    let tags = call.tags("Tag");
    by_ids(call, "ResourceId").into_iter().map(|resource| resource.requesting(&tags)).collect()
}

pub(super) fn images(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "ImageId")
}

pub(super) fn snapshots(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "SnapshotId")
}

pub(super) fn source_snapshots(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "SourceSnapshotId")
}

pub(super) fn instances(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "InstanceId")
}

pub(super) fn import_tasks(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "ImportTaskId")
}

pub(super) fn usage_reports(call: &Call<'_>) -> Vec<Resource> {
    let ids = call.values("ReportId").into_iter();
    let arn = |id| arn(call.account, &call.region.name, "image-usage-report", id);
    ids.map(|id| Resource::with_arn(arn(id))).collect()
}

pub(super) fn usage_report(call: &Call<'_>) -> Vec<Resource> {
    images(call).into_iter().chain([new_resource(call, "image-usage-report")]).collect()
}

pub(super) fn new_image(call: &Call<'_>) -> Vec<Resource> {
    vec![new_resource(call, "image")]
}

pub(super) fn new_snapshot(call: &Call<'_>) -> Vec<Resource> {
    vec![new_resource(call, "snapshot")]
}

pub(super) fn new_template(call: &Call<'_>) -> Vec<Resource> {
    vec![new_resource(call, "launch-template")]
}

pub(super) fn new_import_image(call: &Call<'_>) -> Vec<Resource> {
    vec![new_resource(call, "image"), new_resource(call, "import-image-task"), new_resource(call, "snapshot")]
}

pub(super) fn new_import_snapshot(call: &Call<'_>) -> Vec<Resource> {
    vec![new_resource(call, "import-snapshot-task"), new_resource(call, "snapshot")]
}

pub(super) fn created_image(call: &Call<'_>) -> Vec<Resource> {
    instances(call).into_iter().chain([new_resource(call, "image"), new_resource(call, "snapshot")]).collect()
}

pub(super) fn created_snapshot(call: &Call<'_>) -> Vec<Resource> {
    by_ids(call, "VolumeId").into_iter().chain([new_resource(call, "snapshot")]).collect()
}

/// The new image and the snapshots that it is made from.
pub(super) fn registered(call: &Call<'_>) -> Vec<Resource> {
    let used = call.values("BlockDeviceMapping.*.Ebs.SnapshotId").into_iter();
    let used = used.filter(|id| !id.is_empty()).map(|id| snapshot(call, id));
    std::iter::once(new_resource(call, "image")).chain(used).collect()
}
