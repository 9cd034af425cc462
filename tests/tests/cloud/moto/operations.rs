//! The operations that the program calls, and those of them that moto lacks.

use std::collections::BTreeSet;
use std::path::Path;

use amiforge_aws::query::Description;
use amiforge_aws::{AUTO_SCALING_CALLS, EC2_CALLS, KMS_CALLS, SSM_CALLS, STS_CALLS};
use amiforge_tests::python;
use serde_json::{Value, json};

/// An operation: moto's name of its service, and its own.
pub(super) type Operation = (&'static str, &'static str);

/// Calls of the EBS direct APIs, which go through the client of AWS. Those of S3 are in `import::moto`.
const EBS: [&str; 6] = [
    "CompleteSnapshot",
    "GetSnapshotBlock",
    "ListChangedBlocks",
    "ListSnapshotBlocks",
    "PutSnapshotBlock",
    "StartSnapshot",
];

/// What moto 5.2.5 does not have.
#[rustfmt::skip]
const LACKING: [(&str, &[&str]); 2] = [
    ("autoscaling", &[
        "CancelInstanceRefresh", "DescribeInstanceRefreshes", "RollbackInstanceRefresh", "StartInstanceRefresh",
    ]),
    ("ec2", &[
        "AttachImageWatermark", "CancelImageLaunchPermission", "CancelImportTask", "CreateImageUsageReport",
        "CreateRestoreImageTask", "CreateStoreImageTask", "DeleteImageUsageReport", "DescribeFastSnapshotRestores",
        "DescribeImageReferences", "DescribeImageUsageReportEntries", "DescribeImageUsageReports",
        "DescribeImportSnapshotTasks", "DescribeLockedSnapshots", "DescribeStoreImageTasks",
        "DisableFastSnapshotRestores", "DisableImageDeprecation", "DisableImageDeregistrationProtection",
        "EnableFastSnapshotRestores", "EnableImageDeprecation", "EnableImageDeregistrationProtection",
        "GetAllowedImagesSettings", "GetEbsDefaultKmsKeyId", "GetImageBlockPublicAccessState",
        "GetSnapshotBlockPublicAccessState", "ImportSnapshot", "ListImagesInRecycleBin", "ListSnapshotsInRecycleBin",
        "LockSnapshot", "RestoreImageFromRecycleBin", "RestoreSnapshotFromRecycleBin", "UnlockSnapshot",
    ]),
];

/// Every operation that the program calls.
pub(super) fn called() -> BTreeSet<Operation> {
    let tables: [(&'static str, &'static [Description]); 5] = [
        ("autoscaling", AUTO_SCALING_CALLS),
        ("ec2", EC2_CALLS),
        ("kms", KMS_CALLS),
        ("ssm", SSM_CALLS),
        ("sts", STS_CALLS),
    ];
    let of = |(service, calls): (&'static str, &'static [Description])| {
        calls.iter().map(move |call| (service, call.name))
    };
    tables.into_iter().flat_map(of).chain(EBS.map(|name| ("ebs", name))).collect()
}

/// Those that moto lacks, by the list.
pub(super) fn lacking() -> BTreeSet<Operation> {
    LACKING.into_iter().flat_map(|(service, names)| names.iter().map(move |name| (service, *name))).collect()
}

/// Those that moto lacks, by its own classes.
pub(super) fn missing(python: &Path) -> BTreeSet<Operation> {
    let called = called();
    let mut asked = serde_json::Map::new();
    for (service, name) in &called {
        let names = asked.entry(*service).or_insert_with(|| json!([]));
        names.as_array_mut().unwrap().push(json!(name));
    }
    let answer = python::must(python, "moto/operations.py", &[&Value::from(asked).to_string()]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let is_missing = |(service, name): &Operation| {
        answer[*service].as_array().unwrap().iter().any(|missing| missing == *name)
    };
    called.into_iter().filter(is_missing).collect()
}
