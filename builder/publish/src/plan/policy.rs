//! The IAM policy that a plan needs and no more: its actions, on the kinds of resources that IAM judges them by, in
//! the regions where they are called. What deletes is bound to resources that carry our tag.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::calls::{PlannedCall, ResourceScope};
use crate::request::{KeyChoice, Request, partition};
use crate::tags;

/// What EBS does with a key on behalf of who writes or copies an encrypted snapshot.
const KEY_ACTIONS: [&str; 6] = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncrypt*",
];

/// The policy.
pub(super) fn policy(request: &Request, calls: &[PlannedCall]) -> Value {
    let mut groups: BTreeMap<(ResourceScope, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    let mut regions: BTreeMap<(ResourceScope, &str), BTreeSet<&str>> = BTreeMap::new();
    for call in calls {
        regions.entry((call.scope, call.action)).or_default().insert(&call.region);
    }
    for ((scope, action), regions) in regions {
        groups.entry((scope, regions)).or_default().insert(action);
    }
    let mut statements: Vec<Value> = Vec::new();
    for ((scope, regions), actions) in groups {
        let mut statement =
            json!({ "Effect": "Allow", "Action": actions, "Resource": resources(scope, &regions) });
        match scope {
            ResourceScope::Any => {
                statement["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": regions } });
            }
            ResourceScope::OwnTagged => statement["Condition"] = own_tag_condition(request),
            _ => {}
        }
        statements.push(statement);
    }
    statements.extend(keys(request));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn resources(scope: ResourceScope, regions: &BTreeSet<&str>) -> Vec<String> {
    let kinds: &[&str] = match scope {
        ResourceScope::Any => return vec!["*".to_owned()],
        ResourceScope::Snapshots => &["snapshot"],
        ResourceScope::Images => &["image"],
        ResourceScope::ImagesAndSnapshots | ResourceScope::OwnTagged => &["image", "snapshot"],
    };
    let arn = |region: &&str, kind: &str| format!("arn:{}:ec2:{region}::{kind}/*", partition(region));
    regions.iter().flat_map(|region| kinds.iter().map(move |kind| arn(region, kind))).collect()
}

/// Only what carries the tag that we set.
fn own_tag_condition(request: &Request) -> Value {
    let all = request.image_tags();
    let key = if all.contains_key(tags::IMAGE) { tags::IMAGE } else { tags::NAME };
    let tag = format!("aws:ResourceTag/{key}");
    json!({ "StringEquals": { tag: all.get(key) } })
}

/// The keys that are named. AWS's own key for EBS asks for no permission.
fn keys(request: &Request) -> Vec<Value> {
    let named =
        std::iter::once(&request.encryption).chain(request.copies.iter().map(|copy| &copy.encryption));
    let named: Vec<&KeyChoice> = named.collect();
    let keys: BTreeSet<&str> = named.iter().filter_map(|key| key.arn()).collect();
    let aliases: BTreeSet<&str> = named.iter().filter_map(|key| key.alias()).collect();
    let mut statements = Vec::new();
    let mut allow = |resource: Value, condition: Option<Value>| {
        let mut with_key = json!({ "Effect": "Allow", "Action": KEY_ACTIONS, "Resource": resource });
        let mut grant = json!({
            "Effect": "Allow",
            "Action": ["kms:CreateGrant"],
            "Resource": resource,
            "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } },
        });
        if let Some(condition) = condition {
            grant["Condition"]["ForAnyValue:StringEquals"] = condition.clone();
            with_key["Condition"] = json!({ "ForAnyValue:StringEquals": condition });
        }
        statements.extend([with_key, grant]);
    };
    if !keys.is_empty() {
        allow(json!(keys), None);
    }
    // A policy names keys by their ids; those of an alias by a condition.
    if !aliases.is_empty() {
        allow(json!("*"), Some(json!({ "kms:ResourceAliases": aliases })));
    }
    statements
}
