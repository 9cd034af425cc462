//! The policies of the commands that read images, snapshots and channels, and change nothing.

use amiforge_tests::oracle;

use super::published::{Published, check, unshown};

/// The actions without which `whois` does not look inside an image, and says so.
const INSIDE: [&str; 3] = ["ec2:DescribeSnapshots", "ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"];

/// What EC2 calls for the caller while it looks for references; the local region looks by itself.
const WITHIN: [&str; 7] = [
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeLaunchTemplateVersions",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
    "imagebuilder:ListImageRecipes",
    "imagebuilder:ListContainerRecipes",
];

#[test]
pub(super) fn the_policies_of_download_and_leaks_are_the_least() {
    let published = Published::new(&[]);
    for target in [&published.image, &published.snapshot] {
        published.check(&["download", target, "-o", "volume.raw"], &[]);
        published.check(&["leaks", target], &[]);
    }
}

#[test]
pub(super) fn the_policies_of_rebuild_are_the_least() {
    let published = Published::new(&[]);
    published.check(&["rebuild", &published.image, "--store=store", "--source-dir=."], &[]);
    published.check(&["rebuild", &published.snapshot, "--extract=inside"], &[]);
}

#[test]
pub(super) fn the_policy_of_boot_is_the_least() {
    if !oracle::ready(&["qemu-system-x86_64"], false) {
        return;
    }
    let published = Published::new(&[]);
    // It ends when the firmware has found nothing to start.
    let never = ["boot", &published.image, "--expect=login:", "--timeout=1", "--accel=tcg"];
    published.check(&never, &[]);
}

#[test]
pub(super) fn the_policies_of_verify_are_the_least() {
    let published = Published::new(&["--share=111122223333", "--share-snapshots"]);
    published.check(&["verify", &published.snapshot, "--bundle=web-1"], &[]);
    published.check(&["verify", &published.image], &[]);
    published.check(&["verify", &published.image, "--bundle=web-1"], &[]);
    // Without the ledger of its publish the fields that follow from the bundle are compared.
    let removed = std::fs::remove_dir_all(published.stage.path("web-1.publish"));
    removed.expect("the ledger is beside the bundle");
    published.check(&["verify", &published.image, "--bundle=web-1"], &[]);
}

#[test]
pub(super) fn the_policies_of_whois_are_the_least() {
    let published = Published::new(&[]);
    let image = published.image.as_str();
    published.check_optional(&["whois", image], &INSIDE, &[]);
    published.check(&["whois", image, "--tags-only"], &[]);
    published.check(&["whois", image, "--bundle=web-1", "--verify"], &[]);
}

#[test]
pub(super) fn the_policy_of_marketplace_check_is_the_least() {
    let published = Published::new(&[]);
    published.check(&["marketplace", "check", &published.image], &[]);
}

#[test]
pub(super) fn the_policies_of_receipts_export_are_the_least() {
    let plain = Published::new(&[]);
    plain.check(&["receipts", "export", "web-1", "-o", "web.amr"], &[]);
    let options = ["--copy-to=eu-west-1", "--share=111122223333", "--share-snapshots"];
    let copied = Published::new(&options);
    copied.check(&["receipts", "export", "web-1", "-o", "web.amr"], &[]);
}

#[test]
pub(super) fn the_policies_of_images_and_channels_are_the_least() {
    let published = Published::new(&[]);
    let promote = ["promote", &published.image, "--channel=stable", "--name=web", "--state=ledgers"];
    published.stage.must(&promote);
    super::publish::bundle(&published.stage, "web", 2);
    published.stage.must(&["publish", "web-2", "--parent=auto", "--max-rate=0"]);
    let within = WITHIN.map(|action| unshown(action, "DescribeImageReferences calls it within"));
    published.check(&["images"], &within);
    published.check(&["images", "--sizes", "--regions=all"], &within);
    published.check(&["channels"], &[]);
    published.check(&["channels", "--regions=us-east-1,eu-west-1", "--public-prefix=/public"], &[]);
}

#[test]
pub(super) fn the_policy_of_listing_what_can_be_undone_is_the_least() {
    let published = Published::new(&[]);
    check(&published.stage, &["undo"], &[], &[]);
    check(&published.stage, &["undo", "--regions=all"], &[], &[]);
}
