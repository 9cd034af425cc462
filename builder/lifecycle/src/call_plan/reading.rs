//! The calls of commands that read images and snapshots and change nothing.

use amiforge_publish::ami::ExpectedAmi;
use amiforge_publish::request::SnapshotSharing;

use super::{CallList, CallPlan, Resources};

/// What no dry run knows of a snapshot.
const ENCRYPTED: &str = "whether a snapshot is encrypted: then `kms:Decrypt` on its key is needed too";

/// The calls of `download`, `leaks`, `boot` and `rebuild`, and of `verify` of a snapshot: every block of a snapshot, or of
/// the root volume of an image.
pub fn blocks(region: &str, name: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    if name.starts_with("ami-") {
        calls.add("ec2:DescribeImages", Resources::Any, "the snapshot of its root volume");
    }
    calls.add_blocks(Some(name).filter(|name| name.starts_with("snap-")));
    calls.plan(vec![ENCRYPTED.to_owned()])
}

/// The calls of `verify` of images and of `receipts export`: the fields of each image and every block of its snapshots. Of each
/// image its region, its id and what it is compared with.
pub fn images<'a>(images: impl IntoIterator<Item = (&'a str, &'a str, &'a ExpectedAmi)>) -> CallPlan {
    let mut calls = CallList::new();
    for (region, image, expected) in images {
        calls.in_region(region);
        calls.add("ec2:DescribeImages", Resources::Any, "its fields, its tags and its snapshots");
        if has_attributes(expected) {
            let one = Resources::Images(Some(image.to_owned()));
            calls.add("ec2:DescribeImageAttribute", one, "who may launch it; its UEFI variables");
        }
        if shares_snapshots(expected) {
            let all = Resources::Snapshots(None);
            calls.add("ec2:DescribeSnapshotAttribute", all, "who may use its snapshots");
        }
        calls.add_blocks(None);
    }
    calls.plan(vec![ENCRYPTED.to_owned()])
}

/// Whether attributes are compared that only a call of their own shows.
fn has_attributes(expected: &ExpectedAmi) -> bool {
    match expected {
        ExpectedAmi::Requested(_) => true,
        ExpectedAmi::FromBundle(facts) => facts.uefi_data.is_some(),
        ExpectedAmi::Unknown => false,
    }
}

fn shares_snapshots(expected: &ExpectedAmi) -> bool {
    match expected {
        ExpectedAmi::Requested(publish) => publish.request.share.snapshots == SnapshotSharing::Shared,
        _ => false,
    }
}

/// How much `whois` reads of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhoisDepth {
    /// Its tags and watermarks.
    Tags,
    /// Blocks of its snapshots, too.
    Blocks,
}

/// The calls of `whois`.
pub fn whois(region: &str, depth: WhoisDepth) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    calls.add("ec2:DescribeImages", Resources::Any, "its tags, its watermarks and its snapshots");
    if depth == WhoisDepth::Tags {
        return calls.plan(Vec::new());
    }
    calls.add_blocks(None);
    let without = "without the calls for blocks, what is inside the image is left out, with a message";
    calls.plan(vec![without.to_owned(), ENCRYPTED.to_owned()])
}

/// The calls of `marketplace check` of an image.
pub fn image_fields(region: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    calls.add("ec2:DescribeImages", Resources::Any, "its fields");
    calls.plan(Vec::new())
}

impl CallList {
    /// Adds the calls that read the blocks of a snapshot; without an id, of those that an image turns out to have.
    fn add_blocks(&mut self, snapshot: Option<&str>) {
        let of = || Resources::Snapshots(snapshot.map(str::to_owned));
        self.add("ec2:DescribeSnapshots", Resources::Any, "the snapshot is complete; its tags");
        self.add("ebs:ListSnapshotBlocks", of(), "which blocks it holds");
        self.add("ebs:GetSnapshotBlock", of(), "these, 512 KiB each");
    }
}

#[cfg(test)]
mod tests {
    use amiforge_publish::request::ImageFacts;

    use super::*;

    fn actions(plan: &CallPlan) -> Vec<&str> {
        plan.calls.iter().map(|call| call.action).collect()
    }

    #[test]
    fn only_what_is_compared_is_asked_for() {
        let facts = |uefi_data: Option<&str>| {
            let uefi_data = uefi_data.map(str::to_owned);
            ExpectedAmi::FromBundle(ImageFacts { uefi_data, ..ImageFacts::default() })
        };
        let of = |expected: &ExpectedAmi| {
            let plan = images([("eu-west-1", "ami-1", expected)]);
            actions(&plan).contains(&"ec2:DescribeImageAttribute")
        };
        assert!(of(&facts(Some("x"))) && !of(&facts(None)) && !of(&ExpectedAmi::Unknown));
    }

    #[test]
    fn a_named_snapshot_is_the_only_one_that_may_be_read() {
        let named = blocks("eu-west-1", "snap-1").policy.to_string();
        assert!(named.contains("arn:aws:ec2:eu-west-1::snapshot/snap-1"), "{named}");
        assert!(!named.contains("DescribeImages"), "{named}");
        let of_image = blocks("eu-west-1", "ami-1");
        assert_eq!(actions(&of_image)[0], "ec2:DescribeImages");
        assert!(of_image.policy.to_string().contains("arn:aws:ec2:eu-west-1::snapshot/*"));
    }
}
