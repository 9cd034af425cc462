//! The KMS keys that a service uses for the sender of a request.

use super::call::Call;
use super::resource::Resource;
use super::rule::{Need, also};
use crate::state::Region;
use crate::state::account_settings::default_ebs_key_arn;

/// The actions on the key of a snapshot that is written: Amazon EBS User Guide, "Control access to EBS direct
/// APIs using IAM", permissions to use KMS keys. Which of them the service calls is not documented: all are
/// needed here. EBS direct answers with the reason `DEPENDENCY_ACCESS_DENIED`; a copy fails on AWS only after
/// it began, and is refused at once here, so that the error names the action. Not tried on AWS.
const WRITE: &[&str] = &[
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];
/// The grant with which EBS uses the key later. Only calls about grants have `kms:GrantIsForAWSResource`.
const GRANT: &[&str] = &["kms:CreateGrant"];
/// The actions on the key of a snapshot that is read.
const READ: &[&str] = &["kms:Decrypt"];

/// The use of keys by an operation that writes encrypted snapshots.
pub(super) const fn writes(keys: fn(&Call<'_>) -> Vec<Resource>) -> Need {
    also(WRITE, keys)
}

/// The grants of such an operation.
pub(super) const fn grants(keys: fn(&Call<'_>) -> Vec<Resource>) -> Need {
    also(GRANT, keys)
}

/// The use of keys by an operation that reads encrypted snapshots.
pub(super) const fn reads(keys: fn(&Call<'_>) -> Vec<Resource>) -> Need {
    also(READ, keys)
}

/// The key with this id, ARN or alias; `None` for the key that AWS provides for EBS, which needs no permission.
pub(super) fn customer_key(call: &Call<'_>, name: &str) -> Option<Resource> {
    // The key that AWS provides has the same id in every region here.
    let own = default_ebs_key_arn(&call.region.name, call.account);
    if own.rsplit('/').next() == name.rsplit('/').next() || name.ends_with("alias/aws/ebs") {
        return None;
    }
    Some(key(call, name))
}

/// Adds the key of a call about grants that EBS makes.
pub(super) fn for_grant(keys: Vec<Resource>) -> Vec<Resource> {
    keys.into_iter().map(|key| key.with_key("kms:GrantIsForAWSResource", "true")).collect()
}

/// The account's default key for EBS, if it is not the one that AWS provides.
pub(super) fn default_key(call: &Call<'_>) -> Option<Resource> {
    let key = call.region.settings.find(call.account)?.default_key.clone()?;
    customer_key(call, &key)
}

/// The key with this id, ARN or alias, and its aliases.
pub(super) fn key(call: &Call<'_>, name: &str) -> Resource {
    let id = match name.rfind("alias/") {
        Some(at) => {
            let alias = call.region.aliases.find(&format!("{}/{}", call.account, &name[at..]));
            alias.map_or_else(|| "*".to_owned(), |alias| alias.key.clone())
        }
        None => name.rsplit_once("key/").map_or(name, |(_, id)| id).to_owned(),
    };
    let arn = match name.strip_prefix("arn:") {
        Some(_) if !name.contains("alias/") => name.to_owned(),
        _ => call.arn("kms", &format!("key/{id}")),
    };
    with_aliases(Resource::with_arn(arn), call.region, &id)
}

/// Adds the aliases of a key.
pub(super) fn with_aliases(resource: Resource, region: &Region, id: &str) -> Resource {
    let all = region.aliases.all();
    let aliases = all.iter().filter(|(_, alias)| alias.key == id).map(|(_, alias)| alias.name.clone());
    resource.with_keys("kms:ResourceAliases", aliases.collect())
}
