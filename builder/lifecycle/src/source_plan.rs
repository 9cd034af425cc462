//! What it takes to read the disks of snapshots as sources of an image, for the dry runs of `lock`, `fetch`, `import` and
//! `outdated`: which snapshot is meant, its blocks, and the copy of a public one. Makes no call.

use amiforge_publish::request::partition;
use amiforge_publish::source_copy::CopyConsent;
use amiforge_publish::tags::SOURCE_COPY_LEDGER;

use crate::call_plan::{CallPlan, PlannedCall, policy};

/// A disk to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRead {
    /// Its region.
    pub region: String,
    /// What names it.
    pub naming: ReadNaming,
    /// How much of it is read.
    pub depth: ReadDepth,
}

/// How much of a disk is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadDepth {
    /// Which snapshot it is.
    Identity,
    /// Its blocks, too.
    Blocks,
}

/// What names a disk to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadNaming {
    /// A snapshot.
    Snapshot(String),
    /// An AMI by its id, or the newest by its owner and its name.
    Image,
    /// The SSM parameter that holds the id of an AMI.
    Parameter(String),
}

/// The calls that read disks. With the consent to copies also those of a copy, which is made if the snapshot is public.
pub fn plan(reads: &[PlannedRead], consent: CopyConsent) -> CallPlan {
    let mut calls = Vec::new();
    for read in reads {
        let mut list = ReadCalls { region: &read.region, calls: &mut calls };
        list.identify(&read.naming);
        if read.depth == ReadDepth::Identity {
            continue;
        }
        match (&read.naming, consent) {
            // The copy has an id that only the service knows.
            (ReadNaming::Snapshot(id), CopyConsent::Missing) => list.blocks(id),
            _ => list.blocks("*"),
        }
        if consent == CopyConsent::Given {
            list.copy();
        }
    }
    let any = reads.iter().any(|read| read.depth == ReadDepth::Blocks);
    let notes = if any { notes(consent) } else { Vec::new() };
    CallPlan { policy: policy(&calls), calls, notes }
}

struct ReadCalls<'a> {
    region: &'a str,
    calls: &'a mut Vec<PlannedCall>,
}

impl ReadCalls<'_> {
    fn add(&mut self, action: &'static str, resources: Vec<String>, purpose: &'static str) {
        let region = self.region.to_owned();
        self.calls.push(PlannedCall { action, region, count: None, purpose, resources, tag: None });
    }

    /// Which snapshot is meant.
    fn identify(&mut self, naming: &ReadNaming) {
        if let ReadNaming::Parameter(name) = naming {
            let arn = self.parameter(name);
            self.add("ssm:GetParameter", vec![arn], "the AMI whose id it holds");
        }
        if !matches!(naming, ReadNaming::Snapshot(_)) {
            self.add("ec2:DescribeImages", Vec::new(), "the AMI, and the snapshot of its root volume");
        }
        self.add("ec2:DescribeSnapshots", Vec::new(), "the snapshot is there and can be read");
    }

    fn blocks(&mut self, id: &str) {
        let snapshot = self.snapshots(id);
        self.add("ebs:ListSnapshotBlocks", vec![snapshot.clone()], "its blocks");
        self.add("ebs:GetSnapshotBlock", vec![snapshot], "these, 512 KiB each");
    }

    fn copy(&mut self) {
        let all = self.snapshots("*");
        self.add("ec2:CopySnapshot", vec![all.clone()], "only of a public snapshot: a copy in this account");
        self.add("ec2:CreateTags", vec![all.clone()], "the tags that the copy has from its beginning");
        self.add("ec2:DeleteSnapshot", vec![all], "the copy, once it was read");
        if let Some(call) = self.calls.last_mut() {
            call.tag = Some(SOURCE_COPY_LEDGER);
        }
    }

    fn snapshots(&self, id: &str) -> String {
        format!("arn:{}:ec2:{}::snapshot/{id}", partition(self.region), self.region)
    }

    /// The ARN of a parameter. A public one has no account: Systems Manager User Guide, "Calling public parameters".
    fn parameter(&self, name: &str) -> String {
        let name = name.split(':').next().unwrap_or(name);
        let account = if name.starts_with("/aws/") { "" } else { "*" };
        let name = name.trim_start_matches('/');
        format!("arn:{}:ssm:{}:{account}:parameter/{name}", partition(self.region), self.region)
    }
}

fn notes(consent: CopyConsent) -> Vec<String> {
    let mut notes = vec![
        "whether the disk is in the store already: then no block is read".to_owned(),
        "whether a snapshot is encrypted: then `kms:Decrypt` on its key is needed too".to_owned(),
    ];
    notes.push(match consent {
        CopyConsent::Missing => {
            "whether a snapshot is public: then it is not read, and `--copy` has it copied first".to_owned()
        }
        CopyConsent::Given => "the size of a copy: what it stores costs about 0.05 US dollars per GB and month (us-east-1, \
                               2026-11) while it is read. If the account encrypts by default with a key of its own, the policy \
                               needs the `kms:` actions of that key too"
            .to_owned(),
    });
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(naming: ReadNaming) -> PlannedRead {
        PlannedRead { region: "eu-west-1".to_owned(), naming, depth: ReadDepth::Blocks }
    }

    #[test]
    fn a_snapshot_that_is_named_is_the_only_one_that_may_be_read() {
        let snapshot = || read(ReadNaming::Snapshot("snap-0a".to_owned()));
        let text = plan(&[snapshot()], CopyConsent::Missing).policy.to_string();
        assert!(
            text.contains("arn:aws:ec2:eu-west-1::snapshot/snap-0a") && !text.contains("CopySnapshot"),
            "{text}"
        );
        let text = plan(&[snapshot()], CopyConsent::Given).policy.to_string();
        assert!(text.contains("ec2:CopySnapshot") && text.contains("aws:ResourceTag/amiforge:"), "{text}");
    }

    #[test]
    fn parameters_are_named_by_their_arns() {
        let of = |name: &str| {
            plan(&[read(ReadNaming::Parameter(name.to_owned()))], CopyConsent::Missing).policy.to_string()
        };
        for (name, arn) in [
            ("/aws/service/x/y:3", "arn:aws:ssm:eu-west-1::parameter/aws/service/x/y"),
            ("/web/stable", "arn:aws:ssm:eu-west-1:*:parameter/web/stable"),
            ("plain", "arn:aws:ssm:eu-west-1:*:parameter/plain"),
        ] {
            assert!(of(name).contains(&format!("\"{arn}\"")), "{}", of(name));
        }
    }

    #[test]
    fn nothing_to_read_needs_no_permission() {
        let nothing = plan(&[], CopyConsent::Given);
        assert_eq!(nothing.policy["Statement"].as_array().map(Vec::len), Some(0));
        assert!(nothing.notes.is_empty());
        let identity = PlannedRead { depth: ReadDepth::Identity, ..read(ReadNaming::Image) };
        let asked = plan(&[identity], CopyConsent::Given);
        let actions: Vec<_> = asked.calls.iter().map(|call| call.action).collect();
        assert_eq!(actions, ["ec2:DescribeImages", "ec2:DescribeSnapshots"]);
    }
}
