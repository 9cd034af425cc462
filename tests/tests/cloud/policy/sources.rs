//! The policies of the commands that read the disk of a snapshot as a source: which AMI is meant, its blocks, and the copy of
//! what is public.

use std::fs;

use amiforge_tests::archive::noise;
use amiforge_tests::policy::{ACCOUNT, PreparedCase, Run, Stage};
use serde_json::Value;

/// Another account, whose AMI is public.
const OTHER: &str = "137112412989";
/// The AMI of the other account, by its owner and its name.
const NEWEST: [&str; 4] = ["--owner", OTHER, "--ami-name", "web *"];

/// A region with an AMI of the other account, whose snapshot is public, and one of the account itself, which a channel holds.
struct Sources {
    stage: Stage,
    /// The public AMI, and its snapshot.
    public: [String; 2],
    /// The AMI of the account, and its snapshot.
    own: [String; 2],
}

impl Sources {
    fn new() -> Self {
        let mut stage = Stage::new();
        fs::create_dir_all(stage.path("tree/etc")).expect("a folder");
        fs::create_dir_all(stage.path("tree/usr")).expect("a folder");
        stage.file("tree/usr/tool", &noise(1 << 20, 1));
        stage.file(
            "web.toml",
            b"[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1900000000\n\n[disk]\nsize = \"16 MiB\"\n\n\
              [[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n",
        );
        stage.must(&["build", "web.toml", "-o", "web"]);
        stage.set_account(OTHER);
        let public = published(&stage, "--name=web 1");
        stage.must(&["share", &public[0], "--with=all", "--public-snapshots", "--yes"]);
        stage.set_account(ACCOUNT);
        let own = published(&stage, "--name=mine 1");
        stage.must(&["promote", &own[0], "--channel=stable", "--name=web", "--state=ledgers"]);
        Self { stage, public, own }
    }

    /// Checks the policy of a command that is run once under it.
    fn check(&self, command: &[&str]) {
        self.check_optional(command, &[]);
    }

    fn check_optional(&self, command: &[&str], optional: &[&str]) {
        let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, command))];
        PreparedCase { stage: &self.stage, command, story: &story, optional, unshown: &[] }.check();
    }
}

/// Publishes the bundle; gives the AMI and its snapshot.
fn published(stage: &Stage, name: &str) -> [String; 2] {
    let shown = stage.must(&["--json", "publish", "web", name, "--boot-mode=uefi", "--max-rate=0"]);
    let _ = fs::remove_dir_all(stage.path("web.publish"));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    ["imageId", "snapshotId"].map(|id| shown[id].as_str().expect("an id").to_owned())
}

#[test]
pub(super) fn the_policies_of_import_are_the_least() {
    let sources = Sources::new();
    let to = ["-o", "site", "--store=store"];
    let copied = [&to[..], &["--copy"]].concat();
    sources.check(&[&["import", sources.public[0].as_str()], &copied[..]].concat());
    sources.check(&[&["import"], &NEWEST[..], &copied].concat());
    sources.check(&[&["import", sources.own[1].as_str()], &to[..]].concat());
    sources.check(&[&["import", "ssm:/amiforge/web/stable"], &to[..]].concat());
}

#[test]
pub(super) fn the_policies_of_lock_fetch_and_outdated_are_the_least() {
    let sources = Sources::new();
    let stage = &sources.stage;
    stage.must(&[&["import"], &NEWEST[..], &["-o", "site", "--store=store", "--copy"]].concat());
    stage.must(&["import", "ssm:/amiforge/web/stable", "-o", "own", "--store=store"]);
    // Nothing is pinned yet, or another machine has what is.
    sources.check(&["fetch", "site/recipe.toml", "--store=other", "--copy"]);
    sources.check(&["fetch", "own/recipe.toml", "--store=other"]);
    // An AMI that cannot be asked for is listed as unknown, with the reason.
    let optional = ["ec2:DescribeImages", "ec2:DescribeSnapshots", "ssm:GetParameter"];
    for recipe in ["site/recipe.toml", "own/recipe.toml"] {
        sources.check_optional(&["outdated", recipe, "--store=store"], &optional);
    }
    fs::remove_file(stage.path("site/recipe.lock")).expect("the lock");
    fs::remove_file(stage.path("own/recipe.lock")).expect("the lock");
    sources.check(&["lock", "site/recipe.toml", "--store=other", "--copy"]);
    sources.check(&["lock", "own/recipe.toml", "--store=other"]);
}
