//! The calls of a signature by a key of KMS.

use serde_json::json;

use super::{CallList, CallPlan, Resources};

/// The calls of a signature in a region by a key: its id, its ARN, or an alias as `alias/…` or as an ARN.
pub fn signature(region: &str, key: &str) -> CallPlan {
    let alias = key.find("alias/").filter(|at| *at == 0 || key.starts_with("arn:")).map(|at| &key[at..]);
    let of = || Resources::Key(if alias.is_some() { "*".to_owned() } else { key.to_owned() });
    let mut calls = CallList::new();
    calls.in_region(region);
    calls.add("kms:GetPublicKey", of(), "its public half, which says what kind it is");
    calls.add("kms:Sign", of(), "the signature");
    let mut plan = calls.plan(Vec::new());
    if let Some(alias) = alias {
        // A policy identifies a key by its id, and the key of an alias by a condition.
        plan.policy["Statement"][0]["Condition"] =
            json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": [alias] } });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_arn_and_an_alias_by_a_condition() {
        let statement = |key: &str| signature("eu-west-1", key).policy["Statement"][0].clone();
        let own = "arn:aws:kms:eu-west-1:*:key/11111111-1111-4111-8111-111111111111";
        assert_eq!(statement("11111111-1111-4111-8111-111111111111")["Resource"], json!([own]));
        let arn = "arn:aws:kms:us-east-1:123456789012:key/1";
        assert_eq!(statement(arn)["Resource"], json!([arn]));
        for alias in ["alias/release", "arn:aws:kms:eu-west-1:123456789012:alias/release"] {
            let statement = statement(alias);
            assert_eq!(statement["Resource"], json!(["arn:aws:kms:eu-west-1:*:key/*"]));
            let condition = &statement["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"];
            assert_eq!(*condition, json!(["alias/release"]));
        }
    }
}
