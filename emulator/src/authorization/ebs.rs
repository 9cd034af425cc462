//! EBS direct. Its resources are snapshots of EC2: Amazon EBS User Guide, "Control access to EBS direct APIs
//! using IAM".

use super::call::Call;
use super::ec2::{new_resource, snapshot};
use super::key_use;
use super::resource::Resource;
use super::rule::{Rule, also, own, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("CompleteSnapshot", &[own(of_path)]),
    rule("GetSnapshotBlock", &[own(of_path), key_use::reads(key_of_path)]),
    rule("ListChangedBlocks", &[own(both)]),
    rule("ListSnapshotBlocks", &[own(of_path)]),
    rule("PutSnapshotBlock", &[own(of_path)]),
    // Amazon EBS User Guide, "Control access to EBS direct APIs using IAM": tags need ec2:CreateTags.
    rule("StartSnapshot", &[own(started), also(&["ec2:CreateTags"], tagged), key_use::writes(keys), key_use::grants(grant_keys)]),
];

fn of_path(call: &Call<'_>) -> Vec<Resource> {
    call.path.iter().map(|id| snapshot(call, id)).collect()
}

/// The two snapshots of a comparison; the first one may be missing.
fn both(call: &Call<'_>) -> Vec<Resource> {
    let query = call.request.query();
    let first = query.iter().find(|(name, _)| name == "firstSnapshotId").map(|(_, id)| snapshot(call, id));
    of_path(call).into_iter().chain(first).collect()
}

fn requested_tags(call: &Call<'_>) -> Vec<(String, String)> {
    let text = |tag: &serde_json::Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    let tags = call.json["Tags"].as_array().into_iter().flatten();
    tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// The new snapshot, and its parent.
fn started(call: &Call<'_>) -> Vec<Resource> {
    let parent = call.member("ParentSnapshotId").map(|id| snapshot(call, id));
    let new = new_resource(call, "snapshot").requesting(&requested_tags(call));
    std::iter::once(new).chain(parent).collect()
}

fn tagged(call: &Call<'_>) -> Vec<Resource> {
    let tags = requested_tags(call);
    if tags.is_empty() {
        return Vec::new();
    }
    vec![new_resource(call, "snapshot").requesting(&tags).with_key("ec2:CreateAction", call.operation)]
}

/// The key of a snapshot, if it is not the one that AWS provides.
fn key_of(call: &Call<'_>, id: &str) -> Option<Resource> {
    key_use::customer_key(call, call.region.snapshots.find(id)?.kms_key.as_deref()?)
}

fn key_of_path(call: &Call<'_>) -> Vec<Resource> {
    call.path.iter().filter_map(|id| key_of(call, id)).collect()
}

/// The key of the new snapshot: the requested one, the parent's, or the account's default.
fn keys(call: &Call<'_>) -> Vec<Resource> {
    let settings = call.region.settings.find(call.account);
    let by_default = settings.is_some_and(|settings| settings.encrypt_by_default);
    let key = match (call.member("KmsKeyArn"), call.member("ParentSnapshotId")) {
        (Some(key), _) => key_use::customer_key(call, key),
        (None, Some(parent)) => key_of(call, parent),
        (None, None) if by_default || call.json["Encrypted"] == true => key_use::default_key(call),
        (None, None) => None,
    };
    key.into_iter().collect()
}

fn grant_keys(call: &Call<'_>) -> Vec<Resource> {
    key_use::for_grant(keys(call))
}
