//! The minimal IAM policy of a plan: its actions, on the resource types of their authorization, in the regions in which
//! they are called. Actions that delete are restricted to resources with the tag of this publish.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::calls::{PlannedCall, ResourceScope};
use super::volume::{SourceName, SourceRead, Volume};
use crate::import::KEY_PREFIX;
use crate::request::{KeyChoice, Request, partition};
use crate::tags;

/// Actions on a KMS key that EBS performs for the caller who writes or copies an encrypted snapshot.
const KEY_ACTIONS: [&str; 5] =
    ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];

/// Builds the policy document.
///
/// With the bucket of an import, if there is one.
pub(super) fn policy(
    request: &Request,
    volumes: &[Volume],
    calls: &[PlannedCall],
    bucket: Option<&str>,
) -> Value {
    let mut groups: BTreeMap<(ResourceScope, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    let mut regions: BTreeMap<(ResourceScope, &str), BTreeSet<&str>> = BTreeMap::new();
    let elsewhere = [ResourceScope::Keys, ResourceScope::Parameters];
    for call in calls.iter().filter(|call| !elsewhere.contains(&call.scope)) {
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
            json!({ "Effect": "Allow", "Action": actions, "Resource": resources(scope, &regions, bucket) });
        match scope {
            ResourceScope::Any => {
                statement["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": regions } });
            }
            ResourceScope::OwnTagged => statement["Condition"] = own_tag_condition(request, volumes),
            _ => {}
        }
        statements.push(statement);
    }
    statements.extend(if bucket.is_some() { import_keys(request) } else { keys(request) });
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A policy that also allows to read the parameters that name sources.
pub(super) fn with_sources(mut policy: Value, sources: &[SourceRead]) -> Value {
    let arn = |source: &SourceRead| match &source.named_by {
        // A version or a label after a colon is no part of the resource.
        SourceName::Parameter(name) => {
            let name = name.split(':').next().unwrap_or_default().trim_start_matches('/');
            Some(format!("arn:{}:ssm:{}:*:parameter/{name}", partition(&source.region), source.region))
        }
        _ => None,
    };
    let arns: BTreeSet<_> = sources.iter().filter_map(arn).collect();
    if let (Value::Array(statements), false) = (&mut policy["Statement"], arns.is_empty()) {
        statements.push(json!({ "Effect": "Allow", "Action": ["ssm:GetParameter"], "Resource": arns }));
    }
    policy
}

fn resources(scope: ResourceScope, regions: &BTreeSet<&str>, bucket: Option<&str>) -> Vec<String> {
    let kinds: &[&str] = match scope {
        ResourceScope::Any | ResourceScope::Keys | ResourceScope::Parameters => return vec!["*".to_owned()],
        ResourceScope::Bucket => return objects(regions, bucket, ""),
        ResourceScope::Objects => return objects(regions, bucket, &format!("/{KEY_PREFIX}*")),
        ResourceScope::ImportTasks => return import_tasks(regions),
        ResourceScope::Snapshots => &["snapshot"],
        ResourceScope::Images => &["image"],
        ResourceScope::ImagesAndSnapshots | ResourceScope::CopiedImages | ResourceScope::OwnTagged => {
            &["image", "snapshot"]
        }
    };
    let arn = |region: &&str, kind: &str| format!("arn:{}:ec2:{region}::{kind}/*", partition(region));
    regions.iter().flat_map(|region| kinds.iter().map(move |kind| arn(region, kind))).collect()
}

/// The bucket of an import, or the objects that end so.
fn objects(regions: &BTreeSet<&str>, bucket: Option<&str>, end: &str) -> Vec<String> {
    // The name of a bucket names its region too: one ARN for the partition.
    let partitions: BTreeSet<_> = regions.iter().map(|region| partition(region)).collect();
    let arn = |partition| format!("arn:{partition}:s3:::{}{end}", bucket.unwrap_or("*"));
    partitions.into_iter().map(arn).collect()
}

/// Tasks of imports, whose ARNs have an account, and the snapshots that they make.
fn import_tasks(regions: &BTreeSet<&str>) -> Vec<String> {
    let arns = |region: &&str| {
        let partition = partition(region);
        [
            format!("arn:{partition}:ec2:{region}:*:import-snapshot-task/*"),
            format!("arn:{partition}:ec2:{region}::snapshot/*"),
        ]
    };
    regions.iter().flat_map(arns).collect()
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

/// Statements for the named keys of a publish that imports: the caller reads the snapshot back, and the service's role
/// writes it. Copies need what they always need.
fn import_keys(request: &Request) -> Vec<Value> {
    let (resource, condition, actions): (Value, _, &[&str]) = match &request.encryption {
        KeyChoice::Arn(arn) => (json!(arn), None, &["kms:Decrypt"]),
        KeyChoice::Alias(alias) => {
            (json!("*"), Some(json!({ "kms:ResourceAliases": [alias] })), &["kms:Decrypt", "kms:DescribeKey"])
        }
        KeyChoice::Account | KeyChoice::Default => return keys(request),
    };
    let mut own = json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    if let Some(condition) = condition {
        own["Condition"] = json!({ "ForAnyValue:StringEquals": condition });
    }
    let of_copies = Request { encryption: KeyChoice::Account, ..request.clone() };
    std::iter::once(own).chain(keys(&of_copies)).collect()
}

/// Statements for the named keys of a publish.
fn keys(request: &Request) -> Vec<Value> {
    let named =
        std::iter::once(&request.encryption).chain(request.copies.iter().map(|copy| &copy.encryption));
    key_statements(&named.collect::<Vec<_>>())
}

/// Statements that let a caller write and copy snapshots that are encrypted with these keys. The AWS managed key for EBS needs
/// no permission.
pub fn key_statements(named: &[&KeyChoice]) -> Vec<Value> {
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
