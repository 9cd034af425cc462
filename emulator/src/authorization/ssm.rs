//! SSM parameters.

use serde_json::Value;

use super::call::Call;
use super::key_use;
use super::resource::Resource;
use super::rule::{Rule, also, any, own, rule};
use crate::state::parameter::{StoredParameter, is_public, parameter_key};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("AddTagsToResource", &[own(resource_id)]),
    rule("DeleteParameter", &[own(named)]),
    rule("DeleteParameters", &[own(all_named)]),
    rule("GetParameter", &[own(named), also(&["kms:Decrypt"], secret_keys)]),
    rule("GetParameterHistory", &[own(named), also(&["kms:Decrypt"], secret_keys)]),
    rule("GetParameters", &[own(all_named), also(&["kms:Decrypt"], secret_keys)]),
    rule("GetParametersByPath", &[own(path)]),
    rule("LabelParameterVersion", &[own(named)]),
    rule("ListTagsForResource", &[own(resource_id)]),
    // Systems Manager User Guide, "Native parameter support for Amazon Machine Image IDs": the data type
    // aws:ec2:image needs ec2:DescribeImages.
    rule("PutParameter", &[own(named), also(&["ec2:DescribeImages"], image), also(&["ssm:AddTagsToResource"], tagged), also(&["kms:Encrypt"], new_secret_key)]),
    rule("RemoveTagsFromResource", &[own(resource_id)]),
    rule("UnlabelParameterVersion", &[own(named)]),
];

/// A parameter by its name, which may end with a version or a label, or by its ARN.
fn parameter(call: &Call<'_>, name: &str) -> Resource {
    let name = name.find(":parameter/").map_or(name, |at| &name[at + ":parameter".len()..]);
    let name = name.split(':').next().unwrap_or_default();
    let resource = Resource::with_arn(arn(call, name));
    match stored(call, name) {
        Some(stored) => resource.tagged(&["aws:ResourceTag/", "ssm:resourceTag/"], &stored.tags),
        None => resource,
    }
}

/// The ARN of a parameter or of a path. That of public ones has no account: Systems Manager User Guide, "Calling public
/// parameters".
fn arn(call: &Call<'_>, name: &str) -> String {
    let resource = format!("parameter/{}", name.trim_start_matches('/'));
    if is_public(&format!("{name}/")) {
        return format!("arn:{}:ssm:{}::{resource}", call.partition(), call.region.name);
    }
    call.arn("ssm", &resource)
}

fn stored(call: &Call<'_>, name: &str) -> Option<std::sync::Arc<StoredParameter>> {
    call.region.parameters.find(&parameter_key(call.account, name))
}

fn named(call: &Call<'_>) -> Vec<Resource> {
    let one = call.member("Name").map(|name| parameter(call, name).requesting(&requested_tags(call)));
    let overwrite = call.json["Overwrite"].as_bool();
    one.map(|one| match overwrite {
        Some(overwrite) => one.with_key("ssm:Overwrite", overwrite.to_string()),
        None => one,
    })
    .into_iter()
    .collect()
}

fn all_named(call: &Call<'_>) -> Vec<Resource> {
    let names = call.json["Names"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(|name| parameter(call, name)).collect()
}

fn resource_id(call: &Call<'_>) -> Vec<Resource> {
    let one = call.member("ResourceId").map(|name| parameter(call, name));
    one.map(|one| one.requesting(&requested_tags(call))).into_iter().collect()
}

/// The path as it is written in the request. Not tried on AWS: with and without a slash at the end.
fn path(call: &Call<'_>) -> Vec<Resource> {
    let recursive = call.json["Recursive"].as_bool().unwrap_or_default().to_string();
    let one = call.member("Path").map(|path| Resource::with_arn(arn(call, path)));
    one.map(|one| one.with_key("ssm:Recursive", recursive)).into_iter().collect()
}

fn requested_tags(call: &Call<'_>) -> Vec<(String, String)> {
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    let tags = call.json["Tags"].as_array().into_iter().flatten();
    tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// The call of EC2 that checks the image of a parameter.
fn image(call: &Call<'_>) -> Vec<Resource> {
    let old = call.member("Name").and_then(|name| stored(call, name));
    let data_type = call.member("DataType").map(str::to_owned).or(old.map(|old| old.data_type.clone()));
    if data_type.as_deref() == Some("aws:ec2:image") { any(call) } else { Vec::new() }
}

fn tagged(call: &Call<'_>) -> Vec<Resource> {
    if requested_tags(call).is_empty() { Vec::new() } else { named(call) }
}

/// The keys of the secrets that are read, except for the one that AWS provides.
fn secret_keys(call: &Call<'_>) -> Vec<Resource> {
    if call.json["WithDecryption"].as_bool() != Some(true) {
        return Vec::new();
    }
    let one = call.member("Name").into_iter();
    let names = one.chain(call.json["Names"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let parameters = names.filter_map(|name| stored(call, name.split(':').next().unwrap_or_default()));
    let keys = parameters.filter_map(|parameter| parameter.versions.last().and_then(|last| last.key.clone()));
    keys.filter_map(|key| secret_key(call, &key)).collect()
}

fn new_secret_key(call: &Call<'_>) -> Vec<Resource> {
    call.member("KeyId").and_then(|key| secret_key(call, key)).into_iter().collect()
}

fn secret_key(call: &Call<'_>, name: &str) -> Option<Resource> {
    (!name.ends_with("alias/aws/ssm")).then(|| key_use::key(call, name))
}
