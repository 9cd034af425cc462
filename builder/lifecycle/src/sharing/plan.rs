//! The calls of `share`, `unshare` and `allowed-images`, for their dry runs.

use amiforge_publish::api::ec2::Grantee;

use super::targets::{ImageSelector, RegionScope};
use super::{ShareRequest, SnapshotShare, UnshareFrom};
use crate::call_plan::{CallList, CallPlan, Resources};

/// The regions that a dry run knows of.
fn regions<'a>(home: &'a str, scope: &'a RegionScope) -> Vec<&'a str> {
    let mut regions = vec![home];
    if let RegionScope::Listed(names) = scope {
        regions.extend(names.iter().map(String::as_str).filter(|name| *name != home));
    }
    regions
}

/// The image of a selector: copies in other regions have other ids.
fn image(selector: &ImageSelector, is_home: bool) -> Resources {
    match selector {
        ImageSelector::Id(id) if is_home => Resources::Images(Some(id.clone())),
        _ => Resources::Images(None),
    }
}

fn search(calls: &mut CallList, home: &str, scope: &RegionScope, notes: &mut Vec<String>) {
    calls.in_region(home);
    if *scope == RegionScope::All {
        calls.add("ec2:DescribeRegions", Resources::Any, "the regions of the account");
        notes.push(
            "which regions have a copy of the image: the policy is for the home region, and the other regions need the \
             same"
                .to_owned(),
        );
    }
    for region in regions(home, scope) {
        calls.in_region(region);
        calls.add("ec2:DescribeImages", Resources::Any, "the image and its copies");
    }
}

/// The calls of `share`.
pub fn share(home: &str, selector: &ImageSelector, scope: &RegionScope, request: &ShareRequest) -> CallPlan {
    let (mut calls, mut notes) = (CallList::new(), Vec::new());
    search(&mut calls, home, scope, &mut notes);
    for region in regions(home, scope) {
        calls.in_region(region);
        if request.is_public() {
            let purpose = "the account lets AMIs become public";
            calls.add("ec2:GetImageBlockPublicAccessState", Resources::Any, purpose);
        }
        if request.is_public() && request.snapshots == SnapshotShare::Public {
            let purpose = "the account lets snapshots become public";
            calls.add("ec2:GetSnapshotBlockPublicAccessState", Resources::Any, purpose);
        }
        calls.add("ec2:DescribeSnapshots", Resources::Any, "whether they are encrypted, and with which key");
        if !request.is_public() {
            let purpose = "only if they are encrypted: whether others can be allowed to use the key";
            calls.add("kms:DescribeKey", Resources::Any, purpose);
        }
        let image = image(selector, region == home);
        calls.add("ec2:DescribeImageAttribute", image.clone(), "who may launch it, before and after");
        calls.add("ec2:ModifyImageAttribute", image, "who may launch it");
        if snapshots_are_shared(request) {
            add_snapshots(&mut calls);
        }
    }
    notes.push("who may use them already: no permission is added twice".to_owned());
    calls.plan(notes)
}

fn snapshots_are_shared(request: &ShareRequest) -> bool {
    let account = |who: &Grantee| matches!(who, Grantee::Account(_));
    match request.snapshots {
        SnapshotShare::Kept => false,
        SnapshotShare::Accounts => request.with.iter().any(account),
        SnapshotShare::Public => request.is_public() || request.with.iter().any(account),
    }
}

fn add_snapshots(calls: &mut CallList) {
    let snapshots = Resources::Snapshots(None);
    calls.add(
        "ec2:DescribeSnapshotAttribute",
        snapshots.clone(),
        "who may use its snapshots, before and after",
    );
    calls.add("ec2:ModifySnapshotAttribute", snapshots, "who may use its snapshots");
}

/// The calls of `unshare` by the owner.
pub fn unshare(home: &str, selector: &ImageSelector, scope: &RegionScope, from: &UnshareFrom) -> CallPlan {
    let (mut calls, mut notes) = (CallList::new(), Vec::new());
    search(&mut calls, home, scope, &mut notes);
    for region in regions(home, scope) {
        calls.in_region(region);
        let image = image(selector, region == home);
        calls.add("ec2:DescribeImageAttribute", image.clone(), "who may launch it, before and after");
        calls.add("ec2:ModifyImageAttribute", image, "who may launch it");
        add_snapshots(&mut calls);
    }
    if *from == UnshareFrom::Everyone {
        notes.push("who may use them: all of these lose their permission".to_owned());
    }
    notes.push("machines that run already: they stay".to_owned());
    calls.plan(notes)
}

/// The calls of `unshare --me`.
pub fn cancel(home: &str, image: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(home);
    let image = Resources::Images(Some(image.to_owned()));
    calls.add("ec2:CancelImageLaunchPermission", image, "gives up the account's own permission");
    calls.add("ec2:DescribeImages", Resources::Any, "whether it can be seen all the same");
    calls.plan(vec!["whether it is public, or shared with an organisation of the account".to_owned()])
}

/// The calls of `allowed-images`.
pub fn allowed_images(home: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(home);
    calls.add("ec2:GetAllowedImagesSettings", Resources::Any, "the setting and its criteria");
    calls.add("ec2:DescribeImages", Resources::Any, "the image, as far as the account sees it");
    calls.plan(Vec::new())
}
