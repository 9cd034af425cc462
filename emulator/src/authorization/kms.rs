//! KMS. An action on an alias is needed on the alias and on its key: AWS Key Management Service Developer
//! Guide, "Controlling access to aliases".

use super::call::Call;
use super::key_use;
use super::resource::Resource;
use super::rule::{Rule, own, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("CreateAlias", &[own(alias_and_key)]),
    // Those without needs ask the policy of the key, too, and what a machine attests: the operation decides.
    rule("Decrypt", &[]),
    rule("DeleteAlias", &[own(alias_and_key)]),
    rule("DescribeKey", &[own(key)]),
    rule("DisableKey", &[own(key)]),
    rule("EnableKey", &[own(key)]),
    rule("Encrypt", &[]),
    rule("GenerateDataKey", &[]),
    rule("GetKeyPolicy", &[]),
    rule("GetPublicKey", &[]),
    rule("PutKeyPolicy", &[]),
    rule("Sign", &[]),
    rule("UpdateAlias", &[own(alias_and_key)]),
];

fn key(call: &Call<'_>) -> Vec<Resource> {
    call.member("KeyId").map(|name| key_use::key(call, name)).into_iter().collect()
}

fn alias_and_key(call: &Call<'_>) -> Vec<Resource> {
    let Some(alias) = call.member("AliasName") else { return Vec::new() };
    let key = key_use::key(call, call.member("TargetKeyId").unwrap_or(alias));
    vec![Resource::with_arn(call.arn("kms", alias)), key]
}
