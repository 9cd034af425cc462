//! The role with which the service reads the object: its trust policy and its permissions.
//!
//! VM Import/Export User Guide, "Required permissions for VM Import/Export", required service role.

use serde_json::{Value, json};

use crate::request::{KeyChoice, Request, partition};

/// The role that the service uses if a request names none.
pub const DEFAULT: &str = "vmimport";

/// The trust policy: the service may assume the role, with the external id that it uses.
pub fn trust_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "vmie.amazonaws.com" },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:Externalid": "vmimport" } },
        }],
    })
}

/// The permissions: to read the object, to make the snapshot, and to use a key that the request names.
pub fn permissions(request: &Request, bucket: &str) -> Value {
    let bucket = format!("arn:{}:s3:::{bucket}", partition(&request.region));
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
            "Resource": [bucket, format!("{bucket}/*")],
        }),
        json!({
            "Effect": "Allow",
            "Action": ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:RegisterImage", "ec2:Describe*"],
            "Resource": "*",
        }),
    ];
    let key = match &request.encryption {
        KeyChoice::Arn(arn) => Some(arn.as_str()),
        // The key of an alias is not known without a call.
        KeyChoice::Alias(_) => Some("*"),
        KeyChoice::Account | KeyChoice::Default => None,
    };
    statements.extend(key.map(|key| {
        json!({
            "Effect": "Allow",
            "Action": [
                "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            "Resource": key,
        })
    }));
    json!({ "Version": "2012-10-17", "Statement": statements })
}
