//! The policy of `update --dry-run`: it locks and reads the disk of a snapshot, builds, publishes as a child of the last version
//! and compares. What it boots is on this machine, so no boot is a part of it.

use std::fs;

use amiforge_tests::policy::{PreparedCase, Run, Stage};
use serde_json::Value;

use super::publish::bundle;

/// The options of every update here.
const UPDATE: [&str; 7] = ["update", "next.toml", "-o", "out", "--store=store", "--no-boot", "--max-rate=0"];

/// Writes the recipe of an image over the disk of a snapshot, with a file of its own.
fn recipe(stage: &Stage, source: &str, version: u32) {
    fs::create_dir_all(stage.path("files")).expect("a folder");
    stage.file("files/version", format!("{version}\n").as_bytes());
    let text = format!(
        "[image]\nname = \"next\"\narch = \"x86_64\"\nepoch = 1900000000\n\n[disk]\nsize = \"96 MiB\"\n\n\
         [system]\nfstab = \"replace\"\n\n\
         [[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"image\"\n{source}\nregion = \"us-east-1\"\n\n\
         [[source]]\nkind = \"dir\"\npath = \"files\"\n"
    );
    stage.file("next.toml", text.as_bytes());
}

/// An update that ends after the AMI was registered, its abandonment, and an update without what is on this machine: neither
/// the file of the disk nor the manifest of the parent.
fn interrupted_then_whole(stage: &Stage, policy: &Value, command: &[&str]) -> Vec<Run> {
    let ending = [command, &["--deprecate=30d"]].concat();
    let ended = stage.without(&["ec2:EnableImageDeprecation"], &ending);
    assert_eq!(ended.status.code(), Some(1), "it ends where the deprecation is not allowed: {ended:?}");
    let abandoned = stage.under(policy, &["publish", "out.update/out", "--abandon"]);
    let gone = ["store", "out", "out.publish", "out.update", "next.lock.next"];
    for name in gone.iter().map(|name| stage.path(name)) {
        let _ = if name.is_dir() { fs::remove_dir_all(&name) } else { fs::remove_file(&name) };
    }
    vec![Run::succeeds(abandoned), Run::succeeds(stage.under(policy, command))]
}

#[test]
pub(super) fn the_policies_of_update_are_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    let shown = stage.must(&["--json", "publish", "web-1", "--max-rate=0"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let id = |name: &str| shown[name].as_str().expect("an id").to_owned();
    let by_snapshot = format!("snapshot = \"{}\"", id("snapshotId"));
    let by_image = format!("ami = \"{}\"", id("imageId"));
    recipe(&stage, &by_snapshot, 1);
    stage.must(&UPDATE);
    for source in [&by_snapshot, &by_image] {
        recipe(&stage, source, 2);
        let story = |stage: &Stage, policy: &Value| interrupted_then_whole(stage, policy, &UPDATE);
        PreparedCase { stage: &stage, command: &UPDATE, story: &story, optional: &[], unshown: &[] }.check();
    }
    // Another region for the copies, and a name with the next number.
    let copied = [&UPDATE[..], &["--copy-to=eu-west-1", "--name={name} {number}"]].concat();
    let story = |stage: &Stage, policy: &Value| interrupted_then_whole(stage, policy, &copied);
    let optional = ["ec2:DescribeRegions"];
    PreparedCase { stage: &stage, command: &copied, story: &story, optional: &optional, unshown: &[] }
        .check();
}
