//! The minimal IAM policy of a plan: its actions, on the resource types of their authorization, in the regions in which
//! they are called. Actions that delete are restricted to resources with the tag of this publish.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::calls::{PlannedCall, ResourceScope};
use super::volume::Volume;
use crate::request::{KeyChoice, Request, partition};
use crate::tags;

/// Actions on a KMS key that EBS performs for the caller who writes or copies an encrypted snapshot.
const KEY_ACTIONS: [&str; 5] =
    ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];

/// Builds the policy document.
pub(super) fn policy(request: &Request, volumes: &[Volume], calls: &[PlannedCall]) -> Value {
    let mut groups: BTreeMap<(ResourceScope, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    let mut regions: BTreeMap<(ResourceScope, &str), BTreeSet<&str>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.scope != ResourceScope::Keys) {
        let of_action = regions.entry((call.scope, call.action)).or_default();
        of_action.insert(&call.region);
        if call.scope == ResourceScope::CopiedImages {
            of_action.insert(&request.region);
        }
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
            ResourceScope::OwnTagged => statement["Condition"] = own_tag_condition(request, volumes),
            _ => {}
        }
        statements.push(statement);
    }
    statements.extend(keys(request));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn resources(scope: ResourceScope, regions: &BTreeSet<&str>) -> Vec<String> {
    let kinds: &[&str] = match scope {
        ResourceScope::Any | ResourceScope::Keys => return vec!["*".to_owned()],
        ResourceScope::Snapshots => &["snapshot"],
        ResourceScope::Images => &["image"],
        ResourceScope::ImagesAndSnapshots | ResourceScope::CopiedImages | ResourceScope::OwnTagged => {
            &["image", "snapshot"]
        }
    };
    let arn = |region: &&str, kind: &str| format!("arn:{}:ec2:{region}::{kind}/*", partition(region));
    regions.iter().flat_map(|region| kinds.iter().map(move |kind| arn(region, kind))).collect()
}

/// Restricts a statement to resources with the tag of this publish: the names of the images of its bundles, which are
/// the same for every version; or the name of the AMI, if a raw file is among them, whose snapshot has no other tag.
fn own_tag_condition(request: &Request, volumes: &[Volume]) -> Value {
    let images: Option<BTreeSet<&str>> = volumes.iter().map(|volume| volume.image.as_deref()).collect();
    let (key, values) = if let Some(images) = images {
        (tags::IMAGE, json!(images))
    } else {
        (tags::NAME, json!(request.image_tags().get(tags::NAME)))
    };
    json!({ "StringEquals": { format!("aws:ResourceTag/{key}"): values } })
}

/// Statements for the named keys. The AWS managed key for EBS needs no permission.
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
    // A policy identifies a key by its id, and the key of an alias by a condition.
    if !aliases.is_empty() {
        allow(json!("*"), Some(json!({ "kms:ResourceAliases": aliases })));
    }
    statements
}
