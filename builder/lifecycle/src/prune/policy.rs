//! The calls of the commands of clean-up, and the least IAM policy for them.

use std::collections::BTreeSet;

use amiforge_publish::request::partition;
use amiforge_publish::tags;
use serde::Serialize;
use serde_json::Value;

use crate::call_plan::{self, PlannedCall};

/// A command of inventory or clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanUp {
    /// Lists images; with `sizes` compares each version with the one before.
    Images {
        /// Whether blocks are compared.
        sizes: bool,
    },
    /// Plans and performs the clean-up of images.
    Prune {
        /// Whether it is asked which other accounts use an image.
        other_accounts: bool,
    },
    /// Finds orphans.
    Orphans {
        /// Whether they are deleted.
        delete: bool,
    },
    /// Takes a clean-up back.
    Undo(UndoScope),
}

/// What is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoScope {
    /// Nothing: what could be is listed.
    List,
    /// The deletion of a snapshot.
    Snapshot,
    /// What was done to an image.
    Image,
}

/// The regions of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanUpRegions {
    /// Their names; `*` alone for all of the account, which only the service knows.
    pub names: Vec<String>,
    /// The region that is asked for the names of all, if it is.
    pub asked: Option<String>,
}

/// A call of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedAction {
    /// IAM action, such as `ec2:DisableImage`.
    pub action: &'static str,
    /// Purpose of the calls.
    pub purpose: &'static str,
    #[serde(skip)]
    scope: Scope,
}

/// Resources in the authorization of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// The action supports no resource types.
    Any,
    /// Images, and nothing that could tell which of them are ours.
    Images,
    /// Snapshots that are read by the EBS direct APIs.
    Snapshots,
    /// Images and snapshots with a tag of this program.
    OwnTagged,
    /// Usage reports, and the images that they are about.
    Reports,
    /// Usage reports.
    NewReports,
    /// Parameters.
    Parameters,
}

const fn action(action: &'static str, scope: Scope, purpose: &'static str) -> PlannedAction {
    PlannedAction { action, purpose, scope }
}

/// What the look-up of uses takes. `DescribeImageReferences` reads on behalf of the caller, who needs the permissions
/// for that (EC2 User Guide, *How AMI reference checks work*; not tried on AWS).
const LOOK_UP: [PlannedAction; 14] = [
    action("ec2:DescribeImages", Scope::Any, "the images, their states and tags"),
    action("ec2:DescribeSnapshots", Scope::Any, "their snapshots"),
    action("ec2:DescribeImageAttribute", Scope::Images, "the last launch; who may launch it"),
    action("ec2:DescribeImageReferences", Scope::Any, "what names an image"),
    action("ec2:DescribeInstances", Scope::Any, "within DescribeImageReferences"),
    action("ec2:DescribeLaunchTemplates", Scope::Any, "within DescribeImageReferences"),
    action("ec2:DescribeLaunchTemplateVersions", Scope::Any, "within DescribeImageReferences"),
    action("ssm:DescribeParameters", Scope::Any, "within DescribeImageReferences"),
    action("ssm:GetParameters", Scope::Parameters, "within DescribeImageReferences"),
    action("imagebuilder:ListImageRecipes", Scope::Any, "within DescribeImageReferences"),
    action("imagebuilder:ListContainerRecipes", Scope::Any, "within DescribeImageReferences"),
    action("ssm:GetParametersByPath", Scope::Parameters, "the channels"),
    action("ssm:GetParameterHistory", Scope::Parameters, "what the channels held before"),
    action("autoscaling:DescribeAutoScalingGroups", Scope::Any, "overrides that name an image"),
];

const LAUNCH_CONFIGURATIONS: PlannedAction = action(
    "autoscaling:DescribeLaunchConfigurations",
    Scope::Any,
    "launch configurations that name an image",
);

const OTHER_ACCOUNTS: [PlannedAction; 5] = [
    action("ec2:DescribeImageUsageReports", Scope::Any, "reports on other accounts"),
    action("ec2:DescribeImageUsageReportEntries", Scope::Any, "which other accounts use an image"),
    action("ec2:CreateImageUsageReport", Scope::Reports, "a report on other accounts"),
    action("ec2:DeleteImageUsageReport", Scope::Reports, "the report of an image that is gone"),
    action("ec2:CreateTags", Scope::NewReports, "the reports of this program, by their tag"),
];

const PRUNE: [PlannedAction; 9] = [
    action("ec2:CreateTags", Scope::OwnTagged, "times of the steps; snapshots of an image that goes"),
    action("ec2:DeleteTags", Scope::OwnTagged, "the same, when a step is taken back"),
    action("ec2:EnableImageDeprecation", Scope::OwnTagged, "the first step"),
    action("ec2:DisableImage", Scope::OwnTagged, "the second step"),
    action("ec2:EnableImage", Scope::OwnTagged, "the second step taken back"),
    action("ec2:ModifyImageAttribute", Scope::OwnTagged, "launch permissions of the step taken back"),
    action("ec2:DeregisterImage", Scope::OwnTagged, "the last step"),
    action("ec2:DeleteSnapshot", Scope::OwnTagged, "its snapshots"),
    action("ec2:ListSnapshotsInRecycleBin", Scope::Any, "the last step taken back"),
];

const REGIONS: PlannedAction =
    action("ec2:DescribeRegions", Scope::Any, "with --regions all: the regions of the account");

const ORPHANS: [PlannedAction; 4] = [
    action("ec2:DescribeSnapshots", Scope::Any, "snapshots of this program"),
    action("ec2:DescribeImages", Scope::Any, "the snapshots that images use"),
    action("ec2:DescribeLockedSnapshots", Scope::Any, "locks"),
    action("ec2:DescribeStoreImageTasks", Scope::Any, "images that are being stored"),
];

const UNDOABLE: [PlannedAction; 3] = [
    action("ec2:DescribeImages", Scope::Any, "images that are disabled or deprecated"),
    action("ec2:ListImagesInRecycleBin", Scope::Any, "what can be restored"),
    action("ec2:ListSnapshotsInRecycleBin", Scope::Any, "what can be restored"),
];

const UNDO_SNAPSHOT: [PlannedAction; 2] = [
    action("ec2:RestoreSnapshotFromRecycleBin", Scope::OwnTagged, "the snapshot"),
    action("ec2:DescribeSnapshots", Scope::Any, "whether it is there, if it is not in the recycle bin"),
];

const UNDO: [PlannedAction; 12] = [
    action("ec2:DescribeImages", Scope::Any, "whether the image exists; its state"),
    action("ec2:DescribeSnapshots", Scope::Any, "its snapshots"),
    action("ec2:DescribeTags", Scope::Any, "its snapshots in the recycle bin"),
    action("ec2:ListImagesInRecycleBin", Scope::Any, "what can be restored"),
    action("ec2:ListSnapshotsInRecycleBin", Scope::Any, "what can be restored"),
    action("ec2:RestoreSnapshotFromRecycleBin", Scope::OwnTagged, "the snapshots"),
    action("ec2:RestoreImageFromRecycleBin", Scope::OwnTagged, "the image"),
    action("ec2:EnableImage", Scope::OwnTagged, "a disabled image"),
    action("ec2:ModifyImageAttribute", Scope::OwnTagged, "launch permissions that it had"),
    action("ec2:DisableImageDeprecation", Scope::OwnTagged, "a deprecation of the clean-up"),
    action("ec2:EnableImageDeprecation", Scope::OwnTagged, "the deprecation before that"),
    action("ec2:DeleteTags", Scope::OwnTagged, "the marks of the clean-up"),
];

/// The calls of a command in its regions.
pub fn actions(command: CleanUp, regions: &CleanUpRegions) -> Vec<PlannedAction> {
    let uses = || LOOK_UP.into_iter().chain([LAUNCH_CONFIGURATIONS]);
    let mut actions: Vec<PlannedAction> = match command {
        CleanUp::Images { sizes } => {
            let blocks = action("ebs:ListChangedBlocks", Scope::Snapshots, "the blocks that versions share");
            uses().chain(sizes.then_some(blocks)).collect()
        }
        CleanUp::Prune { other_accounts } => {
            let asked = other_accounts.then_some(OTHER_ACCOUNTS).into_iter().flatten();
            uses().chain(asked).chain(PRUNE).chain(UNDO).collect()
        }
        CleanUp::Orphans { delete } => {
            let delete = delete.then_some(action("ec2:DeleteSnapshot", Scope::OwnTagged, "with --yes"));
            ORPHANS.into_iter().chain(delete).collect()
        }
        CleanUp::Undo(UndoScope::List) => UNDOABLE.to_vec(),
        CleanUp::Undo(UndoScope::Snapshot) => UNDO_SNAPSHOT.to_vec(),
        CleanUp::Undo(UndoScope::Image) => UNDO.to_vec(),
    };
    actions.extend(regions.asked.is_some().then_some(REGIONS));
    let mut seen = BTreeSet::new();
    actions.retain(|one| seen.insert((one.action, one.scope)));
    actions
}

/// The least IAM policy for the calls of a command in its regions.
pub fn policy(command: CleanUp, regions: &CleanUpRegions, channels_below: &str) -> Value {
    let one = |action: &PlannedAction, region: &String| PlannedCall {
        action: action.action,
        region: region.clone(),
        count: None,
        purpose: action.purpose,
        resources: action.scope.arns(region, channels_below),
        // Only images of this program and their snapshots.
        tag: (action.scope == Scope::OwnTagged).then_some(tags::IMAGE),
    };
    let mut calls = Vec::new();
    for action in actions(command, regions) {
        // Only one region is asked for the names of all.
        let names = if action == REGIONS { regions.asked.as_slice() } else { regions.names.as_slice() };
        calls.extend(names.iter().map(|region| one(&action, region)));
    }
    call_plan::policy(&calls)
}

impl Scope {
    /// The ARNs in a region; none for an action without resource types.
    fn arns(self, region: &str, channels_below: &str) -> Vec<String> {
        let partition = partition(region);
        let arn = |service: &str, owner: &str, resource: &str| {
            format!("arn:{partition}:{service}:{region}:{owner}:{resource}")
        };
        match self {
            Self::Any => Vec::new(),
            Self::Images => vec![arn("ec2", "", "image/*")],
            Self::Snapshots => vec![arn("ec2", "", "snapshot/*")],
            Self::OwnTagged => vec![arn("ec2", "", "image/*"), arn("ec2", "", "snapshot/*")],
            Self::Reports => vec![arn("ec2", "", "image/*"), arn("ec2", "*", "image-usage-report/*")],
            Self::NewReports => vec![arn("ec2", "*", "image-usage-report/*")],
            Self::Parameters => {
                vec![arn("ssm", "*", &format!("parameter{}*", channels_below.trim_end_matches('/')))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_destroys_is_allowed_for_own_resources_only_and_no_action_is_named_twice() {
        let regions = CleanUpRegions { names: vec!["eu-west-1".to_owned()], asked: None };
        let policy = policy(CleanUp::Prune { other_accounts: true }, &regions, "/amiforge/");
        let statements = policy["Statement"].as_array().unwrap();
        let mut all = BTreeSet::new();
        for statement in statements {
            for action in statement["Action"].as_array().unwrap() {
                let entry = (action.as_str().unwrap(), statement["Resource"].to_string());
                assert!(all.insert(entry), "{action} twice");
            }
        }
        for action in ["ec2:DeregisterImage", "ec2:DeleteSnapshot", "ec2:DisableImage"] {
            let of = |one: &&Value| one["Action"].as_array().unwrap().iter().any(|one| one == action);
            let statement = statements.iter().find(of).unwrap();
            assert_eq!(statement["Condition"]["Null"]["aws:ResourceTag/amiforge:image"], "false");
        }
    }

    #[test]
    fn every_region_is_allowed_where_their_names_are_not_known() {
        let regions = CleanUpRegions { names: vec!["*".to_owned()], asked: Some("eu-west-1".to_owned()) };
        let policy = policy(CleanUp::Images { sizes: true }, &regions, "/amiforge/");
        let of = |action: &str| {
            let mut statements = policy["Statement"].as_array().unwrap().iter();
            let has = |one: &&Value| one["Action"].as_array().unwrap().iter().any(|one| one == action);
            statements.find(has).unwrap().clone()
        };
        assert_eq!(of("ec2:DescribeImages")["Condition"], Value::Null);
        let asked = &of("ec2:DescribeRegions")["Condition"]["StringEquals"]["aws:RequestedRegion"];
        assert_eq!(*asked, serde_json::json!(["eu-west-1"]));
        let blocks = of("ebs:ListChangedBlocks")["Resource"].clone();
        assert_eq!(blocks, serde_json::json!(["arn:aws:ec2:*::snapshot/*"]));
    }
}
